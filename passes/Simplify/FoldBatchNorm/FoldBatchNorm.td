//===- FoldBatchNorm.td - batch normalisation into the product before it ---===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def FoldBatchNorm : Pass<"fold-batch-norm", "::mlir::func::FuncOp"> {
  let summary = "Folds batch normalisation into the convolution or linear before it";
  let description = [{
    With s = scale / sqrt(variance + epsilon), `batch_norm(conv(x, w, b))` is `conv(x, w * s, (b - mean) * s + bias)`, computed in
    float64 and rounded once. Precondition: the product has no other user and all parameters are constants; anything else is left alone.
    A batch_norm without such a producer becomes a multiplication and an addition per channel.
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
