// Another file beside the weights that this one saves: 72 elements of 3.0, whose sum is 216.
// RUN: rm -rf %t && mkdir -p %t/beside
// RUN: quant-opt %s --fold-constants --save-weights=file=%t/w.safetensors -o %t/saved.mlir
// RUN: cp %S/Inputs/loaded.mlir %t/loaded.mlir
// RUN: cp %S/Inputs/loaded.mlir %t/beside/loaded.mlir
// RUN: quant-opt %t/loaded.mlir --load-weights --fold-constants | FileCheck %s
// RUN: quant-opt %t/beside/loaded.mlir --load-weights=folder=%t --fold-constants | FileCheck %s
// RUN: not quant-opt %t/beside/loaded.mlir --load-weights 2>&1 | FileCheck %s --check-prefix=MISSING

// CHECK: qnn.constant {name = "sum", value = dense<2.160000e+02> : tensor<1xf32>}
// MISSING: error: {{.*}}w.safetensors
func.func @main(%x: tensor<72xf32>) -> tensor<72xf32> {
  %c = qnn.constant {name = "x", value = dense<3.0> : tensor<8x9xf32>} : tensor<8x9xf32>
  %0 = qnn.reshape %c {name = "a", shape = affine_map<() -> (72)>} : (tensor<8x9xf32>) -> tensor<72xf32>
  %1 = qnn.add %0, %x {name = "b"} : (tensor<72xf32>, tensor<72xf32>) -> tensor<72xf32>
  return %1 : tensor<72xf32>
}
