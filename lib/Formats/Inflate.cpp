//===- Inflate.cpp - DEFLATE decoder and CRC-32 -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Formats/Npy.h"

#include <array>
#include <cstring>

using namespace bitwright::formats;

namespace {
/// Bits, least significant first. Reading past the end gives zeros and sets `overrun`.
class BitReader {
public:
  BitReader(const uint8_t *data, size_t size) : data(data), size(size) {}

  uint32_t peek(unsigned count) {
    while (available < count) {
      uint64_t next = 0;
      if (at < size)
        next = data[at];
      else if (at > size + 8)
        overrun = true; // up to eight bytes may be looked at, but not consumed, past the end
      ++at;
      bits |= next << available;
      available += 8;
    }
    return uint32_t(bits & ((uint64_t(1) << count) - 1));
  }
  void skip(unsigned count) {
    bits >>= count;
    available -= count;
  }
  uint32_t take(unsigned count) {
    uint32_t v = peek(count);
    skip(count);
    return v;
  }
  void alignToByte() { skip(available % 8); }
  /// Whether more has been consumed than there is.
  bool failed() const { return overrun || at - available / 8 > size; }
  bool copy(uint8_t *to, size_t count) {
    at -= available / 8;
    bits = 0;
    available = 0;
    if (at > size || count > size - at)
      return false;
    std::memcpy(to, data + at, count);
    at += count;
    return true;
  }

private:
  const uint8_t *data;
  size_t size, at = 0;
  uint64_t bits = 0;
  unsigned available = 0;
  bool overrun = false;
};

/// Canonical Huffman code, decoded a bit at a time by comparing with the first code of each length.
class HuffmanCode {
public:
  bool build(const uint8_t *lengths, unsigned symbolCount) {
    counts.fill(0);
    for (unsigned s = 0; s < symbolCount; ++s)
      ++counts[lengths[s]];
    counts[0] = 0;
    int left = 1;
    std::array<uint16_t, 16> next{};
    for (unsigned l = 1; l < 16; ++l) {
      left = 2 * left - counts[l];
      if (left < 0)
        return false; // more codes than bits allow
      if (l < 15)
        next[l + 1] = uint16_t(next[l] + counts[l]);
    }
    for (unsigned s = 0; s < symbolCount; ++s)
      if (lengths[s])
        symbols[next[lengths[s]]++] = uint16_t(s);
    fillTable();
    return true;
  }

