//===- quant-compile.cpp - from a model file to a .bwm file ----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Exec/Exec.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Evaluate/CompiledRunner.h"
#include "lib/Evaluate/SelfCheck.h"
#include "lib/ImportOnnx/ImportOnnx.h"
#include "lib/Statistics/Statistics.h"
#include "lib/Support/Recipe.h"
#include "lib/Target/Nvptx/Nvptx.h"
#include "lib/Weights/WeightFiles.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "passes/Package/ExecToArtifact.h"
#include "passes/Pipelines/Pipelines.h"
#include "passes/Quantize/QuantizableOps.h"
#include "passes/Quantize/RoundingMemo.h"
#include "tools/quant-compile/Allocation.h"
#include "tools/quant-compile/Report.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/ToolOutputFile.h"
#include <chrono>
#include <thread>

using namespace mlir;
using namespace bitwright;
namespace cl = llvm::cl;

namespace {

/// LLVM's libraries register options of their own, some under our names: ours are made after the parser was emptied.
struct Flags {
  cl::OptionCategory category{"quant-compile options"};
  cl::opt<std::string> modelPath{cl::Positional, cl::desc("MODEL.onnx (or .mlir with --compile-from)"), cl::Required,
                                 cl::cat(category)};
  cl::opt<std::string> outputPath{"o", cl::desc("Output: .bwm, or .mlir with --compile-to"), cl::value_desc("FILE"),
                                  cl::cat(category)};
  cl::opt<std::string> recipeName{
      "recipe",
      cl::desc("Built-in recipe (float, w8a8, w8a8-per-token, w4a8, w4a8-groups, w4a16, w8a16) or a YAML file"),
      cl::init("float"), cl::cat(category)};
  cl::opt<std::string> calibrationPath{"calibration", cl::desc("Samples: FILE.npz or a folder"), cl::cat(category)};
  cl::list<std::string> dimTexts{
      "dim", cl::desc("NAME=VALUE or NAME=LO..HI for a symbolic dimension (or INPUT:AXIS=...)"), cl::cat(category)};
  cl::list<std::string> targets{"target", cl::desc("cpu (always there), sm_80 (runs on every 8.x), sm_90a"),
                                cl::CommaSeparated, cl::cat(category)};
  cl::opt<std::string> compileTo{"compile-to", cl::desc("Stop after this stage and write its IR"), cl::init("package"),
                                 cl::cat(category)};
  cl::opt<std::string> compileFrom{"compile-from", cl::desc("MODEL is IR as this stage hands it on"),
                                   cl::cat(category)};
  cl::opt<std::string> statisticsIn{"statistics-in", cl::desc("Use these statistics instead of running calibration"),
                                    cl::cat(category)};
  cl::opt<std::string> statisticsOut{"statistics-out", cl::desc("Save the statistics"), cl::cat(category)};
  cl::opt<std::string> jsonPath{"json", cl::desc("Write a summary of the compilation"), cl::cat(category)};
  cl::opt<std::string> require{"require", cl::desc("int4, int8, integer-only or no-fallback: refuse what falls short"),
                               cl::cat(category)};
  cl::opt<std::string> schedules{"schedules", cl::desc("Table of GPU schedules (quant-tune writes it)"),
                                 cl::value_desc("FILE.json"), cl::cat(category)};
  cl::opt<std::string> isaNames{"isa", cl::desc("Instruction set levels to compile for (default: all)"),
                                cl::cat(category)};
  cl::opt<unsigned> threadCount{"threads", cl::desc("Threads of calibration and trials (default: all cores), and of timed runs (default: 1)"), cl::init(0),
                                cl::cat(category)};
  cl::list<std::string> budgets{"budget", cl::desc("Choose formats within limits: 'size <= 60 %, latency <= 5 ms'"),
                                cl::cat(category)};
  cl::opt<std::string> choices{"choices", cl::desc("Formats to choose from (s8,s4/s8)"),
                               cl::value_desc("WEIGHTS[/ACTIVATIONS]"), cl::cat(category)};
  cl::list<std::string> keep{"keep", cl::desc("Layers that take this format"), cl::value_desc("PATTERN=CHOICE"),
                             cl::cat(category)};
  cl::list<std::string> forbid{"forbid", cl::desc("Layers that never take it"), cl::value_desc("PATTERN=CHOICE"),
                               cl::cat(category)};
  cl::opt<std::string> sensitivities{"sensitivities",
                                     cl::desc("File of measured losses: read, gone on with, written"),
                                     cl::value_desc("FILE.json"), cl::cat(category)};
  cl::opt<std::string> sensitivityMetric{"sensitivity-metric",
                                         cl::desc("Loss that is minimised: output, user, weight_mse or output_mse"),
                                         cl::cat(category)};
  cl::opt<std::string> metricCommand{"metric", cl::desc("A process that computes the loss of outputs"),
                                     cl::value_desc("COMMAND"), cl::cat(category)};
  cl::opt<std::string> metricName{"metric-name", cl::desc("What the metric is called, also in --sensitivities (its COMMAND)"),
                                  cl::value_desc("NAME"), cl::cat(category)};
  cl::opt<std::string> latencies{"latencies", cl::desc("Table of kernel times: read, and extended by what is measured"),
                                 cl::value_desc("FILE.json"), cl::cat(category)};
  cl::opt<unsigned> pareto{"pareto", cl::desc("Also solve for N limits of the first budget"), cl::value_desc("N"),
                           cl::init(0), cl::cat(category)};
  cl::opt<unsigned> rankCheck{"rank-check", cl::desc("Measure N random plans, as many of the chosen plan's size, uniform "
                                                     "and greedy ones"),
                              cl::value_desc("N"), cl::init(0), cl::cat(category)};
  cl::opt<std::string> planIn{"plan-in", cl::desc("Take the formats of this plan"), cl::value_desc("FILE.json"),
                              cl::cat(category)};
  cl::opt<std::string> planOut{"plan-out", cl::desc("Write the chosen plan"), cl::value_desc("FILE.json"),
                               cl::cat(category)};
  cl::opt<std::string> reportPath{"report", cl::desc("Write a page of what was decided and why; FILE.json beside it"),
                                  cl::value_desc("FILE.html"), cl::cat(category)};
};
Flags *flags;

/// Exit statuses that scripts depend on.
enum Exit { Done = 0, BadInput = 1, BadUsage = 2, Internal = 3 };

Exit fail(const llvm::Twine &message, Exit code = BadInput) {
  llvm::errs() << "quant-compile: error: " << message << "\n";
  return code;
}

/// A line on stderr that is rewritten in place, shown once a step has taken two seconds.
class Progress {
public:
  void start(llvm::StringRef what) {
    finish();
    text = what.str();
    lastShown = 0;
    begin = std::chrono::steady_clock::now();
  }
  void update(uint64_t done, const std::string &what = " samples") {
    bool terminal = llvm::sys::Process::StandardErrIsDisplayed();
    // A log gets a line every ten seconds, a terminal one line that counts.
    double now = seconds();
    if (now < 2 || (!terminal && now < lastShown + 10))
      return;
    lastShown = now;
    shown = true;
    llvm::errs() << (terminal ? "\r" : "") << "  " << text << ": " << done << what << ", "
                 << llvm::format("%.0f s", now) << (terminal ? "" : "\n");
  }
  void finish() {
    if (shown && llvm::sys::Process::StandardErrIsDisplayed())
      llvm::errs() << "\n";
    shown = false;
    if (!text.empty())
      times.push_back({text, seconds()});
    text.clear();
  }
  std::vector<std::pair<std::string, double>> times;

private:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }
  std::string text;
  std::chrono::steady_clock::time_point begin;
  double lastShown = 0;
  bool shown = false;
};

