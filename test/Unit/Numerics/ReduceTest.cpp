//===- ReduceTest.cpp - float reductions in one order (F3) -----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//===----------------------------------------------------------------------===//
#include "lib/Numerics/Reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace bitwright::numerics;

namespace {

std::vector<float> randomRow(int n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> row(n);
  for (float &v : row)
    v = normal(random);
  return row;
}

TEST(Reduce, F3_TreeOrder) {
  float p[16];
  for (int i = 0; i < 16; ++i)
    p[i] = std::ldexp(1.0f + 0.001f * float(i), i * 2);
  auto t = [&](int i) { return (p[i] + p[i + 8]) + (p[i + 4] + p[i + 12]); };
  ScalarBuilder b;
  EXPECT_EQ(sumTree(b, p), (t(0) + t(2)) + (t(1) + t(3)));
}

TEST(Reduce, F3_SumsOfLength1To100) {
  // The same sum as a register of 16 lanes computes it: whole vectors, then a masked tail, then halves folded together.
  for (int n = 1; n <= 100; ++n) {
    std::vector<float> x = randomRow(n, unsigned(n));
    float lanes[16] = {};
    for (int base = 0; base < n; base += 16)
      for (int lane = 0; lane < 16 && base + lane < n; ++lane)
        lanes[lane] += x[base + lane];
    for (int width = 8; width; width /= 2)
      for (int lane = 0; lane < width; ++lane)
        lanes[lane] += lanes[lane + width];
    EXPECT_EQ(sumF3(x.data(), n), lanes[0]) << n;
    double exact = 0, magnitude = 0;
    for (float v : x)
      exact += v, magnitude += std::fabs(v);
    // at most n/16 + 4 additions of one partial chain, each within 2^-24 of its magnitude
    EXPECT_NEAR(lanes[0], exact, magnitude * (n / 16 + 5) * 0x1p-24) << n;
  }
}

TEST(Reduce, F3_PaddingDoesNotEnter) {
  std::vector<float> x = randomRow(64, 1);
  for (int i = 37; i < 64; ++i)
    x[i] = NAN;
  std::vector<float> y(x.begin(), x.begin() + 37);
  EXPECT_EQ(sumF3(x.data(), 37), sumF3(y.data(), 37));
  EXPECT_EQ(maxF3(37, [&](int64_t i) { return x[i]; }), maxF3(37, [&](int64_t i) { return y[i]; }));
}

TEST(Reduce, F3_MaxAndMin) {
  std::vector<float> x = randomRow(53, 2);
  float hi = x[0], lo = x[0];
  for (float v : x)
    hi = std::fmax(hi, v), lo = std::fmin(lo, v);
  auto get = [&](int64_t i) { return x[i]; };
  EXPECT_EQ(maxF3(53, get), hi);
  EXPECT_EQ(minF3(53, get), lo);
  x[20] = NAN;
  EXPECT_TRUE(std::isnan(maxF3(53, get)));
  EXPECT_TRUE(std::isnan(minF3(53, get)));
}

TEST(Reduce, SoftmaxRow) {
  for (int n : {1, 2, 15, 16, 17, 100, 1000}) {
    std::vector<float> x = randomRow(n, 100 + unsigned(n)), y(n), l(n);
    softmaxRow(x.data(), y.data(), n);
    logSoftmaxRow(x.data(), l.data(), n);
    double top = x[0], sum = 0;
    for (float v : x)
      top = std::fmax(top, double(v));
    for (float v : x)
      sum += std::exp(v - top);
    for (int i = 0; i < n; ++i) {
      double exact = std::exp(x[i] - top) / sum;
      // x - m: half an ulp of at most 24 (2^-20) in the exponent; exp, sum, reciprocal and product: a few ulp
      EXPECT_NEAR(y[i], exact, exact * (0x1p-20 + 8 * 0x1p-23));
      EXPECT_NEAR(l[i], std::log(exact), 24 * 0x1p-22);
    }
  }
  float inf[3] = {INFINITY, 0, 1}, y[3];
  softmaxRow(inf, y, 3);
  EXPECT_TRUE(std::isnan(y[0]));
  float masked[3] = {-INFINITY, 0, 0};
  softmaxRow(masked, y, 3);
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_EQ(y[1], 0.5f);
}

TEST(Reduce, Norms) {
  std::vector<float> x = randomRow(77, 5);
  double mean = 0, var = 0, square = 0;
  for (float v : x)
    mean += v / 77.0, square += double(v) * v / 77.0;
  for (float v : x)
    var += (v - mean) * (v - mean) / 77.0;
  NormMoments m = normMoments(x.data(), 77, 1e-5f), r = rmsMoments(x.data(), 77, 1e-5f);
  EXPECT_NEAR(m.mean, mean, 1e-6);
  EXPECT_NEAR(m.inverseDeviation, 1 / std::sqrt(var + 1e-5), 1e-6);
  EXPECT_NEAR(r.inverseDeviation, 1 / std::sqrt(square + 1e-5), 1e-6);
  EXPECT_EQ(r.mean, 0.0f);
  float flat[20];
  for (float &v : flat)
    v = 3.25f;
  NormMoments f = normMoments(flat, 20, 1e-5f); // zero variance: the output is beta
  EXPECT_EQ(normElement(3.25f, f, 2.0f, 0.5f), 0.5f);
}

} // namespace
