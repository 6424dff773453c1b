//===- Rounding.cpp - grids and codes of weights and activations -----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/Rounding.h"
#include "lib/Numerics/Integer.h"
#include <algorithm>
#include <cmath>

namespace bitwright {

int bitsOf(llvm::StringRef format) {
  int bits = 0;
  return format.drop_front().getAsInteger(10, bits) ? 8 : bits;
}

/// INTEGER Q2: scales are finite and at least 2^-126.
static float legalScale(double scale) {
  if (!(scale > 0))
    return 1;
  return float(std::min(std::max(scale, 0x1p-126), 0x1p127));
}

Grid gridOf(Range range, int bits) {
  double low = std::min(range.low, 0.0), high = std::max(range.high, 0.0);
  double lowest = -std::ldexp(1.0, bits - 1), highest = -lowest - 1;
  Grid grid;
  grid.scale = legalScale((high - low) / (highest - lowest));
  grid.zeroPoint = int32_t(std::min(std::max(numerics::roundHalfUp(lowest - low / grid.scale), lowest), highest));
  return grid;
}

/// Codes of one slice on the grid of `scale`; returns the squared error.
static double encode(llvm::ArrayRef<float> values, double scale, int32_t limit, int32_t *codes) {
  double error = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    // Half to even, as INTEGER Q1 rounds values.
    double q = std::nearbyint(values[i] / scale);
    q = std::min(std::max(q, -double(limit)), double(limit));
    double d = q * scale - values[i];
    error += d * d;
    if (codes)
      codes[i] = int32_t(q);
  }
  return error;
}

static float chooseScale(llvm::ArrayRef<float> slice, const WeightScheme &scheme, int32_t limit) {
  double absMax = 0;
  for (float v : slice)
    absMax = std::max(absMax, double(std::fabs(v)));
  if (absMax == 0)
    return 1;
  if (scheme.clip == WeightClip::Percentile) {
    std::vector<float> magnitudes(slice.size());
    std::transform(slice.begin(), slice.end(), magnitudes.begin(), [](float v) { return std::fabs(v); });
    size_t index = std::min(slice.size() - 1, size_t(std::ceil(scheme.percentile / 100 * double(slice.size()))));
    std::nth_element(magnitudes.begin(), magnitudes.begin() + long(index), magnitudes.end());
    if (magnitudes[index] > 0)
      absMax = magnitudes[index];
  }
  float best = legalScale(absMax / limit);
  if (scheme.clip == WeightClip::Mse) {
    double bestError = encode(slice, best, limit, nullptr);
    for (int percent = 99; percent >= 50 && bestError > 0; --percent) {
      float scale = legalScale(absMax * percent / 100 / limit);
      double error = encode(slice, scale, limit, nullptr);
      if (error < bestError) {
        bestError = error;
        best = scale;
      }
    }
  }
  return best;
}

QuantizedWeight quantizeWeight(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape, int64_t axis,
                               const WeightScheme &scheme) {
  int32_t limit = (int32_t(1) << (bitsOf(scheme.format) - 1)) - 1;
  QuantizedWeight result;
  result.codes.resize(values.size());
  if (axis < 0) {
    result.scales.push_back(chooseScale(values, scheme, limit));
    encode(values, result.scales[0], limit, result.codes.data());
    return result;
  }
  size_t slices = size_t(shape[size_t(axis)]), inner = 1;
  for (size_t i = size_t(axis) + 1; i < shape.size(); ++i)
    inner *= size_t(shape[i]);
  size_t outer = slices * inner ? values.size() / (slices * inner) : 0;
  std::vector<float> slice(outer * inner);
  std::vector<int32_t> codes(outer * inner);
  for (size_t s = 0; s < slices; ++s) {
    for (size_t o = 0; o < outer; ++o)
      std::copy_n(values.data() + (o * slices + s) * inner, inner, slice.data() + o * inner);
    result.scales.push_back(chooseScale(slice, scheme, limit));
    encode(slice, result.scales.back(), limit, codes.data());
    for (size_t o = 0; o < outer; ++o)
      std::copy_n(codes.data() + o * inner, inner, result.codes.data() + (o * slices + s) * inner);
  }
  return result;
}

} // namespace bitwright
