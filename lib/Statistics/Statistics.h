//===- Statistics.h - what calibration saw of every value ------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Statistics are keyed by value name (getValueName), second moments by operation name; they carry the digests of the
// graph and of the data they came from, and persist as one file: a line of JSON, and behind it the matrices as float64.
// Shards of one graph merge; the same sample is never counted twice. docs/Statistics.md describes the file.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_STATISTICS_STATISTICS_H
#define BITWRIGHT_LIB_STATISTICS_STATISTICS_H

#include "lib/Statistics/Histogram.h"
#include "lib/Statistics/SecondMoments.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <map>
#include <optional>
#include <string>

namespace bitwright {

/// One float tensor over all samples. Memory does not depend on the number of samples.
struct ValueStatistics {
  uint64_t count = 0;   ///< elements seen
  uint64_t batches = 0; ///< tensors seen
  Range extremes;       ///< smallest and largest value
  Range moving;         ///< moving average of each tensor's extremes, new = 0.9 * old + 0.1 * current
  double sum = 0, sumOfSquares = 0;
  Histogram histogram;
  /// Sum of the elements of each channel, for the dimension `channelAxis` (-1: not kept).
  int64_t channelAxis = -1;
  uint64_t channelCount = 0; ///< elements of one channel
  std::vector<double> channelSums;
  /// Largest magnitude in each channel; kept when `keepChannelAbsMax` is set before the first tensor.
  bool keepChannelAbsMax = false;
  std::vector<float> channelAbsMax;

  /// Adds one tensor. Values must be finite.
  void add(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape);
  void merge(const ValueStatistics &other);
  /// Mean of each channel; empty if not kept.
  std::vector<double> channelMeans() const;
  /// The value that `fraction` of the elements do not exceed, inside the extremes. It lies in the histogram bin of the
  /// exact order statistic: off by at most a bin's width, which is at most 1/512 of the largest magnitude (2^-110 where
  /// all magnitudes are below 2^-101). The same for one pass and for merged shards, in any order.
  double quantile(double fraction) const;
};

/// Samples of a data set that were run: all, or those whose number modulo `shards` is `shard`.
struct DataPart {
  std::string source; ///< SHA-256 over all samples of the set, also those of other shards
  uint64_t shard = 0, shards = 1;
  uint64_t samples = 0; ///< that were run
};

struct Statistics {
  std::string graphDigest; ///< SHA-256 of the function and its weights
  std::vector<DataPart> data;
  uint64_t samples = 0;
  std::map<std::string, ValueStatistics> values;
  /// By name of the linear layer or convolution; only what was asked for.
  std::map<std::string, SecondMoments> moments;

  /// Of an interrupted collection: samples of the data set that were read (run or left to other shards), and the
  /// SHA-256 over them.
  struct Unfinished {
    uint64_t read = 0;
    std::string digest;
  };
  std::optional<Unfinished> unfinished;

  const ValueStatistics *lookup(llvm::StringRef name) const;
  const SecondMoments *lookupMoments(llvm::StringRef operation) const;
  /// Adds other samples of the same graph; complete sets of shards become their data set. Nothing changes on error:
  /// another graph, samples that both hold, other things collected.
  llvm::Error merge(const Statistics &other);

  /// Writes the file under a temporary name, then renames.
  llvm::Error save(llvm::StringRef path) const;
  /// Any bytes give statistics or an error that names the file and what is wrong in it.
  static llvm::Expected<Statistics> load(llvm::StringRef path);
  /// The same, but also of an interrupted collection.
  static llvm::Expected<Statistics> loadUnfinished(llvm::StringRef path);
};

/// The range that the observer of `scheme` chooses for 2^bits levels; always contains zero.
Range chooseRange(const ValueStatistics &statistics, const ActivationScheme &scheme, int bits = 8);

/// SHA-256 of a function's text (without locations) and of the weights that it names, as hex.
std::string digestOf(mlir::func::FuncOp func);

} // namespace bitwright

#endif
