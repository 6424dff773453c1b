//===- Tensor.cpp - what the interpreter computes with ---------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/Tensor.h"

#include "lib/Numerics/Half.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/Format.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

int64_t reference::sizeOf(Element element) {
  switch (element) {
  case Element::F32:
  case Element::S32:
    return 4;
  case Element::F16:
  case Element::BF16:
  case Element::S16:
  case Element::U16:
    return 2;
  case Element::Bool:
  case Element::S4:
  case Element::S8:
  case Element::U8:
    return 1;
  case Element::S64:
    return 8;
  }
  return 0;
}

StringRef reference::nameOf(Element element) {
  static const char *const names[] = {"f32", "f16", "bf16", "bool", "s4", "s8", "u8", "s16", "u16", "s32", "s64"};
  return names[int(element)];
}

std::pair<int64_t, int64_t> reference::rangeOf(Element element) {
  switch (element) {
  case Element::Bool:
    return {0, 1};
  case Element::S4:
    return {-8, 7};
  case Element::S8:
    return {-128, 127};
  case Element::U8:
    return {0, 255};
  case Element::S16:
    return {-32768, 32767};
  case Element::U16:
    return {0, 65535};
  case Element::S32:
    return {INT32_MIN, INT32_MAX};
  default:
    return {INT64_MIN, INT64_MAX};
  }
}

std::optional<Element> reference::elementOf(Type type) {
  if (type.isF32())
    return Element::F32;
  if (type.isF16())
    return Element::F16;
  if (type.isBF16())
    return Element::BF16;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  switch (integer.getWidth()) {
  case 1:
    return Element::Bool;
  case 4:
    return Element::S4;
  case 8:
    return integer.isUnsigned() ? Element::U8 : Element::S8;
  case 16:
    return integer.isUnsigned() ? Element::U16 : Element::S16;
  case 32:
    return Element::S32;
  case 64:
    return Element::S64;
  default:
    return std::nullopt;
  }
}

int64_t reference::elementCount(ArrayRef<int64_t> shape) {
  int64_t n = 1;
  for (int64_t dim : shape)
    n *= dim;
  return n;
}

