//===- QuantizerPlacement.cpp - which values become codes -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/QuantizerPlacement.h"
#include "lib/Weights/WeightStore.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include <cmath>

using namespace mlir;

namespace bitwright {

/// Ranges of concat inputs further apart than this factor keep grids of their own.
static constexpr double concatSpread = 4;

bool isConstantValue(Value value) { return isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(value.getDefiningOp()); }

bool isDequantized(Value value) { return value.getDefiningOp<qnn::DequantizeOp>() != nullptr; }

bool readsCodesAlready(Operation *op) {
  return llvm::all_of(dataOperands(op), [](OpOperand *operand) { return isDequantized(operand->get()); });
}

bool isDynamicallyScaled(Operation *op) {
  auto scheme = op->getAttrOfType<qnn::SchemeAttr>(activationSchemeAttr);
  return scheme && scheme.getGranularity() == qnn::Granularity::PerToken;
}

static bool isProduct(Operation *op) {
  OpClass kind = classify(op);
  return kind == OpClass::Product || kind == OpClass::Matmul;
}

static DenseF64ArrayAttr rangeAttrOf(Value value, StringRef name = rangeAttr) {
  if (Operation *op = value.getDefiningOp())
    return op->getAttrOfType<DenseF64ArrayAttr>(name);
  auto argument = cast<BlockArgument>(value);
  return cast<func::FuncOp>(argument.getOwner()->getParentOp())
      .getArgAttrOfType<DenseF64ArrayAttr>(argument.getArgNumber(), name);
}

/// With `wide` the extremes. Nothing for a value without a range.
static Range rangeOfValue(Value value, bool wide = false) {
  if (isConstantValue(value)) {
    Range range;
    if (auto data = getConstant(value))
      for (float v : toFloats(*data))
        range = {std::min(range.low, double(v)), std::max(range.high, double(v))};
    return range;
  }
  auto attr = rangeAttrOf(value), extremes = wide ? rangeAttrOf(value, wideRangeAttr) : DenseF64ArrayAttr();
  if (extremes && extremes.size() == 2 && extremes[0] <= extremes[1])
    attr = extremes;
  if (!attr || attr.size() != 2)
    return {}; // checkRanges tells
  return {std::min(attr[0], 0.0), std::max(attr[1], 0.0)};
}

static double width(Range range) { return range.high - range.low; }

QuantizerPlacement QuantizerPlacement::compute(func::FuncOp func) {
  QuantizerPlacement result;
  for (Operation &op : func.getBody().front())
    // What stays float may still have a scheme: that of its result as others read it.
    if (op.hasAttr(activationSchemeAttr) && !op.hasAttr(keepFloatAttr) && classify(&op) != OpClass::Other &&
        !readsCodesAlready(&op)) {
      if (isDynamicallyScaled(&op))
        result.perToken[op.getOperand(0)].push_back(&op);
      else
        result.integer.insert(&op);
    }
  result.decideOperations();
  for (Operation *op : result.integer)
    for (OpOperand *operand : dataOperands(op))
      if (!result.isFused(operand->get()) && !isDequantized(operand->get()))
        result.quantized.insert(operand->get());
  return result;
}

/// An integer operation reads the value as codes.
bool QuantizerPlacement::isWanted(Value value) const {
  for (OpOperand &use : value.getUses())
    if (isInteger(use.getOwner()))
      for (OpOperand *operand : dataOperands(use.getOwner()))
        if (operand == &use)
          return true;
  return false;
}

/// Removes what gains nothing from codes, until nothing changes: each step only removes, so this ends.
void QuantizerPlacement::decideOperations() {
  for (bool changed = true; changed;) {
    changed = false;
    SmallVector<Operation *> remove;
    for (Operation *op : integer) {
      if (isProduct(op))
        continue;
      bool fromCodes = llvm::any_of(dataOperands(op), [&](OpOperand *operand) {
        return isInteger(operand->get().getDefiningOp()) || isDequantized(operand->get());
      });
      if (!fromCodes || !isWanted(op->getResult(0)))
        remove.push_back(op);
    }
    if (remove.empty()) {
      findWide();
      for (Operation *op : integer)
        if (!canCompute(op)) {
          remove.push_back(op);
          tooWide.insert(op);
        }
    }
    for (Operation *op : remove) {
      changed = true;
      integer.remove(op);
    }
  }
}

/// Whether the operation has a form for 16-bit codes where it reads or makes them.
bool QuantizerPlacement::canCompute(Operation *op) const {
  OpClass kind = classify(op);
  if (kind == OpClass::Product || computesOnActivation(op, "s16"))
    return true;
  if (kind != OpClass::Matmul && wide.contains(op->getResult(0)))
    return false;
  return llvm::none_of(dataOperands(op), [&](OpOperand *operand) { return wide.contains(operand->get()); });
}

/// The inputs that share the grid of the result of an operation that moves data.
static SmallVector<Value> tiedInputs(Operation *op) {
  auto concat = dyn_cast<qnn::ConcatOp>(op);
  if (!concat)
    return {dataOperands(op)[0]->get()};
  SmallVector<Value> result;
  double widest = 0;
  for (Value input : concat.getInputs())
    widest = std::max(widest, width(rangeOfValue(input)));
  for (Value input : concat.getInputs())
    if (width(rangeOfValue(input)) * concatSpread >= widest)
      result.push_back(input);
  return result;
}

/// The quantized values whose class is s16.
void QuantizerPlacement::findWide() {
  wide.clear();
  for (Operation *op : integer)
    for (OpOperand *operand : dataOperands(op))
      if (Value value = operand->get(); !isFused(value) && storageOf(value) == "s16")
        wide.insert(value);
  for (bool changed = true; changed;) {
    changed = false;
    for (Operation *op : integer) {
      if (classify(op) != OpClass::Movement)
        continue;
      Value result = op->getResult(0);
      if (!isWanted(result) || isFused(result))
        continue;
      for (Value input : tiedInputs(op)) {
        if (wide.contains(input) == wide.contains(result) || isFused(input))
          continue;
        wide.insert(input);
        wide.insert(result);
        changed = true;
      }
    }
  }
  // Constants follow what they meet.
  for (Operation *op : integer)
    for (OpOperand *operand : dataOperands(op))
      if (isConstantValue(operand->get()) &&
          llvm::any_of(dataOperands(op), [&](OpOperand *other) { return wide.contains(other->get()); }))
        wide.insert(operand->get());
}

LogicalResult QuantizerPlacement::checkFormats() const {
  LogicalResult result = success();
  for (Operation *op : integer) {
    auto scheme = op->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr);
    if (classify(op) != OpClass::Product || !scheme || !wide.contains(op->getOperand(0)) ||
        hasKernel(op, scheme.getStorage(), "s16"))
      continue;
    op->emitOpError() << "'" << getName(op) << "': no kernel multiplies " << scheme.getStorage()
                      << " weights and s16 activations (input '" << getValueName(op->getOperand(0))
                      << "'): expected s8 weights" << (isDepthwise(op) ? " or s16 weights" : "")
                      << "; choose weights.format: s8 for this operation or activations.format: s8 for its input";
    result = failure();
  }
  return result;
}