class Driver {
public:
  Exit run() {
    allocation.emplace(allocationRequest());
    if (Exit code = checkOptions(); code != Done)
      return code;
    auto loadedRecipe = Recipe::load(flags->recipeName);
    if (!loadedRecipe)
      return fail(llvm::toString(loadedRecipe.takeError()));
    recipe = *loadedRecipe;
    if (!flags->require.empty() && !recipe.quantize)
      return fail("--require " + flags->require + ": the recipe '" + flags->recipeName +
                  "' keeps everything in float: choose another one, for example --recipe w8a8");
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    RoundingMemo::install(&context); // what allocation measures is rounded once

    if (!flags->reportPath.empty())
      report.listen(context);
    if (Exit code = load(); code != Done)
      return code;
    for (unsigned i = unsigned(firstStage); i <= unsigned(lastStage); ++i) {
      Stage stage = Stage(i);
      if (stage != Stage::Import) // load() did it
        progress.start(getName(stage));
      Exit code = Done;
      if (stage == Stage::Calibrate)
        code = recipe.quantize ? calibrate() : Done;
      else if (stage == Stage::Package)
        code = package();
      else if (stage != Stage::Import)
        code = runPasses(stage);
      if (code == Done && stage == Stage::Allocate)
        code = allocate();
      if (code == Done && stage == Stage::Allocate)
        noteSchemes();
      if (code == Done && !flags->reportPath.empty())
        noteForReport(stage);
      if (code == Done && stage == Stage::Quantize) {
        noteRounding();
        RoundingMemo::find(&context)->clear();
      }
      if (code == Done && stage == Stage::Integerize)
        code = checkRequirement();
      if (code == Done && stage == Stage::Lower)
        code = checkGpu();
      if (code != Done)
        return code;
    }
    progress.finish();
    if (lastStage != Stage::Package)
      if (Exit code = writeIR(); code != Done)
        return code;
    if (!flags->reportPath.empty())
      if (llvm::Error error = report.write(flags->reportPath))
        return fail("--report: " + llvm::toString(std::move(error)));
    return writeSummary();
  }

private:
  Exit checkOptions() {
    if (flags->outputPath.empty())
      return fail("expected -o FILE: where to write the result", BadUsage);
    llvm::StringRef reportKind = llvm::sys::path::extension(flags->reportPath);
    if (!flags->reportPath.empty() && reportKind != ".html" && reportKind != ".htm")
      return fail("--report: expected a file that ends in .html (its data go beside it, as .json), found '" +
                      flags->reportPath + "'",
                  BadUsage);
    if (llvm::Error error = allocation->check())
      return fail(llvm::toString(std::move(error)), BadUsage);
    auto last = parseStage(flags->compileTo);
    if (!last)
      return fail("--compile-to: expected a stage (import, simplify, calibrate, transform, allocate, quantize, "
                  "integerize, fuse, lower, package), found '" +
                      flags->compileTo + "'",
                  BadUsage);
    lastStage = *last;
    if (!flags->compileFrom.empty()) {
      auto first = parseStage(flags->compileFrom);
      if (!first || *first == Stage::Package)
        return fail("--compile-from: expected a stage before package, found '" + flags->compileFrom + "'", BadUsage);
      firstStage = Stage(unsigned(*first) + 1);
    }
    if (allocation->isWanted() && (lastStage < Stage::Allocate || firstStage > Stage::Allocate))
      return fail("--budget and --plan-in act in the stage allocate, which --compile-from and --compile-to leave out",
                  BadUsage);
    if (lastStage < firstStage)
      return fail("--compile-to=" + flags->compileTo + " lies before what --compile-from=" + flags->compileFrom +
                      " continues with",
                  BadUsage);
    for (const std::string &target : flags->targets) {
      if (target != "cpu" && target != "sm_80" && target != "sm_90a")
        return fail("--target: expected cpu, sm_80 or sm_90a, found '" + target + "'");
      if (target != "cpu" && !llvm::is_contained(gpuTargets, target))
        gpuTargets.push_back(target);
    }
    if (!flags->schedules.empty() && gpuTargets.empty())
      return fail("--schedules needs a GPU among --target (sm_80, sm_90a)", BadUsage);
    for (llvm::StringRef level : llvm::split(flags->isaNames, ','))
      if (!level.empty() && level != "avx2" && level != "avx512vnni")
        return fail("--isa: expected avx2 or avx512vnni, found '" + level + "'");
    if (!flags->require.empty() && flags->require != "int4" && flags->require != "int8" &&
        flags->require != "integer-only" && flags->require != "no-fallback")
      return fail("--require: expected int4, int8, integer-only or no-fallback, found '" + flags->require + "'",
                  BadUsage);
    for (const std::string &text : flags->dimTexts) {
      auto binding = parseDimBinding(text);
      if (!binding)
        return fail(llvm::toString(binding.takeError()), BadUsage);
      dims.push_back(*binding);
    }
    return Done;
  }

