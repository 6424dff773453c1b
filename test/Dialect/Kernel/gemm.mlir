// kernel.gemm, kernel.rows and the device operations through the pretty form, the generic form and bytecode.
// RUN: quant-opt %s -o %t.pretty
// RUN: quant-opt %t.pretty | diff %t.pretty -
// RUN: quant-opt %s --mlir-print-op-generic | quant-opt | diff %t.pretty -
// RUN: quant-opt %s --emit-bytecode | quant-opt | diff %t.pretty -
// RUN: FileCheck %s < %t.pretty

// Every kind of operand, two segments, schedules with defaults left out.
// CHECK: kernel.gemm @two_segments n 96 segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, group = 64, grouping = two_level, place = before_mma>, #kernel.segment<lhs = i8, rhs = i8, k = 32, grouping = none, place = none>]
// CHECK-SAME: operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<element, f16>, #kernel.operand<scalar, f32>, #kernel.operand<table, i8>] results [i8]
// CHECK-SAME: schedules [#kernel.schedule<arch = "sm_90a", kind = multistage, m_hi = 16, tile_m = 16, tile_n = 64, tile_k = 64, stages = 4, warps_m = 1, warps_n = 2>, #kernel.schedule<arch = "sm_90a", kind = wgmma_ss, m_lo = 17, tile_m = 128, tile_n = 256, tile_k = 128, stages = 4, cluster = 2, split_k = 2, raster = 8, pdl = true>, #kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, stages = 4, warps_m = 2, warps_k = 4, in_flight = 2, chunk = 512, token_rows = 8>]
// CHECK-NEXT: ^bb0(%[[ACC:.*]]: i32, %{{.*}}: f32, %{{.*}}: f32, %{{.*}}: f16, %{{.*}}: f32, %[[TABLE:.*]]: vector<256xi8>):
// CHECK: kernel.lookup %[[TABLE]][%{{.*}}] : vector<256xi8> -> i8
// CHECK: kernel.emit %{{.*}} : i8
kernel.gemm @two_segments n 96
  segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, group = 64, grouping = two_level, place = before_mma>, #kernel.segment<lhs = i8, rhs = i8, k = 32, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<element, f16>, #kernel.operand<scalar, f32>, #kernel.operand<table, i8>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = multistage, m_hi = 16, tile_m = 16, tile_n = 64, tile_k = 64, stages = 4, warps_m = 1, warps_n = 2>,
             #kernel.schedule<arch = "sm_90a", kind = wgmma_ss, m_lo = 17, tile_m = 128, tile_n = 256, tile_k = 128, stages = 4, cluster = 2, split_k = 2, raster = 8, pdl = true>,
             #kernel.schedule<arch = "sm_80", kind = decode, m_hi = 16, tile_m = 16, stages = 4, warps_m = 2, warps_k = 4, in_flight = 2, chunk = 512, token_rows = 8>] {
^bb0(%acc: i32, %row: f32, %column: f32, %element: f16, %scalar: f32, %table: vector<256xi8>):
  %f = arith.sitofp %acc : i32 to f32
  %a = arith.mulf %f, %row : f32
  %e = arith.extf %element : f16 to f32
  %b = math.fma %a, %column, %e : f32
  %c = arith.divf %b, %scalar : f32
  %r = math.roundeven %c : f32
  %m = math.floor %r : f32
  %s = math.sqrt %m : f32
  %n = math.absf %s : f32
  %p = math.copysign %n, %r : f32
  %i = arith.fptosi %p : f32 to i32
  %lo = arith.constant 0 : i32
  %hi = arith.constant 255 : i32
  %j = arith.maxsi %i, %lo : i32
  %k = arith.minsi %j, %hi : i32
  %g = kernel.lookup %table[%k] : vector<256xi8> -> i8
  kernel.emit %g : i8
}

