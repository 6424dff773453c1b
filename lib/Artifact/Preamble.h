//===- Preamble.h - the first 64 bytes of a .bwm file -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/Sha256.h"

namespace bitwright::artifact {

/// Little-endian, at offset 0. The FlatBuffers header follows at offset 64. A FlatBuffer knows neither its own length
/// nor can it hold a digest of itself: that is what the preamble is for.
struct Preamble {
  uint8_t magic[8]; ///< 89 'B' 'W' 'M' 0D 0A 1A 0A: shows a transfer that changed line ends or cut the eighth bit
  uint32_t version;
  uint32_t reserved; ///< 0
  uint64_t headerSize;
  uint64_t fileSize;
  uint8_t digest[32]; ///< SHA-256 of the 32 bytes before it and the header; the header has the digests of all sections
};
static_assert(sizeof(Preamble) == 64, "the preamble is part of the file format");

constexpr uint8_t preambleMagic[8] = {0x89, 'B', 'W', 'M', 0x0d, 0x0a, 0x1a, 0x0a};
constexpr size_t digestOffset = 32;

constexpr uint8_t sectionWeights = 0;
constexpr uint8_t sectionText = 1;
constexpr uint8_t sectionCode = 16;    ///< + level
constexpr uint8_t sectionGpuCode = 32; ///< + 2 * architecture + kind

inline Digest rootDigest(const void *preamble, const void *header, size_t headerSize) {
  Sha256 h;
  h.update(preamble, digestOffset);
  h.update(header, headerSize);
  return h.finish();
}

} // namespace bitwright::artifact
