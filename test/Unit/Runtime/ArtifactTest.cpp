//===- ArtifactTest.cpp - expressions, file round trip, damage, verification -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "TestModel.h"
#include "lib/Artifact/Sha256.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::test;

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

TEST(DimExpr, Evaluates) {
  DimExpr n = DimExpr::symbol(0), w = DimExpr::symbol(1);
  const int64_t values[] = {3, 321};
  int64_t v;
  auto value = [&](const DimExpr &e) { return e.evaluate(values, 2, v) ? v : INT64_MIN; };
  EXPECT_EQ(value(n * 3 + w), 330);
  EXPECT_EQ(value(floorDiv(w, 8)), 40);
  EXPECT_EQ(value(ceilDiv(w, 8)), 41);
  EXPECT_EQ(value(mod(w, 8)), 1);
  EXPECT_EQ(value(max(n, w) - min(n, w)), 318);
  EXPECT_EQ(value(floorDiv(n - 10, 4)), -2); // -7 / 4
  EXPECT_EQ(value(ceilDiv(n - 10, 4)), -1);
  EXPECT_EQ(value(mod(n - 10, 4)), 1);
}

TEST(DimExpr, FoldsConstants) {
  EXPECT_EQ(DimExpr(6) * 7 + 0, DimExpr(42));
  EXPECT_EQ(floorDiv(DimExpr(-7), 2), DimExpr(-4));
  EXPECT_EQ(DimExpr::symbol(0) * 1, DimExpr::symbol(0));
}

TEST(DimExpr, RefusesOverflowAndDivisionByZero) {
  const int64_t values[] = {INT64_MAX, 0};
  int64_t v = 5;
  EXPECT_FALSE((DimExpr::symbol(0) + 1).evaluate(values, 2, v));
  EXPECT_FALSE((DimExpr::symbol(0) * 2).evaluate(values, 2, v));
  EXPECT_FALSE(floorDiv(1, DimExpr::symbol(1)).evaluate(values, 2, v));
  EXPECT_FALSE(mod(1, DimExpr::symbol(1)).evaluate(values, 2, v));
  EXPECT_FALSE(ceilDiv(1, DimExpr::symbol(1) - 3).evaluate(values, 2, v));
  EXPECT_EQ(v, 5);
}

TEST(DimExpr, RefusesMalformedPrograms) {
  using S = DimExpr::Step;
  const int64_t values[] = {1};
  int64_t v;
  for (const std::vector<S> &steps :
       std::vector<std::vector<S>>{{},
                                   {{DimOp::Add, 0}},
                                   {{DimOp::Constant, 1}, {DimOp::Add, 0}},
                                   {{DimOp::Constant, 1}, {DimOp::Constant, 1}},
                                   {{DimOp::Symbol, 1}},
                                   {{DimOp::Symbol, -1}},
                                   {{DimOp::Constant, 1}, {DimOp::Constant, 1}, {DimOp(99), 0}},
                                   std::vector<S>(DimExpr::maxDepth + 1, S{DimOp::Constant, 1}),
                                   std::vector<S>(DimExpr::maxSteps + 1, S{DimOp::Constant, 1})}) {
    DimExpr e = DimExpr::fromSteps(steps);
    EXPECT_FALSE(e.isWellFormed(1));
    EXPECT_FALSE(e.evaluate(values, 1, v));
    int64_t lo, hi;
    EXPECT_FALSE(e.bounds({{"N", 1, 2, 1}}, lo, hi));
    EXPECT_FALSE(e.str({}).empty());
  }
}

