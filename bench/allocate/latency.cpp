//===- latency.cpp - predicted and measured latency of plans -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// bench-latency MODEL.mlir SAMPLES: a model after the stage allocate (quant-compile --compile-to allocate) and samples
// of which the first is run. Random plans: the sum of their choices' latencies against the time of the compiled
// network, and the largest sum of live activations against the arena. The fastest plan, the slowest one and the best
// one (a loss of 1 for every bit that a weight loses) for a budget between them.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/Latency.h"
#include "lib/Allocate/Plan.h"
#include "lib/Solver/Solve.h"
#include "lib/Weights/WeightFiles.h"
#include "mlir/Parser/Parser.h"
#include "passes/Pipelines/Pipelines.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include <chrono>
#include <random>

using namespace mlir;
using namespace bitwright;

namespace cl = llvm::cl;
static cl::opt<std::string> modelPath(cl::Positional, cl::Required, cl::desc("MODEL.mlir"));
static cl::opt<std::string> samplePath(cl::Positional, cl::Required, cl::desc("SAMPLES.npz|DIR"));
static cl::list<std::string> weights("weights", cl::CommaSeparated, cl::desc("formats (s4,s8)"));
static cl::list<std::string> activations("activations", cl::CommaSeparated, cl::desc("formats (s8)"));
static cl::opt<unsigned> plans("plans", cl::init(10), cl::desc("random plans"));
static cl::opt<unsigned> threads("thread-count", cl::init(1));
static cl::opt<unsigned> seed("plan-seed", cl::init(1));
static cl::opt<double> share("share", cl::init(70), cl::desc("limit: this many percent of the span"));
static cl::opt<std::string> tablePath("latencies", cl::desc("table of kernel times, read and extended"));

static llvm::ExitOnError check("bench-latency: ");

namespace {

class Bench {
public:
  Bench(func::FuncOp func, AllocationUnits units, solver::AllocationProblem problem, Sample sample)
      : func(func), units(std::move(units)), problem(std::move(problem)), sample(std::move(sample)) {
    original = func.clone();
  }
  ~Bench() { original.erase(); }

  double sum(llvm::StringRef metric, llvm::ArrayRef<unsigned> choices) const {
    unsigned index = *problem.findMetric(metric);
    double total = 0;
    for (auto [group, choice] : llvm::zip(problem.groups, choices))
      total += group.choices[choice].costs[index];
    return total;
  }
  double peak(llvm::ArrayRef<unsigned> choices) const {
    std::vector<double> points;
    for (const solver::MemoryPoint &point : problem.memoryPoints)
      points.push_back(point.fixed);
    for (auto [group, choice] : llvm::zip(problem.groups, choices))
      for (auto [point, bytes] : group.choices[choice].memory)
        points[point] += bytes;
    return points.empty() ? 0 : *std::max_element(points.begin(), points.end());
  }
  struct NamedPlan {
    std::string name;
    std::vector<unsigned> choices;
  };
  /// Compiles, runs, prints; the measured latencies.
  std::vector<double> measure(llvm::ArrayRef<NamedPlan> plans) {
    std::vector<func::FuncOp> funcs;
    for (const NamedPlan &named : plans) {
      funcs.push_back(original.clone());
      FormatPlan plan = planOf(problem, named.choices);
      plan.digest.clear();
      check(applyPlan(funcs.back(), plan));
    }
    auto measured = check(measureLatencies(funcs, sample, threads));
    std::vector<double> latencies;
    for (auto [func, named, found] : llvm::zip(funcs, plans, measured)) {
      func.erase();
      latencies.push_back(found.latency);
      double latency = sum("latency", named.choices), bytes = sum("bytes", named.choices), arena = peak(named.choices);
      auto percent = [](double predicted, double found) { return 100 * (predicted / found - 1); };
      llvm::outs() << llvm::left_justify(named.name, 12)
                   << llvm::format("%9.3f %9.3f %+7.1f %%", latency, found.latency, percent(latency, found.latency))
                   << llvm::format("  %10.0f %10llu %+6.2f %%", bytes, (unsigned long long)found.weightBytes,
                                   percent(bytes, double(found.weightBytes)))
                   << llvm::format("  %11.0f %11llu %+6.1f %%\n", arena, (unsigned long long)found.arenaBytes,
                                   percent(arena, double(found.arenaBytes)));
    }
    return latencies;
  }
  /// One format for all activations of a class, as the ties ask.
  std::vector<unsigned> random(std::mt19937 &engine) const {
    std::vector<std::string> formats;
    for (const ActivationClass &entry : units.classes)
      formats.push_back(entry.formats[engine() % entry.formats.size()]);
    std::vector<unsigned> choices;
    for (auto [index, group] : llvm::enumerate(problem.groups)) {
      std::vector<unsigned> possible;
      for (auto [c, choice] : llvm::enumerate(group.choices))
        if (index >= units.units.size() || units.units[index].activation < 0 ||
            choice.activation == formats[size_t(units.units[index].activation)])
          possible.push_back(unsigned(c));
      choices.push_back(possible.empty() ? 0 : possible[engine() % possible.size()]);
    }
    return choices;
  }
  /// The plan that minimises the latency (`sign` 1) or maximises it (-1).
  std::vector<unsigned> extreme(double sign) {
    solver::AllocationProblem other = problem;
    unsigned index = *problem.findMetric("latency");
    for (solver::Group &group : other.groups)
      for (solver::Choice &choice : group.choices)
        choice.loss = sign * choice.costs[index];
    auto plan = check(solver::solve(other, {}));
    return {plan.choices.begin(), plan.choices.end()};
  }

