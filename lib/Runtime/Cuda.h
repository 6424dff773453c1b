//===- Cuda.h - the CUDA driver behind C++ objects -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The driver library is opened at the first use (libcuda.so.1, or what the environment's BITWRIGHT_CUDA_LIBRARY names);
// nothing here needs a CUDA toolkit. Every object owns what it wraps, keeps its context alive, and makes the context
// current on the calling thread only while it works. Failures are statuses whose text says what was tried, the driver's
// name for the error and what to do.
//
//   std::shared_ptr<cuda::Context> context;
//   cuda::Context::open(0, context);
//   cuda::Module module;  cuda::Module::load(context, image, size, module);
//   cuda::Function f;     module.function("kernel", f);
//   cuda::Memory x;       cuda::Memory::allocate(context, bytes, "input", x);
//   cuda::Stream stream;  cuda::Stream::create(context, stream);
//   x.upload(host, bytes, stream);
//   void *arguments[] = {&x.address, &n};
//   cuda::launch(*context, f, shape, arguments, stream.handle());
//   stream.synchronize(10000);
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Runtime/CudaApi.h"
#include "lib/Runtime/Status.h"

#include <memory>
#include <utility>
#include <vector>

namespace bitwright::runtime::cuda {

/// The oldest driver that has every function used here (12.0: cluster launches, tensor maps).
constexpr int minimumDriver = 12000;

/// An opened driver. One lives for each library name until the process ends.
class Driver {
public:
  /// BW_UNSUPPORTED: no library, a library without a function, a driver older than `minimumDriver`, or cuInit refused.
  static Status get(const Driver *&result);

  const Api &api() const { return table; }
  int version() const { return installed; } ///< 12080 for 12.8
  /// "12.8"
  static std::string versionText(int version);
  /// Success, or a status: `what` was tried ("launching 'gemm'"), the error's name and text, and advice. Success
  /// allocates nothing with a literal or with a function that makes the text.
  Status check(CUresult result, const char *what) const {
    return result == cudaSuccess ? Status() : explain(result, what);
  }
  Status check(CUresult result, const std::string &what) const {
    return result == cudaSuccess ? Status() : explain(result, what);
  }
  template <typename Text, typename = decltype(std::declval<Text>()())>
  Status check(CUresult result, Text &&text) const {
    return result == cudaSuccess ? Status() : explain(result, text());
  }
  Status deviceCount(int &count) const;

private:
  Status explain(CUresult result, const std::string &what) const;
  Api table;
  int installed = 0;
};

struct DeviceInfo {
  int number = 0; ///< N of "cuda:N"
  std::string name;
  int major = 0, minor = 0; ///< compute capability
  int multiprocessors = 0;
  uint64_t l2Bytes = 0, memoryBytes = 0;
  uint32_t sharedPerBlock = 0; ///< with opt-in
  int capability() const { return major * 10 + minor; }
};

/// The primary context of a device, shared with every other user of it in the process (torch, cupy).
class Context {
public:
  /// The same object for the same device while anybody holds it. BW_INVALID_ARGUMENT: no such device.
  static Status open(int device, std::shared_ptr<Context> &result);
  ~Context();
  Context(const Context &) = delete;

  const DeviceInfo &device() const { return info; }
  const Driver &driver() const { return *library; }
  const Api &api() const { return library->api(); }
  CUcontext handle() const { return context; }
  /// Waits for everything on the device.
  Status synchronize() const;
  Status memoryInfo(uint64_t &free, uint64_t &total) const;

private:
  Context() = default;
  const Driver *library = nullptr;
  CUdevice id = 0;
  CUcontext context = nullptr;
  DeviceInfo info;
};
using ContextPtr = std::shared_ptr<Context>;

/// Makes a context current in a scope, and what was current before at its end.
class Current {
public:
  explicit Current(const Context &context);
  ~Current();
  Current(const Current &) = delete;

private:
  const Context &context;
  bool pushed = false;
};

class Event;

/// Waits for a stream. With a limit in milliseconds (> 0): BW_INTERNAL when the work has not finished by then; it is
/// still running.
Status synchronize(const Context &context, CUstream stream, int limit = 0);

class Stream {
public:
  Stream() = default;
  Stream(Stream &&o) noexcept { swap(o); }
  Stream &operator=(Stream &&o) noexcept { return swap(o), *this; }
  ~Stream();
  /// `blocking`: waits for, and is waited for by, the legacy default stream, as torch's default does.
  static Status create(const ContextPtr &context, Stream &result, bool blocking = false);

