//===- EmitKernel.cpp - one fused region to one function -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/KernelBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

FailureOr<KernelInfo> x86::emitKernel(kernel::FusedOp op, ArrayRef<SymbolicShape> operandShapes,
                                      ArrayRef<DimSymbol> symbols, Isa isa, ModuleOp into, StringRef symbol) {
  op.getContext()->loadDialect<arith::ArithDialect, scf::SCFDialect, vector::VectorDialect, LLVM::LLVMDialect>();
  if (operandShapes.size() != op.getInputs().size())
    return op.emitOpError() << "expected the shapes of " << op.getInputs().size() << " operands, found "
                            << operandShapes.size();
  KernelBuilder k(op, operandShapes, symbols, isa, into, symbol);
  auto emit = [&] {
    switch (op.getKind().value_or(kernel::Template::Loops)) {
    case kernel::Template::Gemm:
      return emitGemm(k);
    case kernel::Template::Depthwise:
      return emitDepthwise(k);
    case kernel::Template::Rows:
      return emitRows(k);
    case kernel::Template::Loops:
    case kernel::Template::Reduce:
    case kernel::Template::Alias: // whoever asks for code gets a copy
      return emitLoops(k);
    }
    return failure();
  };
  LogicalResult result = emit();
  KernelInfo info = k.finish();
  if (failed(result)) {
    into.lookupSymbol(symbol)->erase();
    return failure();
  }
  return info;
}
