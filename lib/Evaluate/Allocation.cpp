//===- Allocation.cpp - weight formats measured and chosen ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/Allocation.h"
#include "lib/CostModel/CostModel.h"
#include "lib/Statistics/SecondMoments.h"
#include "lib/Statistics/Statistics.h"
#include "lib/Target/X86/PanelLayout.h"
#include "passes/Quantize/QuantizableOps.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;

namespace {

/// Linear layers and convolutions whose weight will be codes.
SmallVector<Operation *> quantizedLayers(func::FuncOp func) {
  SmallVector<Operation *> layers;
  func.walk([&](Operation *op) {
    if (op->hasAttr(weightSchemeAttr) && !op->hasAttr(keepFloatAttr))
      layers.push_back(op);
  });
  return layers;
}

qnn::SchemeAttr withStorage(Operation *op, StringRef storage) {
  auto scheme = op->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr);
  MLIRContext *context = op->getContext();
  // Groups are for few bits; more have a scale a channel (assign-schemes).
  if (bitsOf(storage) > 4 && scheme.getGranularity() != qnn::Granularity::Tensor)
    return qnn::SchemeAttr::get(context, storage, weightAxis(op));
  return qnn::SchemeAttr::get(context, storage, scheme.getGranularity(), scheme.getAxis(), scheme.getGroup());
}

/// Bytes of a weight's codes of 4, 8 or 16 bits in the file, padding of the panels included. Depthwise filters always
/// take 16 bits.
int64_t bytesOfCodes(Operation *op, ArrayRef<int64_t> shape, int bits) {
  auto geometry = ProductGeometry::of(op);
  int64_t groups = geometry ? geometry->groups : 1;
  if (groups > 1 && shape[0] == groups && shape[1] == 1) {
    int64_t taps = 1;
    for (int64_t extent : shape.drop_front(2))
      taps *= extent;
    return x86::DepthwisePanel{false, groups, taps / shape.back(), shape.back()}.totalBytes();
  }
  x86::PanelKind kind = bits <= 4 ? x86::PanelKind::Nibbles : bits <= 8 ? x86::PanelKind::Bytes : x86::PanelKind::Words;
  int64_t columns = 1;
  for (int64_t extent : shape.drop_front())
    columns *= extent;
  return x86::PanelLayout{kind, groups, shape[0] / groups, columns}.totalBytes();
}

/// A weight in a format: what the network will compute with, and what the file will hold.
struct Rounded {
  std::vector<float> values;
  double bytes = 0;
};

llvm::Expected<Rounded> roundAs(Operation *op, StringRef storage) {
  Attribute before = op->getAttr(weightSchemeAttr);
  if (!storage.empty())
    op->setAttr(weightSchemeAttr, withStorage(op, storage));
  auto weight = quantizeWeightOf(op, /*inputScale=*/0);
  op->setAttr(weightSchemeAttr, before);
  if (failed(weight))
    return llvm::createStringError("the weight of '" + getName(op) + "' cannot be rounded to " + storage);
  Rounded result;
  for (int64_t i = 0; i < int64_t(weight->codes.size()); ++i)
    result.values.push_back(float(weight->valueAt(i)));
  int bits = weight->twoLevelGroup ? 4 : bitsOf(weight->scheme.getStorage());
  WeightStorage beside; // scales and zero points
  if (weight->twoLevelGroup) {
    // A group has a scale of 8 bits and an offset of 16; offsets lie in pairs along a row.
    int64_t groups = llvm::divideCeil(weight->shape[1], weight->twoLevelGroup);
    beside.otherBits = weight->shape[0] * (groups * 8 + llvm::alignTo(groups, 2) * 16);
  }
  beside.scales = int64_t(weight->scales.size());
  beside.zeroPoints = int64_t(weight->zeroPoints.size());
  result.bytes = double(bytesOfCodes(op, weight->shape, bits) + beside.bytes());
  return result;
}

/// Outputs of the float network, and the loss of others against them.
class Reference {
public:
  Reference(EvaluationModel &model, CalibrationData &data, unsigned maxSamples)
      : model(model), data(data), maxSamples(maxSamples) {}

