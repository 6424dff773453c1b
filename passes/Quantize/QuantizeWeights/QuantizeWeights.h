//===- QuantizeWeights.h - rounds the weights of products whose input is quantized ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_QUANTIZE_QUANTIZEWEIGHTS_H
#define BITWRIGHT_PASSES_QUANTIZE_QUANTIZEWEIGHTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Quantize/QuantizeWeights/QuantizeWeights.h.inc"
} // namespace bitwright

#endif
