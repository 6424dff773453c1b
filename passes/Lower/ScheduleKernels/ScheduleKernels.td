//===- ScheduleKernels.td - which code serves which M ----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "mlir/Pass/PassBase.td"

def ScheduleKernels : Pass<"schedule-kernels", "::mlir::ModuleOp"> {
  let summary = "Gives every kernel.gemm and kernel.rows its schedules, by table or by a static model";
  let description = [{
    For each architecture of `targets` and each range of M that the kernel's launches can have: the entry of `table` with the kernel's signature that covers the
    range, where there is one and its template covers the kernel; what the table leaves open comes from the templates' own proposals. Further proposals for the
    same range go to `schedule_alternatives` (one list a schedule), for `lower-kernels-to-nvvm` to take when a schedule spills. A kernel that no template covers
    on some architecture is a remark with the first predicate that failed, kept as `gpu_reason`.

    The table is JSON: `{"entries": [{"chip": "H200", "arch": "sm_90a", "signature": "...", "schedule": "#kernel.schedule<...>"}, ...]}`. Entries without a chip
    serve all chips of the architecture; with option `chip` its entries come first. Each remark of the pass names the signature.
  }];
  let options = [ListOption<"targets", "targets", "std::string", "GPU architectures: sm_80, sm_90a">,
                 Option<"table", "table", "std::string", "\"\"", "JSON file of schedules by chip and signature">,
                 Option<"chip", "chip", "std::string", "\"\"", "the chip whose entries count first">];
  let dependentDialects = ["::bitwright::kernel::KernelDialect"];
}
