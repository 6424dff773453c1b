//===- FloatFunctions.h - float32 functions as fixed sequences (F2) --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// INTEGER F2: one definition of each float function for interpreter and code generator, written over a builder
// (Builder.h). No libm, no tables, every fma written. Bounds are against the exact value, in units of the last place of
// the float32 result (ulp) unless said otherwise; "checked" means over a 2^-12 grid and 10^7 random inputs by
// test/Unit/Numerics. NaN in gives NaN out everywhere. Coefficients: FitPolynomials.py.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_NUMERICS_FLOATFUNCTIONS_H
#define BITWRIGHT_LIB_NUMERICS_FLOATFUNCTIONS_H

#include "lib/Numerics/Builder.h"

#include <cfloat>
#include <limits>

namespace bitwright {
namespace numerics {

namespace detail {
/// Adding and subtracting 1.5 * 2^23 rounds |x| < 2^22 to the nearest even integer; the low bits of the sum hold it.
constexpr float kRoundingMagic = 12582912.0f;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLn2High = 0x1.62e430p-1f, kLn2Low = -0x1.05c610p-29f;

/// Horner's rule with one fma a step; coefficients lowest power first.
template <class B, int N> typename B::F polynomial(B &b, typename B::F x, const float (&c)[N]) {
  typename B::F y = b.constant(c[N - 1]);
  for (int i = N - 2; i >= 0; --i)
    y = b.fma(y, x, b.constant(c[i]));
  return y;
}

template <class B> typename B::F nan(B &b) { return b.bitcastToFloat(b.constant(int32_t(0x7fc00000))); }

/// 2^n for -126 <= n <= 127.
template <class B> typename B::F powerOfTwo(B &b, typename B::I n) {
  return b.bitcastToFloat(b.shl(b.addi(n, b.constant(int32_t(127))), 23));
}

/// p * 2^n in two steps, so that n may reach 128 (overflow to infinity) and -151 (subnormal, rounded once).
template <class B> typename B::F scaleByPowerOfTwo(B &b, typename B::F p, typename B::I n) {
  typename B::I half = b.ashr(n, 1);
  return b.mul(b.mul(p, powerOfTwo(b, half)), powerOfTwo(b, b.subi(n, half)));
}

/// x = n ln2 + r, |r| <= ln2/2; returns e^r - 1 and n.
template <class B> typename B::F expReduced(B &b, typename B::F x, typename B::I &n) {
  using F = typename B::F;
  F t = b.fma(x, b.constant(0x1.715476p+0f), b.constant(kRoundingMagic));
  F nf = b.sub(t, b.constant(kRoundingMagic));
  n = b.subi(b.bitcastToInt(t), b.constant(int32_t(0x4b400000)));
  F r = b.fma(nf, b.constant(-kLn2High), x);
  r = b.fma(nf, b.constant(-kLn2Low), r);
  static const float c[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558b4p-5f, 0x1.1239a0p-7f, 0x1.6a495cp-10f};
  return b.fma(polynomial(b, r, c), b.mul(r, r), r);
}
} // namespace detail

//===----------------------------------------------------------------------===//
// Exponentials and logarithms
//===----------------------------------------------------------------------===//

/// e^x within 1.1 ulp (subnormal results within 0.51 of the smallest step). exp(-inf) = 0, above 88.72 inf.
template <class B> typename B::F exp(B &b, typename B::F x) {
  using F = typename B::F;
  typename B::I n;
  F clamped = b.min(b.constant(89.0f), b.max(b.constant(-104.0f), x));
  F p = b.add(b.constant(1.0f), detail::expReduced(b, clamped, n));
  return detail::scaleByPowerOfTwo(b, p, n);
}

/// e^x - 1 for x <= 0 within 1.5 ulp; arguments above 0 are taken as 0.
template <class B> typename B::F expm1NonPositive(B &b, typename B::F x) {
  using F = typename B::F;
  typename B::I n;
  F clamped = b.min(b.constant(0.0f), b.max(b.constant(-30.0f), x));
  F q = detail::expReduced(b, clamped, n);
  F s = detail::powerOfTwo(b, n);
  return b.fma(q, s, b.sub(s, b.constant(1.0f)));
}

/// 2^x within 1.1 ulp; integers are exact.
template <class B> typename B::F exp2(B &b, typename B::F x) {
  using F = typename B::F;
  F clamped = b.min(b.constant(128.0f), b.max(b.constant(-151.0f), x));
  F t = b.add(clamped, b.constant(detail::kRoundingMagic));
  typename B::I n = b.subi(b.bitcastToInt(t), b.constant(int32_t(0x4b400000)));
  F f = b.sub(clamped, b.sub(t, b.constant(detail::kRoundingMagic)));
  static const float c[] = {0x1.62e430p-1f, 0x1.ebfbdcp-3f,  0x1.c6af7ap-5f,
                            0x1.3b2dd2p-7f, 0x1.5f0946p-10f, 0x1.417a5cp-13f};
  F p = b.fma(detail::polynomial(b, f, c), f, b.constant(1.0f));
  return detail::scaleByPowerOfTwo(b, p, n);
}

/// Natural logarithm within 1 ulp. log(0) = -inf, log(x < 0) = NaN, log(inf) = inf; subnormals are handled.
template <class B> typename B::F log(B &b, typename B::F x) {
  using F = typename B::F;
  using I = typename B::I;
  typename B::M small = b.lt(x, b.constant(FLT_MIN));
  F scaled = b.select(small, b.mul(x, b.constant(0x1p23f)), x);
  I bits = b.bitcastToInt(scaled);
  // e so that m = x / 2^e lies in [sqrt(1/2), sqrt(2))
  I e = b.ashr(b.subi(bits, b.constant(int32_t(0x3f3504f3))), 23);
  F f = b.sub(b.bitcastToFloat(b.subi(bits, b.shl(e, 23))), b.constant(1.0f));
  F ef = b.sub(b.toFloat(e), b.select(small, b.constant(23.0f), b.constant(0.0f)));
  static const float c[] = {0x1.555554p-2f, -0x1.000226p-2f, 0x1.99a01cp-3f, -0x1.54728ap-3f,
                            0x1.22d930p-3f, -0x1.0d8246p-3f, 0x1.055eacp-3f, -0x1.38c968p-4f};
  F f2 = b.mul(f, f);
  F low = b.fma(b.mul(f, f2), detail::polynomial(b, f, c), b.mul(f2, b.constant(-0.5f)));
  low = b.fma(ef, b.constant(-2.12194440e-4f), low);
  // 0.693359375 has nine bits, so that ef * 0.693359375 is exact
  F y = b.fma(ef, b.constant(0.693359375f), b.add(f, low));
  y = b.select(b.eq(x, b.constant(0.0f)), b.constant(-detail::kInfinity), y);
  y = b.select(b.lt(x, b.constant(0.0f)), detail::nan(b), y);
  return b.select(b.lt(x, b.constant(detail::kInfinity)), y, x); // inf and NaN pass through
}

/// log(1 + u) for u in [0, 1] within 3 ulp.
template <class B> typename B::F log1pUnit(B &b, typename B::F u) {
  using F = typename B::F;
  F w = b.add(u, b.constant(1.0f));
  F lost = b.div(b.sub(u, b.sub(w, b.constant(1.0f))), w); // what the rounding of 1 + u dropped
  return b.add(log(b, w), lost);
}

/// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) within 3 ulp where the result is normal.
template <class B> typename B::F softplus(B &b, typename B::F x) {
  return b.add(b.max(b.constant(0.0f), x), log1pUnit(b, exp(b, b.neg(b.abs(x)))));
}

//===----------------------------------------------------------------------===//
// Sigmoidal functions
//===----------------------------------------------------------------------===//

/// 1 / (1 + e^-x) within 3 ulp (also for large negative x, where it is about e^x).
template <class B> typename B::F sigmoid(B &b, typename B::F x) {
  using F = typename B::F;
  F e = exp(b, b.neg(b.abs(x)));
  F numerator = b.select(b.lt(x, b.constant(0.0f)), e, b.constant(1.0f));
  return b.div(numerator, b.add(e, b.constant(1.0f)));
}

/// tanh within 1.5 ulp; tanh(+-inf) = +-1.
template <class B> typename B::F tanh(B &b, typename B::F x) {
  using F = typename B::F;
  F a = b.abs(x), s = b.mul(a, a);
  static const float c[] = {-0x1.555530p-2f, 0x1.110688p-3f, -0x1.b826fep-5f, 0x1.519718p-6f, -0x1.734ee8p-8f};
  F nearZero = b.fma(b.mul(a, s), detail::polynomial(b, s, c), a);
  F e = exp(b, b.add(a, a));
  F far = b.sub(b.constant(1.0f), b.div(b.constant(2.0f), b.add(e, b.constant(1.0f))));
  return b.copysign(b.select(b.lt(a, b.constant(0.625f)), nearZero, far), x);
}

/// Error function within 1.5 ulp; erf(+-inf) = +-1.
template <class B> typename B::F erf(B &b, typename B::F x) {
  using F = typename B::F;
  F a = b.abs(x), s = b.mul(a, a);
  static const float small[] = {0x1.06eba8p-3f, -0x1.812740p-2f,  0x1.ce2d64p-4f, -0x1.b80118p-6f,
                                0x1.5449e2p-8f, -0x1.a60684p-11f, 0x1.4f5472p-14f};
  F nearZero = b.fma(a, detail::polynomial(b, s, small), a);
  // 1 - e^(log erfc(t)); from t = 4 on erfc is below half a step of 1
  static const float large[] = {-0x1.a2207ap-13f, -0x1.20ae40p+0f, -0x1.4640c6p-1f, -0x1.a995d0p-4f,
                                0x1.6bec14p-6f,   -0x1.8e5d34p-9f, 0x1.9a0718p-13f};
  F t = b.min(b.constant(4.0f), a);
  F far = b.sub(b.constant(1.0f), exp(b, detail::polynomial(b, t, large)));
  return b.copysign(b.select(b.lt(a, b.constant(0.921875f)), nearZero, far), x);
}

//===----------------------------------------------------------------------===//
// Minimum, maximum, clamps (NaN propagates from either operand)
//===----------------------------------------------------------------------===//

template <class B> typename B::F minimum(B &b, typename B::F x, typename B::F y) {
  return b.select(b.isNaN(x), x, b.min(x, y));
}
template <class B> typename B::F maximum(B &b, typename B::F x, typename B::F y) {
  return b.select(b.isNaN(x), x, b.max(x, y));
}
/// max(0, x); -0 stays -0.
template <class B> typename B::F relu(B &b, typename B::F x) { return b.max(b.constant(0.0f), x); }
/// min(high, max(low, x)); low and high are not NaN.
template <class B> typename B::F clip(B &b, typename B::F x, typename B::F low, typename B::F high) {
  return b.min(high, b.max(low, x));
}
template <class B> typename B::F leakyRelu(B &b, typename B::F x, typename B::F slope) {
  return b.select(b.lt(x, b.constant(0.0f)), b.mul(x, slope), x);
}

//===----------------------------------------------------------------------===//
// Activations of networks
//===----------------------------------------------------------------------===//

namespace detail {
/// Keeps -inf away from products with an exact 0 (inf * 0 is NaN; the limit of these activations is 0).
template <class B> typename B::F finiteBelow(B &b, typename B::F x) { return b.max(b.constant(-1e30f), x); }
} // namespace detail

/// x/2 (1 + erf(x / sqrt 2)): absolute error at most 1.5e-7 max(1, |x|).
template <class B> typename B::F geluErf(B &b, typename B::F x) {
  typename B::F v = detail::finiteBelow(b, x), half = b.mul(v, b.constant(0.5f));
  return b.fma(half, erf(b, b.mul(v, b.constant(0x1.6a09e6p-1f))), half);
}

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): absolute error at most 1.5e-7 max(1, |x|).
template <class B> typename B::F geluTanh(B &b, typename B::F x) {
  using F = typename B::F;
  F v = detail::finiteBelow(b, x), half = b.mul(v, b.constant(0.5f));
  F u = b.mul(v, b.fma(b.mul(v, v), b.constant(0x1.2444f2p-5f), b.constant(0x1.988454p-1f)));
  return b.fma(half, tanh(b, u), half);
}

/// x sigmoid(x) within 4 ulp.
template <class B> typename B::F silu(B &b, typename B::F x) { return b.mul(detail::finiteBelow(b, x), sigmoid(b, x)); }

/// clip(alpha x + beta, 0, 1), the line as one fma.
template <class B> typename B::F hardSigmoid(B &b, typename B::F x, float alpha, float beta) {
  return clip(b, b.fma(x, b.constant(alpha), b.constant(beta)), b.constant(0.0f), b.constant(1.0f));
}

/// x clip(x/6 + 1/2, 0, 1).
template <class B> typename B::F hardSwish(B &b, typename B::F x) {
  return b.mul(detail::finiteBelow(b, x), hardSigmoid(b, x, 1.0f / 6.0f, 0.5f));
}

/// x > 0 ? x : alpha (e^x - 1), within 2 ulp.
template <class B> typename B::F elu(B &b, typename B::F x, typename B::F alpha) {
  return b.select(b.gt(x, b.constant(0.0f)), x, b.mul(alpha, expm1NonPositive(b, x)));
}

//===----------------------------------------------------------------------===//
// Powers, roots, rounding
//===----------------------------------------------------------------------===//

/// rsqrt = 1 / sqrt, both correctly rounded.
template <class B> typename B::F rsqrt(B &b, typename B::F x) { return b.div(b.constant(1.0f), b.sqrt(x)); }
template <class B> typename B::F reciprocal(B &b, typename B::F x) { return b.div(b.constant(1.0f), x); }
template <class B> typename B::F ceil(B &b, typename B::F x) { return b.neg(b.floor(b.neg(x))); }
template <class B> typename B::F sign(B &b, typename B::F x) {
  using F = typename B::F;
  F nonZero = b.copysign(b.constant(1.0f), x);
  return b.select(b.isNaN(x), x, b.select(b.eq(x, b.constant(0.0f)), b.constant(0.0f), nonZero));
}

/// x^y. y in {-1, 0, 1/2, 1, 2, 3, 4} is a fixed chain of correctly rounded operations; otherwise e^(y log|x|) with
/// relative error at most (2 + 2 |y log x|) 2^-23. Signs and zeros as in IEEE pow: a negative x needs an integer y.
template <class B> typename B::F pow(B &b, typename B::F x, typename B::F y) {
  using F = typename B::F;
  F a = b.abs(x), one = b.constant(1.0f);
  F core = exp(b, b.mul(y, log(b, a)));
  core = b.select(b.eq(a, one), one, core);
  F halfY = b.mul(y, b.constant(0.5f));
  F odd = b.select(b.ne(b.roundEven(halfY), halfY), b.neg(core), core);
  F signedCore = b.select(b.eq(b.roundEven(y), y), odd, detail::nan(b));
  F r = b.select(b.lt(x, b.constant(0.0f)), signedCore, core);
  r = b.select(b.isNaN(x), x, b.select(b.isNaN(y), y, r));
  F x2 = b.mul(x, x);
  r = b.select(b.eq(y, b.constant(-1.0f)), b.div(one, x), r);
  r = b.select(b.eq(y, b.constant(0.5f)), b.sqrt(x), r);
  r = b.select(b.eq(y, one), x, r);
  r = b.select(b.eq(y, b.constant(2.0f)), x2, r);
  r = b.select(b.eq(y, b.constant(3.0f)), b.mul(x2, x), r);
  r = b.select(b.eq(y, b.constant(4.0f)), b.mul(x2, x2), r);
  return b.select(b.eq(y, b.constant(0.0f)), one, r);
}

//===----------------------------------------------------------------------===//
// Sine and cosine
//===----------------------------------------------------------------------===//

namespace detail {
/// sin(x + quarter * pi/2).
template <class B> typename B::F sinQuarter(B &b, typename B::F x, int32_t quarter) {
  using F = typename B::F;
  using I = typename B::I;
  F t = b.fma(x, b.constant(0x1.45f306p-1f), b.constant(kRoundingMagic));
  F k = b.sub(t, b.constant(kRoundingMagic));
  I n = b.addi(b.bitcastToInt(t), b.constant(quarter));
  // pi/2 in three float32 parts; the first step is exact for |x| <= 2^20
  F r = b.fma(k, b.constant(-0x1.921fb6p+0f), x);
  r = b.fma(k, b.constant(0x1.777a5cp-25f), r);
  r = b.fma(k, b.constant(0x1.ee59dap-50f), r);
  F s = b.mul(r, r);
  static const float sinC[] = {-0x1.555556p-3f, 0x1.111174p-7f, -0x1.a0595ap-13f, 0x1.7c3068p-19f};
  static const float cosC[] = {0x1.555556p-5f, -0x1.6c175ep-10f, 0x1.a071b6p-16f, -0x1.36147ap-22f};
  F sine = b.fma(b.mul(r, s), polynomial(b, s, sinC), r);
  F cosine = b.fma(b.mul(s, s), polynomial(b, s, cosC), b.fma(s, b.constant(-0.5f), b.constant(1.0f)));
  I zero = b.constant(int32_t(0));
  F y = b.select(b.eqi(b.andi(n, b.constant(int32_t(1))), zero), sine, cosine);
  return b.select(b.eqi(b.andi(n, b.constant(int32_t(2))), zero), y, b.neg(y));
}
} // namespace detail

/// Sine and cosine: absolute error at most 1.3e-7 for |x| <= 2^20; beyond that the value is fixed but not accurate.
template <class B> typename B::F sin(B &b, typename B::F x) { return detail::sinQuarter(b, x, 0); }
template <class B> typename B::F cos(B &b, typename B::F x) { return detail::sinQuarter(b, x, 1); }

//===----------------------------------------------------------------------===//
// The borders in lanes (Q1, Q2)
//===----------------------------------------------------------------------===//

/// Q1 for types up to 16 bits (lo - z and hi - z are exact in float32): equals quantizeFloat bit for bit.
template <class B>
typename B::I quantizeLanes(B &b, typename B::F x, typename B::F scale, int32_t zeroPoint, int32_t lo, int32_t hi) {
  using F = typename B::F;
  F v = b.roundEven(b.div(x, scale));
  v = b.select(b.isNaN(v), b.constant(0.0f), v);
  v = b.min(b.constant(float(hi - zeroPoint)), b.max(b.constant(float(lo - zeroPoint)), v));
  return b.addi(b.toInt(v), b.constant(zeroPoint));
}

/// Q2: float32(q - z) * s.
template <class B> typename B::F dequantizeLanes(B &b, typename B::I q, typename B::F scale, int32_t zeroPoint) {
  return b.mul(b.toFloat(b.subi(q, b.constant(zeroPoint))), scale);
}

} // namespace numerics
} // namespace bitwright

#endif // BITWRIGHT_LIB_NUMERICS_FLOATFUNCTIONS_H
