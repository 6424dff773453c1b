//===- Elementwise.cpp - arithmetic of single elements ---------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Floats are computed in float32 with the functions of lib/Numerics (F1, F2) and rounded when stored (F5); integers in
// int64 and wrapped to their type.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Numerics/FloatFunctions.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Loops.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

namespace {

using B = numerics::ScalarBuilder;
using FloatUnary = float (*)(float);
using FloatBinary = float (*)(float, float);
using IntBinary = int64_t (*)(int64_t, int64_t);

template <typename F> Tensor mapFloats(OpRun &run, const Tensor &input, F f) {
  Tensor x = toFloat32(input), y(Element::F32, run.shapeOf());
  const float *in = x.data<float>();
  float *out = y.mutableData<float>();
  for (int64_t i = 0; i < y.getNumElements(); ++i)
    out[i] = f(in[i]);
  return storeAs(y, run.elementOfResult());
}

template <typename F> Tensor mapIntegers(OpRun &run, const Tensor &input, F f) {
  Tensor x = toInt64(input), y(Element::S64, run.shapeOf());
  for (int64_t i = 0; i < y.getNumElements(); ++i)
    y.mutableData<int64_t>()[i] = f(x.data<int64_t>()[i]);
  return narrowTo(y, run.elementOfResult());
}

/// out[i] = f(a[..], b[..]) with the operands widened to T.
template <typename T, typename R, typename F>
Tensor combine(OpRun &run, const Tensor &a, const Tensor &b, Element resultElement, F f) {
  Tensor y(resultElement, run.shapeOf());
  const T *pa = a.data<T>(), *pb = b.data<T>();
  R *out = y.mutableData<R>();
  forEachBroadcast<2>(run.shapeOf(), {a.getShape(), b.getShape()},
                      [&](int64_t i, const std::array<int64_t, 2> &at) { out[i] = R(f(pa[at[0]], pb[at[1]])); });
  return y;
}

LogicalResult binary(OpRun &run, FloatBinary onFloats, IntBinary onIntegers) {
  const Tensor &a = run.operand(0), &b = run.operand(1);
  if (isFloat(a.getElement()))
    run.set(
        storeAs(combine<float, float>(run, toFloat32(a), toFloat32(b), Element::F32, onFloats), run.elementOfResult()));
  else
    run.set(narrowTo(combine<int64_t, int64_t>(run, toInt64(a), toInt64(b), Element::S64, onIntegers),
                     run.elementOfResult()));
  return success();
}

template <typename Less> LogicalResult comparison(OpRun &run, Less compare) {
  const Tensor &a = run.operand(0), &b = run.operand(1);
  if (isFloat(a.getElement()))
    run.set(combine<float, uint8_t>(run, toFloat32(a), toFloat32(b), Element::Bool, compare));
  else
    run.set(combine<int64_t, uint8_t>(run, toInt64(a), toInt64(b), Element::Bool, compare));
  return success();
}

int64_t wrappingAdd(int64_t a, int64_t b) { return int64_t(uint64_t(a) + uint64_t(b)); }
int64_t wrappingSub(int64_t a, int64_t b) { return int64_t(uint64_t(a) - uint64_t(b)); }
int64_t wrappingMul(int64_t a, int64_t b) { return int64_t(uint64_t(a) * uint64_t(b)); }
/// Truncating division; division by zero gives 0.
int64_t divide(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? wrappingSub(0, a) : a / b; }
int64_t integerPower(int64_t base, int64_t exponent) {
  if (exponent < 0)
    return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  int64_t result = 1;
  for (; exponent; exponent >>= 1, base = wrappingMul(base, base))
    if (exponent & 1)
      result = wrappingMul(result, base);
  return result;
}

/// Float to integer: truncation toward zero, saturating, NaN gives 0.
int64_t truncateSaturating(float v, Element element) {
  auto [lo, hi] = reference::rangeOf(element);
  if (std::isnan(v))
    return 0;
  if (double(v) >= double(hi))
    return hi;
  if (double(v) <= double(lo))
    return lo;
  return int64_t(v);
}

LogicalResult runPow(qnn::PowOp, OpRun &run) {
  const Tensor &a = run.operand(0), &b = run.operand(1);
  if (!isFloat(a.getElement()) && !isFloat(b.getElement())) {
    run.set(narrowTo(combine<int64_t, int64_t>(run, toInt64(a), toInt64(b), Element::S64, integerPower),
                     run.elementOfResult()));
    return success();
  }
  auto floats = [](const Tensor &t) {
    if (isFloat(t.getElement()))
      return toFloat32(t);
    Tensor f(Element::F32, t.getShape());
    for (int64_t i = 0; i < t.getNumElements(); ++i)
      f.mutableData<float>()[i] = float(t.asInteger(i));
    return f;
  };
  Tensor y = combine<float, float>(run, floats(a), floats(b), Element::F32, [](float x, float e) {
    B builder;
    return numerics::pow(builder, x, e);
  });
  Element element = run.elementOfResult();
  if (isFloat(element)) {
    run.set(storeAs(y, element));
    return success();
  }
  Tensor wide(Element::S64, y.getShape());
  for (int64_t i = 0; i < y.getNumElements(); ++i)
    wide.mutableData<int64_t>()[i] = truncateSaturating(y.data<float>()[i], element);
  run.set(narrowTo(wide, element));
  return success();
}

LogicalResult runWhere(qnn::WhereOp, OpRun &run) {
  const Tensor &condition = run.operand(0), &a = run.operand(1), &b = run.operand(2);
  Tensor y(run.elementOfResult(), run.shapeOf());
  withStorage(y.getElement(), [&](auto zero) {
    using T = decltype(zero);
    forEachBroadcast<3>(run.shapeOf(), {condition.getShape(), a.getShape(), b.getShape()},
                        [&](int64_t i, const std::array<int64_t, 3> &at) {
                          y.mutableData<T>()[i] =
                              condition.data<uint8_t>()[at[0]] ? a.data<T>()[at[1]] : b.data<T>()[at[2]];
                        });
  });
  run.set(y);
  return success();
}

LogicalResult runCast(qnn::CastOp, OpRun &run) {
  const Tensor &x = run.operand(0);
  Element from = x.getElement(), to = run.elementOfResult();
  if (from == to) {
    run.set(x);
  } else if (isFloat(to)) {
    Tensor f(Element::F32, x.getShape());
    if (isFloat(from))
      f = toFloat32(x);
    else
      for (int64_t i = 0; i < x.getNumElements(); ++i)
        f.mutableData<float>()[i] = float(x.asInteger(i));
    run.set(storeAs(f, to));
  } else if (isFloat(from)) {
    Tensor f = toFloat32(x), wide(Element::S64, x.getShape());
    for (int64_t i = 0; i < x.getNumElements(); ++i) {
      float v = f.data<float>()[i];
      wide.mutableData<int64_t>()[i] = to == Element::Bool ? v != 0 : truncateSaturating(v, to);
    }
    run.set(narrowTo(wide, to));
  } else {
    run.set(narrowTo(toInt64(x), to));
  }
  return success();
}

LogicalResult runClip(qnn::ClipOp op, OpRun &run) {
  float lo = op.getMin().convertToFloat(), hi = op.getMax().convertToFloat();
  const Tensor &x = run.operand(0);
  if (isFloat(x.getElement())) {
    run.set(mapFloats(run, x, [=](float v) {
      B b;
      return numerics::clip(b, v, lo, hi);
    }));
  } else {
    int64_t low = truncateSaturating(std::ceil(lo), x.getElement()),
            high = truncateSaturating(std::floor(hi), x.getElement());
    run.set(mapIntegers(run, x, [=](int64_t v) { return std::min(high, std::max(low, v)); }));
  }
  return success();
}

/// One line an operation: a float function of one element, and (or) an integer one.
template <typename Op> void unary(OpTable &table, FloatUnary onFloats, int64_t (*onIntegers)(int64_t) = nullptr) {
  table.add(Op::getOperationName(), [=](OpRun &run) -> LogicalResult {
    const Tensor &x = run.operand(0);
    if (isFloat(x.getElement()))
      run.set(mapFloats(run, x, onFloats));
    else if (onIntegers)
      run.set(mapIntegers(run, x, onIntegers));
    else
      return run.error() << "expected a float operand, found " << nameOf(x.getElement());
    return success();
  });
}
template <typename Op> void binaryOp(OpTable &table, FloatBinary onFloats, IntBinary onIntegers) {
  table.add(Op::getOperationName(), [=](OpRun &run) { return binary(run, onFloats, onIntegers); });
}

/// Names a float32 function of lib/Numerics as a plain function pointer.
#define FLOAT_FUNCTION(name)                                                                                           \
  [](float x) {                                                                                                        \
    B b;                                                                                                               \
    return numerics::name(b, x);                                                                                       \
  }

} // namespace

