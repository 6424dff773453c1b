// RUN: quant-interpret %s | FileCheck %s

// Integer-only arithmetic: exact values, checked by hand.

// The example of the op: 1000 * 1431655765 / 2^38 = 5.208 -> 5, + 3 = 8. Then 13000 * 1431655765 / 2^38 = 67.7 -> 68 + 3
// = 71, clamped to 70.
// CHECK: @rescale#0 s8[2] = 8 70
func.func @rescale() -> tensor<2xi8> {
  %x = qnn.constant {value = dense<[1000, 13000]> : tensor<2xi32>} : tensor<2xi32>
  %y = dyadic.rescale %x {multiplier = array<i32: 1431655765>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>,
    zero_point = 3 : i32, clamp = array<i32: -128, 70>} : (tensor<2xi32>) -> tensor<2xi8>
  return %y : tensor<2xi8>
}

// R7: the ties -5/2 .. 5/2, by M = 1/2 = 2^30 * 2^-31.
// CHECK: @rounding#0 s8[6] = -2 -1 0 1 2 3
// CHECK-NEXT: @rounding#1 s8[6] = -3 -2 -1 1 2 3
// CHECK-NEXT: @rounding#2 s8[6] = -2 -2 0 0 2 2
// CHECK-NEXT: @rounding#3 s8[6] = -3 -2 -1 0 1 2
// CHECK-NEXT: @rounding#4 s8[6] = -2 -1 0 0 1 2
func.func @rounding() -> (tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<6xi8>) {
  %x = qnn.constant {value = dense<[-5, -3, -1, 1, 3, 5]> : tensor<6xi32>} : tensor<6xi32>
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 31>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<6xi32>) -> tensor<6xi8>
  %1 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 31>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_away>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<6xi32>) -> tensor<6xi8>
  %2 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 31>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_even>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<6xi32>) -> tensor<6xi8>
  %3 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 31>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<floor>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<6xi32>) -> tensor<6xi8>
  %4 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 31>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<trunc>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<6xi32>) -> tensor<6xi8>
  return %0, %1, %2, %3, %4 : tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<6xi8>
}

// R9, c = 33 (M = 2^30 / 2^33 = 1/8): 11/8 = 1.375. One rounding: 1. TFLITE_DOUBLE: HU(11 * 2^30, 31) = 5.5 -> 6, 6/4 = 1.5 -> 2.
// TOSA_DOUBLE: (11 * 2^30 + 2^32 + 2^30) / 2^33 = 2.
// CHECK: @double_rounding#0 s8[1] = 1
// CHECK-NEXT: @double_rounding#1 s8[1] = 2
// CHECK-NEXT: @double_rounding#2 s8[1] = 2
func.func @double_rounding() -> (tensor<1xi8>, tensor<1xi8>, tensor<1xi8>) {
  %x = qnn.constant {value = dense<11> : tensor<1xi32>} : tensor<1xi32>
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 33>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<1xi32>) -> tensor<1xi8>
  %1 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 33>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<tflite_double>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<1xi32>) -> tensor<1xi8>
  %2 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 33>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<tosa_double>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<1xi32>) -> tensor<1xi8>
  return %0, %1, %2 : tensor<1xi8>, tensor<1xi8>, tensor<1xi8>
}

// One multiplier a channel (dimension 1): 1/2 and 1/4, and a dead channel.
// CHECK: @per_channel#0 s8[1,3,2] = 50 51 25 25 0 0
func.func @per_channel() -> tensor<1x3x2xi8> {
  %x = qnn.constant {value = dense<[[[100, 101], [100, 101], [100, 101]]]> : tensor<1x3x2xi32>} : tensor<1x3x2xi32>
  %y = dyadic.rescale %x {multiplier = array<i32: 1073741824, 1073741824, 0>, shift = array<i8: 31, 32, 31>, multiplier_bits = 31 : i64,
    rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>, axis = 1 : i64} : (tensor<1x3x2xi32>) -> tensor<1x3x2xi8>
  return %y : tensor<1x3x2xi8>
}

// Codes to codes with an input zero point: (20 - 4) / 2 - 1 = 7.
// CHECK: @rescale_codes#0 s8[1] = 7
func.func @rescale_codes() -> tensor<1xi8> {
  %x = qnn.constant {value = dense<20> : tensor<1xi8>} : tensor<1xi8>
  %y = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 31>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>,
    input_zero_point = 4 : i32, zero_point = -1 : i32, clamp = array<i32: -128, 127>} : (tensor<1xi8>) -> tensor<1xi8>
  return %y : tensor<1xi8>
}

