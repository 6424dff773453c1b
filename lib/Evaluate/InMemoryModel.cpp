//===- InMemoryModel.cpp - compile a function and load it, without a file --===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/InMemoryModel.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Package/ExecToArtifact.h"
#include "passes/Pipelines/Pipelines.h"

using namespace mlir;
using namespace bitwright;

llvm::Error bitwright::runtimeError() { return llvm::createStringError(bw_last_error()); }

llvm::Expected<std::unique_ptr<InMemoryModel>> InMemoryModel::compile(OwningOpRef<ModuleOp> module, llvm::StringRef isa,
                                                                      llvm::function_ref<void(func::FuncOp)> inspect) {
  auto runStage = [&](Stage stage) {
    PassManager manager(module->getContext());
    return success(succeeded(buildStage(manager, stage, {"", isa.str()})) && succeeded(manager.run(*module)));
  };
  if (failed(runStage(Stage::Fuse)))
    return llvm::createStringError("the graph could not be fused");
  if (inspect)
    inspect(*module->getOps<func::FuncOp>().begin());
  if (failed(runStage(Stage::Lower)))
    return llvm::createStringError("the graph could not be lowered");
  auto program = *module->getOps<exec::ProgramOp>().begin();
  auto artifact = toArtifact(program);
  if (failed(artifact))
    return llvm::createStringError("the graph could not be packaged");
  // What only this compilation needed leaves the store; the artifact still holds its bytes.
  WeightStore &store = getWeightStore(module->getContext());
  for (Operation &op : program.getBody().front()) {
    if (auto weight = dyn_cast<exec::WeightOp>(op))
      store.erase(weight.getSource());
    if (auto code = dyn_cast<exec::CodeOp>(op))
      store.erase(code.getSource());
  }
  std::vector<uint8_t> bytes;
  std::string error;
  if (!artifact::serializeArtifact(*artifact, bytes, error))
    return llvm::createStringError(error);
  bw_model *model = nullptr;
  if (bw_model_load_memory(bytes.data(), bytes.size(), 0, &model) != BW_OK)
    return runtimeError();
  return std::unique_ptr<InMemoryModel>(new InMemoryModel(model));
}
