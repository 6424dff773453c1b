//===- Multistage.cpp - mma.sync kernels fed by cp.async --------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// One CTA a tile of the result. Iteration i of a segment's loop waits for tile i of K, lets all warps pass, starts the
// copies of tile i + stages - 1 into the slot that iteration i - 1 freed, and multiplies. Rows beyond M and columns
// beyond K are copied with a source size of zero, which fills with zeros; blocks of columns beyond N read the last one
// that exists and are not stored.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Multistage.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using Mma = KernelWriter::Mma;

namespace {

class Generator {
public:
  Generator(KernelWriter &w, kernel::GemmOp op, const MultistagePlan &plan) : w(w), op(op), plan(plan) {}
  void run(ValueRange arguments, const EmittedKernel &kernel);

private:
  /// Pointers of one segment's copies, made before its loop.
  struct Copies {
    Values lhs, rhs, scale, zero;         ///< global, one a chunk of this thread
    Values lhsTo, rhsTo, scaleTo, zeroTo; ///< byte offsets inside a stage
    Values lhsSize, lhsColumn;            ///< 16 or 0; byte of the chunk inside a row of the tile
  };
  /// What a lane needs to read its fragments.
  struct Lanes {
    Value lhsRow, rhsRow;                  ///< byte offsets of the lane's first rows in their tiles
    SmallVector<Value> lhsChunk, rhsChunk; ///< swizzled byte offsets of the chunk, for each step
    Value packed;                          ///< byte offset of the lane in the warp's packed blocks
    Value scale, zero;                     ///< byte offsets in the warp's scales
  };
  using Fragments = SmallVector<Values>;
  struct GroupScales { ///< of the weights of one n-tile, as words of two halves or one number
    Value scale, zero, zeroHigh;
  };

  Value swizzle(Value row, Value chunk, int64_t rowBytes);
  void chunks(int64_t count, llvm::function_ref<void(unsigned c, Value index)> body);
  Copies prepareCopies(const MultistageSegment &s);
  void startLhs(const MultistageSegment &s, const Copies &copies, Value stage, Value tile);
  void startRhs(const MultistageSegment &s, const Copies &copies, Value stage, Value tile);
  void copy(int64_t count, unsigned c, Value to, Value from, Value size);
  Lanes prepareLanes(const MultistageSegment &s);
  Fragments loadLhs(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned step);
  Fragments loadRhs(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned step);
  void loadGroup(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned group);
  Values half4(const MultistageSegment &s, Value word, unsigned step, const GroupScales &scales);
  Values half8(const MultistageSegment &s, Value word, const GroupScales &scales);
  Value scaled(const MultistageSegment &s, Value halves, const GroupScales &scales);
  void multiply(const MultistageSegment &s, const Fragments &a, const Fragments &b, Values &sums, Values &rowSums);
  void steps(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned from, unsigned to, Values &sums,
             Values &rowSums);
  void addGroup(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned group, const Values &sums,
                const Values &rowSums, Values &accumulators);
  Values runSegment(const MultistageSegment &s, Values accumulators, bool first);
  std::pair<Value, Value> tileOfBlock();
  Value tileBegin(const MultistageSegment &s, const Copies &copies, Value slot, Value tile);
  Value nextSlot(Value slot);
  Value stageOf(const MultistageSegment &s, Value slot) { return w.offset(shared, w.mul(slot, s.stageBytes)); }
  Value word(uint32_t bits) { return w.constant(int64_t(bits)); }
  /// Group sums start at 1.5 * 2^23, whose last bit counts ones: their float value needs no conversion while
  /// |sum| <= 2^22, and 2^14 bounds one product times 2^shift.
  bool floatTrick(const MultistageSegment &s) const { return !usesHalf(s) && s.attr.getGroup() <= 256; }
  static bool usesHalf(const MultistageSegment &s) { return s.mma == Mma::F16 || s.mma == Mma::BF16; }
  Value groupStart(const MultistageSegment &s) {
    return usesHalf(s) ? w.constantF32(0) : w.constant(floatTrick(s) ? 0x4B400000 : 0);
  }

  KernelWriter &w;
  kernel::GemmOp op;
  const MultistagePlan &plan;
  Value thread, lane, warpRow, warpColumn, warpDepth, shared, m, row0, column0, blockColumn;
  Value lhsPointer;
  SmallVector<Value> rhsPointers, scalePointers, zeroPointers;
  SmallVector<Values> packedWords;      ///< words of a pair of steps (NibblesToHalf), by block
  SmallVector<GroupScales> groupScales; ///< by n-tile, place before_mma and two_level
};

} // namespace

/// Byte offset of 16-byte chunk `chunk` of row `row` in a tile: chunks move so that eight rows of one chunk lie in
/// eight different groups of banks.
Value Generator::swizzle(Value row, Value chunk, int64_t rowBytes) {
  unsigned shift = rowBytes == 128 ? 0 : rowBytes == 64 ? 1 : 2;
  Value moved = w.xori(chunk, w.andi(w.shru(row, shift), rowBytes / 16 - 1));
  return w.add(w.mul(row, rowBytes), w.shl(moved, 4));
}

