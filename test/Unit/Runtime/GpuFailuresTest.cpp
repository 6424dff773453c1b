//===- GpuFailuresTest.cpp - failures of driver and file, and the self-check -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "GpuFixture.h"
#include "lib/Artifact/Sha256.h"

#include <random>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::test;

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
