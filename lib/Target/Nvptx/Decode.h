//===- Decode.h - 4-bit weights and few tokens: the plan of a kernel -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The decode template reads 4-bit weights once, as fast as memory gives them, for at most 64 tokens. Operands are
// swapped: rows of weights are the M of the mma, tokens its N. A warp owns 32 rows of weights and a contiguous stretch
// of K; packed in fragment order, its codes are one stream of 16-byte loads straight to registers. A CTA is `rowWarps`
// x `depthWarps` warps; `split` CTAs of a cluster share K. The unit of K is 128.
//
//   Decode.cpp        the plan, the streams of weights, the main loop
//   DecodeFeed.cpp    activations and scales to shared memory
//   DecodeCodes.cpp   packings, codes to mma operands, scales on partial sums
//   DecodeReduce.cpp  partial sums to their owner, the epilogue
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_DECODE_H
#define BITWRIGHT_LIB_TARGET_NVPTX_DECODE_H

#include "lib/Target/Nvptx/KernelWriter.h"

namespace bitwright::nvptx::decode {

/// How activations come to shared memory: one bulk copy per token row; tensor boxes in a ring of stages; cp.async.
enum class Feed { Bulk, Tensor, Async };

struct Plan {
  kernel::GemmOp op;
  Arch arch = Arch::Sm90a;
  int64_t n = 0, k = 0;
  Type lhs, scaleType;
  kernel::Grouping grouping = kernel::Grouping::None;
  int64_t group = 0;
  bool integerLhs = false, bf16 = false, exact = false; ///< exact: i32 accumulators over all of K
  bool scaled = false, zeroPoint = false, twoLevel = false;

  int64_t tokenTiles = 1, rowWarps = 1, depthWarps = 1, split = 1, inFlight = 1;
  bool pdl = false;
  Feed feed = Feed::Bulk;
  int64_t units = 0;      ///< units of K of a CTA
  int64_t warpUnits = 0;  ///< of a warp, at most
  bool uniform = true;    ///< every warp has warpUnits of them
  int64_t chunkUnits = 0; ///< of a chunk of one warp row
  int64_t chunks = 0, stages = 0;
  bool ring = false; ///< stages are reused

  int64_t tokens() const { return 8 * tokenTiles; }
  int64_t rows() const { return 32 * rowWarps; }
  int64_t warps() const { return rowWarps * depthWarps; }
  int64_t threads() const { return 32 * warps(); }
  int64_t rowTiles() const { return (n + 31) / 32; }
  int64_t ctas() const { return (n + rows() - 1) / rows(); }
  int64_t lhsBytes() const { return integerLhs ? 1 : 2; }
  int64_t unitBytes() const { return 128 * lhsBytes(); }
  int64_t scaleBytes() const { return twoLevel ? 1 : scaleType ? int64_t(scaleType.getIntOrFloatBitWidth()) / 8 : 0; }
  int64_t groups() const { return scaled ? k / group : 0; }
  int64_t ctaGroups() const; ///< groups that a CTA's stretch of K touches
  /// Groups of 32 under 8-bit activations need blocks of K in natural order: one mma is one group.
  bool narrowGroups() const { return integerLhs && group == 32 && !exact; }
  /// Bytes of one token's row of a chunk; 64 mod 128 keeps 16-byte fragment loads free of bank conflicts.
  int64_t rowBytes() const { return chunkUnits * unitBytes() + (feed == Feed::Tensor ? 0 : 64); }
  int64_t stageBytes() const { return depthWarps * tokens() * rowBytes(); }
  int64_t sources() const { return split * depthWarps; }                  ///< partial sums of one element
  int64_t fragments() const { return 2 * rowWarps / split * tokenTiles; } ///< 16 x 8 results that a CTA owns

