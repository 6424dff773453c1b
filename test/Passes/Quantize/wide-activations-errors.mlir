// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(place-quantizers,quantize-weights))'

func.func @no_kernel(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>, qnn.activation_scheme = #qnn.scheme<s16, tensor>}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  // expected-error@below {{'first': no kernel multiplies s16 weights and s16 activations (input 'x'): expected s8 weights; choose weights.format: s8 for this operation or activations.format: s8 for its input}}
  %0 = qnn.linear %x, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s16, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}

// -----

// 140000 * 255 = 35.7e6 for each step of the weights; as much is kept for rounding and for a correction of the bias:
// (2^31 - 35.7e6) / 35.7e6 = 59 is the largest code, of 7 bits.
func.func @too_long(%x: tensor<1x140000xf32> {qnn.name = "x", qnn.range = array<f64: 0.0, 1.0>}) -> tensor<1x1xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<1x140000xf32>} : tensor<1x140000xf32>
  // expected-error@below {{'first': R14: weight codes of slice 0 would have 7 bits so that sums of 140000 products stay in 32 bits: expected at least 8; choose weights.format: s8 or activations of 8 bits for this operation}}
  %0 = qnn.linear %x, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s16, axis 0>} : (tensor<1x140000xf32>, tensor<1x140000xf32>) -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}

// -----

func.func @missing(%x: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.0, 1.0>, qnn.activation_scheme = #qnn.scheme<s16, tensor>}) -> tensor<1x2xf32> {
  // Asked for its sums, and then for its values.
  // expected-error@below {{weight 'nothing' is not in the weight store: load the file that holds it}}
  %w = qnn.weight "nothing" {name = "w"} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "first", qnn.activation_scheme = #qnn.scheme<s8, tensor>, qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}
