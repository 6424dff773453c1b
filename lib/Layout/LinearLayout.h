//===- LinearLayout.h - the one layout function ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A layout is a linear map over GF(2) from the bits of (row, column) inside a tile to the bits of a position, in the
// manner of Triton's linear layouts. Weight packers (in the compiler, and in the runtime at upload), kernel generators
// and tests all take it from here: whoever packs and whoever reads cannot disagree. Plain C++17, no LLVM.
//
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_LAYOUT_LINEARLAYOUT_H
#define BITWRIGHT_LIB_LAYOUT_LINEARLAYOUT_H

#include <cstdint>
#include <string>
#include <vector>

namespace bitwright::layout {

/// position(row, column) = XOR of rowBasis[i] over the set bits i of row and columnBasis[i] over those of column.
struct LinearLayout {
  std::vector<uint32_t> rowBasis, columnBasis;

  uint32_t rows() const { return 1u << rowBasis.size(); }
  uint32_t columns() const { return 1u << columnBasis.size(); }
  uint32_t size() const { return rows() * columns(); }
  uint32_t position(uint32_t row, uint32_t column) const;
  /// The (row, column) of a position. Only for layouts that are bijections onto [0, size()).
  void coordinates(uint32_t position, uint32_t &row, uint32_t &column) const;
  /// Every position below size() is taken once.
  bool isBijection() const;
  /// One line a basis bit: "row 1 -> lane 4 | reg 2" needs names of the position's bits; see describe().
  std::string toString() const;
};

/// A row-major tile: position = row * columns + column.
LinearLayout rowMajor(unsigned rowBits, unsigned columnBits);

/// How a constant matrix of `rows` x `columns` elements (as the file keeps it, any canonical order) lies in the memory
/// that a kernel reads. Element (r, c) is stored as the low `bits` bits of value + bias, where `fill` stands for
/// elements beyond the matrix (already with the bias).
///   blocked: tiles of layout.rows() x layout.columns() elements, one after the other, row of tiles by row of tiles;
///            inside a tile at layout.position(r, c), 4-bit elements two a byte, low nibble first
///   pitched: the low log2(layout.columns()) bits of the position are the column inside the tile, the others the row;
///            element at (tile row * layout.rows() + row) * pitch + tile column * layout.columns() + column
struct Packing {
  enum class Order : uint8_t { Blocked = 0, Pitched = 1 };
  int64_t rows = 0, columns = 0;
  unsigned bits = 8; ///< 4, 8, 16 or 32
  int64_t bias = 0, fill = 0;
  Order order = Order::Blocked;
  int64_t pitch = 0; ///< elements; pitched only
  LinearLayout tile;

  int64_t tileRows() const { return (rows + tile.rows() - 1) / tile.rows(); }
  int64_t tileColumns() const { return (columns + tile.columns() - 1) / tile.columns(); }
  /// Elements stored, padding included.
  int64_t elements() const;
  int64_t bytes() const { return (elements() * bits + 7) / 8; }
  /// Number of the stored element that holds (row, column).
  int64_t indexOf(int64_t row, int64_t column) const;
};

/// The packed bytes. `at(row, column)` gives the value of an element (for floats: its bit pattern, with bias 0).
template <typename At> std::vector<uint8_t> pack(const Packing &packing, At at) {
  std::vector<uint8_t> out(size_t(packing.bytes()));
  auto put = [&](int64_t index, uint64_t value) {
    if (packing.bits == 4) {
      uint8_t &byte = out[size_t(index / 2)];
      byte = index % 2 ? uint8_t((byte & 0x0f) | (value & 15) << 4) : uint8_t((byte & 0xf0) | (value & 15));
      return;
    }
    for (unsigned b = 0; b < packing.bits / 8; ++b)
      out[size_t(index) * (packing.bits / 8) + b] = uint8_t(value >> (8 * b));
  };
  // The padding first: with a pitch below the padded width some of it has no place of its own.
  for (int64_t index = 0; packing.fill && index < packing.elements(); ++index)
    put(index, uint64_t(packing.fill));
  for (int64_t r = 0; r < packing.rows; ++r)
    for (int64_t c = 0; c < packing.columns; ++c)
      put(packing.indexOf(r, c), uint64_t(int64_t(at(r, c)) + packing.bias));
  return out;
}

} // namespace bitwright::layout

#endif
