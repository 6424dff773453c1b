//===- PackResults.cpp - emitted elements as words to store -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/PackResults.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

/// x of max(x, low) with low >= -128 or of min(x, high) with high <= 127; `exact` stays true while the bounds are equal to
/// those.
static Value besideBound(Value value, bool upper, bool &exact) {
  Operation *op = value.getDefiningOp();
  if (!op || (upper ? !isa<arith::MinSIOp>(op) : !isa<arith::MaxSIOp>(op)))
    return {};
  for (unsigned i = 0; i < 2; ++i) {
    APInt found;
    if (!matchPattern(op->getOperand(i), m_ConstantInt(&found)))
      continue;
    int64_t bound = found.getSExtValue();
    if (upper ? bound > 127 || bound < -128 : bound < -128 || bound > 127)
      return {};
    exact &= bound == (upper ? 127 : -128);
    return op->getOperand(1 - i);
  }
  return {};
}

/// x of clamp(x, low, high) within the range of a byte, in whichever order the bounds were applied.
static Value clamped(Value value, bool &exact) {
  for (bool upper : {true, false}) {
    bool same = true;
    if (Value inner = besideBound(value, upper, same))
      if (Value source = besideBound(inner, !upper, same)) {
        exact = same;
        return source;
      }
  }
  return {};
}

static bool isConstantFloat(Value value, double number) {
  APFloat found(0.0f);
  return matchPattern(value, m_ConstantFloat(&found)) && found.convertToDouble() == number;
}

/// x of a float bound of a byte: minimumf, maximumf, or a select on the comparison with the bound (NaN is x).
static Value besideFloatBound(Value value, bool upper) {
  double bound = upper ? 127 : -128;
  Operation *op = value.getDefiningOp();
  if (op && (upper ? isa<arith::MinimumFOp>(op) : isa<arith::MaximumFOp>(op)))
    for (unsigned i = 0; i < 2; ++i)
      if (isConstantFloat(op->getOperand(i), bound))
        return op->getOperand(1 - i);
  auto select = value.getDefiningOp<arith::SelectOp>();
  auto compare = select ? select.getCondition().getDefiningOp<arith::CmpFOp>() : nullptr;
  if (!compare || compare.getLhs() != select.getTrueValue() || compare.getRhs() != select.getFalseValue() ||
      compare.getPredicate() != (upper ? arith::CmpFPredicate::OLT : arith::CmpFPredicate::OGT) ||
      !isConstantFloat(select.getTrueValue(), bound))
    return {};
  return select.getFalseValue();
}

/// x / divisor for the sake of saturate(roundeven(.)): high + low, the reciprocal in two floats, so that
/// q(x) = fma(x, high, x * low) replaces the division. Nothing when that would not give every byte exactly.
///
/// Both x / divisor (rounded) and q do not fall as x grows: high is at most 1 / divisor, so low >= 0, and a step of x moves
/// x * high much more than the rounding of x * low. So they give the same byte for all x when, for each code, the least x
/// that the division maps to it or above is also the least that q does.
static std::optional<std::pair<float, float>> byteReciprocal(float divisor) {
  double exact = 1.0 / divisor;
  float high = float(exact);
  if (!(divisor > 0) || !std::isnormal(divisor) || !std::isnormal(high))
    return std::nullopt;
  if (double(high) > exact)
    high = std::nextafter(high, 0.0f);
  float low = float(exact - double(high));
  auto divided = [&](float x) { return std::nearbyint(x / divisor); };
  auto multiplied = [&](float x) { return std::nearbyint(low == 0 ? x * high : std::fma(x, high, x * low)); };
  for (int code = -127; code <= 127; ++code) {
    float x = float((code - 0.5) * double(divisor)), infinity = std::numeric_limits<float>::infinity();
    for (int i = 0; i < 8; ++i)
      x = std::nextafter(x, -infinity);
    if (!std::isfinite(x) || divided(x) >= code)
      return std::nullopt;
    while (divided(x) < code)
      x = std::nextafter(x, infinity);
    if (multiplied(x) < code || multiplied(std::nextafter(x, -infinity)) >= code)
      return std::nullopt;
  }
  return std::pair(high, low);
}

/// The i32 whose saturation to a byte is that of fptosi(`real`), by cvt.rni: it rounds to nearest even, saturates where
/// fptosi is undefined and gives 0 for NaN. Nothing when `real` is not rounded that way.
static Value roundedToInt(KernelWriter &w, Value real) {
  if (!real.getType().isF32())
    return {};
  for (bool upper : {true, false})
    if (Value inner = besideFloatBound(real, upper))
      if (Value source = besideFloatBound(inner, !upper)) {
        real = source; // the packing saturates
        break;
      }
  // NaN as 0: what the conversion does.
  if (auto select = real.getDefiningOp<arith::SelectOp>())
    if (auto compare = select.getCondition().getDefiningOp<arith::CmpFOp>())
      if (compare.getPredicate() == arith::CmpFPredicate::UNO && compare.getLhs() == select.getFalseValue() &&
          compare.getRhs() == select.getFalseValue() && isConstantFloat(select.getTrueValue(), 0))
        real = select.getFalseValue();
  auto round = real.getDefiningOp<math::RoundEvenOp>();
  if (!round)
    return {};
  Value source = round.getOperand();
  if (auto divide = source.getDefiningOp<arith::DivFOp>()) {
    // A division is a call to ptxas, which spills; by a constant it is two operations.
    APFloat divisor(0.0f);
    if (matchPattern(divide.getRhs(), m_ConstantFloat(&divisor)))
      if (auto reciprocal = byteReciprocal(divisor.convertToFloat())) {
        auto [high, low] = *reciprocal;
        Value x = divide.getLhs(), factor = w.constantF32(high);
        source = low == 0 ? w.mulf(x, factor) : w.fma(x, factor, w.mulf(x, w.constantF32(low)));
      }
  }
  return w.roundToInt(source);
}

