//===- Rounding.cpp - grids and codes of weights and activations -----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/Rounding.h"
#include "lib/Numerics/Integer.h"
#include "lib/Rounding/ColumnQuantizer.h"
#include <algorithm>
#include <cmath>

namespace bitwright {

Grid gridOf(Range range, llvm::StringRef name) {
  const IntegerFormat &format = integerFormat(name);
  double low = std::min(range.low, 0.0), high = std::max(range.high, 0.0);
  double lowest = double(format.lowest()), highest = double(format.highest());
  Grid grid;
  grid.scale = legalColumnScale((high - low) / (highest - lowest));
  grid.zeroPoint = int32_t(std::min(std::max(numerics::roundHalfUp(lowest - low / grid.scale), lowest), highest));
  return grid;
}

QuantizedWeight quantizeWeight(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape, int64_t axis,
                               const WeightScheme &scheme) {
  UniformColumns::Options options;
  options.clip = scheme.clip;
  options.percentile = scheme.percentile;
  UniformColumns columns(integerFormat(scheme.format), options);
  // Each slice is a row of one group, as the rounding loops see it.
  size_t slices = axis < 0 ? 1 : size_t(shape[size_t(axis)]), inner = axis < 0 ? values.size() : 1;
  for (size_t i = size_t(axis) + 1; axis >= 0 && i < shape.size(); ++i)
    inner *= size_t(shape[i]);
  size_t outer = slices * inner ? values.size() / (slices * inner) : 0;
  columns.begin(nullptr, int64_t(slices), int64_t(outer * inner), int64_t(outer * inner), 1);
  QuantizedWeight result;
  result.codes.resize(values.size());
  std::vector<double> slice(outer * inner);
  for (size_t s = 0; s < slices; ++s) {
    for (size_t o = 0; o < outer; ++o)
      std::copy_n(values.data() + (o * slices + s) * inner, inner, slice.data() + o * inner);
    columns.fit(int64_t(s), 0, slice, {});
    double decoded;
    for (size_t i = 0; i < slice.size(); ++i)
      columns.round(int64_t(s), 0, slice[i], &result.codes[(i / inner * slices + s) * inner + i % inner], &decoded);
  }
  result.scales = columns.getScales();
  return result;
}

} // namespace bitwright
