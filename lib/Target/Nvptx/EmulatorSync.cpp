//===- EmulatorSync.cpp - threads, barriers and exchange ----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Kernel/Device.h"
#include "lib/Target/Nvptx/EmulatorMachine.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::emulator;
namespace kernel = bitwright::kernel;

void emulator::completePhase(Barrier &barrier) {
  if (barrier.pending == 0 && barrier.bytes == 0) {
    ++barrier.phase;
    barrier.pending = barrier.expected;
  }
}

namespace {

//===--- Special registers --------------------------------------------------------------===//

enum Special : int64_t { ThreadX, LaneId, WarpId, BlockX, BlockY, GridX, GridY, ClusterRank, ClusterSize, ClusterX, Zero, One, Threads };

void runSpecial(Warp &warp, const Instruction &i) {
  uint32_t *d = warp.row(i.dst);
  const EmulatedLaunch &launch = *warp.machine->launch;
  for (unsigned l = 0; l < lanes; ++l)
    switch (i.number) {
    case ThreadX: d[l] = warp.index * lanes + l; break;
    case LaneId: d[l] = l; break;
    case WarpId: d[l] = warp.index; break;
    case BlockX: d[l] = warp.cta->x; break;
    case BlockY: d[l] = warp.cta->y; break;
    case GridX: d[l] = launch.gridX; break;
    case GridY: d[l] = launch.gridY; break;
    case ClusterRank: d[l] = warp.cta->rank; break;
    case ClusterSize: d[l] = launch.cluster; break;
    case ClusterX: d[l] = warp.cta->x / launch.cluster; break;
    case Zero: d[l] = 0; break;
    case One: d[l] = 1; break;
    case Threads: d[l] = launch.threads; break;
    }
  warp.states[i.dst] = 0;
}

//===--- Barriers of a CTA -------------------------------------------------------------===//

bool wholeWarp(Warp &warp, const Instruction &i) {
  if (warp.mask == all)
    return true;
  warp.fail(i, llvm::formatv("expected all lanes of the warp, found the lanes {0:x}", warp.mask));
  return false;
}

/// The barrier's number (0 without an operand) and threads (all without).
bool namedBarrier(Warp &warp, const Instruction &i, uint32_t &id, uint32_t &threads) {
  id = 0, threads = warp.machine->launch->threads;
  if (i.a != ~0u && !warp.uniform(i, i.a, "the barrier's number", id))
    return false;
  if (i.b != ~0u && !warp.uniform(i, i.b, "the barrier's thread count", threads))
    return false;
  if (id > 15 || threads % lanes || threads == 0 || threads > warp.machine->launch->threads) {
    warp.fail(i, llvm::formatv("expected a barrier 0..15 of a multiple of 32 threads of the CTA's {0}, found barrier {1} of {2}",
                               warp.machine->launch->threads, id, threads));
    return false;
  }
  return true;
}
bool arriveNamed(Warp &warp, const Instruction &i, NamedBarrier &barrier, uint32_t id, uint32_t threads) {
  if (barrier.arrived && barrier.expected != threads) {
    warp.fail(i, llvm::formatv("barrier {0} has waiting warps that expect {1} threads, found {2}", id, barrier.expected, threads));
    return false;
  }
  barrier.expected = threads;
  barrier.arrived += lanes;
  if (barrier.arrived == threads) {
    barrier.arrived = 0;
    ++barrier.generation;
  }
  return true;
}
void runBarrier(Warp &warp, const Instruction &i) {
  uint32_t id, threads;
  if (!wholeWarp(warp, i) || !namedBarrier(warp, i, id, threads))
    return;
  NamedBarrier &barrier = warp.cta->named[id];
  if (!warp.inBarrier) {
    warp.generation = barrier.generation;
    if (!arriveNamed(warp, i, barrier, id, threads))
      return;
    warp.inBarrier = true;
  }
  if (barrier.generation == warp.generation)
    return warp.block([&] {
      return llvm::formatv("barrier {0} ({1} of {2} threads arrived)", id, barrier.arrived, barrier.expected).str();
    });
  warp.inBarrier = false;
}
void runBarrierArrive(Warp &warp, const Instruction &i) {
  uint32_t id, threads;
  if (wholeWarp(warp, i) && namedBarrier(warp, i, id, threads))
    arriveNamed(warp, i, warp.cta->named[id], id, threads);
}

//===--- Barriers of a cluster -----------------------------------------------------------===//

void runClusterArrive(Warp &warp, const Instruction &i) {
  if (!wholeWarp(warp, i))
    return;
  Cluster &cluster = *warp.cluster;
  if (warp.arrivedAtCluster)
    return warp.fail(i, "arrives at the cluster's barrier twice: expected a wait in between");
  warp.arrivedAtCluster = true;
  warp.clusterGeneration = cluster.generation + 1;
  unsigned total = unsigned(cluster.ctas.size() * cluster.ctas[0].warps.size());
  if (++cluster.arrived == total) {
    cluster.arrived = 0;
    ++cluster.generation;
  }
}
void runClusterWait(Warp &warp, const Instruction &i) {
  Cluster &cluster = *warp.cluster;
  if (!warp.arrivedAtCluster)
    return warp.fail(i, "waits at the cluster's barrier without an arrival of its own");
  if (cluster.generation < warp.clusterGeneration)
    return warp.block([&] {
      return llvm::formatv("the cluster's barrier ({0} of {1} warps arrived)", cluster.arrived,
                           cluster.ctas.size() * cluster.ctas[0].warps.size())
          .str();
    });
  warp.arrivedAtCluster = false;
}

//===--- mbarrier ----------------------------------------------------------------------------===//

/// The barrier at a lane's address; an error when there is none.
Barrier *barrierAt(Warp &warp, const Instruction &i, uint32_t address, unsigned lane) {
  Cta *cta;
  uint32_t offset;
  if (!locateShared(warp, i, address, 8, lane, cta, offset))
    return nullptr;
  if (Barrier *barrier = cta->findBarrier(offset))
    return barrier;
  warp.fail(i, llvm::formatv("expected an initialised mbarrier at shared offset {0}", offset), int(lane));
  return nullptr;
}
void runBarrierInit(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the address"))
    return;
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    uint32_t address = warp.row(i.a)[lane], offset;
    Cta *cta;
    if (address % 8)
      return warp.fail(i, llvm::formatv("expected an mbarrier aligned to 8 bytes, found {0:x}", address), int(lane));
    if (!locateShared(warp, i, address, 8, lane, cta, offset))
      return;
    if (cta->findBarrier(offset))
      return warp.fail(i, llvm::formatv("the mbarrier at shared offset {0} is initialised twice", offset), int(lane));
    int32_t count = int32_t(warp.row(i.b)[lane]);
    if (count < 1)
      return warp.fail(i, llvm::formatv("expected a positive mbarrier count, found {0}", count), int(lane));
    Barrier barrier;
    barrier.address = offset;
    barrier.expected = barrier.pending = count;
    cta->barriers.push_back(barrier);
    std::memset(cta->state.data() + offset, BarrierByte, 8);
  }
}
bool arrive(Warp &warp, const Instruction &i, Barrier &barrier, int32_t count, unsigned lane) {
  if (barrier.pending < count) {
    warp.fail(i, llvm::formatv("the mbarrier at shared offset {0} has {1} arrivals pending, found {2} more", barrier.address,
                               barrier.pending, count),
              int(lane));
    return false;
  }
  barrier.pending -= count;
  completePhase(barrier);
  return true;
}
/// a address, b count row or ~0 (arrive), or bytes row (expect); number: 0 arrive, 1 arrive.expect_tx, 2 expect_tx,
/// 3 arrive at rank b.
void runArrive(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the address") || (i.b != ~0u && !warp.defined(i, i.b, "the count")))
    return;
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    uint32_t address = warp.row(i.a)[lane], value = i.b == ~0u ? 1 : warp.row(i.b)[lane];
    if (i.number == 3) {
      if (value >= warp.cluster->ctas.size())
        return warp.fail(i, llvm::formatv("expected a rank below the cluster's size {0}, found {1}", warp.cluster->ctas.size(), value), int(lane));
      address = (address & ((1u << windowBits) - 1)) | (value + 1) << windowBits;
    }
    Barrier *barrier = barrierAt(warp, i, address, lane);
    if (!barrier)
      return;
    if (i.number == 1 || i.number == 2)
      barrier->bytes += value;
    if (i.number == 2)
      continue;
    if (!arrive(warp, i, *barrier, i.number == 0 ? int32_t(value) : 1, lane))
      return;
  }
}
void runWaitParity(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the address") || !warp.defined(i, i.b, "the parity"))
    return;
  // A lane that has seen its phase stays through, whatever happens to the barrier until the others do.
  const uint32_t *addresses = warp.row(i.a), *parities = warp.row(i.b);
  Barrier *barrier = nullptr;
  uint32_t known = 0;
  bool same = true;
  for (uint32_t rest = warp.mask & ~warp.lanesPassed; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    if (!barrier || addresses[lane] != known) {
      same &= !barrier;
      barrier = barrierAt(warp, i, addresses[lane], lane);
      if (!barrier)
        return;
      known = addresses[lane];
    }
    if (parities[lane] > 1)
      return warp.fail(i, llvm::formatv("expected a parity of 0 or 1, found {0}", parities[lane]), int(lane));
    if ((barrier->phase & 1) != parities[lane])
      warp.lanesPassed |= 1u << lane;
  }
  if (uint32_t left = warp.mask & ~warp.lanesPassed) {
    unsigned lane = unsigned(__builtin_ctz(left));
    if (same) {
      warp.sleepAt = addresses[lane] >> windowBits ? &warp.cluster->ctas[(addresses[lane] >> windowBits) - 1] : warp.cta;
      warp.sleepAddress = barrier->address, warp.sleepPhase = barrier->phase;
    }
    return warp.block([&] {
      Barrier *at = barrierAt(warp, i, addresses[lane], lane);
      return llvm::formatv("parity {0} of the mbarrier at shared offset {1} (phase {2}, {3} of {4} arrivals and {5} bytes pending)",
                           parities[lane], at->address, at->phase, at->pending, at->expected, at->bytes)
          .str();
    });
  }
  warp.lanesPassed = 0;
}
void runBarrierInvalidate(Warp &warp, const Instruction &i) {
  for (uint32_t rest = warp.mask; rest; rest &= rest - 1) {
    unsigned lane = unsigned(__builtin_ctz(rest));
    Barrier *barrier = barrierAt(warp, i, warp.row(i.a)[lane], lane);
    if (!barrier)
      return;
    std::memset(warp.cta->state.data() + barrier->address, Unwritten, 8);
    warp.cta->barriers.erase(warp.cta->barriers.begin() + (barrier - warp.cta->barriers.data()));
  }
}

