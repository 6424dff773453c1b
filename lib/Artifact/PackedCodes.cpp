//===- PackedCodes.cpp - panels of 4-bit codes, stored in 2 or 3 bits -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/PackedCodes.h"

#include <algorithm>
#include <cstring>

using namespace bitwright::artifact;

namespace {
constexpr int64_t lanes = 16, stepColumns = 8, blockBytes = 64;
constexpr uint64_t maxPanelBytes = uint64_t(1) << 46;

int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

/// The nibbles of a block that belong to the matrix: all of the first `rows` lanes' first `columns`.
struct Block {
  int64_t offset = 0; ///< in the panel
  int64_t group = 0, row = 0, column = 0;
  int64_t rows = 0, columns = 0;
  bool whole() const { return rows == lanes && columns == stepColumns; }
};

/// Calls f(block) for each of them in order until it returns false.
template <typename F> bool forEachBlock(const PackedCodes &codes, F f) {
  Block b;
  for (b.group = 0; b.group < codes.groups; ++b.group)
    for (b.row = 0; b.row < codes.rows; b.row += lanes)
      for (b.column = 0; b.column < codes.columns; b.column += stepColumns, b.offset += blockBytes) {
        b.rows = std::min(lanes, codes.rows - b.row);
        b.columns = std::min(stepColumns, codes.columns - b.column);
        if (!f(b))
          return false;
      }
  return true;
}

/// Which nibbles of byte i of a block are places of the matrix, as a mask.
uint8_t maskOf(const Block &b, int64_t i) {
  if (i / 4 >= b.rows)
    return 0;
  return uint8_t((i % 4 < b.columns ? 0x0f : 0) | (4 + i % 4 < b.columns ? 0xf0 : 0));
}

/// Eight bytes at a time, whatever their order: no bit leaves its byte (base + v <= 15, masks behind the shifts).
template <bool ThreeBits> void expandBlocks(const uint8_t *packed, uint8_t *panel, uint64_t blocks, uint8_t base) {
  constexpr uint64_t ones = 0x0101010101010101;
  for (uint64_t n = 0; n < blocks; ++n, packed += ThreeBits ? 48 : 32, panel += blockBytes) {
    uint64_t words[6] = {}, out[8];
    std::memcpy(words, packed, ThreeBits ? 48 : 32);
    for (int i = 0; i < 8; ++i) {
      uint64_t v = words[i % 4] >> (i / 4 * 2) & 0x33 * ones;
      if (ThreeBits)
        v |= (words[4 + i % 2] >> (i / 2) & 0x11 * ones) << 2;
      out[i] = v + base * ones;
    }
    std::memcpy(panel, out, blockBytes);
  }
}
} // namespace

bool bitwright::artifact::packedSizes(const PackedCodes &codes, uint64_t &panelBytes, uint64_t &fileBytes,
                                      std::string &error) {
  if (codes.bits != 2 && codes.bits != 3) {
    error = "codes of " + std::to_string(codes.bits) + " bits, expected 2 or 3";
    return false;
  }
  if (codes.base + (uint64_t(1) << codes.bits) > 16) {
    error =
        "codes of " + std::to_string(codes.bits) + " bits above " + std::to_string(codes.base) + " do not fit a nibble";
    return false;
  }
  uint64_t bytes = blockBytes;
  bool fits = codes.groups > 0 && codes.rows > 0 && codes.columns > 0;
  for (int64_t factor : {codes.groups, ceilDiv(codes.rows, lanes), ceilDiv(codes.columns, stepColumns)})
    fits = fits && !__builtin_mul_overflow(bytes, uint64_t(factor), &bytes) && bytes <= maxPanelBytes;
  if (!fits) {
    error = "a panel of " + std::to_string(codes.groups) + " x " + std::to_string(codes.rows) + " x " +
            std::to_string(codes.columns) + " codes, expected sides of at least 1 and at most 2^46 bytes";
    return false;
  }
  panelBytes = bytes;
  fileBytes = bytes / 4 * codes.bits;
  return true;
}

