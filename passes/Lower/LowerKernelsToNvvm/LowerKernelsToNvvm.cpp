//===- LowerKernelsToNvvm.cpp - GPU kernels compiled ------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Lower/LowerKernelsToNvvm/LowerKernelsToNvvm.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/Verifier.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "passes/Lower/LowerKernelsToNvvm/LaunchFacts.h"
#include "passes/Lower/ScheduleKernels/ScheduleKernels.h"
#include <thread>

namespace bitwright {
#define GEN_PASS_DEF_LOWERKERNELSTONVVM
#include "passes/Lower/LowerKernelsToNvvm/LowerKernelsToNvvm.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using kernel::ScheduleAttr;

namespace {

/// A kernel for one range of M: its schedules, best first, and the one in use.
struct Slot {
  Operation *op;
  SmallVector<ScheduleAttr> options;
  unsigned current = 0;
  nvptx::EmittedKernel emitted;
  std::string complaint; ///< of ptxas about the last option
  ScheduleAttr schedule() const { return options[current]; }
};

/// All kernels of one architecture.
struct Unit {
  nvptx::Arch arch;
  std::vector<Slot> slots;
  std::string ptx;
  std::vector<uint8_t> cubin;
  std::vector<std::pair<Operation *, std::string>> remarks; ///< said after the threads have ended
  bool ok = false;
};

std::string toText(Attribute attr) {
  std::string text;
  llvm::raw_string_ostream(text) << attr;
  return text;
}

/// What ptxas holds against a kernel; "" when nothing.
std::string complaintOf(const nvptx::Assembled &assembled, StringRef symbol) {
  for (const nvptx::KernelResources &kernel : assembled.kernels)
    if (kernel.symbol == symbol && kernel.spillBytes)
      return std::to_string(kernel.spillBytes) + " bytes of registers are spilled";
  for (const std::string &warning : assembled.warnings)
    if (StringRef(warning).contains("'" + symbol.str() + "'"))
      return StringRef(warning).trim().str();
  return "";
}

/// Compiles kernels together; false after a diagnostic.
bool compileTogether(MutableArrayRef<Slot> slots, nvptx::Arch arch, Location loc, bool havePtxas, std::string &ptxText,
                     std::vector<uint8_t> &cubin) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  for (Slot &slot : slots) {
    std::string symbol = SymbolTable::getSymbolName(slot.op).str() + "_m" + std::to_string(slot.schedule().getMLo());
    auto emitted = nvptx::emitKernel(slot.op, slot.schedule(), *module, symbol);
    if (failed(emitted))
      return false;
    slot.emitted = std::move(*emitted);
  }
  if (failed(mlir::verify(*module)))
    return false;
  auto ptx = nvptx::compileToPtx(*module, arch);
  if (failed(ptx))
    return false;
  ptxText = std::move(*ptx);
  if (!havePtxas)
    return true;
  auto assembled = nvptx::assemble(ptxText, arch, loc);
  if (failed(assembled))
    return false;
  cubin = std::move(assembled->cubin);
  for (Slot &slot : slots)
    slot.complaint = complaintOf(*assembled, slot.emitted.symbol);
  return true;
}

/// All kernels in one file; for those that ptxas complains about the next schedule that it does not.
void compile(Unit &unit, Location loc, bool havePtxas) {
  if (!compileTogether(unit.slots, unit.arch, loc, havePtxas, unit.ptx, unit.cubin))
    return;
  bool changed = false;
  for (Slot &slot : unit.slots) {
    Slot first = slot;
    std::vector<std::pair<Operation *, std::string>> dropped;
    std::string ptx;
    std::vector<uint8_t> cubin;
    while (!slot.complaint.empty() && slot.current + 1 < slot.options.size()) {
      dropped.push_back({slot.op, toText(slot.schedule()) + " is dropped: " + slot.complaint});
      ++slot.current;
      if (!compileTogether(slot, unit.arch, loc, havePtxas, ptx, cubin))
        return;
    }
    if (!slot.complaint.empty()) {
      slot = first; // none is better
      continue;
    }
    changed |= slot.current != 0;
    llvm::append_range(unit.remarks, dropped);
  }
  unit.ok = !changed || compileTogether(unit.slots, unit.arch, loc, havePtxas, unit.ptx, unit.cubin);
}

struct LowerKernelsToNvvm : bitwright::impl::LowerKernelsToNvvmBase<LowerKernelsToNvvm> {
  using LowerKernelsToNvvmBase::LowerKernelsToNvvmBase;

