//===- Reduce.h - float reductions in one order everywhere (F3) ------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// INTEGER F3: element i goes to partial result i mod 16, each partial accumulates in index order from the identity, and
// the partials meet in a fixed binary tree: ((0+8)+(4+12)) + ((2+10)+(6+14)) + ... Padding elements never enter. A
// 16-lane register, two 8-lane registers and this scalar code give the same bits.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_NUMERICS_REDUCE_H
#define BITWRIGHT_LIB_NUMERICS_REDUCE_H

#include "lib/Numerics/FloatFunctions.h"

namespace bitwright {
namespace numerics {

constexpr int kReductionLanes = 16;

/// The tree over 16 partials: `combine(a, b)` of i and i + 8, then i and i + 4, then 2, then 1. V is whatever combine
/// takes.
template <class V, class Combine> V reduceTree(const V (&partials)[kReductionLanes], Combine &&combine) {
  V v[kReductionLanes];
  for (int i = 0; i < kReductionLanes; ++i)
    v[i] = partials[i];
  for (int width = kReductionLanes / 2; width >= 1; width /= 2)
    for (int i = 0; i < width; ++i)
      v[i] = combine(v[i], v[i + width]);
  return v[0];
}

/// The sum of 16 partials, over a builder.
template <class B> typename B::F sumTree(B &b, const typename B::F (&partials)[kReductionLanes]) {
  return reduceTree(partials, [&](typename B::F x, typename B::F y) { return b.add(x, y); });
}
template <class B> typename B::F maxTree(B &b, const typename B::F (&partials)[kReductionLanes]) {
  return reduceTree(partials, [&](typename B::F x, typename B::F y) { return maximum(b, x, y); });
}
template <class B> typename B::F minTree(B &b, const typename B::F (&partials)[kReductionLanes]) {
  return reduceTree(partials, [&](typename B::F x, typename B::F y) { return minimum(b, x, y); });
}

/// Reduces n elements x(0) .. x(n-1): `accumulate(partial, x)` into the partials, `combine` in the tree.
template <class Get, class Accumulate, class Combine>
float reduceF3(int64_t n, float identity, Get &&get, Accumulate &&accumulate, Combine &&combine) {
  float partials[kReductionLanes];
  for (float &p : partials)
    p = identity;
  for (int64_t i = 0; i < n; ++i)
    partials[i % kReductionLanes] = accumulate(partials[i % kReductionLanes], get(i));
  return reduceTree(partials, combine);
}

inline float addF3(float a, float b) { return a + b; }

/// Sum from +0. Get maps an index to float32.
template <class Get> float sumF3(int64_t n, Get &&get) { return reduceF3(n, 0.0f, get, addF3, addF3); }
/// Sum of squares: partials by fma(x, x, p).
template <class Get> float sumOfSquaresF3(int64_t n, Get &&get) {
  return reduceF3(n, 0.0f, get, [](float p, float x) { return std::fma(x, x, p); }, addF3);
}
template <class Get> float maxF3(int64_t n, Get &&get) {
  ScalarBuilder b;
  auto op = [&](float x, float y) { return maximum(b, x, y); };
  return reduceF3(n, -detail::kInfinity, get, op, op);
}
template <class Get> float minF3(int64_t n, Get &&get) {
  ScalarBuilder b;
  auto op = [&](float x, float y) { return minimum(b, x, y); };
  return reduceF3(n, detail::kInfinity, get, op, op);
}

inline float sumF3(const float *x, int64_t n) {
  return sumF3(n, [x](int64_t i) { return x[i]; });
}

//===----------------------------------------------------------------------===//
// Row functions: softmax and norms as every backend computes them
//===----------------------------------------------------------------------===//

/// softmax of a row: m = max (F3), e_i = exp(x_i - m), s = sum e (F3), y_i = e_i / s. n >= 1. x may equal y.
/// A row of -inf alone gives NaN (inf - inf), as IEEE arithmetic does.
inline void softmaxRow(const float *x, float *y, int64_t n) {
  ScalarBuilder b;
  float m = maxF3(n, [x](int64_t i) { return x[i]; });
  for (int64_t i = 0; i < n; ++i)
    y[i] = exp(b, x[i] - m);
  float s = sumF3(y, n);
  for (int64_t i = 0; i < n; ++i)
    y[i] = y[i] / s;
}

/// log softmax of a row: d_i = x_i - m, y_i = d_i - log(sum exp(d)). x must not overlap y unless equal.
inline void logSoftmaxRow(const float *x, float *y, int64_t n) {
  ScalarBuilder b;
  float m = maxF3(n, [x](int64_t i) { return x[i]; });
  float s = sumF3(n, [&](int64_t i) { return exp(b, x[i] - m); });
  float l = log(b, s);
  for (int64_t i = 0; i < n; ++i)
    y[i] = (x[i] - m) - l;
}

/// What a norm subtracts and multiplies by.
struct NormMoments {
  float mean = 0, inverseDeviation = 0;
};

/// mean = sum x / n; v = sum (x - mean)^2 / n (F3 with fma); 1 / sqrt(v + eps).
inline NormMoments normMoments(const float *x, int64_t n, float eps) {
  NormMoments r;
  r.mean = sumF3(x, n) / float(n);
  float mean = r.mean;
  float variance = sumOfSquaresF3(n, [x, mean](int64_t i) { return x[i] - mean; }) / float(n);
  r.inverseDeviation = 1.0f / std::sqrt(variance + eps);
  return r;
}

/// RMS norm: mean 0, 1 / sqrt(sum x^2 / n + eps).
inline NormMoments rmsMoments(const float *x, int64_t n, float eps) {
  float meanSquare = sumOfSquaresF3(n, [x](int64_t i) { return x[i]; }) / float(n);
  return {0.0f, 1.0f / std::sqrt(meanSquare + eps)};
}

/// One normalised element: fma((x - mean) * inverseDeviation, gamma, beta); with beta = 0 a product.
inline float normElement(float x, NormMoments m, float gamma, float beta) {
  return std::fma((x - m.mean) * m.inverseDeviation, gamma, beta);
}

} // namespace numerics
} // namespace bitwright

#endif // BITWRIGHT_LIB_NUMERICS_REDUCE_H
