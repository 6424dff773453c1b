// RUN: quant-opt %s --verify-diagnostics --pass-pipeline='builtin.module(func.func(place-quantizers))'

// expected-error@below {{value 'x': expected a calibrated range (qnn.range = array<f64: low, high>), found none; run calibrate-values and assign-schemes before}}
func.func @no_range(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  // expected-error@below {{value 'first': expected a calibrated range (qnn.range = array<f64: low, high>), found a malformed one}}
  %0 = qnn.linear %x, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.range = array<f64: 1.0, 0.0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.linear %0, %w {name = "second", qnn.activation_scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %1 : tensor<1x2xf32>
}
