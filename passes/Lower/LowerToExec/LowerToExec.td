//===- LowerToExec.td - kernels compiled, buffers planned ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def LowerToExec : Pass<"lower-to-exec", "::mlir::ModuleOp"> {
  let summary = "Compiles every fused region, plans the arena and writes the launch plan";
  let description = [{
    Replaces `func.func @main` by `exec.program @main`. Each `kernel.fused` that is not an alias becomes an `exec.launch`; regions whose code is the
    same text share a kernel, constants of equal bytes share a weight. Values between launches get arena offsets for their largest size (the
    upper bounds of the symbols); function results are written straight into the caller's buffers. Precondition: `assign-layouts` has run.

    A region with `gpu_kernel` (see `select-kernels`) whose kernel has been compiled by `lower-kernels-to-nvvm` also gets a GPU table: one row for each schedule, its
    parameters as buffers of the launch, weights of the program, tensor maps and numbers. Weights are shared with the CPU's kernels: their packed codes, in panels,
    are what the GPU's packer reads at upload.

    `isa`: the instruction set levels to compile for (avx2 is always needed: it is the fallback).
    Refuses a region that no template covers, with the reason at its operation.
  }];
  let options = [ListOption<"isa", "isa", "std::string", "instruction set levels: avx2, avx512vnni (default: both)">,
                 Option<"keepBodies", "keep-bodies", "bool", "false", "keep each launch's region, for the interpreter">];
  let dependentDialects = ["::bitwright::exec::ExecDialect", "::bitwright::kernel::KernelDialect", "::mlir::LLVM::LLVMDialect", "::mlir::scf::SCFDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::vector::VectorDialect", "::mlir::arith::ArithDialect"];
}
