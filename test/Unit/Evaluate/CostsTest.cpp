//===- CostsTest.cpp - costs of formats against what compilation makes of them ===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "Networks.h"
#include "lib/Allocate/Plan.h"
#include "lib/Evaluate/Latency.h"
#include "lib/Evaluate/LatencyTable.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include <fstream>
#include <set>

using namespace mlir;
using namespace bitwright;

namespace {

void expectMessage(llvm::Error error, llvm::StringRef part) {
  ASSERT_TRUE(bool(error));
  std::string text = llvm::toString(std::move(error));
  EXPECT_NE(text.find(part.str()), std::string::npos) << text;
}

/// One product between the input and the output.
std::string linearText(int64_t n, int64_t k) {
  std::string w = std::to_string(n) + "x" + std::to_string(k), rows = std::to_string(k), out = std::to_string(n);
  return "func.func @main(%x: tensor<?x" + rows + R"(xf32> {qnn.name = "x", qnn.dims = affine_map<()[s0] -> (s0, )" +
         rows + ")>}) -> (tensor<?x" + out +
         R"(xf32> {qnn.name = "y"}) attributes {qnn.symbols = [#qnn.symbol<"M", 1, 64, 1>]} {
    %w = qnn.weight "linear.weight" : tensor<)" +
         w + R"(xf32>
    %b = qnn.weight "linear.bias" : tensor<)" +
         out + R"(xf32>
    %y = qnn.linear %x, %w, %b {name = "linear"} : (tensor<?x)" +
         rows + "xf32>, tensor<" + w + "xf32>, tensor<" + out + "xf32>) -> tensor<?x" + out +
         "xf32>\n    return %y : tensor<?x" + out + "xf32>\n  }";
}

/// A convolution of 2 groups, 6 -> 20 channels, 3 x 3.
const char *groupedText =
    R"(func.func @main(%x: tensor<1x6x7x5xf32> {qnn.name = "x"}) -> (tensor<1x20x7x5xf32> {qnn.name = "y"}) {
    %w = qnn.weight "grouped.weight" : tensor<20x3x3x3xf32>
    %y = qnn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64, name = "grouped"} : (tensor<1x6x7x5xf32>, tensor<20x3x3x3xf32>) -> tensor<1x20x7x5xf32>
    return %y : tensor<1x20x7x5xf32>
  })";

