//===- LoadedModel.h - a verified model with its executable code -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/Artifact.h"
#include "lib/Runtime/Status.h"

#include <map>
#include <memory>
#include <mutex>

namespace bitwright::runtime {

class CudaModel;

using KernelFunction = void (*)(void **buffers, const int64_t *dims, int64_t tileBegin, int64_t tileEnd, void *scratch);

/// Anonymous zeroed memory that starts at a page. Null data when the system refuses.
class Pages {
public:
  Pages() = default;
  explicit Pages(size_t bytes);
  Pages(Pages &&o) noexcept : start(o.start), length(o.length) { o.start = nullptr; }
  Pages &operator=(Pages &&o) noexcept;
  Pages(const Pages &) = delete;
  ~Pages();
  uint8_t *data() const { return static_cast<uint8_t *>(start); }
  size_t size() const { return length; }
  /// Makes the memory readable and executable and no longer writable (W^X: it was never both).
  bool makeExecutable();

private:
  void *start = nullptr;
  size_t length = 0;
};

/// A model with the bytes that it points into. Safe to share between threads.
class LoadedModel {
public:
  static Status loadFile(const char *path, uint32_t flags, std::shared_ptr<LoadedModel> &result);
  static Status loadMemory(const void *bytes, size_t size, uint32_t flags, std::shared_ptr<LoadedModel> &result);

  const artifact::Model &model() const { return content; }

  /// Entry addresses of all kernels, each at its highest level up to `isa`. Code is copied, hashed and made executable
  /// at the first use of its level. `functions` has one element a kernel.
  Status resolveKernels(artifact::Isa isa, std::vector<KernelFunction> &functions);

  /// Overwrites the bytes of a weight. BW_UNSUPPORTED: the model is a mapped file.
  Status replaceWeight(size_t index, const void *data, size_t bytes);

  /// False for a model that was loaded for looking only.
  bool hasCode() const { return withCode; }

  /// The model on the devices where sessions run it, by context; see CudaModel.
  std::mutex deviceMutex;
  std::map<const void *, std::weak_ptr<CudaModel>> devices;

  /// Dimensions as text, made at the first request; they live as long as the model.
  void tensorInfo(uint32_t tensor, bw_tensor_info &info);

private:
  Status finish(const void *bytes, size_t size, uint32_t flags, std::shared_ptr<const void> owner);

  struct TensorText {
    std::vector<std::string> dims;
    std::vector<int64_t> lo, hi;
  };

  artifact::Model content;
  bool withCode = true;
  bool writable = false; ///< the bytes are a copy of our own
  std::mutex mutex; ///< guards what follows
  Pages code[artifact::isaCount];
  std::vector<std::unique_ptr<TensorText>> texts;
};

} // namespace bitwright::runtime
