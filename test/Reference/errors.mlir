// RUN: split-file %s %t
// RUN: not quant-interpret %t/accumulator.mlir 2>&1 | FileCheck %t/accumulator.mlir
// RUN: not quant-interpret %t/sum.mlir 2>&1 | FileCheck %t/sum.mlir
// RUN: not quant-interpret %t/product.mlir 2>&1 | FileCheck %t/product.mlir
// RUN: not quant-interpret %t/gather.mlir 2>&1 | FileCheck %t/gather.mlir
// RUN: not quant-interpret %t/weight.mlir 2>&1 | FileCheck %t/weight.mlir
// RUN: not quant-interpret %t/large.mlir 2>&1 | FileCheck %t/large.mlir
// RUN: not quant-interpret %t/unknown.mlir 2>&1 | FileCheck %t/unknown.mlir
// RUN: not quant-interpret %t/inputs.mlir --input x=%t/none.npy 2>&1 | FileCheck %t/inputs.mlir
// RUN: not quant-interpret %t/inputs.mlir --function g 2>&1 | FileCheck %t/inputs.mlir --check-prefix=FUNCTION
// RUN: not quant-interpret %t/none.mlir 2>&1 | FileCheck %s --check-prefix=FILE
// FILE: quant-interpret: error: cannot read {{.*}}none.mlir: No such file or directory

//--- accumulator.mlir
// 2^31 - 1 + 1 * 1 leaves int32: reported, not wrapped.
// CHECK: error: 'dyadic.linear' op R14: expected accumulators inside int32, found 2147483648 at element 0
func.func @f() -> tensor<1x1xi32> {
  %x = qnn.constant {value = dense<1> : tensor<1x1xi8>} : tensor<1x1xi8>
  %b = qnn.constant {value = dense<2147483647> : tensor<1xi32>} : tensor<1xi32>
  %y = dyadic.linear %x, %x, %b {input_zero_point = 0 : i32} : (tensor<1x1xi8>, tensor<1x1xi8>, tensor<1xi32>) -> tensor<1x1xi32>
  return %y : tensor<1x1xi32>
}

//--- sum.mlir
// 65538 * 32767 = 2147483646 + 32767 > 2^31 - 1.
// CHECK: error: 'dyadic.reduce_sum' op R14: expected sums inside int32, found 2147516413 at element 0
func.func @f() -> tensor<i32> {
  %x = qnn.constant {value = dense<32767> : tensor<65539xi16>} : tensor<65539xi16>
  %y = dyadic.reduce_sum %x {axes = array<i64: 0>, keepdims = false, input_zero_point = 0 : i32} : (tensor<65539xi16>) -> tensor<i32>
  return %y : tensor<i32>
}

//--- product.mlir
// (-32768 - 1) * -32768 fits, (32767 + 32768) * 32767 does not.
// CHECK: error: 'dyadic.mul' op E3: expected products inside int32
func.func @f() -> tensor<1xi8> {
  %x = qnn.constant {value = dense<32767> : tensor<1xi16>} : tensor<1xi16>
  %y = dyadic.mul %x, %x {lhs_zero_point = -32768 : i32, rhs_zero_point = -32768 : i32, multiplier = 1073741824 : i32, shift = 60 : i8, multiplier_bits = 31 : i64,
    rounding = #dyadic.rounding<half_up>, zero_point = 0 : i32, clamp = array<i32: -128, 127>} : (tensor<1xi16>, tensor<1xi16>) -> tensor<1xi8>
  return %y : tensor<1xi8>
}

//--- gather.mlir
// CHECK: error: 'qnn.gather' op index 2 is outside -2..1
func.func @f() -> tensor<1xf32> {
  %x = qnn.constant {value = dense<0.0> : tensor<2xf32>} : tensor<2xf32>
  %i = qnn.constant {value = dense<2> : tensor<1xi64>} : tensor<1xi64>
  %y = qnn.gather %x, %i {axis = 0 : i64} : (tensor<2xf32>, tensor<1xi64>) -> tensor<1xf32>
  return %y : tensor<1xf32>
}

//--- weight.mlir
// CHECK: error: {{.*}}nowhere
func.func @f() -> tensor<1xf32> {
  %x = qnn.weight "nowhere" : tensor<1xf32>
  return %x : tensor<1xf32>
}

//--- large.mlir
// 2^33 elements are taken for a mistake.
// CHECK: error: 'qnn.broadcast' op has a result of shape [131072, 65536]: expected at most 4294967296 elements in the interpreter
func.func @f() -> tensor<131072x65536xf32> {
  %x = qnn.constant {value = dense<0.0> : tensor<f32>} : tensor<f32>
  %y = qnn.broadcast %x {shape = affine_map<() -> (131072, 65536)>} : (tensor<f32>) -> tensor<131072x65536xf32>
  return %y : tensor<131072x65536xf32>
}

//--- unknown.mlir
// An operation of a dialect that the interpreter does not know.
// CHECK: error: 'builtin.unrealized_conversion_cast' op has no function in the interpreter: add one in lib/Reference and register it
func.func @f() -> tensor<1xf32> {
  %x = qnn.constant {value = dense<0.0> : tensor<1xf32>} : tensor<1xf32>
  %y = builtin.unrealized_conversion_cast %x : tensor<1xf32> to tensor<1xf32>
  return %y : tensor<1xf32>
}

//--- inputs.mlir
// CHECK: quant-interpret: error: {{.*}}none.npy
// FUNCTION: quant-interpret: error: there is no function @g
func.func @f(%x: tensor<1xf32> {qnn.name = "x"}) -> tensor<1xf32> {
  return %x : tensor<1xf32>
}
