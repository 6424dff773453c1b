//===- VerifySimplified.td - the contract at the end of simplify ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def VerifySimplified : Pass<"verify-simplified", "::mlir::ModuleOp"> {
  let summary = "Checks what the simplify stage hands on";
  let description = [{
    - one function with a body, named main, of one block;
    - arguments and results of every operation are ranked tensors whose symbolic shapes can be computed;
    - only operations of `qnn` (and the function's return);
    - every operation but constants has a name, and no two have the same;
    - every weight is in the weight store with the type that it has here;
    - no batch_norm with constant parameters (`fold-batch-norm` takes them all).
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
