//===- Solve.h - exact allocation --------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// 1. A Lagrangian bound (lib/Solver/Bound.h) gives prices of the budgets, a lower bound and a first plan; choices that
//    cannot be in a better plan are removed.
// 2. What is left ("the core") is solved by dynamic programming (one budget), by branch and bound on the same bound, or
//    by CBC with a time limit and the plan as a start.
// 3. Every plan is checked again in the units of the input: a budget holds when value <= limit * (1 + 1e-9).
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_SOLVER_SOLVE_H
#define BITWRIGHT_LIB_SOLVER_SOLVE_H

#include "lib/Solver/AllocationProblem.h"
#include "lib/Solver/Budgets.h"

namespace bitwright::solver {

struct SolveOptions {
  /// Wall-clock seconds for one program.
  double timeLimit = 60;
  /// Stop when (loss - bound) / max(|loss|, |bound|) is at most this; 0 asks for the optimum.
  double relativeGap = 0;
  /// Auto: as above. Cbc: CBC on the whole program, without warm start or reductions (a cross-check).
  enum class Engine { Auto, Cbc };
  Engine engine = Engine::Auto;
  /// A plan to start from (a choice for each group); ignored when it breaks a budget.
  std::vector<unsigned> start;
};

struct BudgetUse {
  Budget budget;
  /// The limit in the quantity's own unit (percent resolved), and the plan's value.
  double limit = 0, used = 0;
  /// Loss saved by one more unit (Budget::unit) of this budget, from the Lagrangian dual; never negative.
  double shadowPrice = 0;
};

struct Alternative {
  /// Index of the next best choice of the group; -1 when it has only one.
  int choice = -1;
  /// Change of loss, and the change with budgets paid at their shadow prices. Others keep their choices; a tied group
  /// moves with its partners.
  double loss = 0, price = 0;
};

struct Plan {
  enum class Status { Optimal, WithinGap, TimeLimit };
  Status status = Status::TimeLimit;
  /// A choice for each group of the problem.
  std::vector<unsigned> choices;
  double loss = 0;
  /// No plan that keeps the budgets has a smaller loss.
  double bound = 0;
  double gap = 0;
  std::vector<BudgetUse> budgets;
  std::vector<Alternative> alternatives;
  /// Sum of each metric over the plan (edges included), and average bits (0 without elements).
  std::vector<double> totals;
  double averageBits = 0;
  /// Which method closed the program: "bound", "dynamic programming", "branch and bound", "CBC".
  std::string method;
  double seconds = 0;
};

llvm::StringRef nameOf(Plan::Status status);

/// Solves the program. Errors: what `validate` and `checkBudgets` refuse; no plan keeps the budgets (names the binding
/// budgets and, for each, the smallest value that the others allow); no plan found within the time limit.
llvm::Expected<Plan> solve(const AllocationProblem &problem, llvm::ArrayRef<Budget> budgets,
                           const SolveOptions &options = {});

/// Loss of a plan (choice losses, edges, pair terms), whatever the budgets.
double lossOf(const AllocationProblem &problem, llvm::ArrayRef<unsigned> choices);

/// Value of a budget's quantity for a plan, in its own unit.
double valueOf(const AllocationProblem &problem, const Budget &budget, llvm::ArrayRef<unsigned> choices);

struct ParetoPoint {
  double limit = 0;
  Plan plan;
};

/// Solves for `points` values of one budget (by index) spread evenly between the smallest value that the other budgets
/// allow and the value of the plan without it. Losses never rise with the limit.
llvm::Expected<std::vector<ParetoPoint>> sweep(const AllocationProblem &problem, llvm::ArrayRef<Budget> budgets,
                                               unsigned budget, unsigned points, const SolveOptions &options = {});

/// Two disjoint sets with metrics of their own share one average (METHODS section 3, problem 2): with elements n1, n2
/// and r = n1 / n2, a target B and a ratio k the second set gets B (1 + r) / (1 + k r) bits, the first k times that.
struct SplitOptions {
  std::string first, second;
  double averageBits = 0;
  std::vector<double> ratios;
  /// Targets B to try, all at most averageBits.
  std::vector<double> targets;
  /// Half-width of the window around each set's share; 0: only the upper limit.
  double window = 0;
};
struct SplitCandidate {
  double target = 0, ratio = 0, firstBits = 0, secondBits = 0;
  Plan plan;
  /// Losses of the sets, each as a part of the span between its best and its worst plan.
  double firstLoss = 0, secondLoss = 0;
};

/// All candidates of the scan that are feasible, in order of firstLoss + secondLoss (the stand-in until candidates are
/// measured on the model). `budgets` hold for every candidate. Error when none is feasible.
llvm::Expected<std::vector<SplitCandidate>> solveSplit(const AllocationProblem &problem, llvm::ArrayRef<Budget> budgets,
                                                       const SplitOptions &split, const SolveOptions &options = {});

/// The plan as the text of docs/Allocation.md (version 1), with a new line at the end. `more` adds keys.
std::string printPlan(const AllocationProblem &problem, const Plan &plan, llvm::ArrayRef<ParetoPoint> pareto = {},
                      llvm::ArrayRef<SplitCandidate> candidates = {},
                      llvm::function_ref<void(llvm::json::OStream &)> more = nullptr);

} // namespace bitwright::solver

#endif // BITWRIGHT_LIB_SOLVER_SOLVE_H
