// RUN: split-file %s %t
// RUN: quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{sensitivities=%t/losses.json budget="size <= 24 B"}))' --remarks-filter=allocate --remark-format=emitRemark 2>%t/remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t/remarks
// RUN: quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/plan.json}))' | FileCheck %s --check-prefix=PLAN
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{}))' 2>&1 | FileCheck %s --check-prefix=NEITHER
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/plan.json sensitivities=%t/losses.json}))' 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/plan.json budget="size <= 24 B"}))' 2>&1 | FileCheck %s --check-prefix=BUDGET
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/none.json}))' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{sensitivities=%t/none.json}))' 2>&1 | FileCheck %s --check-prefix=NOFILE
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/other.json}))' 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/unknown.json}))' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/format.json}))' 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/tied.json}))' 2>&1 | FileCheck %s --check-prefix=TIED
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{plan=%t/noweight.json}))' 2>&1 | FileCheck %s --check-prefix=NOWEIGHT
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{sensitivities=%t/losses.json budget="size <= 2 B"}))' 2>&1 | FileCheck %s --check-prefix=INFEASIBLE
// RUN: not quant-opt %t/model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8}, allocate-bits{sensitivities=%t/losses.json budget="speed <= 2 B"}))' 2>&1 | FileCheck %s --check-prefix=QUANTITY

// 24 bytes are one layer of 8 bits and one of 4; the second loses more by rounding. What only costs, "(rest)", has no formats.
// CHECK: qnn.linear
// CHECK-SAME: name = "first"
// CHECK-SAME: qnn.weight_scheme = #qnn.scheme<s4, axis 0>
// CHECK: qnn.linear
// CHECK-SAME: name = "second"
// CHECK-SAME: qnn.weight_scheme = #qnn.scheme<s8, axis 0>
// REMARK: first{{.*}}weight s4, activation s8: loss 0.25; next best s8/s8 at a price of
// REMARK: second{{.*}}weight s8, activation s8: loss 0.125; next best s4/s8 at a price of

// PLAN: name = "first"
// PLAN-SAME: qnn.weight_scheme = #qnn.scheme<s8, axis 0>
// PLAN: name = "second"
// PLAN-SAME: qnn.weight_scheme = #qnn.scheme<s4, axis 0>

// NEITHER: allocate-bits: expected one of the options 'plan' and 'sensitivities', found neither
// BOTH: allocate-bits: expected one of the options 'plan' and 'sensitivities', found both
// BUDGET: allocate-bits: expected 'budget' with 'sensitivities': a plan has its formats already
// NONE: allocate-bits: cannot read the plan '{{.*}}none.json': No such file
// NOFILE: allocate-bits: cannot read '{{.*}}none.json': No such file
// OTHER: other.json: the plan was made for a model with digest 00ff, this one has {{[0-9a-f]+}}; remove 'model.digest' from the plan to use it all the same
// UNKNOWN: unknown.json: the plan names 'third', which is no quantized layer or activation of this model under this recipe
// FORMAT: format.json: the plan gives 'first' the weight format 's9': expected s2, s3, s4, s5, s6, s7, s8, s16
// TIED: tied.json: the plan gives 'first' the activation format 's12': expected s8
// NOWEIGHT: noweight.json: the plan gives 'second:codes' a weight format, but it is an activation: expected "weight": "-"
// INFEASIBLE: allocate-bits: {{.*}}size
// QUANTITY: allocate-bits: {{.*}}speed

//--- losses.json
{"version": 1, "groups": [
 {"name": "first", "elements": 16, "choices": [{"weight": "s4", "activation": "s8", "loss": 0.25, "costs": {"bytes": 8}}, {"weight": "s8", "activation": "s8", "loss": 0.125, "costs": {"bytes": 16}}]},
 {"name": "second", "elements": 16, "choices": [{"weight": "s4", "activation": "s8", "loss": 0.5, "costs": {"bytes": 8}}, {"weight": "s8", "activation": "s8", "loss": 0.125, "costs": {"bytes": 16}}]},
 {"name": "(rest)", "choices": [{"weight": "-", "loss": 0, "costs": {"bytes": 0}}]}]}
//--- plan.json
{"version": 1, "groups": [{"name": "second", "weight": "s4"}]}
//--- other.json
{"version": 1, "model": {"digest": "00ff"}, "groups": []}
//--- unknown.json
{"version": 1, "groups": [{"name": "third", "weight": "s4"}]}
//--- format.json
{"version": 1, "groups": [{"name": "first", "weight": "s9"}]}
//--- tied.json
{"version": 1, "groups": [{"name": "first", "activation": "s12"}]}
//--- noweight.json
{"version": 1, "groups": [{"name": "second:codes", "weight": "s4"}]}
//--- model.mlir
func.func @main(%x: tensor<1x4xf32> {qnn.name = "x"}) -> tensor<1x4xf32> {
  %w = qnn.constant {name = "w", value = dense<1.0> : tensor<4x4xf32>} : tensor<4x4xf32>
  %0 = qnn.linear %x, %w {name = "first"} : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  %1 = qnn.linear %0, %w {name = "second"} : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  %2 = qnn.add %1, %0 {name = "hidden"} : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  %3 = qnn.linear %2, %w {name = "last"} : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  return %3 : tensor<1x4xf32>
}
