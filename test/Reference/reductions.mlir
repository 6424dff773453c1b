// RUN: quant-interpret %s | FileCheck %s

// Reductions (F3), softmax, norms, pooling.

// CHECK: @reduce#0 f32[2] = 6 15
// CHECK-NEXT: @reduce#1 f32[1,3] = 2.5 3.5 4.5
// CHECK-NEXT: @reduce#2 f32[] = 6
// CHECK-NEXT: @reduce#3 f32[2] = 1 4
// sqrt(1 + 16) = 4.12310563, sqrt(4 + 25) = 5.38516481, sqrt(9 + 36) = 6.70820393
// CHECK-NEXT: @reduce#4 f32[3] = 4.12310553 5.38516474 6.70820379
// CHECK-NEXT: @reduce#5 s64[2,1] = 2 2
func.func @reduce() -> (tensor<2xf32>, tensor<1x3xf32>, tensor<f32>, tensor<2xf32>, tensor<3xf32>, tensor<2x1xi64>) {
  %x = qnn.constant {value = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>} : tensor<2x3xf32>
  %0 = qnn.reduce_sum %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xf32>
  %1 = qnn.reduce_mean %x {axes = array<i64: 0>, keepdims = true} : (tensor<2x3xf32>) -> tensor<1x3xf32>
  %2 = qnn.reduce_max %x {axes = array<i64: 0, 1>, keepdims = false} : (tensor<2x3xf32>) -> tensor<f32>
  %3 = qnn.reduce_min %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xf32>
  %4 = qnn.reduce_l2 %x {axes = array<i64: 0>, keepdims = false} : (tensor<2x3xf32>) -> tensor<3xf32>
  %5 = qnn.argmax %x {axis = 1 : i64, keepdims = true} : (tensor<2x3xf32>) -> tensor<2x1xi64>
  return %0, %1, %2, %3, %4, %5 : tensor<2xf32>, tensor<1x3xf32>, tensor<f32>, tensor<2xf32>, tensor<3xf32>, tensor<2x1xi64>
}

