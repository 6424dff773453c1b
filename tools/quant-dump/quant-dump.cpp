//===- quant-dump.cpp - everything in a .bwm file as text ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Artifact/Artifact.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Package/ExecToArtifact.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace bitwright;
namespace cl = llvm::cl;

static cl::OptionCategory category("quant-dump options");
static cl::opt<std::string> path(cl::Positional, cl::desc("FILE.bwm"), cl::Required, cl::cat(category));
static cl::opt<bool> execOnly("exec", cl::desc("Only the exec IR, in a form that quant-opt reads"), cl::cat(category));
static cl::opt<std::string> codePath(
    "code",
    cl::desc("Write the code segment of LEVEL to FILE (LEVEL=FILE), for a disassembler; of a GPU: sm_80.cubin, "
             "sm_80.ptx, sm_90a.cubin"),
    cl::cat(category));

/// One line a variant: who serves how many rows, how large it is.
static void printGpuLaunch(const artifact::Model &model, const artifact::Launch &launch) {
  if (launch.gpu.variants.empty()) {
    llvm::outs() << "  " << launch.name << ": none"
                 << (launch.gpu.reason.empty() ? std::string() : " (" + launch.gpu.reason + ")") << "\n";
    return;
  }
  for (const artifact::GpuVariant &variant : launch.gpu.variants) {
    const artifact::GpuKernel &kernel = model.gpuKernels[variant.kernel];
    llvm::outs() << "  " << launch.name << ": " << kernel.symbol << " (" << artifact::gpuArchName(kernel.arch)
                 << "), rows " << variant.mLo << ".." << (variant.mHi ? std::to_string(variant.mHi) : "") << ", grid "
                 << (variant.persistent ? "at most " : "") << variant.gridX.str(model.symbols) << " x "
                 << variant.gridY.str(model.symbols) << " of " << kernel.threads << " threads, " << kernel.sharedBytes
                 << " bytes shared" << (kernel.cluster > 1 ? ", clusters of " + std::to_string(kernel.cluster) : "")
                 << (kernel.pdl ? ", pdl" : "") << "\n";
  }
}

static void printTables(const artifact::Model &model) {
  llvm::outs() << "symbols:\n";
  for (const artifact::Symbol &symbol : model.symbols)
    llvm::outs() << "  " << symbol.name << " in " << symbol.lo << ".." << symbol.hi
                 << (symbol.divisor == 1 ? "" : ", a multiple of " + std::to_string(symbol.divisor)) << "\n";
  llvm::outs() << "provenance:\n";
  for (const artifact::Property &property : model.provenance)
    llvm::outs() << "  " << property.key << ": " << property.value << "\n";
  uint64_t weightBytes = 0;
  for (const artifact::Weight &weight : model.weights)
    weightBytes += artifact::storedBytes(weight);
  llvm::outs() << "weights: " << model.weights.size() << ", " << weightBytes << " bytes\n";
  for (const artifact::Weight &weight : model.weights)
    if (weight.packed.isPacked())
      llvm::outs() << "  " << weight.name << ": codes of " << weight.packed.bits << " bits, "
                   << artifact::storedBytes(weight) << " bytes, expanded to " << weight.bytes.size()
                   << " when it is loaded\n";
  llvm::outs() << "arena: " << model.arenaBytes << " bytes\ncode:\n";
  for (const artifact::CodeSegment &code : model.code)
    llvm::outs() << "  " << artifact::isaName(code.isa) << ": " << code.bytes.size() << " bytes, sha256 "
                 << llvm::toHex(llvm::ArrayRef<uint8_t>(code.digest), true) << "\n";
  if (!model.gpuCode.empty()) {
    llvm::outs() << "GPU code:\n";
    for (const artifact::GpuCode &code : model.gpuCode)
      llvm::outs() << "  " << artifact::gpuArchName(code.arch) << " " << artifact::gpuCodeKindName(code.kind) << ": "
                   << code.bytes.size() << " bytes, sha256 " << llvm::toHex(llvm::ArrayRef<uint8_t>(code.digest), true)
                   << "\n";
    llvm::outs() << "GPU launches:\n";
    for (const artifact::EntryPoint &entry : model.entries)
      for (const artifact::Launch &launch : entry.launches)
        printGpuLaunch(model, launch);
  }
  llvm::outs() << "quantized tensors:\n";
  for (const artifact::Tensor &tensor : model.tensors)
    if (tensor.scheme.quantized) {
      llvm::outs() << "  " << tensor.name << ": " << artifact::elementTypeName(tensor.type) << ", scale "
                   << tensor.scheme.scales.front();
      if (tensor.scheme.scales.size() > 1)
        llvm::outs() << " .. (" << tensor.scheme.scales.size() << " along " << tensor.scheme.axis << ")";
      if (!tensor.scheme.zeroPoints.empty())
        llvm::outs() << ", zero point " << tensor.scheme.zeroPoints.front();
      llvm::outs() << "\n";
    }
  llvm::outs() << "self-check: "
               << (model.selfCheck.present ? std::to_string(model.selfCheck.checksums.size()) + " checksums"
                                           : std::string("none"))
               << "\n";
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &out) {
    out << "quant-dump " BITWRIGHT_VERSION " (file format " << artifact::formatVersion << ")\n";
  });
  std::string errors;
  llvm::raw_string_ostream errorStream(errors);
  if (!cl::ParseCommandLineOptions(argc, argv, "Prints everything in a .bwm file\n", &errorStream)) {
    llvm::errs() << errors;
    return 2;
  }
  // Segments lie at multiples of 64 in memory as in the file; a code segment's page alignment is not needed to look at
  // it.
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false,
                                            /*IsVolatile=*/false, llvm::Align(64));
  if (!buffer) {
    llvm::errs() << "quant-dump: error: cannot read '" << path << "': " << buffer.getError().message() << "\n";
    return 1;
  }
  artifact::Model model;
  std::string error;
  artifact::ReadOptions options;
  options.level = artifact::VerifyLevel::Full;
  if (!artifact::readArtifact((*buffer)->getBufferStart(), (*buffer)->getBufferSize(), options, model, error)) {
    llvm::errs() << "quant-dump: error: " << path << ": " << error << "\n";
    return 1;
  }
  if (!codePath.empty()) {
    auto [level, file] = llvm::StringRef(codePath).split('=');
    const artifact::Blob *bytes = nullptr;
    for (const artifact::CodeSegment &code : model.code)
      if (level == artifact::isaName(code.isa))
        bytes = &code.bytes;
    for (const artifact::GpuCode &code : model.gpuCode)
      if (level == std::string(artifact::gpuArchName(code.arch)) + "." + artifact::gpuCodeKindName(code.kind))
        bytes = &code.bytes;
    if (bytes) {
      std::error_code status;
      llvm::raw_fd_ostream out(file, status);
      if (status) {
        llvm::errs() << "quant-dump: error: cannot write '" << file << "': " << status.message() << "\n";
        return 1;
      }
      out.write(reinterpret_cast<const char *>(bytes->data()), bytes->size());
      return 0;
    }
    llvm::errs() << "quant-dump: error: --code: the file has no code for '" << level << "'\n";
    return 1;
  }
  if (!execOnly)
    printTables(model);
  MLIRContext context;
  auto module = fromArtifact(model, &context);
  if (!module)
    return 1;
  module->print(llvm::outs());
  return 0;
}
