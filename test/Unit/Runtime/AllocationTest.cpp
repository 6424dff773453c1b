//===- AllocationTest.cpp - a repeated shape allocates nothing ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "TestModel.h"
#include "bitwright-c/runtime.h"
#include "lib/Artifact/Artifact.h"

#include <atomic>
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>

// Every allocation of this program that C++ code makes is counted.
static std::atomic<size_t> allocations{0};

static void *allocate(size_t size) {
  ++allocations;
  void *p = std::malloc(size ? size : 1);
  if (!p)
    throw std::bad_alloc();
  return p;
}

void *operator new(size_t size) { return allocate(size); }
void *operator new[](size_t size) { return allocate(size); }
void operator delete(void *p) noexcept { std::free(p); }
void operator delete[](void *p) noexcept { std::free(p); }
void operator delete(void *p, size_t) noexcept { std::free(p); }
void operator delete[](void *p, size_t) noexcept { std::free(p); }

using namespace bitwright::test;

TEST(Allocation, NoneInTheSteadyState) {
  std::vector<uint8_t> bytes = makeBytes();
  bw_model *model = nullptr;
  ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), 0, &model), BW_OK) << bw_last_error();
  for (uint32_t threads : {1u, 3u}) {
    bw_session *session = nullptr;
    bw_session_options options = {threads, nullptr, 0, nullptr, 0};
    ASSERT_EQ(bw_session_create(model, &options, &session), BW_OK) << bw_last_error();
    std::vector<int32_t> x = makeX(4, 40), y(x.size());
    int64_t total;
    int32_t level;
    auto run = [&](int64_t n, int64_t w) {
      bw_tensor in = {}, out[3] = {};
      in.dtype = BW_S32;
      in.rank = 3;
      in.dims[0] = n;
      in.dims[1] = 3;
      in.dims[2] = w;
      in.data = x.data();
      in.bytes = size_t(n * 3 * w) * 4;
      out[0].dtype = out[2].dtype = BW_S32;
      out[1].dtype = BW_S64;
      out[0].data = y.data();
      out[0].bytes = y.size() * 4;
      out[1].data = &total;
      out[1].bytes = 8;
      out[2].data = &level;
      out[2].bytes = 4;
      return bw_run(session, 0, &in, 1, out, 3);
    };
    const size_t atFirst = allocations;
    ASSERT_EQ(run(2, 8), BW_OK);
    EXPECT_GT(allocations, atFirst) << "the counter does not count";
    ASSERT_EQ(run(4, 40), BW_OK);
    const size_t before = allocations;
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(run(2, 8), BW_OK);
      ASSERT_EQ(run(4, 40), BW_OK);
    }
    EXPECT_EQ(allocations, before);
    bw_session_destroy(session);
  }
  bw_model_destroy(model);
}

TEST(Allocation, NoneInTheSteadyStateOnAGpu) {
  std::vector<uint8_t> bytes;
  std::string error;
  ASSERT_TRUE(bitwright::artifact::serializeArtifact(makeGpuModel(), bytes, error)) << error;
  setenv("BITWRIGHT_CUDA_LIBRARY", MOCK_CUDA, 1);
  bw_model *model = nullptr;
  ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), 0, &model), BW_OK) << bw_last_error();
  bw_session *session = nullptr;
  bw_session_options options = {1, nullptr, 0, "cuda", 1};
  ASSERT_EQ(bw_session_create(model, &options, &session), BW_OK) << bw_last_error();
  std::vector<int32_t> x = makeX(4, 40), y(x.size());
  int64_t total;
  auto run = [&](int64_t n, int64_t w) {
    bw_tensor in = {}, out[2] = {};
    in.dtype = out[0].dtype = BW_S32;
    in.rank = 3;
    in.dims[0] = n;
    in.dims[1] = 3;
    in.dims[2] = w;
    in.data = x.data();
    in.bytes = size_t(n * 3 * w) * 4;
    out[1].dtype = BW_S64;
    out[0].data = y.data();
    out[0].bytes = y.size() * 4;
    out[1].data = &total;
    out[1].bytes = 8;
    return bw_run(session, 0, &in, 1, out, 2);
  };
  for (int i = 0; i < 3; ++i) { // the second run of a shape records its graph
    ASSERT_EQ(run(2, 8), BW_OK) << bw_last_error();
    ASSERT_EQ(run(4, 40), BW_OK) << bw_last_error();
  }
  setenv("MOCK_CUDA_QUIET", "1", 1);
  const size_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(run(2, 8), BW_OK);
    ASSERT_EQ(run(4, 40), BW_OK);
  }
  EXPECT_EQ(allocations, before);
  unsetenv("MOCK_CUDA_QUIET");
  unsetenv("BITWRIGHT_CUDA_LIBRARY");
  bw_session_destroy(session);
  bw_model_destroy(model);
}
