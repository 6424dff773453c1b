//===- Windows.cpp - pooling, resizing and plain products ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Each element computes its own window or dot product: the right form for pooling and resizing, the fallback for
// products that no GEMM template takes. Orders of accumulation are those of lib/Reference.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/Requantize.h"
#include "lib/Target/X86/VectorBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

static Type elementOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType(); }

/// Windows of up to this many taps are unrolled.
constexpr int64_t kUnrolledTaps = 16;

/// Folds `body(tap position, values)` over the taps of a window in row-major order.
static SmallVector<Value> foldTaps(KernelBuilder &k, ArrayRef<int64_t> kernel, SmallVector<Value> values,
                                   llvm::function_ref<SmallVector<Value>(ArrayRef<Value>, ValueRange)> body) {
  int64_t taps = 1;
  SmallVector<Value> sizes;
  for (int64_t size : kernel) {
    taps *= size;
    sizes.push_back(k.i64(size));
  }
  if (taps <= kUnrolledTaps) {
    for (int64_t t = 0; t < taps; ++t)
      values = body(k.delinearize(k.i64(t), sizes), values);
    return values;
  }
  return k.forLoop(k.i64(0), k.i64(taps), 1, values,
                   [&](Value t, ValueRange current) { return body(k.delinearize(t, sizes), current); });
}

namespace {
/// Geometry of a pooling window.
struct Window {
  ArrayRef<int64_t> kernel, strides, pads, dilations;
  bool ceilMode;
};
} // namespace

/// The input index of a tap; restricts it to the input and returns the condition (null: always inside).
static Value enterWindow(ElementEmitter &e, const Window &w, const SymbolicShape &input, ArrayRef<Value> tap,
                         Index &index) {
  KernelBuilder &k = e.k;
  size_t spatial = w.kernel.size();
  Value inside;
  for (size_t d = 0; d < spatial; ++d) {
    DimIndex &dim = index.dims[d + 2];
    dim = e.affine(dim, w.strides[d], k.add(k.mul(tap[d], w.dilations[d]), -w.pads[d]), index.lanes);
    if (w.pads[d] || w.pads[spatial + d] || w.ceilMode)
      inside = k.both(inside, e.restrict(index, DimIndex(dim), k.i64(0), k.dim(input[d + 2])));
  }
  return inside;
}

/// How many taps of the window lie below `limit` and (unless includePadding) at or above 0, along one dimension; scalar
/// i64 or lanes of i64.
static Value countTaps(ElementEmitter &e, const Window &w, size_t d, const Index &index, Value limit,
                       bool includePadding) {
  KernelBuilder &k = e.k;
  DimIndex start = e.affine(index.dims[d + 2], w.strides[d], k.i64(-w.pads[d]), index.lanes);
  unsigned n = start.isUniform() || index.lanes == 1 ? 1 : index.lanes;
  Value first = n == 1 ? start.base : e.lanesOf(start, n), count = k.splat(k.i64(0), n), end = k.splat(limit, n);
  auto constant = [&](int64_t v) { return k.splat(k.i64(v), n); };
  if (w.dilations[d] == 1) {
    Value high = k.min(k.add(first, constant(w.kernel[d])), end),
          low = includePadding ? first : k.max(first, constant(0));
    return k.sub(high, low);
  }
  for (int64_t t = 0; t < w.kernel[d]; ++t) {
    Value position = k.add(first, constant(t * w.dilations[d]));
    Value inside = k.less(position, end);
    if (!includePadding)
      inside = k.both(inside, k.less(constant(-1), position));
    count = k.add(count, k.select(inside, constant(1), constant(0)));
  }
  return count;
}

/// The number of averaged elements as an index: uniform, or by lane.
static DimIndex countWindow(ElementEmitter &e, const Window &w, const SymbolicShape &input, const Index &index,
                            bool includePadding) {
  KernelBuilder &k = e.k;
  size_t spatial = w.kernel.size();
  Value total = k.i64(1);
  for (size_t d = 0; d < spatial; ++d) {
    bool whole = !w.ceilMode && (includePadding || (w.pads[d] == 0 && w.pads[spatial + d] == 0));
    Value limit = k.dim(input[d + 2]);
    Value count =
        whole ? k.i64(w.kernel[d])
              : countTaps(e, w, d, index, includePadding ? k.add(limit, w.pads[spatial + d]) : limit, includePadding);
    unsigned n = std::max(KernelBuilder::lanesOf(total.getType()), KernelBuilder::lanesOf(count.getType()));
    total = k.mul(k.splat(total, n), k.splat(count, n));
  }
  DimIndex result;
  if (KernelBuilder::lanesOf(total.getType()) == 1)
    result.base = total;
  else
    result.lanes = total;
  return result;
}

