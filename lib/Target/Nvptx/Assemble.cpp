//===- Assemble.cpp - PTX to a cubin with ptxas -----------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/Nvptx.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

/// ptxas of the Python package nvidia-cuda-nvcc in a folder of packages, or "".
static std::string packaged(const Twine &packages) {
  std::string path = (packages + "/nvidia/cu13/bin/ptxas").str();
  return llvm::sys::fs::can_execute(path) ? path : "";
}

/// The same in a virtual environment.
static std::string packagedIn(const Twine &environment) {
  std::error_code error;
  llvm::sys::fs::directory_iterator folder(environment + "/lib", error), end;
  for (; !error && folder != end; folder.increment(error))
    if (llvm::sys::path::filename(folder->path()).starts_with("python"))
      if (std::string path = packaged(folder->path() + "/site-packages"); !path.empty())
        return path;
  return "";
}

std::optional<std::string> bitwright::nvptx::findPtxas() {
  // The variable decides alone: set to nothing, there is no ptxas.
  if (const char *path = std::getenv("BITWRIGHT_PTXAS"))
    return llvm::sys::fs::can_execute(path) ? std::optional(std::string(path)) : std::nullopt;
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  std::string toolkit = "/usr/local/cuda/bin", home;
  if (const char *path = std::getenv("CUDA_HOME"))
    home = std::string(path) + "/bin";
  if (auto found = llvm::sys::findProgramByName("ptxas", {home, toolkit}))
    return *found;
  if (const char *environment = std::getenv("VIRTUAL_ENV"))
    if (std::string path = packagedIn(environment); !path.empty())
      return path;
  // Beside the package that this program came with, or in the environment of a checkout that it was built in.
  static int here;
  SmallString<256> folder(llvm::sys::fs::getMainExecutable(nullptr, &here));
  for (llvm::sys::path::remove_filename(folder); llvm::sys::path::has_relative_path(folder);
       llvm::sys::path::remove_filename(folder))
    for (const std::string &path : {packaged(folder), packagedIn(folder + "/.venv")})
      if (!path.empty())
        return path;
  return std::nullopt;
}

/// "ptxas info : Used 168 registers", "0 bytes spill stores", "Compiling entry function 'name'".
static void readReport(StringRef report, Assembled &result) {
  llvm::Regex entry("Compiling entry function '([^']+)'"), used("Used ([0-9]+) registers"),
      spills("([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
  SmallVector<StringRef> lines, match;
  report.split(lines, '\n', -1, /*KeepEmpty=*/false);
  auto number = [&](unsigned i) {
    unsigned value = 0;
    match[i].getAsInteger(10, value);
    return value;
  };
  for (StringRef line : lines) {
    if (entry.match(line, &match)) {
      result.kernels.push_back({match[1].str(), 0, 0, 0});
    } else if (!result.kernels.empty() && spills.match(line, &match)) {
      result.kernels.back().stackBytes = number(1);
      result.kernels.back().spillBytes = number(2) + number(3);
    } else if (!result.kernels.empty() && used.match(line, &match)) {
      result.kernels.back().registers = number(1);
    } else if (line.contains("warning") || line.contains("C75") || line.contains("serializ")) {
      result.warnings.push_back(line.str());
    }
  }
}

FailureOr<Assembled> bitwright::nvptx::assemble(StringRef ptx, Arch arch, Location loc) {
  auto ptxas = findPtxas();
  if (!ptxas)
    return emitError(loc) << "ptxas was not found: install the CUDA toolkit 13.0 or the package "
                             "nvidia-cuda-nvcc==13.0.88 into the Python environment, or set BITWRIGHT_PTXAS",
           failure();
  SmallString<128> input, output, report;
  for (auto [path, suffix] : {std::pair(&input, "ptx"), std::pair(&output, "cubin"), std::pair(&report, "txt")})
    if (auto error = llvm::sys::fs::createTemporaryFile("bitwright", suffix, *path))
      return emitError(loc) << "cannot create a temporary file: " << error.message(), failure();
  llvm::FileRemover removeInput(input), removeOutput(output), removeReport(report);
  {
    std::error_code error;
    llvm::raw_fd_ostream stream(input, error);
    if (error)
      return emitError(loc) << "cannot write " << input << ": " << error.message(), failure();
    stream << ptx;
  }
  std::string message;
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(report), StringRef(report)};
  int status = llvm::sys::ExecuteAndWait(
      *ptxas, {*ptxas, "-v", "-O3", "--warn-on-spills", "-arch", nameOf(arch), input, "-o", output}, std::nullopt,
      redirects, 0, 0, &message);
  auto text = llvm::MemoryBuffer::getFile(report);
  StringRef reportText = text ? (*text)->getBuffer() : StringRef();
  if (status != 0)
    return emitError(loc) << *ptxas << " failed for " << nameOf(arch) << " (" << message
                          << "): " << reportText.take_front(2000),
           failure();
  auto cubin = llvm::MemoryBuffer::getFile(output);
  if (!cubin)
    return emitError(loc) << "cannot read what ptxas wrote: " << cubin.getError().message(), failure();
  Assembled result;
  result.cubin.assign((*cubin)->getBufferStart(), (*cubin)->getBufferEnd());
  readReport(reportText, result);
  return result;
}
