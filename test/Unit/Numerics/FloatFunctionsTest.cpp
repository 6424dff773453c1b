//===- FloatFunctionsTest.cpp - bounds of the float32 functions (F1, F2) ---*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//===----------------------------------------------------------------------===//
#include "lib/Numerics/FloatFunctions.h"
#include "lib/Numerics/Half.h"
#include "lib/Numerics/RealFunctions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace bitwright;
namespace bn = bitwright::numerics;
using bn::ScalarBuilder;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();

/// The step of float32 at the magnitude of `exact`; the subnormal step below the normal range.
double ulpOf(double exact) {
  double a = std::fabs(exact);
  if (a < FLT_MIN)
    return 0x1p-149;
  int e = 0;
  std::frexp(a, &e);
  return std::ldexp(1.0, e - 24);
}

struct Worst {
  double error = 0;
  float at = 0;
};

/// The largest error of f against g over a 2^-12 grid on [lo, hi] and `count` random inputs of the interval. `unit`
/// gives what the error is measured in.
template <class F, class G, class U> Worst sweep(F &&f, G &&g, U &&unit, float lo, float hi, int64_t count) {
  Worst worst;
  auto check = [&](float x) {
    double exact = g(double(x));
    double error = std::fabs(double(f(x)) - exact) / unit(exact, x);
    if (std::fabs(exact) > FLT_MAX)
      error = std::isinf(f(x)) || f(x) == FLT_MAX ? 0 : 1e9;
    if (std::isnan(error))
      error = 1e9;
    if (error > worst.error)
      worst = {error, x};
  };
  for (int64_t i = int64_t(std::ceil(lo * 4096.0)), e = int64_t(std::floor(hi * 4096.0)); i <= e; ++i)
    check(float(i / 4096.0));
  std::mt19937 random(20240607);
  std::uniform_real_distribution<float> uniform(lo, hi);
  // half of them uniform, half with a uniform exponent so that small magnitudes are met
  for (int64_t i = 0; i < count / 2; ++i)
    check(uniform(random));
  std::uniform_real_distribution<float> exponent(-30.0f, std::log2(std::fmax(std::fabs(lo), hi)));
  for (int64_t i = 0; i < count / 2; ++i) {
    float x = std::exp2(exponent(random));
    x = (random() & 1) ? -x : x;
    if (x >= lo && x <= hi)
      check(x);
  }
  return worst;
}

double inUlp(double exact, float) { return ulpOf(exact); }
double absoluteScaled(double, float x) { return std::fmax(1.0, std::fabs(double(x))); }

#define EXPECT_BOUND(worst, bound)                                                                                     \
  do {                                                                                                                 \
    Worst w = worst;                                                                                                   \
    EXPECT_LE(w.error, bound) << "at x = " << w.at;                                                                    \
    RecordProperty("worst", std::to_string(w.error));                                                                  \
  } while (0)

ScalarBuilder b;

