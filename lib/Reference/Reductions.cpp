//===- Reductions.cpp - reductions, softmax, norms, pooling ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Float sums follow F3 (lib/Numerics/Reduce.h) over the reduced elements in row-major order; integer sums are exact.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Numerics/Reduce.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Loops.h"
#include "lib/Reference/Windows.h"

#include <limits>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

/// The tensor with `axes` moved behind the other dimensions, so that the elements of one result are neighbours.
static Tensor axesLast(const Tensor &x, ArrayRef<int64_t> axes, int64_t &rowLength) {
  Shape perm;
  rowLength = 1;
  for (int64_t d = 0; d < x.getRank(); ++d)
    if (!llvm::is_contained(axes, d))
      perm.push_back(d);
  for (int64_t axis : axes) {
    perm.push_back(axis);
    rowLength *= x.getDim(axis);
  }
  return permuted(x, perm);
}

using FloatReduction = float (*)(const float *, int64_t);
using IntReduction = int64_t (*)(const int64_t *, int64_t);

/// `ofNothing`: what a reduction of no integers gives: -1 the type's smallest value, 1 its largest, 0 what onIntegers
/// says.
template <typename Op>
static void reduction(OpTable &table, FloatReduction onFloats, IntReduction onIntegers, int ofNothing = 0) {
  table.add(Op::getOperationName(), [=](OpRun &run) -> LogicalResult {
    auto op = cast<Op>(run.getOp());
    int64_t n = 0;
    Element element = run.elementOfResult();
    Tensor rows = axesLast(run.operand(0), op.getAxes(), n);
    if (isFloat(element)) {
      Tensor x = toFloat32(rows), y(Element::F32, run.shapeOf());
      for (int64_t i = 0; i < y.getNumElements(); ++i)
        y.mutableData<float>()[i] = onFloats(x.data<float>() + i * n, n);
      run.set(storeAs(y, element));
      return success();
    }
    if (!onIntegers)
      return run.error() << "expected a float operand, found " << nameOf(element);
    Tensor x = toInt64(rows), y(Element::S64, run.shapeOf());
    auto [lo, hi] = reference::rangeOf(element);
    for (int64_t i = 0; i < y.getNumElements(); ++i)
      y.mutableData<int64_t>()[i] =
          n == 0 && ofNothing ? (ofNothing < 0 ? lo : hi) : onIntegers(x.data<int64_t>() + i * n, n);
    run.set(narrowTo(y, element));
    return success();
  });
}

static int64_t sumIntegers(const int64_t *x, int64_t n) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += uint64_t(x[i]);
  return int64_t(sum);
}

static LogicalResult runArgmax(qnn::ArgmaxOp op, OpRun &run) {
  int64_t n = 0;
  Tensor rows = axesLast(run.operand(0), {int64_t(op.getAxis())}, n), y(Element::S64, run.shapeOf());
  if (n == 0)
    return run.error() << "expected at least one element along the axis";
  bool floats = isFloat(rows.getElement()), last = op.getSelectLast();
  for (int64_t i = 0; i < y.getNumElements(); ++i) {
    int64_t best = 0;
    auto better = [&](int64_t j) {
      if (floats) {
        double a = rows.asDouble(i * n + j), b = rows.asDouble(i * n + best);
        return a > b || (last && a == b);
      }
      int64_t a = rows.asInteger(i * n + j), b = rows.asInteger(i * n + best);
      return a > b || (last && a == b);
    };
    for (int64_t j = 1; j < n; ++j)
      if (better(j))
        best = j;
    y.mutableData<int64_t>()[i] = best;
  }
  run.set(narrowTo(y, run.elementOfResult()));
  return success();
}

//===----------------------------------------------------------------------===//
// Softmax and norms
//===----------------------------------------------------------------------===//

/// Applies a row function along one axis.
static LogicalResult runRows(OpRun &run, int64_t axis, void (*row)(const float *, float *, int64_t)) {
  const Tensor &input = run.operand(0);
  int64_t n = 0;
  Tensor x = toFloat32(axesLast(input, {axis}, n)), y(Element::F32, x.getShape());
  for (int64_t i = 0; n > 0 && i < x.getNumElements(); i += n)
    row(x.data<float>() + i, y.mutableData<float>() + i, n);
  Shape back; // the axis returns from the last place
  for (int64_t d = 0; d < input.getRank(); ++d)
    back.push_back(d == axis ? input.getRank() - 1 : d < axis ? d : d - 1);
  run.set(storeAs(permuted(y, back), run.elementOfResult()));
  return success();
}

static LogicalResult runSoftmax(qnn::SoftmaxOp op, OpRun &run) {
  return runRows(run, int64_t(op.getAxis()), numerics::softmaxRow);
}
static LogicalResult runLogSoftmax(qnn::LogSoftmaxOp op, OpRun &run) {
  return runRows(run, int64_t(op.getAxis()), numerics::logSoftmaxRow);
}

