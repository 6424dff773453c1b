// Every message of the qnn verifiers; a function is named after the operation and the constraint (C1, ...) that it breaks.
// RUN: quant-opt %s --split-input-file --verify-diagnostics

func.func @conv_c1(%x: tensor<1x4x8x8xf32>, %w: tensor<2x3x1x1xf32>) {
  // expected-error@+1 {{C1: expected input channels to be 3, found 4}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_c2_groups(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x1x1xf32>) {
  // expected-error@+1 {{C2: expected groups >= 1, found 0}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 0 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_c2_outputs(%x: tensor<1x4x8x8xf32>, %w: tensor<3x2x1x1xf32>) {
  // expected-error@+1 {{C2: expected output channels divisible by groups = 2, found 3}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (tensor<1x4x8x8xf32>, tensor<3x2x1x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_c3_counts(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x1x1xf32>) {
  // expected-error@+1 {{C3: expected 2 strides and dilations and 4 pads, found 1, 2 and 4}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_c3_positive(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x1x1xf32>) {
  // expected-error@+1 {{C3: expected positive kernel, strides and dilations}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 0>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_window(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x11x1xf32>) {
  // expected-error@+1 {{window of spatial dimension 0 does not fit: output size -2}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x11x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_weight_rank(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4xf32>) {
  // expected-error@+1 {{expected a weight of rank 3 or more (O, C/groups, kernel), found rank 2}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_input_rank(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x1xf32>) {
  // expected-error@+1 {{expected an input of the weight's rank 3, found rank 4}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_static_kernel(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x?x1xf32>) {
  // expected-error@+1 {{expected a weight with static kernel dimensions}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x?x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_bias(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x1x1xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{expected a bias of shape [2]}}
  %0 = qnn.conv %x, %w, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x1x1xf32>, tensor<3xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_result_rank(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x1x1xf32>) {
  // expected-error@+1 {{expected result #0 of rank 4, found 'tensor<1x2x8xf32>'}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x8xf32>
  return
}

// -----

func.func @conv_result_dimension(%x: tensor<1x4x8x8xf32>, %w: tensor<2x4x1x1xf32>) {
  // expected-error@+1 {{expected dimension 3 of result #0 to be 8, found 9}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x8x9xf32>
  return
}

// -----

func.func @conv_transpose_rank(%x: tensor<1x4x8x8xf32>, %w: tensor<4x2x1xf32>) {
  // expected-error@+1 {{expected input and weight of one rank >= 3, found 4 and 3}}
  %0 = qnn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<4x2x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_transpose_c1(%x: tensor<1x4x8x8xf32>, %w: tensor<3x2x1x1xf32>) {
  // expected-error@+1 {{C1: expected input channels to be 3, found 4}}
  %0 = qnn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<3x2x1x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_transpose_c1_groups(%x: tensor<1x4x8x8xf32>, %w: tensor<4x2x1x1xf32>) {
  // expected-error@+1 {{C1: expected input channels divisible by groups = 3, found 4}}
  %0 = qnn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 3 : i64} : (tensor<1x4x8x8xf32>, tensor<4x2x1x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_transpose_c3(%x: tensor<1x4x8x8xf32>, %w: tensor<4x2x1x1xf32>) {
  // expected-error@+1 {{C3: expected one stride, dilation and output_padding a spatial dimension and two pads}}
  %0 = qnn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<4x2x1x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @conv_transpose_static_kernel(%x: tensor<1x4x8x8xf32>, %w: tensor<4x2x?x1xf32>) {
  // expected-error@+1 {{expected a weight with static kernel dimensions}}
  %0 = qnn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, groups = 1 : i64} : (tensor<1x4x8x8xf32>, tensor<4x2x?x1xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

func.func @linear_ranks(%x: tensor<2x4xf32>, %w: tensor<1x3x4xf32>) {
  // expected-error@+1 {{expected an input of rank >= 1 and a weight of rank 2 (N, K), found ranks 2 and 3}}
  %0 = qnn.linear %x, %w : (tensor<2x4xf32>, tensor<1x3x4xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @linear_k(%x: tensor<2x4xf32>, %w: tensor<3x5xf32>) {
  // expected-error@+1 {{expected the last input dimension (K) to be 5, found 4}}
  %0 = qnn.linear %x, %w : (tensor<2x4xf32>, tensor<3x5xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @linear_bias(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %b: tensor<1x3xf32>) {
  // expected-error@+1 {{expected a bias of shape [3]}}
  %0 = qnn.linear %x, %w, %b : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @matmul_ranks(%x: tensor<4xf32>, %w: tensor<4x3xf32>) {
  // expected-error@+1 {{expected operands of rank >= 2, found ranks 1 and 2}}
  %0 = qnn.matmul %x, %w : (tensor<4xf32>, tensor<4x3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @matmul_k(%x: tensor<2x4xf32>, %w: tensor<5x3xf32>) {
  // expected-error@+1 {{expected rows of the right operand (K) to be 4, found 5}}
  %0 = qnn.matmul %x, %w : (tensor<2x4xf32>, tensor<5x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @matmul_batch(%x: tensor<2x2x4xf32>, %w: tensor<3x4x3xf32>) {
  // expected-error@+1 {{operands do not broadcast: dimension 0 is 2 and 3}}
  %0 = qnn.matmul %x, %w : (tensor<2x2x4xf32>, tensor<3x4x3xf32>) -> tensor<2x2x3xf32>
  return
}

// -----

func.func @broadcast(%x: tensor<2x3xf32>, %w: tensor<4xf32>) {
  // expected-error@+1 {{operands do not broadcast: dimension 1 is 3 and 4}}
  %0 = qnn.add %x, %w : (tensor<2x3xf32>, tensor<4xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @gather_axis(%x: tensor<2x4xf32>, %w: tensor<3xi64>) {
  // expected-error@+1 {{axis 2 is outside the rank 2}}
  %0 = qnn.gather %x, %w {axis = 2 : i64} : (tensor<2x4xf32>, tensor<3xi64>) -> tensor<2x3xf32>
  return
}

// -----

func.func @reduce_sorted(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected sorted, unique axes}}
  %0 = qnn.reduce_mean %x {axes = array<i64: 1, 0>, keepdims = false} : (tensor<2x4xf32>) -> tensor<f32>
  return
}

// -----

func.func @reduce_unique(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected sorted, unique axes}}
  %0 = qnn.reduce_sum %x {axes = array<i64: 0, 0>, keepdims = false} : (tensor<2x4xf32>) -> tensor<f32>
  return
}

// -----

func.func @reduce_axis(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{axis 2 is outside the rank 2}}
  %0 = qnn.reduce_max %x {axes = array<i64: 2>, keepdims = false} : (tensor<2x4xf32>) -> tensor<f32>
  return
}

// -----

func.func @argmax_axis(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{axis 5 is outside the rank 2}}
  %0 = qnn.argmax %x {axis = 5 : i64, keepdims = false} : (tensor<2x4xf32>) -> tensor<2xi64>
  return
}

// -----

func.func @softmax_axis(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{axis -1 is outside the rank 2}}
  %0 = qnn.softmax %x {axis = -1 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @pool_rank(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected an input of rank >= 3 (N, C, spatial), found rank 2}}
  %0 = qnn.max_pool %x {kernel = array<i64: 1>, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @pool_kernel(%x: tensor<1x2x4xf32>) {
  // expected-error@+1 {{expected an input of rank 4 (N, C, spatial), found rank 3}}
  %0 = qnn.avg_pool %x {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  return
}

// -----

func.func @layer_norm_parameter_rank(%x: tensor<2x4xf32>, %s: tensor<1x4xf32>) {
  // expected-error@+1 {{expected scale and bias of rank 1, found rank 2}}
  %0 = qnn.layer_norm %x scale %s : tensor<1x4xf32> {axis = 1 : i64, epsilon = 0.0 : f32} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @layer_norm_parameter_size(%x: tensor<2x4xf32>, %s: tensor<3xf32>) {
  // expected-error@+1 {{expected a dimension of scale or bias to be 4, found 3}}
  %0 = qnn.layer_norm %x scale %s : tensor<3xf32> {axis = 1 : i64, epsilon = 0.0 : f32} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @batch_norm_rank(%x: tensor<4xf32>, %p: tensor<4xf32>) {
  // expected-error@+1 {{expected an input of rank >= 2 (N, C, ...), found rank 1}}
  %0 = qnn.batch_norm %x, %p, %p, %p, %p {epsilon = 0.0 : f32} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @batch_norm_parameters(%x: tensor<2x4xf32>, %p: tensor<2xf32>) {
  // expected-error@+1 {{expected parameters of shape [4]}}
  %0 = qnn.batch_norm %x, %p, %p, %p, %p {epsilon = 0.0 : f32} : (tensor<2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @group_norm_groups(%x: tensor<2x4xf32>, %p: tensor<4xf32>) {
  // expected-error@+1 {{expected channels divisible by groups = 3, found 4}}
  %0 = qnn.group_norm %x, %p, %p {groups = 3 : i64, epsilon = 0.0 : f32} : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @squeeze_excite_ranks(%x: tensor<2x4xf32>, %a: tensor<2x4xf32>, %b: tensor<2xf32>, %c: tensor<4x2xf32>, %d: tensor<4xf32>) {
  // expected-error@+1 {{expected x of rank >= 3 and two weights of rank 2}}
  %0 = qnn.squeeze_excite %x, %a, %b, %c, %d {gate = "sigmoid"} : (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2xf32>, tensor<4x2xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @squeeze_excite_reduce(%x: tensor<1x4x4xf32>, %a: tensor<2x3xf32>, %b: tensor<2xf32>, %c: tensor<4x2xf32>, %d: tensor<4xf32>) {
  // expected-error@+1 {{expected columns of the reduce weight to be 4, found 3}}
  %0 = qnn.squeeze_excite %x, %a, %b, %c, %d {gate = "sigmoid"} : (tensor<1x4x4xf32>, tensor<2x3xf32>, tensor<2xf32>, tensor<4x2xf32>, tensor<4xf32>) -> tensor<1x4x4xf32>
  return
}

// -----

func.func @squeeze_excite_expand_rows(%x: tensor<1x4x4xf32>, %a: tensor<2x4xf32>, %b: tensor<2xf32>, %c: tensor<3x2xf32>, %d: tensor<4xf32>) {
  // expected-error@+1 {{expected rows of the expand weight to be 4, found 3}}
  %0 = qnn.squeeze_excite %x, %a, %b, %c, %d {gate = "sigmoid"} : (tensor<1x4x4xf32>, tensor<2x4xf32>, tensor<2xf32>, tensor<3x2xf32>, tensor<4xf32>) -> tensor<1x4x4xf32>
  return
}

// -----

func.func @squeeze_excite_expand_columns(%x: tensor<1x4x4xf32>, %a: tensor<2x4xf32>, %b: tensor<2xf32>, %c: tensor<4x3xf32>, %d: tensor<4xf32>) {
  // expected-error@+1 {{expected columns of the expand weight to be 2, found 3}}
  %0 = qnn.squeeze_excite %x, %a, %b, %c, %d {gate = "sigmoid"} : (tensor<1x4x4xf32>, tensor<2x4xf32>, tensor<2xf32>, tensor<4x3xf32>, tensor<4xf32>) -> tensor<1x4x4xf32>
  return
}

// -----

func.func @concat_axis(%x: tensor<2x4xf32>, %w: tensor<2x4xf32>) {
  // expected-error@+1 {{axis 2 is outside the rank 2}}
  %0 = qnn.concat %x, %w {axis = 2 : i64} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @concat_ranks(%x: tensor<2x4xf32>, %w: tensor<4xf32>) {
  // expected-error@+1 {{expected operands of one rank, found 2 and 1}}
  %0 = qnn.concat %x, %w {axis = 0 : i64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @concat_sizes(%x: tensor<2x4xf32>, %w: tensor<2x3xf32>) {
  // expected-error@+1 {{expected dimension 1 of each operand to be 4, found 3}}
  %0 = qnn.concat %x, %w {axis = 0 : i64} : (tensor<2x4xf32>, tensor<2x3xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @concat_nothing() {
  // expected-error@+1 {{expected at least one operand}}
  %0 = "qnn.concat"() {axis = 0 : i64} : () -> tensor<1xf32>
  return
}

// -----

func.func @slice_ranks(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected 2 starts, shape dimensions and steps}}
  %0 = qnn.slice %x {starts = affine_map<() -> (0)>, shape = affine_map<() -> (2, 4)>, steps = array<i64: 1, 1>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @slice_step(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected steps that are not 0}}
  %0 = qnn.slice %x {starts = affine_map<() -> (0, 0)>, shape = affine_map<() -> (2, 4)>, steps = array<i64: 1, 0>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @slice_outside(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{slice of dimension 1 reaches from 1 to 4, outside its size 4}}
  %0 = qnn.slice %x {starts = affine_map<() -> (0, 1)>, shape = affine_map<() -> (2, 4)>, steps = array<i64: 1, 1>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @transpose_permutation(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected perm to be a permutation of 0 .. 1}}
  %0 = qnn.transpose %x {perm = array<i64: 0, 0>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @transpose_length(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected perm of length 2, found 1}}
  %0 = qnn.transpose %x {perm = array<i64: 0>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @reshape_c1(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{C1: expected 8 elements, found 9}}
  %0 = qnn.reshape %x {shape = affine_map<() -> (9)>} : (tensor<2x4xf32>) -> tensor<9xf32>
  return
}

// -----

func.func @broadcast_shape(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{operands do not broadcast: dimension 1 is 4 and 3}}
  %0 = qnn.broadcast %x {shape = affine_map<() -> (2, 3)>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @tile_repeats(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected 2 repeats, found 1}}
  %0 = qnn.tile %x {repeats = array<i64: 1>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @pad_ranks(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected 2 low and high pads}}
  %0 = qnn.pad %x {low = array<i64: 0>, high = array<i64: 0, 0>, mode = #qnn.pad_mode<constant>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @pad_negative(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{dimension 1 would have size -1}}
  %0 = qnn.pad %x {low = array<i64: 0, -5>, high = array<i64: 0, 0>, mode = #qnn.pad_mode<constant>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @resize_rank(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected a shape and scales of rank 2}}
  %0 = qnn.resize %x {shape = affine_map<() -> (2, 4)>, scales = array<f32: 1.0>, mode = #qnn.resize_mode<nearest>, coordinates = #qnn.resize_coordinates<asymmetric>, nearest = #qnn.nearest_mode<floor>} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @depth_to_space_rank(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected an input of rank 4, found rank 2}}
  %0 = qnn.depth_to_space %x {block = 2 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @depth_to_space_channels(%x: tensor<1x6x2x2xf32>) {
  // expected-error@+1 {{expected channels divisible by block^2 = 4}}
  %0 = qnn.depth_to_space %x {block = 2 : i64} : (tensor<1x6x2x2xf32>) -> tensor<1x1x4x4xf32>
  return
}

// -----

func.func @space_to_depth_rank(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{expected an input of rank 4, found rank 2}}
  %0 = qnn.space_to_depth %x {block = 2 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @space_to_depth_size(%x: tensor<1x6x3x2xf32>) {
  // expected-error@+1 {{expected height and width divisible by block = 2}}
  %0 = qnn.space_to_depth %x {block = 2 : i64} : (tensor<1x6x3x2xf32>) -> tensor<1x24x1x1xf32>
  return
}

// -----

func.func @constant_type() {
  // expected-error@+1 {{expected the result type to be the literal's type 'tensor<1xf32>', found 'tensor<2xf32>'}}
  %0 = qnn.constant {value = dense<1.0> : tensor<1xf32>} : tensor<2xf32>
  return
}

// -----

func.func @weight_dynamic() {
  // expected-error@+1 {{expected a static shape}}
  %0 = qnn.weight "w" : tensor<?xf32>
  return
}

// -----

func.func @quantize_c1(%x: tensor<2x4xf32>, %s: tensor<f32>) {
  // expected-error@+1 {{C1: expected codes of the scheme's storage s8, found s16}}
  %0 = qnn.quantize %x, %s {scheme = #qnn.scheme<s8, tensor>} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xi16>
  return
}

// -----

func.func @dequantize_c1(%x: tensor<2x4xi8>, %s: tensor<f32>) {
  // expected-error@+1 {{C1: expected codes of the scheme's storage u8, found s8}}
  %0 = qnn.dequantize %x, %s {scheme = #qnn.scheme<u8, tensor>} : (tensor<2x4xi8>, tensor<f32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @quantize_c1_zero_point(%x: tensor<2x4xf32>, %s: tensor<f32>, %z: tensor<i16>) {
  // expected-error@+1 {{C1: expected zero points of the storage type, i8 or i32, found 'tensor<i16>'}}
  %0 = qnn.quantize %x, %s, %z {scheme = #qnn.scheme<s8, tensor>} : (tensor<2x4xf32>, tensor<f32>, tensor<i16>) -> tensor<2x4xi8>
  return
}

// -----

func.func @quantize_c2_tensor(%x: tensor<2x4xf32>, %s: tensor<1xf32>) {
  // expected-error@+1 {{C2: expected a scale of rank 0 for granularity tensor, found 'tensor<1xf32>'}}
  %0 = qnn.quantize %x, %s {scheme = #qnn.scheme<s8, tensor>} : (tensor<2x4xf32>, tensor<1xf32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @dequantize_c2_axis(%x: tensor<2x4xi8>, %s: tensor<4xf32>) {
  // expected-error@+1 {{C2: axis 2 is outside the rank 2 of the codes}}
  %0 = qnn.dequantize %x, %s {scheme = #qnn.scheme<s8, axis 2>} : (tensor<2x4xi8>, tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @dequantize_c2_count(%x: tensor<2x4xi8>, %s: tensor<2xf32>) {
  // expected-error@+1 {{C2: expected 4 scales along axis 1, found 'tensor<2xf32>'}}
  %0 = qnn.dequantize %x, %s {scheme = #qnn.scheme<s8, axis 1>} : (tensor<2x4xi8>, tensor<2xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @dequantize_c2_zero_points(%x: tensor<2x4xi8>, %s: tensor<4xf32>, %z: tensor<2xi8>) {
  // expected-error@+1 {{C2: expected zero points of the scales' shape 'tensor<4xf32>', found 'tensor<2xi8>'}}
  %0 = qnn.dequantize %x, %s, %z {scheme = #qnn.scheme<s8, axis 1>} : (tensor<2x4xi8>, tensor<4xf32>, tensor<2xi8>) -> tensor<2x4xf32>
  return
}

// -----

func.func @scheme_granularity(%x: tensor<2x4xf32>, %s: tensor<f32>) {
  // expected-error@+1 {{expected a granularity (tensor, axis, group, two_level, per_token, row_column), found 'channel'}}
  %0 = qnn.quantize %x, %s {scheme = #qnn.scheme<s8, channel>} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xi8>
  return
}

// -----

func.func @squeeze_excite_biases(%x: tensor<1x4x4xf32>, %a: tensor<2x4xf32>, %b: tensor<3xf32>, %c: tensor<4x2xf32>, %d: tensor<4xf32>) {
  // expected-error@+1 {{expected biases of shapes [2] and [4]}}
  %0 = qnn.squeeze_excite %x, %a, %b, %c, %d {gate = "sigmoid"} : (tensor<1x4x4xf32>, tensor<2x4xf32>, tensor<3xf32>, tensor<4x2xf32>, tensor<4xf32>) -> tensor<1x4x4xf32>
  return
}

// -----

func.func @squeeze_excite_gate(%x: tensor<1x4x4xf32>, %a: tensor<2x4xf32>, %b: tensor<2xf32>, %c: tensor<4x2xf32>, %d: tensor<4xf32>) {
  // expected-error@+1 {{expected the gate sigmoid or hard_sigmoid, found 'tanh'}}
  %0 = qnn.squeeze_excite %x, %a, %b, %c, %d {gate = "tanh"} : (tensor<1x4x4xf32>, tensor<2x4xf32>, tensor<2xf32>, tensor<4x2xf32>, tensor<4xf32>) -> tensor<1x4x4xf32>
  return
}

// -----

func.func @add_elements(%x: tensor<4xf32>, %y: tensor<4xf16>) {
  // expected-error@+1 {{requires the same element type for all operands and results}}
  %0 = qnn.add %x, %y : (tensor<4xf32>, tensor<4xf16>) -> tensor<4xf32>
  return
}

// -----

func.func @relu_elements(%x: tensor<4xf32>, %y: tensor<4xf16>) {
  // expected-error@+1 {{requires the same element type for all operands and results}}
  %0 = qnn.relu %x : (tensor<4xf32>) -> tensor<4xf16>
  return
}

// -----

func.func @reshape_elements(%x: tensor<4xf32>, %y: tensor<4xf16>) {
  // expected-error@+1 {{requires the same element type for all operands and results}}
  %0 = qnn.reshape %x {shape = affine_map<() -> (4)>} : (tensor<4xf32>) -> tensor<4xf16>
  return
}

// -----

func.func @concat_elements(%x: tensor<4xf32>, %y: tensor<4xf16>) {
  // expected-error@+1 {{requires the same element type for all operands and results}}
  %0 = qnn.concat %x, %y {axis = 0 : i64} : (tensor<4xf32>, tensor<4xf16>) -> tensor<8xf32>
  return
}

// -----

func.func @reduce_elements(%x: tensor<4xf32>, %y: tensor<4xf16>) {
  // expected-error@+1 {{requires the same element type for all operands and results}}
  %0 = qnn.reduce_sum %x {axes = array<i64: 0>, keepdims = false} : (tensor<4xf32>) -> tensor<f16>
  return
}

// -----

func.func @equal_elements(%x: tensor<4xf32>, %y: tensor<4xf16>) {
  // expected-error@+1 {{requires the same element type for all operands}}
  %0 = qnn.equal %x, %y : (tensor<4xf32>, tensor<4xf16>) -> tensor<4xi1>
  return
}

// -----

func.func @pow_elements(%x: tensor<4xf32>, %y: tensor<4xf16>) {
  // expected-error@+1 {{failed to verify that all of {lhs, output} have same element type}}
  %0 = qnn.pow %x, %y : (tensor<4xf32>, tensor<4xf16>) -> tensor<4xf16>
  return
}

// -----

func.func @gather_elements(%x: tensor<4xf32>, %y: tensor<2xi64>) {
  // expected-error@+1 {{failed to verify that all of {input, output} have same element type}}
  %0 = qnn.gather %x, %y {axis = 0 : i64} : (tensor<4xf32>, tensor<2xi64>) -> tensor<2xf16>
  return
}

// -----

func.func @where_elements(%x: tensor<4xf32>, %y: tensor<4xf16>, %p: tensor<4xi1>) {
  // expected-error@+1 {{failed to verify that all of {lhs, rhs, output} have same element type}}
  %0 = qnn.where %p, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf16>) -> tensor<4xf32>
  return
}

// -----

// s9 to s15 are codes in an i16, of fewer bits than it has.
func.func @narrow_in_eight(%x: tensor<2xf32>, %s: tensor<f32>) -> tensor<2xi8> {
  // expected-error@+1 {{C1: expected codes of the scheme's storage s12, found s8}}
  %0 = qnn.quantize %x, %s {scheme = #qnn.scheme<s12, tensor>} : (tensor<2xf32>, tensor<f32>) -> tensor<2xi8>
  return %0 : tensor<2xi8>
}

// -----

func.func @wide_in_sixteen(%x: tensor<2xf32>, %s: tensor<f32>) -> tensor<2xi16> {
  // expected-error@+1 {{C1: expected codes of the scheme's storage s32, found s16}}
  %0 = qnn.quantize %x, %s {scheme = #qnn.scheme<s32, tensor>} : (tensor<2xf32>, tensor<f32>) -> tensor<2xi16>
  return %0 : tensor<2xi16>
}
