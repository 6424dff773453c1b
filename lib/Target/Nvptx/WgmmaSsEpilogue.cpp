//===- WgmmaSsEpilogue.cpp - from sums to stored results --------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/PackResults.h"
#include "lib/Target/Nvptx/WgmmaSsKernel.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <numeric>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::OperandKind;

/// Erases what nobody uses among the operations after `before` (at the writer's place), except what gives `kept`: parts
/// of a region that an instruction has replaced.
static void eraseDead(KernelWriter &w, Operation *before, ArrayRef<Value> kept) {
  Block *block = w.builder.getInsertionBlock();
  auto point = w.builder.getInsertionPoint();
  Operation *op = point == block->end() ? (block->empty() ? nullptr : &block->back()) : point->getPrevNode();
  while (op && op != before) {
    Operation *previous = op->getPrevNode();
    if (op->getNumResults() && isOpTriviallyDead(op) && !llvm::is_contained(kept, op->getResult(0)))
      op->erase();
    op = previous;
  }
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

void SsKernel::loadConstants() {
  scalars.assign(plan.operands.size(), {});
  bool tables = false;
  for (auto [i, operand] : llvm::enumerate(plan.operands)) {
    if (operand.kind == OperandKind::Scalar)
      scalars[i] = w.load(operandPointers[i], operand.type, operand.bytes);
    if (operand.kind != OperandKind::Table)
      continue;
    scalars[i] = w.offset(shared, plan.tables + operand.shared);
    Value worker = w.add(w.mul(consumerId, 128), lane128);
    w.ifThen(w.ult(worker, 16 * operand.bytes), [&, i = i] {
      Value at = w.mul(worker, 16);
      w.copyAsync(w.offset(scalars[i], at), w.offset(operandPointers[i], at));
    });
    tables = true;
  }
  if (!tables)
    return;
  w.commitCopies();
  w.waitCopies(0);
  w.barrier(1 + plan.consumers, 128 * plan.consumers);
}

void SsKernel::prepare(Value tile) {
  Value row, column;
  place(tile, row, column);
  if (plan.splitK > 1)
    column = w.add(column, w.mul(rank, plan.slice));
  firstColumn = w.add(column, w.mul(quad, plan.span));
  rowIndex.clear();
  limits.clear();
  rowOperands.assign(plan.operands.size(), {});
  for (unsigned slot = 0; slot < slots(); ++slot) {
    Value index = w.add(w.add(row, rowInTile), 64 * (slot / 2) + 8 * (slot % 2)), valid = w.ult(index, m);
    // Rows beyond M load from row 0 and store nothing.
    Value safe = w.select(valid, index, 0);
    rowIndex.push_back(safe);
    limits.push_back(plan.ragged ? w.select(valid, w.sub(w.constant(plan.n), firstColumn), 0) : w.zext(valid, w.i32()));
    for (auto [i, operand] : llvm::enumerate(plan.operands))
      if (operand.kind == OperandKind::Row)
        rowOperands[i].push_back(w.load(w.offset(operandPointers[i], safe, operand.type), operand.type, operand.bytes));
  }
  // An element operand is read in the epilogue: have it in the L2 by then.
  for (auto [i, operand] : llvm::enumerate(plan.operands))
    if (operand.kind == OperandKind::Element && plan.n * operand.bytes % 16 == 0) {
      Value mine = w.add(w.add(row, w.mul(consumerId, 64 * plan.blocks)), lane128);
      Value wanted = w.ult(mine, m);
      if (plan.blocks == 1)
        wanted = w.andi(wanted, w.ult(lane128, 64));
      if (plan.ragged)
        wanted = w.andi(wanted, w.ult(column, plan.n));
      w.ifThen(wanted, [&, i = i, bytes = operand.bytes] {
        Value width = w.constant(plan.slice);
        if (plan.ragged)
          width = w.minu(w.sub(w.constant(plan.n), column), plan.slice);
        Value at = w.add(w.mul(mine, plan.n), column);
        kernel::PrefetchL2Op::create(w.builder, w.loc,
                                     w.offset(operandPointers[i], at, w.builder.getIntegerType(8 * bytes)),
                                     w.mul(width, bytes));
      });
    }

  if (!plan.columnBytes)
    return;
  // Column operands, 16 bytes a thread, by copies that need no register. Two buffers: warps may still read the last
  // tile's.
  columnBuffer =
      w.offset(shared, w.add(w.mul(w.add(w.mul(consumerId, 2), columnParity), plan.columnBytes), plan.columns));
  unsigned chunks = plan.columnBytes / 16;
  unsigned partial = 0; // size of the smallest element where an operand ends inside 16 bytes
  for (const SsPlan::Operand &operand : plan.operands)
    if (operand.kind == OperandKind::Column && plan.ragged && plan.n * operand.bytes % 16)
      partial = partial ? std::min(partial, operand.bytes) : operand.bytes;
  for (unsigned base = 0; base < chunks; base += 128) {
    auto copy = [&] {
      Value chunk = w.add(lane128, base), source, at, limit;
      for (auto [i, operand] : llvm::enumerate(plan.operands)) {
        unsigned first = operand.shared / 16, count = plan.slice * operand.bytes / 16;
        if (operand.kind != OperandKind::Column || first >= base + 128 || first + count <= base)
          continue;
        Value offset = w.add(w.mul(column, operand.bytes), w.mul(w.sub(chunk, first), 16));
        Value bytes = w.constant(plan.n * operand.bytes);
        if (!source) {
          source = operandPointers[i], at = offset, limit = bytes;
          continue;
        }
        Value here = w.uge(chunk, first);
        source = w.select(here, operandPointers[i], source);
        at = w.select(here, offset, at);
        limit = w.select(here, bytes, limit);
      }
      Value target = w.offset(columnBuffer, w.mul(chunk, 16));
      if (!plan.ragged)
        return w.copyAsync(target, w.offset(source, at));
      // Bytes beyond the operand's end are zeros.
      Value valid = w.ult(at, limit), rest = w.minu(w.select(valid, w.sub(limit, at), 0), 16);
      if (partial) {
        // A copy of fewer than 16 bytes reads all 16 (memcheck sees it): the last elements go one by one.
        Value within = w.builder.createOrFold<arith::AndIOp>(w.loc, w.ne(rest, 0), w.ult(rest, 16));
        w.ifThenElse(
            within,
            [&] {
              Type type = w.builder.getIntegerType(8 * partial);
              for (unsigned byte = 0; byte < 16; byte += partial)
                w.ifThenElse(
                    w.ult(w.constant(byte), rest),
                    [&] {
                      Value element = w.load(w.offset(w.offset(source, at), byte), type, partial);
                      w.store(element, w.offset(target, byte), partial);
                    },
                    [&] { w.store(w.constant(0, type), w.offset(target, byte), partial); });
            },
            [&] { w.copyAsync(target, w.offset(source, w.select(valid, at, 0)), rest); });
        return;
      }
      w.copyAsync(target, w.offset(source, w.select(valid, at, 0)), rest);
    };
    if (base + 128 <= chunks)
      copy();
    else
      w.ifThen(w.ult(lane128, chunks - base), copy);
  }
  w.commitCopies();
}

void SsKernel::columnsReady() {
  columns.assign(plan.groups(), {});
  if (!plan.columnBytes)
    return;
  w.waitCopies(0);
  w.barrier(w.add(consumerId, 1), 128);
  // The first loads run while the last products do.
  for (unsigned block = 0; block < columnsAhead(); ++block)
    needColumns(block);
}

unsigned SsKernel::columnsAhead() const {
  unsigned operands = llvm::count_if(plan.operands, [](auto &o) { return o.kind == OperandKind::Column; });
  return operands * plan.span <= 32 ? 2 : 1;
}

void SsKernel::needColumns(unsigned block) {
  if (block >= plan.groups() || !columns[block].empty())
    return;
  columns[block].resize(plan.operands.size());
  for (auto [i, operand] : llvm::enumerate(plan.operands))
    if (operand.kind == OperandKind::Column)
      columns[block][i] = loadColumns(i, block);
}

/// `count` elements of `type` at `pointer`, in loads of `unit` bytes; `at(i)` moves the pointer to element i.
static Values loadSpan(KernelWriter &w, Type type, unsigned count, unsigned unit,
                       llvm::function_ref<Value(unsigned)> at) {
  unsigned bytes = type.getIntOrFloatBitWidth() / 8, each = std::max(unit / bytes, 1u);
  Values values;
  for (unsigned i = 0; i < count; i += each) {
    if (each == 1) {
      values.push_back(w.load(at(i), type, bytes));
      continue;
    }
    Value loaded = w.load(at(i), w.vector(each, type), unit);
    for (unsigned j = 0; j < each; ++j)
      values.push_back(w.extractElement(loaded, j));
  }
  return values;
}

Values SsKernel::loadColumns(unsigned operand, unsigned block) {
  const SsPlan::Operand &column = plan.operands[operand];
  Value first = w.offset(columnBuffer, w.mul(quad, plan.span * column.bytes));
  return loadSpan(w, column.type, plan.span, std::min(16u, plan.span * column.bytes),
                  [&](unsigned i) { return w.offset(first, column.shared + (block * plan.group + i) * column.bytes); });
}

Values SsKernel::loadElements(unsigned operand, unsigned block, unsigned slot) {
  const SsPlan::Operand &element = plan.operands[operand];
  unsigned unit = std::gcd(std::gcd(16u, plan.n * element.bytes % 16), plan.span * element.bytes);
  Value first = w.mul(rowIndex[slot], plan.n);
  return loadSpan(w, element.type, plan.span, unit, [&](unsigned i) {
    unsigned column = block * plan.group + i;
    Value at = w.add(firstColumn, column);
    if (plan.ragged)
      at = w.select(inside(limits[slot], column), at, 0);
    return w.offset(operandPointers[operand], w.add(first, at), element.type);
  });
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

Value SsKernel::inside(Value limit, unsigned column) {
  if (!plan.ragged)
    return w.ne(limit, 0);
  return w.cmp(arith::CmpIPredicate::sgt, limit, column);
}

Value SsKernel::rowPointer(unsigned result, unsigned slot) {
  Value at = w.add(w.mul(rowIndex[slot], plan.n), firstColumn);
  return w.offset(resultPointers[result], at, w.builder.getIntegerType(8 * plan.results[result].bytes));
}

static unsigned columnOf(const SsPlan &plan, const SsPiece &piece) {
  return piece.block * plan.group + piece.first * 4 / plan.results[piece.result].bytes;
}

void SsKernel::storePending(ValueRange carried, std::optional<unsigned> step) {
  ValueRange limit = carried.drop_front(3), pointers = limit.drop_front(slots());
  ValueRange words = pointers.drop_front(slots() * plan.results.size());
  unsigned word = 0;
  for (auto [i, piece] : llvm::enumerate(plan.pending)) {
    if (!step || i * plan.storeSteps / plan.pending.size() == *step) {
      unsigned column = columnOf(plan, piece);
      w.storeIf(inside(limit[piece.row], column), pointers[piece.result * slots() + piece.row],
                words.slice(word, piece.words), column * plan.results[piece.result].bytes);
    }
    word += piece.words;
  }
}

void SsKernel::storeParts(unsigned result, unsigned block, unsigned slot, ValueRange words) {
  // Rows of the result are not aligned to words: one or two bytes at a time.
  const SsPlan::Result &type = plan.results[result];
  Value pointer = rowPointer(result, slot);
  Type part = w.builder.getIntegerType(8 * type.unit);
  for (unsigned at = 0; at < 4 * words.size(); at += type.unit) {
    unsigned column = block * plan.group + at / type.bytes;
    w.ifThen(inside(limits[slot], column), [&] {
      w.store(w.trunc(w.shru(words[at / 4], 8 * (at % 4)), part), w.offset(pointer, column * type.bytes), type.unit);
    });
  }
}

Values SsKernel::epilogue(Values sums) {
  kernel::GemmOp op = plan.op;
  Block &region = op.getEpilogue().front();
  bool elements = llvm::any_of(plan.operands, [](auto &o) { return o.kind == OperandKind::Element; });
  unsigned elementsAhead = 2; // chunks: stores order the loads behind them
  unsigned chunks = plan.groups() * slots();
  SmallVector<SmallVector<Values>> loaded(chunks);
  auto needElements = [&](unsigned chunk) {
    if (!elements || chunk >= chunks || !loaded[chunk].empty())
      return;
    loaded[chunk].resize(plan.operands.size());
    for (auto [i, operand] : llvm::enumerate(plan.operands))
      if (operand.kind == OperandKind::Element)
        loaded[chunk][i] = loadElements(i, chunk / slots(), chunk % slots());
  };

  bool guard =
      plan.tokenRows < plan.tileM && llvm::any_of(plan.operands, [](auto &o) { return o.kind == OperandKind::Table; });
  Value zero = plan.accumulator.isF32() ? w.constantF32(0) : w.constant(0);
  SmallVector<Values> pointers(plan.results.size());
  for (unsigned r = 0; r < plan.results.size(); ++r)
    for (unsigned slot = 0; slot < slots(); ++slot)
      pointers[r].push_back(rowPointer(r, slot));
  // By result, group of columns, row: the packed words.
  SmallVector<Values> packed(plan.results.size() * chunks);
  for (unsigned block = 0; block < plan.groups(); ++block) {
    for (unsigned ahead = 0; ahead <= columnsAhead(); ++ahead)
      needColumns(block + ahead);
    for (unsigned slot = 0; slot < slots(); ++slot) {
      unsigned chunk = block * slots() + slot;
      for (unsigned ahead = 0; ahead <= elementsAhead; ++ahead)
        needElements(chunk + ahead);
      Operation *before = &w.builder.getInsertionBlock()->back();
      if (auto point = w.builder.getInsertionPoint(); point != w.builder.getInsertionBlock()->end())
        before = point->getPrevNode();
      SmallVector<Values> emitted(plan.results.size());
      for (unsigned i = 0; i < plan.span; ++i) {
        // Column i of the thread's span is accumulator pair i / 2 of the group.
        unsigned j = block * plan.group / 8 + i / 2;
        Value sum = sums[(slot / 2) * plan.accumulators() + 4 * j + 2 * (slot % 2) + i % 2];
        if (guard) // an index into a table must not come from rows that were never loaded
          sum = w.select(inside(limits[slot], 0), sum, zero);
        Values arguments = {sum};
        for (auto [o, operand] : llvm::enumerate(plan.operands))
          arguments.push_back(operand.kind == OperandKind::Row       ? rowOperands[o][slot]
                              : operand.kind == OperandKind::Column  ? columns[block][o][i]
                              : operand.kind == OperandKind::Element ? loaded[chunk][o][i]
                                                                     : scalars[o]);
        for (auto [r, value] : llvm::enumerate(inlineEpilogue(w, region, arguments)))
          emitted[r].push_back(value);
      }
      for (auto [r, result] : llvm::enumerate(plan.results)) {
        packed[r * chunks + chunk] = packResults(w, emitted[r]);
      }
      Values kept;
      for (unsigned r = 0; r < plan.results.size(); ++r)
        kept.append(packed[r * chunks + chunk]);
      eraseDead(w, before, kept);
      for (auto [r, result] : llvm::enumerate(plan.results))
        if (result.unit < 4)
          storeParts(r, block, slot, packed[r * chunks + chunk]);
      for (const SsPiece &piece : plan.atOnce)
        if (piece.block == block && piece.row == slot && plan.results[piece.result].unit >= 4) {
          unsigned column = columnOf(plan, piece);
          w.storeIf(inside(limits[slot], column), pointers[piece.result][slot],
                    ValueRange(packed[piece.result * chunks + chunk]).slice(piece.first, piece.words),
                    column * plan.results[piece.result].bytes);
        }
    }
  }
  if (!plan.deferred())
    return {};
  Values pending = limits;
  for (const Values &each : pointers)
    pending.append(each);
  for (const SsPiece &piece : plan.pending) {
    const Values &words = packed[piece.result * chunks + piece.block * slots() + piece.row];
    pending.append(words.begin() + piece.first, words.begin() + piece.first + piece.words);
  }
  return pending;
}
