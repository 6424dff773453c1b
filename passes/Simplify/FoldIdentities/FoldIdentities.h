//===- FoldIdentities.h - operations that change nothing ----- -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_SIMPLIFY_FOLDIDENTITIES_H
#define BITWRIGHT_PASSES_SIMPLIFY_FOLDIDENTITIES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Simplify/FoldIdentities/FoldIdentities.h.inc"
} // namespace bitwright

#endif
