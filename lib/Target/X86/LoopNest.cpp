//===- LoopNest.cpp - loops over the elements of a tensor ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/LoopNest.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

void LoopNest::emitRun(KernelBuilder &k, unsigned lanes, Value low, Value high, bool wholeVectors, Index index,
                       int64_t dim, llvm::function_ref<void(const Index &)> body, bool scalarTail) {
  auto at = [&](Value i, unsigned n, Value mask) {
    Index inner = index;
    inner.lanes = n;
    inner.mask = mask;
    if (dim >= 0)
      inner.dims[dim] = DimIndex(i, n > 1 ? 1 : 0, n > 1);
    body(inner);
  };
  if (lanes == 1) {
    k.forLoop(low, high, 1, [&](Value i) { at(i, 1, {}); });
    return;
  }
  if (wholeVectors) {
    k.forLoop(low, high, lanes, [&](Value i) { at(i, lanes, {}); });
    return;
  }
  Value whole = k.add(low, k.mul(k.div(k.sub(high, low), k.i64(lanes)), lanes));
  auto count = KernelBuilder::constantOf(k.sub(high, low));
  if (!count || *count >= int64_t(lanes))
    k.forLoop(low, whole, lanes, [&](Value i) { at(i, lanes, {}); });
  if (scalarTail || k.isa == Isa::Avx2) // no masked bytes: the tail one by one
    k.forLoop(whole, high, 1, [&](Value i) { at(i, 1, {}); });
  else
    k.ifThen(k.less(whole, high), [&] { at(whole, lanes, k.laneMask(whole, high, lanes)); });
}

