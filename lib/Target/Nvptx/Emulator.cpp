//===- Emulator.cpp - a grid of CTAs, their warps and their turns ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Known operations: EmulatorDecode.cpp (scf.for, if, while; llvm and cf branches), EmulatorArith.cpp (arith, math, llvm
// arithmetic, vector and struct plumbing, lop3, prmt, packing), EmulatorMemory.cpp (llvm.load, store, getelementptr,
// cp.async, TMA, bulk copies, st.async), EmulatorSync.cpp (special registers, barriers, mbarrier, shfl, redux, vote,
// elect, mapa), EmulatorTensor.cpp (ldmatrix, mma.sync, wgmma). A new one is a function and a line in one of them.
//
// Turns: a warp runs until it waits; the next is drawn from the seed, which also makes some warps slow. Asynchronous
// copies land one at a time, in an order drawn from the seed, when every warp that is not slow waits.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/EmulatorMachine.h"
#include <thread>

using namespace mlir;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::emulator;

//===----------------------------------------------------------------------===//
// Warps
//===----------------------------------------------------------------------===//

static std::string whereOf(const Warp &warp) {
  std::string text = llvm::formatv("CTA ({0}, {1}) warp {2}", warp.cta->x, warp.cta->y, warp.index);
  return text;
}
static unsigned lineOf(Operation *op) {
  // The position in the function serves where locations say nothing.
  unsigned position = 0;
  Operation *function = op->getParentOfType<LLVM::LLVMFuncOp>();
  function->walk<WalkOrder::PreOrder>([&](Operation *other) {
    if (other == op)
      return WalkResult::interrupt();
    ++position;
    return WalkResult::advance();
  });
  return position;
}
static std::string textOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  op->print(stream, OpPrintingFlags().skipRegions().useLocalScope().elideLargeElementsAttrs(8));
  if (text.size() > 300)
    text = text.substr(0, 300) + " ...";
  return text;
}

/// Where the undefined operand of `op` comes from, as far as registers still tell.
static std::string originOf(const Warp &warp, Operation *op, unsigned lane) {
  Operation *last = nullptr;
  for (unsigned step = 0; op && step < 1000; ++step) {
    Operation *next = nullptr;
    for (Value operand : op->getOperands()) {
      if (!warp.machine->decoder->knows(operand))
        continue;
      uint32_t row = warp.machine->decoder->use(operand);
      unsigned count = rowsOf(operand.getType());
      for (unsigned k = 0; k < count; ++k)
        if (warp.poison(row + k) >> lane & 1) {
          next = operand.getDefiningOp();
          if (!next && last)
            return "\n  it depends on a carried value that operation " + std::to_string(lineOf(last)) + " reads: " + textOf(last);
        }
      if (next)
        break;
    }
    last = op;
    op = next;
  }
  return "\n  it comes from operation " + std::to_string(lineOf(last)) + ": " + textOf(last);
}

void Warp::fail(const Instruction &at, const std::string &message, int lane) {
  std::lock_guard<std::mutex> lock(machine->mutex);
  cluster->failed = true;
  state = Waiting;
  unsigned number = cluster->ctas[0].number;
  if (!machine->error.empty() && machine->errorCluster <= number)
    return;
  machine->errorCluster = number;
  machine->errorAt = at.op;
  machine->error = whereOf(*this) + (lane >= 0 ? " lane " + std::to_string(lane) : "") + ": " + message;
  if (lane >= 0 && StringRef(message).contains("undefined value"))
    machine->error += originOf(*this, at.op, unsigned(lane));
}

void Warp::block(llvm::function_ref<std::string()> describe) {
  --pc;
  state = Waiting;
  if (cluster->explain)
    wait = describe();
}

bool Warp::defined(const Instruction &at, uint32_t row, const char *what) {
  if (LLVM_LIKELY(!(poison(row) & mask)))
    return true;
  if (states[row] >> 32)
    fail(at, std::string("expected ") + what + " to be defined, found the result of a wgmma in flight");
  else
    fail(at, std::string("expected ") + what + " to be defined, found a value that depends on memory nobody wrote",
         __builtin_ctz(poison(row) & mask));
  return false;
}

bool Warp::uniform(const Instruction &at, uint32_t index, const char *what, uint32_t &value) {
  if (!defined(at, index, what))
    return false;
  value = row(index)[firstLane()];
  for (uint32_t rest = mask; rest; rest &= rest - 1)
    if (row(index)[__builtin_ctz(rest)] != value) {
      fail(at, std::string("expected ") + what + " to be the same in all lanes (the emulator has no other)");
      return false;
    }
  return true;
}

/// A loop that never ends must not hang the test.
static constexpr uint64_t turnLimit = uint64_t(1) << 30;

