//===- LinearLayout.cpp - the one layout function --------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Layout/LinearLayout.h"

using namespace bitwright::layout;

static uint32_t combine(const std::vector<uint32_t> &basis, uint32_t value) {
  uint32_t result = 0;
  for (size_t i = 0; i < basis.size(); ++i)
    if (value >> i & 1)
      result ^= basis[i];
  return result;
}

uint32_t LinearLayout::position(uint32_t row, uint32_t column) const {
  return combine(rowBasis, row) ^ combine(columnBasis, column);
}

/// Gaussian elimination over GF(2): every position bit as a combination of input bits.
static bool invert(const LinearLayout &layout, uint32_t position, uint64_t &input) {
  struct Vector {
    uint32_t image;
    uint64_t preimage;
  };
  std::vector<Vector> vectors;
  for (size_t i = 0; i < layout.rowBasis.size(); ++i)
    vectors.push_back({layout.rowBasis[i], uint64_t(1) << i});
  for (size_t i = 0; i < layout.columnBasis.size(); ++i)
    vectors.push_back({layout.columnBasis[i], uint64_t(1) << (32 + i)});
  input = 0;
  for (int bit = 31; bit >= 0; --bit) {
    size_t pivot = 0;
    while (pivot < vectors.size() && !(vectors[pivot].image >> bit & 1))
      ++pivot;
    if (pivot == vectors.size())
      continue;
    Vector p = vectors[pivot];
    vectors.erase(vectors.begin() + long(pivot));
    for (Vector &v : vectors)
      if (v.image >> bit & 1)
        v.image ^= p.image, v.preimage ^= p.preimage;
    if (position >> bit & 1)
      position ^= p.image, input ^= p.preimage;
  }
  return position == 0;
}

void LinearLayout::coordinates(uint32_t position, uint32_t &row, uint32_t &column) const {
  uint64_t input;
  invert(*this, position, input);
  row = uint32_t(input);
  column = uint32_t(input >> 32);
}

bool LinearLayout::isBijection() const {
  uint64_t unused;
  for (uint32_t i = 0; (1u << i) < size(); ++i)
    if (!invert(*this, 1u << i, unused))
      return false;
  uint32_t all = 0;
  for (uint32_t b : rowBasis)
    all |= b;
  for (uint32_t b : columnBasis)
    all |= b;
  return all < size();
}

std::string LinearLayout::toString() const {
  std::string text;
  for (auto [name, basis] : {std::pair("row", &rowBasis), std::pair("column", &columnBasis)})
    for (size_t i = 0; i < basis->size(); ++i)
      text += std::string(name) + " " + std::to_string(1u << i) + " -> " + std::to_string((*basis)[i]) + "\n";
  return text;
}

LinearLayout bitwright::layout::rowMajor(unsigned rowBits, unsigned columnBits) {
  LinearLayout result;
  for (unsigned i = 0; i < columnBits; ++i)
    result.columnBasis.push_back(1u << i);
  for (unsigned i = 0; i < rowBits; ++i)
    result.rowBasis.push_back(1u << (columnBits + i));
  return result;
}

int64_t Packing::elements() const {
  int64_t padded = tileRows() * tile.rows();
  return order == Order::Pitched ? padded * pitch : padded * tileColumns() * tile.columns();
}

int64_t Packing::indexOf(int64_t row, int64_t column) const {
  int64_t height = tile.rows(), width = tile.columns();
  uint32_t position = tile.position(uint32_t(row % height), uint32_t(column % width));
  if (order == Order::Blocked)
    return (row / height * tileColumns() + column / width) * height * width + position;
  return (row / height * height + position / width) * pitch + column / width * width + position % width;
}
