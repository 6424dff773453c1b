// RUN: emit-kernels %s --emit=nvvm | FileCheck %s
// RUN: emit-kernels %s --emit=report | FileCheck %s --check-prefix=REPORT
// RUN: emit-kernels %s --emit=ptx | FileCheck %s --check-prefix=PTX

// The template multistage: a ring of cp.async tiles, ldmatrix, mma.sync, and an epilogue whose lanes hold eight consecutive
// columns. No schedule here may spill.

// REPORT-NOT: warning
// REPORT: s8_0 {{.*}} 0 bytes spilled, 65536 bytes shared, 256 threads
// REPORT: s8_1 {{.*}} 0 bytes spilled, 73728 bytes shared, 256 threads
// REPORT: s8_2 {{.*}} 0 bytes spilled, 61440 bytes shared, 256 threads
// REPORT: s8_3 {{.*}} 0 bytes spilled, 65536 bytes shared, 256 threads
// REPORT: tails_0 {{.*}} 0 bytes spilled
// REPORT: two_level_0 {{.*}} 0 bytes spilled
// REPORT: codes_0 {{.*}} 0 bytes spilled
// REPORT: groups_0 {{.*}} 0 bytes spilled
// REPORT: half_0 {{.*}} 0 bytes spilled
// REPORT: bfloat_0 {{.*}} 0 bytes spilled
// REPORT: bytes_0 {{.*}} {{[0-9][0-9]}} registers, 0 bytes spilled
// REPORT: nibbles_0 {{.*}} 0 bytes spilled
// REPORT: nibbles_1 {{.*}} 0 bytes spilled
// REPORT: outliers_0 {{.*}} 0 bytes spilled
// REPORT-NOT: warning

