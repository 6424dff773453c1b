//===- Collect.cpp - runs calibration data through a float graph -----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Collect.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Reference/Interpreter.h"
#include "llvm/Support/FileSystem.h"
#include <chrono>
#include <cmath>

using namespace llvm;

namespace bitwright {

static bool isObserved(mlir::Value value) {
  auto type = dyn_cast<mlir::RankedTensorType>(value.getType());
  if (!type || !type.getElementType().isF32())
    return false;
  mlir::Operation *op = value.getDefiningOp();
  return !op || !isa<qnn::ConstantOp, qnn::WeightOp>(op);
}

template <typename Fn> static void forEachObserved(mlir::func::FuncOp func, Fn visit) {
  for (mlir::BlockArgument argument : func.getArguments())
    if (isObserved(argument))
      visit(argument);
  for (mlir::Operation &op : func.getBody().front())
    for (mlir::OpResult result : op.getResults())
      if (isObserved(result))
        visit(result);
}

StringSet<> observedValues(mlir::func::FuncOp func) {
  StringSet<> names;
  forEachObserved(func, [&](mlir::Value value) { names.insert(getValueName(value)); });
  return names;
}

/// The dimension whose means bias correction asks for: the input channels of a product that reads the value.
static int64_t channelAxisOf(mlir::Value value) {
  for (mlir::OpOperand &use : value.getUses()) {
    if (use.getOperandNumber() != 0)
      continue;
    if (isa<qnn::ConvOp, qnn::ConvTransposeOp>(use.getOwner()))
      return 1;
    if (isa<qnn::LinearOp>(use.getOwner()))
      return cast<mlir::RankedTensorType>(value.getType()).getRank() - 1;
  }
  return -1;
}

Error InterpreterRunner::run(const Sample &sample, const StringSet<> &wanted, ObserveFn observe) {
  using namespace reference;
  SmallVector<Tensor> inputs;
  for (auto [argument, array] : zip(func.getArguments(), sample.inputs)) {
    auto element = elementOf(cast<mlir::RankedTensorType>(argument.getType()).getElementType());
    auto bytes = std::make_shared<std::vector<uint8_t>>(array.data);
    inputs.push_back(Tensor(*element, array.shape, bytes->data(), bytes));
  }
  auto hand = [&](mlir::Value value, const Tensor &tensor) {
    if (!isObserved(value))
      return;
    std::string name = getValueName(value);
    if (wanted.contains(name))
      observe(name, ArrayRef<float>(tensor.data<float>(), size_t(tensor.getNumElements())), tensor.getShape());
  };
  for (auto [argument, tensor] : zip(func.getArguments(), inputs))
    hand(argument, tensor);
  InterpretOptions options;
  options.threads = threads;
  options.observer = [&](mlir::Operation *op, unsigned result, const Tensor &tensor) {
    if (op->getParentOp() == func)
      hand(op->getResult(result), tensor);
  };
  if (failed(interpret(func, inputs, options)))
    return createStringError("the float graph could not be run on a calibration sample");
  return Error::success();
}

namespace {
/// A collection that can be interrupted.
class Collection {
public:
  Collection(mlir::func::FuncOp func, CalibrationData &data, Runner &runner, const CollectOptions &options)
      : data(data), runner(runner), options(options), wanted(observedValues(func)) {
    statistics.graphDigest = digestOf(func);
    forEachObserved(func, [&](mlir::Value value) {
      ValueStatistics &entry = statistics.values[getValueName(value)];
      entry.channelAxis = channelAxisOf(value);
      entry.keepChannelAbsMax = options.channelAbsMax;
    });
    if (options.secondMoments)
      func.walk([&](mlir::Operation *op) {
        auto geometry = ProductGeometry::of(op);
        if (geometry && geometry->columns <= options.maxMomentColumns)
          products[geometry->input].push_back({getName(op).str(), *geometry});
      });
  }

  Expected<Statistics> run(function_ref<void(uint64_t)> progress) {
    if (Error error = resume())
      return std::move(error);
    lastSave = Clock::now();
    uint64_t read = 0, done = statistics.unfinished ? statistics.unfinished->read : 0;
    std::string expected = statistics.unfinished ? statistics.unfinished->digest : "";
    Error error = data.forEach([&](const Sample &sample) -> Error {
      ++read;
      if (read <= done)
        return read < done || data.getDigest() == expected ? Error::success() : otherResume("data");
      if ((read - 1) % options.shards == options.shard) {
        if (Error inner = add(sample))
          return inner;
        if (progress)
          progress(statistics.samples);
      }
      return saveAfter(read);
    });
    if (error)
      return std::move(error);
    if (read < done)
      return otherResume("data");
    if (!statistics.samples)
      return createStringError("shard " + Twine(options.shard + 1) + "/" + Twine(options.shards) + " of " +
                               Twine(read) + " samples is empty: expected at most as many shards as samples");
    statistics.unfinished.reset();
    statistics.data = {{data.getDigest(), options.shard, options.shards, statistics.samples}};
    return std::move(statistics);
  }

private:
  using Clock = std::chrono::steady_clock;

