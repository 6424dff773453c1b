//===- Gptq.h - second-order rounding of weights ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// METHODS #18. The output error of a row w rounded to q is (w - q) H (w - q)^T with H = X^T X. With H = R R^T, R upper
// triangular, it is the sum over the columns j of (sum_{i <= j} (w_i - q_i) R_ij)^2, so once the columns before j are
// fixed, the best place for column j is
//     t_j = w_j + sum_{i < j} (w_i - q_i) R_ij / R_jj,
// which the column quantizer rounds. This equals the published loop over a Cholesky factor of the inverse, without
// forming an inverse: one factorization and one product less, and better conditioned.
//
// Independent of the IR. Results do not depend on the number of threads.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_ROUNDING_GPTQ_H
#define BITWRIGHT_LIB_ROUNDING_GPTQ_H

#include "lib/Rounding/ColumnQuantizer.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <string>
#include <vector>

namespace bitwright {

/// A weight and the second moments of its input.
struct GptqProblem {
  /// Used in messages.
  std::string name;
  int64_t rows = 0;    ///< N, output channels
  int64_t columns = 0; ///< K, inputs of one output channel (convolution: channels of the group x kernel positions)
  /// Independent groups of a grouped convolution: rows are split evenly, each part has its own moments.
  int64_t partitions = 1;
  llvm::ArrayRef<double> weights; ///< [N, K] row-major
  llvm::ArrayRef<double> moments; ///< [partitions, K, K], each symmetric, X^T X times any positive constant
};

struct GptqOptions {
  /// Added to the diagonal, as fractions of its mean over live columns; tried in order until the factor exists.
  std::vector<double> dampingLadder = {0.01, 0.1, 1, 10, 100};
  /// Round the columns with the largest second moment first. Implies static groups.
  bool actOrder = false;
  /// Fit the groups' parameters to the original weights, not to those updated when the group is entered.
  bool staticGroups = false;
  /// Columns that share parameters; 0: all (per channel). The last group may be shorter.
  int64_t groupSize = 0;
  /// Columns rounded between two matrix products.
  int64_t blockSize = 128;
  /// False: plain rounding to nearest (RTN), with the same bookkeeping.
  bool feedback = true;
  int threads = 0; ///< 0: one a core
};

struct GptqResult {
  std::vector<int32_t> codes;      ///< [N, K]
  std::vector<double> dequantized; ///< [N, K]
  /// tr((W - Wq) (H + damping I) (W - Wq)^T), in units of the given moments: what the loop minimises.
  /// Dead columns count nothing.
  double dampedLoss = 0;
  /// tr((W - Wq) H (W - Wq)^T). Dead columns count nothing.
  double outputError = 0;
  /// The rung of the ladder that was used (the largest over the partitions).
  double damping = 0;
  /// Columns without input (H_kk = 0), over all partitions. Their weights widen no range and take up no error: they
  /// are rounded to nearest, because other data may well reach them (zeroing them, as is often done, destroys networks
  /// whose calibration leaves channels of a ReLU silent).
  int64_t deadColumns = 0;
};

/// Rounds `problem.weights`. `quantizer` is fitted on the way and holds the parameters of the result afterwards.
/// Errors name the problem: sizes that disagree; NaN or infinity in weights or moments; moments that are not symmetric,
/// have a negative diagonal, are all zero, or have no factor on any rung of the ladder. A convolution's group
/// whose moments are all zero, beside others that are not, is rounded to nearest.
llvm::Expected<GptqResult> gptqQuantize(const GptqProblem &problem, const GptqOptions &options,
                                        ColumnQuantizer &quantizer);
/// The same from float32 weights (`problem.weights` is ignored).
llvm::Expected<GptqResult> gptqQuantize(GptqProblem problem, llvm::ArrayRef<float> weights, const GptqOptions &options,
                                        ColumnQuantizer &quantizer);

enum class RoundingChoice { Gptq, Rtn };

struct BetterRounding {
  RoundingChoice choice = RoundingChoice::Gptq;
  GptqResult result;                          ///< of the choice
  std::unique_ptr<ColumnQuantizer> quantizer; ///< fitted, of the choice
  double gptqError = 0, rtnError = 0;         ///< output errors of both, as they were compared
};

/// Rounds with and without feedback and keeps the smaller output error under the undamped moments (GPTQ on a tie).
/// Where feedback loses, it is tried again in act-order and with dampings 0.1 and 1.
/// `quantizer` is the pattern; it is not changed. With `holdOut` (moments of samples that `problem.moments` has not
/// seen, same shape) the errors that are compared are under these: METHODS P15, GPTQ fits its calibration set too well.
llvm::Expected<BetterRounding> roundKeepingBetter(const GptqProblem &problem, const GptqOptions &options,
                                                  const ColumnQuantizer &quantizer,
                                                  llvm::ArrayRef<double> holdOut = {});

/// tr((W - Wq) H (W - Wq)^T), by definition, for Wq = `dequantized` [N, K]. With zeros: the energy of
/// the output, to which errors are relative.
double outputError(const GptqProblem &problem, llvm::ArrayRef<double> dequantized);

} // namespace bitwright

#endif
