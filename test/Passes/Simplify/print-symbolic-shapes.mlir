// RUN: quant-opt %s --print-symbolic-shapes --split-input-file --verify-diagnostics

// W = 32..1280: stride 2 gives (W + 2 - 2 - 1) floordiv 2 + 1 = (W - 1) floordiv 2 + 1 in 15 + 1 .. 639 + 1.
func.func @named(%x: tensor<?x3x48x?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s0, 3, 48, s1)>}) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"W", 32, 1280, 1>]} {
  // expected-remark@+1 {{scalar}}
  %c = qnn.constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
  // expected-remark@+1 {{8 x 3 x 3 x 3}}
  %w = qnn.constant {value = dense<1.0> : tensor<8x3x3x3xf32>} : tensor<8x3x3x3xf32>
  // expected-remark@+1 {{N x 8 x 24 x (W - 1) floordiv 2 + 1; N in 1..8; (W - 1) floordiv 2 + 1 in 16..640}}
  %0 = qnn.conv %x, %w {name = "a", strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x3x48x?xf32>, tensor<8x3x3x3xf32>) -> tensor<?x8x24x?xf32>
  // A concat of two equal widths along the width is twice the width, and broadcasting a scalar changes nothing.
  // expected-remark@+1 {{N x 8 x 24 x ((W - 1) floordiv 2) * 2 + 2; N in 1..8; ((W - 1) floordiv 2) * 2 + 2 in 32..1280}}
  %1 = qnn.concat %0, %0 {name = "b", axis = 3 : i64} : (tensor<?x8x24x?xf32>, tensor<?x8x24x?xf32>) -> tensor<?x8x24x?xf32>
  // expected-remark@+1 {{N x 8 x 24 x ((W - 1) floordiv 2) * 2 + 2}}
  %2 = qnn.add %1, %c {name = "c"} : (tensor<?x8x24x?xf32>, tensor<f32>) -> tensor<?x8x24x?xf32>
  // expected-remark@+1 {{((W - 1) floordiv 2) * 2 + 2 x 24 x 8 x N}}
  %3 = qnn.transpose %2 {name = "d", perm = array<i64: 3, 2, 1, 0>} : (tensor<?x8x24x?xf32>) -> tensor<?x24x8x?xf32>
  // expected-remark@+1 {{24 x 8 x N}}
  %4 = qnn.reduce_mean %3 {name = "e", axes = array<i64: 0>, keepdims = false} : (tensor<?x24x8x?xf32>) -> tensor<24x8x?xf32>
  return
}

// -----

// Block arguments of a fused region take the shapes of its operands.
func.func @region(%x: tensor<?x4xf32> {qnn.dims = affine_map<()[s0] -> (s0 * 2, 4)>}) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  // expected-remark@+1 {{N * 2 x 4; N * 2 in 2..16}}
  %0 = kernel.fused (%a = %x) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
    // expected-remark@+1 {{N * 2 x 4; N * 2 in 2..16}}
    %1 = qnn.relu %a {name = "r"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    kernel.yield %1 : tensor<?x4xf32>
  }
  return
}

// -----

// expected-error@+1 {{argument 0: expected a ranked tensor, found 'i32'}}
func.func @not_a_tensor(%x: i32) { return }

// -----

// expected-error@+1 {{argument 0 has dynamic dimensions: expected the attribute qnn.dims}}
func.func @no_dims(%x: tensor<?xf32>) { return }

// -----

// expected-error@+1 {{argument 0: expected 2 results in qnn.dims, found 1}}
func.func @rank(%x: tensor<?x2xf32> {qnn.dims = affine_map<()[s0] -> (s0)>}) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} { return }

// -----

// expected-error@+1 {{has no body}}
func.func private @external(tensor<1xf32>)

// -----

func.func @unknown(%x: tensor<?xf32> {qnn.dims = affine_map<()[s0] -> (s0)>}) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  // expected-error@+1 {{has a dynamic result but does not implement SymbolicShapeOpInterface}}
  %0 = arith.negf %x : tensor<?xf32>
  return
}

// -----

// The verifier cannot tell two `?` apart; the analysis can.
func.func @broadcast(%x: tensor<?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s0)>}, %y: tensor<?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s1)>}) attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"M", 1, 8, 1>]} {
  // expected-error@+1 {{operands do not broadcast: dimension 0 is s0 and s1, which are not provably equal: fix one of the symbols with --dim}}
  %0 = qnn.add %x, %y {name = "a"} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return
}
