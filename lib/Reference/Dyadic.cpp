//===- Dyadic.cpp - integer-only operations --------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Accumulators are formed in int64 unless the weights prove that int32 holds every sum; one that leaves int32 is an
// error here, never a wrap (R14).
//
//===----------------------------------------------------------------------===//

#include "dialects/Dyadic/Dyadic.h"

#include "lib/Numerics/Integer.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Loops.h"
#include "lib/Reference/Products.h"
#include "lib/Reference/Windows.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

static numerics::RoundingMode toRoundingMode(dyadic::Rounding rounding) {
  using numerics::RoundingMode;
  switch (rounding) {
  case dyadic::Rounding::HalfUp:
    return RoundingMode::HalfUp;
  case dyadic::Rounding::HalfAway:
    return RoundingMode::HalfAway;
  case dyadic::Rounding::HalfEven:
    return RoundingMode::HalfEven;
  case dyadic::Rounding::Floor:
    return RoundingMode::Floor;
  case dyadic::Rounding::Trunc:
    return RoundingMode::Trunc;
  case dyadic::Rounding::TfliteDouble:
    return RoundingMode::TfliteDouble;
  case dyadic::Rounding::TosaDouble:
    return RoundingMode::TosaDouble;
  }
  return RoundingMode::HalfUp;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// codes - zeroPoint in `element` (S32 or S64).
static Tensor centred(const Tensor &codes, int64_t zeroPoint, Element element) {
  Tensor wide = element == Element::S32 ? toInt32(codes) : toInt64(codes), out(element, codes.getShape());
  auto subtract = [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, n = codes.getNumElements(); i < n; ++i)
      out.mutableData<T>()[i] = wide.data<T>()[i] - T(zeroPoint);
  };
  if (element == Element::S32)
    subtract(int32_t());
  else
    subtract(int64_t());
  return out;
}

static int64_t largestMagnitude(const Tensor &codes, int64_t zeroPoint) {
  Tensor wide = toInt64(codes);
  int64_t largest = 0;
  for (int64_t i = 0, n = codes.getNumElements(); i < n; ++i)
    largest = std::max(largest, std::abs(wide.data<int64_t>()[i] - zeroPoint));
  return largest;
}

/// Forms product(zero of T, a - za, b, element of T), adds the bias along `axis` and checks that int32 holds the
/// result. `depth` products meet in one accumulator.
template <typename Product>
static LogicalResult runAccumulator(OpRun &run, const Tensor &a, int64_t za, const Tensor &b, int64_t zb,
                                    const Tensor &bias, int64_t axis, int64_t depth, Product product) {
  if (numerics::fitsAccumulator(depth, largestMagnitude(a, za), largestMagnitude(b, zb),
                                bias ? largestMagnitude(bias, 0) : 0)) {
    Tensor y = product(int32_t(), centred(a, za, Element::S32), centred(b, zb, Element::S32), Element::S32);
    if (bias)
      addBias<int32_t>(y, bias, axis);
    run.set(y);
    return success();
  }
  Tensor y = product(int64_t(), centred(a, za, Element::S64), centred(b, zb, Element::S64), Element::S64);
  if (bias)
    addBias<int64_t>(y, toInt64(bias), axis);
  for (int64_t i = 0; i < y.getNumElements(); ++i)
    if (int64_t v = y.data<int64_t>()[i]; v < INT32_MIN || v > INT32_MAX)
      return run.error() << "R14: expected accumulators inside int32, found " << v << " at element " << i;
  run.set(narrowTo(y, Element::S32));
  return success();
}

template <typename Op> static LogicalResult runConvLike(Op op, OpRun &run, bool transposed) {
  ConvGeometry geometry{op.getStrides(), op.getPads(), op.getDilations(), int64_t(op.getGroups()), transposed};
  Tensor x = run.get(op.getInput()), w = run.get(op.getWeight());
  int64_t depth = elementCount(w.getShape().drop_front(2)) * (x.getDim(1) / geometry.groups);
  return runAccumulator(run, x, int32_t(op.getInputZeroPoint()), w, 0, run.get(op.getBias()), 1, depth,
                        [&](auto zero, const Tensor &a, const Tensor &b, Element element) {
                          return convolve<decltype(zero)>(a, b, geometry, run.shapeOf(), element, run.threads());
                        });
}
static LogicalResult runConv(dyadic::ConvOp op, OpRun &run) { return runConvLike(op, run, false); }
static LogicalResult runConvTranspose(dyadic::ConvTransposeOp op, OpRun &run) { return runConvLike(op, run, true); }

