//===- Writer.cpp - model to .bwm -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "bitwright/Schema/bwm_generated.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Preamble.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <unistd.h>

using namespace bitwright;
using namespace bitwright::artifact;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

namespace {
/// A section before its place in the file is known.
struct PendingSection {
  uint8_t kind;
  uint64_t alignment;
  std::vector<std::pair<uint64_t, Blob>> parts; ///< offset within the section
  uint64_t size = 0;
  uint64_t offset = 0;
  Digest digest;
};

/// Collects equal expressions into one table entry.
class Expressions {
public:
  uint32_t add(const DimExpr &e) {
    std::string key;
    for (const DimExpr::Step &s : e.getSteps()) {
      key.push_back(char(s.op));
      key.append(reinterpret_cast<const char *>(&s.operand), sizeof(s.operand));
    }
    auto [it, isNew] = numbers.emplace(std::move(key), uint32_t(list.size()));
    if (isNew)
      list.push_back(&e);
    return it->second;
  }
  std::vector<uint32_t> add(const std::vector<DimExpr> &es) {
    std::vector<uint32_t> r;
    for (const DimExpr &e : es)
      r.push_back(add(e));
    return r;
  }
  std::vector<const DimExpr *> list;

private:
  std::map<std::string, uint32_t> numbers;
};
} // namespace

static uint64_t alignUp(uint64_t v, uint64_t a) { return (v + a - 1) / a * a; }

static void hashSection(PendingSection &s) {
  static const uint8_t zeros[weightAlignment] = {};
  Sha256 h;
  uint64_t at = 0;
  for (auto &[offset, blob] : s.parts) {
    for (; at < offset; at += std::min<uint64_t>(offset - at, sizeof(zeros)))
      h.update(zeros, std::min<uint64_t>(offset - at, sizeof(zeros)));
    h.update(blob.data(), blob.size());
    at = offset + blob.size();
  }
  s.digest = h.finish();
}

/// What the file holds of a weight.
static bool pack(const Weight &w, Blob &blob, std::string &error) {
  if (!w.packed.isPacked()) {
    blob = w.bytes;
    return true;
  }
  std::vector<uint8_t> packed(storedBytes(w));
  std::string text;
  if (!packCodes(w.packed, w.bytes.data(), packed.data(), text)) {
    error = "invalid model: weight '" + w.name + "' does not fit its packing: " + text;
    return false;
  }
  blob = Blob::own(std::move(packed));
  return true;
}

static bool layOut(const Model &m, std::vector<PendingSection> &sections, std::vector<uint64_t> &weightOffsets,
                   std::vector<uint64_t> &textOffsets, std::string &error) {
  for (const CodeSegment &c : m.code)
    sections.push_back({uint8_t(sectionCode + uint8_t(c.isa)), codeAlignment, {{0, c.bytes}}, c.bytes.size(), 0, {}});
  for (const GpuCode &c : m.gpuCode)
    sections.push_back({uint8_t(sectionGpuCode + 2 * uint8_t(c.arch) + uint8_t(c.kind)),
                        weightAlignment,
                        {{0, c.bytes}},
                        c.bytes.size(),
                        0,
                        {}});
  PendingSection weights{sectionWeights, weightAlignment, {}, 0, 0, {}};
  for (const Weight &w : m.weights) {
    weights.size = alignUp(weights.size, weightAlignment);
    weightOffsets.push_back(weights.size);
    Blob blob;
    if (!pack(w, blob, error))
      return false;
    weights.parts.push_back({weights.size, blob});
    weights.size += blob.size();
  }
  sections.push_back(std::move(weights));
  PendingSection text{sectionText, 1, {}, 0, 0, {}};
  for (const std::string *s : {&m.plan, &m.listing}) {
    textOffsets.push_back(text.size);
    text.parts.push_back({text.size, Blob::view(s->data(), s->size())});
    text.size += s->size();
  }
  sections.push_back(std::move(text));
  for (PendingSection &s : sections)
    hashSection(s);
  return true;
}

