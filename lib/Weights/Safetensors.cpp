//===- Safetensors.cpp - saving and mapping weights -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A safetensors file: u64 length of the header, a JSON object {name: {dtype, shape, data_offsets}}, the bytes. Types
// that the format lacks are stored as U8 of the packed bytes; `__metadata__` then says what they are: "bitwright.NAME":
// "i4 3x5".
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightFiles.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace bitwright;

static llvm::Error fail(const Twine &text) { return llvm::createStringError(text.str()); }
constexpr size_t kMaxHeader = 100 << 20;
constexpr int64_t kMaxElements = int64_t(1) << 40;

/// The format's name of an element type; empty if it has none.
static StringRef dtypeOf(Type element) {
  if (element.isF32())
    return "F32";
  if (element.isF16())
    return "F16";
  if (element.isBF16())
    return "BF16";
  auto integer = cast<IntegerType>(element);
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return "BOOL";
  case 8:
    return isUnsigned ? "U8" : "I8";
  case 16:
    return isUnsigned ? "U16" : "I16";
  case 32:
    return isUnsigned ? "" : "I32";
  case 64:
    return isUnsigned ? "" : "I64";
  default:
    return "";
  }
}

static Type elementOf(StringRef dtype, MLIRContext *context) {
  Builder builder(context);
  for (Type type :
       {Type(builder.getF32Type()), Type(builder.getF16Type()), Type(builder.getBF16Type()), Type(builder.getI1Type()),
        Type(builder.getI8Type()), Type(builder.getIntegerType(8, false)), Type(builder.getI16Type()),
        Type(builder.getIntegerType(16, false)), Type(builder.getI32Type()), Type(builder.getI64Type())})
    if (dtypeOf(type) == dtype)
      return type;
  return {};
}

llvm::Error WeightStore::save(StringRef path, ArrayRef<std::string> only) const {
  std::vector<std::string> wanted(only.begin(), only.end());
  if (only.empty())
    wanted = names();
  std::vector<std::pair<std::string, WeightData>> tensors;
  for (const std::string &name : wanted) {
    auto data = lookup(name);
    if (!data)
      return fail(path + ": expected a weight '" + name + "' in the store, found none");
    tensors.emplace_back(name, *data);
  }
  // Wide elements first: every tensor then lies at a multiple of its element's size without holes.
  auto width = [](const WeightData &data) { return std::max(1u, data.type.getElementTypeBitWidth() / 8); };
  llvm::sort(tensors, [&](const auto &a, const auto &b) {
    return std::make_pair(-int64_t(width(a.second)), a.first) < std::make_pair(-int64_t(width(b.second)), b.first);
  });
  llvm::json::Object header, metadata;
  int64_t offset = 0;
  for (const auto &[name, data] : tensors) {
    StringRef dtype = dtypeOf(data.type.getElementType());
    llvm::json::Array shape;
    if (dtype.empty()) {
      dtype = "U8";
      shape.push_back(int64_t(data.bytes.size()));
      auto integer = cast<IntegerType>(data.type.getElementType());
      std::string text = (integer.isUnsigned() ? "ui" : "i") + std::to_string(integer.getWidth()) + " ";
      for (auto [index, dim] : llvm::enumerate(data.type.getShape()))
        text += (index ? "x" : "") + std::to_string(dim);
      metadata["bitwright." + name] = text;
    } else {
      for (int64_t dim : data.type.getShape())
        shape.push_back(dim);
    }
    int64_t end = offset + int64_t(data.bytes.size());
    header[name] = llvm::json::Object{
        {"dtype", dtype}, {"shape", std::move(shape)}, {"data_offsets", llvm::json::Array{offset, end}}};
    offset = end;
  }
  if (!metadata.empty())
    header["__metadata__"] = std::move(metadata);
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(header));
  text.resize(llvm::alignTo(text.size() + 8, 64) - 8, ' ');
  // A temporary name, renamed at the end: nobody sees half a file.
  auto temporary = llvm::sys::fs::TempFile::create(path + ".%%%%%%%%.tmp");
  if (!temporary)
    return fail(path + ": cannot be written: " + llvm::toString(temporary.takeError()));
  llvm::raw_fd_ostream out(temporary->FD, /*shouldClose=*/false);
  char length[8];
  llvm::support::endian::write64le(length, text.size());
  out.write(length, sizeof(length));
  out << text;
  for (const auto &[name, data] : tensors)
    out.write(reinterpret_cast<const char *>(data.bytes.data()), data.bytes.size());
  out.flush();
  if (out.has_error()) {
    std::string reason = out.error().message();
    out.clear_error();
    llvm::consumeError(temporary->discard());
    return fail(path + ": cannot be written: " + reason);
  }
  if (auto error = temporary->keep(path))
    return fail(path + ": cannot be written: " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}

/// "i4 3x5" of the metadata.
static RankedTensorType parsePacked(StringRef text, MLIRContext *context) {
  auto [element, dims] = text.split(' ');
  bool isUnsigned = element.consume_front("u");
  unsigned width;
  if (!element.consume_front("i") || element.getAsInteger(10, width) || width == 0 || width > 64 || width == 1)
    return {};
  SmallVector<int64_t> shape;
  __int128 count = 1;
  while (!dims.empty()) {
    int64_t dim;
    StringRef part;
    std::tie(part, dims) = dims.split('x');
    if (part.getAsInteger(10, dim) || dim < 0 || dim > kMaxElements ||
        (count *= std::max<int64_t>(dim, 1)) > kMaxElements)
      return {};
    shape.push_back(dim);
  }
  return RankedTensorType::get(
      shape, IntegerType::get(context, width, isUnsigned ? IntegerType::Unsigned : IntegerType::Signless));
}

