//===- Decode.cpp - template decode: plan, streams of weights, main loop -----===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Decode.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::decode;
using kernel::Grouping;
using kernel::Place;

static std::string found(const llvm::Twine &expected, const llvm::Twine &value) {
  return ("expected " + expected + ", found " + value).str();
}
static std::string spell(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

int64_t Plan::ctaGroups() const {
  if (!scaled)
    return 0;
  int64_t stretch = units * 128;
  return group >= stretch ? 1 : stretch / group;
}

static std::string planSegment(kernel::GemmOp op, Plan &plan) {
  if (op.getSegments().size() != 1)
    return found("one segment", llvm::Twine(op.getSegments().size()));
  kernel::SegmentAttr segment = op.getSegment(0);
  plan.n = op.getN();
  plan.k = segment.getK();
  plan.lhs = segment.getLhs();
  plan.grouping = segment.getGrouping();
  plan.group = segment.getGroup();
  plan.integerLhs = plan.lhs.isInteger(8);
  plan.bf16 = plan.lhs.isBF16();
  if (!segment.getRhs().isInteger(4))
    return found("weights of type i4", spell(segment.getRhs()));
  if (!plan.integerLhs && !plan.lhs.isF16() && !plan.bf16)
    return found("activations of type i8, f16 or bf16", spell(plan.lhs));
  plan.twoLevel = plan.grouping == Grouping::TwoLevel;
  plan.scaled = plan.grouping != Grouping::None;
  plan.zeroPoint = plan.grouping == Grouping::ScaleZeroPoint;
  plan.scaleType = plan.scaled && !plan.twoLevel ? segment.getScale() : Type();
  plan.exact = plan.integerLhs && (!plan.scaled || plan.twoLevel);
  if (plan.scaleType && !plan.scaleType.isF16() && !plan.scaleType.isBF16() && !plan.scaleType.isF32())
    return found("group scales of type f16, bf16 or f32", spell(plan.scaleType));
  if (plan.k % 128)
    return found("K to be a multiple of 128", llvm::Twine(plan.k));
  if (plan.n * plan.k / 2 >= int64_t(1) << 31)
    return found("less than 2^31 bytes of weights", llvm::Twine(plan.n) + " x " + llvm::Twine(plan.k) + " codes");
  // Codes are taken as 16 times their value (x16 of KERNELS 4.1): 128 * 128 * K must stay below 2^31.
  if (plan.exact && plan.k >= 131072)
    return found("K below 131072 for i32 sums", llvm::Twine(plan.k));
  if (plan.scaled && plan.group % 128 && 128 % plan.group)
    return found("groups of 32, 64 or a multiple of 128", llvm::Twine(plan.group));
  if (plan.twoLevel && plan.group % 128)
    return found("two-level groups to be multiples of 128", llvm::Twine(plan.group));
  for (unsigned i = 0; i < op.getResults().size(); ++i)
    if (op.getResultElement(i).isInteger(4) && plan.n % 2)
      return found("an even N for results of 4 bits", llvm::Twine(plan.n));
    else if (unsigned bits = op.getResultElement(i).getIntOrFloatBitWidth(); bits != 4 && (bits < 8 || bits > 32))
      return found("results of 4 to 32 bits", spell(op.getResultElement(i)));
  for (unsigned i = 0; i < op.getOperands().size(); ++i)
    if (Type type = op.getOperandAttr(i).getType(); type.getIntOrFloatBitWidth() < 8)
      return found("operands of 8 bits and more", spell(type));
  return "";
}

std::string decode::makePlan(Operation *operation, kernel::ScheduleAttr schedule, Plan &plan) {
  auto op = dyn_cast<kernel::GemmOp>(operation);
  if (!op)
    return found("kernel.gemm", operation->getName().getStringRef());
  plan.op = op;
  plan.arch = *parseArch(schedule.getArch());
  if (std::string failed = planSegment(op, plan); !failed.empty())
    return failed;

  plan.tokenTiles = schedule.getTileM() / 8;
  plan.rowWarps = schedule.getWarpsM();
  plan.depthWarps = schedule.getWarpsK();
  plan.split = schedule.getSplitK();
  plan.inFlight = schedule.getInFlight() ? schedule.getInFlight() : 1;
  plan.pdl = schedule.getPdl();
  int64_t tokens = schedule.getTileM();
  if (tokens % 8 || tokens < 8 || tokens > 64)
    return found("tile_m to be 8, 16, ..., 64 tokens", llvm::Twine(tokens));
  if (schedule.getMHi() < 1 || schedule.getMHi() > tokens)
    return found("1 <= m_hi <= tile_m", "m_hi = " + llvm::Twine(schedule.getMHi()));
  if (plan.rowWarps < 1 || plan.depthWarps < 1 || plan.warps() > 32)
    return found("1 to 32 warps (warps_m x warps_k)",
                 llvm::Twine(plan.rowWarps) + " x " + llvm::Twine(plan.depthWarps));
  if (schedule.getTileN() && schedule.getTileN() != plan.rows())
    return found("tile_n to be 32 warps_m or 0", llvm::Twine(schedule.getTileN()));
  if (plan.split != 1 && plan.split != 2)
    return found("split_k of 1 or 2", llvm::Twine(plan.split));
  if (schedule.getCluster() > 1 && schedule.getCluster() != plan.split)
    return found("cluster to be split_k", llvm::Twine(schedule.getCluster()));
  bool hopper = plan.arch == Arch::Sm90a;
  if (!hopper && plan.split != 1)
    return found("split_k = 1 without clusters", llvm::Twine(plan.split));
  if (!hopper && plan.pdl)
    return "expected pdl = false before sm_90a, found true";
  if (plan.k / 128 % plan.split)
    return found("K / 128 to be a multiple of split_k", llvm::Twine(plan.k / 128));
  plan.units = plan.k / 128 / plan.split;
  int64_t stretch = plan.units * 128;
  if (plan.scaled && stretch % plan.group && plan.group % stretch)
    return found("the group size and K / split_k to divide one another",
                 llvm::Twine(plan.group) + " and " + llvm::Twine(stretch));
  plan.warpUnits = (plan.units + plan.depthWarps - 1) / plan.depthWarps;
  plan.uniform = hopper && plan.warpUnits * plan.depthWarps == plan.units;
  plan.inFlight = std::min(plan.inFlight, plan.warpUnits);

  if (schedule.getChunk() % 128)
    return found("chunk to be a multiple of 128", llvm::Twine(schedule.getChunk()));
  plan.feed = !hopper ? Feed::Async : schedule.getStages() ? Feed::Tensor : Feed::Bulk;
  plan.chunkUnits = schedule.getChunk() ? std::min(schedule.getChunk() / 128, plan.warpUnits) : plan.warpUnits;
  plan.chunks = (plan.warpUnits + plan.chunkUnits - 1) / plan.chunkUnits;
  plan.stages = schedule.getStages() ? std::min(schedule.getStages(), plan.chunks) : plan.chunks;
  if (plan.feed == Feed::Async)
    plan.stages = std::max<int64_t>(2, schedule.getStages() ? schedule.getStages() : plan.chunks + 1);
  plan.ring = plan.feed != Feed::Async && plan.stages < plan.chunks;
  if (plan.stages > 60)
    return found("at most 60 stages", llvm::Twine(plan.stages));
  if (plan.feed == Feed::Tensor && plan.chunkUnits * plan.lhsBytes() > 256)
    return found("a chunk of at most 256 blocks of 128 bytes", llvm::Twine(plan.chunkUnits * plan.lhsBytes()));
  if (plan.feed == Feed::Tensor && plan.narrowGroups())
    return found("stages = 0 with groups of 32", llvm::Twine(schedule.getStages()));

  auto align = [](int64_t offset, int64_t to) { return (offset + to - 1) / to * to; };
  plan.scaleOffset = 1024;
  plan.zeroOffset = plan.scaleOffset + plan.rowWarps * plan.ctaGroups() * 32 * plan.scaleBytes();
  bool zeros = plan.zeroPoint || plan.twoLevel;
  int64_t end = plan.zeroOffset + (zeros ? plan.rowWarps * plan.ctaGroups() * 32 : 0);
  plan.lhsOffset = align(end, plan.feed == Feed::Tensor ? 1024 : 128);
  plan.sumOffset = align(plan.lhsOffset + plan.stages * plan.stageBytes(), 128);
  plan.sharedBytes = plan.sumOffset + plan.fragments() * plan.sources() * 512;
  int64_t limit = hopper ? 232448 : 101376; // 99 KB is what every 8.x chip has
  if (plan.sharedBytes > limit)
    return found("at most " + llvm::Twine(limit) + " bytes of shared memory", llvm::Twine(plan.sharedBytes));
  return "";
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

void Generator::setUp(const EmittedKernel &kernel) {
  auto given = KernelWriter::byRole(kernel, w.begin(kernel), 1);
  rhs = given.rhs[0];
  scales = given.groupScales[0];
  zeros = given.groupZeroPoints[0];
  lhsPointer = given.lhs;
  m = given.m;
  operands = std::move(given.operands);
  results = std::move(given.results);
  thread = w.threadId(unsigned(p.threads()));
  rank = p.split > 1 ? w.blockX() : w.constant(0);
  tile = w.blockY();
  shared = w.sharedMemory();
  warp = w.uniform(w.shru(thread, 5));
  lane = w.andi(thread, 31);
  g = w.shru(lane, 2);
  t = w.andi(lane, 3);
  depthWarp = w.divu(warp, p.rowWarps);
  rowWarp = w.sub(warp, w.mul(depthWarp, p.rowWarps));
  rowTile = w.add(w.mul(tile, p.rowWarps), rowWarp);
  if (p.ctas() * p.rowWarps !=
      p.rowTiles()) // the last CTA's warps beyond the rows repeat the last tile and store nothing
    rowTile = w.minu(rowTile, p.rowTiles() - 1);
  start = w.mul(depthWarp, p.warpUnits);
  count = w.constant(p.warpUnits);
  if (!p.uniform) {
    Value rest = w.sub(w.constant(p.units), start);
    count = w.select(w.ult(start, p.units), w.minu(rest, p.warpUnits), 0);
    start = w.minu(start, p.units - 1);
  }
  Value unit = w.add(w.add(w.mul(rowTile, p.k / 128), w.mul(rank, p.units)), start);
  stream = w.offset(rhs, w.add(w.mul(unit, 2048), w.mul(lane, 16)));
}

Generator::Words Generator::loadUnit(Value pointer, int64_t unit) {
  Words words;
  for (int64_t b = 0; b < 4; ++b)
    words.append(w.loadStream(pointer, unit * 2048 + b * 512));
  return words;
}

void Generator::unit(Value index, ArrayRef<Value> words, MutableArrayRef<Value> sums,
                     function_ref<void(int64_t)> between) {
  const int64_t tiles = p.tokenTiles;
  Value x = waitChunk(index);
  int64_t part = p.scaled && p.group < 128 ? p.group / 32 : 4; // quarters of 32 that share scales
  // Exact sums and unscaled floats run on through the mma; others start anew for each group.
  bool partial = p.scaled && !p.exact;
  SmallVector<Value> group(sums.begin(), sums.end()), tokenSums;
  GroupValues values;
  SmallVector<Values> tokens;
  for (int64_t b = 0; b < 4; ++b) {
    if (b % part == 0) {
      if (p.scaled)
        values = groupValues(index, b / part);
      if (partial) {
        group.assign(sumCount(), sumStart());
        tokenSums.assign(p.zeroPoint && p.integerLhs ? 4 * tiles : 0, sumStart());
      }
    }
    if (!p.integerLhs || b % 2 == 0)
      tokens = tokenWords(x, b);
    ArrayRef<Value> quarter = words.slice(4 * b, 4);
    struct Step {
      int64_t tile, word;
      Values codes;
    };
    SmallVector<Step> steps;
    for (int64_t i = 0; i < 2; ++i) {
      if (p.integerLhs)
        steps.push_back({i, 2 * (b % 2), operandsInteger(quarter[2 * i], quarter[2 * i + 1], values, i)});
      else
        for (int64_t j = 0; j < 2; ++j)
          steps.push_back({i, 2 * j, operandsFloat(quarter[2 * i + j], values, i)});
    }
    between(b);
    auto kind = p.integerLhs ? KernelWriter::Mma::S8 : p.bf16 ? KernelWriter::Mma::BF16 : KernelWriter::Mma::F16;
    auto multiply = [&](ArrayRef<Value> a, int64_t n, int64_t word, Value *target) {
      Values next = w.mmaSync(kind, a, ArrayRef<Value>(tokens[n]).slice(word, 2), ArrayRef<Value>(target, 4));
      std::copy(next.begin(), next.end(), target);
    };
    if (!tokenSums.empty()) { // 16 times the sum of the tokens' codes, as the products with the weights have it
      Value sixteen = splat(0x10101010);
      for (int64_t n = 0; n < tiles; ++n)
        multiply({sixteen, sixteen, sixteen, sixteen}, n, 2 * (b % 2), &tokenSums[4 * n]);
    }
    for (const Step &step : steps)
      for (int64_t n = 0; n < tiles; ++n)
        multiply(step.codes, n, step.word, &group[4 * (step.tile * tiles + n)]);
    if (partial && b % part == part - 1)
      addGroup(sums, group, tokenSums, values);
  }
  if (!partial)
    std::copy(group.begin(), group.end(), sums.begin());
}

static void append(Values &to, ArrayRef<Value> values) { to.append(values.begin(), values.end()); }

/// All warps have the same number of units: the loop is unrolled by the units in flight and the last round is peeled,
/// so that nothing is loaded twice and no load has a condition.
void Generator::mainLoopUniform() {
  const int64_t ahead = p.inFlight, rounds = p.warpUnits / ahead, rest = p.warpUnits - rounds * ahead;
  SmallVector<Words> raw;
  for (int64_t u = 0; u < ahead; ++u)
    raw.push_back(loadUnit(stream, u));
  startFeed();
  Values sums(sumCount(), p.exact ? w.constant(0) : w.constantF32(0));
  Value base = stream;
  if (rounds > 1) {
    Values init{stream};
    for (const Words &words : raw)
      append(init, words);
    append(init, sums);
    Values done = w.loop(0, (rounds - 1) * ahead, ahead, init, [&](Value i, ValueRange carried) {
      Value pointer = carried[0];
      Values next{w.offset(pointer, 2048 * ahead)};
      Values running(carried.take_back(sumCount()));
      for (int64_t u = 0; u < ahead; ++u) {
        Values words(carried.slice(1 + 16 * u, 16));
        Value index = w.add(i, u);
        unit(index, words, running,
             [&](int64_t b) { append(next, w.loadStream(pointer, (ahead + u) * 2048 + b * 512)); });
        release(index);
      }
      append(next, running);
      return next;
    });
    base = done[0];
    for (int64_t u = 0; u < ahead; ++u)
      raw[u].assign(done.begin() + 1 + 16 * u, done.begin() + 17 + 16 * u);
    sums.assign(done.end() - sumCount(), done.end());
  }
  SmallVector<Words> last(rest);
  for (int64_t u = 0; u < ahead + rest; ++u) {
    Value index = w.constant((rounds - 1) * ahead + u);
    unit(index, u < ahead ? raw[u] : last[u - ahead], sums, [&](int64_t b) {
      if (u < rest)
        last[u].append(w.loadStream(base, (ahead + u) * 2048 + b * 512));
    });
    release(index);
  }
  finalSums = sums;
}

/// Any number of units a warp: one unit a round, words in flight move up by one; loads beyond the stretch repeat its
/// last unit.
void Generator::mainLoopRolled() {
  const int64_t ahead = p.inFlight;
  auto pointerOf = [&](Value index) {
    Value clamped = w.minu(index, w.sub(w.constant(p.units - 1), start));
    return w.offset(stream, w.mul(clamped, 2048));
  };
  SmallVector<Words> raw;
  for (int64_t u = 0; u < ahead; ++u)
    raw.push_back(loadUnit(pointerOf(w.constant(u)), 0));
  startFeed();
  Values init;
  for (const Words &words : raw)
    append(init, words);
  append(init, Values(sumCount(), p.exact ? w.constant(0) : w.constantF32(0)));

  auto round = [&](Value index, ValueRange carried) {
    Value pointer = pointerOf(w.add(index, ahead));
    Values next(carried.slice(16, 16 * (ahead - 1))), running(carried.take_back(sumCount()));
    Values words(carried.take_front(16));
    unit(index, words, running, [&](int64_t b) { append(next, w.loadStream(pointer, b * 512)); });
    release(index);
    append(next, running);
    return next;
  };
  Values done;
  if (p.feed == Feed::Async) {
    done = w.loop(0, p.chunks, 1, init, [&](Value chunk, ValueRange carried) {
      w.waitCopies(unsigned(p.stages - 2));
      w.barrier(); // the chunk is there for all warps, and its predecessor's stage is free
      Value ahead = w.add(chunk, p.stages - 1);
      w.ifThen(w.ult(ahead, p.chunks), [&] { copyChunkAsync(ahead, w.remu(ahead, p.stages)); });
      w.commitCopies();
      Value first = w.mul(chunk, p.chunkUnits);
      return w.loop(first, w.minu(w.add(first, p.chunkUnits), count), 1, carried, round);
    });
  } else {
    done = w.loop(0, count, 1, init, round);
    // A shorter warp (never warp 0, which refills) gives back the chunks that it does not use, each when it is there:
    // one arrival a phase.
    if (p.ring)
      w.loop(w.select(w.ult(count, p.warpUnits), w.divu(count, p.chunkUnits), p.chunks), p.chunks, 1, {},
             [&](Value chunk, ValueRange) {
               Value index = w.mul(chunk, p.chunkUnits);
               waitChunk(index);
               release(w.add(index, p.chunkUnits - 1));
               return Values();
             });
  }
  finalSums.assign(done.end() - sumCount(), done.end());
}

void Generator::emit(const EmittedKernel &kernel) {
  setUp(kernel);
  if (p.uniform)
    mainLoopUniform();
  else
    mainLoopRolled();
  push(finalSums);
  epilogue();
  w.end();
}

std::string bitwright::nvptx::supportsDecode(Operation *op, kernel::ScheduleAttr schedule) {
  Plan plan;
  return makePlan(op, schedule, plan);
}

EmittedKernel bitwright::nvptx::emitDecode(Operation *op, kernel::ScheduleAttr schedule, ModuleOp into,
                                           StringRef symbol) {
  Plan plan;
  makePlan(op, schedule, plan);
  EmittedKernel kernel;
  kernel.symbol = symbol.str();
  kernel.arch = plan.arch;
  kernel.threads = unsigned(plan.threads());
  kernel.sharedBytes = unsigned(plan.sharedBytes);
  kernel.cluster = unsigned(plan.split);
  kernel.pdl = plan.pdl;
  kernel.gridX = getAffineConstantExpr(plan.split, op->getContext());
  kernel.gridY = getAffineConstantExpr(plan.ctas(), op->getContext());

  kernel.parameters.push_back({Role::Rhs, 0, Form::Pointer, {}, weightPacking(plan)});
  if (plan.scaled)
    kernel.parameters.push_back({Role::GroupScale, 0, Form::Pointer, {}, scalePacking(plan, false)});
  if (plan.zeroPoint || plan.twoLevel)
    kernel.parameters.push_back({Role::GroupZeroPoint, 0, Form::Pointer, {}, scalePacking(plan, true)});
  Parameter lhs{Role::Lhs, 0, Form::Pointer, {}, std::nullopt};
  if (plan.feed == Feed::Tensor) {
    lhs.form = Form::TensorMap;
    lhs.map.elementBits = unsigned(8 * plan.lhsBytes());
    lhs.map.rank = 3;
    lhs.map.boxColumns = unsigned(128 / plan.lhsBytes());
    lhs.map.boxRows = unsigned(plan.tokens());
    lhs.map.boxBlocks = unsigned(plan.chunkUnits * plan.lhsBytes());
  }
  kernel.parameters.push_back(lhs);
  for (unsigned i = 0; i < plan.op.getOperands().size(); ++i)
    kernel.parameters.push_back({Role::Operand, i, Form::Pointer, {}, std::nullopt});
  for (unsigned i = 0; i < plan.op.getResults().size(); ++i)
    kernel.parameters.push_back({Role::Result, i, Form::Pointer, {}, std::nullopt});
  kernel.parameters.push_back({Role::M, 0, Form::Int32, {}, std::nullopt});

  KernelWriter writer(op->getLoc(), into);
  Generator(plan, writer).emit(kernel);
  return kernel;
}
