// RUN: emit-kernels --emulate %s --m 1,5,9 | FileCheck %s
// RUN: emit-kernels --emulate %s --m 2,3 --seed 5 | FileCheck %s

// Elementwise and per-token kernels lane by lane against the reference, bit for bit: rows of whole vectors, of odd length,
// of less than a vector; several rounds a thread, the last not full; rows that are computed twice.

// CHECK-NOT: {{expected|wrong|error|not covered}}
// CHECK: "last" {{.*}}: equal
// CHECK-NOT: {{expected|wrong|error|not covered}}

kernel.rows @quantize_f32_1 n 1 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  %z = arith.constant 0.0 : f32
  %x = arith.subf %o0, %z : f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f32_3 n 3 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  %z = arith.constant 0.0 : f32
  %x = arith.subf %o0, %z : f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f32_4 n 4 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  %z = arith.constant 0.0 : f32
  %x = arith.subf %o0, %z : f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f32_8 n 8 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  %z = arith.constant 0.0 : f32
  %x = arith.subf %o0, %z : f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f32_97 n 97 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  %z = arith.constant 0.0 : f32
  %x = arith.subf %o0, %z : f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f32_264 n 264 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  %z = arith.constant 0.0 : f32
  %x = arith.subf %o0, %z : f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f32_1000 n 1000 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  %z = arith.constant 0.0 : f32
  %x = arith.subf %o0, %z : f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f32_4096 n 4096 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  %z = arith.constant 0.0 : f32
  %x = arith.subf %o0, %z : f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f16_1 n 1 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f16_3 n 3 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f16_4 n 4 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f16_8 n 8 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f16_97 n 97 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f16_264 n 264 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f16_1000 n 1000 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_f16_4096 n 4096 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_bf16_1 n 1 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_bf16_3 n 3 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_bf16_4 n 4 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_bf16_8 n 8 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_bf16_97 n 97 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_bf16_264 n 264 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_bf16_1000 n 1000 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_bf16_4096 n 4096 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_rounds n 9000 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16):
  %x = arith.extf %o0 : f16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_twice n 33000 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.extf %o0 : bf16 to f32
  kernel.emit %x : f32
}

kernel.rows @quantize_odd_twice n 32769 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f32):
  kernel.emit %o0 : f32
}

kernel.rows @prologue n 520 operands [#kernel.operand<element, f16>, #kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<element, f32>, #kernel.operand<scalar, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16, %o1: f32, %o2: f32, %o3: f32, %o4: f32):
  %x = arith.extf %o0 : f16 to f32
  %a = math.fma %x, %o1, %o3 : f32
  %b = arith.mulf %a, %o2 : f32
  %c = arith.addf %b, %o4 : f32
  %zero = arith.constant 0.0 : f32
  %d = arith.maximumf %c, %zero : f32
  kernel.emit %d : f32
}

kernel.rows @scaled_1 n 1 operands [#kernel.operand<element, f16>, #kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16, %o1: f32, %o2: f32):
  %x = arith.extf %o0 : f16 to f32
  %y = arith.mulf %x, %o1 : f32
  %z = arith.mulf %y, %o2 : f32
  %t = arith.truncf %z : f32 to f16
  %r = math.roundeven %y : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %a = arith.maximumf %r, %lo : f32
  %b = arith.minimumf %a, %hi : f32
  %i = arith.fptosi %b : f32 to i8
  kernel.emit %t, %i : f16, i8
}

kernel.rows @flat_1 n 1 operands [#kernel.operand<element, i8>, #kernel.operand<table, i8>, #kernel.operand<scalar, i32>] results [i8, i32, i16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: i8, %o1: vector<256xi8>, %o2: i32):
  %i = arith.extsi %o0 : i8 to i32
  %c = arith.constant 128 : i32
  %j = arith.addi %i, %c : i32
  %y = kernel.lookup %o1[%j] : vector<256xi8> -> i8
  %k = arith.muli %i, %o2 : i32
  %s = arith.trunci %k : i32 to i16
  kernel.emit %y, %k, %s : i8, i32, i16
}

kernel.rows @scaled_2 n 2 operands [#kernel.operand<element, f16>, #kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16, %o1: f32, %o2: f32):
  %x = arith.extf %o0 : f16 to f32
  %y = arith.mulf %x, %o1 : f32
  %z = arith.mulf %y, %o2 : f32
  %t = arith.truncf %z : f32 to f16
  %r = math.roundeven %y : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %a = arith.maximumf %r, %lo : f32
  %b = arith.minimumf %a, %hi : f32
  %i = arith.fptosi %b : f32 to i8
  kernel.emit %t, %i : f16, i8
}

kernel.rows @flat_2 n 2 operands [#kernel.operand<element, i8>, #kernel.operand<table, i8>, #kernel.operand<scalar, i32>] results [i8, i32, i16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: i8, %o1: vector<256xi8>, %o2: i32):
  %i = arith.extsi %o0 : i8 to i32
  %c = arith.constant 128 : i32
  %j = arith.addi %i, %c : i32
  %y = kernel.lookup %o1[%j] : vector<256xi8> -> i8
  %k = arith.muli %i, %o2 : i32
  %s = arith.trunci %k : i32 to i16
  kernel.emit %y, %k, %s : i8, i32, i16
}

