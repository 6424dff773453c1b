//===- MappedArray.cpp - rows of a NumPy array without loading it ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/MappedArray.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using support::endian::read16le;
using support::endian::read32le;

namespace bitwright {

StringRef findStoredMember(StringRef archive, StringRef name) {
  // End of the central directory: the signature within the last 64 KiB + 22 bytes.
  constexpr size_t endSize = 22;
  if (archive.size() < endSize)
    return {};
  size_t lowest = archive.size() > 65535 + endSize ? archive.size() - 65535 - endSize : 0;
  size_t end = archive.size() - endSize;
  while (read32le(archive.data() + end) != 0x06054b50)
    if (end-- == lowest)
      return {};
  uint64_t entries = read16le(archive.data() + end + 10), at = read32le(archive.data() + end + 16);
  for (uint64_t i = 0; i < entries; ++i) {
    if (at + 46 > end || read32le(archive.data() + at) != 0x02014b50)
      return {};
    const char *entry = archive.data() + at;
    uint64_t nameSize = read16le(entry + 28), extra = read16le(entry + 30), comment = read16le(entry + 32);
    if (at + 46 + nameSize > end)
      return {};
    if (StringRef(entry + 46, nameSize) == name) {
      uint64_t packed = read32le(entry + 20), plain = read32le(entry + 24), offset = read32le(entry + 42);
      if (read16le(entry + 10) != 0 || packed != plain || packed == 0xffffffff || offset + 30 > end ||
          read32le(archive.data() + offset) != 0x04034b50)
        return {};
      uint64_t data = offset + 30 + read16le(archive.data() + offset + 26) + read16le(archive.data() + offset + 28);
      return data + packed <= end ? archive.substr(data, packed) : StringRef();
    }
    at += 46 + nameSize + extra + comment;
  }
  return {};
}

/// The text after `key` in the header's dictionary.
static StringRef valueOf(StringRef header, StringRef key) {
  size_t at = header.find(key);
  return at == StringRef::npos ? StringRef() : header.substr(at + key.size()).ltrim(" :");
}

bool MappedArray::view(StringRef npy) {
  if (npy.size() < 12 || !npy.starts_with("\x93NUMPY"))
    return false;
  unsigned major = uint8_t(npy[6]);
  if (major < 1 || major > 3)
    return false;
  uint64_t prefix = major == 1 ? 10 : 12, length = major == 1 ? read16le(npy.data() + 8) : read32le(npy.data() + 8);
  if (prefix + length > npy.size())
    return false;
  StringRef header = npy.substr(prefix, length), type = valueOf(header, "'descr'"),
            order = valueOf(header, "'fortran_order'"), dims = valueOf(header, "'shape'");
  // '<f4', '|i1': byte order, kind, bytes.
  if (!order.starts_with("False") || type.size() < 5 || type[0] != '\'' || (type[1] != '<' && type[1] != '|') ||
      type[4] != '\'' || !StringRef("fiubV").contains(type[2]) || !StringRef("1248").contains(type[3]) ||
      !dims.consume_front("("))
    return false;
  kind = type[2];
  itemSize = unsigned(type[3] - '0');
  shape.clear();
  int64_t count = itemSize;
  for (dims = dims.ltrim(); !dims.consume_front(")"); dims = dims.ltrim()) {
    int64_t size;
    if (dims.consumeInteger(10, size) || size < 0 || MulOverflow(count, size, count))
      return false;
    shape.push_back(size);
    dims = dims.ltrim();
    if (!dims.consume_front(",") && !dims.starts_with(")"))
      return false;
  }
  if (npy.size() - prefix - length != uint64_t(count))
    return false;
  elements = ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(npy.data()) + prefix + length, size_t(count));
  return true;
}

bool MappedArray::open(StringRef path, StringRef member, MappedArray &result, std::string &error) {
  bool archive = !member.empty();
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (buffer) {
    result.file = std::move(*buffer);
    StringRef npy =
        archive ? findStoredMember(result.file->getBuffer(), (member + ".npy").str()) : result.file->getBuffer();
    if (result.view(npy))
      return true;
  }
  result.file.reset();
  auto array = std::make_shared<formats::NpyArray>();
  if (archive) {
    auto npz = formats::NpzFile::open(path.str(), error);
    if (!npz)
      return false;
    size_t index = npz->find(member.str());
    if (index == npz->size()) {
      error = ("'" + path + "' has no array '" + member + "'").str();
      return false;
    }
    if (!npz->read(index, *array, error))
      return false;
  } else if (!formats::readNpy(path.str(), *array, error)) {
    return false;
  }
  result.loaded = array;
  result.kind = array->kind;
  result.itemSize = array->itemSize;
  result.shape = array->shape;
  result.elements = array->data;
  return true;
}

} // namespace bitwright
