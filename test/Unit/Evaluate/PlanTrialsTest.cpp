//===- PlanTrialsTest.cpp - losses of formats, one compilation --------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "Trials.h"
#include "lib/Statistics/Statistics.h"

using namespace mlir;
using namespace bitwright;

namespace {

class PlanTrialsTest : public TrialNetworks {};

std::string softmaxText() {
  std::string text = networkText(), end = "return %y";
  text.replace(
      text.find(end), end.size(),
      "%p = qnn.softmax %y {name = \"p\", axis = 1 : i64} : (tensor<2x10xf32>) -> tensor<2x10xf32>\n return %p");
  return text;
}

TEST_F(PlanTrialsTest, TheLossIsTheDefinition) {
  func::FuncOp func = withSchemes(networkText(), {"last"});
  std::vector<Sample> samples = {sample(), sample(), sample()};
  trialOptions.maxSamples = 2;
  ASSERT_FALSE(bool(prepare(func, samples)));
  EXPECT_EQ(trials->lossName(), "relative squared error of the output");
  EXPECT_EQ(trials->getNumSamples(), 2u);
  std::vector<float> w = weight("last.weight");
  Trial trial = trials->none();
  EXPECT_EQ(loss(trial), 0);
  trial.weights[unit("last")] = "s4";
  double expected = 0;
  for (size_t i = 0; i < 2; ++i) { // of three: maxSamples
    std::vector<float> y = interpret(func, samples[i]);
    setWeight("last.weight", {10, 128}, rounded(w, 10, 7));
    std::vector<float> z = interpret(func, samples[i]);
    setWeight("last.weight", {10, 128}, w);
    expected += relativeError(y, z) / 2;
  }
  // The same float32 outputs; sums in float64.
  EXPECT_NEAR(loss(trial), expected, 1e-12 * expected);
  // Back and forth: the same figures.
  EXPECT_EQ(loss(trials->none()), 0);
  double again = loss(trial);
  trialOptions.cacheBytes = 1; // nothing is remembered
  ASSERT_FALSE(bool(prepare(func, samples)));
  EXPECT_EQ(loss(trial), again);
  EXPECT_EQ(loss(trials->none()), 0);
  EXPECT_EQ(loss(trial), again);
}

TEST_F(PlanTrialsTest, ActivationsGoOntoTheGridOfTheirClass) {
  func::FuncOp func = withSchemes(networkText(), {"conv", "dw", "last"}, /*integer=*/true);
  std::vector<Sample> samples = {sample()};
  ASSERT_FALSE(bool(prepare(func, samples)));
  size_t found = units.classes.size();
  for (size_t i = 0; i < units.classes.size(); ++i)
    if (units.classes[i].name == "x")
      found = i;
  ASSERT_LT(found, units.classes.size());
  Trial trial = trials->none();
  trial.activations[found] = "s8";
  Grid grid = gridOf(Range{-8, 8});
  Sample onGrid = samples[0];
  double error = 0, size = 0;
  auto *values = reinterpret_cast<float *>(onGrid.inputs[0].data.data());
  for (size_t i = 0; i < onGrid.inputs[0].data.size() / 4; ++i) {
    float before = values[i], q = std::nearbyint(values[i] / grid.scale) + float(grid.zeroPoint);
    values[i] = (std::fmin(127.0f, std::fmax(-128.0f, q)) - float(grid.zeroPoint)) * grid.scale;
    error += std::pow(double(values[i]) - double(before), 2);
    size += std::pow(double(before), 2);
  }
  double expected = relativeError(interpret(func, samples[0]), interpret(func, onGrid));
  EXPECT_NEAR(loss(trial), expected, 1e-12 * expected);
  // float32 values against float64 sums of the same: 24 bits each.
  EXPECT_NEAR(trials->activationError(unsigned(found), "s8"), error / size, 1e-4 * error / size);
  // A trial that has every format is worse than each alone is not said; it is another figure, and float comes back.
  for (std::string &format : trial.activations)
    format = "s8";
  for (size_t i = 0; i < units.units.size(); ++i)
    if (units.units[i].product)
      trial.weights[i] = "s4";
  EXPECT_GT(loss(trial), expected);
  EXPECT_EQ(loss(trials->none()), 0);
}

TEST_F(PlanTrialsTest, ErrorsOfAWeightAlone) {
  func::FuncOp func = withSchemes(networkText());
  std::vector<Sample> samples = {sample()};
  ASSERT_FALSE(bool(prepare(func, samples)));
  std::vector<float> w = weight("last.weight"), r = rounded(w, 10, 7);
  auto errors = trials->weightErrors(unit("last"), "s4");
  ASSERT_TRUE(bool(errors));
  EXPECT_NEAR(errors->weight, relativeError(w, r), 1e-6 * errors->weight); // float64 products of codes and scales
  // The output error of the layer is that of the product without its bias, on all rows: there are only two.
  std::vector<float> bias = weight("last.bias");
  setWeight("last.bias", {10}, std::vector<float>(10));
  std::vector<float> y = interpret(func, samples[0]);
  setWeight("last.weight", {10, 128}, r);
  double expected = relativeError(y, interpret(func, samples[0]));
  EXPECT_NEAR(errors->output, expected, 1e-4 * expected); // sums of 128 float32 products, in another order
  // A convolution: windows, groups and padding. 64 of 128 windows are looked at, evenly.
  for (const char *layer : {"conv", "dw"}) {
    auto few = trials->weightErrors(unit(layer), "s4"), many = trials->weightErrors(unit(layer), "s8");
    ASSERT_TRUE(few && many);
    EXPECT_GT(few->output, 20 * many->output);
    EXPECT_NEAR(few->output / few->weight, 1, 0.7) << layer; // inputs of like size: about the weight's own error
  }
}

TEST_F(PlanTrialsTest, InputsBehindTransposesAreKnown) {
  func::FuncOp func =
      withSchemes(R"(func.func @main(%x: tensor<2x16x8xf32> {qnn.name = "x"}) -> (tensor<2x8x16xf32> {qnn.name = "y"}) {
    %w = qnn.weight "shared.weight" : tensor<16x16xf32>
    %t = qnn.transpose %x {perm = array<i64: 0, 2, 1>, name = "t"} : (tensor<2x16x8xf32>) -> tensor<2x8x16xf32>
    %y = qnn.linear %t, %w {name = "last"} : (tensor<2x8x16xf32>, tensor<16x16xf32>) -> tensor<2x8x16xf32>
    return %y : tensor<2x8x16xf32>
  })",
                  {"last"});
  std::vector<Sample> samples = {sample({2, 16, 8})};
  ASSERT_FALSE(bool(prepare(func, samples)));
  auto errors = trials->weightErrors(unit("last"), "s4");
  ASSERT_TRUE(bool(errors));
  std::vector<float> w = weight("shared.weight"), y = interpret(func, samples[0]);
  setWeight("shared.weight", {16, 16}, rounded(w, 16, 7));
  double expected = relativeError(y, interpret(func, samples[0]));
  EXPECT_NEAR(errors->output, expected, 1e-4 * expected);
}

