//===- DecodeCodes.cpp - template decode: packings and codes -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A tile is 32 rows: row = 16 i + 2 g + h belongs to mma i, lane group g = lane / 4, half h (rows g and g + 8 of the
// mma), so a lane's two rows of an mma are neighbours in the result. The order of K inside a block of 64 bytes of
// activations is such that a lane's 16 bytes are its operands of two mma:
//   8-bit activations, blocks of 64: k = 16 t + 8 j + 4 p + e, mma j, register p, byte e, t = lane % 4
//   16-bit, blocks of 32:            k = 8 t + 4 j + 2 p + d, half d
// A lane's 16 bytes of codes are four words of eight: 8-bit word (i, p), nibble 2 e + h; 16-bit word (i, j), nibble
// 4 d + 2 p + h. Sequences: KERNELS 4.1.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Decode.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::decode;

layout::Packing decode::weightPacking(const Plan &plan) {
  layout::Packing packing;
  packing.rows = plan.n;
  packing.columns = plan.k;
  packing.bits = 4;
  packing.tile.rowBasis = {1, 128, 256, 512, 16}; // h, g, i
  if (!plan.integerLhs) {
    packing.tile.columnBasis = {4, 2, 8, 32, 64}; // d, p, j, t
    packing.bias = packing.fill = 8;
  } else if (plan.narrowGroups()) {
    packing.tile.columnBasis = {2, 4, 8, 32, 64, 1024}; // e, p, t, j: k = 32 j + 8 t + 4 p + e
  } else {
    packing.tile.columnBasis = {2, 4, 8, 1024, 32, 64}; // e, p, j, t
  }
  return packing;
}

/// [tile of 32 rows][group][g][2 i + h].
layout::Packing decode::scalePacking(const Plan &plan, bool zeroPoint) {
  layout::Packing packing;
  packing.rows = plan.n;
  packing.columns = plan.groups();
  packing.bits = zeroPoint ? 8 : unsigned(8 * plan.scaleBytes());
  packing.bias = packing.fill = zeroPoint ? 128 : 0;
  packing.tile.rowBasis = {1, 4, 8, 16, 2};
  return packing;
}

/// Scales of group `part` of unit `index` for the lane's four rows.
Generator::GroupValues Generator::groupValues(Value index, int64_t part) {
  GroupValues values;
  Value group; // counted from scalePointer
  if (p.group <= 128) {
    group = w.mul(index, 128 / p.group);
  } else if (p.ctaGroups() == 1) {
    group = w.constant(0);
  } else {
    group = w.divu(w.add(w.mul(depthWarp, p.warpUnits), index), p.group / 128);
  }
  auto at = [&](Value base, int64_t bytes) {
    return w.offset(w.offset(base, w.mul(group, 32 * bytes)), part * 32 * bytes);
  };
  if (p.twoLevel) {
    Value factors = w.load(at(scalePointer, 1), w.i32(), 4), minima = w.load(at(zeroPointer, 1), w.i32(), 4);
    for (int64_t r = 0; r < 4; ++r) {
      values.factor[r] = w.andi(w.shru(factors, 8 * r), 255);
      values.offset[r] = w.permuteBytes(minima, minima, 0x1111 * r);
    }
    return values;
  }
  Value loaded = w.load(at(scalePointer, p.scaleBytes()), w.vector(4, p.scaleType), unsigned(4 * p.scaleBytes()));
  for (int64_t r = 0; r < 4; ++r) {
    Value scale = w.extractElement(loaded, unsigned(r));
    values.scale[r] = p.scaleType.isF32() ? scale : w.extend(scale);
  }
  if (!p.zeroPoint)
    return values;
  Value points = w.load(at(zeroPointer, 1), w.i32(), 4); // bytes z + 128
  for (int64_t r = 0; r < 4; ++r) {
    if (!p.integerLhs && !p.bf16) {
      // 1024 + z + 128 as f16, then what turns 1024 + u and 64 + u (u = code + 8) into code - z. Exact: below 2048.
      Value byte = w.permuteBytes(points, splat(0x64006400), 0x5050 | r << 8 | r);
      Value anchor = splat(r % 2 ? 0x64386438 : 0x57805780); // 1080, 120
      values.low[r] = w.packedMath(kernel::HalfMath::Sub, {anchor, byte}, p.lhs);
      continue;
    }
    Value point = w.bitcast(w.permuteBytes(points, splat(0x4b000000), 0x7440 | r), w.f32()); // 2^23 + z + 128
    if (p.integerLhs) {
      values.zero[r] = w.subf(w.constantF32(8388736.0f), point); // -z
    } else {
      Value addend = w.subf(w.constantF32(8388600.0f), point); // -(136 + z): exact in bf16 for z <= 120
      values.low[r] = w.packHalf(addend, addend, p.lhs);
    }
  }
  return values;
}

