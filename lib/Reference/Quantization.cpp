//===- Quantization.cpp - between floats and codes -------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/CodeRange.h"
#include "lib/Numerics/Integer.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Loops.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

/// Which scale (and zero point) belongs to an element: a stride a dimension into the scale tensor, and the group size
/// of the grouped dimension.
namespace {
struct ScaleIndex {
  Shape strides;
  int64_t groupAxis = -1, group = 1;

  int64_t operator()(ArrayRef<int64_t> at) const {
    int64_t i = 0;
    for (size_t d = 0; d < strides.size(); ++d)
      i += (int64_t(d) == groupAxis ? at[d] / group : at[d]) * strides[d];
    return i;
  }
};
} // namespace

static FailureOr<ScaleIndex> scaleIndex(OpRun &run, qnn::SchemeAttr scheme, ArrayRef<int64_t> shape,
                                        const Tensor &scale) {
  ScaleIndex index;
  index.strides.assign(shape.size(), 0);
  auto expectCount = [&](int64_t count) -> LogicalResult {
    if (scale.getNumElements() != count)
      return run.error() << "expected " << count << " scales, found " << scale.describe();
    return success();
  };
  switch (scheme.getGranularity()) {
  case qnn::Granularity::Tensor:
    if (failed(expectCount(1)))
      return failure();
    return index;
  case qnn::Granularity::Axis:
    if (scheme.getAxis() < 0 || scheme.getAxis() >= int64_t(shape.size()))
      return run.error() << "expected an axis inside 0.." << shape.size() - 1 << ", found " << scheme.getAxis(),
             failure();
    if (failed(expectCount(shape[scheme.getAxis()])))
      return failure();
    index.strides[scheme.getAxis()] = 1;
    return index;
  case qnn::Granularity::Group: {
    Shape groups(shape);
    index.groupAxis = scheme.getAxis();
    index.group = scheme.getGroup();
    groups[index.groupAxis] = (shape[index.groupAxis] + index.group - 1) / index.group;
    if (failed(expectCount(elementCount(groups))))
      return failure();
    index.strides = rowMajorStrides(groups);
    return index;
  }
  case qnn::Granularity::PerToken: { // one scale for each row of the last dimension
    if (shape.empty() || failed(expectCount(elementCount(shape.drop_back()))))
      return failure();
    Shape rows(shape);
    rows.back() = 1;
    index.strides = broadcastStrides(rows, shape);
    return index;
  }
  default:
    return run.error() << "expected granularity tensor, axis, group or per_token, found "
                       << stringifyGranularity(scheme.getGranularity()),
           failure();
  }
}

template <typename Op> static LogicalResult checkZeroPoint(Op op, OpRun &run, const Tensor &scale, Tensor &zeroPoint) {
  if (zeroPoint && zeroPoint.getNumElements() != scale.getNumElements() && zeroPoint.getNumElements() != 1)
    return run.error() << "expected as many zero points as scales (" << scale.getNumElements() << "), found "
                       << zeroPoint.describe();
  return success();
}

static LogicalResult runQuantize(qnn::QuantizeOp op, OpRun &run) {
  Tensor x = toFloat32(run.get(op.getInput())), scale = toFloat32(run.get(op.getScale())),
         zeroPoint = run.get(op.getZeroPoint());
  FailureOr<ScaleIndex> index = scaleIndex(run, op.getScheme(), x.getShape(), scale);
  if (failed(index) || failed(checkZeroPoint(op, run, scale, zeroPoint)))
    return failure();
  auto [lo, hi] = qnn::codeRange(op.getScheme(), op.getOutput().getType().getElementType());
  Tensor y(Element::S64, x.getShape());
  int64_t i = 0;
  for (IndexCounter at(x.getShape()); !at.isDone(); at.next(), ++i) {
    int64_t s = (*index)(at.get());
    int32_t z = zeroPoint ? int32_t(zeroPoint.asInteger(zeroPoint.getNumElements() == 1 ? 0 : s)) : 0;
    y.mutableData<int64_t>()[i] =
        numerics::quantizeFloat(x.data<float>()[i], scale.data<float>()[s], z, int32_t(lo), int32_t(hi));
  }
  run.set(narrowTo(y, run.elementOfResult()));
  return success();
}

