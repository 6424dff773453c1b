//===- WgmmaRsPlan.cpp - what wgmma_rs covers, and how its weights lie ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/NumberFormats/NumberFormat.h"
#include "lib/Target/Nvptx/Schedules.h"
#include "lib/Target/Nvptx/WgmmaRs.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::rs;
using kernel::Grouping;
using kernel::Place;

static std::string text(Type type) {
  std::string result;
  llvm::raw_string_ostream(result) << type;
  return result;
}
static std::string expected(const llvm::Twine &what, int64_t found) {
  return ("expected " + what + ", found " + llvm::Twine(found)).str();
}

std::string rs::plan(kernel::GemmOp op, kernel::ScheduleAttr schedule, Plan &p) {
  if (schedule.getArch() != "sm_90a")
    return "expected sm_90a, found " + schedule.getArch().str();
  if (op.getSegments().size() != 1)
    return expected("one segment", int64_t(op.getSegments().size()));
  kernel::SegmentAttr segment = op.getSegment(0);
  p.lhs = segment.getLhs();
  if (!segment.getRhs().isInteger(4) && (p.lhs.isInteger() || !segment.getRhs().isInteger(8)))
    return std::string("expected weights of i4") + (p.lhs.isInteger() ? "" : " or i8") + ", found " +
           text(segment.getRhs());
  p.codeBits = segment.getRhs().getIntOrFloatBitWidth();
  p.n = op.getN();
  p.k = segment.getK();
  p.group = segment.getGroup();
  Grouping grouping = segment.getGrouping();
  if (p.lhs.isInteger(8)) {
    if (grouping == Grouping::Scale || grouping == Grouping::ScaleZeroPoint)
      return "expected two_level groups or none for tokens of i8, found groups with float scales (their sums would be "
             "scaled in f32 once a group)";
    p.scheme = grouping == Grouping::TwoLevel ? Scheme::TwoLevelS8 : Scheme::ChannelS8;
    // 16 x code in [-128, 112], tokens in [-128, 127]: no more than products of two s8.
    const int64_t deepest = largestExactDepth(integerFormat("s8"), integerFormat("s8"));
    if (p.scheme == Scheme::ChannelS8 && p.k > deepest)
      return expected("K of at most " + std::to_string(deepest) + " for sums of 16 x code in 32 bits", p.k);
  } else if (p.lhs.isF16() || p.lhs.isBF16()) {
    p.scheme = Scheme::Half;
    p.scaled = grouping != Grouping::None;
    p.zeroPoints = grouping == Grouping::ScaleZeroPoint;
    if (p.scaled && segment.getScale() != p.lhs)
      return "expected scales of the tokens' type " + text(p.lhs) + ", found " + text(segment.getScale());
    if (segment.getPlace() == Place::PartialSums)
      return "expected place before_mma (scales on the weights), found partial_sums";
  } else {
    return "expected tokens of i8, f16 or bf16, found " + text(p.lhs);
  }
  unsigned bytes = p.integer() ? 1 : 2;
  if (p.k * bytes % 16)
    return expected("K to be a multiple of " + llvm::Twine(16 / bytes) + " (rows of 16 bytes)", p.k);
  if (p.group && p.group < int64_t(p.stepK()) ? p.stepK() % p.group : p.group % p.stepK())
    return expected("groups that divide " + llvm::Twine(p.stepK()) + " or are its multiples", p.group);
  if (std::string failed = Epilogue::supports(op); !failed.empty())
    return failed;

  p.tokens = unsigned(schedule.getTileM());
  p.loadedTokens = schedule.getTokenRows() ? unsigned(schedule.getTokenRows()) : p.tokens;
  p.warpgroups = schedule.getWarpsN() ? unsigned(schedule.getWarpsN()) : 2;
  p.stages = unsigned(schedule.getStages());
  p.raster = schedule.getRaster() ? unsigned(schedule.getRaster()) : 8;
  // Two in flight leave 256 clocks to fetch and unpack a step's first k-block; no more registers than one.
  p.pending = schedule.getInFlight() ? unsigned(schedule.getInFlight()) : 2;
  p.pdl = schedule.getPdl();
  if (p.tokens < 8 || p.tokens > 256 || p.tokens % (p.tokens > 32 ? 16 : 8))
    return expected("tile_m in 8, 16, 24, 32, 48, ..., 256", p.tokens);
  if (p.loadedTokens > p.tokens || p.loadedTokens % 8)
    return expected("token_rows to be a multiple of 8 of at most tile_m", p.loadedTokens);
  if (p.loadedTokens < p.tokens && (!schedule.getMHi() || schedule.getMHi() > p.loadedTokens))
    return expected("token_rows >= m_hi", p.loadedTokens);
  if (p.warpgroups < 1 || p.warpgroups > 3)
    return expected("1 to 3 consumer warpgroups (warps_n)", p.warpgroups);
  if (schedule.getTileN() <= 0 || schedule.getTileN() % (64 * p.warpgroups))
    return expected("tile_n to be a multiple of 64 a consumer warpgroup", schedule.getTileN());
  p.blocks = unsigned(schedule.getTileN()) / (64 * p.warpgroups);
  if (schedule.getTileK() && schedule.getTileK() != p.stepK())
    return expected("tile_k = " + llvm::Twine(p.stepK()), schedule.getTileK());
  if (p.blocks * p.accumulators() > (p.warpgroups == 3 ? 64 : 128))
    return expected("at most " + llvm::Twine(p.warpgroups == 3 ? 64 : 128) + " accumulators a lane (tile_m * tile_n)",
                    p.blocks * p.accumulators());
  if (p.stages < 2)
    return expected("at least 2 stages", p.stages);
  if (p.pending > 3)
    return expected("at most 3 groups of wgmma in flight (in_flight)", p.pending);
  p.splitK = unsigned(schedule.getSplitK());
  if (p.splitK < 1 || p.splitK > 2 || schedule.getCluster() != p.splitK)
    return expected("split_k of 1 or 2 and a cluster of as many CTAs", schedule.getSplitK());
  if (p.splitK > 1) {
    if (p.tokens % 16 || p.loadedTokens != p.tokens)
      return expected("tile_m to be a multiple of 16 and token_rows 0 with split_k", p.tokens);
    if (p.steps() < 6)
      return expected("at least 6 steps of K with split_k", p.steps());
  }
  if (schedule.getWarpsM() > 1 || schedule.getWarpsK() > 1)
    return expected("warps_m and warps_k of 1", std::max(schedule.getWarpsM(), schedule.getWarpsK()));
  p.operandBytes = Epilogue::operandBytes(op, p);
  if (p.sharedBytes() > 232448)
    return expected("at most 232448 bytes of shared memory", p.sharedBytes());
  return "";
}

