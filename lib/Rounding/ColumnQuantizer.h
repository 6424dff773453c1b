//===- ColumnQuantizer.h - nearest codes, column by column -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_ROUNDING_COLUMNQUANTIZER_H
#define BITWRIGHT_LIB_ROUNDING_COLUMNQUANTIZER_H

#include "lib/NumberFormats/NumberFormat.h"
#include "lib/Support/Recipe.h"
#include "llvm/ADT/ArrayRef.h"
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace bitwright {

/// INTEGER Q2: scales are finite float32 and at least 2^-126; a range of nothing gives 1.
inline float legalColumnScale(double scale) {
  return scale > 0 ? float(std::min(std::max(scale, 0x1p-126), 0x1p127)) : 1.0f;
}

/// The number format as the rounding loops see it: parameters per row and group of columns, and the nearest code.
///
/// The loops call `begin` once, then for disjoint ranges of rows, possibly at the same time, `fit` for a group before
/// the first `round` in it. Numbers of rows, columns and groups are those of the weight.
class ColumnQuantizer {
public:
  virtual ~ColumnQuantizer() = default;
  virtual std::unique_ptr<ColumnQuantizer> clone() const = 0;
  /// `weights`: the original weight [rows, columns], row-major; `groups` groups of `groupSize` columns (the last may be
  /// shorter). Fit here what is shared by groups.
  virtual void begin(const double *weights, int64_t rows, int64_t columns, int64_t groupSize, int64_t groups) = 0;
  /// Chooses the parameters of (`row`, `group`). `importance`: the diagonal of H for these columns.
  virtual void fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights, llvm::ArrayRef<double> importance) = 0;
  /// Nearest codes of one column of `group`, rows [firstRow, firstRow + values.size()), and what they decode to.
  virtual void round(int64_t firstRow, int64_t group, llvm::ArrayRef<double> values, int32_t *codes,
                     double *decoded) const = 0;
};

/// Uniform grids: value = (code - zero) * scale. Of a signed format the zero is 0 and codes lie in [-highest, highest];
/// of an unsigned one all codes are used, and the zero is one of them.
class UniformColumns : public ColumnQuantizer {
public:
  struct Options {
    /// AbsMax: the full range. Mse: the range times the factor in {1, 0.99 ... 0.5} with the least squared error.
    /// Percentile (signed formats): the magnitude that so many percent of the weights do not exceed.
    WeightClip clip = WeightClip::AbsMax;
    double percentile = 99.99;
    /// Weight the squared error with the second moment of the column.
    bool weightedClip = false;
  };
  explicit UniformColumns(const IntegerFormat &format) : UniformColumns(format, Options()) {}
  UniformColumns(const IntegerFormat &format, Options options) : format(&format), options(options) {}
  std::unique_ptr<ColumnQuantizer> clone() const override { return std::make_unique<UniformColumns>(*this); }
  void begin(const double *weights, int64_t rows, int64_t columns, int64_t groupSize, int64_t groups) override;
  void fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights, llvm::ArrayRef<double> importance) override;
  void round(int64_t firstRow, int64_t group, llvm::ArrayRef<double> values, int32_t *codes,
             double *decoded) const override;

  /// Of (row, group), at [group * rows + row]. Scales are float32, as they are stored.
  const std::vector<float> &getScales() const { return scales; }
  const std::vector<int32_t> &getZeros() const { return zeros; }

private:
  double least() const { return double(format->isSigned() ? -format->highest() : 0); }
  double most() const { return double(format->highest()); }
  const IntegerFormat *format;
  Options options;
  int64_t rows = 0;
  std::vector<float> scales;
  std::vector<int32_t> zeros;
};

/// Any format times a scale per row and group: absmax of the group over the largest magnitude of the format.
class FormatColumns : public ColumnQuantizer {
public:
  /// `format` outlives this object.
  explicit FormatColumns(const NumberFormat &format);
  std::unique_ptr<ColumnQuantizer> clone() const override { return std::make_unique<FormatColumns>(*this); }
  void begin(const double *weights, int64_t rows, int64_t columns, int64_t groupSize, int64_t groups) override;
  void fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights, llvm::ArrayRef<double> importance) override;
  void round(int64_t firstRow, int64_t group, llvm::ArrayRef<double> values, int32_t *codes,
             double *decoded) const override;

  const std::vector<float> &getScales() const { return scales; }

private:
  const NumberFormat *format;
  double largest = 1;
  int64_t rows = 0;
  std::vector<float> scales;
};

} // namespace bitwright

#endif
