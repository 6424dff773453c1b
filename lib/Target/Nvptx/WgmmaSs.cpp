//===- WgmmaSs.cpp - template wgmma_ss: both operands in shared memory ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// One producer warp group (one thread issues TMA) and one or two consumer warp groups of 64 x tile_n (times `blocks`).
// The grid is persistent: CTA c takes tiles c, c + grid, ... in an order that walks `raster` tile rows before the next
// column, so that both operands are reused from the L2. KERNELS 4.3 has the measurements behind each choice:
//   * the ring of stages runs on across tiles, so the next tile loads during the epilogue;
//   * two wgmma groups in flight: the stage of step i-1 is released after the wait in step i;
//   * the first step of a tile starts from zero, so accumulators are never cleared;
//   * tile coordinates (divisions) and the loads of the epilogue's operands come after the tile's first MMAs are
//   issued;
//   * the packed results stay in registers and are stored a few words a step under the next tile's MMAs: an SM sends
//   only
//     about 32 bytes a clock to the L2, so a tile stored at once would stall the tensor cores;
//   * no fence or arrival has GPU or cluster scope: in the loop each would be a memory barrier over the whole GPU.
// With split_k the CTAs of a cluster share a tile's K; partial sums go through distributed shared memory and each CTA
// finishes its share of the columns. Then the grid has one cluster for each tile.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/WgmmaSsKernel.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::OperandKind;

void SsKernel::emit(const EmittedKernel &kernel) {
  Values arguments = w.begin(kernel);
  lhsMap = arguments[0];
  rhsMap = arguments[1];
  for (unsigned i = 0; i < plan.operands.size(); ++i)
    operandPointers.push_back(arguments[2 + i]);
  for (unsigned i = 0; i < plan.results.size(); ++i)
    resultPointers.push_back(arguments[2 + plan.operands.size() + i]);
  m = arguments.back();

  thread = w.threadId(plan.threads());
  Value warpGroup = w.uniform(w.divu(thread, 128));
  shared = w.sharedMemory();
  full = w.offset(shared, plan.barriers);
  empty = w.offset(shared, plan.barriers + 8 * plan.stages);
  exchange = w.offset(shared, plan.exchangeBarrier);
  rank = w.constant(0);
  firstTile = w.blockX();
  tileStep = w.gridX();
  firstStep = w.constant(0);
  // Pinned: with a known number of steps LLVM unrolls the loop, and registers run out.
  endStep = w.pin({w.constant(plan.steps)})[0];
  if (plan.splitK > 1) {
    rank = w.clusterRank();
    firstTile = w.divu(firstTile, plan.splitK);
    tileStep = w.divu(tileStep, plan.splitK);
    firstStep = w.divu(w.mul(rank, plan.steps), plan.splitK);
    endStep = w.divu(w.mul(w.add(rank, 1), plan.steps), plan.splitK);
  }
  tileRows = w.divu(w.add(m, plan.tileM - 1), plan.tileM);
  tiles = w.mul(tileRows, tileColumns());

  w.ifThen(w.eq(thread, 0), [&] {
    for (unsigned s = 0; s < plan.stages; ++s) {
      w.barrierInit(w.offset(full, 8 * s), 1);
      w.barrierInit(w.offset(empty, 8 * s), plan.consumers);
    }
    if (plan.splitK > 1) {
      w.barrierInit(exchange, 1);
      w.expectBytes(exchange, (plan.splitK - 1) * plan.exchangePieces() * 16 * 32 * plan.activeWarps());
    }
    w.fenceBarrierInit();
    w.prefetchTensorMap(lhsMap);
    w.prefetchTensorMap(rhsMap);
  });
  // A peer's barrier must exist before anything arrives there. The arrival is relaxed, the fence above orders what
  // matters. Loads start at once; only the exchange waits for the peer.
  if (plan.splitK > 1)
    w.clusterArriveRelaxed();
  w.barrier();
  if (plan.pdl)
    w.launchDependents();
  w.ifThenElse(w.eq(warpGroup, 0), [&] { producer(); }, [&] { consumer(warpGroup); });
  w.end();
}

SsKernel::Ring SsKernel::next(Ring ring) {
  Value stage = w.add(ring.stage, 1), wrapped = w.eq(stage, plan.stages);
  return {w.select(wrapped, 0, stage), w.select(wrapped, w.xori(ring.parity, 1), ring.parity)};
}

