// RUN: quant-opt %s --fold-identities --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @removed
// CHECK-SAME: (%[[X:.*]]: tensor<2x3xf32>)
// CHECK-NEXT: return %[[X]]
func.func @removed(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %one = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %zero = qnn.constant {value = dense<0.0> : tensor<1x3xf32>} : tensor<1x3xf32>
  %0 = qnn.reshape %x {name = "a", shape = affine_map<() -> (2, 3)>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = qnn.transpose %0 {name = "b", perm = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = qnn.cast %1 {name = "c"} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %3 = qnn.mul %one, %2 {name = "d"} : (tensor<f32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %4 = qnn.add %3, %zero {name = "e"} : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  %5 = qnn.sub %4, %zero {name = "f"} : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  %6 = qnn.div %5, %one {name = "g"} : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %7 = qnn.concat %6 {name = "h", axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %8 = qnn.slice %7 {name = "i", starts = affine_map<() -> (0, 0)>, shape = affine_map<() -> (2, 3)>, steps = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %9 = qnn.pad %8 {name = "j", low = array<i64: 0, 0>, high = array<i64: 0, 0>, mode = #qnn.pad_mode<constant>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %10 = qnn.broadcast %9 {name = "k", shape = affine_map<() -> (1, 3)>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %11 = qnn.tile %10 {name = "l", repeats = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %11 : tensor<2x3xf32>
}

// -----

// (2W + 2) floordiv 2 - 1 is W; that W is another symbol than N is known too.
// CHECK-LABEL: func.func @symbolic
// CHECK-SAME: (%[[X:.*]]: tensor<?x?xf32>
// CHECK-NOT: name = "same"
// CHECK: %[[R:.*]] = qnn.reshape %[[X]] {name = "other"
// CHECK: return %[[X]], %[[R]]
func.func @symbolic(%x: tensor<?x?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s0, s1)>}) -> (tensor<?x?xf32>, tensor<?x?xf32>) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"W", 1, 8, 1>]} {
  %0 = qnn.reshape %x {name = "same", shape = affine_map<()[s0, s1] -> (s0, (s1 * 2 + 2) floordiv 2 - 1)>} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %1 = qnn.reshape %x {name = "other", shape = affine_map<()[s0, s1] -> (s1, s0)>} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %0, %1 : tensor<?x?xf32>, tensor<?x?xf32>
}

// -----

// y.dim(i) = x.dim(inner[outer[i]]): inner (1, 2, 0) after outer (0, 2, 1) is (1, 0, 2).
// CHECK: #[[$FLAT:.*]] = affine_map<() -> (24)>
// CHECK-LABEL: func.func @merged
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>, %[[I:.*]]: tensor<1x1x4x4xf32>, %[[W:.*]]: tensor<1x1x3x3xf32>)
// CHECK-DAG: %[[T:.*]] = qnn.transpose %[[X]] {name = "b", perm = array<i64: 1, 0, 2>}
// CHECK-DAG: %[[R:.*]] = qnn.reshape %[[X]] {name = "d", shape = #[[$FLAT]]}
// CHECK-DAG: %[[C:.*]] = qnn.conv %[[I]], %[[W]] {{{.*}}name = "conv", pads = array<i64: 1, 1, 2, 1>
// CHECK-NOT: qnn.pad
// CHECK: return %[[T]], %[[R]], %[[C]]
func.func @merged(%x: tensor<2x3x4xf32>, %i: tensor<1x1x4x4xf32>, %w: tensor<1x1x3x3xf32>) -> (tensor<3x2x4xf32>, tensor<24xf32>, tensor<1x1x5x4xf32>) {
  %0 = qnn.transpose %x {name = "a", perm = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %1 = qnn.transpose %0 {name = "b", perm = array<i64: 0, 2, 1>} : (tensor<3x4x2xf32>) -> tensor<3x2x4xf32>
  %2 = qnn.reshape %x {name = "c", shape = affine_map<() -> (6, 4)>} : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
  %3 = qnn.reshape %2 {name = "d", shape = affine_map<() -> (24)>} : (tensor<6x4xf32>) -> tensor<24xf32>
  %4 = qnn.pad %i {name = "e", low = array<i64: 0, 0, 0, 1>, high = array<i64: 0, 0, 1, 0>, mode = #qnn.pad_mode<constant>} : (tensor<1x1x4x4xf32>) -> tensor<1x1x5x5xf32>
  %5 = qnn.conv %4, %w {name = "conv", strides = array<i64: 1, 1>, pads = array<i64: 1, 0, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x1x5x5xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x5x4xf32>
  return %1, %3, %5 : tensor<3x2x4xf32>, tensor<24xf32>, tensor<1x1x5x4xf32>
}

// -----

// Pads that a convolution cannot do: another value than zero, the edge, channels, a crop.
// CHECK-LABEL: func.func @pads_stay
// CHECK-COUNT-4: qnn.pad
func.func @pads_stay(%i: tensor<1x1x4xf32>, %w: tensor<1x1x1xf32>, %v: tensor<1x2x1xf32>) -> (tensor<1x1x5xf32>, tensor<1x1x5xf32>, tensor<1x1x4xf32>, tensor<1x1x3xf32>) {
  %0 = qnn.pad %i {name = "a", low = array<i64: 0, 0, 1>, high = array<i64: 0, 0, 0>, mode = #qnn.pad_mode<constant>, value = 1.0 : f64} : (tensor<1x1x4xf32>) -> tensor<1x1x5xf32>
  %1 = qnn.conv %0, %w {name = "b", strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : (tensor<1x1x5xf32>, tensor<1x1x1xf32>) -> tensor<1x1x5xf32>
  %2 = qnn.pad %i {name = "c", low = array<i64: 0, 0, 1>, high = array<i64: 0, 0, 0>, mode = #qnn.pad_mode<edge>} : (tensor<1x1x4xf32>) -> tensor<1x1x5xf32>
  %3 = qnn.conv %2, %w {name = "d", strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : (tensor<1x1x5xf32>, tensor<1x1x1xf32>) -> tensor<1x1x5xf32>
  %4 = qnn.pad %i {name = "e", low = array<i64: 0, 1, 0>, high = array<i64: 0, 0, 0>, mode = #qnn.pad_mode<constant>} : (tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  %5 = qnn.conv %4, %v {name = "f", strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : (tensor<1x2x4xf32>, tensor<1x2x1xf32>) -> tensor<1x1x4xf32>
  %6 = qnn.pad %i {name = "g", low = array<i64: 0, 0, -1>, high = array<i64: 0, 0, 0>, mode = #qnn.pad_mode<constant>} : (tensor<1x1x4xf32>) -> tensor<1x1x3xf32>
  %7 = qnn.conv %6, %w {name = "h", strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : (tensor<1x1x3xf32>, tensor<1x1x1xf32>) -> tensor<1x1x3xf32>
  return %1, %3, %5, %7 : tensor<1x1x5xf32>, tensor<1x1x5xf32>, tensor<1x1x4xf32>, tensor<1x1x3xf32>
}

// -----

// Values change, or the shape does.
// CHECK-LABEL: func.func @left_alone
// CHECK: qnn.cast
// CHECK: qnn.mul
// CHECK: qnn.add
// CHECK: qnn.sub
// CHECK: qnn.slice
// CHECK: qnn.transpose
// CHECK-NOT: name = "dead"
func.func @left_alone(%x: tensor<2x2xf32>, %s: tensor<2xf32>) -> (tensor<2x2xf16>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %ones = qnn.constant {value = dense<1.0> : tensor<2x1xf32>} : tensor<2x1xf32>
  %zero = qnn.constant {value = dense<0.0> : tensor<f32>} : tensor<f32>
  %0 = qnn.cast %x {name = "a"} : (tensor<2x2xf32>) -> tensor<2x2xf16>
  %1 = qnn.mul %s, %ones {name = "b"} : (tensor<2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %2 = qnn.add %1, %ones {name = "c"} : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %3 = qnn.sub %zero, %x {name = "d"} : (tensor<f32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %4 = qnn.slice %3 {name = "e", starts = affine_map<() -> (0, 1)>, shape = affine_map<() -> (2, 2)>, steps = array<i64: 1, -1>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %5 = qnn.transpose %4 {name = "f", perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %6 = qnn.exp %x {name = "dead"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0, %2, %4, %5 : tensor<2x2xf16>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}