static LogicalResult runDequantize(qnn::DequantizeOp op, OpRun &run) {
  Tensor q = run.get(op.getInput()), scale = toFloat32(run.get(op.getScale())), zeroPoint = run.get(op.getZeroPoint());
  FailureOr<ScaleIndex> index = scaleIndex(run, op.getScheme(), q.getShape(), scale);
  if (failed(index) || failed(checkZeroPoint(op, run, scale, zeroPoint)))
    return failure();
  Tensor y(Element::F32, q.getShape());
  int64_t i = 0;
  for (IndexCounter at(q.getShape()); !at.isDone(); at.next(), ++i) {
    int64_t s = (*index)(at.get());
    int32_t z = zeroPoint ? int32_t(zeroPoint.asInteger(zeroPoint.getNumElements() == 1 ? 0 : s)) : 0;
    y.mutableData<float>()[i] = numerics::dequantize(int32_t(q.asInteger(i)), scale.data<float>()[s], z);
  }
  run.set(storeAs(y, run.elementOfResult()));
  return success();
}

/// INTEGER Q3.
static LogicalResult runQuantizeDynamic(qnn::QuantizeDynamicOp op, OpRun &run) {
  Tensor x = toFloat32(run.get(op.getInput()));
  int32_t limit = op.getScheme().getStorage() == "s4" ? 7 : 127;
  int64_t columns = x.getDim(x.getRank() - 1), rows = elementCount(x.getShape().drop_back());
  Shape rowShape(x.getShape());
  rowShape.back() = 1;
  Tensor scales(Element::F32, rowShape), y(Element::S64, x.getShape());
  for (int64_t row = 0; row < rows; ++row) {
    const float *values = x.data<float>() + row * columns;
    float largest = 0;
    for (int64_t k = 0; k < columns; ++k)
      largest = std::max(largest, std::fabs(values[k])); // false for a NaN: it does not enter
    float scale = numerics::dynamicScale(largest, float(limit));
    scales.mutableData<float>()[row] = scale;
    for (int64_t k = 0; k < columns; ++k) {
      // NaN elements, and infinity over an infinite scale, are code 0.
      float v = values[k] / scale;
      y.mutableData<int64_t>()[row * columns + k] =
          std::isnan(v) ? 0 : numerics::quantizeFloat(v, 1.0f, 0, -limit, limit);
    }
  }
  run.set(narrowTo(y, run.elementOfResult(0)), 0);
  run.set(scales, 1);
  return success();
}

static LogicalResult runDequantizeAccumulator(qnn::DequantizeAccumulatorOp op, OpRun &run) {
  Tensor acc = toInt32(run.get(op.getInput())), row = run.get(op.getRowScale()), column = run.get(op.getColumnScale());
  int64_t columns = column.getNumElements(), rows = acc.getNumElements() / std::max<int64_t>(columns, 1);
  if (row.getNumElements() != 1 && row.getNumElements() != rows)
    return run.error() << "expected " << rows << " row scales or one, found " << row.describe();
  Tensor y(Element::F32, acc.getShape());
  for (int64_t i = 0; i < acc.getNumElements(); ++i)
    y.mutableData<float>()[i] =
        (float(acc.data<int32_t>()[i]) * row.data<float>()[row.getNumElements() == 1 ? 0 : i / columns]) *
        column.data<float>()[i % columns];
  run.set(storeAs(y, run.elementOfResult()));
  return success();
}

static LogicalResult runCombineGroups(qnn::CombineGroupsOp op, OpRun &run) {
  Tensor partial = toInt32(run.get(op.getInput())), scale = toFloat32(run.get(op.getScale()));
  int64_t n = scale.getDim(0), groups = scale.getDim(1);
  Tensor y(Element::F32, run.shapeOf());
  for (int64_t i = 0; i < y.getNumElements(); ++i) {
    float sum = 0;
    for (int64_t g = 0; g < groups; ++g)
      sum = std::fma(float(partial.data<int32_t>()[i * groups + g]), scale.data<float>()[i % n * groups + g], sum);
    y.mutableData<float>()[i] = sum;
  }
  run.set(y);
  return success();
}

void reference::registerQuantization(OpTable &table) {
  table.add<qnn::QuantizeOp>(runQuantize);
  table.add<qnn::DequantizeOp>(runDequantize);
  table.add<qnn::QuantizeDynamicOp>(runQuantizeDynamic);
  table.add<qnn::DequantizeAccumulatorOp>(runDequantizeAccumulator);
  table.add<qnn::CombineGroupsOp>(runCombineGroups);
}
