// RUN: %python -c "import numpy as np, sys; np.save(sys.argv[1], np.array([[1, 1, 1], [-1, 1, 1], [1, -1, -1], [-1, -1, -1]], np.float32))" %t.npy
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t.npy second-moments},quantize-weights))' --remarks-filter=quantize --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file %t.remarks
// Without the second moments every layer falls back, and says why.
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t.npy},quantize-weights))' --remarks-filter=quantize --remark-format=emitRemark 2>&1 | FileCheck %s --check-prefix=NONE
// Rounded in correct-bias already: the same codes.
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(calibrate-values{data=%t.npy second-moments},correct-bias,quantize-weights))' | FileCheck %s

// The last two inputs are equal, the first is independent of them. Scale 1. Nearest codes [7, 1, 1] are 0.4 off twice: error 0.8^2. GPTQ
// makes up for the first 0.4 in the last column: [7, 1, 2], error 0.2^2, a sixteenth. For [7, 2, 2] nothing is to be gained: a tie counts
// as GPTQ. One scale for the whole tensor is not rounded row by row.
// CHECK: {{.*}}qnn.gptq = {fallbacks = 1 : i64, layers = 3 : i64}
// CHECK: qnn.constant {name = "w/codes", value = dense<{{\[\[}}7, 1, 2]]> : tensor<1x3xi4>}
// CHECK: qnn.constant {name = "v/codes", value = dense<{{\[\[}}7, 2, 2]]> : tensor<1x3xi4>}
// CHECK: qnn.constant {name = "u/codes", value = dense<{{\[\[}}7, 1, 1]]> : tensor<1x3xi4>}

// REMARK-DAG: {{\[}}Passed] gptq | Category:quantize | Kind=linear, Op=first, Remark="output error 0.062500 of that of rounding to nearest"
// REMARK-DAG: {{\[}}Passed] gptq | Category:quantize | Kind=linear, Op=second, Remark="output error 1.000000 of that of rounding to nearest"
// REMARK-DAG: {{\[}}Missed] gptq | Category:quantize | Kind=linear, Op=third, Remark="rounded to nearest: one scale for each output channel or group is needed"
// REMARK-DAG: gptq: 3 layers, 1 kept rounding to nearest (33.3 %)
// NONE-DAG: rounded to nearest: the statistics hold no second moments of its input
// NONE-DAG: gptq: 3 layers, 3 kept rounding to nearest (100.0 %)

func.func @main(%x: tensor<1x3xf32> {qnn.name = "x"}) -> (tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>) {
  %w = qnn.constant {name = "w", value = dense<[[7.0, 1.4, 1.4]]> : tensor<1x3xf32>} : tensor<1x3xf32>
  %v = qnn.constant {name = "v", value = dense<[[7.0, 2.0, 2.0]]> : tensor<1x3xf32>} : tensor<1x3xf32>
  %u = qnn.constant {name = "u", value = dense<[[7.0, 1.4, 1.4]]> : tensor<1x3xf32>} : tensor<1x3xf32>
  %0 = qnn.linear %x, %w {name = "first", qnn.weight_only, qnn.weight_rounding = "gptq", qnn.weight_scheme = #qnn.scheme<s4, axis 0>} : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x1xf32>
  %1 = qnn.linear %x, %v {name = "second", qnn.weight_only, qnn.weight_rounding = "gptq", qnn.weight_scheme = #qnn.scheme<s4, axis 0>} : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x1xf32>
  %2 = qnn.linear %x, %u {name = "third", qnn.weight_only, qnn.weight_rounding = "gptq", qnn.weight_scheme = #qnn.scheme<s4, tensor>} : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x1xf32>
  return %0, %1, %2 : tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>
}
