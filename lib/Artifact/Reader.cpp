//===- Reader.cpp - .bwm to model -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "bitwright/Schema/bwm_generated.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/Preamble.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace bitwright;
using namespace bitwright::artifact;

/// A header of this many steps in expanded expressions would be absurd; it keeps a hostile file that refers to one long
/// expression from a million places from filling the memory.
static constexpr uint64_t maxExpandedSteps = 1 << 22;

static std::string number(uint64_t v) { return std::to_string(v); }

template <typename T> static size_t sizeOf(const flatbuffers::Vector<T> *v) { return v ? v->size() : 0; }
static std::string toString(const flatbuffers::String *s) { return s ? s->str() : std::string(); }

/// Checks preamble, digest and FlatBuffers structure.
static const schema::Header *openHeader(const void *bytes, size_t size, std::string &error) {
  const uint8_t *base = static_cast<const uint8_t *>(bytes);
  Preamble p;
  if (size < sizeof(p)) {
    error = "not a .bwm file: expected at least 64 bytes, found " + number(size);
    return nullptr;
  }
  std::memcpy(&p, base, sizeof(p));
  if (std::memcmp(p.magic, preambleMagic, sizeof(p.magic)) != 0) {
    error = "not a .bwm file: the first eight bytes are not its signature";
    return nullptr;
  }
  if (p.version < oldestFormatVersion || p.version > formatVersion) {
    error = "format version " + number(p.version) + " found, this runtime reads versions " +
            number(oldestFormatVersion) + " to " + number(formatVersion) +
            ": compile the model again with the matching release";
    return nullptr;
  }
  if (p.reserved != 0) {
    error = "corrupt preamble: reserved field is " + number(p.reserved) + ", expected 0";
    return nullptr;
  }
  if (p.fileSize != size) {
    error = std::string(size < p.fileSize ? "truncated file" : "file with extra bytes") + ": expected " +
            number(p.fileSize) + " bytes, found " + number(size);
    return nullptr;
  }
  if (p.headerSize > size - sizeof(p) || p.headerSize >= FLATBUFFERS_MAX_BUFFER_SIZE || p.headerSize < 16) {
    error = "corrupt preamble: header of " + number(p.headerSize) + " bytes in a file of " + number(size);
    return nullptr;
  }
  const uint8_t *header = base + sizeof(p);
  Digest root = rootDigest(&p, header, p.headerSize);
  if (std::memcmp(root.data(), p.digest, root.size()) != 0) {
    error = "corrupt header: its SHA-256 is not the one that the file states";
    return nullptr;
  }
  flatbuffers::Verifier verifier(header, p.headerSize, /*max_depth=*/16, /*max_tables=*/4000000);
  if (!schema::VerifyHeaderBuffer(verifier)) {
    error = "malformed header: the FlatBuffers structure does not verify";
    return nullptr;
  }
  const schema::Header *h = schema::GetHeader(header);
  if (h->version() != p.version) {
    error = "malformed header: version " + number(h->version()) + " differs from the preamble's";
    return nullptr;
  }
  return h;
}

/// Sections within the file, in order, without overlap, aligned, each kind once.
static bool checkSections(const schema::Header *h, size_t size, uint64_t headerEnd, std::string &error) {
  uint64_t end = headerEnd;
  uint64_t seen[4] = {};
  for (size_t i = 0; i < sizeOf(h->sections()); ++i) {
    const schema::Section *s = h->sections()->Get(unsigned(i));
    std::string where = "section " + number(i);
    bool isCode = s->kind() >= sectionCode && s->kind() < sectionCode + isaCount;
    bool isGpuCode = s->kind() >= sectionGpuCode && s->kind() < sectionGpuCode + 2 * gpuArchCount;
    if (!isCode && !isGpuCode && s->kind() != sectionWeights && s->kind() != sectionText) {
      error = where + ": unknown kind " + number(s->kind());
      return false;
    }
    if (seen[s->kind() / 64] & (uint64_t(1) << (s->kind() % 64))) {
      error = where + ": second section of kind " + number(s->kind());
      return false;
    }
    seen[s->kind() / 64] |= uint64_t(1) << (s->kind() % 64);
    uint64_t alignment = isCode ? codeAlignment : s->kind() == sectionText ? 1 : weightAlignment;
    if (s->offset() % alignment != 0) {
      error = where + ": offset " + number(s->offset()) + " is not a multiple of " + number(alignment);
      return false;
    }
    if (s->offset() < end || s->offset() > size || s->size() > size - s->offset() ||
        size - s->offset() - s->size() < readSlack) {
      error = where + ": bytes " + number(s->offset()) + " + " + number(s->size()) +
              " overlap what is before or leave the file of " + number(size) + " bytes";
      return false;
    }
    end = s->offset() + s->size();
    if (sizeOf(s->sha256()) != 32) {
      error = where + ": digest of " + number(sizeOf(s->sha256())) + " bytes, expected 32";
      return false;
    }
  }
  return true;
}