  CUstream handle() const { return stream; }
  Status synchronize(int limit = 0) const { return cuda::synchronize(*context, stream, limit); }
  Status wait(const Event &event) const;

private:
  void swap(Stream &o) { std::swap(context, o.context), std::swap(stream, o.stream); }
  ContextPtr context;
  CUstream stream = nullptr;
};

class Event {
public:
  Event() = default;
  Event(Event &&o) noexcept { swap(o); }
  Event &operator=(Event &&o) noexcept { return swap(o), *this; }
  ~Event();
  static Status create(const ContextPtr &context, Event &result, bool timing = true);

  CUevent handle() const { return event; }
  Status record(CUstream stream) const;
  Status synchronize() const;
  /// Device time between two events that have passed.
  static Status milliseconds(const Event &from, const Event &to, float &result);

private:
  void swap(Event &o) { std::swap(context, o.context), std::swap(event, o.event); }
  ContextPtr context;
  CUevent event = nullptr;
};

/// Device memory. Addresses are multiples of 256.
class Memory {
public:
  Memory() = default;
  Memory(Memory &&o) noexcept { swap(o); }
  Memory &operator=(Memory &&o) noexcept { return swap(o), *this; }
  ~Memory();
  /// `what` names the use in the message of BW_OUT_OF_MEMORY, which also says how much was asked for and is free. 0
  /// bytes give an empty object with address 0.
  static Status allocate(const ContextPtr &context, size_t bytes, const std::string &what, Memory &result);

