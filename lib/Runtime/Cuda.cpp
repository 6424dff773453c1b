//===- Cuda.cpp - the CUDA driver behind C++ objects -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Cuda.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <thread>

using namespace bitwright::runtime;
using namespace bitwright::runtime::cuda;

/// Far more than any kernel of ours has.
static constexpr size_t maxParameters = 4096;

static std::string number(uint64_t v) { return std::to_string(v); }

//===----------------------------------------------------------------------===//
// Driver
//===----------------------------------------------------------------------===//

std::string Driver::versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// What to do about an error; "" when the text of the driver is all there is to say.
static const char *advice(CUresult result) {
  switch (result) {
  case cudaOutOfMemory:
    return "free device memory, or use a model with smaller upper bounds of its dimensions";
  case cudaStubLibrary:
    return "the libcuda.so.1 found is the toolkit's stub: put the driver's library first in LD_LIBRARY_PATH";
  case cudaNoDevice:
    return "no NVIDIA GPU is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES, or use device 'cpu'";
  case cudaInvalidDevice:
    return "check the number behind 'cuda:' against nvidia-smi -L and CUDA_VISIBLE_DEVICES";
  case cudaDeviceUnavailable:
    return "another process holds the device exclusively: check nvidia-smi";
  case cudaInvalidImage:
  case cudaNoBinaryForGpu:
    return "the code was made for another architecture or by a newer toolkit: update the driver, or compile the model "
           "again with --target for this device";
  case cudaInvalidPtx:
  case cudaUnsupportedPtxVersion:
    return "the driver is older than the PTX of the model: update the driver";
  case cudaJitCompilerNotFound:
    return "the driver's PTX compiler (libnvidia-ptxjitcompiler.so) is missing: install it, or compile the model with "
           "--target for this device";
  case cudaIllegalAddress:
  case cudaMisalignedAddress:
  case cudaLaunchFailed:
    return "a kernel failed and the device context of this process is lost: end the process; please report it with the "
           "model";
  case cudaLaunchTimeout:
    return "a kernel ran longer than the display watchdog allows: use a device without a display";
  case cudaSystemDriverMismatch:
    return "the driver's library and kernel module differ: reboot after the driver update";
  default:
    return "";
  }
}

static bw_status statusOf(CUresult result) {
  switch (result) {
  case cudaOutOfMemory:
    return BW_OUT_OF_MEMORY;
  case cudaInvalidDevice:
    return BW_INVALID_ARGUMENT;
  case cudaNotFound:
    return BW_INVALID_FILE;
  case cudaStubLibrary:
  case cudaDeviceUnavailable:
  case cudaNoDevice:
  case cudaInvalidImage:
  case cudaNoBinaryForGpu:
  case cudaInvalidPtx:
  case cudaJitCompilerNotFound:
  case cudaUnsupportedPtxVersion:
  case cudaJitCompilationDisabled:
  case cudaLaunchTimeout:
  case cudaSystemDriverMismatch:
    return BW_UNSUPPORTED;
  default:
    return BW_INTERNAL;
  }
}

Status Driver::explain(CUresult result, const std::string &what) const {
  const char *name = nullptr, *text = nullptr;
  if (table.getErrorName(result, &name) != cudaSuccess || !name)
    name = "unknown error";
  if (table.getErrorString(result, &text) != cudaSuccess || !text)
    text = "";
  std::string message = "CUDA: " + what + " failed: " + name + " (" + number(uint64_t(result)) + ")";
  if (*text)
    message += std::string(", ") + text;
  if (*advice(result))
    message += std::string("; ") + advice(result);
  return failure(statusOf(result), std::move(message));
}

Status Driver::get(const Driver *&result) {
  static std::mutex mutex;
  static auto *drivers = new std::map<std::string, Driver *>(); // never destroyed: objects may outlive static ones
  const char *wanted = std::getenv("BITWRIGHT_CUDA_LIBRARY");
  const std::string name = wanted && *wanted ? wanted : "libcuda.so.1";
  std::lock_guard<std::mutex> lock(mutex);
  auto found = drivers->find(name);
  if (found != drivers->end()) {
    result = found->second;
    return {};
  }
  void *handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    return failure(BW_UNSUPPORTED, std::string("CUDA: no driver: ") + (reason ? reason : name.c_str()) +
                                       "; install the NVIDIA driver (" + name +
                                       " comes with it, not with the toolkit), or use device 'cpu'");
  }
  auto driver = std::make_unique<Driver>();
  Api &table = driver->table;
  auto versionFunction = reinterpret_cast<CUresult (*)(int *)>(dlsym(handle, "cuDriverGetVersion"));
  int version = 0;
  if (versionFunction)
    versionFunction(&version);
  std::string missing;
