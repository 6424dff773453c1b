//===- CodesTest.cpp - linear layers on codes in groups, against the interpreter ===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// The forms of passes/Fuse/README.md: two-level groups, float groups, weight-only; bit for bit on every instruction
// set, for shapes that no tile, panel or vector divides.
//===----------------------------------------------------------------------===//
#include "lib/Reference/Interpreter.h"
#include "test/Unit/X86Gemm/CodesCase.h"
#include "test/Unit/X86Gemm/KernelHarness.h"

#include "gtest/gtest.h"

using namespace mlir;

namespace bitwright::x86::testing {
namespace {

using reference::Tensor;

void check(const CodesCase &c, uint64_t seed) {
  SCOPED_TRACE(c.describe());
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
    ASSERT_TRUE(region->results()[0].equals((*expected)[0]));
    region->clearResults();
    for (int64_t tile = region->tiles() - 1; tile >= 0; --tile)
      region->run(tile, tile + 1);
    ASSERT_TRUE(region->results()[0].equals((*expected)[0])) << "tile by tile";
    // Codes lie in the file once, as 4 bits (8 of an 8-bit weight).
    int64_t panels = (c.outputs + 15) / 16 * 16;
    auto packed = llvm::find_if(region->getInfo().constants, [](auto &constant) { return constant.operand >= 0; });
    ASSERT_NE(packed, region->getInfo().constants.end());
    EXPECT_EQ(packed->order,
              c.form == Form::WeightOnly8 ? ConstantBuffer::Order::PanelBytes : ConstantBuffer::Order::PanelNibbles);
    EXPECT_EQ(packed->plusEight, c.form != Form::TwoLevel && c.form != Form::WeightOnly8);
    int64_t perStep = c.form == Form::WeightOnly8 ? 4 : 8;
    EXPECT_EQ(int64_t(packed->bytes.size()), panels * ((c.columns + perStep - 1) / perStep) * 4);
    if (previous) {
      EXPECT_EQ(previous->scratchBytes, region->getInfo().scratchBytes);
      ASSERT_EQ(previous->constants.size(), region->getInfo().constants.size());
      for (size_t i = 0; i < previous->constants.size(); ++i)
        EXPECT_EQ(previous->constants[i].bytes, region->getInfo().constants[i].bytes);
    }
    previous = region->getInfo();
  }
}

void sweep(Form form, bool zeroPoints = false) {
  const int64_t rows[] = {1, 2, 3, 5, 12, 13, 17, 48, 50}, outputs[] = {1, 16, 17, 33, 80}, groups[] = {8, 32, 128};
  uint64_t seed = 1000 * uint64_t(form);
  for (int i = 0; i < 24; ++i, ++seed) {
    int64_t group = groups[i % 3];
    CodesCase c{form, rows[i % 9], outputs[i % 5], group * (1 + i % 4), group, zeroPoints};
    c.bias = i % 2;
    check(c, seed);
  }
}

TEST(Codes, TwoLevel) {
  sweep(Form::TwoLevel);
  check({Form::TwoLevel, 13, 33, 96, 32, false, -128}, 1);
}
TEST(Codes, Groups) {
  sweep(Form::Groups);
  check({Form::Groups, 13, 33, 96, 32, false, 100}, 2);
}
TEST(Codes, GroupsWithZeroPoints) {
  sweep(Form::Groups, true);
  check({Form::Groups, 7, 20, 64, 32, true, -128}, 3);
}
TEST(Codes, WeightOnly) {
  sweep(Form::WeightOnly4);
  sweep(Form::WeightOnly4, true);
  sweep(Form::WeightOnly8);
  sweep(Form::WeightOnly8, true);
}
TEST(Codes, OneScaleAChannel) {
  const int64_t depths[] = {8, 24, 64, 100, 200};
  for (int i = 0; i < 15; ++i) {
    int64_t rows[] = {1, 2, 4, 12, 29}, outputs[] = {5, 16, 50};
    check({Form::PerToken4, rows[i % 5], outputs[i % 3], depths[i % 5], 0}, 50 + uint64_t(i));
    check({i % 2 ? Form::WeightOnly4 : Form::WeightOnly8, rows[i % 5], outputs[i % 3], depths[i % 5] / 8 * 8, 0},
          80 + uint64_t(i));
  }
  check({Form::PerToken4, 3, 17, 3, 0}, 99);
}

} // namespace
} // namespace bitwright::x86::testing
