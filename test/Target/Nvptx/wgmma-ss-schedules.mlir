// RUN: quant-opt %s --schedule-kernels=targets=sm_90a | FileCheck %s

// 132 multiprocessors. Up to 64 rows N = 4096 by 32 columns would be one wave; tiles that narrow share K between two CTAs
// instead. Above, whole waves: 2 x 64 tiles of 64 columns for 256 rows, 4 x 32 of 128 for 512, 8 x 16 of 256 for 1024; of
// more rows 256 columns cost least, so that the ranges are one kernel. Programmatic dependent launch ends at 512 rows.
// CHECK: kernel.gemm @square
// CHECK-SAME: kind = wgmma_ss, m_hi = 16, tile_m = 64, tile_n = 64, stages = 6, warps_m = 1, split_k = 2, token_rows = 16, pdl = true>,
// CHECK-SAME: kind = wgmma_ss, m_lo = 17, m_hi = 32, tile_m = 64, tile_n = 64, stages = 6, warps_m = 1, split_k = 2, token_rows = 32, pdl = true>,
// CHECK-SAME: kind = wgmma_ss, m_lo = 33, m_hi = 64, tile_m = 64, tile_n = 64, stages = 6, warps_m = 1, split_k = 2, pdl = true>,
// CHECK-SAME: kind = wgmma_ss, m_lo = 65, m_hi = 128, tile_m = 128, tile_n = 64, stages = 6, warps_m = 2, split_k = 2, pdl = true>,
// CHECK-SAME: kind = wgmma_ss, m_lo = 129, m_hi = 256, tile_m = 128, tile_n = 64, stages = 6, warps_m = 2, pdl = true>,
// CHECK-SAME: kind = wgmma_ss, m_lo = 257, m_hi = 512, tile_m = 128, tile_n = 128, stages = 6, warps_m = 2, pdl = true>,
// CHECK-SAME: kind = wgmma_ss, m_lo = 513, tile_m = 128, tile_n = 256, stages = 4, warps_m = 2>]
kernel.gemm @square n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i8] {
^bb0(%acc: i32):
  %code = arith.trunci %acc : i32 to i8
  kernel.emit %code : i8
}

// 128 tiles of 48 columns, then of 96 for two rows of tiles; 192 columns make 128 tiles for 512 rows and 256 for 1024.
// CHECK: kernel.gemm @wide
// CHECK-SAME: m_hi = 16, tile_m = 64, tile_n = 48,
// CHECK-SAME: m_lo = 65, m_hi = 128, tile_m = 128, tile_n = 48,
// CHECK-SAME: m_lo = 129, m_hi = 256, tile_m = 128, tile_n = 96,
// CHECK-SAME: m_lo = 257, m_hi = 512, tile_m = 128, tile_n = 192, stages = 5, warps_m = 2, pdl = true>,
// CHECK-SAME: m_lo = 513, m_hi = 1024, tile_m = 128, tile_n = 192, stages = 5, warps_m = 2>,
// CHECK-SAME: m_lo = 1025, tile_m = 128, tile_n = 256,
kernel.gemm @wide n 6144 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [] results [i8] {
^bb0(%acc: i32):
  %code = arith.trunci %acc : i32 to i8
  kernel.emit %code : i8
}

// One step along K cannot be shared: half the width, alone.
// CHECK: kernel.gemm @short
// CHECK-SAME: m_hi = 16, tile_m = 64, tile_n = 32, stages = 8, warps_m = 1, token_rows = 16, pdl = true>
kernel.gemm @short n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 128, grouping = none, place = none>] operands [] results [i8] {
^bb0(%acc: i32):
  %code = arith.trunci %acc : i32 to i8
  kernel.emit %code : i8
}