void SsKernel::place(Value tile, Value &row, Value &column) {
  Value group = w.divu(tile, tileColumns() * plan.raster), inside = w.remu(tile, tileColumns() * plan.raster);
  Value first = w.mul(group, plan.raster);
  // Pinned, or its range would make LLVM divide in 16 bits, which is a call to ptxas.
  Value height = w.pin({w.minu(w.sub(tileRows, first), plan.raster)})[0];
  row = w.mul(w.add(first, w.remu(inside, height)), plan.tileM);
  column = w.mul(w.divu(inside, height), plan.tileN);
}

void SsKernel::loadLhs(Value stage, Value step, Value row) {
  w.copyTensor(w.offset(shared, w.mul(stage, plan.stageBytes)), lhsMap, {w.mul(step, plan.stepElements()), row},
               w.offset(full, stage, w.i64()));
}

void SsKernel::loadRhs(Value stage, Value step, Value column) {
  Value barrier = w.offset(full, stage, w.i64());
  // Rows of the left operand beyond token_rows are left as they are: they only reach results that nobody stores.
  w.expectBytes(barrier, plan.tokenRows * 128 + plan.rhsBytes);
  Value target = w.offset(shared, w.add(w.mul(stage, plan.stageBytes), plan.lhsBytes));
  // Slice d is what CTA (rank + d) % split_k finishes: its own is always slice 0, so no register index is dynamic.
  for (unsigned d = 0; d < plan.splitK; ++d) {
    Value first = column;
    if (plan.splitK > 1)
      first = w.add(column, w.mul(w.remu(w.add(rank, d), plan.splitK), plan.slice));
    w.copyTensor(w.offset(target, d * plan.slice * 128), rhsMap, {w.mul(step, plan.stepElements()), first}, barrier);
  }
}

void SsKernel::producer() {
  if (plan.consumers == 2)
    w.setMaxRegisters(40, false);
  w.ifThen(w.eq(thread, 0), [&] {
    Ring start{w.constant(0), w.constant(1)}; // parity 1: the first waits on a fresh barrier pass
    Value loaded = w.constant(0);
    if (plan.pdl) {
      // Weights do not depend on the kernel before this one: the ring fills with them while it still runs.
      unsigned ahead = std::min(plan.stages, plan.steps / plan.splitK);
      Value row, column;
      place(firstTile, row, column);
      Value some = w.ult(firstTile, tiles);
      w.ifThen(some, [&] {
        w.loop(0, ahead, 1, {}, [&](Value i, ValueRange) -> Values {
          loadRhs(i, w.add(firstStep, i), column);
          return {};
        });
      });
      w.waitPredecessor();
      w.ifThen(some, [&] {
        w.loop(0, ahead, 1, {}, [&](Value i, ValueRange) -> Values {
          loadLhs(i, w.add(firstStep, i), row);
          return {};
        });
      });
      loaded = w.constant(ahead);
      start = {w.constant(ahead % plan.stages), w.constant(ahead < plan.stages)};
    }
    w.loop(firstTile, tiles, tileStep, {start.stage, start.parity, loaded},
           [&](Value tile, ValueRange carried) -> Values {
             Value row, column;
             place(tile, row, column);
             Values after = w.loop(w.add(firstStep, carried[2]), endStep, 1, carried.take_front(2),
                                   [&](Value step, ValueRange position) -> Values {
                                     Ring ring{position[0], position[1]};
                                     w.waitParity(w.offset(empty, ring.stage, w.i64()), ring.parity);
                                     loadRhs(ring.stage, step, column);
                                     loadLhs(ring.stage, step, row);
                                     Ring moved = next(ring);
                                     return {moved.stage, moved.parity};
                                   });
             return {after[0], after[1], w.constant(0)};
           });
  });
  if (plan.splitK > 1)
    w.clusterWait();
}

