//===- KendallTau.h - how alike two lists are ordered -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_SUPPORT_KENDALLTAU_H
#define BITWRIGHT_LIB_SUPPORT_KENDALLTAU_H

#include "llvm/ADT/ArrayRef.h"
#include <cmath>
#include <optional>

namespace bitwright {

/// Kendall's tau-b of two lists of equal length: concordant minus discordant pairs, ties taken out of the divisor. None
/// where one of them is constant.
inline std::optional<double> kendallTau(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b) {
  double agree = 0, pairsA = 0, pairsB = 0;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = i + 1; j < a.size(); ++j) {
      int signA = (a[i] > a[j]) - (a[i] < a[j]), signB = (b[i] > b[j]) - (b[i] < b[j]);
      agree += signA * signB;
      pairsA += signA != 0;
      pairsB += signB != 0;
    }
  if (pairsA == 0 || pairsB == 0)
    return std::nullopt;
  return agree / std::sqrt(pairsA * pairsB);
}

} // namespace bitwright

#endif
