//===- Pipelines.cpp - the stages of a compilation -------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Pipelines/Pipelines.h"
#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Exec/Exec.h"
#include "dialects/Kernel/Kernel.h"
#include "dialects/Qnn/Qnn.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Pipelines/AllPasses.h"

using namespace mlir;
using namespace bitwright;

static const struct {
  llvm::StringLiteral name, description;
} stages[stageCount] = {
    {"import", "reads the model file: one function of qnn operations on ranked tensors"},
    {"simplify", "folds constants, biases and norms; recognises idioms"},
    {"calibrate", "runs the float graph on data and keeps statistics of every value"},
    {"transform", "rewrites that keep the function: what makes quantization hurt less"},
    {"allocate", "gives every quantizable operation a scheme"},
    {"quantize", "rounds weights and places quantize and dequantize"},
    {"integerize", "turns quantized operations into exact integer arithmetic"},
    {"fuse", "groups operations into kernels and chooses memory layouts"},
    {"lower", "compiles the kernels and plans buffers and launches"},
    {"package", "writes the .bwm file"},
};

llvm::StringRef bitwright::getName(Stage stage) { return stages[unsigned(stage)].name; }
llvm::StringRef bitwright::getDescription(Stage stage) { return stages[unsigned(stage)].description; }

std::optional<Stage> bitwright::parseStage(llvm::StringRef name) {
  for (unsigned i = 0; i < stageCount; ++i)
    if (stages[i].name == name)
      return Stage(i);
  return std::nullopt;
}

std::string bitwright::getPipelineText(Stage stage, const StageOptions &options) {
  std::string text;
  auto onFunc = [&](llvm::StringRef pass) { text += (text.empty() ? "" : ",") + ("func.func(" + pass + ")").str(); };
  auto onModule = [&](llvm::StringRef pass) { text += (text.empty() ? "" : ",") + pass.str(); };
  switch (stage) {
  case Stage::Import:
  case Stage::Calibrate:
  case Stage::Package:
    break; // not passes: they read and write files
  case Stage::Simplify:
    onFunc("fold-constants");   // what exporters compute at run time although nothing varies
    onFunc("fold-identities");  // copies and no-ops that exporters leave behind hide patterns
    onFunc("matmul-to-linear"); // products with constant weights get their canonical form, so that biases find them
    onFunc("fold-bias");        // an addition between a product and its batch norm would keep them apart
    onFunc("fold-batch-norm");  // into the weights; alone it becomes a multiplication and an addition
    onFunc("fold-bias");        // which may follow a product, as may an addition behind the norm
    onFunc("recognise-idioms"); // norms, GELU, SiLU, ... as operations of their own; squeeze-excite needs the biases
                                // folded
    onFunc("expand-squeeze-excite"); // recognised as one, but calibrated, quantized and lowered part by part
    onFunc("fold-identities");       // what recognition and expansion left over
    onModule("verify-simplified");   // the stage's contract: one function in the module
    break;
  case Stage::Transform:
    break; // smoothing, rotations: nothing yet
  case Stage::Allocate:
    onFunc("assign-schemes{recipe=" + options.recipe + "}"); // what the recipe says, on each operation
    break;
  case Stage::Quantize:
    onFunc("place-quantizers"); // activations: after fused activations, one grid where tensors share storage
    onFunc("correct-bias");     // needs the input grids of place-quantizers and the float weights
    onFunc("quantize-weights"); // codes and scales into the store, fine enough for the bias at the input's scale
    onFunc("verify-quantized"); // the stage's contract
    break;
  case Stage::Integerize:
    onFunc("convert-qnn-to-dyadic"); // dequantize, op, quantize becomes integer op and rescale
    onModule("cse");                 // islands dequantize one value several times
    onFunc("store-floats");          // 16 bits between kernels where the recipe says so
    onFunc("verify-accumulators");   // no i32 accumulator can overflow, proven from the weights
    break;
  case Stage::Fuse:
    onFunc("fuse-regions");        // one region, one kernel
    onFunc("verify-integer-only"); // what claims integers holds only integers
    onFunc("assign-layouts");      // memory order of the values between them
    break;
  case Stage::Lower:
    if (!options.gpu.empty()) {
      onModule("select-kernels{targets=" + options.gpu + "}"); // regions that a GPU can run, described as kernels
      onModule("schedule-kernels{targets=" + options.gpu +     // tiles and pipelines for each range of M
               (options.schedules.empty() ? "" : " table=" + options.schedules) + "}");
      onModule("lower-kernels-to-nvvm"); // PTX and cubins
    }
    onModule(options.isa.empty() ? "lower-to-exec" : "lower-to-exec{isa=" + options.isa + "}");
    break;
  }
  return text;
}

LogicalResult bitwright::buildStage(OpPassManager &manager, Stage stage, const StageOptions &options) {
  std::string text = getPipelineText(stage, options);
  return text.empty() ? success() : parsePassPipeline(text, manager, llvm::errs());
}

void bitwright::registerAllDialects(DialectRegistry &registry) {
  registry.insert<func::FuncDialect, arith::ArithDialect, qnn::QnnDialect, dyadic::DyadicDialect, kernel::KernelDialect,
                  exec::ExecDialect>();
}

namespace {
struct StagePipelineOptions : PassPipelineOptions<StagePipelineOptions> {
  Option<std::string> recipe{*this, "recipe", llvm::cl::desc("built-in recipe or file (allocate)"),
                             llvm::cl::init("w8a8")};
  Option<std::string> isa{*this, "isa", llvm::cl::desc("instruction set levels (lower)")};
  Option<std::string> gpu{*this, "gpu", llvm::cl::desc("GPU architectures (lower)")};
  Option<std::string> schedules{*this, "schedules", llvm::cl::desc("table of GPU schedules (lower)")};
};
} // namespace

void bitwright::registerAllPassesAndPipelines() {
  registerAllPasses();
  mlir::registerTransformsPasses();
  // The registry keeps references to the names: they live as long as the process.
  static llvm::SmallVector<std::string> names;
  names.reserve(stageCount);
  for (unsigned i = 0; i < stageCount; ++i) {
    if (getPipelineText(Stage(i), {}).empty())
      continue;
    names.push_back(("stage-" + stages[i].name).str());
    PassPipelineRegistration<StagePipelineOptions>(
        names.back(), stages[i].description, [i](OpPassManager &manager, const StagePipelineOptions &options) {
          if (failed(buildStage(manager, Stage(i), {options.recipe, options.isa, options.gpu, options.schedules})))
            llvm::report_fatal_error("a stage names a pass that is not registered");
        });
  }
}
