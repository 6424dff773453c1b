//===- Multistage.h - plan of an mma.sync kernel ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The template multistage: a ring of `stages` tiles of K in shared memory fed by cp.async, ldmatrix, mma.sync, warp
// tiles of 16 m x 32 n columns and up. Everything that is decided before code is written stands in the plan.
//
// Columns: a warp owns blocks of 32 columns. The mma gives a lane columns 2t, 2t+1 of each of the four n-tiles of a
// block (t = lane % 4); the packings permute the weights' rows inside each block so that these are the logical columns
// 8t .. 8t+7, and a lane loads column operands and stores results as vectors, without a shuffle.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_MULTISTAGE_H
#define BITWRIGHT_LIB_TARGET_NVPTX_MULTISTAGE_H

#include "lib/Target/Nvptx/KernelWriter.h"

namespace bitwright::nvptx {

/// How the weights of a segment come to the mma.
enum class Feed : uint8_t {
  Direct,        ///< as stored, through ldmatrix: s8 x s8, s4 x s4 (sm_80), f16 x f16, bf16 x bf16
  NibblePairs,   ///< both operands 4 bits, unpacked to 16 x code in s8 (architectures without s4 mma)
  NibblesToS8,   ///< s4 codes under s8, to 16 x code
  TwoLevel,      ///< u4 codes under s8, to code * S_g + m_g (INTEGER R16)
  NibblesToHalf, ///< s4 codes under f16 or bf16
  BytesToHalf,   ///< s8 codes under f16 or bf16
};

struct MultistageSegment {
  kernel::SegmentAttr attr;
  unsigned index = 0;
  Feed feed = Feed::Direct;
  KernelWriter::Mma mma = KernelWriter::Mma::S8;
  bool partial = false;      ///< group sums are scaled in f32 (place partial_sums)
  bool scaledBefore = false; ///< weights are multiplied by their scale before the mma
  bool zeroPoint = false;
  unsigned shift = 0; ///< the i32 sums are 2^shift times the exact ones
  unsigned lhsBits = 8;
  int64_t tileK = 0;     ///< elements
  int64_t rowBytes = 0;  ///< bytes of a row of the left operand's tile: 32, 64 or 128
  int64_t lhsOffset = 0; ///< byte offset of the segment inside a row of the left operand
  int64_t kBytes = 0;    ///< bytes of the segment inside a row
  int64_t tiles = 0;     ///< tiles of K
  int64_t groups = 0, groupsPerTile = 1, tilesPerGroup = 1;
  int64_t stepK = 32; ///< elements of a step: 32 bytes of the left operand
  /// Byte offsets inside a stage (the left operand's tile is at 0).
  int64_t rhsStage = 0, scaleStage = 0, zeroStage = 0, stageBytes = 0;
  layout::Packing rhs, scale, zero;
  unsigned scaleBytes = 0; ///< of one scale; 0: no scales

  bool direct() const { return feed == Feed::Direct || feed == Feed::NibblePairs; }
  unsigned steps() const { return unsigned(rowBytes / 32); }
  /// Bytes of a block of 32 columns and one tile of K in packed weights.
  int64_t blockBytes() const { return tileK * 32 * rhs.bits / 8; }
};

struct MultistagePlan {
  Arch arch = Arch::Sm80;
  int64_t n = 0, tileM = 0, tileN = 0, stages = 0, warpsM = 0, warpsN = 0, warpsK = 1, raster = 0;
  int64_t pitch = 0; ///< bytes of a row of the left operand
  bool integer = true, pdl = false;
  unsigned threads = 0, sharedBytes = 0;
  /// In the order in which they are summed: integer segments by falling shift.
  std::vector<MultistageSegment> segments;

  int64_t warpM() const { return tileM / warpsM; }
  int64_t warpN() const { return tileN / warpsN; }
  unsigned rowTiles() const { return unsigned(warpM() / 16); }
  unsigned columnTiles() const { return unsigned(warpN() / 8); }
  unsigned accumulators() const { return rowTiles() * columnTiles() * 4; }
  /// Warps of one tile's K: each takes its share of a tile's steps, the sums meet in shared memory.
  unsigned stepsOf(const MultistageSegment &s) const { return s.steps() / unsigned(warpsK); }
  unsigned reductionBytes() const { return unsigned((warpsK - 1) * warpsM * warpsN * accumulators() * 128); }
};

/// Fills `plan`, or gives the first predicate that failed.
std::string planMultistage(kernel::GemmOp op, kernel::ScheduleAttr schedule, MultistagePlan &plan);

/// Applies the epilogue to the accumulators of this lane's fragments and stores the results. `arguments` are those of
/// the operands, then of the results; `row`, `column` are the lane's first row and column (8 t included), i32.
void storeFragments(KernelWriter &w, kernel::GemmOp op, const MultistagePlan &plan, ValueRange accumulators,
                    ValueRange operands, ValueRange results, Value row, Value column, Value m);

} // namespace bitwright::nvptx

#endif
