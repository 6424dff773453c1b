//===- Verify.cpp - what must hold in every model -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Artifact.h"
#include "lib/Artifact/VerifyGpu.h"

#include <algorithm>
#include <set>

using namespace bitwright::artifact;

namespace {
constexpr size_t maxSymbols = 64, maxRank = 16, maxBuffers = 256, maxLaunchDims = 256;
constexpr int64_t maxSymbolValue = int64_t(1) << 40;
constexpr uint64_t maxArena = uint64_t(1) << 46;
constexpr int64_t maxScratch = int64_t(1) << 32;
constexpr int64_t maxTiles = int64_t(1) << 48;

std::string number(uint64_t v) { return std::to_string(v); }
std::string quoted(const std::string &s) { return "'" + s + "'"; }

class ModelVerifier {
public:
  ModelVerifier(const Model &m, std::string &error) : m(m), error(error) {}

  bool run() {
    return checkSymbols() && checkTensors() && checkWeights() && checkCode() && checkEntries() && checkSelfCheck();
  }

private:
  bool fail(std::string text) {
    error = "invalid model: " + std::move(text);
    return false;
  }

  bool checkSymbols() {
    if (m.symbols.size() > maxSymbols)
      return fail(number(m.symbols.size()) + " symbols, at most " + number(maxSymbols) + " are allowed");
    std::set<std::string> names;
    for (const Symbol &s : m.symbols) {
      if (s.name.empty() || !names.insert(s.name).second)
        return fail("symbol name " + quoted(s.name) + " is empty or used twice");
      if (s.lo < 1 || s.hi < s.lo || s.hi > maxSymbolValue || s.divisor < 1 || s.divisor > s.hi)
        return fail("symbol " + quoted(s.name) + " has range " + std::to_string(s.lo) + ".." + std::to_string(s.hi) +
                    " with divisor " + std::to_string(s.divisor) + ": expected 1 <= lo <= hi and 1 <= divisor <= hi");
      if (s.hi / s.divisor * s.divisor < s.lo)
        return fail("symbol " + quoted(s.name) + ": no multiple of " + std::to_string(s.divisor) + " within " +
                    std::to_string(s.lo) + ".." + std::to_string(s.hi));
    }
    return true;
  }

  bool checkTensors() {
    for (size_t i = 0; i < m.tensors.size(); ++i) {
      const Tensor &t = m.tensors[i];
      const std::string where = "tensor " + number(i) + " " + quoted(t.name);
      const size_t rank = t.dims.size();
      if (unsigned(t.type) >= elementTypeCount)
        return fail(where + " has an unknown element type");
      if (rank > maxRank)
        return fail(where + " has rank " + number(rank) + ", at most " + number(maxRank) + " is allowed");
      if (!t.order.empty()) {
        std::vector<uint32_t> sorted = t.order;
        std::sort(sorted.begin(), sorted.end());
        for (size_t k = 0; k < sorted.size(); ++k)
          if (sorted[k] != k || sorted.size() != rank)
            return fail(where + ": memory order is not a permutation of its " + number(rank) + " dimensions");
      }
      if (!t.multiples.empty() && t.multiples.size() != rank)
        return fail(where + ": " + number(t.multiples.size()) + " storage multiples for rank " + number(rank));
      for (int64_t v : t.multiples)
        if (v < 1 || v > (1 << 20))
          return fail(where + ": storage multiple " + std::to_string(v) + " is not within 1..2^20");
      if (bitWidth(t.type) < 8 && !(t.order.empty() && t.multiples.empty()))
        return fail(where + ": 4-bit tensors must be dense row-major");
      uint64_t bytes;
      if (!tensorBytesBound(t, m.symbols, bytes))
        return fail(where + ": its size is not bounded, or a dimension can be below 1");
      bounds.push_back(bytes);
      const Scheme &s = t.scheme;
      if (!s.quantized)
        continue;
      if (s.axis < -1 || (s.axis >= 0 && size_t(s.axis) >= rank) || s.scales.empty() ||
          (s.axis < 0 && s.scales.size() != 1))
        return fail(where + ": scheme has " + number(s.scales.size()) + " scales along axis " + std::to_string(s.axis));
      if (s.zeroPoints.size() != 1 && s.zeroPoints.size() != s.scales.size())
        return fail(where + ": scheme has " + number(s.zeroPoints.size()) + " zero points for " +
                    number(s.scales.size()) + " scales");
    }
    return true;
  }

