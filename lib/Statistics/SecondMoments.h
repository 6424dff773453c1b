//===- SecondMoments.h - X^T X of a product's input -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// What second-order rounding (METHODS #18) and output errors need: for each linear layer and convolution the second
// moments of the rows that its weights are multiplied with. A convolution's rows are its windows (im2col), in the
// order of its weights: channel of the group, then kernel position. Rows are gathered in float32 blocks; their products
// are added in float64, so that neither the number of samples nor their order matters beyond float64 rounding.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_STATISTICS_SECONDMOMENTS_H
#define BITWRIGHT_LIB_STATISTICS_SECONDMOMENTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "mlir/IR/Operation.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitwright {

/// How rows are read from the input of a product.
struct ProductGeometry {
  std::string input;         ///< value name of the input
  int64_t groups = 1;        ///< of a grouped convolution
  int64_t columns = 0;       ///< K: values of a row, per group
  /// Empty for a linear layer (rows along the last dimension), else one a spatial dimension.
  llvm::SmallVector<int64_t, 3> kernel, strides, padsLow, padsHigh, dilations;

  /// The geometry of a qnn.linear or qnn.conv with a constant weight; none for anything else.
  static std::optional<ProductGeometry> of(mlir::Operation *op);
};

/// sum over rows of x x^T, one symmetric columns x columns matrix a group.
struct SecondMoments {
  int64_t groups = 1, columns = 0;
  uint64_t rows = 0;          ///< rows added, per group
  std::vector<double> matrix; ///< [groups, columns, columns]

  /// At most this many rows of one tensor are used, evenly spaced: a picture has thousands of overlapping windows.
  static constexpr int64_t maxRowsPerTensor = 1024;

  /// Adds the rows of one input tensor (N x C x spatial, or ... x K).
  void add(const ProductGeometry &geometry, llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape);
  void merge(const SecondMoments &other);
};

} // namespace bitwright

#endif
