// RUN: quant-interpret %s | FileCheck %s

// Shape and data movement act on any element type.

// CHECK: @transpose#0 s8[3,2] = 1 4 2 5 3 6
func.func @transpose() -> tensor<3x2xi8> {
  %x = qnn.constant {value = dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi8>} : tensor<2x3xi8>
  %y = qnn.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x3xi8>) -> tensor<3x2xi8>
  return %y : tensor<3x2xi8>
}

// CHECK: @reshape#0 s64[3,2] = 1 2 3 4 5 6
// CHECK-NEXT: @reshape#1 s64[2,3] = 7 7 7 8 8 8
func.func @reshape() -> (tensor<3x2xi64>, tensor<2x3xi64>) {
  %x = qnn.constant {value = dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>} : tensor<2x3xi64>
  %c = qnn.constant {value = dense<[[7], [8]]> : tensor<2x1xi64>} : tensor<2x1xi64>
  %y = qnn.reshape %x {shape = affine_map<() -> (3, 2)>} : (tensor<2x3xi64>) -> tensor<3x2xi64>
  %b = qnn.broadcast %c {shape = affine_map<() -> (2, 3)>} : (tensor<2x1xi64>) -> tensor<2x3xi64>
  return %y, %b : tensor<3x2xi64>, tensor<2x3xi64>
}

// Rows 1, 0 (step -1 from 1), columns 0, 2 (step 2).
// CHECK: @slice#0 f16[2,2] = 4 6 1 3
func.func @slice() -> tensor<2x2xf16> {
  %x = qnn.constant {value = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf16>} : tensor<2x3xf16>
  %y = qnn.slice %x {starts = affine_map<() -> (1, 0)>, shape = affine_map<() -> (2, 2)>, steps = array<i64: -1, 2>} : (tensor<2x3xf16>) -> tensor<2x2xf16>
  return %y : tensor<2x2xf16>
}

// CHECK: @concat#0 f32[2,3] = 1 2 5 3 4 6
func.func @concat() -> tensor<2x3xf32> {
  %a = qnn.constant {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %b = qnn.constant {value = dense<[[5.0], [6.0]]> : tensor<2x1xf32>} : tensor<2x1xf32>
  %y = qnn.concat %a, %b {axis = 1 : i64} : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// Columns 2 (as -1) and 0 of each row.
// CHECK: @gather#0 f32[2,2] = 3 1 6 4
func.func @gather() -> tensor<2x2xf32> {
  %x = qnn.constant {value = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>} : tensor<2x3xf32>
  %i = qnn.constant {value = dense<[-1, 0]> : tensor<2xi64>} : tensor<2xi64>
  %y = qnn.gather %x, %i {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// CHECK: @tile#0 u8[2,4]
// CHECK-SAME: = 1 2 1 2 3 4 3 4
func.func @tile() -> tensor<2x4xui8> {
  %x = qnn.constant {value = dense<[[1, 2], [3, 4]]> : tensor<2x2xui8>} : tensor<2x2xui8>
  %y = qnn.tile %x {repeats = array<i64: 1, 2>} : (tensor<2x2xui8>) -> tensor<2x4xui8>
  return %y : tensor<2x4xui8>
}

// [1 2 3] with 2 in front and 1 behind.
// CHECK: @pad#0 s8[6] = -7 -7 1 2 3 -7
// CHECK-NEXT: @pad#1 s8[6] = 3 2 1 2 3 2
// CHECK-NEXT: @pad#2 s8[6] = 1 1 1 2 3 3
// CHECK-NEXT: @pad#3 s8[6] = 2 3 1 2 3 1
// CHECK-NEXT: @pad#4 s8[2] = 2 3
func.func @pad() -> (tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<2xi8>) {
  %x = qnn.constant {value = dense<[1, 2, 3]> : tensor<3xi8>} : tensor<3xi8>
  %0 = qnn.pad %x {low = array<i64: 2>, high = array<i64: 1>, mode = #qnn.pad_mode<constant>, value = -7.0 : f64} : (tensor<3xi8>) -> tensor<6xi8>
  %1 = qnn.pad %x {low = array<i64: 2>, high = array<i64: 1>, mode = #qnn.pad_mode<reflect>} : (tensor<3xi8>) -> tensor<6xi8>
  %2 = qnn.pad %x {low = array<i64: 2>, high = array<i64: 1>, mode = #qnn.pad_mode<edge>} : (tensor<3xi8>) -> tensor<6xi8>
  %3 = qnn.pad %x {low = array<i64: 2>, high = array<i64: 1>, mode = #qnn.pad_mode<wrap>} : (tensor<3xi8>) -> tensor<6xi8>
  %4 = qnn.pad %x {low = array<i64: -1>, high = array<i64: 0>, mode = #qnn.pad_mode<constant>} : (tensor<3xi8>) -> tensor<2xi8>
  return %0, %1, %2, %3, %4 : tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<2xi8>
}

// Four channels of one pixel become 2 x 2 pixels; both orders agree at depth 1. Eight channels, depth 2: DCR takes channel
// block * 2 + depth, CRD takes depth * 4 + block.
// CHECK: @depth_to_space#0 f32[1,2,2,2] = 0 2 4 6 1 3 5 7
// CHECK-NEXT: @depth_to_space#1 f32[1,2,2,2] = 0 1 2 3 4 5 6 7
// CHECK-NEXT: @depth_to_space#2 f32[1,8,1,1] = 0 1 2 3 4 5 6 7
func.func @depth_to_space() -> (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>, tensor<1x8x1x1xf32>) {
  %x = qnn.constant {value = dense<[[[[0.0]], [[1.0]], [[2.0]], [[3.0]], [[4.0]], [[5.0]], [[6.0]], [[7.0]]]]> : tensor<1x8x1x1xf32>} : tensor<1x8x1x1xf32>
  %0 = qnn.depth_to_space %x {block = 2 : i64} : (tensor<1x8x1x1xf32>) -> tensor<1x2x2x2xf32>
  %1 = qnn.depth_to_space %x {block = 2 : i64, column_row = true} : (tensor<1x8x1x1xf32>) -> tensor<1x2x2x2xf32>
  // space to depth undoes the depth-column-row order
  %2 = qnn.space_to_depth %0 {block = 2 : i64} : (tensor<1x2x2x2xf32>) -> tensor<1x8x1x1xf32>
  return %0, %1, %2 : tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>, tensor<1x8x1x1xf32>
}
