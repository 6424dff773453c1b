//===- DecodeReduce.cpp - template decode: partial sums, epilogue ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A fragment is 16 rows of weights x 8 tokens, four values a lane as the mma leaves them. CTA `rank` of a cluster owns
// mma `i` = rank of every warp's two (all, without a cluster). Each warp pushes its partial sums to the owner's shared
// memory, fragment by fragment in lane order: 16 bytes a lane, no conflicts, no atomics, and a fixed order of addition.
// Then a warp of the owner takes a fragment: sum, epilogue, store.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Decode.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::decode;

/// Byte offset of (fragment, source) in the buffer of partial sums; source = CTA rank x warp along K.
void Generator::push(ArrayRef<Value> sums) {
  if (p.split > 1)
    w.clusterWait(); // the other CTA runs and its barrier is ready
  Value source = w.add(w.mul(rank, p.depthWarps), depthWarp);
  for (int64_t i = 0; i < 2; ++i) {
    Value owned = p.split > 1 ? rowWarp : w.add(w.mul(rowWarp, 2), i); // the owner's number of these 16 rows
    Value place = w.add(w.mul(w.add(w.mul(owned, p.tokenTiles * p.sources()), source), 512), w.mul(lane, 16));
    Value target = w.offset(shared, w.add(place, p.sumOffset));
    auto words = [&](int64_t n) {
      Values four;
      for (int64_t r = 0; r < 4; ++r)
        four.push_back(w.bitcast(sums[4 * (i * p.tokenTiles + n) + r], w.i32()));
      return four;
    };
    auto local = [&] {
      for (int64_t n = 0; n < p.tokenTiles; ++n)
        w.storeWords(words(n), w.offset(target, n * p.sources() * 512));
    };
    if (p.split == 1) {
      local();
      continue;
    }
    w.ifThenElse(w.eq(rank, i), local, [&] {
      auto remote = [&](Value address) -> Value {
        return kernel::MapSharedOp::create(w.builder, w.loc, w.i32(), address, w.constant(i));
      };
      Value barrier = remote(w.pointerToInt(w.offset(shared, p.sumBarrier())));
      Value address = remote(w.pointerToInt(target));
      for (int64_t n = 0; n < p.tokenTiles; ++n) {
        Values four = words(n);
        kernel::StoreAsyncOp::create(w.builder, w.loc, w.add(address, n * p.sources() * 512), four[0], four[1], four[2],
                                     four[3], barrier);
      }
    });
  }
}

/// All partial sums of this CTA's fragments are in its shared memory. Nothing is pushed to it afterwards, so it may end
/// before the others of its cluster.
void Generator::waitSums() {
  w.barrier();
  if (p.split > 1)
    w.waitParity(w.offset(shared, p.sumBarrier()), w.constant(0));
}

struct Generator::Item {
  Value fragment, token[2], column[2], tokenInside[2], columnInside[2];
  SmallVector<Values> arguments; ///< of the epilogue for each of the four values, without the accumulator
};

/// Coordinates and operands of a fragment; loads use clamped coordinates, stores are masked.
Generator::Item Generator::loadItem(Value fragment) {
  Item item;
  item.fragment = fragment;
  Value owned = w.divu(fragment, p.tokenTiles);
  Value n = w.sub(fragment, w.mul(owned, p.tokenTiles));
  Value rows16 = w.add(w.mul(owned, p.split), rank);
  Value column = w.add(w.add(w.mul(tile, p.rows()), w.mul(rows16, 16)), w.mul(g, 2));
  bool ragged = p.n % p.rows() != 0;
  Value lastToken = w.sub(m, 1);
  for (int64_t c = 0; c < 2; ++c) {
    Value token = p.feed == Feed::Tensor ? w.add(t, 4 * c) : w.add(w.mul(t, 2), c);
    token = w.add(w.mul(n, 8), token);
    item.tokenInside[c] = w.ult(token, m);
    item.token[c] = w.minu(token, lastToken);
    Value mine = w.add(column, c);
    item.columnInside[c] = ragged ? w.ult(mine, p.n) : Value();
    item.column[c] = ragged ? w.minu(mine, p.n - 1) : mine;
  }
  // One load for each row, column or scalar, one for each element.
  item.arguments.assign(4, {});
  for (unsigned i = 0; i < operands.size(); ++i) {
    Value pointer = operands[i];
    kernel::OperandAttr operand = op.getOperandAttr(i);
    Type type = operand.getType();
    unsigned bytes = operand.getKind() == kernel::OperandKind::Table ? 0 : (type.getIntOrFloatBitWidth() + 7) / 8;
    auto at = [&](Value index) { return w.load(w.offset(pointer, index, type), type, bytes); };
    Value shared[2];
    switch (operand.getKind()) {
    case kernel::OperandKind::Row:
    case kernel::OperandKind::Column: {
      bool row = operand.getKind() == kernel::OperandKind::Row;
      for (int64_t c = 0; c < 2; ++c)
        shared[c] = at(row ? item.token[c] : item.column[c]);
      for (int64_t r = 0; r < 4; ++r)
        item.arguments[r].push_back(shared[row ? r % 2 : r / 2]);
      break;
    }
    case kernel::OperandKind::Element:
      for (int64_t r = 0; r < 4; ++r)
        item.arguments[r].push_back(at(w.add(w.mul(item.token[r % 2], p.n), item.column[r / 2])));
      break;
    case kernel::OperandKind::Scalar:
    case kernel::OperandKind::Table: {
      Value value = bytes && operand.getKind() == kernel::OperandKind::Scalar ? w.load(pointer, type, bytes) : pointer;
      for (int64_t r = 0; r < 4; ++r)
        item.arguments[r].push_back(value);
      break;
    }
    }
  }
  return item;
}

