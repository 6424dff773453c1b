//===- StatisticsFile.cpp - statistics on disk -------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Statistics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <cstring>

using namespace llvm;

namespace bitwright {

static constexpr int64_t fileVersion = 3;

/// The lower triangle of each group, row by row.
static int64_t storedValues(const SecondMoments &m) { return m.groups * m.columns * (m.columns + 1) / 2; }

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static void writeValue(json::OStream &writer, const ValueStatistics &value) {
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
  if (!value.channelAbsMax.empty())
    writer.attribute("channel_absmax", json::Array(value.channelAbsMax));
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
}

static std::string textOf(const Statistics &statistics) {
  std::string text;
  raw_string_ostream stream(text);
  json::OStream writer(stream);
  writer.object([&] {
    writer.attribute("format", "bitwright-statistics");
    writer.attribute("version", fileVersion);
    writer.attribute("graph", statistics.graphDigest);
    writer.attributeArray("data", [&] {
      for (const DataPart &part : statistics.data)
        writer.object([&] {
          writer.attribute("source", part.source);
          writer.attribute("shard", int64_t(part.shard));
          writer.attribute("shards", int64_t(part.shards));
          writer.attribute("samples", int64_t(part.samples));
        });
    });
    writer.attribute("samples", int64_t(statistics.samples));
    if (statistics.unfinished)
      writer.attributeObject("unfinished", [&] {
        writer.attribute("read", int64_t(statistics.unfinished->read));
        writer.attribute("digest", statistics.unfinished->digest);
      });
    writer.attributeObject("values", [&] {
      for (const auto &entry : statistics.values)
        writer.attributeObject(entry.first, [&] { writeValue(writer, entry.second); });
    });
    if (statistics.moments.empty())
      return;
    int64_t offset = 0; // in float64 values behind the line of JSON
    writer.attributeObject("moments", [&] {
      for (const auto &entry : statistics.moments) {
        const SecondMoments &m = entry.second;
        writer.attributeObject(entry.first, [&] {
          writer.attribute("groups", m.groups);
          writer.attribute("columns", m.columns);
          writer.attribute("rows", int64_t(m.rows));
          writer.attribute("offset", offset);
        });
        offset += storedValues(m);
      }
    });
  });
  return text;
}

Error Statistics::save(StringRef path) const {
  SmallString<128> temporary;
  int descriptor;
  if (std::error_code code = sys::fs::createUniqueFile(path + ".%%%%%%", descriptor, temporary))
    return createStringError("cannot write '" + path + "': " + code.message());
  sys::RemoveFileOnSignal(temporary);
  auto giveUp = [&](const std::string &reason) {
    sys::fs::remove(temporary);
    sys::DontRemoveFileOnSignal(temporary);
    return createStringError("cannot write '" + path + "': " + reason);
  };
  {
    raw_fd_ostream file(descriptor, /*shouldClose=*/true);
    file << textOf(*this) << "\n";
    for (const auto &[name, m] : moments)
      for (int64_t row = 0; row < m.groups * m.columns; ++row)
        file.write(reinterpret_cast<const char *>(m.matrix.data() + row * m.columns),
                   size_t(row % m.columns + 1) * sizeof(double));
    file.close();
    if (file.has_error()) {
      std::string reason = file.error().message();
      file.clear_error();
      return giveUp(reason);
    }
  }
  if (std::error_code code = sys::fs::rename(temporary, path))
    return giveUp(code.message());
  sys::DontRemoveFileOnSignal(temporary);
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

namespace {
/// Reads the fields of one object; the first that is missing or wrong is the error.
class Fields {
public:
  Fields(const json::Object *object, std::string where) : object(object), where(std::move(where)) {
    if (!object)
      fail("an object");
  }

  uint64_t count(StringRef key, uint64_t most = uint64_t(INT64_MAX)) {
    auto value = object ? object->getInteger(key) : std::nullopt;
    if (!value || *value < 0 || uint64_t(*value) > most)
      return fail("'" + key + "' as a whole number of at least 0" +
                  (most == uint64_t(INT64_MAX) ? "" : " and at most " + Twine(most))),
             0;
    return uint64_t(*value);
  }
  double number(StringRef key) {
    auto value = object ? object->getNumber(key) : std::nullopt;
    if (!value || !std::isfinite(*value))
      return fail("'" + key + "' as a finite number"), 0;
    return *value;
  }
  std::string text(StringRef key) {
    auto value = object ? object->getString(key) : std::nullopt;
    if (!value)
      return fail("'" + key + "' as a text"), "";
    return value->str();
  }
  Range range(StringRef key) {
    std::vector<double> ends = numbers<double>(key);
    if (ends.size() != 2 || !(ends[0] <= ends[1]))
      return fail("'" + key + "' as [low, high]"), Range();
    return {ends[0], ends[1]};
  }
  template <typename T> std::vector<T> numbers(StringRef key) {
    std::vector<T> result;
    const json::Array *array = object ? object->getArray(key) : nullptr;
    if (!array)
      fail("'" + key + "' as a list of numbers");
    for (size_t i = 0; array && i < array->size() && error.empty(); ++i) {
      auto value = (*array)[i].getAsNumber();
      if (!value || !std::isfinite(*value) || !std::isfinite(T(*value)))
        fail("'" + key + "' as a list of finite numbers");
      else
        result.push_back(T(*value));
    }
    return result;
  }
  bool has(StringRef key) const { return object && object->get(key); }
  const json::Array *array(StringRef key) const { return object ? object->getArray(key) : nullptr; }

  void fail(const Twine &expected) {
    if (error.empty())
      error = (where + ": expected " + expected).str();
  }
  const std::string &getError() const { return error; }

private:
  const json::Object *object;
  std::string where, error;
};
} // namespace

static void readHistogram(Fields &fields, ValueStatistics &value) {
  uint64_t first = fields.count("first_bin", Histogram::binCount);
  double exponent = fields.number("exponent");
  const json::Array *bins = fields.array("bins");
  if (!bins || first + bins->size() > Histogram::binCount || exponent != std::floor(exponent) ||
      exponent < Histogram::minExponent || exponent > 128)
    return fields.fail("'bins' inside the 2048 bins of an 'exponent' in [-100, 128]");
  std::vector<uint64_t> counts(Histogram::binCount);
  uint64_t total = 0;
  for (auto [i, n] : enumerate(*bins)) {
    int64_t count = n.getAsInteger().value_or(-1);
    if (count < 0 || uint64_t(count) > value.count - total)
      return fields.fail("'bins' whose sum is 'count' (" + Twine(value.count) + ")");
    total += counts[size_t(first) + i] = uint64_t(count);
  }
  if (total != value.count)
    return fields.fail("'bins' whose sum is 'count' (" + Twine(value.count) + "), found " + Twine(total));
  value.histogram = Histogram::fromBins(int(exponent), std::move(counts));
}

static ValueStatistics readValue(Fields &fields) {
  ValueStatistics value;
  value.count = fields.count("count");
  value.batches = fields.count("batches");
  value.extremes = fields.range("extremes");
  value.moving = fields.range("moving");
  value.sum = fields.number("sum");
  value.sumOfSquares = fields.number("sum_of_squares");
  if (fields.has("channel_sums")) {
    value.channelAxis = int64_t(fields.count("channel_axis", 64));
    value.channelCount = fields.count("channel_count");
    value.channelSums = fields.numbers<double>("channel_sums");
  }
  if (fields.has("channel_absmax")) {
    value.channelAbsMax = fields.numbers<float>("channel_absmax");
    value.keepChannelAbsMax = true;
    if (value.channelAbsMax.size() != value.channelSums.size())
      fields.fail("'channel_absmax' of as many channels as 'channel_sums' (" + Twine(value.channelSums.size()) +
                  "), found " + Twine(value.channelAbsMax.size()));
  }
  if (fields.has("bins"))
    readHistogram(fields, value);
  return value;
}

/// Reads the sizes, then the matrix behind the first line. `next`: where it must lie, in values; moved on.
static SecondMoments readMoments(Fields &fields, StringRef binary, int64_t &next) {
  SecondMoments m;
  constexpr uint64_t most = 1 << 20;
  m.groups = int64_t(fields.count("groups", most));
  m.columns = int64_t(fields.count("columns", most));
  m.rows = fields.count("rows");
  int64_t offset = int64_t(fields.count("offset")), available = int64_t(binary.size() / sizeof(double));
  if (!fields.getError().empty())
    return m;
  if (m.groups < 1 || m.columns < 1 || offset != next || storedValues(m) > available - offset) {
    fields.fail("sizes and an offset inside the file (" + Twine(available) +
                " values behind the first line); the file may be cut short");
    return m;
  }
  next += storedValues(m);
  m.matrix.assign(size_t(m.groups * m.columns * m.columns), 0.0);
  const char *from = binary.data() + offset * int64_t(sizeof(double));
  for (int64_t row = 0; row < m.groups * m.columns; ++row) {
    int64_t i = row % m.columns, group = row / m.columns;
    double *matrix = m.matrix.data() + group * m.columns * m.columns;
    std::memcpy(matrix + i * m.columns, from, size_t(i + 1) * sizeof(double));
    from += (i + 1) * int64_t(sizeof(double));
    for (int64_t j = 0; j <= i; ++j) {
      double value = matrix[i * m.columns + j];
      if (!std::isfinite(value)) {
        fields.fail("finite values, found NaN or infinity at [" + Twine(group) + ", " + Twine(i) + ", " + Twine(j) +
                    "]; run the calibration again");
        return m;
      }
      matrix[j * m.columns + i] = value;
    }
  }
  return m;
}

/// The parser calls itself for each level: a file of brackets would end the stack.
static bool isNestedAtMost(StringRef text, int limit) {
  int depth = 0;
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inside)
      i += c == '\\', inside = c != '"';
    else if (c == '"')
      inside = true;
    else if (c == '[' || c == '{')
      ++depth;
    else if (c == ']' || c == '}')
      --depth;
    if (depth > limit)
      return false;
  }
  return true;
}

