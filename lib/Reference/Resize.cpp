//===- Resize.cpp - interpolation ------------------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Coordinates are float32 (they decide which neighbour is nearest, so their arithmetic is part of the meaning). Linear
// and cubic interpolation work one dimension after the other, the last dimension first, each a chain of fma over its
// taps in order of position, from 0. Dimensions with scale 1 are left alone.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Numerics/Integer.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Loops.h"

#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

/// The input coordinate of output position i along a dimension of `in` elements that becomes `out`.
static float coordinate(int64_t i, int64_t in, int64_t out, float scale, qnn::ResizeCoordinates mode) {
  switch (mode) {
  case qnn::ResizeCoordinates::HalfPixel:
    return (float(i) + 0.5f) / scale - 0.5f;
  case qnn::ResizeCoordinates::PytorchHalfPixel:
    return out > 1 ? (float(i) + 0.5f) / scale - 0.5f : 0.0f;
  case qnn::ResizeCoordinates::AlignCorners: {
    // ONNX: the resized length is the product, fraction included; a factor made from a size gives the size back
    float length = scale * float(in);
    if (std::fabs(length - float(out)) < 1e-3f)
      length = float(out);
    return length == 1.0f ? 0.0f : float(i) * float(in - 1) / (length - 1.0f);
  }
  case qnn::ResizeCoordinates::Asymmetric:
    return float(i) / scale;
  case qnn::ResizeCoordinates::HalfPixelSymmetric: {
    // the real output width may be fractional: keep the image centred
    float adjustment = float(out) / (scale * float(in));
    float offset = float(in) / 2.0f * (1.0f - adjustment);
    return offset + (float(i) + 0.5f) / scale - 0.5f;
  }
  }
  return 0;
}

static int64_t nearestIndex(float x, int64_t size, qnn::NearestMode mode) {
  float r = 0;
  switch (mode) {
  case qnn::NearestMode::RoundPreferFloor:
    r = std::ceil(x - 0.5f);
    break;
  case qnn::NearestMode::RoundPreferCeil:
    r = std::floor(x + 0.5f);
    break;
  case qnn::NearestMode::Floor:
    r = std::floor(x);
    break;
  case qnn::NearestMode::Ceil:
    r = std::ceil(x);
    break;
  }
  return std::min<int64_t>(size - 1, std::max<int64_t>(0, int64_t(r)));
}

namespace {
/// One output position: input positions and their weights.
struct Taps {
  int count = 0;
  int64_t index[4];
  float weight[4];
};
} // namespace

static Taps interpolationTaps(float x, int64_t size, qnn::ResizeOp op) {
  Taps taps;
  auto add = [&](int64_t i, float w) {
    bool outside = i < 0 || i >= size;
    if (outside && op.getExcludeOutside())
      return;
    taps.index[taps.count] = std::min(size - 1, std::max<int64_t>(0, i));
    taps.weight[taps.count++] = w;
  };
  if (op.getMode() == qnn::ResizeMode::Linear) {
    float base = std::floor(x), t = x - base;
    add(int64_t(base), 1.0f - t);
    add(int64_t(base) + 1, t);
  } else {
    float base = std::floor(x), t = x - base, a = op.getCubicCoefficient().convertToFloat();
    // Keys' kernel at distance d from the sample: inner piece for d <= 1, outer piece for 1 < d < 2
    auto inner = [a](float d) { return ((a + 2.0f) * d - (a + 3.0f)) * d * d + 1.0f; };
    auto outer = [a](float d) { return ((a * d - 5.0f * a) * d + 8.0f * a) * d - 4.0f * a; };
    add(int64_t(base) - 1, outer(t + 1.0f));
    add(int64_t(base), inner(t));
    add(int64_t(base) + 1, inner(1.0f - t));
    add(int64_t(base) + 2, outer(2.0f - t));
  }
  if (op.getExcludeOutside()) {
    float sum = 0;
    for (int i = 0; i < taps.count; ++i)
      sum = sum + taps.weight[i];
    for (int i = 0; i < taps.count; ++i)
      taps.weight[i] = taps.weight[i] / sum;
  }
  return taps;
}

