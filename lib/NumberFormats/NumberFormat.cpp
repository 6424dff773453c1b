//===- NumberFormat.cpp - codes and the values they stand for ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/NumberFormats/NumberFormat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include <algorithm>
#include <cmath>
#include <memory>

namespace bitwright {

static int64_t lowestOf(bool isSigned, unsigned bits) { return isSigned ? -(int64_t(1) << (bits - 1)) : 0; }

IntegerFormat::IntegerFormat(bool isSigned, unsigned bits)
    : NumberFormat((isSigned ? "s" : "u") + std::to_string(bits), bits, lowestOf(isSigned, bits),
                   (int64_t(1) << (isSigned ? bits - 1 : bits)) - 1) {}

int64_t IntegerFormat::encode(double value) const {
  return int64_t(std::min(std::max(std::nearbyint(value), double(lowestCode)), double(highestCode)));
}

std::vector<int64_t> IntegerFormat::codes() const {
  std::vector<int64_t> all;
  for (int64_t code = lowestCode; code <= highestCode; ++code)
    all.push_back(code);
  return all;
}

static unsigned bitsForCodes(size_t count) {
  unsigned bits = 1;
  while ((size_t(1) << bits) < count)
    ++bits;
  return bits;
}

TableFormat::TableFormat(std::string name, std::vector<double> list)
    : NumberFormat(std::move(name), bitsForCodes(list.size()), 0, int64_t(list.size()) - 1), values(std::move(list)) {
  std::sort(values.begin(), values.end());
  for (size_t i = 1; i < values.size(); ++i)
    midpoints.push_back(values[i - 1] / 2 + values[i] / 2);
}

int64_t TableFormat::encode(double value) const {
  auto above = std::lower_bound(midpoints.begin(), midpoints.end(), value);
  int64_t code = above - midpoints.begin();
  // On a midpoint the lower neighbour was found: the even one of the two.
  return code + (above != midpoints.end() && *above == value && code % 2);
}

std::vector<int64_t> TableFormat::codes() const {
  std::vector<int64_t> all(values.size());
  for (size_t i = 0; i < all.size(); ++i)
    all[i] = int64_t(i);
  return all;
}

//===----------------------------------------------------------------------===//
// Registry
//===----------------------------------------------------------------------===//

namespace {
struct Registry {
  std::vector<std::unique_ptr<NumberFormat>> formats;
  std::vector<llvm::StringRef> names;
  /// By sign and width.
  const IntegerFormat *integers[2][17] = {};

  Registry() {
    for (bool isSigned : {true, false})
      for (unsigned bits : {2, 3, 4, 5, 6, 7, 8, 16}) {
        auto format = std::make_unique<IntegerFormat>(isSigned, bits);
        integers[isSigned][bits] = format.get();
        formats.push_back(std::move(format));
      }
    for (const auto &format : formats)
      names.push_back(format->getName());
  }
};
} // namespace

static const Registry &registry() {
  static const Registry instance;
  return instance;
}

const NumberFormat *lookupFormat(llvm::StringRef name) {
  for (const auto &format : registry().formats)
    if (format->getName() == name)
      return format.get();
  return nullptr;
}

llvm::Expected<const NumberFormat *> findFormat(llvm::StringRef name) {
  if (const NumberFormat *format = lookupFormat(name))
    return format;
  return llvm::createStringError("expected a number format (" + llvm::join(registry().names, ", ") + "), found '" +
                                 name + "'");
}

llvm::ArrayRef<llvm::StringRef> formatNames() { return registry().names; }

const IntegerFormat &integerFormat(llvm::StringRef name) {
  unsigned bits = 0;
  bool known = !name.empty() && (name[0] == 's' || name[0] == 'u') && !name.drop_front().getAsInteger(10, bits) &&
               bits <= 16 && registry().integers[name[0] == 's'][bits];
  if (!known)
    llvm::report_fatal_error(llvm::Twine(llvm::toString(findFormat(name).takeError())));
  return *registry().integers[name[0] == 's'][bits];
}

const IntegerFormat &integerFormat(bool isSigned, unsigned bits) {
  return integerFormat((isSigned ? "s" : "u") + std::to_string(bits));
}

int bitsOf(llvm::StringRef format) { return int(integerFormat(format).getBits()); }

//===----------------------------------------------------------------------===//
// Exactness
//===----------------------------------------------------------------------===//

bool isExactIn(const NumberFormat &values, const NumberFormat &storage) {
  return llvm::all_of(values.codes(), [&](int64_t code) {
    double value = values.decode(code);
    return storage.decode(storage.encode(value)) == value;
  });
}

const IntegerFormat &storageOfCodes(const IntegerFormat &format) {
  for (unsigned bits : {4, 8})
    if (const IntegerFormat &storage = integerFormat(format.isSigned(), bits); isExactIn(format, storage))
      return storage;
  return integerFormat(format.isSigned(), 16);
}

int64_t largestExactDepth(const IntegerFormat &a, const IntegerFormat &b, unsigned accumulatorBits) {
  int64_t limit = (int64_t(1) << (accumulatorBits - 1)) - 1;
  return limit / (a.largestMagnitude() * b.largestMagnitude());
}

} // namespace bitwright
