//===- SolveTest.cpp - plans against brute force -----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/Solver/RandomProblem.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace bitwright::solver;
using namespace bitwright::solver::test;

namespace {

std::vector<Budget> budgetsOf(const std::string &text) { return llvm::cantFail(parseBudgets(text)); }

std::string exact(double value) {
  char text[40];
  snprintf(text, sizeof text, "%.17g", value);
  return text;
}

bool keepsTies(const AllocationProblem &problem, const std::vector<unsigned> &choices) {
  for (const Tie &tie : problem.ties)
    for (unsigned g : tie.groups)
      if (problem.groups[g].choices[choices[g]].label(tie.side) !=
          problem.groups[tie.groups[0]].choices[choices[tie.groups[0]]].label(tie.side))
        return false;
  return true;
}

bool keeps(const AllocationProblem &problem, const std::vector<Budget> &budgets, const std::vector<unsigned> &choices) {
  if (!keepsTies(problem, choices))
    return false;
  for (const Budget &budget : budgets) {
    double value = valueOf(problem, budget, choices), slack = 1e-9 * std::abs(budget.limit);
    if (budget.lower ? value < budget.limit - slack : value > budget.limit + slack)
      return false;
  }
  return true;
}

/// The smallest loss of all plans, infinity when none keeps the budgets.
double bruteForce(const AllocationProblem &problem, const std::vector<Budget> &budgets) {
  std::vector<unsigned> choices(problem.groups.size(), 0);
  double best = std::numeric_limits<double>::infinity();
  while (true) {
    double loss = lossOf(problem, choices);
    if (loss < best && keeps(problem, budgets, choices))
      best = loss;
    unsigned g = 0;
    while (g < choices.size() && ++choices[g] == problem.groups[g].choices.size())
      choices[g++] = 0;
    if (g == choices.size())
      return best;
  }
}

/// Problems of up to 14 binaries with every kind of term.
AllocationProblem smallProblem(Random &random, std::string &budgets, double &scale) {
  Shape shape;
  shape.choices = 2 + random.below(3);
  shape.groups = std::max(2u, random.below(14 / shape.choices) + 1);
  shape.edges = random.chance(0.4);
  shape.wholeNumbers = random.chance(0.5);
  AllocationProblem problem = makeProblem(random, shape);
  unsigned n = shape.groups;
  for (Group &group : problem.groups)
    group.set = random.chance(0.5) ? "a" : "b";
  problem.groups[0].set = "a";
  if (random.chance(0.3)) {
    Tie tie;
    tie.side = Side(random.below(3));
    tie.groups = {random.below(n), random.below(n)};
    problem.ties.push_back(tie);
  }
  for (unsigned k = random.chance(0.3) ? 3 : 0; k-- > 0;) {
    PairTerm pair;
    pair.first = random.below(n);
    pair.second = (pair.first + 1 + random.below(n - 1)) % n;
    pair.firstChoice = random.below(shape.choices);
    pair.secondChoice = random.below(shape.choices);
    pair.loss = shape.wholeNumbers ? double(random.below(20)) - 10 : random.uniform(-0.02, 0.02);
    problem.pairs.push_back(pair);
  }
  // Losses may be mean squares or sums over a data set.
  scale = random.chance(0.5) ? 1 : random.chance(0.5) ? 1e-9 : 1e9;
  for (Group &group : problem.groups)
    for (Choice &choice : group.choices)
      choice.loss *= scale;
  for (Edge &edge : problem.edges)
    edge.loss *= scale;
  for (PairTerm &pair : problem.pairs)
    pair.loss *= scale;
  problem.memoryPoints = {{"early", 10}, {"late", 0}};
  for (Group &group : problem.groups)
    for (Choice &choice : group.choices)
      choice.memory = {{random.below(2), double(random.below(50))}};

  budgets = "size <= " + exact(span(problem, 0, random.uniform(0.1, 0.9)));
  if (random.chance(0.5))
    budgets += ", latency <= " + exact(span(problem, 1, random.uniform(0.2, 0.9)));
  if (random.chance(0.2))
    budgets += ", count(s4) <= " + std::to_string(random.below(n));
  if (random.chance(0.2))
    budgets += ", count(*/s8) >= " + std::to_string(random.below(n));
  if (random.chance(0.2))
    budgets += ", peak_memory <= " + std::to_string(10 + random.below(25 * n));
  if (random.chance(0.2))
    budgets += ", average_bits[a] <= " + exact(shape.wholeNumbers ? random.uniform(0, 0.2) : random.uniform(3, 9));
  if (random.chance(0.2))
    budgets += ", latency >= " + exact(span(problem, 1, random.uniform(0, 0.4)));
  return problem;
}

TEST(Solve, EqualsBruteForce) {
  Random random(1);
  unsigned feasible = 0, infeasible = 0;
  for (unsigned i = 0; i < 1000; ++i) {
    std::string text;
    double scale;
    AllocationProblem problem = smallProblem(random, text, scale);
    std::vector<Budget> budgets = budgetsOf(text);
    double expected = bruteForce(problem, budgets);
    SolveOptions options;
    // CBC on the whole program is the cross-check of the reductions.
    if (i % 4 == 3)
      options.engine = SolveOptions::Engine::Cbc;
    llvm::Expected<Plan> plan = solve(problem, budgets, options);
    if (std::isinf(expected)) {
      ++infeasible;
      ASSERT_FALSE(bool(plan)) << "instance " << i << ": " << text;
      std::string message = llvm::toString(plan.takeError());
      EXPECT_NE(message.find("no plan keeps"), std::string::npos) << message;
      continue;
    }
    ++feasible;
    ASSERT_TRUE(bool(plan)) << "instance " << i << ": " << text << ": " << llvm::toString(plan.takeError());
    // Sums of at most 7 losses and terms in two orders: a few units in the last place of values up to 1e3.
    ASSERT_NEAR(plan->loss, expected, 1e-12 * std::max(scale, std::abs(expected)))
        << "instance " << i << " by " << plan->method << ": " << text;
    ASSERT_EQ(plan->status, Plan::Status::Optimal) << "instance " << i << ": " << text;
    ASSERT_TRUE(keeps(problem, budgets, plan->choices)) << "instance " << i << ": " << text;
    ASSERT_EQ(plan->loss, lossOf(problem, plan->choices));
  }
  EXPECT_GT(feasible, 500u);
  EXPECT_GT(infeasible, 20u);
}

/// Bounds and gaps of large programs; how long they take is measured by bench/allocate.
TEST(Solve, TenThousandBinariesTwoBudgets) {
  for (unsigned choices : {2u, 4u}) {
    Random random(choices);
    AllocationProblem problem = makeProblem(random, {10000 / choices, choices, false, false});
    SolveOptions options;
    options.relativeGap = 1e-4;
    std::vector<Budget> budgets = budgetsOf("size <= 45 %, latency <= 40 %");
    Plan plan = llvm::cantFail(solve(problem, budgets, options));
    EXPECT_LE(plan.gap, 1e-4);
    EXPECT_LE(plan.bound, plan.loss);
    for (const BudgetUse &use : plan.budgets)
      EXPECT_LE(use.used, use.limit * (1 + 1e-9));
  }
}

TEST(Solve, TenThousandBinariesWithEdges) {
  Random random(7);
  AllocationProblem problem = makeProblem(random, {2500, 4, true, false});
  SolveOptions options;
  options.relativeGap = 1e-4;
  Plan plan = llvm::cantFail(solve(problem, budgetsOf("size <= 45 %, latency <= 40 %"), options));
  EXPECT_LE(plan.gap, 1e-4);
  for (const BudgetUse &use : plan.budgets)
    EXPECT_LE(use.used, use.limit * (1 + 1e-9));
}

/// Three layers, worked by hand.
AllocationProblem threeLayers() {
  AllocationProblem problem;
  problem.metrics = {"bytes", "latency"};
  double losses[] = {8, 2, 1}, bytes[] = {100, 50, 10};
  for (unsigned g = 0; g < 3; ++g) {
    Group group;
    group.name = std::string(1, char('a' + g));
    group.elements = bytes[g];
    group.choices.push_back({"s4", "s8", losses[g], {bytes[g] / 2, 1}, {}});
    group.choices.push_back({"s8", "s8", 0, {bytes[g], 2}, {}});
    problem.groups.push_back(group);
  }
  return problem;
}

TEST(Solve, ShadowPriceAndAlternatives) {
  // 80 bytes at least. Each byte saves in a 8/50, b 2/25, c 1/5: c and then a part of a is what more bytes buy.
  Plan plan = llvm::cantFail(solve(threeLayers(), budgetsOf("size <= 110 B")));
  EXPECT_EQ(plan.choices, (std::vector<unsigned>{0, 1, 1}));
  EXPECT_EQ(plan.loss, 8);
  EXPECT_EQ(plan.budgets[0].used, 110);
  EXPECT_NEAR(plan.budgets[0].shadowPrice, 8.0 / 50, 1e-9);
  // a at 8 bits saves 8 and costs 50 bytes at 0.16.
  EXPECT_EQ(plan.alternatives[0].choice, 1);
  EXPECT_EQ(plan.alternatives[0].loss, -8);
  EXPECT_NEAR(plan.alternatives[0].price, 0, 1e-9);
  EXPECT_EQ(plan.alternatives[2].choice, 0);
  EXPECT_NEAR(plan.alternatives[2].price, 1 - 5 * 0.16, 1e-9);
  // 110 of 160 elements' worth of 8 bits.
  EXPECT_NEAR(plan.averageBits, 8 * 110.0 / 160, 1e-12);
  // In another unit the price is of that unit.
  Plan inKilobytes = llvm::cantFail(solve(threeLayers(), budgetsOf("size <= 0.11 kB")));
  EXPECT_NEAR(inKilobytes.budgets[0].shadowPrice, 160, 1e-6);
}

/// Size and average bits have the same coefficients; CBC's preprocessing took 1000.4 for the optimum of this one.
TEST(Solve, TwoProportionalBudgets) {
  AllocationProblem problem;
  problem.metrics = {"bytes"};
  double bytes[2][4] = {{224622, 449244, 449244, 898488}, {297377.5, 594755, 594755, 1189510}};
  double losses[2][4] = {{1000, 7.8384811, 2.4795576, 0}, {77.359678, 0.763830, 0.42536376, 0}};
  const char *formats[4][2] = {{"s4", "s8"}, {"s8", "s8"}, {"s8", "s16"}, {"s16", "s16"}};
  for (unsigned g = 0; g < 2; ++g) {
    Group group;
    group.name = std::string(1, char('a' + g));
    group.elements = bytes[g][1];
    for (unsigned c = 0; c < 4; ++c)
      group.choices.push_back({formats[c][0], formats[c][1], losses[g][c], {bytes[g][c]}, {}});
    problem.groups.push_back(group);
  }
  for (auto engine : {SolveOptions::Engine::Auto, SolveOptions::Engine::Cbc}) {
    SolveOptions options;
    options.engine = engine;
    Plan plan = llvm::cantFail(solve(problem, budgetsOf("size <= 1512687.34, average_bits <= 7.408"), options));
    EXPECT_EQ(plan.choices, (std::vector<unsigned>{2, 0}));
  }
}

TEST(Solve, WithoutBudgets) {
  Plan plan = llvm::cantFail(solve(threeLayers(), {}));
  EXPECT_EQ(plan.choices, (std::vector<unsigned>{1, 1, 1}));
  EXPECT_EQ(plan.loss, 0);
  EXPECT_EQ(plan.status, Plan::Status::Optimal);
}

TEST(Solve, PercentIsAPartOfTheSpan) {
  // 80 + 0.375 * 80 = 110
  Plan plan = llvm::cantFail(solve(threeLayers(), budgetsOf("size <= 37.5 %")));
  EXPECT_EQ(plan.budgets[0].limit, 110);
  EXPECT_EQ(plan.choices, (std::vector<unsigned>{0, 1, 1}));
}

TEST(Solve, EdgesChangeThePlan) {
  AllocationProblem problem = threeLayers();
  Edge edge;
  edge.from = 0;
  edge.to = 2;
  edge.fromSide = edge.toSide = Side::Weight;
  edge.loss = 1.5;
  problem.edges.push_back(edge);
  // a at 4, c at 8 would pay 1.5; c at 4 costs 1.
  Plan plan = llvm::cantFail(solve(problem, budgetsOf("size <= 110 B")));
  EXPECT_EQ(plan.choices, (std::vector<unsigned>{0, 1, 0}));
  EXPECT_EQ(plan.loss, 9);
}

TEST(Solve, StartIsKeptWhenItIsBest) {
  SolveOptions options;
  options.start = {0, 1, 1};
  Plan plan = llvm::cantFail(solve(threeLayers(), budgetsOf("size <= 110 B"), options));
  EXPECT_EQ(plan.choices, options.start);
}

//===----------------------------------------------------------------------===//
// Messages
//===----------------------------------------------------------------------===//

std::string errorOf(const AllocationProblem &problem, const std::string &budgets) {
  llvm::Expected<std::vector<Budget>> parsed = parseBudgets(budgets);
  if (!parsed)
    return llvm::toString(parsed.takeError());
  llvm::Expected<Plan> plan = solve(problem, *parsed);
  return plan ? "no error" : llvm::toString(plan.takeError());
}

TEST(Infeasible, OneBudget) {
  EXPECT_EQ(errorOf(threeLayers(), "size <= 70 B"),
            "no plan keeps the budgets: 'size <= 70 B' cannot be met by any plan, the smallest possible size is 80 B");
  EXPECT_EQ(errorOf(threeLayers(), "average_bits <= 3.5"),
            "no plan keeps the budgets: 'average_bits <= 3.5' cannot be met by any plan, the smallest possible "
            "average_bits is 4");
  EXPECT_EQ(
      errorOf(threeLayers(), "count(s8) >= 4"),
      "no plan keeps the budgets: 'count(s8) >= 4' cannot be met by any plan, the largest possible count(s8) is 3");
  AllocationProblem memory = threeLayers();
  memory.memoryPoints = {{"p", 7}};
  for (Choice &choice : memory.groups[0].choices)
    choice.memory = {{0, 5}};
  EXPECT_EQ(errorOf(memory, "peak_memory <= 11 B"), "no plan keeps the budgets: 'peak_memory <= 11 B' cannot be met by "
                                                    "any plan, the smallest possible peak_memory is 12 B");
}

TEST(Infeasible, TwoBudgetsTogether) {
  // At most 90 bytes leave no more than one small layer at 8 bits: c (85).
  EXPECT_EQ(
      errorOf(threeLayers(), "latency <= 6 ms, size <= 90 B, count(s8) >= 2"),
      "no plan keeps these budgets together: 'size <= 90 B' (with the others the smallest possible size is 110 B) "
      "and 'count(s8) >= 2' (with the others the largest possible count(s8) is 1)");
}

TEST(Infeasible, LimitsArePrintedSoThatTheyCanBeKept) {
  AllocationProblem problem = threeLayers();
  for (Group &group : problem.groups)
    for (Choice &choice : group.choices)
      choice.costs[0] /= 3;
  std::string message = errorOf(problem, "size <= 1 B"), mark = "size is ";
  ASSERT_NE(message.find(mark), std::string::npos) << message;
  std::string limit = message.substr(message.find(mark) + mark.size());
  EXPECT_EQ(errorOf(problem, "size <= " + limit), "no error") << limit;
}

TEST(Infeasible, Ties) {
  AllocationProblem problem = threeLayers();
  problem.groups[0].choices.pop_back();
  problem.groups[1].choices.erase(problem.groups[1].choices.begin());
  problem.ties.push_back({{0, 1}, Side::Choice});
  EXPECT_EQ(errorOf(problem, "size <= 1 kB"),
            "the groups 'a', 'b' must have the same choice, and there is none that all of them have");
  problem.ties[0].side = Side::Weight;
  EXPECT_EQ(errorOf(problem, "size <= 1 kB"), "no plan keeps the ties of the groups: they contradict each other");
}

TEST(BadProblem, Messages) {
  AllocationProblem problem;
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "expected at least one group, found none: there is nothing to allocate");
  problem = threeLayers();
  problem.groups[1].choices[0].loss = std::nan("");
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "group 'b', choice 's4/s8': expected a finite loss, found NaN; measure it "
                                             "again or leave the choice out");
  problem = threeLayers();
  problem.groups[1].choices[0].costs[1] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "group 'b', choice 's4/s8': expected a finite 'latency', found infinity; "
                                             "measure it again or leave the choice out");
  problem = threeLayers();
  problem.groups[2].choices.clear();
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "group 'c' is empty: expected at least one choice");
  problem = threeLayers();
  problem.groups[2].name = "a";
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "group 'a' stands there twice; names must be unique");
  problem = threeLayers();
  problem.groups[0].choices[1].weight = "s4";
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "group 'a' has the choice 's4/s8' twice");
  problem = threeLayers();
  problem.edges.push_back({0, 1, Side::Activation, Side::Activation, -1, {}});
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "edge 'a' -> 'b': expected a loss of at least 0, found -1.000000");
  problem = threeLayers();
  problem.memoryPoints = {{"p", -1}};
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "memory point 'p': expected at least 0 bytes, found -1.000000");
  problem.memoryPoints[0].fixed = 0;
  problem.groups[0].choices[0].memory = {{0, -2}};
  EXPECT_EQ(errorOf(problem, "size <= 1 B"),
            "group 'a', choice 's4/s8': expected activation memory of at least 0 bytes, found -2.000000");
  problem.groups[0].choices[0].memory = {{1, 2}};
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "group 'a': memory point 1 does not exist; there are 1");
  // Beside 1e18 the difference of 50 and 100 bytes is lost; a at 8 bits seems to fit.
  problem = threeLayers();
  problem.groups[0].choices.push_back({"s2", "s8", 9, {-1e18, 1}, {}});
  EXPECT_NE(errorOf(problem, "size <= 90 B").find("differ so much in size that rounding decides"), std::string::npos);
  problem = threeLayers();
  problem.pairs.push_back({1, 1, 0, 0, 1});
  EXPECT_EQ(errorOf(problem, "size <= 1 B"), "a pair term joins group 'b' with itself");
}