static LogicalResult runLinear(dyadic::LinearOp op, OpRun &run) {
  Tensor x = run.get(op.getInput()), w = run.get(op.getWeight());
  int64_t depth = w.getDim(1), n = w.getDim(0), m = elementCount(run.shapeOf().drop_back());
  return runAccumulator(
      run, x.reshaped({m, depth}), int32_t(op.getInputZeroPoint()), w, 0, run.get(op.getBias()),
      int64_t(run.shapeOf().size()) - 1, depth, [&](auto zero, const Tensor &a, const Tensor &b, Element element) {
        return multiply<decltype(zero)>(a, b, true, {m, n}, element, run.threads()).reshaped(run.shapeOf());
      });
}

/// R16: the 8-bit weights of a two-level product; an error for one that the format cannot hold.
static FailureOr<Tensor> twoLevelWeights(dyadic::LinearTwoLevelOp op, OpRun &run) {
  Tensor codes = run.get(op.getWeight()), scale = run.get(op.getGroupScale()), offset = run.get(op.getGroupOffset());
  int64_t columns = codes.getDim(1), group = int64_t(op.getGroup());
  Tensor w(Element::S8, codes.getShape());
  for (int64_t i = 0, n = codes.getNumElements(); i < n; ++i) {
    int64_t g = i / columns * (columns / group) + i % columns / group;
    int64_t s = scale.asInteger(g), value = (codes.asInteger(i) & 15) * s + offset.asInteger(g);
    if (s < 1 || s > 17)
      return run.error() << "C2: expected group scales in [1, 17], found " << s << " at element " << g, failure();
    if (value <= -128 || value > 127)
      return run.error() << "R16: expected weights in [-127, 127], found " << value << " at row " << i / columns
                         << ", column " << i % columns,
             failure();
    w.mutableData<int8_t>()[i] = int8_t(value);
  }
  return w;
}

static LogicalResult runLinearTwoLevel(dyadic::LinearTwoLevelOp op, OpRun &run) {
  FailureOr<Tensor> w = twoLevelWeights(op, run);
  if (failed(w))
    return failure();
  Tensor x = run.get(op.getInput());
  int64_t depth = w->getDim(1), n = w->getDim(0), m = elementCount(run.shapeOf().drop_back());
  return runAccumulator(
      run, x.reshaped({m, depth}), int32_t(op.getInputZeroPoint()), *w, 0, run.get(op.getBias()),
      int64_t(run.shapeOf().size()) - 1, depth, [&](auto zero, const Tensor &a, const Tensor &b, Element element) {
        return multiply<decltype(zero)>(a, b, true, {m, n}, element, run.threads()).reshaped(run.shapeOf());
      });
}

static LogicalResult runLinearGroups(dyadic::LinearGroupsOp op, OpRun &run) {
  Tensor x = toInt64(run.get(op.getInput())), w = toInt64(run.get(op.getWeight())), zero = run.get(op.getZeroPoint());
  int64_t depth = w.getDim(1), n = w.getDim(0), m = elementCount(run.shapeOf().drop_back(2)),
          group = int64_t(op.getGroup()), groups = depth / group, zx = int32_t(op.getInputZeroPoint());
  Tensor y(Element::S64, run.shapeOf());
  int64_t *out = y.mutableData<int64_t>();
  const int64_t *a = x.data<int64_t>(), *b = w.data<int64_t>();
  parallelFor(m * n, run.threads(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t g = 0; g < groups; ++g) {
        int64_t sum = 0, row = i / n * depth, column = i % n * depth;
        int64_t zw = zero ? zero.asInteger(i % n * groups + g) : 0;
        for (int64_t k = g * group; k < (g + 1) * group; ++k)
          sum += (a[row + k] - zx) * (b[column + k] - zw);
        out[i * groups + g] = sum;
      }
  });
  for (int64_t i = 0; i < y.getNumElements(); ++i)
    if (out[i] < INT32_MIN || out[i] > INT32_MAX)
      return run.error() << "R14: expected partial sums inside int32, found " << out[i] << " at element " << i;
  run.set(narrowTo(y, Element::S32));
  return success();
}

static LogicalResult runMatmul(dyadic::MatmulOp op, OpRun &run) {
  const Tensor &a = run.operand(0);
  return runAccumulator(run, a, int32_t(op.getLhsZeroPoint()), run.operand(1), int32_t(op.getRhsZeroPoint()), {}, 0,
                        a.getDim(a.getRank() - 1), [&](auto zero, const Tensor &x, const Tensor &y, Element element) {
                          return multiply<decltype(zero)>(x, y, false, run.shapeOf(), element, run.threads());
                        });
}

//===----------------------------------------------------------------------===//
// Requantization and elementwise
//===----------------------------------------------------------------------===//

