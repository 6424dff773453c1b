// RUN: not emit-kernels %s 2>&1 | FileCheck %s

// Every predicate of decode, named with what was found.

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected one segment, found 2
kernel.gemm @segments n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>, #kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected weights of type i4, found i8
kernel.gemm @rhs n 64 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected activations of type i8, f16 or bf16, found i4
kernel.gemm @lhs n 64 segments [#kernel.segment<lhs = i4, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected group scales of type f16, bf16 or f32, found f64
kernel.gemm @scale n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f64, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected K to be a multiple of 128, found 96
kernel.gemm @k n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 96, group = 32, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected less than 2^31 bytes of weights, found 1048576 x 4096 codes
kernel.gemm @bytes n 1048576 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected K below 131072 for i32 sums, found 131072
kernel.gemm @sums n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 131072, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected groups of 32, 64 or a multiple of 128, found 192
kernel.gemm @group n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 768, group = 192, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected two-level groups to be multiples of 128, found 64
kernel.gemm @narrow_two_level n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 64, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected tile_m to be 8, 16, ..., 64 tokens, found 12
kernel.gemm @tokens n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 12, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected tile_m to be 8, 16, ..., 64 tokens, found 72
kernel.gemm @many_tokens n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 72, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected 1 <= m_hi <= tile_m, found m_hi = 16
kernel.gemm @m n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected 1 <= m_hi <= tile_m, found m_hi = 0
kernel.gemm @any_m n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected 1 to 32 warps (warps_m x warps_k), found 8 x 8
kernel.gemm @warps n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 8, warps_k = 8, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected tile_n to be 32 warps_m or 0, found 128
kernel.gemm @width n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, tile_n = 128, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected split_k of 1 or 2, found 4
kernel.gemm @split n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, split_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected cluster to be split_k, found 2
kernel.gemm @cluster n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, cluster = 2, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_80: expected split_k = 1 without clusters, found 2
kernel.gemm @clusterless n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, split_k = 2, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_80: expected pdl = false before sm_90a, found true
kernel.gemm @pdl n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1, pdl = true>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected K / 128 to be a multiple of split_k, found 3
kernel.gemm @share n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 384, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, split_k = 2, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected the group size and K / split_k to divide one another, found 512 and 768
kernel.gemm @stretch n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1536, group = 512, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, split_k = 2, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected chunk to be a multiple of 128, found 64
kernel.gemm @chunk n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1, chunk = 64>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected stages = 0 with groups of 32, found 2
kernel.gemm @narrow_ring n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 32, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, stages = 2, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected at most 232448 bytes of shared memory, found 308224
kernel.gemm @memory n 64 segments [#kernel.segment<lhs = f16, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 32, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected an even N for results of 4 bits, found 65
kernel.gemm @nibbles n 65 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [i4]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  %r = arith.fptosi %acc : f32 to i4
  kernel.emit %r : i4
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected results of 4 to 32 bits, found f64
kernel.gemm @wide n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f64]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32):
  %r = arith.extf %acc : f32 to f64
  kernel.emit %r : f64
}

// CHECK: error: 'kernel.gemm' op template decode on sm_90a: expected operands of 8 bits and more, found i4
kernel.gemm @operand n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 4096, group = 128, grouping = scale, scale = f16, place = partial_sums>] operands [#kernel.operand<column, i4>] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, in_flight = 1>] {
^bb0(%acc: f32, %operand: i4):
  kernel.emit %acc : f32
}