static Offset<schema::GpuLaunch> buildGpuLaunch(FlatBufferBuilder &b, const GpuLaunch &l, Expressions &expressions) {
  if (l.variants.empty() && l.reason.empty())
    return {};
  std::vector<Offset<schema::GpuVariant>> variants;
  for (const GpuVariant &v : l.variants) {
    std::vector<Offset<schema::GpuArgument>> arguments;
    for (const GpuArgument &a : v.arguments) {
      Offset<schema::GpuTensorMap> map;
      if (a.kind == GpuArgumentKind::BufferMap || a.kind == GpuArgumentKind::WeightMap) {
        auto dims = b.CreateVector(expressions.add(a.map.dims));
        auto strides = b.CreateVector(expressions.add(a.map.strideBytes));
        auto box = b.CreateVector(expressions.add(a.map.box));
        map = schema::CreateGpuTensorMap(b, a.map.elementBits, a.map.swizzle128, dims, strides, box);
      }
      arguments.push_back(schema::CreateGpuArgument(b, uint8_t(a.kind), a.index, a.packing, uint8_t(a.order),
                                                    a.signExtend, map, expressions.add(a.value)));
    }
    variants.push_back(schema::CreateGpuVariant(b, v.kernel, v.mLo, v.mHi, expressions.add(v.gridX),
                                                expressions.add(v.gridY), v.persistent, b.CreateVector(arguments)));
  }
  return schema::CreateGpuLaunch(b, expressions.add(l.m), b.CreateVector(variants), b.CreateSharedString(l.reason));
}

