//===- PlaceQuantizers.td - puts quantize and dequantize around what runs on codes ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def PlaceQuantizers : Pass<"place-quantizers", "::mlir::func::FuncOp"> {
  let summary = "Puts quantize and dequantize around what runs on codes";
  let description = [{
    Decides which operations run on codes: a product always does; any other operation with a scheme does if its
    result is read as codes and one of its operands comes from codes. Each value that such an operation reads
    gets one quantize-dequantize pair, after a fused relu or clip and never before it. Data movement shares the
    grid of its input; the inputs of a concat share one grid where their ranges are within a factor of 4. A
    product that is read only in float gets no quantizer: its accumulator is dequantized exactly. A linear layer whose scheme is per_token reads
    `qnn.quantize_dynamic` and its dequantize, one for all layers that read a value. 
    Values whose scheme says s16 get codes of 16 bits with zero point 0 over `qnn.wide_range` (or `qnn.range`); what shares a grid with one
    gets them too. Such a grid has the scheme <s16>, or <s15> to <s9> where sums of its readers' products would leave 32 bits with more bits (R14, estimated from
    the float weights; quantize-weights makes the estimate good). Operations without a 16-bit form stay float beside it.
    Refuses: a value without `qnn.range`, products for whose formats there is no kernel.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
