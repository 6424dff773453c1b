// Kernels of wgmma_ss equal the reference in the emulator: ends of M, N and K, regions of every kind, both shapes of the ring.
// Integers are equal exactly; sums of floats within their bound (EmulatorTrial).
// RUN: emit-kernels %s --emulate -m 1,17,129 > %t
// RUN: FileCheck %s < %t
// CHECK-COUNT-55: equal
// CHECK-NOT: schedule

// scaled to f16
kernel.gemm @a n 512 segments [#kernel.segment<lhs = i8, rhs = i8, k = 1040, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 256, stages = 3>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

// scaled to s8
kernel.gemm @b n 512 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 128, stages = 4>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %r = math.roundeven %h : f32
  %i = arith.fptosi %r : f32 to i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %a = arith.maxsi %i, %lo : i32
  %c = arith.minsi %a, %hi : i32
  %t = arith.trunci %c : i32 to i8
  kernel.emit %t : i8
}

// sums
kernel.gemm @c n 256 segments [#kernel.segment<lhs = i8, rhs = i8, k = 528, grouping = none, place = none>]
  operands [] results [i32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 128, stages = 3>] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// split K
kernel.gemm @d n 128 segments [#kernel.segment<lhs = i8, rhs = i8, k = 1040, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 64, stages = 4, split_k = 2>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

// split K and few tokens
kernel.gemm @e n 128 segments [#kernel.segment<lhs = i8, rhs = i8, k = 528, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 64, stages = 4, split_k = 2, pdl = true, token_rows = 16, m_hi = 16>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %r = math.roundeven %h : f32
  %i = arith.fptosi %r : f32 to i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %a = arith.maxsi %i, %lo : i32
  %c = arith.minsi %a, %hi : i32
  %t = arith.trunci %c : i32 to i8
  kernel.emit %t : i8
}

// rows of 4 bytes
kernel.gemm @f n 250 segments [#kernel.segment<lhs = i8, rhs = i8, k = 144, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 128, stages = 3, pdl = true>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

// rows of 2 bytes, odd
kernel.gemm @g n 251 segments [#kernel.segment<lhs = i8, rhs = i8, k = 144, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 128, stages = 3>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

// rows of 4 bytes of s8
kernel.gemm @h n 252 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 128, stages = 3>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %r = math.roundeven %h : f32
  %i = arith.fptosi %r : f32 to i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %a = arith.maxsi %i, %lo : i32
  %c = arith.minsi %a, %hi : i32
  %t = arith.trunci %c : i32 to i8
  kernel.emit %t : i8
}

// dyadic, shifts a column
kernel.gemm @i n 192 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<column, i32>, #kernel.operand<column, i32>, #kernel.operand<column, i32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 192, stages = 3>] {
^bb0(%acc: i32, %b: i32, %mul: i32, %sh: i32):
  %x = arith.addi %acc, %b : i32
  %x64 = arith.extsi %x : i32 to i64
  %m64 = arith.extsi %mul : i32 to i64
  %s64 = arith.extui %sh : i32 to i64
  %one = arith.constant 1 : i64
  %p = arith.muli %x64, %m64 : i64
  %s1 = arith.subi %s64, %one : i64
  %half = arith.shli %one, %s1 : i64
  %q = arith.addi %p, %half : i64
  %r = arith.shrsi %q, %s64 : i64
  %lo = arith.constant -128 : i64
  %hi = arith.constant 127 : i64
  %a = arith.maxsi %r, %lo : i64
  %c = arith.minsi %a, %hi : i64
  %t = arith.trunci %c : i64 to i8
  kernel.emit %t : i8
}

// dyadic
kernel.gemm @j n 192 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<column, i32>, #kernel.operand<scalar, i32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 96, stages = 3, pdl = true>] {
^bb0(%acc: i32, %b: i32, %mul: i32):
  %x = arith.addi %acc, %b : i32
  %x64 = arith.extsi %x : i32 to i64
  %m64 = arith.extsi %mul : i32 to i64
  %s64 = arith.constant 38 : i64
  %half = arith.constant 137438953472 : i64
  %p = arith.muli %x64, %m64 : i64
  %q = arith.addi %p, %half : i64
  %r64 = arith.shrsi %q, %s64 : i64
  %r = arith.trunci %r64 : i64 to i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %a = arith.maxsi %r, %lo : i32
  %c = arith.minsi %a, %hi : i32
  %t = arith.trunci %c : i32 to i8
  kernel.emit %t : i8
}

// a table
kernel.gemm @k n 128 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<column, i32>, #kernel.operand<scalar, i32>, #kernel.operand<table, i8>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 64, stages = 3>] {
^bb0(%acc: i32, %b: i32, %mul: i32, %tab: vector<256xi8>):
  %x = arith.addi %acc, %b : i32
  %x64 = arith.extsi %x : i32 to i64
  %m64 = arith.extsi %mul : i32 to i64
  %s64 = arith.constant 38 : i64
  %half = arith.constant 137438953472 : i64
  %p = arith.muli %x64, %m64 : i64
  %q = arith.addi %p, %half : i64
  %r64 = arith.shrsi %q, %s64 : i64
  %r = arith.trunci %r64 : i64 to i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %a = arith.maxsi %r, %lo : i32
  %c = arith.minsi %a, %hi : i32
  %o = arith.constant 128 : i32
  %ix = arith.addi %c, %o : i32
  %t = kernel.lookup %tab[%ix] : vector<256xi8> -> i8
  kernel.emit %t : i8
}

