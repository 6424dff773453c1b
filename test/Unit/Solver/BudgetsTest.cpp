//===- BudgetsTest.cpp - budgets as text -------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/Solver/RandomProblem.h"

#include <gtest/gtest.h>

using namespace bitwright::solver;

namespace {

Budget one(const std::string &text) {
  llvm::Expected<std::vector<Budget>> budgets = parseBudgets(text);
  if (!budgets) {
    ADD_FAILURE() << llvm::toString(budgets.takeError());
    return {};
  }
  EXPECT_EQ(budgets->size(), 1u);
  return budgets->front();
}

TEST(Budgets, Quantities) {
  Budget size = one("size<=12MB");
  EXPECT_EQ(size.kind, Budget::Metric);
  EXPECT_EQ(size.name, "bytes");
  EXPECT_EQ(size.limit, 12e6);
  EXPECT_EQ(size.print(11.5e6), "11.5 MB");
  EXPECT_EQ(one(" size <= 1.5 KiB ").limit, 1536);
  EXPECT_EQ(one("latency <= 500 us").limit, 0.5);
  EXPECT_EQ(one("latency:decode <= 2 s").limit, 2000);
  EXPECT_EQ(one("latency:decode <= 2 s").name, "latency:decode");
  EXPECT_EQ(one("bops <= 3 G").limit, 3e9);
  EXPECT_EQ(one("energy <= 1e3").limit, 1000);
  EXPECT_EQ(one("average_bits[content]<=4.5").set, "content");
  EXPECT_EQ(one("average_bits[content]<=4.5").quantity(), "average_bits[content]");
  EXPECT_TRUE(one("latency >= 1").lower);
  Budget count = one("count( */s16 ) <= 3");
  EXPECT_EQ(count.kind, Budget::Count);
  EXPECT_EQ(count.name, "*/s16");
  Budget part = one("size <= 60%");
  EXPECT_TRUE(part.relative);
  EXPECT_EQ(part.limit, 0.6);
  llvm::Expected<std::vector<Budget>> several = parseBudgets("size<=12MB,latency<=5ms,average_bits<=4.5");
  ASSERT_TRUE(bool(several));
  EXPECT_EQ(several->size(), 3u);
}

std::string errorOf(const std::string &text) {
  llvm::Expected<std::vector<Budget>> budgets = parseBudgets(text);
  return budgets ? "no error" : llvm::toString(budgets.takeError());
}

TEST(Budgets, Messages) {
  EXPECT_EQ(errorOf(""), "expected a budget such as 'size <= 12 MB', found nothing");
  EXPECT_EQ(errorOf("size<=1MB,"), "expected a budget such as 'size <= 12 MB', found nothing");
  EXPECT_EQ(errorOf("<= 3"), "budget '<= 3': expected a quantity (size, bops, latency, average_bits, peak_memory, "
                             "count(FORMAT)), found '<= 3'");
  EXPECT_EQ(errorOf("size 12"), "budget 'size 12': expected '<=' or '>=', found '12'");
  EXPECT_EQ(errorOf("size <= many"), "budget 'size <= many': expected a number after '<=', found 'many'");
  EXPECT_EQ(errorOf("size <= 1e999"), "budget 'size <= 1e999': expected a number after '<=', found '1e999'");
  EXPECT_EQ(errorOf("size <= 12 ms"),
            "budget 'size <= 12 ms': unknown unit 'ms'; expected one of B, kB, KB, MB, GB, KiB, MiB, GiB, %");
  EXPECT_EQ(errorOf("average_bits <= 4 B"),
            "budget 'average_bits <= 4 B': unknown unit 'B'; average_bits takes none, or %");
  EXPECT_EQ(errorOf("count s4 <= 3"),
            "budget 'count s4 <= 3': expected a format in parentheses, as in 'count(s4) <= 3'");
  EXPECT_EQ(errorOf("count() <= 3"), "budget 'count() <= 3': expected a format in the parentheses, found nothing");
  EXPECT_EQ(errorOf("count(s4) <= 3%"), "budget 'count(s4) <= 3%': a percentage is not possible for count(s4)");
  EXPECT_EQ(errorOf("size <= 120 %"), "budget 'size <= 120 %': expected a percentage between 0 and 100, found 120");
  EXPECT_EQ(errorOf("size[a <= 3"), "budget 'size[a <= 3': expected ']' after the name of the set");
  EXPECT_EQ(errorOf("size[] <= 3"),
            "budget 'size[] <= 3': expected the name of a set between '[' and ']', found nothing");
  EXPECT_EQ(errorOf("peak_memory[a] <= 3"),
            "budget 'peak_memory[a] <= 3': peak_memory holds for the whole program; it takes no set");
  EXPECT_EQ(errorOf("peak_memory >= 3"),
            "budget 'peak_memory >= 3': peak_memory can only be limited from above ('<=')");
}

std::string checked(const std::string &text) {
  test::Random random(1);
  AllocationProblem problem = test::makeProblem(random, {2, 2, false, false});
  problem.groups[0].set = "first";
  if (text.find("bits") != std::string::npos)
    for (Group &group : problem.groups)
      group.elements = 0;
  llvm::Error error = checkBudgets(problem, llvm::cantFail(parseBudgets(text)));
  return error ? llvm::toString(std::move(error)) : "no error";
}

TEST(Budgets, MessagesAboutAProblem) {
  EXPECT_EQ(checked("size[first] <= 1"), "no error");
  EXPECT_EQ(checked("bops <= 1"), "budget 'bops <= 1': the choices have no figure 'bops'; they have: bytes, latency");
  EXPECT_EQ(checked("size[second] <= 1"), "budget 'size[second] <= 1': no group is in a set 'second'; sets: first");
  EXPECT_EQ(checked("count(s3) <= 1"),
            "budget 'count(s3) <= 1': no choice has the format 's3'; weight formats: s4, s8");
  EXPECT_EQ(checked("peak_memory <= 1"), "budget 'peak_memory <= 1': the problem has no memory points");
  EXPECT_EQ(checked("average_bits <= 4"), "budget 'average_bits <= 4': no group says how many elements it has");
}

} // namespace
