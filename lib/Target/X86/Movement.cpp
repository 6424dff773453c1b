//===- Movement.cpp - data movement by index arithmetic --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Numerics/Half.h"
#include "lib/Target/X86/ElementEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

static Type elementOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType(); }

/// Index of `x` elements under a reshape: groups of dimensions with equal products are matched, so that most dimensions
/// keep their index (and their lanes) as it is.
static Index reshapeIndex(ElementEmitter &e, const SymbolicShape &from, const SymbolicShape &to, const Index &index) {
  KernelBuilder &k = e.k;
  MLIRContext *context = k.op.getContext();
  Index result = index;
  result.dims.assign(from.size(), DimIndex(k.i64(0)));
  size_t i = 0, o = 0; // next dimension of from (i) and of to (o)
  while (i < from.size() || o < to.size()) {
    size_t firstIn = i, firstOut = o;
    AffineExpr in = getAffineConstantExpr(1, context), out = in;
    // The smallest group: grow the side that is smaller at the symbols' upper bounds.
    auto simplify = [&](AffineExpr x) { return simplifyAffineExpr(x, 0, k.symbols.size()); };
    SmallVector<int64_t> largest;
    for (const DimSymbol &symbol : k.symbols)
      largest.push_back(symbol.max);
    if (i < from.size())
      in = simplify(from[i++]);
    if (o < to.size())
      out = simplify(to[o++]);
    while (in != out && simplify(in - out) != getAffineConstantExpr(0, context) && (i < from.size() || o < to.size())) {
      if (i == from.size() || (o < to.size() && evaluate(out, largest) < evaluate(in, largest)))
        out = simplify(out * to[o++]);
      else
        in = simplify(in * from[i++]);
    }
    // Trailing ones belong to the last group.
    if (firstOut == o && firstIn < i)
      continue; // only ones on the input side
    SmallVector<size_t> ins, outs;
    for (size_t d = firstIn; d < i; ++d)
      if (bitwright::constantOf(from[d]) != 1)
        ins.push_back(d);
    for (size_t d = firstOut; d < o; ++d)
      if (bitwright::constantOf(to[d]) != 1)
        outs.push_back(d);
    if (ins.empty())
      continue;
    if (ins.size() == 1 && outs.size() == 1) {
      result.dims[ins[0]] = index.dims[outs[0]];
      continue;
    }
    // Linear index within the group.
    bool uniform = llvm::all_of(outs, [&](size_t d) { return index.dims[d].isUniform(); });
    // Lanes along the innermost output dimension stay in one run of the innermost input dimension when the run's length
    // is a multiple of the lanes and the base is aligned.
    auto innerSize = bitwright::constantOf(from[ins.back()]);
    bool runs = !uniform && innerSize && *innerSize % int64_t(index.lanes) == 0 && !outs.empty() &&
                index.dims[outs.back()].aligned &&
                (outs.size() == 1 || (bitwright::constantOf(to[outs.back()]) &&
                                      *bitwright::constantOf(to[outs.back()]) % int64_t(index.lanes) == 0)) &&
                llvm::all_of(ArrayRef<size_t>(outs).drop_back(), [&](size_t d) { return index.dims[d].isUniform(); });
    // One input dimension: the linear index itself; lanes stay a run if the innermost output dimension carries them
    // alone.
    bool linearRun = ins.size() == 1 && !uniform && llvm::all_of(outs, [&](size_t d) { return !index.dims[d].lanes; });
    if (uniform || runs || linearRun) {
      Value linear = k.i64(0);
      Value stride = k.i64(1);
      Value step = k.i64(0);
      for (size_t d : llvm::reverse(outs)) {
        linear = k.add(linear, k.mul(index.dims[d].base, stride));
        step = k.add(step, k.mul(stride, index.dims[d].step));
        stride = k.mul(stride, k.dim(to[d]));
      }
      if (linearRun && !uniform) {
        if (auto constant = KernelBuilder::constantOf(step)) {
          result.dims[ins[0]] = DimIndex(linear, *constant, runs);
          continue;
        }
      } else {
        SmallVector<Value> sizes;
        for (size_t d : ins)
          sizes.push_back(k.dim(from[d]));
        for (auto [d, value] : llvm::zip(ins, k.delinearize(linear, sizes)))
          result.dims[d] = DimIndex(value);
        if (runs) {
          result.dims[ins.back()].step = 1;
          result.dims[ins.back()].aligned = true;
        }
        continue;
      }
    }
    // The general case: every lane by itself.
    Value linear = k.constantInt(k.vec(k.intType(64), index.lanes), 0), stride = k.i64(1);
    for (size_t d : llvm::reverse(outs)) {
      linear = k.add(linear, k.mul(e.lanesOf(index.dims[d], index.lanes), k.splat(stride, index.lanes)));
      stride = k.mul(stride, k.dim(to[d]));
    }
    SmallVector<Value> sizes;
    for (size_t d : ins)
      sizes.push_back(k.splat(k.dim(from[d]), index.lanes));
    for (auto [d, value] : llvm::zip(ins, k.delinearize(linear, sizes))) {
      result.dims[d] = DimIndex();
      result.dims[d].lanes = value;
      if (index.lanes == 1)
        result.dims[d] = DimIndex(value);
    }
  }
  return result;
}

