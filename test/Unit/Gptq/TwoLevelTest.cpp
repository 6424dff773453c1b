//===- TwoLevelTest.cpp - integer groups inside an 8-bit row -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/TwoLevel.h"
#include "test/Unit/Gptq/Layers.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace bitwright;
using namespace bitwright::testing;

namespace {

bool legal(int32_t w8) { return w8 > -128 && w8 <= 127; }

TwoLevelWeight oneGroup(std::vector<uint8_t> codes, TwoLevelGroup group, int bits = 4) {
  TwoLevelWeight weight;
  weight.rows = 1;
  weight.columns = weight.groupSize = int64_t(codes.size());
  weight.bits = bits;
  weight.codes = std::move(codes);
  weight.rowScales = {1.0f};
  weight.groups = {group};
  return weight;
}

/// INTEGER R16: all four codes in the lanes of a word, all S, all m from -255: whenever each w8 that occurs is legal,
/// the normalised group decodes in every lane by one multiply-add and one XOR.
TEST(TwoLevel, LanesDecodeEveryLegalGroup) {
  int64_t groups = 0;
  for (int32_t scale = 1; scale <= twoLevelMaxScale; ++scale)
    for (int32_t offset = -255; offset <= 127; ++offset)
      for (uint32_t four = 0; four < 65536; ++four) {
        uint32_t lanes[4], least = 15;
        bool fine = true;
        for (int i = 0; i < 4; ++i) {
          lanes[i] = four >> (4 * i) & 15;
          least = std::min(least, lanes[i]);
          fine &= legal(int32_t(lanes[i]) * scale + offset);
        }
        if (!fine)
          continue;
        ++groups;
        uint32_t word = 0, expected = 0;
        for (int i = 0; i < 4; ++i) {
          word |= (lanes[i] - least) << (8 * i);
          expected |= uint32_t(uint8_t(int32_t(lanes[i]) * scale + offset)) << (8 * i);
        }
        TwoLevelGroup normal{scale, offset + int32_t(least) * scale};
        ASSERT_EQ(decodeTwoLevelLanes(word, normal), expected) << scale << " " << offset << " " << four;
      }
  EXPECT_GT(groups, int64_t(65536) * 128); // S = 1 alone gives 112 offsets with every code legal
}

TEST(TwoLevel, NormaliseKeepsTheWeights) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 2000; ++trial) {
    TwoLevelWeight weight = oneGroup({0, 0, 0, 0, 0}, {int32_t(random() % 17 + 1), int32_t(random() % 383) - 255});
    for (uint8_t &code : weight.codes)
      code = uint8_t(random() % 16);
    bool fine = true;
    for (int64_t c = 0; c < 5; ++c)
      fine &= legal(weight.w8(0, c));
    llvm::Error error = checkTwoLevel("w", weight);
    ASSERT_EQ(!error, fine);
    llvm::consumeError(std::move(error));
    TwoLevelWeight before = weight;
    normaliseTwoLevel(weight);
    int32_t least = 1000;
    for (int64_t c = 0; c < 5; ++c) {
      ASSERT_EQ(weight.w8(0, c), before.w8(0, c));
      least = std::min(least, weight.w8(0, c));
    }
    ASSERT_EQ(weight.groups[0].offset, least);
    ASSERT_EQ(*std::min_element(weight.codes.begin(), weight.codes.end()), 0);
  }
}

/// Why 119: the worst |w8| over all ranges of a group and all level-1 codes in it, for both roundings.
TEST(TwoLevel, QServeBoundIsTight) {
  auto worst = [](int bound, bool halfEven) {
    auto rounded = [&](double v) { return int(halfEven ? std::nearbyint(v) : std::floor(v + 0.5)); };
    int most = 0;
    for (int low = -bound; low <= 0; ++low)
      for (int high = 0; high <= bound; ++high) {
        const int scale = std::max(1, rounded((high - low) / 15.0)), zero = std::min(15, rounded(-double(low) / scale));
        for (int q = low; q <= high; ++q) {
          const int code = std::min(15, std::max(0, rounded(double(q) / scale) + zero));
          most = std::max(most, std::abs((code - zero) * scale));
        }
      }
    return most;
  };
  EXPECT_EQ(worst(119, true), 121);
  EXPECT_EQ(worst(119, false), 126);
  EXPECT_EQ(worst(120, true), 128);
  EXPECT_EQ(worst(120, false), 128);
}

