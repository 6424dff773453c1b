//===- Budgets.h - limits of an allocation, as text --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
//   budgets  := budget (',' budget)*
//   budget   := quantity ['[' set ']'] ('<=' | '>=') number [unit | '%']
//   quantity := 'size' | 'bops' | 'latency' | METRIC | 'average_bits' | 'peak_memory' | 'count' '(' label ')'
//
// Units: B kB MB GB (powers of 1000) KiB MiB GiB; k M G T of bit operations; ns us ms s. `%` is a part of the span
// between the smallest and the largest value that any plan has. `count(s4)` counts groups whose weights have format s4,
// `count(*/s16)` activations, `count(s4/s8)` both.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_SOLVER_BUDGETS_H
#define BITWRIGHT_LIB_SOLVER_BUDGETS_H

#include "lib/Solver/AllocationProblem.h"

namespace bitwright::solver {

struct Budget {
  enum Kind { Metric, AverageBits, PeakMemory, Count };
  Kind kind = Metric;
  /// Metric: its name in the problem. Count: the label.
  std::string name;
  /// Only groups of this set count; empty: all.
  std::string set;
  /// A lower limit (`>=`) instead of an upper one.
  bool lower = false;
  /// In the metric's own unit, or a fraction of the span when `relative`.
  double limit = 0;
  bool relative = false;
  /// As the user wrote it, for messages.
  std::string text;
  /// The unit in which values are printed, and its size in the metric's own unit.
  std::string unit;
  double unitSize = 1;

  /// `size`, `average_bits[content]`, `count(s4)`.
  std::string quantity() const;
  /// A value of this quantity with its unit, `11.93 MB`.
  std::string print(double value) const;
};

/// Parses a list of budgets. Errors name the part of the text that is wrong and say what may stand there.
llvm::Expected<std::vector<Budget>> parseBudgets(llvm::StringRef text);

/// Checks that a problem has what the budgets speak of (metric, set, label). Errors list what there is.
llvm::Error checkBudgets(const AllocationProblem &problem, llvm::ArrayRef<Budget> budgets);

/// Whether a choice has the label of a `count(...)` or of an override: `s4`, `s4/s8`, `*/s16`.
bool hasLabel(const Choice &choice, llvm::StringRef label);

} // namespace bitwright::solver

#endif // BITWRIGHT_LIB_SOLVER_BUDGETS_H
