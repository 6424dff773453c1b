// RUN: quant-interpret %s | FileCheck %s

// Products: one chain in the order of k from 0, then the bias.

// x = [[1, 2, 3], [4, 5, 6]], W = [[1, 0, -1], [2, 1, 0]] (rows are outputs), b = [10, 20].
// Row 1: 1*1 + 3*-1 + 10 = 8; 1*2 + 2*1 + 20 = 24. Row 2: 4 - 6 + 10 = 8; 8 + 5 + 20 = 33.
// CHECK: @linear#0 f32[2,2] = 8 24 8 33
func.func @linear() -> tensor<2x2xf32> {
  %x = qnn.constant {value = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>} : tensor<2x3xf32>
  %w = qnn.constant {value = dense<[[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]]> : tensor<2x3xf32>} : tensor<2x3xf32>
  %b = qnn.constant {value = dense<[10.0, 20.0]> : tensor<2xf32>} : tensor<2xf32>
  %y = qnn.linear %x, %w, %b : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// The chain 0 + 2^24*1 + 1*1 + 1*1 in float32: 2^24 + 1 rounds to even 2^24 twice (adding 1 + 1 first would give 2^24 + 2).
// CHECK: @order_of_k#0 f32[1,1] = 16777216
func.func @order_of_k() -> tensor<1x1xf32> {
  %x = qnn.constant {value = dense<[[16777216.0, 1.0, 1.0]]> : tensor<1x3xf32>} : tensor<1x3xf32>
  %w = qnn.constant {value = dense<1.0> : tensor<1x3xf32>} : tensor<1x3xf32>
  %y = qnn.linear %x, %w : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// The product is not rounded before the addition: (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24, minus (1 + 2^-11) leaves 2^-24 =
// 5.96046448e-08 (a rounded product would leave 0).
// CHECK: @fused_multiply_add#0 f32[1,1] = 5.96046448e-08
func.func @fused_multiply_add() -> tensor<1x1xf32> {
  %x = qnn.constant {value = dense<[[1.00048828125, 1.000244140625]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %w = qnn.constant {value = dense<[[-1.0, 1.000244140625]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %y = qnn.linear %x, %w : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// Batch 2 of a broadcast against one b: [1 2] [[1 2] [3 4]] = [7 10]; [0 1] b = [3 4].
// CHECK: @matmul_broadcast#0 f32[2,1,2] = 7 10 3 4
func.func @matmul_broadcast() -> tensor<2x1x2xf32> {
  %a = qnn.constant {value = dense<[[[1.0, 2.0]], [[0.0, 1.0]]]> : tensor<2x1x2xf32>} : tensor<2x1x2xf32>
  %b = qnn.constant {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %y = qnn.matmul %a, %b : (tensor<2x1x2xf32>, tensor<2x2xf32>) -> tensor<2x1x2xf32>
  return %y : tensor<2x1x2xf32>
}

// x = [1 2 3; 4 5 6; 7 8 9], kernel [1 0; 0 -1], no padding: x[i,j] - x[i+1,j+1] = -4 everywhere; bias 1.
// CHECK: @conv#0 f32[1,1,2,2] = -3 -3 -3 -3
func.func @conv() -> tensor<1x1x2x2xf32> {
  %x = qnn.constant {value = dense<[[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]]> : tensor<1x1x3x3xf32>} : tensor<1x1x3x3xf32>
  %w = qnn.constant {value = dense<[[[[1.0, 0.0], [0.0, -1.0]]]]> : tensor<1x1x2x2xf32>} : tensor<1x1x2x2xf32>
  %b = qnn.constant {value = dense<[1.0]> : tensor<1xf32>} : tensor<1xf32>
  %y = qnn.conv %x, %w, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64}
    : (tensor<1x1x3x3xf32>, tensor<1x1x2x2xf32>, tensor<1xf32>) -> tensor<1x1x2x2xf32>
  return %y : tensor<1x1x2x2xf32>
}

// One dimension, stride 2, one zero at each end, dilation 2: taps at 2p-1 and 2p+1 of [1 2 3 4]:
// p=0: (pad, 2) -> 2; p=1: (2, 4) -> 6. With weights [1 1].
// CHECK: @conv_strided_dilated#0 f32[1,1,2] = 2 6
func.func @conv_strided_dilated() -> tensor<1x1x2xf32> {
  %x = qnn.constant {value = dense<[[[1.0, 2.0, 3.0, 4.0]]]> : tensor<1x1x4xf32>} : tensor<1x1x4xf32>
  %w = qnn.constant {value = dense<1.0> : tensor<1x1x2xf32>} : tensor<1x1x2xf32>
  %y = qnn.conv %x, %w {strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 2>, groups = 1 : i64}
    : (tensor<1x1x4xf32>, tensor<1x1x2xf32>) -> tensor<1x1x2xf32>
  return %y : tensor<1x1x2xf32>
}

// Taps outer, channels inner: the chain is 2^24 (tap 0, channel 0), then 1 (tap 0, channel 1) -> 2^24, then -2^24 (tap 1,
// channel 0) -> 0, then 0. With channels outer 2^24 - 2^24 would come first and 1 would survive.
// CHECK: @conv_order#0 f32[1,1,1] = 0
func.func @conv_order() -> tensor<1x1x1xf32> {
  %x = qnn.constant {value = dense<[[[16777216.0, -16777216.0], [1.0, 0.0]]]> : tensor<1x2x2xf32>} : tensor<1x2x2xf32>
  %w = qnn.constant {value = dense<1.0> : tensor<1x2x2xf32>} : tensor<1x2x2xf32>
  %y = qnn.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64}
    : (tensor<1x2x2xf32>, tensor<1x2x2xf32>) -> tensor<1x1x1xf32>
  return %y : tensor<1x1x1xf32>
}

// Two groups of two channels: output 0 = x0 + x1, output 1 = x2 - x3 at each of two positions.
// CHECK: @conv_grouped#0 f32[1,2,2] = 11 22 -4 -5
func.func @conv_grouped() -> tensor<1x2x2xf32> {
  %x = qnn.constant {value = dense<[[[1.0, 2.0], [10.0, 20.0], [3.0, 4.0], [7.0, 9.0]]]> : tensor<1x4x2xf32>} : tensor<1x4x2xf32>
  %w = qnn.constant {value = dense<[[[1.0], [1.0]], [[1.0], [-1.0]]]> : tensor<2x2x1xf32>} : tensor<2x2x1xf32>
  %y = qnn.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 2 : i64}
    : (tensor<1x4x2xf32>, tensor<2x2x1xf32>) -> tensor<1x2x2xf32>
  return %y : tensor<1x2x2xf32>
}

// Depthwise, kernel 2, one zero in front: channel 0 with [1 2]: (0,1) -> 2, (1,3) -> 7; channel 1 with [-1 1]: (0,5) -> 5, (5,6) -> 1.
// CHECK: @conv_depthwise#0 f32[1,2,2] = 2 7 5 1
func.func @conv_depthwise() -> tensor<1x2x2xf32> {
  %x = qnn.constant {value = dense<[[[1.0, 3.0], [5.0, 6.0]]]> : tensor<1x2x2xf32>} : tensor<1x2x2xf32>
  %w = qnn.constant {value = dense<[[[1.0, 2.0]], [[-1.0, 1.0]]]> : tensor<2x1x2xf32>} : tensor<2x1x2xf32>
  %y = qnn.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 1, 0>, dilations = array<i64: 1>, groups = 2 : i64}
    : (tensor<1x2x2xf32>, tensor<2x1x2xf32>) -> tensor<1x2x2xf32>
  return %y : tensor<1x2x2xf32>
}

// Transposed: x = [1 2], kernel [1 10 100], stride 2: position 2i + t gets x[i] w[t]: 1, 10, 100 + 2, 20, 200; without the
// first element (pad 1 at the front): 10 102 20 200.
// CHECK: @conv_transpose#0 f32[1,1,4] = 10 102 20 200
func.func @conv_transpose() -> tensor<1x1x4xf32> {
  %x = qnn.constant {value = dense<[[[1.0, 2.0]]]> : tensor<1x1x2xf32>} : tensor<1x1x2xf32>
  %w = qnn.constant {value = dense<[[[1.0, 10.0, 100.0]]]> : tensor<1x1x3xf32>} : tensor<1x1x3xf32>
  %y = qnn.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 1, 0>, dilations = array<i64: 1>, output_padding = array<i64: 0>, groups = 1 : i64}
    : (tensor<1x1x2xf32>, tensor<1x1x3xf32>) -> tensor<1x1x4xf32>
  return %y : tensor<1x1x4xf32>
}

// Two inputs, two outputs, kernel 1: y_o = sum_c x_c w[c, o]: y_0 = 1*1 + 2*3 = 7, y_1 = 1*2 + 2*4 = 10.
// CHECK: @conv_transpose_channels#0 f32[1,2,1] = 7 10
func.func @conv_transpose_channels() -> tensor<1x2x1xf32> {
  %x = qnn.constant {value = dense<[[[1.0], [2.0]]]> : tensor<1x2x1xf32>} : tensor<1x2x1xf32>
  %w = qnn.constant {value = dense<[[[1.0], [2.0]], [[3.0], [4.0]]]> : tensor<2x2x1xf32>} : tensor<2x2x1xf32>
  %y = qnn.conv_transpose %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, output_padding = array<i64: 0>, groups = 1 : i64}
    : (tensor<1x2x1xf32>, tensor<2x2x1xf32>) -> tensor<1x2x1xf32>
  return %y : tensor<1x2x1xf32>
}

// Integer operands are exact: 100*100 + 27*1 = 10027 in i32.
// CHECK: @integer_matmul#0 s32[1,1] = 10027
func.func @integer_matmul() -> tensor<1x1xi32> {
  %a = qnn.constant {value = dense<[[100, 27]]> : tensor<1x2xi32>} : tensor<1x2xi32>
  %b = qnn.constant {value = dense<[[100], [1]]> : tensor<2x1xi32>} : tensor<2x1xi32>
  %y = qnn.matmul %a, %b : (tensor<1x2xi32>, tensor<2x1xi32>) -> tensor<1x1xi32>
  return %y : tensor<1x1xi32>
}

// bfloat16 storage: 1.0078125 + 1 + 1 sums in float32 to 3.0078125 and is rounded once: neighbours are 3 and 3.015625, a tie,
// so the even 3.
// CHECK: @bf16_storage#0 bf16[1,1] = 3
func.func @bf16_storage() -> tensor<1x1xbf16> {
  %a = qnn.constant {value = dense<[[1.0078125, 1.0, 1.0]]> : tensor<1x3xbf16>} : tensor<1x3xbf16>
  %b = qnn.constant {value = dense<1.0> : tensor<1x3xbf16>} : tensor<1x3xbf16>
  %y = qnn.linear %a, %b : (tensor<1x3xbf16>, tensor<1x3xbf16>) -> tensor<1x1xbf16>
  return %y : tensor<1x1xbf16>
}
