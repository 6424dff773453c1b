//===- Movement.cpp - shape and data movement ------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Elements are copied as they are, whatever their type (E5).
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Numerics/Half.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Loops.h"

#include <cstring>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

/// out[i] = in[start + sum strides * index] over `shape`.
static Tensor gatherStrided(const Tensor &in, ArrayRef<int64_t> shape, const Shape &strides, int64_t start = 0) {
  Tensor out(in.getElement(), shape);
  withStorage(in.getElement(), [&](auto zero) {
    using T = decltype(zero);
    const T *from = in.data<T>() + start;
    T *to = out.mutableData<T>();
    forEachStrided<1>(shape, {strides}, [&](int64_t i, const std::array<int64_t, 1> &at) { to[i] = from[at[0]]; });
  });
  return out;
}

Tensor reference::permuted(const Tensor &tensor, ArrayRef<int64_t> perm) {
  Shape own = rowMajorStrides(tensor.getShape()), shape, strides;
  for (int64_t p : perm) {
    shape.push_back(tensor.getDim(p));
    strides.push_back(own[p]);
  }
  return gatherStrided(tensor, shape, strides);
}

static LogicalResult runTranspose(qnn::TransposeOp op, OpRun &run) {
  run.set(permuted(run.operand(0), op.getPerm()));
  return success();
}

static LogicalResult runReshape(qnn::ReshapeOp, OpRun &run) {
  if (elementCount(run.shapeOf()) != run.operand(0).getNumElements())
    return run.error() << "expected a shape of " << run.operand(0).getNumElements() << " elements, found "
                       << elementCount(run.shapeOf());
  run.set(run.operand(0).reshaped(run.shapeOf()));
  return success();
}

static LogicalResult runBroadcast(qnn::BroadcastOp, OpRun &run) {
  run.set(gatherStrided(run.operand(0), run.shapeOf(), broadcastStrides(run.operand(0).getShape(), run.shapeOf())));
  return success();
}

static LogicalResult runSlice(qnn::SliceOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  Shape starts = run.evaluate(op.getStarts()), own = rowMajorStrides(x.getShape()), strides;
  int64_t start = 0;
  for (int64_t d = 0; d < x.getRank(); ++d) {
    int64_t size = run.shapeOf()[d], last = starts[d] + (size - 1) * op.getSteps()[d];
    if (size > 0 && (starts[d] < 0 || starts[d] >= x.getDim(d) || last < 0 || last >= x.getDim(d)))
      return run.error() << "dimension " << d << ": expected elements " << starts[d] << " to " << last << " inside 0.."
                         << x.getDim(d) - 1;
    start += starts[d] * own[d];
    strides.push_back(own[d] * op.getSteps()[d]);
  }
  run.set(gatherStrided(x, run.shapeOf(), strides, start));
  return success();
}

static LogicalResult runConcat(qnn::ConcatOp op, OpRun &run) {
  int64_t axis = op.getAxis(), bytes = sizeOf(run.elementOfResult());
  Tensor y(run.elementOfResult(), run.shapeOf());
  int64_t outer = elementCount(run.shapeOf().take_front(axis)),
          row = elementCount(run.shapeOf().drop_front(axis)) * bytes, offset = 0;
  for (unsigned i = 0; i < run.getNumOperands(); ++i) {
    const Tensor &x = run.operand(i);
    int64_t part = elementCount(x.getShape().drop_front(axis)) * bytes;
    for (int64_t o = 0; o < outer; ++o)
      std::memcpy(y.mutableData<char>() + o * row + offset, x.data<char>() + o * part, size_t(part));
    offset += part;
  }
  run.set(y);
  return success();
}

static LogicalResult runGather(qnn::GatherOp op, OpRun &run) {
  const Tensor &x = run.operand(0), &indices = run.operand(1);
  int64_t axis = op.getAxis(), size = x.getDim(axis), bytes = sizeOf(x.getElement());
  int64_t outer = elementCount(x.getShape().take_front(axis)),
          slice = elementCount(x.getShape().drop_front(axis + 1)) * bytes;
  Tensor y(x.getElement(), run.shapeOf());
  char *to = y.mutableData<char>();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < indices.getNumElements(); ++i, to += slice) {
      int64_t index = indices.asInteger(i);
      if (index < -size || index >= size)
        return run.error() << "index " << index << " is outside " << -size << ".." << size - 1;
      index += index < 0 ? size : 0;
      std::memcpy(to, x.data<char>() + (o * size + index) * slice, size_t(slice));
    }
  run.set(y);
  return success();
}

