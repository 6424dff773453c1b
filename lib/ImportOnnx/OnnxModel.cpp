//===- OnnxModel.cpp - reading ONNX files and their tensors -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/OnnxModel.h"
#include "lib/ImportOnnx/ImportOnnx.h"
#include "onnx.pb.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <climits>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

static llvm::Error fail(const Twine &text) { return llvm::createStringError(text.str()); }

OnnxModel::OnnxModel() = default;
OnnxModel::OnnxModel(OnnxModel &&) = default;
OnnxModel::~OnnxModel() = default;

llvm::Error OnnxModel::parse(ArrayRef<uint8_t> bytes) {
  if (bytes.size() > size_t(INT_MAX))
    return fail("expected a file of at most 2 GiB, found " + Twine(bytes.size()) +
                " bytes: save the weights as external data");
  fileBytes = bytes.size();
  proto = std::make_unique<onnx::ModelProto>();
  if (!proto->ParseFromArray(bytes.data(), int(bytes.size())))
    return fail("is not a valid ONNX model: the protobuf message is truncated or corrupt");
  if (!proto->has_graph())
    return fail("is not a valid ONNX model: it holds no graph");
  if (proto->ir_version() < kMinIrVersion || proto->ir_version() > onnx::Version::IR_VERSION)
    return fail("expected an ONNX IR version from " + Twine(kMinIrVersion) + " to " +
                Twine(int64_t(onnx::Version::IR_VERSION)) + ", found " + Twine(proto->ir_version()));
  opset = 0;
  for (const auto &set : proto->opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx")
      opset = set.version();
  if (opset == 0)
    return fail("expected an entry of the domain ai.onnx in opset_import, found none");
  if (opset < kMinOpset || opset > kMaxOpset)
    return fail("expected an opset of ai.onnx from " + Twine(kMinOpset) + " to " + Twine(kMaxOpset) + ", found " +
                Twine(opset) + ": convert the model with onnx.version_converter");
  return llvm::Error::success();
}

llvm::Expected<OnnxModel> OnnxModel::fromBytes(ArrayRef<uint8_t> bytes) {
  OnnxModel model;
  if (auto error = model.parse(bytes))
    return std::move(error);
  return model;
}

llvm::Expected<OnnxModel> OnnxModel::fromFile(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("cannot be read: " + buffer.getError().message());
  OnnxModel model;
  if (auto error =
          model.parse({reinterpret_cast<const uint8_t *>((*buffer)->getBufferStart()), (*buffer)->getBufferSize()}))
    return std::move(error);
  llvm::SmallString<256> real;
  if (auto error = llvm::sys::fs::real_path(path, real))
    return fail("cannot be read: " + error.message());
  model.folder = llvm::sys::path::parent_path(real).str();
  return model;
}

Type onnximport::elementTypeOf(int32_t onnxType, MLIRContext *context) {
  auto integer = [&](unsigned width, bool isUnsigned) -> Type {
    return IntegerType::get(context, width, isUnsigned ? IntegerType::Unsigned : IntegerType::Signless);
  };
  switch (onnxType) {
  case onnx::TensorProto::FLOAT:
    return Float32Type::get(context);
  case onnx::TensorProto::FLOAT16:
    return Float16Type::get(context);
  case onnx::TensorProto::BFLOAT16:
    return BFloat16Type::get(context);
  case onnx::TensorProto::BOOL:
    return integer(1, false);
  case onnx::TensorProto::INT4:
    return integer(4, false);
  case onnx::TensorProto::INT8:
    return integer(8, false);
  case onnx::TensorProto::UINT8:
    return integer(8, true);
  case onnx::TensorProto::INT16:
    return integer(16, false);
  case onnx::TensorProto::UINT16:
    return integer(16, true);
  case onnx::TensorProto::INT32:
    return integer(32, false);
  case onnx::TensorProto::INT64:
    return integer(64, false);
  default:
    return {};
  }
}

std::string onnximport::elementTypeName(int32_t onnxType) {
  // The lite runtime has no reflection; the names are those of the ONNX specification.
  static const char *names[] = {
      "UNDEFINED", "FLOAT",      "UINT8",      "INT8",         "UINT16",         "INT16",      "INT32",
      "INT64",     "STRING",     "BOOL",       "FLOAT16",      "DOUBLE",         "UINT32",     "UINT64",
      "COMPLEX64", "COMPLEX128", "BFLOAT16",   "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ",
      "UINT4",     "INT4",       "FLOAT4E2M1", "FLOAT8E8M0",   "UINT2",          "INT2"};
  if (onnxType >= 0 && onnxType < int32_t(std::size(names)))
    return names[onnxType];
  return "number " + std::to_string(onnxType);
}

std::string onnximport::unsupportedElementType(int32_t onnxType) {
  return "expected an element type out of FLOAT, FLOAT16, BFLOAT16, BOOL, INT4, INT8, UINT8, INT16, UINT16, INT32, "
         "INT64; found " +
         elementTypeName(onnxType) + (onnxType == onnx::TensorProto::DOUBLE ? ": export the model in float32" : "");
}

/// The values of a typed field, narrowed to the storage type T.
template <typename T, typename Field> static WeightData fromField(RankedTensorType type, const Field &field) {
  auto buffer = std::make_shared<std::vector<T>>();
  buffer->reserve(std::max<int64_t>(field.size(), 1));
  for (auto value : field)
    buffer->push_back(static_cast<T>(value));
  return {type, {reinterpret_cast<const uint8_t *>(buffer->data()), buffer->size() * sizeof(T)}, buffer};
}

llvm::Expected<WeightData> OnnxModel::readExternal(const onnx::TensorProto &tensor, RankedTensorType type) {
  std::string location;
  int64_t offset = 0, length = -1;
  for (const auto &entry : tensor.external_data()) {
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "offset" || entry.key() == "length") {
      int64_t &number = entry.key() == "offset" ? offset : length;
      if (StringRef(entry.value()).getAsInteger(10, number) || number < 0)
        return fail("expected a number of bytes as external data " + entry.key() + ", found '" + entry.value() + "'");
    }
  }
  if (location.empty())
    return fail("expected external data with a location, found none");
  if (folder.empty())
    return fail("external data '" + location + "' cannot be read: the model is not a file in a folder");
  if (llvm::sys::path::is_absolute(location))
    return fail("expected external data inside the model's folder, found the absolute path '" + location + "'");
  llvm::SmallString<256> joined(folder), real;
  llvm::sys::path::append(joined, location);
  if (auto error = llvm::sys::fs::real_path(joined, real))
    return fail("external data '" + location + "' cannot be read: " + error.message());
  std::string inside = folder == "/" ? folder : folder + "/";
  if (!StringRef(real).starts_with(inside))
    return fail("expected external data inside the model's folder, found '" + location + "', which lies outside of it");
  std::shared_ptr<llvm::MemoryBuffer> &file = externalFiles[real];
  if (!file) {
    auto buffer = llvm::MemoryBuffer::getFile(real, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (!buffer)
      return fail("external data '" + location + "' cannot be read: " + buffer.getError().message());
    file = std::move(*buffer);
    fileBytes += file->getBufferSize();
  }
  int64_t expected = getStorageBytes(type), size = file->getBufferSize();
  if (length < 0)
    length = expected;
  if (length != expected)
    return fail("expected " + Twine(expected) + " bytes of data, found " + Twine(length) + " in external data '" +
                location + "'");
  if (offset > size || length > size - offset)
    return fail("external data '" + location + "' is too short: expected " + Twine(length) + " bytes at offset " +
                Twine(offset) + ", found a file of " + Twine(size) + " bytes");
  const uint8_t *begin = reinterpret_cast<const uint8_t *>(file->getBufferStart()) + offset;
  if (reinterpret_cast<uintptr_t>(begin) % 8)
    return WeightData::copyOf<uint8_t>(type, {begin, size_t(length)});
  return WeightData{type, {begin, size_t(length)}, file};
}

llvm::Expected<WeightData> OnnxModel::readTensor(onnx::TensorProto &tensor, MLIRContext *context) {
  bool narrow = tensor.data_type() == onnx::TensorProto::DOUBLE;
  Type element = narrow ? Type(Float32Type::get(context)) : elementTypeOf(tensor.data_type(), context);
  if (!element)
    return fail(unsupportedElementType(tensor.data_type()));
  if (tensor.dims_size() > kMaxRank)
    return fail("expected a rank of at most " + Twine(kMaxRank) + ", found " + Twine(tensor.dims_size()));
  int64_t count = 1, limit = 1;
  for (int64_t dim : tensor.dims()) {
    if (dim < 0 || dim > kMaxElements || limit > kMaxElements / std::max<int64_t>(dim, 1))
      return fail("expected dimensions >= 0 of at most 2^40 elements, found dimension " + Twine(dim));
    count *= dim;
    limit *= std::max<int64_t>(dim, 1);
  }
  if (tensor.has_segment())
    return fail("segmented tensors are not supported: save the tensor in one piece");
  auto type = RankedTensorType::get(SmallVector<int64_t>(tensor.dims().begin(), tensor.dims().end()), element);
  if (narrow) {
    // Exporters write some parameters (a scale, an exponent) as f64; a whole f64 tensor would change the computation.
    if (count != 1)
      return fail(unsupportedElementType(tensor.data_type()));
    double value;
    if (tensor.raw_data().size() == sizeof(value))
      memcpy(&value, tensor.raw_data().data(), sizeof(value));
    else if (tensor.double_data_size() == 1)
      value = tensor.double_data(0);
    else
      return fail("expected one double, found " + Twine(tensor.raw_data().size()) + " bytes and " +
                  Twine(tensor.double_data_size()) + " values");
    return WeightData::copyOf<float>(type, {float(value)});
  }
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL)
    return readExternal(tensor, type);
  int64_t expected = getStorageBytes(type);
  if (tensor.has_raw_data()) {
    if (int64_t(tensor.raw_data().size()) != expected)
      return fail("expected " + Twine(expected) + " bytes of data, found " + Twine(tensor.raw_data().size()));
    std::shared_ptr<std::string> data(tensor.release_raw_data());
    // Booleans are read as 0 or not 0; the store promises 0 or 1.
    if (element.isInteger(1))
      for (char &byte : *data)
        byte = byte != 0;
    return WeightData{type, {reinterpret_cast<const uint8_t *>(data->data()), data->size()}, data};
  }
  auto wrongCount = [&](int64_t found, const char *field) {
    return fail("expected " + Twine(count) + " values in " + field + ", found " + Twine(found));
  };
  switch (tensor.data_type()) {
  case onnx::TensorProto::FLOAT:
    if (tensor.float_data_size() != count)
      return wrongCount(tensor.float_data_size(), "float_data");
    return fromField<float>(type, tensor.float_data());
  case onnx::TensorProto::INT64:
    if (tensor.int64_data_size() != count)
      return wrongCount(tensor.int64_data_size(), "int64_data");
    return fromField<int64_t>(type, tensor.int64_data());
  default:
    break;
  }
  if (tensor.data_type() == onnx::TensorProto::INT4) {
    // A byte of two elements an entry.
    if (tensor.int32_data_size() != expected)
      return fail("expected " + Twine(expected) + " pairs of values in int32_data, found " +
                  Twine(tensor.int32_data_size()));
    return fromField<uint8_t>(type, tensor.int32_data());
  }
  if (tensor.int32_data_size() != count)
    return wrongCount(tensor.int32_data_size(), "int32_data");
  switch (tensor.data_type()) {
  case onnx::TensorProto::INT32:
    return fromField<int32_t>(type, tensor.int32_data());
  case onnx::TensorProto::BOOL: {
    std::vector<uint8_t> bytes;
    for (int32_t value : tensor.int32_data())
      bytes.push_back(value != 0);
    return WeightData::copyOf<uint8_t>(type, bytes);
  }
  case onnx::TensorProto::INT8:
  case onnx::TensorProto::UINT8:
    return fromField<uint8_t>(type, tensor.int32_data());
  default: // 16-bit integers, and the bits of f16 and bf16
    return fromField<uint16_t>(type, tensor.int32_data());
  }
}
