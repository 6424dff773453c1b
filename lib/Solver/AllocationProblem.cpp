//===- AllocationProblem.cpp - checks and overrides --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/AllocationProblem.h"
#include "lib/Solver/Budgets.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/GlobPattern.h"

#include <cmath>

using namespace llvm;

namespace bitwright::solver {

static Error fail(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

StringRef nameOf(Side side) { return side == Side::Choice ? "choice" : side == Side::Weight ? "weight" : "activation"; }

std::optional<unsigned> AllocationProblem::findMetric(StringRef name) const {
  auto it = llvm::find(metrics, name);
  return it == metrics.end() ? std::nullopt : std::optional<unsigned>(it - metrics.begin());
}

std::optional<unsigned> AllocationProblem::findGroup(StringRef name) const {
  for (unsigned i = 0; i < groups.size(); ++i)
    if (groups[i].name == name)
      return i;
  return std::nullopt;
}

std::optional<unsigned> AllocationProblem::findChoice(unsigned group, StringRef name) const {
  for (unsigned i = 0; i < groups[group].choices.size(); ++i)
    if (groups[group].choices[i].name() == name)
      return i;
  return std::nullopt;
}

static Error checkFinite(double value, const Twine &what, StringRef group, StringRef choice) {
  if (std::isfinite(value))
    return Error::success();
  return fail("group '" + group + "', choice '" + choice + "': expected a finite " + what + ", found " +
              (std::isnan(value) ? "NaN" : "infinity") + "; measure it again or leave the choice out");
}

Error validate(const AllocationProblem &problem) {
  if (problem.groups.empty())
    return fail("expected at least one group, found none: there is nothing to allocate");
  StringSet<> names;
  for (const Group &group : problem.groups) {
    if (!names.insert(group.name).second)
      return fail("group '" + group.name + "' stands there twice; names must be unique");
    if (group.choices.empty())
      return fail("group '" + group.name + "' is empty: expected at least one choice");
    if (!std::isfinite(group.elements) || group.elements < 0)
      return fail("group '" + group.name + "': expected a count of elements of at least 0, found " +
                  Twine(std::to_string(group.elements)));
    StringSet<> choices;
    for (const Choice &choice : group.choices) {
      if (!choices.insert(choice.name()).second)
        return fail("group '" + group.name + "' has the choice '" + choice.name() + "' twice");
      if (Error error = checkFinite(choice.loss, "loss", group.name, choice.name()))
        return error;
      if (choice.costs.size() != problem.metrics.size())
        return fail("group '" + group.name + "', choice '" + choice.name() + "': expected " +
                    Twine(problem.metrics.size()) + " costs, one for each metric, found " + Twine(choice.costs.size()));
      for (auto [metric, cost] : llvm::zip(problem.metrics, choice.costs))
        if (Error error = checkFinite(cost, "'" + metric + "'", group.name, choice.name()))
          return error;
      for (auto [point, bytes] : choice.memory) {
        if (point >= problem.memoryPoints.size())
          return fail("group '" + group.name + "': memory point " + Twine(point) + " does not exist; there are " +
                      Twine(problem.memoryPoints.size()));
        if (Error error = checkFinite(bytes, "activation memory", group.name, choice.name()))
          return error;
        if (bytes < 0)
          return fail("group '" + group.name + "', choice '" + choice.name() +
                      "': expected activation memory of at least 0 bytes, found " + Twine(std::to_string(bytes)));
      }
    }
  }
  auto checkGroup = [&](unsigned group, StringRef where) -> Error {
    if (group < problem.groups.size())
      return Error::success();
    return fail(where + " speaks of group " + Twine(group) + "; there are " + Twine(problem.groups.size()));
  };
  for (const Tie &tie : problem.ties)
    for (unsigned group : tie.groups)
      if (Error error = checkGroup(group, "a tie"))
        return error;
  for (const Edge &edge : problem.edges) {
    for (unsigned group : {edge.from, edge.to})
      if (Error error = checkGroup(group, "an edge"))
        return error;
    std::string where =
        "edge '" + problem.groups[edge.from].name + "' -> '" + problem.groups[edge.to].name + "': expected ";
    if (!std::isfinite(edge.loss) || edge.loss < 0)
      return fail(where + "a loss of at least 0, found " + Twine(std::to_string(edge.loss)));
    if (edge.costs.size() > problem.metrics.size())
      return fail(where + "at most " + Twine(problem.metrics.size()) + " costs, found " + Twine(edge.costs.size()));
    for (double cost : edge.costs)
      if (!std::isfinite(cost) || cost < 0)
        return fail(where + "costs of at least 0, found " + Twine(std::to_string(cost)));
  }
  for (const PairTerm &pair : problem.pairs) {
    for (unsigned group : {pair.first, pair.second})
      if (Error error = checkGroup(group, "a pair term"))
        return error;
    if (pair.first == pair.second)
      return fail("a pair term joins group '" + problem.groups[pair.first].name + "' with itself");
    if (pair.firstChoice >= problem.groups[pair.first].choices.size() ||
        pair.secondChoice >= problem.groups[pair.second].choices.size())
      return fail("the pair term of '" + problem.groups[pair.first].name + "' and '" +
                  problem.groups[pair.second].name + "' speaks of a choice that does not exist");
    if (!std::isfinite(pair.loss))
      return fail("the pair term of '" + problem.groups[pair.first].name + "' and '" +
                  problem.groups[pair.second].name + "': expected a finite loss");
  }
  for (const MemoryPoint &point : problem.memoryPoints)
    if (!std::isfinite(point.fixed) || point.fixed < 0)
      return fail("memory point '" + point.name + "': expected at least 0 bytes, found " +
                  Twine(std::to_string(point.fixed)));
  return Error::success();
}

bool hasLabel(const Choice &choice, StringRef label) {
  auto [weight, activation] = label.split('/');
  if (weight != "*" && weight != choice.weight)
    return false;
  return !label.contains('/') || activation == "*" || activation == choice.activation;
}

static std::string print(const Override &rule) {
  return "'" + rule.pattern + (rule.forbid ? "!=" : "=") + rule.choice + "'";
}

Error applyOverrides(AllocationProblem &problem, ArrayRef<Override> overrides) {
  if (overrides.empty())
    return Error::success();
  std::vector<std::vector<char>> keep;
  std::vector<const Override *> last(problem.groups.size());
  for (const Group &group : problem.groups)
    keep.emplace_back(group.choices.size(), 1);
  for (const Override &rule : overrides) {
    Expected<GlobPattern> pattern = GlobPattern::create(rule.pattern);
    if (!pattern)
      return fail("override " + print(rule) + ": the pattern is malformed: " + toString(pattern.takeError()));
    bool matched = false;
    for (unsigned g = 0; g < problem.groups.size(); ++g) {
      const Group &group = problem.groups[g];
      if (!pattern->match(group.name))
        continue;
      matched = true;
      bool known = false, left = false;
      for (unsigned c = 0; c < group.choices.size(); ++c) {
        bool hit = hasLabel(group.choices[c], rule.choice);
        known |= hit;
        if (hit == rule.forbid)
          keep[g][c] = 0;
        left |= keep[g][c];
      }
      if (!known && !rule.forbid) {
        std::string names;
        for (const Choice &choice : group.choices)
          names += (names.empty() ? "" : ", ") + choice.name();
        return fail("override " + print(rule) + ": group '" + group.name + "' has no such choice; it has " + names);
      }
      if (!left)
        return last[g] ? fail("overrides " + print(*last[g]) + " and " + print(rule) +
                              " contradict each other: together they leave group '" + group.name + "' no choice")
                       : fail("override " + print(rule) + " leaves group '" + group.name + "' no choice");
      last[g] = &rule;
    }
    if (!matched)
      return fail("override " + print(rule) + ": no group has a name like '" + rule.pattern + "'");
  }
  for (const Tie &tie : problem.ties) {
    // The labels that all of the tied groups still have.
    StringMap<unsigned> count;
    for (unsigned g : tie.groups) {
      StringSet<> labels;
      for (unsigned c = 0; c < keep[g].size(); ++c)
        if (keep[g][c])
          labels.insert(problem.groups[g].choices[c].label(tie.side));
      for (const auto &label : labels)
        ++count[label.getKey()];
    }
    if (tie.groups.empty() || llvm::any_of(count, [&](const auto &entry) { return entry.second == tie.groups.size(); }))
      continue;
    const Override *first = nullptr, *second = nullptr;
    std::string names;
    for (unsigned g : tie.groups) {
      names += (names.empty() ? "'" : ", '") + problem.groups[g].name + "'";
      if (!last[g])
        continue;
      if (!first)
        first = last[g];
      else if (last[g] != first)
        second = last[g];
    }
    std::string who = first && second
                          ? "overrides " + print(*first) + " and " + print(*second) + " contradict each other: "
                      : first ? "override " + print(*first) + " cannot be kept: "
                              : "";
    return fail(who + "the groups " + names + " must have the same " + nameOf(tie.side) + ", and no such " +
                nameOf(tie.side) + " is left");
  }
  // Indices of choices shift: pair terms follow.
  std::vector<std::vector<int>> moved;
  for (unsigned g = 0; g < problem.groups.size(); ++g) {
    std::vector<Choice> left;
    std::vector<int> to;
    for (unsigned c = 0; c < keep[g].size(); ++c) {
      to.push_back(keep[g][c] ? int(left.size()) : -1);
      if (keep[g][c])
        left.push_back(std::move(problem.groups[g].choices[c]));
    }
    problem.groups[g].choices = std::move(left);
    moved.push_back(std::move(to));
  }
  llvm::erase_if(problem.pairs, [&](PairTerm &pair) {
    int c = moved[pair.first][pair.firstChoice], d = moved[pair.second][pair.secondChoice];
    pair.firstChoice = unsigned(c);
    pair.secondChoice = unsigned(d);
    return c < 0 || d < 0;
  });
  return Error::success();
}

} // namespace bitwright::solver
