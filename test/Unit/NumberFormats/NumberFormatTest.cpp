//===- NumberFormatTest.cpp - codes and the values they stand for -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/NumberFormats/NumberFormat.h"
#include "lib/Numerics/Integer.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace bitwright;

namespace {

const TableFormat &e2m1() {
  static const TableFormat format("e2m1", {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -1.5, -2, -3, -4, -6});
  return format;
}

TEST(NumberFormat, NamesAndLimits) {
  struct Row {
    const char *name;
    unsigned bits;
    double lowest, highest;
  };
  for (const Row &row :
       {Row{"s2", 2, -2, 1}, Row{"s3", 3, -4, 3}, Row{"s4", 4, -8, 7}, Row{"s5", 5, -16, 15}, Row{"s6", 6, -32, 31},
        Row{"s7", 7, -64, 63}, Row{"s8", 8, -128, 127}, Row{"s16", 16, -32768, 32767}, Row{"u2", 2, 0, 3},
        Row{"u3", 3, 0, 7}, Row{"u4", 4, 0, 15}, Row{"u5", 5, 0, 31}, Row{"u6", 6, 0, 63}, Row{"u7", 7, 0, 127},
        Row{"u8", 8, 0, 255}, Row{"u16", 16, 0, 65535}}) {
    SCOPED_TRACE(row.name);
    const NumberFormat *format = lookupFormat(row.name);
    ASSERT_TRUE(format);
    EXPECT_EQ(format->getName(), row.name);
    EXPECT_EQ(format->getBits(), row.bits);
    EXPECT_EQ(format->lowestValue(), row.lowest);
    EXPECT_EQ(format->highestValue(), row.highest);
    EXPECT_EQ(bitsOf(row.name), int(row.bits));
    EXPECT_EQ(&integerFormat(row.name), format);
    EXPECT_EQ(&integerFormat(row.lowest < 0, row.bits), format);
  }
  EXPECT_EQ(formatNames().size(), 16u);
}

TEST(NumberFormat, UnknownNamesListTheKnownOnes) {
  for (const char *name : {"", "s", "s1", "s9", "s17", "u32", "f8", "s08x", "S8"}) {
    EXPECT_FALSE(lookupFormat(name)) << name;
    auto found = findFormat(name);
    ASSERT_FALSE(bool(found)) << name;
    EXPECT_EQ(llvm::toString(found.takeError()),
              "expected a number format (s2, s3, s4, s5, s6, s7, s8, s16, u2, u3, u4, u5, u6, u7, u8, u16), found '" +
                  std::string(name) + "'");
  }
}

/// Checks encode against a search over all codes.
void expectNearest(const NumberFormat &format, double value) {
  double best = HUGE_VAL;
  int64_t expected = 0;
  for (int64_t code : format.codes()) {
    double distance = std::fabs(format.decode(code) - value);
    if (distance < best || (distance == best && code % 2 == 0)) {
      best = distance;
      expected = code;
    }
  }
  EXPECT_EQ(format.encode(value), expected) << format.getName().str() << " " << value;
}

TEST(NumberFormat, EncodeIsTheNearestCodeTiesToEven) {
  std::vector<const NumberFormat *> formats = {&e2m1()};
  for (llvm::StringRef name : formatNames())
    if (lookupFormat(name)->getBits() <= 8)
      formats.push_back(lookupFormat(name));
  for (const NumberFormat *format : formats) {
    double low = format->lowestValue(), high = format->highestValue();
    // Quarter steps: codes, ties and points between them, and some beyond both ends. All exact in double.
    for (double value = low - 3; value <= high + 3; value += 0.125)
      expectNearest(*format, value);
    for (int64_t code : format->codes())
      EXPECT_EQ(format->encode(format->decode(code)), code) << format->getName().str();
    EXPECT_EQ(format->decode(format->encode(HUGE_VAL)), high);
    EXPECT_EQ(format->decode(format->encode(-HUGE_VAL)), low);
  }
  const NumberFormat &wide = *lookupFormat("s16");
  for (double value : {-40000.0, -32768.0, -0.5, 0.5, 1.5, 2.5, 32766.5, 32767.5})
    expectNearest(wide, value);
}

TEST(NumberFormat, ExactIn) {
  auto exact = [](const char *values, const char *storage) {
    return isExactIn(integerFormat(values), integerFormat(storage));
  };
  EXPECT_TRUE(exact("s3", "s4") && exact("s4", "s4") && exact("u4", "s8") && exact("u8", "s16") && exact("u4", "u8"));
  EXPECT_FALSE(exact("u4", "s4") || exact("s4", "u8") || exact("s8", "s4") || exact("u16", "s16"));
  EXPECT_FALSE(isExactIn(e2m1(), integerFormat("s4")));
  TableFormat powers("powers", {0, 1, 2, 4, -1, -2, -4});
  EXPECT_TRUE(isExactIn(powers, integerFormat("s4")));
  EXPECT_EQ(powers.getBits(), 3u);
}

TEST(NumberFormat, StorageOfCodes) {
  const char *rows[][2] = {{"s2", "s4"},   {"s4", "s4"}, {"s5", "s8"}, {"s8", "s8"},
                           {"s16", "s16"}, {"u3", "u4"}, {"u6", "u8"}, {"u16", "u16"}};
  for (auto &row : rows)
    EXPECT_EQ(storageOfCodes(integerFormat(row[0])).getName(), row[1]) << row[0];
}

TEST(NumberFormat, LargestDepthOfExactSums) {
  auto depth = [](const char *a, const char *b, unsigned bits = 32) {
    return largestExactDepth(integerFormat(a), integerFormat(b), bits);
  };
  // The table of INTEGER R14. It counts s8 x s8, s16 x s8 and s16 x s16 with codes down to the lowest.
  EXPECT_EQ(depth("u8", "s8"), 65793);
  EXPECT_EQ(depth("s8", "s8"), 131071);
  EXPECT_EQ(depth("s8", "s4"), 2097151);
  EXPECT_EQ(depth("s16", "s8"), 511);
  EXPECT_EQ(depth("s16", "s16"), 1);
  // Exact in float32 as long as every partial sum stays under 2^24.
  EXPECT_EQ(depth("s8", "s8", 25), 1023);
  for (llvm::StringRef a : formatNames())
    for (llvm::StringRef b : formatNames()) {
      const IntegerFormat &x = integerFormat(a), &w = integerFormat(b);
      int64_t k = largestExactDepth(x, w);
      EXPECT_TRUE(numerics::fitsAccumulator(k, x.largestMagnitude(), w.largestMagnitude())) << a.str() << b.str();
      EXPECT_FALSE(numerics::fitsAccumulator(k + 1, x.largestMagnitude(), w.largestMagnitude())) << a.str() << b.str();
    }
}

} // namespace