// Three tiles are on their way before the loop, of which iteration i waits for the first, passes the barrier, starts
// tile i + 3 and multiplies: 64 bytes of K are 2 steps of 4 + 2 ldmatrix and 16 mma.
// CHECK-LABEL: llvm.func @s8_0(
// CHECK-COUNT-3: nvvm.cp.async.commit.group
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 2
// CHECK-NEXT: nvvm.barrier
// CHECK: scf.if
// CHECK-COUNT-4: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK-COUNT-6: nvvm.ldmatrix
// CHECK-COUNT-16: nvvm.mma.sync {{.*}}intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 32>
// CHECK-COUNT-6: nvvm.ldmatrix
// CHECK-COUNT-16: nvvm.mma.sync
// CHECK-NOT: nvvm.mma.sync
// CHECK: scf.yield
// The epilogue: eight column scales in two loads, f16 results as 16 bytes.
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: kernel.pack_half
// CHECK: kernel.store_if {{.*}} : (i1, !llvm.ptr<1>, i32, i32, i32, i32) -> ()
// CHECK: llvm.return
kernel.gemm @s8 n 4096 segments [#kernel.segment<lhs = i8, rhs = i8, k = 4096, grouping = none, place = none>] operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, m_hi = 512, tile_m = 128, tile_n = 128, stages = 4>,
             #kernel.schedule<arch = "sm_80", kind = multistage, m_lo = 513, tile_m = 128, tile_n = 256, stages = 3, raster = 8>,
             #kernel.schedule<arch = "sm_90a", kind = multistage, m_hi = 64, tile_m = 64, tile_n = 128, stages = 5, pdl = true>,
             #kernel.schedule<arch = "sm_90a", kind = multistage, m_lo = 65, tile_m = 128, tile_n = 128, stages = 4>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

// Fewer tiles of K than stages, a tail along K (the second tile has 32 of 64 bytes), and N = 54, not a multiple of four: bytes
// in pairs, blocks of columns clamped to the last.
// CHECK-LABEL: llvm.func @tails_0(
// CHECK: arith.minui
// CHECK: arith.cmpi ult
// CHECK-COUNT-4: nvvm.cp.async.commit.group
// CHECK: scf.for
// CHECK: llvm.load {{.*}} {alignment = 8 : i64} : !llvm.ptr<1> -> vector<2xf32>
// CHECK: llvm.store {{.*}} {alignment = 2 : i64} : i16, !llvm.ptr<1>
kernel.gemm @tails n 54 segments [#kernel.segment<lhs = i8, rhs = i8, k = 96, grouping = none, place = none>] operands [#kernel.operand<column, f32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 32, tile_n = 64, stages = 5>] {
^bb0(%acc: i32, %cs: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %cs : f32
  %r = math.roundeven %g : f32
  %i = arith.fptosi %r : f32 to i32
  %low = arith.constant -128 : i32
  %high = arith.constant 127 : i32
  %a = arith.maxsi %i, %low : i32
  %c = arith.minsi %a, %high : i32
  %t = arith.trunci %c : i32 to i8
  kernel.emit %t : i8
}

// Two-level groups before the mma: code * S + (128 + m), then the sign bit back (INTEGER R16).
// CHECK-LABEL: llvm.func @two_level_0(
// CHECK: scf.for
// CHECK: nvvm.prmt
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK: arith.muli
// CHECK-NEXT: arith.addi
// CHECK: arith.xori
// CHECK: nvvm.mma.sync
// CHECK: llvm.return
kernel.gemm @two_level n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 512, group = 128, grouping = two_level, place = before_mma>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// 16 x code; the epilogue gets the exact sum.
// CHECK-LABEL: llvm.func @codes_0(
// CHECK: arith.shli
// CHECK-NOT: arith.muli {{.*}} vector
// CHECK: nvvm.mma.sync
// CHECK: arith.shrsi
// CHECK: kernel.store_if
kernel.gemm @codes n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 512, grouping = none, place = epilogue>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// Float groups on partial sums, two tiles a group: sums start at 1.5 * 2^23; the zero point meets the row's sum, made by
// one more mma with weights of one.
// CHECK-LABEL: llvm.func @groups_0(
// CHECK: %[[START:.*]] = arith.constant 1262485504 : i32
// CHECK: scf.for
// CHECK: scf.for {{.*}} = %[[START]],
// CHECK: %[[ONES:.*]] = arith.constant 16843009 : i32
// CHECK-NEXT: nvvm.mma.sync {{.*}} B[%[[ONES]], %[[ONES]]]
// CHECK: llvm.intr.fma
// CHECK: llvm.return
kernel.gemm @groups n 256 segments [#kernel.segment<lhs = i8, rhs = i4, k = 512, group = 128, grouping = scale_zero_point, scale = f16, place = partial_sums>] operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// CHECK-LABEL: llvm.func @half_0(
// CHECK: kernel.lop3 {{.*}} {table = 234 : i32}
// CHECK: kernel.packed_math {{.*}} {function = #kernel.half_math<fma>, type = f16}
// CHECK: shape = #nvvm.shape<m = 16, n = 8, k = 16>
kernel.gemm @half n 256 segments [#kernel.segment<lhs = f16, rhs = i4, k = 512, group = 128, grouping = scale_zero_point, scale = f16, place = before_mma>] operands [] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32):
  %t = arith.truncf %acc : f32 to f16
  kernel.emit %t : f16
}

// bf16 has only fma on sm_80.
// CHECK-LABEL: llvm.func @bfloat_0(
// CHECK-NOT: function = #kernel.half_math<{{add|sub|mul}}>, type = bf16
// CHECK: nvvm.mma.sync
// CHECK: llvm.return
kernel.gemm @bfloat n 256 segments [#kernel.segment<lhs = bf16, rhs = i4, k = 512, group = 64, grouping = scale_zero_point, scale = bf16, place = before_mma>] operands [] results [bf16]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32):
  %t = arith.truncf %acc : f32 to bf16
  kernel.emit %t : bf16
}

// ptxas is asked not to unroll its sixteen tiles of K: it would take 254 registers.
// PTX: .entry bytes_0(
// PTX: .pragma "nounroll";
// PTX: .entry
// CHECK-LABEL: llvm.func @bytes_0(
// CHECK: nvvm.prmt
// CHECK: nvvm.mma.sync
kernel.gemm @bytes n 256 segments [#kernel.segment<lhs = f16, rhs = i8, k = 512, grouping = none, place = epilogue>] operands [#kernel.operand<column, f32>, #kernel.operand<element, f16>] results [f16]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: f32, %cs: f32, %e: f16):
  %x = arith.extf %e : f16 to f32
  %y = math.fma %acc, %cs, %x : f32
  %t = arith.truncf %y : f32 to f16
  kernel.emit %t : f16
}

// Native on sm_80, unpacked to s8 on sm_90a.
// CHECK-LABEL: llvm.func @nibbles_0(
// CHECK: nvvm.mma.sync {{.*}}#nvvm.mma_type<s4>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 64>
// CHECK-LABEL: llvm.func @nibbles_1(
// CHECK-NOT: #nvvm.mma_type<s4>
// CHECK: nvvm.mma.sync {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 32>
// CHECK: arith.shrsi
kernel.gemm @nibbles n 256 segments [#kernel.segment<lhs = i4, rhs = i4, k = 512, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>,
             #kernel.schedule<arch = "sm_90a", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// Outlier columns in a second segment: one loop each, one set of accumulators.
// CHECK-LABEL: llvm.func @outliers_0(
// CHECK: scf.for
// CHECK: #nvvm.mma_type<s4>
// CHECK: nvvm.barrier
// CHECK: scf.for
// CHECK: #nvvm.mma_type<s8>
kernel.gemm @outliers n 256 segments [#kernel.segment<lhs = i4, rhs = i4, k = 448, grouping = none, place = none>, #kernel.segment<lhs = i8, rhs = i8, k = 64, grouping = none, place = none>] operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_80", kind = multistage, tile_m = 64, tile_n = 128, stages = 5>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}
