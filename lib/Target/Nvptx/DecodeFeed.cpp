//===- DecodeFeed.cpp - template decode: activations to shared memory --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Every CTA needs the whole token operand (its stretch of K): once through shared memory, in chunks, so that the first
// products start when the first chunk is there. Chunk c holds, for each warp along K, units [c chunkUnits, ...) of its
// stretch. Scales and zero points of the CTA's rows come with the first chunk.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Decode.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::decode;

/// By lane 0 of warp 0, which also starts the copies: they need not wait for the other warps.
void Generator::initBarriers() {
  for (int64_t i = 0; i < p.stages; ++i) {
    w.barrierInit(w.offset(shared, p.fullBarrier(i)), 1);
    if (p.ring)
      w.barrierInit(w.offset(shared, p.emptyBarriers() + 8 * i), p.warps());
  }
  if (p.split > 1)
    w.barrierInit(w.offset(shared, p.sumBarrier()), 1);
  w.fenceBarrierInit();
  if (p.split > 1) // what the other CTA of the cluster pushes here
    w.expectBytes(w.offset(shared, p.sumBarrier()), p.fragments() * p.depthWarps * (p.split - 1) * 512);
}

/// What the epilogue reads for each of the CTA's columns comes to L2 while the weights stream.
void Generator::prefetchColumns() {
  w.ifThen(w.eq(thread, p.threads() - 1), [&] {
    for (unsigned i = 0; i < operands.size(); ++i) {
      kernel::OperandAttr operand = op.getOperandAttr(i);
      int64_t bytes =
          operand.getKind() == kernel::OperandKind::Column ? operand.getType().getIntOrFloatBitWidth() / 8 : 0;
      if (!bytes)
        continue;
      Value first = w.mul(tile, p.rows());
      Value size = w.andi(w.mul(w.minu(w.sub(w.constant(p.n), first), p.rows()), bytes), ~int64_t(15));
      Value pointer = w.offset(operands[i], w.mul(first, bytes));
      w.ifThen(w.ne(size, 0), [&] { kernel::PrefetchL2Op::create(w.builder, w.loc, pointer, size); });
    }
  });
}

int64_t Generator::chunkBytes(int64_t chunk) const {
  int64_t bytes = 0;
  for (int64_t i = 0; i < p.depthWarps; ++i) {
    int64_t first = chunk * p.chunkUnits, end = std::min(p.warpUnits, p.units - i * p.warpUnits);
    bytes += std::max<int64_t>(0, std::min(p.chunkUnits, end - first)) * p.unitBytes();
  }
  return bytes;
}

/// Bytes of scales (and zero points) of 32 rows in a CTA's stretch of K.
static int64_t tileScaleBytes(const Plan &p) { return p.ctaGroups() * 32 * p.scaleBytes(); }

void Generator::copyConstants(Value barrier) {
  w.ifThen(w.ult(lane, p.rowWarps), [&] {
    Value row = w.add(w.mul(tile, p.rowWarps), lane);
    if (p.ctas() * p.rowWarps != p.rowTiles())
      row = w.minu(row, p.rowTiles() - 1);
    Value block = w.add(w.mul(row, p.groups()), w.divu(w.mul(rank, p.units * 128), p.group));
    int64_t bytes = tileScaleBytes(p);
    w.copyBulk(w.offset(shared, w.add(w.mul(lane, bytes), p.scaleOffset)),
               w.offset(scales, w.mul(block, 32 * p.scaleBytes())), bytes, barrier);
    if (zeros)
      w.copyBulk(w.offset(shared, w.add(w.mul(lane, p.ctaGroups() * 32), p.zeroOffset)),
                 w.offset(zeros, w.mul(block, 32)), p.ctaGroups() * 32, barrier);
  });
}

