//===- MatmulToLinear.td - matrix products with constants as linear layers ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def MatmulToLinear : Pass<"matmul-to-linear", "::mlir::func::FuncOp"> {
  let summary = "Turns a matrix product with a constant right operand of rank 2 into qnn.linear";
  let description = [{
    The weight is transposed to one row an output channel (N x K), the form of every later pass and of the packed file. A constant that
    several products share is transposed once. A right operand of another rank, or one that is no float constant, is left alone.
    ```mlir
    %y = qnn.matmul %x, %w : (tensor<?x40x4xf32>, tensor<4x2xf32>) -> tensor<?x40x2xf32>
    // becomes
    %y = qnn.linear %x, %w_t : (tensor<?x40x4xf32>, tensor<2x4xf32>) -> tensor<?x40x2xf32>
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
