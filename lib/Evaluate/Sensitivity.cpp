//===- Sensitivity.cpp - what each format of each tensor costs in loss ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/Sensitivity.h"
#include "lib/Evaluate/Costs.h"
#include "lib/Statistics/Statistics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"
#include <chrono>

using namespace mlir;
using namespace bitwright;

constexpr int64_t measurementsVersion = 1;

static std::string sha256(llvm::StringRef text) {
  llvm::SHA256 hash;
  hash.update(text);
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

llvm::Expected<Sensitivities> Sensitivities::measure(func::FuncOp func, PlanTrials &trials,
                                                     const SensitivityOptions &options) {
  Sensitivities result;
  const AllocationUnits &units = trials.getUnits();
  result.units = &units;
  result.options = options;
  result.lossName = options.userMetric.empty() ? trials.lossName() : "metric " + options.userMetric;
  auto statistics = func.getContext()->getOrLoadDialect<qnn::QnnDialect>()->getStatistics();
  std::string statisticsOf; // GPTQ and bias correction depend on them
  if (statistics)
    for (const DataPart &part : statistics->data)
      statisticsOf += llvm::formatv(" {0} {1}/{2} {3}", part.source, part.shard, part.shards, part.samples).str();
  // Transforms may have changed the graph after the data, so the model is what calibration saw.
  result.identity = {{"model", statistics && !statistics->graphDigest.empty() ? statistics->graphDigest : units.digest},
                     {"data", trials.getDataDigest()},
                     {"recipe", sha256(digestOf(func) + statisticsOf)},
                     {"samples", std::to_string(trials.getNumSamples())},
                     {"metric", options.userMetric}};
  result.weights.resize(units.units.size());
  result.activations.resize(units.classes.size());
  result.fixedTrial = trials.none();
  std::vector<bool> seen(units.classes.size());
  std::string fixedText;
  for (auto [index, unit] : llvm::enumerate(units.units)) {
    bool first = unit.activation >= 0 && !seen[size_t(unit.activation)];
    result.ownsClass.push_back(first);
    if (first)
      seen[size_t(unit.activation)] = true;
    if (unit.weights.size() == 1 && trials.canChange(unit)) {
      result.fixedTrial.weights[index] = unit.weights[0];
      fixedText += "w" + unit.name + "=" + unit.weights[0] + "\n";
    }
  }
  for (auto [index, entry] : llvm::enumerate(units.classes))
    if (entry.formats.size() == 1) {
      result.fixedTrial.activations[index] = entry.formats[0];
      fixedText += "a" + entry.name + "=" + entry.formats[0] + "\n";
    }
  result.fixedDigest = fixedText.empty() ? "" : sha256(fixedText);
  if (llvm::Error error = result.load())
    return std::move(error);
  llvm::Error error = result.measureAll(trials);
  // What is there is worth keeping whatever happened.
  error = llvm::joinErrors(std::move(error), result.save(nullptr));
  if (error)
    return std::move(error);
  return result;
}

llvm::Error Sensitivities::measureAll(PlanTrials &trials) {
  struct Task {
    bool isWeight;
    unsigned index;
    std::string format;
  };
  std::vector<Task> tasks;
  for (auto [index, unit] : llvm::enumerate(units->units))
    if (unit.weights.size() > 1)
      for (const std::string &format : unit.weights)
        tasks.push_back({true, unsigned(index), format});
  for (auto [index, entry] : llvm::enumerate(units->classes))
    if (entry.formats.size() > 1)
      for (const std::string &format : entry.formats)
        tasks.push_back({false, unsigned(index), format});
  uint64_t done = 0, all = tasks.size() + !fixedDigest.empty();
  auto lastSave = std::chrono::steady_clock::now();
  auto finished = [&]() -> llvm::Error {
    if (options.progress)
      options.progress(++done, all);
    auto now = std::chrono::steady_clock::now();
    if (std::chrono::duration<double>(now - lastSave).count() < options.saveEvery)
      return llvm::Error::success();
    lastSave = now;
    return save(nullptr);
  };
  auto toMeasured = [&](const TrialLoss &loss) {
    Measured measured = {{"output", loss.output}};
    if (!options.userMetric.empty())
      measured["user"] = loss.user;
    return measured;
  };
  for (const Task &task : tasks) {
    Measured &into = (task.isWeight ? weights : activations)[task.index][task.format];
    if (!into.empty()) {
      ++reused;
      ++done;
      continue;
    }
    Trial trial = trials.none();
    std::string name = task.isWeight ? "the weight of '" + units->units[task.index].name
                                     : "the activations of '" + units->classes[task.index].name;
    (task.isWeight ? trial.weights : trial.activations)[task.index] = task.format;
    auto loss = trials.measure(trial, name + "' in " + task.format);
    if (!loss)
      return loss.takeError();
    Measured measured = toMeasured(*loss);
    if (task.isWeight) {
      auto errors = trials.weightErrors(task.index, task.format);
      if (!errors)
        return errors.takeError();
      measured["weight_mse"] = errors->weight;
      if (errors->output >= 0)
        measured["output_mse"] = errors->output;
    } else {
      measured["weight_mse"] = measured["output_mse"] = trials.activationError(task.index, task.format);
    }
    into = std::move(measured);
    if (llvm::Error error = finished())
      return error;
  }
  if (fixedDigest.empty() || !fixed.empty())
    return llvm::Error::success();
  auto loss = trials.measure(fixedTrial, "all that has only one format in it");
  if (!loss)
    return loss.takeError();
  fixed = toMeasured(*loss);
  return finished();
}

std::vector<std::string> Sensitivities::metrics() const {
  std::vector<std::string> names = {"output"};
  if (!options.userMetric.empty())
    names.push_back("user");
  names.push_back("weight_mse");
  bool everywhere = true;
  for (const auto &table : {weights, activations})
    for (const auto &byFormat : table)
      for (const auto &entry : byFormat)
        everywhere &= entry.second.count("output_mse") > 0;
  if (everywhere)
    names.push_back("output_mse");
  return names;
}

Sensitivities::Measured Sensitivities::ofWeight(unsigned unit, llvm::StringRef format) const {
  auto it = weights[unit].find(format.str());
  return it == weights[unit].end() ? Measured() : it->second;
}

Sensitivities::Measured Sensitivities::ofActivation(unsigned activationClass, llvm::StringRef format) const {
  auto it = activations[activationClass].find(format.str());
  return it == activations[activationClass].end() ? Measured() : it->second;
}

double Sensitivities::lossOf(unsigned index, const solver::Choice &choice, llvm::StringRef metric) const {
  auto get = [&](const Measured &measured) {
    auto it = measured.find(metric.str());
    return it == measured.end() ? 0.0 : it->second;
  };
  double loss = get(ofWeight(index, choice.weight));
  if (ownsClass[index])
    loss += get(ofActivation(unsigned(units->units[index].activation), choice.activation));
  return loss;
}

double Sensitivities::predict(const solver::AllocationProblem &problem, ArrayRef<unsigned> choices,
                              llvm::StringRef metric) const {
  auto it = fixed.find(metric.str());
  double loss = it == fixed.end() ? 0 : it->second;
  for (unsigned i = 0; i < units->units.size(); ++i)
    loss += lossOf(i, problem.groups[i].choices[choices[i]], metric);
  return loss;
}

llvm::Error Sensitivities::fill(solver::AllocationProblem &problem, llvm::StringRef metric) const {
  std::vector<std::string> known = metrics();
  if (!llvm::is_contained(known, metric))
    return llvm::createStringError("--sensitivity-metric: expected one of " + llvm::join(known, ", ") + ", found '" +
                                   metric + "'");
  problem.lossName =
      metric == "output" || metric == "user"
          ? (metric == "output" && !options.userMetric.empty() ? std::string("loss of the output") : lossName)
          : metric.str();
  for (unsigned i = 0; i < units->units.size(); ++i)
    for (solver::Choice &choice : problem.groups[i].choices)
      choice.loss = lossOf(i, choice, metric);
  auto it = fixed.find(metric.str());
  if (it == fixed.end())
    return llvm::Error::success();
  auto rest = problem.findGroup(restGroup);
  if (!rest) {
    rest = unsigned(problem.groups.size());
    solver::Group group;
    group.name = restGroup.str();
    group.choices.push_back({"-", "", 0, std::vector<double>(problem.metrics.size()), {}});
    problem.groups.push_back(std::move(group));
  }
  problem.groups[*rest].choices[0].loss = it->second;
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

llvm::Error Sensitivities::save(const solver::AllocationProblem *problem) const {
  if (options.file.empty())
    return llvm::Error::success();
  solver::AllocationProblem empty;
  empty.digest = units->digest;
  empty.lossName = lossName;
  auto print = [](llvm::json::OStream &out, const Measured &measured) {
    for (const auto &[metric, value] : measured)
      out.attribute(metric, value);
  };
  auto printTable = [&](llvm::json::OStream &out, llvm::StringRef key, auto &&list, const auto &table) {
    out.attributeArray(key, [&] {
      for (auto [entry, byFormat] : llvm::zip(list, table))
        for (const auto &measured : byFormat)
          if (!measured.second.empty())
            out.object([&, &name = entry.name] {
              out.attribute("name", name);
              out.attribute("format", measured.first);
              print(out, measured.second);
            });
    });
  };
  std::string text = solver::printProblem(problem ? *problem : empty, [&](llvm::json::OStream &out) {
    out.attributeObject("measurements", [&] {
      out.attribute("version", measurementsVersion);
      for (const auto &[name, value] : identity)
        out.attribute(name, value);
      printTable(out, "weights", units->units, weights);
      printTable(out, "activations", units->classes, activations);
      if (!fixed.empty())
        out.attributeObject("fixed", [&] {
          out.attribute("of", fixedDigest);
          print(out, fixed);
        });
    });
  });
  // Under a temporary name first: what was measured is not lost.
  auto error = llvm::writeToOutput(options.file, [&](llvm::raw_ostream &stream) {
    stream << text;
    return llvm::Error::success();
  });
  return error ? llvm::createStringError("--sensitivities: " + llvm::toString(std::move(error)))
               : llvm::Error::success();
}

llvm::Error Sensitivities::load() {
  if (options.file.empty() || !llvm::sys::fs::exists(options.file))
    return llvm::Error::success();
  auto fail = [&](const llvm::Twine &text) {
    return llvm::createStringError("--sensitivities '" + options.file + "': " + text);
  };
  auto file = llvm::MemoryBuffer::getFile(options.file, /*IsText=*/true);
  if (!file)
    return fail(file.getError().message());
  auto json = llvm::json::parse((*file)->getBuffer());
  if (!json)
    return fail("expected a file that quant-compile wrote, found no JSON: " + llvm::toString(json.takeError()));
  const llvm::json::Object *root = json->getAsObject(), *kept = root ? root->getObject("measurements") : nullptr;
  if (!kept || kept->getInteger("version") != measurementsVersion)
    return fail("expected a file that quant-compile wrote, with 'measurements' of version " +
                llvm::Twine(measurementsVersion) + "; remove the file or name another one");
  for (const auto &[name, value] : identity) {
    llvm::StringRef found = kept->getString(name).value_or("");
    if (found != value)
      return fail("was measured for another " + name + ": expected " + (value.empty() ? "none" : value) + ", found " +
                  (found.empty() ? "none" : found) + "; remove the file or name another one");
  }
  auto read = [&](const llvm::json::Object &entry, const llvm::Twine &place, Measured &into) -> llvm::Error {
    Measured measured;
    for (const auto &[key, value] : entry) {
      if (key == "name" || key == "format" || key == "of")
        continue;
      auto number = value.getAsNumber();
      if (!number || !std::isfinite(*number))
        return fail(place + ": expected a finite number for '" + llvm::StringRef(key) +
                    "'; remove the file or name another one");
      measured[key.str()] = *number;
    }
    if (!measured.count("output") || (!options.userMetric.empty() && !measured.count("user")))
      return fail(place + ": expected 'output'" + (options.userMetric.empty() ? "" : " and 'user'") +
                  "; remove the file or name another one");
    into = std::move(measured);
    return llvm::Error::success();
  };
  auto readTable = [&](llvm::StringRef key, const auto &list, auto &table) -> llvm::Error {
    llvm::StringMap<size_t> byName;
    for (auto [index, entry] : llvm::enumerate(list))
      byName[entry.name] = index;
    const llvm::json::Array *entries = kept->getArray(key);
    if (!entries)
      return fail("expected a list 'measurements." + key + "'; remove the file or name another one");
    for (const llvm::json::Value &value : *entries) {
      const llvm::json::Object *entry = value.getAsObject();
      auto name = entry ? entry->getString("name") : std::nullopt;
      auto format = entry ? entry->getString("format") : std::nullopt;
      auto it = name ? byName.find(*name) : byName.end();
      if (!format || it == byName.end())
        return fail("measurements." + key +
                    ": expected 'name' and 'format' of this model; remove the file or name "
                    "another one");
      if (llvm::Error error = read(*entry, "'" + *name + "' in " + *format, table[it->getValue()][format->str()]))
        return error;
    }
    return llvm::Error::success();
  };
  if (llvm::Error error = readTable("weights", units->units, weights))
    return error;
  if (llvm::Error error = readTable("activations", units->classes, activations))
    return error;
  if (const llvm::json::Object *entry = kept->getObject("fixed"); entry && entry->getString("of") == fixedDigest)
    return read(*entry, "'fixed'", fixed);
  return llvm::Error::success();
}