#define BITWRIGHT_CUDA_RESOLVE(NAME, SYMBOL, PARAMETERS)                                                               \
  table.NAME = reinterpret_cast<CUresult(*) PARAMETERS>(dlsym(handle, SYMBOL));                                        \
  if (!table.NAME && missing.empty())                                                                                  \
    missing = SYMBOL;
  BITWRIGHT_CUDA_FUNCTIONS(BITWRIGHT_CUDA_RESOLVE)
#undef BITWRIGHT_CUDA_RESOLVE
#define BITWRIGHT_CUDA_RESOLVE(NAME, SYMBOL, PARAMETERS)                                                               \
  table.NAME = reinterpret_cast<CUresult(*) PARAMETERS>(dlsym(handle, SYMBOL));
  BITWRIGHT_CUDA_OPTIONAL_FUNCTIONS(BITWRIGHT_CUDA_RESOLVE)
#undef BITWRIGHT_CUDA_RESOLVE
  driver->installed = version;
  if (!versionFunction || version < minimumDriver || !missing.empty()) {
    dlclose(handle);
    if (!versionFunction)
      return failure(BW_UNSUPPORTED, "CUDA: '" + name + "' is not a CUDA driver: it has no cuDriverGetVersion");
    if (version < minimumDriver)
      return failure(BW_UNSUPPORTED, "CUDA: the driver is too old: it is for CUDA " + versionText(version) +
                                         ", expected at least " + versionText(minimumDriver) +
                                         "; update the NVIDIA driver");
    return failure(BW_UNSUPPORTED, "CUDA: the driver (CUDA " + versionText(version) + ") has no function " + missing +
                                       "; reinstall or update the NVIDIA driver");
  }
  Status s = driver->check(table.init(0), "initialising the driver (cuInit)");
  if (!s.ok()) {
    dlclose(handle);
    return s;
  }
  result = (*drivers)[name] = driver.release();
  return {};
}

Status Driver::deviceCount(int &count) const { return check(table.deviceGetCount(&count), "counting devices"); }

//===----------------------------------------------------------------------===//
// Context
//===----------------------------------------------------------------------===//

Current::Current(const Context &context) : context(context) {
  CUcontext now = nullptr;
  if (context.api().contextGetCurrent(&now) == cudaSuccess && now == context.handle())
    return;
  pushed = context.api().contextPush(context.handle()) == cudaSuccess;
}

Current::~Current() {
  CUcontext popped;
  if (pushed)
    context.api().contextPop(&popped);
}

Status Context::open(int device, std::shared_ptr<Context> &result) {
  const Driver *driver;
  Status s = Driver::get(driver);
  if (!s.ok())
    return s;
  int count = 0;
  s = driver->deviceCount(count);
  if (!s.ok())
    return s;
  if (count == 0)
    return driver->check(cudaNoDevice, "looking for devices");
  if (device < 0 || device >= count)
    return failure(BW_INVALID_ARGUMENT, "CUDA: device " + std::to_string(device) + " asked for, this machine has " +
                                            std::to_string(count) + " (cuda:0" +
                                            (count > 1 ? " to cuda:" + std::to_string(count - 1) : std::string()) +
                                            "); see nvidia-smi -L and CUDA_VISIBLE_DEVICES");
  static std::mutex mutex;
  static auto *open = new std::map<std::pair<const Driver *, int>, std::weak_ptr<Context>>();
  std::lock_guard<std::mutex> lock(mutex);
  std::weak_ptr<Context> &slot = (*open)[{driver, device}];
  if ((result = slot.lock()))
    return {};
  std::shared_ptr<Context> c(new Context());
  const Api &api = driver->api();
  c->library = driver;
  c->info.number = device;
  const std::string what = "opening cuda:" + std::to_string(device);
  char name[256] = {};
  int shared = 0, l2 = 0;
  size_t memory = 0;
  auto attribute = [&](int which, int &value) {
    if (s.ok())
      s = driver->check(api.deviceGetAttribute(&value, which, c->id), what);
  };
  s = driver->check(api.deviceGet(&c->id, device), what);
  if (s.ok())
    s = driver->check(api.deviceGetName(name, sizeof(name) - 1, c->id), what);
  if (s.ok())
    s = driver->check(api.deviceTotalMem(&memory, c->id), what);
  attribute(attributeComputeMajor, c->info.major);
  attribute(attributeComputeMinor, c->info.minor);
  attribute(attributeMultiprocessorCount, c->info.multiprocessors);
  attribute(attributeL2CacheSize, l2);
  attribute(attributeSharedPerBlockOptin, shared);
  if (s.ok())
    s = driver->check(api.primaryContextRetain(&c->context, c->id), what);
  if (!s.ok())
    return s;
  c->info.name = name;
  c->info.l2Bytes = uint64_t(l2);
  c->info.memoryBytes = memory;
  c->info.sharedPerBlock = uint32_t(shared);
  slot = c;
  result = std::move(c);
  return {};
}

