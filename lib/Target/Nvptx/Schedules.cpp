//===- Schedules.cpp - which schedule serves which M ------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Schedules.h"
#include <limits>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

ScheduleFields ScheduleFields::of(kernel::ScheduleAttr s) {
  return {s.getKind(),   s.getMLo(),    s.getMHi(),     s.getTileM(),  s.getTileN(),  s.getTileK(),
          s.getStages(), s.getWarpsM(), s.getWarpsN(),  s.getWarpsK(), s.getCluster(), s.getSplitK(),
          s.getInFlight(), s.getChunk(), s.getRaster(), s.getTokenRows(), s.getPdl()};
}
kernel::ScheduleAttr ScheduleFields::get(MLIRContext *context, Arch arch) const {
  return kernel::ScheduleAttr::get(context, nameOf(arch), kind, mLo, mHi, tileM, tileN, tileK, stages, warpsM, warpsN,
                                   warpsK, cluster, splitK, inFlight, chunk, raster, tokenRows, pdl);
}

/// The specialised templates first; multistage serves what they leave.
static constexpr Schedules (*proposals[])(Operation *, Arch, bool) = {proposeRows, proposeDecode, proposeWgmmaRs,
                                                                      proposeWgmmaSs, proposeMultistage};

Schedules bitwright::nvptx::candidateSchedules(Operation *op, Arch arch) {
  Schedules result;
  for (auto propose : proposals)
    for (kernel::ScheduleAttr schedule : propose(op, arch, /*candidates=*/true))
      if (supports(op, schedule).empty() && !llvm::is_contained(result, schedule))
        result.push_back(schedule);
  return result;
}

Schedules bitwright::nvptx::defaultSchedules(Operation *op, Arch arch) {
  constexpr int64_t unbounded = std::numeric_limits<int64_t>::max();
  Schedules taken;
  auto last = [&](kernel::ScheduleAttr s) { return s.getMHi() ? s.getMHi() : unbounded; };
  for (auto propose : proposals)
    for (kernel::ScheduleAttr schedule : propose(op, arch, /*candidates=*/false)) {
      if (!supports(op, schedule).empty())
        continue;
      // The parts of the proposal's range that nobody serves yet.
      SmallVector<std::pair<int64_t, int64_t>> open = {{schedule.getMLo(), last(schedule)}};
      for (kernel::ScheduleAttr other : taken) {
        SmallVector<std::pair<int64_t, int64_t>> rest;
        for (auto [lo, hi] : open) {
          if (last(other) < lo || other.getMLo() > hi) {
            rest.push_back({lo, hi});
            continue;
          }
          if (lo < other.getMLo())
            rest.push_back({lo, other.getMLo() - 1});
          if (last(other) < hi)
            rest.push_back({last(other) + 1, hi});
        }
        open = rest;
      }
      for (auto [lo, hi] : open) {
        ScheduleFields fields = ScheduleFields::of(schedule);
        fields.mLo = lo;
        fields.mHi = hi == unbounded ? 0 : hi;
        taken.push_back(fields.get(op->getContext(), arch));
      }
    }
  llvm::sort(taken, [](kernel::ScheduleAttr a, kernel::ScheduleAttr b) { return a.getMLo() < b.getMLo(); });
  return taken;
}

std::string bitwright::nvptx::signatureOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  auto rows = dyn_cast<kernel::RowsOp>(op);
  if (auto gemm = dyn_cast<kernel::GemmOp>(op)) {
    out << "gemm n" << gemm.getN();
    for (auto segment : gemm.getSegments().getAsRange<kernel::SegmentAttr>()) {
      out << " k" << segment.getK() << " " << segment.getLhs() << "x" << segment.getRhs();
      if (segment.getGroup())
        out << " " << kernel::stringifyGrouping(segment.getGrouping()) << " " << segment.getGroup();
      if (segment.getScale())
        out << " " << segment.getScale();
    }
  } else {
    out << (rows.getQuantize() ? "quantize_rows n" : "rows n") << rows.getN();
  }
  for (Attribute attr : op->getAttrOfType<ArrayAttr>("operands")) {
    auto operand = cast<kernel::OperandAttr>(attr);
    out << " " << kernel::stringifyOperandKind(operand.getKind()) << ":" << operand.getType();
  }
  out << " ->";
  for (Type type : op->getAttrOfType<ArrayAttr>("results").getAsValueRange<TypeAttr>())
    out << " " << type;
  return text;
}
