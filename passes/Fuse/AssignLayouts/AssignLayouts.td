//===- AssignLayouts.td - memory order of every value ----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def AssignLayouts : Pass<"assign-layouts", "::mlir::func::FuncOp"> {
  let summary = "Chooses the memory order of the dimensions of every value between kernels";
  let description = [{
    Convolutions, pooling and their residuals are channels-last, products and norms have their reduced dimension innermost, function arguments and results are
    row-major, everything else follows its consumer or its operand. A transpose becomes an alias (template `alias`, no code) by giving its result the operand's
    memory order; a reshape becomes one where the order allows it. Where a consumer needs another order than the producer gives, a copying region
    (`kernel.yield` of its argument) is inserted. Precondition: every operation is inside a kernel.fused (`fuse-regions`). The logical meaning does not change.

    ```mlir
    %0 = kernel.fused (%a = %x, %b = %w) {kind = 1 : i32, operand_layouts = [array<i64: 0, 2, 3, 1>, array<i64: 0, 1, 2, 3>],
                                          result_layouts = [array<i64: 0, 2, 3, 1>]} : ...
    ```
  }];
  let dependentDialects = ["::bitwright::kernel::KernelDialect"];
}
