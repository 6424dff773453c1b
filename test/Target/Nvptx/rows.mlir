// RUN: emit-kernels %s --emit=nvvm | FileCheck %s
// RUN: emit-kernels %s --emit=report | FileCheck %s --check-prefix=REPORT

// REPORT-NOT: {{[1-9][0-9]*}} bytes spilled
// REPORT-COUNT-12: registers, 0 bytes spilled
// REPORT-NOT: warning

// Eight elements a thread; what a predecessor writes is read after the wait for it. Conversions that end the region
// become packing instructions.
// CHECK-LABEL: llvm.func @relu_0(
// CHECK: nvvm.griddepcontrol launch_dependents
// CHECK: nvvm.griddepcontrol wait
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<8xf16>
// CHECK-COUNT-4: kernel.pack_half
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>
// CHECK-COUNT-4: kernel.pack_s8
// CHECK: llvm.store {{.*}} {alignment = 8 : i64} : vector<2xi32>
// CHECK-LABEL: llvm.func @relu_1(
// CHECK-NOT: griddepcontrol

// Without row and column operands an odd n is one stretch of M * n elements; the last vector may be short.
// CHECK-LABEL: llvm.func @flat_0(
// CHECK: llvm.load {{.*}} {alignment = 8 : i64} : !llvm.ptr<1> -> vector<8xi8>
// CHECK: else
// CHECK: scf.for

// Per token: x is read once where the row fits the registers of 512 threads.
// CHECK-LABEL: llvm.func @pq_0(
// CHECK-SAME: nvvm.reqntid = array<i32: 512, 1, 1>
// CHECK-COUNT-4: llvm.load {{.*}} : !llvm.ptr<1> -> vector<8xf16>
// CHECK-NOT: -> vector<8xf16>
// CHECK: arith.divf
// CHECK: kernel.round_to_int
// Longer rows run the region again.
// CHECK-LABEL: llvm.func @pq2_0(
// CHECK-COUNT-3: llvm.load {{.*}} {alignment = 4 : i64} : !llvm.ptr<1> -> f32

kernel.rows @relu n 4096 operands [#kernel.operand<element, f16>, #kernel.operand<element, f32>, #kernel.operand<column, f32>, #kernel.operand<row, f32>, #kernel.operand<scalar, f32>] results [f16, i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows, pdl = true>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%a: f16, %b: f32, %c: f32, %d: f32, %s: f32):
  %x = arith.extf %a : f16 to f32
  %y = math.fma %x, %c, %b : f32
  %z = arith.mulf %y, %d : f32
  %t = arith.truncf %z : f32 to f16
  %q = arith.divf %z, %s : f32
  %r = math.roundeven %q : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %aa = arith.maximumf %r, %lo : f32
  %bb = arith.minimumf %aa, %hi : f32
  %i = arith.fptosi %bb : f32 to i32
  %l8 = arith.constant -128 : i32
  %h8 = arith.constant 127 : i32
  %j = arith.maxsi %i, %l8 : i32
  %k = arith.minsi %j, %h8 : i32
  %o = arith.trunci %k : i32 to i8
  kernel.emit %t, %o : f16, i8
}
kernel.rows @flat n 97 operands [#kernel.operand<element, i8>, #kernel.operand<table, i8>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%x: i8, %t: vector<256xi8>):
  %i = arith.extsi %x : i8 to i32
  %c = arith.constant 128 : i32
  %j = arith.addi %i, %c : i32
  %y = kernel.lookup %t[%j] : vector<256xi8> -> i8
  kernel.emit %y : i8
}
kernel.rows @pq n 14336 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%x: f16):
  %i = arith.extf %x : f16 to f32
  kernel.emit %i : f32
}
kernel.rows @pq2 n 65535 operands [#kernel.operand<element, f32>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%x: f32):
  kernel.emit %x : f32
}
kernel.rows @pq3 n 32768 operands [#kernel.operand<element, bf16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%x: bf16):
  %i = arith.extf %x : bf16 to f32
  kernel.emit %i : f32
}
kernel.rows @pq4 n 97 operands [#kernel.operand<element, f16>] results [i8] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows>, #kernel.schedule<arch = "sm_80", kind = rows>] {
^bb0(%x: f16):
  %i = arith.extf %x : f16 to f32
  kernel.emit %i : f32
}