/// Every range of level-1 codes that a group can have, through the encoders: the check on stored codes passes.
TEST(TwoLevel, EncodersAreLegalForEveryRange) {
  for (TwoLevelEncoder encoder : {TwoLevelEncoder::Liquid, TwoLevelEncoder::QServe})
    for (int32_t low = -119; low <= 119; ++low) {
      std::vector<double> weights;
      for (int32_t high = low; high <= 119; ++high)
        for (int i = 0; i < 32; ++i) // group: 32 values from low to high
          weights.push_back(std::nearbyint(low + (high - low) * i / 31.0));
      weights.insert(weights.end(), 32, 119.0); // fixes the row scale at 1
      TwoLevelOptions options;
      options.encoder = encoder;
      options.groupSize = 32;
      llvm::Expected<TwoLevelWeight> weight = encodeTwoLevel("w", weights, 1, int64_t(weights.size()), options);
      ASSERT_TRUE(bool(weight)) << llvm::toString(weight.takeError());
      ASSERT_EQ(weight->rowScales[0], 1.0f);
      for (int64_t c = 0; c < weight->columns; ++c) {
        // Half a step of rounding, and up to half a step of a group scale or zero that was rounded itself.
        const int32_t reach = encoder == TwoLevelEncoder::Liquid ? 8 : 15;
        ASSERT_LE(std::fabs(weight->w8(0, c) - weights[size_t(c)]), reach) << low << " column " << c;
      }
    }
}

double squaredError(const TwoLevelWeight &weight, const RowMatrix &original) {
  double error = 0;
  for (int64_t r = 0; r < weight.rows; ++r)
    for (int64_t c = 0; c < weight.columns; ++c)
      error += std::pow(weight.value(r, c) - original(r, c), 2);
  return error;
}

TEST(TwoLevel, EncodersAgainstOneLevel) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Layer layer = makeLayer(seed, 32, 520, 8, 0.1); // last group: 8 columns
    llvm::ArrayRef<double> weights(layer.weights.data(), size_t(layer.weights.size()));
    double perRow = 0;
    {
      UniformColumns rows(integerFormat("s4"));
      GptqOptions plain;
      plain.feedback = false;
      llvm::Expected<GptqResult> result = gptqQuantize(layer.problem(), plain, rows);
      ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
      for (size_t i = 0; i < weights.size(); ++i)
        perRow += std::pow(result->dequantized[i] - weights[i], 2);
    }
    double errors[3];
    for (int e = 0; e < 3; ++e) {
      TwoLevelOptions options;
      options.encoder = TwoLevelEncoder(e);
      llvm::Expected<TwoLevelWeight> weight = encodeTwoLevel("w", weights, 32, 520, options);
      ASSERT_TRUE(bool(weight)) << llvm::toString(weight.takeError());
      errors[e] = squaredError(*weight, layer.weights);
      for (const TwoLevelGroup &group : weight->groups) {
        EXPECT_GE(group.offset, -127);
        EXPECT_LE(group.scale, twoLevelMaxScale);
      }
      EXPECT_LT(errors[e], perRow);
    }
    // The search of DGQ minimises this error; QServe's grid is one of the kind it searches.
    EXPECT_LT(errors[int(TwoLevelEncoder::Dgq)], errors[int(TwoLevelEncoder::QServe)]);
  }
}

TEST(TwoLevel, FewerBitsStayInsideTheScales) {
  Layer layer = makeLayer(3, 16, 128, 8, 0.1);
  llvm::ArrayRef<double> weights(layer.weights.data(), size_t(layer.weights.size()));
  double last = 0;
  for (int bits : {4, 3, 2}) {
    TwoLevelOptions options;
    options.bits = bits;
    options.groupSize = 32;
    llvm::Expected<TwoLevelWeight> weight = encodeTwoLevel("w", weights, 16, 128, options);
    ASSERT_TRUE(bool(weight)) << llvm::toString(weight.takeError());
    double error = squaredError(*weight, layer.weights);
    EXPECT_GT(error, last);
    last = error;
    // Nothing is clipped by S <= 17: half a step of the group (rounded to an integer) and half a level-1 step.
    for (int64_t r = 0; r < 16; ++r)
      for (int64_t c = 0; c < 128; ++c)
        EXPECT_LE(std::fabs(weight->value(r, c) - layer.weights(r, c)),
                  double(weight->rowScales[size_t(r)]) *
                      (0.5 * weight->group(r, c).scale + 0.5 * ((1 << bits) - 1) + 1));
  }
}

