//===- QuantRunTest.cpp - the command line of quant-run on the test model -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "TestModel.h"
#include "lib/Formats/Npy.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace bitwright;
using namespace bitwright::test;
using formats::NamedArray;
using formats::NpyArray;

namespace {
struct Outcome {
  int status;
  std::string out, err;
  bool says(const char *text) const { return err.find(text) != std::string::npos; }
};

Outcome quantRun(const std::string &arguments) {
  const std::string out = temporaryPath("stdout"), err = temporaryPath("stderr");
  const std::string command = std::string(QUANT_RUN) + " " + arguments + " > " + out + " 2> " + err;
  int raw = std::system(command.c_str());
  std::vector<uint8_t> o = readFile(out), e = readFile(err);
  return {WIFEXITED(raw) ? WEXITSTATUS(raw) : -1, {o.begin(), o.end()}, {e.begin(), e.end()}};
}

NpyArray int32Array(std::vector<int64_t> shape, const std::vector<int32_t> &values) {
  NpyArray a;
  a.kind = 'i';
  a.shape = std::move(shape);
  a.data.resize(values.size() * 4);
  std::memcpy(a.data.data(), values.data(), a.data.size());
  return a;
}

class QuantRun : public ::testing::Test {
protected:
  void SetUp() override {
    unsetenv("BITWRIGHT_ISA");
    std::string error;
    artifact::Model m = makeModel();
    m.entries[0].launches.pop_back(); // `level` differs between levels by design
    m.entries[0].outputs.pop_back();
    runtime::Status s = addSelfCheck(m, 1);
    ASSERT_TRUE(s.ok()) << s.text;
    ASSERT_TRUE(artifact::writeArtifact(m, model, error)) << error;
    ASSERT_TRUE(formats::writeNpz(input, {{"x", int32Array({2, 3, 8}, makeX(2, 8))}}, error)) << error;
    std::remove(output.c_str());
  }
  const std::string model = temporaryPath("m.bwm"), input = temporaryPath("in.npz"), output = temporaryPath("out.npz");
};
} // namespace

TEST_F(QuantRun, RunsAndCompares) {
  Outcome o = quantRun(model + " --inputs " + input + " --outputs " + output + " --threads 2");
  ASSERT_EQ(o.status, 0) << o.err;
  std::vector<NamedArray> arrays;
  std::string error;
  ASSERT_TRUE(formats::readNpz(output, arrays, error)) << error;
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[0].name, "y");
  EXPECT_EQ(arrays[0].array.shape, (std::vector<int64_t>{2, 3, 8}));
  EXPECT_EQ(arrays[0].array.data, int32Array({}, expectedY(makeX(2, 8), 2, 8)).data);
  EXPECT_EQ(quantRun(model + " --inputs " + input + " --expected " + output).status, 0);

  arrays[0].array.data[5 * 4] ^= 1;
  ASSERT_TRUE(formats::writeNpz(output, arrays, error)) << error;
  o = quantRun(model + " --inputs " + input + " --expected " + output);
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("output 'y': 1 of 48 elements differ, most at 5")) << o.err;
  arrays[0].array.shape = {48};
  ASSERT_TRUE(formats::writeNpz(output, arrays, error)) << error;
  o = quantRun(model + " --inputs " + input + " --expected " + output);
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("output 'y' is i4 [2, 3, 8], expected i4 [48]")) << o.err;
  arrays[0].name = "z";
  ASSERT_TRUE(formats::writeNpz(output, arrays, error)) << error;
  o = quantRun(model + " --inputs " + input + " --expected " + output);
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("has an array 'z', but the model has no such output")) << o.err;
}