// residual
kernel.gemm @l n 200 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>, #kernel.operand<element, f16>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 64, stages = 3>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32, %e: f16):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = math.fma %g, %cs, %b : f32
  %x = arith.extf %e : f16 to f32
  %y = arith.addf %h, %x : f32
  %t = arith.truncf %y : f32 to f16
  kernel.emit %t : f16
}

// residual of s8
kernel.gemm @m n 208 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<column, i32>, #kernel.operand<scalar, f32>, #kernel.operand<element, i8>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 64, stages = 3>] {
^bb0(%acc: i32, %b: i32, %s: f32, %e: i8):
  %x = arith.addi %acc, %b : i32
  %f = arith.sitofp %x : i32 to f32
  %ei = arith.extsi %e : i8 to i32
  %ef = arith.sitofp %ei : i32 to f32
  %h = math.fma %f, %s, %ef : f32
  %r = math.roundeven %h : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %a = arith.maximumf %r, %lo : f32
  %c = arith.minimumf %a, %hi : f32
  %t = arith.fptosi %c : f32 to i8
  kernel.emit %t : i8
}

// two results
kernel.gemm @n n 128 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 64, stages = 3>] {
^bb0(%acc: i32, %rs: f32, %cs: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %h = arith.mulf %g, %cs : f32
  %t = arith.truncf %h : f32 to f16
  %r = math.roundeven %h : f32
  %i = arith.fptosi %r : f32 to i32
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %a = arith.maxsi %i, %lo : i32
  %c = arith.minsi %a, %hi : i32
  %u = arith.trunci %c : i32 to i8
  kernel.emit %t, %u : f16, i8
}

// quantized by a constant
kernel.gemm @o n 128 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [#kernel.operand<row, f32>, #kernel.operand<column, f32>, #kernel.operand<column, f32>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 64, stages = 3>] {
^bb0(%acc: i32, %rs: f32, %cs: f32, %b: f32):
  %f = arith.sitofp %acc : i32 to f32
  %g = arith.mulf %f, %rs : f32
  %g2 = arith.mulf %g, %cs : f32
  %h = arith.addf %g2, %b : f32
  %s = arith.constant 0.037 : f32
  %d = arith.divf %h, %s : f32
  %r = math.roundeven %d : f32
  %nan = arith.cmpf uno, %r, %r : f32
  %zero = arith.constant 0.0 : f32
  %v = arith.select %nan, %zero, %r : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %c1 = arith.cmpf ogt, %lo, %v : f32
  %m = arith.select %c1, %lo, %v : f32
  %c2 = arith.cmpf olt, %hi, %m : f32
  %c = arith.select %c2, %hi, %m : f32
  %i = arith.fptosi %c : f32 to i32
  %t = arith.trunci %i : i32 to i8
  kernel.emit %t : i8
}

// f16
kernel.gemm @p n 128 segments [#kernel.segment<lhs = f16, rhs = f16, k = 264, grouping = none, place = none>]
  operands [#kernel.operand<column, f32>] results [f16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 64, stages = 3>] {
^bb0(%acc: f32, %b: f32):
  %h = arith.addf %acc, %b : f32
  %t = arith.truncf %h : f32 to f16
  kernel.emit %t : f16
}

// bf16, split K: sums of f32
kernel.gemm @q n 128 segments [#kernel.segment<lhs = bf16, rhs = bf16, k = 264, grouping = none, place = none>]
  operands [#kernel.operand<column, f32>] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 64, tile_n = 64, stages = 3, split_k = 2>] {
^bb0(%acc: f32, %b: f32):
  %h = arith.addf %acc, %b : f32
  %t = arith.truncf %h : f32 to bf16
  kernel.emit %t : bf16
}

// two blocks of 64 rows each
kernel.gemm @r n 100 segments [#kernel.segment<lhs = f16, rhs = f16, k = 264, grouping = none, place = none>]
  operands [] results [f32]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 256, tile_n = 64, stages = 3>] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// rows of 1 byte
kernel.gemm @s n 99 segments [#kernel.segment<lhs = i8, rhs = i8, k = 272, grouping = none, place = none>]
  operands [] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = wgmma_ss, tile_m = 128, tile_n = 64, stages = 3>] {
^bb0(%acc: i32):
  %lo = arith.constant -128 : i32
  %hi = arith.constant 127 : i32
  %a = arith.maxsi %acc, %lo : i32
  %c = arith.minsi %a, %hi : i32
  %t = arith.trunci %c : i32 to i8
  kernel.emit %t : i8
}

