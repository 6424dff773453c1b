//===- OnnxModel.h - reading ONNX files and their tensors -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_IMPORTONNX_ONNXMODEL_H
#define BITWRIGHT_LIB_IMPORTONNX_ONNXMODEL_H

#include "lib/Weights/WeightStore.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>

namespace onnx {
class ModelProto;
class TensorProto;
} // namespace onnx

namespace bitwright::onnximport {

constexpr int64_t kMinOpset = 7, kMaxOpset = 28, kMinIrVersion = 3;

/// A parsed model with the version of the default operator set, checked to be in the supported range.
class OnnxModel {
public:
  OnnxModel();
  OnnxModel(OnnxModel &&);
  ~OnnxModel();

  static llvm::Expected<OnnxModel> fromFile(llvm::StringRef path);
  static llvm::Expected<OnnxModel> fromBytes(llvm::ArrayRef<uint8_t> bytes);

  onnx::ModelProto &getProto() { return *proto; }
  int64_t getOpset() const { return opset; }
  /// Bytes of the model and of the external files that were mapped so far.
  int64_t getFileBytes() const { return fileBytes; }

  /// Type and bytes of a tensor. Takes the raw bytes out of the message where it can (the message keeps the rest).
  /// Errors say what is wrong with it, without its name. Floats narrower than f64 only: a single f64 becomes f32.
  llvm::Expected<WeightData> readTensor(onnx::TensorProto &tensor, mlir::MLIRContext *context);

private:
  llvm::Error parse(llvm::ArrayRef<uint8_t> bytes);
  llvm::Expected<WeightData> readExternal(const onnx::TensorProto &tensor, mlir::RankedTensorType type);

  std::unique_ptr<onnx::ModelProto> proto;
  int64_t opset = 0, fileBytes = 0;
  /// Canonical path of the model's folder; empty when the model came from memory.
  std::string folder;
  llvm::StringMap<std::shared_ptr<llvm::MemoryBuffer>> externalFiles;
};

/// The MLIR element type of an ONNX one, or null.
mlir::Type elementTypeOf(int32_t onnxType, mlir::MLIRContext *context);
/// "FLOAT16", or "type 99".
std::string elementTypeName(int32_t onnxType);
/// Text of "some tensors have element types the compiler has no place for".
std::string unsupportedElementType(int32_t onnxType);

} // namespace bitwright::onnximport

#endif
