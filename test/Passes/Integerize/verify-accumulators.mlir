// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(verify-accumulators))'

// Zero point 0: max |x| = 128. (127 + 126) * 128 + 2147451263 = 2147483647 = 2^31 - 1 still fits; one more does not.
func.func @fits(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x1xi32> {
  %w = qnn.constant {name = "w", value = dense<[[127, -126]]> : tensor<1x2xi8>} : tensor<1x2xi8>
  %b = qnn.constant {name = "b", value = dense<[2147451263]> : tensor<1xi32>} : tensor<1xi32>
  %0 = dyadic.linear %x, %w, %b {name = "l", input_zero_point = 0 : i32} : (tensor<1x2xi8>, tensor<1x2xi8>, tensor<1xi32>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

func.func @bias(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xi32> {
  %w = qnn.constant {name = "w", value = dense<[[1, 1], [127, -126]]> : tensor<2x2xi8>} : tensor<2x2xi8>
  %b = qnn.constant {name = "b", value = dense<[0, 2147451264]> : tensor<2xi32>} : tensor<2xi32>
  // expected-error@below {{V3: 'l', channel 1: the accumulator may reach 2147483648 with K = 2: expected less than 2^31 = 2147483648 (R14); use fewer bits or split the sum}}
  %0 = dyadic.linear %x, %w, %b {name = "l", input_zero_point = 0 : i32} : (tensor<1x2xi8>, tensor<2x2xi8>, tensor<2xi32>) -> tensor<1x2xi32>
  return %0 : tensor<1x2xi32>
}

// -----

// Zero point -128 makes max |x - z| = 255: s16 weights 9 * 32767 * 255 = 75200265 fit, 2 * 9 * ... * 16 do not.
func.func @conv(%x: tensor<1x32x4x4xi8> {qnn.name = "x"}) -> tensor<1x1x2x2xi32> {
  %w = qnn.constant {name = "w", value = dense<32767> : tensor<1x32x3x3xi16>} : tensor<1x32x3x3xi16>
  // 32 * 9 * 32767 * 255 = 2406408480
  // expected-error@below {{V3: 'c', channel 0: the accumulator may reach 2406408480 with K = 288}}
  %0 = dyadic.conv %x, %w {name = "c", input_zero_point = -128 : i32, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x32x4x4xi8>, tensor<1x32x3x3xi16>) -> tensor<1x1x2x2xi32>
  return %0 : tensor<1x1x2x2xi32>
}

// -----

// Products of two activations use the generic bound: K <= 131071 for s8 x s8 with zero points 0 (128 * 128 * 131072 = 2^31).
func.func @matmul_fits(%x: tensor<1x131071xi8> {qnn.name = "x"}, %y: tensor<131071x1xi8> {qnn.name = "y"}) -> tensor<1x1xi32> {
  %0 = dyadic.matmul %x, %y {name = "m", lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32} : (tensor<1x131071xi8>, tensor<131071x1xi8>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

func.func @matmul(%x: tensor<1x131072xi8> {qnn.name = "x"}, %y: tensor<131072x1xi8> {qnn.name = "y"}) -> tensor<1x1xi32> {
  // expected-error@below {{V3: 'm': the accumulator may reach 2147483648 with K = 131072}}
  %0 = dyadic.matmul %x, %y {name = "m", lhs_zero_point = 0 : i32, rhs_zero_point = 0 : i32} : (tensor<1x131072xi8>, tensor<131072x1xi8>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

// A dynamic dimension counts with its upper bound: 16777216 * 128 = 2^31.
func.func @sum(%x: tensor<1x?xi8> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (1, s0)>}) -> tensor<1xi32> attributes {qnn.symbols = [#qnn.symbol<"N", 1, 16777216, 1>]} {
  // expected-error@below {{V3: 's': the accumulator may reach 2147483648 with K = 16777216}}
  %0 = dyadic.reduce_sum %x {name = "s", axes = array<i64: 1>, keepdims = false, input_zero_point = 0 : i32} : (tensor<1x?xi8>) -> tensor<1xi32>
  return %0 : tensor<1xi32>
}

// -----

func.func @computed_bias(%x: tensor<1x2xi8> {qnn.name = "x"}, %b: tensor<1xi32> {qnn.name = "b"}) -> tensor<1x1xi32> {
  %w = qnn.constant {name = "w", value = dense<[[127, -126]]> : tensor<1x2xi8>} : tensor<1x2xi8>
  // expected-error@below {{V3: 'l': expected a constant bias, found one that is computed: no bound on the accumulator}}
  %0 = dyadic.linear %x, %w, %b {name = "l", input_zero_point = 0 : i32} : (tensor<1x2xi8>, tensor<1x2xi8>, tensor<1xi32>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

// R16: row 0 has 15 * 17 - 127 = 128, which no s8 holds.
func.func @two_level(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x1xi32> {
  %w = qnn.constant {name = "w", value = dense<[[0, -1]]> : tensor<1x2xi4>} : tensor<1x2xi4>
  %s = qnn.constant {name = "s", value = dense<17> : tensor<1x1xi8>} : tensor<1x1xi8>
  %m = qnn.constant {name = "m", value = dense<-127> : tensor<1x1xi16>} : tensor<1x1xi16>
  // expected-error@below {{R16: 'l', row 0, group 0: code 15 makes the weight 128: expected one in [-127, 127]}}
  %0 = dyadic.linear_two_level %x, %w, %s, %m {name = "l", group = 2 : i64, input_zero_point = 0 : i32} : (tensor<1x2xi8>, tensor<1x2xi4>, tensor<1x1xi8>, tensor<1x1xi16>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

func.func @group_scale(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x1xi32> {
  %w = qnn.constant {name = "w", value = dense<[[0, 1]]> : tensor<1x2xi4>} : tensor<1x2xi4>
  %s = qnn.constant {name = "s", value = dense<18> : tensor<1x1xi8>} : tensor<1x1xi8>
  %m = qnn.constant {name = "m", value = dense<0> : tensor<1x1xi16>} : tensor<1x1xi16>
  // expected-error@below {{R16: 'l', row 0, group 0: expected a group scale in [1, 17], found 18}}
  %0 = dyadic.linear_two_level %x, %w, %s, %m {name = "l", group = 2 : i64, input_zero_point = 0 : i32} : (tensor<1x2xi8>, tensor<1x2xi4>, tensor<1x1xi8>, tensor<1x1xi16>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

// 128 * |code 15 * 8 + 7 = 127| * 2 columns + bias: 32512 + 2147451136 = 2^31.
func.func @two_level_bound(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x1xi32> {
  %w = qnn.constant {name = "w", value = dense<-1> : tensor<1x2xi4>} : tensor<1x2xi4>
  %s = qnn.constant {name = "s", value = dense<8> : tensor<1x1xi8>} : tensor<1x1xi8>
  %m = qnn.constant {name = "m", value = dense<7> : tensor<1x1xi16>} : tensor<1x1xi16>
  %b = qnn.constant {name = "b", value = dense<2147451136> : tensor<1xi32>} : tensor<1xi32>
  // expected-error@below {{V3: 'l', channel 0: the accumulator may reach 2147483648 with K = 2}}
  %0 = dyadic.linear_two_level %x, %w, %s, %m, %b {name = "l", group = 2 : i64, input_zero_point = 0 : i32} : (tensor<1x2xi8>, tensor<1x2xi4>, tensor<1x1xi8>, tensor<1x1xi16>, tensor<1xi32>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

// Partial sums: 65536 columns of |-128 - 127| = 255 each way times 128 are 2139095040 and fit; zero point -128 of x makes 255.
func.func @groups(%x: tensor<1x65536xi8> {qnn.name = "x"}) -> tensor<1x1x1xi32> {
  %w = qnn.constant {name = "w", value = dense<-128> : tensor<1x65536xi8>} : tensor<1x65536xi8>
  %z = qnn.constant {name = "z", value = dense<127> : tensor<1x1xi8>} : tensor<1x1xi8>
  %0 = dyadic.linear_groups %x, %w, %z {name = "fits", group = 65536 : i64, input_zero_point = 0 : i32} : (tensor<1x65536xi8>, tensor<1x65536xi8>, tensor<1x1xi8>) -> tensor<1x1x1xi32>
  // expected-error@below {{V3: 'l', channel 0, group 0: the accumulator may reach 4261478400 with K = 65536}}
  %1 = dyadic.linear_groups %x, %w, %z {name = "l", group = 65536 : i64, input_zero_point = -128 : i32} : (tensor<1x65536xi8>, tensor<1x65536xi8>, tensor<1x1xi8>) -> tensor<1x1x1xi32>
  return %1 : tensor<1x1x1xi32>
}

// -----

// Codes of 16 bits count with what their producer's clamp leaves, through what moves them and a border that stays inside: 65536 *
// 16384 = 2^30 fits.
func.func @clamped(%x: tensor<1x1x1xi32> {qnn.name = "x"}) -> tensor<1x1xi32> {
  %v = qnn.constant {name = "v", value = dense<[[32767, 32767, 2]]> : tensor<1x3xi16>} : tensor<1x3xi16>
  %0 = dyadic.rescale %x {name = "r", multiplier = array<i32: 1073741824>, shift = array<i8: 31>, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -16384, 16383>} : (tensor<1x1x1xi32>) -> tensor<1x1x1xi16>
  %1 = qnn.pad %0 {name = "p", low = array<i64: 0, 0, 1>, high = array<i64: 0, 0, 1>, mode = #qnn.pad_mode<constant>, value = 0.0 : f64} : (tensor<1x1x1xi16>) -> tensor<1x1x3xi16>
  %2 = qnn.reshape %1 {name = "s", shape = affine_map<() -> (1, 3)>} : (tensor<1x1x3xi16>) -> tensor<1x3xi16>
  %3 = dyadic.linear %2, %v {name = "l", input_zero_point = 0 : i32} : (tensor<1x3xi16>, tensor<1x3xi16>) -> tensor<1x1xi32>
  return %3 : tensor<1x1xi32>
}

// -----

// Without a clamp the type's codes count: 65536 * 32768 = 2^31.
func.func @unclamped(%x: tensor<1x3xi16> {qnn.name = "x"}) -> tensor<1x1xi32> {
  %v = qnn.constant {name = "v", value = dense<[[32767, 32767, 2]]> : tensor<1x3xi16>} : tensor<1x3xi16>
  // expected-error@below {{V3: 'l', channel 0: the accumulator may reach 2147483648 with K = 3}}
  %0 = dyadic.linear %x, %v {name = "l", input_zero_point = 0 : i32} : (tensor<1x3xi16>, tensor<1x3xi16>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}

// -----

// A quantizer's scheme says how many bits its codes have: 2 * 32767 * 4096 fits.
func.func @narrow_scheme(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x1xi32> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %v = qnn.constant {name = "v", value = dense<32767> : tensor<1x2xi16>} : tensor<1x2xi16>
  %b = qnn.constant {name = "b", value = dense<[1879056383]> : tensor<1xi32>} : tensor<1xi32>
  %0 = qnn.quantize %x, %s {name = "q", scheme = #qnn.scheme<s13, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi16>
  // 65534 * 4096 + 1879056383 = 2147483647
  %1 = dyadic.linear %0, %v, %b {name = "l", input_zero_point = 0 : i32} : (tensor<1x2xi16>, tensor<1x2xi16>, tensor<1xi32>) -> tensor<1x1xi32>
  return %1 : tensor<1x1xi32>
}
