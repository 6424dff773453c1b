//===- Costs.h - what the choices of a problem cost -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_COSTS_H
#define BITWRIGHT_LIB_EVALUATE_COSTS_H

#include "lib/Allocate/Units.h"
#include "lib/Statistics/CalibrationData.h"

namespace bitwright {

struct CostOptions {
  bool latency = false;     ///< measure, or look up, the time of each choice
  bool peakMemory = false;  ///< memory points
  std::string latencyTable; ///< file that is read first and gets what had to be measured; empty: none
  unsigned threads = 1;     ///< of the runs that are timed
};

/// Fills `problem.metrics` and the costs of every choice of the problem made by `units.toProblem()`: `bytes` of the
/// weight as the file holds it, `bops`, and where asked `latency` in milliseconds for one run of `sample`'s shapes, and
/// the memory points. Time that no unit has is a group of its own, "(rest)", with one choice and no elements.
llvm::Error addCosts(solver::AllocationProblem &problem, mlir::func::FuncOp func, const AllocationUnits &units,
                     const Sample &sample, const CostOptions &options);

} // namespace bitwright

#endif