/// Runs until the warp waits, fails or ends; whether it got anywhere.
static bool runWarp(Warp &warp) {
  if (warp.sleepAt && !warp.cluster->explain) {
    const Barrier *barrier = warp.sleepAt->findBarrier(warp.sleepAddress);
    if (barrier && barrier->phase == warp.sleepPhase)
      return false;
  }
  warp.sleepAt = nullptr;
  const Instruction *code = warp.machine->program->code.data();
  warp.state = Warp::Ready;
  uint32_t start = warp.pc;
  uint64_t steps = 0;
  do {
    const Instruction &instruction = code[warp.pc++];
    instruction.run(warp, instruction);
    if (LLVM_UNLIKELY(++steps == turnLimit))
      warp.fail(instruction, "no end in sight: expected a wait or the end within 2^30 operations");
  } while (warp.state == Warp::Ready);
  return steps > 1 || warp.pc != start;
}

//===----------------------------------------------------------------------===//
// Clusters
//===----------------------------------------------------------------------===//

static void prepare(Machine &machine, Cluster &cluster, unsigned number) {
  const EmulatedLaunch &launch = *machine.launch;
  const Program &program = *machine.program;
  cluster.ctas.resize(launch.cluster);
  cluster.pending.clear();
  cluster.arrived = 0, cluster.generation = 0;
  cluster.explain = cluster.failed = false;
  cluster.random = (launch.seed + 0x9e3779b97f4a7c15ull * (number + 1)) | 1;
  unsigned perRow = launch.gridX / launch.cluster, warps = launch.threads / lanes;
  for (unsigned rank = 0; rank < launch.cluster; ++rank) {
    Cta &cta = cluster.ctas[rank];
    cta.rank = rank;
    cta.x = number % perRow * launch.cluster + rank, cta.y = number / perRow;
    cta.number = cta.y * launch.gridX + cta.x;
    cta.shared.assign(launch.sharedBytes, 0x5a);
    cta.state.assign(launch.sharedBytes, Unwritten);
    cta.barriers.clear();
    for (NamedBarrier &barrier : cta.named)
      barrier = NamedBarrier();
    cta.groups.assign((warps + 3) / 4, WarpGroup());
    size_t rows = program.rows + 2;
    cta.registers.resize(size_t(warps) * rows * lanes + 16);
    cta.states.assign(size_t(warps) * rows, 0);
    cta.warps.clear();
    cta.warps.resize(warps);
    for (unsigned w = 0; w < warps; ++w) {
      Warp &warp = cta.warps[w];
      warp.machine = &machine, warp.cluster = &cluster, warp.cta = &cta, warp.index = w;
      warp.registers = cta.registers.data() + size_t(w) * rows * lanes;
      warp.states = cta.states.data() + size_t(w) * rows;
      for (const Program::Constant &constant : program.constants)
        if (constant.wide)
          std::fill_n(warp.wide(constant.row), lanes, constant.value);
        else
          std::fill_n(warp.row(constant.row), lanes, uint32_t(constant.value));
    }
  }
}

/// Why nobody goes on: the first warp's operation carries the error.
static void explainDeadlock(Machine &machine, Cluster &cluster) {
  cluster.explain = true;
  std::string text;
  Operation *at = nullptr;
  Warp *first = nullptr;
  std::string previous;
  unsigned repeated = 0;
  for (Cta &cta : cluster.ctas)
    for (Warp &warp : cta.warps) {
      if (warp.state == Warp::Done)
        continue;
      runWarp(warp);
      Operation *op = machine.program->code[warp.pc].op;
      std::string line = warp.wait + llvm::formatv(" [operation {0}: {1}]", lineOf(op), op->getName().getStringRef()).str();
      if (!first)
        first = &warp, at = op;
      if (line == previous) {
        ++repeated;
        continue;
      }
      if (repeated)
        text += llvm::formatv(" (and {0} more warps)", repeated);
      repeated = 0;
      text += "\n  " + whereOf(warp) + " waits for " + line;
      previous = line;
    }
  if (repeated)
    text += llvm::formatv(" (and {0} more warps)", repeated);
  if (cluster.failed || !first)
    return;
  Instruction instruction;
  instruction.op = at;
  first->fail(instruction, "no warp of the cluster can go on and no copy is in flight:" + text);
}

