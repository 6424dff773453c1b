// A kernel in the emulator against its meaning, from the command line.
// RUN: not emit-kernels %s --emulate --m 1,17 --seed 3 | FileCheck %s
// RUN: not emit-kernels %s --emulate --m 17 | FileCheck %s --check-prefix=REFUSED

// CHECK: "add" schedule 0 M = 1: equal
// CHECK: "add" schedule 0 M = 17: equal
// CHECK: "product" schedule 0 M = 1: equal
// CHECK: "product" schedule 0 M = 17: equal
kernel.rows @add n 33 operands [#kernel.operand<element, f32>, #kernel.operand<row, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%x: f32, %y: f32):
  %s = arith.addf %x, %y : f32
  %t = arith.truncf %s : f32 to f16
  kernel.emit %t : f16
}
kernel.gemm @product n 40 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 16, tile_n = 32, tile_k = 64, stages = 3, warps_m = 1, warps_n = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}
// REFUSED: "wide" schedule 0: not covered: expected
kernel.gemm @wide n 40 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = multistage, m_lo = 99, tile_m = 1024, tile_n = 32, tile_k = 64, stages = 3, warps_m = 1, warps_n = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}
