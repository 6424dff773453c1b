//===- Rows.cpp - softmax, norms, quantization per token -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// One row (the elements that softmax or a norm works over) at a time: the prologue's values go to scratch memory,
// statistics are computed there in F3 order, then the epilogue pulls the elements of the region's results with the row
// op's result overridden. Rows are the tiles' units. When the row's elements are apart in memory and its neighbours
// side by side (softmax or a norm over channels of a channels-first tensor, instance norm of a channels-last one), 16
// rows go at once.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/LoopNest.h"
#include "lib/Target/X86/Reductions.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

static Type elementOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType(); }

namespace {
struct RowsEmitter {
  KernelBuilder &k;
  Operation *anchor = nullptr;
  Value input, output;
  SmallVector<int64_t> rowDims;   ///< dimensions of a row, outermost first, row-major
  SmallVector<int64_t> outerDims; ///< the others
  int64_t groups = 0;             ///< group_norm: dimension 1 is split into groups
  SmallVector<Value> rowSizes;    ///< one a row dimension (channels of a group for group_norm)
  AffineExpr rowCount, rowLength; ///< as expressions
  bool failed = false;

  explicit RowsEmitter(KernelBuilder &k) : k(k) {}

  LogicalResult findAnchor() {
    for (Operation &op : k.op.getBlock().without_terminator()) {
      if (!isa<qnn::SoftmaxOp, qnn::LogSoftmaxOp, qnn::LayerNormOp, qnn::GroupNormOp, qnn::QuantizeDynamicOp>(op))
        continue;
      if (anchor)
        return op.emitOpError() << "is the second row operation of its region: expected one softmax, norm or "
                                   "quantization per token in a region of the rows template";
      anchor = &op;
    }
    if (!anchor)
      return k.op.emitOpError()
             << "expected a softmax, norm or quantization per token in a region of the rows template, found none";
    input = anchor->getOperand(0);
    output = anchor->getResult(0);
    int64_t rank = k.shape(input).size();
    if (auto softmax = dyn_cast<qnn::SoftmaxOp>(anchor))
      rowDims = {int64_t(softmax.getAxis())};
    else if (auto logSoftmax = dyn_cast<qnn::LogSoftmaxOp>(anchor))
      rowDims = {int64_t(logSoftmax.getAxis())};
    else if (auto norm = dyn_cast<qnn::LayerNormOp>(anchor))
      rowDims = llvm::to_vector(llvm::seq<int64_t>(norm.getAxis(), rank));
    else if (isa<qnn::QuantizeDynamicOp>(anchor))
      rowDims = {rank - 1};
    else {
      groups = cast<qnn::GroupNormOp>(anchor).getGroups();
      rowDims = llvm::to_vector(llvm::seq<int64_t>(1, rank));
    }
    for (int64_t d = 0; d < rank; ++d)
      if (!llvm::is_contained(rowDims, d))
        outerDims.push_back(d);
    MLIRContext *context = k.op.getContext();
    rowCount = rowLength = getAffineConstantExpr(1, context);
    for (int64_t d : outerDims)
      rowCount = rowCount * k.shape(input)[d];
    for (int64_t d : rowDims) {
      AffineExpr size = k.shape(input)[d];
      if (groups && d == 1)
        size = size.floorDiv(groups);
      rowSizes.push_back(k.dim(simplifyAffineExpr(size, 0, k.symbols.size())));
      rowLength = rowLength * size;
    }
    if (groups)
      rowCount = rowCount * groups;
    rowCount = simplifyAffineExpr(rowCount, 0, k.symbols.size());
    rowLength = simplifyAffineExpr(rowLength, 0, k.symbols.size());
    // The epilogue may change the type, never the place of an element.
    for (Value yielded : k.op.getYield().getValues())
      if (k.shape(yielded) != k.shape(output) && yielded.getDefiningOp() != anchor)
        return k.op.emitOpError() << "expected results of the row operation's shape in a region of the rows template";
    return success();
  }

