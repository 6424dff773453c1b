//===- Elementwise.cpp - elementwise float and integer ops -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The same definitions as lib/Reference/Elementwise.cpp, over IR: floats through lib/Numerics/FloatFunctions.h,
// integers wrapping.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/CodeRange.h"
#include "lib/Target/X86/ElementEmitter.h"
#include "lib/Target/X86/VectorBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

static Type elementOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType(); }
static bool isUnsigned(Type element) { return element.isUnsignedInteger() || element.isInteger(1); }

namespace {
/// Integer arithmetic on values of one type.
struct Ints {
  KernelBuilder &k;
  Value constant(Type type, int64_t v) { return k.constantInt(type, v); }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) {
    return arith::CmpIOp::create(k.b, k.loc, predicate, a, b);
  }
  template <typename Op> Value make(Value a, Value b) { return Op::create(k.b, k.loc, a, b); }
};
} // namespace

/// Truncation toward zero, saturating, NaN gives 0.
static Value floatToInt(KernelBuilder &k, Value x, Type element, unsigned lanes) {
  unsigned bits = element.getIntOrFloatBitWidth();
  bool isUnsignedType = element.isUnsignedInteger();
  // Saturating conversion of LLVM has exactly this meaning.
  Type type = k.vec(k.intType(bits), lanes);
  std::string name = std::string(isUnsignedType ? "llvm.fptoui.sat" : "llvm.fptosi.sat");
  return k.intrinsic(name, type, x);
}

/// Integer value (of tensor element type `from`) as `to`.
static Value intToInt(KernelBuilder &k, Value x, Type from, unsigned toBits, unsigned lanes) {
  unsigned bits = getElementTypeOrSelf(x.getType()).getIntOrFloatBitWidth();
  Type type = k.vec(k.intType(toBits), lanes);
  if (bits == toBits)
    return x;
  if (auto c = KernelBuilder::constantOf(x))
    return k.constantInt(
        type, isUnsigned(from) ? int64_t(uint64_t(*c) & (bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1)) : *c);
  if (bits > toBits)
    return arith::TruncIOp::create(k.b, k.loc, type, x);
  if (isUnsigned(from))
    return arith::ExtUIOp::create(k.b, k.loc, type, x);
  return arith::ExtSIOp::create(k.b, k.loc, type, x);
}

static Value intToFloat(KernelBuilder &k, Value x, Type from, unsigned lanes) {
  Type type = k.vec(k.f32(), lanes);
  // Through i32: one vector instruction, exact for what fits.
  if (getElementTypeOrSelf(x.getType()).getIntOrFloatBitWidth() < 32)
    x = intToInt(k, x, from, 32, lanes);
  else if (from.isUnsignedInteger())
    return arith::UIToFPOp::create(k.b, k.loc, type, x);
  return arith::SIToFPOp::create(k.b, k.loc, type, x);
}

