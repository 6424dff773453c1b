//===- VerifyQuantized.td - checks what quantize hands on ----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def VerifyQuantized : Pass<"verify-quantized", "::mlir::func::FuncOp"> {
  let summary = "Checks what quantize hands on";
  let description = [{
    Scales are finite and at least 2^-126 (Q2); stored codes lie in their format's symmetric range and have
    zero point 0; an operation that only moves codes has one grid on both sides (E5).
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
