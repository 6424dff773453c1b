//===- ComparePlans.h - other plans, and how well losses are predicted -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Plans to compare the chosen one with, the rank correlation of predicted and measured losses, and what pairs of units
// add to the sum of their losses.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_COMPAREPLANS_H
#define BITWRIGHT_LIB_EVALUATE_COMPAREPLANS_H

#include "lib/Allocate/Decisions.h"
#include "lib/Evaluate/Sensitivity.h"
#include <random>

namespace bitwright {

/// Kendall's tau-b and Spearman's rho (average ranks) of two lists; 0 where one of them is constant.
double kendall(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b);
double spearman(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b);

/// Plans that keep the ties of a problem. `Choices`: one a group.
using Choices = std::vector<unsigned>;

/// The plan draws a share first, so that plans of all sizes come: of its k choices in the order of their losses a group
/// takes that with as many before it as k - 1 draws of that probability say; tied groups follow.
Choices randomPlan(const solver::AllocationProblem &problem, std::mt19937_64 &engine);
/// A random plan whose `bytes` are within `tolerance` of `bytes`, relatively; none when 20 000 changes find none.
std::optional<Choices> randomPlanOfSize(const solver::AllocationProblem &problem, double bytes, double tolerance,
                                        std::mt19937_64 &engine);
/// Weights of that format wherever a group has it, else the fewest bits above; activations of the least loss.
Choices uniformPlan(const solver::AllocationProblem &problem, llvm::StringRef weight);
/// From the plan of the least loss, the change of a weight with the least loss for each byte saved, until there are at
/// most so many bytes or nothing is left to change.
Choices greedyPlan(const solver::AllocationProblem &problem, double bytes);
/// Sum of a cost over a plan.
double totalOf(const solver::AllocationProblem &problem, llvm::StringRef metric, llvm::ArrayRef<unsigned> choices);

/// What the units that contribute most to a plan's loss do together. For each pair (i, j) of them: the loss with both
/// rounded as chosen minus the two losses alone. For other choices (c, d) of the same units the term is scaled by
/// sqrt(L_i(c) / L_i) sqrt(L_j(d) / L_j): errors of other formats are taken to be as correlated as those measured
/// (of a quadratic loss the term is twice a scalar product of the two errors). Negative terms hold for the measured
/// choices only.
struct PairTerms {
  std::vector<solver::PairTerm> terms;
  /// Replaces the sum of a unit's two parts by the loss of both together: (group, choice, difference).
  std::vector<std::tuple<unsigned, unsigned, double>> corrections;
  uint64_t trials = 0;
};
/// At most `maxTrials` trials. `problem`: losses of `metric`, which is "output" or "user".
llvm::Expected<PairTerms> measurePairs(PlanTrials &trials, const Sensitivities &sensitivities,
                                       const solver::AllocationProblem &problem, llvm::ArrayRef<unsigned> choices,
                                       llvm::StringRef metric, unsigned maxTrials,
                                       llvm::function_ref<void(uint64_t, uint64_t)> progress = nullptr);
void addPairs(solver::AllocationProblem &problem, const PairTerms &pairs);

} // namespace bitwright

#endif
