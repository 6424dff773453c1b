//===- PackedCodesTest.cpp - codes of 2 and 3 bits in the file -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "TestModel.h"
#include "bitwright-c/runtime.h"
#include "bitwright/Schema/bwm_generated.h"
#include "lib/Artifact/Preamble.h"
#include "lib/Runtime/LoadedModel.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::test;

namespace {
struct Sizes {
  uint64_t panel = 0, file = 0;
};
Sizes sizesOf(const PackedCodes &codes) {
  Sizes s;
  std::string error;
  EXPECT_TRUE(packedSizes(codes, s.panel, s.file, error)) << error;
  return s;
}

struct Aligned {
  explicit Aligned(const std::vector<uint8_t> &bytes) : size(bytes.size()) {
    data = static_cast<uint8_t *>(std::aligned_alloc(64, (size + 63) / 64 * 64));
    std::memcpy(data, bytes.data(), size);
  }
  Aligned(const Aligned &) = delete;
  ~Aligned() { std::free(data); }
  uint8_t *data;
  size_t size;
};

bool read(const Aligned &bytes, Model &model, std::string &error, bool withCode = true) {
  ReadOptions options;
  options.level = VerifyLevel::Full;
  options.withCode = withCode;
  return readArtifact(bytes.data, bytes.size, options, model, error);
}
} // namespace

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

TEST(PackedCodes, EveryCodeAndEveryTail) {
  for (unsigned bits : {2u, 3u})
    for (unsigned base = 0; base + (1u << bits) <= 16; ++base)
      for (int64_t groups : {1, 3})
        for (int64_t rows : {1, 15, 16, 17, 33})
          for (int64_t columns : {1, 3, 4, 5, 8, 9, 24, 31}) {
            const PackedCodes codes{bits, base, groups, rows, columns};
            const Sizes sizes = sizesOf(codes);
            EXPECT_EQ(sizes.panel, uint64_t(groups * ((rows + 15) / 16) * ((columns + 7) / 8) * 64));
            EXPECT_EQ(sizes.file, sizes.panel * bits / 4);
            const std::vector<uint8_t> panel = makeNibbles(codes);
            std::vector<uint8_t> packed(sizes.file), expanded(sizes.panel, 0xee);
            std::string error;
            ASSERT_TRUE(packCodes(codes, panel.data(), packed.data(), error)) << error;
            expandCodes(codes, packed.data(), expanded.data());
            ASSERT_EQ(expanded, panel) << bits << " bits above " << base << ", " << groups << " x " << rows << " x "
                                       << columns;
          }
}

TEST(PackedCodes, BitsBeyondTheMatrixBecomeZeros) {
  for (unsigned bits : {2u, 3u}) {
    const PackedCodes codes{bits, 1, 1, 17, 9};
    const Sizes sizes = sizesOf(codes);
    const std::vector<uint8_t> ones(sizes.file, 0xff);
    std::vector<uint8_t> panel(sizes.panel, 0xee);
    expandCodes(codes, ones.data(), panel.data());
    for (size_t block = 0; block < 4; ++block) // rows 0..15 and 16, columns 0..7 and 8
      for (size_t i = 0; i < 64; ++i) {
        bool row = block < 2 || i < 4;
        uint8_t code = uint8_t(1 << bits), both = uint8_t(code | code << 4);
        EXPECT_EQ(panel[block * 64 + i], !row ? 0 : block % 2 == 0 ? both : i % 4 == 0 ? code : 0) << block << " " << i;
      }
  }
}

/// The bytes that docs/FileFormat.md promises.
TEST(PackedCodes, BitsOfABlock) {
  const PackedCodes codes{3, 4, 1, 16, 8};
  std::vector<uint8_t> panel(64, 0x44), packed(48), clean(48);
  panel[5] = 0x94;  // row 1, column 5: v = 5 in the high nibble of byte 5
  panel[40] = 0x4a; // row 10, column 0: v = 6 in the low nibble of byte 40
  std::string error;
  ASSERT_TRUE(packCodes(codes, panel.data(), packed.data(), error)) << error;
  clean[5] = 1 << 4;        // low bits 01, high nibble of the first half
  clean[40 - 32] |= 2 << 2; // low bits 10, low nibble of the second half
  clean[32 + 5] |= 1 << 4;  // third bit: byte 5 = 16 * 0 + 5, high nibble
  clean[32 + 8] |= 1 << 2;  // third bit: byte 40 = 16 * 2 + 8, low nibble
  EXPECT_EQ(packed, clean);

  const PackedCodes two{2, 6, 1, 16, 8};
  std::fill(panel.begin(), panel.end(), uint8_t(0x66));
  panel[5] = 0x96;
  panel[40] = 0x68;
  packed.assign(32, 0);
  clean.assign(32, 0);
  ASSERT_TRUE(packCodes(two, panel.data(), packed.data(), error)) << error;
  clean[5] = 3 << 4;
  clean[8] = 2 << 2;
  EXPECT_EQ(packed, clean);
}

