// RUN: not emit-kernels %s 2>&1 | FileCheck %s

// CHECK: error: 'kernel.rows' op template rows on sm_90a: expected operands of i8, i16, i32, f16, bf16 or f32, found i4
kernel.rows @operand n 64 operands [#kernel.operand<element, i4>] results [i8]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows>] {
^bb0(%x: i4):
  %y = arith.extsi %x : i4 to i8
  kernel.emit %y : i8
}

// CHECK: error: 'kernel.rows' op template rows on sm_90a: expected results of i8, i16, i32, f16, bf16 or f32, found i64
kernel.rows @result n 64 operands [#kernel.operand<element, i32>] results [i64]
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows>] {
^bb0(%x: i32):
  %y = arith.extsi %x : i32 to i64
  kernel.emit %y : i64
}

// CHECK: error: 'kernel.rows' op template rows on sm_90a: expected codes of i8, found i16
kernel.rows @codes n 64 operands [#kernel.operand<element, f32>] results [i16] quantize
  schedules [#kernel.schedule<arch = "sm_90a", kind = rows>] {
^bb0(%x: f32):
  kernel.emit %x : f32
}

// CHECK: error: 'kernel.rows' op template rows on sm_80: expected sm_90a for programmatic dependent launch, found sm_80
kernel.rows @pdl n 64 operands [#kernel.operand<element, f32>] results [f32]
  schedules [#kernel.schedule<arch = "sm_80", kind = rows, pdl = true>] {
^bb0(%x: f32):
  kernel.emit %x : f32
}