/// The chunks 0 .. count - 1 of which this thread has index = thread + c threads.
void Generator::chunks(int64_t count, llvm::function_ref<void(unsigned, Value)> body) {
  for (int64_t c = 0; c * plan.threads < count; ++c)
    body(unsigned(c), w.add(thread, c * int64_t(plan.threads)));
}

Generator::Copies Generator::prepareCopies(const MultistageSegment &s) {
  Copies copies;
  int64_t perRow = s.rowBytes / 16;
  Type lhsRow = LLVM::LLVMArrayType::get(w.i8(), unsigned(plan.pitch));
  chunks(plan.tileM * perRow, [&](unsigned, Value index) {
    Value row = w.divu(index, perRow), chunk = w.remu(index, perRow), column = w.shl(chunk, 4);
    Value tileRow = w.add(row0, row);
    copies.lhs.push_back(w.offset(w.offset(lhsPointer, tileRow, lhsRow), w.add(column, s.lhsOffset)));
    copies.lhsTo.push_back(swizzle(row, chunk, s.rowBytes));
    copies.lhsSize.push_back(w.select(w.ult(tileRow, m), 16, 0));
    copies.lhsColumn.push_back(column);
  });
  int64_t blocks = llvm::divideCeil(plan.n, 32);
  bool clamp = plan.n % plan.tileN != 0;
  auto blockOf = [&](Value block) {
    block = w.add(blockColumn, block);
    return clamp ? w.minu(block, blocks - 1) : block;
  };
  Value rhs = rhsPointers[s.index];
  if (s.direct()) {
    Type rhsRow = LLVM::LLVMArrayType::get(w.i8(), unsigned(s.rhs.pitch * s.rhs.bits / 8));
    chunks(plan.tileN * perRow, [&](unsigned, Value index) {
      Value row = w.divu(index, perRow), chunk = w.remu(index, perRow);
      Value from = w.add(w.mul(blockOf(w.divu(row, 32)), 32), w.remu(row, 32));
      copies.rhs.push_back(w.offset(w.offset(rhs, from, rhsRow), w.shl(chunk, 4)));
      copies.rhsTo.push_back(w.add(swizzle(row, chunk, s.rowBytes), s.rhsStage));
    });
  } else {
    auto packed = [&](Value pointer, int64_t tileBytes, int64_t allBytes, int64_t stage, Values &from, Values &to) {
      // A block of 32 columns holds `allBytes`, of which a tile of K takes `tileBytes` in one piece.
      Type block = LLVM::LLVMArrayType::get(w.i8(), unsigned(allBytes));
      chunks(plan.tileN / 32 * tileBytes / 16, [&](unsigned, Value index) {
        Value which = blockOf(w.divu(index, tileBytes / 16));
        from.push_back(w.offset(w.offset(pointer, which, block), w.shl(w.remu(index, tileBytes / 16), 4)));
        to.push_back(w.add(w.shl(index, 4), stage));
      });
    };
    packed(rhs, s.blockBytes(), s.rhs.tileColumns() * 128 * 32 * s.rhs.bits / 8, s.rhsStage, copies.rhs, copies.rhsTo);
  }
  auto groups = [&](const layout::Packing &packing, Value pointer, int64_t stage, Values &from, Values &to) {
    int64_t bytes = packing.bits / 8, tileBytes = s.groupsPerTile * 32 * bytes;
    Type block = LLVM::LLVMArrayType::get(w.i8(), unsigned(packing.tileColumns() * 4 * 32 * bytes));
    chunks(plan.tileN / 32 * tileBytes / 16, [&](unsigned, Value index) {
      Value which = blockOf(w.divu(index, tileBytes / 16));
      from.push_back(w.offset(w.offset(pointer, which, block), w.shl(w.remu(index, tileBytes / 16), 4)));
      to.push_back(w.add(w.shl(index, 4), stage));
    });
  };
  if (s.scaleBytes)
    groups(s.scale, scalePointers[s.index], s.scaleStage, copies.scale, copies.scaleTo);
  if (s.zero.rows)
    groups(s.zero, zeroPointers[s.index], s.zeroStage, copies.zero, copies.zeroTo);
  return copies;
}

/// Copies chunk c of `count`; threads without one skip it.
void Generator::copy(int64_t count, unsigned c, Value to, Value from, Value size) {
  if ((c + 1) * int64_t(plan.threads) <= count)
    return w.copyAsync(to, from, size);
  w.ifThen(w.ult(thread, count - c * int64_t(plan.threads)), [&] { w.copyAsync(to, from, size); });
}

void Generator::startLhs(const MultistageSegment &s, const Copies &copies, Value stage, Value tile) {
  Value k = w.mul(tile, s.rowBytes);
  for (unsigned c = 0; c < copies.lhs.size(); ++c) {
    Value size = copies.lhsSize[c];
    if (s.kBytes % s.rowBytes)
      size = w.select(w.ult(w.add(k, copies.lhsColumn[c]), s.kBytes), size, 0);
    copy(plan.tileM * s.rowBytes / 16, c, w.offset(stage, copies.lhsTo[c]), w.offset(copies.lhs[c], k), size);
  }
}

