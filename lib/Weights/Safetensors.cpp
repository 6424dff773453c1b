//===- Safetensors.cpp - saving and mapping weights ------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/WeightStore.h"

using namespace mlir;
using namespace bitwright;

llvm::Error WeightStore::save(StringRef path, ArrayRef<std::string> only) const {
  return llvm::createStringError("saving weights is not supported in this build");
}

llvm::Error WeightStore::load(StringRef path, MLIRContext *context) {
  return llvm::createStringError("loading weights is not supported in this build");
}
