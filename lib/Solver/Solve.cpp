//===- Solve.cpp - exact allocation ------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Solve.h"
#include "lib/Solver/Program.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

using namespace llvm;

namespace bitwright::solver {

static Error fail(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

StringRef nameOf(Plan::Status status) {
  return status == Plan::Status::Optimal ? "optimal" : status == Plan::Status::WithinGap ? "within gap" : "time limit";
}

static bool differs(const AllocationProblem &problem, const Edge &edge, ArrayRef<unsigned> choices) {
  return problem.groups[edge.from].choices[choices[edge.from]].label(edge.fromSide) !=
         problem.groups[edge.to].choices[choices[edge.to]].label(edge.toSide);
}

double lossOf(const AllocationProblem &problem, ArrayRef<unsigned> choices) {
  double loss = 0;
  for (unsigned g = 0; g < choices.size(); ++g)
    loss += problem.groups[g].choices[choices[g]].loss;
  for (const Edge &edge : problem.edges)
    if (edge.loss != 0 && differs(problem, edge, choices))
      loss += edge.loss;
  for (const PairTerm &pair : problem.pairs)
    if (choices[pair.first] == pair.firstChoice && choices[pair.second] == pair.secondChoice)
      loss += pair.loss;
  return loss;
}

/// Sum of a metric over the groups of a set, edges that lead into the set included.
static double totalOf(const AllocationProblem &problem, unsigned metric, StringRef set, ArrayRef<unsigned> choices,
                      bool edges) {
  double sum = 0;
  for (unsigned g = 0; g < choices.size(); ++g)
    if (set.empty() || problem.groups[g].set == set)
      sum += problem.groups[g].choices[choices[g]].costs[metric];
  if (edges)
    for (const Edge &edge : problem.edges)
      if (metric < edge.costs.size() && edge.costs[metric] != 0 &&
          (set.empty() || problem.groups[edge.to].set == set) && differs(problem, edge, choices))
        sum += edge.costs[metric];
  return sum;
}

static double elementsOf(const AllocationProblem &problem, StringRef set) {
  double sum = 0;
  for (const Group &group : problem.groups)
    if (set.empty() || group.set == set)
      sum += group.elements;
  return sum;
}

double valueOf(const AllocationProblem &problem, const Budget &budget, ArrayRef<unsigned> choices) {
  switch (budget.kind) {
  case Budget::Metric:
    return totalOf(problem, *problem.findMetric(budget.name), budget.set, choices, true);
  case Budget::AverageBits: {
    unsigned bytes = *problem.findMetric("bytes");
    double bits = 0;
    for (unsigned g = 0; g < choices.size(); ++g)
      if ((budget.set.empty() || problem.groups[g].set == budget.set) && problem.groups[g].elements > 0)
        bits += 8 * problem.groups[g].choices[choices[g]].costs[bytes];
    return bits / elementsOf(problem, budget.set);
  }
  case Budget::PeakMemory: {
    std::vector<double> bytes;
    for (const MemoryPoint &point : problem.memoryPoints)
      bytes.push_back(point.fixed);
    for (unsigned g = 0; g < choices.size(); ++g)
      for (auto [point, amount] : problem.groups[g].choices[choices[g]].memory)
        bytes[point] += amount;
    return bytes.empty() ? 0 : *llvm::max_element(bytes);
  }
  case Budget::Count: {
    double count = 0;
    for (unsigned g = 0; g < choices.size(); ++g)
      if (budget.set.empty() || problem.groups[g].set == budget.set)
        count += hasLabel(problem.groups[g].choices[choices[g]], budget.name);
    return count;
  }
  }
  llvm_unreachable("unknown kind of budget");
}

//===----------------------------------------------------------------------===//
// Infeasible budgets
//===----------------------------------------------------------------------===//

/// A limit rounded so that what is printed can be kept.
static std::string printLimit(const Budget &budget, double value) {
  double inUnit = value / budget.unitSize;
  // Sums of thousands of figures carry rounding far below the tolerance of limits.
  double margin = 5e-10 * std::abs(inUnit);
  for (int digits = 6; digits <= 17; ++digits) {
    char text[40];
    snprintf(text, sizeof text, "%.*g", digits, inUnit);
    double printed = std::strtod(text, nullptr);
    if (budget.lower ? printed <= inUnit + margin : printed >= inUnit - margin)
      return budget.unit.empty() ? text : std::string(text) + " " + budget.unit;
  }
  return budget.print(value);
}

static std::string extreme(const Budget &budget) { return budget.lower ? "largest" : "smallest"; }

static std::string explainAlone(ArrayRef<Budget> budgets, ArrayRef<AloneInfeasible> alone) {
  std::string text = "no plan keeps the budgets:";
  for (const AloneInfeasible &entry : alone) {
    const Budget &budget = budgets[entry.budget];
    text += (&entry == alone.begin() ? " '" : "; '") + budget.text + "' cannot be met by any plan, the " +
            extreme(budget) + " possible " + budget.quantity() + " is " + printLimit(budget, entry.best);
  }
  return text;
}

/// Finds budgets that exclude each other such that every smaller selection of them can be met.
static std::string explainTogether(const AllocationProblem &problem, ArrayRef<Budget> budgets, const Program &program) {
  Deadline deadline(20);
  bool timedOut = false;
  std::vector<char> keep(budgets.size(), 0);
  for (const Row &row : program.rows)
    keep[row.budget] = 1;
  auto excess = [&](unsigned budget, std::vector<char> others) {
    others[budget] = 0;
    bool late = false;
    std::optional<double> value = minimiseBudget(program, budget, others, deadline, late);
    timedOut |= late;
    return value;
  };
  auto feasible = [&](const std::vector<char> &selection) {
    auto first = llvm::find(selection, 1);
    if (first == selection.end())
      return true;
    std::optional<double> value = excess(unsigned(first - selection.begin()), selection);
    double limit = program.limits[first - selection.begin()];
    return value && *value <= 1e-9 * std::max(1.0, std::abs(limit));
  };
  for (unsigned b = 0; b < budgets.size(); ++b) {
    if (!keep[b])
      continue;
    std::vector<char> without = keep;
    without[b] = 0;
    if (!feasible(without))
      keep = without;
  }
  if (llvm::none_of(keep, [](char k) { return k; }))
    return "no plan keeps the ties of the groups: they contradict each other";
  std::string text = "no plan keeps these budgets together:";
  bool first = true;
  for (unsigned b = 0; b < budgets.size(); ++b) {
    if (!keep[b])
      continue;
    const Budget &budget = budgets[b];
    text += (first ? " '" : " and '") + budget.text + "'";
    first = false;
    if (std::optional<double> value = excess(b, keep)) {
      double by = budget.kind == Budget::AverageBits ? *value / elementsOf(problem, budget.set) : *value;
      double limit = program.limits[b] + (budget.lower ? -by : by);
      text += " (with the others the " + extreme(budget) + " possible " + budget.quantity() + " is " +
              printLimit(budget, limit) + ")";
    }
  }
  if (timedOut)
    text += "; the search for the smallest values ran out of time, so they may be larger than need be";
  return text;
}

//===----------------------------------------------------------------------===//
// One program
//===----------------------------------------------------------------------===//

/// Moves a unit, and by way of broken ties others to their cheapest choice that keeps the tie. False when there is
/// none.
static bool moveTied(const Program &program, State &state, unsigned unit, unsigned choice) {
  std::vector<char> moved(program.units.size(), 0);
  std::vector<unsigned> queue = {unit};
  state.move(unit, choice);
  moved[unit] = 1;
  while (!queue.empty()) {
    unsigned u = queue.back();
    queue.pop_back();
    for (unsigned p : program.pairsOf[u]) {
      const PairTable &pair = program.pairs[p];
      unsigned other = pair.u == u ? pair.v : pair.u, nv = program.units[pair.v].size();
      auto broken = [&](unsigned d) {
        return pair.forbidden[pair.u == u ? state.get()[u] * nv + d : d * nv + state.get()[u]] != 0;
      };
      if (!broken(state.get()[other]))
        continue;
      if (moved[other])
        return false;
      const Unit &partner = program.units[other];
      int best = -1;
      for (unsigned d = 0; d < partner.size(); ++d)
        if (!broken(d) && std::isfinite(partner.loss[d]) && (best < 0 || partner.loss[d] < partner.loss[best]))
          best = int(d);
      if (best < 0)
        return false;
      state.move(other, unsigned(best));
      moved[other] = 1;
      queue.push_back(other);
    }
  }
  return !state.isBroken();
}

/// Shadow prices, alternatives and sums of a finished plan.
static void describe(const AllocationProblem &problem, ArrayRef<Budget> budgets, const Program &program,
                     const Search &search, Plan &plan) {
  for (unsigned b = 0; b < budgets.size(); ++b) {
    const Budget &budget = budgets[b];
    BudgetUse use;
    use.budget = budget;
    use.limit = program.limits[b];
    use.used = valueOf(problem, budget, plan.choices);
    for (unsigned r = 0; r < program.numRows(); ++r)
      if (program.rows[r].budget == b)
        use.shadowPrice += search.prices[r] / program.rows[r].scale * budget.unitSize *
                           (budget.kind == Budget::AverageBits ? elementsOf(problem, budget.set) : 1);
    plan.budgets.push_back(std::move(use));
  }
  plan.alternatives.resize(problem.groups.size());
  State state(program, search.best);
  std::vector<double> rows(program.numRows());
  for (unsigned u = 0; u < program.units.size(); ++u) {
    const Unit &unit = program.units[u];
    Alternative best;
    unsigned bestChoice = 0;
    for (unsigned c = 0; c < unit.size(); ++c) {
      if (c == search.best[u] || !std::isfinite(unit.loss[c]))
        continue;
      int ties;
      double loss = state.delta(u, c, rows, ties);
      if (ties > 0) {
        // The groups tied on one side move along.
        State moved = state;
        if (!moveTied(program, moved, u, c))
          continue;
        loss = moved.getLoss() - state.getLoss();
        for (unsigned r = 0; r < program.numRows(); ++r)
          rows[r] = moved.getLoads()[r] - state.getLoads()[r];
      }
      double price = loss, size = std::abs(loss);
      for (unsigned r = 0; r < program.numRows(); ++r) {
        price += search.prices[r] * rows[r];
        size += std::abs(search.prices[r] * rows[r]);
      }
      // What is left of equal terms is rounding.
      if (std::abs(price) < 1e-12 * size)
        price = 0;
      if (best.choice >= 0 && price >= best.price)
        continue;
      best = {0, loss, price};
      bestChoice = c;
    }
    for (unsigned i = 0; i < unit.groups.size(); ++i) {
      plan.alternatives[unit.groups[i]] = best;
      if (best.choice >= 0)
        plan.alternatives[unit.groups[i]].choice = int(unit.pick[bestChoice][i]);
    }
  }
  for (unsigned metric = 0; metric < problem.metrics.size(); ++metric)
    plan.totals.push_back(totalOf(problem, metric, "", plan.choices, true));
  if (problem.findMetric("bytes") && elementsOf(problem, "") > 0) {
    Budget average;
    average.kind = Budget::AverageBits;
    plan.averageBits = valueOf(problem, average, plan.choices);
  }
}

/// The plan over units that a plan over groups is; none when tied groups differ in it.
static std::optional<std::vector<unsigned>> unitsOf(const Program &program, ArrayRef<unsigned> choices) {
  std::vector<unsigned> x;
  for (const Unit &unit : program.units) {
    std::vector<unsigned> pick;
    for (unsigned g : unit.groups)
      pick.push_back(choices[g]);
    auto it = llvm::find(unit.pick, pick);
    if (it == unit.pick.end())
      return std::nullopt;
    x.push_back(unsigned(it - unit.pick.begin()));
  }
  return x;
}

/// `infeasible` is set, and no explanation looked for, when it is given and no plan keeps the budgets.
static Expected<Plan> solveProgram(const AllocationProblem &problem, ArrayRef<Budget> budgets,
                                   const SolveOptions &options, bool *infeasible) {
  Deadline deadline(options.timeLimit);
  std::vector<AloneInfeasible> alone;
  Expected<Program> program = buildProgram(problem, budgets, alone);
  if (!program)
    return program.takeError();
  if (!alone.empty()) {
    if (infeasible)
      *infeasible = true;
    return fail(explainAlone(budgets, alone));
  }
  Search search;
  for (const Unit &unit : program->units) {
    search.allowed.emplace_back();
    for (double loss : unit.loss)
      search.allowed.back().push_back(std::isfinite(loss));
  }
  search.prices.assign(program->numRows(), 0);
  if (options.start.size() == problem.groups.size())
    if (auto x = unitsOf(*program, options.start))
      search.offer(*program, State(*program, *x));

  Plan plan;
  if (options.engine == SolveOptions::Engine::Cbc) {
    search.bound = -std::numeric_limits<double>::max();
    solveByCbc(*program, search, deadline, options.relativeGap, false);
    plan.method = "CBC";
  } else {
    computeBound(*program, search, deadline, options.relativeGap);
    plan.method = "bound";
    if (!search.infeasible && !search.closed(*program, options.relativeGap)) {
      bool done = solveByDynamicProgramming(*program, search, deadline);
      if (done)
        plan.method = "dynamic programming";
      // Small programs are solved faster than polished.
      if (!done && problem.groups.size() >= 200)
        polish(*program, search, deadline, options.relativeGap);
      if (done || search.closed(*program, options.relativeGap)) {
        // nothing left to do
      } else if (solveByBranchAndBound(*program, search, deadline, options.relativeGap)) {
        plan.method = "branch and bound";
      } else {
        solveByCbc(*program, search, deadline, options.relativeGap, true);
        plan.method = "CBC";
      }
    }
  }
  if (search.infeasible && !search.hasBest) {
    if (infeasible) {
      *infeasible = true;
      return fail("no plan keeps the budgets");
    }
    return fail(explainTogether(problem, budgets, *program));
  }
  if (!search.hasBest)
    return fail("no plan was found within " + Twine(std::to_string(options.timeLimit)) +
                " s, and none was excluded; allow more time or wider budgets");
  plan.choices = program->expand(search.best, unsigned(problem.groups.size()));
  for (unsigned b = 0; b < budgets.size(); ++b) {
    double value = valueOf(problem, budgets[b], plan.choices), limit = program->limits[b];
    double slack = 2e-9 * std::abs(limit);
    if (budgets[b].lower ? value < limit - slack : value > limit + slack)
      return fail("budget '" + budgets[b].text + "': the figures that it sums differ so much in size that rounding " +
                  "decides, the sum came out as " + budgets[b].print(value) +
                  "; check them, or give them to fewer digits");
  }
  plan.loss = lossOf(problem, plan.choices);
  plan.bound = std::min(search.bound, plan.loss);
  if (search.closed(*program, 0))
    plan.bound = plan.loss;
  plan.gap = relativeGap(plan.loss, plan.bound);
  plan.status = plan.gap == 0                     ? Plan::Status::Optimal
                : plan.gap <= options.relativeGap ? Plan::Status::WithinGap
                                                  : Plan::Status::TimeLimit;
  describe(problem, budgets, *program, search, plan);
  plan.seconds = deadline.elapsed();
  return plan;
}

static Error check(const AllocationProblem &problem, ArrayRef<Budget> budgets) {
  if (Error error = validate(problem))
    return error;
  return checkBudgets(problem, budgets);
}

Expected<Plan> solve(const AllocationProblem &problem, ArrayRef<Budget> budgets, const SolveOptions &options) {
  if (Error error = check(problem, budgets))
    return std::move(error);
  return solveProgram(problem, budgets, options, nullptr);
}

//===----------------------------------------------------------------------===//
// Sweeps
//===----------------------------------------------------------------------===//

/// The same problem with the value of a budget's quantity as loss (negated for a lower limit).
static AllocationProblem valueAsLoss(const AllocationProblem &problem, const Budget &budget) {
  AllocationProblem copy = problem;
  double sign = budget.lower ? -1 : 1;
  for (unsigned g = 0; g < copy.groups.size(); ++g) {
    Group &group = copy.groups[g];
    bool counts = budget.set.empty() || group.set == budget.set;
    for (Choice &choice : group.choices) {
      double value = 0;
      if (counts && budget.kind == Budget::Count)
        value = hasLabel(choice, budget.name);
      else if (counts && budget.kind == Budget::AverageBits)
        value = group.elements > 0 ? 8 * choice.costs[*copy.findMetric("bytes")] / elementsOf(problem, budget.set) : 0;
      else if (counts)
        value = choice.costs[*copy.findMetric(budget.name)];
      choice.loss = sign * value;
    }
  }
  copy.pairs.clear();
  for (Edge &edge : copy.edges) {
    edge.loss = 0;
    if (budget.kind == Budget::Metric && !budget.lower && *copy.findMetric(budget.name) < edge.costs.size() &&
        (budget.set.empty() || copy.groups[edge.to].set == budget.set))
      edge.loss = edge.costs[*copy.findMetric(budget.name)];
  }
  return copy;
}

Expected<std::vector<ParetoPoint>> sweep(const AllocationProblem &problem, ArrayRef<Budget> budgets, unsigned budget,
                                         unsigned points, const SolveOptions &options) {
  if (Error error = check(problem, budgets))
    return std::move(error);
  if (budget >= budgets.size())
    return fail("a sweep needs a budget to vary; there are " + Twine(budgets.size()));
  if (budgets[budget].kind == Budget::PeakMemory)
    return fail("budget '" + budgets[budget].text + "': a sweep over peak_memory is not possible; vary another budget");
  std::vector<Budget> others;
  for (unsigned b = 0; b < budgets.size(); ++b)
    if (b != budget)
      others.push_back(budgets[b]);
  const Budget &varied = budgets[budget];
  Expected<Plan> tightest = solveProgram(valueAsLoss(problem, varied), others, options, nullptr);
  if (!tightest)
    return tightest.takeError();
  Expected<Plan> free = solveProgram(problem, others, options, nullptr);
  if (!free)
    return free.takeError();
  double low = valueOf(problem, varied, tightest->choices), high = valueOf(problem, varied, free->choices);
  std::vector<ParetoPoint> result;
  std::vector<unsigned> start = tightest->choices;
  for (unsigned i = 0; i < points; ++i) {
    std::vector<Budget> now(budgets.begin(), budgets.end());
    double share = points > 1 ? double(i) / (points - 1) : 1;
    now[budget].relative = false;
    now[budget].limit = i + 1 == points ? high : low + share * (high - low);
    now[budget].text =
        now[budget].quantity() + (varied.lower ? " >= " : " <= ") + printLimit(varied, now[budget].limit);
    SolveOptions warm = options;
    warm.start = start;
    Expected<Plan> plan = solveProgram(problem, now, warm, nullptr);
    if (!plan)
      return plan.takeError();
    start = plan->choices;
    result.push_back({now[budget].limit, std::move(*plan)});
  }
  return result;
}

Expected<std::vector<SplitCandidate>> solveSplit(const AllocationProblem &problem, ArrayRef<Budget> budgets,
                                                 const SplitOptions &split, const SolveOptions &options) {
  auto average = [&](StringRef set, double bits, bool lower) {
    Budget budget;
    budget.kind = Budget::AverageBits;
    budget.set = set.str();
    budget.lower = lower;
    budget.limit = bits;
    budget.text = budget.quantity() + (lower ? " >= " : " <= ") + std::to_string(bits);
    return budget;
  };
  std::vector<Budget> probe(budgets.begin(), budgets.end());
  probe.push_back(average(split.first, 0, false));
  probe.push_back(average(split.second, 0, false));
  if (Error error = check(problem, probe))
    return std::move(error);
  if (split.first == split.second)
    return fail("a split needs two different sets, found '" + split.first + "' twice");
  double r = elementsOf(problem, split.first) / elementsOf(problem, split.second);
  auto part = [&](StringRef set, const Plan &plan) {
    double least = 0, most = 0, loss = 0;
    for (unsigned g = 0; g < problem.groups.size(); ++g) {
      const Group &group = problem.groups[g];
      if (group.set != set)
        continue;
      auto [low, high] = std::minmax_element(group.choices.begin(), group.choices.end(),
                                             [](const Choice &a, const Choice &b) { return a.loss < b.loss; });
      least += low->loss;
      most += high->loss;
      loss += group.choices[plan.choices[g]].loss;
    }
    return most > least ? (loss - least) / (most - least) : 0;
  };
  std::vector<SplitCandidate> candidates;
  for (double target : split.targets)
    for (double ratio : split.ratios) {
      if (!(target > 0) || !(ratio > 0) || target > split.averageBits * (1 + 1e-9))
        return fail("a split needs targets above 0 and at most " + Twine(std::to_string(split.averageBits)) +
                    " and ratios above 0");
      SplitCandidate candidate{target, ratio, 0, 0, {}, 0, 0};
      candidate.secondBits = target * (1 + r) / (1 + ratio * r);
      candidate.firstBits = ratio * candidate.secondBits;
      std::vector<Budget> now(budgets.begin(), budgets.end());
      for (auto [set, bits] :
           {std::pair(split.first, candidate.firstBits), std::pair(split.second, candidate.secondBits)}) {
        now.push_back(average(set, bits + split.window, false));
        if (split.window > 0)
          now.push_back(average(set, bits - split.window, true));
      }
      // Windows on both sides can exceed the whole budget.
      Budget whole = average("", split.averageBits, false);
      double elements = elementsOf(problem, split.first) + elementsOf(problem, split.second);
      if (elements == elementsOf(problem, ""))
        now.push_back(whole);
      bool infeasible = false;
      Expected<Plan> plan = solveProgram(problem, now, options, &infeasible);
      if (!plan) {
        if (!infeasible)
          return plan.takeError();
        consumeError(plan.takeError());
        continue;
      }
      candidate.firstLoss = part(split.first, *plan);
      candidate.secondLoss = part(split.second, *plan);
      candidate.plan = std::move(*plan);
      candidates.push_back(std::move(candidate));
    }
  if (candidates.empty())
    return fail("no split of " + Twine(std::to_string(split.averageBits)) + " bits between '" + split.first +
                "' and '" + split.second + "' keeps the budgets; widen the ratios or the window");
  llvm::sort(candidates, [](const SplitCandidate &a, const SplitCandidate &b) {
    // Of equal losses the larger target, then the smaller ratio.
    return std::tuple(a.firstLoss + a.secondLoss, -a.target, a.ratio) <
           std::tuple(b.firstLoss + b.secondLoss, -b.target, b.ratio);
  });
  return candidates;
}

} // namespace bitwright::solver