llvm::Error WeightStore::load(StringRef path, MLIRContext *context) {
  context->getOrLoadDialect<qnn::QnnDialect>();
  auto opened = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!opened)
    return fail(path + ": cannot be read: " + opened.getError().message());
  std::shared_ptr<llvm::MemoryBuffer> file = std::move(*opened);
  size_t size = file->getBufferSize();
  uint64_t length = size < 8 ? 0 : llvm::support::endian::read64le(file->getBufferStart());
  if (size < 8 || length > kMaxHeader || length > size - 8)
    return fail(path + ": is not a safetensors file: its header of " + Twine(length) + " bytes does not fit into " +
                Twine(size) + " bytes");
  auto json = llvm::json::parse(StringRef(file->getBufferStart() + 8, length));
  if (!json)
    return fail(path + ": is not a safetensors file: " + llvm::toString(json.takeError()));
  const llvm::json::Object *header = json->getAsObject();
  if (!header)
    return fail(path + ": is not a safetensors file: expected a JSON object as header");
  const llvm::json::Object *metadata = header->getObject("__metadata__");
  int64_t space = int64_t(size - 8 - length);
  std::vector<std::pair<std::string, WeightData>> tensors;
  for (const auto &[key, value] : *header) {
    std::string name = key.str();
    if (name == "__metadata__")
      continue;
    const llvm::json::Object *entry = value.getAsObject();
    const llvm::json::Array *dims = entry ? entry->getArray("shape") : nullptr,
                            *offsets = entry ? entry->getArray("data_offsets") : nullptr;
    auto dtype = entry ? entry->getString("dtype") : std::nullopt;
    if (!dims || !offsets || offsets->size() != 2 || !dtype)
      return fail(path + ": tensor '" + name + "': expected dtype, shape and two data_offsets");
    Type element = elementOf(*dtype, context);
    if (!element)
      return fail(path + ": tensor '" + name +
                  "': expected a dtype out of F32, F16, BF16, BOOL, I8, U8, I16, U16, I32, I64, found " + *dtype);
    SmallVector<int64_t> shape;
    __int128 count = 1;
    for (const llvm::json::Value &dim : *dims) {
      auto number = dim.getAsInteger();
      if (!number || *number < 0 || *number > kMaxElements || (count *= std::max<int64_t>(*number, 1)) > kMaxElements)
        return fail(path + ": tensor '" + name + "': expected dimensions >= 0 of at most 2^40 elements");
      shape.push_back(*number);
    }
    auto type = RankedTensorType::get(shape, element);
    if (auto packed = metadata ? metadata->getString("bitwright." + name) : std::nullopt) {
      type = parsePacked(*packed, context);
      if (!type)
        return fail(path + ": tensor '" + name + "': expected a type such as 'i4 3x5' in the metadata, found '" +
                    *packed + "'");
    }
    auto begin = (*offsets)[0].getAsInteger(), end = (*offsets)[1].getAsInteger();
    if (!begin || !end || *begin < 0 || *end < *begin || *end > space)
      return fail(path + ": tensor '" + name + "': its data lies outside the file (" + Twine(space) +
                  " bytes of data)");
    if (*end - *begin != getStorageBytes(type))
      return fail(path + ": tensor '" + name + "': expected " + Twine(getStorageBytes(type)) + " bytes, found " +
                  Twine(*end - *begin));
    ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(file->getBufferStart()) + 8 + length + *begin,
                            size_t(*end - *begin));
    size_t alignment = std::max(1u, type.getElementTypeBitWidth() / 8);
    tensors.emplace_back(name, reinterpret_cast<uintptr_t>(bytes.data()) % alignment
                                   ? WeightData::copyOf<uint8_t>(type, bytes)
                                   : WeightData{type, bytes, file});
  }
  for (auto &[name, data] : tensors)
    set(name, std::move(data));
  return llvm::Error::success();
}

llvm::Error bitwright::saveWeightFile(ModuleOp module, StringRef path) {
  std::vector<std::string> names;
  module.walk([&](qnn::WeightOp op) { names.push_back(op.getSource().str()); });
  llvm::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.empty())
    return llvm::Error::success();
  if (auto error = getWeightStore(module.getContext()).save(path, names))
    return error;
  Builder builder(module.getContext());
  module->setAttr("qnn.weight_files", builder.getStrArrayAttr({llvm::sys::path::filename(path)}));
  return llvm::Error::success();
}

llvm::Error bitwright::loadWeightFiles(ModuleOp module, StringRef baseDir) {
  Attribute attribute = module->getAttr("qnn.weight_files");
  if (!attribute)
    return llvm::Error::success();
  auto files = dyn_cast<ArrayAttr>(attribute);
  for (Attribute file : files ? files.getValue() : ArrayRef<Attribute>()) {
    auto name = dyn_cast<StringAttr>(file);
    if (!name)
      return fail("expected strings in qnn.weight_files");
    SmallString<256> path(name.getValue());
    if (llvm::sys::path::is_relative(path) && !baseDir.empty()) {
      path = baseDir;
      llvm::sys::path::append(path, name.getValue());
    }
    if (auto error = getWeightStore(module.getContext()).load(path, module.getContext()))
      return error;
  }
  if (!files)
    return fail("expected a list of file names in qnn.weight_files");
  return llvm::Error::success();
}
