//===- WgmmaRs.h - weights in registers, tokens in shared memory -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The template wgmma_rs (sm_90a, KERNELS 4.4): the operands are swapped, so that weights are the operand that comes
// from registers. A consumer warpgroup owns `blocks` x 64 output channels and all tokens of the tile:
//
//   producer warps    per step of 128 bytes of K: tokens by TMA (128-byte swizzle), packed codes and the groups' scales
//                     and zero points by 1-D bulk copies, one warp each, into a ring that runs on from tile to tile
//   consumers         rotation per k-block: fence, wgmma, commit, wait, unpack the next k-block into registers
//   results           packed to words and stored a few per step of the *next* tile, under its products
//   split_k 2         two CTAs of a cluster share K; each finishes half of the tokens and pushes the sums of the others
//
// Channels of a 64-row tile are numbered so that rows g and g + 8 of a fragment are neighbours: channel 16 w + 2 g + h
// for warp w, g = lane / 4 and half h. A lane has channels (2 g, 2 g + 1) and tokens 8 j + 2 t + {0, 1}, t = lane % 4.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_WGMMARS_H
#define BITWRIGHT_LIB_TARGET_NVPTX_WGMMARS_H

#include "lib/Target/Nvptx/KernelWriter.h"

namespace bitwright::nvptx::rs {

enum class Scheme {
  ChannelS8,  ///< s8 tokens, one scale a channel: codes become 16 x code, the sum is shifted back exactly
  TwoLevelS8, ///< s8 tokens, code * S_g + m_g
  Half,       ///< f16 or bf16 tokens, 4- or 8-bit codes: code - zero point, times the group's scale
};

/// Everything that follows from the kernel and its schedule before code is written.
struct Plan {
  Scheme scheme = Scheme::ChannelS8;
  mlir::Type lhs;
  bool scaled = false, zeroPoints = false; ///< Half only: scales and zero points a group
  unsigned codeBits = 4;
  int64_t n = 0, k = 0, group = 0;
  unsigned tokens = 0, loadedTokens = 0; ///< of a tile; rows of the TMA box
  unsigned warpgroups = 0, blocks = 0;   ///< consumers; 64-row blocks of each
  unsigned stages = 0, raster = 0, pending = 2;
  unsigned splitK = 1; ///< CTAs of a cluster that share a tile's K; each finishes its part of the tokens
  bool pdl = false;

  bool integer() const { return scheme != Scheme::Half; }
  unsigned stepK() const { return integer() ? 128 : 64; } ///< elements of K in 128 bytes of a token
  unsigned kBlocks() const { return 4; }
  unsigned wordsPerBlock() const {
    return integer() ? 2 : codeBits / 4;
  } ///< packed words of a lane and k-block of 64 rows
  unsigned wordsPerStep() const { return 4 * wordsPerBlock(); }
  int64_t steps() const { return (k + stepK() - 1) / stepK(); }
  unsigned channels() const { return 64 * blocks * warpgroups; } ///< of a tile
  unsigned rowBlocks() const { return blocks * warpgroups; }     ///< 64-row blocks of a tile
  unsigned accumulators() const { return tokens / 2; }           ///< of a lane and 64-row block
  unsigned finishedTokens() const { return tokens / splitK; }    ///< of a tile, by this CTA
  /// Accumulators of a lane that another CTA finishes, in pieces of four.
  unsigned sentPieces() const { return splitK == 1 ? 0 : blocks * accumulators() / splitK / 4; }
  unsigned threads() const { return 128 * (1 + warpgroups); }
  /// Groups inside a step, and steps of one group (one of them is 1).
  unsigned groupsPerStep() const { return group && group < int64_t(stepK()) ? stepK() / unsigned(group) : 1; }
  unsigned stepsPerGroup() const { return group > int64_t(stepK()) ? unsigned(group) / stepK() : 1; }

