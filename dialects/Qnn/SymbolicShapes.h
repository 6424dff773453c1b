//===- SymbolicShapes.h - shapes as affine expressions of named dims ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A dynamic dimension is an affine expression (+, * constant, floordiv, ceildiv, mod) of the function's symbols, in the
// order of its `qnn.symbols` attribute: symbol i is AffineExpr s_i. Constants are static dimensions.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_QNN_SYMBOLICSHAPES_H
#define BITWRIGHT_DIALECTS_QNN_SYMBOLICSHAPES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "llvm/ADT/DenseMap.h"
#include <optional>
#include <string>

namespace bitwright {

using SymbolicShape = llvm::SmallVector<mlir::AffineExpr, 6>;

/// NumPy broadcasting of any number of shapes. Returns an error text, or "" on success. Two dimensions that are neither
/// 1 nor provably equal are an error that says which --dim would settle it.
std::string broadcastShapes(llvm::ArrayRef<SymbolicShape> shapes, SymbolicShape &result);

/// The interface's verifier: static result dimensions must equal the inferred ones; ranks must match.
mlir::LogicalResult verifySymbolicShapes(mlir::Operation *op);

/// Constant value of an expression, if it is one.
std::optional<int64_t> constantOf(mlir::AffineExpr expr);

/// Product of the dimensions (1 for rank 0); may multiply symbols (a semi-affine expression).
mlir::AffineExpr productOf(llvm::ArrayRef<mlir::AffineExpr> dims, mlir::MLIRContext *context);

/// Ranked tensor type: constants become static dimensions, all else `?`.
mlir::RankedTensorType typeOf(llvm::ArrayRef<mlir::AffineExpr> shape, mlir::Type elementType);

/// The shape of a type with only static dimensions.
SymbolicShape staticShape(mlir::ShapedType type);

/// affine_map<()[s0..s(n-1)] -> (shape)>, the form of the `qnn.dims` and `shape` attributes.
mlir::AffineMapAttr shapeAttr(llvm::ArrayRef<mlir::AffineExpr> shape, unsigned numSymbols, mlir::MLIRContext *context);

/// A symbol of a function: name, inclusive range, divisor.
struct DimSymbol {
  std::string name;
  int64_t min, max, divisor;
};
llvm::SmallVector<DimSymbol> getSymbols(mlir::Operation *func);
void setSymbols(mlir::Operation *func, llvm::ArrayRef<DimSymbol> symbols);

/// Value of an expression for given symbol values.
int64_t evaluate(mlir::AffineExpr expr, llvm::ArrayRef<int64_t> symbolValues);
/// Inclusive interval of an expression over the symbols' ranges (interval arithmetic, sound).
std::pair<int64_t, int64_t> rangeOf(mlir::AffineExpr expr, llvm::ArrayRef<DimSymbol> symbols);

/// Symbolic shape of every tensor value of a function (nested isolated regions included: block arguments of a
/// region take the shapes of the operands of the operation that holds it).
class SymbolicShapes {
public:
  /// Computes all shapes; diagnoses the first operation whose shape cannot be derived.
  static mlir::FailureOr<SymbolicShapes> compute(mlir::func::FuncOp func);
  /// An empty analysis, to be filled while a function is built (import).
  explicit SymbolicShapes(unsigned numSymbols) : numSymbols(numSymbols) {}

  const SymbolicShape &get(mlir::Value value) const { return shapes.find(value)->second; }
  bool contains(mlir::Value value) const { return shapes.count(value); }
  void set(mlir::Value value, SymbolicShape shape) { shapes[value] = std::move(shape); }
  /// Derives the results of `op` from its operands, sets them here and (if `refineTypes`) sets the result types.
  mlir::LogicalResult visit(mlir::Operation *op, bool refineTypes = false);
  unsigned getNumSymbols() const { return numSymbols; }

private:
  unsigned numSymbols;
  llvm::DenseMap<mlir::Value, SymbolicShape> shapes;
};

} // namespace bitwright

#endif