/// One linear layer without a bias.
const char *linearText =
    R"(func.func @main(%x: tensor<2x16xf32> {qnn.name = "x"}) -> (tensor<2x16xf32> {qnn.name = "y"}) {
    %w = qnn.weight "shared.weight" : tensor<16x16xf32>
    %y = qnn.linear %x, %w {name = "last"} : (tensor<2x16xf32>, tensor<16x16xf32>) -> tensor<2x16xf32>
    return %y : tensor<2x16xf32>
  })";

TEST_F(PlanTrialsTest, BiasesAreCorrected) {
  func::FuncOp func = withSchemes(linearText, {"last"});
  Sample s = sample({2, 16});
  auto *values = reinterpret_cast<float *>(s.inputs[0].data.data());
  auto statistics = std::make_shared<Statistics>();
  ValueStatistics &input = statistics->values["x"];
  input.channelAxis = 1;
  input.channelCount = 2;
  for (size_t i = 0; i < 16; ++i) {
    values[i] += 3; // a mean that rounding errors meet
    values[16 + i] += 3;
    input.channelSums.push_back(double(values[i]) + double(values[16 + i]));
  }
  std::vector<float> w = weight("shared.weight"), r = rounded(w, 16, 7), y = interpret(func, s);
  setWeight("shared.weight", {16, 16}, r);
  std::vector<float> z = interpret(func, s), corrected = z;
  setWeight("shared.weight", {16, 16}, w);
  for (size_t o = 0; o < 16; ++o) {
    double shift = 0;
    for (size_t k = 0; k < 16; ++k)
      shift += input.channelSums[k] / 2 * (double(r[o * 16 + k]) - double(w[o * 16 + k]));
    for (size_t row = 0; row < 2; ++row)
      corrected[row * 16 + o] = float(double(z[row * 16 + o]) - shift);
  }
  double without = relativeError(y, z), with = relativeError(y, corrected);
  EXPECT_LT(with, without / 2);

  context.getOrLoadDialect<qnn::QnnDialect>()->getStatistics() = statistics;
  ASSERT_FALSE(bool(prepare(func, {s})));
  Trial trial = trials->none();
  trial.weights[unit("last")] = "s4";
  // Here the bias is added before 16 products, there the shift behind them: float32 roundings of sums of about 50, 1e-6
  // each beside errors of about 1.
  EXPECT_NEAR(loss(trial), with, 1e-4 * with);
  EXPECT_EQ(loss(trials->none()), 0);
  trialOptions.biasCorrection = false;
  ASSERT_FALSE(bool(prepare(func, {s})));
  EXPECT_NEAR(loss(trial), without, 1e-12 * without);
}

