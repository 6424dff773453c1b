//===- ElementwiseTest.cpp - add, mul, average, tables (E, A1) -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//===----------------------------------------------------------------------===//
#include "lib/Numerics/Integer.h"
#include "lib/Numerics/RealFunctions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

using namespace bitwright::numerics;

namespace {

/// |y - clamped exact value|: what INTEGER calls the error of a clamped result.
double errorOf(int32_t y, double exact) {
  double clamped = exact < -128 ? -128 : exact > 127 ? 127 : exact;
  return std::fabs(y - clamped);
}

struct Scales {
  double a, d, y;
};

std::vector<Scales> scalePairs() {
  std::mt19937 random(16);
  std::uniform_real_distribution<double> exponent(-8.0, 0.0);
  std::vector<Scales> pairs = {{0.05, 0.05, 0.1}, {1.0, 1.0, 2.0}, {0.01, 3.0, 3.0}, {0.02, 1e-5, 0.02}};
  while (pairs.size() < 16)
    pairs.push_back({std::exp2(exponent(random)), std::exp2(exponent(random)), std::exp2(exponent(random))});
  return pairs;
}

TEST(Elementwise, E1_AddAllPairs) {
  std::mt19937 random(1);
  for (const Scales &s : scalePairs()) {
    Multiplier ma, md;
    ASSERT_EQ(encodeMultiplier(s.a / s.y, 31, ma), EncodeStatus::Ok);
    ASSERT_EQ(encodeMultiplier(s.d / s.y, 31, md), EncodeStatus::Ok);
    AlignedPair m = alignMultipliers(ma, md);
    int za = int(random() % 256) - 128, zd = int(random() % 256) - 128, zy = int(random() % 256) - 128;
    for (int a = -128; a <= 127; ++a)
      for (int d = -128; d <= 127; ++d) {
        double exact = zy + ((a - za) * s.a + (d - zd) * s.d) / s.y;
        ASSERT_LE(errorOf(addQuantized(a, za, d, zd, m, zy, -128, 127), exact), 0.5 + 1e-6) << a << " " << d;
      }
  }
}

TEST(Elementwise, E3_MulAllPairs) {
  std::mt19937 random(3);
  for (const Scales &s : scalePairs()) {
    Multiplier m;
    ASSERT_EQ(encodeMultiplier(s.a * s.d / s.y, 31, m), EncodeStatus::Ok);
    int za = int(random() % 256) - 128, zd = int(random() % 256) - 128, zy = int(random() % 256) - 128;
    for (int a = -128; a <= 127; ++a)
      for (int d = -128; d <= 127; ++d) {
        double exact = zy + double((a - za) * (d - zd)) * (s.a * s.d / s.y);
        ASSERT_LE(errorOf(mulQuantized(a, za, d, zd, m, zy, -128, 127), exact), 0.5 + 1e-6) << a << " " << d;
      }
  }
}

TEST(Elementwise, E2_ConcatBranchRequantization) {
  for (const Scales &s : scalePairs()) {
    Multiplier m;
    ASSERT_EQ(encodeMultiplier(s.a / s.y, 31, m), EncodeStatus::Ok);
    for (int q = -128; q <= 127; ++q)
      ASSERT_LE(errorOf(requantize(q - 9, m.value, m.shift, -4, -128, 127), -4 + (q - 9) * (s.a / s.y)), 0.5 + 1e-6);
  }
}

TEST(Elementwise, E4_AveragePoolAllSums) {
  for (int k = 1; k <= 49; ++k) {
    Multiplier m;
    ASSERT_EQ(encodeAverage(1.0, 1.0, k, 31, m), EncodeStatus::Ok);
    for (int sum = -255 * k; sum <= 255 * k; ++sum) { // sums of x - zx for every zero point
      int32_t y = requantize(sum, m.value, m.shift, 0, -32768, 32767);
      double exact = double(sum) / k;
      ASSERT_LE(std::fabs(y - exact), 0.5 + 1e-6) << k << " " << sum;
      int twice = 2 * sum + k, divisor = 2 * k;
      int halfUp = twice >= 0 ? twice / divisor : -((-twice + divisor - 1) / divisor);
      if (twice % divisor != 0) { // not a tie: no other result is right
        ASSERT_EQ(y, halfUp) << k << " " << sum;
      }
    }
  }
}

TEST(Elementwise, E4_TwentyBitReciprocalOf49) {
  Multiplier m;
  ASSERT_EQ(encodeAverage(1.0, 1.0, 49, 20, m), EncodeStatus::Ok);
  for (int sum = -255 * 49; sum <= 255 * 49; ++sum)
    ASSERT_EQ(requantize(sum, m.value, m.shift, 0, -32768, 32767), int(std::floor(sum / 49.0 + 0.5)));
}

TEST(Elementwise, E6_A1_TablesAgainstFloat64) {
  std::vector<std::pair<const char *, std::function<double(double)>>> functions = {
      {"gelu", real::geluErf},
      {"gelu tanh", real::geluTanh},
      {"silu", real::silu},
      {"sigmoid", real::sigmoid},
      {"tanh", [](double x) { return std::tanh(x); }},
      {"exp", [](double x) { return std::exp(x); }},
      {"erf", [](double x) { return std::erf(x); }},
      {"hard swish", real::hardSwish},
      {"softplus", real::softplus},
      {"elu", [](double x) { return real::elu(x, 1.0); }},
      {"leaky relu", [](double x) { return real::leakyRelu(x, 0.01); }},
      {"sqrt", [](double x) { return std::sqrt(x); }},
      {"log", [](double x) { return std::log(x); }}};
  for (double sx : {0.01, 0.05, 0.2})
    for (double sy : {0.004, 0.02, 0.1})
      for (auto &[name, f] : functions) {
        int zx = -7, zy = -100;
        std::vector<int32_t> table = buildTable(f, sx, zx, -128, 127, sy, zy, -128, 127);
        ASSERT_EQ(table.size(), 256u);
        for (int q = -128; q <= 127; ++q) {
          double exact = f(sx * (q - zx));
          if (std::isnan(exact)) {
            EXPECT_EQ(table[q + 128], zy) << name; // sqrt and log of a negative number
            continue;
          }
          ASSERT_LE(errorOf(table[q + 128], zy + exact / sy), 0.5 + 1e-9) << name << " q " << q;
        }
      }
}

TEST(Elementwise, E6_TieRoundsUp) {
  auto identity = [](double x) { return x; };
  std::vector<int32_t> table = buildTable(identity, 0.5, 0, -128, 127, 1.0, 0, -128, 127);
  EXPECT_EQ(table[128 + 1], 1);  // 0.5
  EXPECT_EQ(table[128 - 1], 0);  // -0.5
  EXPECT_EQ(table[128 + 3], 2);  // 1.5
  EXPECT_EQ(table[128 - 3], -1); // -1.5
}

} // namespace
