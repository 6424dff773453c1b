//===- CollectTest.cpp - passes over data: shards, interruptions -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/Collect.h"
#include "dialects/Qnn/Qnn.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace bitwright;

namespace {

constexpr int64_t samples = 11, width = 6;

/// One linear layer, eleven samples, an interpreter that can be told to fail.
class Collecting : public ::testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<mlir::func::FuncDialect, qnn::QnnDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(graph("0.5"), &context);
    ASSERT_TRUE(bool(module));
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("collect", folder));
    writeData("data.npz", 1);
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  static std::string graph(const std::string &weight) {
    return "func.func @main(%x: tensor<1x6xf32> {qnn.name = \"x\"}) -> tensor<1x2xf32> {"
           "%w = qnn.constant {name = \"w\", value = dense<" +
           weight +
           "> : tensor<2x6xf32>} : tensor<2x6xf32>"
           "%0 = qnn.linear %x, %w {name = \"y\"} : (tensor<1x6xf32>, tensor<2x6xf32>) -> tensor<1x2xf32>"
           "return %0 : tensor<1x2xf32> }";
  }
  mlir::func::FuncOp func() { return *module->getOps<mlir::func::FuncOp>().begin(); }
  std::string path(llvm::StringRef name) { return (folder + "/" + name).str(); }
  std::string bytes(llvm::StringRef name) {
    auto buffer = llvm::MemoryBuffer::getFile(path(name), false, false);
    return buffer ? (*buffer)->getBuffer().str() : "none";
  }

  void writeData(llvm::StringRef name, unsigned seed, int64_t count = samples) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> draw(0, 3);
    std::vector<float> values(size_t(count * width));
    for (float &v : values)
      v = draw(engine);
    std::vector<formats::NamedArray> arrays(1);
    arrays[0].name = "x";
    arrays[0].array.shape = {count, width};
    arrays[0].array.data.resize(values.size() * 4);
    memcpy(arrays[0].array.data.data(), values.data(), values.size() * 4);
    std::string error;
    ASSERT_TRUE(formats::writeNpz(path(name), arrays, error)) << error;
  }

  /// Fails behind `limit` samples, as a process that is killed.
  class Interrupted : public InterpreterRunner {
  public:
    Interrupted(mlir::func::FuncOp func, uint64_t limit) : InterpreterRunner(func), limit(limit) {}
    llvm::Error run(const Sample &sample, const llvm::StringSet<> &wanted, ObserveFn observe) override {
      if (runs++ == limit)
        return llvm::createStringError("interrupted");
      return InterpreterRunner::run(sample, wanted, observe);
    }
    uint64_t limit, runs = 0;
  };

  CollectOptions everything() {
    CollectOptions options;
    options.secondMoments = options.channelAbsMax = true;
    options.saveSeconds = 0;
    return options;
  }

  /// Collects into `out`; "" or the error. `ran`: samples that were run.
  std::string collect(llvm::StringRef out, const CollectOptions &options, uint64_t limit = 1000,
                      llvm::StringRef dataName = "data.npz", uint64_t *ran = nullptr) {
    auto data = CalibrationData::open(path(dataName), func());
    if (!data)
      return llvm::toString(data.takeError());
    Interrupted runner(func(), limit);
    auto result = collectStatisticsTo(path(out), func(), **data, runner, nullptr, options);
    if (ran)
      *ran = runner.runs;
    return result ? "" : llvm::toString(result.takeError());
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  llvm::SmallString<128> folder;
};

TEST_F(Collecting, InterruptedAndContinuedIsTheSameFile) {
  ASSERT_EQ(collect("whole", everything()), "");
  EXPECT_EQ(bytes("whole.partial"), "none");
  std::vector<uint64_t> continuedAt;
  CollectOptions options = everything();
  options.onResume = [&](uint64_t n) { continuedAt.push_back(n); };
  EXPECT_EQ(collect("parts", options, 3), "interrupted");
  EXPECT_EQ(bytes("parts"), "none");
  EXPECT_EQ(collect("parts", options, 5), "interrupted");
  uint64_t ran = 0;
  EXPECT_EQ(collect("parts", options, 1000, "data.npz", &ran), "");
  EXPECT_EQ(continuedAt, (std::vector<uint64_t>{3, 8}));
  EXPECT_EQ(ran, 3u);
  EXPECT_EQ(bytes("parts"), bytes("whole"));
  EXPECT_EQ(bytes("parts.partial"), "none");
}

