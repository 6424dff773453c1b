//===- ColumnQuantizer.cpp - nearest codes, column by column -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/ColumnQuantizer.h"
#include <algorithm>
#include <cmath>

namespace bitwright {

static double clamped(double v, double low, double high) { return std::min(std::max(v, low), high); }

void UniformColumns::begin(const double *, int64_t n, int64_t, int64_t, int64_t groups) {
  rows = n;
  scales.assign(size_t(n * groups), 1.0f);
  zeros.assign(size_t(n * groups), 0);
}

/// The magnitude at position ceil(percent / 100 * count) of the sorted ones; the largest when that one is zero.
static double magnitudeAt(double percent, llvm::ArrayRef<double> weights, double largest) {
  if (weights.empty())
    return largest;
  std::vector<double> magnitudes(weights.begin(), weights.end());
  for (double &w : magnitudes)
    w = std::fabs(w);
  size_t index = std::min(weights.size() - 1, size_t(std::ceil(percent / 100 * double(weights.size()))));
  std::nth_element(magnitudes.begin(), magnitudes.begin() + long(index), magnitudes.end());
  return magnitudes[index] > 0 ? magnitudes[index] : largest;
}

void UniformColumns::fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights,
                         llvm::ArrayRef<double> importance) {
  double low = 0, high = 0;
  for (double w : weights) {
    low = std::min(low, w);
    high = std::max(high, w);
  }
  const bool symmetric = format->isSigned();
  const double levels = double(format->highest() - format->lowest());
  double absMax = std::max(-low, high);
  if (symmetric && options.clip == WeightClip::Percentile)
    absMax = magnitudeAt(options.percentile, weights, absMax);
  float bestScale = 1;
  int32_t bestZero = 0;
  double bestError = HUGE_VAL;
  const int steps = options.clip == WeightClip::Mse ? 51 : 1;
  for (int step = 0; step < steps && bestError > 0; ++step) {
    const double ratio = (100 - step) / 100.0;
    float scale;
    double zero = 0;
    if (symmetric) {
      scale = legalColumnScale(absMax * ratio / most());
    } else {
      scale = legalColumnScale((high - low) * ratio / levels);
      zero = clamped(std::nearbyint(-low * ratio / double(scale)), least(), most());
    }
    double error = 0;
    if (steps > 1)
      for (size_t i = 0; i < weights.size() && error < bestError; ++i) {
        double q = clamped(std::nearbyint(weights[i] / double(scale)) + zero, least(), most());
        double d = (q - zero) * double(scale) - weights[i];
        error += d * d * (options.weightedClip ? importance[i] : 1.0);
      }
    if (error < bestError) {
      bestError = error;
      bestScale = scale;
      bestZero = int32_t(zero);
    }
  }
  scales[size_t(group * rows + row)] = bestScale;
  zeros[size_t(group * rows + row)] = bestZero;
}

void UniformColumns::round(int64_t firstRow, int64_t group, llvm::ArrayRef<double> values, int32_t *codes,
                           double *decoded) const {
  const float *scale = scales.data() + group * rows + firstRow;
  const int32_t *zero = zeros.data() + group * rows + firstRow;
  const double low = least(), high = most();
  for (size_t i = 0; i < values.size(); ++i) {
    // Half to even, as INTEGER Q1 rounds values.
    double q = clamped(std::nearbyint(values[i] / double(scale[i])) + zero[i], low, high);
    codes[i] = int32_t(q);
    decoded[i] = (q - zero[i]) * double(scale[i]);
  }
}

FormatColumns::FormatColumns(const NumberFormat &format)
    : format(&format), largest(std::max(std::fabs(format.lowestValue()), std::fabs(format.highestValue()))) {}

void FormatColumns::begin(const double *, int64_t n, int64_t, int64_t, int64_t groups) {
  rows = n;
  scales.assign(size_t(n * groups), 1.0f);
}

void FormatColumns::fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights, llvm::ArrayRef<double>) {
  double absMax = 0;
  for (double w : weights)
    absMax = std::max(absMax, std::fabs(w));
  scales[size_t(group * rows + row)] = legalColumnScale(absMax / largest);
}

void FormatColumns::round(int64_t firstRow, int64_t group, llvm::ArrayRef<double> values, int32_t *codes,
                          double *decoded) const {
  for (size_t i = 0; i < values.size(); ++i) {
    const double scale = scales[size_t(group * rows + firstRow + int64_t(i))];
    codes[i] = int32_t(format->encode(values[i] / scale));
    decoded[i] = format->decode(codes[i]) * scale;
  }
}

} // namespace bitwright
