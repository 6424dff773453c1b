//===- GemmMicro.cpp - register tiles: loads and multiply-adds only --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/Gemm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace bitwright::x86 {

unsigned MicroKernel::maxPanels(Isa isa, PanelKind kind) { return isa == Isa::Avx2 ? 1 : 4; }

unsigned MicroKernel::rowsFor(Isa isa, PanelKind kind, unsigned nr) {
  // 32 zmm: MR * NR accumulators, NR of B, one broadcast of A (24 + 4 + 1). 16 ymm: 2 accumulators a row (half a panel
  // at a time for bytes, whose pair sums stay apart until the end), 2 of B, one of A, one product. Every count divides
  // the 48 rows of a tile.
  if (isa == Isa::Avx2)
    return 6;
  return nr == 4 ? 6 : nr == 3 ? 8 : 12;
}

namespace {
/// One instruction set's view of a step: `parts` accumulators a panel and row.
struct Step {
  KernelBuilder &k;
  PanelKind kind;
  bool wide; ///< AVX512-VNNI
  unsigned parts() const { return wide || kind == PanelKind::Floats ? 1 : kind == PanelKind::Bytes ? 4 : 2; }
  Type accumulator() const {
    if (kind == PanelKind::Floats)
      return k.vec(k.f32(), 16);
    return k.vec(k.intType(32), wide ? 16 : 8);
  }
  Value bitcast(Value v, Type element, unsigned lanes) {
    return vector::BitCastOp::create(k.b, k.loc, cast<VectorType>(k.vec(element, lanes)), v);
  }

  Value widened(Value pointer, unsigned lanes) {
    return arith::ExtSIOp::create(k.b, k.loc, k.vec(k.intType(16), lanes),
                                  k.load(k.intType(8), lanes, pointer, {}, true));
  }

  /// Parts [first, first + count) of a panel's step.
  SmallVector<Value, 4> loadB(Value pointer, unsigned first, unsigned count) {
    if (kind == PanelKind::Floats)
      return {k.load(k.f32(), 16, pointer, {}, true)};
    if (wide)
      return {kind == PanelKind::Bytes       ? k.load(k.intType(8), 64, pointer, {}, true)
              : kind == PanelKind::WideBytes ? widened(pointer, 32)
                                             : k.load(k.intType(16), 32, pointer, {}, true)};
    SmallVector<Value, 4> values;
    for (unsigned i = first; i < first + count; ++i) {
      if (kind == PanelKind::Words)
        values.push_back(k.load(k.intType(16), 16, k.gep(pointer, 32 * i), {}, true));
      else // 4 channels x 4 k, or 8 x 2, widened
        values.push_back(widened(k.gep(pointer, 16 * i), 16));
    }
    return values;
  }
  Value loadA(Value pointer) {
    if (kind == PanelKind::Floats)
      return k.splat(k.load(k.f32(), 1, pointer), 16);
    if (wide) {
      Value v = k.splat(k.load(k.intType(32), 1, pointer), 16);
      return kind == PanelKind::Bytes ? bitcast(v, k.intType(8), 64) : bitcast(v, k.intType(16), 32);
    }
    if (kind == PanelKind::Bytes)
      return bitcast(k.splat(k.load(k.intType(64), 1, pointer), 4), k.intType(16), 16);
    return bitcast(k.splat(k.load(k.intType(32), 1, pointer), 8), k.intType(16), 16);
  }
  Value multiplyAdd(Value a, Value b, Value sum) {
    if (kind == PanelKind::Floats)
      return LLVM::FMAOp::create(k.b, k.loc, sum.getType(), a, b, sum);
    if (wide)
      return k.intrinsic(kind == PanelKind::Bytes ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpwssd.512",
                         sum.getType(), {sum, a, b});
    Value product = k.intrinsic("llvm.x86.avx2.pmadd.wd", sum.getType(), {a, b});
    return arith::AddIOp::create(k.b, k.loc, sum, product);
  }
  Value concat(Value low, Value high) {
    SmallVector<int64_t> order(16);
    for (int64_t i = 0; i < 16; ++i)
      order[i] = i;
    return vector::ShuffleOp::create(k.b, k.loc, low, high, order);
  }
  /// Sums of neighbours: 8 + 8 pair sums of 4 + 4 channels to 8 channels.
  Value addPairs(Value low, Value high) {
    Value even = vector::ShuffleOp::create(k.b, k.loc, low, high, SmallVector<int64_t>{0, 2, 4, 6, 8, 10, 12, 14});
    Value odd = vector::ShuffleOp::create(k.b, k.loc, low, high, SmallVector<int64_t>{1, 3, 5, 7, 9, 11, 13, 15});
    return arith::AddIOp::create(k.b, k.loc, even, odd);
  }
  /// 16 columns from the parts; `start` is added where the parts did not begin with it.
  Value finish(ArrayRef<Value> sums, Value start) {
    if (sums.size() == 1)
      return sums[0];
    if (kind != PanelKind::Bytes)
      return concat(sums[0], sums[1]);
    Value all = concat(addPairs(sums[0], sums[1]), addPairs(sums[2], sums[3]));
    return start ? Value(arith::AddIOp::create(k.b, k.loc, all, start)) : all;
  }
  /// What the parts of a panel begin with.
  SmallVector<Value, 4> begin(Value start) {
    Value zero = kind == PanelKind::Floats ? k.constantFloat(0, 16) : k.constantInt(accumulator(), 0);
    if (!start || (!wide && kind == PanelKind::Bytes))
      return SmallVector<Value, 4>(parts(), zero);
    if (parts() == 1)
      return {start};
    SmallVector<Value, 4> halves;
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<int64_t> order;
      for (int64_t i = 0; i < 8; ++i)
        order.push_back(half * 8 + i);
      halves.push_back(vector::ShuffleOp::create(k.b, k.loc, start, start, order));
    }
    return halves;
  }
};
} // namespace

