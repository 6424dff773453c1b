//===- RealFunctions.h - activations in float64 for tables -----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// The functions that E6 tables are built from, at compile time only: double in, double out, error far below the 1e-9
// LSB that the table tests allow.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_NUMERICS_REALFUNCTIONS_H
#define BITWRIGHT_LIB_NUMERICS_REALFUNCTIONS_H

#include <cmath>

namespace bitwright {
namespace numerics {
namespace real {

inline double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
inline double silu(double x) { return x * sigmoid(x); }
inline double softplus(double x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x))); }
inline double geluErf(double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }
inline double geluTanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
}
inline double clip(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }
inline double hardSigmoid(double x, double alpha, double beta) { return clip(alpha * x + beta, 0, 1); }
inline double hardSwish(double x) { return x * clip(x / 6 + 0.5, 0, 1); }
inline double elu(double x, double alpha) { return x > 0 ? x : alpha * std::expm1(x); }
inline double leakyRelu(double x, double slope) { return x < 0 ? slope * x : x; }

} // namespace real
} // namespace numerics
} // namespace bitwright

#endif // BITWRIGHT_LIB_NUMERICS_REALFUNCTIONS_H