TEST_F(PlanTrialsTest, AFormatThatHoldsTheWeightLosesNothing) {
  std::uniform_int_distribution<int> draw(-126, 126);
  std::vector<float> w(1280);
  for (size_t i = 0; i < w.size(); ++i) // scale 2^-7 in every channel
    w[i] = float(i % 128 ? draw(engine) : 127) / 128;
  setWeight("last.weight", {10, 128}, w);
  ASSERT_FALSE(bool(prepare(withSchemes(networkText(), {"last"}), {sample()})));
  Trial trial = trials->none();
  trial.weights[unit("last")] = "s8";
  EXPECT_EQ(loss(trial), 0);
  trial.weights[unit("last")] = "s4";
  EXPECT_GT(loss(trial), 0);
}

TEST_F(PlanTrialsTest, ProbabilitiesAreComparedByDivergence) {
  std::vector<float> w = normal(1280);
  for (float &v : w) // logits of about 1: nothing is saturated
    v *= 0.02f;
  setWeight("last.weight", {10, 128}, w);
  func::FuncOp func = withSchemes(softmaxText(), {"last"});
  std::vector<Sample> samples = {sample()};
  ASSERT_FALSE(bool(prepare(func, samples)));
  EXPECT_EQ(trials->lossName(), "KL of the output");
  Trial trial = trials->none();
  trial.weights[unit("last")] = "s4";
  std::vector<float> p = interpret(func, samples[0]);
  setWeight("last.weight", {10, 128}, rounded(w, 10, 7));
  std::vector<float> q = interpret(func, samples[0]);
  double expected = 0;
  for (size_t i = 0; i < p.size(); ++i)
    expected += double(p[i]) * std::log(double(p[i]) / double(q[i])) / 2;
  // The compiled exponential differs from the interpreter's by a few float32 roundings of probabilities, and rows do
  // not sum to 1 exactly: 20 terms of 1e-7 beside a loss of about 1e-5.
  EXPECT_NEAR(loss(trial), expected, 2e-6);
  EXPECT_GT(loss(trial), 1e-6);
}

