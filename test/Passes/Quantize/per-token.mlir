// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(place-quantizers,quantize-weights,verify-quantized))' | FileCheck %s

// Two products that read one value share its quantizer; one scale a row of x.
// CHECK-LABEL: func.func @main
// CHECK: %[[Q:.*]], %[[S:.*]] = qnn.quantize_dynamic %arg0 {name = "x/quantize", scheme = #qnn.scheme<s8, per_token>} : (tensor<?x8xf32>) -> (tensor<?x8xi8>, tensor<?x1xf32>)
// CHECK: %[[X:.*]] = qnn.dequantize %[[Q]], %[[S]] {name = "x/dequantize", scheme = #qnn.scheme<s8, per_token>}
// CHECK-NOT: qnn.quantize_dynamic

// Groups of 8 columns, absmax 0.7 / 7 = 0.1 and 1.4 / 7 = 0.2: codes 0.7/0.1 = 7 and -1.4/0.2 = -7.
// CHECK: %[[C:.*]] = qnn.constant {name = "w/codes", value = dense<{{\[\[}}7, 0, 0, 0, 0, 0, 0, 0], [-7, 0, 0, 0, 0, 0, 0, 0]]> : tensor<2x8xi4>}
// CHECK: %[[G:.*]] = qnn.constant {name = "w/scale", value = dense<{{\[\[}}1.000000e-01], [2.000000e-01]]> : tensor<2x1xf32>}
// CHECK: %[[W:.*]] = qnn.dequantize %[[C]], %[[G]] {name = "w/dequantize", scheme = #qnn.scheme<s4, group 8 along 1>} : (tensor<2x8xi4>, tensor<2x1xf32>) -> tensor<2x8xf32>
// CHECK: qnn.linear %[[X]], %[[W]]

// Two levels: the 8-bit codes, which groups of 8 make of codes of 4 bits.
// CHECK: qnn.dequantize %{{.*}}, %{{.*}} {name = "v/dequantize", qnn.two_level = 8 : i64, scheme = #qnn.scheme<s8, axis 0>} : (tensor<2x8xi8>, tensor<2xf32>) -> tensor<2x8xf32>
// CHECK: qnn.linear %[[X]]

// Zero points: [0, 1.5] in 16 codes of 0.1; code -8 is 0.
// CHECK: %[[Z:.*]] = qnn.constant {name = "u/zero_point", value = dense<-8> : tensor<2x1xi8>}
// CHECK: %[[U:.*]] = qnn.dequantize %{{.*}}, %{{.*}}, %[[Z]] {name = "u/dequantize", scheme = #qnn.scheme<s4, group 8 along 1>}
// A weight alone: its input stays float.
// CHECK: qnn.linear %arg0, %[[U]]
func.func @main(%x: tensor<?x8xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0, 8)>}) -> (tensor<?x2xf32> {qnn.name = "a"}, tensor<?x2xf32> {qnn.name = "b"}, tensor<?x2xf32> {qnn.name = "c"})
    attributes {qnn.symbols = [#qnn.symbol<"M", 1, 8, 1>]} {
  %w = qnn.constant {name = "w", value = dense<[[0.7, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [-1.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]> : tensor<2x8xf32>} : tensor<2x8xf32>
  %v = qnn.constant {name = "v", value = dense<0.5> : tensor<2x8xf32>} : tensor<2x8xf32>
  %u = qnn.constant {name = "u", value = dense<[[0.0, 1.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.0, 1.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]> : tensor<2x8xf32>} : tensor<2x8xf32>
  %0 = qnn.linear %x, %w {name = "one", qnn.activation_scheme = #qnn.scheme<s8, per_token>, qnn.weight_scheme = #qnn.scheme<s4, group 8 along 1>} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  %1 = qnn.linear %x, %v {name = "two", qnn.activation_scheme = #qnn.scheme<s8, per_token>, qnn.weight_scheme = #qnn.scheme<s4, two_level 8 along 1>} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  %2 = qnn.linear %x, %u {name = "three", qnn.weight_only, qnn.weight_zero_point, qnn.weight_scheme = #qnn.scheme<s4, group 8 along 1>} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
  return %0, %1, %2 : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
}
