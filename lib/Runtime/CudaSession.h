//===- CudaSession.h - the execution of a model on a GPU -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Runtime/CudaModel.h"

#include <functional>

namespace bitwright::runtime {

/// Everything of a run on a GPU that depends only on the values of the symbols.
struct CudaPlan {
  struct Step {
    const CudaKernel *kernel = nullptr;
    cuda::LaunchShape shape;
    uint32_t firstArgument = 0; ///< in `pointers` of a binding
    uint32_t firstBuffer = 0;   ///< in `places`
    bool empty = false;         ///< a grid without CTAs: nothing to launch
  };
  /// An argument that holds the address of an input or output: set for each binding.
  struct Patch {
    size_t offset; ///< in the arguments' bytes
    uint32_t value;
    bool isMap;
    cuda::MapShape map;
  };
  /// Where a buffer of a launch lies.
  struct Place {
    cuda::CUdeviceptr address = 0;
    int32_t value = -1; ///< input or output (inputs first), or -1: `address`
    uint64_t bytes = 0;
  };
  /// The plan with the addresses of inputs and outputs filled in.
  struct Binding {
    std::vector<cuda::CUdeviceptr> key;
    std::vector<cuda::TensorMap> arguments;
    std::vector<void *> pointers;
    cuda::Graph graph; ///< recorded when the same addresses come a second time
    uint64_t lastUse = 0;
  };

  std::vector<cuda::TensorMap> arguments; ///< bytes of all arguments, in pieces of 128 bytes for their alignment
  /// Of each argument; behind those of a launch stand `spareArguments` that point to zeros: an older driver does not
  /// say how many parameters a kernel has, and reads as many pointers.
  std::vector<size_t> offsets;
  std::vector<Step> steps; ///< one a launch
  std::vector<Patch> patches;
  std::vector<Place> places;
  std::vector<uint64_t> valueBytes;   ///< of inputs, then outputs
  std::vector<uint64_t> valueOffsets; ///< of the staged copies
  uint64_t stagingBytes = 0;
  std::vector<std::unique_ptr<Binding>> bindings;
};

/// How a run is to be made.
struct CudaRun {
  bool ownStream = true;
  cuda::CUstream stream = nullptr; ///< when not ownStream
  bool wait = true;
  /// Called after each launch, when its results are there; not 0 ends the run. Forces launch by launch.
  std::function<Status(size_t launch, bool &stop)> afterLaunch;
  /// Called before each launch; forces launch by launch too.
  std::function<Status(size_t launch)> beforeLaunch;
  std::vector<double> *launchMs = nullptr; ///< adds the device time of each launch; forces launch by launch
};

/// Arena, streams and graphs of one session on one device.
class CudaSession {
public:
  /// Bindings that are remembered for each shape.
  static constexpr size_t maxBindings = 4;
  static constexpr size_t spareArguments = 64;

  static Status create(const std::shared_ptr<LoadedModel> &loaded, int device, bool timing,
                       std::unique_ptr<CudaSession> &result);
  ~CudaSession();

  const cuda::DeviceInfo &device() const { return shared->context()->device(); }
  const cuda::ContextPtr &context() const { return shared->context(); }

  Status buildPlan(const artifact::EntryPoint &entry, const std::vector<int64_t> &symbols,
                   const std::vector<uint64_t> &inputBytes, const std::vector<uint64_t> &outputBytes, CudaPlan &plan);
  /// `values`: inputs, then outputs, in the model's order; sizes have been checked.
  Status run(const artifact::EntryPoint &entry, CudaPlan &plan, const std::vector<const bw_tensor *> &values,
             const CudaRun &how);
  /// Waits until nothing of this session is running.
  Status waitIdle();
  /// A run did not end in time: nothing that it uses may be freed.
  bool isHung() const { return hung; }
  /// Device milliseconds of the launches of the last run that was waited for (`timing` only).
  double lastMs() const { return deviceMs; }

  /// During `afterLaunch` and `beforeLaunch`: bytes of a buffer of that launch.
  Status readBuffer(const CudaPlan &plan, size_t launch, size_t buffer, void *to, size_t bytes);
  Status writeBuffer(const CudaPlan &plan, size_t launch, size_t buffer, const void *from, size_t bytes);

private:
  CudaSession() = default;
  CudaSession(CudaSession &&) = default;
  class PlanBuilder;
  Status checkValue(const artifact::Tensor &tensor, const char *what, const bw_tensor &value);
  Status ensureStaging(uint64_t bytes);
  Status bind(CudaPlan &plan, CudaPlan::Binding *&result, bool &seen);
  Status launchAll(const CudaPlan &plan, const CudaPlan::Binding &binding, cuda::CUstream stream);
  Status stepwise(const CudaPlan &plan, const CudaPlan::Binding &binding, cuda::CUstream stream, const CudaRun &how);
  Status wait(cuda::CUstream stream);

  std::shared_ptr<CudaModel> shared;
  cuda::Stream stream, recorder;
  cuda::Event done, begin, end;
  cuda::Memory arena, staging;
  cuda::HostMemory pinned;
  bool timing = false, pending = false, hung = false;
  cuda::CUstream pendingStream = nullptr;
  int limitMs = 0;
  uint64_t clock = 0;
  double deviceMs = 0;
  std::vector<cuda::CUdeviceptr> addresses; ///< of the present call
};

} // namespace bitwright::runtime
