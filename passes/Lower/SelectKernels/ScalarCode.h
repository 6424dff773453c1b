//===- ScalarCode.h - a region's element as scalar arithmetic ---*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// `at(tensor)` writes the scalar arithmetic of one element (m, n) of a tensor of a kernel.fused body into the region of
// a kernel.gemm or kernel.rows, back to the values that the kernel is given: the accumulator and the operands of the
// region, which are made as they are met. Tensors broadcast from the right as everywhere in qnn.
//
// Values: f32 for all floats (f16 and bf16 results are rounded after each operation, INTEGER F5), i32 for integers of
// up to 32 bits (the exact value, signed or unsigned), i1 for bool.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_LOWER_SELECTKERNELS_SCALARCODE_H
#define BITWRIGHT_PASSES_LOWER_SELECTKERNELS_SCALARCODE_H

#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Kernel/Gemm.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Lower/SelectKernels/ArithBuilder.h"

namespace bitwright {

class ScalarCode {
public:
  /// `shapes` knows every value of the body; the region's block is empty but for an accumulator, `result` is the shape
  /// whose last dimension is n and whose others together are m. `name` starts the names of constants made.
  ScalarCode(kernel::FusedOp fused, const SymbolicShapes &shapes, const SymbolicShape &result, mlir::Block *block,
             llvm::StringRef name);

  /// The element of `tensor`, or null with `reason` set to the first predicate that failed.
  mlir::Value at(mlir::Value tensor);
  /// From now on `tensor` is this scalar.
  void define(mlir::Value tensor, mlir::Value scalar) { known[tensor] = scalar; }
  /// The scalar in the type that memory has (i8, f16, ...).
  mlir::Value toMemory(mlir::Value scalar, mlir::Type element);
  /// An operand of the region with constant contents: one a column.
  mlir::Value column(llvm::StringRef what, llvm::ArrayRef<int32_t> values);
  /// The constant behind a value of the body (inside or outside of it).
  std::optional<WeightData> constant(mlir::Value tensor) const;
  /// How a constant of the body is named by the kernel: the number of the fused operand, or its name in the store.
  mlir::Attribute bind(mlir::Value tensor);
  mlir::Attribute bind(llvm::StringRef what, WeightData data);
  mlir::Value fail(const llvm::Twine &why) {
    if (reason.empty())
      reason = why.str();
    return {};
  }

  std::string reason;
  llvm::SmallVector<mlir::Attribute> operands; ///< #kernel.operand of the region
  llvm::SmallVector<mlir::Attribute> bindings; ///< what each is: number of a fused operand, or a name in the store
  ArithBuilder f;

private:
  mlir::Value emit(mlir::Value tensor);
  mlir::Value leaf(mlir::Value tensor);
  mlir::Value addOperand(kernel::OperandKind kind, mlir::Type element, mlir::Attribute binding);
  mlir::Value emitFloat(mlir::Operation *op);
  mlir::Value emitBinary(mlir::Operation *op);
  mlir::Value emitInteger(mlir::Operation *op);
  mlir::Value emitQuantization(mlir::Operation *op);
  mlir::Value emitCast(qnn::CastOp op);
  mlir::Value power(mlir::Value a, mlir::Value b);
  mlir::Value requantize(mlir::Value sum64, mlir::Value shift, int64_t leastShift, dyadic::Rounding rounding,
                         int64_t zeroPoint, llvm::ArrayRef<int32_t> clamp);
  mlir::Value roundShift(mlir::Value n, mlir::Value shift, dyadic::Rounding rounding);
  mlir::Value rounded(mlir::Type element, mlir::Value value);
  mlir::Value wrap(mlir::Type element, mlir::Value value);
  mlir::Value widen(mlir::Value value);
  mlir::Value clamp(mlir::Value value, int64_t low, int64_t high);

  kernel::FusedOp fused;
  const SymbolicShapes &shapes;
  const SymbolicShape &result;
  mlir::Block *block;
  std::string name;
  mlir::OpBuilder builder;
  llvm::DenseMap<mlir::Value, mlir::Value> known;
};

} // namespace bitwright

#endif
