// RUN: quant-opt %s --stage-simplify | FileCheck %s
// RUN: quant-opt %s --bind-dimensions=dims=W=16 --stage-simplify | FileCheck %s --check-prefix=BOUND

// One residual block as an exporter spells it: convolution, bias as an addition, batch norm, GELU in five operations, matmul with a constant, bias, x * 1.
// Everything is folded into one convolution, one GELU, one linear and what lies between.
// CHECK-LABEL: func.func @main
// CHECK-NOT: {{qnn.(add|mul|div|erf|matmul|batch_norm)}}
// CHECK: %[[C:.*]] = qnn.conv %{{.*}}, %{{.*}}, %{{.*}} {{{.*}}name = "conv"
// CHECK-NEXT: %[[G:.*]] = qnn.gelu %[[C]] {name = "gelu"}
// CHECK-NEXT: %[[T:.*]] = qnn.transpose %[[G]] {name = "nhwc"
// CHECK-NOT: {{qnn.(add|mul|div|erf|matmul|batch_norm)}}
// CHECK: %[[L:.*]] = qnn.linear %[[T]], %{{.*}}, %{{.*}} {name = "fc"}
// CHECK-NEXT: return %[[L]] : tensor<1x8x?x3xf32>
// BOUND: return %{{.*}} : tensor<1x8x16x3xf32>
func.func @main(%x: tensor<1x1x8x?xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (1, 1, 8, s0)>}) -> (tensor<1x8x?x3xf32> {qnn.name = "y"}) attributes {qnn.symbols = [#qnn.symbol<"W", 8, 64, 1>]} {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x1x3x3xf32>} : tensor<2x1x3x3xf32>
  %b = qnn.constant {name = "b", value = dense<[[[[1.0]], [[2.0]]]]> : tensor<1x2x1x1xf32>} : tensor<1x2x1x1xf32>
  %p = qnn.constant {name = "p", value = dense<2.0> : tensor<2xf32>} : tensor<2xf32>
  %r = qnn.constant {name = "r", value = dense<1.41421354> : tensor<f32>} : tensor<f32>
  %one = qnn.constant {name = "one", value = dense<1.0> : tensor<f32>} : tensor<f32>
  %half = qnn.constant {name = "half", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %m = qnn.constant {name = "m", value = dense<1.0> : tensor<2x3xf32>} : tensor<2x3xf32>
  %c = qnn.constant {name = "c", value = dense<1.0> : tensor<3xf32>} : tensor<3xf32>
  %0 = qnn.conv %x, %w {name = "conv", strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x1x8x?xf32>, tensor<2x1x3x3xf32>) -> tensor<1x2x8x?xf32>
  %1 = qnn.add %0, %b {name = "bias"} : (tensor<1x2x8x?xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x8x?xf32>
  %2 = qnn.batch_norm %1, %p, %p, %p, %p {name = "bn", epsilon = 0.0 : f32} : (tensor<1x2x8x?xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x8x?xf32>
  %3 = qnn.div %2, %r {name = "div"} : (tensor<1x2x8x?xf32>, tensor<f32>) -> tensor<1x2x8x?xf32>
  %4 = qnn.erf %3 {name = "erf"} : (tensor<1x2x8x?xf32>) -> tensor<1x2x8x?xf32>
  %5 = qnn.add %4, %one {name = "add"} : (tensor<1x2x8x?xf32>, tensor<f32>) -> tensor<1x2x8x?xf32>
  %6 = qnn.mul %2, %5 {name = "mul"} : (tensor<1x2x8x?xf32>, tensor<1x2x8x?xf32>) -> tensor<1x2x8x?xf32>
  %7 = qnn.mul %6, %half {name = "gelu"} : (tensor<1x2x8x?xf32>, tensor<f32>) -> tensor<1x2x8x?xf32>
  %8 = qnn.transpose %7 {name = "nhwc", perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x8x?xf32>) -> tensor<1x8x?x2xf32>
  %9 = qnn.matmul %8, %m {name = "fc"} : (tensor<1x8x?x2xf32>, tensor<2x3xf32>) -> tensor<1x8x?x3xf32>
  %10 = qnn.add %9, %c {name = "fcbias"} : (tensor<1x8x?x3xf32>, tensor<3xf32>) -> tensor<1x8x?x3xf32>
  %11 = qnn.mul %10, %one {name = "identity"} : (tensor<1x8x?x3xf32>, tensor<f32>) -> tensor<1x8x?x3xf32>
  return %11 : tensor<1x8x?x3xf32>
}
