//===- Report.cpp - gathers what --report shows -----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "tools/quant-compile/Report.h"
#include "lib/Allocate/Units.h"
#include "lib/Evaluate/Costs.h"
#include "lib/NumberFormats/NumberFormat.h"
#include "lib/Report/Html.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"

#include <mutex>
#include <set>

using namespace mlir;
using namespace bitwright;

namespace {

/// Keeps each remark as a line. Functions without remarks of their own cost nothing.
class RemarkListener : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit RemarkListener(std::shared_ptr<std::vector<report::RemarkLine>> lines) : lines(std::move(lines)) {}
  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    report::RemarkLine line;
    line.stage = remark.getCategoryName().str();
    line.good =
        remark.getRemarkType() != llvm::remarks::Type::Missed && remark.getRemarkType() != llvm::remarks::Type::Failure;
    for (const auto &argument : remark.getArgs()) {
      if (argument.key == "Op")
        line.name = argument.val;
      else if (argument.key == "Kind")
        line.kind = argument.val;
      else
        line.text += (line.text.empty() ? "" : " ") + argument.val;
    }
    std::lock_guard<std::mutex> lock(mutex); // passes on several functions run in parallel
    lines->push_back(std::move(line));
  }

private:
  std::mutex mutex;
  std::shared_ptr<std::vector<report::RemarkLine>> lines;
};

std::string shapeText(RankedTensorType type) {
  std::string text;
  for (int64_t extent : type.getShape())
    text += (text.empty() ? "" : "\xc3\x97") + (ShapedType::isDynamic(extent) ? "?" : std::to_string(extent));
  return text;
}

/// How a weight is scaled and rounded, in the words of recipes.
std::string schemeText(Operation *product, qnn::SchemeAttr scheme) {
  std::string text;
  switch (scheme.getGranularity()) {
  case qnn::Granularity::Tensor:
    text = "per tensor";
    break;
  case qnn::Granularity::Axis:
    text = "per channel";
    break;
  case qnn::Granularity::TwoLevel:
    text = "two levels of " + std::to_string(scheme.getGroup());
    break;
  default:
    text = "groups of " + std::to_string(scheme.getGroup());
  }
  if (product->hasAttr(weightZeroPointAttr))
    text += ", zero points";
  if (auto clip = product->getAttrOfType<StringAttr>(weightClipAttr))
    text += ", " + clip.str();
  if (auto rounding = product->getAttrOfType<StringAttr>(weightRoundingAttr))
    text += ", " + rounding.str();
  return text;
}

bool isProduct(Operation *op) { return classify(op) == OpClass::Product; }

/// The parameter that code `i` is scaled by.
struct ParameterOf {
  qnn::SchemeAttr scheme;
  llvm::ArrayRef<int64_t> shape;
  int64_t operator()(int64_t i) const {
    if (scheme.getGranularity() == qnn::Granularity::Axis) {
      int64_t inner = 1;
      for (int64_t extent : shape.drop_front(scheme.getAxis() + 1))
        inner *= extent;
      return i / inner % shape[scheme.getAxis()];
    }
    if (scheme.getGranularity() == qnn::Granularity::Group) // rows of shape[1] columns
      return i / scheme.getGroup();
    return 0;
  }
};

/// Squares of a weight over squares of what rounding changed, in dB.
report::Figure weightSqnr(const WeightData &before, qnn::DequantizeOp after) {
  auto codes = getConstant(after.getInput()), scales = getConstant(after.getScale());
  if (!codes || !scales || codes->getNumElements() != before.getNumElements())
    return std::nullopt;
  std::vector<int64_t> zeroPoints, values = toIntegers(*codes);
  if (Value zeroPoint = after.getZeroPoint())
    if (auto data = getConstant(zeroPoint))
      zeroPoints = toIntegers(*data);
  std::vector<float> scaleValues = toFloats(*scales), reference = toFloats(before);
  ParameterOf parameterOf{after.getScheme(), codes->type.getShape()};
  double signal = 0, noise = 0;
  for (auto [i, value] : llvm::enumerate(reference)) {
    size_t p = size_t(parameterOf(int64_t(i)));
    if (p >= scaleValues.size() || (!zeroPoints.empty() && p >= zeroPoints.size()))
      return std::nullopt;
    double rounded = double(values[i] - (zeroPoints.empty() ? 0 : zeroPoints[p])) * double(scaleValues[p]);
    signal += double(value) * double(value);
    noise += (rounded - double(value)) * (rounded - double(value));
  }
  return report::decibels(signal, noise);
}

} // namespace

void ReportCollector::listen(MLIRContext &context) {
  // Each kind needs a filter of its own to be heard.
  remark::RemarkCategories all;
  all.passed = all.missed = all.analysis = all.failed = ".*";
  (void)remark::enableOptimizationRemarks(context, std::make_unique<RemarkListener>(remarks),
                                          std::make_unique<remark::RemarkEmittingPolicyAll>(), all);
}

void ReportCollector::noteAllocated(func::FuncOp func, const Statistics *statistics, const Decisions *decisions) {
  if (statistics) {
    record.graphDigest = statistics->graphDigest;
    for (const DataPart &part : statistics->data)
      record.dataDigest += (record.dataDigest.empty() ? "" : ", ") + part.source;
    record.samples = double(statistics->samples);
  }
  func.walk([&](Operation *op) {
    if (auto reason = op->getAttrOfType<StringAttr>(keepFloatAttr))
      record.floats.push_back({bitwright::getName(op).str(), op->getName().stripDialect().str(), reason.str()});
    else if (op->hasAttr(weightSchemeAttr))
      if (auto data = getConstant(getWeightOf(op)))
        floatWeights[bitwright::getName(op)] = *data;
  });
  noteLayers(func, statistics);
  if (decisions)
    report::addDecisions(record, *decisions);
}

