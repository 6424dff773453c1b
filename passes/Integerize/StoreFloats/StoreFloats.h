//===- StoreFloats.h - floats between kernels are stored in 16 bits===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_INTEGERIZE_STOREFLOATS_H
#define BITWRIGHT_PASSES_INTEGERIZE_STOREFLOATS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Integerize/StoreFloats/StoreFloats.h.inc"
} // namespace bitwright

#endif
