//===- VerifyGpuTest.cpp - the GPU part of a file -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "TestModel.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Sha256.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::test;

namespace {
/// Bytes at a multiple of 64.
std::shared_ptr<uint8_t> aligned(const std::vector<uint8_t> &bytes) {
  auto *p = static_cast<uint8_t *>(std::aligned_alloc(64, (bytes.size() + 63) / 64 * 64));
  std::memcpy(p, bytes.data(), bytes.size());
  return std::shared_ptr<uint8_t>(p, [](uint8_t *q) { std::free(q); });
}

GpuLaunch &gpu(Model &m, size_t launch = 0) { return m.entries[0].launches[launch].gpu; }
} // namespace

TEST(GpuArtifact, RoundTrip) {
  const Model m = makeGpuModel();
  std::vector<uint8_t> bytes, again;
  std::string error;
  ASSERT_TRUE(serializeArtifact(m, bytes, error)) << error;
  auto copy = aligned(bytes);
  ReadOptions options;
  options.level = VerifyLevel::Full;
  Model r;
  ASSERT_TRUE(readArtifact(copy.get(), bytes.size(), options, r, error)) << error;
  ASSERT_TRUE(serializeArtifact(r, again, error)) << error;
  EXPECT_EQ(bytes, again);
  ASSERT_EQ(r.gpuCode.size(), 3u);
  EXPECT_EQ(std::memcmp(r.gpuCode[2].bytes.data(), m.gpuCode[2].bytes.data(), m.gpuCode[2].bytes.size()), 0);
  EXPECT_TRUE(verifyGpuCode(r.gpuCode[1], r.gpuCode[1].bytes.data(), error)) << error;
  std::vector<uint8_t> other(r.gpuCode[1].bytes.size());
  EXPECT_FALSE(verifyGpuCode(r.gpuCode[1], other.data(), error));
  EXPECT_EQ(error, "corrupt GPU code section sm_80 ptx: SHA-256 is not the one that the header states");
  ASSERT_EQ(r.gpuKernels.size(), 7u);
  EXPECT_EQ(r.gpuKernels[1].symbol, "shift_many");
  EXPECT_EQ(r.gpuKernels[1].sharedBytes, 100000u);
  EXPECT_EQ(r.gpuKernels[1].cluster, 2u);
  EXPECT_TRUE(r.gpuKernels[0].pdl);
  EXPECT_EQ(r.packings[0].tile.rowBasis, (std::vector<uint32_t>{2, 1}));
  const GpuLaunch &l = r.entries[0].launches[1].gpu;
  EXPECT_EQ(l.m, DimExpr::symbol(0));
  EXPECT_EQ(l.variants[0].arguments[0].map.strideBytes[1].str(r.symbols), "W * 16");
  EXPECT_FALSE(l.variants[0].arguments[0].map.swizzle128);
  EXPECT_TRUE(r.entries[0].launches[0].gpu.variants[2].persistent);
  options.withCode = false;
  ASSERT_TRUE(readArtifact(copy.get(), bytes.size(), options, r, error)) << error;
  EXPECT_EQ(r.gpuCode[0].bytes.data(), nullptr);
}

TEST(GpuArtifact, HostileHeaderNeverCrashes) {
  std::vector<uint8_t> bytes;
  std::string error;
  ASSERT_TRUE(serializeArtifact(makeGpuModel(), bytes, error)) << error;
  uint64_t headerSize;
  std::memcpy(&headerSize, bytes.data() + 16, 8);
  unsigned accepted = 0, refused = 0;
  for (size_t i = 0; i < headerSize; ++i)
    for (uint8_t value : {0x00, 0x01, 0x7f, 0xff}) {
      auto changed = aligned(bytes);
      changed.get()[64 + i] = value;
      Sha256 h;
      h.update(changed.get(), 32);
      h.update(changed.get() + 64, headerSize);
      Digest d = h.finish();
      std::memcpy(changed.get() + 32, d.data(), 32);
      Model m;
      error.clear();
      ReadOptions options;
      options.level = VerifyLevel::Header;
      if (readArtifact(changed.get(), bytes.size(), options, m, error))
        ++accepted;
      else
        ++refused;
    }
  EXPECT_GT(accepted, 100u); // names, free text, numbers that any value suits
  EXPECT_GT(refused, 1000u);
}