void Generator::copyConstantsAsync() {
  auto copy = [&](Value source, int64_t bytesPerTile, int64_t offset) {
    int64_t pieces = bytesPerTile / 16; // the tiles of a CTA lie one after the other, split is 1
    w.loop(thread, p.rowWarps * pieces, p.threads(), {}, [&](Value i, ValueRange) {
      Value warpRow = w.divu(i, pieces);
      Value row = w.minu(w.add(w.mul(tile, p.rowWarps), warpRow), p.rowTiles() - 1);
      Value piece = w.sub(i, w.mul(warpRow, pieces));
      w.copyAsync(w.offset(shared, w.add(w.mul(i, 16), offset)),
                  w.offset(source, w.add(w.mul(row, bytesPerTile), w.mul(piece, 16))));
      return Values();
    });
  };
  copy(scales, tileScaleBytes(p), p.scaleOffset);
  if (zeros)
    copy(zeros, p.ctaGroups() * 32, p.zeroOffset);
}

/// The rows of one chunk for one warp row, a copy a lane. A warp starts its lanes' copies one after the other, so every
/// warp takes other chunks.
void Generator::copyChunkBulk(Value number) {
  Value chunk = w.divu(number, p.depthWarps);
  Value warpRow = w.sub(number, w.mul(chunk, p.depthWarps));
  Value unit = w.add(w.mul(warpRow, p.warpUnits), w.mul(chunk, p.chunkUnits));
  Value bytes = w.constant(p.chunkUnits * p.unitBytes());
  if (!p.uniform || p.warpUnits % p.chunkUnits) {
    Value end = w.minu(w.mul(w.add(warpRow, 1), p.warpUnits), p.units);
    Value rest = w.select(w.ult(unit, end), w.sub(end, unit), 0);
    end = w.minu(rest, w.sub(w.constant(p.warpUnits), w.mul(chunk, p.chunkUnits)));
    bytes = w.mul(w.minu(end, p.chunkUnits), p.unitBytes());
  }
  Value barrier = w.offset(shared, w.mul(chunk, 8));
  Value from = w.mul(w.add(w.mul(rank, p.units), unit), p.unitBytes());
  Value base = w.add(w.add(w.mul(chunk, p.stageBytes()), w.mul(warpRow, p.tokens() * p.rowBytes())), p.lhsOffset);
  // CTAs take the tokens in different orders: the same rows of L2 are not asked for by all at once.
  int64_t lanes = std::min<int64_t>(32, int64_t(llvm::PowerOf2Ceil(uint64_t(p.tokens()))));
  for (int64_t above = 0; above < p.tokens(); above += 32) {
    Value token = w.add(w.xori(lane, w.andi(tile, lanes - 1)), above);
    w.ifThen(w.andi(w.andi(w.ult(token, m), w.ult(lane, lanes)), w.ne(bytes, 0)), [&] {
      w.copyBulk(w.offset(shared, w.add(w.mul(token, p.rowBytes()), base)),
                 w.offset(lhsPointer, w.add(w.mul(token, p.k * p.lhsBytes()), from)), bytes, barrier);
    });
  }
}

void Generator::copyChunkTensor(Value chunk, Value stage, Value barrier) {
  int64_t blocks = p.unitBytes() / 128; // of 128 bytes, in a unit
  w.ifThen(w.eq(lane, 0), [&] {
    for (int64_t i = 0; i < p.depthWarps; ++i) {
      Value unit = w.add(w.add(w.mul(rank, p.units), w.mul(chunk, p.chunkUnits)), i * p.warpUnits);
      int64_t base = p.lhsOffset + i * p.tokens() * p.rowBytes();
      w.copyTensor(w.offset(shared, w.add(w.mul(stage, p.stageBytes()), base)), lhsPointer,
                   {w.constant(0), w.constant(0), w.mul(unit, blocks)}, barrier);
    }
  });
}

void Generator::copyChunkAsync(Value chunk, Value stage) {
  int64_t pieces = p.chunkUnits * p.unitBytes() / 16, perUnit = p.unitBytes() / 16;
  w.loop(thread, w.mul(m, p.depthWarps * pieces), p.threads(), {}, [&](Value i, ValueRange) {
    Value token = w.divu(i, p.depthWarps * pieces);
    Value rest = w.sub(i, w.mul(token, p.depthWarps * pieces));
    Value warpRow = w.divu(rest, pieces);
    Value piece = w.sub(rest, w.mul(warpRow, pieces));
    Value source = w.add(w.mul(w.add(w.mul(warpRow, p.warpUnits), w.mul(chunk, p.chunkUnits)), perUnit), piece);
    Value inside = w.ult(source, p.units * perUnit);
    Value bytes = w.select(inside, 16, 0); // beyond K: zeros, which nobody reads
    source = w.select(inside, source, 0);
    Value row = w.add(w.mul(warpRow, p.tokens()), token);
    Value target = w.add(w.add(w.mul(stage, p.stageBytes()), w.mul(row, p.rowBytes())), w.mul(piece, 16));
    w.copyAsync(w.offset(shared, w.add(target, p.lhsOffset)),
                w.offset(lhsPointer, w.add(w.mul(token, p.k * p.lhsBytes()), w.mul(source, 16))), bytes);
    return Values();
  });
}