TEST(PackedCodes, Narrowest) {
  // Nibbles that a matrix has -> bits and base. The base is that of signed codes where it can be.
  struct Case {
    std::vector<unsigned> nibbles;
    unsigned bits, base;
  };
  for (const Case &c : std::vector<Case>{{{7, 8, 9}, 2, 6}, // s2, symmetric
                                         {{6, 9}, 2, 6},    // s2, all of it
                                         {{5, 11}, 3, 4},   // s3, symmetric
                                         {{4, 11}, 3, 4},   // s3, all of it
                                         {{0, 7}, 3, 0},    // unsigned
                                         {{0, 3}, 2, 0},
                                         {{14, 15}, 2, 12}, // the base keeps within a nibble
                                         {{3, 10}, 3, 3},
                                         {{1, 15}, 0, 0}, // s4, symmetric
                                         {{4, 12}, 0, 0},
                                         {{8}, 2, 6}}) {
    std::vector<uint8_t> panel(64);
    for (size_t row = 0; row < 3; ++row)
      for (size_t column = 0; column < 5; ++column)
        panel[row * 4 + column % 4] |= uint8_t(c.nibbles[(row + column) % c.nibbles.size()] << (column < 4 ? 0 : 4));
    PackedCodes codes = narrowestPacking(1, 3, 5, panel.data(), panel.size());
    EXPECT_EQ(codes.bits, c.bits) << c.nibbles[0];
    EXPECT_EQ(codes.base, c.base) << c.nibbles[0];
    panel[4 * 3] = 1; // row 3 is beyond the matrix
    EXPECT_FALSE(narrowestPacking(1, 3, 5, panel.data(), panel.size()).isPacked());
    panel[4 * 3] = 0;
    panel[1] |= 0x10; // so is column 5
    EXPECT_FALSE(narrowestPacking(1, 3, 5, panel.data(), panel.size()).isPacked());
  }
  std::vector<uint8_t> panel(128, 0x88);
  EXPECT_EQ(narrowestPacking(1, 16, 16, panel.data(), 128).bits, 2u);
  EXPECT_FALSE(narrowestPacking(1, 16, 8, panel.data(), 128).isPacked());
  EXPECT_FALSE(narrowestPacking(0, 16, 16, panel.data(), 128).isPacked());
}

TEST(PackedCodes, WhatDoesNotFit) {
  const PackedCodes codes{2, 6, 2, 17, 9};
  std::vector<uint8_t> packed(sizesOf(codes).file);
  auto messageWith = [&](size_t byte, uint8_t value) {
    std::vector<uint8_t> panel = makeNibbles(codes);
    panel[byte] = value;
    std::string error;
    EXPECT_FALSE(packCodes(codes, panel.data(), packed.data(), error));
    return error;
  };
  // Group 1, row 16, column 8: block 4 + 3.
  EXPECT_EQ(messageWith(7 * 64, 0x0a), "nibble 10 at group 1, row 16, column 8: expected 6..9");
  EXPECT_EQ(messageWith(7 * 64, 0x05), "nibble 5 at group 1, row 16, column 8: expected 6..9");
  EXPECT_EQ(messageWith(7 * 64, 0x76),
            "nibble 7 at group 1, row 16, column 12, which is beyond the matrix: expected 0");
  EXPECT_EQ(messageWith(2 * 64 + 5, 0x07),
            "nibble 7 at group 0, row 17, column 1, which is beyond the matrix: expected 0");
}

