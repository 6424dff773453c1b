//===- BindDimensions.td - narrower ranges for symbolic dimensions -------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def BindDimensions : Pass<"bind-dimensions", "::mlir::func::FuncOp"> {
  let summary = "Narrows the ranges of named dimensions and substitutes those that are fixed";
  let description = [{
    `dims=W=320,N=1..8`: W becomes the constant 320 in every type, shape and map, N keeps its name with the range 1 to 8. A key is the name
    of a symbol or a place, `input:axis`, whose dimension is one symbol. A value is a number, `lo..hi` or `lo..hi/divisor`.
    Refused with an error: an unknown name, a value or range outside the declared one, a value that the declared divisor does not divide.
    ```mlir
    // dims=W=320
    func.func @main(%x: tensor<1x3x48x?xf32> {qnn.dims = affine_map<()[s0] -> (1, 3, 48, s0)>}) attributes {qnn.symbols = [#qnn.symbol<"W", 32, 1280, 1>]}
    // becomes
    func.func @main(%x: tensor<1x3x48x320xf32> {qnn.dims = affine_map<() -> (1, 3, 48, 320)>}) attributes {qnn.symbols = []}
    ```
  }];
  let options = [ListOption<"dims", "dims", "std::string", "NAME=VALUE, NAME=LOW..HIGH or NAME=LOW..HIGH/DIVISOR, separated by commas">];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
