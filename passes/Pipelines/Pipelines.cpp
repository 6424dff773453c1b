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
#include "passes/Pipelines/AllPasses.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace bitwright;

void bitwright::registerAllDialects(DialectRegistry &registry) {
  registry.insert<func::FuncDialect, arith::ArithDialect, qnn::QnnDialect, dyadic::DyadicDialect, kernel::KernelDialect, exec::ExecDialect>();
}

void bitwright::registerAllPassesAndPipelines() {
  registerAllPasses();
  mlir::registerTransformsPasses();
}