class Costs : public Networks {
protected:
  Costs() {
    setWeight("grouped.weight", {20, 3, 3, 3}, normal(540));
    llvm::SmallString<128> name;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("bitwright-costs", name));
    folder = name.str().str();
  }
  ~Costs() override { llvm::sys::fs::remove_directories(folder); }

  /// The schemes of a recipe, and a range for every value.
  func::FuncOp withSchemes(const std::string &text, const std::string &recipe = "w8a8") {
    func::FuncOp func = parse(text);
    OpBuilder builder(&context);
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      func.setArgAttr(i, rangeAttr, builder.getDenseF64ArrayAttr({-4, 4}));
    func.walk([&](Operation *op) {
      if (op->getNumResults() && !isa<qnn::WeightOp, qnn::ConstantOp>(op))
        op->setAttr(rangeAttr, builder.getDenseF64ArrayAttr({-30, 40}));
    });
    PassManager manager(&context);
    StageOptions options;
    options.recipe = recipe;
    EXPECT_TRUE(succeeded(buildStage(manager, Stage::Allocate, options)));
    EXPECT_TRUE(succeeded(manager.run(func->getParentOfType<ModuleOp>())));
    return func;
  }
  void setLinear(int64_t n, int64_t k) {
    setWeight("linear.weight", {n, k}, normal(size_t(n * k)));
    setWeight("linear.bias", {n}, normal(size_t(n)));
  }
  solver::AllocationProblem costs(func::FuncOp func, const FormatChoices &choices, const Sample &s,
                                  const CostOptions &options = {}) {
    AllocationUnits units = AllocationUnits::compute(func, choices);
    solver::AllocationProblem problem = units.toProblem();
    if (llvm::Error error = addCosts(problem, func, units, s, options))
      ADD_FAILURE() << llvm::toString(std::move(error));
    return problem;
  }

  /// Constants of the network with the first choice of every group, by what their layout says.
  struct Stored {
    int64_t codes = 0, parameters = 0, biases = 0, small = 0;
  };
  Stored compiled(func::FuncOp func, const solver::AllocationProblem &problem, unsigned choice = 0) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
    auto clone = cast<func::FuncOp>(OpBuilder::atBlockEnd(module->getBody()).clone(*func));
    std::vector<unsigned> choices;
    for (const solver::Group &group : problem.groups)
      choices.push_back(std::min<unsigned>(choice, unsigned(group.choices.size()) - 1));
    FormatPlan plan = planOf(problem, choices);
    plan.digest.clear();
    Stored stored;
    if (llvm::Error error = applyPlan(clone, plan)) {
      ADD_FAILURE() << llvm::toString(std::move(error));
      return stored;
    }
    for (Stage stage : {Stage::Quantize, Stage::Integerize}) {
      PassManager manager(&context);
      EXPECT_TRUE(succeeded(buildStage(manager, stage, {})));
      EXPECT_TRUE(succeeded(manager.run(*module)));
    }
    auto model = InMemoryModel::compile(std::move(module));
    if (!model) {
      ADD_FAILURE() << llvm::toString(model.takeError());
      return stored;
    }
    for (size_t i = 0; i < bw_model_weight_count((*model)->get()); ++i) {
      const char *text;
      const void *data;
      size_t bytes;
      EXPECT_EQ(bw_model_weight((*model)->get(), i, &text, &data, &bytes), BW_OK);
      llvm::StringRef layout = text;
      int64_t &sum = layout.starts_with("weights") || layout.starts_with("codes") || layout.starts_with("depthwise")
                         ? stored.codes
                     : layout.starts_with("bias") ? stored.biases
                     : layout.starts_with("256") || layout.starts_with("code of") || layout.starts_with("padding")
                         ? stored.small
                         : stored.parameters;
      sum += int64_t(bytes);
    }
    return stored;
  }
  /// What the costs say of a choice is what the file holds: codes and their parameters, and biases in the rest. Shifts
  /// (a byte a channel, `shifts` of them) are no array where they are all equal; equal bytes are stored once.
  void expectBytes(func::FuncOp func, const solver::AllocationProblem &problem, unsigned choice, int64_t shifts,
                   const std::string &what) {
    Stored stored = compiled(func, problem, choice);
    double weights = 0, rest = 0;
    for (const solver::Group &group : problem.groups)
      (group.name == restGroup ? rest : weights) +=
          group.choices[std::min<size_t>(choice, group.choices.size() - 1)].costs[0];
    EXPECT_GE(weights + rest, double(stored.codes + stored.parameters + stored.biases)) << what;
    EXPECT_LE(weights + rest, double(stored.codes + stored.parameters + stored.biases + shifts + stored.small)) << what;
  }

  std::string folder;
};

TEST_F(Costs, BytesAreThoseOfTheFile) {
  // Convolution, depthwise convolution and linear layer on codes.
  func::FuncOp func = withSchemes(networkText());
  auto problem = costs(func, {{"s4", "s8", "s16"}, {"s8"}}, sample());
  for (unsigned choice = 0; choice < 3; ++choice)
    expectBytes(func, problem, choice, 8 + 8, "network, choice " + std::to_string(choice));
  EXPECT_EQ(problem.groups.back().name, "(rest)");
  EXPECT_EQ(problem.groups.back().elements, 0);
  // Activations of 16 bits: bytes in pairs.
  problem = costs(func, {{"s8"}, {"s16"}}, sample());
  for (const solver::Group &group : problem.groups)
    if (group.name == "conv") {
      ASSERT_EQ(group.choices.back().activation, "s16");
      EXPECT_EQ(group.choices.back().costs[0], 16 * 28 + 8 * 5); // 27 columns in pairs
    }
  expectBytes(func, problem, 1, 8 + 8, "network, s16 activations");
}

