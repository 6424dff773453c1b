//===- Sensitivity.h - what each format of each tensor costs in loss -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The leave-one-in table (METHODS M10): for each unit and weight format, and each activation class and format, the loss
// of the network in which this alone is rounded. The loss of a choice is the sum of its two parts; the part of a class
// counts once, for the first unit that reads it. Where there is nothing to choose no part is measured: all such weights
// and activations together are one more trial, whose loss every plan has.
//
// Metrics by name, smaller is better:
//   output      TrialLoss::output
//   user        TrialLoss::user, with a user metric
//   weight_mse  squared rounding error of the weight (or the class's values) relative to its squares
//   output_mse  the same of the product's output on rows of its float input (dW H dW^T over W H W^T); of a class as
//               weight_mse. Only where every unit has it.
//
// The table is kept in the statistics file of docs/Allocation.md: its key `measurements` holds what was measured, so
// that an interrupted run goes on where it was.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_SENSITIVITY_H
#define BITWRIGHT_LIB_EVALUATE_SENSITIVITY_H

#include "lib/Evaluate/PlanTrials.h"

namespace bitwright {

struct SensitivityOptions {
  std::string file;       ///< read first and written; empty: none
  double saveEvery = 5;   ///< seconds between writes while measuring
  std::string userMetric; ///< what it is called, a part of what a file is good for; empty: there is none
  std::function<void(uint64_t done, uint64_t all)> progress; ///< in trials
};

class Sensitivities {
public:
  /// Measures what the file does not hold. Errors: a file that is no such file, or was measured for another model,
  /// data, recipe or metric (says which); losses that are not finite; a file that cannot be written.
  static llvm::Expected<Sensitivities> measure(mlir::func::FuncOp func, PlanTrials &trials,
                                               const SensitivityOptions &options);

  /// Names of the metrics that every choice has; `output` first.
  std::vector<std::string> metrics() const;
  /// Sets the losses of a problem of `units` (AllocationUnits::toProblem), further groups are 0; the loss of what has
  /// no choice goes to the group "(rest)", which is made if need be. Error: no such metric.
  llvm::Error fill(solver::AllocationProblem &problem, llvm::StringRef metric) const;
  /// The sum that `metric` predicts for a plan.
  double predict(const solver::AllocationProblem &problem, llvm::ArrayRef<unsigned> choices,
                 llvm::StringRef metric) const;
  /// Of the choice of one unit.
  double lossOf(unsigned unit, const solver::Choice &choice, llvm::StringRef metric) const;
  /// By metric; empty when that was not measured.
  using Measured = std::map<std::string, double>;
  Measured ofWeight(unsigned unit, llvm::StringRef format) const;
  Measured ofActivation(unsigned activationClass, llvm::StringRef format) const;
  /// What trials of parts are made of: formats of what has no choice.
  const Trial &getFixed() const { return fixedTrial; }
  uint64_t getReused() const { return reused; }

  /// The file with the problem in it, for quant-allocate.
  llvm::Error save(const solver::AllocationProblem *problem) const;

private:
  llvm::Error load();
  llvm::Error measureAll(PlanTrials &trials);

  const AllocationUnits *units = nullptr;
  SensitivityOptions options;
  std::string lossName;
  /// What the measurements hold for, by name.
  std::vector<std::pair<std::string, std::string>> identity;
  std::vector<std::map<std::string, Measured>> weights, activations; ///< by unit or class, by format
  std::vector<bool> ownsClass; ///< of each unit: the part of its class counts here
  Trial fixedTrial;
  std::string fixedDigest;
  Measured fixed;
  uint64_t reused = 0;
};

} // namespace bitwright

#endif
