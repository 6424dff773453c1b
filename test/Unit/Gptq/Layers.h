//===- Layers.h - synthetic layers for the rounding tests --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_TEST_UNIT_GPTQ_LAYERS_H
#define BITWRIGHT_TEST_UNIT_GPTQ_LAYERS_H

#include "lib/Rounding/Gptq.h"
#include <Eigen/Dense>
#include <random>

namespace bitwright::testing {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Layer {
  int64_t partitions = 1;
  RowMatrix weights; ///< [N, K]
  RowMatrix moments; ///< [partitions * K, K]

  GptqProblem problem() const {
    GptqProblem problem;
    problem.name = "layer";
    problem.rows = weights.rows();
    problem.columns = weights.cols();
    problem.partitions = partitions;
    problem.weights = llvm::ArrayRef<double>(weights.data(), size_t(weights.size()));
    problem.moments = llvm::ArrayRef<double>(moments.data(), size_t(moments.size()));
    return problem;
  }
};

inline RowMatrix normal(std::mt19937_64 &random, int64_t rows, int64_t columns) {
  std::normal_distribution<double> distribution;
  RowMatrix out(rows, columns);
  for (int64_t i = 0; i < out.size(); ++i)
    out.data()[i] = distribution(random);
  return out;
}

/// METHODS 4.4 (SYN): normal rows times a mixing matrix with the spectrum e^(-decay j); Student-t(4) * 0.02 weights.
inline Layer makeLayer(uint64_t seed, int64_t rows, int64_t columns, int64_t samples, double decay,
                       int64_t partitions = 1) {
  std::mt19937_64 random(seed);
  Layer layer;
  layer.partitions = partitions;
  std::student_t_distribution<double> tail(4);
  layer.weights.resize(rows, columns);
  for (int64_t i = 0; i < layer.weights.size(); ++i)
    layer.weights.data()[i] = 0.02 * tail(random);
  layer.moments.resize(partitions * columns, columns);
  for (int64_t p = 0; p < partitions; ++p) {
    RowMatrix mixing = normal(random, columns, columns);
    for (int64_t j = 0; j < columns; ++j)
      mixing.row(j) *= std::exp(-decay * double(j));
    RowMatrix x = normal(random, samples, columns) * mixing;
    layer.moments.middleRows(p * columns, columns).noalias() = x.transpose() * x;
  }
  return layer;
}

inline double relativeError(const Layer &layer, const std::vector<double> &dequantized) {
  std::vector<double> zeros(dequantized.size(), 0.0);
  return outputError(layer.problem(), dequantized) / outputError(layer.problem(), zeros);
}

} // namespace bitwright::testing

#endif
