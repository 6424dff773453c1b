//===- CaseData.cpp - operands of a kernel from a seed ----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "tools/gpu-check/CaseData.h"
#include "lib/Numerics/Half.h"

#include <cstring>

using namespace bitwright::gpucheck;
using namespace bitwright::numerics;

namespace {
/// splitmix64.
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int64_t between(int64_t low, int64_t high) { return low + int64_t(next() % uint64_t(high - low + 1)); }
  double unit() { return double(next() >> 11) * 0x1p-53; }
};

bool isFloat(const std::string &type) { return type[0] == 'f' || type[0] == 'b'; }
uint32_t floatPattern(const std::string &type, float value) {
  return type == "f16" ? halfFromFloat(value) : type == "bf16" ? bfloat16FromFloat(value) : floatBits(value);
}
void append(std::vector<uint8_t> &bytes, uint32_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i)
    bytes.push_back(uint8_t(value >> (8 * i)));
}
} // namespace

unsigned bitwright::gpucheck::bitsOf(const std::string &type) {
  return type == "i4" ? 4 : type == "i8" ? 8 : type == "f32" || type == "i32" ? 32 : 16;
}

SegmentData bitwright::gpucheck::makeSegment(const Segment &s, int64_t n, uint64_t seed) {
  Random random{seed};
  SegmentData data;
  int64_t groups = s.group ? s.k / s.group : 0;
  data.codes = {n, s.k, s.rhs, {}};
  data.codes.values.reserve(size_t(n * s.k));
  bool twoLevel = s.grouping == "two_level";
  for (int64_t i = 0; i < n * s.k; ++i) {
    if (isFloat(s.rhs))
      data.codes.values.push_back(int32_t(floatPattern(s.rhs, float(random.between(-8, 8)) / 4)));
    else if (s.rhs == "i4")
      data.codes.values.push_back(int32_t(twoLevel ? random.between(0, 15) : random.between(-8, 7)));
    else // beside floats a byte keeps few bits, so that sums stay exact
      data.codes.values.push_back(int32_t(isFloat(s.lhs) ? random.between(-32, 31) : random.between(-128, 127)));
  }
  if (!groups)
    return data;
  data.scales = {n, groups, twoLevel ? "i8" : s.scale, {}};
  if (s.grouping != "scale")
    data.zeroPoints = {n, groups, twoLevel ? "i16" : "i8", {}};
  for (int64_t i = 0; i < n * groups; ++i) {
    if (twoLevel) {
      int32_t scale = int32_t(random.between(1, 16));
      data.scales.values.push_back(scale);
      data.zeroPoints.values.push_back(int32_t(random.between(-127, 127 - 15 * scale)));
      continue;
    }
    data.scales.values.push_back(int32_t(floatPattern(s.scale, float(random.between(1, 8)) / 4)));
    if (s.grouping == "scale_zero_point")
      data.zeroPoints.values.push_back(int32_t(random.between(-8, 7)));
  }
  return data;
}

std::vector<uint8_t> bitwright::gpucheck::makeLhs(const std::vector<Segment> &segments, int64_t m, uint64_t seed) {
  Random random{seed ^ 0x1234567};
  std::vector<uint8_t> bytes;
  for (int64_t row = 0; row < m; ++row)
    for (const Segment &s : segments)
      for (int64_t k = 0; k < s.k; ++k) {
        if (isFloat(s.lhs))
          append(bytes, floatPattern(s.lhs, float(random.between(-8, 8)) / 4), bitsOf(s.lhs) / 8);
        else if (s.lhs == "i8") // beside scales the sums are floats: 5 bits keep them exact
          append(bytes, uint32_t(s.grouping[0] == 's' ? random.between(-16, 15) : random.between(-128, 127)), 1);
        else if (k % 2 == 0)
          bytes.push_back(uint8_t(random.between(-8, 7) & 15));
        else
          bytes.back() |= uint8_t(random.between(-8, 7) << 4);
      }
  return bytes;
}

std::vector<uint8_t> bitwright::gpucheck::makeOperand(const std::string &type, int64_t count, double low, double high,
                                                      uint64_t seed) {
  Random random{seed ^ 0x7654321};
  std::vector<uint8_t> bytes;
  for (int64_t i = 0; i < count; ++i) {
    if (isFloat(type))
      append(bytes, floatPattern(type, float(low + (high - low) * random.unit())), bitsOf(type) / 8);
    else
      append(bytes, uint32_t(random.between(int64_t(low), int64_t(high))), bitsOf(type) / 8);
  }
  return bytes;
}

std::vector<uint8_t> bitwright::gpucheck::plainBytes(const Matrix &matrix) {
  unsigned size = matrix.type == "i4" ? 1 : bitsOf(matrix.type) / 8;
  std::vector<uint8_t> bytes;
  bytes.reserve(matrix.values.size() * size);
  for (int32_t value : matrix.values)
    append(bytes, uint32_t(value), size);
  return bytes;
}

uint64_t bitwright::gpucheck::checksum(const uint8_t *bytes, size_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < count; ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}