static std::string readAll(StringRef content, Statistics &result, bool acceptUnfinished) {
  auto [text, binary] = content.split('\n');
  if (!isNestedAtMost(text, 16))
    return "expected a line of JSON that nests at most 16 deep";
  Expected<json::Value> parsed = json::parse(text);
  if (!parsed)
    return "expected a line of JSON, found an error at " + toString(parsed.takeError()) +
           "; it is no file of statistics, or cut short";
  const json::Object *root = parsed->getAsObject();
  if (!root || root->getString("format") != StringRef("bitwright-statistics"))
    return "expected the format \"bitwright-statistics\"; write such a file with --statistics-out or quant-statistics";
  if (root->getInteger("version") != fileVersion)
    return ("expected version " + Twine(fileVersion) + ", found " +
            (root->getInteger("version") ? Twine(*root->getInteger("version")).str() : "none") +
            ": another version of Bitwright wrote it; run the calibration again")
        .str();
  Fields header(root, "header");
  result.graphDigest = header.text("graph");
  result.samples = header.count("samples");
  const json::Array *parts = root->getArray("data");
  if (!parts)
    header.fail("a list 'data'");
  for (size_t i = 0; parts && i < parts->size(); ++i) {
    Fields fields((*parts)[i].getAsObject(), "data " + std::to_string(i));
    DataPart part{fields.text("source"), fields.count("shard"), fields.count("shards"), fields.count("samples")};
    if (fields.getError().empty() && part.shard >= part.shards)
      fields.fail("'shard' below 'shards'");
    if (!fields.getError().empty())
      return fields.getError();
    result.data.push_back(std::move(part));
  }
  if (const json::Value *unfinished = root->get("unfinished")) {
    Fields fields(unfinished->getAsObject(), "unfinished");
    result.unfinished = Statistics::Unfinished{fields.count("read"), fields.text("digest")};
    if (!fields.getError().empty())
      return fields.getError();
    if (!acceptUnfinished)
      return ("its collection was interrupted after " + Twine(result.samples) +
              " samples: run the same command again, it continues from this file")
          .str();
  }
  const json::Object *values = root->getObject("values");
  if (!values)
    header.fail("an object 'values'");
  if (!header.getError().empty())
    return header.getError();
  for (const auto &entry : *values) {
    Fields fields(entry.second.getAsObject(), "value '" + entry.first.str() + "'");
    ValueStatistics value = readValue(fields);
    if (!fields.getError().empty())
      return fields.getError();
    result.values[entry.first.str()] = std::move(value);
  }
  int64_t next = 0;
  if (const json::Object *moments = root->getObject("moments")) {
    // Matrices lie in the order of their names; the parser's own order is another.
    std::map<std::string, const json::Object *> sorted;
    for (const auto &entry : *moments)
      sorted[entry.first.str()] = entry.second.getAsObject();
    for (const auto &[name, object] : sorted) {
      Fields fields(object, "moments of '" + name + "'");
      SecondMoments m = readMoments(fields, binary, next);
      if (!fields.getError().empty())
        return fields.getError();
      result.moments[name] = std::move(m);
    }
  }
  if (binary.size() != size_t(next) * sizeof(double))
    return ("expected " + Twine(next * int64_t(sizeof(double))) + " bytes behind the first line, found " +
            Twine(binary.size()))
        .str();
  return "";
}

static Expected<Statistics> loadFile(StringRef path, bool acceptUnfinished) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("cannot read statistics '" + path + "': " + buffer.getError().message());
  Statistics result;
  if (std::string error = readAll((*buffer)->getBuffer(), result, acceptUnfinished); !error.empty())
    return createStringError("statistics '" + path + "': " + error);
  return result;
}

Expected<Statistics> Statistics::load(StringRef path) { return loadFile(path, false); }
Expected<Statistics> Statistics::loadUnfinished(StringRef path) { return loadFile(path, true); }

} // namespace bitwright
