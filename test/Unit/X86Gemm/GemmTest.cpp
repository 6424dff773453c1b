//===- GemmTest.cpp - products of a packed weight against the interpreter --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// Integers must be equal, float32 bit-equal (INTEGER F4: one fma chain in the order of k). Every buffer ends at a page
// that may not be touched, every case runs on every instruction set of the host, whole and cut into tile ranges.
//===----------------------------------------------------------------------===//
#include "lib/Reference/Interpreter.h"
#include "test/Unit/X86Gemm/KernelHarness.h"
#include "test/Unit/X86Gemm/ProductCase.h"

#include "gtest/gtest.h"

#include <cstdlib>

using namespace mlir;

namespace bitwright::x86::testing {
namespace {

using reference::Tensor;

std::string firstDifference(const Tensor &expected, const Tensor &found) {
  if (expected.describe() != found.describe())
    return "expected " + expected.describe() + ", found " + found.describe();
  int64_t wrong = 0, first = -1;
  for (int64_t i = 0; i < expected.getNumElements(); ++i)
    if (std::memcmp(static_cast<const char *>(expected.bytes()) + i * reference::sizeOf(expected.getElement()),
                    static_cast<const char *>(found.bytes()) + i * reference::sizeOf(found.getElement()),
                    reference::sizeOf(expected.getElement()))) {
      first = first < 0 ? i : first;
      ++wrong;
    }
  return std::to_string(wrong) + " of " + std::to_string(expected.getNumElements()) + " differ, first at " +
         std::to_string(first) + ": expected " + std::to_string(expected.asDouble(first)) + ", found " +
         std::to_string(found.asDouble(first));
}

/// Runs one case on every instruction set and compares with the interpreter.
void check(const ProductCase &c, uint64_t seed) {
  SCOPED_TRACE(c.describe() + " seed " + std::to_string(seed));
  auto context = makeContext();
  BuiltCase built = build(*context, c, seed);
  ASSERT_TRUE(built.module);
  auto expected = reference::interpret(built.func, built.arguments);
  ASSERT_TRUE(succeeded(expected));
  std::optional<KernelInfo> previous;
  for (Isa isa : {Isa::Avx2, Isa::Avx512Vnni}) {
    if (!hostHas(isa))
      continue;
    SCOPED_TRACE(nameOf(isa).str());
    auto region = CompiledRegion::compile(built.func, isa);
    ASSERT_TRUE(region);
    region->bind(built.operands, built.symbols);
    region->clearResults();
    region->runAll();
    Tensor found = region->results()[0];
    ASSERT_TRUE(found.equals((*expected)[0])) << firstDifference((*expected)[0], found);
    // Any partition of the tiles, in any order, gives the same bytes.
    region->clearResults();
    int64_t tiles = region->tiles(), part = std::max<int64_t>(1, tiles / 3);
    for (int64_t begin = (tiles - 1) / part * part; begin >= 0; begin -= part)
      region->run(begin, std::min(begin + part, tiles));
    found = region->results()[0];
    ASSERT_TRUE(found.equals((*expected)[0]))
        << "in parts of " << part << " of " << tiles << " tiles: " << firstDifference((*expected)[0], found);
    // What a launch needs does not depend on the instruction set.
    if (previous) {
      EXPECT_EQ(previous->tiles, region->getInfo().tiles);
      EXPECT_EQ(previous->scratchBytes, region->getInfo().scratchBytes);
      EXPECT_EQ(previous->dims, region->getInfo().dims);
      ASSERT_EQ(previous->constants.size(), region->getInfo().constants.size());
      for (size_t i = 0; i < previous->constants.size(); ++i)
        EXPECT_EQ(previous->constants[i].bytes, region->getInfo().constants[i].bytes);
    }
    previous = region->getInfo();
  }
}

ProductCase with(ProductCase c, Epilogue epilogue, int64_t zeroPoint = 0) {
  c.epilogue = epilogue;
  c.zeroPoint = zeroPoint;
  return c;
}
ProductCase asFloat(ProductCase c) {
  c.isFloat = true;
  return c;
}

TEST(Gemm, PointwiseBytes) {
  check(with(conv({1, 3, 5}, 16, 16, {1, 1}), Epilogue::None), 1);
  check(with(conv({2, 7, 9}, 48, 96, {1, 1}), Epilogue::Rescale, 9), 2);
  check(with(conv({1, 5, 11}, 96, 192, {1, 1}), Epilogue::RescaleResidual, -128), 3);
}
TEST(Gemm, ChannelTails) {
  for (int64_t channels : {1, 3, 5, 17, 30, 67})
    for (int64_t outputs : {1, 7, 18, 40, 79})
      check(with(conv({1, 4, 7}, channels, outputs, {1, 1}), Epilogue::Rescale, 3), 10 * channels + outputs);
}
TEST(Gemm, Linear) {
  check(with(linear({40}, 120, 360), Epilogue::None, 5), 4);
  check(with(linear({2, 5, 3}, 15, 33), Epilogue::Rescale, -5), 5);
  check(with(linear({1}, 64, 250), Epilogue::RescaleLookup, 5), 6);
}
TEST(Gemm, ManyColumns) {
  check(with(linear({5}, 24, 1870), Epilogue::Rescale, 1), 7);
  check(with(linear({2, 25}, 24, 1870), Epilogue::Dequantize, 1), 70);
}
TEST(Gemm, Windows) {
  check(with(conv({1, 9, 13}, 3, 48, {3, 3}, 2, 1), Epilogue::Rescale, 7), 8);
  check(with(conv({2, 6, 8}, 24, 20, {2, 2}), Epilogue::Rescale, 7), 9);
  check(with(conv({1, 8, 8}, 20, 33, {5, 5}, 1, 2), Epilogue::RescaleResidual, -3), 10);
  ProductCase dilated = with(conv({1, 12, 14}, 8, 16, {3, 3}, 1, 2), Epilogue::Rescale, 4);
  dilated.dilations = {1, 2};
  check(dilated, 11);
  ProductCase uneven = with(conv({1, 10, 9}, 6, 16, {2, 3}), Epilogue::Rescale, 100);
  uneven.pads = {0, 1, 1, 2};
  uneven.strides = {2, 1};
  check(uneven, 12);
  check(with(conv({1, 7, 7}, 16, 16, {1, 1}, 2), Epilogue::Rescale, 4), 13);
}
TEST(Gemm, OneAndThreeSpatialDimensions) {
  check(with(conv({2, 19}, 12, 20, {5}, 2, 2), Epilogue::Rescale, 4), 14);
  check(with(conv({1, 4, 5, 6}, 5, 17, {3, 3, 3}, 1, 1), Epilogue::Rescale, 4), 15);
}
TEST(Gemm, Groups) {
  check(with(conv({1, 6, 7}, 24, 36, {3, 3}, 1, 1, 3), Epilogue::Rescale, 4), 16);
  check(with(conv({1, 6, 7}, 64, 32, {1, 1}, 1, 0, 2), Epilogue::Rescale, 4), 17);
}
TEST(Gemm, Gate) {
  check(with(conv({2, 6, 7}, 24, 36, {3, 3}, 1, 1), Epilogue::Gate, 4), 18);
  check(asFloat(with(conv({2, 6, 7}, 24, 36, {1, 1}), Epilogue::Gate)), 19);
}
TEST(Gemm, Residuals) {
  for (int i = 0; i < 24; ++i)
    check(with(conv({1, 3, 4}, 9, i % 3 ? 32 : 17, {1, 1}), Epilogue::RescaleResidual, 9), 300 + i);
}
/// One scale an output channel: nibbles against s8, any K.
TEST(Gemm, FourBits) {
  auto four = [](ProductCase c) {
    c.weightBits = 4;
    return c;
  };
  check(four(with(linear({40}, 120, 360), Epilogue::None, 5)), 400);
  check(four(with(linear({13}, 64, 33), Epilogue::Dequantize, -128)), 401);
  for (int64_t channels : {1, 3, 7, 8, 30, 67, 129})
    for (int64_t outputs : {1, 16, 40, 79})
      check(four(with(conv({1, 4, 7}, channels, outputs, {1, 1}), Epilogue::Rescale, 3)), 410 + channels * outputs);
  check(four(with(conv({1, 9, 13}, 3, 48, {3, 3}, 2, 1), Epilogue::Rescale, 7)), 402);
  check(four(with(conv({2, 6, 8}, 24, 20, {2, 2}), Epilogue::Rescale, 127)), 403);
  check(four(with(conv({1, 6, 7}, 24, 36, {3, 3}, 1, 1, 3), Epilogue::Rescale, 4)), 404);
  ProductCase dynamic = four(with(conv({3, 9, 21}, 20, 33, {3, 3}, 1, 1), Epilogue::RescaleResidual, -9));
  dynamic.dynamic = true;
  check(dynamic, 405);
}
TEST(Gemm, WiderCodes) {
  ProductCase c = with(conv({1, 6, 7}, 24, 36, {3, 3}, 1, 1), Epilogue::Rescale, 4);
  c.weightBits = 16;
  check(c, 20);
  c.inputBits = 16, c.weightBits = 8, c.zeroPoint = 0;
  check(c, 21);
  check(with(c, Epilogue::None), 22);
}
TEST(Gemm, BytesMeetWords) {
  auto wide = [](ProductCase c) {
    c.inputBits = 16;
    c.zeroPoint = 0;
    return c;
  };
  for (int64_t channels : {1, 2, 7, 30, 67})
    for (int64_t outputs : {1, 16, 40, 79, 130})
      check(wide(with(conv({1, 4, 7}, channels, outputs, {1, 1}), Epilogue::Rescale)), 500 + channels * outputs);
  check(wide(with(linear({13}, 65, 33), Epilogue::Dequantize)), 501);
  check(wide(with(linear({1}, 120, 360), Epilogue::None)), 502);
  check(wide(with(conv({1, 9, 13}, 3, 48, {3, 3}, 2, 1), Epilogue::Rescale)), 503);
  check(wide(with(conv({1, 6, 7}, 24, 36, {3, 3}, 1, 1, 3), Epilogue::RescaleLookup)), 504);
  ProductCase dynamic = wide(with(conv({3, 9, 21}, 20, 33, {3, 3}, 1, 1), Epilogue::RescaleResidual));
  dynamic.dynamic = true;
  check(dynamic, 505);
  dynamic.channelsLast = false;
  check(dynamic, 506);
  // A zero point, as imported graphs may have.
  ProductCase shifted = wide(with(conv({1, 6, 7}, 20, 18, {3, 3}, 1, 1), Epilogue::Rescale));
  shifted.zeroPoint = -77;
  check(shifted, 507);
}
TEST(Gemm, Float) {
  check(asFloat(with(conv({1, 4, 7}, 33, 50, {1, 1}), Epilogue::None)), 23);
  check(asFloat(with(linear({3, 17}, 120, 90), Epilogue::Rescale)), 24);
  check(asFloat(with(conv({1, 9, 13}, 3, 48, {3, 3}, 2, 1), Epilogue::RescaleResidual)), 25);
  check(asFloat(with(conv({2, 6, 5}, 16, 16, {2, 2}), Epilogue::RescaleLookup)), 26);
  check(asFloat(with(conv({1, 6, 7}, 24, 36, {3, 3}, 1, 1, 3), Epilogue::None)), 27);
}
TEST(Gemm, Layouts) {
  ProductCase c = with(conv({1, 6, 7}, 20, 18, {3, 3}, 1, 1), Epilogue::None, 4);
  c.channelsLast = false;
  check(c, 28);
  check(asFloat(c), 29);
}
TEST(Gemm, DynamicSizes) {
  for (int64_t width : {1, 2, 13, 61}) {
    ProductCase c = with(conv({2, 5, width}, 20, 18, {3, 3}, 1, 1), Epilogue::RescaleResidual, 4);
    c.dynamic = true;
    check(c, 30 + width);
    c = with(linear({2, width}, 30, 50), Epilogue::Rescale, 4);
    c.dynamic = true;
    check(c, 31 + width);
    c = with(conv({3, 5, width + 1}, 20, 18, {2, 2}, 2), Epilogue::Gate, 4);
    c.strides = {1, 2};
    c.dynamic = true;
    check(c, 32 + width);
  }
}

TEST(Depthwise, Integers) {
  check(with(conv({1, 6, 7}, 16, 16, {3, 3}, 1, 1, 16), Epilogue::Rescale, 4), 40);
  check(with(conv({2, 7, 90}, 24, 24, {3, 3}, 2, 1, 24), Epilogue::Rescale, -90), 41);
  check(with(conv({1, 9, 8}, 40, 40, {5, 5}, 1, 2, 40), Epilogue::RescaleResidual, 4), 42);
  ProductCase c = with(conv({1, 1, 40}, 120, 120, {1, 7}, 1, 0, 120), Epilogue::Rescale, 4);
  c.pads = {0, 3, 0, 3};
  check(c, 43);
  c = with(conv({1, 8, 9}, 7, 7, {3, 2}, 1, 1, 7), Epilogue::None, 4);
  c.dilations = {2, 3};
  check(c, 44);
  check(with(conv({2, 30}, 20, 20, {9}, 1, 4, 20), Epilogue::Rescale, 4), 45);
  check(with(conv({1, 4, 5, 6}, 18, 18, {3, 3, 3}, 1, 1, 18), Epilogue::Rescale, 4), 46);
  check(with(conv({1, 10, 11}, 16, 16, {7, 7}, 1, 3, 16), Epilogue::Rescale, 4), 47);
}
TEST(Depthwise, WiderCodes) {
  ProductCase c = with(conv({1, 6, 7}, 24, 24, {3, 3}, 1, 1, 24), Epilogue::Rescale, 4);
  c.weightBits = 16;
  check(c, 48);
  c.inputBits = 16, c.weightBits = 8, c.zeroPoint = 0;
  check(c, 49);
}
TEST(Depthwise, Float) {
  check(asFloat(with(conv({1, 6, 7}, 16, 16, {3, 3}, 1, 1, 16), Epilogue::None)), 50);
  check(asFloat(with(conv({1, 12, 50}, 21, 21, {5, 5}, 2, 2, 21), Epilogue::RescaleResidual)), 51);
  check(asFloat(with(conv({1, 12, 50}, 21, 21, {5, 5}, 2, 2, 21), Epilogue::Gate)), 52);
}
/// Lines of a tile that share strips: strides and dilations of both parities, heights around a tile's six lines.
TEST(Depthwise, SharedLines) {
  int seed = 400;
  for (int64_t height : {3, 13})
    for (int64_t stride : {1, 2, 3})
      for (int64_t dilation : {1, 2}) {
        ProductCase c = with(conv({2, height + 8, 9}, 20, 20, {5, 3}, 1, 1, 20), Epilogue::Rescale, 4);
        c.strides = {stride, 1};
        c.dilations = {dilation, 1};
        check(c, ++seed);
        check(asFloat(c), ++seed);
        c.pads = {0, 1, 0, 1};
        c.dynamic = true;
        check(c, ++seed);
      }
}
TEST(Depthwise, DynamicSizes) {
  for (int64_t width : {1, 2, 41, 83}) {
    ProductCase c = with(conv({2, 5, width}, 20, 20, {3, 3}, 1, 1, 20), Epilogue::RescaleResidual, 4);
    c.dynamic = true;
    check(c, 60 + width);
  }
}

/// Weights, biases, multipliers and the input's zero point are data: layers of one shape have one code.
TEST(Gemm, EqualShapesShareCode) {
  std::vector<ProductCase> cases{with(conv({1, 6, 7}, 24, 36, {3, 3}, 1, 1), Epilogue::Rescale),
                                 with(conv({1, 6, 7}, 24, 24, {3, 3}, 1, 1, 24), Epilogue::Rescale),
                                 with(linear({5}, 20, 70), Epilogue::RescaleLookup)};
  for (ProductCase &c : cases) {
    auto context = makeContext();
    std::string texts[2];
    for (int i = 0; i < 2; ++i) {
      c.zeroPoint = i ? 5 : -100;
      BuiltCase built = build(*context, c, 70 + i);
      ASSERT_TRUE(built.module);
      auto region = CompiledRegion::compile(built.func, Isa::Avx2);
      ASSERT_TRUE(region);
      texts[i] = region->getText();
    }
    EXPECT_EQ(texts[0], texts[1]) << c.describe();
  }
}

/// Random shapes; BITWRIGHT_TEST_CASES sets how many (default 60).
TEST(Gemm, Random) {
  const char *more = std::getenv("BITWRIGHT_TEST_CASES");
  int cases = more ? std::atoi(more) : 60;
  std::mt19937_64 random(20250611);
  auto pick = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); };
  for (int i = 0; i < cases && !::testing::Test::HasFatalFailure(); ++i) {
    ProductCase c;
    int64_t spatial = pick(0, 3);
    if (spatial == 0) {
      c = linear({}, pick(1, 150), pick(1, 150));
      for (int64_t d = pick(1, 3); d > 0; --d)
        c.in.push_back(pick(1, 9));
    } else {
      int64_t groups = pick(0, 3) ? 1 : pick(2, 4);
      bool depthwise = pick(0, 2) == 0;
      int64_t channels = depthwise ? pick(2, 50) : groups * pick(1, 40);
      c = conv({pick(1, 2)}, channels, depthwise ? channels : groups * pick(1, 60), {}, 1, 0,
               depthwise ? channels : groups);
      for (int64_t d = 0; d < spatial; ++d) {
        c.kernel.push_back(pick(1, spatial == 3 ? 3 : 5));
        c.strides.push_back(pick(1, 3));
        c.dilations.push_back(pick(1, 2));
        c.in.push_back(c.dilations[d] * (c.kernel[d] - 1) + pick(1, spatial == 3 ? 5 : 20));
      }
      for (int64_t d = 0; d < 2 * spatial; ++d)
        c.pads.push_back(pick(0, 2));
    }
    c.isFloat = pick(0, 3) == 0;
    c.bias = pick(0, 3) != 0;
    c.zeroPoint = pick(-128, 127);
    c.dynamic = pick(0, 2) == 0;
    c.epilogue = Epilogue(pick(0, 5));
    if (c.isLinear && c.epilogue == Epilogue::Gate)
      c.epilogue = Epilogue::None;
    if (std::getenv("BITWRIGHT_TEST_PRINT")) // the case that crashes is the last one printed
      std::fprintf(stderr, "%d %s\n", 1000 + i, c.describe().c_str());
    check(c, 1000 + i);
  }
}

} // namespace
} // namespace bitwright::x86::testing
