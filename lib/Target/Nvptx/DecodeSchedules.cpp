//===- DecodeSchedules.cpp - which decode kernel serves which M --------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// One CTA on each multiprocessor, equal shares of the weights, 12 to 16 warps: what won on every Llama-3-8B layer
// measured on an H200 (KERNELS 4.5). A share costs what its CTA reads: codes and scales from memory, activations from
// L2, and the exchange of a cluster where two CTAs share K. More CTAs along the rows read more activations, a cluster
// of two halves them.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Decode.h"
#include "lib/Target/Nvptx/Schedules.h"
#include <tuple>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

namespace {
/// How a layer is cut.
struct Shape {
  int64_t rowWarps, depthWarps, split;
  double cost;
};

struct Layer {
  int64_t n, k, lhsBytes;
  double bytesPerCode; ///< with scales
  Arch arch;
};
} // namespace

// An exchange through shared memory of the cluster takes about as long as reading so many bytes at 1/132 of the
// memory's rate; activations come from L2 at 1.4 times that rate.
static constexpr double exchangeBytes = 20e3, lhsWeight = 0.7;

/// Warps along K: as many as fit `warps`, with little left idle by a K that they do not divide.
static int64_t depthWarpsFor(int64_t units, int64_t warps) {
  int64_t best = 1;
  double most = 0;
  for (int64_t count = 1; count <= std::max<int64_t>(warps, 1) && count <= units; ++count) {
    double busy = double(units) / double(llvm::divideCeil(units, count));
    if (busy > most) {
      most = busy;
      best = count;
    }
  }
  return best;
}

static SmallVector<Shape> shapes(const Layer &layer, int64_t tokens, int64_t warps) {
  const int64_t multiprocessors = layer.arch == Arch::Sm90a ? 132 : 108;
  SmallVector<Shape> result;
  for (int64_t split = 1; split <= (layer.arch == Arch::Sm90a ? 2 : 1); ++split) {
    if (layer.k / 128 % split)
      continue;
    for (int64_t rowWarps = 1; rowWarps <= 8; ++rowWarps) {
      int64_t ctas = llvm::divideCeil(layer.n, 32 * rowWarps) * split;
      int64_t waves = llvm::divideCeil(ctas, multiprocessors), stretch = layer.k / split;
      double codes = double(32 * rowWarps * stretch) * layer.bytesPerCode;
      double tokensRead = lhsWeight * double(tokens * stretch * layer.lhsBytes);
      double cost = double(waves) * (codes + tokensRead + (split > 1 ? exchangeBytes : 0));
      result.push_back({rowWarps, depthWarpsFor(stretch / 128, warps / rowWarps), split, cost});
    }
  }
  llvm::sort(result, [](const Shape &a, const Shape &b) {
    return std::tie(a.cost, a.split, a.rowWarps) < std::tie(b.cost, b.split, b.rowWarps);
  });
  return result;
}

/// Loads in flight, chunks and stages for a warp of `units` units.
static void setDepth(ScheduleFields &fields, int64_t units, bool integerLhs, Arch arch) {
  int64_t tokens = fields.tileM;
  bool even = units % 2 == 0;
  if (tokens <= 8)
    fields.inFlight = integerLhs ? (even && units >= 4 ? 2 : 1) : units >= 16 ? 2 : 1;
  else if (tokens <= 16)
    fields.inFlight = integerLhs && even && units >= 8 ? 2 : 1;
  else
    fields.inFlight = tokens <= 32 && units >= 2 ? 2 : 1;
  if (arch == Arch::Sm80) { // chunks of cp.async in a ring
    fields.chunk = 256;
    fields.stages = 3;
  } else if (tokens <= 16) { // all tokens resident, row by row: no rows beyond M are filled
    fields.chunk = units > 4 ? 512 : 0;
  } else if (units >= 8 || tokens > 32) {
    fields.chunk = units >= 8 ? 256 : 128;
    fields.stages = units >= 8 ? 4 : 6;
  }
}

/// A ring where the tokens do not fit at once; fewer stages, then smaller chunks, until the kernel fits.
static bool fit(Operation *op, ScheduleFields &fields, Arch arch) {
  for (;;) {
    if (supports(op, fields.get(op->getContext(), arch)).empty())
      return true;
    if (fields.stages == 0) {
      fields.chunk = 128;
      fields.stages = 6;
    } else if (fields.stages > 2) {
      --fields.stages;
    } else if (fields.chunk > 128) {
      fields.chunk = 128;
    } else {
      return false;
    }
  }
}

