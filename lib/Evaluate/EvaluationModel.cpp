//===- EvaluationModel.cpp - one compilation, many roundings ----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/EvaluationModel.h"
#include "dialects/Kernel/Kernel.h"
#include "lib/Statistics/SecondMoments.h"
#include "lib/Target/X86/PanelLayout.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/xxhash.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;

EvaluationModel::~EvaluationModel() { bw_session_destroy(session); }

/// Names under which the fused function stores the wanted values: an alias has its storage's name.
static void noteStorage(func::FuncOp fused, const llvm::StringSet<> &wanted, llvm::StringMap<std::string> &storedAs) {
  llvm::StringMap<std::string> outputs; // results are stored under the caller's names for them
  for (OpOperand &operand : fused.getBody().front().getTerminator()->getOpOperands())
    if (auto attr = fused.getResultAttrOfType<StringAttr>(operand.getOperandNumber(), "qnn.name"))
      outputs[getValueName(operand.get())] = attr.str();
  auto note = [&](Value value) {
    std::string name = getValueName(value);
    if (!wanted.contains(name))
      return;
    Value storage = value;
    while (auto alias = storage.getDefiningOp<kernel::FusedOp>()) {
      if (alias.getKind() != kernel::Template::Alias)
        break;
      storage = alias.getInputs()[0];
    }
    std::string stored = getValueName(storage);
    auto it = outputs.find(stored);
    storedAs[name] = it == outputs.end() ? stored : it->second;
  };
  for (BlockArgument argument : fused.getArguments())
    note(argument);
  for (auto op : fused.getOps<kernel::FusedOp>())
    for (Value result : op.getOutputs())
      note(result);
}

/// Values that no bias of a graph has: what a bias is compiled as, so that its buffer can be told from all others.
static std::vector<float> biasMarker(llvm::StringRef operation, size_t count) {
  uint64_t state = llvm::xxh3_64bits(operation) | 1;
  std::vector<float> values(count);
  for (float &v : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    v = 1 + float(state >> 41) * 0x1p-23f;
  }
  return values;
}

static int64_t outputChannels(Operation *product) {
  return cast<RankedTensorType>(getWeightOf(product).getType()).getDimSize(0);
}

llvm::Expected<std::unique_ptr<EvaluationModel>> EvaluationModel::create(func::FuncOp func,
                                                                         const llvm::StringSet<> &activations,
                                                                         unsigned threads, llvm::StringSet<> *missing) {
  // A bias is compiled as a marker by which its buffer is found; the kernels have a buffer for it in any case.
  llvm::StringSet<> marked;
  func.walk([&](Operation *op) {
    if (ProductGeometry::of(op) && (!getBiasOf(op) || getConstant(getBiasOf(op))))
      marked.insert(getName(op));
  });
  std::unique_ptr<EvaluationModel> result;
  for (bool complete = false; !complete;) {
    result.reset(new EvaluationModel);
    OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
    OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
    auto clone = cast<func::FuncOp>(builder.clone(*func));
    std::vector<std::string> temporary;
    clone.walk([&](Operation *op) {
      for (Value value : op->getResults())
        if (activations.contains(getValueName(value)))
          op->setAttr("qnn.observe", builder.getUnitAttr());
      if (!marked.contains(getName(op)) || !ProductGeometry::of(op))
        return;
      int64_t channels = outputChannels(op);
      OpBuilder before(op);
      Value marker = createConstant(before, op->getLoc(), (getName(op) + "/bias_marker").str(), {channels},
                                    biasMarker(getName(op), size_t(channels)));
      if (auto stored = marker.getDefiningOp<qnn::WeightOp>())
        temporary.push_back(stored.getSource().str());
      setBiasOf(op, marker);
    });
    auto inspect = [&](func::FuncOp fused) { noteStorage(fused, activations, result->storedAs); };
    auto compiled = InMemoryModel::compile(std::move(module), "", inspect);
    for (const std::string &name : temporary)
      getWeightStore(func.getContext()).erase(name);
    if (!compiled)
      return llvm::joinErrors(llvm::createStringError("the float graph could not be compiled for evaluation"),
                              compiled.takeError());
    result->model = std::move(*compiled);
    complete = result->findBiases(func, marked);
  }
  for (const auto &name : activations) {
    if (result->storedAs.count(name.getKey()))
      continue;
    if (!missing)
      return llvm::createStringError("evaluation: the value '" + name.getKey() +
                                     "' is not stored by the compiled graph");
    missing->insert(name.getKey());
  }
  for (const auto &bias : result->biases)
    if (llvm::Error error = result->setBias(bias.getKey(), bias.getValue().original))
      return std::move(error);
  bw_session_options options = {};
  options.threads = threads;
  if (bw_session_create(result->model->get(), &options, &result->session) != BW_OK)
    return runtimeError();
  result->findWeights(func);
  return result;
}

