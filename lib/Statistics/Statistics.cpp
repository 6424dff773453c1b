//===- Statistics.cpp - what calibration saw of every value ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Statistics.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <numeric>

using namespace llvm;

namespace bitwright {

void ValueStatistics::add(ArrayRef<float> data, ArrayRef<int64_t> shape) {
  if (data.empty())
    return;
  // Eight lanes: the compiler turns them into vectors, and the order of the sums is fixed.
  constexpr size_t lanes = 8;
  float low[lanes], high[lanes];
  double sums[lanes] = {}, squares[lanes] = {};
  std::fill_n(low, lanes, data[0]);
  std::fill_n(high, lanes, data[0]);
  auto accumulate = [&](size_t lane, float v) {
    low[lane] = v < low[lane] ? v : low[lane];
    high[lane] = v > high[lane] ? v : high[lane];
    sums[lane] += v;
    squares[lane] += double(v) * v;
  };
  size_t whole = data.size() / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes)
    for (size_t lane = 0; lane < lanes; ++lane)
      accumulate(lane, data[i + lane]);
  for (size_t i = whole; i < data.size(); ++i)
    accumulate(i - whole, data[i]);
  Range current = {*std::min_element(low, low + lanes), *std::max_element(high, high + lanes)};
  for (size_t lane = 0; lane < lanes; ++lane) {
    sum += sums[lane];
    sumOfSquares += squares[lane];
  }
  if (batches == 0) {
    extremes = moving = current;
  } else {
    extremes = {std::min(extremes.low, current.low), std::max(extremes.high, current.high)};
    moving = {0.9 * moving.low + 0.1 * current.low, 0.9 * moving.high + 0.1 * current.high};
  }
  count += data.size();
  ++batches;
  histogram.add(data);
  if (channelAxis < 0 || channelAxis >= int64_t(shape.size()))
    return;
  size_t channels = size_t(shape[size_t(channelAxis)]), inner = 1;
  for (size_t i = size_t(channelAxis) + 1; i < shape.size(); ++i)
    inner *= size_t(shape[i]);
  if (channelSums.empty())
    channelSums.resize(channels);
  if (channelSums.size() != channels || channels == 0)
    return;
  for (size_t i = 0; i < data.size(); i += inner) {
    double partial = 0;
    for (size_t j = 0; j < inner; ++j)
      partial += data[i + j];
    channelSums[i / inner % channels] += partial;
  }
  channelCount += data.size() / channels;
  if (!keepChannelAbsMax)
    return;
  channelAbsMax.resize(channels);
  for (size_t i = 0; i < data.size(); i += inner) {
    float &largest = channelAbsMax[i / inner % channels];
    for (size_t j = 0; j < inner; ++j)
      largest = std::max(largest, std::fabs(data[i + j]));
  }
}

void ValueStatistics::merge(const ValueStatistics &other) {
  if (other.batches == 0)
    return;
  if (batches == 0) {
    *this = other;
    return;
  }
  extremes = {std::min(extremes.low, other.extremes.low), std::max(extremes.high, other.extremes.high)};
  // The moving average has no order across shards: each shard weighs by its tensors.
  double a = double(batches) / double(batches + other.batches), b = 1 - a;
  moving = {a * moving.low + b * other.moving.low, a * moving.high + b * other.moving.high};
  count += other.count;
  batches += other.batches;
  sum += other.sum;
  sumOfSquares += other.sumOfSquares;
  histogram.merge(other.histogram);
  if (channelSums.size() == other.channelSums.size()) {
    for (size_t i = 0; i < channelSums.size(); ++i)
      channelSums[i] += other.channelSums[i];
    channelCount += other.channelCount;
  }
  for (size_t i = 0; i < channelAbsMax.size() && i < other.channelAbsMax.size(); ++i)
    channelAbsMax[i] = std::max(channelAbsMax[i], other.channelAbsMax[i]);
}

double ValueStatistics::quantile(double fraction) const {
  if (histogram.empty())
    return 0;
  return std::min(std::max(histogram.quantile(fraction), extremes.low), extremes.high);
}

std::vector<double> ValueStatistics::channelMeans() const {
  std::vector<double> means = channelSums;
  for (double &mean : means)
    mean /= double(std::max<uint64_t>(1, channelCount));
  return means;
}

const ValueStatistics *Statistics::lookup(StringRef name) const {
  auto found = values.find(name.str());
  return found == values.end() ? nullptr : &found->second;
}

/// Whether some sample number belongs to both: a = x mod n and b = x mod m have a common x if gcd(n, m) divides a - b.
static bool overlap(const DataPart &a, const DataPart &b) {
  uint64_t difference = a.shard > b.shard ? a.shard - b.shard : b.shard - a.shard;
  return a.source == b.source && difference % std::gcd(a.shards, b.shards) == 0;
}

