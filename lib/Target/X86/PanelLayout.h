//===- PanelLayout.h - the order of packed weights in memory ---------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// One order for every instruction set (DESIGN, "The file"): the packer asks `offsetOf` where an element goes, the
// kernels take their strides from the same object.
//
// Panels of 16 output channels; inside a panel steps of 64 bytes; a step holds 4 (bytes), 2 (words) or 1 (floats)
// consecutive k of each of the 16 channels: [group][N/16][K/kStep][16][kStep]. Missing channels and missing k are zero.
//   bytes   AVX512-VNNI: one vpdpbusd operand a step; AMX: 16 steps are one tile; AVX2: 16 bytes widen to 4 channels x
//   4 k words   one vpmaddwd / vpdpwssd operand a step        floats  one fma operand a step
//
// Wide bytes, against activations of 16 bits, are the order of words in half the memory: steps of 32 bytes.
//
// Depthwise filters: [C/16][tap pair][16][2] words, or [C/16][tap][16] floats, taps as the kernel walks them (see
// DepthwisePanel).
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_TARGET_X86_PANELLAYOUT_H
#define BITWRIGHT_LIB_TARGET_X86_PANELLAYOUT_H

#include <cassert>
#include <cstdint>
#include <vector>

namespace bitwright::x86 {

/// Channels of a panel; lanes of the widest vector of 32-bit values.
constexpr int64_t kLanes = 16;
/// Bytes of one step of a panel: one zmm register.
constexpr int64_t kStepBytes = 64;

/// WideBytes: weights of 8 bits that meet words, widened on the way to the registers.
enum class PanelKind { Bytes, Words, Floats, Nibbles, WideBytes };

/// Packed order of a weight matrix of `groups` x N x K (N output channels, K products each, per group).
struct PanelLayout {
  PanelKind kind = PanelKind::Bytes;
  int64_t groups = 1, n = 0, k = 0;

  /// Bytes of an element; not for nibbles.
  int64_t elementBytes() const {
    return kind == PanelKind::Bytes || kind == PanelKind::WideBytes ? 1 : kind == PanelKind::Words ? 2 : 4;
  }
  /// Consecutive k of a channel in one step.
  int64_t kStep() const {
    return kind == PanelKind::Nibbles ? 8 : kind == PanelKind::WideBytes ? 2 : 4 / elementBytes();
  }
  int64_t stepBytes() const { return kind == PanelKind::WideBytes ? kStepBytes / 2 : kStepBytes; }
  int64_t steps() const { return (k + kStep() - 1) / kStep(); }
  int64_t panels() const { return (n + kLanes - 1) / kLanes; }
  int64_t panelBytes() const { return steps() * stepBytes(); }
  int64_t groupBytes() const { return panels() * panelBytes(); }
  int64_t totalBytes() const { return groups * groupBytes(); }
  /// Byte of an element (a nibble's: its high half where kIndex % 8 >= 4).
  int64_t offsetOf(int64_t group, int64_t channel, int64_t kIndex) const {
    if (kind == PanelKind::Nibbles)
      return group * groupBytes() + channel / kLanes * panelBytes() + kIndex / 8 * kStepBytes + channel % kLanes * 4 +
             kIndex % 4;
    return group * groupBytes() + channel / kLanes * panelBytes() + kIndex / kStep() * stepBytes() +
           (channel % kLanes * kStep() + kIndex % kStep()) * elementBytes();
  }
};

/// Packed order of depthwise filters with `outer` x `inner` taps (inner: the innermost spatial dimension, outer: all
/// others, row-major). Words hold the taps of two consecutive outer positions at one inner position side by side (the
/// second one of an odd last pair is zero): [C/16][ceil(outer/2)][inner][16][2]. Floats: [C/16][outer][inner][16].
struct DepthwisePanel {
  bool isFloat = false;
  int64_t channels = 0, outer = 1, inner = 1;

  int64_t outerSteps() const { return isFloat ? outer : (outer + 1) / 2; }
  int64_t panelBytes() const { return outerSteps() * inner * kStepBytes; }
  int64_t totalBytes() const { return (channels + kLanes - 1) / kLanes * panelBytes(); }
  int64_t offsetOf(int64_t channel, int64_t outerTap, int64_t innerTap) const {
    int64_t panel = channel / kLanes * panelBytes();
    if (isFloat)
      return panel + (outerTap * inner + innerTap) * kStepBytes + channel % kLanes * 4;
    return panel + (outerTap / 2 * inner + innerTap) * kStepBytes + (channel % kLanes * 2 + outerTap % 2) * 2;
  }
};

/// Packs integer weights w[O][C/groups][taps] (ONNX order; taps = 1 for a linear layer), with k = tap * C/groups + c.
/// `kind` Bytes (and WideBytes) needs every value in [-128, 127], Words in [-32768, 32767], Nibbles in [0, 15].
std::vector<uint8_t> packIntegerPanels(const PanelLayout &layout, const std::vector<int64_t> &weights, int64_t taps);
/// The same for float32.
std::vector<uint8_t> packFloatPanels(const PanelLayout &layout, const std::vector<float> &weights, int64_t taps);
/// Depthwise filters w[C][taps] (row-major taps).
std::vector<uint8_t> packDepthwise(const DepthwisePanel &layout, const std::vector<int64_t> &weights);
std::vector<uint8_t> packDepthwise(const DepthwisePanel &layout, const std::vector<float> &weights);

/// Start values of the accumulators, one i32 a channel, every group padded to whole panels: bias - (zeroPoint + shift)
/// * sum_k w (INTEGER R12, R12a), modulo 2^32. `shift` is 128 where the kernel reads code + 128, else 0. `bias` may be
/// empty.
std::vector<int32_t> foldBias(int64_t groups, int64_t channelsPerGroup, int64_t k, const std::vector<int64_t> &weights,
                              const std::vector<int64_t> &bias, int64_t zeroPoint, int64_t shift);
/// Float bias with every group padded to whole panels by zeros.
std::vector<float> padBias(int64_t groups, int64_t channelsPerGroup, const std::vector<float> &bias);

} // namespace bitwright::x86

#endif // BITWRIGHT_LIB_TARGET_X86_PANELLAYOUT_H
