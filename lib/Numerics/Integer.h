//===- Integer.h - the integer arithmetic of INTEGER.md as plain functions -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// Every function cites its INTEGER label. This header is the single definition that the interpreter runs, the compiler
// folds with and the tests pin. It includes no LLVM.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_NUMERICS_INTEGER_H
#define BITWRIGHT_LIB_NUMERICS_INTEGER_H

#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

namespace bitwright {
namespace numerics {

//===----------------------------------------------------------------------===//
// Rounding shifts (conventions, R7)
//===----------------------------------------------------------------------===//

/// What happens to the fraction when a product is shifted right (R7).
enum class RoundingMode { HalfUp, HalfAway, HalfEven, Floor, Trunc, TfliteDouble, TosaDouble };

inline int countLeadingZeros(uint64_t value) { return value ? __builtin_clzll(value) : 64; }

/// HU(n, c) = floor(n / 2^c + 1/2) for 0 <= c <= 62 and n + 2^(c-1) inside int64.
inline int64_t roundHalfUp(int64_t n, int c) { return c == 0 ? n : (n + (int64_t(1) << (c - 1))) >> c; }

/// HU-round of a float64: floor(v + 1/2).
inline double roundHalfUp(double v) { return std::floor(v + 0.5); }

inline int64_t roundHalfAway(int64_t n, int c) { return n >= 0 ? roundHalfUp(n, c) : -roundHalfUp(-n, c); }

inline int64_t roundHalfEven(int64_t n, int c) {
  if (c == 0)
    return n;
  int64_t q = n >> c, r = n - q * (int64_t(1) << c), half = int64_t(1) << (c - 1);
  return q + ((r > half || (r == half && (q & 1))) ? 1 : 0);
}

/// ROUND(n, c): every mode that is a function of the shifted number alone. TfliteDouble is not (it needs the
/// accumulator and the multiplier apart): use requantizeUnclamped for it. 0 <= c <= 62, |n| <= 2^62.
inline int64_t roundShift(int64_t n, int c, RoundingMode mode) {
  switch (mode) {
  case RoundingMode::HalfUp:
    return roundHalfUp(n, c);
  case RoundingMode::HalfAway:
    return roundHalfAway(n, c);
  case RoundingMode::HalfEven:
    return roundHalfEven(n, c);
  case RoundingMode::Floor:
    return n >> c;
  case RoundingMode::Trunc:
    return n >= 0 ? n >> c : -(-n >> c);
  case RoundingMode::TosaDouble: {
    if (c == 0)
      return n;
    int64_t r = int64_t(1) << (c - 1);
    if (c > 31)
      r += n >= 0 ? (int64_t(1) << 30) : -(int64_t(1) << 30);
    return (n + r) >> c;
  }
  case RoundingMode::TfliteDouble:
    break;
  }
  assert(false && "TfliteDouble is not a function of the product alone");
  return roundHalfUp(n, c);
}

/// The TFLITE_DOUBLE row of R7: b in [2^30, 2^31), 1 <= c <= 62.
inline int32_t roundTfliteDouble(int32_t acc, int32_t b, int c) {
  int64_t x = int64_t(acc) * (int64_t(1) << (c < 31 ? 31 - c : 0));
  x = x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x;
  return int32_t(roundHalfAway(roundHalfUp(x * b, 31), c > 31 ? c - 31 : 0));
}

inline int64_t clampTo(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

//===----------------------------------------------------------------------===//
// Multipliers and requantization (R1-R5, R9-R11, R18)
//===----------------------------------------------------------------------===//

/// A real multiplier M ~ value * 2^-shift (R2).
struct Multiplier {
  int32_t value = 0;
  int shift = 0;
  bool operator==(const Multiplier &o) const { return value == o.value && shift == o.shift; }
  /// The real number that this pair stands for.
  double real() const { return std::ldexp(double(value), -shift); }
};

enum class EncodeStatus {
  Ok,
  TooLarge,  ///< M >= 2^(p-2): the shift would fall below 2 (R3). Such an M means a wrong scale.
  NotUsable, ///< negative, NaN or infinite
};

/// R1-R3: encodes M with `bits` multiplier bits (31 by default; 15 and 23 supported; 7..31 accepted).
inline EncodeStatus encodeMultiplier(double real, int bits, Multiplier &out) {
  assert(bits >= 2 && bits <= 31);
  if (real == 0) {
    out = {0, bits};
    return EncodeStatus::Ok;
  }
  if (!(real > 0) || std::isinf(real))
    return EncodeStatus::NotUsable;
  int e = 0;
  double m = std::frexp(real, &e);
  int64_t v = int64_t(roundHalfUp(std::ldexp(m, bits)));
  if (v == int64_t(1) << bits) {
    v >>= 1;
    ++e;
  }
  int shift = bits - e;
  if (shift > 62) {
    int excess = shift - 62;
    v = excess > 62 ? 0 : roundHalfUp(v, excess);
    shift = 62;
  }
  if (shift < 2)
    return EncodeStatus::TooLarge;
  out = {int32_t(v), shift};
  return EncodeStatus::Ok;
}

/// ROUND(acc * b, c) before zero point and clamp, every mode (R4, R5, R7).
inline int64_t requantizeUnclamped(int32_t acc, int32_t b, int c, RoundingMode mode) {
  if (mode == RoundingMode::TfliteDouble)
    return roundTfliteDouble(acc, b, c);
  return roundShift(int64_t(acc) * b, c, mode);
}

/// R4: clamp(z + ROUND(acc * b, c), lo, hi).
inline int32_t requantize(int32_t acc, int32_t b, int c, int32_t z, int32_t lo, int32_t hi,
                          RoundingMode mode = RoundingMode::HalfUp) {
  return int32_t(clampTo(requantizeUnclamped(acc, b, c, mode) + z, lo, hi));
}

/// R18: y = clamp(z + ROUND(acc, k)); a negative k is a saturating left shift (k > -32).
inline int32_t requantizeShiftOnly(int32_t acc, int k, int32_t z, int32_t lo, int32_t hi,
                                   RoundingMode mode = RoundingMode::HalfUp) {
  int64_t v = k >= 0 ? roundShift(acc, k, mode) : int64_t(acc) * (int64_t(1) << -k);
  return int32_t(clampTo(v + z, lo, hi));
}

/// R10: the multipliers of a tile on one common shift. `lostBits` is max c - min c; the caller requires
/// bits - lostBits >= 15 for int8 outputs and >= 23 for int16.
struct SharedShift {
  std::vector<int32_t> values;
  int shift = 0;
  int lostBits = 0;
};
inline SharedShift shareShift(const std::vector<Multiplier> &in) {
  SharedShift out;
  if (in.empty())
    return out;
  int lo = in[0].shift, hi = in[0].shift;
  for (const Multiplier &m : in) {
    lo = m.shift < lo ? m.shift : lo;
    hi = m.shift > hi ? m.shift : hi;
  }
  out.shift = lo;
  out.lostBits = hi - lo;
  for (const Multiplier &m : in)
    out.values.push_back(int32_t(roundHalfUp(int64_t(m.value), m.shift - lo)));
  return out;
}

/// R11: the code of a real clamp limit on the output grid, z + HU-round(real / s), inside [typeLo, typeHi].
inline int32_t clampCode(double real, double scale, int32_t zeroPoint, int32_t typeLo, int32_t typeHi) {
  double v = zeroPoint + roundHalfUp(real / scale);
  return v < typeLo ? typeLo : v > typeHi ? typeHi : int32_t(v);
}

/// R12: what the zero points add to a dot product of codes apart from the row term: sum (x-zx)(w-zw) =
/// sum x w + zeroPointBias(...) - zw * sum x.
inline int64_t zeroPointBias(int64_t k, int64_t sumW, int32_t zx, int32_t zw) {
  return k * zx * zw - int64_t(zx) * sumW;
}

/// R14, generic form: K * max|x| * max|w| + |bias| < 2^31.
inline bool fitsAccumulator(int64_t k, int64_t maxAbsX, int64_t maxAbsW, int64_t absBias = 0) {
  return __int128(k) * maxAbsX * maxAbsW + absBias < (__int128(1) << 31);
}

/// R15: bias at scale s_x * s_w rounded HALF_UP. Returns false when it leaves int32 (the caller then adds the bias in
/// the requantized domain) or is not finite.
inline bool quantizeBias(double bias, double scale, int32_t &out) {
  double v = roundHalfUp(bias / scale);
  if (!(v >= double(INT32_MIN) && v <= double(INT32_MAX)))
    return false;
  out = int32_t(v);
  return true;
}

/// R15, large bias: ROUND(acc * b + (biasY << g), c), biasY at scale s_y * 2^(g-c).
inline int32_t requantizeWithBias(int32_t acc, int32_t b, int c, int64_t biasY, int g, int32_t z, int32_t lo,
                                  int32_t hi, RoundingMode mode = RoundingMode::HalfUp) {
  int64_t n = int64_t(acc) * b + biasY * (int64_t(1) << g);
  return int32_t(clampTo(roundShift(n, c, mode) + z, lo, hi));
}

//===----------------------------------------------------------------------===//
// Borders: quantize and dequantize (Q1-Q3)
//===----------------------------------------------------------------------===//

/// Round half to even of a float32 without libm's dependence on the rounding mode: exact for every finite value.
inline float roundEven(float x) {
  if (!(std::fabs(x) < 8388608.0f))
    return x; // already an integer, infinite or NaN
  float magic = std::copysign(8388608.0f, x);
  float shifted = x + magic;
  return std::copysign(shifted - magic, x);
}

/// Q1: clamp(RNE(x / s) + z, lo, hi). The division is IEEE float32; NaN gives z; +-inf saturates. The clamp happens in
/// float64, which holds lo - z and hi - z of every type up to 32 bits exactly (for 8 and 16 bits float32 does as well).
inline int32_t quantizeFloat(float x, float scale, int32_t zeroPoint, int32_t lo, int32_t hi) {
  if (std::isnan(x))
    return zeroPoint;
  double v = roundEven(x / scale);
  double low = double(lo) - zeroPoint, high = double(hi) - zeroPoint;
  v = v < low ? low : v > high ? high : v;
  return int32_t(int64_t(v) + zeroPoint);
}

/// Q2: float32(q - z) * s, one rounding for the product. |q - z| <= 2^24 converts exactly; a wider difference (s32
/// accumulators) is first rounded to nearest even.
inline float dequantize(int32_t q, float scale, int32_t zeroPoint) { return float(int64_t(q) - zeroPoint) * scale; }

/// Q3: the scale of one token from its largest magnitude: max(absmax, 2^-100) / 127 in float32 (4-bit codes: 7).
inline float dynamicScale(float absMax, float limit = 127.0f) {
  return (absMax > 0x1p-100f ? absMax : 0x1p-100f) / limit;
}

//===----------------------------------------------------------------------===//
// Elementwise (E1, E3, E4, E6)
//===----------------------------------------------------------------------===//

/// Two multipliers on their smaller shift (E1): b_i' = HU(b_i, c_i - c).
struct AlignedPair {
  int32_t lhs = 0, rhs = 0;
  int shift = 0;
};
inline AlignedPair alignMultipliers(Multiplier lhs, Multiplier rhs) {
  int c = lhs.shift < rhs.shift ? lhs.shift : rhs.shift;
  return {int32_t(roundHalfUp(int64_t(lhs.value), lhs.shift - c)),
          int32_t(roundHalfUp(int64_t(rhs.value), rhs.shift - c)), c};
}

/// E1: clamp(z + ROUND((a - za) * b1' + (d - zd) * b2', c)). Operands (after the zero point) up to 24 bits.
inline int32_t addQuantized(int32_t a, int32_t za, int32_t d, int32_t zd, AlignedPair m, int32_t z, int32_t lo,
                            int32_t hi, RoundingMode mode = RoundingMode::HalfUp) {
  int64_t n = (int64_t(a) - za) * m.lhs + (int64_t(d) - zd) * m.rhs;
  return int32_t(clampTo(roundShift(n, m.shift, mode) + z, lo, hi));
}

/// E3: requantize((a - za) * (d - zd)); int16 operands must have zero point 0, so that the product fits int32.
inline int32_t mulQuantized(int32_t a, int32_t za, int32_t d, int32_t zd, Multiplier m, int32_t z, int32_t lo,
                            int32_t hi, RoundingMode mode = RoundingMode::HalfUp) {
  return requantize((a - za) * (d - zd), m.value, m.shift, z, lo, hi, mode);
}

/// E4: the multiplier of an average over `count` elements, M = s_x / (count * s_y).
inline EncodeStatus encodeAverage(double scaleX, double scaleY, int64_t count, int bits, Multiplier &out) {
  return encodeMultiplier(scaleX / (double(count) * scaleY), bits, out);
}

/// E6: T[i] = clamp(z_y + floor(f(s_x (q - z_x)) / s_y + 1/2)) for q = qLo + i, i < 2^8 (or 2^16). `f` maps double to
/// double; NaN becomes z_y, infinities saturate.
template <class Fn>
std::vector<int32_t> buildTable(Fn &&f, double scaleX, int32_t zeroX, int32_t qLo, int32_t qHi, double scaleY,
                                int32_t zeroY, int32_t lo, int32_t hi) {
  std::vector<int32_t> table;
  table.reserve(size_t(qHi - qLo) + 1);
  for (int32_t q = qLo; q <= qHi; ++q) {
    double v = roundHalfUp(f(scaleX * (double(q) - zeroX)) / scaleY);
    if (std::isnan(v))
      v = 0;
    v += zeroY;
    table.push_back(v < lo ? lo : v > hi ? hi : int32_t(v));
  }
  return table;
}

//===----------------------------------------------------------------------===//
// exp, reciprocal, roots (S1, S2, A3, A6, R19, N4, N7)
//===----------------------------------------------------------------------===//

/// S2: minimax coefficients of 2^-r on [0,1) in Q30, constant term first. Degrees 2 to 5.
inline const int32_t *exp2Coefficients(int degree) {
  static const int32_t k2[] = {1072412501, -718896455, 184684188};
  static const int32_t k3[] = {1073684360, -742356560, 248008101, -42522453};
  static const int32_t k4[] = {1073739835, -744159319, 257105068, -57166560, 7353878};
  static const int32_t k5[] = {1073741767, -744256916, 257891330, -59379090, 9891919, -1018155};
  assert(degree >= 2 && degree <= 5);
  return degree == 2 ? k2 : degree == 3 ? k3 : degree == 4 ? k4 : k5;
}

/// S1: 2^-(r / 65536) in Q30 for r in [0, 65536).
inline int32_t exp2Fraction(int32_t r, int degree, const int32_t *k) {
  int64_t a = k[degree];
  for (int i = degree - 1; i >= 0; --i)
    a = k[i] + ((a * r + 32768) >> 16);
  return int32_t(a);
}

/// S1: 2^-t for t in Q16, result Q30; t >= 31 gives 0.
inline int32_t exp2Negative(uint32_t t, int degree, const int32_t *k) {
  return t >= (31u << 16) ? 0
                          : int32_t(roundHalfUp(int64_t(exp2Fraction(int32_t(t & 65535), degree, k)), int(t >> 16)));
}

/// S1: the exponent t = min(HU(d * b, c), 31 * 2^16) of a logit distance d = max - x, computed in uint64.
inline uint32_t exponentOf(uint32_t d, uint32_t b, int c) {
  uint64_t n = uint64_t(d) * b;
  uint64_t t = c == 0 ? n : (n + (uint64_t(1) << (c - 1))) >> c;
  uint64_t limit = uint64_t(31) << 16;
  return uint32_t(t < limit ? t : limit);
}

/// A reciprocal or inverse root: value * 2^-shift.
struct ScaledReciprocal {
  uint32_t value = 0;
  int shift = 0;
};

/// A6: 1 / L for L > 0, value in [2^30, 2^31].
inline ScaledReciprocal reciprocal(uint64_t l) {
  assert(l > 0);
  int lz = countLeadingZeros(l);
  uint64_t a = (l << lz) >> 32;                                  // Q32 in [0.5, 1)
  int64_t x = 3031741621ll - int64_t((2021161081ull * a) >> 32); // Q30: 48/17 - 32/17 a
  for (int i = 0; i < 3; ++i) {
    int64_t e = (int64_t(1) << 30) - int64_t((a * uint64_t(x)) >> 32);
    x += (x * e + (int64_t(1) << 29)) >> 30;
  }
  x = clampTo(x, int64_t(1) << 30, int64_t(1) << 31);
  return {uint32_t(x), 94 - lz};
}

/// N4: 1 / sqrt(V) for V > 0, value in [2^30, 2^31].
inline ScaledReciprocal inverseRoot(uint64_t v) {
  assert(v > 0);
  int lz = countLeadingZeros(v) & ~1;
  uint64_t a = (v << lz) >> 32;                                  // Q32 in [0.25, 1)
  int64_t x = 2392060000ll - int64_t((1361000000ull * a) >> 32); // Q30
  for (int i = 0; i < 4; ++i) {
    uint64_t x2 = (uint64_t(x) * uint64_t(x)) >> 30;
    x = (x * ((int64_t(3) << 30) - int64_t((a * x2) >> 32))) >> 31;
  }
  x = clampTo(x, int64_t(1) << 30, int64_t(1) << 31);
  return {uint32_t(x), 62 - lz / 2};
}

/// N7: floor(sqrt(n)), exact.
inline uint32_t integerSqrt(uint64_t n) {
  if (n == 0)
    return 0;
  int half = (64 - countLeadingZeros(n) + 1) / 2;
  uint64_t x = uint64_t(1) << half;
  for (;;) {
    uint64_t y = (x + n / x) >> 1;
    if (y >= x)
      return uint32_t(x > UINT32_MAX ? UINT32_MAX : x);
    x = y;
  }
}

/// A3: sigmoid in Q30 of a magnitude |x| given as S1 exponent t = |x| * log2(e) in Q16.
inline int64_t sigmoidQ30(bool negative, uint32_t t, int degree = 3) {
  int64_t e = exp2Negative(t, degree, exp2Coefficients(degree));
  ScaledReciprocal r = reciprocal(uint64_t((int64_t(1) << 30) + e));
  int64_t numerator = negative ? e : int64_t(1) << 30;
  return roundHalfUp(numerator * int64_t(r.value), r.shift - 30);
}

/// R19: the integer-dynamic quantizer of one token, from its largest magnitude: q = HU(x * b, c), |x| < 2^24.
struct TokenQuantizer {
  int64_t b = 0;
  int c = 0;
};
inline TokenQuantizer tokenQuantizer(uint32_t maxAbs) {
  ScaledReciprocal r = reciprocal(maxAbs ? maxAbs : 1);
  return {roundHalfUp(int64_t(127) * int64_t(r.value), 7), r.shift - 7};
}

} // namespace numerics
} // namespace bitwright

#endif // BITWRIGHT_LIB_NUMERICS_INTEGER_H
