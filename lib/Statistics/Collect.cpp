//===- Collect.cpp - runs calibration data through a float graph -----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Collect.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Reference/Interpreter.h"
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

Expected<Statistics> collectStatistics(mlir::func::FuncOp func, CalibrationData &data, Runner &runner,
                                       function_ref<void(uint64_t)> progress, const CollectOptions &options) {
  Statistics statistics;
  statistics.graphDigest = digestOf(func);
  StringSet<> wanted = observedValues(func);
  forEachObserved(
      func, [&](mlir::Value value) { statistics.values[getValueName(value)].channelAxis = channelAxisOf(value); });
  // Products by the value that they read.
  StringMap<std::vector<std::pair<std::string, ProductGeometry>>> products;
  if (options.secondMoments)
    func.walk([&](mlir::Operation *op) {
      auto geometry = ProductGeometry::of(op);
      if (geometry && geometry->columns <= options.maxMomentColumns)
        products[geometry->input].push_back({getName(op).str(), *geometry});
    });
  std::string bad;
  Error error = data.forEach([&](const Sample &sample) -> Error {
    Error inner = runner.run(sample, wanted, [&](StringRef name, ArrayRef<float> values, ArrayRef<int64_t> shape) {
      for (float v : values)
        if (!std::isfinite(v)) {
          if (bad.empty())
            bad = name.str();
          return;
        }
      statistics.values[name.str()].add(values, shape);
      if (auto it = products.find(name); it != products.end())
        for (const auto &[operation, geometry] : it->second)
          statistics.moments[operation].add(geometry, values, shape);
    });
    if (inner)
      return inner;
    if (!bad.empty())
      return createStringError("calibration sample " + Twine(statistics.samples) +
                               ": the float graph gives NaN or infinity at '" + bad +
                               "': expected finite activations; check the weights and the scaling of the inputs");
    ++statistics.samples;
    if (progress)
      progress(statistics.samples);
    return Error::success();
  });
  if (error)
    return std::move(error);
  statistics.dataDigest = data.getDigest();
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
