//===- RowsTest.cpp - softmax and norms ------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/X86/RegionTest.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace bitwright::x86::testing;

namespace {

const std::string kRows = "kind = #kernel.template<rows>";

TEST(X86Rows, Softmax) {
  for (std::string op : {"softmax", "log_softmax"})
    for (int axis : {1, 2})
      for (std::string layouts :
           {"", ", operand_layouts = [array<i64: 0, 2, 1>], result_layouts = [array<i64: 0, 2, 1>]"})
        for (std::string element : {"f32", "f16"}) {
          Region r;
          r.arguments = "%a = %0";
          r.attributes = "{" + kRows + layouts + "}";
          r.type = "(tensor<3x19x70x" + element + ">) -> tensor<3x19x70x" + element + ">";
          r.body = "%y = qnn." + op + " %a {axis = " + std::to_string(axis) + " : i64} : " + r.type +
                   "\n kernel.yield %y : tensor<3x19x70x" + element + ">";
          checkRegion(r);
        }
}

TEST(X86Rows, SoftmaxWithPrologueAndEpilogueOverDynamicRows) {
  Region r;
  r.arguments = "%a = %0, %b = %1";
  r.attributes = "{" + kRows + "}";
  r.functionArguments = "tensor<?x?xi8> {qnn.dims = affine_map<()[s0, s1] -> (s0, s1)>}, tensor<?x?xf32> {qnn.dims = "
                        "affine_map<()[s0, s1] -> (s0, s1)>}";
  r.symbols = "qnn.symbols = [#qnn.symbol<\"N\", 1, 8, 1>, #qnn.symbol<\"W\", 1, 3000, 1>]";
  r.symbolValues = {{1, 1}, {8, 16}, {3, 17}, {2, 2999}};
  r.type = "(tensor<?x?xi8>, tensor<?x?xf32>) -> tensor<?x?xi8>";
  r.body = R"(
    %s = qnn.constant {value = dense<0.03> : tensor<f32>} : tensor<f32>
    %t = qnn.constant {value = dense<0.004> : tensor<f32>} : tensor<f32>
    %z = qnn.constant {value = dense<-128> : tensor<i8>} : tensor<i8>
    %d = qnn.dequantize %a, %s, %z {scheme = #qnn.scheme<s8, tensor>} : (tensor<?x?xi8>, tensor<f32>, tensor<i8>) -> tensor<?x?xf32>
    %m = qnn.add %d, %b : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %y = qnn.softmax %m {axis = 1 : i64} : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %q = qnn.quantize %y, %t, %z {scheme = #qnn.scheme<s8, tensor>} : (tensor<?x?xf32>, tensor<f32>, tensor<i8>) -> tensor<?x?xi8>
    kernel.yield %q : tensor<?x?xi8>)";
  checkRegion(r);
}

TEST(X86Rows, Norms) {
  for (std::string layouts : {"", ", operand_layouts = [array<i64: 0, 2, 3, 1>, array<i64: 0>, array<i64: 0>], "
                                  "result_layouts = [array<i64: 0, 2, 3, 1>]"})
    for (int groups : {1, 3, 12}) {
      Region r;
      r.arguments = "%a = %0, %s = %1, %b = %2";
      r.attributes = "{" + kRows + layouts + "}";
      r.type = "(tensor<2x12x5x21xf32>, tensor<12xf32>, tensor<12xf32>) -> tensor<2x12x5x21xf32>";
      r.body = "%y = qnn.group_norm %a, %s, %b {groups = " + std::to_string(groups) +
               " : i64, epsilon = 1.0e-5 : f32} : " + r.type + "\n kernel.yield %y : tensor<2x12x5x21xf32>";
      checkRegion(r);
    }
  for (int axis : {1, 2})
    for (int parameters : {0, 1, 2}) {
      std::string tail = axis == 1 ? "tensor<9x120xf32>" : "tensor<120xf32>", type = "tensor<4x9x120xf32>";
      Region r;
      r.arguments = std::string("%a = %0") + (parameters > 0 ? ", %s = %1" : "") + (parameters > 1 ? ", %b = %2" : "");
      r.attributes = "{" + kRows + "}";
      r.type = "(" + type + (parameters > 0 ? ", " + tail : "") + (parameters > 1 ? ", " + tail : "") + ") -> " + type;
      r.body = "%y = qnn.layer_norm %a " + (parameters > 0 ? "scale %s : " + tail : "") +
               (parameters > 1 ? " bias %b : " + tail : "") + " {axis = " + std::to_string(axis) +
               " : i64, epsilon = 1.0e-6 : f32} : (" + type + ") -> " + type + "\n kernel.yield %y : " + type;
      checkRegion(r);
    }
}

TEST(X86Rows, LayerNormOverChannelsBehindATranspose) {
  Region r;
  r.arguments = "%a = %0";
  r.attributes = "{" + kRows + ", operand_layouts = [array<i64: 0, 2, 1>], result_layouts = [array<i64: 0, 1, 2>]}";
  r.type = "(tensor<2x120x33xf32>) -> tensor<2x33x120xf32>";
  r.body = R"(
    %t = qnn.transpose %a {perm = array<i64: 0, 2, 1>} : (tensor<2x120x33xf32>) -> tensor<2x33x120xf32>
    %y = qnn.layer_norm %t {axis = 2 : i64, epsilon = 1.0e-6 : f32} : (tensor<2x33x120xf32>) -> tensor<2x33x120xf32>
    kernel.yield %y : tensor<2x33x120xf32>)";
  checkRegion(r);
}

/// INTEGER Q3: codes and scales, of any length of a row; NaN is code 0 and no maximum; an infinite row; zeros.
TEST(X86Rows, QuantizePerToken) {
  for (std::string element : {"f32", "f16", "bf16"})
    for (std::string storage : {"i8", "i4"}) {
      Region r;
      r.arguments = "%a = %0";
      r.attributes = "{" + kRows + "}";
      r.functionArguments = "tensor<?x?x" + element + "> {qnn.dims = affine_map<()[s0, s1] -> (s0, s1)>}";
      r.symbols = "qnn.symbols = [#qnn.symbol<\"N\", 1, 9, 1>, #qnn.symbol<\"W\", 1, 3000, 1>]";
      r.symbolValues = {{1, 1}, {9, 16}, {3, 17}, {2, 2999}};
      r.type = "(tensor<?x?x" + element + ">) -> (tensor<?x?x" + storage + ">, tensor<?x1xf32>)";
      r.body = "%q, %s = qnn.quantize_dynamic %a {scheme = #qnn.scheme<s" + storage.substr(1) +
               ", per_token>} : " + r.type + "\n kernel.yield %q, %s : tensor<?x?x" + storage + ">, tensor<?x1xf32>";
      if (element == "f32")
        r.fill = [](unsigned, bitwright::reference::Tensor &x) {
          float *values = x.mutableData<float>();
          int64_t columns = x.getDim(1);
          for (int64_t i = 0; i < x.getNumElements(); ++i)
            values[i] = float((i * 7919 % 2003 - 1000) * std::ldexp(1.0, int(i / columns) * 9 - 30));
          values[0] = NAN;
          if (x.getDim(0) > 2) {
            values[columns + 3] = -INFINITY;
            std::fill(values + 2 * columns, values + 3 * columns, 0.0f);
          }
        };
      checkRegion(r);
    }
}

TEST(X86Rows, Refusals) {
  Region r;
  r.arguments = "%a = %0";
  r.attributes = "{" + kRows + "}";
  r.type = "(tensor<3x8xf32>) -> tensor<3x8xf32>";
  r.body = "%y = qnn.relu %a : " + r.type + "\n kernel.yield %y : tensor<3x8xf32>";
  expectRefusal(r, "expected a softmax, norm or quantization per token in a region of the rows template, found none");
  r.body = "%x = qnn.softmax %a {axis = 1 : i64} : " + r.type + "\n %y = qnn.softmax %x {axis = 1 : i64} : " + r.type +
           "\n kernel.yield %y : tensor<3x8xf32>";
  expectRefusal(r, "is the second row operation of its region");
  r.type = "(tensor<3x8xf32>) -> tensor<3x8x2xf32>";
  r.body = "%x = qnn.softmax %a {axis = 1 : i64} : (tensor<3x8xf32>) -> tensor<3x8xf32>\n %z = qnn.reshape %x {shape = "
           "affine_map<() -> (3, 8, 1)>} : (tensor<3x8xf32>) -> tensor<3x8x1xf32>\n"
           " %y = qnn.broadcast %z {shape = affine_map<() -> (3, 8, 2)>} : (tensor<3x8x1xf32>) -> tensor<3x8x2xf32>\n "
           "kernel.yield %y : tensor<3x8x2xf32>";
  expectRefusal(r, "expected results of the row operation's shape");
}

} // namespace
