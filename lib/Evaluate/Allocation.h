//===- Allocation.h - weight formats measured and chosen --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// What lies between a float graph with schemes (after `assign-schemes`) and the solver: how much the network's output
// changes when one layer's weight takes another format, measured through one evaluation model, as an allocation
// problem; and a plan written back into the schemes.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_ALLOCATION_H
#define BITWRIGHT_LIB_EVALUATE_ALLOCATION_H

#include "lib/Evaluate/EvaluationModel.h"
#include "lib/Solver/Solve.h"

namespace bitwright {

struct AllocationOptions {
  std::vector<std::string> formats = {"s8", "s4"}; ///< of weights, tried for every quantized layer
  unsigned maxSamples = 32;                        ///< samples of the data that are used
  unsigned threads = 1;
  std::function<void(uint64_t done, uint64_t all)> progress;
};

/// Measures the sensitivities of `func`'s quantized layers. The loss of a choice is the mean over samples of the
/// Kullback-Leibler divergence from the float network's output where its rows are distributions (not negative, sum 1
/// within 1e-3), else of the relative squared error. Costs: bytes of codes and scales. A layer that the evaluation
/// model cannot change, or whose weight the file holds unpacked, keeps its format and is named in `fixed`.
llvm::Expected<solver::AllocationProblem> measureSensitivities(mlir::func::FuncOp func, CalibrationData &data,
                                                               const AllocationOptions &options,
                                                               std::vector<std::string> &fixed);

/// The loss of the network with the formats that `func`'s schemes name now, on the same samples.
llvm::Expected<double> measurePlan(mlir::func::FuncOp func, CalibrationData &data, const AllocationOptions &options);

/// Writes formats by layer name into the schemes. Errors: a name that is no quantized layer, a format that its scheme
/// cannot have.
llvm::Error applyPlan(mlir::func::FuncOp func, const llvm::StringMap<std::string> &formats);
/// Formats by layer name from a plan file (docs/Allocation.md, "The plan file").
llvm::Expected<llvm::StringMap<std::string>> readPlan(llvm::StringRef path);

} // namespace bitwright

#endif
