// Every message of the dyadic verifiers; a function is named after the operation and the constraint (C1, ...) that it breaks.
// RUN: quant-opt %s --split-input-file --verify-diagnostics

func.func @rescale_c1_small(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C1: expected a multiplier of 31 bits in [1073741824, 2147483648), found 1073741823}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741823>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c1_negative(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C1: expected a multiplier of 31 bits in [1073741824, 2147483648), found -1}}
  %0 = dyadic.rescale %x {multiplier = array<i32: -1>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c1_wide(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C1: expected a multiplier of 15 bits in [16384, 32768), found 32768}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 32768>, shift = array<i8: 38>, multiplier_bits = 15 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c2_low(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C2: expected a shift in [2, 62], found 1}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 1>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c2_high(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C2: expected a shift in [2, 62], found 63}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 63>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c3_order(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C3: expected clamp bounds low <= high inside [-128, 127]}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: 5, 4>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c3_type(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C3: expected clamp bounds low <= high inside [-128, 127]}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 128>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c3_count(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C3: expected clamp bounds low <= high inside [-128, 127]}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: 0>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c4_tensor(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C4: expected 1 multipliers and shifts, found 2 and 1}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824, 1073741824>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c4_axis(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C4: expected 4 multipliers and shifts, found 1 and 1}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>, axis = 1 : i64} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c4_rank(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C4: axis 2 is outside the rank 2}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>, axis = 2 : i64} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @rescale_c4_dynamic(%x: tensor<2x?xi32>) {
  // expected-error@+1 {{C4: expected a static dimension along axis 1}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 38>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>, axis = 1 : i64} : (tensor<2x?xi32>) -> tensor<2x?xi8>
  return
}

// -----

