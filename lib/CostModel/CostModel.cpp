//===- CostModel.cpp - costs that follow from shapes -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/CostModel/CostModel.h"
#include "lib/NumberFormats/NumberFormat.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <map>

using namespace llvm;

namespace bitwright {

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

double bitOperations(int64_t macs, unsigned weightBits, unsigned activationBits) {
  return double(macs) * weightBits * activationBits;
}

std::optional<unsigned> bitsOfFormat(StringRef name) {
  if (name == "f32")
    return 32;
  if (name == "f16" || name == "bf16")
    return 16;
  auto [format, group] = name.split('g');
  unsigned length = 0;
  if (format.size() != name.size() && group.getAsInteger(10, length))
    return std::nullopt;
  if (const NumberFormat *found = lookupFormat(format))
    return found->getBits();
  return std::nullopt;
}

namespace {

/// Bytes of one step: fixed ones, and buffers by the group that decides their width.
struct Step {
  int64_t fixed = 0;
  std::map<int, std::vector<int64_t>> buffers; // sorted element counts

  /// Every choice of formats needs at most as much here as at `other`.
  bool isWithin(const Step &other) const {
    if (fixed > other.fixed)
      return false;
    for (const auto &[group, mine] : buffers) {
      auto it = other.buffers.find(group);
      if (it == other.buffers.end() || it->second.size() < mine.size())
        return false;
      // Largest against largest.
      for (size_t i = 0; i < mine.size(); ++i)
        if (mine[mine.size() - 1 - i] > it->second[it->second.size() - 1 - i])
          return false;
    }
    return true;
  }
};

} // namespace

Error addActivationMemory(solver::AllocationProblem &problem, ArrayRef<std::string> steps, ArrayRef<LiveTensor> tensors,
                          int64_t alignment) {
  auto fail = [](const Twine &message) { return createStringError(inconvertibleErrorCode(), message); };
  auto bytesOf = [&](int64_t elements, unsigned bits) {
    return ceilDiv(ceilDiv(elements * int64_t(bits), 8), alignment) * alignment;
  };
  std::vector<Step> live(steps.size());
  for (const LiveTensor &tensor : tensors) {
    if (tensor.first > tensor.last || tensor.last >= steps.size())
      return fail("tensor '" + tensor.name + "': expected a live range within the " + Twine(steps.size()) +
                  " steps, found " + Twine(tensor.first) + " to " + Twine(tensor.last));
    if (tensor.group >= int(problem.groups.size()))
      return fail("tensor '" + tensor.name + "': there is no group " + Twine(tensor.group) + "; there are " +
                  Twine(problem.groups.size()));
    for (unsigned s = tensor.first; s <= tensor.last; ++s) {
      if (tensor.group < 0)
        live[s].fixed += bytesOf(tensor.elements, tensor.fixedBits);
      else
        live[s].buffers[tensor.group].push_back(tensor.elements);
    }
  }
  for (Step &step : live)
    for (auto &[group, elements] : step.buffers) {
      llvm::sort(elements);
      for (const solver::Choice &choice : problem.groups[group].choices)
        if (!bitsOfFormat(choice.activation))
          return fail("group '" + problem.groups[group].name + "': the width of the activation format '" +
                      choice.activation + "' is not known");
    }
  for (unsigned s = 0; s < live.size(); ++s) {
    // Of equal steps the first stays.
    bool dominated = false;
    for (unsigned t = 0; t < live.size() && !dominated; ++t)
      dominated = t != s && live[s].isWithin(live[t]) && (t < s || !live[t].isWithin(live[s]));
    if (dominated)
      continue;
    unsigned point = unsigned(problem.memoryPoints.size());
    problem.memoryPoints.push_back({steps[s], double(live[s].fixed)});
    for (const auto &[group, buffers] : live[s].buffers)
      for (solver::Choice &choice : problem.groups[group].choices) {
        int64_t bytes = 0;
        for (int64_t elements : buffers)
          bytes += bytesOf(elements, *bitsOfFormat(choice.activation));
        choice.memory.push_back({point, double(bytes)});
      }
  }
  return Error::success();
}

} // namespace bitwright
