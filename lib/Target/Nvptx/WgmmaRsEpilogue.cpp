//===- WgmmaRsEpilogue.cpp - the epilogue on transposed fragments -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A lane has two neighbouring channels and, for j = 0, 1, ..., tokens 8 j + 2 t + {0, 1}: accumulator 4 j + 2 h + e is
// channel half h, token e. Column operands are two registers a block, row operands come from shared memory. Words: two
// channels of a 16- or 32-bit result are one piece of 4 or 8 bytes; bytes of two lanes (g and g ^ 1) are exchanged, so
// that each stores four channels of one token.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/PackResults.h"
#include "lib/Target/Nvptx/WgmmaRs.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::rs;
using kernel::OperandKind;

static unsigned bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }
static bool isStaged(OperandKind kind) { return kind == OperandKind::Row || kind == OperandKind::Column; }
/// Values of a staged operand that a warpgroup needs, and the bytes they take in shared memory.
static unsigned countOf(const Plan &plan, kernel::OperandAttr operand) {
  return operand.getKind() == OperandKind::Row ? plan.finishedTokens() : 64 * plan.blocks;
}
static unsigned stagedBytes(const Plan &plan, kernel::OperandAttr operand) {
  return isStaged(operand.getKind()) ? unsigned(llvm::alignTo(countOf(plan, operand) * bytesOf(operand.getType()), 16))
                                     : 0;
}

std::string Epilogue::supports(kernel::GemmOp op) {
  auto text = [](Type type) {
    std::string result;
    llvm::raw_string_ostream(result) << type;
    return result;
  };
  for (auto operand : op.getOperandsAttr().getAsRange<kernel::OperandAttr>())
    if (unsigned bits = operand.getType().getIntOrFloatBitWidth(); bits != 8 && bits != 16 && bits != 32)
      return "expected operands of 8, 16 or 32 bits, found " + text(operand.getType());
  for (Type type : op.getResultsAttr().getAsValueRange<TypeAttr>()) {
    unsigned bits = type.getIntOrFloatBitWidth();
    if (bits != 8 && bits != 16 && bits != 32)
      return "expected results of 8, 16 or 32 bits, found " + text(type);
  }
  return "";
}

unsigned Epilogue::operandBytes(kernel::GemmOp op, const Plan &plan) {
  unsigned bytes = 0;
  for (auto operand : op.getOperandsAttr().getAsRange<kernel::OperandAttr>())
    bytes += stagedBytes(plan, operand);
  return bytes;
}

Epilogue::Epilogue(KernelWriter &w, kernel::GemmOp op, const Plan &plan, Value m, ValueRange operands,
                   ValueRange results, Value warpgroup, Value thread)
    : w(w), op(op), plan(plan), m(m), warpgroup(warpgroup), thread(thread), operands(operands), results(results),
      scalars(operands.size()), loaded(operands.size()) {
  lane = w.andi(thread, 31);
  warp = w.shru(thread, 5);
  g = w.shru(lane, 2);
  t = w.andi(lane, 3);
  for (unsigned i = 0; i < operands.size(); ++i) {
    kernel::OperandAttr operand = op.getOperandAttr(i);
    if (operand.getKind() == OperandKind::Scalar)
      scalars[i] = w.load(operands[i], operand.getType(), bytesOf(operand.getType()));
    else if (operand.getKind() == OperandKind::Table)
      scalars[i] = operands[i];
  }
  for (unsigned r = 0; r < results.size(); ++r)
    aligned &= plan.n % (elementBytes(r) == 1 ? 4 : 2) == 0;
  for (unsigned j = 0; aligned && j < plan.finishedTokens() / 8; ++j)
    for (unsigned b = 0; b < plan.blocks; ++b)
      for (unsigned r = 0; r < results.size(); ++r)
        for (unsigned e = 0; e < (elementBytes(r) == 1 ? 1 : 2); ++e)
          order.push_back({r, b, 8 * j + e, {}});
  odd = w.andi(g, 1);
  // Bytes: (own low half, other's low half) for even g, (other's high half, own high half) for odd.
  selector = w.select(w.ne(odd, 0), 0x3276, 0x5410);
}

