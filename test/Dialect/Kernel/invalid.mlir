// Every message of the kernel verifiers and of the parser of kernel.fused.
// RUN: quant-opt %s --split-input-file --verify-diagnostics

func.func @terminator(%x: tensor<4xf32>) {
  // expected-error@+1 {{expected the body to end with kernel.yield}}
  %0 = kernel.fused (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    func.return
  }
  return
}

// -----

func.func @argument_count(%x: tensor<4xf32>) {
  // expected-error@+1 {{expected block arguments of the operands' types}}
  %0 = "kernel.fused"(%x) ({
  ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
    %1 = qnn.relu %b : (tensor<4xf32>) -> tensor<4xf32>
    kernel.yield %1 : tensor<4xf32>
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @other_operation(%x: tensor<4xf32>) {
  // expected-error@+1 {{'arith.negf' has no symbolic shape}}
  %0 = kernel.fused (%a = %x) : (tensor<4xf32>) -> tensor<4xf32> {
    %1 = arith.negf %a : tensor<4xf32>
    kernel.yield %1 : tensor<4xf32>
  }
  return
}

// -----

func.func @arguments(%x: tensor<4xf32>) {
  // expected-error@+1 {{expected block arguments of the operands' types}}
  %0 = "kernel.fused"(%x) ({
  ^bb0(%a: tensor<5xf32>):
    %1 = qnn.slice %a {starts = affine_map<() -> (0)>, shape = affine_map<() -> (4)>, steps = array<i64: 1>} : (tensor<5xf32>) -> tensor<4xf32>
    kernel.yield %1 : tensor<4xf32>
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @results(%x: tensor<4xf32>) {
  // expected-error@+1 {{expected kernel.yield of the results' types}}
  %0 = kernel.fused (%a = %x) : (tensor<4xf32>) -> tensor<?xf32> {
    kernel.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @result_count(%x: tensor<4xf32>) {
  // expected-error@+1 {{expected kernel.yield of the results' types}}
  %0:2 = kernel.fused (%a = %x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    kernel.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @layout_count(%x: tensor<4x2xf32>) {
  // expected-error@+1 {{expected one layout a operand (1), found 2}}
  %0 = kernel.fused (%a = %x) {operand_layouts = [array<i64: 0, 1>, array<i64: 0, 1>]} : (tensor<4x2xf32>) -> tensor<4x2xf32> {
    kernel.yield %a : tensor<4x2xf32>
  }
  return
}

// -----

func.func @operand_layout(%x: tensor<4x2xf32>) {
  // expected-error@+1 {{expected the layout of each operand to be a permutation of its 2 dimensions, found array<i64: 0, 0>}}
  %0 = kernel.fused (%a = %x) {operand_layouts = [array<i64: 0, 0>]} : (tensor<4x2xf32>) -> tensor<4x2xf32> {
    kernel.yield %a : tensor<4x2xf32>
  }
  return
}

// -----

func.func @result_layout(%x: tensor<4x2xf32>) {
  // expected-error@+1 {{expected the layout of each result to be a permutation of its 2 dimensions, found array<i64: 0>}}
  %0 = kernel.fused (%a = %x) {result_layouts = [array<i64: 0>]} : (tensor<4x2xf32>) -> tensor<4x2xf32> {
    kernel.yield %a : tensor<4x2xf32>
  }
  return
}

// -----

// What the body computes is the shape of the result.
func.func @body_shape(%x: tensor<4x2xf32>) {
  // expected-error@+1 {{expected a body that verifies}}
  %0 = "kernel.fused"(%x) ({
  ^bb0(%a: tensor<4x2xf32>):
    // expected-error@+1 {{expected dimension 0 of result #0 to be 4, found 5}}
    %1 = qnn.reshape %a {shape = affine_map<() -> (4, 2)>} : (tensor<4x2xf32>) -> tensor<5x2xf32>
    kernel.yield %1 : tensor<5x2xf32>
  }) : (tensor<4x2xf32>) -> tensor<5x2xf32>
  return
}

// -----

func.func @operand_types(%x: tensor<4xf32>) {
  // expected-error@+1 {{expected 1 operand types, found 2}}
  %0 = kernel.fused (%a = %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
    kernel.yield %a : tensor<4xf32>
  }
  return
}

// -----

// What a body holds is verified on its own: a broken operation inside is an error, not a crash.
func.func @broken_body(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {
  // expected-error @+1 {{expected a body that verifies}}
  %0 = kernel.fused (%a = %x) : (tensor<2x3xf32>) -> tensor<3x2xf32> {
    // expected-error @+1 {{'qnn.transpose' op requires attribute 'perm'}}
    %1 = "qnn.transpose"(%a) : (tensor<2x3xf32>) -> tensor<3x2xf32>
    kernel.yield %1 : tensor<3x2xf32>
  }
  return %0 : tensor<3x2xf32>
}
