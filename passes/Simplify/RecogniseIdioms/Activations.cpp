//===- Activations.cpp - GELU, SiLU, hard-swish, hard-sigmoid ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/RecogniseIdioms/Idioms.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

namespace {

/// A polynomial in x (degree <= 3) and t (degree <= 1), t being the result of the non-linear function.
struct Polynomial {
  double c[4][2] = {};

  static Polynomial term(double factor, int xDegree, int tDegree) {
    Polynomial p;
    p.c[xDegree][tDegree] = factor;
    return p;
  }
  Polynomial plus(const Polynomial &other, double factor) const {
    Polynomial sum = *this;
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 2; ++j)
        sum.c[i][j] += factor * other.c[i][j];
    return sum;
  }
  /// None if a degree gets too high.
  std::optional<Polynomial> times(const Polynomial &other) const {
    Polynomial product;
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 2; ++j)
        for (int k = 0; k < 4; ++k)
          for (int l = 0; l < 2; ++l) {
            double value = c[i][j] * other.c[k][l];
            if (value == 0)
              continue;
            if (i + k > 3 || j + l > 1)
              return std::nullopt;
            product.c[i + k][j + l] += value;
          }
    return product;
  }
  bool near(const Polynomial &other, double tolerance) const {
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 2; ++j)
        if (!(std::abs(c[i][j] - other.c[i][j]) <= tolerance * std::max(std::abs(c[i][j]), std::abs(other.c[i][j]))))
          return false;
    return true;
  }
};

/// Evaluates values as polynomials and collects the operations it went through.
struct Evaluator {
  Value x, t;
  IdiomOps *inside;

  std::optional<Polynomial> operator()(Value value, int depth = 0) {
    if (value == x)
      return Polynomial::term(1, 1, 0);
    if (value == t)
      return Polynomial::term(1, 0, 1);
    Operation *op = value.getDefiningOp();
    if (!op || depth > 8)
      return std::nullopt;
    if (isa<qnn::ConstantOp, qnn::WeightOp>(op)) {
      // Only scalars and small arrays of one value.
      auto type = cast<RankedTensorType>(value.getType());
      if (!type.hasStaticShape() || type.getNumElements() > kLiteralElements)
        return std::nullopt;
      auto splat = getSplat(value);
      return splat ? std::optional(Polynomial::term(*splat, 0, 0)) : std::nullopt;
    }
    // No broadcast of x.
    if (value.getType() != x.getType() ||
        !isa<qnn::AddOp, qnn::SubOp, qnn::MulOp, qnn::DivOp, qnn::PowOp, qnn::NegOp>(op))
      return std::nullopt;
    inside->insert(op);
    auto a = (*this)(op->getOperand(0), depth + 1);
    if (!a)
      return std::nullopt;
    if (isa<qnn::NegOp>(op))
      return Polynomial().plus(*a, -1);
    auto b = (*this)(op->getOperand(1), depth + 1);
    if (!b)
      return std::nullopt;
    double constant = b->c[0][0];
    bool isConstant = b->near(Polynomial::term(constant, 0, 0), 0);
    if (isa<qnn::AddOp>(op))
      return a->plus(*b, 1);
    if (isa<qnn::SubOp>(op))
      return a->plus(*b, -1);
    if (isa<qnn::MulOp>(op))
      return a->times(*b);
    if (!isConstant)
      return std::nullopt;
    if (isa<qnn::DivOp>(op))
      return constant == 0 ? std::nullopt : std::optional(Polynomial().plus(*a, 1 / constant));
    if (constant != 1 && constant != 2 && constant != 3)
      return std::nullopt;
    std::optional<Polynomial> power = a;
    for (int i = 1; i < constant && power; ++i)
      power = power->times(*a);
    return power;
  }
};

/// A replacement for the expression `root` of x and t = f(argument).
struct Form {
  std::optional<Polynomial> argument, root;
  double tolerance;

  bool matches(const Polynomial &expectedArgument, const Polynomial &expectedRoot) const {
    return argument->near(expectedArgument, tolerance) && root->near(expectedRoot, tolerance);
  }
};

} // namespace

