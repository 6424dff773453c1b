//===- RandomGraph.h - small integer graphs from a seed --------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_TEST_DIFFERENTIAL_RANDOMGRAPH_H
#define BITWRIGHT_TEST_DIFFERENTIAL_RANDOMGRAPH_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace bitwright {

/// A function of dyadic operations, data movement and an occasional float island, on a code tensor x: N x C x H x W. One
/// seed in three mixes codes of 8 and of 16 bits.
/// Every seed gives a legal graph; `skip` leaves out the numbered steps (shrinking a failure).
mlir::OwningOpRef<mlir::ModuleOp> makeRandomGraph(uint64_t seed, unsigned steps, llvm::ArrayRef<unsigned> skip,
                                                  mlir::MLIRContext *context);

} // namespace bitwright

#endif
