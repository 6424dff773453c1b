//===- ExecRoundTripTest.cpp - the GPU part of a file as exec IR -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Artifact/Artifact.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "passes/Package/ExecToArtifact.h"
#include "test/Unit/Runtime/TestModel.h"
#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace bitwright;

static std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  return text;
}

TEST(ExecRoundTrip, GpuPart) {
  const artifact::Model model = test::makeGpuModel();
  MLIRContext context;
  OwningOpRef<ModuleOp> written = fromArtifact(model, &context);
  // By way of text, as quant-dump --exec and quant-opt do it.
  auto module = parseSourceString<ModuleOp>(textOf(*written), &context);
  ASSERT_TRUE(module);
  auto read = toArtifact(*module->getOps<exec::ProgramOp>().begin());
  ASSERT_TRUE(succeeded(read));
  artifact::Model again = model; // exec holds no multiples, texts and self-check
  again.gpuCode = read->gpuCode;
  again.gpuKernels = read->gpuKernels;
  again.packings = read->packings;
  ASSERT_EQ(read->entries[0].launches.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    again.entries[0].launches[i].gpu = read->entries[0].launches[i].gpu;
  EXPECT_FALSE(again.entries[0].launches[0].gpu.variants.empty());
  std::vector<uint8_t> before, after;
  std::string error;
  ASSERT_TRUE(artifact::serializeArtifact(model, before, error)) << error;
  ASSERT_TRUE(artifact::serializeArtifact(again, after, error)) << error;
  EXPECT_EQ(before, after);
}

TEST(ExecRoundTrip, ReasonWithoutVariants) {
  artifact::Model model = test::makeGpuModel();
  model.entries[0].launches[1].gpu = {};
  model.entries[0].launches[1].gpu.reason = "expected K to be a multiple of 32, found 30";
  MLIRContext context;
  OwningOpRef<ModuleOp> module = fromArtifact(model, &context);
  auto read = toArtifact(*module->getOps<exec::ProgramOp>().begin());
  ASSERT_TRUE(succeeded(read));
  EXPECT_TRUE(read->entries[0].launches[1].gpu.variants.empty());
  EXPECT_EQ(read->entries[0].launches[1].gpu.reason, "expected K to be a multiple of 32, found 30");
}

TEST(ExecRoundTrip, RefusesMaxAndMin) {
  artifact::Model model = test::makeGpuModel();
  model.entries[0].launches[0].gpu.variants[0].gridX =
      min(artifact::DimExpr::symbol(0), artifact::DimExpr::symbol(1)) * 2;
  MLIRContext context;
  std::string found;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    found += diagnostic.str();
    return success();
  });
  EXPECT_FALSE(fromArtifact(model, &context));
  EXPECT_EQ(found, "exec IR has no form for the expression min(N, W) * 2: it knows neither max nor min");
}

/// Replaces text of the test model's IR and expects the message.
static void expectRefused(StringRef from, StringRef to, StringRef message,
                          const artifact::Model &model = test::makeGpuModel()) {
  MLIRContext context;
  OwningOpRef<ModuleOp> written = fromArtifact(model, &context);
  std::string text = textOf(*written);
  const size_t at = text.find(from.str());
  ASSERT_NE(at, std::string::npos) << from.str() << " in " << text;
  text.replace(at, from.size(), to.str());
  std::string found;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    found += diagnostic.str() + "\n";
    return success();
  });
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module) << found;
  EXPECT_TRUE(failed(toArtifact(*module->getOps<exec::ProgramOp>().begin()))) << message.str();
  EXPECT_NE(found.find(message.str()), std::string::npos) << "expected '" << message.str() << "' in '" << found << "'";
}

