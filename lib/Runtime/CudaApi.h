//===- CudaApi.h - the CUDA driver functions that the runtime calls -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Our own declarations of the part of the driver's binary interface that is used, so that neither a CUDA header is
// needed to build nor a driver to start. Numbers and signatures are those of the driver API (CUDA 12.0 and later).
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstddef>
#include <cstdint>

namespace bitwright::runtime::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;
using CUgraphNode = struct CUgraphNode_st *;

enum : CUresult {
  cudaSuccess = 0,
  cudaInvalidValue = 1,
  cudaOutOfMemory = 2,
  cudaStubLibrary = 34,
  cudaDeviceUnavailable = 46,
  cudaNoDevice = 100,
  cudaInvalidDevice = 101,
  cudaInvalidImage = 200,
  cudaNoBinaryForGpu = 209,
  cudaInvalidPtx = 218,
  cudaJitCompilerNotFound = 221,
  cudaUnsupportedPtxVersion = 222,
  cudaJitCompilationDisabled = 223,
  cudaNotFound = 500,
  cudaNotReady = 600,
  cudaIllegalAddress = 700,
  cudaLaunchOutOfResources = 701,
  cudaLaunchTimeout = 702,
  cudaMisalignedAddress = 716,
  cudaLaunchFailed = 719,
  cudaSystemDriverMismatch = 803,
};

enum : int { // CUdevice_attribute
  attributeMultiprocessorCount = 16,
  attributeL2CacheSize = 38,
  attributeComputeMajor = 75,
  attributeComputeMinor = 76,
  attributeSharedPerBlockOptin = 97,
};
enum : int { // CUfunction_attribute
  functionMaxThreads = 0,
  functionStaticShared = 1,
  functionLocalBytes = 3,
  functionRegisters = 4,
  functionMaxDynamicShared = 8,
  functionNonPortableCluster = 14,
};
enum : int { // CUjit_option
  jitInfoLog = 3,
  jitInfoLogBytes = 4,
  jitErrorLog = 5,
  jitErrorLogBytes = 6,
};
enum : int { // CUpointer_attribute
  pointerContext = 1,
  pointerMemoryType = 2, ///< 1 host, 2 device, 4 unified
  pointerIsManaged = 8,
  pointerDeviceOrdinal = 9,
};
enum : unsigned { streamNonBlocking = 1, eventDisableTiming = 2, hostPortable = 1 };
enum : int { captureRelaxed = 2 };

/// CUlaunchAttribute: 72 bytes.
struct CUlaunchAttribute {
  enum : int { cluster = 4, programmaticSerialization = 6 };
  int id = 0;
  int padding = 0;
  union {
    uint64_t words[8];
    unsigned clusterDim[3];
    int allowed;
  } value = {};
};
static_assert(sizeof(CUlaunchAttribute) == 72, "part of the driver's binary interface");

struct CUlaunchConfig {
  unsigned gridX = 1, gridY = 1, gridZ = 1;
  unsigned blockX = 1, blockY = 1, blockZ = 1;
  unsigned sharedBytes = 0;
  CUstream stream = nullptr;
  CUlaunchAttribute *attributes = nullptr;
  unsigned attributeCount = 0;
};

/// CUtensorMap: opaque, passed to kernels by value.
struct alignas(64) TensorMap {
  uint64_t opaque[16] = {};
};

