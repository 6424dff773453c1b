//===- RequantizeTest.cpp - multipliers and requantization (R) -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//===----------------------------------------------------------------------===//
#include "lib/Numerics/Integer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

using namespace bitwright::numerics;
using i128 = __int128;

namespace {

const RoundingMode kAllModes[] = {RoundingMode::HalfUp,    RoundingMode::HalfAway, RoundingMode::HalfEven,
                                  RoundingMode::Floor,     RoundingMode::Trunc,    RoundingMode::TfliteDouble,
                                  RoundingMode::TosaDouble};

i128 floorDiv(i128 n, i128 d) {
  i128 q = n / d;
  return q - ((n % d != 0) && ((n < 0) != (d < 0)));
}

/// Rational reference of one rounding of n / 2^c, written from the definitions in 128 bits.
i128 roundRational(i128 n, int c, RoundingMode mode) {
  i128 d = i128(1) << c;
  i128 lower = floorDiv(n, d), twiceRest = 2 * (n - lower * d);
  switch (mode) {
  case RoundingMode::Floor:
    return lower;
  case RoundingMode::Trunc:
    return n / d;
  case RoundingMode::HalfUp:
    return lower + (twiceRest >= d);
  case RoundingMode::HalfAway:
    return lower + (twiceRest > d || (twiceRest == d && n > 0));
  case RoundingMode::HalfEven:
    return lower + (twiceRest > d || (twiceRest == d && (lower & 1)));
  default:
    std::abort();
  }
}

/// The published form of the doubling high multiply: nudge by sign, then a truncating division.
int64_t saturatingRoundingDoublingHighMul(int64_t a, int64_t b) {
  i128 product = i128(a) * b;
  i128 nudge = product >= 0 ? (i128(1) << 30) : 1 - (i128(1) << 30);
  return int64_t((product + nudge) / (i128(1) << 31));
}

int64_t reference(int32_t acc, int32_t b, int c, RoundingMode mode) {
  if (mode == RoundingMode::TfliteDouble) {
    i128 x = i128(acc) * (i128(1) << (c < 31 ? 31 - c : 0));
    x = x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x;
    int64_t high = saturatingRoundingDoublingHighMul(int64_t(x), b);
    return int64_t(roundRational(high, c > 31 ? c - 31 : 0, RoundingMode::HalfAway));
  }
  if (mode == RoundingMode::TosaDouble) {
    i128 d = c <= 31 ? 0 : acc >= 0 ? (i128(1) << 30) : -(i128(1) << 30);
    return int64_t(floorDiv(i128(acc) * b + (i128(1) << (c - 1)) + d, i128(1) << c));
  }
  return int64_t(roundRational(i128(acc) * b, c, mode));
}

/// floor(acc * M + 1/2) with no error: M is a 53-bit integer times a power of two.
int64_t exactHalfUp(int32_t acc, double real) {
  int e = 0;
  double m = std::frexp(real, &e);
  i128 mantissa = i128(int64_t(std::ldexp(m, 53)));
  return int64_t(roundRational(mantissa * acc, 53 - e, RoundingMode::HalfUp));
}

TEST(Requantize, R2_R3_PowersOfTwo) {
  int minShift = 99, maxShift = 0;
  for (int k = -28; k <= 70; ++k) {
    Multiplier m;
    ASSERT_EQ(encodeMultiplier(std::ldexp(1.0, -k), 31, m), EncodeStatus::Ok) << k;
    minShift = std::min(minShift, m.shift);
    maxShift = std::max(maxShift, m.shift);
    if (k + 30 <= 62) {
      EXPECT_EQ(m.value, 1 << 30);
      EXPECT_EQ(m.shift, k + 30);
    } else {
      EXPECT_EQ(m.shift, 62);
      EXPECT_EQ(m.value, k + 30 - 62 == 31 ? 1 : int32_t((int64_t(1) << 30) >> (k + 30 - 62))) << k; // 1/2 rounds up
      EXPECT_EQ(requantize(INT32_MAX, m.value, m.shift, 0, -128, 127), 0) << k;
      EXPECT_EQ(requantize(INT32_MIN, m.value, m.shift, 0, -128, 127), 0) << k;
    }
  }
  EXPECT_EQ(minShift, 2);
  EXPECT_EQ(maxShift, 62);
}

TEST(Requantize, R2_CarryJustBelowPowerOfTwo) {
  for (int bits : {15, 23, 31}) {
    Multiplier m;
    ASSERT_EQ(encodeMultiplier(std::nextafter(0.5, 0.0), bits, m), EncodeStatus::Ok);
    EXPECT_EQ(m.value, 1 << (bits - 1)) << bits; // m rounds to 2^p and is halved: 0.5 = 2^(p-1) 2^-p
    EXPECT_EQ(m.shift, bits);
  }
}

TEST(Requantize, R1_R3_Rejected) {
  Multiplier m;
  ASSERT_EQ(encodeMultiplier(0.0, 31, m), EncodeStatus::Ok);
  EXPECT_EQ(m, (Multiplier{0, 31}));
  EXPECT_EQ(encodeMultiplier(std::nan(""), 31, m), EncodeStatus::NotUsable);
  EXPECT_EQ(encodeMultiplier(INFINITY, 31, m), EncodeStatus::NotUsable);
  EXPECT_EQ(encodeMultiplier(-1.0, 31, m), EncodeStatus::NotUsable);
  EXPECT_EQ(encodeMultiplier(0x1p29, 31, m), EncodeStatus::TooLarge);
  EXPECT_EQ(encodeMultiplier(std::nextafter(0x1p29, 0.0), 31, m), EncodeStatus::TooLarge); // carries to 2^29
  EXPECT_EQ(encodeMultiplier(0x1p28, 31, m), EncodeStatus::Ok);
  EXPECT_EQ(encodeMultiplier(0x1p13, 15, m), EncodeStatus::TooLarge);
  EXPECT_EQ(encodeMultiplier(0x1p12, 15, m), EncodeStatus::Ok);
}

TEST(Requantize, R4_R7_AllInt16AccumulatorsEveryMode) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 64; ++i) {
    int32_t b = int32_t((int64_t(1) << 30) + int64_t(random() >> 34));
    int c = i < 61 ? 2 + i : int(2 + random() % 61); // every legal shift once
    for (RoundingMode mode : kAllModes)
      for (int32_t acc = INT16_MIN; acc <= INT16_MAX; ++acc)
        ASSERT_EQ(requantizeUnclamped(acc, b, c, mode), reference(acc, b, c, mode))
            << "acc " << acc << " b " << b << " c " << c << " mode " << int(mode);
  }
}