// Bits of a 64-row block: channel = h + 2 g + 16 w. Position bits as the consumers' 16-byte shared loads want them:
// every lane its own 16 bytes, lanes and warps next to each other.
static std::vector<uint32_t> channelBits(uint32_t half, unsigned lane) {
  return {half, 4u << lane, 8u << lane, 16u << lane, 32u << lane, 64u << lane};
}

layout::Packing Plan::codes() const {
  layout::Packing packing;
  packing.rows = n;
  packing.columns = k;
  packing.bits = codeBits;
  if (codeBits == 8) {
    // A k-block is two words: (row g: k 2t, 2t + 1; row g + 8: the same), then k + 8.
    packing.tile.rowBasis = channelBits(2, 4);
    packing.tile.columnBasis = {1, 1u << 4, 2u << 4, 4, 8, 1u << 11};
    packing.bias = packing.fill = 128;
    return packing;
  }
  if (integer()) {
    // Nibble of a word: h + 2 * byte; words of a k-block: k and k + 16 of its 32; 4 words (two k-blocks) a load.
    // k = byte (2 bits), t (2 bits), word, k-block (2 bits).
    packing.tile.rowBasis = channelBits(1, 5);
    packing.tile.columnBasis = {2, 4, 1u << 5, 2u << 5, 8, 16, 1u << 12};
    return packing;
  }
  // A word is a k-block: bits 0-3 and 16-19 row g, k 2t and 2t + 1; 4-7, 20-23 row g + 8; the others k + 8.
  packing.tile.rowBasis = channelBits(1, 5);
  packing.tile.columnBasis = {4, 1u << 5, 2u << 5, 2, 8, 16};
  packing.bias = packing.fill = 8;
  return packing;
}

static layout::Packing groups(const Plan &plan, unsigned bits, int64_t bias) {
  layout::Packing packing;
  packing.rows = plan.n;
  packing.columns = (plan.k + plan.group - 1) / plan.group;
  packing.bits = bits;
  packing.bias = packing.fill = bias;
  for (unsigned i = 0; i < 6; ++i)
    packing.tile.rowBasis.push_back(1u << i);
  for (unsigned i = 1; i < plan.groupsPerStep(); i *= 2)
    packing.tile.columnBasis.push_back(64 * i);
  return packing;
}
layout::Packing Plan::scales() const { return groups(*this, integer() ? 8 : 16, 0); }
// Two-level: the byte 128 + m_g of the multiply-add. Half: an unsigned byte.
layout::Packing Plan::zeros() const { return groups(*this, 8, 128); }

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

static constexpr int64_t multiprocessors = 132; // of a Hopper SXM card