TEST(TwoLevel, ColumnsForGptq) {
  for (int bits : {2, 3, 4}) {
    Layer layer = makeLayer(7, 48, 160, 600, 0.03);
    GptqOptions options;
    options.groupSize = 32;
    TwoLevelColumns pattern(bits);
    llvm::Expected<BetterRounding> better = roundKeepingBetter(layer.problem(), options, pattern);
    ASSERT_TRUE(bool(better)) << llvm::toString(better.takeError());
    EXPECT_EQ(better->choice, RoundingChoice::Gptq);
    EXPECT_LT(better->gptqError, 0.5 * better->rtnError);
    llvm::Expected<TwoLevelWeight> weight =
        static_cast<TwoLevelColumns &>(*better->quantizer).finish("w", better->result.codes);
    ASSERT_TRUE(bool(weight)) << llvm::toString(weight.takeError());
    for (int64_t r = 0; r < 48; ++r)
      for (int64_t c = 0; c < 160; ++c)
        ASSERT_EQ(weight->value(r, c), better->result.dequantized[size_t(r * 160 + c)]);
  }
}

TEST(TwoLevel, PlainColumnsEqualTheEncoder) {
  // Without feedback, GPTQ's quantizer rounds weights, the encoder level-1 codes: they agree where the row scale is 1.
  Layer layer = makeLayer(7, 4, 64, 100, 0.03);
  for (int64_t i = 0; i < layer.weights.size(); ++i)
    layer.weights.data()[i] = std::nearbyint(std::min(119.0, std::max(-119.0, layer.weights.data()[i] * 1500)));
  layer.weights.col(0).setConstant(119);
  GptqOptions plain;
  plain.groupSize = 16;
  plain.feedback = false;
  TwoLevelColumns columns;
  llvm::Expected<GptqResult> result = gptqQuantize(layer.problem(), plain, columns);
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
  TwoLevelOptions options;
  options.groupSize = 16;
  llvm::Expected<TwoLevelWeight> expected =
      encodeTwoLevel("w", llvm::ArrayRef<double>(layer.weights.data(), size_t(layer.weights.size())), 4, 64, options);
  ASSERT_TRUE(bool(expected)) << llvm::toString(expected.takeError());
  llvm::Expected<TwoLevelWeight> weight = columns.finish("w", result->codes);
  ASSERT_TRUE(bool(weight)) << llvm::toString(weight.takeError());
  EXPECT_EQ(weight->codes, expected->codes);
  EXPECT_EQ(weight->rowScales, expected->rowScales);
}

std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

#define EXPECT_CONTAINS(text, part)                                                                                    \
  do {                                                                                                                 \
    std::string shown = text;                                                                                          \
    EXPECT_NE(shown.find(part), std::string::npos) << shown;                                                           \
  } while (false)

TEST(TwoLevel, CheckNamesTheCode) {
  EXPECT_FALSE(bool(checkTwoLevel("w", oneGroup({1, 15}, {17, -128}))));
  EXPECT_CONTAINS(messageOf(checkTwoLevel("w", oneGroup({0, 15}, {17, -128}))),
                  "two-level weight 'w': row 0, group 0: code 0 * 17 + -128 = -128 is outside -127..127");
  EXPECT_CONTAINS(messageOf(checkTwoLevel("w", oneGroup({0, 8, 15}, {16, -112}))), "code 15 * 16 + -112 = 128");
  // The same group is legal as long as the code does not occur.
  EXPECT_FALSE(bool(checkTwoLevel("w", oneGroup({0, 8, 14}, {16, -112}))));
  EXPECT_CONTAINS(messageOf(checkTwoLevel("w", oneGroup({0}, {18, 0}))), "group scale in 1..17, found 18");
  EXPECT_CONTAINS(messageOf(checkTwoLevel("w", oneGroup({0}, {0, 0}))), "group scale in 1..17, found 0");
  EXPECT_CONTAINS(messageOf(checkTwoLevel("w", oneGroup({0}, {1, -40000}))), "fits int16, found -40000");
  EXPECT_CONTAINS(messageOf(checkTwoLevel("w", oneGroup({4}, {1, 0}, 2))), "column 0: code 4 does not fit 2 bits");
  TwoLevelWeight weight = oneGroup({0}, {1, 0});
  weight.rowScales[0] = 0;
  EXPECT_CONTAINS(messageOf(checkTwoLevel("w", weight)), "row 0: expected a finite positive row scale");
  weight.rowScales.clear();
  EXPECT_CONTAINS(messageOf(checkTwoLevel("w", weight)), "the sizes of codes (1), row scales (0)");
}

