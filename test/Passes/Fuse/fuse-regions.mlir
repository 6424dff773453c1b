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

// A region that holds only integers says so.
// CHECK-LABEL: func.func @integers
// CHECK: kernel.fused {{.*}} {integer_only, kind
// CHECK-NEXT: dyadic.lookup
// CHECK-NEXT: kernel.yield
// CHECK: kernel.fused
// CHECK-NOT: integer_only
// CHECK: qnn.dequantize
func.func @integers(%x: tensor<4xi8>) -> tensor<4xf32> {
  %s = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %t = dyadic.lookup %x {name = "table", qnn.observe, table = array<i8: -128, -127, -126, -125, -124, -123, -122, -121, -120, -119, -118, -117, -116, -115, -114, -113, -112, -111, -110, -109, -108, -107, -106, -105, -104, -103, -102, -101, -100, -99, -98, -97, -96, -95, -94, -93, -92, -91, -90, -89, -88, -87, -86, -85, -84, -83, -82, -81, -80, -79, -78, -77, -76, -75, -74, -73, -72, -71, -70, -69, -68, -67, -66, -65, -64, -63, -62, -61, -60, -59, -58, -57, -56, -55, -54, -53, -52, -51, -50, -49, -48, -47, -46, -45, -44, -43, -42, -41, -40, -39, -38, -37, -36, -35, -34, -33, -32, -31, -30, -29, -28, -27, -26, -25, -24, -23, -22, -21, -20, -19, -18, -17, -16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127>} : (tensor<4xi8>) -> tensor<4xi8>
  %y = qnn.dequantize %t, %s {name = "y", scheme = #qnn.scheme<s8, tensor>} : (tensor<4xi8>, tensor<f32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @foreign(%t: tensor<1xf32>) -> tensor<1xf32> {
  // expected-error @+1 {{expected only qnn and dyadic operations before fusion, found 'arith.addf'}}
  %0 = arith.addf %t, %t : tensor<1xf32>
  return %0 : tensor<1xf32>
}