/// The header with the sections' present offsets. All integers that depend on the header's length have a fixed width
/// and no default, so that a second build has the same length.
static void buildHeader(FlatBufferBuilder &b, const Model &m, const std::vector<PendingSection> &sections,
                        const std::vector<uint64_t> &weightOffsets, const std::vector<uint64_t> &textOffsets) {
  b.ForceDefaults(true);
  auto text = [&](const std::string &s) { return b.CreateSharedString(s); };
  Expressions expressions;

  std::vector<Offset<schema::Symbol>> symbols;
  for (const Symbol &s : m.symbols)
    symbols.push_back(schema::CreateSymbol(b, text(s.name), s.lo, s.hi, s.divisor));

  std::vector<Offset<schema::Tensor>> tensors;
  for (const Tensor &t : m.tensors) {
    auto dims = b.CreateVector(expressions.add(t.dims));
    Offset<flatbuffers::Vector<uint32_t>> order;
    Offset<flatbuffers::Vector<int64_t>> multiples;
    Offset<schema::Scheme> scheme;
    if (!t.order.empty())
      order = b.CreateVector(t.order);
    if (!t.multiples.empty())
      multiples = b.CreateVector(t.multiples);
    const Scheme &s = t.scheme;
    if (s.quantized || s.rangeLo <= s.rangeHi)
      scheme = schema::CreateScheme(b, text(s.text), s.axis, b.CreateVector(s.scales), b.CreateVector(s.zeroPoints),
                                    s.rangeLo, s.rangeHi, s.quantized);
    tensors.push_back(schema::CreateTensor(b, text(t.name), uint8_t(t.type), dims, order, multiples, scheme));
  }

  std::vector<Offset<schema::EntryPoint>> entries;
  for (const EntryPoint &e : m.entries) {
    std::vector<Offset<schema::Launch>> launches;
    for (const Launch &l : e.launches) {
      std::vector<Offset<schema::Buffer>> buffers;
      for (const BufferRef &r : l.buffers)
        buffers.push_back(schema::CreateBuffer(b, uint8_t(r.kind), r.place, r.tensor, r.bytes));
      auto name = text(l.name), note = text(l.note);
      auto bufferVector = b.CreateVector(buffers);
      auto stores = b.CreateVector(l.stores);
      auto dims = b.CreateVector(expressions.add(l.dims));
      auto gpu = buildGpuLaunch(b, l.gpu, expressions);
      launches.push_back(schema::CreateLaunch(b, name, l.kernel, bufferVector, stores, dims, expressions.add(l.tiles),
                                              expressions.add(l.scratchBytes), note, gpu));
    }
    entries.push_back(schema::CreateEntryPoint(b, text(e.name), b.CreateVector(e.inputs), b.CreateVector(e.outputs),
                                               b.CreateVector(launches)));
  }

  std::vector<Offset<schema::Kernel>> kernels;
  for (const Kernel &k : m.kernels) {
    std::vector<Offset<schema::Variant>> variants;
    for (const KernelVariant &v : k.variants)
      variants.push_back(schema::CreateVariant(b, uint8_t(v.isa), v.offset, v.flags));
    kernels.push_back(schema::CreateKernel(b, text(k.name), b.CreateVector(variants)));
  }

  std::vector<Offset<schema::Section>> sectionTable;
  for (const PendingSection &s : sections)
    sectionTable.push_back(
        schema::CreateSection(b, s.kind, s.offset, s.size, b.CreateVector(s.digest.data(), s.digest.size())));

  std::vector<Offset<schema::Weight>> weights;
  for (size_t i = 0; i < m.weights.size(); ++i) {
    const Weight &w = m.weights[i];
    Offset<schema::PackedCodes> packed;
    if (w.packed.isPacked())
      packed = schema::CreatePackedCodes(b, uint8_t(w.packed.bits), uint8_t(w.packed.base), w.packed.groups,
                                         w.packed.rows, w.packed.columns);
    weights.push_back(
        schema::CreateWeight(b, text(w.name), text(w.layout), weightOffsets[i], storedBytes(w), packed));
  }

  std::vector<Offset<schema::Property>> provenance;
  for (const Property &p : m.provenance)
    provenance.push_back(schema::CreateProperty(b, text(p.key), text(p.value)));

  std::vector<Offset<schema::Text>> texts;
  texts.push_back(schema::CreateText(b, text("plan"), textOffsets[0], m.plan.size()));
  texts.push_back(schema::CreateText(b, text("listing"), textOffsets[1], m.listing.size()));

  Offset<schema::SelfCheck> selfCheck;
  if (m.selfCheck.present) {
    std::vector<Offset<schema::Checksum>> sums;
    for (const Checksum &c : m.selfCheck.checksums)
      sums.push_back(schema::CreateChecksum(b, c.entry, c.launch, c.buffer, c.value));
    selfCheck =
        schema::CreateSelfCheck(b, m.selfCheck.seed, b.CreateVector(m.selfCheck.symbolValues), b.CreateVector(sums));
  }

  std::vector<Offset<schema::Packing>> packings;
  for (const layout::Packing &p : m.packings)
    packings.push_back(schema::CreatePacking(b, p.rows, p.columns, p.bits, p.bias, p.fill, uint8_t(p.order), p.pitch,
                                             b.CreateVector(p.tile.rowBasis), b.CreateVector(p.tile.columnBasis)));
  std::vector<Offset<schema::GpuKernel>> gpuKernels;
  for (const GpuKernel &k : m.gpuKernels)
    gpuKernels.push_back(
        schema::CreateGpuKernel(b, text(k.symbol), uint8_t(k.arch), k.threads, k.sharedBytes, k.cluster, k.pdl));

  std::vector<Offset<schema::Expression>> expressionTable;
  for (const DimExpr *e : expressions.list) {
    std::vector<uint8_t> ops;
    std::vector<int64_t> operands;
    for (const DimExpr::Step &s : e->getSteps()) {
      ops.push_back(uint8_t(s.op));
      if (s.op == DimOp::Constant || s.op == DimOp::Symbol)
        operands.push_back(s.operand);
    }
    expressionTable.push_back(schema::CreateExpression(b, b.CreateVector(ops), b.CreateVector(operands)));
  }

  auto header = schema::CreateHeader(b, requiredVersion(m), b.CreateVector(symbols), b.CreateVector(expressionTable),
                                     b.CreateVector(tensors), b.CreateVector(entries), b.CreateVector(kernels),
                                     b.CreateVector(sectionTable), b.CreateVector(weights), m.arenaBytes,
                                     b.CreateVector(provenance), b.CreateVector(texts), selfCheck,
                                     b.CreateVector(packings), b.CreateVector(gpuKernels));
  schema::FinishHeaderBuffer(b, header);
}

