//===- GptqErrorsTest.cpp - bad input of the rounding loop -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/Gptq/Layers.h"
#include <gtest/gtest.h>
#include <limits>

using namespace bitwright;
using namespace bitwright::testing;

namespace {

std::string messageOf(const GptqProblem &problem, const GptqOptions &options = {}) {
  UniformColumns quantizer(integerFormat("s4"));
  llvm::Expected<GptqResult> result = gptqQuantize(problem, options, quantizer);
  return result ? std::string("no error") : llvm::toString(result.takeError());
}

std::string messageOf(const Layer &layer, const GptqOptions &options = {}) {
  return messageOf(layer.problem(), options);
}

#define EXPECT_MESSAGE(expression, part)                                                                               \
  do {                                                                                                                 \
    std::string shown = expression;                                                                                    \
    EXPECT_NE(shown.find(part), std::string::npos) << shown;                                                           \
    EXPECT_EQ(shown.rfind("gptq: 'layer': ", 0), 0u) << shown;                                                         \
  } while (false)

TEST(GptqErrors, Sizes) {
  Layer layer = makeLayer(1, 6, 8, 20, 0.1);
  GptqProblem problem = layer.problem();
  problem.columns = 0;
  EXPECT_MESSAGE(messageOf(problem), "expected at least one row and one column, found 6 x 0; leave empty groups out");
  problem = layer.problem();
  problem.partitions = 4;
  EXPECT_MESSAGE(messageOf(problem), "expected the 6 rows to split evenly, found 4 groups of the convolution");
  problem.partitions = 2;
  EXPECT_MESSAGE(messageOf(problem), "expected 128 second moments (2 x 8 x 8), found 64");
  problem = layer.problem();
  problem.weights = problem.weights.drop_back();
  EXPECT_MESSAGE(messageOf(problem), "expected 48 weights (6 x 8), found 47");
  GptqOptions options;
  options.blockSize = 0;
  EXPECT_MESSAGE(messageOf(layer, options), "block size of at least 1, found 0 and 0");
  options = {};
  options.dampingLadder.clear();
  EXPECT_MESSAGE(messageOf(layer, options), "found an empty ladder");
  options.dampingLadder = {0.1, -1};
  EXPECT_MESSAGE(messageOf(layer, options), "dampings that are finite and not negative, found -1");
}

TEST(GptqErrors, NotFinite) {
  Layer layer = makeLayer(1, 6, 8, 20, 0.1);
  layer.weights(2, 5) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_MESSAGE(messageOf(layer), "weight [2, 5] is nan; expected finite weights");
  layer = makeLayer(1, 6, 8, 20, 0.1);
  layer.moments(3, 1) = std::numeric_limits<double>::infinity();
  EXPECT_MESSAGE(messageOf(layer), "second moment [0, 3, 1] is inf; expected finite moments");
}

TEST(GptqErrors, NoMoments) {
  Layer layer = makeLayer(1, 6, 8, 20, 0.1);
  layer.moments(3, 3) = -1;
  EXPECT_MESSAGE(messageOf(layer), "second moment [0, 3, 3] is -1; a diagonal of X^T X is not negative");
  layer = makeLayer(1, 6, 8, 20, 0.1);
  layer.moments(3, 1) += 1e-3 * std::sqrt(layer.moments(3, 3) * layer.moments(1, 1));
  EXPECT_MESSAGE(messageOf(layer), "X^T X is symmetric");
  layer.moments.setZero();
  EXPECT_MESSAGE(messageOf(layer), "all second moments are zero: no calibration data reached this layer");
}

TEST(GptqErrors, LadderClimbsAndEnds) {
  // Rank 3 of 8: no factor without damping.
  Layer layer = makeLayer(1, 6, 8, 3, 0.1);
  GptqOptions options;
  options.dampingLadder = {0, 0.25};
  UniformColumns quantizer(integerFormat("s4"));
  llvm::Expected<GptqResult> result = gptqQuantize(layer.problem(), options, quantizer);
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
  EXPECT_EQ(result->damping, 0.25);
  options.dampingLadder = {0};
  EXPECT_MESSAGE(messageOf(layer, options), "have no Cholesky factor with dampings 0 of the mean diagonal");

  // Eigenvalues 1 - 7 * 0.9 < 0 and 1.9: positive only with a damping above 5.3 means.
  layer.moments.setConstant(-0.9);
  layer.moments.diagonal().setConstant(1);
  result = gptqQuantize(layer.problem(), GptqOptions(), quantizer);
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
  // With 10 the smallest pivot is 1 / ((1 + 0.9 / (11.9 - 7.2)) / 11.9) = 9.99: trusted.
  EXPECT_EQ(result->damping, 10);
  layer.moments.setConstant(-300);
  layer.moments.diagonal().setConstant(1);
  EXPECT_MESSAGE(messageOf(layer), "0.01, 0.1, 1, 10, 100 of the mean diagonal 1 (");
  EXPECT_MESSAGE(messageOf(layer), "collect more calibration data or extend the ladder");
}

TEST(GptqErrors, KeepBetterPassesErrorsOn) {
  Layer layer = makeLayer(1, 6, 8, 20, 0.1);
  layer.moments(3, 3) = -1;
  llvm::Expected<BetterRounding> result =
      roundKeepingBetter(layer.problem(), GptqOptions(), UniformColumns(integerFormat("s4")));
  ASSERT_FALSE(bool(result));
  EXPECT_MESSAGE(llvm::toString(result.takeError()), "second moment [0, 3, 3] is -1");
  layer = makeLayer(1, 6, 8, 20, 0.1);
  std::vector<double> holdOut(63, 1.0);
  result = roundKeepingBetter(layer.problem(), GptqOptions(), UniformColumns(integerFormat("s4")), holdOut);
  ASSERT_FALSE(bool(result));
  EXPECT_MESSAGE(llvm::toString(result.takeError()),
                 "hold-out moments: expected 64 second moments (1 x 8 x 8), found 63");
  holdOut.assign(64, 1.0);
  holdOut[10] = NAN;
  result = roundKeepingBetter(layer.problem(), GptqOptions(), UniformColumns(integerFormat("s4")), holdOut);
  ASSERT_FALSE(bool(result));
  EXPECT_MESSAGE(llvm::toString(result.takeError()), "hold-out moments: second moment [0, 1, 2] is nan");
}

} // namespace
