//===- FoldConstants.td - operations on constants evaluated --------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def FoldConstants : Pass<"fold-constants", "::mlir::func::FuncOp"> {
  let summary = "Evaluates operations whose operands are all constants";
  let description = [{
    The reference interpreter computes them, so that folding and running give the same bits. Left alone: quantize and dequantize (their codes are
    the point), shapes or starts that depend on a symbol, and results that take more than 4 times the bytes of the operands (an expanded scalar is
    better kept small), unless they have at most 64 elements. The constant is named after the operation.
    ```mlir
    %0 = qnn.transpose %w {name = "t", perm = array<i64: 1, 0>} : (tensor<1x2xf32>) -> tensor<2x1xf32>   // %w = [[3, 4]]
    // becomes
    %0 = qnn.constant {name = "t", value = dense<[[3.0], [4.0]]> : tensor<2x1xf32>} : tensor<2x1xf32>
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
