//===- WeightStore.h - named tensors behind qnn.weight ---------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Weights are bytes in row-major order, little-endian; sub-byte codes are packed low nibble first. Sources are mapped
// files, adopted buffers, or what passes produced. Replacing a weight frees the old bytes once nobody holds them.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_WEIGHTS_WEIGHTSTORE_H
#define BITWRIGHT_LIB_WEIGHTS_WEIGHTSTORE_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace bitwright {

/// A tensor of constants: type, bytes, and whatever keeps the bytes alive. Cheap to copy.
struct WeightData {
  mlir::RankedTensorType type;
  llvm::ArrayRef<uint8_t> bytes;
  std::shared_ptr<const void> owner;

  int64_t getNumElements() const { return type.getNumElements(); }
  template <typename T> llvm::ArrayRef<T> as() const {
    return {reinterpret_cast<const T *>(bytes.data()), bytes.size() / sizeof(T)};
  }
  /// Copies `values` into an owned buffer.
  template <typename T> static WeightData copyOf(mlir::RankedTensorType type, llvm::ArrayRef<T> values) {
    auto buffer = std::make_shared<std::vector<T>>();
    buffer->reserve(std::max<size_t>(values.size(), 1)); // bytes of an empty tensor have an address too
    buffer->assign(values.begin(), values.end());
    return {type, {reinterpret_cast<const uint8_t *>(buffer->data()), values.size() * sizeof(T)}, buffer};
  }
};

/// Bytes that a tensor of this type takes in the store (i1 and i8: one byte an element; i4: two elements a byte).
int64_t getStorageBytes(mlir::RankedTensorType type);

class WeightStore {
public:
  /// Adds or replaces. The byte count must match the type.
  void set(llvm::StringRef name, WeightData data);
  std::optional<WeightData> lookup(llvm::StringRef name) const;
  void erase(llvm::StringRef name);
  /// A name that is not taken yet: `base`, or `base.N`.
  std::string uniqueName(llvm::StringRef base) const;
  std::vector<std::string> names() const;

  /// Saves all weights (or the named ones) as one safetensors file: written under a temporary name, then renamed.
  llvm::Error save(llvm::StringRef path, llvm::ArrayRef<std::string> only = {}) const;
  /// Maps a safetensors file and adds its tensors.
  llvm::Error load(llvm::StringRef path, mlir::MLIRContext *context);

private:
  mutable std::mutex mutex;
  llvm::StringMap<WeightData> weights;
};

/// The constant behind a value: `qnn.constant` or `qnn.weight` (looked up in the context's store); none otherwise.
/// A missing weight is none too, with an error at the operation.
std::optional<WeightData> getConstant(mlir::Value value);
/// All elements of a constant of any float or integer type as float32 / int64.
std::vector<float> toFloats(const WeightData &data);
std::vector<int64_t> toIntegers(const WeightData &data);
/// If all elements of the float constant are one value, that value.
std::optional<float> getSplat(mlir::Value value);

} // namespace bitwright

#endif
