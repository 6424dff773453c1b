// RUN: quant-opt %s --verify-diagnostics --pass-pipeline='builtin.module(func.func(quantize-weights))'

func.func @not_finite(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<[[1.0, 0x7FC00000], [0.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.dequantize %x, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  // expected-error@below {{'first': expected finite weights, found NaN or infinity at element 1 of 'w'}}
  %1 = qnn.linear %0, %w {name = "first", qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %1 : tensor<1x2xf32>
}
