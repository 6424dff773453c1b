//===- Latency.h - time of a network as it would be compiled ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_LATENCY_H
#define BITWRIGHT_LIB_EVALUATE_LATENCY_H

#include "lib/Statistics/CalibrationData.h"

namespace bitwright {

struct MeasuredPlan {
  double latency = 0;      ///< milliseconds of a run: the median
  uint64_t arenaBytes = 0; ///< of the activations, for the largest dimensions
  uint64_t weightBytes = 0;
};

/// Time of one run of `sample` through `func` (after assign-schemes, with ranges and the formats of a plan), compiled
/// for this machine in memory. Weights are rounded to nearest: the time does not depend on their values. `func` stays
/// as it is.
llvm::Expected<MeasuredPlan> measureLatency(mlir::func::FuncOp func, const Sample &sample, unsigned threads = 1);

} // namespace bitwright

#endif
