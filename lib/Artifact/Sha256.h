//===- Sha256.h - SHA-256 (FIPS 180-4) -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bitwright::artifact {

using Digest = std::array<uint8_t, 32>;

/// Incremental SHA-256. Uses the SHA extensions where the host has them: about 2 GB/s against 0.4 GB/s, which is the
/// difference between a file check that a cold start notices and one that it does not.
class Sha256 {
public:
  Sha256();
  void update(const void *data, size_t size);
  Digest finish();

private:
  uint32_t state[8];
  uint8_t block[64];
  size_t pending = 0;
  uint64_t total = 0;
  void (*compress)(uint32_t *state, const uint8_t *data, size_t blocks);
};

inline Digest sha256(const void *data, size_t size) {
  Sha256 h;
  h.update(data, size);
  return h.finish();
}

/// The two implementations, for their test. `sha256HasHardware` is false where the host lacks the instructions.
void sha256CompressPortable(uint32_t *state, const uint8_t *data, size_t blocks);
void sha256CompressHardware(uint32_t *state, const uint8_t *data, size_t blocks);
bool sha256HasHardware();

} // namespace bitwright::artifact
