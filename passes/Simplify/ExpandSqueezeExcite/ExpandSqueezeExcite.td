//===- ExpandSqueezeExcite.td - channel gates as products that quantization knows ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def ExpandSqueezeExcite : Pass<"expand-squeeze-excite", "::mlir::func::FuncOp"> {
  let summary = "Spells qnn.squeeze_excite out as mean, two linear layers, gate and product";
  let description = [{
    The form in which quantization finds two ordinary linear layers. The product keeps the operation's name NAME; the others are named
    NAME/mean, NAME/reduce, NAME/relu, NAME/expand, NAME/gate and NAME/gate_reshape, so that statistics, plans and overrides by name
    fit from one run to the next.
    ```mlir
    %y = qnn.squeeze_excite %x, %w1, %b1, %w2, %b2 {gate = "sigmoid", name = "se"} : ...
    // becomes
    %0 = qnn.reduce_mean %x {axes = array<i64: 2, 3>, keepdims = false, name = "se/mean"} : ...
    %1 = qnn.linear %0, %w1, %b1 {name = "se/reduce"} : ...
    %2 = qnn.relu %1 {name = "se/relu"} : ...
    %3 = qnn.linear %2, %w2, %b2 {name = "se/expand"} : ...
    %4 = qnn.sigmoid %3 {name = "se/gate"} : ...
    %5 = qnn.reshape %4 {name = "se/gate_reshape", shape = affine_map<() -> (1, 8, 1, 1)>} : ...
    %y = qnn.mul %x, %5 {name = "se"} : ...
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
