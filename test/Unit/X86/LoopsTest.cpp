//===- LoopsTest.cpp - elementwise, movement, windows ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/X86/RegionTest.h"
#include "gtest/gtest.h"

using namespace bitwright::x86::testing;

namespace {

/// One unary float operation on a length that is no multiple of 16.
class UnaryTest : public ::testing::TestWithParam<const char *> {};
TEST_P(UnaryTest, Float) {
  Region r;
  r.arguments = "%a = %0";
  r.type = "(tensor<7x53xf32>) -> tensor<7x53xf32>";
  r.body = std::string("%y = qnn.") + GetParam() +
           " : (tensor<7x53xf32>) -> tensor<7x53xf32>\n kernel.yield %y : tensor<7x53xf32>";
  checkRegion(r);
}
INSTANTIATE_TEST_SUITE_P(X86, UnaryTest,
                         ::testing::Values("abs %a", "neg %a", "reciprocal %a", "sqrt %a", "exp %a", "log %a", "erf %a",
                                           "tanh %a", "sigmoid %a", "softplus %a", "silu %a", "hard_swish %a",
                                           "relu %a", "floor %a", "leaky_relu %a {alpha = 0.1 : f32}",
                                           "elu %a {alpha = 1.5 : f32}",
                                           "hard_sigmoid %a {alpha = 0.2 : f32, beta = 0.5 : f32}", "gelu %a",
                                           "gelu %a {approximate = true}",
                                           "clip %a {min = -1.0 : f32, max = 2.0 : f32}"));

class BinaryTest : public ::testing::TestWithParam<std::pair<const char *, const char *>> {};
TEST_P(BinaryTest, BroadcastsAndTails) {
  auto [name, element] = GetParam();
  std::string e = element,
              out = std::string(name) == "equal" || std::string(name) == "greater" || std::string(name) == "less" ? "i1"
                                                                                                                  : e;
  Region r;
  r.arguments = "%a = %0, %b = %1";
  r.type = "(tensor<2x5x37x" + e + ">, tensor<5x1x" + e + ">) -> tensor<2x5x37x" + out + ">";
  r.body = "%y = qnn." + std::string(name) + " %a, %b : " + r.type + "\n kernel.yield %y : tensor<2x5x37x" + out + ">";
  r.integerRange = 3;
  checkRegion(r);
}
INSTANTIATE_TEST_SUITE_P(X86, BinaryTest,
                         ::testing::Values(std::pair("add", "f32"), std::pair("sub", "f16"), std::pair("mul", "bf16"),
                                           std::pair("div", "f32"), std::pair("min", "f32"), std::pair("max", "f32"),
                                           std::pair("prelu", "f32"), std::pair("pow", "f32"),
                                           std::pair("equal", "i32"), std::pair("greater", "f32"),
                                           std::pair("less", "ui8"), std::pair("add", "i8"), std::pair("sub", "i64"),
                                           std::pair("mul", "i32"), std::pair("div", "i32"), std::pair("div", "i64"),
                                           std::pair("max", "ui8"), std::pair("min", "i16")));

TEST(X86Loops, FusedChainWithSeveralUsesAndTwoResults) {
  Region r;
  r.arguments = "%a = %0, %b = %1";
  r.type = "(tensor<3x130xf32>, tensor<130xf32>) -> (tensor<3x130xf32>, tensor<3x130xi1>)";
  r.body = R"(
    %c = qnn.constant {value = dense<2.0> : tensor<f32>} : tensor<f32>
    %s = qnn.sigmoid %a : (tensor<3x130xf32>) -> tensor<3x130xf32>
    %m = qnn.mul %a, %s : (tensor<3x130xf32>, tensor<3x130xf32>) -> tensor<3x130xf32>
    %n = qnn.add %m, %b : (tensor<3x130xf32>, tensor<130xf32>) -> tensor<3x130xf32>
    %p = qnn.pow %n, %c : (tensor<3x130xf32>, tensor<f32>) -> tensor<3x130xf32>
    %g = qnn.greater %p, %c : (tensor<3x130xf32>, tensor<f32>) -> tensor<3x130xi1>
    %w = qnn.where %g, %p, %a : (tensor<3x130xi1>, tensor<3x130xf32>, tensor<3x130xf32>) -> tensor<3x130xf32>
    kernel.yield %w, %g : tensor<3x130xf32>, tensor<3x130xi1>)";
  checkRegion(r);
}