SmallVector<Value> MicroKernel::emit(Value a, int64_t rowBytes, Value b, Value panelBytes, Value steps,
                                     ArrayRef<Value> start) {
  Step step{k, kind, k.isa != Isa::Avx2};
  unsigned parts = step.parts();
  int64_t stepA = stepBytesOfA(k.isa, kind);
  SmallVector<Value> sums;
  for (unsigned m = 0; m < mr; ++m)
    for (unsigned j = 0; j < nr; ++j)
      llvm::append_range(sums, step.begin(start.empty() ? Value() : start[j]));

  // All parts of a panel in one loop over k, but two at a time where more would not stay in registers.
  unsigned together = std::min(parts, 2u);
  for (unsigned first = 0; first < parts; first += together) {
    SmallVector<Value> some;
    for (unsigned i = 0; i < mr * nr; ++i)
      llvm::append_range(some, ArrayRef(sums).slice(i * parts + first, together));
    some = k.forLoop(k.i64(0), steps, 1, some, [&](Value s, ValueRange carried) {
      SmallVector<Value> next(carried.begin(), carried.end());
      Value bStep = k.gep(b, k.mul(s, PanelLayout{kind}.stepBytes())), aStep = k.gep(a, k.mul(s, stepA));
      SmallVector<SmallVector<Value, 4>, 4> columns;
      for (unsigned j = 0; j < nr; ++j)
        columns.push_back(step.loadB(k.gep(bStep, k.mul(panelBytes, j)), first, together));
      for (unsigned m = 0; m < mr; ++m) {
        Value row = step.loadA(k.gep(aStep, rowBytes * m));
        for (unsigned j = 0; j < nr; ++j)
          for (unsigned p = 0; p < together; ++p) {
            Value &sum = next[(m * nr + j) * together + p];
            sum = step.multiplyAdd(row, columns[j][p], sum);
          }
      }
      return next;
    });
    for (unsigned i = 0; i < mr * nr; ++i)
      for (unsigned p = 0; p < together; ++p)
        sums[i * parts + first + p] = some[i * together + p];
  }

  SmallVector<Value> result;
  for (unsigned m = 0; m < mr; ++m)
    for (unsigned j = 0; j < nr; ++j)
      result.push_back(
          step.finish(ArrayRef(sums).slice((m * nr + j) * parts, parts), start.empty() ? Value() : start[j]));
  return result;
}

} // namespace bitwright::x86
