// RUN: emit-kernels %s --emulate --m=1,3,8,11,16,30,64 | FileCheck %s

// Every scheme on both architectures, with and without a cluster, with rows, warps and chunks that do not divide: data
// movement, synchronisation and arithmetic, lane by lane.
// CHECK-COUNT-155: equal
// CHECK-NOT: M =

kernel.gemm @case0 n 7 segments [#kernel.segment<lhs = i8, rhs = i4, k = 640, grouping = none, place = epilogue>] operands [#kernel.operand<column, i32>, #kernel.operand<row, f32>] results [i32, f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, warps_m = 3, warps_k = 4, split_k = 1, in_flight = 1>] {
^bb0(%acc: i32, %b: i32, %s: f32):
  %x = arith.addi %acc, %b : i32
  %f = arith.sitofp %x : i32 to f32
  %y = arith.mulf %f, %s : f32
  kernel.emit %x, %y : i32, f32
}

kernel.gemm @case1 n 1 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 512, group = 512, grouping = scale, scale = f16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 8, tile_m = 8, stages = 2, warps_m = 2, warps_k = 2, split_k = 1, in_flight = 1, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case2 n 250 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 256, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 64, tile_m = 64, warps_m = 3, warps_k = 4, split_k = 1, in_flight = 3, chunk = 256, pdl = true>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case3 n 250 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 1024, group = 64, grouping = scale_zero_point, scale = f32, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 64, tile_m = 64, stages = 1, warps_m = 2, warps_k = 4, split_k = 2, in_flight = 1, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case4 n 32 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 384, group = 64, grouping = scale_zero_point, scale = f32, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 32, tile_m = 32, stages = 1, warps_m = 3, warps_k = 2, split_k = 1, in_flight = 3, chunk = 128, pdl = true>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case5 n 250 segments [#kernel.segment<lhs = f16, rhs = i4, k = 128, group = 128, grouping = scale, scale = f32, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 3, split_k = 1, in_flight = 3, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case6 n 129 segments [#kernel.segment<lhs = f16, rhs = i4, k = 896, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 3, warps_k = 2, split_k = 1, in_flight = 3, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case7 n 1 segments [#kernel.segment<lhs = f16, rhs = i4, k = 256, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 1, warps_k = 3, split_k = 2, in_flight = 3, pdl = true>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case8 n 33 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 640, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 1, warps_k = 1, split_k = 1, in_flight = 1, chunk = 128>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case9 n 33 segments [#kernel.segment<lhs = i8, rhs = i4, k = 896, group = 64, grouping = scale, scale = f32, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, stages = 1, warps_m = 3, warps_k = 1, split_k = 1, in_flight = 3, chunk = 128>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case10 n 160 segments [#kernel.segment<lhs = f16, rhs = i4, k = 256, group = 128, grouping = scale, scale = bf16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 1, warps_k = 2, split_k = 2, in_flight = 1, chunk = 128, pdl = true>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case11 n 1 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 1024, group = 1024, grouping = scale_zero_point, scale = bf16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 3, warps_k = 2, split_k = 1, in_flight = 1, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case12 n 33 segments [#kernel.segment<lhs = i8, rhs = i4, k = 896, group = 896, grouping = two_level, place = before_mma>] operands [#kernel.operand<column, i32>, #kernel.operand<row, f32>] results [i32, f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, warps_m = 3, warps_k = 3, split_k = 1, in_flight = 1, chunk = 256>] {
^bb0(%acc: i32, %b: i32, %s: f32):
  %x = arith.addi %acc, %b : i32
  %f = arith.sitofp %x : i32 to f32
  %y = arith.mulf %f, %s : f32
  kernel.emit %x, %y : i32, f32
}

kernel.gemm @case13 n 7 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 640, group = 32, grouping = scale, scale = f32, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 3, warps_k = 4, split_k = 1, in_flight = 1, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case14 n 129 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 256, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, stages = 3, warps_m = 1, warps_k = 1, split_k = 1, in_flight = 3>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case15 n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, group = 256, grouping = two_level, place = before_mma>] operands [#kernel.operand<column, i32>, #kernel.operand<row, f32>] results [i32, f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 1, warps_k = 2, split_k = 2, in_flight = 3, chunk = 256, pdl = true>] {
^bb0(%acc: i32, %b: i32, %s: f32):
  %x = arith.addi %acc, %b : i32
  %f = arith.sitofp %x : i32 to f32
  %y = arith.mulf %f, %s : f32
  kernel.emit %x, %y : i32, f32
}

