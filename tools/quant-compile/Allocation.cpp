//===- Allocation.cpp - formats by budget, or from a plan -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "tools/quant-compile/Allocation.h"
#include "lib/Allocate/Plan.h"
#include "lib/Evaluate/Costs.h"
#include "lib/Evaluate/Latency.h"
#include "lib/Support/Table.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace bitwright;

/// Above this difference between prediction and measurement, relative to the measured loss, pairs are measured.
constexpr double pairThreshold = 0.2;
constexpr unsigned maxPairTrials = 100;
constexpr uint64_t randomSeed = 1;

static llvm::Error readOverrides(llvm::ArrayRef<std::string> texts, bool forbid,
                                 std::vector<solver::Override> &overrides) {
  for (llvm::StringRef text : texts) {
    auto [pattern, choice] = text.rsplit('=');
    if (pattern.trim().empty() || choice.trim().empty() || !text.contains('='))
      return llvm::createStringError((forbid ? "--forbid" : "--keep") +
                                     llvm::Twine(": expected PATTERN=CHOICE, such as 'conv1=s8', found '") + text +
                                     "'");
    overrides.push_back({pattern.trim().str(), choice.trim().str(), forbid});
  }
  return llvm::Error::success();
}

static llvm::Error readChoices(llvm::StringRef text, FormatChoices &choices) {
  auto read = [&](llvm::StringRef part, llvm::StringRef what, llvm::ArrayRef<llvm::StringRef> known,
                  std::vector<std::string> &into) -> llvm::Error {
    into.clear();
    for (llvm::StringRef format : llvm::split(part, ',')) {
      format = format.trim();
      if (!llvm::is_contained(known, format))
        return llvm::createStringError("--choices: expected " + what + " of " + llvm::join(known, ", ") +
                                       ", separated by commas, found '" + format + "'");
      if (llvm::is_contained(into, format))
        return llvm::createStringError("--choices: '" + format + "' stands there twice for " + what);
      into.push_back(format.str());
    }
    return llvm::Error::success();
  };
  auto [weights, activations] = text.split('/');
  if (llvm::Error error =
          read(weights, "weight formats", {"s2", "s3", "s4", "s5", "s6", "s7", "s8", "s16"}, choices.weights))
    return error;
  if (!text.contains('/'))
    return llvm::Error::success();
  return read(activations, "activation formats", {"s8", "s16"}, choices.activations);
}

llvm::Error Allocation::check() {
  bool budget = !request.budgets.empty();
  if (budget && !request.planIn.empty())
    return llvm::createStringError("expected one of --budget and --plan-in: a plan has its formats already");
  if (budget && request.calibration.empty())
    return llvm::createStringError(
        "--budget measures how much each layer's rounding changes the output: expected --calibration FILE.npz|DIR");
  if (!request.planOut.empty() && !budget)
    return llvm::createStringError("--plan-out writes what --budget decides: expected --budget");
  struct {
    const char *name;
    bool given;
  } const needBudget[] = {{"--choices", !request.choices.empty()},
                          {"--keep", !request.keep.empty()},
                          {"--forbid", !request.forbid.empty()},
                          {"--sensitivities", !request.sensitivities.empty()},
                          {"--sensitivity-metric", !request.sensitivityMetric.empty()},
                          {"--metric", !request.metricCommand.empty()},
                          {"--metric-name", !request.metricName.empty()},
                          {"--latencies", !request.latencies.empty()},
                          {"--pareto", request.pareto > 0},
                          {"--rank-check", request.rankCheck > 0}};
  for (const auto &option : needBudget)
    if (option.given && !budget)
      return llvm::createStringError(llvm::Twine(option.name) + " is about what --budget decides: expected --budget");
  if (!budget)
    return llvm::Error::success();
  auto parsed = solver::parseBudgets(llvm::join(request.budgets, ","));
  if (!parsed)
    return llvm::createStringError("--budget: " + llvm::toString(parsed.takeError()));
  decisions.budgets = std::move(*parsed);
  if (request.pareto == 1 || request.pareto > 10000)
    return llvm::createStringError("--pareto: expected 2 to 10000 points, found " + llvm::Twine(request.pareto));
  if (request.rankCheck && (request.rankCheck < 3 || request.rankCheck > 10000))
    return llvm::createStringError("--rank-check: expected 3 to 10000 plans, found " + llvm::Twine(request.rankCheck));
  if (!request.metricName.empty() && request.metricCommand.empty())
    return llvm::createStringError("--metric-name names the metric of --metric: expected --metric COMMAND");
  if (request.sensitivityMetric == "user" && request.metricCommand.empty())
    return llvm::createStringError("--sensitivity-metric user: expected --metric COMMAND");
  if (llvm::Error error = readOverrides(request.keep, false, overrides))
    return error;
  if (llvm::Error error = readOverrides(request.forbid, true, overrides))
    return error;
  return request.choices.empty() ? llvm::Error::success() : readChoices(request.choices, choices);
}

