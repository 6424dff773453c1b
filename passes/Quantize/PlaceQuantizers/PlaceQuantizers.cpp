//===- PlaceQuantizers.cpp - quantize and dequantize around what runs on codes -===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/PlaceQuantizers/PlaceQuantizers.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"
#include "passes/Quantize/Remark.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace bitwright {
#define GEN_PASS_DEF_PLACEQUANTIZERS
#include "passes/Quantize/PlaceQuantizers/PlaceQuantizers.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {

/// Ranges of concat inputs further apart than this factor keep grids of their own.
constexpr double concatSpread = 4;

struct PlaceQuantizers : bitwright::impl::PlaceQuantizersBase<PlaceQuantizers> {
  /// Operations that run on codes, in program order.
  llvm::SetVector<Operation *> integer;
  /// Values that get a quantize-dequantize pair, in program order of their first need.
  llvm::SetVector<Value> quantized;

  void runOnOperation() override {
    integer.clear();
    quantized.clear();
    func::FuncOp func = getOperation();
    // Running twice must not stack pairs.
    llvm::MapVector<Value, SmallVector<Operation *>> perToken;
    for (Operation &op : func.getBody().front())
      if (op.hasAttr(activationSchemeAttr) && classify(&op) != OpClass::Other && !readsCodesAlready(&op)) {
        if (isDynamic(&op))
          perToken[op.getOperand(0)].push_back(&op);
        else
          integer.insert(&op);
      }
    decideOperations();
    for (Operation *op : integer)
      for (OpOperand *operand : dataOperands(op))
        if (!isFused(operand->get()) && !isDequantized(operand->get()))
          quantized.insert(operand->get());
    if (failed(checkRanges()))
      return signalPassFailure();
    emit(chooseGrids());
    for (auto &[value, readers] : perToken)
      emitPerToken(value, readers);
  }

  /// The operation wants one scale a token, found at run time.
  static bool isDynamic(Operation *op) {
    auto scheme = op->getAttrOfType<qnn::SchemeAttr>(activationSchemeAttr);
    return scheme && scheme.getGranularity() == qnn::Granularity::PerToken;
  }

  /// One quantizer for all products that read a value.
  void emitPerToken(Value value, ArrayRef<Operation *> readers) {
    OpBuilder builder(&getContext());
    // A static quantizer may have come between since.
    value = readers[0]->getOperand(0);
    builder.setInsertionPointAfterValue(value);
    Location loc = value.getLoc();
    std::string name = getValueName(value);
    auto scheme = readers[0]->getAttrOfType<qnn::SchemeAttr>(activationSchemeAttr);
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> rows(type.getShape());
    rows.back() = 1;
    auto codes = qnn::QuantizeDynamicOp::create(
        builder, loc,
        RankedTensorType::get(type.getShape(), builder.getIntegerType(unsigned(bitsOf(scheme.getStorage())))),
        RankedTensorType::get(rows, builder.getF32Type()), value, scheme);
    setName(codes, name + "/quantize");
    auto dequantize =
        qnn::DequantizeOp::create(builder, loc, type, codes.getOutput(), codes.getScale(), Value(), scheme);
    setName(dequantize, name + "/dequantize");
    for (Operation *op : readers)
      op->setOperand(0, dequantize);
  }

  static bool isDequantized(Value value) { return value.getDefiningOp<qnn::DequantizeOp>() != nullptr; }
  static bool readsCodesAlready(Operation *op) {
    return llvm::all_of(dataOperands(op), [](OpOperand *operand) { return isDequantized(operand->get()); });
  }
  static bool isConstantValue(Value value) {
    return isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(value.getDefiningOp());
  }
  bool isInteger(Operation *op) const { return op && integer.contains(op); }
  static bool isProduct(Operation *op) {
    OpClass kind = classify(op);
    return kind == OpClass::Product || kind == OpClass::Matmul;
  }

  /// An integer operation reads the value as codes.
  bool isWanted(Value value) const {
    for (OpOperand &use : value.getUses())
      if (isInteger(use.getOwner()))
        for (OpOperand *operand : dataOperands(use.getOwner()))
          if (operand == &use)
            return true;
    return false;
  }

