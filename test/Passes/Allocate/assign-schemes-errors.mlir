// Every message about a recipe, with file and line. The model is the same for all.
// RUN: split-file %s %t
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=nothing}))' 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/unknown.yaml}))' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/format.yaml}))' 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/activation.yaml}))' 2>&1 | FileCheck %s --check-prefix=ACTIVATION
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/token16.yaml}))' 2>&1 | FileCheck %s --check-prefix=TOKEN16
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/multiplier.yaml}))' 2>&1 | FileCheck %s --check-prefix=MULTIPLIER
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/observer.yaml}))' 2>&1 | FileCheck %s --check-prefix=OBSERVER
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/percent.yaml}))' 2>&1 | FileCheck %s --check-prefix=PERCENT
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/budget.yaml}))' 2>&1 | FileCheck %s --check-prefix=BUDGET
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/twice.yaml}))' 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/empty.yaml}))' 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/list.yaml}))' 2>&1 | FileCheck %s --check-prefix=LIST
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/nomatch.yaml}))' 2>&1 | FileCheck %s --check-prefix=NOMATCH
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/noname.yaml}))' 2>&1 | FileCheck %s --check-prefix=NONAME
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/order.yaml}))' 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/granularity.yaml}))' 2>&1 | FileCheck %s --check-prefix=GRANULARITY
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/zero.yaml}))' 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/eight.yaml}))' 2>&1 | FileCheck %s --check-prefix=EIGHT
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/scales.yaml}))' 2>&1 | FileCheck %s --check-prefix=SCALES
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w4a8}))' 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/wide.yaml}))' 2>&1 | FileCheck %s --check-prefix=WIDE
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/syntax.yaml}))' 2>&1 | FileCheck %s --check-prefix=SYNTAX
// RUN: quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=%t/typo.yaml}))' 2>&1 | FileCheck %s --check-prefix=TYPO
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8 statistics=%t/none.json}))' 2>&1 | FileCheck %s --check-prefix=NOSTATISTICS
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8 statistics=%t/other.json}))' 2>&1 | FileCheck %s --check-prefix=OTHERFILE
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8 statistics=%t/version.json}))' 2>&1 | FileCheck %s --check-prefix=VERSION
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8 statistics=%t/bins.json}))' 2>&1 | FileCheck %s --check-prefix=BINS

// MISSING: error: recipe 'nothing': expected a built-in recipe (float, w8a8, w8a8-per-token, w4a8, w4a8-groups, w4a16, w8a16) or a YAML file: No such file or directory
// UNKNOWN: unknown.yaml:2: wieghts: unknown key; expected one of name, quantize, weights
// FORMAT: format.yaml:3: weights.format: expected one of s8, s16, s4, s3, s2, found 's9'
// ACTIVATION: activation.yaml:2: activations.format: expected one of s8, s16, found 's4'
// TOKEN16: token16.yaml:2: activations.format: expected s8 with a scale a token, found s16; choose scales: static
// MULTIPLIER: multiplier.yaml:1: multiplier_bits: expected 23 or 31 with s16 activations (R6), found 15
// OBSERVER: observer.yaml:2: activations.observer: expected one of minmax, ema, percentile, mse, kl, found 'median'
// PERCENT: percent.yaml:2: activations.percentile: expected a number of percent above 50 and at most 100, found '120'
// BUDGET: budget.yaml:2: budgets: expected no budgets in a recipe: give them to quant-compile as --budget
// TWICE: twice.yaml:3: float: expected each key once, found it again
// EMPTY: empty.yaml:1: the recipe is empty: expected a mapping
// LIST: list.yaml:2: keep_float: expected a list
// NOMATCH: nomatch.yaml:3: overrides.match: expected a pattern of operation names, found none
// NONAME: noname.yaml:1: name: expected a name for the recipe, found none
// ORDER: order.yaml:3: weights: expected before 'overrides', found after it
// GRANULARITY: granularity.yaml:2: weights.granularity: expected axis, tensor, 'group N' or 'two_level N' with N a multiple of 8, found 'group 12'
// ZERO: zero.yaml:2: weights.zero_point: expected granularity 'group N' with zero points, found another one
// EIGHT: eight.yaml:2: weights.granularity: expected format s4, s3 or s2 with two_level, found s8
// SCALES: scales.yaml:2: activations.scales: expected one of static, per_token, none, found 'dynamic'
// GROUP: error: {{.*}}: weights.granularity: expected groups that divide 2, the number of its inputs, found groups of 128; choose another size or granularity axis, for this layer with 'overrides'
// WIDE: error: {{.*}}: weights.format: expected s4, s3 or s2 in groups with float scales that meet quantized activations, found s8; choose granularity axis, or activations.scales: none
// SYNTAX: syntax.yaml:2: not YAML:
// TYPO: warning: {{.*}}typo.yaml:3: overrides.match: 'frist' matches no operation of the model
// TYPO: warning: recipe 'r': keep_float: 'softmx' is no kind of operation and matches no operation of the model
// NOSTATISTICS: error: cannot read statistics '{{.*}}none.json': No such file or directory
// OTHERFILE: other.json': expected the format "bitwright-statistics"
// VERSION: version.json': expected version 3, found 7: another version of Bitwright wrote it; run the calibration again
// BINS: bins.json': value 'x': expected 'bins' inside the 2048 bins of an 'exponent' in [-100, 128]

//--- granularity.yaml
name: r
weights: {format: s4, granularity: group 12}
//--- zero.yaml
name: r
weights: {format: s4, granularity: two_level 128, zero_point: true}
//--- eight.yaml
name: r
weights: {granularity: two_level 128}
//--- scales.yaml
name: r
activations: {scales: dynamic}
//--- wide.yaml
name: r
weights: {granularity: group 8}
activations: {scales: per_token}
//--- unknown.yaml
name: r
wieghts: {format: s8}
//--- format.yaml
name: r
weights:
  format: s9
//--- activation.yaml
name: x
activations: {format: s4}
//--- token16.yaml
name: x
activations: {format: s16, scales: per_token}
//--- multiplier.yaml
name: x
multiplier_bits: 15
overrides:
  - match: "*"
    activations: {format: s16}
//--- observer.yaml
name: r
activations: {observer: median}
//--- percent.yaml
name: r
activations: {percentile: 120}
//--- budget.yaml
name: r
budgets: ["size <= 12 MB"]
//--- twice.yaml
name: r
float: f32
float: f32
//--- empty.yaml
//--- list.yaml
name: r
keep_float: softmax
//--- nomatch.yaml
name: r
overrides:
  - {keep: float}
//--- noname.yaml
float: f32
//--- order.yaml
name: r
overrides: [{match: first, keep: float}]
weights: {format: s8}
//--- syntax.yaml
name: r
weights: {format: s8
//--- typo.yaml
name: r
overrides:
  - {match: frist, keep: float}
keep_float: [softmx]
//--- other.json
{"format": "other"}
//--- version.json
{"format": "bitwright-statistics", "version": 7}
//--- bins.json
{"format": "bitwright-statistics", "version": 3, "graph": "", "data": [], "samples": 1, "values": {"x": {"count": 3, "batches": 1, "sum": 0, "sum_of_squares": 0, "extremes": [0, 1], "moving": [0, 1], "exponent": 1, "first_bin": 2047, "bins": [1, 2]}}}
//--- model.mlir
func.func @main(%x: tensor<1x2xf32> {qnn.name = "x"}) -> tensor<1x2xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<2x2xf32>} : tensor<2x2xf32>
  %0 = qnn.linear %x, %w {name = "first"} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %0 : tensor<1x2xf32>
}
