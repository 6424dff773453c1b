//===- Cbc.cpp - the core of an allocation, solved by CBC --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// One binary for each choice that is left in a unit with at least two. Label differences (edges, ties on one side) cost
// one continuous variable per label, z >= a_u(l) - a_v(l): with one-hot sides the sum of the z is 1 exactly when the
// labels differ. Pair terms are products: y >= x + x' - 1 for positive ones, y <= x, y <= x' for negative ones.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Program.h"

#include "llvm/ADT/STLExtras.h"

#include <coin/Cbc_C_Interface.h>

#include <algorithm>
#include <cmath>
#include <map>

using namespace llvm;

namespace bitwright::solver {
namespace {

constexpr double infinite = 1e30;

/// A linear program by triplets; CBC takes it column by column.
class Model {
public:
  unsigned addColumn(double lower, double upper, double objective, bool integer) {
    lowers.push_back(lower);
    uppers.push_back(upper);
    objectives.push_back(objective);
    integers.push_back(integer);
    columns.emplace_back();
    return unsigned(lowers.size() - 1);
  }
  unsigned addRow(double lower, double upper) {
    rowLowers.push_back(lower);
    rowUppers.push_back(upper);
    return unsigned(rowLowers.size() - 1);
  }
  void add(unsigned row, unsigned column, double value) {
    if (value == 0)
      return;
    // Entries come row by row, so that an entry of the same row is the last of its column.
    if (!columns[column].empty() && columns[column].back().first == int(row))
      columns[column].back().second += value;
    else
      columns[column].push_back({int(row), value});
  }
  void addObjective(unsigned column, double value) { objectives[column] += value; }
  void shiftRow(unsigned row, double by) {
    if (rowLowers[row] > -infinite)
      rowLowers[row] += by;
    if (rowUppers[row] < infinite)
      rowUppers[row] += by;
  }
  unsigned numColumns() const { return unsigned(lowers.size()); }

  Cbc_Model *make() const {
    std::vector<CoinBigIndex> starts = {0};
    std::vector<int> indices;
    std::vector<double> values;
    for (const auto &column : columns) {
      for (auto [row, value] : column) {
        indices.push_back(row);
        values.push_back(value);
      }
      starts.push_back(CoinBigIndex(indices.size()));
    }
    Cbc_Model *model = Cbc_newModel();
    Cbc_setLogLevel(model, 0);
    Cbc_loadProblem(model, int(columns.size()), int(rowLowers.size()), starts.data(), indices.data(), values.data(),
                    lowers.data(), uppers.data(), objectives.data(), rowLowers.data(), rowUppers.data());
    for (unsigned i = 0; i < integers.size(); ++i)
      if (integers[i])
        Cbc_setInteger(model, int(i));
    Cbc_setParameter(model, "slogLevel", "0");
    Cbc_setParameter(model, "timeMode", "elapsed");
    // The default would cut off plans that are better by less than 1e-5.
    Cbc_setParameter(model, "increment", "1e-9");
    // CBC 2.10.8's integer preprocessing loses the optimum of some programs with two proportional rows and reports
    // another plan as optimal (Solve.TwoProportionalBudgets); the bound has removed most choices before anyway.
    Cbc_setParameter(model, "preprocess", "off");
    return model;
  }

private:
  std::vector<double> lowers, uppers, objectives, rowLowers, rowUppers;
  std::vector<char> integers;
  std::vector<std::vector<std::pair<int, double>>> columns;
};

/// The program over the choices that are left.
class Core {
public:
  Core(const Program &program, const std::vector<std::vector<char>> &allowed, double scale)
      : program(program), scale(scale) {
    columnOf.resize(program.units.size());
    fixed.assign(program.units.size(), -1);
    budgetRows.resize(program.numRows());
    for (unsigned u = 0; u < program.units.size(); ++u)
      addUnit(u, allowed[u]);
    addBudgets();
    addPotts();
    addEntries();
    for (unsigned r = 0; r < program.numRows(); ++r)
      for (auto [column, value] : budgetEntries[r])
        model.add(budgetRows[r], column, value);
  }

