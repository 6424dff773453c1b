// RUN: quant-opt %s --schedule-kernels=targets=sm_80 | FileCheck %s
// RUN: quant-opt %s --schedule-kernels=targets=sm_90a | FileCheck %s --check-prefix=HOPPER
// RUN: emit-kernels %s --emit=report | FileCheck %s --check-prefix=REPORT

// 108 multiprocessors. The largest tile of which the result has about that many: 128 tiles of 32 columns for 16 rows, of 64 for
// 32 and 64 rows, 2 x 64 for 128 rows, 4 x 32 of 128 columns for 256 and 512, 8 x 16 of 256 from 1024 on.
// CHECK: kernel.gemm @square
// CHECK-SAME: m_hi = 16, tile_m = 16, tile_n = 32, tile_k = 128, stages = 8, warps_m = 1, warps_n = 1, warps_k = 4>,
// CHECK-SAME: m_lo = 17, m_hi = 32, tile_m = 16, tile_n = 64, tile_k = 128, stages = 6, warps_m = 1, warps_n = 2, warps_k = 2>,
// CHECK-SAME: m_lo = 33, m_hi = 64, tile_m = 32, tile_n = 64, tile_k = 128, stages = 5, warps_m = 1, warps_n = 2, warps_k = 2>,
// CHECK-SAME: m_lo = 65, m_hi = 128, tile_m = 64, tile_n = 64, tile_k = 64, stages = 5, warps_m = 2, warps_n = 2>,
// CHECK-SAME: m_lo = 129, m_hi = 256, tile_m = 64, tile_n = 128, tile_k = 64, stages = 5, warps_m = 2, warps_n = 4>,
// CHECK-SAME: m_lo = 257, m_hi = 512, tile_m = 128, tile_n = 128, tile_k = 64, stages = 4, warps_m = 2, warps_n = 4>,
// CHECK-SAME: m_lo = 513, tile_m = 128, tile_n = 256, tile_k = 64, stages = 3, warps_m = 2, warps_n = 4, raster = 8>]
kernel.gemm @square n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i8] {
^bb0(%acc: i32):
  %code = arith.trunci %acc : i32 to i8
  kernel.emit %code : i8
}

// A group of 96 fits tiles of 32; sums of groups need their own registers, so that 128 x 256 is out. On sm_90a no other
// template has zero points of 96 codes under integers: multistage serves every M there, too.
// CHECK: kernel.gemm @groups
// CHECK-SAME: m_hi = 16, tile_m = 16, tile_n = 64, tile_k = 32, stages = 6, warps_m = 1, warps_n = 2>,
// CHECK-SAME: m_lo = 129, tile_m = 128, tile_n = 128, tile_k = 32, stages = 4, warps_m = 2, warps_n = 4, raster = 8>]
// HOPPER: kernel.gemm @groups
// HOPPER-SAME: kind = multistage, m_hi = 16, tile_m = 16, tile_n = 64, tile_k = 32, stages = 6, warps_m = 1, warps_n = 2, pdl = true>,
// HOPPER-SAME: kind = multistage, m_lo = 129, tile_m = 128, tile_n = 128, tile_k = 32, stages = 4, warps_m = 2, warps_n = 4, raster = 8, pdl = true>]
kernel.gemm @groups n 8192 segments [#kernel.segment<lhs = i8, rhs = i4, k = 1920, group = 96, grouping = scale_zero_point, scale = f16, place = partial_sums>] operands [] results [f32] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// REPORT-NOT: warning
// REPORT-NOT: {{[1-9][0-9]*}} bytes spilled
// REPORT: square_0
// REPORT-NOT: {{[1-9][0-9]*}} bytes spilled
// REPORT: groups_0
// REPORT-NOT: {{[1-9][0-9]*}} bytes spilled
// REPORT-NOT: warning