static bool checkDigest(const schema::Section *s, const uint8_t *base, const char *what, std::string &error) {
  Digest d = sha256(base + s->offset(), s->size());
  if (std::memcmp(d.data(), s->sha256()->data(), d.size()) == 0)
    return true;
  error = std::string("corrupt ") + what + ": SHA-256 is not the one that the header states";
  return false;
}

static const char *sectionName(uint8_t kind) {
  static const char *const code[isaCount] = {"code section avx2", "code section avx512vnni", "code section amx"};
  static const char *const gpuCode[2 * gpuArchCount] = {"GPU code section sm_80 cubin", "GPU code section sm_80 ptx",
                                                        "GPU code section sm_90a cubin", "GPU code section sm_90a ptx"};
  if (kind >= sectionGpuCode)
    return gpuCode[kind - sectionGpuCode];
  return kind == sectionWeights ? "weight section" : kind == sectionText ? "text section" : code[kind - sectionCode];
}

static const schema::Section *findSection(const schema::Header *h, uint8_t kind) {
  for (size_t i = 0; i < sizeOf(h->sections()); ++i)
    if (h->sections()->Get(unsigned(i))->kind() == kind)
      return h->sections()->Get(unsigned(i));
  return nullptr;
}

bool bitwright::artifact::verifyGpuCode(const GpuCode &code, const void *copy, std::string &error) {
  if (sha256(copy, code.bytes.size()) == code.digest)
    return true;
  error = std::string("corrupt ") +
          sectionName(uint8_t(sectionGpuCode + 2 * unsigned(code.arch) + unsigned(code.kind))) +
          ": SHA-256 is not the one that the header states";
  return false;
}

bool bitwright::artifact::verifyCode(const CodeSegment &segment, const void *copy, std::string &error) {
  if (sha256(copy, segment.bytes.size()) == segment.digest)
    return true;
  error = std::string("corrupt ") + sectionName(uint8_t(sectionCode + unsigned(segment.isa))) +
          ": SHA-256 is not the one that the header states";
  return false;
}

/// Memory for an expanded weight. What is walked again and again wants few TLB entries, as Pages in lib/Runtime.
static std::shared_ptr<uint8_t> allocatePanel(uint64_t bytes) {
  constexpr uint64_t hugePage = uint64_t(2) << 20;
  const bool isLarge = bytes >= 2 * hugePage;
  const std::align_val_t alignment{isLarge ? hugePage : weightAlignment};
  auto *start = static_cast<uint8_t *>(::operator new(bytes, alignment));
  if (isLarge)
    madvise(start, bytes / hugePage * hugePage, MADV_HUGEPAGE);
  return {start, [alignment](uint8_t *p) { ::operator delete(p, alignment); }};
}

namespace {
/// Turns the tables into structs. Index checks that need only the structs are `verifyModel`'s.
class Decoder {
public:
  Decoder(const schema::Header *h, const uint8_t *base, Model &m, std::string &error,
          const std::shared_ptr<const void> &owner)
      : h(h), base(base), m(m), error(error), owner(owner) {}

  bool run(bool withCode) {
    return readSymbols() && readExpressions() && readTensors() && readEntries() && readKernels() && readGpu() &&
           readSections(withCode) && readRest();
  }

private:
  bool fail(std::string text) {
    error = "malformed header: " + std::move(text);
    return false;
  }

  bool readSymbols() {
    for (size_t i = 0; i < sizeOf(h->symbols()); ++i) {
      const schema::Symbol *s = h->symbols()->Get(unsigned(i));
      m.symbols.push_back({toString(s->name()), s->lo(), s->hi(), s->divisor()});
    }
    return true;
  }