TEST(PackedCodes, Sizes) {
  auto messageOf = [](PackedCodes codes) {
    uint64_t panel, file;
    std::string error;
    EXPECT_FALSE(packedSizes(codes, panel, file, error));
    return error;
  };
  EXPECT_EQ(messageOf({4, 0, 1, 1, 1}), "codes of 4 bits, expected 2 or 3");
  EXPECT_EQ(messageOf({0, 0, 1, 1, 1}), "codes of 0 bits, expected 2 or 3");
  EXPECT_EQ(messageOf({200, 0, 1, 1, 1}), "codes of 200 bits, expected 2 or 3");
  EXPECT_EQ(messageOf({3, 9, 1, 1, 1}), "codes of 3 bits above 9 do not fit a nibble");
  EXPECT_EQ(messageOf({2, UINT32_MAX, 1, 1, 1}), "codes of 2 bits above 4294967295 do not fit a nibble");
  const int64_t most = INT64_MAX, least = INT64_MIN, many = int64_t(1) << 32;
  for (PackedCodes codes : std::vector<PackedCodes>{{3, 4, 0, 1, 1},
                                                    {3, 4, 1, 0, 1},
                                                    {3, 4, 1, 1, 0},
                                                    {3, 4, 1, -5, 1},
                                                    {3, 4, least, least, least},
                                                    {3, 4, most, most, most},
                                                    {3, 4, 1, most, 1},
                                                    {3, 4, many, 16, 8 * many},
                                                    {3, 4, int64_t(1) << 41, 1, 1}})
    EXPECT_NE(messageOf(codes).find("expected sides of at least 1 and at most 2^46 bytes"), std::string::npos);
  EXPECT_EQ(sizesOf({3, 4, int64_t(1) << 40, 1, 1}).panel, uint64_t(1) << 46);
}

//===----------------------------------------------------------------------===//
// In a file
//===----------------------------------------------------------------------===//

TEST(PackedWeight, FileRoundTrip) {
  const Model m = makePackedModel();
  const std::vector<uint8_t> bytes = makePackedBytes();
  EXPECT_EQ(bytes[8], 3); // an older reader would take the packed bytes for the panel
  EXPECT_EQ(makeBytes()[8], 2);
  Model plain = m;
  plain.weights[2].packed = {};
  std::vector<uint8_t> larger, again;
  std::string error;
  ASSERT_TRUE(serializeArtifact(plain, larger, error)) << error;
  EXPECT_EQ(larger[8], 2);
  const Sizes sizes = sizesOf(m.weights[2].packed);
  EXPECT_EQ(storedBytes(m.weights[2]), sizes.file);
  EXPECT_EQ(sizes.panel - sizes.file, 576u);          // 2 x 3 x 6 blocks of 64 bytes, a quarter of them
  EXPECT_LE(bytes.size(), larger.size() - 576 + 128); // the header has one table more

  const Aligned aligned(bytes);
  Model r;
  ASSERT_TRUE(read(aligned, r, error)) << error;
  const Weight &w = r.weights[2];
  ASSERT_EQ(w.bytes.size(), sizes.panel);
  EXPECT_EQ(std::memcmp(w.bytes.data(), m.weights[2].bytes.data(), sizes.panel), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(w.bytes.data()) % weightAlignment, 0u);
  for (uint64_t i = 0; i < readSlack; ++i) // there, and ours
    EXPECT_EQ(w.bytes.data()[sizes.panel + i], 0);
  EXPECT_TRUE(w.bytes.data() + sizes.panel <= aligned.data || w.bytes.data() >= aligned.data + aligned.size);
  // The others still are where the file is.
  EXPECT_GE(r.weights[1].bytes.data(), aligned.data);
  EXPECT_LT(r.weights[1].bytes.data(), aligned.data + aligned.size);
  ASSERT_TRUE(serializeArtifact(r, again, error)) << error;
  EXPECT_EQ(bytes, again);

  // For looking only: sizes without the expansion.
  Model look;
  ASSERT_TRUE(read(aligned, look, error, /*withCode=*/false)) << error;
  EXPECT_EQ(look.weights[2].bytes.data(), nullptr);
  EXPECT_EQ(look.weights[2].bytes.size(), sizes.panel);
  EXPECT_EQ(storedBytes(look.weights[2]), sizes.file);
}

TEST(PackedWeight, WriterMessages) {
  auto messageOf = [](const std::function<void(Weight &)> &change) {
    Model m = makePackedModel();
    change(m.weights[2]);
    std::vector<uint8_t> bytes;
    std::string error;
    EXPECT_FALSE(serializeArtifact(m, bytes, error));
    EXPECT_TRUE(bytes.empty());
    return error;
  };
  EXPECT_EQ(messageOf([](Weight &w) { w.packed.bits = 4; }),
            "invalid model: weight 2 'codes': codes of 4 bits, expected 2 or 3");
  EXPECT_EQ(messageOf([](Weight &w) { w.packed.rows = 49; }),
            "invalid model: weight 2 'codes' has 2304 bytes, its packed codes fill a panel of 3072");
  EXPECT_EQ(messageOf([](Weight &w) { w.packed.base = 5; }).substr(0, 70),
            "invalid model: weight 'codes' does not fit its packing: nibble 4 at gr");
  EXPECT_NE(messageOf([](Weight &w) { w.packed.columns = 42; }).find("beyond the matrix: expected 0"),
            std::string::npos);
}