  /// Bytes of one 64-row block of a step.
  unsigned codeBytes() const { return 8 * codeBits * stepK(); }
  unsigned scaleBytes() const {
    return scheme == Scheme::TwoLevelS8 ? 64 * groupsPerStep() : scaled ? 128 * groupsPerStep() : 0;
  }
  unsigned zeroBytes() const { return scheme == Scheme::TwoLevelS8 || zeroPoints ? 64 * groupsPerStep() : 0; }
  // Shared memory: tokens, codes, scales, zero points of every stage; operands of the epilogue; sums of the other CTA;
  // barriers: full and empty of every stage, and one for the sums.
  unsigned tokenBytes() const { return tokens * 128; }
  unsigned codesAt() const { return stages * tokenBytes(); }
  unsigned scalesAt() const { return codesAt() + stages * rowBlocks() * codeBytes(); }
  unsigned zerosAt() const { return scalesAt() + stages * rowBlocks() * scaleBytes(); }
  unsigned operandsAt() const { return zerosAt() + stages * rowBlocks() * zeroBytes(); }
  unsigned operandBytes = 0; ///< of one warpgroup and buffer
  unsigned sumsAt() const { return operandsAt() + 2 * warpgroups * operandBytes; }
  unsigned sumBytes() const { return sentPieces() * 16 * 128 * warpgroups; }
  unsigned barriersAt() const { return sumsAt() + sumBytes(); }
  unsigned sharedBytes() const { return barriersAt() + 16 * stages + 16; }

  layout::Packing codes() const;
  layout::Packing scales() const;
  layout::Packing zeros() const;
};

/// The plan, or the first predicate that failed.
std::string plan(kernel::GemmOp op, kernel::ScheduleAttr schedule, Plan &plan);

/// Scales and zero points of a lane's two channels (in shared memory at these places), and what the unpacking wants of
/// them for lane rows h = 0, 1. TwoLevelS8: S0 S1, bytes 128 + m0, 128 + m1 in four copies; Half: scales and addends,
/// each twice in a word.
Values loadGroup(KernelWriter &w, const Plan &plan, Value scales, Value zeros);
Values groupParameters(KernelWriter &w, const Plan &plan, ValueRange loaded);
/// Four fragment words of a k-block from its packed words.
Values unpack(KernelWriter &w, const Plan &plan, ValueRange words, ValueRange parameters);

/// One packed result of a lane: words at token 8 j + `token`, channels of block `block`.
struct Piece {
  unsigned result, block, token;
  Values words;
};

/// The epilogue of a tile, in three parts: loads of operands (early in the tile's products), their way through shared
/// memory (a step later), and the results.
class Epilogue {
public:
  Epilogue(KernelWriter &w, kernel::GemmOp op, const Plan &plan, Value m, ValueRange operands, ValueRange results,
           Value warpgroup, Value thread);
  static unsigned operandBytes(kernel::GemmOp op, const Plan &plan); ///< shared memory of a warpgroup and buffer
  static std::string supports(kernel::GemmOp op);

  /// The tile starts at token `m0` and channel `n0`; buffer of the operands.
  void enter(Value m0, Value n0, Value parity);
  void loadOperands();
  void storeOperands();
  /// Words of all results, from the accumulators of every block. Rows that do not consist of whole words (an odd N) are
  /// stored at once instead.
  llvm::SmallVector<Piece> compute(llvm::ArrayRef<Values> accumulators);

  /// Where a tile's pieces go: carried to the next tile while its results wait.
  Values nowhere(); ///< a place that stores nothing
  Values place();   ///< of the tile entered
  void store(ValueRange place, const Piece &piece);

  unsigned pieces() const { return unsigned(order.size()); } ///< of a tile
  unsigned wordsOf(unsigned result) const;
  unsigned words() const;                              ///< of all pieces
  Piece pieceAt(unsigned i) const { return order[i]; } ///< without words

private:
  unsigned elementBytes(unsigned result) const;
  Value exchange(Value word);
  std::pair<Value, Value> elementAt(Value token, Value channel);

  KernelWriter &w;
  kernel::GemmOp op;
  const Plan &plan;
  Value m, warpgroup, thread, lane, g, t, warp;
  Values operands, results, scalars;
  Value m0, n0, buffer;
  llvm::SmallVector<Values> loaded; ///< of each staged operand
  llvm::SmallVector<Piece> order;   ///< all pieces of a tile, without words
  Value odd, selector;              ///< exchange of byte results between lanes
  bool aligned = true;              ///< rows of results consist of whole words
};

} // namespace bitwright::nvptx::rs

#endif
