//===- WgmmaRsUnpack.cpp - codes to wgmma fragments -------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The sequences of KERNELS 4.1, for the order of nibbles that `Plan::codes` gives. Row h = 0 of a lane always comes
// from low nibbles, row h = 1 from high ones, so each has its own constants.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/WgmmaRs.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::rs;
using kernel::HalfMath;

Values rs::loadGroup(KernelWriter &w, const Plan &plan, Value scales, Value zeros) {
  Values loaded;
  if (plan.scheme == Scheme::TwoLevelS8)
    loaded.push_back(w.zext(w.load(scales, w.i16(), 2), w.i32()));
  else if (plan.scaled)
    loaded.push_back(w.load(scales, w.i32(), 4));
  if (plan.zeroBytes())
    loaded.push_back(w.zext(w.load(zeros, w.i16(), 2), w.i32()));
  return loaded;
}

Values rs::groupParameters(KernelWriter &w, const Plan &plan, ValueRange loaded) {
  if (plan.scheme == Scheme::TwoLevelS8) {
    Value s = loaded[0], m = loaded[1];
    return {w.andi(s, 255), w.shru(s, 8), w.permuteBytes(m, m, 0x0000), w.permuteBytes(m, m, 0x1111)};
  }
  Values parameters;
  if (plan.scaled)
    for (int64_t selector : {0x1010, 0x3232})
      parameters.push_back(w.permuteBytes(loaded[0], loaded[0], selector));
  if (plan.zeroPoints) {
    // Stored: b = zero point + 128. A code stands as base + code, of which the weight is `offset` less: the addend is
    // -(base + offset + zero point). Exact in f16; in bf16 up to base + offset + zero point = 256, zero point 120.
    bool f16 = plan.lhs.isF16(), bytes = plan.codeBits == 8;
    for (unsigned h = 0; h < 2; ++h) {
      float base = bytes ? (f16 ? 1024 : 0) : !f16 ? 128 : h ? 64 : 1024;
      float offset = bytes ? (f16 ? 128 : 0) : 8;
      Value b = w.toFloat(h ? w.shru(loaded.back(), 8) : w.andi(loaded.back(), 255));
      Value addend = w.subf(w.constantF32(128 - offset - base), b);
      parameters.push_back(w.packHalf(addend, addend, plan.lhs));
    }
  }
  return parameters;
}

/// Bytes code + 128 of row g (two) and row g + 8 (two), and the same for k + 8.
static Values unpackBytes(KernelWriter &w, const Plan &plan, ValueRange words, ValueRange parameters) {
  Values fragment;
  for (unsigned i = 0; i < 4; ++i) {
    unsigned h = i % 2;
    Value word = words[i / 2], value;
    Value zero = plan.zeroPoints ? parameters[(plan.scaled ? 2 : 0) + h] : Value();
    if (plan.lhs.isF16()) {
      // 0x6400 | byte = 1024 + byte.
      value = w.permuteBytes(word, w.constant(0x64646464), h ? 0x4342 : 0x4140);
      value = w.packedMath(HalfMath::Add, {value, zero ? zero : w.constant(0xe480e480)}, plan.lhs);
    } else {
      // A bf16 has too few bits for 128 + byte: 2^23 + byte in f32, whose difference's upper half is the bf16.
      Values both;
      for (unsigned j = 0; j < 2; ++j) {
        Value magic = w.permuteBytes(word, w.constant(0x4b000000), 0x7440 | (2 * h + j));
        both.push_back(w.bitcast(w.subf(w.bitcast(magic, w.f32()), w.constantF32(8388608.0f + 128.0f)), w.i32()));
      }
      value = w.permuteBytes(both[0], both[1], 0x7632);
      if (zero)
        value = w.packedMath(HalfMath::Add, {value, zero}, plan.lhs);
    }
    if (plan.scaled)
      value = w.packedMath(HalfMath::Mul, {value, parameters[h]}, plan.lhs);
    fragment.push_back(value);
  }
  return fragment;
}

static Values unpackHalf(KernelWriter &w, const Plan &plan, Value word, ValueRange parameters) {
  constexpr uint8_t andOr = 0xea; // (a & b) | c
  bool f16 = plan.lhs.isF16();
  // f16: 0x6400 = 1024 with a unit of 1 in the lowest nibble, 0x5400 = 64 with a unit of 1 in the next; -1032 and -72.
  // bf16: 0x4300 = 128, unit 1 in the lowest nibble only; -136.
  Value addends[2] = {w.constant(f16 ? 0xe408e408 : 0xc308c308), w.constant(f16 ? 0xd480d480 : 0xc308c308)};
  if (plan.zeroPoints)
    for (unsigned h = 0; h < 2; ++h)
      addends[h] = parameters[(plan.scaled ? 2 : 0) + h];
  Values fragment;
  for (unsigned i = 0; i < 4; ++i) {
    unsigned h = i % 2;
    Value value = f16 ? w.lop3(w.shru(word, i / 2 * 8), h ? 0x00f000f0 : 0x000f000f, h ? 0x54005400 : 0x64006400, andOr)
                      : w.lop3(w.shru(word, 4 * i), 0x000f000f, 0x43004300, andOr);
    value = w.packedMath(HalfMath::Add, {value, addends[h]}, plan.lhs);
    if (plan.scaled)
      value = w.packedMath(HalfMath::Mul, {value, parameters[h]}, plan.lhs);
    fragment.push_back(value);
  }
  return fragment;
}

Values rs::unpack(KernelWriter &w, const Plan &plan, ValueRange words, ValueRange parameters) {
  if (plan.codeBits == 8)
    return unpackBytes(w, plan, words, parameters);
  if (plan.scheme == Scheme::Half)
    return unpackHalf(w, plan, words[0], parameters);
  Values fragment;
  for (Value word : words) {
    if (plan.scheme == Scheme::ChannelS8) {
      fragment.push_back(w.andi(w.shl(word, 4), 0xf0f0f0f0));
      fragment.push_back(w.andi(word, 0xf0f0f0f0));
      continue;
    }
    for (unsigned h = 0; h < 2; ++h) {
      // Bytes code * S + (128 + m) lie in 1..255 (R16, normalised): no carry; the flipped top bit takes 128 away.
      Value codes = w.andi(h ? w.shru(word, 4) : word, 0x0f0f0f0f);
      Value shifted = w.add(w.mul(codes, parameters[h]), parameters[2 + h]);
      fragment.push_back(w.xori(shifted, 0x80808080));
    }
  }
  return fragment;
}
