//===- LoopNest.h - loops over the elements of a tensor --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_X86_LOOPNEST_H
#define BITWRIGHT_LIB_TARGET_X86_LOOPNEST_H

#include "lib/Target/X86/ElementEmitter.h"

namespace bitwright::x86 {

/// Loops over a shape in a physical order: rows x columns x run, split into tiles.
class LoopNest {
public:
  /// `order`: the dimensions to iterate, outermost first (all others have index 0); the last `run` of them are treated
  /// as one (their elements are contiguous wherever they are read or written).
  LoopNest(KernelBuilder &k, const SymbolicShape &shape, llvm::ArrayRef<int64_t> order, size_t run)
      : k(k), shape(shape), order(order), run(run) {}

  unsigned lanes = 16;
  int64_t tileElements = 8192; ///< a multiple of 64

  /// Emits the loops for the tiles [first, first + count) of this call's range and returns count. `body` computes and
  /// stores the elements at an index.
  mlir::AffineExpr emit(mlir::AffineExpr first, llvm::function_ref<void(const Index &)> body);

  /// One run of elements [low, high) along a dimension in vectors and a tail (masked; one by one where masks cost
  /// more). `low` is a multiple of the lanes. `index` gives the other dimensions.
  static void emitRun(KernelBuilder &k, unsigned lanes, mlir::Value low, mlir::Value high, bool wholeVectors,
                      Index index, int64_t dim, llvm::function_ref<void(const Index &)> body, bool scalarTail = false);

private:
  KernelBuilder &k;
  const SymbolicShape &shape;
  llvm::SmallVector<int64_t> order;
  size_t run;
};

} // namespace bitwright::x86

#endif
