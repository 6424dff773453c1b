//===- Npy.cpp - NumPy arrays in .npy and .npz files -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Formats/Npy.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace bitwright::formats;

static uint64_t little(const uint8_t *p, unsigned bytes) {
  uint64_t v = 0;
  for (unsigned i = 0; i < bytes; ++i)
    v |= uint64_t(p[i]) << (8 * i);
  return v;
}

static void putLittle(std::vector<uint8_t> &to, uint64_t v, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i)
    to.push_back(uint8_t(v >> (8 * i)));
}

//===----------------------------------------------------------------------===//
// .npy
//===----------------------------------------------------------------------===//

/// The header is a Python dictionary literal with three known keys; this finds the text behind one of them.
static const char *findKey(const std::string &header, const char *key) {
  for (const char *quote : {"'", "\""}) {
    std::string wanted = quote + std::string(key) + quote;
    size_t at = header.find(wanted);
    if (at == std::string::npos)
      continue;
    at = header.find_first_not_of(" \t", at + wanted.size());
    if (at == std::string::npos || header[at] != ':')
      return nullptr;
    at = header.find_first_not_of(" \t", at + 1);
    return at == std::string::npos ? nullptr : header.c_str() + at;
  }
  return nullptr;
}

static bool parseShape(const char *text, std::vector<int64_t> &shape) {
  if (*text != '(')
    return false;
  ++text;
  for (;;) {
    text += std::strspn(text, " \t,");
    if (*text == ')')
      return true;
    if (*text < '0' || *text > '9' || shape.size() == 32)
      return false;
    int64_t v = 0;
    for (; *text >= '0' && *text <= '9'; ++text)
      if (__builtin_mul_overflow(v, int64_t(10), &v) || __builtin_add_overflow(v, int64_t(*text - '0'), &v))
        return false;
    shape.push_back(v);
    if (*text == 'L') // written by Python 2
      ++text;
  }
}

/// Rearranges column-major elements.
static void toRowMajor(NpyArray &a) {
  std::vector<uint8_t> to(a.data.size());
  const size_t rank = a.shape.size();
  std::vector<int64_t> index(rank, 0);
  const uint64_t count = a.elementCount();
  for (uint64_t n = 0; n < count; ++n) {
    uint64_t from = 0;
    for (size_t d = rank; d-- > 0;)
      from = from * uint64_t(a.shape[d]) + uint64_t(index[d]);
    std::memcpy(to.data() + n * a.itemSize, a.data.data() + from * a.itemSize, a.itemSize);
    for (size_t d = rank; d-- > 0 && ++index[d] == a.shape[d];)
      index[d] = 0;
  }
  a.data = std::move(to);
}

bool bitwright::formats::parseNpy(const void *bytes, size_t size, NpyArray &array, std::string &error) {
  const uint8_t *p = static_cast<const uint8_t *>(bytes);
  if (size < 10 || std::memcmp(p, "\x93NUMPY", 6) != 0) {
    error = "not an .npy array: the signature is missing";
    return false;
  }
  const unsigned version = p[6];
  if (version < 1 || version > 3) {
    error = ".npy format version " + std::to_string(version) + " found, expected 1 to 3";
    return false;
  }
  const size_t start = version == 1 ? 10 : 12;
  const uint64_t headerSize = size < start ? UINT64_MAX : little(p + 8, version == 1 ? 2 : 4);
  if (size < start || headerSize > size - start) {
    error = "truncated .npy header";
    return false;
  }
  const std::string header(reinterpret_cast<const char *>(p) + start, size_t(headerSize));
  const char *descr = findKey(header, "descr"), *fortran = findKey(header, "fortran_order"),
             *shape = findKey(header, "shape");
  NpyArray a;
  if (!descr || !fortran || !shape || !parseShape(shape, a.shape)) {
    error = "malformed .npy header: expected 'descr', 'fortran_order' and 'shape'";
    return false;
  }
  std::string type;
  if (*descr == '\'' || *descr == '"')
    if (const char *end = std::strchr(descr + 1, *descr))
      type.assign(descr + 1, end);
  const char order = type.empty() ? '?' : type[0];
  a.kind = type.size() > 2 ? type[1] : '?';
  a.itemSize = type.size() > 2 ? unsigned(std::strtoul(type.c_str() + 2, nullptr, 10)) : 0;
  const bool sizeFits = a.itemSize == 1 || a.itemSize == 2 || a.itemSize == 4 || a.itemSize == 8;
  if (!sizeFits || !std::strchr("fiubV", a.kind) || !(order == '<' || order == '|' || order == '=')) {
    error = "element type '" + type + "' is not supported: expected little-endian floats, integers or bool";
    return false;
  }
  uint64_t byteCount = a.itemSize;
  for (int64_t d : a.shape)
    if (__builtin_mul_overflow(byteCount, uint64_t(d), &byteCount)) {
      error = "the shape in the .npy header overflows";
      return false;
    }
  const uint64_t present = size - start - headerSize;
  if (present != byteCount) {
    error = "the .npy header announces " + std::to_string(byteCount) + " bytes of elements, found " +
            std::to_string(present);
    return false;
  }
  const uint8_t *elements = p + start + headerSize;
  a.data.assign(elements, elements + byteCount);
  if (std::strncmp(fortran, "True", 4) == 0 && a.shape.size() > 1)
    toRowMajor(a);
  array = std::move(a);
  return true;
}

