//===- quant-statistics.cpp - collects, merges and shows statistics --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// quant-statistics collect MODEL.onnx --calibration DATA -o FILE [--shard 2/4] [--second-moments] [--channel-absmax]
// quant-statistics merge FILE FILE... -o FILE
// quant-statistics show FILE [--value NAME] [--percentiles 1,50,99]
//
// What `quant-compile --statistics-in` reads. Exit status: 0 done, 1 the input is wrong, 2 wrong usage, 3 internal
// error.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Evaluate/CompiledRunner.h"
#include "lib/ImportOnnx/ImportOnnx.h"
#include "lib/Statistics/Collect.h"
#include "lib/Support/Table.h"
#include "lib/Weights/WeightFiles.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines/Pipelines.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <thread>

using namespace mlir;
using namespace bitwright;
namespace cl = llvm::cl;

namespace {

/// LLVM's libraries register options of their own: ours are made after the parser was emptied.
struct Flags {
  cl::OptionCategory category{"quant-statistics options"};
  cl::SubCommand collect{"collect", "Runs calibration data through a model's float graph"};
  cl::SubCommand merge{"merge", "Adds the statistics of shards, or of further data, of one graph"};
  cl::SubCommand show{"show", "Prints what a file holds"};

  cl::opt<std::string> model{cl::Positional, cl::desc("MODEL.onnx (or .mlir of quant-compile --compile-to simplify)"),
                             cl::Required, cl::sub(collect), cl::cat(category)};
  cl::list<std::string> parts{cl::Positional, cl::desc("FILE..."), cl::OneOrMore, cl::sub(merge), cl::cat(category)};
  cl::opt<std::string> file{cl::Positional, cl::desc("FILE"), cl::Required, cl::sub(show), cl::cat(category)};
  cl::opt<std::string> output{"o",
                              cl::desc("Statistics to write"),
                              cl::value_desc("FILE"),
                              cl::Required,
                              cl::sub(collect),
                              cl::sub(merge),
                              cl::cat(category)};
  cl::opt<std::string> calibration{"calibration", cl::desc("Samples: FILE.npz, FILE.npy or a folder of them"),
                                   cl::Required, cl::sub(collect), cl::cat(category)};
  cl::list<std::string> dims{"dim", cl::desc("NAME=VALUE or NAME=LO..HI for a symbolic dimension"), cl::sub(collect),
                             cl::cat(category)};
  cl::opt<std::string> shard{"shard",
                             cl::desc("Only every N-th sample, starting with the I-th"),
                             cl::value_desc("I/N"),
                             cl::init("1/1"),
                             cl::sub(collect),
                             cl::cat(category)};
  cl::opt<bool> moments{"second-moments", cl::desc("Of the inputs of products: rounding: gptq needs them"),
                        cl::sub(collect), cl::cat(category)};
  cl::opt<bool> channels{"channel-absmax", cl::desc("Largest magnitude in each channel of the inputs of products"),
                         cl::sub(collect), cl::cat(category)};
  cl::opt<unsigned> threads{"threads", cl::desc("Default: all cores"), cl::init(0), cl::sub(collect),
                            cl::cat(category)};
  cl::opt<double> saveEvery{"save-every", cl::desc("Seconds between two savings of an unfinished collection (30)"),
                            cl::init(30), cl::sub(collect), cl::cat(category)};
  cl::opt<std::string> value{"value", cl::desc("Only values that match (glob), with their channels"),
                             cl::value_desc("PATTERN"), cl::sub(show), cl::cat(category)};
  cl::opt<std::string> percentiles{"percentiles", cl::desc("Columns of the table (0.1,50,99.9)"),
                                   cl::init("0.1,50,99.9"), cl::sub(show), cl::cat(category)};
};
Flags *flags;

/// Exit statuses that scripts depend on.
enum Exit { Done = 0, BadInput = 1, BadUsage = 2, Internal = 3 };

Exit fail(const llvm::Twine &message, Exit code = BadInput) {
  llvm::errs() << "quant-statistics: error: " << message << "\n";
  return code;
}

//===----------------------------------------------------------------------===//
// collect
//===----------------------------------------------------------------------===//

FailureOr<OwningOpRef<ModuleOp>> loadModel(MLIRContext &context) {
  if (llvm::sys::path::extension(flags->model) == ".mlir") {
    auto module = parseSourceFile<ModuleOp>(flags->model, &context);
    if (!module)
      return failure();
    if (llvm::Error error = loadWeightFiles(*module, llvm::sys::path::parent_path(flags->model)))
      return fail(llvm::toString(std::move(error))), failure();
    return module;
  }
  ImportOptions options;
  for (const std::string &text : flags->dims) {
    auto binding = parseDimBinding(text);
    if (!binding)
      return fail(llvm::toString(binding.takeError())), failure();
    options.dims.push_back(*binding);
  }
  auto module = importOnnx(flags->model, &context, options);
  if (failed(module))
    return failure();
  PassManager manager(&context);
  if (failed(buildStage(manager, Stage::Simplify, {})) || failed(manager.run(**module)))
    return failure();
  return module;
}

Exit collect() {
  CollectOptions options;
  auto [index, count] = llvm::StringRef(flags->shard).split('/');
  if (index.getAsInteger(10, options.shard) || count.getAsInteger(10, options.shards) || options.shard < 1 ||
      options.shard > options.shards)
    return fail("--shard: expected I/N with 1 <= I <= N, found '" + flags->shard + "'", BadUsage);
  --options.shard;
  options.secondMoments = flags->moments;
  options.channelAbsMax = flags->channels;
  options.saveSeconds = flags->saveEvery;
  options.onResume = [](uint64_t samples) {
    llvm::errs() << "quant-statistics: note: goes on after " << samples << " samples\n";
  };
  MLIRContext context;
  DialectRegistry registry;
  registerAllDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  auto module = loadModel(context);
  if (failed(module))
    return BadInput;
  auto functions = (**module).getOps<func::FuncOp>();
  if (functions.empty())
    return fail("'" + flags->model + "' holds no function");
  func::FuncOp func = *functions.begin();
  auto data = CalibrationData::open(flags->calibration, func);
  if (!data)
    return fail(llvm::toString(data.takeError()));
  CompiledRunner runner(func, flags->threads ? flags->threads : std::thread::hardware_concurrency());
  auto statistics = collectStatisticsTo(flags->output, func, **data, runner, nullptr, options);
  if (!statistics)
    return fail(llvm::toString(statistics.takeError()));
  llvm::outs() << statistics->samples << " samples, " << statistics->values.size() << " values\n";
  return Done;
}

//===----------------------------------------------------------------------===//
// merge
//===----------------------------------------------------------------------===//

Exit merge() {
  std::optional<Statistics> all;
  for (const std::string &path : flags->parts) {
    auto part = Statistics::load(path);
    if (!part)
      return fail(llvm::toString(part.takeError()));
    if (!all)
      all = std::move(*part);
    else if (llvm::Error error = all->merge(*part))
      return fail("'" + path + "': " + llvm::toString(std::move(error)));
  }
  if (llvm::Error error = all->save(flags->output))
    return fail(llvm::toString(std::move(error)));
  llvm::outs() << all->samples << " samples of " << flags->parts.size() << " files\n";
  return Done;
}

//===----------------------------------------------------------------------===//
// show
//===----------------------------------------------------------------------===//

std::string number(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.5g", value);
  return text;
}

Exit show() {
  std::vector<double> percentiles;
  for (llvm::StringRef text : llvm::split(flags->percentiles, ',')) {
    double percent = 0;
    if (text.trim().getAsDouble(percent) || percent < 0 || percent > 100)
      return fail("--percentiles: expected numbers from 0 to 100, found '" + text + "'", BadUsage);
    percentiles.push_back(percent);
  }
  auto statistics = Statistics::loadUnfinished(flags->file);
  if (!statistics)
    return fail(llvm::toString(statistics.takeError()));
  auto pattern = llvm::GlobPattern::create(flags->value.empty() ? llvm::StringRef("*") : llvm::StringRef(flags->value));
  if (!pattern)
    return fail("--value: " + llvm::toString(pattern.takeError()), BadUsage);

  llvm::outs() << "graph    " << statistics->graphDigest << "\n";
  if (statistics->unfinished) {
    llvm::outs() << "unfinished: " << statistics->samples << " samples so far\n";
  } else {
    for (const DataPart &part : statistics->data)
      llvm::outs() << "data     " << part.source
                   << (part.shards > 1 ? " shard " + std::to_string(part.shard + 1) + "/" + std::to_string(part.shards)
                                       : "")
                   << ", " << part.samples << " samples\n";
  }
  std::vector<std::vector<std::string>> rows = {{"value", "count", "low", "high", "mean", "rms"}};
  for (double percent : percentiles)
    rows[0].push_back("p" + number(percent));
  size_t shown = 0;
  for (const auto &[name, value] : statistics->values) {
    if (!pattern->match(name))
      continue;
    ++shown;
    double count = double(std::max<uint64_t>(1, value.count));
    rows.push_back({name, std::to_string(value.count), number(value.extremes.low), number(value.extremes.high),
                    number(value.sum / count), number(std::sqrt(value.sumOfSquares / count))});
    for (double percent : percentiles)
      rows.back().push_back(number(value.quantile(percent / 100)));
  }
  if (!shown)
    return fail("--value: no value matches '" + flags->value + "'");
  printTable(llvm::outs(), rows);
  if (!flags->value.empty())
    for (const auto &[name, value] : statistics->values) {
      if (!pattern->match(name) || value.channelSums.empty())
        continue;
      rows = {{"channel of " + name, "mean"}};
      if (!value.channelAbsMax.empty())
        rows[0].push_back("absmax");
      std::vector<double> means = value.channelMeans();
      for (size_t c = 0; c < means.size(); ++c) {
        rows.push_back({std::to_string(c), number(means[c])});
        if (!value.channelAbsMax.empty())
          rows.back().push_back(number(double(value.channelAbsMax[c])));
      }
      printTable(llvm::outs(), rows);
    }
  if (statistics->moments.empty() || !flags->value.empty())
    return Done;
  rows = {{"second moments of the input of", "groups", "columns", "rows"}};
  for (const auto &[name, m] : statistics->moments)
    rows.push_back({name, std::to_string(m.groups), std::to_string(m.columns), std::to_string(m.rows)});
  printTable(llvm::outs(), rows);
  return Done;
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ResetCommandLineParser();
  Flags parsed;
  flags = &parsed;
  registerAllPassesAndPipelines();
  cl::SetVersionPrinter(
      [](llvm::raw_ostream &out) { out << "quant-statistics " BITWRIGHT_VERSION " (LLVM " LLVM_VERSION_STRING ")\n"; });
  // Wrong usage ends with 2; LLVM's own parser would end with 1.
  std::string errors;
  llvm::raw_string_ostream errorStream(errors);
  if (!cl::ParseCommandLineOptions(argc, argv, "Collects, merges and shows calibration statistics\n", &errorStream)) {
    llvm::errs() << errors;
    return BadUsage;
  }
  if (parsed.collect)
    return collect();
  if (parsed.merge)
    return merge();
  if (parsed.show)
    return show();
  return fail("expected collect, merge or show (--help says more)", BadUsage);
}
