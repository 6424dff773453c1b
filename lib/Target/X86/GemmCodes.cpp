//===- GemmCodes.cpp - products whose weights stay codes in memory ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// KERNELS 6.2: unsigned 4-bit codes are the unsigned operand of vpdpbusd (AVX2: vpmaddubsw, whose pair sums of at most
// 2 * 15 * 128 cannot saturate), s8 activations the signed one. A step of 64 bytes is 8 k of 16 channels: and; shift,
// and. What the code's offset and a group's integers add is a multiple of the row's sum of x over the group.
//===----------------------------------------------------------------------===//
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/Gemm.h"
#include "lib/Target/X86/VectorBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

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

unsigned CodedProduct::maxPanels(Isa isa) { return isa == Isa::Avx2 ? 1 : 2; }
// Registers (of 32 zmm, or 16 ymm that hold half a panel each): accumulators, two panels' codes before and behind the
// unpacking, the mask; scales and zero points.
unsigned CodedProduct::rowsFor(Isa isa) { return isa == Isa::Avx2 ? 4 : 12; }

bool CodedProduct::scalesCodes() const {
  // code * S <= 255 as an unsigned byte: too much for the pair sums of AVX2. Sums of x over a group must fit 16 bits.
  return twoLevel && k.isa != Isa::Avx2 && columns <= 256;
}

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
  Type i32 = k.intType(32);
  auto reduce = [&](Value vector) -> Value {
    return vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, vector);
  };
  auto widen = [&](Value bytes, unsigned lanes) -> Value {
    return arith::ExtSIOp::create(k.b, k.loc, k.vec(i32, lanes), bytes);
  };
  bool wide = k.isa != Isa::Avx2;
  unsigned lanes = wide && columns >= 64 ? 64 : 16;
  k.forLoop(k.i64(0), rows, 1, [&](Value r) {
    Value total = k.forLoop(
        k.i64(0), k.i64(groups), 1, {k.constantInt(i32, 0)}, [&](Value g, ValueRange carried) -> SmallVector<Value> {
          Value from = k.gep(rows0, k.add(k.mul(r, rowBytes), k.mul(g, columns)));
          int64_t whole = columns / lanes * lanes;
          Value partial = k.constantInt(k.vec(i32, 16), 0);
          if (whole)
            partial =
                k.forLoop(k.i64(0), k.i64(whole), lanes, {partial}, [&](Value i, ValueRange c) -> SmallVector<Value> {
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
          Value all = arith::AddIOp::create(k.b, k.loc, carried[0], sum);
          if (scalesCodes()) { // pairs of 16 bits
            Value narrow = arith::TruncIOp::create(k.b, k.loc, k.intType(16), sum);
            k.store(narrow, k.gep(sums, k.add(k.mul(r, (groups + 1) / 2 * 4), k.mul(g, 2))));
            return {all};
          }
          if (!twoLevel && !zeros) // what the codes' offset of 8 adds, taken back
            sum = arith::MulIOp::create(k.b, k.loc, sum, k.constantInt(i32, -8));
          k.store(sum, k.gep(sums, k.mul(k.add(k.mul(r, groups), g), 4)));
          return {all};
        })[0];
    if (rowTotals)
      k.store(arith::MulIOp::create(k.b, k.loc, total, k.constantInt(i32, -128)), k.gep(rowTotals, k.mul(r, 4)));
  });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void CodedProduct::emit(Value input, int64_t rowBytes, Value sums, Value panelIndex, unsigned nr, Value rows, Value to,
                        Value many, Value totals) {
  unsigned mr = rowsFor(k.isa);
  auto some = [&](unsigned count, Value firstRow) {
    Value from = k.gep(input, k.mul(firstRow, rowBytes));
    Value target = k.gep(to, k.mul(firstRow, int64_t(nr) * kStepBytes));
    if (!integers)
      emitFloats(count, nr, from, rowBytes, panelIndex, target);
    else if (scalesCodes())
      emitTwoLevel(count, nr, from, rowBytes, k.gep(sums, k.mul(firstRow, (groups + 1) / 2 * 4)), panelIndex, target);
    else
      emitIntegers(count, nr, from, rowBytes, k.gep(sums, k.mul(firstRow, groups * 4)), panelIndex, target);
  };
  // One or two rows: one at a time; more: half the block, or all of it, the missing ones from whatever lies in scratch.
  auto either = [&](Value condition, llvm::function_ref<void()> first, llvm::function_ref<void()> second) {
    auto branch = scf::IfOp::create(k.b, k.loc, condition, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
    first();
    k.b.setInsertionPoint(branch.elseBlock()->getTerminator());
    second();
  };
  auto byRows = [&] {
    either(
        k.less(rows, k.i64(3)), [&] { k.forLoop(k.i64(0), rows, 1, [&](Value r) { some(1, r); }); },
        [&] {
          if (mr < 8)
            return some(mr, k.i64(0));
          either(k.less(rows, k.i64(mr / 2 + 1)), [&] { some(mr / 2, k.i64(0)); }, [&] { some(mr, k.i64(0)); });
        });
  };
  if (many)
    either(many, [&] { emitUnpacked(nr, input, rowBytes, totals, panelIndex, to); }, byRows);
  else
    byRows();
}

namespace {
/// Vectors of 32-bit lanes: a whole panel, or two halves (AVX2).
struct Lanes {
  KernelBuilder &k;
  bool wide;
  unsigned parts() const { return wide ? 1 : 2; }
  unsigned width() const { return wide ? 16 : 8; }
  Type ints() const { return k.vec(k.intType(32), width()); }
  Value load(Value pointer, unsigned part) {
    return k.load(k.intType(32), width(), k.gep(pointer, 32 * part), {}, true);
  }
  Value bytes(Value ints) {
    return vector::BitCastOp::create(k.b, k.loc, cast<VectorType>(k.vec(k.intType(8), width() * 4)), ints);
  }
  /// sum + products of unsigned codes and four k of the input.
  Value multiplyAdd(Value sum, Value codes, Value input) {
    if (wide)
      return k.intrinsic("llvm.x86.avx512.vpdpbusd.512", ints(), {sum, bytes(codes), bytes(input)});
    Type words = k.vec(k.intType(16), 16);
    Value pairs = k.intrinsic("llvm.x86.avx2.pmadd.ub.sw", words, {bytes(codes), bytes(input)});
    return arith::AddIOp::create(k.b, k.loc, sum,
                                 k.intrinsic("llvm.x86.avx2.pmadd.wd", ints(), {pairs, k.constantInt(words, 1)}));
  }
  /// A part of 16 lanes.
  Value part(Value whole, unsigned p) {
    if (wide)
      return whole;
    SmallVector<int64_t> order(8);
    for (int64_t i = 0; i < 8; ++i)
      order[i] = int64_t(p) * 8 + i;
    return vector::ShuffleOp::create(k.b, k.loc, whole, whole, order);
  }
  /// 16 lanes from the parts.
  Value join(ArrayRef<Value> parts) {
    if (parts.size() == 1)
      return parts[0];
    SmallVector<int64_t> order(16);
    for (int64_t i = 0; i < 16; ++i)
      order[i] = i;
    return vector::ShuffleOp::create(k.b, k.loc, parts[0], parts[1], order);
  }
};
} // namespace

/// Sums of products over steps of 8 k. `sums`: [mr][nr][parts][halves]; `panel` points to the first step of each
/// panel; `change` is applied to unpacked codes.
SmallVector<Value> CodedProduct::sumSteps(unsigned mr, unsigned nr, Value input, int64_t rowBytes,
                                          ArrayRef<Value> panel, int64_t steps, unsigned halves, ValueRange start,
                                          llvm::function_ref<Value(unsigned, Value)> change) {
  Lanes lanes{k, k.isa != Isa::Avx2};
  unsigned parts = lanes.parts();
  Value mask = k.constantInt(lanes.ints(), 0x0f0f0f0f);
  return k.forLoop(k.i64(0), k.i64(steps), 1, start, [&](Value s, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end());
    for (unsigned half = 0; half < 2; ++half) {
      SmallVector<Value> unpacked;
      for (unsigned j = 0; j < nr; ++j)
        for (unsigned p = 0; p < parts; ++p) {
          Value raw = lanes.load(k.gep(panel[j], k.mul(s, kStepBytes)), p);
          if (half)
            raw = arith::ShRUIOp::create(k.b, k.loc, raw, k.constantInt(lanes.ints(), 4));
          raw = arith::AndIOp::create(k.b, k.loc, raw, mask);
          unpacked.push_back(change ? change(j, raw) : raw);
        }
      for (unsigned m = 0; m < mr; ++m) {
        Value x = k.splat(k.load(k.intType(32), 1, k.gep(input, k.add(k.mul(s, 8), int64_t(m) * rowBytes + half * 4))),
                          lanes.width());
        for (unsigned j = 0; j < nr; ++j)
          for (unsigned p = 0; p < parts; ++p) {
            Value &sum = next[((m * nr + j) * parts + p) * halves + (halves == 2 ? half : 0)];
            sum = lanes.multiplyAdd(sum, unpacked[j * parts + p], x);
          }
      }
    }
    return next;
  });
}

void CodedProduct::unpack(Value panelIndex, unsigned nr, Value to) {
  Type i32 = k.vec(k.intType(32), kLanes), words = k.vec(k.intType(16), 2 * kLanes), bytes = k.vec(k.intType(8), 64);
  auto as = [&](Type type, Value v) -> Value {
    return vector::BitCastOp::create(k.b, k.loc, cast<VectorType>(type), v);
  };
  int64_t steps = columns / 8, pairs = (groups + 1) / 2;
  for (unsigned j = 0; j < nr; ++j) {
    Value panel = k.add(panelIndex, j);
    k.forLoop(k.i64(0), k.i64(groups), 1, [&](Value g) {
      Value scale = arith::ExtUIOp::create(
          k.b, k.loc, i32,
          k.load(k.intType(8), kLanes, k.gep(parameters, k.mul(k.add(k.mul(panel, groups), g), kLanes)), {}, true));
      scale = as(words, arith::MulIOp::create(k.b, k.loc, scale, k.constantInt(i32, 0x10001)));
      // m + 128 in each byte: the half of a pair that the group's parity chooses.
      Value offset = k.load(k.intType(32), kLanes,
                            k.gep(zeros, k.mul(k.add(k.mul(panel, pairs), k.div(g, k.i64(2))), kStepBytes)), {}, true);
      Value down = arith::TruncIOp::create(k.b, k.loc, k.intType(32), k.mul(k.rem(g, k.i64(2)), 16));
      offset = arith::ShRUIOp::create(k.b, k.loc, offset, k.splat(down, kLanes));
      offset = arith::AddIOp::create(k.b, k.loc, offset, k.constantInt(i32, 128));
      offset = arith::AndIOp::create(k.b, k.loc, offset, k.constantInt(i32, 255));
      offset = as(bytes, arith::MulIOp::create(k.b, k.loc, offset, k.constantInt(i32, 0x01010101)));
      Value from = k.gep(codes, k.add(k.mul(panel, layout.panelBytes()), k.mul(g, steps * kStepBytes)));
      Value target = k.gep(to, k.add(k.mul(g, steps * 2 * kStepBytes), int64_t(j) * kLanes * a.depth()));
      k.forLoop(k.i64(0), k.i64(steps), 1, [&](Value s) {
        Value raw = k.load(k.intType(32), kLanes, k.gep(from, k.mul(s, kStepBytes)), {}, true);
        for (int64_t half = 0; half < 2; ++half) {
          Value code = half ? Value(arith::ShRUIOp::create(k.b, k.loc, raw, k.constantInt(i32, 4))) : raw;
          code = arith::AndIOp::create(k.b, k.loc, code, k.constantInt(i32, 0x0f0f0f0f));
          Value scaled = as(bytes, arith::MulIOp::create(k.b, k.loc, as(words, code), scale));
          k.store(arith::AddIOp::create(k.b, k.loc, scaled, offset),
                  k.gep(target, k.add(k.mul(s, 2 * kStepBytes), half * kStepBytes)));
        }
      });
    });
  }
}

void CodedProduct::emitUnpacked(unsigned nr, Value input, int64_t rowBytes, Value totals, Value panelIndex, Value to) {
  unsigned mr = rowsFor(k.isa);
  Lanes lanes{k, true};
  SmallVector<Value> acc;
  for (unsigned m = 0; m < mr; ++m)
    for (unsigned j = 0; j < nr; ++j)
      acc.push_back(arith::AddIOp::create(
          k.b, k.loc, k.load(k.intType(32), kLanes, k.gep(start, k.mul(k.add(panelIndex, j), kStepBytes)), {}, true),
          k.splat(k.load(k.intType(32), 1, k.gep(totals, int64_t(m) * 4)), kLanes)));
  acc = k.forLoop(k.i64(0), k.i64(a.depth() / 4), 1, acc, [&](Value s, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end()), weights;
    for (unsigned j = 0; j < nr; ++j)
      weights.push_back(
          k.load(k.intType(32), kLanes, k.gep(unpacked, k.add(k.mul(s, kStepBytes), int64_t(j) * kLanes * a.depth()))));
    for (unsigned m = 0; m < mr; ++m) {
      Value x = k.splat(k.load(k.intType(32), 1, k.gep(input, k.add(k.mul(s, 4), int64_t(m) * rowBytes))), kLanes);
      for (unsigned j = 0; j < nr; ++j)
        next[m * nr + j] = lanes.multiplyAdd(next[m * nr + j], weights[j], x);
    }
    return next;
  });
  for (unsigned i = 0; i < mr * nr; ++i)
    k.store(acc[i], k.gep(to, int64_t(i) * kStepBytes));
}

void CodedProduct::emitTwoLevel(unsigned mr, unsigned nr, Value input, int64_t rowBytes, Value sums, Value panelIndex,
                                Value to) {
  Type i32 = k.vec(k.intType(32), kLanes), words = k.vec(k.intType(16), 2 * kLanes);
  unsigned halves = mr == 1 ? 2 : 1; // a lonely row's chains of additions are cut in two
  int64_t steps = columns / 8, pairs = (groups + 1) / 2;
  auto panel = [&](unsigned j) { return k.add(panelIndex, j); };
  auto asWords = [&](Value v) -> Value { return vector::BitCastOp::create(k.b, k.loc, cast<VectorType>(words), v); };
  SmallVector<Value> acc;
  for (unsigned m = 0; m < mr; ++m)
    for (unsigned j = 0; j < nr; ++j) {
      acc.push_back(k.load(k.intType(32), kLanes, k.gep(start, k.mul(panel(j), kStepBytes)), {}, true));
      if (halves == 2)
        acc.push_back(k.constantInt(i32, 0));
    }
  // m_g * X_g, two groups an instruction.
  acc = k.forLoop(k.i64(0), k.i64(pairs), 1, acc, [&](Value pair, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end()), offsets;
    for (unsigned j = 0; j < nr; ++j)
      offsets.push_back(asWords(k.load(
          k.intType(32), kLanes, k.gep(zeros, k.mul(k.add(k.mul(panel(j), pairs), pair), kStepBytes)), {}, true)));
    for (unsigned m = 0; m < mr; ++m) {
      Value x =
          asWords(k.splat(k.load(k.intType(32), 1, k.gep(sums, k.mul(k.add(pair, int64_t(m) * pairs), 4))), kLanes));
      for (unsigned j = 0; j < nr; ++j) {
        Value &sum = next[(m * nr + j) * halves];
        sum = k.intrinsic("llvm.x86.avx512.vpdpwssd.512", i32, {sum, x, offsets[j]});
      }
    }
    return next;
  });
  acc = k.forLoop(k.i64(0), k.i64(groups), 1, acc, [&](Value g, ValueRange carried) {
    SmallVector<Value> scale, from;
    for (unsigned j = 0; j < nr; ++j) {
      // S in both halves of a word: two codes at a time, no carry between them.
      Value s = arith::ExtUIOp::create(
          k.b, k.loc, i32,
          k.load(k.intType(8), kLanes, k.gep(parameters, k.mul(k.add(k.mul(panel(j), groups), g), kLanes)), {}, true));
      scale.push_back(asWords(arith::MulIOp::create(k.b, k.loc, s, k.constantInt(i32, 0x10001))));
      from.push_back(k.gep(codes, k.add(k.mul(panel(j), layout.panelBytes()), k.mul(g, steps * kStepBytes))));
    }
    return sumSteps(mr, nr, k.gep(input, k.mul(g, columns)), rowBytes, from, steps, halves, carried,
                    [&](unsigned j, Value code) -> Value {
                      Value scaled = arith::MulIOp::create(k.b, k.loc, asWords(code), scale[j]);
                      return vector::BitCastOp::create(k.b, k.loc, cast<VectorType>(i32), scaled);
                    });
  });
  for (unsigned i = 0; i < mr * nr; ++i) {
    Value sum = acc[i * halves];
    if (halves == 2)
      sum = arith::AddIOp::create(k.b, k.loc, sum, acc[i * halves + 1]);
    k.store(sum, k.gep(to, int64_t(i) * kStepBytes));
  }
}

