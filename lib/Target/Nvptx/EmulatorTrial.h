//===- EmulatorTrial.h - a generated kernel against its meaning -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Emits a kernel.gemm or kernel.rows for one schedule, gives it random data for one M, runs it in the emulator and
// compares every result with lib/Reference/KernelGemm: integers must be equal, floats inside their interval.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_EMULATORTRIAL_H
#define BITWRIGHT_LIB_TARGET_NVPTX_EMULATORTRIAL_H

#include "lib/Reference/KernelGemm.h"
#include "lib/Target/Nvptx/Emulator.h"
#include <functional>

namespace bitwright::nvptx {

/// Numbers from a seed, the same everywhere.
struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15ull + 0x1234567) { next(), next(); }
  uint64_t next() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
  }
  int64_t between(int64_t low, int64_t high) { return low + int64_t((next() >> 16) % uint64_t(high - low + 1)); }
  double real(double low, double high) { return low + (high - low) * double(next() >> 11) * 0x1p-53; }
};

struct TrialOptions {
  int64_t m = 1;
  uint64_t seed = 1;
  /// CTAs of a persistent kernel that are resident (rounded to whole clusters).
  unsigned residentCtas = 3;
  unsigned hostThreads = 1;
  /// Elements of operand i of the epilogue as bits of its type; none: by kind and type.
  std::function<uint64_t(unsigned operand, Random &random)> operand;
  /// Called on the emitted function before it runs: tests of the emulator break kernels with it.
  std::function<void(mlir::LLVM::LLVMFuncOp)> change;
};

/// Random inputs for `op`: full-range integers, floats of few bits.
reference::KernelInputs makeInputs(mlir::Operation *op, const TrialOptions &options);

/// "" when everything agrees. Diagnostics of the emulator are part of the text. Without a schedule: the naive kernel of a
/// kernel.gemm.
std::string tryKernel(mlir::Operation *op, kernel::ScheduleAttr schedule, const TrialOptions &options);

} // namespace bitwright::nvptx

#endif