bool EvaluationModel::findBiases(func::FuncOp func, llvm::StringSet<> &marked) {
  llvm::StringMap<size_t> byBytes;
  for (size_t i = 0; i < bw_model_weight_count(model->get()); ++i) {
    const void *data;
    size_t bytes;
    if (bw_model_weight(model->get(), i, nullptr, &data, &bytes) == BW_OK)
      byBytes.try_emplace(llvm::StringRef(static_cast<const char *>(data), bytes), i);
  }
  bool complete = true;
  func.walk([&](Operation *op) {
    auto geometry = ProductGeometry::of(op);
    if (!geometry || !marked.contains(getName(op)))
      return;
    int64_t channels = outputChannels(op), groups = geometry->groups;
    auto packAs = [](int64_t groups, int64_t each, const std::vector<float> &bias) {
      std::vector<float> padded = x86::padBias(groups, each, bias);
      auto *bytes = reinterpret_cast<const uint8_t *>(padded.data());
      return std::vector<uint8_t>(bytes, bytes + padded.size() * 4);
    };
    // Depthwise kernels have one run of channels, others panels in each group.
    for (int64_t runs : {groups, int64_t(1)}) {
      WeightSlot slot;
      slot.pack = [=](const std::vector<float> &bias) { return packAs(runs, channels / runs, bias); };
      std::vector<uint8_t> bytes = slot.pack(biasMarker(getName(op), size_t(channels)));
      auto it = byBytes.find(llvm::StringRef(reinterpret_cast<const char *>(bytes.data()), bytes.size()));
      if (it == byBytes.end())
        continue;
      slot.index = it->second;
      slot.original.assign(size_t(channels), 0.0f);
      if (Value bias = getBiasOf(op))
        slot.original = toFloats(*getConstant(bias));
      biases[getName(op)] = std::move(slot);
      return;
    }
    marked.erase(getName(op));
    complete = false;
  });
  return complete;
}

void EvaluationModel::findWeights(func::FuncOp func) {
  // A packed weight is recognised by its bytes: whoever packs and whoever looks use the same layout.
  llvm::StringMap<size_t> byBytes;
  for (size_t i = 0; i < bw_model_weight_count(model->get()); ++i) {
    const void *data;
    size_t bytes;
    if (bw_model_weight(model->get(), i, nullptr, &data, &bytes) == BW_OK)
      byBytes.try_emplace(llvm::StringRef(static_cast<const char *>(data), bytes), i);
  }
  llvm::DenseMap<size_t, std::string> takenBy;
  llvm::StringSet<> shared;
  func.walk([&](Operation *op) {
    auto geometry = ProductGeometry::of(op);
    if (!geometry)
      return;
    auto constant = getConstant(op->getOperand(1));
    if (!constant)
      return;
    ArrayRef<int64_t> shape = constant->type.getShape();
    int64_t taps = 1;
    for (int64_t extent : shape.drop_front(2))
      taps *= extent;
    int64_t groups = geometry->groups;
    WeightSlot slot;
    slot.original = toFloats(*constant);
    x86::PanelLayout panels{x86::PanelKind::Floats, groups, shape[0] / groups, geometry->columns};
    SmallVector<std::function<std::vector<uint8_t>(const std::vector<float> &)>, 2> packers = {
        [panels, taps](const std::vector<float> &w) { return x86::packFloatPanels(panels, w, taps); }};
    if (geometry->columns == taps && groups > 1 && shape[0] == groups) {
      int64_t inner = shape.back();
      x86::DepthwisePanel depthwise{true, groups, taps / inner, inner};
      packers.push_back([depthwise](const std::vector<float> &w) { return x86::packDepthwise(depthwise, w); });
    }
    for (auto &pack : packers) {
      std::vector<uint8_t> bytes = pack(slot.original);
      auto it = byBytes.find(llvm::StringRef(reinterpret_cast<const char *>(bytes.data()), bytes.size()));
      if (it == byBytes.end())
        continue;
      slot.index = it->second;
      slot.pack = pack;
      // Equal bytes: nobody can tell whose they are, or they are one constant.
      auto [other, isNew] = takenBy.try_emplace(slot.index, getName(op).str());
      if (!isNew) {
        shared.insert(other->second);
        return;
      }
      weights[getName(op)] = std::move(slot);
      return;
    }
  });
  for (const auto &name : shared)
    weights.erase(name.getKey());
}

