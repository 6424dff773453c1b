//===- CorrectBias.h - takes the mean error of quantized weights out of the bias ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_TRANSFORM_CORRECTBIAS_H
#define BITWRIGHT_PASSES_TRANSFORM_CORRECTBIAS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/Quantize/QuantizableOps.h"
#include <optional>
#include <string>
#include <vector>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Transform/CorrectBias/CorrectBias.h.inc"

/// By how much the rounded weight raises each output channel of a product whose input has these channel means:
/// E[dW x], what the bias is lowered by (METHODS M9). None: the means are not of this input's channels.
std::optional<std::vector<double>> biasShift(mlir::Operation *product, const RoundedWeight &rounded,
                                             llvm::ArrayRef<double> means);
} // namespace bitwright

#endif
