//===- GoldenTest.cpp - published allocations, solved again ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The sensitivity tables of HAWQ-V3 (18 programs) and MixDQ (10), test/Inputs/golden/README.md. Each optimum was found
// by another solver; the plans must be the same bit for bit (HAWQ-V3, MixDQ quality) or at least as good (MixDQ
// content, where several plans are within 1e-9), and each program must take less than a second.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/Solve.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

using namespace bitwright::solver;
namespace json = llvm::json;

namespace {

json::Value readGolden(const std::string &name) {
  std::ifstream file(std::string(BITWRIGHT_GOLDEN_INPUTS) + "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  llvm::Expected<json::Value> value = json::parse(text.str());
  if (!value) {
    ADD_FAILURE() << name << ": " << llvm::toString(value.takeError());
    return nullptr;
  }
  return std::move(*value);
}

std::vector<double> numbers(const json::Array &array) {
  std::vector<double> values;
  for (const json::Value &value : array)
    values.push_back(*value.getAsNumber());
  return values;
}

std::string exact(double value) {
  char text[40];
  snprintf(text, sizeof text, "%.17g", value);
  return text;
}

Plan solveTimed(const AllocationProblem &problem, const std::string &budgets) {
  auto start = std::chrono::steady_clock::now();
  llvm::Expected<std::vector<Budget>> parsed = parseBudgets(budgets);
  if (!parsed) {
    ADD_FAILURE() << llvm::toString(parsed.takeError());
    return {};
  }
  llvm::Expected<Plan> plan = solve(problem, *parsed);
  if (!plan) {
    ADD_FAILURE() << llvm::toString(plan.takeError());
    return {};
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_LT(seconds, 1.0) << plan->method;
  EXPECT_EQ(plan->status, Plan::Status::Optimal) << "gap " << plan->gap;
  ::testing::Test::RecordProperty("milliseconds", int(1000 * seconds));
  ::testing::Test::RecordProperty("method", plan->method);
  return std::move(*plan);
}

std::vector<int> bitsOf(const AllocationProblem &problem, const Plan &plan) {
  std::vector<int> bits;
  for (unsigned g = 0; g < plan.choices.size(); ++g)
    bits.push_back(std::stoi(problem.groups[g].choices[plan.choices[g]].weight.substr(1)));
  return bits;
}

std::vector<int> integers(const json::Array &array) {
  std::vector<int> values;
  for (const json::Value &value : array)
    values.push_back(int(*value.getAsInteger()));
  return values;
}

/// One of the 18: network, index of the instance.
class HawqTest : public ::testing::TestWithParam<std::pair<std::string, int>> {};

TEST_P(HawqTest, Optimum) {
  json::Value root = readGolden("hawq_v3_" + GetParam().first + ".json");
  ASSERT_TRUE(root.getAsObject());
  const json::Object &data = *root.getAsObject();
  const json::Object &instance = *(*data.getArray("instances"))[GetParam().second].getAsObject();
  std::string constraint = instance.getString("constraint")->str();
  std::vector<double> trace = numbers(*data.getArray("hessian_trace_per_parameter"));
  std::vector<double> error4 = numbers(*data.getObject("weight_error_sq")->getArray("4"));
  std::vector<double> error8 = numbers(*data.getObject("weight_error_sq")->getArray("8"));

  // What an 8-bit layer costs more than a 4-bit one; METHODS 4.1 counts the caps that way.
  std::vector<double> row;
  for (unsigned i = 0; i < trace.size(); ++i) {
    if (constraint == "size")
      row.push_back(0.5 * *(*data.getArray("parameters"))[i].getAsNumber());
    else if (constraint == "bops")
      row.push_back(*(*data.getArray("bops_fp32"))[i].getAsNumber() * (1.0 / 16 - 1.0 / 64));
    else
      row.push_back(*(*data.getObject("latency")->getArray("8"))[i].getAsNumber() -
                    *(*data.getObject("latency")->getArray("4"))[i].getAsNumber());
  }
  AllocationProblem problem;
  problem.metrics = {constraint == "size" ? "bytes" : constraint};
  for (unsigned i = 0; i < trace.size(); ++i) {
    Group group;
    group.name = (*data.getArray("layers"))[i].getAsString()->str();
    group.choices.push_back({"s4", "s4", trace[i] * error4[i], {0.0}, {}});
    group.choices.push_back({"s8", "s8", trace[i] * error8[i], {row[i]}, {}});
    problem.groups.push_back(group);
  }
  for (const json::Value &pair : *data.getArray("ties")) {
    Tie tie;
    for (int layer : integers(*pair.getAsArray()))
      tie.groups.push_back(unsigned(layer));
    problem.ties.push_back(tie);
  }
  double cap = *instance.getNumber("cap"), optimum = *instance.getNumber("optimal_objective");
  Plan plan = solveTimed(problem, constraint + " <= " + exact(cap));
  ASSERT_EQ(plan.choices.size(), trace.size());

  std::vector<int> bits = bitsOf(problem, plan);
  double objective = 0, used = 0;
  for (unsigned i = 0; i < bits.size(); ++i) {
    objective += trace[i] * (bits[i] == 4 ? error4[i] : error8[i]);
    used += bits[i] == 8 ? row[i] : 0;
  }
  EXPECT_NEAR(objective, optimum, 1e-9 * optimum);
  EXPECT_LE(used, cap * (1 + 1e-9));
  EXPECT_EQ(bits, integers(*instance.getArray("optimal_bits")));
  // CBC alone, without our reductions, agrees.
  SolveOptions cbc;
  cbc.engine = SolveOptions::Engine::Cbc;
  llvm::Expected<Plan> other = solve(problem, llvm::cantFail(parseBudgets(constraint + " <= " + exact(cap))), cbc);
  ASSERT_TRUE(bool(other)) << llvm::toString(other.takeError());
  EXPECT_EQ(other->choices, plan.choices);
}

std::vector<std::pair<std::string, int>> hawqCases() {
  std::vector<std::pair<std::string, int>> cases;
  for (const char *network : {"resnet18", "resnet50"})
    for (int i = 0; i < 9; ++i)
      cases.push_back({network, i});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Published, HawqTest, ::testing::ValuesIn(hawqCases()),
                         [](const auto &info) { return info.param.first + "_" + std::to_string(info.param.second); });

/// One of the 10: group (content, quality), index of the instance.
class MixdqTest : public ::testing::TestWithParam<std::pair<int, int>> {};

TEST_P(MixdqTest, Optimum) {
  json::Value root = readGolden("mixdq_sdxl_turbo.json");
  ASSERT_TRUE(root.getAsObject());
  const json::Object &data = *(*root.getAsObject()->getArray("groups"))[GetParam().first].getAsObject();
  const json::Object &instance = *(*data.getArray("instances"))[GetParam().second].getAsObject();
  std::vector<int> formats = integers(*data.getArray("bit_choices"));
  std::vector<double> parameters = numbers(*data.getArray("parameters"));
  std::map<int, std::vector<double>> sensitivity;
  for (int bits : formats)
    sensitivity[bits] = numbers(*data.getObject("sensitivity")->getArray(std::to_string(bits)));

  AllocationProblem problem;
  problem.metrics = {"weight_bits"};
  for (unsigned i = 0; i < parameters.size(); ++i) {
    Group group;
    group.name = (*data.getArray("layers"))[i].getAsString()->str();
    for (int bits : formats) // higher is better there
      group.choices.push_back({"s" + std::to_string(bits), "", -sensitivity[bits][i], {bits * parameters[i]}, {}});
    problem.groups.push_back(group);
  }
  double budget = *instance.getNumber("weight_bits_budget"), optimum = *instance.getNumber("optimal_objective");
  Plan plan = solveTimed(problem, "weight_bits <= " + exact(budget));
  ASSERT_EQ(plan.choices.size(), parameters.size());

  std::vector<int> bits = bitsOf(problem, plan);
  double objective = 0, used = 0;
  for (unsigned i = 0; i < bits.size(); ++i) {
    objective += sensitivity[bits[i]][i];
    used += bits[i] * parameters[i];
  }
  EXPECT_LE(used, budget * (1 + 1e-9));
  EXPECT_GE(objective, optimum * (1 - 1e-9));
  if (*data.getString("group") == "quality") {
    EXPECT_NEAR(objective, optimum, 1e-9 * optimum);
    EXPECT_EQ(bits, integers(*instance.getArray("optimal_bits")));
  }
}

std::vector<std::pair<int, int>> mixdqCases() {
  std::vector<std::pair<int, int>> cases;
  for (int group = 0; group < 2; ++group)
    for (int i = 0; i < 5; ++i)
      cases.push_back({group, i});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Published, MixdqTest, ::testing::ValuesIn(mixdqCases()), [](const auto &info) {
  return std::string(info.param.first ? "quality" : "content") + "_" + std::to_string(info.param.second);
});

} // namespace
