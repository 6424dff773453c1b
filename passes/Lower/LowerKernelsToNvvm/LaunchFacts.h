//===- LaunchFacts.h - what a launch of a GPU kernel needs ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// nvptx::EmittedKernel as an attribute, between `lower-kernels-to-nvvm` and `lower-to-exec`: one dictionary for each
// schedule in `gpu_launches` of a kernel.gemm or kernel.rows.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_LOWER_LAUNCHFACTS_H
#define BITWRIGHT_PASSES_LOWER_LAUNCHFACTS_H

#include "lib/Target/Nvptx/Nvptx.h"

namespace bitwright {

constexpr llvm::StringLiteral gpuLaunchesAttr = "gpu_launches";

/// A compiled schedule and the range of M that it serves (0: no upper bound).
struct LaunchFacts {
  nvptx::EmittedKernel kernel;
  int64_t mLo = 1, mHi = 0;
};

mlir::DictionaryAttr toAttribute(const LaunchFacts &facts, mlir::MLIRContext *context);
/// Null for a dictionary that is not one of `toAttribute`.
std::optional<LaunchFacts> toLaunchFacts(mlir::Attribute attribute);

} // namespace bitwright

#endif
