//===- MatmulToLinear.h - matrix products with constants as linear layers --- -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_SIMPLIFY_MATMULTOLINEAR_H
#define BITWRIGHT_PASSES_SIMPLIFY_MATMULTOLINEAR_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Simplify/MatmulToLinear/MatmulToLinear.h.inc"
} // namespace bitwright

#endif