void Generator::finishItem(const Item &item) {
  Value base = w.offset(shared, w.add(w.add(w.mul(item.fragment, p.sources() * 512), w.mul(lane, 16)), p.sumOffset));
  auto addSource = [&](Value pointer, Values &sums) {
    Values words = w.loadWords(pointer, 4);
    for (int64_t r = 0; r < 4; ++r) {
      Value word = p.exact ? words[r] : w.bitcast(words[r], w.f32());
      if (sums.size() < 4)
        sums.push_back(word);
      else
        sums[r] = p.exact ? w.add(sums[r], word) : w.addf(sums[r], word);
    }
  };
  Values sums;
  for (int64_t s = 0; s < std::min<int64_t>(p.sources(), 16); ++s)
    addSource(w.offset(base, s * 512), sums);
  if (p.sources() > 16) // more loads at once than registers for them
    sums = w.loop(16, p.sources(), 1, sums, [&](Value s, ValueRange carried) {
      Values running(carried);
      addSource(w.offset(base, w.mul(s, 512)), running);
      return running;
    });
  SmallVector<Values> emitted;
  for (int64_t r = 0; r < 4; ++r) {
    Value sum = sums[r];
    if (p.integerLhs && !p.twoLevel) // codes were taken as 16 times their value
      sum = p.exact ? w.shrs(sum, 4) : w.mulf(sum, w.constantF32(0.0625f));
    Values arguments{sum};
    arguments.append(item.arguments[r]);
    emitted.push_back(inlineEpilogue(w, op.getEpilogue().front(), arguments));
  }
  bool pairs = p.n % 2 == 0; // two columns in one store: their address is then aligned to both
  for (unsigned i = 0; i < results.size(); ++i) {
    Value pointer = results[i];
    Type type = op.getResultElement(i);
    unsigned bytes = (type.getIntOrFloatBitWidth() + 7) / 8;
    for (int64_t c = 0; c < 2; ++c)
      for (int64_t h = 0; h < (pairs ? 1 : 2); ++h) {
        Value inside = item.tokenInside[c];
        if (item.columnInside[h])
          inside = w.andi(inside, item.columnInside[h]);
        w.ifThen(inside, [&] {
          Value target = w.offset(pointer, w.add(w.mul(item.token[c], p.n), item.column[h]), type);
          Value first = emitted[2 * h + c][i];
          if (type.isInteger(4)) { // N is even
            Value both = w.ori(w.zext(first, w.i32()), w.shl(w.zext(emitted[2 + c][i], w.i32()), 4));
            Value byte = w.shru(w.add(w.mul(item.token[c], p.n), item.column[h]), 1);
            w.store(w.trunc(both, w.i8()), w.offset(pointer, byte), 1);
            return;
          }
          if (!pairs) {
            w.store(first, target, bytes);
            return;
          }
          Value both = vector::FromElementsOp::create(w.builder, w.loc, cast<VectorType>(w.vector(2, type)),
                                                      ValueRange{first, emitted[2 + c][i]});
          w.store(both, target, 2 * bytes);
        });
      }
  }
}

void Generator::epilogue() {
  if (p.pdl)
    w.waitPredecessor(); // operands, and the memory of the results, may be a predecessor's
  const int64_t rounds = (p.fragments() + p.warps() - 1) / p.warps();
  if (rounds > 2) {
    waitSums();
    w.loop(warp, p.fragments(), p.warps(), {}, [&](Value fragment, ValueRange) {
      finishItem(loadItem(fragment));
      return Values();
    });
    return;
  }
  // Operands are loaded before the wait for the sums. Fragments beyond the last are clamped and not finished.
  SmallVector<Item> items;
  for (int64_t i = 0; i < rounds; ++i) {
    Value fragment = w.add(warp, i * p.warps());
    items.push_back(loadItem(p.fragments() % p.warps() ? w.minu(fragment, p.fragments() - 1) : fragment));
  }
  waitSums();
  for (int64_t i = 0; i < rounds; ++i) {
    if ((i + 1) * p.warps() <= p.fragments())
      finishItem(items[i]);
    else
      w.ifThen(w.ult(warp, p.fragments() - i * p.warps()), [&] { finishItem(items[i]); });
  }
}
