//===- KernelBase.td - the kernel dialect ----------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_KERNEL_KERNELBASE_TD
#define BITWRIGHT_DIALECTS_KERNEL_KERNELBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::bitwright::kernel";
  let useDefaultAttributePrinterParser = 1;
  let summary = "Fused regions, their layouts, templates and schedules; kernels of a GPU and their instructions";
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::LLVM::LLVMDialect"];
  let extraClassDeclaration = [{
  private:
    void addGemmOperations();
  public:
  }];
}

#endif
