// RUN: quant-opt %s --lower-to-exec --split-input-file | FileCheck %s
// The GPU table of a launch, from what select-kernels and lower-kernels-to-nvvm left.

// w0: the CPU's panels. The kernel's packing is over them, with signed codes; the tensor map covers the packed matrix: two tiles of 16 x 16 above each other,
// of 16 bytes a row. M = 3 N; the bias is row-major as it is.
// CHECK-NOT: kernel.gemm
// CHECK: exec.weight "w0" layout "weights [group][N/16][K/4][16][4] s8"
// CHECK: exec.weight "w2" layout "row-major" source "exec/y
// CHECK: exec.packing 32 x 16 bits 8 bias 0 fill 0 order "pitched" pitch 16 row_basis [16, 32, 64, 128] column_basis [1, 2, 4, 8]
// CHECK: exec.gpu_code "sm_90a" "cubin" source "code"
// CHECK: exec.gpu_kernel "g_m1" "sm_90a" threads 128 shared 1024 cluster 1 pdl
// CHECK-NOT: exec.gpu_kernel
// CHECK: exec.launch "y"
// CHECK-SAME: gpu = [#exec.gpu_variant<kernel = "g_m1", arch = "sm_90a", m_hi = 64, grid = ()[s0] -> ((s0 * 3) ceildiv 16, 2), persistent = true, arguments = [
// CHECK-SAME: #exec.gpu_argument<kind = buffer_map, map = <bits = 8, dims = ()[s0] -> (16, s0 * 3), strides = ()[s0] -> (16), box = ()[s0] -> (16, 8), swizzle = false>>
// CHECK-SAME: #exec.gpu_argument<kind = weight_map, packing = 0, order = panel_bytes, map = <bits = 8, dims = ()[s0] -> (16, 32), strides = ()[s0] -> (16), box = ()[s0] -> (16, 16)>>
// CHECK-SAME: #exec.gpu_argument<kind = weight, index = 2>
// CHECK-SAME: #exec.gpu_argument<kind = buffer, index = 3>
// CHECK-SAME: #exec.gpu_argument<kind = int32, value = ()[s0] -> (s0 * 3)>
// CHECK-SAME: gpu_m = #
module attributes {kernel.gpu_code = [{arch = "sm_90a", kind = "cubin", source = "code"}]} {
  func.func @main(%x: tensor<?x3x16xi8> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0, 3, 16)>}) -> (tensor<?x3x32xi32> {qnn.name = "y"})
      attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>]} {
    %w = qnn.constant {value = dense<2> : tensor<32x16xi8>} : tensor<32x16xi8>
    %b = qnn.constant {value = dense<7> : tensor<32xi32>} : tensor<32xi32>
    %0 = kernel.fused (%a = %x, %c = %w, %d = %b) {kind = #kernel.template<gemm>, name = "y", gpu_kernel = @g, gpu_m = affine_map<()[s0] -> (s0 * 3)>, gpu_bindings = {lhs = 0 : i64, rhs = [1], operands = [2]}}
        : (tensor<?x3x16xi8>, tensor<32x16xi8>, tensor<32xi32>) -> tensor<?x3x32xi32> {
      %1 = dyadic.linear %a, %c, %d {input_zero_point = 0 : i32} : (tensor<?x3x16xi8>, tensor<32x16xi8>, tensor<32xi32>) -> tensor<?x3x32xi32>
      kernel.yield %1 : tensor<?x3x32xi32>
    }
    return %0 : tensor<?x3x32xi32>
  }
  kernel.gemm @g n 32 segments [#kernel.segment<lhs = i8, rhs = i8, k = 16, grouping = none, place = none>] operands [#kernel.operand<column, i32>] results [i32]
    attributes {gpu_launches = [{symbol = "g_m1", arch = "sm_90a", m_lo = 1 : i64, m_hi = 64 : i64, threads = 128 : i64, shared = 1024 : i64, cluster = 1 : i64, pdl, persistent,
      grid = affine_map<(d0) -> (d0 ceildiv 16, 2)>, parameters = [
        {role = "lhs", index = 0 : i64, form = "tensor_map", map = array<i64: 8, 2, 16, 8, 0, 0>},
        {role = "rhs", index = 0 : i64, form = "tensor_map", map = array<i64: 8, 2, 16, 16, 0, 1>, packing = {rows = 32 : i64, columns = 16 : i64, bits = 8 : i64, bias = 0 : i64, fill = 0 : i64,
          order = "pitched", pitch = 16 : i64, row_basis = array<i64: 16, 32, 64, 128>, column_basis = array<i64: 1, 2, 4, 8>}},
        {role = "operand", index = 0 : i64, form = "pointer"}, {role = "result", index = 0 : i64, form = "pointer"}, {role = "m", index = 0 : i64, form = "int32"}]}]} {
  ^bb0(%acc: i32, %b: i32):
    %0 = arith.addi %acc, %b : i32
    kernel.emit %0 : i32
  }
}

// -----

// A kernel without compiled schedules keeps its reason, as does a region without a kernel.
// CHECK: exec.program @main
// CHECK: exec.launch "y"
// CHECK-SAME: gpu_reason = "sm_80: no template"
// CHECK: exec.launch "z"
// CHECK-SAME: gpu_reason = "because"
func.func @main(%x: tensor<4x8xf32> {qnn.name = "x"}) -> (tensor<4x8xf32> {qnn.name = "y"}, tensor<4x8xf32> {qnn.name = "z"}) {
  %0 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "y", gpu_kernel = @r, gpu_m = affine_map<() -> (4)>, gpu_bindings = {operands = [0]}} : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    %1 = qnn.neg %a : (tensor<4x8xf32>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  %1 = kernel.fused (%a = %x) {kind = #kernel.template<loops>, name = "z", gpu_reason = "because"} : (tensor<4x8xf32>) -> tensor<4x8xf32> {
    %1 = qnn.exp %a : (tensor<4x8xf32>) -> tensor<4x8xf32>
    kernel.yield %1 : tensor<4x8xf32>
  }
  return %0, %1 : tensor<4x8xf32>, tensor<4x8xf32>
}
kernel.rows @r n 8 operands [#kernel.operand<element, f32>] results [f32] attributes {gpu_reason = "sm_80: no template"} {
^bb0(%x: f32):
  %0 = arith.negf %x : f32
  kernel.emit %0 : f32
}
