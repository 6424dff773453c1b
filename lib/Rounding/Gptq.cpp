//===- Gptq.cpp - second-order rounding of weights --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Rounding/Gptq.h"
#include "llvm/ADT/Twine.h"
#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <thread>

namespace bitwright {
namespace {

using Matrix = Eigen::MatrixXd;
using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

/// Rows that go through all columns together. Fixed, so that the products, and with them the last bits, do not depend
/// on the number of threads. Large enough to use each panel of the factor well, small enough to stay in the cache.
constexpr int64_t rowsAtOnce = 256;

llvm::Error problemError(const GptqProblem &problem, const llvm::Twine &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), "gptq: '" + llvm::Twine(problem.name) + "': " + text);
}

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", v);
  return text;
}

std::string ladderText(const std::vector<double> &ladder) {
  std::string text;
  for (double rung : ladder)
    text += (text.empty() ? "" : ", ") + number(rung);
  return text;
}

/// Runs task(0 .. count - 1) on `threads` threads.
template <typename Task> void runTasks(int64_t count, int threads, const Task &task) {
  if (threads <= 0)
    threads = int(std::max(1u, std::thread::hardware_concurrency()));
  threads = int(std::min<int64_t>(threads, count));
  std::atomic<int64_t> next{0};
  auto work = [&] {
    for (int64_t i; (i = next.fetch_add(1)) < count;)
      task(i);
  };
  std::vector<std::thread> pool;
  for (int t = 1; t < threads; ++t)
    pool.emplace_back(work);
  work();
  for (std::thread &thread : pool)
    thread.join();
}

llvm::Error checkMoments(const GptqProblem &problem, llvm::ArrayRef<double> moments, const llvm::Twine &what) {
  const int64_t k = problem.columns, p = problem.partitions;
  if (int64_t(moments.size()) != p * k * k)
    return problemError(problem, what + "expected " + llvm::Twine(p * k * k) + " second moments (" + llvm::Twine(p) +
                                     " x " + llvm::Twine(k) + " x " + llvm::Twine(k) + "), found " +
                                     llvm::Twine(moments.size()) + "; collect the statistics again for this model");
  for (int64_t i = 0; i < p * k * k; ++i)
    if (!std::isfinite(moments[size_t(i)]))
      return problemError(problem, what + "second moment [" + llvm::Twine(i / (k * k)) + ", " + llvm::Twine(i / k % k) +
                                       ", " + llvm::Twine(i % k) + "] is " + number(moments[size_t(i)]) +
                                       "; expected finite moments: look for NaN or infinity in the calibration data");
  return llvm::Error::success();
}

