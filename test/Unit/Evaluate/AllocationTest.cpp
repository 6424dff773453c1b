//===- AllocationTest.cpp - losses of formats, plans read and applied -------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/Allocation.h"
#include "Networks.h"
#include "passes/Quantize/QuantizableOps.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>
#include <fstream>

using namespace mlir;
using namespace bitwright;

namespace {

void expectMessage(llvm::Error error, llvm::StringRef part) {
  ASSERT_TRUE(bool(error));
  std::string text = llvm::toString(std::move(error));
  EXPECT_NE(text.find(part.str()), std::string::npos) << text;
}

class Allocation : public Networks {
protected:
  Allocation() {
    llvm::SmallString<128> name;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("bitwright-allocation", name));
    folder = name.str().str();
  }
  ~Allocation() override { llvm::sys::fs::remove_directories(folder); }

  static Operation *find(func::FuncOp func, llvm::StringRef name) {
    Operation *found = nullptr;
    func.walk([&](Operation *op) {
      if (getName(op) == name)
        found = op;
    });
    return found;
  }
  /// Layers whose weight has 8 bits, a scale a channel.
  func::FuncOp withSchemes(const std::string &text, std::vector<std::string> layers = {"conv", "dw", "last"}) {
    func::FuncOp func = parse(text);
    for (const std::string &layer : layers) {
      Operation *op = find(func, layer);
      op->setAttr(weightSchemeAttr, qnn::SchemeAttr::get(&context, "s8", 0));
      op->setAttr(weightClipAttr, StringAttr::get(&context, "absmax"));
    }
    return func;
  }
  std::unique_ptr<CalibrationData> data(func::FuncOp func, const std::vector<Sample> &samples) {
    for (size_t i = 0; i < samples.size(); ++i) {
      std::string error;
      EXPECT_TRUE(formats::writeNpz(folder + "/" + std::to_string(i) + ".npz", {{"x", samples[i].inputs[0]}}, error))
          << error;
    }
    auto result = CalibrationData::open(folder, func);
    if (!result) {
      ADD_FAILURE() << llvm::toString(result.takeError());
      return nullptr;
    }
    return std::move(*result);
  }
  llvm::Expected<solver::AllocationProblem> measure(func::FuncOp func, std::vector<Sample> samples) {
    auto d = data(func, samples);
    return measureSensitivities(func, *d, options, fixed);
  }
  std::string plan(const std::string &text) {
    std::string path = folder + "/plan.json";
    std::ofstream(path) << text;
    return path;
  }

  std::string folder;
  AllocationOptions options;
  std::vector<std::string> fixed;
};

TEST_F(Allocation, FewerBitsLoseMoreAndTakeLess) {
  uint64_t last = 0, all = 0;
  options.progress = [&](uint64_t done, uint64_t of) {
    EXPECT_EQ(done, last + 1);
    last = done;
    all = of;
  };
  auto problem = measure(withSchemes(networkText()), {sample(), sample(), sample()});
  ASSERT_TRUE(bool(problem)) << llvm::toString(problem.takeError());
  EXPECT_EQ(last, 6u);
  EXPECT_EQ(all, 6u);
  EXPECT_TRUE(fixed.empty());
  EXPECT_EQ(problem->lossName, "relative squared error of the output");
  EXPECT_EQ(problem->metrics, std::vector<std::string>{"bytes"});
  ASSERT_EQ(problem->groups.size(), 3u);
  // A float32 scale for each of 8, 8 and 10 channels, and codes in panels of 16 channels: 27 columns are 28 bytes or 32
  // nibbles, 128 are themselves. The depthwise filter has 16 bits whatever the format, three rows of taps in two pairs.
  struct {
    const char *name;
    double elements, bytes8, bytes4;
  } const expected[] = {{"conv", 216, 16 * 28 + 32, 16 * 32 / 2 + 32},
                        {"dw", 72, 16 * 2 * 3 * 2 * 2 + 32, 16 * 2 * 3 * 2 * 2 + 32},
                        {"last", 1280, 16 * 128 + 40, 16 * 128 / 2 + 40}};
  for (size_t i = 0; i < 3; ++i) {
    const solver::Group &group = problem->groups[i];
    EXPECT_EQ(group.name, expected[i].name);
    EXPECT_EQ(group.elements, expected[i].elements);
    ASSERT_EQ(group.choices.size(), 2u);
    EXPECT_EQ(group.choices[0].weight, "s8");
    EXPECT_EQ(group.choices[1].weight, "s4");
    EXPECT_EQ(group.choices[0].costs, std::vector<double>{expected[i].bytes8});
    EXPECT_EQ(group.choices[1].costs, std::vector<double>{expected[i].bytes4});
    EXPECT_GT(group.choices[0].loss, 0);
    // Steps are 127 / 7 times as large, so the squared error is about 330 times; 20 for what is not independent.
    EXPECT_GT(group.choices[1].loss, 20 * group.choices[0].loss);
  }
}

