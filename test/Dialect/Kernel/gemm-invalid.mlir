// Every message of the verifiers of kernel.gemm, kernel.rows and #kernel.segment (C1..C4).
// RUN: quant-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{expected a positive k, found 0}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i8, k = 0, grouping = none, place = none>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C1: expected a group that is a multiple of 32 and divides k = 96 (0 without grouping), found 64}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i4, k = 96, group = 64, grouping = two_level, place = before_mma>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C1: expected a group that is a multiple of 32 and divides k = 96 (0 without grouping), found 48}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i4, k = 96, group = 48, grouping = two_level, place = before_mma>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C1: expected a group that is a multiple of 32 and divides k = 64 (0 without grouping), found 32}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i4, k = 64, group = 32, grouping = none, place = epilogue>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{expected a type of scales exactly where groups have scales}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i4, k = 64, group = 32, grouping = scale, place = partial_sums>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{expected a type of scales exactly where groups have scales}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i4, k = 64, group = 32, grouping = two_level, scale = f16, place = before_mma>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C2: expected place before_mma, partial_sums or epilogue for operands of different types 'i8' and 'i4'}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i4, k = 64, grouping = none, place = none>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C2: expected groups with scales for place partial_sums}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i4, k = 64, group = 32, grouping = two_level, place = partial_sums>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{expected an integer left operand for two_level groups, found 'f16'}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = f16, rhs = i4, k = 64, group = 32, grouping = two_level, place = before_mma>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{expected at least one segment and a positive n}}
kernel.gemm @g n 8 segments [] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C1: expected an accumulator of type 'i32', found 'f32'}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i8, k = 64, grouping = none, place = none>] operands [] results [f32] {
^bb0(%acc: f32):
  kernel.emit %acc : f32
}

// -----

// expected-error@+1 {{C1: expected an accumulator of type 'f32', found 'i32'}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = f16, rhs = i8, k = 64, grouping = none, place = epilogue>] operands [] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C2: expected 2 block arguments (the accumulator and one for each operand), found 1}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i8, k = 64, grouping = none, place = none>] operands [#kernel.operand<row, f32>] results [i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C2: expected a block argument of type 'f32' for operand 0, found 'i32'}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i8, k = 64, grouping = none, place = none>] operands [#kernel.operand<row, f32>] results [i32] {
^bb0(%acc: i32, %x: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C2: expected a block argument of type 'vector<256xi8>' for operand 0, found 'i8'}}
kernel.rows @r n 8 operands [#kernel.operand<table, i8>] results [i8] {
^bb0(%x: i8):
  kernel.emit %x : i8
}

// -----

// expected-error@+1 {{C2: expected 1 block arguments (one for each operand), found 0}}
kernel.rows @r n 8 operands [#kernel.operand<scalar, i8>] results [i8] {
  %x = arith.constant 0 : i8
  kernel.emit %x : i8
}

// -----

// expected-error@+1 {{expected a region that ends in kernel.emit}}
kernel.rows @r n 8 operands [#kernel.operand<scalar, i8>] results [i8] {
^bb0(%x: i8):
  llvm.unreachable
}

// -----

// expected-error@+1 {{expected a region of arith, math.fma, math.roundeven, math.sqrt, math.absf, math.floor, math.copysign and kernel.lookup, found 'math.exp'}}
kernel.rows @r n 8 operands [#kernel.operand<element, f32>] results [f32] {
^bb0(%x: f32):
  %y = math.exp %x : f32
  kernel.emit %y : f32
}

// -----

// expected-error@+1 {{C3: expected kernel.emit of the types of `results` [i8], found 'f32'}}
kernel.rows @r n 8 operands [#kernel.operand<element, f32>] results [i8] {
^bb0(%x: f32):
  kernel.emit %x : f32
}

// -----

// expected-error@+1 {{C3: expected kernel.emit of the types of `results` [i32, i32], found 'i32'}}
kernel.gemm @g n 8 segments [#kernel.segment<lhs = i8, rhs = i8, k = 64, grouping = none, place = none>] operands [] results [i32, i32] {
^bb0(%acc: i32):
  kernel.emit %acc : i32
}

// -----

// expected-error@+1 {{C3: expected kernel.emit of one f32 and one result type (the codes') with quantize}}
kernel.rows @r n 8 operands [#kernel.operand<element, f16>] results [i8] quantize {
^bb0(%x: f16):
  kernel.emit %x : f16
}

// -----

// expected-error@+1 {{expected a positive n, found 0}}
kernel.rows @r n 0 operands [#kernel.operand<element, f32>] results [f32] {
^bb0(%x: f32):
  kernel.emit %x : f32
}

// -----

// expected-error@+1 {{C4: expected 1 <= m_lo <= m_hi (or m_hi = 0), found 9..8}}
kernel.rows @r n 8 operands [#kernel.operand<element, f32>] results [f32] schedules [#kernel.schedule<arch = "sm_80", kind = rows, m_lo = 9, m_hi = 8>] {
^bb0(%x: f32):
  kernel.emit %x : f32
}

// -----

// expected-error@+1 {{C4: expected schedules of one architecture for separate ranges of M}}
kernel.rows @r n 8 operands [#kernel.operand<element, f32>] results [f32] schedules [#kernel.schedule<arch = "sm_80", kind = rows, m_hi = 8>, #kernel.schedule<arch = "sm_90a", kind = rows>, #kernel.schedule<arch = "sm_80", kind = rows, m_lo = 8>] {
^bb0(%x: f32):
  kernel.emit %x : f32
}

// -----

// The same schedule twice covers every M twice.
// expected-error@+1 {{C4: expected schedules of one architecture for separate ranges of M}}
kernel.rows @r n 8 operands [#kernel.operand<element, f32>] results [f32] schedules [#kernel.schedule<arch = "sm_80", kind = rows>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%x: f32):
  kernel.emit %x : f32
}
