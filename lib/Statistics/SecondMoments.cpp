//===- SecondMoments.cpp - X^T X of a product's input -----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/SecondMoments.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include <Eigen/Dense>

using namespace bitwright;

std::optional<ProductGeometry> ProductGeometry::of(mlir::Operation *op) {
  auto constantWeight = [](mlir::Value weight) -> std::optional<mlir::RankedTensorType> {
    if (!llvm::isa_and_nonnull<qnn::WeightOp, qnn::ConstantOp>(weight.getDefiningOp()))
      return std::nullopt;
    auto type = llvm::cast<mlir::RankedTensorType>(weight.getType());
    return type.hasStaticShape() ? std::optional(type) : std::nullopt;
  };
  ProductGeometry geometry;
  if (auto linear = llvm::dyn_cast<qnn::LinearOp>(op)) {
    auto type = constantWeight(linear.getWeight());
    if (!type)
      return std::nullopt;
    geometry.input = getValueName(linear.getInput());
    geometry.columns = type->getDimSize(1);
    return geometry;
  }
  auto conv = llvm::dyn_cast<qnn::ConvOp>(op);
  if (!conv)
    return std::nullopt;
  auto type = constantWeight(conv.getWeight());
  if (!type)
    return std::nullopt;
  geometry.input = getValueName(conv.getInput());
  geometry.groups = conv.getGroups();
  geometry.columns = type->getNumElements() / type->getDimSize(0);
  size_t spatial = type->getRank() - 2;
  geometry.kernel.assign(type->getShape().begin() + 2, type->getShape().end());
  geometry.strides.assign(conv.getStrides().begin(), conv.getStrides().end());
  geometry.dilations.assign(conv.getDilations().begin(), conv.getDilations().end());
  geometry.padsLow.assign(conv.getPads().begin(), conv.getPads().begin() + spatial);
  geometry.padsHigh.assign(conv.getPads().begin() + spatial, conv.getPads().end());
  return geometry;
}

namespace {
using Block = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Moments = Eigen::Map<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

/// Rows of one group on their way into its matrix.
class Accumulator {
public:
  // 256 products of one block are summed in float32: 8 bits of its 24, the rest of the sum is float64.
  static constexpr int64_t blockRows = 256;
  Accumulator(double *matrix, int64_t columns) : moments(matrix, columns, columns), block(blockRows, columns) {}
  float *next() {
    if (filled == blockRows)
      flush();
    return block.row(filled++).data();
  }
  void flush() {
    if (!filled)
      return;
    auto rows = block.topRows(filled);
    Block product = Block::Zero(moments.rows(), moments.cols());
    product.selfadjointView<Eigen::Lower>().rankUpdate(rows.transpose());
    for (int64_t i = 0; i < moments.rows(); ++i)
      for (int64_t j = 0; j <= i; ++j) {
        moments(i, j) += double(product(i, j));
        if (i != j)
          moments(j, i) = moments(i, j);
      }
    filled = 0;
  }

private:
  Moments moments;
  Block block;
  int64_t filled = 0;
};
} // namespace

void SecondMoments::add(const ProductGeometry &geometry, llvm::ArrayRef<float> values,
                        llvm::ArrayRef<int64_t> shape) {
  if (matrix.empty()) {
    groups = geometry.groups;
    columns = geometry.columns;
    matrix.assign(size_t(groups * columns * columns), 0.0);
  }
  if (geometry.kernel.empty()) {
    int64_t count = int64_t(values.size()) / columns, step = (count + maxRowsPerTensor - 1) / maxRowsPerTensor;
    Accumulator accumulator(matrix.data(), columns);
    for (int64_t row = 0; row < count; row += step, ++rows)
      std::copy_n(values.data() + row * columns, columns, accumulator.next());
    return accumulator.flush();
  }
  size_t spatial = geometry.kernel.size();
  int64_t batch = shape[0], channels = shape[1] / groups, positions = 1, taps = 1, area = 1;
  llvm::SmallVector<int64_t, 3> output;
  for (size_t d = 0; d < spatial; ++d) {
    int64_t extent = geometry.dilations[d] * (geometry.kernel[d] - 1) + 1;
    output.push_back((shape[2 + d] + geometry.padsLow[d] + geometry.padsHigh[d] - extent) / geometry.strides[d] + 1);
    positions *= output[d];
    taps *= geometry.kernel[d];
    area *= shape[2 + d];
  }
  int64_t count = batch * positions, step = std::max<int64_t>(1, (count + maxRowsPerTensor - 1) / maxRowsPerTensor);
  // Offset of each kernel position from the channel's start for one window, -1 in the padding.
  std::vector<int64_t> offsets(size_t(taps), 0);
  for (int64_t group = 0; group < groups; ++group) {
    Accumulator accumulator(matrix.data() + group * columns * columns, columns);
    for (int64_t row = 0; row < count; row += step) {
      int64_t position = row % positions;
      for (int64_t tap = 0; tap < taps; ++tap) {
        int64_t p = position, t = tap, offset = 0, stride = 1;
        for (size_t d = spatial; d-- > 0;) {
          int64_t at = p % output[d] * geometry.strides[d] - geometry.padsLow[d] +
                       t % geometry.kernel[d] * geometry.dilations[d];
          p /= output[d];
          t /= geometry.kernel[d];
          if (at < 0 || at >= shape[2 + d])
            offset = -1;
          if (offset >= 0)
            offset += at * stride;
          stride *= shape[2 + d];
        }
        offsets[size_t(tap)] = offset;
      }
      float *to = accumulator.next();
      const float *image = values.data() + (row / positions * shape[1] + group * channels) * area;
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t tap = 0; tap < taps; ++tap)
          *to++ = offsets[size_t(tap)] < 0 ? 0.0f : image[c * area + offsets[size_t(tap)]];
      rows += group == 0;
    }
    accumulator.flush();
  }
}

void SecondMoments::merge(const SecondMoments &other) {
  if (matrix.empty()) {
    *this = other;
    return;
  }
  rows += other.rows;
  for (size_t i = 0; i < matrix.size() && i < other.matrix.size(); ++i)
    matrix[i] += other.matrix[i];
}
