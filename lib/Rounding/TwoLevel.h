//===- TwoLevel.h - integer groups inside an 8-bit row ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// INTEGER R16: w = rowScale * w8, w8 = code * S_g + m_g with unsigned codes of 2 to 4 bits, S_g in 1..17, m_g int16,
// and -128 < w8 <= 127 for every code that occurs. Three encoders (METHODS #36, #37; KERNELS 4.1):
//   liquid  m_g is the smallest level-1 code of the group (LiquidQuant); the default
//   dgq     asymmetric groups by clip search, then the row scale with the least error over all groups (DGQ)
//   qserve  m_g = -z_g * S_g with level-1 codes in +-119 (QServe)
// All are normalised: the smallest code of each group is 0, so m_g fits int8 and four codes in a 32-bit word decode
// with one multiply, one add and one XOR.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_ROUNDING_TWOLEVEL_H
#define BITWRIGHT_LIB_ROUNDING_TWOLEVEL_H

#include "lib/Rounding/ColumnQuantizer.h"
#include "llvm/Support/Error.h"
#include <string>

namespace bitwright {

enum class TwoLevelEncoder { Liquid, Dgq, QServe };

/// Level-1 codes stay in [-119, 119]: the largest bound for which rounding at level 2 keeps every w8 legal.
inline constexpr int32_t twoLevelBound = 119;
inline constexpr int32_t twoLevelMaxScale = 17;

struct TwoLevelOptions {
  TwoLevelEncoder encoder = TwoLevelEncoder::Liquid;
  int bits = 4;            ///< 2 to 4; QServe and DGQ: 4
  int64_t groupSize = 128; ///< the last group may be shorter; 0: one group a row
};

/// Integer parameters of one group.
struct TwoLevelGroup {
  int32_t scale = 1;  ///< S_g
  int32_t offset = 0; ///< m_g
};

struct TwoLevelWeight {
  int64_t rows = 0, columns = 0, groupSize = 0;
  int bits = 4;
  std::vector<uint8_t> codes;        ///< [rows, columns]
  std::vector<float> rowScales;      ///< [rows]
  std::vector<TwoLevelGroup> groups; ///< [rows, ceil(columns / groupSize)]

  int64_t groupsPerRow() const { return (columns + groupSize - 1) / groupSize; }
  const TwoLevelGroup &group(int64_t row, int64_t column) const {
    return groups[size_t(row * groupsPerRow() + column / groupSize)];
  }
  int32_t w8(int64_t row, int64_t column) const {
    const TwoLevelGroup &g = group(row, column);
    return codes[size_t(row * columns + column)] * g.scale + g.offset;
  }
  double value(int64_t row, int64_t column) const { return double(rowScales[size_t(row)]) * w8(row, column); }
};

/// Encodes [rows, columns] row-major weights. `importance` (empty, or one a column: the diagonal of H) weights DGQ's
/// squared errors. The result is normalised and checked. Errors: sizes, NaN or infinity (with the index).
llvm::Expected<TwoLevelWeight> encodeTwoLevel(llvm::StringRef name, llvm::ArrayRef<double> weights, int64_t rows,
                                              int64_t columns, const TwoLevelOptions &options,
                                              llvm::ArrayRef<double> importance = {});

/// Makes the smallest code that occurs in each group 0; w8 of every weight is unchanged.
void normaliseTwoLevel(TwoLevelWeight &weight);

/// R16 on the stored codes (for imported weights as well): sizes, S_g, m_g, codes, and every w8 that occurs. The
/// message names `name`, the row, the group and the code.
llvm::Error checkTwoLevel(llvm::StringRef name, const TwoLevelWeight &weight);

/// The two levels of 8-bit codes [rows, columns] that an encoder above made, found again from the codes alone: m_g is
/// the smallest of the group, S_g the largest in 1..17 of which all distances to it are multiples of at most 2^bits - 1
/// (1 where all are equal), so that codes of an encoder with fewer bits have no more than that. Normalised; row scales
/// are left empty. The error names `name`, the row and the group that has no such S_g.
llvm::Expected<TwoLevelWeight> decomposeTwoLevel(llvm::StringRef name, llvm::ArrayRef<int64_t> w8, int64_t rows,
                                                 int64_t columns, int64_t groupSize, int bits = 4);

/// Integer groups as a column quantizer for GPTQ (liquid encoder): row scales are fixed from the original weights, S_g
/// and m_g are chosen when a group is fitted. Decoded codes are legal by construction.
class TwoLevelColumns : public ColumnQuantizer {
public:
  explicit TwoLevelColumns(int bits = 4) : bits(bits) {}
  std::unique_ptr<ColumnQuantizer> clone() const override { return std::make_unique<TwoLevelColumns>(*this); }
  void begin(const double *weights, int64_t rows, int64_t columns, int64_t groupSize, int64_t groups) override;
  void fit(int64_t row, int64_t group, llvm::ArrayRef<double> weights, llvm::ArrayRef<double> importance) override;
  void round(int64_t firstRow, int64_t group, llvm::ArrayRef<double> values, int32_t *codes,
             double *decoded) const override;
  /// The weight of `codes` [rows, columns], as round() gave them; normalised and checked.
  llvm::Expected<TwoLevelWeight> finish(llvm::StringRef name, llvm::ArrayRef<int32_t> codes) const;

private:
  int bits;
  int64_t rows = 0, columns = 0, groupSize = 0, groupCount = 0;
  std::vector<float> rowScales;
  std::vector<TwoLevelGroup> groups; ///< [rows, groupCount]
};

/// The 32-bit decoding sequence that the kernels ship (KERNELS 4.1): four codes, one a byte, to four signed bytes.
/// Exact for normalised groups whose w8 are legal: no byte carries into the next.
inline uint32_t decodeTwoLevelLanes(uint32_t codes, TwoLevelGroup group) {
  return (codes * uint32_t(group.scale) + 0x01010101u * uint32_t(128 + group.offset)) ^ 0x80808080u;
}

} // namespace bitwright

#endif