TEST_F(PlanTrialsTest, WhatCannotBeTriedKeepsItsFormat) {
  ASSERT_FALSE(bool(prepare(withSchemes(sharedText(), {"first", "second"}), {sample({2, 16})})));
  EXPECT_EQ(trials->getKept(), (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(units.units[0].weights, std::vector<std::string>{"s8"});
  EXPECT_EQ(units.units[1].weights, std::vector<std::string>{"s8"});
}

TEST_F(PlanTrialsTest, LossesThatAreNotFiniteAreNamed) {
  func::FuncOp func = withSchemes(networkText(), {"last"});
  Sample s = sample();
  // Outputs whose squares, and those of the errors, are beyond float64? They are float32: make one infinite by a weight
  // that rounding enlarges beyond the largest float32.
  std::vector<float> w(1280, 0.0f);
  w[0] = 3e38f;
  w[1] = 2.9e38f;
  setWeight("last.weight", {10, 128}, w);
  auto *values = reinterpret_cast<float *>(s.inputs[0].data.data());
  std::fill(values, values + s.inputs[0].data.size() / 4, 1e30f);
  llvm::Error error = prepare(func, {s});
  expectMessage(std::move(error), "the float network's output is not finite on the calibration data");
}

TEST_F(PlanTrialsTest, AUserMetricIsAnotherProcess) {
  func::FuncOp func = withSchemes(networkText(), {"last"});
  std::string script = folder + "/metric.sh";
  auto start = [&](const std::string &body, double timeout = 20) {
    std::ofstream(script) << "while read request path; do\n" << body << "\ndone\n";
    return UserMetric::start("sh " + script, timeout);
  };
  auto metric = start("echo \"$request\" >> " + folder +
                      "/log; test -s \"$path\" || exit 3\n"
                      "case $request in reference) echo 2.5;; *) echo 3.25;; esac");
  ASSERT_TRUE(bool(metric)) << llvm::toString(metric.takeError());
  trialOptions.userMetric = metric->get();
  ASSERT_FALSE(bool(prepare(func, {sample(), sample()})));
  Trial trial = trials->none();
  trial.weights[unit("last")] = "s4";
  auto found = trials->measure(trial, "it");
  ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
  EXPECT_EQ(found->user, 0.75);
  EXPECT_GT(found->output, 0);
  std::ifstream log(folder + "/log");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(log), {}), "reference\nevaluate\n");

  struct {
    const char *body, *message;
  } const wrong[] = {
      {"echo nothing", "expected a finite number or 'error TEXT' as the answer to 'reference', found 'nothing'"},
      {"echo nan", "found 'nan'"},
      {"echo error out of tune", "answered with an error: out of tune"},
      {"exit 1", "ended without an answer"},
      {"sleep 30", "no answer within 1 seconds"}};
  for (const auto &w : wrong) {
    auto metric = start(w.body, 1);
    ASSERT_TRUE(bool(metric));
    trialOptions.userMetric = metric->get();
    expectMessage(prepare(func, {sample()}), w.message);
  }
}

TEST_F(PlanTrialsTest, WhatTheUserMetricGets) {
  func::FuncOp func = withSchemes(networkText(), {"last"});
  auto metric = UserMetric::start("while read request path; do cp \"$path\" " + folder + "/$request.npz; echo 0; done");
  ASSERT_TRUE(bool(metric)) << llvm::toString(metric.takeError());
  trialOptions.userMetric = metric->get();
  std::vector<Sample> samples = {sample(), sample()};
  ASSERT_FALSE(bool(prepare(func, samples)));
  std::string error;
  auto file = formats::NpzFile::open(folder + "/reference.npz", error);
  ASSERT_TRUE(file) << error;
  ASSERT_EQ(file->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(file->name(i), "y:" + std::to_string(i));
    formats::NpyArray array;
    ASSERT_TRUE(file->read(i, array, error)) << error;
    EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 10}));
    std::vector<float> y = interpret(func, samples[i]);
    EXPECT_EQ(0, std::memcmp(array.data.data(), y.data(), y.size() * 4));
  }
}

} // namespace
