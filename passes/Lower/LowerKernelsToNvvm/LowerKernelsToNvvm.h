//===- LowerKernelsToNvvm.h - GPU kernels compiled --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_LOWER_LOWERKERNELSTONVVM_H
#define BITWRIGHT_PASSES_LOWER_LOWERKERNELSTONVVM_H

#include "dialects/Kernel/Gemm.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Lower/LowerKernelsToNvvm/LowerKernelsToNvvm.h.inc"

/// Of the module: an array of {arch, kind = "cubin" or "ptx", source}.
constexpr llvm::StringLiteral gpuCodeAttr = "kernel.gpu_code";
} // namespace bitwright

#endif