PackedCodes bitwright::artifact::narrowestPacking(int64_t groups, int64_t rows, int64_t columns, const uint8_t *panel,
                                                  uint64_t size) {
  PackedCodes codes{3, 0, groups, rows, columns};
  uint64_t panelBytes, fileBytes;
  std::string error;
  if (!packedSizes(codes, panelBytes, fileBytes, error) || panelBytes != size)
    return {};
  unsigned seen = 0; // a bit a value
  bool isPanel = forEachBlock(codes, [&](const Block &b) {
    for (int64_t i = 0; i < blockBytes; ++i) {
      uint8_t byte = panel[b.offset + i], mask = b.whole() ? 0xff : maskOf(b, i);
      if (byte & ~mask)
        return false;
      seen |= (mask & 0x0f ? 1u << (byte & 15) : 0) | (mask & 0xf0 ? 1u << (byte >> 4) : 0);
    }
    return true;
  });
  if (!isPanel)
    return {};
  unsigned low = 0, high = 15;
  while (!(seen >> low & 1))
    ++low;
  while (!(seen >> high & 1))
    --high;
  for (unsigned bits : {2u, 3u}) {
    // The range around 8, where signed codes have their zero, if it will do: the same base for all layers of a format.
    unsigned values = 1u << bits, centred = 8 - values / 2;
    if (high - low < values) {
      codes.bits = bits;
      codes.base = low >= centred && high < centred + values ? centred : std::min(low, 16 - values);
      return codes;
    }
  }
  return {};
}

bool bitwright::artifact::packCodes(const PackedCodes &codes, const uint8_t *panel, uint8_t *packed,
                                    std::string &error) {
  const unsigned packedBlock = 16 * codes.bits;
  return forEachBlock(codes, [&](const Block &b) {
    uint8_t *to = packed + b.offset / blockBytes * packedBlock;
    std::memset(to, 0, packedBlock);
    for (int64_t i = 0; i < blockBytes; ++i)
      for (int64_t half = 0; half < 2; ++half) {
        unsigned nibble = panel[b.offset + i] >> (4 * half) & 15, v = nibble - codes.base;
        bool inside = maskOf(b, i) >> (4 * half) & 1;
        if (inside ? v >> codes.bits : nibble) {
          error = "nibble " + std::to_string(nibble) + " at group " + std::to_string(b.group) + ", row " +
                  std::to_string(b.row + i / 4) + ", column " + std::to_string(b.column + i % 4 + 4 * half) +
                  (inside ? ": expected " + std::to_string(codes.base) + ".." +
                                std::to_string(codes.base + (1u << codes.bits) - 1)
                          : ", which is beyond the matrix: expected 0");
          return false;
        }
        if (!inside)
          continue;
        to[i % 32] |= uint8_t((v & 3) << (4 * half + i / 32 * 2));
        if (codes.bits == 3)
          to[32 + i % 16] |= uint8_t((v >> 2) << (4 * half + i / 16));
      }
    return true;
  });
}

void bitwright::artifact::expandCodes(const PackedCodes &codes, const uint8_t *packed, uint8_t *panel) {
  const int64_t panels = codes.groups * ceilDiv(codes.rows, lanes), steps = ceilDiv(codes.columns, stepColumns);
  const uint8_t base = uint8_t(codes.base * 0x11);
  (codes.bits == 3 ? expandBlocks<true> : expandBlocks<false>)(packed, panel, uint64_t(panels * steps), base);
  if (codes.rows % lanes == 0 && codes.columns % stepColumns == 0)
    return;
  // What lies beyond the matrix: the last step of each panel, and all steps of a group's last one.
  const int64_t panelsOfGroup = ceilDiv(codes.rows, lanes);
  Block b;
  for (int64_t p = 0; p < panels; ++p) {
    b.rows = std::min(lanes, codes.rows - p % panelsOfGroup * lanes);
    for (int64_t s = b.rows < lanes ? 0 : steps - 1; s < steps; ++s) {
      b.columns = std::min(stepColumns, codes.columns - s * stepColumns);
      uint8_t *block = panel + (p * steps + s) * blockBytes;
      for (int64_t i = 0; i < blockBytes; ++i)
        block[i] &= maskOf(b, i);
    }
  }
}