  Model model;
  /// Loss of the fixed units and the smallest losses of the others: loss = objective / scale + constant.
  double constant = 0;
  std::vector<unsigned> budgetRows;
  std::vector<std::vector<int>> columnOf;

  std::vector<unsigned> planOf(const double *solution) const {
    std::vector<unsigned> x(program.units.size());
    for (unsigned u = 0; u < x.size(); ++u) {
      if (fixed[u] >= 0) {
        x[u] = unsigned(fixed[u]);
        continue;
      }
      double best = -1;
      for (unsigned c = 0; c < columnOf[u].size(); ++c)
        if (columnOf[u][c] >= 0 && solution[columnOf[u][c]] > best) {
          best = solution[columnOf[u][c]];
          x[u] = c;
        }
    }
    return x;
  }

  /// Values of all columns for a plan; false when the plan has a choice that is not left.
  bool solutionOf(ArrayRef<unsigned> x, std::vector<double> &values) const {
    values.assign(model.numColumns(), 0);
    for (unsigned u = 0; u < x.size(); ++u) {
      if (fixed[u] >= 0) {
        if (unsigned(fixed[u]) != x[u])
          return false;
        continue;
      }
      if (columnOf[u][x[u]] < 0)
        return false;
      values[columnOf[u][x[u]]] = 1;
    }
    return true;
  }

private:
  void addUnit(unsigned u, ArrayRef<char> allowed) {
    const Unit &unit = program.units[u];
    columnOf[u].assign(unit.size(), -1);
    int last = -1;
    unsigned left = 0;
    double least = 0;
    for (unsigned c = 0; c < unit.size(); ++c)
      if (allowed[c]) {
        least = left ? std::min(least, unit.loss[c]) : unit.loss[c];
        last = int(c);
        ++left;
      }
    constant += least;
    if (left == 1) {
      fixed[u] = last;
      return;
    }
    unsigned row = model.addRow(1, 1);
    for (unsigned c = 0; c < unit.size(); ++c)
      if (allowed[c]) {
        columnOf[u][c] = int(model.addColumn(0, 1, (unit.loss[c] - least) * scale, true));
        model.add(row, unsigned(columnOf[u][c]), 1);
      }
  }

  void addBudgets() {
    budgetEntries.resize(program.numRows());
    for (unsigned r = 0; r < program.numRows(); ++r) {
      double cap = program.rows[r].cap;
      for (unsigned u = 0; u < program.units.size(); ++u) {
        if (fixed[u] >= 0) {
          cap -= program.rowsOf(u, unsigned(fixed[u]))[r];
          continue;
        }
        for (unsigned c = 0; c < columnOf[u].size(); ++c)
          if (columnOf[u][c] >= 0 && program.rowsOf(u, c)[r] != 0)
            budgetEntries[r].push_back({unsigned(columnOf[u][c]), program.rowsOf(u, c)[r]});
      }
      budgetRows[r] = model.addRow(-infinite, cap);
    }
  }

  /// Adds sum over choices of u with this label to a row, times `sign`; fixed units move the row's sides.
  void addLabel(unsigned row, unsigned u, ArrayRef<int> labels, int label, double sign) {
    if (fixed[u] >= 0) {
      if (labels[fixed[u]] == label)
        model.shiftRow(row, -sign);
      return;
    }
    for (unsigned c = 0; c < labels.size(); ++c)
      if (columnOf[u][c] >= 0 && labels[c] == label)
        model.add(row, unsigned(columnOf[u][c]), sign);
  }

