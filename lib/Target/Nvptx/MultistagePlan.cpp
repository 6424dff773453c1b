//===- MultistagePlan.cpp - what an mma.sync kernel covers ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/NumberFormats/NumberFormat.h"
#include "lib/Target/Nvptx/Multistage.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::Grouping;
using kernel::Place;
using layout::LinearLayout;
using layout::Packing;
using std::to_string;

static std::string text(Type type) {
  std::string out;
  llvm::raw_string_ostream(out) << type;
  return out;
}

/// Bits of the physical row inside a block of 32 for each bit of the logical one: physical 8 j + 2 t + e holds the
/// logical row 8 t + 2 j + e.
static const unsigned physicalBit[5] = {0, 3, 4, 1, 2};

/// Element (row, k) of a 32 x 128 tile of packed codes; `bitOf(physical row bit)` and `columnBit` place them.
static LinearLayout fragmentLayout(ArrayRef<unsigned> rowBits, ArrayRef<unsigned> columnBits) {
  LinearLayout layout;
  for (unsigned i = 0; i < 5; ++i)
    layout.rowBasis.push_back(1u << rowBits[physicalBit[i]]);
  for (unsigned bit : columnBits)
    layout.columnBasis.push_back(1u << bit);
  return layout;
}

static Packing packingOf(const MultistageSegment &s, int64_t n) {
  Packing packing;
  packing.rows = n;
  packing.columns = s.attr.getK();
  unsigned bits = s.attr.getRhs().getIntOrFloatBitWidth();
  packing.bits = bits;
  switch (s.feed) {
  case Feed::Direct:
  case Feed::NibblePairs: {
    // Rows of 128 bytes and their multiples; rows permuted inside blocks of 32.
    unsigned columnBits = llvm::Log2_32(128 * 8 / bits);
    packing.order = Packing::Order::Pitched;
    packing.tile.columnBasis.resize(columnBits);
    for (unsigned i = 0; i < columnBits; ++i)
      packing.tile.columnBasis[i] = 1u << i;
    for (unsigned i = 0; i < 5; ++i)
      packing.tile.rowBasis.push_back(1u << (columnBits + physicalBit[i]));
    packing.pitch = packing.tileColumns() * packing.tile.columns();
    break;
  }
  case Feed::NibblesToS8:
  case Feed::TwoLevel:
    // A word a lane, n-tile and 32 k: byte i holds k = 4t + i below and 16 + 4t + i above; four n-tiles make 16 bytes.
    packing.tile = fragmentLayout({7, 8, 9, 3, 4}, {1, 2, 5, 6, 0, 10, 11});
    break;
  case Feed::NibblesToHalf:
    // Nibbles p and p + 4 of a word make one register of two halves (k = 2t, 2t + 1): p = 0, 1 the two registers of the
    // first 16 k, p = 2, 3 those of the second.
    packing.tile = fragmentLayout({7, 8, 9, 3, 4}, {2, 5, 6, 0, 1, 10, 11});
    packing.bias = 8;
    packing.fill = 8;
    break;
  case Feed::BytesToHalf:
    // A word a lane, n-tile and 16 k: bytes 0, 1 the first register, 2, 3 the second.
    packing.tile = fragmentLayout({6, 7, 8, 2, 3}, {0, 4, 5, 1, 9, 10, 11});
    packing.bias = 128;
    packing.fill = 128;
    break;
  }
  return packing;
}

/// Scales or zero points: 32 columns of one group together; four groups a tile, so that a tile of K never reads past
/// the end. For the mma's operand a lane reads its four n-tiles at 4 (lane / 4), for the sums its eight columns at 8 t.
static Packing groupPacking(int64_t n, int64_t groups, unsigned bits, bool forOperand, int64_t bias) {
  Packing packing;
  packing.rows = n;
  packing.columns = groups;
  packing.bits = bits;
  packing.bias = packing.fill = bias;
  static const unsigned operand[5] = {2, 3, 4, 0, 1};
  for (unsigned i = 0; i < 5; ++i)
    packing.tile.rowBasis.push_back(1u << (forOperand ? operand[physicalBit[i]] : i));
  packing.tile.columnBasis = {32, 64};
  return packing;
}

