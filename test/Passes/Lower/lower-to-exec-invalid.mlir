// RUN: quant-opt %s --lower-to-exec --split-input-file --verify-diagnostics
// RUN: not quant-opt %S/Inputs/empty.mlir --lower-to-exec=isa=sse2 2>&1 | FileCheck %s

// CHECK: option isa: expected avx2 or avx512vnni, found 'sse2'

// expected-error @below {{expected one function, found 2}}
module {
  func.func @a(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }
  func.func @b(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }
}