void CodedProduct::emitIntegers(unsigned mr, unsigned nr, Value input, int64_t rowBytes, Value sums, Value panelIndex,
                                Value to) {
  Lanes lanes{k, k.isa != Isa::Avx2};
  unsigned parts = lanes.parts(), halves = mr == 1 ? 2 : 1; // a lonely row's chains of additions are cut in two
  Type i32 = k.vec(k.intType(32), kLanes);
  int64_t steps = (columns + 7) / 8, pairs = (groups + 1) / 2;
  auto make = [&](Value x, Value y, auto op) -> Value { return decltype(op)::create(k.b, k.loc, x, y); };
  VectorBuilder f(k, kLanes);
  auto total = [&](unsigned m, unsigned j) { return k.gep(to, int64_t(m * nr + j) * kStepBytes); };
  auto panel = [&](unsigned j) { return k.add(panelIndex, j); };
  auto startOf = [&](unsigned j) {
    return k.load(k.intType(32), kLanes, k.gep(start, k.mul(panel(j), kStepBytes)), {}, true);
  };
  bool kept = a.floatSums || twoLevel; // totals of all groups lie in memory
  for (unsigned i = 0; kept && i < mr * nr; ++i)
    k.store(a.floatSums ? k.constantFloat(0, kLanes) : startOf(i % nr), total(i / nr, i % nr));

  k.forLoop(k.i64(0), k.i64(groups), 1, [&](Value g) {
    auto place = [&](unsigned j) { return k.add(k.mul(panel(j), groups), g); };
    auto rowSum = [&](unsigned m) {
      return k.splat(k.load(k.intType(32), 1, k.gep(sums, k.mul(k.add(g, int64_t(m) * groups), 4))), kLanes);
    };
    SmallVector<Value> from, zero(nr), correction(nr), acc;
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
            begin = make(k.constantInt(i32, 0), make(begin, zero[j], arith::MulIOp()), arith::SubIOp());
          if (correction[j])
            begin = make(begin, correction[j], arith::SubIOp());
          if (!a.floatSums)
            begin = make(begin, startOf(j), arith::AddIOp());
        }
        for (unsigned p = 0; p < parts; ++p) {
          acc.push_back(lanes.part(begin, p));
          if (halves == 2)
            acc.push_back(k.constantInt(lanes.ints(), 0));
        }
      }
    acc = sumSteps(mr, nr, k.gep(input, k.mul(g, columns)), rowBytes, from, steps, halves, acc, nullptr);
    for (unsigned j = 0; j < nr; ++j) {
      Value scale, offset;
      if (a.floatSums)
        scale = k.load(k.f32(), kLanes, k.gep(parameters, k.mul(place(j), kStepBytes)), {}, true);
      if (twoLevel) {
        scale = arith::ExtUIOp::create(
            k.b, k.loc, i32, k.load(k.intType(8), kLanes, k.gep(parameters, k.mul(place(j), kLanes)), {}, true));
        // The offset of an even group is the low half of a pair, that of an odd one the high half.
        Value pair = k.add(k.mul(panel(j), pairs), k.div(g, k.i64(2)));
        Value up = arith::TruncIOp::create(k.b, k.loc, k.intType(32), k.mul(k.sub(k.i64(1), k.rem(g, k.i64(2))), 16));
        offset = make(k.load(k.intType(32), kLanes, k.gep(zeros, k.mul(pair, kStepBytes)), {}, true),
                      k.splat(up, kLanes), arith::ShLIOp());
        offset = make(offset, k.constantInt(i32, 16), arith::ShRSIOp());
      }
      for (unsigned m = 0; m < mr; ++m) {
        SmallVector<Value> joined;
        for (unsigned p = 0; p < parts; ++p) {
          auto one = ArrayRef(acc).slice(((m * nr + j) * parts + p) * halves, halves);
          joined.push_back(halves == 2 ? make(one[0], one[1], arith::AddIOp()) : one[0]);
        }
        Value sum = lanes.join(joined);
        if (a.floatSums)
          sum = f.fma(f.toFloat(sum), scale, k.load(k.f32(), kLanes, total(m, j)));
        else if (twoLevel)
          sum =
              make(make(k.load(k.intType(32), kLanes, total(m, j)), make(sum, scale, arith::MulIOp()), arith::AddIOp()),
                   make(rowSum(m), offset, arith::MulIOp()), arith::AddIOp());
        k.store(sum, total(m, j));
      }
    }
  });
}

