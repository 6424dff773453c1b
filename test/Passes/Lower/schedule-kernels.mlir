// RUN: quant-opt %s --schedule-kernels=targets=sm_80,sm_90a --remarks-filter=gpu --remark-policy=all 2> %t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// A table's entry serves its range, the static model the rest; entries of another chip do not count.
// RUN: %python -c "import json; s='gemm n256 k128 i8xi8 row:f32 -> f32'; t='#kernel.schedule<arch = \"sm_80\", kind = multistage, m_lo = %%d, m_hi = %%d, tile_m = 32, tile_n = 64, tile_k = 64, stages = 3, warps_m = 1, warps_n = 2>'; json.dump({'entries': [{'signature': s, 'schedule': t %% (1, 64)}, {'chip': 'A100', 'signature': s, 'schedule': t %% (100, 100)}]}, open(r'%t.json', 'w'))"
// RUN: quant-opt %s --pass-pipeline='builtin.module(schedule-kernels{targets=sm_80 table=%t.json})' | FileCheck %s --check-prefix=TABLE
// RUN: quant-opt %s --pass-pipeline='builtin.module(schedule-kernels{targets=sm_80 table=%t.json chip=A100})' | FileCheck %s --check-prefix=CHIP
// TABLE: kernel.gemm @small
// TABLE-SAME: schedules [#kernel.schedule<arch = "sm_80", kind = multistage, m_hi = 64, tile_m = 32, tile_n = 64, tile_k = 64, stages = 3, warps_m = 1, warps_n = 2>, #kernel.schedule<arch = "sm_80", kind = multistage, m_lo = 65
// TABLE-NOT: m_lo = 100, m_hi = 100
// CHIP: m_lo = 100, m_hi = 100

// RUN: echo '[1' > %t.bad.json
// RUN: not quant-opt %s --pass-pipeline='builtin.module(schedule-kernels{targets=sm_80 table=%t.bad.json})' 2>&1 | FileCheck %s --check-prefix=JSON
// JSON: error: expected JSON: {{.*}}
// RUN: echo '{"entries": [{"signature": "x"}]}' > %t.bad.json
// RUN: not quant-opt %s --pass-pipeline='builtin.module(schedule-kernels{targets=sm_80 table=%t.bad.json})' 2>&1 | FileCheck %s --check-prefix=ENTRY
// ENTRY: error: entry 0: expected texts `signature` and `schedule`
// RUN: echo '{"entries": [{"signature": "x", "schedule": "#kernel.template<gemm>"}]}' > %t.bad.json
// RUN: not quant-opt %s --pass-pipeline='builtin.module(schedule-kernels{targets=sm_80 table=%t.bad.json})' 2>&1 | FileCheck %s --check-prefix=SCHEDULE
// SCHEDULE: error: entry 0: expected a #kernel.schedule, found '#kernel.template<gemm>'
// RUN: not quant-opt %s --pass-pipeline='builtin.module(schedule-kernels{targets=sm_80 table=%t.none})' 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: cannot read the table of schedules:
// RUN: not quant-opt %s --schedule-kernels=targets=sm_70 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: error: option targets: expected sm_80 or sm_90a, found 'sm_70'

// M is at most 40: nothing is made for more. Both architectures.
// CHECK: kernel.gemm @few
// CHECK-SAME: arch = "sm_80"
// CHECK-SAME: arch = "sm_90a"
// CHECK-NOT: m_lo = {{4[1-9]|[5-9][0-9]|[1-9][0-9][0-9]}}
// CHECK-SAME: schedule_alternatives
// CHECK: kernel.gemm @small
// REMARK-DAG: Remark="gemm n256 k128 i8xi8 row:f32 -> f32: #kernel.schedule<arch = "sm_80"
// No template has K = 40: the reason stays.
// CHECK: kernel.gemm @odd
// CHECK-NOT: schedules
// CHECK-SAME: gpu_reason = "sm_90a: expected K to be a multiple of {{.*}}found 40
// REMARK-DAG: Remark="gemm n8 k40 i8xi8 -> i32: no schedule on{{.*}}expected K to be a multiple of
// CHECK: kernel.rows @rows
// CHECK-SAME: kind = rows
func.func @main(%x: tensor<?x128xi8> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0, 128)>}) -> (tensor<?x256xi32> {qnn.name = "y"}) attributes {qnn.symbols = [#qnn.symbol<"M", 1, 40, 1>]} {
  %w = qnn.constant {value = dense<1> : tensor<256x128xi8>} : tensor<256x128xi8>
  %0 = kernel.fused (%a = %x, %c = %w) {kind = #kernel.template<gemm>, name = "y", gpu_kernel = @few, gpu_m = affine_map<()[s0] -> (s0)>, gpu_bindings = {lhs = 0 : i64, rhs = [1], operands = []}} : (tensor<?x128xi8>, tensor<256x128xi8>) -> tensor<?x256xi32> {
    %1 = dyadic.linear %a, %c {input_zero_point = 0 : i32} : (tensor<?x128xi8>, tensor<256x128xi8>) -> tensor<?x256xi32>
    kernel.yield %1 : tensor<?x256xi32>
  }
  return %0 : tensor<?x256xi32>
}
kernel.gemm @few n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}
kernel.gemm @small n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>] operands [#kernel.operand<row, f32>] results [f32] {
^bb0(%acc: i32, %row: f32):
  %0 = arith.sitofp %acc : i32 to f32
  %1 = arith.mulf %0, %row : f32
  kernel.emit %1 : f32
}
kernel.gemm @odd n 8 segments [#kernel.segment<lhs = i8, rhs = i8, k = 40, grouping = none, place = none>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}
kernel.rows @rows n 33 operands [#kernel.operand<element, f32>] results [f32] {
^bb0(%x: f32):
  %0 = arith.addf %x, %x : f32
  kernel.emit %0 : f32
}
