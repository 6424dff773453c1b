//===- FromDecisions.cpp - a report's data from an allocation -------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Allocate/Decisions.h"
#include "lib/CostModel/CostModel.h"
#include "lib/Evaluate/Costs.h"
#include "lib/Report/Record.h"
#include "lib/Support/KendallTau.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace bitwright;
using namespace bitwright::report;

namespace {
/// As people read it: where there is no weight, the activation's format alone.
std::string labelOf(const solver::Choice &choice) {
  return choice.weight.empty() || choice.weight == "-" ? choice.activation : choice.name();
}

unsigned bitsOr(const std::string &format, unsigned otherwise) { return bitsOfFormat(format).value_or(otherwise); }

/// The choice that asks most of the layer: narrowest weight (activation where there is no weight), its other side as
/// chosen where that was measured.
unsigned narrowestChoice(const solver::Group &group, unsigned chosen) {
  auto rank = [&](unsigned i) {
    const solver::Choice &choice = group.choices[i];
    bool weighed = !choice.weight.empty() && choice.weight != "-";
    unsigned main = bitsOr(weighed ? choice.weight : choice.activation, 64);
    bool other = weighed && choice.activation != group.choices[chosen].activation;
    return std::make_tuple(main, other, i);
  };
  unsigned best = 0;
  for (unsigned i = 1; i < group.choices.size(); ++i)
    if (rank(i) < rank(best))
      best = i;
  return best;
}

/// By the names that Decisions.h lists.
std::string kindOfTrial(llvm::StringRef name) {
  if (name == "chosen")
    return "chosen";
  if (name.starts_with("uniform "))
    return "uniform";
  if (name.starts_with("random of this size"))
    return "same size";
  return name.starts_with("random ") ? "random" : "other";
}

/// The unit that a budget is shown in: the user's, and one with readable numbers where that is the plain one.
struct Unit {
  std::string name;
  double size = 1;
};
Unit unitOf(const solver::BudgetUse &use) {
  Unit unit{use.budget.unit, use.budget.unitSize > 0 ? use.budget.unitSize : 1};
  if (unit.size != 1)
    return unit;
  double value = std::max(std::fabs(use.limit), std::fabs(use.used));
  const std::pair<const char *, double> bytes[] = {{"MB", 1e6}, {"kB", 1e3}};
  const std::pair<const char *, double> operations[] = {{"T", 1e12}, {"G", 1e9}, {"M", 1e6}};
  bool isBytes = unit.name == "B" || use.budget.kind == solver::Budget::PeakMemory;
  bool isOperations = use.budget.kind == solver::Budget::Metric && use.budget.name == "bops";
  for (auto &[name, size] : isBytes ? llvm::ArrayRef(bytes) : llvm::ArrayRef(operations))
    if ((isBytes || isOperations) && value >= size)
      return {name, size};
  return unit;
}

std::string number(double value) { return llvm::formatv("{0}", llvm::format("%.2g", value)).str(); }

/// Why the solver left the group as it is, in words.
std::string reasonFor(const solver::AllocationProblem &problem, unsigned index, unsigned chosen,
                      const solver::Alternative &alternative) {
  const solver::Group &group = problem.groups[index];
  if (group.choices.size() == 1)
    return "no other formats to choose from";
  std::string tied;
  for (const solver::Tie &tie : problem.ties)
    if (llvm::is_contained(tie.groups, index))
      for (unsigned other : tie.groups)
        if (other != index) {
          tied = "; tied with " + problem.groups[other].name +
                 (tie.groups.size() > 2 ? " and " + std::to_string(tie.groups.size() - 2) + " more" : "");
          break;
        }
  if (alternative.choice < 0)
    return "its partners decide" + tied;
  std::string other = labelOf(group.choices[unsigned(alternative.choice)]);
  std::string text;
  if (alternative.loss > 0 && alternative.price > 0)
    text = other + " adds " + number(alternative.loss) + " of loss, more than what it frees is worth";
  else if (alternative.price > 0)
    text = other + " saves " + number(-alternative.loss) + " of loss, but what it needs buys more elsewhere";
  else if (alternative.price < 0)
    text = "close: " + other + " would pay if layers could be divided";
  else
    text = "close: " + other + " is as good at the shadow prices";
  return text + tied;
}

AllocationRecord allocationOf(const Decisions &decisions) {
  const solver::AllocationProblem &problem = decisions.problem;
  const solver::Plan &plan = decisions.plan;
  AllocationRecord result;
  result.lossName = problem.lossName;
  result.status = solver::nameOf(plan.status).str();
  result.method = plan.method;
  result.predicted = plan.loss;
  result.bound = plan.bound;
  result.gap = plan.gap;
  result.averageBits = plan.averageBits;
  result.pairTerms = unsigned(problem.pairs.size());
  for (auto [name, total] : llvm::zip(problem.metrics, plan.totals))
    result.totals[name] = total;
  for (const solver::BudgetUse &use : plan.budgets) {
    Unit unit = unitOf(use);
    double written = use.budget.unitSize > 0 ? use.budget.unitSize : 1;
    result.budgets.push_back({use.budget.text, use.budget.quantity(), unit.name, use.limit / unit.size,
                              use.used / unit.size, use.shadowPrice * unit.size / written});
  }
  double firstUnit = plan.budgets.empty() ? 1 : unitOf(plan.budgets.front()).size;
  auto usedBy = [&](llvm::ArrayRef<unsigned> choices) -> Figure {
    if (plan.budgets.empty() || choices.size() != problem.groups.size())
      return std::nullopt;
    return solver::valueOf(problem, plan.budgets.front().budget, choices) / firstUnit;
  };
  for (const solver::ParetoPoint &point : decisions.pareto) {
    ParetoMark mark{point.limit / firstUnit, point.limit / firstUnit, point.plan.loss, point.plan.averageBits};
    if (Figure used = usedBy(point.plan.choices))
      mark.used = *used;
    result.pareto.push_back(mark);
  }
  if (decisions.measuredLatency > 0)
    result.measuredLatency = decisions.measuredLatency;
  std::map<std::string, std::vector<double>> predictions;
  std::vector<double> measured;
  for (const PlanTrial &trial : decisions.trials) {
    result.trials.push_back(
        {trial.name, kindOfTrial(trial.name), trial.predicted, trial.measured, usedBy(trial.choices), trial.metrics});
    if (result.trials.back().kind == "chosen")
      result.measured = trial.measured;
    if (result.trials.back().kind != "random")
      continue;
    measured.push_back(trial.measured);
    predictions["predicted"].push_back(trial.predicted);
    for (auto &[name, value] : trial.metrics)
      predictions[name].push_back(value);
  }
  for (auto &[name, values] : predictions)
    if (values.size() == measured.size() && values.size() >= 3)
      if (auto tau = kendallTau(values, measured))
        result.kendall[name] = *tau;
  return result;
}
} // namespace

