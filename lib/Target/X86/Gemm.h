//===- Gemm.h - products of a packed weight on register tiles --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// Template `gemm`: a fused region around one convolution or linear layer with constant weights (qnn.* in float32,
// dyadic.* in integers). Rows are output pixels or tokens, columns output channels, k runs over taps (outer) and input
// channels (inner).
//
// A tile is 48 rows times a block of column panels. Its rows of the input are gathered once into scratch (A: implicit
// GEMM, padding filled with the zero point's code); then a micro-kernel of MR rows x NR panels of 16 columns sums over
// all k in registers and leaves a block of accumulators in scratch (C), from which the rest of the region is computed,
// 16 channels at a time.
//
// Exactness: integer sums modulo 2^32 in any order (INTEGER R14); float32 is one fma chain in the order of k from 0,
// then the bias (F4). Codes enter as code + 128 where the instruction wants an unsigned operand; the bias takes that
// back (R12a).
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_TARGET_X86_GEMM_H
#define BITWRIGHT_LIB_TARGET_X86_GEMM_H

#include "lib/Target/X86/ElementEmitter.h"
#include "lib/Target/X86/PanelLayout.h"

namespace bitwright::x86 {

/// A convolution or linear layer of qnn or dyadic with everything static about it.
struct ConvAnchor {
  mlir::Operation *op = nullptr;
  mlir::Value input, weight, bias, result;
  bool isFloat = false, isConv = false;
  llvm::SmallVector<int64_t, 3> kernel, strides, padBegin, padEnd,
      dilations; ///< one a spatial dimension; empty for linear
  int64_t groups = 1, zeroPoint = 0;
  int64_t inputChannels = 0, outputChannels = 0; ///< of all groups
  int64_t taps = 1;
  /// Weights that stay codes in memory (CodedProduct): columns that share parameters (0: all), their float scales and
  /// zero points, or the integers of two-level groups.
  int64_t columnGroup = 0;
  mlir::Value codes, scales, zeroPoints, groupScale, groupOffset;
  bool floatSums = false; ///< integer partial sums that are scaled and added in f32 (combine_groups)
  /// Integer weights in the order of `weight`; of two-level codes the 8-bit weights that they make.
  std::vector<int64_t> integerWeights(KernelBuilder &k) const;

  int64_t spatial() const { return int64_t(kernel.size()); }
  int64_t channelsPerGroup() const { return inputChannels / groups; }
  int64_t outputsPerGroup() const { return outputChannels / groups; }
  int64_t depth() const { return taps * channelsPerGroup(); }
  /// Kernel positions of all spatial dimensions but the innermost.
  int64_t outerTaps() const { return isConv && spatial() ? taps / kernel.back() : 1; }
  int64_t innerTaps() const { return isConv && spatial() ? kernel.back() : 1; }
  bool hasPadding() const;
  /// One tap, stride 1, no padding: the rows of the input are the rows of the product.
  bool isPointwise() const;
};

/// Whether weight and bias of a convolution or linear layer are constants. What is computed at run time has no panels:
/// such regions go element by element (emitLoops).
bool hasConstantWeights(KernelBuilder &k, mlir::Operation *product);

/// The anchor of a region: its only convolution or linear layer. Diagnoses what the templates cannot take.
mlir::FailureOr<ConvAnchor> findConvAnchor(KernelBuilder &k);

/// Sets lanes and mask of an index whose first `count` of 16 lanes count. One lane is a scalar: LLVM 22 turns a
/// narrowing masked store under a constant mask of one lane into a store of all 32 bits.
void restrictLanes(KernelBuilder &k, Index &index, int64_t count);

/// From a product's accumulators to the results of the region, 16 channels of one place at a time.
class ProductEpilogue {
public:
  ProductEpilogue(KernelBuilder &k, mlir::Value product);
  /// Computes all yielded values at `index`, where the product (bias included) is `sum`, and stores them. False after a
  /// diagnostic.
  bool emit(const Index &index, mlir::Value sum);
  ElementEmitter emitter;

private:
  void shortenResidualAdds();

  KernelBuilder &k;
  mlir::Value current;
  const Index *currentIndex = nullptr;
};

/// Memory of the anchor's input if it is an operand in channels-last (linear: row-major) order.
/// Null when the anchor's input is computed in the region or lies in another order: then elements come through the
/// emitter.
const TensorMemory *contiguousInput(KernelBuilder &k, const ConvAnchor &anchor);

/// Code that moves runs of elements into the form that the multiply instructions read.
class RunCopier {
public:
  /// `source`: element type in memory or of emitted values; `kind` of the panels that the runs meet.
  RunCopier(KernelBuilder &k, mlir::Type source, PanelKind kind);
  /// Bytes of an element in scratch.
  int64_t elementBytes() const { return targetBytes; }
  int64_t sourceBytes() const;
  /// Copies `count` contiguous elements; writes up to 63 bytes beyond the end of the run, reads nothing beyond it.
  void copy(mlir::Value from, mlir::Value to, mlir::Value count);
  /// Writes `count` elements of one value (a splat vector of 64 bytes in scratch form); up to 63 bytes beyond.
  void fill(mlir::Value vector, mlir::Value to, mlir::Value count);
  /// A vector of any number of lanes in scratch form.
  mlir::Value convert(mlir::Value vector);
  /// The scratch form of one source value, as a 64-byte vector loaded from a constant buffer of 64 bytes.
  std::vector<uint8_t> fillBytes(int64_t zeroPoint) const;
  mlir::Type fillType() const;
  mlir::Type targetType() const { return target; }

private:
  mlir::Value maskOf(mlir::Value count, unsigned lanes);
  void chunk(mlir::Value from, mlir::Value to, unsigned lanes, mlir::Value mask);

  KernelBuilder &k;
  mlir::Type source, target;
  PanelKind kind;
  int64_t targetBytes;
};

/// The micro-kernel: MR rows x NR panels of 16 columns over all steps of k.
struct MicroKernel {
  KernelBuilder &k;
  PanelKind kind;
  unsigned mr, nr;

  /// Bytes of A that one step of k takes.
  static int64_t stepBytesOfA(Isa isa, PanelKind kind) {
    return kind == PanelKind::Nibbles || (isa == Isa::Avx2 && kind == PanelKind::Bytes) ? 8 : 4;
  }
  /// Bytes of an element of A in scratch.
  static int64_t elementBytesOfA(Isa isa, PanelKind kind) {
    return kind == PanelKind::Nibbles ? 1
           : kind == PanelKind::Bytes ? (isa == Isa::Avx2 ? 2 : 1)
           : kind == PanelKind::Words || kind == PanelKind::WideBytes ? 2
                                      : 4;
  }
  /// Rows that fit beside `nr` panels in the registers.
  static unsigned rowsFor(Isa isa, PanelKind kind, unsigned nr);
  static unsigned maxPanels(Isa isa, PanelKind kind);
  /// mr * nr accumulators (row-major), each a vector of 16 i32 or f32. `start`: one vector a panel, or empty for 0.
  /// A: rows `rowBytes` apart; B: panels `panelBytes` apart, `steps` steps each.
  llvm::SmallVector<mlir::Value> emit(mlir::Value a, int64_t rowBytes, mlir::Value b, mlir::Value panelBytes,
                                      mlir::Value steps, llvm::ArrayRef<mlir::Value> start);
};

/// Product of two run-time tensors (GemmMatmul.cpp).
mlir::LogicalResult emitMatmul(KernelBuilder &k, mlir::Operation *matmul);

} // namespace bitwright::x86

#endif // BITWRIGHT_LIB_TARGET_X86_GEMM_H