  bool readExpressions() {
    for (size_t i = 0; i < sizeOf(h->expressions()); ++i) {
      const schema::Expression *e = h->expressions()->Get(unsigned(i));
      std::vector<DimExpr::Step> steps;
      const std::vector<int64_t> operands = copy(e->operands());
      size_t operand = 0;
      if (sizeOf(e->ops()) > DimExpr::maxSteps)
        return fail("expression " + number(i) + " has " + number(sizeOf(e->ops())) + " steps, at most " +
                    number(DimExpr::maxSteps) + " are allowed");
      for (size_t k = 0; k < sizeOf(e->ops()); ++k) {
        uint8_t op = e->ops()->Get(unsigned(k));
        if (op > uint8_t(DimOp::Min))
          return fail("expression " + number(i) + " has unknown operation " + number(op));
        int64_t value = 0;
        if (op <= uint8_t(DimOp::Symbol)) {
          if (operand >= operands.size())
            return fail("expression " + number(i) + " has too few operands");
          value = operands[operand++];
        }
        steps.push_back({DimOp(op), value});
      }
      expressions.push_back(DimExpr::fromSteps(std::move(steps)));
      if (!expressions.back().isWellFormed(m.symbols.size()))
        return fail("expression " + number(i) + " is not a well-formed program over " + number(m.symbols.size()) +
                    " symbols");
    }
    return true;
  }

  bool expression(uint32_t index, const std::string &where, DimExpr &result) {
    if (index >= expressions.size())
      return fail(where + " refers to expression " + number(index) + " of " + number(expressions.size()));
    expandedSteps += expressions[index].getSteps().size();
    if (expandedSteps > maxExpandedSteps)
      return fail("more than " + number(maxExpandedSteps) + " expression steps in total");
    result = expressions[index];
    return true;
  }

  bool expressionList(const flatbuffers::Vector<uint32_t> *v, const std::string &where, std::vector<DimExpr> &result) {
    for (size_t i = 0; i < sizeOf(v); ++i) {
      DimExpr e;
      if (!expression(v->Get(unsigned(i)), where, e))
        return false;
      result.push_back(std::move(e));
    }
    return true;
  }

  /// By memcpy: the FlatBuffers verifier does not check that the elements of a vector of 64-bit numbers are aligned.
  template <typename T> static std::vector<T> copy(const flatbuffers::Vector<T> *v) {
    std::vector<T> r(sizeOf(v));
    if (!r.empty())
      std::memcpy(r.data(), v->Data(), r.size() * sizeof(T));
    return r;
  }

  bool readTensors() {
    for (size_t i = 0; i < sizeOf(h->tensors()); ++i) {
      const schema::Tensor *t = h->tensors()->Get(unsigned(i));
      Tensor r;
      r.name = toString(t->name());
      if (t->type() >= elementTypeCount)
        return fail("tensor " + number(i) + " has unknown element type " + number(t->type()));
      r.type = ElementType(t->type());
      if (!expressionList(t->dims(), "tensor " + number(i), r.dims))
        return false;
      r.order = copy(t->order());
      r.multiples = copy(t->multiples());
      if (const schema::Scheme *s = t->scheme()) {
        r.scheme.quantized = s->quantized();
        r.scheme.axis = s->axis();
        r.scheme.scales = copy(s->scales());
        r.scheme.zeroPoints = copy(s->zero_points());
        r.scheme.text = toString(s->text());
        r.scheme.rangeLo = s->range_lo();
        r.scheme.rangeHi = s->range_hi();
      }
      m.tensors.push_back(std::move(r));
    }
    return true;
  }

  bool readEntries() {
    for (size_t i = 0; i < sizeOf(h->entries()); ++i) {
      const schema::EntryPoint *e = h->entries()->Get(unsigned(i));
      EntryPoint r;
      r.name = toString(e->name());
      r.inputs = copy(e->inputs());
      r.outputs = copy(e->outputs());
      for (size_t k = 0; k < sizeOf(e->launches()); ++k) {
        const schema::Launch *l = e->launches()->Get(unsigned(k));
        std::string where = "launch " + number(k);
        Launch launch;
        launch.name = toString(l->name());
        launch.note = toString(l->note());
        launch.kernel = l->kernel();
        launch.stores = copy(l->stores());
        for (size_t b = 0; b < sizeOf(l->buffers()); ++b) {
          const schema::Buffer *f = l->buffers()->Get(unsigned(b));
          if (f->kind() > uint8_t(BufferKind::Output))
            return fail(where + " has a buffer of unknown kind " + number(f->kind()));
          launch.buffers.push_back({BufferKind(f->kind()), f->place(), f->tensor(), f->bytes()});
        }
        if (!expressionList(l->dims(), where, launch.dims) || !expression(l->tiles(), where, launch.tiles) ||
            !expression(l->scratch_bytes(), where, launch.scratchBytes))
          return false;
        if (l->gpu() && !readGpuLaunch(l->gpu(), where, launch.gpu))
          return false;
        r.launches.push_back(std::move(launch));
      }
      m.entries.push_back(std::move(r));
    }
    return true;
  }