llvm::Error EvaluationModel::setActivations(const llvm::StringMap<ActivationGrid> &grids) {
  llvm::StringMap<ActivationGrid> next;
  for (const auto &grid : grids) {
    auto it = storedAs.find(grid.getKey());
    if (it == storedAs.end())
      return llvm::createStringError("evaluation: expected the name of an activation of this graph, found '" +
                                     grid.getKey() + "'");
    next[it->second] = grid.getValue();
  }
  active = std::move(next);
  return llvm::Error::success();
}

llvm::Error EvaluationModel::replace(llvm::StringMap<WeightSlot> &slots, llvm::StringRef what,
                                     llvm::StringRef operation, const std::vector<float> &values) {
  auto it = slots.find(operation);
  if (it == slots.end())
    return llvm::createStringError("evaluation: the compiled graph does not hold the " + what + " of '" + operation +
                                   "' as a constant of its own");
  WeightSlot &slot = it->getValue();
  if (values.size() != slot.original.size())
    return llvm::createStringError("evaluation: '" + operation + "': expected " + llvm::Twine(slot.original.size()) +
                                   (what == "bias" ? " biases" : " weights") + ", found " + llvm::Twine(values.size()));
  std::vector<uint8_t> bytes = slot.pack(values);
  if (bw_model_replace_weight(model->get(), slot.index, bytes.data(), bytes.size()) != BW_OK)
    return runtimeError();
  return llvm::Error::success();
}

llvm::Error EvaluationModel::setWeight(llvm::StringRef operation, const std::vector<float> &values) {
  return replace(weights, "weight", operation, values);
}

llvm::Error EvaluationModel::setBias(llvm::StringRef operation, const std::vector<float> &values) {
  return replace(biases, "bias", operation, values);
}

llvm::Error EvaluationModel::restoreWeight(llvm::StringRef operation) {
  auto it = weights.find(operation);
  return setWeight(operation, it == weights.end() ? std::vector<float>() : it->getValue().original);
}

/// NaN gives the zero point, as Q1 says. Padding in memory is rounded too, which nobody reads.
static void applyGrid(const ActivationGrid &grid, float *x, size_t count) {
  float low = float(grid.low - grid.zeroPoint), high = float(grid.high - grid.zeroPoint);
  for (size_t i = 0; i < count; ++i) {
    float q = std::nearbyint(x[i] / grid.scale);
    q = q < low ? low : q > high ? high : q == q ? q : 0.0f;
    x[i] = q * grid.scale;
  }
}

std::vector<std::string> EvaluationModel::outputNames() const {
  std::vector<std::string> names(bw_model_output_count(model->get(), 0));
  for (size_t i = 0; i < names.size(); ++i) {
    bw_tensor_info info;
    if (bw_model_output(model->get(), 0, i, &info) == BW_OK)
      names[i] = info.name;
  }
  return names;
}

llvm::StringRef EvaluationModel::storedName(llvm::StringRef value) const {
  auto it = storedAs.find(value);
  return it == storedAs.end() ? llvm::StringRef() : llvm::StringRef(it->getValue());
}

