//===- QuantizeTest.cpp - the float borders (Q) ----------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//===----------------------------------------------------------------------===//
#include "lib/Numerics/FloatFunctions.h"
#include "lib/Numerics/Integer.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <random>

using namespace bitwright::numerics;

namespace {

/// Q1 from its definition. The quotient of two float32 rounded from float64 is the correctly rounded float32 quotient
/// (53 >= 2 * 24 + 2 bits), and nearbyint rounds to nearest even in the default mode.
int32_t referenceQuantize(float x, float s, int z, int lo, int hi) {
  float quotient = float(double(x) / double(s));
  double v = std::nearbyint(double(quotient)) + z;
  return int32_t(v < lo ? lo : v > hi ? hi : v);
}

TEST(Quantize, Q1_EveryFloatNearARoundingBoundary) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> exponent(-20.0f, 10.0f);
  ScalarBuilder b;
  for (int i = 0; i < 64; ++i) {
    float s = i == 0 ? 1.0f : i == 1 ? 0x1p-126f : std::exp2(exponent(random));
    int z = int(random() % 256) - 128;
    for (int half = -300; half <= 300; ++half) {
      float x = (float(half) + 0.5f) * s;
      for (int step = 0; step < 4; ++step)
        x = std::nextafter(x, -INFINITY);
      for (int step = 0; step < 9; ++step, x = std::nextafter(x, INFINITY)) {
        ASSERT_EQ(quantizeFloat(x, s, z, -128, 127), referenceQuantize(x, s, z, -128, 127)) << x << " / " << s;
        ASSERT_EQ(quantizeFloat(x, s, z + 128, 0, 255), referenceQuantize(x, s, z + 128, 0, 255));
        ASSERT_EQ(quantizeLanes(b, x, s, z, -128, 127), quantizeFloat(x, s, z, -128, 127));
        ASSERT_EQ(quantizeLanes(b, x, s, 1000 * z, -32768, 32767), quantizeFloat(x, s, 1000 * z, -32768, 32767));
      }
    }
  }
}

TEST(Quantize, Q1_HalfToEven) {
  EXPECT_EQ(quantizeFloat(0.5f, 1.0f, 0, -128, 127), 0);
  EXPECT_EQ(quantizeFloat(1.5f, 1.0f, 0, -128, 127), 2);
  EXPECT_EQ(quantizeFloat(-0.5f, 1.0f, 3, -128, 127), 3);
  EXPECT_EQ(quantizeFloat(-2.5f, 1.0f, 3, -128, 127), 1); // -2 + 3: rounded before the zero point is added
}

TEST(Quantize, Q1_SpecialValues) {
  for (float s : {1.0f, 0x1p-126f, 1e30f})
    for (int z : {-128, 0, 17, 127}) {
      EXPECT_EQ(quantizeFloat(NAN, s, z, -128, 127), z);
      EXPECT_EQ(quantizeFloat(INFINITY, s, z, -128, 127), 127);
      EXPECT_EQ(quantizeFloat(-INFINITY, s, z, -128, 127), -128);
      EXPECT_EQ(quantizeFloat(0.0f, s, z, -128, 127), z);
      EXPECT_EQ(quantizeFloat(-0.0f, s, z, -128, 127), z);
    }
  EXPECT_EQ(quantizeFloat(FLT_MAX, 0x1p-126f, 0, -128, 127), 127); // the quotient overflows to infinity
  EXPECT_EQ(quantizeFloat(0x1p-149f, 0x1p-126f, 5, -128, 127), 5);
  EXPECT_EQ(quantizeFloat(0x1p-126f, 0x1p-126f, 5, -128, 127), 6);
  EXPECT_EQ(quantizeFloat(INFINITY, 1.0f, 0, INT32_MIN, INT32_MAX), INT32_MAX);
  EXPECT_EQ(quantizeFloat(-INFINITY, 1.0f, 0, INT32_MIN, INT32_MAX), INT32_MIN);
  EXPECT_EQ(quantizeFloat(16777217.0f, 1.0f, 0, INT32_MIN, INT32_MAX), 16777216);
}

TEST(Quantize, Q2_OneRounding) {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> scale(1e-6f, 2.0f);
  ScalarBuilder b;
  for (int i = 0; i < 1000000; ++i) {
    int32_t q = int32_t(random() % 65536) - 32768, z = int32_t(random() % 65536) - 32768;
    float s = scale(random);
    ASSERT_EQ(dequantize(q, s, z), float(double(q - z) * double(s))); // exact in float64, then one rounding
    ASSERT_EQ(dequantizeLanes(b, q, s, z), dequantize(q, s, z));
  }
}

TEST(Quantize, Q1_Q2_CodesSurviveARoundTrip) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> scale(1e-6f, 2.0f);
  for (int i = 0; i < 200; ++i) {
    float s = scale(random);
    int z = int(random() % 256) - 128;
    for (int q = -128; q <= 127; ++q)
      ASSERT_EQ(quantizeFloat(dequantize(q, s, z), s, z, -128, 127), q);
  }
}

TEST(Quantize, Q3_PerToken) {
  EXPECT_EQ(dynamicScale(127.0f), 1.0f);
  EXPECT_EQ(dynamicScale(1.0f), 1.0f / 127.0f);
  EXPECT_EQ(dynamicScale(0.0f), 0x1p-100f / 127.0f); // an all-zero token keeps a legal scale
  EXPECT_GE(dynamicScale(0.0f), 0x1p-126f);
  std::mt19937 random(4);
  std::uniform_real_distribution<float> value(-40.0f, 5.0f);
  for (int i = 0; i < 100000; ++i) {
    float a = std::exp2(value(random));
    float s = dynamicScale(a);
    ASSERT_EQ(quantizeFloat(a, s, 0, -128, 127), 127);
    ASSERT_EQ(quantizeFloat(-a, s, 0, -128, 127), -127);
  }
}

} // namespace
