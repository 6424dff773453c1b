//===- Networks.h - small float graphs for the tests of lib/Evaluate -------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TEST_UNIT_EVALUATE_NETWORKS_H
#define BITWRIGHT_TEST_UNIT_EVALUATE_NETWORKS_H

#include "dialects/Qnn/Qnn.h"
#include "lib/Evaluate/EvaluationModel.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Parser/Parser.h"
#include "passes/Pipelines/Pipelines.h"
#include "gtest/gtest.h"
#include <cstring>
#include <random>

namespace bitwright {

/// conv 3 -> 8, relu, depthwise conv, linear 128 -> 10. `%1` is where a test puts other text behind the input, relu and
/// the depthwise convolution.
inline std::string networkText(const std::string &afterInput = "", const std::string &input = "%x",
                               const std::string &afterRelu = "", const std::string &relu = "%relu",
                               const std::string &afterDepthwise = "", const std::string &depthwise = "%dw") {
  return R"(func.func @main(%x: tensor<2x3x8x8xf32> {qnn.name = "x"}) -> (tensor<2x10xf32> {qnn.name = "y"}) {
    %w0 = qnn.weight "conv.weight" : tensor<8x3x3x3xf32>
    %b0 = qnn.weight "conv.bias" : tensor<8xf32>
    %w1 = qnn.weight "dw.weight" : tensor<8x1x3x3xf32>
    %w2 = qnn.weight "last.weight" : tensor<10x128xf32>
    %b2 = qnn.weight "last.bias" : tensor<10xf32>
)" + afterInput +
         R"(
    %conv = qnn.conv )" +
         input +
         R"(, %w0, %b0 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64, name = "conv"} : (tensor<2x3x8x8xf32>, tensor<8x3x3x3xf32>, tensor<8xf32>) -> tensor<2x8x8x8xf32>
    %relu = qnn.relu %conv {name = "relu"} : (tensor<2x8x8x8xf32>) -> tensor<2x8x8x8xf32>
)" + afterRelu +
         R"(
    %dw = qnn.conv )" +
         relu +
         R"(, %w1 {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 8 : i64, name = "dw"} : (tensor<2x8x8x8xf32>, tensor<8x1x3x3xf32>) -> tensor<2x8x4x4xf32>
)" + afterDepthwise +
         R"(
    %flat = qnn.reshape )" +
         depthwise +
         R"( {shape = affine_map<() -> (2, 128)>, name = "flat"} : (tensor<2x8x4x4xf32>) -> tensor<2x128xf32>
    %y = qnn.linear %flat, %w2, %b2 {name = "last"} : (tensor<2x128xf32>, tensor<10x128xf32>, tensor<10xf32>) -> tensor<2x10xf32>
    return %y : tensor<2x10xf32>
  })";
}

/// Two linear layers on one constant.
inline std::string sharedText() {
  return R"(func.func @main(%x: tensor<2x16xf32> {qnn.name = "x"}) -> (tensor<2x16xf32> {qnn.name = "y"}) {
    %w = qnn.weight "shared.weight" : tensor<16x16xf32>
    %a = qnn.linear %x, %w {name = "first"} : (tensor<2x16xf32>, tensor<16x16xf32>) -> tensor<2x16xf32>
    %r = qnn.relu %a {name = "r"} : (tensor<2x16xf32>) -> tensor<2x16xf32>
    %y = qnn.linear %r, %w {name = "second"} : (tensor<2x16xf32>, tensor<16x16xf32>) -> tensor<2x16xf32>
    return %y : tensor<2x16xf32>
  })";
}

class Networks : public ::testing::Test {
protected:
  Networks() {
    registerAllPassesAndPipelines();
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    for (auto [name, shape] : std::vector<std::pair<const char *, std::vector<int64_t>>>{{"conv.weight", {8, 3, 3, 3}},
                                                                                         {"conv.bias", {8}},
                                                                                         {"dw.weight", {8, 1, 3, 3}},
                                                                                         {"last.weight", {10, 128}},
                                                                                         {"last.bias", {10}},
                                                                                         {"shared.weight", {16, 16}}})
      setWeight(name, shape, normal(size_t(elementsOf(shape))));
  }

  static int64_t elementsOf(llvm::ArrayRef<int64_t> shape) { return reference::elementCount(shape); }
  std::vector<float> normal(size_t count) {
    std::normal_distribution<float> draw(0, 1);
    std::vector<float> values(count);
    for (float &v : values)
      v = draw(engine);
    return values;
  }
  void setWeight(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, const std::vector<float> &values) {
    auto type = mlir::RankedTensorType::get(shape, mlir::Float32Type::get(&context));
    getWeightStore(&context).set(name, WeightData::copyOf<float>(type, values));
  }
  mlir::func::FuncOp parse(const std::string &text) {
    modules.push_back(mlir::parseSourceString<mlir::ModuleOp>(text, &context));
    EXPECT_TRUE(modules.back());
    return *modules.back()->getOps<mlir::func::FuncOp>().begin();
  }
  Sample sample(std::vector<int64_t> shape = {2, 3, 8, 8}) {
    formats::NpyArray array;
    array.shape = shape;
    std::vector<float> values = normal(size_t(elementsOf(shape)));
    array.data.resize(values.size() * 4);
    std::memcpy(array.data.data(), values.data(), array.data.size());
    Sample result;
    result.inputs.push_back(array);
    return result;
  }
  std::unique_ptr<EvaluationModel> create(mlir::func::FuncOp func, std::vector<std::string> activations = {}) {
    llvm::StringSet<> names;
    for (const std::string &name : activations)
      names.insert(name);
    auto model = EvaluationModel::create(func, names);
    if (!model) {
      ADD_FAILURE() << llvm::toString(model.takeError());
      return nullptr;
    }
    return std::move(*model);
  }
  static std::vector<float> run(EvaluationModel &model, const Sample &s) {
    auto outputs = model.run(s);
    if (!outputs) {
      ADD_FAILURE() << llvm::toString(outputs.takeError());
      return {};
    }
    EXPECT_EQ(outputs->size(), 1u);
    return (*outputs)[0].values;
  }
  static std::vector<float> interpret(mlir::func::FuncOp func, const Sample &s) {
    const auto &array = s.inputs[0];
    std::vector<float> values(array.data.size() / 4);
    std::memcpy(values.data(), array.data.data(), array.data.size());
    auto outputs = reference::interpret(func, {reference::Tensor::ofFloats(array.shape, values)});
    if (failed(outputs)) {
      ADD_FAILURE() << "the interpreter failed";
      return {};
    }
    const float *y = (*outputs)[0].data<float>();
    return std::vector<float>(y, y + (*outputs)[0].getNumElements());
  }

  std::mt19937 engine{5};
  mlir::MLIRContext context;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
};

} // namespace bitwright

#endif
