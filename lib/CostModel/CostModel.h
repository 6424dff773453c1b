//===- CostModel.h - costs that follow from shapes ---------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The figures of an allocation that need no measurement (METHODS M12): bytes, bit operations, average bits, and which
// activations are alive together. Latency is measured and comes from elsewhere.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_COSTMODEL_COSTMODEL_H
#define BITWRIGHT_LIB_COSTMODEL_COSTMODEL_H

#include "lib/Solver/AllocationProblem.h"

#include <cstdint>

namespace bitwright {

/// How a weight tensor is stored. Averages count scales, zero points and indices (METHODS 0.2).
struct WeightStorage {
  int64_t elements = 0;
  unsigned bits = 8;
  /// Values of each kind and their bits: per tensor 1, per channel the channels, per group channels * groups.
  int64_t scales = 0;
  unsigned scaleBits = 32;
  int64_t zeroPoints = 0;
  unsigned zeroPointBits = 8;
  /// Second level of two-level scales, outlier indices, masks: bits in total.
  int64_t otherBits = 0;

  int64_t totalBits() const;
  /// Bytes in the file: elements, scales, zero points and the rest each rounded up to whole bytes.
  int64_t bytes() const;
  /// Bits a value with everything that belongs to it; 0 without elements.
  double bitsPerValue() const;
};

/// Scales of a tensor of `channels` x `perChannel` elements in groups of `group` along a channel (0: one per channel).
/// The last group of a channel may be short. Example: 8 channels of 100 in groups of 32 have 32 scales.
int64_t numScales(int64_t channels, int64_t perChannel, int64_t group);

/// Bit operations of a layer: macs * weightBits * activationBits (METHODS 0.2).
double bitOperations(int64_t macs, unsigned weightBits, unsigned activationBits);

/// Average bits over tensors, by elements.
class AverageBits {
public:
  void add(const WeightStorage &storage);
  double get() const { return elements ? double(bits) / double(elements) : 0; }

private:
  int64_t bits = 0, elements = 0;
};

/// An activation tensor that is alive from step `first` to step `last`, both included. Its elements have the width of
/// the activation format of `group`, or `fixedBits` when no group decides it (-1).
struct LiveTensor {
  std::string name;
  unsigned first = 0, last = 0;
  int64_t elements = 0;
  int group = -1;
  unsigned fixedBits = 32;
};

/// Bits of a format name such as `s8`, `u4`, `f16`, `s4g128` (the number before `g`); none for other text.
std::optional<unsigned> bitsOfFormat(llvm::StringRef name);

/// Fills AllocationProblem::memoryPoints and Choice::memory from live ranges: a point for each step (named after
/// `steps`) that no other step dominates, buffers rounded up to `alignment` bytes. Errors: a tensor that ends before it
/// begins or after the last step, a group that does not exist, an activation format without a known width.
llvm::Error addActivationMemory(solver::AllocationProblem &problem, llvm::ArrayRef<std::string> steps,
                                llvm::ArrayRef<LiveTensor> tensors, int64_t alignment = 64);

} // namespace bitwright

#endif // BITWRIGHT_LIB_COSTMODEL_COSTMODEL_H
