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
  // CHECK-NEXT: exec.weight "w1" layout "codes" source "store/w1" {nibble_panels = array<i64: 1, 16, 24>}
  exec.weight "w1" layout "codes" source "store/w1" {nibble_panels = array<i64: 1, 16, 24>}
  // CHECK-NEXT: exec.code "avx2" source "store/code"
  exec.code "avx2" source "store/code"
  // CHECK-NEXT: exec.kernel "k0" {avx2 = 64 : i64}
  exec.kernel "k0" {avx2 = 64 : i64}
  // CHECK-NEXT: exec.packing 16 x 128 bits 4 bias 8 fill 8 order "blocked" pitch 0 row_basis [128, 256, 512, 1024] column_basis [1, 2, 4, 8, 16, 32, 64]
  exec.packing 16 x 128 bits 4 bias 8 fill 8 order "blocked" pitch 0 row_basis [128, 256, 512, 1024] column_basis [1, 2, 4, 8, 16, 32, 64]
  // CHECK-NEXT: exec.gpu_code "sm_90a" "cubin" source "store/cubin"
  exec.gpu_code "sm_90a" "cubin" source "store/cubin"
  // CHECK-NEXT: exec.gpu_kernel "gemm" "sm_90a" threads 384 shared 199680 cluster 2 pdl
  exec.gpu_kernel "gemm" "sm_90a" threads 384 shared 199680 cluster 2 pdl
  // CHECK-NEXT: exec.gpu_kernel "rows" "sm_80" threads 128 shared 0 cluster 1{{$}}
  exec.gpu_kernel "rows" "sm_80" threads 128 shared 0 cluster 1
  // CHECK-NEXT: exec.interface ["x"] -> ["q"]
  exec.interface ["x"] -> ["q"]
  // CHECK-NEXT: exec.launch "l" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<weight 0 "">, #exec.buffer<output 0 "q">] stores [2] dims {{.*}} tiles {{.*}} scratch {{.*}} {note = "loops"} body
  exec.launch "l" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<weight 0 "">, #exec.buffer<output 0 "q">] stores [2] dims affine_map<()[s0] -> (s0)> tiles affine_map<()[s0] -> (s0 ceildiv 4)> scratch affine_map<()[s0] -> (0)> {note = "loops"} body {
  }
  // CHECK: exec.launch "g"
  // CHECK-SAME: gpu = [#exec.gpu_variant<kernel = "gemm", arch = "sm_90a", m_hi = 4, grid = ()[s0] -> (s0 * 2, 1), persistent = true, arguments = [
  // CHECK-SAME: #exec.gpu_argument<kind = buffer_map, map = <bits = 8, dims = ()[s0] -> (128, s0), strides = ()[s0] -> (128), box = ()[s0] -> (128, (s0 ceildiv 8) * 8)>>
  // CHECK-SAME: #exec.gpu_argument<kind = weight, packing = 0, order = panel_nibbles, is_signed = false>
  // CHECK-SAME: #exec.gpu_argument<kind = int32, value = ()[s0] -> (s0)>]>]
  // CHECK-SAME: gpu_m = {{.*}}
  exec.launch "g" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<output 0 "q">] stores [1] dims affine_map<()[s0] -> (s0)> tiles affine_map<()[s0] -> (s0)> scratch affine_map<()[s0] -> (0)> {
    gpu_m = affine_map<()[s0] -> (s0)>, gpu = [#exec.gpu_variant<kernel = "gemm", arch = "sm_90a", m_hi = 4, grid = ()[s0] -> (s0 * 2, 1), persistent = true, arguments = [
      #exec.gpu_argument<kind = buffer_map, map = <bits = 8, dims = ()[s0] -> (128, s0), strides = ()[s0] -> (128), box = ()[s0] -> (128, (s0 ceildiv 8) * 8)>>,
      #exec.gpu_argument<kind = weight, packing = 0, order = panel_nibbles, is_signed = false>, #exec.gpu_argument<kind = int32, value = ()[s0] -> (s0)>]>]} body {
  }
  // CHECK: exec.launch "h"{{.*}} {gpu_reason = "expected K to be a multiple of 128, found 96"} body
  exec.launch "h" kernel "k0" [#exec.buffer<output 0 "q">] stores [0] dims affine_map<()[s0] -> (s0)> tiles affine_map<()[s0] -> (s0)> scratch affine_map<()[s0] -> (0)> {gpu_reason = "expected K to be a multiple of 128, found 96"} body {
  }
}
