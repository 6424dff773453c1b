//===- WgmmaRs.cpp - 4-bit weights in registers, tokens in shared memory ----===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/WgmmaRs.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::rs;

namespace {

/// Place in the ring of stages.
struct Ring {
  Value stage, phase;
};

/// A step's codes and group parameters in registers.
struct Fetched {
  Values words;      ///< [block][k-block][word]
  Values parameters; ///< [block][group][...]
};

struct Kernel {
  Kernel(KernelWriter &w, const Plan &plan, kernel::GemmOp op) : w(w), plan(plan), op(op) {}
  KernelWriter &w;
  const Plan &plan;
  kernel::GemmOp op;
  Value tokenMap, codes, scales, zeros, m;
  Values operands, results;
  Value shared, full, empty, sums, thread, tilesM, tiles, firstTile, tileStep;
  Value rank;               ///< of the CTA among those that share a tile's K, else null
  Value firstStep, endStep; ///< of this CTA

  //===--- Ring and tiles ------------------------------------------------------===//
  Ring advance(Ring ring) {
    Value next = w.add(ring.stage, 1), wraps = w.eq(next, plan.stages);
    return {w.select(wraps, 0, next), w.select(wraps, w.xori(ring.phase, 1), ring.phase)};
  }
  Value barrierAt(Value barriers, Value stage) { return w.offset(barriers, w.mul(stage, 8)); }
  int64_t tilesN() const { return (plan.n + plan.channels() - 1) / plan.channels(); }
  /// Token and channel where tile `t` starts: `raster` tiles of tokens, then the next tile of channels.
  std::pair<Value, Value> coordinates(Value t) {
    Value perGroup = w.constant(int64_t(plan.raster) * tilesN());
    Value group = w.divu(t, perGroup), inside = w.sub(t, w.mul(group, perGroup));
    Value first = w.mul(group, plan.raster), left = w.sub(tilesM, first);
    Value size = w.minu(left, w.constant(plan.raster));
    Value n = w.divu(inside, size), tokens = w.add(first, w.sub(inside, w.mul(n, size)));
    return {w.mul(tokens, plan.tokens), w.mul(n, plan.channels())};
  }

  //===--- Producers -------------------------------------------------------------===//
  /// What one producer warp copies for every step. A copy costs its warp more than ten instructions that depend on each
  /// other; one warp for all of them would be as slow as the products.
  struct Feed {
    unsigned bytes; ///< of a step
    llvm::function_ref<void(Value stage, Value m0, Value rowBlock, Value step, Value barrier)> copy;
  };
  unsigned feeds() const { return 2 + (plan.scaleBytes() != 0) + (plan.zeroBytes() != 0); }

  void produce(const Feed &feed) {
    w.loop(firstTile, tiles, tileStep, {w.constant(0), w.constant(1)}, [&](Value t, ValueRange carried) {
      auto [m0, n0] = coordinates(t);
      Value firstToken = m0, rowBlock = w.shru(n0, 6);
      return w.loop(firstStep, endStep, 1, carried, [&](Value step, ValueRange inner) {
        Ring ring = {inner[0], inner[1]};
        w.waitParity(barrierAt(empty, ring.stage), ring.phase);
        Value barrier = barrierAt(full, ring.stage);
        w.expectBytes(barrier, feed.bytes);
        feed.copy(ring.stage, firstToken, rowBlock, step, barrier);
        Ring next = advance(ring);
        return Values{next.stage, next.phase};
      });
    });
  }