void SsKernel::multiply(Value stage, Values &accumulators, bool first) {
  Value base = w.pointerToInt(w.offset(shared, w.mul(stage, plan.stageBytes)));
  Values lhs;
  for (unsigned b = 0; b < plan.blocks; ++b)
    lhs.push_back(w.descriptor(w.add(base, w.mul(w.add(w.mul(consumerId, plan.blocks), b), 64 * 128))));
  Value rhs = w.descriptor(w.add(base, plan.lhsBytes));
  w.wgmmaFence();
  for (unsigned k = 0; k < 4; ++k) { // 32 bytes along K each: 2 units of 16 bytes in the descriptor
    Value rhsK = w.add(rhs, 2 * k);
    for (unsigned b = 0; b < plan.blocks; ++b)
      accumulators[b] =
          w.wgmmaShared(plan.kind, plan.tileN, w.add(lhs[b], 2 * k), rhsK, accumulators[b], first && k == 0);
  }
  w.wgmmaCommit();
}

void SsKernel::release(Value stage) {
  w.ifThen(w.eq(lane128, 0), [&] { w.arrive(w.offset(empty, stage, w.i64())); });
}

SsKernel::Ring SsKernel::step(Ring ring, Value previous, Values &accumulators, bool first,
                              llvm::function_ref<void()> between) {
  w.waitParity(w.offset(full, ring.stage, w.i64()), ring.parity);
  multiply(ring.stage, accumulators, first);
  if (between)
    between();
  if (!first) {
    w.wgmmaWait(1);
    release(previous);
  }
  return next(ring);
}

void SsKernel::consumer(Value warpGroup) {
  if (plan.consumers == 2)
    w.setMaxRegisters(232, true);
  consumerId = w.sub(warpGroup, 1);
  lane128 = w.remu(thread, 128);
  Value lane = w.remu(lane128, 32);
  warp = w.uniform(w.divu(lane128, 32));
  quad = w.remu(lane, 4);
  rowInTile = w.add(w.add(w.mul(consumerId, 64 * plan.blocks), w.mul(w.divu(lane128, 32), 16)), w.divu(lane, 4));
  if (plan.pdl)
    w.waitPredecessor();
  loadConstants();

  Type accumulatorType = w.structOf(plan.accumulators(), plan.accumulator);
  Value undefined = LLVM::UndefOp::create(w.builder, w.loc, accumulatorType);
  Value zero = w.constant(0);
  // Carried from tile to tile: position in the ring, which column buffer, and the results not stored yet.
  Values init = {zero, zero, zero};
  if (plan.deferred()) {
    for (unsigned slot = 0; slot < slots(); ++slot)
      init.push_back(zero); // nothing is inside M: the first tile stores nothing
    for (Value pointer : resultPointers)
      init.append(slots(), pointer);
    for (const SsPiece &piece : plan.pending)
      init.append(piece.words, zero);
  }
  Values last = w.loop(firstTile, tiles, tileStep, init, [&](Value tile, ValueRange carried) -> Values {
    Ring ring{carried[0], carried[1]};
    columnParity = carried[2];
    Values accumulators(plan.blocks, undefined);
    Value previous;
    for (unsigned k = 0; k < plan.storeSteps; ++k) {
      Value stage = ring.stage;
      ring = step(ring, previous, accumulators, k == 0, [&] {
        if (plan.deferred())
          storePending(carried, k);
        if (k == 0)
          prepare(tile);
      });
      previous = stage;
    }
    Values loopInit = {ring.stage, ring.parity, previous};
    loopInit.append(accumulators);
    Values after =
        w.loop(w.add(firstStep, plan.storeSteps), endStep, 1, loopInit, [&](Value, ValueRange state) -> Values {
          Ring inner{state[0], state[1]};
          Values sums(state.drop_front(3));
          Ring moved = step(inner, state[2], sums, false, {});
          Values result = {moved.stage, moved.parity, inner.stage};
          result.append(sums);
          return result;
        });
    columnsReady();
    w.wgmmaWait(0);
    release(after[2]);
    Values sums;
    for (unsigned b = 0; b < plan.blocks; ++b) {
      Values parts;
      for (unsigned i = 0; i < plan.accumulators(); ++i)
        parts.push_back(w.extract(after[3 + b], i));
      sums.append(w.pin(parts)); // nothing may touch an accumulator before the wait
    }
    if (plan.splitK > 1)
      w.clusterWait(); // the peer's barriers exist
    Values pending;
    auto finish = [&] {
      if (plan.splitK > 1)
        exchangeSums(sums);
      pending = epilogue(sums);
    };
    if (plan.activeWarps() == 4 * plan.consumers)
      finish();
    else
      w.ifThen(w.ult(w.add(w.mul(consumerId, 4), warp), plan.activeWarps()), finish);
    Values result = {after[0], after[1], plan.columnBytes ? w.xori(columnParity, 1) : columnParity};
    result.append(pending);
    return result;
  });
  if (plan.deferred())
    storePending(last, std::nullopt);
}

