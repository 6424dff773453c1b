//===- IntegerizeTest.cpp - integer graphs against their quantized form ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// Each graph is calibrated, quantized, and run twice on the same inputs: as quantize-dequantize simulation in float,
// and as integers. Both compute the same real number before one rounding; the integer side differs by the rounding of
// bias (R15, half an accumulator step), of the multiplier (R6) and half-up against half-even ties, so codes agree but
// for rare neighbours.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Kernel/Kernel.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Statistics/Collect.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Allocate/AssignSchemes/AssignSchemes.h"
#include "passes/Integerize/ConvertQnnToDyadic/ConvertQnnToDyadic.h"
#include "passes/Integerize/VerifyAccumulators/VerifyAccumulators.h"
#include "passes/Quantize/PlaceQuantizers/PlaceQuantizers.h"
#include "passes/Quantize/QuantizeWeights/QuantizeWeights.h"
#include "passes/Quantize/VerifyQuantized/VerifyQuantized.h"
#include "passes/Transform/CorrectBias/CorrectBias.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace mlir;
using namespace bitwright;
using reference::Tensor;

namespace {

class Integerize : public testing::Test {
protected:
  Integerize() {
    context.loadDialect<func::FuncDialect, qnn::QnnDialect, dyadic::DyadicDialect, kernel::KernelDialect>();
  }

  std::vector<float> random(size_t count, float low, float high) {
    std::uniform_real_distribution<float> draw(low, high);
    std::vector<float> values(count);
    for (float &v : values)
      v = draw(engine);
    return values;
  }

  void weight(StringRef name, ArrayRef<int64_t> shape, float low = -1, float high = 1) {
    auto type = RankedTensorType::get(shape, Float32Type::get(&context));
    getWeightStore(&context).set(name,
                                 WeightData::copyOf<float>(type, random(size_t(type.getNumElements()), low, high)));
  }

  template <typename... Passes> void run(ModuleOp module, Passes... passes) {
    PassManager manager(&context);
    (manager.addNestedPass<func::FuncOp>(std::move(passes)), ...);
    ASSERT_TRUE(succeeded(manager.run(module)));
  }

  static func::FuncOp function(ModuleOp module) { return *module.getOps<func::FuncOp>().begin(); }

  /// Calibrates on `count` random inputs, quantizes, integerizes; checks that `expected` (operation -> how many) is
  /// what came out; compares.
  void check(StringRef text, unsigned count, std::map<std::string, int> expected, float low = -1, float high = 1) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    func::FuncOp func = function(*module);
    auto type = cast<RankedTensorType>(func.getArgument(0).getType());
    std::vector<Sample> samples(count);
    auto statistics = std::make_shared<Statistics>();
    for (mlir::Operation &op : func.getBody().front())
      if (isa<qnn::ConvOp, qnn::LinearOp, qnn::ConvTransposeOp>(op)) {
        auto input = cast<RankedTensorType>(op.getOperand(0).getType());
        statistics->values[getValueName(op.getOperand(0))].channelAxis =
            isa<qnn::LinearOp>(op) ? input.getRank() - 1 : 1;
      }
    InterpreterRunner runner(func);
    llvm::StringSet<> wanted = observedValues(func);
    for (Sample &sample : samples) {
      formats::NpyArray array;
      array.shape = type.getShape().vec();
      std::vector<float> values = random(size_t(type.getNumElements()), low, high);
      array.data.resize(values.size() * 4);
      memcpy(array.data.data(), values.data(), array.data.size());
      sample.inputs.push_back(array);
      ASSERT_FALSE(bool(runner.run(sample, wanted, [&](StringRef name, ArrayRef<float> v, ArrayRef<int64_t> shape) {
        statistics->values[name.str()].add(v, shape);
      })));
    }
    context.getOrLoadDialect<qnn::QnnDialect>()->getStatistics() = statistics;
    AssignSchemesOptions schemes;
    schemes.recipe = "w8a8";
    run(*module, createAssignSchemes(schemes), createPlaceQuantizers(), createCorrectBias(), createQuantizeWeights(),
        createVerifyQuantized());
    OwningOpRef<ModuleOp> integers = module->clone();
    run(*integers, createConvertQnnToDyadic(), createVerifyAccumulators());

