// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | FileCheck %s
// RUN: quant-opt %s --emit-bytecode | quant-opt | FileCheck %s

// CHECK: exec.program @main symbols [#qnn.symbol<"N", 1, 4, 1>] arena 128 contents {
exec.program @main symbols [#qnn.symbol<"N", 1, 4, 1>] arena 128 contents {
  // CHECK-NEXT: exec.tensor "x" f32 dims {{.*}} order [0, 1]
  exec.tensor "x" f32 dims affine_map<()[s0] -> (s0, 6)> order [0, 1]
  // CHECK-NEXT: exec.tensor "q" i8 dims {{.*}} order [1, 0] {{.*}}scales = array<f32: 2.500000e-01>, zero_points = array<i32: 3>}
  exec.tensor "q" i8 dims affine_map<()[s0] -> (s0, 6)> order [1, 0] {axis = -1 : i64, scales = array<f32: 2.500000e-01>, zero_points = array<i32: 3>}
  // CHECK-NEXT: exec.weight "w0" layout "bias" source "store/w0"
  exec.weight "w0" layout "bias" source "store/w0"
  // CHECK-NEXT: exec.code "avx2" source "store/code"
  exec.code "avx2" source "store/code"
  // CHECK-NEXT: exec.kernel "k0" {avx2 = 64 : i64}
  exec.kernel "k0" {avx2 = 64 : i64}
  // CHECK-NEXT: exec.interface ["x"] -> ["q"]
  exec.interface ["x"] -> ["q"]
  // CHECK-NEXT: exec.launch "l" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<weight 0 "">, #exec.buffer<output 0 "q">] stores [2] dims {{.*}} tiles {{.*}} scratch {{.*}} {note = "loops"} body
  exec.launch "l" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<weight 0 "">, #exec.buffer<output 0 "q">] stores [2] dims affine_map<()[s0] -> (s0)> tiles affine_map<()[s0] -> (s0 ceildiv 4)> scratch affine_map<()[s0] -> (0)> {note = "loops"} body {
  }
}
