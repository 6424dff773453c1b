//===- WgmmaSs.h - plan of a wgmma_ss kernel -------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Template wgmma_ss (KERNELS 4.3): both operands of a product come to shared memory by TMA, a producer warp group feeds
// one or two consumer warp groups through one ring of stages that runs on across tiles, and the packed results of a
// tile are stored while the next tile multiplies. `SsPlan` is everything that the schedule decides, computed once.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_WGMMASS_H
#define BITWRIGHT_LIB_TARGET_NVPTX_WGMMASS_H

#include "lib/Target/Nvptx/KernelWriter.h"

namespace bitwright::nvptx {

/// One store: `words` 32-bit words of the packed results of a thread.
struct SsPiece {
  unsigned result, block, row; ///< result; group of columns; 2 b + h: row 64 b + 8 h of the thread's rows
  unsigned first, words;       ///< words [first, first + words) of the chunk
};

struct SsPlan {
  kernel::GemmOp op;
  KernelWriter::Wgmma kind = KernelWriter::Wgmma::S8;
  mlir::Type accumulator;    ///< i32 or f32
  unsigned elementBytes = 1; ///< of the product's operands
  unsigned n = 0, k = 0, tileM = 0, tileN = 0, stages = 0, raster = 0, tokenRows = 0, splitK = 1;
  unsigned consumers = 2; ///< consumer warp groups, stacked along M
  unsigned blocks = 1;    ///< m64 blocks of a consumer
  unsigned steps = 0;     ///< 128-byte steps along K
  bool pdl = false;

  /// Warps that hold rows of the tile which were loaded; the others have nothing to exchange or store.
  unsigned activeWarps() const { return blocks == 1 ? llvm::divideCeil(tokenRows, 16) : 4 * consumers; }

  unsigned slice = 0; ///< columns that one CTA finishes: tileN / splitK
  /// Weight rows are permuted inside groups of `group` so that a thread owns `span` = group / 4 columns side by side.
  unsigned group = 0, span = 0;
  unsigned accumulators() const { return tileN / 2; } ///< of one m64 block
  unsigned sliceAccumulators() const { return slice / 2; }
  unsigned groups() const { return slice / group; }

  struct Result {
    mlir::Type type;
    unsigned bytes;
    unsigned unit;  ///< bytes of one store: what N leaves of 16
    unsigned words; ///< of a chunk: span * bytes / 4
  };
  llvm::SmallVector<Result> results;
  llvm::SmallVector<SsPiece> atOnce, pending; ///< stores in the epilogue, and under the next tile's first steps
  bool ragged = false;                        ///< the last column tile reaches beyond N
  unsigned firstPending = 0;                  ///< groups of columns from here on are pending
  bool deferred() const { return !pending.empty(); }
  unsigned storeSteps = 1; ///< steps along K, peeled, under which the previous tile is stored

  struct Operand {
    kernel::OperandKind kind;
    mlir::Type type;
    unsigned bytes;
    unsigned shared = 0; ///< columns: bytes into a column buffer; tables: into the tables
  };
  llvm::SmallVector<Operand> operands;

  // Shared memory, in bytes.
  unsigned lhsBytes = 0, rhsBytes = 0, stageBytes = 0; ///< of one stage
  unsigned barriers = 0, exchangeBarrier = 0, receive = 0, columns = 0, tables = 0, total = 0;
  unsigned columnBytes = 0; ///< of one column buffer; each consumer has two
  unsigned exchangePieces() const { return sliceAccumulators() / 4; }

  unsigned threads() const { return 128 * (1 + consumers); }
  unsigned stepElements() const { return 128 / elementBytes; } ///< elements of K of a step
  layout::Packing packing() const;
};

/// The plan, or the first predicate that fails in `failed`.
SsPlan planWgmmaSs(kernel::GemmOp op, kernel::ScheduleAttr schedule, std::string &failed);

} // namespace bitwright::nvptx

#endif