TEST(GpuArtifact, Messages) {
  struct Case {
    const char *expected;
    std::function<void(Model &)> change;
  };
  const Case cases[] = {
      {"packing 0 is of 0 x 1 elements", [](Model &m) { m.packings[0].rows = 0; }},
      {"packing 0 is of 3 x 2147483648 elements", [](Model &m) { m.packings[0].columns = int64_t(1) << 31; }},
      {"elements of 5 bits, expected 4, 8, 16 or 32", [](Model &m) { m.packings[0].bits = 5; }},
      {"unknown order 9", [](Model &m) { m.packings[0].order = layout::Packing::Order(9); }},
      {"tile of 2^25 elements, at most 2^24", [](Model &m) { m.packings[0].tile.columnBasis.resize(23, 1); }},
      {"basis 4 is outside the tile of 4 elements", [](Model &m) { m.packings[0].tile.rowBasis[0] = 4; }},
      {"takes two elements of a tile to the same position", [](Model &m) { m.packings[0].tile.rowBasis[0] = 1; }},
      {"pitch 0, expected 1..2^31-1 for 1 columns in tiles of 1",
       [](Model &m) { m.packings[0].order = layout::Packing::Order::Pitched; }},
      {"pitch 5, expected 8..2^31-1 for 5 columns in tiles of 4",
       [](Model &m) {
         m.packings[0].order = layout::Packing::Order::Pitched;
         m.packings[0].columns = m.packings[0].pitch = 5;
         m.packings[0].tile.columnBasis = {8, 4};
       }},
      {"packing 0 stores 50331648 elements for 3 x 1, at most 16 times as many and 2^24",
       [](Model &m) {
         m.packings[0].tile.rowBasis.clear();
         for (int i = 0; i < 24; ++i)
           m.packings[0].tile.columnBasis.push_back(1u << i);
       }},
      {"packing 0 stores 8589934588 elements for 3 x 1",
       [](Model &m) {
         m.packings[0].order = layout::Packing::Order::Pitched;
         m.packings[0].pitch = 0x7fffffff;
       }},
      {"GPU code of an unknown architecture", [](Model &m) { m.gpuCode[0].arch = GpuArch(7); }},
      {"GPU code sm_80 cubin is there twice", [](Model &m) { m.gpuCode[1].kind = GpuCodeKind::Cubin; }},
      {"GPU code sm_90a cubin is empty", [](Model &m) { m.gpuCode[2].bytes = Blob(); }},
      {"GPU kernel 0 'shift_few' is for an unknown architecture", [](Model &m) { m.gpuKernels[0].arch = GpuArch(2); }},
      {"GPU kernel 1 'shift_few': its symbol is empty or used twice for sm_90a",
       [](Model &m) { m.gpuKernels[1].symbol = "shift_few"; }},
      {"GPU kernel 0 'shift_few': the model has no code for sm_90a", [](Model &m) { m.gpuCode.pop_back(); }},
      {"has 1025 threads", [](Model &m) { m.gpuKernels[0].threads = 1025; }},
      {"has 0 threads", [](Model &m) { m.gpuKernels[0].threads = 0; }},
      {"needs 232449 bytes of shared memory, at most 232448", [](Model &m) { m.gpuKernels[0].sharedBytes = 232449; }},
      {"has clusters of 17, expected 1..16", [](Model &m) { m.gpuKernels[0].cluster = 17; }},
      {"GPU rows: N * 9223372036854775807 overflows", [](Model &m) { gpu(m).m = DimExpr::symbol(0) * INT64_MAX; }},
      {"GPU rows: N - 2 is within -1..2", [](Model &m) { gpu(m).m = DimExpr::symbol(0) - 2; }},
      {"GPU variant 1 refers to GPU kernel 7 of 7", [](Model &m) { gpu(m).variants[1].kernel = 7; }},
      {"GPU variant 0 serves 3..2 rows",
       [](Model &m) {
         gpu(m).variants[0].mLo = 3;
         gpu(m).variants[0].mHi = 2;
       }},
      {"GPU variant 0, grid x: ", [](Model &m) { gpu(m).variants[0].gridX = floorDiv(8, DimExpr::symbol(0) - 1); }},
      {"GPU variant 0, grid y: ", [](Model &m) { gpu(m).variants[0].gridY = floorDiv(8, DimExpr::symbol(0) - 1); }},
      {"has 257 GPU variants", [](Model &m) { gpu(m).variants.resize(257, gpu(m).variants[0]); }},
      {"its arguments take more than 4096 bytes",
       [](Model &m) { gpu(m).variants[0].arguments.resize(600, gpu(m).variants[0].arguments[0]); }},
      {"argument 0 refers to buffer 3 of 3", [](Model &m) { gpu(m).variants[0].arguments[0].index = 3; }},
      {"argument 0 is of an unknown kind", [](Model &m) { gpu(m).variants[0].arguments[0].kind = GpuArgumentKind(9); }},
      {"argument 1 refers to weight 2 of 2", [](Model &m) { gpu(m).variants[0].arguments[1].index = 2; }},
      {"argument 1 refers to packing 1 of 1", [](Model &m) { gpu(m).variants[0].arguments[1].packing = 1; }},
      {"argument 1 refers to packing -2 of 1", [](Model &m) { gpu(m).variants[0].arguments[1].packing = -2; }},
      {"packing 0 reads 16 bytes of weight 'bias', which has 12", [](Model &m) { m.packings[0].rows = 4; }},
      {"unknown order 3", [](Model &m) { gpu(m).variants[0].arguments[1].order = CanonicalOrder(3); }},
      {"argument 3: N * 9223372036854775807 overflows",
       [](Model &m) { gpu(m).variants[0].arguments[3].value = DimExpr::symbol(0) * INT64_MAX; }},
      {"tensor map of rank 6", [](Model &m) { gpu(m, 1).variants[0].arguments[0].map.rank = 6; }},
      {"tensor map of rank 3 with 2 dimensions, 2 strides and a box of 3",
       [](Model &m) { gpu(m, 1).variants[0].arguments[0].map.dims.pop_back(); }},
      {"tensor map with elements of 4 bits", [](Model &m) { gpu(m, 1).variants[0].arguments[0].map.elementBits = 4; }},
      {"map dimension 1: -1 is within -1..-1", [](Model &m) { gpu(m, 1).variants[0].arguments[0].map.dims[1] = -1; }},
      {"map box 0: 257 is within 257..257, allowed is 1..256",
       [](Model &m) { gpu(m, 1).variants[0].arguments[0].map.box[0] = 257; }},
      {"map stride 1: ", [](Model &m) { gpu(m, 1).variants[0].arguments[0].map.strideBytes[0] = -16; }},
  };
  std::string error;
  ASSERT_TRUE(verifyModel(makeGpuModel(), error)) << error;
  for (const Case &c : cases) {
    Model m = makeGpuModel();
    c.change(m);
    error.clear();
    EXPECT_FALSE(verifyModel(m, error)) << c.expected;
    EXPECT_NE(error.find(c.expected), std::string::npos) << "expected '" << c.expected << "' in '" << error << "'";
  }
}