//===--- Exchange in a warp ---------------------------------------------------------------===//

void runShuffle(Warp &warp, const Instruction &i) { // a value, b offset, c mask and clamp; number: kind
  const uint32_t *value = warp.row(i.a), *offset = warp.row(i.b), *clamp = warp.row(i.c);
  if (!warp.defined(i, i.b, "the lane") || !warp.defined(i, i.c, "the clamp"))
    return;
  uint32_t result[lanes], poison = 0, source = warp.poison(i.a) | ~warp.mask;
  if (warp.states[i.a] >> 32)
    return warp.fail(i, "reads a register that a wgmma in flight writes: expected a wait_group before it");
  for (unsigned l = 0; l < lanes; ++l) {
    uint32_t segment = clamp[l] >> 8 & 31, limit = clamp[l] & 31, b = offset[l] & 31;
    int32_t high = int32_t((l & segment) | (limit & ~segment)), low = int32_t(l & segment), from = 0;
    bool inside = false;
    switch (NVVM::ShflKind(i.number)) {
    case NVVM::ShflKind::up: from = int32_t(l) - int32_t(b), inside = from >= high; break;
    case NVVM::ShflKind::down: from = int32_t(l + b), inside = from <= high; break;
    case NVVM::ShflKind::bfly: from = int32_t(l ^ b), inside = from <= high; break;
    case NVVM::ShflKind::idx: from = low | int32_t(b & ~segment), inside = from <= high; break;
    }
    if (!inside)
      from = int32_t(l);
    result[l] = value[from];
    poison |= (source >> from & 1) << l;
  }
  std::memcpy(warp.row(i.dst), result, sizeof(result));
  warp.states[i.dst] = poison;
}
void runRedux(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the value"))
    return;
  const uint32_t *value = warp.row(i.a);
  uint32_t result = value[warp.firstLane()];
  for (uint32_t rest = warp.mask & (warp.mask - 1); rest; rest &= rest - 1) {
    uint32_t x = value[__builtin_ctz(rest)];
    switch (NVVM::ReduxKind(i.number)) {
    case NVVM::ReduxKind::ADD: result += x; break;
    case NVVM::ReduxKind::AND: result &= x; break;
    case NVVM::ReduxKind::OR: result |= x; break;
    case NVVM::ReduxKind::XOR: result ^= x; break;
    case NVVM::ReduxKind::UMAX: result = std::max(result, x); break;
    case NVVM::ReduxKind::UMIN: result = std::min(result, x); break;
    case NVVM::ReduxKind::MAX: result = uint32_t(std::max(int32_t(result), int32_t(x))); break;
    case NVVM::ReduxKind::MIN: result = uint32_t(std::min(int32_t(result), int32_t(x))); break;
    default: return warp.fail(i, "this kind of reduction is not known to the emulator");
    }
  }
  std::fill_n(warp.row(i.dst), lanes, result);
  warp.states[i.dst] = 0;
}
void runVote(Warp &warp, const Instruction &i) {
  if (!warp.defined(i, i.a, "the predicate"))
    return;
  uint32_t ballot = 0;
  for (unsigned l = 0; l < lanes; ++l)
    ballot |= (warp.row(i.a)[l] & 1) << l;
  ballot &= warp.mask;
  uint32_t result = 0;
  switch (NVVM::VoteSyncKind(i.number)) {
  case NVVM::VoteSyncKind::ballot: result = ballot; break;
  case NVVM::VoteSyncKind::any: result = ballot != 0; break;
  case NVVM::VoteSyncKind::all: result = ballot == warp.mask; break;
  case NVVM::VoteSyncKind::uni: result = ballot == warp.mask || ballot == 0; break;
  }
  std::fill_n(warp.row(i.dst), lanes, result);
  warp.states[i.dst] = 0;
}
void runElect(Warp &warp, const Instruction &i) {
  for (unsigned l = 0; l < lanes; ++l)
    warp.row(i.dst)[l] = l == warp.firstLane();
  warp.states[i.dst] = 0;
}
void runMapShared(Warp &warp, const Instruction &i) {
  const uint32_t *address = warp.row(i.a), *rank = warp.row(i.b);
  if (!warp.defined(i, i.b, "the rank"))
    return;
  for (unsigned l = 0; l < lanes; ++l) {
    if ((warp.mask >> l & 1) && rank[l] >= warp.cluster->ctas.size())
      return warp.fail(i, llvm::formatv("expected a rank below the cluster's size {0}, found {1}", warp.cluster->ctas.size(), rank[l]), int(l));
    warp.row(i.dst)[l] = (address[l] & ((1u << windowBits) - 1)) | (rank[l] + 1) << windowBits;
  }
  warp.states[i.dst] = uint32_t(warp.states[i.a]);
}

