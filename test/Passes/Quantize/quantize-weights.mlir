// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(quantize-weights))' | FileCheck %s
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(quantize-weights))' --remarks-filter=quantize --remark-format=emitRemark 2>&1 | FileCheck %s --check-prefix=REMARK

// Row 0: absmax 1.27, scale 0.01, codes 127 and round(-0.5/0.01) = -50. Row 1: absmax 2.54, scale 0.02, codes 0.3/0.02 = 15 and 127.
// CHECK-LABEL: func.func @linear
// CHECK: %[[CODES:.*]] = qnn.constant {name = "w/codes", value = dense<{{\[\[}}127, -50], [15, 127]]> : tensor<2x2xi8>}
// CHECK: %[[SCALE:.*]] = qnn.constant {name = "w/scale", value = dense<[0.00999999977, 2.000000e-02]> : tensor<2xf32>}
// CHECK: %[[W:.*]] = qnn.dequantize %[[CODES]], %[[SCALE]] {name = "w/dequantize", scheme = #qnn.scheme<s8, axis 0>}
// CHECK: qnn.linear %{{.*}}, %[[W]]
func.func @linear(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<[[1.27, -0.5], [0.3, 2.54]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  %1 = qnn.linear %0, %w {name = "first", qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %1 : tensor<1x2xf32>
}

// -----

// A channel with next to no weights but a bias: the bias 1 must fit int32 at the scale s_x * s_w, so s_w >= 1 / (0.5 * 2^30) = 1.86e-9.
// CHECK-LABEL: func.func @dead_channel
// CHECK: qnn.constant {name = "w/codes", value = dense<{{\[\[}}0, 0], [127, 127]]> : tensor<2x2xi8>}
// CHECK: qnn.constant {name = "w/scale", value = dense<[1.86264537E-9, 0.00787401571]> : tensor<2xf32>}
func.func @dead_channel(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<[[1.0e-20, 0.0], [1.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %b = qnn.constant {name = "b", value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  %1 = qnn.linear %0, %w, %b {name = "first", qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  return %1 : tensor<1x2xf32>
}

// -----

// A product that reads float keeps its weight.
// CHECK-LABEL: func.func @float
// CHECK-NOT: qnn.dequantize
// CHECK: return
func.func @float(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %1 = qnn.linear %x, %w {name = "first", qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %1 : tensor<1x2xf32>
}

// -----

// A clipped channel whose scale the bias makes coarser (1.86e-9, as above): what lies beyond the range stays at its end, -2e-8 is -7, not -11.
// CHECK-LABEL: func.func @clipped_and_coarse
// CHECK: qnn.constant {name = "w/codes", value = dense<{{\[\[}}1, 1, 1, -7]]> : tensor<1x4xi4>}
func.func @clipped_and_coarse(%x: tensor<1x4xi8> {qnn.name = "x"}) -> tensor<1x1xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<[[1.0e-9, 1.0e-9, 1.0e-9, -2.0e-8]]> : tensor<1x4xf32>} : tensor<1x4xf32>
  %b = qnn.constant {name = "b", value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x4xi8>, tensor<f32>) -> tensor<1x4xf32>
  %1 = qnn.linear %0, %w, %b {name = "first", qnn.weight_scheme = #qnn.scheme<s4, axis 0>, qnn.weight_clip = "percentile", qnn.weight_percentile = 50.0 : f64} : (tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}

// -----

// Six bits are stored in eight: 1 is code 31.
// CHECK-LABEL: func.func @six_bits
// CHECK: %[[CODES:.*]] = qnn.constant {name = "w/codes", value = dense<{{\[\[}}31, -16]]> : tensor<1x2xi8>}
// CHECK: qnn.dequantize %[[CODES]], %{{.*}} {name = "w/dequantize", scheme = #qnn.scheme<s8, axis 0>}
func.func @six_bits(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x1xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<[[1.0, -0.5]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  %1 = qnn.linear %0, %w {name = "first", qnn.weight_scheme = #qnn.scheme<s6, axis 0>} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}

// -----

// R14 with 16-bit weights: 4096 * 32767 * 255 = 3.4e10. As much as one step of all weights is kept for rounding: 4096 * 255 / (2^31
// - 2 - 4096 * 255) = 4.8661e-4, codes up to 2055: 13 bits with their sign.
// CHECK-LABEL: func.func @accumulator
// CHECK: "w/codes"{{.*}} : tensor<1x4096xi16>
// CHECK: qnn.constant {name = "w/scale", value = dense<4.8661{{[0-9]*}}E-4> : tensor<1xf32>}
// REMARK: 1 of 1 scales are coarser so that sums stay in 32 bits (R14): codes of 13 bits or more
func.func @accumulator(%x: tensor<1x4096xi8> {qnn.name = "x"}) -> tensor<1x1xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<-128> : tensor<i8>} : tensor<i8>
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<1x4096xf32>} : tensor<1x4096xf32>
  %0 = qnn.dequantize %x, %s, %z {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x4096xi8>, tensor<f32>, tensor<i8>) -> tensor<1x4096xf32>
  %1 = qnn.linear %0, %w {name = "first", qnn.weight_scheme = #qnn.scheme<s16, axis 0>} : (tensor<1x4096xf32>, tensor<1x4096xf32>) -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}

// -----

// A depthwise filter of 16 bits on activations of 16: 9 equal weights, 9 * 32768 = 294912 for each step of the weights; (2^31 - 2 -
// 294912) / 294912 = 7280.8, rounded 7281: codes of 14 bits.
// CHECK-LABEL: func.func @depthwise
// CHECK: "w/codes", value = dense<7281> : tensor<2x1x3x3xi16>
// REMARK: 2 of 2 scales are coarser so that sums stay in 32 bits (R14): codes of 14 bits or more
func.func @depthwise(%x: tensor<1x2x4x4xi16> {qnn.name = "x"}) -> tensor<1x2x2x2xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x1x3x3xf32>} : tensor<2x1x3x3xf32>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x2x4x4xi16>, tensor<f32>) -> tensor<1x2x4x4xf32>
  %1 = qnn.conv %0, %w {name = "dw", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 2 : i64, qnn.weight_scheme = #qnn.scheme<s16, axis 0>} : (tensor<1x2x4x4xf32>, tensor<2x1x3x3xf32>) -> tensor<1x2x2x2xf32>
  return %1 : tensor<1x2x2x2xf32>
}
