// The fault is "a valid file with an erf": only what the erf needs stays, and of that nothing but its type.
// RUN: rm -rf %t && mkdir %t
// RUN: printf '#!/bin/sh\nif quant-opt "$1" 2>/dev/null | grep -q qnn.erf; then exit 1; fi\nexit 0\n' > %t/interesting.sh
// RUN: chmod +x %t/interesting.sh
// RUN: quant-reduce %s --reduce-operations=test=%t/interesting.sh | FileCheck %s
// RUN: printf '#!/bin/sh\nexit 0\n' > %t/never.sh
// RUN: chmod +x %t/never.sh
// RUN: not quant-reduce %s --reduce-operations=test=%t/never.sh 2>&1 | FileCheck %s --check-prefix=NEVER
// RUN: not quant-reduce %s --reduce-operations 2>&1 | FileCheck %s --check-prefix=NEVER

// NEVER: error: expected `test`, a script that exits with 1 for the file as it is
// CHECK-NOT: @other
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %{{.*}}: tensor<4x4xf32>) -> tensor<4xf32>
// CHECK-NEXT: %[[E:.*]] = qnn.erf %[[X]]
// CHECK-NEXT: return %[[E]]
func.func @main(%x: tensor<4xf32>, %y: tensor<4x4xf32>) -> tensor<4x1xf32> {
  %0 = qnn.exp %x {name = "a"} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = qnn.transpose %y {name = "b", perm = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = qnn.reduce_mean %1 {name = "c", axes = array<i64: 0>, keepdims = false} : (tensor<4x4xf32>) -> tensor<4xf32>
  %3 = qnn.add %0, %2 {name = "d"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = qnn.erf %3 {name = "e"} : (tensor<4xf32>) -> tensor<4xf32>
  %5 = qnn.add %4, %3 {name = "f"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %6 = qnn.reshape %5 {name = "g", shape = affine_map<() -> (4, 1)>} : (tensor<4xf32>) -> tensor<4x1xf32>
  return %6 : tensor<4x1xf32>
}
func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = qnn.erf %x {name = "a"} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