std::optional<Special> specialOf(Operation *op) {
  if (isa<NVVM::ThreadIdXOp>(op)) return ThreadX;
  if (isa<NVVM::LaneIdOp>(op)) return LaneId;
  if (isa<NVVM::WarpIdOp>(op)) return WarpId;
  if (isa<NVVM::BlockIdXOp>(op)) return BlockX;
  if (isa<NVVM::BlockIdYOp>(op)) return BlockY;
  if (isa<NVVM::GridDimXOp>(op)) return GridX;
  if (isa<NVVM::GridDimYOp>(op)) return GridY;
  if (isa<NVVM::ClusterId, NVVM::BlockInClusterIdXOp>(op)) return ClusterRank;
  if (isa<NVVM::ClusterDim, NVVM::ClusterDimBlocksXOp>(op)) return ClusterSize;
  if (isa<NVVM::ClusterIdXOp>(op)) return ClusterX;
  if (isa<NVVM::ThreadIdYOp, NVVM::ThreadIdZOp, NVVM::BlockIdZOp>(op)) return Zero;
  if (isa<NVVM::BlockDimXOp>(op)) return Threads;
  if (isa<NVVM::BlockDimYOp, NVVM::BlockDimZOp, NVVM::GridDimZOp>(op)) return One;
  return std::nullopt;
}

} // namespace

