// Every operation of the dialect through the pretty form, the generic form and bytecode: the text stays the same.
// RUN: quant-opt %s -o %t.pretty
// RUN: quant-opt %t.pretty | diff %t.pretty -
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | diff %t.pretty -
// RUN: quant-opt %s --emit-bytecode | quant-opt | diff %t.pretty -
// RUN: FileCheck %s < %t.pretty

// CHECK-LABEL: func.func @fused
// CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>, %[[Y:.*]]: tensor<4xf32>)
// CHECK: %[[R:.*]]:2 = kernel.fused (%[[A:.*]] = %[[X]], %[[B:.*]] = %[[Y]]) {kind = #kernel.template<rows>, operand_layouts = [array<i64: 1, 0>, array<i64: 0>], result_layouts = [array<i64: 0, 1>, array<i64: 0, 1>]} : (tensor<2x4xf32>, tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
// CHECK-NEXT: %[[S:.*]] = qnn.add %[[A]], %[[B]]
// CHECK-NEXT: kernel.yield %[[S]], %[[A]] : tensor<2x4xf32>, tensor<2x4xf32>
func.func @fused(%x: tensor<2x4xf32>, %y: tensor<4xf32>) -> tensor<2x4xf32> {
  %0:2 = kernel.fused (%a = %x, %b = %y) {kind = #kernel.template<rows>, operand_layouts = [array<i64: 1, 0>, array<i64: 0>], result_layouts = [array<i64: 0, 1>, array<i64: 0, 1>]} : (tensor<2x4xf32>, tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
    %1 = qnn.add %a, %b : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
    kernel.yield %1, %a : tensor<2x4xf32>, tensor<2x4xf32>
  }
  return %0#0 : tensor<2x4xf32>
}

// Each kind by its word, and a region without operands.
// CHECK-LABEL: func.func @kinds
// CHECK: #kernel.template<loops>
// CHECK: #kernel.template<gemm>
// CHECK: #kernel.template<depthwise>
// CHECK: #kernel.template<reduce>
// CHECK: #kernel.template<alias>
// CHECK: kernel.fused () : () -> tensor<1xf32>
func.func @kinds(%x: tensor<4xf32>) {
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>} : (tensor<4xf32>) -> tensor<4xf32> { kernel.yield %a : tensor<4xf32> }
  %1 = kernel.fused (%a = %x) {kind = #kernel.template<gemm>} : (tensor<4xf32>) -> tensor<4xf32> { kernel.yield %a : tensor<4xf32> }
  %2 = kernel.fused (%a = %x) {kind = #kernel.template<depthwise>} : (tensor<4xf32>) -> tensor<4xf32> { kernel.yield %a : tensor<4xf32> }
  %3 = kernel.fused (%a = %x) {kind = #kernel.template<reduce>} : (tensor<4xf32>) -> tensor<4xf32> { kernel.yield %a : tensor<4xf32> }
  %4 = kernel.fused (%a = %x) {kind = #kernel.template<alias>} : (tensor<4xf32>) -> tensor<4xf32> { kernel.yield %a : tensor<4xf32> }
  %5 = kernel.fused () : () -> tensor<1xf32> {
    %6 = qnn.constant {value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
    kernel.yield %6 : tensor<1xf32>
  }
  return
}
