//===- Requantize.cpp - rounding products of i32 lanes ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/Requantize.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

namespace {
struct Code {
  KernelBuilder &k;
  Value constant(Type type, int64_t v) { return k.constantInt(type, v); }
  Value add(Value a, Value b) { return arith::AddIOp::create(k.b, k.loc, a, b); }
  Value sub(Value a, Value b) { return arith::SubIOp::create(k.b, k.loc, a, b); }
  Value mul(Value a, Value b) { return arith::MulIOp::create(k.b, k.loc, a, b); }
  Value shl(Value a, Value b) { return arith::ShLIOp::create(k.b, k.loc, a, b); }
  Value ashr(Value a, Value b) { return arith::ShRSIOp::create(k.b, k.loc, a, b); }
  Value negate(Value a) { return sub(constant(a.getType(), 0), a); }
  Value compare(arith::CmpIPredicate p, Value a, Value b) { return arith::CmpIOp::create(k.b, k.loc, p, a, b); }
  Value isNegative(Value a) { return compare(arith::CmpIPredicate::slt, a, constant(a.getType(), 0)); }
  Value clamp(Value v, int64_t low, int64_t high) {
    v = arith::MaxSIOp::create(k.b, k.loc, v, constant(v.getType(), low));
    return arith::MinSIOp::create(k.b, k.loc, v, constant(v.getType(), high));
  }
  Value narrow(Value v, unsigned bits) {
    if (getElementTypeOrSelf(v.getType()).getIntOrFloatBitWidth() == bits)
      return v;
    return arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(bits), KernelBuilder::lanesOf(v.getType())), v);
  }
  Value widen(Value v) {
    Type type = k.vec(k.intType(64), KernelBuilder::lanesOf(v.getType()));
    if (auto c = KernelBuilder::constantOf(v))
      return constant(type, *c);
    return arith::ExtSIOp::create(k.b, k.loc, type, v);
  }
  /// 2^(c-1) for c >= 1.
  Value half(Value c) {
    if (auto value = KernelBuilder::constantOf(c))
      return constant(c.getType(), int64_t(1) << (*value - 1));
    return shl(constant(c.getType(), 1), sub(c, constant(c.getType(), 1)));
  }
  Value halfUp(Value n, Value c) { return ashr(add(n, half(c)), c); }

  /// The even (0) or odd (1) 32-bit lanes of a vector, sign-extended to 64 bits: the operands of one vpmuldq.
  Value lanes64(Value v, int odd) {
    unsigned lanes = KernelBuilder::lanesOf(v.getType());
    Type wide = VectorType::get(lanes / 2, k.intType(64));
    if (auto c = KernelBuilder::constantOf(v))
      return constant(wide, *c);
    Value pairs = vector::BitCastOp::create(k.b, k.loc, cast<VectorType>(wide), v);
    Value bits = constant(wide, 32);
    return odd ? ashr(pairs, bits) : ashr(shl(pairs, bits), bits);
  }
};
} // namespace

/// ROUND(n, c) in 64-bit lanes (lib/Numerics/Integer.h, roundShift).
static Value roundShift(Code &code, Value n, Value c, dyadic::Rounding rounding) {
  KernelBuilder &k = code.k;
  using P = arith::CmpIPredicate;
  Type type = n.getType();
  switch (rounding) {
  case dyadic::Rounding::HalfUp:
    return code.halfUp(n, c);
  case dyadic::Rounding::Floor:
    return code.ashr(n, c);
  case dyadic::Rounding::Trunc:
    return k.select(code.isNegative(n), code.negate(code.ashr(code.negate(n), c)), code.ashr(n, c));
  case dyadic::Rounding::HalfAway:
    return k.select(code.isNegative(n), code.negate(code.halfUp(code.negate(n), c)), code.halfUp(n, c));
  case dyadic::Rounding::HalfEven: {
    Value q = code.ashr(n, c), r = code.sub(n, code.shl(q, c)), half = code.half(c), one = code.constant(type, 1);
    Value odd = code.compare(P::ne, arith::AndIOp::create(k.b, k.loc, q, one), code.constant(type, 0));
    Value tie = arith::AndIOp::create(k.b, k.loc, code.compare(P::eq, r, half), odd);
    Value up = arith::OrIOp::create(k.b, k.loc, code.compare(P::sgt, r, half), tie);
    return k.select(up, code.add(q, one), q);
  }
  case dyadic::Rounding::TosaDouble: {
    Value nudge =
        k.select(code.isNegative(n), code.constant(type, -(int64_t(1) << 30)), code.constant(type, int64_t(1) << 30));
    nudge = k.select(code.compare(P::sgt, c, code.constant(type, 31)), nudge, code.constant(type, 0));
    return code.ashr(code.add(n, code.add(code.half(c), nudge)), c);
  }
  case dyadic::Rounding::TfliteDouble:
    break;
  }
  llvm_unreachable("not a function of the shifted number alone");
}

