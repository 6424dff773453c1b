//===- Costs.cpp - what the choices of a problem cost -----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/Costs.h"
#include "lib/CostModel/CostModel.h"
#include "lib/Evaluate/Latency.h"
#include "lib/Target/X86/PanelLayout.h"
#include "passes/Quantize/QuantizerPlacement.h"

using namespace mlir;
using namespace bitwright;

//===----------------------------------------------------------------------===//
// Dimensions
//===----------------------------------------------------------------------===//

llvm::Expected<DimensionValues> DimensionValues::create(func::FuncOp func, const Sample &sample) {
  auto shapes = SymbolicShapes::compute(func);
  if (failed(shapes))
    return llvm::createStringError("costs: the shapes of '" + func.getName() + "' cannot be derived");
  if (sample.inputs.size() != func.getNumArguments())
    return llvm::createStringError("costs: expected a sample of " + llvm::Twine(func.getNumArguments()) +
                                   " inputs, found " + llvm::Twine(sample.inputs.size()));
  DimensionValues result(std::move(*shapes));
  for (const DimSymbol &symbol : bitwright::getSymbols(func))
    result.symbols.push_back(symbol.min); // stays where no input tells
  for (auto [argument, array] : llvm::zip(func.getArguments(), sample.inputs)) {
    const SymbolicShape &shape = result.shapes.get(argument);
    if (shape.size() != array.shape.size())
      return llvm::createStringError("costs: expected an input of " + llvm::Twine(shape.size()) +
                                     " dimensions, found " + llvm::Twine(array.shape.size()));
    for (auto [expr, extent] : llvm::zip(shape, array.shape))
      if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
        result.symbols[symbol.getPosition()] = extent;
  }
  return result;
}

llvm::Expected<DimensionValues> DimensionValues::largest(func::FuncOp func) {
  auto shapes = SymbolicShapes::compute(func);
  if (failed(shapes))
    return llvm::createStringError("costs: the shapes of '" + func.getName() + "' cannot be derived");
  DimensionValues result(std::move(*shapes));
  for (const DimSymbol &symbol : bitwright::getSymbols(func))
    result.symbols.push_back(symbol.max);
  return result;
}

SmallVector<int64_t> DimensionValues::shapeOf(Value value) const {
  SmallVector<int64_t> result;
  for (AffineExpr expr : shapes.get(value))
    result.push_back(evaluate(expr, symbols));
  return result;
}

int64_t DimensionValues::elementsOf(Value value) const {
  int64_t count = 1;
  for (int64_t extent : shapeOf(value))
    count *= extent;
  return count;
}