namespace {
/// A file of the packed model whose header was changed, with a right digest.
std::string hostile(const std::function<void(schema::Weight *, schema::PackedCodes *, uint8_t *)> &change) {
  Aligned bytes(makePackedBytes());
  const auto *header = schema::GetHeader(bytes.data + sizeof(Preamble));
  const schema::Weight *weight = header->weights()->Get(2);
  change(const_cast<schema::Weight *>(weight), const_cast<schema::PackedCodes *>(weight->packed()), bytes.data);
  uint64_t headerSize;
  std::memcpy(&headerSize, bytes.data + 16, 8);
  Digest d = rootDigest(bytes.data, bytes.data + sizeof(Preamble), headerSize);
  std::memcpy(bytes.data + digestOffset, d.data(), d.size());
  Model m;
  std::string error;
  EXPECT_FALSE(read(bytes, m, error));
  return error;
}
template <typename T, typename Table> void set(Table *table, flatbuffers::voffset_t field, T value) {
  auto *address = reinterpret_cast<const flatbuffers::Table *>(table)->GetAddressOf(field);
  ASSERT_NE(address, nullptr); // a field with its default value is not stored
  std::memcpy(const_cast<uint8_t *>(address), &value, sizeof(T));
}
} // namespace

TEST(PackedWeight, HostileHeaders) {
  using W = schema::Weight;
  using P = schema::PackedCodes;
  const std::string where = "malformed header: weight 2 'codes': ";
  EXPECT_EQ(hostile([](W *, P *p, uint8_t *) { set<uint8_t>(p, P::VT_BITS, 5); }),
            where + "codes of 5 bits, expected 2 or 3");
  EXPECT_EQ(hostile([](W *, P *p, uint8_t *) { set<uint8_t>(p, P::VT_BITS, 0); }),
            where + "codes of 0 bits, expected 2 or 3");
  EXPECT_EQ(hostile([](W *, P *p, uint8_t *) { set<uint8_t>(p, P::VT_BASE, 9); }),
            where + "codes of 3 bits above 9 do not fit a nibble");
  EXPECT_EQ(hostile([](W *, P *p, uint8_t *) { set<int64_t>(p, P::VT_ROWS, -1); }),
            where + "a panel of 2 x -1 x 43 codes, expected sides of at least 1 and at most 2^46 bytes");
  EXPECT_EQ(hostile([](W *, P *p, uint8_t *) { set<int64_t>(p, P::VT_COLUMNS, INT64_MAX); }),
            where +
                "a panel of 2 x 37 x 9223372036854775807 codes, expected sides of at least 1 and at most 2^46 bytes");
  // More than the file has: neither read nor allocated.
  EXPECT_EQ(hostile([](W *, P *p, uint8_t *) { set<int64_t>(p, P::VT_GROUPS, int64_t(1) << 30); }),
            where + "1728 bytes, expected 927712935936 for 1073741824 x 37 x 43 codes of 3 bits");
  EXPECT_EQ(hostile([](W *, P *p, uint8_t *) { set<int64_t>(p, P::VT_ROWS, 49); }),
            where + "1728 bytes, expected 2304 for 2 x 49 x 43 codes of 3 bits");
  EXPECT_EQ(hostile([](W *, P *p, uint8_t *) { set<uint8_t>(p, P::VT_BITS, 2); }),
            where + "1728 bytes, expected 1152 for 2 x 37 x 43 codes of 2 bits");
  EXPECT_EQ(hostile([](W *w, P *, uint8_t *) { set<uint64_t>(w, W::VT_SIZE, 1727); }),
            where + "1727 bytes, expected 1728 for 2 x 37 x 43 codes of 3 bits");
  EXPECT_NE(hostile([](W *w, P *, uint8_t *) {
              set<uint64_t>(w, W::VT_SIZE, UINT64_MAX);
            }).find("not within the weight section"),
            std::string::npos);
  // A file that says it needs nothing of version 3, in both places.
  EXPECT_EQ(hostile([](W *, P *, uint8_t *bytes) {
              bytes[8] = 2;
              set<uint32_t>(const_cast<schema::Header *>(schema::GetHeader(bytes + sizeof(Preamble))),
                            schema::Header::VT_VERSION, 2);
            }),
            where + "packed codes in a file of version 2, which has none");
  EXPECT_EQ(hostile([](W *, P *, uint8_t *bytes) { bytes[8] = 2; }),
            "malformed header: version 3 differs from the preamble's");
}

