//===- PackResults.cpp - emitted elements as words to store -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/PackResults.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

/// The other operand of a commutative `Op` with the constant `number`, or nothing.
template <typename Op> static Value besideInteger(Value value, int64_t number) {
  auto op = value.getDefiningOp<Op>();
  if (!op)
    return {};
  for (unsigned i = 0; i < 2; ++i) {
    APInt found;
    if (matchPattern(op->getOperand(i), m_ConstantInt(&found)) && found.getSExtValue() == number)
      return op->getOperand(1 - i);
  }
  return {};
}

/// x of trunci(clamp(x, -128, 127)): cvt.pack.sat does both.
static Value clampedToS8(Value element) {
  auto trunc = element.getDefiningOp<arith::TruncIOp>();
  if (!trunc || !trunc.getIn().getType().isInteger(32))
    return {};
  Value value = trunc.getIn();
  if (Value inner = besideInteger<arith::MaxSIOp>(value, -128))
    return besideInteger<arith::MinSIOp>(inner, 127);
  if (Value inner = besideInteger<arith::MinSIOp>(value, 127))
    return besideInteger<arith::MaxSIOp>(inner, -128);
  return {};
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
    Values clamped;
    for (unsigned j = 0; j < 4; ++j)
      if (Value value = clampedToS8(elements[i + j]))
        clamped.push_back(value);
    if (clamped.size() == 4) {
      Value high = w.packS8(clamped[3], clamped[2], w.constant(0));
      words.push_back(w.packS8(clamped[1], clamped[0], high));
      continue;
    }
    Value word;
    for (unsigned j = 0; j < 4; ++j) {
      Value byte = w.shl(w.zext(elements[i + j], w.i32()), 8 * j);
      word = word ? w.ori(word, byte) : byte;
    }
    words.push_back(word);
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
