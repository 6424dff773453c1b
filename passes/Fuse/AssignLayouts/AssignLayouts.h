//===- AssignLayouts.h - memory order of every value ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_FUSE_ASSIGNLAYOUTS_H
#define BITWRIGHT_PASSES_FUSE_ASSIGNLAYOUTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Fuse/AssignLayouts/AssignLayouts.h.inc"
} // namespace bitwright

#endif
