// What wgmma_ss does not cover, by the first predicate that fails.
// RUN: not emit-kernels %s --emit=nvvm 2>&1 | FileCheck %s

// CHECK: template wgmma_ss on sm_80: expected architecture sm_90a, found sm_80{{$}}
kernel.gemm @arch n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected operands of type i8, f16 or bf16, found i4{{$}}
kernel.gemm @type n 4096 segments [#kernel.segment<lhs = i4, rhs = i4, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected rows of the left operand of a multiple of 16 bytes (TMA), found K = 4088 of i8{{$}}
kernel.gemm @pitch n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4088, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected one or two consumer warp groups along M (warps_m), found 3{{$}}
kernel.gemm @consumers n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 192, tile_n = 64, stages = 4, warps_m = 3>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected consumer warp groups along M only, found warps_n = 2, warps_k = 0{{$}}
kernel.gemm @columns n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4, warps_n = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected tile_m of a multiple of 64 rows for each consumer and at most 256, found 96{{$}}
kernel.gemm @rows n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 96, tile_n = 256, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected tile_n of a multiple of 16 from 16 to 256, found 264{{$}}
kernel.gemm @width n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 264, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected tile_k = 128 (128 bytes), found 64{{$}}
kernel.gemm @step n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, tile_k = 64, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected split_k of 1 or 2, found 4{{$}}
kernel.gemm @split n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 128, stages = 4, split_k = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected a cluster of split_k = 1 CTAs, found 2{{$}}
kernel.gemm @cluster n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4, cluster = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected tile_n / split_k of a multiple of 16, found 48 / 2{{$}}
kernel.gemm @slice n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 48, stages = 4, split_k = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected 64 rows for each consumer with split_k, found 128{{$}}
kernel.gemm @blocks n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 256, tile_n = 64, stages = 4, split_k = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected at least one step along K for each of split_k = 2 CTAs, found K = 128{{$}}
kernel.gemm @short n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 64, stages = 4, split_k = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected at most 128 accumulators for each thread of a consumer, found 192{{$}}
kernel.gemm @accumulators n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 256, tile_n = 192, stages = 3>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected token_rows of a multiple of 8 up to tile_m, found 12{{$}}
kernel.gemm @tokens n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, m_hi = 12, tile_m = 64, tile_n = 64, stages = 4, token_rows = 12>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected m_hi of at most token_rows = 16, found 32{{$}}
kernel.gemm @bound n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, m_hi = 32, tile_m = 64, tile_n = 64, stages = 4, token_rows = 16>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected at least two stages, found 1{{$}}
kernel.gemm @stages n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected at most 232448 bytes of shared memory, found 245888 for 5 stages of 49152{{$}}
kernel.gemm @memory n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected one segment, found 2{{$}}
kernel.gemm @segments n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>, #kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>]
  operands [] results [i32] schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected a segment with place none and grouping none, found place before_mma and grouping none{{$}}
kernel.gemm @unpacked n 4096 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = before_mma>]
  operands [] results [i32] schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: template wgmma_ss on sm_90a: expected results of 8, 16 or 32 bits, found i64{{$}}
kernel.gemm @wide n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>]
  operands [] results [i64] schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4>] {
^bb0(%acc: i32):
  %wide = arith.extsi %acc : i32 to i64
  kernel.emit %wide : i64
}

// CHECK: template wgmma_ss on sm_90a: expected epilogue operands of 8, 16, 32 or 64 bits, found i4{{$}}
kernel.gemm @narrow n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>]
  operands [#kernel.operand<column, i4>] results [i32] schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 4>] {
^bb0(%acc: i32, %narrow: i4):
  %wide = arith.extsi %narrow : i4 to i32
  %sum = arith.addi %acc, %wide : i32
  kernel.emit %sum : i32
}