  // Shared memory: barriers (full, empty, reduction), scales, zero points, activations, partial sums.
  int64_t scaleOffset = 0, zeroOffset = 0, lhsOffset = 0, sumOffset = 0, sharedBytes = 0;
  int64_t fullBarrier(int64_t stage) const { return 8 * stage; }
  int64_t emptyBarriers() const { return 8 * stages; }
  int64_t sumBarrier() const { return 16 * stages; }
};

/// The plan, or the first predicate that failed.
std::string makePlan(mlir::Operation *op, kernel::ScheduleAttr schedule, Plan &plan);

layout::Packing weightPacking(const Plan &plan);
layout::Packing scalePacking(const Plan &plan, bool zeroPoint);

/// Everything that is emitted once and used in many places.
class Generator {
public:
  Generator(const Plan &plan, KernelWriter &writer) : p(plan), op(plan.op), w(writer) {}
  void emit(const EmittedKernel &kernel);

private:
  using Words = llvm::SmallVector<Value, 16>;
  /// Scales and zero points of one group for the four rows of a lane (2 tile + half).
  struct GroupValues {
    Value scale[4];             // f32
    Value zero[4];              // f32 (8-bit activations)
    Value low[4];               // packed addends (float activations with zero points)
    Value factor[4], offset[4]; // two-level
  };

  // Decode.cpp
  void setUp(const EmittedKernel &kernel);
  Words loadUnit(Value pointer, int64_t unit);
  void mainLoopUniform();
  void mainLoopRolled();
  /// One unit: `index` counts the warp's units, `between(b)` is called after the codes of quarter b were taken.
  void unit(Value index, llvm::ArrayRef<Value> words, llvm::MutableArrayRef<Value> sums,
            llvm::function_ref<void(int64_t)> between);

  // DecodeFeed.cpp
  void initBarriers();
  void prefetchColumns();
  void startFeed();
  void copyConstants(Value barrier);
  void copyConstantsAsync();
  void copyChunkBulk(Value number);
  void copyChunkTensor(Value chunk, Value stage, Value barrier);
  void copyChunkAsync(Value chunk, Value stage);
  int64_t chunkBytes(int64_t chunk) const; ///< of one token over all warp rows
  /// Waits for the chunk of unit `index`; returns the offset of the unit in the lane's activations.
  Value waitChunk(Value index);
  void refill(Value chunk, Value inside);
  void release(Value index);
  /// Operands of the two mma of block `b` (64 bytes of K) for every token tile.
  llvm::SmallVector<Values> tokenWords(Value unitOffset, int64_t b);

  // DecodeCodes.cpp
  GroupValues groupValues(Value index, int64_t part);
  Values operandsFloat(Value word, const GroupValues &group, int64_t tile);
  Values operandsInteger(Value low, Value high, const GroupValues &group, int64_t tile);
  Value sumStart();
  void addGroup(llvm::MutableArrayRef<Value> sums, llvm::ArrayRef<Value> partial, llvm::ArrayRef<Value> tokenSums,
                const GroupValues &group);

  // DecodeReduce.cpp
  void push(llvm::ArrayRef<Value> sums);
  void waitSums();
  void epilogue();
  struct Item; // the operands of one fragment
  Item loadItem(Value fragment);
  void finishItem(const Item &item);

  unsigned sumCount() const { return unsigned(8 * p.tokenTiles); }
  Type sumType() { return p.exact ? w.i32() : w.f32(); }
  Value splat(uint32_t word) { return w.constant(int32_t(word)); }

  const Plan &p;
  kernel::GemmOp op;
  KernelWriter &w;
  Value rhs, scales, zeros, lhsPointer, m;
  Values operands, results;
  Value thread, rank, tile, shared, warp, lane, g, t, depthWarp, rowWarp, rowTile, stream;
  Value start, count; ///< rolled: the warp's first unit in the CTA's stretch and how many
  Values tokenPointers;
  Value scalePointer, zeroPointer;
  Values finalSums;
};

} // namespace bitwright::nvptx::decode

#endif
