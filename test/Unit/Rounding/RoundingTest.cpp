//===- RoundingTest.cpp - grids, weight codes, recipes ---------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/Rounding.h"
#include "lib/Support/Recipe.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace bitwright;

namespace {

TEST(Grid, ZeroIsACodeAndTheRangeIsCovered) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<double> draw(-10, 10);
  for (int i = 0; i < 1000; ++i) {
    double a = draw(engine), b = draw(engine);
    Range range = {std::min(a, b), std::max(a, b)};
    Grid grid = gridOf(range);
    ASSERT_GE(grid.zeroPoint, -128);
    ASSERT_LE(grid.zeroPoint, 127);
    // The zero point is rounded, so either end may be cut by half a step; the scale is rounded to float32 (2^-24
    // relative, times 255 steps).
    double slack = grid.scale * (0.5 + 255 * 0x1p-23);
    EXPECT_LE((-128 - grid.zeroPoint) * double(grid.scale), std::min(range.low, 0.0) + slack);
    EXPECT_GE((127 - grid.zeroPoint) * double(grid.scale), std::max(range.high, 0.0) - slack);
  }
}

TEST(Grid, Examples) {
  EXPECT_EQ(gridOf({0, 2.55}), (Grid{0.01f, -128}));
  EXPECT_EQ(gridOf({-2.55, 0}), (Grid{0.01f, 127}));
  EXPECT_EQ(gridOf({-1.28, 1.27}), (Grid{0.01f, 0}));
  EXPECT_EQ(gridOf({0, 0}), (Grid{1.0f, -128}));
  EXPECT_EQ(gridOf({-32768, 32767}, "s16"), (Grid{1.0f, 0}));
  EXPECT_EQ(gridOf({-0.5, 2.05}, "u8"), (Grid{0.01f, 50}));
  // A range that is too small for a normal scale takes the smallest legal one (Q2).
  EXPECT_EQ(gridOf({0, 1e-44}).scale, 0x1p-126f);
}

std::vector<float> normal(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> draw(0, 1);
  std::vector<float> values(count);
  for (float &v : values)
    v = draw(engine);
  return values;
}

double squaredError(const std::vector<float> &w, const QuantizedWeight &q, size_t slices, size_t inner) {
  double sum = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    double d = w[i] - double(q.codes[i]) * q.scales[q.scales.size() == 1 ? 0 : i / inner % slices];
    sum += d * d;
  }
  return sum;
}

TEST(Weights, AbsMaxIsWithinHalfAStep) {
  std::vector<float> w = normal(4 * 33, 2);
  WeightScheme scheme;
  for (int64_t axis : {-1, 0, 1}) {
    QuantizedWeight q = quantizeWeight(w, {4, 33}, axis, scheme);
    size_t slices = axis < 0 ? 1 : axis == 0 ? 4 : 33, inner = axis == 0 ? 33 : 1;
    ASSERT_EQ(q.scales.size(), slices);
    for (size_t i = 0; i < w.size(); ++i) {
      double s = q.scales[axis < 0 ? 0 : i / inner % slices];
      EXPECT_LE(std::fabs(w[i] - q.codes[i] * s), s * (0.5 + 127 * 0x1p-24));
      EXPECT_LE(std::abs(q.codes[i]), 127);
    }
  }
}

TEST(Weights, FinerChoicesAreNoWorse) {
  std::vector<float> w = normal(8 * 64, 3);
  w[5] = 30; // an outlier that only a clip can deal with
  WeightScheme absmax, mse, tensor;
  mse.clip = WeightClip::Mse;
  double a = squaredError(w, quantizeWeight(w, {8, 64}, 0, absmax), 8, 64);
  double m = squaredError(w, quantizeWeight(w, {8, 64}, 0, mse), 8, 64);
  double t = squaredError(w, quantizeWeight(w, {8, 64}, -1, tensor), 1, 1);
  EXPECT_LE(m, a);
  EXPECT_LT(a, t);
}

TEST(Weights, PercentileClips) {
  std::vector<float> w(1000, 0.5f);
  w[7] = 100;
  WeightScheme scheme;
  scheme.clip = WeightClip::Percentile;
  scheme.percentile = 99;
  QuantizedWeight q = quantizeWeight(w, {1, 1000}, 0, scheme);
  EXPECT_FLOAT_EQ(q.scales[0], 0.5f / 127);
  EXPECT_EQ(q.codes[0], 127);
  EXPECT_EQ(q.codes[7], 127);
}

TEST(Weights, ZeroSliceHasScaleOne) {
  QuantizedWeight q = quantizeWeight({0, 0, 1, 2}, {2, 2}, 0, WeightScheme());
  EXPECT_EQ(q.scales[0], 1.0f);
  EXPECT_EQ(q.codes, (std::vector<int32_t>{0, 0, 64, 127})); // 1 / (2/127) = 63.5 rounds to the even 64
}

TEST(Weights, SixteenBits) {
  WeightScheme scheme;
  scheme.format = "s16";
  QuantizedWeight q = quantizeWeight({-1, 0.5}, {1, 2}, 0, scheme);
  EXPECT_EQ(q.codes, (std::vector<int32_t>{-32767, 16384})); // 16383.5 to even
}

TEST(Recipe, BuiltIns) {
  for (llvm::StringRef name : Recipe::builtinNames()) {
    auto recipe = Recipe::load(name);
    ASSERT_TRUE(bool(recipe)) << llvm::toString(recipe.takeError());
    EXPECT_EQ(recipe->name, name);
    EXPECT_EQ(recipe->quantize, name != "float");
    EXPECT_EQ(recipe->needsStatistics(), name == "w8a8");
  }
}

TEST(Recipe, OrderOfDecisions) {
  auto recipe = Recipe::parse(R"(
name: r
weights: {clip: absmax}
activations: {observer: minmax}
keep_float: [softmax, "head*"]
overrides:
  - {match: "*", activations: {observer: kl}}
  - {match: "head.2", keep: quantized, weights: {format: s16}}
  - {match: "body.{1,2}", keep: float}
)",
                              "r.yaml");
  ASSERT_TRUE(bool(recipe)) << llvm::toString(recipe.takeError());
  EXPECT_EQ(recipe->schemeFor("x", "softmax").keepFloat, "keep_float: softmax");
  EXPECT_EQ(recipe->schemeFor("head.1", "conv").keepFloat, "keep_float: head*");
  EXPECT_EQ(recipe->schemeFor("head.2", "conv").keepFloat, "");
  EXPECT_EQ(recipe->schemeFor("head.2", "conv").weights.format, "s16");
  EXPECT_EQ(recipe->schemeFor("head.2", "conv").activations.observer, Observer::Kl);
  EXPECT_EQ(recipe->schemeFor("body.2", "conv").keepFloat, "overrides: body.{1,2}");
  EXPECT_EQ(recipe->schemeFor("body.3", "conv").keepFloat, "");
  EXPECT_EQ(recipe->schemeFor("body.3", "conv").weights.format, "s8");
}

TEST(Recipe, KeysLeftOutHaveTheValuesOfW8a8) {
  auto recipe = Recipe::parse("name: r\n", "r.yaml"), w8a8 = Recipe::load("w8a8");
  ASSERT_TRUE(bool(recipe) && bool(w8a8));
  EXPECT_EQ(recipe->weights.clip, w8a8->weights.clip);
  EXPECT_EQ(recipe->activations.observer, w8a8->activations.observer);
  EXPECT_EQ(recipe->keepFloat, w8a8->keepFloat);
}

} // namespace
