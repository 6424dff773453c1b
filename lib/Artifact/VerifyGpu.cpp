//===- VerifyGpu.cpp - what must hold in the GPU part of a model -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/VerifyGpu.h"

#include <set>

using namespace bitwright;
using namespace bitwright::artifact;

namespace {
// Limits of the hardware (threads, shared memory of compute capability 9.0, clusters, grid, tensor maps, parameters).
constexpr uint32_t maxThreads = 1024, maxShared = 232448, maxCluster = 16, maxParameterBytes = 4096;

constexpr int64_t maxMapDim = int64_t(1) << 32, maxMapStride = int64_t(1) << 40, maxBox = 256;
// Limits of our own, far above any use: they keep products below 2^63 and a hostile file from asking for all memory.
constexpr size_t maxTileBits = 24, maxVariants = 256;
constexpr int64_t maxM = int64_t(1) << 40;
/// Padding: a small matrix may lie in one large tile, a large one may grow by a factor.
constexpr int64_t freePadding = int64_t(1) << 24, maxGrowth = 16;

std::string number(uint64_t v) { return std::to_string(v); }
std::string quoted(const std::string &s) { return "'" + s + "'"; }

class GpuVerifier {
public:
  GpuVerifier(const Model &m, std::string &error) : m(m), error(error) {}

  bool run() { return checkPackings() && checkCode() && checkKernels() && checkLaunches(); }

private:
  bool fail(std::string text) {
    error = "invalid model: " + std::move(text);
    return false;
  }

  bool checkPackings() {
    for (size_t i = 0; i < m.packings.size(); ++i) {
      const layout::Packing &p = m.packings[i];
      const std::string where = "packing " + number(i);
      if (p.rows < 1 || p.columns < 1 || p.rows >> 31 || p.columns >> 31)
        return fail(where + " is of " + std::to_string(p.rows) + " x " + std::to_string(p.columns) +
                    " elements, expected 1..2^31-1 each");
      if (p.bits != 4 && p.bits != 8 && p.bits != 16 && p.bits != 32)
        return fail(where + " has elements of " + number(p.bits) + " bits, expected 4, 8, 16 or 32");
      if (p.order != layout::Packing::Order::Blocked && p.order != layout::Packing::Order::Pitched)
        return fail(where + " has unknown order " + number(uint64_t(p.order)));
      const size_t bits = p.tile.rowBasis.size() + p.tile.columnBasis.size();
      if (bits > maxTileBits)
        return fail(where + ": tile of 2^" + number(bits) + " elements, at most 2^" + number(maxTileBits) +
                    " are allowed");
      for (const std::vector<uint32_t> *basis : {&p.tile.rowBasis, &p.tile.columnBasis})
        for (uint32_t b : *basis)
          if (b >> bits)
            return fail(where + ": basis " + number(b) + " is outside the tile of " + number(uint64_t(1) << bits) +
                        " elements");
      if (!p.tile.isBijection())
        return fail(where + ": its layout takes two elements of a tile to the same position");
      const int64_t width = p.tile.columns(), padded = p.tileColumns() * width;
      if (p.order == layout::Packing::Order::Pitched) {
        // Elements between the last column and the pitch may be left out, but only where columns stay in order.
        bool ordered = true;
        for (size_t c = 0; c < p.tile.columnBasis.size(); ++c)
          ordered &= p.tile.columnBasis[c] == 1u << c;
        for (uint32_t b : p.tile.rowBasis)
          ordered &= b % uint32_t(width) == 0;
        const int64_t least = ordered ? p.columns : padded;
        if (p.pitch < least || p.pitch >> 31)
          return fail(where + ": pitch " + std::to_string(p.pitch) + ", expected " + std::to_string(least) +
                      "..2^31-1 for " + std::to_string(p.columns) + " columns in tiles of " + std::to_string(width));
      }
      // Sides are below 2^31 + 2^24 and the pitch below 2^31, so the products stay below 2^63.
      const int64_t rows = p.tileRows() * p.tile.rows();
      const int64_t stored = rows * (p.order == layout::Packing::Order::Pitched ? p.pitch : padded);
      const unsigned __int128 most =
          freePadding + static_cast<unsigned __int128>(maxGrowth) * uint64_t(p.rows) * uint64_t(p.columns);
      if (uint64_t(stored) > most)
        return fail(where + " stores " + std::to_string(stored) + " elements for " + std::to_string(p.rows) + " x " +
                    std::to_string(p.columns) + ", at most 16 times as many and 2^24 are allowed");
    }
    return true;
  }