void Generator::startFeed() {
  if (p.feed == Feed::Async) {
    if (p.scaled)
      copyConstantsAsync();
    for (int64_t c = 0; c < p.stages - 1; ++c) {
      if (c < p.chunks)
        copyChunkAsync(w.constant(c), w.constant(c));
      w.commitCopies();
    }
  } else {
    if (p.pdl)
      w.launchDependents(); // they start with their weights, which no kernel writes
    w.ifThen(w.eq(thread, 0), [&] {
      initBarriers();
      int64_t constants = !p.scaled ? 0 : p.rowWarps * (tileScaleBytes(p) + (zeros ? p.ctaGroups() * 32 : 0));
      for (int64_t c = 0; c < p.stages; ++c) {
        Value bytes = p.feed == Feed::Tensor ? w.constant(p.stageBytes()) : w.mul(m, chunkBytes(c));
        w.expectBytes(w.offset(shared, p.fullBarrier(c)), c ? bytes : w.add(bytes, constants));
      }
    });
    w.barrier(); // the barriers are there for all
    if (p.split > 1)
      w.clusterArriveRelaxed(); // waited for before the first push
    w.ifThen(w.eq(warp, 0), [&] {
      if (p.scaled)
        copyConstants(w.offset(shared, p.fullBarrier(0)));
      if (p.feed == Feed::Tensor) {
        if (p.pdl)
          w.waitPredecessor();
        for (int64_t c = 0; c < p.stages; ++c)
          copyChunkTensor(w.constant(c), w.constant(c), w.offset(shared, p.fullBarrier(c)));
      }
    });
    prefetchColumns();
    if (p.feed == Feed::Bulk) {
      if (p.pdl)
        w.waitPredecessor();
      // Warp 0 has the scales; the others take the copies in turn.
      int64_t copies = p.stages * p.depthWarps, others = p.warps() - 1;
      if (others == 0)
        w.loop(0, copies, 1, {}, [&](Value number, ValueRange) { return copyChunkBulk(number), Values(); });
      else if (copies <= others)
        w.ifThen(w.ult(w.sub(warp, 1), copies), [&] { copyChunkBulk(w.sub(warp, 1)); });
      else
        w.ifThen(w.ne(warp, 0), [&] {
          w.loop(w.sub(warp, 1), copies, others, {},
                 [&](Value number, ValueRange) { return copyChunkBulk(number), Values(); });
        });
    }
  }

  int64_t rowBase = p.lhsOffset;
  Value warpBase = w.mul(depthWarp, p.tokens() * p.rowBytes());
  if (p.feed == Feed::Tensor) {
    // Column g of the mma is token 8 n + (g >> 1 | (g & 1) << 2): the eight lanes of one 16-byte access then touch
    // eight different columns of the 128-byte swizzle.
    Value token = w.ori(w.shru(g, 1), w.shl(w.andi(g, 1), 2));
    Value near = w.add(w.mul(token, 128), w.shl(w.xori(token, t), 4));
    Value base = w.offset(shared, w.add(warpBase, rowBase));
    tokenPointers = {w.offset(base, near), w.offset(base, w.xori(near, 64))};
  } else {
    for (int64_t n = 0; n < p.tokenTiles; ++n) {
      Value token = w.minu(w.add(g, 8 * n), w.sub(m, 1));
      Value offset = w.add(w.add(w.mul(token, p.rowBytes()), w.mul(t, p.narrowGroups() ? 8 : 16)), warpBase);
      tokenPointers.push_back(w.offset(shared, w.add(offset, rowBase)));
    }
  }
  if (p.scaled) {
    int64_t perUnit = p.group < 128 ? 128 / p.group : p.group == 128 ? 1 : 0;
    Value group = w.mul(depthWarp, perUnit * p.warpUnits);
    auto pointer = [&](int64_t offset, int64_t bytes) {
      Value place = w.add(w.mul(w.add(w.mul(rowWarp, p.ctaGroups()), group), 32 * bytes), w.mul(g, 4 * bytes));
      return w.offset(shared, w.add(place, offset));
    };
    scalePointer = pointer(p.scaleOffset, p.scaleBytes());
    if (zeros)
      zeroPointer = pointer(p.zeroOffset, 1);
  }
  if (p.feed != Feed::Async && p.chunks == 1)
    w.waitParity(w.offset(shared, p.fullBarrier(0)), w.constant(0));
}

