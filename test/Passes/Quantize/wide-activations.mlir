// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(place-quantizers))' | FileCheck %s
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(place-quantizers))' --remarks-filter=quantize --remark-format=emitRemark 2>&1 | FileCheck %s --check-prefix=REMARK

// Codes of 16 bits have zero point 0 and cover the extremes: 3.2767 / 32767 = 1e-4.
// CHECK-LABEL: func.func @symmetric
// CHECK-DAG: %[[SCALE:.*]] = qnn.constant {{.*}}"x/scale"{{.*}}dense<{{9.99999.*E-5|1.000000e-04|1.000000E-4}}>
// CHECK-DAG: %[[ZERO:.*]] = qnn.constant {{.*}}"x/zero_point"{{.*}}dense<0> : tensor<i16>
// CHECK: qnn.quantize %arg0, %[[SCALE]], %[[ZERO]] {name = "x/quantize", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x2xf32>, tensor<f32>, tensor<i16>) -> tensor<1x2xi16>
// REMARK: 'x': codes of 16 bits in 16
func.func @symmetric(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>, qnn.wide_range = array<f64: -1.0, 3.2767>, qnn.activation_scheme = #qnn.scheme<s16, tensor>}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}

// -----

// R14: 2048 equal weights are codes of 127, so that with the margin of 1.25 sums reach 2048 * 127 * 1.25 = 325120 times the
// largest code: 2^12 = 4096 fits (1.33e9 < 31/32 2^31), 2^13 does not. 13 bits; 4.095 / 4095 = 0.001. What only moves codes shares
// the grid, whoever asked for 16 bits.
// CHECK-LABEL: func.func @narrowed
// CHECK: qnn.constant {{.*}}"y/scale"{{.*}}dense<1.000000e-03>
// CHECK: qnn.quantize
// CHECK-SAME: "y/quantize", scheme = #qnn.scheme<s13, tensor>}
// CHECK-SAME: -> tensor<1x2048xi16>
// CHECK: qnn.reshape
// CHECK: qnn.quantize
// CHECK-SAME: "flat/quantize", scheme = #qnn.scheme<s13, tensor>}
// REMARK: 'y': codes of 13 bits in 16"
// REMARK: 'flat': codes of 13 bits in 16, as what shares its grid asks for
func.func @narrowed(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>}) -> tensor<1x1xf32> {
  %w = qnn.constant {name = "w", value = dense<0.5> : tensor<2048x2xf32>} : tensor<2048x2xf32>
  %v = qnn.constant {name = "v", value = dense<0.5> : tensor<1x2048xf32>} : tensor<1x2048xf32>
  %0 = qnn.linear %x, %w {name = "y", qnn.activation_scheme = #qnn.scheme<s16, tensor>, qnn.range = array<f64: -4.095, 4.0>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2048x2xf32>) -> tensor<1x2048xf32>
  %1 = qnn.reshape %0 {name = "flat", shape = affine_map<() -> (1, 2048)>, qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -4.095, 4.0>} : (tensor<1x2048xf32>) -> tensor<1x2048xf32>
  %2 = qnn.linear %1, %v {name = "second", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2048xf32>, tensor<1x2048xf32>) -> tensor<1x1xf32>
  return %2 : tensor<1x1xf32>
}

// -----

// A function of one element would be a table of 65,536 entries: it stays float, between a product whose accumulator is read in
// float and a quantizer behind it.
// CHECK-LABEL: func.func @table
// CHECK: %[[Y:.*]] = qnn.linear
// CHECK-NEXT: %[[S:.*]] = qnn.silu %[[Y]]
// CHECK: qnn.quantize %[[S]]
// CHECK-SAME: #qnn.scheme<s16, tensor>
// REMARK: stays float: it reads or makes s16 activations, for which silu has no integer form; choose activations.format: s8
func.func @table(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>, qnn.range = array<f64: -5.0, 5.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.silu %0 {name = "silu", qnn.activation_scheme = #qnn.scheme<s16, tensor>, qnn.range = array<f64: 0.0, 2.55>} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %1, %w {name = "second", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %2 : tensor<1x2xf32>
}

// -----

// A mean of 131072 elements: 2^17 * 2^13 fits, 2^17 * 2^14 = 2^31 does not: 14 bits; 8.191 / 8191 = 0.001. What it makes has 8 bits.
// CHECK-LABEL: func.func @mean
// CHECK: qnn.constant {{.*}}"y/scale"{{.*}}dense<1.000000e-03>
// CHECK: "y/quantize", scheme = #qnn.scheme<s14, tensor>}
// CHECK: "mean/quantize", scheme = #qnn.scheme<s8, tensor>}
func.func @mean(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>}) -> tensor<1x1xf32> {
  %w = qnn.constant {name = "w", value = dense<0.5> : tensor<131072x2xf32>} : tensor<131072x2xf32>
  %v = qnn.constant {name = "v", value = dense<0.5> : tensor<1x1xf32>} : tensor<1x1xf32>
  %0 = qnn.linear %x, %w {name = "y", qnn.activation_scheme = #qnn.scheme<s16, tensor>, qnn.range = array<f64: -8.191, 8.0>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<131072x2xf32>) -> tensor<1x131072xf32>
  %1 = qnn.reduce_mean %0 {name = "mean", axes = array<i64: 1>, keepdims = true, qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -1.0, 1.0>} : (tensor<1x131072xf32>) -> tensor<1x1xf32>
  %2 = qnn.linear %1, %v {name = "z", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x1xf32>
  return %2 : tensor<1x1xf32>
}

// -----

// A constant takes the format of what it meets: 0.5 / (0.5 / 32767) and -0.25 / (0.5 / 32767) = -16383.5, to even -16384.
// CHECK-LABEL: func.func @constant
// CHECK: "k/codes", value = dense<{{\[\[}}32767, -16384]]> : tensor<1x2xi16>
// CHECK: "sum/quantize", scheme = #qnn.scheme<s8, tensor>}
func.func @constant(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<0.5> : tensor<2x2xf32>} : tensor<2x2xf32>
  %k = qnn.constant {name = "k", value = dense<[[0.5, -0.25]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %0 = qnn.linear %x, %w {name = "y", qnn.activation_scheme = #qnn.scheme<s16, tensor>, qnn.range = array<f64: -1.0, 1.0>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.add %0, %k {name = "sum", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: -2.0, 2.0>} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.linear %1, %w {name = "z", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %2 : tensor<1x2xf32>
}
