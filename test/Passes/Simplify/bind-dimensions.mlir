// RUN: quant-opt %s --bind-dimensions="dims=W=320,N=1..4" | FileCheck %s
// RUN: quant-opt %s --bind-dimensions="dims=x:3=32..100,N=2" | FileCheck %s --check-prefix=PLACE

// W is gone (320 floordiv 8 = 40), N moves to the place s0 that it had; in the second run N is gone, W moves to s0 and keeps to its multiples of 8.
// CHECK: #[[$SLICE:.*]] = affine_map<()[s0] -> (s0, 3, 1, 320)>
// CHECK-LABEL: func.func @main
// CHECK-SAME: tensor<?x3x8x320xf32> {qnn.dims = affine_map<()[s0] -> (s0, 3, 8, 320)>, qnn.name = "x"}) -> tensor<?x3x320xf32>
// CHECK-SAME: qnn.symbols = [#qnn.symbol<"N", 1, 4, 1>]
// CHECK: qnn.max_pool %{{.*}} : (tensor<?x3x8x320xf32>) -> tensor<?x3x1x40xf32>
// CHECK: qnn.slice {{.*}}shape = #[[$SLICE]],
// CHECK: qnn.reshape {{.*}}-> tensor<?x3x320xf32>
// CHECK: return %{{.*}} : tensor<?x3x320xf32>

// PLACE-LABEL: func.func @main
// PLACE-SAME: tensor<2x3x8x?xf32> {qnn.dims = affine_map<()[s0] -> (2, 3, 8, s0)>
// PLACE-SAME: qnn.symbols = [#qnn.symbol<"W", 32, 96, 8>]
// PLACE: qnn.max_pool %{{.*}} : (tensor<2x3x8x?xf32>) -> tensor<2x3x1x?xf32>
func.func @main(%x: tensor<?x3x8x?xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0, s1] -> (s1, 3, 8, s0)>}) -> tensor<?x3x?xf32> attributes {qnn.symbols = [#qnn.symbol<"W", 32, 1280, 8>, #qnn.symbol<"N", 1, 8, 1>]} {
  %0 = qnn.max_pool %x {name = "a", kernel = array<i64: 8, 8>, strides = array<i64: 8, 8>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<?x3x8x?xf32>) -> tensor<?x3x1x?xf32>
  %1 = qnn.slice %x {name = "b", starts = affine_map<()[s0, s1] -> (0, 0, 1, 0)>, shape = affine_map<()[s0, s1] -> (s1, 3, 1, s0)>, steps = array<i64: 1, 1, 1, 1>} : (tensor<?x3x8x?xf32>) -> tensor<?x3x1x?xf32>
  %2 = qnn.reshape %1 {name = "c", shape = affine_map<()[s0, s1] -> (s1, 3, s0)>} : (tensor<?x3x1x?xf32>) -> tensor<?x3x?xf32>
  return %2 : tensor<?x3x?xf32>
}