TEST_F(Costs, BytesOfGroupsOfChannels) {
  func::FuncOp func = withSchemes(groupedText);
  auto problem = costs(func, {{"s4", "s8", "s16", "s2"}, {"s8"}}, sample({1, 6, 7, 5}));
  // 10 channels of a group in a panel of 16; 27 columns are 28 bytes, 32 nibbles or 28 words. A float scale a channel.
  EXPECT_EQ(problem.groups[0].choices[0].costs[0], 2 * 16 * 32 / 2 + 20 * 4);
  EXPECT_EQ(problem.groups[0].choices[1].costs[0], 2 * 16 * 28 + 20 * 4);
  EXPECT_EQ(problem.groups[0].choices[2].costs[0], 2 * 16 * 28 * 2 + 20 * 4);
  EXPECT_EQ(problem.groups[0].choices[3].costs[0], 2 * 16 * 32 / 4 + 20 * 4);
  for (unsigned choice = 0; choice < 3; ++choice)
    expectBytes(func, problem, choice, 0, "grouped, choice " + std::to_string(choice));
}

TEST_F(Costs, BytesOfLinearLayers) {
  setLinear(40, 256);
  for (const char *recipe : {"w8a8", "w4a16", "w8a16", "w4a8", "w4a8-groups"}) {
    func::FuncOp func = withSchemes(linearText(40, 256), recipe);
    auto problem = costs(func, {{"s4", "s8"}, {"s8"}}, sample({5, 256}));
    for (unsigned choice = 0; choice < 2; ++choice)
      expectBytes(func, problem, choice, 0, std::string(recipe) + ", choice " + std::to_string(choice));
  }
}

TEST_F(Costs, BitOperationsByHand) {
  auto problem = costs(withSchemes(networkText()), {{"s4", "s8"}, {"s8", "s16"}}, sample());
  std::map<std::string, double> macs = {
      {"conv", 2. * 8 * 8 * 8 * 27}, {"dw", 2. * 8 * 4 * 4 * 9}, {"last", 2. * 10 * 128}};
  ASSERT_EQ(problem.metrics, (std::vector<std::string>{"bytes", "bops"}));
  unsigned found = 0;
  for (const solver::Group &group : problem.groups) {
    if (!macs.count(group.name)) {
      EXPECT_EQ(group.choices[0].costs[1], 0) << group.name;
      continue;
    }
    for (const solver::Choice &choice : group.choices) {
      int w = choice.weight == "s4" ? 4 : 8, a = choice.activation == "s16" ? 16 : 8;
      EXPECT_EQ(choice.costs[1], macs[group.name] * w * a) << group.name << " " << choice.name();
      ++found;
    }
  }
  EXPECT_GE(found, 6u);

  // Symbols take the sample's sizes; inputs of 16 bits, a scale a token.
  setLinear(40, 256);
  problem = costs(withSchemes(linearText(40, 256), "w4a16"), {{"s4"}, {"s8"}}, sample({5, 256}));
  EXPECT_EQ(problem.groups[0].choices[0].costs[1], 5. * 40 * 256 * 4 * 16);
  problem = costs(withSchemes(linearText(40, 256), "w4a8"), {{"s4"}, {"s8"}}, sample({7, 256}));
  EXPECT_EQ(problem.groups[0].choices[0].costs[1], 7. * 40 * 256 * 4 * 8);
}

TEST_F(Costs, SamplesOfAnotherModel) {
  func::FuncOp func = withSchemes(networkText());
  AllocationUnits units = AllocationUnits::compute(func, {});
  solver::AllocationProblem problem = units.toProblem();
  expectMessage(addCosts(problem, func, units, {}, {}), "expected a sample of 1 inputs, found 0");
  expectMessage(addCosts(problem, func, units, sample({2, 3, 8}), {}), "expected an input of 4 dimensions, found 3");
  problem.groups.pop_back();
  expectMessage(addCosts(problem, func, units, sample(), {}), "units, found 2");
}