TEST(Requantize, R5_Int32Extremes) {
  for (int32_t acc : {INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX - 1, INT32_MAX})
    for (int32_t b : {1 << 30, (1 << 30) + 1, INT32_MAX - 1, INT32_MAX})
      for (int c = 2; c <= 62; ++c)
        for (RoundingMode mode : kAllModes) {
          int64_t exact = reference(acc, b, c, mode);
          ASSERT_EQ(requantizeUnclamped(acc, b, c, mode), exact) << acc << " " << b << " " << c << " " << int(mode);
          ASSERT_EQ(requantize(acc, b, c, 3, -128, 127, mode),
                    std::min<int64_t>(127, std::max<int64_t>(-128, exact + 3)));
        }
}

TEST(Requantize, R7_Ties) {
  // n / 2 for n = -5, -3, -1, 1, 3, 5
  struct Row {
    RoundingMode mode;
    int64_t expected[6];
  } rows[] = {{RoundingMode::HalfUp, {-2, -1, 0, 1, 2, 3}},
              {RoundingMode::HalfAway, {-3, -2, -1, 1, 2, 3}},
              {RoundingMode::HalfEven, {-2, -2, 0, 0, 2, 2}},
              {RoundingMode::Floor, {-3, -2, -1, 0, 1, 2}},
              {RoundingMode::Trunc, {-2, -1, 0, 0, 1, 2}}};
  for (const Row &row : rows)
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(roundShift(2 * i - 5, 1, row.mode), row.expected[i]) << int(row.mode) << " " << 2 * i - 5;
      // the same ties reached through a multiplier of 2^-1
      EXPECT_EQ(requantizeUnclamped(2 * i - 5, 1 << 30, 31, row.mode), row.expected[i]);
    }
  for (RoundingMode mode : kAllModes)
    if (mode != RoundingMode::TfliteDouble) {
      EXPECT_EQ(roundShift(-7, 0, mode), -7);
    }
}

