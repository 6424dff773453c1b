//===- AllocationProblem.h - which format for which operation ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The allocation program of METHODS section 3 ("unified compiler ILP"): groups (an operation, or operations that are
// fused) choose exactly one of their choices (weight format, activation format); the sum of the losses is minimised.
// Nothing here knows a model: all figures come from measurements, as a file or from the caller.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_SOLVER_ALLOCATIONPROBLEM_H
#define BITWRIGHT_LIB_SOLVER_ALLOCATIONPROBLEM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llvm::json {
class OStream;
}

namespace bitwright::solver {

/// What two choices are compared by.
enum class Side { Choice, Weight, Activation };
llvm::StringRef nameOf(Side side);

/// One way to execute a group.
struct Choice {
  /// Format names such as `s4` or `s4g128`; only compared, never interpreted.
  std::string weight, activation;
  /// Expected increase of the model's loss; may be negative, must be finite.
  double loss = 0;
  /// One figure for each of AllocationProblem::metrics.
  std::vector<double> costs;
  /// (memory point, bytes of activations alive there because of this group).
  std::vector<std::pair<unsigned, double>> memory;

  /// `weight/activation`, the name under which plans and overrides speak of it.
  std::string name() const { return activation.empty() ? weight : weight + "/" + activation; }
  std::string label(Side side) const {
    return side == Side::Weight ? weight : side == Side::Activation ? activation : name();
  }
};

struct Group {
  std::string name;
  /// Budgets can be limited to a set: `average_bits[content]`.
  std::string set;
  /// Weight elements, the divisor of average bits.
  double elements = 0;
  std::vector<Choice> choices;
};

/// All groups take the same label on `side` (tied embeddings, operands of one residual addition, fused q/k/v).
struct Tie {
  std::vector<unsigned> groups;
  Side side = Side::Choice;
};

/// Charged when the label of `from` on `fromSide` differs from that of `to` on `toSide` (a requantization between
/// them).
struct Edge {
  unsigned from = 0, to = 0;
  Side fromSide = Side::Activation, toSide = Side::Activation;
  /// Both must not be negative.
  double loss = 0;
  std::vector<double> costs;
};

/// Measured interaction: `loss` (either sign) is added when both groups have these choices.
struct PairTerm {
  unsigned first = 0, second = 0;
  unsigned firstChoice = 0, secondChoice = 0;
  double loss = 0;
};

/// A place in the program where activations are alive; `fixed` bytes whatever is chosen.
struct MemoryPoint {
  std::string name;
  double fixed = 0;
};

/// A decision made by the user: groups that match `pattern` (`*` stands for any text) take `choice`, or never do.
/// `choice` is a weight format (`s8`), a pair (`s8/s8`) or `*/s16` for the activation alone.
struct Override {
  std::string pattern, choice;
  bool forbid = false;
};

struct AllocationProblem {
  std::string model, digest;
  /// What `loss` measures; printed only.
  std::string lossName;
  /// Names of Choice::costs. `bytes` (bytes of weights), `bops` (bit operations), `latency` (milliseconds) are known to
  /// the budget parser; others, also `latency:decode` for a second scenario, are free.
  std::vector<std::string> metrics;
  std::vector<Group> groups;
  std::vector<Tie> ties;
  std::vector<Edge> edges;
  std::vector<PairTerm> pairs;
  std::vector<MemoryPoint> memoryPoints;

  std::optional<unsigned> findMetric(llvm::StringRef name) const;
  std::optional<unsigned> findGroup(llvm::StringRef name) const;

  /// Index of a group's choice by name, none when there is no such choice.
  std::optional<unsigned> findChoice(unsigned group, llvm::StringRef name) const;
};

/// Everything the solver relies on: at least one group and one choice each, unique names, finite figures, indices in
/// range, edge terms not negative. Errors name the group and the figure.
llvm::Error validate(const AllocationProblem &problem);

/// Removes choices that the overrides rule out. Errors: a pattern that matches nothing, an unknown choice, two
/// overrides that leave a group (or groups that are tied) without a choice; the message names both overrides.
llvm::Error applyOverrides(AllocationProblem &problem, llvm::ArrayRef<Override> overrides);

/// Reads the statistics format of docs/Allocation.md (version 1). `where` names the text in messages.
llvm::Expected<AllocationProblem> parseProblem(llvm::StringRef json, llvm::StringRef where);
/// Writes it; `more` adds keys to the file's object, which parseProblem passes over.
std::string printProblem(const AllocationProblem &problem,
                         llvm::function_ref<void(llvm::json::OStream &)> more = nullptr);

} // namespace bitwright::solver

#endif // BITWRIGHT_LIB_SOLVER_ALLOCATIONPROBLEM_H
