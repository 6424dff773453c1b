//===- KernelOps.td - one fused region is one kernel -----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_KERNEL_KERNELOPS_TD
#define BITWRIGHT_DIALECTS_KERNEL_KERNELOPS_TD

include "dialects/Kernel/KernelAttributes.td"
include "dialects/Qnn/SymbolicShapes.td"

def Kernel_FusedOp : Op<Kernel_Dialect, "fused", [IsolatedFromAbove, SingleBlock, Pure,
    DeclareOpInterfaceMethods<SymbolicShapeOpInterface, ["inferSymbolicShapes"]>]> {
  let summary = "a region of qnn and dyadic operations that becomes one kernel";
  let description = [{
    Tensors in, tensors out; the body is ordinary qnn/dyadic IR that the interpreter runs, ended by `kernel.yield`. Block argument i is operand i; constants
    may stand inside the body (scalars, tables) or come in as operands (weights). Lowering replaces the body, never the boundary.
    `operand_layouts` and `result_layouts` (set by `assign-layouts`): for each value the order of its logical dimensions in memory, outermost first;
    absent or identity means row-major. They do not change what the operation means.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, OptionalAttr<Kernel_Template>:$kind, OptionalAttr<ArrayAttr>:$operand_layouts,
                       OptionalAttr<ArrayAttr>:$result_layouts);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Block &getBlock() { return getBody().front(); }
    ::bitwright::kernel::YieldOp getYield();
    /// Memory order of the dimensions of operand or result i (identity when not assigned).
    ::llvm::SmallVector<int64_t> getOperandLayout(unsigned i);
    ::llvm::SmallVector<int64_t> getResultLayout(unsigned i);
  }];
}

def Kernel_YieldOp : Op<Kernel_Dialect, "yield", [Pure, Terminator]> {
  let summary = "the results of a fused region (or of the body that an exec.launch keeps)";
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}

#endif
