//===- ReportTest.cpp - data of a report, and the page around them --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Allocate/Decisions.h"
#include "lib/Report/Html.h"
#include "lib/Report/Record.h"
#include "lib/Statistics/Statistics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace bitwright;
using namespace bitwright::report;
namespace json = llvm::json;

namespace {

const json::Object &objectOf(const json::Value &value) { return *value.getAsObject(); }

/// What stands between the script tags of the page.
std::string dataOf(const std::string &html) {
  const std::string open = "<script type=\"application/json\" id=\"data\">", close = "</script>";
  size_t from = html.find(open) + open.size();
  return html.substr(from, html.find(close, from) - from);
}

/// Two layers, both tied to nothing: `up` in s4 or s8, `down` in s8 only.
Decisions makeDecisions() {
  Decisions decisions;
  solver::AllocationProblem &problem = decisions.problem;
  problem.lossName = "KL";
  problem.metrics = {"bytes", "bops"};
  problem.groups.resize(3);
  problem.groups[0].name = "up";
  problem.groups[0].elements = 1000;
  problem.groups[0].choices = {{"s8", "s8", 0.01, {1000, 64}, {}}, {"s4", "s8", 0.5, {500, 32}, {}}};
  problem.groups[1].name = "down";
  problem.groups[1].elements = 2000;
  problem.groups[1].choices = {{"s8", "s8", 0.02, {2000, 128}, {}}};
  problem.groups[2].name = "(rest)";
  problem.groups[2].choices = {{"-", "-", 0, {0, 0}, {}}};
  decisions.budgets = llvm::cantFail(solver::parseBudgets("size <= 2.6 kB"));
  decisions.plan = llvm::cantFail(solver::solve(problem, decisions.budgets));
  PlanTrial uniform{"uniform s8", {0, 0, 0}, 0.03, 0.035, {}};
  PlanTrial chosen{"chosen", {1, 0, 0}, 0.52, 0.6, {{"mse", 4}}};
  decisions.trials = {uniform, chosen};
  decisions.qualities = {{"up", 0.01, 33}, {"down", 0.0001, 0}};
  return decisions;
}

TEST(Report, DecisionsBecomeLayers) {
  Record record;
  record.layers.resize(2);
  record.layers[0].name = "elsewhere";
  record.layers[1].name = "up";
  record.layers[1].kind = "linear";
  addDecisions(record, makeDecisions());
  ASSERT_EQ(record.layers.size(), 3u); // up, down of the problem, then the layer that the solver does not know
  const Layer &up = record.layers[0];
  EXPECT_EQ(up.name, "up");
  EXPECT_EQ(up.kind, "linear");
  EXPECT_EQ(up.weight, "s4");
  EXPECT_EQ(*up.bytes, 500);
  EXPECT_EQ(*up.bits, 4);
  EXPECT_EQ(*up.loss, 0.5);
  EXPECT_EQ(*up.sensitivity, 0.5);
  EXPECT_EQ(up.sensitivityChoice, "s4/s8");
  EXPECT_EQ(up.alternative, "s8/s8");
  EXPECT_DOUBLE_EQ(*up.alternativeLoss, -0.49);
  EXPECT_DOUBLE_EQ(*up.weightSqnr, 20); // 10 log10(1 / 0.01)
  EXPECT_EQ(*up.outputSqnr, 33);
  EXPECT_EQ(up.options.size(), 2u);
  EXPECT_EQ(up.options[1].costs.at("bops"), 32);
  const Layer &down = record.layers[1];
  EXPECT_FALSE(down.sensitivity);
  EXPECT_TRUE(down.alternative.empty());
  EXPECT_EQ(down.reason, "no other formats to choose from");
  EXPECT_FALSE(down.outputSqnr); // 0 stands for unknown
  EXPECT_EQ(record.layers[2].name, "elsewhere");

  const AllocationRecord &allocation = *record.allocation;
  EXPECT_EQ(allocation.totals.at("bytes"), 2500);
  EXPECT_DOUBLE_EQ(allocation.averageBits, 8 * 2500.0 / 3000);
  ASSERT_EQ(allocation.budgets.size(), 1u);
  EXPECT_DOUBLE_EQ(allocation.budgets[0].limit, 2.6); // in kB, as the user wrote it
  EXPECT_DOUBLE_EQ(allocation.budgets[0].used, 2.5);
  EXPECT_EQ(*allocation.measured, 0.6);
  json::Value twin = toJson(record);
  const json::Object &totals = *objectOf(twin).getObject("allocation")->getObject("totals");
  EXPECT_EQ(totals.size(), 3u); // keys outlive the record's own text
  EXPECT_EQ(totals.getInteger("bytes"), 2500);
  EXPECT_EQ(totals.getInteger("bops"), 160);
  EXPECT_EQ(allocation.trials[0].kind, "uniform");
  EXPECT_DOUBLE_EQ(*allocation.trials[0].used, 3);
}

TEST(Report, KindsOfTrialsAndKendall) {
  Decisions decisions = makeDecisions();
  // Measured 1 2 3 4; the metric has one of six pairs the wrong way round: (5 - 1) / 6.
  double metric[] = {1, 3, 2, 4};
  for (unsigned i = 0; i < 4; ++i)
    decisions.trials.push_back(
        {"random " + std::to_string(i), {0, 0, 0}, double(i), double(i + 1), {{"mse", metric[i]}}});
  decisions.trials.push_back({"random of this size 1", {1, 0, 0}, 9, 0.6, {{"mse", 9}}}); // not in the rank check
  decisions.trials.push_back({"chosen before pair terms", {1, 0, 0}, 0.4, 0.6, {}});
  Record record;
  addDecisions(record, decisions);
  EXPECT_EQ(record.allocation->trials.back().kind, "other");
  EXPECT_EQ(record.allocation->trials[2].kind, "random");
  EXPECT_EQ(record.allocation->trials[6].kind, "same size");
  EXPECT_DOUBLE_EQ(record.allocation->kendall.at("predicted"), 1);
  EXPECT_DOUBLE_EQ(record.allocation->kendall.at("mse"), 4.0 / 6);
}

TEST(Report, ReadableUnits) {
  Decisions decisions = makeDecisions();
  for (solver::Group &group : decisions.problem.groups)
    for (solver::Choice &choice : group.choices)
      choice.costs[0] *= 1000;
  decisions.budgets = llvm::cantFail(solver::parseBudgets("size <= 2 %"));
  decisions.plan = llvm::cantFail(solver::solve(decisions.problem, decisions.budgets));
  decisions.plan.budgets[0].shadowPrice = 1e-9;
  Record record;
  addDecisions(record, decisions);
  // A percentage has no unit of its own: megabytes rather than 2510000 bytes (2 % of the way from 2.5 to 3 MB).
  const BudgetLine &budget = record.allocation->budgets[0];
  EXPECT_EQ(budget.unit, "MB");
  EXPECT_DOUBLE_EQ(budget.limit, 2.51);
  EXPECT_DOUBLE_EQ(budget.used, 2.5);
  EXPECT_DOUBLE_EQ(budget.shadowPrice, 1e-3); // a byte 1e-9, a megabyte 1e-3
  EXPECT_DOUBLE_EQ(*record.allocation->trials[0].used, 3);
}

TEST(Report, ActivationsThatNoLayerReads) {
  Decisions decisions = makeDecisions();
  solver::Group add;
  add.name = "add:codes";
  add.choices = {{"-", "s8", 0.2, {0, 0}, {}}, {"-", "s16", 0.1, {0, 0}, {}}};
  decisions.problem.groups.push_back(add);
  decisions.plan = llvm::cantFail(solver::solve(decisions.problem, decisions.budgets));
  decisions.trials.clear();
  Record record;
  addDecisions(record, decisions);
  const Layer &layer = record.layers.back();
  EXPECT_EQ(layer.kind, "activations");
  EXPECT_EQ(layer.weight, "");
  EXPECT_EQ(layer.activation, "s16");
  EXPECT_EQ(layer.sensitivityChoice, "s8");
  EXPECT_EQ(layer.alternative, "s8");
  EXPECT_FALSE(layer.bits);
}

TEST(Report, TiedGroupsSaySo) {
  Decisions decisions = makeDecisions();
  solver::AllocationProblem &problem = decisions.problem;
  problem.groups[1].choices.push_back({"s4", "s8", 0.9, {1000, 64}, {}});
  problem.ties.push_back({{0, 1}, solver::Side::Weight});
  decisions.budgets.clear();
  decisions.plan = llvm::cantFail(solver::solve(problem, {}));
  Record record;
  addDecisions(record, decisions);
  EXPECT_NE(record.layers[0].reason.find("tied with down"), std::string::npos) << record.layers[0].reason;
  EXPECT_NE(record.layers[1].reason.find("tied with up"), std::string::npos) << record.layers[1].reason;
}

TEST(Report, OnlyFiniteNumbers) {
  Record record;
  record.layers.resize(1);
  record.layers[0].name = "bad";
  record.layers[0].loss = std::nan("");
  record.layers[0].bits = std::numeric_limits<double>::infinity();
  record.layers[0].bytes = 12;
  json::Value twin = toJson(record);
  const json::Object &layer = objectOf((*objectOf(twin).getArray("layers"))[0]);
  EXPECT_FALSE(layer.get("loss"));
  EXPECT_FALSE(layer.get("bits"));
  EXPECT_EQ(layer.getInteger("bytes"), 12);
  const json::Array &omitted = *objectOf(twin).getArray("omitted");
  ASSERT_EQ(omitted.size(), 2u);
  EXPECT_EQ(omitted[0].getAsString(), llvm::StringRef("layer bad: bits is not finite"));
}

TEST(Report, NamesAreData) {
  Record record;
  record.model = "a<b>&\"c\".onnx";
  record.layers.resize(2);
  record.layers[0].name = "</script><script>alert(1)</script><!-- @@TITLE@@";
  record.layers[1].name = "not utf-8: \xff";
  json::Value twin = toJson(record);
  std::string html = toHtml(twin);
  EXPECT_NE(html.find("<title>Quantization of a&lt;b&gt;&amp;&quot;c&quot;.onnx</title>"), std::string::npos);
  EXPECT_EQ(html.find("alert(1)</script>"), std::string::npos);
  std::string data = dataOf(html);
  EXPECT_EQ(data.find_first_of("<>&"), std::string::npos);
  auto parsed = json::parse(data);
  ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
  EXPECT_EQ(*parsed, twin);
  EXPECT_EQ(objectOf((*objectOf(*parsed).getArray("layers"))[0]).getString("name"),
            llvm::StringRef(record.layers[0].name));
}

TEST(Report, PageLoadsNothing) {
  std::string html = toHtml(toJson(Record()));
  for (const char *word : {"http://", "https://", "@import", "fetch(", "XMLHttpRequest", " src="}) {
    size_t at = html.find(word);
    // The one address is the name of the SVG namespace.
    if (at != std::string::npos && html.substr(at, 26) == "http://www.w3.org/2000/svg")
      at = html.find(word, at + 1);
    EXPECT_EQ(at, std::string::npos) << word;
  }
}

TEST(Report, RefusesOtherJson) {
  for (const char *text : {"{}", "[1]", R"({"kind": "quantization report", "version": 2})", R"({"version": 1})"}) {
    llvm::Error error = checkTwin(llvm::cantFail(json::parse(text)), "f.json");
    ASSERT_TRUE(bool(error)) << text;
    EXPECT_NE(llvm::toString(std::move(error)).find("f.json: expected a report"), std::string::npos);
  }
  EXPECT_FALSE(checkTwin(toJson(Record()), "f.json"));
}

TEST(Report, WritesPageAndTwin) {
  llvm::SmallString<128> folder;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("report", folder));
  std::string page = (folder + "/report.html").str();
  json::Value twin = toJson(Record());
  ASSERT_FALSE(bool(writeReport(page, twin)));
  auto text = llvm::MemoryBuffer::getFile(folder + "/report.json");
  ASSERT_TRUE(bool(text));
  EXPECT_EQ(llvm::cantFail(json::parse((*text)->getBuffer())), twin);
  EXPECT_TRUE(llvm::sys::fs::exists(page));
  llvm::Error error = writeReport((folder + "/report.json").str(), twin);
  ASSERT_TRUE(bool(error));
  EXPECT_NE(llvm::toString(std::move(error)).find("expected a file that ends in .html"), std::string::npos);
  llvm::sys::fs::remove_directories(folder);
}

