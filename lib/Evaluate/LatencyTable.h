//===- LatencyTable.h - measured times of kernels, in a file ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Times by chip and kernel (docs/Allocation.md, "Latency"). A kernel is named by what it computes, the sizes of its
// tensors and their formats, so other models with the same layers use what one of them measured.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_LATENCYTABLE_H
#define BITWRIGHT_LIB_EVALUATE_LATENCYTABLE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <map>
#include <optional>
#include <string>

namespace bitwright {

class LatencyTable {
public:
  /// No such file, or an empty path: an empty table. Errors name the file and the entry: no JSON, another version, an
  /// entry without chip or kernel, a time that is no positive number, a kernel that is there twice.
  static llvm::Expected<LatencyTable> read(llvm::StringRef path);
  /// Under a temporary name first: what was there is not lost.
  llvm::Error write(llvm::StringRef path) const;

  std::optional<double> find(llvm::StringRef chip, llvm::StringRef kernel) const; ///< milliseconds
  void set(llvm::StringRef chip, llvm::StringRef kernel, double milliseconds);
  size_t size() const { return entries.size(); }

  /// This machine: name of the processor, instruction set level of the kernels, threads.
  static std::string thisChip(unsigned threads);

private:
  std::map<std::pair<std::string, std::string>, double> entries; ///< by chip and kernel
};

} // namespace bitwright

#endif