void SsKernel::exchangeSums(Values &sums) {
  Value own = w.mul(w.add(w.mul(consumerId, 128), lane128), 16);
  unsigned stride = 16 * 128 * plan.consumers, words = plan.sliceAccumulators();
  for (unsigned d = 1; d < plan.splitK; ++d) {
    Value peer = w.remu(w.add(rank, d), plan.splitK);
    auto map = [&](Value pointer) -> Value {
      return kernel::MapSharedOp::create(w.builder, w.loc, w.i32(), w.pointerToInt(pointer), peer);
    };
    Value target =
        w.add(map(w.offset(shared, plan.receive + (plan.splitK - 1 - d) * plan.exchangePieces() * stride)), own);
    Value barrier = map(exchange);
    for (unsigned piece = 0; piece < plan.exchangePieces(); ++piece) {
      Values bits;
      for (unsigned i = 0; i < 4; ++i)
        bits.push_back(w.bitcast(sums[d * words + 4 * piece + i], w.i32()));
      kernel::StoreAsyncOp::create(w.builder, w.loc, w.add(target, piece * stride), bits[0], bits[1], bits[2], bits[3],
                                   barrier);
    }
  }
  w.waitParity(exchange, w.constant(0));
  Value mine = w.offset(w.offset(shared, plan.receive), own);
  for (unsigned s = 0; s + 1 < plan.splitK; ++s)
    for (unsigned piece = 0; piece < plan.exchangePieces(); ++piece) {
      Values received = w.loadWords(w.offset(mine, (s * plan.exchangePieces() + piece) * stride), 4);
      for (unsigned i = 0; i < 4; ++i) {
        Value &sum = sums[4 * piece + i];
        sum = plan.accumulator.isF32() ? w.addf(sum, w.bitcast(received[i], w.f32())) : w.add(sum, received[i]);
      }
    }
}

EmittedKernel bitwright::nvptx::emitWgmmaSs(Operation *op, kernel::ScheduleAttr schedule, ModuleOp into,
                                            StringRef symbol) {
  std::string failed;
  auto gemm = cast<kernel::GemmOp>(op);
  SsPlan plan = planWgmmaSs(gemm, schedule, failed);
  assert(failed.empty() && "emit after supports");
  MLIRContext *context = op->getContext();

  EmittedKernel kernel;
  kernel.symbol = symbol.str();
  kernel.arch = Arch::Sm90a;
  kernel.threads = plan.threads();
  kernel.sharedBytes = plan.total;
  kernel.cluster = plan.splitK;
  kernel.pdl = plan.pdl;
  kernel.persistent = plan.splitK == 1;
  AffineExpr rows = getAffineDimExpr(0, context);
  kernel.gridX = rows.ceilDiv(plan.tileM) * int64_t(llvm::divideCeil(plan.n, plan.tileN) * plan.splitK);
  kernel.gridY = getAffineConstantExpr(1, context);

  Parameter lhs;
  lhs.role = Role::Lhs;
  lhs.form = Form::TensorMap;
  lhs.map.elementBits = 8 * plan.elementBytes;
  lhs.map.boxColumns = plan.stepElements();
  lhs.map.boxRows = plan.tokenRows;
  Parameter rhs = lhs;
  rhs.role = Role::Rhs;
  rhs.map.boxRows = plan.slice;
  rhs.packing = plan.packing();
  kernel.parameters = {lhs, rhs};
  auto pointer = [&](Role role, unsigned index) {
    Parameter parameter;
    parameter.role = role;
    parameter.index = index;
    kernel.parameters.push_back(parameter);
  };
  for (unsigned i = 0; i < plan.operands.size(); ++i)
    pointer(Role::Operand, i);
  for (unsigned i = 0; i < plan.results.size(); ++i)
    pointer(Role::Result, i);
  Parameter m;
  m.role = Role::M;
  m.form = Form::Int32;
  kernel.parameters.push_back(m);

  SsKernel(plan, op->getLoc(), into).emit(kernel);
  return kernel;
}
