//===- MockCuda.h - what tests ask of the make-believe driver -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// MockCuda.cpp is a shared object with the functions of the CUDA driver that the runtime uses, working in host memory:
// launches run at once, graphs are replayed. Its environment:
//   MOCK_CUDA_DEVICES   compute capabilities, "90,80"; default 90; "none"
//   MOCK_CUDA_VERSION   default 13000
//   MOCK_CUDA_FAIL      FUNCTION:CODE[:NTH] makes the NTH call (default: every) of a function fail
//   MOCK_CUDA_MEMORY    bytes of a device; default 1 GiB
//   MOCK_CUDA_HANG      set: streams never become idle
//   MOCK_CUDA_IDLE      set: kernels do nothing
//   MOCK_CUDA_QUIET     set: graphs do nothing and nothing is noted, so that nothing is allocated
//   MOCK_CUDA_WRONG     set: `total` is one too large
// A module is text: "mock cubin sm_90a", "mock cubin sm_80" or "mock ptx VERSION", then lines "func NAME SIZE..." with
// the sizes of the parameters; or a real cubin, whose kernels do nothing. The functions that the tests' models use are built in (see `execute`).
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstddef>
#include <cstdint>

struct MockCounts {
  // Alive now.
  long contexts, streams, events, modules, graphs, graphExecs, allocations, hostAllocations;
  long long bytes;
  // So far.
  long launches, graphLaunches, instantiated, uploads, downloads, tensorMaps;
};

struct MockLaunch {
  char symbol[32];
  unsigned gridX, gridY, threads, shared, cluster;
  int pdl, fromGraph, device;
  const void *stream;
};

extern "C" {
using MockCountsFunction = void (*)(MockCounts *);
using MockLaunchFunction = int (*)(size_t index, MockLaunch *); ///< 0: no such launch
using MockResetFunction = void (*)(); ///< forgets launches, and calls counted for MOCK_CUDA_FAIL
}
