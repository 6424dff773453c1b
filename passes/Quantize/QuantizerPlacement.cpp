//===- QuantizerPlacement.cpp - which values become codes -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/QuantizerPlacement.h"
#include "lib/Weights/WeightStore.h"
#include "llvm/ADT/EquivalenceClasses.h"

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
    for (Operation *op : remove) {
      changed = true;
      integer.remove(op);
    }
  }
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

static DenseF64ArrayAttr rangeAttrOf(Value value) {
  if (Operation *op = value.getDefiningOp())
    return op->getAttrOfType<DenseF64ArrayAttr>(rangeAttr);
  auto argument = cast<BlockArgument>(value);
  return cast<func::FuncOp>(argument.getOwner()->getParentOp())
      .getArgAttrOfType<DenseF64ArrayAttr>(argument.getArgNumber(), rangeAttr);
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

static Range rangeOfValue(Value value) {
  if (isConstantValue(value)) {
    Range range;
    if (auto data = getConstant(value))
      for (float v : toFloats(*data))
        range = {std::min(range.low, double(v)), std::max(range.high, double(v))};
    return range;
  }
  auto attr = rangeAttrOf(value);
  if (!attr || attr.size() != 2)
    return {}; // checkRanges tells
  return {std::min(attr[0], 0.0), std::max(attr[1], 0.0)};
}

static double width(Range range) { return range.high - range.low; }

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
    Value result = op->getResult(0);
    if (auto concat = dyn_cast<qnn::ConcatOp>(op)) {
      double widest = 0;
      for (Value input : concat.getInputs())
        widest = std::max(widest, width(rangeOfValue(input)));
      for (Value input : concat.getInputs())
        if (width(rangeOfValue(input)) * concatSpread >= widest)
          tie(input, result);
      continue;
    }
    tie(dataOperands(op)[0]->get(), result);
  }
  llvm::MapVector<void *, SmallVector<Value>> byLeader;
  for (Value value : quantized)
    byLeader[ties.getLeaderValue(value.getAsOpaquePointer())].push_back(value);
  SmallVector<SmallVector<Value>> result;
  for (auto &entry : byLeader)
    result.push_back(std::move(entry.second));
  return result;
}

llvm::MapVector<Value, Grid> QuantizerPlacement::grids() const {
  llvm::DenseMap<Value, Grid> chosen;
  for (const SmallVector<Value> &values : classes()) {
    // A shared grid covers the ranges of all its values.
    Range all;
    for (Value value : values) {
      Range range = rangeOfValue(value);
      if (auto pad = dyn_cast_or_null<qnn::PadOp>(value.getDefiningOp());
          pad && isInteger(pad) && pad.getMode() == qnn::PadMode::Constant) {
        double border = pad.getValue().convertToDouble();
        range = {std::min(range.low, border), std::max(range.high, border)};
      }
      all = {std::min(all.low, range.low), std::max(all.high, range.high)};
    }
    for (Value value : values)
      chosen[value] = gridOf(all, bitsOf(storageOf(value)));
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