//===----------------------------------------------------------------------===//
// Resize
//===----------------------------------------------------------------------===//

namespace {
/// One dimension of a resize, on scalars or lanes (lib/Reference/Resize.cpp is the definition).
struct ResizeDim {
  ElementEmitter &e;
  qnn::ResizeOp op;
  size_t d;
  unsigned n; ///< lanes of the coordinate
  KernelBuilder &k;
  VectorBuilder f;
  Value in, out; ///< sizes, i64

  ResizeDim(ElementEmitter &e, qnn::ResizeOp op, size_t d, unsigned n) : e(e), op(op), d(d), n(n), k(e.k), f(e.k, n) {
    in = k.dim(k.shape(op.getInput())[d]);
    out = k.dim(k.shape(op.getOutput())[d]);
  }
  Value real(Value integer) {
    if (auto c = KernelBuilder::constantOf(integer))
      return f.constant(float(*c));
    Value words =
        arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(32), KernelBuilder::lanesOf(integer.getType())), integer);
    return f.toFloat(k.splat(words, n));
  }
  Value integer(Value value) { return arith::ExtSIOp::create(k.b, k.loc, k.vec(k.intType(64), n), f.toInt(value)); }
  Value clampIndex(Value i) { return k.max(k.min(i, k.splat(k.sub(in, k.i64(1)), n)), k.splat(k.i64(0), n)); }

  Value coordinate(Value i) {
    float scale = op.getScales()[d];
    Value x = real(i), half = f.constant(0.5f), s = f.constant(scale);
    auto halfPixel = [&] { return f.sub(f.div(f.add(x, half), s), half); };
    auto ifWide = [&](Value value) { return k.select(k.less(k.i64(1), out), value, f.constant(0.0f)); };
    switch (op.getCoordinates()) {
    case qnn::ResizeCoordinates::HalfPixel:
      return halfPixel();
    case qnn::ResizeCoordinates::PytorchHalfPixel:
      return ifWide(halfPixel());
    case qnn::ResizeCoordinates::AlignCorners: {
      Value one = f.constant(1.0f), length = f.mul(s, real(in)), whole = real(out);
      length = f.select(f.lt(f.abs(f.sub(length, whole)), f.constant(1e-3f)), whole, length);
      Value position = f.div(f.mul(x, real(k.sub(in, k.i64(1)))), f.sub(length, one));
      return f.select(f.eq(length, one), f.constant(0.0f), position);
    }
    case qnn::ResizeCoordinates::Asymmetric:
      return f.div(x, s);
    case qnn::ResizeCoordinates::HalfPixelSymmetric: {
      Value adjustment = f.div(real(out), f.mul(s, real(in)));
      Value offset = f.mul(f.div(real(in), f.constant(2.0f)), f.sub(f.constant(1.0f), adjustment));
      return f.sub(f.add(offset, f.div(f.add(x, half), s)), half);
    }
    }
    return x;
  }
  Value nearest(Value x) {
    Value half = f.constant(0.5f), r;
    switch (op.getNearest()) {
    case qnn::NearestMode::RoundPreferFloor:
      r = numerics::ceil(f, f.sub(x, half));
      break;
    case qnn::NearestMode::RoundPreferCeil:
      r = f.floor(f.add(x, half));
      break;
    case qnn::NearestMode::Floor:
      r = f.floor(x);
      break;
    case qnn::NearestMode::Ceil:
      r = numerics::ceil(f, x);
      break;
    }
    return clampIndex(integer(r));
  }
  /// Positions, weights and (exclude_outside) conditions of the taps.
  struct Tap {
    Value index, weight, inside;
  };
  SmallVector<Tap, 4> taps(Value x) {
    SmallVector<Tap, 4> result;
    Value base = f.floor(x), t = f.sub(x, base), first = integer(base), one = f.constant(1.0f);
    auto add = [&](int64_t offset, Value weight) {
      Value i = k.add(first, k.splat(k.i64(offset), n)), inside;
      if (op.getExcludeOutside())
        inside = k.both(k.less(k.splat(k.i64(-1), n), i), k.less(i, k.splat(in, n)));
      result.push_back({clampIndex(i), weight, inside});
    };
    if (op.getMode() == qnn::ResizeMode::Linear) {
      add(0, f.sub(one, t));
      add(1, t);
    } else {
      float a = op.getCubicCoefficient().convertToFloat();
      auto c = [&](float v) { return f.constant(v); };
      auto inner = [&](Value d) { return f.add(f.mul(f.mul(f.sub(f.mul(c(a + 2.0f), d), c(a + 3.0f)), d), d), one); };
      auto outer = [&](Value d) {
        return f.sub(f.mul(f.add(f.mul(f.sub(f.mul(c(a), d), c(5.0f * a)), d), c(8.0f * a)), d), c(4.0f * a));
      };
      add(-1, outer(f.add(t, one)));
      add(0, inner(t));
      add(1, inner(f.sub(one, t)));
      add(2, outer(f.sub(c(2.0f), t)));
    }
    if (op.getExcludeOutside()) {
      Value sum = f.constant(0.0f);
      for (Tap &tap : result)
        sum = f.select(tap.inside, f.add(sum, tap.weight), sum);
      for (Tap &tap : result)
        tap.weight = f.div(tap.weight, sum);
    }
    return result;
  }
};
} // namespace