func.func @rescale_c5(%x: tensor<2x4xi32>) {
  // expected-error@+1 {{C5: expected multiplier_bits of 15, 23 or 31, found 16}}
  %0 = dyadic.rescale %x {multiplier = array<i32: 1073741824>, shift = array<i8: 38>, multiplier_bits = 16 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @add_c1_low(%x: tensor<4xi8>) {
  // expected-error@+1 {{C1: expected a shift in [1, 62], found 0}}
  %0 = dyadic.add %x, %x {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, lhs_multiplier = 1 : i32, rhs_multiplier = 1 : i32, shift = 0 : i8, rounding = #dyadic.rounding<half_even>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @add_c1_high(%x: tensor<4xi8>) {
  // expected-error@+1 {{C1: expected a shift in [1, 62], found 63}}
  %0 = dyadic.add %x, %x {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, lhs_multiplier = 1 : i32, rhs_multiplier = 1 : i32, shift = 63 : i8, rounding = #dyadic.rounding<half_even>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @add_c3(%x: tensor<4xi8>) {
  // expected-error@+1 {{C3: expected clamp bounds low <= high inside [-128, 127]}}
  %0 = dyadic.add %x, %x {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, lhs_multiplier = 1 : i32, rhs_multiplier = 1 : i32, shift = 20 : i8, rounding = #dyadic.rounding<half_even>, zero_point = 0 : i32, clamp = array<i32: -129, 127>} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @mul_c1(%x: tensor<4xi8>) {
  // expected-error@+1 {{C1: expected a multiplier of 31 bits in [1073741824, 2147483648), found 5}}
  %0 = dyadic.mul %x, %x {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, multiplier = 5 : i32, multiplier_bits = 31 : i64, shift = 20 : i8, rounding = #dyadic.rounding<half_even>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @mul_c2(%x: tensor<4xi8>) {
  // expected-error@+1 {{C2: expected a shift in [2, 62], found 1}}
  %0 = dyadic.mul %x, %x {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, multiplier = 1073741824 : i32, multiplier_bits = 31 : i64, shift = 1 : i8, rounding = #dyadic.rounding<half_even>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @mul_c3(%x: tensor<4xi8>) {
  // expected-error@+1 {{C3: expected clamp bounds low <= high inside [-128, 127]}}
  %0 = dyadic.mul %x, %x {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, multiplier = 1073741824 : i32, multiplier_bits = 31 : i64, shift = 20 : i8, rounding = #dyadic.rounding<half_even>, zero_point = 0 : i32, clamp = array<i32: 1, 0>} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @mul_c5(%x: tensor<4xi8>) {
  // expected-error@+1 {{C5: expected multiplier_bits of 15, 23 or 31, found 30}}
  %0 = dyadic.mul %x, %x {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32, multiplier = 536870912 : i32, multiplier_bits = 30 : i64, shift = 20 : i8, rounding = #dyadic.rounding<half_even>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @lookup_table(%x: tensor<4xi8>) {
  // expected-error@+1 {{expected a table of 256 entries, found 2}}
  %0 = dyadic.lookup %x {table = array<i8: 1, 2>} : (tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @avg_pool_c1(%x: tensor<1x2x4x4xi8>) {
  // expected-error@+1 {{C1: expected 4 multipliers and shifts, found 3 and 3}}
  %0 = dyadic.avg_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, input_zero_point = 0 : i32, multiplier = array<i32: 1073741824, 1073741824, 1073741824>, shift = array<i8: 31, 31, 31>, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<1x2x4x4xi8>) -> tensor<1x2x2x2xi8>
  return
}

// -----

func.func @avg_pool_c3(%x: tensor<1x2x4x4xi8>) {
  // expected-error@+1 {{C3: expected clamp bounds low <= high inside [-128, 127]}}
  %0 = dyadic.avg_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, input_zero_point = 0 : i32, multiplier = array<i32: 1073741824, 1073741824, 1073741824, 1073741824>, shift = array<i8: 31, 31, 31, 31>, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: 0, 200>} : (tensor<1x2x4x4xi8>) -> tensor<1x2x2x2xi8>
  return
}

// -----

func.func @avg_pool_rank(%x: tensor<2x4xi8>) {
  // expected-error@+1 {{expected an input of rank >= 3 (N, C, spatial), found rank 2}}
  %0 = dyadic.avg_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, input_zero_point = 0 : i32, multiplier = array<i32: 1073741824, 1073741824, 1073741824, 1073741824>, shift = array<i8: 31, 31, 31, 31>, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<2x4xi8>) -> tensor<1x2x2x2xi8>
  return
}

// -----

func.func @conv_c1(%x: tensor<1x4x8x8xi8>, %w: tensor<2x3x1x1xi8>) {
  // expected-error@+1 {{C1: expected input channels to be 3, found 4}}
  %0 = dyadic.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64, input_zero_point = 0 : i32} : (tensor<1x4x8x8xi8>, tensor<2x3x1x1xi8>) -> tensor<1x2x8x8xi32>
  return
}

// -----

func.func @conv_transpose_c3(%x: tensor<1x4x8x8xi8>, %w: tensor<4x3x1x1xi8>) {
  // expected-error@+1 {{C3: expected one stride, dilation and output_padding a spatial dimension and two pads}}
  %0 = dyadic.conv_transpose %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 1 : i64, input_zero_point = 0 : i32} : (tensor<1x4x8x8xi8>, tensor<4x3x1x1xi8>) -> tensor<1x3x8x8xi32>
  return
}

// -----

func.func @conv_transpose_kernel(%x: tensor<1x4x8x8xi8>, %w: tensor<4x3x?x1xi8>) {
  // expected-error@+1 {{expected a weight with static kernel dimensions}}
  %0 = dyadic.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 1 : i64, input_zero_point = 0 : i32} : (tensor<1x4x8x8xi8>, tensor<4x3x?x1xi8>) -> tensor<1x3x8x8xi32>
  return
}

// -----

func.func @linear_k(%x: tensor<2x4xi8>, %w: tensor<3x5xi8>) {
  // expected-error@+1 {{expected the last input dimension (K) to be 5, found 4}}
  %0 = dyadic.linear %x, %w {input_zero_point = 0 : i32} : (tensor<2x4xi8>, tensor<3x5xi8>) -> tensor<2x3xi32>
  return
}

// -----

func.func @matmul_k(%x: tensor<2x4xi8>, %w: tensor<5x3xi8>) {
  // expected-error@+1 {{expected rows of the right operand (K) to be 4, found 5}}
  %0 = dyadic.matmul %x, %w {lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32} : (tensor<2x4xi8>, tensor<5x3xi8>) -> tensor<2x3xi32>
  return
}

// -----

func.func @reduce_sum_axes(%x: tensor<2x4xi8>) {
  // expected-error@+1 {{axis 2 is outside the rank 2}}
  %0 = dyadic.reduce_sum %x {axes = array<i64: 2>, keepdims = false, input_zero_point = 0 : i32} : (tensor<2x4xi8>) -> tensor<2xi32>
  return
}

// -----

func.func @rescale_mean_c1_sign(%x: tensor<4xi32>) {
  // expected-error@+1 {{C1: expected a positive, finite scale, found -1}}
  %0 = dyadic.rescale_mean %x {count = affine_map<()[s0] -> (s0)>, scale = -1.0 : f64, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<4xi32>) -> tensor<4xi8>
  return
}

// -----

func.func @rescale_mean_c1_infinite(%x: tensor<4xi32>) {
  // expected-error@+1 {{C1: expected a positive, finite scale, found }}
  %0 = dyadic.rescale_mean %x {count = affine_map<()[s0] -> (s0)>, scale = 0x7FF0000000000000 : f64, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<4xi32>) -> tensor<4xi8>
  return
}

// -----

func.func @rescale_mean_c2(%x: tensor<4xi32>) {
  // expected-error@+1 {{C2: expected a count of one result, found 2}}
  %0 = dyadic.rescale_mean %x {count = affine_map<()[s0] -> (s0, s0)>, scale = 0.25 : f64, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<4xi32>) -> tensor<4xi8>
  return
}

// -----

func.func @rescale_mean_c3(%x: tensor<4xi32>) {
  // expected-error@+1 {{C3: expected clamp bounds low <= high inside [-128, 127]}}
  %0 = dyadic.rescale_mean %x {count = affine_map<()[s0] -> (s0)>, scale = 0.25 : f64, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -129, 0>} : (tensor<4xi32>) -> tensor<4xi8>
  return
}

// -----

func.func @conv_transpose_c1(%x: tensor<1x4x8x8xi8>, %w: tensor<5x3x1x1xi8>) {
  // expected-error@+1 {{C1: expected input channels to be 5, found 4}}
  %0 = dyadic.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 1 : i64, input_zero_point = 0 : i32} : (tensor<1x4x8x8xi8>, tensor<5x3x1x1xi8>) -> tensor<1x3x8x8xi32>
  return
}

// -----

func.func @conv_transpose_c1_groups(%x: tensor<1x4x8x8xi8>, %w: tensor<4x3x1x1xi8>) {
  // expected-error@+1 {{C1: expected input channels divisible by groups = 3}}
  %0 = dyadic.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 3 : i64, input_zero_point = 0 : i32} : (tensor<1x4x8x8xi8>, tensor<4x3x1x1xi8>) -> tensor<1x3x8x8xi32>
  return
}
