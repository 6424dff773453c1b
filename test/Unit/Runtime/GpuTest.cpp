//===- GpuTest.cpp - sessions on a GPU, against a make-believe driver -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "MockCuda.h"
#include "TestModel.h"
#include "bitwright-c/runtime.h"
#include "lib/Artifact/Sha256.h"
#include "lib/Runtime/Cuda.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <random>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::test;

namespace {
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
  void load(const Model &m) {
    close();
    std::vector<uint8_t> bytes;
    std::string error;
    ASSERT_TRUE(serializeArtifact(m, bytes, error)) << error;
    ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), BW_LOAD_VERIFY_ALL, &model), BW_OK) << bw_last_error();
  }
  bw_status create(const char *device = "cuda", bool profile = false) {
    bw_session_options options = {};
    options.device = device;
    options.profile = profile;
    options.device_timing = 1;
    return bw_session_create(model, &options, &session);
  }
  void open(const Model &m, const char *device = "cuda", bool profile = false) {
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
} // namespace

/// The same library under another name is another driver: what is remembered of one does not disturb.
static std::string again(int number) {
  const std::string path = MOCK_CUDA;
  const size_t slash = path.rfind('/');
  std::string dots;
  for (int i = 0; i < number; ++i)
    dots += "/.";
  return path.substr(0, slash) + dots + path.substr(slash);
}

//===----------------------------------------------------------------------===//
// Choice of code
//===----------------------------------------------------------------------===//

TEST_F(Gpu, HopperRunsItsOwnCode) {
  open(makeGpuModel());
  EXPECT_STREQ(bw_session_device(session), "cuda:0");
  EXPECT_STREQ(bw_session_device_name(session), "Mock 90");
  EXPECT_EQ(counts().modules - atStart.modules, 1); // the sm_80 PTX is not compiled for nothing
  expectCorrect(2, 8);
  expectCorrect(3, 40);
  // The row by M: 1..2 and from 3 on; an sm_80 row stands first in the table and is not taken.
  EXPECT_EQ(launched(), (Strings{"shift_few", "reverse", "total", "shift_many", "reverse", "total"}));
}

TEST_F(Gpu, LaunchShapes) {
  open(makeGpuModel());
  expectCorrect(2, 8);
  expectCorrect(4, 40);
  const MockLaunch few = launch(0), reverse = launch(1), many = launch(3);
  EXPECT_EQ(few.gridX, 16u); // N * W
  EXPECT_EQ(few.threads, 128u);
  EXPECT_EQ(few.pdl, 1);
  EXPECT_EQ(few.cluster, 1u);
  EXPECT_EQ(reverse.gridX, 2u);
  // Persistent: 2 N W = 320 CTAs wanted, 3 clusters of 2 resident.
  EXPECT_EQ(many.gridX, 6u);
  EXPECT_EQ(many.cluster, 2u);
  EXPECT_EQ(many.shared, 100000u);
  EXPECT_EQ(many.pdl, 0);
}

TEST_F(Gpu, AmpereRunsTheCubin) {
  setenv("MOCK_CUDA_DEVICES", "86", 1);
  open(makeGpuModel());
  expectCorrect(2, 8);
  EXPECT_EQ(launched(), (Strings{"shift_old", "reverse_old", "total_old"}));
}

TEST_F(Gpu, LaterDevicesCompileThePtx) {
  setenv("MOCK_CUDA_DEVICES", "120", 1);
  open(makeGpuModel());
  expectCorrect(1, 4);
  EXPECT_EQ(launched(), (Strings{"shift_old", "reverse_old", "total_old"}));
}

TEST_F(Gpu, CubinRefusedByTheDriverFallsBackToPtx) {
  setenv("MOCK_CUDA_DEVICES", "80", 1);
  setenv("MOCK_CUDA_FAIL", "cuModuleLoadDataEx:209:1", 1);
  open(makeGpuModel());
  expectCorrect(1, 4);
  EXPECT_EQ(launched(), (Strings{"shift_old", "reverse_old", "total_old"}));
}

TEST_F(Gpu, HopperCubinRefusedByAnOldDriverFallsBackToPtx) {
  setenv("MOCK_CUDA_FAIL", "cuModuleLoadDataEx:209:1", 1);
  open(makeGpuModel());
  expectCorrect(1, 4);
  EXPECT_EQ(launched(), (Strings{"shift_old", "reverse_old", "total_old"}));
  close();
  setenv("MOCK_CUDA_FAIL", "cuModuleLoadDataEx:209", 1); // the PTX too: the first refusal is told
  load(makeGpuModel());
  expectRefused(BW_UNSUPPORTED, {"loading sm_90a cubin on cuda:0", "CUDA_ERROR_NO_BINARY_FOR_GPU (209)",
                                 "update the driver, or compile the model again with --target"});
}

