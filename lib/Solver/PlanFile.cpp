//===- PlanFile.cpp - a plan as text -----------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Solve.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace bitwright::solver {

static void printBudgets(json::OStream &out, const Plan &plan) {
  out.attributeArray("budgets", [&] {
    for (const BudgetUse &use : plan.budgets)
      out.object([&] {
        out.attribute("budget", use.budget.text);
        out.attribute("limit", use.limit);
        out.attribute("used", use.used);
        out.attribute("shadow_price", use.shadowPrice);
        out.attribute("shadow_price_per", use.budget.unit.empty() ? "1" : use.budget.unit);
      });
  });
}

static void printChoice(json::OStream &out, const Choice &choice) {
  out.attribute("weight", choice.weight);
  if (!choice.activation.empty())
    out.attribute("activation", choice.activation);
}

/// Group names in order with the chosen formats, one string a group.
static void printNames(json::OStream &out, const AllocationProblem &problem, const Plan &plan) {
  out.attributeArray("choices", [&] {
    for (unsigned g = 0; g < plan.choices.size(); ++g)
      out.value(problem.groups[g].choices[plan.choices[g]].name());
  });
}

std::string printPlan(const AllocationProblem &problem, const Plan &plan, ArrayRef<ParetoPoint> pareto,
                      ArrayRef<SplitCandidate> candidates, function_ref<void(json::OStream &)> more) {
  std::string text;
  raw_string_ostream stream(text);
  json::OStream out(stream, 1);
  out.object([&] {
    out.attribute("version", 1);
    out.attributeObject("model", [&] {
      out.attribute("name", problem.model);
      out.attribute("digest", problem.digest);
    });
    out.attribute("status", nameOf(plan.status));
    out.attribute("method", plan.method);
    out.attribute("loss", plan.loss);
    out.attribute("bound", plan.bound);
    out.attribute("gap", plan.gap);
    out.attributeObject("totals", [&] {
      for (unsigned m = 0; m < problem.metrics.size(); ++m)
        out.attribute(problem.metrics[m], plan.totals[m]);
      if (plan.averageBits > 0)
        out.attribute("average_bits", plan.averageBits);
    });
    printBudgets(out, plan);
    out.attributeArray("groups", [&] {
      for (unsigned g = 0; g < problem.groups.size(); ++g) {
        const Group &group = problem.groups[g];
        const Choice &choice = group.choices[plan.choices[g]];
        const Alternative &other = plan.alternatives[g];
        out.object([&] {
          out.attribute("name", group.name);
          printChoice(out, choice);
          out.attribute("loss", choice.loss);
          if (other.choice >= 0)
            out.attributeObject("alternative", [&] {
              printChoice(out, group.choices[other.choice]);
              out.attribute("loss_change", other.loss);
              out.attribute("price", other.price);
            });
        });
      }
    });
    if (!pareto.empty())
      out.attributeArray("pareto", [&] {
        for (const ParetoPoint &point : pareto)
          out.object([&] {
            out.attribute("limit", point.limit);
            out.attribute("loss", point.plan.loss);
            out.attribute("gap", point.plan.gap);
            printBudgets(out, point.plan);
            printNames(out, problem, point.plan);
          });
      });
    if (!candidates.empty())
      out.attributeArray("candidates", [&] {
        for (const SplitCandidate &candidate : candidates)
          out.object([&] {
            out.attribute("target", candidate.target);
            out.attribute("ratio", candidate.ratio);
            out.attribute("first_bits", candidate.firstBits);
            out.attribute("second_bits", candidate.secondBits);
            out.attribute("first_loss", candidate.firstLoss);
            out.attribute("second_loss", candidate.secondLoss);
            printNames(out, problem, candidate.plan);
          });
      });
    if (more)
      more(out);
  });
  stream << '\n';
  return text;
}

} // namespace bitwright::solver
