//===- GemmCodesWide.cpp - 4-bit codes against s8 with AVX512-VNNI ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/GemmCodes.h"
#include "lib/Target/X86/VectorBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace bitwright::x86 {

static constexpr const char *kDotBytes = "llvm.x86.avx512.vpdpbusd.512";
static constexpr const char *kDotWords = "llvm.x86.avx512.vpdpwssd.512";

static Value bitcast(KernelBuilder &k, Value v, unsigned bits) {
  auto type = cast<VectorType>(k.vec(k.intType(bits), 512 / bits));
  return v.getType() == type ? v : Value(vector::BitCastOp::create(k.b, k.loc, type, v));
}

//===----------------------------------------------------------------------===//
// Sums of a row
//===----------------------------------------------------------------------===//

/// Sums of x over `count` groups (at most 16) from `from` on: one lane each; lanes from `count` on hold anything.
Value CodedProduct::sumGroups(Value from, int64_t count) {
  Type i32 = k.vec(k.intType(32), kLanes);
  Value ones = k.constantInt(k.vec(k.intType(8), 64), 1), none = k.constantInt(i32, 0);
  auto dot = [&](Value sum, Value pointer) {
    return k.intrinsic(kDotBytes, i32, {sum, ones, k.load(k.intType(8), 64, pointer)});
  };
  // Vectors of partial sums, in order: a group is one vector, or a part of one. Reading past the row's last group
  // stays within the slack behind A.
  SmallVector<Value> parts;
  if (columns >= 64) {
    for (int64_t g = 0; g < kLanes; ++g) {
      if (g >= count) {
        parts.push_back(none);
        continue;
      }
      parts.push_back(k.forLoop(k.i64(0), k.i64(columns), 64, {none}, [&](Value i, ValueRange c) -> SmallVector<Value> {
        return {dot(c[0], k.gep(from, k.add(i, g * columns)))};
      })[0]);
    }
  } else {
    for (int64_t i = 0; i < columns * kLanes; i += 64)
      parts.push_back(i < columns * count ? dot(none, k.gep(from, i)) : none);
  }
  while (parts.size() > 1) {
    SmallVector<Value> half;
    SmallVector<int64_t> even, odd;
    for (int64_t i = 0; i < kLanes; ++i)
      even.push_back(2 * i), odd.push_back(2 * i + 1);
    for (size_t i = 0; i < parts.size(); i += 2)
      half.push_back(parts[i] == none
                         ? none
                         : Value(arith::AddIOp::create(
                               k.b, k.loc, vector::ShuffleOp::create(k.b, k.loc, parts[i], parts[i + 1], even),
                               vector::ShuffleOp::create(k.b, k.loc, parts[i], parts[i + 1], odd))));
    parts = half;
  }
  return parts[0];
}

void CodedProduct::sumRowsWide(Value rows0, int64_t rowBytes, Value rows, Value sums) {
  Type i32 = k.vec(k.intType(32), kLanes);
  int64_t whole = groups / kLanes * kLanes, rest = groups - whole;
  k.forLoop(k.i64(0), rows, 1, [&](Value r) {
    Value row = k.gep(rows0, k.mul(r, rowBytes)), to = k.gep(sums, k.mul(r, bytesOfRowSum()));
    Value total = k.forLoop(k.i64(0), k.i64(whole), kLanes, {k.constantInt(i32, 0)},
                            [&](Value g, ValueRange carried) -> SmallVector<Value> {
                              Value sum = sumGroups(k.gep(row, k.mul(g, columns)), kLanes);
                              storeSums(sum, to, g);
                              return {arith::AddIOp::create(k.b, k.loc, carried[0], sum)};
                            })[0];
    if (rest) {
      Value sum = sumGroups(k.gep(row, whole * columns), rest);
      storeSums(sum, to, k.i64(whole));
      Value here = k.laneMask(k.i64(0), k.i64(rest), kLanes);
      sum = arith::SelectOp::create(k.b, k.loc, here, sum, k.constantInt(i32, 0));
      total = arith::AddIOp::create(k.b, k.loc, total, sum);
    }
    if (multipliesOut())
      storeTotal(vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, total), to);
  });
}

//===----------------------------------------------------------------------===//
// Codes unpacked in registers
//===----------------------------------------------------------------------===//

