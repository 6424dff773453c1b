//===- LoadWeights.h - weights from the files that a module names --- -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_IMPORT_LOADWEIGHTS_H
#define BITWRIGHT_PASSES_IMPORT_LOADWEIGHTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Import/LoadWeights/LoadWeights.h.inc"
} // namespace bitwright

#endif