  Exit load() {
    if (firstStage == Stage::Import) {
      ImportOptions options;
      options.dims = dims;
      progress.start("import");
      auto imported = importOnnx(flags->modelPath, &context, options);
      if (failed(imported))
        return BadInput;
      module = std::move(*imported);
      return Done;
    }
    module = parseSourceFile<ModuleOp>(flags->modelPath, &context);
    if (!module)
      return BadInput;
    if (llvm::Error error = loadWeightFiles(*module, llvm::sys::path::parent_path(flags->modelPath)))
      return fail(llvm::toString(std::move(error)));
    return Done;
  }

  func::FuncOp mainFunction() {
    auto functions = module->getOps<func::FuncOp>();
    return functions.empty() ? func::FuncOp() : *functions.begin();
  }

  Exit runPasses(Stage stage) {
    if (!recipe.quantize && (stage == Stage::Allocate || stage == Stage::Quantize || stage == Stage::Integerize))
      return Done;
    PassManager manager(&context);
    manager.enableVerifier(true);
    if (failed(buildStage(manager, stage,
                          {flags->recipeName, flags->isaNames, llvm::join(gpuTargets, ","), flags->schedules})))
      return fail("the stage " + getName(stage) + " names a pass that this build does not have", Internal);
    if (failed(manager.run(*module)))
      return fail("the stage " + getName(stage) + " failed (see the messages above)",
                  stage >= Stage::Fuse && flags->schedules.empty() ? Internal : BadInput);
    return Done;
  }