/// Many weights over the same few bytes of the file would expand to any amount of memory.
TEST(PackedWeight, BytesAreExpandedOnce) {
  Model m = makePackedModel();
  m.weights.push_back(m.weights[2]);
  std::vector<uint8_t> serialized;
  std::string error;
  ASSERT_TRUE(serializeArtifact(m, serialized, error)) << error;
  Aligned bytes(serialized);
  Model r;
  ASSERT_TRUE(read(bytes, r, error)) << error;
  const auto *header = schema::GetHeader(bytes.data + sizeof(Preamble));
  // The section ends behind the first of the two, where the other one points too.
  const schema::Weight *first = header->weights()->Get(2), *second = header->weights()->Get(3);
  set<uint64_t>(const_cast<schema::Weight *>(second), schema::Weight::VT_OFFSET, first->offset());
  for (unsigned i = 0; i < header->sections()->size(); ++i) {
    auto *section = const_cast<schema::Section *>(header->sections()->Get(i));
    if (section->kind() != 0)
      continue;
    set<uint64_t>(section, schema::Section::VT_SIZE, first->offset() + first->size());
    Digest d = sha256(bytes.data + section->offset(), section->size());
    std::memcpy(const_cast<uint8_t *>(section->sha256()->data()), d.data(), d.size());
  }
  uint64_t headerSize;
  std::memcpy(&headerSize, bytes.data + 16, 8);
  Digest d = rootDigest(bytes.data, bytes.data + sizeof(Preamble), headerSize);
  std::memcpy(bytes.data + digestOffset, d.data(), d.size());
  ReadOptions options; // the gap behind the section is not looked at
  EXPECT_FALSE(readArtifact(bytes.data, bytes.size, options, r, error));
  EXPECT_EQ(error,
            "malformed header: weight 3 'codes': packed weights of 3456 bytes in a weight section of 1920: two of "
            "them share bytes");
}

//===----------------------------------------------------------------------===//
// In the runtime
//===----------------------------------------------------------------------===//

TEST(PackedWeight, SeenAndReplaced) {
  const std::vector<uint8_t> bytes = makePackedBytes(), panel = makeNibbles({3, 4, 2, 37, 43});
  const std::string path = temporaryPath("packed.bwm");
  writeFile(path, bytes);
  bw_model *mapped = nullptr, *copied = nullptr, *looked = nullptr;
  ASSERT_EQ(bw_model_load_file(path.c_str(), 0, &mapped), BW_OK) << bw_last_error();
  ASSERT_EQ(bw_model_load_memory(bytes.data(), bytes.size(), 0, &copied), BW_OK) << bw_last_error();
  ASSERT_EQ(bw_model_load_file(path.c_str(), BW_LOAD_NO_CODE, &looked), BW_OK) << bw_last_error();
  const void *data = nullptr;
  size_t size = 0;
  for (bw_model *model : {mapped, copied}) {
    ASSERT_EQ(bw_model_weight(model, 2, nullptr, &data, &size), BW_OK) << bw_last_error();
    ASSERT_EQ(size, panel.size());
    EXPECT_EQ(std::memcmp(data, panel.data(), size), 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
  }
  // Other codes, of 4 bits even: memory holds nibbles.
  std::vector<uint8_t> other = panel;
  other[0] = 0x1f;
  ASSERT_EQ(bw_model_replace_weight(copied, 2, other.data(), other.size()), BW_OK) << bw_last_error();
  ASSERT_EQ(bw_model_weight(copied, 2, nullptr, &data, &size), BW_OK);
  EXPECT_EQ(std::memcmp(data, other.data(), size), 0);
  EXPECT_EQ(bw_model_replace_weight(copied, 2, other.data(), 1728), BW_INVALID_ARGUMENT);
  EXPECT_STREQ(bw_last_error(), "weight 'codes': expected 2304 bytes, found 1728");
  EXPECT_EQ(bw_model_replace_weight(mapped, 2, other.data(), other.size()), BW_UNSUPPORTED);
  // What the file holds is what is reported.
  bw_model_stats stats;
  for (bw_model *model : {mapped, looked}) {
    ASSERT_EQ(bw_model_get_stats(model, &stats), BW_OK);
    EXPECT_EQ(stats.weight_bytes, 12u + 100 + 1728);
  }
  EXPECT_EQ(bw_model_weight(looked, 2, nullptr, nullptr, &size), BW_OK);
  EXPECT_EQ(size, panel.size());
  EXPECT_EQ(bw_model_weight(looked, 2, nullptr, &data, &size), BW_UNSUPPORTED);
  EXPECT_NE(std::string(bw_last_error()).find("load it without that flag"), std::string::npos) << bw_last_error();
  for (bw_model *model : {mapped, copied, looked})
    bw_model_destroy(model);
}