void Generator::startRhs(const MultistageSegment &s, const Copies &copies, Value stage, Value tile) {
  int64_t count = plan.tileN * s.tileK * s.rhs.bits / 128;
  Value k = w.mul(tile, s.direct() ? s.rowBytes : s.blockBytes());
  for (unsigned c = 0; c < copies.rhs.size(); ++c)
    copy(count, c, w.offset(stage, copies.rhsTo[c]), w.offset(copies.rhs[c], k), Value());
  if (!s.scaleBytes)
    return;
  Value group = s.tilesPerGroup > 1 ? w.divu(tile, s.tilesPerGroup) : w.mul(tile, s.groupsPerTile);
  for (unsigned c = 0; c < copies.scale.size(); ++c)
    copy(plan.tileN * s.groupsPerTile * s.scaleBytes / 16, c, w.offset(stage, copies.scaleTo[c]),
         w.offset(copies.scale[c], w.mul(group, 32 * s.scaleBytes)), Value());
  for (unsigned c = 0; c < copies.zero.size(); ++c)
    copy(plan.tileN * s.groupsPerTile / 16, c, w.offset(stage, copies.zeroTo[c]),
         w.offset(copies.zero[c], w.mul(group, 32)), Value());
}

Generator::Lanes Generator::prepareLanes(const MultistageSegment &s) {
  Lanes lanes;
  // ldmatrix.x4 takes a row's address from each lane: lanes 0-7 and 8-15 rows 0-15 of the first 16 bytes, 16-31 of the
  // second; for weights two n-tiles of 8 rows, both chunks of each.
  auto chunkOffsets = [&](Value row, Value chunk, SmallVector<Value> &offsets) {
    unsigned shift = s.rowBytes == 128 ? 0 : s.rowBytes == 64 ? 1 : 2;
    Value moved = w.shl(w.xori(chunk, w.andi(w.shru(row, shift), s.rowBytes / 16 - 1)), 4);
    if (plan.warpsK > 1)
      moved = w.xori(moved, w.mul(warpDepth, plan.stepsOf(s) * 32));
    for (unsigned step = 0; step < plan.stepsOf(s); ++step)
      offsets.push_back(w.xori(moved, step * 32));
  };
  Value row = w.remu(lane, 16), chunk = w.divu(lane, 16);
  lanes.lhsRow = w.mul(w.add(w.mul(warpRow, plan.warpM()), row), s.rowBytes);
  chunkOffsets(row, chunk, lanes.lhsChunk);
  int64_t warpBlocks = plan.warpN() / 32;
  if (s.direct()) {
    Value rhsRow = w.add(w.remu(lane, 8), w.shl(w.divu(lane, 16), 3));
    lanes.rhsRow = w.add(w.mul(w.add(w.mul(warpColumn, plan.warpN()), rhsRow), s.rowBytes), s.rhsStage);
    chunkOffsets(rhsRow, w.remu(w.divu(lane, 8), 2), lanes.rhsChunk);
  } else {
    lanes.packed = w.add(w.add(w.mul(warpColumn, warpBlocks * s.blockBytes()), w.shl(lane, 4)), s.rhsStage);
    if (plan.warpsK > 1)
      lanes.packed = w.add(lanes.packed, w.mul(warpDepth, s.blockBytes() / plan.warpsK));
  }
  // In operand order a lane reads four numbers at lane / 4, for sums eight at lane % 4.
  auto groupOffset = [&](const layout::Packing &packing, bool operandOrder, int64_t stage) {
    int64_t bytes = packing.bits / 8;
    Value inside = operandOrder ? w.mul(w.divu(lane, 4), 4 * bytes) : w.mul(w.remu(lane, 4), 8 * bytes);
    return w.add(w.add(w.mul(warpColumn, warpBlocks * s.groupsPerTile * 32 * bytes), inside), stage);
  };
  if (s.scaleBytes)
    lanes.scale = groupOffset(s.scale, !s.partial, s.scaleStage);
  if (s.zero.rows)
    lanes.zero = groupOffset(s.zero, usesHalf(s) || s.feed == Feed::TwoLevel, s.zeroStage);
  return lanes;
}

Generator::Fragments Generator::loadLhs(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned step) {
  Fragments fragments;
  Value base = w.offset(stage, w.add(lanes.lhsRow, lanes.lhsChunk[step]));
  for (unsigned i = 0; i < plan.rowTiles(); ++i)
    fragments.push_back(w.ldmatrix4(w.offset(base, i * 16 * s.rowBytes)));
  return fragments;
}

