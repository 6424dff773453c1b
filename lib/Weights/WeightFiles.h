//===- WeightFiles.h - the weight files that a module names ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_WEIGHTS_WEIGHTFILES_H
#define BITWRIGHT_LIB_WEIGHTS_WEIGHTFILES_H

#include "lib/Weights/WeightStore.h"
#include "mlir/IR/BuiltinOps.h"

namespace bitwright {

/// Saves the weights that the module's `qnn.weight` operations name to the safetensors file `path`, and names it
/// (without its folder) in the module attribute `qnn.weight_files`. A module without weights gets neither.
llvm::Error saveWeightFile(mlir::ModuleOp module, llvm::StringRef path);

/// Maps every file of `qnn.weight_files` (relative to `baseDir`) into the context's weight store. No attribute:
/// success.
llvm::Error loadWeightFiles(mlir::ModuleOp module, llvm::StringRef baseDir);

} // namespace bitwright

#endif
