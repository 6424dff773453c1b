//===- SqueezeExcite.cpp - the channel gate from its parts ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/RecogniseIdioms/Idioms.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

/// Steps over reshapes that only add or remove trailing dimensions of size 1 behind N, C.
static Value skipUnitReshape(Value value, IdiomOps &inside) {
  auto reshape = value.getDefiningOp<qnn::ReshapeOp>();
  if (!reshape)
    return value;
  ArrayRef<int64_t> from = cast<RankedTensorType>(reshape.getInput().getType()).getShape(),
                    to = reshape.getType().getShape();
  auto isOne = [](int64_t size) { return size == 1; };
  if (from.size() < 2 || to.size() < 2 || from.take_front(2) != to.take_front(2) ||
      !llvm::all_of(from.drop_front(2), isOne) || !llvm::all_of(to.drop_front(2), isOne))
    return value;
  inside.insert(reshape);
  return reshape.getInput();
}

/// value = W inner + b with W (and b) constant: a 1x1 convolution or a linear layer.
static Operation *matchPointwise(Value value, IdiomOps &inside) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<qnn::ConvOp, qnn::LinearOp>(op))
    return nullptr;
  for (Value operand : op->getOperands().drop_front())
    if (!isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(operand.getDefiningOp()))
      return nullptr;
  if (auto conv = dyn_cast<qnn::ConvOp>(op)) {
    auto isOne = [](int64_t size) { return size == 1; };
    if (conv.getGroups() != 1 ||
        !llvm::all_of(cast<RankedTensorType>(conv.getWeight().getType()).getShape().drop_front(2), isOne) ||
        !llvm::all_of(conv.getStrides(), isOne) || llvm::any_of(conv.getPads(), [](int64_t pad) { return pad != 0; }))
      return nullptr;
  } else if (cast<RankedTensorType>(value.getType()).getRank() != 2) {
    return nullptr;
  }
  inside.insert(op);
  return op;
}

/// Is `value` the mean of x over all spatial dimensions?
static bool matchMean(Value value, Value x, IdiomOps &inside) {
  int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
  auto mean = value.getDefiningOp<qnn::ReduceMeanOp>();
  if (!mean || mean.getInput() != x || !llvm::equal(mean.getAxes(), llvm::seq<int64_t>(2, rank)))
    return false;
  inside.insert(mean);
  return true;
}

/// The weight (O x I, spatial ones dropped) and bias (zeros if there is none) of a pointwise product.
static std::pair<Value, Value> getParameters(OpBuilder &builder, Operation *op, const Twine &name) {
  Value weight = op->getOperand(1);
  auto type = cast<RankedTensorType>(weight.getType());
  std::string base = name.str();
  if (type.getRank() > 2) {
    auto data = getConstant(weight);
    WeightData matrix{RankedTensorType::get(type.getShape().take_front(2), type.getElementType()), data->bytes,
                      data->owner};
    weight = createConstant(builder, op->getLoc(), getConstantName(weight, base + "/weight") + "/matrix", matrix);
  }
  if (op->getNumOperands() > 2)
    return {weight, op->getOperand(2)};
  auto biasType = RankedTensorType::get({type.getDimSize(0)}, type.getElementType());
  return {weight, createConstant(builder, op->getLoc(), base + "/bias",
                                 roundTo(biasType, std::vector<double>(type.getDimSize(0), 0.0)))};
}

static bool match(Operation *root, Value x, Value gateValue) {
  auto type = cast<RankedTensorType>(x.getType());
  if (root->getResult(0).getType() != type || type.getRank() < 3 || !isa<FloatType>(type.getElementType()))
    return false;
  IdiomOps inside;
  inside.insert(root);
  Operation *gate = skipUnitReshape(gateValue, inside).getDefiningOp();
  if (!isa_and_nonnull<qnn::SigmoidOp, qnn::HardSigmoidOp>(gate))
    return false;
  inside.insert(gate);
  Operation *expand = matchPointwise(skipUnitReshape(gate->getOperand(0), inside), inside);
  auto relu = expand ? skipUnitReshape(expand->getOperand(0), inside).getDefiningOp<qnn::ReluOp>() : qnn::ReluOp();
  if (!relu)
    return false;
  inside.insert(relu);
  Operation *reduce = matchPointwise(skipUnitReshape(relu.getInput(), inside), inside);
  if (!reduce || !matchMean(skipUnitReshape(reduce->getOperand(0), inside), x, inside) || !isClosed(inside, root))
    return false;
  for (Operation *op : {reduce, expand})
    if (!getConstant(op->getOperand(1)))
      return false;

  OpBuilder builder(root);
  StringRef name = getName(root);
  auto [reduceWeight, reduceBias] = getParameters(builder, reduce, name + "/reduce");
  auto [expandWeight, expandBias] = getParameters(builder, expand, name + "/expand");
  APFloat alpha(0.2f), beta(0.5f);
  if (auto hard = dyn_cast<qnn::HardSigmoidOp>(gate)) {
    alpha = hard.getAlpha();
    beta = hard.getBeta();
  }
  replaceIdiom(root, qnn::SqueezeExciteOp::create(
                         builder, root->getLoc(), type, x, reduceWeight, reduceBias, expandWeight, expandBias,
                         builder.getStringAttr(isa<qnn::SigmoidOp>(gate) ? "sigmoid" : "hard_sigmoid"),
                         builder.getFloatAttr(builder.getF32Type(), alpha),
                         builder.getFloatAttr(builder.getF32Type(), beta)));
  return true;
}

bool simplify::recogniseSqueezeExcite(Operation *op) {
  return match(op, op->getOperand(0), op->getOperand(1)) || match(op, op->getOperand(1), op->getOperand(0));
}
