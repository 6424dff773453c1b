// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(place-quantizers))' | FileCheck %s

// The quantizer stands behind the fused relu, never before it. [0, 2.55] gives scale 2.55/255 = 0.01 and zero point -128. The last
// product is read in float: no quantizer behind it.
// CHECK-LABEL: func.func @fused_relu
// CHECK: qnn.quantize %arg0
// CHECK-SAME: name = "x/quantize"
// CHECK: qnn.linear
// CHECK-SAME: name = "first"
// CHECK-NEXT: %[[RELU:.*]] = qnn.relu
// CHECK-DAG: %[[SCALE:.*]] = qnn.constant {{.*}}dense<0.00999999977>
// CHECK-DAG: %[[ZERO:.*]] = qnn.constant {{.*}}dense<-128> : tensor<i8>
// CHECK: %[[Q:.*]] = qnn.quantize %[[RELU]], %[[SCALE]], %[[ZERO]] {name = "relu/quantize", scheme = #qnn.scheme<s8, tensor>}
// CHECK: %[[DQ:.*]] = qnn.dequantize %[[Q]], %[[SCALE]], %[[ZERO]]
// CHECK: qnn.linear %[[DQ]]
// CHECK-SAME: name = "second"
// CHECK-NOT: qnn.quantize
// CHECK: return
func.func @fused_relu(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.relu %0 {name = "relu", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 2.55>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %1, %w {name = "second", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %2 : tensor<1x2xf32>
}

// -----

// A relu that shares its input with others is no fused relu: the product gets a quantizer of its own, for all its readers.
// CHECK-LABEL: func.func @shared
// CHECK: %[[Y:.*]] = qnn.linear
// CHECK: %[[Q:.*]] = qnn.quantize %[[Y]]
// CHECK: %[[DQ:.*]] = qnn.dequantize %[[Q]]
// CHECK: %[[RELU:.*]] = qnn.relu %[[DQ]]
// CHECK: qnn.quantize %[[RELU]]
// CHECK: qnn.linear %[[DQ]]
func.func @shared(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>}) -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.relu %0 {name = "relu", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 2.55>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %1, %w {name = "second", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %3 = qnn.linear %0, %w {name = "third", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %2, %3 : tensor<1x2xf32>, tensor<1x2xf32>
}

// -----

// Concat: the ranges [0, 1] and [0, 2] are within a factor of 4, all three share the grid of [0, 2.55] (the result's range).
// [0, 0.1] keeps its own: 0.1/255 = 3.92e-4.
// CHECK-LABEL: func.func @concat
// CHECK: qnn.constant {{.*}}"a/scale"{{.*}}dense<0.00999999977>
// CHECK: qnn.constant {{.*}}"b/scale"{{.*}}dense<0.00999999977>
// CHECK: qnn.constant {{.*}}"c/scale"{{.*}}dense<3.92156857E-4>
// CHECK: qnn.concat
// CHECK: qnn.constant {{.*}}"joined/scale"{{.*}}dense<0.00999999977>
func.func @concat(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>}) -> tensor<1x1xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %v = qnn.constant {name = "v", value = dense<1.0> : tensor<1x6xf32>} : tensor<1x6xf32>
  %0 = qnn.linear %x, %w {name = "a", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 1.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.linear %x, %w {name = "b", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 2.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %x, %w {name = "c", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 0.1>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %3 = qnn.concat %0, %1, %2 {name = "joined", axis = 1 : i64, qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 2.55>} : (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x6xf32>
  %4 = qnn.linear %3, %v {name = "d", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 1.0>} : (tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<1x1xf32>
  return %4 : tensor<1x1xf32>
}

// -----

// A float island: softmax keeps float in and out; the product before it is read in float, the one behind it reads codes. The two functions
// in a row share one table, so no quantizer stands between them.
// CHECK-LABEL: func.func @island
// CHECK: %[[A:.*]] = qnn.linear
// CHECK-NEXT: %[[B:.*]] = qnn.softmax %[[A]]
// CHECK: qnn.quantize %[[B]]
// CHECK: %[[C:.*]] = qnn.linear
// CHECK: qnn.quantize %[[C]]
// CHECK: qnn.gelu
// CHECK-NEXT: %[[D:.*]] = qnn.tanh
// CHECK: qnn.quantize %[[D]]
// CHECK: qnn.linear
func.func @island(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "a", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 1.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.softmax %0 {name = "softmax", axis = 1 : i64, qnn.keep_float = "keep_float: softmax", qnn.range = array<f64: 0.0, 1.0>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %1, %w {name = "c", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 1.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %3 = qnn.gelu %2 {name = "gelu", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 1.0>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %4 = qnn.tanh %3 {name = "tanh", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 1.0>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %5 = qnn.linear %4, %w {name = "d", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 0.0, 1.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %5 : tensor<1x2xf32>
}

// -----

// A value that the model's file dequantizes already is not quantized again.
// CHECK-LABEL: func.func @imported
// CHECK: %[[X:.*]] = qnn.dequantize %arg0
// CHECK: %[[Y:.*]] = qnn.linear %[[X]]
// CHECK: %[[Q:.*]] = qnn.quantize %[[Y]]
// CHECK: %[[DQ:.*]] = qnn.dequantize %[[Q]]
// CHECK: qnn.add %[[DQ]], %[[X]]
// CHECK: qnn.quantize
// CHECK-NOT: qnn.quantize
func.func @imported(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %d = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  %0 = qnn.linear %d, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.add %0, %d {name = "sum", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %1, %w {name = "second", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %2 : tensor<1x2xf32>
}