  llvm::Error collect() {
    return forEach([&](size_t, const std::vector<EvaluatedOutput> &outputs) {
      reference.push_back(outputs);
      for (const EvaluatedOutput &output : outputs)
        distributions &= rowsAreDistributions(output);
      return llvm::Error::success();
    });
  }
  llvm::Expected<double> loss() {
    double sum = 0;
    auto error = forEach([&](size_t sample, const std::vector<EvaluatedOutput> &outputs) -> llvm::Error {
      for (size_t i = 0; i < outputs.size(); ++i)
        sum += distributions ? divergence(reference[sample][i], outputs[i])
                             : relativeError(reference[sample][i], outputs[i]);
      return llvm::Error::success();
    });
    if (error)
      return std::move(error);
    return sum / double(std::max<size_t>(1, reference.size()));
  }
  std::string name() const { return distributions ? "KL of the output" : "relative squared error of the output"; }

private:
  llvm::Error forEach(llvm::function_ref<llvm::Error(size_t, const std::vector<EvaluatedOutput> &)> visit) {
    size_t count = 0;
    return data.forEach([&](const Sample &sample) -> llvm::Error {
      if (count >= maxSamples)
        return llvm::Error::success();
      auto outputs = model.run(sample);
      if (!outputs)
        return outputs.takeError();
      return visit(count++, *outputs);
    });
  }
  static size_t rowSize(const EvaluatedOutput &output) {
    return output.shape.empty() ? 1 : size_t(output.shape.back());
  }
  static bool rowsAreDistributions(const EvaluatedOutput &output) {
    size_t size = rowSize(output);
    if (size < 2)
      return false;
    for (size_t i = 0; i < output.values.size(); i += size) {
      double sum = 0;
      for (size_t j = i; j < i + size; ++j) {
        if (output.values[j] < 0)
          return false;
        sum += double(output.values[j]);
      }
      if (std::fabs(sum - 1) > 1e-3)
        return false;
    }
    return true;
  }
  /// Mean over rows of sum p log(p / q) - p + q, which no rounding of the rows' sums makes negative; probabilities
  /// below 1e-9 count as that.
  static double divergence(const EvaluatedOutput &p, const EvaluatedOutput &q) {
    double sum = 0;
    for (size_t i = 0; i < p.values.size(); ++i) {
      double a = std::max(1e-9, double(p.values[i])), b = std::max(1e-9, double(q.values[i]));
      sum += a * std::log(a / b) - a + b;
    }
    return sum * double(rowSize(p)) / double(p.values.size());
  }
  static double relativeError(const EvaluatedOutput &reference, const EvaluatedOutput &found) {
    double error = 0, size = 1e-30;
    for (size_t i = 0; i < reference.values.size(); ++i) {
      double d = double(found.values[i]) - double(reference.values[i]);
      error += d * d;
      size += double(reference.values[i]) * double(reference.values[i]);
    }
    return error / size;
  }

  EvaluationModel &model;
  CalibrationData &data;
  unsigned maxSamples;
  bool distributions = true;
  std::vector<std::vector<EvaluatedOutput>> reference;
};

} // namespace

llvm::Expected<solver::AllocationProblem> bitwright::measureSensitivities(func::FuncOp func, CalibrationData &data,
                                                                          const AllocationOptions &options,
                                                                          std::vector<std::string> &fixed) {
  auto model = EvaluationModel::create(func, {}, options.threads);
  if (!model)
    return model.takeError();
  Reference reference(**model, data, options.maxSamples);
  if (llvm::Error error = reference.collect())
    return std::move(error);
  solver::AllocationProblem problem;
  problem.model = func.getName().str();
  problem.digest = digestOf(func);
  problem.lossName = reference.name();
  problem.metrics = {"bytes"};
  SmallVector<Operation *> layers = quantizedLayers(func);
  uint64_t done = 0, all = layers.size() * options.formats.size();
  for (Operation *op : layers) {
    std::string name = getName(op).str();
    // Convolutions on floats have their weight unpacked in the file: fewer bits would save nothing.
    if (!(*model)->hasWeight(name) || (isWeightOnly(op) && !isa<qnn::LinearOp>(op))) {
      fixed.push_back(name);
      done += options.formats.size();
      continue;
    }
    solver::Group group;
    group.name = name;
    for (const std::string &format : options.formats) {
      auto rounded = roundAs(op, format);
      if (!rounded)
        return rounded.takeError();
      if (llvm::Error error = (*model)->setWeight(name, rounded->values))
        return std::move(error);
      auto loss = reference.loss();
      if (!loss)
        return loss.takeError();
      group.elements = double(rounded->values.size());
      solver::Choice choice;
      choice.weight = format;
      choice.loss = *loss;
      choice.costs = {rounded->bytes};
      group.choices.push_back(choice);
      if (options.progress)
        options.progress(++done, all);
    }
    if (llvm::Error error = (*model)->restoreWeight(name))
      return std::move(error);
    problem.groups.push_back(std::move(group));
  }
  if (problem.groups.empty())
    return llvm::createStringError("there is no layer whose weight format could be chosen: expected a recipe that "
                                   "quantizes linear layers, or convolutions with static activation scales");
  return problem;
}