static LogicalResult runTile(qnn::TileOp, OpRun &run) {
  const Tensor &x = run.operand(0);
  Tensor y(x.getElement(), run.shapeOf());
  Shape own = rowMajorStrides(x.getShape());
  withStorage(x.getElement(), [&](auto zero) {
    using T = decltype(zero);
    int64_t i = 0;
    for (IndexCounter at(run.shapeOf()); !at.isDone(); at.next(), ++i) {
      int64_t from = 0;
      for (int64_t d = 0; d < x.getRank(); ++d)
        from += at[d] % x.getDim(d) * own[d];
      y.mutableData<T>()[i] = x.data<T>()[from];
    }
  });
  run.set(y);
  return success();
}

/// The input coordinate of a padded coordinate i (relative to the input's start), or -1 for a constant.
static int64_t padSource(int64_t i, int64_t size, qnn::PadMode mode) {
  if (i >= 0 && i < size)
    return i;
  switch (mode) {
  case qnn::PadMode::Constant:
    return -1;
  case qnn::PadMode::Edge:
    return i < 0 ? 0 : size - 1;
  case qnn::PadMode::Wrap:
    return ((i % size) + size) % size;
  case qnn::PadMode::Reflect: {
    if (size == 1)
      return 0;
    int64_t period = 2 * (size - 1), p = ((i % period) + period) % period;
    return p < size ? p : period - p;
  }
  }
  return -1;
}

static LogicalResult runPad(qnn::PadOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  if (op.getMode() != qnn::PadMode::Constant && x.getNumElements() == 0)
    return run.error() << "expected at least one element to repeat, found " << x.describe();
  Tensor y(x.getElement(), run.shapeOf());
  double value = op.getValue().convertToDouble();
  uint64_t fill = 0; // the bits of the constant in the tensor's type
  if (x.getElement() == Element::F32)
    fill = numerics::floatBits(float(value));
  else if (x.getElement() == Element::F16)
    fill = numerics::halfFromFloat(float(value));
  else if (x.getElement() == Element::BF16)
    fill = numerics::bfloat16FromFloat(float(value));
  else
    fill = uint64_t(int64_t(value));
  Shape own = rowMajorStrides(x.getShape());
  withStorage(x.getElement(), [&](auto zero) {
    using T = decltype(zero);
    int64_t i = 0;
    for (IndexCounter at(run.shapeOf()); !at.isDone(); at.next(), ++i) {
      int64_t from = 0;
      for (int64_t d = 0; d < x.getRank() && from >= 0; ++d) {
        int64_t source = padSource(at[d] - op.getLow()[d], x.getDim(d), op.getMode());
        from = source < 0 ? -1 : from + source * own[d];
      }
      y.mutableData<T>()[i] = from < 0 ? T(fill) : x.data<T>()[from];
    }
  });
  run.set(y);
  return success();
}

static LogicalResult runDepthToSpace(qnn::DepthToSpaceOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  int64_t n = x.getDim(0), c = x.getDim(1), h = x.getDim(2), w = x.getDim(3), b = op.getBlock(), depth = c / (b * b);
  Tensor y = op.getColumnRow() ? permuted(x.reshaped({n, depth, b, b, h, w}), {0, 1, 4, 2, 5, 3})
                               : permuted(x.reshaped({n, b, b, depth, h, w}), {0, 3, 4, 1, 5, 2});
  run.set(y.reshaped(run.shapeOf()));
  return success();
}

static LogicalResult runSpaceToDepth(qnn::SpaceToDepthOp op, OpRun &run) {
  const Tensor &x = run.operand(0);
  int64_t n = x.getDim(0), c = x.getDim(1), b = op.getBlock(), h = x.getDim(2) / b, w = x.getDim(3) / b;
  run.set(permuted(x.reshaped({n, c, h, b, w, b}), {0, 3, 5, 1, 2, 4}).reshaped(run.shapeOf()));
  return success();
}

void reference::registerMovement(OpTable &table) {
  table.add<qnn::TransposeOp>(runTranspose);
  table.add<qnn::ReshapeOp>(runReshape);
  table.add<qnn::BroadcastOp>(runBroadcast);
  table.add<qnn::SliceOp>(runSlice);
  table.add<qnn::ConcatOp>(runConcat);
  table.add<qnn::GatherOp>(runGather);
  table.add<qnn::TileOp>(runTile);
  table.add<qnn::PadOp>(runPad);
  table.add<qnn::DepthToSpaceOp>(runDepthToSpace);
  table.add<qnn::SpaceToDepthOp>(runSpaceToDepth);
}
