// RUN: quant-interpret %s | FileCheck %s

// Interpolation of [1 2 3 4] (or [1 2]) along the last dimension.

// Asymmetric, factor 2, floor: i / 2.
// CHECK: @nearest#0 s8[1,1,8] = 1 1 2 2 3 3 4 4
// Half pixel to 3: (i + 1/2) / 0.75 - 1/2 = 0.1667, 1.5, 2.8333; prefer floor: 0, 1, 3; prefer ceil: 0, 2, 3.
// CHECK-NEXT: @nearest#1 s8[1,1,3] = 1 2 4
// CHECK-NEXT: @nearest#2 s8[1,1,3] = 1 3 4
func.func @nearest() -> (tensor<1x1x8xi8>, tensor<1x1x3xi8>, tensor<1x1x3xi8>) {
  %x = qnn.constant {value = dense<[[[1, 2, 3, 4]]]> : tensor<1x1x4xi8>} : tensor<1x1x4xi8>
  %0 = qnn.resize %x {shape = affine_map<() -> (1, 1, 8)>, scales = array<f32: 1.0, 1.0, 2.0>, mode = #qnn.resize_mode<nearest>, coordinates = #qnn.resize_coordinates<asymmetric>, nearest = #qnn.nearest_mode<floor>}
    : (tensor<1x1x4xi8>) -> tensor<1x1x8xi8>
  %1 = qnn.resize %x {shape = affine_map<() -> (1, 1, 3)>, scales = array<f32: 1.0, 1.0, 0.75>, mode = #qnn.resize_mode<nearest>, coordinates = #qnn.resize_coordinates<half_pixel>, nearest = #qnn.nearest_mode<round_prefer_floor>}
    : (tensor<1x1x4xi8>) -> tensor<1x1x3xi8>
  %2 = qnn.resize %x {shape = affine_map<() -> (1, 1, 3)>, scales = array<f32: 1.0, 1.0, 0.75>, mode = #qnn.resize_mode<nearest>, coordinates = #qnn.resize_coordinates<half_pixel>, nearest = #qnn.nearest_mode<round_prefer_ceil>}
    : (tensor<1x1x4xi8>) -> tensor<1x1x3xi8>
  return %0, %1, %2 : tensor<1x1x8xi8>, tensor<1x1x3xi8>, tensor<1x1x3xi8>
}

// Half pixel, factor 2 on [1 2]: positions -0.25, 0.25, 0.75, 1.25 with the border repeated: 1, 1.25, 1.75, 2.
// CHECK: @linear#0 f32[1,1,4] = 1 1.25 1.75 2
// Align corners to 3: 0, 0.5, 1.
// CHECK-NEXT: @linear#1 f32[1,1,3] = 1 1.5 2
// Asymmetric: 0, 0.5, 1, 1.5 (the border repeated).
// CHECK-NEXT: @linear#2 f32[1,1,4] = 1 1.5 2 2
// Two dimensions, align corners: the middle of (1 2; 3 6) is 3.
// CHECK-NEXT: @linear#3 f32[1,1,3,3] = 1 1.5 2 2 3 4 3 4.5 6
func.func @linear() -> (tensor<1x1x4xf32>, tensor<1x1x3xf32>, tensor<1x1x4xf32>, tensor<1x1x3x3xf32>) {
  %x = qnn.constant {value = dense<[[[1.0, 2.0]]]> : tensor<1x1x2xf32>} : tensor<1x1x2xf32>
  %p = qnn.constant {value = dense<[[[[1.0, 2.0], [3.0, 6.0]]]]> : tensor<1x1x2x2xf32>} : tensor<1x1x2x2xf32>
  %0 = qnn.resize %x {shape = affine_map<() -> (1, 1, 4)>, scales = array<f32: 1.0, 1.0, 2.0>, mode = #qnn.resize_mode<linear>, coordinates = #qnn.resize_coordinates<half_pixel>, nearest = #qnn.nearest_mode<round_prefer_floor>}
    : (tensor<1x1x2xf32>) -> tensor<1x1x4xf32>
  %1 = qnn.resize %x {shape = affine_map<() -> (1, 1, 3)>, scales = array<f32: 1.0, 1.0, 1.5>, mode = #qnn.resize_mode<linear>, coordinates = #qnn.resize_coordinates<align_corners>, nearest = #qnn.nearest_mode<round_prefer_floor>}
    : (tensor<1x1x2xf32>) -> tensor<1x1x3xf32>
  %2 = qnn.resize %x {shape = affine_map<() -> (1, 1, 4)>, scales = array<f32: 1.0, 1.0, 2.0>, mode = #qnn.resize_mode<linear>, coordinates = #qnn.resize_coordinates<asymmetric>, nearest = #qnn.nearest_mode<round_prefer_floor>}
    : (tensor<1x1x2xf32>) -> tensor<1x1x4xf32>
  %3 = qnn.resize %p {shape = affine_map<() -> (1, 1, 3, 3)>, scales = array<f32: 1.0, 1.0, 1.5, 1.5>, mode = #qnn.resize_mode<linear>, coordinates = #qnn.resize_coordinates<align_corners>, nearest = #qnn.nearest_mode<round_prefer_floor>}
    : (tensor<1x1x2x2xf32>) -> tensor<1x1x3x3xf32>
  return %0, %1, %2, %3 : tensor<1x1x4xf32>, tensor<1x1x3xf32>, tensor<1x1x4xf32>, tensor<1x1x3x3xf32>
}

// Keys' kernel with a = -1/2 at t = 1/2 has the weights -1/16, 9/16, 9/16, -1/16: between 2 and 3 of the line 1 2 3 4 it gives
// (-1 + 18 + 27 - 4) / 16 = 2.5. Asymmetric factor 2, position 3.
// CHECK: @cubic#0 f32[1,1,8] = 1 {{[^ ]*}} 2 2.5 3
// Codes: the interpolated 2.5 rounds to the even code 2, and 3.5 (between 3 and 4, linear) to 4.
// CHECK-NEXT: @cubic#1 s8[1,1,8] = 1 2 2 2 3 4 4 4
func.func @cubic() -> (tensor<1x1x8xf32>, tensor<1x1x8xi8>) {
  %x = qnn.constant {value = dense<[[[1.0, 2.0, 3.0, 4.0]]]> : tensor<1x1x4xf32>} : tensor<1x1x4xf32>
  %c = qnn.constant {value = dense<[[[1, 2, 3, 4]]]> : tensor<1x1x4xi8>} : tensor<1x1x4xi8>
  %0 = qnn.resize %x {shape = affine_map<() -> (1, 1, 8)>, scales = array<f32: 1.0, 1.0, 2.0>, mode = #qnn.resize_mode<cubic>, coordinates = #qnn.resize_coordinates<asymmetric>, nearest = #qnn.nearest_mode<round_prefer_floor>,
    cubic_coefficient = -0.5 : f32} : (tensor<1x1x4xf32>) -> tensor<1x1x8xf32>
  %1 = qnn.resize %c {shape = affine_map<() -> (1, 1, 8)>, scales = array<f32: 1.0, 1.0, 2.0>, mode = #qnn.resize_mode<linear>, coordinates = #qnn.resize_coordinates<asymmetric>, nearest = #qnn.nearest_mode<round_prefer_floor>}
    : (tensor<1x1x4xi8>) -> tensor<1x1x8xi8>
  return %0, %1 : tensor<1x1x8xf32>, tensor<1x1x8xi8>
}
