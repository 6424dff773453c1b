//===- quant-run.cpp - runs .bwm files from the command line -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "Options.h"
#include "bitwright-c/runtime.h"
#include "lib/Formats/Npy.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <unistd.h>

using namespace bitwright;
using namespace bitwright::formats;
using namespace bitwright::quantrun;

namespace {
double nowMs() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int complain(const std::string &text, int status = exitWrongInput) {
  std::fprintf(stderr, "quant-run: %s\n", text.c_str());
  return status;
}

/// Reports the last failure of the C API.
int complain(bw_status status) {
  if (status != BW_INTERNAL)
    return complain(std::string(bw_last_error()));
  return complain(std::string(bw_last_error()) + " (a defect of the runtime: please report it with the file)",
                  exitInternal);
}

struct DtypeName {
  bw_dtype dtype;
  char kind;
  unsigned size;
};
const DtypeName dtypes[] = {{BW_F32, 'f', 4}, {BW_F16, 'f', 2}, {BW_BF16, 'V', 2}, {BW_S8, 'i', 1},   {BW_U8, 'u', 1},
                            {BW_S16, 'i', 2}, {BW_S32, 'i', 4}, {BW_S64, 'i', 8},  {BW_BOOL, 'b', 1}, {BW_F64, 'f', 8}};

bool toDtype(const NpyArray &a, bw_dtype &dtype) {
  for (const DtypeName &d : dtypes)
    if (d.kind == a.kind && d.size == a.itemSize) {
      dtype = d.dtype;
      return true;
    }
  return false;
}

/// The whole of a run: owns model, session and arrays.
class Runner {
public:
  explicit Runner(const Options &o) : options(o) {}
  ~Runner() {
    for (bw_device_memory *m : deviceMemory)
      bw_device_memory_destroy(m);
    bw_session_destroy(session);
    bw_model_destroy(model);
  }
  int run();

private:
  int load();
  int printInfo();
  int selfCheck();
  int readInputs();
  int resolveDims(std::vector<std::pair<std::string, int64_t>> &dims);
  int makeInputs();
  int addInput(const std::string &name, NpyArray array, const std::string &where);
  int prepareOutputs();
  int moveToDevice();
  int timeQueued(double &milliseconds);
  int benchmark(double firstMs);
  int compare();
  int printProfile();

  const Options &options;
  bw_model *model = nullptr;
  bw_session *session = nullptr;
  size_t entry = 0;
  std::vector<NamedArray> inputArrays, outputArrays;
  std::vector<bw_tensor> inputs, outputs;
  std::vector<bw_device_memory *> deviceMemory;
  double loadMs = 0;
};
} // namespace

int Runner::load() {
  uint32_t flags = options.selfCheck || options.verify ? BW_LOAD_VERIFY_ALL : 0;
  const bool onlyLook =
      options.info && !options.selfCheck && !options.benchmark && options.inputs.empty() && options.inputFiles.empty();
  if (onlyLook)
    flags |= BW_LOAD_NO_CODE;
  if (bw_status s = bw_model_load_file(options.model.c_str(), flags, &model))
    return complain(s);
  if (!options.entry.empty()) {
    while (entry < bw_model_entry_count(model) && options.entry != bw_model_entry_name(model, entry))
      ++entry;
    if (entry == bw_model_entry_count(model)) {
      std::string names;
      for (size_t i = 0; i < entry; ++i)
        names += std::string(i ? ", '" : "'") + bw_model_entry_name(model, i) + "'";
      return complain("'" + options.model + "' has no entry point '" + options.entry + "'; it has " + names);
    }
  }
  return exitDone;
}

static void printTensor(const char *what, const bw_tensor_info &t) {
  std::printf("%s %s: %s [", what, t.name, bw_dtype_name(t.dtype));
  for (int32_t i = 0; i < t.rank; ++i)
    std::printf("%s%s", i ? ", " : "", t.dims[i]);
  std::printf("]");
  if (t.quantized && t.scale_count == 1)
    std::printf(", real = %.9g * (code - %d)", double(t.scales[0]), t.zero_points[0]);
  std::printf("\n");
}

