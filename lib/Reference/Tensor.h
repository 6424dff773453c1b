//===- Tensor.h - what the interpreter computes with -----------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_REFERENCE_TENSOR_H
#define BITWRIGHT_LIB_REFERENCE_TENSOR_H

#include "lib/Weights/WeightStore.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/raw_ostream.h"

#include <cassert>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bitwright::reference {

/// Element types of `qnn` and `dyadic`. S4 is held unpacked, one signed byte an element.
enum class Element : uint8_t { F32, F16, BF16, Bool, S4, S8, U8, S16, U16, S32, S64 };

/// Bytes an element takes inside a Tensor.
int64_t sizeOf(Element element);
/// "f32", "bool", "s4", ...
llvm::StringRef nameOf(Element element);
inline bool isFloat(Element element) { return element <= Element::BF16; }
/// Smallest and largest value of an integer (or bool) element type.
std::pair<int64_t, int64_t> rangeOf(Element element);
/// The element type behind an MLIR type; none for types that the dialects do not have.
std::optional<Element> elementOf(mlir::Type type);

using Shape = llvm::SmallVector<int64_t, 6>;

/// Product of the dimensions; 1 for rank 0.
int64_t elementCount(llvm::ArrayRef<int64_t> shape);
/// Row-major strides in elements.
Shape rowMajorStrides(llvm::ArrayRef<int64_t> shape);

/// A dense row-major tensor on a shared buffer. Copies share the elements; whoever makes a tensor fills it before
/// sharing.
class Tensor {
public:
  Tensor() = default;
  /// A zero-filled tensor of its own.
  Tensor(Element element, llvm::ArrayRef<int64_t> shape);
  /// A view of bytes that `owner` keeps alive (sizeOf(element) bytes an element).
  Tensor(Element element, llvm::ArrayRef<int64_t> shape, const void *bytes, std::shared_ptr<const void> owner);

  template <typename T> static Tensor of(Element element, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<T> values) {
    Tensor tensor(element, shape);
    assert(int64_t(sizeof(T)) == sizeOf(element) && int64_t(values.size()) == tensor.getNumElements());
    std::copy(values.begin(), values.end(), tensor.mutableData<T>());
    return tensor;
  }
  static Tensor ofFloats(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> values) {
    return of<float>(Element::F32, shape, values);
  }

  Element getElement() const { return element; }
  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getRank() const { return int64_t(shape.size()); }
  int64_t getDim(int64_t i) const { return shape[i]; }
  int64_t getNumElements() const { return count; }
  int64_t getNumBytes() const { return count * sizeOf(element); }
  explicit operator bool() const { return data_ != nullptr; }

  const void *bytes() const { return data_; }
  template <typename T> const T *data() const { return static_cast<const T *>(data_); }
  template <typename T> T *mutableData() {
    assert(writable && "a view of constants cannot be written");
    return static_cast<T *>(const_cast<void *>(data_));
  }

  /// The same elements under another shape with as many elements.
  Tensor reshaped(llvm::ArrayRef<int64_t> newShape) const;

  /// Element i as float64 or int64, whatever the type (slow; for printing, tests and parameters).
  double asDouble(int64_t i) const;
  int64_t asInteger(int64_t i) const;

  /// "f32[2,3]".
  std::string describe() const;
  /// The description and at most `limit` elements, floats with nine digits (which identify a float32).
  void print(llvm::raw_ostream &os, int64_t limit = 64) const;

  /// Same type, shape and bits; any NaN equals any other NaN.
  bool equals(const Tensor &other) const;

private:
  Element element = Element::F32;
  Shape shape;
  int64_t count = 0;
  const void *data_ = nullptr;
  [[maybe_unused]] bool writable = false;
  std::shared_ptr<const void> owner;
};

/// A constant of the weight store as a tensor: a view where the storage agrees, unpacked for 4-bit codes.
Tensor fromWeight(const WeightData &data);
/// The other way round (4-bit codes are packed, low nibble first).
WeightData toWeight(const Tensor &tensor, mlir::MLIRContext *context);
/// The MLIR type of a tensor.
mlir::RankedTensorType typeOf(const Tensor &tensor, mlir::MLIRContext *context);

/// F5: float16 and bfloat16 widened exactly; a float32 tensor is returned as it is.
Tensor toFloat32(const Tensor &tensor);
/// F5: float32 rounded to nearest even on store.
Tensor storeAs(const Tensor &float32, Element element);
/// Any integer or bool tensor widened to int32 / int64 (int64 to int32 wraps).
Tensor toInt32(const Tensor &tensor);
Tensor toInt64(const Tensor &tensor);
/// int64 wrapped to an integer type (Bool: not zero).
Tensor narrowTo(const Tensor &int64, Element element);

} // namespace bitwright::reference

#endif
