//===- ArenaPlan.h - offsets of values that live at different times --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_LOWER_LOWERTOEXEC_ARENAPLAN_H
#define BITWRIGHT_PASSES_LOWER_LOWERTOEXEC_ARENAPLAN_H

#include <cstdint>
#include <vector>

namespace bitwright {

/// A value in the arena: written by launch `first`, last read by launch `last`.
struct ArenaValue {
  uint64_t bytes;
  int64_t first, last;
  uint64_t offset = 0; ///< result
};

/// Gives each value an offset, a multiple of 64, such that values alive at the same time do not overlap; returns the
/// size of the arena. Greedy by size, largest first, at the lowest offset that is free (Pisarchyk and Lee, arXiv
/// 2001.03288). Between values `readSlack` bytes stay free, which vector loads may read.
uint64_t planArena(std::vector<ArenaValue> &values, uint64_t readSlack);

} // namespace bitwright

#endif
