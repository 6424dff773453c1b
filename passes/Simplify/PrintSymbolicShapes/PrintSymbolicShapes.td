//===- PrintSymbolicShapes.td - each result's shape in the names of the dimensions ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def PrintSymbolicShapes : Pass<"print-symbolic-shapes", "::mlir::func::FuncOp"> {
  let summary = "Reports the symbolic shape of every operation's results as remarks";
  let description = [{
    For reading and debugging: at each operation a remark with the shape that the analysis derives, its dimensions as expressions of the
    function's named symbols, and the bounds of those that vary.
    ```mlir
    // remark: N x 8 x (W - 1) floordiv 2 + 1; (W - 1) floordiv 2 + 1 in 16..640
    %0 = qnn.max_pool %x ... : (tensor<?x8x?xf32>) -> tensor<?x8x?xf32>
    ```
  }];
}