std::vector<uint8_t> bitwright::formats::formatNpy(const NpyArray &array) {
  std::string header = std::string("{'descr': '") + (array.itemSize == 1 || array.kind == 'V' ? '|' : '<') +
                       array.typeText() + "', 'fortran_order': False, 'shape': (";
  for (int64_t d : array.shape)
    header += std::to_string(d) + ", ";
  if (array.shape.size() > 1)
    header.resize(header.size() - 2);
  else if (array.shape.size() == 1)
    header.resize(header.size() - 1); // "(3,)"
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::vector<uint8_t> bytes = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
  putLittle(bytes, header.size(), 2);
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), array.data.begin(), array.data.end());
  return bytes;
}

static bool mapWhole(const std::string &path, const uint8_t *&base, size_t &size, std::string &error) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) {
    error = "cannot open '" + path + "': " + std::strerror(errno);
    if (fd >= 0)
      close(fd);
    return false;
  }
  size = S_ISREG(info.st_mode) ? size_t(info.st_size) : 0;
  void *p = size ? mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
  close(fd);
  if (p == MAP_FAILED) {
    error = "cannot read '" + path + "': it is empty or not a file";
    return false;
  }
  base = static_cast<const uint8_t *>(p);
  return true;
}

bool bitwright::formats::readNpy(const std::string &path, NpyArray &array, std::string &error) {
  const uint8_t *base;
  size_t size;
  if (!mapWhole(path, base, size, error))
    return false;
  bool ok = parseNpy(base, size, array, error);
  munmap(const_cast<uint8_t *>(base), size);
  if (!ok)
    error = "'" + path + "': " + error;
  return ok;
}

static bool writeFile(const std::string &path, const std::vector<const std::vector<uint8_t> *> &pieces,
                      std::string &error) {
  const std::string temporary = path + ".tmp" + std::to_string(getpid());
  std::FILE *f = std::fopen(temporary.c_str(), "wb");
  bool ok = f != nullptr;
  for (const std::vector<uint8_t> *piece : pieces)
    ok = ok && std::fwrite(piece->data(), 1, piece->size(), f) == piece->size();
  if (f && std::fclose(f) != 0)
    ok = false;
  ok = ok && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (!ok) {
    error = "cannot write '" + path + "': " + std::strerror(errno);
    if (f)
      unlink(temporary.c_str());
  }
  return ok;
}

bool bitwright::formats::writeNpy(const std::string &path, const NpyArray &array, std::string &error) {
  std::vector<uint8_t> bytes = formatNpy(array);
  return writeFile(path, {&bytes}, error);
}

//===----------------------------------------------------------------------===//
// .npz
//===----------------------------------------------------------------------===//

static constexpr uint32_t localSignature = 0x04034b50, directorySignature = 0x02014b50, endSignature = 0x06054b50,
                          end64Signature = 0x06064b50, locator64Signature = 0x07064b50;

std::unique_ptr<NpzFile> NpzFile::open(const std::string &path, std::string &error) {
  std::unique_ptr<NpzFile> file(new NpzFile());
  if (!mapWhole(path, file->base, file->length, error))
    return nullptr;
  file->mapped = true;
  file->label = "'" + path + "'";
  return file->readDirectory(error) ? std::move(file) : nullptr;
}

std::unique_ptr<NpzFile> NpzFile::parse(const void *bytes, size_t size, std::string &error) {
  std::unique_ptr<NpzFile> file(new NpzFile());
  file->base = static_cast<const uint8_t *>(bytes);
  file->length = size;
  return file->readDirectory(error) ? std::move(file) : nullptr;
}

NpzFile::~NpzFile() {
  if (mapped)
    munmap(const_cast<uint8_t *>(base), length);
}

