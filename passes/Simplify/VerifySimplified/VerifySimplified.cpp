//===- VerifySimplified.cpp - the contract at the end of simplify --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/VerifySimplified/VerifySimplified.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"

namespace bitwright {
#define GEN_PASS_DEF_VERIFYSIMPLIFIED
#include "passes/Simplify/VerifySimplified/VerifySimplified.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct VerifySimplified : bitwright::impl::VerifySimplifiedBase<VerifySimplified> {
  void runOnOperation() override {
    if (failed(verifyModule(getOperation())))
      signalPassFailure();
    markAllAnalysesPreserved();
  }

  LogicalResult verifyModule(ModuleOp module) {
    SmallVector<func::FuncOp> funcs(module.getOps<func::FuncOp>());
    if (funcs.size() != 1)
      return module.emitError() << "expected one function after simplify, found " << funcs.size();
    func::FuncOp func = funcs[0];
    if (func.getName() != "main")
      return func.emitError() << "expected the function to be named main, found '" << func.getName() << "'";
    if (!func.getBody().hasOneBlock())
      return func.emitError() << "expected a function of one block, found " << func.getBody().getBlocks().size();
    llvm::StringMap<Operation *> names;
    for (Operation &op : func.getBody().front().without_terminator())
      if (failed(verifyOperation(&op, names)))
        return failure();
    return success(succeeded(SymbolicShapes::compute(func)));
  }

  LogicalResult verifyOperation(Operation *op, llvm::StringMap<Operation *> &names) {
    if (!isa_and_nonnull<qnn::QnnDialect>(op->getDialect()))
      return op->emitOpError() << "is not an operation of the qnn dialect, the only one that simplify hands on";
    for (Type type : op->getResultTypes())
      if (!isa<RankedTensorType>(type))
        return op->emitOpError() << "expected ranked tensors as results, found " << type;
    if (auto norm = dyn_cast<qnn::BatchNormOp>(op))
      if (llvm::all_of(norm->getOperands().drop_front(), [](Value value) {
            return isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(value.getDefiningOp());
          }))
        return op->emitOpError() << "has constant parameters: expected fold-batch-norm to have folded it (variance + "
                                    "epsilon must be positive)";
    if (auto weight = dyn_cast<qnn::WeightOp>(op))
      return success(getConstant(weight).has_value());
    if (isa<qnn::ConstantOp>(op))
      return success();
    StringRef name = bitwright::getName(op);
    if (name.empty())
      return op->emitOpError() << "has no name: expected the attribute `name`, the key of statistics and overrides";
    auto [entry, inserted] = names.try_emplace(name, op);
    if (inserted)
      return success();
    InFlightDiagnostic error = op->emitOpError() << "has the name '" << name << "', which another operation has too";
    error.attachNote(entry->second->getLoc()) << "the other one";
    return error;
  }
};
} // namespace