int Runner::printInfo() {
  bw_tensor_info t;
  for (size_t e = 0; e < bw_model_entry_count(model); ++e) {
    std::printf("entry point %s\n", bw_model_entry_name(model, e));
    for (size_t i = 0; i < bw_model_input_count(model, e); ++i)
      if (bw_model_input(model, e, i, &t) == BW_OK)
        printTensor("  input", t);
    for (size_t i = 0; i < bw_model_output_count(model, e); ++i)
      if (bw_model_output(model, e, i, &t) == BW_OK)
        printTensor("  output", t);
  }
  for (size_t i = 0; i < bw_model_symbol_count(model); ++i) {
    bw_symbol_info s;
    if (bw_model_symbol(model, i, &s) != BW_OK)
      continue;
    std::printf("dimension %s: %lld..%lld", s.name, (long long)s.lo, (long long)s.hi);
    if (s.divisor != 1)
      std::printf(", a multiple of %lld", (long long)s.divisor);
    std::printf("\n");
  }
  bw_model_stats stats;
  if (bw_status s = bw_model_get_stats(model, &stats))
    return complain(s);
  std::printf("weights: %llu bytes\narena: %llu bytes\ncode: avx2 %llu, avx512vnni %llu, amx %llu bytes\n"
              "launches: %zu of %zu kernels\nself-check: %s\n",
              (unsigned long long)stats.weight_bytes, (unsigned long long)stats.arena_bytes,
              (unsigned long long)stats.code_bytes[0], (unsigned long long)stats.code_bytes[1],
              (unsigned long long)stats.code_bytes[2], stats.launch_count, stats.kernel_count,
              stats.has_self_check ? "yes" : "no");
  if (stats.gpu_kernel_count)
    std::printf("GPU code: sm_80 cubin %llu, sm_80 PTX %llu, sm_90a cubin %llu, sm_90a PTX %llu bytes\n"
                "GPU launches: %zu of %zu, %zu kernels\n",
                (unsigned long long)stats.gpu_code_bytes[0][0], (unsigned long long)stats.gpu_code_bytes[0][1],
                (unsigned long long)stats.gpu_code_bytes[1][0], (unsigned long long)stats.gpu_code_bytes[1][1],
                stats.gpu_launch_count, stats.launch_count, stats.gpu_kernel_count);
  for (size_t i = 0; i < bw_model_property_count(model); ++i) {
    const char *key, *value;
    if (bw_model_property(model, i, &key, &value) == BW_OK)
      std::printf("%s: %s\n", key, value);
  }
  return exitDone;
}

int Runner::selfCheck() {
  std::vector<std::string> levels;
  if (!options.isa.empty()) {
    levels.push_back(options.isa);
  } else if (const char *chosen = std::getenv("BITWRIGHT_ISA"); chosen && *chosen) {
    levels.push_back(chosen);
  } else {
    for (const char *level : {"avx2", "avx512vnni", "amx"}) {
      levels.push_back(level);
      if (std::strcmp(level, bw_host_isa()) == 0)
        break;
    }
  }
  for (const std::string &level : levels) {
    bw_session_options o = {};
    o.threads = options.threads;
    o.isa = level.c_str();
    bw_session *s = nullptr;
    size_t compared = 0;
    bw_status status = bw_session_create(model, &o, &s);
    if (status == BW_OK)
      status = bw_self_check(s, &compared);
    bw_session_destroy(s);
    if (status != BW_OK)
      return complain(status);
    if (compared)
      std::printf("self-check %s: %zu tensors equal\n", level.c_str(), compared);
    else
      std::printf("self-check %s: ran; the file stores no integer tensor to compare\n", level.c_str());
  }
  if (!options.onGpu())
    return exitDone;
  bw_session_options o = {};
  o.device = options.device.c_str();
  bw_session *s = nullptr;
  size_t compared = 0;
  bw_status status = bw_session_create(model, &o, &s);
  if (status == BW_OK)
    status = bw_self_check(s, &compared);
  if (status == BW_OK)
    std::printf("self-check %s (%s): %zu tensors as on the CPU (integers equal, floats within the bound)\n",
                bw_session_device(s), bw_session_device_name(s), compared);
  bw_session_destroy(s);
  return status == BW_OK ? int(exitDone) : complain(status);
}

