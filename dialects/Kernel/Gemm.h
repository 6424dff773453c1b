//===- Gemm.h - kernels of a GPU, described --------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_KERNEL_GEMM_H
#define BITWRIGHT_DIALECTS_KERNEL_GEMM_H

#include "dialects/Kernel/Kernel.h"
#include "mlir/IR/SymbolTable.h"

namespace bitwright::kernel {
class EmitOp;
}

#define GET_OP_CLASSES
#include "dialects/Kernel/KernelGemm.h.inc"

#endif
