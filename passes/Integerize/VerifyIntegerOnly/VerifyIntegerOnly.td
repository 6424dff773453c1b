//===- VerifyIntegerOnly.td - checks regions that claim to compute in integers ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def VerifyIntegerOnly : Pass<"verify-integer-only", "::mlir::func::FuncOp"> {
  let summary = "Checks regions that claim to compute in integers";
  let description = [{
    A function or a `kernel.fused` with the unit attribute `integer_only` may hold float values only as the
    input of its first quantize, the output of its last dequantize and their parameters (V1); every
    requantization has its rounding and multiplier width (V2). The first operation that breaks this is named.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect", "::bitwright::dyadic::DyadicDialect"];
  let options = [
    Option<"function", "function", "bool", /*default=*/"false", "check the whole function even if it claims nothing">];
}