/// The weights' registers of each n-tile. For NibblePairs as loaded (pairs of nibbles).
Generator::Fragments Generator::loadRhs(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned step) {
  Fragments fragments;
  if (s.direct()) {
    Value base = w.offset(stage, w.add(lanes.rhsRow, lanes.rhsChunk[step]));
    for (unsigned i = 0; i < plan.columnTiles(); i += 2) {
      Values words = w.ldmatrix4(w.offset(base, i * 8 * s.rowBytes));
      fragments.push_back({words[0], words[1]});
      fragments.push_back({words[2], words[3]});
    }
    return fragments;
  }
  unsigned blocks = plan.columnTiles() / 4;
  bool pairs = s.feed == Feed::NibblesToHalf; // 32 k are two steps of 16
  if (!pairs || step % 2 == 0) {
    packedWords.clear();
    Value base = w.offset(stage, w.add(lanes.packed, (pairs ? step / 2 : step) * 512));
    for (unsigned b = 0; b < blocks; ++b)
      packedWords.push_back(w.loadWords(w.offset(base, b * s.blockBytes()), 4));
  }
  for (unsigned b = 0; b < blocks; ++b)
    for (unsigned j = 0; j < 4; ++j) {
      Value packed = packedWords[b][j];
      GroupScales scales = groupScales.empty() ? GroupScales() : groupScales[b * 4 + j];
      switch (s.feed) {
      case Feed::NibblesToS8: // 16 x the signed code
        fragments.push_back({w.andi(w.shl(packed, 4), word(0xf0f0f0f0)), w.andi(packed, word(0xf0f0f0f0))});
        break;
      case Feed::TwoLevel: { // (code S + 128 + m) ^ 0x80, four bytes at a time: nothing carries (INTEGER R16)
        Values registers;
        for (Value codes : {packed, w.shru(packed, 4)})
          registers.push_back(
              w.xori(w.add(w.mul(w.andi(codes, word(0x0f0f0f0f)), scales.scale), scales.zero), word(0x80808080)));
        fragments.push_back(registers);
        break;
      }
      case Feed::NibblesToHalf:
        fragments.push_back(half4(s, packed, step, scales));
        break;
      default:
        fragments.push_back(half8(s, packed, scales));
      }
    }
  return fragments;
}

Value Generator::scaled(const MultistageSegment &s, Value halves, const GroupScales &scales) {
  if (!s.scaledBefore)
    return halves;
  if (s.mma == Mma::F16)
    return w.packedMath(kernel::HalfMath::Mul, {halves, scales.scale}, w.f16());
  // sm_80 has only fma for bf16; -0 keeps the sign of a zero product.
  return w.packedMath(kernel::HalfMath::Fma, {halves, scales.scale, word(0x80008000)}, w.bf16());
}

/// Eight codes + 8 to four registers of halves, of which this step takes two.
Values Generator::half4(const MultistageSegment &s, Value packed, unsigned step, const GroupScales &scales) {
  using kernel::HalfMath;
  Values registers;
  if (s.mma == Mma::F16) {
    // 0x6400 | c is 1024 + c; in the upper nibble 1024 + 16 c, of which a sixteenth is 64 + c. Both subtractions are
    // exact.
    Value words = step % 2 ? w.shru(packed, 8) : packed;
    Value low = w.lop3(words, word(0x000f000f), word(0x64006400), 0xEA);
    Value high = w.lop3(words, word(0x00f000f0), word(0x64006400), 0xEA);
    low = w.packedMath(HalfMath::Sub, {low, s.zeroPoint ? scales.zero : word(0x64086408)}, w.f16());
    high = w.packedMath(HalfMath::Fma, {high, word(0x2c002c00), s.zeroPoint ? scales.zeroHigh : word(0xd480d480)},
                        w.f16());
    registers = {low, high};
  } else {
    // 0x4300 | c is 128 + c.
    for (unsigned i = 0; i < 2; ++i) {
      Value words = w.shru(packed, 4 * (step % 2 * 2 + i));
      Value value = w.lop3(words, word(0x000f000f), word(0x43004300), 0xEA);
      value = w.packedMath(HalfMath::Fma, {value, word(0x3f803f80), word(0xc308c308)}, w.bf16()); // - 136
      if (s.zeroPoint)
        value = w.packedMath(HalfMath::Fma, {value, word(0x3f803f80), scales.zero}, w.bf16());
      registers.push_back(value);
    }
  }
  for (Value &value : registers)
    value = scaled(s, value, scales);
  return registers;
}

/// Four codes + 128 to two registers of halves.
Values Generator::half8(const MultistageSegment &s, Value packed, const GroupScales &scales) {
  Values registers;
  for (unsigned i = 0; i < 2; ++i) {
    if (s.mma == Mma::F16) {
      Value value = w.permuteBytes(packed, word(0x64646464), i ? 0x4342 : 0x4140); // 1024 + 128 + code
      registers.push_back(
          w.packedMath(kernel::HalfMath::Sub, {value, s.zeroPoint ? scales.zero : word(0x64806480)}, w.f16()));
      continue;
    }
    Values floats; // 2^23 + 128 + code
    for (unsigned e = 0; e < 2; ++e) {
      Value value = w.bitcast(w.permuteBytes(packed, word(0x4B000000), 0x7440 | (2 * i + e)), w.f32());
      floats.push_back(w.subf(value, s.zeroPoint ? scales.zero : w.constantF32(8388736.0f)));
    }
    registers.push_back(w.packHalf(floats[1], floats[0], w.bf16()));
  }
  for (Value &value : registers)
    value = scaled(s, value, scales);
  return registers;
}

