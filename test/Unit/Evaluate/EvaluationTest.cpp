//===- EvaluationTest.cpp - activations on grids, weights replaced ----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "Networks.h"

using namespace mlir;
using namespace bitwright;

namespace {

using Evaluation = Networks;

/// quantize and dequantize as operations: result `%name_q`.
std::string roundTrip(const std::string &value, const std::string &type, const std::string &scale, int zeroPoint) {
  std::string codes = type.substr(0, type.size() - 4) + "i8>", q = "%" + value + "_";
  return q + "s = qnn.constant {name = \"" + value + ".s\", value = dense<" + scale +
         "> : tensor<f32>} : tensor<f32>\n" + q + "z = qnn.constant {name = \"" + value + ".z\", value = dense<" +
         std::to_string(zeroPoint) + "> : tensor<i8>} : tensor<i8>\n" + q + "c = qnn.quantize %" + value + ", " + q +
         "s, " + q + "z {scheme = #qnn.scheme<s8, tensor>, name = \"" + value + ".c\"} : (" + type +
         ", tensor<f32>, tensor<i8>) -> " + codes + "\n" + q + "q = qnn.dequantize " + q + "c, " + q + "s, " + q +
         "z {scheme = #qnn.scheme<s8, tensor>, name = \"" + value + ".q\"} : (" + codes +
         ", tensor<f32>, tensor<i8>) -> " + type + "\n";
}

// The float kernels and the interpreter take the same chain of fused multiply-adds (F4): equal as numbers.
TEST_F(Evaluation, WithoutGridsEqualsTheInterpreter) {
  func::FuncOp func = parse(networkText());
  auto plain = create(func), stored = create(func, {"x", "relu", "dw"});
  ASSERT_TRUE(plain && stored);
  for (int i = 0; i < 3; ++i) {
    Sample s = sample();
    std::vector<float> expected = interpret(func, s);
    EXPECT_EQ(run(*plain, s), expected);
    EXPECT_EQ(run(*stored, s), expected);
  }
}

TEST_F(Evaluation, GridsEqualQuantizersInTheGraph) {
  auto model = create(parse(networkText()), {"x", "relu", "dw"});
  ASSERT_TRUE(model);
  std::string x = roundTrip("x", "tensor<2x3x8x8xf32>", "0.017", 3),
              relu = roundTrip("relu", "tensor<2x8x8x8xf32>", "0.06", -128),
              dw = roundTrip("dw", "tensor<2x8x4x4xf32>", "0.15", 0);
  llvm::StringMap<ActivationGrid> grids;
  Sample s = sample();
  std::vector<float> before = run(*model, s);
  auto check = [&](const std::string &text) {
    ASSERT_FALSE(bool(model->setActivations(grids)));
    std::vector<float> found = run(*model, s);
    EXPECT_EQ(found, interpret(parse(text), s));
    EXPECT_NE(found, before);
  };
  // Values beyond +-2 are cut off: 0.017 * 127 = 2.2.
  grids["x"] = {0.017f, 3, -128, 127};
  check(networkText(x, "%x_q"));
  grids["relu"] = {0.06f, -128, -128, 127};
  check(networkText(x, "%x_q", relu, "%relu_q"));
  grids["dw"] = {0.15f, 0, -128, 127};
  check(networkText(x, "%x_q", relu, "%relu_q", dw, "%dw_q"));
  grids.clear();
  grids["dw"] = {0.15f, 0, -128, 127};
  check(networkText("", "%x", "", "%relu", dw, "%dw_q"));
  // No grid, as at first.
  ASSERT_FALSE(bool(model->setActivations({})));
  EXPECT_EQ(run(*model, s), before);
}

TEST_F(Evaluation, WeightsAreReplacedAndComeBack) {
  func::FuncOp func = parse(networkText());
  auto model = create(func);
  ASSERT_TRUE(model);
  Sample s = sample();
  std::vector<float> before = run(*model, s);
  struct {
    const char *layer, *weight;
    std::vector<int64_t> shape;
  } const layers[] = {
      {"conv", "conv.weight", {8, 3, 3, 3}}, {"dw", "dw.weight", {8, 1, 3, 3}}, {"last", "last.weight", {10, 128}}};
  for (const auto &layer : layers) {
    SCOPED_TRACE(layer.layer);
    ASSERT_TRUE(model->hasWeight(layer.layer));
    std::vector<float> original = toFloats(*getWeightStore(&context).lookup(layer.weight));
    std::vector<float> other = normal(original.size());
    ASSERT_FALSE(bool(model->setWeight(layer.layer, other)));
    std::vector<float> found = run(*model, s);
    EXPECT_NE(found, before);
    setWeight(layer.weight, layer.shape, other);
    auto compiled = create(func);
    ASSERT_TRUE(compiled);
    EXPECT_EQ(found, run(*compiled, s));
    setWeight(layer.weight, layer.shape, original);
    ASSERT_FALSE(bool(model->restoreWeight(layer.layer)));
    EXPECT_EQ(run(*model, s), before);
  }
}

TEST_F(Evaluation, AConstantOfTwoLayersIsNotReplaced) {
  auto model = create(parse(sharedText()));
  ASSERT_TRUE(model);
  EXPECT_FALSE(model->hasWeight("first"));
  EXPECT_FALSE(model->hasWeight("second"));
}

void expectMessage(llvm::Error error, llvm::StringRef part) {
  ASSERT_TRUE(bool(error));
  std::string text = llvm::toString(std::move(error));
  EXPECT_NE(text.find(part.str()), std::string::npos) << text;
}

TEST_F(Evaluation, Errors) {
  func::FuncOp func = parse(networkText());
  auto model = create(func, {"relu"});
  ASSERT_TRUE(model);
  llvm::StringMap<ActivationGrid> grids;
  grids["dw"] = {};
  expectMessage(model->setActivations(grids), "expected the name of an activation of this graph, found 'dw'");
  expectMessage(model->setWeight("nowhere", {1.0f}), "does not hold the weight of 'nowhere'");
  expectMessage(model->restoreWeight("nowhere"), "does not hold the weight of 'nowhere'");
  expectMessage(model->setWeight("dw", {1.0f}), "'dw': expected 72 weights, found 1");
  llvm::StringSet<> names;
  names.insert("absent");
  expectMessage(EvaluationModel::create(func, names).takeError(), "the value 'absent' is not stored");
  expectMessage(model->run(sample({2, 3, 8, 7})).takeError(), "x");
}

} // namespace
