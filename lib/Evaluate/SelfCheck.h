//===- SelfCheck.h - the probe that a .bwm file carries --------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_SELFCHECK_H
#define BITWRIGHT_LIB_EVALUATE_SELFCHECK_H

#include "lib/Artifact/Model.h"
#include "llvm/Support/Error.h"

namespace bitwright {

/// Runs the artifact once on its probe inputs, at the smallest dimensions, and records the checksum of every integer
/// tensor that a launch stores in `model.selfCheck`.
llvm::Error addSelfCheck(artifact::Model &model, uint64_t seed = 1);

} // namespace bitwright

#endif
