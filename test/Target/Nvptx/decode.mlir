// RUN: emit-kernels %s --emit=nvvm | FileCheck %s
// RUN: emit-kernels %s --emit=ptx | FileCheck %s --check-prefix=PTX
// RUN: emit-kernels %s --emit=report | FileCheck %s --check-prefix=REPORT

// No fence of GPU scope, no arrive that carries one; the main loop is not unrolled.
// PTX-NOT: membar
// PTX-NOT: fence.acq_rel
// PTX-NOT: barrier.cluster.arrive.aligned

// REPORT-NOT: {{[1-9][0-9]*}} bytes spilled
// REPORT-COUNT-13: registers, 0 bytes spilled
// REPORT-NOT: warning

// W4A8, groups of 128, for at most 8 tokens. Weights first: two units of 128 in flight, four loads each; then warp 0
// copies scales and the others token rows. Codes are 16 times their value; partial sums start at the bits of 1.5 * 2^23.
// CHECK-LABEL: llvm.func @w4a8_0(
// CHECK-SAME: nvvm.reqntid = array<i32: 448, 1, 1>
// CHECK-COUNT-8: kernel.load_stream
// CHECK: nvvm.mbarrier.init
// CHECK: nvvm.mbarrier.arrive.expect_tx
// CHECK: nvvm.barrier
// CHECK: nvvm.cp.async.bulk.shared.cluster.global
// CHECK: nvvm.cp.async.bulk.shared.cluster.global
// CHECK: scf.for
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: llvm.load {{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<4xf16>
// CHECK: arith.constant 1262485504 : i32
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK: arith.constant -252645136 : i32
// CHECK: kernel.load_stream %{{.*}} {offset = 4096 : i64}
// CHECK: nvvm.mma.sync
// CHECK-SAME: shape = #nvvm.shape<m = 16, n = 8, k = 32>
// CHECK: llvm.intr.fma
// CHECK: scf.yield
// CHECK: llvm.store {{.*}} : vector<4xi32>, !llvm.ptr<3>
// CHECK: nvvm.barrier
// CHECK: llvm.load {{.*}} : !llvm.ptr<3> -> vector<4xi32>
// CHECK: arith.addf
// CHECK: llvm.store {{.*}} {alignment = 4 : i64} : vector<2xf16>, !llvm.ptr<1>

// Two CTAs share K; the other's partial sums come by st.async and one mbarrier. Only what a predecessor may have written
// is read after the wait for it.
// CHECK-LABEL: llvm.func @w4a8_1(
// CHECK-SAME: nvvm.cluster_dim = array<i32: 2, 1, 1>
// CHECK: kernel.load_stream
// CHECK: nvvm.griddepcontrol launch_dependents
// CHECK: nvvm.cluster.arrive.relaxed
// CHECK: nvvm.cp.async.bulk.shared.cluster.global
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.cp.async.bulk.shared.cluster.global
// CHECK: nvvm.cluster.wait
// CHECK: kernel.map_shared
// CHECK: kernel.store_async
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.mbarrier.try_wait.parity

// A ring of chunks, filled by boxes of the token matrix.
// CHECK-LABEL: llvm.func @w4a8_2(
// CHECK-SAME: llvm.byval = !llvm.array<128 x i8>
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: scf.for
// CHECK: nvvm.mbarrier.arrive %

// Before Hopper: cp.async, no cluster.
// CHECK-LABEL: llvm.func @w4a8_3(
// CHECK: nvvm.cp.async.shared.global
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 1
// CHECK-NOT: mbarrier
kernel.gemm @w4a8 n 28672 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 7, warps_k = 2, in_flight = 2, chunk = 512>,
             #kernel.schedule<arch = "sm_90a", kind = decode, m_lo = 9, m_hi = 16, tile_m = 16, warps_m = 4, warps_k = 4, split_k = 2, in_flight = 1, pdl = true>,
             #kernel.schedule<arch = "sm_90a", kind = decode, m_lo = 17, m_hi = 32, tile_m = 32, stages = 4, warps_m = 7, warps_k = 1, in_flight = 2, chunk = 256>,
             #kernel.schedule<arch = "sm_80", kind = decode, m_hi = 8, tile_m = 8, stages = 3, warps_m = 4, warps_k = 4, in_flight = 2, chunk = 256>] {
^bb0(%acc: f32, %token: f32, %bias: f32):
  %scaled = math.fma %acc, %token, %bias : f32
  %result = arith.truncf %scaled : f32 to f16
  kernel.emit %result : f16
}

// Zero points: one more product, of 16 and the tokens, gives the group's sums of tokens.
// CHECK-LABEL: llvm.func @w4a8_zero_point_0(
// CHECK: nvvm.prmt
// CHECK: arith.constant 269488144 : i32
kernel.gemm @w4a8_zero_point n 4096 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale_zero_point, scale = f16, place = partial_sums>]
  operands [#kernel.operand<row, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 1, warps_k = 16>] {
^bb0(%acc: f32, %token: f32):
  %scaled = arith.mulf %acc, %token : f32
  %result = arith.truncf %scaled : f32 to f16
  kernel.emit %result : f16
}

