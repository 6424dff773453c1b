//===- LowerKernelsToNvvm.td - GPU kernels compiled ------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def LowerKernelsToNvvm : Pass<"lower-kernels-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "Compiles every schedule of every kernel.gemm and kernel.rows to PTX and cubins";
  let description = [{
    All kernels of an architecture become one PTX file and, where ptxas is found, one cubin. A schedule that spills registers or draws a warning of ptxas (among them
    that wgmma instructions are serialised) is dropped for the next of its `schedule_alternatives`, with a remark; where there is none it stays, with a remark
    (an error with `strict`). The code goes to the weight store; the module's `kernel.gpu_code` lists it (`{arch, kind, source}`): cubins of both architectures, the
    PTX of sm_80, which every later GPU can take, and the PTX of sm_90a where there is no cubin. Each kernel gets `gpu_launches`: for each of its schedules
    what a launch needs to know (`LaunchFacts.h`).
  }];
  let options = [Option<"strict", "strict", "bool", "false", "a kernel that spills or draws a warning in all its schedules is an error">];
}
