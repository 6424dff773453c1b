//===- Model.cpp - names, sizes, probe and checksum of a model -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Artifact/Model.h"

#include <algorithm>
#include <cstring>

using namespace bitwright::artifact;

static const struct {
  const char *name;
  unsigned bits;
  bool integer;
} elementTypes[elementTypeCount] = {
    {"f32", 32, false}, {"f16", 16, false}, {"bf16", 16, false}, {"s8", 8, true}, {"u8", 8, true}, {"s16", 16, true},
    {"s32", 32, true},  {"s64", 64, true},  {"bool", 8, true},   {"s4", 4, true}, {"u4", 4, true}, {"f64", 64, false},
};
static const char *const isaNames[isaCount] = {"avx2", "avx512vnni", "amx"};

unsigned bitwright::artifact::bitWidth(ElementType type) { return elementTypes[unsigned(type)].bits; }
const char *bitwright::artifact::elementTypeName(ElementType type) { return elementTypes[unsigned(type)].name; }
bool bitwright::artifact::isInteger(ElementType type) { return elementTypes[unsigned(type)].integer; }
const char *bitwright::artifact::isaName(Isa isa) { return isaNames[unsigned(isa)]; }

bool bitwright::artifact::parseIsa(const std::string &name, Isa &isa) {
  for (unsigned i = 0; i < isaCount; ++i)
    if (name == isaNames[i]) {
      isa = Isa(i);
      return true;
    }
  return false;
}

Blob Blob::own(std::vector<uint8_t> bytes) {
  auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
  return Blob(owner->data(), owner->size(), owner);
}

/// Adds one dimension (already rounded up) to a size; false on overflow.
static bool grow(uint64_t &elements, int64_t dim, int64_t multiple) {
  if (dim < 1 || multiple < 1 || dim > INT64_MAX - multiple)
    return false;
  int64_t stored = (dim + multiple - 1) / multiple * multiple;
  return !__builtin_mul_overflow(elements, uint64_t(stored), &elements);
}

static bool toBytes(uint64_t elements, ElementType type, uint64_t &bytes) {
  // 2^56 bytes is beyond any address space; the limit keeps later sums of a few sizes from wrapping.
  if (elements > (uint64_t(1) << 52))
    return false;
  bytes = (elements * bitWidth(type) + 7) / 8;
  return true;
}

bool bitwright::artifact::tensorBytes(const Tensor &t, const int64_t *symbols, size_t symbolCount, uint64_t &bytes) {
  uint64_t elements = 1;
  for (size_t i = 0; i < t.dims.size(); ++i) {
    int64_t v;
    if (!t.dims[i].evaluate(symbols, symbolCount, v) || !grow(elements, v, t.multiples.empty() ? 1 : t.multiples[i]))
      return false;
  }
  return toBytes(elements, t.type, bytes);
}

bool bitwright::artifact::tensorBytesBound(const Tensor &t, const std::vector<Symbol> &symbols, uint64_t &bytes) {
  uint64_t elements = 1;
  for (size_t i = 0; i < t.dims.size(); ++i) {
    int64_t lo, hi;
    if (!t.dims[i].bounds(symbols, lo, hi) || lo < 1 || !grow(elements, hi, t.multiples.empty() ? 1 : t.multiples[i]))
      return false;
  }
  return toBytes(elements, t.type, bytes);
}

void bitwright::artifact::toLogicalOrder(const Tensor &t, const int64_t *dims, const void *from, void *to) {
  const size_t rank = t.dims.size();
  uint64_t count = 1;
  for (size_t i = 0; i < rank; ++i)
    count *= uint64_t(dims[i]);
  const bool identity = t.order.empty() && t.multiples.empty();
  const unsigned bits = bitWidth(t.type);
  if (identity || bits < 8) {
    std::memcpy(to, from, (count * bits + 7) / 8);
    return;
  }
  const size_t size = bits / 8;
  std::vector<uint64_t> stride(rank);
  uint64_t step = 1;
  for (size_t k = rank; k-- > 0;) {
    size_t d = t.order.empty() ? k : t.order[k];
    int64_t m = t.multiples.empty() ? 1 : t.multiples[d];
    stride[d] = step;
    step *= uint64_t((dims[d] + m - 1) / m * m);
  }
  std::vector<int64_t> index(rank, 0);
  const char *source = static_cast<const char *>(from);
  char *target = static_cast<char *>(to);
  for (uint64_t n = 0, at = 0; n < count; ++n) {
    std::memcpy(target + n * size, source + at * size, size);
    for (size_t d = rank; d-- > 0;) {
      at += stride[d];
      if (++index[d] < dims[d])
        break;
      at -= stride[d] * uint64_t(dims[d]);
      index[d] = 0;
    }
  }
}

