//===- RootsTest.cpp - exp, reciprocal and roots in integers (S, A6, N7) ---*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//===----------------------------------------------------------------------===//
#include "lib/Numerics/Integer.h"
#include "lib/Numerics/RealFunctions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace bitwright::numerics;

namespace {

TEST(Roots, S2_AllFractionsPerDegree) {
  const double tableError[] = {1.24e-3, 5.4e-5, 1.9e-6,
                               5.5e-8}; // printed with two or three digits: 1 % slack for rounding
  for (int degree = 2; degree <= 5; ++degree) {
    double worst = 0;
    for (int r = 0; r < 65536; ++r)
      worst = std::fmax(
          worst, std::fabs(exp2Fraction(r, degree, exp2Coefficients(degree)) * 0x1p-30 - std::exp2(-r / 65536.0)));
    EXPECT_LE(worst, tableError[degree - 2] * 1.01) << degree;
    EXPECT_GE(worst, tableError[degree - 2] * 0.9) << degree;
  }
}

TEST(Roots, S1_Limits) {
  const int32_t *k = exp2Coefficients(3);
  EXPECT_EQ(exp2Negative(31u << 16, 3, k), 0);
  EXPECT_EQ(exp2Negative(30u << 16, 3, k), 1); // 2^-30 in Q30
  EXPECT_EQ(exp2Negative(UINT32_MAX, 3, k), 0);
  EXPECT_EQ(exponentOf(0, UINT32_MAX >> 1, 31), 0u);
  // d * b + 2^(c-1) overflows int64 here, not uint64
  EXPECT_EQ(exponentOf(UINT32_MAX, INT32_MAX, 62),
            uint32_t((uint64_t(UINT32_MAX) * INT32_MAX + (uint64_t(1) << 61)) >> 62));
  EXPECT_EQ(exponentOf(UINT32_MAX, INT32_MAX, 2), 31u << 16);
}

TEST(Roots, A6_Reciprocal) {
  double worst = 0;
  auto check = [&](uint64_t l) {
    ScaledReciprocal r = reciprocal(l);
    ASSERT_GE(r.value, 1u << 30);
    ASSERT_LE(r.value, 1u << 31);
    long double product = (long double)l * r.value * std::exp2((long double)-r.shift);
    worst = std::fmax(worst, double(fabsl(product - 1)));
  };
  for (int j = 0; j < 64; ++j)
    for (int64_t delta : {-1, 0, 1}) {
      uint64_t l = (uint64_t(1) << j) + uint64_t(delta);
      if (l)
        check(l);
    }
  check(UINT64_MAX);
  std::mt19937_64 random(6);
  for (int i = 0; i < 1000000; ++i)
    check((random() >> (random() % 63)) | 1);
  EXPECT_LE(worst, 2e-9); // measured 1.6e-9
}

TEST(Roots, N4_InverseRoot) {
  double worst = 0;
  std::mt19937_64 random(4);
  for (int i = 0; i < 1000000; ++i) {
    uint64_t v = i < 64 ? uint64_t(1) << i : (random() >> (random() % 64)) | 1;
    ScaledReciprocal r = inverseRoot(v);
    long double y = r.value * std::exp2((long double)-r.shift) * sqrtl((long double)v);
    worst = std::fmax(worst, double(fabsl(y - 1)));
  }
  EXPECT_LE(worst, 1.5e-9); // measured 1.0e-9
}

TEST(Roots, N7_IntegerSquareRoot) {
  for (uint64_t n = 0; n < (1u << 22); ++n) {
    uint64_t r = integerSqrt(n);
    ASSERT_TRUE(r * r <= n && n < (r + 1) * (r + 1)) << n;
  }
  EXPECT_EQ(integerSqrt(UINT64_MAX), UINT32_MAX);
  std::mt19937_64 random(7);
  for (int i = 0; i < 1000000; ++i) {
    uint64_t root = random() >> 32, square = root * root;
    ASSERT_EQ(integerSqrt(square), root);
    if (root > 1) {
      ASSERT_EQ(integerSqrt(square - 1), root - 1);
      ASSERT_EQ(integerSqrt(square + 1), root);
    }
  }
}

TEST(Roots, A3_Sigmoid) {
  double worst = 0;
  for (int i = -8 * 4096; i < 8 * 4096; ++i) {
    double x = i / 4096.0;
    uint32_t t = uint32_t(std::floor(std::fabs(x) * 1.4426950408889634 * 65536 + 0.5));
    worst = std::fmax(worst, std::fabs(double(sigmoidQ30(x < 0, t)) * 0x1p-30 - real::sigmoid(x)));
  }
  EXPECT_LE(worst, 2.6e-5); // measured 2.4e-5
}

} // namespace
