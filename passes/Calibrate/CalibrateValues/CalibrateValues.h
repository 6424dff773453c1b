//===- CalibrateValues.h - collects the statistics of every float value ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_CALIBRATE_CALIBRATEVALUES_H
#define BITWRIGHT_PASSES_CALIBRATE_CALIBRATEVALUES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include <string>

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Calibrate/CalibrateValues/CalibrateValues.h.inc"
} // namespace bitwright

#endif
