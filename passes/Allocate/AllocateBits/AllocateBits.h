//===- AllocateBits.h - formats by an exact program, or from a plan --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_ALLOCATE_ALLOCATEBITS_H
#define BITWRIGHT_PASSES_ALLOCATE_ALLOCATEBITS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Allocate/AllocateBits/AllocateBits.h.inc"
} // namespace bitwright

#endif
