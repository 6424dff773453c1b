//===- MultistageEpilogue.cpp - from accumulators to stored results ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A lane holds eight consecutive columns of each block of 32 (Multistage.h) in each of its rows: operands are loaded and
// results stored in the widest vectors that N allows, at most 16 bytes. Vectors start at multiples of their length and
// N is a multiple of it, so a vector lies inside the matrix or outside, never across its edge.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Multistage.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::OperandKind;

/// Elements of a vector: a power of two of at most eight elements and 16 bytes that divides n.
static unsigned vectorLength(int64_t n, unsigned bits) {
  unsigned length = 8;
  while (length > 1 && (n % length || length * bits > 128))
    length /= 2;
  return length;
}

static std::optional<int64_t> constantOf(Value value) {
  APInt number;
  if (matchPattern(value, m_ConstantInt(&number)))
    return number.getSExtValue();
  return std::nullopt;
}

/// The i32 that saturates to the i8 `value`, when the region made it by a clamp into [-128, 127] and a truncation.
static Value saturating(KernelWriter &w, Value value) {
  auto truncation = value.getDefiningOp<arith::TruncIOp>();
  if (!truncation)
    return {};
  Value wide = truncation.getIn(), inner = wide;
  std::optional<int64_t> low, high;
  for (unsigned i = 0; i < 2; ++i) {
    if (auto op = inner.getDefiningOp<arith::MaxSIOp>(); op && !low)
      low = constantOf(op.getRhs()), inner = op.getLhs();
    else if (auto op = inner.getDefiningOp<arith::MinSIOp>(); op && !high)
      high = constantOf(op.getRhs()), inner = op.getLhs();
  }
  if (!low || !high || *low < -128 || *high > 127 || *low > *high)
    return {};
  if (!wide.getType().isInteger(32))
    return wide.getType().isInteger(64) ? w.trunc(wide, w.i32()) : Value();
  return *low == -128 && *high == 127 ? inner : wide; // the packing instruction saturates by itself
}

/// Up to 32 bits of values in one word, the first in the lowest bits.
static Value packWord(KernelWriter &w, ArrayRef<Value> values, unsigned bits) {
  if (bits == 32)
    return w.bitcast(values[0], w.i32());
  if (bits == 16 && values.size() == 2) {
    auto a = values[0].getDefiningOp<arith::TruncFOp>(), b = values[1].getDefiningOp<arith::TruncFOp>();
    if (a && b && a.getIn().getType().isF32() && b.getIn().getType().isF32())
      return w.packHalf(b.getIn(), a.getIn(), values[0].getType());
  }
  if (bits == 8 && values.size() == 4) {
    Values wide;
    for (Value value : values)
      if (Value found = saturating(w, value))
        wide.push_back(found);
    if (wide.size() == 4)
      return w.packS8(wide[1], wide[0], w.packS8(wide[3], wide[2], w.constant(0)));
  }
  Value word;
  for (auto [i, value] : llvm::enumerate(values)) {
    Value part = w.bitcast(value, w.builder.getIntegerType(bits));
    part = w.shl(w.zext(part, w.i32()), unsigned(i) * bits);
    word = word ? w.ori(word, part) : part;
  }
  return word;
}

