//===- PlaceQuantizers.cpp - quantize and dequantize around what runs on codes -===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/PlaceQuantizers/PlaceQuantizers.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizerPlacement.h"
#include "passes/Quantize/Remark.h"

namespace bitwright {
#define GEN_PASS_DEF_PLACEQUANTIZERS
#include "passes/Quantize/PlaceQuantizers/PlaceQuantizers.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct PlaceQuantizers : bitwright::impl::PlaceQuantizersBase<PlaceQuantizers> {
  void runOnOperation() override {
    auto placement = QuantizerPlacement::compute(getOperation());
    if (failed(placement.checkRanges()) || failed(placement.checkFormats()))
      return signalPassFailure();
    emit(placement);
    for (auto &[value, readers] : placement.perToken)
      emitPerToken(value, readers);
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

  void emit(const QuantizerPlacement &placement) {
    OpBuilder builder(&getContext());
    llvm::DenseMap<Value, unsigned> bitsOfValue;
    for (ArrayRef<Value> values : placement.classes()) {
      unsigned bits = unsigned(placement.codeBits(values));
      for (Value value : values)
        bitsOfValue[value] = bits;
    }
    for (auto &[value, grid] : placement.grids()) {
      SmallVector<OpOperand *> readers;
      // What a float operation made stays float for float readers; what an integer operation makes exists as codes
      // only.
      bool madeOfCodes = placement.isInteger(value.getDefiningOp());
      for (OpOperand &use : value.getUses()) {
        bool asCodes = placement.isInteger(use.getOwner()) && llvm::is_contained(dataOperands(use.getOwner()), &use);
        if (asCodes || madeOfCodes)
          readers.push_back(&use);
      }
      builder.setInsertionPointAfterValue(value);
      Location loc = value.getLoc();
      std::string name = getValueName(value);
      // Codes of 9 to 16 bits lie in 16.
      unsigned codeBits = bitsOfValue.lookup(value), bits = codeBits > 8 ? 16 : 8;
      auto type = cast<RankedTensorType>(value.getType());
      auto codeType = RankedTensorType::get(type.getShape(), builder.getIntegerType(bits));
      auto scheme = qnn::SchemeAttr::get(builder.getContext(), "s" + std::to_string(codeBits));
      if (bits == 16)
        if (Operation *op = value.getDefiningOp() ? value.getDefiningOp() : getOperation().getOperation())
          remarkOn(op, true, "quantize", "activation",
                   "'" + name + "': codes of " + std::to_string(codeBits) + " bits in 16" +
                       (QuantizerPlacement::storageOf(value) == "s16" ? "" : ", as what shares its grid asks for"));
      Value scale = createConstant(builder, loc, name + "/scale", {}, ArrayRef<float>(grid.scale));
      Value zeroPoint = createConstant(builder, loc, name + "/zero_point", {}, bits, ArrayRef<int32_t>(grid.zeroPoint));
      Value codes;
      if (isConstantValue(value)) {
        // A constant operand of an addition or product: its codes are known here.
        auto data = getConstant(value);
        SmallVector<int32_t> constants;
        int32_t high = (1 << (codeBits - 1)) - 1;
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
      if (placement.tooWide.contains(&op))
        remarkOn(&op, false, "quantize", "float",
                 "stays float: it reads or makes s16 activations, for which " + op.getName().stripDialect().str() +
                     " has no integer form; choose activations.format: s8");
      else if (op.hasAttr(activationSchemeAttr) && !op.hasAttr(keepFloatAttr) && classify(&op) != OpClass::Other &&
               !placement.isInteger(&op) && !isDynamicallyScaled(&op) && !readsCodesAlready(&op))
        remarkOn(&op, false, "quantize", "float",
                 "stays float: it does not lie between two operations that run on codes");
  }
};
} // namespace
