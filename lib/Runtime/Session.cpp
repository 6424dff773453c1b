//===- Session.cpp - execution -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Session.h"
#include "lib/Runtime/Cpu.h"

#include <algorithm>
#include <chrono>
#include <immintrin.h>
#include <new>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

Status Session::create(std::shared_ptr<LoadedModel> loaded, const SessionOptions &options,
                       std::unique_ptr<Session> &result) {
  const Model &m = loaded->model();
  if (options.threads > maxThreads)
    return failure(BW_INVALID_ARGUMENT, std::to_string(options.threads) + " threads asked for, at most " +
                                            std::to_string(maxThreads) + " are allowed");
  std::unique_ptr<Session> s(new Session());
  Status status = chooseIsa(options.isa, s->level);
  if (status.ok())
    status = loaded->resolveKernels(s->level, s->functions);
  if (!status.ok())
    return status;

  const unsigned threads = std::max(options.threads, 1u);
  int64_t scratchBytes = 0;
  size_t mostLaunches = 0;
  for (const EntryPoint &e : m.entries) {
    mostLaunches = std::max(mostLaunches, e.launches.size());
    for (const Launch &l : e.launches) {
      int64_t lo, hi;
      if (l.scratchBytes.bounds(m.symbols, lo, hi)) // holds: the verifier has computed it
        scratchBytes = std::max(scratchBytes, hi);
    }
    s->timings.emplace_back(options.profile ? e.launches.size() : 0);
  }
  // A page between the threads' scratch areas keeps their last and first lines from sharing a prefetched pair.
  s->scratchStride = (size_t(scratchBytes) + readSlack + 4095) / 4096 * 4096;
  s->scratch = Pages(s->scratchStride * threads);
  s->arena = Pages(size_t(m.arenaBytes) + readSlack);
  if (!s->scratch.data() || !s->arena.data())
    return failure(BW_OUT_OF_MEMORY, "no memory for an arena of " + std::to_string(m.arenaBytes) + " bytes and " +
                                         std::to_string(threads) + " scratch areas of " +
                                         std::to_string(s->scratchStride) + " bytes");
  s->loaded = std::move(loaded);
  s->profile = options.profile;
  s->pool = std::make_unique<ThreadPool>(threads);
  s->counters = std::make_unique<Counter[]>(std::max<size_t>(mostLaunches, 1));
  s->symbolValues.resize(m.symbols.size());
  s->symbolKnown.resize(m.symbols.size());
  result = std::move(s);
  return {};
}

namespace {
/// Marks the session as running for the duration of a call.
class Busy {
public:
  explicit Busy(std::atomic<bool> &flag) : flag(flag), mine(!flag.exchange(true, std::memory_order_acquire)) {}
  ~Busy() {
    if (mine)
      flag.store(false, std::memory_order_release);
  }
  bool acquired() const { return mine; }

private:
  std::atomic<bool> &flag;
  const bool mine;
};

/// Kernels compute with round-to-nearest, denormals kept (INTEGER F1), whatever the caller has set.
class FloatEnvironment {
public:
  FloatEnvironment() : before(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatEnvironment() { _mm_setcsr(before); }

private:
  const unsigned before;
};
} // namespace

static Status isRunning() {
  return failure(BW_INVALID_ARGUMENT,
                 "the session is running on another thread: give each thread a session of its own");
}

void Session::describeOutputs(const EntryPoint &entry, const ShapePlan &plan, bw_tensor *outputs, bool withBytes) {
  for (size_t i = 0; i < entry.outputs.size(); ++i) {
    bw_tensor &t = outputs[outputPlaces[i]];
    t.dtype = bw_dtype(model().tensors[entry.outputs[i]].type);
    t.rank = int32_t(plan.outputDims[i].size());
    std::copy(plan.outputDims[i].begin(), plan.outputDims[i].end(), t.dims);
    if (withBytes)
      t.bytes = size_t(plan.outputBytes[i]);
  }
}

Status Session::outputShapes(size_t entry, const bw_tensor *inputs, size_t inputCount, bw_tensor *outputs,
                             size_t outputCount) {
  Busy guard(busy);
  if (!guard.acquired())
    return isRunning();
  ShapePlan *plan = nullptr;
  Status s = prepare(entry, inputs, inputCount, outputs, outputCount, plan);
  if (s.ok())
    describeOutputs(model().entries[entry], *plan, outputs, true);
  return s;
}

Status Session::sizesFor(size_t entry, const int64_t *symbols, std::vector<uint64_t> &inputBytes,
                         std::vector<uint64_t> &outputBytes) {
  Busy guard(busy);
  if (!guard.acquired())
    return isRunning();
  symbolValues.assign(symbols, symbols + model().symbols.size());
  ShapePlan *plan = nullptr;
  Status s = findPlan(entry, plan);
  if (s.ok()) {
    inputBytes = plan->inputBytes;
    outputBytes = plan->outputBytes;
  }
  return s;
}

Status Session::run(size_t entryIndex, const bw_tensor *inputs, size_t inputCount, bw_tensor *outputs,
                    size_t outputCount, bw_capture_callback callback, void *user) {
  Busy guard(busy);
  if (!guard.acquired())
    return isRunning();
  ShapePlan *plan = nullptr;
  Status s = prepare(entryIndex, inputs, inputCount, outputs, outputCount, plan);
  if (!s.ok())
    return s;
  const Model &m = model();
  const EntryPoint &entry = m.entries[entryIndex];
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    const bw_tensor &t = inputs[inputPlaces[i]];
    if (t.bytes != plan->inputBytes[i] || !t.data)
      return failure(BW_INVALID_ARGUMENT, "input '" + m.tensors[entry.inputs[i]].name + "': " +
                                              (t.data ? std::to_string(t.bytes) + " bytes" : std::string("null data")) +
                                              " given, its shape needs " + std::to_string(plan->inputBytes[i]));
  }
  for (size_t i = 0; i < entry.outputs.size(); ++i) {
    const bw_tensor &t = outputs[outputPlaces[i]];
    const Tensor &expected = m.tensors[entry.outputs[i]];
    if (t.dtype != bw_dtype(expected.type))
      return failure(BW_INVALID_ARGUMENT, "output '" + expected.name + "': element type is " + bw_dtype_name(t.dtype) +
                                              ", expected " + elementTypeName(expected.type));
    if (t.bytes < plan->outputBytes[i] || !t.data)
      return failure(BW_INVALID_ARGUMENT, "output '" + expected.name + "': " +
                                              (t.data ? std::to_string(t.bytes) + " bytes" : std::string("null data")) +
                                              " given, it needs " + std::to_string(plan->outputBytes[i]));
  }
  for (const ShapePlan::Patch &p : plan->patches)
    plan->buffers[p.buffer] = p.isOutput ? outputs[outputPlaces[p.number]].data : inputs[inputPlaces[p.number]].data;
  for (size_t i = 0; i < plan->steps.size(); ++i)
    counters[i].next.store(0, std::memory_order_relaxed);
  current = plan;
  capture = callback;
  captureUser = user;
  stopped = outOfMemory = false;
  pool->run([](void *self, unsigned thread) { static_cast<Session *>(self)->execute(thread); }, this);
  if (outOfMemory)
    return failure(BW_OUT_OF_MEMORY, "no memory to copy a captured tensor");
  describeOutputs(entry, *plan, outputs, false);
  return {};
}

