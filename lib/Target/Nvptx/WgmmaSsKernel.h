//===- WgmmaSsKernel.h - the body of a wgmma_ss kernel ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_WGMMASSKERNEL_H
#define BITWRIGHT_LIB_TARGET_NVPTX_WGMMASSKERNEL_H

#include "lib/Target/Nvptx/WgmmaSs.h"

namespace bitwright::nvptx {

/// Writes one kernel. The loops are in WgmmaSs.cpp, what follows the product in WgmmaSsEpilogue.cpp.
class SsKernel {
public:
  SsKernel(const SsPlan &plan, mlir::Location loc, mlir::ModuleOp module) : plan(plan), w(loc, module) {}
  void emit(const EmittedKernel &kernel);

private:
  /// A position in the ring of stages and the parity of its barriers.
  struct Ring {
    Value stage, parity;
  };
  Ring next(Ring ring);
  unsigned tileColumns() const { return llvm::divideCeil(plan.n, plan.tileN); }
  /// First row and column of a tile.
  void place(Value tile, Value &row, Value &column);
  void producer();
  /// The box of an operand for `step` along K into `stage`; the right operand's also announces the bytes of both.
  void loadLhs(Value stage, Value step, Value row);
  void loadRhs(Value stage, Value step, Value column);
  void consumer(Value warpGroup);
  void multiply(Value stage, Values &accumulators, bool first);
  void release(Value stage);
  /// One step along K: waits for the stage, multiplies, runs `between`, waits for the step before and releases its
  /// stage.
  Ring step(Ring ring, Value previous, Values &accumulators, bool first, llvm::function_ref<void()> between);
  void exchangeSums(Values &sums);

  //===--- Epilogue ---------------------------------------------------------===//
  /// Rows of a thread: slot 2 b + h is row 64 b + 8 h from its first.
  unsigned slots() const { return 2 * plan.blocks; }
  /// What stays for the whole kernel: scalars, tables.
  void loadConstants();
  /// Where the tile lies, and the loads that its epilogue will need.
  void prepare(Value tile);
  /// The column operands of this tile are in shared memory.
  void columnsReady();
  /// Results of the tile from its sums; gives what the next tile carries on.
  Values epilogue(Values sums);
  /// Stores the previous tile's share of step `step`, or everything.
  void storePending(ValueRange carried, std::optional<unsigned> step);
  /// Loads the column operands of a group into `columns`, once.
  void needColumns(unsigned block);
  /// Groups whose column operands are loaded ahead: stores order the loads behind them.
  unsigned columnsAhead() const;
  Values loadColumns(unsigned operand, unsigned block);
  Values loadElements(unsigned operand, unsigned block, unsigned slot);
  /// Whether (slot's row, `column` columns after the thread's first) is inside the result.
  Value inside(Value limit, unsigned column);
  void storeParts(unsigned result, unsigned block, unsigned slot, ValueRange words);
  Value rowPointer(unsigned result, unsigned slot);

  const SsPlan &plan;
  KernelWriter w;
  Value lhsMap, rhsMap, m;
  Values operandPointers, resultPointers;
  Value thread, shared, full, empty, exchange, rank, firstTile, tileStep, firstStep, endStep, tileRows, tiles;
  // Of a consumer thread:
  Value consumerId, lane128, warp, quad, rowInTile; ///< lane128: of the warp group; quad: lane % 4
  Values scalars;                                   ///< by operand: scalars and the shared-memory pointers of tables
  // Of the current tile:
  Value columnParity, firstColumn;       ///< `firstColumn` of the thread
  Values rowIndex, limits;               ///< by slot
  llvm::SmallVector<Values> rowOperands; ///< by operand, by slot
  Value columnBuffer;
  llvm::SmallVector<llvm::SmallVector<Values>> columns; ///< by group of columns, by operand
};

} // namespace bitwright::nvptx

#endif
