//===- Report.h - gathers what --report shows -------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_TOOLS_QUANT_COMPILE_REPORT_H
#define BITWRIGHT_TOOLS_QUANT_COMPILE_REPORT_H

#include "lib/Allocate/Decisions.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Report/Record.h"
#include "lib/Statistics/Statistics.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

namespace bitwright {

/// Follows a compilation from stage to stage: each `note` is called once its stage is done, those of stages that are
/// left out are not called. What is not known is then missing in the report.
class ReportCollector {
public:
  /// What only the driver knows (model, recipe, plan, digest of the data) goes here.
  report::Record record;

  /// Remarks of passes that run from now on become part of the report. Before the first pass.
  void listen(mlir::MLIRContext &context);
  /// After allocate: schemes, ranges, reasons. `statistics` and `decisions` may be null.
  void noteAllocated(mlir::func::FuncOp func, const Statistics *statistics, const Decisions *decisions);
  /// After quantize: what rounding did to the weights.
  void noteQuantized(mlir::func::FuncOp func);
  void noteFile(const artifact::Model &model);
  /// The page, and its data beside it.
  llvm::Error write(llvm::StringRef path);

private:
  void noteLayers(mlir::func::FuncOp func, const Statistics *statistics);
  /// Remarks stay where the context, which owns the listener, can reach them.
  std::shared_ptr<std::vector<report::RemarkLine>> remarks = std::make_shared<std::vector<report::RemarkLine>>();
  llvm::StringMap<WeightData> floatWeights; ///< of products that take codes, by name
};

} // namespace bitwright

#endif
