// RUN: quant-opt %s --expand-squeeze-excite | FileCheck %s

// CHECK: #[[$GATE:.*]] = affine_map<()[s0, s1] -> (s0, 2, 1, 1)>
// CHECK-LABEL: func.func @hard
// CHECK-SAME: (%[[X:.*]]: tensor<?x2x4x?xf32>
// CHECK-DAG: %[[W1:.*]] = qnn.constant {{.*}}tensor<1x2xf32>
// CHECK-DAG: %[[W2:.*]] = qnn.constant {{.*}}tensor<2x1xf32>
// CHECK: %[[M:.*]] = qnn.reduce_mean %[[X]] {axes = array<i64: 2, 3>, keepdims = false, name = "se/mean"} : (tensor<?x2x4x?xf32>) -> tensor<?x2xf32>
// CHECK: %[[R:.*]] = qnn.linear %[[M]], %[[W1]], %{{.*}} {name = "se/reduce"} : (tensor<?x2xf32>, tensor<1x2xf32>, tensor<1xf32>) -> tensor<?x1xf32>
// CHECK: %[[A:.*]] = qnn.relu %[[R]] {name = "se/relu"}
// CHECK: %[[E:.*]] = qnn.linear %[[A]], %[[W2]], %{{.*}} {name = "se/expand"} : (tensor<?x1xf32>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<?x2xf32>
// CHECK: %[[G:.*]] = qnn.hard_sigmoid %[[E]] {alpha = 2.500000e-01 : f32, beta = 5.000000e-01 : f32, name = "se/gate"}
// CHECK: %[[S:.*]] = qnn.reshape %[[G]] {name = "se/gate_reshape", shape = #[[$GATE]]} : (tensor<?x2xf32>) -> tensor<?x2x1x1xf32>
// CHECK: %[[Y:.*]] = qnn.mul %[[X]], %[[S]] {name = "se"}
// CHECK: return %[[Y]]
func.func @hard(%x: tensor<?x2x4x?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s0, 2, 4, s1)>}) -> tensor<?x2x4x?xf32> attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"W", 1, 8, 1>]} {
  %w1 = qnn.constant {value = dense<1.0> : tensor<1x2xf32>} : tensor<1x2xf32>
  %b1 = qnn.constant {value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
  %w2 = qnn.constant {value = dense<1.0> : tensor<2x1xf32>} : tensor<2x1xf32>
  %b2 = qnn.constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.squeeze_excite %x, %w1, %b1, %w2, %b2 {name = "se", gate = "hard_sigmoid", alpha = 0.25 : f32, beta = 0.5 : f32} : (tensor<?x2x4x?xf32>, tensor<1x2xf32>, tensor<1xf32>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<?x2x4x?xf32>
  return %0 : tensor<?x2x4x?xf32>
}

// The name se/gate is taken.
// CHECK-LABEL: func.func @soft
// CHECK: qnn.sigmoid %{{.*}} {name = "se/gate.1"}
func.func @soft(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w1 = qnn.constant {value = dense<1.0> : tensor<1x2xf32>} : tensor<1x2xf32>
  %b1 = qnn.constant {value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
  %w2 = qnn.constant {value = dense<1.0> : tensor<2x1xf32>} : tensor<2x1xf32>
  %b2 = qnn.constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.exp %x {name = "se/gate"} : (tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %1 = qnn.squeeze_excite %0, %w1, %b1, %w2, %b2 {name = "se", gate = "sigmoid"} : (tensor<1x2x4xf32>, tensor<1x2xf32>, tensor<1xf32>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  return %1 : tensor<1x2x4xf32>
}
