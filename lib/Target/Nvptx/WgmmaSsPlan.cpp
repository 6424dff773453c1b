//===- WgmmaSsPlan.cpp - what wgmma_ss covers, and how ----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/WgmmaSs.h"
#include "llvm/ADT/Twine.h"
#include <numeric>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::OperandKind;

static constexpr unsigned sharedLimit = 232448; // bytes of shared memory of one CTA on sm_90

/// Registers that a thread of a consumer can keep for accumulators and results not stored yet: 232 (two consumers,
/// after setmaxnreg) or 255 (one) less what addresses and the loop need.
static unsigned keptRegisters(unsigned consumers) { return consumers == 2 ? 192 : 208; }

static std::string describe(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static unsigned bytesOf(Type type) {
  if (!type.isIntOrFloat())
    return 0;
  unsigned bits = type.getIntOrFloatBitWidth();
  return bits == 8 || bits == 16 || bits == 32 || bits == 64 ? bits / 8 : 0;
}

layout::Packing SsPlan::packing() const {
  layout::Packing packing;
  packing.rows = n;
  packing.columns = packing.pitch = k;
  packing.bits = 8 * elementBytes;
  packing.order = layout::Packing::Order::Pitched;
  // Accumulator 4j + w of a thread (t = lane % 4) is packed column 8j + 2t + w: the columns of a group are dealt out in
  // pairs, so that t ends up with `span` of them side by side. Bits of the column in the group, lowest first: w, the
  // pair's block j, the thread t.
  unsigned inner = llvm::Log2_32(16 / elementBytes), groupBits = llvm::Log2_32(group);
  unsigned rowBits = std::max(groupBits, unsigned(llvm::countr_zero(tileN)));
  for (unsigned i = 0; i < inner; ++i)
    packing.tile.columnBasis.push_back(1u << i);
  for (unsigned i = 0; i < rowBits; ++i) {
    unsigned bit = i == 0 || i >= groupBits ? i : i <= groupBits - 3 ? i + 2 : i - (groupBits - 3);
    packing.tile.rowBasis.push_back(1u << (bit + inner));
  }
  return packing;
}

SsPlan bitwright::nvptx::planWgmmaSs(kernel::GemmOp op, kernel::ScheduleAttr schedule, std::string &failed) {
  SsPlan plan;
  auto expect = [&](bool holds, const Twine &what) {
    if (!holds && failed.empty())
      failed = ("expected " + what).str();
    return failed.empty();
  };
  plan.op = op;
  if (!expect(schedule.getArch() == "sm_90a", "architecture sm_90a, found " + schedule.getArch()) ||
      !expect(op.getSegments().size() == 1, "one segment, found " + Twine(op.getSegments().size())))
    return plan;
  kernel::SegmentAttr segment = op.getSegment(0);
  Type lhs = segment.getLhs();
  if (!expect(segment.getPlace() == kernel::Place::None && segment.getGrouping() == kernel::Grouping::None,
              "a segment with place none and grouping none, found place " + kernel::stringifyPlace(segment.getPlace()) +
                  " and grouping " + kernel::stringifyGrouping(segment.getGrouping())) ||
      !expect(lhs.isInteger(8) || lhs.isF16() || lhs.isBF16(),
              "operands of type i8, f16 or bf16, found " + describe(lhs)))
    return plan;
  plan.kind = lhs.isInteger(8) ? KernelWriter::Wgmma::S8
              : lhs.isF16()    ? KernelWriter::Wgmma::F16
                               : KernelWriter::Wgmma::BF16;
  plan.elementBytes = lhs.isInteger(8) ? 1 : 2;
  plan.accumulator = op.getEpilogue().front().getArgument(0).getType();
  plan.n = op.getN();
  plan.k = segment.getK();
  unsigned step = plan.stepElements();
  plan.steps = llvm::divideCeil(plan.k, step);
  if (!expect(plan.k * plan.elementBytes % 16 == 0,
              "rows of the left operand of a multiple of 16 bytes (TMA), found K = " + Twine(plan.k) + " of " +
                  describe(lhs)))
    return plan;

  plan.tileM = schedule.getTileM();
  plan.tileN = schedule.getTileN();
  plan.stages = schedule.getStages();
  plan.splitK = schedule.getSplitK();
  plan.pdl = schedule.getPdl();
  plan.consumers = schedule.getWarpsM() ? schedule.getWarpsM() : plan.tileM == 64 ? 1 : 2;
  if (!expect(plan.consumers == 1 || plan.consumers == 2,
              "one or two consumer warp groups along M (warps_m), found " + Twine(plan.consumers)) ||
      !expect(schedule.getWarpsN() <= 1 && schedule.getWarpsK() <= 1,
              "consumer warp groups along M only, found warps_n = " + Twine(schedule.getWarpsN()) +
                  ", warps_k = " + Twine(schedule.getWarpsK())) ||
      !expect(plan.tileM && plan.tileM % (64 * plan.consumers) == 0 && plan.tileM <= 256,
              "tile_m of a multiple of 64 rows for each consumer and at most 256, found " + Twine(plan.tileM)) ||
      !expect(plan.tileN >= 16 && plan.tileN <= 256 && plan.tileN % 16 == 0,
              "tile_n of a multiple of 16 from 16 to 256, found " + Twine(plan.tileN)) ||
      !expect(!schedule.getTileK() || schedule.getTileK() == step,
              "tile_k = " + Twine(step) + " (128 bytes), found " + Twine(schedule.getTileK())) ||
      !expect(plan.splitK == 1 || plan.splitK == 2, "split_k of 1 or 2, found " + Twine(plan.splitK)) ||
      !expect(schedule.getCluster() == 1 || schedule.getCluster() == plan.splitK,
              "a cluster of split_k = " + Twine(plan.splitK) + " CTAs, found " + Twine(schedule.getCluster())))
    return plan;
  plan.blocks = plan.tileM / (64 * plan.consumers);
  plan.slice = plan.tileN / plan.splitK;
  if (!expect(plan.slice % 16 == 0,
              "tile_n / split_k of a multiple of 16, found " + Twine(plan.tileN) + " / " + Twine(plan.splitK)) ||
      !expect(plan.splitK == 1 || plan.blocks == 1,
              "64 rows for each consumer with split_k, found " + Twine(64 * plan.blocks)) ||
      !expect(plan.splitK <= plan.steps, "at least one step along K for each of split_k = " + Twine(plan.splitK) +
                                             " CTAs, found K = " + Twine(plan.k)) ||
      !expect(plan.blocks * plan.accumulators() <= 128,
              "at most 128 accumulators for each thread of a consumer, found " +
                  Twine(plan.blocks * plan.accumulators())))
    return plan;
  plan.tokenRows = schedule.getTokenRows() ? schedule.getTokenRows() : plan.tileM;
  if (!expect(plan.tokenRows % 8 == 0 && plan.tokenRows <= plan.tileM,
              "token_rows of a multiple of 8 up to tile_m, found " + Twine(plan.tokenRows)) ||
      !expect(plan.tokenRows == plan.tileM || (schedule.getMHi() && schedule.getMHi() <= int64_t(plan.tokenRows)),
              "m_hi of at most token_rows = " + Twine(plan.tokenRows) + ", found " + Twine(schedule.getMHi())))
    return plan;
  plan.raster = schedule.getRaster() ? schedule.getRaster() : std::max(1u, 2048 / plan.tileM);
  plan.ragged = plan.n % plan.tileN != 0;

  // Results: columns of a thread come to 16 bytes of the narrowest, or as near as the slice allows.
  unsigned narrowest = 4;
  for (auto type : op.getResultsAttr().getAsValueRange<TypeAttr>()) {
    unsigned bytes = bytesOf(type);
    if (!expect(bytes == 1 || bytes == 2 || bytes == 4, "results of 8, 16 or 32 bits, found " + describe(type)))
      return plan;
    narrowest = std::min(narrowest, bytes);
    plan.results.push_back({type, bytes, std::gcd(16u, unsigned(plan.n * bytes % 16)), 0});
  }
  plan.group = 64 / narrowest;
  while (plan.slice % plan.group)
    plan.group /= 2;
  plan.span = plan.group / 4;
  unsigned kept = 0; // words of a group of columns
  bool words = true; // every store is made of whole words
  for (SsPlan::Result &result : plan.results) {
    result.words = plan.span * result.bytes / 4;
    result.unit = std::gcd(result.unit, plan.span * result.bytes);
    kept += plan.blocks * 2 * result.words;
    words &= result.unit >= 4;
  }
  // Results that wait need registers beside the next tile's accumulators, and a next tile: with few tokens, or K
  // shared, a CTA has only one. As many groups of columns wait as there is room for; 64 words are what was measured.
  unsigned inUse = plan.blocks * plan.accumulators();
  // Element operands need registers too: in a ragged tile each load has an address of its own, and with few steps along
  // K ptxas moves the loads together.
  if (llvm::any_of(op.getOperandsAttr().getAsRange<kernel::OperandAttr>(),
                   [](auto operand) { return operand.getKind() == OperandKind::Element; }))
    inUse += plan.ragged ? 64 : plan.steps < 8 ? 32 : 0;
  unsigned room = std::min(64u, keptRegisters(plan.consumers) - inUse), waiting = 0;
  // Sums stored as they are would have to stay in the very registers that the next tile's wgmma writes: ptxas gives up.
  bool raw = llvm::is_contained(op.getEmit().getValues(), op.getEpilogue().front().getArgument(0));
  if (words && !raw && plan.splitK == 1 && plan.tokenRows == plan.tileM)
    waiting = std::min(plan.groups(), room / kept);
  plan.firstPending = plan.groups() - waiting;
  for (unsigned block = 0; block < plan.groups(); ++block)
    for (unsigned row = 0; row < 2 * plan.blocks; ++row)
      for (auto [r, result] : llvm::enumerate(plan.results))
        for (unsigned first = 0, n = std::max(result.unit / 4, 1u); first < result.words; first += n)
          (block < plan.firstPending ? plan.atOnce : plan.pending).push_back({unsigned(r), block, row, first, n});
  // Two 16-byte stores a step when there are many, else one: enough to hide, and few peeled steps. Half of the steps at
  // least stay a loop: peeled altogether they would take more registers.
  if (waiting)
    plan.storeSteps =
        std::clamp(llvm::divideCeil(waiting * kept, waiting * kept > 32 ? 8u : 4u), 1u, std::max(1u, plan.steps / 2));

  // Shared memory.
  plan.lhsBytes = plan.tileM * 128;
  plan.rhsBytes = plan.tileN * 128;
  plan.stageBytes = plan.lhsBytes + plan.rhsBytes;
  plan.barriers = plan.stages * plan.stageBytes;
  plan.exchangeBarrier = plan.barriers + 16 * plan.stages;
  plan.receive = llvm::alignTo(plan.exchangeBarrier + 16, 128);
  plan.columns = plan.receive + (plan.splitK - 1) * plan.exchangePieces() * 16 * 128 * plan.consumers;
  unsigned tableBytes = 0;
  for (auto operand : op.getOperandsAttr().getAsRange<kernel::OperandAttr>()) {
    unsigned bytes = bytesOf(operand.getType());
    if (!expect(bytes, "epilogue operands of 8, 16, 32 or 64 bits, found " + describe(operand.getType())))
      return plan;
    SsPlan::Operand &entry = plan.operands.emplace_back(SsPlan::Operand{operand.getKind(), operand.getType(), bytes});
    if (operand.getKind() == OperandKind::Column) {
      entry.shared = plan.columnBytes;
      plan.columnBytes += plan.slice * bytes;
    } else if (operand.getKind() == OperandKind::Table) {
      entry.shared = tableBytes;
      tableBytes += 256 * bytes;
    }
  }
  plan.tables = plan.columns + 2 * plan.consumers * plan.columnBytes;
  plan.total = plan.tables + tableBytes;
  expect(plan.stages >= 2, "at least two stages, found " + Twine(plan.stages)) &&
      expect(plan.total <= sharedLimit, "at most " + Twine(sharedLimit) + " bytes of shared memory, found " +
                                            Twine(plan.total) + " for " + Twine(plan.stages) + " stages of " +
                                            Twine(plan.stageBytes));
  return plan;
}

std::string bitwright::nvptx::supportsWgmmaSs(Operation *op, kernel::ScheduleAttr schedule) {
  auto gemm = dyn_cast<kernel::GemmOp>(op);
  if (!gemm)
    return "expected kernel.gemm";
  std::string failed;
  planWgmmaSs(gemm, schedule, failed);
  return failed;
}