/// Fills `groupScales` for the weights of group `group` of the tile.
void Generator::loadGroup(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned group) {
  groupScales.assign(plan.columnTiles(), {});
  for (unsigned b = 0; b < plan.columnTiles() / 4; ++b) {
    int64_t at = (b * s.groupsPerTile + group) * 32;
    if (s.feed == Feed::TwoLevel) {
      Value scales = w.loadWords(w.offset(stage, w.add(lanes.scale, at)), 1)[0];
      Value offsets = w.loadWords(w.offset(stage, w.add(lanes.zero, at)), 1)[0];
      for (unsigned j = 0; j < 4; ++j) {
        groupScales[b * 4 + j].scale = w.permuteBytes(scales, w.constant(0), 0x4440 | j);
        groupScales[b * 4 + j].zero = w.permuteBytes(offsets, w.constant(0), 0x1111 * j);
      }
      continue;
    }
    if (s.scaledBefore) {
      Values pairs = w.loadWords(w.offset(stage, w.add(lanes.scale, at * 2)), 2);
      for (unsigned j = 0; j < 4; ++j)
        groupScales[b * 4 + j].scale = w.permuteBytes(pairs[j / 2], w.constant(0), j % 2 ? 0x3232 : 0x1010);
    }
    if (!s.zeroPoint)
      continue;
    Value zeros = w.loadWords(w.offset(stage, w.add(lanes.zero, at)), 1)[0]; // z + 128
    for (unsigned j = 0; j < 4; ++j) {
      GroupScales &scales = groupScales[b * 4 + j];
      if (s.mma == Mma::F16) {
        Value biased = w.permuteBytes(zeros, word(0x64646464), 0x4040 | j * 0x0101); // 1152 + z, twice
        scales.zero = biased;
        if (s.feed == Feed::NibblesToHalf) { // 1032 + z and -(72 + z)
          scales.zero = w.packedMath(kernel::HalfMath::Sub, {biased, word(0x57805780)}, w.f16());
          scales.zeroHigh = w.packedMath(kernel::HalfMath::Sub, {word(0x64386438), biased}, w.f16());
        }
      } else {
        Value biased = w.bitcast(w.permuteBytes(zeros, word(0x4B000000), 0x7440 | j), w.f32()); // 2^23 + 128 + z
        scales.zero = biased;
        if (s.feed == Feed::NibblesToHalf) {
          Value negative = w.subf(w.constantF32(8388736.0f), biased);
          scales.zero = w.packHalf(negative, negative, w.bf16());
        }
      }
    }
  }
}

void Generator::multiply(const MultistageSegment &s, const Fragments &a, const Fragments &b, Values &sums,
                         Values &rowSums) {
  for (unsigned i = 0; i < plan.rowTiles(); ++i) {
    for (unsigned j = 0; j < plan.columnTiles(); ++j) {
      unsigned at = (i * plan.columnTiles() + j) * 4;
      Values next = w.mmaSync(s.mma, a[i], b[j], ValueRange(sums).slice(at, 4));
      llvm::copy(next, sums.begin() + at);
    }
    if (!rowSums.empty()) { // weights of one give every lane the sums of its rows
      Values ones(2, word(s.feed == Feed::NibblePairs ? 0x10101010 : s.mma == Mma::S4 ? 0x11111111 : 0x01010101));
      Values next = w.mmaSync(s.mma, a[i], ones, ValueRange(rowSums).slice(i * 4, 4));
      llvm::copy(next, rowSums.begin() + i * 4);
    }
  }
}

/// Steps [from, to) of a tile.
void Generator::steps(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned from, unsigned to,
                      Values &sums, Values &rowSums) {
  auto nibbles = [&](Value packed, bool high) { return w.andi(high ? packed : w.shl(packed, 4), word(0xf0f0f0f0)); };
  for (unsigned step = from; step < to; ++step) {
    if (!s.partial || usesHalf(s)) {
      // A tile inside a group has one set of scales.
      unsigned perGroup = s.steps() / unsigned(s.groupsPerTile);
      if ((s.scaleBytes || s.zero.rows) && step % perGroup == 0)
        loadGroup(s, lanes, stage, step / perGroup);
    }
    Fragments a = loadLhs(s, lanes, stage, step), b = loadRhs(s, lanes, stage, step);
    if (s.feed != Feed::NibblePairs) {
      multiply(s, a, b, sums, rowSums);
      continue;
    }
    // A word holds k = 8t .. 8t + 7 of one row in both operands: even codes below, odd ones above.
    for (unsigned half = 0; half < 2; ++half) {
      Fragments x, y;
      for (const Values &words : a)
        x.push_back({nibbles(words[2 * half], false), nibbles(words[2 * half + 1], false),
                     nibbles(words[2 * half], true), nibbles(words[2 * half + 1], true)});
      for (const Values &words : b)
        y.push_back({nibbles(words[half], false), nibbles(words[half], true)});
      multiply(s, x, y, sums, rowSums);
    }
  }
}

