//===- FoldIdentities.cpp - operations that change nothing ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/FoldIdentities/FoldIdentities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Simplify/Support/Rewriting.h"
#include "llvm/ADT/TypeSwitch.h"

namespace bitwright {
#define GEN_PASS_DEF_FOLDIDENTITIES
#include "passes/Simplify/FoldIdentities/FoldIdentities.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

static bool provablyEqual(ArrayRef<AffineExpr> a, ArrayRef<AffineExpr> b, unsigned numSymbols) {
  if (a.size() != b.size())
    return false;
  for (auto [x, y] : llvm::zip(a, b))
    if (x != y && constantOf(simplifyAffineExpr(x - y, 0, numSymbols)) != 0)
      return false;
  return true;
}

/// The operand that `op` returns unchanged if its shape is the result's (which the caller checks); none otherwise.
static Value unchangedOperand(Operation *op) {
  auto splat = [](Value value, float expected) { return getSplat(value) == expected; };
  return llvm::TypeSwitch<Operation *, Value>(op)
      // With the shape unchanged these move no element.
      .Case<qnn::ReshapeOp, qnn::BroadcastOp, qnn::TileOp, qnn::CastOp, qnn::ResizeOp>(
          [](Operation *op) { return op->getOperand(0); })
      .Case([](qnn::ConcatOp op) { return op.getInputs().size() == 1 ? op.getInputs()[0] : Value(); })
      .Case([](qnn::TransposeOp op) {
        return llvm::equal(op.getPerm(), llvm::seq<int64_t>(0, op.getPerm().size())) ? op.getInput() : Value();
      })
      .Case([](qnn::SliceOp op) {
        bool whole = llvm::all_of(op.getSteps(), [](int64_t step) { return step == 1; }) &&
                     llvm::all_of(op.getStarts().getResults(), [](AffineExpr start) { return constantOf(start) == 0; });
        return whole ? op.getInput() : Value();
      })
      .Case([](qnn::PadOp op) {
        auto zero = [](int64_t amount) { return amount == 0; };
        return llvm::all_of(op.getLow(), zero) && llvm::all_of(op.getHigh(), zero) ? op.getInput() : Value();
      })
      .Case([&](qnn::AddOp op) {
        return splat(op.getRhs(), 0) ? op.getLhs() : splat(op.getLhs(), 0) ? op.getRhs() : Value();
      })
      .Case([&](qnn::MulOp op) {
        return splat(op.getRhs(), 1) ? op.getLhs() : splat(op.getLhs(), 1) ? op.getRhs() : Value();
      })
      .Case([&](qnn::SubOp op) { return splat(op.getRhs(), 0) ? op.getLhs() : Value(); })
      .Case([&](qnn::DivOp op) { return splat(op.getRhs(), 1) ? op.getLhs() : Value(); })
      .Default([](Operation *) { return Value(); });
}

/// reshape(reshape(x)), transpose(transpose(x)), conv(pad(x)): `op` takes x itself. True if something changed.
static bool skipProducer(Operation *op) {
  Value input = op->getNumOperands() ? op->getOperand(0) : Value();
  if (!input || !input.getDefiningOp())
    return false;
  if (auto reshape = dyn_cast<qnn::ReshapeOp>(op)) {
    auto inner = input.getDefiningOp<qnn::ReshapeOp>();
    if (!inner)
      return false;
    reshape.getInputMutable().assign(inner.getInput());
  } else if (auto transpose = dyn_cast<qnn::TransposeOp>(op)) {
    auto inner = input.getDefiningOp<qnn::TransposeOp>();
    if (!inner)
      return false;
    // y.dim(i) = t.dim(outer[i]) = x.dim(inner[outer[i]]).
    SmallVector<int64_t> perm;
    for (int64_t i : transpose.getPerm())
      perm.push_back(inner.getPerm()[i]);
    transpose.setPerm(perm);
    transpose.getInputMutable().assign(inner.getInput());
  } else if (auto conv = dyn_cast<qnn::ConvOp>(op)) {
    auto pad = input.getDefiningOp<qnn::PadOp>();
    if (!pad || pad.getMode() != qnn::PadMode::Constant || !pad.getValue().isZero())
      return false;
    SmallVector<int64_t> pads(conv.getPads());
    size_t spatial = pads.size() / 2;
    for (size_t i = 0; i < pad.getLow().size(); ++i)
      if ((i < 2 && (pad.getLow()[i] || pad.getHigh()[i])) || pad.getLow()[i] < 0 || pad.getHigh()[i] < 0)
        return false;
    for (size_t i = 0; i < spatial; ++i) {
      pads[i] += pad.getLow()[i + 2];
      pads[spatial + i] += pad.getHigh()[i + 2];
    }
    conv.setPads(pads);
    conv.getInputMutable().assign(pad.getInput());
  } else {
    return false;
  }
  eraseIfUnused(input);
  return true;
}

namespace {
struct FoldIdentities : bitwright::impl::FoldIdentitiesBase<FoldIdentities> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    auto shapes = SymbolicShapes::compute(getOperation());
    if (failed(shapes))
      return signalPassFailure();
    // In program order, operands are already as simple as they get.
    for (Block &block : getOperation().getBody())
      for (Operation &op : llvm::make_early_inc_range(block)) {
        while (skipProducer(&op)) {
        }
        Value operand = unchangedOperand(&op);
        if (!operand ||
            cast<ShapedType>(operand.getType()).getElementType() !=
                cast<ShapedType>(op.getResult(0).getType()).getElementType() ||
            !provablyEqual(shapes->get(operand), shapes->get(op.getResult(0)), shapes->getNumSymbols()))
          continue;
        op.getResult(0).replaceAllUsesWith(operand);
        SmallVector<Value> operands(op.getOperands());
        op.erase();
        eraseIfUnused(operands);
      }
    for (Block &block : getOperation().getBody())
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
        if (isOpTriviallyDead(&op))
          op.erase();
  }
};
} // namespace