TEST(X86Loops, DynamicShapesAndLayouts) {
  Region r;
  r.arguments = "%a = %0, %b = %1";
  r.functionArguments = "tensor<?x24x3x?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s0, 24, 3, s1)>}, "
                        "tensor<24x1x1xf32> {qnn.dims = affine_map<()[s0, s1] -> (24, 1, 1)>}";
  r.symbols = "qnn.symbols = [#qnn.symbol<\"N\", 1, 8, 1>, #qnn.symbol<\"W\", 1, 400, 1>]";
  r.type = "(tensor<?x24x3x?xf32>, tensor<24x1x1xf32>) -> tensor<?x24x3x?xf32>";
  r.body = "%y = qnn.add %a, %b : " + r.type + "\n kernel.yield %y : tensor<?x24x3x?xf32>";
  r.symbolValues = {{1, 1}, {3, 17}, {2, 400}, {8, 31}};
  for (const char *layouts :
       {"",
        "{operand_layouts = [array<i64: 0, 2, 3, 1>, array<i64: 0, 1, 2>], result_layouts = [array<i64: 0, 2, 3, 1>]}",
        "{operand_layouts = [array<i64: 0, 1, 2, 3>, array<i64: 0, 1, 2>], result_layouts = [array<i64: 0, 2, 3, 1>]}",
        "{operand_layouts = [array<i64: 0, 2, 3, 1>, array<i64: 0, 1, 2>], result_layouts = [array<i64: 3, 1, 0, "
        "2>]}"}) {
    r.attributes = layouts;
    checkRegion(r);
  }
}

TEST(X86Loops, Casts) {
  for (auto [from, to] :
       {std::pair("f32", "i32"), std::pair("f32", "i8"), std::pair("f32", "ui8"), std::pair("f32", "i64"),
        std::pair("i64", "f32"), std::pair("i8", "f32"), std::pair("ui8", "f32"), std::pair("i32", "i8"),
        std::pair("ui8", "i32"), std::pair("i1", "f32"), std::pair("f32", "i1"), std::pair("i32", "i1"),
        std::pair("f32", "f16"), std::pair("f16", "f32"), std::pair("f32", "bf16"), std::pair("bf16", "f32"),
        std::pair("i1", "i64")}) {
    Region r;
    r.arguments = "%a = %0";
    r.type = std::string("(tensor<77x") + from + ">) -> tensor<77x" + to + ">";
    r.body = "%y = qnn.cast %a : " + r.type + "\n kernel.yield %y : tensor<77x" + to + ">";
    checkRegion(r);
  }
}

