//===- Runtime.cpp - the C API over LoadedModel and Session -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "bitwright-c/runtime.h"
#include "lib/Runtime/Cpu.h"
#include "lib/Runtime/SelfCheck.h"

#include <new>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

struct bw_model {
  std::shared_ptr<LoadedModel> loaded;
};
struct bw_session {
  std::unique_ptr<Session> session;
};
struct bw_device_memory {
  cuda::ContextPtr context;
  cuda::Memory memory;
};

static thread_local std::string lastError;

static bw_status report(Status s) {
  lastError = std::move(s.text);
  return s.code;
}

/// No exception crosses the C border. The only one that this library expects is a lack of memory.
template <typename Body> static bw_status guarded(Body body) {
  try {
    return report(body());
  } catch (const std::bad_alloc &) {
    return report(failure(BW_OUT_OF_MEMORY, "out of memory"));
  } catch (const std::exception &e) {
    return report(failure(BW_INTERNAL, std::string("unexpected: ") + e.what()));
  }
}

static Status null(const char *what) { return failure(BW_INVALID_ARGUMENT, std::string(what) + " is null"); }

static Status outOfRange(const char *what, size_t index, size_t count) {
  return failure(BW_INVALID_ARGUMENT,
                 std::string(what) + " " + std::to_string(index) + " of " + std::to_string(count) + " asked for");
}

const char *bw_last_error(void) { return lastError.c_str(); }
const char *bw_version(void) { return BITWRIGHT_VERSION; }
const char *bw_dtype_name(bw_dtype dtype) {
  return unsigned(dtype) < elementTypeCount ? elementTypeName(ElementType(dtype)) : "?";
}
unsigned bw_dtype_bits(bw_dtype dtype) { return unsigned(dtype) < elementTypeCount ? bitWidth(ElementType(dtype)) : 0; }

bw_status bw_model_load_file(const char *path, uint32_t flags, bw_model **model) {
  return guarded([&]() -> Status {
    if (!path || !model)
      return null(path ? "model" : "path");
    auto m = std::make_unique<bw_model>();
    Status s = LoadedModel::loadFile(path, flags, m->loaded);
    if (s.ok())
      *model = m.release();
    return s;
  });
}

bw_status bw_model_load_memory(const void *bytes, size_t size, uint32_t flags, bw_model **model) {
  return guarded([&]() -> Status {
    if (!bytes || !model)
      return null(bytes ? "model" : "bytes");
    auto m = std::make_unique<bw_model>();
    Status s = LoadedModel::loadMemory(bytes, size, flags, m->loaded);
    if (s.ok())
      *model = m.release();
    return s;
  });
}

void bw_model_destroy(bw_model *model) { delete model; }

size_t bw_model_symbol_count(const bw_model *model) { return model ? model->loaded->model().symbols.size() : 0; }

bw_status bw_model_symbol(const bw_model *model, size_t index, bw_symbol_info *info) {
  return guarded([&]() -> Status {
    if (!model || !info)
      return null(model ? "info" : "model");
    const std::vector<Symbol> &symbols = model->loaded->model().symbols;
    if (index >= symbols.size())
      return outOfRange("symbol", index, symbols.size());
    *info = {symbols[index].name.c_str(), symbols[index].lo, symbols[index].hi, symbols[index].divisor};
    return {};
  });
}

size_t bw_model_entry_count(const bw_model *model) { return model ? model->loaded->model().entries.size() : 0; }

static const EntryPoint *entryOf(const bw_model *model, size_t entry) {
  return entry < bw_model_entry_count(model) ? &model->loaded->model().entries[entry] : nullptr;
}

const char *bw_model_entry_name(const bw_model *model, size_t entry) {
  const EntryPoint *e = entryOf(model, entry);
  return e ? e->name.c_str() : nullptr;
}
size_t bw_model_input_count(const bw_model *model, size_t entry) {
  const EntryPoint *e = entryOf(model, entry);
  return e ? e->inputs.size() : 0;
}
size_t bw_model_output_count(const bw_model *model, size_t entry) {
  const EntryPoint *e = entryOf(model, entry);
  return e ? e->outputs.size() : 0;
}

