//===- Emulator.h - generated kernels, lane by lane -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Runs a function that a generator emitted (nvvm, llvm, arith, scf, vector and device operations, before lowering) as
// a grid of CTAs of warps of 32 lanes: registers, shared memory, mbarriers, cp.async groups, TMA and bulk copies,
// ldmatrix, mma.sync, wgmma, clusters. Data movement and arithmetic are exact, so packing, addressing, synchronisation
// and integers of a kernel are tested without a GPU. Asynchronous work completes as late as its wait allows: a kernel
// that reads too early reads poison and fails. Memory accesses are checked: alignment, bounds, reads of bytes that
// nobody wrote, writes beyond a buffer. A CTA in which no warp can go on is an error that names where each waits.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_EMULATOR_H
#define BITWRIGHT_LIB_TARGET_NVPTX_EMULATOR_H

#include "lib/Target/Nvptx/Nvptx.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace bitwright::nvptx {

/// Device memory of one parameter.
struct EmulatedBuffer {
  std::vector<uint8_t> bytes;
  /// Empty: all bytes count as written and the kernel may only read. Else one a byte; results start all false.
  std::vector<bool> written;
  /// Empty, or one a byte of a result: who wrote it last, 1 + (CTA * 1024 + thread); 0 for nobody.
  std::vector<uint32_t> writers;
};

/// One argument: a buffer (pointer or tensor map over it) or a number.
struct EmulatedArgument {
  EmulatedBuffer *buffer = nullptr;
  /// Tensor maps: dims and strides as cuTensorMapEncodeTiled takes them (innermost first, elements; bytes).
  TensorMap map;
  llvm::SmallVector<int64_t> dims, strideBytes;
  int32_t number = 0;
};

struct EmulatedLaunch {
  unsigned gridX = 1, gridY = 1, threads = 0, cluster = 1, sharedBytes = 0;
  std::vector<EmulatedArgument> arguments; ///< in the order of the function's parameters
  /// Orders of warps and of asynchronous completions are drawn from it.
  uint64_t seed = 1;
  /// Host threads over clusters of CTAs; the bytes of a correct kernel do not depend on it.
  unsigned hostThreads = 1;
};

/// Runs the launch; diagnoses at the operation what went wrong.
mlir::LogicalResult emulate(mlir::LLVM::LLVMFuncOp function, const EmulatedLaunch &launch);

} // namespace bitwright::nvptx

#endif
