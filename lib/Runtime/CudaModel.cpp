//===- CudaModel.cpp - a model's code and weights on one device -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/CudaModel.h"
#include "lib/Runtime/Pack.h"

#include <algorithm>
#include <tuple>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

/// Launching with more dynamic shared memory than this needs a permission per kernel.
static constexpr uint32_t plainShared = 48 * 1024;
static constexpr uint32_t portableCluster = 8;
/// The first driver whose graphs keep programmatic dependences (12.3).
static constexpr int recordedPdlDriver = 12030;

static std::string deviceText(const cuda::DeviceInfo &d) {
  return "cuda:" + std::to_string(d.number) + " (" + d.name + ", compute capability " + std::to_string(d.major) + "." +
         std::to_string(d.minor) + ")";
}

Status CudaModel::open(const std::shared_ptr<LoadedModel> &loaded, int number, std::shared_ptr<CudaModel> &result) {
  cuda::ContextPtr device;
  Status s = cuda::Context::open(number, device);
  if (!s.ok())
    return s;
  // Held while loading: a second session on the same device waits for the upload instead of making another.
  std::lock_guard<std::mutex> lock(loaded->deviceMutex);
  std::weak_ptr<CudaModel> &slot = loaded->devices[device.get()];
  if ((result = slot.lock()))
    return {};
  auto m = std::make_shared<CudaModel>();
  m->loaded = loaded;
  m->device = std::move(device);
  s = m->loadCode();
  if (s.ok())
    s = m->checkLaunches();
  if (s.ok())
    s = m->uploadWeights();
  if (!s.ok())
    return s;
  slot = m;
  result = std::move(m);
  return {};
}