static uint64_t splitmix64(uint64_t &state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

/// Float to the 16 upper bits of its f32 pattern (bf16) or to f16. Probe values are multiples of 2^-12 that are cut,
/// not rounded, to the narrower type; values outside the normal range of f16 become zero.
static uint16_t toHalf(float value, bool brain) {
  uint32_t u;
  std::memcpy(&u, &value, 4);
  if (brain)
    return uint16_t(u >> 16);
  int exponent = int((u >> 23) & 255) - 127 + 15;
  if (exponent <= 0 || exponent >= 31)
    return uint16_t((u >> 16) & 0x8000);
  return uint16_t(((u >> 16) & 0x8000) | uint32_t(exponent) << 10 | ((u >> 13) & 0x3ff));
}

void bitwright::artifact::fillProbe(const Tensor &t, uint64_t seed, unsigned input, size_t count, void *to) {
  uint64_t state = seed + (uint64_t(input) << 32);
  double lo = -1, hi = 1;
  if (t.scheme.rangeLo < t.scheme.rangeHi && t.scheme.rangeLo >= -65536.0f && t.scheme.rangeHi <= 65536.0f) {
    lo = t.scheme.rangeLo;
    hi = t.scheme.rangeHi;
  }
  const int64_t base = int64_t(lo * 4096), steps = std::max<int64_t>(int64_t(hi * 4096) - base, 1);
  for (size_t i = 0; i < count; ++i) {
    uint64_t r = splitmix64(state) >> 32; // 32 bits
    // Exact: |numerator| <= 2^28, but only 24 bits fit; the conversion rounds to nearest even on every host.
    float f = float(base + int64_t((r * uint64_t(steps)) >> 32)) / 4096.0f;
    switch (t.type) {
    case ElementType::F32:
      static_cast<float *>(to)[i] = f;
      break;
    case ElementType::F64:
      static_cast<double *>(to)[i] = f;
      break;
    case ElementType::F16:
    case ElementType::BF16:
      static_cast<uint16_t *>(to)[i] = toHalf(f, t.type == ElementType::BF16);
      break;
    case ElementType::S8:
    case ElementType::U8:
      static_cast<uint8_t *>(to)[i] = uint8_t(r >> 24);
      break;
    case ElementType::S16:
      static_cast<uint16_t *>(to)[i] = uint16_t(r >> 16);
      break;
    case ElementType::S32:
      static_cast<uint32_t *>(to)[i] = uint32_t(r);
      break;
    case ElementType::S64:
      static_cast<int64_t *>(to)[i] = int64_t(r >> 26);
      break;
    case ElementType::Bool:
      static_cast<uint8_t *>(to)[i] = uint8_t(r >> 31);
      break;
    case ElementType::S4:
    case ElementType::U4: {
      uint8_t &byte = static_cast<uint8_t *>(to)[i / 2];
      byte = i % 2 ? uint8_t((byte & 15) | (r >> 28) << 4) : uint8_t(r >> 28);
      break;
    }
    }
  }
}

uint64_t bitwright::artifact::checksumBytes(const void *data, size_t size) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (size_t i = 0; i < size; ++i)
    h = (h ^ static_cast<const uint8_t *>(data)[i]) * 0x100000001b3ull;
  return h;
}

uint64_t bitwright::artifact::storedBytes(const Weight &weight) {
  uint64_t panelBytes = 0, fileBytes = weight.bytes.size();
  std::string error;
  if (weight.packed.isPacked())
    packedSizes(weight.packed, panelBytes, fileBytes, error); // holds in every verified model
  return fileBytes;
}

uint32_t bitwright::artifact::requiredVersion(const Model &model) {
  for (const Weight &weight : model.weights)
    if (weight.packed.isPacked())
      return 3;
  return 2;
}
