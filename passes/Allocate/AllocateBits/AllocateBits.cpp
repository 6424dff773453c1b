//===- AllocateBits.cpp - formats by an exact program, or from a plan ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Allocate/AllocateBits/AllocateBits.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Allocate/Plan.h"
#include "lib/Solver/Solve.h"
#include "passes/Quantize/Remark.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"

namespace bitwright {
#define GEN_PASS_DEF_ALLOCATEBITS
#include "passes/Allocate/AllocateBits/AllocateBits.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct AllocateBits : bitwright::impl::AllocateBitsBase<AllocateBits> {
  using AllocateBitsBase::AllocateBitsBase;

  void runOnOperation() override {
    if (llvm::Error error = allocate()) {
      getOperation().emitError() << "allocate-bits: " << llvm::toString(std::move(error));
      signalPassFailure();
    }
  }

  llvm::Error allocate() {
    if (plan.empty() == sensitivities.empty())
      return llvm::createStringError("expected one of the options 'plan' and 'sensitivities', found " +
                                     llvm::Twine(plan.empty() ? "neither" : "both"));
    if (!plan.empty()) {
      if (!budget.empty())
        return llvm::createStringError("expected 'budget' with 'sensitivities': a plan has its formats already");
      auto formats = readPlan(plan);
      if (!formats)
        return formats.takeError();
      if (llvm::Error error = apply(*formats, plan))
        return error;
      for (const UnitFormats &unit : formats->units)
        remark(unit, "from the plan");
      return llvm::Error::success();
    }
    auto file = llvm::MemoryBuffer::getFile(sensitivities, /*IsText=*/true);
    if (!file)
      return llvm::createStringError("cannot read '" + sensitivities + "': " + file.getError().message());
    auto problem = solver::parseProblem((*file)->getBuffer(), sensitivities);
    if (!problem)
      return problem.takeError();
    auto budgets = solver::parseBudgets(budget);
    if (!budgets)
      return budgets.takeError();
    if (llvm::Error error = solver::checkBudgets(*problem, *budgets))
      return error;
    auto solved = solver::solve(*problem, *budgets);
    if (!solved)
      return solved.takeError();
    if (llvm::Error error = apply(planOf(*problem, solved->choices), sensitivities))
      return error;
    for (auto [index, group] : llvm::enumerate(problem->groups)) {
      const solver::Choice &choice = group.choices[solved->choices[index]];
      const solver::Alternative &other = solved->alternatives[index];
      std::string text;
      llvm::raw_string_ostream stream(text);
      stream << "loss " << llvm::format("%.4g", choice.loss);
      if (other.choice >= 0)
        stream << "; next best " << group.choices[size_t(other.choice)].name() << " at a price of "
               << llvm::format("%.4g", other.price);
      remark({group.name, choice.weight, choice.activation}, text);
    }
    return llvm::Error::success();
  }

  llvm::Error apply(const FormatPlan &formats, StringRef file) {
    if (llvm::Error error = applyPlan(getOperation(), formats))
      return llvm::createStringError(file + ": " + llvm::toString(std::move(error)));
    return llvm::Error::success();
  }

  void remark(const UnitFormats &unit, const std::string &why) {
    std::string formats = unit.weight.empty() || unit.weight == "-" ? "" : "weight " + unit.weight;
    if (!unit.activation.empty())
      formats += (formats.empty() ? "" : ", ") + ("activation " + unit.activation);
    getOperation().walk([&](Operation *op) {
      if (op->getNumResults() > 0 && (bitwright::getName(op) == unit.name || getValueName(op->getResult(0)) == unit.name))
        remarkOn(op, true, "allocate", "formats", formats + ": " + why);
    });
  }
};
} // namespace
