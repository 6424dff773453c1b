//===- VerifyIntegerOnly.h - checks regions that claim to compute in integers ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_INTEGERIZE_VERIFYINTEGERONLY_H
#define BITWRIGHT_PASSES_INTEGERIZE_VERIFYINTEGERONLY_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Integerize/VerifyIntegerOnly/VerifyIntegerOnly.h.inc"
} // namespace bitwright

#endif
