//===- gpu-check.cpp - all GPU tests in one folder --------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Compiles random kernels of every template (storage formats, groups, tails, epilogues: Cases.cpp) with schedules that
// their templates propose, and a naive kernel of the same operation beside each, into a folder that holds everything:
// cubins, manifest, and the program that runs them. Copied to a machine with a driver and nothing else,
// `FOLDER/gpu-check-run FOLDER` runs it.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Target/Nvptx/KernelFolder.h"
#include "lib/Target/Nvptx/Schedules.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "tools/gpu-check/Cases.h"
#include "tools/gpu-check/Interpreted.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace bitwright;
using kernel::GpuTemplate;

namespace cl = llvm::cl;
static cl::opt<std::string> output("o", cl::desc("folder to write"), cl::Required);
static cl::opt<unsigned> casesPerTemplate("cases", cl::desc("cases of each template (300)"), cl::init(300));
static cl::opt<unsigned> seed("seed", cl::desc("seed of the random kernels (1)"), cl::init(1));
static cl::opt<std::string> archName("arch", cl::desc("sm_90a (default) or sm_80"), cl::init("sm_90a"));
static cl::opt<std::string> only("template", cl::desc("one template alone: multistage, wgmma_ss, wgmma_rs, decode, rows"));

namespace {

constexpr unsigned casesPerKernel = 6;
/// Multiplications that the interpreter is asked to do for one case.
constexpr int64_t interpretedProducts = 4 << 20;

class Packer {
public:
  explicit Packer(MLIRContext &context, nvptx::Arch arch) : context(context), arch(arch), random(seed) {}

  /// One kernel with its cases; false when no schedule of the template covers what was drawn.
  bool addKernel(GpuTemplate kind, unsigned number) {
    std::string symbol = (kernel::stringifyGpuTemplate(kind) + "_" + Twine(number)).str();
    std::string text = gpucheck::randomKernel(kind, symbol, random);
    auto module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      llvm::errs() << "gpu-check: a case that does not parse:\n" << text;
      broken = true;
      return false;
    }
    Operation *op = &module->getBody()->front();
    SmallVector<kernel::ScheduleAttr> schedules;
    for (kernel::ScheduleAttr schedule : nvptx::candidateSchedules(op, arch))
      if (schedule.getKind() == kind)
        schedules.push_back(schedule);
    if (schedules.empty())
      return false;
    // From one row on: the lower end of a schedule's range says where it is worth its time, not what it can do.
    nvptx::ScheduleFields fields = nvptx::ScheduleFields::of(schedules[random() % schedules.size()]);
    fields.mLo = 1;
    kernel::ScheduleAttr schedule = fields.get(&context, arch);
    std::string lines, naive = addNaive(op, symbol);
    if (naive.empty())
      return false;
    unsigned count = 0;
    for (unsigned i = 0; i < casesPerKernel; ++i)
      lines += caseLine(op, schedule, naive, count);
    auto added = folder.add(op, schedule, symbol, lines);
    if (failed(added))
      broken = true;
    if (failed(added) || !*added)
      return false;
    cases += count;
    return true;
  }

  unsigned cases = 0;
  bool broken = false;
  nvptx::KernelFolder folder;

private:
  /// The naive kernel; its symbol, "-" for kernel.rows (compared with the interpreter alone), "" when it failed.
  std::string addNaive(Operation *op, const std::string &symbol) {
    auto gemm = dyn_cast<kernel::GemmOp>(op);
    if (!gemm)
      return "-";
    OwningOpRef<ModuleOp> module = ModuleOp::create(op->getLoc());
    std::string name = "naive_" + symbol;
    auto emitted = nvptx::emitNaive(gemm, arch, *module, name);
    if (failed(emitted))
      return broken = true, "";
    auto ptx = nvptx::compileToPtx(*module, arch);
    if (failed(ptx))
      return broken = true, "";
    auto assembled = nvptx::assemble(*ptx, arch, op->getLoc());
    if (failed(assembled))
      return broken = true, "";
    folder.add(*emitted, op, {}, *assembled, "");
    return name;
  }

  std::string caseLine(Operation *op, kernel::ScheduleAttr schedule, const std::string &naive, unsigned &count) {
    static const int64_t awkward[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127, 129, 200, 257, 300};
    int64_t m = awkward[random() % std::size(awkward)];
    if (int64_t limit = schedule.getMHi(); limit && m > limit)
      m = 1 + int64_t(random() % uint64_t(limit));
    uint64_t data = random();
    std::string line = "case " + naive + " " + std::to_string(m) + " " + std::to_string(data);
    for (uint64_t sum : gpucheck::interpretedChecksums(op, m, data, interpretedProducts))
      line += " " + std::to_string(sum);
    ++count;
    return line + "\n";
  }

  MLIRContext &context;
  nvptx::Arch arch;
  std::mt19937 random;
};

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ParseCommandLineOptions(argc, argv, "gpu-check: all GPU tests in one folder\n");
  auto arch = nvptx::parseArch(archName);
  if (!arch) {
    llvm::errs() << "gpu-check: expected --arch sm_80 or sm_90a, found '" << archName << "'\n";
    return 2;
  }
  DialectRegistry registry;
  registry.insert<arith::ArithDialect, math::MathDialect, kernel::KernelDialect, qnn::QnnDialect, LLVM::LLVMDialect,
                  NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect>();
  MLIRContext context(registry);
  Packer packer(context, *arch);
  for (GpuTemplate kind : {GpuTemplate::WgmmaSs, GpuTemplate::Multistage, GpuTemplate::Decode, GpuTemplate::WgmmaRs,
                           GpuTemplate::Rows}) {
    StringRef name = kernel::stringifyGpuTemplate(kind);
    if (!only.empty() && only != name)
      continue;
    unsigned before = packer.cases, attempts = 0;
    while (packer.cases - before < casesPerTemplate && attempts < 4 * casesPerTemplate && !packer.broken)
      packer.addKernel(kind, attempts++);
    llvm::outs() << name << ": " << packer.cases - before << " cases\n";
    if (packer.broken)
      return 1;
  }
  if (failed(packer.folder.write(output, UnknownLoc::get(&context))))
    return 1;
  // The runner lies beside this program.
  std::string self = llvm::sys::fs::getMainExecutable(argv[0], reinterpret_cast<void *>(main));
  SmallString<128> runner(llvm::sys::path::parent_path(self)), copy(output);
  llvm::sys::path::append(runner, "gpu-check-run");
  llvm::sys::path::append(copy, "gpu-check-run");
  if (auto error = llvm::sys::fs::copy_file(runner, copy)) {
    llvm::errs() << "gpu-check: cannot copy " << runner << ": " << error.message() << "\n";
    return 1;
  }
  if (auto error = llvm::sys::fs::setPermissions(copy, llvm::sys::fs::all_read | llvm::sys::fs::all_exe |
                                                           llvm::sys::fs::owner_write)) {
    llvm::errs() << "gpu-check: cannot make " << copy << " executable: " << error.message() << "\n";
    return 1;
  }
  llvm::outs() << packer.cases << " cases, " << packer.folder.size() << " kernels in " << output << "\n";
  return 0;
}
