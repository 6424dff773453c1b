//===- GpuToArtifact.h - exec IR and the GPU part of a .bwm file -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_PACKAGE_GPUTOARTIFACT_H
#define BITWRIGHT_PASSES_PACKAGE_GPUTOARTIFACT_H

#include "dialects/Exec/Exec.h"
#include "lib/Artifact/Model.h"

namespace bitwright {

/// One row of the table of each exec.gpu_* operation. Numbers are checked for their range, so that nothing is cut
/// silently; what they mean is checked by `verifyModel`.
mlir::FailureOr<layout::Packing> toPacking(exec::PackingOp op);
mlir::FailureOr<artifact::GpuKernel> toGpuKernel(exec::GpuKernelOp op);
/// Without bytes.
mlir::FailureOr<artifact::GpuCode> toGpuCode(exec::GpuCodeOp op);
/// The table of a launch; `kernels` are those of the program.
mlir::FailureOr<artifact::GpuLaunch> toGpuLaunch(exec::LaunchOp op, const std::vector<artifact::GpuKernel> &kernels);

void fromPacking(const layout::Packing &packing, mlir::OpBuilder &builder, mlir::Location loc);
void fromGpuKernel(const artifact::GpuKernel &kernel, mlir::OpBuilder &builder, mlir::Location loc);
/// Sets gpu_m, gpu and gpu_reason of `op`.
void fromGpuLaunch(const artifact::GpuLaunch &launch, const std::vector<artifact::GpuKernel> &kernels,
                   unsigned numSymbols, exec::LaunchOp op);

} // namespace bitwright

#endif