static LogicalResult runLayerNorm(qnn::LayerNormOp op, OpRun &run) {
  Tensor x = toFloat32(run.get(op.getInput())), y(Element::F32, run.shapeOf());
  Tensor scale = run.get(op.getScale()), bias = run.get(op.getBias());
  scale = scale ? toFloat32(scale) : scale;
  bias = bias ? toFloat32(bias) : bias;
  int64_t n = elementCount(x.getShape().drop_front(int64_t(op.getAxis())));
  float eps = op.getEpsilon().convertToFloat();
  for (int64_t i = 0; n > 0 && i < x.getNumElements(); i += n) {
    numerics::NormMoments m = numerics::normMoments(x.data<float>() + i, n, eps);
    for (int64_t j = 0; j < n; ++j) {
      float normal = (x.data<float>()[i + j] - m.mean) * m.inverseDeviation, s = scale ? scale.data<float>()[j] : 1.0f;
      y.mutableData<float>()[i + j] = bias ? std::fma(normal, s, bias.data<float>()[j]) : normal * s;
    }
  }
  run.set(storeAs(y, run.elementOfResult()));
  return success();
}

static LogicalResult runGroupNorm(qnn::GroupNormOp op, OpRun &run) {
  Tensor x = toFloat32(run.operand(0)), y(Element::F32, run.shapeOf()), scale = toFloat32(run.operand(1)),
         bias = toFloat32(run.operand(2));
  int64_t channels = x.getDim(1), space = elementCount(x.getShape().drop_front(2)),
          n = channels / int64_t(op.getGroups()) * space;
  float eps = op.getEpsilon().convertToFloat();
  for (int64_t i = 0; n > 0 && i < x.getNumElements(); i += n) {
    numerics::NormMoments m = numerics::normMoments(x.data<float>() + i, n, eps);
    for (int64_t j = i; j < i + n; ++j) {
      int64_t channel = j / space % channels;
      y.mutableData<float>()[j] =
          numerics::normElement(x.data<float>()[j], m, scale.data<float>()[channel], bias.data<float>()[channel]);
    }
  }
  run.set(storeAs(y, run.elementOfResult()));
  return success();
}

/// fma((x - mean) * (1 / sqrt(variance + epsilon)), scale, bias).
static LogicalResult runBatchNorm(qnn::BatchNormOp op, OpRun &run) {
  Tensor x = toFloat32(run.operand(0)), y(Element::F32, run.shapeOf()), p[4];
  for (unsigned i = 0; i < 4; ++i)
    p[i] = toFloat32(run.operand(i + 1));
  int64_t channels = x.getDim(1), space = elementCount(x.getShape().drop_front(2));
  float eps = op.getEpsilon().convertToFloat();
  for (int64_t i = 0; i < x.getNumElements(); ++i) {
    int64_t c = i / space % channels;
    numerics::NormMoments m{p[2].data<float>()[c], 1.0f / std::sqrt(p[3].data<float>()[c] + eps)};
    y.mutableData<float>()[i] =
        numerics::normElement(x.data<float>()[i], m, p[0].data<float>()[c], p[1].data<float>()[c]);
  }
  run.set(storeAs(y, run.elementOfResult()));
  return success();
}

//===----------------------------------------------------------------------===//
// Pooling
//===----------------------------------------------------------------------===//

static LogicalResult runMaxPool(qnn::MaxPoolOp op, OpRun &run) {
  const Tensor &input = run.operand(0);
  Windows windows(input.getShape(), run.shapeOf(), op.getKernel(), op.getStrides(), op.getPads(), op.getDilations());
  if (isFloat(input.getElement())) {
    Tensor x = toFloat32(input), y(Element::F32, run.shapeOf());
    numerics::ScalarBuilder b;
    windows.forEach([&](int64_t out, ArrayRef<int64_t> elements, int64_t) {
      float best = -std::numeric_limits<float>::infinity();
      for (int64_t i : elements)
        best = numerics::maximum(b, best, x.data<float>()[i]);
      y.mutableData<float>()[out] = best;
    });
    run.set(storeAs(y, run.elementOfResult()));
    return success();
  }
  Tensor y(Element::S64, run.shapeOf());
  windows.forEach([&](int64_t out, ArrayRef<int64_t> elements, int64_t) {
    int64_t best = reference::rangeOf(input.getElement()).first;
    for (int64_t i : elements)
      best = std::max(best, input.asInteger(i));
    y.mutableData<int64_t>()[out] = best;
  });
  run.set(narrowTo(y, run.elementOfResult()));
  return success();
}

