//===- LinearForms.cpp - linear layers on codes, by the form of their weight ===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Integerize/ConvertQnnToDyadic/LinearForms.h"
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Rounding/TwoLevel.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"

using namespace mlir;

namespace bitwright {

bool hasFloatGroups(qnn::DequantizeOp weight) {
  return weight && weight.getScheme().getGranularity() == qnn::Granularity::Group;
}

static RankedTensorType typeOf(ArrayRef<int64_t> shape, Type element) { return RankedTensorType::get(shape, element); }

Value createAccumulator(OpBuilder &builder, qnn::LinearOp op, Value input, int32_t inputZeroPoint,
                        qnn::DequantizeOp weight, Value bias, std::string &why) {
  auto type = typeOf(op.getOutput().getType().getShape(), builder.getI32Type());
  std::string name = bitwright::getName(op).str() + "/accumulate";
  auto twoLevel = weight->getAttrOfType<IntegerAttr>(twoLevelAttr);
  if (!twoLevel) {
    auto result = dyadic::LinearOp::create(builder, op.getLoc(), type, input, weight.getInput(), bias, inputZeroPoint);
    setName(result, name);
    return result;
  }
  auto codes = getConstant(weight.getInput());
  auto shape = weight.getInput().getType().getShape();
  std::string weightName = getValueName(weight.getInput());
  auto parts = codes && shape.size() == 2 && twoLevel.getInt() > 0 && shape[1] % twoLevel.getInt() == 0
                   ? decomposeTwoLevel(weightName, toIntegers(*codes), shape[0], shape[1], twoLevel.getInt())
                   : llvm::createStringError("its two-level weight is not a constant N x K whose groups divide K");
  if (!parts) {
    why = llvm::toString(parts.takeError());
    return {};
  }
  SmallVector<int32_t> scales, offsets;
  for (const TwoLevelGroup &group : parts->groups) {
    scales.push_back(group.scale);
    offsets.push_back(group.offset);
  }
  SmallVector<int64_t> groups = {shape[0], shape[1] / twoLevel.getInt()};
  Location loc = op.getLoc();
  Value codes4 = createConstant(builder, loc, weightName + "/two_level", shape, 4,
                                SmallVector<int32_t>(parts->codes.begin(), parts->codes.end()));
  Value groupScale = createConstant(builder, loc, weightName + "/group_scale", groups, 8, scales);
  Value groupOffset = createConstant(builder, loc, weightName + "/group_offset", groups, 16, offsets);
  auto result = dyadic::LinearTwoLevelOp::create(builder, loc, type, input, codes4, groupScale, groupOffset, bias,
                                                 uint64_t(twoLevel.getInt()), inputZeroPoint);
  setName(result, name);
  return result;
}

bool convertToFloatResult(qnn::LinearOp op, std::string &why) {
  auto refuse = [&](const Twine &reason) {
    why = reason.str();
    return false;
  };
  auto input = op.getInput().getDefiningOp<qnn::DequantizeOp>();
  auto weight = op.getWeight().getDefiningOp<qnn::DequantizeOp>();
  if (!input || !input.getInput().getType().getElementType().isSignlessInteger(8))
    return refuse("operand '" + getValueName(op.getInput()) + "' is not read as signed 8-bit codes");
  if (!weight)
    return refuse("its weight is float");
  auto scales = getConstant(weight.getScale());
  if (!scales || !getConstant(weight.getInput()))
    return refuse("its weight is not a constant");
  bool perToken = input.getScheme().getGranularity() == qnn::Granularity::PerToken;
  auto grid = perToken ? std::nullopt : gridOf(input);
  if (!perToken && !grid)
    return refuse("its input has no constant scale of its own");
  if (perToken && input.getZeroPoint())
    return refuse("its input has a zero point a token: expected none");
  int32_t zeroPoint = grid ? grid->zeroPoint : 0;

  OpBuilder builder(op);
  Location loc = op.getLoc();
  std::string name = bitwright::getName(op).str();
  auto resultType = op.getOutput().getType();
  auto weightType = weight.getInput().getType();
  qnn::SchemeAttr scheme = weight.getScheme();
  Value result;
  if (scheme.getGranularity() == qnn::Granularity::Group) {
    if (scheme.getAxis() != 1 || weightType.getRank() != 2)
      return refuse("its weight has groups along another axis than its inputs");
    Value zeroPoints = weight.getZeroPoint();
    if (zeroPoints && !cast<RankedTensorType>(zeroPoints.getType()).getElementType().isInteger(8))
      return refuse("the zero points of its weight are not 8-bit");
    SmallVector<int64_t> partial(resultType.getShape());
    partial.push_back(weightType.getDimSize(1) / scheme.getGroup());
    auto sums = dyadic::LinearGroupsOp::create(builder, loc, typeOf(partial, builder.getI32Type()), input.getInput(),
                                               weight.getInput(), zeroPoints, uint64_t(scheme.getGroup()), zeroPoint);
    setName(sums, name + "/accumulate");
    auto combined = qnn::CombineGroupsOp::create(builder, loc, typeOf(resultType.getShape(), builder.getF32Type()),
                                                 sums, weight.getScale());
    setName(combined, name + "/combine");
    Value rowScale = perToken ? input.getScale()
                              : createConstant(builder, loc, name + "/input_scale", {}, ArrayRef<float>(grid->scale));
    auto scaled = qnn::MulOp::create(builder, loc, combined.getOutput().getType(), combined, rowScale);
    setName(scaled, op.getBias() || resultType != scaled.getType() ? name + "/scale" : name);
    result = scaled;
    if (resultType != result.getType()) {
      auto cast = qnn::CastOp::create(builder, loc, resultType, result);
      setName(cast, op.getBias() ? name + "/cast" : name);
      result = cast;
    }
  } else {
    if (!perToken)
      return refuse("its input has one static scale"); // the caller's own form
    if (weight.getZeroPoint()) {
      auto data = getConstant(weight.getZeroPoint());
      if (!data || llvm::any_of(toIntegers(*data), [](int64_t z) { return z != 0; }))
        return refuse("its weight has a zero point: expected symmetric codes");
    }
    if (scheme.getGranularity() != qnn::Granularity::Tensor &&
        (scheme.getGranularity() != qnn::Granularity::Axis || scheme.getAxis() != 0))
      return refuse("its weight is quantized along another axis than its output channels");
    Value accumulator = createAccumulator(builder, op, input.getInput(), 0, weight, {}, why);
    if (!accumulator)
      return false;
    Value columnScale = weight.getScale();
    if (scheme.getGranularity() == qnn::Granularity::Tensor)
      columnScale = createConstant(builder, loc, name + "/column_scale", {weightType.getDimSize(0)},
                                   SmallVector<float>(size_t(weightType.getDimSize(0)), toFloats(*scales)[0]));
    auto dequantize =
        qnn::DequantizeAccumulatorOp::create(builder, loc, resultType, accumulator, input.getScale(), columnScale);
    setName(dequantize, op.getBias() ? name + "/dequantize" : name);
    result = dequantize;
  }
  if (op.getBias()) {
    auto sum = qnn::AddOp::create(builder, loc, resultType, result, op.getBias());
    setName(sum, name);
    result = sum;
  }
  op.getOutput().replaceAllUsesWith(result);
  return true;
}

} // namespace bitwright
