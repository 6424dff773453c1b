//===- Pack.cpp - weights in the order that a GPU reads -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Pack.h"

#include <algorithm>
#include <cstring>
#include <thread>

using namespace bitwright;
using namespace bitwright::artifact;
using layout::Packing;

/// Below this many elements one thread is done before others have started.
static constexpr int64_t elementsWorthAThread = int64_t(1) << 20;
static constexpr unsigned maxPackThreads = 16;

int64_t bitwright::runtime::canonicalElement(const Packing &p, CanonicalOrder order, bool signExtend,
                                             const uint8_t *source, int64_t row, int64_t column) {
  unsigned bits = 8;
  uint64_t value = 0;
  switch (order) {
  case CanonicalOrder::RowMajor: {
    const uint64_t index = uint64_t(row) * uint64_t(p.columns) + uint64_t(column);
    bits = p.bits;
    if (bits == 4)
      value = source[index / 2] >> (index % 2 * 4) & 15;
    else
      for (unsigned b = 0; b < bits / 8; ++b)
        value |= uint64_t(source[index * (bits / 8) + b]) << (8 * b);
    break;
  }
  case CanonicalOrder::PanelBytes:
    value = source[(row / 16 * ((p.columns + 3) / 4) + column / 4) * 64 + row % 16 * 4 + column % 4];
    break;
  case CanonicalOrder::PanelNibbles: {
    const uint8_t byte = source[(row / 16 * ((p.columns + 7) / 8) + column / 8) * 64 + row % 16 * 4 + column % 4];
    value = column % 8 < 4 ? byte & 15 : byte >> 4;
    bits = 4;
    break;
  }
  }
  if (signExtend && bits <= 8 && (value >> (bits - 1) & 1))
    value |= ~uint64_t(0) << bits;
  return int64_t(value);
}

namespace {
/// Packs rows of tiles; threads take disjoint ones.
class Packer {
public:
  Packer(const Packing &p, CanonicalOrder order, bool signExtend, const uint8_t *source, uint8_t *out)
      : p(p), order(order), signExtend(signExtend), source(source), out(out), height(p.tile.rows()),
        width(p.tile.columns()) {
    for (int64_t r = 0; r < height; ++r)
      rowPosition.push_back(p.tile.position(uint32_t(r), 0));
    for (int64_t c = 0; c < width; ++c)
      columnPosition.push_back(p.tile.position(0, uint32_t(c)));
  }

  /// Padding everywhere: tiles then write only the elements that the matrix has. A pitch leaves places between rows
  /// that no tile covers, and has none for the padding of the last tile when it is narrower.
  void fill() const {
    const int64_t elements = p.elements();
    if (p.bits == 4) {
      std::fill_n(out, p.bytes(), uint8_t((p.fill & 15) * 0x11));
      if (elements % 2)
        out[elements / 2] &= 0x0f;
      return;
    }
    for (int64_t i = 0; p.fill != 0 && i < elements; ++i)
      std::memcpy(out + i * (p.bits / 8), &p.fill, p.bits / 8); // little-endian
  }

  void packTileRow(int64_t tileRow) const {
    switch (p.bits) {
    case 4:
      return packTileRow<4>(tileRow);
    case 8:
      return packTileRow<8>(tileRow);
    case 16:
      return packTileRow<16>(tileRow);
    default:
      return packTileRow<32>(tileRow);
    }
  }

private:
  template <unsigned bits> void put(int64_t index, int64_t value) const {
    if (bits == 4) {
      uint8_t &byte = out[index / 2];
      byte = index % 2 ? uint8_t((byte & 0x0f) | (value & 15) << 4) : uint8_t((byte & 0xf0) | (value & 15));
    } else {
      std::memcpy(out + index * (bits / 8), &value, bits / 8); // little-endian
    }
  }

  template <unsigned bits> void packTileRow(int64_t tileRow) const {
    const bool pitched = p.order == Packing::Order::Pitched;
    const int64_t tileColumns = p.tileColumns();
    for (int64_t tileColumn = 0; tileColumn < tileColumns; ++tileColumn) {
      const int64_t rows = std::min(height, p.rows - tileRow * height);
      const int64_t columns = std::min(width, p.columns - tileColumn * width);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
          const int64_t position = int64_t(rowPosition[size_t(r)] ^ columnPosition[size_t(c)]);
          const int64_t index =
              pitched ? (tileRow * height + position / width) * p.pitch + tileColumn * width + position % width
                      : (tileRow * tileColumns + tileColumn) * height * width + position;
          put<bits>(index, runtime::canonicalElement(p, order, signExtend, source, tileRow * height + r,
                                                     tileColumn * width + c) +
                               p.bias);
        }
    }
  }

  const Packing &p;
  const CanonicalOrder order;
  const bool signExtend;
  const uint8_t *const source;
  uint8_t *const out;
  const int64_t height, width;
  std::vector<uint32_t> rowPosition, columnPosition;
};
} // namespace

std::vector<uint8_t> bitwright::runtime::packWeight(const Packing &p, CanonicalOrder order, bool signExtend,
                                                    const uint8_t *source) {
  std::vector<uint8_t> out(size_t(p.bytes()));
  const Packer packer(p, order, signExtend, source, out.data());
  packer.fill();
  const int64_t tileRows = p.tileRows();
  // Rows of tiles share no byte, except where an odd pitch of nibbles lets two rows meet within one.
  const bool shared = p.bits == 4 && p.order == Packing::Order::Pitched && p.pitch % 2 != 0;
  const int64_t most = std::min<int64_t>({int64_t(std::thread::hardware_concurrency()), int64_t(maxPackThreads),
                                          tileRows, p.elements() / elementsWorthAThread});
  const int64_t threads = shared ? 1 : std::max<int64_t>(most, 1);
  std::vector<std::thread> workers;
  auto work = [&](int64_t thread) {
    for (int64_t t = thread; t < tileRows; t += threads)
      packer.packTileRow(t);
  };
  for (int64_t t = 1; t < threads; ++t)
    workers.emplace_back(work, t);
  work(0);
  for (std::thread &w : workers)
    w.join();
  return out;
}
