//===- EmitKernel.cpp - from a description to its template ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelWriter.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::GpuTemplate;

static const struct {
  GpuTemplate kind;
  std::string (*supports)(Operation *, kernel::ScheduleAttr);
  EmittedKernel (*emit)(Operation *, kernel::ScheduleAttr, ModuleOp, StringRef);
} templates[] = {
    {GpuTemplate::Multistage, supportsMultistage, emitMultistage}, {GpuTemplate::WgmmaSs, supportsWgmmaSs, emitWgmmaSs},
    {GpuTemplate::WgmmaRs, supportsWgmmaRs, emitWgmmaRs},          {GpuTemplate::Decode, supportsDecode, emitDecode},
    {GpuTemplate::Rows, supportsRows, emitRows},
};

StringRef bitwright::nvptx::nameOf(Arch arch) { return arch == Arch::Sm80 ? "sm_80" : "sm_90a"; }
std::optional<Arch> bitwright::nvptx::parseArch(StringRef name) {
  if (name == "sm_80")
    return Arch::Sm80;
  if (name == "sm_90a")
    return Arch::Sm90a;
  return std::nullopt;
}
// The lowest version that has what the kernels use accepts the oldest drivers: cache hints of loads on sm_80, st.async
// on sm_90a.
StringRef bitwright::nvptx::ptxFeatureOf(Arch arch) { return arch == Arch::Sm80 ? "+ptx74" : "+ptx81"; }

std::string bitwright::nvptx::supports(Operation *op, kernel::ScheduleAttr schedule) {
  if (!parseArch(schedule.getArch()))
    return "expected the architecture sm_80 or sm_90a, found " + schedule.getArch().str();
  if (isa<kernel::RowsOp>(op) != (schedule.getKind() == GpuTemplate::Rows))
    return "expected template rows for kernel.rows and another for kernel.gemm, found " +
           kernel::stringifyGpuTemplate(schedule.getKind()).str();
  for (const auto &entry : templates)
    if (entry.kind == schedule.getKind())
      return entry.supports(op, schedule);
  return "no such template";
}

FailureOr<EmittedKernel> bitwright::nvptx::emitKernel(Operation *op, kernel::ScheduleAttr schedule, ModuleOp into,
                                                      StringRef symbol) {
  if (std::string failed = supports(op, schedule); !failed.empty())
    return op->emitOpError() << "template " << kernel::stringifyGpuTemplate(schedule.getKind()) << " on "
                             << schedule.getArch() << ": " << failed,
           failure();
  for (const auto &entry : templates)
    if (entry.kind == schedule.getKind())
      return entry.emit(op, schedule, into, symbol);
  return failure();
}
