//===- CostModel.h - costs that follow from shapes ---------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Figures of an allocation that need no measurement (METHODS M12): bit operations, and which activations are alive
// together. Bytes of weights, from which every average of bits follows, are in lib/Evaluate/Costs.h: they depend on how
// kernels pack. Latency is measured and comes from elsewhere.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_COSTMODEL_COSTMODEL_H
#define BITWRIGHT_LIB_COSTMODEL_COSTMODEL_H

#include "lib/Solver/AllocationProblem.h"

#include <cstdint>

namespace bitwright {

/// Bit operations of a layer: macs * weightBits * activationBits (METHODS 0.2).
double bitOperations(int64_t macs, unsigned weightBits, unsigned activationBits);

/// An activation tensor that is alive from step `first` to step `last`, both included. Its elements have the width of
/// the activation format of `group`, or `fixedBits` when no group decides it (-1).
struct LiveTensor {
  std::string name;
  unsigned first = 0, last = 0;
  int64_t elements = 0;
  int group = -1;
  unsigned fixedBits = 32;
};

/// Bits of a registered number format, of f16, bf16 or f32, or of one with a group length behind it (`s4g128`); none
/// for other text.
std::optional<unsigned> bitsOfFormat(llvm::StringRef name);

/// Fills AllocationProblem::memoryPoints and Choice::memory from live ranges: a point for each step (named after
/// `steps`) that no other step dominates, buffers rounded up to `alignment` bytes. Errors: a tensor that ends before it
/// begins or after the last step, a group that does not exist, an activation format without a known width.
llvm::Error addActivationMemory(solver::AllocationProblem &problem, llvm::ArrayRef<std::string> steps,
                                llvm::ArrayRef<LiveTensor> tensors, int64_t alignment = 64);

} // namespace bitwright

#endif // BITWRIGHT_LIB_COSTMODEL_COSTMODEL_H
