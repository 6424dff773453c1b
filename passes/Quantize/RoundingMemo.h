//===- RoundingMemo.h - weights that were rounded before -------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// correct-bias, the measurements of an allocation and quantize-weights ask for the same rounded weights, and GPTQ takes
// seconds a layer. The memo keeps them by what they depend on: the weight's values, its attributes, and the second
// moments of its input. It lives in the context, as an interface of the dialect.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_QUANTIZE_ROUNDINGMEMO_H
#define BITWRIGHT_PASSES_QUANTIZE_ROUNDINGMEMO_H

#include "mlir/IR/DialectInterface.h"
#include "passes/Quantize/QuantizableOps.h"
#include <deque>
#include <mutex>
#include <unordered_map>

namespace bitwright {

class RoundingMemo : public mlir::DialectInterface::Base<RoundingMemo> {
public:
  /// Codes beyond this are forgotten, the oldest first.
  static constexpr size_t maxBytes = size_t(512) << 20;

  explicit RoundingMemo(mlir::Dialect *dialect) : Base(dialect) {}

  /// From now on quantizeWeightOf remembers. Call while nothing else runs in the context: from Pass::initialize, or
  /// before passes run.
  static void install(mlir::MLIRContext *context);
  /// Null before install: then nothing is remembered.
  static RoundingMemo *find(mlir::MLIRContext *context);

  /// Of the weight of `product` with the values `weights`: a hash of 128 bits over all that decides its codes.
  static std::string keyOf(mlir::Operation *product, llvm::ArrayRef<float> weights);
  bool lookup(const std::string &key, RoundedWeight &result);
  void insert(const std::string &key, const RoundedWeight &weight);

  /// Forgets everything: when no more weights are going to be rounded.
  void clear();

  /// How often a weight was found, and how often it had to be rounded.
  uint64_t hits() const { return found; }
  uint64_t misses() const { return rounded; }

private:
  std::mutex mutex;
  std::unordered_map<std::string, RoundedWeight> weights;
  std::deque<std::string> order; ///< oldest first
  size_t bytes = 0;
  uint64_t found = 0, rounded = 0;
};

} // namespace bitwright

#endif
