//===- Kernel.td - all operations of the kernel dialect, for its reference -===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

include "dialects/Kernel/KernelDevice.td"
include "dialects/Kernel/KernelGemm.td"
include "dialects/Kernel/KernelOps.td"