  void produce() {
    Value warp = w.uniform(w.shru(thread, 5));
    Value leader = w.eq(w.andi(thread, 31), 0);
    unsigned count = 0;
    auto start = [&](const Feed &feed) {
      w.ifThen(w.andi(leader, w.eq(warp, count)), [&] {
        if (plan.pdl && count == 0) // weights do not depend on the predecessor: they load while it still runs
          w.waitPredecessor();
        produce(feed);
      });
      ++count;
    };
    start({plan.loadedTokens * 128, [&](Value stage, Value m0, Value, Value step, Value barrier) {
             Value destination = w.offset(shared, w.mul(stage, plan.tokenBytes()));
             unsigned part = plan.finishedTokens();
             for (unsigned i = 0; i < plan.splitK; ++i) { // the tokens that this CTA finishes come first
               Value token = m0;
               if (rank)
                 token = w.add(m0, w.mul(i ? w.xori(rank, 1) : rank, part));
               w.copyTensor(w.offset(destination, i * part * 128), tokenMap, {w.mul(step, plan.stepK()), token},
                            barrier);
             }
           }});
    int64_t rowBlocks = plan.codes().tileRows();
    auto bulk = [&](Value source, unsigned at, unsigned bytes, int64_t tileColumns, unsigned stepsPerTile) {
      if (!bytes)
        return;
      start({plan.rowBlocks() * bytes, [&](Value stage, Value, Value rowBlock, Value step, Value barrier) {
               Value destination = w.offset(w.offset(shared, at), w.mul(stage, plan.rowBlocks() * bytes));
               Value column = w.divu(step, stepsPerTile);
               for (unsigned i = 0; i < plan.rowBlocks(); ++i) {
                 Value block = w.add(rowBlock, i);
                 if (rowBlocks % plan.rowBlocks()) // the last tile of channels is not full
                   block = w.minu(block, w.constant(rowBlocks - 1));
                 Value tile = w.add(w.mul(block, tileColumns), column);
                 w.copyBulk(w.offset(destination, i * bytes), w.offset(source, w.mul(tile, bytes)), bytes, barrier);
               }
             }});
    };
    bulk(codes, plan.codesAt(), plan.codeBytes(), plan.steps(), 1);
    if (plan.group) {
      int64_t columns = plan.scales().tileColumns();
      bulk(scales, plan.scalesAt(), plan.scaleBytes(), columns, plan.stepsPerGroup());
      bulk(zeros, plan.zerosAt(), plan.zeroBytes(), columns, plan.stepsPerGroup());
    }
  }

  //===--- Consumers ---------------------------------------------------------------===//
  Value warpgroup, inGroup, lane;   ///< consumer warpgroup, thread in it, lane
  Value codesOf, scalesOf, zerosOf; ///< of this lane in stage 0

  void enterConsumer(Value wg) {
    warpgroup = w.sub(wg, 1);
    inGroup = w.andi(thread, 127);
    lane = w.andi(inGroup, 31);
    Value firstBlock = w.mul(warpgroup, plan.blocks);
    auto area = [&](unsigned at, unsigned bytes) { return w.offset(w.offset(shared, at), w.mul(firstBlock, bytes)); };
    codesOf = w.offset(area(plan.codesAt(), plan.codeBytes()), w.mul(inGroup, 16));
    // Channel 2 g + 16 w: the lane's first.
    Value channel = w.add(w.mul(w.shru(inGroup, 5), 16), w.mul(w.shru(lane, 2), 2));
    if (plan.scaleBytes())
      scalesOf = w.offset(area(plan.scalesAt(), plan.scaleBytes()), w.mul(channel, plan.integer() ? 1 : 2));
    if (plan.zeroBytes())
      zerosOf = w.offset(area(plan.zerosAt(), plan.zeroBytes()), channel);
  }

  Fetched fetch(Value stage) {
    Fetched fetched;
    SmallVector<Values> loaded;
    auto at = [&](Value base, unsigned bytes) -> Value {
      return base ? w.offset(base, w.mul(stage, plan.rowBlocks() * bytes)) : Value();
    };
    Value code = at(codesOf, plan.codeBytes());
    Value scale = at(scalesOf, plan.scaleBytes()), zero = at(zerosOf, plan.zeroBytes());
    for (unsigned b = 0; b < plan.blocks; ++b) {
      for (unsigned i = 0; i < plan.wordsPerStep() / 4; ++i)
        llvm::append_range(fetched.words, w.loadWords(w.offset(code, b * plan.codeBytes() + i * 2048), 4));
      for (unsigned g = 0; plan.group && g < plan.groupsPerStep(); ++g)
        loaded.push_back(loadGroup(
            w, plan, scale ? w.offset(scale, b * plan.scaleBytes() + g * 64 * (plan.integer() ? 1 : 2)) : Value(),
            zero ? w.offset(zero, b * plan.zeroBytes() + g * 64) : Value()));
    }
    for (const Values &group : loaded)
      llvm::append_range(fetched.parameters, groupParameters(w, plan, group));
    return fetched;
  }