static bw_status tensorOf(const bw_model *model, size_t entry, size_t index, bool isInput, bw_tensor_info *info) {
  return guarded([&]() -> Status {
    if (!model || !info)
      return null(model ? "info" : "model");
    const EntryPoint *e = entryOf(model, entry);
    if (!e)
      return outOfRange("entry point", entry, bw_model_entry_count(model));
    const std::vector<uint32_t> &list = isInput ? e->inputs : e->outputs;
    if (index >= list.size())
      return outOfRange(isInput ? "input" : "output", index, list.size());
    model->loaded->tensorInfo(list[index], *info);
    return {};
  });
}

bw_status bw_model_input(const bw_model *model, size_t entry, size_t index, bw_tensor_info *info) {
  return tensorOf(model, entry, index, true, info);
}
bw_status bw_model_output(const bw_model *model, size_t entry, size_t index, bw_tensor_info *info) {
  return tensorOf(model, entry, index, false, info);
}

bw_status bw_model_get_stats(const bw_model *model, bw_model_stats *stats) {
  return guarded([&]() -> Status {
    if (!model || !stats)
      return null(model ? "stats" : "model");
    const Model &m = model->loaded->model();
    bw_model_stats r = {};
    r.arena_bytes = m.arenaBytes;
    for (const Weight &w : m.weights)
      r.weight_bytes += storedBytes(w);
    for (const CodeSegment &c : m.code)
      r.code_bytes[unsigned(c.isa)] = c.bytes.size();
    for (const GpuCode &c : m.gpuCode)
      r.gpu_code_bytes[unsigned(c.arch)][unsigned(c.kind)] = c.bytes.size();
    r.gpu_kernel_count = m.gpuKernels.size();
    for (const EntryPoint &e : m.entries)
      for (const Launch &l : e.launches) {
        ++r.launch_count;
        r.gpu_launch_count += !l.gpu.variants.empty();
      }
    r.kernel_count = m.kernels.size();
    r.has_self_check = m.selfCheck.present;
    *stats = r;
    return {};
  });
}

size_t bw_model_property_count(const bw_model *model) { return model ? model->loaded->model().provenance.size() : 0; }

bw_status bw_model_property(const bw_model *model, size_t index, const char **key, const char **value) {
  return guarded([&]() -> Status {
    if (!model || !key || !value)
      return null(!model ? "model" : !key ? "key" : "value");
    const std::vector<Property> &list = model->loaded->model().provenance;
    if (index >= list.size())
      return outOfRange("property", index, list.size());
    *key = list[index].key.c_str();
    *value = list[index].value.c_str();
    return {};
  });
}

bw_status bw_session_create(bw_model *model, const bw_session_options *options, bw_session **session) {
  return guarded([&]() -> Status {
    if (!model || !session)
      return null(model ? "session" : "model");
    SessionOptions o;
    if (options) {
      o.threads = options->threads;
      o.isa = options->isa;
      o.profile = options->profile != 0;
      o.device = options->device;
      o.deviceTiming = options->device_timing != 0;
    }
    auto s = std::make_unique<bw_session>();
    Status status = Session::create(model->loaded, o, s->session);
    if (status.ok())
      *session = s.release();
    return status;
  });
}

void bw_session_destroy(bw_session *session) { delete session; }
const char *bw_session_isa(const bw_session *session) {
  return session && !session->session->cuda() ? isaName(session->session->isa()) : "none";
}
const char *bw_session_device(const bw_session *session) { return session ? session->session->deviceText() : "none"; }
const char *bw_session_device_name(const bw_session *session) {
  return session && session->session->cuda() ? session->session->cuda()->device().name.c_str() : "";
}
double bw_session_device_ms(const bw_session *session) {
  return session && session->session->cuda() ? session->session->cuda()->lastMs() : 0;
}
bw_status bw_cuda_device_count(size_t *count) {
  return guarded([&]() -> Status {
    if (!count)
      return null("count");
    const cuda::Driver *driver;
    int number = 0;
    Status s = cuda::Driver::get(driver);
    if (s.ok())
      s = driver->deviceCount(number);
    if (s.ok())
      *count = size_t(number);
    return s;
  });
}
uint32_t bw_session_threads(const bw_session *session) { return session ? session->session->threads() : 0; }
const char *bw_host_isa(void) {
  Isa isa;
  return hostIsa(isa) ? isaName(isa) : "none";
}

