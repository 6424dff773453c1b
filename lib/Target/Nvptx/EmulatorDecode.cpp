//===- EmulatorDecode.cpp - a function as instructions over rows ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Values get rows and give them back after their last use, so that the registers of a warp stay in the cache. Operations
// that only rename (members of structs, pins, casts of equal width) have no instruction. Structured control flow becomes
// jumps with a stack of lane masks; branches between blocks must be the same in all lanes.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/EmulatorMachine.h"
#include "dialects/Kernel/Device.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"

using namespace mlir;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::emulator;

unsigned emulator::rowsOf(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    unsigned width = integer.getWidth();
    return width == 64 ? 2 : width == 1 || width == 4 || width == 8 || width == 16 || width == 32 ? 1 : 0;
  }
  if (type.isF32() || type.isF16() || type.isBF16())
    return 1;
  if (type.isF64())
    return 2;
  if (auto pointer = dyn_cast<LLVM::LLVMPointerType>(type))
    return pointer.getAddressSpace() == 3 || pointer.getAddressSpace() == 7 ? 1 : 2;
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getRank() > 1 || vector.isScalable() ? 0 : unsigned(vector.getNumElements()) * rowsOf(vector.getElementType());
  if (auto structure = dyn_cast<LLVM::LLVMStructType>(type)) {
    unsigned rows = 0;
    for (Type element : structure.getBody()) {
      if (!rowsOf(element))
        return 0;
      rows += rowsOf(element);
    }
    return rows;
  }
  return 0;
}

SmallVector<Type> emulator::elementsOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return SmallVector<Type>(size_t(vector.getNumElements()), vector.getElementType());
  if (auto structure = dyn_cast<LLVM::LLVMStructType>(type))
    return llvm::to_vector(structure.getBody());
  return {type};
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

uint32_t Decoder::allocate(unsigned count, bool wide) {
  auto &list = freeRows[{count, wide}];
  if (!list.empty()) {
    uint32_t row = list.back();
    list.pop_back();
    return row;
  }
  program.rows += program.rows % 2; // wide rows are aligned
  uint32_t row = program.rows;
  program.rows += count;
  return row;
}

uint32_t Decoder::use(Value value) const {
  auto found = rows.find(value);
  assert(found != rows.end() && "a value is decoded before its uses");
  return found->second;
}

/// Operations whose results are rows of an operand.
static bool renames(Operation *op) {
  return isa<LLVM::ExtractValueOp, vector::ExtractOp, bitwright::kernel::PinOp, LLVM::BitcastOp, arith::BitcastOp,
             LLVM::PtrToIntOp, LLVM::IntToPtrOp, LLVM::AddrSpaceCastOp, LLVM::FreezeOp>(op);
}

Operation *Decoder::lastUse(Value value, Block *block, bool &permanent) {
  Operation *last = nullptr;
  auto later = [&](Operation *op) {
    if (op && (!last || last->isBeforeInBlock(op)))
      last = op;
  };
  for (Operation *user : value.getUsers()) {
    Operation *ancestor = block->findAncestorOpInBlock(*user);
    if (!ancestor)
      permanent = true;
    later(ancestor);
    if (ancestor && renames(user))
      for (Value result : user->getResults())
        later(lastUse(result, block, permanent));
  }
  return last;
}

uint32_t Decoder::define(Value value) {
  unsigned count = rowsOf(value.getType());
  if (!count) {
    if (!failed)
      mlir::emitError(value.getLoc()) << "the emulator has no registers of type " << value.getType();
    failed = true;
    count = 1;
  }
  uint32_t row = allocate(count, isWide(value.getType()));
  rows[value] = row;
  Block *block = value.getParentBlock();
  bool permanent = isa<BlockArgument>(value) && block->isEntryBlock() && isa<LLVM::LLVMFuncOp>(block->getParentOp());
  permanent |= isa<BlockArgument>(value) && !block->isEntryBlock();
  Operation *last = lastUse(value, block, permanent);
  if (!last)
    last = value.getDefiningOp();
  if (!permanent && last)
    freeAfter[last].push_back({row, count, isWide(value.getType())});
  return row;
}

uint32_t Decoder::constant(uint64_t value, bool wide) {
  auto [entry, isNew] = pool.try_emplace({value, wide}, 0);
  if (isNew) {
    program.rows += program.rows % 2;
    entry->second = program.rows;
    program.rows += wide ? 2 : 1;
    program.constants.push_back({entry->second, value, wide});
  }
  return entry->second;
}

Instruction &Decoder::emit(Run run, Operation *op) {
  program.code.emplace_back();
  program.code.back().run = run;
  program.code.back().op = op;
  return program.code.back();
}

uint32_t Decoder::addMore(ArrayRef<uint32_t> numbers) {
  uint32_t index = uint32_t(program.more.size());
  program.more.insert(program.more.end(), numbers.begin(), numbers.end());
  return index;
}

