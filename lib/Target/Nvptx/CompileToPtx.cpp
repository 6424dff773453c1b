//===- CompileToPtx.cpp - NVVM code to PTX ----------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelWriter.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

static LogicalResult lowerToLlvmDialect(ModuleOp module) {
  lowerDeviceOps(module);
  PassManager passes(module.getContext());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createConvertNVVMToLLVMPass()); // nvvm without an LLVM intrinsic becomes inline PTX
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertMathToLLVMPass()); // intrinsics; the gpu conversion would call libdevice
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  return passes.run(module);
}

/// Marks the loops of functions with the attribute `bitwright-rolled-loops`: LLVM prints `.pragma "nounroll"` for them, and
/// ptxas, which else unrolls loops of few and known trips whatever registers that takes, leaves them alone. (The annotation
/// of scf.for ends on the header's branch; LLVM looks for it on the latch.)
static void keepLoopsRolled(llvm::Module &module) {
  for (llvm::Function &function : module) {
    if (!function.hasFnAttribute("bitwright-rolled-loops"))
      continue;
    llvm::DominatorTree dominators(function);
    llvm::LoopInfo loops(dominators);
    llvm::LLVMContext &context = module.getContext();
    for (llvm::Loop *loop : loops.getLoopsInPreorder()) {
      auto *disable = llvm::MDNode::get(context, llvm::MDString::get(context, "llvm.loop.unroll.disable"));
      auto *id = llvm::MDNode::getDistinct(context, {nullptr, disable});
      id->replaceOperandWith(0, id);
      loop->setLoopID(id);
    }
  }
}

FailureOr<std::string> bitwright::nvptx::compileToPtx(ModuleOp module, Arch arch) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  DialectRegistry registry;
  registerConvertNVVMToLLVMInterface(registry);
  registerAllToLLVMIRTranslations(registry);
  module.getContext()->appendDialectRegistry(registry);
  if (failed(lowerToLlvmDialect(module)))
    return failure();
  llvm::LLVMContext context;
  auto llvmModule = translateModuleToLLVMIR(module, context, "kernels");
  if (!llvmModule)
    return module.emitOpError("could not be translated to LLVM IR"), failure();

  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return module.emitOpError() << "no NVPTX back end in this LLVM: " << error, failure();
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, nameOf(arch), ptxFeatureOf(arch), llvm::TargetOptions(), std::nullopt,
                                  std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  llvmModule->setTargetTriple(triple);
  llvmModule->setDataLayout(machine->createDataLayout());
  keepLoopsRolled(*llvmModule);

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager cgscc;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(machine.get());
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(cgscc);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, cgscc, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(*llvmModule, modules);

  llvm::SmallString<0> ptx;
  llvm::raw_svector_ostream stream(ptx);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return module.emitOpError("the NVPTX back end cannot print PTX"), failure();
  codegen.run(*llvmModule);
  return std::string(ptx);
}
