//===- PackTest.cpp - weights in the order that a GPU reads -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Pack.h"

#include <gtest/gtest.h>
#include <random>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;
using layout::Packing;

/// A random bijective layout: a random invertible matrix over GF(2), by elementary operations on the identity.
static layout::LinearLayout randomLayout(unsigned rowBits, unsigned columnBits, std::mt19937 &random) {
  std::vector<uint32_t> basis;
  for (unsigned i = 0; i < rowBits + columnBits; ++i)
    basis.push_back(1u << i);
  for (unsigned i = 0; i < 40 && basis.size() > 1; ++i) {
    const size_t a = random() % basis.size(), b = random() % basis.size();
    if (a != b)
      basis[a] ^= basis[b];
  }
  layout::LinearLayout l;
  l.rowBasis.assign(basis.begin(), basis.begin() + rowBits);
  l.columnBasis.assign(basis.begin() + rowBits, basis.end());
  return l;
}

TEST(Pack, EqualsTheLayoutFunction) {
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) {
    Packing p;
    p.rows = 1 + int64_t(random() % 70);
    p.columns = 1 + int64_t(random() % 90);
    const CanonicalOrder order = CanonicalOrder(random() % 3);
    const unsigned widths[] = {4, 8, 16, 32};
    p.bits = widths[random() % (order == CanonicalOrder::RowMajor ? 4 : 2)];
    p.bias = int64_t(random() % 17) - 8;
    p.fill = int64_t(random() % 16);
    p.tile = randomLayout(random() % 5, random() % 6, random);
    if (random() % 3 == 0) {
      p.order = Packing::Order::Pitched;
      p.pitch = p.tileColumns() * p.tile.columns() + int64_t(random() % 9);
    }
    const bool isSigned = random() % 2;
    uint64_t bytes;
    ASSERT_TRUE(canonicalBytes(p, order, bytes));
    std::vector<uint8_t> source(bytes);
    for (uint8_t &b : source)
      b = uint8_t(random());
    auto at = [&](int64_t r, int64_t c) { return canonicalElement(p, order, isSigned, source.data(), r, c); };
    ASSERT_EQ(packWeight(p, order, isSigned, source.data()), layout::pack(p, at)) << i;
  }
}

TEST(Pack, LargeMatricesTakeSeveralThreads) {
  std::mt19937 random(6);
  Packing p;
  p.rows = 3001;
  p.columns = 1500;
  p.bits = 4;
  p.bias = 8;
  p.tile = randomLayout(5, 7, random);
  uint64_t bytes;
  ASSERT_TRUE(canonicalBytes(p, CanonicalOrder::PanelNibbles, bytes));
  std::vector<uint8_t> source(bytes);
  for (uint8_t &b : source)
    b = uint8_t(random());
  auto at = [&](int64_t r, int64_t c) {
    return canonicalElement(p, CanonicalOrder::PanelNibbles, true, source.data(), r, c);
  };
  EXPECT_EQ(packWeight(p, CanonicalOrder::PanelNibbles, true, source.data()), layout::pack(p, at));
}

TEST(Pack, CanonicalOrders) {
  Packing p;
  p.rows = 20;
  p.columns = 12;
  std::vector<uint8_t> source(2 * 3 * 64);
  // [rows/16][columns/4][16][4]: row 17, column 6 is panel 1, step 1, lane 1, byte 2.
  source[(1 * 3 + 1) * 64 + 1 * 4 + 2] = 0x83;
  EXPECT_EQ(canonicalElement(p, CanonicalOrder::PanelBytes, true, source.data(), 17, 6), 0x83 - 256);
  EXPECT_EQ(canonicalElement(p, CanonicalOrder::PanelBytes, false, source.data(), 17, 6), 0x83);
  // [rows/16][columns/8][16][4 bytes]: row 17, columns 1 and 5 share byte 1; the low nibble is column 1.
  std::vector<uint8_t> nibbles(2 * 2 * 64);
  nibbles[(1 * 2 + 0) * 64 + 1 * 4 + 1] = 0x7c;
  EXPECT_EQ(canonicalElement(p, CanonicalOrder::PanelNibbles, true, nibbles.data(), 17, 1), -4);
  EXPECT_EQ(canonicalElement(p, CanonicalOrder::PanelNibbles, false, nibbles.data(), 17, 1), 12);
  EXPECT_EQ(canonicalElement(p, CanonicalOrder::PanelNibbles, true, nibbles.data(), 17, 5), 7);
  // Row-major nibbles: the low one first.
  p.bits = 4;
  p.columns = 3;
  const uint8_t rows[] = {0x21, 0x43};
  EXPECT_EQ(canonicalElement(p, CanonicalOrder::RowMajor, true, rows, 0, 2), 3);
  EXPECT_EQ(canonicalElement(p, CanonicalOrder::RowMajor, true, rows, 1, 0), 4);
  // Sizes, and what has none.
  uint64_t bytes;
  ASSERT_TRUE(canonicalBytes(p, CanonicalOrder::RowMajor, bytes));
  EXPECT_EQ(bytes, 30u);
  ASSERT_TRUE(canonicalBytes(p, CanonicalOrder::PanelNibbles, bytes));
  EXPECT_EQ(bytes, 128u);
  p.rows = int64_t(1) << 31;
  EXPECT_FALSE(canonicalBytes(p, CanonicalOrder::RowMajor, bytes));
}