  AllocationRequest allocationRequest() {
    AllocationRequest request;
    request.budgets = flags->budgets;
    request.keep = flags->keep;
    request.forbid = flags->forbid;
    request.choices = flags->choices;
    request.planIn = flags->planIn;
    request.planOut = flags->planOut;
    request.sensitivities = flags->sensitivities;
    request.sensitivityMetric = flags->sensitivityMetric;
    request.metricCommand = flags->metricCommand;
    request.metricName = flags->metricName.empty() ? flags->metricCommand : flags->metricName;
    request.latencies = flags->latencies;
    request.calibration = flags->calibrationPath;
    request.pareto = flags->pareto;
    request.rankCheck = flags->rankCheck;
    request.threads = flags->threadCount ? flags->threadCount : std::thread::hardware_concurrency();
    request.latencyThreads = std::max(1u, unsigned(flags->threadCount)); // as quant-run's default
    return request;
  }

  /// --plan-in and --budget: formats of weights and activations, over what the recipe said.
  Exit allocate() {
    if (!allocation->isWanted())
      return Done;
    auto show = [&](llvm::StringRef step, uint64_t done, uint64_t all) {
      progress.update(done, " of " + std::to_string(all) + " trials (" + step.str() + ")");
    };
    if (llvm::Error error = allocation->run(mainFunction(), recipe, show))
      return fail(llvm::toString(std::move(error)));
    return Done;
  }

  /// Remembers which operations the recipe wants in integers.
  void noteSchemes() {
    module->walk([&](Operation *op) {
      if (op->hasAttr(activationSchemeAttr) && !op->hasAttr(keepFloatAttr))
        wanted.insert(bitwright::getName(op));
    });
  }

