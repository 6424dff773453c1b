//===- ScheduleKernels.h - which code serves which M ------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_LOWER_SCHEDULEKERNELS_H
#define BITWRIGHT_PASSES_LOWER_SCHEDULEKERNELS_H

#include "dialects/Kernel/Gemm.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace bitwright {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Lower/ScheduleKernels/ScheduleKernels.h.inc"

/// Other schedules for the range of each of `schedules`, best first: an array of arrays of a kernel.gemm or
/// kernel.rows.
constexpr llvm::StringLiteral scheduleAlternativesAttr = "schedule_alternatives";

} // namespace bitwright

#endif