/// X(name, name in the library, parameters): functions that every supported driver has.
#define BITWRIGHT_CUDA_FUNCTIONS(X)                                                                                    \
  X(init, "cuInit", (unsigned flags))                                                                                  \
  X(driverGetVersion, "cuDriverGetVersion", (int *version))                                                            \
  X(getErrorName, "cuGetErrorName", (CUresult error, const char **name))                                               \
  X(getErrorString, "cuGetErrorString", (CUresult error, const char **text))                                           \
  X(deviceGetCount, "cuDeviceGetCount", (int *count))                                                                  \
  X(deviceGet, "cuDeviceGet", (CUdevice * device, int number))                                                         \
  X(deviceGetName, "cuDeviceGetName", (char *name, int length, CUdevice device))                                       \
  X(deviceTotalMem, "cuDeviceTotalMem_v2", (size_t * bytes, CUdevice device))                                          \
  X(deviceGetAttribute, "cuDeviceGetAttribute", (int *value, int attribute, CUdevice device))                          \
  X(primaryContextRetain, "cuDevicePrimaryCtxRetain", (CUcontext * context, CUdevice device))                          \
  X(primaryContextRelease, "cuDevicePrimaryCtxRelease_v2", (CUdevice device))                                          \
  X(contextPush, "cuCtxPushCurrent_v2", (CUcontext context))                                                           \
  X(contextPop, "cuCtxPopCurrent_v2", (CUcontext * context))                                                           \
  X(contextGetCurrent, "cuCtxGetCurrent", (CUcontext * context))                                                       \
  X(contextSynchronize, "cuCtxSynchronize", ())                                                                        \
  X(streamCreate, "cuStreamCreate", (CUstream * stream, unsigned flags))                                               \
  X(streamDestroy, "cuStreamDestroy_v2", (CUstream stream))                                                            \
  X(streamSynchronize, "cuStreamSynchronize", (CUstream stream))                                                       \
  X(streamGetContext, "cuStreamGetCtx", (CUstream stream, CUcontext * context))                                        \
  X(streamQuery, "cuStreamQuery", (CUstream stream))                                                                   \
  X(streamWaitEvent, "cuStreamWaitEvent", (CUstream stream, CUevent event, unsigned flags))                            \
  X(streamBeginCapture, "cuStreamBeginCapture_v2", (CUstream stream, int mode))                                        \
  X(streamEndCapture, "cuStreamEndCapture", (CUstream stream, CUgraph * graph))                                        \
  X(streamIsCapturing, "cuStreamIsCapturing", (CUstream stream, int *status))                                          \
  X(eventCreate, "cuEventCreate", (CUevent * event, unsigned flags))                                                   \
  X(eventDestroy, "cuEventDestroy_v2", (CUevent event))                                                                \
  X(eventRecord, "cuEventRecord", (CUevent event, CUstream stream))                                                    \
  X(eventSynchronize, "cuEventSynchronize", (CUevent event))                                                           \
  X(eventQuery, "cuEventQuery", (CUevent event))                                                                       \
  X(eventElapsedTime, "cuEventElapsedTime", (float *milliseconds, CUevent from, CUevent to))                           \
  X(memAlloc, "cuMemAlloc_v2", (CUdeviceptr * pointer, size_t bytes))                                                  \
  X(memFree, "cuMemFree_v2", (CUdeviceptr pointer))                                                                    \
  X(memGetInfo, "cuMemGetInfo_v2", (size_t * free, size_t * total))                                                    \
  X(memHostAlloc, "cuMemHostAlloc", (void **pointer, size_t bytes, unsigned flags))                                    \
  X(memFreeHost, "cuMemFreeHost", (void *pointer))                                                                     \
  X(copyToDevice, "cuMemcpyHtoDAsync_v2", (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))           \
  X(copyToHost, "cuMemcpyDtoHAsync_v2", (void *to, CUdeviceptr from, size_t bytes, CUstream stream))                   \
  X(copyOnDevice, "cuMemcpyDtoDAsync_v2", (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream))           \
  X(setBytes, "cuMemsetD8Async", (CUdeviceptr to, unsigned char value, size_t count, CUstream stream))                 \
  X(setWords, "cuMemsetD32Async", (CUdeviceptr to, unsigned value, size_t count, CUstream stream))                     \
  X(pointerGetAttribute, "cuPointerGetAttribute", (void *value, int attribute, CUdeviceptr pointer))                   \
  X(moduleLoadDataEx, "cuModuleLoadDataEx",                                                                            \
    (CUmodule * module, const void *image, unsigned count, int *options, void **values))                               \
  X(moduleUnload, "cuModuleUnload", (CUmodule module))                                                                 \
  X(moduleGetFunction, "cuModuleGetFunction", (CUfunction * function, CUmodule module, const char *name))              \
  X(functionGetAttribute, "cuFuncGetAttribute", (int *value, int attribute, CUfunction function))                      \
  X(functionSetAttribute, "cuFuncSetAttribute", (CUfunction function, int attribute, int value))                       \
  X(occupancyBlocks, "cuOccupancyMaxActiveBlocksPerMultiprocessor",                                                    \
    (int *blocks, CUfunction function, int threads, size_t dynamicShared))                                             \
  X(occupancyClusters, "cuOccupancyMaxActiveClusters",                                                                 \
    (int *clusters, CUfunction function, const CUlaunchConfig *config))                                                \
  X(launchKernelEx, "cuLaunchKernelEx",                                                                                \
    (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra))                              \
  X(tensorMapEncodeTiled, "cuTensorMapEncodeTiled",                                                                    \
    (TensorMap * map, int type, uint32_t rank, void *base, const uint64_t *dims, const uint64_t *strides,              \
     const uint32_t *box, const uint32_t *elementStrides, int interleave, int swizzle, int l2Promotion, int fill))     \
  X(graphInstantiate, "cuGraphInstantiateWithFlags", (CUgraphExec * exec, CUgraph graph, unsigned long long flags))    \
  X(graphLaunch, "cuGraphLaunch", (CUgraphExec exec, CUstream stream))                                                 \
  X(graphDestroy, "cuGraphDestroy", (CUgraph graph))                                                                   \
  X(graphExecDestroy, "cuGraphExecDestroy", (CUgraphExec exec))                                                        \
  X(graphGetNodes, "cuGraphGetNodes", (CUgraph graph, CUgraphNode * nodes, size_t * count))

/// X(name, name in the library, parameters): functions that later drivers have; null in older ones.
#define BITWRIGHT_CUDA_OPTIONAL_FUNCTIONS(X)                                                                           \
  X(functionParameterInfo, "cuFuncGetParamInfo",                                                                       \
    (CUfunction function, size_t index, size_t * offset, size_t * bytes)) /* 12.4 */

/// Pointers to the functions above.
struct Api {
#define BITWRIGHT_CUDA_MEMBER(NAME, SYMBOL, PARAMETERS) CUresult(*NAME) PARAMETERS = nullptr;
  BITWRIGHT_CUDA_FUNCTIONS(BITWRIGHT_CUDA_MEMBER)
  BITWRIGHT_CUDA_OPTIONAL_FUNCTIONS(BITWRIGHT_CUDA_MEMBER)
#undef BITWRIGHT_CUDA_MEMBER
};

} // namespace bitwright::runtime::cuda
