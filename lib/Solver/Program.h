//===- Program.h - the allocation program in solver form ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Internal to lib/Solver. Ties on whole choices are merged into units, budgets become rows `sum <= cap`, edge and pair
// terms become tables between two units.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_SOLVER_PROGRAM_H
#define BITWRIGHT_LIB_SOLVER_PROGRAM_H

#include "lib/Solver/Solve.h"

#include <chrono>

namespace bitwright::solver {

/// Groups that must take the same choice.
struct Unit {
  std::vector<unsigned> groups;
  /// pick[c][i]: the choice of groups[i] when the unit takes c.
  std::vector<std::vector<unsigned>> pick;
  std::vector<double> loss;
  /// rows[c * numRows + r]
  std::vector<double> rows;
  unsigned size() const { return unsigned(loss.size()); }
};

/// Cost when labels differ; `hard` forbids it. Labels are numbered per term.
struct PottsTerm {
  unsigned u = 0, v = 0;
  std::vector<int> labelU, labelV;
  double loss = 0;
  std::vector<double> rows;
  bool hard = false;
};

struct EntryTerm {
  unsigned u = 0, v = 0, c = 0, d = 0;
  double loss = 0;
};

/// Sum of all terms between two units, u < v: table[c * size(v) + d].
struct PairTable {
  unsigned u = 0, v = 0;
  std::vector<double> loss;
  std::vector<char> forbidden;
  /// Rows that some term of the pair uses, and their tables.
  std::vector<std::pair<unsigned, std::vector<double>>> rows;
};

struct Row {
  /// Scaled so that the widest span of a unit is 1 and each unit's smallest entry is 0.
  double cap = 0;
  /// The budget it comes from, and the value in the budget's terms: raw = scale * scaled + offset (for `<=` rows).
  unsigned budget = 0;
  double scale = 1, offset = 0;
  std::string point;
};

struct Program {
  std::vector<Unit> units;
  std::vector<Row> rows;
  std::vector<PottsTerm> potts;
  std::vector<EntryTerm> entries;
  std::vector<PairTable> pairs;
  /// Pairs that touch each unit.
  std::vector<std::vector<unsigned>> pairsOf;
  /// Budget limits with percent resolved, in each quantity's own unit.
  std::vector<double> limits;
  /// Relative tolerance of caps, scaled: a row holds when load <= cap + slack[r].
  std::vector<double> slack;

  unsigned numRows() const { return unsigned(rows.size()); }
  const double *rowsOf(unsigned u, unsigned c) const { return units[u].rows.data() + size_t(c) * rows.size(); }
  std::vector<unsigned> expand(llvm::ArrayRef<unsigned> x, unsigned numGroups) const;
};

/// A row that no plan can keep.
struct AloneInfeasible {
  unsigned budget = 0;
  double best = 0;
};

/// Builds the program; budgets that one row cannot keep at all come back in `alone` (the program is then not usable).
llvm::Expected<Program> buildProgram(const AllocationProblem &problem, llvm::ArrayRef<Budget> budgets,
                                     std::vector<AloneInfeasible> &alone);

/// A plan over units with its loads, changed one unit at a time.
class State {
public:
  State(const Program &program, std::vector<unsigned> x);
  const std::vector<unsigned> &get() const { return x; }
  double getLoss() const { return loss; }
  llvm::ArrayRef<double> getLoads() const { return loads; }
  /// Some tie does not hold.
  bool isBroken() const { return broken != 0; }
  /// Rows and hard ties hold.
  bool feasible() const;
  /// Sum over rows of the part above the cap, plus one per broken tie.
  double violation() const;
  /// Change of loss when unit u takes c; `rows` (numRows) receives the change of the loads, `ties` of the broken ties.
  double delta(unsigned u, unsigned c, std::vector<double> &rows, int &ties) const;
  void move(unsigned u, unsigned c);

private:
  const Program &program;
  std::vector<unsigned> x;
  double loss = 0;
  std::vector<double> loads;
  int broken = 0;
};

class Deadline {
public:
  explicit Deadline(double seconds) : start(std::chrono::steady_clock::now()), limit(seconds) {}
  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); }
  double left() const { return limit - elapsed(); }
  bool over() const { return left() <= 0; }

private:
  std::chrono::steady_clock::time_point start;
  double limit;
};

/// What is known about a program while it is being solved; choices leave `allowed` only when no plan better than
/// `best` has them.
struct Search {
  std::vector<std::vector<char>> allowed;
  std::vector<double> prices;
  double bound = 0;
  std::vector<unsigned> best;
  double bestLoss = 0;
  bool hasBest = false;
  bool infeasible = false;
  /// Reduced cost of each choice above the bound, when bound was taken.
  std::vector<std::vector<double>> reduced;

  /// Takes a plan when it is feasible and better.
  bool offer(const Program &program, const State &state);
  double tolerance(const Program &program) const;
  bool closed(const Program &program, double relativeGap) const;
};

/// Gap as SolveOptions defines it.
double relativeGap(double loss, double bound);

/// Lagrangian bound, prices and plans (Bound.cpp).
void computeBound(const Program &program, Search &search, const Deadline &deadline, double relativeGap);
/// Improves a feasible plan by changes of one and two units.
void improve(const Program &program, Search &search, State state, const Deadline &deadline);

/// Removes choices that every plan better than the best does without.
void reduceChoices(const Program &program, Search &search);
/// Improves the best plan with CBC on the units where the decision is closest, the others fixed (Cbc.cpp).
void polish(const Program &program, Search &search, const Deadline &deadline, double relativeGap);

/// One budget, no pair terms: keeps the states that no other dominates. False when there are too many of them.
bool solveByDynamicProgramming(const Program &program, Search &search, const Deadline &deadline);
/// Depth first on the Lagrangian bound, no pair terms. False when the number of nodes is spent.
bool solveByBranchAndBound(const Program &program, Search &search, const Deadline &deadline, double relativeGap);

/// CBC on what is left of the program; updates best and bound. False on internal failure of CBC.
bool solveByCbc(const Program &program, Search &search, const Deadline &deadline, double relativeGap, bool warm);

/// Smallest worst-row value (in scaled rows of `budget`) with the rows of the budgets in `keep` held; none when those
/// cannot be held, or when time ran out (`timedOut`).
std::optional<double> minimiseBudget(const Program &program, unsigned budget, llvm::ArrayRef<char> keep,
                                     const Deadline &deadline, bool &timedOut);

} // namespace bitwright::solver

#endif // BITWRIGHT_LIB_SOLVER_PROGRAM_H
