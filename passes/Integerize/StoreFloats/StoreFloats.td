//===- StoreFloats.td - floats between kernels are stored in 16 bits -------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def StoreFloats : Pass<"store-floats", "::mlir::func::FuncOp"> {
  let summary = "Stores the floats between kernels in 16 bits";
  let description = [{
    What a float product, a norm, a softmax or a quantizer per token reads is rounded to the recipe's storage type (key `float`) behind the operation that
    makes it, and widened again for each reader, so that `fuse-regions` puts the first cast at the end of one kernel and the second at the start of the
    next: arithmetic stays in f32, memory holds 16 bits. An input of the graph is narrowed when a float product reads it. Inputs and outputs keep their
    types, as do values that come out of a dequantize. Leaves f32 alone. Refuses other types than f16 and bf16.

    Before:
    ```mlir
    %1 = qnn.gelu %0 : (tensor<?x256xf32>) -> tensor<?x256xf32>
    %2 = qnn.linear %1, %w : (tensor<?x256xf32>, tensor<128x256xf32>) -> tensor<?x128xf32>
    ```
    After:
    ```mlir
    %1 = qnn.gelu %0 : (tensor<?x256xf32>) -> tensor<?x256xf32>
    %2 = qnn.cast %1 : (tensor<?x256xf32>) -> tensor<?x256xf16>
    %3 = qnn.cast %2 : (tensor<?x256xf16>) -> tensor<?x256xf32>
    %4 = qnn.linear %3, %w : (tensor<?x256xf32>, tensor<128x256xf32>) -> tensor<?x128xf32>
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
  let options = [Option<"type", "type", "std::string", /*default=*/"\"\"", "f16 or bf16; default: the recipe's (qnn.recipe)">];
}