static Value tfliteDouble(Code &code, Value acc, Value b, Value c) {
  KernelBuilder &k = code.k;
  Type type = acc.getType();
  Value zero = code.constant(type, 0), limit = code.constant(type, 31);
  Value left = arith::MaxSIOp::create(k.b, k.loc, code.sub(limit, c), zero),
        right = arith::MaxSIOp::create(k.b, k.loc, code.sub(c, limit), zero);
  Value x = code.clamp(code.shl(acc, left), INT32_MIN, INT32_MAX);
  Value high = code.halfUp(code.mul(x, b), limit);
  // HALF_AWAY with a shift that may be 0: 2^(c-1) becomes 0 there.
  Value half = k.select(code.compare(arith::CmpIPredicate::eq, right, zero), zero,
                        code.shl(code.constant(type, 1),
                                 arith::MaxSIOp::create(k.b, k.loc, code.sub(right, code.constant(type, 1)), zero)));
  Value up = code.ashr(code.add(high, half), right),
        down = code.negate(code.ashr(code.add(code.negate(high), half), right));
  return k.select(code.isNegative(high), down, up);
}

Value x86::emitRequantization(KernelBuilder &k, const Requantization &r) {
  Code code{k};
  Value first = r.terms[0].first;
  unsigned lanes = KernelBuilder::lanesOf(first.getType());
  bool narrowResult = r.resultBits <= 16;

  // Shifts of 31 and more under HALF_UP: the answer is in the upper half of the 64-bit sums, so that one 32-bit shift
  // serves both halves. A shift of 31 doubles the sum first: |2 sum| + 2^c stays below 2^63 for c <= 40.
  bool doubled = r.leastShift == 31;
  bool fast = r.rounding == dyadic::Rounding::HalfUp && lanes >= 4 && lanes % 4 == 0 && narrowResult &&
              r.leastShift >= 31 && (!doubled || r.mostShift <= 40);
  if (fast) {
    Type pairs = VectorType::get(lanes / 2, k.intType(64)), words = VectorType::get(lanes, k.intType(32));
    Value halves[2];
    for (int odd = 0; odd < 2; ++odd) {
      Value sum;
      for (auto [x, b] : r.terms) {
        Value product = code.mul(code.lanes64(x, odd), code.lanes64(b, odd));
        sum = sum ? code.add(sum, product) : product;
      }
      Value c = code.lanes64(r.shift, odd);
      if (doubled)
        sum = code.shl(sum, code.constant(pairs, 1));
      if (auto constant = KernelBuilder::constantOf(c))
        sum = code.add(sum, code.constant(pairs, int64_t(1) << (*constant - (doubled ? 0 : 1))));
      else
        sum = code.add(sum, doubled ? code.shl(code.constant(pairs, 1), c) : code.half(c));
      halves[odd] = vector::BitCastOp::create(k.b, k.loc, cast<VectorType>(words), sum);
    }
    SmallVector<int64_t> upper;
    for (unsigned l = 0; l < lanes; l += 2)
      upper.append({int64_t(l) + 1, int64_t(lanes + l) + 1});
    Value high = vector::ShuffleOp::create(k.b, k.loc, halves[0], halves[1], upper);
    Value amount = KernelBuilder::constantOf(r.shift)
                       ? code.constant(words, *KernelBuilder::constantOf(r.shift) - 32 + doubled)
                       : code.sub(r.shift, code.constant(words, 32 - int64_t(doubled)));
    Value v = code.ashr(high, amount);
    if (doubled) // up to 31 bits and a sign: clamp before the zero point
      return code.narrow(
          code.add(code.clamp(v, r.low - r.zeroPoint, r.high - r.zeroPoint), code.constant(words, r.zeroPoint)),
          r.resultBits);
    if (r.zeroPoint)
      v = code.add(v, code.constant(words, r.zeroPoint));
    return code.narrow(code.clamp(v, r.low, r.high), r.resultBits);
  }

  Value c = code.widen(r.shift), v;
  if (r.rounding == dyadic::Rounding::TfliteDouble) {
    v = tfliteDouble(code, code.widen(first), code.widen(r.terms[0].second), c);
  } else {
    Value sum;
    for (auto [x, b] : r.terms) {
      Value product = code.mul(code.widen(x), code.widen(b));
      sum = sum ? code.add(sum, product) : product;
    }
    v = roundShift(code, sum, c, r.rounding);
  }
  if (r.zeroPoint)
    v = code.add(v, code.constant(v.getType(), r.zeroPoint));
  return code.narrow(code.clamp(v, r.low, r.high), r.resultBits);
}
