//===- SelfCheck.cpp - the probe run of a file -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Runtime/SelfCheck.h"

#include <cstdio>

using namespace bitwright;
using namespace bitwright::artifact;
using namespace bitwright::runtime;

namespace {
struct Collector {
  std::vector<Checksum> *result;
  uint32_t entry;
};
} // namespace

static int collect(const bw_captured *value, void *user) {
  Collector &c = *static_cast<Collector *>(user);
  if (isInteger(ElementType(value->dtype)))
    c.result->push_back({c.entry, uint32_t(value->launch_index), uint32_t(value->buffer_index),
                         checksumBytes(value->data, value->bytes)});
  return 0;
}

Status bitwright::runtime::makeProbe(Session &session, const SelfCheck &check, size_t number, ProbeTensors &result) {
  const Model &m = session.model();
  const EntryPoint &e = m.entries[number];
  std::vector<uint64_t> inputBytes, outputBytes;
  Status s = session.sizesFor(number, check.symbolValues.data(), inputBytes, outputBytes);
  if (!s.ok())
    return s;
  auto describe = [&](const Tensor &t, uint64_t bytes) {
    result.memory.emplace_back(size_t(bytes));
    bw_tensor r = {};
    r.dtype = bw_dtype(t.type);
    r.rank = int32_t(t.dims.size());
    for (size_t d = 0; d < t.dims.size(); ++d)
      t.dims[d].evaluate(check.symbolValues.data(), check.symbolValues.size(), r.dims[d]);
    r.data = result.memory.back().data();
    r.bytes = size_t(bytes);
    return r;
  };
  for (size_t i = 0; i < e.inputs.size(); ++i) {
    const Tensor &t = m.tensors[e.inputs[i]];
    result.inputs.push_back(describe(t, inputBytes[i]));
    fillProbe(t, check.seed, unsigned(i), size_t(inputBytes[i]) * 8 / bitWidth(t.type), result.inputs.back().data);
  }
  for (size_t i = 0; i < e.outputs.size(); ++i)
    result.outputs.push_back(describe(m.tensors[e.outputs[i]], outputBytes[i]));
  return {};
}

static Status probeEntry(Session &session, const SelfCheck &check, uint32_t number, std::vector<Checksum> &result) {
  ProbeTensors probe;
  Status s = makeProbe(session, check, number, probe);
  if (!s.ok())
    return s;
  Collector collector = {&result, number};
  return session.run(number, probe.inputs.data(), probe.inputs.size(), probe.outputs.data(), probe.outputs.size(),
                     collect, &collector);
}

Status bitwright::runtime::probeChecksums(Session &session, const SelfCheck &check, std::vector<Checksum> &result) {
  for (size_t i = 0; i < session.model().entries.size(); ++i) {
    Status s = probeEntry(session, check, uint32_t(i), result);
    if (!s.ok())
      return s;
  }
  return {};
}

Status bitwright::runtime::runSelfCheck(Session &session, size_t &compared) {
  const Model &m = session.model();
  if (!m.selfCheck.present)
    return failure(BW_INVALID_ARGUMENT, "the file has no self-check");
  if (session.cuda())
    return runCudaSelfCheck(session, compared);
  std::vector<Checksum> found;
  Status s = probeChecksums(session, m.selfCheck, found);
  if (!s.ok())
    return s;
  compared = 0;
  for (const Checksum &c : m.selfCheck.checksums) {
    const Launch &l = m.entries[c.entry].launches[c.launch];
    const Tensor &t = m.tensors[size_t(l.buffers[c.buffer].tensor)];
    const Checksum *match = nullptr;
    for (const Checksum &f : found)
      if (f.entry == c.entry && f.launch == c.launch && f.buffer == c.buffer)
        match = &f;
    if (!match)
      return failure(BW_INVALID_FILE, "self-check: launch " + std::to_string(c.launch) + " '" + l.name +
                                          "' stores no integer tensor '" + t.name + "'");
    if (match->value != c.value) {
      char text[64];
      std::snprintf(text, sizeof(text), "%016llx found, %016llx expected", (unsigned long long)match->value,
                    (unsigned long long)c.value);
      return failure(BW_CHECK_FAILED, "self-check: tensor '" + t.name + "' of launch " + std::to_string(c.launch) +
                                          " '" + l.name + "' (" + isaName(session.isa()) + "): checksum " + text +
                                          "; it is the first that differs");
    }
    ++compared;
  }
  return {};
}