AffineExpr LoopNest::emit(AffineExpr first, llvm::function_ref<void(const Index &)> body) {
  MLIRContext *context = k.op.getContext();
  AffineExpr one = getAffineConstantExpr(1, context);
  auto product = [&](ArrayRef<int64_t> dims) {
    AffineExpr result = one;
    for (int64_t d : dims)
      result = result * shape[d];
    return simplifyAffineExpr(result, 0, k.symbols.size());
  };
  SmallVector<int64_t> largest;
  for (const DimSymbol &symbol : k.symbols)
    largest.push_back(symbol.max);
  auto estimate = [&](AffineExpr expr) { return std::max<int64_t>(1, evaluate(expr, largest)); };

  ArrayRef<int64_t> all(order), runDims = all.take_back(run), outer = all.drop_back(run);
  ArrayRef<int64_t> columnDims = outer.take_back(outer.empty() ? 0 : 1), rowDims = outer.drop_back(columnDims.size());
  AffineExpr runSize = product(runDims), columns = product(columnDims), rows = product(rowDims);
  int64_t dim = runDims.empty() ? -1 : runDims.back();
  if (runDims.empty())
    lanes = 1;
  auto staticRun = bitwright::constantOf(runSize);
  // Fewer elements than a vector: not worth one unless masks are free.
  if (lanes > 16 && estimate(runSize) < int64_t(lanes))
    lanes = 16;

  Index base;
  base.dims.assign(shape.size(), DimIndex(k.i64(0)));
  auto setRow = [&](Index &index, ArrayRef<int64_t> dims, Value number) {
    SmallVector<Value> sizes;
    for (int64_t d : dims)
      sizes.push_back(k.dim(shape[d]));
    for (auto [d, value] : llvm::zip(dims, k.delinearize(number, sizes)))
      index.dims[d] = DimIndex(value);
  };
  // The product of dimensions as code (a launch evaluates the expression of a single dimension, products are made
  // here).
  auto sizeOf = [&](ArrayRef<int64_t> dims) {
    Value result = k.i64(1);
    for (int64_t d : dims)
      result = k.mul(result, k.dim(shape[d]));
    return result;
  };
  auto forMyTiles = [&](AffineExpr count, llvm::function_ref<void(Value)> tile) {
    Value start = k.dim(first), end = k.dim(simplifyAffineExpr(first + count, 0, k.symbols.size()));
    if (bitwright::constantOf(first) == 0) {
      // The only nest, or the first one: tileBegin is at least 0.
      k.forLoop(k.tileBegin, k.min(k.tileEnd, end), 1, tile);
      return;
    }
    k.forLoop(k.max(k.tileBegin, start), k.min(k.tileEnd, end), 1, [&](Value t) { tile(k.sub(t, start)); });
  };
  auto emitAll = [&](Value low, Value high, const Index &index) {
    bool whole = lanes > 1 && staticRun && *staticRun % int64_t(lanes) == 0;
    emitRun(k, lanes, low, high, whole, index, dim, body);
  };

  int64_t runEstimate = estimate(runSize), columnEstimate = estimate(columns);
  if (runEstimate >= 2 * tileElements) {
    // Tiles are pieces of one run.
    AffineExpr pieces = runSize.ceilDiv(tileElements),
               count = simplifyAffineExpr(rows * columns * pieces, 0, k.symbols.size());
    Value length = sizeOf(runDims), pieceCount = k.ceilDiv(length, tileElements);
    forMyTiles(count, [&](Value t) {
      Index index = base;
      setRow(index, outer, k.div(t, pieceCount));
      Value low = k.mul(k.rem(t, pieceCount), tileElements);
      emitAll(low, k.min(k.add(low, tileElements), length), index);
    });
    return count;
  }
  // A short innermost dimension (three colours): vectors along the columns, stores apart.
  bool alongColumns =
      lanes > 1 && run == 1 && staticRun && *staticRun <= 8 && !columnDims.empty() && columnEstimate >= 16;
  if (alongColumns)
    lanes = 16;
  auto forColumns = [&](const Index &index, Value low, Value high) {
    if (alongColumns) {
      auto vectorOf = [&](const Index &columnIndex) {
        for (int64_t i = 0; i < *staticRun; ++i) {
          Index inner = columnIndex;
          inner.dims[dim] = DimIndex(k.i64(i));
          body(inner);
        }
      };
      auto width = bitwright::constantOf(columns);
      emitRun(k, lanes, low, high, width && *width % lanes == 0, index, columnDims[0], vectorOf, /*scalarTail=*/true);
      return;
    }
    auto column = [&](Value c) {
      Index inner = index;
      if (!columnDims.empty())
        inner.dims[columnDims[0]] = DimIndex(c);
      emitAll(k.i64(0), sizeOf(runDims), inner);
    };
    k.forLoop(low, high, 1, column);
  };
  if (runEstimate * columnEstimate >= 2 * tileElements) {
    int64_t step = std::max<int64_t>(1, tileElements / runEstimate);
    if (alongColumns)
      step = (step + 63) / 64 * 64;
    AffineExpr pieces = columns.ceilDiv(step), count = simplifyAffineExpr(rows * pieces, 0, k.symbols.size());
    Value width = sizeOf(columnDims), pieceCount = k.ceilDiv(width, step);
    forMyTiles(count, [&](Value t) {
      Index index = base;
      setRow(index, rowDims, k.div(t, pieceCount));
      Value low = k.mul(k.rem(t, pieceCount), step);
      forColumns(index, low, k.min(k.add(low, step), width));
    });
    return count;
  }
  int64_t step = std::max<int64_t>(1, tileElements / (runEstimate * columnEstimate));
  AffineExpr count = simplifyAffineExpr(rows.ceilDiv(step), 0, k.symbols.size());
  Value height = sizeOf(rowDims), width = sizeOf(columnDims);
  forMyTiles(count, [&](Value t) {
    Value low = k.mul(t, step);
    k.forLoop(low, k.min(k.add(low, step), height), 1, [&](Value row) {
      Index index = base;
      setRow(index, rowDims, row);
      forColumns(index, k.i64(0), width);
    });
  });
  return count;
}