  void addPotts() {
    for (const PottsTerm &term : program.potts) {
      if (fixed[term.u] >= 0 && fixed[term.v] >= 0) {
        if (term.labelU[fixed[term.u]] != term.labelV[fixed[term.v]])
          addConstant(term);
        continue;
      }
      std::vector<int> labels(term.labelU);
      labels.insert(labels.end(), term.labelV.begin(), term.labelV.end());
      llvm::sort(labels);
      labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
      // A `>=` row gains from edges: z must then be exact from above too, which takes whole numbers.
      bool helps = llvm::any_of(term.rows, [](double value) { return value < 0; });
      for (int label : labels) {
        if (!has(term.u, term.labelU, label) && (!term.hard || !has(term.v, term.labelV, label)))
          continue;
        if (term.hard) {
          unsigned row = model.addRow(0, 0);
          addLabel(row, term.u, term.labelU, label, 1);
          addLabel(row, term.v, term.labelV, label, -1);
          continue;
        }
        // z - a_u(l) + a_v(l) >= 0
        unsigned z = model.addColumn(0, 1, term.loss * scale, false);
        unsigned row = model.addRow(0, infinite);
        model.add(row, z, 1);
        addLabel(row, term.u, term.labelU, label, -1);
        addLabel(row, term.v, term.labelV, label, 1);
        if (helps) {
          // z <= a_u(l) and z <= 1 - a_v(l)
          unsigned below = model.addRow(-infinite, 0);
          model.add(below, z, 1);
          addLabel(below, term.u, term.labelU, label, -1);
          unsigned apart = model.addRow(-infinite, 1);
          model.add(apart, z, 1);
          addLabel(apart, term.v, term.labelV, label, 1);
        }
        for (unsigned r = 0; r < term.rows.size(); ++r)
          if (term.rows[r] != 0)
            budgetEntries[r].push_back({z, term.rows[r]});
      }
    }
  }
  bool has(unsigned u, ArrayRef<int> labels, int label) const {
    if (fixed[u] >= 0)
      return labels[fixed[u]] == label;
    for (unsigned c = 0; c < labels.size(); ++c)
      if (columnOf[u][c] >= 0 && labels[c] == label)
        return true;
    return false;
  }
  void addConstant(const PottsTerm &term) {
    constant += term.loss;
    for (unsigned r = 0; r < term.rows.size(); ++r)
      model.shiftRow(budgetRows[r], -term.rows[r]);
    if (term.hard) // cannot hold
      model.addRow(1, 1);
  }

  void addEntries() {
    auto state = [&](unsigned u, unsigned c) { // 0 never, 1 always, 2 open
      return fixed[u] >= 0 ? (unsigned(fixed[u]) == c ? 1 : 0) : columnOf[u][c] >= 0 ? 2 : 0;
    };
    for (const EntryTerm &term : program.entries) {
      int first = state(term.u, term.c), second = state(term.v, term.d);
      if (!first || !second)
        continue;
      if (first == 1 && second == 1) {
        constant += term.loss;
      } else if (first == 1) {
        model.addObjective(unsigned(columnOf[term.v][term.d]), term.loss * scale);
      } else if (second == 1) {
        model.addObjective(unsigned(columnOf[term.u][term.c]), term.loss * scale);
      } else {
        unsigned y = model.addColumn(0, 1, term.loss * scale, false);
        unsigned a = unsigned(columnOf[term.u][term.c]), b = unsigned(columnOf[term.v][term.d]);
        if (term.loss > 0) {
          unsigned row = model.addRow(-1, infinite);
          model.add(row, y, 1);
          model.add(row, a, -1);
          model.add(row, b, -1);
        } else {
          for (unsigned side : {a, b}) {
            unsigned row = model.addRow(-infinite, 0);
            model.add(row, y, 1);
            model.add(row, side, -1);
          }
        }
      }
    }
  }