llvm::Expected<EvaluationModel::Buffers> EvaluationModel::buffersFor(const Sample &sample) {
  Buffers result;
  for (const auto &array : sample.inputs) {
    bw_tensor tensor = {};
    bw_tensor_info info;
    if (bw_model_input(model->get(), 0, result.inputs.size(), &info) != BW_OK)
      return runtimeError();
    tensor.dtype = info.dtype;
    tensor.rank = int32_t(array.shape.size());
    std::copy(array.shape.begin(), array.shape.end(), tensor.dims);
    tensor.data = const_cast<uint8_t *>(array.data.data());
    tensor.bytes = array.data.size();
    if (auto it = active.find(info.name); it != active.end() && info.dtype == BW_F32) {
      result.bytes.push_back(std::vector<uint8_t>(array.data.begin(), array.data.end()));
      std::vector<uint8_t> &edited = result.bytes.back();
      applyGrid(it->getValue(), reinterpret_cast<float *>(edited.data()), edited.size() / 4);
      tensor.data = edited.data();
    }
    result.inputs.push_back(tensor);
  }
  result.outputs.resize(bw_model_output_count(model->get(), 0));
  if (bw_output_shapes(session, 0, result.inputs.data(), result.inputs.size(), result.outputs.data(),
                       result.outputs.size()) != BW_OK)
    return runtimeError();
  for (bw_tensor &output : result.outputs) {
    result.bytes.emplace_back(output.bytes);
    output.data = result.bytes.back().data();
  }
  return result;
}

llvm::Error EvaluationModel::capture(const Sample &sample, CaptureFn show) {
  active.clear();
  auto buffers = buffersFor(sample);
  if (!buffers)
    return buffers.takeError();
  llvm::StringSet<> wanted;
  for (const auto &value : storedAs)
    wanted.insert(value.getValue());
  std::pair<CaptureFn *, llvm::StringSet<> *> user(&show, &wanted);
  auto callback = [](const bw_captured *value, void *user) {
    auto [show, wanted] = *static_cast<std::pair<CaptureFn *, llvm::StringSet<> *> *>(user);
    if (value->dtype == BW_F32 && wanted->contains(value->name))
      (*show)(value->name, {value->dims, size_t(value->rank)},
              {static_cast<const float *>(value->data), value->bytes / 4});
    return 0;
  };
  if (bw_run_capture(session, 0, buffers->inputs.data(), buffers->inputs.size(), buffers->outputs.data(),
                     buffers->outputs.size(), callback, &user) != BW_OK)
    return runtimeError();
  return llvm::Error::success();
}

llvm::Expected<std::vector<EvaluatedOutput>> EvaluationModel::run(const Sample &sample) {
  auto buffers = buffersFor(sample);
  if (!buffers)
    return buffers.takeError();
  std::vector<bw_tensor> &inputs = buffers->inputs, &outputs = buffers->outputs;
  auto edit = [](const char *tensor, const char *, bw_dtype dtype, void *data, size_t bytes, void *user) {
    auto &self = *static_cast<EvaluationModel *>(user);
    if (auto it = self.active.find(tensor); it != self.active.end() && dtype == BW_F32)
      applyGrid(it->getValue(), static_cast<float *>(data), bytes / 4);
    return 0;
  };
  bw_status status = active.empty() ? bw_run(session, 0, inputs.data(), inputs.size(), outputs.data(), outputs.size())
                                    : bw_run_edit(session, 0, inputs.data(), inputs.size(), outputs.data(),
                                                  outputs.size(), edit, this);
  if (status != BW_OK)
    return runtimeError();
  std::vector<EvaluatedOutput> results;
  for (const bw_tensor &output : outputs) {
    EvaluatedOutput &result = results.emplace_back();
    result.shape.assign(output.dims, output.dims + output.rank);
    size_t count = output.bytes * 8 / bw_dtype_bits(output.dtype);
    for (size_t i = 0; i < count; ++i) {
      if (output.dtype == BW_F32)
        result.values.push_back(static_cast<const float *>(output.data)[i]);
      else if (output.dtype == BW_S64)
        result.values.push_back(float(static_cast<const int64_t *>(output.data)[i]));
      else if (output.dtype == BW_S32)
        result.values.push_back(float(static_cast<const int32_t *>(output.data)[i]));
      else
        return llvm::createStringError("evaluation: expected outputs of f32, s32 or s64, found " +
                                       llvm::Twine(bw_dtype_name(output.dtype)));
    }
  }
  return results;
}