/// The requantization of `op` can take the limits of a clamp behind it.
bool QuantizerPlacement::requantizes(Operation *op) const {
  if (!isInteger(op))
    return false;
  OpClass kind = classify(op);
  return kind == OpClass::Product || kind == OpClass::Matmul || kind == OpClass::Binary || kind == OpClass::Average ||
         isFusedClamp(op);
}

bool QuantizerPlacement::isFusedClamp(Operation *op) const {
  if (!isInteger(op) || !isClamp(op))
    return false;
  Value input = dataOperands(op)[0]->get();
  return input.hasOneUse() && requantizes(input.getDefiningOp());
}

bool QuantizerPlacement::isFused(Value value) const {
  if (!value.hasOneUse() || !isInteger(value.getDefiningOp()))
    return false;
  Operation *user = *value.getUsers().begin(), *producer = value.getDefiningOp();
  if (isFusedClamp(user))
    return true;
  return isInteger(user) && classify(user) == OpClass::Unary && classify(producer) == OpClass::Unary &&
         !isFusedClamp(producer);
}

LogicalResult QuantizerPlacement::checkRanges() const {
  LogicalResult result = success();
  for (Value value : quantized) {
    if (isConstantValue(value))
      continue;
    auto range = rangeAttrOf(value);
    if (range && range.size() == 2 && range[0] <= range[1])
      continue;
    emitError(value.getLoc()) << "value '" << getValueName(value) << "': expected a calibrated range (" << rangeAttr
                              << " = array<f64: low, high>), found " << (range ? "a malformed one" : "none")
                              << "; run calibrate-values and assign-schemes before";
    result = failure();
  }
  return result;
}

SmallVector<SmallVector<Value>> QuantizerPlacement::classes() const {
  llvm::EquivalenceClasses<void *> ties;
  for (Value value : quantized)
    ties.insert(value.getAsOpaquePointer());
  auto tie = [&](Value a, Value b) {
    if (quantized.contains(a) && quantized.contains(b))
      ties.unionSets(a.getAsOpaquePointer(), b.getAsOpaquePointer());
  };
  for (Operation *op : integer) {
    if (classify(op) != OpClass::Movement)
      continue;
    for (Value input : tiedInputs(op))
      tie(input, op->getResult(0));
  }
  llvm::MapVector<void *, SmallVector<Value>> byLeader;
  for (Value value : quantized)
    byLeader[ties.getLeaderValue(value.getAsOpaquePointer())].push_back(value);
  SmallVector<SmallVector<Value>> result;
  for (auto &entry : byLeader)
    result.push_back(std::move(entry.second));
  return result;
}

