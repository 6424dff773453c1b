//===- DiagnosticsTest.cpp - what the gemm and depthwise templates refuse --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/Diagnostics.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Parser/Parser.h"
#include "test/Unit/X86Gemm/KernelHarness.h"

#include "gtest/gtest.h"

using namespace mlir;

namespace bitwright::x86::testing {
namespace {

/// The errors of emitting the only region of `text`; "accepted" if there is none.
std::string errorsOf(const std::string &text, llvm::function_ref<void(MLIRContext &)> prepare = [](MLIRContext &) {}) {
  auto context = makeContext();
  prepare(*context);
  std::string errors;
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) {
    errors += diagnostic.str() + "\n";
    return success();
  });
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(context.get()));
  if (!module)
    return "does not parse: " + errors;
  auto region = CompiledRegion::compile(*module->getOps<func::FuncOp>().begin(), Isa::Avx2);
  return region ? "accepted" : errors;
}

void expectError(const std::string &text, const std::string &message) {
  std::string errors = errorsOf(text);
  EXPECT_NE(errors.find(message), std::string::npos) << errors;
}

constexpr const char *kWeights = R"(
  %w = qnn.constant {value = dense<1> : tensor<4x4xi8>} : tensor<4x4xi8>
)";
constexpr const char *kConvAttributes = "strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = "
                                        "array<i64: 1, 1>, input_zero_point = 0 : i32";