    std::map<std::string, int> found;
    integers->walk([&](mlir::Operation *op) {
      if (op->getName().getDialectNamespace() == "dyadic" && op->getName().stripDialect() != "rescale")
        ++found[op->getName().stripDialect().str()];
    });
    EXPECT_EQ(found, expected);

    // Codes by the name of the quantizer that made them; float results by position.
    int64_t compared = 0, different = 0;
    for (const Sample &sample : samples) {
      Tensor input = Tensor::of<float>(
          reference::Element::F32, sample.inputs[0].shape,
          {reinterpret_cast<const float *>(sample.inputs[0].data.data()), sample.inputs[0].data.size() / 4});
      std::map<std::string, Tensor> simulated;
      reference::InterpretOptions options;
      options.observer = [&](mlir::Operation *op, unsigned, const Tensor &tensor) {
        if (isa<qnn::QuantizeOp>(op))
          simulated[bitwright::getName(op).str()] = tensor;
      };
      auto expectedResults = reference::interpret(func, {input}, options);
      options.observer = [&](mlir::Operation *op, unsigned, const Tensor &tensor) {
        auto other = simulated.find(bitwright::getName(op).str());
        if (other == simulated.end() || tensor.getElement() != reference::Element::S8)
          return;
        for (int64_t i = 0; i < tensor.getNumElements(); ++i) {
          int64_t d = tensor.asInteger(i) - other->second.asInteger(i);
          // A neighbour upstream may move a product by a few steps more; a wrong zero point, scale or pad moves
          // everything.
          EXPECT_LE(std::abs(d), 3) << other->first << " element " << i;
          different += d != 0;
          ++compared;
        }
      };
      auto results = reference::interpret(function(*integers), {input}, options);
      ASSERT_TRUE(succeeded(results) && succeeded(expectedResults));
      ASSERT_EQ(results->size(), expectedResults->size());
    }
    EXPECT_GT(compared, 0);
    EXPECT_LE(double(different) / double(compared), 0.01);
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  std::mt19937 engine{20};
};

TEST_F(Integerize, ConvolutionChain) {
  weight("w1", {8, 3, 3, 3});
  weight("b1", {8});
  weight("w2", {8, 1, 3, 3});
  weight("b2", {8}, -3, 3);
  weight("w3", {4, 4, 1, 1});
  check(R"(
func.func @main(%x: tensor<1x3x9x7xf32> {qnn.name = "x"}) -> tensor<1x4x4x3xf32> {
  %w1 = qnn.weight "w1" {name = "w1"} : tensor<8x3x3x3xf32>
  %b1 = qnn.weight "b1" {name = "b1"} : tensor<8xf32>
  %w2 = qnn.weight "w2" {name = "w2"} : tensor<8x1x3x3xf32>
  %b2 = qnn.weight "b2" {name = "b2"} : tensor<8xf32>
  %w3 = qnn.weight "w3" {name = "w3"} : tensor<4x4x1x1xf32>
  %0 = qnn.conv %x, %w1, %b1 {name = "c1", strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x3x9x7xf32>, tensor<8x3x3x3xf32>, tensor<8xf32>) -> tensor<1x8x9x7xf32>
  %1 = qnn.relu %0 {name = "r1"} : (tensor<1x8x9x7xf32>) -> tensor<1x8x9x7xf32>
  %2 = qnn.conv %1, %w2, %b2 {name = "c2", strides = array<i64: 1, 2>, pads = array<i64: 2, 1, 2, 1>, dilations = array<i64: 2, 1>, groups = 8 : i64} : (tensor<1x8x9x7xf32>, tensor<8x1x3x3xf32>, tensor<8xf32>) -> tensor<1x8x9x4xf32>
  %3 = qnn.clip %2 {name = "r2", min = 0.0 : f32, max = 6.0 : f32} : (tensor<1x8x9x4xf32>) -> tensor<1x8x9x4xf32>
  %4 = qnn.max_pool %3 {name = "p", kernel = array<i64: 2, 2>, strides = array<i64: 2, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x8x9x4xf32>) -> tensor<1x8x4x3xf32>
  %5 = qnn.conv %4, %w3 {name = "c3", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (tensor<1x8x4x3xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x4x3xf32>
  return %5 : tensor<1x4x4x3xf32>
}
)",
        4, {{"conv", 3}}, -0.3f, 2);
}

TEST_F(Integerize, TransposedConvolution) {
  weight("w1", {4, 3, 2, 2});
  weight("b1", {6});
  weight("w2", {2, 6, 1, 1});
  check(R"(
func.func @main(%x: tensor<1x4x5x4xf32> {qnn.name = "x"}) -> tensor<1x2x10x8xf32> {
  %w1 = qnn.weight "w1" {name = "w1"} : tensor<4x3x2x2xf32>
  %b1 = qnn.weight "b1" {name = "b1"} : tensor<6xf32>
  %w2 = qnn.weight "w2" {name = "w2"} : tensor<2x6x1x1xf32>
  %0 = qnn.conv_transpose %x, %w1, %b1 {name = "up", strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 2 : i64} : (tensor<1x4x5x4xf32>, tensor<4x3x2x2xf32>, tensor<6xf32>) -> tensor<1x6x10x8xf32>
  %1 = qnn.gelu %0 {name = "g"} : (tensor<1x6x10x8xf32>) -> tensor<1x6x10x8xf32>
  %2 = qnn.conv %1, %w2 {name = "c", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x6x10x8xf32>, tensor<2x6x1x1xf32>) -> tensor<1x2x10x8xf32>
  return %2 : tensor<1x2x10x8xf32>
}
)",
        4, {{"conv_transpose", 1}, {"lookup", 1}, {"conv", 1}});
}

TEST_F(Integerize, ResidualAndGate) {
  weight("w1", {6, 6, 1, 1});
  weight("b1", {6});
  weight("w2", {6, 6});
  check(R"(
func.func @main(%x: tensor<1x6x4x4xf32> {qnn.name = "x"}) -> tensor<1x6x4x4xf32> {
  %w1 = qnn.weight "w1" {name = "w1"} : tensor<6x6x1x1xf32>
  %b1 = qnn.weight "b1" {name = "b1"} : tensor<6xf32>
  %w2 = qnn.weight "w2" {name = "w2"} : tensor<6x6xf32>
  %0 = qnn.conv %x, %w1, %b1 {name = "c1", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x6x4x4xf32>, tensor<6x6x1x1xf32>, tensor<6xf32>) -> tensor<1x6x4x4xf32>
  %m = qnn.reduce_mean %0 {name = "mean", axes = array<i64: 2, 3>, keepdims = false} : (tensor<1x6x4x4xf32>) -> tensor<1x6xf32>
  %l = qnn.linear %m, %w2 {name = "gate"} : (tensor<1x6xf32>, tensor<6x6xf32>) -> tensor<1x6xf32>
  %h = qnn.hard_sigmoid %l {name = "hs", alpha = 0.2 : f32, beta = 0.5 : f32} : (tensor<1x6xf32>) -> tensor<1x6xf32>
  %r = qnn.reshape %h {name = "rs", shape = affine_map<() -> (1, 6, 1, 1)>} : (tensor<1x6xf32>) -> tensor<1x6x1x1xf32>
  %1 = qnn.mul %0, %r {name = "scaled"} : (tensor<1x6x4x4xf32>, tensor<1x6x1x1xf32>) -> tensor<1x6x4x4xf32>
  %2 = qnn.add %1, %0 {name = "sum"} : (tensor<1x6x4x4xf32>, tensor<1x6x4x4xf32>) -> tensor<1x6x4x4xf32>
  %3 = qnn.relu %2 {name = "relu"} : (tensor<1x6x4x4xf32>) -> tensor<1x6x4x4xf32>
  %4 = qnn.conv %3, %w1 {name = "c2", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x6x4x4xf32>, tensor<6x6x1x1xf32>) -> tensor<1x6x4x4xf32>
  return %4 : tensor<1x6x4x4xf32>
}
)",
        6, {{"conv", 2}, {"reduce_sum", 1}, {"linear", 1}, {"lookup", 1}, {"mul", 1}, {"add", 1}});
}