static Status checkArguments(const bw_session *session, const bw_tensor *inputs, size_t inputCount) {
  if (!session)
    return null("session");
  for (size_t i = 0; inputs && i < inputCount; ++i)
    if (inputs[i].rank < 0 || inputs[i].rank > BW_MAX_RANK)
      return failure(BW_INVALID_ARGUMENT, "input " + std::to_string(i) + ": rank " + std::to_string(inputs[i].rank) +
                                              " is not within 0.." + std::to_string(BW_MAX_RANK));
  return {};
}

bw_status bw_output_shapes(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                           bw_tensor *outputs, size_t output_count) {
  return guarded([&]() -> Status {
    Status s = checkArguments(session, inputs, input_count);
    return s.ok() ? session->session->outputShapes(entry, inputs, input_count, outputs, output_count) : s;
  });
}

bw_status bw_run(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count, bw_tensor *outputs,
                 size_t output_count) {
  return bw_run_capture(session, entry, inputs, input_count, outputs, output_count, nullptr, nullptr);
}

namespace {
/// Hands what each launch stored to a callback that may change it.
class Editor : public LaunchObserver {
public:
  Editor(const Session &session, bw_edit_callback callback, void *user)
      : session(session), callback(callback), user(user) {}
  Status before(const ShapePlan &, size_t, void *const *) override { return {}; }
  Status after(const ShapePlan &plan, size_t launch, void *const *buffers) override {
    const Model &model = session.model();
    const Launch &l = model.entries[plan.entry].launches[launch];
    for (uint32_t b : l.stores) {
      if (l.buffers[b].tensor < 0)
        continue;
      const Tensor &tensor = model.tensors[size_t(l.buffers[b].tensor)];
      uint64_t bytes = 0;
      tensorBytes(tensor, plan.symbols.data(), plan.symbols.size(), bytes);
      if (callback(tensor.name.c_str(), l.name.c_str(), bw_dtype(tensor.type), buffers[b], size_t(bytes), user)) {
        ended = true;
        return failure(BW_INTERNAL, "ended by the callback");
      }
    }
    return {};
  }
  bool ended = false;

private:
  const Session &session;
  bw_edit_callback callback;
  void *user;
};
} // namespace

bw_status bw_run_edit(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                      bw_tensor *outputs, size_t output_count, bw_edit_callback callback, void *user) {
  return guarded([&]() -> Status {
    if (!callback)
      return null("callback");
    Status s = checkArguments(session, inputs, input_count);
    if (!s.ok())
      return s;
    if (session->session->cuda())
      return failure(BW_UNSUPPORTED, "bw_run_edit works on sessions of the CPU, found a session on a GPU");
    Editor editor(*session->session, callback, user);
    s = session->session->observe(entry, inputs, input_count, outputs, output_count, editor);
    return editor.ended ? Status() : s;
  });
}

size_t bw_model_weight_count(const bw_model *model) { return model ? model->loaded->model().weights.size() : 0; }

bw_status bw_model_weight(const bw_model *model, size_t index, const char **layout, const void **data, size_t *bytes) {
  return guarded([&]() -> Status {
    if (!model)
      return null("model");
    const Model &m = model->loaded->model();
    if (index >= m.weights.size())
      return failure(BW_INVALID_ARGUMENT,
                     "expected a weight below " + std::to_string(m.weights.size()) + ", found " + std::to_string(index));
    if (data && !m.weights[index].bytes.data() && !m.weights[index].bytes.empty())
      return failure(BW_UNSUPPORTED, "weight '" + m.weights[index].name +
                                         "' is packed, and the model was loaded without its code "
                                         "(BW_LOAD_NO_CODE), for looking only: load it without that flag");
    if (layout)
      *layout = m.weights[index].layout.c_str();
    if (data)
      *data = m.weights[index].bytes.data();
    if (bytes)
      *bytes = m.weights[index].bytes.size();
    return {};
  });
}

bw_status bw_model_replace_weight(bw_model *model, size_t index, const void *data, size_t bytes) {
  return guarded([&]() -> Status {
    if (!model || !data)
      return null(model ? "data" : "model");
    return model->loaded->replaceWeight(index, data, bytes);
  });
}

