//===- CompileTest.cpp - refusals and the blob -----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "mlir/Parser/Parser.h"
#include "test/Unit/X86/RegionTest.h"
#include "gtest/gtest.h"

using namespace bitwright::x86;
using namespace bitwright::x86::testing;

namespace {

TEST(X86Refusals, OperationWithoutCode) {
  Region r;
  r.arguments = "%a = %0, %p = %1, %b = %2, %q = %3, %d = %4";
  r.type =
      "(tensor<1x4x3x3xf32>, tensor<2x4xf32>, tensor<2xf32>, tensor<4x2xf32>, tensor<4xf32>) -> tensor<1x4x3x3xf32>";
  r.body = "%y = qnn.squeeze_excite %a, %p, %b, %q, %d {gate = \"sigmoid\"} : " + r.type +
           "\n kernel.yield %y : tensor<1x4x3x3xf32>";
  expectRefusal(r, "has no x86 code as part of a fused region");
}

TEST(X86Refusals, IntegerPower) {
  Region r;
  r.arguments = "%a = %0";
  r.type = "(tensor<8xi32>) -> tensor<8xi32>";
  r.body = "%y = qnn.pow %a, %a : (tensor<8xi32>, tensor<8xi32>) -> tensor<8xi32>\n kernel.yield %y : tensor<8xi32>";
  expectRefusal(r, "has no x86 code for an integer base and exponent: expected a float base or exponent");
}

TEST(X86Refusals, WideCodes) {
  Region r;
  r.arguments = "%a = %0";
  r.type = "(tensor<8xf32>) -> tensor<8xi32>";
  r.body = "%s = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>\n %y = qnn.quantize %a, %s {scheme = "
           "#qnn.scheme<s32, tensor>} : (tensor<8xf32>, tensor<f32>) -> "
           "tensor<8xi32>\n kernel.yield %y : tensor<8xi32>";
  expectRefusal(r, "has no x86 code for codes of more than 16 bits");
}

TEST(X86Refusals, RoundingOfASum) {
  Region r;
  r.arguments = "%a = %0";
  r.type = "(tensor<8xi8>) -> tensor<8xi8>";
  r.body = "%y = dyadic.add %a, %a {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, lhs_multiplier = 1500000000 : "
           "i32, rhs_multiplier = 1500000000 : i32, shift = 32 : i8, rounding = "
           "#dyadic.rounding<tflite_double>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<8xi8>, "
           "tensor<8xi8>) -> tensor<8xi8>\n kernel.yield %y : tensor<8xi8>";
  expectRefusal(r, "tflite_double is not defined for a sum (E1)");
}

TEST(X86Refusals, MeanWithoutMultiplier) {
  Region r;
  r.arguments = "%a = %0";
  r.functionArguments = "tensor<4x?xi8> {qnn.dims = affine_map<()[s0] -> (4, s0)>}";
  r.symbols = "qnn.symbols = [#qnn.symbol<\"W\", 1, 300, 1>]";
  r.type = "(tensor<4x?xi8>) -> tensor<4xi8>";
  r.body = "%s = dyadic.reduce_sum %a {axes = array<i64: 1>, keepdims = false, input_zero_point = 0 : i32} : "
           "(tensor<4x?xi8>) -> tensor<4xi32>\n %y = dyadic.rescale_mean %s {count = "
           "affine_map<()[s0] -> (s0)>, scale = 1.0e10 : f64, rounding = #dyadic.rounding<half_up>, zero_point = 1 : "
           "i32, clamp = array<i32: -128, 127>} : (tensor<4xi32>) -> tensor<4xi8>\n "
           "kernel.yield %y : tensor<4xi8>";
  expectRefusal(r, "R3: scale");
}

TEST(X86Refusals, ElementTypes) {
  Region r;
  r.arguments = "%a = %0";
  r.type = "(tensor<8xf32>) -> tensor<8xi8>";
  r.body = "%s = qnn.constant {value = dense<0.5> : tensor<2xf32>} : tensor<2xf32>\n %y = qnn.quantize %a, %s {scheme = "
           "#qnn.scheme<s8, group 4 along 0>} : (tensor<8xf32>, tensor<2xf32>) -> tensor<8xi8>\n kernel.yield %y : tensor<8xi8>";
  expectRefusal(r, "has no x86 code for its granularity: expected a scale a tensor, along an axis or a token");
  r.type = "(tensor<1x1x2x2xi32>) -> tensor<1x1x4x4xi32>";
  r.body = "%y = qnn.resize %a {shape = affine_map<() -> (1, 1, 4, 4)>, scales = array<f32: 1.0, 1.0, 2.0, 2.0>, mode = "
           "#qnn.resize_mode<linear>, coordinates = #qnn.resize_coordinates<half_pixel>, nearest = #qnn.nearest_mode<floor>} : " +
           r.type + "\n kernel.yield %y : tensor<1x1x4x4xi32>";
  expectRefusal(r, "has no x86 code for interpolating codes of more than 16 bits");
  r.type = "(tensor<1x1x2x2xi32>) -> tensor<1x1x1x1xi32>";
  r.body = "%y = qnn.avg_pool %a {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, "
           "dilations = array<i64: 1, 1>} : " +
           r.type + "\n kernel.yield %y : tensor<1x1x1x1xi32>";
  expectRefusal(r, "expected a float operand; codes are averaged by dyadic.avg_pool");
  r.type = "(tensor<4x8xi32>) -> tensor<4xi32>";
  r.body = "%y = qnn.reduce_l2 %a {axes = array<i64: 1>, keepdims = false} : " + r.type + "\n kernel.yield %y : tensor<4xi32>";
  expectRefusal(r, "expected a float operand");
  r.type = "(tensor<4x4xi64>) -> tensor<4x4xi64>";
  r.body = "%y = qnn.matmul %a, %a : (tensor<4x4xi64>, tensor<4x4xi64>) -> tensor<4x4xi64>\n kernel.yield %y : tensor<4x4xi64>";
  expectRefusal(r, "has no x86 code for products of integers of this type: expected f32, f16, bf16 or i32 results");
}

static std::string compileError(const char *text) {
  auto context = makeContext();
  std::string messages;
  mlir::ScopedDiagnosticHandler handler(context.get(), [&](mlir::Diagnostic &diagnostic) {
    messages += diagnostic.str() + "\n";
    return mlir::success();
  });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
  EXPECT_TRUE(module);
  EXPECT_TRUE(mlir::failed(compileModule(*module, Isa::Avx2)));
  return messages;
}

TEST(X86Blob, UndefinedSymbolIsNamed) {
  std::string error = compileError(R"(
    llvm.func @outside(i64)
    llvm.func @k(%a: i64) { llvm.call @outside(%a) : (i64) -> ()
      llvm.return })");
  EXPECT_NE(error.find("expected kernels that call nothing, found a call of outside"), std::string::npos) << error;
}

TEST(X86Blob, LibraryCallOfTheCodeGeneratorIsNamed) {
  // An f64 sine has no instruction: the code generator would call libm.
  std::string error =
      compileError("llvm.func @k(%p: !llvm.ptr) { %x = llvm.load %p : !llvm.ptr -> f64\n %y = llvm.intr.sin(%x) : "
                   "(f64) -> f64\n llvm.store %y, %p : f64, !llvm.ptr\n llvm.return }");
  EXPECT_NE(error.find("expected kernels that call nothing, found the undefined symbol sin"), std::string::npos)
      << error;
}

TEST(X86Blob, WritableDataIsRefused) {
  std::string error = compileError(R"(
    llvm.mlir.global external @counter(1 : i64) : i64
    llvm.func @k(%a: i64) { %p = llvm.mlir.addressof @counter : !llvm.ptr
      llvm.store %a, %p : i64, !llvm.ptr
      llvm.return })");
  EXPECT_NE(error.find("expected no writable data in kernels, found section .data"), std::string::npos) << error;
}

TEST(X86Blob, EntriesOfAllFunctions) {
  auto context = makeContext();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      "llvm.func @first(%a: i64) { llvm.return }\n llvm.func @second(%a: i64) { llvm.return }", context.get());
  auto blob = compileModule(*module, Isa::Avx512Vnni);
  ASSERT_TRUE(mlir::succeeded(blob));
  ASSERT_EQ(blob->entries.size(), 2u);
  EXPECT_EQ(blob->entries[0].first, "first");
  EXPECT_EQ(blob->entries[1].first, "second");
  for (auto &entry : blob->entries)
    EXPECT_EQ(blob->bytes[entry.second], 0xc3); // ret
}

