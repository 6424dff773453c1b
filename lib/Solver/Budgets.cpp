//===- Budgets.cpp - limits of an allocation, as text ------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Budgets.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>
#include <set>

using namespace llvm;

namespace bitwright::solver {

static Error fail(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

namespace {
struct Unit {
  const char *name;
  double size;
};
} // namespace

static const Unit bytesUnits[] = {{"B", 1},    {"kB", 1e3},   {"KB", 1e3},      {"MB", 1e6},
                                  {"GB", 1e9}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
static const Unit timeUnits[] = {{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1e3}};
static const Unit bopsUnits[] = {{"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}};

static ArrayRef<Unit> unitsOf(const Budget &budget) {
  if (budget.kind == Budget::PeakMemory || (budget.kind == Budget::Metric && budget.name == "bytes"))
    return bytesUnits;
  if (budget.kind == Budget::Metric && StringRef(budget.name).split(':').first == "latency")
    return timeUnits;
  if (budget.kind == Budget::Metric && budget.name == "bops")
    return bopsUnits;
  return {};
}

std::string Budget::quantity() const {
  std::string head = kind == Count         ? "count(" + name + ")"
                     : kind == AverageBits ? "average_bits"
                     : kind == PeakMemory  ? "peak_memory"
                     : name == "bytes"     ? "size"
                                           : name;
  return set.empty() ? head : head + "[" + set + "]";
}

std::string Budget::print(double value) const {
  char buffer[64];
  snprintf(buffer, sizeof buffer, "%.6g", value / unitSize);
  std::string text = buffer;
  return unit.empty() ? text : text + " " + unit;
}

static bool isNameChar(char c) { return isAlnum(c) || c == '_' || c == ':' || c == '.' || c == '-'; }

static Expected<Budget> parseBudget(StringRef item) {
  Budget budget;
  StringRef text = item.trim();
  budget.text = text.str();
  std::string where = "budget '" + budget.text + "': ";
  if (text.empty())
    return fail("expected a budget such as 'size <= 12 MB', found nothing");
  StringRef name = text.take_while(isNameChar);
  if (name.empty())
    return fail(where + "expected a quantity (size, bops, latency, average_bits, peak_memory, count(FORMAT)), found '" +
                text.take_front(8) + "'");
  text = text.drop_front(name.size()).ltrim();
  if (name == "count") {
    budget.kind = Budget::Count;
    if (!text.consume_front("(") || !text.contains(')'))
      return fail(where + "expected a format in parentheses, as in 'count(s4) <= 3'");
    auto [label, rest] = text.split(')');
    budget.name = label.trim().str();
    text = rest.ltrim();
    if (budget.name.empty())
      return fail(where + "expected a format in the parentheses, found nothing");
  } else if (name == "average_bits") {
    budget.kind = Budget::AverageBits;
  } else if (name == "peak_memory") {
    budget.kind = Budget::PeakMemory;
  } else {
    budget.name = name == "size" ? "bytes" : name.str();
  }
  if (text.consume_front("[")) {
    if (!text.contains(']'))
      return fail(where + "expected ']' after the name of the set");
    auto [set, rest] = text.split(']');
    budget.set = set.trim().str();
    text = rest.ltrim();
    if (budget.set.empty())
      return fail(where + "expected the name of a set between '[' and ']', found nothing");
    if (budget.kind == Budget::PeakMemory)
      return fail(where + "peak_memory holds for the whole program; it takes no set");
  }
  if (text.consume_front(">="))
    budget.lower = true;
  else if (!text.consume_front("<="))
    return fail(where + "expected '<=' or '>=', found '" + text.take_front(8) + "'");
  if (budget.lower && budget.kind == Budget::PeakMemory)
    return fail(where + "peak_memory can only be limited from above ('<=')");
  text = text.ltrim();
  // The longest prefix that reads as a number; an exponent is taken only with its digits.
  size_t end = 0;
  auto digits = [&] {
    while (end < text.size() && isDigit(text[end]))
      ++end;
  };
  if (end < text.size() && (text[end] == '+' || text[end] == '-'))
    ++end;
  digits();
  if (end < text.size() && text[end] == '.')
    ++end, digits();
  if (end + 1 < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent + 1 < text.size() && (text[exponent] == '+' || text[exponent] == '-'))
      ++exponent;
    if (isDigit(text[exponent])) {
      end = exponent;
      digits();
    }
  }
  if (text.take_front(end).getAsDouble(budget.limit) || !std::isfinite(budget.limit))
    return fail(where + "expected a number after '" + (budget.lower ? ">=" : "<=") + "', found '" +
                text.take_front(12) + "'");
  StringRef unit = text.drop_front(end).trim();
  ArrayRef<Unit> units = unitsOf(budget);
  if (!units.empty()) {
    budget.unit = units.front().name;
    if (units.data() == timeUnits)
      budget.unit = "ms";
    if (units.data() == bopsUnits)
      budget.unit.clear();
  }
  if (unit == "%") {
    if (budget.kind == Budget::PeakMemory || budget.kind == Budget::Count)
      return fail(where + "a percentage is not possible for " + budget.quantity());
    if (budget.limit < 0 || budget.limit > 100)
      return fail(where + "expected a percentage between 0 and 100, found " + text.take_front(end));
    budget.limit /= 100;
    budget.relative = true;
  } else if (!unit.empty()) {
    const Unit *found = llvm::find_if(units, [&](const Unit &u) { return unit == u.name; });
    if (found == units.end()) {
      std::string names;
      for (const Unit &u : units)
        names += std::string(u.name) + ", ";
      return fail(where + "unknown unit '" + unit + "'; " +
                  (units.empty() ? budget.quantity() + " takes none, or %" : "expected one of " + names + "%"));
    }
    budget.unit = found->name;
    budget.unitSize = found->size;
    budget.limit *= found->size;
  }
  return budget;
}

Expected<std::vector<Budget>> parseBudgets(StringRef text) {
  std::vector<Budget> budgets;
  SmallVector<StringRef> items;
  text.split(items, ',');
  for (StringRef item : items) {
    Expected<Budget> budget = parseBudget(item);
    if (!budget)
      return budget.takeError();
    budgets.push_back(std::move(*budget));
  }
  return budgets;
}

static std::string join(const std::set<std::string> &names) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

Error checkBudgets(const AllocationProblem &problem, ArrayRef<Budget> budgets) {
  for (const Budget &budget : budgets) {
    std::string where = "budget '" + budget.text + "': ";
    if (!std::isfinite(budget.limit))
      return fail(where + "expected a finite limit");
    if (!budget.set.empty()) {
      std::set<std::string> sets;
      for (const Group &group : problem.groups)
        if (!group.set.empty())
          sets.insert(group.set);
      if (!sets.count(budget.set))
        return fail(where + "no group is in a set '" + budget.set + "'; sets: " + join(sets));
    }
    auto inSet = [&](const Group &group) { return budget.set.empty() || budget.set == group.set; };
    switch (budget.kind) {
    case Budget::Metric:
      if (!problem.findMetric(budget.name))
        return fail(where + "the choices have no figure '" + budget.name +
                    "'; they have: " + join({problem.metrics.begin(), problem.metrics.end()}));
      break;
    case Budget::AverageBits:
      if (!problem.findMetric("bytes"))
        return fail(where + "average bits are counted from 'bytes', which the choices do not have");
      if (llvm::none_of(problem.groups, [&](const Group &group) { return inSet(group) && group.elements > 0; }))
        return fail(where + "no group says how many elements it has");
      break;
    case Budget::PeakMemory:
      if (problem.memoryPoints.empty())
        return fail(where + "the problem has no memory points");
      break;
    case Budget::Count: {
      std::set<std::string> labels;
      bool found = false;
      for (const Group &group : problem.groups)
        for (const Choice &choice : group.choices) {
          labels.insert(choice.weight);
          found |= hasLabel(choice, budget.name);
        }
      if (!found)
        return fail(where + "no choice has the format '" + budget.name + "'; weight formats: " + join(labels));
      break;
    }
    }
  }
  return Error::success();
}

} // namespace bitwright::solver
