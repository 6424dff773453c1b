//===- KnownTensor.h - tensors whose values are known at import -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Shape arithmetic of a model (Shape, Gather, Mul, Concat, Reshape, ...) runs on small tensors whose elements are
// affine expressions of the model's symbolic dimensions. They are evaluated while importing and never become
// operations.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_IMPORTONNX_KNOWNTENSOR_H
#define BITWRIGHT_LIB_IMPORTONNX_KNOWNTENSOR_H

#include "dialects/Qnn/SymbolicShapes.h"
#include "lib/Weights/WeightStore.h"
#include <optional>

namespace bitwright::onnximport {

/// One element: `expr * factor`. Integers and booleans (0, 1) have factor 1; a constant float has the expression 1.
struct KnownElement {
  mlir::AffineExpr expr;
  double factor = 1;

  /// The number if the expression is a constant.
  std::optional<double> constant() const;
  /// The expression if the value is an integer for every value of the symbols (factor 1).
  std::optional<mlir::AffineExpr> integer() const;
  std::optional<int64_t> constantInteger() const;
};

struct KnownTensor {
  mlir::Type elementType;
  llvm::SmallVector<int64_t, 2> shape;
  llvm::SmallVector<KnownElement, 4> elements;

  bool isFloat() const { return mlir::isa<mlir::FloatType>(elementType); }
  /// No element depends on a symbol.
  bool isConstant() const;
  /// All elements as integers, or none.
  std::optional<llvm::SmallVector<int64_t>> constantIntegers() const;
  std::optional<llvm::SmallVector<double>> constants() const;
  /// All elements as integer expressions, or none.
  std::optional<SymbolicShape> expressions() const;
};

/// Larger tensors are never evaluated at import.
constexpr int64_t kMaxKnownElements = 1024;

/// The elements of a small constant: at most kMaxKnownElements of i32 or i64, a sixteenth of that of other types.
std::optional<KnownTensor> knownFrom(const WeightData &data);
/// The bytes of a known tensor without symbols (floats rounded to the element type); none for f16 and bf16.
std::optional<WeightData> toWeight(const KnownTensor &tensor);

/// Interval of an expression over the symbols' ranges; none if a bound leaves +-2^62 or the expression has more than
/// 256 nodes. Sound: the true range lies inside.
std::optional<std::pair<int64_t, int64_t>> boundsOf(mlir::AffineExpr expr, llvm::ArrayRef<DimSymbol> symbols);
/// The expression simplified, or none if it is absurd (see boundsOf).
std::optional<mlir::AffineExpr> checkedExpr(mlir::AffineExpr expr, llvm::ArrayRef<DimSymbol> symbols);
/// Does the divisor divide the expression for every value of the symbols?
bool isMultiple(mlir::AffineExpr expr, int64_t divisor, llvm::ArrayRef<DimSymbol> symbols);
bool areEqual(mlir::AffineExpr a, mlir::AffineExpr b);
/// Text with the symbols' names: "W floordiv 4".
std::string toText(mlir::AffineExpr expr, llvm::ArrayRef<DimSymbol> symbols);
std::string toText(llvm::ArrayRef<mlir::AffineExpr> shape, llvm::ArrayRef<DimSymbol> symbols);

} // namespace bitwright::onnximport

#endif
