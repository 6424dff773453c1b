//===- Statistics.cpp - what calibration saw of every value ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Statistics.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

#include <cstring>

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

Error Statistics::merge(const Statistics &other) {
  if (graphDigest != other.graphDigest)
    return createStringError("statistics of two graphs cannot be merged: expected graph digest " + graphDigest +
                             ", found " + other.graphDigest +
                             "; calibrate both shards with one model and one compiler version");
  dataDigest += "+" + other.dataDigest;
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
    Range range = withZero({statistics.histogram.quantile(tail), statistics.histogram.quantile(1 - tail)});
    // A bin may reach beyond the extremes.
    range = {std::max(range.low, extremes.low), std::min(range.high, extremes.high)};
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

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static constexpr int64_t fileVersion = 2;

const SecondMoments *Statistics::lookupMoments(StringRef operation) const {
  auto it = moments.find(operation.str());
  return it == moments.end() ? nullptr : &it->second;
}

/// The lower triangle of each group, row by row.
static int64_t storedValues(const SecondMoments &m) { return m.groups * m.columns * (m.columns + 1) / 2; }

Error Statistics::save(StringRef path) const {
  std::string text;
  raw_string_ostream stream(text);
  json::OStream writer(stream);
  writer.object([&] {
    writer.attribute("format", "bitwright-statistics");
    writer.attribute("version", fileVersion);
    writer.attribute("graph", graphDigest);
    writer.attribute("data", dataDigest);
    writer.attribute("samples", int64_t(samples));
    writer.attributeObject("values", [&] {
      for (const auto &[name, value] : values)
        writer.attributeObject(name, [&, &value = value] {
          writer.attribute("count", int64_t(value.count));
          writer.attribute("batches", int64_t(value.batches));
          writer.attribute("extremes", json::Array{value.extremes.low, value.extremes.high});
          writer.attribute("moving", json::Array{value.moving.low, value.moving.high});
          writer.attribute("sum", value.sum);
          writer.attribute("sum_of_squares", value.sumOfSquares);
          if (!value.channelSums.empty()) {
            writer.attribute("channel_axis", value.channelAxis);
            writer.attribute("channel_count", int64_t(value.channelCount));
            writer.attribute("channel_sums", json::Array(value.channelSums));
          }
          if (value.histogram.empty())
            return;
          // Only the occupied stretch of bins.
          auto bins = value.histogram.getBins();
          size_t first = 0, last = bins.size();
          while (first < last && bins[first] == 0)
            ++first;
          while (last > first && bins[last - 1] == 0)
            --last;
          writer.attribute("exponent", value.histogram.getExponent());
          writer.attribute("first_bin", int64_t(first));
          writer.attributeArray("bins", [&] {
            for (uint64_t n : bins.slice(first, last - first))
              writer.value(int64_t(n));
          });
        });
    });
    if (moments.empty())
      return;
    int64_t offset = 0; // in float64 values behind the line of JSON
    writer.attributeObject("moments", [&] {
      for (const auto &[name, m] : moments) {
        writer.attributeObject(name, [&, &m = m] {
          writer.attribute("groups", m.groups);
          writer.attribute("columns", m.columns);
          writer.attribute("rows", int64_t(m.rows));
          writer.attribute("offset", offset);
        });
        offset += storedValues(m);
      }
    });
  });
  SmallString<128> temporary;
  int descriptor;
  if (std::error_code code = sys::fs::createUniqueFile(path + ".%%%%%%", descriptor, temporary))
    return createStringError("cannot write '" + path + "': " + code.message());
  {
    raw_fd_ostream file(descriptor, /*shouldClose=*/true);
    file << text << "\n";
    for (const auto &[name, m] : moments)
      for (int64_t row = 0; row < m.groups * m.columns; ++row)
        file.write(reinterpret_cast<const char *>(m.matrix.data() + row * m.columns),
                   size_t(row % m.columns + 1) * sizeof(double));
    file.close();
    if (file.has_error()) {
      std::string reason = file.error().message();
      file.clear_error();
      sys::fs::remove(temporary);
      return createStringError("cannot write '" + path + "': " + reason);
    }
  }
  if (std::error_code code = sys::fs::rename(temporary, path)) {
    sys::fs::remove(temporary);
    return createStringError("cannot write '" + path + "': " + code.message());
  }
  return Error::success();
}

static bool readRange(const json::Object &object, StringRef key, Range &range) {
  const json::Array *array = object.getArray(key);
  if (!array || array->size() != 2 || !(*array)[0].getAsNumber() || !(*array)[1].getAsNumber())
    return false;
  range = {*(*array)[0].getAsNumber(), *(*array)[1].getAsNumber()};
  return range.low <= range.high;
}

Expected<Statistics> Statistics::load(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("cannot read statistics '" + path + "': " + buffer.getError().message());
  auto [text, binary] = (*buffer)->getBuffer().split('\n');
  Expected<json::Value> parsed = json::parse(text);
  if (!parsed)
    return createStringError("statistics '" + path + "': " + toString(parsed.takeError()));
  const json::Object *root = parsed->getAsObject();
  if (!root || root->getString("format") != StringRef("bitwright-statistics"))
    return createStringError(
        "statistics '" + path +
        "': expected the format \"bitwright-statistics\"; write such a file with --statistics-out");
  if (root->getInteger("version") != fileVersion)
    return createStringError("statistics '" + path + "': expected version " + Twine(fileVersion) + ", found " +
                             (root->getInteger("version") ? Twine(*root->getInteger("version")).str() : "none"));
  Statistics result;
  result.graphDigest = root->getString("graph").value_or("").str();
  result.dataDigest = root->getString("data").value_or("").str();
  result.samples = uint64_t(root->getInteger("samples").value_or(0));
  const json::Object *values = root->getObject("values");
  if (!values)
    return createStringError("statistics '" + path + "': expected an object 'values'");
  for (const auto &pair : *values) {
    const json::ObjectKey &key = pair.first;
    const json::Value &entry = pair.second;
    auto bad = [&](StringRef what) {
      return createStringError("statistics '" + path + "': value '" + key.str() + "': expected " + what);
    };
    const json::Object *object = entry.getAsObject();
    if (!object)
      return bad("an object");
    ValueStatistics value;
    value.count = uint64_t(object->getInteger("count").value_or(0));
    value.batches = uint64_t(object->getInteger("batches").value_or(0));
    value.sum = object->getNumber("sum").value_or(0);
    value.sumOfSquares = object->getNumber("sum_of_squares").value_or(0);
    if (!readRange(*object, "extremes", value.extremes) || !readRange(*object, "moving", value.moving))
      return bad("'extremes' and 'moving' as [low, high]");
    value.channelAxis = object->getInteger("channel_axis").value_or(-1);
    value.channelCount = uint64_t(object->getInteger("channel_count").value_or(0));
    if (const json::Array *sums = object->getArray("channel_sums"))
      for (const json::Value &sum : *sums)
        value.channelSums.push_back(sum.getAsNumber().value_or(0));
    if (const json::Array *bins = object->getArray("bins")) {
      int64_t first = object->getInteger("first_bin").value_or(-1);
      int64_t exponent = object->getInteger("exponent").value_or(1000);
      if (first < 0 || first + int64_t(bins->size()) > Histogram::binCount || exponent < Histogram::minExponent ||
          exponent > 128)
        return bad("'bins' inside the 2048 bins of an 'exponent' in [-100, 128]");
      std::vector<uint64_t> counts(Histogram::binCount);
      for (auto [i, n] : enumerate(*bins))
        counts[size_t(first) + i] = uint64_t(n.getAsInteger().value_or(0));
      value.histogram = Histogram::fromBins(int(exponent), std::move(counts));
    }
    result.values[key.str()] = std::move(value);
  }
  const json::Object *moments = root->getObject("moments");
  if (!moments)
    return result;
  for (const auto &pair : *moments) {
    const json::Object *object = pair.second.getAsObject();
    SecondMoments m;
    int64_t offset = -1;
    if (object) {
      m.groups = object->getInteger("groups").value_or(0);
      m.columns = object->getInteger("columns").value_or(0);
      m.rows = uint64_t(object->getInteger("rows").value_or(0));
      offset = object->getInteger("offset").value_or(-1);
    }
    int64_t available = int64_t(binary.size() / sizeof(double));
    if (m.groups < 1 || m.columns < 1 || m.columns > (1 << 20) || m.groups > (1 << 20) || offset < 0 ||
        offset > available || storedValues(m) > available - offset)
      return createStringError("statistics '" + path + "': moments of '" + pair.first.str() +
                               "': expected sizes and an offset inside the file (" + Twine(available) +
                               " values behind the first line); the file may be cut short");
    m.matrix.assign(size_t(m.groups * m.columns * m.columns), 0.0);
    const char *from = binary.data() + offset * sizeof(double);
    for (int64_t row = 0; row < m.groups * m.columns; ++row) {
      int64_t i = row % m.columns, group = row / m.columns;
      double *matrix = m.matrix.data() + group * m.columns * m.columns;
      std::memcpy(matrix + i * m.columns, from, size_t(i + 1) * sizeof(double));
      from += (i + 1) * sizeof(double);
      for (int64_t j = 0; j <= i; ++j) {
        double value = matrix[i * m.columns + j];
        if (!std::isfinite(value))
          return createStringError("statistics '" + path + "': moments of '" + pair.first.str() +
                                   "': expected finite values, found NaN or infinity");
        matrix[j * m.columns + i] = value;
      }
    }
    result.moments[pair.first.str()] = std::move(m);
  }
  return result;
}

} // namespace bitwright
