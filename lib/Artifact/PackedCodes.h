//===- PackedCodes.h - panels of 4-bit codes, stored in 2 or 3 bits -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Kernels read codes of up to 4 bits as nibble panels [group][rows/16][columns/8][16][4 bytes]: byte j of a row's four
// has column j of the eight in its low and column 4 + j in its high nibble; places beyond the matrix are 0. Where the
// nibbles of a matrix span at most 2 or 3 bits, the file holds them so and the loader expands them. A block of 64 panel
// bytes p[0..63], whose nibbles are base + v with v of `bits` bits, is stored as 16 * bits bytes:
//
//   l[0..31]  bits 0 and 1 of v: those of p[i]'s low nibble at bits 0, 1 of l[i], of its high nibble at 4, 5;
//             p[32 + i]'s at bits 2, 3 and 6, 7
//   h[0..15]  bit 2 of v (3 bits only): that of p[16 q + i]'s low nibble at bit q of h[i], of its high nibble at 4 + q
//
// so that expanding is a shift, a mask and an addition of bytes whatever the width of the machine's vectors. Places
// beyond the matrix have v = 0 and become 0 again.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <string>

namespace bitwright::artifact {

/// How the file holds a weight that is a nibble panel. `bits` 0: byte by byte, and nothing else counts.
struct PackedCodes {
  uint32_t bits = 0; ///< 2 or 3
  uint32_t base = 0; ///< nibble = base + v, at most 15
  int64_t groups = 0, rows = 0, columns = 0;

  bool isPacked() const { return bits != 0; }
};

/// Bytes of the panel and of its packed form. False, with what was expected and found, for values that make no sense or
/// sizes beyond 2^46.
bool packedSizes(const PackedCodes &codes, uint64_t &panelBytes, uint64_t &fileBytes, std::string &error);

/// The fewest bits and a base for a nibble panel of groups x rows x columns: `bits` 0 where 4 are needed, or where
/// `panel` (of `size` bytes) is no such panel.
PackedCodes narrowestPacking(int64_t groups, int64_t rows, int64_t columns, const uint8_t *panel, uint64_t size);

/// Panel to file. False, with the place, where a nibble is outside base .. base + 2^bits - 1, or is not 0 beyond the
/// matrix: expanding would not give it back. The sizes are those of `packedSizes`, which holds.
bool packCodes(const PackedCodes &codes, const uint8_t *panel, uint8_t *packed, std::string &error);

/// File to panel.
void expandCodes(const PackedCodes &codes, const uint8_t *packed, uint8_t *panel);

} // namespace bitwright::artifact