TEST(FloatFunctions, F2_Exp2) {
  auto f = [](float x) { return bn::exp2(b, x); };
  EXPECT_BOUND(sweep(f, [](double x) { return std::exp2(x); }, inUlp, -160.0f, 130.0f, 10000000), 1.1);
  for (int n = -149; n <= 127; ++n)
    EXPECT_EQ(f(float(n)), std::ldexp(1.0f, n)) << n;
  EXPECT_EQ(f(128.0f), kInf);
  EXPECT_EQ(f(kInf), kInf);
  EXPECT_EQ(f(-kInf), 0.0f);
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_Erf) {
  auto f = [](float x) { return bn::erf(b, x); };
  EXPECT_BOUND(sweep(f, [](double x) { return std::erf(x); }, inUlp, -6.0f, 6.0f, 10000000), 1.5);
  EXPECT_EQ(f(kInf), 1.0f);
  EXPECT_EQ(f(-kInf), -1.0f);
  EXPECT_EQ(f(5.0f), 1.0f);
  EXPECT_EQ(f(0.0f), 0.0f);
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_Exp) {
  auto f = [](float x) { return bn::exp(b, x); };
  EXPECT_BOUND(sweep(f, [](double x) { return std::exp(x); }, inUlp, -106.0f, 90.0f, 10000000), 1.1);
  EXPECT_EQ(f(0.0f), 1.0f);
  EXPECT_EQ(f(-kInf), 0.0f);
  EXPECT_EQ(f(-1e30f), 0.0f);
  EXPECT_EQ(f(kInf), kInf);
  EXPECT_EQ(f(88.73f), kInf);
  EXPECT_LT(f(88.72f), kInf);
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_Log) {
  auto f = [](float x) { return bn::log(b, x); };
  EXPECT_BOUND(sweep(f, [](double x) { return std::log(x); }, inUlp, 0x1p-12f, 1000.0f, 4000000), 1.0);
  // every exponent, subnormals included
  std::mt19937 random(7);
  double worst = 0;
  for (int i = 0; i < 4000000; ++i) {
    uint32_t bits = random() % 0x7f800000u;
    if (bits == 0)
      continue;
    float x = bn::floatFromBits(bits);
    double exact = std::log(double(x));
    worst = std::fmax(worst, std::fabs(f(x) - exact) / ulpOf(exact));
  }
  EXPECT_LE(worst, 1.0);
  EXPECT_EQ(f(1.0f), 0.0f);
  EXPECT_EQ(f(0.0f), -kInf);
  EXPECT_EQ(f(-0.0f), -kInf);
  EXPECT_EQ(f(kInf), kInf);
  EXPECT_TRUE(std::isnan(f(-1.0f)));
  EXPECT_TRUE(std::isnan(f(-kInf)));
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_Tanh) {
  auto f = [](float x) { return bn::tanh(b, x); };
  EXPECT_BOUND(sweep(f, [](double x) { return std::tanh(x); }, inUlp, -12.0f, 12.0f, 4000000), 1.5);
  EXPECT_EQ(f(kInf), 1.0f);
  EXPECT_EQ(f(-kInf), -1.0f);
  EXPECT_EQ(f(-50.0f), -1.0f);
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_Sigmoid) {
  auto f = [](float x) { return bn::sigmoid(b, x); };
  EXPECT_BOUND(sweep(f, bn::real::sigmoid, inUlp, -100.0f, 40.0f, 4000000), 3.0);
  EXPECT_EQ(f(kInf), 1.0f);
  EXPECT_EQ(f(-kInf), 0.0f);
  EXPECT_EQ(f(0.0f), 0.5f);
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_Softplus) {
  auto f = [](float x) { return bn::softplus(b, x); };
  EXPECT_BOUND(sweep(f, bn::real::softplus, inUlp, -80.0f, 80.0f, 2000000), 3.0);
  EXPECT_EQ(f(kInf), kInf);
  EXPECT_EQ(f(-kInf), 0.0f);
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_Silu) {
  auto f = [](float x) { return bn::silu(b, x); };
  EXPECT_BOUND(sweep(f, bn::real::silu, inUlp, -80.0f, 40.0f, 2000000), 4.0);
  EXPECT_EQ(f(-kInf), 0.0f);
  EXPECT_EQ(f(kInf), kInf);
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_Gelu) {
  auto erfForm = [](float x) { return bn::geluErf(b, x); };
  auto tanhForm = [](float x) { return bn::geluTanh(b, x); };
  EXPECT_BOUND(sweep(erfForm, bn::real::geluErf, absoluteScaled, -20.0f, 20.0f, 2000000), 1.5e-7);
  EXPECT_BOUND(sweep(tanhForm, bn::real::geluTanh, absoluteScaled, -20.0f, 20.0f, 2000000), 1.5e-7);
  for (auto f : {+erfForm, +tanhForm}) {
    EXPECT_EQ(f(-kInf), 0.0f);
    EXPECT_EQ(f(kInf), kInf);
    EXPECT_EQ(f(0.0f), 0.0f);
    EXPECT_TRUE(std::isnan(f(kNaN)));
  }
}