static std::string describe(const DataPart &part) {
  std::string set = "the data " + part.source.substr(0, 16);
  return part.shards == 1
             ? set
             : "shard " + std::to_string(part.shard + 1) + "/" + std::to_string(part.shards) + " of " + set;
}

/// Replaces complete sets of shards by the set.
static void joinShards(std::vector<DataPart> &parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const DataPart first = parts[i];
    auto belongs = [&](const DataPart &part) { return part.source == first.source && part.shards == first.shards; };
    if (first.shards == 1 || uint64_t(llvm::count_if(parts, belongs)) != first.shards)
      continue;
    DataPart whole{first.source, 0, 1, 0};
    for (const DataPart &part : parts)
      whole.samples += belongs(part) ? part.samples : 0;
    llvm::erase_if(parts, belongs);
    parts.insert(parts.begin() + long(std::min(i, parts.size())), whole);
  }
}

Error Statistics::merge(const Statistics &other) {
  if (graphDigest != other.graphDigest)
    return createStringError("statistics of two graphs cannot be merged: expected graph digest " + graphDigest +
                             ", found " + other.graphDigest +
                             "; calibrate both shards with one model and one compiler version");
  for (const DataPart &mine : data)
    for (const DataPart &theirs : other.data)
      if (overlap(mine, theirs))
        return createStringError("statistics of the same samples cannot be merged: both hold " +
                                 (describe(mine) == describe(theirs)
                                      ? describe(mine)
                                      : "samples of " + describe(mine) + " and " + describe(theirs)) +
                                 "; each sample counts once");
  auto differs = [&](const Twine &what) {
    return createStringError(what + ": only one of the statistics holds it, or in another form: expected shards that "
                                    "were collected with the same options");
  };
  auto sameKeys = [](const auto &a, const auto &b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](const auto &x, const auto &y) { return x.first == y.first; });
  };
  if (!sameKeys(moments, other.moments))
    return differs("second moments");
  if (!sameKeys(values, other.values))
    return differs("values");
  for (const auto &[name, theirs] : other.values) {
    const ValueStatistics &mine = values.at(name);
    if (mine.batches && theirs.batches &&
        (mine.channelSums.size() != theirs.channelSums.size() ||
         mine.channelAbsMax.size() != theirs.channelAbsMax.size()))
      return differs("channels of the value '" + name + "'");
  }
  for (const auto &[name, theirs] : other.moments)
    if (const SecondMoments &mine = moments.at(name); mine.groups != theirs.groups || mine.columns != theirs.columns)
      return differs("second moments of '" + name + "'");
  llvm::append_range(data, other.data);
  joinShards(data);
  samples += other.samples;
  for (const auto &[name, value] : other.values)
    values[name].merge(value);
  for (const auto &[name, value] : other.moments)
    moments[name].merge(value);
  return Error::success();
}

Range chooseRange(const ValueStatistics &statistics, const ActivationScheme &scheme, int bits) {
  int levels = 1 << bits;
  // Zero must be a code: padding and ReLU need it.
  auto withZero = [](Range range) { return Range{std::min(range.low, 0.0), std::max(range.high, 0.0)}; };
  Range extremes = withZero(statistics.extremes);
  if (statistics.histogram.empty() && scheme.observer != Observer::Ema)
    return extremes;
  switch (scheme.observer) {
  case Observer::MinMax:
    return extremes;
  case Observer::Ema:
    return withZero(statistics.moving);
  case Observer::Percentile: {
    double tail = 1 - scheme.percentile / 100;
    Range range = withZero({statistics.quantile(tail), statistics.quantile(1 - tail)});
    // Almost all values zero: a range of nothing would clip every other value away.
    return range.high > range.low ? range : extremes;
  }
  case Observer::Mse:
    return chooseByMse(statistics.histogram, extremes, levels);
  case Observer::Kl:
    return chooseByKl(statistics.histogram, extremes, levels);
  }
  return extremes;
}

//===----------------------------------------------------------------------===//
// Digest
//===----------------------------------------------------------------------===//

std::string digestOf(mlir::func::FuncOp func) {
  SHA256 hash;
  std::string text;
  raw_string_ostream stream(text);
  func->print(stream, mlir::OpPrintingFlags().useLocalScope());
  hash.update(text);
  auto &store = getWeightStore(func.getContext());
  func.walk([&](qnn::WeightOp weight) {
    if (auto data = store.lookup(weight.getSource()))
      hash.update(data->bytes);
  });
  return toHex(hash.final(), /*LowerCase=*/true);
}

const SecondMoments *Statistics::lookupMoments(StringRef operation) const {
  auto it = moments.find(operation.str());
  return it == moments.end() ? nullptr : &it->second;
}

} // namespace bitwright
