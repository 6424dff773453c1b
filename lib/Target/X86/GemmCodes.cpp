//===- GemmCodes.cpp - products whose weights stay codes in memory ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/GemmCodes.h"
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/VectorBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <numeric>

using namespace mlir;

namespace bitwright::x86 {

static unsigned bitsOf(Value codes) { return cast<RankedTensorType>(codes.getType()).getElementTypeBitWidth(); }

bool CodedProduct::covers(KernelBuilder &k, const ConvAnchor &a) {
  if (!a.codes || !k.constant(a.codes))
    return false;
  int64_t step = bitsOf(a.codes) == 4 ? 8 : 4;
  if (a.columnGroup % step)
    return false;
  if (a.isFloat) // missing codes of a last step would meet whatever lies in scratch
    return !a.isConv && a.depth() % step == 0 && (bitsOf(a.codes) == 4 || bitsOf(a.codes) == 8);
  return bitsOf(a.codes) == 4 && cast<RankedTensorType>(a.input.getType()).getElementType().isInteger(8);
}

CodedProduct::CodedProduct(KernelBuilder &k, const ConvAnchor &a) : integers(!a.isFloat), k(k), a(a) {
  layout = {bitsOf(a.codes) == 4 ? PanelKind::Nibbles : PanelKind::Bytes, a.groups, a.outputsPerGroup(), a.depth()};
  columns = a.columnGroup ? a.columnGroup : a.depth();
  groups = a.depth() / columns;
  twoLevel = bool(a.groupScale);
}

unsigned CodedProduct::maxPanels(Isa isa) const {
  return isa == Isa::Avx2 ? 1 : integers ? kWidePanels : 2 * kWidePanels;
}
// Registers: sums, totals of groups, a step's codes before and behind the unpacking, the mask, a broadcast of the
// input. 32 zmm: 12 + 12 + 3 + 3 + 1 + 1, and the epilogue of a few rows overlaps the next sums; floats 24 + 3 + 3 + 1.
// 16 ymm hold half a panel each. Every count divides the 48 rows of a tile.
unsigned CodedProduct::rowsFor(Isa isa) const { return isa == Isa::Avx2 || integers ? 4 : 8; }

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

/// Calls f(place of 16 channels' parameters, lane, channel of all, group of K): [group][panel][group of K][16].
template <typename F> static void forEachParameter(const PanelLayout &layout, int64_t groups, F f) {
  for (int64_t g = 0; g < layout.groups; ++g)
    for (int64_t c = 0; c < layout.n; ++c)
      for (int64_t p = 0; p < groups; ++p)
        f((g * layout.panels() + c / kLanes) * groups + p, c % kLanes, g * layout.n + c, p);
}

void CodedProduct::pack() {
  bool nibbles = layout.kind == PanelKind::Nibbles, isSigned = !twoLevel;
  std::vector<int64_t> stored = toIntegers(*k.constant(a.codes));
  if (nibbles)
    for (int64_t &code : stored)
      code = isSigned ? code + 8 : code & 15;
  std::vector<uint8_t> packed = packIntegerPanels(layout, stored, a.taps);
  codes = k.constantBuffer(
      nibbles ? (isSigned ? "codes [group][N/16][K/8][16][8] s4 + 8" : "codes [group][N/16][K/8][16][8] u4")
              : "weights [group][N/16][K/4][16][4] s8",
      ArrayRef<uint8_t>(packed));
  if (nibbles)
    k.markNibbles(packed, layout);
  if (a.groups == 1 && a.taps == 1)
    k.markPacked(packed, a.codes, nibbles ? ConstantBuffer::Order::PanelNibbles : ConstantBuffer::Order::PanelBytes,
                 nibbles && isSigned);

  int64_t places = layout.groups * layout.panels() * groups;
  std::vector<int64_t> z = a.zeroPoints ? toIntegers(*k.constant(a.zeroPoints)) : std::vector<int64_t>();
  auto zeroOf = [&](int64_t channel, int64_t group) {
    return z.empty() ? 0 : z.size() == 1 ? z[0] : z[size_t(channel * groups + group)];
  };
  if (a.scales && (a.isFloat || a.floatSums)) {
    std::vector<float> s = toFloats(*k.constant(a.scales)), lanes(size_t(places * kLanes));
    forEachParameter(layout, groups, [&](int64_t place, int64_t lane, int64_t channel, int64_t group) {
      lanes[size_t(place * kLanes + lane)] = s.size() == 1 ? s[0] : s[size_t(channel * groups + group)];
    });
    parameters = k.constantBuffer("scales [group][N/16][K/group][16] f32", ArrayRef<float>(lanes));
  }
  if (!z.empty()) {
    std::vector<int16_t> lanes(size_t(places * kLanes));
    forEachParameter(layout, groups, [&](int64_t place, int64_t lane, int64_t channel, int64_t group) {
      lanes[size_t(place * kLanes + lane)] = int16_t(zeroOf(channel, group) + (nibbles ? 8 : 0));
    });
    zeros =
        k.constantBuffer("zero points of the stored codes [group][N/16][K/group][16] s16", ArrayRef<int16_t>(lanes));
  }
  if (a.isFloat)
    return;

  if (twoLevel) {
    std::vector<int64_t> s = toIntegers(*k.constant(a.groupScale)), m = toIntegers(*k.constant(a.groupOffset));
    std::vector<uint8_t> scales(size_t(places * kLanes), 1);
    int64_t pairs = (groups + 1) / 2;
    std::vector<int16_t> offsets(size_t(layout.groups * layout.panels() * pairs * kLanes * 2));
    forEachParameter(layout, groups, [&](int64_t place, int64_t lane, int64_t channel, int64_t group) {
      scales[size_t(place * kLanes + lane)] = uint8_t(s[size_t(channel * groups + group)]);
      int64_t pair = place / groups * pairs + group / 2;
      offsets[size_t((pair * kLanes + lane) * 2 + group % 2)] = int16_t(m[size_t(channel * groups + group)]);
    });
    parameters = k.constantBuffer("group scales [group][N/16][K/group][16] u8", ArrayRef<uint8_t>(scales));
    zeros = k.constantBuffer("group offsets [group][N/16][K/group/2][16][2] s16", ArrayRef<int16_t>(offsets));
  }
  // The input's zero point times the weights' sums: into the start, or for float sums group by group.
  std::vector<int64_t> bias = a.bias ? toIntegers(*k.constant(a.bias)) : std::vector<int64_t>();
  if (!a.floatSums) {
    start = k.constantBuffer(
        "bias with zero point folded in, s32",
        ArrayRef<int32_t>(foldBias(a.groups, layout.n, a.depth(), a.integerWeights(k), bias, a.zeroPoint, 0)));
    return;
  }
  if (a.zeroPoint) {
    std::vector<int64_t> q = toIntegers(*k.constant(a.codes));
    std::vector<int32_t> lanes(size_t(places * kLanes));
    forEachParameter(layout, groups, [&](int64_t place, int64_t lane, int64_t channel, int64_t group) {
      int64_t sum = 0;
      for (int64_t i = 0; i < columns; ++i)
        sum += q[size_t(channel * a.depth() + group * columns + i)] - zeroOf(channel, group);
      lanes[size_t(place * kLanes + lane)] = int32_t(uint32_t(a.zeroPoint * sum));
    });
    corrections =
        k.constantBuffer("zero point times sums of weights [N/16][K/group][16] s32", ArrayRef<int32_t>(lanes));
  }
}

//===----------------------------------------------------------------------===//
// Sums of a row
//===----------------------------------------------------------------------===//

void CodedProduct::sumRows(Value rows0, int64_t rowBytes, Value rows, Value sums) {
  bool together = columns == 8 || columns == 16 || columns == 32 || (columns % 64 == 0 && groups > 1);
  if (wide() && together)
    sumRowsWide(rows0, rowBytes, rows, sums);
  else
    sumRowsOneByOne(rows0, rowBytes, rows, sums);
}

void CodedProduct::sumRowsOneByOne(Value rows0, int64_t rowBytes, Value rows, Value sums) {
  Type i32 = k.intType(32);
  auto reduce = [&](Value vector) -> Value {
    return vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, vector);
  };
  auto widen = [&](Value bytes, unsigned lanes) -> Value {
    return arith::ExtSIOp::create(k.b, k.loc, k.vec(i32, lanes), bytes);
  };
  unsigned lanes = wide() && columns >= 64 ? 64 : 16;
  k.forLoop(k.i64(0), rows, 1, [&](Value r) {
    Value to = k.gep(sums, k.mul(r, bytesOfRowSum()));
    auto addGroup = [&](Value g, ValueRange carried) -> SmallVector<Value> {
      Value from = k.gep(rows0, k.add(k.mul(r, rowBytes), k.mul(g, columns)));
      int64_t whole = columns / lanes * lanes;
      Value partial = k.constantInt(k.vec(i32, 16), 0);
      if (whole)
        partial = k.forLoop(k.i64(0), k.i64(whole), lanes, {partial}, [&](Value i, ValueRange c) -> SmallVector<Value> {
          Value bytes = k.load(k.intType(8), lanes, k.gep(from, i));
          if (lanes == 64)
            return {k.intrinsic("llvm.x86.avx512.vpdpbusd.512", c[0].getType(),
                                {c[0], k.constantInt(k.vec(k.intType(8), 64), 1), bytes})};
          return {arith::AddIOp::create(k.b, k.loc, c[0], widen(bytes, 16))};
        })[0];
      Value sum = reduce(partial);
      int64_t done = whole;
      for (unsigned part : {32u, 16u, 8u, 4u, 2u, 1u})
        if ((columns - done) & part) {
          Value bytes = k.load(k.intType(8), part, k.gep(from, done));
          Value piece = part == 1 ? widen(bytes, 1) : reduce(widen(bytes, part));
          sum = arith::AddIOp::create(k.b, k.loc, sum, piece);
          done += part;
        }
      storeSums(sum, to, g);
      return {arith::AddIOp::create(k.b, k.loc, carried[0], sum)};
    };
    Value total = k.forLoop(k.i64(0), k.i64(groups), 1, {k.constantInt(i32, 0)}, addGroup)[0];
    if (wide() && multipliesOut())
      storeTotal(total, to);
  });
}

