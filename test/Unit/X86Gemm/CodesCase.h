//===- CodesCase.h - linear layers on codes as test cases -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// The forms of passes/Fuse/README.md, each with GELU and a residual behind it.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TEST_UNIT_X86GEMM_CODESCASE_H
#define BITWRIGHT_TEST_UNIT_X86GEMM_CODESCASE_H

#include "test/Unit/X86Gemm/ProductCase.h"

namespace bitwright::x86::testing {

/// Codes of weights: 8 or 4 bits with one scale an output channel, 4 bits in two-level groups, in groups with float
/// scales, and weights only (the input is f32). Float: weights that are f32 in memory, to compare with.
enum class Form { PerToken8, PerToken4, TwoLevel, Groups, WeightOnly4, WeightOnly8, Float };

struct CodesCase {
  Form form;
  int64_t rows, outputs, columns, group; ///< group 0: one scale an output channel
  bool zeroPoints = false;
  int64_t inputZeroPoint = 0;
  bool bias = true, gelu = true;
  int64_t maxRows = 128; ///< bound of the dynamic number of rows

  std::string describe() const;
};
/// Null module after a diagnostic. The function takes the input, a scale a row and the residual.
BuiltCase build(mlir::MLIRContext &context, const CodesCase &c, uint64_t seed);

} // namespace bitwright::x86::testing

#endif
