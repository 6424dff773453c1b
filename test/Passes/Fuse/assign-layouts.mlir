// RUN: quant-opt %s --assign-layouts --split-input-file --verify-diagnostics | FileCheck %s

// The argument is row-major: a copy brings it to channels-last; the transpose after the convolution costs nothing.
// CHECK-LABEL: func.func @convolution
// CHECK-SAME: (%[[X:.*]]: tensor<1x4x5x5xf32>, %[[W:.*]]: tensor
// CHECK: %[[COPY:.*]] = kernel.fused (%[[A:.*]] = %[[X]]) {kind = #kernel.template<loops>, {{.*}}operand_layouts = [array<i64: 0, 1, 2, 3>], result_layouts = [array<i64: 0, 2, 3, 1>]}
// CHECK-NEXT: kernel.yield %[[A]]
// CHECK: %[[CONV:.*]] = kernel.fused ({{.*}} = %[[COPY]], {{.*}}) {kind = #kernel.template<gemm>, {{.*}}operand_layouts = [array<i64: 0, 2, 3, 1>, {{.*}}], result_layouts = [array<i64: 0, 2, 3, 1>]}
// N x H x W x C of an N x C x H x W value in N, H, W, C order is row-major.
// CHECK: %[[ALIAS:.*]] = kernel.fused ({{.*}} = %[[CONV]]) {kind = #kernel.template<alias>, {{.*}}result_layouts = [array<i64: 0, 1, 2, 3>]}
// CHECK: return %[[ALIAS]]
func.func @convolution(%x: tensor<1x4x5x5xf32>, %w: tensor<8x4x3x3xf32>) -> tensor<1x3x3x8xf32> {
  %0 = kernel.fused (%a = %x, %b = %w) {kind = #kernel.template<gemm>, name = "conv"} : (tensor<1x4x5x5xf32>, tensor<8x4x3x3xf32>) -> tensor<1x8x3x3xf32> {
    %c = qnn.conv %a, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x5x5xf32>, tensor<8x4x3x3xf32>) -> tensor<1x8x3x3xf32>
    kernel.yield %c : tensor<1x8x3x3xf32>
  }
  %1 = kernel.fused (%a = %0) {kind = #kernel.template<loops>, name = "transpose"} : (tensor<1x8x3x3xf32>) -> tensor<1x3x3x8xf32> {
    %c = qnn.transpose %a {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x8x3x3xf32>) -> tensor<1x3x3x8xf32>
    kernel.yield %c : tensor<1x3x3x8xf32>
  }
  return %1 : tensor<1x3x3x8xf32>
}

// -----

// A result that is only another view of an argument gets memory of its own.
// CHECK-LABEL: func.func @view_of_argument
// CHECK: %[[ALIAS:.*]] = kernel.fused {{.*}}#kernel.template<alias>
// CHECK: %[[COPY:.*]] = kernel.fused (%{{.*}} = %[[ALIAS]]) {kind = #kernel.template<loops>
// CHECK: return %[[COPY]]
func.func @view_of_argument(%x: tensor<4x6xf32>) -> tensor<24xf32> {
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "reshape"} : (tensor<4x6xf32>) -> tensor<24xf32> {
    %c = qnn.reshape %a {shape = affine_map<() -> (24)>} : (tensor<4x6xf32>) -> tensor<24xf32>
    kernel.yield %c : tensor<24xf32>
  }
  return %0 : tensor<24xf32>
}

// -----

func.func @outside(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{expected every operation inside kernel.fused: run fuse-regions first}}
  %0 = qnn.relu %x {name = "r"} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