// F3: elements 0 and 16 meet first (one partial), elements 0 and 8 later. Row 1: 2^24 at 0, -2^24 at 16 cancel in their
// partial before the 1 at 8 joins: 1. Row 2: 2^24 at 0, 1 at 16 -> 2^24 (rounded), then -2^24 from 8: 0.
// CHECK: @partials#0 f32[2] = 1 0
func.func @partials() -> tensor<2xf32> {
  %x = qnn.constant {value = dense<[
    [16777216.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -16777216.0],
    [16777216.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -16777216.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]> : tensor<2x17xf32>} : tensor<2x17xf32>
  %0 = qnn.reduce_sum %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x17xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// The first of equal elements, or the last.
// CHECK: @argmax#0 s64[1] = 1
// CHECK-NEXT: @argmax#1 s64[1] = 2
func.func @argmax() -> (tensor<1xi64>, tensor<1xi64>) {
  %x = qnn.constant {value = dense<[[1, 9, 9, 0]]> : tensor<1x4xi8>} : tensor<1x4xi8>
  %0 = qnn.argmax %x {axis = 1 : i64, keepdims = false} : (tensor<1x4xi8>) -> tensor<1xi64>
  %1 = qnn.argmax %x {axis = 1 : i64, keepdims = false, select_last = true} : (tensor<1x4xi8>) -> tensor<1xi64>
  return %0, %1 : tensor<1xi64>, tensor<1xi64>
}

// Integer sums are exact and wrap to their type; the mean truncates: (7 + 8) / 2 = 7, (-7 - 8) / 2 = -7.
// CHECK: @integer_reduce#0 s32[2] = 15 -15
// CHECK-NEXT: @integer_reduce#1 s32[2] = 7 -7
func.func @integer_reduce() -> (tensor<2xi32>, tensor<2xi32>) {
  %x = qnn.constant {value = dense<[[7, 8], [-7, -8]]> : tensor<2x2xi32>} : tensor<2x2xi32>
  %0 = qnn.reduce_sum %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x2xi32>) -> tensor<2xi32>
  %1 = qnn.reduce_mean %x {axes = array<i64: 1>, keepdims = false} : (tensor<2x2xi32>) -> tensor<2xi32>
  return %0, %1 : tensor<2xi32>, tensor<2xi32>
}

// Along axis 0: columns (0, 0) -> 1/2 each; (100, 0) -> 1 and e^-100 = 3.72e-44; log softmax of equal elements: -ln 2.
// CHECK: @softmax#0 f32[2,2] = 0.5 1 0.5 3.7{{[0-9]*}}e-44
// CHECK-NEXT: @softmax#1 f32[2,2] = -0.693147{{[0-9]*}} 0 -0.693147{{[0-9]*}} -100
func.func @softmax() -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %x = qnn.constant {value = dense<[[0.0, 100.0], [0.0, 0.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.softmax %x {axis = 0 : i64} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = qnn.log_softmax %x {axis = 0 : i64} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0, %1 : tensor<2x2xf32>, tensor<2x2xf32>
}

// [1 3 5 7]: mean 4, variance 5; epsilon 4 gives a deviation of 3: -1, -1/3, 1/3, 1; times 3, plus 1 (0 shows the
// rounding of 1/3: at most 2^-24 = 6e-8).
// CHECK: @layer_norm#0 f32[1,4] = -2 {{(0|-?[2-5][.0-9]*e-08)}} 2 4
// CHECK-NEXT: @layer_norm#1 f32[1,4] = -1 -0.33333{{[0-9]*}} 0.33333{{[0-9]*}} 1
func.func @layer_norm() -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %x = qnn.constant {value = dense<[[1.0, 3.0, 5.0, 7.0]]> : tensor<1x4xf32>} : tensor<1x4xf32>
  %s = qnn.constant {value = dense<3.0> : tensor<4xf32>} : tensor<4xf32>
  %b = qnn.constant {value = dense<1.0> : tensor<4xf32>} : tensor<4xf32>
  %0 = qnn.layer_norm %x scale %s : tensor<4xf32> bias %b : tensor<4xf32> {axis = 1 : i64, epsilon = 4.0 : f32} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %1 = qnn.layer_norm %x {axis = 1 : i64, epsilon = 4.0 : f32} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  return %0, %1 : tensor<1x4xf32>, tensor<1x4xf32>
}

// Batch norm: (x - mean) / sqrt(var + 1) * scale + bias with var + 1 = 4: (3 - 1)/2 * 10 + 1 = 11; channel 2: (8 - 0)/2 * 1 - 4 = 0.
// Group norm, one group over (3, 8): mean 5.5, variance 6.25, epsilon 0: -1 and 1: 10 * -1 + 1 = -9; 1 - 4 = -3.
// CHECK: @channel_norms#0 f32[1,2,1] = 11 0
// CHECK-NEXT: @channel_norms#1 f32[1,2,1] = -9 -3
func.func @channel_norms() -> (tensor<1x2x1xf32>, tensor<1x2x1xf32>) {
  %x = qnn.constant {value = dense<[[[3.0], [8.0]]]> : tensor<1x2x1xf32>} : tensor<1x2x1xf32>
  %s = qnn.constant {value = dense<[10.0, 1.0]> : tensor<2xf32>} : tensor<2xf32>
  %b = qnn.constant {value = dense<[1.0, -4.0]> : tensor<2xf32>} : tensor<2xf32>
  %m = qnn.constant {value = dense<[1.0, 0.0]> : tensor<2xf32>} : tensor<2xf32>
  %v = qnn.constant {value = dense<3.0> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.batch_norm %x, %s, %b, %m, %v {epsilon = 1.0 : f32}
    : (tensor<1x2x1xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x1xf32>
  %1 = qnn.group_norm %x, %s, %b {groups = 1 : i64, epsilon = 0.0 : f32} : (tensor<1x2x1xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x1xf32>
  return %0, %1 : tensor<1x2x1xf32>, tensor<1x2x1xf32>
}

// [1 2 3 4 5], kernel 3, stride 2, one pad at each end: windows (pad 1 2) (2 3 4) (4 5 pad).
// Averages without the padding 1.5, 3, 4.5; with it 1, 3, 3.
// CHECK: @pools#0 f32[1,1,3] = 2 4 5
// CHECK-NEXT: @pools#1 f32[1,1,3] = 1.5 3 4.5
// CHECK-NEXT: @pools#2 f32[1,1,3] = 1 3 3
// Stride 3, no padding, ceil: (1 2 3) (4 5 -): the overhang belongs neither to the input nor to its padding.
// CHECK-NEXT: @pools#3 f32[1,1,2] = 2 4.5
// Dilation 2: (1 3 5).
// CHECK-NEXT: @pools#4 f32[1,1,1] = 5
func.func @pools() -> (tensor<1x1x3xf32>, tensor<1x1x3xf32>, tensor<1x1x3xf32>, tensor<1x1x2xf32>, tensor<1x1x1xf32>) {
  %x = qnn.constant {value = dense<[[[1.0, 2.0, 3.0, 4.0, 5.0]]]> : tensor<1x1x5xf32>} : tensor<1x1x5xf32>
  %0 = qnn.max_pool %x {kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>} : (tensor<1x1x5xf32>) -> tensor<1x1x3xf32>
  %1 = qnn.avg_pool %x {kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>} : (tensor<1x1x5xf32>) -> tensor<1x1x3xf32>
  %2 = qnn.avg_pool %x {kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, count_include_pad = true}
    : (tensor<1x1x5xf32>) -> tensor<1x1x3xf32>
  %3 = qnn.avg_pool %x {kernel = array<i64: 3>, strides = array<i64: 3>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, ceil_mode = true, count_include_pad = true}
    : (tensor<1x1x5xf32>) -> tensor<1x1x2xf32>
  %4 = qnn.max_pool %x {kernel = array<i64: 3>, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 2>} : (tensor<1x1x5xf32>) -> tensor<1x1x1xf32>
  return %0, %1, %2, %3, %4 : tensor<1x1x3xf32>, tensor<1x1x3xf32>, tensor<1x1x3xf32>, tensor<1x1x2xf32>, tensor<1x1x1xf32>
}

// Codes: the border of a max pool is the smallest code, so it never wins.
// CHECK: @max_pool_codes#0 s8[1,1,2] = -100 -90
func.func @max_pool_codes() -> tensor<1x1x2xi8> {
  %x = qnn.constant {value = dense<[[[-128, -100, -90]]]> : tensor<1x1x3xi8>} : tensor<1x1x3xi8>
  %0 = qnn.max_pool %x {kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>} : (tensor<1x1x3xi8>) -> tensor<1x1x2xi8>
  return %0 : tensor<1x1x2xi8>
}

// Means 2 and 10; hidden = relu(1*2 + 0*10 - 1) = 1; gates hard_sigmoid(0.25 * (1*1 + 1) + 0.5) = 1 and (0.25 * (-1*1 + 0) + 0.5) = 0.25.
// CHECK: @squeeze_excite#0 f32[1,2,2] = 1 3 2 3
func.func @squeeze_excite() -> tensor<1x2x2xf32> {
  %x = qnn.constant {value = dense<[[[1.0, 3.0], [8.0, 12.0]]]> : tensor<1x2x2xf32>} : tensor<1x2x2xf32>
  %w1 = qnn.constant {value = dense<[[1.0, 0.0]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %b1 = qnn.constant {value = dense<[-1.0]> : tensor<1xf32>} : tensor<1xf32>
  %w2 = qnn.constant {value = dense<[[1.0], [-1.0]]> : tensor<2x1xf32>} : tensor<2x1xf32>
  %b2 = qnn.constant {value = dense<[1.0, 0.0]> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.squeeze_excite %x, %w1, %b1, %w2, %b2 {gate = "hard_sigmoid", alpha = 0.25 : f32, beta = 0.5 : f32}
    : (tensor<1x2x2xf32>, tensor<1x2xf32>, tensor<1xf32>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>
  return %0 : tensor<1x2x2xf32>
}
