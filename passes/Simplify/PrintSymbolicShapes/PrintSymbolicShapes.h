//===- PrintSymbolicShapes.h - each result's shape in the names of the dimensions --- -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_SIMPLIFY_PRINTSYMBOLICSHAPES_H
#define BITWRIGHT_PASSES_SIMPLIFY_PRINTSYMBOLICSHAPES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Simplify/PrintSymbolicShapes/PrintSymbolicShapes.h.inc"
} // namespace bitwright

#endif
