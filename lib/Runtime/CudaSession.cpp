//===- CudaSession.cpp - the execution of a model on a GPU -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/CudaSession.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;
using cuda::CUdeviceptr;

/// What kernels assume of every pointer: 16-byte loads and stores, and tensor maps.
static constexpr CUdeviceptr pointerAlignment = 16;
static constexpr uint64_t stagingAlignment = 256;
static constexpr uint64_t smallestStaging = uint64_t(1) << 20;

Status CudaSession::create(const std::shared_ptr<LoadedModel> &loaded, int device, bool timing,
                           std::unique_ptr<CudaSession> &result) {
  std::unique_ptr<CudaSession> s(new CudaSession());
  Status status = CudaModel::open(loaded, device, s->shared);
  if (!status.ok())
    return status;
  const cuda::ContextPtr &context = s->shared->context();
  // The session's stream keeps order with the legacy default stream, which torch and cupy use unless told otherwise.
  status = cuda::Stream::create(context, s->stream, /*blocking=*/true);
  if (status.ok())
    status = cuda::Stream::create(context, s->recorder);
  if (status.ok())
    status = cuda::Event::create(context, s->done, /*timing=*/false);
  if (status.ok())
    status = cuda::Event::create(context, s->begin);
  if (status.ok())
    status = cuda::Event::create(context, s->end);
  if (status.ok())
    status = cuda::Memory::allocate(context, size_t(loaded->model().arenaBytes + readSlack), "the arena", s->arena);
  if (!status.ok())
    return status;
  s->timing = timing;
  if (const char *limit = std::getenv("BITWRIGHT_CUDA_TIMEOUT"))
    s->limitMs = std::max(0, std::atoi(limit));
  result = std::move(s);
  return {};
}