int Runner::addInput(const std::string &name, NpyArray array, const std::string &where) {
  bw_tensor t = {};
  if (!toDtype(array, t.dtype))
    return complain(where + ": element type " + array.typeText() + " is not one that models have");
  if (array.shape.size() > BW_MAX_RANK)
    return complain(where + ": rank " + std::to_string(array.shape.size()) + ", at most " +
                    std::to_string(BW_MAX_RANK) + " is possible");
  for (const NamedArray &a : inputArrays)
    if (a.name == name)
      return complain("input '" + name + "' is given twice (" + where + ")");
  inputArrays.push_back({name, std::move(array)});
  t.rank = int32_t(inputArrays.back().array.shape.size());
  std::copy(inputArrays.back().array.shape.begin(), inputArrays.back().array.shape.end(), t.dims);
  t.data = inputArrays.back().array.data.data();
  t.bytes = inputArrays.back().array.data.size();
  inputs.push_back(t);
  return exitDone;
}

int Runner::readInputs() {
  std::string error;
  if (!options.inputs.empty()) {
    std::vector<NamedArray> arrays;
    if (!readNpz(options.inputs, arrays, error))
      return complain(error);
    for (NamedArray &a : arrays)
      if (int status = addInput(a.name, std::move(a.array), "'" + options.inputs + "', array '" + a.name + "'"))
        return status;
  }
  for (const auto &[name, path] : options.inputFiles) {
    NpyArray array;
    if (!readNpy(path, array, error))
      return complain(error);
    if (int status = addInput(name, std::move(array), "'" + path + "'"))
      return status;
  }
  return exitDone;
}

/// --dim as name of a symbol and value; a place (`x:3`) becomes the name of what stands there.
int Runner::resolveDims(std::vector<std::pair<std::string, int64_t>> &dims) {
  for (auto [name, value] : options.dims) {
    for (size_t i = 0; i < bw_model_input_count(model, entry); ++i) {
      bw_tensor_info info;
      if (bw_status s = bw_model_input(model, entry, i, &info))
        return complain(s);
      for (int32_t d = 0; d < info.rank; ++d)
        if (name == std::string(info.name) + ":" + std::to_string(d))
          name = info.dims[d];
    }
    bw_symbol_info s = {};
    bool known = false;
    for (size_t i = 0; i < bw_model_symbol_count(model) && !known; ++i)
      known = bw_model_symbol(model, i, &s) == BW_OK && name == s.name;
    if (!known)
      return complain("'" + options.model + "' has no dimension '" + name + "'");
    if (value < s.lo || value > s.hi || value % s.divisor != 0)
      return complain("dimension '" + name + "' is " + std::to_string(value) + ", expected " + std::to_string(s.lo) +
                      ".." + std::to_string(s.hi) +
                      (s.divisor > 1 ? ", a multiple of " + std::to_string(s.divisor) : ""));
    dims.push_back({name, value});
  }
  return exitDone;
}

/// Inputs for a benchmark without files: floats of a fixed pseudo-random sequence in [-1, 1), small integers.
int Runner::makeInputs() {
  uint32_t state = 1;
  std::vector<std::pair<std::string, int64_t>> dims;
  if (int status = resolveDims(dims))
    return status;
  for (size_t i = 0; i < bw_model_input_count(model, entry); ++i) {
    bw_tensor_info info;
    if (bw_status s = bw_model_input(model, entry, i, &info))
      return complain(s);
    NpyArray a;
    for (const DtypeName &d : dtypes)
      if (d.dtype == info.dtype) {
        a.kind = d.kind;
        a.itemSize = d.size;
      }
    for (int32_t d = 0; d < info.rank; ++d) {
      int64_t value = info.dim_lo[d];
      for (const auto &[name, chosen] : dims)
        if (name == info.dims[d])
          value = chosen;
      a.shape.push_back(value);
    }
    const size_t count = size_t(a.elementCount());
    a.data.resize(count * a.itemSize);
    for (size_t k = 0; k < count; ++k) {
      state = state * 1664525u + 1013904223u;
      if (info.dtype == BW_F16) { // sign and a magnitude of 1/16 to 1: zeros would flatter a GPU's clock
        uint16_t v = uint16_t((state >> 16 & 0x8000) | (0x2c00 + (state >> 8) % 0x1000));
        std::memcpy(a.data.data() + 2 * k, &v, 2);
      } else if (info.dtype == BW_S8) {
        a.data[k] = uint8_t(state >> 24);
      } else if (info.dtype == BW_F32) {
        float v = float(int32_t(state) >> 8) / 8388608.0f;
        std::memcpy(a.data.data() + 4 * k, &v, 4);
      } else {
        a.data[k * a.itemSize] = a.kind == 'f' || a.kind == 'V' ? 0 : uint8_t(state >> 31);
      }
    }
    if (int status = addInput(info.name, std::move(a), "made-up input"))
      return status;
  }
  return exitDone;
}

