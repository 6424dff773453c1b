//===- MultistageSchedules.cpp - default schedules of mma.sync kernels ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A static model: the largest tile of which the result has enough for every multiprocessor, since a larger tile reads
// each operand fewer times; where no tile has enough, the smallest that covers the rows.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Schedules.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

namespace {
struct Tile {
  int64_t m, n, stages, warpsM, warpsN, bytesK, warpsK; ///< bytesK: bytes of the left operand along K
};
// From the largest. Small tiles are bound by memory: long rows, many bytes in flight.
constexpr Tile tiles[] = {{128, 256, 3, 2, 4, 64, 1}, {128, 128, 4, 2, 4, 64, 1}, {64, 128, 5, 2, 4, 64, 1},
                          {64, 64, 5, 2, 2, 64, 1},   {32, 128, 5, 1, 4, 64, 1},  {32, 64, 5, 1, 2, 128, 2},
                          {16, 128, 4, 1, 4, 128, 1}, {16, 64, 6, 1, 2, 128, 2},  {16, 32, 8, 1, 1, 128, 4}};
constexpr int64_t lastRows[] = {16, 32, 64, 128, 256, 512, 1024, 2048, 8192};
} // namespace

/// Elements of K of a tile: at most `bytes` of the left operand, fitting the groups of all segments.
static int64_t tileK(kernel::GemmOp op, int64_t bytes) {
  int64_t bits = 0;
  for (kernel::SegmentAttr s : op.getSegments().getAsRange<kernel::SegmentAttr>())
    bits = std::max<int64_t>(bits, s.getLhs().getIntOrFloatBitWidth());
  for (int64_t k = bytes * 8 / bits; k >= 32; k /= 2)
    if (llvm::all_of(op.getSegments().getAsRange<kernel::SegmentAttr>(), [&](kernel::SegmentAttr s) {
          return s.getGroup() == 0 || s.getGroup() % k == 0 || k % s.getGroup() == 0;
        }))
      return k;
  return 32;
}

Schedules bitwright::nvptx::proposeMultistage(Operation *operation, Arch arch, bool candidates) {
  auto op = dyn_cast<kernel::GemmOp>(operation);
  Schedules result;
  if (!op)
    return result;
  // Several warps along a tile's K where the segments allow it.
  auto schedule = [&](const Tile &tile, int64_t lo, int64_t hi) {
    ScheduleFields fields;
    fields.kind = kernel::GpuTemplate::Multistage;
    fields.mLo = lo;
    fields.mHi = hi;
    fields.tileM = tile.m;
    fields.tileN = tile.n;
    fields.tileK = tileK(op, tile.bytesK);
    fields.stages = tile.stages;
    fields.warpsM = tile.warpsM;
    fields.warpsN = tile.warpsN;
    // A wave of CTAs covers eight rows of tiles: what it reads of both operands fits L2.
    fields.raster = tile.m >= 64 && (!hi || hi > 16 * tile.m) ? 8 : 0;
    fields.pdl = arch == Arch::Sm90a;
    for (fields.warpsK = tile.warpsK; fields.warpsK > 1; fields.warpsK /= 2)
      if (kernel::ScheduleAttr found = fields.get(op.getContext(), arch); supports(op, found).empty())
        return found;
    fields.warpsK = 0;
    return fields.get(op.getContext(), arch);
  };
  if (candidates) {
    for (Tile tile : tiles)
      for (int64_t bytes : {64, 128})
        for (int64_t stages = 3; stages <= 6; ++stages) {
          tile.bytesK = bytes;
          tile.stages = stages;
          if (kernel::ScheduleAttr found = schedule(tile, 1, 0); supports(op, found).empty())
            result.push_back(found);
        }
    return result;
  }
  // A tenth of the multiprocessors may stay idle.
  int64_t enough = (arch == Arch::Sm80 ? 108 : 132) * 9 / 10, lo = 1;
  const Tile *before = nullptr;
  for (int64_t last : lastRows) {
    const Tile *best = nullptr;
    for (const Tile &tile : tiles) {
      if (tile.m > 16 && tile.m / 2 >= last) // more than half of the rows would be padding
        continue;
      if (!supports(op, schedule(tile, 1, 0)).empty())
        continue;
      best = &tile;
      if (int64_t(llvm::divideCeil(last, tile.m) * llvm::divideCeil(op.getN(), tile.n)) >= enough)
        break;
      if (tile.m * 2 <= last && tile.m <= 64 && tile.n <= 64) // smaller tiles would read the weights more often
        break;
    }
    if (!best)
      continue;
    int64_t hi = last == 8192 ? 0 : last;
    if (best == before)
      result.back() = schedule(*best, ScheduleFields::of(result.back()).mLo, hi);
    else
      result.push_back(schedule(*best, lo, hi));
    before = best;
    lo = last + 1;
  }
  return result;
}
