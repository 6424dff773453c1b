//===- FoldConstants.cpp - operations on constants evaluated -------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/FoldConstants/FoldConstants.h"
#include "lib/Reference/Interpreter.h"
#include "passes/Simplify/Support/Rewriting.h"

namespace bitwright {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "passes/Simplify/FoldConstants/FoldConstants.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;
using reference::Tensor;

/// How much larger than its operands a folded result may be.
static constexpr int64_t kMaxGrowth = 4;

static bool isConstant(Operation *op) { return isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(op); }

static bool isCandidate(Operation &op) {
  if (!isa<qnn::QnnDialect>(op.getDialect()) || isConstant(&op) || isa<qnn::QuantizeOp, qnn::DequantizeOp>(op) ||
      op.getNumOperands() == 0 || op.getNumResults() != 1)
    return false;
  auto type = dyn_cast<RankedTensorType>(op.getResult(0).getType());
  if (!type || !type.hasStaticShape() || type.getElementTypeBitWidth() == 4)
    return false;
  int64_t operandBytes = 0;
  for (Value operand : op.getOperands()) {
    if (!isConstant(operand.getDefiningOp()))
      return false;
    operandBytes += getStorageBytes(cast<RankedTensorType>(operand.getType()));
  }
  for (NamedAttribute attr : op.getAttrs())
    if (auto map = dyn_cast<AffineMapAttr>(attr.getValue()))
      if (!llvm::all_of(map.getValue().getResults(), [](AffineExpr expr) { return constantOf(expr).has_value(); }))
        return false;
  return type.getNumElements() <= kLiteralElements || getStorageBytes(type) / kMaxGrowth <= operandBytes;
}

namespace {
struct FoldConstants : bitwright::impl::FoldConstantsBase<FoldConstants> {
  void runOnOperation() override {
    for (Block &block : getOperation().getBody())
      for (Operation &op : llvm::make_early_inc_range(block))
        if (isCandidate(op) && failed(fold(&op)))
          return signalPassFailure();
  }

  LogicalResult fold(Operation *op) {
    const reference::OpFunction *function = reference::OpTable::get().find(op->getName().getStringRef());
    if (!function)
      return success();
    SmallVector<Tensor> operands;
    for (Value operand : op->getOperands()) {
      auto data = getConstant(operand);
      if (!data)
        return failure();
      operands.push_back(reference::fromWeight(*data));
    }
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    reference::Shape resultShape(type.getShape().begin(), type.getShape().end());
    // No map of a candidate depends on the symbols, so that any values do.
    SmallVector<DimSymbol> symbols = getSymbols(getOperation());
    SmallVector<int64_t> values(symbols.size(), 1);
    SymbolicShapes shapes(symbols.size());
    reference::InterpretOptions options;
    reference::OpRun run(op, operands, resultShape, values, options, shapes);
    if (failed((*function)(run)))
      return failure();
    const Tensor &result = run.getResults()[0];
    if (reference::typeOf(result, op->getContext()) != type)
      return op->emitOpError() << "expected its value to have the type " << type << ", found " << result.describe();
    OpBuilder builder(op);
    Value constant =
        createConstant(builder, op->getLoc(), bitwright::getName(op), reference::toWeight(result, op->getContext()));
    op->getResult(0).replaceAllUsesWith(constant);
    eraseIfUnused(op->getResult(0));
    return success();
  }
};
} // namespace
