//===- FoldBias.h - constants a channel into the product before them --- -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_SIMPLIFY_FOLDBIAS_H
#define BITWRIGHT_PASSES_SIMPLIFY_FOLDBIAS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Simplify/FoldBias/FoldBias.h.inc"
} // namespace bitwright

#endif
