//===- CoreSearch.cpp - exact search of what the bound leaves ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Program.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>

using namespace llvm;

namespace bitwright::solver {
namespace {

/// Units with at least two choices left, the sums of the others, and for each the spread of reduced costs.
struct OpenUnits {
  std::vector<unsigned> units;
  double fixedLoss = 0;
  std::vector<double> fixedLoads;
  std::vector<unsigned> x;

  OpenUnits(const Program &program, const Search &search) : fixedLoads(program.numRows()), x(program.units.size()) {
    for (unsigned u = 0; u < program.units.size(); ++u) {
      unsigned left = 0, last = 0;
      for (unsigned c = 0; c < program.units[u].size(); ++c)
        if (search.allowed[u][c]) {
          ++left;
          last = c;
        }
      if (left > 1) {
        units.push_back(u);
        continue;
      }
      x[u] = last;
      fixedLoss += program.units[u].loss[last];
      for (unsigned r = 0; r < program.numRows(); ++r)
        fixedLoads[r] += program.rowsOf(u, last)[r];
    }
  }
};

/// For each depth the sum over later units of the smallest value.
template <typename Function>
std::vector<double> suffixMinima(const Search &search, ArrayRef<unsigned> units, const Program &program, Function of) {
  std::vector<double> sums(units.size() + 1, 0);
  for (size_t k = units.size(); k-- > 0;) {
    double least = std::numeric_limits<double>::infinity();
    for (unsigned c = 0; c < program.units[units[k]].size(); ++c)
      if (search.allowed[units[k]][c])
        least = std::min(least, of(units[k], c));
    sums[k] = sums[k + 1] + least;
  }
  return sums;
}

double reducedCost(const Program &program, const Search &search, unsigned u, unsigned c) {
  double cost = program.units[u].loss[c];
  for (unsigned r = 0; r < program.numRows(); ++r)
    cost += search.prices[r] * program.rowsOf(u, c)[r];
  return cost;
}

} // namespace

bool solveByDynamicProgramming(const Program &program, Search &search, const Deadline &deadline) {
  if (!program.pairs.empty() || program.numRows() != 1 || !search.hasBest)
    return false;
  constexpr size_t maxStates = 4'000'000;
  OpenUnits open(program, search);
  // Units whose choices differ most first: their states are cut by the bound early.
  std::vector<double> spread(program.units.size());
  for (unsigned u : open.units)
    for (unsigned c = 0; c < program.units[u].size(); ++c)
      if (search.allowed[u][c])
        spread[u] = std::max(spread[u], search.reduced[u][c]);
  llvm::sort(open.units,
             [&](unsigned a, unsigned b) { return spread[a] != spread[b] ? spread[a] > spread[b] : a < b; });
  double price = search.prices[0], cap = program.rows[0].cap + program.slack[0];
  auto reduced = [&](unsigned u, unsigned c) { return reducedCost(program, search, u, c); };
  auto load = [&](unsigned u, unsigned c) { return program.rowsOf(u, c)[0]; };
  std::vector<double> reducedLeft = suffixMinima(search, open.units, program, reduced);
  std::vector<double> loadLeft = suffixMinima(search, open.units, program, load);
  double tolerance = search.tolerance(program);

  struct State {
    double load, loss;
    unsigned from, choice;
  };
  std::vector<std::vector<State>> layers(1);
  layers[0].push_back({open.fixedLoads[0], open.fixedLoss, 0, 0});
  size_t total = 1;
  for (unsigned k = 0; k < open.units.size(); ++k) {
    if (deadline.over())
      return false;
    unsigned u = open.units[k];
    std::vector<State> next;
    for (unsigned i = 0; i < layers[k].size(); ++i)
      for (unsigned c = 0; c < program.units[u].size(); ++c) {
        if (!search.allowed[u][c])
          continue;
        State state{layers[k][i].load + load(u, c), layers[k][i].loss + program.units[u].loss[c], i, c};
        if (state.load + loadLeft[k + 1] > cap)
          continue;
        double bound = state.loss + price * (state.load - program.rows[0].cap) + reducedLeft[k + 1];
        if (bound >= search.bestLoss - tolerance)
          continue;
        next.push_back(state);
      }
    llvm::sort(next,
               [](const State &a, const State &b) { return a.load != b.load ? a.load < b.load : a.loss < b.loss; });
    std::vector<State> kept;
    for (const State &state : next)
      if (kept.empty() || state.loss < kept.back().loss)
        kept.push_back(state);
    total += kept.size();
    if (total > maxStates)
      return false;
    layers.push_back(std::move(kept));
  }
  // States that are left are better than the best plan; the last has the smallest loss.
  if (!layers.back().empty()) {
    unsigned at = unsigned(layers.back().size() - 1);
    for (unsigned k = unsigned(open.units.size()); k-- > 0;) {
      const State &state = layers[k + 1][at];
      open.x[open.units[k]] = state.choice;
      at = state.from;
    }
    search.offer(program, bitwright::solver::State(program, open.x));
  }
  search.bound = std::max(search.bound, search.bestLoss);
  return true;
}

bool solveByBranchAndBound(const Program &program, Search &search, const Deadline &deadline, double gap) {
  if (!program.pairs.empty() || !search.hasBest)
    return false;
  constexpr uint64_t maxNodes = 1'000'000;
  unsigned m = program.numRows();
  OpenUnits open(program, search);
  std::vector<double> spread(program.units.size());
  for (unsigned u : open.units)
    for (unsigned c = 0; c < program.units[u].size(); ++c)
      if (search.allowed[u][c])
        spread[u] = std::max(spread[u], search.reduced[u][c]);
  llvm::sort(open.units,
             [&](unsigned a, unsigned b) { return spread[a] != spread[b] ? spread[a] > spread[b] : a < b; });
  size_t depth = open.units.size();
  std::vector<double> reducedLeft = suffixMinima(
      search, open.units, program, [&](unsigned u, unsigned c) { return reducedCost(program, search, u, c); });
  std::vector<std::vector<double>> loadLeft;
  for (unsigned r = 0; r < m; ++r)
    loadLeft.push_back(
        suffixMinima(search, open.units, program, [&](unsigned u, unsigned c) { return program.rowsOf(u, c)[r]; }));
  // Choices in order of reduced cost.
  std::vector<std::vector<unsigned>> order(depth);
  for (size_t k = 0; k < depth; ++k) {
    unsigned u = open.units[k];
    for (unsigned c = 0; c < program.units[u].size(); ++c)
      if (search.allowed[u][c])
        order[k].push_back(c);
    llvm::sort(order[k], [&](unsigned a, unsigned b) {
      return std::pair(search.reduced[u][a], a) < std::pair(search.reduced[u][b], b);
    });
  }
  double tolerance = search.tolerance(program), offset = 0;
  for (unsigned r = 0; r < m; ++r)
    offset -= search.prices[r] * program.rows[r].cap;
  // Level k: losses and loads of the choices above it.
  std::vector<double> losses(depth + 1), reduced(depth + 1), loads((depth + 1) * m);
  losses[0] = open.fixedLoss;
  reduced[0] = open.fixedLoss + offset;
  for (unsigned r = 0; r < m; ++r) {
    loads[r] = open.fixedLoads[r];
    reduced[0] += search.prices[r] * open.fixedLoads[r];
  }
  std::vector<unsigned> next(depth + 1, 0);
  uint64_t nodes = 0;
  size_t k = 0;
  while (true) {
    if (++nodes > maxNodes || (nodes % 4096 == 0 && deadline.over()))
      return false;
    double target = search.bestLoss - std::max(tolerance, gap * std::abs(search.bestLoss));
    if (k == depth) {
      if (losses[k] < search.bestLoss)
        search.offer(program, State(program, open.x));
    } else if (next[k] < order[k].size()) {
      unsigned u = open.units[k], c = order[k][next[k]++];
      double cost = reducedCost(program, search, u, c);
      if (reduced[k] + cost + reducedLeft[k + 1] >= target) {
        next[k] = unsigned(order[k].size()); // the others cost more
        continue;
      }
      bool fits = true;
      for (unsigned r = 0; r < m && fits; ++r) {
        loads[(k + 1) * m + r] = loads[k * m + r] + program.rowsOf(u, c)[r];
        fits = loads[(k + 1) * m + r] + loadLeft[r][k + 1] <= program.rows[r].cap + program.slack[r];
      }
      if (!fits)
        continue;
      open.x[u] = c;
      losses[k + 1] = losses[k] + program.units[u].loss[c];
      reduced[k + 1] = reduced[k] + cost;
      next[++k] = 0;
      continue;
    }
    if (k == 0)
      break;
    --k;
  }
  search.bound = std::max(search.bound, search.bestLoss - gap * std::abs(search.bestLoss));
  return true;
}

} // namespace bitwright::solver
