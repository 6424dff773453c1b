// A function of named dimensions: shapes are affine expressions of them, bound by the inputs.

// RUN: %python -c "import numpy as n; n.savez('%t.npz', x=n.arange(12, dtype=n.float32).reshape(1, 12)); n.save('%t.npy', n.arange(12, dtype=n.float32).reshape(1, 12)); n.save('%t.odd.npy', n.zeros((1, 7), n.float32)); n.save('%t.f64.npy', n.zeros((1, 8)))"
// RUN: quant-interpret %s --inputs %t.npz | FileCheck %s
// RUN: quant-interpret %s --input x=%t.npy --outputs %t.out.npz
// RUN: %python -c "import numpy as n; o = n.load('%t.out.npz'); print(o.files, o['y'].shape, o['y'].dtype, o['y'].sum())" | FileCheck %s --check-prefix=FILE
// RUN: not quant-interpret %s --input x=%t.odd.npy 2>&1 | FileCheck %s --check-prefix=DIVISOR
// RUN: not quant-interpret %s --input x=%t.f64.npy 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not quant-interpret %s 2>&1 | FileCheck %s --check-prefix=MISSING

// The second half of each row, then the sum of rows of 2: with W = 12 elements 6 .. 11 give 13, 17, 21.
// CHECK: @halves#0 f32[1,6] = 6 7 8 9 10 11
// CHECK-NEXT: @halves#1 f32[3] = 13 17 21
// FILE: ['h', 'y'] (3,) float32 51.0
// DIVISOR: error: dimension W: expected 4..64 in steps of 4, found 7
// TYPE: error: input 'x': elements of type f8 are not supported
// MISSING: error: input 'x' of @halves is missing: give it with --inputs or --input x=F.npy
func.func @halves(%x: tensor<1x?xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (1, s0)>})
    -> (tensor<1x?xf32> {qnn.name = "h"}, tensor<?xf32> {qnn.name = "y"}) attributes {qnn.symbols = [#qnn.symbol<"W", 4, 64, 4>]} {
  %h = qnn.slice %x {starts = affine_map<()[s0] -> (0, s0 floordiv 2)>, shape = affine_map<()[s0] -> (1, s0 - s0 floordiv 2)>, steps = array<i64: 1, 1>}
    : (tensor<1x?xf32>) -> tensor<1x?xf32>
  %r = qnn.reshape %h {shape = affine_map<()[s0] -> (s0 floordiv 4, 2)>} : (tensor<1x?xf32>) -> tensor<?x2xf32>
  %y = qnn.reduce_sum %r {axes = array<i64: 1>, keepdims = false} : (tensor<?x2xf32>) -> tensor<?xf32>
  return %h, %y : tensor<1x?xf32>, tensor<?xf32>
}
