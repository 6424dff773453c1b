// RUN: quant-opt %s --matmul-to-linear | FileCheck %s

// CHECK-LABEL: func.func @transposes_once
// CHECK: %[[T:.*]] = qnn.constant {{.*}}dense<{{\[\[}}1.000000e+00, 3.000000e+00, 5.000000e+00], [2.000000e+00, 4.000000e+00, 6.000000e+00]]> : tensor<2x3xf32>
// CHECK-NOT: qnn.constant
// CHECK: %[[A:.*]] = qnn.linear %{{.*}}, %[[T]] {name = "a"} : (tensor<?x3xf32>, tensor<2x3xf32>) -> tensor<?x2xf32>
// CHECK: %[[B:.*]] = qnn.linear %{{.*}}, %[[T]] {name = "b"}
// CHECK: return %[[A]], %[[B]]
func.func @transposes_once(%x: tensor<?x3xf32> {qnn.dims = affine_map<()[s0] -> (s0, 3)>}, %y: tensor<5x4x3xf32>) -> (tensor<?x2xf32>, tensor<5x4x2xf32>) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  %w = qnn.constant {value = dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>} : tensor<3x2xf32>
  %0 = qnn.matmul %x, %w {name = "a"} : (tensor<?x3xf32>, tensor<3x2xf32>) -> tensor<?x2xf32>
  %1 = qnn.matmul %y, %w {name = "b"} : (tensor<5x4x3xf32>, tensor<3x2xf32>) -> tensor<5x4x2xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<5x4x2xf32>
}

// Neither two activations nor a batch of matrices are a linear layer.
// CHECK-LABEL: func.func @left_alone
// CHECK: qnn.matmul
// CHECK: qnn.matmul
func.func @left_alone(%x: tensor<2x2x2xf32>, %y: tensor<2x2x2xf32>) -> tensor<2x2x2xf32> {
  %w = qnn.constant {value = dense<1.0> : tensor<2x2x2xf32>} : tensor<2x2x2xf32>
  %0 = qnn.matmul %x, %y {name = "a"} : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %1 = qnn.matmul %0, %w {name = "b"} : (tensor<2x2x2xf32>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  return %1 : tensor<2x2x2xf32>
}
