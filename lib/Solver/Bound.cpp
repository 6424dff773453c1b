//===- Bound.cpp - Lagrangian bound, prices, and first plans -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// With a price for each budget row the program falls apart: each unit takes its cheapest choice, or, when edges and
// pair terms join units, dynamic programming along the order of the units gives a bound (sequential tree-reweighted
// message passing, Kolmogorov 2006: exact on chains, a valid bound on every graph). Prices that maximise the bound come
// from the cutting planes of Kelley, with Clp for the master program.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Program.h"

#include "llvm/ADT/STLExtras.h"

#include <coin/Clp_C_Interface.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace llvm;

namespace bitwright::solver {

static constexpr double infinity = std::numeric_limits<double>::infinity();

double relativeGap(double loss, double bound) {
  double size = std::max(std::abs(loss), std::abs(bound));
  return loss <= bound || size == 0 ? 0 : (loss - bound) / size;
}

double Search::tolerance(const Program &program) const {
  // Sums of N doubles: a few units in the last place of the sum of sizes.
  double sum = 0;
  for (const Unit &unit : program.units) {
    double most = 0;
    for (double loss : unit.loss)
      if (std::isfinite(loss))
        most = std::max(most, std::abs(loss));
    sum += most;
  }
  return 4e-15 * sum + 1e-300;
}

bool Search::offer(const Program &program, const State &state) {
  if (!state.feasible())
    return false;
  // The loss from scratch: differences add up rounding.
  State fresh(program, state.get());
  if (!fresh.feasible() || (hasBest && fresh.getLoss() >= bestLoss))
    return false;
  best = fresh.get();
  bestLoss = fresh.getLoss();
  hasBest = true;
  return true;
}

bool Search::closed(const Program &program, double gap) const {
  return hasBest && (bestLoss - bound <= tolerance(program) || relativeGap(bestLoss, bound) <= gap);
}

namespace {

/// The Lagrangian of the units alone.
class UnitDual {
public:
  UnitDual(const Program &program, const Search &search, double lossScale)
      : program(program), search(search), lossScale(lossScale), m(program.numRows()) {}

  /// Bound at these prices, the plan that has it, and the slope (load - cap).
  double operator()(ArrayRef<double> prices, std::vector<unsigned> &x, std::vector<double> &slope) const {
    x.resize(program.units.size());
    slope.assign(m, 0);
    double value = 0;
    for (unsigned r = 0; r < m; ++r) {
      slope[r] = -program.rows[r].cap;
      value -= prices[r] * program.rows[r].cap;
    }
    for (unsigned u = 0; u < program.units.size(); ++u) {
      const Unit &unit = program.units[u];
      double least = infinity;
      for (unsigned c = 0; c < unit.size(); ++c) {
        if (!search.allowed[u][c])
          continue;
        double cost = unit.loss[c] / lossScale;
        const double *rows = program.rowsOf(u, c);
        for (unsigned r = 0; r < m; ++r)
          cost += prices[r] * rows[r];
        if (cost < least) {
          least = cost;
          x[u] = c;
        }
      }
      value += least;
      const double *rows = program.rowsOf(u, x[u]);
      for (unsigned r = 0; r < m; ++r)
        slope[r] += rows[r];
    }
    return value;
  }

private:
  const Program &program;
  const Search &search;
  double lossScale;
  unsigned m;
};

/// Kelley's cutting planes: maximise z under z <= D(p_i) + s_i (p - p_i), prices in [0, box].
class Master {
public:
  Master(unsigned m, double box) : m(m), model(Clp_newModel()) {
    Clp_setLogLevel(model, 0);
    std::vector<double> lower(m + 1, 0), upper(m + 1, box), objective(m + 1, 0);
    lower[m] = -1e30;
    upper[m] = 1e30;
    objective[m] = -1;
    std::vector<CoinBigIndex> starts(m + 2, 0);
    Clp_addColumns(model, int(m + 1), lower.data(), upper.data(), objective.data(), starts.data(), nullptr, nullptr);
  }
  ~Master() { Clp_deleteModel(model); }
  Master(const Master &) = delete;
  Master &operator=(const Master &) = delete;

