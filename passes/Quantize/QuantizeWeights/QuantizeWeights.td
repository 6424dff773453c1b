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
    by `qnn.weight_scheme`: symmetric, one scale an output channel or tensor, or a scale (and with `qnn.weight_zero_point` a zero point) for each group of
    inputs; range by `qnn.weight_clip`. Two-level weights (R16) become their 8-bit codes with one scale a row; `qnn.two_level` on the dequantize says
    the size of the groups. A product with `qnn.weight_only` reads floats. The codes go to the weight store, 4-bit ones two a byte.
    A channel whose accumulator might leave 32 bits
    with the input's codes (R14) gets a coarser scale. Refuses: channels left with fewer than 8 of 16 bits for that, NaN and infinity, groups that do not divide the inputs.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
