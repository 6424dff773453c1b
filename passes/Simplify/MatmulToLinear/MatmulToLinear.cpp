//===- MatmulToLinear.cpp - matrix products with constants as linear layers ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/MatmulToLinear/MatmulToLinear.h"
#include "passes/Simplify/Support/Rewriting.h"

namespace bitwright {
#define GEN_PASS_DEF_MATMULTOLINEAR
#include "passes/Simplify/MatmulToLinear/MatmulToLinear.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

/// Bytes of a rank-2 constant with rows and columns exchanged.
static WeightData transposed(const WeightData &data) {
  int64_t rows = data.type.getDimSize(0), columns = data.type.getDimSize(1),
          size = data.type.getElementTypeBitWidth() / 8;
  auto buffer = std::make_shared<std::vector<uint8_t>>(data.bytes.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      memcpy(buffer->data() + (c * rows + r) * size, data.bytes.data() + (r * columns + c) * size, size);
  return {RankedTensorType::get({columns, rows}, data.type.getElementType()), *buffer, buffer};
}

namespace {
struct MatmulToLinear : bitwright::impl::MatmulToLinearBase<MatmulToLinear> {
  void runOnOperation() override {
    llvm::DenseMap<Value, Value> done;
    SmallVector<qnn::MatmulOp> worklist;
    getOperation().walk([&](qnn::MatmulOp op) { worklist.push_back(op); });
    for (qnn::MatmulOp op : worklist) {
      Value weight = op.getRhs();
      auto type = cast<RankedTensorType>(weight.getType());
      if (type.getRank() != 2 || !isa<FloatType>(type.getElementType()) ||
          !isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(weight.getDefiningOp()))
        continue;
      Value &turned = done[weight];
      if (!turned) {
        auto data = getConstant(weight);
        if (!data)
          continue;
        OpBuilder builder(weight.getDefiningOp());
        std::string name = getConstantName(weight, bitwright::getName(op) + "/weight") + "/transposed";
        turned = createConstant(builder, weight.getLoc(), name, transposed(*data));
      }
      OpBuilder builder(op);
      auto linear = qnn::LinearOp::create(builder, op.getLoc(), op.getType(), op.getLhs(), turned, Value());
      setName(linear, bitwright::getName(op));
      op.replaceAllUsesWith(linear.getResult());
      op.erase();
    }
    for (auto [weight, turned] : done)
      eraseIfUnused(weight);
  }
};
} // namespace