static Value emitResize(ElementEmitter &e, qnn::ResizeOp op, const Index &index) {
  KernelBuilder &k = e.k;
  Type element = elementOf(op.getInput());
  unsigned lanes = index.lanes;
  auto place = [&](Index &inner, size_t d, Value position, unsigned n) {
    inner.dims[d] = DimIndex();
    (n == 1 ? inner.dims[d].base : inner.dims[d].lanes) = position;
  };
  auto lanesFor = [&](size_t d) { return index.dims[d].isUniform() ? 1u : lanes; };
  auto position = [&](size_t d, unsigned n) { return n == 1 ? index.dims[d].base : e.lanesOf(index.dims[d], n); };

  if (op.getMode() == qnn::ResizeMode::Nearest) {
    Index inner = index;
    for (size_t d = 0; d < index.dims.size(); ++d) {
      if (op.getScales()[d] == 1.0f)
        continue;
      unsigned n = lanesFor(d);
      ResizeDim dim(e, op, d, n);
      place(inner, d, dim.nearest(dim.coordinate(position(d, n))), n);
    }
    return e.at(op.getInput(), inner);
  }
  if (!isa<FloatType>(element) && element.getIntOrFloatBitWidth() > 16)
    return e.fail(op, "has no x86 code for interpolating codes of more than 16 bits");
  VectorBuilder f(k, lanes);
  // The interpreter interpolates the last dimension first: its sums are the innermost here.
  std::function<Value(size_t, const Index &)> from = [&](size_t d, const Index &inner) -> Value {
    while (d < index.dims.size() && op.getScales()[d] == 1.0f)
      ++d;
    if (d == index.dims.size()) {
      Value value = e.at(op.getInput(), inner);
      if (!value || isa<FloatType>(element))
        return value;
      Type words = k.vec(k.intType(32), lanes);
      Value wide = element.isUnsignedInteger() ? Value(arith::ExtUIOp::create(k.b, k.loc, words, value))
                                               : Value(arith::ExtSIOp::create(k.b, k.loc, words, value));
      return f.toFloat(wide);
    }
    unsigned n = lanesFor(d);
    ResizeDim dim(e, op, d, n);
    Value sum = f.constant(0.0f);
    for (auto &tap : dim.taps(dim.coordinate(position(d, n)))) {
      Index next = inner;
      place(next, d, tap.index, n);
      Value value = from(d + 1, next);
      if (!value)
        return {};
      sum = e.choose(tap.inside, f.fma(k.splat(tap.weight, lanes), value, sum), sum);
    }
    return sum;
  };
  Value value = from(0, index);
  if (!value || isa<FloatType>(element))
    return value ? e.roundTo(element, value) : value;
  unsigned bits = element.getIntOrFloatBitWidth();
  bool isUnsigned = element.isUnsignedInteger();
  int32_t low = isUnsigned ? 0 : -(1 << (bits - 1)), high = isUnsigned ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
  Value code = numerics::quantizeLanes(f, value, f.constant(1.0f), 0, low, high);
  return arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(bits), lanes), code);
}

