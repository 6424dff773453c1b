//===- RecogniseIdioms.cpp - several operations that are one idea --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Simplify/RecogniseIdioms/RecogniseIdioms.h"
#include "passes/Simplify/RecogniseIdioms/Idioms.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace bitwright {
#define GEN_PASS_DEF_RECOGNISEIDIOMS
#include "passes/Simplify/RecogniseIdioms/RecogniseIdioms.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using namespace bitwright::simplify;

void bitwright::simplify::replaceIdiom(Operation *root, Operation *idiom) {
  setName(idiom, getName(root));
  root->getResult(0).replaceAllUsesWith(idiom->getResult(0));
  eraseIfUnused(root->getResult(0));
}

bool bitwright::simplify::isClosed(const IdiomOps &inside, Operation *root) {
  for (Operation *op : inside)
    if (op != root)
      for (Operation *user : op->getUsers())
        if (!inside.contains(user))
          return false;
  return true;
}

namespace {
struct RecogniseIdioms : bitwright::impl::RecogniseIdiomsBase<RecogniseIdioms> {
  /// Tries `recognise` on each operation of kinds `Ops`. A success erases operations before the root and the root
  /// itself, so the list of candidates is renewed after it.
  template <typename... Ops> void sweep(bool (*recognise)(Operation *)) {
    for (Block &block : getOperation().getBody()) {
      bool changed = true;
      llvm::SmallPtrSet<Operation *, 32> refused;
      while (changed) {
        changed = false;
        for (Operation &op : block) {
          if (!isa<Ops...>(op) || refused.contains(&op))
            continue;
          if (recognise(&op)) {
            changed = true;
            break;
          }
          refused.insert(&op);
        }
      }
    }
  }

  void runOnOperation() override {
    sweep<qnn::ErfOp, qnn::TanhOp, qnn::SigmoidOp, qnn::HardSigmoidOp, qnn::ClipOp>(recogniseActivation);
    sweep<qnn::DivOp, qnn::MulOp>(recogniseLayerNorm);
    // After the activations: the gate may have been spelled out.
    sweep<qnn::MulOp>(recogniseSqueezeExcite);
  }
};
} // namespace
