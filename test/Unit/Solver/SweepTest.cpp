//===- SweepTest.cpp - Pareto sweeps and splits ------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/Solver/RandomProblem.h"

#include <gtest/gtest.h>

using namespace bitwright::solver;
using namespace bitwright::solver::test;

namespace {

std::vector<Budget> budgetsOf(const std::string &text) { return llvm::cantFail(parseBudgets(text)); }

TEST(Sweep, LossesFall) {
  Random random(3);
  for (bool edges : {false, true}) {
    AllocationProblem problem = makeProblem(random, {40, 4, edges, false});
    std::vector<Budget> budgets = budgetsOf("size <= 50 %, latency <= 70 %");
    std::vector<ParetoPoint> points = llvm::cantFail(sweep(problem, budgets, 0, 9));
    ASSERT_EQ(points.size(), 9u);
    for (unsigned i = 0; i < points.size(); ++i) {
      const Plan &plan = points[i].plan;
      EXPECT_LE(plan.budgets[0].used, points[i].limit * (1 + 1e-9));
      EXPECT_LE(plan.budgets[1].used, plan.budgets[1].limit * (1 + 1e-9));
      if (i > 0) {
        EXPECT_GT(points[i].limit, points[i - 1].limit);
        EXPECT_LE(plan.loss, points[i - 1].plan.loss);
      }
    }
    EXPECT_LT(points.back().plan.loss, points.front().plan.loss);
    // The last point is the plan without this budget.
    Plan free = llvm::cantFail(solve(problem, {budgets[1]}));
    EXPECT_NEAR(points.back().plan.loss, free.loss, 1e-12 * free.loss);
  }
}

TEST(Sweep, Messages) {
  Random random(4);
  AllocationProblem problem = makeProblem(random, {3, 2, false, false});
  problem.memoryPoints = {{"p", 0}};
  auto errorOf = [&](const std::string &text) {
    llvm::Expected<std::vector<ParetoPoint>> points = sweep(problem, budgetsOf(text), 0, 3);
    return points ? "no error" : llvm::toString(points.takeError());
  };
  EXPECT_EQ(errorOf("peak_memory <= 1 MB"),
            "budget 'peak_memory <= 1 MB': a sweep over peak_memory is not possible; vary another budget");
  llvm::Expected<std::vector<ParetoPoint>> none = sweep(problem, {}, 0, 3);
  EXPECT_EQ(llvm::toString(none.takeError()), "a sweep needs a budget to vary; there are 0");
}

AllocationProblem twoSets() {
  Random random(5);
  AllocationProblem problem = makeProblem(random, {60, 2, false, false});
  for (unsigned g = 0; g < 60; ++g) {
    problem.groups[g].set = g % 3 == 0 ? "quality" : "content";
    for (Choice &choice : problem.groups[g].choices)
      if (g % 3 == 0)
        choice.loss *= 1000; // a metric of its own
  }
  return problem;
}

TEST(Split, SharesTheAverage) {
  AllocationProblem problem = twoSets();
  SplitOptions split;
  split.first = "content";
  split.second = "quality";
  split.averageBits = 6;
  split.ratios = {0.7, 0.9, 1.0, 1.1};
  split.targets = {5.9, 6};
  split.window = 0.1;
  std::vector<SplitCandidate> candidates = llvm::cantFail(solveSplit(problem, {}, split));
  ASSERT_GE(candidates.size(), 4u);
  for (unsigned i = 0; i < candidates.size(); ++i) {
    const SplitCandidate &candidate = candidates[i];
    // B (1 + r) = B_first r + B_second by construction.
    EXPECT_NEAR(candidate.firstBits / candidate.secondBits, candidate.ratio, 1e-12);
    for (auto [set, bits] : {std::pair("content", candidate.firstBits), std::pair("quality", candidate.secondBits)}) {
      double value =
          valueOf(problem, budgetsOf("average_bits[" + std::string(set) + "] <= 8")[0], candidate.plan.choices);
      EXPECT_LE(std::abs(value - bits), 0.1 * (1 + 1e-6));
    }
    EXPECT_LE(candidate.plan.averageBits, 6 * (1 + 1e-9));
    if (i > 0)
      EXPECT_GE(candidate.firstLoss + candidate.secondLoss, candidates[i - 1].firstLoss + candidates[i - 1].secondLoss);
  }
}

TEST(Split, Messages) {
  AllocationProblem problem = twoSets();
  SplitOptions split;
  split.first = "content";
  split.second = "quality";
  split.averageBits = 6;
  split.targets = {6};
  split.ratios = {3};
  auto errorOf = [&] {
    llvm::Expected<std::vector<SplitCandidate>> result = solveSplit(problem, {}, split);
    return result ? "no error" : llvm::toString(result.takeError());
  };
  EXPECT_EQ(errorOf(),
            "no split of 6.000000 bits between 'content' and 'quality' keeps the budgets; widen the ratios or "
            "the window");
  split.ratios = {-1};
  EXPECT_EQ(errorOf(), "a split needs targets above 0 and at most 6.000000 and ratios above 0");
  split.second = "content";
  EXPECT_EQ(errorOf(), "a split needs two different sets, found 'content' twice");
  split.second = "other";
  EXPECT_NE(errorOf().find("no group is in a set 'other'; sets: content, quality"), std::string::npos) << errorOf();
}

} // namespace
