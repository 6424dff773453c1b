//===- Rows.cpp - elementwise and per-token kernels -------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelWriter.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

std::string bitwright::nvptx::supportsRows(Operation *op, kernel::ScheduleAttr) {
  return cast<kernel::RowsOp>(op).getQuantize() ? "quantize is not written yet" : "";
}

EmittedKernel bitwright::nvptx::emitRows(Operation *op, kernel::ScheduleAttr schedule, ModuleOp into, StringRef symbol) {
  auto rows = cast<kernel::RowsOp>(op);
  EmittedKernel kernel;
  kernel.symbol = symbol.str();
  kernel.arch = *parseArch(schedule.getArch());
  kernel.threads = 128;
  unsigned operands = rows.getOperandsAttr().size();
  for (unsigned i = 0; i < operands; ++i)
    kernel.parameters.push_back({Role::Operand, i, Form::Pointer, {}, {}});
  for (unsigned i = 0; i < rows.getResultsAttr().size(); ++i)
    kernel.parameters.push_back({Role::Result, i, Form::Pointer, {}, {}});
  kernel.parameters.push_back({Role::M, 0, Form::Int32, {}, {}});
  KernelWriter w(op->getLoc(), into);
  int64_t n = rows.getN();
  kernel.gridX = (getAffineDimExpr(0, op->getContext()) * n).ceilDiv(128);
  kernel.gridY = getAffineConstantExpr(1, op->getContext());
  Values arguments = w.begin(kernel);
  Value index = w.add(w.mul(w.blockX(), 128), w.threadId(128));
  Value row = w.divu(index, n), column = w.remu(index, n);
  w.ifThen(w.ult(row, arguments.back()), [&] {
    Values scalars;
    for (unsigned i = 0; i < operands; ++i) {
      kernel::OperandAttr operand = rows.getOperandAttr(i);
      Type type = operand.getType();
      Value at = operand.getKind() == kernel::OperandKind::Row      ? row
                 : operand.getKind() == kernel::OperandKind::Column ? column
                 : operand.getKind() == kernel::OperandKind::Element ? index
                                                                      : w.constant(0);
      scalars.push_back(operand.getKind() == kernel::OperandKind::Table
                            ? arguments[i]
                            : w.load(w.offset(arguments[i], at, type), type, type.getIntOrFloatBitWidth() / 8));
    }
    for (auto [i, value] : llvm::enumerate(inlineEpilogue(w, rows.getBody().front(), scalars)))
      w.store(value, w.offset(arguments[operands + i], index, value.getType()), value.getType().getIntOrFloatBitWidth() / 8);
  });
  w.end();
  return kernel;
}