int64_t bitwright::macsOf(Operation *op, const DimensionValues &dims) {
  OpClass kind = classify(op);
  if (kind == OpClass::Matmul)
    return dims.elementsOf(op->getResult(0)) * dims.shapeOf(op->getOperand(0)).back();
  if (kind != OpClass::Product)
    return 0;
  auto weight = cast<RankedTensorType>(getWeightOf(op).getType());
  // A convolution adds its filter up in every output; a transposed one spreads it from every input.
  Value place = isa<qnn::ConvTransposeOp>(op) ? op->getOperand(0) : op->getResult(0);
  return dims.elementsOf(place) * (weight.getNumElements() / weight.getDimSize(0));
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

namespace {

/// How a product's weight lies in the file. What x86's packing does, from formats and shapes alone.
struct WeightShape {
  explicit WeightShape(Operation *product) {
    auto type = cast<RankedTensorType>(getWeightOf(product).getType());
    ArrayRef<int64_t> shape = type.getShape();
    elements = type.getNumElements();
    isLinear = isa<qnn::LinearOp>(product);
    isTransposed = isa<qnn::ConvTransposeOp>(product);
    if (auto conv = dyn_cast<qnn::ConvOp>(product))
      groups = conv.getGroups();
    if (auto conv = dyn_cast<qnn::ConvTransposeOp>(product))
      groups = conv.getGroups();
    channels = isTransposed ? shape[1] * groups : shape[0];
    slices = shape[size_t(weightAxis(product))];
    columns = elements / shape[0];
    taps = isLinear ? 1 : columns / shape[1];
    inner = isLinear ? 1 : shape.back();
    // One filter a channel.
    isDepthwise = !isLinear && !isTransposed && groups > 1 && shape[0] == groups && shape[1] == 1;
  }
  int64_t paddedChannels() const {
    int64_t parts = isDepthwise ? 1 : groups; // each padded to whole panels
    return parts * int64_t(llvm::alignTo(channels / parts, x86::kLanes));
  }
  int64_t panels(x86::PanelKind kind) const {
    return x86::PanelLayout{kind, groups, channels / groups, columns}.totalBytes();
  }

  int64_t elements = 0, groups = 1, channels = 0, slices = 0, columns = 0, taps = 1, inner = 1;
  bool isLinear = false, isTransposed = false, isDepthwise = false;
};

/// How a product computes.
enum class Lane { Static, PerToken, WeightOnly };
Lane laneOf(const AllocationUnit &unit) {
  return isWeightOnly(unit.product) ? Lane::WeightOnly : unit.activation >= 0 ? Lane::Static : Lane::PerToken;
}

/// The result is requantized, with a multiplier and a shift a channel, and not dequantized with a scale.
bool isRequantized(Operation *product, const QuantizerPlacement &placement) {
  Value value = product->getResult(0);
  while (placement.isFused(value))
    value = value.getUsers().begin()->getResult(0);
  return placement.quantized.contains(value);
}

} // namespace

static int64_t bytesOfWeight(const AllocationUnit &unit, StringRef weight, StringRef activation, bool requantized) {
  if (!unit.product)
    return 0;
  WeightShape shape(unit.product);
  qnn::SchemeAttr scheme = weightSchemeWith(unit.product, weight);
  // Kernels read 2 and 3 bits as 4, 5 to 7 as 8.
  unsigned bits = unsigned(bitsOf(scheme.getStorage()));
  bits = bits <= 4 ? 4 : bits <= 8 ? 8 : 16;
  Lane lane = laneOf(unit);
  int64_t group =
      scheme.getGranularity() == qnn::Granularity::Group || scheme.getGranularity() == qnn::Granularity::TwoLevel
          ? scheme.getGroup()
          : 0;
  int64_t groups = group ? llvm::divideCeil(shape.columns, group) : 1;

  // Codes. Kernels that unpack codes of 4 bits want whole steps of 8.
  bool nibbles = bits == 4 && group % 8 == 0 && activation != "s16" &&
                 (lane != Lane::WeightOnly || (shape.isLinear && shape.columns % 8 == 0));
  int64_t bytes = 0;
  if (lane == Lane::WeightOnly && !shape.isLinear)
    bytes = shape.isDepthwise
                ? x86::DepthwisePanel{true, shape.channels, shape.taps / shape.inner, shape.inner}.totalBytes()
                : shape.panels(x86::PanelKind::Floats);
  else if (shape.isTransposed)
    bytes = shape.elements * (bits == 16 ? 2 : 1);
  else if (shape.isDepthwise)
    bytes = x86::DepthwisePanel{false, shape.channels, shape.taps / shape.inner, shape.inner}.totalBytes();
  else if (nibbles) // fewer bits are packed in the file and expanded when it is loaded
    bytes = shape.panels(x86::PanelKind::Nibbles) * std::min(4, bitsOf(scheme.getStorage())) / 4;
  else if (bits <= 8)
    bytes = shape.panels(activation == "s16" ? x86::PanelKind::WideBytes : x86::PanelKind::Bytes);
  else
    bytes = shape.panels(lane == Lane::WeightOnly ? x86::PanelKind::Floats : x86::PanelKind::Words);

  // Parameters.
  bool perTensor = scheme.getGranularity() == qnn::Granularity::Tensor;
  if (lane == Lane::WeightOnly && !shape.isLinear)
    return bytes; // the filter holds values, not codes
  if (scheme.getGranularity() == qnn::Granularity::TwoLevel)
    // A group has a scale of 8 bits and an offset of 16; offsets lie in pairs along a row. A channel has a float scale.
    return bytes + shape.paddedChannels() * (groups + llvm::alignTo(groups, 2) * 2) + shape.channels * 4;
  if (group || lane == Lane::WeightOnly) {
    bytes += shape.paddedChannels() * groups * 4;
    if (unit.product->hasAttr(weightZeroPointAttr))
      bytes += shape.paddedChannels() * groups * 2;
    return bytes;
  }
  if (perTensor)
    return bytes; // constants of the code
  // Without groups there is one integer sum, with a start that sums of groups have not (see bytesOfRest).
  auto written = unit.product->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr);
  if (lane == Lane::PerToken && written.getGranularity() == qnn::Granularity::Group)
    bytes += shape.paddedChannels() * 4;
  // Static scales become multipliers of 32 bits and shifts of 8.
  return bytes + shape.slices * (requantized ? 5 : 4);
}