  bool readGpuLaunch(const schema::GpuLaunch *l, const std::string &where, GpuLaunch &r) {
    r.reason = toString(l->reason());
    if (!expression(l->m(), where, r.m))
      return false;
    for (size_t i = 0; i < sizeOf(l->variants()); ++i) {
      const schema::GpuVariant *v = l->variants()->Get(unsigned(i));
      GpuVariant variant;
      variant.kernel = v->kernel();
      variant.mLo = v->m_lo();
      variant.mHi = v->m_hi();
      variant.persistent = v->persistent();
      if (!expression(v->grid_x(), where, variant.gridX) || !expression(v->grid_y(), where, variant.gridY))
        return false;
      for (size_t k = 0; k < sizeOf(v->arguments()); ++k) {
        const schema::GpuArgument *a = v->arguments()->Get(unsigned(k));
        if (a->kind() > uint8_t(GpuArgumentKind::Int32) || a->order() > uint8_t(CanonicalOrder::PanelNibbles))
          return fail(where + ", GPU variant " + number(i) + ": argument " + number(k) + " of unknown kind " +
                      number(a->kind()) + " or order " + number(a->order()));
        GpuArgument argument;
        argument.kind = GpuArgumentKind(a->kind());
        argument.index = a->index();
        argument.packing = a->packing();
        argument.order = CanonicalOrder(a->order());
        argument.signExtend = a->is_signed();
        if (!expression(a->value(), where, argument.value))
          return false;
        if (const schema::GpuTensorMap *map = a->map()) {
          argument.map.elementBits = map->element_bits();
          argument.map.swizzle128 = map->swizzle() != 0;
          argument.map.rank = uint32_t(sizeOf(map->dims()));
          if (!expressionList(map->dims(), where, argument.map.dims) ||
              !expressionList(map->strides(), where, argument.map.strideBytes) ||
              !expressionList(map->box(), where, argument.map.box))
            return false;
        } else {
          argument.map.rank = 0; // refused later where a map is needed
        }
        variant.arguments.push_back(std::move(argument));
      }
      r.variants.push_back(std::move(variant));
    }
    return true;
  }

  bool readGpu() {
    for (size_t i = 0; i < sizeOf(h->packings()); ++i) {
      const schema::Packing *p = h->packings()->Get(unsigned(i));
      if (p->order() > uint8_t(layout::Packing::Order::Pitched))
        return fail("packing " + number(i) + " has unknown order " + number(p->order()));
      layout::Packing r;
      r.rows = p->rows();
      r.columns = p->columns();
      r.bits = p->bits();
      r.bias = p->bias();
      r.fill = p->fill();
      r.order = layout::Packing::Order(p->order());
      r.pitch = p->pitch();
      r.tile.rowBasis = copy(p->row_basis());
      r.tile.columnBasis = copy(p->column_basis());
      m.packings.push_back(std::move(r));
    }
    for (size_t i = 0; i < sizeOf(h->gpu_kernels()); ++i) {
      const schema::GpuKernel *k = h->gpu_kernels()->Get(unsigned(i));
      if (k->arch() >= gpuArchCount)
        return fail("GPU kernel " + number(i) + " is for unknown architecture " + number(k->arch()));
      m.gpuKernels.push_back(
          {toString(k->symbol()), GpuArch(k->arch()), k->threads(), k->shared_bytes(), k->cluster(), k->pdl()});
    }
    return true;
  }

  bool readKernels() {
    for (size_t i = 0; i < sizeOf(h->kernels()); ++i) {
      const schema::Kernel *k = h->kernels()->Get(unsigned(i));
      Kernel r;
      r.name = toString(k->name());
      for (size_t v = 0; v < sizeOf(k->variants()); ++v) {
        const schema::Variant *x = k->variants()->Get(unsigned(v));
        if (x->isa() >= isaCount)
          return fail("kernel " + number(i) + " has code for unknown level " + number(x->isa()));
        r.variants.push_back({Isa(x->isa()), x->offset(), x->flags()});
      }
      m.kernels.push_back(std::move(r));
    }
    return true;
  }

