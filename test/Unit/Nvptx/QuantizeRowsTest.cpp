//===- QuantizeRowsTest.cpp - per-token quantization at its edges -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// INTEGER Q3 bit for bit where random data never goes: NaN, infinities, rows of zeros and subnormal numbers, scales at
// and beyond the ends of the range that is done without a division, and quotients that are ties or next to one.
//
//===----------------------------------------------------------------------===//

#include "GemmCase.h"
#include "lib/Target/Nvptx/EmulatorTrial.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

namespace {

/// Values of one row, cyclic over `patterns`.
float edgeValue(unsigned pattern, Random &random) {
  auto between = [&](double low, double high) { return float(random.real(low, high)); };
  switch (pattern) {
  case 0: // some NaN
    return random.between(0, 9) == 0 ? NAN : between(-3, 3);
  case 1: // some infinities
    return random.between(0, 9) == 0 ? -INFINITY : between(-3, 3);
  case 2:
    return random.between(0, 1) ? 0.0f : -0.0f;
  case 3: // subnormal: the scale is 2^-100 / 127
    return std::ldexp(between(-1, 1), -130);
  case 4: // near the least scale
    return std::ldexp(between(-1, 1), -98);
  case 5: // both sides of 2^-60 * 127
    return std::ldexp(between(-140, 140), -60);
  case 6: // both sides of 2^60 * 127
    return std::ldexp(between(-140, 140), 60);
  case 7:
    return std::ldexp(between(-1, 1), 127);
  case 8: // ties of scale 1, and their neighbours
  case 9: {
    float tie = float(random.between(-127, 126)) + 0.5f;
    int64_t step = pattern == 8 ? 0 : random.between(-1, 1);
    return step ? std::nextafterf(tie, step * INFINITY) : tie;
  }
  default:
    return NAN; // a row of nothing else
  }
}
constexpr unsigned patterns = 11;

TEST(QuantizeRows, EdgesOfFloats) {
  MLIRContext context;
  loadDialects(context);
  for (const char *n : {"24", "33", "1024"}) {
    std::string text =
        std::string("kernel.rows @q n ") + n +
        " operands [#kernel.operand<element, f32>] results [i8] quantize schedules [#kernel.schedule<arch = "
        "\"sm_90a\", kind = rows>] {\n^bb0(%x: f32):\n  kernel.emit %x : f32\n}\n";
    auto module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    auto op = *module->getOps<kernel::RowsOp>().begin();
    for (unsigned pattern = 0; pattern < patterns; ++pattern) {
      TrialOptions options;
      options.m = 3, options.seed = pattern + 1;
      unsigned count = 0;
      options.operand = [&](unsigned, Random &random) {
        float value = edgeValue(pattern, random);
        if ((pattern == 8 || pattern == 9) && count++ % 8 == 0)
          value = 127; // in every row, for a scale of exactly 1
        return uint64_t(llvm::bit_cast<uint32_t>(value));
      };
      EXPECT_EQ(tryKernel(op, cast<kernel::ScheduleAttr>((*op.getSchedules())[0]), options), "")
          << "n = " << n << ", pattern " << pattern;
    }
  }
}

} // namespace