struct MovementCase {
  const char *input, *op, *output, *layouts;
};
class MovementTest : public ::testing::TestWithParam<MovementCase> {};
TEST_P(MovementTest, AnyElement) {
  MovementCase c = GetParam();
  for (std::string element : {"f32", "i8", "i64"}) {
    Region r;
    std::string in = "tensor<" + std::string(c.input) + "x" + element + ">",
                out = "tensor<" + std::string(c.output) + "x" + element + ">";
    r.arguments = "%a = %0";
    r.attributes = c.layouts;
    r.type = "(" + in + ") -> " + out;
    r.body = "%y = qnn." + std::string(c.op) + " : " + r.type + "\n kernel.yield %y : " + out;
    checkRegion(r);
  }
}
const char *const kLast = "{operand_layouts = [array<i64: 0, 2, 3, 1>], result_layouts = [array<i64: 0, 2, 3, 1>]}";
INSTANTIATE_TEST_SUITE_P(
    X86, MovementTest,
    ::testing::Values(
        MovementCase{"2x3x4x37", "transpose %a {perm = array<i64: 0, 2, 3, 1>}", "2x4x37x3", ""},
        MovementCase{"2x32x37", "transpose %a {perm = array<i64: 2, 0, 1>}", "37x2x32", ""},
        MovementCase{"4x6x35", "reshape %a {shape = affine_map<() -> (24, 5, 7)>}", "24x5x7", ""},
        MovementCase{"4x6x64", "reshape %a {shape = affine_map<() -> (4, 6, 2, 32)>}", "4x6x2x32", ""},
        MovementCase{"4x6x2x32", "reshape %a {shape = affine_map<() -> (4, 6, 64)>}", "4x6x64", ""},
        MovementCase{"4x1x35", "reshape %a {shape = affine_map<() -> (4, 35, 1, 1)>}", "4x35x1x1", ""},
        MovementCase{"140", "reshape %a {shape = affine_map<() -> (4, 35)>}", "4x35", ""},
        MovementCase{
            "9x50",
            "slice %a {starts = affine_map<() -> (2, 3)>, shape = affine_map<() -> (3, 41)>, steps = array<i64: 2, 1>}",
            "3x41", ""},
        MovementCase{"9x50",
                     "slice %a {starts = affine_map<() -> (8, 48)>, shape = affine_map<() -> (4, 20)>, steps = "
                     "array<i64: -2, -2>}",
                     "4x20", ""},
        MovementCase{"3x1x33", "broadcast %a {shape = affine_map<() -> (2, 3, 5, 33)>}", "2x3x5x33", ""},
        MovementCase{"3x5", "tile %a {repeats = array<i64: 2, 7>}", "6x35", ""},
        MovementCase{"2x3x5x20",
                     "pad %a {low = array<i64: 0, 0, 1, 3>, high = array<i64: 0, 0, 2, 1>, mode = "
                     "#qnn.pad_mode<constant>, value = 7.0 : f64}",
                     "2x3x8x24", ""},
        MovementCase{"2x19x5x20",
                     "pad %a {low = array<i64: 0, 0, 1, 3>, high = array<i64: 0, 0, 2, 1>, mode = "
                     "#qnn.pad_mode<constant>, value = -3.0 : f64}",
                     "2x19x8x24", kLast},
        MovementCase{"5x20", "pad %a {low = array<i64: 3, 4>, high = array<i64: 2, 3>, mode = #qnn.pad_mode<reflect>}",
                     "10x27", ""},
        MovementCase{"5x20", "pad %a {low = array<i64: 3, 4>, high = array<i64: 2, 30>, mode = #qnn.pad_mode<edge>}",
                     "10x54", ""},
        MovementCase{"5x20", "pad %a {low = array<i64: 7, 4>, high = array<i64: 2, 30>, mode = #qnn.pad_mode<wrap>}",
                     "14x54", ""},
        MovementCase{"5x20",
                     "pad %a {low = array<i64: -1, 4>, high = array<i64: 0, -3>, mode = #qnn.pad_mode<constant>}",
                     "4x21", ""},
        MovementCase{"1x12x3x11", "depth_to_space %a {block = 2 : i64}", "1x3x6x22", ""},
        MovementCase{"1x12x3x11", "depth_to_space %a {block = 2 : i64, column_row = true}", "1x3x6x22", ""},
        MovementCase{"1x128x3x5", "depth_to_space %a {block = 2 : i64}", "1x32x6x10", kLast},
        MovementCase{"1x12x3x11", "depth_to_space %a {block = 2 : i64, column_row = true}", "1x3x6x22", kLast},
        MovementCase{"1x3x6x22", "space_to_depth %a {block = 2 : i64}", "1x12x3x11", ""},
        MovementCase{"1x32x6x22", "space_to_depth %a {block = 2 : i64}", "1x128x3x11", kLast},
        MovementCase{"1x3x6x22", "space_to_depth %a {block = 2 : i64}", "1x12x3x11", kLast}));

TEST(X86Loops, Concat) {
  for (int axis : {0, 1, 2})
    for (std::string element : {"f32", "i8"}) {
      int64_t a[] = {3, 5, 40}, b[] = {3, 5, 40}, y[] = {3, 5, 40};
      b[axis] = axis == 2 ? 24 : 2;
      y[axis] = 2 * a[axis] + b[axis];
      auto type = [&](const int64_t *s) {
        return "tensor<" + std::to_string(s[0]) + "x" + std::to_string(s[1]) + "x" + std::to_string(s[2]) + "x" +
               element + ">";
      };
      Region r;
      r.arguments = "%a = %0, %b = %1, %c = %2";
      r.type = "(" + type(a) + ", " + type(b) + ", " + type(a) + ") -> " + type(y);
      r.body = "%y = qnn.concat %a, %b, %c {axis = " + std::to_string(axis) + " : i64} : " + r.type +
               "\n kernel.yield %y : " + type(y);
      checkRegion(r);
    }
  Region r; // channels of 16 and 32, innermost in memory
  r.arguments = "%a = %0, %b = %1";
  r.attributes =
      "{operand_layouts = [array<i64: 0, 2, 1>, array<i64: 0, 2, 1>], result_layouts = [array<i64: 0, 2, 1>]}";
  r.type = "(tensor<2x16x9xi8>, tensor<2x32x9xi8>) -> tensor<2x48x9xi8>";
  r.body = "%y = qnn.concat %a, %b {axis = 1 : i64} : " + r.type + "\n kernel.yield %y : tensor<2x48x9xi8>";
  checkRegion(r);
}