  /// Index of the elements of a row: outer dimensions and the base of a group's channels are fixed.
  struct Row {
    Index index;
    Value firstChannel;
  };
  Index elementIndex(const Row &row, ArrayRef<DimIndex> position, unsigned lanes, Value mask) const {
    Index index = row.index;
    index.lanes = lanes;
    index.mask = mask;
    for (auto [d, p] : llvm::zip(rowDims, position))
      index.dims[d] = p;
    if (groups) {
      DimIndex &channel = index.dims[1];
      if (channel.lanes)
        channel.lanes = k.add(channel.lanes, k.splat(row.firstChannel, lanes));
      else {
        channel.base = k.add(channel.base, row.firstChannel);
        channel.aligned = false;
      }
    }
    return index;
  }

  /// Calls body(position, linear) for vectors of 16 (or single) elements along the row, in order, linear = number in
  /// the row. With `contiguous16` vectors never leave the innermost row dimension and start at multiples of 16 of the
  /// row.
  void forRow(const Row &row, llvm::function_ref<void(const Index &, Value)> body) {
    SmallVector<DimIndex> position(rowDims.size(), DimIndex(k.i64(0)));
    std::function<void(size_t, Value)> loop = [&](size_t d, Value linear) {
      if (d + 1 < rowDims.size()) {
        k.forLoop(k.i64(0), rowSizes[d], 1, [&](Value i) {
          position[d] = DimIndex(i);
          loop(d + 1, k.mul(k.add(linear, i), rowSizes[d + 1]));
        });
        return;
      }
      Index base = elementIndex(row, position, 1, {});
      auto constant = KernelBuilder::constantOf(rowSizes[d]);
      int64_t dim = rowDims[d];
      bool channelDim = groups && dim == 1;
      LoopNest::emitRun(k, 16, k.i64(0), rowSizes[d], constant && *constant % 16 == 0, base, dim,
                        [&](const Index &index) {
                          Index shifted = index;
                          Value first = index.dims[dim].base;
                          if (channelDim)
                            shifted.dims[dim] = DimIndex(k.add(first, row.firstChannel), index.dims[dim].step);
                          body(shifted, k.add(linear, first));
                        });
    };
    loop(0, k.i64(0));
  }

  Value vectorAt(Value memory, Value element, unsigned lanes, Value mask) {
    return k.load(k.f32(), lanes, k.gep(memory, k.mul(element, 4)), mask);
  }
  void storeAt(Value value, Value memory, Value element, Value mask) {
    k.store(value, k.gep(memory, k.mul(element, 4)), mask);
  }

  /// F3 reduction of n floats in memory (scratch, padded to 16: tails may be read).
  Value reduce(F3Reduction::Kind kind, Value memory, Value n, llvm::function_ref<Value(Value)> map = nullptr) {
    F3Reduction f3{k, kind};
    Value partials = f3.alongVector(k.i64(0), n, f3.identity(16), [&](Value i, Value) {
      Value x = vectorAt(memory, i, 16, {});
      return map ? map(x) : x;
    });
    return f3.acrossLanes(partials);
  }
  Value lengthAsFloat(Value n) {
    if (auto c = KernelBuilder::constantOf(n))
      return k.constantFloat(float(*c));
    return arith::SIToFPOp::create(k.b, k.loc, k.f32(), n);
  }