TEST_F(Integerize, ConcatPoolPadAndSubtraction) {
  weight("w1", {3, 2, 1, 1});
  weight("w2", {3, 2, 1, 1}, -0.05f, 0.05f);
  weight("w3", {2, 6, 2, 2});
  check(R"(
func.func @main(%x: tensor<1x2x6x6xf32> {qnn.name = "x"}) -> tensor<1x2x4x4xf32> {
  %w1 = qnn.weight "w1" {name = "w1"} : tensor<3x2x1x1xf32>
  %w2 = qnn.weight "w2" {name = "w2"} : tensor<3x2x1x1xf32>
  %w3 = qnn.weight "w3" {name = "w3"} : tensor<2x6x2x2xf32>
  %a = qnn.conv %x, %w1 {name = "a", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x2x6x6xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x6x6xf32>
  %b = qnn.conv %x, %w2 {name = "b", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x2x6x6xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x6x6xf32>
  %s = qnn.sub %a, %b {name = "s"} : (tensor<1x3x6x6xf32>, tensor<1x3x6x6xf32>) -> tensor<1x3x6x6xf32>
  %c = qnn.concat %s, %b {name = "cat", axis = 1 : i64} : (tensor<1x3x6x6xf32>, tensor<1x3x6x6xf32>) -> tensor<1x6x6x6xf32>
  %p = qnn.avg_pool %c {name = "pool", kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x6x6x6xf32>) -> tensor<1x6x3x3xf32>
  %q = qnn.pad %p {name = "pad", low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 0, 1, 1>, mode = #qnn.pad_mode<constant>, value = 0.5 : f64} : (tensor<1x6x3x3xf32>) -> tensor<1x6x5x5xf32>
  %y = qnn.conv %q, %w3 {name = "y", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x6x5x5xf32>, tensor<2x6x2x2xf32>) -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}
)",
        6, {{"conv", 3}, {"add", 1}, {"avg_pool", 1}});
}

/// R12a: an imported graph on unsigned codes, with an unsigned weight of zero point 128, a residual and a product of
/// two activations: the codes at the border keep their type and their values.
TEST_F(Integerize, UnsignedGraph) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(R"(
func.func @main(%x: tensor<3x4xui8> {qnn.name = "x"}) -> (tensor<3x4xui8>, tensor<3x3xui8>) {
  %s = qnn.constant {name = "s", value = dense<0.031> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<117> : tensor<ui8>} : tensor<ui8>
  %t = qnn.constant {name = "t", value = dense<0.17> : tensor<f32>} : tensor<f32>
  %zt = qnn.constant {name = "zt", value = dense<90> : tensor<ui8>} : tensor<ui8>
  %ws = qnn.constant {name = "ws", value = dense<[0.011, 0.02, 0.007, 0.013]> : tensor<4xf32>} : tensor<4xf32>
  %wz = qnn.constant {name = "wz", value = dense<128> : tensor<4xui8>} : tensor<4xui8>
  %wc = qnn.constant {name = "wc", value = dense<[[1, 255, 128, 30], [200, 100, 7, 129], [128, 128, 130, 3], [77, 66, 200, 210]]> : tensor<4x4xui8>} : tensor<4x4xui8>
  %0 = qnn.dequantize %x, %s, %z {name = "x/dequantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<3x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<3x4xf32>
  %w = qnn.dequantize %wc, %ws, %wz {name = "w", scheme = #qnn.scheme<u8, axis 0>} : (tensor<4x4xui8>, tensor<4xf32>, tensor<4xui8>) -> tensor<4x4xf32>
  %1 = qnn.linear %0, %w {name = "l"} : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %2 = qnn.quantize %1, %t, %zt {name = "l/quantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<3x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<3x4xui8>
  %3 = qnn.dequantize %2, %t, %zt {name = "l/dequantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<3x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<3x4xf32>
  %4 = qnn.add %3, %0 {name = "a"} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %5 = qnn.quantize %4, %t, %zt {name = "a/quantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<3x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<3x4xui8>
  %6 = qnn.transpose %3 {name = "turn", perm = array<i64: 1, 0>} : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %7 = qnn.quantize %6, %t, %zt {name = "turn/quantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<4x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<4x3xui8>
  %8 = qnn.dequantize %7, %t, %zt {name = "turn/dequantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<4x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x3xf32>
  %9 = qnn.matmul %0, %8 {name = "m"} : (tensor<3x4xf32>, tensor<4x3xf32>) -> tensor<3x3xf32>
  %10 = qnn.quantize %9, %t, %zt {name = "m/quantize", scheme = #qnn.scheme<u8, tensor>} : (tensor<3x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<3x3xui8>
  return %5, %10 : tensor<3x4xui8>, tensor<3x3xui8>
}
)",
                                                             &context);
  ASSERT_TRUE(module);
  OwningOpRef<ModuleOp> integers = module->clone();
  run(*integers, createConvertQnnToDyadic(), createVerifyAccumulators());
  integers->walk([](Operation *op) {
    for (Value result : op->getResults())
      EXPECT_TRUE(isa<qnn::ConstantOp>(op) ||
                  !isa<FloatType>(cast<RankedTensorType>(result.getType()).getElementType()))
          << getValueName(result);
  });
  int64_t different = 0, compared = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<uint8_t> x(12);
    for (uint8_t &q : x)
      q = uint8_t(engine());
    Tensor input = Tensor::of<uint8_t>(reference::Element::U8, {3, 4}, x);
    auto simulated = reference::interpret(function(*module), {input}),
         exact = reference::interpret(function(*integers), {input});
    ASSERT_TRUE(succeeded(simulated) && succeeded(exact));
    for (unsigned r = 0; r < 2; ++r)
      for (int64_t i = 0; i < (*exact)[r].getNumElements(); ++i) {
        int64_t d = (*exact)[r].asInteger(i) - (*simulated)[r].asInteger(i);
        // A code of l that rounds the other way moves the product by at most 0.17 * 138 * 0.031 = 0.73, 4.3 of its
        // codes.
        EXPECT_LE(std::abs(d), r == 0 ? 1 : 5);
        different += d != 0;
        ++compared;
      }
  }
  EXPECT_LE(double(different) / double(compared), 0.005);
}

/// R12, R13: a padded convolution with both zero points against the sum written out, all inputs of a small code range.
TEST_F(Integerize, PaddingContributesNothing) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(R"(
func.func @main(%x: tensor<1x1x3xi8> {qnn.name = "x"}) -> tensor<1x1x3xi32> {
  %w = qnn.constant {name = "w", value = dense<[[[2, -3, 5]]]> : tensor<1x1x3xi8>} : tensor<1x1x3xi8>
  %0 = dyadic.conv %x, %w {name = "c", input_zero_point = -5 : i32, strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, groups = 1 : i64} : (tensor<1x1x3xi8>, tensor<1x1x3xi8>) -> tensor<1x1x3xi32>
  return %0 : tensor<1x1x3xi32>
}
)",
                                                             &context);
  ASSERT_TRUE(module);
  const int w[3] = {2, -3, 5};
  for (int a = -8; a < 8; ++a)
    for (int b = -8; b < 8; ++b)
      for (int c = -8; c < 8; ++c) {
        int8_t x[3] = {int8_t(a), int8_t(b), int8_t(c)};
        auto results =
            reference::interpret(function(*module), {Tensor::of<int8_t>(reference::Element::S8, {1, 1, 3}, x)});
        ASSERT_TRUE(succeeded(results));
        for (int p = 0; p < 3; ++p) {
          int sum = 0;
          for (int t = 0; t < 3; ++t)
            if (p + t - 1 >= 0 && p + t - 1 < 3)
              sum += (x[p + t - 1] + 5) * w[t];
          ASSERT_EQ((*results)[0].asInteger(p), sum);
        }
      }
}

} // namespace