  func::FuncOp func, original;
  AllocationUnits units;
  solver::AllocationProblem problem;
  Sample sample;
};

} // namespace

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv);
  registerAllPassesAndPipelines();
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = parseSourceFile<ModuleOp>(modelPath, &context);
  if (!module)
    return 1;
  check(loadWeightFiles(*module, llvm::sys::path::parent_path(modelPath)));
  func::FuncOp func = *module->getOps<func::FuncOp>().begin();
  auto data = check(CalibrationData::open(samplePath, func));
  Sample sample;
  check(data->forEach([&](const Sample &next) {
    if (sample.inputs.empty())
      sample = next;
    return llvm::Error::success();
  }));

  FormatChoices choices;
  if (!weights.empty())
    choices.weights = weights;
  if (!activations.empty())
    choices.activations = activations;
  AllocationUnits units = AllocationUnits::compute(func, choices);
  solver::AllocationProblem problem = units.toProblem();
  CostOptions options;
  options.latency = options.peakMemory = true;
  options.latencyTable = tablePath;
  options.threads = threads;
  auto start = std::chrono::steady_clock::now();
  check(addCosts(problem, func, units, sample, options));
  std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  llvm::outs() << problem.groups.size() << llvm::format(" groups, costs in %.1f s\n", passed.count());
  for (solver::Group &group : problem.groups)
    for (solver::Choice &choice : group.choices)
      choice.loss = choice.weight == "-" ? 0 : -group.elements * bitsOf(choice.weight);

  Bench bench(func, std::move(units), std::move(problem), std::move(sample));
  std::vector<unsigned> fastest = bench.extreme(1), slowest = bench.extreme(-1);
  double low = bench.sum("latency", fastest), high = bench.sum("latency", slowest);
  double limit = low + share / 100 * (high - low);
  auto budgets = check(solver::parseBudgets("latency <= " + std::to_string(limit) + " ms"));
  auto plan = check(solver::solve(bench.problem, budgets));
  std::vector<Bench::NamedPlan> named = {
      {"fastest", fastest}, {"slowest", slowest}, {"budget", {plan.choices.begin(), plan.choices.end()}}};
  std::mt19937 engine(seed);
  for (unsigned i = 0; i < plans; ++i)
    named.push_back({"random " + std::to_string(i), bench.random(engine)});
  llvm::outs() << "plan         latency in ms: predicted, measured    bytes: predicted, file         peak: predicted, "
                  "arena\n";
  double measured = bench.measure(named)[2];
  llvm::outs() << llvm::format("limit %.3f ms (%.0f %% from %.3f to %.3f): measured %.3f, %.1f %% of it\n", limit,
                               double(share), low, high, measured, 100 * measured / limit);
  return measured <= 1.1 * limit ? 0 : 1;
}