  /// A weight that is expanded. `packedBytes`: of all such weights so far; they may not share bytes of the section of
  /// `limit` bytes, so that a small file cannot ask for much memory.
  bool readPacked(const schema::Weight *w, size_t index, const uint8_t *stored, bool expand, uint64_t &packedBytes,
                  uint64_t limit, Weight &r) {
    const std::string where = "weight " + number(index) + " '" + r.name + "': ";
    if (h->version() < 3)
      return fail(where + "packed codes in a file of version " + number(h->version()) + ", which has none");
    r.packed = {w->packed()->bits(), w->packed()->base(), w->packed()->groups(), w->packed()->rows(),
                w->packed()->columns()};
    uint64_t panelBytes, fileBytes;
    std::string text;
    if (!packedSizes(r.packed, panelBytes, fileBytes, text))
      return fail(where + text);
    if (fileBytes != w->size())
      return fail(where + number(w->size()) + " bytes, expected " + number(fileBytes) + " for " +
                  number(r.packed.groups) + " x " + number(r.packed.rows) + " x " + number(r.packed.columns) +
                  " codes of " + number(r.packed.bits) + " bits");
    packedBytes += fileBytes; // both below 2^46 times the number of tables: no overflow
    if (packedBytes > limit)
      return fail(where + "packed weights of " + number(packedBytes) + " bytes in a weight section of " +
                  number(limit) + ": two of them share bytes");
    if (!expand) {
      r.bytes = Blob::share(nullptr, panelBytes, nullptr);
      return true;
    }
    std::shared_ptr<uint8_t> panel = allocatePanel(panelBytes + readSlack);
    expandCodes(r.packed, stored, panel.get());
    std::memset(panel.get() + panelBytes, 0, readSlack);
    r.bytes = Blob::share(panel.get(), panelBytes, panel);
    return true;
  }

  bool readSections(bool withCode) {
    const schema::Section *weights = findSection(h, sectionWeights), *text = findSection(h, sectionText);
    for (unsigned isa = 0; isa < isaCount; ++isa)
      if (const schema::Section *s = findSection(h, uint8_t(sectionCode + isa))) {
        m.code.push_back({Isa(isa), Blob::share(withCode ? base + s->offset() : nullptr, s->size(), owner), {}});
        std::memcpy(m.code.back().digest.data(), s->sha256()->data(), 32);
      }
    for (unsigned n = 0; n < 2 * gpuArchCount; ++n)
      if (const schema::Section *s = findSection(h, uint8_t(sectionGpuCode + n))) {
        m.gpuCode.push_back({GpuArch(n / 2),
                             GpuCodeKind(n % 2),
                             Blob::share(withCode ? base + s->offset() : nullptr, s->size(), owner),
                             {}});
        std::memcpy(m.gpuCode.back().digest.data(), s->sha256()->data(), 32);
      }
    uint64_t packedBytes = 0;
    for (size_t i = 0; i < sizeOf(h->weights()); ++i) {
      const schema::Weight *w = h->weights()->Get(unsigned(i));
      uint64_t limit = weights ? weights->size() : 0;
      if (w->offset() % weightAlignment != 0 || w->offset() > limit || w->size() > limit - w->offset())
        return fail("weight " + number(i) + " at " + number(w->offset()) + " + " + number(w->size()) +
                    " is not aligned to 64 or not within the weight section of " + number(limit) + " bytes");
      Weight r;
      r.name = toString(w->name());
      r.layout = toString(w->layout());
      const uint8_t *stored = base + (weights ? weights->offset() : 0) + w->offset();
      if (!w->packed())
        r.bytes = Blob::share(stored, w->size(), owner);
      else if (!readPacked(w, i, stored, withCode, packedBytes, limit, r))
        return false;
      m.weights.push_back(std::move(r));
    }
    for (size_t i = 0; i < sizeOf(h->texts()); ++i) {
      const schema::Text *t = h->texts()->Get(unsigned(i));
      uint64_t limit = text ? text->size() : 0;
      if (t->offset() > limit || t->size() > limit - t->offset())
        return fail("text " + number(i) + " is not within the text section of " + number(limit) + " bytes");
      std::string key = toString(t->key());
      if (key != "plan" && key != "listing")
        continue;
      (key == "plan" ? m.plan : m.listing)
          .assign(reinterpret_cast<const char *>(base) + (text ? text->offset() : 0) + t->offset(), t->size());
    }
    return true;
  }

