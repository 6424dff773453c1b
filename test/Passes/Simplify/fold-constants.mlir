// RUN: quant-opt %s --fold-constants | FileCheck %s

// (transpose([[3, 4]]) + 1) = [[4], [5]], as integers after the cast.
// CHECK-LABEL: func.func @chain
// CHECK-NEXT: %[[C:.*]] = qnn.constant {name = "c", value = dense<{{\[\[}}4], [5]]> : tensor<2x1xi32>}
// CHECK-NEXT: return %[[C]]
func.func @chain() -> tensor<2x1xi32> {
  %w = qnn.constant {name = "w", value = dense<[[3.0, 4.0]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %one = qnn.constant {name = "one", value = dense<1.0> : tensor<f32>} : tensor<f32>
  %0 = qnn.transpose %w {name = "a", perm = array<i64: 1, 0>} : (tensor<1x2xf32>) -> tensor<2x1xf32>
  %1 = qnn.add %0, %one {name = "b"} : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %2 = qnn.cast %1 {name = "c"} : (tensor<2x1xf32>) -> tensor<2x1xi32>
  return %2 : tensor<2x1xi32>
}

// Booleans take one byte an element in the store but not in a literal.
// CHECK-LABEL: func.func @bools
// CHECK: qnn.constant {name = "a", value = dense<[true, false, false]> : tensor<3xi1>}
func.func @bools() -> tensor<3xi1> {
  %x = qnn.constant {name = "x", value = dense<[3.0, 1.0, 2.0]> : tensor<3xf32>} : tensor<3xf32>
  %two = qnn.constant {name = "two", value = dense<2.0> : tensor<f32>} : tensor<f32>
  %0 = qnn.greater %x, %two {name = "a"} : (tensor<3xf32>, tensor<f32>) -> tensor<3xi1>
  return %0 : tensor<3xi1>
}

// 72 elements go to the weight store.
// CHECK-LABEL: func.func @large
// CHECK: qnn.weight "a" {name = "a"} : tensor<72xf32>
func.func @large() -> tensor<72xf32> {
  %x = qnn.constant {name = "x", value = dense<3.0> : tensor<8x9xf32>} : tensor<8x9xf32>
  %0 = qnn.reshape %x {name = "a", shape = affine_map<() -> (72)>} : (tensor<8x9xf32>) -> tensor<72xf32>
  return %0 : tensor<72xf32>
}

// A scalar expanded to 65 elements, codes, and a shape that depends on a symbol.
// CHECK-LABEL: func.func @left_alone
// CHECK: qnn.broadcast
// CHECK: qnn.dequantize
// CHECK: qnn.broadcast
func.func @left_alone(%x: tensor<?xf32> {qnn.dims = affine_map<()[s0] -> (s0)>}) -> (tensor<65xf32>, tensor<2xf32>, tensor<?xf32>) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  %one = qnn.constant {name = "one", value = dense<1.0> : tensor<f32>} : tensor<f32>
  %codes = qnn.constant {name = "codes", value = dense<[1, 2]> : tensor<2xi8>} : tensor<2xi8>
  %0 = qnn.broadcast %one {name = "a", shape = affine_map<() -> (65)>} : (tensor<f32>) -> tensor<65xf32>
  %1 = qnn.dequantize %codes, %one {name = "b", scheme = #qnn.scheme<s8, tensor>} : (tensor<2xi8>, tensor<f32>) -> tensor<2xf32>
  %2 = qnn.broadcast %one {name = "c", shape = affine_map<()[s0] -> (s0)>} : (tensor<f32>) -> tensor<?xf32>
  return %0, %1, %2 : tensor<65xf32>, tensor<2xf32>, tensor<?xf32>
}