size_t NpzFile::find(const std::string &wanted) const {
  size_t i = 0;
  while (i < members.size() && members[i].name != wanted)
    ++i;
  return i;
}

bool NpzFile::readDirectory(std::string &error) {
  // The end record is 22 bytes and a comment of at most 65535.
  size_t end = length;
  for (size_t back = 22; back <= length && back <= 22 + 65535; ++back)
    if (little(base + length - back, 4) == endSignature) {
      end = length - back;
      break;
    }
  if (end == length) {
    error = label + " is not an .npz archive: the zip directory is missing (truncated file?)";
    return false;
  }
  uint64_t count = little(base + end + 10, 2), offset = little(base + end + 16, 4);
  if (end >= 20 && little(base + end - 20, 4) == locator64Signature) {
    uint64_t end64 = little(base + end - 12, 8);
    if (end64 <= length && length - end64 >= 56 && little(base + end64, 4) == end64Signature) {
      count = little(base + end64 + 32, 8);
      offset = little(base + end64 + 48, 8);
    }
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (offset > length || length - offset < 46 || little(base + offset, 4) != directorySignature) {
      error = label + ": malformed zip directory at entry " + std::to_string(i);
      return false;
    }
    const uint8_t *p = base + offset;
    const uint64_t nameSize = little(p + 28, 2), extraSize = little(p + 30, 2), commentSize = little(p + 32, 2);
    if (length - offset - 46 < nameSize + extraSize + commentSize) {
      error = label + ": malformed zip directory at entry " + std::to_string(i);
      return false;
    }
    Member m;
    m.name.assign(reinterpret_cast<const char *>(p) + 46, size_t(nameSize));
    m.method = uint16_t(little(p + 10, 2));
    m.crc = uint32_t(little(p + 16, 4));
    m.packedSize = little(p + 20, 4);
    m.plainSize = little(p + 24, 4);
    m.headerOffset = little(p + 42, 4);
    // zip64: the extra field 1 holds, in this order, those of the three that do not fit 32 bits.
    const uint8_t *extra = p + 46 + nameSize, *extraEnd = extra + extraSize;
    while (extraEnd - extra >= 4) {
      uint64_t id = little(extra, 2), size = little(extra + 2, 2);
      extra += 4;
      if (size > uint64_t(extraEnd - extra))
        break;
      const uint8_t *field = extra, *fieldEnd = extra + size;
      for (uint64_t *v : {&m.plainSize, &m.packedSize, &m.headerOffset})
        if (id == 1 && *v == 0xffffffff && fieldEnd - field >= 8) {
          *v = little(field, 8);
          field += 8;
        }
      extra += size;
    }
    if (little(p + 8, 2) & 1) {
      error = label + ": member '" + m.name + "' is encrypted";
      return false;
    }
    if (m.name.size() > 4 && m.name.compare(m.name.size() - 4, 4, ".npy") == 0)
      m.name.resize(m.name.size() - 4);
    if (find(m.name) != members.size()) {
      error = label + ": member '" + m.name + "' is there twice";
      return false;
    }
    members.push_back(std::move(m));
    offset += 46 + nameSize + extraSize + commentSize;
  }
  return true;
}

bool NpzFile::read(size_t index, NpyArray &array, std::string &error) const {
  const Member &m = members[index];
  const std::string where = label + ", member '" + m.name + "': ";
  if (m.headerOffset > length || length - m.headerOffset < 30 || little(base + m.headerOffset, 4) != localSignature) {
    error = where + "malformed local header";
    return false;
  }
  const uint8_t *p = base + m.headerOffset;
  const uint64_t start = m.headerOffset + 30 + little(p + 26, 2) + little(p + 28, 2);
  if (start > length || m.packedSize > length - start) {
    error = where + "its bytes are outside the file";
    return false;
  }
  const uint8_t *plain = base + start;
  std::vector<uint8_t> unpacked;
  if (m.method == 8) {
    // DEFLATE cannot expand by more than 1032; a larger claim would only fill the memory.
    if (m.plainSize / 1032 > m.packedSize) {
      error = where + "announces " + std::to_string(m.plainSize) + " bytes packed in " + std::to_string(m.packedSize);
      return false;
    }
    unpacked.resize(size_t(m.plainSize));
    if (!inflate(plain, size_t(m.packedSize), unpacked.data(), unpacked.size())) {
      error = where + "the compressed data are corrupt";
      return false;
    }
    plain = unpacked.data();
  } else if (m.method != 0 || m.packedSize != m.plainSize) {
    error = where + "compression method " + std::to_string(m.method) + " found, expected 0 (stored) or 8 (deflate)";
    return false;
  }
  if (crc32(plain, size_t(m.plainSize)) != m.crc) {
    error = where + "the CRC-32 does not match: the file is corrupt";
    return false;
  }
  if (parseNpy(plain, size_t(m.plainSize), array, error))
    return true;
  error = where + error;
  return false;
}