// R13: codes [5 7], zero point 5, padding is the zero point: terms (0, 0, 2) . (3 1 4) and (0, 2, 0): 8 + 100 and 2 + 100.
// CHECK: @conv#0 s32[1,1,2] = 108 102
func.func @conv() -> tensor<1x1x2xi32> {
  %x = qnn.constant {value = dense<[[[5, 7]]]> : tensor<1x1x2xi8>} : tensor<1x1x2xi8>
  %w = qnn.constant {value = dense<[[[3, 1, 4]]]> : tensor<1x1x3xi8>} : tensor<1x1x3xi8>
  %b = qnn.constant {value = dense<[100]> : tensor<1xi32>} : tensor<1xi32>
  %y = dyadic.conv %x, %w, %b {strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, groups = 1 : i64, input_zero_point = 5 : i32}
    : (tensor<1x1x2xi8>, tensor<1x1x3xi8>, tensor<1xi32>) -> tensor<1x1x2xi32>
  return %y : tensor<1x1x2xi32>
}

// Depthwise: channel 0: (-1 - 1) * 127 = -254, channel 1: (2 - 1) * -128 = -128.
// CHECK: @conv_depthwise#0 s32[1,2,1] = -254 -128
func.func @conv_depthwise() -> tensor<1x2x1xi32> {
  %x = qnn.constant {value = dense<[[[-1], [2]]]> : tensor<1x2x1xi8>} : tensor<1x2x1xi8>
  %w = qnn.constant {value = dense<[[[127]], [[-128]]]> : tensor<2x1x1xi8>} : tensor<2x1x1xi8>
  %y = dyadic.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 2 : i64, input_zero_point = 1 : i32}
    : (tensor<1x2x1xi8>, tensor<2x1x1xi8>) -> tensor<1x2x1xi32>
  return %y : tensor<1x2x1xi32>
}

// x - 1 = [0 1], kernel [1 10 100], stride 2: 0 0 1 10 100.
// CHECK: @conv_transpose#0 s32[1,1,5] = 0 0 1 10 100
func.func @conv_transpose() -> tensor<1x1x5xi32> {
  %x = qnn.constant {value = dense<[[[1, 2]]]> : tensor<1x1x2xi8>} : tensor<1x1x2xi8>
  %w = qnn.constant {value = dense<[[[1, 10, 100]]]> : tensor<1x1x3xi8>} : tensor<1x1x3xi8>
  %y = dyadic.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, output_padding = array<i64: 0>, groups = 1 : i64,
    input_zero_point = 1 : i32} : (tensor<1x1x2xi8>, tensor<1x1x3xi8>) -> tensor<1x1x5xi32>
  return %y : tensor<1x1x5xi32>
}

// (-128 - 127) * -128 * 2 + 5 = 65285.
// CHECK: @linear#0 s32[1,1] = 65285
// (3 - 1) * (4 - 2) + (5 - 1) * (6 - 2) = 20.
// CHECK-NEXT: @linear#1 s32[1,1] = 20
func.func @linear() -> (tensor<1x1xi32>, tensor<1x1xi32>) {
  %x = qnn.constant {value = dense<-128> : tensor<1x2xi8>} : tensor<1x2xi8>
  %b = qnn.constant {value = dense<5> : tensor<1xi32>} : tensor<1xi32>
  %0 = dyadic.linear %x, %x, %b {input_zero_point = 127 : i32} : (tensor<1x2xi8>, tensor<1x2xi8>, tensor<1xi32>) -> tensor<1x1xi32>
  %l = qnn.constant {value = dense<[[3, 5]]> : tensor<1x2xi8>} : tensor<1x2xi8>
  %r = qnn.constant {value = dense<[[4], [6]]> : tensor<2x1xi8>} : tensor<2x1xi8>
  %1 = dyadic.matmul %l, %r {lhs_zero_point = 1 : i32, rhs_zero_point = 2 : i32} : (tensor<1x2xi8>, tensor<2x1xi8>) -> tensor<1x1xi32>
  return %0, %1 : tensor<1x1xi32>, tensor<1x1xi32>
}

// E1: (10 - 1) / 2 + (20 - 2) / 4 = 9 exactly, one rounding: 4.5 + 4.5 = 9 (rounding each branch up would give 10); + 3.
// The second: (11 - 1)/2 + (21 - 2)/4 = 9.75 -> 10 + 3.
// CHECK: @add#0 s8[2] = 12 13
func.func @add() -> tensor<2xi8> {
  %a = qnn.constant {value = dense<[10, 11]> : tensor<2xi8>} : tensor<2xi8>
  %b = qnn.constant {value = dense<[20, 21]> : tensor<2xi8>} : tensor<2xi8>
  %y = dyadic.add %a, %b {lhs_zero_point = 1 : i32, rhs_zero_point = 2 : i32, lhs_multiplier = 1073741824 : i32, rhs_multiplier = 536870912 : i32, shift = 31 : i8,
    rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2xi8>, tensor<2xi8>) -> tensor<2xi8>
  return %y : tensor<2xi8>
}