  int decode(BitReader &in) const {
    uint16_t entry = table[in.peek(tableBits)];
    if (entry) {
      in.skip(entry & 15);
      return entry >> 4;
    }
    int code = 0, first = 0, index = 0;
    uint32_t bits = in.peek(15);
    for (unsigned l = 1; l < 16; ++l) {
      code |= int(bits & 1);
      bits >>= 1;
      int count = counts[l];
      if (code - count < first) {
        in.skip(l);
        return symbols[size_t(index + code - first)];
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return -1;
  }

private:
  static constexpr unsigned tableBits = 9;

  void fillTable() {
    table.fill(0);
    unsigned code = 0, index = 0;
    for (unsigned l = 1; l <= tableBits; ++l, code <<= 1)
      for (unsigned k = 0; k < counts[l]; ++k, ++code, ++index) {
        unsigned reversed = 0;
        for (unsigned b = 0; b < l; ++b)
          reversed |= (code >> b & 1) << (l - 1 - b);
        for (unsigned rest = reversed; rest < (1u << tableBits); rest += 1u << l)
          table[rest] = uint16_t(symbols[index] << 4 | l);
      }
  }

  std::array<uint16_t, 16> counts{};
  std::array<uint16_t, 320> symbols{};
  std::array<uint16_t, 1u << tableBits> table{}; ///< symbol << 4 | length for short codes, 0 for long ones
};
} // namespace

static const uint16_t lengthBase[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t lengthBits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                       2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};

/// Distance code d >= 2 stands for (2 + (d & 1)) << (d / 2 - 1), plus 1, plus d / 2 - 1 extra bits.
static uint32_t readDistance(BitReader &in, int code) {
  if (code < 2)
    return uint32_t(code) + 1;
  unsigned extra = unsigned(code) / 2 - 1;
  return ((2 + (unsigned(code) & 1)) << extra) + 1 + in.take(extra);
}

static bool readTables(BitReader &in, HuffmanCode &literals, HuffmanCode &distances) {
  static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  unsigned literalCount = in.take(5) + 257, distanceCount = in.take(5) + 1, codeCount = in.take(4) + 4;
  if (literalCount > 286)
    return false;
  uint8_t lengths[320] = {};
  for (unsigned i = 0; i < codeCount; ++i)
    lengths[order[i]] = uint8_t(in.take(3));
  HuffmanCode code;
  if (!code.build(lengths, 19))
    return false;
  std::memset(lengths, 0, sizeof(lengths));
  for (unsigned n = 0; n < literalCount + distanceCount;) {
    int symbol = code.decode(in);
    if (symbol < 0 || in.failed())
      return false;
    if (symbol < 16) {
      lengths[n++] = uint8_t(symbol);
      continue;
    }
    uint8_t value = 0;
    unsigned repeat;
    if (symbol == 16) {
      if (n == 0)
        return false;
      value = lengths[n - 1];
      repeat = 3 + in.take(2);
    } else {
      repeat = symbol == 17 ? 3 + in.take(3) : 11 + in.take(7);
    }
    if (n + repeat > literalCount + distanceCount)
      return false;
    while (repeat--)
      lengths[n++] = value;
  }
  return lengths[256] != 0 && literals.build(lengths, literalCount) &&
         distances.build(lengths + literalCount, distanceCount);
}

bool bitwright::formats::inflate(const uint8_t *packed, size_t packedSize, uint8_t *plain, size_t plainSize) {
  BitReader in(packed, packedSize);
  size_t out = 0;
  for (bool last = false; !last;) {
    last = in.take(1);
    unsigned type = in.take(2);
    if (type == 0) {
      in.alignToByte();
      uint32_t count = in.take(16), complement = in.take(16);
      if (in.failed() || (count ^ complement) != 0xffff || count > plainSize - out || !in.copy(plain + out, count))
        return false;
      out += count;
      continue;
    }
    if (type == 3)
      return false;
    HuffmanCode literals, distances;
    if (type == 1) {
      uint8_t lengths[288];
      for (unsigned s = 0; s < 288; ++s)
        lengths[s] = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8;
      literals.build(lengths, 288);
      std::memset(lengths, 5, 30);
      distances.build(lengths, 30);
    } else if (!readTables(in, literals, distances)) {
      return false;
    }
    for (;;) {
      int symbol = literals.decode(in);
      if (symbol < 0 || in.failed())
        return false;
      if (symbol == 256)
        break;
      if (symbol < 256) {
        if (out == plainSize)
          return false;
        plain[out++] = uint8_t(symbol);
        continue;
      }
      if (symbol > 285)
        return false;
      size_t length = lengthBase[symbol - 257] + in.take(lengthBits[symbol - 257]);
      int code = distances.decode(in);
      if (code < 0 || code > 29)
        return false;
      size_t distance = readDistance(in, code);
      if (in.failed() || distance > out || length > plainSize - out)
        return false;
      for (; length; --length, ++out)
        plain[out] = plain[out - distance];
    }
  }
  return out == plainSize && !in.failed();
}

uint32_t bitwright::formats::crc32(const void *data, size_t size) {
  static const auto tables = [] {
    std::array<std::array<uint32_t, 256>, 8> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k)
        c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
      t[0][i] = c;
    }
    for (size_t n = 1; n < 8; ++n)
      for (size_t i = 0; i < 256; ++i)
        t[n][i] = t[n - 1][i] >> 8 ^ t[0][t[n - 1][i] & 255];
    return t;
  }();
  const uint8_t *p = static_cast<const uint8_t *>(data);
  uint32_t c = ~0u;
  for (; size >= 8; size -= 8, p += 8) {
    uint64_t v;
    std::memcpy(&v, p, 8);
    v ^= c;
    c = 0;
    for (size_t n = 0; n < 8; ++n)
      c ^= tables[7 - n][v >> (8 * n) & 255];
  }
  for (; size; --size, ++p)
    c = c >> 8 ^ tables[0][(c ^ *p) & 255];
  return ~c;
}
