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
    float64 and rounded once. A batch_norm without such a producer (none, or one that others use too) becomes a multiplication
    and an addition a channel, which `fold-bias` may still fold. Parameters that are not constants, and variance + epsilon <= 0, are left alone.
    ```mlir
    %0 = qnn.conv %x, %w ... : (tensor<1x3x8x8xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x8x8xf32>
    %1 = qnn.batch_norm %0, %scale, %bias, %mean, %variance {epsilon = 0.0 : f32} : ...
    // becomes
    %1 = qnn.conv %x, %w_scaled, %b ... : (tensor<1x3x8x8xf32>, tensor<2x3x1x1xf32>, tensor<2xf32>) -> tensor<1x2x8x8xf32>
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