TEST_F(Gpu, HopperTakesPtxWhereALaunchHasNothingElse) {
  Model m = makeGpuModel();
  m.entries[0].launches[2].gpu.variants.erase(m.entries[0].launches[2].gpu.variants.begin());
  // ... and where the rows leave a gap: N = 2 has no sm_90a kernel.
  m.entries[0].launches[0].gpu.variants[1].mHi = 1;
  open(m);
  EXPECT_EQ(counts().modules - atStart.modules, 2);
  expectCorrect(1, 4);
  expectCorrect(2, 4);
  EXPECT_EQ(launched(), (Strings{"shift_few", "reverse", "total_old", "shift_old", "reverse", "total_old"}));
}

TEST_F(Gpu, SharedMemoryBeyondTheDeviceMovesToAnotherRow) {
  setenv("MOCK_CUDA_DEVICES", "86", 1);
  Model m = makeGpuModel();
  m.gpuKernels[2].sharedBytes = 150000; // an 8.6 device has 101376
  load(m);
  expectRefused(BW_UNSUPPORTED, {"launch 'shift' has no code that runs on cuda:0 (Mock 86, compute capability 8.6)",
                                 "kernel 'shift_old' needs 150000 bytes of shared memory", "has 101376"});
  m.gpuCode[0].bytes = Blob::own([] {
    const std::string text = "mock cubin sm_80\nfunc shift_old 8 8 8 4 4\nfunc shift_small 8 8 8 4 4\n"
                             "func reverse_old 128 8 4 4\nfunc total_old 8 8 4\n";
    return std::vector<uint8_t>(text.begin(), text.end());
  }());
  m.gpuKernels.push_back({"shift_small", GpuArch::Sm80, 128, 0, 1, false});
  GpuVariant v = m.entries[0].launches[0].gpu.variants[0];
  v.kernel = 7;
  m.entries[0].launches[0].gpu.variants.push_back(v);
  open(m);
  expectCorrect(1, 4);
  EXPECT_EQ(launched()[0], "shift_small");
}

TEST_F(Gpu, RefusesWhatHasNoCode) {
  load(makeModel());
  expectRefused(BW_UNSUPPORTED, {"the file has no GPU code", "--target cpu,sm_80,sm_90a"});

  Model m = makeGpuModel();
  m.gpuCode.erase(m.gpuCode.begin(), m.gpuCode.begin() + 2);
  for (Launch &l : m.entries[0].launches)
    for (size_t i = 0; i < l.gpu.variants.size();)
      if (m.gpuKernels[l.gpu.variants[i].kernel].arch == GpuArch::Sm80)
        l.gpu.variants.erase(l.gpu.variants.begin() + long(i));
      else
        ++i;
  m.entries[0].launches[2].gpu.variants[0].kernel = 3;
  std::vector<GpuKernel> kept;
  for (GpuKernel &k : m.gpuKernels)
    if (k.arch == GpuArch::Sm90a)
      kept.push_back(k);
  m.gpuKernels = {kept[0], kept[1], kept[2], kept[3]};
  m.entries[0].launches[0].gpu.variants[0].kernel = 0;
  m.entries[0].launches[0].gpu.variants[1].kernel = 1;
  m.entries[0].launches[1].gpu.variants[0].kernel = 2;
  m.entries[0].launches[2].gpu.variants[0].kernel = 3;
  load(m);
  setenv("MOCK_CUDA_DEVICES", "80", 1);
  expectRefused(BW_UNSUPPORTED,
                {"no code for cuda:0 (Mock 80, compute capability 8.0)", "it has sm_90a cubin", "--target"});
  setenv("MOCK_CUDA_DEVICES", "75", 1);
  load(makeGpuModel());
  expectRefused(BW_UNSUPPORTED, {"compute capability 7.5", "sm_80 cubin, sm_80 ptx, sm_90a cubin"});
}

TEST_F(Gpu, RefusesALaunchWithoutCodeAndSaysWhy) {
  Model m = makeGpuModel();
  m.entries[0].launches[1].gpu.variants.clear();
  m.entries[0].launches[1].gpu.reason = "expected K to be a multiple of 32, found 30";
  load(m);
  expectRefused(BW_UNSUPPORTED, {"launch 'reverse' has no code that runs on cuda:0",
                                 "expected K to be a multiple of 32, found 30", "use device 'cpu'"});
}

