// RUN: split-file %s %t
// RUN: quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/recipe.yaml statistics=%t/statistics.json}))' | FileCheck %s
// RUN: quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/recipe.yaml}))' --remarks-filter=allocate --remark-format=emitRemark 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=float}))' | FileCheck %s --check-prefix=FLOAT
// RUN: quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/wide.yaml statistics=%t/statistics.json}))' | FileCheck %s --check-prefix=WIDE

// 16-bit activations, of arguments and of float operations' results too; the extremes stand beside a clipped range.
// WIDE: %arg0: tensor<1x2xf32> {qnn.activation_scheme = #qnn.scheme<s16, tensor>, qnn.name = "x", qnn.range = array<f64: -5.000000e-01, 2.500000e+00>, qnn.wide_range = array<f64: -1.000000e+00, 3.000000e+00>}
// WIDE: qnn.linear
// WIDE-SAME: qnn.activation_scheme = #qnn.scheme<s16, tensor>
// WIDE: qnn.softmax
// WIDE-SAME: qnn.activation_scheme = #qnn.scheme<s16, tensor>
// WIDE-SAME: qnn.keep_float

// The default observer takes the extremes [-1, 3]; zero is always inside the range.
// CHECK-LABEL: func.func @main
// CHECK-SAME: %arg0: tensor<1x2xf32> {qnn.name = "x", qnn.range = array<f64: -1.000000e+00, 3.000000e+00>}
// CHECK-SAME: qnn.recipe = {bias_correction = false, multiplier_bits = 23 : i64, name = "mine"}
// CHECK: qnn.linear
// CHECK-SAME: name = "first"
// CHECK-SAME: qnn.activation_scheme = #qnn.scheme<s8, tensor>
// CHECK-SAME: qnn.range = array<f64: 0.000000e+00, 8.000000e+00>
// CHECK-SAME: qnn.weight_clip = "absmax"
// CHECK-SAME: qnn.weight_scheme = #qnn.scheme<s8, axis 0>
// An override by name pattern.
// CHECK: qnn.linear
// CHECK-SAME: name = "second/product"
// CHECK-SAME: qnn.weight_clip = "percentile"
// CHECK-SAME: qnn.weight_percentile = 9.900000e+01 : f64
// CHECK-SAME: qnn.weight_scheme = #qnn.scheme<s16, tensor>
// CHECK: qnn.softmax
// CHECK-SAME: qnn.keep_float = "keep_float: softmax"
// CHECK: qnn.reduce_l2
// CHECK-SAME: qnn.keep_float = "reduce_l2 has no integer form"

// REMARK: first{{.*}}weight s8 per output channel, absmax; activation s8, minmax
// REMARK: second/product{{.*}}weight s16 per tensor, percentile; activation s8, minmax
// REMARK: probabilities{{.*}}stays float: keep_float: softmax

// FLOAT: qnn.keep_float = "the recipe 'float' quantizes nothing"
// FLOAT-NOT: qnn.weight_scheme

//--- wide.yaml
name: wide
activations: {format: s16, observer: ema}
keep_float: [softmax]
//--- recipe.yaml
name: mine
weights: {clip: absmax}
activations: {observer: minmax}
keep_float: [softmax]
bias_correction: false
multiplier_bits: 23
overrides:
  - match: "second/*"
    weights: {format: s16, granularity: tensor, clip: percentile, percentile: 99}

//--- statistics.json
{"format": "bitwright-statistics", "version": 3, "graph": "", "data": [], "samples": 1, "values": { "x": {"count": 2, "batches": 1, "extremes": [-1, 3], "moving": [-0.5, 2.5], "sum": 2, "sum_of_squares": 10}, "first": {"count": 2, "batches": 1, "extremes": [2, 8], "moving": [2, 8], "sum": 10, "sum_of_squares": 68}}}
//--- model.mlir
func.func @main(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "first"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = qnn.linear %0, %w {name = "second/product"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %2 = qnn.softmax %1 {name = "probabilities", axis = 1 : i64} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %3 = qnn.reduce_l2 %2 {name = "norm", axes = array<i64: 1>, keepdims = false} : (tensor<1x2xf32>) -> tensor<1xf32>
  return %3 : tensor<1xf32>
}
