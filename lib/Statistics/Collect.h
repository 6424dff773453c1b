//===- Collect.h - runs calibration data through a float graph -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_STATISTICS_COLLECT_H
#define BITWRIGHT_LIB_STATISTICS_COLLECT_H

#include "lib/Statistics/CalibrationData.h"
#include "lib/Statistics/Statistics.h"
#include "llvm/ADT/StringSet.h"
#include <functional>

namespace bitwright {

/// Name, elements and shape of one float32 tensor.
using ObserveFn =
    llvm::function_ref<void(llvm::StringRef name, llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape)>;

/// Runs the float graph on one sample. The one place that knows how: interpreter or compiled code.
class Runner {
public:
  virtual ~Runner() = default;
  /// Runs one sample and calls `observe` once for every float32 value (argument or result) whose name is in `wanted`.
  /// The data need to live during the call only.
  virtual llvm::Error run(const Sample &sample, const llvm::StringSet<> &wanted, ObserveFn observe) = 0;
};

/// The reference interpreter as a runner: slow, but always there.
class InterpreterRunner : public Runner {
public:
  explicit InterpreterRunner(mlir::func::FuncOp func, unsigned threads = 1) : func(func), threads(threads) {}
  llvm::Error run(const Sample &sample, const llvm::StringSet<> &wanted, ObserveFn observe) override;

private:
  mlir::func::FuncOp func;
  unsigned threads;
};

/// Names of the values that statistics are kept of: float32 arguments, and float32 results that are not constants.
llvm::StringSet<> observedValues(mlir::func::FuncOp func);

/// What a pass over the data gathers besides the statistics of values, and which samples it runs.
struct CollectOptions {
  bool secondMoments = false; ///< of the input of every linear layer and convolution with constant weights
  /// Columns of a group beyond which no moments are kept (8 columns^2 bytes each).
  int64_t maxMomentColumns = 16384;
  bool channelAbsMax = false; ///< of the input of every product
  /// Only samples whose number modulo `shards` is `shard`; the others are read for the digest of the data.
  uint64_t shard = 0, shards = 1;
  /// While running, the state is written to this file every `saveSeconds` (less often where writing takes long), and a
  /// pass that finds it goes on behind the samples it holds: the result is the same, bit for bit. Empty: not kept.
  std::string resumeFile;
  double saveSeconds = 30;
  /// Told how many samples the file held.
  std::function<void(uint64_t samples)> onResume;
};

/// One streaming pass over the data. `progress` (optional) is called after each sample. Errors: those of the data and
/// the runner; NaN or infinity (value and sample are named); a shard without samples; a resume file of another graph,
/// of other data or with other options.
llvm::Expected<Statistics> collectStatistics(mlir::func::FuncOp func, CalibrationData &data, Runner &runner,
                                             llvm::function_ref<void(uint64_t samples)> progress = nullptr,
                                             const CollectOptions &options = {});

/// The same into a file; `path`.partial is the resume file, and is removed at the end.
llvm::Expected<Statistics> collectStatisticsTo(llvm::StringRef path, mlir::func::FuncOp func, CalibrationData &data,
                                               Runner &runner,
                                               llvm::function_ref<void(uint64_t samples)> progress = nullptr,
                                               CollectOptions options = {});

/// Fails unless the statistics came from this function (graph digest), naming the values that are missing.
llvm::Error checkStatistics(const Statistics &statistics, mlir::func::FuncOp func);

} // namespace bitwright

#endif
