//===- MockCuda.cpp - a make-believe CUDA driver for tests -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "MockCuda.h"
#include "lib/Runtime/CudaApi.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

using namespace bitwright::runtime::cuda;

namespace bitwright::runtime::cuda {
struct CUctx_st {
  int device;
};
struct CUfunc_st {
  std::string name;
  std::vector<size_t> sizes;
  int maxShared = 48 * 1024;
  int device = 0;
};
struct CUmod_st {
  bool real = false; ///< a real cubin: has every kernel, which does nothing
  std::map<std::string, CUfunc_st> functions;
};
struct CUgraph_st {
  std::vector<std::function<CUresult()>> nodes;
};
struct CUgraphExec_st {
  CUgraph_st graph;
};
struct CUstream_st {
  CUcontext context = nullptr;
  CUgraph_st *recording = nullptr;
};
struct CUevent_st {
  bool recorded = false;
  double at = 0;
};
} // namespace bitwright::runtime::cuda

namespace {
std::mutex mutex;
MockCounts counts = {};
std::vector<MockLaunch> launches;
std::map<std::string, int> calls;
struct Block {
  size_t bytes;
  int device;
};
std::map<CUdeviceptr, Block> blocks;
std::map<int, long long> usedBytes;
CUctx_st contexts[8];
double now = 0;
thread_local std::vector<CUcontext> stack;

std::string environment(const char *name, const char *otherwise) {
  const char *value = std::getenv(name);
  return value && *value ? value : otherwise;
}

bool quiet() { return std::getenv("MOCK_CUDA_QUIET"); }

/// What MOCK_CUDA_FAIL says about this call.
CUresult injected(const char *function) {
  if (quiet())
    return cudaSuccess;
  const std::string text = environment("MOCK_CUDA_FAIL", "");
  const int call = ++calls[function];
  std::istringstream stream(text);
  std::string name, code, nth;
  std::getline(stream, name, ':');
  std::getline(stream, code, ':');
  std::getline(stream, nth, ':');
  if (name != function || (!nth.empty() && std::atoi(nth.c_str()) != call))
    return cudaSuccess;
  return std::atoi(code.c_str());
}

std::vector<int> capabilities() {
  std::vector<int> result;
  const std::string text = environment("MOCK_CUDA_DEVICES", "90");
  if (text == "none")
    return result;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');)
    result.push_back(std::atoi(item.c_str()));
  return result;
}

constexpr CUresult invalidContext = 201;
int currentDevice() { return stack.empty() ? -1 : stack.back()->device; }

/// Whether [p, p + bytes) lies in one live block.
bool alive(CUdeviceptr p, size_t bytes) {
  auto it = blocks.upper_bound(p);
  if (it == blocks.begin())
    return false;
  --it;
  return p - it->first + bytes <= it->second.bytes;
}

template <typename T> T argument(void **arguments, int index) {
  T value;
  std::memcpy(&value, arguments[index], sizeof(T));
  return value;
}

/// The kernels of the tests' models; see TestModel.cpp for what they compute.
void execute(const std::string &name, void **a) {
  if (std::getenv("MOCK_CUDA_IDLE"))
    return;
  if (name.compare(0, 5, "shift") == 0) { // x, packed bias, mid, N, W
    const int32_t *x = argument<const int32_t *>(a, 0), *bias = argument<const int32_t *>(a, 1);
    int32_t *mid = argument<int32_t *>(a, 2);
    const int n = argument<int>(a, 3), w = argument<int>(a, 4);
    static const int position[3] = {0, 2, 1}; // of the packing
    for (int t = 0; t < n * w; ++t)
      for (int c = 0; c < 3; ++c)
        mid[t * 4 + c] = int32_t(2 * uint32_t(x[(t / w * 3 + c) * w + t % w]) + uint32_t(bias[position[c]])); // wraps
  } else if (name.compare(0, 7, "reverse") == 0) { // map of mid, y, N, W
    const int32_t *mid = reinterpret_cast<const int32_t *>(static_cast<const TensorMap *>(a[0])->opaque[0]);
    int32_t *y = argument<int32_t *>(a, 1);
    const int n = argument<int>(a, 2), w = argument<int>(a, 3);
    for (int b = 0; b < n; ++b)
      for (int c = 0; c < 3; ++c)
        for (int i = 0; i < w; ++i)
          y[(b * 3 + c) * w + i] = mid[(b * w + w - 1 - i) * 4 + c];
  } else if (name.compare(0, 5, "total") == 0) { // y, total, count
    const int32_t *y = argument<const int32_t *>(a, 0);
    int64_t sum = std::getenv("MOCK_CUDA_WRONG") ? 1 : 0;
    for (int i = 0; i < argument<int>(a, 2); ++i)
      sum += y[i];
    *argument<int64_t *>(a, 1) = sum;
  } else if (name.compare(0, 8, "multiply") == 0) { // in, out: floats
    const float *in = argument<const float *>(a, 0);
    *argument<float *>(a, 1) = in[0] * in[1] + float(std::atof(environment("MOCK_CUDA_ERROR", "0").c_str()));
  }
}

/// Runs now, or becomes a node of the graph that the stream records.
template <typename Work> CUresult enqueue(CUstream stream, Work work) {
  if (stream && reinterpret_cast<uintptr_t>(stream) > 2 && stream->recording) {
    stream->recording->nodes.push_back(std::move(work));
    return cudaSuccess;
  }
  return work();
}
} // namespace