bool emulator::decodeSynchronisation(Decoder &decoder, Operation *op) {
  auto rows = [&](Run run, Value a = {}, Value b = {}, Value c = {}, int64_t number = 0) {
    uint32_t at[3] = {a ? decoder.use(a) : ~0u, b ? decoder.use(b) : ~0u, c ? decoder.use(c) : ~0u};
    uint32_t dst = op->getNumResults() ? decoder.define(op->getResult(0)) : 0;
    Instruction &i = decoder.emit(run, op);
    i.dst = dst, i.a = at[0], i.b = at[1], i.c = at[2], i.number = number;
    return true;
  };
  if (auto special = specialOf(op))
    return rows(runSpecial, {}, {}, {}, *special);
  if (isa<NVVM::FenceMbarrierInitOp, NVVM::FenceProxyOp, NVVM::SetMaxRegisterOp, NVVM::GriddepcontrolOp, NVVM::PrefetchOp,
          NVVM::SyncWarpOp, NVVM::FenceScClusterOp, kernel::PrefetchL2Op>(op))
    return true; // order and speed only
  if (auto barrier = dyn_cast<NVVM::BarrierOp>(op)) {
    if (barrier.getReductionOp())
      return false;
    return rows(runBarrier, barrier.getBarrierId(), barrier.getNumberOfThreads());
  }
  if (isa<NVVM::Barrier0Op>(op))
    return rows(runBarrier);
  if (auto barrier = dyn_cast<NVVM::BarrierArriveOp>(op))
    return rows(runBarrierArrive, barrier.getBarrierId(), barrier.getNumberOfThreads());
  if (isa<NVVM::ClusterArriveOp, NVVM::ClusterArriveRelaxedOp>(op))
    return rows(runClusterArrive);
  if (isa<NVVM::ClusterWaitOp>(op))
    return rows(runClusterWait);
  if (auto init = dyn_cast<NVVM::MBarrierInitOp>(op))
    return !init.getPredicate() && rows(runBarrierInit, init.getAddr(), init.getCount());
  if (auto invalid = dyn_cast<NVVM::MBarrierInvalOp>(op))
    return rows(runBarrierInvalidate, invalid.getAddr());
  if (auto arrive = dyn_cast<NVVM::MBarrierArriveOp>(op))
    return rows(runArrive, arrive.getAddr(), arrive.getCount(), {}, 0);
  if (auto expect = dyn_cast<NVVM::MBarrierArriveExpectTxOp>(op))
    return !expect.getPredicate() && rows(runArrive, expect.getAddr(), expect.getTxcount(), {}, 1);
  if (auto expect = dyn_cast<NVVM::MBarrierExpectTxOp>(op))
    return rows(runArrive, expect.getAddr(), expect.getTxcount(), {}, 2);
  if (auto arrive = dyn_cast<kernel::ArriveRemoteOp>(op))
    return rows(runArrive, arrive.getBarrier(), arrive.getRank(), {}, 3);
  if (auto wait = dyn_cast<NVVM::MBarrierTryWaitParityOp>(op))
    return rows(runWaitParity, wait.getAddr(), wait.getPhase());
  if (auto shuffle = dyn_cast<NVVM::ShflOp>(op)) {
    if (shuffle.getReturnValueAndIsValid())
      return false;
    return rows(runShuffle, shuffle.getVal(), shuffle.getOffset(), shuffle.getMaskAndClamp(), int64_t(shuffle.getKind()));
  }
  if (auto redux = dyn_cast<NVVM::ReduxOp>(op)) {
    if (!redux.getVal().getType().isInteger(32))
      return false;
    return rows(runRedux, redux.getVal(), {}, {}, int64_t(redux.getKind()));
  }
  if (auto vote = dyn_cast<NVVM::VoteSyncOp>(op))
    return rows(runVote, vote.getPred(), {}, {}, int64_t(vote.getKind()));
  if (isa<NVVM::ElectSyncOp>(op))
    return rows(runElect);
  if (auto map = dyn_cast<NVVM::MapaOp>(op))
    return rowsOf(map.getRes().getType()) == 1 && rows(runMapShared, map.getA(), map.getB());
  if (auto map = dyn_cast<kernel::MapSharedOp>(op))
    return rows(runMapShared, map.getAddress(), map.getRank());
  return false;
}