/// The fields with as many stages as fit (at most `most`), or none at all.
static bool fillStages(kernel::GemmOp op, ScheduleFields &fields, int64_t most) {
  for (fields.stages = most; fields.stages >= 2; --fields.stages) {
    Plan unused;
    if (plan(op, fields.get(op.getContext(), Arch::Sm90a), unused).empty())
      return true;
  }
  return false;
}

Schedules bitwright::nvptx::proposeWgmmaRs(Operation *operation, Arch arch, bool candidates) {
  auto op = dyn_cast<kernel::GemmOp>(operation);
  if (!op || arch != Arch::Sm90a)
    return {};
  struct Shape {
    int64_t warpgroups, blocks;
  };
  static constexpr Shape shapes[] = {{1, 1}, {2, 1}, {2, 2}};
  Schedules result;
  auto fill = [&](int64_t tokens, Shape shape, int64_t splitK) {
    ScheduleFields fields;
    fields.kind = kernel::GpuTemplate::WgmmaRs;
    fields.tileM = tokens;
    fields.tileN = 64 * shape.warpgroups * shape.blocks;
    fields.warpsN = shape.warpgroups;
    fields.raster = std::max<int64_t>(1, 2048 / tokens); // tokens of a raster group stay in the L2
    fields.splitK = fields.cluster = splitK;
    fields.pdl = true;
    return fields;
  };
  if (candidates) {
    for (int64_t tokens : {16, 32, 64, 96, 128, 192, 256})
      for (Shape shape : shapes)
        for (auto [inFlight, splitK] : {std::pair<int64_t, int64_t>(0, 1), {1, 1}, {3, 1}, {0, 2}}) {
          ScheduleFields fields = fill(tokens, shape, splitK);
          fields.inFlight = inFlight;
          if (splitK == 2 && tokens > 128)
            continue;
          if (fillStages(op, fields, 8))
            result.push_back(fields.get(op.getContext(), arch));
        }
    return result;
  }
  // Clocks of the busiest multiprocessor: a step takes its products (8192 of 8 bits a clock) or its loads (about 40
  // bytes a clock from the L2), whichever is longer; a tile also fills and drains the ring and runs its epilogue.
  auto clocks = [&](const ScheduleFields &fields, int64_t m) {
    Plan p;
    plan(op, fields.get(op.getContext(), arch), p);
    int64_t tiles = llvm::divideCeil(m, fields.tileM) * llvm::divideCeil(op.getN(), fields.tileN);
    int64_t products = fields.tileM * fields.tileN / 32;
    int64_t loads = (p.tokenBytes() + p.rowBlocks() * (p.codeBytes() + p.scaleBytes() + p.zeroBytes())) / 40;
    int64_t waves = llvm::divideCeil(tiles * p.splitK, multiprocessors);
    int64_t steps = llvm::divideCeil(p.steps(), int64_t(p.splitK)), exchange = p.splitK > 1 ? 2500 : 0;
    // Results of two full blocks are stored at once instead of under the next tile.
    int64_t epilogue = fields.tileM * fields.tileN / (p.blocks > 1 && fields.tileM >= 128 ? 12 : 24);
    return waves * (steps * std::max(products, loads) + epilogue + exchange) + 1500;
  };
  struct Bucket {
    int64_t lo, hi;
    llvm::SmallVector<int64_t, 2> tokens;
  };
  const Bucket buckets[] = {{1, 8, {8}},
                            {9, 16, {16}},
                            {17, 32, {32}},
                            {33, 64, {64}},
                            {65, 96, {96}},
                            {97, 128, {128, 64}},
                            {129, 192, {192, 96}},
                            {193, 256, {256, 128}},
                            {257, 512, {256, 128}},
                            {513, 1024, {256, 128}},
                            {1025, 0, {256}}};
  for (const Bucket &bucket : buckets) {
    int64_t m = bucket.hi ? bucket.hi : 4096, best = 0;
    ScheduleFields chosen;
    for (int64_t tokens : bucket.tokens)
      for (auto [shape, splitK] :
           {std::pair(shapes[0], 1), {shapes[1], 1}, {shapes[2], 1}, {shapes[0], 2}, {shapes[1], 2}}) {
        ScheduleFields fields = fill(tokens, shape, splitK);
        if ((splitK > 1 && tokens > 128) || !fillStages(op, fields, 8))
          continue;
        int64_t cost = clocks(fields, m);
        if (!best || cost < best) {
          best = cost;
          chosen = fields;
        }
      }
    if (!best)
      continue;
    chosen.mLo = bucket.lo;
    chosen.mHi = bucket.hi;
    result.push_back(chosen.get(op.getContext(), arch));
  }
  return result;
}