//===----------------------------------------------------------------------===//
// Products, one element at a time
//===----------------------------------------------------------------------===//

namespace {
/// acc + x * w: an fma chain for floats, wrapping i32 for codes.
struct Accumulator {
  ElementEmitter &e;
  bool isFloat;
  int64_t xZero = 0, wZero = 0;
  unsigned lanes;
  KernelBuilder &k;

  Accumulator(ElementEmitter &e, bool isFloat, unsigned lanes) : e(e), isFloat(isFloat), lanes(lanes), k(e.k) {}
  Type type() { return k.vec(isFloat ? k.f32() : k.intType(32), lanes); }
  Value zero() { return isFloat ? k.constantFloat(0, lanes) : k.constantInt(type(), 0); }
  Value widen(Value v, int64_t zeroPoint) {
    if (isFloat || !v)
      return v;
    if (v.getType() != type())
      v = arith::ExtSIOp::create(k.b, k.loc, type(), v);
    return zeroPoint ? Value(arith::SubIOp::create(k.b, k.loc, v, k.constantInt(type(), zeroPoint))) : v;
  }
  /// `inside`: where x counts; elsewhere it is 0 (padding enters the chain, INTEGER F4 and R13).
  Value step(Value acc, Value x, Value w, Value inside) {
    if (!x || !w || !acc)
      return {};
    x = e.choose(inside, widen(x, xZero), zero());
    w = widen(w, wZero);
    if (isFloat)
      return LLVM::FMAOp::create(k.b, k.loc, type(), x, w, acc);
    return arith::AddIOp::create(k.b, k.loc, acc, arith::MulIOp::create(k.b, k.loc, x, w));
  }
  Value finish(Value acc, Value bias, Type element) {
    if (acc && bias) {
      if (isFloat)
        acc = arith::AddFOp::create(k.b, k.loc, acc, bias);
      else
        acc = arith::AddIOp::create(k.b, k.loc, acc, bias);
    }
    return acc ? e.roundTo(element, acc) : acc;
  }
};
} // namespace

