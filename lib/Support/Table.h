//===- Table.h - rows of equal width -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_SUPPORT_TABLE_H
#define BITWRIGHT_LIB_SUPPORT_TABLE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/raw_ostream.h"
#include <string>
#include <vector>

namespace bitwright {

/// Prints rows as columns of equal width, two spaces between them: the first flushed left, the others right. Rows may
/// have different lengths; every line starts with `indent` and has no blanks at its end.
inline void printTable(llvm::raw_ostream &stream, llvm::ArrayRef<std::vector<std::string>> rows,
                       llvm::StringRef indent = "") {
  std::vector<size_t> widths;
  for (const auto &row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto &row : rows) {
    std::string line = indent.str();
    for (size_t i = 0; i < row.size(); ++i) {
      std::string pad(widths[i] - row[i].size(), ' ');
      line += i == 0 ? row[i] + pad : "  " + pad + row[i];
    }
    stream << llvm::StringRef(line).rtrim() << '\n';
  }
}

} // namespace bitwright

#endif