llvm::Error checkProblem(const GptqProblem &problem, const GptqOptions &options) {
  const int64_t n = problem.rows, k = problem.columns, p = problem.partitions;
  if (n <= 0 || k <= 0)
    return problemError(problem, "expected at least one row and one column, found " + llvm::Twine(n) + " x " +
                                     llvm::Twine(k) + "; leave empty groups out");
  if (p <= 0 || n % p)
    return problemError(problem, "expected the " + llvm::Twine(n) + " rows to split evenly, found " + llvm::Twine(p) +
                                     " groups of the convolution");
  if (int64_t(problem.weights.size()) != n * k)
    return problemError(problem, "expected " + llvm::Twine(n * k) + " weights (" + llvm::Twine(n) + " x " +
                                     llvm::Twine(k) + "), found " + llvm::Twine(problem.weights.size()));
  if (llvm::Error error = checkMoments(problem, problem.moments, ""))
    return error;
  if (options.groupSize < 0 || options.blockSize <= 0)
    return problemError(problem, "expected a group size of at least 0 and a block size of at least 1, found " +
                                     llvm::Twine(options.groupSize) + " and " + llvm::Twine(options.blockSize));
  if (options.dampingLadder.empty())
    return problemError(problem, "expected at least one damping, found an empty ladder");
  for (double rung : options.dampingLadder)
    if (!(rung >= 0) || !std::isfinite(rung))
      return problemError(problem, "expected dampings that are finite and not negative, found " + number(rung));
  for (int64_t i = 0; i < n * k; ++i)
    if (!std::isfinite(problem.weights[size_t(i)]))
      return problemError(problem, "weight [" + llvm::Twine(i / k) + ", " + llvm::Twine(i % k) + "] is " +
                                       number(problem.weights[size_t(i)]) + "; expected finite weights");
  double all = 0;
  for (int64_t part = 0; part < p; ++part) {
    const double *h = problem.moments.data() + part * k * k;
    auto where = [&](int64_t i, int64_t j) {
      return "second moment [" + std::to_string(part) + ", " + std::to_string(i) + ", " + std::to_string(j) + "] is ";
    };
    for (int64_t i = 0; i < k; ++i) {
      if (h[i * k + i] < 0)
        return problemError(problem, where(i, i) + number(h[i * k + i]) + "; a diagonal of X^T X is not negative");
      all += h[i * k + i];
    }
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < i; ++j) {
        // Sums of the same products in another order differ by rounding only, float32 blocks by 1e-7 of this bound.
        double bound = 1e-4 * std::sqrt(h[i * k + i]) * std::sqrt(h[j * k + j]);
        if (std::fabs(h[i * k + j] - h[j * k + i]) > bound)
          return problemError(problem, where(i, j) + number(h[i * k + j]) + " but its mirror is " +
                                           number(h[j * k + i]) + "; X^T X is symmetric");
      }
  }
  if (all == 0)
    return problemError(problem, "all second moments are zero: no calibration data reached this layer, or only zeros "
                                 "did");
  return llvm::Error::success();
}

/// What the rows of one partition share.
struct Partition {
  Matrix factor;              ///< R in its upper triangle, of the ordered, scaled and damped moments
  std::vector<int64_t> order; ///< order[j]: the column rounded at step j
  std::vector<char> dead;     ///< by column
  std::vector<double> diagonal;
  /// No input at all (a depthwise channel behind a ReLU that calibration leaves silent): rounded to nearest as a whole,
  /// its own weights make its range, and its errors count nothing.
  bool silent = false;
  double unit = 1; ///< mean live diagonal: the moments are divided by it
  double damping = 0;
};

llvm::Error factorize(const GptqProblem &problem, const GptqOptions &options, int64_t part, Partition &out) {
  const int64_t k = problem.columns;
  const double *h = problem.moments.data() + part * k * k;
  out.dead.assign(size_t(k), 0);
  out.diagonal.resize(size_t(k));
  int64_t live = 0;
  double total = 0;
  for (int64_t i = 0; i < k; ++i) {
    out.diagonal[size_t(i)] = h[i * k + i];
    out.dead[size_t(i)] = h[i * k + i] == 0;
    live += h[i * k + i] != 0;
  }
  out.order.resize(size_t(k));
  std::iota(out.order.begin(), out.order.end(), int64_t(0));
  if (live == 0) {
    out.silent = true;
    out.dead.assign(size_t(k), 0);
    out.diagonal.assign(size_t(k), 1.0);
    out.factor = Matrix::Identity(k, k);
    return llvm::Error::success();
  }
  for (double d : out.diagonal)
    total += d / double(live);
  out.unit = total;
  if (options.actOrder)
    std::sort(out.order.begin(), out.order.end(), [&](int64_t a, int64_t b) {
      double da = out.diagonal[size_t(a)], db = out.diagonal[size_t(b)];
      return da != db ? da > db : a < b;
    });

  double worst = 0;
  int64_t worstColumn = 0;
  for (double damping : options.dampingLadder) {
    // With L L^T the factorization of the moments in reverse order, R is L turned by 180 degrees.
    out.factor.resize(k, k);
    for (int64_t j = 0; j < k; ++j) {
      const int64_t cj = out.order[size_t(k - 1 - j)];
      for (int64_t i = j; i < k; ++i) {
        const int64_t ci = out.order[size_t(k - 1 - i)];
        // A dead column has no products with others; 1 keeps it apart from them.
        bool apart = out.dead[size_t(ci)] || out.dead[size_t(cj)];
        out.factor(i, j) = apart ? double(ci == cj) : h[ci * k + cj] / out.unit;
      }
      out.factor(j, j) += damping;
    }
    Eigen::LLT<Eigen::Ref<Matrix>, Eigen::Lower> llt(out.factor);
    // Moments without negative eigenvalues have pivots of at least the damping. A pivot that is much smaller comes from
    // rounding errors (or moments that are none), and its column would take all the error.
    const double smallest = std::max(damping / 2, 1e-12);
    bool good = llt.info() == Eigen::Success;
    worst = HUGE_VAL;
    for (int64_t j = 0; j < k && good; ++j) {
      double pivot = out.factor(j, j) * out.factor(j, j);
      if (pivot < worst) {
        worst = pivot;
        worstColumn = out.order[size_t(k - 1 - j)];
      }
    }
    if (good && worst >= smallest) {
      out.damping = damping;
      std::reverse(out.factor.data(), out.factor.data() + k * k);
      return llvm::Error::success();
    }
  }
  std::string pivot = std::isfinite(worst) ? "the smallest pivot is " + number(worst * out.unit) + " at column " +
                                                 std::to_string(worstColumn)
                                           : std::string("a pivot is not positive");
  return problemError(problem, "the second moments of group " + llvm::Twine(part) +
                                   " have no Cholesky factor with dampings " + ladderText(options.dampingLadder) +
                                   " of the mean diagonal " + number(out.unit) + " (" + pivot +
                                   "): collect more calibration data or extend the ladder");
}

