// RUN: emit-kernels --emulate %s --m 1,7,33,70 | FileCheck %s
// RUN: emit-kernels --emulate %s --m 1,7,33,70 --seed 7 --resident 1 | FileCheck %s

// wgmma_rs lane by lane against the reference: integers equal, floats within the bound of their accumulation; tails of M,
// N and K, groups inside a step, of one and of several, results in registers until the next tile.

// CHECK-NOT: {{expected|wrong|error|not covered}}
// CHECK: bf16_bytes_group64{{.*}} M = 70: equal
// CHECK-NOT: {{expected|wrong|error|not covered}}

kernel.gemm @raw_one_step n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, group = 128, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 64, warps_n = 1, stages = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

kernel.gemm @raw_group32 n 66 segments [#kernel.segment<lhs = i8, rhs = i4, k = 96, group = 32, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 8, tile_n = 64, warps_n = 1, stages = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

kernel.gemm @raw_group64 n 130 segments [#kernel.segment<lhs = i8, rhs = i4, k = 320, group = 64, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 24, tile_n = 128, stages = 3, in_flight = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

kernel.gemm @raw_group256 n 192 segments [#kernel.segment<lhs = i8, rhs = i4, k = 768, group = 256, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 48, tile_n = 128, stages = 3, in_flight = 3>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

kernel.gemm @half_out n 200 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1280, group = 128, grouping = two_level, place = before_mma>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, stages = 4, raster = 2>] {
^bb0(%acc: i32, %o0: f32, %o1: f32, %o2: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %o0 : f32
  %h = math.fma %g, %o1, %o2 : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @half_out_two_blocks n 328 segments [#kernel.segment<lhs = i8, rhs = i4, k = 640, group = 128, grouping = two_level, place = before_mma>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 256, warps_n = 2, stages = 3>] {
^bb0(%acc: i32, %o0: f32, %o1: f32, %o2: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %o0 : f32
  %h = math.fma %g, %o1, %o2 : f32
  %t = arith.truncf %h : f32 to bf16
  kernel.emit %t : bf16
}

kernel.gemm @three_warpgroups n 200 segments [#kernel.segment<lhs = i8, rhs = i4, k = 512, group = 128, grouping = two_level, place = before_mma>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 192, warps_n = 3, stages = 3>] {
^bb0(%acc: i32, %o0: f32, %o1: f32, %o2: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %o0 : f32
  %h = math.fma %g, %o1, %o2 : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @bytes_out n 132 segments [#kernel.segment<lhs = i8, rhs = i4, k = 400, grouping = none, place = epilogue>] operands [#kernel.operand<column, i32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 128, stages = 3, pdl = true>] {
^bb0(%acc: i32, %o0: i32):
  %s = arith.addi %acc, %o0 : i32
  %c8 = arith.constant 6 : i32
  %q = arith.shrsi %s, %c8 : i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %x = arith.maxsi %q, %lo : i32
  %y = arith.minsi %x, %hi : i32
  %t = arith.trunci %y : i32 to i8
  kernel.emit %t : i8
}

kernel.gemm @bytes_out_two_blocks n 260 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, group = 128, grouping = two_level, place = before_mma>] operands [#kernel.operand<column, i32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 256, warps_n = 2, stages = 3>] {
^bb0(%acc: i32, %o0: i32):
  %s = arith.addi %acc, %o0 : i32
  %c8 = arith.constant 6 : i32
  %q = arith.shrsi %s, %c8 : i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %x = arith.maxsi %q, %lo : i32
  %y = arith.minsi %x, %hi : i32
  %t = arith.trunci %y : i32 to i8
  kernel.emit %t : i8
}

kernel.gemm @channel_k_tail n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1040, grouping = none, place = epilogue>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 128, stages = 4>] {
^bb0(%acc: i32, %o0: f32, %o1: f32, %o2: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %o0 : f32
  %h = math.fma %g, %o1, %o2 : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @channel_tiny_k n 64 segments [#kernel.segment<lhs = i8, rhs = i4, k = 16, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 8, tile_n = 64, warps_n = 1, stages = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

kernel.gemm @every_operand n 96 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, grouping = none, place = epilogue>] operands [#kernel.operand<row, f16>, #kernel.operand<column, i8>, #kernel.operand<element, f16>, #kernel.operand<scalar, f32>, #kernel.operand<table, i8>] results [f32, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 128, stages = 2>] {
^bb0(%acc: i32, %o0: f16, %o1: i8, %o2: f16, %o3: f32, %o4: vector<256xi8>):
  %f = arith.sitofp %acc : i32 to f32
  %r = arith.extf %o0 : f16 to f32
  %e = arith.extf %o2 : f16 to f32
  %g = math.fma %f, %r, %e : f32
  %c255 = arith.constant 255 : i32
  %i = arith.andi %acc, %c255 : i32
  %l = kernel.lookup %o4[%i] : vector<256xi8> -> i8
  %c = arith.addi %l, %o1 : i8
  %h = arith.mulf %g, %o3 : f32
  kernel.emit %h, %c : f32, i8
}

kernel.gemm @few_tokens n 128 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, group = 128, grouping = two_level, place = before_mma>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, m_hi = 8, tile_m = 16, tile_n = 128, stages = 3, token_rows = 8, pdl = true>] {
^bb0(%acc: i32, %o0: f32, %o1: f32, %o2: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %o0 : f32
  %h = math.fma %g, %o1, %o2 : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @f16_channel n 66 segments [#kernel.segment<lhs = f16, rhs = i4, k = 200, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 64, warps_n = 1, stages = 3>] {
^bb0(%acc: f32, %o0: f32):
  %h = arith.addf %acc, %o0 : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @f16_group32 n 128 segments [#kernel.segment<lhs = f16, rhs = i4, k = 192, group = 32, grouping = scale, scale = f16, place = before_mma>] operands [#kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 128, stages = 3>] {
^bb0(%acc: f32, %o0: f32):
  %h = arith.addf %acc, %o0 : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @f16_group128_zero n 140 segments [#kernel.segment<lhs = f16, rhs = i4, k = 640, group = 128, grouping = scale_zero_point, scale = f16, place = before_mma>] operands [#kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 24, tile_n = 128, stages = 4>] {
^bb0(%acc: f32, %o0: f32):
  %h = arith.addf %acc, %o0 : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @f16_group64_zero_two_blocks n 256 segments [#kernel.segment<lhs = f16, rhs = i4, k = 256, group = 64, grouping = scale_zero_point, scale = f16, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 256, warps_n = 2, stages = 3>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

kernel.gemm @f16_bytes n 68 segments [#kernel.segment<lhs = f16, rhs = i8, k = 136, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 64, warps_n = 1, stages = 3>] {
^bb0(%acc: f32, %o0: f32):
  %h = arith.addf %acc, %o0 : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

kernel.gemm @f16_bytes_group64 n 64 segments [#kernel.segment<lhs = f16, rhs = i8, k = 192, group = 64, grouping = scale_zero_point, scale = f16, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 64, warps_n = 1, stages = 3>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

kernel.gemm @bf16_channel n 66 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 200, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 64, warps_n = 1, stages = 3>] {
^bb0(%acc: f32, %o0: f32):
  %h = arith.addf %acc, %o0 : f32
  %t = arith.truncf %h : f32 to bf16
  kernel.emit %t : bf16
}

kernel.gemm @bf16_group32 n 128 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 192, group = 32, grouping = scale, scale = bf16, place = before_mma>] operands [#kernel.operand<column, f32>] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 128, stages = 3>] {
^bb0(%acc: f32, %o0: f32):
  %h = arith.addf %acc, %o0 : f32
  %t = arith.truncf %h : f32 to bf16
  kernel.emit %t : bf16
}

kernel.gemm @bf16_group128_zero n 140 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 640, group = 128, grouping = scale_zero_point, scale = bf16, place = before_mma>] operands [#kernel.operand<column, f32>] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 24, tile_n = 128, stages = 4>] {
^bb0(%acc: f32, %o0: f32):
  %h = arith.addf %acc, %o0 : f32
  %t = arith.truncf %h : f32 to bf16
  kernel.emit %t : bf16
}

kernel.gemm @bf16_group64_zero_two_blocks n 256 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 256, group = 64, grouping = scale_zero_point, scale = bf16, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 256, warps_n = 2, stages = 3>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

kernel.gemm @bf16_bytes n 68 segments [#kernel.segment<lhs = bf16, rhs = i8, k = 136, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 64, warps_n = 1, stages = 3>] {
^bb0(%acc: f32, %o0: f32):
  %h = arith.addf %acc, %o0 : f32
  %t = arith.truncf %h : f32 to bf16
  kernel.emit %t : bf16
}

kernel.gemm @odd n 67 segments [#kernel.segment<lhs = i8, rhs = i4, k = 256, group = 128, grouping = two_level, place = before_mma>] operands [#kernel.operand<element, f16>, #kernel.operand<column, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 128, stages = 3>] {
^bb0(%acc: i32, %e: f16, %c: f32):
  %f = arith.sitofp %acc : i32 to f32
  %x = arith.extf %e : f16 to f32
  %h = math.fma %f, %c, %x : f32
  %t = arith.truncf %h : f32 to f16
  %b = arith.trunci %acc : i32 to i8
  kernel.emit %t, %b : f16, i8
}

kernel.gemm @split_k n 200 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1280, group = 128, grouping = two_level, place = before_mma>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 32, tile_n = 128, warps_n = 2, stages = 3, pdl = true, cluster = 2, split_k = 2>] {
^bb0(%acc: i32, %r: f32, %c: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = math.fma %f, %r, %c : f32
  kernel.emit %g : f32
}

kernel.gemm @split_k_two_blocks n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1024, group = 256, grouping = two_level, place = before_mma>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 256, warps_n = 2, stages = 3, cluster = 2, split_k = 2>] {
^bb0(%acc: i32, %r: f32, %c: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = math.fma %f, %r, %c : f32
  kernel.emit %g : f32
}

kernel.gemm @split_k_half n 64 segments [#kernel.segment<lhs = f16, rhs = i4, k = 392, grouping = none, place = epilogue>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 64, tile_n = 64, warps_n = 1, stages = 3, cluster = 2, split_k = 2>] {
^bb0(%acc: f32, %r: f32, %c: f32):
  %f = arith.mulf %acc, %r : f32
  %g = math.fma %f, %r, %c : f32
  kernel.emit %g : f32
}

kernel.gemm @bf16_bytes_group64 n 64 segments [#kernel.segment<lhs = bf16, rhs = i8, k = 192, group = 64, grouping = scale_zero_point, scale = bf16, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_rs, tile_m = 16, tile_n = 64, warps_n = 1, stages = 3>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}