TEST_F(QuantRun, FloatTolerances) {
  std::string error, path = temporaryPath("f.bwm");
  ASSERT_TRUE(artifact::writeArtifact(makeFloatModel(), path, error)) << error;
  auto floats = [](std::vector<float> v) {
    NpyArray a;
    a.shape = {int64_t(v.size())};
    a.data.resize(v.size() * 4);
    std::memcpy(a.data.data(), v.data(), a.data.size());
    return a;
  };
  ASSERT_TRUE(formats::writeNpz(input, {{"a", floats({3.0f, 2.0f})}}, error)) << error; // b = 6
  auto compare = [&](float b, const std::string &tolerances) {
    EXPECT_TRUE(formats::writeNpz(output, {{"b", floats({b})}}, error)) << error;
    return quantRun(path + " --inputs " + input + " --expected " + output + tolerances).status;
  };
  EXPECT_EQ(compare(6.0f, " --atol 0 --rtol 0"), 0);
  EXPECT_EQ(compare(6.25f, ""), 1);
  EXPECT_EQ(compare(6.25f, " --atol 0.25 --rtol 0"), 0);
  EXPECT_EQ(compare(6.25f, " --atol 0 --rtol 0.04"), 0); // 0.25 <= 0.04 * 6.25
  EXPECT_EQ(compare(6.25f, " --atol 0 --rtol 0.039"), 1);
  EXPECT_EQ(compare(NAN, " --atol 1000"), 1);
}

TEST_F(QuantRun, OneInputByName) {
  std::string path = temporaryPath("x.npy"), error;
  ASSERT_TRUE(formats::writeNpy(path, int32Array({1, 3, 4}, makeX(1, 4)), error)) << error;
  EXPECT_EQ(quantRun(model + " --input x=" + path).status, 0);
  Outcome o = quantRun(model + " --inputs " + input + " --input x=" + path);
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("input 'x' is given twice")) << o.err;
}

TEST_F(QuantRun, BenchmarkJson) {
  std::string json = temporaryPath("b.json");
  Outcome o = quantRun(model + " --benchmark --runs 20 --dim W=16 --json " + json);
  ASSERT_EQ(o.status, 0) << o.err;
  std::vector<uint8_t> bytes = readFile(json);
  std::string text(bytes.begin(), bytes.end());
  for (const char *key : {"\"median_ms\": ", "\"min_ms\": ", "\"p95_ms\": ", "\"runs\": 20,", "\"threads\": 1,",
                          "\"device\": \"cpu\"", "\"load_ms\": ", "\"first_ms\": "})
    EXPECT_NE(text.find(key), std::string::npos) << key << " in " << text;
  EXPECT_EQ(quantRun(model + " --benchmark --runs 1 --dim x:2=16 --dim x:0=3").status, 0);
  o = quantRun(model + " --benchmark --dim x:1=3");
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("has no dimension '3'")) << o.err;
  o = quantRun(model + " --benchmark --dim Z=16");
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("has no dimension 'Z'")) << o.err;
  o = quantRun(model + " --benchmark --dim W=4000");
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("dimension 'W' is 4000, expected 4..40, a multiple of 4")) << o.err;
  o = quantRun(model + " --benchmark --json " + temporaryPath("no/b.json"));
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("cannot write")) << o.err;
}

TEST_F(QuantRun, InfoProfileSelfCheck) {
  Outcome o = quantRun(model + " --info");
  EXPECT_EQ(o.status, 0);
  for (const char *part :
       {"input x: s32 [N, 3, W]", "output y: s32 [N, 3, W], real = 0.5 * (code - 3)",
        "dimension W: 4..40, a multiple of 4", "arena: 2624 bytes", "launches: 3 of 4", "recipe: none"})
    EXPECT_NE(o.out.find(part), std::string::npos) << part << " in " << o.out;
  o = quantRun(model + " --profile --inputs " + input);
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.out.find("reverse"), std::string::npos);
  o = quantRun(model + " --self-check");
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.out.find("self-check avx2: 3 tensors equal"), std::string::npos) << o.out;
  EXPECT_EQ(quantRun(model + " --verify").status, 0);
  std::vector<uint8_t> bytes = readFile(model);
  bytes[bytes.size() - 1] ^= 1;
  writeFile(model, bytes);
  EXPECT_EQ(quantRun(model + " --self-check").status, 1);
  EXPECT_EQ(quantRun(model + " --verify").status, 1);
  EXPECT_EQ(quantRun(model + " --info").status, 0) << "the header is intact";
}