// E3, one factor broadcast: (7 - 1) * (5 - 2) / 4 = 4.5 -> 5; (-5 - 1) * 3 / 4 = -4.5 -> -4 (half up).
// CHECK: @mul#0 s8[1,2] = 5 -4
func.func @mul() -> tensor<1x2xi8> {
  %a = qnn.constant {value = dense<[[7, -5]]> : tensor<1x2xi8>} : tensor<1x2xi8>
  %b = qnn.constant {value = dense<5> : tensor<1x1xi8>} : tensor<1x1xi8>
  %y = dyadic.mul %a, %b {lhs_zero_point = 1 : i32, rhs_zero_point = 2 : i32, multiplier = 1073741824 : i32, shift = 32 : i8, multiplier_bits = 31 : i64,
    rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<1x2xi8>, tensor<1x1xi8>) -> tensor<1x2xi8>
  return %y : tensor<1x2xi8>
}

// E4: (1 - 1) + (2 - 1) + (6 - 1) = 6, a mean of 2 through 1/3: scale 1 over a count of 3.
// CHECK: @means#0 s32[1] = 6
// CHECK-NEXT: @means#1 s8[1] = 2
func.func @means() -> (tensor<1xi32>, tensor<1xi8>) {
  %x = qnn.constant {value = dense<[[1, 2, 6]]> : tensor<1x3xi8>} : tensor<1x3xi8>
  %0 = dyadic.reduce_sum %x {axes = array<i64: 1>, keepdims = false, input_zero_point = 1 : i32} : (tensor<1x3xi8>) -> tensor<1xi32>
  %1 = dyadic.rescale_mean %0 {count = affine_map<() -> (3)>, scale = 1.0 : f64, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32,
    clamp = array<i32: -128, 127>} : (tensor<1xi32>) -> tensor<1xi8>
  return %0, %1 : tensor<1xi32>, tensor<1xi8>
}

// Windows (pad 4 8) and (8 9 pad): two elements each, M = 1/2: 6 and 8.5 -> 9. With the padding counted M = 1/3
// (1431655765 / 2^32): 4 and 17/3 = 5.67 -> 6.
// CHECK: @avg_pool#0 s8[1,1,2] = 6 9
// CHECK-NEXT: @avg_pool#1 s8[1,1,2] = 4 6
func.func @avg_pool() -> (tensor<1x1x2xi8>, tensor<1x1x2xi8>) {
  %x = qnn.constant {value = dense<[[[4, 8, 9]]]> : tensor<1x1x3xi8>} : tensor<1x1x3xi8>
  %0 = dyadic.avg_pool %x {kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, input_zero_point = 0 : i32,
    multiplier = array<i32: 1073741824, 1073741824, 1431655765>, shift = array<i8: 30, 31, 32>, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32,
    clamp = array<i32: -128, 127>} : (tensor<1x1x3xi8>) -> tensor<1x1x2xi8>
  %1 = dyadic.avg_pool %x {kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, input_zero_point = 0 : i32,
    count_include_pad = true, multiplier = array<i32: 1073741824, 1073741824, 1431655765>, shift = array<i8: 30, 31, 32>, rounding = #dyadic.rounding<half_up>,
    zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<1x1x3xi8>) -> tensor<1x1x2xi8>
  return %0, %1 : tensor<1x1x2xi8>, tensor<1x1x2xi8>
}

// The table of the negative: -(-128) saturates at 127.
// CHECK: @lookup#0 s8[3] = 127 -5 -127
func.func @lookup() -> tensor<3xi8> {
  %x = qnn.constant {value = dense<[-128, 5, 127]> : tensor<3xi8>} : tensor<3xi8>
  %y = dyadic.lookup %x {table = array<i8: 127, 127, 126, 125, 124, 123, 122, 121, 120, 119, 118, 117, 116, 115, 114, 113, 112, 111, 110, 109, 108, 107, 106, 105, 104, 103, 102, 101, 100, 99, 98, 97, 96, 95, 94, 93, 92, 91, 90, 89, 88, 87, 86, 85, 84, 83, 82, 81, 80, 79, 78, 77, 76, 75, 74, 73, 72, 71, 70, 69, 68, 67, 66, 65, 64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12, -13, -14, -15, -16, -17, -18, -19, -20, -21, -22, -23, -24, -25, -26, -27, -28, -29, -30, -31, -32, -33, -34, -35, -36, -37, -38, -39, -40, -41, -42, -43, -44, -45, -46, -47, -48, -49, -50, -51, -52, -53, -54, -55, -56, -57, -58, -59, -60, -61, -62, -63, -64, -65, -66, -67, -68, -69, -70, -71, -72, -73, -74, -75, -76, -77, -78, -79, -80, -81, -82, -83, -84, -85, -86, -87, -88, -89, -90, -91, -92, -93, -94, -95, -96, -97, -98, -99, -100, -101, -102, -103, -104, -105, -106, -107, -108, -109, -110, -111, -112, -113, -114, -115, -116, -117, -118, -119, -120, -121, -122, -123, -124, -125, -126, -127>} : (tensor<3xi8>) -> tensor<3xi8>
  return %y : tensor<3xi8>
}