  Error otherResume(StringRef what) {
    return createStringError("'" + options.resumeFile + "' is what an interrupted collection left, of another " + what +
                             ": repeat the command that was interrupted, or remove the file to start over");
  }

  /// Reads the file that an interrupted pass left, if there is one.
  Error resume() {
    if (options.resumeFile.empty() || !sys::fs::exists(options.resumeFile))
      return Error::success();
    auto before = Statistics::loadUnfinished(options.resumeFile);
    if (!before)
      return createStringError(toString(before.takeError()) + "; remove the file to start over");
    if (before->graphDigest != statistics.graphDigest)
      return otherResume("graph");
    if (!before->unfinished)
      return otherResume("kind (it is complete)");
    bool moments = !before->moments.empty(), sameShard = before->data.size() == 1 &&
                                                         before->data[0].shard == options.shard &&
                                                         before->data[0].shards == options.shards;
    bool absMax = any_of(before->values, [](const auto &entry) { return !entry.second.channelAbsMax.empty(); });
    if (!sameShard)
      return otherResume("shard");
    bool channels = any_of(statistics.values, [](const auto &entry) { return entry.second.channelAxis >= 0; });
    if (moments != (options.secondMoments && !products.empty()) || absMax != (options.channelAbsMax && channels))
      return otherResume("set of options");
    for (auto &[name, value] : statistics.values) {
      auto it = before->values.find(name);
      if (it == before->values.end())
        return otherResume("graph");
      it->second.channelAxis = value.channelAxis;
      it->second.keepChannelAbsMax = value.keepChannelAbsMax;
    }
    statistics = std::move(*before);
    if (options.onResume)
      options.onResume(statistics.samples);
    return Error::success();
  }

  Error add(const Sample &sample) {
    std::string bad;
    Error error = runner.run(sample, wanted, [&](StringRef name, ArrayRef<float> values, ArrayRef<int64_t> shape) {
      if (!all_of(values, [](float v) { return std::isfinite(v); })) {
        if (bad.empty())
          bad = name.str();
        return;
      }
      statistics.values[name.str()].add(values, shape);
      if (auto it = products.find(name); it != products.end())
        for (const auto &[operation, geometry] : it->second)
          statistics.moments[operation].add(geometry, values, shape);
    });
    if (error)
      return error;
    if (!bad.empty())
      return createStringError("calibration sample " + Twine(statistics.samples * options.shards + options.shard) +
                               ": the float graph gives NaN or infinity at '" + bad +
                               "': expected finite activations; check the weights and the scaling of the inputs");
    ++statistics.samples;
    return Error::success();
  }

  Error saveAfter(uint64_t read) {
    if (options.resumeFile.empty() || !statistics.samples)
      return Error::success();
    auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
    // Large moments take a while to write: at most a twentieth of the time goes there.
    if (seconds(Clock::now() - lastSave) < std::max(options.saveSeconds, 20 * saveTook))
      return Error::success();
    auto start = Clock::now();
    statistics.unfinished = Statistics::Unfinished{read, data.getDigest()};
    statistics.data = {{"unknown", options.shard, options.shards, statistics.samples}};
    Error error = statistics.save(options.resumeFile);
    lastSave = Clock::now();
    saveTook = options.saveSeconds > 0 ? seconds(lastSave - start) : 0;
    return error;
  }

  CalibrationData &data;
  Runner &runner;
  const CollectOptions &options;
  StringSet<> wanted;
  Statistics statistics;
  /// Products by the value that they read.
  StringMap<std::vector<std::pair<std::string, ProductGeometry>>> products;
  Clock::time_point lastSave;
  double saveTook = 0;
};
} // namespace

Expected<Statistics> collectStatistics(mlir::func::FuncOp func, CalibrationData &data, Runner &runner,
                                       function_ref<void(uint64_t)> progress, const CollectOptions &options) {
  return Collection(func, data, runner, options).run(progress);
}

Expected<Statistics> collectStatisticsTo(StringRef path, mlir::func::FuncOp func, CalibrationData &data, Runner &runner,
                                         function_ref<void(uint64_t)> progress, CollectOptions options) {
  options.resumeFile = (path + ".partial").str();
  auto statistics = collectStatistics(func, data, runner, progress, options);
  if (!statistics)
    return statistics;
  if (Error error = statistics->save(path))
    return std::move(error);
  sys::fs::remove(options.resumeFile);
  return statistics;
}

Error checkStatistics(const Statistics &statistics, mlir::func::FuncOp func) {
  std::string digest = digestOf(func);
  if (statistics.graphDigest != digest)
    return createStringError("the statistics belong to another graph: expected graph digest " + digest.substr(0, 16) +
                             "..., found " + statistics.graphDigest.substr(0, 16) + "...; run the calibration again");
  std::string missing;
  forEachObserved(func, [&](mlir::Value value) {
    std::string name = getValueName(value);
    if (missing.empty() && !statistics.lookup(name))
      missing = name;
  });
  if (!missing.empty())
    return createStringError("the statistics lack the value '" + missing + "'; run the calibration again");
  return Error::success();
}

} // namespace bitwright
