// What the passes do not expect but verifies must not make them crash: functions without a body, integers where floats are usual, tensors without
// elements, patterns that are cut short.
// RUN: quant-opt %s --fold-constants --fold-identities --matmul-to-linear --fold-bias --fold-batch-norm --recognise-idioms --expand-squeeze-excite --bind-dimensions=dims= | FileCheck %s

// CHECK: func.func private @external(tensor<4xf32>) -> tensor<4xf32>
func.func private @external(tensor<4xf32>) -> tensor<4xf32>

// CHECK-LABEL: func.func @integers
// CHECK: qnn.clip
// CHECK: qnn.mul
// CHECK: qnn.conv
// CHECK: qnn.add
func.func @integers(%x: tensor<1x2x4xi32>, %w: tensor<2x2x1xi32>) -> (tensor<1x2x4xi32>, tensor<1x2x4xi32>) {
  %three = qnn.constant {value = dense<3> : tensor<i32>} : tensor<i32>
  %0 = qnn.add %x, %three {name = "a"} : (tensor<1x2x4xi32>, tensor<i32>) -> tensor<1x2x4xi32>
  %1 = qnn.clip %0 {name = "b", min = 0.0 : f32, max = 6.0 : f32} : (tensor<1x2x4xi32>) -> tensor<1x2x4xi32>
  %2 = qnn.mul %x, %1 {name = "c"} : (tensor<1x2x4xi32>, tensor<1x2x4xi32>) -> tensor<1x2x4xi32>
  %3 = qnn.conv %x, %w {name = "d", strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 1 : i64} : (tensor<1x2x4xi32>, tensor<2x2x1xi32>) -> tensor<1x2x4xi32>
  %4 = qnn.add %3, %three {name = "e"} : (tensor<1x2x4xi32>, tensor<i32>) -> tensor<1x2x4xi32>
  return %2, %4 : tensor<1x2x4xi32>, tensor<1x2x4xi32>
}

// CHECK-LABEL: func.func @nothing
// CHECK: qnn.linear
// CHECK: return
func.func @nothing(%x: tensor<2x0xf32>) -> tensor<2x2xf32> {
  %w = qnn.constant {value = dense<> : tensor<0x2xf32>} : tensor<0x2xf32>
  %c = qnn.constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.matmul %x, %w {name = "a"} : (tensor<2x0xf32>, tensor<0x2xf32>) -> tensor<2x2xf32>
  %1 = qnn.add %0, %c {name = "b"} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}

// x + x, x * x, d / d and the like: the same value on both sides.
// CHECK-LABEL: func.func @twice
// CHECK: return
func.func @twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = qnn.sigmoid %x {name = "a"} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = qnn.mul %0, %0 {name = "b"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = qnn.add %1, %1 {name = "c"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = qnn.div %2, %2 {name = "d"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = qnn.erf %3 {name = "e"} : (tensor<4xf32>) -> tensor<4xf32>
  %5 = qnn.sub %4, %4 {name = "f"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %5 : tensor<4xf32>
}