static void runCluster(Machine &machine, Cluster &cluster) {
  std::vector<Warp *> order;
  for (Cta &cta : cluster.ctas)
    for (Warp &warp : cta.warps)
      order.push_back(&warp);
  // Some warps, or a whole CTA, are slow: they have a turn only when nobody else gets anywhere, and at times copies land
  // before it. What relies on luck about who is first fails for some seed.
  auto drawSlow = [&] {
    unsigned slowCta = cluster.ctas.size() > 1 && cluster.next(3) ? cluster.next(uint32_t(cluster.ctas.size())) : ~0u;
    bool some = cluster.next(2);
    for (Warp *warp : order)
      warp->slow = slowCta == ~0u ? some && cluster.next(3) == 0 : warp->cta->rank == slowCta;
  };
  drawSlow();
  unsigned idle = 0;
  while (!cluster.failed) {
    if (cluster.next(64) == 0)
      drawSlow();
    for (size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[cluster.next(uint32_t(i))]);
    bool progressed = false, done = true;
    for (bool slow : {false, true}) {
      for (Warp *warp : order) {
        if (warp->state == Warp::Done || warp->slow != slow)
          continue;
        progressed |= runWarp(*warp);
        if (cluster.failed)
          return;
      }
      if (progressed || (!cluster.pending.empty() && cluster.next(2)))
        break;
    }
    for (Warp *warp : order)
      done &= warp->state == Warp::Done;
    if (progressed) {
      idle = 0;
      if (!done)
        continue;
    }
    if (!cluster.pending.empty()) {
      size_t pick = cluster.next(uint32_t(cluster.pending.size()));
      AsyncCopy copy = cluster.pending[pick];
      cluster.pending.erase(cluster.pending.begin() + long(pick));
      Instruction instruction;
      instruction.op = copy.op;
      std::string error;
      if (!land(machine, cluster, copy, error))
        return order[0]->fail(instruction, error);
      idle = 0;
      continue;
    }
    if (done) {
      for (Cta &cta : cluster.ctas)
        for (unsigned id = 0; id < 16; ++id)
          if (cta.named[id].arrived) {
            Instruction instruction;
            instruction.op = machine.program->code.back().op;
            return cta.warps[0].fail(instruction, llvm::formatv("the CTA ended with {0} of {1} threads arrived at barrier {2}",
                                                                cta.named[id].arrived, cta.named[id].expected, id));
          }
      return;
    }
    // A warp may have arrived at a barrier in its last turn without another step.
    if (++idle > 1)
      return explainDeadlock(machine, cluster);
  }
}

//===----------------------------------------------------------------------===//
// Launch
//===----------------------------------------------------------------------===//

LogicalResult bitwright::nvptx::emulate(LLVM::LLVMFuncOp function, const EmulatedLaunch &launch) {
  auto error = [&](const llvm::Twine &message) { return function.emitOpError() << "cannot be emulated: " << message; };
  if (launch.arguments.size() != function.getNumArguments())
    return error("expected " + llvm::Twine(function.getNumArguments()) + " arguments, found " + llvm::Twine(launch.arguments.size()));
  if (launch.threads == 0 || launch.threads % lanes || launch.threads > 1024)
    return error("expected 32..1024 threads in whole warps, found " + llvm::Twine(launch.threads));
  if (launch.cluster == 0 || launch.gridX % launch.cluster)
    return error("expected a grid of whole clusters of " + llvm::Twine(launch.cluster) + ", found " + llvm::Twine(launch.gridX));
  if (launch.sharedBytes > 227 * 1024)
    return error("expected at most 232448 bytes of shared memory, found " + llvm::Twine(launch.sharedBytes));
  Program program;
  Decoder decoder(program, function);
  if (failed(decoder.decode()))
    return failure();

  Machine machine;
  machine.program = &program;
  machine.decoder = &decoder;
  machine.launch = &launch;
  machine.globals.resize(launch.arguments.size());
  for (auto [i, argument] : llvm::enumerate(launch.arguments)) {
    Type type = function.getArgument(unsigned(i)).getType();
    uint32_t row = decoder.use(function.getArgument(unsigned(i)));
    if (type.isInteger(32)) {
      program.constants.push_back({row, uint32_t(argument.number), false});
      continue;
    }
    if (!argument.buffer)
      return error("argument " + llvm::Twine(i) + " has no buffer");
    Global &global = machine.globals[i];
    global.bytes = &argument.buffer->bytes;
    for (bool written : argument.buffer->written)
      global.state.push_back(written ? Written : Unwritten);
    if (!argument.buffer->writers.empty())
      global.writers = &argument.buffer->writers;
    bool map = function.getArgAttr(unsigned(i), "llvm.byval") != nullptr;
    program.constants.push_back({row, map ? mapBit | i : (uint64_t(i + 1) << bufferShift) + bufferBias, true});
  }

  unsigned clusters = launch.gridX / launch.cluster * launch.gridY;
  std::atomic<unsigned> next{0};
  auto work = [&] {
    Cluster cluster;
    for (unsigned number; (number = next++) < clusters;) {
      {
        std::lock_guard<std::mutex> lock(machine.mutex);
        if (!machine.error.empty())
          return;
      }
      prepare(machine, cluster, number);
      runCluster(machine, cluster);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 1; t < std::min(launch.hostThreads, clusters); ++t)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();

  for (auto [i, argument] : llvm::enumerate(launch.arguments))
    if (Global &global = machine.globals[i]; !global.state.empty())
      for (size_t b = 0; b < global.state.size(); ++b)
        argument.buffer->written[b] = global.state[b] == Written;
  if (machine.error.empty())
    return success();
  if (machine.errorAt)
    return machine.errorAt->emitOpError() << machine.error << "\n  in operation " << lineOf(machine.errorAt) << " of @"
                                          << function.getName() << ": " << textOf(machine.errorAt),
           failure();
  return error(machine.error);
}