TEST(Requantize, R6_ErrorBoundAndMismatchRate) {
  // Mismatch rates of the table; 0 where the table gives none that a sample of this size could show.
  auto expectedRate = [](int p) {
    return p == 7    ? 0.19
           : p == 8  ? 0.098
           : p == 10 ? 0.023
           : p == 12 ? 0.005
           : p == 15 ? 0.0008
           : p == 16 ? 0.0003
                     : 0.0;
  };
  std::mt19937_64 random(6);
  std::uniform_real_distribution<double> exponent(-20.0, -8.0), unit(-128.0, 127.0);
  for (int p = 7; p <= 31; ++p) {
    int64_t mismatches = 0, total = expectedRate(p) > 0 && p >= 15 ? 2000000 : 200000;
    for (int64_t i = 0; i < total; ++i) {
      double real = std::exp2(exponent(random));
      int32_t acc = int32_t(unit(random) / real);
      Multiplier m;
      ASSERT_EQ(encodeMultiplier(real, p, m), EncodeStatus::Ok);
      int64_t y = requantizeUnclamped(acc, m.value, m.shift, RoundingMode::HalfUp);
      double exact = acc * real; // rounding 2^-46 relative to |y| <= 128, far below the bound's slack
      ASSERT_LE(std::fabs(y - exact), 0.5 + std::fabs(double(acc)) * std::ldexp(1.0, -m.shift - 1) + 1e-12);
      mismatches += y != exactHalfUp(acc, real);
    }
    double rate = double(mismatches) / double(total);
    if (expectedRate(p) > 0) {
      EXPECT_LE(rate, expectedRate(p) * 1.5) << p;
      EXPECT_GE(rate, expectedRate(p) / 1.5) << p;
    }
    if (p == 31) {
      EXPECT_EQ(mismatches, 0);
    }
  }
}

TEST(Requantize, R9_DoubleRounding) {
  std::mt19937_64 random(9);
  for (int c = 32; c <= 40; ++c) {
    const int64_t total = 2000000;
    int64_t differs[2] = {0, 0};
    double bound = 0.5 + std::ldexp(1.0, 30 - c);
    for (int64_t i = 0; i < total; ++i) {
      int32_t acc = int32_t(random()), b = int32_t((int64_t(1) << 30) + int64_t(random() >> 34));
      int64_t single = requantizeUnclamped(acc, b, c, RoundingMode::HalfUp);
      int j = 0;
      for (RoundingMode mode : {RoundingMode::TfliteDouble, RoundingMode::TosaDouble}) {
        int64_t y = requantizeUnclamped(acc, b, c, mode);
        differs[j++] += y != single;
        // error in units of 2^-c, exactly
        i128 error = i128(y) * (i128(1) << c) - i128(acc) * b;
        error = error < 0 ? -error : error;
        ASSERT_LE(double(error), std::ldexp(bound, c) * (1 + 1e-12)) << acc << " " << b << " " << c;
      }
    }
    for (int64_t d : differs) {
      double rate = double(d) / double(total), expected = std::ldexp(1.0, 30 - c);
      EXPECT_NEAR(rate, expected, 0.2 * expected) << c;
    }
  }
}

TEST(Requantize, R9_DoubleModesEqualHalfUpForSmallShifts) {
  std::mt19937_64 random(99);
  for (int c = 2; c <= 31; ++c)
    for (int i = 0; i < 100000; ++i) {
      int32_t b = int32_t((int64_t(1) << 30) + int64_t(random() >> 34));
      int32_t acc = int32_t(random()) >> (31 - c); // acc << (31 - c) fits int32
      int64_t single = requantizeUnclamped(acc, b, c, RoundingMode::HalfUp);
      ASSERT_EQ(requantizeUnclamped(acc, b, c, RoundingMode::TfliteDouble), single);
      ASSERT_EQ(requantizeUnclamped(acc, b, c, RoundingMode::TosaDouble), single);
    }
}