  void add(ArrayRef<double> prices, double value, ArrayRef<double> slope) {
    std::vector<int> columns;
    std::vector<double> entries;
    double upper = value;
    for (unsigned r = 0; r < m; ++r) {
      columns.push_back(int(r));
      entries.push_back(-slope[r]);
      upper -= slope[r] * prices[r];
    }
    columns.push_back(int(m));
    entries.push_back(1);
    double lower = -1e30;
    CoinBigIndex starts[] = {0, CoinBigIndex(columns.size())};
    Clp_addRows(model, 1, &lower, &upper, starts, columns.data(), entries.data());
  }
  void setBox(double box) {
    std::vector<double> upper(m + 1, box);
    upper[m] = 1e30;
    Clp_chgColumnUpper(model, upper.data());
  }
  /// Best prices for the cuts and the master's value; false when Clp fails.
  bool solve(std::vector<double> &prices, double &value) {
    Clp_dual(model, 0);
    if (Clp_status(model) != 0)
      Clp_primal(model, 0);
    if (Clp_status(model) != 0)
      return false;
    const double *solution = Clp_getColSolution(model);
    for (unsigned r = 0; r < m; ++r)
      prices[r] = std::max(0.0, solution[r]);
    value = solution[m];
    return true;
  }

private:
  unsigned m;
  Clp_Simplex *model;
};

struct Candidate {
  double value;
  std::vector<unsigned> x;
};

/// Maximises the dual of the units; returns the best prices (of scaled losses) and plans near them.
std::vector<double> maximiseUnitDual(const Program &program, const Search &search, double lossScale,
                                     std::vector<Candidate> &candidates, const Deadline &deadline) {
  unsigned m = program.numRows();
  UnitDual dual(program, search, lossScale);
  std::vector<double> prices(m, 0), best(m, 0), slope;
  std::vector<unsigned> x;
  double bestValue = -infinity, box = 100;
  Master master(m, box);
  unsigned limit = m == 0 ? 1 : 100 + 10 * std::min(m, 40u);
  for (unsigned iteration = 0; iteration < limit && !deadline.over(); ++iteration) {
    double value = dual(prices, x, slope);
    if (value > bestValue) {
      bestValue = value;
      best = prices;
    }
    candidates.push_back({value, x});
    if (m == 0)
      break;
    master.add(prices, value, slope);
    double possible = 0;
    if (!master.solve(prices, possible))
      break;
    if (possible - bestValue <= 1e-13 * std::max(1.0, std::abs(bestValue))) {
      // At the box: prices may have to be larger still (steep, or no plan keeps the budgets).
      if (llvm::none_of(best, [&](double price) { return price > 0.5 * box; }) || box >= 1e8)
        break;
      box *= 100;
      master.setBox(box);
      if (!master.solve(prices, possible))
        break;
    }
  }
  // The most promising last.
  llvm::sort(candidates,
             [](const Candidate &a, const Candidate &b) { return a.value != b.value ? a.value < b.value : a.x < b.x; });
  if (candidates.size() > 8)
    candidates.erase(candidates.begin(), candidates.end() - 8);
  return best;
}

/// Sequential tree-reweighted message passing for fixed prices. Messages survive a change of prices.
class MessagePassing {
public:
  MessagePassing(const Program &program, const Search &search, double lossScale)
      : program(program), search(search), lossScale(lossScale) {
    for (const PairTable &pair : program.pairs) {
      toU.emplace_back(program.units[pair.u].size(), 0.0);
      toV.emplace_back(program.units[pair.v].size(), 0.0);
    }
    for (unsigned u = 0; u < program.units.size(); ++u) {
      unsigned ahead = 0, behind = 0;
      for (unsigned p : program.pairsOf[u])
        ++(program.pairs[p].u == u ? ahead : behind);
      weight.push_back(1.0 / std::max({ahead, behind, 1u}));
      slack.emplace_back(program.units[u].size(), 0.0);
    }
    tables.resize(program.pairs.size());
    labels.assign(program.units.size(), 0);
  }

  void setPrices(ArrayRef<double> newPrices) {
    prices.assign(newPrices.begin(), newPrices.end());
    double steep = 1;
    for (double price : prices)
      steep += price;
    for (unsigned p = 0; p < tables.size(); ++p) {
      const PairTable &pair = program.pairs[p];
      tables[p].resize(pair.loss.size());
      for (unsigned i = 0; i < pair.loss.size(); ++i)
        // A finite price for a broken tie keeps the bound valid and the arithmetic finite.
        tables[p][i] = pair.loss[i] / lossScale + (pair.forbidden[i] ? 1e3 * steep : 0);
      for (const auto &[r, values] : pair.rows)
        for (unsigned i = 0; i < values.size(); ++i)
          tables[p][i] += prices[r] * values[i];
    }
  }

