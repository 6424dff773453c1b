//===- AssignSchemes.td - gives every operation its scheme, from a recipe ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def AssignSchemes : Pass<"assign-schemes", "::mlir::func::FuncOp"> {
  let summary = "Gives every operation its scheme, from a recipe";
  let description = [{
    Attaches to each operation with an integer form `qnn.activation_scheme` (and, products,
    `qnn.weight_scheme`, `qnn.weight_clip`), to every other one `qnn.keep_float` with the reason; with
    statistics, `qnn.range` to each value: the range that the observer of its scheme chooses. One remark an
    operation. Refuses: a recipe that cannot be read, a pattern of the recipe that matches no operation (a
    warning).
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
  let options = [
    Option<"recipe", "recipe", "std::string", /*default=*/"\"w8a8\"", "a built-in recipe (docs/Recipes.md) or a YAML file">,
    Option<"statistics", "statistics", "std::string", /*default=*/"", "a statistics file; default: what `calibrate-values` found in this context">];
}