TEST_F(QuantRun, WrongInputs) {
  auto refused = [&](const std::string &arguments, const char *expected) {
    Outcome o = quantRun(arguments);
    EXPECT_EQ(o.status, 1) << arguments << ": " << o.err;
    EXPECT_TRUE(o.says(expected)) << o.err;
  };
  refused(temporaryPath("none.bwm"), "none.bwm");
  refused(temporaryPath(""), "it is a folder");
  refused(model + " --inputs " + temporaryPath("none.npz"), "none.npz");
  refused(model + " --inputs " + model, "is not an .npz archive");
  refused(model + " --inputs " + input + " --entry other", "has no entry point 'other'; it has 'main'");
  refused(model + " --inputs " + input + " --isa sse9", "'sse9'");
  refused(model + " --inputs " + input + " --outputs " + temporaryPath("no/out.npz"), "cannot write");
  std::string error;
  ASSERT_TRUE(formats::writeNpz(output, {{"x", int32Array({1, 3, 44}, std::vector<int32_t>(132))}}, error)) << error;
  refused(model + " --inputs " + output, "dimension 2 is 44, expected 4..40");
  NpyArray half = int32Array({1, 3, 4}, std::vector<int32_t>(12));
  half.kind = 'f';
  ASSERT_TRUE(formats::writeNpz(output, {{"x", half}}, error)) << error;
  refused(model + " --inputs " + output, "element type is f32, expected s32");
  half.kind = 'V';
  ASSERT_TRUE(formats::writeNpz(output, {{"x", half}}, error)) << error;
  refused(model + " --inputs " + output, "element type V4 is not one that models have");
}

TEST_F(QuantRun, WrongUsage) {
  auto refused = [&](const std::string &arguments, const char *expected) {
    Outcome o = quantRun(arguments);
    EXPECT_EQ(o.status, 2) << arguments << ": " << o.err;
    EXPECT_TRUE(o.says(expected)) << o.err;
  };
  refused("", "no .bwm file given");
  refused("a b", "one file expected");
  refused(model + " --nonsense", "unknown option '--nonsense'");
  refused(model + " --threads many", "--threads needs a number from 1 to 1024, found 'many'");
  refused(model + " --threads=0", "--threads needs");
  refused(model + " --threads", "option '--threads' needs a value");
  refused(model + " --info=yes", "takes no value");
  refused(model + " --input x", "--input needs NAME=FILE.npy");
  refused(model + " --atol much", "--atol needs a number");
  refused(model + " --runs 0", "--runs needs");
  refused(model + " --dim W", "--dim needs NAME=VALUE");
  refused(model + " --device tpu", "--device needs");
  refused(model + " --json f", "--json belongs to --benchmark");
  refused(model, "nothing to do");
  EXPECT_EQ(quantRun("--help").status, 0);
  Outcome o = quantRun("--version");
  EXPECT_EQ(o.status, 0);
  EXPECT_NE(o.out.find("Bitwright"), std::string::npos);
}

//===----------------------------------------------------------------------===//
// On a GPU (a make-believe one, see MockCuda.h)
//===----------------------------------------------------------------------===//

namespace {
class QuantRunGpu : public QuantRun {
protected:
  void SetUp() override {
    QuantRun::SetUp();
    setenv("BITWRIGHT_CUDA_LIBRARY", MOCK_CUDA, 1);
    std::string error;
    artifact::Model m = makeGpuModel();
    runtime::Status s = addSelfCheck(m, 1);
    ASSERT_TRUE(s.ok()) << s.text;
    ASSERT_TRUE(artifact::writeArtifact(m, gpuModel, error)) << error;
  }
  void TearDown() override {
    unsetenv("BITWRIGHT_CUDA_LIBRARY");
    unsetenv("MOCK_CUDA_WRONG");
    unsetenv("MOCK_CUDA_HANG");
    unsetenv("BITWRIGHT_CUDA_TIMEOUT");
  }
  static bool has(const std::string &text, const char *part) { return text.find(part) != std::string::npos; }
  const std::string gpuModel = temporaryPath("gpu.bwm");
};
} // namespace