/// accumulators += scale * (sums - zero point * rowSums), the group's integer as one f32 before the one rounded fma.
void Generator::addGroup(const MultistageSegment &s, const Lanes &lanes, Value stage, unsigned group,
                         const Values &sums, const Values &rowSums, Values &accumulators) {
  double unit = 1.0 / (1u << s.shift);
  // Without the trick sums may pass 2^24 and stay integers until the zero point has been taken off.
  bool integers = !usesHalf(s) && !floatTrick(s);
  auto toFloat = [&](Value sum, double unit, unsigned shift) {
    if (usesHalf(s))
      return sum;
    if (integers)
      return w.shrs(sum, shift);
    return w.fma(w.bitcast(sum, w.f32()), w.constantF32(float(unit)), w.constantF32(float(-12582912.0 * unit)));
  };
  // Row sums of 4-bit pairs are 16 x 16 times the exact ones as well; under 16 x codes they are exact.
  unsigned rowShift = s.feed == Feed::NibblePairs ? s.shift : 0;
  Values rows;
  for (unsigned i = 0; i < rowSums.size(); i += 2) // rows g and g + 8 of each tile
    rows.push_back(toFloat(rowSums[i], 1.0 / (1u << rowShift), rowShift));
  for (unsigned b = 0; b < plan.columnTiles() / 4; ++b) {
    int64_t at = (b * s.groupsPerTile + group) * 32;
    Type type = s.attr.getScale();
    Values scales, zeros;
    unsigned perLoad = 16 / s.scaleBytes;
    for (unsigned c = 0; c < 8; c += std::min(perLoad, 8u)) {
      Value loaded = w.load(w.offset(stage, w.add(lanes.scale, (at + c) * s.scaleBytes)),
                            w.vector(std::min(perLoad, 8u), type), 16);
      for (unsigned e = 0; e < std::min(perLoad, 8u); ++e) {
        Value scale = w.extractElement(loaded, e);
        scales.push_back(type.isF32() ? scale : w.extend(scale));
      }
    }
    if (!rows.empty()) {
      Values words = w.loadWords(w.offset(stage, w.add(lanes.zero, at)), 2);
      for (unsigned c = 0; c < 8; ++c) {
        Value zero = w.shrs(w.shl(words[c / 4], 24 - 8 * (c % 4)), 24);
        zero = w.sub(w.constant(0), zero);
        zeros.push_back(integers ? zero : w.toFloat(zero));
      }
    }
    for (unsigned i = 0; i < plan.rowTiles(); ++i)
      for (unsigned j = 0; j < 4; ++j)
        for (unsigned e = 0; e < 4; ++e) {
          unsigned index = (i * plan.columnTiles() + b * 4 + j) * 4 + e, column = 2 * j + e % 2;
          Value sum = toFloat(sums[index], unit, s.shift);
          if (!rows.empty() && integers)
            sum = w.add(sum, w.mul(zeros[column], rows[2 * i + e / 2]));
          else if (!rows.empty())
            sum = w.fma(zeros[column], rows[2 * i + e / 2], sum);
          if (integers)
            sum = w.toFloat(sum);
          accumulators[index] = w.fma(sum, scales[column], accumulators[index]);
        }
  }
}

Value Generator::nextSlot(Value slot) {
  Value next = w.add(slot, 1);
  return w.select(w.ult(next, plan.stages), next, 0);
}

/// Waits for the tile in `slot`, starts the copies of the one `stages - 1` ahead, and returns the stage.
Value Generator::tileBegin(const MultistageSegment &s, const Copies &copies, Value slot, Value tile) {
  w.waitCopies(unsigned(plan.stages - 2));
  w.barrier();
  Value ahead = w.add(tile, plan.stages - 1);
  w.ifThen(w.ult(ahead, s.tiles), [&] {
    Value freed = w.select(w.eq(slot, 0), plan.stages - 1, w.sub(slot, 1));
    Value stage = stageOf(s, freed);
    startLhs(s, copies, stage, ahead);
    startRhs(s, copies, stage, ahead);
  });
  w.commitCopies(); // also when there was nothing to start: the count of groups is the clock
  return stageOf(s, slot);
}