unsigned Epilogue::elementBytes(unsigned result) const {
  return bytesOf(const_cast<kernel::GemmOp &>(op).getResultElement(result));
}
unsigned Epilogue::wordsOf(unsigned result) const { return elementBytes(result) == 4 ? 2 : 1; }
unsigned Epilogue::words() const {
  unsigned count = 0;
  for (const Piece &piece : order)
    count += wordsOf(piece.result);
  return count;
}

void Epilogue::enter(Value tileM, Value tileN, Value parity) {
  m0 = tileM;
  n0 = w.add(tileN, w.mul(warpgroup, 64 * plan.blocks));
  buffer = w.offset(w.offset(w.sharedMemory(), plan.operandsAt()),
                    w.mul(w.add(w.mul(warpgroup, 2), parity), plan.operandBytes));
}

void Epilogue::loadOperands() {
  for (unsigned i = 0; i < operands.size(); ++i) {
    kernel::OperandAttr operand = op.getOperandAttr(i);
    if (!isStaged(operand.getKind()))
      continue;
    bool row = operand.getKind() == OperandKind::Row;
    loaded[i].clear();
    for (unsigned first = 0; first < countOf(plan, operand); first += 128) {
      Value index = w.add(row ? m0 : n0, w.add(thread, first));
      // Beyond the operand (and beyond the tile, where threads are left over) anything that exists.
      Value valid = w.select(w.ult(index, row ? KernelWriter::Operand(m) : KernelWriter::Operand(plan.n)), index, 0);
      Type type = operand.getType();
      loaded[i].push_back(w.load(w.offset(operands[i], valid, type), type, bytesOf(type)));
    }
  }
}

void Epilogue::storeOperands() {
  unsigned at = 0;
  for (unsigned i = 0; i < operands.size(); ++i) {
    kernel::OperandAttr operand = op.getOperandAttr(i);
    unsigned count = countOf(plan, operand), bytes = bytesOf(operand.getType());
    for (unsigned c = 0; c < loaded[i].size(); ++c) {
      Value index = w.add(thread, 128 * c);
      auto put = [&] { w.store(loaded[i][c], w.offset(buffer, w.add(w.mul(index, bytes), at)), bytes); };
      if (128 * (c + 1) <= count)
        put();
      else
        w.ifThen(w.ult(index, count), put);
    }
    at += stagedBytes(plan, operand);
  }
}

SmallVector<Piece> Epilogue::compute(ArrayRef<Values> accumulators) {
  unsigned count = unsigned(operands.size());
  SmallVector<unsigned> at;
  unsigned bytes = 0;
  for (auto operand : op.getOperandsAttr().getAsRange<kernel::OperandAttr>()) {
    at.push_back(bytes);
    bytes += stagedBytes(plan, operand);
  }
  Value channel = w.add(w.mul(warp, 16), w.mul(g, 2));
  /// Two neighbouring values of a staged operand.
  auto staged = [&](unsigned i, Value index) {
    Type type = op.getOperandAttr(i).getType();
    return loadElements(w, w.offset(w.offset(buffer, at[i]), index, type), type, 2);
  };
  SmallVector<SmallVector<Values>> columns(plan.blocks, SmallVector<Values>(count));
  for (unsigned b = 0; b < plan.blocks; ++b)
    for (unsigned i = 0; i < count; ++i)
      if (op.getOperandAttr(i).getKind() == OperandKind::Column)
        columns[b][i] = staged(i, w.add(channel, 64 * b));
  SmallVector<Piece> pieces;
  for (unsigned j = 0; j < plan.finishedTokens() / 8; ++j) {
    SmallVector<Values> rows(count);
    Value token = w.add(w.mul(t, 2), 8 * j);
    for (unsigned i = 0; i < count; ++i)
      if (op.getOperandAttr(i).getKind() == OperandKind::Row)
        rows[i] = staged(i, token);
    for (unsigned b = 0; b < plan.blocks; ++b) {
      // [result][2 e + h]
      SmallVector<Values> values(results.size());
      for (unsigned e = 0; e < 2; ++e) {
        SmallVector<Values> elements(count);
        for (unsigned i = 0; i < count; ++i)
          if (op.getOperandAttr(i).getKind() == OperandKind::Element) {
            // Rows of odd length: one by one, as two would not be aligned.
            bool pairs = plan.n % 2 == 0;
            for (unsigned h = 0; h < (pairs ? 1 : 2); ++h) {
              auto [inside, index] = elementAt(w.add(token, e), w.add(channel, 64 * b + h));
              Type type = op.getOperandAttr(i).getType();
              llvm::append_range(elements[i], loadElements(w, w.offset(operands[i], w.select(inside, index, 0), type),
                                                           type, pairs ? 2 : 1));
            }
          }
        for (unsigned h = 0; h < 2; ++h) {
          Value accumulator = accumulators[b][4 * j + 2 * h + e];
          if (plan.scheme == Scheme::ChannelS8)
            accumulator = w.shrs(accumulator, 4); // of 16 x code: exact
          Values arguments = {accumulator};
          for (unsigned i = 0; i < count; ++i)
            arguments.push_back(scalars[i]               ? scalars[i]
                                : !columns[b][i].empty() ? columns[b][i][h]
                                : !rows[i].empty()       ? rows[i][e]
                                                         : elements[i][h]);
          for (auto [result, value] : llvm::zip(values, inlineEpilogue(w, op.getEpilogue().front(), arguments)))
            result.push_back(value);
        }
      }
      for (unsigned r = 0; r < results.size(); ++r) {
        if (!aligned) { // no words: every element by itself, at once
          for (unsigned i = 0; i < 4; ++i) {
            auto [inside, index] = elementAt(w.add(token, i / 2), w.add(channel, 64 * b + i % 2));
            Value at = index;
            w.ifThen(inside,
                     [&] { w.store(values[r][i], w.offset(results[r], at, values[r][i].getType()), elementBytes(r)); });
          }
          continue;
        }
        if (elementBytes(r) == 1) {
          pieces.push_back({r, b, 8 * j, {exchange(packResults(w, values[r])[0])}});
          continue;
        }
        for (unsigned e = 0; e < 2; ++e)
          pieces.push_back({r, b, 8 * j + e, packResults(w, ValueRange(values[r]).slice(2 * e, 2))});
      }
    }
  }
  return pieces;
}