static std::string planSegment(kernel::ScheduleAttr schedule, MultistagePlan &plan, MultistageSegment &s) {
  kernel::SegmentAttr attr = s.attr;
  Type lhs = attr.getLhs(), rhs = attr.getRhs();
  Grouping grouping = attr.getGrouping();
  bool scaled = grouping == Grouping::Scale || grouping == Grouping::ScaleZeroPoint;
  bool half = lhs.isF16() || lhs.isBF16();
  s.zeroPoint = grouping == Grouping::ScaleZeroPoint;
  s.lhsBits = lhs.getIntOrFloatBitWidth();
  using Mma = KernelWriter::Mma;
  s.mma = lhs.isF16() ? Mma::F16 : lhs.isBF16() ? Mma::BF16 : Mma::S8;

  if (lhs == rhs && (half || lhs.isInteger(8) || lhs.isInteger(4))) {
    s.feed = Feed::Direct;
    if (lhs.isInteger(4)) {
      // From sm_90 on ptxas writes an s4 mma as a call of about 170 instructions (KERNELS 1).
      s.feed = plan.arch == Arch::Sm80 ? Feed::Direct : Feed::NibblePairs;
      s.mma = plan.arch == Arch::Sm80 ? Mma::S4 : Mma::S8;
      s.shift = plan.arch == Arch::Sm80 ? 0 : 8;
    }
  } else if (lhs.isInteger(8) && rhs.isInteger(4)) {
    s.feed = grouping == Grouping::TwoLevel ? Feed::TwoLevel : Feed::NibblesToS8;
    s.shift = s.feed == Feed::NibblesToS8 ? 4 : 0;
  } else if (half && (rhs.isInteger(4) || rhs.isInteger(8))) {
    s.feed = rhs.isInteger(4) ? Feed::NibblesToHalf : Feed::BytesToHalf;
  } else {
    return "expected operands i8 x i8, i8 x i4, i4 x i4, f16 or bf16 x the same, i8 or i4, found " + text(lhs) + " x " +
           text(rhs);
  }
  if (grouping == Grouping::TwoLevel && s.feed != Feed::TwoLevel)
    return "expected operands i8 x i4 for two_level groups, found " + text(lhs) + " x " + text(rhs);
  if (scaled) {
    s.partial = attr.getPlace() == Place::PartialSums;
    s.scaledBefore = !s.partial;
    if (half && s.feed == Feed::Direct)
      return "expected integer weights for groups with scales, found " + text(rhs);
    if (s.scaledBefore && !half)
      return "expected place partial_sums for groups with float scales under an integer left operand";
    if (s.scaledBefore && attr.getScale() != lhs)
      return "expected scales of the left operand's type " + text(lhs) + " for place before_mma, found " +
             text(attr.getScale());
    s.scaleBytes = attr.getScale().getIntOrFloatBitWidth() / 8;
  }
  if (!plan.integer && !half && !s.partial)
    return "expected segments of one accumulator type, found exact integers beside floats (segment " +
           to_string(s.index) + ")";

  // The tile along K.
  s.stepK = 256 / s.lhsBits;
  s.tileK = schedule.getTileK();
  if (!s.tileK) {
    s.tileK = 512 / s.lhsBits;
    if (attr.getGroup() && attr.getGroup() % s.tileK && s.tileK % attr.getGroup())
      s.tileK /= 2;
  }
  s.rowBytes = s.tileK * s.lhsBits / 8;
  if (s.rowBytes != 32 && s.rowBytes != 64 && s.rowBytes != 128)
    return "expected a tile_k of 32, 64 or 128 bytes of the left operand, found " + to_string(s.tileK) +
           " elements of " + text(lhs);
  if (!s.direct() && s.tileK % 32)
    return "expected a tile_k that is a multiple of 32 for packed weights, found " + to_string(s.tileK);
  if (int64_t group = attr.getGroup()) {
    if (group % s.stepK)
      return "expected a group that is a multiple of " + to_string(s.stepK) + ", found " + to_string(group);
    if (group % s.tileK && s.tileK % group)
      return "expected tile_k to divide the group or the group to divide tile_k, found tile_k = " + to_string(s.tileK) +
             " and group = " + to_string(group);
    s.groups = attr.getK() / group;
    s.groupsPerTile = std::max<int64_t>(1, s.tileK / group);
    s.tilesPerGroup = std::max<int64_t>(1, group / s.tileK);
  }
  if (plan.warpsK > 1) {
    // A warp's steps are one run inside the tile, of one group; sums of a group are rounded once, so they stay in a
    // warp.
    if (s.steps() % plan.warpsK || (s.feed == Feed::NibblesToHalf && s.steps() / plan.warpsK % 2))
      return "expected warps_k to divide the " + to_string(s.steps()) + " steps of a tile of K" +
             (s.feed == Feed::NibblesToHalf ? " in pairs" : "") + ", found " + to_string(plan.warpsK);
    if (s.partial || s.groupsPerTile > 1)
      return "expected warps_k = 1 for place partial_sums and for several groups in a tile of K";
  }
  if (attr.getK() * s.lhsBits % 128)
    return "expected K to be a multiple of 16 bytes of the left operand (" + to_string(128 / s.lhsBits) +
           " elements of " + text(lhs) + "), found " + to_string(attr.getK());
  s.kBytes = attr.getK() * s.lhsBits / 8;
  s.tiles = llvm::divideCeil(s.kBytes, s.rowBytes);

  s.rhs = packingOf(s, plan.n);
  s.rhsStage = plan.tileM * s.rowBytes;
  s.scaleStage = s.rhsStage + plan.tileN * s.tileK * s.rhs.bits / 8;
  s.zeroStage = s.scaleStage;
  // Under two_level the scale S_g and the offset m_g + 128 are bytes.
  bool operandOrder = !s.partial;
  if (s.feed == Feed::TwoLevel)
    s.scaleBytes = 1;
  if (s.scaleBytes) {
    s.scale = groupPacking(plan.n, s.groups, s.scaleBytes * 8, operandOrder, 0);
    s.zeroStage += plan.tileN * s.groupsPerTile * s.scaleBytes;
  }
  s.stageBytes = s.zeroStage;
  if (s.zeroPoint || s.feed == Feed::TwoLevel) {
    // f16 and bf16 codes are moved by their zero point before the mma; integers keep it for the sums, where it meets
    // the group's sum of the left operand: exact for every i8 zero point.
    bool beforeMma = half || s.feed == Feed::TwoLevel;
    s.zero = groupPacking(plan.n, s.groups, 8, beforeMma, beforeMma ? 128 : 0);
    s.stageBytes += plan.tileN * s.groupsPerTile;
  }
  s.stageBytes = llvm::alignTo(s.stageBytes, 128);
  return "";
}