/// Gives pieces of the file in order to `put(offset, data, size)`.
template <typename Put> static bool emit(const Model &m, std::string &error, uint64_t &fileSize, Put put) {
  if (!verifyModel(m, error))
    return false;
  std::vector<uint64_t> weightOffsets, textOffsets;
  std::vector<PendingSection> sections;
  if (!layOut(m, sections, weightOffsets, textOffsets, error))
    return false;
  uint64_t headerSize = 0;
  for (int round = 0; round < 2; ++round) {
    FlatBufferBuilder b(64 * 1024);
    buildHeader(b, m, sections, weightOffsets, textOffsets);
    if (round == 0) {
      headerSize = b.GetSize();
      uint64_t at = sizeof(Preamble) + headerSize;
      for (PendingSection &s : sections) {
        s.offset = at = alignUp(at, s.alignment);
        at += s.size;
      }
      // Kernels may read a little past the last weight: the bytes must exist in the mapping.
      fileSize = alignUp(at + readSlack, weightAlignment);
      continue;
    }
    if (b.GetSize() != headerSize) {
      error = "internal error: the header changed its length between two builds";
      return false;
    }
    Preamble p = {};
    std::memcpy(p.magic, preambleMagic, sizeof(p.magic));
    p.version = requiredVersion(m);
    p.headerSize = headerSize;
    p.fileSize = fileSize;
    Digest root = rootDigest(&p, b.GetBufferPointer(), headerSize);
    std::memcpy(p.digest, root.data(), root.size());
    if (!put(uint64_t(0), &p, sizeof(p)) || !put(sizeof(p), b.GetBufferPointer(), headerSize))
      return false;
  }
  for (const PendingSection &s : sections)
    for (const auto &[offset, blob] : s.parts)
      if (!blob.empty() && !put(s.offset + offset, blob.data(), blob.size()))
        return false;
  return true;
}

bool bitwright::artifact::serializeArtifact(const Model &model, std::vector<uint8_t> &bytes, std::string &error) {
  std::vector<uint8_t> result;
  uint64_t fileSize = 0;
  bool ok = emit(model, error, fileSize, [&](uint64_t offset, const void *data, size_t size) {
    if (result.size() < fileSize)
      result.resize(fileSize);
    std::memcpy(result.data() + offset, data, size);
    return true;
  });
  if (ok)
    bytes = std::move(result);
  return ok;
}

bool bitwright::artifact::writeArtifact(const Model &model, const std::string &path, std::string &error) {
  const std::string temporary = path + ".tmp" + std::to_string(getpid());
  int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    error = "cannot create '" + temporary + "': " + std::strerror(errno);
    return false;
  }
  uint64_t fileSize = 0;
  bool ok = emit(model, error, fileSize, [&](uint64_t offset, const void *data, size_t size) {
    const char *p = static_cast<const char *>(data);
    while (size) {
      ssize_t n = pwrite(fd, p, size, off_t(offset));
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0) {
        error = "cannot write '" + temporary + "': " + std::strerror(errno);
        return false;
      }
      p += n;
      offset += uint64_t(n);
      size -= size_t(n);
    }
    return true;
  });
  // Gaps between the pieces and the tail are holes that read as zero.
  if (ok && ftruncate(fd, off_t(fileSize)) != 0) {
    error = "cannot set the size of '" + temporary + "': " + std::strerror(errno);
    ok = false;
  }
  if (close(fd) != 0 && ok) {
    error = "cannot write '" + temporary + "': " + std::strerror(errno);
    ok = false;
  }
  if (ok && std::rename(temporary.c_str(), path.c_str()) != 0) {
    error = "cannot rename '" + temporary + "' to '" + path + "': " + std::strerror(errno);
    ok = false;
  }
  if (!ok)
    unlink(temporary.c_str());
  return ok;
}
