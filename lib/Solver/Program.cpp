//===- Program.cpp - the allocation program in solver form -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Program.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

using namespace llvm;

namespace bitwright::solver {

/// Rounding slack of a limit: METHODS 4.1 compares `sum <= cap * (1 + 1e-9)`.
static constexpr double capTolerance = 1e-9;

static Error fail(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

std::vector<unsigned> Program::expand(ArrayRef<unsigned> x, unsigned numGroups) const {
  std::vector<unsigned> choices(numGroups);
  for (unsigned u = 0; u < units.size(); ++u)
    for (unsigned i = 0; i < units[u].groups.size(); ++i)
      choices[units[u].groups[i]] = units[u].pick[x[u]][i];
  return choices;
}

namespace {

/// What a choice and an edge add to the rows of one budget, in the budget's own terms (`raw`).
struct RawRow {
  const AllocationProblem &problem;
  const Budget &budget;
  /// Peak memory: which point.
  unsigned point = 0;
  double limit = 0;

  bool counts(const Group &group) const { return budget.set.empty() || group.set == budget.set; }
  double sign() const { return budget.lower ? -1 : 1; }
  double of(unsigned g, const Choice &choice) const {
    const Group &group = problem.groups[g];
    if (!counts(group))
      return 0;
    switch (budget.kind) {
    case Budget::Metric:
      return sign() * choice.costs[*problem.findMetric(budget.name)];
    case Budget::AverageBits:
      // sum bits <= limit * sum elements; groups without weights do not count.
      return group.elements > 0 ? sign() * 8 * choice.costs[*problem.findMetric("bytes")] : 0;
    case Budget::PeakMemory: {
      double bytes = 0;
      for (auto [p, b] : choice.memory)
        if (p == point)
          bytes += b;
      return bytes;
    }
    case Budget::Count:
      return sign() * (hasLabel(choice, budget.name) ? 1 : 0);
    }
    llvm_unreachable("unknown kind of budget");
  }
  double of(const Edge &edge) const {
    if (budget.kind != Budget::Metric || !counts(problem.groups[edge.to]))
      return 0;
    unsigned metric = *problem.findMetric(budget.name);
    return metric < edge.costs.size() ? sign() * edge.costs[metric] : 0;
  }
  double elements() const {
    double sum = 0;
    for (const Group &group : problem.groups)
      if (counts(group))
        sum += group.elements;
    return sum;
  }
  /// Cap in raw terms.
  double cap() const {
    double value = budget.kind == Budget::AverageBits ? limit * elements() : limit;
    value = sign() * value;
    return budget.kind == Budget::PeakMemory ? value - problem.memoryPoints[point].fixed : value;
  }
};

class Builder {
public:
  Builder(const AllocationProblem &problem, ArrayRef<Budget> budgets) : problem(problem), budgets(budgets) {}
  Expected<Program> build(std::vector<AloneInfeasible> &alone);

private:
  Error makeUnits();
  void resolvePercent();
  void addRow(const RawRow &raw, unsigned budget, std::vector<AloneInfeasible> &alone);
  void makePairs();
  std::vector<int> labelsOf(unsigned group, Side side);

  const AllocationProblem &problem;
  ArrayRef<Budget> budgets;
  Program program;
  std::vector<unsigned> unitOf, memberOf;
  /// Raw entries by row, unit, choice.
  std::vector<std::vector<std::vector<double>>> entries;
  /// By row and edge, scaled.
  std::vector<std::vector<double>> edgeEntries;
  std::map<std::string, int> labelIds;
};

Error Builder::makeUnits() {
  unsigned n = problem.groups.size();
  std::vector<unsigned> root(n);
  std::iota(root.begin(), root.end(), 0);
  auto find = [&](unsigned i) {
    while (root[i] != i)
      i = root[i] = root[root[i]];
    return i;
  };
  for (const Tie &tie : problem.ties)
    if (tie.side == Side::Choice)
      for (unsigned g : tie.groups) {
        unsigned a = find(g), b = find(tie.groups.front());
        root[std::max(a, b)] = std::min(a, b);
      }
  unitOf.assign(n, 0);
  memberOf.assign(n, 0);
  std::vector<int> unitOfRoot(n, -1);
  for (unsigned g = 0; g < n; ++g) {
    int &unit = unitOfRoot[find(g)];
    if (unit < 0) {
      unit = program.units.size();
      program.units.emplace_back();
    }
    unitOf[g] = unit;
    memberOf[g] = program.units[unit].groups.size();
    program.units[unit].groups.push_back(g);
  }
  for (Unit &unit : program.units) {
    unsigned first = unit.groups.front();
    for (unsigned c = 0; c < problem.groups[first].choices.size(); ++c) {
      std::vector<unsigned> pick;
      double loss = 0;
      for (unsigned g : unit.groups) {
        std::optional<unsigned> same =
            unit.groups.size() == 1 ? c : problem.findChoice(g, problem.groups[first].choices[c].name());
        if (!same)
          break;
        pick.push_back(*same);
        loss += problem.groups[g].choices[*same].loss;
      }
      if (pick.size() != unit.groups.size())
        continue;
      unit.pick.push_back(std::move(pick));
      unit.loss.push_back(loss);
    }
    if (unit.pick.empty()) {
      std::string names;
      for (unsigned g : unit.groups)
        names += (names.empty() ? "'" : ", '") + problem.groups[g].name + "'";
      return fail("the groups " + names + " must have the same choice, and there is none that all of them have");
    }
  }
  return Error::success();
}

std::vector<int> Builder::labelsOf(unsigned group, Side side) {
  std::vector<int> labels;
  for (const std::vector<unsigned> &pick : program.units[unitOf[group]].pick) {
    std::string label = problem.groups[group].choices[pick[memberOf[group]]].label(side);
    labels.push_back(labelIds.try_emplace(label, int(labelIds.size())).first->second);
  }
  return labels;
}

void Builder::resolvePercent() {
  for (const Budget &budget : budgets) {
    if (!budget.relative) {
      program.limits.push_back(budget.limit);
      continue;
    }
    // The span of the sum over units; edge costs are left out of it, because they vanish when all formats are equal.
    Budget upper = budget;
    upper.lower = false;
    RawRow raw{problem, upper, 0, 0};
    double low = 0, high = 0;
    for (const Unit &unit : program.units) {
      double least = std::numeric_limits<double>::infinity(), most = -least;
      for (const std::vector<unsigned> &pick : unit.pick) {
        double sum = 0;
        for (unsigned i = 0; i < pick.size(); ++i)
          sum += raw.of(unit.groups[i], problem.groups[unit.groups[i]].choices[pick[i]]);
        least = std::min(least, sum);
        most = std::max(most, sum);
      }
      low += least;
      high += most;
    }
    double value = low + budget.limit * (high - low);
    program.limits.push_back(budget.kind == Budget::AverageBits ? value / raw.elements() : value);
  }
}

void Builder::addRow(const RawRow &raw, unsigned budget, std::vector<AloneInfeasible> &alone) {
  std::vector<std::vector<double>> values;
  double offset = 0, span = 0, total = 0;
  for (const Unit &unit : program.units) {
    std::vector<double> sums;
    for (const std::vector<unsigned> &pick : unit.pick) {
      double sum = 0;
      for (unsigned i = 0; i < pick.size(); ++i)
        sum += raw.of(unit.groups[i], problem.groups[unit.groups[i]].choices[pick[i]]);
      sums.push_back(sum);
    }
    double least = *llvm::min_element(sums), most = *llvm::max_element(sums);
    for (double &sum : sums)
      sum -= least;
    offset += least;
    span = std::max(span, most - least);
    total += most - least;
    values.push_back(std::move(sums));
  }
  double edges = 0;
  std::vector<double> edgeValues;
  for (const Edge &edge : problem.edges) {
    edgeValues.push_back(raw.of(edge));
    edges += std::abs(edgeValues.back());
    span = std::max(span, std::abs(edgeValues.back()));
  }
  double cap = raw.cap(), slack = capTolerance * std::abs(cap);
  // Edge costs are not negative; under a `>=` they only help, and the row stays a row.
  double helpful = raw.budget.lower ? edges : 0;
  if (offset - helpful > cap + slack) {
    double best = raw.sign() * (offset - helpful);
    if (raw.budget.kind == Budget::AverageBits)
      best /= raw.elements();
    if (raw.budget.kind == Budget::PeakMemory)
      best += problem.memoryPoints[raw.point].fixed;
    auto it = llvm::find_if(alone, [&](const AloneInfeasible &other) { return other.budget == budget; });
    if (it == alone.end())
      alone.push_back({budget, best});
    else
      it->best = std::max(it->best, best);
    return;
  }
  if (offset + total + (raw.budget.lower ? 0 : edges) <= cap + slack || span == 0)
    return; // holds whatever is chosen
  Row row;
  row.budget = budget;
  row.scale = span;
  row.offset = offset;
  row.cap = (cap - offset) / span;
  if (raw.budget.kind == Budget::PeakMemory)
    row.point = problem.memoryPoints[raw.point].name;
  program.rows.push_back(row);
  program.slack.push_back(slack / span);
  for (std::vector<double> &sums : values)
    for (double &sum : sums)
      sum /= span;
  for (double &value : edgeValues)
    value /= span;
  entries.push_back(std::move(values));
  edgeEntries.push_back(std::move(edgeValues));
}

void Builder::makePairs() {
  unsigned numRows = program.numRows();
  std::map<std::pair<unsigned, unsigned>, unsigned> index;
  auto pairOf = [&](unsigned u, unsigned v) -> PairTable & {
    auto [it, isNew] = index.try_emplace({u, v}, program.pairs.size());
    if (isNew) {
      PairTable table;
      table.u = u;
      table.v = v;
      table.loss.assign(program.units[u].size() * program.units[v].size(), 0);
      table.forbidden.assign(table.loss.size(), 0);
      program.pairs.push_back(std::move(table));
    }
    return program.pairs[it->second];
  };
  auto addPotts = [&](unsigned from, Side fromSide, unsigned to, Side toSide, double loss, std::vector<double> rows,
                      bool hard) {
    PottsTerm term{unitOf[from],    unitOf[to], labelsOf(from, fromSide), labelsOf(to, toSide), loss,
                   std::move(rows), hard};
    if (term.u > term.v) {
      std::swap(term.u, term.v);
      std::swap(term.labelU, term.labelV);
    }
    if (term.u == term.v) {
      Unit &unit = program.units[term.u];
      for (unsigned c = 0; c < unit.size(); ++c)
        if (term.labelU[c] != term.labelV[c]) {
          unit.loss[c] += hard ? std::numeric_limits<double>::infinity() : loss;
          for (unsigned r = 0; r < numRows; ++r)
            unit.rows[c * numRows + r] += term.rows[r];
        }
      return;
    }
    PairTable &table = pairOf(term.u, term.v);
    unsigned nv = program.units[term.v].size();
    for (unsigned r = 0; r < numRows; ++r)
      if (term.rows[r] != 0 && llvm::none_of(table.rows, [&](const auto &entry) { return entry.first == r; }))
        table.rows.push_back({r, std::vector<double>(table.loss.size())});
    for (unsigned c = 0; c < program.units[term.u].size(); ++c)
      for (unsigned d = 0; d < nv; ++d) {
        if (term.labelU[c] == term.labelV[d])
          continue;
        table.loss[c * nv + d] += loss;
        table.forbidden[c * nv + d] |= hard;
        for (auto &[r, values] : table.rows)
          values[c * nv + d] += term.rows[r];
      }
    program.potts.push_back(std::move(term));
  };

  for (unsigned e = 0; e < problem.edges.size(); ++e) {
    const Edge &edge = problem.edges[e];
    std::vector<double> rows(numRows);
    bool any = edge.loss != 0;
    for (unsigned r = 0; r < numRows; ++r) {
      rows[r] = edgeEntries[r][e];
      any |= rows[r] != 0;
    }
    if (any)
      addPotts(edge.from, edge.fromSide, edge.to, edge.toSide, edge.loss, std::move(rows), false);
  }
  for (const Tie &tie : problem.ties)
    if (tie.side != Side::Choice)
      for (unsigned i = 1; i < tie.groups.size(); ++i)
        if (tie.groups[i] != tie.groups[i - 1])
          addPotts(tie.groups[i - 1], tie.side, tie.groups[i], tie.side, 0, std::vector<double>(numRows), true);
  for (const PairTerm &pair : problem.pairs) {
    EntryTerm term{unitOf[pair.first], unitOf[pair.second], 0, 0, pair.loss};
    // A choice of a group can be gone from its unit because a tied group lacks it.
    bool first = false, second = false;
    for (unsigned c = 0; c < program.units[term.u].size(); ++c)
      if (program.units[term.u].pick[c][memberOf[pair.first]] == pair.firstChoice)
        term.c = c, first = true;
    for (unsigned d = 0; d < program.units[term.v].size(); ++d)
      if (program.units[term.v].pick[d][memberOf[pair.second]] == pair.secondChoice)
        term.d = d, second = true;
    if (!first || !second)
      continue;
    if (term.u == term.v) {
      if (term.c == term.d)
        program.units[term.u].loss[term.c] += pair.loss;
      continue;
    }
    if (term.u > term.v) {
      std::swap(term.u, term.v);
      std::swap(term.c, term.d);
    }
    pairOf(term.u, term.v).loss[term.c * program.units[term.v].size() + term.d] += pair.loss;
    program.entries.push_back(term);
  }
  program.pairsOf.resize(program.units.size());
  for (unsigned p = 0; p < program.pairs.size(); ++p) {
    program.pairsOf[program.pairs[p].u].push_back(p);
    program.pairsOf[program.pairs[p].v].push_back(p);
  }
}

Expected<Program> Builder::build(std::vector<AloneInfeasible> &alone) {
  if (Error error = makeUnits())
    return std::move(error);
  resolvePercent();
  for (unsigned b = 0; b < budgets.size(); ++b) {
    unsigned points = budgets[b].kind == Budget::PeakMemory ? problem.memoryPoints.size() : 1;
    for (unsigned point = 0; point < points; ++point)
      addRow(RawRow{problem, budgets[b], point, program.limits[b]}, b, alone);
  }
  unsigned numRows = program.numRows();
  for (unsigned u = 0; u < program.units.size(); ++u) {
    Unit &unit = program.units[u];
    unit.rows.resize(unit.size() * numRows);
    for (unsigned r = 0; r < numRows; ++r)
      for (unsigned c = 0; c < unit.size(); ++c)
        unit.rows[c * numRows + r] = entries[r][u][c];
  }
  makePairs();
  // A choice that breaks a tie within its own unit.
  for (Unit &unit : program.units) {
    unsigned left = 0;
    for (unsigned c = 0; c < unit.size(); ++c)
      left += std::isfinite(unit.loss[c]);
    if (!left)
      return fail("the ties of group '" + problem.groups[unit.groups.front()].name + "' leave it no choice");
  }
  return std::move(program);
}

} // namespace

Expected<Program> buildProgram(const AllocationProblem &problem, ArrayRef<Budget> budgets,
                               std::vector<AloneInfeasible> &alone) {
  return Builder(problem, budgets).build(alone);
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

State::State(const Program &program, std::vector<unsigned> x)
    : program(program), x(std::move(x)), loads(program.numRows()) {
  for (unsigned u = 0; u < program.units.size(); ++u) {
    loss += program.units[u].loss[this->x[u]];
    const double *rows = program.rowsOf(u, this->x[u]);
    for (unsigned r = 0; r < loads.size(); ++r)
      loads[r] += rows[r];
  }
  for (const PairTable &pair : program.pairs) {
    size_t entry = size_t(this->x[pair.u]) * program.units[pair.v].size() + this->x[pair.v];
    loss += pair.loss[entry];
    broken += pair.forbidden[entry];
    for (const auto &[r, values] : pair.rows)
      loads[r] += values[entry];
  }
}

bool State::feasible() const {
  if (broken || !std::isfinite(loss))
    return false;
  for (unsigned r = 0; r < loads.size(); ++r)
    if (loads[r] > program.rows[r].cap + program.slack[r])
      return false;
  return true;
}

double State::violation() const {
  double sum = broken;
  for (unsigned r = 0; r < loads.size(); ++r)
    sum += std::max(0.0, loads[r] - program.rows[r].cap - program.slack[r]);
  return sum;
}

double State::delta(unsigned u, unsigned c, std::vector<double> &rows, int &ties) const {
  const double *to = program.rowsOf(u, c), *from = program.rowsOf(u, x[u]);
  for (unsigned r = 0; r < loads.size(); ++r)
    rows[r] = to[r] - from[r];
  ties = 0;
  double change = program.units[u].loss[c] - program.units[u].loss[x[u]];
  for (unsigned p : program.pairsOf[u]) {
    const PairTable &pair = program.pairs[p];
    unsigned nv = program.units[pair.v].size();
    size_t before = pair.u == u ? size_t(x[u]) * nv + x[pair.v] : size_t(x[pair.u]) * nv + x[u];
    size_t after = pair.u == u ? size_t(c) * nv + x[pair.v] : size_t(x[pair.u]) * nv + c;
    change += pair.loss[after] - pair.loss[before];
    ties += pair.forbidden[after] - pair.forbidden[before];
    for (const auto &[r, values] : pair.rows)
      rows[r] += values[after] - values[before];
  }
  return change;
}

void State::move(unsigned u, unsigned c) {
  std::vector<double> rows(loads.size());
  int ties;
  loss += delta(u, c, rows, ties);
  broken += ties;
  for (unsigned r = 0; r < loads.size(); ++r)
    loads[r] += rows[r];
  x[u] = c;
}

} // namespace bitwright::solver