TEST_F(Allocation, TheLossIsTheDefinition) {
  func::FuncOp func = withSchemes(networkText(), {"last"});
  std::vector<Sample> samples = {sample(), sample(), sample()};
  options.maxSamples = 2;
  auto problem = measure(func, samples);
  ASSERT_TRUE(bool(problem)) << llvm::toString(problem.takeError());
  ASSERT_EQ(problem->groups.size(), 1u);
  std::vector<float> w = toFloats(*getWeightStore(&context).lookup("last.weight")), rounded = w;
  for (size_t row = 0; row < 10; ++row) {
    float largest = 0;
    for (size_t k = 0; k < 128; ++k)
      largest = std::max(largest, std::fabs(w[row * 128 + k]));
    float scale = largest / 7;
    for (size_t k = 0; k < 128; ++k)
      rounded[row * 128 + k] = std::nearbyint(w[row * 128 + k] / scale) * scale;
  }
  double expected = 0;
  for (size_t i = 0; i < 2; ++i) { // of three: maxSamples
    std::vector<float> y = interpret(func, samples[i]);
    setWeight("last.weight", {10, 128}, rounded);
    std::vector<float> z = interpret(func, samples[i]);
    setWeight("last.weight", {10, 128}, w);
    double error = 0, size = 0;
    for (size_t j = 0; j < y.size(); ++j) {
      error += std::pow(double(z[j]) - double(y[j]), 2);
      size += std::pow(double(y[j]), 2);
    }
    expected += error / size / 2;
  }
  // The same float32 outputs; sums in float64.
  EXPECT_NEAR(problem->groups[0].choices[1].loss, expected, 1e-12 * expected);
  // With one layer the plan's loss is that of its choice.
  llvm::StringMap<std::string> formats;
  formats["last"] = "s4";
  ASSERT_FALSE(bool(applyPlan(func, formats)));
  auto d = data(func, samples);
  auto measured = measurePlan(func, *d, options);
  ASSERT_TRUE(bool(measured)) << llvm::toString(measured.takeError());
  EXPECT_EQ(*measured, problem->groups[0].choices[1].loss);
}

TEST_F(Allocation, AFormatThatHoldsTheWeightLosesNothing) {
  std::uniform_int_distribution<int> draw(-126, 126);
  std::vector<float> w(1280);
  for (size_t i = 0; i < w.size(); ++i) // scale 2^-7 in every channel
    w[i] = float(i % 128 ? draw(engine) : 127) / 128;
  setWeight("last.weight", {10, 128}, w);
  func::FuncOp func = withSchemes(networkText(), {"last"});
  auto problem = measure(func, {sample()});
  ASSERT_TRUE(bool(problem)) << llvm::toString(problem.takeError());
  EXPECT_EQ(problem->groups[0].choices[0].loss, 0);
  EXPECT_GT(problem->groups[0].choices[1].loss, 0);
}

TEST_F(Allocation, ProbabilitiesAreComparedByDivergence) {
  std::vector<float> w = normal(1280);
  for (float &v : w) // logits of about 1: nothing is saturated
    v *= 0.02f;
  setWeight("last.weight", {10, 128}, w);
  std::string text = networkText(), end = "return %y";
  text.replace(
      text.find(end), end.size(),
      "%p = qnn.softmax %y {name = \"p\", axis = 1 : i64} : (tensor<2x10xf32>) -> tensor<2x10xf32>\n return %p");
  auto problem = measure(withSchemes(text, {"last"}), {sample(), sample()});
  ASSERT_TRUE(bool(problem)) << llvm::toString(problem.takeError());
  EXPECT_EQ(problem->lossName, "KL of the output");
  EXPECT_GT(problem->groups[0].choices[0].loss, 0);
  EXPECT_GT(problem->groups[0].choices[1].loss, 20 * problem->groups[0].choices[0].loss);
}