//===----------------------------------------------------------------------===//
// Moves
//===----------------------------------------------------------------------===//

static void moveRow(Warp &warp, uint32_t *to, uint64_t &toState, const uint32_t *from, uint64_t fromState, bool wide) {
  if (warp.mask == all) {
    std::memcpy(to, from, lanes * (wide ? 8 : 4));
    toState = fromState;
    return;
  }
  for (unsigned lane = 0; lane < lanes; ++lane)
    if (warp.mask >> lane & 1) {
      if (wide)
        to[2 * lane] = from[2 * lane], to[2 * lane + 1] = from[2 * lane + 1];
      else
        to[lane] = from[lane];
    }
  // In flight under a partial mask: the value is lost, which poison says.
  toState = (uint32_t(toState) & ~warp.mask) | (uint32_t(fromState) & warp.mask);
}

static void runMoves(Warp &warp, const Instruction &i) {
  const uint32_t *list = warp.machine->more(i);
  for (uint32_t k = 0; k < i.count; ++k, list += 3)
    moveRow(warp, warp.row(list[1]), warp.states[list[1]], warp.row(list[0]), warp.states[list[0]], list[2]);
}
/// Sources that are destinations too: all are read first.
static void runMovesAtOnce(Warp &warp, const Instruction &i) {
  const uint32_t *list = warp.machine->more(i);
  thread_local std::vector<uint32_t> values;
  thread_local std::vector<uint64_t> states;
  values.resize(size_t(i.count) * 2 * lanes);
  states.resize(i.count);
  for (uint32_t k = 0; k < i.count; ++k) {
    std::memcpy(&values[size_t(k) * 2 * lanes], warp.row(list[3 * k]), lanes * (list[3 * k + 2] ? 8 : 4));
    states[k] = warp.states[list[3 * k]];
  }
  for (uint32_t k = 0; k < i.count; ++k)
    moveRow(warp, warp.row(list[3 * k + 1]), warp.states[list[3 * k + 1]], &values[size_t(k) * 2 * lanes], states[k],
            list[3 * k + 2]);
}

void Decoder::moves(ValueRange from, ValueRange to, SmallVector<std::array<uint32_t, 3>> &out) {
  for (auto [source, target] : llvm::zip(from, to)) {
    uint32_t a = use(source), b = use(target);
    for (Type element : elementsOf(source.getType())) {
      bool wide = rowsOf(element) == 2;
      if (a != b)
        out.push_back({a, b, wide});
      a += wide ? 2 : 1, b += wide ? 2 : 1;
    }
  }
}

void Decoder::copy(ArrayRef<std::array<uint32_t, 3>> moves, Operation *op) {
  if (moves.empty())
    return;
  llvm::DenseSet<uint32_t> written;
  bool conflict = false;
  SmallVector<uint32_t> list;
  for (auto move : moves) {
    conflict |= written.contains(move[0]);
    written.insert(move[1]);
    list.append(move.begin(), move.end());
  }
  Instruction &i = emit(conflict ? runMovesAtOnce : runMoves, op);
  i.count = uint32_t(moves.size());
  i.more = addMore(list);
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

static void runIf(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the condition"))
    return;
  const uint32_t *condition = warp.row(i.a);
  uint32_t yes = 0;
  for (unsigned lane = 0; lane < lanes; ++lane)
    yes |= (condition[lane] & 1) << lane;
  uint32_t taken = warp.mask & yes, other = warp.mask & ~yes;
  warp.stack.push_back({warp.mask, other});
  if (taken) {
    warp.mask = taken;
  } else {
    warp.mask = other;
    warp.pc = i.target;
  }
}
static void runElse(Warp &warp, const Instruction &i) {
  uint32_t other = warp.stack.back().second;
  if (!other)
    warp.pc = i.target;
  else
    warp.mask = other;
}
static void runEndIf(Warp &warp, const Instruction &) { warp.mask = warp.stack.pop_back_val().first; }

static void runForBegin(Warp &warp, const Instruction &i) {
  warp.stack.push_back({warp.mask, 0});
  moveRow(warp, warp.row(i.dst), warp.states[i.dst], warp.row(i.a), warp.states[i.a], i.count);
}
template <typename T, bool isUnsigned> static void runForHead(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.dst, "the loop's counter") || !warp.defined(i, i.b, "the loop's bound"))
    return;
  using Signed = std::make_signed_t<T>;
  const T *counter = reinterpret_cast<const T *>(warp.row(i.dst)), *bound = reinterpret_cast<const T *>(warp.row(i.b));
  uint32_t active = 0;
  for (unsigned lane = 0; lane < lanes; ++lane)
    active |= uint32_t(isUnsigned ? counter[lane] < bound[lane] : Signed(counter[lane]) < Signed(bound[lane])) << lane;
  active &= warp.mask;
  if (active) {
    warp.mask = active;
  } else {
    warp.mask = warp.stack.pop_back_val().first;
    warp.pc = i.target;
  }
}
template <typename T> static void runForNext(Warp &warp, const Instruction &i) {
  T *counter = reinterpret_cast<T *>(warp.row(i.dst));
  const T *step = reinterpret_cast<const T *>(warp.row(i.a));
  for (unsigned lane = 0; lane < lanes; ++lane)
    counter[lane] += step[lane];
  warp.states[i.dst] |= warp.poison(i.a);
  warp.pc = i.target;
}
static void runWhileBegin(Warp &warp, const Instruction &) { warp.stack.push_back({warp.mask, 0}); }
static void runWhileTest(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the condition"))
    return;
  uint32_t active = 0;
  for (unsigned lane = 0; lane < lanes; ++lane)
    active |= (warp.row(i.a)[lane] & 1) << lane;
  active &= warp.mask;
  if (active) {
    warp.mask = active;
  } else {
    warp.mask = warp.stack.pop_back_val().first;
    warp.pc = i.target;
  }
}
static void runJump(Warp &warp, const Instruction &i) { warp.pc = i.target; }
static void runBranch(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the condition"))
    return;
  uint32_t condition = 0;
  if (!warp.uniform(i, i.a, "the condition of a branch between blocks", condition))
    return;
  warp.pc = condition & 1 ? i.target : i.target2;
}
static void runReturn(Warp &warp, const Instruction &) { warp.state = Warp::Done; }

