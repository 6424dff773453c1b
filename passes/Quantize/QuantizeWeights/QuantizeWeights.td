//===- QuantizeWeights.td - rounds the weights of products whose input is quantized ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def QuantizeWeights : Pass<"quantize-weights", "::mlir::func::FuncOp"> {
  let summary = "Rounds the weights of products whose input is quantized";
  let description = [{
    Replaces the float weight of each product that reads a dequantized value by codes and `qnn.dequantize`,
    symmetric, one scale an output channel, range by `qnn.weight_clip`. The codes go to the weight store.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