  /// --require: names what stayed in float although it must not. `int8`: any product; `no-fallback`: a product that the
  /// recipe wanted in integers; `integer-only`: anything between the graph's input quantize and its output dequantize.
  Exit checkRequirement() {
    if (flags->require.empty())
      return Done;
    if (flags->require == "integer-only") {
      PassManager manager(&context);
      if (failed(parsePassPipeline("func.func(verify-integer-only{function=true})", manager)) ||
          failed(manager.run(*module)))
        return fail(
            "--require integer-only: the operation above stays in float; the remarks of convert-qnn-to-dyadic say why");
      return Done;
    }
    if (flags->require == "int4")
      return checkFourBits();
    std::string names;
    module->walk([&](Operation *op) {
      if (!isa_and_nonnull<qnn::QnnDialect>(op->getDialect()) || isa<qnn::ConstantOp, qnn::WeightOp>(op))
        return;
      bool floats = llvm::any_of(op->getResultTypes(),
                                 [](Type type) { return isa<FloatType>(cast<ShapedType>(type).getElementType()); });
      bool product = isa<qnn::ConvOp, qnn::ConvTransposeOp, qnn::LinearOp, qnn::MatmulOp>(op);
      if (floats && product && (flags->require == "int8" || wanted.contains(bitwright::getName(op))))
        names += ("\n  " + bitwright::getName(op) + " (" + op->getName().stripDialect() + ")").str();
    });
    if (!names.empty())
      return fail(
          "--require " + flags->require +
          ": these operations stay in float (a recipe's keep_float or the remarks of convert-qnn-to-dyadic say why):" +
          names);
    return Done;
  }

  /// --require int4: the weights of every product with constant weights are stored in at most four bits.
  Exit checkFourBits() {
    std::string names;
    module->walk([&](Operation *op) {
      if (!isa<qnn::ConvOp, qnn::ConvTransposeOp, qnn::LinearOp, dyadic::ConvOp, dyadic::ConvTransposeOp,
               dyadic::LinearOp, dyadic::LinearTwoLevelOp, dyadic::LinearGroupsOp>(op))
        return;
      Value weight = op->getOperand(1);
      if (auto dequantize = weight.getDefiningOp<qnn::DequantizeOp>())
        weight = dequantize.getInput();
      Type element = cast<RankedTensorType>(weight.getType()).getElementType();
      std::string type;
      llvm::raw_string_ostream(type) << element;
      if (element.getIntOrFloatBitWidth() > 4)
        names +=
            ("\n  " + bitwright::getName(op) + " (" + op->getName().stripDialect() + "): weights of " + type).str();
    });
    if (!names.empty())
      return fail(
          "--require int4: these weights take more than four bits (recipes w4a8 and w4a16 store four; a recipe's "
          "keep_float or the remarks of allocate say why not):" +
          names);
    return Done;
  }

  /// Launches that some GPU target cannot run: an error under --require no-fallback, else told.
  Exit checkGpu() {
    if (gpuTargets.empty())
      return Done;
    if (!nvptx::findPtxas())
      llvm::errs()
          << "quant-compile: warning: ptxas was not found: the file carries PTX only, which the driver compiles "
             "at load; install the CUDA toolkit 13.0 or the package nvidia-cuda-nvcc==13.0.88\n";
    std::string names;
    size_t without = 0, all = 0;
    module->walk([&](exec::LaunchOp launch) {
      ++all;
      llvm::StringSet<> served;
      if (auto variants = launch.getGpu())
        for (auto variant : variants->getAsRange<exec::GpuVariantAttr>())
          served.insert(variant.getArch());
      std::string missing;
      for (const std::string &target : gpuTargets)
        if (!served.contains(target))
          missing += (missing.empty() ? "" : ", ") + target;
      if (missing.empty())
        return;
      ++without;
      llvm::StringRef reason =
          launch.getGpuReason().value_or("no schedule fits (the remarks of schedule-kernels say why)");
      names += ("\n  " + launch.getName() + " (" + missing + "): " + reason).str();
    });
    if (names.empty())
      return Done;
    if (flags->require == "no-fallback")
      return fail("--require no-fallback: these launches have no GPU code:" + names);
    llvm::errs() << "quant-compile: warning: " << without << " of " << all
                 << " launches have no GPU code, so the model runs on the CPU only:" << names << "\n";
    return Done;
  }

