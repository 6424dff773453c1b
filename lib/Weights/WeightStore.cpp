//===- WeightStore.cpp - named tensors behind qnn.weight -------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Weights/WeightStore.h"
#include "dialects/Qnn/Qnn.h"
#include "llvm/ADT/APFloat.h"

using namespace mlir;
using namespace bitwright;

int64_t bitwright::getStorageBytes(RankedTensorType type) {
  int64_t bits = type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
  if (bits == 1)
    bits = 8;
  return (type.getNumElements() * bits + 7) / 8;
}

void WeightStore::set(StringRef name, WeightData data) {
  assert(int64_t(data.bytes.size()) == getStorageBytes(data.type) && "bytes must match the type");
  std::lock_guard<std::mutex> lock(mutex);
  weights[name] = std::move(data);
}

std::optional<WeightData> WeightStore::lookup(StringRef name) const {
  std::lock_guard<std::mutex> lock(mutex);
  auto it = weights.find(name);
  return it == weights.end() ? std::nullopt : std::optional<WeightData>(it->second);
}

void WeightStore::erase(StringRef name) {
  std::lock_guard<std::mutex> lock(mutex);
  weights.erase(name);
}

std::string WeightStore::uniqueName(StringRef base) const {
  std::lock_guard<std::mutex> lock(mutex);
  if (!weights.count(base))
    return base.str();
  for (unsigned i = 1;; ++i) {
    std::string candidate = (base + "." + Twine(i)).str();
    if (!weights.count(candidate))
      return candidate;
  }
}

std::vector<std::string> WeightStore::names() const {
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<std::string> result;
  for (const auto &entry : weights)
    result.push_back(entry.getKey().str());
  llvm::sort(result);
  return result;
}

/// A literal's raw bytes; splats are expanded, i1 gets a byte an element.
static WeightData fromElements(DenseElementsAttr elements) {
  auto type = cast<RankedTensorType>(elements.getType());
  auto buffer = std::make_shared<std::vector<uint8_t>>();
  buffer->reserve(std::max<int64_t>(getStorageBytes(type), 1)); // bytes of an empty tensor have an address too
  buffer->resize(getStorageBytes(type));
  int64_t count = type.getNumElements();
  if (type.getElementType().isInteger(1) || type.getElementTypeBitWidth() == 4) {
    bool nibble = type.getElementTypeBitWidth() == 4;
    int64_t i = 0;
    for (APInt value : elements.getValues<APInt>()) {
      if (nibble)
        (*buffer)[i / 2] |= (value.getZExtValue() & 15) << (i % 2 * 4);
      else
        (*buffer)[i] = value.getZExtValue();
      ++i;
    }
  } else {
    ArrayRef<char> raw = elements.getRawData();
    int64_t width = type.getElementTypeBitWidth() / 8;
    for (int64_t i = 0; i < count; ++i)
      memcpy(buffer->data() + i * width, raw.data() + (elements.isSplat() ? 0 : i * width), width);
  }
  return {type, {buffer->data(), buffer->size()}, buffer};
}

std::optional<WeightData> bitwright::getConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast_or_null<qnn::ConstantOp>(op)) {
    if (auto elements = dyn_cast<DenseElementsAttr>(constant.getValue()))
      return fromElements(elements);
    return std::nullopt;
  }
  if (auto weight = dyn_cast_or_null<qnn::WeightOp>(op)) {
    auto data = getWeightStore(value.getContext()).lookup(weight.getSource());
    if (!data)
      weight.emitError() << "weight '" << weight.getSource()
                         << "' is not in the weight store: load the file that holds it";
    else if (data->type != weight.getType()) {
      weight.emitError() << "weight '" << weight.getSource() << "' has type " << data->type
                         << " in the weight store, expected " << weight.getType();
      return std::nullopt;
    }
    return data;
  }
  return std::nullopt;
}

std::vector<float> bitwright::toFloats(const WeightData &data) {
  std::vector<float> result(data.getNumElements());
  Type element = data.type.getElementType();
  if (result.empty())
    return result; // no bytes to copy from: their address may be null
  if (element.isF32()) {
    memcpy(result.data(), data.bytes.data(), data.bytes.size());
  } else if (auto floatType = dyn_cast<FloatType>(element)) {
    unsigned width = floatType.getWidth() / 8;
    for (size_t i = 0; i < result.size(); ++i) {
      uint64_t bits = 0;
      memcpy(&bits, data.bytes.data() + i * width, width);
      APFloat value(floatType.getFloatSemantics(), APInt(floatType.getWidth(), bits));
      bool lost;
      value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
      result[i] = value.convertToFloat();
    }
  } else {
    std::vector<int64_t> integers = toIntegers(data);
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = float(integers[i]);
  }
  return result;
}

std::vector<int64_t> bitwright::toIntegers(const WeightData &data) {
  std::vector<int64_t> result(data.getNumElements());
  auto type = cast<IntegerType>(data.type.getElementType());
  unsigned width = type.getWidth();
  for (size_t i = 0; i < result.size(); ++i) {
    uint64_t bits = 0;
    if (width == 4)
      bits = data.bytes[i / 2] >> (i % 2 * 4) & 15;
    else
      memcpy(&bits, data.bytes.data() + i * std::max(1u, width / 8), std::max(1u, width / 8));
    result[i] = type.isUnsigned() || width == 1 ? int64_t(bits) : llvm::SignExtend64(bits, width);
  }
  return result;
}

std::optional<float> bitwright::getSplat(Value value) {
  auto data = getConstant(value);
  if (!data || !isa<FloatType>(data->type.getElementType()) || data->getNumElements() == 0)
    return std::nullopt;
  std::vector<float> values = toFloats(*data);
  for (float v : values)
    if (v != values[0])
      return std::nullopt;
  return values[0];
}