/// Rounds some rows of one partition.
class RowSlice {
public:
  RowSlice(const GptqProblem &problem, const GptqOptions &options, const Partition &partition,
           ColumnQuantizer &quantizer, GptqResult &result, int64_t firstRow, int64_t count)
      : problem(problem), options(options), partition(partition), quantizer(quantizer), result(result),
        firstRow(firstRow), count(count), columns(problem.columns),
        groupSize(options.groupSize ? std::min(options.groupSize, problem.columns) : problem.columns) {}

  void run() {
    weights.resize(count, columns);
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t column = partition.order[size_t(j)];
      for (int64_t r = 0; r < count; ++r)
        weights(r, j) = problem.weights[size_t((firstRow + r) * columns + column)];
    }
    const bool fitEarly = options.actOrder || options.staticGroups || !options.feedback || groupSize == columns;
    if (fitEarly)
      fitOriginal();
    moved.resize(count, columns);
    codes.resize(size_t(count));
    Vector target(count), decoded(count);
    Matrix sums;
    const Matrix &factor = partition.factor;
    for (int64_t p = 0; p < columns; p += options.blockSize) {
      const int64_t end = std::min(columns, p + options.blockSize);
      sums.resize(count, end - p);
      sums.noalias() = moved.leftCols(p) * factor.block(0, p, p, end - p);
      for (int64_t j = p; j < end; ++j) {
        if (!fitEarly && j % groupSize == 0)
          fitUpdated(j, p, end, sums);
        auto sum = sums.col(j - p);
        sum.noalias() += moved.middleCols(p, j - p) * factor.col(j).segment(p, j - p);
        if (options.feedback)
          target = weights.col(j) + sum / factor(j, j);
        else
          target = weights.col(j);
        roundColumn(j, target, decoded);
        moved.col(j) = weights.col(j) - decoded;
        if (counts(j))
          lossOfSlice += (sum + factor(j, j) * moved.col(j)).squaredNorm();
      }
    }
  }

  /// In units of the given moments.
  double dampedLoss() const { return lossOfSlice * partition.unit; }
  /// Takes the damping out of the loss again.
  double outputError() const {
    double extra = 0;
    for (int64_t j = 0; j < columns; ++j)
      if (counts(j))
        extra += partition.damping * moved.col(j).squaredNorm();
    return std::max(0.0, (lossOfSlice - extra) * partition.unit);
  }

