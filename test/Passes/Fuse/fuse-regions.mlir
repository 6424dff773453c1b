// RUN: quant-opt %s --fuse-regions --split-input-file --verify-diagnostics | FileCheck %s

// A product takes in what follows while there is one user and the shape stays.
// CHECK-LABEL: func.func @epilogue
// CHECK: %[[Y:.*]] = kernel.fused (%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) {kind = #kernel.template<gemm>, name = "relu"}
// CHECK-NEXT: qnn.conv
// CHECK-NEXT: qnn.relu
// CHECK-NEXT: kernel.yield
// CHECK: return %[[Y]]
func.func @epilogue(%x: tensor<1x4x5x5xf32>, %w: tensor<8x4x3x3xf32>) -> tensor<1x8x3x3xf32> {
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64, name = "conv"} : (tensor<1x4x5x5xf32>, tensor<8x4x3x3xf32>) -> tensor<1x8x3x3xf32>
  %1 = qnn.relu %0 {name = "relu"} : (tensor<1x8x3x3xf32>) -> tensor<1x8x3x3xf32>
  return %1 : tensor<1x8x3x3xf32>
}

// -----

// One filter a channel asks for the depthwise template; a second user ends the region.
// CHECK-LABEL: func.func @two_users
// CHECK: kernel.fused {{.*}}#kernel.template<depthwise>{{.*}} name = "dw"
// CHECK-NEXT: qnn.conv
// CHECK-NEXT: kernel.yield
// CHECK: kernel.fused {{.*}}#kernel.template<loops>{{.*}} name = "mul"
// CHECK-NEXT: qnn.sigmoid
// CHECK-NEXT: qnn.mul
// CHECK-NEXT: kernel.yield
func.func @two_users(%x: tensor<1x4x5x5xf32>, %w: tensor<4x1x3x3xf32>) -> tensor<1x4x3x3xf32> {
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 4 : i64, name = "dw"} : (tensor<1x4x5x5xf32>, tensor<4x1x3x3xf32>) -> tensor<1x4x3x3xf32>
  %1 = qnn.sigmoid %0 {name = "sigmoid"} : (tensor<1x4x3x3xf32>) -> tensor<1x4x3x3xf32>
  %2 = qnn.mul %0, %1 {name = "mul"} : (tensor<1x4x3x3xf32>, tensor<1x4x3x3xf32>) -> tensor<1x4x3x3xf32>
  return %2 : tensor<1x4x3x3xf32>
}

// -----

// A smaller producer is not taken in: it would be computed once an element. Norms take in cheap producers only.
// CHECK-LABEL: func.func @producers
// CHECK: kernel.fused {{.*}} name = "gate"
// CHECK-NEXT: qnn.sigmoid
// CHECK-NEXT: kernel.yield
// CHECK: kernel.fused {{.*}} name = "exp"
// CHECK-NEXT: qnn.mul
// CHECK-NEXT: qnn.exp
// CHECK-NEXT: kernel.yield
// CHECK: kernel.fused {{.*}}#kernel.template<rows>{{.*}} name = "softmax"
// CHECK-NEXT: qnn.add
// CHECK-NEXT: qnn.softmax
// CHECK-NEXT: kernel.yield
func.func @producers(%x: tensor<2x8xf32>, %g: tensor<1x8xf32>) -> tensor<2x8xf32> {
  %0 = qnn.sigmoid %g {name = "gate"} : (tensor<1x8xf32>) -> tensor<1x8xf32>
  %1 = qnn.mul %x, %0 {name = "mul"} : (tensor<2x8xf32>, tensor<1x8xf32>) -> tensor<2x8xf32>
  %2 = qnn.exp %1 {name = "exp"} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %3 = qnn.add %2, %x {name = "add"} : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %4 = qnn.softmax %3 {axis = 1 : i64, name = "softmax"} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return %4 : tensor<2x8xf32>
}

// -----

// Calibration wants to see the convolution itself: the activation is a kernel of its own.
// CHECK-LABEL: func.func @observed
// CHECK-COUNT-2: kernel.fused
func.func @observed(%x: tensor<2x8xf32>, %w: tensor<4x8xf32>) -> tensor<2x4xf32> {
  %0 = qnn.linear %x, %w {name = "linear", qnn.observe} : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  %1 = qnn.relu %0 {name = "relu"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}

// -----

func.func @foreign(%t: tensor<1xf32>) -> tensor<1xf32> {
  // expected-error @+1 {{expected only qnn and dyadic operations before fusion, found 'arith.addf'}}
  %0 = arith.addf %t, %t : tensor<1xf32>
  return %0 : tensor<1xf32>
}
