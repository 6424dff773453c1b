//===- CompileModule.cpp - kernel functions to a flat blob -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// MLIR -> LLVM IR -> optimised -> object in memory -> position-independent blob (KERNELS 6.5). No fast-math, no
// contraction, no library calls: what the blob computes is what the interpreter computes.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/X86.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/DialectConversion.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include <map>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

StringRef x86::nameOf(Isa isa) { return isa == Isa::Avx2 ? "avx2" : "avx512vnni"; }

static LogicalResult lowerToLLVMDialect(ModuleOp module) {
  MLIRContext *context = module.getContext();
  LowerToLLVMOptions options(context);
  LLVMTypeConverter types(context, options);
  RewritePatternSet patterns(context);
  populateSCFToControlFlowConversionPatterns(patterns);
  arith::populateArithToLLVMConversionPatterns(types, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(types, patterns);
  populateVectorToLLVMConversionPatterns(types, patterns);
  LLVMConversionTarget target(*context);
  target.addLegalOp<ModuleOp>();
  return applyFullConversion(module, target, std::move(patterns));
}

static std::unique_ptr<llvm::TargetMachine> createTargetMachine(Isa isa) {
  static const bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
    return true;
  }();
  (void)initialized;
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  // x86-64-v3: AVX2, FMA, F16C, BMI. The wide level lists what the runtime checks for.
  std::string features =
      isa == Isa::Avx2 ? ""
                       : "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512cd,+avx512vnni,+avx512vbmi,-prefer-256-bit";
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(triple, "x86-64-v3", features, options,
                                                                          llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                                                          llvm::CodeGenOptLevel::Default));
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine, Isa isa) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr(llvm::Attribute::NoInline);
    function.addFnAttr("no-builtins");
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    function.addFnAttr("target-features", machine.getTargetFeatureString());
    function.addFnAttr("tune-cpu", isa == Isa::Avx2 ? "znver3" : "znver4");
    function.addFnAttr("prefer-vector-width", isa == Isa::Avx2 ? "256" : "512");
    function.addFnAttr("min-legal-vector-width", isa == Isa::Avx2 ? "256" : "512");
  }
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::TargetLibraryInfoImpl library(machine.getTargetTriple());
  library.disableAllFunctions();
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(library); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
}

namespace {
/// Lays the sections of a relocatable object out one after the other and applies its relocations.
struct Flattener {
  CodeBlob blob;
  std::string error;

  bool run(llvm::MemoryBufferRef buffer) {
    auto parsed = llvm::object::ObjectFile::createELFObjectFile(buffer);
    if (!parsed)
      return fail("the compiler's object cannot be read: " + llvm::toString(parsed.takeError()));
    const llvm::object::ObjectFile &object = **parsed;
    std::map<uint64_t, uint64_t> bases; // section index -> offset in the blob
    for (const llvm::object::SectionRef &section : object.sections()) {
      llvm::object::ELFSectionRef elf(section);
      std::string name = llvm::cantFail(section.getName()).str();
      if (!(elf.getFlags() & llvm::ELF::SHF_ALLOC) || section.getSize() == 0 ||
          StringRef(name).starts_with(".eh_frame"))
        continue;
      if ((elf.getFlags() & llvm::ELF::SHF_WRITE) || section.isBSS())
        return fail("expected no writable data in kernels, found section " + name);
      while (blob.bytes.size() % std::max<uint64_t>(1, section.getAlignment().value()))
        blob.bytes.push_back(0xcc);
      bases[section.getIndex()] = blob.bytes.size();
      StringRef contents = llvm::cantFail(section.getContents());
      blob.bytes.insert(blob.bytes.end(), contents.begin(), contents.end());
    }
    for (const llvm::object::SectionRef &section : object.sections()) {
      auto relocated = llvm::cantFail(section.getRelocatedSection());
      if (relocated == object.section_end() || !bases.count(relocated->getIndex()))
        continue;
      for (const llvm::object::RelocationRef &relocation : section.relocations()) {
        auto symbol = relocation.getSymbol();
        StringRef name = llvm::cantFail(symbol->getName());
        auto target = llvm::cantFail(symbol->getSection());
        if (target == object.section_end())
          return fail("expected kernels that call nothing, found the undefined symbol " + name.str());
        if (!bases.count(target->getIndex()))
          return fail("found a reference to section " + llvm::cantFail(target->getName()).str() +
                      ", which is not part of the code");
        uint64_t value = bases[target->getIndex()] + llvm::cantFail(symbol->getValue()),
                 place = bases[relocated->getIndex()] + relocation.getOffset();
        int64_t addend = llvm::cantFail(llvm::object::ELFRelocationRef(relocation).getAddend());
        switch (relocation.getType()) {
        case llvm::ELF::R_X86_64_PC32:
        case llvm::ELF::R_X86_64_PLT32:
          llvm::support::endian::write32le(&blob.bytes[place], uint32_t(value + addend - place));
          break;
        case llvm::ELF::R_X86_64_PC64:
          llvm::support::endian::write64le(&blob.bytes[place], value + addend - place);
          break;
        default:
          return fail("found relocation type " + std::to_string(relocation.getType()) +
                      ", which is not position-independent");
        }
      }
    }
    for (const llvm::object::SymbolRef &symbol : object.symbols()) {
      if (llvm::cantFail(symbol.getType()) != llvm::object::SymbolRef::ST_Function ||
          !(llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Global))
        continue;
      auto section = llvm::cantFail(symbol.getSection());
      if (section == object.section_end())
        continue;
      blob.entries.push_back(
          {llvm::cantFail(symbol.getName()).str(), bases[section->getIndex()] + llvm::cantFail(symbol.getValue())});
    }
    return true;
  }
  bool fail(std::string text) {
    error = std::move(text);
    return false;
  }
};
} // namespace

FailureOr<CodeBlob> x86::compileModule(ModuleOp module, Isa isa) {
  module.getContext()->loadDialect<cf::ControlFlowDialect, LLVM::LLVMDialect>();
  if (failed(lowerToLLVMDialect(module)))
    return module.emitError() << "x86: the kernels could not be lowered to LLVM";
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context, "kernels");
  if (!code)
    return module.emitError() << "x86: the kernels could not be translated to LLVM IR";
  std::unique_ptr<llvm::TargetMachine> machine = createTargetMachine(isa);
  if (!machine)
    return module.emitError() << "x86: this LLVM was built without the X86 target";
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  for (llvm::Function &function : *code)
    if (function.isDeclaration() && !function.isIntrinsic() && !function.use_empty())
      return module.emitError() << "x86: expected kernels that call nothing, found a call of " << function.getName();
  optimize(*code, *machine, isa);

  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return module.emitError() << "x86: no object file writer";
  passes.run(*code);
  llvm::SmallVectorMemoryBuffer buffer(std::move(object), /*RequiresNullTerminator=*/false);
  Flattener flattener;
  if (!flattener.run(buffer.getMemBufferRef()))
    return module.emitError() << "x86: " << flattener.error;
  return std::move(flattener.blob);
}