int64_t bitwright::bytesOfWeight(const AllocationUnit &unit, StringRef weight, StringRef activation) {
  if (!unit.product)
    return 0;
  auto placement = QuantizerPlacement::compute(unit.product->getParentOfType<func::FuncOp>());
  return ::bytesOfWeight(unit, weight, activation, isRequantized(unit.product, placement));
}

int64_t bitwright::bytesOfRest(func::FuncOp func, const AllocationUnits &units) {
  int64_t bytes = 0;
  llvm::DenseSet<Operation *> products;
  for (const AllocationUnit &unit : units.units)
    if (unit.product) {
      products.insert(unit.product);
      // The start of the accumulators is there with and without a bias: the input's zero point is folded in. Where
      // tokens have scales the bias is added to their floats; sums of groups (in floats) have no other start.
      WeightShape shape(unit.product);
      bool perToken = laneOf(unit) == Lane::PerToken;
      auto scheme = unit.product->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr);
      if (!perToken || scheme.getGranularity() != qnn::Granularity::Group)
        bytes += shape.paddedChannels() * 4;
      if (perToken && getBiasOf(unit.product))
        bytes += shape.channels * 4;
    }
  // Other constants: of float products, of additions and multiplications.
  llvm::DenseSet<Value> seen;
  func.walk([&](Operation *op) {
    if (products.contains(op) || isa<qnn::WeightOp, qnn::ConstantOp>(op))
      return;
    for (Value operand : op->getOperands()) {
      auto type = dyn_cast<RankedTensorType>(operand.getType());
      if (!type || !isConstantValue(operand) || !seen.insert(operand).second || type.getNumElements() < 2)
        continue;
      bytes += llvm::divideCeil(type.getNumElements() * type.getElementTypeBitWidth(), 8);
    }
  });
  return bytes;
}

//===----------------------------------------------------------------------===//
// The problem
//===----------------------------------------------------------------------===//

/// Of codes the format's bits, of values what they are stored in.
static unsigned activationBits(const AllocationUnit &unit, StringRef activation, bool halfFloats) {
  if (auto bits = bitsOfFormat(activation))
    return *bits;
  return laneOf(unit) == Lane::PerToken ? 8 : halfFloats ? 16 : 32;
}

llvm::Error bitwright::addCosts(solver::AllocationProblem &problem, func::FuncOp func, const AllocationUnits &units,
                                const Sample &sample, const CostOptions &options) {
  auto dims = DimensionValues::create(func, sample);
  if (!dims)
    return dims.takeError();
  if (problem.groups.size() != units.units.size())
    return llvm::createStringError("costs: expected a group for each of " + llvm::Twine(units.units.size()) +
                                   " units, found " + llvm::Twine(problem.groups.size()));
  auto recipe = func->getAttrOfType<DictionaryAttr>(recipeAttr);
  bool halfFloats = recipe && recipe.get("float");
  auto placement = QuantizerPlacement::compute(func);
  problem.metrics = {"bytes", "bops"};
  for (auto [group, unit] : llvm::zip(problem.groups, units.units)) {
    bool requantized = unit.product && isRequantized(unit.product, placement);
    int64_t macs = unit.product ? macsOf(unit.product, *dims) : 0;
    for (solver::Choice &choice : group.choices) {
      choice.costs = {0, 0};
      if (!unit.product)
        continue;
      choice.costs[0] = double(::bytesOfWeight(unit, choice.weight, choice.activation, requantized));
      choice.costs[1] =
          bitOperations(macs, unsigned(bitsOf(choice.weight)), activationBits(unit, choice.activation, halfFloats));
    }
  }
  solver::Group rest;
  rest.name = restGroup.str();
  rest.choices.push_back({"-", "", 0, {double(bytesOfRest(func, units)), 0}, {}});
  problem.groups.push_back(std::move(rest));
  if (options.latency || options.peakMemory)
    return addMeasuredCosts(problem, func, units, sample, options);
  return llvm::Error::success();
}
