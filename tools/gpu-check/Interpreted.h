//===- Interpreted.h - what the interpreter makes of a case -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TOOLS_GPU_CHECK_INTERPRETED_H
#define BITWRIGHT_TOOLS_GPU_CHECK_INTERPRETED_H

#include "dialects/Kernel/Gemm.h"
#include <cstdint>
#include <vector>

namespace bitwright::gpucheck {

/// Checksums of the results of a kernel.gemm or kernel.rows (with the attribute `ranges`) for the operands that
/// CaseData makes from `seed`; empty when it would take more than `limit` multiplications.
std::vector<uint64_t> interpretedChecksums(mlir::Operation *op, int64_t m, uint64_t seed, int64_t limit);

} // namespace bitwright::gpucheck

#endif