  /// One pass; returns the bound. labels() is a plan rounded along the way.
  double pass(bool forward) {
    double bound = 0;
    unsigned m = program.numRows(), n = unsigned(program.units.size());
    for (unsigned r = 0; r < m; ++r)
      bound -= prices[r] * program.rows[r].cap;
    std::vector<double> own, cost;
    for (unsigned step = 0; step < n; ++step) {
      unsigned s = forward ? step : n - 1 - step;
      const Unit &unit = program.units[s];
      own.assign(unit.size(), infinity);
      for (unsigned c = 0; c < unit.size(); ++c) {
        if (!search.allowed[s][c])
          continue;
        own[c] = unit.loss[c] / lossScale;
        const double *rows = program.rowsOf(s, c);
        for (unsigned r = 0; r < m; ++r)
          own[c] += prices[r] * rows[r];
      }
      // Rounding: units that were passed have their labels, the others speak through messages.
      cost = own;
      for (unsigned p : program.pairsOf[s]) {
        const PairTable &pair = program.pairs[p];
        bool isU = pair.u == s;
        unsigned other = isU ? pair.v : pair.u, nv = program.units[pair.v].size();
        bool done = isU ? !forward : forward;
        ArrayRef<double> message = isU ? toU[p] : toV[p];
        for (unsigned c = 0; c < unit.size(); ++c) {
          own[c] += message[c];
          cost[c] += done ? tables[p][isU ? c * nv + labels[other] : labels[other] * nv + c] : message[c];
        }
      }
      labels[s] = unsigned(std::min_element(cost.begin(), cost.end()) - cost.begin());
      double least = *llvm::min_element(own);
      bound += least;
      for (double &value : own)
        value -= least;
      slack[s] = own;
      for (unsigned p : program.pairsOf[s]) {
        bool isU = program.pairs[p].u == s;
        if (isU == forward)
          bound += send(p, isU, own, weight[s]);
      }
    }
    return bound;
  }
  const std::vector<unsigned> &getLabels() const { return labels; }
  const std::vector<std::vector<double>> &getSlack() const { return slack; }

private:
  double send(unsigned p, bool fromU, ArrayRef<double> own, double share) {
    const PairTable &pair = program.pairs[p];
    unsigned nu = program.units[pair.u].size(), nv = program.units[pair.v].size();
    std::vector<double> &message = fromU ? toV[p] : toU[p];
    const std::vector<double> &back = fromU ? toU[p] : toV[p];
    unsigned targets = fromU ? nv : nu, sources = fromU ? nu : nv;
    for (unsigned t = 0; t < targets; ++t) {
      double least = infinity;
      for (unsigned s = 0; s < sources; ++s)
        least = std::min(least, share * own[s] - back[s] + tables[p][fromU ? s * nv + t : t * nv + s]);
      message[t] = least;
    }
    double least = *llvm::min_element(message);
    for (double &value : message)
      value -= least;
    return least;
  }

