// Template wgmma_ss: structure of the code, and that ptxas takes it without spills.
// RUN: emit-kernels %s --emit=ptx > %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: FileCheck %s --check-prefix=FENCE < %t.ptx
// RUN: emit-kernels %s --emit=report | FileCheck %s --check-prefix=REPORT
// REPORT-NOT: warning
// No fence and no arrival has the scope of a cluster or the GPU: each would be a memory barrier over the GPU.
// (fence.mbarrier_init, before the loops, is the one exception and the only form of its instruction.)
// FENCE-NOT: membar
// FENCE-NOT: fence.acq_rel
// FENCE-NOT: fence.sc
// FENCE-NOT: .release.cluster.shared
// FENCE-NOT: arrive.release.cluster
// No weights of the kernel pass registers on their way to shared memory, and nothing is kept in local memory.
// FENCE-NOT: .local

// The registers at launch: 65536 / 384 threads, of which the consumers then take 232 and the producer leaves 40.
// CHECK-LABEL: .entry prefill_0(
// CHECK: .reqntid 384
// CHECK: setmaxnreg.inc.sync.aligned.u32 232
// Packed results of the tile before are stored under the first steps: two pieces of 16 bytes a step, eight steps.
// CHECK: wgmma.mma_async.sync.aligned.m64n256k32.s32.s8.s8
// CHECK: wgmma.commit_group
// CHECK: @p st.global.v4.b32
// CHECK: @p st.global.v4.b32
// The column operands travel to shared memory while the tile multiplies.
// CHECK: cp.async.cg.shared.global
// CHECK: wgmma.wait_group.sync.aligned 	1
// CHECK: mbarrier.arrive
// CHECK: setmaxnreg.dec.sync.aligned.u32 40
// CHECK: cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
// REPORT: prefill_0 {{.*}} 168 registers, 0 bytes spilled, 204928 bytes shared, 384 threads
kernel.gemm @prefill n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, tile_k = 128, stages = 4>] {
^bb0(%acc: i32, %row: f32, %column: f32, %bias: f32):
  %real = arith.sitofp %acc : i32 to f32
  %scaled = arith.mulf %real, %row : f32
  %sum = math.fma %scaled, %column, %bias : f32
  %half = arith.truncf %sum : f32 to f16
  kernel.emit %half : f16
}

// Few tokens: K shared by two CTAs, weights requested before the wait for the kernel before.
// CHECK-LABEL: .entry decode_0(
// CHECK: .explicitcluster
// CHECK: barrier.cluster.arrive.relaxed.aligned
// CHECK: griddepcontrol.launch_dependents
// CHECK: st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32
// CHECK: mbarrier.try_wait.parity
// Bytes that were clamped and rounded have instructions of their own; the division by a constant became a product.
// CHECK-NOT: div.rn
// CHECK: cvt.rni.s32.f32
// CHECK: cvt.pack.sat.s8.s32.b32
// CHECK: cp.async.bulk.tensor.2d
// CHECK: griddepcontrol.wait
// CHECK: cp.async.bulk.tensor.2d
// REPORT: decode_0 {{.*}} 0 bytes spilled, {{.*}} 256 threads
kernel.gemm @decode n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>]
  operands [#kernel.operand<column, i32>, #kernel.operand<scalar, f32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, m_hi = 16, tile_m = 64, tile_n = 64, stages = 6, split_k = 2, token_rows = 16, pdl = true>] {
^bb0(%acc: i32, %bias: i32, %scale: f32):
  %sum = arith.addi %acc, %bias : i32
  %real = arith.sitofp %sum : i32 to f32
  %scaled = arith.mulf %real, %scale : f32
  %step = arith.constant 3.700000e-02 : f32
  %quotient = arith.divf %scaled, %step : f32
  %rounded = math.roundeven %quotient : f32
  %nan = arith.cmpf uno, %rounded, %rounded : f32
  %zero = arith.constant 0.0 : f32
  %number = arith.select %nan, %zero, %rounded : f32
  %low = arith.constant -128.0 : f32
  %high = arith.constant 127.0 : f32
  %below = arith.cmpf ogt, %low, %number : f32
  %atLeast = arith.select %below, %low, %number : f32
  %above = arith.cmpf olt, %high, %atLeast : f32
  %clamped = arith.select %above, %high, %atLeast : f32
  %whole = arith.fptosi %clamped : f32 to i32
  %code = arith.trunci %whole : i32 to i8
  kernel.emit %code : i8
}

// f16 with a residual; N a multiple of 2 only, so that stores are single words and masked.
// CHECK-LABEL: .entry residual_0(
// CHECK: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
// CHECK: @p st.global.b32
// REPORT: residual_0 {{.*}} 0 bytes spilled
kernel.gemm @residual n 1002 segments [#kernel.segment<lhs = f16, rhs = f16, k = 1032, grouping = none, place = none>]
  operands [#kernel.operand<element, f16>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 128, tile_k = 64, stages = 6>] {
^bb0(%acc: f32, %residual: f16):
  %real = arith.extf %residual : f16 to f32
  %sum = arith.addf %acc, %real : f32
  %half = arith.truncf %sum : f32 to f16
  kernel.emit %half : f16
}

// A table is read from shared memory.
// CHECK-LABEL: .entry lookup_0(
// CHECK: cp.async.cg.shared.global
// CHECK: ld.shared.s8
// REPORT: lookup_0 {{.*}} 0 bytes spilled
kernel.gemm @lookup n 2048 segments [#kernel.segment<lhs = i8, rhs = i8, k = 2048, grouping = none, place = none>]
  operands [#kernel.operand<column, i32>, #kernel.operand<table, i8>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4>] {
^bb0(%acc: i32, %multiplier: i32, %table: vector<256xi8>):
  %wide = arith.extsi %acc : i32 to i64
  %wideMultiplier = arith.extsi %multiplier : i32 to i64
  %product = arith.muli %wide, %wideMultiplier : i64
  %half = arith.constant 137438953472 : i64
  %shift = arith.constant 38 : i64
  %biased = arith.addi %product, %half : i64
  %shifted = arith.shrsi %biased, %shift : i64
  %low = arith.constant -128 : i64
  %high = arith.constant 127 : i64
  %atLeast = arith.maxsi %shifted, %low : i64
  %clamped = arith.minsi %atLeast, %high : i64
  %code = arith.trunci %clamped : i64 to i32
  %offset = arith.constant 128 : i32
  %index = arith.addi %code, %offset : i32
  %value = kernel.lookup %table[%index] : vector<256xi8> -> i8
  kernel.emit %value : i8
}
// REPORT-NOT: warning