/// Sums of products over steps of 8 k. `sums`: [mr][nr][halves]; `panel` points to the first step of each panel.
SmallVector<Value> CodedProduct::sumStepsWide(unsigned mr, unsigned nr, Value input, int64_t rowBytes,
                                              ArrayRef<Value> panel, int64_t steps, unsigned halves, ValueRange begin) {
  Type i32 = k.vec(k.intType(32), kLanes);
  Value mask = k.constantInt(i32, 0x0f0f0f0f);
  auto step = [&](Value s, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end());
    for (unsigned half = 0; half < 2; ++half) {
      SmallVector<Value> codes;
      for (unsigned j = 0; j < nr; ++j) {
        Value raw = k.load(k.intType(32), kLanes, k.gep(panel[j], k.mul(s, kStepBytes)), {}, true);
        if (half)
          raw = arith::ShRUIOp::create(k.b, k.loc, raw, k.constantInt(i32, 4));
        codes.push_back(bitcast(k, arith::AndIOp::create(k.b, k.loc, raw, mask), 8));
      }
      for (unsigned m = 0; m < mr; ++m) {
        Value x = k.splat(k.load(k.intType(32), 1, k.gep(input, k.add(k.mul(s, 8), int64_t(m) * rowBytes + half * 4))),
                          kLanes);
        for (unsigned j = 0; j < nr; ++j) {
          Value &sum = next[(m * nr + j) * halves + (halves == 2 ? half : 0)];
          sum = k.intrinsic(kDotBytes, i32, {sum, codes[j], bitcast(k, x, 8)});
        }
      }
    }
    return next;
  };
  if (steps > 4)
    return k.forLoop(k.i64(0), k.i64(steps), 1, begin, step);
  SmallVector<Value> sums(begin.begin(), begin.end());
  for (int64_t s = 0; s < steps; ++s)
    sums = step(k.i64(s), sums);
  return sums;
}

void CodedProduct::emitWide(unsigned mr, unsigned nr, Value input, int64_t rowBytes, Value sums, Value panelIndex,
                            Value to) {
  unsigned halves = mr == 1 ? 2 : 1; // a lonely row's chains of additions are cut in two
  Type i32 = k.vec(k.intType(32), kLanes);
  int64_t steps = (columns + 7) / 8, pairs = (groups + 1) / 2;
  VectorBuilder f(k, kLanes);
  auto add = [&](Value x, Value y) -> Value { return arith::AddIOp::create(k.b, k.loc, x, y); };
  auto sub = [&](Value x, Value y) -> Value { return arith::SubIOp::create(k.b, k.loc, x, y); };
  auto mul = [&](Value x, Value y) -> Value { return arith::MulIOp::create(k.b, k.loc, x, y); };
  auto panel = [&](unsigned j) { return k.add(panelIndex, j); };
  auto startOf = [&](unsigned j) {
    return k.load(k.intType(32), kLanes, k.gep(start, k.mul(panel(j), kStepBytes)), {}, true);
  };

  SmallVector<Value> totals;
  if (grouped())
    for (unsigned i = 0; i < mr * nr; ++i)
      totals.push_back(a.floatSums ? k.constantFloat(0, kLanes) : startOf(i % nr));
  if (pairsOfSums()) // m X, two groups an instruction
    totals = k.forLoop(k.i64(0), k.i64(pairs), 1, totals, [&](Value pair, ValueRange carried) {
      SmallVector<Value> next(carried.begin(), carried.end()), offsets;
      for (unsigned j = 0; j < nr; ++j)
        offsets.push_back(
            bitcast(k,
                    k.load(k.intType(32), kLanes, k.gep(zeros, k.mul(k.add(k.mul(panel(j), pairs), pair), kStepBytes)),
                           {}, true),
                    16));
      for (unsigned m = 0; m < mr; ++m) {
        Value at = k.gep(sums, k.add(k.mul(pair, 4), int64_t(m) * bytesOfRowSum()));
        Value x = bitcast(k, k.splat(k.load(k.intType(32), 1, at), kLanes), 16);
        for (unsigned j = 0; j < nr; ++j)
          next[m * nr + j] = k.intrinsic(kDotWords, i32, {next[m * nr + j], x, offsets[j]});
      }
      return next;
    });

  auto group = [&](Value g, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end()), from, zero(nr), correction(nr), acc;
    auto place = [&](unsigned j) { return k.add(k.mul(panel(j), groups), g); };
    auto rowSum = [&](unsigned m) {
      return k.splat(k.load(k.intType(32), 1, k.gep(sums, k.add(k.mul(g, 4), int64_t(m) * bytesOfRowSum()))), kLanes);
    };
    for (unsigned j = 0; j < nr; ++j) {
      from.push_back(k.gep(codes, k.add(k.mul(panel(j), layout.panelBytes()), k.mul(g, steps * kStepBytes))));
      if (zeros && !twoLevel)
        zero[j] = arith::ExtSIOp::create(
            k.b, k.loc, i32, k.load(k.intType(16), kLanes, k.gep(zeros, k.mul(place(j), 2 * kLanes)), {}, true));
      if (corrections)
        correction[j] = k.load(k.intType(32), kLanes, k.gep(corrections, k.mul(place(j), kStepBytes)), {}, true);
    }
    for (unsigned m = 0; m < mr; ++m)
      for (unsigned j = 0; j < nr; ++j) {
        Value begin = k.constantInt(i32, 0);
        if (!twoLevel) {
          begin = rowSum(m); // -8 X, or X where there are zero points
          if (zero[j])
            begin = sub(k.constantInt(i32, 0), mul(begin, zero[j]));
          if (correction[j])
            begin = sub(begin, correction[j]);
          if (!a.floatSums)
            begin = add(begin, startOf(j));
        }
        acc.push_back(begin);
        if (halves == 2)
          acc.push_back(k.constantInt(i32, 0));
      }
    acc = sumStepsWide(mr, nr, k.gep(input, k.mul(g, columns)), rowBytes, from, steps, halves, acc);
    auto sumOf = [&](unsigned m, unsigned j) {
      Value sum = acc[(m * nr + j) * halves];
      return halves == 2 ? add(sum, acc[(m * nr + j) * halves + 1]) : sum;
    };
    for (unsigned j = 0; j < nr; ++j) {
      Value scale, offset;
      if (a.floatSums)
        scale = k.load(k.f32(), kLanes, k.gep(parameters, k.mul(place(j), kStepBytes)), {}, true);
      if (twoLevel)
        scale = arith::ExtUIOp::create(
            k.b, k.loc, i32, k.load(k.intType(8), kLanes, k.gep(parameters, k.mul(place(j), kLanes)), {}, true));
      if (twoLevel && !pairsOfSums())
        offset = offsetOf(panel(j), g);
      for (unsigned m = 0; m < mr; ++m) {
        Value &total = next[m * nr + j];
        if (a.floatSums)
          total = f.fma(f.toFloat(sumOf(m, j)), scale, total);
        else if (twoLevel)
          total = add(total, mul(sumOf(m, j), scale));
        else
          total = sumOf(m, j);
        if (offset)
          total = add(total, mul(rowSum(m), offset));
      }
    }
    return next;
  };
  if (grouped()) {
    totals = k.forLoop(k.i64(0), k.i64(groups), 1, totals, group);
  } else {
    totals.assign(mr * nr, Value());
    totals = group(k.i64(0), totals);
  }
  for (unsigned i = 0; i < mr * nr; ++i)
    k.store(totals[i], k.gep(to, int64_t(i) * kStepBytes));
}

