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

/// What decides how fast a schedule is, as text: sizes, types, groups and how much the epilogue reads and stores. The
/// key of schedule tables: "gemm n4096 k4096 i8xi4 two_level 128 row:f32 column:f32 -> f16".
std::string signatureOf(mlir::Operation *kernel);
} // namespace bitwright

#endif
