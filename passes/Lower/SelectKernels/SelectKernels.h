//===- SelectKernels.h - which regions a GPU runs, and as what --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_LOWER_SELECTKERNELS_H
#define BITWRIGHT_PASSES_LOWER_SELECTKERNELS_H

#include "dialects/Kernel/Gemm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Lower/SelectKernels/SelectKernels.h.inc"

/// Attributes of a kernel.fused (see the pass's description).
constexpr llvm::StringLiteral gpuKernelAttr = "gpu_kernel", gpuBindingsAttr = "gpu_bindings", gpuMapAttr = "gpu_m",
                              gpuReasonAttr = "gpu_reason";
} // namespace bitwright

#endif
