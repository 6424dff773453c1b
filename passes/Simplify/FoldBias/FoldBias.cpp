//===- FoldBias.cpp - constants a channel into the product before them ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/FoldBias/FoldBias.h"
#include "passes/Simplify/Support/Rewriting.h"

namespace bitwright {
#define GEN_PASS_DEF_FOLDBIAS
#include "passes/Simplify/FoldBias/FoldBias.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

/// Folds `op` (one of add, sub, mul, div) if its operand `x` is a product and its operand `c` a constant a channel.
static bool fold(Operation *op, Value x, Value c) {
  if (x.getType() != op->getResult(0).getType())
    return false;
  auto product = ChannelProduct::match(x);
  if (!product || !isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(c.getDefiningOp()))
    return false;
  auto values =
      getChannelValues(c, cast<RankedTensorType>(x.getType()).getRank(), product->getAxis(), product->getChannels());
  if (!values)
    return false;
  bool constantMinusX = isa<qnn::SubOp>(op) && c == op->getOperand(0);
  if (isa<qnn::AddOp>(op)) {
    product->apply({}, *values);
  } else if (constantMinusX) {
    product->apply(std::vector<double>(values->size(), -1.0), *values);
  } else if (isa<qnn::SubOp>(op)) {
    for (double &value : *values)
      value = -value;
    product->apply({}, *values);
  } else {
    if (isa<qnn::DivOp>(op))
      for (double &value : *values) {
        if (c == op->getOperand(0) || value == 0)
          return false;
        value = 1 / value;
      }
    product->apply(*values, {});
  }
  op->getResult(0).replaceAllUsesWith(x);
  op->erase();
  eraseIfUnused(c);
  return true;
}

namespace {
struct FoldBias : bitwright::impl::FoldBiasBase<FoldBias> {
  void runOnOperation() override {
    SmallVector<Operation *> worklist;
    getOperation().walk([&](Operation *op) {
      if (isa<qnn::AddOp, qnn::SubOp, qnn::MulOp, qnn::DivOp>(op))
        worklist.push_back(op);
    });
    // In program order: what folds makes the next operation the product's user.
    for (Operation *op : worklist)
      if (!fold(op, op->getOperand(0), op->getOperand(1)))
        fold(op, op->getOperand(1), op->getOperand(0));
  }
};
} // namespace
