//===- LoadWeights.cpp - weights from the files that a module names ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Import/LoadWeights/LoadWeights.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightFiles.h"
#include "llvm/Support/Path.h"

namespace bitwright {
#define GEN_PASS_DEF_LOADWEIGHTS
#include "passes/Import/LoadWeights/LoadWeights.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct LoadWeights : bitwright::impl::LoadWeightsBase<LoadWeights> {
  using LoadWeightsBase::LoadWeightsBase;

  void runOnOperation() override {
    std::string base = folder;
    // The parser locates a module at the file that it came from.
    if (auto location = dyn_cast<FileLineColLoc>(getOperation().getLoc()); location && base.empty())
      base = llvm::sys::path::parent_path(location.getFilename().getValue()).str();
    if (llvm::Error error = loadWeightFiles(getOperation(), base)) {
      getOperation().emitError() << llvm::toString(std::move(error));
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }
};
} // namespace
