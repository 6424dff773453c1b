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

void UniformColumns::fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights,
                         llvm::ArrayRef<double> importance) {
  double low = 0, high = 0;
  for (double w : weights) {
    low = std::min(low, w);
    high = std::max(high, w);
  }
  const double limit = std::ldexp(1.0, options.bits - 1) - 1, levels = std::ldexp(1.0, options.bits) - 1;
  float bestScale = 1;
  int32_t bestZero = 0;
  double bestError = HUGE_VAL;
  const int steps = options.mseClip ? 51 : 1;
  for (int step = 0; step < steps; ++step) {
    const double ratio = (100 - step) / 100.0;
    float scale;
    double zero = 0, least = 0, most = levels;
    if (options.symmetric) {
      scale = legalColumnScale(std::max(-low, high) * ratio / limit);
      least = -limit;
      most = limit;
    } else {
      scale = legalColumnScale((high - low) * ratio / levels);
      zero = clamped(std::nearbyint(-low * ratio / double(scale)), 0, levels);
    }
    double error = 0;
    if (steps > 1)
      for (size_t i = 0; i < weights.size() && error < bestError; ++i) {
        double q = clamped(std::nearbyint(weights[i] / double(scale)) + zero, least, most);
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
  const double limit = std::ldexp(1.0, options.bits - 1) - 1;
  const double least = options.symmetric ? -limit : 0;
  const double most = options.symmetric ? limit : std::ldexp(1.0, options.bits) - 1;
  for (size_t i = 0; i < values.size(); ++i) {
    // Half to even, as INTEGER Q1 rounds values.
    double q = clamped(std::nearbyint(values[i] / double(scale[i])) + zero[i], least, most);
    codes[i] = int32_t(q);
    decoded[i] = (q - zero[i]) * double(scale[i]);
  }
}

CodebookColumns::CodebookColumns(std::vector<double> list) : values(std::move(list)) {
  std::sort(values.begin(), values.end());
  largest = std::max(std::fabs(values.front()), std::fabs(values.back()));
  for (size_t i = 1; i < values.size(); ++i)
    midpoints.push_back((values[i - 1] + values[i]) / 2);
}

void CodebookColumns::begin(const double *, int64_t n, int64_t, int64_t, int64_t groups) {
  rows = n;
  scales.assign(size_t(n * groups), 1.0f);
}

void CodebookColumns::fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights, llvm::ArrayRef<double>) {
  double absMax = 0;
  for (double w : weights)
    absMax = std::max(absMax, std::fabs(w));
  scales[size_t(group * rows + row)] = legalColumnScale(absMax / largest);
}

void CodebookColumns::round(int64_t firstRow, int64_t group, llvm::ArrayRef<double> column, int32_t *codes,
                            double *decoded) const {
  for (size_t i = 0; i < column.size(); ++i) {
    const double scale = scales[size_t(group * rows + firstRow + int64_t(i))];
    size_t code = size_t(std::lower_bound(midpoints.begin(), midpoints.end(), column[i] / scale) - midpoints.begin());
    codes[i] = int32_t(code);
    decoded[i] = values[code] * scale;
  }
}

} // namespace bitwright
