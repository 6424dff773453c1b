//===- StoreFloats.cpp - floats between kernels are stored in 16 bits ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Integerize/StoreFloats/StoreFloats.h"
#include "dialects/Qnn/Qnn.h"
#include "passes/Quantize/QuantizableOps.h"
#include "llvm/ADT/SetVector.h"

namespace bitwright {
#define GEN_PASS_DEF_STOREFLOATS
#include "passes/Integerize/StoreFloats/StoreFloats.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct StoreFloats : bitwright::impl::StoreFloatsBase<StoreFloats> {
  using StoreFloatsBase::StoreFloatsBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    std::string wanted = type;
    if (wanted.empty())
      if (auto recipe = func->getAttrOfType<DictionaryAttr>(recipeAttr))
        if (auto attr = recipe.getAs<StringAttr>("float"))
          wanted = attr.str();
    if (wanted.empty() || wanted == "f32")
      return;
    OpBuilder builder(&getContext());
    Type storage = wanted == "f16"    ? Type(builder.getF16Type())
                   : wanted == "bf16" ? Type(builder.getBF16Type())
                                      : Type();
    if (!storage) {
      func.emitError() << "store-floats: expected type f16 or bf16, found '" << wanted << "'";
      return signalPassFailure();
    }
    llvm::SetVector<Value> values;
    for (Operation &op : func.getBody().front())
      for (Value value : storedOperands(&op))
        if (isStored(value, &op))
          values.insert(value);
    for (Value value : values)
      narrow(value, storage, builder);
  }

  /// The operands that a kernel reads from memory because the operation starts one.
  static SmallVector<Value> storedOperands(Operation *op) {
    if (isa<qnn::MatmulOp>(op))
      return {op->getOperand(0), op->getOperand(1)};
    if (isa<qnn::LinearOp, qnn::ConvOp, qnn::ConvTransposeOp, qnn::QuantizeDynamicOp, qnn::SoftmaxOp, qnn::LogSoftmaxOp,
            qnn::LayerNormOp, qnn::GroupNormOp>(op))
      return {op->getOperand(0)};
    return {};
  }

  static bool isStored(Value value, Operation *reader) {
    if (!cast<RankedTensorType>(value.getType()).getElementType().isF32())
      return false;
    if (isa<BlockArgument>(value))
      return isa<qnn::MatmulOp, qnn::LinearOp, qnn::ConvOp, qnn::ConvTransposeOp>(reader);
    return !isa<qnn::ConstantOp, qnn::WeightOp, qnn::DequantizeOp, qnn::CastOp>(value.getDefiningOp());
  }

  static void narrow(Value value, Type storage, OpBuilder &builder) {
    builder.setInsertionPointAfterValue(value);
    auto type = cast<RankedTensorType>(value.getType());
    std::string name = getValueName(value);
    auto stored = qnn::CastOp::create(builder, value.getLoc(), RankedTensorType::get(type.getShape(), storage), value);
    setName(stored, name + "/store");
    auto loaded = qnn::CastOp::create(builder, value.getLoc(), type, stored);
    setName(loaded, name + "/load");
    // An input of the graph lies in memory as f32 anyway: only products read its narrow form.
    bool isInput = isa<BlockArgument>(value);
    value.replaceUsesWithIf(loaded, [&](OpOperand &use) {
      if (use.getOwner() == stored || isa<func::ReturnOp>(use.getOwner()))
        return false;
      return !isInput || llvm::is_contained(storedOperands(use.getOwner()), value);
    });
  }
};
} // namespace