void bitwright::nvptx::storeFragments(KernelWriter &w, kernel::GemmOp op, const MultistagePlan &plan,
                                      ValueRange accumulators, ValueRange operands, ValueRange results, Value row,
                                      Value column, Value m) {
  int64_t n = plan.n;
  bool wholeColumns = n % plan.tileN == 0;
  unsigned count = op.getOperandsAttr().size();
  Value lastRow = w.sub(m, 1);

  /// Eight elements from `pointer` + first + (0 .. 7) as far as columns exist.
  auto loadColumns = [&](Value pointer, Type type, Value rowOffset, Value first) {
    unsigned bits = type.getIntOrFloatBitWidth(), length = vectorLength(n, bits);
    Values loaded;
    for (unsigned c = 0; c < 8; c += length) {
      Value at = w.add(first, c);
      if (!wholeColumns)
        at = w.minu(at, n - length);
      if (rowOffset)
        at = w.add(rowOffset, at);
      Value from = w.offset(pointer, at, type);
      if (length == 1) {
        loaded.push_back(w.load(from, type, bits / 8));
        continue;
      }
      Value vector = w.load(from, w.vector(length, type), length * bits / 8);
      for (unsigned e = 0; e < length; ++e)
        loaded.push_back(w.extractElement(vector, e));
    }
    return loaded;
  };

  SmallVector<Values> rowValues(count); // one a row of the lane
  Values rows, rowsInside, lastRows;
  for (unsigned i = 0; i < plan.rowTiles() * 2; ++i) {
    rows.push_back(w.add(row, i / 2 * 16 + i % 2 * 8));
    rowsInside.push_back(w.ult(rows[i], m));
    lastRows.push_back(w.minu(rows[i], lastRow));
  }
  for (unsigned o = 0; o < count; ++o) {
    auto operand = op.getOperandAttr(o);
    Type type = operand.getType();
    unsigned alignment = type.getIntOrFloatBitWidth() / 8;
    if (operand.getKind() == OperandKind::Row)
      for (Value r : lastRows)
        rowValues[o].push_back(w.load(w.offset(operands[o], r, type), type, alignment));
    else if (operand.getKind() == OperandKind::Scalar)
      rowValues[o].assign(rows.size(), w.load(operands[o], type, alignment));
    else if (operand.getKind() == OperandKind::Table)
      rowValues[o].assign(rows.size(), operands[o]);
  }

  Block &epilogue = op.getEpilogue().front();
  for (unsigned b = 0; b < plan.columnTiles() / 4; ++b) {
    Value first = w.add(column, b * 32);
    SmallVector<Values> columnValues(count);
    for (unsigned o = 0; o < count; ++o)
      if (op.getOperandAttr(o).getKind() == OperandKind::Column)
        columnValues[o] = loadColumns(operands[o], op.getOperandAttr(o).getType(), Value(), first);
    for (unsigned r = 0; r < rows.size(); ++r) {
      for (unsigned o = 0; o < count; ++o)
        if (op.getOperandAttr(o).getKind() == OperandKind::Element)
          columnValues[o] = loadColumns(operands[o], op.getOperandAttr(o).getType(), w.mul(lastRows[r], n), first);
      SmallVector<Values> emitted(results.size());
      for (unsigned c = 0; c < 8; ++c) {
        // Column 2 j + e of the lane's eight is register 2 (row / 8) + e of n-tile j.
        Values arguments{accumulators[(r / 2 * plan.columnTiles() + b * 4 + c / 2) * 4 + r % 2 * 2 + c % 2]};
        for (unsigned o = 0; o < count; ++o)
          arguments.push_back(columnValues[o].empty() ? rowValues[o][r] : columnValues[o][c]);
        for (auto [values, value] : llvm::zip(emitted, inlineEpilogue(w, epilogue, arguments)))
          values.push_back(value);
      }
      for (auto [i, pointer] : llvm::enumerate(results)) {
        unsigned bits = op.getResultElement(unsigned(i)).getIntOrFloatBitWidth(), length = vectorLength(n, bits);
        for (unsigned c = 0; c < 8; c += length) {
          Value at = w.add(first, c);
          Value inside = rowsInside[r];
          if (!wholeColumns)
            inside = arith::AndIOp::create(w.builder, w.loc, inside, w.ult(at, n));
          Value index = w.add(w.mul(rows[r], n), at);
          Value to = bits == 4 ? w.offset(pointer, w.shru(index, 1))
                               : w.offset(pointer, index, w.builder.getIntegerType(bits));
          Values words;
          for (unsigned e = 0; e < length; e += std::min(length, 32 / bits))
            words.push_back(packWord(w, ArrayRef(emitted[i]).slice(c + e, std::min(length, 32 / bits)), bits));
          if (length * bits >= 32) {
            w.storeIf(inside, to, words);
            continue;
          }
          Value narrow = w.trunc(words[0], w.builder.getIntegerType(length * bits));
          w.ifThen(inside, [&] { w.store(narrow, to, length * bits / 8); });
        }
      }
    }
  }
}