template <typename ConvOp>
static Value emitConv(ElementEmitter &e, ConvOp op, const Index &index, bool transposed, int64_t zeroPoint) {
  KernelBuilder &k = e.k;
  auto weightType = cast<RankedTensorType>(op.getWeight().getType());
  const SymbolicShape &input = k.shape(op.getInput());
  size_t spatial = weightType.getRank() - 2;
  int64_t groups = op.getGroups(), outputs = transposed ? weightType.getDimSize(1) * groups : weightType.getDimSize(0);
  int64_t groupIn = transposed ? weightType.getDimSize(0) / groups : weightType.getDimSize(1),
          groupOut = outputs / groups;
  Accumulator a(e, isa<FloatType>(elementOf(op.getOutput())), index.lanes);
  a.xZero = zeroPoint;
  const DimIndex &o = index.dims[1];
  // The group of the output channel, and its place in it.
  DimIndex group = o, member(k.i64(0));
  if (groups == 1) {
    group = DimIndex(k.i64(0));
    member = o;
  } else if (groupOut != 1) {
    if (o.isUniform() || index.lanes == 1) {
      group = DimIndex(k.div(o.base, k.i64(groupOut)));
      member = DimIndex(k.rem(o.base, k.i64(groupOut)));
    } else {
      Value all = e.lanesOf(o, index.lanes), size = k.splat(k.i64(groupOut), index.lanes);
      group = member = DimIndex();
      group.lanes = k.div(all, size);
      member.lanes = k.rem(all, size);
    }
  }
  auto taps = foldTaps(
      k, weightType.getShape().drop_front(2), {a.zero()},
      [&](ArrayRef<Value> tap, ValueRange acc) -> SmallVector<Value> {
        Index x = index;
        Value inside;
        for (size_t d = 0; d < spatial; ++d) {
          DimIndex &dim = x.dims[d + 2];
          Value size = k.dim(input[d + 2]);
          if (!transposed) {
            dim = e.affine(dim, op.getStrides()[d], k.add(k.mul(tap[d], op.getDilations()[d]), -op.getPads()[d]),
                           index.lanes);
            if (op.getPads()[d] || op.getPads()[spatial + d])
              inside = k.both(inside, e.restrict(x, DimIndex(dim), k.i64(0), size));
            continue;
          }
          // position + pad - tap * dilation must be a multiple of the stride, the quotient inside the input.
          dim = e.affine(dim, 1, k.sub(k.i64(op.getPads()[d]), k.mul(tap[d], op.getDilations()[d])), index.lanes);
          int64_t stride = op.getStrides()[d];
          inside = k.both(inside, e.restrict(x, DimIndex(dim), k.i64(0), k.mul(size, stride)));
          if (stride == 1)
            continue;
          unsigned n = dim.isUniform() || index.lanes == 1 ? 1 : index.lanes;
          Value position = n == 1 ? dim.base : e.lanesOf(dim, n), s = k.splat(k.i64(stride), n);
          Value whole = k.equal(k.rem(position, s), k.splat(k.i64(0), n));
          inside = k.both(inside, whole);
          (n == 1 ? x.active : x.mask) = k.both(n == 1 ? x.active : x.mask, whole);
          dim = DimIndex();
          (n == 1 ? dim.base : dim.lanes) = k.div(position, s);
        }
        auto channels =
            k.forLoop(k.i64(0), k.i64(groupIn), 1, acc, [&](Value c, ValueRange current) -> SmallVector<Value> {
              Index xc = x, w = index;
              xc.dims[1] = e.affine(group, groupIn, c, index.lanes);
              w.dims[0] = transposed ? xc.dims[1] : o;
              w.dims[1] = transposed ? member : DimIndex(c);
              for (size_t d = 0; d < spatial; ++d)
                w.dims[d + 2] = DimIndex(tap[d]);
              Value next = a.step(current[0], e.at(op.getInput(), xc), e.at(op.getWeight(), w), inside);
              return {next ? next : current[0]};
            });
        return channels;
      });
  Value bias;
  if (op.getBias()) {
    Index b = index;
    b.dims = {o};
    bias = e.at(op.getBias(), b);
  }
  return a.finish(taps[0], bias, elementOf(op.getOutput()));
}

template <typename LinearOp>
static Value emitLinear(ElementEmitter &e, LinearOp op, const Index &index, int64_t zeroPoint) {
  KernelBuilder &k = e.k;
  Accumulator a(e, isa<FloatType>(elementOf(op.getOutput())), index.lanes);
  a.xZero = zeroPoint;
  Value depth = k.dim(k.shape(op.getWeight())[1]);
  auto sums = k.forLoop(k.i64(0), depth, 1, {a.zero()}, [&](Value i, ValueRange acc) -> SmallVector<Value> {
    Index x = index, w = index;
    x.dims.back() = DimIndex(i);
    w.dims = {index.dims.back(), DimIndex(i)};
    Value next = a.step(acc[0], e.at(op.getInput(), x), e.at(op.getWeight(), w), {});
    return {next ? next : acc[0]};
  });
  Value bias;
  if (op.getBias()) {
    Index b = index;
    b.dims = {index.dims.back()};
    bias = e.at(op.getBias(), b);
  }
  return a.finish(sums[0], bias, elementOf(op.getOutput()));
}

