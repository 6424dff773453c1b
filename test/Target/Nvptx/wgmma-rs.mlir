// RUN: emit-kernels %s --emit=nvvm | FileCheck %s
// RUN: emit-kernels %s --emit=report | FileCheck %s --check-prefix=REPORT

// The template wgmma_rs: no spills, no serialised wgmma, and the rotation of KERNELS 4.4 in the code: fence, product,
// commit, wait, and only then the next k-block's unpacking, pinned on both sides.

// REPORT-NOT: warning
// REPORT: two_level_0 {{.*}} 168 registers, 0 bytes spilled
// REPORT: channel_0 {{.*}} 0 bytes spilled
// REPORT: half_0 {{.*}} 0 bytes spilled
// REPORT: bfloat_0 {{.*}} 0 bytes spilled
// REPORT: bytes_0 {{.*}} 0 bytes spilled
// REPORT: narrow_0 {{.*}} 0 bytes spilled
// REPORT-NOT: warning

// CHECK-LABEL: llvm.func @two_level_0(
// CHECK-SAME: llvm.byval = !llvm.array<128 x i8>
// CHECK: nvvm.setmaxregister decrease 40
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK-COUNT-6: nvvm.cp.async.bulk.shared.cluster.global
// CHECK: nvvm.setmaxregister increase 232
// The first product of a tile does not read the accumulators.
// CHECK: nvvm.wgmma.fence.aligned
// CHECK-NEXT: kernel.wgmma_rs {{.*}} {n = 256 : i64, type = i8, zero}
// CHECK-NEXT: nvvm.wgmma.commit.group.sync.aligned
// CHECK: nvvm.wgmma.wait.group.sync.aligned 2
// CHECK: kernel.pin
// CHECK: arith.muli
// CHECK: kernel.pin
// CHECK: nvvm.wgmma.fence.aligned
// CHECK: kernel.wgmma_rs {{.*}} {n = 256 : i64, type = i8}
// The main loop.
// CHECK: scf.for
// CHECK-COUNT-4: kernel.wgmma_rs
// CHECK: llvm.loop_annotation
// CHECK: nvvm.wgmma.wait.group.sync.aligned 0
kernel.gemm @two_level n 4096 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = two_level, place = before_mma>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 256, tile_n = 128, stages = 5>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

// Codes times 16; the sum is shifted back before the epilogue.
// CHECK-LABEL: llvm.func @channel_0(
// CHECK: arith.shrsi
// CHECK: arith.sitofp
kernel.gemm @channel n 320 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1040, grouping = none, place = epilogue>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<element, f32>] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 128, tile_n = 128, stages = 5, raster = 4>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %e: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %e : f32
  kernel.emit %h : f32
}

// CHECK-LABEL: llvm.func @half_0(
// CHECK: kernel.packed_math
// CHECK: kernel.wgmma_rs {{.*}} {n = 256 : i64, type = f16, zero}
kernel.gemm @half n 4096 segments [#kernel.segment<lhs = f16, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = before_mma>] operands [#kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 256, tile_n = 128, stages = 5>] {
^bb0(%acc: f32, %b: f32):
  %h = arith.addf %acc, %b : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @bfloat n 1024 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 1024, group = 32, grouping = scale_zero_point, scale = bf16, place = before_mma>] operands [#kernel.operand<column, f32>] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 256, tile_n = 128, stages = 5>] {
^bb0(%acc: f32, %b: f32):
  %h = arith.addf %acc, %b : f32
  %t = arith.truncf %h : f32 to bf16
  kernel.emit %t : bf16
}

// Bytes of two lanes are exchanged, so that each stores four channels.
// CHECK-LABEL: llvm.func @bytes_0(
// CHECK: nvvm.shfl.sync bfly
// CHECK: kernel.store_if
kernel.gemm @bytes n 1000 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, group = 64, grouping = two_level, place = before_mma>] operands [#kernel.operand<column, i32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 128, tile_n = 256, warps_n = 2, stages = 5, pdl = true>] {
^bb0(%acc: i32, %b: i32):
  %s = arith.addi %acc, %b : i32
  %c8 = arith.constant 8 : i32
  %q = arith.shrsi %s, %c8 : i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %x = arith.maxsi %q, %lo : i32
  %y = arith.minsi %x, %hi : i32
  %t = arith.trunci %y : i32 to i8
  kernel.emit %t : i8
}

kernel.gemm @narrow n 192 segments [#kernel.segment<lhs = f16, rhs = i4, k = 72, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, m_hi = 8, tile_m = 16, tile_n = 64, warps_n = 1, stages = 2, token_rows = 8>] {
^bb0(%acc: f32, %s: f32):
  %h = arith.mulf %acc, %s : f32
  kernel.emit %h : f32
}