Context::~Context() {
  if (context)
    api().primaryContextRelease(id);
}

Status Context::synchronize() const {
  Current scope(*this);
  return library->check(api().contextSynchronize(), "waiting for the device");
}

Status Context::memoryInfo(uint64_t &free, uint64_t &total) const {
  Current scope(*this);
  size_t f = 0, t = 0;
  Status s = library->check(api().memGetInfo(&f, &t), "asking for free memory");
  free = f;
  total = t;
  return s;
}

//===----------------------------------------------------------------------===//
// Streams and events
//===----------------------------------------------------------------------===//

Stream::~Stream() {
  if (!stream)
    return;
  Current scope(*context);
  context->api().streamDestroy(stream);
}

Status Stream::create(const ContextPtr &context, Stream &result, bool blocking) {
  Current scope(*context);
  Stream s;
  s.context = context;
  Status status = context->driver().check(
      context->api().streamCreate(&s.stream, blocking ? 0u : unsigned(streamNonBlocking)), "making a stream");
  if (status.ok())
    result = std::move(s);
  return status;
}

Status bitwright::runtime::cuda::synchronize(const Context &context, CUstream stream, int limit) {
  Current scope(context);
  const Api &api = context.api();
  if (limit <= 0)
    return context.driver().check(api.streamSynchronize(stream), "waiting for the stream");
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::milliseconds(limit);
  for (;;) {
    CUresult r = api.streamQuery(stream);
    if (r != cudaNotReady)
      return context.driver().check(r, "waiting for the stream");
    if (Clock::now() >= end)
      return failure(BW_INTERNAL, "CUDA: the work of the stream is not finished after " + std::to_string(limit) +
                                      " ms: a kernel hangs, or the limit is too small");
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

Status Stream::wait(const Event &event) const {
  Current scope(*context);
  return context->driver().check(context->api().streamWaitEvent(stream, event.handle(), 0), "ordering two streams");
}

Event::~Event() {
  if (!event)
    return;
  Current scope(*context);
  context->api().eventDestroy(event);
}

Status Event::create(const ContextPtr &context, Event &result, bool timing) {
  Current scope(*context);
  Event e;
  e.context = context;
  Status s = context->driver().check(context->api().eventCreate(&e.event, timing ? 0u : unsigned(eventDisableTiming)),
                                     "making an event");
  if (s.ok())
    result = std::move(e);
  return s;
}

Status Event::record(CUstream stream) const {
  Current scope(*context);
  return context->driver().check(context->api().eventRecord(event, stream), "recording an event");
}

Status Event::synchronize() const {
  Current scope(*context);
  return context->driver().check(context->api().eventSynchronize(event), "waiting for an event");
}

Status Event::milliseconds(const Event &from, const Event &to, float &result) {
  Current scope(*from.context);
  return from.context->driver().check(from.context->api().eventElapsedTime(&result, from.event, to.event),
                                      "reading the time between two events");
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Memory::~Memory() {
  if (!address)
    return;
  Current scope(*context);
  context->api().memFree(address);
}

Status Memory::allocate(const ContextPtr &context, size_t bytes, const std::string &what, Memory &result) {
  Memory m;
  if (bytes) {
    Current scope(*context);
    CUresult r = context->api().memAlloc(&m.address, bytes);
    if (r == cudaOutOfMemory) {
      size_t free = 0, total = 0;
      context->api().memGetInfo(&free, &total);
      return failure(BW_OUT_OF_MEMORY, "CUDA: no memory on cuda:" + std::to_string(context->device().number) + " for " +
                                           what + ": " + number(bytes) + " bytes asked for, " + number(free) + " of " +
                                           number(total) + " are free; " + advice(cudaOutOfMemory));
    }
    Status s = context->driver().check(r, "allocating " + number(bytes) + " bytes for " + what);
    if (!s.ok())
      return s;
    m.context = context;
    m.bytes = bytes;
  }
  result = std::move(m);
  return {};
}

Status Memory::upload(const void *from, size_t count, CUstream stream, size_t offset) const {
  if (!count)
    return {};
  Current scope(*context);
  return context->driver().check(context->api().copyToDevice(address + offset, from, count, stream),
                                 [&] { return "copying " + number(count) + " bytes to the device"; });
}

Status Memory::download(void *to, size_t count, CUstream stream, size_t offset) const {
  if (!count)
    return {};
  Current scope(*context);
  return context->driver().check(context->api().copyToHost(to, address + offset, count, stream),
                                 [&] { return "copying " + number(count) + " bytes to the host"; });
}

Status Memory::fill(uint8_t value, CUstream stream) const {
  if (!bytes)
    return {};
  Current scope(*context);
  return context->driver().check(context->api().setBytes(address, value, bytes, stream), "filling device memory");
}

HostMemory::~HostMemory() {
  if (!start)
    return;
  Current scope(*context);
  context->api().memFreeHost(start);
}

Status HostMemory::allocate(const ContextPtr &context, size_t bytes, const std::string &what, HostMemory &result) {
  HostMemory m;
  if (bytes) {
    Current scope(*context);
    Status s = context->driver().check(context->api().memHostAlloc(&m.start, bytes, hostPortable),
                                       "allocating " + number(bytes) + " bytes of page-locked memory for " + what);
    if (!s.ok())
      return s;
    m.context = context;
    m.bytes = bytes;
  }
  result = std::move(m);
  return {};
}

int bitwright::runtime::cuda::deviceOfPointer(const Context &context, const void *pointer) {
  Current scope(context);
  const CUdeviceptr p = reinterpret_cast<CUdeviceptr>(pointer);
  unsigned type = 0;
  int device = -1;
  constexpr unsigned hostMemory = 1;
  if (context.api().pointerGetAttribute(&type, pointerMemoryType, p) != cudaSuccess || type == hostMemory ||
      context.api().pointerGetAttribute(&device, pointerDeviceOrdinal, p) != cudaSuccess)
    return -1;
  return device;
}

//===----------------------------------------------------------------------===//
// Modules and launches
//===----------------------------------------------------------------------===//

Module::~Module() {
  if (!module)
    return;
  Current scope(*context);
  context->api().moduleUnload(module);
}

Status Module::load(const ContextPtr &context, const void *image, size_t size, const std::string &what,
                    Module &result) {
  // PTX is text up to a zero; a cubin is an ELF file that knows its own length.
  std::vector<char> copy(static_cast<const char *>(image), static_cast<const char *>(image) + size);
  copy.push_back(0);
  std::vector<char> errors(8192, 0), infos(8192, 0);
  int options[] = {jitErrorLog, jitErrorLogBytes, jitInfoLog, jitInfoLogBytes};
  void *values[] = {errors.data(), reinterpret_cast<void *>(errors.size() - 1), infos.data(),
                    reinterpret_cast<void *>(infos.size() - 1)};
  Current scope(*context);
  Module m;
  m.context = context;
  m.label = what;
  const DeviceInfo &d = context->device();
  Status s =
      context->driver().check(context->api().moduleLoadDataEx(&m.module, copy.data(), 4, options, values),
                              "loading " + what + " on cuda:" + std::to_string(d.number) + " (" + d.name +
                                  ", compute capability " + std::to_string(d.major) + "." + std::to_string(d.minor) +
                                  ", driver for CUDA " + Driver::versionText(context->driver().version()) + ")");
  if (!s.ok()) {
    if (errors[0])
      s.text += std::string("; the driver's compiler says: ") + errors.data();
    m.module = nullptr;
    return s;
  }
  result = std::move(m);
  return {};
}

Status Module::function(const std::string &name, Function &result) const {
  Current scope(*context);
  const Api &api = context->api();
  Function f;
  f.name = name;
  Status s = context->driver().check(api.moduleGetFunction(&f.handle, module, name.c_str()),
                                     "finding kernel '" + name + "' in " + label);
  auto attribute = [&](int which, int &value) {
    if (s.ok())
      s = context->driver().check(api.functionGetAttribute(&value, which, f.handle),
                                  "asking about kernel '" + name + "'");
  };
  attribute(functionRegisters, f.registers);
  attribute(functionLocalBytes, f.localBytes);
  attribute(functionStaticShared, f.staticShared);
  attribute(functionMaxThreads, f.maxThreads);
  f.parametersKnown = s.ok() && api.functionParameterInfo;
  // Ends with an error at the first parameter that is not there.
  size_t offset, bytes;
  while (f.parametersKnown && f.parameterBytes.size() < maxParameters &&
         api.functionParameterInfo(f.handle, f.parameterBytes.size(), &offset, &bytes) == cudaSuccess)
    f.parameterBytes.push_back(bytes);
  if (s.ok())
    result = std::move(f);
  return s;
}

Status bitwright::runtime::cuda::allowShared(const Context &context, const Function &function, uint32_t bytes) {
  const uint32_t most = context.device().sharedPerBlock;
  if (bytes + uint64_t(function.staticShared) > most)
    return failure(BW_UNSUPPORTED, "CUDA: kernel '" + function.name + "' needs " +
                                       number(bytes + uint64_t(function.staticShared)) +
                                       " bytes of shared memory, cuda:" + std::to_string(context.device().number) +
                                       " (" + context.device().name + ") has " + number(most) +
                                       " for a block: compile the model with --target for this device");
  Current scope(context);
  return context.driver().check(
      context.api().functionSetAttribute(function.handle, functionMaxDynamicShared, int(bytes)),
      "allowing " + number(bytes) + " bytes of shared memory for kernel '" + function.name + "'");
}

Status bitwright::runtime::cuda::allowLargeCluster(const Context &context, const Function &function) {
  Current scope(context);
  return context.driver().check(context.api().functionSetAttribute(function.handle, functionNonPortableCluster, 1),
                                "allowing a large cluster for kernel '" + function.name + "'");
}

static CUlaunchConfig configOf(const LaunchShape &shape, CUstream stream, CUlaunchAttribute (&attributes)[2]) {
  CUlaunchConfig c;
  c.gridX = shape.gridX;
  c.gridY = shape.gridY;
  c.gridZ = shape.gridZ;
  c.blockX = shape.threads;
  c.sharedBytes = shape.sharedBytes;
  c.stream = stream;
  c.attributes = attributes;
  if (shape.cluster > 1) {
    CUlaunchAttribute &a = attributes[c.attributeCount++];
    a.id = CUlaunchAttribute::cluster;
    a.value.clusterDim[0] = shape.cluster;
    a.value.clusterDim[1] = a.value.clusterDim[2] = 1;
  }
  if (shape.pdl) {
    CUlaunchAttribute &a = attributes[c.attributeCount++];
    a.id = CUlaunchAttribute::programmaticSerialization;
    a.value.allowed = 1;
  }
  return c;
}

Status bitwright::runtime::cuda::residentBlocks(const Context &context, const Function &function,
                                                const LaunchShape &shape, uint32_t &blocks) {
  Current scope(context);
  int count = 0;
  Status s;
  if (shape.cluster > 1) {
    LaunchShape one = shape;
    one.gridX = shape.cluster;
    one.gridY = one.gridZ = 1;
    one.pdl = false;
    CUlaunchAttribute attributes[2];
    CUlaunchConfig config = configOf(one, nullptr, attributes);
    s = context.driver().check(context.api().occupancyClusters(&count, function.handle, &config),
                               "asking how many clusters of kernel '" + function.name + "' fit");
    blocks = uint32_t(count) * shape.cluster;
  } else {
    s = context.driver().check(
        context.api().occupancyBlocks(&count, function.handle, int(shape.threads), shape.sharedBytes),
        "asking how many blocks of kernel '" + function.name + "' fit");
    blocks = uint32_t(count) * uint32_t(context.device().multiprocessors);
  }
  if (s.ok() && blocks == 0)
    return failure(BW_UNSUPPORTED, "CUDA: not one " + std::string(shape.cluster > 1 ? "cluster" : "block") +
                                       " of kernel '" + function.name + "' (" + number(shape.threads) + " threads, " +
                                       number(shape.sharedBytes) + " bytes of shared memory) fits on cuda:" +
                                       std::to_string(context.device().number) + " (" + context.device().name + ")");
  return s;
}

Status bitwright::runtime::cuda::launch(const Context &context, const Function &function, const LaunchShape &shape,
                                        void *const *arguments, CUstream stream) {
  Current scope(context);
  CUlaunchAttribute attributes[2];
  CUlaunchConfig config = configOf(shape, stream, attributes);
  CUresult r = context.api().launchKernelEx(&config, function.handle, const_cast<void **>(arguments), nullptr);
  if (r == cudaSuccess)
    return {};
  return context.driver().check(r, "launching kernel '" + function.name + "' (grid " + number(shape.gridX) + " x " +
                                       number(shape.gridY) + " x " + number(shape.gridZ) + ", " +
                                       number(shape.threads) + " threads, " + number(shape.sharedBytes) +
                                       " bytes of shared memory, cluster " + number(shape.cluster) + ")");
}

static unsigned elementBytes(MapElement e) {
  switch (e) {
  case MapElement::U8:
    return 1;
  case MapElement::U16:
  case MapElement::F16:
  case MapElement::BF16:
    return 2;
  default:
    return 4;
  }
}

Status bitwright::runtime::cuda::encodeMap(const Context &context, CUdeviceptr base, const MapShape &shape,
                                           TensorMap &result) {
  auto invalid = [](std::string text) { return failure(BW_INVALID_ARGUMENT, "CUDA: tensor map: " + std::move(text)); };
  if (shape.rank < 1 || shape.rank > 5)
    return invalid("rank " + number(shape.rank) + " is not within 1..5");
  if (base % 16)
    return invalid("the base address is not a multiple of 16");
  for (uint32_t i = 0; i < shape.rank; ++i) {
    if (shape.dims[i] < 1 || shape.dims[i] > (uint64_t(1) << 32))
      return invalid("dimension " + number(i) + " is " + number(shape.dims[i]) + ", expected 1..2^32");
    if (shape.box[i] < 1 || shape.box[i] > 256)
      return invalid("box dimension " + number(i) + " is " + number(shape.box[i]) + ", expected 1..256");
    if (i && (shape.strides[i - 1] % 16 || shape.strides[i - 1] == 0 || shape.strides[i - 1] >= (uint64_t(1) << 40)))
      return invalid("stride of dimension " + number(i) + " is " + number(shape.strides[i - 1]) +
                     " bytes, expected a multiple of 16 below 2^40");
  }
  const uint64_t inner = uint64_t(shape.box[0]) * elementBytes(shape.element);
  if (inner % 16 || (shape.swizzle128 && inner > 128))
    return invalid("the inner box has " + number(inner) + " bytes, expected a multiple of 16" +
                   (shape.swizzle128 ? " up to 128" : ""));
  const uint32_t ones[5] = {1, 1, 1, 1, 1};
  const int promotion = shape.l2Promotion >= 256 ? 3 : shape.l2Promotion >= 128 ? 2 : shape.l2Promotion >= 64 ? 1 : 0;
  Current scope(context);
  return context.driver().check(context.api().tensorMapEncodeTiled(
                                    &result, int(shape.element), shape.rank, reinterpret_cast<void *>(base), shape.dims,
                                    shape.strides, shape.box, ones, 0, shape.swizzle128 ? 3 : 0, promotion, 0),
                                "encoding a tensor map");
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

Graph::~Graph() {
  if (!exec)
    return;
  Current scope(*context);
  context->api().graphExecDestroy(exec);
}

Status Graph::begin(const ContextPtr &context, const Stream &scratch) {
  Current scope(*context);
  return context->driver().check(context->api().streamBeginCapture(scratch.handle(), captureRelaxed),
                                 "beginning to record a graph");
}

Status Graph::end(const ContextPtr &context, const Stream &scratch, Graph &result) {
  Current scope(*context);
  const Api &api = context->api();
  CUgraph graph = nullptr;
  Status s = context->driver().check(api.streamEndCapture(scratch.handle(), &graph), "recording a graph");
  if (!s.ok())
    return s;
  Graph g;
  g.context = context;
  s = context->driver().check(api.graphGetNodes(graph, nullptr, &g.nodes), "counting a graph's nodes");
  if (s.ok())
    s = context->driver().check(api.graphInstantiate(&g.exec, graph, 0), "instantiating a graph");
  api.graphDestroy(graph);
  if (s.ok())
    result = std::move(g);
  return s;
}

Status Graph::launch(CUstream stream) const {
  Current scope(*context);
  CUresult r = context->api().graphLaunch(exec, stream);
  return r == cudaSuccess ? Status() : context->driver().check(r, "launching a graph");
}
