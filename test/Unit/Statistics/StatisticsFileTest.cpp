//===- StatisticsFileTest.cpp - files of statistics, good and bad ----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Statistics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <random>

using namespace bitwright;

namespace {

/// A file that is removed at the end.
class File {
public:
  File() { EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("statistics", "json", path)); }
  ~File() { llvm::sys::fs::remove(path); }
  void write(llvm::StringRef bytes) {
    std::error_code code;
    llvm::raw_fd_ostream(path, code) << bytes;
    EXPECT_FALSE(code);
  }
  std::string read() { return (*llvm::MemoryBuffer::getFile(path, false, false))->getBuffer().str(); }
  llvm::SmallString<128> path;
};

/// Values, a histogram, channels and moments.
Statistics example() {
  Statistics statistics;
  statistics.graphDigest = "0123";
  statistics.data = {{"source", 0, 2, 1}};
  statistics.samples = 1;
  ValueStatistics &value = statistics.values["x"];
  value.channelAxis = 1;
  value.keepChannelAbsMax = true;
  value.add({1, -2, 3, 0.5}, {2, 2});
  ProductGeometry geometry;
  geometry.columns = 2;
  statistics.moments["first"].add(geometry, {1, -2, 3, 0.5}, {2, 2});
  return statistics;
}

std::string errorOf(llvm::StringRef bytes) {
  File file;
  file.write(bytes);
  auto loaded = Statistics::load(file.path);
  return loaded ? "" : llvm::toString(loaded.takeError());
}

std::string replaced(std::string text, llvm::StringRef from, llvm::StringRef to) {
  size_t at = text.find(from.str());
  EXPECT_NE(at, std::string::npos) << from.str();
  return text.replace(at, from.size(), to.str());
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(StatisticsFile, EveryTruncationIsAnError) {
  File file;
  ASSERT_FALSE(bool(example().save(file.path)));
  std::string whole = file.read();
  EXPECT_EQ(errorOf(whole), "");
  // Inside the long list of bins every seventh length.
  for (size_t size = 0; size < whole.size(); size += size < 400 || size + 400 > whole.size() ? 1 : 7)
    EXPECT_NE(errorOf(llvm::StringRef(whole).take_front(size)), "") << size;
  EXPECT_CONTAINS(errorOf(whole + "x"), "expected 24 bytes behind the first line, found 25");
}

TEST(StatisticsFile, DamagedBytesNeverCrash) {
  File file;
  ASSERT_FALSE(bool(example().save(file.path)));
  const std::string whole = file.read();
  std::mt19937 engine(7);
  unsigned refused = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    std::string bad = whole;
    for (int i = 0; i < 1 + trial % 4; ++i) {
      size_t at = engine() % bad.size();
      switch (engine() % 4) {
      case 0:
        bad[at] = char(engine());
        break;
      case 1:
        bad[at] = "0123456789-.eE[]{}\",:"[engine() % 22];
        break;
      case 2:
        bad.erase(at, engine() % 8);
        break;
      default:
        bad.insert(at, bad.substr(engine() % bad.size(), engine() % 8));
      }
      if (bad.empty())
        bad = " ";
    }
    refused += errorOf(bad) != "";
  }
  // Some edits hit a number or a name and leave a legal file.
  EXPECT_GT(refused, 500u);
  for (llvm::StringRef bytes : {"", "\n", "{", "null", "[]", "{}\n", "\xff\xfe", "{\"format\":7}"})
    EXPECT_NE(errorOf(bytes), "");
  // The JSON parser calls itself for each bracket.
  EXPECT_CONTAINS(errorOf(std::string(1 << 20, '[')), "nests at most 16 deep");
}