CudaSession::~CudaSession() {
  if (!shared)
    return;
  waitIdle();
  if (!hung)
    return;
  // A kernel that never ends holds its memory: freeing it, or the context, would wait for ever.
  static auto *lost = new std::vector<CudaSession *>();
  lost->push_back(new CudaSession(std::move(*this)));
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

/// Evaluates everything that a plan holds; the expressions verified, so what fails here depends on these dimensions.
class CudaSession::PlanBuilder {
public:
  PlanBuilder(CudaSession &session, const EntryPoint &entry, const std::vector<int64_t> &symbols, CudaPlan &plan)
      : session(session), model(session.shared->model()), entry(entry), symbols(symbols), plan(plan) {}

  Status run() {
    for (const Launch &l : entry.launches) {
      Status s = addLaunch(l);
      if (!s.ok())
        return failure(s.code, "launch '" + l.name + "': " + s.text);
    }
    // Two spare pieces: what an argument that is smaller than the kernel's parameter is read into, and the zeros.
    const size_t pieces = (bytes.size() + sizeof(cuda::TensorMap) - 1) / sizeof(cuda::TensorMap);
    plan.arguments.resize(pieces + 2);
    for (size_t spare : spares)
      plan.offsets[spare] = (pieces + 1) * sizeof(cuda::TensorMap);
    if (!bytes.empty())
      std::memcpy(static_cast<void *>(plan.arguments.data()), bytes.data(), bytes.size());
    return {};
  }

private:
  bool value(const DimExpr &e, int64_t &result) const { return e.evaluate(symbols.data(), symbols.size(), result); }
  static Status broken() {
    return failure(BW_INTERNAL, "an expression cannot be evaluated although the file verified");
  }

  Status addLaunch(const Launch &l) {
    CudaPlan::Step step;
    step.firstBuffer = uint32_t(plan.places.size());
    step.firstArgument = uint32_t(plan.offsets.size());
    for (const BufferRef &b : l.buffers) {
      Status s = addBuffer(b);
      if (!s.ok())
        return s;
    }
    int64_t m;
    const GpuVariant *variant;
    if (!value(l.gpu.m, m))
      return broken();
    Status s = session.shared->choose(l, m, variant);
    if (!s.ok())
      return s;
    step.kernel = &session.shared->kernel(variant->kernel);
    s = setGrid(*variant, step);
    for (size_t i = 0; s.ok() && i < variant->arguments.size(); ++i) {
      s = addArgument(variant->arguments[i], step);
      if (!s.ok())
        s.text = "argument " + std::to_string(i) + " of kernel '" + step.kernel->function.name + "': " + s.text;
    }
    if (s.ok())
      s = checkParameters(*step.kernel);
    for (size_t i = 0; i < spareArguments; ++i) {
      spares.push_back(plan.offsets.size());
      plan.offsets.push_back(0);
    }
    plan.steps.push_back(std::move(step));
    sizes.clear();
    return s;
  }

  /// The kernel's parameters are code, the arguments are not: a launch must not make the driver read elsewhere.
  Status checkParameters(const CudaKernel &kernel) const {
    const cuda::Function &f = kernel.function;
    auto list = [](const std::vector<size_t> &v) {
      std::string text = std::to_string(v.size()) + " (";
      for (size_t i = 0; i < v.size(); ++i)
        text += (i ? ", " : "") + std::to_string(v[i]);
      return text + " bytes)";
    };
    if (f.parametersKnown && f.parameterBytes != sizes)
      return failure(BW_INVALID_FILE, "kernel '" + f.name + "' takes parameters: " + list(f.parameterBytes) +
                                          ", the launch gives " + list(sizes));
    return {};
  }

  Status addBuffer(const BufferRef &b) {
    CudaPlan::Place place;
    place.bytes = b.bytes;
    if (b.tensor >= 0) {
      const Tensor &t = model.tensors[size_t(b.tensor)];
      if (!tensorBytes(t, symbols.data(), symbols.size(), place.bytes))
        return broken();
      // Kernels count elements with 32 bits.
      const uint64_t elements = place.bytes * 8 / bitWidth(t.type);
      if (elements >> 31)
        return failure(BW_UNSUPPORTED, "tensor '" + t.name + "' has " + std::to_string(elements) +
                                           " elements for these dimensions, GPU kernels take less than 2^31: use "
                                           "smaller dimensions, or device 'cpu'");
    }
    const bool isOutput = b.kind == BufferKind::Output;
    switch (b.kind) {
    case BufferKind::Arena:
      place.address = session.arena.address + b.place;
      break;
    case BufferKind::Weight: {
      CudaModel::Constant constant;
      if (session.shared->constant(uint32_t(b.place), constant)) // else: packed ones stand in the arguments
        place.address = constant.address;
      place.bytes = constant.bytes;
      break;
    }
    case BufferKind::Input:
    case BufferKind::Output:
      place.value = int32_t(b.place + (isOutput ? entry.inputs.size() : 0));
      if (b.tensor < 0)
        place.bytes = plan.valueBytes[size_t(place.value)];
      else if (place.bytes > plan.valueBytes[size_t(place.value)])
        return failure(BW_INVALID_FILE, "tensor '" + model.tensors[size_t(b.tensor)].name + "' does not fit the " +
                                            (isOutput ? "output" : "input") + " that holds it for these dimensions");
      break;
    }
    plan.places.push_back(place);
    return {};
  }

  Status setGrid(const GpuVariant &v, CudaPlan::Step &step) {
    int64_t x, y;
    if (!value(v.gridX, x) || !value(v.gridY, y))
      return broken();
    step.shape = step.kernel->shape;
    const uint32_t cluster = step.shape.cluster;
    if (x < 0 || x >= int64_t(1) << 31 || y < 0 || y > 65535 || x % cluster != 0)
      return failure(BW_INVALID_FILE, "a grid of " + std::to_string(x) + " x " + std::to_string(y) +
                                          " CTAs in clusters of " + std::to_string(cluster) +
                                          ", expected multiples of the cluster below 2^31 x 65536");
    step.empty = x == 0 || y == 0;
    step.shape.gridX = uint32_t(x);
    step.shape.gridY = uint32_t(y);
    if (v.persistent) {
      const uint32_t most = std::max(step.kernel->residentBlocks / cluster * cluster, cluster);
      step.shape.gridX = std::min(step.shape.gridX, most);
    }
    return {};
  }

  /// Room for an argument, aligned as in the kernel's parameters.
  size_t reserve(size_t size, size_t alignment) {
    const size_t at = (bytes.size() + alignment - 1) / alignment * alignment;
    bytes.resize(at + size);
    plan.offsets.push_back(at);
    sizes.push_back(size);
    return at;
  }

  Status addArgument(const GpuArgument &a, const CudaPlan::Step &step) {
    if (a.kind == GpuArgumentKind::Int32) {
      int64_t v;
      if (!value(a.value, v))
        return broken();
      const int32_t narrow = int32_t(v);
      if (narrow != v)
        return failure(BW_UNSUPPORTED, "the value " + std::to_string(v) +
                                           " does not fit 32 bits: use smaller "
                                           "dimensions, or device 'cpu'");
      const size_t at = reserve(4, 4); // moves the bytes
      std::memcpy(bytes.data() + at, &narrow, 4);
      return {};
    }
    CudaPlan::Place place;
    if (a.kind == GpuArgumentKind::Weight || a.kind == GpuArgumentKind::WeightMap) {
      CudaModel::Constant constant;
      if (!session.shared->constant(a, constant))
        return failure(BW_INTERNAL, "weight " + std::to_string(a.index) + " was not uploaded");
      place.address = constant.address;
      place.bytes = constant.bytes;
    } else {
      place = plan.places[step.firstBuffer + a.index];
    }
    const bool isMap = a.kind == GpuArgumentKind::BufferMap || a.kind == GpuArgumentKind::WeightMap;
    cuda::MapShape map;
    if (isMap) {
      Status s = describeMap(a.map, place.bytes, map);
      if (!s.ok())
        return s;
    }
    const size_t at = isMap ? reserve(sizeof(cuda::TensorMap), alignof(cuda::TensorMap)) : reserve(8, 8);
    if (place.value >= 0) {
      plan.patches.push_back({at, uint32_t(place.value), isMap, map});
    } else if (isMap) {
      cuda::TensorMap encoded;
      Status s = cuda::encodeMap(*session.context(), place.address, map, encoded);
      if (!s.ok())
        return s;
      std::memcpy(bytes.data() + at, &encoded, sizeof(encoded));
    } else {
      std::memcpy(bytes.data() + at, &place.address, 8);
    }
    return {};
  }

  Status describeMap(const GpuTensorMap &m, uint64_t available, cuda::MapShape &map) {
    map.element = m.elementBits == 8    ? cuda::MapElement::U8
                  : m.elementBits == 16 ? cuda::MapElement::U16
                                        : cuda::MapElement::U32;
    map.rank = m.rank;
    map.swizzle128 = m.swizzle128;
    // Bytes up to the end of the last element; the verifier has bounded dimensions by 2^32 and strides by 2^40.
    unsigned __int128 last = m.elementBits / 8;
    for (uint32_t i = 0; i < m.rank; ++i) {
      int64_t dim, box, stride = m.elementBits / 8;
      if (!value(m.dims[i], dim) || !value(m.box[i], box) || (i && !value(m.strideBytes[i - 1], stride)))
        return broken();
      if (dim < 1 || box < 1 || box > 256)
        return failure(BW_INVALID_FILE, "tensor map: dimension " + std::to_string(i) + " is " + std::to_string(dim) +
                                            " with a box of " + std::to_string(box) + ", expected >= 1 and 1..256");
      map.dims[i] = uint64_t(dim);
      map.box[i] = uint32_t(box);
      if (i)
        map.strides[i - 1] = uint64_t(stride);
      last += static_cast<unsigned __int128>(dim - 1) * uint64_t(stride);
    }
    if (last > available)
      return failure(BW_INVALID_FILE, "tensor map: it covers " + std::to_string(uint64_t(last)) +
                                          " bytes of a buffer of " + std::to_string(available));
    return {};
  }

  CudaSession &session;
  const Model &model;
  const EntryPoint &entry;
  const std::vector<int64_t> &symbols;
  CudaPlan &plan;
  std::vector<uint8_t> bytes;
  std::vector<size_t> sizes;  ///< of the present launch's arguments
  std::vector<size_t> spares; ///< numbers of the spare arguments
};

Status CudaSession::buildPlan(const EntryPoint &entry, const std::vector<int64_t> &symbols,
                              const std::vector<uint64_t> &inputBytes, const std::vector<uint64_t> &outputBytes,
                              CudaPlan &plan) {
  plan.valueBytes = inputBytes;
  plan.valueBytes.insert(plan.valueBytes.end(), outputBytes.begin(), outputBytes.end());
  for (uint64_t bytes : plan.valueBytes) {
    plan.valueOffsets.push_back(plan.stagingBytes);
    plan.stagingBytes += (bytes + readSlack + stagingAlignment - 1) / stagingAlignment * stagingAlignment;
  }
  return PlanBuilder(*this, entry, symbols, plan).run();
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

Status CudaSession::checkValue(const Tensor &tensor, const char *what, const bw_tensor &value) {
  const std::string name = std::string(what) + " '" + tensor.name + "'";
  if (value.device != BW_DEVICE_CUDA)
    return failure(BW_INVALID_ARGUMENT, name + ": unknown device kind " + std::to_string(int(value.device)) +
                                            ", expected BW_DEVICE_HOST or BW_DEVICE_CUDA");
  const int mine = device().number;
  if (value.device_index != mine)
    return failure(BW_INVALID_ARGUMENT, name + " is on cuda:" + std::to_string(value.device_index) +
                                            ", the session is on cuda:" + std::to_string(mine) +
                                            ": copy it there, or make a session for that device");
  const CUdeviceptr address = reinterpret_cast<CUdeviceptr>(value.data);
  if (address % pointerAlignment != 0) {
    char text[32];
    std::snprintf(text, sizeof(text), "0x%llx", address);
    return failure(BW_INVALID_ARGUMENT, name + ": device address " + text +
                                            " is not a multiple of 16: copy the array, or do not slice it there");
  }
  const int owner = cuda::deviceOfPointer(*context(), value.data);
  if (owner != mine)
    return failure(BW_INVALID_ARGUMENT, name + ": its address is " +
                                            (owner < 0 ? std::string("not device memory of this process")
                                                       : "memory of cuda:" + std::to_string(owner)) +
                                            ", the session is on cuda:" + std::to_string(mine));
  return {};
}

Status CudaSession::ensureStaging(uint64_t bytes) {
  if (bytes <= staging.size())
    return {};
  Status s = waitIdle();
  if (!s.ok())
    return s;
  // Graphs hold the addresses: grow in large steps, so that few shapes lose theirs.
  uint64_t size = smallestStaging;
  while (size < bytes)
    size *= 2;
  bytes = size;
  staging = cuda::Memory();
  pinned = cuda::HostMemory();
  s = cuda::Memory::allocate(context(), size_t(bytes), "inputs and outputs", staging);
  if (s.ok())
    s = cuda::HostMemory::allocate(context(), size_t(bytes), "inputs and outputs", pinned);
  if (!s.ok())
    staging = cuda::Memory();
  return s;
}

Status CudaSession::bind(CudaPlan &plan, CudaPlan::Binding *&result, bool &seen) {
  ++clock;
  std::unique_ptr<CudaPlan::Binding> *oldest = nullptr;
  for (std::unique_ptr<CudaPlan::Binding> &b : plan.bindings) {
    if (b->key == addresses) {
      b->lastUse = clock;
      result = b.get();
      seen = true;
      return {};
    }
    if (!oldest || b->lastUse < (*oldest)->lastUse)
      oldest = &b;
  }
  auto b = std::make_unique<CudaPlan::Binding>();
  b->key = addresses;
  b->arguments = plan.arguments;
  b->lastUse = clock;
  uint8_t *bytes = reinterpret_cast<uint8_t *>(b->arguments.data());
  for (const CudaPlan::Patch &p : plan.patches) {
    const CUdeviceptr address = addresses[p.value];
    if (!p.isMap) {
      std::memcpy(bytes + p.offset, &address, 8);
      continue;
    }
    cuda::TensorMap map;
    Status s = cuda::encodeMap(*context(), address, p.map, map);
    if (!s.ok())
      return s;
    std::memcpy(bytes + p.offset, &map, sizeof(map));
  }
  for (size_t offset : plan.offsets)
    b->pointers.push_back(bytes + offset);
  seen = false;
  result = b.get();
  if (plan.bindings.size() < maxBindings) {
    plan.bindings.push_back(std::move(b));
    return {};
  }
  Status s = waitIdle(); // the graph that is forgotten may be running
  *oldest = std::move(b);
  return s;
}

Status CudaSession::launchAll(const CudaPlan &plan, const CudaPlan::Binding &binding, cuda::CUstream on) {
  cuda::Current scope(*context());
  for (const CudaPlan::Step &step : plan.steps) {
    if (step.empty)
      continue;
    Status s =
        cuda::launch(*context(), step.kernel->function, step.shape, binding.pointers.data() + step.firstArgument, on);
    if (!s.ok())
      return s;
  }
  return {};
}

Status CudaSession::stepwise(const CudaPlan &plan, const CudaPlan::Binding &binding, cuda::CUstream on,
                             const CudaRun &how) {
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const CudaPlan::Step &step = plan.steps[i];
    Status s;
    if (how.beforeLaunch)
      s = how.beforeLaunch(i);
    cuda::LaunchShape shape = step.shape;
    shape.pdl = false; // alone on the device: nothing to overlap with
    if (s.ok())
      s = begin.record(on);
    if (s.ok() && !step.empty)
      s = cuda::launch(*context(), step.kernel->function, shape, binding.pointers.data() + step.firstArgument, on);
    if (s.ok())
      s = end.record(on);
    if (s.ok())
      s = wait(on);
    float ms = 0;
    if (s.ok())
      s = cuda::Event::milliseconds(begin, end, ms);
    if (!s.ok())
      return failure(s.code, "launch " + std::to_string(i) + ": " + s.text);
    if (how.launchMs)
      (*how.launchMs)[i] += double(ms);
    bool stop = false;
    if (how.afterLaunch)
      s = how.afterLaunch(i, stop);
    if (!s.ok() || stop)
      return s;
  }
  return {};
}

Status CudaSession::wait(cuda::CUstream on) {
  Status s = cuda::synchronize(*context(), on, limitMs);
  if (s.code == BW_INTERNAL && limitMs > 0)
    hung = true;
  return s;
}

Status CudaSession::waitIdle() {
  if (!pending || hung)
    return {};
  pending = false;
  return done.synchronize();
}

Status CudaSession::run(const EntryPoint &entry, CudaPlan &plan, const std::vector<const bw_tensor *> &values,
                        const CudaRun &how) {
  if (hung)
    return failure(BW_INTERNAL, "an earlier run of this session did not end: make a new process");
  const Model &model = shared->model();
  const size_t inputs = entry.inputs.size();
  cuda::Current scope(*context());
  const cuda::CUstream on = how.ownStream ? stream.handle() : how.stream;
  bool anyHost = false;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool isInput = i < inputs;
    if (values[i]->device == BW_DEVICE_HOST) {
      anyHost = true;
      continue;
    }
    Status s = checkValue(model.tensors[isInput ? entry.inputs[i] : entry.outputs[i - inputs]],
                          isInput ? "input" : "output", *values[i]);
    if (!s.ok())
      return s;
  }
  int capturing = 0;
  if (!how.ownStream) {
    cuda::CUcontext owner = nullptr;
    if (context()->api().streamGetContext(on, &owner) != cuda::cudaSuccess || owner != context()->handle())
      return failure(BW_INVALID_ARGUMENT, "the stream given is not one of cuda:" + std::to_string(device().number) +
                                              "'s primary context, where the session is: make it on that device");
    context()->api().streamIsCapturing(on, &capturing);
  }
  if (capturing && (anyHost || how.wait || how.afterLaunch || how.launchMs))
    return failure(BW_INVALID_ARGUMENT,
                   "the stream is recording a graph: inputs and outputs must be on the device, and "
                   "the run cannot be waited for");
  Status s;
  if (capturing)
    s = waitIdle(); // the graph to be knows nothing of our events
  if (s.ok() && anyHost)
    s = ensureStaging(plan.stagingBytes);
  // The arena is one: a run on another stream begins when the one before has ended.
  if (s.ok() && pending && pendingStream != on)
    s = context()->driver().check(context()->api().streamWaitEvent(on, done.handle(), 0), "ordering two streams");
  if (!s.ok())
    return s;

  addresses.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i)
    addresses[i] = values[i]->device == BW_DEVICE_HOST ? staging.address + plan.valueOffsets[i]
                                                       : reinterpret_cast<CUdeviceptr>(values[i]->data);
  CudaPlan::Binding *binding;
  bool seen;
  s = bind(plan, binding, seen);
  // Pinned memory is free: a run with host tensors is always waited for.
  for (size_t i = 0; i < inputs && s.ok(); ++i)
    if (values[i]->device == BW_DEVICE_HOST) {
      std::memcpy(pinned.data() + plan.valueOffsets[i], values[i]->data, size_t(plan.valueBytes[i]));
      s = staging.upload(pinned.data() + plan.valueOffsets[i], size_t(plan.valueBytes[i]), on,
                         size_t(plan.valueOffsets[i]));
    }
  if (!s.ok())
    return s;

  const bool lockstep = how.afterLaunch || how.beforeLaunch || how.launchMs;
  if (lockstep) {
    s = stepwise(plan, *binding, on, how);
  } else {
    if (seen && !binding->graph && !capturing)
      s = cuda::Graph::capture(
          context(), recorder, [&](cuda::CUstream recording) { return launchAll(plan, *binding, recording); },
          binding->graph);
    if (s.ok() && timing && !capturing)
      s = begin.record(on);
    if (s.ok())
      s = binding->graph && !capturing ? binding->graph.launch(on) : launchAll(plan, *binding, on);
    if (s.ok() && timing && !capturing)
      s = end.record(on);
  }
  for (size_t i = inputs; i < values.size() && s.ok(); ++i)
    if (values[i]->device == BW_DEVICE_HOST)
      s = staging.download(pinned.data() + plan.valueOffsets[i], size_t(plan.valueBytes[i]), on,
                           size_t(plan.valueOffsets[i]));
  if (capturing)
    return s;
  if (!how.wait && !anyHost && !lockstep) {
    if (s.ok())
      s = done.record(on);
    pending = true;
    pendingStream = on;
    return s;
  }
  // Waited for even after a failure: what was enqueued reads memory that the caller owns.
  Status finished = wait(on);
  if (s.ok())
    s = finished;
  if (finished.ok())
    pending = false;
  if (!s.ok())
    return s;
  for (size_t i = inputs; i < values.size(); ++i)
    if (values[i]->device == BW_DEVICE_HOST)
      std::memcpy(values[i]->data, pinned.data() + plan.valueOffsets[i], size_t(plan.valueBytes[i]));
  if (timing && !lockstep) {
    float ms = 0;
    s = cuda::Event::milliseconds(begin, end, ms);
    deviceMs = double(ms);
  }
  return s;
}

//===----------------------------------------------------------------------===//
// Looking between launches
//===----------------------------------------------------------------------===//

static CUdeviceptr addressOf(const CudaPlan::Place &place, const std::vector<CUdeviceptr> &values) {
  return place.value >= 0 ? values[size_t(place.value)] : place.address;
}

Status CudaSession::readBuffer(const CudaPlan &plan, size_t launch, size_t buffer, void *to, size_t bytes) {
  const CudaPlan::Place &place = plan.places[plan.steps[launch].firstBuffer + buffer];
  Status s = context()->driver().check(
      context()->api().copyToHost(to, addressOf(place, addresses), bytes, stream.handle()), "reading a buffer");
  return s.ok() ? wait(stream.handle()) : s;
}

Status CudaSession::writeBuffer(const CudaPlan &plan, size_t launch, size_t buffer, const void *from, size_t bytes) {
  const CudaPlan::Place &place = plan.places[plan.steps[launch].firstBuffer + buffer];
  Status s = context()->driver().check(
      context()->api().copyToDevice(addressOf(place, addresses), from, bytes, stream.handle()), "writing a buffer");
  return s.ok() ? wait(stream.handle()) : s;
}
