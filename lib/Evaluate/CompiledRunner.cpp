//===- CompiledRunner.cpp - running a float graph through its own code -----===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/CompiledRunner.h"
#include "dialects/Kernel/Kernel.h"

using namespace mlir;
using namespace bitwright;

CompiledRunner::~CompiledRunner() { bw_session_destroy(session); }

llvm::Error CompiledRunner::compile(const llvm::StringSet<> &wanted) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto clone = cast<func::FuncOp>(builder.clone(*func));
  clone.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (wanted.contains(getValueName(result)))
        op->setAttr("qnn.observe", builder.getUnitAttr());
  });

  auto inspect = [&](func::FuncOp fused) { noteAliases(fused, wanted); };
  auto compiled = InMemoryModel::compile(std::move(module), "", inspect);
  if (!compiled)
    return llvm::joinErrors(llvm::createStringError("the float graph could not be compiled for calibration"),
                            compiled.takeError());
  model = std::move(*compiled);
  bw_session_options options = {threads, nullptr, 0, nullptr, 0};
  if (bw_session_create(model->get(), &options, &session) != BW_OK)
    return runtimeError();
  return llvm::Error::success();
}

void CompiledRunner::noteAliases(func::FuncOp clone, const llvm::StringSet<> &wanted) {
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
      if (auto it = observedAs.find(getValueName(operand.get())); it != observedAs.end() && attr != it->getKey()) {
        SmallVector<std::string> names = it->second; // inserting may move the map's entries
        observedAs[attr].append(names);
      }
}

llvm::Error CompiledRunner::run(const Sample &sample, const llvm::StringSet<> &wanted, ObserveFn observe) {
  if (!session)
    if (llvm::Error error = compile(wanted))
      return error;
  std::vector<bw_tensor> inputs;
  for (const auto &array : sample.inputs) {
    bw_tensor tensor = {};
    bw_tensor_info info;
    if (bw_model_input(model->get(), 0, inputs.size(), &info) != BW_OK)
      return runtimeError();
    tensor.dtype = info.dtype;
    tensor.rank = array.shape.size();
    std::copy(array.shape.begin(), array.shape.end(), tensor.dims);
    tensor.data = const_cast<uint8_t *>(array.data.data());
    tensor.bytes = array.data.size();
    inputs.push_back(tensor);
    if (auto it = observedAs.find(info.name); it != observedAs.end() && info.dtype == BW_F32)
      for (const std::string &name : it->second)
        observe(name, {static_cast<const float *>(tensor.data), tensor.bytes / 4},
                llvm::ArrayRef<int64_t>(tensor.dims, tensor.rank));
  }
  std::vector<bw_tensor> outputs(bw_model_output_count(model->get(), 0));
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
        context.observe(name, {static_cast<const float *>(value->data), value->bytes / 4},
                        llvm::ArrayRef<int64_t>(value->dims, value->rank));
    return 0;
  };
  if (bw_run_capture(session, 0, inputs.data(), inputs.size(), outputs.data(), outputs.size(), capture, &context) !=
      BW_OK)
    return runtimeError();
  return llvm::Error::success();
}
