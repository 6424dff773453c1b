// RUN: quant-opt %s --recognise-idioms --split-input-file | FileCheck %s

// The exported form of the text recogniser: x / sqrt 2, erf, + 1, * x, * 0.5.
// CHECK-LABEL: func.func @gelu_exported
// CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
// CHECK-NEXT: %[[Y:.*]] = qnn.gelu %[[X]] {name = "half"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
// CHECK-NEXT: return %[[Y]]
func.func @gelu_exported(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %r = qnn.constant {value = dense<1.41421354> : tensor<f32>} : tensor<f32>
  %one = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %half = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.div %x, %r {name = "div"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %1 = qnn.erf %0 {name = "erf"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = qnn.add %1, %one {name = "add"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = qnn.mul %x, %2 {name = "mul"} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = qnn.mul %3, %half {name = "half"} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  return %4 : tensor<2x4xf32>
}

// -----

// x * 0.70710677 inside, 0.5 * x first, and 0.5 inside the bracket; x itself is a sum.
// CHECK-LABEL: func.func @gelu_orders
// CHECK: %[[S:.*]] = qnn.add
// CHECK-NEXT: %[[A:.*]] = qnn.gelu %[[S]] {name = "e"}
// CHECK-NEXT: %[[B:.*]] = qnn.gelu %[[A]] {name = "j"}
// CHECK-NEXT: return %[[B]]
func.func @gelu_orders(%x: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %k = qnn.constant {value = dense<0.707106769> : tensor<1xf32>} : tensor<1xf32>
  %one = qnn.constant {value = dense<1.0> : tensor<4xf32>} : tensor<4xf32>
  %half = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %s = qnn.add %x, %z {name = "s"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %0 = qnn.mul %half, %s {name = "a"} : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = qnn.mul %s, %k {name = "b"} : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  %2 = qnn.erf %1 {name = "c"} : (tensor<4xf32>) -> tensor<4xf32>
  %3 = qnn.add %one, %2 {name = "d"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = qnn.mul %0, %3 {name = "e"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %5 = qnn.mul %4, %k {name = "f"} : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  %6 = qnn.erf %5 {name = "g"} : (tensor<4xf32>) -> tensor<4xf32>
  %7 = qnn.mul %6, %half {name = "h"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %8 = qnn.add %7, %half {name = "i"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %9 = qnn.mul %8, %4 {name = "j"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %9 : tensor<4xf32>
}

// -----

// sqrt(2/pi) = 0.7978846; the cube as a power, and as x * (1 + 0.044715 x * x).
// CHECK-LABEL: func.func @gelu_tanh
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[A:.*]] = qnn.gelu %[[X]] {approximate = true, name = "g"}
// CHECK-NEXT: %[[B:.*]] = qnn.gelu %[[A]] {approximate = true, name = "p"}
// CHECK-NEXT: return %[[B]]
func.func @gelu_tanh(%x: tensor<4xf32>) -> tensor<4xf32> {
  %three = qnn.constant {value = dense<3.0> : tensor<f32>} : tensor<f32>
  %c = qnn.constant {value = dense<0.044715> : tensor<f32>} : tensor<f32>
  %k = qnn.constant {value = dense<0.797884583> : tensor<f32>} : tensor<f32>
  %one = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %half = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.pow %x, %three {name = "a"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = qnn.mul %0, %c {name = "b"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = qnn.add %x, %1 {name = "c"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = qnn.mul %2, %k {name = "d"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %4 = qnn.tanh %3 {name = "e"} : (tensor<4xf32>) -> tensor<4xf32>
  %5 = qnn.add %4, %one {name = "f"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %6 = qnn.mul %x, %half {name = "f2"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %7 = qnn.mul %6, %5 {name = "g"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %8 = qnn.mul %7, %7 {name = "h"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %9 = qnn.mul %8, %c {name = "i"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %10 = qnn.add %9, %one {name = "j"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %11 = qnn.mul %7, %k {name = "k"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %12 = qnn.mul %11, %10 {name = "l"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %13 = qnn.tanh %12 {name = "m"} : (tensor<4xf32>) -> tensor<4xf32>
  %14 = qnn.add %13, %one {name = "n"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %15 = qnn.mul %7, %14 {name = "o"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %16 = qnn.mul %15, %half {name = "p"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %16 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @gates
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[A:.*]] = qnn.silu %[[X]] {name = "b"}
// CHECK-NEXT: %[[B:.*]] = qnn.hard_swish %[[A]] {name = "d"}
// CHECK-NEXT: %[[C:.*]] = qnn.hard_swish %[[B]] {name = "h"}
// CHECK-NEXT: %[[D:.*]] = qnn.hard_swish %[[C]] {name = "l"}
// CHECK-NEXT: %[[E:.*]] = qnn.hard_sigmoid %[[D]] {alpha = 2.000000e-01 : f32, beta = 5.000000e-01 : f32, name = "o"}
// CHECK-NEXT: return %[[E]]
func.func @gates(%x: tensor<4xf32>) -> tensor<4xf32> {
  %three = qnn.constant {value = dense<3.0> : tensor<f32>} : tensor<f32>
  %six = qnn.constant {value = dense<6.0> : tensor<f32>} : tensor<f32>
  %slope = qnn.constant {value = dense<0.2> : tensor<f32>} : tensor<f32>
  %half = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.sigmoid %x {name = "a"} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = qnn.mul %0, %x {name = "b"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = qnn.hard_sigmoid %1 {name = "c", alpha = 0.166666701 : f32, beta = 0.5 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %3 = qnn.mul %1, %2 {name = "d"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = qnn.add %3, %three {name = "e"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %5 = qnn.clip %4 {name = "f", min = 0.0 : f32, max = 6.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %6 = qnn.mul %3, %5 {name = "g"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %7 = qnn.div %6, %six {name = "h"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %8 = qnn.add %7, %three {name = "i"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %9 = qnn.clip %8 {name = "j", min = 0.0 : f32, max = 6.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %10 = qnn.div %9, %six {name = "k"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %11 = qnn.mul %10, %7 {name = "l"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %12 = qnn.mul %11, %slope {name = "m"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %13 = qnn.add %12, %half {name = "n"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %14 = qnn.clip %13 {name = "o", min = 0.0 : f32, max = 1.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return %14 : tensor<4xf32>
}

// -----

// 1.42 is not sqrt 2; a sigmoid of something else; the sum inside is used twice; a bounded relu stays a clip.
// CHECK-LABEL: func.func @no_activation
// CHECK: qnn.erf
// CHECK: qnn.sigmoid
// CHECK: qnn.mul
// CHECK: qnn.hard_sigmoid
// CHECK: qnn.mul
// CHECK: qnn.clip
// CHECK-NOT: qnn.gelu
func.func @no_activation(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %r = qnn.constant {value = dense<1.42> : tensor<f32>} : tensor<f32>
  %one = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %half = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.div %x, %r {name = "a"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = qnn.erf %0 {name = "b"} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = qnn.add %1, %one {name = "c"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = qnn.mul %x, %2 {name = "d"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = qnn.mul %3, %half {name = "e"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %5 = qnn.sigmoid %4 {name = "f"} : (tensor<4xf32>) -> tensor<4xf32>
  %6 = qnn.mul %5, %x {name = "g"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %7 = qnn.hard_sigmoid %x {name = "h", alpha = 0.166666701 : f32, beta = 0.5 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %8 = qnn.mul %7, %x {name = "i"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %9 = qnn.clip %x {name = "j", min = 0.0 : f32, max = 6.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return %4, %6, %7, %8, %9 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @layer_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x3xf32>
// CHECK-DAG: %[[S:.*]] = qnn.constant {{.*}}dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>
// CHECK-DAG: %[[B:.*]] = qnn.constant {name = "g/bias", value = dense<5.000000e-01> : tensor<3xf32>}
// CHECK: %[[Y:.*]] = qnn.layer_norm %[[X]] scale %[[S]] : tensor<3xf32> bias %[[B]] : tensor<3xf32> {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, name = "g"}
// CHECK-NEXT: return %[[Y]]
func.func @layer_norm(%x: tensor<?x3xf32> {qnn.dims = affine_map<()[s0] -> (s0, 3)>}) -> tensor<?x3xf32> attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  %two = qnn.constant {value = dense<2.0> : tensor<f32>} : tensor<f32>
  %eps = qnn.constant {value = dense<9.99999974E-6> : tensor<f32>} : tensor<f32>
  %scale = qnn.constant {value = dense<[[1.0, 2.0, 3.0]]> : tensor<1x3xf32>} : tensor<1x3xf32>
  %bias = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.reduce_mean %x {name = "m", axes = array<i64: 1>, keepdims = true} : (tensor<?x3xf32>) -> tensor<?x1xf32>
  %1 = qnn.sub %x, %0 {name = "a"} : (tensor<?x3xf32>, tensor<?x1xf32>) -> tensor<?x3xf32>
  %2 = qnn.pow %1, %two {name = "b"} : (tensor<?x3xf32>, tensor<f32>) -> tensor<?x3xf32>
  %3 = qnn.reduce_mean %2 {name = "v", axes = array<i64: 1>, keepdims = true} : (tensor<?x3xf32>) -> tensor<?x1xf32>
  %4 = qnn.add %3, %eps {name = "c"} : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %5 = qnn.sqrt %4 {name = "d"} : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %6 = qnn.div %1, %5 {name = "e"} : (tensor<?x3xf32>, tensor<?x1xf32>) -> tensor<?x3xf32>
  %7 = qnn.mul %6, %scale {name = "f"} : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x3xf32>
  %8 = qnn.add %7, %bias {name = "g"} : (tensor<?x3xf32>, tensor<f32>) -> tensor<?x3xf32>
  return %8 : tensor<?x3xf32>
}

// -----

// Two dimensions, the difference computed twice, the square as a product, times the reciprocal; no scale.
// CHECK-LABEL: func.func @layer_norm_variant
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x2xf32>)
// CHECK-NEXT: %[[Y:.*]] = qnn.layer_norm %[[X]] {axis = 1 : i64, epsilon = 1.000000e+00 : f32, name = "g"} : (tensor<2x3x2xf32>) -> tensor<2x3x2xf32>
// CHECK-NEXT: return %[[Y]]
func.func @layer_norm_variant(%x: tensor<2x3x2xf32>) -> tensor<2x3x2xf32> {
  %eps = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %0 = qnn.reduce_mean %x {name = "m", axes = array<i64: 1, 2>, keepdims = true} : (tensor<2x3x2xf32>) -> tensor<2x1x1xf32>
  %1 = qnn.sub %x, %0 {name = "a"} : (tensor<2x3x2xf32>, tensor<2x1x1xf32>) -> tensor<2x3x2xf32>
  %2 = qnn.sub %x, %0 {name = "b"} : (tensor<2x3x2xf32>, tensor<2x1x1xf32>) -> tensor<2x3x2xf32>
  %3 = qnn.mul %2, %2 {name = "c"} : (tensor<2x3x2xf32>, tensor<2x3x2xf32>) -> tensor<2x3x2xf32>
  %4 = qnn.reduce_mean %3 {name = "v", axes = array<i64: 1, 2>, keepdims = true} : (tensor<2x3x2xf32>) -> tensor<2x1x1xf32>
  %5 = qnn.add %eps, %4 {name = "d"} : (tensor<f32>, tensor<2x1x1xf32>) -> tensor<2x1x1xf32>
  %6 = qnn.sqrt %5 {name = "e"} : (tensor<2x1x1xf32>) -> tensor<2x1x1xf32>
  %7 = qnn.reciprocal %6 {name = "f"} : (tensor<2x1x1xf32>) -> tensor<2x1x1xf32>
  %8 = qnn.mul %7, %1 {name = "g"} : (tensor<2x1x1xf32>, tensor<2x3x2xf32>) -> tensor<2x3x2xf32>
  return %8 : tensor<2x3x2xf32>
}

// -----

// Over the channels of N C W: not the last dimensions. And a variance over other axes than the mean.
// CHECK-LABEL: func.func @no_layer_norm
// CHECK-NOT: qnn.layer_norm
func.func @no_layer_norm(%x: tensor<2x3x2xf32>) -> (tensor<2x3x2xf32>, tensor<2x3x2xf32>) {
  %eps = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %0 = qnn.reduce_mean %x {name = "m", axes = array<i64: 1>, keepdims = true} : (tensor<2x3x2xf32>) -> tensor<2x1x2xf32>
  %1 = qnn.sub %x, %0 {name = "a"} : (tensor<2x3x2xf32>, tensor<2x1x2xf32>) -> tensor<2x3x2xf32>
  %2 = qnn.mul %1, %1 {name = "b"} : (tensor<2x3x2xf32>, tensor<2x3x2xf32>) -> tensor<2x3x2xf32>
  %3 = qnn.reduce_mean %2 {name = "v", axes = array<i64: 1>, keepdims = true} : (tensor<2x3x2xf32>) -> tensor<2x1x2xf32>
  %4 = qnn.add %3, %eps {name = "c"} : (tensor<2x1x2xf32>, tensor<f32>) -> tensor<2x1x2xf32>
  %5 = qnn.sqrt %4 {name = "d"} : (tensor<2x1x2xf32>) -> tensor<2x1x2xf32>
  %6 = qnn.div %1, %5 {name = "e"} : (tensor<2x3x2xf32>, tensor<2x1x2xf32>) -> tensor<2x3x2xf32>
  %7 = qnn.reduce_mean %x {name = "m2", axes = array<i64: 2>, keepdims = true} : (tensor<2x3x2xf32>) -> tensor<2x3x1xf32>
  %8 = qnn.sub %x, %7 {name = "a2"} : (tensor<2x3x2xf32>, tensor<2x3x1xf32>) -> tensor<2x3x2xf32>
  %9 = qnn.mul %8, %8 {name = "b2"} : (tensor<2x3x2xf32>, tensor<2x3x2xf32>) -> tensor<2x3x2xf32>
  %10 = qnn.reduce_mean %9 {name = "v2", axes = array<i64: 1, 2>, keepdims = true} : (tensor<2x3x2xf32>) -> tensor<2x1x1xf32>
  %11 = qnn.add %10, %eps {name = "c2"} : (tensor<2x1x1xf32>, tensor<f32>) -> tensor<2x1x1xf32>
  %12 = qnn.sqrt %11 {name = "d2"} : (tensor<2x1x1xf32>) -> tensor<2x1x1xf32>
  %13 = qnn.div %8, %12 {name = "e2"} : (tensor<2x3x2xf32>, tensor<2x1x1xf32>) -> tensor<2x3x2xf32>
  return %6, %13 : tensor<2x3x2xf32>, tensor<2x3x2xf32>
}

// -----

// CHECK-LABEL: func.func @squeeze_excite
// CHECK-SAME: (%[[X:.*]]: tensor<?x2x4x4xf32>
// CHECK-DAG: %[[W1:.*]] = qnn.constant {name = "se/reduce/weight/matrix", value = dense<{{\[\[}}1.000000e+00, 2.000000e+00]]> : tensor<1x2xf32>}
// CHECK-DAG: %[[B1:.*]] = qnn.constant {value = dense<5.000000e+00> : tensor<1xf32>}
// CHECK-DAG: %[[W2:.*]] = qnn.constant {name = "se/expand/weight/matrix", value = dense<{{\[\[}}3.000000e+00], [4.000000e+00]]> : tensor<2x1xf32>}
// CHECK-DAG: %[[B2:.*]] = qnn.constant {name = "se/expand/bias", value = dense<0.000000e+00> : tensor<2xf32>}
// CHECK: %[[Y:.*]] = qnn.squeeze_excite %[[X]], %[[W1]], %[[B1]], %[[W2]], %[[B2]] {alpha = 0.166666701 : f32, gate = "hard_sigmoid", name = "se"}
// CHECK-NEXT: return %[[Y]]
func.func @squeeze_excite(%x: tensor<?x2x4x4xf32> {qnn.dims = affine_map<()[s0] -> (s0, 2, 4, 4)>}) -> tensor<?x2x4x4xf32> attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  %w1 = qnn.constant {value = dense<[[[[1.0]], [[2.0]]]]> : tensor<1x2x1x1xf32>} : tensor<1x2x1x1xf32>
  %b1 = qnn.constant {value = dense<5.0> : tensor<1xf32>} : tensor<1xf32>
  %w2 = qnn.constant {value = dense<[[[[3.0]]], [[[4.0]]]]> : tensor<2x1x1x1xf32>} : tensor<2x1x1x1xf32>
  %0 = qnn.reduce_mean %x {name = "m", axes = array<i64: 2, 3>, keepdims = true} : (tensor<?x2x4x4xf32>) -> tensor<?x2x1x1xf32>
  %1 = qnn.conv %0, %w1, %b1 {name = "c1", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x2x1x1xf32>, tensor<1x2x1x1xf32>, tensor<1xf32>) -> tensor<?x1x1x1xf32>
  %2 = qnn.relu %1 {name = "r"} : (tensor<?x1x1x1xf32>) -> tensor<?x1x1x1xf32>
  %3 = qnn.conv %2, %w2 {name = "c2", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x1x1x1xf32>, tensor<2x1x1x1xf32>) -> tensor<?x2x1x1xf32>
  %4 = qnn.hard_sigmoid %3 {name = "g", alpha = 0.166666701 : f32, beta = 0.5 : f32} : (tensor<?x2x1x1xf32>) -> tensor<?x2x1x1xf32>
  %5 = qnn.mul %x, %4 {name = "se"} : (tensor<?x2x4x4xf32>, tensor<?x2x1x1xf32>) -> tensor<?x2x4x4xf32>
  return %5 : tensor<?x2x4x4xf32>
}

// -----

// With linear layers between two reshapes, and a sigmoid.
// CHECK-LABEL: func.func @squeeze_excite_linear
// CHECK: qnn.squeeze_excite %{{.*}} {gate = "sigmoid", name = "se"}
func.func @squeeze_excite_linear(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w1 = qnn.constant {value = dense<1.0> : tensor<1x2xf32>} : tensor<1x2xf32>
  %w2 = qnn.constant {value = dense<2.0> : tensor<2x1xf32>} : tensor<2x1xf32>
  %0 = qnn.reduce_mean %x {name = "m", axes = array<i64: 2>, keepdims = true} : (tensor<1x2x4xf32>) -> tensor<1x2x1xf32>
  %1 = qnn.reshape %0 {name = "f", shape = affine_map<() -> (1, 2)>} : (tensor<1x2x1xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %1, %w1 {name = "c1"} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  %3 = qnn.relu %2 {name = "r"} : (tensor<1x1xf32>) -> tensor<1x1xf32>
  %4 = qnn.linear %3, %w2 {name = "c2"} : (tensor<1x1xf32>, tensor<2x1xf32>) -> tensor<1x2xf32>
  %5 = qnn.sigmoid %4 {name = "g"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %6 = qnn.reshape %5 {name = "u", shape = affine_map<() -> (1, 2, 1)>} : (tensor<1x2xf32>) -> tensor<1x2x1xf32>
  %7 = qnn.mul %6, %x {name = "se"} : (tensor<1x2x1xf32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  return %7 : tensor<1x2x4xf32>
}

// -----

// The gate of another tensor, and a mean that is used elsewhere.
// CHECK-LABEL: func.func @no_squeeze_excite
// CHECK-NOT: qnn.squeeze_excite
func.func @no_squeeze_excite(%x: tensor<1x2x4xf32>, %y: tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2xf32>) {
  %w1 = qnn.constant {value = dense<1.0> : tensor<1x2xf32>} : tensor<1x2xf32>
  %w2 = qnn.constant {value = dense<2.0> : tensor<2x1xf32>} : tensor<2x1xf32>
  %0 = qnn.reduce_mean %x {name = "m", axes = array<i64: 2>, keepdims = false} : (tensor<1x2x4xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %0, %w1 {name = "c1"} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  %3 = qnn.relu %2 {name = "r"} : (tensor<1x1xf32>) -> tensor<1x1xf32>
  %4 = qnn.linear %3, %w2 {name = "c2"} : (tensor<1x1xf32>, tensor<2x1xf32>) -> tensor<1x2xf32>
  %5 = qnn.sigmoid %4 {name = "g"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %6 = qnn.reshape %5 {name = "u", shape = affine_map<() -> (1, 2, 1)>} : (tensor<1x2xf32>) -> tensor<1x2x1xf32>
  %7 = qnn.mul %6, %y {name = "other"} : (tensor<1x2x1xf32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %8 = qnn.reduce_mean %x {name = "m2", axes = array<i64: 2>, keepdims = false} : (tensor<1x2x4xf32>) -> tensor<1x2xf32>
  %9 = qnn.linear %8, %w1 {name = "c12"} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  %10 = qnn.relu %9 {name = "r2"} : (tensor<1x1xf32>) -> tensor<1x1xf32>
  %11 = qnn.linear %10, %w2 {name = "c22"} : (tensor<1x1xf32>, tensor<2x1xf32>) -> tensor<1x2xf32>
  %12 = qnn.sigmoid %11 {name = "g2"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %13 = qnn.reshape %12 {name = "u2", shape = affine_map<() -> (1, 2, 1)>} : (tensor<1x2xf32>) -> tensor<1x2x1xf32>
  %14 = qnn.mul %13, %x {name = "used"} : (tensor<1x2x1xf32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  return %7, %14, %8 : tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2xf32>
}