TEST_F(Gpu, RefusesRowsThatNoKernelServes) {
  Model m = makeGpuModel();
  m.entries[0].launches[0].gpu.variants.resize(2);
  m.entries[0].launches[0].gpu.variants[0].mHi = 2; // sm_80 and sm_90a: 1..2
  open(m);
  expectCorrect(2, 4);
  EXPECT_EQ(run(3, 4), BW_UNSUPPORTED);
  expectText({"launch 'shift'", "no kernel for 3 rows", "1..2"});
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

TEST_F(Gpu, GraphPerShapeFromTheSecondRunOn) {
  open(makeGpuModel());
  for (int i = 0; i < 5; ++i) {
    expectCorrect(2, 8);
    expectCorrect(3, 8);
  }
  const MockCounts c = counts();
  EXPECT_EQ(c.instantiated - atStart.instantiated, 2); // one a shape
  EXPECT_EQ(c.graphLaunches - atStart.graphLaunches, 8);
  EXPECT_EQ(c.launches - atStart.launches, 30);
  EXPECT_EQ(launch(0).fromGraph, 0);
  EXPECT_EQ(launch(29).fromGraph, 1);
  EXPECT_GT(bw_session_device_ms(session), 0.7); // three launches of a quarter
}

TEST_F(Gpu, TenThousandRunsLeaveNothing) {
  open(makeGpuModel());
  expectCorrect(2, 8);
  expectCorrect(2, 8);
  expectCorrect(4, 40);
  expectCorrect(4, 40);
  const MockCounts before = counts();
  for (int i = 0; i < 10000; ++i)
    ASSERT_EQ(run(i % 2 ? 2 : 4, i % 2 ? 8 : 40), BW_OK) << bw_last_error();
  const MockCounts after = counts();
  EXPECT_EQ(after.bytes, before.bytes);
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(after.hostAllocations, before.hostAllocations);
  EXPECT_EQ(after.graphExecs, before.graphExecs);
  EXPECT_EQ(after.events, before.events);
  EXPECT_EQ(after.streams, before.streams);
  EXPECT_EQ(after.instantiated, before.instantiated);
  EXPECT_EQ(after.launches - before.launches, 30000);
}

TEST_F(Gpu, ManyShapesForgetTheOldest) {
  open(makeGpuModel());
  for (int round = 0; round < 3; ++round)
    for (int64_t n = 1; n <= 4; ++n)
      for (int64_t w = 4; w <= 40; w += 4)
        expectCorrect(n, w);
}

TEST_F(Gpu, SessionsShareTheWeights) {
  open(makeGpuModel());
  const MockCounts one = counts();
  bw_session *other = nullptr;
  bw_session_options options = {};
  options.device = "cuda:0";
  ASSERT_EQ(bw_session_create(model, &options, &other), BW_OK) << bw_last_error();
  EXPECT_EQ(counts().allocations - one.allocations, 1); // the arena
  EXPECT_EQ(counts().uploads, one.uploads);
  EXPECT_EQ(counts().modules, one.modules);
  bw_session_destroy(session);
  session = other;
  expectCorrect(2, 8); // the weights are still there
}

TEST_F(Gpu, SeveralDevices) {
  setenv("MOCK_CUDA_DEVICES", "90,80", 1);
  size_t count = 0;
  ASSERT_EQ(bw_cuda_device_count(&count), BW_OK);
  EXPECT_EQ(count, 2u);
  open(makeGpuModel());
  expectCorrect(2, 8);
  bw_session *first = session;
  session = nullptr;
  ASSERT_EQ(create("cuda:1"), BW_OK) << bw_last_error();
  EXPECT_STREQ(bw_session_device(session), "cuda:1");
  expectCorrect(2, 8);
  EXPECT_EQ(launch(2).device, 0);
  EXPECT_EQ(launch(3).device, 1);
  EXPECT_STREQ(launch(3).symbol, "shift_old");
  bw_session_destroy(first);
  expectCorrect(3, 8);
}

TEST_F(Gpu, CaptureSeesEveryLaunch) {
  open(makeGpuModel());
  std::vector<std::string> seen;
  auto callback = [](const bw_captured *value, void *user) {
    auto &seen = *static_cast<std::vector<std::string> *>(user);
    seen.push_back(std::string(value->launch) + "/" + value->name);
    if (std::string(value->name) == "mid") // logical order [N, 3, W]: 2 x + 10 for channel 0
      EXPECT_EQ(static_cast<const int32_t *>(value->data)[0], 2 * makeX(2, 8)[0] + 10);
    return 0;
  };
  ASSERT_EQ(run(2, 8, callback, &seen), BW_OK) << bw_last_error();
  expectResults(2, 8);
  EXPECT_EQ(seen, (Strings{"shift/mid", "reverse/y", "total/total"}));
  auto stop = [](const bw_captured *, void *) { return 1; };
  reset();
  ASSERT_EQ(run(2, 8, stop), BW_OK) << bw_last_error();
  EXPECT_EQ(launched(), (Strings{"shift_few"}));
}

TEST_F(Gpu, ProfileCountsDeviceTime) {
  open(makeGpuModel(), "cuda", /*profile=*/true);
  expectCorrect(2, 8);
  expectCorrect(2, 8);
  ASSERT_EQ(bw_session_profile_count(session, 0), 3u);
  bw_profile_entry p;
  ASSERT_EQ(bw_session_profile(session, 0, 1, &p), BW_OK);
  EXPECT_EQ(p.calls, 2u);
  EXPECT_EQ(p.nanoseconds, 500000u); // a quarter of a millisecond each
}

//===----------------------------------------------------------------------===//
// Tensors on the device, streams
//===----------------------------------------------------------------------===//

namespace {
struct DeviceArray {
  DeviceArray(bw_session *session, size_t bytes) {
    EXPECT_EQ(bw_device_memory_create(session, bytes, &memory), BW_OK) << bw_last_error();
  }
  ~DeviceArray() { bw_device_memory_destroy(memory); }
  /// The make-believe device's memory is the host's.
  uint8_t *data() const { return static_cast<uint8_t *>(bw_device_memory_data(memory)); }
  bw_device_memory *memory = nullptr;
};
} // namespace

TEST_F(Gpu, DeviceTensorsAreUsedInPlace) {
  open(makeGpuModel());
  DeviceArray dx(session, 192), dy(session, 192), dt(session, 8);
  x = makeX(2, 8);
  std::memcpy(dx.data(), x.data(), 192);
  bw_tensor in = tensor("x", BW_S32, {2, 3, 8}, dx.data(), 192, 0);
  bw_tensor out[2] = {tensor("y", BW_S32, {}, dy.data(), 192, 0), tensor("total", BW_S64, {}, dt.data(), 8, 0)};
  const MockCounts before = counts();
  const void *stream = reinterpret_cast<void *>(1); // CU_STREAM_LEGACY
  for (int i = 0; i < 4; ++i) {
    std::memset(dy.data(), 0, 192);
    ASSERT_EQ(bw_run_on_stream(session, 0, &in, 1, out, 2, const_cast<void *>(stream)), BW_OK) << bw_last_error();
    y.assign(48, 0);
    std::memcpy(y.data(), dy.data(), 192);
    std::memcpy(&total, dt.data(), 8);
    expectResults(2, 8);
  }
  EXPECT_EQ(launch(0).stream, stream);
  const MockCounts after = counts();
  EXPECT_EQ(after.uploads, before.uploads);
  EXPECT_EQ(after.downloads, before.downloads);
  EXPECT_EQ(after.hostAllocations, before.hostAllocations);
  EXPECT_EQ(after.instantiated - before.instantiated, 1);
  EXPECT_EQ(after.graphLaunches - before.graphLaunches, 3);
  // Mixed: the output on the host.
  out[0] = tensor("y", BW_S32, {}, y.data(), 192);
  y.assign(48, 0);
  ASSERT_EQ(bw_run(session, 0, &in, 1, out, 2), BW_OK) << bw_last_error();
  expectResults(2, 8);
  // Other addresses at every run: no graph is made for them.
  const long made = counts().instantiated;
  for (int i = 0; i < 20; ++i) {
    DeviceArray other(session, 192 + 256 * size_t(i));
    out[0] = tensor("y", BW_S32, {}, other.data(), 192, 0);
    ASSERT_EQ(bw_run_on_stream(session, 0, &in, 1, out, 2, nullptr), BW_OK) << bw_last_error();
    ASSERT_EQ(std::memcmp(other.data(), y.data(), 192), 0);
  }
  EXPECT_LE(counts().instantiated - made, 20);
}

/// A stream that records a graph of the caller's: the launches become part of it.
TEST_F(Gpu, RunsIntoARecordingStream) {
  open(makeGpuModel());
  DeviceArray dx(session, 192), dy(session, 192), dt(session, 8);
  x = makeX(2, 8);
  std::memcpy(dx.data(), x.data(), 192);
  bw_tensor in = tensor("x", BW_S32, {2, 3, 8}, dx.data(), 192, 0);
  bw_tensor out[2] = {tensor("y", BW_S32, {}, dy.data(), 192, 0), tensor("total", BW_S64, {}, dt.data(), 8, 0)};
  runtime::cuda::ContextPtr context;
  runtime::cuda::Stream stream;
  runtime::cuda::Graph graph;
  ASSERT_TRUE(runtime::cuda::Context::open(0, context).ok());
  ASSERT_TRUE(runtime::cuda::Stream::create(context, stream).ok());
  auto record = [&](runtime::cuda::CUstream s) {
    EXPECT_EQ(bw_run_on_stream(session, 0, &in, 1, out, 2, s), BW_OK) << bw_last_error();
    EXPECT_EQ(bw_run_on_stream(session, 0, &in, 1, out, 2, s), BW_OK) << bw_last_error();
    bw_tensor host[2] = {tensor("y", BW_S32, {}, x.data(), 192), out[1]};
    EXPECT_EQ(bw_run_on_stream(session, 0, &in, 1, host, 2, s), BW_INVALID_ARGUMENT);
    expectText({"the stream is recording a graph: inputs and outputs must be on the device"});
    return runtime::Status();
  };
  const runtime::Status s = runtime::cuda::Graph::capture(context, stream, record, graph);
  ASSERT_TRUE(s.ok()) << s.text;
  EXPECT_EQ(graph.nodeCount(), 6u);
  EXPECT_EQ(launched().size(), 0u);
  ASSERT_TRUE(graph.launch(stream.handle()).ok());
  y.assign(48, 0);
  std::memcpy(y.data(), dy.data(), 192);
  std::memcpy(&total, dt.data(), 8);
  expectResults(2, 8);
}

TEST_F(Gpu, OldDriversRecordNoProgrammaticDependences) {
  setenv("MOCK_CUDA_VERSION", "12020", 1);
  setenv("BITWRIGHT_CUDA_LIBRARY", again(5).c_str(), 1);
  open(makeGpuModel());
  expectCorrect(2, 8);
  EXPECT_EQ(launch(0).pdl, 0);
}

TEST_F(Gpu, RefusesWrongPointers) {
  setenv("MOCK_CUDA_DEVICES", "90,80", 1);
  open(makeGpuModel());
  DeviceArray dx(session, 256), dy(session, 192), dt(session, 8);
  bw_tensor in = tensor("x", BW_S32, {2, 3, 8}, dx.data() + 4, 192, 0);
  bw_tensor out[2] = {tensor("y", BW_S32, {}, dy.data(), 192, 0), tensor("total", BW_S64, {}, dt.data(), 8, 0)};
  auto refused = [&](std::vector<std::string> parts) {
    EXPECT_EQ(bw_run(session, 0, &in, 1, out, 2), BW_INVALID_ARGUMENT);
    expectText(parts);
  };
  refused({"input 'x'", "device address 0x", "is not a multiple of 16"});
  in = tensor("x", BW_S32, {2, 3, 8}, dx.data(), 192, 1);
  refused({"input 'x' is on cuda:1, the session is on cuda:0"});
  in = tensor("x", BW_S32, {2, 3, 8}, dx.data(), 192, 0);
  alignas(16) int32_t host[48];
  out[0] = tensor("y", BW_S32, {}, host, 192, 0);
  refused({"output 'y'", "not device memory of this process"});
  bw_session *other = nullptr;
  bw_session_options options = {};
  options.device = "cuda:1";
  ASSERT_EQ(bw_session_create(model, &options, &other), BW_OK) << bw_last_error();
  {
    runtime::cuda::ContextPtr context;
    runtime::cuda::Stream stream;
    ASSERT_TRUE(runtime::cuda::Context::open(1, context).ok());
    ASSERT_TRUE(runtime::cuda::Stream::create(context, stream).ok());
    out[0] = tensor("y", BW_S32, {}, dy.data(), 192, 0);
    EXPECT_EQ(bw_run_on_stream(session, 0, &in, 1, out, 2, stream.handle()), BW_INVALID_ARGUMENT);
    expectText({"the stream given is not one of cuda:0's primary context"});
  }
  DeviceArray there(other, 192);
  out[0] = tensor("y", BW_S32, {}, there.data(), 192, 0); // it lies
  refused({"output 'y'", "memory of cuda:1"});
  bw_session_destroy(other);
  out[0] = tensor("y", BW_S32, {}, dy.data(), 192, 0);
  in.device = bw_device_kind(7);
  refused({"input 'x'", "unknown device kind 7"});
  // A session on the CPU takes neither device tensors nor streams.
  bw_session_destroy(session);
  session = nullptr;
  ASSERT_EQ(create("cpu"), BW_OK);
  in.device = BW_DEVICE_CUDA;
  refused({"input 'x' is on a GPU, the session is on the CPU"});
  EXPECT_EQ(bw_run_on_stream(session, 0, &in, 1, out, 2, nullptr), BW_INVALID_ARGUMENT);
  expectText({"a stream is given, but the session is on the CPU"});
  bw_device_memory *memory = nullptr;
  EXPECT_EQ(bw_device_memory_create(session, 8, &memory), BW_INVALID_ARGUMENT);
  expectText({"device memory asked for of a session on the CPU"});
}

TEST_F(Gpu, RefusesTooManyElements) {
  Model m = makeGpuModel();
  m.symbols[1].hi = int64_t(1) << 30;
  m.arenaBytes = uint64_t(1) << 36;
  setenv("MOCK_CUDA_MEMORY", "1000000000000", 1);
  // Only the numbers are looked at: the arena of the make-believe device is not touched. It is 64 GiB all the same, so
  // the shape alone is planned through the self-check's sizes.
  m.arenaBytes = 64 + uint64_t(4) * 40 * 4 * 4;
  m.entries[0].launches[0].buffers[2].tensor = -1;
  m.entries[0].launches[0].buffers[2].bytes = 64;
  m.entries[0].launches[1].buffers[0].tensor = -1;
  m.entries[0].launches[1].buffers[0].bytes = 64;
  m.entries[0].launches[1].gpu.variants[0].arguments[0].map.dims = {4, 1, 1};
  m.entries[0].launches[1].gpu.variants[1].arguments[0].map.dims = {4, 1, 1};
  open(m);
  bw_tensor in = tensor("x", BW_S32, {2, 3, int64_t(1) << 30}, nullptr, 0);
  bw_tensor out[2] = {};
  EXPECT_EQ(bw_output_shapes(session, 0, &in, 1, out, 2), BW_UNSUPPORTED);
  expectText({"launch 'shift': tensor 'x' has 6442450944 elements", "less than 2^31"});
}

//===----------------------------------------------------------------------===//
// Failures of the driver
//===----------------------------------------------------------------------===//

TEST_F(Gpu, NoDriver) {
  load(makeGpuModel());
  setenv("BITWRIGHT_CUDA_LIBRARY", "libno-such-driver.so.1", 1);
  expectRefused(BW_UNSUPPORTED,
                {"CUDA: no driver", "libno-such-driver.so.1", "install the NVIDIA driver", "device 'cpu'"});
  setenv("BITWRIGHT_CUDA_LIBRARY", "libm.so.6", 1);
  expectRefused(BW_UNSUPPORTED, {"'libm.so.6' is not a CUDA driver"});
}

TEST_F(Gpu, DriverTooOld) {
  load(makeGpuModel());
  setenv("BITWRIGHT_CUDA_LIBRARY", again(1).c_str(), 1);
  setenv("MOCK_CUDA_VERSION", "11080", 1);
  expectRefused(BW_UNSUPPORTED,
                {"the driver is too old: it is for CUDA 11.8, expected at least 12.0", "update the NVIDIA driver"});
}

TEST_F(Gpu, DriverRefusesToStart) {
  load(makeGpuModel());
  setenv("BITWRIGHT_CUDA_LIBRARY", again(2).c_str(), 1);
  setenv("MOCK_CUDA_FAIL", "cuInit:803", 1);
  expectRefused(BW_UNSUPPORTED,
                {"initialising the driver (cuInit) failed: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)", "reboot"});
  setenv("MOCK_CUDA_FAIL", "cuInit:100", 1);
  expectRefused(BW_UNSUPPORTED, {"CUDA_ERROR_NO_DEVICE (100)", "CUDA_VISIBLE_DEVICES"});
  unsetenv("MOCK_CUDA_FAIL"); // and starts the next time
  EXPECT_EQ(create(), BW_OK) << bw_last_error();
}

TEST_F(Gpu, NoSuchDevice) {
  load(makeGpuModel());
  expectRefused(BW_INVALID_ARGUMENT, {"device 3 asked for, this machine has 1 (cuda:0)"}, "cuda:3");
  setenv("MOCK_CUDA_DEVICES", "none", 1);
  expectRefused(BW_UNSUPPORTED, {"CUDA_ERROR_NO_DEVICE", "nvidia-smi"});
  for (const char *wrong : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:99999", "cuda0"})
    expectRefused(BW_INVALID_ARGUMENT, {"device '" + std::string(wrong) + "' is unknown: expected 'cpu', 'cuda' or"},
                  wrong);
}

TEST_F(Gpu, PtxNewerThanTheDriver) {
  load(makeGpuModel());
  setenv("MOCK_CUDA_DEVICES", "100", 1);
  setenv("MOCK_CUDA_VERSION", "12040", 1); // the PTX wants 12.8
  setenv("BITWRIGHT_CUDA_LIBRARY", again(3).c_str(), 1);
  expectRefused(BW_UNSUPPORTED,
                {"loading sm_80 ptx on cuda:0 (Mock 100, compute capability 10.0, driver for CUDA 12.4) failed: "
                 "CUDA_ERROR_UNSUPPORTED_PTX_VERSION (222)",
                 "the driver is older than the PTX",
                 "the driver's compiler says: ptxas application ptx input, line 1"});
}

TEST_F(Gpu, KernelMissingFromTheCode) {
  Model m = makeGpuModel();
  m.gpuKernels[5].symbol = "sum";
  load(m);
  expectRefused(BW_INVALID_FILE, {"finding kernel 'sum' in sm_90a cubin failed: CUDA_ERROR_NOT_FOUND"});
}

TEST_F(Gpu, ArgumentsThatAreNotTheKernelsParameters) {
  Model m = makeGpuModel();
  m.entries[0].launches[2].gpu.variants[0].arguments.pop_back();
  open(m);
  EXPECT_EQ(run(2, 8), BW_INVALID_FILE);
  expectText({"launch 'total': kernel 'total' takes parameters: 3 (8, 8, 4 bytes), the launch gives 2 (8, 8 bytes)"});
}

TEST_F(Gpu, OutOfMemoryWithSizes) {
  Model m = makeGpuModel();
  m.arenaBytes = 5000000;
  load(m);
  setenv("MOCK_CUDA_MEMORY", "1000000", 1);
  expectRefused(BW_OUT_OF_MEMORY, {"no memory on cuda:0 for the arena: 5000064 bytes asked for, ",
                                   " of 1000000 are free", "free device memory"});
  setenv("MOCK_CUDA_MEMORY", "50", 1);
  expectRefused(BW_OUT_OF_MEMORY,
                {"for weight 'bias' (0 bytes of weights are there already): 80 bytes asked for, 50 of "
                 "50 are free"});
  unsetenv("MOCK_CUDA_MEMORY");
  ASSERT_EQ(create(), BW_OK) << bw_last_error();
  setenv("MOCK_CUDA_FAIL", "cuMemAlloc_v2:2", 1);
  EXPECT_EQ(run(4, 40), BW_OUT_OF_MEMORY);
  expectText({"for inputs and outputs"});
  unsetenv("MOCK_CUDA_FAIL");
  expectCorrect(4, 40); // and recovers
}

TEST_F(Gpu, EveryDriverCallMayFail) {
  // Whatever call fails first: an error, no crash, no leak.
  for (const char *name : {"cuDeviceGetCount",
                           "cuDevicePrimaryCtxRetain",
                           "cuStreamCreate",
                           "cuStreamSynchronize",
                           "cuEventCreate",
                           "cuEventRecord",
                           "cuEventElapsedTime",
                           "cuMemAlloc_v2",
                           "cuMemHostAlloc",
                           "cuMemcpyHtoDAsync_v2",
                           "cuMemcpyDtoHAsync_v2",
                           "cuModuleLoadDataEx",
                           "cuModuleGetFunction",
                           "cuFuncSetAttribute",
                           "cuOccupancyMaxActiveClusters",
                           "cuLaunchKernelEx",
                           "cuTensorMapEncodeTiled",
                           "cuStreamBeginCapture_v2",
                           "cuStreamEndCapture",
                           "cuGraphInstantiateWithFlags",
                           "cuGraphLaunch",
                           "cuGraphGetNodes"}) {
    reset();
    load(makeGpuModel());
    setenv("MOCK_CUDA_FAIL", (std::string(name) + ":700:1").c_str(), 1);
    bw_status s = create();
    for (int i = 0; i < 3 && s == BW_OK; ++i)
      s = run(2, 8);
    EXPECT_NE(s, BW_OK) << name;
    expectText({"CUDA_ERROR_ILLEGAL_ADDRESS (700), an illegal memory access was encountered"});
    unsetenv("MOCK_CUDA_FAIL");
    if (session)
      expectCorrect(2, 8);
  }
}

TEST_F(Gpu, FailureWhileRecordingLeavesNoHalfGraph) {
  open(makeGpuModel());
  expectCorrect(2, 8);
  setenv("MOCK_CUDA_FAIL", "cuLaunchKernelEx:1:5", 1); // the second launch of the recording
  EXPECT_EQ(run(2, 8), BW_INTERNAL);
  expectText({"launching kernel 'reverse' (grid 2 x 1 x 1, 64 threads, 0 bytes of shared memory, cluster 1) failed"});
  unsetenv("MOCK_CUDA_FAIL");
  for (int i = 0; i < 3; ++i)
    expectCorrect(2, 8);
}

TEST_F(Gpu, HangIsReported) {
  leaky = true; // by design: what a running kernel uses cannot be freed
  setenv("BITWRIGHT_CUDA_TIMEOUT", "20", 1);
  setenv("BITWRIGHT_CUDA_LIBRARY", again(4).c_str(), 1);
  open(makeGpuModel());
  setenv("MOCK_CUDA_HANG", "1", 1);
  EXPECT_EQ(run(2, 8), BW_INTERNAL);
  expectText({"is not finished after 20 ms", "a kernel hangs"});
  EXPECT_EQ(run(2, 8), BW_INTERNAL);
  expectText({"an earlier run of this session did not end"});
}

/// Files whose header says anything at all, with a right digest: planning, packing and upload must stand it. The
/// kernels do nothing, as code is trusted.
TEST_F(Gpu, HostileFilesNeverCrash) { hostile(); }

/// ... nor with a driver that does not tell a kernel's parameters.
TEST_F(Gpu, HostileFilesNeverCrashOldDriver) {
  setenv("BITWRIGHT_CUDA_LIBRARY", MOCK_CUDA_OLD, 1);
  hostile();
}

void Gpu::hostile() {
  setenv("MOCK_CUDA_IDLE", "1", 1);
  setenv("MOCK_CUDA_MEMORY", "10000000", 1);
  std::vector<uint8_t> bytes;
  std::string error;
  ASSERT_TRUE(serializeArtifact(makeGpuModel(), bytes, error)) << error;
  uint64_t headerSize;
  std::memcpy(&headerSize, bytes.data() + 16, 8);
  std::mt19937 random(9);
  const uint8_t values[] = {0x00, 0x01, 0x02, 0x7f, 0x80, 0xff};
  unsigned sessions = 0, runs = 0;
  for (int i = 0; i < 30000; ++i) {
    std::vector<uint8_t> changed = bytes;
    for (unsigned k = 0; k <= random() % 3; ++k)
      changed[64 + random() % headerSize] = random() % 4 ? values[random() % 6] : uint8_t(random());
    Sha256 h;
    h.update(changed.data(), 32);
    h.update(changed.data() + 64, headerSize);
    const Digest d = h.finish();
    std::memcpy(changed.data() + 32, d.data(), d.size());
    close();
    if (bw_model_load_memory(changed.data(), changed.size(), 0, &model) != BW_OK || create() != BW_OK)
      continue;
    ++sessions;
    runs += run(2, 8) == BW_OK && run(2, 8) == BW_OK;
  }
  EXPECT_GT(sessions, 3000u);
  EXPECT_GT(runs, 2000u);
}

//===----------------------------------------------------------------------===//
// Self-check
//===----------------------------------------------------------------------===//

TEST_F(Gpu, SelfCheckBesideTheCpu) {
  Model m = makeGpuModel();
  runtime::Status s = addSelfCheck(m, 7, {2, 8});
  ASSERT_TRUE(s.ok()) << s.text;
  open(m);
  size_t compared = 0;
  ASSERT_EQ(bw_self_check(session, &compared), BW_OK) << bw_last_error();
  // At the file's N = 2, and at the smallest N of each row of the table: 1 and 3.
  EXPECT_EQ(compared, 9u);
  EXPECT_EQ(launched(), (Strings{"shift_few", "reverse", "total", "shift_few", "reverse", "total", "shift_many",
                                 "reverse", "total"}));
  setenv("MOCK_CUDA_WRONG", "1", 1);
  EXPECT_EQ(bw_self_check(session, &compared), BW_CHECK_FAILED);
  expectText({"self-check on cuda:0 (Mock 90): tensor 'total' of launch 2 'total' on the CPU's inputs: checksum",
              "(N = 2, W = 8)"});
}

TEST_F(Gpu, SelfCheckBoundsFloats) {
  Model m = makeGpuFloatModel();
  runtime::Status s = addSelfCheck(m, 7);
  ASSERT_TRUE(s.ok()) << s.text;
  open(m);
  size_t compared = 0;
  ASSERT_EQ(bw_self_check(session, &compared), BW_OK) << bw_last_error();
  EXPECT_EQ(compared, 1u);
  setenv("MOCK_CUDA_ERROR", "0.01", 1); // y is below 1; the bound for K = 2 is below 3e-6
  EXPECT_EQ(bw_self_check(session, &compared), BW_CHECK_FAILED);
  expectText({"tensor 'b' of launch 0 'l' on the CPU's inputs: element 0 is", "apart is allowed (K = 2)"});
  setenv("MOCK_CUDA_ERROR", "nan", 1);
  EXPECT_EQ(bw_self_check(session, &compared), BW_CHECK_FAILED);
}