Shape reference::rowMajorStrides(ArrayRef<int64_t> shape) {
  Shape strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

Tensor::Tensor(Element element, ArrayRef<int64_t> shape)
    : element(element), shape(shape.begin(), shape.end()), count(elementCount(shape)), writable(true) {
  // One spare byte, so that an empty tensor still has an address.
  auto buffer = std::make_shared<std::vector<uint8_t>>(size_t(count * sizeOf(element) + 1));
  data_ = buffer->data();
  owner = std::move(buffer);
}

Tensor::Tensor(Element element, ArrayRef<int64_t> shape, const void *bytes, std::shared_ptr<const void> owner)
    : element(element), shape(shape.begin(), shape.end()), count(elementCount(shape)), data_(bytes),
      owner(std::move(owner)) {}

Tensor Tensor::reshaped(ArrayRef<int64_t> newShape) const {
  assert(elementCount(newShape) == count);
  Tensor tensor = *this;
  tensor.shape.assign(newShape.begin(), newShape.end());
  return tensor;
}

double Tensor::asDouble(int64_t i) const {
  switch (element) {
  case Element::F32:
    return data<float>()[i];
  case Element::F16:
    return numerics::floatFromHalf(data<uint16_t>()[i]);
  case Element::BF16:
    return numerics::floatFromBfloat16(data<uint16_t>()[i]);
  default:
    return double(asInteger(i));
  }
}

int64_t Tensor::asInteger(int64_t i) const {
  switch (element) {
  case Element::Bool:
  case Element::U8:
    return data<uint8_t>()[i];
  case Element::S4:
  case Element::S8:
    return data<int8_t>()[i];
  case Element::S16:
    return data<int16_t>()[i];
  case Element::U16:
    return data<uint16_t>()[i];
  case Element::S32:
    return data<int32_t>()[i];
  case Element::S64:
    return data<int64_t>()[i];
  default:
    return int64_t(asDouble(i));
  }
}

std::string Tensor::describe() const {
  std::string text = (nameOf(element) + "[").str();
  for (int64_t i = 0; i < getRank(); ++i)
    text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

void Tensor::print(raw_ostream &os, int64_t limit) const {
  os << describe() << " =";
  for (int64_t i = 0; i < std::min(count, limit); ++i)
    if (isFloat(element))
      os << ' ' << llvm::format("%.9g", asDouble(i));
    else
      os << ' ' << asInteger(i);
  if (count > limit)
    os << " ... (" << count - limit << " more)";
}

bool Tensor::equals(const Tensor &other) const {
  if (element != other.element || shape != other.shape)
    return false;
  if (!isFloat(element))
    return std::memcmp(data_, other.data_, size_t(getNumBytes())) == 0;
  int64_t size = sizeOf(element);
  for (int64_t i = 0; i < count; ++i)
    if (std::memcmp(data<char>() + i * size, other.data<char>() + i * size, size_t(size)) != 0 &&
        !(std::isnan(asDouble(i)) && std::isnan(other.asDouble(i))))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Constants and conversions
//===----------------------------------------------------------------------===//

Tensor reference::fromWeight(const WeightData &data) {
  std::optional<Element> element = elementOf(data.type.getElementType());
  assert(element && "qnn tensors have known element types");
  ArrayRef<int64_t> shape = data.type.getShape();
  if (elementCount(shape) == 0)
    return Tensor(*element, shape); // no bytes, but still a tensor
  if (*element != Element::S4)
    return Tensor(*element, shape, data.bytes.data(), data.owner);
  Tensor tensor(Element::S4, shape);
  int8_t *out = tensor.mutableData<int8_t>();
  for (int64_t i = 0; i < tensor.getNumElements(); ++i) {
    uint8_t nibble = (data.bytes[i / 2] >> (4 * (i % 2))) & 15;
    out[i] = int8_t(nibble >= 8 ? nibble - 16 : nibble);
  }
  return tensor;
}

RankedTensorType reference::typeOf(const Tensor &tensor, MLIRContext *context) {
  Builder builder(context);
  Type type;
  switch (tensor.getElement()) {
  case Element::F32:
    type = builder.getF32Type();
    break;
  case Element::F16:
    type = builder.getF16Type();
    break;
  case Element::BF16:
    type = builder.getBF16Type();
    break;
  case Element::U8:
  case Element::U16:
    type = builder.getIntegerType(unsigned(8 * sizeOf(tensor.getElement())), /*isSigned=*/false);
    break;
  case Element::Bool:
    type = builder.getI1Type();
    break;
  case Element::S4:
    type = builder.getIntegerType(4);
    break;
  default:
    type = builder.getIntegerType(unsigned(8 * sizeOf(tensor.getElement())));
  }
  return RankedTensorType::get(tensor.getShape(), type);
}

WeightData reference::toWeight(const Tensor &tensor, MLIRContext *context) {
  RankedTensorType type = reference::typeOf(tensor, context);
  if (tensor.getElement() != Element::S4)
    return WeightData::copyOf<uint8_t>(type, ArrayRef<uint8_t>(tensor.data<uint8_t>(), size_t(tensor.getNumBytes())));
  std::vector<uint8_t> packed(size_t((tensor.getNumElements() + 1) / 2));
  for (int64_t i = 0; i < tensor.getNumElements(); ++i)
    packed[i / 2] |= uint8_t((tensor.data<int8_t>()[i] & 15) << (4 * (i % 2)));
  return WeightData::copyOf<uint8_t>(type, packed);
}

Tensor reference::toFloat32(const Tensor &tensor) {
  if (tensor.getElement() == Element::F32)
    return tensor;
  Tensor out(Element::F32, tensor.getShape());
  for (int64_t i = 0; i < tensor.getNumElements(); ++i)
    out.mutableData<float>()[i] = float(tensor.asDouble(i));
  return out;
}

Tensor reference::storeAs(const Tensor &float32, Element element) {
  assert(float32.getElement() == Element::F32 && isFloat(element));
  if (element == Element::F32)
    return float32;
  Tensor out(element, float32.getShape());
  for (int64_t i = 0; i < float32.getNumElements(); ++i) {
    float v = float32.data<float>()[i];
    out.mutableData<uint16_t>()[i] =
        element == Element::F16 ? numerics::halfFromFloat(v) : numerics::bfloat16FromFloat(v);
  }
  return out;
}

/// Calls body(T{}) with the C++ type of an integer or bool element.
template <typename Body> static void withInteger(Element element, Body &&body) {
  switch (element) {
  case Element::Bool:
  case Element::U8:
    return body(uint8_t{});
  case Element::S4:
  case Element::S8:
    return body(int8_t{});
  case Element::S16:
    return body(int16_t{});
  case Element::U16:
    return body(uint16_t{});
  case Element::S32:
    return body(int32_t{});
  case Element::S64:
    return body(int64_t{});
  default:
    llvm_unreachable("expected an integer element type");
  }
}

template <typename To> static Tensor widened(const Tensor &tensor, Element element) {
  if (tensor.getElement() == element)
    return tensor;
  Tensor out(element, tensor.getShape());
  To *to = out.mutableData<To>();
  withInteger(tensor.getElement(), [&](auto zero) {
    auto *from = tensor.data<decltype(zero)>();
    for (int64_t i = 0, n = tensor.getNumElements(); i < n; ++i)
      to[i] = To(from[i]);
  });
  return out;
}

Tensor reference::toInt32(const Tensor &tensor) { return widened<int32_t>(tensor, Element::S32); }
Tensor reference::toInt64(const Tensor &tensor) { return widened<int64_t>(tensor, Element::S64); }

Tensor reference::narrowTo(const Tensor &int64, Element element) {
  if (element == Element::S64)
    return int64;
  Tensor out(element, int64.getShape());
  const int64_t *in = int64.data<int64_t>();
  withInteger(element, [&](auto zero) {
    using T = decltype(zero);
    T *to = out.mutableData<T>();
    for (int64_t i = 0, n = int64.getNumElements(); i < n; ++i)
      if (element == Element::Bool)
        to[i] = T(in[i] != 0);
      else if (element == Element::S4)
        to[i] = T(int8_t(uint8_t(in[i]) << 4) >> 4);
      else
        to[i] = T(uint64_t(in[i]));
  });
  return out;
}
