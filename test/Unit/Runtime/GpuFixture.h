//===- GpuFixture.h - sessions on the make-believe GPU -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "MockCuda.h"
#include "TestModel.h"
#include "bitwright-c/runtime.h"
#include "lib/Runtime/Cuda.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>

namespace bitwright::test {
class Gpu : public ::testing::Test {
protected:
  void SetUp() override {
    for (const char *name :
         {"BITWRIGHT_ISA", "MOCK_CUDA_DEVICES", "MOCK_CUDA_VERSION", "MOCK_CUDA_FAIL", "MOCK_CUDA_MEMORY",
          "MOCK_CUDA_HANG", "MOCK_CUDA_WRONG", "MOCK_CUDA_IDLE", "MOCK_CUDA_ERROR", "BITWRIGHT_CUDA_TIMEOUT"})
      unsetenv(name);
    setenv("BITWRIGHT_CUDA_LIBRARY", MOCK_CUDA, 1);
    void *library = dlopen(MOCK_CUDA, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    countsOf = reinterpret_cast<MockCountsFunction>(dlsym(library, "mockCounts"));
    launchOf = reinterpret_cast<MockLaunchFunction>(dlsym(library, "mockLaunch"));
    reset = reinterpret_cast<MockResetFunction>(dlsym(library, "mockReset"));
    reset();
    atStart = counts();
  }
  void TearDown() override {
    unsetenv("MOCK_CUDA_FAIL");
    unsetenv("MOCK_CUDA_IDLE");
    close();
    if (leaky)
      return;
    const MockCounts c = counts();
    EXPECT_EQ(c.contexts, atStart.contexts);
    EXPECT_EQ(c.streams, atStart.streams);
    EXPECT_EQ(c.events, atStart.events);
    EXPECT_EQ(c.modules, atStart.modules);
    EXPECT_EQ(c.graphs, atStart.graphs);
    EXPECT_EQ(c.graphExecs, atStart.graphExecs);
    EXPECT_EQ(c.allocations, atStart.allocations);
    EXPECT_EQ(c.hostAllocations, atStart.hostAllocations);
    EXPECT_EQ(c.bytes, atStart.bytes);
  }

  /// Thousands of files with changed headers, run with kernels that do nothing.
  void hostile();
  MockCounts counts() {
    MockCounts c;
    countsOf(&c);
    return c;
  }
  std::vector<std::string> launched() {
    std::vector<std::string> names;
    MockLaunch l;
    for (size_t i = 0; launchOf(i, &l); ++i)
      names.push_back(l.symbol);
    return names;
  }
  MockLaunch launch(size_t i) {
    MockLaunch l = {};
    EXPECT_TRUE(launchOf(i, &l)) << i;
    return l;
  }

  void close() {
    bw_session_destroy(session);
    bw_model_destroy(model);
    session = nullptr;
    model = nullptr;
  }
  void load(const artifact::Model &m) {
    close();
    std::vector<uint8_t> bytes;
    std::string error;
    ASSERT_TRUE(artifact::serializeArtifact(m, bytes, error)) << error;
    ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), BW_LOAD_VERIFY_ALL, &model), BW_OK) << bw_last_error();
  }
  bw_status create(const char *device = "cuda", bool profile = false) {
    bw_session_options options = {};
    options.device = device;
    options.profile = profile;
    options.device_timing = 1;
    return bw_session_create(model, &options, &session);
  }
  void open(const artifact::Model &m, const char *device = "cuda", bool profile = false) {
    load(m);
    ASSERT_EQ(create(device, profile), BW_OK) << bw_last_error();
  }
  /// The session's creation fails with `status` and a text that has all of `parts`.
  void expectRefused(bw_status status, std::vector<std::string> parts, const char *device = "cuda") {
    EXPECT_EQ(create(device), status) << bw_last_error();
    expectText(parts);
  }
  void expectText(const std::vector<std::string> &parts) {
    const std::string text = bw_last_error();
    for (const std::string &part : parts)
      EXPECT_NE(text.find(part), std::string::npos) << "expected '" << part << "' in '" << text << "'";
  }

  static bw_tensor tensor(const char *name, bw_dtype dtype, std::vector<int64_t> dims, void *data, size_t bytes,
                          int device = -1) {
    bw_tensor t = {};
    t.name = name;
    t.dtype = dtype;
    t.rank = int32_t(dims.size());
    std::copy(dims.begin(), dims.end(), t.dims);
    t.data = data;
    t.bytes = bytes;
    if (device >= 0) {
      t.device = BW_DEVICE_CUDA;
      t.device_index = device;
    }
    return t;
  }
  bw_status run(int64_t n, int64_t w, bw_capture_callback callback = nullptr, void *user = nullptr) {
    x = makeX(n, w);
    y.assign(x.size(), -7);
    bw_tensor in = tensor("x", BW_S32, {n, 3, w}, x.data(), x.size() * 4);
    bw_tensor out[2] = {tensor("y", BW_S32, {}, y.data(), y.size() * 4), tensor("total", BW_S64, {}, &total, 8)};
    return bw_run_capture(session, 0, &in, 1, out, 2, callback, user);
  }
  void expectCorrect(int64_t n, int64_t w) {
    ASSERT_EQ(run(n, w), BW_OK) << bw_last_error();
    expectResults(n, w);
  }
  void expectResults(int64_t n, int64_t w) {
    EXPECT_EQ(y, expectedY(x, n, w)) << n << " " << w;
    int64_t sum = 0;
    for (int32_t v : y)
      sum += v;
    EXPECT_EQ(total, sum);
  }

  MockCountsFunction countsOf = nullptr;
  MockLaunchFunction launchOf = nullptr;
  MockResetFunction reset = nullptr;
  MockCounts atStart = {};
  bool leaky = false;
  bw_model *model = nullptr;
  bw_session *session = nullptr;
  std::vector<int32_t> x, y;
  int64_t total = -1;
};
using Strings = std::vector<std::string>;

/// The same library under another name is another driver: what is remembered of one does not disturb.
inline std::string again(int number) {
  const std::string path = MOCK_CUDA;
  const size_t slash = path.rfind('/');
  std::string dots;
  for (int i = 0; i < number; ++i)
    dots += "/.";
  return path.substr(0, slash) + dots + path.substr(slash);
}

struct DeviceArray {
  DeviceArray(bw_session *session, size_t bytes) {
    EXPECT_EQ(bw_device_memory_create(session, bytes, &memory), BW_OK) << bw_last_error();
  }
  ~DeviceArray() { bw_device_memory_destroy(memory); }
  /// The make-believe device's memory is the host's.
  uint8_t *data() const { return static_cast<uint8_t *>(bw_device_memory_data(memory)); }
  bw_device_memory *memory = nullptr;
};

} // namespace bitwright::test