int Runner::prepareOutputs() {
  // Names are set last: the vector of arrays has stopped growing.
  for (size_t i = 0; i < inputs.size(); ++i)
    inputs[i].name = inputArrays[i].name.c_str();
  outputs.resize(bw_model_output_count(model, entry));
  if (bw_status s = bw_output_shapes(session, entry, inputs.data(), inputs.size(), outputs.data(), outputs.size()))
    return complain(s);
  outputArrays.resize(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    bw_tensor_info info;
    if (bw_status s = bw_model_output(model, entry, i, &info))
      return complain(s);
    NamedArray &a = outputArrays[i];
    a.name = info.name;
    for (const DtypeName &d : dtypes)
      if (d.dtype == info.dtype) {
        a.array.kind = d.kind;
        a.array.itemSize = d.size;
      }
    a.array.shape.assign(outputs[i].dims, outputs[i].dims + outputs[i].rank);
    a.array.data.resize(outputs[i].bytes);
    outputs[i].data = a.array.data.data();
  }
  return exitDone;
}

namespace {
/// Median, least and 95th percentile of times.
struct Times {
  explicit Times(std::vector<double> list) : runs(list.size()) {
    std::sort(list.begin(), list.end());
    median = runs % 2 ? list[runs / 2] : (list[runs / 2 - 1] + list[runs / 2]) / 2;
    least = list[0];
    p95 = list[std::min(runs - 1, (runs * 95 + 99) / 100 - 1)];
  }
  size_t runs;
  double median, least, p95;
};
} // namespace

/// Inputs and outputs move to the device, so that a benchmark there measures the model and no copies.
int Runner::moveToDevice() {
  auto move = [&](std::vector<bw_tensor> &tensors, bool withContent) {
    for (bw_tensor &t : tensors) {
      bw_device_memory *memory = nullptr;
      if (bw_status s = bw_device_memory_create(session, t.bytes, &memory))
        return complain(s);
      deviceMemory.push_back(memory);
      if (withContent)
        if (bw_status s = bw_device_memory_write(memory, t.data, t.bytes))
          return complain(s);
      t.data = bw_device_memory_data(memory);
      t.device = BW_DEVICE_CUDA;
      t.device_index = std::atoi(bw_session_device(session) + std::strlen("cuda:"));
    }
    return int(exitDone);
  };
  int status = move(inputs, true);
  return status ? status : move(outputs, false);
}

/// Milliseconds a run when many are enqueued one after the other: the host's part is hidden.
int Runner::timeQueued(double &milliseconds) {
  constexpr int queued = 20, rounds = 9;
  std::vector<double> times;
  for (int r = 0; r < rounds; ++r) {
    const double begin = nowMs();
    for (int i = 0; i < queued; ++i)
      if (bw_status s =
              bw_run_on_stream(session, entry, inputs.data(), inputs.size(), outputs.data(), outputs.size(), nullptr))
        return complain(s);
    if (bw_status s = bw_session_synchronize(session))
      return complain(s);
    times.push_back((nowMs() - begin) / queued);
  }
  milliseconds = Times(times).median;
  return exitDone;
}

