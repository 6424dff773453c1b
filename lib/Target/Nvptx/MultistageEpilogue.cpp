//===- MultistageEpilogue.cpp - from accumulators to stored results ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A lane holds eight consecutive columns of each block of 32 (Multistage.h) in each of its rows: operands are loaded
// and results stored in the widest vectors that N allows, at most 16 bytes. Vectors start at multiples of their length
// and N is a multiple of it, so a vector lies inside the matrix or outside, never across its edge.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Multistage.h"
#include "lib/Target/Nvptx/PackResults.h"

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

/// Values of fewer than 8 bits, or fewer than 32 bits together, in words; the first in the lowest bits.
static Values packNarrow(KernelWriter &w, ValueRange values, unsigned bits) {
  Values words;
  for (auto [i, value] : llvm::enumerate(values)) {
    unsigned at = unsigned(i) * bits % 32;
    Value part = bits == 4 ? w.nibble(value) : w.zext(w.bitcast(value, w.builder.getIntegerType(bits)), w.i32());
    part = w.shl(part, at);
    if (at)
      words.back() = w.ori(words.back(), part);
    else
      words.push_back(part);
  }
  return words;
}

void bitwright::nvptx::storeFragments(KernelWriter &w, kernel::GemmOp op, const MultistagePlan &plan,
                                      ValueRange accumulators, ValueRange operands, ValueRange results, Value row,
                                      Value column, Value m) {
  int64_t n = plan.n;
  bool wholeColumns = n % plan.tileN == 0;
  unsigned count = op.getOperandsAttr().size();
  Value lastRow = w.sub(m, 1);

  /// Eight elements from `pointer` + first + (0 .. 7) as far as columns exist.
  auto loadColumns = [&](Value pointer, Type type, Value first) {
    unsigned bits = type.getIntOrFloatBitWidth(), length = vectorLength(n, bits);
    Values loaded;
    for (unsigned c = 0; c < 8; c += length) {
      Value at = w.add(first, c);
      if (!wholeColumns)
        at = w.minu(at, n - length);
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
        columnValues[o] = loadColumns(operands[o], op.getOperandAttr(o).getType(), first);
    for (unsigned r = 0; r < rows.size(); ++r) {
      for (unsigned o = 0; o < count; ++o)
        if (auto operand = op.getOperandAttr(o); operand.getKind() == OperandKind::Element)
          columnValues[o] =
              loadColumns(w.offset(operands[o], w.mul(lastRows[r], n), operand.getType()), operand.getType(), first);
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
        // One address for the eight columns: sixty-four that do not depend on each other would be computed at once.
        Value index = w.add(w.mul(rows[r], n), first);
        Value base =
            bits == 4 ? w.offset(pointer, w.shru(index, 1)) : w.offset(pointer, index, w.builder.getIntegerType(bits));
        for (unsigned c = 0; c < 8; c += length) {
          Value at = w.add(first, c);
          Value inside = rowsInside[r];
          if (!wholeColumns)
            inside = arith::AndIOp::create(w.builder, w.loc, inside, w.ult(at, n));
          ValueRange values = ValueRange(emitted[i]).slice(c, length);
          Values words = bits < 8 || length * bits < 32 ? packNarrow(w, values, bits) : packResults(w, values);
          if (length * bits >= 32) {
            w.storeIf(inside, base, words, c * bits / 8);
            continue;
          }
          Value narrow = w.trunc(words[0], w.builder.getIntegerType(length * bits));
          w.ifThen(inside, [&] { w.store(narrow, w.offset(base, c * bits / 8), length * bits / 8); });
        }
      }
    }
  }
}
