// RUN: split-file %s %t
// RUN: quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(correct-bias{statistics=%t/statistics.json}))' | FileCheck %s
// RUN: sed 's/bias_correction = true/bias_correction = false/' %t/model.mlir > %t/off.mlir
// RUN: quant-opt %t/off.mlir --pass-pipeline='builtin.module(func.func(correct-bias{statistics=%t/statistics.json}))' | FileCheck %s --check-prefix=OFF
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(correct-bias{statistics=%t/none.json}))' 2>&1 | FileCheck %s --check-prefix=MISSING

// Row 0: scale 0.01, codes [127, 0]: the error is [0, -0.004]; times the means [1, 10] it shifts the output by -0.04, so the bias 1 becomes
// 1.04. Row 1 is exact. The channel sums 2 and 20 over 2 elements a channel are means of 1 and 10.
// CHECK-LABEL: func.func @main
// CHECK: %[[B:.*]] = qnn.constant {name = "first/corrected_bias", value = dense<[1.040000e+00, 2.000000e+00]> : tensor<2xf32>}
// CHECK: qnn.linear %{{.*}}, %{{.*}}, %[[B]]
// OFF-NOT: corrected_bias
// MISSING: error: cannot read statistics '{{.*}}none.json'

//--- statistics.json
{"format": "bitwright-statistics", "version": 3, "graph": "", "data": [], "samples": 2, "values": { "x": {"count": 4, "batches": 2, "extremes": [0, 20], "moving": [0, 20], "sum": 22, "sum_of_squares": 300, "channel_axis": 1, "channel_count": 2, "channel_sums": [2, 20]}}}
//--- model.mlir
func.func @main(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xf32> attributes {qnn.recipe = {bias_correction = true}} {
  %s = qnn.constant {name = "s", value = dense<0.5> : tensor<f32>} : tensor<f32>
  %w = qnn.constant {name = "w", value = dense<[[1.27, 0.004], [0.0, 1.0]]> : tensor<2x2xf32>} : tensor<2x2xf32>
  %b = qnn.constant {name = "b", value = dense<[1.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
  %q = qnn.quantize %x, %s {name = "x/quantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xi8>
  %d = qnn.dequantize %q, %s {name = "x/dequantize", scheme = #qnn.scheme<s8, tensor>} : (tensor<1x2xi8>, tensor<f32>) -> tensor<1x2xf32>
  %y = qnn.linear %d, %w, %b {name = "first", qnn.weight_scheme = #qnn.scheme<s8, axis 0>} : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}
