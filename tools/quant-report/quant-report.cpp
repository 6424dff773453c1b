//===- quant-report.cpp - the page of a report from its data ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// quant-report REPORT.json -o PAGE.html
//
// Makes the page again from what quant-compile --report wrote beside it (docs/Report.md). Exit status: 0 done, 1 the
// input is wrong, 2 wrong usage.
//
//===----------------------------------------------------------------------===//

#include "lib/Report/Html.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace bitwright;
namespace cl = llvm::cl;

namespace {
enum Exit { Done = 0, BadInput = 1, BadUsage = 2 };

Exit fail(const llvm::Twine &message) {
  llvm::errs() << "quant-report: error: " << message << "\n";
  return BadInput;
}

Exit run(const std::string &in, const std::string &out) {
  auto buffer = llvm::MemoryBuffer::getFile(in, /*IsText=*/true);
  if (!buffer)
    return fail(in + ": " + buffer.getError().message());
  auto twin = llvm::json::parse((*buffer)->getBuffer());
  if (!twin)
    return fail(in + ": " + llvm::toString(twin.takeError()));
  if (llvm::Error error = report::checkTwin(*twin, in))
    return fail(llvm::toString(std::move(error)));
  auto error = llvm::writeToOutput(out, [&](llvm::raw_ostream &stream) {
    stream << report::toHtml(*twin);
    return llvm::Error::success();
  });
  return error ? fail(out + ": " + llvm::toString(std::move(error))) : Done;
}
} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ResetCommandLineParser();
  cl::OptionCategory category("quant-report options");
  cl::opt<std::string> in(cl::Positional, cl::desc("REPORT.json"), cl::Required, cl::cat(category));
  cl::opt<std::string> out("o", cl::desc("The page"), cl::value_desc("PAGE.html"), cl::Required, cl::cat(category));
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &stream) {
    stream << "quant-report " BITWRIGHT_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
  });
  std::string errors;
  llvm::raw_string_ostream errorStream(errors);
  if (!cl::ParseCommandLineOptions(argc, argv, "The page of a quantization report from its JSON data\n",
                                   &errorStream)) {
    llvm::errs() << errors;
    return BadUsage;
  }
  return run(in, out);
}