kernel.gemm @case16 n 64 segments [#kernel.segment<lhs = f16, rhs = i4, k = 512, group = 128, grouping = scale_zero_point, scale = bf16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, stages = 1, warps_m = 1, warps_k = 1, split_k = 1, in_flight = 3, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case17 n 33 segments [#kernel.segment<lhs = f16, rhs = i4, k = 128, group = 128, grouping = scale_zero_point, scale = bf16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, stages = 3, warps_m = 1, warps_k = 3, split_k = 1, in_flight = 1>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case18 n 160 segments [#kernel.segment<lhs = f16, rhs = i4, k = 1024, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, warps_m = 2, warps_k = 4, split_k = 1, in_flight = 1, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case19 n 100 segments [#kernel.segment<lhs = i8, rhs = i4, k = 896, group = 128, grouping = scale_zero_point, scale = f16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, warps_m = 3, warps_k = 3, split_k = 1, in_flight = 3, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case20 n 250 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, group = 256, grouping = scale_zero_point, scale = bf16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, stages = 3, warps_m = 3, warps_k = 4, split_k = 2, in_flight = 3, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case21 n 64 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 640, group = 128, grouping = scale_zero_point, scale = f32, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, stages = 2, warps_m = 2, warps_k = 4, split_k = 1, in_flight = 3>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case22 n 1 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, group = 256, grouping = two_level, place = before_mma>] operands [#kernel.operand<column, i32>, #kernel.operand<row, f32>] results [i32, f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, stages = 2, warps_m = 1, warps_k = 1, split_k = 1, in_flight = 3, chunk = 256>] {
^bb0(%acc: i32, %b: i32, %s: f32):
  %x = arith.addi %acc, %b : i32
  %f = arith.sitofp %x : i32 to f32
  %y = arith.mulf %f, %s : f32
  kernel.emit %x, %y : i32, f32
}

kernel.gemm @case23 n 160 segments [#kernel.segment<lhs = f16, rhs = i4, k = 512, group = 32, grouping = scale_zero_point, scale = f32, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 3, warps_k = 3, split_k = 2, in_flight = 2, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case24 n 7 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, grouping = none, place = epilogue>] operands [#kernel.operand<column, i32>, #kernel.operand<row, f32>] results [i32, f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, stages = 3, warps_m = 1, warps_k = 2, split_k = 1, in_flight = 1, chunk = 256, pdl = true>] {
^bb0(%acc: i32, %b: i32, %s: f32):
  %x = arith.addi %acc, %b : i32
  %f = arith.sitofp %x : i32 to f32
  %y = arith.mulf %f, %s : f32
  kernel.emit %x, %y : i32, f32
}

kernel.gemm @case25 n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1024, group = 64, grouping = scale, scale = f32, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 8, tile_m = 8, warps_m = 3, warps_k = 3, split_k = 1, in_flight = 1>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case26 n 100 segments [#kernel.segment<lhs = i8, rhs = i4, k = 640, group = 640, grouping = scale_zero_point, scale = bf16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 1, warps_k = 3, split_k = 1, in_flight = 3, pdl = true>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case27 n 32 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1024, grouping = none, place = epilogue>] operands [#kernel.operand<column, i32>, #kernel.operand<row, f32>] results [i32, f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, stages = 3, warps_m = 1, warps_k = 1, split_k = 2, in_flight = 1, chunk = 128, pdl = true>] {
^bb0(%acc: i32, %b: i32, %s: f32):
  %x = arith.addi %acc, %b : i32
  %f = arith.sitofp %x : i32 to f32
  %y = arith.mulf %f, %s : f32
  kernel.emit %x, %y : i32, f32
}

kernel.gemm @case28 n 1 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 256, group = 256, grouping = scale_zero_point, scale = f16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 2, warps_k = 4, split_k = 2, in_flight = 1>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case29 n 250 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1024, group = 256, grouping = scale, scale = f16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 8, tile_m = 8, warps_m = 3, warps_k = 1, split_k = 2, in_flight = 2, chunk = 256>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case30 n 64 segments [#kernel.segment<lhs = f16, rhs = i4, k = 512, group = 512, grouping = scale, scale = f16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, stages = 2, warps_m = 2, warps_k = 4, split_k = 1, in_flight = 1>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case31 n 129 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 256, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 2, warps_k = 4, split_k = 2, in_flight = 3, pdl = true>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @case32 n 33 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 256, group = 32, grouping = scale, scale = bf16, place = partial_sums>] operands [#kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f16>] results [f32, f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 3, warps_k = 2, split_k = 2, in_flight = 3>] {
^bb0(%acc: f32, %b: f32, %s: f32, %e: f16):
  %w = arith.extf %e : f16 to f32
  %x = math.fma %acc, %s, %b : f32
  %y = arith.addf %x, %w : f32
  %z = arith.truncf %y : f32 to f16
  kernel.emit %acc, %z : f32, f16
}

kernel.gemm @nibbles n 130 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, grouping = none, place = epilogue>] operands [#kernel.operand<scalar, i32>] results [i4, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = decode, m_hi = 16, tile_m = 16, warps_m = 2, warps_k = 2>] {
^bb0(%acc: i32, %low: i32):
  %ten = arith.constant 10 : i32
  %shifted = arith.shrsi %acc, %ten : i32
  %high = arith.constant 7 : i32
  %least = arith.constant -8 : i32
  %most = arith.minsi %shifted, %high : i32
  %clamped = arith.maxsi %most, %least : i32
  %code = arith.trunci %clamped : i32 to i4
  %byte = arith.trunci %low : i32 to i8
  kernel.emit %code, %byte : i4, i8
}
