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
// ports of their own on the cores at hand (AMD Zen 4 and 5); multiplications of any kind and stores share the two ports
// of vpdpbusd. One scale a channel adds nothing; a group of G columns has G/4 vpdpbusd and one fma (float scales) or
// one and a half integer multiplications (two-level), so that it reaches at best (G/4) / (G/4 + 1) or
// (G/4) / (G/4 + 1.5) of the rate: 0.97 and 0.96 for 128, 0.89 and 0.84 for 32. Small two-level groups of many rows are
// better multiplied out once: products of codes and S go to a scratch block that all rows read.
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
  static unsigned maxPanels(Isa isa);
  /// Rows of the largest micro-kernel.
  unsigned rowsFor(Isa isa) const;
  /// Constant buffers; the same for every instruction set.
  void pack();

  //===--- Scratch, the same for every instruction set ----------------------===//

  /// Sums of products of all rows of a tile, where they are needed at once.
  int64_t bytesOfSums(int64_t tileRows) const { return multipliesOut() ? tileRows * kWidePanels * kStepBytes : 0; }
  /// What `sumRows` writes.
  int64_t bytesOfRowSums(int64_t tileRows) const { return integers ? tileRows * (groups + 2) * 4 + 64 : 0; }
  int64_t bytesOfUnpacked() const { return multipliesOut() ? kWidePanels * kLanes * blockColumns() : 0; }
  mlir::Value unpacked; ///< set before `products` if bytesOfUnpacked() > 0

  /// Sums X of the input's codes a row and group into `sums`: i32 [rows][groups] (times -8 where that is what the
  /// codes' offset asks for), or 16 bits [rows][groups rounded up to 2]; behind them, where the codes are multiplied
  /// out, -128 times the sum of each row (i32).
  void sumRows(mlir::Value a, int64_t rowBytes, mlir::Value rows, mlir::Value sums);

  /// Products of `count` rows (at most a tile's) and `nr` panels from `panelIndex` on. Calls finish(first row, rows)
  /// for each block of rows when their sums lie in `accumulators` ([row][nr][16]).
  void products(mlir::Value a, int64_t rowBytes, mlir::Value sums, mlir::Value panelIndex, unsigned nr,
                mlir::Value count, mlir::Value accumulators,
                llvm::function_ref<void(mlir::Value, mlir::Value)> finish);

private:
  /// Panels that share a broadcast of the input with AVX-512: 8 x 3 accumulators, or 4 x 3 and as many totals.
  static constexpr unsigned kWidePanels = 3;
  bool grouped() const { return integers && (twoLevel || a.floatSums); }
  /// Two-level sums of x are kept as pairs of 16 bits: m X of two groups is one instruction. They must fit.
  bool pairsOfSums() const { return k.isa != Isa::Avx2 && twoLevel && columns <= 256; }
  /// One row's sums, and behind them its total.
  int64_t bytesOfRowSum() const {
    int64_t total = k.isa != Isa::Avx2 && multipliesOut() ? 4 : 0;
    return (pairsOfSums() ? (groups + 1) / 2 * 4 : groups * 4) + total;
  }
  /// Two-level codes of a tile of many rows become unsigned bytes code * S + m + 128 in scratch, a block of columns at
  /// a time.
  bool multipliesOut() const { return twoLevel && columns < 128; }
  static constexpr int64_t kManyRows = 12;
  /// Columns of such a block: three panels of bytes and a few rows of A fit the first cache.
  int64_t blockColumns() const { return std::min(columns * (512 / columns), a.depth()); }

  // AVX2 (GemmCodes.cpp): half panels.
  void emitIntegers(unsigned mr, mlir::Value a, int64_t rowBytes, mlir::Value sums, mlir::Value panelIndex,
                    mlir::Value to);
  llvm::SmallVector<mlir::Value> sumSteps(unsigned mr, mlir::Value a, int64_t rowBytes, mlir::Value panel,
                                          int64_t steps, unsigned halves, mlir::ValueRange start);
  void sumRowsOneByOne(mlir::Value a, int64_t rowBytes, mlir::Value rows, mlir::Value sums);
  // Any instruction set.
  void emitFloats(unsigned mr, unsigned nr, mlir::Value a, int64_t rowBytes, mlir::Value panelIndex, mlir::Value to);
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