  bool readRest() {
    m.arenaBytes = h->arena_bytes();
    for (size_t i = 0; i < sizeOf(h->provenance()); ++i) {
      const schema::Property *p = h->provenance()->Get(unsigned(i));
      m.provenance.push_back({toString(p->key()), toString(p->value())});
    }
    if (const schema::SelfCheck *s = h->self_check()) {
      m.selfCheck.present = true;
      m.selfCheck.seed = s->seed();
      m.selfCheck.symbolValues = copy(s->symbol_values());
      for (size_t i = 0; i < sizeOf(s->checksums()); ++i) {
        const schema::Checksum *c = s->checksums()->Get(unsigned(i));
        m.selfCheck.checksums.push_back({c->entry(), c->launch(), c->buffer(), c->value()});
      }
    }
    return true;
  }

  const schema::Header *h;
  const uint8_t *base;
  Model &m;
  std::string &error;
  const std::shared_ptr<const void> &owner;
  std::vector<DimExpr> expressions;
  uint64_t expandedSteps = 0;
};
} // namespace

/// Everything that no digest covers must be zero, so that a full verification notices any changed bit.
static bool checkGaps(const schema::Header *h, const uint8_t *base, size_t size, uint64_t headerEnd,
                      std::string &error) {
  uint64_t at = headerEnd;
  for (size_t i = 0; i <= sizeOf(h->sections()); ++i) {
    const schema::Section *s = i < sizeOf(h->sections()) ? h->sections()->Get(unsigned(i)) : nullptr;
    for (uint64_t end = s ? s->offset() : size; at < end; ++at)
      if (base[at]) {
        error = "corrupt padding at byte " + number(at) + ": expected 0, found " + number(base[at]);
        return false;
      }
    if (s)
      at = s->offset() + s->size();
  }
  return true;
}

bool bitwright::artifact::readArtifact(const void *bytes, size_t size, const ReadOptions &options, Model &model,
                                       std::string &error, std::shared_ptr<const void> owner) {
  if (reinterpret_cast<uintptr_t>(bytes) % weightAlignment != 0) {
    error = "internal error: the bytes of the file must start at a multiple of 64";
    return false;
  }
  const schema::Header *h = openHeader(bytes, size, error);
  if (!h)
    return false;
  Preamble p;
  std::memcpy(&p, bytes, sizeof(p));
  const uint64_t headerEnd = sizeof(Preamble) + p.headerSize;
  if (!checkSections(h, size, headerEnd, error))
    return false;
  const uint8_t *base = static_cast<const uint8_t *>(bytes);
  if (options.level == VerifyLevel::Full) {
    for (size_t i = 0; i < sizeOf(h->sections()); ++i) {
      const schema::Section *s = h->sections()->Get(unsigned(i));
      if (!checkDigest(s, base, sectionName(s->kind()), error))
        return false;
    }
    if (!checkGaps(h, base, size, headerEnd, error))
      return false;
  }
  Model m;
  if (!Decoder(h, base, m, error, owner).run(options.withCode) || !verifyModel(m, error))
    return false;
  model = std::move(m);
  return true;
}

bool bitwright::artifact::mapFile(const std::string &path, std::shared_ptr<const void> &owner, const void *&bytes,
                                  size_t &size, std::string &error) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    error = "cannot open '" + path + "': " + std::strerror(errno);
    return false;
  }
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
    error = "cannot read '" + path + "': " +
            (S_ISDIR(info.st_mode)   ? "it is a folder"
             : S_ISREG(info.st_mode) ? "it is empty"
                                     : "it is not a file");
    close(fd);
    return false;
  }
  size = size_t(info.st_size);
  void *p = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  int reason = errno;
  close(fd);
  if (p == MAP_FAILED) {
    error = "cannot map '" + path + "': " + std::strerror(reason);
    return false;
  }
  size_t length = size;
  owner = std::shared_ptr<const void>(p, [length](const void *q) { munmap(const_cast<void *>(q), length); });
  bytes = p;
  return true;
}
