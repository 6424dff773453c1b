//===- Rounding.h - grids and codes of weights and activations -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_ROUNDING_ROUNDING_H
#define BITWRIGHT_LIB_ROUNDING_ROUNDING_H

#include "lib/NumberFormats/NumberFormat.h"
#include "lib/Statistics/Histogram.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace bitwright {

/// A uniform grid: value = (code - zeroPoint) * scale.
struct Grid {
  float scale = 1;
  int32_t zeroPoint = 0;
  bool operator==(const Grid &other) const { return scale == other.scale && zeroPoint == other.zeroPoint; }
  bool operator!=(const Grid &other) const { return !(*this == other); }
};

/// The grid of an integer format's codes that covers `range` (which holds zero; zero is a code). A range of nothing
/// gives scale 1. The scale is a normal float32 (INTEGER Q2).
Grid gridOf(Range range, llvm::StringRef format = "s8");

/// Codes of a weight with one scale a slice; zero point 0, codes in [-highest, highest] of the signed format.
struct QuantizedWeight {
  std::vector<int32_t> codes; ///< in the order of the weight
  std::vector<float> scales;  ///< one a slice along the axis, or one
};

/// Quantizes a row-major weight of `shape` along `axis` (-1: one scale for all). The clip of `scheme` chooses the
/// range: absmax; mse: the fraction of absmax in {1, 0.99, ... 0.5} with the least squared error; percentile of |w|.
QuantizedWeight quantizeWeight(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape, int64_t axis,
                               const WeightScheme &scheme);

} // namespace bitwright

#endif