/// Stores clamp(value + z, lo, hi) (R4: the rounded value and the sum in int64).
static int64_t finish(int64_t rounded, int64_t zeroPoint, ArrayRef<int32_t> clamp) {
  return numerics::clampTo(rounded + zeroPoint, clamp[0], clamp[1]);
}

/// ROUND(n * b, c); TFLITE_DOUBLE is defined on int32 accumulators.
static int64_t roundProduct(int64_t n, int32_t b, int c, numerics::RoundingMode mode) {
  if (mode == numerics::RoundingMode::TfliteDouble)
    return numerics::requantizeUnclamped(int32_t(n), b, c, mode);
  return numerics::roundShift(n * b, c, mode);
}

static LogicalResult runRescale(dyadic::RescaleOp op, OpRun &run) {
  Tensor x = toInt64(run.operand(0));
  numerics::RoundingMode mode = toRoundingMode(op.getRounding());
  ArrayRef<int32_t> multipliers = op.getMultiplier(), clamp = op.getClamp();
  ArrayRef<int8_t> shifts = op.getShift();
  int64_t axis = op.getAxis() ? int64_t(*op.getAxis()) : 0, channels = int64_t(multipliers.size());
  int64_t inner = channels == 1 ? 1 : elementCount(x.getShape().drop_front(axis + 1));
  int64_t zx = int32_t(op.getInputZeroPoint()), zy = int32_t(op.getZeroPoint());
  Tensor y(Element::S64, x.getShape());
  const int64_t *in = x.data<int64_t>();
  int64_t *out = y.mutableData<int64_t>();
  for (int64_t first = 0, total = x.getNumElements(); first < total; first += inner) {
    size_t c = size_t(first / inner % channels);
    for (int64_t i = first; i < first + inner; ++i) {
      int64_t n = in[i] - zx;
      if (n < INT32_MIN || n > INT32_MAX)
        return run.error() << "expected x - input_zero_point inside int32, found " << n << " at element " << i;
      out[i] = finish(roundProduct(n, multipliers[c], shifts[c], mode), zy, clamp);
    }
  }
  run.set(narrowTo(y, run.elementOfResult()));
  return success();
}

static LogicalResult runAdd(dyadic::AddOp op, OpRun &run) {
  Tensor a = toInt64(run.operand(0)), b = toInt64(run.operand(1)), y(Element::S64, run.shapeOf());
  numerics::RoundingMode mode = toRoundingMode(op.getRounding());
  if (mode == numerics::RoundingMode::TfliteDouble)
    return run.error() << "E1 has one rounding of one sum: tflite_double is not defined for it";
  int64_t za = int32_t(op.getLhsZeroPoint()), zb = int32_t(op.getRhsZeroPoint()), ma = int32_t(op.getLhsMultiplier()),
          mb = int32_t(op.getRhsMultiplier());
  int64_t zy = int32_t(op.getZeroPoint());
  ArrayRef<int32_t> clamp = op.getClamp();
  int c = int8_t(op.getShift());
  bool overflow = false;
  forEachBroadcast<2>(run.shapeOf(), {a.getShape(), b.getShape()}, [&](int64_t i, const std::array<int64_t, 2> &at) {
    __int128 n = __int128(a.data<int64_t>()[at[0]] - za) * ma + __int128(b.data<int64_t>()[at[1]] - zb) * mb;
    overflow |= n > (__int128(1) << 62) || n < -(__int128(1) << 62);
    y.mutableData<int64_t>()[i] = finish(numerics::roundShift(int64_t(n), c, mode), zy, clamp);
  });
  if (overflow)
    return run.error() << "E1: expected sums of at most 2^62: operands have more than 24 bits";
  run.set(narrowTo(y, run.elementOfResult()));
  return success();
}

static LogicalResult runMul(dyadic::MulOp op, OpRun &run) {
  Tensor a = toInt64(run.operand(0)), b = toInt64(run.operand(1)), y(Element::S64, run.shapeOf());
  numerics::RoundingMode mode = toRoundingMode(op.getRounding());
  int64_t za = int32_t(op.getLhsZeroPoint()), zb = int32_t(op.getRhsZeroPoint()), zy = int32_t(op.getZeroPoint());
  ArrayRef<int32_t> clamp = op.getClamp();
  int32_t multiplier = int32_t(op.getMultiplier());
  int shift = int8_t(op.getShift());
  bool overflow = false;
  forEachBroadcast<2>(run.shapeOf(), {a.getShape(), b.getShape()}, [&](int64_t i, const std::array<int64_t, 2> &at) {
    int64_t t = (a.data<int64_t>()[at[0]] - za) * (b.data<int64_t>()[at[1]] - zb);
    overflow |= t < INT32_MIN || t > INT32_MAX;
    y.mutableData<int64_t>()[i] = finish(roundProduct(int32_t(t), multiplier, shift, mode), zy, clamp);
  });
  if (overflow)
    return run.error() << "E3: expected products inside int32 (16-bit operands have zero point 0)";
  run.set(narrowTo(y, run.elementOfResult()));
  return success();
}