/// x with dimension d interpolated to `out` positions.
static Tensor interpolate(const Tensor &x, int64_t d, int64_t out, float scale, qnn::ResizeOp op) {
  Shape shape(x.getShape());
  shape[d] = out;
  Tensor y(Element::F32, shape);
  int64_t in = x.getDim(d), inner = elementCount(x.getShape().drop_front(d + 1)),
          outer = elementCount(x.getShape().take_front(d));
  for (int64_t p = 0; p < out; ++p) {
    Taps taps = interpolationTaps(coordinate(p, in, out, scale, op.getCoordinates()), in, op);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) {
        float acc = 0;
        for (int k = 0; k < taps.count; ++k)
          acc = std::fma(taps.weight[k], x.data<float>()[(o * in + taps.index[k]) * inner + i], acc);
        y.mutableData<float>()[(o * out + p) * inner + i] = acc;
      }
  }
  return y;
}

static LogicalResult runResize(qnn::ResizeOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  ArrayRef<float> scales = op.getScales();
  for (int64_t d = 0; d < x.getRank(); ++d)
    if (scales[d] == 1.0f && x.getDim(d) != run.shapeOf()[d])
      return run.error() << "dimension " << d << ": expected " << x.getDim(d) << " at scale 1, found "
                         << run.shapeOf()[d];
  if (x.getNumElements() == 0 && elementCount(run.shapeOf()) != 0)
    return run.error() << "expected at least one element to interpolate, found " << x.describe();

  if (op.getMode() == qnn::ResizeMode::Nearest) {
    SmallVector<std::vector<int64_t>> sources; // element offset of each output position, a dimension each
    Shape own = rowMajorStrides(x.getShape());
    for (int64_t d = 0; d < x.getRank(); ++d) {
      std::vector<int64_t> source;
      for (int64_t i = 0; i < run.shapeOf()[d]; ++i)
        source.push_back(own[d] * (scales[d] == 1.0f ? i
                                                     : nearestIndex(coordinate(i, x.getDim(d), run.shapeOf()[d],
                                                                               scales[d], op.getCoordinates()),
                                                                    x.getDim(d), op.getNearest())));
      sources.push_back(std::move(source));
    }
    Tensor y(x.getElement(), run.shapeOf());
    withStorage(x.getElement(), [&](auto zero) {
      using T = decltype(zero);
      int64_t i = 0;
      for (IndexCounter at(run.shapeOf()); !at.isDone(); at.next(), ++i) {
        int64_t from = 0;
        for (size_t d = 0; d < sources.size(); ++d)
          from += sources[d][size_t(at[d])];
        y.mutableData<T>()[i] = x.data<T>()[from];
      }
    });
    run.set(y);
    return success();
  }

  Tensor y;
  if (isFloat(x.getElement())) {
    y = toFloat32(x);
  } else {
    y = Tensor(Element::F32, x.getShape());
    for (int64_t i = 0; i < x.getNumElements(); ++i)
      y.mutableData<float>()[i] = float(x.asInteger(i));
  }
  for (int64_t d = x.getRank() - 1; d >= 0; --d)
    if (scales[d] != 1.0f)
      y = interpolate(y, d, run.shapeOf()[d], scales[d], op);
  if (isFloat(x.getElement())) {
    run.set(storeAs(y, x.getElement()));
    return success();
  }
  // Codes keep their grid: the interpolated code rounded to nearest even and clamped (as Q1 with scale 1).
  auto [lo, hi] = reference::rangeOf(x.getElement());
  if (sizeOf(x.getElement()) > 4)
    return run.error() << "expected elements of at most 32 bits, found " << nameOf(x.getElement());
  Tensor codes(Element::S64, y.getShape());
  for (int64_t i = 0; i < y.getNumElements(); ++i)
    codes.mutableData<int64_t>()[i] = numerics::quantizeFloat(y.data<float>()[i], 1.0f, 0, int32_t(lo), int32_t(hi));
  run.set(narrowTo(codes, x.getElement()));
  return success();
}

void reference::registerResize(OpTable &table) { table.add<qnn::ResizeOp>(runResize); }