  const Program &program;
  double scale;
  std::vector<int> fixed;
  std::vector<std::vector<std::pair<unsigned, double>>> budgetEntries;
};

std::string number(double value) {
  char text[40];
  snprintf(text, sizeof text, "%.12g", value);
  return text;
}

} // namespace

bool solveByCbc(const Program &program, Search &search, const Deadline &deadline, double relativeGap, bool warm) {
  // Coefficients where CBC's absolute tolerances (1e-6 and below) are small against differences that matter.
  double span = 0;
  for (unsigned u = 0; u < program.units.size(); ++u)
    for (unsigned c = 0; c < program.units[u].size(); ++c)
      for (unsigned d = 0; d < c; ++d)
        if (search.allowed[u][c] && search.allowed[u][d])
          span = std::max(span, std::abs(program.units[u].loss[c] - program.units[u].loss[d]));
  for (const PottsTerm &term : program.potts)
    span = std::max(span, term.loss);
  for (const EntryTerm &term : program.entries)
    span = std::max(span, std::abs(term.loss));
  double scale = span > 0 ? 1e3 / span : 1;
  double gap = search.hasBest ? search.bestLoss - search.bound : 0;
  if (warm && gap > 0)
    scale = std::max(scale, std::min(100 / gap, span > 0 ? 1e6 / span : 1));
  double tighten = 0;
  for (int attempt = 0; attempt < 4 && !deadline.over(); ++attempt) {
    Core core(program, search.allowed, scale);
    if (tighten > 0)
      for (unsigned row : core.budgetRows)
        core.model.shiftRow(row, -tighten);
    // CBC holds no program without columns.
    if (core.model.numColumns() == 0) {
      std::vector<unsigned> x = core.planOf(nullptr);
      State state(program, x);
      bool taken = search.offer(program, state) || search.hasBest;
      search.infeasible = !taken;
      if (taken)
        search.bound = std::max(search.bound, search.bestLoss);
      return true;
    }
    Cbc_Model *model = core.model.make();
    Cbc_setParameter(model, "seconds", number(std::max(0.01, deadline.left())).c_str());
    if (relativeGap > 0) {
      double loss =
          search.hasBest ? std::max(std::abs(search.bestLoss), std::abs(search.bound)) : std::abs(core.constant);
      Cbc_setParameter(model, "allowableGap", number(relativeGap * loss * scale).c_str());
    } else {
      Cbc_setParameter(model, "allowableGap", "1e-9");
    }
    Cbc_setParameter(model, "ratioGap", "0");
    std::vector<double> start;
    if (warm && search.hasBest && tighten == 0 && core.solutionOf(search.best, start)) {
      std::vector<int> columns;
      std::vector<double> values;
      for (const std::vector<int> &unit : core.columnOf)
        for (int column : unit)
          if (column >= 0) {
            columns.push_back(column);
            values.push_back(start[column]);
          }
      Cbc_setMIPStartI(model, int(columns.size()), columns.data(), values.data());
    }
    Cbc_solve(model);
    bool infeasible = Cbc_isProvenInfeasible(model);
    bool optimal = Cbc_isProvenOptimal(model);
    const double *solution = infeasible ? nullptr : Cbc_bestSolution(model);
    if (infeasible) {
      // Choices that were removed cannot be part of a plan better than the best.
      if (search.hasBest)
        search.bound = std::max(search.bound, tighten == 0 ? search.bestLoss : search.bound);
      else if (tighten == 0)
        search.infeasible = true;
      Cbc_deleteModel(model);
      return true;
    }
    bool again = false;
    if (solution) {
      State state(program, core.planOf(solution));
      double violation = state.violation();
      search.offer(program, state);
      // A plan within CBC's tolerance that breaks a budget exactly: ask again with a little less.
      if (violation > 0 && violation < 1e-3) {
        tighten += 2 * violation + 1e-9;
        again = true;
      }
    }
    if (attempt == 0) {
      double possible = Cbc_getBestPossibleObjValue(model);
      if (optimal && solution && !again)
        possible = std::max(possible, relativeGap > 0 ? possible : Cbc_getObjValue(model));
      // Rounding of the objective's own scale.
      double bound = possible / scale + core.constant;
      bound = search.hasBest ? std::min(bound, search.bestLoss) : bound;
      if (std::abs(possible) < 1e20)
        search.bound = std::max(search.bound, bound);
    }
    Cbc_deleteModel(model);
    if (!again)
      return true;
  }
  return true;
}

void polish(const Program &program, Search &search, const Deadline &deadline, double gap) {
  constexpr unsigned freeUnits = 80;
  for (unsigned round = 0; round < 4 && search.hasBest && !search.closed(program, gap) && !deadline.over(); ++round) {
    // How much a unit's cheapest other choice costs, or saves, at the prices; what it pays too much comes first.
    std::vector<std::pair<double, unsigned>> order;
    for (unsigned u = 0; u < program.units.size(); ++u) {
      double own = search.reduced[u][search.best[u]], least = infinite;
      for (unsigned c = 0; c < program.units[u].size(); ++c)
        if (search.allowed[u][c] && c != search.best[u])
          least = std::min(least, search.reduced[u][c] - own);
      if (least < infinite)
        order.push_back({least, u});
    }
    if (order.size() <= freeUnits)
      return; // the core itself is that small
    llvm::sort(order);
    Search part = search;
    for (unsigned u = 0; u < program.units.size(); ++u)
      part.allowed[u].assign(program.units[u].size(), 0);
    for (unsigned i = 0; i < freeUnits * (round + 1) && i < order.size(); ++i)
      part.allowed[order[i].second] = search.allowed[order[i].second];
    for (unsigned u = 0; u < program.units.size(); ++u)
      part.allowed[u][search.best[u]] = 1;
    // The bound is of the whole program: a gap below the wanted one is all that is needed.
    solveByCbc(program, part, Deadline(std::min(0.5, 0.1 * deadline.left())), 0.3 * gap, true);
    if (part.bestLoss < search.bestLoss) {
      search.best = part.best;
      search.bestLoss = part.bestLoss;
      reduceChoices(program, search);
    }
  }
}

std::optional<double> minimiseBudget(const Program &program, unsigned budget, ArrayRef<char> keep,
                                     const Deadline &deadline, bool &timedOut) {
  std::vector<std::vector<char>> allowed;
  for (const Unit &unit : program.units) {
    allowed.emplace_back();
    for (double loss : unit.loss)
      allowed.back().push_back(std::isfinite(loss));
  }
  Core core(program, allowed, 0);
  // No unit and no edge adds more than 1 to a scaled row: far above this a row cannot bind.
  double high = double(program.units.size() + program.potts.size());
  // Minimise t >= value / width over the rows of this budget, in the budget's own terms.
  double width = 0;
  for (const Row &row : program.rows)
    if (row.budget == budget)
      width = std::max(width, row.scale);
  unsigned t = core.model.addColumn(-infinite, infinite, 1, false);
  for (unsigned r = 0; r < program.numRows(); ++r) {
    const Row &row = program.rows[r];
    if (row.budget == budget) {
      // load - (width / scale) t <= cap: t is what has to be added to the cap.
      core.model.add(core.budgetRows[r], t, -width / row.scale);
    } else if (!keep[row.budget]) {
      core.model.shiftRow(core.budgetRows[r], 10 * high);
    }
  }
  if (core.model.numColumns() == 1)
    return std::nullopt;
  Cbc_Model *model = core.model.make();
  Cbc_setParameter(model, "seconds", number(std::max(0.01, deadline.left())).c_str());
  Cbc_solve(model);
  std::optional<double> result;
  const double *solution = Cbc_isProvenInfeasible(model) ? nullptr : Cbc_bestSolution(model);
  timedOut = !solution && !Cbc_isProvenInfeasible(model);
  if (solution) {
    // The excess of this plan, computed from the plan itself.
    State state(program, core.planOf(solution));
    double excess = -infinite;
    for (unsigned r = 0; r < program.numRows(); ++r)
      if (program.rows[r].budget == budget)
        excess = std::max(excess, (state.getLoads()[r] - program.rows[r].cap) * program.rows[r].scale);
    result = excess;
  }
  Cbc_deleteModel(model);
  return result;
}

} // namespace bitwright::solver