template <typename MatmulOp>
static Value emitMatmul(ElementEmitter &e, MatmulOp op, const Index &index, int64_t lhsZero, int64_t rhsZero) {
  KernelBuilder &k = e.k;
  Accumulator a(e, isa<FloatType>(elementOf(op.getOutput())), index.lanes);
  a.xZero = lhsZero;
  a.wZero = rhsZero;
  size_t rank = index.dims.size();
  auto operandIndex = [&](Value operand, DimIndex row, DimIndex column) {
    const SymbolicShape &shape = k.shape(operand);
    Index inner = index;
    inner.dims.clear();
    for (size_t d = 0; d + 2 < shape.size(); ++d)
      inner.dims.push_back(bitwright::constantOf(shape[d]) == 1 ? DimIndex(k.i64(0))
                                                                : index.dims[rank - shape.size() + d]);
    inner.dims.append({row, column});
    return inner;
  };
  Value depth = k.dim(k.shape(op.getLhs()).back());
  auto sums = k.forLoop(k.i64(0), depth, 1, {a.zero()}, [&](Value i, ValueRange acc) -> SmallVector<Value> {
    Value next = a.step(acc[0], e.at(op.getLhs(), operandIndex(op.getLhs(), index.dims[rank - 2], DimIndex(i))),
                        e.at(op.getRhs(), operandIndex(op.getRhs(), DimIndex(i), index.dims[rank - 1])), {});
    return {next ? next : acc[0]};
  });
  return a.finish(sums[0], {}, elementOf(op.getOutput()));
}

