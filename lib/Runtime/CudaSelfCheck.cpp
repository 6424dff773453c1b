//===- CudaSelfCheck.cpp - the probe run on a GPU -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/SelfCheck.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

double bitwright::runtime::floatBound(ElementType type, bool half, bool brain, int64_t k, double rms, double y) {
  // Both sides round their result once: to neighbours, in the worst case.
  const double spacing = type == ElementType::F16 ? 0x1p-10 : type == ElementType::BF16 ? 0x1p-7 : 0x1p-22;
  // The same products in another order: K roundings to 24 bits of partial sums of up to four times the rms.
  const double order = 4 * double(k) * 0x1p-24;
  // A scaled weight or an intermediate value may be rounded to 16 bits on one side only.
  const double storage = brain ? 4 * 0x1p-8 : half ? 4 * 0x1p-11 : 0;
  return 2 * (spacing * std::fabs(y) + (order + storage) * rms);
}

static double valueOf(ElementType type, const uint8_t *p) {
  switch (type) {
  case ElementType::F32: {
    float v;
    std::memcpy(&v, p, 4);
    return double(v);
  }
  case ElementType::F64: {
    double v;
    std::memcpy(&v, p, 8);
    return v;
  }
  case ElementType::BF16: {
    const uint32_t bits = uint32_t(p[0]) << 16 | uint32_t(p[1]) << 24;
    float v;
    std::memcpy(&v, &bits, 4);
    return double(v);
  }
  default: { // f16
    const unsigned h = unsigned(p[0] | p[1] << 8), exponent = h >> 10 & 31, mantissa = h & 1023;
    const double v = exponent == 31  ? (mantissa ? NAN : INFINITY)
                     : exponent == 0 ? std::ldexp(double(mantissa), -24)
                                     : std::ldexp(double(mantissa + 1024), int(exponent) - 25);
    return h & 0x8000 ? -v : v;
  }
  }
}

namespace {
/// What one launch read and stored on the CPU: bytes by number of the buffer, as they lie in memory.
struct Record {
  std::vector<std::vector<uint8_t>> before, after;
};

/// Bytes of a buffer for the symbols of a plan.
uint64_t bufferBytes(const Model &m, const BufferRef &b, const ShapePlan &plan) {
  uint64_t bytes = b.bytes;
  if (b.tensor >= 0)
    tensorBytes(m.tensors[size_t(b.tensor)], plan.symbols.data(), plan.symbols.size(), bytes);
  return bytes;
}

/// Keeps what the launches of a run on the CPU see.
class Recorder : public LaunchObserver {
public:
  explicit Recorder(const Model &m) : m(m) {}
  Status before(const ShapePlan &plan, size_t launch, void *const *buffers) override {
    const Launch &l = m.entries[plan.entry].launches[launch];
    records.emplace_back();
    records.back().after.resize(l.buffers.size());
    for (size_t b = 0; b < l.buffers.size(); ++b)
      records.back().before.push_back(copy(plan, l.buffers[b], buffers[b]));
    return {};
  }
  Status after(const ShapePlan &plan, size_t launch, void *const *buffers) override {
    const Launch &l = m.entries[plan.entry].launches[launch];
    for (uint32_t b : l.stores)
      records.back().after[b] = copy(plan, l.buffers[b], buffers[b]);
    return {};
  }
  std::vector<Record> records;

private:
  std::vector<uint8_t> copy(const ShapePlan &plan, const BufferRef &b, const void *from) const {
    if (b.kind == BufferKind::Weight)
      return {};
    const uint8_t *bytes = static_cast<const uint8_t *>(from);
    return std::vector<uint8_t>(bytes, bytes + bufferBytes(m, b, plan));
  }
  const Model &m;
};

/// Gives every launch on the GPU the CPU's inputs and compares what it stores.
class Comparer : public LaunchObserver {
public:
  Comparer(Session &session, const std::vector<Record> &records, size_t &compared)
      : m(session.model()), session(session), gpu(*session.cuda()), records(records), compared(compared) {}