TEST_F(Collecting, WhatWasLeftByAnotherCommandIsRefused) {
  writeData("other.npz", 2);
  writeData("short.npz", 1, 2);
  CollectOptions options = everything(), without = everything(), sharded = everything();
  without.secondMoments = false;
  sharded.shards = 2;
  ASSERT_EQ(collect("s", options, 4), "interrupted");
  auto expectOther = [&](const std::string &error, const std::string &what) {
    EXPECT_EQ(error, "'" + path("s.partial") + "' is what an interrupted collection left, of another " + what +
                         ": repeat the command that was interrupted, or remove the file to start over");
  };
  expectOther(collect("s", options, 1000, "other.npz"), "data");
  expectOther(collect("s", options, 1000, "short.npz"), "data");
  expectOther(collect("s", without), "set of options");
  expectOther(collect("s", sharded), "shard");
  auto first = std::move(module);
  module = mlir::parseSourceString<mlir::ModuleOp>(graph("0.25"), &context);
  expectOther(collect("s", options), "graph");
  module = std::move(first);
  {
    std::error_code code;
    llvm::raw_fd_ostream(path("s.partial"), code) << "half a file";
  }
  EXPECT_NE(collect("s", options).find("remove the file to start over"), std::string::npos);
  llvm::sys::fs::remove(path("s.partial"));
  EXPECT_EQ(collect("s", options), "");
}

TEST_F(Collecting, MergedShardsEqualOnePass) {
  ASSERT_EQ(collect("whole", everything()), "");
  for (uint64_t shards : {2, 3, 11}) {
    std::optional<Statistics> merged;
    for (uint64_t i = shards; i-- > 0;) {
      CollectOptions options = everything();
      options.shard = i;
      options.shards = shards;
      uint64_t ran = 0;
      ASSERT_EQ(collect("shard", options, 1000, "data.npz", &ran), "");
      EXPECT_EQ(ran, (samples - i + shards - 1) / shards);
      auto part = Statistics::load(path("shard"));
      ASSERT_TRUE(bool(part)) << llvm::toString(part.takeError());
      if (!merged)
        merged = std::move(*part);
      else
        ASSERT_FALSE(bool(merged->merge(*part)));
    }
    auto whole = Statistics::load(path("whole"));
    ASSERT_TRUE(bool(whole));
    EXPECT_EQ(merged->samples, uint64_t(samples));
    ASSERT_EQ(merged->data.size(), 1u);
    EXPECT_EQ(merged->data[0].source, whole->data[0].source);
    EXPECT_EQ(merged->data[0].shards, 1u);
    for (const auto &[name, value] : whole->values) {
      const ValueStatistics &other = merged->values.at(name);
      EXPECT_EQ(other.count, value.count);
      EXPECT_EQ(other.batches, value.batches);
      EXPECT_EQ(other.extremes, value.extremes);
      EXPECT_EQ(other.histogram.getExponent(), value.histogram.getExponent());
      EXPECT_EQ(other.histogram.getBins(), value.histogram.getBins());
      EXPECT_EQ(other.channelAbsMax, value.channelAbsMax);
      // n float64 additions in another order: off by at most (n - 1) * 2^-53 of the sum of magnitudes in each order.
      double bound = 2 * double(value.count) * 0x1p-53;
      double magnitude = std::max(std::fabs(value.extremes.low), std::fabs(value.extremes.high)) * double(value.count);
      EXPECT_NEAR(other.sum, value.sum, bound * magnitude);
      EXPECT_NEAR(other.sumOfSquares, value.sumOfSquares, bound * value.sumOfSquares);
    }
    // The float32 sum of a sample's block is the same; the float64 sums over samples are in another order. A product
    // x_i x_j of one row is exact to 2^-24, its magnitude at most (x_i^2 + x_j^2) / 2.
    for (const auto &[name, m] : whole->moments) {
      const SecondMoments &other = merged->moments.at(name);
      EXPECT_EQ(other.rows, m.rows);
      for (int64_t i = 0; i < width; ++i)
        for (int64_t j = 0; j < width; ++j) {
          double magnitude = (m.matrix[size_t(i * width + i)] + m.matrix[size_t(j * width + j)]) / 2;
          EXPECT_NEAR(other.matrix[size_t(i * width + j)], m.matrix[size_t(i * width + j)],
                      2 * samples * 0x1p-53 * magnitude * (1 + 0x1p-20));
        }
    }
  }
  CollectOptions tooMany = everything();
  tooMany.shard = 11;
  tooMany.shards = 12;
  EXPECT_EQ(collect("shard", tooMany),
            "shard 12/12 of 11 samples is empty: expected at most as many shards as samples");
}

TEST_F(Collecting, OnlyWhatIsAskedFor) {
  ASSERT_EQ(collect("plain", CollectOptions()), "");
  auto plain = Statistics::load(path("plain"));
  ASSERT_TRUE(bool(plain));
  EXPECT_TRUE(plain->moments.empty());
  EXPECT_TRUE(plain->values.at("x").channelAbsMax.empty());
  EXPECT_EQ(plain->values.at("x").channelSums.size(), size_t(width));
}

TEST_F(Collecting, NotFiniteNamesValueAndSample) {
  module = mlir::parseSourceString<mlir::ModuleOp>(graph("1.0e38"), &context);
  CollectOptions second = everything();
  second.shard = 1;
  second.shards = 3;
  EXPECT_EQ(
      collect("bad", everything()),
      "calibration sample 0: the float graph gives NaN or infinity at 'y': expected finite activations; check the "
      "weights and the scaling of the inputs");
  // Numbered as in the data, not in the shard.
  EXPECT_EQ(collect("bad2", second).substr(0, 21), "calibration sample 1:");
}

} // namespace
