// 72 elements go to the store, the file and back: the transpose of the loaded weight is folded from its values.
// RUN: rm -rf %t && mkdir %t
// RUN: quant-opt %s --fold-constants --save-weights=file=%t/w.safetensors -o %t/saved.mlir
// RUN: FileCheck %s --check-prefix=SAVED < %t/saved.mlir
// RUN: sed s/exp/relu/ %t/saved.mlir > %t/edited.mlir
// RUN: quant-opt %t/edited.mlir --load-weights --fold-constants --verify-simplified | FileCheck %s --check-prefix=LOADED
// RUN: quant-opt %t/edited.mlir --load-weights=folder=%t --verify-simplified -o %t/again.mlir
// RUN: rm %t/w.safetensors
// RUN: not quant-opt %t/edited.mlir --load-weights 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %t/edited.mlir --save-weights=file=%t/x.safetensors 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not quant-opt %s --save-weights 2>&1 | FileCheck %s --check-prefix=NAMELESS

// SAVED: module attributes {qnn.weight_files = ["w.safetensors"]}
// SAVED: qnn.weight "a" {name = "a"} : tensor<72xf32>
// LOADED: qnn.weight "a"
// MISSING: error: {{.*}}w.safetensors
// UNKNOWN: error: {{.*}}'a'
// NAMELESS: error: expected a file name: --save-weights=file=NAME.safetensors
func.func @main(%x: tensor<72xf32>) -> tensor<72xf32> {
  %c = qnn.constant {name = "x", value = dense<3.0> : tensor<8x9xf32>} : tensor<8x9xf32>
  %0 = qnn.reshape %c {name = "a", shape = affine_map<() -> (72)>} : (tensor<8x9xf32>) -> tensor<72xf32>
  %1 = qnn.exp %x {name = "e"} : (tensor<72xf32>) -> tensor<72xf32>
  %2 = qnn.add %0, %1 {name = "b"} : (tensor<72xf32>, tensor<72xf32>) -> tensor<72xf32>
  return %2 : tensor<72xf32>
}