  /// Fragments of k-block `k`: 4 words of every block. Pinned on both sides: the compilers would move the arithmetic
  /// across the asynchronous products, which then serialise (KERNELS 3.5.5).
  Values fragments(Fetched &fetched, unsigned k) {
    Values words;
    unsigned perStep = plan.wordsPerStep(), perBlock = plan.wordsPerBlock();
    for (unsigned b = 0; b < plan.blocks; ++b)
      for (unsigned i = 0; i < perBlock; ++i)
        words.push_back(fetched.words[b * perStep + k * perBlock + i]);
    words = w.pin(words);
    Values result;
    unsigned perGroup =
        fetched.parameters.empty() ? 0 : unsigned(fetched.parameters.size()) / (plan.blocks * plan.groupsPerStep());
    for (unsigned b = 0; b < plan.blocks; ++b) {
      unsigned group = b * plan.groupsPerStep() + k * plan.groupsPerStep() / plan.kBlocks();
      llvm::append_range(result, unpack(w, plan, ValueRange(words).slice(b * perBlock, perBlock),
                                        ValueRange(fetched.parameters).slice(group * perGroup, perGroup)));
    }
    return w.pin(result);
  }

  void release(Value stage) {
    // One lane of every warp: its shared loads and its part of the products are behind it.
    w.ifThen(w.eq(lane, 0), [&] { w.arrive(barrierAt(empty, stage)); });
  }

  struct State {
    Ring ring;
    Value previous; ///< stage of the step before, not yet released; null at a tile's first step
    Values fragment;
    Fetched fetched;
    Values accumulators; ///< [block][...]
  };

  /// One step: four k-blocks, during which the next step's first is unpacked (not at the tile's last step).
  void step(State &s, bool first, bool last, llvm::function_ref<void()> between = nullptr) {
    KernelWriter::Wgmma kind = plan.integer()     ? KernelWriter::Wgmma::S8
                               : plan.lhs.isF16() ? KernelWriter::Wgmma::F16
                                                  : KernelWriter::Wgmma::BF16;
    Value tokens = w.descriptor(w.pointerToInt(w.offset(shared, w.mul(s.ring.stage, plan.tokenBytes()))));
    Ring next = advance(s.ring);
    unsigned count = plan.accumulators();
    for (unsigned k = 0; k < plan.kBlocks(); ++k) {
      w.wgmmaFence();
      Values accumulators;
      for (unsigned b = 0; b < plan.blocks; ++b)
        llvm::append_range(accumulators,
                           w.wgmmaRegisters(kind, plan.tokens, ValueRange(s.fragment).slice(4 * b, 4),
                                            w.add(tokens, 2 * int64_t(k)),
                                            ValueRange(s.accumulators).slice(b * count, count), first && k == 0));
      s.accumulators = accumulators;
      w.wgmmaCommit();
      if (k == 0 && between)
        between();
      w.wgmmaWait(plan.pending);
      // The products of the step before are done when at most k + 1 are in flight.
      if (s.previous && k + 1 == plan.pending)
        release(s.previous);
      if (k + 1 < plan.kBlocks()) {
        s.fragment = fragments(s.fetched, k + 1);
      } else if (!last) {
        w.waitParity(barrierAt(full, next.stage), next.phase);
        s.fetched = fetch(next.stage);
        s.fragment = fragments(s.fetched, 0);
      }
    }
    s.previous = s.ring.stage;
    s.ring = next;
  }