  /// What compileToPtx would register and load is there before threads start.
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<kernel::KernelDialect, qnn::QnnDialect, arith::ArithDialect, math::MathDialect, LLVM::LLVMDialect,
                    NVVM::NVVMDialect, scf::SCFDialect, cf::ControlFlowDialect, vector::VectorDialect>();
    registerConvertNVVMToLLVMInterface(registry);
    registerAllToLLVMIRTranslations(registry);
    createConvertVectorToLLVMPass()->getDependentDialects(registry);
    createConvertNVVMToLLVMPass()->getDependentDialects(registry);
    createSCFToControlFlowPass()->getDependentDialects(registry);
    createConvertMathToLLVMPass()->getDependentDialects(registry);
    createArithToLLVMConversionPass()->getDependentDialects(registry);
    createConvertControlFlowToLLVMPass()->getDependentDialects(registry);
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::vector<Unit> units;
    for (nvptx::Arch arch : {nvptx::Arch::Sm80, nvptx::Arch::Sm90a}) {
      Unit unit{arch, {}, {}, {}, {}, false};
      for (Operation &op : *module.getBody())
        if (isa<kernel::GemmOp, kernel::RowsOp>(op))
          addSlots(&op, arch, unit.slots);
      if (!unit.slots.empty())
        units.push_back(std::move(unit));
    }
    bool havePtxas = nvptx::findPtxas().has_value();
    auto work = [&](Unit &unit) { compile(unit, module.getLoc(), havePtxas); };
    if (getContext().isMultithreadingEnabled() && units.size() > 1) {
      std::vector<std::thread> threads;
      for (Unit &unit : units)
        threads.emplace_back([&] { work(unit); });
      for (std::thread &thread : threads)
        thread.join();
    } else {
      llvm::for_each(units, work);
    }
    SmallVector<Attribute> code;
    llvm::MapVector<Operation *, SmallVector<std::pair<Attribute, Attribute>>> launches;
    for (Unit &unit : units) {
      for (auto &[op, text] : unit.remarks)
        remark::missed(op->getLoc(), remark::RemarkOpts::name("ptxas").category("gpu")) << text;
      if (!unit.ok)
        return signalPassFailure();
      for (Slot &slot : unit.slots) {
        if (!slot.complaint.empty()) {
          if (strict) {
            slot.op->emitError() << "expected a schedule without spills and warnings; the last one, " << slot.schedule()
                                 << ": " << slot.complaint;
            return signalPassFailure();
          }
          remark::missed(slot.op->getLoc(), remark::RemarkOpts::name("ptxas").category("gpu"))
              << toText(slot.schedule()) + " stays for want of another: " + slot.complaint;
        }
        LaunchFacts facts{slot.emitted, slot.schedule().getMLo(), slot.schedule().getMHi()};
        launches[slot.op].push_back({slot.schedule(), toAttribute(facts, &getContext())});
      }
      if (!unit.cubin.empty())
        code.push_back(keep(unit.arch, "cubin", unit.cubin));
      if (unit.cubin.empty() || unit.arch == nvptx::Arch::Sm80)
        code.push_back(
            keep(unit.arch, "ptx", ArrayRef(reinterpret_cast<const uint8_t *>(unit.ptx.data()), unit.ptx.size())));
    }
    if (!units.empty() && !havePtxas)
      remark::missed(module.getLoc(), remark::RemarkOpts::name("ptxas").category("gpu"))
          << "ptxas was not found: the file carries PTX only, which the driver compiles at load; install the CUDA "
             "toolkit 13.0 or the package nvidia-cuda-nvcc==13.0.88";
    Builder builder(&getContext());
    for (auto &[op, list] : launches) {
      SmallVector<Attribute> schedules, facts;
      for (auto [schedule, attr] : list) {
        schedules.push_back(schedule);
        facts.push_back(attr);
      }
      op->setAttr("schedules", builder.getArrayAttr(schedules));
      op->setAttr(gpuLaunchesAttr, builder.getArrayAttr(facts));
      op->removeAttr(scheduleAlternativesAttr);
    }
    if (!code.empty())
      module->setAttr(gpuCodeAttr, builder.getArrayAttr(code));
  }

private:
  static void addSlots(Operation *op, nvptx::Arch arch, std::vector<Slot> &slots) {
    auto schedules = op->getAttrOfType<ArrayAttr>("schedules");
    auto alternatives = op->getAttrOfType<ArrayAttr>(scheduleAlternativesAttr);
    if (!schedules)
      return;
    for (auto [i, attr] : llvm::enumerate(schedules.getAsRange<ScheduleAttr>())) {
      if (attr.getArch() != nvptx::nameOf(arch))
        continue;
      Slot slot{op, {attr}, 0, {}, {}};
      if (alternatives && i < alternatives.size())
        llvm::append_range(slot.options, cast<ArrayAttr>(alternatives[i]).getAsRange<ScheduleAttr>());
      slots.push_back(std::move(slot));
    }
  }

  Attribute keep(nvptx::Arch arch, StringRef kind, ArrayRef<uint8_t> bytes) {
    Builder builder(&getContext());
    std::string source = ("gpu/code/" + nvptx::nameOf(arch) + "." + kind).str();
    auto type = RankedTensorType::get({int64_t(bytes.size())}, builder.getIntegerType(8));
    getWeightStore(&getContext()).set(source, WeightData::copyOf<uint8_t>(type, bytes));
    return builder.getDictionaryAttr({builder.getNamedAttr("arch", builder.getStringAttr(nvptx::nameOf(arch))),
                                      builder.getNamedAttr("kind", builder.getStringAttr(kind)),
                                      builder.getNamedAttr("source", builder.getStringAttr(source))});
  }
};

} // namespace
