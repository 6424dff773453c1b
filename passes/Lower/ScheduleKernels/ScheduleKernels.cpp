//===- ScheduleKernels.cpp - which code serves which M ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Lower/ScheduleKernels/ScheduleKernels.h"
#include "lib/Target/Nvptx/Schedules.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Remarks.h"
#include "passes/Lower/SelectKernels/SelectKernels.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <limits>

namespace bitwright {
#define GEN_PASS_DEF_SCHEDULEKERNELS
#include "passes/Lower/ScheduleKernels/ScheduleKernels.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using kernel::ScheduleAttr;

namespace {

constexpr int64_t unbounded = std::numeric_limits<int64_t>::max();
int64_t lastOf(ScheduleAttr s) { return s.getMHi() ? s.getMHi() : unbounded; }
std::string toText(Attribute attr) {
  std::string text;
  llvm::raw_string_ostream(text) << attr;
  return text;
}

/// Smallest and largest M that the launches of a kernel can have.
struct Range {
  int64_t lo = unbounded, hi = 1;
};

struct TableEntry {
  std::string chip, signature;
  ScheduleAttr schedule;
};

struct ScheduleKernels : bitwright::impl::ScheduleKernelsBase<ScheduleKernels> {
  using ScheduleKernelsBase::ScheduleKernelsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::vector<nvptx::Arch> archs;
    for (const std::string &target : targets) {
      auto arch = nvptx::parseArch(target);
      if (!arch) {
        module.emitError() << "option targets: expected sm_80 or sm_90a, found '" << target << "'";
        return signalPassFailure();
      }
      archs.push_back(*arch);
    }
    if (failed(readTable()))
      return signalPassFailure();
    llvm::StringMap<Range> ranges;
    for (auto func : module.getOps<func::FuncOp>())
      for (auto fused : func.getOps<kernel::FusedOp>())
        if (auto symbol = fused->getAttrOfType<FlatSymbolRefAttr>(gpuKernelAttr)) {
          AffineExpr m = fused->getAttrOfType<AffineMapAttr>(gpuMapAttr).getValue().getResult(0);
          auto [lo, hi] = rangeOf(m, getSymbols(func));
          Range &range = ranges[symbol.getValue()];
          range.lo = std::min(range.lo, std::max<int64_t>(lo, 1));
          range.hi = std::max(range.hi, hi);
        }
    for (Operation &op : llvm::make_early_inc_range(*module.getBody()))
      if (isa<kernel::GemmOp, kernel::RowsOp>(op)) {
        auto it = ranges.find(SymbolTable::getSymbolName(&op).getValue());
        schedule(&op, archs, it == ranges.end() ? Range{1, unbounded} : it->second);
      }
  }

private:
  LogicalResult readTable() {
    entries.clear();
    if (table.empty())
      return success();
    auto location = FileLineColLoc::get(&getContext(), table, 0, 0);
    auto file = llvm::MemoryBuffer::getFile(table);
    if (!file)
      return emitError(location) << "cannot read the table of schedules: " << file.getError().message();
    auto json = llvm::json::parse((*file)->getBuffer());
    if (!json)
      return emitError(location) << "expected JSON: " << llvm::toString(json.takeError());
    const llvm::json::Object *object = json->getAsObject();
    const llvm::json::Array *list = object ? object->getArray("entries") : nullptr;
    if (!list)
      return emitError(location) << "expected an object with a list `entries`";
    for (auto [i, value] : llvm::enumerate(*list)) {
      const llvm::json::Object *entry = value.getAsObject();
      auto signature = entry ? entry->getString("signature") : std::nullopt,
           text = entry ? entry->getString("schedule") : std::nullopt;
      if (!signature || !text)
        return emitError(location) << "entry " << i << ": expected texts `signature` and `schedule`";
      auto attr = dyn_cast_or_null<ScheduleAttr>(parseAttribute(*text, &getContext()));
      if (!attr)
        return emitError(location) << "entry " << i << ": expected a #kernel.schedule, found '" << *text << "'";
      entries.push_back({entry->getString("chip").value_or("").str(), signature->str(), attr});
    }
    // Those of the chip first, then those of all chips; other chips' entries do not count.
    std::vector<TableEntry> ordered;
    for (bool ofChip : {true, false})
      for (const TableEntry &entry : entries)
        if (ofChip ? !entry.chip.empty() && entry.chip == chip : entry.chip.empty())
          ordered.push_back(entry);
    entries = std::move(ordered);
    return success();
  }

