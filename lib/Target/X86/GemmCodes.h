//===- GemmCodes.h - products whose weights stay codes in memory ---*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// 4-bit codes against s8 (`integers`): per group the exact i32 sum of x * u over unsigned codes u, then with X = sum x
//   s4, one scale a channel:  acc + bias - 8 X         two-level (R16):  acc += S * sum + m * X
//   float groups:             f = fma(float(sum - (8 + z) X), scale, f)
// Codes against f32: w = float(q - z) * scale in registers, one fma chain in the order of k (F4).
//
// KERNELS 6.2: unsigned 4-bit codes are the unsigned operand of vpdpbusd (AVX2: vpmaddubsw, whose pair sums of at most
// 2 * 15 * 128 cannot saturate), s8 activations the signed one. A step of 64 bytes is 8 k of 16 channels: and; shift,
// and. What the code's offset and a group's integers add is a multiple of the row's sum of x over the group.
//
// What it costs beside the 8-bit kernel, per row and panel of 16 channels: and, shift, add, convert have execution
// ports of their own on the cores at hand (AMD Zen 4 and 5), multiplications of any kind share the two ports of
// vpdpbusd. One scale a channel adds nothing; a group of G columns has G/4 vpdpbusd and one fma (float scales), or one
// and a half integer multiplications (two-level). At best that is (G/4) / (G/4 + 1) of the rate: 0.97 for 128
// (two-level 0.96), 0.89 for 32 (0.84). Two-level codes of small groups and many rows are multiplied out once instead:
// unsigned bytes code * S + m + 128 go to a block of scratch that all rows read.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_TARGET_X86_GEMMCODES_H
#define BITWRIGHT_LIB_TARGET_X86_GEMMCODES_H

#include "lib/Target/X86/Gemm.h"

namespace bitwright::x86 {

class CodedProduct {
public:
  /// Whether the anchor's weights are codes of a form that is unpacked here.
  static bool covers(KernelBuilder &k, const ConvAnchor &anchor);
  CodedProduct(KernelBuilder &k, const ConvAnchor &anchor);

  bool integers = false;
  PanelLayout layout;
  /// How the input lies in scratch: s8 as it is (Nibbles), or f32.
  PanelKind inputKind() const { return integers ? PanelKind::Nibbles : PanelKind::Floats; }
  unsigned maxPanels(Isa isa) const;
  /// Rows of the largest micro-kernel.
  unsigned rowsFor(Isa isa) const;
  /// Constant buffers; the same for every instruction set.
  void pack();

  //===--- Scratch, the same for every instruction set ----------------------===//

  /// Sums of products of all rows of a tile, where they are needed at once.
  int64_t bytesOfSums(int64_t tileRows) const { return multipliesOut() ? tileRows * kWidePanels * kStepBytes : 0; }
  /// What `sumRows` writes.
  int64_t bytesOfRowSums(int64_t tileRows) const { return integers ? tileRows * (paddedGroups() * 4 + 4) : 0; }
  int64_t bytesOfUnpacked() const { return multipliesOut() ? kWidePanels * kLanes * blockColumns() : 0; }
  mlir::Value unpacked; ///< set before `products` if bytesOfUnpacked() > 0

  /// Sums X of the input's codes over each group, a row after the other (bytesOfRowSum): i32 for each group, times -8
  /// where the codes' offset asks for that; or 16 bits for each group, and where codes are multiplied out behind them
  /// -128 times the row's total.
  void sumRows(mlir::Value a, int64_t rowBytes, mlir::Value rows, mlir::Value sums);

