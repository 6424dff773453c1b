//===- VerifyIntegerOnly.cpp - regions that claim to compute in integers ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Integerize/VerifyIntegerOnly/VerifyIntegerOnly.h"
#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Kernel/Kernel.h"
#include "dialects/Qnn/Qnn.h"

namespace bitwright {
#define GEN_PASS_DEF_VERIFYINTEGERONLY
#include "passes/Integerize/VerifyIntegerOnly/VerifyIntegerOnly.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {

bool isFloat(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

struct VerifyIntegerOnly : bitwright::impl::VerifyIntegerOnlyBase<VerifyIntegerOnly> {
  using VerifyIntegerOnlyBase::VerifyIntegerOnlyBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (function || func->hasAttr("integer_only"))
      if (failed(check(func.getBody().front(), "function '" + func.getName().str() + "'")))
        return signalPassFailure();
    WalkResult result = func.walk([&](kernel::FusedOp region) {
      if (region->hasAttr("integer_only") &&
          failed(check(region.getBlock(), "region '" + bitwright::getName(region).str() + "'")))
        return WalkResult::interrupt();
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  /// A float value may enter only to be quantized, and leave only dequantized; parameters of the two are float.
  static LogicalResult check(Block &block, const std::string &where) {
    for (Operation &op : block) {
      if (isa<kernel::FusedOp>(op)) {
        // A region inside must make the claim itself, or hold no float at all.
        for (Value value : op.getOperands())
          if (isFloat(value) && !op.hasAttr("integer_only"))
            return fail(&op, where, "reads the float value", value);
        continue;
      }
      bool quantize = isa<qnn::QuantizeOp>(op), dequantize = isa<qnn::DequantizeOp>(op);
      if (isa<qnn::ConstantOp, qnn::WeightOp>(op)) {
        for (OpOperand &use : op.getUses()) {
          bool parameter = isa<qnn::QuantizeOp, qnn::DequantizeOp>(use.getOwner()) && use.getOperandNumber() == 1;
          if (isFloat(op.getResult(0)) && !parameter)
            return fail(use.getOwner(), where, "reads the float constant", op.getResult(0));
        }
        continue;
      }
      if (quantize) {
        Value input = op.getOperand(0);
        if (!isa<BlockArgument>(input))
          return fail(&op, where, "quantizes a value that was computed in float", input);
        continue;
      }
      if (dequantize) {
        for (Operation *user : op.getResult(0).getUsers())
          if (!user->hasTrait<OpTrait::IsTerminator>())
            return fail(user, where, "computes with the dequantized value", op.getResult(0));
        continue;
      }
      if (op.hasTrait<OpTrait::IsTerminator>())
        continue;
      for (Value value : op.getOperands())
        if (isFloat(value))
          return fail(&op, where, "reads the float value", value);
      for (Value value : op.getResults())
        if (isFloat(value))
          return fail(&op, where, "makes the float value", value);
    }
    return success();
  }

  static LogicalResult fail(Operation *op, const std::string &where, StringRef what, Value value) {
    return op->emitOpError() << "V1: " << where << " claims integer_only, but '" << bitwright::getName(op) << "' "
                             << what << " '" << getValueName(value) << "' of type " << value.getType()
                             << ": expected float only before the first quantize and behind the last dequantize";
  }
};
} // namespace
