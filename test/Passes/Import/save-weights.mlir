// RUN: rm -rf %t && mkdir %t
// RUN: quant-opt %s --fold-constants --save-weights=file=%t/w.safetensors | FileCheck %s
// RUN: quant-opt %s --save-weights=file=%t/none.safetensors | FileCheck %s --check-prefix=NONE
// RUN: not ls %t/none.safetensors
// RUN: quant-opt %s --fold-constants -o %t/lost.mlir
// RUN: not quant-opt %t/lost.mlir --save-weights=file=%t/x.safetensors 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not quant-opt %s --fold-constants --save-weights=file=%t/nowhere/x.safetensors 2>&1 | FileCheck %s --check-prefix=FOLDER
// RUN: not quant-opt %s --save-weights 2>&1 | FileCheck %s --check-prefix=NAMELESS

// CHECK: module attributes {qnn.weight_files = ["w.safetensors"]}
// CHECK: qnn.weight "a" {name = "a"} : tensor<72xf32>
// A module without weights names no file.
// NONE-NOT: qnn.weight_files
// UNKNOWN: error: {{.*}}'a'
// FOLDER: error: {{.*}}nowhere
// NAMELESS: error: expected a file name: --save-weights=file=NAME.safetensors
func.func @main(%x: tensor<72xf32>) -> tensor<72xf32> {
  %c = qnn.constant {name = "x", value = dense<3.0> : tensor<8x9xf32>} : tensor<8x9xf32>
  %0 = qnn.reshape %c {name = "a", shape = affine_map<() -> (72)>} : (tensor<8x9xf32>) -> tensor<72xf32>
  %1 = qnn.exp %x {name = "e"} : (tensor<72xf32>) -> tensor<72xf32>
  %2 = qnn.add %0, %1 {name = "b"} : (tensor<72xf32>, tensor<72xf32>) -> tensor<72xf32>
  return %2 : tensor<72xf32>
}
