// Weights: from the file that the module names, beside it, or from --weights.

// RUN: rm -rf %t && mkdir %t && cp %s %t/m.mlir
// RUN: %python -c "import json, struct; h = json.dumps({'w': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}}).encode(); h += b' ' * (-len(h) %% 8); open('%t/w.safetensors', 'wb').write(struct.pack('<Q', len(h)) + h + struct.pack('<2f', 1.5, -2.0))"
// RUN: quant-interpret %t/m.mlir | FileCheck %s
// RUN: mkdir %t/sub && mv %t/w.safetensors %t/sub/w.safetensors
// RUN: quant-interpret %t/m.mlir --weights %t/sub/w.safetensors | FileCheck %s
// RUN: not quant-interpret %t/m.mlir 2>&1 | FileCheck %s --check-prefix=MISSING

// MISSING: quant-interpret: error: {{.*}}w.safetensors
module attributes {qnn.weight_files = ["w.safetensors"]} {
  // CHECK: @f#0 f32[2] = 3 -4
  func.func @f() -> tensor<2xf32> {
    %w = qnn.weight "w" : tensor<2xf32>
    %0 = qnn.add %w, %w : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    return %0 : tensor<2xf32>
  }
}
