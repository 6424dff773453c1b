//===- VerifySimplified.h - the contract at the end of simplify --- -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_SIMPLIFY_VERIFYSIMPLIFIED_H
#define BITWRIGHT_PASSES_SIMPLIFY_VERIFYSIMPLIFIED_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Simplify/VerifySimplified/VerifySimplified.h.inc"
} // namespace bitwright

#endif