void CodedProduct::storeSums(Value sum, Value to, Value g) {
  unsigned lanes = KernelBuilder::lanesOf(sum.getType());
  if (pairsOfSums()) {
    k.store(arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(16), lanes), sum), k.gep(to, k.mul(g, 2)));
    return;
  }
  if (!twoLevel && !zeros) // what the codes' offset of 8 adds, taken back
    sum = arith::MulIOp::create(k.b, k.loc, sum, k.constantInt(k.vec(k.intType(32), lanes), -8));
  k.store(sum, k.gep(to, k.mul(g, 4)));
}

void CodedProduct::storeTotal(Value total, Value to) {
  Value offset = arith::MulIOp::create(k.b, k.loc, total, k.constantInt(k.intType(32), -128));
  k.store(offset, k.gep(to, 2 * paddedGroups()));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void CodedProduct::products(Value input, int64_t rowBytes, Value sums, Value panelIndex, unsigned nr, Value count,
                            Value accumulators, llvm::function_ref<void(Value, Value)> finish) {
  unsigned mr = rowsFor(k.isa);
  auto either = [&](Value condition, llvm::function_ref<void()> first, llvm::function_ref<void()> second) {
    auto branch = scf::IfOp::create(k.b, k.loc, condition, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    first();
    k.b.setInsertionPoint(branch.elseBlock()->getTerminator());
    second();
  };
  auto blockByBlock = [&] {
    k.forLoop(k.i64(0), count, mr, [&](Value blockRow) {
      Value rows = k.min(k.i64(mr), k.sub(count, blockRow));
      auto some = [&](unsigned number, Value r) {
        Value row = k.add(blockRow, r), from = k.gep(input, k.mul(row, rowBytes));
        Value to = k.gep(accumulators, k.mul(r, int64_t(nr) * kStepBytes));
        Value rowSums = integers ? k.gep(sums, k.mul(row, bytesOfRowSum())) : Value();
        unsigned together = number == 1 || nr <= kWidePanels ? nr : kWidePanels;
        for (unsigned j = 0; !integers && j < nr; j += together)
          emitFloats(number, std::min(together, nr - j), from, rowBytes, k.add(panelIndex, j),
                     k.gep(to, j * kStepBytes), nr);
        if (!integers)
          return;
        if (wide())
          emitWide(number, nr, from, rowBytes, rowSums, panelIndex, to);
        else
          emitIntegers(number, from, rowBytes, rowSums, panelIndex, to);
      };
      // One or two rows: one at a time; more: half the block, or all of it, the missing ones from whatever lies in
      // scratch.
      either(
          k.less(rows, k.i64(3)), [&] { k.forLoop(k.i64(0), rows, 1, [&](Value r) { some(1, r); }); },
          [&] {
            if (mr < 8)
              return some(mr, k.i64(0));
            either(k.less(rows, k.i64(mr / 2 + 1)), [&] { some(mr / 2, k.i64(0)); }, [&] { some(mr, k.i64(0)); });
          });
      finish(blockRow, rows);
    });
  };
  if (!wide() || !multipliesOut())
    return blockByBlock();
  either(k.less(count, k.i64(kManyRows)), blockByBlock, [&] {
    productsMultipliedOut(input, rowBytes, sums, panelIndex, nr, count, accumulators);
    finish(k.i64(0), count);
  });
}

Value CodedProduct::offsetOf(Value panel, Value g) {
  // That of an even group is the low half of a pair, that of an odd one the high half.
  Type i32 = k.vec(k.intType(32), kLanes);
  Value place = k.add(k.mul(panel, (groups + 1) / 2), k.div(g, k.i64(2)));
  Value pair = k.load(k.intType(32), kLanes, k.gep(zeros, k.mul(place, kStepBytes)), {}, true);
  Value up = arith::TruncIOp::create(k.b, k.loc, k.intType(32), k.mul(k.sub(k.i64(1), k.rem(g, k.i64(2))), 16));
  pair = arith::ShLIOp::create(k.b, k.loc, pair, k.splat(up, kLanes));
  return arith::ShRSIOp::create(k.b, k.loc, pair, k.constantInt(i32, 16));
}

//===----------------------------------------------------------------------===//
// AVX2
//===----------------------------------------------------------------------===//

/// Sums of products over steps of 8 k of one panel. `sums`: [mr][half of the panel][halves of a step]; `panel` points
/// to the first step.
SmallVector<Value> CodedProduct::sumSteps(unsigned mr, Value input, int64_t rowBytes, Value panel, int64_t steps,
                                          unsigned halves, ValueRange begin) {
  Type ints = k.vec(k.intType(32), 8), words = k.vec(k.intType(16), 16), bytes = k.vec(k.intType(8), 32);
  auto asBytes = [&](Value v) -> Value { return vector::BitCastOp::create(k.b, k.loc, cast<VectorType>(bytes), v); };
  return k.forLoop(k.i64(0), k.i64(steps), 1, begin, [&](Value s, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end());
    for (unsigned half = 0; half < 2; ++half) {
      SmallVector<Value> unpacked;
      for (unsigned p = 0; p < 2; ++p) {
        Value raw = k.load(k.intType(32), 8, k.gep(panel, k.add(k.mul(s, kStepBytes), 32 * p)), {}, true);
        if (half)
          raw = arith::ShRUIOp::create(k.b, k.loc, raw, k.constantInt(ints, 4));
        unpacked.push_back(asBytes(arith::AndIOp::create(k.b, k.loc, raw, k.constantInt(ints, 0x0f0f0f0f))));
      }
      for (unsigned m = 0; m < mr; ++m) {
        Value x =
            k.splat(k.load(k.intType(32), 1, k.gep(input, k.add(k.mul(s, 8), int64_t(m) * rowBytes + half * 4))), 8);
        for (unsigned p = 0; p < 2; ++p) {
          Value &sum = next[(m * 2 + p) * halves + (halves == 2 ? half : 0)];
          Value pairs = k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", words, {unpacked[p], asBytes(x)});
          pairs = k.intrinsic("llvm.x86.avx2.pmadd.wd", ints, {pairs, k.constantInt(words, 1)});
          sum = arith::AddIOp::create(k.b, k.loc, sum, pairs);
        }
      }
    }
    return next;
  });
}

void CodedProduct::emitIntegers(unsigned mr, Value input, int64_t rowBytes, Value sums, Value panel, Value to) {
  unsigned halves = mr == 1 ? 2 : 1; // a lonely row's chains of additions are cut in two
  Type i32 = k.vec(k.intType(32), kLanes);
  int64_t steps = (columns + 7) / 8;
  auto make = [&](Value x, Value y, auto op) -> Value { return decltype(op)::create(k.b, k.loc, x, y); };
  auto shuffle = [&](Value x, Value y, int64_t from, int64_t count) -> Value {
    SmallVector<int64_t> order(count);
    std::iota(order.begin(), order.end(), from);
    return vector::ShuffleOp::create(k.b, k.loc, x, y, order);
  };
  VectorBuilder f(k, kLanes);
  auto total = [&](unsigned m) { return k.gep(to, int64_t(m) * kStepBytes); };
  Value startHere = a.floatSums ? k.constantFloat(0, kLanes)
                                : k.load(k.intType(32), kLanes, k.gep(start, k.mul(panel, kStepBytes)), {}, true);
  bool kept = grouped(); // totals of all groups lie in memory
  for (unsigned m = 0; kept && m < mr; ++m)
    k.store(startHere, total(m));

  k.forLoop(k.i64(0), k.i64(groups), 1, [&](Value g) {
    Value place = k.add(k.mul(panel, groups), g);
    auto rowSum = [&](unsigned m) {
      return k.splat(k.load(k.intType(32), 1, k.gep(sums, k.mul(k.add(g, int64_t(m) * groups), 4))), kLanes);
    };
    SmallVector<Value> acc;
    Value from = k.gep(codes, k.add(k.mul(panel, layout.panelBytes()), k.mul(g, steps * kStepBytes))), zero, correction;
    if (zeros && !twoLevel)
      zero = arith::ExtSIOp::create(k.b, k.loc, i32,
                                    k.load(k.intType(16), kLanes, k.gep(zeros, k.mul(place, 2 * kLanes)), {}, true));
    if (corrections)
      correction = k.load(k.intType(32), kLanes, k.gep(corrections, k.mul(place, kStepBytes)), {}, true);
    for (unsigned m = 0; m < mr; ++m) {
      Value begin = k.constantInt(i32, 0);
      if (!twoLevel) {
        begin = rowSum(m); // -8 X, or X where there are zero points
        if (zero)
          begin = make(k.constantInt(i32, 0), make(begin, zero, arith::MulIOp()), arith::SubIOp());
        if (correction)
          begin = make(begin, correction, arith::SubIOp());
        if (!a.floatSums)
          begin = make(begin, startHere, arith::AddIOp());
      }
      for (int64_t p = 0; p < 2; ++p) {
        acc.push_back(shuffle(begin, begin, p * 8, 8));
        if (halves == 2)
          acc.push_back(k.constantInt(k.vec(k.intType(32), 8), 0));
      }
    }
    acc = sumSteps(mr, k.gep(input, k.mul(g, columns)), rowBytes, from, steps, halves, acc);
    Value scale, offset;
    if (a.floatSums)
      scale = k.load(k.f32(), kLanes, k.gep(parameters, k.mul(place, kStepBytes)), {}, true);
    if (twoLevel) {
      offset = offsetOf(panel, g);
      scale = arith::ExtUIOp::create(k.b, k.loc, i32,
                                     k.load(k.intType(8), kLanes, k.gep(parameters, k.mul(place, kLanes)), {}, true));
    }
    for (unsigned m = 0; m < mr; ++m) {
      SmallVector<Value> part;
      for (unsigned p = 0; p < 2; ++p) {
        auto one = ArrayRef(acc).slice((m * 2 + p) * halves, halves);
        part.push_back(halves == 2 ? make(one[0], one[1], arith::AddIOp()) : one[0]);
      }
      Value sum = shuffle(part[0], part[1], 0, 16);
      if (a.floatSums)
        sum = f.fma(f.toFloat(sum), scale, k.load(k.f32(), kLanes, total(m)));
      else if (twoLevel)
        sum = make(make(k.load(k.intType(32), kLanes, total(m)), make(sum, scale, arith::MulIOp()), arith::AddIOp()),
                   make(rowSum(m), offset, arith::MulIOp()), arith::AddIOp());
      k.store(sum, total(m));
    }
  });
}

//===----------------------------------------------------------------------===//
// Codes against f32
//===----------------------------------------------------------------------===//

void CodedProduct::emitFloats(unsigned mr, unsigned nr, Value input, int64_t rowBytes, Value panelIndex, Value to,
                              unsigned panelsOfRow) {
  VectorBuilder f(k, kLanes);
  bool nibbles = layout.kind == PanelKind::Nibbles;
  int64_t perStep = layout.kStep(), steps = columns / perStep;
  Type i32 = k.vec(k.intType(32), kLanes);
  // Floats of the codes, less 8 where no zero points say so.
  SmallVector<float> floats;
  for (int64_t code = 0; code < kLanes; ++code)
    floats.push_back(float(code - (zeros ? 0 : 8)));
  Value table = arith::ConstantOp::create(
      k.b, k.loc, DenseElementsAttr::get(cast<VectorType>(k.vec(k.f32(), kLanes)), ArrayRef<float>(floats)));
  SmallVector<Value> sums(mr * nr, k.constantFloat(0, kLanes));
  sums = k.forLoop(k.i64(0), k.i64(groups), 1, sums, [&](Value g, ValueRange outer) {
    SmallVector<Value> scale, zero, codeGroup;
    for (unsigned j = 0; j < nr; ++j) {
      Value panel = k.add(panelIndex, j), place = k.add(k.mul(panel, groups), g);
      scale.push_back(k.load(k.f32(), kLanes, k.gep(parameters, k.mul(place, kStepBytes)), {}, true));
      zero.push_back(Value());
      if (zeros)
        zero.back() = f.toFloat(arith::ExtSIOp::create(
            k.b, k.loc, i32, k.load(k.intType(16), kLanes, k.gep(zeros, k.mul(place, 2 * kLanes)), {}, true)));
      else if (nibbles && !wide())
        zero.back() = k.constantFloat(8, kLanes);
      if (nibbles && !wide()) // see below
        zero.back() = f.add(zero.back(), f.constant(0x1p23f));
      codeGroup.push_back(k.gep(codes, k.add(k.mul(panel, layout.panelBytes()), k.mul(g, steps * kStepBytes))));
    }
    Value inputGroup = k.gep(input, k.mul(g, columns * 4));
    return k.forLoop(k.i64(0), k.i64(steps), 1, outer, [&](Value s, ValueRange carried) {
      SmallVector<Value> next(carried.begin(), carried.end()), raw;
      for (unsigned j = 0; j < nr; ++j)
        raw.push_back(k.load(k.intType(32), kLanes, k.gep(codeGroup[j], k.mul(s, kStepBytes)), {}, true));
      for (int64_t i = 0; i < perStep; ++i) {
        SmallVector<Value> w;
        for (unsigned j = 0; j < nr; ++j) {
          Value real;
          int at = int(i % 4 * 8 + i / 4 * 4);
          if (nibbles && wide()) { // the low four bits of a lane choose one of 16 floats
            real = k.intrinsic("llvm.x86.avx512.permvar.sf.512", k.vec(k.f32(), kLanes),
                               {table, at ? f.lshr(raw[j], at) : raw[j]});
          } else if (nibbles) { // the code in the low bits of 2^23 is the float 2^23 + code
            Value code = f.andi(at ? f.lshr(raw[j], at) : raw[j], f.constant(int32_t(15)));
            real = f.bitcastToFloat(f.ori(code, f.constant(int32_t(0x4b000000))));
          } else {
            real = f.toFloat(f.ashr(f.shl(raw[j], int(24 - 8 * i)), 24));
          }
          // Exact: integers below 2^24.
          w.push_back(f.mul(zero[j] ? f.sub(real, zero[j]) : real, scale[j]));
        }
        for (unsigned m = 0; m < mr; ++m) {
          Value x = k.splat(
              k.load(k.f32(), 1, k.gep(inputGroup, k.add(k.mul(s, perStep * 4), int64_t(m) * rowBytes + i * 4))),
              kLanes);
          for (unsigned j = 0; j < nr; ++j)
            next[m * nr + j] = f.fma(x, w[j], next[m * nr + j]);
        }
      }
      return next;
    });
  });
  for (unsigned m = 0; m < mr; ++m)
    for (unsigned j = 0; j < nr; ++j)
      k.store(sums[m * nr + j], k.gep(to, int64_t(m * panelsOfRow + j) * kStepBytes));
}

} // namespace bitwright::x86