TEST(Requantize, R10_SharedShift) {
  SharedShift s = shareShift({{1 << 30, 40}, {1500000001, 44}, {0, 31 + 9}});
  EXPECT_EQ(s.shift, 40);
  EXPECT_EQ(s.lostBits, 4);
  EXPECT_EQ(s.values[0], 1 << 30);
  EXPECT_EQ(s.values[1], 93750000); // 1500000001 / 16 = 93750000.06
  EXPECT_EQ(s.values[2], 0);
  // 4 bits lost change fewer than 0.001 % of int8 results (200 000 samples: at most a handful)
  std::mt19937_64 random(10);
  int changed = 0;
  for (int i = 0; i < 200000; ++i) {
    Multiplier m{int32_t((int64_t(1) << 30) + int64_t(random() >> 34)), 44};
    int32_t acc = int32_t(int64_t(random() % 3000000) - 1500000);
    changed += requantize(acc, m.value, 44, 0, -128, 127) !=
               requantize(acc, int32_t(roundHalfUp(int64_t(m.value), 4)), 40, 0, -128, 127);
  }
  EXPECT_LE(changed, 4);
}

TEST(Requantize, R11_ClampCodes) {
  EXPECT_EQ(clampCode(0.0, 0.1, -5, -128, 127), -5);
  EXPECT_EQ(clampCode(6.0, 0.1, -5, -128, 127), 55);
  EXPECT_EQ(clampCode(6.0, 0.04, 0, -128, 127), 127); // 150 leaves the type
  EXPECT_EQ(clampCode(-6.0, 0.04, 0, -128, 127), -128);
}

TEST(Requantize, R12_ZeroPointTermsAllFourBit) {
  for (int zx = -8; zx < 8; ++zx)
    for (int zw = -8; zw < 8; ++zw)
      for (int x = -8; x < 8; ++x)
        for (int w = -8; w < 8; ++w)
          ASSERT_EQ((x - zx) * (w - zw), x * w + zeroPointBias(1, w, zx, zw) - zw * x);
  std::mt19937 random(12);
  for (int k = 2; k <= 4; ++k)
    for (int zx = -8; zx < 8; ++zx)
      for (int zw = -8; zw < 8; ++zw)
        for (int trial = 0; trial < 64; ++trial) {
          int64_t direct = 0, dot = 0, sumX = 0, sumW = 0;
          for (int i = 0; i < k; ++i) {
            int x = int(random() % 16) - 8, w = int(random() % 16) - 8;
            direct += (x - zx) * (w - zw), dot += x * w, sumX += x, sumW += w;
          }
          ASSERT_EQ(direct, dot + zeroPointBias(k, sumW, zx, zw) - zw * sumX);
        }
}

TEST(Requantize, R13_PaddingWithTheZeroPointCode) {
  // A 1-d convolution of 5 codes, kernel 3, padding 1 (weights with zero point 0): padding with zx and folding -zx *
  // sum w into the bias equals the explicit sum over the real positions.
  std::mt19937 random(13);
  for (int trial = 0; trial < 2000; ++trial) {
    int x[5], w[3], zx = int(random() % 256) - 128;
    for (int &v : x)
      v = int(random() % 256) - 128;
    for (int &v : w)
      v = int(random() % 256) - 128;
    int64_t bias = zeroPointBias(3, w[0] + w[1] + w[2], zx, 0);
    for (int o = 0; o < 5; ++o) {
      int64_t explicitSum = 0, folded = bias;
      for (int t = 0; t < 3; ++t) {
        int i = o + t - 1;
        bool inside = i >= 0 && i < 5;
        explicitSum += inside ? (x[i] - zx) * w[t] : 0;
        folded += (inside ? x[i] : zx) * w[t];
      }
      ASSERT_EQ(explicitSum, folded);
    }
  }
}