std::string CudaModel::codeList() const {
  std::string text;
  for (const GpuCode &c : model().gpuCode)
    text += (text.empty() ? "" : ", ") + std::string(gpuArchName(c.arch)) + " " + gpuCodeKindName(c.kind);
  return text.empty() ? "none" : text;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

/// Whether `rows` serve every M of the launch: a kernel for more rows serves fewer too.
static bool covered(const Launch &launch, const std::vector<Symbol> &symbols,
                    const std::vector<const GpuVariant *> &rows) {
  int64_t lo, hi;
  if (!launch.gpu.m.bounds(symbols, lo, hi))
    return false;
  return std::any_of(rows.begin(), rows.end(), [hi = hi](const GpuVariant *v) { return !v->mHi || v->mHi >= hi; });
}

Status CudaModel::loadCode() {
  const Model &m = model();
  const cuda::DeviceInfo &d = device->device();
  if (!loaded->hasCode())
    return failure(BW_INVALID_ARGUMENT, "the model was loaded without its code (BW_LOAD_NO_CODE): it cannot run");
  if (m.gpuCode.empty())
    return failure(BW_UNSUPPORTED, "the file has no GPU code: compile the model with --target cpu,sm_80,sm_90a, or use "
                                   "device 'cpu'");
  kernels.resize(m.gpuKernels.size());
  auto has = [&](GpuArch arch, GpuCodeKind kind) {
    for (const GpuCode &c : m.gpuCode)
      if (c.arch == arch && c.kind == kind)
        return true;
    return false;
  };
  // sm_90a code (architecture-specific features) runs on compute capability 9.0 alone; an sm_80 cubin on 8.x; sm_80 PTX
  // is compiled by the driver for anything from 8.0 on.
  const bool native90 = d.capability() == 90;
  int &old = rank[unsigned(GpuArch::Sm80)], &hopper = rank[unsigned(GpuArch::Sm90a)];
  hopper = !native90                                 ? -1
           : has(GpuArch::Sm90a, GpuCodeKind::Cubin) ? 0
           : has(GpuArch::Sm90a, GpuCodeKind::Ptx)   ? 0
                                                     : -1;
  old = d.major < 8                                              ? -1
        : d.major == 8 && has(GpuArch::Sm80, GpuCodeKind::Cubin) ? 0
        : has(GpuArch::Sm80, GpuCodeKind::Ptx)                   ? 1
                                                                 : -1;
  if (hopper < 0 && old < 0)
    return failure(BW_UNSUPPORTED, "the file has no code for " + deviceText(d) + ": it has " + codeList() +
                                       "; sm_80 cubins run on 8.x, sm_80 PTX on 8.0 and later, sm_90a code on 9.0 "
                                       "only: compile the model with --target for this device, or use device 'cpu'");
  // On a Hopper device the PTX is compiled only when a launch needs it: that takes seconds.
  bool needOld = hopper < 0;
  for (const EntryPoint &e : m.entries)
    for (const Launch &l : e.launches) {
      std::vector<const GpuVariant *> rows;
      for (const GpuVariant &v : l.gpu.variants)
        if (m.gpuKernels[v.kernel].arch == GpuArch::Sm90a)
          rows.push_back(&v);
      needOld |= !covered(l, m.symbols, rows);
    }
  Status s;
  if (hopper >= 0) {
    s = loadArch(GpuArch::Sm90a, 0);
    // A driver older than the toolkit that made the cubin refuses it; the PTX is for older drivers too.
    if (s.code == BW_UNSUPPORTED && old >= 0) {
      hopper = -1;
      needOld = true;
      Status second = loadArch(GpuArch::Sm80, unsigned(old));
      return second.ok() ? second : s;
    }
  }
  if (!needOld)
    old = -1;
  return s.ok() && old >= 0 ? loadArch(GpuArch::Sm80, unsigned(old)) : s;
}

Status CudaModel::loadArch(GpuArch arch, unsigned wantedRank) {
  const Model &m = model();
  const cuda::DeviceInfo &d = device->device();
  Status first;
  for (GpuCodeKind kind : {GpuCodeKind::Cubin, GpuCodeKind::Ptx}) {
    if (kind == GpuCodeKind::Cubin && (wantedRank == 1 || (arch == GpuArch::Sm80 && d.major != 8)))
      continue;
    for (const GpuCode &c : m.gpuCode) {
      if (c.arch != arch || c.kind != kind)
        continue;
      std::string error;
      const std::vector<uint8_t> copy(c.bytes.data(), c.bytes.data() + c.bytes.size());
      if (!verifyGpuCode(c, copy.data(), error))
        return failure(BW_INVALID_FILE, std::move(error));
      Status s =
          cuda::Module::load(device, copy.data(), copy.size(),
                             std::string(gpuArchName(arch)) + " " + gpuCodeKindName(kind), modules[unsigned(arch)]);
      if (s.ok()) {
        rank[unsigned(arch)] = kind == GpuCodeKind::Ptx && arch == GpuArch::Sm80 ? 1 : 0;
        return loadKernels(arch);
      }
      // A driver older than the toolkit may refuse a cubin and still compile the PTX.
      if (first.ok())
        first = s;
      if (s.code != BW_UNSUPPORTED)
        return s;
    }
  }
  return first;
}

Status CudaModel::loadKernels(GpuArch arch) {
  const Model &m = model();
  std::vector<bool> persistent(kernels.size());
  for (const EntryPoint &e : m.entries)
    for (const Launch &l : e.launches)
      for (const GpuVariant &v : l.gpu.variants)
        if (v.persistent)
          persistent[v.kernel] = true;
  for (size_t i = 0; i < kernels.size(); ++i) {
    const GpuKernel &k = m.gpuKernels[i];
    if (k.arch != arch)
      continue;
    CudaKernel &r = kernels[i];
    r.shape.threads = k.threads;
    r.shape.sharedBytes = k.sharedBytes;
    r.shape.cluster = k.cluster;
    r.shape.pdl = k.pdl && device->device().major >= 9 && device->driver().version() >= recordedPdlDriver;
    Status s = modules[unsigned(arch)].function(k.symbol, r.function);
    if (!s.ok())
      return s;
    // A kernel too large for this device is no error yet: another row of the table may serve.
    if (s.ok() && k.sharedBytes + uint64_t(r.function.staticShared) > plainShared)
      s = cuda::allowShared(*device, r.function, k.sharedBytes);
    if (s.ok() && k.cluster > 1 && device->device().major < 9)
      s = failure(BW_UNSUPPORTED,
                  "CUDA: kernel '" + k.symbol + "' needs clusters, which " + deviceText(device->device()) + " lacks");
    if (s.ok() && k.cluster > portableCluster)
      s = cuda::allowLargeCluster(*device, r.function);
    if (s.ok() && persistent[i])
      s = cuda::residentBlocks(*device, r.function, r.shape, r.residentBlocks);
    if (!s.ok() && s.code != BW_UNSUPPORTED)
      return s;
    r.loaded = s.ok();
    r.reason = s.text;
  }
  return {};
}

Status CudaModel::checkLaunches() const {
  for (const EntryPoint &e : model().entries)
    for (const Launch &l : e.launches) {
      bool any = false;
      std::string reason = l.gpu.reason;
      for (const GpuVariant &v : l.gpu.variants) {
        any |= kernels[v.kernel].loaded;
        if (reason.empty())
          reason = kernels[v.kernel].reason;
      }
      if (!any)
        return failure(BW_UNSUPPORTED, "launch '" + l.name + "' has no code that runs on " +
                                           deviceText(device->device()) + ": " +
                                           (!reason.empty()          ? reason
                                            : l.gpu.variants.empty() ? "no GPU kernel was made for it"
                                                                     : "its kernels are for other architectures") +
                                           "; use device 'cpu', or change the model or recipe");
    }
  return {};
}

Status CudaModel::choose(const Launch &launch, int64_t m, const GpuVariant *&result) const {
  result = nullptr;
  // A row made for m before one made for more, then the nearest, then the highest architecture, then the first.
  std::tuple<int64_t, int> best;
  std::string ranges;
  for (const GpuVariant &v : launch.gpu.variants) {
    if (!kernels[v.kernel].loaded)
      continue;
    if (v.mHi == 0 || m <= v.mHi) {
      const std::tuple<int64_t, int> here = {std::max<int64_t>(v.mLo - m, 0),
                                             rank[unsigned(model().gpuKernels[v.kernel].arch)]};
      if (!result || here < best) {
        best = here;
        result = &v;
      }
    }
    ranges += (ranges.empty() ? "" : ", ") + std::to_string(v.mLo) + ".." + (v.mHi ? std::to_string(v.mHi) : "");
  }
  if (result)
    return {};
  return failure(BW_UNSUPPORTED, "launch '" + launch.name + "' has no kernel for " + std::to_string(m) + " rows on " +
                                     deviceText(device->device()) + "; those that run there serve " + ranges +
                                     " rows: compile the model for this range");
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

CudaModel::Key CudaModel::keyOf(const GpuArgument &a) {
  // Order and signedness mean nothing without a packing.
  return a.packing < 0 ? Key{a.index, -1, 0, false} : Key{a.index, a.packing, uint8_t(a.order), a.signExtend};
}

std::vector<const GpuVariant *> CudaModel::reachable(const Launch &launch) const {
  std::vector<const GpuVariant *> result;
  int64_t lo, hi;
  if (!launch.gpu.m.bounds(model().symbols, lo, hi))
    return result;
  // Between these the choice does not change.
  std::vector<int64_t> starts = {lo};
  for (const GpuVariant &v : launch.gpu.variants)
    for (int64_t start : {v.mLo, v.mHi + 1})
      if (start > lo && start <= hi)
        starts.push_back(start);
  for (int64_t m : starts) {
    const GpuVariant *v;
    if (choose(launch, m, v).ok() && std::find(result.begin(), result.end(), v) == result.end())
      result.push_back(v);
  }
  return result;
}

Status CudaModel::uploadWeights() {
  const Model &m = model();
  cuda::Stream stream;
  Status s = cuda::Stream::create(device, stream);
  for (const EntryPoint &e : m.entries)
    for (const Launch &l : e.launches)
      for (const GpuVariant *v : reachable(l))
        for (const GpuArgument &a : v->arguments) {
          if (!s.ok())
            return s;
          if (a.kind == GpuArgumentKind::Weight || a.kind == GpuArgumentKind::WeightMap)
            s = upload(keyOf(a), stream);
          else if (a.kind != GpuArgumentKind::Int32 && l.buffers[a.index].kind == BufferKind::Weight)
            s = upload(Key{uint32_t(l.buffers[a.index].place), -1, 0, false}, stream);
        }
  return s;
}

Status CudaModel::upload(const Key &key, const cuda::Stream &stream) {
  if (constants.count(key))
    return {};
  const auto [weight, packing, order, isSigned] = key;
  const Weight &w = model().weights[weight];
  std::vector<uint8_t> packed;
  const uint8_t *bytes = w.bytes.data();
  size_t size = w.bytes.size();
  if (packing >= 0) {
    packed = packWeight(model().packings[size_t(packing)], CanonicalOrder(order), isSigned, bytes);
    bytes = packed.data();
    size = packed.size();
  }
  cuda::Memory memory;
  Status s = cuda::Memory::allocate(
      device, size + readSlack,
      "weight '" + w.name + "' (" + std::to_string(uploaded) + " bytes of weights are there already)", memory);
  if (s.ok())
    s = memory.upload(bytes, size, stream.handle());
  if (s.ok())
    s = stream.synchronize(); // the packed copy goes away
  if (!s.ok())
    return s;
  uploaded += size;
  constants.emplace(key, std::move(memory));
  return {};
}

bool CudaModel::constant(const GpuArgument &argument, Constant &result) const {
  auto it = constants.find(keyOf(argument));
  if (it == constants.end())
    return false;
  result = {it->second.address, it->second.size() - readSlack};
  return true;
}

bool CudaModel::constant(uint32_t weight, Constant &result) const {
  auto it = constants.find(Key{weight, -1, 0, false});
  if (it == constants.end())
    return false;
  result = {it->second.address, it->second.size() - readSlack};
  return true;
}
