// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(store-floats{type=f16}))' | FileCheck %s
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(store-floats{type=bf16}))' | FileCheck %s --check-prefix=BF16
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(store-floats))' | FileCheck %s --check-prefix=NONE
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(store-floats{type=f8}))' 2>&1 | FileCheck %s --check-prefix=WRONG

// WRONG: error: store-floats: expected type f16 or bf16, found 'f8'
// NONE-NOT: qnn.cast

// The input is narrowed for the product only; the function of its result once for both readers; a result of the graph and what a
// dequantize gives stay as they are.
// CHECK-LABEL: func.func @main
// CHECK: %[[S:.*]] = qnn.cast %arg0 {name = "x/store"} : (tensor<2x4xf32>) -> tensor<2x4xf16>
// CHECK: %[[L:.*]] = qnn.cast %[[S]] {name = "x/load"} : (tensor<2x4xf16>) -> tensor<2x4xf32>
// CHECK: qnn.linear %[[L]]
// CHECK: %[[E:.*]] = qnn.exp
// CHECK: %[[ES:.*]] = qnn.cast %[[E]] {name = "e/store"} : (tensor<2x4xf32>) -> tensor<2x4xf16>
// CHECK: %[[EL:.*]] = qnn.cast %[[ES]]
// CHECK: %[[M:.*]] = qnn.softmax %[[EL]]
// CHECK: %[[A:.*]] = qnn.add %[[EL]], %[[M]]
// CHECK: %[[B:.*]] = qnn.add %arg0, %[[A]]
// CHECK: %[[D:.*]] = qnn.dequantize
// CHECK-NOT: qnn.cast
// CHECK: qnn.softmax %[[D]]
// CHECK: return %[[B]]
// BF16: qnn.cast %arg0 {name = "x/store"} : (tensor<2x4xf32>) -> tensor<2x4xbf16>
func.func @main(%x: tensor<2x4xf32> {qnn.name = "x"}, %q: tensor<2x4xi8> {qnn.name = "q"}) -> (tensor<2x4xf32> {qnn.name = "y"}, tensor<2x4xf32> {qnn.name = "z"}) {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<4x4xf32>} : tensor<4x4xf32>
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %0 = qnn.linear %x, %w {name = "l"} : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %1 = qnn.exp %0 {name = "e"} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %2 = qnn.softmax %1 {name = "m", axis = 1 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = qnn.add %1, %2 {name = "a"} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = qnn.add %x, %3 {name = "b"} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = qnn.dequantize %q, %s {name = "d", scheme = #qnn.scheme<s8, tensor>} : (tensor<2x4xi8>, tensor<f32>) -> tensor<2x4xf32>
  %6 = qnn.softmax %5 {name = "n", axis = 1 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %4, %6 : tensor<2x4xf32>, tensor<2x4xf32>
}
