// RUN: quant-opt %s --split-input-file --mlir-print-local-scope --pass-pipeline='builtin.module(func.func(convert-qnn-to-dyadic))' | FileCheck %s
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-qnn-to-dyadic))' --remarks-filter=integerize --remark-format=emitRemark 2>&1 | FileCheck %s --check-prefix=REMARK

// From codes of 13 bits to codes of 14: M = 0.5 * 0.25 / 0.125 = 1, so b = 2^30 and c = 30; the relu is the clamp [0, 2^13 - 1].
// CHECK-LABEL: func.func @product
// CHECK: %[[ACC:.*]] = dyadic.linear %arg0, %{{.*}} {input_zero_point = 0 : i32, name = "l/accumulate"} : (tensor<1x2xi16>, tensor<2x2xi8>) -> tensor<1x2xi32>
// CHECK: dyadic.rescale %[[ACC]] {axis = 1 : i64, clamp = array<i32: 0, 8191>
// CHECK-SAME: multiplier = array<i32: 1073741824, 1073741824>
// CHECK-SAME: shift = array<i8: 30, 30>
// CHECK-SAME: (tensor<1x2xi32>) -> tensor<1x2xi16>
func.func @product(%x: tensor<1x2xi16> {qnn.name = "x"}) -> tensor<1x2xi16> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %t = qnn.constant {name = "t", value = dense<0.125> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>} : tensor<2x2xi8>
  %ws = qnn.constant {name = "ws", value = dense<0.25> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.dequantize %x, %s {name = "dx", scheme = #qnn.scheme<s13, tensor>} : (tensor<1x2xi16>, tensor<f32>) -> tensor<1x2xf32>
  %1 = qnn.dequantize %w, %ws {name = "dw", scheme = #qnn.scheme<s8, axis 0>} : (tensor<2x2xi8>, tensor<2xf32>) -> tensor<2x2xf32>
  %2 = qnn.linear %0, %1 {name = "l"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %3 = qnn.relu %2 {name = "r"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %4 = qnn.quantize %3, %t {name = "q", scheme = #qnn.scheme<s14, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi16>
  return %4 : tensor<1x2xi16>
}

// -----

// E1 of 8 and 16 bits: M1 = 1 (b = 2^30, c = 30), M2 = 1/256 (b = 2^30, c = 38): c = 30, b2' = 2^22.
// CHECK-LABEL: func.func @add
// CHECK: dyadic.add %arg0, %arg1 {clamp = array<i32: -32768, 32767>, lhs_multiplier = 1073741824 : i32, lhs_zero_point = 3 : i32
// CHECK-SAME: rhs_multiplier = 4194304 : i32, rhs_zero_point = 0 : i32
// CHECK-SAME: shift = 30 : i8
// CHECK-SAME: (tensor<1x2xi8>, tensor<1x2xi16>) -> tensor<1x2xi16>
func.func @add(%x: tensor<1x2xi8> {qnn.name = "x"}, %y: tensor<1x2xi16> {qnn.name = "y"}) -> tensor<1x2xi16> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<3> : tensor<i8>} : tensor<i8>
  %t = qnn.constant {name = "t", value = dense<0.001953125> : tensor<f32>} : tensor<f32>
  %0 = qnn.dequantize %x, %s, %z {name = "dx", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>, tensor<i8>) -> tensor<1x2xf32>
  %1 = qnn.dequantize %y, %t {name = "dy", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x2xi16>, tensor<f32>) -> tensor<1x2xf32>
  %2 = qnn.add %0, %1 {name = "a"} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  %3 = qnn.quantize %2, %s {name = "q", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi16>
  return %3 : tensor<1x2xi16>
}

// -----

// A clamp of 16-bit codes is a rescale to 8 bits with limits: relu, then 1/256 of the step. A function of one element stays float.
// CHECK-LABEL: func.func @clamp
// CHECK: dyadic.rescale %arg0 {clamp = array<i32: 0, 127>
// CHECK-SAME: (tensor<1x2xi16>) -> tensor<1x2xi8>
// CHECK: qnn.tanh
// REMARK: remark: {{.*}}a clamp of codes
// REMARK: remark: {{.*}}stays float: a function of 16-bit codes would be a table of 65,536 entries
func.func @clamp(%x: tensor<1x2xi16> {qnn.name = "x"}) -> (tensor<1x2xi8>, tensor<1x2xi8>) {
  %s = qnn.constant {name = "s", value = dense<0.001953125> : tensor<f32>} : tensor<f32>
  %t = qnn.constant {name = "t", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.dequantize %x, %s {name = "dx", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x2xi16>, tensor<f32>) -> tensor<1x2xf32>
  %1 = qnn.relu %0 {name = "r"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.quantize %1, %t {name = "q", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi8>
  %3 = qnn.tanh %0 {name = "h"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %4 = qnn.quantize %3, %t {name = "p", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi8>
  return %2, %4 : tensor<1x2xi8>, tensor<1x2xi8>
}

// -----

// A concat brings its branches to the grid and the width of the result (E2); a pad writes the code of its border: 1 / 0.5 = 2.
// CHECK-LABEL: func.func @movement
// CHECK: %[[A:.*]] = dyadic.rescale %arg0
// CHECK-SAME: (tensor<1x2xi8>) -> tensor<1x2xi16>
// CHECK: %[[C:.*]] = qnn.concat %[[A]], %arg1
// CHECK-SAME: -> tensor<1x4xi16>
// CHECK: qnn.pad %[[C]]
// CHECK-SAME: value = 2.000000e+00
// CHECK-SAME: (tensor<1x4xi16>) -> tensor<1x5xi16>
func.func @movement(%x: tensor<1x2xi8> {qnn.name = "x"}, %y: tensor<1x2xi16> {qnn.name = "y"}) -> tensor<1x5xi16> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.dequantize %x, %s {name = "dx", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  %1 = qnn.dequantize %y, %s {name = "dy", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x2xi16>, tensor<f32>) -> tensor<1x2xf32>
  %2 = qnn.concat %0, %1 {name = "c", axis = 1 : i64} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x4xf32>
  %3 = qnn.quantize %2, %s {name = "q", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xi16>
  %4 = qnn.dequantize %3, %s {name = "dc", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x4xi16>, tensor<f32>) -> tensor<1x4xf32>
  %5 = qnn.pad %4 {name = "pad", low = array<i64: 0, 0>, high = array<i64: 0, 1>, mode = #qnn.pad_mode<constant>, value = 1.0 : f64} : (tensor<1x4xf32>) -> tensor<1x5xf32>
  %6 = qnn.quantize %5, %s {name = "p", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x5xf32>, tensor<f32>) -> tensor<1x5xi16>
  return %6 : tensor<1x5xi16>
}

// -----

// What imported graphs may hold and 32 bits do not: 65536 * 32768 = 2^31 stays float, and so do factors with zero points and
// products of two wide activations.
// CHECK-LABEL: func.func @refused
// CHECK: qnn.linear
// CHECK: qnn.mul
// CHECK: qnn.matmul
// REMARK: stays float: R14: its accumulators may reach 2147483648, 2^31 or more, with 16-bit activations; choose 8-bit ones for its input
// REMARK: stays float: E3: a factor of 16-bit codes has a zero point: expected 0
// REMARK: stays float: a product of two activations has no 16-bit form; choose activations.format: s8 for its operands
func.func @refused(%x: tensor<1x3xi16> {qnn.name = "x"}) -> (tensor<1x1xi8>, tensor<1x3xi8>, tensor<3x3xi8>) {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {name = "z", value = dense<5> : tensor<i16>} : tensor<i16>
  %w = qnn.constant {name = "w", value = dense<[[32767, 32767, -2]]> : tensor<1x3xi16>} : tensor<1x3xi16>
  %0 = qnn.dequantize %x, %s {name = "dx", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x3xi16>, tensor<f32>) -> tensor<1x3xf32>
  %1 = qnn.dequantize %w, %s {name = "dw", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x3xi16>, tensor<f32>) -> tensor<1x3xf32>
  %2 = qnn.linear %0, %1 {name = "l"} : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x1xf32>
  %3 = qnn.quantize %2, %s {name = "q", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x1xf32>, tensor<f32>) -> tensor<1x1xi8>
  %4 = qnn.dequantize %x, %s, %z {name = "dz", scheme = #qnn.scheme<s16, tensor>} : (tensor<1x3xi16>, tensor<f32>, tensor<i16>) -> tensor<1x3xf32>
  %5 = qnn.mul %0, %4 {name = "m"} : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
  %6 = qnn.quantize %5, %s {name = "p", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x3xf32>, tensor<f32>) -> tensor<1x3xi8>
  %7 = qnn.transpose %0 {name = "t", perm = array<i64: 1, 0>} : (tensor<1x3xf32>) -> tensor<3x1xf32>
  %8 = qnn.quantize %7, %s {name = "tq", scheme = #qnn.scheme<s16, tensor>} : (tensor<3x1xf32>, tensor<f32>) -> tensor<3x1xi16>
  %9 = qnn.dequantize %8, %s {name = "td", scheme = #qnn.scheme<s16, tensor>} : (tensor<3x1xi16>, tensor<f32>) -> tensor<3x1xf32>
  %10 = qnn.matmul %9, %0 {name = "mm"} : (tensor<3x1xf32>, tensor<1x3xf32>) -> tensor<3x3xf32>
  %11 = qnn.quantize %10, %s {name = "mq", scheme = #qnn.scheme<s8, tensor>} : (tensor<3x3xf32>, tensor<f32>) -> tensor<3x3xi8>
  return %3, %6, %11 : tensor<1x1xi8>, tensor<1x3xi8>, tensor<3x3xi8>
}