private:
  /// Of the column rounded at step j.
  bool isDead(int64_t j) const { return partition.dead[size_t(partition.order[size_t(j)])]; }
  bool counts(int64_t j) const { return !partition.silent && !isDead(j); }

  void fitOne(int64_t row, int64_t group, const std::vector<double> &values) {
    quantizer.fit(firstRow + row, group, values,
                  llvm::ArrayRef<double>(partition.diagonal).slice(size_t(group * groupSize), values.size()));
  }

  void fitOriginal() {
    std::vector<double> values;
    for (int64_t first = 0; first < columns; first += groupSize)
      for (int64_t r = 0; r < count; ++r) {
        values.assign(size_t(std::min(groupSize, columns - first)), 0.0);
        for (size_t i = 0; i < values.size(); ++i)
          if (!partition.dead[size_t(first) + i])
            values[i] = problem.weights[size_t((firstRow + r) * columns + first) + i];
        fitOne(r, first / groupSize, values);
      }
  }

  /// Fits the group that starts at column j to the weights that are best given the columns before it.
  void fitUpdated(int64_t j, int64_t p, int64_t end, const Matrix &sums) {
    const int64_t size = std::min(groupSize, columns - j);
    const Matrix &factor = partition.factor;
    Matrix updated(count, size);
    if (j + size <= end) {
      updated = sums.middleCols(j - p, size);
      updated.noalias() += moved.middleCols(p, j - p) * factor.block(p, j, j - p, size);
    } else {
      updated.noalias() = moved.leftCols(j) * factor.block(0, j, j, size);
    }
    factor.block(j, j, size, size).triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(updated);
    updated += weights.middleCols(j, size);
    std::vector<double> values(size_t(size), 0.0);
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t i = 0; i < size; ++i)
        values[size_t(i)] = isDead(j + i) ? 0.0 : updated(r, i);
      fitOne(r, j / groupSize, values);
    }
  }

  void roundColumn(int64_t j, const Vector &target, Vector &decoded) {
    const int64_t column = partition.order[size_t(j)];
    quantizer.round(firstRow, column / groupSize, llvm::ArrayRef<double>(target.data(), size_t(count)), codes.data(),
                    decoded.data());
    for (int64_t r = 0; r < count; ++r) {
      const size_t at = size_t((firstRow + r) * columns + column);
      result.codes[at] = codes[size_t(r)];
      result.dequantized[at] = decoded[r];
    }
  }

  const GptqProblem &problem;
  const GptqOptions &options;
  const Partition &partition;
  ColumnQuantizer &quantizer;
  GptqResult &result;
  const int64_t firstRow, count, columns, groupSize;
  Matrix weights; ///< [count, columns] in rounding order
  Matrix moved;   ///< weights minus their decoded codes
  std::vector<int32_t> codes;
  double lossOfSlice = 0;
};

GptqResult roundAll(const GptqProblem &problem, const GptqOptions &options, const std::vector<Partition> &partitions,
                    ColumnQuantizer &quantizer) {
  const int64_t n = problem.rows, k = problem.columns, perPartition = n / problem.partitions;
  GptqResult result;
  result.codes.resize(size_t(n * k));
  result.dequantized.resize(size_t(n * k));
  const int64_t groupSize = options.groupSize ? std::min(options.groupSize, k) : k;
  quantizer.begin(problem.weights.data(), n, k, groupSize, (k + groupSize - 1) / groupSize);
  const int64_t slices = (perPartition + rowsAtOnce - 1) / rowsAtOnce, tasks = slices * problem.partitions;
  std::vector<std::array<double, 2>> sums(size_t(tasks), std::array<double, 2>{});
  runTasks(tasks, options.threads, [&](int64_t task) {
    const int64_t part = task / slices, first = task % slices * rowsAtOnce;
    RowSlice slice(problem, options, partitions[size_t(part)], quantizer, result, part * perPartition + first,
                   std::min(rowsAtOnce, perPartition - first));
    slice.run();
    sums[size_t(task)] = {slice.dampedLoss(), slice.outputError()};
  });
  for (const std::array<double, 2> &sum : sums) {
    result.dampedLoss += sum[0];
    result.outputError += sum[1];
  }
  for (const Partition &partition : partitions) {
    result.damping = std::max(result.damping, partition.damping);
    result.deadColumns += partition.silent ? k : std::count(partition.dead.begin(), partition.dead.end(), char(1));
  }
  return result;
}