  bool checkCode() {
    bool seen[gpuArchCount][gpuCodeKindCount] = {};
    for (const GpuCode &c : m.gpuCode) {
      const unsigned arch = unsigned(c.arch), kind = unsigned(c.kind);
      if (arch >= gpuArchCount || kind >= gpuCodeKindCount)
        return fail("GPU code of an unknown architecture or kind");
      const std::string what = std::string("GPU code ") + gpuArchName(c.arch) + " " + gpuCodeKindName(c.kind);
      if (seen[arch][kind])
        return fail(what + " is there twice");
      if (c.bytes.empty())
        return fail(what + " is empty");
      seen[arch][kind] = hasCode[arch] = true;
    }
    return true;
  }

  bool checkKernels() {
    std::set<std::pair<std::string, unsigned>> names;
    for (size_t i = 0; i < m.gpuKernels.size(); ++i) {
      const GpuKernel &k = m.gpuKernels[i];
      const std::string where = "GPU kernel " + number(i) + " " + quoted(k.symbol);
      if (unsigned(k.arch) >= gpuArchCount)
        return fail(where + " is for an unknown architecture");
      if (k.symbol.empty() || !names.insert({k.symbol, unsigned(k.arch)}).second)
        return fail(where + ": its symbol is empty or used twice for " + gpuArchName(k.arch));
      if (!hasCode[unsigned(k.arch)])
        return fail(where + ": the model has no code for " + gpuArchName(k.arch));
      if (k.threads < 1 || k.threads > maxThreads)
        return fail(where + " has " + number(k.threads) + " threads, expected 1.." + number(maxThreads));
      if (k.sharedBytes > maxShared)
        return fail(where + " needs " + number(k.sharedBytes) + " bytes of shared memory, at most " +
                    number(maxShared) + " are allowed");
      if (k.cluster < 1 || k.cluster > maxCluster)
        return fail(where + " has clusters of " + number(k.cluster) + ", expected 1.." + number(maxCluster));
    }
    return true;
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

  bool checkLaunches() {
    for (const EntryPoint &e : m.entries)
      for (size_t i = 0; i < e.launches.size(); ++i) {
        const Launch &l = e.launches[i];
        const std::string where = "launch " + number(i) + " " + quoted(l.name);
        if (l.gpu.variants.empty())
          continue;
        if (l.gpu.variants.size() > maxVariants)
          return fail(where + " has " + number(l.gpu.variants.size()) + " GPU variants, at most " +
                      number(maxVariants) + " are allowed");
        if (!checkRange(l.gpu.m, 0, maxM, where + ", GPU rows"))
          return false;
        for (size_t v = 0; v < l.gpu.variants.size(); ++v)
          if (!checkVariant(l, l.gpu.variants[v], where + ", GPU variant " + number(v)))
            return false;
      }
    return true;
  }

  bool checkVariant(const Launch &l, const GpuVariant &v, const std::string &where) {
    if (v.kernel >= m.gpuKernels.size())
      return fail(where + " refers to GPU kernel " + number(v.kernel) + " of " + number(m.gpuKernels.size()));
    if (v.mLo < 0 || v.mHi < 0 || (v.mHi && v.mHi < v.mLo))
      return fail(where + " serves " + std::to_string(v.mLo) + ".." + std::to_string(v.mHi) +
                  " rows: expected 0 <= lo and hi = 0 (no bound) or hi >= lo");
    // The bounds of an expression are those of all M, not only of the variant's: a grid for one token may be huge when
    // evaluated for many. What does not fit is refused when it would be launched.
    if (!checkRange(v.gridX, INT64_MIN, INT64_MAX, where + ", grid x") ||
        !checkRange(v.gridY, INT64_MIN, INT64_MAX, where + ", grid y"))
      return false;
    uint32_t bytes = 0;
    for (size_t a = 0; a < v.arguments.size(); ++a) {
      const GpuArgument &x = v.arguments[a];
      const bool isMap = x.kind == GpuArgumentKind::BufferMap || x.kind == GpuArgumentKind::WeightMap;
      // Tensor maps are aligned to 64, pointers to 8.
      const uint32_t size = isMap ? 128 : x.kind == GpuArgumentKind::Int32 ? 4 : 8;
      const uint32_t alignment = isMap ? 64 : size;
      bytes = (bytes + alignment - 1) / alignment * alignment + size;
      if (bytes > maxParameterBytes)
        return fail(where + ": its arguments take more than " + number(maxParameterBytes) + " bytes");
      if (!checkArgument(l, x, where + ", argument " + number(a)))
        return false;
    }
    return true;
  }

  bool checkArgument(const Launch &l, const GpuArgument &a, const std::string &where) {
    switch (a.kind) {
    case GpuArgumentKind::Buffer:
    case GpuArgumentKind::BufferMap:
      if (a.index >= l.buffers.size())
        return fail(where + " refers to buffer " + number(a.index) + " of " + number(l.buffers.size()));
      return a.kind == GpuArgumentKind::Buffer || checkMap(a.map, where);
    case GpuArgumentKind::Weight:
    case GpuArgumentKind::WeightMap:
      return checkWeight(a, where) && (a.kind == GpuArgumentKind::Weight || checkMap(a.map, where));
    case GpuArgumentKind::Int32:
      return checkRange(a.value, INT64_MIN, INT64_MAX, where);
    }
    return fail(where + " is of an unknown kind");
  }

  bool checkWeight(const GpuArgument &a, const std::string &where) {
    if (a.index >= m.weights.size())
      return fail(where + " refers to weight " + number(a.index) + " of " + number(m.weights.size()));
    if (a.packing == -1)
      return true;
    if (a.packing < -1 || size_t(a.packing) >= m.packings.size())
      return fail(where + " refers to packing " + std::to_string(a.packing) + " of " + number(m.packings.size()));
    const layout::Packing &p = m.packings[size_t(a.packing)];
    uint64_t bytes;
    if (unsigned(a.order) > unsigned(CanonicalOrder::PanelNibbles) || !canonicalBytes(p, a.order, bytes))
      return fail(where + ": unknown order " + number(unsigned(a.order)) + " of the weight's bytes, or one too large");
    if (bytes > m.weights[a.index].bytes.size())
      return fail(where + ": packing " + std::to_string(a.packing) + " reads " + number(bytes) + " bytes of weight " +
                  quoted(m.weights[a.index].name) + ", which has " + number(m.weights[a.index].bytes.size()));
    return true;
  }

  bool checkMap(const GpuTensorMap &map, const std::string &where) {
    if (map.rank < 1 || map.rank > 5 || map.dims.size() != map.rank || map.box.size() != map.rank ||
        map.strideBytes.size() + 1 != map.rank)
      return fail(where + ": tensor map of rank " + number(map.rank) + " with " + number(map.dims.size()) +
                  " dimensions, " + number(map.strideBytes.size()) + " strides and a box of " + number(map.box.size()) +
                  ", expected rank 1..5 and as many");
    if (map.elementBits != 8 && map.elementBits != 16 && map.elementBits != 32)
      return fail(where + ": tensor map with elements of " + number(map.elementBits) + " bits, expected 8, 16 or 32");
    for (uint32_t i = 0; i < map.rank; ++i)
      if (!checkRange(map.dims[i], 0, maxMapDim, where + ", map dimension " + number(i)) ||
          !checkRange(map.box[i], 0, INT64_MAX, where + ", map box " + number(i)) ||
          (map.box[i].isConstant() && !checkRange(map.box[i], 1, maxBox, where + ", map box " + number(i))) ||
          (i && !checkRange(map.strideBytes[i - 1], 0, maxMapStride, where + ", map stride " + number(i))))
        return false;
    return true;
  }

  const Model &m;
  std::string &error;
  bool hasCode[gpuArchCount] = {};
};
} // namespace

bool bitwright::artifact::verifyGpu(const Model &model, std::string &error) { return GpuVerifier(model, error).run(); }