TEST(X86Loops, Gather) {
  for (int axis : {0, 1, 2}) {
    Region r;
    r.arguments = "%a = %0, %i = %1";
    std::string out = axis == 0 ? "2x9x8x33" : axis == 1 ? "6x2x9x33" : "6x8x2x9";
    r.type = "(tensor<6x8x33xf32>, tensor<2x9xi64>) -> tensor<" + out + "xf32>";
    r.body = "%y = qnn.gather %a, %i {axis = " + std::to_string(axis) + " : i64} : " + r.type +
             "\n kernel.yield %y : tensor<" + out + "xf32>";
    r.integerRange = 5;
    checkRegion(r);
  }
}

TEST(X86Loops, Pooling) {
  const std::string window = "kernel = array<i64: 3, 2>, strides = array<i64: 2, 1>, pads = array<i64: 1, 0, 1, 1>, "
                             "dilations = array<i64: 1, 1>";
  for (std::string layouts : {"", kLast})
    for (std::string op :
         {"qnn.max_pool f32", "qnn.max_pool i8", "qnn.avg_pool f32", "qnn.avg_pool f32 count_include_pad = true",
          "dyadic.avg_pool i8", "dyadic.avg_pool i8 count_include_pad = true"}) {
      std::string name = op.substr(0, op.find(' ')), rest = op.substr(op.find(' ') + 1),
                  element = rest.substr(0, rest.find(' '));
      std::string extra = rest.find(' ') == std::string::npos ? "" : ", " + rest.substr(rest.find(' ') + 1);
      if (name == "dyadic.avg_pool")
        extra += ", input_zero_point = -5 : i32, multiplier = array<i32: 1200000000, 1200000000, 1600000000, "
                 "1200000000, 1920000000, 1600000000>, shift = array<i8: 31, 32, 33, 33, "
                 "34, 34>, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>";
      Region r;
      r.arguments = "%a = %0";
      r.attributes = layouts;
      r.type = "(tensor<2x21x9x30x" + element + ">) -> tensor<2x21x5x30x" + element + ">";
      r.body = "%y = " + name + " %a {" + window + extra + "} : " + r.type + "\n kernel.yield %y : tensor<2x21x5x30x" +
               element + ">";
      checkRegion(r);
    }
}

TEST(X86Loops, LargeWindowIsALoop) {
  Region r;
  r.arguments = "%a = %0";
  r.type = "(tensor<1x3x9x30xf32>) -> tensor<1x3x5x26xf32>";
  r.body = "%y = qnn.avg_pool %a {kernel = array<i64: 5, 5>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, "
           "0>, dilations = array<i64: 1, 1>} : " +
           r.type + "\n kernel.yield %y : tensor<1x3x5x26xf32>";
  checkRegion(r);
}

