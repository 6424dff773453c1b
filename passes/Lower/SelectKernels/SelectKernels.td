//===- SelectKernels.td - which regions a GPU runs, and as what ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def SelectKernels : Pass<"select-kernels", "::mlir::ModuleOp"> {
  let summary = "Describes every fused region that a GPU can run as a kernel.gemm or kernel.rows";
  let description = [{
    For each `kernel.fused` that is not an alias: a region around one product with constant weights (`dyadic.linear`, `dyadic.linear_two_level`,
    `dyadic.linear_groups` with its `qnn.combine_groups`, `qnn.linear` of f16 or bf16) becomes a `kernel.gemm` of the module with the rest of the region as scalar arithmetic;
    an elementwise region, or `qnn.quantize_dynamic` with elementwise producers, becomes a `kernel.rows`. Leading dimensions are one M; the last one, N, must be static.
    Equal kernels are one. The region itself stays: it is what the CPU runs and what the interpreter checks. It gets

      gpu_kernel    the symbol
      gpu_bindings  what the kernel's parameters are: `lhs` (number of an operand of the region), and `rhs`, `group_scale`, `group_zero_point`
                    (one a segment), `operands`: numbers of operands or names of constants in the weight store (what the pass made of attributes:
                    multipliers, shifts, biases with the zero point folded in, tables)
      gpu_m         M as an affine map of the function's symbols

    or `gpu_reason`, the first predicate that failed. Either is also a remark (category `gpu`). Nothing is done without `targets`.
  }];
  let options = [ListOption<"targets", "targets", "std::string", "GPU architectures: sm_80, sm_90a">];
  let dependentDialects = ["::bitwright::kernel::KernelDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}
