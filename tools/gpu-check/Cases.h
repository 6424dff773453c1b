//===- Cases.h - kernels with awkward sizes ---------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TOOLS_GPU_CHECK_CASES_H
#define BITWRIGHT_TOOLS_GPU_CHECK_CASES_H

#include "dialects/Kernel/Gemm.h"
#include <random>
#include <string>

namespace bitwright::gpucheck {

/// The text of a random kernel.gemm or kernel.rows that `kind` may cover: storage formats, groups, sizes with tails,
/// epilogues with every kind of operand. The attribute `ranges` holds [low, high] for each operand.
std::string randomKernel(kernel::GpuTemplate kind, const std::string &symbol, std::mt19937 &random);

} // namespace bitwright::gpucheck

#endif
