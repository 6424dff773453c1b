//===- SaveWeights.h - the weights of a module into a file --- -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_IMPORT_SAVEWEIGHTS_H
#define BITWRIGHT_PASSES_IMPORT_SAVEWEIGHTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Import/SaveWeights/SaveWeights.h.inc"
} // namespace bitwright

#endif