TEST(FloatFunctions, F2_Elu) {
  auto f = [](float x) { return bn::elu(b, x, 1.0f); };
  EXPECT_BOUND(sweep(f, [](double x) { return bn::real::elu(x, 1.0); }, inUlp, -40.0f, 4.0f, 2000000), 1.5);
  EXPECT_EQ(f(-kInf), -1.0f);
  EXPECT_EQ(f(kInf), kInf);
  EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(FloatFunctions, F2_HardSigmoidAndSwish) {
  EXPECT_EQ(bn::hardSigmoid(b, -10.0f, 0.2f, 0.5f), 0.0f);
  EXPECT_EQ(bn::hardSigmoid(b, 10.0f, 0.2f, 0.5f), 1.0f);
  EXPECT_EQ(bn::hardSigmoid(b, 1.25f, 0.25f, 0.5f), 0.8125f);
  EXPECT_EQ(bn::hardSwish(b, 3.0f), 3.0f);
  EXPECT_EQ(bn::hardSwish(b, -3.0f), 0.0f);
  EXPECT_EQ(bn::hardSwish(b, -kInf), 0.0f);
  EXPECT_BOUND(
      sweep([](float x) { return bn::hardSwish(b, x); }, bn::real::hardSwish, absoluteScaled, -5.0f, 5.0f, 200000),
      2e-7);
  EXPECT_TRUE(std::isnan(bn::hardSwish(b, kNaN)));
}

TEST(FloatFunctions, F2_SinCos) {
  auto one = [](double, float) { return 1.0; };
  auto sine = [](float x) { return bn::sin(b, x); };
  auto cosine = [](float x) { return bn::cos(b, x); };
  EXPECT_BOUND(sweep(sine, [](double x) { return std::sin(x); }, one, -100.0f, 100.0f, 2000000), 1.3e-7);
  EXPECT_BOUND(sweep(cosine, [](double x) { return std::cos(x); }, one, -100.0f, 100.0f, 2000000), 1.3e-7);
  std::mt19937 random(3);
  std::uniform_real_distribution<float> wide(-0x1p20f, 0x1p20f);
  for (int i = 0; i < 1000000; ++i) {
    float x = wide(random);
    ASSERT_NEAR(sine(x), std::sin(double(x)), 1.3e-7) << x;
    ASSERT_NEAR(cosine(x), std::cos(double(x)), 1.3e-7) << x;
  }
  EXPECT_TRUE(std::isnan(sine(kInf)));
}

TEST(FloatFunctions, F2_Pow) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> base(0.01f, 30.0f), power(-8.0f, 8.0f);
  for (int i = 0; i < 1000000; ++i) {
    float x = base(random), y = power(random);
    double exact = std::pow(double(x), double(y)), bound = (2 + 2 * std::fabs(y * std::log(double(x)))) * 0x1p-23;
    ASSERT_LE(std::fabs(bn::pow(b, x, y) - exact), bound * exact) << x << "^" << y;
  }
  for (float x : {-3.5f, -1.0f, -0.25f, 0.5f, 1.7f, 9.0f}) {
    EXPECT_EQ(bn::pow(b, x, 2.0f), x * x);
    EXPECT_EQ(bn::pow(b, x, 3.0f), (x * x) * x);
    EXPECT_EQ(bn::pow(b, x, -1.0f), 1.0f / x);
    EXPECT_EQ(bn::pow(b, x, 1.0f), x);
    EXPECT_EQ(bn::pow(b, x, 0.0f), 1.0f);
    EXPECT_NEAR(bn::pow(b, x, 5.0f) / std::pow(x, 5.0f), 1.0, 1e-5);
  }
  EXPECT_EQ(bn::pow(b, 2.0f, 0.5f), std::sqrt(2.0f));
  EXPECT_EQ(bn::pow(b, 0.0f, 2.5f), 0.0f);
  EXPECT_EQ(bn::pow(b, 0.0f, -2.5f), kInf);
  EXPECT_TRUE(std::isnan(bn::pow(b, -2.0f, 0.3f)));
  EXPECT_TRUE(std::isnan(bn::pow(b, kNaN, 2.3f)));
  EXPECT_TRUE(std::isnan(bn::pow(b, 2.0f, kNaN)));
}

