//===- GpuTest.cpp - sessions on a GPU, against a make-believe driver -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "GpuFixture.h"

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::test;

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

/// What the file packs is uploaded as the panel that a CPU reads: here biases 1, 2, 3, whose bytes make a panel of 3 x 8
/// codes of 2 bits.
TEST_F(Gpu, PackedWeights) {
  Model m = makeGpuModel();
  std::vector<uint8_t> panel(64);
  for (uint8_t c : {0, 1, 2})
    panel[4 * c] = uint8_t(c + 1);
  m.weights[0].bytes = Blob::own(panel);
  m.weights[0].packed = {2, 0, 1, 3, 8};
  for (const char *device : {"cpu", "cuda"}) {
    open(m, device);
    for (int64_t n : {2, 4}) {
      ASSERT_EQ(run(n, 8), BW_OK) << bw_last_error();
      std::vector<int32_t> expected = expectedY(x, n, 8); // with biases 10, 20, 30
      for (size_t i = 0; i < expected.size(); ++i)
        expected[i] -= 9 * int32_t(i / 8 % 3 + 1);
      EXPECT_EQ(y, expected) << device;
    }
  }
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

TEST_F(Gpu, AKernelForMoreRowsServesFewer) {
  // N = 1, 2 have a kernel that needs more shared memory than this device has: the one for 3 rows and more is taken.
  setenv("MOCK_CUDA_DEVICES", "86", 1);
  Model m = makeGpuModel();
  GpuVariant many = m.entries[0].launches[0].gpu.variants[0];
  many.mLo = 3;
  m.gpuKernels.push_back({"shift_many", GpuArch::Sm80, 64, 0, 1, false});
  many.kernel = 7;
  const std::string text = "mock cubin sm_80\nfunc shift_old 8 8 8 4 4\nfunc shift_many 8 8 8 4 4\n"
                           "func reverse_old 128 8 4 4\nfunc total_old 8 8 4\n";
  m.gpuCode[0].bytes = Blob::view(text.data(), text.size());
  m.entries[0].launches[0].gpu.variants[0].mHi = 2;
  m.entries[0].launches[0].gpu.variants.push_back(many);
  open(m);
  expectCorrect(2, 4);
  expectCorrect(3, 4);
  EXPECT_EQ(launched()[0], "shift_old");
  EXPECT_EQ(launched()[3], "shift_many");
  m.gpuKernels[2].sharedBytes = 150000;
  m.symbols[0].hi = 2; // its weights are uploaded although no N reaches its range
  reset();
  open(m);
  expectCorrect(1, 4);
  EXPECT_EQ(launched()[0], "shift_many");
}

TEST_F(Gpu, AGapOnHopperIsNoReasonToCompilePtx) {
  Model m = makeGpuModel();
  m.entries[0].launches[0].gpu.variants[1].mHi = 1; // sm_90a: 1..1 and from 3 on
  open(m);
  EXPECT_EQ(counts().modules - atStart.modules, 1);
  expectCorrect(2, 4);
  EXPECT_EQ(launched()[0], "shift_many");
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
  EXPECT_STREQ(p.kernel, "reverse");
  ASSERT_EQ(bw_session_profile(session, 0, 0, &p), BW_OK);
  EXPECT_STREQ(p.kernel, "shift_few");
}

//===----------------------------------------------------------------------===//
// Tensors on the device, streams
//===----------------------------------------------------------------------===//

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