#define MOCK(name)                                                                                                     \
  std::lock_guard<std::mutex> lock(mutex);                                                                             \
  if (CUresult failed = injected(#name))                                                                               \
    return failed;
#define MOCK_CURRENT(name)                                                                                             \
  MOCK(name)                                                                                                           \
  if (stack.empty())                                                                                                   \
    return invalidContext;

extern "C" {
void mockCounts(MockCounts *result) { *result = counts; }
int mockLaunch(size_t index, MockLaunch *result) {
  if (index >= launches.size())
    return 0;
  *result = launches[index];
  return 1;
}
void mockReset() {
  launches.clear();
  calls.clear();
}

CUresult cuInit(unsigned) {
  MOCK(cuInit)
  return cudaSuccess;
}
CUresult cuDriverGetVersion(int *version) {
  *version = std::atoi(environment("MOCK_CUDA_VERSION", "13000").c_str());
  return cudaSuccess;
}
CUresult cuGetErrorName(CUresult error, const char **name) {
  static const std::map<int, const char *> names = {{1, "CUDA_ERROR_INVALID_VALUE"},
                                                    {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                    {100, "CUDA_ERROR_NO_DEVICE"},
                                                    {201, "CUDA_ERROR_INVALID_CONTEXT"},
                                                    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
                                                    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
                                                    {500, "CUDA_ERROR_NOT_FOUND"},
                                                    {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
                                                    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"}};
  auto it = names.find(error);
  *name = it == names.end() ? nullptr : it->second;
  return it == names.end() ? cudaInvalidValue : cudaSuccess;
}
CUresult cuGetErrorString(CUresult error, const char **text) {
  *text = error == cudaIllegalAddress ? "an illegal memory access was encountered" : nullptr;
  return *text ? cudaSuccess : cudaInvalidValue;
}
CUresult cuDeviceGetCount(int *count) {
  MOCK(cuDeviceGetCount)
  *count = int(capabilities().size());
  return cudaSuccess;
}
CUresult cuDeviceGet(CUdevice *device, int number) {
  *device = number;
  return cudaSuccess;
}
CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  std::snprintf(name, size_t(length), "Mock %d", capabilities()[size_t(device)]);
  return cudaSuccess;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  *bytes = size_t(std::atoll(environment("MOCK_CUDA_MEMORY", "1073741824").c_str()));
  return cudaSuccess;
}
CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  const int capability = capabilities()[size_t(device)];
  *value = attribute == attributeMultiprocessorCount   ? 4
           : attribute == attributeL2CacheSize         ? 1 << 20
           : attribute == attributeComputeMajor        ? capability / 10
           : attribute == attributeComputeMinor        ? capability % 10
           : attribute == attributeSharedPerBlockOptin ? (capability >= 90   ? 232448
                                                          : capability == 80 ? 166912
                                                                             : 101376)
                                                       : 0;
  return cudaSuccess;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  MOCK(cuDevicePrimaryCtxRetain)
  contexts[device].device = device;
  *context = &contexts[device];
  ++counts.contexts;
  return cudaSuccess;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  MOCK(cuDevicePrimaryCtxRelease_v2)
  --counts.contexts;
  return cudaSuccess;
}
CUresult cuCtxPushCurrent_v2(CUcontext context) {
  stack.push_back(context);
  return cudaSuccess;
}
CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  if (stack.empty())
    return invalidContext;
  *context = stack.back();
  stack.pop_back();
  return cudaSuccess;
}
CUresult cuCtxGetCurrent(CUcontext *context) {
  *context = stack.empty() ? nullptr : stack.back();
  return cudaSuccess;
}
CUresult cuCtxSynchronize() { return stack.empty() ? invalidContext : cudaSuccess; }

CUresult cuStreamCreate(CUstream *stream, unsigned) {
  MOCK_CURRENT(cuStreamCreate)
  *stream = new CUstream_st();
  (*stream)->context = stack.back();
  ++counts.streams;
  return cudaSuccess;
}
CUresult cuStreamDestroy_v2(CUstream stream) {
  MOCK_CURRENT(cuStreamDestroy_v2)
  delete stream;
  --counts.streams;
  return cudaSuccess;
}
CUresult cuStreamSynchronize(CUstream) {
  MOCK_CURRENT(cuStreamSynchronize)
  return cudaSuccess;
}
CUresult cuStreamGetCtx(CUstream stream, CUcontext *context) {
  MOCK_CURRENT(cuStreamGetCtx)
  *context = reinterpret_cast<uintptr_t>(stream) <= 2 ? stack.back() : stream->context;
  return cudaSuccess;
}
CUresult cuStreamQuery(CUstream) {
  MOCK_CURRENT(cuStreamQuery)
  return std::getenv("MOCK_CUDA_HANG") ? cudaNotReady : cudaSuccess;
}
CUresult cuStreamWaitEvent(CUstream, CUevent event, unsigned) {
  MOCK_CURRENT(cuStreamWaitEvent)
  return event->recorded ? cudaSuccess : cudaInvalidValue;
}
CUresult cuStreamBeginCapture_v2(CUstream stream, int) {
  MOCK_CURRENT(cuStreamBeginCapture_v2)
  stream->recording = new CUgraph_st();
  ++counts.graphs;
  return cudaSuccess;
}
CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  std::lock_guard<std::mutex> lock(mutex);
  *graph = stream->recording;
  stream->recording = nullptr;
  if (CUresult failed = injected("cuStreamEndCapture")) {
    delete *graph;
    --counts.graphs;
    return failed;
  }
  return cudaSuccess;
}
CUresult cuStreamIsCapturing(CUstream stream, int *status) {
  *status = stream && reinterpret_cast<uintptr_t>(stream) > 2 && stream->recording;
  return cudaSuccess;
}

CUresult cuEventCreate(CUevent *event, unsigned) {
  MOCK_CURRENT(cuEventCreate)
  *event = new CUevent_st();
  ++counts.events;
  return cudaSuccess;
}
CUresult cuEventDestroy_v2(CUevent event) {
  MOCK_CURRENT(cuEventDestroy_v2)
  delete event;
  --counts.events;
  return cudaSuccess;
}
CUresult cuEventRecord(CUevent event, CUstream) {
  MOCK_CURRENT(cuEventRecord)
  event->recorded = true;
  event->at = now;
  return cudaSuccess;
}
CUresult cuEventSynchronize(CUevent event) {
  MOCK_CURRENT(cuEventSynchronize)
  return event->recorded ? cudaSuccess : cudaInvalidValue;
}
CUresult cuEventQuery(CUevent) { return cudaSuccess; }
CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  MOCK_CURRENT(cuEventElapsedTime)
  *milliseconds = float(to->at - from->at);
  return cudaSuccess;
}

CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t bytes) {
  MOCK_CURRENT(cuMemAlloc_v2)
  size_t total;
  cuDeviceTotalMem_v2(&total, 0);
  const int device = currentDevice();
  if (bytes == 0)
    return cudaInvalidValue;
  if (size_t(usedBytes[device]) + bytes > total)
    return cudaOutOfMemory;
  void *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(p, 0xcd, bytes);
  *pointer = reinterpret_cast<CUdeviceptr>(p);
  blocks[*pointer] = {bytes, device};
  usedBytes[device] += (long long)bytes;
  ++counts.allocations;
  counts.bytes += (long long)bytes;
  return cudaSuccess;
}
CUresult cuMemFree_v2(CUdeviceptr pointer) {
  MOCK_CURRENT(cuMemFree_v2)
  auto it = blocks.find(pointer);
  if (it == blocks.end() || it->second.device != currentDevice())
    return cudaInvalidValue;
  --counts.allocations;
  counts.bytes -= (long long)it->second.bytes;
  usedBytes[it->second.device] -= (long long)it->second.bytes;
  blocks.erase(it);
  std::free(reinterpret_cast<void *>(pointer));
  return cudaSuccess;
}
CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  cuDeviceTotalMem_v2(total, 0);
  *free = *total - size_t(usedBytes[currentDevice()]);
  return cudaSuccess;
}
CUresult cuMemHostAlloc(void **pointer, size_t bytes, unsigned) {
  MOCK_CURRENT(cuMemHostAlloc)
  *pointer = std::malloc(bytes);
  ++counts.hostAllocations;
  return cudaSuccess;
}
CUresult cuMemFreeHost(void *pointer) {
  MOCK_CURRENT(cuMemFreeHost)
  std::free(pointer);
  --counts.hostAllocations;
  return cudaSuccess;
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  MOCK_CURRENT(cuMemcpyHtoDAsync_v2)
  ++counts.uploads;
  return enqueue(stream, [=] {
    if (!alive(to, bytes))
      return CUresult(cudaIllegalAddress);
    std::memcpy(reinterpret_cast<void *>(to), from, bytes);
    return CUresult(cudaSuccess);
  });
}
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  MOCK_CURRENT(cuMemcpyDtoHAsync_v2)
  ++counts.downloads;
  return enqueue(stream, [=] {
    if (!alive(from, bytes))
      return CUresult(cudaIllegalAddress);
    std::memcpy(to, reinterpret_cast<void *>(from), bytes);
    return CUresult(cudaSuccess);
  });
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream) {
  std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes);
  return cudaSuccess;
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream) {
  std::memset(reinterpret_cast<void *>(to), value, count);
  return cudaSuccess;
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream) {
  for (size_t i = 0; i < count; ++i)
    reinterpret_cast<unsigned *>(to)[i] = value;
  return cudaSuccess;
}
CUresult cuPointerGetAttribute(void *value, int attribute, CUdeviceptr pointer) {
  MOCK(cuPointerGetAttribute)
  auto it = blocks.upper_bound(pointer);
  if (it == blocks.begin() || !alive(pointer, 1))
    return cudaInvalidValue;
  --it;
  *static_cast<int *>(value) = attribute == pointerMemoryType ? 2 : it->second.device;
  return cudaSuccess;
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, int *options, void **values) {
  MOCK_CURRENT(cuModuleLoadDataEx)
  const int capability = capabilities()[size_t(currentDevice())];
  std::istringstream text(static_cast<const char *>(image));
  std::string word, kind, what;
  text >> word >> kind >> what;
  // A real cubin or real PTX has every kernel, and they do nothing.
  static const char elf[] = {0x7f, 'E', 'L', 'F'};
  if (std::memcmp(image, elf, 4) == 0 || std::strstr(static_cast<const char *>(image), ".version")) {
    ++counts.modules;
    *module = new CUmod_st();
    (*module)->real = true;
    return cudaSuccess;
  }
  if (word != "mock")
    return cudaInvalidImage;
  if (kind == "ptx") {
    int version;
    cuDriverGetVersion(&version);
    if (std::atoi(what.c_str()) > version) {
      for (unsigned i = 0; i < count; ++i)
        if (options[i] == jitErrorLog)
          std::strcpy(static_cast<char *>(values[i]), "ptxas application ptx input, line 1; Unsupported .version");
      return cudaUnsupportedPtxVersion;
    }
  } else if (what == "sm_90a" ? capability != 90 : capability / 10 != 8) {
    return cudaNoBinaryForGpu;
  }
  auto m = new CUmod_st();
  std::string line;
  while (std::getline(text, line)) {
    std::istringstream parts(line);
    CUfunc_st f;
    if (!(parts >> word >> f.name) || word != "func")
      continue;
    for (size_t size; parts >> size;)
      f.sizes.push_back(size);
    f.device = currentDevice();
    m->functions[f.name] = f;
  }
  ++counts.modules;
  *module = m;
  return cudaSuccess;
}
CUresult cuModuleUnload(CUmodule module) {
  MOCK_CURRENT(cuModuleUnload)
  delete module;
  --counts.modules;
  return cudaSuccess;
}
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  MOCK_CURRENT(cuModuleGetFunction)
  auto it = module->functions.find(name);
  if (module->real && it == module->functions.end()) {
    CUfunc_st f;
    f.name = "real";
    f.device = currentDevice();
    it = module->functions.emplace(name, f).first;
  }
  if (it == module->functions.end())
    return cudaNotFound;
  *function = &it->second;
  return cudaSuccess;
}
CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction) {
  *value = attribute == functionMaxThreads ? 1024 : attribute == functionRegisters ? 32 : 0;
  return cudaSuccess;
}
#ifndef MOCK_CUDA_WITHOUT_OPTIONAL
CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t *offset, size_t *bytes) {
  if (index >= function->sizes.size())
    return cudaInvalidValue;
  *offset = 0;
  *bytes = function->sizes[index];
  return cudaSuccess;
}
#endif
CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value) {
  MOCK_CURRENT(cuFuncSetAttribute)
  if (attribute == functionMaxDynamicShared)
    function->maxShared = value;
  return cudaSuccess;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blockCount, CUfunction, int, size_t) {
  MOCK_CURRENT(cuOccupancyMaxActiveBlocksPerMultiprocessor)
  *blockCount = 2;
  return cudaSuccess;
}
CUresult cuOccupancyMaxActiveClusters(int *clusters, CUfunction, const CUlaunchConfig *) {
  MOCK_CURRENT(cuOccupancyMaxActiveClusters)
  *clusters = 3;
  return cudaSuccess;
}
CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters, void **) {
  MOCK_CURRENT(cuLaunchKernelEx)
  if (!config->gridX || !config->gridY || !config->blockX || int(config->sharedBytes) > function->maxShared ||
      function->device != currentDevice())
    return cudaInvalidValue;
  MockLaunch record = {};
  std::snprintf(record.symbol, sizeof(record.symbol), "%s", function->name.c_str());
  record.gridX = config->gridX;
  record.gridY = config->gridY;
  record.threads = config->blockX;
  record.shared = config->sharedBytes;
  record.cluster = 1;
  record.device = currentDevice();
  record.stream = config->stream;
  for (unsigned i = 0; i < config->attributeCount; ++i) {
    const CUlaunchAttribute &a = config->attributes[i];
    if (a.id == CUlaunchAttribute::cluster)
      record.cluster = a.value.clusterDim[0];
    if (a.id == CUlaunchAttribute::programmaticSerialization)
      record.pdl = a.value.allowed;
  }
  // Parameters are copied now, as the driver does.
  auto bytes = std::make_shared<std::vector<TensorMap>>();
  for (size_t i = 0; i < function->sizes.size(); ++i) {
    bytes->emplace_back();
    std::memcpy(static_cast<void *>(&bytes->back()), parameters[i], function->sizes[i]);
  }
  return enqueue(config->stream, [=, name = function->name] {
    MockLaunch r = record;
    r.fromGraph = calls.count("in a graph") && calls["in a graph"];
    launches.push_back(r);
    ++counts.launches;
    now += 0.25;
    std::vector<void *> pointers;
    for (TensorMap &b : *bytes)
      pointers.push_back(&b);
    execute(name, pointers.data());
    return CUresult(cudaSuccess);
  });
}
CUresult cuTensorMapEncodeTiled(TensorMap *map, int, uint32_t, void *base, const uint64_t *, const uint64_t *,
                                const uint32_t *, const uint32_t *, int, int, int, int) {
  MOCK(cuTensorMapEncodeTiled)
  ++counts.tensorMaps;
  map->opaque[0] = reinterpret_cast<uint64_t>(base);
  return cudaSuccess;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long) {
  MOCK_CURRENT(cuGraphInstantiateWithFlags)
  *exec = new CUgraphExec_st{*graph};
  ++counts.graphExecs;
  ++counts.instantiated;
  return cudaSuccess;
}
CUresult cuGraphLaunch(CUgraphExec exec, CUstream) {
  MOCK_CURRENT(cuGraphLaunch)
  ++counts.graphLaunches;
  if (quiet())
    return cudaSuccess;
  calls["in a graph"] = 1;
  CUresult result = cudaSuccess;
  for (const std::function<CUresult()> &node : exec->graph.nodes)
    if (result == cudaSuccess)
      result = node();
  calls["in a graph"] = 0;
  return result;
}
CUresult cuGraphDestroy(CUgraph graph) {
  MOCK_CURRENT(cuGraphDestroy)
  delete graph;
  --counts.graphs;
  return cudaSuccess;
}
CUresult cuGraphExecDestroy(CUgraphExec exec) {
  MOCK_CURRENT(cuGraphExecDestroy)
  delete exec;
  --counts.graphExecs;
  return cudaSuccess;
}
CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *, size_t *count) {
  MOCK_CURRENT(cuGraphGetNodes)
  *count = graph->nodes.size();
  return cudaSuccess;
}
} // extern "C"