void ReportCollector::noteLayers(func::FuncOp func, const Statistics *statistics) {
  // Classes need ranges; a value without one (scales found at run time, no statistics) has no picture either.
  auto placement = QuantizerPlacement::compute(func);
  bool calibrated = llvm::all_of(placement.quantized, [](Value value) {
    if (isConstantValue(value))
      return true;
    if (Operation *op = value.getDefiningOp())
      return op->hasAttr(rangeAttr);
    auto argument = cast<BlockArgument>(value);
    return bool(cast<func::FuncOp>(argument.getOwner()->getParentOp()).getArgAttr(argument.getArgNumber(), rangeAttr));
  });
  if (!calibrated)
    return;
  AllocationUnits units = AllocationUnits::compute(func, FormatChoices());
  for (const AllocationUnit &unit : units.units) {
    report::Layer layer;
    layer.name = unit.name;
    if (unit.activation >= 0)
      layer.activation = QuantizerPlacement::storageOf(units.classes[size_t(unit.activation)].values.front()).str();
    if (!unit.product) {
      layer.kind = "activations";
      record.layers.push_back(std::move(layer));
      continue;
    }
    auto scheme = unit.product->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr);
    auto type = cast<RankedTensorType>(getWeightOf(unit.product).getType());
    layer.kind = unit.product->getName().stripDialect().str();
    layer.shape = shapeText(type);
    layer.weight = scheme.getStorage().str();
    layer.scheme = schemeText(unit.product, scheme);
    if (isDynamicallyScaled(unit.product))
      layer.scheme += "; activations per token";
    layer.elements = double(type.getNumElements());
    layer.bytes = double(bytesOfWeight(unit, layer.weight, layer.activation));
    if (layer.elements > 0)
      layer.bits = 8 * *layer.bytes / layer.elements;
    if (layer.activation.empty() && isDynamicallyScaled(unit.product))
      layer.activation = unit.product->getAttrOfType<qnn::SchemeAttr>(activationSchemeAttr).getStorage().str();
    layer.reason = record.plan.empty() ? "as the recipe says" : "as the plan says";
    record.layers.push_back(std::move(layer));
  }
  if (!statistics)
    return;
  auto grids = placement.grids();
  for (const ActivationClass &values : units.classes) {
    Value first = values.values.front();
    const ValueStatistics *seen = statistics->lookup(getValueName(first));
    auto grid = grids.find(first);
    if (!seen || grid == grids.end())
      continue;
    std::string format = QuantizerPlacement::storageOf(first).str();
    const IntegerFormat &codes = integerFormat(format);
    double scale = double(grid->second.scale);
    Range range{double(codes.lowest() - grid->second.zeroPoint) * scale,
                double(codes.highest() - grid->second.zeroPoint) * scale};
    report::Activation activation = report::describeActivation(*seen, range, scale);
    activation.name = values.name;
    activation.format = format;
    activation.values = unsigned(values.values.size());
    record.activations.push_back(std::move(activation));
  }
}

void ReportCollector::noteQuantized(func::FuncOp func) {
  llvm::StringMap<report::Figure> found;
  std::set<std::string> rounded;
  func.walk([&](Operation *op) {
    auto before = floatWeights.find(bitwright::getName(op));
    if (before == floatWeights.end() || !isProduct(op))
      return;
    auto dequantize = getWeightOf(op).getDefiningOp<qnn::DequantizeOp>();
    if (!dequantize)
      return;
    rounded.insert(before->first().str());
    found[before->first()] = weightSqnr(before->second, dequantize);
  });
  for (report::Layer &layer : record.layers) {
    if (auto it = found.find(layer.name); it != found.end() && it->second)
      layer.weightSqnr = it->second;
    if (!layer.weight.empty() && floatWeights.count(layer.name) && !rounded.count(layer.name))
      layer.reason += "; its input is float, so its weight stayed float";
  }
  floatWeights.clear();
}

void ReportCollector::noteFile(const artifact::Model &model) {
  double bytes = 0;
  for (const artifact::Weight &weight : model.weights)
    bytes += double(artifact::storedBytes(weight));
  record.fileWeightBytes = bytes;
  record.arenaBytes = double(model.arenaBytes);
  record.kernels = double(model.kernels.size());
  if (!model.entries.empty())
    record.launches = double(model.entries.front().launches.size());
  record.machine = "compiled on " + llvm::sys::getHostCPUName().str() + "; code for ";
  std::vector<std::string> targets;
  for (const artifact::CodeSegment &code : model.code)
    targets.push_back(artifact::isaName(code.isa));
  std::set<std::string> gpus;
  for (const artifact::GpuCode &code : model.gpuCode)
    gpus.insert(artifact::gpuArchName(code.arch));
  targets.insert(targets.end(), gpus.begin(), gpus.end());
  record.machine += llvm::join(targets, ", ");
}

llvm::Error ReportCollector::write(llvm::StringRef path) {
  record.tool = "quant-compile " BITWRIGHT_VERSION;
  record.remarks = *remarks;
  return report::writeReport(path, report::toJson(record));
}