TEST_F(Costs, MemoryPoints) {
  func::FuncOp func = withSchemes(networkText());
  CostOptions options;
  options.peakMemory = true;
  auto problem = costs(func, {{"s8"}, {"s8", "s16"}}, sample(), options);
  // The codes of x: 2 x 3 x 8 x 8; of relu: 2 x 8 x 8 x 8; of dw: 2 x 8 x 4 x 4. Each is alive while it is written and
  // while the next launch reads it; the result is the caller's memory.
  auto bytes = [&](const std::string &point, const std::string &activation) {
    double sum = 0;
    for (size_t p = 0; p < problem.memoryPoints.size(); ++p)
      if (problem.memoryPoints[p].name == point) {
        sum += problem.memoryPoints[p].fixed;
        for (const solver::Group &group : problem.groups)
          for (const solver::Choice &choice : group.choices)
            if (choice.activation == activation || (choice.activation.empty() && group.choices.size() == 1))
              for (auto [at, amount] : choice.memory)
                if (at == p)
                  sum += amount;
      }
    return sum;
  };
  std::set<std::string> names;
  for (const solver::MemoryPoint &point : problem.memoryPoints)
    names.insert(point.name);
  // Codes of x and relu (conv), relu and dw (dw), dw in two orders: none is within another.
  ASSERT_EQ(names, (std::set<std::string>{"relu/quantize", "dw/quantize", "dw/quantize/layout0"}));
  EXPECT_EQ(bytes("relu/quantize", "s8"), 384 + 1024);
  EXPECT_EQ(bytes("dw/quantize", "s8"), 1024 + 256);
  EXPECT_EQ(bytes("dw/quantize/layout0", "s8"), 256 + 256); // from channels last to the order that reshape wants
  EXPECT_EQ(bytes("relu/quantize", "s16"), 2 * (384 + 1024));
  EXPECT_EQ(bytes("dw/quantize", "s16"), 2 * (1024 + 256));
}