/// One word of eight codes to the four registers of an f16 or bf16 mma: code (- zero point), exact.
Values Generator::operandsFloat(Value word, const GroupValues &group, int64_t tile) {
  Values registers;
  for (int64_t r = 0; r < 4; ++r) { // r = 2 p + h
    int64_t half = r % 2;
    Value addend = p.zeroPoint ? group.low[2 * tile + half] : Value();
    if (p.bf16) { // 128 + u; the mantissa has room for one nibble, at its end
      Value bits = w.lop3(w.shru(word, 4 * r), 0x000f000f, 0x43004300, 0xea);
      if (!addend)
        addend = splat(0xc308c308); // -136
      registers.push_back(w.packedMath(kernel::HalfMath::Fma, {bits, splat(0x3f803f80), addend}, p.lhs));
      continue;
    }
    Value bits = half ? w.lop3(w.shru(word, r / 2 * 8), 0x00f000f0, 0x54005400, 0xea)  // 64 + u
                      : w.lop3(w.shru(word, r / 2 * 8), 0x000f000f, 0x64006400, 0xea); // 1024 + u
    if (!addend)
      addend = splat(half ? 0xd480d480 : 0xe408e408); // -72, -1032
    registers.push_back(w.packedMath(kernel::HalfMath::Add, {bits, addend}, p.lhs));
  }
  return registers;
}

/// Two words of eight codes to the four registers of an s8 mma: 16 times the code, or two-level code * S + m.
Values Generator::operandsInteger(Value low, Value high, const GroupValues &group, int64_t tile) {
  Values registers;
  for (Value word : {low, high})
    for (int64_t h = 0; h < 2; ++h) {
      if (!p.twoLevel) {
        registers.push_back(w.andi(h ? word : w.shl(word, 4), splat(0xf0f0f0f0)));
        continue;
      }
      // Four bytes at once: code * S + (m + 128) stays below 256 (INTEGER R16); the last xor takes the 128 away.
      Value codes = w.andi(w.shru(word, 4 * h), 0x0f0f0f0f);
      Value sum = w.add(w.mul(codes, group.factor[2 * tile + h]), group.offset[2 * tile + h]);
      registers.push_back(w.xori(sum, splat(0x80808080)));
    }
  return registers;
}

/// i32 partial sums start at the bits of 1.5 * 2^23: reinterpreted as f32, one subtraction makes them floats. Exact
/// while |sum| <= 2^22; 128 products of s8 and 16 times a code stay below 2^21.
Value Generator::sumStart() { return p.integerLhs ? w.constant(0x4B400000) : w.constantF32(0); }

void Generator::addGroup(MutableArrayRef<Value> sums, ArrayRef<Value> partial, ArrayRef<Value> tokenSums,
                         const GroupValues &group) {
  auto value = [&](Value sum) {
    return p.integerLhs ? w.subf(w.bitcast(sum, w.f32()), w.constantF32(12582912.0f)) : sum;
  };
  SmallVector<Value> tokenValues;
  for (int64_t n = 0; n < int64_t(tokenSums.size()) / 4; ++n)
    for (int64_t c = 0; c < 2; ++c) // rows g and g + 8 of the sums are the same
      tokenValues.push_back(value(tokenSums[4 * n + c]));
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t n = 0; n < p.tokenTiles; ++n)
      for (int64_t r = 0; r < 4; ++r) {
        int64_t at = 4 * (i * p.tokenTiles + n) + r, row = 2 * i + r / 2;
        Value sum = value(partial[at]);
        if (!tokenValues.empty())
          sum = w.fma(tokenValues[2 * n + r % 2], group.zero[row], sum);
        sums[at] = w.fma(sum, group.scale[row], sums[at]);
      }
}