void CodedProduct::emitFloats(unsigned mr, unsigned nr, Value input, int64_t rowBytes, Value panelIndex, Value to) {
  VectorBuilder f(k, kLanes);
  bool nibbles = layout.kind == PanelKind::Nibbles;
  int64_t perStep = layout.kStep(), steps = columns / perStep;
  Type i32 = k.vec(k.intType(32), kLanes);
  SmallVector<Value> sums(mr * nr, k.constantFloat(0, kLanes));
  sums = k.forLoop(k.i64(0), k.i64(groups), 1, sums, [&](Value g, ValueRange outer) {
    SmallVector<Value> scale, zero, codeGroup;
    for (unsigned j = 0; j < nr; ++j) {
      Value panel = k.add(panelIndex, j), place = k.add(k.mul(panel, groups), g);
      scale.push_back(k.load(k.f32(), kLanes, k.gep(parameters, k.mul(place, kStepBytes)), {}, true));
      if (zeros)
        zero.push_back(f.toFloat(arith::ExtSIOp::create(
            k.b, k.loc, i32, k.load(k.intType(16), kLanes, k.gep(zeros, k.mul(place, 2 * kLanes)), {}, true))));
      else
        zero.push_back(nibbles ? k.constantFloat(8, kLanes) : Value());
      if (nibbles) // see below
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
          if (nibbles) { // the code in the low bits of 2^23 is the float 2^23 + code
            int at = int(i % 4 * 8 + i / 4 * 4);
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
  for (unsigned i = 0; i < mr * nr; ++i)
    k.store(sums[i], k.gep(to, int64_t(i) * kStepBytes));
}

} // namespace bitwright::x86
