//===- CudaModel.h - a model's code and weights on one device -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Runtime/Cuda.h"
#include "lib/Runtime/LoadedModel.h"

#include <map>

namespace bitwright::runtime {

/// A GPU kernel as loaded on a device.
struct CudaKernel {
  cuda::Function function;
  cuda::LaunchShape shape;     ///< threads, shared memory, cluster, pdl; grid unset
  uint32_t residentBlocks = 0; ///< CTAs resident at once; only where a persistent variant uses it
  bool loaded = false;
  std::string reason; ///< why it cannot run here, for messages; only when not loaded
};

/// Modules, kernels and packed weights of one model on one device. Made by the first session there, shared by all,
/// freed with the last.
class CudaModel {
public:
  /// Chooses code, loads it, packs and uploads the weights. BW_UNSUPPORTED: the file has no code for this device, or a
  /// launch has none (the text names the first and why).
  static Status open(const std::shared_ptr<LoadedModel> &loaded, int device, std::shared_ptr<CudaModel> &result);

  const artifact::Model &model() const { return loaded->model(); }
  const cuda::ContextPtr &context() const { return device; }

  /// The row of the table of `launch` for `m` rows: of those made for them that run here the first of the highest
  /// architecture, else the one for the next larger number of rows.
  Status choose(const artifact::Launch &launch, int64_t m, const artifact::GpuVariant *&result) const;
  const CudaKernel &kernel(uint32_t number) const { return kernels[number]; }

  struct Constant {
    cuda::CUdeviceptr address = 0;
    uint64_t bytes = 0;
  };
  /// Where a weight lies as `argument` wants it. False when no variant that can run here uses it.
  bool constant(const artifact::GpuArgument &argument, Constant &result) const;
  /// The weight's bytes as they are in the file.
  bool constant(uint32_t weight, Constant &result) const;
  uint64_t weightBytes() const { return uploaded; }

private:
  /// Weight, packing (-1: none), order, signedness.
  using Key = std::tuple<uint32_t, int32_t, uint8_t, bool>;
  static Key keyOf(const artifact::GpuArgument &argument);

  Status loadCode();
  Status loadArch(artifact::GpuArch arch, unsigned rank);
  Status loadKernels(artifact::GpuArch arch);
  Status checkLaunches() const;
  Status uploadWeights();
  Status upload(const Key &key, const cuda::Stream &stream);
  /// The rows of the table that any number of rows of this model takes.
  std::vector<const artifact::GpuVariant *> reachable(const artifact::Launch &launch) const;
  std::string codeList() const;

  std::shared_ptr<LoadedModel> loaded;
  cuda::ContextPtr device;
  cuda::Module modules[artifact::gpuArchCount];
  /// 0: runs as made for this device; 1: compiled from PTX; -1: not at all.
  int rank[artifact::gpuArchCount];
  std::string archReason[artifact::gpuArchCount];
  std::vector<CudaKernel> kernels;
  std::map<Key, cuda::Memory> constants;
  uint64_t uploaded = 0;
};

} // namespace bitwright::runtime
