//===- Npy.h - NumPy arrays in .npy and .npz files -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Reads format versions 1 to 3 of `.npy`, little-endian or single-byte elements;
// `.npz` members that are stored or deflated, with or without zip64. Writes `.npy`
// version 1 and stored `.npz`. No LLVM, no zlib.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bitwright::formats {

/// One array. Elements are dense, row-major (Fortran-ordered files are rearranged on reading), little-endian.
struct NpyArray {
  char kind = 'f'; ///< NumPy's letter: 'f' float, 'i' signed, 'u' unsigned, 'b' bool, 'V' raw bytes (bfloat16 comes so)
  unsigned itemSize = 4; ///< bytes of one element
  std::vector<int64_t> shape;
  std::vector<uint8_t> data;

  uint64_t elementCount() const {
    uint64_t n = 1;
    for (int64_t d : shape)
      n *= uint64_t(d);
    return n;
  }
  /// "f4", "i1", ...
  std::string typeText() const { return kind + std::to_string(itemSize); }
};

struct NamedArray {
  std::string name;
  NpyArray array;
};

/// All functions return true on success; `error` names the file or member, what was expected and what was found.
bool parseNpy(const void *bytes, size_t size, NpyArray &array, std::string &error);
bool readNpy(const std::string &path, NpyArray &array, std::string &error);
std::vector<uint8_t> formatNpy(const NpyArray &array);
/// Writes through a temporary name beside `path`.
bool writeNpy(const std::string &path, const NpyArray &array, std::string &error);

/// An open `.npz`; members are read one at a time, so that a file larger than memory can be streamed.
class NpzFile {
public:
  static std::unique_ptr<NpzFile> open(const std::string &path, std::string &error);
  /// Over bytes that outlive the object.
  static std::unique_ptr<NpzFile> parse(const void *bytes, size_t size, std::string &error);
  ~NpzFile();

  size_t size() const { return members.size(); }
  /// Without `.npy`.
  const std::string &name(size_t index) const { return members[index].name; }
  /// Index of a member, or size().
  size_t find(const std::string &name) const;
  bool read(size_t index, NpyArray &array, std::string &error) const;

private:
  struct Member {
    std::string name;
    uint16_t method;
    uint32_t crc;
    uint64_t packedSize, plainSize, headerOffset;
  };
  NpzFile() = default;
  bool readDirectory(std::string &error);

  std::string label = "archive";
  const uint8_t *base = nullptr;
  size_t length = 0;
  bool mapped = false;
  std::vector<Member> members;
};

bool readNpz(const std::string &path, std::vector<NamedArray> &arrays, std::string &error);
/// Stored, not compressed; through a temporary name beside `path`.
bool writeNpz(const std::string &path, const std::vector<NamedArray> &arrays, std::string &error);

/// Raw DEFLATE (RFC 1951) into exactly `plainSize` bytes. False when the stream is malformed or of another length.
bool inflate(const uint8_t *packed, size_t packedSize, uint8_t *plain, size_t plainSize);
/// CRC-32 as zip has it.
uint32_t crc32(const void *data, size_t size);

} // namespace bitwright::formats