TEST(ExecRoundTrip, Messages) {
  expectRefused("order \"blocked\"", "order \"odd\"", "expected order blocked or pitched, found 'odd'");
  expectRefused("row_basis [2, 1]", "row_basis [2, -1]", "a basis is -1, which does not fit the file format");
  expectRefused("\"sm_90a\" threads", "\"sm_70\" threads", "expected an architecture (sm_80, sm_90a), found 'sm_70'");
  expectRefused("threads 128", "threads 4294967296", "threads is 4294967296, which does not fit");
  expectRefused("\"cubin\" source", "\"elf\" source", "expected kind cubin or ptx, found 'elf'");
  expectRefused("kernel = \"shift_few\"", "kernel = \"shift\"",
                "refers to the GPU kernel 'shift' of sm_90a, which the program does not have");
  expectRefused("grid = ()[s0, s1] -> (s0 * s1, 1)", "grid = ()[s0, s1] -> (s0 * s1)",
                "expected a grid with two results, found 1");
  expectRefused("kind = int32, value = ()[s0, s1] -> (s0)", "kind = int32",
                "expected a value with one result for gpu_arguments of kind int32 only");
  expectRefused("kind = int32, value = ()[s0, s1] -> (s0)", "kind = buffer_map",
                "expected a map for gpu_arguments of kind buffer_map and weight_map only");
  expectRefused("strides = ()[s0, s1] -> (16, s1 * 16)", "strides = ()[s0, s1] -> (16)",
                "expected as many box as dims and one stride less");
  expectRefused("gpu_m = affine_map<()[s0, s1] -> (s0)>", "gpu_m = affine_map<()[s0, s1] -> (s0, s1)>",
                "expected gpu_m with one result, found 2");
  expectRefused("gpu = [", "gpu = [1 : i64, ", "expected #exec.gpu_variant in gpu, found 1 : i64");
  expectRefused("arguments = [", "arguments = [1 : i64, ", "expected #exec.gpu_argument in arguments, found 1 : i64");
}

TEST(ExecRoundTrip, PackedCodes) {
  const artifact::Model model = test::makePackedModel();
  MLIRContext context;
  OwningOpRef<ModuleOp> written = fromArtifact(model, &context);
  auto module = parseSourceString<ModuleOp>(textOf(*written), &context);
  ASSERT_TRUE(module);
  auto read = toArtifact(*module->getOps<exec::ProgramOp>().begin());
  ASSERT_TRUE(succeeded(read));
  EXPECT_FALSE(read->weights[1].packed.isPacked());
  const artifact::PackedCodes &codes = read->weights[2].packed, &before = model.weights[2].packed;
  EXPECT_EQ(codes.bits, 3u);
  EXPECT_EQ(codes.base, 4u);
  EXPECT_EQ(codes.groups, before.groups);
  EXPECT_EQ(codes.rows, before.rows);
  EXPECT_EQ(codes.columns, before.columns);
  EXPECT_EQ(read->weights[2].bytes.size(), model.weights[2].bytes.size());
}

/// Bits follow from the codes: 2 of s2, 3 of s3, all 4 of s4.
TEST(ExecRoundTrip, BitsOfCodes) {
  for (auto [bits, base, found] : {std::tuple(2u, 6u, 2u), {3u, 4u, 3u}, {4u, 0u, 0u}}) {
    artifact::Model model = test::makePackedModel();
    std::vector<uint8_t> panel = test::makeNibbles({bits, base, 2, 37, 43});
    model.weights[2].bytes = artifact::Blob::own(panel);
    MLIRContext context;
    OwningOpRef<ModuleOp> module = fromArtifact(model, &context);
    auto read = toArtifact(*module->getOps<exec::ProgramOp>().begin());
    ASSERT_TRUE(succeeded(read));
    EXPECT_EQ(read->weights[2].packed.bits, found);
    std::vector<uint8_t> bytes;
    std::string error;
    EXPECT_TRUE(artifact::serializeArtifact(*read, bytes, error)) << error;
  }
}

TEST(ExecRoundTrip, PackedCodesMessages) {
  const artifact::Model model = test::makePackedModel();
  expectRefused("array<i64: 2, 37, 43>", "array<i64: 2, 37>",
                "expected groups, rows and columns in nibble_panels, found 2 numbers", model);
  expectRefused("array<i64: 2, 37, 43>", "array<i64: 2, 49, 43>",
                "nibble_panels of 2 x 49 x 43 take 3072 bytes, 'bwm/codes' has 2304", model);
  expectRefused("array<i64: 2, 37, 43>", "array<i64: 0, 37, 43>",
                "nibble_panels: a panel of 0 x 37 x 43 codes, expected sides of at least 1", model);
}