/// The operation that computes `root`, made at `builder`, or none.
static Operation *build(OpBuilder &builder, Operation *op, Value x, const Form &form) {
  using P = Polynomial;
  Type type = x.getType();
  P identity = P::term(1, 1, 0), product = P::term(1, 1, 1), half = P::term(0.5, 1, 0).plus(P::term(0.5, 1, 1), 1);
  Location loc = op->getLoc();
  if (isa<qnn::ErfOp>(op) && form.matches(P::term(M_SQRT1_2, 1, 0), half))
    return qnn::GeluOp::create(builder, loc, type, x, false);
  // sqrt(2 / pi) (x + 0.044715 x^3)
  if (double k = M_2_SQRTPI * M_SQRT1_2;
      isa<qnn::TanhOp>(op) && form.matches(P::term(k, 1, 0).plus(P::term(k * 0.044715, 3, 0), 1), half))
    return qnn::GeluOp::create(builder, loc, type, x, true);
  if (isa<qnn::SigmoidOp>(op) && form.matches(identity, product))
    return qnn::SiluOp::create(builder, loc, type, x);
  if (auto gate = dyn_cast<qnn::HardSigmoidOp>(op)) {
    P inner = P::term(gate.getBeta().convertToFloat(), 0, 0).plus(*form.argument, gate.getAlpha().convertToFloat());
    if (inner.near(P::term(0.5, 0, 0).plus(P::term(1.0 / 6, 1, 0), 1), form.tolerance) &&
        form.root->near(product, form.tolerance))
      return qnn::HardSwishOp::create(builder, loc, type, x);
  }
  if (auto clip = dyn_cast<qnn::ClipOp>(op)) {
    double high = clip.getMax().convertToFloat();
    if (!clip.getMin().isZero() || !(high > 0) || !std::isfinite(high))
      return nullptr;
    P inner = P().plus(*form.argument, 1 / high);
    if (inner.near(P::term(0.5, 0, 0).plus(P::term(1.0 / 6, 1, 0), 1), form.tolerance) &&
        form.root->near(P::term(1 / high, 1, 1), form.tolerance))
      return qnn::HardSwishOp::create(builder, loc, type, x);
    // clip(x, 0, c) alone stays what it is: a bounded relu.
    bool shifted = inner.c[0][0] != 0 && inner.c[1][0] != 0 &&
                   inner.near(P::term(inner.c[0][0], 0, 0).plus(P::term(inner.c[1][0], 1, 0), 1), 0);
    if (shifted && form.root->near(P::term(1 / high, 0, 1), form.tolerance))
      return qnn::HardSigmoidOp::create(builder, loc, type, x, APFloat(float(inner.c[1][0])),
                                        APFloat(float(inner.c[0][0])));
  }
  return nullptr;
}

/// x may be any value that the argument is made of.
static void collectCandidates(Value value, int depth, SmallVectorImpl<Value> &candidates) {
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(op) || llvm::is_contained(candidates, value))
    return;
  candidates.push_back(value);
  if (op && depth < 6 && isa<qnn::AddOp, qnn::SubOp, qnn::MulOp, qnn::DivOp, qnn::PowOp, qnn::NegOp>(op))
    for (Value operand : op->getOperands())
      collectCandidates(operand, depth + 1, candidates);
}

bool simplify::recogniseActivation(Operation *op) {
  Value t = op->getResult(0);
  if (!isa<FloatType>(cast<RankedTensorType>(t.getType()).getElementType()))
    return false;
  SmallVector<Value> candidates;
  collectCandidates(op->getOperand(0), 0, candidates);
  // The root lies up the chain of single uses; the longest match wins (x * (clip(x + 3, 0, 6) / 6) holds a
  // hard_sigmoid).
  SmallVector<Operation *> roots = {op};
  while (roots.size() < 6 && roots.back()->hasOneUse() &&
         isa<qnn::AddOp, qnn::SubOp, qnn::MulOp, qnn::DivOp>(*roots.back()->user_begin()))
    roots.push_back(*roots.back()->user_begin());
  for (Operation *root : llvm::reverse(roots))
    // Deepest first: clip(a x + b) is a function of x, not of a x.
    for (Value x : llvm::reverse(candidates)) {
      if (x.getType() != t.getType() || x == t)
        continue;
      IdiomOps inside;
      inside.insert(op);
      Evaluator evaluate{x, t, &inside};
      Form form;
      // The precision of the constants in the file.
      form.tolerance = cast<RankedTensorType>(x.getType()).getElementTypeBitWidth() == 32 ? 1e-5 : 4e-3;
      form.root = evaluate(root->getResult(0));
      form.argument = evaluate(op->getOperand(0));
      if (!form.root || !form.argument || !isClosed(inside, root))
        continue;
      OpBuilder builder(root);
      if (Operation *idiom = build(builder, op, x, form)) {
        replaceIdiom(root, idiom);
        return true;
      }
    }
  return false;
}
