//===- ArenaPlan.cpp - offsets of values that live at different times ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Lower/LowerToExec/ArenaPlan.h"
#include <algorithm>
#include <numeric>

uint64_t bitwright::planArena(std::vector<ArenaValue> &values, uint64_t readSlack) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a].bytes > values[b].bytes; });
  uint64_t size = 0;
  std::vector<size_t> placed;
  for (size_t i : order) {
    ArenaValue &value = values[i];
    uint64_t extent = (value.bytes + readSlack + 63) / 64 * 64, offset = 0;
    // `placed` is sorted by offset: walk the gaps between those alive at the same time.
    for (size_t j : placed) {
      const ArenaValue &other = values[j];
      if (other.last < value.first || value.last < other.first)
        continue;
      if (offset + extent <= other.offset)
        break;
      offset = std::max(offset, other.offset + (other.bytes + readSlack + 63) / 64 * 64);
    }
    value.offset = offset;
    size = std::max(size, offset + value.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](size_t a, size_t b) { return values[a].offset < values[b].offset; }),
                  i);
  }
  return (size + 63) / 64 * 64;
}