bool bitwright::formats::readNpz(const std::string &path, std::vector<NamedArray> &arrays, std::string &error) {
  std::unique_ptr<NpzFile> file = NpzFile::open(path, error);
  if (!file)
    return false;
  std::vector<NamedArray> result(file->size());
  for (size_t i = 0; i < file->size(); ++i) {
    result[i].name = file->name(i);
    if (!file->read(i, result[i].array, error))
      return false;
  }
  arrays = std::move(result);
  return true;
}

bool bitwright::formats::writeNpz(const std::string &path, const std::vector<NamedArray> &arrays, std::string &error) {
  std::vector<std::vector<uint8_t>> pieces; // local header, content, local header, content, ..., directory
  std::vector<uint8_t> directory;
  uint64_t offset = 0;
  for (const NamedArray &a : arrays) {
    const std::string name = a.name + ".npy";
    std::vector<uint8_t> content = formatNpy(a.array), local;
    const uint32_t crc = crc32(content.data(), content.size());
    const bool big = content.size() >= 0xffffffff, far = offset >= 0xffffffff;
    auto common = [&](std::vector<uint8_t> &to, bool inDirectory) {
      putLittle(to, big || far ? 45 : 20, 2); // version needed
      putLittle(to, 0x800, 2);                // names are UTF-8
      putLittle(to, 0, 2);                    // stored
      putLittle(to, 0x00210000, 4);           // 1980-01-01: the same arrays give the same bytes
      putLittle(to, crc, 4);
      putLittle(to, big ? 0xffffffff : content.size(), 4);
      putLittle(to, big ? 0xffffffff : content.size(), 4);
      putLittle(to, name.size(), 2);
      putLittle(to, (big ? 20 : 0) + (inDirectory && far ? (big ? 8 : 12) : 0), 2);
    };
    auto extra = [&](std::vector<uint8_t> &to, bool inDirectory) {
      const bool withOffset = inDirectory && far;
      if (!big && !withOffset)
        return;
      putLittle(to, 1, 2);
      putLittle(to, (big ? 16 : 0) + (withOffset ? 8 : 0), 2);
      if (big) {
        putLittle(to, content.size(), 8);
        putLittle(to, content.size(), 8);
      }
      if (withOffset)
        putLittle(to, offset, 8);
    };
    putLittle(local, localSignature, 4);
    common(local, false);
    local.insert(local.end(), name.begin(), name.end());
    extra(local, false);
    putLittle(directory, directorySignature, 4);
    putLittle(directory, 45, 2);
    common(directory, true);
    putLittle(directory, 0, 2 + 2 + 2);
    putLittle(directory, 0, 4);
    putLittle(directory, far ? 0xffffffff : offset, 4);
    directory.insert(directory.end(), name.begin(), name.end());
    extra(directory, true);
    offset += local.size() + content.size();
    pieces.push_back(std::move(local));
    pieces.push_back(std::move(content));
  }
  const uint64_t directorySize = directory.size();
  const bool wide = offset >= 0xffffffff || arrays.size() >= 0xffff;
  if (wide) {
    putLittle(directory, end64Signature, 4);
    putLittle(directory, 44, 8);
    putLittle(directory, 45, 2);
    putLittle(directory, 45, 2);
    putLittle(directory, 0, 8);
    putLittle(directory, arrays.size(), 8);
    putLittle(directory, arrays.size(), 8);
    putLittle(directory, directorySize, 8);
    putLittle(directory, offset, 8);
    putLittle(directory, locator64Signature, 4);
    putLittle(directory, 0, 4);
    putLittle(directory, offset + directorySize, 8);
    putLittle(directory, 1, 4);
  }
  putLittle(directory, endSignature, 4);
  putLittle(directory, 0, 4);
  putLittle(directory, wide ? 0xffff : arrays.size(), 2);
  putLittle(directory, wide ? 0xffff : arrays.size(), 2);
  putLittle(directory, directorySize, 4);
  putLittle(directory, wide ? 0xffffffff : offset, 4);
  putLittle(directory, 0, 2);
  pieces.push_back(std::move(directory));
  std::vector<const std::vector<uint8_t> *> list;
  for (const std::vector<uint8_t> &p : pieces)
    list.push_back(&p);
  return writeFile(path, list, error);
}
