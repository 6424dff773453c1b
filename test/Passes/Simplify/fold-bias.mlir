// RUN: quant-opt %s --fold-bias --split-input-file | FileCheck %s

// ((x w + 0) + [1, 2]) * [10, 100] - 3: weights [[1, 2], [3, 4]] become [[10, 20], [300, 400]], bias [1*10 - 3, 2*100 - 3].
// CHECK-LABEL: func.func @linear_chain
// CHECK-DAG: %[[W:.*]] = qnn.constant {{.*}}dense<{{\[\[}}1.000000e+01, 2.000000e+01], [3.000000e+02, 4.000000e+02]]>
// CHECK-DAG: %[[B:.*]] = qnn.constant {name = "fc/bias", {{.*}}dense<[7.000000e+00, 1.970000e+02]>
// CHECK: %[[Y:.*]] = qnn.linear %{{.*}}, %[[W]], %[[B]] {name = "fc"}
// CHECK-NEXT: return %[[Y]]
func.func @linear_chain(%x: tensor<?x2xf32> {qnn.dims = affine_map<()[s0] -> (s0, 2)>}) -> tensor<?x2xf32> attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  %w = qnn.constant {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %a = qnn.constant {value = dense<[1.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
  %m = qnn.constant {value = dense<[[10.0, 100.0]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %s = qnn.constant {value = dense<3.0> : tensor<f32>} : tensor<f32>
  %0 = qnn.linear %x, %w {name = "fc"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %1 = qnn.add %a, %0 {name = "add"} : (tensor<2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  %2 = qnn.mul %1, %m {name = "mul"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x2xf32>
  %3 = qnn.sub %2, %s {name = "sub"} : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
  return %3 : tensor<?x2xf32>
}

// -----

// 8 - conv(x, [2], 4) / 4: weight -2/4, bias 8 - 4/4.
// CHECK-LABEL: func.func @conv_reversed
// CHECK-DAG: %[[W:.*]] = qnn.constant {{.*}}dense<-5.000000e-01>
// CHECK-DAG: %[[B:.*]] = qnn.constant {{.*}}dense<7.000000e+00>
// CHECK: %[[Y:.*]] = qnn.conv %{{.*}}, %[[W]], %[[B]]
// CHECK-NEXT: return %[[Y]]
func.func @conv_reversed(%x: tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32> {
  %w = qnn.constant {value = dense<2.0> : tensor<1x1x1x1xf32>} : tensor<1x1x1x1xf32>
  %b = qnn.constant {value = dense<4.0> : tensor<1xf32>} : tensor<1xf32>
  %d = qnn.constant {value = dense<4.0> : tensor<1x1x1x1xf32>} : tensor<1x1x1x1xf32>
  %c = qnn.constant {value = dense<8.0> : tensor<1x1x1xf32>} : tensor<1x1x1xf32>
  %0 = qnn.conv %x, %w, %b {name = "conv", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>, tensor<1xf32>) -> tensor<1x1x4x4xf32>
  %1 = qnn.div %0, %d {name = "div"} : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x4x4xf32>
  %2 = qnn.sub %c, %1 {name = "sub"} : (tensor<1x1x1xf32>, tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32>
  return %2 : tensor<1x1x4x4xf32>
}

// -----

// A constant that varies over the width, one that is the dividend, a division by zero and a product with two users stay.
// CHECK-LABEL: func.func @left_alone
// CHECK: qnn.linear
// CHECK: qnn.add
// CHECK: qnn.linear
// CHECK: qnn.div
// CHECK: qnn.linear
// CHECK: qnn.div
// CHECK: qnn.linear
// CHECK: qnn.add
func.func @left_alone(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %w = qnn.constant {value = dense<2.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %rows = qnn.constant {value = dense<[[1.0], [2.0]]> : tensor<2x1xf32>} : tensor<2x1xf32>
  %c = qnn.constant {value = dense<[1.0, 0.0]> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.linear %x, %w {name = "a"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = qnn.add %0, %rows {name = "b"} : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %2 = qnn.linear %x, %w {name = "c"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = qnn.div %c, %2 {name = "d"} : (tensor<2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %4 = qnn.linear %x, %w {name = "e"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %5 = qnn.div %4, %c {name = "f"} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %6 = qnn.linear %x, %w {name = "g"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %7 = qnn.add %6, %c {name = "h"} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return %1, %3, %5, %6, %7 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}

// -----

// The type of the product does not say how many channels it has; the weight does.
// CHECK-LABEL: func.func @unknown_channels
// CHECK: %[[Y:.*]] = qnn.linear %{{.*}}, %{{.*}}, %{{.*}} {name = "a"} : (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x?xf32>
// CHECK-NEXT: return %[[Y]]
func.func @unknown_channels(%x: tensor<2x2xf32>) -> tensor<2x?xf32> {
  %w = qnn.constant {value = dense<2.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %c = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %0 = qnn.linear %x, %w {name = "a"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x?xf32>
  %1 = qnn.add %0, %c {name = "b"} : (tensor<2x?xf32>, tensor<f32>) -> tensor<2x?xf32>
  return %1 : tensor<2x?xf32>
}
