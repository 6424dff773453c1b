//===- quant-allocate.cpp - formats for layers from measurements -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// quant-allocate STATISTICS --budget 'size<=12MB,latency<=5ms' [--plan-out PLAN.json] [--pareto [--pareto-points N]]
//
// Chooses a format for each group of a statistics file (docs/Allocation.md) without the model. The plan goes to stdout
// as a table and to PLAN.json. Exit status: 0 done, 1 the input or the request is wrong, 2 wrong usage, 3 internal
// error.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Solve.h"
#include "lib/Support/Table.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace bitwright::solver;
using namespace llvm;

namespace {

enum Exit { Done = 0, BadInput = 1, BadUsage = 2, Internal = 3 };

struct Flags {
  cl::OptionCategory category{"quant-allocate options"};
  cl::opt<std::string> statistics{cl::Positional, cl::desc("STATISTICS"), cl::Required, cl::cat(category)};
  cl::list<std::string> budget{"budget", cl::desc("Limits, such as 'size<=12MB,average_bits<=4.5'"),
                               cl::value_desc("BUDGETS"), cl::cat(category)};
  cl::opt<std::string> planOut{"plan-out", cl::desc("Write the plan"), cl::value_desc("PLAN.json"), cl::cat(category)};
  cl::opt<bool> pareto{"pareto", cl::desc("Solve for a range of limits of the first budget"), cl::cat(category)};
  cl::opt<unsigned> points{"pareto-points", cl::desc("How many limits (11)"), cl::init(11), cl::cat(category)};
  cl::list<std::string> keep{"keep", cl::desc("Groups that match PATTERN take CHOICE"),
                             cl::value_desc("PATTERN=CHOICE"), cl::cat(category)};
  cl::list<std::string> forbid{"forbid", cl::desc("Groups that match PATTERN do not take CHOICE"),
                               cl::value_desc("PATTERN=CHOICE"), cl::cat(category)};
  cl::opt<std::string> digest{"model-digest", cl::desc("Refuse statistics of another model"), cl::value_desc("DIGEST"),
                              cl::cat(category)};
  cl::opt<double> gap{"gap", cl::desc("Relative gap to stop at (0: the optimum)"), cl::init(0), cl::cat(category)};
  cl::opt<double> timeLimit{"time-limit", cl::desc("Seconds for one program (60)"), cl::init(60), cl::cat(category)};
  cl::opt<SolveOptions::Engine> solver{
      "solver", cl::desc("How to solve"), cl::init(SolveOptions::Engine::Auto),
      cl::values(clEnumValN(SolveOptions::Engine::Auto, "auto", "bound, dynamic programming or branch and bound, CBC"),
                 clEnumValN(SolveOptions::Engine::Cbc, "cbc", "CBC on the whole program")),
      cl::cat(category)};
  cl::opt<std::string> split{"split", cl::desc("Two sets with losses of their own that share --split-bits"),
                             cl::value_desc("FIRST,SECOND"), cl::cat(category)};
  cl::opt<double> splitBits{"split-bits", cl::desc("Average bits of both sets together"), cl::init(0),
                            cl::cat(category)};
  cl::opt<std::string> splitRatios{"split-ratios", cl::desc("Ratios of the sets' average bits to try (0.5:1.4:0.1)"),
                                   cl::value_desc("LO:HI:STEP"), cl::init("0.5:1.4:0.1"), cl::cat(category)};
  cl::opt<double> splitWindow{"split-window", cl::desc("Half-width of the window around each share, bits (0.02)"),
                              cl::init(0.02), cl::cat(category)};
};

Flags *flags;

Exit fail(Exit exit, const Twine &message) {
  errs() << "quant-allocate: " << (exit == Internal ? "internal error: " : "error: ") << message << '\n';
  if (exit == Internal)
    errs() << "quant-allocate: please report this with the statistics file and the command line\n";
  return exit;
}

std::string number(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.6g", value);
  return text;
}

void printGroups(const AllocationProblem &problem, const Plan &plan) {
  std::optional<unsigned> bytes = problem.findMetric("bytes");
  std::vector<std::vector<std::string>> rows = {
      {"group", "weight", "activation", "bits", "loss", "next best", "loss change", "price"}};
  for (unsigned g = 0; g < problem.groups.size(); ++g) {
    const Group &group = problem.groups[g];
    const Choice &choice = group.choices[plan.choices[g]];
    const Alternative &other = plan.alternatives[g];
    std::string bits = bytes && group.elements > 0 ? number(8 * choice.costs[*bytes] / group.elements) : "-";
    rows.push_back({group.name, choice.weight, choice.activation.empty() ? "-" : choice.activation, bits,
                    number(choice.loss), other.choice >= 0 ? group.choices[other.choice].name() : "-",
                    other.choice >= 0 ? number(other.loss) : "-", other.choice >= 0 ? number(other.price) : "-"});
  }
  bitwright::printTable(outs(), rows);
}

void printSummary(const AllocationProblem &problem, const Plan &plan) {
  outs() << "\nloss " << number(plan.loss) << (problem.lossName.empty() ? "" : " (" + problem.lossName + ")") << ", "
         << nameOf(plan.status) << " by " << plan.method;
  if (plan.gap > 0)
    outs() << ", bound " << number(plan.bound) << ", gap " << number(plan.gap);
  outs() << '\n';
  if (plan.averageBits > 0)
    outs() << "average bits " << number(plan.averageBits) << '\n';
  if (plan.budgets.empty())
    return;
  std::vector<std::vector<std::string>> rows = {{"budget", "limit", "used", "shadow price"}};
  for (const BudgetUse &use : plan.budgets) {
    std::string unit = use.budget.unit.empty() ? "" : " " + use.budget.unit;
    rows.push_back({use.budget.text, use.budget.print(use.limit), use.budget.print(use.used),
                    use.shadowPrice > 0 ? number(use.shadowPrice) + " per 1" + unit : "0 (not binding)"});
  }
  outs() << '\n';
  bitwright::printTable(outs(), rows);
}

void printPareto(ArrayRef<ParetoPoint> points) {
  if (points.empty())
    return;
  const Budget &budget = points.front().plan.budgets.front().budget;
  std::vector<std::vector<std::string>> rows = {{budget.quantity(), "used", "loss", "gap", "shadow price"}};
  for (const ParetoPoint &point : points)
    rows.push_back({budget.print(point.limit), budget.print(point.plan.budgets.front().used), number(point.plan.loss),
                    number(point.plan.gap), number(point.plan.budgets.front().shadowPrice)});
  outs() << "\npareto over " << budget.quantity() << '\n';
  bitwright::printTable(outs(), rows);
}

void printCandidates(ArrayRef<SplitCandidate> candidates) {
  if (candidates.empty())
    return;
  std::vector<std::vector<std::string>> rows = {
      {"target", "ratio", "first bits", "second bits", "first loss", "second loss"}};
  for (const SplitCandidate &candidate : candidates)
    rows.push_back({number(candidate.target), number(candidate.ratio), number(candidate.firstBits),
                    number(candidate.secondBits), number(candidate.firstLoss), number(candidate.secondLoss)});
  outs() << "\ncandidates of the split, best first (losses as parts of each set's span)\n";
  bitwright::printTable(outs(), rows);
}

bool readOverrides(ArrayRef<std::string> texts, bool forbid, std::vector<Override> &overrides, std::string &bad) {
  for (StringRef text : texts) {
    auto [pattern, choice] = text.rsplit('=');
    if (pattern.empty() || choice.empty() || !text.contains('=')) {
      bad = text.str();
      return false;
    }
    overrides.push_back({pattern.trim().str(), choice.trim().str(), forbid});
  }
  return true;
}

bool readRange(StringRef text, std::vector<double> &values) {
  auto [low, rest] = text.split(':');
  auto [high, step] = rest.split(':');
  double from, to, by;
  if (low.getAsDouble(from) || high.getAsDouble(to) || step.getAsDouble(by) || !(by > 0) || !(from <= to) ||
      !std::isfinite(to) || (to - from) / by > 1e4)
    return false;
  // The end counts although sums of the step round.
  for (unsigned i = 0; from + i * by <= to + 1e-9 * by; ++i)
    values.push_back(from + i * by);
  return true;
}

class Driver {
public:
  Exit run() {
    if (Exit exit = readRequest())
      return exit;
    if (Exit exit = readStatistics())
      return exit;
    return allocate();
  }

private:
  Exit readRequest() {
    for (const std::string &text : flags->budget) {
      Expected<std::vector<Budget>> parsed = parseBudgets(text);
      if (!parsed)
        return fail(BadUsage, "--budget: " + toString(parsed.takeError()));
      budgets.insert(budgets.end(), parsed->begin(), parsed->end());
    }
    if (budgets.empty() && flags->split.empty())
      return fail(BadUsage, "expected --budget 'size<=12MB' or the like, found none");
    if (flags->pareto && budgets.empty())
      return fail(BadUsage, "--pareto varies the first budget: give one with --budget");
    if (flags->points < 2 || flags->points > 10000)
      return fail(BadUsage, "--pareto-points: expected 2 to 10000, found " + Twine(flags->points));
    if (!(flags->timeLimit > 0) || !(flags->gap >= 0))
      return fail(BadUsage, "--time-limit must be above 0 and --gap at least 0");
    std::string bad;
    if (!readOverrides(flags->keep, false, overrides, bad) || !readOverrides(flags->forbid, true, overrides, bad))
      return fail(BadUsage, "expected PATTERN=CHOICE, such as 'conv1=s8', found '" + bad + "'");
    options.timeLimit = flags->timeLimit;
    options.relativeGap = flags->gap;
    options.engine = flags->solver;
    if (flags->split.empty())
      return Done;
    auto [first, second] = StringRef(flags->split).split(',');
    split.first = first.trim().str();
    split.second = second.trim().str();
    split.averageBits = flags->splitBits;
    split.window = flags->splitWindow;
    if (split.first.empty() || split.second.empty())
      return fail(BadUsage, "--split: expected the names of two sets, 'FIRST,SECOND', found '" + flags->split + "'");
    if (!(split.averageBits > 0) || !(split.window >= 0))
      return fail(BadUsage, "--split needs --split-bits above 0 and --split-window of at least 0");
    if (flags->pareto)
      return fail(BadUsage, "--split and --pareto do not go together");
    if (!readRange(flags->splitRatios, split.ratios))
      return fail(BadUsage, "--split-ratios: expected LO:HI:STEP, found '" + flags->splitRatios + "'");
    // Shares below the target leave room that the window of the other set can use.
    for (double below : {0.0, 0.1, 0.2, 0.3})
      if (split.averageBits > below)
        split.targets.push_back(split.averageBits - below);
    return Done;
  }