  void noteForReport(Stage stage) {
    report.record.model = llvm::sys::path::filename(flags->modelPath).str();
    report.record.recipe = flags->recipeName;
    report.record.plan = flags->planIn;
    if (stage == Stage::Allocate && recipe.quantize)
      report.noteAllocated(mainFunction(), context.getOrLoadDialect<qnn::QnnDialect>()->getStatistics().get(),
                           allocation->getDecisions());
    if (stage == Stage::Quantize && recipe.quantize)
      report.noteQuantized(mainFunction());
  }

  void noteRounding() {
    auto found = mainFunction()->getAttrOfType<DictionaryAttr>(gptqAttr);
    if (!found)
      return;
    gptq = {found.getAs<IntegerAttr>("layers").getInt(), found.getAs<IntegerAttr>("fallbacks").getInt()};
    mainFunction()->removeAttr(gptqAttr);
  }

  Exit calibrate() {
    func::FuncOp func = mainFunction();
    if (!flags->statisticsIn.empty()) {
      auto statistics = Statistics::load(flags->statisticsIn);
      if (!statistics)
        return fail(llvm::toString(statistics.takeError()));
      if (llvm::Error error = checkStatistics(*statistics, func))
        return fail(flags->statisticsIn + ": " + llvm::toString(std::move(error)));
      if (recipe.needsSecondMoments() && statistics->moments.empty())
        llvm::errs() << "quant-compile: warning: the recipe '" << flags->recipeName << "' rounds with gptq, but '"
                     << flags->statisticsIn
                     << "' holds no second moments: weights are rounded to nearest; collect them with --statistics-out "
                        "under this recipe or quant-statistics collect --second-moments\n";
      setStatistics(*statistics);
      return Done;
    }
    // Scales found at run time need no data (bias correction uses statistics where there are some).
    if (flags->calibrationPath.empty() && !recipe.needsStatistics())
      return Done;
    if (flags->calibrationPath.empty())
      return fail("the recipe '" + flags->recipeName +
                  "' quantizes activations: expected --calibration FILE.npz|DIR or --statistics-in FILE");
    auto data = CalibrationData::open(flags->calibrationPath, func);
    if (!data)
      return fail(llvm::toString(data.takeError()));
    CompiledRunner runner(func, flags->threadCount ? flags->threadCount : std::thread::hardware_concurrency());
    CollectOptions options;
    options.secondMoments = recipe.needsSecondMoments();
    options.onResume = [](uint64_t samples) {
      llvm::errs() << "quant-compile: note: calibration goes on after " << samples << " samples\n";
    };
    auto update = [&](uint64_t done) { progress.update(done); };
    auto statistics = flags->statisticsOut.empty()
                          ? collectStatistics(func, **data, runner, update, options)
                          : collectStatisticsTo(flags->statisticsOut, func, **data, runner, update, options);
    if (!statistics)
      return fail(llvm::toString(statistics.takeError()));
    calibrationDigest = (*data)->getDigest();
    setStatistics(*statistics);
    return Done;
  }

  /// Passes find the statistics in the dialect.
  void setStatistics(Statistics &statistics) {
    context.getOrLoadDialect<qnn::QnnDialect>()->getStatistics() = std::make_shared<Statistics>(std::move(statistics));
  }

  Exit package() {
    auto programs = module->getOps<exec::ProgramOp>();
    if (programs.empty())
      return fail("there is no exec.program to package", Internal);
    auto artifact = toArtifact(*programs.begin());
    if (failed(artifact))
      return Internal;
    artifact->provenance.push_back({"tool", "quant-compile " BITWRIGHT_VERSION});
    artifact->provenance.push_back({"recipe", flags->recipeName});
    artifact->provenance.push_back({"model", llvm::sys::path::filename(flags->modelPath).str()});
    if (!calibrationDigest.empty())
      artifact->provenance.push_back({"calibration-digest", calibrationDigest});
    if (llvm::Error error = addSelfCheck(*artifact))
      return fail("the compiled model does not run: " + llvm::toString(std::move(error)), Internal);
    std::string error;
    if (!artifact::writeArtifact(*artifact, flags->outputPath, error))
      return fail(error);
    for (const artifact::Weight &weight : artifact->weights)
      weightBytes += artifact::storedBytes(weight);
    kernels = artifact->kernels.size();
    launches = artifact->entries.front().launches.size();
    arenaBytes = artifact->arenaBytes;
    if (!flags->reportPath.empty())
      report.noteFile(*artifact);
    return Done;
  }

