//===- Schedules.h - which schedule serves which M --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The static part of scheduling: what ships where no table has an entry. Each template proposes schedules with the
// range of M that they are best for (in its own file); proposals are taken in the order of the list in Schedules.cpp, a
// later one serving only what earlier ones left open.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_SCHEDULES_H
#define BITWRIGHT_LIB_TARGET_NVPTX_SCHEDULES_H

#include "lib/Target/Nvptx/Nvptx.h"

namespace bitwright::nvptx {

/// What decides how fast a schedule is, as text: sizes, types, groups and how much the epilogue reads and stores. The
/// key of schedule tables: "gemm n4096 k4096 i8xi4 two_level 128 row:f32 column:f32 -> f16".
std::string signatureOf(mlir::Operation *kernel);

using Schedules = llvm::SmallVector<kernel::ScheduleAttr>;

/// Schedules of `op` (kernel.gemm or kernel.rows) for separate ranges of M, in ascending order; only what `supports`.
Schedules defaultSchedules(mlir::Operation *op, Arch arch);
/// What is worth timing: the proposals of all templates and their variations, with the range of M each can serve.
Schedules candidateSchedules(mlir::Operation *op, Arch arch);

// Proposals of the templates (each in its template's files). `candidates`: all worth timing, not only the best.
Schedules proposeMultistage(mlir::Operation *op, Arch arch, bool candidates);
Schedules proposeWgmmaSs(mlir::Operation *op, Arch arch, bool candidates);
Schedules proposeWgmmaRs(mlir::Operation *op, Arch arch, bool candidates);
Schedules proposeDecode(mlir::Operation *op, Arch arch, bool candidates);
Schedules proposeRows(mlir::Operation *op, Arch arch, bool candidates);

/// The fields of a schedule, to be filled in and turned into the attribute.
struct ScheduleFields {
  kernel::GpuTemplate kind = kernel::GpuTemplate::Multistage;
  int64_t mLo = 1, mHi = 0, tileM = 0, tileN = 0, tileK = 0, stages = 0, warpsM = 0, warpsN = 0, warpsK = 0;
  int64_t cluster = 1, splitK = 1, inFlight = 0, chunk = 0, raster = 0, tokenRows = 0;
  bool pdl = false;

  static ScheduleFields of(kernel::ScheduleAttr schedule);
  kernel::ScheduleAttr get(mlir::MLIRContext *context, Arch arch) const;
};

} // namespace bitwright::nvptx

#endif