llvm::Error Allocation::run(func::FuncOp func, const Recipe &recipe, const ProgressFn &showProgress) {
  progress = showProgress;
  if (!recipe.quantize)
    return llvm::createStringError(
        "--budget and --plan-in choose formats of layers that the recipe quantizes: expected another recipe than '" +
        recipe.name + "'");
  if (!request.planIn.empty())
    return applyPlanFile(func);
  if (llvm::Error error = prepare(func, recipe))
    return error;
  if (llvm::Error error = solve())
    return error;
  if (llvm::Error error = refineByPairs())
    return error;
  if (llvm::Error error = compare())
    return error;
  noteQualities();
  decided = true;
  if (llvm::Error error = applyPlan(func, planOf(decisions.problem, decisions.plan.choices)))
    return llvm::createStringError("the chosen plan does not fit the graph, please report this: " +
                                   llvm::toString(std::move(error)));
  if (decisions.problem.findMetric("latency")) {
    auto measured = measureLatency(func, trials->getSample(), request.latencyThreads);
    if (!measured)
      return measured.takeError();
    decisions.measuredLatency = measured->latency;
  }
  tell();
  return request.planOut.empty() ? llvm::Error::success() : writePlan();
}

llvm::Error Allocation::applyPlanFile(func::FuncOp func) {
  auto plan = readPlan(request.planIn);
  if (!plan)
    return plan.takeError();
  if (llvm::Error error = applyPlan(func, *plan))
    return llvm::createStringError(request.planIn + ": " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}

/// Everything up to the program: units, costs, losses.
llvm::Error Allocation::prepare(func::FuncOp func, const Recipe &recipe) {
  units = AllocationUnits::compute(func, choices);
  auto data = CalibrationData::open(request.calibration, func);
  if (!data)
    return data.takeError();
  if (!request.metricCommand.empty()) {
    auto started = UserMetric::start(request.metricCommand);
    if (!started)
      return started.takeError();
    userMetric = std::move(*started);
  }
  TrialOptions options;
  options.threads = request.threads;
  options.biasCorrection = recipe.biasCorrection;
  options.userMetric = userMetric.get();
  auto created = PlanTrials::create(func, units, **data, options);
  if (!created)
    return created.takeError();
  trials = std::move(*created);
  for (const std::string &name : trials->getKept())
    llvm::errs()
        << "quant-compile: allocate: '" << name
        << "' keeps the recipe's format: the compiled float graph has no constant or memory of its own for it, "
           "so other formats cannot be tried\n";
  // What is wrong with the request is told before anything is measured.
  solver::AllocationProblem &problem = decisions.problem;
  problem = units.toProblem();
  problem.model = func.getName().str();
  if (llvm::all_of(problem.groups, [](const solver::Group &group) { return group.choices.size() == 1; }))
    return llvm::createStringError("there is no layer whose format could be chosen: expected a recipe that quantizes "
                                   "linear layers or convolutions, and --choices with formats that have kernels");
  if (llvm::Error error = addCosts(func))
    return error;
  if (llvm::Error error = solver::checkBudgets(problem, decisions.budgets))
    return llvm::createStringError("--budget: " + llvm::toString(std::move(error)));
  solver::AllocationProblem trial = problem;
  if (llvm::Error error = solver::applyOverrides(trial, overrides))
    return error;

  SensitivityOptions measuring;
  measuring.file = request.sensitivities;
  measuring.userMetric = request.metricName;
  measuring.progress = [&](uint64_t done, uint64_t all) { progress("sensitivities", done, all); };
  auto measured = Sensitivities::measure(func, *trials, measuring);
  if (!measured)
    return measured.takeError();
  sensitivities.emplace(std::move(*measured));
  metric = request.sensitivityMetric;
  if (metric.empty())
    metric = measuredMetric();
  if (llvm::Error error = sensitivities->fill(problem, metric))
    return error;
  if (llvm::Error error = sensitivities->save(&problem))
    return error;
  return solver::applyOverrides(problem, overrides);
}

llvm::Error Allocation::addCosts(func::FuncOp func) {
  CostOptions options;
  for (const solver::Budget &budget : decisions.budgets) {
    options.latency |= budget.kind == solver::Budget::Metric && llvm::StringRef(budget.name).starts_with("latency");
    options.peakMemory |= budget.kind == solver::Budget::PeakMemory;
  }
  options.latency |= !request.latencies.empty();
  options.latencyTable = request.latencies;
  options.threads = request.latencyThreads;
  options.progress = [&](uint64_t done, uint64_t all) { progress("latencies", done, all); };
  return bitwright::addCosts(decisions.problem, func, units, trials->getSample(), options);
}

llvm::Expected<PlanTrial> Allocation::tryPlan(const std::string &name, const Choices &plan) {
  PlanTrial trial;
  trial.name = name;
  trial.choices = plan;
  trial.predicted = solver::lossOf(decisions.problem, plan);
  auto loss = trials->measure(trials->of(decisions.problem, plan), "the plan '" + name + "'");
  if (!loss)
    return loss.takeError();
  trial.measured = userMetric ? loss->user : loss->output;
  for (const std::string &each : sensitivities->metrics())
    trial.metrics[each] = sensitivities->predict(decisions.problem, plan, each);
  return trial;
}

llvm::Error Allocation::solve() {
  auto plan = solver::solve(decisions.problem, decisions.budgets);
  if (!plan)
    return llvm::createStringError("--budget: " + llvm::toString(plan.takeError()));
  decisions.plan = std::move(*plan);
  if (request.pareto) {
    auto points = solver::sweep(decisions.problem, decisions.budgets, 0, request.pareto);
    if (!points)
      return llvm::createStringError("--pareto: " + llvm::toString(points.takeError()));
    decisions.pareto = std::move(*points);
  }
  auto trial = tryPlan("chosen", decisions.plan.choices);
  if (!trial)
    return trial.takeError();
  measuredLoss = trial->measured;
  decisions.trials.push_back(std::move(*trial));
  return llvm::Error::success();
}

/// Where the losses of the plan's layers do not add up, what pairs of them add is measured, and the program solved once
/// more; the plan with the smaller measured loss stays.
llvm::Error Allocation::refineByPairs() {
  // Other metrics predict another quantity than is measured.
  if (!predictsMeasured() || std::fabs(decisions.plan.loss - measuredLoss) <= pairThreshold * std::fabs(measuredLoss))
    return llvm::Error::success();
  auto pairs = measurePairs(*trials, *sensitivities, decisions.problem, decisions.plan.choices, metric, maxPairTrials,
                            [&](uint64_t done, uint64_t all) { progress("pairs", done, all); });
  if (!pairs)
    return pairs.takeError();
  pairTrials = pairs->trials;
  solver::AllocationProblem before = decisions.problem;
  addPairs(decisions.problem, *pairs);
  solver::SolveOptions options;
  options.start = decisions.plan.choices;
  auto plan = solver::solve(decisions.problem, decisions.budgets, options);
  if (!plan)
    return llvm::createStringError("--budget: " + llvm::toString(plan.takeError()));
  PlanTrial first = std::move(decisions.trials.back());
  decisions.trials.pop_back();
  llvm::errs() << "quant-compile: allocate: " << before.lossName
               << llvm::format(" %.4g predicted, %.4g measured: ", first.predicted, first.measured)
               << "layers influence each other; " << pairTrials << " trials of pairs\n";
  if (plan->choices == decisions.plan.choices) {
    // Terms that predict this plan worse than their absence are noise of the measurement.
    if (std::fabs(plan->loss - measuredLoss) < std::fabs(first.predicted - measuredLoss)) {
      first.predicted = plan->loss;
      decisions.plan = std::move(*plan);
    } else {
      decisions.problem = std::move(before);
    }
    decisions.trials.push_back(std::move(first));
    return llvm::Error::success();
  }
  auto trial = tryPlan("chosen", plan->choices);
  if (!trial)
    return trial.takeError();
  if (trial->measured < first.measured) {
    first.name = "chosen before pair terms";
    measuredLoss = trial->measured;
    decisions.plan = std::move(*plan);
    decisions.trials.push_back(std::move(first));
    decisions.trials.push_back(std::move(*trial));
    return llvm::Error::success();
  }
  trial->name = "with pair terms";
  decisions.problem = std::move(before);
  decisions.trials.push_back(std::move(*trial));
  decisions.trials.push_back(std::move(first));
  return llvm::Error::success();
}

template <typename Fn> static std::vector<double> figures(llvm::ArrayRef<PlanTrial> trials, Fn of) {
  std::vector<double> values;
  for (const PlanTrial &trial : trials)
    values.push_back(of(trial));
  return values;
}

/// --rank-check: other plans, measured.
llvm::Error Allocation::compare() {
  if (!request.rankCheck)
    return llvm::Error::success();
  const solver::AllocationProblem &problem = decisions.problem;
  double bytes = totalOf(problem, "bytes", decisions.plan.choices);
  std::mt19937_64 engine(randomSeed);
  std::vector<std::pair<std::string, Choices>> plans;
  for (unsigned i = 0; i < request.rankCheck; ++i)
    plans.push_back({"random " + std::to_string(i + 1), randomPlan(problem, engine)});
  for (const std::string &format : choices.weights)
    plans.push_back({"uniform " + format, uniformPlan(problem, format)});
  plans.push_back({"greedy", greedyPlan(problem, bytes)});
  size_t firstOfSize = plans.size();
  for (unsigned i = 0; i < request.rankCheck; ++i)
    if (auto plan = randomPlanOfSize(problem, bytes, 0.01, engine))
      plans.push_back({"random of this size " + std::to_string(i + 1), std::move(*plan)});
  std::vector<PlanTrial> tried;
  for (auto &[name, plan] : plans) {
    progress("plans", tried.size(), plans.size());
    // Small problems have few plans: each is measured once.
    auto same = [&plan = plan](const PlanTrial &trial) { return trial.choices == plan; };
    if (auto it = llvm::find_if(tried, same); it != tried.end()) {
      PlanTrial again = *it;
      again.name = name;
      tried.push_back(std::move(again));
      continue;
    }
    auto trial = tryPlan(name, plan);
    if (!trial)
      return trial.takeError();
    tried.push_back(std::move(*trial));
  }
  llvm::ArrayRef<PlanTrial> random = llvm::ArrayRef(tried).take_front(request.rankCheck),
                            ofSize = llvm::ArrayRef(tried).drop_front(firstOfSize);
  auto measuredOf = [](const PlanTrial &trial) { return trial.measured; };
  std::vector<double> measured = figures(random, measuredOf), measuredOfSize = figures(ofSize, measuredOf);
  for (const std::string &name : sensitivities->metrics()) {
    auto predictedOf = [&](const PlanTrial &trial) { return trial.metrics.at(name); };
    std::vector<double> predicted = figures(random, predictedOf), predictedOfSize = figures(ofSize, predictedOf);
    ranks.push_back({name, kendall(predicted, measured), spearman(predicted, measured),
                     kendall(predictedOfSize, measuredOfSize), spearman(predictedOfSize, measuredOfSize)});
  }
  decisions.trials.insert(decisions.trials.begin(), tried.begin(), tried.end()); // the chosen plan stays last
  return llvm::Error::success();
}

void Allocation::noteQualities() {
  for (const solver::Group &group : decisions.problem.groups) {
    size_t index = decisions.qualities.size();
    UnitQuality quality;
    quality.name = group.name;
    if (index < units.units.size() && units.units[index].product && trials->canChange(units.units[index])) {
      const std::string &format = group.choices[decisions.plan.choices[index]].weight;
      WeightErrors errors;
      Sensitivities::Measured known = sensitivities->ofWeight(unsigned(index), format);
      if (known.count("weight_mse")) {
        errors.weight = known["weight_mse"];
        errors.output = known.count("output_mse") ? known["output_mse"] : -1;
      } else if (auto found = trials->weightErrors(unsigned(index), format)) {
        errors = *found;
      } else {
        llvm::consumeError(found.takeError()); // a figure for the report only
      }
      quality.weightError = errors.weight;
      quality.outputSqnr = errors.output > 0 ? -10 * std::log10(errors.output) : 0;
    }
    decisions.qualities.push_back(std::move(quality));
  }
}

//===----------------------------------------------------------------------===//
// What is told
//===----------------------------------------------------------------------===//

static std::string number(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.4g", value);
  return text;
}

void Allocation::tell() const {
  const solver::Plan &plan = decisions.plan;
  llvm::errs() << "quant-compile: allocate: " << llvm::format("%.2f", plan.averageBits) << " bits on average; "
               << decisions.problem.lossName << " " << number(plan.loss)
               << (predictsMeasured() ? " predicted, " : " (the sum of what is minimised); " + measuredName() + " ")
               << number(measuredLoss) << " measured\n";
  if (auto latency = decisions.problem.findMetric("latency"))
    llvm::errs() << "quant-compile: allocate: latency " << number(plan.totals[*latency]) << " ms predicted, "
                 << number(decisions.measuredLatency) << " ms measured on "
                 << (request.latencyThreads == 1 ? "one thread" : std::to_string(request.latencyThreads) + " threads") << "\n";
  for (const solver::BudgetUse &use : plan.budgets) {
    // A byte more or less says little.
    bool bytes = use.budget.unit == "B";
    std::string unit = bytes ? " MB" : use.budget.unit.empty() ? "" : " " + use.budget.unit;
    llvm::errs() << "quant-compile: allocate: '" << use.budget.text << "': " << use.budget.print(use.used) << " of "
                 << use.budget.print(use.limit);
    if (use.shadowPrice > 0)
      llvm::errs() << "; one more" << unit << " lowers the loss by " << number(use.shadowPrice * (bytes ? 1e6 : 1));
    llvm::errs() << '\n';
  }
  if (!decisions.pareto.empty()) {
    const solver::Budget &budget = decisions.pareto.front().plan.budgets.front().budget;
    std::vector<std::vector<std::string>> rows = {{budget.quantity(), "used", "loss", "shadow price"}};
    for (const solver::ParetoPoint &point : decisions.pareto)
      rows.push_back({budget.print(point.limit), budget.print(point.plan.budgets.front().used), number(point.plan.loss),
                      number(point.plan.budgets.front().shadowPrice)});
    printTable(llvm::errs(), rows, "  ");
  }
  if (ranks.empty())
    return;
  std::vector<std::vector<std::string>> rows = {
      {"metric", "Kendall's tau", "Spearman's rho", "tau, this size", "rho, this size"}};
  for (const Rank &rank : ranks)
    rows.push_back({rank.metric, number(rank.kendall), number(rank.spearman), number(rank.kendallOfSize),
                    number(rank.spearmanOfSize)});
  printTable(llvm::errs(), rows, "  ");
  rows = {{"plan", "bytes", "predicted", "measured"}};
  for (const PlanTrial &trial : decisions.trials)
    rows.push_back({trial.name, llvm::formatv("{0:f0}", totalOf(decisions.problem, "bytes", trial.choices)).str(),
                    number(trial.predicted), number(trial.measured)});
  printTable(llvm::errs(), rows, "  ");
}

llvm::Error Allocation::writePlan() const {
  std::string text =
      solver::printPlan(decisions.problem, decisions.plan, decisions.pareto, {}, [&](llvm::json::OStream &out) {
        out.attribute("measured_loss", measuredLoss);
        if (decisions.measuredLatency > 0)
          out.attribute("measured_latency", decisions.measuredLatency);
        if (pairTrials)
          out.attribute("pair_trials", int64_t(pairTrials));
        if (!ranks.empty())
          out.attributeArray("rank_check", [&] {
            for (const Rank &rank : ranks)
              out.object([&] {
                out.attribute("metric", rank.metric);
                out.attribute("kendall", rank.kendall);
                out.attribute("spearman", rank.spearman);
                out.attribute("kendall_of_size", rank.kendallOfSize);
                out.attribute("spearman_of_size", rank.spearmanOfSize);
              });
          });
        out.attributeArray("trials", [&] {
          for (const PlanTrial &trial : decisions.trials)
            out.object([&] {
              out.attribute("name", trial.name);
              out.attribute("bytes", totalOf(decisions.problem, "bytes", trial.choices));
              out.attribute("predicted", trial.predicted);
              out.attribute("measured", trial.measured);
              out.attributeArray("choices", [&] {
                for (auto [group, choice] : llvm::zip(decisions.problem.groups, trial.choices))
                  out.value(group.choices[choice].name());
              });
              out.attributeObject("metrics", [&] {
                for (const auto &[name, value] : trial.metrics)
                  out.attribute(name, value);
              });
            });
        });
      });
  // Under a temporary name first: an old plan is not lost.
  auto error = llvm::writeToOutput(request.planOut, [&](llvm::raw_ostream &stream) {
    stream << text;
    return llvm::Error::success();
  });
  return error ? llvm::createStringError("--plan-out: " + llvm::toString(std::move(error))) : llvm::Error::success();
}