Schedules bitwright::nvptx::proposeDecode(Operation *op, Arch arch, bool candidates) {
  Schedules result;
  auto gemm = dyn_cast<kernel::GemmOp>(op);
  if (!gemm || gemm.getSegments().size() != 1)
    return result;
  kernel::SegmentAttr segment = gemm.getSegment(0);
  if (!segment.getRhs().isInteger(4) || segment.getK() % 128)
    return result;
  bool integerLhs = segment.getLhs().isInteger(8);
  Layer layer{int64_t(gemm.getN()), segment.getK(), integerLhs ? 1 : 2, 0.5, arch};
  if (segment.getGroup()) {
    double bits = segment.getGrouping() == kernel::Grouping::TwoLevel ? 8 : segment.getScale().getIntOrFloatBitWidth();
    bits += segment.getGrouping() == kernel::Grouping::Scale ? 0 : 8;
    layer.bytesPerCode += bits / 8 / double(segment.getGroup());
  }
  auto add = [&](ScheduleFields fields) {
    auto schedule = fields.get(op->getContext(), arch);
    if (fit(op, fields, arch) && !llvm::is_contained(result, schedule = fields.get(op->getContext(), arch)))
      result.push_back(schedule);
  };
  int64_t last = 0;
  for (int64_t tokens : {8, 16, 32, 64}) {
    // Beyond, wgmma with weights from registers is faster where it covers the scheme; sums of tokens for zero points
    // leave too few registers.
    bool zeroPoint = segment.getGrouping() == kernel::Grouping::ScaleZeroPoint;
    if (tokens > 32 && !candidates && (!integerLhs || !segment.getScale() || zeroPoint || arch == Arch::Sm80))
      break;
    ScheduleFields fields;
    fields.kind = kernel::GpuTemplate::Decode;
    fields.mLo = last + 1;
    fields.mHi = last = fields.tileM = tokens;
    fields.pdl = arch == Arch::Sm90a;
    SmallVector<Shape> best = shapes(layer, tokens, tokens <= 16 ? 16 : 8);
    // More tokens need more registers: half the warps, but where a long K keeps 16 busy with one load ahead.
    if (tokens == 32 && integerLhs && !zeroPoint && arch == Arch::Sm90a)
      for (Shape &shape : best)
        if (int64_t depth = depthWarpsFor(layer.k / 128 / shape.split, 16 / shape.rowWarps);
            layer.k / 128 / shape.split / depth >= 16)
          shape.depthWarps = depth;
    auto with = [&](const Shape &shape) {
      ScheduleFields now = fields;
      now.warpsM = shape.rowWarps;
      now.warpsK = shape.depthWarps;
      now.splitK = now.cluster = shape.split;
      setDepth(now, llvm::divideCeil(layer.k / 128 / shape.split, shape.depthWarps), integerLhs, arch);
      if ((zeroPoint && tokens > 8) || (tokens > 16 && shape.rowWarps * shape.depthWarps > 8))
        now.inFlight = 1;
      return now;
    };
    add(with(best.front()));
    if (!candidates)
      continue;
    // Half the warps leave room for the next kernel's CTA: its first loads then run under the end of this one
    // (programmatic dependent launch).
    using Chunks = SmallVector<std::pair<int64_t, int64_t>>; // and stages
    Chunks chunks = tokens <= 8    ? Chunks{{0, 0}, {512, 0}}
                    : tokens <= 16 ? Chunks{{0, 0}, {512, 0}, {256, 4}, {128, 5}}
                                   : Chunks{{0, 0}, {512, 0}, {128, 6}, {256, 4}};
    SmallVector<Shape> tried(ArrayRef<Shape>(best).take_front(3));
    if (best.front().depthWarps > 1) {
      tried.push_back(best.front());
      tried.back().depthWarps /= 2;
    }
    for (const Shape &shape : tried) {
      if (shape.cost > 1.2 * best.front().cost)
        continue;
      ScheduleFields base = with(shape);
      add(base);
      int64_t units = llvm::divideCeil(layer.k / 128 / shape.split, shape.depthWarps);
      for (int64_t inFlight : {1, 2, 4})
        for (auto [chunk, stages] : chunks) {
          base.inFlight = inFlight;
          base.chunk = chunk;
          base.stages = arch == Arch::Sm80 ? std::max<int64_t>(2, stages) : stages;
          if (inFlight <= units && chunk < 128 * units && supports(op, base.get(op->getContext(), arch)).empty())
            add(base);
        }
    }
  }
  return result;
}