void Decoder::decodeIf(scf::IfOp op) {
  for (Value result : op.getResults())
    define(result);
  uint32_t at = uint32_t(program.code.size());
  emit(runIf, op).a = use(op.getCondition());
  SmallVector<std::array<uint32_t, 3>> list;
  decodeBlock(*op.thenBlock());
  moves(op.thenYield().getOperands(), op.getResults(), list);
  copy(list, op);
  uint32_t middle = uint32_t(program.code.size());
  emit(runElse, op);
  program.code[at].target = uint32_t(program.code.size());
  if (op.elseBlock()) {
    decodeBlock(*op.elseBlock());
    list.clear();
    moves(op.elseYield().getOperands(), op.getResults(), list);
    copy(list, op);
  }
  program.code[middle].target = uint32_t(program.code.size());
  emit(runEndIf, op);
}

void Decoder::decodeFor(scf::ForOp op) {
  for (auto [result, argument] : llvm::zip(op.getResults(), op.getRegionIterArgs()))
    alias(argument, define(result));
  unsigned width = rowsOf(op.getInductionVar().getType());
  uint32_t counter = allocate(width, width == 2);
  alias(op.getInductionVar(), counter);
  SmallVector<std::array<uint32_t, 3>> list;
  moves(op.getInitArgs(), op.getResults(), list);
  copy(list, op);
  Instruction &begin = emit(runForBegin, op);
  begin.dst = counter, begin.a = use(op.getLowerBound()), begin.count = width == 2;
  uint32_t head = uint32_t(program.code.size());
  bool isUnsigned = op.getUnsignedCmp();
  Instruction &test = emit(width == 2 ? (isUnsigned ? runForHead<uint64_t, true> : runForHead<uint64_t, false>)
                                      : (isUnsigned ? runForHead<uint32_t, true> : runForHead<uint32_t, false>), op);
  test.dst = counter, test.b = use(op.getUpperBound());
  decodeBlock(*op.getBody());
  list.clear();
  moves(op.getBody()->getTerminator()->getOperands(), op.getResults(), list);
  copy(list, op);
  Instruction &next = emit(width == 2 ? runForNext<uint64_t> : runForNext<uint32_t>, op);
  next.dst = counter, next.a = use(op.getStep()), next.target = head;
  program.code[head].target = uint32_t(program.code.size());
  freeRows[{width, width == 2}].push_back(counter);
}

void Decoder::decodeWhile(scf::WhileOp op) {
  for (auto [result, argument] : llvm::zip(op.getResults(), op.getAfterArguments()))
    alias(argument, define(result));
  for (BlockArgument argument : op.getBeforeArguments()) {
    unsigned count = rowsOf(argument.getType());
    alias(argument, allocate(count, isWide(argument.getType())));
    freeAfter[op].push_back({use(argument), count, isWide(argument.getType())});
  }
  SmallVector<std::array<uint32_t, 3>> list;
  moves(op.getInits(), op.getBeforeArguments(), list);
  copy(list, op);
  emit(runWhileBegin, op);
  uint32_t head = uint32_t(program.code.size());
  decodeBlock(*op.getBeforeBody());
  list.clear();
  moves(op.getConditionOp().getArgs(), op.getResults(), list);
  copy(list, op);
  uint32_t test = uint32_t(program.code.size());
  emit(runWhileTest, op).a = use(op.getConditionOp().getCondition());
  decodeBlock(*op.getAfterBody());
  list.clear();
  moves(op.getYieldOp().getOperands(), op.getBeforeArguments(), list);
  copy(list, op);
  emit(runJump, op).target = head;
  program.code[test].target = uint32_t(program.code.size());
}