Value Generator::waitChunk(Value index) {
  int64_t unitStep = p.feed == Feed::Tensor ? p.tokens() * p.unitBytes() : p.unitBytes();
  if (p.chunks == 1)
    return w.mul(index, unitStep);
  Value chunk = w.divu(index, p.chunkUnits);
  Value inside = w.sub(index, w.mul(chunk, p.chunkUnits));
  Value stage = chunk, parity = w.constant(0);
  if (p.feed == Feed::Async) {
    stage = w.remu(chunk, p.stages);
  } else {
    if (p.ring) {
      refill(chunk, inside);
      Value turn = w.divu(chunk, p.stages);
      stage = w.sub(chunk, w.mul(turn, p.stages));
      parity = w.andi(turn, 1);
    }
    w.waitParity(w.offset(shared, w.mul(stage, 8)), parity);
  }
  return w.add(w.mul(stage, p.stageBytes()), w.mul(inside, unitStep));
}

/// At the start of chunk c, warp 0 waits until all warps have given back chunk c - 1 and fills its stage anew.
void Generator::refill(Value chunk, Value inside) {
  Value previous = w.sub(chunk, 1), next = w.add(previous, p.stages);
  Value mine = w.eq(w.ori(inside, warp), 0);
  mine = w.andi(w.andi(mine, w.ne(chunk, 0)), w.ult(next, p.chunks));
  w.ifThen(mine, [&] {
    Value turn = w.divu(previous, p.stages);
    Value stage = w.sub(previous, w.mul(turn, p.stages));
    Value full = w.offset(shared, w.mul(stage, 8));
    w.waitParity(w.offset(full, p.emptyBarriers()), w.andi(turn, 1));
    w.ifThen(w.eq(lane, 0), [&] { w.expectBytes(full, p.stageBytes()); });
    w.warpSync();
    copyChunkTensor(next, stage, full);
  });
}

/// After the last unit of a chunk the warp gives its stage back.
void Generator::release(Value index) {
  if (!p.ring)
    return;
  Value chunk = w.divu(index, p.chunkUnits);
  Value inside = w.sub(index, w.mul(chunk, p.chunkUnits));
  Value stage = w.remu(chunk, p.stages);
  w.warpSync();
  w.ifThen(w.andi(w.eq(inside, p.chunkUnits - 1), w.eq(lane, 0)),
           [&] { w.arrive(w.offset(shared, w.add(w.mul(stage, 8), p.emptyBarriers()))); });
}

SmallVector<Values> Generator::tokenWords(Value unitOffset, int64_t b) {
  int64_t block = p.integerLhs ? b / 2 : b; // of 64 bytes
  SmallVector<Values> words;
  for (int64_t n = 0; n < p.tokenTiles; ++n) {
    if (p.feed == Feed::Tensor) {
      Value pointer = w.offset(tokenPointers[block % 2], unitOffset);
      words.push_back(w.loadWords(w.offset(pointer, block / 2 * p.tokens() * 128 + n * 1024), 4));
      continue;
    }
    Value pointer = w.offset(w.offset(tokenPointers[n], unitOffset), block * 64);
    if (!p.narrowGroups()) {
      words.push_back(w.loadWords(pointer, 4));
      continue;
    }
    words.push_back(w.loadWords(pointer, 2));
    words.back().append(w.loadWords(w.offset(pointer, 32), 2));
  }
  return words;
}