// Per channel: exact i32 sums, pushed as integers; codes were taken 16-fold. An odd N has no pairs of columns.
// CHECK-LABEL: llvm.func @per_channel_0(
// CHECK-NOT: llvm.intr.fma
// CHECK: arith.shrsi
// CHECK: llvm.store {{.*}} {alignment = 1 : i64} : i8, !llvm.ptr<1>
kernel.gemm @per_channel n 1001 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1408, grouping = none, place = epilogue>]
  operands [#kernel.operand<column, i32>, #kernel.operand<element, i8>, #kernel.operand<scalar, i32>] results [i8, i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 2, warps_k = 4, in_flight = 2>] {
^bb0(%acc: i32, %bias: i32, %residual: i8, %low: i32):
  %biased = arith.addi %acc, %bias : i32
  %wide = arith.extsi %residual : i8 to i32
  %sum = arith.addi %biased, %wide : i32
  %eight = arith.constant 8 : i32
  %shifted = arith.shrsi %sum, %eight : i32
  %high = arith.constant 127 : i32
  %most = arith.minsi %shifted, %high : i32
  %clamped = arith.maxsi %most, %low : i32
  %code = arith.trunci %clamped : i32 to i8
  kernel.emit %code, %sum : i8, i32
}

// Two-level: code * S + m for four bytes by one multiplication.
// CHECK-LABEL: llvm.func @two_level_0(
// CHECK: arith.constant 252645135 : i32
// CHECK: arith.constant -2139062144 : i32
// CHECK-NOT: arith.constant 1262485504 : i32
kernel.gemm @two_level n 4096 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = two_level, place = before_mma>]
  operands [#kernel.operand<table, f32>] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 1, warps_k = 16>] {
^bb0(%acc: i32, %table: vector<256xf32>):
  %mask = arith.constant 255 : i32
  %index = arith.andi %acc, %mask : i32
  %result = kernel.lookup %table[%index] : vector<256xf32> -> f32
  kernel.emit %result : f32
}

// W4A16: 1024 + code + 8 and 64 + code + 8, then one exact addition; scales on the sums of a group.
// CHECK-LABEL: llvm.func @w4a16_0(
// CHECK: arith.constant 1677747200 : i32
// CHECK: kernel.lop3
// CHECK: arith.constant -469179384 : i32
// CHECK: kernel.packed_math
// CHECK: nvvm.mma.sync
// CHECK-SAME: shape = #nvvm.shape<m = 16, n = 8, k = 16>
// CHECK-LABEL: llvm.func @w4a16_1(
kernel.gemm @w4a16 n 4096 segments [#kernel.segment<lhs = f16, rhs = i4, k = 4096, group = 64, grouping = scale, scale = f16, place = before_mma>]
  operands [] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 8, split_k = 2>,
             #kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, stages = 3, warps_m = 2, warps_k = 4, chunk = 128>] {
^bb0(%acc: f32):
  %result = arith.truncf %acc : f32 to f16
  kernel.emit %result : f16
}

// CHECK-LABEL: llvm.func @bf16_0(
// CHECK: type = bf16
kernel.gemm @bf16 n 4096 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 4096, group = 4096, grouping = scale_zero_point, scale = f32, place = before_mma>]
  operands [] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 8, split_k = 2>] {
^bb0(%acc: f32):
  %result = arith.truncf %acc : f32 to bf16
  kernel.emit %result : bf16
}

// A group of 32 is one mma.
// CHECK-LABEL: llvm.func @narrow_0(
// CHECK: llvm.load {{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<2xi32>
kernel.gemm @narrow n 4096 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 32, grouping = scale_zero_point, scale = bf16, place = partial_sums>]
  operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 2, warps_k = 8>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// 64 tokens.
// CHECK-LABEL: llvm.func @many_0(
kernel.gemm @many n 8192 segments [#kernel.segment<lhs = i8, rhs = i4, k = 8192, group = 128, grouping = scale, scale = f16, place = partial_sums>]
  operands [] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 64, tile_m = 64, stages = 4, warps_m = 4, warps_k = 2, split_k = 2, in_flight = 1, chunk = 256>] {
^bb0(%acc: f32):
  %result = arith.truncf %acc : f32 to f16
  kernel.emit %result : f16
}
// CHECK-LABEL: llvm.func @many_halves_0(
kernel.gemm @many_halves n 8192 segments [#kernel.segment<lhs = f16, rhs = i4, k = 8192, group = 128, grouping = scale, scale = f16, place = before_mma>]
  operands [] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 64, tile_m = 64, stages = 3, warps_m = 4, warps_k = 2, split_k = 2, in_flight = 1, chunk = 128>] {
^bb0(%acc: f32):
  %result = arith.truncf %acc : f32 to f16
  kernel.emit %result : f16
}
