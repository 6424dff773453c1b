//===- Reductions.h - float reductions in F3 order over IR -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_X86_REDUCTIONS_H
#define BITWRIGHT_LIB_TARGET_X86_REDUCTIONS_H

#include "lib/Numerics/Reduce.h"
#include "lib/Target/X86/ElementEmitter.h"
#include "lib/Target/X86/VectorBuilder.h"

namespace bitwright::x86 {

/// INTEGER F3: 16 partials by index modulo 16, then the tree of lib/Numerics/Reduce.h.
struct F3Reduction {
  enum Kind { Sum, SumOfSquares, Max, Min };
  KernelBuilder &k;
  Kind kind;

  mlir::Value identity(unsigned lanes) const;
  mlir::Value step(mlir::Value partial, mlir::Value x) const;
  mlir::Value combine(mlir::Value a, mlir::Value b) const;
  /// The tree over the 16 lanes of a vector of partials; a scalar.
  mlir::Value acrossLanes(mlir::Value partials) const;
  /// Accumulates elements [low, high) into the 16 lanes of `start`; low is a multiple of 16. `element(i, mask)` gives
  /// elements i .. i + 15.
  mlir::Value alongVector(mlir::Value low, mlir::Value high, mlir::Value start,
                          llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> element) const;
  /// Reduces `lanes` results at once over all positions of the reduced sizes; the partials live on the stack.
  mlir::Value inMemory(unsigned lanes, llvm::ArrayRef<mlir::Value> sizes,
                       llvm::function_ref<mlir::Value(llvm::ArrayRef<mlir::Value>)> element) const;
};

} // namespace bitwright::x86

#endif
