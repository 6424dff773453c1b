//===- ExpandSqueezeExcite.cpp - channel gates as products that quantization knows ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/ExpandSqueezeExcite/ExpandSqueezeExcite.h"
#include "passes/Simplify/Support/Rewriting.h"

namespace bitwright {
#define GEN_PASS_DEF_EXPANDSQUEEZEEXCITE
#include "passes/Simplify/ExpandSqueezeExcite/ExpandSqueezeExcite.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

namespace {
struct ExpandSqueezeExcite : bitwright::impl::ExpandSqueezeExciteBase<ExpandSqueezeExcite> {
  void runOnOperation() override {
    SmallVector<qnn::SqueezeExciteOp> worklist;
    getOperation().walk([&](qnn::SqueezeExciteOp op) { worklist.push_back(op); });
    if (worklist.empty())
      return;
    auto shapes = SymbolicShapes::compute(getOperation());
    if (failed(shapes))
      return signalPassFailure();
    Names names(getOperation());
    for (qnn::SqueezeExciteOp op : worklist)
      expand(op, shapes->get(op.getInput()), shapes->getNumSymbols(), names);
  }

  void expand(qnn::SqueezeExciteOp op, const SymbolicShape &shape, unsigned numSymbols, Names &names) {
    OpBuilder builder(op);
    Location loc = op.getLoc();
    std::string name = bitwright::getName(op).str();
    auto type = cast<RankedTensorType>(op.getType());
    auto matrix = [&](int64_t columns) {
      return RankedTensorType::get({type.getDimSize(0), columns}, type.getElementType());
    };
    auto named = [&](auto created, StringRef suffix) -> Value {
      setName(created, names.derive(name + "/" + suffix));
      return created.getResult();
    };
    int64_t channels = type.getDimSize(1),
            reduced = cast<RankedTensorType>(op.getReduceWeight().getType()).getDimSize(0);
    auto space = llvm::to_vector(llvm::seq<int64_t>(2, type.getRank()));
    Value value = named(qnn::ReduceMeanOp::create(builder, loc, matrix(channels), op.getInput(), space, false), "mean");
    value = named(qnn::LinearOp::create(builder, loc, matrix(reduced), value, op.getReduceWeight(), op.getReduceBias()),
                  "reduce");
    value = named(qnn::ReluOp::create(builder, loc, value.getType(), value), "relu");
    value =
        named(qnn::LinearOp::create(builder, loc, matrix(channels), value, op.getExpandWeight(), op.getExpandBias()),
              "expand");
    if (op.getGate() == "sigmoid")
      value = named(qnn::SigmoidOp::create(builder, loc, value.getType(), value), "gate");
    else
      value =
          named(qnn::HardSigmoidOp::create(builder, loc, value.getType(), value, op.getAlpha(), op.getBeta()), "gate");
    SymbolicShape gate(shape.size(), builder.getAffineConstantExpr(1));
    gate[0] = shape[0];
    gate[1] = shape[1];
    auto gateType = bitwright::typeOf(gate, type.getElementType());
    value = named(
        qnn::ReshapeOp::create(builder, loc, gateType, value, shapeAttr(gate, numSymbols, op.getContext()).getValue()),
        "gate_reshape");
    auto product = qnn::MulOp::create(builder, loc, type, op.getInput(), value);
    setName(product, name);
    op.replaceAllUsesWith(product.getResult());
    op.erase();
  }
};
} // namespace