  Status before(const ShapePlan &plan, size_t launch, void *const *) override {
    const Launch &l = m.entries[plan.entry].launches[launch];
    Status s;
    for (size_t b = 0; b < l.buffers.size() && s.ok(); ++b)
      if (const std::vector<uint8_t> &bytes = records[launch].before[b]; !bytes.empty())
        s = gpu.writeBuffer(*plan.gpu, launch, b, bytes.data(), bytes.size());
    return s;
  }

  Status after(const ShapePlan &plan, size_t launch, void *const *) override {
    const Launch &l = m.entries[plan.entry].launches[launch];
    for (uint32_t b : l.stores) {
      if (l.buffers[b].tensor < 0)
        continue;
      std::vector<uint8_t> found(records[launch].after[b].size());
      Status s = gpu.readBuffer(*plan.gpu, launch, b, found.data(), found.size());
      if (s.ok())
        s = compare(plan, launch, b, found);
      if (!s.ok())
        return s;
      ++compared;
    }
    return {};
  }

private:
  Status compare(const ShapePlan &plan, size_t launch, uint32_t buffer, const std::vector<uint8_t> &foundRaw) {
    const Launch &l = m.entries[plan.entry].launches[launch];
    const Tensor &t = m.tensors[size_t(l.buffers[buffer].tensor)];
    std::vector<int64_t> dims(t.dims.size());
    size_t count = 1;
    for (size_t d = 0; d < dims.size(); ++d) {
      t.dims[d].evaluate(plan.symbols.data(), plan.symbols.size(), dims[d]); // holds: the loader has bounded it
      count *= size_t(dims[d]);
    }
    std::vector<uint8_t> wanted((count * bitWidth(t.type) + 7) / 8), found(wanted.size());
    toLogicalOrder(t, dims.data(), records[launch].after[buffer].data(), wanted.data());
    toLogicalOrder(t, dims.data(), foundRaw.data(), found.data());
    const std::string where = "self-check on " + std::string(session.deviceText()) + " (" + gpu.device().name +
                              "): tensor '" + t.name + "' of launch " + std::to_string(launch) + " '" + l.name + "'";
    return isInteger(t.type) ? compareIntegers(t, where, wanted, found)
                             : compareFloats(plan, l, t, where, count, wanted, found);
  }

  static Status compareIntegers(const Tensor &t, const std::string &where, const std::vector<uint8_t> &wanted,
                                const std::vector<uint8_t> &found) {
    if (wanted == found)
      return {};
    const size_t at = size_t(std::mismatch(wanted.begin(), wanted.end(), found.begin()).first - wanted.begin()) * 8 /
                      bitWidth(t.type);
    char text[96];
    std::snprintf(text, sizeof(text), "checksum %016llx found, %016llx expected",
                  (unsigned long long)checksumBytes(found.data(), found.size()),
                  (unsigned long long)checksumBytes(wanted.data(), wanted.size()));
    return failure(BW_CHECK_FAILED, where + " on the CPU's inputs: " + text + "; the first element that differs is " +
                                        std::to_string(at));
  }

  Status compareFloats(const ShapePlan &plan, const Launch &l, const Tensor &t, const std::string &where, size_t count,
                       const std::vector<uint8_t> &wanted, const std::vector<uint8_t> &found) const {
    const size_t size = bitWidth(t.type) / 8;
    bool half = false, brain = false;
    int64_t k = 1;
    for (const BufferRef &b : l.buffers) {
      if (b.tensor < 0)
        continue;
      const Tensor &other = m.tensors[size_t(b.tensor)];
      half |= other.type == ElementType::F16;
      brain |= other.type == ElementType::BF16;
      int64_t last;
      if (!other.dims.empty() && other.dims.back().evaluate(plan.symbols.data(), plan.symbols.size(), last))
        k = std::max(k, last);
    }
    double squares = 0;
    for (size_t i = 0; i < count; ++i)
      if (const double v = valueOf(t.type, wanted.data() + i * size); std::isfinite(v))
        squares += v * v;
    const double rms = std::sqrt(squares / double(std::max<size_t>(count, 1)));
    for (size_t i = 0; i < count; ++i) {
      const double y = valueOf(t.type, wanted.data() + i * size), x = valueOf(t.type, found.data() + i * size);
      if (x == y || (std::isnan(x) && std::isnan(y)))
        continue;
      const double bound = floatBound(t.type, half, brain, k, rms, y);
      if (std::fabs(x - y) <= bound)
        continue;
      char text[160];
      std::snprintf(text, sizeof(text),
                    "element %zu is %.9g, the CPU has %.9g; at most %.3g apart is allowed (K = %lld)", i, x, y, bound,
                    (long long)k);
      return failure(BW_CHECK_FAILED, where + " on the CPU's inputs: " + text);
    }
    return {};
  }