TEST(FloatFunctions, F1_MinMaxPropagateNaN) {
  EXPECT_EQ(bn::minimum(b, 1.0f, 2.0f), 1.0f);
  EXPECT_EQ(bn::maximum(b, 1.0f, 2.0f), 2.0f);
  for (auto pair : {std::pair<float, float>{kNaN, 1.0f}, {1.0f, kNaN}, {kNaN, kNaN}}) {
    EXPECT_TRUE(std::isnan(bn::minimum(b, pair.first, pair.second)));
    EXPECT_TRUE(std::isnan(bn::maximum(b, pair.first, pair.second)));
  }
  EXPECT_TRUE(std::isnan(bn::clip(b, kNaN, 0.0f, 6.0f)));
  EXPECT_TRUE(std::isnan(bn::relu(b, kNaN)));
  EXPECT_EQ(bn::clip(b, 7.0f, 0.0f, 6.0f), 6.0f);
}

TEST(FloatFunctions, F1_Rounding) {
  const float in[] = {-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 0.49999997f, 8388607.5f, -8388608.0f, 1e20f};
  const float even[] = {-2.0f, -2.0f, -0.0f, 0.0f, 2.0f, 2.0f, 0.0f, 8388608.0f, -8388608.0f, 1e20f};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(bn::roundEven(in[i]), even[i]) << in[i];
    EXPECT_EQ(std::signbit(bn::roundEven(in[i])), std::signbit(in[i])) << in[i];
  }
  EXPECT_EQ(bn::ceil(b, 1.2f), 2.0f);
  EXPECT_EQ(bn::ceil(b, -1.2f), -1.0f);
  EXPECT_EQ(bn::sign(b, -7.0f), -1.0f);
  EXPECT_EQ(bn::sign(b, 0.0f), 0.0f);
}

TEST(FloatFunctions, F5_HalfRoundTrip) {
  for (uint32_t h = 0; h < 65536; ++h) {
    float f = bn::floatFromHalf(uint16_t(h)), g = bn::floatFromBfloat16(uint16_t(h));
    if (!std::isnan(f)) {
      ASSERT_EQ(bn::halfFromFloat(f), h);
    } else {
      ASSERT_TRUE(std::isnan(bn::floatFromHalf(bn::halfFromFloat(f))));
    }
    if (!std::isnan(g)) {
      ASSERT_EQ(bn::bfloat16FromFloat(g), h);
    } else {
      ASSERT_TRUE(std::isnan(bn::floatFromBfloat16(bn::bfloat16FromFloat(g))));
    }
  }
}

TEST(FloatFunctions, F5_HalfRoundsToNearestEven) {
  // Between two neighbouring finite halves: the midpoint goes to the even one, anything beside it to the nearer one.
  for (uint32_t h = 0; h < 0x7bff; ++h) {
    double lo = bn::floatFromHalf(uint16_t(h)), hi = bn::floatFromHalf(uint16_t(h + 1));
    float mid = float((lo + hi) / 2);
    ASSERT_EQ(bn::halfFromFloat(mid), (h & 1) ? h + 1 : h);
    ASSERT_EQ(bn::halfFromFloat(std::nextafter(mid, 0.0f)), h);
    ASSERT_EQ(bn::halfFromFloat(std::nextafter(mid, 1e9f)), h + 1);
    ASSERT_EQ(bn::halfFromFloat(-mid), 0x8000u | ((h & 1) ? h + 1 : h));
  }
  EXPECT_EQ(bn::halfFromFloat(65519.996f), 0x7bff);
  EXPECT_EQ(bn::halfFromFloat(65520.0f), 0x7c00);
  EXPECT_EQ(bn::bfloat16FromFloat(1.00390625f), 0x3f80); // halfway: even
  EXPECT_EQ(bn::bfloat16FromFloat(FLT_MAX), 0x7f80);
}

} // namespace