void reference::registerElementwise(OpTable &table) {
  binaryOp<qnn::AddOp>(table, [](float a, float b) { return a + b; }, wrappingAdd);
  binaryOp<qnn::SubOp>(table, [](float a, float b) { return a - b; }, wrappingSub);
  binaryOp<qnn::MulOp>(table, [](float a, float b) { return a * b; }, wrappingMul);
  binaryOp<qnn::DivOp>(table, [](float a, float b) { return a / b; }, divide);
  binaryOp<qnn::MinOp>(
      table,
      [](float a, float b) {
        B builder;
        return numerics::minimum(builder, a, b);
      },
      [](int64_t a, int64_t b) { return std::min(a, b); });
  binaryOp<qnn::MaxOp>(
      table,
      [](float a, float b) {
        B builder;
        return numerics::maximum(builder, a, b);
      },
      [](int64_t a, int64_t b) { return std::max(a, b); });
  binaryOp<qnn::AndOp>(table, nullptr, [](int64_t a, int64_t b) -> int64_t { return a && b; });
  binaryOp<qnn::OrOp>(table, nullptr, [](int64_t a, int64_t b) -> int64_t { return a || b; });
  binaryOp<qnn::PreluOp>(
      table,
      [](float x, float slope) {
        B builder;
        return numerics::leakyRelu(builder, x, slope);
      },
      [](int64_t x, int64_t slope) { return x < 0 ? wrappingMul(x, slope) : x; });
  table.add("qnn.equal", [](OpRun &run) { return comparison(run, [](auto a, auto b) { return a == b; }); });
  table.add("qnn.greater", [](OpRun &run) { return comparison(run, [](auto a, auto b) { return a > b; }); });
  table.add("qnn.less", [](OpRun &run) { return comparison(run, [](auto a, auto b) { return a < b; }); });
  table.add<qnn::PowOp>(runPow);
  table.add<qnn::WhereOp>(runWhere);
  table.add<qnn::CastOp>(runCast);
  table.add<qnn::ClipOp>(runClip);

  unary<qnn::NotOp>(table, nullptr, [](int64_t x) -> int64_t { return !x; });
  unary<qnn::AbsOp>(
      table, [](float x) { return std::fabs(x); }, [](int64_t x) { return x < 0 ? wrappingSub(0, x) : x; });
  unary<qnn::NegOp>(table, [](float x) { return -x; }, [](int64_t x) { return wrappingSub(0, x); });
  unary<qnn::ReluOp>(table, FLOAT_FUNCTION(relu), [](int64_t x) { return std::max<int64_t>(0, x); });
  unary<qnn::ReciprocalOp>(table, FLOAT_FUNCTION(reciprocal));
  unary<qnn::SqrtOp>(table, [](float x) { return std::sqrt(x); });
  unary<qnn::ExpOp>(table, FLOAT_FUNCTION(exp));
  unary<qnn::LogOp>(table, FLOAT_FUNCTION(log));
  unary<qnn::ErfOp>(table, FLOAT_FUNCTION(erf));
  unary<qnn::TanhOp>(table, FLOAT_FUNCTION(tanh));
  unary<qnn::SigmoidOp>(table, FLOAT_FUNCTION(sigmoid));
  unary<qnn::SoftplusOp>(table, FLOAT_FUNCTION(softplus));
  unary<qnn::SiluOp>(table, FLOAT_FUNCTION(silu));
  unary<qnn::HardSwishOp>(table, FLOAT_FUNCTION(hardSwish));
  unary<qnn::FloorOp>(table, [](float x) { return std::floor(x); });

  table.add("qnn.leaky_relu", [](OpRun &run) -> LogicalResult {
    float alpha = cast<qnn::LeakyReluOp>(run.getOp()).getAlpha().convertToFloat();
    run.set(mapFloats(run, run.operand(0), [=](float x) {
      B b;
      return numerics::leakyRelu(b, x, alpha);
    }));
    return success();
  });
  table.add("qnn.elu", [](OpRun &run) {
    float alpha = cast<qnn::EluOp>(run.getOp()).getAlpha().convertToFloat();
    run.set(mapFloats(run, run.operand(0), [=](float x) {
      B b;
      return numerics::elu(b, x, alpha);
    }));
    return success();
  });
  table.add("qnn.hard_sigmoid", [](OpRun &run) {
    auto op = cast<qnn::HardSigmoidOp>(run.getOp());
    float alpha = op.getAlpha().convertToFloat(), beta = op.getBeta().convertToFloat();
    run.set(mapFloats(run, run.operand(0), [=](float x) {
      B b;
      return numerics::hardSigmoid(b, x, alpha, beta);
    }));
    return success();
  });
  table.add("qnn.gelu", [](OpRun &run) {
    bool approximate = cast<qnn::GeluOp>(run.getOp()).getApproximate();
    run.set(mapFloats(run, run.operand(0),
                      approximate ? FloatUnary(FLOAT_FUNCTION(geluTanh)) : FloatUnary(FLOAT_FUNCTION(geluErf))));
    return success();
  });
}
