//===- quant-import.cpp - a model file as qnn IR ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/ImportOnnx.h"
#include "lib/Weights/WeightFiles.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace bitwright;

namespace {
llvm::cl::OptionCategory category("quant-import options");
llvm::cl::opt<std::string> inputPath(llvm::cl::Positional, llvm::cl::desc("MODEL.onnx"), llvm::cl::cat(category));
llvm::cl::opt<std::string> outputPath(
    "o", llvm::cl::desc("IR file; weights go beside it as NAME.safetensors. '-' prints IR without saving weights"),
    llvm::cl::value_desc("file"), llvm::cl::init("-"), llvm::cl::cat(category));
llvm::cl::list<std::string> dims(
    "dim",
    llvm::cl::desc("Size or range of a symbolic dimension: NAME=VALUE, NAME=LOW..HIGH[/DIVISOR], or INPUT:AXIS=..."),
    llvm::cl::value_desc("binding"), llvm::cl::cat(category));
llvm::cl::opt<bool> printOperators("print-operators",
                                   llvm::cl::desc("Print the supported ONNX operators (docs/Operators.md)"),
                                   llvm::cl::cat(category));
} // namespace

static int fail(const Twine &text) {
  llvm::errs() << "quant-import: error: " << text << "\n";
  return 1;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  llvm::cl::HideUnrelatedOptions(category);
  llvm::cl::ParseCommandLineOptions(argc, argv, "Imports an ONNX model into the qnn dialect\n");
  if (printOperators) {
    llvm::outs() << describeOnnxOperators();
    return 0;
  }
  if (inputPath.empty())
    return fail("expected a model file: quant-import MODEL.onnx [--dim NAME=VALUE]... [-o OUT.mlir]");
  ImportOptions options;
  for (const std::string &text : dims) {
    auto binding = parseDimBinding(text);
    if (!binding)
      return fail(llvm::toString(binding.takeError()));
    options.dims.push_back(*binding);
  }
  MLIRContext context(MLIRContext::Threading::DISABLED);
  // Errors without the caret lines that need IR text: FILE: error: ...
  context.getDiagEngine().registerHandler([](Diagnostic &diagnostic) {
    if (auto file = dyn_cast<FileLineColLoc>(diagnostic.getLocation()))
      llvm::errs() << file.getFilename().getValue() << ": ";
    else if (!isa<UnknownLoc>(diagnostic.getLocation()))
      llvm::errs() << diagnostic.getLocation() << ": ";
    llvm::errs() << (diagnostic.getSeverity() == DiagnosticSeverity::Error ? "error: " : "") << diagnostic << "\n";
    return success();
  });
  auto module = importOnnx(inputPath, &context, options);
  if (failed(module))
    return 1;
  if (outputPath != "-") {
    SmallString<256> weights(outputPath);
    llvm::sys::path::replace_extension(weights, "safetensors");
    if (auto error = saveWeightFile(**module, weights))
      return fail(llvm::toString(std::move(error)));
  }
  std::string problem;
  auto output = openOutputFile(outputPath, &problem);
  if (!output)
    return fail(problem);
  (*module)->print(output->os());
  output->os() << "\n";
  output->keep();
  return 0;
}
