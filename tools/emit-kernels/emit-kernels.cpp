//===- emit-kernels.cpp - the code of kernel.gemm and kernel.rows -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// For people who write templates: every kernel of a file, for each of its schedules, as NVVM code, PTX, or what ptxas
// says about it.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/EmulatorTrial.h"
#include "lib/Target/Nvptx/Schedules.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace bitwright;

namespace cl = llvm::cl;
static cl::opt<std::string> input(cl::Positional, cl::desc("FILE.mlir"), cl::init("-"));
enum class Emit { Nvvm, Ptx, Report };
static cl::opt<Emit> emitKind("emit", cl::desc("what to print"),
                              cl::values(clEnumValN(Emit::Nvvm, "nvvm", "the kernels before lowering"),
                                         clEnumValN(Emit::Ptx, "ptx", "PTX"),
                                         clEnumValN(Emit::Report, "report", "registers, spills and warnings of ptxas")),
                              cl::init(Emit::Report));

static cl::opt<bool> candidates("candidates", cl::desc("kernels without schedules: all that are worth timing"));

/// The schedules of a kernel that has none: what ships for each architecture, or all that is worth timing.
static ArrayAttr proposed(Operation *op) {
  SmallVector<Attribute> all;
  for (nvptx::Arch arch : {nvptx::Arch::Sm80, nvptx::Arch::Sm90a})
    llvm::append_range(all, candidates ? nvptx::candidateSchedules(op, arch) : nvptx::defaultSchedules(op, arch));
  return ArrayAttr::get(op->getContext(), all);
}

static cl::opt<bool> emulate("emulate", cl::desc("run each kernel in the emulator on random data and compare with the reference"));
static cl::list<int64_t> rowCounts("m", cl::CommaSeparated, cl::desc("numbers of rows to emulate (default 1,7,17,64,129, where the schedule serves them)"));
static cl::opt<bool> naive("naive", cl::desc("the naive kernel of each kernel.gemm instead of its schedules"));
static cl::opt<uint64_t> seed("seed", cl::desc("of data and order of events"), cl::init(1));
static cl::opt<unsigned> resident("resident", cl::desc("CTAs of a persistent kernel"), cl::init(3));

static LogicalResult runEmulated(Operation *op, kernel::ScheduleAttr schedule, unsigned number) {
  std::vector<int64_t> counts(rowCounts.begin(), rowCounts.end());
  if (counts.empty())
    counts = {1, 7, 17, 64, 129};
  if (std::string failed = schedule ? nvptx::supports(op, schedule) : ""; !failed.empty()) {
    llvm::outs() << SymbolTable::getSymbolName(op) << " schedule " << number << ": not covered: " << failed << "\n";
    return failure();
  }
  bool ok = true;
  for (int64_t m : counts) {
    if (schedule && (m < schedule.getMLo() || (schedule.getMHi() && m > schedule.getMHi())))
      continue;
    nvptx::TrialOptions options;
    options.m = m, options.seed = seed, options.residentCtas = resident, options.hostThreads = 2;
    std::string text = nvptx::tryKernel(op, schedule, options);
    llvm::outs() << SymbolTable::getSymbolName(op) << " schedule " << number << " M = " << m << ": "
                 << (text.empty() ? "equal" : text) << "\n";
    ok &= text.empty();
  }
  return success(ok);
}

static LogicalResult run(Operation *op, ArrayAttr attributes) {
  bool all = true;
  auto schedules = llvm::to_vector(attributes.getAsRange<kernel::ScheduleAttr>());
  if (naive)
    schedules.assign(isa<kernel::GemmOp>(op) ? 1 : 0, {});
  for (auto [i, schedule] : llvm::enumerate(schedules)) {
    if (emulate) {
      all &= succeeded(runEmulated(op, schedule, unsigned(i)));
      continue;
    }
    OwningOpRef<ModuleOp> module = ModuleOp::create(op->getLoc());
    std::string symbol = SymbolTable::getSymbolName(op).str() + "_" + std::to_string(i);
    auto emitted = schedule ? nvptx::emitKernel(op, schedule, *module, symbol)
                            : nvptx::emitNaive(cast<kernel::GemmOp>(op), nvptx::Arch::Sm80, *module, symbol);
    if (failed(emitted) || failed(mlir::verify(*module)))
      return failure();
    if (emitKind == Emit::Nvvm) {
      llvm::outs() << *module << "\n";
      continue;
    }
    auto ptx = nvptx::compileToPtx(*module, emitted->arch);
    if (failed(ptx))
      return failure();
    if (emitKind == Emit::Ptx) {
      llvm::outs() << *ptx << "\n";
      continue;
    }
    auto assembled = nvptx::assemble(*ptx, emitted->arch, op->getLoc());
    if (failed(assembled))
      return failure();
    std::string shown = "naive";
    if (schedule)
      shown.clear(), llvm::raw_string_ostream(shown) << schedule;
    for (const nvptx::KernelResources &kernel : assembled->kernels)
      llvm::outs() << kernel.symbol << " " << shown << ": " << kernel.registers << " registers, "
                   << kernel.spillBytes << " bytes spilled, " << emitted->sharedBytes << " bytes shared, "
                   << emitted->threads << " threads\n";
    for (const std::string &warning : assembled->warnings)
      llvm::outs() << "warning: " << warning << "\n";
  }
  return success(all);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ParseCommandLineOptions(argc, argv, "emit-kernels: the code of kernel.gemm and kernel.rows\n");
  DialectRegistry registry;
  // Only what kernels are made of: the tool builds without the passes.
  registry.insert<arith::ArithDialect, math::MathDialect, kernel::KernelDialect, LLVM::LLVMDialect, NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect>();
  MLIRContext context(registry);
  auto module = parseSourceFile<ModuleOp>(input, &context);
  if (!module)
    return 1;
  bool ok = true;
  module->walk([&](Operation *op) {
    if (auto gemm = dyn_cast<kernel::GemmOp>(op))
      ok &= succeeded(run(op, gemm.getSchedules() ? *gemm.getSchedules() : proposed(op)));
    if (auto rows = dyn_cast<kernel::RowsOp>(op))
      ok &= succeeded(run(op, rows.getSchedules() ? *rows.getSchedules() : proposed(op)));
  });
  return ok ? 0 : 1;
}