  bool checkWeights() {
    for (size_t i = 0; i < m.weights.size(); ++i) {
      const Weight &w = m.weights[i];
      const std::string where = "weight " + number(i) + " " + quoted(w.name);
      uint64_t panelBytes, fileBytes;
      std::string text;
      if (!w.packed.isPacked())
        continue;
      if (!packedSizes(w.packed, panelBytes, fileBytes, text))
        return fail(where + ": " + text);
      if (panelBytes != w.bytes.size())
        return fail(where + " has " + number(w.bytes.size()) + " bytes, its packed codes fill a panel of " +
                    number(panelBytes));
    }
    return true;
  }

  bool checkCode() {
    uint64_t codeSize[isaCount] = {};
    bool present[isaCount] = {};
    for (const CodeSegment &c : m.code) {
      if (unsigned(c.isa) >= isaCount || present[unsigned(c.isa)])
        return fail("code segment for an unknown level, or two for one level");
      present[unsigned(c.isa)] = true;
      codeSize[unsigned(c.isa)] = c.bytes.size();
    }
    for (size_t i = 0; i < m.kernels.size(); ++i) {
      const Kernel &k = m.kernels[i];
      const std::string where = "kernel " + number(i) + " " + quoted(k.name);
      if (k.variants.empty())
        return fail(where + " has no code");
      unsigned seen = 0;
      for (const KernelVariant &v : k.variants) {
        if (unsigned(v.isa) >= isaCount || (seen >> unsigned(v.isa) & 1))
          return fail(where + " has code for an unknown level, or two for one level");
        seen |= 1u << unsigned(v.isa);
        if (!present[unsigned(v.isa)] || v.offset >= codeSize[unsigned(v.isa)])
          return fail(where + ": entry " + number(v.offset) + " is outside the code of " +
                      number(codeSize[unsigned(v.isa)]) + " bytes for " + isaName(v.isa));
        if (v.flags != 0)
          return fail(where + ": unknown flags " + number(v.flags));
      }
    }
    return true;
  }

  /// Inputs and outputs: named, unique, dense row-major.
  bool checkInterface(const EntryPoint &e, const std::vector<uint32_t> &list, const char *what) {
    std::set<std::string> names;
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string where = "entry point " + quoted(e.name) + ", " + what + " " + number(i);
      if (list[i] >= m.tensors.size())
        return fail(where + " refers to tensor " + number(list[i]) + " of " + number(m.tensors.size()));
      const Tensor &t = m.tensors[list[i]];
      if (t.name.empty() || !names.insert(t.name).second)
        return fail(where + ": name " + quoted(t.name) + " is empty or used twice");
      bool identity = true;
      for (size_t k = 0; k < t.order.size(); ++k)
        identity &= t.order[k] == k;
      for (int64_t v : t.multiples)
        identity &= v == 1;
      if (!identity || bitWidth(t.type) < 8)
        return fail(where + " " + quoted(t.name) + " is not dense row-major with elements of at least 8 bits");
    }
    return true;
  }

  /// Each symbol that can vary must follow from the shape of some input, as `a * symbol + b`.
  bool checkSolvable(const EntryPoint &e) {
    std::vector<bool> known(m.symbols.size(), false);
    for (uint32_t input : e.inputs)
      for (const DimExpr &d : m.tensors[input].dims) {
        unsigned symbol;
        int64_t scale, offset;
        if (matchAffine(d, symbol, scale, offset))
          known[symbol] = true;
      }
    for (size_t i = 0; i < known.size(); ++i)
      if (!known[i] && m.symbols[i].lo != m.symbols[i].hi)
        return fail("entry point " + quoted(e.name) + ": symbol " + quoted(m.symbols[i].name) +
                    " does not follow from the shape of any input");
    return true;
  }

