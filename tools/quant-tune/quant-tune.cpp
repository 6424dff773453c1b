//===- quant-tune.cpp - kernel schedules for a target -----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Compiles the kernels of a file, with their schedules, the default ones or all candidates, into a folder that a
// machine with only a driver runs and times (KernelFolder.h).
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelFolder.h"
#include "lib/Target/Nvptx/Schedules.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"

using namespace mlir;
using namespace bitwright;

namespace cl = llvm::cl;
static cl::opt<std::string> input(cl::Positional, cl::desc("FILE.mlir: kernel.gemm and kernel.rows operations"),
                                  cl::init("-"));
static cl::opt<std::string> output("o", cl::desc("folder to write"), cl::Required);
static cl::opt<bool> candidates("candidates", cl::desc("all schedules worth timing instead of the default ones"));
static cl::opt<std::string> archName("arch", cl::desc("sm_80 or sm_90a (default)"), cl::init("sm_90a"));

static SmallVector<kernel::ScheduleAttr> schedulesOf(Operation *op, nvptx::Arch arch) {
  auto written = op->getAttrOfType<ArrayAttr>("schedules");
  if (written && !candidates)
    return llvm::to_vector(written.getAsRange<kernel::ScheduleAttr>());
  return candidates ? nvptx::candidateSchedules(op, arch) : nvptx::defaultSchedules(op, arch);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ParseCommandLineOptions(argc, argv, "quant-tune: kernels with their schedules, ready to be timed\n");
  auto arch = nvptx::parseArch(archName);
  if (!arch) {
    llvm::errs() << "quant-tune: expected --arch sm_80 or sm_90a, found '" << archName << "'\n";
    return 2;
  }
  DialectRegistry registry;
  registry.insert<arith::ArithDialect, math::MathDialect, kernel::KernelDialect, LLVM::LLVMDialect, NVVM::NVVMDialect,
                  scf::SCFDialect, vector::VectorDialect>();
  MLIRContext context(registry);
  auto module = parseSourceFile<ModuleOp>(input, &context);
  if (!module)
    return 1;
  nvptx::KernelFolder folder;
  bool ok = true;
  module->walk([&](Operation *op) {
    if (!isa<kernel::GemmOp, kernel::RowsOp>(op))
      return;
    auto schedules = schedulesOf(op, *arch);
    if (schedules.empty()) {
      op->emitError() << "no schedule for " << archName;
      ok = false;
    }
    unsigned number = 0;
    for (kernel::ScheduleAttr schedule : schedules)
      ok &= succeeded(
          folder.add(op, schedule, (SymbolTable::getSymbolName(op).getValue() + "_" + Twine(number++)).str()));
  });
  if (failed(folder.write(output, module->getLoc())))
    return 1;
  llvm::outs() << folder.size() << " kernels in " << output << "\n";
  return ok ? 0 : 1;
}
