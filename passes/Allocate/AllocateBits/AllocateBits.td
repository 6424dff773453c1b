//===- AllocateBits.td - formats by an exact program, or from a plan ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def AllocateBits : Pass<"allocate-bits", "::mlir::func::FuncOp"> {
  let summary = "Decides formats by an exact program over measured losses, or takes them from a plan";
  let description = [{
    Wants a float graph with schemes (`assign-schemes`) and changes the storage formats in `qnn.weight_scheme` and
    `qnn.activation_scheme`. There is one unknown x[u,c] in {0,1} for each unit u (a product with its input
    activation, or an activation class that no product reads) and choice c (weight format, activation format):

        minimise  sum loss[u,c] x[u,c] + pair terms
        where     sum_c x[u,c] = 1;  every budget holds;  units that read one activation class agree on its format

    (METHODS section 3, "unified compiler ILP"; HAWQ-V3, arXiv 2011.10680; MixDQ, arXiv 2405.17873.) With `plan` the
    formats come from a file that `quant-compile --plan-out` or a person wrote, with `sensitivities` and `budget` they
    are solved for here. One remark a unit: its formats, what they cost in loss, and the next best choice with its price.

    Constraints:
      C1. exactly one of `plan` and `sensitivities`; `budget` goes with `sensitivities`;
      C2. a file that names a model digest must be of this graph;
      C3. every name in the file is a unit of this graph, with formats that kernels exist for.

    Example (test/Passes/Allocate/allocate-bits.mlir):
    ```
    quant-opt model.mlir --pass-pipeline='builtin.module(func.func(assign-schemes{recipe=w8a8},
        allocate-bits{sensitivities=losses.json budget="size <= 60 %"}))'
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
  let options = [
    Option<"plan", "plan", "std::string", /*default=*/"", "a plan file (docs/Allocation.md)">,
    Option<"sensitivities", "sensitivities", "std::string", /*default=*/"", "a statistics file of allocation (docs/Allocation.md)">,
    Option<"budget", "budget", "std::string", /*default=*/"", "limits, such as 'size <= 12 MB'">];
}
