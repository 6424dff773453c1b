//===- LoadedModel.cpp - loading, code memory -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/LoadedModel.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

Pages::Pages(size_t bytes) : length(bytes) {
  if (bytes == 0)
    return;
  start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) {
    start = nullptr;
    return;
  }
  // Big arenas are walked again and again: with 2 MB pages they need a few TLB entries instead of thousands.
  if (bytes >= size_t(4) << 20)
    madvise(start, bytes, MADV_HUGEPAGE);
}

Pages &Pages::operator=(Pages &&o) noexcept {
  std::swap(start, o.start);
  std::swap(length, o.length);
  return *this;
}

Pages::~Pages() {
  if (start)
    munmap(start, length);
}

bool Pages::makeExecutable() { return mprotect(start, length, PROT_READ | PROT_EXEC) == 0; }

Status LoadedModel::finish(const void *bytes, size_t size, uint32_t flags, std::shared_ptr<const void> owner) {
  if (flags & ~uint32_t(BW_LOAD_VERIFY_ALL | BW_LOAD_NO_CODE))
    return failure(BW_INVALID_ARGUMENT, "unknown load flags " + std::to_string(flags));
  ReadOptions options;
  options.level = flags & BW_LOAD_VERIFY_ALL ? VerifyLevel::Full : VerifyLevel::Header;
  options.withCode = withCode = !(flags & BW_LOAD_NO_CODE);
  std::string error;
  if (!readArtifact(bytes, size, options, content, error, std::move(owner)))
    return failure(BW_INVALID_FILE, std::move(error));
  texts.resize(content.tensors.size());
  return {};
}

Status LoadedModel::loadFile(const char *path, uint32_t flags, std::shared_ptr<LoadedModel> &result) {
  std::shared_ptr<const void> owner;
  const void *bytes;
  size_t size;
  std::string error;
  if (!mapFile(path, owner, bytes, size, error))
    return failure(BW_IO_ERROR, std::move(error));
  auto model = std::make_shared<LoadedModel>();
  Status s = model->finish(bytes, size, flags, std::move(owner));
  if (!s.ok())
    return failure(s.code, "'" + std::string(path) + "': " + s.text);
  result = std::move(model);
  return {};
}

Status LoadedModel::loadMemory(const void *bytes, size_t size, uint32_t flags, std::shared_ptr<LoadedModel> &result) {
  // A copy rather than the caller's bytes: the weights must be aligned, and nobody has to think about lifetimes.
  size_t rounded = (size + weightAlignment) / weightAlignment * weightAlignment;
  void *copy = rounded < size ? nullptr : std::aligned_alloc(weightAlignment, rounded);
  if (!copy)
    return failure(BW_OUT_OF_MEMORY, "no memory for a copy of the model of " + std::to_string(size) + " bytes");
  if (size)
    std::memcpy(copy, bytes, size);
  std::shared_ptr<const void> owner(copy, [](const void *p) { std::free(const_cast<void *>(p)); });
  auto model = std::make_shared<LoadedModel>();
  Status s = model->finish(copy, size, flags, std::move(owner));
  model->writable = true;
  if (s.ok())
    result = std::move(model);
  return s;
}

Status LoadedModel::replaceWeight(size_t index, const void *data, size_t bytes) {
  if (index >= content.weights.size())
    return failure(BW_INVALID_ARGUMENT, "expected a weight below " + std::to_string(content.weights.size()) + ", found " +
                                            std::to_string(index));
  const Blob &weight = content.weights[index].bytes;
  if (bytes != weight.size())
    return failure(BW_INVALID_ARGUMENT, "weight '" + content.weights[index].name + "': expected " +
                                            std::to_string(weight.size()) + " bytes, found " + std::to_string(bytes));
  if (!writable)
    return failure(BW_UNSUPPORTED, "the weights of a model from a file cannot be replaced: load it with "
                                   "bw_model_load_memory");
  std::memcpy(const_cast<uint8_t *>(weight.data()), data, bytes);
  return {};
}

Status LoadedModel::resolveKernels(Isa isa, std::vector<KernelFunction> &functions) {
  if (!withCode)
    return failure(BW_INVALID_ARGUMENT, "the model was loaded without its code (BW_LOAD_NO_CODE): it cannot run");
  std::lock_guard<std::mutex> lock(mutex);
  functions.clear();
  for (const Kernel &k : content.kernels) {
    const KernelVariant *best = nullptr;
    for (const KernelVariant &v : k.variants)
      if (v.isa <= isa && (!best || v.isa > best->isa))
        best = &v;
    if (!best)
      return failure(BW_UNSUPPORTED, "kernel '" + k.name + "' has no code for '" + isaName(isa) +
                                         "' or below: compile the model for this processor");
    Pages &pages = code[unsigned(best->isa)];
    if (!pages.data()) {
      const CodeSegment *segment = nullptr;
      for (const CodeSegment &c : content.code)
        if (c.isa == best->isa)
          segment = &c;
      Pages fresh(segment->bytes.size());
      if (!fresh.data())
        return failure(BW_OUT_OF_MEMORY, "no memory for " + std::to_string(segment->bytes.size()) + " bytes of code");
      std::memcpy(fresh.data(), segment->bytes.data(), segment->bytes.size());
      std::string error;
      if (!verifyCode(*segment, fresh.data(), error))
        return failure(BW_INVALID_FILE, std::move(error));
      if (!fresh.makeExecutable())
        return failure(BW_UNSUPPORTED, "the system does not allow this process to make memory executable");
      pages = std::move(fresh);
    }
    functions.push_back(reinterpret_cast<KernelFunction>(pages.data() + best->offset));
  }
  return {};
}

void LoadedModel::tensorInfo(uint32_t tensor, bw_tensor_info &info) {
  std::lock_guard<std::mutex> lock(mutex);
  const Tensor &t = content.tensors[tensor];
  std::unique_ptr<TensorText> &text = texts[tensor];
  if (!text) {
    text = std::make_unique<TensorText>();
    for (const DimExpr &d : t.dims) {
      int64_t lo = 0, hi = 0;
      d.bounds(content.symbols, lo, hi); // holds: the verifier has computed it
      text->dims.push_back(d.str(content.symbols));
      text->lo.push_back(lo);
      text->hi.push_back(hi);
    }
  }
  info = {};
  info.name = t.name.c_str();
  info.dtype = bw_dtype(t.type);
  info.rank = int32_t(t.dims.size());
  for (size_t i = 0; i < t.dims.size(); ++i) {
    info.dims[i] = text->dims[i].c_str();
    info.dim_lo[i] = text->lo[i];
    info.dim_hi[i] = text->hi[i];
  }
  info.quantized = t.scheme.quantized;
  info.axis = t.scheme.axis;
  info.scale_count = t.scheme.scales.size();
  info.scales = t.scheme.scales.data();
  info.zero_point_count = t.scheme.zeroPoints.size();
  info.zero_points = t.scheme.zeroPoints.data();
}