  void schedule(Operation *op, ArrayRef<nvptx::Arch> archs, Range range) {
    SmallVector<Attribute> schedules, alternatives;
    std::string signature = nvptx::signatureOf(op), reason;
    for (nvptx::Arch arch : archs) {
      // What the table says, then what the templates propose for the rest.
      SmallVector<ScheduleAttr> taken, proposed = nvptx::defaultSchedules(op, arch),
                                       all = nvptx::candidateSchedules(op, arch);
      for (const TableEntry &entry : entries) {
        if (entry.signature != signature || entry.schedule.getArch() != nvptx::nameOf(arch))
          continue;
        std::string failed = nvptx::supports(op, entry.schedule);
        if (failed.empty())
          claim(taken, entry.schedule);
        else
          remark::missed(op->getLoc(), remark::RemarkOpts::name("schedule").category("gpu"))
              << "the table's " + toText(entry.schedule) + " does not fit: " + failed;
      }
      for (ScheduleAttr attr : proposed)
        claim(taken, attr);
      if (isa<kernel::RowsOp>(op)) {
        nvptx::ScheduleFields fields;
        fields.kind = kernel::GpuTemplate::Rows;
        fields.pdl = arch == nvptx::Arch::Sm90a;
        if (ScheduleAttr rows = fields.get(&getContext(), arch); nvptx::supports(op, rows).empty())
          claim(taken, rows);
      }
      llvm::erase_if(taken, [&](ScheduleAttr s) { return s.getMLo() > range.hi || lastOf(s) < range.lo; });
      llvm::sort(taken, [](ScheduleAttr a, ScheduleAttr b) { return a.getMLo() < b.getMLo(); });
      // One kernel where neighbours differ in nothing but their range.
      SmallVector<ScheduleAttr> merged;
      for (ScheduleAttr attr : taken) {
        ScheduleAttr before = merged.empty() ? ScheduleAttr() : merged.back();
        if (before && before.getMHi() + 1 == attr.getMLo() &&
            withRange(attr, before.getMLo(), before.getMHi()) == before)
          merged.back() = withRange(attr, before.getMLo(), attr.getMHi());
        else
          merged.push_back(attr);
      }
      taken = std::move(merged);
      if (taken.empty()) {
        reason = (nvptx::nameOf(arch) + ": " + whyNot(op, arch)).str();
        remark::missed(op->getLoc(), remark::RemarkOpts::name("schedule").category("gpu"))
            << signature + ": no schedule on " + reason;
        continue;
      }
      int64_t next = range.lo;
      for (ScheduleAttr attr : taken)
        if (attr.getMLo() <= next)
          next = std::max(next, lastOf(attr) == unbounded ? unbounded : lastOf(attr) + 1);
      if (next <= range.hi && next != unbounded)
        remark::missed(op->getLoc(), remark::RemarkOpts::name("schedule").category("gpu"))
            << signature + ": no schedule on " + nvptx::nameOf(arch).str() + " from M = " + std::to_string(next) +
                   ": " + whyNot(op, arch);
      for (ScheduleAttr attr : taken) {
        SmallVector<Attribute> others = alternativesTo(op, attr, range, proposed, all);
        schedules.push_back(attr);
        alternatives.push_back(ArrayAttr::get(&getContext(), others));
        remark::passed(op->getLoc(), remark::RemarkOpts::name("schedule").category("gpu"))
            << signature + ": " + toText(attr) + (isFromTable(attr, signature) ? " (table)" : "");
      }
    }
    if (schedules.empty()) {
      if (!reason.empty())
        op->setAttr(gpuReasonAttr, StringAttr::get(&getContext(), reason));
      op->removeAttr("schedules");
      return;
    }
    op->setAttr("schedules", ArrayAttr::get(&getContext(), schedules));
    op->setAttr(scheduleAlternativesAttr, ArrayAttr::get(&getContext(), alternatives));
  }