  /// INTEGER Q3: the scale from the largest magnitude, then the codes of the values in scratch memory.
  void quantizeRow(qnn::QuantizeDynamicOp op, const Row &row, Value largest, Value memory) {
    float limit = op.getScheme().getStorage() == "s4" ? 7 : 127;
    VectorBuilder f1(k, 1);
    Value scale = f1.div(f1.max(largest, f1.constant(0x1p-100f)), f1.constant(limit));
    ElementEmitter epilogue(k);
    auto results = k.op.getYield().getValues();
    for (auto [i, yielded] : llvm::enumerate(results))
      if (yielded == op.getScale()) {
        Index index = row.index;
        index.dims.back() = DimIndex(k.i64(0));
        epilogue.store(scale, k.resultMemory(i), k.f32(), index);
      }
    forRow(row, [&](const Index &index, Value linear) {
      VectorBuilder f(k, index.lanes);
      Value v = f.div(vectorAt(memory, linear, index.lanes, index.mask), k.splat(scale, index.lanes));
      // NaN elements, and infinity over an infinite scale, are code 0.
      v = f.select(f.isNaN(v), f.constant(0.0f), f.roundEven(v));
      v = f.min(f.constant(limit), f.max(f.constant(-limit), v));
      Value codes = arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(8), index.lanes), f.toInt(v));
      for (auto [i, yielded] : llvm::enumerate(results))
        if (yielded == op.getOutput())
          epilogue.store(codes, k.resultMemory(i), elementOf(yielded), index);
    });
  }

  void emitRow(Value number) {
    Row row;
    row.index.dims.assign(k.shape(input).size(), DimIndex(k.i64(0)));
    SmallVector<Value> sizes;
    for (int64_t d : outerDims)
      sizes.push_back(k.dim(k.shape(input)[d]));
    if (groups)
      sizes.push_back(k.i64(groups));
    auto place = k.delinearize(number, sizes);
    for (auto [d, value] : llvm::zip(outerDims, place))
      row.index.dims[d] = DimIndex(value);
    if (groups)
      row.firstChannel = k.mul(place.back(), rowSizes[0]);
    Value n = k.i64(1);
    for (Value size : rowSizes)
      n = k.mul(n, size);
    Value memory = k.scratch;

    // Each pass over the row computes what the next one needs: maximum or sum with the prologue, then exponentials and
    // their sum, or the sum of squares.
    bool isSoftmax = isa<qnn::SoftmaxOp>(anchor), isLogSoftmax = isa<qnn::LogSoftmaxOp>(anchor),
         isQuantize = isa<qnn::QuantizeDynamicOp>(anchor), isNorm = !isSoftmax && !isLogSoftmax && !isQuantize;
    ElementEmitter prologue(k);
    Value first;
    F3Reduction::Kind firstKind = isNorm ? F3Reduction::Sum : F3Reduction::Max;
    if (rowDims.size() == 1 && !groups) {
      F3Reduction f3{k, firstKind};
      first = f3.acrossLanes(f3.alongVector(k.i64(0), n, f3.identity(16), [&](Value i, Value mask) {
        Value x = prologue.at(input, elementIndex(row, {DimIndex(i, 1, true)}, 16, mask));
        failed |= !x;
        if (x)
          storeAt(x, memory, i, {}); // the scratch has room for a whole last vector
        if (x && isQuantize) {
          // A NaN does not enter the largest magnitude.
          VectorBuilder f(k, 16);
          x = f.select(f.isNaN(x), f.constant(0.0f), f.abs(x));
        }
        return x;
      }));
    } else {
      // The number of an element and its place in a vector of the innermost dimension need not agree modulo 16.
      forRow(row, [&](const Index &index, Value linear) {
        Value x = prologue.at(input, index);
        failed |= !x;
        if (x)
          storeAt(x, memory, linear, index.mask);
      });
      first = reduce(firstKind, memory, n);
    }

    VectorBuilder f16(k, 16), f1(k, 1);
    if (auto quantize = dyn_cast<qnn::QuantizeDynamicOp>(anchor))
      return quantizeRow(quantize, row, first, memory);
    std::function<Value(VectorBuilder &, Value, const Index &, ElementEmitter &)> finish; // from the scratch value
    if (!isNorm) {
      Value max = first, maxLanes = k.splat(max, 16);
      F3Reduction f3{k, F3Reduction::Sum};
      Value sum = f3.acrossLanes(f3.alongVector(k.i64(0), n, f3.identity(16), [&](Value i, Value) {
        Value e = numerics::exp(f16, f16.sub(vectorAt(memory, i, 16, {}), maxLanes));
        if (isSoftmax)
          storeAt(e, memory, i, {});
        return e;
      }));
      Value logarithm = isSoftmax ? Value() : numerics::log(f1, sum);
      finish = [this, max, sum, logarithm](VectorBuilder &f, Value x, const Index &index, ElementEmitter &) {
        if (!logarithm)
          return f.div(x, k.splat(sum, index.lanes));
        return f.sub(f.sub(x, k.splat(max, index.lanes)), k.splat(logarithm, index.lanes));
      };
    } else {
      Value count = lengthAsFloat(n);
      Value mean = f1.div(first, count), meanLanes = k.splat(mean, 16);
      Value variance =
          f1.div(reduce(F3Reduction::SumOfSquares, memory, n, [&](Value x) { return f16.sub(x, meanLanes); }), count);
      auto norm = dyn_cast<qnn::LayerNormOp>(anchor);
      auto group = dyn_cast<qnn::GroupNormOp>(anchor);
      float epsilon = (norm ? norm.getEpsilon() : group.getEpsilon()).convertToFloat();
      Value inverse = f1.div(f1.constant(1.0f), f1.sqrt(f1.add(variance, f1.constant(epsilon))));
      Value scale = norm ? norm.getScale() : group.getScale(), bias = norm ? norm.getBias() : group.getBias();
      finish = [=](VectorBuilder &f, Value x, const Index &index, ElementEmitter &e) -> Value {
        Value normal = f.mul(f.sub(x, k.splat(mean, index.lanes)), k.splat(inverse, index.lanes));
        Index parameter = index;
        parameter.dims.clear();
        if (norm)
          for (int64_t d : rowDims)
            parameter.dims.push_back(index.dims[d]);
        else
          parameter.dims.push_back(index.dims[1]);
        Value s = scale ? e.at(scale, parameter) : f.constant(1.0f), b = bias ? e.at(bias, parameter) : Value();
        if (!s || (bias && !b))
          return {};
        return b ? f.fma(normal, s, b) : f.mul(normal, s);
      };
    }

    ElementEmitter epilogue(k);
    Value current;
    epilogue.overrideWith(output, [&](const Index &index) -> Value {
      VectorBuilder f(k, index.lanes);
      Value value = finish(f, vectorAt(memory, current, index.lanes, index.mask), index, epilogue);
      return value ? epilogue.roundTo(elementOf(output), value) : value;
    });
    forRow(row, [&](const Index &index, Value linear) {
      current = linear;
      for (auto [i, yielded] : llvm::enumerate(k.op.getYield().getValues())) {
        Value value = epilogue.at(yielded, index);
        failed |= !value;
        epilogue.store(value, k.resultMemory(i), elementOf(yielded), index);
      }
      epilogue.forget();
    });
  }
};
} // namespace

LogicalResult x86::emitRows(KernelBuilder &k) {
  RowsEmitter rows(k);
  if (mlir::failed(rows.findAnchor()))
    return failure();
  SmallVector<int64_t> largest;
  for (const DimSymbol &symbol : k.symbols)
    largest.push_back(symbol.max);
  int64_t length = std::max<int64_t>(1, evaluate(rows.rowLength, largest)), step = std::max<int64_t>(1, 4096 / length);
  k.info.tiles = simplifyAffineExpr(rows.rowCount.ceilDiv(step), 0, k.symbols.size());
  // Whole vectors beyond the end of the row stay inside.
  k.info.scratchBytes = simplifyAffineExpr(rows.rowLength * 4 + 64, 0, k.symbols.size());
  Value count = k.i64(1);
  for (int64_t d : rows.outerDims)
    count = k.mul(count, k.dim(k.shape(rows.input)[d]));
  if (rows.groups)
    count = k.mul(count, rows.groups);
  k.forTiles([&](Value tile) {
    Value low = k.mul(tile, step);
    k.forLoop(low, k.min(k.add(low, step), count), 1, [&](Value row) { rows.emitRow(row); });
  });
  return failure(rows.failed);
}
