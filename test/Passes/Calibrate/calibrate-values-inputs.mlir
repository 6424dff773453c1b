// Several inputs, one of them with a batch of its own; every way to store them.
// RUN: %python %S/Inputs/make_arrays.py %t
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/pair.npz statistics-out=%t/pair.json}))' -o /dev/null
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/packed.npz statistics-out=%t/packed.json}))' -o /dev/null
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/fortran.npz statistics-out=%t/fortran.json}))' -o /dev/null
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/named statistics-out=%t/named.json}))' -o /dev/null
// RUN: FileCheck %s --input-file %t/pair.json
// RUN: cmp %t/pair.json %t/packed.json
// RUN: cmp %t/pair.json %t/fortran.json
// RUN: cmp %t/pair.json %t/named.json
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/x.npy}))' 2>&1 | FileCheck %s --check-prefix=SINGLE
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/rows.npz}))' 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/count.npz}))' 2>&1 | FileCheck %s --check-prefix=COUNT

// Two samples: b is rows 0-1 and 2-3 of 0..11.
// CHECK: "samples":2
// CHECK-SAME: "b":{"count":12,"batches":2,"extremes":[0,11]
// SINGLE: x.npy': the model has 2 inputs, one .npy file cannot name them: expected an .npz file with one array an input
// ROWS: rows.npz', array 'b': expected a multiple of 2 rows (the model's batch), found 3
// COUNT: count.npz', array 'b': expected as many samples as 'x' has (3), found 2

func.func @main(%x: tensor<1x2xf32> {qnn.name = "x"}, %b: tensor<2x3xf32> {qnn.name = "b"}) -> (tensor<1x2xf32>, tensor<2x3xf32>) {
  %0 = qnn.relu %x {name = "y"} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.relu %b {name = "z"} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0, %1 : tensor<1x2xf32>, tensor<2x3xf32>
}