static LogicalResult runLookup(dyadic::LookupOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  Tensor y(Element::S8, x.getShape());
  ArrayRef<int8_t> table = op.getTable();
  for (int64_t i = 0, n = x.getNumElements(); i < n; ++i)
    y.mutableData<int8_t>()[i] = table[size_t(x.data<int8_t>()[i] + 128)];
  run.set(y);
  return success();
}

//===----------------------------------------------------------------------===//
// Sums and averages
//===----------------------------------------------------------------------===//

static LogicalResult runReduceSum(dyadic::ReduceSumOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  // A view of the result under the input's shape: stride 0 along the reduced axes.
  Shape kept(x.getShape());
  for (int64_t axis : op.getAxes())
    kept[axis] = 1;
  Tensor sums(Element::S64, kept);
  forEachBroadcast<1>(x.getShape(), {ArrayRef<int64_t>(kept)}, [&](int64_t i, const std::array<int64_t, 1> &at) {
    sums.mutableData<int64_t>()[at[0]] += x.asInteger(i) - int32_t(op.getInputZeroPoint());
  });
  for (int64_t i = 0; i < sums.getNumElements(); ++i)
    if (int64_t v = sums.data<int64_t>()[i]; v < INT32_MIN || v > INT32_MAX)
      return run.error() << "R14: expected sums inside int32, found " << v << " at element " << i;
  run.set(narrowTo(sums, Element::S32).reshaped(run.shapeOf()));
  return success();
}

static LogicalResult runRescaleMean(dyadic::RescaleMeanOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  int64_t count = run.evaluate(op.getCount())[0];
  numerics::Multiplier m;
  double scale = op.getScale().convertToDouble();
  if (count < 1 || numerics::encodeMultiplier(scale / double(count), 31, m) != numerics::EncodeStatus::Ok)
    return run.error() << "R3: scale " << scale << " over " << count
                       << " elements has no multiplier: expected 0 <= scale / count < 2^29";
  numerics::RoundingMode mode = toRoundingMode(op.getRounding());
  Tensor y(Element::S64, x.getShape());
  for (int64_t i = 0; i < x.getNumElements(); ++i)
    y.mutableData<int64_t>()[i] =
        finish(roundProduct(x.asInteger(i), m.value, m.shift, mode), int32_t(op.getZeroPoint()), op.getClamp());
  run.set(narrowTo(y, run.elementOfResult()));
  return success();
}

static LogicalResult runAvgPool(dyadic::AvgPoolOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  Windows windows(x.getShape(), run.shapeOf(), op.getKernel(), op.getStrides(), op.getPads(), op.getDilations());
  numerics::RoundingMode mode = toRoundingMode(op.getRounding());
  int64_t window = elementCount(op.getKernel());
  bool empty = false;
  Tensor y(Element::S64, run.shapeOf());
  windows.forEach([&](int64_t out, ArrayRef<int64_t> elements, int64_t) {
    int64_t sum = 0, n = op.getCountIncludePad() ? window : int64_t(elements.size());
    for (int64_t i : elements)
      sum += x.asInteger(i) - int32_t(op.getInputZeroPoint());
    if (n == 0) {
      empty = true;
      return;
    }
    y.mutableData<int64_t>()[out] =
        finish(roundProduct(sum, op.getMultiplier()[size_t(n - 1)], op.getShift()[size_t(n - 1)], mode),
               int32_t(op.getZeroPoint()), op.getClamp());
  });
  if (empty)
    return run.error() << "E4: a window lies wholly in the padding, so there is nothing to average";
  run.set(narrowTo(y, run.elementOfResult()));
  return success();
}

void reference::registerDyadic(OpTable &table) {
  table.add<dyadic::ConvOp>(runConv);
  table.add<dyadic::ConvTransposeOp>(runConvTranspose);
  table.add<dyadic::LinearOp>(runLinear);
  table.add<dyadic::LinearTwoLevelOp>(runLinearTwoLevel);
  table.add<dyadic::LinearGroupsOp>(runLinearGroups);
  table.add<dyadic::MatmulOp>(runMatmul);
  table.add<dyadic::RescaleOp>(runRescale);
  table.add<dyadic::AddOp>(runAdd);
  table.add<dyadic::MulOp>(runMul);
  table.add<dyadic::LookupOp>(runLookup);
  table.add<dyadic::ReduceSumOp>(runReduceSum);
  table.add<dyadic::RescaleMeanOp>(runRescaleMean);
  table.add<dyadic::AvgPoolOp>(runAvgPool);
}
