//===- SaveWeights.cpp - the weights of a module into a file -------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Import/SaveWeights/SaveWeights.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightFiles.h"

namespace bitwright {
#define GEN_PASS_DEF_SAVEWEIGHTS
#include "passes/Import/SaveWeights/SaveWeights.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct SaveWeights : bitwright::impl::SaveWeightsBase<SaveWeights> {
  using SaveWeightsBase::SaveWeightsBase;

  void runOnOperation() override {
    if (file.empty()) {
      getOperation().emitError() << "expected a file name: --save-weights=file=NAME.safetensors";
      return signalPassFailure();
    }
    if (llvm::Error error = saveWeightFile(getOperation(), file)) {
      getOperation().emitError() << llvm::toString(std::move(error));
      signalPassFailure();
    }
  }
};
} // namespace