/// A constant in a tensor's element type, from the double of an attribute (as the interpreter stores it).
static Value paddingValue(ElementEmitter &e, Type element, double value, unsigned lanes) {
  if (isa<FloatType>(element)) {
    float v = float(value);
    if (element.isF16())
      v = numerics::floatFromHalf(numerics::halfFromFloat(v));
    if (element.isBF16())
      v = numerics::floatFromBfloat16(numerics::bfloat16FromFloat(v));
    return e.k.constantFloat(v, lanes);
  }
  return e.k.constantInt(e.valueType(element, lanes), int64_t(value));
}

/// A function of one dimension's index (scalar or lanes) on i64 values.
template <typename F> static DimIndex mapIndex(ElementEmitter &e, const DimIndex &dim, unsigned lanes, F f) {
  if (dim.isUniform() || lanes == 1)
    return DimIndex(f(dim.base, 1u));
  DimIndex result;
  result.lanes = f(e.lanesOf(dim, lanes), lanes);
  return result;
}

Value ElementEmitter::emitMovement(Operation *op, const Index &index) {
  unsigned lanes = index.lanes;
  if (auto reshape = dyn_cast<qnn::ReshapeOp>(op))
    return at(reshape.getInput(),
              reshapeIndex(*this, k.shape(reshape.getInput()), k.shape(reshape.getOutput()), index));

  if (auto transpose = dyn_cast<qnn::TransposeOp>(op)) {
    Index inner = index;
    for (auto [d, source] : llvm::enumerate(transpose.getPerm()))
      inner.dims[source] = index.dims[d];
    return at(transpose.getInput(), inner);
  }
  if (auto broadcast = dyn_cast<qnn::BroadcastOp>(op))
    return broadcastAt(broadcast.getInput(), broadcast.getOutput(), index);

  if (auto slice = dyn_cast<qnn::SliceOp>(op)) {
    Index inner = index;
    for (size_t d = 0; d < index.dims.size(); ++d)
      inner.dims[d] = affine(index.dims[d], slice.getSteps()[d], k.dim(slice.getStarts().getResult(d)), lanes);
    return at(slice.getInput(), inner);
  }

  if (auto tile = dyn_cast<qnn::TileOp>(op)) {
    Index inner = index;
    for (size_t d = 0; d < index.dims.size(); ++d)
      if (tile.getRepeats()[d] != 1)
        inner.dims[d] = mapIndex(*this, index.dims[d], lanes, [&](Value i, unsigned n) {
          return k.rem(i, k.splat(k.dim(k.shape(tile.getInput())[d]), n));
        });
    return at(tile.getInput(), inner);
  }

  if (auto concat = dyn_cast<qnn::ConcatOp>(op)) {
    size_t axis = concat.getAxis();
    Type type = valueType(elementOf(concat.getOutput()), lanes);
    // Operands in turn: i < end ? this one : what follows. `current` is switched off where an earlier operand has the
    // element.
    std::function<Value(size_t, Value, Index)> from = [&](size_t i, Value start, Index current) -> Value {
      Value operand = concat.getInputs()[i];
      Value end = k.add(start, k.dim(k.shape(operand)[axis]));
      bool isLast = i + 1 == concat.getInputs().size();
      DimIndex dim = current.dims[axis];
      Index inner = current;
      inner.dims[axis] = affine(dim, 1, k.sub(k.i64(0), start), lanes);
      if (isLast)
        return at(operand, inner);
      auto endConstant = KernelBuilder::constantOf(end);
      if (dim.isUniform() || lanes == 1 || (dim.aligned && endConstant && *endConstant % int64_t(lanes) == 0))
        return k.ifElse(
            k.less(dim.base, end), type, [&] { return at(operand, inner); }, [&] { return from(i + 1, end, current); });
      Value inside = k.less(lanesOf(dim, lanes), k.splat(end, lanes));
      inner.mask = k.both(inner.mask, inside);
      Value outside = arith::XOrIOp::create(k.b, k.loc, inside, k.constantInt(inside.getType(), 1));
      current.mask = k.both(current.mask, outside);
      Value mine = at(operand, inner), rest = mine ? from(i + 1, end, current) : mine;
      return rest ? choose(inside, mine, rest) : rest;
    };
    return from(0, k.i64(0), index);
  }

  if (auto gather = dyn_cast<qnn::GatherOp>(op)) {
    size_t axis = gather.getAxis(), indexRank = cast<RankedTensorType>(gather.getIndices().getType()).getRank();
    Index position = index;
    position.dims.assign(index.dims.begin() + axis, index.dims.begin() + axis + indexRank);
    Value number = at(gather.getIndices(), position);
    if (!number)
      return {};
    bool uniform = llvm::all_of(position.dims, [](const DimIndex &d) { return d.isUniform(); }) || lanes == 1;
    if (uniform && lanes > 1)
      number = vector::ExtractOp::create(k.b, k.loc, number, int64_t(0));
    unsigned n = uniform ? 1 : lanes;
    Type wide = k.vec(k.intType(64), n);
    if (number.getType() != wide)
      number = arith::ExtSIOp::create(k.b, k.loc, wide, number);
    Value size = k.splat(k.dim(k.shape(gather.getInput())[axis]), n);
    number = k.select(k.less(number, k.constantInt(wide, 0)), k.add(number, size), number);
    // Out-of-range indices read the nearest element: the code never leaves the tensor.
    number = k.max(k.min(number, k.sub(size, k.constantInt(wide, 1))), k.constantInt(wide, 0));
    Index inner = index;
    inner.dims.assign(index.dims.begin(), index.dims.begin() + axis);
    DimIndex found;
    if (uniform)
      found.base = number;
    else
      found.lanes = number;
    inner.dims.push_back(found);
    inner.dims.append(index.dims.begin() + axis + indexRank, index.dims.end());
    return at(gather.getInput(), inner);
  }

  if (auto pad = dyn_cast<qnn::PadOp>(op)) {
    Index inner = index;
    Value inside;
    bool constant = pad.getMode() == qnn::PadMode::Constant;
    for (size_t d = 0; d < index.dims.size(); ++d) {
      int64_t low = pad.getLow()[d], high = pad.getHigh()[d];
      if (low == 0 && high == 0)
        continue;
      Value size = k.dim(k.shape(pad.getInput())[d]);
      inner.dims[d] = affine(index.dims[d], 1, k.i64(-low), lanes);
      if (low <= 0 && high <= 0)
        continue; // elements are only removed
      if (constant) {
        inside = k.both(inside, restrict(inner, inner.dims[d], k.i64(0), size));
        continue;
      }
      inner.dims[d] = mapIndex(*this, inner.dims[d], lanes, [&](Value i, unsigned n) -> Value {
        Value extent = k.splat(size, n), one = k.splat(k.i64(1), n), zero = k.splat(k.i64(0), n);
        if (pad.getMode() == qnn::PadMode::Edge)
          return k.max(k.min(i, k.sub(extent, one)), zero);
        bool reflect = pad.getMode() == qnn::PadMode::Reflect;
        Value period = reflect ? k.max(k.mul(k.sub(extent, one), k.splat(k.i64(2), n)), one) : extent;
        // i mod period for i of either sign.
        Value r = arith::RemSIOp::create(k.b, k.loc, i, period);
        r = k.select(k.less(r, zero), k.add(r, period), r);
        return reflect ? k.select(k.less(r, extent), r, k.sub(period, r)) : r;
      });
    }
    Value value = at(pad.getInput(), inner);
    if (!value || !inside)
      return value;
    return choose(inside, value,
                  paddingValue(*this, elementOf(pad.getOutput()), pad.getValue().convertToDouble(), lanes));
  }

  if (auto depth = dyn_cast<qnn::DepthToSpaceOp>(op)) {
    int64_t block = depth.getBlock();
    Value b = k.i64(block), channels = k.dim(k.shape(depth.getOutput())[1]);
    Index inner = index;
    auto split = [&](const DimIndex &d, bool quotient) {
      return mapIndex(*this, d, lanes, [&](Value i, unsigned n) {
        return quotient ? k.div(i, k.splat(b, n)) : k.rem(i, k.splat(b, n));
      });
    };
    DimIndex y = split(index.dims[2], false), x = split(index.dims[3], false);
    inner.dims[2] = split(index.dims[2], true);
    inner.dims[3] = split(index.dims[3], true);
    const DimIndex &c = index.dims[1];
    bool allUniform = (y.isUniform() && x.isUniform()) || lanes == 1;
    if (depth.getColumnRow()) {
      // channel c * block^2 + y * block + x
      if (allUniform)
        inner.dims[1] = affine(c, block * block, k.add(k.mul(y.base, block), x.base), lanes);
      else
        inner.dims[1].lanes = k.add(k.mul(lanesOf(c, lanes), k.splat(k.i64(block * block), lanes)),
                                    k.add(k.mul(lanesOf(y, lanes), k.splat(b, lanes)), lanesOf(x, lanes)));
    } else if (allUniform) {
      // channel (y * block + x) * channels + c
      inner.dims[1] = affine(c, 1, k.mul(k.add(k.mul(y.base, block), x.base), channels), lanes);
    } else {
      Value yx = k.add(k.mul(lanesOf(y, lanes), k.splat(b, lanes)), lanesOf(x, lanes));
      inner.dims[1] = DimIndex();
      inner.dims[1].lanes = k.add(k.mul(yx, k.splat(channels, lanes)), lanesOf(c, lanes));
    }
    return at(depth.getInput(), inner);
  }

  if (auto space = dyn_cast<qnn::SpaceToDepthOp>(op)) {
    // Output channel (y * block + x) * C + c.
    int64_t block = space.getBlock();
    Value channels = k.dim(k.shape(space.getInput())[1]);
    Index inner = index;
    const DimIndex &c = index.dims[1];
    auto size = KernelBuilder::constantOf(channels);
    bool whole = c.isUniform() || lanes == 1 || (c.aligned && size && *size % int64_t(lanes) == 0);
    if (whole) {
      Value yx = k.div(c.base, channels);
      inner.dims[1] = DimIndex(k.rem(c.base, channels), c.step, c.aligned);
      inner.dims[2] = affine(index.dims[2], block, k.div(yx, k.i64(block)), lanes);
      inner.dims[3] = affine(index.dims[3], block, k.rem(yx, k.i64(block)), lanes);
    } else {
      Value all = lanesOf(c, lanes), count = k.splat(channels, lanes), b = k.splat(k.i64(block), lanes);
      Value yx = k.div(all, count);
      inner.dims[1] = inner.dims[2] = inner.dims[3] = DimIndex();
      inner.dims[1].lanes = k.rem(all, count);
      inner.dims[2].lanes = k.add(k.mul(lanesOf(index.dims[2], lanes), b), k.div(yx, b));
      inner.dims[3].lanes = k.add(k.mul(lanesOf(index.dims[3], lanes), b), k.rem(yx, b));
    }
    return at(space.getInput(), inner);
  }
  return {};
}