/// The window's sum is one chain in row-major order from 0 (windows are small, and kernels run over channels), then
/// divided by the float32 count.
static LogicalResult runAvgPool(qnn::AvgPoolOp op, OpRun &run) {
  const Tensor &input = run.operand(0);
  if (!isFloat(input.getElement()))
    return run.error() << "expected a float operand, found " << nameOf(input.getElement())
                       << "; codes are averaged by dyadic.avg_pool";
  Windows windows(input.getShape(), run.shapeOf(), op.getKernel(), op.getStrides(), op.getPads(), op.getDilations());
  Tensor x = toFloat32(input), y(Element::F32, run.shapeOf());
  windows.forEach([&](int64_t out, ArrayRef<int64_t> elements, int64_t padded) {
    float sum = 0;
    for (int64_t i : elements)
      sum = sum + x.data<float>()[i];
    int64_t count = op.getCountIncludePad() ? padded : int64_t(elements.size());
    y.mutableData<float>()[out] = sum / float(count);
  });
  run.set(storeAs(y, run.elementOfResult()));
  return success();
}

/// mean (F3 over space), two linear steps (one fma chain each, then + bias), ReLU between them, the gate, the product.
static LogicalResult runSqueezeExcite(qnn::SqueezeExciteOp op, OpRun &run) {
  Tensor x = toFloat32(run.operand(0)), p[4], y(Element::F32, run.shapeOf());
  for (unsigned i = 0; i < 4; ++i)
    p[i] = toFloat32(run.operand(i + 1));
  numerics::ScalarBuilder b;
  int64_t channels = x.getDim(1), space = elementCount(x.getShape().drop_front(2)), reduced = p[0].getDim(0);
  float alpha = op.getAlpha().convertToFloat(), beta = op.getBeta().convertToFloat();
  bool hard = op.getGate() == "hard_sigmoid";
  if (!hard && op.getGate() != "sigmoid")
    return run.error() << "expected gate sigmoid or hard_sigmoid, found " << op.getGate();
  std::vector<float> mean(channels), hidden(reduced);
  for (int64_t n = 0; n < x.getDim(0); ++n) {
    const float *in = x.data<float>() + n * channels * space;
    float *out = y.mutableData<float>() + n * channels * space;
    for (int64_t c = 0; c < channels; ++c)
      mean[c] = numerics::sumF3(in + c * space, space) / float(space);
    for (int64_t r = 0; r < reduced; ++r) {
      float acc = 0;
      for (int64_t c = 0; c < channels; ++c)
        acc = std::fma(mean[c], p[0].data<float>()[r * channels + c], acc);
      hidden[r] = numerics::relu(b, acc + p[1].data<float>()[r]);
    }
    for (int64_t c = 0; c < channels; ++c) {
      float acc = 0;
      for (int64_t r = 0; r < reduced; ++r)
        acc = std::fma(hidden[r], p[2].data<float>()[c * reduced + r], acc);
      acc = acc + p[3].data<float>()[c];
      float gate = hard ? numerics::hardSigmoid(b, acc, alpha, beta) : numerics::sigmoid(b, acc);
      for (int64_t i = c * space; i < (c + 1) * space; ++i)
        out[i] = in[i] * gate;
    }
  }
  run.set(storeAs(y, run.elementOfResult()));
  return success();
}

void reference::registerReductions(OpTable &table) {
  reduction<qnn::ReduceSumOp>(table, [](const float *x, int64_t n) { return numerics::sumF3(x, n); }, sumIntegers);
  reduction<qnn::ReduceMeanOp>(
      table, [](const float *x, int64_t n) { return numerics::sumF3(x, n) / float(n); },
      [](const int64_t *x, int64_t n) { return n ? sumIntegers(x, n) / n : 0; });
  reduction<qnn::ReduceMaxOp>(
      table, [](const float *x, int64_t n) { return numerics::maxF3(n, [=](int64_t i) { return x[i]; }); },
      [](const int64_t *x, int64_t n) { return n ? *std::max_element(x, x + n) : INT64_MIN; }, /*ofNothing=*/-1);
  reduction<qnn::ReduceMinOp>(
      table, [](const float *x, int64_t n) { return numerics::minF3(n, [=](int64_t i) { return x[i]; }); },
      [](const int64_t *x, int64_t n) { return n ? *std::min_element(x, x + n) : INT64_MAX; }, /*ofNothing=*/1);
  reduction<qnn::ReduceL2Op>(
      table,
      [](const float *x, int64_t n) { return std::sqrt(numerics::sumOfSquaresF3(n, [=](int64_t i) { return x[i]; })); },
      nullptr);
  table.add<qnn::ArgmaxOp>(runArgmax);
  table.add<qnn::SoftmaxOp>(runSoftmax);
  table.add<qnn::LogSoftmaxOp>(runLogSoftmax);
  table.add<qnn::LayerNormOp>(runLayerNorm);
  table.add<qnn::GroupNormOp>(runGroupNorm);
  table.add<qnn::BatchNormOp>(runBatchNorm);
  table.add<qnn::MaxPoolOp>(runMaxPool);
  table.add<qnn::AvgPoolOp>(runAvgPool);
  table.add<qnn::SqueezeExciteOp>(runSqueezeExcite);
}
