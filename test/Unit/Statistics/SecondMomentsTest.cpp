//===- SecondMomentsTest.cpp - X^T X of linear layers and convolutions ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/SecondMoments.h"
#include "lib/Rounding/Gptq.h"
#include "lib/Statistics/Statistics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace bitwright;

namespace {

std::vector<float> uniform(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> draw(-1, 1);
  std::vector<float> values(count);
  for (float &v : values)
    v = draw(engine);
  return values;
}

/// The definition, window by window, in float64.
std::vector<double> explicitMoments(const ProductGeometry &g, llvm::ArrayRef<float> x, llvm::ArrayRef<int64_t> shape) {
  int64_t channels = shape[1] / g.groups, taps = g.kernel[0] * g.kernel[1], k = channels * taps;
  auto outputSize = [&](int d) {
    return (shape[2 + d] + g.padsLow[d] + g.padsHigh[d] - g.dilations[d] * (g.kernel[d] - 1) - 1) / g.strides[d] + 1;
  };
  std::vector<double> sum(size_t(g.groups * k * k));
  for (int64_t n = 0; n < shape[0]; ++n)
    for (int64_t group = 0; group < g.groups; ++group)
      for (int64_t oy = 0; oy < outputSize(0); ++oy)
        for (int64_t ox = 0; ox < outputSize(1); ++ox) {
          std::vector<double> row;
          for (int64_t c = 0; c < channels; ++c)
            for (int64_t ky = 0; ky < g.kernel[0]; ++ky)
              for (int64_t kx = 0; kx < g.kernel[1]; ++kx) {
                int64_t y = oy * g.strides[0] - g.padsLow[0] + ky * g.dilations[0];
                int64_t z = ox * g.strides[1] - g.padsLow[1] + kx * g.dilations[1];
                bool inside = y >= 0 && y < shape[2] && z >= 0 && z < shape[3];
                int64_t at = ((n * shape[1] + group * channels + c) * shape[2] + y) * shape[3] + z;
                row.push_back(inside ? double(x[size_t(at)]) : 0.0);
              }
          for (int64_t i = 0; i < k; ++i)
            for (int64_t j = 0; j < k; ++j)
              sum[size_t((group * k + i) * k + j)] += row[size_t(i)] * row[size_t(j)];
        }
  return sum;
}

ProductGeometry convolution() {
  ProductGeometry g;
  g.groups = 2;
  g.columns = 3 * 3 * 2;
  g.kernel = {3, 2};
  g.strides = {2, 1};
  g.padsLow = {1, 0};
  g.padsHigh = {2, 1};
  g.dilations = {1, 2};
  return g;
}

// A block of 256 rows is summed in float32: relative error at most 256 * 2^-24 of the sum of absolute products, which
// is at most the number of rows for values in [-1, 1].
double boundFor(uint64_t rows) { return double(rows) * 256 * std::ldexp(1.0, -24); }

TEST(SecondMoments, ConvolutionEqualsTheSumOverWindows) {
  ProductGeometry g = convolution();
  std::vector<int64_t> shape = {2, 6, 11, 13};
  std::vector<float> x = uniform(2 * 6 * 11 * 13, 1);
  SecondMoments m;
  m.add(g, x, shape);
  std::vector<double> expected = explicitMoments(g, x, shape);
  ASSERT_EQ(m.matrix.size(), expected.size());
  EXPECT_EQ(m.rows, 2u * 6 * 12); // output (11 + 3 - 3) / 2 + 1 = 6 by (13 + 1 - 3) + 1 = 12
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(m.matrix[i], expected[i], boundFor(m.rows)) << i;
}

TEST(SecondMoments, GptqOfAGroupedConvolutionLowersItsOutputError) {
  // The whole way: windows of a grouped convolution, moments, rounding; the error of the output itself, window by
  // window, is what the moments say, and GPTQ's is the smaller one.
  ProductGeometry g = convolution();
  std::vector<int64_t> shape = {2, 6, 11, 13};
  std::vector<float> x = uniform(2 * 6 * 11 * 13, 1);
  // Neighbours that resemble each other: what feedback lives on.
  for (size_t i = 1; i < x.size(); ++i)
    x[i] = 0.8f * x[i - 1] + 0.2f * x[i];
  SecondMoments m;
  m.add(g, x, shape);
  const int64_t rows = 8, k = g.columns;
  std::vector<float> narrow = uniform(size_t(rows * k), 2);
  std::vector<double> weights(narrow.begin(), narrow.end()), exact = explicitMoments(g, x, shape);
  GptqProblem problem{"conv", rows, k, g.groups, weights, m.matrix};
  UniformColumns quantizer(integerFormat("s3"));
  auto better = roundKeepingBetter(problem, GptqOptions(), quantizer);
  ASSERT_TRUE(bool(better)) << llvm::toString(better.takeError());
  EXPECT_EQ(better->choice, RoundingChoice::Gptq);
  EXPECT_LT(better->gptqError, 0.8 * better->rtnError);
  // sum over windows of (dw . x)^2 = dw (sum x x^T) dw^T for each row, with the moments of its group.
  double direct = 0, absolute = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) {
        auto moved = [&](int64_t c) {
          return weights[size_t(r * k + c)] - better->result.dequantized[size_t(r * k + c)];
        };
        double term = moved(i) * moved(j);
        direct += term * exact[size_t((r / (rows / g.groups) * k + i) * k + j)];
        absolute += std::fabs(term);
      }
  EXPECT_NEAR(better->gptqError, direct, absolute * boundFor(m.rows));
}