  void consume() {
    Epilogue epilogue(w, op, plan, m, operands, results, warpgroup, inGroup);
    unsigned pieces = epilogue.pieces();
    int64_t steps = plan.steps();
    // Results of at most 64 words wait in registers and go out under the next tile's products, a few a step. Fragments
    // of two blocks beside 64 words and 128 accumulators are more than 232 registers.
    unsigned held = epilogue.words() + plan.blocks * plan.accumulators();
    bool deferred = !rank && pieces && epilogue.words() <= 64 && held <= (plan.blocks == 1 ? 192 : 160);
    unsigned perStep = deferred ? unsigned(llvm::divideCeil(pieces, std::min<int64_t>(steps, 8))) : 0;
    unsigned peeled = deferred ? unsigned(llvm::divideCeil(pieces, perStep)) : 1;
    peeled = unsigned(std::min<int64_t>(std::max(peeled, 2u), steps)); // operands take two steps

    Value zero = w.constant(0);
    Values init = {zero, zero, zero}; // ring, parity of the tile
    Values nowhere = epilogue.nowhere();
    unsigned placeAt = unsigned(init.size()), wordsAt = placeAt + unsigned(nowhere.size());
    if (deferred) {
      llvm::append_range(init, nowhere);
      init.append(epilogue.words(), zero);
    }
    auto storeLate = [&](ValueRange carried, unsigned from, unsigned to) {
      unsigned word = wordsAt;
      for (unsigned i = 0; i < std::min(to, pieces); ++i) {
        Piece piece = epilogue.pieceAt(i);
        unsigned count = epilogue.wordsOf(piece.result);
        llvm::append_range(piece.words, carried.slice(word, count));
        word += count;
        if (i >= from)
          epilogue.store(carried.slice(placeAt, wordsAt - placeAt), piece);
      }
    };
    Values end = w.loop(firstTile, tiles, tileStep, init, [&](Value t, ValueRange carried) {
      State s;
      s.ring = {carried[0], carried[1]};
      Value parity = carried[2];
      w.waitParity(barrierAt(full, s.ring.stage), s.ring.phase);
      s.fetched = fetch(s.ring.stage);
      s.fragment = fragments(s.fetched, 0);
      Type element = plan.integer() ? w.i32() : w.f32();
      Value undefined = LLVM::UndefOp::create(w.builder, w.loc, element);
      s.accumulators.assign(plan.blocks * plan.accumulators(), undefined);
      for (unsigned i = 0; i < peeled; ++i)
        step(s, i == 0, int64_t(i) + 1 == steps, [&] {
          if (deferred)
            storeLate(carried, i * perStep, (i + 1) * perStep);
          // Divisions and loads of the tile hide behind the products just issued.
          if (i == 0) {
            auto [m0, n0] = coordinates(t);
            epilogue.enter(rank ? w.add(m0, w.mul(rank, plan.finishedTokens())) : m0, n0, parity);
            epilogue.loadOperands();
          }
          if (i == std::min(1u, peeled - 1))
            epilogue.storeOperands();
        });
      if (rank)
        middle(s, w.sub(w.sub(endStep, firstStep), 1 + peeled));
      else if (int64_t(peeled) + 1 < steps)
        middle(s, steps - 1 - peeled);
      if (int64_t(peeled) < steps)
        step(s, false, true);
      w.barrier(w.add(warpgroup, 1), 128); // the operands in shared memory
      w.wgmmaWait(0);
      release(s.previous);
      Values accumulators = w.pin(s.accumulators);
      SmallVector<Values> blocks;
      for (unsigned b = 0; b < plan.blocks; ++b)
        blocks.push_back(Values(ValueRange(accumulators).slice(b * plan.accumulators(), plan.accumulators())));
      if (rank)
        exchange(blocks);
      SmallVector<Piece> computed = epilogue.compute(blocks);
      Values next = {s.ring.stage, s.ring.phase, w.xori(parity, 1)};
      Values place = epilogue.place();
      if (!deferred) {
        for (const Piece &piece : computed)
          epilogue.store(place, piece);
        return next;
      }
      llvm::append_range(next, place);
      for (const Piece &piece : computed)
        llvm::append_range(next, piece.words);
      return next;
    });
    if (deferred)
      storeLate(end, 0, pieces);
  }

