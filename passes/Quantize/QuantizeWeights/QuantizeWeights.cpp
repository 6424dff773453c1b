//===- QuantizeWeights.cpp - rounds the weights of quantized products ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/QuantizeWeights/QuantizeWeights.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"
#include "passes/Quantize/Remark.h"
#include "passes/Quantize/RoundingMemo.h"
#include "llvm/Support/FormatVariadic.h"

namespace bitwright {
#define GEN_PASS_DEF_QUANTIZEWEIGHTS
#include "passes/Quantize/QuantizeWeights/QuantizeWeights.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct QuantizeWeights : bitwright::impl::QuantizeWeightsBase<QuantizeWeights> {
  LogicalResult initialize(MLIRContext *context) override {
    RoundingMemo::install(context);
    return success();
  }

  void runOnOperation() override {
    gptqLayers = nearestLayers = 0;
    roundAll();
    unsigned layers = gptqLayers + nearestLayers;
    if (!layers)
      return;
    Builder builder(&getContext());
    getOperation()->setAttr(gptqAttr, builder.getDictionaryAttr(
                                          {builder.getNamedAttr("fallbacks", builder.getI64IntegerAttr(nearestLayers)),
                                           builder.getNamedAttr("layers", builder.getI64IntegerAttr(layers))}));
    remarkOn(getOperation(), nearestLayers == 0, "quantize", "gptq",
             llvm::formatv("gptq: {0} layers, {1} kept rounding to nearest ({2:F1} %)", layers, nearestLayers,
                           100.0 * nearestLayers / layers)
                 .str());
  }

  void roundAll() {
    for (Operation &op : llvm::make_early_inc_range(getOperation().getBody().front())) {
      auto scheme = op.getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr);
      if (!scheme || classify(&op) != OpClass::Product)
        continue;
      Value weight = getWeightOf(&op);
      auto input = op.getOperand(0).getDefiningOp<qnn::DequantizeOp>();
      // A weight that is dequantized already was quantized before, here or in the model's file. A product that reads
      // floats keeps its weight, unless that is what the recipe wants.
      if ((!input && !isWeightOnly(&op)) || weight.getDefiningOp<qnn::DequantizeOp>())
        continue;
      float inputScale = 0;
      if (!isWeightOnly(&op) && !isPerToken(&op)) {
        auto grid = gridOf(input);
        if (!grid)
          return signalPassFailure();
        inputScale = grid->scale;
      }
      if (failed(checkFinite(&op, weight)) || failed(quantize(&op, weight, inputScale)))
        return signalPassFailure();
    }
  }

  static LogicalResult checkFinite(Operation *op, Value weight) {
    auto data = getConstant(weight);
    if (!data)
      return failure();
    for (auto [i, v] : llvm::enumerate(toFloats(*data)))
      if (!std::isfinite(v))
        return op->emitOpError() << "'" << bitwright::getName(op)
                                 << "': expected finite weights, found NaN or infinity at element " << i << " of '"
                                 << getValueName(weight) << "'";
    return success();
  }

  unsigned gptqLayers = 0, nearestLayers = 0;
  LogicalResult quantize(Operation *op, Value weight, float inputScale) {
    FailureOr<RoundedWeight> result = quantizeWeightOf(op, inputScale);
    if (failed(result))
      return failure();
    qnn::SchemeAttr scheme = result->scheme;
    auto type = cast<RankedTensorType>(weight.getType());
    unsigned bits = unsigned(bitsOf(scheme.getStorage()));
    std::string name = getValueName(weight);
    if (name.empty())
      name = (bitwright::getName(op) + "/weight").str();
    OpBuilder builder(op);
    Value codes = createConstant(builder, op->getLoc(), name + "/codes", type.getShape(), bits, result->codes);
    SmallVector<int64_t, 2> scaleShape;
    if (scheme.getGranularity() == qnn::Granularity::Axis)
      scaleShape.push_back(int64_t(result->scales.size()));
    else if (scheme.getGranularity() == qnn::Granularity::Group)
      scaleShape = {type.getDimSize(0), type.getDimSize(1) / scheme.getGroup()};
    Value scales = createConstant(builder, op->getLoc(), name + "/scale", scaleShape, result->scales);
    Value zeroPoints;
    if (!result->zeroPoints.empty())
      zeroPoints = createConstant(builder, op->getLoc(), name + "/zero_point", scaleShape, 8, result->zeroPoints);
    auto dequantize = qnn::DequantizeOp::create(builder, op->getLoc(), type, codes, scales, zeroPoints, scheme);
    setName(dequantize, name + "/dequantize");
    if (result->twoLevelGroup)
      dequantize->setAttr(twoLevelAttr, builder.getI64IntegerAttr(result->twoLevelGroup));
    op->setOperand(1, dequantize);
    remarkOn(op, true, "quantize", "weight",
             scheme.getStorage().str() + ", " + std::to_string(result->scales.size()) + " scales");
    if (result->narrowed)
      remarkOn(op, true, "quantize", "accumulator",
               std::to_string(result->narrowed) + " of " + std::to_string(result->scales.size()) +
                   " scales are coarser so that sums stay in 32 bits (R14): codes of " +
                   std::to_string(result->narrowestBits) + " bits or more");
    if (result->gptqRatio >= 0) {
      bool kept = result->gptqRatio <= 1;
      ++(kept ? gptqLayers : nearestLayers);
      remarkOn(op, kept, "quantize", "gptq",
               "output error " + std::to_string(result->gptqRatio) + " of that of rounding to nearest" +
                   (kept ? "" : ", which was kept"));
    } else if (!result->gptqReason.empty()) {
      ++nearestLayers;
      remarkOn(op, false, "quantize", "gptq", "rounded to nearest: " + result->gptqReason);
    }
    eraseIfUnused(weight.getDefiningOp());
    return success();
  }
};
} // namespace
