//===- PanelLayout.cpp - packing of weights --------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/PanelLayout.h"

#include <cstring>

namespace bitwright::x86 {

namespace {
template <typename Stored, typename T> void put(std::vector<uint8_t> &bytes, int64_t offset, T value) {
  Stored stored = Stored(value);
  assert(T(stored) == value || value != value);
  std::memcpy(&bytes[offset], &stored, sizeof(Stored));
}

/// Calls f(group, channel in group, k, value) for every weight of w[O][C/groups][taps].
template <typename T, typename F>
void forEachWeight(const PanelLayout &layout, const std::vector<T> &weights, int64_t taps, F f) {
  int64_t channels = layout.k / taps;
  assert(int64_t(weights.size()) == layout.groups * layout.n * layout.k);
  size_t i = 0;
  for (int64_t g = 0; g < layout.groups; ++g)
    for (int64_t o = 0; o < layout.n; ++o)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < taps; ++t)
          f(g, o, t * channels + c, weights[i++]);
}
} // namespace

std::vector<uint8_t> packIntegerPanels(const PanelLayout &layout, const std::vector<int64_t> &weights, int64_t taps) {
  std::vector<uint8_t> bytes(layout.totalBytes());
  forEachWeight(layout, weights, taps, [&](int64_t g, int64_t o, int64_t k, int64_t v) {
    if (layout.kind == PanelKind::Nibbles) {
      assert(v >= 0 && v <= 15 && "a code of 4 bits");
      bytes[layout.offsetOf(g, o, k)] |= uint8_t(v << (k % 8 >= 4 ? 4 : 0));
    } else if (layout.elementBytes() == 1)
      put<int8_t>(bytes, layout.offsetOf(g, o, k), v);
    else
      put<int16_t>(bytes, layout.offsetOf(g, o, k), v);
  });
  return bytes;
}

std::vector<uint8_t> packFloatPanels(const PanelLayout &layout, const std::vector<float> &weights, int64_t taps) {
  std::vector<uint8_t> bytes(layout.totalBytes());
  forEachWeight(layout, weights, taps,
                [&](int64_t g, int64_t o, int64_t k, float v) { put<float>(bytes, layout.offsetOf(g, o, k), v); });
  return bytes;
}

template <typename Stored, typename T>
static std::vector<uint8_t> packFilters(const DepthwisePanel &layout, const std::vector<T> &weights) {
  std::vector<uint8_t> bytes(layout.totalBytes());
  size_t i = 0;
  for (int64_t c = 0; c < layout.channels; ++c)
    for (int64_t o = 0; o < layout.outer; ++o)
      for (int64_t t = 0; t < layout.inner; ++t)
        put<Stored>(bytes, layout.offsetOf(c, o, t), weights[i++]);
  return bytes;
}
std::vector<uint8_t> packDepthwise(const DepthwisePanel &layout, const std::vector<int64_t> &weights) {
  return packFilters<int16_t>(layout, weights);
}
std::vector<uint8_t> packDepthwise(const DepthwisePanel &layout, const std::vector<float> &weights) {
  return packFilters<float>(layout, weights);
}

std::vector<int32_t> foldBias(int64_t groups, int64_t channelsPerGroup, int64_t k, const std::vector<int64_t> &weights,
                              const std::vector<int64_t> &bias, int64_t zeroPoint, int64_t shift) {
  int64_t padded = (channelsPerGroup + kLanes - 1) / kLanes * kLanes;
  std::vector<int32_t> folded(groups * padded);
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t o = 0; o < channelsPerGroup; ++o) {
      int64_t channel = g * channelsPerGroup + o;
      uint64_t sum = 0;
      for (int64_t i = 0; i < k; ++i)
        sum += uint64_t(weights[channel * k + i]);
      uint64_t start = (bias.empty() ? 0 : uint64_t(bias[channel])) - uint64_t(zeroPoint + shift) * sum;
      folded[g * padded + o] = int32_t(uint32_t(start));
    }
  return folded;
}

std::vector<float> padBias(int64_t groups, int64_t channelsPerGroup, const std::vector<float> &bias) {
  int64_t padded = (channelsPerGroup + kLanes - 1) / kLanes * kLanes;
  std::vector<float> result(groups * padded);
  for (size_t i = 0; i < bias.size(); ++i)
    result[int64_t(i) / channelsPerGroup * padded + int64_t(i) % channelsPerGroup] = bias[i];
  return result;
}

} // namespace bitwright::x86