TEST_F(Allocation, GroupsAreForFewBits) {
  func::FuncOp func = withSchemes(networkText(), {"last"});
  Operation *last = find(func, "last");
  Sample s = sample();
  auto bytes = [&](qnn::Granularity granularity) {
    last->setAttr(weightSchemeAttr, qnn::SchemeAttr::get(&context, "s4", granularity, 1, 64));
    auto problem = measure(func, {s});
    EXPECT_TRUE(bool(problem)) << llvm::toString(problem.takeError());
    return std::pair(problem->groups[0].choices[0].costs[0], problem->groups[0].choices[1].costs[0]);
  };
  // Ten rows take a panel of 16. 8 bits: 16 * 128 bytes and a scale a channel. Groups: half of that and 20 scales of 4
  // bytes. Two-level: 10 scales, and for each of 20 groups a scale of one byte and an offset of two.
  EXPECT_EQ(bytes(qnn::Granularity::Group), std::pair(2088.0, 1104.0));
  EXPECT_EQ(bytes(qnn::Granularity::TwoLevel), std::pair(2088.0, 1124.0));
}

TEST_F(Allocation, LayersThatShareAConstantStayAsTheyAre) {
  func::FuncOp func = withSchemes(sharedText(), {"first", "second"});
  expectMessage(measure(func, {sample({2, 16})}).takeError(), "there is no layer whose weight format could be chosen");
  EXPECT_EQ(fixed, (std::vector<std::string>{"first", "second"}));
}

TEST_F(Allocation, ConvolutionsOnFloatsStayAsTheyAre) {
  func::FuncOp func = withSchemes(networkText());
  for (const char *layer : {"conv", "dw", "last"})
    find(func, layer)->setAttr(weightOnlyAttr, UnitAttr::get(&context));
  auto problem = measure(func, {sample()});
  ASSERT_TRUE(bool(problem)) << llvm::toString(problem.takeError());
  ASSERT_EQ(problem->groups.size(), 1u);
  EXPECT_EQ(problem->groups[0].name, "last");
  EXPECT_EQ(fixed, (std::vector<std::string>{"conv", "dw"}));
}

TEST_F(Allocation, PlansAreApplied) {
  func::FuncOp func = withSchemes(networkText());
  llvm::StringMap<std::string> formats;
  formats["dw"] = "s4";
  ASSERT_FALSE(bool(applyPlan(func, formats)));
  auto storage = [&](const char *layer) {
    return find(func, layer)->getAttrOfType<qnn::SchemeAttr>(weightSchemeAttr).getStorage().str();
  };
  EXPECT_EQ(storage("dw"), "s4");
  EXPECT_EQ(storage("conv"), "s8");
  for (const char *format : {"s1", "s9", "s08", "u4", "f16", ""}) {
    formats["dw"] = format;
    expectMessage(applyPlan(func, formats),
                  "the plan gives 'dw' the weight format '" + std::string(format) + "': expected s2 to s8 or s16");
  }
  formats.clear();
  formats["relu"] = "s8";
  expectMessage(applyPlan(func, formats), "the plan names 'relu', which is no quantized layer");
}

TEST_F(Allocation, PlanFiles) {
  auto formats =
      readPlan(plan(R"({"version": 1, "groups": [{"name": "a", "weight": "s4"}, {"name": "b", "weight": "s8"}]})"));
  ASSERT_TRUE(bool(formats)) << llvm::toString(formats.takeError());
  EXPECT_EQ(formats->size(), 2u);
  EXPECT_EQ((*formats)["a"], "s4");
  EXPECT_EQ((*formats)["b"], "s8");
  expectMessage(readPlan(folder + "/absent.json").takeError(), "cannot read the plan");
  struct {
    const char *text, *message;
  } const wrong[] = {{"no json", "plan.json': "},
                     {"[]", "expected version 1 and a list 'groups'"},
                     {R"({"version": 2, "groups": []})", "expected version 1 and a list 'groups'"},
                     {R"({"version": 1})", "expected version 1 and a list 'groups'"},
                     {R"({"version": 1, "groups": [{"name": "a"}]})", "expected 'name' and 'weight'"},
                     {R"({"version": 1, "groups": [3]})", "expected 'name' and 'weight'"},
                     {R"({"version": 1, "groups": [{"name": "a", "weight": "s4", "activation": "s8"}]})",
                      "'a' has an activation format"},
                     {R"({"version": 1, "groups": [{"name": "a", "weight": "s4"}, {"name": "a", "weight": "s8"}]})",
                      "'a' is named twice"}};
  for (const auto &w : wrong)
    expectMessage(readPlan(plan(w.text)).takeError(), w.message);
}

} // namespace