  /// Products of `count` rows (at most a tile's) and `nr` panels from `panelIndex` on. Calls finish(first row, rows)
  /// for each block of rows when their sums lie in `accumulators` ([row][nr][16]).
  void products(mlir::Value a, int64_t rowBytes, mlir::Value sums, mlir::Value panelIndex, unsigned nr,
                mlir::Value count, mlir::Value accumulators, llvm::function_ref<void(mlir::Value, mlir::Value)> finish);

private:
  /// Panels that share a broadcast of the input with AVX-512: 4 x 3 sums and as many totals of groups, or 8 x 3 floats
  /// (a lonely row of floats 1 x 6: its chains of fma have an order).
  static constexpr unsigned kWidePanels = 3;
  bool grouped() const { return integers && (twoLevel || a.floatSums); }
  /// Two-level sums of x are kept as pairs of 16 bits: m X of two groups is one instruction. They must fit.
  bool pairsOfSums() const { return wide() && twoLevel && columns <= 256; }
  /// Groups so small that their multiplications weigh more than those of the codes for a tile of many rows.
  bool multipliesOut() const { return twoLevel && columns < 128; }
  static constexpr int64_t kManyRows = 24;
  /// Columns that are multiplied out at a time, an even number of groups or all: three panels of bytes and a few rows
  /// of A fit the first cache.
  int64_t blockColumns() const { return std::min(columns * (512 / columns / 2 * 2), a.depth()); }
  int64_t paddedGroups() const { return (groups + kLanes - 1) / kLanes * kLanes; }
  int64_t bytesOfRowSum() const {
    if (!wide())
      return groups * 4;
    return paddedGroups() * (pairsOfSums() ? 2 : 4) + (multipliesOut() ? 4 : 0);
  }

  bool wide() const { return k.isa != Isa::Avx2; }
  /// i32 sums over groups from g on, or over all, to a row's record.
  void storeSums(mlir::Value sum, mlir::Value to, mlir::Value g);
  void storeTotal(mlir::Value total, mlir::Value to);
  /// 16 channels' m of a group, as i32.
  mlir::Value offsetOf(mlir::Value panel, mlir::Value g);

  // AVX2 (GemmCodes.cpp): half panels.
  void emitIntegers(unsigned mr, mlir::Value a, int64_t rowBytes, mlir::Value sums, mlir::Value panelIndex,
                    mlir::Value to);
  llvm::SmallVector<mlir::Value> sumSteps(unsigned mr, mlir::Value a, int64_t rowBytes, mlir::Value panel,
                                          int64_t steps, unsigned halves, mlir::ValueRange start);
  void sumRowsOneByOne(mlir::Value a, int64_t rowBytes, mlir::Value rows, mlir::Value sums);
  // Any instruction set.
  void emitFloats(unsigned mr, unsigned nr, mlir::Value a, int64_t rowBytes, mlir::Value panelIndex, mlir::Value to,
                  unsigned panelsOfRow);
  // AVX512-VNNI (GemmCodesWide.cpp).
  void sumRowsWide(mlir::Value a, int64_t rowBytes, mlir::Value rows, mlir::Value sums);
  mlir::Value sumGroups(mlir::Value from, int64_t count);
  void emitWide(unsigned mr, unsigned nr, mlir::Value a, int64_t rowBytes, mlir::Value sums, mlir::Value panelIndex,
                mlir::Value to);
  llvm::SmallVector<mlir::Value> sumStepsWide(unsigned mr, unsigned nr, mlir::Value a, int64_t rowBytes,
                                              llvm::ArrayRef<mlir::Value> panel, int64_t steps, unsigned halves,
                                              mlir::ValueRange start);
  void multiplyOut(mlir::Value panelIndex, unsigned nr, mlir::Value firstGroup, mlir::Value groupCount);
  void productsMultipliedOut(mlir::Value a, int64_t rowBytes, mlir::Value sums, mlir::Value panelIndex, unsigned nr,
                             mlir::Value count, mlir::Value accumulators);

  KernelBuilder &k;
  const ConvAnchor &a;
  int64_t groups = 1, columns = 0; ///< of K, and columns of one
  bool twoLevel = false;
  mlir::Value codes, start, parameters, zeros, corrections;
};

} // namespace bitwright::x86

#endif // BITWRIGHT_LIB_TARGET_X86_GEMMCODES_H
