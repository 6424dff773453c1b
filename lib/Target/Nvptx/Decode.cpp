//===- Decode.cpp - a template of GPU kernels -------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelWriter.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

std::string bitwright::nvptx::supportsDecode(Operation *, kernel::ScheduleAttr) { return "not written yet"; }
EmittedKernel bitwright::nvptx::emitDecode(Operation *, kernel::ScheduleAttr, ModuleOp, StringRef) { return {}; }
