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

#include "lib/Target/Nvptx/Nvptx.h"
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

static LogicalResult run(Operation *op, ArrayAttr schedules) {
  for (auto [i, schedule] : llvm::enumerate(schedules.getAsRange<kernel::ScheduleAttr>())) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(op->getLoc());
    std::string symbol = SymbolTable::getSymbolName(op).str() + "_" + std::to_string(i);
    auto emitted = nvptx::emitKernel(op, schedule, *module, symbol);
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
    for (const nvptx::KernelResources &kernel : assembled->kernels)
      llvm::outs() << kernel.symbol << " " << schedule << ": " << kernel.registers << " registers, "
                   << kernel.spillBytes << " bytes spilled, " << emitted->sharedBytes << " bytes shared, "
                   << emitted->threads << " threads\n";
    for (const std::string &warning : assembled->warnings)
      llvm::outs() << "warning: " << warning << "\n";
  }
  return success();
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
    if (auto gemm = dyn_cast<kernel::GemmOp>(op); gemm && gemm.getSchedules())
      ok &= succeeded(run(op, *gemm.getSchedules()));
    if (auto rows = dyn_cast<kernel::RowsOp>(op); rows && rows.getSchedules())
      ok &= succeeded(run(op, *rows.getSchedules()));
  });
  return ok ? 0 : 1;
}
