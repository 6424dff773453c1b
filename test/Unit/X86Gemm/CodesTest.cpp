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

#include <cstring>

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

/// One kernel for all these numbers of rows: every path that it chooses by their count.
void checkRows(CodesCase c, ArrayRef<int64_t> counts, uint64_t seed) {
  c.rows = c.maxRows;
  SCOPED_TRACE(c.describe());
  auto context = makeContext();
  BuiltCase built = build(*context, c, seed);
  ASSERT_TRUE(built.module);
  SmallVector<std::unique_ptr<CompiledRegion>> regions;
  for (Isa isa : {Isa::Avx2, Isa::Avx512Vnni})
    if (hostHas(isa)) {
      regions.push_back(CompiledRegion::compile(built.func, isa));
      ASSERT_TRUE(regions.back());
    }
  for (int64_t rows : counts) {
    SCOPED_TRACE(std::to_string(rows) + " rows");
    std::vector<Tensor> arguments, operands = built.operands;
    for (size_t i = 0; i < built.arguments.size(); ++i) {
      const Tensor &all = built.arguments[i];
      Tensor first(all.getElement(), {rows, all.getShape()[1]});
      std::memcpy(first.mutableData<uint8_t>(), all.bytes(), first.getNumBytes());
      operands[i] = first;
      arguments.push_back(first);
    }
    auto expected = reference::interpret(built.func, arguments);
    ASSERT_TRUE(succeeded(expected));
    for (auto &region : regions) {
      region->bind(operands, {rows});
      region->clearResults();
      region->runAll();
      ASSERT_TRUE(region->results()[0].equals((*expected)[0]));
    }
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
TEST(Codes, TwoLevelAcrossTheSwitch) {
  // Small groups of 24 rows and more are multiplied out, in blocks of 512 columns here with a rest of one group.
  const int64_t rows[] = {1, 3, 4, 5, 23, 24, 25, 47, 48, 49, 71, 72, 97};
  checkRows({Form::TwoLevel, 0, 65, 544, 32, false, -7}, rows, 10);
  checkRows({Form::TwoLevel, 0, 33, 200, 8, false, 3}, rows, 11);
  checkRows({Form::TwoLevel, 0, 50, 320, 64}, {12, 24, 31, 60}, 12);
  checkRows({Form::TwoLevel, 0, 20, 120, 40}, {2, 24, 26}, 13);
}
TEST(Codes, TwoLevelGroupsOfAnyWidth) {
  // Sums of 17 groups and more come 16 at a time; of more than 256 columns they do not fit 16 bits.
  checkRows({Form::TwoLevel, 0, 34, 17 * 128, 128}, {1, 6, 50}, 14);
  checkRows({Form::TwoLevel, 0, 49, 3 * 264, 264, false, -128}, {1, 3, 10}, 15);
  checkRows({Form::TwoLevel, 0, 16, 24 * 19, 24}, {1, 5, 30}, 16);
}
TEST(Codes, GroupsOfAnyWidth) {
  checkRows({Form::Groups, 0, 97, 37 * 16, 16}, {1, 2, 3, 7, 48, 52}, 17);
  checkRows({Form::Groups, 0, 40, 18 * 64, 64, true, 11}, {1, 4, 9}, 18);
  checkRows({Form::Groups, 0, 17, 5 * 72, 72}, {1, 4, 6}, 19);
}
TEST(Codes, WeightOnlyAcrossRows) {
  // Six panels of one row at a time, three of many; then every rest of panels.
  for (int64_t outputs : {96, 112, 128, 144, 170}) {
    checkRows({Form::WeightOnly4, 0, outputs, 64, 32, outputs > 128}, {1, 2, 4, 8, 9, 50}, 20 + uint64_t(outputs));
    checkRows({Form::WeightOnly8, 0, outputs, 48, 0}, {1, 3, 13}, 21 + uint64_t(outputs));
  }
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
