//===- quant-reduce.cpp - makes a failing .mlir file smaller ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// quant-reduce IN.mlir --reduce-operations=test=SCRIPT -o OUT.mlir
//
// SCRIPT gets a file name and exits with 1 if that file still shows the fault, with 0 if not (the convention of
// mlir-reduce, whose --opt-reduction-pass works here too). Weights are literals or come with --load-weights first.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Reducer/Passes.h"
#include "mlir/Reducer/Tester.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "passes/Pipelines/Pipelines.h"

using namespace mlir;
using namespace bitwright;

namespace {

/// The pass behind --reduce-operations. Each attempt works on a copy of the module; what verifies and still shows the
/// fault replaces it. Upstream's reduction-tree does not do for us: it drops operations that others use.
struct ReduceOperations : PassWrapper<ReduceOperations, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ReduceOperations)
  ReduceOperations() = default;
  ReduceOperations(const ReduceOperations &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "reduce-operations"; }
  StringRef getDescription() const override {
    return "Removes functions and operations as long as a script says that the fault stays";
  }
  Option<std::string> test{*this, "test",
                           llvm::cl::desc("script: exit status 1 if the file that it is given shows the fault")};

  using Change = llvm::function_ref<bool(ModuleOp)>;

  bool shows(ModuleOp module) { return Tester(test, {}).isInteresting(module).first == Tester::Interestingness::True; }

  /// Applies `change` to a copy (false: nothing to do) and keeps the copy if it verifies and shows the fault.
  bool attempt(Change change) {
    OwningOpRef<ModuleOp> copy = getOperation().clone();
    // Most attempts are wrong; their diagnostics would tell nothing.
    ScopedDiagnosticHandler quiet(&getContext(), [](Diagnostic &) { return success(); });
    if (!change(*copy) || failed(verify(*copy)) || !shows(*copy))
      return false;
    getOperation().getBodyRegion().takeBody(copy->getBodyRegion());
    return true;
  }

  /// Operation number `index` of function number `function`, in program order.
  static Operation *at(ModuleOp module, unsigned function, unsigned index) {
    auto func = *std::next(module.getOps<func::FuncOp>().begin(), function);
    return &*std::next(func.getBody().front().begin(), index);
  }

  static bool returnEarly(Operation *op) {
    if (op->getNumResults() == 0 || op->getNextNode() == op->getBlock()->getTerminator())
      return false;
    auto func = op->getParentOfType<func::FuncOp>();
    Operation *terminator = op->getBlock()->getTerminator();
    terminator->setOperands(op->getResults());
    for (Operation *last = terminator->getPrevNode(); last != op; last = terminator->getPrevNode())
      last->erase();
    func.setType(FunctionType::get(func.getContext(), func.getArgumentTypes(), op->getResultTypes()));
    func.removeResAttrsAttr();
    return true;
  }
  static bool erase(Operation *op) {
    if (!op->use_empty())
      return false;
    op->erase();
    return true;
  }
  static bool replaceByOperand(Operation *op) {
    for (Value operand : op->getOperands())
      if (op->getNumResults() == 1 && operand.getType() == op->getResult(0).getType()) {
        op->getResult(0).replaceAllUsesWith(operand);
        op->erase();
        return true;
      }
    return false;
  }
  static bool replaceByZeros(Operation *op) {
    auto type = op->getNumResults() == 1 ? dyn_cast<RankedTensorType>(op->getResult(0).getType()) : RankedTensorType();
    if (!type || !type.hasStaticShape() || isa<qnn::ConstantOp>(op))
      return false;
    OpBuilder builder(op);
    auto zeros = DenseElementsAttr::get(type, builder.getZeroAttr(type.getElementType()));
    op->getResult(0).replaceAllUsesWith(qnn::ConstantOp::create(builder, op->getLoc(), type, zeros).getResult());
    op->erase();
    return true;
  }

  bool reduceFunction(unsigned function) {
    auto count = [&] {
      auto func = *std::next(getOperation().getOps<func::FuncOp>().begin(), function);
      return func.isExternal() ? 0 : unsigned(func.getBody().front().getOperations().size()) - 1;
    };
    bool changed = false;
    for (unsigned i = 0; i < count(); ++i)
      if (attempt([&](ModuleOp module) { return returnEarly(at(module, function, i)); })) {
        changed = true;
        break;
      }
    for (bool (*change)(Operation *) : {replaceByOperand, replaceByZeros, erase})
      for (unsigned i = count(); i-- > 0;)
        changed |= attempt([&](ModuleOp module) { return change(at(module, function, i)); });
    return changed;
  }

  void runOnOperation() override {
    auto functions = [&] { return unsigned(llvm::range_size(getOperation().getOps<func::FuncOp>())); };
    if (test.empty() || !shows(getOperation())) {
      getOperation().emitError() << "expected `test`, a script that exits with 1 for the file as it is";
      return signalPassFailure();
    }
    for (unsigned f = functions(); f-- > 0;)
      attempt([&](ModuleOp module) { return (*std::next(module.getOps<func::FuncOp>().begin(), f)).erase(), true; });
    for (bool changed = true; changed;) {
      changed = false;
      for (unsigned f = 0; f < functions(); ++f)
        changed |= reduceFunction(f);
    }
  }
};

} // namespace

int main(int argc, char **argv) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllPassesAndPipelines();
  registerOptReductionPass();
  PassRegistration<ReduceOperations>();
  MLIRContext context(registry);
  return failed(mlirReduceMain(argc, argv, context));
}