void report::addDecisions(Record &record, const Decisions &decisions) {
  record.allocation = allocationOf(decisions);
  const solver::AllocationProblem &problem = decisions.problem;
  const solver::Plan &plan = decisions.plan;
  llvm::StringMap<size_t> known;
  for (auto [i, layer] : llvm::enumerate(record.layers))
    known[layer.name] = i;
  llvm::StringMap<const UnitQuality *> qualities;
  for (const UnitQuality &quality : decisions.qualities)
    qualities[quality.name] = &quality;
  auto bytes = problem.findMetric("bytes");
  std::vector<Layer> ordered;
  std::vector<char> taken(record.layers.size(), false);
  for (auto [i, group] : llvm::enumerate(problem.groups)) {
    // What every plan costs belongs to no layer.
    if (group.name == restGroup || i >= plan.choices.size())
      continue;
    Layer layer;
    if (auto it = known.find(group.name); it != known.end()) {
      taken[it->second] = true;
      layer = record.layers[it->second];
    }
    unsigned chosen = plan.choices[i];
    const solver::Choice &choice = group.choices[chosen];
    layer.name = group.name;
    if (layer.kind.empty() && group.elements == 0)
      layer.kind = "activations";
    layer.elements = std::max(layer.elements, group.elements);
    layer.weight = choice.weight == "-" ? "" : choice.weight;
    // Without a choice the recipe's format stands (scales found at run time).
    if (!choice.activation.empty() && choice.activation != "-")
      layer.activation = choice.activation;
    layer.loss = choice.loss;
    if (bytes && group.elements > 0) {
      layer.bytes = choice.costs[*bytes];
      layer.bits = 8 * choice.costs[*bytes] / group.elements;
    }
    for (const solver::Choice &option : group.choices) {
      Option entry{option.weight, option.activation, option.loss, {}};
      for (auto [name, cost] : llvm::zip(problem.metrics, option.costs))
        entry.costs[name] = cost;
      layer.options.push_back(std::move(entry));
    }
    const solver::Choice &narrowest = group.choices[narrowestChoice(group, chosen)];
    if (group.choices.size() > 1) {
      layer.sensitivity = narrowest.loss;
      layer.sensitivityChoice = labelOf(narrowest);
    }
    if (auto it = qualities.find(group.name); it != qualities.end()) {
      if (!layer.weightSqnr)
        layer.weightSqnr = decibels(1, it->second->weightError);
      if (it->second->outputSqnr != 0)
        layer.outputSqnr = it->second->outputSqnr;
    }
    solver::Alternative alternative = i < plan.alternatives.size() ? plan.alternatives[i] : solver::Alternative();
    if (alternative.choice >= 0) {
      layer.alternative = labelOf(group.choices[unsigned(alternative.choice)]);
      layer.alternativeLoss = alternative.loss;
      layer.alternativePrice = alternative.price;
    }
    layer.reason = reasonFor(problem, unsigned(i), chosen, alternative);
    ordered.push_back(std::move(layer));
  }
  for (auto [i, layer] : llvm::enumerate(record.layers))
    if (!taken[i])
      ordered.push_back(std::move(layer));
  record.layers = std::move(ordered);
}
