//===- Device.h - GPU instructions that nvvm lacks -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_KERNEL_DEVICE_H
#define BITWRIGHT_DIALECTS_KERNEL_DEVICE_H

#include "dialects/Kernel/Kernel.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"

#define GET_OP_CLASSES
#include "dialects/Kernel/KernelDevice.h.inc"

#endif
