//===- Session.h - arena, threads and the execution of a model -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Runtime/CudaSession.h"
#include "lib/Runtime/ThreadPool.h"

namespace bitwright::runtime {

/// Everything that a run needs and that depends only on the values of the symbols: a repeated shape costs a look-up.
struct ShapePlan {
  struct Step {
    KernelFunction function;
    uint32_t firstBuffer, firstDim;
    int64_t tiles;
    int64_t chunk; ///< tiles that a thread takes at once
  };
  /// A buffer pointer that is the caller's and set at every run.
  struct Patch {
    uint32_t buffer; ///< in `buffers`
    uint32_t number; ///< of the input or output
    bool isOutput;
  };
  size_t entry = 0;
  std::vector<int64_t> symbols;
  std::vector<void *> buffers;
  std::vector<int64_t> dims;
  std::vector<Step> steps;
  std::vector<Patch> patches;
  std::vector<uint64_t> inputBytes, outputBytes;
  std::vector<std::vector<int64_t>> outputDims;
  uint64_t lastUse = 0;
  std::unique_ptr<CudaPlan> gpu; ///< of a session on a GPU; steps and buffers above are then empty
};

struct SessionOptions {
  unsigned threads = 1;
  const char *isa = nullptr;
  bool profile = false;
  const char *device = nullptr;
  bool deviceTiming = false;
};

/// "cpu", "cuda" or "cuda:N"; `number` is -1 for the CPU.
Status parseDevice(const char *text, int &number);

/// Sees a run launch by launch (SelfCheck).
class LaunchObserver {
public:
  virtual ~LaunchObserver() = default;
  /// `buffers`: of this launch; on a GPU null, see CudaSession::readBuffer.
  virtual Status before(const ShapePlan &plan, size_t launch, void *const *buffers) = 0;
  virtual Status after(const ShapePlan &plan, size_t launch, void *const *buffers) = 0;
};

/// Runs entry points of one model. Not for concurrent use, but says so instead of corrupting anything.
class Session {
public:
  /// Shapes that are remembered; the least recently used one is forgotten first.
  static constexpr size_t maxPlans = 128;
  static constexpr unsigned maxThreads = 1024;

  static Status create(std::shared_ptr<LoadedModel> model, const SessionOptions &options,
                       std::unique_ptr<Session> &result);
  ~Session();

  Status outputShapes(size_t entry, const bw_tensor *inputs, size_t inputCount, bw_tensor *outputs, size_t outputCount);
  Status run(size_t entry, const bw_tensor *inputs, size_t inputCount, bw_tensor *outputs, size_t outputCount,
             bw_capture_callback capture = nullptr, void *user = nullptr);
  /// On a GPU only: on a stream of the caller's; waits only if a tensor is on the host.
  Status runOnStream(size_t entry, const bw_tensor *inputs, size_t inputCount, bw_tensor *outputs, size_t outputCount,
                     void *stream);
  /// A run whose launches are watched, alone on one thread or launch by launch on a GPU.
  Status observe(size_t entry, const bw_tensor *inputs, size_t inputCount, bw_tensor *outputs, size_t outputCount,
                 LaunchObserver &observer);
  /// Sizes in bytes of all inputs and outputs for given symbol values (one a symbol, within their ranges).
  Status sizesFor(size_t entry, const int64_t *symbols, std::vector<uint64_t> &inputBytes,
                  std::vector<uint64_t> &outputBytes);

  const artifact::Model &model() const { return loaded->model(); }
  artifact::Isa isa() const { return level; }
  unsigned threads() const { return pool->size(); }
  /// Null on a CPU.
  CudaSession *cuda() const { return gpu.get(); }
  const std::shared_ptr<LoadedModel> &loadedModel() const { return loaded; }
  const char *deviceText() const { return device.c_str(); }
  bool profiles() const { return profile; }
  /// Nanoseconds and calls of launch `index`, and the kernel that ran last.
  void profileOf(size_t entry, size_t index, uint64_t &nanoseconds, uint64_t &calls, const char *&kernel) const;
  void resetProfile();

private:
  Session() = default;
  /// Matches the caller's tensors to the entry's: `places[i]` is the number of the caller's tensor for value i.
  Status matchNames(const std::vector<uint32_t> &wanted, const bw_tensor *given, size_t count, const char *what,
                    std::vector<uint32_t> &places);
  Status bindShapes(const artifact::EntryPoint &entry, const bw_tensor *inputs);
  Status findPlan(size_t entry, ShapePlan *&plan);
  Status buildPlan(size_t entry, ShapePlan &plan);
  Status prepare(size_t entry, const bw_tensor *inputs, size_t inputCount, const bw_tensor *outputs, size_t outputCount,
                 ShapePlan *&plan);
  void describeOutputs(const artifact::EntryPoint &entry, const ShapePlan &plan, bw_tensor *outputs, bool withBytes);
  Status checkTensors(const artifact::EntryPoint &entry, const ShapePlan &plan, const bw_tensor *inputs,
                      const bw_tensor *outputs);
  Status runOnGpu(size_t entry, ShapePlan &plan, const bw_tensor *inputs, bw_tensor *outputs, CudaRun how);
  void execute(unsigned thread);
  bool captureLaunch(const ShapePlan &plan, size_t index);
  /// `fetch(buffer, to, bytes)` copies a buffer of the launch as it lies in memory.
  template <typename Fetch> Status captureStores(const ShapePlan &plan, size_t index, Fetch fetch, bool &stop);

  struct alignas(64) Counter {
    std::atomic<int64_t> next{0};
  };
  struct Timing {
    uint64_t nanoseconds = 0, calls = 0;
    const char *gpuKernel = nullptr;
  };

  std::shared_ptr<LoadedModel> loaded;
  artifact::Isa level = artifact::Isa::Avx2;
  bool profile = false;
  std::vector<KernelFunction> functions;
  Pages arena, scratch;
  size_t scratchStride = 0;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Counter[]> counters; ///< one a launch: the next tile that nobody has taken
  std::vector<std::unique_ptr<ShapePlan>> plans;
  uint64_t clock = 0;
  std::atomic<bool> busy{false};
  std::vector<std::vector<Timing>> timings;

  // State of the present call; kept here so that a repeated call allocates nothing.
  std::vector<int64_t> symbolValues;
  std::vector<bool> symbolKnown;
  std::vector<uint32_t> inputPlaces, outputPlaces;
  ShapePlan *current = nullptr;
  bw_capture_callback capture = nullptr;
  void *captureUser = nullptr;
  LaunchObserver *observer = nullptr;
  Status observed;
  bool stopped = false, outOfMemory = false;

  std::unique_ptr<CudaSession> gpu;
  std::string device = "cpu";
  std::vector<const bw_tensor *> gpuValues;
  std::vector<double> launchMs;
};

} // namespace bitwright::runtime