  /// What to take when ptxas refuses `chosen`: schedules that can serve its range, with a smaller tile (fewer
  /// registers), the largest first.
  SmallVector<Attribute> alternativesTo(Operation *op, ScheduleAttr chosen, Range range,
                                        ArrayRef<ScheduleAttr> proposed, ArrayRef<ScheduleAttr> all) {
    auto area = [](ScheduleAttr s) { return s.getTileM() * s.getTileN(); };
    SmallVector<ScheduleAttr> found;
    for (ArrayRef<ScheduleAttr> list : {proposed, all})
      for (ScheduleAttr other : list) {
        bool covers = other.getMLo() <= chosen.getMLo() && lastOf(other) >= std::min(lastOf(chosen), range.hi);
        // Templates that tile M serve every M; decode, and tiles that load only some rows, do not.
        bool tiles = other.getKind() != kernel::GpuTemplate::Decode && other.getTokenRows() == 0;
        ScheduleAttr narrowed = withRange(other, chosen.getMLo(), chosen.getMHi());
        // Stages, rasters and steps of K leave the registers as they are: one of each tile and division among warps.
        auto sameRegisters = [&](ScheduleAttr s) {
          return s.getKind() == other.getKind() && area(s) == area(other) && s.getTileM() == other.getTileM() &&
                 s.getWarpsM() == other.getWarpsM() && s.getWarpsN() == other.getWarpsN();
        };
        if ((covers || tiles) && (area(other) <= area(chosen) || other.getKind() != chosen.getKind()) &&
            !sameRegisters(chosen) && llvm::none_of(found, sameRegisters) && nvptx::supports(op, narrowed).empty())
          found.push_back(narrowed);
      }
    std::vector<ScheduleAttr> sorted(found.begin(), found.end());
    // The chosen template before others.
    llvm::sort(sorted, [&](ScheduleAttr a, ScheduleAttr b) {
      auto key = [&](ScheduleAttr s) {
        return std::tuple(s.getKind() != chosen.getKind(), -area(s), s.getTileM(), s.getWarpsM(), s.getWarpsN());
      };
      return key(a) < key(b);
    });
    constexpr size_t most = 6; // each costs a run of ptxas
    if (sorted.size() > most)
      sorted.resize(most);
    return SmallVector<Attribute>(sorted.begin(), sorted.end());
  }

  /// Adds the parts of the schedule's range of M that are still open.
  static void claim(SmallVector<ScheduleAttr> &taken, ScheduleAttr schedule) {
    SmallVector<std::pair<int64_t, int64_t>> open = {{schedule.getMLo(), lastOf(schedule)}};
    for (ScheduleAttr other : taken) {
      SmallVector<std::pair<int64_t, int64_t>> rest;
      for (auto [lo, hi] : open) {
        if (lastOf(other) < lo || other.getMLo() > hi) {
          rest.push_back({lo, hi});
          continue;
        }
        if (lo < other.getMLo())
          rest.push_back({lo, other.getMLo() - 1});
        if (lastOf(other) < hi)
          rest.push_back({lastOf(other) + 1, hi});
      }
      open = rest;
    }
    for (auto [lo, hi] : open)
      taken.push_back(withRange(schedule, lo, hi == unbounded ? 0 : hi));
  }

  bool isFromTable(ScheduleAttr schedule, StringRef signature) const {
    return llvm::any_of(entries, [&](const TableEntry &entry) {
      return entry.signature == signature &&
             withRange(entry.schedule, schedule.getMLo(), schedule.getMHi()) == schedule;
    });
  }

  static ScheduleAttr withRange(ScheduleAttr schedule, int64_t lo, int64_t hi) {
    auto fields = nvptx::ScheduleFields::of(schedule);
    fields.mLo = lo;
    fields.mHi = hi;
    return fields.get(schedule.getContext(), *nvptx::parseArch(schedule.getArch()));
  }

  /// The first predicate of the most general template.
  static std::string whyNot(Operation *op, nvptx::Arch arch) {
    nvptx::ScheduleFields fields;
    fields.kind = isa<kernel::RowsOp>(op) ? kernel::GpuTemplate::Rows : kernel::GpuTemplate::Multistage;
    fields.tileM = fields.tileN = 128;
    fields.tileK = 64;
    fields.stages = 3;
    fields.warpsM = fields.warpsN = 2;
    fields.warpsK = 1;
    std::string failed = nvptx::supports(op, fields.get(op->getContext(), arch));
    return failed.empty() ? "no template proposes a schedule for it" : failed;
  }

  std::vector<TableEntry> entries;
};

} // namespace
