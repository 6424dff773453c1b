//===- RecogniseIdioms.td - several operations that are one idea ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def RecogniseIdioms : Pass<"recognise-idioms", "::mlir::func::FuncOp"> {
  let summary = "Replaces the spelled-out forms of layer norm, GELU, SiLU, hard-swish and squeeze-excite by operations of their own";
  let description = [{
    - `layer_norm`: x - mean, divided by the root of the mean square plus epsilon (sqrt, reciprocal or pow), over the last dimensions; a constant
      factor and term after it become its scale and bias.
    - `gelu`: `x/2 (1 + erf(x / sqrt 2))` and, with `approximate`, `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, the factors in any order and nesting.
    - `silu`: `x * sigmoid(x)`; `hard_swish`: `x * hard_sigmoid(x)` and `x * clip(x + 3, 0, 6) / 6`; `hard_sigmoid`: `clip(a x + b, 0, c) / c`.
    - `squeeze_excite`: mean over space, 1x1 convolution (or linear), relu, 1x1 convolution (or linear), sigmoid or hard_sigmoid, product with x.

    Expressions are compared as polynomials with a relative tolerance of 1e-5 (4e-3 for 16-bit constants), not by their text. Precondition: no operation
    inside the pattern has another user. The new operation takes the name of the last one of the pattern.
    ```mlir
    %s = qnn.sigmoid %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
    %y = qnn.mul %s, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    // becomes
    %y = qnn.silu %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ```
  }];
  let dependentDialects = ["::bitwright::qnn::QnnDialect"];
}