TEST(X86Loops, Resize) {
  const std::string modes[] = {"nearest", "linear", "cubic"},
                    nearestModes[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  const std::string coordinateModes[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
                                         "half_pixel_symmetric"};
  for (std::string layouts : {"", kLast})
    for (std::string element : {"f32", "i8"})
      for (int mode : {0, 1, 2})
        for (int coordinates : {0, 1, 2, 3, 4}) {
          Region r;
          r.arguments = "%a = %0";
          r.attributes = layouts;
          r.type = "(tensor<1x5x6x9x" + element + ">) -> tensor<1x5x12x21x" + element + ">";
          r.body = "%y = qnn.resize %a {shape = affine_map<() -> (1, 5, 12, 21)>, scales = array<f32: 1.0, 1.0, 2.0, "
                   "2.4>, mode = #qnn.resize_mode<" +
                   modes[mode] + ">, coordinates = #qnn.resize_coordinates<" + coordinateModes[coordinates] +
                   ">, nearest = #qnn.nearest_mode<" + nearestModes[coordinates % 4] + ">" +
                   (coordinates == 3 ? ", exclude_outside = true" : "") + "} : " + r.type +
                   "\n kernel.yield %y : tensor<1x5x12x21x" + element + ">";
          checkRegion(r);
        }
}

TEST(X86Loops, Reductions) {
  struct Case {
    const char *axes, *out, *layouts;
  };
  for (Case c :
       {Case{"2, 3", "2x19", ""},
        Case{"2, 3", "2x19", "{operand_layouts = [array<i64: 0, 2, 3, 1>], result_layouts = [array<i64: 0, 1>]}"},
        Case{"3", "2x19x5", ""}, Case{"1", "2x5x37", ""}, Case{"0, 1, 2, 3", "", ""}})
    for (std::string op : {"reduce_sum f32", "reduce_mean f32", "reduce_max f32", "reduce_min f32", "reduce_l2 f32",
                           "reduce_sum i32", "reduce_max i8", "reduce_mean i64"}) {
      std::string name = op.substr(0, op.find(' ')), element = op.substr(op.find(' ') + 1),
                  out = "tensor<" + std::string(c.out) + (*c.out ? "x" : "") + element + ">";
      Region r;
      r.arguments = "%a = %0";
      r.attributes = c.layouts;
      r.type = "(tensor<2x19x5x37x" + element + ">) -> " + out;
      r.body = "%y = qnn." + name + " %a {axes = array<i64: " + c.axes + ">, keepdims = false} : " + r.type +
               "\n kernel.yield %y : " + out;
      checkRegion(r);
    }
  Region r;
  r.arguments = "%a = %0";
  r.type = "(tensor<3x5x64xf32>) -> tensor<3x1x1xf32>";
  r.body = "%y = qnn.reduce_mean %a {axes = array<i64: 1, 2>, keepdims = true} : " + r.type +
           "\n %z = qnn.relu %y : (tensor<3x1x1xf32>) -> tensor<3x1x1xf32>\n kernel.yield %z : tensor<3x1x1xf32>";
  checkRegion(r);
}

TEST(X86Loops, Argmax) {
  for (int axis : {0, 2})
    for (std::string last : {"false", "true"})
      for (std::string element : {"f32", "i8"}) {
        Region r;
        r.arguments = "%a = %0";
        std::string out = axis == 0 ? "tensor<4x70xi64>" : "tensor<5x4xi64>";
        r.type = "(tensor<5x4x70x" + element + ">) -> " + out;
        r.body = "%y = qnn.argmax %a {axis = " + std::to_string(axis) +
                 " : i64, keepdims = false, select_last = " + last + "} : " + r.type + "\n kernel.yield %y : " + out;
        checkRegion(r);
      }
}

TEST(X86Loops, PlainProducts) {
  Region r;
  r.arguments = "%a = %0, %b = %1";
  r.type = "(tensor<2x3x7x21xf32>, tensor<3x21x35xf32>) -> tensor<2x3x7x35xf32>";
  r.body = "%y = qnn.matmul %a, %b : " + r.type + "\n kernel.yield %y : tensor<2x3x7x35xf32>";
  checkRegion(r);
  r.type = "(tensor<2x3x7x21xi8>, tensor<3x21x35xi8>) -> tensor<2x3x7x35xi32>";
  r.body = "%y = dyadic.matmul %a, %b {lhs_zero_point = 3 : i32, rhs_zero_point = -4 : i32} : " + r.type +
           "\n kernel.yield %y : tensor<2x3x7x35xi32>";
  checkRegion(r);
  r.arguments = "%a = %0, %b = %1, %c = %2";
  r.type = "(tensor<5x21xf32>, tensor<35x21xf32>, tensor<35xf32>) -> tensor<5x35xf32>";
  r.body = "%y = qnn.linear %a, %b, %c : " + r.type + "\n kernel.yield %y : tensor<5x35xf32>";
  checkRegion(r);
  const std::string geometry =
      "strides = array<i64: 2, 1>, pads = array<i64: 1, 0, 1, 2>, dilations = array<i64: 1, 2>, groups = 2 : i64";
  r.type = "(tensor<1x4x9x20xf32>, tensor<6x2x3x3xf32>, tensor<6xf32>) -> tensor<1x6x5x18xf32>";
  r.body = "%y = qnn.conv %a, %b, %c {" + geometry + "} : " + r.type + "\n kernel.yield %y : tensor<1x6x5x18xf32>";
  checkRegion(r);
  r.type = "(tensor<1x4x9x20xi8>, tensor<6x2x3x3xi8>, tensor<6xi32>) -> tensor<1x6x5x18xi32>";
  r.body = "%y = dyadic.conv %a, %b, %c {" + geometry + ", input_zero_point = 7 : i32} : " + r.type +
           "\n kernel.yield %y : tensor<1x6x5x18xi32>";
  checkRegion(r);
  for (std::string layouts :
       {std::string(), std::string("{operand_layouts = [array<i64: 0, 2, 3, 1>, array<i64: 0, 1, 2, 3>, array<i64: "
                                   "0>], result_layouts = [array<i64: 0, 2, 3, 1>]}")}) {
    r.attributes = layouts;
    r.type = "(tensor<1x4x5x10xf32>, tensor<4x3x3x3xf32>, tensor<6xf32>) -> tensor<1x6x11x20xf32>";
    r.body = "%y = qnn.conv_transpose %a, %b, %c {strides = array<i64: 2, 2>, pads = array<i64: 0, 1, 0, 1>, dilations "
             "= array<i64: 1, 1>, output_padding = array<i64: 0, 1>, groups = 2 "
             ": i64} : " +
             r.type + "\n kernel.yield %y : tensor<1x6x11x20xf32>";
    checkRegion(r);
  }
}

} // namespace
