// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(verify-integer-only))'
// RUN: not quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(verify-integer-only{function=true}))' 2>&1 | FileCheck %s

// Float at the borders only: fine.
func.func @good(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xf32> attributes {integer_only} {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.quantize %x, %s {name = "q", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi8>
  %1 = qnn.transpose %0 {name = "t", perm = array<i64: 1, 0>} : (tensor<1x2xi8>) -> tensor<2x1xi8>
  %2 = qnn.transpose %1 {name = "u", perm = array<i64: 1, 0>} : (tensor<2x1xi8>) -> tensor<1x2xi8>
  %3 = qnn.dequantize %2, %s {name = "dq", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  return %3 : tensor<1x2xf32>
}

// -----

func.func @before(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xi8> attributes {integer_only} {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  // expected-error@below {{V1: function 'before' claims integer_only, but 'relu' reads the float value 'x' of type 'tensor<1x2xf32>': expected float only before the first quantize and behind the last dequantize}}
  %0 = qnn.relu %x {name = "relu"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.quantize %0, %s {name = "q", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi8>
  return %1 : tensor<1x2xi8>
}

// -----

func.func @island(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xf32> attributes {integer_only} {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.dequantize %x, %s {name = "dq", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  // expected-error@below {{V1: function 'island' claims integer_only, but 'softmax' computes with the dequantized value 'dq'}}
  %1 = qnn.softmax %0 {name = "softmax", axis = 1 : i64} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  return %1 : tensor<1x2xf32>
}

// -----

// A region makes the claim for itself.
func.func @region(%x: tensor<1x2xi8> {qnn.name = "x"}) -> tensor<1x2xi8> {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = "kernel.fused"(%x) ({
  ^bb0(%a: tensor<1x2xi8>):
    %c = qnn.constant {name = "c", value = dense<0.5> : tensor<f32>} : tensor<f32>
    %1 = qnn.dequantize %a, %c {name = "inner", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
    // expected-error@below {{V1: region 'fused' claims integer_only, but 'abs' computes with the dequantized value 'inner'}}
    %2 = qnn.abs %1 {name = "abs"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
    %3 = qnn.quantize %2, %c {name = "outer", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi8>
    kernel.yield %3 : tensor<1x2xi8>
  }) {name = "fused", integer_only} : (tensor<1x2xi8>) -> tensor<1x2xi8>
  return %0 : tensor<1x2xi8>
}

// -----

// Nothing is claimed: nothing is checked, unless the option asks for it.
// CHECK: function 'unclaimed' claims integer_only, but 'relu' reads the float value 'x'
func.func @unclaimed(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %0 = qnn.relu %x {name = "relu"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}
