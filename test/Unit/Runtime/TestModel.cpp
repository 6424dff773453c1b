//===- TestModel.cpp - a small hand-made model for the runtime's tests -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "TestModel.h"
#include "lib/Runtime/SelfCheck.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

// The blobs of Kernels.c, put into this object file by the assembler.
#define BLOB(name)                                                                                                     \
  __asm__(".section .rodata\n.global blob_" #name "\nblob_" #name ":\n.incbin \"" BLOB_DIR "/" #name ".bin\"\n"        \
          ".global blob_" #name "_end\nblob_" #name "_end:\n.byte 0\n.previous\n");                                    \
  extern "C" const uint8_t blob_##name[], blob_##name##_end[];
BLOB(shift)
BLOB(reverse)
BLOB(total)
BLOB(level_avx2)
BLOB(level_avx512)
BLOB(keep_denormal)

namespace {
/// Appends a blob at a multiple of 64 and returns its offset.
uint64_t append(std::vector<uint8_t> &code, const uint8_t *begin, const uint8_t *end) {
  code.resize((code.size() + 63) / 64 * 64, 0xcc); // int3: running into a gap traps
  uint64_t at = code.size();
  code.insert(code.end(), begin, end);
  return at;
}

Blob int32Blob(const std::vector<int32_t> &values) {
  std::vector<uint8_t> bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return Blob::own(std::move(bytes));
}

Tensor tensor(const std::string &name, ElementType type, std::vector<DimExpr> dims) {
  Tensor t;
  t.name = name;
  t.type = type;
  t.dims = std::move(dims);
  return t;
}

Launch launch(const std::string &name, uint32_t kernel, std::vector<BufferRef> buffers, std::vector<uint32_t> stores,
              std::vector<DimExpr> dims, DimExpr tiles) {
  Launch l;
  l.name = name;
  l.kernel = kernel;
  l.buffers = std::move(buffers);
  l.stores = std::move(stores);
  l.dims = std::move(dims);
  l.tiles = std::move(tiles);
  return l;
}
} // namespace

Model test::makeModel() {
  Model m;
  m.symbols = {{"N", 1, 4, 1}, {"W", 4, 40, 4}};
  const DimExpr n = DimExpr::symbol(0), w = DimExpr::symbol(1);
  m.tensors = {tensor("x", ElementType::S32, {n, 3, w}), tensor("y", ElementType::S32, {n, 3, w}),
               tensor("total", ElementType::S64, {1}), tensor("level", ElementType::S32, {1}),
               tensor("mid", ElementType::S32, {n, 3, w})};
  m.tensors[4].order = {0, 2, 1};
  m.tensors[4].multiples = {1, 4, 1};
  m.tensors[1].scheme.quantized = true;
  m.tensors[1].scheme.scales = {0.5f};
  m.tensors[1].scheme.zeroPoints = {3};
  m.tensors[1].scheme.text = "s32";

  std::vector<uint8_t> avx2, avx512;
  m.kernels = {{"shift", {{Isa::Avx2, append(avx2, blob_shift, blob_shift_end), 0}}},
               {"reverse", {{Isa::Avx2, append(avx2, blob_reverse, blob_reverse_end), 0}}},
               {"total", {{Isa::Avx2, append(avx2, blob_total, blob_total_end), 0}}},
               {"level",
                {{Isa::Avx2, append(avx2, blob_level_avx2, blob_level_avx2_end), 0},
                 {Isa::Avx512Vnni, append(avx512, blob_level_avx512, blob_level_avx512_end), 0}}}};
  m.code = {{Isa::Avx2, Blob::own(std::move(avx2)), {}}, {Isa::Avx512Vnni, Blob::own(std::move(avx512)), {}}};
  m.weights = {{"bias", "s32 [3]", int32Blob({10, 20, 30})},
               {"unused", "u8 [100]", Blob::own(std::vector<uint8_t>(100, 7))}};
  m.arenaBytes = 64 + 4 * 40 * 4 * 4; // mid at 64: N * W * 4 channels of 4 bytes

  EntryPoint e;
  e.inputs = {0};
  e.outputs = {1, 2, 3};
  BufferRef input = {BufferKind::Input, 0, 0, 0}, mid = {BufferKind::Arena, 64, 4, 0},
            y = {BufferKind::Output, 0, 1, 0};
  e.launches = {launch("shift", 0, {input, {BufferKind::Weight, 0, -1, 0}, mid}, {2}, {w}, n * w),
                launch("reverse", 1, {mid, y}, {1}, {w}, n),
                launch("total", 2, {y, {BufferKind::Output, 1, 2, 0}}, {1}, {n * 3 * w}, 1),
                launch("level", 3, {{BufferKind::Output, 2, 3, 0}}, {0}, {}, 1)};
  e.launches[1].scratchBytes = w * 4;
  e.launches[1].note = "by way of scratch";
  m.entries = {e};
  m.provenance = {{"tool", "test"}, {"recipe", "none"}};
  m.plan = "{\"layers\": []}";
  m.listing = "exec.model {}";
  return m;
}

std::vector<uint8_t> test::makeNibbles(const PackedCodes &codes) {
  const int64_t panels = (codes.rows + 15) / 16, steps = (codes.columns + 7) / 8;
  std::vector<uint8_t> bytes(size_t(codes.groups * panels * steps * 64));
  unsigned count = 0;
  for (int64_t g = 0; g < codes.groups; ++g)
    for (int64_t r = 0; r < codes.rows; ++r)
      for (int64_t c = 0; c < codes.columns; ++c, ++count) {
        unsigned nibble = codes.base + (count * 5 + count / 7) % (1u << codes.bits);
        size_t block = size_t((g * panels + r / 16) * steps + c / 8);
        bytes[block * 64 + size_t(r % 16 * 4 + c % 4)] |= uint8_t(nibble << (c % 8 < 4 ? 0 : 4));
      }
  return bytes;
}

Model test::makePackedModel() {
  Model m = makeModel();
  const PackedCodes codes{3, 4, 2, 37, 43};
  m.weights.push_back({"codes", "codes [group][N/16][K/8][16][8] s4 + 8", Blob::own(makeNibbles(codes)), codes});
  return m;
}

Model test::makeFloatModel() {
  Model m;
  m.tensors = {tensor("a", ElementType::F32, {2}), tensor("b", ElementType::F32, {1})};
  std::vector<uint8_t> avx2;
  m.kernels = {{"keep_denormal", {{Isa::Avx2, append(avx2, blob_keep_denormal, blob_keep_denormal_end), 0}}}};
  m.code = {{Isa::Avx2, Blob::own(std::move(avx2)), {}}};
  EntryPoint e;
  e.inputs = {0};
  e.outputs = {1};
  e.launches = {launch("l", 0, {{BufferKind::Input, 0, 0, 0}, {BufferKind::Output, 0, 1, 0}}, {1}, {}, 1)};
  m.entries = {e};
  return m;
}

namespace {
Blob textBlob(const std::string &text) { return Blob::own(std::vector<uint8_t>(text.begin(), text.end())); }

GpuArgument bufferArgument(uint32_t index) {
  GpuArgument a;
  a.index = index;
  return a;
}
GpuArgument valueArgument(DimExpr value) {
  GpuArgument a;
  a.kind = GpuArgumentKind::Int32;
  a.value = std::move(value);
  return a;
}
GpuVariant variant(uint32_t kernel, int64_t lo, int64_t hi, DimExpr grid, std::vector<GpuArgument> arguments) {
  GpuVariant v;
  v.kernel = kernel;
  v.mLo = lo;
  v.mHi = hi;
  v.gridX = std::move(grid);
  v.arguments = std::move(arguments);
  return v;
}
} // namespace

Model test::makeGpuModel() {
  Model m = makeModel();
  m.entries[0].launches.pop_back();
  m.entries[0].outputs.pop_back();
  const DimExpr n = DimExpr::symbol(0), w = DimExpr::symbol(1);
  const std::string old = "func shift_old 8 8 8 4 4\nfunc reverse_old 128 8 4 4\nfunc total_old 8 8 4\n";
  m.gpuCode = {{GpuArch::Sm80, GpuCodeKind::Cubin, textBlob("mock cubin sm_80\n" + old), {}},
               {GpuArch::Sm80, GpuCodeKind::Ptx, textBlob("mock ptx 12080\n" + old), {}},
               {GpuArch::Sm90a,
                GpuCodeKind::Cubin,
                textBlob("mock cubin sm_90a\nfunc shift_few 8 8 8 4 4\nfunc shift_many 8 8 8 4 4\n"
                         "func reverse 128 8 4 4\nfunc total 8 8 4\n"),
                {}}};
  m.gpuKernels = {
      {"shift_few", GpuArch::Sm90a, 128, 0, 1, true},     {"shift_many", GpuArch::Sm90a, 256, 100000, 2, false},
      {"shift_old", GpuArch::Sm80, 128, 60000, 1, false}, {"reverse", GpuArch::Sm90a, 64, 0, 1, true},
      {"reverse_old", GpuArch::Sm80, 64, 0, 1, false},    {"total", GpuArch::Sm90a, 32, 0, 1, false},
      {"total_old", GpuArch::Sm80, 32, 0, 1, false}};
  layout::Packing packing;
  packing.rows = 3;
  packing.columns = 1;
  packing.bits = 32;
  packing.tile.rowBasis = {2, 1};
  m.packings = {packing};

  std::vector<Launch> &launches = m.entries[0].launches;
  GpuArgument bias;
  bias.kind = GpuArgumentKind::Weight;
  bias.packing = 0;
  std::vector<GpuArgument> shift = {bufferArgument(0), bias, bufferArgument(2), valueArgument(n), valueArgument(w)};
  GpuArgument mid = bufferArgument(0);
  mid.kind = GpuArgumentKind::BufferMap;
  mid.map.elementBits = 32;
  mid.map.dims = {4, w, n};
  mid.map.strideBytes = {16, w * 16};
  mid.map.box = {4, 8, 1};
  mid.map.rank = 3;
  mid.map.swizzle128 = false;
  std::vector<GpuArgument> reverse = {mid, bufferArgument(1), valueArgument(n), valueArgument(w)};
  std::vector<GpuArgument> total = {bufferArgument(0), bufferArgument(1), valueArgument(n * w * 3)};
  for (Launch &l : launches)
    l.gpu.m = n;
  launches[0].gpu.variants = {variant(2, 1, 0, n * w, shift), variant(0, 1, 2, n * w, shift),
                              variant(1, 3, 0, n * w * 2, shift)};
  launches[0].gpu.variants[2].persistent = true;
  launches[1].gpu.variants = {variant(3, 1, 0, n, reverse), variant(4, 1, 0, n, reverse)};
  launches[2].gpu.variants = {variant(5, 1, 0, 1, total), variant(6, 1, 0, 1, total)};
  return m;
}

Model test::makeGpuFloatModel() {
  Model m = makeFloatModel();
  m.gpuCode = {{GpuArch::Sm80, GpuCodeKind::Ptx, textBlob("mock ptx 12000\nfunc multiply 8 8\n"), {}}};
  m.gpuKernels = {{"multiply", GpuArch::Sm80, 32, 0, 1, false}};
  m.entries[0].launches[0].gpu.variants = {variant(0, 1, 0, 1, {bufferArgument(0), bufferArgument(1)})};
  return m;
}

Status test::addSelfCheck(Model &model, uint64_t seed, std::vector<int64_t> symbolValues) {
  SelfCheck check;
  check.present = true;
  check.seed = seed;
  check.symbolValues = std::move(symbolValues);
  if (check.symbolValues.empty())
    for (const Symbol &s : model.symbols)
      check.symbolValues.push_back((s.lo + s.divisor - 1) / s.divisor * s.divisor);
  model.selfCheck = SelfCheck();
  std::vector<uint8_t> bytes;
  std::string error;
  if (!serializeArtifact(model, bytes, error))
    return failure(BW_INVALID_ARGUMENT, std::move(error));
  std::shared_ptr<LoadedModel> loaded;
  Status s = LoadedModel::loadMemory(bytes.data(), bytes.size(), 0, loaded);
  std::unique_ptr<Session> session;
  SessionOptions options;
  options.isa = "avx2";
  if (s.ok())
    s = Session::create(loaded, options, session);
  if (s.ok())
    s = probeChecksums(*session, check, check.checksums);
  if (s.ok())
    model.selfCheck = std::move(check);
  return s;
}

static std::vector<uint8_t> bytesOf(const Model &model) {
  std::vector<uint8_t> bytes;
  std::string error;
  if (!serializeArtifact(model, bytes, error)) {
    std::fprintf(stderr, "the test model does not serialise: %s\n", error.c_str());
    std::abort();
  }
  return bytes;
}
std::vector<uint8_t> test::makeBytes() { return bytesOf(makeModel()); }
std::vector<uint8_t> test::makePackedBytes() { return bytesOf(makePackedModel()); }

std::vector<int32_t> test::makeX(int64_t n, int64_t w) {
  std::vector<int32_t> x(size_t(n * 3 * w));
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = int32_t(i * 2654435761u >> 16) - 30000;
  return x;
}

std::vector<int32_t> test::expectedY(const std::vector<int32_t> &x, int64_t n, int64_t w) {
  std::vector<int32_t> y(x.size());
  for (int64_t b = 0; b < n; ++b)
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t i = 0; i < w; ++i)
        y[size_t((b * 3 + c) * w + i)] = 2 * x[size_t((b * 3 + c) * w + w - 1 - i)] + 10 * int32_t(c + 1);
  return y;
}

std::string test::temporaryPath(const std::string &name) {
  struct Folder {
    std::string path;
    Folder() {
      const char *base = std::getenv("TMPDIR");
      path = std::string(base ? base : P_tmpdir) + "/bitwright-runtime-XXXXXX";
      if (!mkdtemp(path.data())) {
        std::perror("mkdtemp");
        std::abort();
      }
    }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const Folder folder;
  return folder.path + "/" + name;
}

std::vector<uint8_t> test::readFile(const std::string &path) {
  std::vector<uint8_t> bytes;
  if (std::FILE *f = std::fopen(path.c_str(), "rb")) {
    int c;
    while ((c = std::fgetc(f)) != EOF)
      bytes.push_back(uint8_t(c));
    std::fclose(f);
  }
  return bytes;
}

void test::writeFile(const std::string &path, const std::vector<uint8_t> &bytes) {
  std::FILE *f = std::fopen(path.c_str(), "wb");
  if (!f || std::fwrite(bytes.data(), 1, bytes.size(), f) != bytes.size() || std::fclose(f) != 0) {
    std::perror(path.c_str());
    std::abort();
  }
}