TEST(X86Kernels, EqualRegionsAreEqualText) {
  // Constants that are arrays stay out of the code, so that layers of one shape share it.
  std::string texts[2];
  for (int i = 0; i < 2; ++i) {
    Region r;
    r.arguments = "%a = %0";
    r.type = "(tensor<8x3xf32>) -> tensor<8x3xf32>";
    r.body = std::string("%c = qnn.constant {value = dense<[1.0, 2.0, ") + (i ? "4.0" : "3.0") +
             "]> : tensor<3xf32>} : tensor<3xf32>\n %y = qnn.add %a, %c : (tensor<8x3xf32>, tensor<3xf32>) -> "
             "tensor<8x3xf32>\n kernel.yield %y : tensor<8x3xf32>";
    auto context = makeContext();
    auto module = mlir::parseSourceString<mlir::ModuleOp>(functionText(r), context.get());
    auto region = CompiledRegion::compile(module->lookupSymbol<mlir::func::FuncOp>("main"), Isa::Avx2);
    ASSERT_TRUE(region);
    texts[i] = region->getText();
    ASSERT_EQ(region->getInfo().constants.size(), 1u);
    EXPECT_EQ(reinterpret_cast<const float *>(region->getInfo().constants[0].bytes.data())[2], i ? 4.0f : 3.0f);
  }
  EXPECT_EQ(texts[0], texts[1]);
}

} // namespace
