//===- Histogram.h - streaming histogram with a doubling range -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// 2048 bins over [-2^e, 2^e); a larger value doubles the range and merges pairs of bins. Ranges are powers of two, so
// any two histograms of one tensor merge exactly, in any order: the result depends only on the multiset of values.
// Memory is fixed.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_STATISTICS_HISTOGRAM_H
#define BITWRIGHT_LIB_STATISTICS_HISTOGRAM_H

#include "lib/Support/Recipe.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace bitwright {

/// A closed interval of real values.
struct Range {
  double low = 0, high = 0;
  bool operator==(const Range &other) const { return low == other.low && high == other.high; }
};

class Histogram {
public:
  static constexpr int binCount = 2048;
  /// The range never shrinks under 2^minExponent; values closer to zero share the two middle bins.
  static constexpr int minExponent = -100;

  void add(llvm::ArrayRef<float> values);
  void merge(const Histogram &other);

  bool empty() const { return bins.empty(); }
  int getExponent() const { return exponent; }
  double binWidth() const;
  /// Lower edge of bin i.
  double edge(int i) const { return (i - binCount / 2) * binWidth(); }
  llvm::ArrayRef<uint64_t> getBins() const { return bins; }
  uint64_t total() const;
  /// Rebuilds a stored histogram; `bins` holds binCount entries.
  static Histogram fromBins(int exponent, std::vector<uint64_t> bins);

  /// The value below which `fraction` of the values lie, interpolated inside its bin.
  double quantile(double fraction) const;

private:
  void growTo(int newExponent);
  int exponent = minExponent;
  std::vector<uint64_t> bins; ///< empty before the first value
};

/// The range inside `extremes` whose grid of `levels` equally spaced values (zero among them) has the least expected
/// squared error: rounding inside the range as step^2/12, the distance to the border outside.
Range chooseByMse(const Histogram &histogram, Range extremes, int levels);

/// The range, as a common fraction of `extremes`, whose quantized distribution has the least Kullback-Leibler
/// divergence from the histogram clipped to it (entropy calibration: Migacz, "8-bit inference with TensorRT", GTC
/// 2017).
Range chooseByKl(const Histogram &histogram, Range extremes, int levels);

} // namespace bitwright

#endif