  bool checkBuffer(const EntryPoint &e, const BufferRef &b, const std::string &where) {
    if (b.tensor < -1 || (b.tensor >= 0 && size_t(b.tensor) >= m.tensors.size()))
      return fail(where + " refers to tensor " + std::to_string(b.tensor) + " of " + number(m.tensors.size()));
    uint64_t size = b.tensor >= 0 ? bounds[size_t(b.tensor)] : b.bytes;
    switch (b.kind) {
    case BufferKind::Arena:
      if (b.place % weightAlignment != 0)
        return fail(where + ": arena offset " + number(b.place) + " is not a multiple of 64");
      if (b.place > m.arenaBytes || size > m.arenaBytes - b.place)
        return fail(where + ": bytes " + number(b.place) + " + " + number(size) + " do not fit the arena of " +
                    number(m.arenaBytes) + " bytes");
      return true;
    case BufferKind::Weight:
      if (b.place >= m.weights.size())
        return fail(where + " refers to weight " + number(b.place) + " of " + number(m.weights.size()));
      return true;
    case BufferKind::Input:
    case BufferKind::Output: {
      bool isInput = b.kind == BufferKind::Input;
      const std::vector<uint32_t> &list = isInput ? e.inputs : e.outputs;
      if (b.place >= list.size())
        return fail(where + " refers to " + (isInput ? "input " : "output ") + number(b.place) + " of " +
                    number(list.size()));
      if (b.tensor >= 0 && size > bounds[list[size_t(b.place)]])
        return fail(where + ": tensor " + quoted(m.tensors[size_t(b.tensor)].name) + " of " + number(size) +
                    " bytes is larger than the " + (isInput ? "input " : "output ") + number(b.place) +
                    " that holds it");
      return true;
    }
    }
    return fail(where + " has an unknown kind");
  }

  bool checkRange(const DimExpr &e, int64_t least, int64_t most, const std::string &what) {
    int64_t lo, hi;
    if (!e.bounds(m.symbols, lo, hi))
      return fail(what + ": " + e.str(m.symbols) + " overflows or divides by less than 1 for some dimensions");
    if (lo < least || hi > most)
      return fail(what + ": " + e.str(m.symbols) + " is within " + std::to_string(lo) + ".." + std::to_string(hi) +
                  ", allowed is " + std::to_string(least) + ".." + std::to_string(most));
    return true;
  }

  bool checkEntries() {
    if (m.entries.empty())
      return fail("no entry point");
    if (m.arenaBytes > maxArena)
      return fail("arena of " + number(m.arenaBytes) + " bytes, at most " + number(maxArena) + " are allowed");
    std::set<std::string> names;
    for (const EntryPoint &e : m.entries) {
      if (e.name.empty() || !names.insert(e.name).second)
        return fail("entry point name " + quoted(e.name) + " is empty or used twice");
      if (!checkInterface(e, e.inputs, "input") || !checkInterface(e, e.outputs, "output") || !checkSolvable(e))
        return false;
      for (size_t i = 0; i < e.launches.size(); ++i)
        if (!checkLaunch(e, e.launches[i], "launch " + number(i) + " " + quoted(e.launches[i].name)))
          return false;
    }
    return true;
  }