llvm::Expected<std::vector<Partition>> factorizeAll(const GptqProblem &problem, const GptqOptions &options) {
  if (llvm::Error error = checkProblem(problem, options))
    return std::move(error);
  std::vector<Partition> partitions(static_cast<size_t>(problem.partitions));
  for (int64_t part = 0; part < problem.partitions; ++part)
    if (llvm::Error error = factorize(problem, options, part, partitions[size_t(part)]))
      return std::move(error);
  return partitions;
}

} // namespace

llvm::Expected<GptqResult> gptqQuantize(const GptqProblem &problem, const GptqOptions &options,
                                        ColumnQuantizer &quantizer) {
  llvm::Expected<std::vector<Partition>> partitions = factorizeAll(problem, options);
  if (!partitions)
    return partitions.takeError();
  return roundAll(problem, options, *partitions, quantizer);
}

llvm::Expected<GptqResult> gptqQuantize(GptqProblem problem, llvm::ArrayRef<float> weights, const GptqOptions &options,
                                        ColumnQuantizer &quantizer) {
  std::vector<double> wide(weights.begin(), weights.end());
  problem.weights = wide;
  return gptqQuantize(problem, options, quantizer);
}

llvm::Expected<BetterRounding> roundKeepingBetter(const GptqProblem &problem, const GptqOptions &options,
                                                  const ColumnQuantizer &quantizer, llvm::ArrayRef<double> holdOut) {
  llvm::Expected<std::vector<Partition>> partitions = factorizeAll(problem, options);
  if (!partitions)
    return partitions.takeError();
  if (!holdOut.empty())
    if (llvm::Error error = checkMoments(problem, holdOut, "hold-out moments: "))
      return std::move(error);
  auto errorOf = [&](const GptqResult &result) {
    if (holdOut.empty())
      return result.outputError;
    GptqProblem unseen = problem;
    unseen.moments = holdOut;
    return outputError(unseen, result.dequantized);
  };
  BetterRounding rtn, gptq;
  GptqOptions plain = options;
  plain.feedback = false;
  rtn.choice = RoundingChoice::Rtn;
  rtn.quantizer = quantizer.clone();
  rtn.result = roundAll(problem, plain, *partitions, *rtn.quantizer);
  rtn.rtnError = gptq.rtnError = errorOf(rtn.result);
  auto attempt = [&](const GptqOptions &tried, const std::vector<Partition> &factors) {
    std::unique_ptr<ColumnQuantizer> columns = quantizer.clone();
    GptqResult result = roundAll(problem, tried, factors, *columns);
    double error = errorOf(result);
    if (gptq.quantizer && error >= gptq.gptqError)
      return;
    gptq.gptqError = error;
    gptq.result = std::move(result);
    gptq.quantizer = std::move(columns);
  };
  attempt(options, *partitions);
  // Inputs with next to no correlation: feedback that is greedy can lose. Another order, or less feedback, seldom does.
  for (double damping : {0.0, 0.1, 1.0}) {
    if (gptq.gptqError <= gptq.rtnError)
      break;
    GptqOptions other = options;
    if (damping == 0)
      other.actOrder = true;
    else
      other.dampingLadder = {damping};
    if (auto factors = factorizeAll(problem, other))
      attempt(other, *factors);
    else
      llvm::consumeError(factors.takeError());
  }
  const bool keepGptq = gptq.gptqError <= gptq.rtnError;
  rtn.gptqError = gptq.gptqError;
  return std::move(keepGptq ? gptq : rtn);
}

double outputError(const GptqProblem &problem, llvm::ArrayRef<double> dequantized) {
  const int64_t n = problem.rows / problem.partitions, k = problem.columns;
  double error = 0;
  for (int64_t part = 0; part < problem.partitions; ++part) {
    Eigen::Map<const RowMatrix> weights(problem.weights.data() + part * n * k, n, k),
        rounded(dequantized.data() + part * n * k, n, k), moments(problem.moments.data() + part * k * k, k, k);
    RowMatrix moved = weights - rounded;
    error += (moved * moments).cwiseProduct(moved).sum();
  }
  return error;
}

} // namespace bitwright