TEST(Requantize, R14_AccumulatorBounds) {
  struct Row {
    int64_t maxX, maxW, k;
  } rows[] = {{255, 128, 65793}, {128, 128, 131071}, {128, 8, 2097151}, {32768, 128, 511}, {32768, 32768, 1}};
  for (const Row &r : rows) {
    EXPECT_TRUE(fitsAccumulator(r.k, r.maxX, r.maxW)) << r.k;
    EXPECT_FALSE(fitsAccumulator(r.k + 1, r.maxX, r.maxW)) << r.k;
    int64_t room = (int64_t(1) << 31) - 1 - r.k * r.maxX * r.maxW;
    EXPECT_TRUE(fitsAccumulator(r.k, r.maxX, r.maxW, room));
    EXPECT_FALSE(fitsAccumulator(r.k, r.maxX, r.maxW, room + 1));
    // the all-extreme operands really reach the bound: the sum of k products is what int32 holds, one more may not be
    int64_t sum = 0;
    for (int64_t i = 0; i < r.k; ++i)
      sum += -r.maxX * -r.maxW;
    EXPECT_LE(sum, INT32_MAX);
    EXPECT_GT(sum + r.maxX * r.maxW, INT32_MAX);
  }
}

TEST(Requantize, R15_Bias) {
  int32_t q = 0;
  EXPECT_TRUE(quantizeBias(0.75, 0.5, q)); // 1.5 rounds up
  EXPECT_EQ(q, 2);
  EXPECT_TRUE(quantizeBias(-0.75, 0.5, q)); // -1.5 rounds up as well
  EXPECT_EQ(q, -1);
  EXPECT_TRUE(quantizeBias(double(INT32_MAX), 1.0, q));
  EXPECT_FALSE(quantizeBias(double(INT32_MAX) + 1, 1.0, q));
  EXPECT_TRUE(quantizeBias(double(INT32_MIN), 1.0, q));
  EXPECT_FALSE(quantizeBias(1.0, 1e-12, q));
  EXPECT_FALSE(quantizeBias(std::nan(""), 1.0, q));
  // a bias that does not fit joins after the multiplication: (100 * 2^30 + 3 * 2^32) / 2^34 = 6.25 + 0.75 = 7
  EXPECT_EQ(requantizeWithBias(100, 1 << 30, 34, 3, 32, 0, -128, 127), 7);
}

TEST(Requantize, R18_ShiftOnlyEqualsR4) {
  std::mt19937 random(18);
  for (int k = 0; k <= 31; ++k)
    for (int i = 0; i < 20000; ++i) {
      int32_t acc = int32_t(random()) >> (random() % 31);
      for (RoundingMode mode : {RoundingMode::HalfUp, RoundingMode::HalfAway, RoundingMode::HalfEven,
                                RoundingMode::Floor, RoundingMode::Trunc})
        ASSERT_EQ(requantizeShiftOnly(acc, k, 1, -128, 127, mode),
                  requantize(acc, 1 << 30, k + 30, 1, -128, 127, mode));
    }
  EXPECT_EQ(requantizeShiftOnly(5, -3, 0, -128, 127), 40);
  EXPECT_EQ(requantizeShiftOnly(INT32_MAX, -31, 0, -128, 127), 127);
  EXPECT_EQ(requantizeShiftOnly(-77, -31, 0, -32768, 32767), -32768);
}

TEST(Requantize, R19_IntegerDynamic) {
  std::mt19937 random(19);
  for (int trial = 0; trial < 20000; ++trial) {
    uint32_t a = 1 + random() % ((1u << 24) - 1);
    TokenQuantizer t = tokenQuantizer(a);
    ASSERT_EQ(roundHalfUp(int64_t(a) * t.b, t.c), 127);
    ASSERT_EQ(roundHalfUp(-int64_t(a) * t.b, t.c), -127);
    int32_t x = int32_t(random() % (2 * a + 1)) - int32_t(a);
    int64_t q = roundHalfUp(int64_t(x) * t.b, t.c);
    ASSERT_LE(std::llabs(q), 127);
    ASSERT_LE(std::fabs(double(q) - 127.0 * x / a), 0.5 + 1e-6);
  }
}

} // namespace
