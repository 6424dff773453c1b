//===- BoundRelu.cpp - an example of a pass outside the tree ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// relu has no upper bound, so that one large value of the calibration data stretches the scale of a whole tensor. This
// pass gives it one: relu(x) -> clip(x, 0, max). It changes what the network computes; whether that helps is for data
// to say.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"

using namespace mlir;
using namespace bitwright;

namespace {
struct BoundRelu : PassWrapper<BoundRelu, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BoundRelu)
  BoundRelu() = default;
  BoundRelu(const BoundRelu &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "bound-relu"; }
  StringRef getDescription() const override { return "Turns relu into clip with an upper bound"; }
  Option<float> max{*this, "max", llvm::cl::desc("upper bound, positive"), llvm::cl::init(6)};

  void runOnOperation() override {
    if (!(max > 0)) {
      getOperation().emitError() << "expected a positive `max`, found " << max;
      return signalPassFailure();
    }
    SmallVector<qnn::ReluOp> worklist;
    getOperation().walk([&](qnn::ReluOp op) { worklist.push_back(op); });
    for (qnn::ReluOp op : worklist) {
      if (!isa<FloatType>(op.getType().getElementType()))
        continue;
      OpBuilder builder(op);
      auto clip = qnn::ClipOp::create(builder, op.getLoc(), op.getType(), op.getInput(), llvm::APFloat(0.0f),
                                      llvm::APFloat(float(max)));
      // The name is the key of statistics and overrides: the new operation takes it over.
      setName(clip, bitwright::getName(op));
      op.replaceAllUsesWith(clip.getResult());
      op.erase();
    }
  }
};
} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "BoundRelu", LLVM_VERSION_STRING, [] { PassRegistration<BoundRelu>(); }};
}
