//===- StatisticsTest.cpp - histograms, range choice, persistence ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Statistics.h"
#include "lib/Statistics/Collect.h"
#include "lib/Statistics/MappedArray.h"
#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <random>

using namespace bitwright;

namespace {

std::vector<float> normal(size_t count, unsigned seed, double sigma = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> draw(0, sigma);
  std::vector<float> values(count);
  for (float &v : values)
    v = float(draw(engine));
  return values;
}

uint64_t bin(const Histogram &h, double value) {
  return h.getBins()[size_t(int(std::floor(value / h.binWidth())) + Histogram::binCount / 2)];
}

TEST(Histogram, CountsAndRange) {
  Histogram h;
  EXPECT_TRUE(h.empty());
  h.add({0.75f, -0.75f, 0.0f, 0.999f});
  // 0.999 < 2^0: 1024 bins of 2^-10 on each side.
  EXPECT_EQ(h.getExponent(), 0);
  EXPECT_EQ(h.total(), 4u);
  EXPECT_EQ(bin(h, 0.75), 1u);
  EXPECT_EQ(bin(h, -0.75), 1u);
  EXPECT_EQ(bin(h, 0), 1u);
}

TEST(Histogram, ExactPowerOfTwoNeedsTheNextRange) {
  Histogram h;
  h.add({1.0f, -1.0f});
  EXPECT_EQ(h.getExponent(), 1);
  EXPECT_EQ(bin(h, 1.0), 1u);
  EXPECT_EQ(bin(h, -1.0), 1u);
}

TEST(Histogram, DoublingKeepsEveryValueInItsBin) {
  // Values first seen in a small range must lie where a histogram that starts with the large range puts them.
  std::vector<float> values = normal(5000, 1, 0.1);
  Histogram grown, direct;
  grown.add(values);
  grown.add({100.0f});
  std::vector<float> all = values;
  all.push_back(100.0f);
  direct.add(all);
  EXPECT_EQ(grown.getExponent(), 7);
  EXPECT_EQ(grown.getBins(), direct.getBins());
}

TEST(Histogram, AllZerosThenValues) {
  Histogram h;
  h.add(std::vector<float>(10, 0.0f));
  h.add({3.0f});
  EXPECT_EQ(h.total(), 11u);
  EXPECT_EQ(bin(h, 0), 10u);
}

TEST(Histogram, MergeInAnyOrderEqualsOnePass) {
  std::vector<float> a = normal(1000, 2, 0.01), b = normal(1000, 3, 5), c = normal(1000, 4, 300), all;
  for (auto *part : {&a, &b, &c})
    all.insert(all.end(), part->begin(), part->end());
  Histogram once, ab, ba;
  once.add(all);
  auto of = [](const std::vector<float> &values) {
    Histogram h;
    h.add(values);
    return h;
  };
  ab.merge(of(a));
  ab.merge(of(b));
  ab.merge(of(c));
  ba.merge(of(c));
  ba.merge(of(a));
  ba.merge(of(b));
  EXPECT_EQ(ab.getBins(), once.getBins());
  EXPECT_EQ(ba.getBins(), once.getBins());
  EXPECT_EQ(ab.getExponent(), once.getExponent());
}

TEST(Histogram, QuantileOfUniform) {
  std::vector<float> values(10000);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = float(i) / 10000;
  Histogram h;
  h.add(values);
  for (double f : {0.01, 0.25, 0.5, 0.99})
    EXPECT_NEAR(h.quantile(f), f, 2 * h.binWidth());
}

TEST(RangeChoice, MseOfGaussianAndLaplace) {
  // Optimal clipping for 8 bits: 3.92 sigma (Gaussian) and 9.89 b (Laplace), Banner et al., NeurIPS 2019. Those are for
  // infinitely many values; the cost is flat around the optimum and the choice is in steps of 1/128 of the extremes.
  std::vector<float> values = normal(1000000, 5);
  Histogram h;
  h.add(values);
  auto [low, high] = std::minmax_element(values.begin(), values.end());
  Range gauss = chooseByMse(h, {*low, *high}, 256);
  EXPECT_NEAR(gauss.high, 3.92, 0.35);
  EXPECT_NEAR(gauss.low, -3.92, 0.35);

  std::mt19937 engine(6);
  std::exponential_distribution<double> draw(1);
  for (float &v : values)
    v = float(draw(engine) * (engine() & 1 ? 1 : -1));
  Histogram l;
  l.add(values);
  auto [lowL, highL] = std::minmax_element(values.begin(), values.end());
  Range laplace = chooseByMse(l, {*lowL, *highL}, 256);
  EXPECT_NEAR(laplace.high, 9.89, 1.2);
  EXPECT_NEAR(laplace.low, -9.89, 1.2);
}

/// Squared error of quantizing the values themselves on `levels` steps over the range.
double bruteForce(const std::vector<float> &values, Range range, int levels) {
  double step = (range.high - range.low) / (levels - 1), sum = 0;
  for (float v : values) {
    double q = std::min<double>(levels - 1, std::max(0.0, std::nearbyint((v - range.low) / step)));
    double d = v - (range.low + q * step);
    sum += d * d;
  }
  return sum;
}

TEST(RangeChoice, MseBeatsTheExtremesOnTheValuesThemselves) {
  std::vector<float> values = normal(20000, 7);
  values.push_back(40.0f);
  for (int levels : {16, 256}) {
    Histogram h;
    h.add(values);
    Range extremes = {*std::min_element(values.begin(), values.end()), 40.0};
    Range chosen = chooseByMse(h, extremes, levels);
    EXPECT_LT(bruteForce(values, chosen, levels), bruteForce(values, extremes, levels));
    EXPECT_LT(chosen.high, 40.0);
  }
}

TEST(RangeChoice, KlKeepsUniformAndClipsOutliers) {
  std::vector<float> values(40000);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = float(i) / 40000 * 2 - 1;
  Histogram uniform;
  uniform.add(values);
  EXPECT_GE(chooseByKl(uniform, {-1, 1}, 256).high, 0.97);
  values = normal(40000, 8);
  values.push_back(12.0f);
  Histogram h;
  h.add(values);
  EXPECT_LT(chooseByKl(h, {-12, 12}, 256).high, 8.0);
}

TEST(RangeChoice, EveryObserverHoldsZeroAndStaysInside) {
  std::vector<float> positive = normal(1000, 9);
  for (float &v : positive)
    v = std::fabs(v) + 1;
  ValueStatistics value;
  value.add(positive, {1000});
  for (Observer observer : {Observer::MinMax, Observer::Ema, Observer::Percentile, Observer::Mse, Observer::Kl}) {
    ActivationScheme scheme;
    scheme.observer = observer;
    Range range = chooseRange(value, scheme);
    EXPECT_EQ(range.low, 0) << toString(observer).str();
    EXPECT_GT(range.high, 1) << toString(observer).str();
    EXPECT_LE(range.high, value.extremes.high) << toString(observer).str();
  }
}

TEST(RangeChoice, PercentileOfMostlyZeros) {
  // 1 value in 100 000 is not zero: the 99.99th percentile is inside the zeros' bin, which is no range to quantize
  // with.
  std::vector<float> values(100000, 0.0f);
  values[5] = 4.0f;
  ValueStatistics value;
  value.add(values, {100000});
  ActivationScheme scheme;
  scheme.observer = Observer::Percentile;
  Range range = chooseRange(value, scheme);
  EXPECT_GT(range.high, range.low);
}

TEST(ValueStatistics, MovingRangeAndChannels) {
  ValueStatistics value;
  value.channelAxis = 1;
  value.add({0, 1, 2, 3, 4, 5}, {1, 3, 2}); // channels [0 1] [2 3] [4 5]
  value.add({10, 0, 0, 0, 0, 0}, {1, 3, 2});
  EXPECT_EQ(value.extremes, (Range{0, 10}));
  EXPECT_DOUBLE_EQ(value.moving.high, 0.9 * 5 + 0.1 * 10);
  EXPECT_EQ(value.channelMeans(), (std::vector<double>{11 / 4.0, 5 / 4.0, 9 / 4.0}));
}

TEST(ValueStatistics, MergeEqualsOnePassButForTheMovingRange) {
  std::vector<float> a = normal(600, 10), b = normal(300, 11);
  ValueStatistics once, first, second;
  for (auto *s : {&once, &first, &second})
    s->channelAxis = 0;
  once.add(a, {3, 200});
  once.add(b, {3, 100});
  first.add(a, {3, 200});
  second.add(b, {3, 100});
  first.merge(second);
  EXPECT_EQ(first.count, once.count);
  EXPECT_EQ(first.extremes, once.extremes);
  EXPECT_EQ(first.channelMeans(), once.channelMeans());
  EXPECT_EQ(first.histogram.getBins(), once.histogram.getBins());
  // Sums of doubles in another order.
  EXPECT_NEAR(first.sum, once.sum, 1e-9);
  EXPECT_NEAR(first.sumOfSquares, once.sumOfSquares, 1e-9);
}

TEST(ValueStatistics, QuantilesAreWithinABin) {
  // Heavy tails (most values in a few bins), one sign, two far lumps; the exact order statistic is known.
  std::mt19937 engine(20);
  std::student_t_distribution<double> heavy(2);
  std::vector<std::vector<float>> sets(3);
  for (int i = 0; i < 20000; ++i) {
    sets[0].push_back(float(heavy(engine)));
    sets[1].push_back(float(std::exp(heavy(engine) * 0.3)));
    sets[2].push_back(i % 3 ? -5.0f - float(i % 7) : 700.0f);
  }
  for (std::vector<float> &set : sets) {
    // Three shards of unequal size, merged out of order, and one pass.
    ValueStatistics once, shards[3];
    once.add(set, {int64_t(set.size())});
    llvm::ArrayRef<float> all = set;
    shards[0].add(all.take_front(100), {100});
    shards[1].add(all.slice(100, 15000), {15000});
    shards[2].add(all.drop_front(15100), {4900});
    shards[2].merge(shards[0]);
    shards[2].merge(shards[1]);
    std::sort(set.begin(), set.end());
    double largest = std::max(std::fabs(double(set.front())), std::fabs(double(set.back())));
    EXPECT_LE(once.histogram.binWidth(), largest / 512);
    for (double fraction : {0.0, 0.0001, 0.01, 0.25, 0.5, 0.9, 0.999, 0.99999, 1.0}) {
      size_t rank = size_t(std::max(1.0, std::ceil(fraction * double(set.size()))));
      double exact = set[rank - 1], found = once.quantile(fraction);
      EXPECT_LE(std::fabs(found - exact), once.histogram.binWidth()) << fraction;
      EXPECT_EQ(shards[2].quantile(fraction), found) << fraction;
    }
  }
}

TEST(ValueStatistics, ChannelAbsMax) {
  ValueStatistics value, other, plain;
  value.channelAxis = other.channelAxis = plain.channelAxis = 1;
  value.keepChannelAbsMax = other.keepChannelAbsMax = true;
  value.add({0, 1, 2, -3, 4, 5}, {1, 3, 2});
  value.add({-2, 0, 0, 0, 0, -6}, {1, 3, 2});
  plain.add({0, 1, 2, -3, 4, 5}, {1, 3, 2});
  other.add({0, 0, -9, 0, 0, 0}, {1, 3, 2});
  EXPECT_EQ(value.channelAbsMax, (std::vector<float>{2, 3, 6}));
  value.merge(other);
  EXPECT_EQ(value.channelAbsMax, (std::vector<float>{2, 9, 6}));
  EXPECT_TRUE(plain.channelAbsMax.empty());
}

TEST(StatisticsFile, RoundTrip) {
  Statistics statistics;
  statistics.graphDigest = "abc";
  statistics.data = {{"def", 1, 3, 2}};
  statistics.samples = 2;
  statistics.values["a/b \"quoted\""].channelAxis = 0;
  statistics.values["a/b \"quoted\""].add(normal(64, 12), {4, 16});
  statistics.values["constant"].add({0.1f}, {1});
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("statistics", "json", path));
  ASSERT_FALSE(bool(statistics.save(path)));
  auto loaded = Statistics::load(path);
  ASSERT_TRUE(bool(loaded));
  llvm::sys::fs::remove(path);
  EXPECT_EQ(loaded->graphDigest, "abc");
  ASSERT_EQ(loaded->data.size(), 1u);
  EXPECT_EQ(loaded->data[0].source, "def");
  EXPECT_EQ(loaded->data[0].shard, 1u);
  EXPECT_EQ(loaded->data[0].shards, 3u);
  EXPECT_EQ(loaded->data[0].samples, 2u);
  EXPECT_EQ(loaded->samples, 2u);
  ASSERT_EQ(loaded->values.size(), 2u);
  for (auto &[name, value] : statistics.values) {
    const ValueStatistics *other = loaded->lookup(name);
    ASSERT_NE(other, nullptr);
    EXPECT_EQ(value.count, other->count);
    EXPECT_EQ(value.extremes, other->extremes);
    EXPECT_EQ(value.moving, other->moving);
    EXPECT_EQ(value.sum, other->sum);
    EXPECT_EQ(value.channelSums, other->channelSums);
    EXPECT_EQ(value.histogram.getBins(), other->histogram.getBins());
    EXPECT_EQ(value.histogram.getExponent(), other->histogram.getExponent());
  }
}

