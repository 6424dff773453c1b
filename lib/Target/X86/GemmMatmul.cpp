//===- GemmMatmul.cpp - products of two run-time tensors -------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// A tile is one batch entry times 64 columns: its part of the right side is packed into panels in scratch (B), then the
// rows go by, 48 at a time (A), through the micro-kernel. Codes are widened to s16 with their zero points taken off,
// which needs no correction whatever the zero points are (|code - zero point| <= 255).
//===----------------------------------------------------------------------===//
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/Gemm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace bitwright::x86 {

namespace {

constexpr int64_t kTileRows = 48, kTilePanels = 4;

class MatmulEmitter {
public:
  MatmulEmitter(KernelBuilder &k, Operation *op)
      : k(k), op(op), lhs(op->getOperand(0)), rhs(op->getOperand(1)), result(op->getResult(0)), out(k, result) {
    if (auto product = dyn_cast<dyadic::MatmulOp>(op)) {
      kind = PanelKind::Words;
      lhsZeroPoint = product.getLhsZeroPoint();
      rhsZeroPoint = product.getRhsZeroPoint();
    }
  }
  LogicalResult run();

private:
  /// Index of an operand of the product: batch coordinates (broadcast), then two more.
  Index operandIndex(Value operand, DimIndex row, DimIndex column);
  Value element(Value operand, const Index &index, int64_t zeroPoint, unsigned bits);
  void packColumns(Value firstColumn, Value panelCount);
  void gatherRows(Value firstRow, Value count);
  void products(Value firstColumn, Value panelCount, Value firstRow, Value count);

  KernelBuilder &k;
  Operation *op;
  Value lhs, rhs, result;
  ProductEpilogue out;
  PanelKind kind = PanelKind::Floats;
  int64_t lhsZeroPoint = 0, rhsZeroPoint = 0;
  Value m, n, depth, steps;
  int64_t rowBytes = 0, panelBytes = 0;
  Value panels, accumulators; ///< B and C in scratch; A at its start
  SmallVector<Value, 6> batch;
  bool failed = false;
};

Index MatmulEmitter::operandIndex(Value operand, DimIndex row, DimIndex column) {
  Index index;
  index.lanes = kLanes;
  const SymbolicShape &shape = k.shape(operand);
  int64_t batchDims = int64_t(shape.size()) - 2;
  for (int64_t d = 0; d < batchDims; ++d)
    index.dims.push_back(
        out.emitter.uniform(constantOf(shape[d]) == 1 ? k.i64(0) : batch[batch.size() - batchDims + d]));
  index.dims.push_back(row);
  index.dims.push_back(column);
  return index;
}

Value MatmulEmitter::element(Value operand, const Index &index, int64_t zeroPoint, unsigned bits) {
  Value value = out.emitter.at(operand, index);
  if (!value) {
    failed = true;
    return kind == PanelKind::Floats ? k.constantFloat(0, kLanes) : k.constantInt(k.vec(k.intType(bits), kLanes), 0);
  }
  if (kind == PanelKind::Floats)
    return value;
  Type wide = k.vec(k.intType(bits), kLanes);
  if (value.getType() != wide)
    value = arith::ExtSIOp::create(k.b, k.loc, wide, value);
  return zeroPoint ? Value(arith::SubIOp::create(k.b, k.loc, value, k.constantInt(wide, zeroPoint))) : value;
}

void MatmulEmitter::packColumns(Value firstColumn, Value panelCount) {
  Type i32x16 = k.vec(k.intType(32), kLanes);
  k.forLoop(k.i64(0), panelCount, 1, [&](Value p) {
    Value column = k.add(firstColumn, k.mul(p, kLanes));
    Value to = k.gep(panels, k.mul(p, panelBytes)), mask = k.laneMask(column, n, kLanes);
    auto rowOf = [&](Value row) {
      Index index = operandIndex(rhs, out.emitter.uniform(row), DimIndex(column, 1, /*aligned=*/true));
      index.mask = mask;
      return element(rhs, index, rhsZeroPoint, 32);
    };
    if (kind == PanelKind::Floats) {
      k.forLoop(k.i64(0), depth, 1, [&](Value r) { k.store(rowOf(r), k.gep(to, k.mul(r, kStepBytes))); });
      return;
    }
    // Two rows of k side by side in each 32-bit lane; the second of an odd last pair is 0.
    auto lowHalf = [&](Value v) { return arith::AndIOp::create(k.b, k.loc, v, k.constantInt(i32x16, 0xffff)); };
    Value pairs = k.div(depth, k.i64(2));
    k.forLoop(k.i64(0), pairs, 1, [&](Value s) {
      Value row = k.mul(s, 2), low = lowHalf(rowOf(row));
      Value high = arith::ShLIOp::create(k.b, k.loc, rowOf(k.add(row, 1)), k.constantInt(i32x16, 16));
      k.store(arith::OrIOp::create(k.b, k.loc, low, high), k.gep(to, k.mul(s, kStepBytes)));
    });
    k.ifThen(k.less(pairs, steps),
             [&] { k.store(lowHalf(rowOf(k.mul(pairs, 2))), k.gep(to, k.mul(pairs, kStepBytes))); });
  });
}

void MatmulEmitter::gatherRows(Value firstRow, Value count) {
  Value whole = k.mul(k.div(depth, k.i64(kLanes)), kLanes);
  int64_t bytes = kind == PanelKind::Floats ? 4 : 2;
  k.forLoop(k.i64(0), count, 1, [&](Value r) {
    Value to = k.gep(k.scratch, k.mul(r, rowBytes)), row = k.add(firstRow, r);
    auto part = [&](Value column, Value mask) {
      Index index = operandIndex(lhs, out.emitter.uniform(row), DimIndex(column, 1, /*aligned=*/true));
      index.mask = mask;
      k.store(element(lhs, index, lhsZeroPoint, 16), k.gep(to, k.mul(column, bytes)));
    };
    k.forLoop(k.i64(0), whole, kLanes, [&](Value column) { part(column, {}); });
    k.ifThen(k.less(whole, depth), [&] { part(whole, k.laneMask(whole, depth, kLanes)); });
  });
}

void MatmulEmitter::products(Value firstColumn, Value panelCount, Value firstRow, Value count) {
  unsigned nr = MicroKernel::maxPanels(k.isa, kind);
  if (auto columns = constantOf(k.shape(rhs).back()))
    nr = std::min<int64_t>(nr, (*columns + kLanes - 1) / kLanes);
  unsigned mr = MicroKernel::rowsFor(k.isa, kind, nr);
  MicroKernel micro{k, kind, mr, nr};
  // Panels past the last one are computed from whatever scratch holds and never stored.
  k.forLoop(k.i64(0), panelCount, nr, [&](Value p) {
    k.forLoop(k.i64(0), count, mr, [&](Value blockRow) {
      SmallVector<Value> sums = micro.emit(k.gep(k.scratch, k.mul(blockRow, rowBytes)), rowBytes,
                                           k.gep(panels, k.mul(p, panelBytes)), k.i64(panelBytes), steps, {});
      for (unsigned i = 0; i < mr * nr; ++i)
        k.store(sums[i], k.gep(accumulators, int64_t(i) * kStepBytes));
      k.forLoop(k.i64(0), k.min(k.i64(mr), k.sub(count, blockRow)), 1, [&](Value r) {
        Value row = k.add(firstRow, k.add(blockRow, r));
        for (unsigned j = 0; j < nr; ++j) {
          Value column = k.add(firstColumn, k.mul(k.add(p, j), kLanes));
          Index index;
          index.lanes = kLanes;
          for (Value b : batch)
            index.dims.push_back(out.emitter.uniform(b));
          index.dims.push_back(out.emitter.uniform(row));
          index.dims.push_back(DimIndex(column, 1, /*aligned=*/true));
          index.mask = k.laneMask(column, n, kLanes);
          Value sum = k.load(kind == PanelKind::Floats ? k.f32() : k.intType(32), kLanes,
                             k.gep(accumulators, k.add(k.mul(r, int64_t(nr) * kStepBytes), j * kStepBytes)));
          failed |= !out.emit(index, sum);
          if (failed)
            return;
        }
      });
    });
  });
}

LogicalResult MatmulEmitter::run() {
  const SymbolicShape &shape = k.shape(result), &left = k.shape(lhs), &right = k.shape(rhs);
  if (shape.size() < 2 || left.size() < 2 || right.size() < 2)
    return op->emitOpError("expected operands of at least two dimensions in a gemm region"), failure();
  for (Value value : k.op.getYield().getValues())
    if (k.shape(value) != shape)
      return k.op.emitOpError("yields a tensor of another shape than its product has: end the gemm region before the "
                              "operation that changes it"),
             failure();
  m = k.dim(shape[shape.size() - 2]);
  n = k.dim(shape.back());
  if (auto columns = KernelBuilder::constantOf(n); columns && *columns % kLanes == 1) {
    // Masks of one lane must not be constants: see restrictLanes.
    Value number = k.constantBuffer("columns", ArrayRef<int64_t>(*columns));
    n = k.hoisted([&] { return k.load(k.intType(64), 1, number, {}, true); });
  }
  depth = k.dim(left.back());
  steps = kind == PanelKind::Floats ? depth : k.ceilDiv(depth, 2);

  AffineExpr batches = getAffineConstantExpr(1, k.b.getContext());
  SmallVector<Value> sizes;
  for (AffineExpr dim : ArrayRef(shape).drop_back(2)) {
    sizes.push_back(k.dim(dim));
    batches = batches * dim;
  }
  k.info.tiles = batches * shape.back().ceilDiv(kTilePanels * kLanes);
  sizes.push_back(k.ceilDiv(n, kTilePanels * kLanes));

  // Scratch for the longest depth, whatever the instruction set (both keep words and floats alike).
  int64_t longest = std::max<int64_t>(1, rangeOf(left.back(), k.symbols).second);
  int64_t longestSteps = kind == PanelKind::Floats ? longest : (longest + 1) / 2;
  auto up = [](int64_t v) { return (v + 63) / 64 * 64; };
  rowBytes = longestSteps * 4 + (longestSteps * 4 % 1024 == 0 ? 64 : 0);
  panelBytes = longestSteps * kStepBytes;
  int64_t bytesOfA = up(rowBytes * kTileRows + 64), bytesOfB = panelBytes * kTilePanels;
  k.info.scratchBytes = getAffineConstantExpr(bytesOfA + bytesOfB + 24 * kStepBytes, k.b.getContext());
  panels = k.hoisted([&] { return k.gep(k.scratch, bytesOfA); });
  accumulators = k.hoisted([&] { return k.gep(k.scratch, bytesOfA + bytesOfB); });

  k.forTiles([&](Value t) {
    SmallVector<Value, 6> coords = k.delinearize(t, sizes);
    batch.assign(coords.begin(), coords.end() - 1);
    Value firstColumn = k.mul(coords.back(), kTilePanels * kLanes);
    Value panelCount = k.ceilDiv(k.min(k.i64(kTilePanels * kLanes), k.sub(n, firstColumn)), kLanes);
    packColumns(firstColumn, panelCount);
    k.forLoop(k.i64(0), m, kTileRows, [&](Value firstRow) {
      Value count = k.min(k.i64(kTileRows), k.sub(m, firstRow));
      gatherRows(firstRow, count);
      products(firstColumn, panelCount, firstRow, count);
    });
  });
  return success(!failed);
}

} // namespace

LogicalResult emitMatmul(KernelBuilder &k, Operation *matmul) { return MatmulEmitter(k, matmul).run(); }

} // namespace bitwright::x86