  bool checkLaunch(const EntryPoint &e, const Launch &l, const std::string &where) {
    if (l.kernel >= m.kernels.size())
      return fail(where + " refers to kernel " + number(l.kernel) + " of " + number(m.kernels.size()));
    if (l.buffers.size() > maxBuffers || l.dims.size() > maxLaunchDims)
      return fail(where + " has " + number(l.buffers.size()) + " buffers and " + number(l.dims.size()) +
                  " dimensions, at most " + number(maxBuffers) + " and " + number(maxLaunchDims) + " are allowed");
    for (size_t k = 0; k < l.buffers.size(); ++k)
      if (!checkBuffer(e, l.buffers[k], where + ", buffer " + number(k)))
        return false;
    for (uint32_t s : l.stores) {
      if (s >= l.buffers.size())
        return fail(where + " stores buffer " + number(s) + " of " + number(l.buffers.size()));
      if (l.buffers[s].kind == BufferKind::Weight || l.buffers[s].kind == BufferKind::Input)
        return fail(where + " stores buffer " + number(s) + ", which is a weight or an input");
    }
    for (size_t k = 0; k < l.dims.size(); ++k)
      if (!checkRange(l.dims[k], INT64_MIN, INT64_MAX, where + ", dimension " + number(k)))
        return false;
    return checkRange(l.tiles, 0, maxTiles, where + ", tiles") &&
           checkRange(l.scratchBytes, 0, maxScratch, where + ", scratch bytes");
  }

  bool checkSelfCheck() {
    const SelfCheck &c = m.selfCheck;
    if (!c.present)
      return true;
    if (c.symbolValues.size() != m.symbols.size())
      return fail("self-check has " + number(c.symbolValues.size()) + " symbol values for " + number(m.symbols.size()) +
                  " symbols");
    for (size_t i = 0; i < m.symbols.size(); ++i)
      if (c.symbolValues[i] < m.symbols[i].lo || c.symbolValues[i] > m.symbols[i].hi ||
          c.symbolValues[i] % m.symbols[i].divisor != 0)
        return fail("self-check value " + std::to_string(c.symbolValues[i]) + " of symbol " +
                    quoted(m.symbols[i].name) + " is outside its range");
    for (const Checksum &s : c.checksums) {
      const EntryPoint *e = s.entry < m.entries.size() ? &m.entries[s.entry] : nullptr;
      const Launch *l = e && s.launch < e->launches.size() ? &e->launches[s.launch] : nullptr;
      if (!l || s.buffer >= l->buffers.size() || l->buffers[s.buffer].tensor < 0 ||
          std::find(l->stores.begin(), l->stores.end(), s.buffer) == l->stores.end())
        return fail("self-check refers to entry point " + number(s.entry) + ", launch " + number(s.launch) +
                    ", buffer " + number(s.buffer) + ", which stores no tensor");
    }
    return true;
  }

  const Model &m;
  std::string &error;
  std::vector<uint64_t> bounds; ///< upper bound of the bytes of each tensor
};
} // namespace

bool bitwright::artifact::matchAffine(const DimExpr &e, unsigned &symbol, int64_t &scale, int64_t &offset) {
  // Three evaluations tell an affine expression of one symbol from the rest only when no other operation occurs.
  bool found = false;
  for (const DimExpr::Step &s : e.getSteps()) {
    if (s.op == DimOp::Symbol) {
      if (found && symbol != unsigned(s.operand))
        return false;
      found = true;
      symbol = unsigned(s.operand);
    } else if (s.op != DimOp::Constant && s.op != DimOp::Add && s.op != DimOp::Mul) {
      return false;
    }
  }
  if (!found || symbol >= maxSymbols)
    return false;
  int64_t values[maxSymbols] = {}, v[3];
  for (int i = 0; i < 3; ++i) {
    values[symbol] = i;
    if (!e.evaluate(values, maxSymbols, v[i]))
      return false;
  }
  // Only + and * occur, so the value is a polynomial in the symbol. W * W has v = 0 1 4; higher ones that look affine
  // on three points are caught when the solution is evaluated.
  if (__builtin_sub_overflow(v[1], v[0], &scale) || scale < 1)
    return false;
  int64_t step;
  if (__builtin_sub_overflow(v[2], v[1], &step) || step != scale)
    return false;
  offset = v[0];
  return true;
}

bool bitwright::artifact::verifyModel(const Model &model, std::string &error) {
  return ModelVerifier(model, error).run() && verifyGpu(model, error);
}
