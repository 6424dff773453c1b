// RUN: quant-opt %s --verify-simplified --split-input-file --verify-diagnostics

// What the contract allows: no error.
func.func @main(%x: tensor<?x2xf32> {qnn.dims = affine_map<()[s0] -> (s0, 2)>}) -> tensor<?x2xf32> attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
  %c = qnn.constant {value = dense<1.0> : tensor<2xf32>} : tensor<2xf32>
  %0 = qnn.add %x, %c {name = "a"} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

// expected-error@+1 {{expected one function after simplify, found 2}}
module {
  func.func @main() { return }
  func.func @other() { return }
}

// -----

// expected-error@+1 {{expected the function to be named main, found 'other'}}
func.func @other() { return }

// -----

func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{has no name: expected the attribute `name`, the key of statistics and overrides}}
  %0 = qnn.relu %x : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-note@+1 {{the other one}}
  %0 = qnn.relu %x {name = "a"} : (tensor<2xf32>) -> tensor<2xf32>
  // expected-error@+1 {{has the name 'a', which another operation has too}}
  %1 = qnn.exp %0 {name = "a"} : (tensor<2xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// -----

func.func @main(%x: tensor<1x1x4xf32>) -> tensor<1x1x4xf32> {
  %c = qnn.constant {value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
  // expected-error@+1 {{has constant parameters: expected fold-batch-norm to have folded it (variance + epsilon must be positive)}}
  %0 = qnn.batch_norm %x, %c, %c, %c, %c {name = "a", epsilon = 0.0 : f32} : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  return %0 : tensor<1x1x4xf32>
}

// -----

func.func @main() -> tensor<1xf32> {
  // expected-error@+1 {{weight 'w' is not in the weight store: load the file that holds it}}
  %0 = qnn.weight "w" : tensor<1xf32>
  return %0 : tensor<1xf32>
}

// -----

func.func @main(%x: tensor<1xf32>) -> tensor<1xf32> {
  // expected-error@+1 {{is not an operation of the qnn dialect, the only one that simplify hands on}}
  %0 = arith.negf %x : tensor<1xf32>
  return %0 : tensor<1xf32>
}

// -----

// expected-error@+1 {{argument 0 has dynamic dimensions: expected the attribute qnn.dims}}
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}
