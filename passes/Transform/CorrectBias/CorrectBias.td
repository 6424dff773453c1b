//===- CorrectBias.td - takes the mean error of quantized weights out of the bias ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def CorrectBias : Pass<"correct-bias", "::mlir::func::FuncOp"> {
  let summary = "Takes the mean error of quantized weights out of the bias";
  let description = [{
    Rounding and clipping the weight W to V moves the mean of output channel o by sum_k E[x_k] (V - W)[o,k]
    (Nagel et al., Data-Free Quantization, ICCV 2019, section 4.2). Subtracts that from the bias, with the
    input means that calibration measured. Runs after place-quantizers and before quantize-weights. Leaves
    alone: products whose input has no channel means, and everything when the recipe says `bias_correction:
    false`.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
  let options = [
    Option<"statistics", "statistics", "std::string", /*default=*/"", "a statistics file; default: what `calibrate-values` found in this context">];
}
