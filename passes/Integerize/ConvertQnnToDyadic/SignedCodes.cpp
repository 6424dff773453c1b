//===- SignedCodes.cpp - unsigned 8-bit codes become signed ----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Integerize/ConvertQnnToDyadic/SignedCodes.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace bitwright;

static bool isUnsignedByte(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType().isUnsignedInteger(8);
}
static RankedTensorType typeLike(Value value, Type element) {
  return RankedTensorType::get(cast<RankedTensorType>(value.getType()).getShape(), element);
}
static Value constant128(OpBuilder &builder, Location loc) {
  return createConstant(builder, loc, "", {}, 16, ArrayRef<int32_t>(128));
}

static qnn::SchemeAttr signedScheme(qnn::SchemeAttr scheme) {
  return qnn::SchemeAttr::get(scheme.getContext(), "s8", scheme.getGranularity(), scheme.getAxis(), scheme.getGroup());
}

/// The zero point minus 128; without one, a zero point of -128 of the scales' shape. Null if it is not a constant.
static Value signedZeroPoint(OpBuilder &builder, Location loc, Value zeroPoint, Value scale, StringRef name) {
  SmallVector<int32_t> values;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(scale.getType()).getShape();
  if (zeroPoint) {
    auto data = getConstant(zeroPoint);
    if (!data)
      return {};
    for (int64_t z : toIntegers(*data))
      values.push_back(int32_t(z) - 128);
  } else {
    values.assign(size_t(cast<RankedTensorType>(scale.getType()).getNumElements()), -128);
  }
  return createConstant(builder, loc, (name + "/signed_zero_point").str(), shape, 8, values);
}

void bitwright::makeCodesSigned(func::FuncOp func) {
  Block &block = func.getBody().front();
  llvm::DenseMap<Value, Value> signedCodes;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    OpBuilder builder(&op);
    if (auto quantize = dyn_cast<qnn::QuantizeOp>(op); quantize && isUnsignedByte(quantize.getOutput())) {
      Value zero =
          signedZeroPoint(builder, op.getLoc(), quantize.getZeroPoint(), quantize.getScale(), bitwright::getName(&op));
      if (!zero)
        continue;
      auto replacement =
          qnn::QuantizeOp::create(builder, op.getLoc(), typeLike(quantize.getOutput(), builder.getI8Type()),
                                  quantize.getInput(), quantize.getScale(), zero, signedScheme(quantize.getScheme()));
      setName(replacement, bitwright::getName(&op));
      signedCodes[quantize.getOutput()] = replacement;
      continue;
    }
    auto dequantize = dyn_cast<qnn::DequantizeOp>(op);
    if (!dequantize || !isUnsignedByte(dequantize.getInput()))
      continue;
    Value &codes = signedCodes[dequantize.getInput()];
    Value zero = signedZeroPoint(builder, op.getLoc(), dequantize.getZeroPoint(), dequantize.getScale(),
                                 bitwright::getName(&op));
    if (!zero)
      continue;
    if (!codes) {
      OpBuilder atDefinition(&op);
      atDefinition.setInsertionPointAfterValue(dequantize.getInput());
      std::string name = getValueName(dequantize.getInput());
      if (auto data = getConstant(dequantize.getInput())) {
        SmallVector<int32_t> values;
        for (int64_t q : toIntegers(*data))
          values.push_back(int32_t(q) - 128);
        codes = createConstant(atDefinition, op.getLoc(), name + "/signed", data->type.getShape(), 8, values);
      } else {
        // The border: u8 -> s16 - 128 -> s8, exact.
        Value wide = qnn::CastOp::create(atDefinition, op.getLoc(),
                                         typeLike(dequantize.getInput(), builder.getI16Type()), dequantize.getInput());
        setName(wide.getDefiningOp(), name + "/wide");
        Value shifted =
            qnn::SubOp::create(atDefinition, op.getLoc(), wide.getType(), wide, constant128(atDefinition, op.getLoc()));
        setName(shifted.getDefiningOp(), name + "/shifted");
        codes = qnn::CastOp::create(atDefinition, op.getLoc(), typeLike(wide, builder.getI8Type()), shifted);
        setName(codes.getDefiningOp(), name + "/signed");
      }
    }
    auto replacement = qnn::DequantizeOp::create(builder, op.getLoc(), dequantize.getOutput().getType(), codes,
                                                 dequantize.getScale(), zero, signedScheme(dequantize.getScheme()));
    setName(replacement, bitwright::getName(&op));
    dequantize.getOutput().replaceAllUsesWith(replacement.getOutput());
    op.erase();
  }
  // What still reads the unsigned codes (a result of the function, data movement) gets them back.
  for (Operation &op : llvm::make_early_inc_range(block)) {
    auto quantize = dyn_cast<qnn::QuantizeOp>(op);
    if (!quantize || !isUnsignedByte(quantize.getOutput()))
      continue;
    Value codes = signedCodes.lookup(quantize.getOutput());
    if (!codes)
      continue;
    if (!quantize.getOutput().use_empty()) {
      OpBuilder builder(&op);
      std::string name = bitwright::getName(&op).str();
      Value wide = qnn::CastOp::create(builder, op.getLoc(), typeLike(codes, builder.getI16Type()), codes);
      setName(wide.getDefiningOp(), name + "/wide");
      Value shifted = qnn::AddOp::create(builder, op.getLoc(), wide.getType(), wide, constant128(builder, op.getLoc()));
      setName(shifted.getDefiningOp(), name + "/shifted");
      Value back = qnn::CastOp::create(builder, op.getLoc(), quantize.getOutput().getType(), shifted);
      setName(back.getDefiningOp(), name + "/unsigned");
      quantize.getOutput().replaceAllUsesWith(back);
    }
    quantize.erase();
  }
}