  /// `count` steps in the middle of a tile.
  void middle(State &s, KernelWriter::Operand count) {
    unsigned fragmentAt = 3, wordsAt = fragmentAt + unsigned(s.fragment.size());
    unsigned parametersAt = wordsAt + unsigned(s.fetched.words.size());
    unsigned accumulatorsAt = parametersAt + unsigned(s.fetched.parameters.size());
    auto flatten = [](const State &s) {
      Values values = {s.ring.stage, s.ring.phase, s.previous};
      llvm::append_range(values, s.fragment);
      llvm::append_range(values, s.fetched.words);
      llvm::append_range(values, s.fetched.parameters);
      llvm::append_range(values, s.accumulators);
      return values;
    };
    auto restore = [&](ValueRange values) {
      State s;
      s.ring = {values[0], values[1]};
      s.previous = values[2];
      s.fragment = Values(values.slice(fragmentAt, wordsAt - fragmentAt));
      s.fetched.words = Values(values.slice(wordsAt, parametersAt - wordsAt));
      s.fetched.parameters = Values(values.slice(parametersAt, accumulatorsAt - parametersAt));
      s.accumulators = Values(values.drop_front(accumulatorsAt));
      return s;
    };
    s = restore(w.loop(0, count, 1, flatten(s), [&](Value, ValueRange carried) {
      State inner = restore(carried);
      step(inner, false, false);
      return flatten(inner);
    }));
  }

  /// Sends the sums of the tokens that the other CTA finishes (the upper half of the accumulators) into its shared
  /// memory and adds what it sent.
  void exchange(MutableArrayRef<Values> blocks) {
    unsigned stride = 16 * 128 * plan.warpgroups, half = plan.accumulators() / 2;
    Value own = w.mul(w.sub(thread, 128), 16), peer = w.xori(rank, 1);
    Value sumBarrier = w.offset(full, 16 * plan.stages);
    w.clusterWait(); // the other CTA's barrier exists
    auto map = [&](Value pointer) -> Value {
      return kernel::MapSharedOp::create(w.builder, w.loc, w.i32(), w.pointerToInt(pointer), peer);
    };
    Value target = w.add(map(sums), own), remote = map(sumBarrier);
    auto pieces = [&](llvm::function_ref<void(Values & block, unsigned at, unsigned offset)> each) {
      unsigned piece = 0;
      for (Values &block : blocks)
        for (unsigned i = 0; i < half; i += 4)
          each(block, i, piece++ * stride);
    };
    pieces([&](Values &block, unsigned at, unsigned offset) {
      Values words;
      for (unsigned i = 0; i < 4; ++i)
        words.push_back(w.bitcast(block[half + at + i], w.i32()));
      kernel::StoreAsyncOp::create(w.builder, w.loc, w.add(target, offset), words[0], words[1], words[2], words[3],
                                   remote);
    });
    w.waitParity(sumBarrier, w.constant(0)); // one tile a cluster
    pieces([&](Values &block, unsigned at, unsigned offset) {
      Values words = w.loadWords(w.offset(w.offset(sums, own), offset), 4);
      for (unsigned i = 0; i < 4; ++i)
        block[at + i] =
            plan.integer() ? w.add(block[at + i], words[i]) : w.addf(block[at + i], w.bitcast(words[i], w.f32()));
    });
  }

  void emit() {
    thread = w.threadId(plan.threads());
    Value wg = w.uniform(w.shru(thread, 7));
    shared = w.sharedMemory();
    full = w.offset(shared, plan.barriersAt());
    empty = w.offset(full, 8 * plan.stages);
    w.ifThen(w.eq(thread, 0), [&] {
      for (unsigned i = 0; i < plan.stages; ++i) {
        w.barrierInit(w.offset(full, 8 * i), feeds());
        w.barrierInit(w.offset(empty, 8 * i), 4 * plan.warpgroups);
      }
      if (plan.splitK > 1) {
        Value sumBarrier = w.offset(full, 16 * plan.stages);
        w.barrierInit(sumBarrier, 1);
        w.expectBytes(sumBarrier, plan.sumBytes());
      }
      w.fenceBarrierInit();
      w.prefetchTensorMap(tokenMap);
    });
    if (plan.splitK > 1)
      w.clusterArriveRelaxed();
    w.barrier();
    if (plan.pdl)
      w.launchDependents();
    tilesM = w.divu(w.add(m, plan.tokens - 1), plan.tokens);
    tiles = w.mul(tilesM, tilesN());
    firstTile = w.divu(w.blockX(), plan.splitK);
    tileStep = w.divu(w.gridX(), plan.splitK);
    firstStep = w.constant(0);
    endStep = w.constant(plan.steps());
    if (plan.splitK > 1) {
      rank = w.clusterRank();
      sums = w.offset(shared, plan.sumsAt());
      Value middleStep = w.constant((plan.steps() + 1) / 2), isFirst = w.eq(rank, 0);
      firstStep = w.select(isFirst, 0, middleStep);
      endStep = w.select(isFirst, middleStep, endStep);
    }
    // 64512 or 65536 registers: what the launch gives every thread, taken from the producer.
    unsigned producer = plan.warpgroups == 2 ? 40 : plan.warpgroups == 3 ? 32 : 0;
    unsigned consumer = plan.warpgroups == 2 ? 232 : 160;
    w.ifThenElse(
        w.eq(wg, 0),
        [&] {
          if (producer)
            w.setMaxRegisters(producer, false);
          produce();
          if (rank)
            w.clusterWait();
        },
        [&] {
          if (producer)
            w.setMaxRegisters(consumer, true);
          if (plan.pdl)
            w.waitPredecessor(); // operands may be its results, and it may still read what this kernel writes
          enterConsumer(wg);
          consume();
        });
  }
};

} // namespace

