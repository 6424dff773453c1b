//===- IntegerTest.cpp - quantize, rescale, add, lookup --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/X86/RegionTest.h"
#include "gtest/gtest.h"

using namespace bitwright::x86::testing;

namespace {

const std::string kRoundings[] = {"half_up", "half_away",     "half_even",  "floor",
                                  "trunc",   "tflite_double", "tosa_double"};

TEST(X86Integer, RescaleEveryRounding) {
  // Shifts below 31, of 31, and above: the 64-bit form and both forms of the fast one.
  for (int rounding = 0; rounding < 7; ++rounding)
    for (auto [multiplier, shift] : {std::pair(1431655765, 38), std::pair(1431655765, 31), std::pair(1431655765, 33),
                                     std::pair(1073741825, 24), std::pair(1073741824, 40), std::pair(1200, 62)}) {
      Region r;
      r.arguments = "%a = %0";
      r.type = "(tensor<3x150xi32>) -> tensor<3x150xi8>";
      r.body = "%y = dyadic.rescale %a {multiplier = array<i32: " + std::to_string(multiplier) +
               ">, shift = array<i8: " + std::to_string(shift) +
               ">, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<" + kRoundings[rounding] +
               ">, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : " + r.type +
               "\n kernel.yield %y : tensor<3x150xi8>";
      r.integerRange = shift > 36 ? INT32_MAX : shift > 30 ? 300 : 4;
      checkRegion(r);
    }
}

TEST(X86Integer, RescalePerChannel) {
  for (std::string shifts : {"34, 35, 32, 38, 40", "31, 35, 32, 38, 40", "20, 35, 32, 38, 40"})
    for (std::string layouts :
         {"", "{operand_layouts = [array<i64: 0, 2, 1>], result_layouts = [array<i64: 0, 2, 1>]}"}) {
      Region r;
      r.arguments = "%a = %0";
      r.attributes = layouts;
      r.type = "(tensor<2x5x33xi32>) -> tensor<2x5x33xi8>";
      r.body = "%y = dyadic.rescale %a {multiplier = array<i32: 1073741824, 1500000000, 0, 2147483647, 1300000001>, "
               "shift = array<i8: " +
               shifts +
               ">, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = -7 : i32, clamp = "
               "array<i32: -100, 90>, axis = 1 : i64} : " +
               r.type + "\n kernel.yield %y : tensor<2x5x33xi8>";
      checkRegion(r);
    }
}

TEST(X86Integer, WideResults) {
  for (std::string element : {"i16", "i32"}) {
    Region r;
    r.arguments = "%a = %0";
    r.type = "(tensor<50xi32>) -> tensor<50x" + element + ">";
    r.body = "%y = dyadic.rescale %a {multiplier = array<i32: 1431655765>, shift = array<i8: 32>, multiplier_bits = 31 "
             ": i64, rounding = #dyadic.rounding<half_up>, zero_point = 100 : i32, clamp = array<i32: "
             "-30000, 30000>} : " +
             r.type + "\n kernel.yield %y : tensor<50x" + element + ">";
    r.integerRange = INT32_MAX;
    checkRegion(r);
  }
}

TEST(X86Integer, AddAndMul) {
  for (int rounding : {0, 1, 2, 3, 4, 6})
    for (int shift : {33, 31, 28}) {
      Region r;
      r.arguments = "%a = %0, %b = %1";
      r.type = "(tensor<4x45xi8>, tensor<45xi8>) -> tensor<4x45xi8>";
      std::string tail = std::to_string(shift) + " : i8, rounding = #dyadic.rounding<" + kRoundings[rounding] +
                         ">, zero_point = 5 : i32, clamp = array<i32: -128, 127>";
      r.body = "%y = dyadic.add %a, %b {lhs_zero_point = 4 : i32, rhs_zero_point = -9 : i32, lhs_multiplier = "
               "1500000000 : i32, rhs_multiplier = 777777777 : i32, shift = " +
               tail + "} : " + r.type + "\n kernel.yield %y : tensor<4x45xi8>";
      checkRegion(r);
      r.body = "%y = dyadic.mul %a, %b {lhs_zero_point = 4 : i32, rhs_zero_point = -9 : i32, multiplier = 1500000000 : "
               "i32, multiplier_bits = 31 : i64, shift = " +
               tail + "} : " + r.type + "\n kernel.yield %y : tensor<4x45xi8>";
      checkRegion(r);
    }
}

TEST(X86Integer, Lookup) {
  std::string table;
  for (int i = 0; i < 256; ++i)
    table += (i ? ", " : "") + std::to_string((i * 37 + 11) % 256 - 128);
  for (std::string shape : {"300", "2x1000", "5", "3x64"}) {
    Region r;
    r.arguments = "%a = %0";
    r.type = "(tensor<" + shape + "xi8>) -> tensor<" + shape + "xi8>";
    r.body = "%y = dyadic.lookup %a {table = array<i8: " + table + ">} : " + r.type + "\n kernel.yield %y : tensor<" +
             shape + "xi8>";
    checkRegion(r);
    // In a wider chain: 16 lanes.
    r.body = "%x = dyadic.lookup %a {table = array<i8: " + table + ">} : " + r.type +
             "\n %y = dyadic.add %x, %a {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, lhs_multiplier = "
             "1500000000 : i32, rhs_multiplier = 1777777777 : i32, shift = 32 : i8, rounding = "
             "#dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<" +
             shape + "xi8>, tensor<" + shape + "xi8>) -> tensor<" + shape + "xi8>\n kernel.yield %y : tensor<" + shape +
             "xi8>";
    checkRegion(r);
  }
}

TEST(X86Integer, QuantizeAndDequantize) {
  for (std::string element : {"i8", "ui8", "i16"}) {
    std::string storage = element == "i8" ? "s8" : element == "ui8" ? "u8" : "s16";
    Region r;
    r.arguments = "%a = %0";
    r.type = "(tensor<3x70xf32>) -> tensor<3x70x" + element + ">";
    r.body = "%s = qnn.constant {value = dense<0.037> : tensor<f32>} : tensor<f32>\n %z = qnn.constant {value = "
             "dense<11> : tensor<" +
             element + ">} : tensor<" + element + ">\n %y = qnn.quantize %a, %s, %z {scheme = #qnn.scheme<" + storage +
             ", tensor>} : (tensor<3x70xf32>, tensor<f32>, tensor<" + element + ">) -> tensor<3x70x" + element +
             ">\n kernel.yield %y : tensor<3x70x" + element + ">";
    r.fill = [](unsigned, bitwright::reference::Tensor &t) {
      // Boundaries of rounding, infinities, NaN.
      float *x = t.mutableData<float>();
      for (int i = 0; i < 60; ++i)
        x[i] = 0.037f * (i - 30) * 0.5f;
      x[60] = INFINITY, x[61] = -INFINITY, x[62] = NAN;
    };
    checkRegion(r);
    Region d;
    d.arguments = "%a = %0";
    d.type = "(tensor<3x70x" + element + ">) -> tensor<3x70xf32>";
    d.body = "%s = qnn.constant {value = dense<[0.5, 0.25, 0.1]> : tensor<3xf32>} : tensor<3xf32>\n %z = qnn.constant "
             "{value = dense<[1, 2, 3]> : tensor<3x" +
             element + ">} : tensor<3x" + element + ">\n %y = qnn.dequantize %a, %s, %z {scheme = #qnn.scheme<" +
             storage + ", axis 0>} : (tensor<3x70x" + element + ">, tensor<3xf32>, tensor<3x" + element +
             ">) -> tensor<3x70xf32>\n kernel.yield %y : tensor<3x70xf32>";
    checkRegion(d);
  }
}

TEST(X86Integer, SumsAndMeans) {
  for (std::string layout : {"", "{operand_layouts = [array<i64: 0, 2, 3, 1>], result_layouts = [array<i64: 0, 1>]}"})
    for (int rounding : {0, 2, 5}) {
      Region r;
      r.arguments = "%a = %0";
      r.attributes = layout;
      r.functionArguments = "tensor<2x19x3x?xi8> {qnn.dims = affine_map<()[s0] -> (2, 19, 3, s0)>}";
      r.symbols = "qnn.symbols = [#qnn.symbol<\"W\", 1, 300, 1>]";
      r.symbolValues = {{1}, {7}, {64}, {113}, {300}};
      r.type = "(tensor<2x19x3x?xi8>) -> tensor<2x19xi8>";
      r.body = "%s = dyadic.reduce_sum %a {axes = array<i64: 2, 3>, keepdims = false, input_zero_point = -3 : i32} : "
               "(tensor<2x19x3x?xi8>) -> tensor<2x19xi32>\n %y = dyadic.rescale_mean %s {count = "
               "affine_map<()[s0] -> (s0 * 3)>, scale = 1.7345 : f64, rounding = #dyadic.rounding<" +
               kRoundings[rounding] +
               ">, zero_point = 1 : i32, clamp = array<i32: -128, 127>} : (tensor<2x19xi32>) -> tensor<2x19xi8>\n "
               "kernel.yield %y : tensor<2x19xi8>";
      checkRegion(r);
    }
  Region r;
  r.arguments = "%a = %0";
  r.type = "(tensor<4x6x64xi8>) -> tensor<4xi32>";
  r.body =
      "%y = dyadic.reduce_sum %a {axes = array<i64: 1, 2>, keepdims = false, input_zero_point = 5 : i32} : " + r.type +
      "\n kernel.yield %y : tensor<4xi32>";
  checkRegion(r);
}

// LLVM turned the truncating masked store of a constant one-lane mask into a store of the wide element, three bytes beyond
// the tensor (KernelBuilder::laneMask); the harness ends each buffer at a page that may not be touched.
TEST(X86Integer, TailOfOneNarrowElementStaysInside) {
  for (std::string size : {"1", "17", "65"}) {
    Region r;
    r.arguments = "%a = %0";
    r.type = "(tensor<" + size + "xi32>) -> tensor<" + size + "xi8>";
    r.body = "%y = dyadic.rescale %a {multiplier = array<i32: 1431655765>, shift = array<i8: 38>, multiplier_bits = 31 "
             ": i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : " +
             r.type + "\n kernel.yield %y : tensor<" + size + "xi8>";
    checkRegion(r);
  }
}

} // namespace
