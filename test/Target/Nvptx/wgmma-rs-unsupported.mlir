// RUN: not emit-kernels %s 2>&1 | FileCheck %s

// Every predicate of wgmma_rs, named with what was found.

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected one segment, found 2
kernel.gemm @segs n 128 segments [#kernel.segment<lhs = f16, rhs = i4, k = 128, grouping = none, place = epilogue>, #kernel.segment<lhs = f16, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_80: expected sm_90a, found sm_80
kernel.gemm @arch n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected weights of i4, found i8
kernel.gemm @rhs n 128 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected two_level groups or none for tokens of i8, found groups with float scales
kernel.gemm @scales n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected scales of the tokens' type f16, found f32
kernel.gemm @scaletype n 128 segments [#kernel.segment<lhs = f16, rhs = i4, k = 128, group = 128, grouping = scale, scale = f32, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected place before_mma (scales on the weights), found partial_sums
kernel.gemm @place n 128 segments [#kernel.segment<lhs = f16, rhs = i4, k = 128, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected tokens of i8, f16 or bf16, found f32
kernel.gemm @lhs n 128 segments [#kernel.segment<lhs = f32, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected K to be a multiple of 8 (rows of 16 bytes), found 132
kernel.gemm @k n 128 segments [#kernel.segment<lhs = f16, rhs = i4, k = 132, grouping = none, place = epilogue>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected groups that divide 128 or are its multiples, found 96
kernel.gemm @group n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 384, group = 96, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected K of at most 131071 for sums of 16 x code in 32 bits, found 131072
kernel.gemm @long n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 131072, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected tile_m in 8, 16, 24, 32, 48, ..., 256, found 40
kernel.gemm @tilem n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 40, tile_n = 64, warps_n = 1, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected tile_n to be a multiple of 64 a consumer warpgroup, found 64
kernel.gemm @tilen n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected tile_k = 128, found 64
kernel.gemm @tilek n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, tile_k = 64, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected at most 128 accumulators a lane (tile_m * tile_n), found 256
kernel.gemm @accs n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 256, tile_n = 256, stages = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected at least 2 stages, found 1
kernel.gemm @stages n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, stages = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected at most 232448 bytes of shared memory, found 245872
kernel.gemm @smem n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 256, tile_n = 128, stages = 6>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected split_k of 1 or 2 and a cluster of as many CTAs, found 1
kernel.gemm @cluster n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, stages = 4, cluster = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected token_rows >= m_hi, found 32
kernel.gemm @rows n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, stages = 4, token_rows = 32>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected results of 8, 16 or 32 bits, found i64
kernel.gemm @bits n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i64]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, stages = 4>] {
^bb0(%acc: i32):
  %t = arith.extsi %acc : i32 to i64
  kernel.emit %t : i64
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected 1 to 3 consumer warpgroups (warps_n), found 4
kernel.gemm @warpgroups n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 256, warps_n = 4, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected at most 3 groups of wgmma in flight (in_flight), found 4
kernel.gemm @flight n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, in_flight = 4, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected token_rows to be a multiple of 8 of at most tile_m, found 20
kernel.gemm @box n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, token_rows = 20, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected at least 6 steps of K with split_k, found 4
kernel.gemm @split_steps n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 512, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, stages = 4, cluster = 2, split_k = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected tile_m to be a multiple of 16 and token_rows 0 with split_k, found 24
kernel.gemm @split_tokens n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1024, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 24, tile_n = 128, stages = 4, cluster = 2, split_k = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template wgmma_rs on sm_90a: expected warps_m and warps_k of 1, found 2
kernel.gemm @warps n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1024, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, stages = 4, warps_k = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}