TEST_F(QuantRunGpu, RunsAndCompares) {
  const std::string expected = temporaryPath("expected.npz");
  ASSERT_EQ(quantRun(gpuModel + " --inputs " + input + " --outputs " + expected).status, 0);
  Outcome o = quantRun(gpuModel + " --inputs " + input + " --device cuda:0 --expected " + expected);
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(has(o.out, "2 outputs as expected")) << o.out;
  setenv("MOCK_CUDA_WRONG", "1", 1);
  o = quantRun(gpuModel + " --inputs " + input + " --device cuda --expected " + expected);
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("output 'total'")) << o.err;
}

TEST_F(QuantRunGpu, Info) {
  Outcome o = quantRun(gpuModel + " --info");
  ASSERT_EQ(o.status, 0) << o.err;
  const artifact::Model m = makeGpuModel();
  const std::string expected = "GPU code: sm_80 cubin " + std::to_string(m.gpuCode[0].bytes.size()) + ", sm_80 PTX " +
                               std::to_string(m.gpuCode[1].bytes.size()) + ", sm_90a cubin " +
                               std::to_string(m.gpuCode[2].bytes.size()) +
                               ", sm_90a PTX 0 bytes\nGPU launches: 3 of 3, 7 kernels";
  EXPECT_TRUE(has(o.out, expected.c_str())) << o.out;
}

TEST_F(QuantRunGpu, SelfCheck) {
  Outcome o = quantRun(gpuModel + " --self-check --device cuda");
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(has(o.out, "self-check avx2: 3 tensors equal")) << o.out;
  EXPECT_TRUE(has(o.out, "self-check cuda:0 (Mock 90): 6 tensors as on the CPU")) << o.out;
  setenv("MOCK_CUDA_WRONG", "1", 1);
  o = quantRun(gpuModel + " --self-check --device cuda");
  EXPECT_EQ(o.status, 1);
  EXPECT_TRUE(o.says("tensor 'total'")) << o.err;
}

TEST_F(QuantRunGpu, BenchmarkAndProfile) {
  std::string json = temporaryPath("gpu.json");
  Outcome o = quantRun(gpuModel + " --benchmark --runs 20 --device cuda --json " + json);
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(has(o.out, "device time: median 0.7500 ms")) << o.out; // three launches of a quarter
  std::vector<uint8_t> bytes = readFile(json);
  std::string text(bytes.begin(), bytes.end());
  for (const char *key : {"\"median_ms\": ", "\"device\": \"cuda:0\"", "\"device_name\": \"Mock 90\"",
                          "\"device_median_ms\": 0.750000", "\"queued_ms\": ", "\"runs\": 20,"})
    EXPECT_TRUE(has(text, key)) << key << " in " << text;
  o = quantRun(gpuModel + " --profile --device cuda");
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_TRUE(has(o.out, "250.00  33.3%  shift")) << o.out;
}

TEST_F(QuantRunGpu, Refusals) {
  auto refused = [&](const std::string &arguments, int status, const char *expected) {
    Outcome o = quantRun(arguments);
    EXPECT_EQ(o.status, status) << arguments << ": " << o.err;
    EXPECT_TRUE(o.says(expected)) << o.err;
  };
  refused(model + " --inputs " + input + " --device cuda", 1, "the file has no GPU code");
  refused(gpuModel + " --inputs " + input + " --device cuda:1", 1, "device 1 asked for, this machine has 1");
  refused(gpuModel + " --inputs " + input + " --device cuda:x", 2, "--device needs 'cpu' or 'cuda[:N]'");
  setenv("MOCK_CUDA_HANG", "1", 1);
  setenv("BITWRIGHT_CUDA_TIMEOUT", "20", 1);
  refused(gpuModel + " --inputs " + input + " --device cuda", 3, "is not finished after 20 ms");
  setenv("BITWRIGHT_CUDA_LIBRARY", "libno-such-driver.so.1", 1);
  refused(gpuModel + " --inputs " + input + " --device cuda", 1, "install the NVIDIA driver");
}