TEST_F(Costs, LatencyIsReadFromTheTable) {
  func::FuncOp func = withSchemes(networkText());
  CostOptions options;
  options.latency = true;
  options.latencyTable = folder + "/table.json";
  uint64_t steps = 0;
  options.progress = [&](uint64_t, uint64_t) { ++steps; };
  auto problem = costs(func, {{"s4", "s8"}, {"s8"}}, sample(), options);
  ASSERT_EQ(problem.metrics, (std::vector<std::string>{"bytes", "bops", "latency"}));
  for (const solver::Group &group : problem.groups)
    for (const solver::Choice &choice : group.choices)
      EXPECT_GT(choice.costs[2], 0) << group.name;
  EXPECT_EQ(steps, 3u); // two networks compiled, and the times

  // Other times stand in the table: nothing is compiled, and they are what counts. All entries 1 ms: conv has the
  // quantization of its input, last the reordering of its own; the rest is what a run takes beside its launches.
  auto table = LatencyTable::read(options.latencyTable);
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
  EXPECT_EQ(table->size(), 9u); // quantize, reorder, three products in two formats, and a run
  std::string text;
  {
    std::ifstream in(options.latencyTable);
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (size_t at = 0; (at = text.find("\"milliseconds\": ", at)) != std::string::npos;) {
    at += 16;
    text.replace(at, text.find('\n', at) - at, "1");
  }
  std::ofstream(options.latencyTable) << text;
  steps = 0;
  problem = costs(func, {{"s4", "s8"}, {"s8"}}, sample(), options);
  EXPECT_EQ(steps, 1u);
  std::map<std::string, double> expected = {{"conv", 2}, {"dw", 1}, {"last", 2}, {"(rest)", 1}};
  for (const solver::Group &group : problem.groups)
    for (const solver::Choice &choice : group.choices)
      EXPECT_EQ(choice.costs[2], expected[group.name]) << group.name;

  // Of another chip: measured again, and kept beside.
  size_t at = text.find("\"chip\": \"") + 9;
  text.replace(at, text.find('"', at) - at, "a machine that nobody has");
  std::ofstream(options.latencyTable) << text;
  steps = 0;
  problem = costs(func, {{"s4", "s8"}, {"s8"}}, sample(), options);
  EXPECT_EQ(steps, 3u);
  table = LatencyTable::read(options.latencyTable);
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
  EXPECT_EQ(table->size(), 18u);

  // Nothing is left of the networks: the store holds the float weights only.
  EXPECT_EQ(getWeightStore(&context).names().size(), 7u);
}

TEST_F(Costs, PlansAreTimed) {
  func::FuncOp func = withSchemes(networkText());
  auto plans = measureLatencies({func, func}, sample());
  ASSERT_TRUE(bool(plans)) << llvm::toString(plans.takeError());
  ASSERT_EQ(plans->size(), 2u);
  EXPECT_GT((*plans)[0].latency, 0);
  EXPECT_EQ((*plans)[0].weightBytes, (*plans)[1].weightBytes);
  // 384 + 1024 and 64 that may be read behind it.
  EXPECT_GE((*plans)[0].arenaBytes, 1408u);
  EXPECT_LE((*plans)[0].arenaBytes, 1408u + 64);
}

TEST_F(Costs, LatencyTables) {
  LatencyTable table;
  table.set("a", "gemm", 0.1);
  table.set("b", "gemm", 1.0 / 3);
  table.set("a", "loops \"x\"", 0);
  std::string path = folder + "/t.json";
  ASSERT_FALSE(bool(table.write(path)));
  auto again = LatencyTable::read(path);
  ASSERT_TRUE(bool(again)) << llvm::toString(again.takeError());
  EXPECT_EQ(again->size(), 3u);
  EXPECT_EQ(again->find("b", "gemm"), 1.0 / 3);
  EXPECT_EQ(again->find("a", "loops \"x\""), 0.0);
  EXPECT_FALSE(again->find("b", "loops \"x\"").has_value());
  EXPECT_FALSE(again->find("c", "gemm").has_value());
  auto none = LatencyTable::read(folder + "/none.json");
  ASSERT_TRUE(bool(none)) << llvm::toString(none.takeError());
  EXPECT_EQ(none->size(), 0u);
  expectMessage(table.write(folder + "/none/t.json"), "latency table '" + folder + "/none/t.json'");

  struct {
    const char *text, *message;
  } const wrong[] = {
      {"[", "latency table '"},
      {R"({"version": 2, "chips": []})", "expected version 1 and a list 'chips'"},
      {R"({"version": 1})", "expected version 1 and a list 'chips'"},
      {R"({"version": 1, "chips": [{"kernels": []}]})", "expected 'chip' and a list 'kernels'"},
      {R"({"version": 1, "chips": [{"chip": "a", "kernels": [{"kernel": "g"}]}]})", "a number of at least 0"},
      {R"({"version": 1, "chips": [{"chip": "a", "kernels": [{"kernel": "g", "milliseconds": -1}]}]})", "see 'g'"},
      {R"({"version": 1, "chips": [{"chip": "a", "kernels": [{"kernel": "g", "milliseconds": "1"}]}]})", "see 'g'"},
      {R"({"version": 1, "chips": [{"chip": "a", "kernels": [{"milliseconds": 1}]}]})", "chip 'a'"},
      {R"({"version": 1, "chips": [{"chip": "a", "kernels": [{"kernel": "g", "milliseconds": 1}, {"kernel": "g", "milliseconds": 2}]}]})",
       "the kernel 'g' is there twice"},
  };
  for (const auto &c : wrong) {
    std::ofstream(path) << c.text;
    expectMessage(LatencyTable::read(path).takeError(), c.message);
  }
}

} // namespace