//===----------------------------------------------------------------------===//
// Overrides
//===----------------------------------------------------------------------===//

std::string applied(AllocationProblem problem, std::vector<Override> overrides) {
  if (llvm::Error error = applyOverrides(problem, overrides))
    return llvm::toString(std::move(error));
  std::string text;
  for (const Group &group : problem.groups) {
    text += group.name + ":";
    for (const Choice &choice : group.choices)
      text += " " + choice.name();
    text += ";";
  }
  return text;
}

TEST(Overrides, Apply) {
  EXPECT_EQ(applied(threeLayers(), {{"a", "s8", false}, {"[bc]", "s8/s8", true}}), "a: s8/s8;b: s4/s8;c: s4/s8;");
  EXPECT_EQ(applied(threeLayers(), {{"*", "*/s8", false}}), "a: s4/s8 s8/s8;b: s4/s8 s8/s8;c: s4/s8 s8/s8;");
}

TEST(Overrides, Messages) {
  EXPECT_EQ(applied(threeLayers(), {{"d", "s8", false}}), "override 'd=s8': no group has a name like 'd'");
  EXPECT_EQ(applied(threeLayers(), {{"a", "s2", false}}),
            "override 'a=s2': group 'a' has no such choice; it has s4/s8, s8/s8");
  EXPECT_EQ(applied(threeLayers(), {{"a", "s8", false}, {"*", "s4", false}}),
            "overrides 'a=s8' and '*=s4' contradict each other: together they leave group 'a' no choice");
  EXPECT_EQ(applied(threeLayers(), {{"a", "*/s8", true}}), "override 'a!=*/s8' leaves group 'a' no choice");
  AllocationProblem tied = threeLayers();
  tied.ties.push_back({{0, 2}, Side::Weight});
  EXPECT_EQ(applied(tied, {{"a", "s8", false}, {"c", "s4", false}}),
            "overrides 'a=s8' and 'c=s4' contradict each other: the groups 'a', 'c' must have the same weight, and no "
            "such weight is left");
}

TEST(Overrides, PairTermsFollow) {
  AllocationProblem problem = threeLayers();
  problem.pairs = {{0, 1, 1, 1, 5}, {0, 1, 0, 1, 7}};
  ASSERT_FALSE(applyOverrides(problem, {{"a", "s8", false}}));
  ASSERT_EQ(problem.pairs.size(), 1u);
  EXPECT_EQ(problem.pairs[0].firstChoice, 0u);
  EXPECT_EQ(problem.pairs[0].loss, 5);
}

} // namespace