Value ElementEmitter::emitElementwise(Operation *op, const Index &index) {
  if (op->getNumResults() != 1)
    return {};
  Value result = op->getResult(0);
  Type element = elementOf(result);
  unsigned lanes = index.lanes;
  VectorBuilder f(k, lanes);
  Ints ints{k};
  auto operand = [&](unsigned i) { return broadcastAt(op->getOperand(i), result, index); };
  auto rounded = [&](Value value) { return value ? roundTo(element, value) : value; };
  bool isFloat = op->getNumOperands() && isa<FloatType>(elementOf(op->getOperand(0)));

  // Unary functions of one float.
  using Unary = Value (*)(VectorBuilder &, Value);
  Unary unary = llvm::TypeSwitch<Operation *, Unary>(op)
                    .Case([](qnn::ReciprocalOp) -> Unary { return numerics::reciprocal<VectorBuilder>; })
                    .Case([](qnn::SqrtOp) -> Unary { return [](VectorBuilder &b, Value x) { return b.sqrt(x); }; })
                    .Case([](qnn::ExpOp) -> Unary { return numerics::exp<VectorBuilder>; })
                    .Case([](qnn::LogOp) -> Unary { return numerics::log<VectorBuilder>; })
                    .Case([](qnn::ErfOp) -> Unary { return numerics::erf<VectorBuilder>; })
                    .Case([](qnn::TanhOp) -> Unary { return numerics::tanh<VectorBuilder>; })
                    .Case([](qnn::SigmoidOp) -> Unary { return numerics::sigmoid<VectorBuilder>; })
                    .Case([](qnn::SoftplusOp) -> Unary { return numerics::softplus<VectorBuilder>; })
                    .Case([](qnn::SiluOp) -> Unary { return numerics::silu<VectorBuilder>; })
                    .Case([](qnn::HardSwishOp) -> Unary { return numerics::hardSwish<VectorBuilder>; })
                    .Case([](qnn::FloorOp) -> Unary { return [](VectorBuilder &b, Value x) { return b.floor(x); }; })
                    .Case([](qnn::GeluOp gelu) -> Unary {
                      return gelu.getApproximate() ? Unary(numerics::geluTanh<VectorBuilder>)
                                                   : Unary(numerics::geluErf<VectorBuilder>);
                    })
                    .Default(nullptr);
  if (unary) {
    Value x = operand(0);
    return x ? rounded(unary(f, x)) : x;
  }

  if (isa<qnn::AbsOp, qnn::NegOp, qnn::ReluOp>(op)) {
    Value x = operand(0);
    if (!x)
      return x;
    if (isFloat)
      return rounded(isa<qnn::AbsOp>(op) ? f.abs(x) : isa<qnn::NegOp>(op) ? f.neg(x) : numerics::relu(f, x));
    Value zero = k.constantInt(x.getType(), 0), negated = ints.make<arith::SubIOp>(zero, x);
    if (isa<qnn::NegOp>(op))
      return negated;
    if (isUnsigned(element))
      return x;
    Value isNegative = ints.compare(arith::CmpIPredicate::slt, x, zero);
    return k.select(isNegative, isa<qnn::AbsOp>(op) ? negated : zero, x);
  }

  if (auto leaky = dyn_cast<qnn::LeakyReluOp>(op)) {
    Value x = operand(0);
    return x ? rounded(numerics::leakyRelu(f, x, f.constant(leaky.getAlpha().convertToFloat()))) : x;
  }
  if (auto elu = dyn_cast<qnn::EluOp>(op)) {
    Value x = operand(0);
    return x ? rounded(numerics::elu(f, x, f.constant(elu.getAlpha().convertToFloat()))) : x;
  }
  if (auto hard = dyn_cast<qnn::HardSigmoidOp>(op)) {
    Value x = operand(0);
    return x ? rounded(numerics::hardSigmoid(f, x, hard.getAlpha().convertToFloat(), hard.getBeta().convertToFloat()))
             : x;
  }
  if (auto clip = dyn_cast<qnn::ClipOp>(op)) {
    Value x = operand(0);
    if (!x)
      return x;
    float low = clip.getMin().convertToFloat(), high = clip.getMax().convertToFloat();
    if (isFloat)
      return rounded(numerics::clip(f, x, f.constant(low), f.constant(high)));
    unsigned bits = element.getIntOrFloatBitWidth();
    bool isUnsignedType = element.isUnsignedInteger();
    double least = isUnsignedType ? 0 : -std::ldexp(1.0, bits - 1),
           most = isUnsignedType ? std::ldexp(1.0, bits) : std::ldexp(1.0, bits - 1);
    auto limit = [&](double v) {
      if (std::isnan(v))
        return int64_t(0);
      if (v <= least)
        return isUnsignedType ? int64_t(0) : bits == 64 ? INT64_MIN : -(int64_t(1) << (bits - 1));
      if (v >= most - 1)
        return isUnsignedType ? (int64_t(1) << bits) - 1 : bits == 64 ? INT64_MAX : (int64_t(1) << (bits - 1)) - 1;
      return int64_t(v);
    };
    Value lo = k.constantInt(x.getType(), limit(std::ceil(low))),
          hi = k.constantInt(x.getType(), limit(std::floor(high)));
    if (isUnsignedType)
      return ints.make<arith::MinUIOp>(ints.make<arith::MaxUIOp>(x, lo), hi);
    return ints.make<arith::MinSIOp>(ints.make<arith::MaxSIOp>(x, lo), hi);
  }

  if (isa<qnn::AddOp, qnn::SubOp, qnn::MulOp, qnn::DivOp, qnn::MinOp, qnn::MaxOp, qnn::PreluOp, qnn::AndOp, qnn::OrOp>(
          op)) {
    Value a = operand(0), b = operand(1);
    if (!a || !b)
      return {};
    bool isUnsignedType = isUnsigned(element);
    return llvm::TypeSwitch<Operation *, Value>(op)
        .Case([&](qnn::AddOp) { return isFloat ? rounded(f.add(a, b)) : ints.make<arith::AddIOp>(a, b); })
        .Case([&](qnn::SubOp) { return isFloat ? rounded(f.sub(a, b)) : ints.make<arith::SubIOp>(a, b); })
        .Case([&](qnn::MulOp) { return isFloat ? rounded(f.mul(a, b)) : ints.make<arith::MulIOp>(a, b); })
        .Case([&](qnn::DivOp) -> Value {
          if (isFloat)
            return rounded(f.div(a, b));
          Value zero = k.constantInt(b.getType(), 0), one = k.constantInt(b.getType(), 1),
                minusOne = k.constantInt(b.getType(), -1);
          Value isZero = ints.compare(arith::CmpIPredicate::eq, b, zero);
          if (isUnsignedType)
            return k.select(isZero, zero, ints.make<arith::DivUIOp>(a, k.select(isZero, one, b)));
          Value isMinusOne = ints.compare(arith::CmpIPredicate::eq, b, minusOne);
          Value safe = k.select(isMinusOne, one, k.select(isZero, one, b));
          Value quotient = ints.make<arith::DivSIOp>(a, safe);
          return k.select(isZero, zero, k.select(isMinusOne, ints.make<arith::SubIOp>(zero, a), quotient));
        })
        .Case([&](qnn::MinOp) {
          return isFloat          ? rounded(numerics::minimum(f, a, b))
                 : isUnsignedType ? ints.make<arith::MinUIOp>(a, b)
                                  : ints.make<arith::MinSIOp>(a, b);
        })
        .Case([&](qnn::MaxOp) {
          return isFloat          ? rounded(numerics::maximum(f, a, b))
                 : isUnsignedType ? ints.make<arith::MaxUIOp>(a, b)
                                  : ints.make<arith::MaxSIOp>(a, b);
        })
        .Case([&](qnn::PreluOp) -> Value {
          if (isFloat)
            return rounded(numerics::leakyRelu(f, a, b));
          if (isUnsignedType)
            return a;
          return k.select(ints.compare(arith::CmpIPredicate::slt, a, k.constantInt(a.getType(), 0)),
                          ints.make<arith::MulIOp>(a, b), a);
        })
        .Case([&](qnn::AndOp) { return ints.make<arith::AndIOp>(a, b); })
        .Default([&](Operation *) { return ints.make<arith::OrIOp>(a, b); });
  }
  if (isa<qnn::NotOp>(op)) {
    Value x = operand(0);
    return x ? ints.make<arith::XOrIOp>(x, k.constantInt(x.getType(), 1)) : x;
  }

  if (isa<qnn::EqualOp, qnn::GreaterOp, qnn::LessOp>(op)) {
    Value a = operand(0), b = operand(1);
    if (!a || !b)
      return {};
    if (isFloat)
      return isa<qnn::EqualOp>(op) ? f.eq(a, b) : isa<qnn::GreaterOp>(op) ? f.gt(a, b) : f.lt(a, b);
    bool isUnsignedType = isUnsigned(elementOf(op->getOperand(0)));
    using P = arith::CmpIPredicate;
    return ints.compare(isa<qnn::EqualOp>(op)     ? P::eq
                        : isa<qnn::GreaterOp>(op) ? (isUnsignedType ? P::ugt : P::sgt)
                                                  : (isUnsignedType ? P::ult : P::slt),
                        a, b);
  }
  if (isa<qnn::WhereOp>(op)) {
    Value condition = operand(0), a = operand(1), b = operand(2);
    return condition && a && b ? k.select(condition, a, b) : Value();
  }

  if (auto castOp = dyn_cast<qnn::CastOp>(op)) {
    Type from = elementOf(castOp.getInput());
    Value x = operand(0);
    if (!x || from == element)
      return x;
    if (isa<FloatType>(element))
      return rounded(isFloat ? x : intToFloat(k, x, from, lanes));
    if (element.isInteger(1))
      return isFloat ? f.ne(x, f.constant(0.0f))
                     : ints.compare(arith::CmpIPredicate::ne, x, k.constantInt(x.getType(), 0));
    return isFloat ? floatToInt(k, x, element, lanes) : intToInt(k, x, from, element.getIntOrFloatBitWidth(), lanes);
  }

  if (auto pow = dyn_cast<qnn::PowOp>(op)) {
    Type baseElement = elementOf(pow.getLhs()), exponentElement = elementOf(pow.getRhs());
    if (!isa<FloatType>(baseElement) && !isa<FloatType>(exponentElement))
      return fail(op, "has no x86 code for an integer base and exponent: expected a float base or exponent");
    Value a = operand(0), b = operand(1);
    if (!a || !b)
      return {};
    if (!isa<FloatType>(baseElement))
      a = intToFloat(k, a, baseElement, lanes);
    if (!isa<FloatType>(exponentElement))
      b = intToFloat(k, b, exponentElement, lanes);
    // A constant exponent of the exact chains needs no exp and log.
    Value y;
    FloatAttr constant;
    DenseElementsAttr elements;
    float e = NAN;
    if (matchPattern(b, m_Constant(&elements)) && elements.isSplat())
      e = elements.getSplatValue<float>();
    else if (matchPattern(b, m_Constant(&constant)))
      e = constant.getValue().convertToFloat();
    if (e == 2)
      y = f.mul(a, a);
    else if (e == 3)
      y = f.mul(f.mul(a, a), a);
    else if (e == 1)
      y = a;
    else if (e == 0.5f)
      y = f.sqrt(a);
    else if (e == -1)
      y = f.div(f.constant(1.0f), a);
    else
      y = numerics::pow(f, a, b);
    return isa<FloatType>(element) ? rounded(y) : floatToInt(k, y, element, lanes);
  }

  if (auto norm = dyn_cast<qnn::BatchNormOp>(op)) {
    Value x = operand(0);
    Index channel = index;
    channel.dims = {index.dims[1]};
    Value scale = at(norm.getScale(), channel), bias = at(norm.getBias(), channel), mean = at(norm.getMean(), channel),
          variance = at(norm.getVariance(), channel);
    if (!x || !scale || !bias || !mean || !variance)
      return {};
    Value deviation = f.sqrt(f.add(variance, f.constant(norm.getEpsilon().convertToFloat())));
    return rounded(f.fma(f.mul(f.sub(x, mean), f.div(f.constant(1.0f), deviation)), scale, bias));
  }

  if (auto dequantize = dyn_cast<qnn::DequantizeAccumulatorOp>(op)) {
    Index column = index;
    column.dims = {index.dims.back()};
    Value x = operand(0), rowScale = operand(1), columnScale = at(dequantize.getColumnScale(), column);
    if (!x || !rowScale || !columnScale)
      return {};
    return rounded(f.mul(f.mul(f.toFloat(x), rowScale), columnScale));
  }

  if (isa<qnn::QuantizeOp, qnn::DequantizeOp>(op)) {
    auto quantize = dyn_cast<qnn::QuantizeOp>(op);
    auto dequantize = dyn_cast<qnn::DequantizeOp>(op);
    qnn::SchemeAttr scheme = quantize ? quantize.getScheme() : dequantize.getScheme();
    Value scaleTensor = quantize ? quantize.getScale() : dequantize.getScale();
    Value zeroTensor = quantize ? quantize.getZeroPoint() : dequantize.getZeroPoint();
    Index parameter = index;
    parameter.dims.clear();
    if (scheme.getGranularity() == qnn::Granularity::Axis)
      parameter.dims.push_back(index.dims[scheme.getAxis()]);
    else if (scheme.getGranularity() == qnn::Granularity::PerToken) {
      parameter.dims = index.dims;
      parameter.dims.back() = DimIndex(k.i64(0));
    } else if (scheme.getGranularity() != qnn::Granularity::Tensor)
      return fail(op, "has no x86 code for its granularity: expected a scale a tensor, along an axis or a token");
    if (cast<RankedTensorType>(scaleTensor.getType()).getRank() != int64_t(parameter.dims.size()))
      parameter.dims.assign(cast<RankedTensorType>(scaleTensor.getType()).getRank(), DimIndex(k.i64(0)));
    Value x = operand(0), scale = at(scaleTensor, parameter);
    if (!x || !scale)
      return {};
    Type ints32 = k.vec(k.intType(32), lanes);
    Value zero;
    if (zeroTensor) {
      zero = at(zeroTensor, parameter);
      if (!zero)
        return {};
      zero = intToInt(k, zero, elementOf(zeroTensor), 32, lanes);
    } else {
      zero = k.constantInt(ints32, 0);
    }
    if (dequantize) {
      Type from = elementOf(dequantize.getInput());
      if (from.getIntOrFloatBitWidth() <= 16) {
        Value q = ints.make<arith::SubIOp>(intToInt(k, x, from, 32, lanes), zero);
        return rounded(f.mul(f.toFloat(q), scale));
      }
      if (KernelBuilder::constantOf(zero) == 0)
        return rounded(f.mul(f.toFloat(x), scale));
      Type wide = k.vec(k.intType(64), lanes);
      Value q = ints.make<arith::SubIOp>(arith::ExtSIOp::create(k.b, k.loc, wide, x),
                                         arith::ExtSIOp::create(k.b, k.loc, wide, zero));
      return rounded(f.mul(arith::SIToFPOp::create(k.b, k.loc, k.vec(k.f32(), lanes), q), scale));
    }
    unsigned bits = element.getIntOrFloatBitWidth();
    if (bits > 16)
      return fail(op, "has no x86 code for codes of more than 16 bits");
    auto [low, high] = qnn::codeRange(scheme, element);
    // Q1 (numerics::quantizeLanes with a zero point that may vary by lane): clamp in float, exactly, before the
    // conversion.
    Value v = f.roundEven(f.div(x, scale));
    v = f.select(f.isNaN(v), f.constant(0.0f), v);
    Value lowest = f.toFloat(ints.make<arith::SubIOp>(k.constantInt(ints32, low), zero));
    Value highest = f.toFloat(ints.make<arith::SubIOp>(k.constantInt(ints32, high), zero));
    v = f.min(highest, f.max(lowest, v));
    Value q = ints.make<arith::AddIOp>(f.toInt(v), zero);
    return intToInt(k, q, k.intType(32), bits == 4 ? 8 : bits, lanes);
  }
  return {};
}
