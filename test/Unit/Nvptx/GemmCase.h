//===- GemmCase.h - random kernels for each template -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// From a seed: a kernel.gemm or kernel.rows of some scheme, shape and epilogue, a schedule of the template (its own
// proposals and small tiles), and a number of rows. N is any number, M awkward.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_TEST_UNIT_NVPTX_GEMMCASE_H
#define BITWRIGHT_TEST_UNIT_NVPTX_GEMMCASE_H

#include "lib/Target/Nvptx/EmulatorTrial.h"

namespace bitwright::nvptx {

struct GemmCase {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::Operation *op = nullptr;
  kernel::ScheduleAttr schedule; ///< null: the template covers no schedule that was tried; then `refused` says why
  std::string refused;
  std::string name; ///< scheme and epilogue
  TrialOptions options;
  std::string describe() const; ///< the kernel as text, with its schedule and M
};

/// Loads the dialects that cases and kernels are made of.
void loadDialects(mlir::MLIRContext &context);
GemmCase makeCase(mlir::MLIRContext &context, uint64_t seed, kernel::GpuTemplate kind, Arch arch);

} // namespace bitwright::nvptx

#endif