/// Of a token and channel of the warpgroup's tile: whether it exists, and its element.
std::pair<Value, Value> Epilogue::elementAt(Value token, Value channel) {
  Value row = w.add(m0, token), column = w.add(n0, channel);
  return {w.andi(w.ult(row, m), w.ult(column, plan.n)), w.add(w.mul(row, plan.n), column)};
}

/// Bytes (token 0: channels 0, 1; token 1: channels 0, 1) of lanes g and g ^ 1 to four channels of token g & 1.
Value Epilogue::exchange(Value word) { return w.permuteBytes(word, w.shuffleXor(word, 4), selector); }

//===----------------------------------------------------------------------===//
// Stores
//===----------------------------------------------------------------------===//

// A place: of every result a pointer to the lane's first element; of every block how many tokens may be stored.
Values Epilogue::nowhere() {
  Values values(results);
  values.append(plan.blocks, w.constant(0));
  return values;
}
Values Epilogue::place() {
  Values values;
  Value token = w.add(m0, w.mul(t, 2)), channel = w.add(n0, w.mul(warp, 16));
  for (unsigned r = 0; r < results.size(); ++r) {
    bool bytes = elementBytes(r) == 1;
    Value row = bytes ? w.add(token, odd) : token;
    Value column = w.add(channel, bytes ? w.mul(w.shru(g, 1), 4) : w.mul(g, 2));
    values.push_back(w.offset(results[r], w.add(w.mul(row, plan.n), column), op.getResultElement(r)));
  }
  Value left = w.sub(m, token);
  for (unsigned b = 0; b < plan.blocks; ++b) {
    if (plan.n % plan.channels() == 0)
      values.push_back(left);
    else
      values.push_back(w.select(w.ult(w.add(w.add(channel, w.mul(g, 2)), 64 * b), plan.n), left, 0));
  }
  return values;
}
void Epilogue::store(ValueRange place, const Piece &piece) {
  Value left = place[results.size() + piece.block];
  unsigned bytes = elementBytes(piece.result);
  if (bytes == 1)
    left = w.sub(left, odd);
  Value inside = w.cmp(arith::CmpIPredicate::sgt, left, piece.token);
  w.storeIf(inside, place[piece.result], piece.words, (int64_t(piece.token) * plan.n + 64 * piece.block) * bytes);
}
