//===- GemmResidual.cpp - sums of two code tensors in 32 bits --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// dyadic.add of two s8 tensors behind a product (E1): n = a * b1 + d * b2 + C with C = 2^(c-1) - za * b1 - zd * b2, y =
// n >> c. With b = bh * 2^16 + bl (-2^15 <= bl < 2^15, bh < 2^15), C likewise with 0 <= Cl < 2^16:
//   n >> c  =  (a * bh1 + d * bh2 + Ch + ((a * bl1 + d * bl2 + Cl) >> 16)) >> (c - 16)      for c >= 16
// since floor(floor(n / 2^16) / 2^(c-16)) = floor(n / 2^c). Every sum fits i32: |a|, |d| <= 128, so |a * bh1 + d * bh2|
// <= 2^23, and Ch is bounded below. Two vpdpwssd on the pair (a, d) instead of four 64-bit products.
//===----------------------------------------------------------------------===//
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/Gemm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace bitwright::x86 {

namespace {
struct SplitSum {
  int64_t constantLow, constantHigh;
  int32_t low, high; ///< s16 pairs of b1 (lower half) and b2
  int64_t shift;     ///< c - 16
};

int32_t pairOf(int64_t first, int64_t second) {
  return int32_t(uint32_t(uint16_t(first)) | uint32_t(uint16_t(second)) << 16);
}

/// None where a part would not fit.
std::optional<SplitSum> splitSum(dyadic::AddOp add) {
  auto isCodes = [](Value v) { return cast<RankedTensorType>(v.getType()).getElementType().isInteger(8); };
  int64_t c = add.getShift();
  if (!isCodes(add.getLhs()) || !isCodes(add.getRhs()) || !isCodes(add.getOutput()) ||
      add.getRounding() != dyadic::Rounding::HalfUp || c < 17 || c > 40)
    return std::nullopt;
  int64_t b[2] = {int32_t(add.getLhsMultiplier()), int32_t(add.getRhsMultiplier())}, low[2], high[2];
  for (int i = 0; i < 2; ++i) {
    low[i] = int16_t(b[i]);
    high[i] = (b[i] - low[i]) >> 16;
    if (high[i] < -32768 || high[i] > 32767)
      return std::nullopt;
  }
  int64_t zeroLeft = int32_t(add.getLhsZeroPoint()), zeroRight = int32_t(add.getRhsZeroPoint());
  if (std::abs(zeroLeft) > 255 || std::abs(zeroRight) > 255)
    return std::nullopt;
  // The result's zero point joins the sum: zp << c, below 2^48.
  int64_t zeroPoint = int32_t(add.getZeroPoint());
  if (std::abs(zeroPoint) > 255)
    return std::nullopt;
  int64_t constant = (int64_t(1) << (c - 1)) - zeroLeft * b[0] - zeroRight * b[1] + zeroPoint * (int64_t(1) << c);
  SplitSum sum{constant & 0xffff, constant >> 16, pairOf(low[0], low[1]), pairOf(high[0], high[1]), c - 16};
  if (std::abs(sum.constantHigh) >= int64_t(1) << 30)
    return std::nullopt;
  return sum;
}
} // namespace

void ProductEpilogue::shortenResidualAdds() {
  for (Operation &op : k.op.getBlock().without_terminator()) {
    auto add = dyn_cast<dyadic::AddOp>(op);
    if (!add)
      continue;
    std::optional<SplitSum> split = splitSum(add);
    if (!split)
      continue;
    emitter.overrideWith(add.getOutput(), [this, add, split](const Index &index) mutable -> Value {
      Value a = emitter.broadcastAt(add.getLhs(), add.getOutput(), index),
            d = emitter.broadcastAt(add.getRhs(), add.getOutput(), index);
      if (!a || !d)
        return {};
      unsigned lanes = index.lanes;
      Type word = k.vec(k.intType(32), lanes);
      auto constant = [&](int64_t v) { return k.constantInt(word, v); };
      Value wideA = arith::ExtSIOp::create(k.b, k.loc, word, a), wideD = arith::ExtSIOp::create(k.b, k.loc, word, d);
      auto dot = [&](int32_t pair, int64_t begin) -> Value {
        if (lanes == kLanes) {
          Value low = arith::AndIOp::create(k.b, k.loc, wideA, constant(0xffff)),
                high = arith::ShLIOp::create(k.b, k.loc, wideD, constant(16));
          Value both = arith::OrIOp::create(k.b, k.loc, low, high);
          auto words = [&](Value v, unsigned n) {
            return vector::BitCastOp::create(k.b, k.loc, VectorType::get(n, k.intType(16)), v);
          };
          if (k.isa != Isa::Avx2)
            return k.intrinsic("llvm.x86.avx512.vpdpwssd.512", word,
                               {constant(begin), words(both, 32), words(constant(pair), 32)});
          SmallVector<Value, 2> halves;
          SmallVector<int64_t> all;
          for (int64_t half = 0; half < 2; ++half) {
            SmallVector<int64_t> order;
            for (int64_t i = 0; i < 8; ++i)
              order.push_back(half * 8 + i);
            all.append(order);
            Value part = vector::ShuffleOp::create(k.b, k.loc, both, both, order);
            Type eight = k.vec(k.intType(32), 8);
            halves.push_back(
                k.intrinsic("llvm.x86.avx2.pmadd.wd", eight, {words(part, 16), words(k.constantInt(eight, pair), 16)}));
          }
          Value product = vector::ShuffleOp::create(k.b, k.loc, halves[0], halves[1], all);
          return arith::AddIOp::create(k.b, k.loc, product, constant(begin));
        }
        Value first = arith::MulIOp::create(k.b, k.loc, wideA, constant(int16_t(pair))),
              second = arith::MulIOp::create(k.b, k.loc, wideD, constant(int16_t(pair >> 16)));
        return arith::AddIOp::create(k.b, k.loc, arith::AddIOp::create(k.b, k.loc, first, second), constant(begin));
      };
      Value low = arith::ShRSIOp::create(k.b, k.loc, dot(split->low, split->constantLow), constant(16));
      Value sum = arith::AddIOp::create(k.b, k.loc, dot(split->high, split->constantHigh), low);
      Value y = arith::ShRSIOp::create(k.b, k.loc, sum, constant(split->shift));
      y = arith::MaxSIOp::create(k.b, k.loc, y, constant(add.getClamp()[0]));
      y = arith::MinSIOp::create(k.b, k.loc, y, constant(add.getClamp()[1]));
      return arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(8), lanes), y);
    });
  }
}

} // namespace bitwright::x86
