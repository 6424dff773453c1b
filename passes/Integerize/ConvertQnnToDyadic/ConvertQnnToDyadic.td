//===- ConvertQnnToDyadic.td - turns dequantize, operation, quantize into integer arithmetic ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def ConvertQnnToDyadic : Pass<"convert-qnn-to-dyadic", "::mlir::func::FuncOp"> {
  let summary = "Turns dequantize, operation, quantize into integer arithmetic";
  let description = [{
    Each `qnn.quantize` whose operation reads only dequantized codes becomes an integer operation with one
    requantization (INTEGER R2, R4, R11; half_up): products with int32 bias (R15), add, sub and mul with their
    own multipliers (E1, E3), averages (E4), unary functions and chains of them as one table (E6), data
    movement on the codes (E5). A product that is read in float becomes an accumulator and one `qnn.dequantize`
    with the scale s_x * s_w of each channel. A linear layer whose input has a scale a token becomes an accumulator and
    `qnn.dequantize_accumulator`, then a float bias; a weight with two-level groups gives `dyadic.linear_two_level` (R16: code, S and m follow from
    the 8-bit codes), one with float groups `dyadic.linear_groups` and `qnn.combine_groups`, whose result is a float. Unsigned 8-bit codes become signed (R12a). What has no integer
    form stays in float between dequantize and quantize. One remark an operation: integerized, or the first
    reason why not.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect", "::bitwright::dyadic::DyadicDialect"];
  let options = [
    Option<"multiplierBits", "multiplier-bits", "unsigned", /*default=*/"0", "width of the multipliers: 15, 23 or 31; default: the recipe's, else 31">];
}
