//===- VerifyQuantized.h - checks what quantize hands on -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_QUANTIZE_VERIFYQUANTIZED_H
#define BITWRIGHT_PASSES_QUANTIZE_VERIFYQUANTIZED_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Quantize/VerifyQuantized/VerifyQuantized.h.inc"
} // namespace bitwright

#endif
