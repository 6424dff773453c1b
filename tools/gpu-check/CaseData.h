//===- CaseData.h - operands of a kernel from a seed ------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Both sides of gpu-check make the same operands: the one that asks the interpreter for checksums, and the one that
// runs kernels. Floats that enter a product are small multiples of a quarter, so that every sum of up to 2^14 products
// is exact in float32 in any order: float kernels are compared for equality too, and only what an epilogue rounds is
// rounded. Plain C++, no LLVM.
//
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TOOLS_GPU_CHECK_CASEDATA_H
#define BITWRIGHT_TOOLS_GPU_CHECK_CASEDATA_H

#include <cstdint>
#include <string>
#include <vector>

namespace bitwright::gpucheck {

/// Bits of an element: "i4", "i8", "i16", "i32", "f16", "bf16", "f32".
unsigned bitsOf(const std::string &type);

struct Segment {
  std::string lhs, rhs;
  int64_t k = 0, group = 0;
  std::string grouping, scale; ///< "none", "scale", "scale_zero_point", "two_level"; type of the scales or "-"
};

/// A matrix of constants: signed integers, or bit patterns of floats, row-major.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::string type;
  std::vector<int32_t> values;
  int32_t at(int64_t r, int64_t c) const { return values[size_t(r * columns + c)]; }
};

/// Codes of a segment, its scales (two_level: S), its zero points (two_level: m); empty where the grouping has none.
struct SegmentData {
  Matrix codes, scales, zeroPoints;
};
SegmentData makeSegment(const Segment &segment, int64_t n, uint64_t seed);
/// The M x K left operand as it lies in memory (segments side by side, each in its own type; 4-bit packed).
std::vector<uint8_t> makeLhs(const std::vector<Segment> &segments, int64_t m, uint64_t seed);
/// `count` elements of an operand in [low, high].
std::vector<uint8_t> makeOperand(const std::string &type, int64_t count, double low, double high, uint64_t seed);

/// Bytes of a matrix in its own type, row-major; 4-bit codes one a byte.
std::vector<uint8_t> plainBytes(const Matrix &matrix);

/// FNV-1a, 64 bit.
uint64_t checksum(const uint8_t *bytes, size_t count);

} // namespace bitwright::gpucheck

#endif
