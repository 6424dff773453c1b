// RUN: %python %S/Inputs/make_arrays.py %t
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/good.npz statistics-out=%t/s.json},assign-schemes))' | FileCheck %s
// RUN: FileCheck %s --check-prefix=FILE --input-file %t/s.json
// Stacked samples, whole inputs, a single array, a folder of files: the same statistics.
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/whole.npz statistics-out=%t/whole.json}))' -o /dev/null
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/x.npy statistics-out=%t/x.json}))' -o /dev/null
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/folder statistics-out=%t/folder.json}))' -o /dev/null
// RUN: cmp %t/s.json %t/whole.json
// RUN: cmp %t/s.json %t/x.json
// RUN: cmp %t/s.json %t/folder.json
// Saved statistics give the same ranges; those of another graph are refused.
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{statistics-in=%t/s.json},assign-schemes))' | FileCheck %s
// RUN: sed 's/"graph":"..../"graph":"0000/' %t/s.json > %t/other.json
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{statistics-in=%t/other.json}))' 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values))' 2>&1 | FileCheck %s --check-prefix=NEITHER
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/good.npz statistics-in=%t/s.json}))' 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/missing.npz}))' 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/text.txt}))' 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/none}))' 2>&1 | FileCheck %s --check-prefix=FOLDER
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/name.npz}))' 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/extra.npz}))' 2>&1 | FileCheck %s --check-prefix=EXTRA
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/dtype.npz}))' 2>&1 | FileCheck %s --check-prefix=DTYPE
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/shape.npz}))' 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/rank.npz}))' 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/nan.npz}))' 2>&1 | FileCheck %s --check-prefix=NAN
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/empty.npz}))' 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/broken.npz}))' 2>&1 | FileCheck %s --check-prefix=BROKEN
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/overflow.npz}))' 2>&1 | FileCheck %s --check-prefix=OVERFLOW
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t/good.npz statistics-out=%t/no/such/folder.json}))' 2>&1 | FileCheck %s --check-prefix=WRITE

// x lies in [-5, 4]; y0 = x0 + x1 has -1, 7, -5 and y1 = 2 x0 has 2, 6, -10. With so few values the 99.995th percentile lies
// 6 * 5e-5 of a bin inside the lowest one: -5 + 3e-4 * 8/1024 and -10 + 3e-4 * 16/1024; the highest bin ends beyond the extreme.
// CHECK: qnn.name = "x", qnn.range = array<f64: -4.99999765{{[0-9]*}}, 4.000000e+00>
// CHECK: qnn.linear
// CHECK-SAME: qnn.range = array<f64: -9.99999531{{[0-9]*}}, 7.000000e+00>

// FILE: "format":"bitwright-statistics","version":3
// FILE-SAME: "samples":3
// FILE-SAME: "x":{"count":6,"batches":3,"extremes":[-5,4]
// The moving range starts at [-2, 1]: 0.9 * -2 + 0.1 * 3 = -1.5, then 0.9 * -1.5 - 0.5 = -1.85; 0.9 + 0.4 = 1.3, then 1.17.
// FILE-SAME: "moving":[-1.85{{[0-9]*}},1.17{{[0-9]*}}],"sum":1,"sum_of_squares":55,"channel_axis":1,"channel_count":3,"channel_sums":[-1,2]
// FILE-SAME: "exponent":3

// OTHER: error: the statistics belong to another graph: expected graph digest {{.*}}, found 0000{{.*}}; run the calibration again
// NEITHER: error: expected one of the options data and statistics-in, found none
// BOTH: error: expected one of the options data and statistics-in, found both
// MISSING: missing.npz': no such file or folder
// KIND: text.txt': expected an .npz file, an .npy file or a folder of them
// FOLDER: none': the folder holds no .npz or .npy file
// NAME: name.npz': expected an array named 'x' for the input of that name, found 'y'
// EXTRA: extra.npz': the model has no input 'y'; expected one array an input, under its name
// DTYPE: dtype.npz', array 'x': expected dtype f4, found f8
// SHAPE: shape.npz', array 'x': expected samples of shape [1, 2], found [1, 3]
// RANK: rank.npz', array 'x': expected samples of shape [1, 2] stacked along the first axis, found [3]
// NAN: nan.npz', array 'x': expected finite values, found NaN or infinity at element 2
// EMPTY: empty.npz': the set is empty: expected at least one sample
// BROKEN: error: calibration: {{.*}}broken.npz
// OVERFLOW: error: calibration sample 0: the float graph gives NaN or infinity at 'y': expected finite activations
// WRITE: error: cannot write '{{.*}}folder.json'

func.func @main(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<[[1.0, 1.0], [2.0, 0.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "y"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}
