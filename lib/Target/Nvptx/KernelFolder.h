//===- KernelFolder.h - kernels for a machine with only a driver -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A folder of cubins and one text file, `manifest.txt`, that says how to launch them: what quant-tune and gpu-check
// carry to a GPU, and bench/gpu reads. One block of lines a kernel, words separated by blanks:
//
//   kernel SYMBOL            starts a block
//   tag TEXT                 the operation's attribute `tag`: what a reader knows of the epilogue
//   signature TEXT           the key of schedule tables
//   code FILE ARCH           the cubin beside the manifest
//   schedule TEXT            the attribute, for people and tables
//   launch THREADS SHARED CLUSTER PDL PERSISTENT
//   grid X... | Y...         CTAs as postfix words over M: numbers, M, + * / (floor) ^ (ceiling division) %
//   size N K                 of the matrix; K is 0 for kernel.rows
//   segment LHS RHS K GROUP GROUPING SCALE PLACE
//   operand KIND TYPE        of the epilogue, in order
//   range LOW HIGH           of the last operand's values, where the operation has the attribute `ranges`
//   result TYPE
//   quantize                 kernel.rows with per-token quantization
//   parameter ROLE INDEX FORM
//   map BITS RANK COLUMNS ROWS BLOCKS SWIZZLE      the tensor map of the last parameter
//   packing ROWS COLUMNS BITS BIAS FILL ORDER PITCH ROWBASIS,... COLUMNBASIS,...     of the last parameter
//   resources REGISTERS SPILLBYTES
//   end
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_KERNELFOLDER_H
#define BITWRIGHT_LIB_TARGET_NVPTX_KERNELFOLDER_H

#include "lib/Target/Nvptx/Nvptx.h"

namespace bitwright::nvptx {

/// Collects kernels and writes the folder.
class KernelFolder {
public:
  /// Compiles and assembles `op` with `schedule` under the name `symbol`; a kernel that spills or draws a warning is
  /// refused with a remark at `op` and gives false. Errors are diagnosed.
  /// `lines` (of gpu-check: cases) go to the end of its block.
  mlir::FailureOr<bool> add(mlir::Operation *op, kernel::ScheduleAttr schedule, llvm::StringRef symbol,
                            llvm::StringRef lines = "");
  /// Adds a block that somebody else wrote (the naive kernels of gpu-check).
  void add(const EmittedKernel &emitted, mlir::Operation *op, kernel::ScheduleAttr schedule, const Assembled &assembled,
           llvm::StringRef lines = "");
  size_t size() const { return files.size(); }
  /// Writes to a temporary folder beside `path` and renames it.
  mlir::LogicalResult write(llvm::StringRef path, mlir::Location loc) const;

private:
  std::string manifest;
  std::vector<std::pair<std::string, std::vector<uint8_t>>> files;
};

} // namespace bitwright::nvptx

#endif