  const Program &program;
  const Search &search;
  double lossScale;
  std::vector<double> prices, weight;
  std::vector<std::vector<double>> toU, toV, tables, slack;
  std::vector<unsigned> labels;
};

/// Moves a plan into the budgets, at each step by the change with the smallest reduced cost per unit of violation.
bool repair(const Program &program, const Search &search, State &state, const Deadline &deadline) {
  unsigned m = program.numRows();
  std::vector<double> rows(m);
  double violation = state.violation();
  for (unsigned step = 0; violation > 0; ++step) {
    if (step > 400 || deadline.over())
      return false;
    double best = infinity;
    unsigned unit = 0, choice = 0;
    for (unsigned u = 0; u < program.units.size(); ++u)
      for (unsigned c = 0; c < program.units[u].size(); ++c) {
        if (!search.allowed[u][c] || c == state.get()[u])
          continue;
        int ties;
        double cost = state.delta(u, c, rows, ties), after = 0, before = 0;
        for (unsigned r = 0; r < m; ++r) {
          double limit = program.rows[r].cap + program.slack[r], load = state.getLoads()[r];
          cost += search.prices[r] * rows[r];
          after += std::max(0.0, load + rows[r] - limit);
          before += std::max(0.0, load - limit);
        }
        double gain = before - after - ties;
        if (gain <= 1e-12)
          continue;
        double rate = cost > 0 ? cost / gain : cost;
        if (rate < best) {
          best = rate;
          unit = u;
          choice = c;
        }
      }
    if (best == infinity)
      return false;
    state.move(unit, choice);
    violation = state.violation();
  }
  return state.feasible();
}

struct Move {
  unsigned unit, choice;
  double loss, reduced;
  unsigned rows; // first entry of its row changes
};

} // namespace

void improve(const Program &program, Search &search, State state, const Deadline &deadline) {
  unsigned m = program.numRows();
  std::vector<double> rows(m), changes;
  std::vector<Move> moves;
  double tolerance = 1e3 * search.tolerance(program);
  auto fits = [&](const double *a, const double *b) {
    for (unsigned r = 0; r < m; ++r) {
      double load = state.getLoads()[r] + a[r] + (b ? b[r] : 0);
      if (load > program.rows[r].cap + program.slack[r])
        return false;
    }
    return true;
  };
  for (unsigned round = 0; round < 200 && !deadline.over(); ++round) {
    moves.clear();
    changes.clear();
    double best = -tolerance;
    int first = -1, second = -1;
    for (unsigned u = 0; u < program.units.size(); ++u)
      for (unsigned c = 0; c < program.units[u].size(); ++c) {
        if (!search.allowed[u][c] || c == state.get()[u])
          continue;
        int ties;
        double loss = state.delta(u, c, rows, ties), reduced = loss;
        if (ties > 0)
          continue;
        for (unsigned r = 0; r < m; ++r)
          reduced += search.prices[r] * rows[r];
        moves.push_back({u, c, loss, reduced, unsigned(changes.size())});
        changes.insert(changes.end(), rows.begin(), rows.end());
        if (loss < best && fits(rows.data(), nullptr)) {
          best = loss;
          first = int(moves.size() - 1);
        }
      }
    if (first < 0) {
      // Two units at once, among the changes with the smallest reduced costs.
      size_t count = std::min<size_t>(moves.size(), 300);
      std::partial_sort(moves.begin(), moves.begin() + count, moves.end(),
                        [](const Move &a, const Move &b) { return a.reduced < b.reduced; });
      for (unsigned i = 0; i < count; ++i)
        for (unsigned k = i + 1; k < count; ++k) {
          const Move &a = moves[i], &b = moves[k];
          if (a.unit == b.unit || a.loss + b.loss >= best || !fits(changes.data() + a.rows, changes.data() + b.rows))
            continue;
          // Units that share a pair term do not add up.
          if (llvm::any_of(program.pairsOf[a.unit],
                           [&](unsigned p) { return program.pairs[p].u == b.unit || program.pairs[p].v == b.unit; }))
            continue;
          best = a.loss + b.loss;
          first = int(i);
          second = int(k);
        }
    }
    if (first < 0)
      break;
    state.move(moves[first].unit, moves[first].choice);
    if (second >= 0)
      state.move(moves[second].unit, moves[second].choice);
  }
  search.offer(program, state);
}

void reduceChoices(const Program &program, Search &search) {
  if (!search.hasBest)
    return;
  double tolerance = 16 * search.tolerance(program);
  for (unsigned u = 0; u < program.units.size(); ++u)
    for (unsigned c = 0; c < program.units[u].size(); ++c)
      if (search.allowed[u][c] && c != search.best[u] &&
          search.bound + search.reduced[u][c] > search.bestLoss + tolerance)
        search.allowed[u][c] = 0;
}

/// Prices and bound with edges and pair terms.
static void boundWithPairs(const Program &program, Search &search, double lossScale, std::vector<double> prices,
                           std::vector<Candidate> &candidates, const Deadline &deadline, double gap) {
  unsigned m = program.numRows();
  MessagePassing messages(program, search, lossScale);
  auto evaluate = [&](ArrayRef<double> at, unsigned rounds) {
    messages.setPrices(at);
    double value = -infinity;
    for (unsigned i = 0; i < rounds; ++i) {
      value = std::max(value, messages.pass(true));
      value = std::max(value, messages.pass(false));
    }
    return value;
  };
  Deadline own(deadline.left() * 0.25);
  std::vector<double> best = prices;
  double bestValue = evaluate(prices, 20);
  candidates.push_back({bestValue, messages.getLabels()});
  if (m > 0) {
    // Every plan x gives a cut: at prices p no bound is above loss(x) + p (load(x) - cap).
    double box = 4;
    for (double price : prices)
      box = std::max(box, 4 * price);
    Master master(m, box);
    std::vector<double> at = prices, slope(m);
    auto addCut = [&](const std::vector<unsigned> &x) {
      State state(program, x);
      if (!std::isfinite(state.getLoss()) || state.isBroken())
        return;
      double value = state.getLoss() / lossScale;
      for (unsigned r = 0; r < m; ++r)
        slope[r] = state.getLoads()[r] - program.rows[r].cap;
      // `value` holds at price 0.
      master.add(std::vector<double>(m, 0), value, slope);
      search.offer(program, state);
    };
    for (const Candidate &candidate : candidates)
      addCut(candidate.x);
    if (search.hasBest)
      addCut(search.best);
    double possible = 0;
    unsigned stale = 0;
    for (unsigned iteration = 0; iteration < 80 && stale < 12 && !own.over(); ++iteration) {
      if (!master.solve(at, possible))
        break;
      if (possible - bestValue <= 1e-7 * std::abs(bestValue)) {
        if (box >= 1e6 || llvm::none_of(at, [&](double price) { return price > 0.5 * box; }))
          break;
        box *= 100;
        master.setBox(box);
        continue;
      }
      // Half way from the best prices: cutting planes alone swing from end to end.
      if (iteration % 2 == 1)
        for (unsigned r = 0; r < m; ++r)
          at[r] = 0.5 * (at[r] + best[r]);
      double value = evaluate(at, 3);
      addCut(messages.getLabels());
      stale = value > bestValue + 1e-6 * std::abs(bestValue) ? 0 : stale + 1;
      if (value > bestValue) {
        bestValue = value;
        best = at;
        candidates.push_back({value, messages.getLabels()});
      }
    }
  }
  double value = evaluate(best, 40);
  candidates.push_back({value, messages.getLabels()});
  bestValue = std::max(bestValue, value);
  search.prices = best;
  for (double &price : search.prices)
    price *= lossScale;
  search.bound = bestValue * lossScale;
  // A pass's slack bounds every plan with a choice from the bound before it.
  search.reduced.clear();
  for (const Unit &unit : program.units)
    search.reduced.emplace_back(unit.size(), 0.0);
  double before = value;
  for (bool forward : {true, false}) {
    double after = messages.pass(forward);
    for (unsigned u = 0; u < program.units.size(); ++u)
      for (unsigned c = 0; c < program.units[u].size(); ++c)
        search.reduced[u][c] =
            std::max(search.reduced[u][c], (before + messages.getSlack()[u][c]) * lossScale - search.bound);
    before = after;
  }
}

void computeBound(const Program &program, Search &search, const Deadline &deadline, double gap) {
  double lossScale = 0, worst = 0;
  for (unsigned u = 0; u < program.units.size(); ++u) {
    double least = infinity, most = -infinity;
    for (unsigned c = 0; c < program.units[u].size(); ++c)
      if (search.allowed[u][c]) {
        least = std::min(least, program.units[u].loss[c]);
        most = std::max(most, program.units[u].loss[c]);
      }
    lossScale = std::max(lossScale, most - least);
    worst += most;
  }
  for (const PairTable &pair : program.pairs) {
    double most = 0;
    for (double loss : pair.loss)
      most = std::max(most, loss);
    lossScale = std::max(lossScale, most);
    worst += most;
  }
  if (lossScale <= 0)
    lossScale = 1;
  std::vector<Candidate> candidates;
  std::vector<double> prices = maximiseUnitDual(program, search, lossScale, candidates, deadline);
  search.prices = prices;
  for (double &price : search.prices)
    price *= lossScale;
  if (program.pairs.empty()) {
    UnitDual dual(program, search, lossScale);
    std::vector<unsigned> x;
    std::vector<double> slope;
    search.bound = dual(prices, x, slope) * lossScale;
    search.reduced.clear();
    for (unsigned u = 0; u < program.units.size(); ++u) {
      const Unit &unit = program.units[u];
      std::vector<double> costs(unit.size(), infinity);
      for (unsigned c = 0; c < unit.size(); ++c) {
        if (!search.allowed[u][c])
          continue;
        costs[c] = unit.loss[c];
        for (unsigned r = 0; r < program.numRows(); ++r)
          costs[c] += search.prices[r] * program.rowsOf(u, c)[r];
      }
      double least = *llvm::min_element(costs);
      for (double &cost : costs)
        cost -= least;
      search.reduced.push_back(std::move(costs));
    }
  } else {
    boundWithPairs(program, search, lossScale, prices, candidates, deadline, gap);
  }
  // No plan costs more than all the worst choices: a bound above that proves that there is none.
  if (search.bound > worst + 1e-6 * (std::abs(worst) + lossScale)) {
    search.infeasible = true;
    return;
  }
  if (candidates.size() > 8)
    candidates.erase(candidates.begin(), candidates.end() - 8);
  for (unsigned i = unsigned(candidates.size()); i-- > 0;) {
    if (search.closed(program, gap) || deadline.left() < 0)
      break;
    State state(program, candidates[i].x);
    if (state.feasible() || repair(program, search, state, deadline))
      improve(program, search, state, deadline);
  }
  if (search.hasBest && !search.closed(program, gap))
    improve(program, search, State(program, search.best), deadline);
  reduceChoices(program, search);
}

} // namespace bitwright::solver
