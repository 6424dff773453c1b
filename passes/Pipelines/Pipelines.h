//===- Pipelines.h - the stages of a compilation ---------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_PIPELINES_PIPELINES_H
#define BITWRIGHT_PASSES_PIPELINES_PIPELINES_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace bitwright {

/// The way of a model, in order. `--compile-to=` and `--compile-from=` take these names.
enum class Stage { Import, Simplify, Calibrate, Transform, Allocate, Quantize, Integerize, Fuse, Lower, Package };
constexpr unsigned stageCount = 10;

/// "simplify"; what the stage does, in one sentence.
llvm::StringRef getName(Stage stage);
llvm::StringRef getDescription(Stage stage);
std::optional<Stage> parseStage(llvm::StringRef name);

/// What the stages need to know beyond the IR.
struct StageOptions {
  std::string recipe = "w8a8"; ///< built-in name or file
  std::string isa;             ///< comma-separated levels for `lower`; empty: all
  std::string gpu = {};        ///< comma-separated GPU architectures for `lower`; empty: CPU only
  std::string schedules = {};  ///< table of GPU schedules (JSON); empty: the static model
};

/// The passes of a stage as pipeline text, each with its reason in the source. Import, calibrate and package are not
/// passes: their text is empty.
std::string getPipelineText(Stage stage, const StageOptions &options);

/// Adds the passes of a stage to a module's pass manager.
mlir::LogicalResult buildStage(mlir::OpPassManager &manager, Stage stage, const StageOptions &options);

/// Every dialect that a tool of the compiler reads or makes.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Every pass and every stage pipeline (`--stage-NAME`).
void registerAllPassesAndPipelines();

} // namespace bitwright

#endif
