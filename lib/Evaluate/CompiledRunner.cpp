//===- CompiledRunner.cpp - running a float graph through its own code -----===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/CompiledRunner.h"
#include "bitwright-c/runtime.h"
#include "dialects/Kernel/Kernel.h"
#include "lib/Artifact/Artifact.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Fuse/AssignLayouts/AssignLayouts.h"
#include "passes/Fuse/FuseRegions/FuseRegions.h"
#include "passes/Lower/LowerToExec/LowerToExec.h"
#include "passes/Package/ExecToArtifact.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace bitwright;

CompiledRunner::~CompiledRunner() {
  bw_session_destroy(session);
  bw_model_destroy(model);
}

static llvm::Error runtimeError() { return llvm::createStringError(bw_last_error()); }

llvm::Error CompiledRunner::compile(const llvm::StringSet<> &wanted) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto clone = cast<func::FuncOp>(builder.clone(*func));
  clone.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (wanted.contains(getValueName(result)))
        op->setAttr("qnn.observe", builder.getUnitAttr());
  });

  PassManager fuse(func.getContext());
  fuse.addNestedPass<func::FuncOp>(createFuseRegions());
  fuse.addNestedPass<func::FuncOp>(createAssignLayouts());
  if (failed(fuse.run(*module)))
    return llvm::createStringError("the float graph could not be fused for calibration");
  // An alias stores nothing: it is observed where its memory is written.
  for (auto fused : clone.getOps<kernel::FusedOp>())
    for (Value result : fused.getOutputs()) {
      std::string name = getValueName(result);
      if (!wanted.contains(name))
        continue;
      Value storage = result;
      while (auto alias = storage.getDefiningOp<kernel::FusedOp>()) {
        if (alias.getKind() != kernel::Template::Alias)
          break;
        storage = alias.getInputs()[0];
      }
      observedAs[getValueName(storage)].push_back(name);
    }
  for (BlockArgument argument : clone.getArguments())
    if (std::string name = getValueName(argument); wanted.contains(name))
      observedAs[name].push_back(name);
  // Results are stored under the caller's names for them.
  for (OpOperand &operand : clone.getBody().front().getTerminator()->getOpOperands())
    if (auto attr = clone.getResultAttrOfType<StringAttr>(operand.getOperandNumber(), "qnn.name"))
      if (auto it = observedAs.find(getValueName(operand.get())); it != observedAs.end() && attr != it->getKey())
        observedAs[attr].append(it->second);

  PassManager lower(func.getContext());
  lower.addPass(createLowerToExec());
  if (failed(lower.run(*module)))
    return llvm::createStringError("the float graph could not be compiled for calibration");
  auto program = *module->getOps<exec::ProgramOp>().begin();
  auto artifact = toArtifact(program);
  if (failed(artifact))
    return llvm::createStringError("the float graph could not be packaged for calibration");
  std::vector<uint8_t> bytes;
  std::string error;
  if (!artifact::serializeArtifact(*artifact, bytes, error))
    return llvm::createStringError(error);
  if (bw_model_load_memory(bytes.data(), bytes.size(), 0, &model) != BW_OK)
    return runtimeError();
  bw_session_options options = {threads, nullptr, 0};
  if (bw_session_create(model, &options, &session) != BW_OK)
    return runtimeError();
  // What only this compilation needed leaves the store again.
  WeightStore &store = getWeightStore(func.getContext());
  for (Operation &op : program.getBody().front()) {
    if (auto weight = dyn_cast<exec::WeightOp>(op))
      store.erase(weight.getSource());
    if (auto code = dyn_cast<exec::CodeOp>(op))
      store.erase(code.getSource());
  }
  return llvm::Error::success();
}


llvm::Error CompiledRunner::run(const Sample &sample, const llvm::StringSet<> &wanted, ObserveFn observe) {
  if (!session)
    if (llvm::Error error = compile(wanted))
      return error;
  std::vector<bw_tensor> inputs;
  for (const auto &array : sample.inputs) {
    bw_tensor tensor = {};
    bw_tensor_info info;
    if (bw_model_input(model, 0, inputs.size(), &info) != BW_OK)
      return runtimeError();
    tensor.dtype = info.dtype;
    tensor.rank = array.shape.size();
    std::copy(array.shape.begin(), array.shape.end(), tensor.dims);
    tensor.data = const_cast<uint8_t *>(array.data.data());
    tensor.bytes = array.data.size();
    inputs.push_back(tensor);
    if (auto it = observedAs.find(info.name); it != observedAs.end() && info.dtype == BW_F32)
      for (const std::string &name : it->second)
        observe(name, {static_cast<const float *>(tensor.data), tensor.bytes / 4}, llvm::ArrayRef<int64_t>(tensor.dims, tensor.rank));
  }
  std::vector<bw_tensor> outputs(bw_model_output_count(model, 0));
  if (bw_output_shapes(session, 0, inputs.data(), inputs.size(), outputs.data(), outputs.size()) != BW_OK)
    return runtimeError();
  std::vector<std::vector<uint8_t>> buffers;
  for (bw_tensor &output : outputs) {
    buffers.emplace_back(output.bytes);
    output.data = buffers.back().data();
  }
  struct Context {
    CompiledRunner *self;
    ObserveFn observe;
  } context = {this, observe};
  auto capture = [](const bw_captured *value, void *user) {
    auto &context = *static_cast<Context *>(user);
    auto it = context.self->observedAs.find(value->name ? value->name : "");
    if (it != context.self->observedAs.end() && value->dtype == BW_F32)
      for (const std::string &name : it->second)
        context.observe(name, {static_cast<const float *>(value->data), value->bytes / 4}, llvm::ArrayRef<int64_t>(value->dims, value->rank));
    return 0;
  };
  if (bw_run_capture(session, 0, inputs.data(), inputs.size(), outputs.data(), outputs.size(), capture, &context) != BW_OK)
    return runtimeError();
  return llvm::Error::success();
}