bw_status bw_run_capture(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                         bw_tensor *outputs, size_t output_count, bw_capture_callback callback, void *user) {
  return guarded([&]() -> Status {
    Status s = checkArguments(session, inputs, input_count);
    return s.ok() ? session->session->run(entry, inputs, input_count, outputs, output_count, callback, user) : s;
  });
}

bw_status bw_run_on_stream(bw_session *session, size_t entry, const bw_tensor *inputs, size_t input_count,
                           bw_tensor *outputs, size_t output_count, void *stream) {
  return guarded([&]() -> Status {
    Status s = checkArguments(session, inputs, input_count);
    return s.ok() ? session->session->runOnStream(entry, inputs, input_count, outputs, output_count, stream) : s;
  });
}

bw_status bw_device_memory_create(bw_session *session, size_t bytes, bw_device_memory **memory) {
  return guarded([&]() -> Status {
    if (!session || !memory)
      return null(session ? "memory" : "session");
    if (!session->session->cuda())
      return failure(BW_INVALID_ARGUMENT, "device memory asked for of a session on the CPU");
    auto m = std::make_unique<bw_device_memory>();
    m->context = session->session->cuda()->context();
    Status s = cuda::Memory::allocate(m->context, bytes, "the caller", m->memory);
    if (s.ok())
      *memory = m.release();
    return s;
  });
}

void *bw_device_memory_data(const bw_device_memory *memory) {
  return memory ? reinterpret_cast<void *>(memory->memory.address) : nullptr;
}

/// Copies on the legacy default stream, which waits for the sessions' own streams.
static Status copyDeviceMemory(const bw_device_memory *memory, const void *from, void *to, size_t bytes) {
  if (!memory || (bytes && !from && !to))
    return null(memory ? "host pointer" : "memory");
  if (bytes > memory->memory.size())
    return failure(BW_INVALID_ARGUMENT, std::to_string(bytes) + " bytes to copy, the device memory has " +
                                            std::to_string(memory->memory.size()));
  Status s = from ? memory->memory.upload(from, bytes, nullptr) : memory->memory.download(to, bytes, nullptr);
  return s.ok() ? cuda::synchronize(*memory->context, nullptr) : s;
}
bw_status bw_device_memory_write(bw_device_memory *memory, const void *from, size_t bytes) {
  return guarded([&] { return copyDeviceMemory(memory, from, nullptr, bytes); });
}
bw_status bw_device_memory_read(const bw_device_memory *memory, void *to, size_t bytes) {
  return guarded([&] { return copyDeviceMemory(memory, nullptr, to, bytes); });
}
bw_status bw_session_synchronize(bw_session *session) {
  return guarded([&]() -> Status {
    if (!session)
      return null("session");
    return session->session->cuda() ? session->session->cuda()->waitIdle() : Status();
  });
}
void bw_device_memory_destroy(bw_device_memory *memory) { delete memory; }

size_t bw_session_profile_count(const bw_session *session, size_t entry) {
  if (!session || !session->session->profiles() || entry >= session->session->model().entries.size())
    return 0;
  return session->session->model().entries[entry].launches.size();
}

bw_status bw_session_profile(const bw_session *session, size_t entry, size_t index, bw_profile_entry *info) {
  return guarded([&]() -> Status {
    if (!session || !info)
      return null(session ? "info" : "session");
    size_t count = bw_session_profile_count(session, entry);
    if (index >= count)
      return outOfRange("profile entry", index, count);
    const Model &m = session->session->model();
    const Launch &l = m.entries[entry].launches[index];
    bw_profile_entry r = {l.name.c_str(), nullptr, l.note.c_str(), 0, 0};
    session->session->profileOf(entry, index, r.nanoseconds, r.calls, r.kernel);
    *info = r;
    return {};
  });
}

void bw_session_profile_reset(bw_session *session) {
  if (session)
    session->session->resetProfile();
}

bw_status bw_self_check(bw_session *session, size_t *compared) {
  return guarded([&]() -> Status {
    if (!session)
      return null("session");
    size_t count = 0;
    Status s = runSelfCheck(*session->session, count);
    if (s.ok() && compared)
      *compared = count;
    return s;
  });
}