Values Generator::runSegment(const MultistageSegment &s, Values accumulators, bool first) {
  Copies copies = prepareCopies(s);
  if (!first)
    w.barrier(); // all warps have read the last segment's stages
  bool dependent = first && plan.pdl;
  if (dependent) { // weights do not depend on the predecessor
    for (int64_t i = 0; i < plan.stages - 1 && i < s.tiles; ++i)
      startRhs(s, copies, stageOf(s, w.constant(i)), w.constant(i));
    w.waitPredecessor();
  }
  for (int64_t i = 0; i < plan.stages - 1; ++i) {
    if (i < s.tiles) {
      startLhs(s, copies, stageOf(s, w.constant(i)), w.constant(i));
      if (!dependent)
        startRhs(s, copies, stageOf(s, w.constant(i)), w.constant(i));
    }
    w.commitCopies();
  }
  Lanes lanes = prepareLanes(s);
  groupScales.clear();

  auto split = [](Value head, ValueRange tail) {
    Values all{head};
    llvm::append_range(all, tail);
    return all;
  };
  Values none;
  if (!s.partial) {
    Values result = w.loop(0, s.tiles, 1, split(w.constant(0), accumulators), [&](Value tile, ValueRange carried) {
      Value stage = tileBegin(s, copies, carried[0], tile);
      Values sums(carried.drop_front());
      steps(s, lanes, stage, 0, plan.stepsOf(s), sums, none);
      return split(nextSlot(carried[0]), sums);
    });
    return Values(ValueRange(result).drop_front());
  }

  // Integer zero points meet the sums of the left operand, as four more accumulators a row tile.
  bool rows = s.zeroPoint && !usesHalf(s);
  unsigned sumCount = plan.accumulators(), rowCount = rows ? plan.rowTiles() * 4 : 0;
  Values zero(sumCount + rowCount, groupStart(s));
  if (s.tilesPerGroup == 1) {
    Values result = w.loop(0, s.tiles, 1, split(w.constant(0), accumulators), [&](Value tile, ValueRange carried) {
      Value stage = tileBegin(s, copies, carried[0], tile);
      Values totals(carried.drop_front());
      unsigned perGroup = s.steps() / unsigned(s.groupsPerTile);
      for (unsigned group = 0; group < s.groupsPerTile; ++group) {
        Values sums(ValueRange(zero).take_front(sumCount)), rowSums(ValueRange(zero).drop_front(sumCount));
        steps(s, lanes, stage, group * perGroup, (group + 1) * perGroup, sums, rowSums);
        addGroup(s, lanes, stage, group, sums, rowSums, totals);
      }
      return split(nextSlot(carried[0]), totals);
    });
    return Values(ValueRange(result).drop_front());
  }
  // Only the group's last tile adds: its scales are copied with every tile of the group.
  Values result = w.loop(0, s.groups, 1, split(w.constant(0), accumulators), [&](Value group, ValueRange carried) {
    Value firstTile = w.mul(group, s.tilesPerGroup);
    auto part = [&](Value tile, Value slot, ValueRange before, Value &stage) {
      stage = tileBegin(s, copies, slot, tile);
      Values sums(before.take_front(sumCount)), rowSums(before.drop_front(sumCount));
      steps(s, lanes, stage, 0, s.steps(), sums, rowSums);
      llvm::append_range(sums, rowSums);
      return sums;
    };
    Value stage;
    Values inner = w.loop(0, s.tilesPerGroup - 1, 1, split(carried[0], zero), [&](Value i, ValueRange state) {
      Values sums = part(w.add(firstTile, i), state[0], state.drop_front(), stage);
      return split(nextSlot(state[0]), sums);
    });
    Values sums = part(w.add(firstTile, s.tilesPerGroup - 1), inner[0], ValueRange(inner).drop_front(), stage);
    Values rowSums(ValueRange(sums).drop_front(sumCount)), totals(carried.drop_front());
    sums.resize(sumCount);
    addGroup(s, lanes, stage, 0, sums, rowSums, totals);
    return split(nextSlot(inner[0]), totals);
  });
  return Values(ValueRange(result).drop_front());
}

/// Row and column of this CTA's tile. CTAs start in order of x, then y; with a raster of R they go column by column
/// through R rows of tiles before they go on to the next R.
std::pair<Value, Value> Generator::tileOfBlock() {
  Value x = w.blockX(), y = w.blockY();
  if (!plan.raster)
    return {x, y};
  int64_t columns = int64_t(llvm::divideCeil(plan.n, plan.tileN)), perGroup = plan.raster * columns;
  Value rows = w.gridX(), index = w.add(w.mul(y, rows), x);
  Value firstRow = w.mul(w.divu(index, perGroup), plan.raster), inside = w.remu(index, perGroup);
  Value height = w.minu(w.sub(rows, firstRow), plan.raster);
  return {w.add(firstRow, w.remu(inside, height)), w.divu(inside, height)};
}