std::string bitwright::nvptx::planMultistage(kernel::GemmOp op, kernel::ScheduleAttr schedule, MultistagePlan &plan) {
  auto arch = parseArch(schedule.getArch());
  plan.arch = *arch;
  plan.n = op.getN();
  plan.integer = op.hasIntegerAccumulator();
  plan.tileM = schedule.getTileM();
  plan.tileN = schedule.getTileN();
  plan.stages = schedule.getStages();
  plan.raster = schedule.getRaster();
  plan.pdl = schedule.getPdl();
  if (schedule.getSplitK() != 1 || schedule.getCluster() != 1)
    return "expected split_k = 1 and cluster = 1";
  if (plan.pdl && plan.arch == Arch::Sm80)
    return "expected pdl = false: programmatic dependent launch needs sm_90a";
  if (plan.tileM <= 0 || plan.tileM % 16 || plan.tileN <= 0 || plan.tileN % 32)
    return "expected tile_m in multiples of 16 and tile_n in multiples of 32, found " + to_string(plan.tileM) + " x " +
           to_string(plan.tileN);
  if (plan.stages < 2)
    return "expected at least 2 stages, found " + to_string(plan.stages);
  // Warp tiles of 64 x 32 (64 x 64 for wide tiles) unless the schedule says otherwise.
  plan.warpsM = schedule.getWarpsM() ? schedule.getWarpsM()
                                     : plan.tileM / (plan.tileM % 64 == 0 && plan.tileM > 64 ? 64
                                                     : plan.tileM % 32                       ? 16
                                                                                             : 32);
  plan.warpsN =
      schedule.getWarpsN() ? schedule.getWarpsN() : plan.tileN / (plan.tileN % 64 == 0 && plan.tileN > 128 ? 64 : 32);
  if (plan.tileM % (16 * plan.warpsM) || plan.tileN % (32 * plan.warpsN))
    return "expected warp tiles in multiples of 16 x 32, found " + to_string(plan.tileM) + " x " +
           to_string(plan.tileN) + " over " + to_string(plan.warpsM) + " x " + to_string(plan.warpsN) + " warps";
  plan.warpsK = std::max<int64_t>(1, schedule.getWarpsK());
  if (int64_t warps = plan.warpsM * plan.warpsN * plan.warpsK; warps > 32)
    return "expected at most 1024 threads, found " + to_string(warps * 32);
  plan.threads = unsigned(plan.warpsM * plan.warpsN * plan.warpsK * 32);
  if (int64_t columns = int64_t(llvm::divideCeil(plan.n, plan.tileN)); columns > 65535)
    return "expected at most 65535 columns of tiles, found " + to_string(columns);

  bool partial = false;
  for (auto [i, attr] : llvm::enumerate(op.getSegments().getAsRange<kernel::SegmentAttr>())) {
    MultistageSegment segment;
    segment.attr = attr;
    segment.index = unsigned(i);
    segment.lhsOffset = plan.pitch;
    if (std::string failed = planSegment(schedule, plan, segment); !failed.empty())
      return failed;
    plan.pitch += segment.kBytes;
    plan.sharedBytes = std::max<unsigned>(plan.sharedBytes, unsigned(segment.stageBytes * plan.stages));
    // 2^shift |code| <= 128 and |x| <= 128 (2^4 each for pairs of nibbles).
    const int64_t deepest = largestExactDepth(integerFormat("s8"), integerFormat("s8"));
    if (int64_t k = segment.partial ? attr.getGroup() : op.getK(); segment.shift && k > deepest)
      return "expected K (or the group of partial sums) <= " + to_string(deepest) +
             " for 4-bit weights summed as 16 x code in i32, found " + to_string(k);
    partial |= segment.partial;
    plan.segments.push_back(std::move(segment));
  }
  if (plan.integer)
    llvm::sort(plan.segments, [](const MultistageSegment &a, const MultistageSegment &b) {
      return a.shift != b.shift ? a.shift > b.shift : a.index < b.index;
    });

  unsigned registers = plan.accumulators() * (partial ? 2 : 1), limit = std::min(255u, 65536u / plan.threads) - 48;
  if (registers > limit)
    return "expected at most " + to_string(limit) + " accumulators a thread beside fragments and addresses, found " +
           to_string(registers);
  plan.sharedBytes = std::max(plan.sharedBytes, plan.reductionBytes());
  // 99 KB is what every 8.x chip has.
  unsigned shared = plan.arch == Arch::Sm80 ? 99 * 1024 : 227 * 1024;
  if (plan.sharedBytes > shared)
    return "expected at most " + to_string(shared) + " bytes of shared memory on " + nameOf(plan.arch).str() +
           ", found " + to_string(plan.sharedBytes);
  for (Type type : op.getResultsAttr().getAsValueRange<TypeAttr>()) {
    unsigned bits = type.getIntOrFloatBitWidth();
    if (bits != 4 && bits != 8 && bits != 16 && bits != 32)
      return "expected results of 4, 8, 16 or 32 bits, found " + text(type);
    if (bits == 4 && plan.n % 2)
      return "expected an even N for results of 4 bits, found " + to_string(plan.n);
  }
  for (auto operand : op.getOperandsAttr().getAsRange<kernel::OperandAttr>())
    if (unsigned bits = operand.getType().getIntOrFloatBitWidth(); bits % 8 || bits > 64)
      return "expected operands of 8 to 64 bits, found " + text(operand.getType());
  return "";
}

std::string bitwright::nvptx::supportsMultistage(Operation *op, kernel::ScheduleAttr schedule) {
  MultistagePlan plan;
  return planMultistage(cast<kernel::GemmOp>(op), schedule, plan);
}
