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

unsigned CodedProduct::maxPanels(Isa isa, bool integers) { return isa == Isa::Avx2 ? 1 : integers ? 2 : 4; }
// Registers (of 32 zmm, or 16 ymm that hold half a panel each): accumulators, two panels' codes before and behind the
// unpacking, the mask; floats also scales and zero points.
unsigned CodedProduct::rowsFor(Isa isa, bool integers) { return isa == Isa::Avx2 ? 4 : integers ? 12 : 4; }

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

/// Calls f(place of 16 channels' parameters, lane, channel of all, group of K): [group][panel][group of K][16].
template <typename F>
static void forEachParameter(const PanelLayout &layout, int64_t groups, llvm::ArrayRef<int64_t>, F f) {
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
  codes = k.constantBuffer(nibbles ? (isSigned ? "codes [group][N/16][K/8][16][8] s4 + 8" : "codes [group][N/16][K/8][16][8] u4")
                                   : "weights [group][N/16][K/4][16][4] s8",
                           ArrayRef<uint8_t>(packed));
  if (a.groups == 1 && a.taps == 1)
    k.markPacked(packed, a.codes,
                 nibbles ? ConstantBuffer::Order::PanelNibbles : ConstantBuffer::Order::PanelBytes,
                 nibbles && isSigned);

  int64_t places = layout.groups * layout.panels() * groups;
  std::vector<int64_t> z = a.zeroPoints ? toIntegers(*k.constant(a.zeroPoints)) : std::vector<int64_t>();
  auto zeroOf = [&](int64_t channel, int64_t group) {
    return z.empty() ? 0 : z.size() == 1 ? z[0] : z[size_t(channel * groups + group)];
  };
  if (a.scales && (a.isFloat || a.floatSums)) {
    std::vector<float> s = toFloats(*k.constant(a.scales)), lanes(size_t(places * kLanes));
    forEachParameter(layout, groups, {}, [&](int64_t place, int64_t lane, int64_t channel, int64_t group) {
      lanes[size_t(place * kLanes + lane)] = s.size() == 1 ? s[0] : s[size_t(channel * groups + group)];
    });
    parameters = k.constantBuffer("scales [group][N/16][K/group][16] f32", ArrayRef<float>(lanes));
  }
  if (!z.empty()) {
    std::vector<int16_t> lanes(size_t(places * kLanes));
    forEachParameter(layout, groups, {}, [&](int64_t place, int64_t lane, int64_t channel, int64_t group) {
      lanes[size_t(place * kLanes + lane)] = int16_t(zeroOf(channel, group) + (nibbles ? 8 : 0));
    });
    zeros = k.constantBuffer("zero points of the stored codes [group][N/16][K/group][16] s16", ArrayRef<int16_t>(lanes));
  }
  if (a.isFloat) {
    auto bias = a.bias ? toFloats(*k.constant(a.bias)) : std::vector<float>();
    start = k.constantBuffer("bias f32", ArrayRef<float>(padBias(a.groups, layout.n, bias)));
    return;
  }

  if (twoLevel) {
    std::vector<int64_t> s = toIntegers(*k.constant(a.groupScale)), m = toIntegers(*k.constant(a.groupOffset));
    // 16 x S as u8, then 16 x m as s8; m of a group that is not normalised needs 16 bits: then both are.
    std::vector<int16_t> lanes(size_t(places * 2 * kLanes));
    forEachParameter(layout, groups, {}, [&](int64_t place, int64_t lane, int64_t channel, int64_t group) {
      lanes[size_t(place * 2 * kLanes + lane)] = int16_t(s[size_t(channel * groups + group)]);
      lanes[size_t((place * 2 + 1) * kLanes + lane)] = int16_t(m[size_t(channel * groups + group)]);
    });
    parameters = k.constantBuffer("groups [group][N/16][K/group][S, m][16] s16", ArrayRef<int16_t>(lanes));
  }
  // The input's zero point times the weights' sums: into the start, or for float sums group by group.
  std::vector<int64_t> bias = a.bias ? toIntegers(*k.constant(a.bias)) : std::vector<int64_t>();
  if (!a.floatSums) {
    start = k.constantBuffer("bias with zero point folded in, s32",
                             ArrayRef<int32_t>(foldBias(a.groups, layout.n, a.depth(), a.integerWeights(k), bias,
                                                        a.zeroPoint, 0)));
    return;
  }
  if (a.zeroPoint) {
    std::vector<int64_t> q = toIntegers(*k.constant(a.codes));
    std::vector<int32_t> lanes(size_t(places * kLanes));
    forEachParameter(layout, groups, {}, [&](int64_t place, int64_t lane, int64_t channel, int64_t group) {
      int64_t sum = 0;
      for (int64_t i = 0; i < columns; ++i)
        sum += q[size_t(channel * a.depth() + group * columns + i)] - zeroOf(channel, group);
      lanes[size_t(place * kLanes + lane)] = int32_t(uint32_t(a.zeroPoint * sum));
    });
    corrections = k.constantBuffer("zero point times sums of weights [N/16][K/group][16] s32", ArrayRef<int32_t>(lanes));
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
    k.forLoop(k.i64(0), k.i64(groups), 1, [&](Value g) {
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
      k.store(sum, k.gep(sums, k.mul(k.add(k.mul(r, groups), g), 4)));
    });
  });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void CodedProduct::emit(Value input, int64_t rowBytes, Value sums, Value panelIndex, unsigned nr, Value rows,
                        Value to) {
  unsigned mr = rowsFor(k.isa, integers);
  auto some = [&](unsigned count, Value firstRow) {
    Value from = k.gep(input, k.mul(firstRow, rowBytes));
    Value target = k.gep(to, k.mul(firstRow, int64_t(nr) * kStepBytes));
    if (integers)
      emitIntegers(count, nr, from, rowBytes, k.gep(sums, k.mul(firstRow, groups * 4)), panelIndex, target);
    else
      emitFloats(count, nr, from, rowBytes, panelIndex, target);
  };
  // Few rows: one at a time; more: all, the missing ones from whatever lies in scratch.
  auto branch = scf::IfOp::create(k.b, k.loc, k.less(rows, k.i64(3)), /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
  k.forLoop(k.i64(0), rows, 1, [&](Value r) { some(1, r); });
  k.b.setInsertionPoint(branch.elseBlock()->getTerminator());
  some(mr, k.i64(0));
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

void CodedProduct::emitIntegers(unsigned mr, unsigned nr, Value input, int64_t rowBytes, Value sums, Value panelIndex,
                                Value to) {
  Lanes lanes{k, k.isa != Isa::Avx2};
  unsigned parts = lanes.parts(), halves = mr == 1 ? 2 : 1; // a lonely row's chains of additions are cut in two
  Type i32 = k.vec(k.intType(32), kLanes);
  int64_t steps = (columns + 7) / 8;
  auto make = [&](Value x, Value y, auto op) -> Value { return decltype(op)::create(k.b, k.loc, x, y); };
  VectorBuilder f(k, kLanes);
  auto total = [&](unsigned m, unsigned j) { return k.gep(to, int64_t(m * nr + j) * kStepBytes); };
  auto panel = [&](unsigned j) { return k.add(panelIndex, j); };
  for (unsigned m = 0; m < mr; ++m)
    for (unsigned j = 0; j < nr; ++j)
      k.store(a.floatSums ? k.constantFloat(0, kLanes)
                          : k.load(k.intType(32), kLanes, k.gep(start, k.mul(panel(j), kStepBytes)), {}, true),
              total(m, j));

  k.forLoop(k.i64(0), k.i64(groups), 1, [&](Value g) {
    Value mask = k.constantInt(lanes.ints(), 0x0f0f0f0f);
    SmallVector<Value> acc(mr * nr * parts * halves, k.constantInt(lanes.ints(), 0));
    Value inputGroup = k.gep(input, k.mul(g, columns));
    SmallVector<Value> codeGroup;
    for (unsigned j = 0; j < nr; ++j)
      codeGroup.push_back(k.gep(codes, k.add(k.mul(panel(j), layout.panelBytes()), k.mul(g, steps * kStepBytes))));
    acc = k.forLoop(k.i64(0), k.i64(steps), 1, acc, [&](Value s, ValueRange carried) {
      SmallVector<Value> next(carried.begin(), carried.end());
      for (unsigned half = 0; half < 2; ++half) {
        SmallVector<Value> unpacked;
        for (unsigned j = 0; j < nr; ++j)
          for (unsigned p = 0; p < parts; ++p) {
            Value raw = lanes.load(k.gep(codeGroup[j], k.mul(s, kStepBytes)), p);
            if (half)
              raw = make(raw, k.constantInt(lanes.ints(), 4), arith::ShRUIOp());
            unpacked.push_back(make(raw, mask, arith::AndIOp()));
          }
        for (unsigned m = 0; m < mr; ++m) {
          Value x = k.splat(
              k.load(k.intType(32), 1, k.gep(inputGroup, k.add(k.mul(s, 8), int64_t(m) * rowBytes + half * 4))),
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
    auto parameter = [&](unsigned j, Value base, int64_t bytes, int64_t offset) {
      return k.gep(base, k.add(k.mul(k.add(k.mul(panel(j), groups), g), bytes), offset));
    };
    auto words = [&](Value pointer) -> Value {
      return arith::ExtSIOp::create(k.b, k.loc, i32, k.load(k.intType(16), kLanes, pointer, {}, true));
    };
    for (unsigned j = 0; j < nr; ++j) {
      Value scale, offset, correction;
      if (twoLevel) {
        scale = words(parameter(j, parameters, 4 * kLanes, 0));
        offset = words(parameter(j, parameters, 4 * kLanes, 2 * kLanes));
      } else if (a.floatSums) {
        scale = k.load(k.f32(), kLanes, parameter(j, parameters, kStepBytes, 0), {}, true);
      }
      if (zeros)
        offset = words(parameter(j, zeros, 2 * kLanes, 0));
      else if (!twoLevel)
        offset = k.constantInt(i32, 8);
      if (corrections)
        correction = k.load(k.intType(32), kLanes, parameter(j, corrections, kStepBytes, 0), {}, true);
      for (unsigned m = 0; m < mr; ++m) {
        SmallVector<Value> joined;
        for (unsigned p = 0; p < parts; ++p) {
          auto one = ArrayRef(acc).slice(((m * nr + j) * parts + p) * halves, halves);
          joined.push_back(halves == 2 ? make(one[0], one[1], arith::AddIOp()) : one[0]);
        }
        Value sum = lanes.join(joined);
        Value x = k.splat(k.load(k.intType(32), 1, k.gep(sums, k.mul(k.add(g, int64_t(m) * groups), 4))), kLanes);
        Value shifted = make(x, offset, arith::MulIOp());
        Value old = k.load(a.floatSums ? k.f32() : k.intType(32), kLanes, total(m, j));
        Value now;
        if (a.floatSums) {
          sum = make(sum, shifted, arith::SubIOp());
          if (correction)
            sum = make(sum, correction, arith::SubIOp());
          now = f.fma(f.toFloat(sum), scale, old);
        } else if (twoLevel) {
          now = make(make(old, make(sum, scale, arith::MulIOp()), arith::AddIOp()), shifted, arith::AddIOp());
        } else {
          now = make(make(old, sum, arith::AddIOp()), shifted, arith::SubIOp());
        }
        k.store(now, total(m, j));
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
          Value code = nibbles ? f.andi(f.lshr(raw[j], int(i % 4 * 8 + i / 4 * 4)), f.constant(int32_t(15)))
                               : f.ashr(f.shl(raw[j], int(24 - 8 * i)), 24);
          Value real = f.toFloat(code);
          // Exact: both are small integers.
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