int Runner::benchmark(double firstMs) {
  std::vector<double> wall, device;
  double total = 0, queuedMs = 0;
  if (options.onGpu())
    if (int status = moveToDevice())
      return status;
  while (options.runs ? wall.size() < options.runs : wall.size() < 10 || (total < 1000 && wall.size() < 100000)) {
    double begin = nowMs();
    if (bw_status s = bw_run(session, entry, inputs.data(), inputs.size(), outputs.data(), outputs.size()))
      return complain(s);
    wall.push_back(nowMs() - begin);
    device.push_back(bw_session_device_ms(session));
    total += wall.back();
  }
  const Times t(wall), d(device);
  if (options.onGpu()) {
    if (int status = options.profile ? int(exitDone) : timeQueued(queuedMs))
      return status;
    std::printf("median %.4f ms, min %.4f ms, p95 %.4f ms (%zu runs, %s, %s; inputs and outputs on the device)\n"
                "device time: median %.4f ms, min %.4f ms; queued: %.4f ms a run; load %.3f ms, first run %.3f ms\n",
                t.median, t.least, t.p95, t.runs, bw_session_device(session), bw_session_device_name(session), d.median,
                d.least, queuedMs, loadMs, firstMs);
  } else {
    std::printf(
        "median %.4f ms, min %.4f ms, p95 %.4f ms (%zu runs, %u threads, %s); load %.3f ms, first run %.3f ms\n",
        t.median, t.least, t.p95, t.runs, bw_session_threads(session), bw_session_isa(session), loadMs, firstMs);
  }
  if (options.json.empty())
    return exitDone;
  char extra[512];
  if (options.onGpu())
    std::snprintf(extra, sizeof(extra),
                  "\"device_name\": \"%s\", \"device_median_ms\": %.6f, \"device_min_ms\": %.6f, \"queued_ms\": %.6f",
                  bw_session_device_name(session), d.median, d.least, queuedMs);
  else
    std::snprintf(extra, sizeof(extra), "\"isa\": \"%s\"", bw_session_isa(session));
  const std::string temporary = options.json + ".tmp" + std::to_string(getpid());
  std::FILE *f = std::fopen(temporary.c_str(), "w");
  bool ok =
      f && std::fprintf(f,
                        "{\"median_ms\": %.6f, \"min_ms\": %.6f, \"p95_ms\": %.6f, \"runs\": %zu, \"threads\": %u, "
                        "\"device\": \"%s\", \"load_ms\": %.6f, \"first_ms\": %.6f, %s}\n",
                        t.median, t.least, t.p95, t.runs, bw_session_threads(session), bw_session_device(session),
                        loadMs, firstMs, extra) > 0;
  ok = f && std::fclose(f) == 0 && ok && std::rename(temporary.c_str(), options.json.c_str()) == 0;
  if (ok)
    return exitDone;
  if (f)
    unlink(temporary.c_str());
  return complain("cannot write '" + options.json + "'");
}

/// One element as a double; 64-bit integers are compared by their bytes.
static double elementOf(const NpyArray &a, size_t i) {
  const uint8_t *p = a.data.data() + i * a.itemSize;
  if (a.kind == 'f' && a.itemSize == 4) {
    float v;
    std::memcpy(&v, p, 4);
    return double(v);
  }
  if (a.kind == 'f' && a.itemSize == 8) {
    double v;
    std::memcpy(&v, p, 8);
    return v;
  }
  if (a.kind == 'f') { // f16
    uint16_t h;
    std::memcpy(&h, p, 2);
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent == 31  ? (mantissa ? NAN : INFINITY)
               : exponent == 0 ? std::ldexp(double(mantissa), -24)
                               : std::ldexp(double(mantissa + 1024), exponent - 25);
    return h & 0x8000 ? -v : v;
  }
  int64_t v = 0;
  std::memcpy(&v, p, a.itemSize);
  if (a.kind == 'i' && a.itemSize < 8) {
    unsigned shift = 64 - 8 * a.itemSize;
    v = int64_t(uint64_t(v) << shift) >> shift;
  }
  return double(v);
}

static std::string shapeText(const NpyArray &a) {
  std::string s = a.typeText() + " [";
  for (size_t i = 0; i < a.shape.size(); ++i)
    s += (i ? ", " : "") + std::to_string(a.shape[i]);
  return s + "]";
}

int Runner::compare() {
  std::vector<NamedArray> expected;
  std::string error;
  if (!readNpz(options.expected, expected, error))
    return complain(error);
  bool equal = true;
  for (const NamedArray &want : expected) {
    const NamedArray *have = nullptr;
    for (const NamedArray &a : outputArrays)
      if (a.name == want.name)
        have = &a;
    if (!have)
      return complain("'" + options.expected + "' has an array '" + want.name + "', but the model has no such output");
    if (have->array.shape != want.array.shape || have->array.typeText() != want.array.typeText())
      return complain("output '" + want.name + "' is " + shapeText(have->array) + ", expected " +
                      shapeText(want.array));
    const bool isFloat = want.array.kind == 'f';
    size_t different = 0, worstAt = 0;
    double worst = 0;
    const size_t count = size_t(want.array.elementCount());
    for (size_t i = 0; i < count; ++i) {
      const unsigned size = want.array.itemSize;
      if (std::memcmp(have->array.data.data() + i * size, want.array.data.data() + i * size, size) == 0)
        continue;
      double a = elementOf(have->array, i), b = elementOf(want.array, i), distance = std::fabs(a - b);
      if (isFloat &&
          (a == b || distance <= options.atol + options.rtol * std::fabs(b) || (std::isnan(a) && std::isnan(b))))
        continue;
      ++different;
      if (different == 1 || !(distance <= worst)) {
        worst = distance;
        worstAt = i;
      }
    }
    if (!different)
      continue;
    equal = false;
    char text[160];
    std::snprintf(text, sizeof(text), "%zu of %zu elements differ, most at %zu: %.9g found, %.9g expected", different,
                  count, worstAt, elementOf(have->array, worstAt), elementOf(want.array, worstAt));
    complain("output '" + want.name + "': " + text);
  }
  if (!equal)
    return exitWrongInput;
  std::printf("%zu outputs as expected\n", expected.size());
  return exitDone;
}