Value ElementEmitter::emitWindow(Operation *op, const Index &index) {
  unsigned lanes = index.lanes;
  if (auto pool = dyn_cast<qnn::MaxPoolOp>(op)) {
    Type element = elementOf(pool.getInput());
    bool isFloat = isa<FloatType>(element);
    Type type = valueType(element, lanes);
    VectorBuilder f(k, lanes);
    unsigned bits = element.getIntOrFloatBitWidth();
    Value least = isFloat ? f.constant(-numerics::detail::kInfinity)
                          : k.constantInt(type, element.isUnsignedInteger() || bits == 1 ? 0
                                                : bits == 64                             ? INT64_MIN
                                                                                         : -(int64_t(1) << (bits - 1)));
    Window w{pool.getKernel(), pool.getStrides(), pool.getPads(), pool.getDilations(), pool.getCeilMode()};
    auto best = foldTaps(k, w.kernel, {least}, [&](ArrayRef<Value> tap, ValueRange current) -> SmallVector<Value> {
      Index inner = index;
      Value inside = enterWindow(*this, w, k.shape(pool.getInput()), tap, inner);
      Value x = at(pool.getInput(), inner);
      if (!x)
        return {current[0]};
      // Outside elements become the least value, which changes nothing.
      if (isFloat)
        return {choose(inside, numerics::maximum(f, current[0], x), current[0])};
      x = choose(inside, x, least);
      if (element.isUnsignedInteger())
        return {arith::MaxUIOp::create(k.b, k.loc, current[0], x)};
      return {arith::MaxSIOp::create(k.b, k.loc, current[0], x)};
    });
    return failed ? Value() : best[0];
  }
  if (auto pool = dyn_cast<qnn::AvgPoolOp>(op)) {
    VectorBuilder f(k, lanes);
    Window w{pool.getKernel(), pool.getStrides(), pool.getPads(), pool.getDilations(), pool.getCeilMode()};
    if (!isa<FloatType>(elementOf(pool.getInput())))
      return fail(op, "expected a float operand; codes are averaged by dyadic.avg_pool");
    auto sum =
        foldTaps(k, w.kernel, {f.constant(0.0f)}, [&](ArrayRef<Value> tap, ValueRange current) -> SmallVector<Value> {
          Index inner = index;
          Value inside = enterWindow(*this, w, k.shape(pool.getInput()), tap, inner);
          Value x = at(pool.getInput(), inner);
          return {x ? choose(inside, f.add(current[0], x), current[0]) : current[0]};
        });
    if (failed)
      return {};
    DimIndex count = countWindow(*this, w, k.shape(pool.getInput()), index, pool.getCountIncludePad());
    Value number = count.lanes ? count.lanes : count.base;
    unsigned n = KernelBuilder::lanesOf(number.getType());
    Value divisor;
    if (auto c = KernelBuilder::constantOf(number))
      divisor = f.constant(float(*c));
    else
      divisor = f.toFloat(k.splat(arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(32), n), number), lanes));
    return roundTo(elementOf(pool.getOutput()), f.div(sum[0], divisor));
  }
  if (auto pool = dyn_cast<dyadic::AvgPoolOp>(op)) {
    Type words = k.vec(k.intType(32), lanes);
    Window w{pool.getKernel(), pool.getStrides(), pool.getPads(), pool.getDilations(), pool.getCeilMode()};
    int64_t zeroPoint = int32_t(pool.getInputZeroPoint());
    auto sum = foldTaps(k, w.kernel, {k.constantInt(words, 0)},
                        [&](ArrayRef<Value> tap, ValueRange current) -> SmallVector<Value> {
                          Index inner = index;
                          Value inside = enterWindow(*this, w, k.shape(pool.getInput()), tap, inner);
                          Value x = at(pool.getInput(), inner);
                          if (!x)
                            return {current[0]};
                          x = arith::SubIOp::create(k.b, k.loc, arith::ExtSIOp::create(k.b, k.loc, words, x),
                                                    k.constantInt(words, zeroPoint));
                          x = choose(inside, x, k.constantInt(words, 0));
                          return {arith::AddIOp::create(k.b, k.loc, current[0], x)};
                        });
    if (failed)
      return {};
    DimIndex count = countWindow(*this, w, k.shape(pool.getInput()), index, pool.getCountIncludePad());
    count = affine(count, 1, k.i64(-1), lanes);
    Requantization r;
    if (auto c = count.lanes ? std::nullopt : KernelBuilder::constantOf(count.base)) {
      r.terms = {{sum[0], k.constantInt(words, pool.getMultiplier()[*c])}};
      r.shift = k.constantInt(words, pool.getShift()[*c]);
      r.leastShift = r.mostShift = pool.getShift()[*c];
    } else {
      r.terms = {{sum[0], numberAt(*this, "multipliers by count", pool.getMultiplier(), count, index)}};
      r.shift = numberAt(*this, "shifts by count", pool.getShift(), count, index);
      r.leastShift = *llvm::min_element(pool.getShift());
      r.mostShift = *llvm::max_element(pool.getShift());
    }
    r.rounding = pool.getRounding();
    r.zeroPoint = int32_t(pool.getZeroPoint());
    r.low = pool.getClamp()[0];
    r.high = pool.getClamp()[1];
    r.resultBits = elementOf(pool.getOutput()).getIntOrFloatBitWidth();
    return emitRequantization(k, r);
  }
  if (auto resize = dyn_cast<qnn::ResizeOp>(op))
    return emitResize(*this, resize, index);
  auto checked = [&](Value value) { return failed ? Value() : value; };
  bool isFloat = op->getNumResults() == 1 && isa<FloatType>(elementOf(op->getResult(0)));
  if (isa<qnn::ConvOp, qnn::ConvTransposeOp, qnn::LinearOp, qnn::MatmulOp>(op) && !isFloat &&
      !elementOf(op->getResult(0)).isInteger(32))
    return fail(op, "has no x86 code for products of integers of this type: expected f32, f16, bf16 or i32 results");
  if (auto conv = dyn_cast<qnn::ConvOp>(op))
    return checked(emitConv(*this, conv, index, false, 0));
  if (auto conv = dyn_cast<dyadic::ConvOp>(op))
    return checked(emitConv(*this, conv, index, false, int32_t(conv.getInputZeroPoint())));
  if (auto conv = dyn_cast<qnn::ConvTransposeOp>(op))
    return checked(emitConv(*this, conv, index, true, 0));
  if (auto conv = dyn_cast<dyadic::ConvTransposeOp>(op))
    return checked(emitConv(*this, conv, index, true, int32_t(conv.getInputZeroPoint())));
  if (auto linear = dyn_cast<qnn::LinearOp>(op))
    return checked(emitLinear(*this, linear, index, 0));
  if (auto linear = dyn_cast<dyadic::LinearOp>(op))
    return checked(emitLinear(*this, linear, index, int32_t(linear.getInputZeroPoint())));
  if (auto matmul = dyn_cast<qnn::MatmulOp>(op))
    return checked(emitMatmul(*this, matmul, index, 0, 0));
  if (auto matmul = dyn_cast<dyadic::MatmulOp>(op))
    return checked(
        emitMatmul(*this, matmul, index, int32_t(matmul.getLhsZeroPoint()), int32_t(matmul.getRhsZeroPoint())));
  return {};
}