  CUdeviceptr address = 0; ///< read only, please; a member, so that `&address` may be a kernel argument
  size_t size() const { return bytes; }
  /// Asynchronous copies and fills; host memory must stay until the stream has passed.
  Status upload(const void *from, size_t count, CUstream stream, size_t offset = 0) const;
  Status download(void *to, size_t count, CUstream stream, size_t offset = 0) const;
  Status fill(uint8_t value, CUstream stream) const;

private:
  void swap(Memory &o) { std::swap(context, o.context), std::swap(address, o.address), std::swap(bytes, o.bytes); }
  ContextPtr context;
  size_t bytes = 0;
};

/// Page-locked host memory.
class HostMemory {
public:
  HostMemory() = default;
  HostMemory(HostMemory &&o) noexcept { swap(o); }
  HostMemory &operator=(HostMemory &&o) noexcept { return swap(o), *this; }
  ~HostMemory();
  static Status allocate(const ContextPtr &context, size_t bytes, const std::string &what, HostMemory &result);
  uint8_t *data() const { return static_cast<uint8_t *>(start); }
  size_t size() const { return bytes; }

private:
  void swap(HostMemory &o) { std::swap(context, o.context), std::swap(start, o.start), std::swap(bytes, o.bytes); }
  ContextPtr context;
  void *start = nullptr;
  size_t bytes = 0;
};

/// A kernel of a module; valid as long as the module.
struct Function {
  CUfunction handle = nullptr;
  std::string name;
  int registers = 0, localBytes = 0, staticShared = 0, maxThreads = 0;
  /// Bytes of each parameter, where the driver tells (from 12.4 on).
  std::vector<size_t> parameterBytes;
  bool parametersKnown = false;
};

/// How a kernel is launched. A cluster lies along x.
struct LaunchShape {
  uint32_t gridX = 1, gridY = 1, gridZ = 1;
  uint32_t threads = 1;
  uint32_t sharedBytes = 0; ///< dynamic; above 48 KB `allowShared` must have been called
  uint32_t cluster = 1;
  bool pdl = false; ///< may begin while its predecessor in the stream ends (programmatic stream serialization)
};

class Module {
public:
  Module() = default;
  Module(Module &&o) noexcept { swap(o); }
  Module &operator=(Module &&o) noexcept { return swap(o), *this; }
  ~Module();
  /// Loads a cubin, or compiles PTX (a terminating zero is added when the text has none). `what` names the image in
  /// messages; errors carry the log of the driver's compiler. A driver too old for the image: BW_UNSUPPORTED.
  static Status load(const ContextPtr &context, const void *image, size_t size, const std::string &what,
                     Module &result);
  Status function(const std::string &name, Function &result) const;
  explicit operator bool() const { return module != nullptr; }

private:
  void swap(Module &o) { std::swap(context, o.context), std::swap(module, o.module), std::swap(label, o.label); }
  ContextPtr context;
  CUmodule module = nullptr;
  std::string label;
};

/// Raises the dynamic shared memory that `function` may be launched with. BW_UNSUPPORTED: more than the device has.
Status allowShared(const Context &context, const Function &function, uint32_t bytes);
/// Allows clusters of more than 8.
Status allowLargeCluster(const Context &context, const Function &function);
/// CTAs that are resident at once on the whole device: clusters (cuOccupancyMaxActiveClusters) times their size, or
/// blocks per multiprocessor times multiprocessors. `allowShared` must come first.
Status residentBlocks(const Context &context, const Function &function, const LaunchShape &shape, uint32_t &blocks);
/// Enqueues. `arguments`: one pointer to the value of each parameter, copied by the call.
Status launch(const Context &context, const Function &function, const LaunchShape &shape, void *const *arguments,
              CUstream stream);

enum class MapElement : int { U8 = 0, U16 = 1, U32 = 2, S32 = 3, F16 = 6, F32 = 7, BF16 = 9 };
/// What a tensor map describes. Dimensions innermost first; strides in bytes, of dims[1]...
struct MapShape {
  MapElement element = MapElement::U8;
  uint32_t rank = 2;
  uint64_t dims[5] = {};
  uint64_t strides[4] = {};
  uint32_t box[5] = {};
  bool swizzle128 = true;
  unsigned l2Promotion = 256; ///< 0, 64, 128 or 256 bytes
};
/// Elements outside are read as zero. Checks what the hardware wants (base and strides multiples of 16, boxes 1..256,
/// inner box at most 128 bytes with swizzle) and names the one that does not hold.
Status encodeMap(const Context &context, CUdeviceptr base, const MapShape &shape, TensorMap &result);

/// Work recorded from a stream, launched as a whole.
class Graph {
public:
  Graph() = default;
  Graph(Graph &&o) noexcept { swap(o); }
  Graph &operator=(Graph &&o) noexcept { return swap(o), *this; }
  ~Graph();
  /// Calls `record` with a stream that executes nothing (`scratch`, idle and not a default stream) and instantiates
  /// what was enqueued. Kernel arguments are copied then.
  template <typename Record>
  static Status capture(const ContextPtr &context, const Stream &scratch, Record record, Graph &result) {
    Status s = begin(context, scratch);
    if (!s.ok())
      return s;
    Status recorded = record(scratch.handle());
    Graph whole;
    s = end(context, scratch, whole);
    if (!recorded.ok())
      return recorded; // what was recorded until then is no graph of anything
    if (s.ok())
      result = std::move(whole);
    return s;
  }
  Status launch(CUstream stream) const;
  size_t nodeCount() const { return nodes; }
  explicit operator bool() const { return exec != nullptr; }

private:
  static Status begin(const ContextPtr &context, const Stream &scratch);
  static Status end(const ContextPtr &context, const Stream &scratch, Graph &result);
  void swap(Graph &o) { std::swap(context, o.context), std::swap(exec, o.exec), std::swap(nodes, o.nodes); }
  ContextPtr context;
  CUgraphExec exec = nullptr;
  size_t nodes = 0;
};

/// The device that holds a pointer: its number, or -1 for memory that no device of this process knows.
int deviceOfPointer(const Context &context, const void *pointer);

} // namespace bitwright::runtime::cuda
