//===- PackingTest.cpp - what generators ask the host to pack ----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "GemmCase.h"
#include "lib/Target/Nvptx/KernelWriter.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::GpuTemplate;
using layout::LinearLayout;
using layout::Packing;

namespace {

/// The stored element number `index`, as a number of the packing's width.
uint64_t stored(const Packing &packing, const std::vector<uint8_t> &bytes, int64_t index) {
  if (packing.bits == 4)
    return bytes[size_t(index / 2)] >> (index % 2 * 4) & 15;
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + index * (packing.bits / 8), packing.bits / 8);
  return value;
}

/// Packs numbers, reads them back by position, and checks that every stored element is one of the matrix or the fill.
void checkPacking(const Packing &packing, const std::string &where) {
  ASSERT_TRUE(packing.tile.isBijection()) << where << "\n" << packing.tile.toString();
  uint64_t mask = (uint64_t(1) << packing.bits) - 1;
  auto value = [&](int64_t r, int64_t c) { return int64_t((uint64_t(r) * 2654435761u + uint64_t(c) * 40503u + (uint64_t(c) >> 3)) & mask); };
  std::vector<uint8_t> bytes = layout::pack(packing, value);
  ASSERT_EQ(int64_t(bytes.size()), packing.bytes()) << where;
  std::vector<bool> taken(size_t(packing.elements()), false);
  for (int64_t r = 0; r < packing.rows; ++r)
    for (int64_t c = 0; c < packing.columns; ++c) {
      int64_t index = packing.indexOf(r, c);
      ASSERT_TRUE(index >= 0 && index < packing.elements()) << where << " (" << r << ", " << c << ")";
      ASSERT_FALSE(taken[size_t(index)]) << where << ": two elements at " << index;
      taken[size_t(index)] = true;
      ASSERT_EQ(stored(packing, bytes, index), uint64_t(value(r, c) + packing.bias) & mask) << where << " (" << r << ", " << c << ")";
      if (packing.order == Packing::Order::Blocked) { // and back: the tile and the position in it give row and column
        uint32_t row, column;
        int64_t size = packing.tile.size(), block = index / size;
        packing.tile.coordinates(uint32_t(index % size), row, column);
        ASSERT_EQ(block / packing.tileColumns() * packing.tile.rows() + row, r) << where;
        ASSERT_EQ(block % packing.tileColumns() * packing.tile.columns() + column, c) << where;
      }
    }
  for (int64_t i = 0; i < packing.elements(); ++i)
    if (!taken[size_t(i)])
      ASSERT_EQ(stored(packing, bytes, i), uint64_t(packing.fill) & mask) << where << ": padding at " << i;
}

TEST(Packing, EveryTemplate) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  loadDialects(context);
  unsigned checked = 0;
  for (auto [kind, arch] : {std::pair(GpuTemplate::WgmmaSs, Arch::Sm90a), {GpuTemplate::Multistage, Arch::Sm80},
                            {GpuTemplate::WgmmaRs, Arch::Sm90a}, {GpuTemplate::Decode, Arch::Sm90a}, {GpuTemplate::Decode, Arch::Sm80}})
    for (unsigned seed = 0; seed < 30; ++seed) {
      GemmCase test = makeCase(context, seed, kind, arch);
      if (!test.schedule)
        continue;
      OwningOpRef<ModuleOp> module = ModuleOp::create(test.op->getLoc());
      auto emitted = emitKernel(test.op, test.schedule, *module, "k");
      ASSERT_TRUE(succeeded(emitted));
      for (const Parameter &parameter : emitted->parameters) {
        bool constant = parameter.role == Role::Rhs || parameter.role == Role::GroupScale || parameter.role == Role::GroupZeroPoint;
        ASSERT_EQ(constant, parameter.packing.has_value()) << test.describe();
        if (!constant)
          continue;
        checkPacking(*parameter.packing, test.describe());
        if (HasFatalFailure())
          return;
        ++checked;
      }
    }
  EXPECT_GE(checked, 120u);
}

TEST(Packing, Bijection) {
  LinearLayout layout = layout::rowMajor(2, 3);
  EXPECT_TRUE(layout.isBijection());
  EXPECT_EQ(layout.position(3, 5), 29u);
  layout.rowBasis[1] = 9; // depends on the others: 8 + 1
  EXPECT_FALSE(layout.isBijection());
  layout.rowBasis[1] = 64; // beyond the tile
  EXPECT_FALSE(layout.isBijection());
  layout.rowBasis[1] = 16 | 4; // swizzled
  ASSERT_TRUE(layout.isBijection());
  for (uint32_t p = 0; p < 32; ++p) {
    uint32_t row, column;
    layout.coordinates(p, row, column);
    EXPECT_EQ(layout.position(row, column), p);
  }
  EXPECT_EQ(layout.toString(), "row 1 -> 8\nrow 2 -> 20\ncolumn 1 -> 1\ncolumn 2 -> 2\ncolumn 4 -> 4\n");
}

/// The fragment of mma.sync's B operand, word by word: what a lane finds where the layout puts it.
TEST(Packing, FragmentOrder) {
  // 8 columns (n) x 32 bytes of k for s8: lane = 4 n + (k / 4) % 4, register = k / 16, byte = k % 4.
  Packing packing;
  packing.rows = 8, packing.columns = 32;
  packing.tile.rowBasis = {32, 64, 128};         // n -> lane bits 2..4 (8 bytes a lane)
  packing.tile.columnBasis = {1, 2, 8, 16, 4};   // k: byte, lane bits 0..1, register
  auto bytes = layout::pack(packing, [](int64_t n, int64_t k) { return n * 32 + k; });
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned reg = 0; reg < 2; ++reg)
      for (unsigned byte = 0; byte < 4; ++byte)
        EXPECT_EQ(bytes[lane * 8 + reg * 4 + byte], lane / 4 * 32 + reg * 16 + lane % 4 * 4 + byte);
}

} // namespace
