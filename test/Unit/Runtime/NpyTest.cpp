//===- NpyTest.cpp - NumPy files, zip, DEFLATE -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Formats/Npy.h"
#include "TestModel.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

using namespace bitwright::formats;
using namespace bitwright::test;

static NpyArray array(char kind, unsigned size, std::vector<int64_t> shape, std::vector<uint8_t> data) {
  NpyArray a;
  a.kind = kind;
  a.itemSize = size;
  a.shape = std::move(shape);
  a.data = std::move(data);
  return a;
}

static std::vector<uint8_t> npy(const std::string &header, const std::vector<uint8_t> &data) {
  std::vector<uint8_t> bytes = {
      0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, uint8_t(header.size()), uint8_t(header.size() >> 8)};
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

TEST(Npy, RoundTrip) {
  for (const NpyArray &a : {array('f', 4, {2, 3}, std::vector<uint8_t>(24, 5)), array('i', 1, {3}, {1, 2, 255}),
                            array('b', 1, {}, {1}), array('u', 8, {0, 4}, {})}) {
    std::vector<uint8_t> bytes = formatNpy(a);
    EXPECT_EQ((bytes.size() - a.data.size()) % 64, 0u);
    NpyArray r;
    std::string error;
    ASSERT_TRUE(parseNpy(bytes.data(), bytes.size(), r, error)) << error;
    EXPECT_EQ(r.typeText(), a.typeText());
    EXPECT_EQ(r.shape, a.shape);
    EXPECT_EQ(r.data, a.data);
    std::string path = temporaryPath("a.npy");
    ASSERT_TRUE(writeNpy(path, a, error)) << error;
    ASSERT_TRUE(readNpy(path, r, error)) << error;
    EXPECT_EQ(r.data, a.data);
  }
}

TEST(Npy, FortranOrder) {
  std::vector<uint8_t> bytes = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", {1, 4, 2, 5, 3, 6});
  NpyArray a;
  std::string error;
  ASSERT_TRUE(parseNpy(bytes.data(), bytes.size(), a, error)) << error;
  EXPECT_EQ(a.data, (std::vector<uint8_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, Messages) {
  auto refused = [](const std::vector<uint8_t> &bytes, const char *expected) {
    NpyArray a;
    std::string error;
    EXPECT_FALSE(parseNpy(bytes.data(), bytes.size(), a, error));
    EXPECT_NE(error.find(expected), std::string::npos) << error;
  };
  refused({1, 2, 3}, "the signature is missing");
  refused({0x93, 'N', 'U', 'M', 'P', 'Y', 9, 0, 0, 0}, "version 9 found");
  refused({0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 200, 0}, "truncated .npy header");
  refused({0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, 200, 0}, "truncated .npy header");
  refused(npy("{'descr': '<f4', 'shape': (1,)}", {0, 0, 0, 0}), "malformed .npy header");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': 3}", {}), "malformed .npy header");
  refused(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", {0, 0, 0, 0}),
          "element type '>f4' is not supported");
  refused(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", {}), "element type '|O' is not supported");
  refused(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", {}), "element type '<c8' is not supported");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", {0, 0, 0, 0}),
          "announces 8 bytes of elements, found 4");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", {}), "overflows");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", {}),
          "malformed .npy header");
  NpyArray a;
  std::string error;
  EXPECT_FALSE(readNpy(temporaryPath("none.npy"), a, error));
  EXPECT_NE(error.find("none.npy"), std::string::npos);
  EXPECT_FALSE(writeNpy(temporaryPath("no/such.npy"), a, error));
  EXPECT_NE(error.find("such.npy"), std::string::npos);
}

TEST(Npz, RoundTrip) {
  std::vector<NamedArray> arrays = {{"x", array('f', 4, {2}, {0, 0, 128, 63, 0, 0, 0, 64})},
                                    {"a/b", array('i', 8, {0}, {})}};
  std::string path = temporaryPath("r.npz"), error;
  ASSERT_TRUE(writeNpz(path, arrays, error)) << error;
  std::vector<NamedArray> r;
  ASSERT_TRUE(readNpz(path, r, error)) << error;
  ASSERT_EQ(r.size(), 2u);
  EXPECT_EQ(r[0].name, "x");
  EXPECT_EQ(r[0].array.data, arrays[0].array.data);
  EXPECT_EQ(r[1].name, "a/b");
  ASSERT_TRUE(writeNpz(path, {}, error)) << error;
  ASSERT_TRUE(readNpz(path, r, error)) << error;
  EXPECT_TRUE(r.empty());
}

TEST(Npz, DamageIsNamed) {
  std::vector<uint8_t> data(3000);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = uint8_t(i * 7);
  std::string path = temporaryPath("d.npz"), error;
  ASSERT_TRUE(writeNpz(path, {{"x", array('u', 1, {3000}, data)}}, error)) << error;
  const std::vector<uint8_t> good = readFile(path);
  auto damaged = [&](const std::function<void(std::vector<uint8_t> &)> &change) {
    std::vector<uint8_t> bytes = good;
    change(bytes);
    writeFile(path, bytes);
    std::vector<NamedArray> r;
    std::string text;
    EXPECT_FALSE(readNpz(path, r, text));
    EXPECT_NE(text.find("d.npz"), std::string::npos) << text;
    return text;
  };
  EXPECT_NE(damaged([](auto &b) { b[1000] ^= 1; }).find("member 'x': the CRC-32"), std::string::npos);
  EXPECT_NE(damaged([](auto &b) { b.resize(b.size() - 30); }).find("truncated"), std::string::npos);
  EXPECT_NE(damaged([](auto &b) { b[0] = 'X'; }).find("malformed local header"), std::string::npos);
  const size_t directory = good.size() - 22 - 46 - 5;
  EXPECT_NE(damaged([&](auto &b) { b[directory] = 'X'; }).find("malformed zip directory"), std::string::npos);
  EXPECT_NE(damaged([&](auto &b) { b[directory + 10] = 12; }).find("compression method 12"), std::string::npos);
  EXPECT_NE(damaged([&](auto &b) { b[directory + 8] |= 1; }).find("encrypted"), std::string::npos);
  EXPECT_NE(damaged([&](auto &b) {
              b[directory + 23] = 0x7f;
              b[directory + 27] = 0x7f;
            }).find("outside the file"),
            std::string::npos);
  EXPECT_NE(damaged([&](auto &b) {
              b[directory + 10] = 8;
              b[directory + 27] = 0x7f;
            }).find("announces"),
            std::string::npos);
  EXPECT_NE(damaged([&](auto &b) { b[directory + 10] = 8; }).find("compressed data are corrupt"), std::string::npos);
  // No single changed byte may crash; most are refused.
  for (size_t i = 0; i < good.size(); ++i)
    for (uint8_t value : {0x00, 0xff}) {
      std::vector<uint8_t> bytes = good;
      bytes[i] = value;
      std::string text;
      if (std::unique_ptr<NpzFile> file = NpzFile::parse(bytes.data(), bytes.size(), text))
        for (size_t k = 0; k < file->size(); ++k) {
          NpyArray a;
          file->read(k, a, text);
        }
    }
}

TEST(Inflate, KnownStreams) {
  auto inflated = [](const std::vector<uint8_t> &packed, size_t size) {
    std::vector<uint8_t> plain(size);
    return inflate(packed.data(), packed.size(), plain.data(), size) ? std::string(plain.begin(), plain.end())
                                                                     : std::string("<refused>");
  };
  // Made with zlib: raw streams of "hello hello hello hello" with fixed codes, and "abc" stored.
  const std::vector<uint8_t> fixed = {0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0x01};
  EXPECT_EQ(inflated(fixed, 23), "hello hello hello hello");
  EXPECT_EQ(inflated(fixed, 22), "<refused>");
  EXPECT_EQ(inflated(fixed, 24), "<refused>");
  // With a code table of its own: "abracadabra" six times, the alphabet twice, a pangram.
  const std::vector<uint8_t> dynamic = {
      0x9d, 0xc9, 0xb7, 0x11, 0x80, 0x40, 0x0c, 0x00, 0xc1, 0x56, 0xd4, 0x9a, 0x78, 0x6f, 0xf5, 0xde, 0x55, 0x0f, 0x14,
      0x40, 0x42, 0x74, 0x37, 0xb3, 0x78, 0x15, 0x64, 0xc8, 0xf1, 0x09, 0xfe, 0x5d, 0xc6, 0x85, 0x54, 0xda, 0x58, 0xe7,
      0x43, 0xa4, 0x94, 0x4b, 0x6d, 0x7d, 0xcc, 0xb5, 0xcf, 0xb7, 0x34, 0x2d, 0x20, 0x77, 0xc3, 0x1c, 0x5c, 0x85, 0x66,
      0x04, 0x49, 0x0b, 0x6c, 0x0f, 0xa9, 0x02, 0x0d, 0x51, 0xe0, 0x65, 0x8f, 0x67, 0x03, 0x27, 0x75, 0x03};
  std::string text;
  for (int i = 0; i < 6; ++i)
    text += "abracadabra";
  text += "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzthe quick brown fox jumps over the lazy dog";
  EXPECT_EQ(dynamic[0] >> 1 & 3, 2);
  EXPECT_EQ(inflated(dynamic, text.size()), text);
  const std::vector<uint8_t> stored = {0x01, 0x03, 0x00, 0xfc, 0xff, 'a', 'b', 'c'};
  EXPECT_EQ(inflated(stored, 3), "abc");
  for (size_t cut = 0; cut < fixed.size() - 1; ++cut)
    EXPECT_EQ(inflated({fixed.begin(), fixed.begin() + long(cut)}, 23), "<refused>") << cut;
  EXPECT_EQ(inflated({0x07}, 3), "<refused>");                                        // block type 3
  EXPECT_EQ(inflated({0x01, 0x03, 0x00, 0xfb, 0xff, 'a', 'b', 'c'}, 3), "<refused>"); // length and complement disagree
}

TEST(Inflate, NeverCrashes) {
  uint64_t state = 1;
  std::vector<uint8_t> packed(200), plain(5000);
  unsigned accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    for (uint8_t &b : packed) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      b = uint8_t(state >> 56);
    }
    packed[0] = uint8_t((packed[0] & ~6) | (round % 3 == 0 ? 2 : 4)); // fixed and dynamic codes
    accepted += inflate(packed.data(), packed.size(), plain.data(), plain.size());
  }
  EXPECT_LT(accepted, 100u);
}

TEST(Crc32, CheckValue) {
  EXPECT_EQ(crc32("123456789", 9), 0xcbf43926u); // the check value of CRC-32/ISO-HDLC
  EXPECT_EQ(crc32("", 0), 0u);
}
