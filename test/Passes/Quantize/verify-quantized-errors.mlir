// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(verify-quantized))'

func.func @scale(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xi8> {
  %s = qnn.constant {name = "s", value = dense<0.0> : tensor<f32>} : tensor<f32>
  // expected-error@below {{'q': Q2: expected finite scales of at least 2^-126, found 0.000000 at index 0}}
  %0 = qnn.quantize %x, %s {name = "q", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi8>
  return %0 : tensor<1x2xi8>
}

// -----

func.func @codes(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x1xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<1xf32>} : tensor<1xf32>
  %w = qnn.constant {name = "w", value = dense<[[-128, 1]]> : tensor<1x2xi8>} : tensor<1x2xi8>
  // expected-error@below {{'dq': expected symmetric codes in [-127, 127], found -128 at element 0}}
  %0 = qnn.dequantize %w, %s {name = "dq", scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xi8>, tensor<1xf32>) -> tensor<1x2xf32>
  %1 = qnn.linear %x, %0 {name = "first", qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}

// -----

func.func @zero_point(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x1xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<1xf32>} : tensor<1xf32>
  %z = qnn.constant {name = "z", value = dense<3> : tensor<1xi8>} : tensor<1xi8>
  %w = qnn.constant {name = "w", value = dense<[[-12, 1]]> : tensor<1x2xi8>} : tensor<1x2xi8>
  // expected-error@below {{'dq': expected weights with zero point 0, found 3}}
  %0 = qnn.dequantize %w, %s, %z {name = "dq", scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xi8>, tensor<1xf32>, tensor<1xi8>) -> tensor<1x2xf32>
  %1 = qnn.linear %x, %0 {name = "first", qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  return %1 : tensor<1x1xf32>
}

// -----

func.func @tie(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<2x1xi8> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %t = qnn.constant {name = "t", value = dense<0.25> : tensor<f32>} : tensor<f32>
  %0 = qnn.dequantize %x, %s {name = "dq", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  // expected-error@below {{'turn': E5: expected one grid before and behind, found scale 5.000000e-01 and zero point 0 before, scale 2.500000e-01 and zero point 0 behind}}
  %1 = qnn.transpose %0 {name = "turn", perm = array<i64: 1, 0>, qnn.activation_scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>) -> tensor<2x1xf32>
  // expected-note@below {{the quantizer behind}}
  %2 = qnn.quantize %1, %t {name = "q", scheme = #qnn.scheme<s8, tensor>} : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xi8>
  return %2 : tensor<2x1xi8>
}
