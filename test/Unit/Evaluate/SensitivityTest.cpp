//===- SensitivityTest.cpp - the table of losses, kept in a file ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "Trials.h"
#include "lib/Evaluate/ComparePlans.h"
#include <set>

using namespace mlir;
using namespace bitwright;

namespace {

class SensitivityTest : public TrialNetworks {
protected:
  llvm::Expected<Sensitivities> measure(func::FuncOp func) { return Sensitivities::measure(func, *trials, options); }
  std::string read(const std::string &path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void edit(const std::string &from, const std::string &to) {
    std::string text = read(options.file);
    size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << text;
    std::ofstream(options.file) << text.replace(at, from.size(), to);
  }
  SensitivityOptions options;
};

TEST_F(SensitivityTest, LossesOfChoices) {
  choices.activations = {"s8"};
  func::FuncOp func = withSchemes(networkText(), {"conv", "dw", "last"}, /*integer=*/true);
  ASSERT_FALSE(bool(prepare(func, {sample(), sample()})));
  std::vector<uint64_t> seen;
  options.progress = [&](uint64_t done, uint64_t all) {
    seen.push_back(done);
    EXPECT_EQ(all, 7u); // three weights in two formats, and all activations at once
  };
  auto table = measure(func);
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
  EXPECT_EQ(seen, (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(table->metrics(), (std::vector<std::string>{"output", "weight_mse", "output_mse"}));
  solver::AllocationProblem problem = units.toProblem();
  ASSERT_FALSE(bool(table->fill(problem, "output")));
  EXPECT_EQ(problem.lossName, "relative squared error of the output");
  Choices plan(problem.groups.size());
  for (const char *layer : {"conv", "dw", "last"}) {
    unsigned index = unit(layer);
    ASSERT_EQ(problem.groups[index].choices.size(), 2u);
    double losses[2];
    for (int c = 0; c < 2; ++c) {
      Trial trial = trials->none();
      trial.weights[index] = problem.groups[index].choices[c].weight;
      losses[c] = loss(trial);
      EXPECT_EQ(problem.groups[index].choices[c].loss, losses[c]);
    }
    // Steps are 127 / 7 times as large, so the squared error is about 330 times; 20 for what is not independent.
    EXPECT_GT(losses[1], 20 * losses[0]);
    plan[index] = 1;
  }
  // What has no choice is one trial, and the loss of a group of its own.
  Trial fixed = trials->none();
  for (std::string &format : fixed.activations)
    format = "s8";
  auto rest = problem.findGroup("(rest)");
  ASSERT_TRUE(rest);
  EXPECT_EQ(problem.groups[*rest].choices[0].loss, loss(fixed));
  double sum = 0;
  for (unsigned g = 0; g < problem.groups.size(); ++g)
    sum += problem.groups[g].choices[plan[g]].loss;
  EXPECT_NEAR(table->predict(problem, plan, "output"), sum, 1e-12 * sum);
  ASSERT_FALSE(bool(table->fill(problem, "weight_mse")));
  auto errors = trials->weightErrors(unit("last"), "s4");
  ASSERT_TRUE(bool(errors));
  EXPECT_EQ(problem.groups[unit("last")].choices[1].loss, errors->weight);
  expectMessage(table->fill(problem, "hessian"), "expected one of output, weight_mse, output_mse, found 'hessian'");
}

TEST_F(SensitivityTest, AClassCountsOnce) {
  choices = {{"s8"}, {"s8", "s16"}};
  func::FuncOp func = withSchemes(networkText(), {"conv", "dw", "last"}, /*integer=*/true);
  ASSERT_FALSE(bool(prepare(func, {sample()})));
  bool any = false;
  for (const ActivationClass &entry : units.classes)
    any |= entry.formats.size() > 1;
  if (!any)
    GTEST_SKIP() << "no kernel computes with 16-bit activations";
  auto table = measure(func);
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
  solver::AllocationProblem problem = units.toProblem();
  ASSERT_FALSE(bool(table->fill(problem, "output")));
  // Whatever is read by whom: each class's loss is in the sum of a plan once.
  for (const char *format : {"s8", "s16"}) {
    double expected = 0, found = 0;
    for (unsigned c = 0; c < units.classes.size(); ++c) {
      Trial trial = trials->none();
      trial.activations[c] = format;
      if (units.classes[c].formats.size() > 1)
        expected += loss(trial);
    }
    for (unsigned i = 0; i < units.units.size(); ++i)
      for (const solver::Choice &choice : problem.groups[i].choices)
        if (choice.activation == format && problem.groups[i].choices.size() > 1)
          found += choice.loss;
    EXPECT_NEAR(found, expected, 1e-12 * expected) << format;
  }
}

TEST_F(SensitivityTest, AnInterruptedRunGoesOn) {
  func::FuncOp func = withSchemes(networkText());
  std::vector<Sample> samples = {sample(), sample()};
  ASSERT_FALSE(bool(prepare(func, samples)));
  options.file = folder + "/sensitivities.json";
  options.saveEvery = 0;
  options.progress = [&](uint64_t done, uint64_t) {
    if (done == 4) // what is on the disk while the fourth trial ends
      llvm::sys::fs::copy_file(options.file, folder + "/interrupted.json");
  };
  auto whole = measure(func);
  ASSERT_TRUE(bool(whole)) << llvm::toString(whole.takeError());
  EXPECT_EQ(whole->getReused(), 0u);
  std::string expected = read(options.file);
  options.progress = nullptr;

  options.file = folder + "/interrupted.json";
  EXPECT_NE(read(options.file), expected);
  ASSERT_FALSE(bool(prepare(func, samples)));
  uint64_t before = trials->getCount();
  auto resumed = measure(func);
  ASSERT_TRUE(bool(resumed)) << llvm::toString(resumed.takeError());
  EXPECT_EQ(resumed->getReused(), 3u);
  EXPECT_EQ(trials->getCount() - before, 3u);
  EXPECT_EQ(read(options.file), expected);
  // All of it is there: nothing is measured.
  auto again = measure(func);
  ASSERT_TRUE(bool(again)) << llvm::toString(again.takeError());
  EXPECT_EQ(again->getReused(), 6u);
  EXPECT_EQ(trials->getCount() - before, 3u);
  // With the problem in it, it is a statistics file.
  solver::AllocationProblem problem = units.toProblem();
  ASSERT_FALSE(bool(again->fill(problem, "output")));
  ASSERT_FALSE(bool(again->save(&problem)));
  auto parsed = solver::parseProblem(read(options.file), "file");
  ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
  ASSERT_EQ(parsed->groups.size(), problem.groups.size());
  for (size_t g = 0; g < problem.groups.size(); ++g)
    for (size_t c = 0; c < problem.groups[g].choices.size(); ++c)
      EXPECT_EQ(parsed->groups[g].choices[c].loss, problem.groups[g].choices[c].loss);
}

TEST_F(SensitivityTest, FilesOfSomethingElse) {
  func::FuncOp func = withSchemes(networkText());
  std::vector<Sample> samples = {sample()};
  ASSERT_FALSE(bool(prepare(func, samples)));
  options.file = folder + "/sensitivities.json";
  ASSERT_TRUE(bool(measure(func)));
  std::string good = read(options.file);
  auto refused = [&](const std::string &message) {
    expectMessage(measure(func).takeError(), message);
    EXPECT_NE(read(options.file), good); // it is not overwritten
    std::ofstream(options.file) << good;
  };
  auto mismatch = [&](const std::string &what) {
    expectMessage(measure(func).takeError(), "was measured for another " + what + ": expected ");
    EXPECT_EQ(read(options.file), good);
  };
  // Another model, other data, another recipe.
  std::vector<float> w = weight("last.weight");
  setWeight("last.weight", {10, 128}, normal(1280));
  ASSERT_FALSE(bool(prepare(func, samples)));
  mismatch("model");
  setWeight("last.weight", {10, 128}, w);
  ASSERT_FALSE(bool(prepare(func, {sample()})));
  mismatch("data");
  find(func, "last")->setAttr(weightClipAttr, StringAttr::get(&context, "mse"));
  ASSERT_FALSE(bool(prepare(func, samples)));
  mismatch("recipe");
  find(func, "last")->setAttr(weightClipAttr, StringAttr::get(&context, "absmax"));
  options.userMetric = "mine";
  mismatch("metric");
  options.userMetric.clear();
  // Broken files.
  edit("{", "[");
  refused("expected a file that quant-compile wrote, found no JSON");
  edit("measurements", "other");
  refused("with 'measurements' of version 1; remove the file or name another one");
  edit("\"output\": ", "\"output\": \"NaN\", \"other\": ");
  refused("expected a finite number for 'output'");
  edit("\"output\": ", "\"other\": ");
  refused("expected 'output'");
  edit("\"name\": \"conv\"", "\"name\": \"absent\"");
  refused("expected 'name' and 'format' of this model");
  options.file = folder + "/none/file.json";
  expectMessage(measure(func).takeError(), "--sensitivities: ");
}

TEST_F(SensitivityTest, RankCorrelations) {
  EXPECT_EQ(kendall({1, 2, 3, 4}, {10, 20, 30, 40}), 1);
  EXPECT_EQ(kendall({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  EXPECT_NEAR(kendall({1, 2, 3, 4}, {1, 3, 2, 4}), 4.0 / 6, 1e-15); // five pairs of six agree
  EXPECT_NEAR(kendall({1, 1, 2}, {1, 2, 3}), 2 / std::sqrt(6.0), 1e-15);
  EXPECT_EQ(kendall({1, 1}, {1, 2}), 0);
  EXPECT_EQ(spearman({1, 2, 3, 4}, {1, 10, 100, 1000}), 1);
  EXPECT_NEAR(spearman({1, 2, 3, 4}, {1, 3, 2, 4}), 0.8, 1e-15); // 1 - 6 * 2 / (4 * 15)
  EXPECT_NEAR(spearman({1, 1, 2}, {1, 2, 3}), std::sqrt(0.75), 1e-15);
  EXPECT_EQ(spearman({1, 1}, {1, 2}), 0);
}

/// Two outputs that depend on a layer each: losses add up exactly but for rounding of the sums.
const char *apartText =
    R"(func.func @main(%x: tensor<2x16xf32> {qnn.name = "x"}) -> (tensor<2x16xf32> {qnn.name = "y"}, tensor<2x16xf32> {qnn.name = "z"}) {
    %w = qnn.weight "apart.1" : tensor<16x16xf32>
    %v = qnn.weight "apart.2" : tensor<16x16xf32>
    %a = qnn.linear %x, %w {name = "first"} : (tensor<2x16xf32>, tensor<16x16xf32>) -> tensor<2x16xf32>
    %b = qnn.linear %x, %v {name = "second"} : (tensor<2x16xf32>, tensor<16x16xf32>) -> tensor<2x16xf32>
    return %a, %b : tensor<2x16xf32>, tensor<2x16xf32>
  })";

/// Two layers whose errors meet in one sum: with the same weights they double, so the loss of both is four times one.
const char *sumText = R"(func.func @main(%x: tensor<2x16xf32> {qnn.name = "x"}) -> (tensor<2x16xf32> {qnn.name = "y"}) {
    %w = qnn.weight "apart.1" : tensor<16x16xf32>
    %v = qnn.weight "apart.2" : tensor<16x16xf32>
    %a = qnn.linear %x, %w {name = "first"} : (tensor<2x16xf32>, tensor<16x16xf32>) -> tensor<2x16xf32>
    %b = qnn.linear %x, %v {name = "second"} : (tensor<2x16xf32>, tensor<16x16xf32>) -> tensor<2x16xf32>
    %y = qnn.add %a, %b {name = "sum"} : (tensor<2x16xf32>, tensor<2x16xf32>) -> tensor<2x16xf32>
    return %y : tensor<2x16xf32>
  })";

TEST_F(SensitivityTest, LossesThatAddUpAreRankedExactly) {
  setWeight("apart.1", {16, 16}, normal(256));
  setWeight("apart.2", {16, 16}, normal(256));
  choices.weights = {"s8", "s6", "s4", "s3"};
  func::FuncOp func = withSchemes(apartText, {"first", "second"});
  ASSERT_FALSE(bool(prepare(func, {sample({2, 16}), sample({2, 16})})));
  auto table = measure(func);
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
  solver::AllocationProblem problem = units.toProblem();
  ASSERT_FALSE(bool(table->fill(problem, "output")));
  std::vector<double> predicted, measured;
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned j = 0; j < 4; ++j) {
      Choices plan = {i, j};
      predicted.push_back(table->predict(problem, plan, "output"));
      measured.push_back(loss(trials->of(problem, plan)));
      EXPECT_NEAR(predicted.back(), measured.back(), 1e-12 * measured.back());
    }
  EXPECT_EQ(kendall(predicted, measured), 1);
  EXPECT_EQ(spearman(predicted, measured), 1);
  // No pair term beside rounding.
  auto pairs = measurePairs(*trials, *table, problem, {2, 2}, "output", 100);
  ASSERT_TRUE(bool(pairs));
  EXPECT_EQ(pairs->trials, 1u);
  EXPECT_TRUE(pairs->corrections.empty());
  for (const solver::PairTerm &term : pairs->terms)
    EXPECT_NEAR(term.loss, 0, 1e-12 * measured[5]);
}

TEST_F(SensitivityTest, PairsOfLayersThatMeet) {
  std::vector<float> w = normal(256);
  setWeight("apart.1", {16, 16}, w);
  w[0] = std::nextafter(w[0], 2.0f); // other bytes, or nobody can tell the two apart
  setWeight("apart.2", {16, 16}, w);
  func::FuncOp func = withSchemes(sumText, {"first", "second"});
  ASSERT_FALSE(bool(prepare(func, {sample({2, 16})})));
  auto table = measure(func);
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
  solver::AllocationProblem problem = units.toProblem();
  ASSERT_FALSE(bool(table->fill(problem, "output")));
  Choices both = {1, 1};
  double sum = solver::lossOf(problem, both), together = loss(trials->of(problem, both));
  EXPECT_NEAR(together, 2 * sum, 1e-3 * sum); // (2 e)^2 = 4 e^2, and e^2 each; the weights differ by 1e-7
  auto pairs = measurePairs(*trials, *table, problem, both, "output", 100);
  ASSERT_TRUE(bool(pairs));
  solver::AllocationProblem refined = problem;
  addPairs(refined, *pairs);
  EXPECT_NEAR(solver::lossOf(refined, both), together, 1e-12 * together);
  // In other formats the term is scaled by the square roots of the losses.
  double L4 = problem.groups[0].choices[1].loss, L8 = problem.groups[0].choices[0].loss;
  double expected = (together - sum) * std::sqrt(L8 / L4);
  EXPECT_NEAR(solver::lossOf(refined, {0, 1}) - solver::lossOf(problem, {0, 1}), expected, 1e-9 * expected);
  auto none = measurePairs(*trials, *table, problem, both, "output", 2); // one pair may need a trial for each part
  ASSERT_TRUE(bool(none));
  EXPECT_EQ(none->trials, 0u);
}

TEST_F(SensitivityTest, PlansToCompareWith) {
  solver::AllocationProblem problem;
  problem.metrics = {"bytes"};
  for (int g = 0; g < 40; ++g) {
    solver::Group group;
    group.name = "g" + std::to_string(g);
    double size = 10 + g;
    for (const char *activation : {"s8", "s16"}) {
      double less = activation[1] == '8' ? 0 : -1e-3;
      group.choices.push_back({"s4", activation, size * (g % 7 + 1) + less, {size}, {}});
      group.choices.push_back({"s8", activation, 1 + less, {2 * size}, {}});
    }
    problem.groups.push_back(group);
  }
  problem.ties.push_back({{0, 1, 2}, solver::Side::Activation});
  auto keepsTies = [&](const Choices &plan) {
    auto label = [&](unsigned g) { return problem.groups[g].choices[plan[g]].activation; };
    return label(0) == label(1) && label(1) == label(2);
  };
  std::mt19937_64 engine(3);
  std::set<Choices> seen;
  for (int i = 0; i < 50; ++i) {
    Choices plan = randomPlan(problem, engine);
    EXPECT_TRUE(keepsTies(plan));
    seen.insert(plan);
    auto sized = randomPlanOfSize(problem, 1600, 0.01, engine);
    ASSERT_TRUE(sized);
    EXPECT_TRUE(keepsTies(*sized));
    EXPECT_NEAR(totalOf(problem, "bytes", *sized), 1600, 16);
    seen.insert(*sized);
  }
  EXPECT_GT(seen.size(), 95u);
  EXPECT_FALSE(randomPlanOfSize(problem, 10, 0.01, engine));
  for (const char *format : {"s4", "s8"})
    for (auto [group, choice] : llvm::zip(problem.groups, uniformPlan(problem, format))) {
      EXPECT_EQ(group.choices[choice].weight, format);
      EXPECT_EQ(group.choices[choice].activation, "s16"); // the lesser loss
    }
  // Greedy: groups of the least loss a byte (g % 7 == 0) first; all have `size` bytes to save and cost size * (g % 7).
  Choices greedy = greedyPlan(problem, totalOf(problem, "bytes", uniformPlan(problem, "s8")) - 100);
  unsigned changed = 0;
  for (unsigned g = 0; g < 40; ++g)
    if (problem.groups[g].choices[greedy[g]].weight == "s4") {
      EXPECT_EQ(g % 7, 0u);
      ++changed;
    }
  EXPECT_GT(changed, 2u);
}

} // namespace
