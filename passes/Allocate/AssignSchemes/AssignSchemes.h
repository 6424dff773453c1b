//===- AssignSchemes.h - gives every operation its scheme, from a recipe ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_ALLOCATE_ASSIGNSCHEMES_H
#define BITWRIGHT_PASSES_ALLOCATE_ASSIGNSCHEMES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Allocate/AssignSchemes/AssignSchemes.h.inc"
} // namespace bitwright

#endif
