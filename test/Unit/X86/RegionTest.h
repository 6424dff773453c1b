//===- RegionTest.h - regions against the interpreter ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_TEST_UNIT_X86_REGIONTEST_H
#define BITWRIGHT_TEST_UNIT_X86_REGIONTEST_H

#include "test/Unit/X86Gemm/KernelHarness.h"
#include <functional>

namespace bitwright::x86::testing {

/// One region under test.
struct Region {
  /// Arguments of the fused op: "%a = %0, %b = %1".
  std::string arguments;
  /// Attributes: "{kind = 0 : i32, operand_layouts = [...]}"; may be empty.
  std::string attributes;
  /// "(tensor<2x3xf32>) -> tensor<2x3xf32>".
  std::string type;
  /// Operations and the yield.
  std::string body;
  /// The function: argument types with their dims, e.g. "tensor<?x4xf32> {qnn.dims = ...}"; empty: the types of `type`.
  std::string functionArguments;
  std::string symbols; ///< "qnn.symbols = [...]"
  std::vector<std::vector<int64_t>> symbolValues = {{}};
  /// Largest magnitude of random integer inputs (8-bit types use their whole range).
  int64_t integerRange = 1000;
  /// Replaces the random data of an input.
  std::function<void(unsigned, reference::Tensor &)> fill;
};

/// Compiles the region for every instruction set of this machine, runs it whole, tile by tile and in two uneven parts,
/// and expects the interpreter's bits. Also expects the same KernelInfo for every instruction set.
void checkRegion(const Region &region);
/// Expects the region to be refused with a message that contains `text`.
void expectRefusal(const Region &region, const std::string &text);
/// The function around a region.
std::string functionText(const Region &region);

} // namespace bitwright::x86::testing

#endif
