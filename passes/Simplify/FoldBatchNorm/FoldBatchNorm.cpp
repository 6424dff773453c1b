//===- FoldBatchNorm.cpp - batch normalisation into the product before it ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/FoldBatchNorm/FoldBatchNorm.h"
#include "passes/Simplify/Support/Rewriting.h"
#include <cmath>

namespace bitwright {
#define GEN_PASS_DEF_FOLDBATCHNORM
#include "passes/Simplify/FoldBatchNorm/FoldBatchNorm.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

/// batch_norm as x * scale[c] + shift[c].
static bool getAffine(qnn::BatchNormOp op, std::vector<double> &scale, std::vector<double> &shift) {
  auto gamma = getDoubles(op.getScale()), beta = getDoubles(op.getBias()), mean = getDoubles(op.getMean()),
       variance = getDoubles(op.getVariance());
  if (!gamma || !beta || !mean || !variance)
    return false;
  double epsilon = op.getEpsilon().convertToFloat();
  for (size_t c = 0; c < gamma->size(); ++c) {
    // Also false for NaN: such a parameter is for the importer's checks to name, not for us to spread.
    if (!((*variance)[c] + epsilon > 0))
      return false;
    scale.push_back((*gamma)[c] / std::sqrt((*variance)[c] + epsilon));
    shift.push_back((*beta)[c] - (*mean)[c] * scale[c]);
  }
  return true;
}

namespace {
struct FoldBatchNorm : bitwright::impl::FoldBatchNormBase<FoldBatchNorm> {
  void runOnOperation() override {
    Names names(getOperation());
    SmallVector<qnn::BatchNormOp> worklist;
    getOperation().walk([&](qnn::BatchNormOp op) { worklist.push_back(op); });
    for (qnn::BatchNormOp op : worklist)
      fold(op, names);
  }

  void fold(qnn::BatchNormOp op, Names &names) {
    std::vector<double> scale, shift;
    auto type = cast<RankedTensorType>(op.getType());
    if (!getAffine(op, scale, shift) || type.getRank() < 2)
      return;
    SmallVector<Value> parameters = {op.getScale(), op.getBias(), op.getMean(), op.getVariance()};
    auto product = ChannelProduct::match(op.getInput());
    if (product && product->getAxis() == 1 && product->getChannels() == int64_t(scale.size()) &&
        op.getInput().getType() == type) {
      product->apply(scale, shift);
      op.replaceAllUsesWith(op.getInput());
    } else {
      OpBuilder builder(op);
      SmallVector<int64_t> dims(type.getRank(), 1);
      dims[1] = scale.size();
      auto constantType = RankedTensorType::get(dims, type.getElementType());
      std::string name = bitwright::getName(op).str();
      Value factor = createConstant(builder, op.getLoc(), name + "/scale", roundTo(constantType, scale));
      Value term = createConstant(builder, op.getLoc(), name + "/shift", roundTo(constantType, shift));
      auto scaled = qnn::MulOp::create(builder, op.getLoc(), type, op.getInput(), factor);
      setName(scaled, names.derive(name + "/scaled"));
      auto shifted = qnn::AddOp::create(builder, op.getLoc(), type, scaled, term);
      setName(shifted, name);
      op.replaceAllUsesWith(shifted.getResult());
    }
    op.erase();
    eraseIfUnused(parameters);
  }
};
} // namespace
