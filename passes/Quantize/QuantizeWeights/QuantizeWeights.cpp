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

namespace bitwright {
#define GEN_PASS_DEF_QUANTIZEWEIGHTS
#include "passes/Quantize/QuantizeWeights/QuantizeWeights.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct QuantizeWeights : bitwright::impl::QuantizeWeightsBase<QuantizeWeights> {
  void runOnOperation() override {
    for (Operation &op : llvm::make_early_inc_range(getOperation().getBody().front())) {
      auto scheme = op.getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr);
      if (!scheme || classify(&op) != OpClass::Product)
        continue;
      auto input = op.getOperand(0).getDefiningOp<qnn::DequantizeOp>();
      Value weight = getWeightOf(&op);
      // A weight that is dequantized already was quantized before, here or in the model's file.
      if (!input || weight.getDefiningOp<qnn::DequantizeOp>())
        continue;
      auto grid = gridOf(input);
      if (!grid || failed(checkFinite(&op, weight)))
        return signalPassFailure();
      quantize(&op, weight, scheme, *grid);
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

  static void quantize(Operation *op, Value weight, qnn::SchemeAttr scheme, Grid input) {
    QuantizedWeight result = quantizeWeightOf(op, input.scale);
    auto type = cast<RankedTensorType>(weight.getType());
    unsigned bits = unsigned(bitsOf(scheme.getStorage()));
    std::string name = getValueName(weight);
    if (name.empty())
      name = (bitwright::getName(op) + "/weight").str();
    OpBuilder builder(op);
    Value codes = createConstant(builder, op->getLoc(), name + "/codes", type.getShape(), bits, result.codes);
    SmallVector<int64_t, 1> scaleShape;
    if (scheme.getGranularity() == qnn::Granularity::Axis)
      scaleShape.push_back(int64_t(result.scales.size()));
    Value scales = createConstant(builder, op->getLoc(), name + "/scale", scaleShape, result.scales);
    auto dequantize = qnn::DequantizeOp::create(builder, op->getLoc(), type, codes, scales, Value(), scheme);
    setName(dequantize, name + "/dequantize");
    op->setOperand(1, dequantize);
    remarkOn(op, true, "quantize", "weight",
             scheme.getStorage().str() + ", " + std::to_string(result.scales.size()) + " scales");
    eraseIfUnused(weight.getDefiningOp());
  }
};
} // namespace