TEST(Refusals, SecondProduct) {
  expectError(
      std::string("func.func @main(%x: tensor<3x4xi8> {qnn.name = \"x\"}) -> (tensor<3x4xi32> {qnn.name = \"y\"}) {") +
          kWeights + R"(
  %y = kernel.fused (%a = %x, %b = %w) {kind = #kernel.template<gemm>} : (tensor<3x4xi8>, tensor<4x4xi8>) -> tensor<3x4xi32> {
    %p = dyadic.linear %a, %b {input_zero_point = 0 : i32} : (tensor<3x4xi8>, tensor<4x4xi8>) -> tensor<3x4xi32>
    %q = dyadic.linear %a, %b {input_zero_point = 1 : i32} : (tensor<3x4xi8>, tensor<4x4xi8>) -> tensor<3x4xi32>
    kernel.yield %q : tensor<3x4xi32>
  }
  return %y : tensor<3x4xi32>
})",
      "is the second product of a gemm region");
}
TEST(Refusals, NoProduct) {
  expectError(R"(func.func @main(%x: tensor<3x4xf32> {qnn.name = "x"}) -> (tensor<3x4xf32> {qnn.name = "y"}) {
  %y = kernel.fused (%a = %x) {kind = #kernel.template<gemm>} : (tensor<3x4xf32>) -> tensor<3x4xf32> {
    %p = qnn.relu %a : (tensor<3x4xf32>) -> tensor<3x4xf32>
    kernel.yield %p : tensor<3x4xf32>
  }
  return %y : tensor<3x4xf32>
})",
              "asks for the gemm template, but holds no convolution, linear layer or matmul");
}
TEST(Refusals, ShapeChangesAfterTheProduct) {
  expectError(
      std::string("func.func @main(%x: tensor<3x4xi8> {qnn.name = \"x\"}) -> (tensor<4x3xi32> {qnn.name = \"y\"}) {") +
          kWeights + R"(
  %y = kernel.fused (%a = %x, %b = %w) {kind = #kernel.template<gemm>} : (tensor<3x4xi8>, tensor<4x4xi8>) -> tensor<4x3xi32> {
    %p = dyadic.linear %a, %b {input_zero_point = 0 : i32} : (tensor<3x4xi8>, tensor<4x4xi8>) -> tensor<3x4xi32>
    %q = qnn.transpose %p {perm = array<i64: 1, 0>} : (tensor<3x4xi32>) -> tensor<4x3xi32>
    kernel.yield %q : tensor<4x3xi32>
  }
  return %y : tensor<4x3xi32>
})",
      "yields a tensor of another shape than its product has");
}
TEST(Refusals, DataMovesAfterTheProduct) {
  // Square: the shape alone does not tell.
  expectError(
      std::string("func.func @main(%x: tensor<4x4xi8> {qnn.name = \"x\"}) -> (tensor<4x4xi32> {qnn.name = \"y\"}) {") +
          kWeights + R"(
  %y = kernel.fused (%a = %x, %b = %w) {kind = #kernel.template<gemm>} : (tensor<4x4xi8>, tensor<4x4xi8>) -> tensor<4x4xi32> {
    %p = dyadic.linear %a, %b {input_zero_point = 0 : i32} : (tensor<4x4xi8>, tensor<4x4xi8>) -> tensor<4x4xi32>
    %q = qnn.transpose %p {perm = array<i64: 1, 0>} : (tensor<4x4xi32>) -> tensor<4x4xi32>
    kernel.yield %q : tensor<4x4xi32>
  }
  return %y : tensor<4x4xi32>
})",
      "reads its product at another place than it writes");
}
TEST(Refusals, DepthwiseWithManyChannelsPerFilter) {
  expectError(
      std::string(
          R"(func.func @main(%x: tensor<1x4x3x3xi8> {qnn.name = "x"}) -> (tensor<1x4x3x3xi32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<1> : tensor<4x4x1x1xi8>} : tensor<4x4x1x1xi8>
  %y = kernel.fused (%a = %x, %b = %w) {kind = #kernel.template<depthwise>} : (tensor<1x4x3x3xi8>, tensor<4x4x1x1xi8>) -> tensor<1x4x3x3xi32> {
    %p = dyadic.conv %a, %b {groups = 1 : i64, )") +
          kConvAttributes + R"(} : (tensor<1x4x3x3xi8>, tensor<4x4x1x1xi8>) -> tensor<1x4x3x3xi32>
    kernel.yield %p : tensor<1x4x3x3xi32>
  }
  return %y : tensor<1x4x3x3xi32>
})",
      "expected one filter a channel in a depthwise region");
}
TEST(Refusals, MatmulOfVectors) {
  expectError(
      R"(func.func @main(%x: tensor<4xf32> {qnn.name = "x"}, %z: tensor<4x3xf32> {qnn.name = "z"}) -> (tensor<3xf32> {qnn.name = "y"}) {
  %y = kernel.fused (%a = %x, %b = %z) {kind = #kernel.template<gemm>} : (tensor<4xf32>, tensor<4x3xf32>) -> tensor<3xf32> {
    %p = qnn.matmul %a, %b : (tensor<4xf32>, tensor<4x3xf32>) -> tensor<3xf32>
    kernel.yield %p : tensor<3xf32>
  }
  return %y : tensor<3xf32>
})",
      "");
}
/// Weights, biases or layouts that the templates do not take get the element-by-element template, not an error.
TEST(Refusals, FallsBackToLoops) {
  EXPECT_EQ(
      errorsOf(
          R"(func.func @main(%x: tensor<3x4xf32> {qnn.name = "x"}, %z: tensor<5x4xf32> {qnn.name = "z"}) -> (tensor<3x5xf32> {qnn.name = "y"}) {
  %y = kernel.fused (%a = %x, %b = %z) {kind = #kernel.template<gemm>} : (tensor<3x4xf32>, tensor<5x4xf32>) -> tensor<3x5xf32> {
    %p = qnn.linear %a, %b : (tensor<3x4xf32>, tensor<5x4xf32>) -> tensor<3x5xf32>
    kernel.yield %p : tensor<3x5xf32>
  }
  return %y : tensor<3x5xf32>
})"),
      "accepted");
  EXPECT_EQ(
      errorsOf(
          std::string(
              R"(func.func @main(%x: tensor<1x4x3x3xi8> {qnn.name = "x"}) -> (tensor<1x4x3x3xi32> {qnn.name = "y"}) {
  %w = qnn.constant {value = dense<1> : tensor<4x1x1x1xi8>} : tensor<4x1x1x1xi8>
  %y = kernel.fused (%a = %x, %b = %w) {kind = #kernel.template<depthwise>} : (tensor<1x4x3x3xi8>, tensor<4x1x1x1xi8>) -> tensor<1x4x3x3xi32> {
    %p = dyadic.conv %a, %b {groups = 4 : i64, )") +
          kConvAttributes + R"(} : (tensor<1x4x3x3xi8>, tensor<4x1x1x1xi8>) -> tensor<1x4x3x3xi32>
    kernel.yield %p : tensor<1x4x3x3xi32>
  }
  return %y : tensor<1x4x3x3xi32>
})"),
      "accepted");
}

} // namespace
} // namespace bitwright::x86::testing
