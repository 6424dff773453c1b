//===- FoldIdentities.td - operations that change nothing ----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def FoldIdentities : Pass<"fold-identities", "::mlir::func::FuncOp"> {
  let summary = "Removes operations that change nothing and merges neighbours that are one operation";
  let description = [{
    Removed: reshape, broadcast, tile, slice, pad, resize and cast to what the operand already is, identity transposes, concat of one tensor,
    x * 1, x / 1, x + 0, x - 0 (shape unchanged; -0.0 + 0 becomes -0.0). Merged: reshape of reshape, transpose of transpose, a constant-zero pad of
    the spatial dimensions into the convolution after it. At last, operations that nobody uses are erased. Shapes are compared as expressions of the symbols,
    so that `[N, 120, W floordiv 8]` to itself is found; what is not provably equal stays.
    ```mlir
    %0 = qnn.transpose %x {perm = array<i64: 0, 2, 1>} : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
    %1 = qnn.transpose %0 {perm = array<i64: 0, 2, 1>} : (tensor<2x4x3xf32>) -> tensor<2x3x4xf32>
    // uses of %1 become uses of %x
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