  /// IR and, beside it, the weights that it refers to.
  Exit writeIR() {
    llvm::SmallString<128> weightsPath(flags->outputPath);
    llvm::sys::path::replace_extension(weightsPath, "safetensors");
    std::vector<std::string> used;
    module->walk([&](qnn::WeightOp weight) { used.push_back(weight.getSource().str()); });
    module->walk([&](exec::WeightOp weight) { used.push_back(weight.getSource().str()); });
    module->walk([&](exec::CodeOp code) { used.push_back(code.getSource().str()); });
    llvm::sort(used);
    used.erase(std::unique(used.begin(), used.end()), used.end());
    Builder builder(&context);
    if (!used.empty()) {
      if (llvm::Error error = getWeightStore(&context).save(weightsPath, used))
        return fail(llvm::toString(std::move(error)));
      (*module)->setAttr("qnn.weight_files", builder.getStrArrayAttr({llvm::sys::path::filename(weightsPath)}));
    }
    std::string error;
    auto file = openOutputFile(flags->outputPath, &error);
    if (!file)
      return fail(error);
    module->print(file->os());
    file->keep();
    return Done;
  }

  Exit writeSummary() {
    if (flags->jsonPath.empty())
      return Done;
    llvm::json::Object stages;
    for (auto &[name, seconds] : progress.times)
      stages[name] = seconds;
    llvm::json::Object summary{{"model", flags->modelPath},         {"recipe", flags->recipeName},
                               {"seconds", std::move(stages)},      {"kernels", int64_t(kernels)},
                               {"launches", int64_t(launches)},     {"weight_bytes", int64_t(weightBytes)},
                               {"arena_bytes", int64_t(arenaBytes)}};
    if (gptq)
      summary["gptq"] = llvm::json::Object{{"layers", gptq->first}, {"fallbacks", gptq->second}};
    std::string error;
    auto file = openOutputFile(flags->jsonPath, &error);
    if (!file)
      return fail(error);
    file->os() << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(summary)));
    file->keep();
    return Done;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  Recipe recipe;
  std::vector<DimBinding> dims;
  Stage firstStage = Stage::Import, lastStage = Stage::Package;
  std::vector<std::string> gpuTargets;
  std::optional<Allocation> allocation;
  Progress progress;
  std::string calibrationDigest;
  std::optional<std::pair<int64_t, int64_t>> gptq; ///< layers whose recipe asks for it, and those it kept nearest
  ReportCollector report;
  uint64_t weightBytes = 0, arenaBytes = 0;
  size_t kernels = 0, launches = 0;
  llvm::StringSet<> wanted; ///< names of the operations that the recipe gives an integer scheme
};

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ResetCommandLineParser();
  Flags parsed;
  flags = &parsed;
  registerAllPassesAndPipelines();
  cl::HideUnrelatedOptions(parsed.category);
  cl::SetVersionPrinter(
      [](llvm::raw_ostream &out) { out << "quant-compile " BITWRIGHT_VERSION " (LLVM " LLVM_VERSION_STRING ")\n"; });
  // Wrong usage ends with 2; LLVM's own parser would end with 1.
  std::string errors;
  llvm::raw_string_ostream errorStream(errors);
  if (!cl::ParseCommandLineOptions(argc, argv, "Compiles a model to a quantized .bwm file\n", &errorStream)) {
    llvm::errs() << errors;
    return BadUsage;
  }
  return Driver().run();
}
