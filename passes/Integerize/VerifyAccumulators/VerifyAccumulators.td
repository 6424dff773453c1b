//===- VerifyAccumulators.td - proves that no accumulator leaves 32 bits ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def VerifyAccumulators : Pass<"verify-accumulators", "::mlir::func::FuncOp"> {
  let summary = "Proves that no accumulator leaves 32 bits";
  let description = [{
    For each output channel of an integer product: sum |w| * max |x - zero point| + |bias| < 2^31 from the
    stored codes (R14, V3), for each group of partial sums by itself; two-level weights also satisfy R16 for every code that occurs; for products of two activations and sums, the bound from types and sizes. The
    message names channel, bound and K.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect", "::bitwright::dyadic::DyadicDialect"];
}