void Generator::run(ValueRange arguments, const EmittedKernel &kernel) {
  auto given = KernelWriter::byRole(kernel, arguments, unsigned(plan.segments.size()));
  lhsPointer = given.lhs;
  m = given.m;
  rhsPointers = std::move(given.rhs);
  scalePointers = std::move(given.groupScales);
  zeroPointers = std::move(given.groupZeroPoints);
  Values operands = std::move(given.operands), results = std::move(given.results);
  thread = w.threadId(plan.threads);
  lane = w.remu(thread, 32);
  Value warp = w.divu(thread, 32);
  warpRow = w.remu(warp, plan.warpsM);
  warpColumn = w.divu(warp, plan.warpsM);
  if (plan.warpsK > 1) {
    warpDepth = w.divu(warp, plan.warpsM * plan.warpsN);
    warpColumn = w.remu(warpColumn, plan.warpsN);
  }
  shared = w.sharedMemory();
  auto [blockX, blockY] = tileOfBlock();
  row0 = w.mul(blockX, plan.tileM);
  column0 = w.mul(blockY, plan.tileN);
  blockColumn = w.mul(blockY, plan.tileN / 32);

  Values accumulators(plan.accumulators(), plan.integer ? w.constant(0) : w.constantF32(0));
  for (auto [i, segment] : llvm::enumerate(plan.segments)) {
    accumulators = runSegment(segment, accumulators, i == 0);
    unsigned next = i + 1 < plan.segments.size() ? plan.segments[i + 1].shift : 0;
    if (plan.integer)
      for (Value &value : accumulators)
        value = w.shrs(value, segment.shift - next);
  }
  if (plan.pdl)
    w.launchDependents();
  auto store = [&] {
    Value row = w.add(w.add(row0, w.mul(warpRow, plan.warpM())), w.divu(lane, 4));
    Value column = w.add(w.add(column0, w.mul(warpColumn, plan.warpN())), w.shl(w.remu(lane, 4), 3));
    storeFragments(w, op, plan, accumulators, operands, results, row, column, m);
  };
  if (plan.warpsK == 1)
    return store();
  // The sums of the other warps of a tile's K meet those of the first, in order.
  int64_t tileWarps = plan.warpsM * plan.warpsN, warpBytes = int64_t(plan.accumulators()) * 128;
  Value place = w.offset(shared, w.add(w.mul(w.remu(warp, tileWarps), warpBytes), w.shl(lane, 2)));
  w.barrier();
  w.ifThen(w.ne(warpDepth, 0), [&] {
    Value to = w.offset(place, w.mul(w.sub(warpDepth, 1), tileWarps * warpBytes));
    for (auto [i, value] : llvm::enumerate(accumulators))
      w.store(value, w.offset(to, i * 128), 4);
  });
  w.barrier();
  w.ifThen(w.eq(warpDepth, 0), [&] {
    for (int64_t depth = 1; depth < plan.warpsK; ++depth)
      for (auto [i, value] : llvm::enumerate(accumulators)) {
        Value other =
            w.load(w.offset(place, ((depth - 1) * tileWarps) * warpBytes + int64_t(i) * 128), value.getType(), 4);
        value = plan.integer ? w.add(value, other) : w.addf(value, other);
      }
    store();
  });
}

EmittedKernel bitwright::nvptx::emitMultistage(Operation *operation, kernel::ScheduleAttr schedule, ModuleOp into,
                                               StringRef symbol) {
  auto op = cast<kernel::GemmOp>(operation);
  MultistagePlan plan;
  planMultistage(op, schedule, plan);
  EmittedKernel kernel;
  kernel.symbol = symbol.str();
  kernel.arch = plan.arch;
  kernel.threads = plan.threads;
  kernel.sharedBytes = plan.sharedBytes;
  kernel.pdl = plan.pdl;
  kernel.gridX = getAffineDimExpr(0, op.getContext()).ceilDiv(plan.tileM);
  kernel.gridY = getAffineConstantExpr(int64_t(llvm::divideCeil(plan.n, plan.tileN)), op.getContext());
  kernel.parameters.push_back({Role::Lhs, 0, Form::Pointer, {}, {}});
  SmallVector<const MultistageSegment *> order(plan.segments.size());
  for (const MultistageSegment &segment : plan.segments)
    order[segment.index] = &segment;
  for (const MultistageSegment *segment : order) {
    kernel.parameters.push_back({Role::Rhs, segment->index, Form::Pointer, {}, segment->rhs});
    if (segment->scaleBytes)
      kernel.parameters.push_back({Role::GroupScale, segment->index, Form::Pointer, {}, segment->scale});
    if (segment->zero.rows)
      kernel.parameters.push_back({Role::GroupZeroPoint, segment->index, Form::Pointer, {}, segment->zero});
  }
  for (unsigned i = 0; i < op.getOperandsAttr().size(); ++i)
    kernel.parameters.push_back({Role::Operand, i, Form::Pointer, {}, {}});
  for (unsigned i = 0; i < op.getResultsAttr().size(); ++i)
    kernel.parameters.push_back({Role::Result, i, Form::Pointer, {}, {}});
  kernel.parameters.push_back({Role::M, 0, Form::Int32, {}, {}});

  KernelWriter w(op.getLoc(), into);
  Values arguments = w.begin(kernel);
  // Unrolled over a few tiles of K, a kernel takes the registers that would hold another CTA.
  w.function.setPassthroughAttr(w.builder.getStrArrayAttr({"bitwright-rolled-loops"}));
  Generator(w, op, plan).run(arguments, kernel);
  w.end();
  return kernel;
}
