//===- Allocation.h - formats by budget, or from a plan ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_TOOLS_QUANT_COMPILE_ALLOCATION_H
#define BITWRIGHT_TOOLS_QUANT_COMPILE_ALLOCATION_H

#include "lib/Allocate/Decisions.h"
#include "lib/Evaluate/ComparePlans.h"
#include "lib/Support/Recipe.h"

namespace bitwright {

/// The options of the command line that the stage allocate acts on, as text (docs/Allocation.md, "In quant-compile").
struct AllocationRequest {
  std::vector<std::string> budgets, keep, forbid;
  std::string choices, planIn, planOut, sensitivities, sensitivityMetric, metricCommand, metricName, latencies,
      calibration;
  unsigned pareto = 0, rankCheck = 0;
  unsigned threads = 1;        ///< of trials
  unsigned latencyThreads = 1; ///< of the runs that are timed
};

class Allocation {
public:
  explicit Allocation(AllocationRequest request) : request(std::move(request)) {}

  /// Something is asked for that the stage allocate has to do.
  bool isWanted() const { return !request.planIn.empty() || !request.budgets.empty(); }
  /// Options that do not fit together, or cannot be read.
  llvm::Error check();

  /// The steps with a length, for a line of progress.
  using ProgressFn = std::function<void(llvm::StringRef step, uint64_t done, uint64_t all)>;
  /// Chooses and applies the formats to `func`, which has its schemes; tells on standard error; writes the plan.
  llvm::Error run(mlir::func::FuncOp func, const Recipe &recipe, const ProgressFn &progress);

  /// What was decided; null without a budget.
  const Decisions *getDecisions() const { return decided ? &decisions : nullptr; }

private:
  llvm::Error applyPlanFile(mlir::func::FuncOp func);
  llvm::Error prepare(mlir::func::FuncOp func, const Recipe &recipe);
  llvm::Error addCosts(mlir::func::FuncOp func);
  llvm::Error solve();
  llvm::Error refineByPairs();
  llvm::Error compare();
  llvm::Expected<PlanTrial> tryPlan(const std::string &name, const Choices &choices);
  /// The metric that trials of plans measure, and whether it is the one that is minimised.
  llvm::StringRef measuredMetric() const { return userMetric ? "user" : "output"; }
  bool predictsMeasured() const { return metric == measuredMetric(); }
  std::string measuredName() const { return userMetric ? "metric " + request.metricName : trials->lossName(); }
  void noteQualities();
  void tell() const;
  llvm::Error writePlan() const;

  AllocationRequest request;
  FormatChoices choices;
  std::vector<solver::Override> overrides;
  ProgressFn progress;

  AllocationUnits units;
  std::unique_ptr<UserMetric> userMetric;
  std::unique_ptr<PlanTrials> trials;
  std::optional<Sensitivities> sensitivities;
  std::string metric; ///< that the losses of the problem are
  Decisions decisions;
  /// Rank correlation of a metric's sum with the measured loss over random plans of all sizes, and of the chosen one's.
  struct Rank {
    std::string metric;
    double kendall, spearman, kendallOfSize, spearmanOfSize;
  };
  std::vector<Rank> ranks;
  double measuredLoss = 0;
  uint64_t pairTrials = 0;
  bool decided = false;
};

} // namespace bitwright

#endif