int Runner::printProfile() {
  std::vector<bw_profile_entry> list(bw_session_profile_count(session, entry));
  uint64_t total = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    if (bw_status s = bw_session_profile(session, entry, i, &list[i]))
      return complain(s);
    total += list[i].nanoseconds;
  }
  std::sort(list.begin(), list.end(),
            [](const bw_profile_entry &a, const bw_profile_entry &b) { return a.nanoseconds > b.nanoseconds; });
  std::printf("%10s %6s  %-40s %s\n", "us", "share", "launch", "kernel");
  for (const bw_profile_entry &p : list)
    std::printf("%10.2f %5.1f%%  %-40s %s%s%s\n", double(p.nanoseconds) / 1e3 / double(std::max<uint64_t>(p.calls, 1)),
                total ? 100.0 * double(p.nanoseconds) / double(total) : 0.0, p.launch, p.kernel, *p.note ? "  " : "",
                p.note);
  return exitDone;
}

int Runner::run() {
  const double begin = nowMs();
  if (int status = load())
    return status;
  const bool withInputs = !options.inputs.empty() || !options.inputFiles.empty();
  const bool noInputsNeeded = bw_model_input_count(model, entry) == 0;
  const bool execute = withInputs || options.benchmark || options.profile || noInputsNeeded;
  if (options.info)
    if (int status = printInfo())
      return status;
  if (options.selfCheck)
    if (int status = selfCheck())
      return status;
  if (!execute) {
    if (options.info || options.selfCheck || options.verify)
      return exitDone;
    return complain("nothing to do: give --inputs or --input, --benchmark, --profile, --self-check or --info",
                    exitWrongUsage);
  }
  bw_session_options o = {};
  o.threads = options.threads;
  o.isa = options.isa.empty() ? nullptr : options.isa.c_str();
  o.profile = options.profile;
  o.device = options.device.c_str();
  o.device_timing = options.benchmark;
  if (bw_status s = bw_session_create(model, &o, &session))
    return complain(s);
  loadMs = nowMs() - begin;
  if (int status = withInputs ? readInputs() : makeInputs())
    return status;
  if (int status = prepareOutputs())
    return status;
  const double first = nowMs();
  if (bw_status s = bw_run(session, entry, inputs.data(), inputs.size(), outputs.data(), outputs.size()))
    return complain(s);
  const double firstMs = nowMs() - first;
  std::string error;
  if (!options.outputs.empty() && !writeNpz(options.outputs, outputArrays, error))
    return complain(error);
  if (!options.expected.empty())
    if (int status = compare())
      return status;
  if (options.profile && !options.benchmark && !options.runs) {
    // The first run pays for page faults; a profile of it would mislead.
    bw_session_profile_reset(session);
    for (int i = 0; i < 10; ++i)
      if (bw_status s = bw_run(session, entry, inputs.data(), inputs.size(), outputs.data(), outputs.size()))
        return complain(s);
  } else if (options.profile) {
    bw_session_profile_reset(session);
  }
  if (options.benchmark)
    if (int status = benchmark(firstMs))
      return status;
  return options.profile ? printProfile() : int(exitDone);
}

int main(int argc, char **argv) {
  Options options;
  if (int status = parseOptions(argc, argv, options); status >= 0)
    return status;
  try {
    int status = Runner(options).run();
    if (std::fflush(stdout) != 0)
      return complain("cannot write to the standard output");
    return status;
  } catch (const std::bad_alloc &) {
    return complain("out of memory");
  } catch (const std::exception &e) {
    return complain(std::string("internal error: ") + e.what() +
                        "; please report it with the file and the command line",
                    exitInternal);
  }
}
