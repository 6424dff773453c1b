// RUN: quant-interpret %s --trace | FileCheck %s

// A fused region means what its body computes: relu(1 - 2, 5 - 2) + 1. The trace names every operation, inside and out.
// CHECK: qnn.constant
// CHECK: qnn.sub difference f32[2] = -1 3
// CHECK-NEXT: qnn.relu rectified f32[2] = 0 3
// CHECK-NEXT: kernel.fused region f32[2] = 0 3
// CHECK-NEXT: qnn.add sum f32[2] = 2 5
// CHECK-NEXT: @fused#0 f32[2] = 2 5
func.func @fused() -> tensor<2xf32> {
  %x = qnn.constant {value = dense<[1.0, 5.0]> : tensor<2xf32>} : tensor<2xf32>
  %two = qnn.constant {value = dense<2.0> : tensor<f32>} : tensor<f32>
  %f = kernel.fused (%a = %x, %b = %two) {name = "region"} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32> {
    %0 = qnn.sub %a, %b {name = "difference"} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
    %1 = qnn.relu %0 {name = "rectified"} : (tensor<2xf32>) -> tensor<2xf32>
    kernel.yield %1 : tensor<2xf32>
  }
  %y = qnn.add %f, %two {name = "sum"} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
