//===- PlaceQuantizers.h - puts quantize and dequantize around what runs on codes ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_QUANTIZE_PLACEQUANTIZERS_H
#define BITWRIGHT_PASSES_QUANTIZE_PLACEQUANTIZERS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Quantize/PlaceQuantizers/PlaceQuantizers.h.inc"
} // namespace bitwright

#endif