//===----------------------------------------------------------------------===//
// Two-level codes multiplied out
//===----------------------------------------------------------------------===//

void CodedProduct::multiplyOut(Value panelIndex, unsigned nr, Value firstGroup, Value groupCount) {
  Type i32 = k.vec(k.intType(32), kLanes);
  int64_t steps = columns / 8;
  /// Element `which` of each 32-bit lane in all its places.
  auto spread = [&](Value lanes, unsigned bits, int64_t places, int64_t which) -> Value {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < kLanes * places; ++i)
      order.push_back(i / places * places + which);
    Value elements = bitcast(k, lanes, bits);
    return vector::ShuffleOp::create(k.b, k.loc, elements, elements, order);
  };
  for (unsigned j = 0; j < nr; ++j) {
    Value panel = k.add(panelIndex, j);
    Value to = k.gep(unpacked, int64_t(j) * kLanes * blockColumns());
    auto group = [&](Value i, Value pairOfOffsets, bool odd) {
      Value g = k.add(firstGroup, i);
      // S in both halves of a word: two codes at a time, no carry between them.
      Value scale = arith::ExtUIOp::create(
          k.b, k.loc, i32,
          k.load(k.intType(8), kLanes, k.gep(parameters, k.mul(k.add(k.mul(panel, groups), g), kLanes)), {}, true));
      scale = spread(scale, 16, 2, 0);
      // m + 128 in each byte: only the low byte of m counts.
      Value offset = spread(pairOfOffsets, 8, 4, odd ? 2 : 0);
      offset = arith::AddIOp::create(k.b, k.loc, offset, k.constantInt(offset.getType(), -128));
      Value from = k.gep(codes, k.add(k.mul(panel, layout.panelBytes()), k.mul(g, steps * kStepBytes)));
      Value target = k.gep(to, k.mul(i, steps * 2 * kStepBytes));
      auto step = [&](Value s) {
        Value raw = k.load(k.intType(32), kLanes, k.gep(from, k.mul(s, kStepBytes)), {}, true);
        for (int64_t half = 0; half < 2; ++half) {
          Value code = half ? Value(arith::ShRUIOp::create(k.b, k.loc, raw, k.constantInt(i32, 4))) : raw;
          code = arith::AndIOp::create(k.b, k.loc, code, k.constantInt(i32, 0x0f0f0f0f));
          Value product = bitcast(k, arith::MulIOp::create(k.b, k.loc, bitcast(k, code, 16), scale), 8);
          k.store(arith::AddIOp::create(k.b, k.loc, product, offset),
                  k.gep(target, k.add(k.mul(s, 2 * kStepBytes), half * kStepBytes)));
        }
      };
      if (steps > 4)
        k.forLoop(k.i64(0), k.i64(steps), 1, step);
      else
        for (int64_t s = 0; s < steps; ++s)
          step(k.i64(s));
    };
    // `firstGroup` is even: pairs of groups share a vector of offsets.
    auto offsetsOf = [&](Value i) {
      Value pair = k.add(k.mul(panel, (groups + 1) / 2), k.div(k.add(firstGroup, i), k.i64(2)));
      return k.load(k.intType(32), kLanes, k.gep(zeros, k.mul(pair, kStepBytes)), {}, true);
    };
    Value even = k.mul(k.div(groupCount, k.i64(2)), 2);
    k.forLoop(k.i64(0), even, 2, [&](Value i) {
      Value offsets = offsetsOf(i);
      group(i, offsets, /*odd=*/false);
      group(k.add(i, 1), offsets, /*odd=*/true);
    });
    if (groups % 2)
      k.ifThen(k.less(even, groupCount), [&] { group(even, offsetsOf(even), /*odd=*/false); });
  }
}

