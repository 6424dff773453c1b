//===- ConvertQnnToDyadic.h - turns dequantize, operation, quantize into integer arithmetic ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_INTEGERIZE_CONVERTQNNTODYADIC_H
#define BITWRIGHT_PASSES_INTEGERIZE_CONVERTQNNTODYADIC_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Integerize/ConvertQnnToDyadic/ConvertQnnToDyadic.h.inc"
} // namespace bitwright

#endif
