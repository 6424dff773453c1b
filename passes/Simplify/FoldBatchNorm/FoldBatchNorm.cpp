//===- FoldBatchNorm.cpp - batch normalisation into the product before it --===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/FoldBatchNorm/FoldBatchNorm.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"

namespace bitwright {
#define GEN_PASS_DEF_FOLDBATCHNORM
#include "passes/Simplify/FoldBatchNorm/FoldBatchNorm.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct FoldBatchNorm : bitwright::impl::FoldBatchNormBase<FoldBatchNorm> {
  void runOnOperation() override {}
};
} // namespace
