//===- LayerNorm.cpp - layer norm from its parts -------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/RecogniseIdioms/Idioms.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

namespace {
/// d / sqrt(variance + epsilon) in one of its spellings.
struct Normalised {
  Value difference, variance;
  float epsilon;
};
} // namespace

static bool isSplat(Value value, float expected) { return getSplat(value) == expected; }

/// value = sqrt(inner).
static Value matchRoot(Value value, IdiomOps &inside) {
  if (auto root = value.getDefiningOp<qnn::SqrtOp>()) {
    inside.insert(root);
    return root.getInput();
  }
  if (auto power = value.getDefiningOp<qnn::PowOp>(); power && isSplat(power.getRhs(), 0.5f)) {
    inside.insert(power);
    return power.getLhs();
  }
  return {};
}

/// value = 1 / sqrt(inner).
static Value matchInverseRoot(Value value, IdiomOps &inside) {
  if (auto power = value.getDefiningOp<qnn::PowOp>(); power && isSplat(power.getRhs(), -0.5f)) {
    inside.insert(power);
    return power.getLhs();
  }
  Value root;
  if (auto reciprocal = value.getDefiningOp<qnn::ReciprocalOp>())
    root = reciprocal.getInput();
  else if (auto quotient = value.getDefiningOp<qnn::DivOp>(); quotient && isSplat(quotient.getLhs(), 1))
    root = quotient.getRhs();
  if (!root)
    return {};
  inside.insert(value.getDefiningOp());
  return matchRoot(root, inside);
}

static std::optional<Normalised> matchNormalised(Operation *op, IdiomOps &inside) {
  Value difference, inner;
  inside.insert(op);
  if (isa<qnn::DivOp>(op)) {
    difference = op->getOperand(0);
    inner = matchRoot(op->getOperand(1), inside);
  } else {
    for (int side : {0, 1})
      if (!inner && (inner = matchInverseRoot(op->getOperand(1 - side), inside)))
        difference = op->getOperand(side);
  }
  auto sum = inner ? inner.getDefiningOp<qnn::AddOp>() : qnn::AddOp();
  if (!sum)
    return std::nullopt;
  inside.insert(sum);
  for (int side : {0, 1})
    if (auto epsilon = getSplat(sum->getOperand(side)))
      return Normalised{difference, sum->getOperand(1 - side), *epsilon};
  return std::nullopt;
}

/// value = x - mean(x over `axes`, dimensions kept); fills x and axes at the first call, compares at later ones.
static bool matchDifference(Value value, Value &x, ArrayRef<int64_t> &axes, IdiomOps &inside) {
  auto sub = value.getDefiningOp<qnn::SubOp>();
  auto mean = sub ? sub.getRhs().getDefiningOp<qnn::ReduceMeanOp>() : qnn::ReduceMeanOp();
  if (!mean || !mean.getKeepdims() || mean.getInput() != sub.getLhs() ||
      (x && (x != sub.getLhs() || axes != mean.getAxes())))
    return false;
  x = sub.getLhs();
  axes = mean.getAxes();
  inside.insert(sub);
  inside.insert(mean);
  return true;
}

/// The constant operand of `user` beside `value` as a tensor of the normalised dimensions: itself, without leading
/// ones, or a scalar repeated. None if it is something else.
static std::optional<WeightData> matchParameter(Operation *user, Value value, ArrayRef<int64_t> dims, Value &constant) {
  constant = user->getOperand(0) == value ? user->getOperand(1) : user->getOperand(0);
  if (constant == value || user->getResult(0).getType() != value.getType() ||
      !isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(constant.getDefiningOp()))
    return std::nullopt;
  auto data = getConstant(constant);
  if (!data)
    return std::nullopt;
  auto type = RankedTensorType::get(dims, data->type.getElementType());
  if (data->getNumElements() == 1 && type.getNumElements() != 1)
    return roundTo(type, std::vector<double>(type.getNumElements(), toFloats(*data)[0]));
  if (data->type.getRank() < type.getRank())
    return std::nullopt;
  ArrayRef<int64_t> shape = data->type.getShape();
  size_t leading = shape.size() - dims.size();
  if (shape.drop_front(leading) != dims ||
      llvm::any_of(shape.take_front(leading), [](int64_t size) { return size != 1; }))
    return std::nullopt;
  return WeightData{type, data->bytes, data->owner};
}

bool simplify::recogniseLayerNorm(Operation *op) {
  IdiomOps inside;
  auto normalised = matchNormalised(op, inside);
  if (!normalised)
    return false;
  Value x;
  ArrayRef<int64_t> axes;
  auto variance = normalised->variance.getDefiningOp<qnn::ReduceMeanOp>();
  if (!variance || !variance.getKeepdims() || !matchDifference(normalised->difference, x, axes, inside) ||
      variance.getAxes() != axes)
    return false;
  inside.insert(variance);
  Operation *square = variance.getInput().getDefiningOp();
  auto power = dyn_cast_or_null<qnn::PowOp>(square);
  bool squared = (power && isSplat(power.getRhs(), 2)) ||
                 (isa_and_nonnull<qnn::MulOp>(square) && square->getOperand(0) == square->getOperand(1));
  // Some exporters compute the difference twice.
  if (!squared || !matchDifference(square->getOperand(0), x, axes, inside))
    return false;
  inside.insert(square);
  auto type = cast<RankedTensorType>(x.getType());
  int64_t axis = type.getRank() - axes.size();
  ArrayRef<int64_t> dims = type.getShape().drop_front(axis);
  if (axes.empty() || !isa<FloatType>(type.getElementType()) || axes.front() != axis ||
      llvm::is_contained(dims, ShapedType::kDynamic) || op->getResult(0).getType() != type)
    return false;

  Operation *root = op;
  std::optional<WeightData> scale, bias;
  Value scaleConstant, biasConstant;
  if (!isClosed(inside, root))
    return false;
  if (root->hasOneUse() && isa<qnn::MulOp>(*root->user_begin()))
    if ((scale = matchParameter(*root->user_begin(), root->getResult(0), dims, scaleConstant)))
      root = *root->user_begin();
  if (root->hasOneUse() && isa<qnn::AddOp>(*root->user_begin()))
    if ((bias = matchParameter(*root->user_begin(), root->getResult(0), dims, biasConstant)))
      root = *root->user_begin();

  OpBuilder builder(root);
  auto parameter = [&](std::optional<WeightData> &data, Value constant, StringRef suffix) -> Value {
    if (!data || data->type == constant.getType())
      return constant;
    return createConstant(builder, root->getLoc(), getConstantName(constant, getName(root)) + suffix.str(), *data);
  };
  Value scaleValue = scale ? parameter(scale, scaleConstant, "/scale") : Value();
  Value biasValue = bias ? parameter(bias, biasConstant, "/bias") : Value();
  replaceIdiom(root, qnn::LayerNormOp::create(builder, root->getLoc(), type, x, scaleValue, biasValue, axis,
                                              normalised->epsilon));
  return true;
}