TEST(TwoLevel, EncoderErrors) {
  std::vector<double> weights(8, 1.0);
  TwoLevelOptions options;
  auto message = [&](int64_t rows, int64_t columns, llvm::ArrayRef<double> importance = {}) {
    llvm::Expected<TwoLevelWeight> weight = encodeTwoLevel("w", weights, rows, columns, options, importance);
    return weight ? std::string("no error") : llvm::toString(weight.takeError());
  };
  EXPECT_EQ(message(2, 4), "no error");
  EXPECT_CONTAINS(message(3, 4), "expected 3 x 4 weights, at least one, found 8");
  EXPECT_CONTAINS(message(2, 4, {1.0}), "expected one importance a column (4), found 1");
  options.bits = 5;
  EXPECT_CONTAINS(message(2, 4), "expected 2 to 4 bits, found 5");
  options.bits = 3;
  options.encoder = TwoLevelEncoder::QServe;
  EXPECT_CONTAINS(message(2, 4), "expected 4 bits for this encoder, found 3");
  options = {};
  options.groupSize = -1;
  EXPECT_CONTAINS(message(2, 4), "expected a group size of at least 0, found -1");
  options = {};
  weights[6] = INFINITY;
  EXPECT_CONTAINS(message(2, 4), "weight [1, 2] is inf; expected finite weights");
}

TEST(TwoLevel, ZerosAndConstants) {
  for (int e = 0; e < 3; ++e)
    for (double value : {0.0, 0.25, -3.0}) {
      std::vector<double> weights(12, value);
      TwoLevelOptions options;
      options.encoder = TwoLevelEncoder(e);
      options.groupSize = 4;
      llvm::Expected<TwoLevelWeight> weight = encodeTwoLevel("w", weights, 2, 6, options);
      ASSERT_TRUE(bool(weight)) << llvm::toString(weight.takeError());
      for (int64_t c = 0; c < 6; ++c) // QServe and DGQ: 15 steps to zero, each rounded
        EXPECT_NEAR(weight->value(1, c), value, e ? std::fabs(value) * 0.06 : std::fabs(value) * 1e-6);
    }
}

/// The two levels follow from the 8-bit codes alone, for every encoder and width.
TEST(TwoLevel, FoundAgainFromBytes) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  for (auto encoder : {TwoLevelEncoder::Liquid, TwoLevelEncoder::Dgq, TwoLevelEncoder::QServe})
    for (int bits : {4, 3, 2}) {
      if (bits != 4 && encoder != TwoLevelEncoder::Liquid)
        continue;
      std::vector<double> weights(6 * 64);
      for (double &w : weights)
        w = normal(random);
      TwoLevelOptions options{encoder, bits, 16};
      auto encoded = encodeTwoLevel("w", weights, 6, 64, options);
      ASSERT_TRUE(bool(encoded));
      std::vector<int64_t> bytes;
      for (int64_t i = 0; i < 6 * 64; ++i)
        bytes.push_back(encoded->w8(i / 64, i % 64));
      auto found = decomposeTwoLevel("w", bytes, 6, 64, 16); // need not know the encoder's bits
      ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
      for (int64_t i = 0; i < 6 * 64; ++i) {
        EXPECT_EQ(found->w8(i / 64, i % 64), bytes[size_t(i)]);
        EXPECT_LT(found->codes[size_t(i)], 1 << bits);
      }
    }
  auto equal = decomposeTwoLevel("w", {5, 5, 5}, 1, 3, 3);
  ASSERT_TRUE(bool(equal)) << llvm::toString(equal.takeError());
  EXPECT_EQ(equal->groups[0].scale, 1);
  EXPECT_EQ(equal->codes, (std::vector<uint8_t>{0, 0, 0}));
  // Distances 1 and 200: no S up to 17 divides both and leaves 4 bits.
  auto none = decomposeTwoLevel("w", {-100, -99, 100}, 1, 3, 3);
  ASSERT_FALSE(bool(none));
  EXPECT_CONTAINS(llvm::toString(none.takeError()), "'w', row 0, group 0: R16: expected weights code * S + m");
  auto wide = decomposeTwoLevel("w", {-128, 0}, 1, 2, 2);
  ASSERT_FALSE(bool(wide));
  EXPECT_CONTAINS(llvm::toString(wide.takeError()), "expected 8-bit weights in [-127, 127], found -128");
}

} // namespace
