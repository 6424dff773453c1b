//===- Session.cpp - execution -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Session.h"
#include "lib/Runtime/Cpu.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <immintrin.h>
#include <new>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

Status bitwright::runtime::parseDevice(const char *text, int &number) {
  const std::string device = text && *text ? text : "cpu";
  number = -1;
  if (device == "cpu")
    return {};
  if (device == "cuda") {
    number = 0;
    return {};
  }
  if (device.compare(0, 5, "cuda:") == 0 && device.size() > 5 && device.size() <= 9 &&
      device.find_first_not_of("0123456789", 5) == std::string::npos) {
    number = std::atoi(device.c_str() + 5);
    return {};
  }
  return failure(BW_INVALID_ARGUMENT, "device '" + device + "' is unknown: expected 'cpu', 'cuda' or 'cuda:N'");
}

Status Session::create(std::shared_ptr<LoadedModel> loaded, const SessionOptions &options,
                       std::unique_ptr<Session> &result) {
  const Model &m = loaded->model();
  if (options.threads > maxThreads)
    return failure(BW_INVALID_ARGUMENT, std::to_string(options.threads) + " threads asked for, at most " +
                                            std::to_string(maxThreads) + " are allowed");
  std::unique_ptr<Session> s(new Session());
  int device;
  Status status = parseDevice(options.device, device);
  if (status.ok() && device >= 0) {
    status = CudaSession::create(loaded, device, options.deviceTiming, s->gpu);
    s->device = "cuda:" + std::to_string(device);
  } else if (status.ok()) {
    status = chooseIsa(options.isa, s->level);
    if (status.ok())
      status = loaded->resolveKernels(s->level, s->functions);
  }
  if (!status.ok())
    return status;

  const unsigned threads = s->gpu ? 1 : std::max(options.threads, 1u);
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
  if (s->gpu) {
    s->loaded = std::move(loaded);
    s->profile = options.profile;
    s->pool = std::make_unique<ThreadPool>(1);
    s->symbolValues.resize(m.symbols.size());
    s->symbolKnown.resize(m.symbols.size());
    result = std::move(s);
    return {};
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

Session::~Session() {
  if (!gpu)
    return;
  gpu->waitIdle();
  if (gpu->isHung()) { // see ~CudaSession
    static auto *lost = new std::vector<std::unique_ptr<ShapePlan>>();
    for (std::unique_ptr<ShapePlan> &p : plans)
      lost->push_back(std::move(p));
  }
  plans.clear(); // graphs before the modules whose kernels they launch
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

static Status notOnHost(const char *what, const std::string &name) {
  return failure(BW_INVALID_ARGUMENT, std::string(what) + " '" + name +
                                          "' is on a GPU, the session is on the CPU: copy it to the host, or make a "
                                          "session with device 'cuda'");
}

Status Session::checkTensors(const EntryPoint &entry, const ShapePlan &plan, const bw_tensor *inputs,
                             const bw_tensor *outputs) {
  const Model &m = model();
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    const bw_tensor &t = inputs[inputPlaces[i]];
    if (!gpu && t.device != BW_DEVICE_HOST)
      return notOnHost("input", m.tensors[entry.inputs[i]].name);
    if (t.bytes != plan.inputBytes[i] || !t.data)
      return failure(BW_INVALID_ARGUMENT, "input '" + m.tensors[entry.inputs[i]].name + "': " +
                                              (t.data ? std::to_string(t.bytes) + " bytes" : std::string("null data")) +
                                              " given, its shape needs " + std::to_string(plan.inputBytes[i]));
  }
  for (size_t i = 0; i < entry.outputs.size(); ++i) {
    const bw_tensor &t = outputs[outputPlaces[i]];
    const Tensor &expected = m.tensors[entry.outputs[i]];
    if (!gpu && t.device != BW_DEVICE_HOST)
      return notOnHost("output", expected.name);
    if (t.dtype != bw_dtype(expected.type))
      return failure(BW_INVALID_ARGUMENT, "output '" + expected.name + "': element type is " + bw_dtype_name(t.dtype) +
                                              ", expected " + elementTypeName(expected.type));
    if (t.bytes < plan.outputBytes[i] || !t.data)
      return failure(BW_INVALID_ARGUMENT, "output '" + expected.name + "': " +
                                              (t.data ? std::to_string(t.bytes) + " bytes" : std::string("null data")) +
                                              " given, it needs " + std::to_string(plan.outputBytes[i]));
  }
  return {};
}

Status Session::runOnGpu(size_t entryIndex, ShapePlan &plan, const bw_tensor *inputs, bw_tensor *outputs, CudaRun how) {
  const EntryPoint &entry = model().entries[entryIndex];
  gpuValues.clear();
  for (size_t i = 0; i < entry.inputs.size(); ++i)
    gpuValues.push_back(&inputs[inputPlaces[i]]);
  for (size_t i = 0; i < entry.outputs.size(); ++i)
    gpuValues.push_back(&outputs[outputPlaces[i]]);
  if (profile && how.wait) {
    launchMs.assign(entry.launches.size(), 0.0);
    how.launchMs = &launchMs;
  }
  Status s = gpu->run(entry, *plan.gpu, gpuValues, how);
  if (!s.ok())
    return s;
  if (how.launchMs)
    for (size_t i = 0; i < launchMs.size(); ++i) {
      Timing &t = timings[entryIndex][i];
      t.nanoseconds += uint64_t(launchMs[i] * 1e6);
      ++t.calls;
      t.gpuKernel = plan.gpu->steps[i].kernel->function.name.c_str();
    }
  describeOutputs(entry, plan, outputs, false);
  return {};
}

Status Session::runOnStream(size_t entryIndex, const bw_tensor *inputs, size_t inputCount, bw_tensor *outputs,
                            size_t outputCount, void *stream) {
  Busy guard(busy);
  if (!guard.acquired())
    return isRunning();
  if (!gpu)
    return failure(BW_INVALID_ARGUMENT, "a stream is given, but the session is on the CPU: make one with device "
                                        "'cuda'");
  ShapePlan *plan = nullptr;
  Status s = prepare(entryIndex, inputs, inputCount, outputs, outputCount, plan);
  if (s.ok())
    s = checkTensors(model().entries[entryIndex], *plan, inputs, outputs);
  if (!s.ok())
    return s;
  CudaRun how;
  how.ownStream = false;
  how.stream = static_cast<cuda::CUstream>(stream);
  how.wait = false;
  return runOnGpu(entryIndex, *plan, inputs, outputs, std::move(how));
}

Status Session::observe(size_t entryIndex, const bw_tensor *inputs, size_t inputCount, bw_tensor *outputs,
                        size_t outputCount, LaunchObserver &watcher) {
  ShapePlan *plan = nullptr;
  if (gpu) {
    Busy guard(busy);
    if (!guard.acquired())
      return isRunning();
    Status s = prepare(entryIndex, inputs, inputCount, outputs, outputCount, plan);
    if (s.ok())
      s = checkTensors(model().entries[entryIndex], *plan, inputs, outputs);
    if (!s.ok())
      return s;
    CudaRun how;
    how.beforeLaunch = [&](size_t launch) { return watcher.before(*plan, launch, nullptr); };
    how.afterLaunch = [&](size_t launch, bool &) { return watcher.after(*plan, launch, nullptr); };
    return runOnGpu(entryIndex, *plan, inputs, outputs, std::move(how));
  }
  observer = &watcher;
  observed = {};
  Status s = run(entryIndex, inputs, inputCount, outputs, outputCount);
  observer = nullptr;
  return s.ok() ? observed : s;
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
  const EntryPoint &entry = model().entries[entryIndex];
  s = checkTensors(entry, *plan, inputs, outputs);
  if (!s.ok())
    return s;
  if (gpu) {
    CudaRun how;
    if (callback) {
      how.afterLaunch = [&](size_t launch, bool &stop) {
        capture = callback;
        captureUser = user;
        return captureStores(
            *plan, launch,
            [&](uint32_t buffer, void *to, size_t bytes) {
              return gpu->readBuffer(*plan->gpu, launch, buffer, to, bytes);
            },
            stop);
      };
    }
    return runOnGpu(entryIndex, *plan, inputs, outputs, std::move(how));
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
  const bool lockstep = profile || capture || observer;
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
    if (observer && thread == 0)
      observed = observer->before(plan, i, buffers);
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
      if (observer) {
        if (observed.ok())
          observed = observer->after(plan, i, buffers);
        stopped = !observed.ok();
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

template <typename Fetch> Status Session::captureStores(const ShapePlan &plan, size_t index, Fetch fetch, bool &stop) {
  const Model &m = model();
  const Launch &l = m.entries[plan.entry].launches[index];
  std::vector<uint8_t> raw;
  for (uint32_t b : l.stores) {
    if (l.buffers[b].tensor < 0)
      continue;
    const Tensor &t = m.tensors[size_t(l.buffers[b].tensor)];
    std::vector<int64_t> dims(t.dims.size());
    uint64_t count = 1, rawBytes = 0;
    for (size_t d = 0; d < dims.size(); ++d) {
      t.dims[d].evaluate(plan.symbols.data(), plan.symbols.size(), dims[d]); // holds: the loader has bounded it
      count *= uint64_t(dims[d]);
    }
    tensorBytes(t, plan.symbols.data(), plan.symbols.size(), rawBytes);
    raw.resize(size_t(rawBytes));
    Status s = fetch(b, raw.data(), raw.size());
    if (!s.ok())
      return s;
    std::vector<uint8_t> copy(size_t((count * bitWidth(t.type) + 7) / 8));
    toLogicalOrder(t, dims.data(), raw.data(), copy.data());
    bw_captured value = {t.name.c_str(),       l.name.c_str(), index,       b,          bw_dtype(t.type),
                         int32_t(dims.size()), dims.data(),    copy.data(), copy.size()};
    stop = capture(&value, captureUser) != 0;
    if (stop)
      return {};
  }
  return {};
}

bool Session::captureLaunch(const ShapePlan &plan, size_t index) {
  bool stop = false;
  captureStores(
      plan, index,
      [&](uint32_t buffer, void *to, size_t bytes) {
        std::memcpy(to, plan.buffers[plan.steps[index].firstBuffer + buffer], bytes);
        return Status();
      },
      stop);
  return stop;
}

void Session::profileOf(size_t entry, size_t index, uint64_t &nanoseconds, uint64_t &calls, const char *&kernel) const {
  const Timing &t = timings[entry][index];
  nanoseconds = t.nanoseconds;
  calls = t.calls;
  kernel = gpu ? (t.gpuKernel ? t.gpuKernel : "")
               : model().kernels[model().entries[entry].launches[index].kernel].name.c_str();
}

void Session::resetProfile() {
  for (std::vector<Timing> &t : timings)
    std::fill(t.begin(), t.end(), Timing());
}
