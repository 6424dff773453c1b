// RUN: quant-interpret %s | FileCheck %s

// Between floats and codes (Q1, Q2).

// x / 0.5 = 1, 2.5, 3.5, -5, 1000, NaN; half to even: 1, 2, 4, -5; plus 10; saturated; NaN gives the zero point.
// CHECK: @quantize#0 s8[6] = 11 12 14 5 127 10
// (q - 10) * 0.5
// CHECK-NEXT: @quantize#1 f32[6] = 0.5 1 2 -2.5 58.5 0
func.func @quantize() -> (tensor<6xi8>, tensor<6xf32>) {
  %x = qnn.constant {value = dense<[0.5, 1.25, 1.75, -2.5, 500.0, 0x7FC00000]> : tensor<6xf32>} : tensor<6xf32>
  %s = qnn.constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {value = dense<10> : tensor<i8>} : tensor<i8>
  %q = qnn.quantize %x, %s, %z {scheme = #qnn.scheme<s8, tensor>} : (tensor<6xf32>, tensor<f32>, tensor<i8>) -> tensor<6xi8>
  %y = qnn.dequantize %q, %s, %z {scheme = #qnn.scheme<s8, tensor>} : (tensor<6xi8>, tensor<f32>, tensor<i8>) -> tensor<6xf32>
  return %q, %y : tensor<6xi8>, tensor<6xf32>
}

// u8 at a border: -130 + 128 = -2 saturates at 0, 200 + 128 at 255.
// CHECK: @unsigned#0 u8[3] = 0 128 255
func.func @unsigned() -> tensor<3xui8> {
  %x = qnn.constant {value = dense<[-130.0, 0.0, 200.0]> : tensor<3xf32>} : tensor<3xf32>
  %s = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  %z = qnn.constant {value = dense<128> : tensor<ui8>} : tensor<ui8>
  %q = qnn.quantize %x, %s, %z {scheme = #qnn.scheme<u8, tensor>} : (tensor<3xf32>, tensor<f32>, tensor<ui8>) -> tensor<3xui8>
  return %q : tensor<3xui8>
}

// One scale a row (axis 0): row 0 / 1, row 1 / 0.25.
// CHECK: @per_axis#0 s8[2,2] = 1 2 12 16
// CHECK-NEXT: @per_axis#1 f32[2,2] = 1 2 3 4
func.func @per_axis() -> (tensor<2x2xi8>, tensor<2x2xf32>) {
  %x = qnn.constant {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %s = qnn.constant {value = dense<[1.0, 0.25]> : tensor<2xf32>} : tensor<2xf32>
  %q = qnn.quantize %x, %s {scheme = #qnn.scheme<s8, axis 0>} : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xi8>
  %y = qnn.dequantize %q, %s {scheme = #qnn.scheme<s8, axis 0>} : (tensor<2x2xi8>, tensor<2xf32>) -> tensor<2x2xf32>
  return %q, %y : tensor<2x2xi8>, tensor<2x2xf32>
}

// Groups of two along dimension 1: scales 1 and 10 for row 0.
// CHECK: @groups#0 f32[1,4] = 7 -8 10 -20
func.func @groups() -> tensor<1x4xf32> {
  %q = qnn.constant {value = dense<[[7, -8, 1, -2]]> : tensor<1x4xi4>} : tensor<1x4xi4>
  %s = qnn.constant {value = dense<[[1.0, 10.0]]> : tensor<1x2xf32>} : tensor<1x2xf32>
  %y = qnn.dequantize %q, %s {scheme = #qnn.scheme<s4, group 2 along 1>} : (tensor<1x4xi4>, tensor<1x2xf32>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
