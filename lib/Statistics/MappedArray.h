//===- MappedArray.h - rows of a NumPy array without loading it ------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The elements of an `.npy` file, or of a member of an `.npz` file that is not compressed (what numpy.savez writes),
// read in place from the mapped file: memory does not depend on how many samples are stacked in it. Anything else
// (compressed, Fortran order, malformed) is left to lib/Formats, which reads it whole or says what is wrong.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_STATISTICS_MAPPEDARRAY_H
#define BITWRIGHT_LIB_STATISTICS_MAPPEDARRAY_H

#include "lib/Formats/Npy.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>

namespace bitwright {

class MappedArray {
public:
  /// Reads `path` (.npy), or its member `member` (.npz). Errors as lib/Formats words them.
  static bool open(llvm::StringRef path, llvm::StringRef member, MappedArray &result, std::string &error);

  char kind = 'f';
  unsigned itemSize = 4;
  std::vector<int64_t> shape;
  /// All elements, row-major.
  llvm::ArrayRef<uint8_t> bytes() const { return elements; }
  std::string typeText() const { return kind + std::to_string(itemSize); }

private:
  bool view(llvm::StringRef npy);
  std::shared_ptr<llvm::MemoryBuffer> file;
  std::shared_ptr<formats::NpyArray> loaded;
  llvm::ArrayRef<uint8_t> elements;
};

/// The bytes of an uncompressed member of a zip archive without zip64 fields; empty if there is none of that kind.
llvm::StringRef findStoredMember(llvm::StringRef archive, llvm::StringRef name);

} // namespace bitwright

#endif