/// Writes x: f4[3, 2] and y: i8[4] and gives the path.
std::string writeArchive(llvm::StringRef stem) {
  llvm::SmallString<128> path;
  EXPECT_FALSE(llvm::sys::fs::createTemporaryFile(stem, "npz", path));
  std::vector<formats::NamedArray> arrays(2);
  arrays[0].name = "x";
  arrays[0].array.shape = {3, 2};
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  arrays[0].array.data.resize(24);
  memcpy(arrays[0].array.data.data(), values.data(), 24);
  arrays[1].name = "y";
  arrays[1].array.kind = 'i';
  arrays[1].array.itemSize = 1;
  arrays[1].array.shape = {4};
  arrays[1].array.data = {1, 2, 3, 255};
  std::string error;
  EXPECT_TRUE(formats::writeNpz(path.str().str(), arrays, error)) << error;
  return path.str().str();
}

TEST(MappedArray, ReadsStoredMembersInPlace) {
  std::string path = writeArchive("mapped"), error;
  auto file = llvm::MemoryBuffer::getFile(path, false, false);
  ASSERT_TRUE(bool(file));
  EXPECT_FALSE(findStoredMember((*file)->getBuffer(), "x.npy").empty());
  EXPECT_TRUE(findStoredMember((*file)->getBuffer(), "z.npy").empty());
  MappedArray x, y;
  ASSERT_TRUE(MappedArray::open(path, "x", x, error)) << error;
  EXPECT_EQ(x.typeText(), "f4");
  EXPECT_EQ(x.shape, (std::vector<int64_t>{3, 2}));
  float last;
  memcpy(&last, x.bytes().data() + 20, 4);
  EXPECT_EQ(last, 6);
  ASSERT_TRUE(MappedArray::open(path, "y", y, error)) << error;
  EXPECT_EQ(y.typeText(), "i1");
  EXPECT_EQ(y.bytes().size(), 4u);
  llvm::sys::fs::remove(path);
}

TEST(MappedArray, EveryTruncationIsAnErrorOrTheSameBytes) {
  // Cut the file at every length: never a crash, and never other elements.
  std::string path = writeArchive("cut"), error;
  auto file = llvm::MemoryBuffer::getFile(path, false, false);
  ASSERT_TRUE(bool(file));
  std::string whole = (*file)->getBuffer().str(), cut = path + ".cut.npz";
  for (size_t size = 0; size < whole.size(); size += 3) {
    std::error_code code;
    llvm::raw_fd_ostream(cut, code) << llvm::StringRef(whole).take_front(size);
    MappedArray x;
    error.clear();
    EXPECT_FALSE(MappedArray::open(cut, "x", x, error)) << size;
    EXPECT_FALSE(error.empty());
  }
  // Damage in each byte of the directory and headers: whatever is read stays inside the file.
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string bad = whole;
    bad[i] = char(bad[i] ^ 0xff);
    llvm::StringRef member = findStoredMember(bad, "x.npy");
    if (!member.empty()) {
      EXPECT_GE(member.data(), bad.data());
      EXPECT_LE(member.data() + member.size(), bad.data() + bad.size());
    }
  }
  llvm::sys::fs::remove(path);
  llvm::sys::fs::remove(cut);
}

} // namespace