TEST(StatisticsFile, MessagesNameTheField) {
  File file;
  ASSERT_FALSE(bool(example().save(file.path)));
  const std::string whole = file.read();
  auto with = [&](llvm::StringRef from, llvm::StringRef to) { return errorOf(replaced(whole, from, to)); };
  EXPECT_CONTAINS(with("\"version\":3", "\"version\":2"),
                  "expected version 3, found 2: another version of Bitwright wrote it; run the calibration again");
  EXPECT_CONTAINS(with("\"version\":3", "\"version\":4"), "expected version 3, found 4");
  EXPECT_CONTAINS(with("\"count\":4", "\"count\":-4"), "value 'x': expected 'count' as a whole number");
  EXPECT_CONTAINS(with("\"count\":4", "\"count\":5"), "value 'x': expected 'bins' whose sum is 'count' (5), found 4");
  EXPECT_CONTAINS(with("\"sum\":2.5", "\"sum\":1e999"), "value 'x': expected 'sum' as a finite number");
  EXPECT_CONTAINS(with("\"extremes\":[-2,3]", "\"extremes\":[3,-2]"), "value 'x': expected 'extremes' as [low, high]");
  EXPECT_CONTAINS(with("\"channel_absmax\":[3,2]", "\"channel_absmax\":[3]"), "expected 'channel_absmax' of as many");
  EXPECT_CONTAINS(with("\"exponent\":2", "\"exponent\":2000"), "inside the 2048 bins of an 'exponent' in [-100, 128]");
  EXPECT_CONTAINS(with("\"shard\":0", "\"shard\":2"), "data 0: expected 'shard' below 'shards'");
  EXPECT_CONTAINS(with("\"columns\":2", "\"columns\":3"), "moments of 'first': expected sizes and an offset inside");
  EXPECT_CONTAINS(with("\"columns\":2", "\"columns\":9999999"),
                  "'columns' as a whole number of at least 0 and at most");
  std::string infinite = whole;
  double bad = HUGE_VAL;
  memcpy(infinite.data() + infinite.size() - sizeof bad, &bad, sizeof bad);
  EXPECT_CONTAINS(errorOf(infinite), "moments of 'first': expected finite values, found NaN or infinity at [0, 1, 1]");

  Statistics unfinished = example();
  unfinished.unfinished = Statistics::Unfinished{7, "abc"};
  ASSERT_FALSE(bool(unfinished.save(file.path)));
  EXPECT_CONTAINS(errorOf(file.read()), "its collection was interrupted after 1 samples: run the same command again");
  auto loaded = Statistics::loadUnfinished(file.path);
  ASSERT_TRUE(bool(loaded)) << llvm::toString(loaded.takeError());
  EXPECT_EQ(loaded->unfinished->read, 7u);
  EXPECT_EQ(loaded->unfinished->digest, "abc");
}

std::string mergeError(Statistics a, const Statistics &b) {
  const uint64_t samples = a.samples;
  llvm::Error error = a.merge(b);
  if (error)
    EXPECT_EQ(a.samples, samples);
  return error ? llvm::toString(std::move(error)) : "";
}

TEST(StatisticsFile, MergeRefusesOtherGraphsAndSamplesThatBothHold) {
  Statistics a = example(), b = example();
  b.graphDigest = "other";
  EXPECT_EQ(mergeError(a, b), "statistics of two graphs cannot be merged: expected graph digest 0123, found other; "
                              "calibrate both shards with one model and one compiler version");
  b = example();
  EXPECT_EQ(mergeError(a, b),
            "statistics of the same samples cannot be merged: both hold shard 1/2 of the data source; "
            "each sample counts once");
  // Of 4 shards the third holds even samples only: all of them are in 1/2.
  b.data = {{"source", 2, 4, 1}};
  EXPECT_EQ(mergeError(a, b), "statistics of the same samples cannot be merged: both hold samples of shard 1/2 of the "
                              "data source and shard 3/4 of the data source; each sample counts once");
  b.data = {{"source", 0, 1, 2}};
  EXPECT_CONTAINS(mergeError(a, b), "the same samples");
  b.data = {{"source", 2, 3, 2}};
  EXPECT_CONTAINS(mergeError(a, b), "the same samples");
  // Odd samples, and other data.
  b.data = {{"source", 3, 4, 1}, {"more", 0, 1, 5}};
  EXPECT_EQ(mergeError(a, b), "");

  b.moments.clear();
  EXPECT_CONTAINS(mergeError(a, b), "second moments: only one of the statistics holds it");
  b = example();
  b.data = {{"more", 0, 1, 1}};
  b.values["x"].channelAbsMax.clear();
  EXPECT_CONTAINS(mergeError(a, b), "channels of the value 'x': only one of the statistics holds it");
  b = example();
  b.data = {{"more", 0, 1, 1}};
  b.values["y"];
  EXPECT_CONTAINS(mergeError(a, b), "values: only one of the statistics holds it");
}

TEST(StatisticsFile, AllShardsAreTheDataSet) {
  Statistics a = example(), b = example(), c = example(), d = example();
  a.data = {{"s", 0, 3, 4}}, b.data = {{"s", 1, 3, 4}}, c.data = {{"s", 2, 3, 3}}, d.data = {{"t", 1, 2, 5}};
  ASSERT_EQ(mergeError(a, b), "");
  ASSERT_FALSE(bool(c.merge(d)));
  ASSERT_FALSE(bool(c.merge(a)));
  EXPECT_EQ(c.data.size(), 3u);
  ASSERT_FALSE(bool(c.merge(b)));
  ASSERT_EQ(c.data.size(), 2u);
  const DataPart &whole = c.data[0].source == "s" ? c.data[0] : c.data[1];
  EXPECT_EQ(whole.shards, 1u);
  EXPECT_EQ(whole.shard, 0u);
  EXPECT_EQ(whole.samples, 11u);
  EXPECT_EQ(c.samples, 4u);
}

} // namespace