/// An i32 that saturates to `element` (i8): cvt.pack.sat makes bytes of two such values.
static Value saturatingSource(KernelWriter &w, Value element) {
  if (auto convert = element.getDefiningOp<arith::FPToSIOp>())
    if (Value rounded = roundedToInt(w, convert.getIn()))
      return rounded;
  auto truncate = element.getDefiningOp<arith::TruncIOp>();
  if (!truncate)
    return w.sext(element, w.i32());
  Value value = truncate.getIn();
  bool exact = false;
  if (Value source = clamped(value, exact); source && value.getType().isInteger(32)) {
    auto convert = source.getDefiningOp<arith::FPToSIOp>();
    Value rounded = exact && convert ? roundedToInt(w, convert.getIn()) : Value();
    return rounded ? rounded : exact ? source : value;
  }
  if (auto convert = value.getDefiningOp<arith::FPToSIOp>())
    // Undefined outside the range of i32, and truncated to a byte outside that of i8: only a clamp before it lets the
    // packing saturate.
    if (besideFloatBound(convert.getIn(), true) || besideFloatBound(convert.getIn(), false))
      if (Value rounded = roundedToInt(w, convert.getIn()))
        return rounded;
  Value wide = value;
  if (auto inner = value.getDefiningOp<arith::TruncIOp>())
    wide = inner.getIn();
  if (wide.getType().isInteger(64) && clamped(wide, exact))
    return value.getType().isInteger(32) ? value : w.trunc(wide, w.i32());
  return w.sext(element, w.i32());
}

Values bitwright::nvptx::packResults(KernelWriter &w, ValueRange elements) {
  Type type = elements.front().getType();
  unsigned bits = type.getIntOrFloatBitWidth();
  Values words;
  if (bits == 32) {
    for (Value element : elements)
      words.push_back(w.bitcast(element, w.i32()));
    return words;
  }
  if (bits == 16) {
    for (unsigned i = 0; i < elements.size(); i += 2) {
      auto low = elements[i].getDefiningOp<arith::TruncFOp>(), high = elements[i + 1].getDefiningOp<arith::TruncFOp>();
      if (low && high && low.getIn().getType().isF32() && high.getIn().getType().isF32())
        words.push_back(w.packHalf(high.getIn(), low.getIn(), type));
      else
        words.push_back(w.ori(w.shl(w.zext(w.bitcast(elements[i + 1], w.i16()), w.i32()), 16),
                              w.zext(w.bitcast(elements[i], w.i16()), w.i32())));
    }
    return words;
  }
  for (unsigned i = 0; i < elements.size(); i += 4) {
    Values sources;
    for (unsigned j = 0; j < 4; ++j)
      sources.push_back(saturatingSource(w, elements[i + j]));
    Value high = w.packS8(sources[3], sources[2], w.constant(0));
    words.push_back(w.packS8(sources[1], sources[0], high));
  }
  return words;
}

void bitwright::nvptx::storeResults(KernelWriter &w, ValueRange elements, Value pointer) {
  Type type = elements.front().getType();
  unsigned bits = type.getIntOrFloatBitWidth();
  if (elements.size() == 1)
    return w.store(elements[0], pointer, bits / 8);
  if (elements.size() * bits < 32) { // two bytes
    Value pair = w.ori(w.shl(w.zext(elements[1], w.i16()), 8), w.zext(elements[0], w.i16()));
    return w.store(pair, pointer, 2);
  }
  Values words = packResults(w, elements);
  for (unsigned i = 0; i < words.size(); i += 4) {
    Values part(ValueRange(words).slice(i, std::min<size_t>(4, words.size() - i)));
    w.storeWords(part, w.offset(pointer, 4 * i));
  }
}

Values bitwright::nvptx::loadElements(KernelWriter &w, Value pointer, Type type, unsigned count) {
  unsigned bytes = type.getIntOrFloatBitWidth() / 8;
  if (count == 1)
    return {w.load(pointer, type, bytes)};
  unsigned most = std::min(count, 16 / bytes);
  Values elements;
  for (unsigned i = 0; i < count; i += most) {
    Value part = w.load(w.offset(pointer, i * bytes), w.vector(most, type), most * bytes);
    for (unsigned j = 0; j < most; ++j)
      elements.push_back(w.extractElement(part, j));
  }
  return elements;
}