  Exit readStatistics() {
    ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFileOrSTDIN(flags->statistics, /*IsText=*/true);
    if (!file)
      return fail(BadInput, "cannot read '" + flags->statistics + "': " + file.getError().message());
    Expected<AllocationProblem> parsed = parseProblem((*file)->getBuffer(), flags->statistics);
    if (!parsed)
      return fail(BadInput, toString(parsed.takeError()));
    problem = std::move(*parsed);
    if (!flags->digest.empty() && flags->digest != problem.digest)
      return fail(BadInput, flags->statistics + ": these are statistics of another model: expected digest '" +
                                flags->digest + "', found '" + problem.digest + "'; measure this model again");
    if (Error error = applyOverrides(problem, overrides))
      return fail(BadInput, toString(std::move(error)));
    return Done;
  }

  Exit allocate() {
    Plan plan;
    std::vector<ParetoPoint> pareto;
    std::vector<SplitCandidate> candidates;
    if (!flags->split.empty()) {
      Expected<std::vector<SplitCandidate>> found = solveSplit(problem, budgets, split, options);
      if (!found)
        return fail(BadInput, toString(found.takeError()));
      candidates = std::move(*found);
      plan = candidates.front().plan;
    } else {
      Expected<Plan> solved = solve(problem, budgets, options);
      if (!solved)
        return fail(BadInput, toString(solved.takeError()));
      plan = std::move(*solved);
    }
    if (flags->pareto) {
      Expected<std::vector<ParetoPoint>> swept = sweep(problem, budgets, 0, flags->points, options);
      if (!swept)
        return fail(BadInput, toString(swept.takeError()));
      pareto = std::move(*swept);
    }
    for (const BudgetUse &use : plan.budgets) {
      double slack = 2e-9 * std::abs(use.limit);
      if (use.budget.lower ? use.used < use.limit - slack : use.used > use.limit + slack)
        return fail(Internal, "the plan breaks '" + use.budget.text + "': " + use.budget.print(use.used));
    }
    printGroups(problem, plan);
    printSummary(problem, plan);
    printPareto(pareto);
    printCandidates(candidates);
    if (flags->planOut.empty())
      return Done;
    std::error_code error;
    ToolOutputFile file(flags->planOut, error, sys::fs::OF_Text);
    if (error)
      return fail(BadInput, "cannot write '" + flags->planOut + "': " + error.message());
    file.os() << printPlan(problem, plan, pareto, candidates);
    file.os().flush();
    if (file.os().has_error()) {
      std::error_code written = file.os().error();
      file.os().clear_error();
      return fail(BadInput, "cannot write '" + flags->planOut + "': " + written.message());
    }
    file.keep();
    return Done;
  }

  AllocationProblem problem;
  std::vector<Budget> budgets;
  std::vector<Override> overrides;
  SolveOptions options;
  SplitOptions split;
};

} // namespace

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  cl::ResetCommandLineParser();
  Flags parsed;
  flags = &parsed;
  cl::HideUnrelatedOptions(parsed.category);
  cl::SetVersionPrinter([](raw_ostream &out) { out << "quant-allocate " BITWRIGHT_VERSION "\n"; });
  // Wrong usage ends with 2; LLVM's own parser would end with 1.
  std::string errors;
  raw_string_ostream errorStream(errors);
  if (!cl::ParseCommandLineOptions(argc, argv, "Chooses formats from measured losses and costs\n", &errorStream)) {
    errs() << errors;
    return BadUsage;
  }
  return Driver().run();
}
