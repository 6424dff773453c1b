//===- Half.h - f16 and bf16 storage (F5) ----------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// INTEGER F5: 16-bit floats are storage only: widening is exact, storing rounds to nearest even, arithmetic is float32.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_NUMERICS_HALF_H
#define BITWRIGHT_LIB_NUMERICS_HALF_H

#include <cstdint>
#include <cstring>

namespace bitwright {
namespace numerics {

inline uint32_t floatBits(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return u;
}
inline float floatFromBits(uint32_t u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

/// bfloat16: the upper half of a float32, rounded to nearest even. NaN stays a (quiet) NaN.
inline uint16_t bfloat16FromFloat(float f) {
  uint32_t u = floatBits(f);
  if ((u & 0x7fffffffu) > 0x7f800000u)
    return uint16_t((u >> 16) | 0x40);
  return uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
inline float floatFromBfloat16(uint16_t h) { return floatFromBits(uint32_t(h) << 16); }

/// IEEE half, rounded to nearest even; overflow gives infinity, NaN stays a (quiet) NaN.
inline uint16_t halfFromFloat(float f) {
  uint32_t u = floatBits(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
  if (a > 0x7f800000u)
    return uint16_t(sign | 0x7e00 | ((a >> 13) & 0x3ff));
  if (a >= 0x477ff000u) // from halfway between 65504 and 65536 on
    return uint16_t(sign | 0x7c00);
  if (a < 0x38800000u) {
    // Below the smallest normal half: adding 1/2 aligns the unit of the sum with the subnormal step 2^-24.
    float shifted = floatFromBits(a) + 0.5f;
    return uint16_t(sign | (floatBits(shifted) - 0x3f000000u));
  }
  uint32_t rebased = a - 0x38000000u;
  return uint16_t(sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13));
}
inline float floatFromHalf(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 0x3ff;
  if (e == 31)
    return floatFromBits(sign | 0x7f800000u | (m << 13));
  if (e == 0) {
    float magnitude = float(m) * 0x1p-24f;
    return floatFromBits(sign | floatBits(magnitude));
  }
  return floatFromBits(sign | ((e + 112) << 23) | (m << 13));
}

} // namespace numerics
} // namespace bitwright

#endif // BITWRIGHT_LIB_NUMERICS_HALF_H
