// RUN: not emit-kernels %s 2>&1 | FileCheck %s

// What the template multistage refuses, one predicate each.

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected split_k = 1 and cluster = 1
kernel.gemm @split n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5, split_k = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected pdl = false: programmatic dependent launch needs sm_90a
kernel.gemm @dependent n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5, pdl = true>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected tile_m in multiples of 16 and tile_n in multiples of 32, found 24 x 128
kernel.gemm @tiles n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 24, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected at least 2 stages, found 1
kernel.gemm @stages n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected warp tiles in multiples of 16 x 32, found 64 x 128 over 3 x 4 warps
kernel.gemm @warps n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5, warps_m = 3, warps_n = 4>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected at most 1024 threads, found 2048
kernel.gemm @threads n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 128, tile_n = 256, stages = 2, warps_m = 8, warps_n = 8>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected operands i8 x i8, i8 x i4, i4 x i4, f16 or bf16 x the same, i8 or i4, found i4 x i8
kernel.gemm @types n 256 segments [#kernel.segment<lhs = i4, rhs = i8, k = 512, grouping = none, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected operands i8 x i4 for two_level groups, found i8 x i8
kernel.gemm @two_level n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, group = 128, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected integer weights for groups with scales, found f16
kernel.gemm @scaled_floats n 256 segments [#kernel.segment<lhs = f16, rhs = f16, k = 512, group = 128, grouping = scale, scale = f16, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected place partial_sums for groups with float scales under an integer left operand
kernel.gemm @place n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 512, group = 128, grouping = scale, scale = f16, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected scales of the left operand's type f16 for place before_mma, found f32
kernel.gemm @scales n 256 segments [#kernel.segment<lhs = f16, rhs = i4, k = 512, group = 128, grouping = scale, scale = f32, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected segments of one accumulator type, found exact integers beside floats (segment 1)
kernel.gemm @accumulator_types n 256 segments [#kernel.segment<lhs = f16, rhs = f16, k = 512, grouping = none, place = none>, #kernel.segment<lhs = i8, rhs = i8, k = 64, grouping = none, place = none>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected a tile_k of 32, 64 or 128 bytes of the left operand, found 96 elements of i8
kernel.gemm @tile_bytes n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, tile_k = 96, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected a tile_k that is a multiple of 32 for packed weights, found 16
kernel.gemm @tile_packed n 256 segments [#kernel.segment<lhs = f16, rhs = i4, k = 512, grouping = none, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, tile_k = 16, stages = 5>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected a group that is a multiple of 64, found 32
kernel.gemm @group_step n 256 segments [#kernel.segment<lhs = i4, rhs = i4, k = 512, group = 32, grouping = scale, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected tile_k to divide the group or the group to divide tile_k, found tile_k = 64 and group = 96
kernel.gemm @group_tile n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 960, group = 96, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, tile_k = 64, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected K to be a multiple of 16 bytes of the left operand (16 elements of i8), found 500
kernel.gemm @chunks n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 500, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected K (or the group of partial sums) <= 131071 for 4-bit weights summed as 16 x code in i32, found 131072
kernel.gemm @sums n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 131072, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected at most 207 accumulators a thread beside fragments and addresses, found 256
kernel.gemm @registers n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 128, tile_n = 256, stages = 3, warps_m = 2, warps_n = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected at most 101376 bytes of shared memory on sm_80, found 122880
kernel.gemm @shared n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, tile_k = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected results of 4, 8, 16 or 32 bits, found i64
kernel.gemm @wide n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i64]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  %x = arith.extsi %acc : i32 to i64
  kernel.emit %x : i64
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected an even N for results of 4 bits, found 255
kernel.gemm @odd n 255 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [] results [i4]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  %x = arith.trunci %acc : i32 to i4
  kernel.emit %x : i4
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected operands of 8 to 64 bits, found i4
kernel.gemm @operand n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 512, grouping = none, place = none>] operands [#kernel.operand<column, i4>] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32, %c: i4):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected warps_k to divide the 2 steps of a tile of K in pairs, found 2
kernel.gemm @depth n 256 segments [#kernel.segment<lhs = f16, rhs = i4, k = 512, grouping = none, place = before_mma>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 16, tile_n = 32, stages = 5, warps_m = 1, warps_n = 1, warps_k = 2>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected warps_k = 1 for place partial_sums and for several groups in a tile of K
kernel.gemm @depth_groups n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 512, group = 32, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 16, tile_n = 32, stages = 5, warps_m = 1, warps_n = 1, warps_k = 2>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// CHECK: 'kernel.gemm' op template multistage on sm_80: expected at most 65535 columns of tiles, found 65536
kernel.gemm @columns n 2097152 segments [#kernel.segment<lhs = i8, rhs = i8, k = 64, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 16, tile_n = 32, stages = 5, warps_m = 1, warps_n = 1>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}
