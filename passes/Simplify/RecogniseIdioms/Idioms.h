//===- Idioms.h - the recognisers of the pass ---------------- -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_SIMPLIFY_IDIOMS_H
#define BITWRIGHT_PASSES_SIMPLIFY_IDIOMS_H

#include "passes/Simplify/Support/Rewriting.h"
#include "llvm/ADT/SetVector.h"

namespace bitwright::simplify {

using IdiomOps = llvm::SmallSetVector<mlir::Operation *, 12>;

/// True if no operation inside the pattern but `root` is used outside of it.
bool isClosed(const IdiomOps &inside, mlir::Operation *root);
/// `idiom` takes the name and the uses of `root`; what becomes unused is erased.
void replaceIdiom(mlir::Operation *root, mlir::Operation *idiom);

/// Each looks at the pattern around one operation, replaces it and returns true, or changes nothing and returns false.
/// From the non-linear function: erf, tanh, sigmoid, hard_sigmoid, clip.
bool recogniseActivation(mlir::Operation *op);
/// From the division (or multiplication) by the standard deviation.
bool recogniseLayerNorm(mlir::Operation *op);
/// From the last multiplication.
bool recogniseSqueezeExcite(mlir::Operation *op);

} // namespace bitwright::simplify

#endif