kernel.rows @scaled_7 n 7 operands [#kernel.operand<element, f16>, #kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16, %o1: f32, %o2: f32):
  %x = arith.extf %o0 : f16 to f32
  %y = arith.mulf %x, %o1 : f32
  %z = arith.mulf %y, %o2 : f32
  %t = arith.truncf %z : f32 to f16
  %r = math.roundeven %y : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %a = arith.maximumf %r, %lo : f32
  %b = arith.minimumf %a, %hi : f32
  %i = arith.fptosi %b : f32 to i8
  kernel.emit %t, %i : f16, i8
}

kernel.rows @flat_7 n 7 operands [#kernel.operand<element, i8>, #kernel.operand<table, i8>, #kernel.operand<scalar, i32>] results [i8, i32, i16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: i8, %o1: vector<256xi8>, %o2: i32):
  %i = arith.extsi %o0 : i8 to i32
  %c = arith.constant 128 : i32
  %j = arith.addi %i, %c : i32
  %y = kernel.lookup %o1[%j] : vector<256xi8> -> i8
  %k = arith.muli %i, %o2 : i32
  %s = arith.trunci %k : i32 to i16
  kernel.emit %y, %k, %s : i8, i32, i16
}

kernel.rows @scaled_12 n 12 operands [#kernel.operand<element, f16>, #kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16, %o1: f32, %o2: f32):
  %x = arith.extf %o0 : f16 to f32
  %y = arith.mulf %x, %o1 : f32
  %z = arith.mulf %y, %o2 : f32
  %t = arith.truncf %z : f32 to f16
  %r = math.roundeven %y : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %a = arith.maximumf %r, %lo : f32
  %b = arith.minimumf %a, %hi : f32
  %i = arith.fptosi %b : f32 to i8
  kernel.emit %t, %i : f16, i8
}

kernel.rows @flat_12 n 12 operands [#kernel.operand<element, i8>, #kernel.operand<table, i8>, #kernel.operand<scalar, i32>] results [i8, i32, i16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: i8, %o1: vector<256xi8>, %o2: i32):
  %i = arith.extsi %o0 : i8 to i32
  %c = arith.constant 128 : i32
  %j = arith.addi %i, %c : i32
  %y = kernel.lookup %o1[%j] : vector<256xi8> -> i8
  %k = arith.muli %i, %o2 : i32
  %s = arith.trunci %k : i32 to i16
  kernel.emit %y, %k, %s : i8, i32, i16
}

kernel.rows @scaled_96 n 96 operands [#kernel.operand<element, f16>, #kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16, %o1: f32, %o2: f32):
  %x = arith.extf %o0 : f16 to f32
  %y = arith.mulf %x, %o1 : f32
  %z = arith.mulf %y, %o2 : f32
  %t = arith.truncf %z : f32 to f16
  %r = math.roundeven %y : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %a = arith.maximumf %r, %lo : f32
  %b = arith.minimumf %a, %hi : f32
  %i = arith.fptosi %b : f32 to i8
  kernel.emit %t, %i : f16, i8
}

kernel.rows @flat_96 n 96 operands [#kernel.operand<element, i8>, #kernel.operand<table, i8>, #kernel.operand<scalar, i32>] results [i8, i32, i16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: i8, %o1: vector<256xi8>, %o2: i32):
  %i = arith.extsi %o0 : i8 to i32
  %c = arith.constant 128 : i32
  %j = arith.addi %i, %c : i32
  %y = kernel.lookup %o1[%j] : vector<256xi8> -> i8
  %k = arith.muli %i, %o2 : i32
  %s = arith.trunci %k : i32 to i16
  kernel.emit %y, %k, %s : i8, i32, i16
}

kernel.rows @scaled_2048 n 2048 operands [#kernel.operand<element, f16>, #kernel.operand<row, f32>, #kernel.operand<column, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: f16, %o1: f32, %o2: f32):
  %x = arith.extf %o0 : f16 to f32
  %y = arith.mulf %x, %o1 : f32
  %z = arith.mulf %y, %o2 : f32
  %t = arith.truncf %z : f32 to f16
  %r = math.roundeven %y : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %a = arith.maximumf %r, %lo : f32
  %b = arith.minimumf %a, %hi : f32
  %i = arith.fptosi %b : f32 to i8
  kernel.emit %t, %i : f16, i8
}

kernel.rows @flat_2048 n 2048 operands [#kernel.operand<element, i8>, #kernel.operand<table, i8>, #kernel.operand<scalar, i32>] results [i8, i32, i16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: i8, %o1: vector<256xi8>, %o2: i32):
  %i = arith.extsi %o0 : i8 to i32
  %c = arith.constant 128 : i32
  %j = arith.addi %i, %c : i32
  %y = kernel.lookup %o1[%j] : vector<256xi8> -> i8
  %k = arith.muli %i, %o2 : i32
  %s = arith.trunci %k : i32 to i16
  kernel.emit %y, %k, %s : i8, i32, i16
}

kernel.rows @last n 40 operands [#kernel.operand<element, bf16>] results [bf16]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%o0: bf16):
  %x = arith.negf %o0 : bf16
  kernel.emit %x : bf16
}