void CodedProduct::productsMultipliedOut(Value input, int64_t rowBytes, Value sums, Value panelIndex, unsigned nr,
                                         Value count, Value accumulators) {
  constexpr unsigned mr = 8;
  Type i32 = k.vec(k.intType(32), kLanes);
  int64_t blockGroups = blockColumns() / columns;
  k.forLoop(k.i64(0), k.i64(groups), blockGroups, [&](Value g) {
    Value here = k.min(k.i64(blockGroups), k.sub(k.i64(groups), g));
    multiplyOut(panelIndex, nr, g, here);
    k.forLoop(k.i64(0), count, mr, [&](Value blockRow) {
      Value from = k.gep(input, k.add(k.mul(blockRow, rowBytes), k.mul(g, columns)));
      Value to = k.gep(accumulators, k.mul(blockRow, int64_t(nr) * kStepBytes));
      // The first block of columns begins with the bias and what the codes' offset of 128 adds, taken back.
      SmallVector<Type> types(mr * nr, i32);
      auto branch = scf::IfOp::create(k.b, k.loc, types, k.equal(g, k.i64(0)), /*withElseRegion=*/true);
      {
        OpBuilder::InsertionGuard guard(k.b);
        for (bool first : {true, false}) {
          k.b.setInsertionPointToStart(first ? branch.thenBlock() : branch.elseBlock());
          SmallVector<Value> values;
          for (unsigned m = 0; m < mr; ++m)
            for (unsigned j = 0; j < nr; ++j) {
              if (!first) {
                values.push_back(k.load(k.intType(32), kLanes, k.gep(to, int64_t(m * nr + j) * kStepBytes)));
                continue;
              }
              Value total = k.gep(sums, k.add(k.mul(k.add(blockRow, m), bytesOfRowSum()), 2 * paddedGroups()));
              Value bias = k.gep(start, k.mul(k.add(panelIndex, j), kStepBytes));
              values.push_back(arith::AddIOp::create(k.b, k.loc, k.load(k.intType(32), kLanes, bias, {}, true),
                                                     k.splat(k.load(k.intType(32), 1, total), kLanes)));
            }
          scf::YieldOp::create(k.b, k.loc, values);
        }
      }
      SmallVector<Value> acc(branch.getResults());
      acc = k.forLoop(k.i64(0), k.mul(here, columns / 4), 1, acc, [&](Value s, ValueRange carried) {
        SmallVector<Value> next(carried.begin(), carried.end()), weights;
        for (unsigned j = 0; j < nr; ++j)
          weights.push_back(k.load(k.intType(8), 64,
                                   k.gep(unpacked, k.add(k.mul(s, kStepBytes), int64_t(j) * kLanes * blockColumns()))));
        for (unsigned m = 0; m < mr; ++m) {
          Value x = k.splat(k.load(k.intType(32), 1, k.gep(from, k.add(k.mul(s, 4), int64_t(m) * rowBytes))), kLanes);
          for (unsigned j = 0; j < nr; ++j)
            next[m * nr + j] = k.intrinsic(kDotBytes, i32, {next[m * nr + j], weights[j], bitcast(k, x, 8)});
        }
        return next;
      });
      for (unsigned i = 0; i < mr * nr; ++i)
        k.store(acc[i], k.gep(to, int64_t(i) * kStepBytes));
    });
  });
}

} // namespace bitwright::x86
