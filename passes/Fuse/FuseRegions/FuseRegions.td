//===- FuseRegions.td - producers and epilogues grouped into kernels -------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def FuseRegions : Pass<"fuse-regions", "::mlir::func::FuncOp"> {
  let summary = "Groups every operation into kernel.fused regions, one a kernel";
  let description = [{
    Anchors (products, norms, reductions, windows) each start a region and take in what follows: elementwise operations on their result
    as long as it has one user and keeps its shape (bias, rescale, activation, table, residual, quantize). Reductions and norms also take in
    cheap elementwise producers. What is left becomes `loops` regions: an operation with all producers of the same shape that only it uses. A producer
    with fewer elements is never taken in: it would be recomputed. Reshapes and transposes stand alone, so that `assign-layouts` can make
    them aliases, except reshapes that only add or drop unit dimensions. Constants stay outside and become operands.
    A dequantize of constant codes belongs to the product that reads it, and so does a cast of a float stored in 16 bits. `qnn.combine_groups` stands in the region of its
    partial sums; `qnn.quantize_dynamic` is a region of its own (passes/Fuse/README.md has the forms).

    The result of an operation with the attribute `qnn.observe` is stored even where it could be fused away.

    Before:
    ```mlir
    %0 = qnn.conv %x, %w, %b {...} : (...) -> tensor<1x8x4x4xf32>
    %1 = qnn.relu %0 : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    ```
    After:
    ```mlir
    %1 = kernel.fused (%a = %x, %c = %w, %d = %b) {kind = 1 : i32} : (...) -> tensor<1x8x4x4xf32> {
      %2 = qnn.conv %a, %c, %d {...} : (...) -> tensor<1x8x4x4xf32>
      %3 = qnn.relu %2 : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
      kernel.yield %3 : tensor<1x8x4x4xf32>
    }
    ```
    A region without any float value claims `integer_only`. Each region gets a remark with its template and operations. Refuses operations of other dialects than qnn, dyadic and kernel.
  }];
  let dependentDialects = ["::bitwright::kernel::KernelDialect"];
}