  const Model &m;
  Session &session;
  CudaSession &gpu;
  const std::vector<Record> &records;
  size_t &compared;
};
} // namespace

/// Most rows of a shape that is checked beside the file's own: the CPU has to compute it too.
static constexpr int64_t maxCheckedRows = 1024;
static constexpr size_t maxCheckedShapes = 16;

/// The file's dimensions first, then for every row of a launch's table the smallest ones that reach it: each kernel
/// that can run on this device is run once.
static std::vector<std::vector<int64_t>> shapesToCheck(const Model &m) {
  std::vector<std::vector<int64_t>> shapes = {m.selfCheck.symbolValues};
  for (const EntryPoint &e : m.entries)
    for (const Launch &l : e.launches)
      for (const GpuVariant &v : l.gpu.variants) {
        unsigned symbol;
        int64_t scale, offset;
        if (shapes.size() == maxCheckedShapes || v.mLo > maxCheckedRows || !matchAffine(l.gpu.m, symbol, scale, offset))
          continue;
        const Symbol &s = m.symbols[symbol];
        const int64_t wanted = v.mLo <= offset ? 1 : (v.mLo - offset + scale - 1) / scale;
        const int64_t least = std::max(wanted, s.lo);
        const int64_t value = (least + s.divisor - 1) / s.divisor * s.divisor;
        std::vector<int64_t> shape = m.selfCheck.symbolValues;
        shape[symbol] = value;
        if (value <= s.hi && std::find(shapes.begin(), shapes.end(), shape) == shapes.end())
          shapes.push_back(std::move(shape));
      }
  return shapes;
}

static Status checkShape(Session &cpu, Session &gpu, const std::vector<int64_t> &shape, size_t &compared) {
  const Model &m = cpu.model();
  SelfCheck check;
  check.seed = m.selfCheck.seed;
  check.symbolValues = shape;
  Status s;
  for (size_t e = 0; e < m.entries.size() && s.ok(); ++e) {
    ProbeTensors probe;
    s = makeProbe(cpu, check, e, probe);
    Recorder recorder(m);
    if (s.ok())
      s = cpu.observe(e, probe.inputs.data(), probe.inputs.size(), probe.outputs.data(), probe.outputs.size(),
                      recorder);
    Comparer comparer(gpu, recorder.records, compared);
    if (s.ok())
      s = gpu.observe(e, probe.inputs.data(), probe.inputs.size(), probe.outputs.data(), probe.outputs.size(),
                      comparer);
  }
  if (s.code == BW_CHECK_FAILED && !m.symbols.empty()) {
    s.text += " (";
    for (size_t i = 0; i < shape.size(); ++i)
      s.text += (i ? ", " : "") + m.symbols[i].name + " = " + std::to_string(shape[i]);
    s.text += ")";
  }
  return s;
}

Status bitwright::runtime::runCudaSelfCheck(Session &session, size_t &compared) {
  std::unique_ptr<Session> cpu;
  Status s = Session::create(session.loadedModel(), {}, cpu);
  if (!s.ok())
    return failure(s.code, "the self-check of a GPU compares with the CPU: " + s.text);
  size_t onCpu = 0;
  s = runSelfCheck(*cpu, onCpu); // the CPU's integers are the file's
  compared = 0;
  for (const std::vector<int64_t> &shape : shapesToCheck(session.model()))
    if (s.ok())
      s = checkShape(*cpu, session, shape, compared);
  return s;
}
