//===- FuseRegions.h - producers and epilogues grouped into kernels ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_FUSE_FUSEREGIONS_H
#define BITWRIGHT_PASSES_FUSE_FUSEREGIONS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Fuse/FuseRegions/FuseRegions.h.inc"
} // namespace bitwright

#endif