static uint64_t nowNanoseconds() {
  return uint64_t(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

void Session::execute(unsigned thread) {
  FloatEnvironment environment;
  ShapePlan &plan = *current;
  const bool many = pool->size() > 1;
  const bool lockstep = profile || capture;
  void *myScratch = scratch.data() + scratchStride * thread;
  bool wasShared = false;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const ShapePlan::Step &step = plan.steps[i];
    const bool shared = many && step.tiles > 1;
    // Neighbours that thread 0 does alone need no barrier between them; their order is its own.
    if (!lockstep && (shared || wasShared) && i)
      pool->barrier().wait();
    wasShared = shared;
    const uint64_t begin = profile && thread == 0 ? nowNanoseconds() : 0;
    void **buffers = plan.buffers.data() + step.firstBuffer;
    const int64_t *dims = plan.dims.data() + step.firstDim;
    if (shared) {
      for (;;) {
        int64_t first = counters[i].next.fetch_add(step.chunk, std::memory_order_relaxed);
        if (first >= step.tiles)
          break;
        step.function(buffers, dims, first, std::min(first + step.chunk, step.tiles), myScratch);
      }
    } else if (thread == 0 && step.tiles > 0) {
      step.function(buffers, dims, 0, step.tiles, myScratch);
    }
    if (!lockstep)
      continue;
    if (many)
      pool->barrier().wait();
    if (thread == 0) {
      if (profile) {
        Timing &t = timings[plan.entry][i];
        t.nanoseconds += nowNanoseconds() - begin;
        ++t.calls;
      }
      if (capture) {
        // The other threads wait at the barrier: a lack of memory must not leave this function.
        try {
          stopped = captureLaunch(plan, i);
        } catch (const std::bad_alloc &) {
          stopped = outOfMemory = true;
        }
      }
    }
    if (many)
      pool->barrier().wait();
    if (stopped)
      return;
  }
}

bool Session::captureLaunch(const ShapePlan &plan, size_t index) {
  const Model &m = model();
  const Launch &l = m.entries[plan.entry].launches[index];
  for (uint32_t b : l.stores) {
    if (l.buffers[b].tensor < 0)
      continue;
    const Tensor &t = m.tensors[size_t(l.buffers[b].tensor)];
    std::vector<int64_t> dims(t.dims.size());
    uint64_t count = 1;
    for (size_t d = 0; d < dims.size(); ++d) {
      t.dims[d].evaluate(plan.symbols.data(), plan.symbols.size(), dims[d]); // holds: the loader has bounded it
      count *= uint64_t(dims[d]);
    }
    std::vector<uint8_t> copy(size_t((count * bitWidth(t.type) + 7) / 8));
    toLogicalOrder(t, dims.data(), plan.buffers[plan.steps[index].firstBuffer + b], copy.data());
    bw_captured value = {t.name.c_str(),       l.name.c_str(), index,       b,          bw_dtype(t.type),
                         int32_t(dims.size()), dims.data(),    copy.data(), copy.size()};
    if (capture(&value, captureUser) != 0)
      return true;
  }
  return false;
}

void Session::profileOf(size_t entry, size_t index, uint64_t &nanoseconds, uint64_t &calls) const {
  nanoseconds = timings[entry][index].nanoseconds;
  calls = timings[entry][index].calls;
}

void Session::resetProfile() {
  for (std::vector<Timing> &t : timings)
    std::fill(t.begin(), t.end(), Timing());
}