// Float scales: the accumulator is f32. Each grouping and place.
// CHECK: kernel.gemm @floats
// CHECK-SAME: grouping = scale, scale = f16, place = partial_sums
// CHECK-SAME: grouping = scale_zero_point, scale = bf16, place = before_mma
// CHECK-SAME: lhs = f16, rhs = i4, k = 64, grouping = none, place = epilogue
// CHECK-NEXT: ^bb0(%{{.*}}: f32):
kernel.gemm @floats n 1
  segments [#kernel.segment<lhs = i8, rhs = i4, k = 128, group = 128, grouping = scale, scale = f16, place = partial_sums>,
            #kernel.segment<lhs = bf16, rhs = i4, k = 64, group = 32, grouping = scale_zero_point, scale = bf16, place = before_mma>,
            #kernel.segment<lhs = f16, rhs = i4, k = 64, grouping = none, place = epilogue>]
  operands [] results [f32, f32] {
^bb0(%acc: f32):
  kernel.emit %acc, %acc : f32, f32
}

// CHECK: kernel.rows @add n 7 operands [#kernel.operand<element, f32>, #kernel.operand<element, f32>] results [f32] {
kernel.rows @add n 7 operands [#kernel.operand<element, f32>, #kernel.operand<element, f32>] results [f32] {
^bb0(%x: f32, %y: f32):
  %s = arith.addf %x, %y : f32
  kernel.emit %s : f32
}
// CHECK: kernel.rows @per_token n 64 operands [#kernel.operand<element, f32>] results [i8] quantize schedules [#kernel.schedule<arch = "sm_80", kind = rows>]
kernel.rows @per_token n 64 operands [#kernel.operand<element, f32>] results [i8] quantize schedules [#kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%x: f32):
  kernel.emit %x : f32
}

// CHECK-LABEL: llvm.func @device
llvm.func @device(%global: !llvm.ptr<1>, %word: i32, %float: f32, %descriptor: i64, %flag: i1) {
  // CHECK: kernel.lop3 %{{.*}}, %{{.*}}, %{{.*}} {table = 234 : i32} : (i32, i32, i32) -> i32
  %0 = kernel.lop3 %word, %word, %word {table = 234 : i32} : (i32, i32, i32) -> i32
  // CHECK: kernel.pack_s8 %{{.*}} : (i32, i32, i32) -> i32
  %1 = kernel.pack_s8 %word, %word, %0 : (i32, i32, i32) -> i32
  // CHECK: kernel.pack_half %{{.*}} {type = bf16} : (f32, f32) -> i32
  %2 = kernel.pack_half %float, %float {type = bf16} : (f32, f32) -> i32
  // CHECK: kernel.round_to_int %{{.*}} : (f32) -> i32
  %3 = kernel.round_to_int %float : (f32) -> i32
  // CHECK: kernel.packed_math %{{.*}} {function = #kernel.half_math<fma>, type = f16} : (i32, i32, i32) -> i32
  %4 = kernel.packed_math %1, %2, %3 {function = #kernel.half_math<fma>, type = f16} : (i32, i32, i32) -> i32
  // CHECK: kernel.pin %{{.*}} : (i32, f32) -> (i32, f32)
  %5:2 = kernel.pin %4, %float : (i32, f32) -> (i32, f32)
  // CHECK: kernel.wgmma_rs %{{.*}} {n = 8 : i64, type = i8, zero}
  %6:4 = kernel.wgmma_rs %word, %word, %word, %word, %descriptor, %word, %word, %word, %word {n = 8 : i64, type = i8, zero} : (i32, i32, i32, i32, i64, i32, i32, i32, i32) -> (i32, i32, i32, i32)
  // CHECK: kernel.load_stream %{{.*}} {offset = 16 : i64} : (!llvm.ptr<1>) -> (i32, i32, i32, i32)
  %7:4 = kernel.load_stream %global {offset = 16 : i64} : (!llvm.ptr<1>) -> (i32, i32, i32, i32)
  // CHECK: kernel.store_if %{{.*}} {offset = 0 : i64} : (i1, !llvm.ptr<1>, i32, i32) -> ()
  kernel.store_if %flag, %global, %7#0, %6#1 {offset = 0 : i64} : (i1, !llvm.ptr<1>, i32, i32) -> ()
  // CHECK: kernel.map_shared %{{.*}} : (i32, i32) -> i32
  %8 = kernel.map_shared %word, %word : (i32, i32) -> i32
  // CHECK: kernel.store_async %{{.*}} : (i32, i32, i32, i32, i32, i32) -> ()
  kernel.store_async %8, %word, %word, %word, %word, %8 : (i32, i32, i32, i32, i32, i32) -> ()
  // CHECK: kernel.arrive_remote %{{.*}} : (i32, i32) -> ()
  kernel.arrive_remote %8, %word : (i32, i32) -> ()
  // CHECK: kernel.prefetch_l2 %{{.*}} : (!llvm.ptr<1>, i32) -> ()
  kernel.prefetch_l2 %global, %word : (!llvm.ptr<1>, i32) -> ()
  llvm.return
}
