//===- CorrectBias.h - takes the mean error of quantized weights out of the bias ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_TRANSFORM_CORRECTBIAS_H
#define BITWRIGHT_PASSES_TRANSFORM_CORRECTBIAS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Transform/CorrectBias/CorrectBias.h.inc"
} // namespace bitwright

#endif
