//===- NumberFormat.h - codes and the values they stand for ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The registry of number formats (METHODS M2). A format is a list of code values in units of a scale; scales, zero
// points and groups belong to #qnn.scheme. Whatever needs a width, a limit or the nearest code asks here, so that a new
// family is one class and one line in the registry.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_NUMBERFORMATS_NUMBERFORMAT_H
#define BITWRIGHT_LIB_NUMBERFORMATS_NUMBERFORMAT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace bitwright {

class NumberFormat {
public:
  virtual ~NumberFormat() = default;
  llvm::StringRef getName() const { return name; }
  /// Width of a stored code.
  unsigned getBits() const { return bits; }
  /// The code whose value is nearest: of two equally near ones the even code, beyond the ends the code at the end.
  /// `value` is not NaN.
  virtual int64_t encode(double value) const = 0;
  /// `code` is one that encode returns.
  virtual double decode(int64_t code) const = 0;
  /// All codes, in the order of their values.
  virtual std::vector<int64_t> codes() const = 0;
  double lowestValue() const { return decode(lowestCode); }
  double highestValue() const { return decode(highestCode); }

protected:
  NumberFormat(std::string name, unsigned bits, int64_t lowestCode, int64_t highestCode)
      : name(std::move(name)), bits(bits), lowestCode(lowestCode), highestCode(highestCode) {}
  std::string name;
  unsigned bits;
  int64_t lowestCode, highestCode; ///< codes of the smallest and the largest value
};

/// s2 to s8, s16 (two's complement) and u2 to u8, u16: the code is its value.
class IntegerFormat final : public NumberFormat {
public:
  IntegerFormat(bool isSigned, unsigned bits);
  int64_t encode(double value) const override;
  double decode(int64_t code) const override { return double(code); }
  std::vector<int64_t> codes() const override;

  bool isSigned() const { return lowestCode < 0; }
  int64_t lowest() const { return lowestCode; }
  int64_t highest() const { return highestCode; }
  /// The largest magnitude of a code: 128 for s8.
  int64_t largestMagnitude() const { return isSigned() ? -lowestCode : highestCode; }
};

/// Any values: a minifloat, NF4, powers of two. A code is the index into the sorted values.
class TableFormat final : public NumberFormat {
public:
  /// `values`: finite, at least one of them not zero; sorted here.
  TableFormat(std::string name, std::vector<double> values);
  int64_t encode(double value) const override;
  double decode(int64_t code) const override { return values[size_t(code)]; }
  std::vector<int64_t> codes() const override;

private:
  std::vector<double> values, midpoints;
};

/// The registered format of that name, or null.
const NumberFormat *lookupFormat(llvm::StringRef name);
/// The same; the error lists the names that are known.
llvm::Expected<const NumberFormat *> findFormat(llvm::StringRef name);
/// The registered names: by family, then by width.
llvm::ArrayRef<llvm::StringRef> formatNames();

/// The integer format of a checked name (a recipe or an attribute was verified before): anything else ends the program.
const IntegerFormat &integerFormat(llvm::StringRef name);
const IntegerFormat &integerFormat(bool isSigned, unsigned bits);

/// Width of a checked format name ("s8": 8); as integerFormat.
int bitsOf(llvm::StringRef format);

/// Whether every value of `values` is a value of `storage`: s3 in s4, u4 in s8 but not in s4.
bool isExactIn(const NumberFormat &values, const NumberFormat &storage);

/// The narrowest of the stored integers (s4, s8, s16; u4, u8, u16) that holds every code: s4 for s3, s8 for s5.
const IntegerFormat &storageOfCodes(const IntegerFormat &format);

/// The largest K for which a sum of K products of codes has a magnitude below 2^(accumulatorBits - 1), whatever the
/// codes: the generic bound of INTEGER R14 for 32 bits, of exact float32 sums for 25 (integers up to 2^24).
int64_t largestExactDepth(const IntegerFormat &a, const IntegerFormat &b, unsigned accumulatorBits = 32);

} // namespace bitwright

#endif