/// Largest number of elements that `op` adds up, by the upper bounds of the symbols; 0 where that is not known.
static double summedElements(Operation *op) {
  if (auto pool = dyn_cast<qnn::AvgPoolOp>(op)) {
    double window = 1;
    for (int64_t k : pool.getKernel())
      window *= double(k);
    return window;
  }
  auto shapes = SymbolicShapes::compute(op->getParentOfType<func::FuncOp>());
  if (failed(shapes))
    return 0;
  auto mean = dyn_cast<qnn::ReduceMeanOp>(op);
  SmallVector<DimSymbol> symbols = getSymbols(op->getParentOfType<func::FuncOp>());
  double count = 1;
  for (int64_t axis : mean ? mean.getAxes() : cast<qnn::ReduceSumOp>(op).getAxes())
    count *= double(rangeOf(shapes->get(op->getOperand(0))[size_t(axis)], symbols).second);
  return count;
}

/// What the schemes say now: they may have been changed since the placement was computed.
bool QuantizerPlacement::isWideClass(ArrayRef<Value> values) const {
  return llvm::any_of(
      values, [&](Value value) { return isConstantValue(value) ? wide.contains(value) : storageOf(value) == "s16"; });
}

int QuantizerPlacement::codeBits(ArrayRef<Value> values) const {
  if (!isWideClass(values))
    return 8;
  double largest = 1;
  for (Value value : values)
    for (OpOperand &use : value.getUses()) {
      Operation *op = use.getOwner();
      if (!isInteger(op) || use.getOperandNumber() != 0)
        continue;
      if (classify(op) == OpClass::Product)
        largest = std::max(largest, estimatedCodeSum(op));
      else if (classify(op) == OpClass::Average)
        largest = std::max(largest, summedElements(op));
    }
  // 1/32 of the room is for the bias.
  int bits = 16;
  while (bits > 9 && largest * std::ldexp(1.0, bits - 1) >= 0x1p31 * 31 / 32)
    --bits;
  return bits;
}

/// Zero point 0, and as many steps as `bits` give for the larger side of the range.
static Grid symmetricGrid(Range range, int bits) {
  double largest = std::max(std::fabs(range.low), std::fabs(range.high));
  double scale = largest / (std::ldexp(1.0, bits - 1) - 1);
  return {scale > 0 ? float(std::min(std::max(scale, 0x1p-126), 0x1p127)) : 1.0f, 0};
}

llvm::MapVector<Value, Grid> QuantizerPlacement::grids() const {
  llvm::DenseMap<Value, Grid> chosen;
  for (const SmallVector<Value> &values : classes()) {
    // A shared grid covers the ranges of all its values.
    Range all;
    bool isWide = isWideClass(values);
    for (Value value : values) {
      Range range = rangeOfValue(value, isWide);
      if (auto pad = dyn_cast_or_null<qnn::PadOp>(value.getDefiningOp());
          pad && isInteger(pad) && pad.getMode() == qnn::PadMode::Constant) {
        double border = pad.getValue().convertToDouble();
        range = {std::min(range.low, border), std::max(range.high, border)};
      }
      all = {std::min(all.low, range.low), std::max(all.high, range.high)};
    }
    int bits = codeBits(values);
    Grid grid = bits == 8 ? gridOf(all, "s8") : symmetricGrid(all, bits);
    for (Value value : values)
      chosen[value] = grid;
  }
  llvm::MapVector<Value, Grid> result;
  for (Value value : quantized)
    result[value] = chosen[value];
  return result;
}

static func::FuncOp functionOf(BlockArgument argument) {
  return cast<func::FuncOp>(argument.getOwner()->getParentOp());
}

StringRef QuantizerPlacement::storageOf(Value value) {
  qnn::SchemeAttr scheme;
  if (Operation *op = value.getDefiningOp())
    scheme = op->getAttrOfType<qnn::SchemeAttr>(activationSchemeAttr);
  else if (auto argument = cast<BlockArgument>(value))
    scheme = functionOf(argument).getArgAttrOfType<qnn::SchemeAttr>(argument.getArgNumber(), activationSchemeAttr);
  return scheme ? scheme.getStorage() : "s8";
}

void setActivationStorage(Value value, StringRef storage) {
  auto scheme = qnn::SchemeAttr::get(value.getContext(), storage);
  if (Operation *op = value.getDefiningOp())
    op->setAttr(activationSchemeAttr, scheme);
  else if (auto argument = cast<BlockArgument>(value))
    functionOf(argument).setArgAttr(argument.getArgNumber(), activationSchemeAttr, scheme);
}

} // namespace bitwright
