//===- Latency.h - time of a network as it would be compiled ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Networks are compiled in memory with the formats in question and run on a sample, launch by launch. Weights are
// rounded to nearest with the scale of the largest value: time does not depend on their values.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_LATENCY_H
#define BITWRIGHT_LIB_EVALUATE_LATENCY_H

#include "lib/Evaluate/Costs.h"

namespace bitwright {

struct MeasuredPlan {
  double latency = 0;      ///< milliseconds of a run: the lower quartile
  uint64_t arenaBytes = 0; ///< of the activations, for the largest dimensions
  uint64_t weightBytes = 0;
};

/// Time of one run of `sample` through `func` (after assign-schemes, with ranges and the formats of a plan), as it
/// would be compiled for this machine. `func` stays as it is.
llvm::Expected<MeasuredPlan> measureLatency(mlir::func::FuncOp func, const Sample &sample, unsigned threads = 1);
/// Of several, run in turn: they compare whatever else the machine does meanwhile.
llvm::Expected<std::vector<MeasuredPlan>> measureLatencies(llvm::ArrayRef<mlir::func::FuncOp> funcs,
                                                           const Sample &sample, unsigned threads = 1);

/// The part of addCosts that asks for compiled networks: the metric `latency` and the memory points. The problem has
/// its group "(rest)" already.
///
/// The network is compiled once for each pair of formats, with all units at that pair that have it. A launch's time
/// belongs to the unit whose product it holds; without a product to the unit that reads what it writes. The time of a
/// choice is what its unit's launches take in the network of its pair. Its result is written there in the pair's
/// activation format; that another unit's choice may want it in a wider one is not seen.
llvm::Error addMeasuredCosts(solver::AllocationProblem &problem, mlir::func::FuncOp func, const AllocationUnits &units,
                             const Sample &sample, const CostOptions &options);

} // namespace bitwright

#endif
