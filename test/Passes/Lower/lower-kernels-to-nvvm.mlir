// RUN: quant-opt %s --lower-kernels-to-nvvm | FileCheck %s
// The cubins of both architectures, and the PTX of sm_80 for every later GPU.
// CHECK: module attributes {kernel.gpu_code = [{arch = "sm_80", kind = "cubin", source = "gpu/code/sm_80.cubin"}, {arch = "sm_80", kind = "ptx", source = "gpu/code/sm_80.ptx"}, {arch = "sm_90a", kind = "cubin", source = "gpu/code/sm_90a.cubin"}]}
// CHECK: kernel.gemm @g
// CHECK-SAME: gpu_launches = [{arch = "sm_80", cluster = 1 : i64, grid = #{{.*}}, m_hi = 0 : i64, m_lo = 1 : i64, parameters = [
// CHECK-SAME: packing = {bias = {{.*}}, bits = 8 : i64, column_basis = array<i64: {{.*}}>, columns = 128 : i64, fill = 0 : i64, order = "{{blocked|pitched}}", pitch = {{.*}}, row_basis = array<i64: {{.*}}>, rows = 64 : i64}, role = "rhs"}
// CHECK-SAME: role = "m"}], shared = {{[0-9]+}} : i64, symbol = "g_m1", threads = 64 : i64}
// CHECK: kernel.rows @r
// CHECK-SAME: symbol = "r_m1"
// CHECK-SAME: arch = "sm_90a"

// Without ptxas there is text for the driver only, for both architectures. A remark says so.
// RUN: env BITWRIGHT_PTXAS= quant-opt %s --lower-kernels-to-nvvm --remarks-filter=gpu --remark-policy=all 2> %t.remarks | FileCheck %s --check-prefix=PTX
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks
// PTX: kernel.gpu_code = [{arch = "sm_80", kind = "ptx", source = "gpu/code/sm_80.ptx"}, {arch = "sm_90a", kind = "ptx", source = "gpu/code/sm_90a.ptx"}]
// REMARK: [Missed] ptxas{{.*}}ptxas was not found: the file carries PTX only, which the driver compiles at load; install the CUDA toolkit 13.0 or the package nvidia-cuda-nvcc==13.0.88

// A ptxas that fails is an error with what it said.
// RUN: printf '#!/bin/sh\necho "ptxas fatal: no" >&2\nexit 3\n' > %t.ptxas && chmod +x %t.ptxas
// RUN: not env BITWRIGHT_PTXAS=%t.ptxas quant-opt %s --lower-kernels-to-nvvm 2>&1 | FileCheck %s --check-prefix=FAILS
// FAILS: error: {{.*}}.ptxas failed for sm_{{80|90a}} ({{.*}}): ptxas fatal: no

// One that says that a kernel spills: the alternative is taken, with a remark; where there is none the schedule stays, and is an error when strict.
// RUN: env BITWRIGHT_PTXAS=%S/Inputs/ptxas-spills.sh quant-opt %s --lower-kernels-to-nvvm --mlir-disable-threading --remarks-filter=gpu --remark-policy=all 2> %t.remarks | FileCheck %s --check-prefix=TAKEN
// RUN: FileCheck %s --check-prefix=SPILLS --input-file=%t.remarks
// SPILLS: [Missed] ptxas{{.*}}warps_n = 2> is dropped: 8 bytes of registers are spilled
// TAKEN: kernel.gemm @g
// TAKEN-SAME: warps_n = 4
// RUN: sed 's/schedule_alternatives/other/' %s > %t.mlir
// RUN: env BITWRIGHT_PTXAS=%S/Inputs/ptxas-spills.sh quant-opt %t.mlir --lower-kernels-to-nvvm --mlir-disable-threading --remarks-filter=gpu --remark-policy=all 2>&1 | FileCheck %s --check-prefix=STAYS
// STAYS: warps_n = 2> stays for want of another: 8 bytes of registers are spilled
// RUN: not env BITWRIGHT_PTXAS=%S/Inputs/ptxas-spills.sh quant-opt %t.mlir --lower-kernels-to-nvvm=strict --mlir-disable-threading 2>&1 | FileCheck %s --check-prefix=STRICT
// STRICT: error: expected a schedule without spills and warnings; the last one, {{.*}}: 8 bytes of registers are spilled

// A schedule that does not fit its kernel names the predicate.
// RUN: sed 's/tile_k = 64/tile_k = 48/' %s > %t.mlir
// RUN: not quant-opt %t.mlir --lower-kernels-to-nvvm 2>&1 | FileCheck %s --check-prefix=UNFIT
// UNFIT: error: 'kernel.gemm' op template multistage on sm_80: expected a tile_k

kernel.gemm @g n 64 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>] operands [#kernel.operand<row, f32>] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 32, tile_n = 64, tile_k = 64, stages = 3, warps_m = 1, warps_n = 2>]
  attributes {schedule_alternatives = [[#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 32, tile_n = 128, tile_k = 64, stages = 3, warps_m = 1, warps_n = 4>]]} {
^bb0(%acc: i32, %row: f32):
  %0 = arith.sitofp %acc : i32 to f32
  %1 = arith.mulf %0, %row : f32
  kernel.emit %1 : f32
}
kernel.rows @r n 33 operands [#kernel.operand<element, f32>] results [f32] schedules [#kernel.schedule<arch = "sm_80", kind = rows>, #kernel.schedule<arch = "sm_90a", kind = rows>] {
^bb0(%x: f32):
  %0 = arith.addf %x, %x : f32
  kernel.emit %0 : f32
}