llvm::Expected<double> bitwright::measurePlan(func::FuncOp func, CalibrationData &data,
                                              const AllocationOptions &options) {
  auto model = EvaluationModel::create(func, {}, options.threads);
  if (!model)
    return model.takeError();
  Reference reference(**model, data, options.maxSamples);
  if (llvm::Error error = reference.collect())
    return std::move(error);
  for (Operation *op : quantizedLayers(func)) {
    if (!(*model)->hasWeight(getName(op)))
      continue;
    auto rounded = roundAs(op, "");
    if (!rounded)
      return rounded.takeError();
    if (llvm::Error error = (*model)->setWeight(getName(op), rounded->values))
      return std::move(error);
  }
  return reference.loss();
}

llvm::Error bitwright::applyPlan(func::FuncOp func, const llvm::StringMap<std::string> &formats) {
  llvm::StringMap<Operation *> layers;
  for (Operation *op : quantizedLayers(func))
    layers[getName(op)] = op;
  for (const auto &entry : formats) {
    auto it = layers.find(entry.getKey());
    if (it == layers.end())
      return llvm::createStringError("the plan names '" + entry.getKey() +
                                     "', which is no quantized layer of this model under this recipe");
    StringRef format = entry.getValue();
    int bits = 0;
    if (!format.consume_front("s") || format.getAsInteger(10, bits) || !(bits == 16 || (bits >= 2 && bits <= 8)) ||
        format != std::to_string(bits))
      return llvm::createStringError("the plan gives '" + entry.getKey() + "' the weight format '" + entry.getValue() +
                                     "': expected s2 to s8 or s16");
    Operation *op = it->getValue();
    op->setAttr(weightSchemeAttr, withStorage(op, entry.getValue()));
  }
  return llvm::Error::success();
}

llvm::Expected<llvm::StringMap<std::string>> bitwright::readPlan(llvm::StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return llvm::createStringError("cannot read the plan '" + path + "': " + file.getError().message());
  auto json = llvm::json::parse((*file)->getBuffer());
  if (!json)
    return llvm::createStringError("plan '" + path + "': " + llvm::toString(json.takeError()));
  const llvm::json::Object *root = json->getAsObject();
  const llvm::json::Array *groups = root ? root->getArray("groups") : nullptr;
  if (!groups || root->getInteger("version") != 1)
    return llvm::createStringError("plan '" + path +
                                   "': expected version 1 and a list 'groups' (what --plan-out writes)");
  llvm::StringMap<std::string> formats;
  for (const llvm::json::Value &value : *groups) {
    const llvm::json::Object *group = value.getAsObject();
    auto name = group ? group->getString("name") : std::nullopt;
    auto weight = group ? group->getString("weight") : std::nullopt;
    if (!name || !weight)
      return llvm::createStringError("plan '" + path + "': expected 'name' and 'weight' in each of 'groups'");
    if (group->get("activation"))
      return llvm::createStringError(
          "plan '" + path + "': '" + *name +
          "' has an activation format, which --plan-in does not take: expected 'weight' only");
    if (!formats.try_emplace(*name, weight->str()).second)
      return llvm::createStringError("plan '" + path + "': '" + *name + "' is named twice");
  }
  return formats;
}