  /// Removes what gains nothing from codes, until nothing changes: each step only removes, so this ends.
  void decideOperations() {
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
  bool requantizes(Operation *op) const {
    if (!isInteger(op))
      return false;
    OpClass kind = classify(op);
    return kind == OpClass::Product || kind == OpClass::Matmul || kind == OpClass::Binary || kind == OpClass::Average ||
           isFusedClamp(op);
  }
  /// A relu or clip that becomes the clamp of the operation before it (R11).
  bool isFusedClamp(Operation *op) const {
    if (!isInteger(op) || !isClamp(op))
      return false;
    Value input = dataOperands(op)[0]->get();
    return input.hasOneUse() && requantizes(input.getDefiningOp());
  }
  /// The value lies inside a fused group: before a fused clamp, or between two functions that share a table.
  bool isFused(Value value) const {
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

  LogicalResult checkRanges() {
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

  Range rangeOfValue(Value value) const {
    if (isConstantValue(value)) {
      Range range;
      if (auto data = getConstant(value))
        for (float v : toFloats(*data))
          range = {std::min(range.low, double(v)), std::max(range.high, double(v))};
      return range;
    }
    auto attr = rangeAttrOf(value);
    return {std::min(attr[0], 0.0), std::max(attr[1], 0.0)};
  }

  /// One grid a value; values that only differ by data movement share theirs.
  llvm::MapVector<Value, Grid> chooseGrids() {
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
    // A shared grid covers the ranges of all its values.
    llvm::DenseMap<void *, Range> shared;
    for (Value value : quantized) {
      Range range = rangeOfValue(value);
      if (auto pad = dyn_cast_or_null<qnn::PadOp>(value.getDefiningOp());
          pad && isInteger(pad) && pad.getMode() == qnn::PadMode::Constant) {
        double border = pad.getValue().convertToDouble();
        range = {std::min(range.low, border), std::max(range.high, border)};
      }
      Range &all = shared[ties.getLeaderValue(value.getAsOpaquePointer())];
      all = {std::min(all.low, range.low), std::max(all.high, range.high)};
    }
    llvm::MapVector<Value, Grid> grids;
    for (Value value : quantized)
      grids[value] = gridOf(shared[ties.getLeaderValue(value.getAsOpaquePointer())], bitsOf(storageOf(value)));
    return grids;
  }
  static double width(Range range) { return range.high - range.low; }

  static StringRef storageOf(Value value) {
    if (Operation *op = value.getDefiningOp())
      if (auto scheme = op->getAttrOfType<qnn::SchemeAttr>(activationSchemeAttr))
        return scheme.getStorage();
    return "s8";
  }

  void emit(const llvm::MapVector<Value, Grid> &grids) {
    OpBuilder builder(&getContext());
    for (auto &[value, grid] : grids) {
      SmallVector<OpOperand *> readers;
      // What a float operation made stays float for float readers; what an integer operation makes exists as codes
      // only.
      bool madeOfCodes = isInteger(value.getDefiningOp());
      for (OpOperand &use : value.getUses()) {
        bool asCodes = isInteger(use.getOwner()) && llvm::is_contained(dataOperands(use.getOwner()), &use);
        if (asCodes || madeOfCodes)
          readers.push_back(&use);
      }
      builder.setInsertionPointAfterValue(value);
      Location loc = value.getLoc();
      std::string name = getValueName(value);
      unsigned bits = unsigned(bitsOf(storageOf(value)));
      auto type = cast<RankedTensorType>(value.getType());
      auto codeType = RankedTensorType::get(type.getShape(), builder.getIntegerType(bits));
      auto scheme = qnn::SchemeAttr::get(builder.getContext(), storageOf(value));
      Value scale = createConstant(builder, loc, name + "/scale", {}, ArrayRef<float>(grid.scale));
      Value zeroPoint = createConstant(builder, loc, name + "/zero_point", {}, bits, ArrayRef<int32_t>(grid.zeroPoint));
      Value codes;
      if (isConstantValue(value)) {
        // A constant operand of an addition or product: its codes are known here.
        auto data = getConstant(value);
        SmallVector<int32_t> constants;
        int32_t high = (1 << (bits - 1)) - 1;
        for (float v : toFloats(*data))
          constants.push_back(
              std::min(std::max(int32_t(std::nearbyint(v / grid.scale)) + grid.zeroPoint, -high - 1), high));
        codes = createConstant(builder, loc, name + "/codes", type.getShape(), bits, constants);
      } else {
        auto quantize = qnn::QuantizeOp::create(builder, loc, codeType, value, scale, zeroPoint, scheme);
        setName(quantize, name + "/quantize");
        codes = quantize;
      }
      auto dequantize = qnn::DequantizeOp::create(builder, loc, type, codes, scale, zeroPoint, scheme);
      setName(dequantize, name + "/dequantize");
      for (OpOperand *use : readers)
        use->set(dequantize);
      if (isConstantValue(value))
        eraseIfUnused(value.getDefiningOp());
    }
    for (Operation &op : getOperation().getBody().front())
      if (op.hasAttr(activationSchemeAttr) && classify(&op) != OpClass::Other && !isInteger(&op) && !isDynamic(&op) &&
          !readsCodesAlready(&op))
        remarkOn(&op, false, "quantize", "float",
                 "stays float: it does not lie between two operations that run on codes");
  }
};
} // namespace
