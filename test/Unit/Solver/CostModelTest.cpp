//===- CostModelTest.cpp - bytes, bit operations, live activations -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/CostModel/CostModel.h"
#include "lib/Solver/Solve.h"

#include <gtest/gtest.h>

using namespace bitwright;
using namespace bitwright::solver;

namespace {

TEST(CostModel, BitOperations) { EXPECT_EQ(bitOperations(1'000'000'000'000, 4, 8), 3.2e13); }

TEST(CostModel, FormatNames) {
  EXPECT_EQ(bitsOfFormat("s4"), 4u);
  EXPECT_EQ(bitsOfFormat("u16"), 16u);
  EXPECT_EQ(bitsOfFormat("f32"), 32u);
  EXPECT_EQ(bitsOfFormat("bf16"), 16u);
  EXPECT_EQ(bitsOfFormat("s4g128"), 4u);
  for (const char *name : {"", "s", "8", "s0", "s4x", "s4g", "bf8", "x8", "s9"})
    EXPECT_EQ(bitsOfFormat(name), std::nullopt) << name;
}

AllocationProblem twoGroups() {
  AllocationProblem problem;
  for (const char *name : {"a", "b"}) {
    Group group;
    group.name = name;
    group.choices.push_back({"s8", "s8", 1, {}, {}});
    group.choices.push_back({"s8", "s16", 0, {}, {}});
    problem.groups.push_back(group);
  }
  return problem;
}

TEST(ActivationMemory, Points) {
  AllocationProblem problem = twoGroups();
  // Steps 0..3; the input (f32, 100 elements: 400 bytes, 448 aligned) is alive at 0, a's output at 0..2, b's at 1..3.
  std::vector<LiveTensor> tensors = {{"x", 0, 0, 100, -1, 32}, {"a", 0, 2, 1000, 0, 0}, {"b", 1, 3, 2000, 1, 0}};
  ASSERT_FALSE(addActivationMemory(problem, {"s0", "s1", "s2", "s3"}, tensors));
  // s2 equals s1, s3 is within it; s0 is not, because of the input.
  ASSERT_EQ(problem.memoryPoints.size(), 2u);
  EXPECT_EQ(problem.memoryPoints[0].name, "s0");
  EXPECT_EQ(problem.memoryPoints[0].fixed, 448);
  EXPECT_EQ(problem.memoryPoints[1].name, "s1");
  using Memory = std::vector<std::pair<unsigned, double>>;
  EXPECT_EQ(problem.groups[0].choices[0].memory, (Memory{{0, 1024}, {1, 1024}}));
  EXPECT_EQ(problem.groups[0].choices[1].memory, (Memory{{0, 2048}, {1, 2048}})); // 2000 bytes
  EXPECT_EQ(problem.groups[1].choices[1].memory, (Memory{{1, 4032}}));            // 4000 bytes

  // s1: a 2048 + b 2048 fits 4096; b at 16 bits (4032) with a at 8 (1024) does not.
  Plan plan = llvm::cantFail(solve(problem, llvm::cantFail(parseBudgets("peak_memory <= 4096 B"))));
  EXPECT_EQ(plan.choices, (std::vector<unsigned>{1, 0}));
  EXPECT_EQ(plan.budgets[0].used, 2048 + 2048);
}

TEST(ActivationMemory, Messages) {
  AllocationProblem problem = twoGroups();
  auto errorOf = [&](LiveTensor tensor) {
    return llvm::toString(addActivationMemory(problem, {"s0", "s1"}, {tensor}));
  };
  EXPECT_EQ(errorOf({"t", 1, 2, 10, 0, 0}), "tensor 't': expected a live range within the 2 steps, found 1 to 2");
  EXPECT_EQ(errorOf({"t", 1, 0, 10, 0, 0}), "tensor 't': expected a live range within the 2 steps, found 1 to 0");
  EXPECT_EQ(errorOf({"t", 0, 1, 10, 5, 0}), "tensor 't': there is no group 5; there are 2");
  problem.groups[1].choices[0].activation = "odd";
  EXPECT_EQ(errorOf({"t", 0, 1, 10, 1, 0}), "group 'b': the width of the activation format 'odd' is not known");
}

} // namespace