std::string bitwright::nvptx::supportsWgmmaRs(Operation *op, kernel::ScheduleAttr schedule) {
  Plan unused;
  return plan(cast<kernel::GemmOp>(op), schedule, unused);
}

EmittedKernel bitwright::nvptx::emitWgmmaRs(Operation *operation, kernel::ScheduleAttr schedule, ModuleOp into,
                                            StringRef symbol) {
  auto op = cast<kernel::GemmOp>(operation);
  Plan p;
  plan(op, schedule, p);
  EmittedKernel kernel;
  kernel.symbol = symbol.str();
  kernel.arch = Arch::Sm90a;
  kernel.threads = p.threads();
  kernel.sharedBytes = p.sharedBytes();
  kernel.pdl = p.pdl;
  kernel.cluster = p.splitK;
  kernel.persistent = p.splitK == 1; // else one tile a cluster
  TensorMap map;
  map.elementBits = p.integer() ? 8 : 16;
  map.boxColumns = p.stepK();
  map.boxRows = p.loadedTokens / p.splitK;
  kernel.parameters.push_back({Role::Lhs, 0, Form::TensorMap, map, {}});
  kernel.parameters.push_back({Role::Rhs, 0, Form::Pointer, {}, p.codes()});
  if (p.scaleBytes())
    kernel.parameters.push_back({Role::GroupScale, 0, Form::Pointer, {}, p.scales()});
  if (p.zeroBytes())
    kernel.parameters.push_back({Role::GroupZeroPoint, 0, Form::Pointer, {}, p.zeros()});
  unsigned operands = unsigned(op.getOperandsAttr().size()), results = unsigned(op.getResultsAttr().size());
  for (unsigned i = 0; i < operands; ++i)
    kernel.parameters.push_back({Role::Operand, i, Form::Pointer, {}, {}});
  for (unsigned i = 0; i < results; ++i)
    kernel.parameters.push_back({Role::Result, i, Form::Pointer, {}, {}});
  kernel.parameters.push_back({Role::M, 0, Form::Int32, {}, {}});
  AffineExpr m = getAffineDimExpr(0, op->getContext());
  kernel.gridX = m.ceilDiv(p.tokens) * int64_t(llvm::divideCeil(p.n, int64_t(p.channels()))) * p.splitK;
  kernel.gridY = getAffineConstantExpr(1, op->getContext());

  KernelWriter w(op->getLoc(), into);
  Values arguments = w.begin(kernel);
  ValueRange rest(arguments);
  auto take = [&](bool present = true) {
    Value value = present ? rest.front() : Value();
    rest = rest.drop_front(present);
    return value;
  };
  Kernel k(w, p, op);
  k.tokenMap = take();
  k.codes = take();
  k.scales = take(p.scaleBytes() != 0);
  k.zeros = take(p.zeroBytes() != 0);
  k.operands = Values(rest.take_front(operands));
  k.results = Values(rest.slice(operands, results));
  k.m = rest.back();
  k.emit();
  w.end();
  return kernel;
}