bool Decoder::decodeBranch(Operation *op) {
  SmallVector<std::array<uint32_t, 3>> list;
  if (auto branch = dyn_cast<LLVM::BrOp>(op)) {
    moves(branch.getDestOperands(), branch.getDest()->getArguments(), list);
    copy(list, op);
    fixups.push_back({uint32_t(program.code.size()), {branch.getDest(), nullptr}});
    emit(runJump, op);
    return true;
  }
  if (auto branch = dyn_cast<cf::BranchOp>(op)) {
    moves(branch.getDestOperands(), branch.getDest()->getArguments(), list);
    copy(list, op);
    fixups.push_back({uint32_t(program.code.size()), {branch.getDest(), nullptr}});
    emit(runJump, op);
    return true;
  }
  Value condition;
  Block *yes = nullptr, *no = nullptr;
  OperandRange yesOperands = op->getOperands(), noOperands = op->getOperands();
  if (auto branch = dyn_cast<LLVM::CondBrOp>(op)) {
    condition = branch.getCondition(), yes = branch.getTrueDest(), no = branch.getFalseDest();
    yesOperands = branch.getTrueDestOperands(), noOperands = branch.getFalseDestOperands();
  } else if (auto branch = dyn_cast<cf::CondBranchOp>(op)) {
    condition = branch.getCondition(), yes = branch.getTrueDest(), no = branch.getFalseDest();
    yesOperands = branch.getTrueDestOperands(), noOperands = branch.getFalseDestOperands();
  } else {
    return false;
  }
  // Each edge is its moves and a jump of its own.
  uint32_t at = uint32_t(program.code.size());
  emit(runBranch, op).a = use(condition);
  program.code[at].target = uint32_t(program.code.size());
  moves(yesOperands, yes->getArguments(), list);
  copy(list, op);
  fixups.push_back({uint32_t(program.code.size()), {yes, nullptr}});
  emit(runJump, op);
  program.code[at].target2 = uint32_t(program.code.size());
  list.clear();
  moves(noOperands, no->getArguments(), list);
  copy(list, op);
  fixups.push_back({uint32_t(program.code.size()), {no, nullptr}});
  emit(runJump, op);
  return true;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

void Decoder::decodeOp(Operation *op) {
  if (isa<scf::YieldOp, scf::ConditionOp>(op))
    return; // its region's operation has made the moves
  if (auto ifOp = dyn_cast<scf::IfOp>(op))
    decodeIf(ifOp);
  else if (auto forOp = dyn_cast<scf::ForOp>(op))
    decodeFor(forOp);
  else if (auto whileOp = dyn_cast<scf::WhileOp>(op))
    decodeWhile(whileOp);
  else if (isa<LLVM::ReturnOp>(op))
    emit(runReturn, op);
  else if (!decodeBranch(op) && !decodeArithmetic(*this, op) && !decodeMemory(*this, op) &&
           !decodeSynchronisation(*this, op) && !decodeTensor(*this, op)) {
    op->emitOpError("is not known to the emulator");
    failed = true;
    for (Value result : op->getResults())
      define(result);
  }
  if (auto found = freeAfter.find(op); found != freeAfter.end())
    for (auto [row, count, wide] : found->second)
      freeRows[{count, wide}].push_back(row);
}

void Decoder::decodeBlock(Block &block) {
  for (Operation &op : block)
    decodeOp(&op);
}

LogicalResult Decoder::decode() {
  if (function.empty())
    return function.emitOpError("has no body to emulate");
  for (BlockArgument argument : function.getArguments())
    define(argument);
  for (Block &block : function.getBody().getBlocks())
    if (!block.isEntryBlock())
      for (BlockArgument argument : block.getArguments())
        define(argument);
  // Definitions dominate uses, but blocks need not stand in that order.
  SmallVector<Block *> order;
  llvm::SmallPtrSet<Block *, 8> seen;
  std::function<void(Block *)> visit = [&](Block *block) {
    if (!seen.insert(block).second)
      return;
    for (Block *next : block->getSuccessors())
      visit(next);
    order.push_back(block);
  };
  visit(&function.getBody().front());
  for (Block *block : llvm::reverse(order)) {
    blockStart[block] = uint32_t(program.code.size());
    decodeBlock(*block);
  }
  for (auto &[at, blocks] : fixups)
    program.code[at].target = blockStart[blocks.first];
  return success(!failed);
}
