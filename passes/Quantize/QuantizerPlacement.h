//===- QuantizerPlacement.h - which values become codes ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// What follows from the schemes of a float graph (after assign-schemes), before anything is changed: which operations
// run on codes, which values need a quantizer, and which of these share a grid. place-quantizers acts on it; allocation
// asks it what there is to decide.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_QUANTIZE_QUANTIZERPLACEMENT_H
#define BITWRIGHT_PASSES_QUANTIZE_QUANTIZERPLACEMENT_H

#include "passes/Quantize/QuantizableOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace bitwright {

struct QuantizerPlacement {
  /// Operations that run on codes with static scales, in program order.
  llvm::SetVector<mlir::Operation *> integer;
  /// Values that get a quantize-dequantize pair, in program order of their first need.
  llvm::SetVector<mlir::Value> quantized;
  /// Products whose input has a scale a token, by that input.
  llvm::MapVector<mlir::Value, llvm::SmallVector<mlir::Operation *>> perToken;

  /// Operations that already read codes are left out: computing it for a graph with quantizers adds nothing.
  static QuantizerPlacement compute(mlir::func::FuncOp func);

  bool isInteger(mlir::Operation *op) const { return op && integer.contains(op); }
  /// A relu or clip that becomes the clamp of the operation before it (INTEGER R11).
  bool isFusedClamp(mlir::Operation *op) const;
  /// The value lies inside a fused group: before a fused clamp, or between two functions that share a table.
  bool isFused(mlir::Value value) const;

  /// Values that share one grid because they only differ by data movement (or are concatenated and of similar range):
  /// a list for each class, in the order of `quantized`. A value without a range has an empty one here.
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> classes() const;
  /// One grid a value, from the ranges of its class and the formats that the schemes say now (they may have changed
  /// since `compute`). Codes of 16 bits have zero point 0.
  llvm::MapVector<mlir::Value, Grid> grids() const;
  /// Bits of the codes of a class: 8, or for s16 as many of 16 as the accumulators of all its readers take (INTEGER
  /// R14): an estimate from the float weights, which quantize-weights makes good.
  int codeBits(llvm::ArrayRef<mlir::Value> values) const;
  /// Diagnoses quantized values without a calibrated range.
  mlir::LogicalResult checkRanges() const;
  /// Diagnoses products for whose formats there is no kernel.
  mlir::LogicalResult checkFormats() const;

  /// Storage format of a value's codes: what the scheme of its operation (or function argument) says; s8 without one.
  static llvm::StringRef storageOf(mlir::Value value);
  /// Format of a quantized value's class: s16 when one of its values asks for it.
  llvm::StringRef formatOf(mlir::Value value) const { return wide.contains(value) ? "s16" : "s8"; }
  /// Operations that stay float because they have no 16-bit form, in program order.
  llvm::SetVector<mlir::Operation *> tooWide;

private:
  llvm::DenseSet<mlir::Value> wide;
  void findWide();
  bool isWideClass(llvm::ArrayRef<mlir::Value> values) const;
  bool isWanted(mlir::Value value) const;
  void decideOperations();
  bool canCompute(mlir::Operation *op) const;
  bool requantizes(mlir::Operation *op) const;
};

/// Sets what `QuantizerPlacement::storageOf` reads.
void setActivationStorage(mlir::Value value, llvm::StringRef storage);

/// A value that is a constant of the graph.
bool isConstantValue(mlir::Value value);
/// The value is the output of a dequantize.
bool isDequantized(mlir::Value value);
/// All data operands of `op` are dequantized codes: quantizers stand there already.
bool readsCodesAlready(mlir::Operation *op);
/// The operation wants one scale a token, found at run time.
bool isDynamicallyScaled(mlir::Operation *op);

} // namespace bitwright

#endif
