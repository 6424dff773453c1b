//===- FoldBias.td - constants a channel into the product before them ----===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def FoldBias : Pass<"fold-bias", "::mlir::func::FuncOp"> {
  let summary = "Folds additions and multiplications by a constant a channel into the product before them";
  let description = [{
    `conv(x, w, b) + c` is `conv(x, w, b + c)` and `conv(x, w, b) * c` is `conv(x, w * c, b * c)` when the constant c varies along the
    output channels only ([1,C,1,1], [C,1,1], a scalar; [N] for linear); subtraction and division by a constant likewise. Computed in float64
    and rounded once. Preconditions: the product has one use, its weight and bias are constants, the result keeps its shape; anything else is left alone.
    ```mlir
    %0 = qnn.linear %x, %w : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
    %1 = qnn.add %0, %c : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    // becomes
    %1 = qnn.linear %x, %w, %c : (tensor<?x4xf32>, tensor<2x4xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