TEST(Report, ActivationOnAGrid) {
  // 100 values: 96 spread evenly over [0, 0.96), 4 at 2: with a grid up to 1 the four are clipped by 1 each.
  ValueStatistics statistics;
  std::vector<float> values;
  for (int i = 0; i < 96; ++i)
    values.push_back(float(i) / 100);
  values.insert(values.end(), 4, 2.0f);
  statistics.add(values, {1, 100});
  double step = 1.0 / 128;
  Activation result = describeActivation(statistics, {0, 1}, step, 16);
  EXPECT_DOUBLE_EQ(result.clipped, 0.04);
  EXPECT_LE(result.counts.size(), 16u);
  uint64_t total = 0;
  for (uint64_t count : result.counts)
    total += count;
  EXPECT_EQ(total, 100u);
  EXPECT_LE(result.binLow, 0);
  // Noise: 96 step^2 / 12, and 4 squares of the distance from the centre of the bin of 2 to 1: bins are at most
  // 4 / 1024 wide, so the distance is within 0.002 of 1 and the whole within 0.4 %, which is 0.02 dB.
  double signal = 0;
  for (float value : values)
    signal += double(value) * value;
  EXPECT_NEAR(*result.sqnr, 10 * std::log10(signal / (96 * step * step / 12 + 4)), 0.02);
  // A grid that reaches everything clips nothing, though the last bin reaches beyond the largest value.
  EXPECT_EQ(describeActivation(statistics, {0, 2}, step).clipped, 0);
  EXPECT_TRUE(describeActivation(ValueStatistics(), {0, 1}, step).counts.empty());
}

TEST(Report, Decibels) {
  EXPECT_DOUBLE_EQ(*decibels(100, 1), 20);
  EXPECT_FALSE(decibels(0, 1));
  EXPECT_FALSE(decibels(1, 0));
  EXPECT_FALSE(decibels(std::nan(""), 1));
}

} // namespace
