//===- SelfCheck.cpp - the probe that a .bwm file carries ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/SelfCheck.h"
#include "bitwright-c/runtime.h"
#include "lib/Artifact/Artifact.h"
#include "llvm/ADT/ScopeExit.h"

using namespace bitwright;

llvm::Error bitwright::addSelfCheck(artifact::Model &model, uint64_t seed) {
  std::vector<uint8_t> bytes;
  std::string error;
  if (!artifact::serializeArtifact(model, bytes, error))
    return llvm::createStringError(error);
  bw_model *loaded = nullptr;
  bw_session *session = nullptr;
  auto release = llvm::make_scope_exit([&] {
    bw_session_destroy(session);
    bw_model_destroy(loaded);
  });
  if (bw_model_load_memory(bytes.data(), bytes.size(), 0, &loaded) != BW_OK ||
      bw_session_create(loaded, nullptr, &session) != BW_OK)
    return llvm::createStringError(bw_last_error());

  artifact::SelfCheck check;
  check.present = true;
  check.seed = seed;
  for (const artifact::Symbol &symbol : model.symbols)
    check.symbolValues.push_back((symbol.lo + symbol.divisor - 1) / symbol.divisor * symbol.divisor);
  const artifact::EntryPoint &entry = model.entries.front();
  std::vector<bw_tensor> inputs, outputs(entry.outputs.size());
  std::vector<std::vector<uint8_t>> buffers;
  for (unsigned i = 0; i < entry.inputs.size(); ++i) {
    const artifact::Tensor &tensor = model.tensors[entry.inputs[i]];
    bw_tensor input = {};
    input.dtype = bw_dtype(tensor.type);
    input.rank = tensor.dims.size();
    size_t count = 1;
    for (int32_t d = 0; d < input.rank; ++d) {
      if (!tensor.dims[d].evaluate(check.symbolValues.data(), check.symbolValues.size(), input.dims[d]))
        return llvm::createStringError("self-check: the shape of input '" + tensor.name +
                                       "' cannot be evaluated at the smallest dimensions");
      count *= input.dims[d];
    }
    buffers.emplace_back((count * artifact::bitWidth(tensor.type) + 7) / 8);
    artifact::fillProbe(tensor, seed, i, count, buffers.back().data());
    input.data = buffers.back().data();
    input.bytes = buffers.back().size();
    inputs.push_back(input);
  }
  if (bw_output_shapes(session, 0, inputs.data(), inputs.size(), outputs.data(), outputs.size()) != BW_OK)
    return llvm::createStringError(bw_last_error());
  for (bw_tensor &output : outputs) {
    buffers.emplace_back(output.bytes);
    output.data = buffers.back().data();
  }
  auto record = [](const bw_captured *value, void *user) {
    if (artifact::isInteger(artifact::ElementType(value->dtype)))
      static_cast<artifact::SelfCheck *>(user)->checksums.push_back(
          {0, uint32_t(value->launch_index), uint32_t(value->buffer_index),
           artifact::checksumBytes(value->data, value->bytes)});
    return 0;
  };
  if (bw_run_capture(session, 0, inputs.data(), inputs.size(), outputs.data(), outputs.size(), record, &check) != BW_OK)
    return llvm::createStringError(bw_last_error());
  model.selfCheck = std::move(check);
  return llvm::Error::success();
}