TEST(SecondMoments, LinearRowsAcrossBlocks) {
  ProductGeometry g;
  g.columns = 7;
  std::vector<float> x = uniform(600 * 7, 2);
  SecondMoments m;
  m.add(g, x, {20, 30, 7});
  EXPECT_EQ(m.rows, 600u);
  for (int64_t i = 0; i < 7; ++i)
    for (int64_t j = 0; j < 7; ++j) {
      double sum = 0;
      for (int64_t r = 0; r < 600; ++r)
        sum += double(x[size_t(r * 7 + i)]) * double(x[size_t(r * 7 + j)]);
      EXPECT_NEAR(m.matrix[size_t(i * 7 + j)], sum, boundFor(600));
    }
}

TEST(SecondMoments, ManyRowsAreSampledEvenly) {
  ProductGeometry g;
  g.columns = 1;
  std::vector<float> ones(5000, 1.0f);
  SecondMoments m;
  m.add(g, ones, {5000, 1});
  // Every fifth row: ceil(5000 / 1024) = 5.
  EXPECT_EQ(m.rows, 1000u);
  EXPECT_EQ(m.matrix[0], 1000.0);
}

TEST(SecondMoments, FileKeepsEveryBitAndMergeAdds) {
  ProductGeometry g = convolution();
  Statistics a, b;
  a.graphDigest = b.graphDigest = "g";
  a.data = {{"A", 0, 1, 1}}, b.data = {{"B", 0, 1, 1}};
  a.moments["other"].add(g, uniform(6 * 64, 6), {1, 6, 8, 8});
  a.moments["conv"].add(g, uniform(6 * 64, 3), {1, 6, 8, 8});
  b.moments["conv"].add(g, uniform(6 * 64, 4), {1, 6, 8, 8});
  b.moments["other"].add(g, uniform(6 * 64, 5), {1, 6, 8, 8});
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("moments", "json", path));
  ASSERT_FALSE(bool(b.save(path)));
  auto loaded = Statistics::load(path);
  ASSERT_TRUE(bool(loaded)) << llvm::toString(loaded.takeError());
  EXPECT_EQ(loaded->moments["conv"].matrix, b.moments["conv"].matrix);
  EXPECT_EQ(loaded->moments["other"].rows, b.moments["other"].rows);
  std::vector<double> sum = a.moments["conv"].matrix;
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] += b.moments["conv"].matrix[i];
  ASSERT_FALSE(bool(a.merge(*loaded)));
  EXPECT_EQ(a.moments["conv"].matrix, sum);
  EXPECT_EQ(a.moments.size(), 2u);

  // Cut short: named, not read past the end.
  auto bytes = llvm::MemoryBuffer::getFile(path);
  ASSERT_TRUE(bool(bytes));
  std::string shorter = (*bytes)->getBuffer().drop_back(9).str();
  std::error_code code;
  {
    llvm::raw_fd_ostream stream(path, code);
    stream << shorter;
  }
  auto bad = Statistics::load(path);
  ASSERT_FALSE(bool(bad));
  EXPECT_NE(llvm::toString(bad.takeError()).find("moments of 'other': expected sizes and an offset inside the file"),
            std::string::npos);
  llvm::sys::fs::remove(path);
}

} // namespace