TEST(DimExpr, BoundsHoldEveryValue) {
  // Against trying out all values: exact for single occurrences, an enclosure otherwise.
  const std::vector<Symbol> symbols = {{"N", 1, 5, 1}, {"W", 6, 50, 8}};
  DimExpr n = DimExpr::symbol(0), w = DimExpr::symbol(1);
  struct Case {
    DimExpr e;
    bool exact;
  };
  for (const Case &c : std::vector<Case>{{n * w, true},
                                         {ceilDiv(w + 2, 4) * n, true},
                                         {w - floorDiv(w, 2), true}, // one symbol twice: tried out
                                         {mod(w, 16), false},
                                         {n - w, true},
                                         {max(n, w) - n, false},
                                         {min(n * 20, w), false},
                                         {mod(n + w, 7), false},
                                         {ceilDiv(n * w - 3, n), false}}) {
    int64_t lo, hi, least = INT64_MAX, most = INT64_MIN, v;
    ASSERT_TRUE(c.e.bounds(symbols, lo, hi)) << c.e.str(symbols);
    for (int64_t a = 1; a <= 5; ++a)
      for (int64_t b = 8; b <= 48; b += 8) {
        const int64_t values[] = {a, b};
        ASSERT_TRUE(c.e.evaluate(values, 2, v));
        least = std::min(least, v);
        most = std::max(most, v);
      }
    EXPECT_LE(lo, least) << c.e.str(symbols);
    EXPECT_GE(hi, most) << c.e.str(symbols);
    if (c.exact) {
      EXPECT_EQ(lo, least) << c.e.str(symbols);
      EXPECT_EQ(hi, most) << c.e.str(symbols);
    }
  }
}

TEST(DimExpr, Prints) {
  const std::vector<Symbol> symbols = {{"N", 1, 5, 1}, {"W", 6, 50, 8}};
  DimExpr n = DimExpr::symbol(0), w = DimExpr::symbol(1);
  EXPECT_EQ((n * ceilDiv(w + 2, 4)).str(symbols), "N * ceildiv(W + 2, 4)");
  EXPECT_EQ(((w - 3) * 2).str(symbols), "(W - 3) * 2");
  EXPECT_EQ(DimExpr::symbol(7).str(symbols), "s7");
}

TEST(DimExpr, MatchesAffine) {
  unsigned s;
  int64_t scale, offset;
  DimExpr w = DimExpr::symbol(1);
  ASSERT_TRUE(matchAffine(w * 4 + 3, s, scale, offset));
  EXPECT_EQ(s, 1u);
  EXPECT_EQ(scale, 4);
  EXPECT_EQ(offset, 3);
  EXPECT_TRUE(matchAffine(w, s, scale, offset));
  EXPECT_FALSE(matchAffine(5, s, scale, offset));
  EXPECT_FALSE(matchAffine(w * w, s, scale, offset));
  EXPECT_FALSE(matchAffine(w * -1, s, scale, offset));
  EXPECT_FALSE(matchAffine(w + DimExpr::symbol(0), s, scale, offset));
  EXPECT_FALSE(matchAffine(floorDiv(w, 2), s, scale, offset));
}

//===----------------------------------------------------------------------===//
// SHA-256 and small functions of the model
//===----------------------------------------------------------------------===//

static std::string hex(const Digest &d) {
  std::string s;
  char text[3];
  for (uint8_t b : d) {
    std::snprintf(text, sizeof(text), "%02x", b);
    s += text;
  }
  return s;
}

TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(hex(sha256("", 0)), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc", 3)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56)),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  std::string million(1000000, 'a');
  EXPECT_EQ(hex(sha256(million.data(), million.size())),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesAndImplementationsAgree) {
  std::vector<uint8_t> data(1000);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = uint8_t(i * 37);
  for (size_t cut : {0u, 1u, 55u, 56u, 63u, 64u, 65u, 128u, 999u}) {
    Sha256 h;
    h.update(data.data(), cut);
    h.update(data.data() + cut, data.size() - cut);
    EXPECT_EQ(h.finish(), sha256(data.data(), data.size())) << cut;
  }
  if (!sha256HasHardware())
    GTEST_SKIP() << "no SHA extensions";
  uint32_t a[8] = {1, 2, 3, 4, 5, 6, 7, 8}, b[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  sha256CompressPortable(a, data.data(), 15);
  sha256CompressHardware(b, data.data(), 15);
  EXPECT_EQ(std::memcmp(a, b, sizeof(a)), 0);
}

TEST(Model, LogicalOrder) {
  // Logical [2, 3], stored column-major with rows padded to 4: columns of 4 elements.
  Tensor t;
  t.type = ElementType::S16;
  t.dims = {2, 3};
  t.order = {1, 0};
  t.multiples = {4, 1};
  const int16_t stored[12] = {1, 2, -1, -1, 3, 4, -1, -1, 5, 6, -1, -1};
  const int64_t dims[] = {2, 3};
  int16_t logical[6];
  toLogicalOrder(t, dims, stored, logical);
  const int16_t expected[6] = {1, 3, 5, 2, 4, 6};
  EXPECT_EQ(std::memcmp(logical, expected, sizeof(expected)), 0);
  uint64_t bytes;
  ASSERT_TRUE(tensorBytes(t, nullptr, 0, bytes));
  EXPECT_EQ(bytes, sizeof(stored));
}

TEST(Model, ProbeIsFixed) {
  Tensor t;
  t.type = ElementType::U8;
  uint8_t a[4];
  fillProbe(t, 0, 0, 4, a);
  // splitmix64 from 0: e220a8397b1dcdaf 6e789e6aa1b965f4 06c45d188009454f f88bb8a8724c81ec; the highest byte of each.
  EXPECT_EQ(a[0], 0xe2);
  EXPECT_EQ(a[1], 0x6e);
  EXPECT_EQ(a[2], 0x06);
  EXPECT_EQ(a[3], 0xf8);
  t.type = ElementType::F32;
  float f[2];
  fillProbe(t, 0, 0, 2, f);
  // 0xe220a839 / 2^32 * 8192 - 4096, cut: 3140 -> 3140 / 4096; 0x6e789e6a: -561 / 4096 (7236.2 and 3535.1 before the
  // offset).
  EXPECT_EQ(f[0], 3140.0f / 4096);
  EXPECT_EQ(f[1], -561.0f / 4096);
  t.type = ElementType::Bool;
  fillProbe(t, 0, 0, 2, a);
  EXPECT_EQ(a[0], 1);
  EXPECT_EQ(a[1], 0);
}

TEST(Model, SizesAreBounded) {
  Tensor t;
  uint64_t bytes;
  t.dims = {DimExpr(int64_t(1) << 40), DimExpr(int64_t(1) << 40)};
  EXPECT_FALSE(tensorBytesBound(t, {}, bytes));
  t.dims = {0};
  EXPECT_FALSE(tensorBytesBound(t, {}, bytes));
  t.dims = {};
  ASSERT_TRUE(tensorBytesBound(t, {}, bytes));
  EXPECT_EQ(bytes, 4u);
  t.type = ElementType::U4;
  t.dims = {3};
  ASSERT_TRUE(tensorBytesBound(t, {}, bytes));
  EXPECT_EQ(bytes, 2u);
}

//===----------------------------------------------------------------------===//
// Writing and reading
//===----------------------------------------------------------------------===//

namespace {
/// Bytes at an address that is a multiple of 64, as the reader wants them.
class Aligned {
public:
  explicit Aligned(const std::vector<uint8_t> &bytes) : size(bytes.size()), storage(bytes.size() + 64) {
    data = storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64;
    if (size)
      std::memcpy(data, bytes.data(), size);
  }
  uint8_t *data;
  size_t size;

private:
  std::vector<uint8_t> storage;
};

bool read(const Aligned &bytes, Model &m, std::string &error, VerifyLevel level = VerifyLevel::Full) {
  ReadOptions options;
  options.level = level;
  return readArtifact(bytes.data, bytes.size, options, m, error);
}
} // namespace

TEST(Artifact, RoundTrip) {
  Model m = makeModel();
  m.selfCheck.present = true;
  m.selfCheck.seed = 99;
  m.selfCheck.symbolValues = {2, 8};
  m.selfCheck.checksums = {{0, 0, 2, 0x123456789abcdef0}};
  std::vector<uint8_t> bytes, again;
  std::string error;
  ASSERT_TRUE(serializeArtifact(m, bytes, error)) << error;
  ASSERT_TRUE(serializeArtifact(m, again, error)) << error;
  EXPECT_EQ(bytes, again);
  Aligned aligned(bytes);
  Model r;
  ASSERT_TRUE(read(aligned, r, error)) << error;
  // Serialising what was read gives the same bytes: nothing was lost.
  ASSERT_TRUE(serializeArtifact(r, again, error)) << error;
  EXPECT_EQ(bytes, again);
  EXPECT_EQ(r.symbols[1].name, "W");
  EXPECT_EQ(r.symbols[1].divisor, 4);
  EXPECT_EQ(r.tensors[4].order, (std::vector<uint32_t>{0, 2, 1}));
  EXPECT_EQ(r.tensors[1].scheme.scales[0], 0.5f);
  EXPECT_EQ(r.entries[0].launches[1].scratchBytes.str(r.symbols), "W * 4");
  EXPECT_EQ(r.entries[0].launches[1].note, "by way of scratch");
  EXPECT_EQ(r.plan, m.plan);
  EXPECT_EQ(r.listing, m.listing);
  EXPECT_EQ(r.provenance[1].key, "recipe");
  EXPECT_EQ(r.selfCheck.checksums[0].value, 0x123456789abcdef0u);
  for (const Weight &w : r.weights)
    EXPECT_EQ(reinterpret_cast<uintptr_t>(w.bytes.data()) % weightAlignment, 0u);
  for (const CodeSegment &c : r.code)
    EXPECT_EQ(size_t(c.bytes.data() - aligned.data) % codeAlignment, 0u);
  const Weight &last = r.weights.back();
  EXPECT_GE(size_t(aligned.data + aligned.size - (last.bytes.data() + last.bytes.size())), readSlack);
}

TEST(Artifact, FileEqualsMemory) {
  std::string path = temporaryPath("file.bwm"), error;
  ASSERT_TRUE(writeArtifact(makeModel(), path, error)) << error;
  EXPECT_EQ(readFile(path), makeBytes());
}

TEST(Artifact, WithoutCode) {
  Aligned bytes(makeBytes());
  ReadOptions options;
  options.withCode = false;
  Model m;
  std::string error;
  ASSERT_TRUE(readArtifact(bytes.data, bytes.size, options, m, error)) << error;
  EXPECT_EQ(m.code[0].bytes.data(), nullptr);
  EXPECT_GT(m.code[0].bytes.size(), 0u);
}

TEST(Artifact, WriterLeavesNoHalfFile) {
  std::string error, path = temporaryPath("missing/folder.bwm");
  EXPECT_FALSE(writeArtifact(makeModel(), path, error));
  EXPECT_NE(error.find("folder.bwm"), std::string::npos) << error;
  Model bad = makeModel();
  bad.entries.clear();
  path = temporaryPath("bad.bwm");
  EXPECT_FALSE(writeArtifact(bad, path, error));
  EXPECT_NE(error.find("no entry point"), std::string::npos) << error;
  struct stat info;
  EXPECT_NE(stat(path.c_str(), &info), 0);
  EXPECT_NE(stat((path + ".tmp" + std::to_string(getpid())).c_str(), &info), 0);
}

TEST(Artifact, TruncatedAnywhere) {
  const std::vector<uint8_t> bytes = makeBytes();
  Model m;
  for (size_t size = 0; size < bytes.size(); size += 97) {
    std::string error;
    EXPECT_FALSE(read(Aligned({bytes.begin(), bytes.begin() + long(size)}), m, error, VerifyLevel::Header)) << size;
    EXPECT_NE(error.find(size < 64 ? "not a .bwm file" : "truncated"), std::string::npos) << error;
  }
  std::vector<uint8_t> longer = bytes;
  longer.push_back(0);
  std::string error;
  EXPECT_FALSE(read(Aligned(longer), m, error));
  EXPECT_NE(error.find("extra bytes"), std::string::npos) << error;
}

TEST(Artifact, EveryFlippedByteIsNoticed) {
  const std::vector<uint8_t> bytes = makePackedBytes();
  Aligned changed(bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    Model m;
    std::string error;
    changed.data[i] ^= uint8_t(1 << (i % 8));
    EXPECT_FALSE(read(changed, m, error)) << "byte " << i;
    EXPECT_FALSE(error.empty());
    changed.data[i] = bytes[i];
  }
}

/// Changes bytes of the header and repairs the digest, so that what is behind the digest has to defend itself.
TEST(Artifact, HostileHeaderNeverCrashes) {
  const std::vector<uint8_t> bytes = makePackedBytes();
  uint64_t headerSize;
  std::memcpy(&headerSize, bytes.data() + 16, 8);
  unsigned accepted = 0, refused = 0;
  for (size_t i = 0; i < headerSize; ++i)
    for (uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      Aligned changed(bytes);
      changed.data[64 + i] = value;
      Sha256 h;
      h.update(changed.data, 32);
      h.update(changed.data + 64, headerSize);
      Digest d = h.finish();
      std::memcpy(changed.data + 32, d.data(), 32);
      Model m;
      std::string error;
      if (read(changed, m, error, VerifyLevel::Header)) {
        ++accepted;
      } else {
        ++refused;
        EXPECT_FALSE(error.empty());
      }
    }
  EXPECT_GT(accepted, 100u); // names, free text, unused bits
  EXPECT_GT(refused, 1000u);
}

static std::string preambleError(const std::function<void(uint8_t *)> &change) {
  Aligned bytes(makeBytes());
  change(bytes.data);
  Model m;
  std::string error;
  EXPECT_FALSE(read(bytes, m, error));
  return error;
}

TEST(Artifact, PreambleMessages) {
  auto has = [](const std::string &text, const char *part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(preambleError([](uint8_t *p) { p[0] = 'P'; }), "signature"));
  std::string version = preambleError([](uint8_t *p) { p[8] = 77; });
  EXPECT_TRUE(has(version, "version 77") && has(version, "reads versions 2 to 3") && has(version, "compile the model again"))
      << version;
  EXPECT_TRUE(has(preambleError([](uint8_t *p) { p[12] = 1; }), "reserved field"));
  EXPECT_TRUE(has(preambleError([](uint8_t *p) { p[23] = 1; }), "header of"));
  EXPECT_TRUE(has(preambleError([](uint8_t *p) { p[40] ^= 1; }), "corrupt header"));
  EXPECT_TRUE(has(preambleError([](uint8_t *p) { p[100] ^= 1; }), "corrupt header"));
  Model m;
  std::string error;
  Aligned bytes(makeBytes());
  EXPECT_FALSE(readArtifact(bytes.data + 8, bytes.size - 8, {}, m, error));
  EXPECT_TRUE(has(error, "multiple of 64"));
}

TEST(Artifact, SectionMessages) {
  const std::vector<uint8_t> bytes = makeBytes();
  Aligned clean(bytes);
  Model m;
  std::string error;
  ASSERT_TRUE(read(clean, m, error)) << error;
  auto flip = [&](const uint8_t *where, const char *expected) {
    Aligned changed(bytes);
    changed.data[where - clean.data] ^= 4;
    Model r;
    EXPECT_FALSE(read(changed, r, error));
    EXPECT_NE(error.find(expected), std::string::npos) << error;
  };
  flip(m.code[0].bytes.data(), "corrupt code section avx2");
  flip(m.code[1].bytes.data(), "corrupt code section avx512vnni");
  flip(m.weights[1].bytes.data(), "corrupt weight section");
  flip(m.weights[0].bytes.data() + 63, "corrupt weight section"); // padding between weights
  flip(clean.data + clean.size - 1, "corrupt padding");
  size_t listing = 0;
  while (std::memcmp(clean.data + listing, "exec.model", 10) != 0)
    ++listing;
  flip(clean.data + listing, "corrupt text section");
}

TEST(Artifact, FileMessages) {
  std::shared_ptr<const void> owner;
  const void *data;
  size_t size;
  std::string error;
  EXPECT_FALSE(mapFile(temporaryPath("none.bwm"), owner, data, size, error));
  EXPECT_NE(error.find("cannot open"), std::string::npos) << error;
  writeFile(temporaryPath("empty.bwm"), {});
  EXPECT_FALSE(mapFile(temporaryPath("empty.bwm"), owner, data, size, error));
  EXPECT_NE(error.find("it is empty"), std::string::npos) << error;
  EXPECT_FALSE(mapFile(temporaryPath(""), owner, data, size, error));
  EXPECT_NE(error.find("it is a folder"), std::string::npos) << error;
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

TEST(Verify, AcceptsTheTestModels) {
  std::string error;
  EXPECT_TRUE(verifyModel(makeModel(), error)) << error;
  EXPECT_TRUE(verifyModel(makeFloatModel(), error)) << error;
}

TEST(Verify, Messages) {
  struct Case {
    const char *expected;
    std::function<void(Model &)> change;
  };
  auto check = [](Model &m) -> SelfCheck & {
    m.selfCheck.present = true;
    m.selfCheck.symbolValues = {1, 4};
    return m.selfCheck;
  };
  const Case cases[] = {
      {"65 symbols",
       [](Model &m) {
         for (int i = 0; i < 63; ++i)
           m.symbols.push_back({"s" + std::to_string(i), 1, 1, 1});
       }},
      {"symbol name 'N' is empty or used twice", [](Model &m) { m.symbols[1].name = "N"; }},
      {"symbol name '' is empty", [](Model &m) { m.symbols[0].name = ""; }},
      {"has range 0..4", [](Model &m) { m.symbols[0].lo = 0; }},
      {"has range 5..4", [](Model &m) { m.symbols[0].lo = 5; }},
      {"with divisor 0", [](Model &m) { m.symbols[1].divisor = 0; }},
      {"no multiple of 4 within 5..7",
       [](Model &m) {
         m.symbols[1].lo = 5;
         m.symbols[1].hi = 7;
       }},
      {"unknown element type", [](Model &m) { m.tensors[0].type = ElementType(200); }},
      {"rank 17",
       [](Model &m) {
         m.tensors[4].order.clear();
         m.tensors[4].multiples.clear();
         m.tensors[4].dims.assign(17, 1);
       }},
      {"not a permutation of its 3 dimensions", [](Model &m) { m.tensors[4].order = {0, 1, 1}; }},
      {"not a permutation", [](Model &m) { m.tensors[4].order = {0, 1}; }},
      {"2 storage multiples for rank 3", [](Model &m) { m.tensors[4].multiples = {1, 1}; }},
      {"storage multiple 0", [](Model &m) { m.tensors[4].multiples = {1, 0, 1}; }},
      {"4-bit tensors must be dense", [](Model &m) { m.tensors[4].type = ElementType::S4; }},
      {"a dimension can be below 1", [](Model &m) { m.tensors[4].dims[0] = DimExpr::symbol(0) - 1; }},
      {"its size is not bounded", [](Model &m) { m.tensors[4].dims[0] = DimExpr::symbol(9); }},
      {"scheme has 2 scales along axis -1", [](Model &m) { m.tensors[1].scheme.scales = {1, 2}; }},
      {"along axis 3", [](Model &m) { m.tensors[1].scheme.axis = 3; }},
      {"scheme has 0 zero points", [](Model &m) { m.tensors[1].scheme.zeroPoints = {}; }},
      {"two for one level", [](Model &m) { m.code[1].isa = Isa::Avx2; }},
      {"kernel 0 'shift' has no code", [](Model &m) { m.kernels[0].variants.clear(); }},
      {"kernel 3 'level' has code for an unknown level, or two",
       [](Model &m) { m.kernels[3].variants[1].isa = Isa::Avx2; }},
      {"is outside the code of", [](Model &m) { m.kernels[0].variants[0].offset = 1 << 20; }},
      {"is outside the code of 0 bytes for amx", [](Model &m) { m.kernels[0].variants[0].isa = Isa::Amx; }},
      {"unknown flags 1", [](Model &m) { m.kernels[0].variants[0].flags = 1; }},
      {"no entry point", [](Model &m) { m.entries.clear(); }},
      {"arena of", [](Model &m) { m.arenaBytes = UINT64_MAX; }},
      {"entry point name 'main' is empty or used twice", [](Model &m) { m.entries.push_back(m.entries[0]); }},
      {"input 0 refers to tensor 77 of 5", [](Model &m) { m.entries[0].inputs = {77}; }},
      {"output 1: name 'y' is empty or used twice", [](Model &m) { m.tensors[2].name = "y"; }},
      {"is not dense row-major", [](Model &m) { m.entries[0].outputs.push_back(4); }},
      {"symbol 'W' does not follow from the shape",
       [](Model &m) { m.tensors[0].dims[2] = floorDiv(DimExpr::symbol(1), 2) * 2; }},
      {"refers to kernel 9 of 4", [](Model &m) { m.entries[0].launches[0].kernel = 9; }},
      {"has 257 buffers", [](Model &m) { m.entries[0].launches[0].buffers.resize(257); }},
      {"has 3 buffers and 257 dimensions", [](Model &m) { m.entries[0].launches[0].dims.resize(257); }},
      {"launch 0 'shift', buffer 0 refers to tensor 5 of 5",
       [](Model &m) { m.entries[0].launches[0].buffers[0].tensor = 5; }},
      {"refers to tensor -2", [](Model &m) { m.entries[0].launches[0].buffers[0].tensor = -2; }},
      {"arena offset 32 is not a multiple of 64", [](Model &m) { m.entries[0].launches[0].buffers[2].place = 32; }},
      {"bytes 128 + 2560 do not fit the arena of 2624 bytes",
       [](Model &m) { m.entries[0].launches[0].buffers[2].place = 128; }},
      {"do not fit the arena", [](Model &m) { m.entries[0].launches[0].buffers[2].place = UINT64_MAX - 63; }},
      {"do not fit the arena",
       [](Model &m) { m.entries[0].launches[0].buffers[2] = {BufferKind::Arena, 0, -1, 1 << 20}; }},
      {"refers to weight 2 of 2", [](Model &m) { m.entries[0].launches[0].buffers[1].place = 2; }},
      {"refers to input 1 of 1", [](Model &m) { m.entries[0].launches[0].buffers[0].place = 1; }},
      {"refers to output 3 of 3", [](Model &m) { m.entries[0].launches[3].buffers[0].place = 3; }},
      {"tensor 'y' of 1920 bytes is larger than the output 2",
       [](Model &m) { m.entries[0].launches[3].buffers[0].tensor = 1; }},
      {"has an unknown kind", [](Model &m) { m.entries[0].launches[0].buffers[0].kind = BufferKind(9); }},
      {"stores buffer 3 of 3", [](Model &m) { m.entries[0].launches[0].stores = {3}; }},
      {"which is a weight or an input", [](Model &m) { m.entries[0].launches[0].stores = {1}; }},
      {"which is a weight or an input", [](Model &m) { m.entries[0].launches[0].stores = {0}; }},
      {"dimension 0: N * 9223372036854775807 overflows",
       [](Model &m) { m.entries[0].launches[0].dims[0] = DimExpr::symbol(0) * INT64_MAX; }},
      {"divides by less than 1",
       [](Model &m) { m.entries[0].launches[0].dims[0] = floorDiv(8, DimExpr::symbol(0) - 1); }},
      {"tiles: N - 2 is within -1..2", [](Model &m) { m.entries[0].launches[0].tiles = DimExpr::symbol(0) - 2; }},
      {"scratch bytes: ", [](Model &m) { m.entries[0].launches[0].scratchBytes = int64_t(1) << 40; }},
      {"self-check has 1 symbol values for 2 symbols", [&](Model &m) { check(m).symbolValues = {1}; }},
      {"self-check value 6 of symbol 'W' is outside its range", [&](Model &m) { check(m).symbolValues = {1, 6}; }},
      {"which stores no tensor", [&](Model &m) { check(m).checksums = {{0, 0, 0, 1}}; }},
      {"launch 9", [&](Model &m) { check(m).checksums = {{0, 9, 0, 1}}; }},
  };
  for (const Case &c : cases) {
    Model m = makeModel();
    c.change(m);
    std::string error;
    EXPECT_FALSE(verifyModel(m, error)) << c.expected;
    EXPECT_NE(error.find(c.expected), std::string::npos) << "expected '" << c.expected << "' in '" << error << "'";
  }
}
