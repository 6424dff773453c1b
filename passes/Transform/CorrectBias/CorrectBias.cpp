//===- CorrectBias.cpp - mean error of quantized weights out of the bias ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Transform/CorrectBias/CorrectBias.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Statistics/Statistics.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"
#include "passes/Quantize/Remark.h"
#include "passes/Quantize/RoundingMemo.h"

namespace bitwright {
#define GEN_PASS_DEF_CORRECTBIAS
#include "passes/Transform/CorrectBias/CorrectBias.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

std::optional<std::vector<double>> bitwright::biasShift(Operation *op, const RoundedWeight &rounded,
                                                        ArrayRef<double> means) {
  auto data = getConstant(getWeightOf(op));
  ArrayRef<int64_t> shape = data->type.getShape();
  bool transposed = isa<qnn::ConvTransposeOp>(op);
  int64_t groups = 1, outputs = shape[0], inputs = shape[1];
  if (auto conv = dyn_cast<qnn::ConvOp>(op)) {
    groups = conv.getGroups();
    inputs = shape[1] * groups;
  } else if (auto conv = dyn_cast<qnn::ConvTransposeOp>(op)) {
    groups = conv.getGroups();
    outputs = shape[1] * groups;
    inputs = shape[0];
  }
  if (int64_t(means.size()) != inputs)
    return std::nullopt;
  std::vector<float> weights = toFloats(*data);
  int64_t taps = 1;
  for (int64_t k : shape.drop_front(2))
    taps *= k;
  std::vector<double> shift(size_t(outputs), 0.0);
  for (int64_t i = 0; i < int64_t(weights.size()); ++i) {
    int64_t a = i / taps / shape[1], b = i / taps % shape[1];
    // Output and input channel of this weight; groups as in the operation's definition.
    int64_t output = transposed ? a / (inputs / groups) * shape[1] + b : a;
    int64_t channel = transposed ? a : a / (outputs / groups) * shape[1] + b;
    shift[size_t(output)] += means[size_t(channel)] * (rounded.valueAt(i) - weights[size_t(i)]);
  }
  return shift;
}

namespace {
struct CorrectBias : bitwright::impl::CorrectBiasBase<CorrectBias> {
  using CorrectBiasBase::CorrectBiasBase;

  LogicalResult initialize(MLIRContext *context) override {
    RoundingMemo::install(context);
    return success();
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (auto recipe = func->getAttrOfType<DictionaryAttr>(recipeAttr))
      if (auto wanted = recipe.getAs<BoolAttr>("bias_correction"); wanted && !wanted.getValue())
        return;
    std::shared_ptr<const Statistics> found = func.getContext()->getOrLoadDialect<qnn::QnnDialect>()->getStatistics();
    if (!statistics.empty()) {
      auto file = Statistics::load(statistics);
      if (!file) {
        func.emitError() << llvm::toString(file.takeError());
        return signalPassFailure();
      }
      found = std::make_shared<Statistics>(std::move(*file));
    }
    if (!found)
      return;
    for (Operation &op : llvm::make_early_inc_range(func.getBody().front())) {
      if (!op.hasAttr(weightSchemeAttr) || classify(&op) != OpClass::Product ||
          getWeightOf(&op).getDefiningOp<qnn::DequantizeOp>())
        continue;
      if (getBiasOf(&op) && !getConstant(getBiasOf(&op)))
        continue;
      // The value before its codes, and their scale where the bias becomes an integer.
      Value before = op.getOperand(0);
      float scale = 0;
      if (auto input = before.getDefiningOp<qnn::DequantizeOp>(); input && isPerToken(&op)) {
        before = input.getInput().getDefiningOp<qnn::QuantizeDynamicOp>().getInput();
      } else if (!isWeightOnly(&op)) {
        auto quantize = input ? input.getInput().getDefiningOp<qnn::QuantizeOp>() : nullptr;
        auto grid = input ? gridOf(input) : std::nullopt;
        if (!quantize || !grid)
          continue;
        before = quantize.getInput();
        scale = grid->scale;
      }
      if (const ValueStatistics *value = found->lookup(getValueName(before)))
        if (failed(correct(&op, scale, value->channelMeans())))
          return signalPassFailure();
    }
  }

  static LogicalResult correct(Operation *op, float inputScale, ArrayRef<double> means) {
    FailureOr<RoundedWeight> quantized = quantizeWeightOf(op, inputScale);
    if (failed(quantized))
      return failure();
    auto shift = biasShift(op, *quantized, means);
    if (!shift)
      return success();
    int64_t outputs = int64_t(shift->size());
    std::vector<float> bias(size_t(outputs), 0.0f);
    if (Value old = getBiasOf(op))
      bias = toFloats(*getConstant(old));
    double largest = 0;
    for (int64_t o = 0; o < outputs; ++o) {
      largest = std::max(largest, std::fabs((*shift)[size_t(o)]));
      bias[size_t(o)] = float(bias[size_t(o)] - (*shift)[size_t(o)]);
    }
    OpBuilder builder(op);
    Value old = getBiasOf(op);
    setBiasOf(
        op, createConstant(builder, op->getLoc(), (bitwright::getName(op) + "/corrected_bias").str(), {outputs}, bias));
    if (old)
      eraseIfUnused(old.getDefiningOp());
    remarkOn(op, true, "transform", "bias", "bias corrected by at most " + std::to_string(largest));
    return success();
  }
};
} // namespace
