//===- Launcher.h - kernels of a folder on a device -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TOOLS_GPU_CHECK_LAUNCHER_H
#define BITWRIGHT_TOOLS_GPU_CHECK_LAUNCHER_H

#include "lib/Runtime/Cuda.h"
#include "tools/gpu-check/Folder.h"

namespace bitwright::gpucheck {

using runtime::Status;

/// A kernel that is loaded.
class LoadedKernel {
public:
  /// Reads the code beside the manifest and raises the shared memory limit.
  static Status load(const runtime::cuda::ContextPtr &context, const std::string &folder, const FolderKernel &kernel,
                     LoadedKernel &result);
  const FolderKernel &description() const { return *kernel; }

  /// Device memory that the kernel reads besides the left operand and the epilogue's operands: one for each parameter
  /// that holds constants, packed as it says (or as they are), others empty.
  Status upload(const std::vector<SegmentData> &segments, const runtime::cuda::Stream &stream,
                std::vector<runtime::cuda::Memory> &constants) const;
  /// Enqueues. `constants` as from upload; `operands` and `results` in their order.
  Status launch(int64_t m, const runtime::cuda::Memory &lhs, const std::vector<runtime::cuda::Memory> &constants,
                const std::vector<runtime::cuda::Memory> &operands, const std::vector<runtime::cuda::Memory> &results,
                runtime::cuda::CUstream stream) const;

private:
  Status encode(const FolderParameter &parameter, runtime::cuda::CUdeviceptr address, int64_t m,
                runtime::cuda::TensorMap &map) const;
  runtime::cuda::ContextPtr context;
  const FolderKernel *kernel = nullptr;
  runtime::cuda::Module module;
  runtime::cuda::Function function;
  uint32_t resident = 0;
};

/// Bytes of result `index` at M rows.
size_t resultBytes(const FolderKernel &kernel, size_t index, int64_t m);
/// Number of results (with quantize: the codes and the scales).
size_t resultCount(const FolderKernel &kernel);

} // namespace bitwright::gpucheck

#endif
