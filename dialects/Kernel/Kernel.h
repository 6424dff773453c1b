//===- Kernel.h - fused regions and their layouts --------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_KERNEL_KERNEL_H
#define BITWRIGHT_DIALECTS_KERNEL_KERNEL_H

#include "dialects/Qnn/Qnn.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace bitwright::kernel {
class YieldOp;
}

#include "dialects/Kernel/KernelEnums.h.inc"

#include "dialects/Kernel/KernelDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Kernel/KernelAttributes.h.inc"

#define GET_OP_CLASSES
#include "dialects/Kernel/KernelOps.h.inc"

#endif
