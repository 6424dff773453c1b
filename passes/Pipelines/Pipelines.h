//===- Pipelines.h - the stages of a compilation ---------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_PIPELINES_PIPELINES_H
#define BITWRIGHT_PASSES_PIPELINES_PIPELINES_H

#include "mlir/IR/DialectRegistry.h"

namespace bitwright {

/// Every dialect that a tool of the compiler reads or makes.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Every pass and every stage pipeline (`--stage-NAME`).
void registerAllPassesAndPipelines();

} // namespace bitwright

#endif
