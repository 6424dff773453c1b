//===- WgmmaSsSchedules.cpp - which wgmma_ss kernel serves which M ----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The rule that picked the fastest kernel on every Llama-3-8B layer measured on an H200 (KERNELS 4.3): as many CTAs as
// fill the GPU in whole waves. With few tokens that fixes the width of a tile; where it would become narrow, two CTAs
// share a tile's K instead.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Schedules.h"
#include "lib/Target/Nvptx/WgmmaSs.h"
#include <limits>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

static constexpr int64_t multiprocessors = 132; // of a Hopper SXM card

namespace {
/// One kernel for M in [lo, hi]; hi = 0: without bound.
struct Bucket {
  int64_t lo, hi, tileM, tokenRows;
};
} // namespace

// Boxes of the token operand end at M: TMA fills rows beyond M with zeros, which is slower than loading them.
static constexpr Bucket ranges[] = {{1, 16, 64, 16},      {17, 32, 64, 32},   {33, 64, 64, 0},     {65, 128, 128, 0},
                                    {129, 256, 128, 0},   {257, 512, 128, 0}, {513, 1024, 128, 0}, {1025, 2048, 128, 0},
                                    {2049, 4096, 128, 0}, {4097, 0, 128, 0}};

/// Stages that fit beside what the epilogue needs. With few tokens two CTAs should fit on a multiprocessor, so that the
/// next kernel's first loads run before this one has ended (programmatic dependent launch).
static int64_t stagesFor(kernel::GemmOp op, ScheduleFields fields, Arch arch) {
  int64_t most = fields.tileM == 64 ? 8 : 6, fitting = 0, shared = 0;
  for (fields.stages = 2; fields.stages <= most; ++fields.stages) {
    std::string failed;
    SsPlan plan = planWgmmaSs(op, fields.get(op.getContext(), arch), failed);
    constexpr unsigned half = 113 * 1024;
    if (!failed.empty() || (fields.tileM == 64 && fitting >= 4 && shared <= half && plan.total > half))
      break;
    fitting = fields.stages;
    shared = plan.total;
  }
  return fitting;
}

/// What a kernel takes, up to a factor: the columns that the busiest multiprocessor computes, with 32 more a tile for
/// its start and its end.
static int64_t cost(int64_t n, int64_t m, int64_t tileM, int64_t tileN) {
  int64_t tiles = llvm::divideCeil(m, tileM) * llvm::divideCeil(n, tileN);
  return llvm::divideCeil(tiles, multiprocessors) * (tileN + 32);
}

/// Width and share of K of the tiles for M up to `m`.
static void chooseWidth(int64_t n, int64_t m, ScheduleFields &fields) {
  int64_t rows = llvm::divideCeil(m, fields.tileM);
  if (rows == 1) {
    // The narrowest tile of which one wave covers N.
    int64_t width = llvm::alignTo(llvm::divideCeil(n, multiprocessors), 16);
    if (width < 48) {
      fields.tileN = 2 * width;
      fields.splitK = 2;
      return;
    }
    // 128 rows by more than 192 columns measured slower than two waves of 128.
    if (width <= (fields.tileM == 128 ? 192 : 256)) {
      fields.tileN = width;
      return;
    }
  }
  int64_t best = std::numeric_limits<int64_t>::max();
  for (int64_t width : {256, 224, 192, 160, 128, 96, 64, 48, 32})
    if (int64_t now = cost(n, m, fields.tileM, width); now < best) {
      if (rows == 1 && fields.tileM == 128 && width > 192)
        continue;
      best = now;
      fields.tileN = width;
    }
}

static bool isProduct(Operation *op, Arch arch) { return arch == Arch::Sm90a && isa<kernel::GemmOp>(op); }

Schedules bitwright::nvptx::proposeWgmmaSs(Operation *op, Arch arch, bool candidates) {
  Schedules result;
  if (!isProduct(op, arch))
    return result;
  auto gemm = cast<kernel::GemmOp>(op);
  int64_t n = gemm.getN();
  auto add = [&](ScheduleFields fields) {
    fields.stages = stagesFor(gemm, fields, arch);
    if (fields.stages)
      result.push_back(fields.get(op->getContext(), arch));
  };
  for (const Bucket &range : ranges) {
    ScheduleFields fields;
    fields.kind = kernel::GpuTemplate::WgmmaSs;
    fields.mLo = range.lo;
    fields.mHi = range.hi;
    fields.tileM = range.tileM;
    fields.tokenRows = range.tokenRows;
    fields.warpsM = range.tileM / 64;
    // With many tiles the next kernel's early CTAs take multiprocessors from the last tiles of this one: 4 to 9 %
    // slower at M = 2048 on an H200, faster up to 512.
    fields.pdl = range.hi && range.hi <= 512;
    if (range.hi)
      chooseWidth(n, range.hi, fields);
    else
      fields.tileN = 256;
    ScheduleFields chosen = fields;
    // A K too short to share, or a region too heavy for the width: narrower and unshared.
    if (stagesFor(gemm, chosen, arch) == 0) {
      chosen.tileN = std::min<int64_t>(chosen.tileN, 128) / chosen.splitK;
      chosen.splitK = 1;
    }
    add(chosen);
    if (!candidates) {
      // One kernel serves neighbouring ranges for which it is the choice.
      if (result.size() >= 2) {
        ScheduleFields previous = ScheduleFields::of(result[result.size() - 2]),
                       last = ScheduleFields::of(result.back());
        int64_t lo = previous.mLo;
        previous.mLo = last.mLo;
        previous.mHi = last.mHi;
        if (previous.get(op->getContext(), arch) == result.back()) {
          last.mLo = lo;
          result.pop_back();
          result.back() = last.get(op->getContext(), arch);
        }
      }
      continue;
    }
    int64_t m = range.hi ? range.hi : 8192;
    // Other groups of tile rows, where there are more rows than one holds.
    for (int64_t raster : {8, 32})
      if (m > 2048) {
        ScheduleFields variation = chosen;
        variation.raster = raster;
        add(variation);
      }
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int64_t width = 32; width <= 256; width += 32)
      least = std::min(least, cost(n, m, range.tileM, width));
    for (int64_t width : {32, 48, 64, 96, 112, 128, 160, 192, 224, 256})
      for (int64_t split : {1, 2}) {
        // What keeps the tensor cores half as busy as the best, or shares K among more CTAs than run at once, cannot
        // win.
        int64_t tiles = llvm::divideCeil(m, range.tileM) * llvm::divideCeil(n, width);
        if (split == 1 ? 2 * cost(n, m, range.tileM, width) > 3 * least
                       : tiles * split > multiprocessors || 3 * tiles * split < multiprocessors)
          continue;
        ScheduleFields variation = fields;
        variation.tileN = width;
        variation.splitK = split;
        add(variation);
      }
  }
  return result;
}
