//===- KernelBuilder.h - where the code of one kernel grows ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Holds the function of one kernel, its arguments, the pointers, dimensions and constants that it reads, and small
// helpers for index arithmetic, loops and vectors. Index values are i64. A vector of one lane is a scalar.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_X86_KERNELBUILDER_H
#define BITWRIGHT_LIB_TARGET_X86_KERNELBUILDER_H

#include "lib/Target/X86/X86.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include <functional>
#include <map>
#include <optional>

namespace bitwright::x86 {

/// Where a tensor lies: element (i0, i1, ...) is at pointer + sum i_d * strides[d] elements.
struct TensorMemory {
  mlir::Value pointer;
  llvm::SmallVector<mlir::Value, 6> strides; ///< i64, in elements, one a logical dimension
  mlir::Type element;                        ///< element type in memory
  bool readOnly = true;                      ///< nobody writes it during the kernel
};

/// A constant tensor of the region: one value, or memory.
struct ConstantTensor {
  bool isSplat = false;
  float real = 0;
  int64_t integer = 0;
  TensorMemory memory;
};

class KernelBuilder {
public:
  KernelBuilder(kernel::FusedOp op, llvm::ArrayRef<SymbolicShape> operandShapes, llvm::ArrayRef<DimSymbol> symbols,
                Isa isa, mlir::ModuleOp into, llvm::StringRef symbol);

  /// Ends the function. `info.tiles` must have been set.
  KernelInfo finish();

  kernel::FusedOp op;
  Isa isa;
  mlir::OpBuilder b;
  mlir::Location loc;
  KernelInfo info; ///< the template sets tiles and scratchBytes
  llvm::ArrayRef<DimSymbol> symbols;
  mlir::Value tileBegin, tileEnd, scratch; ///< i64, i64, pointer

  //===--- Tensors -----------------------------------------------------------===//

  /// Symbolic shape of any tensor value of the region (block arguments and constants included).
  const SymbolicShape &shape(mlir::Value tensor) const { return shapes.get(tensor); }
  /// The constant behind a tensor value: a constant operand's block argument, a constant op in the body, or a
  /// dequantize of constants in the body (computed here: float weights where no kernel unpacks codes).
  std::optional<WeightData> constant(mlir::Value tensor) const;
  /// The same as code sees it: an immediate if all elements are equal, else a constant buffer.
  const ConstantTensor &constantTensor(mlir::Value tensor);
  /// Memory of a block argument that is a run-time tensor, and of result i, in their physical layouts.
  const TensorMemory &memory(mlir::Value blockArgument);
  const TensorMemory &resultMemory(unsigned i);
  /// Row-major strides of a shape in the given order of dimensions (outermost first).
  llvm::SmallVector<mlir::Value, 6> strides(llvm::ArrayRef<mlir::AffineExpr> shape, llvm::ArrayRef<int64_t> layout);
  /// Pointer to a constant buffer; equal bytes share one buffer. Call in the same order for every instruction set.
  mlir::Value constantBuffer(llvm::StringRef description, llvm::ArrayRef<uint8_t> bytes);
  template <typename T> mlir::Value constantBuffer(llvm::StringRef description, llvm::ArrayRef<T> values) {
    return constantBuffer(description, llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(values.data()),
                                                               values.size() * sizeof(T)));
  }
  /// Says of the constant buffer with these bytes that it is `tensor` (an operand of the region), packed.
  void markPacked(llvm::ArrayRef<uint8_t> bytes, mlir::Value tensor, ConstantBuffer::Order order,
                  bool plusEight = false);
  /// Says of the constant buffer with these bytes that it is a panel of nibbles.
  void markNibbles(llvm::ArrayRef<uint8_t> bytes, const PanelLayout &layout);

  //===--- Index arithmetic (i64; folds constants, reuses equal values that dominate) ------===//

  mlir::Value i64(int64_t value);
  /// A dimension expression: a constant, or loaded from `dims` (added to info.dims) in the entry block.
  mlir::Value dim(mlir::AffineExpr expr);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value add(mlir::Value x, int64_t y) { return add(x, i64(y)); }
  mlir::Value mul(mlir::Value x, int64_t y) { return mul(x, i64(y)); }
  /// Floor division and remainder of x >= 0 by y > 0.
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value rem(mlir::Value x, mlir::Value y);
  mlir::Value ceilDiv(mlir::Value x, int64_t y) { return div(add(x, y - 1), i64(y)); }
  mlir::Value min(mlir::Value x, mlir::Value y);  ///< signed
  mlir::Value max(mlir::Value x, mlir::Value y);  ///< signed
  mlir::Value less(mlir::Value x, mlir::Value y); ///< signed, i1
  mlir::Value equal(mlir::Value x, mlir::Value y);
  mlir::Value both(mlir::Value x, mlir::Value y); ///< and of i1 (or vectors of i1); a null operand means true
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  /// The value of a constant i64 (or vector splat), if it is one.
  static std::optional<int64_t> constantOf(mlir::Value value);
  /// The quotient and remainder chain: indices of `linear` in a row-major shape.
  llvm::SmallVector<mlir::Value, 6> delinearize(mlir::Value linear, llvm::ArrayRef<mlir::Value> shape);

  //===--- Control flow ------------------------------------------------------===//

  /// for (i = low; i < high; i += step) body(i). A trip count of one emits no loop.
  void forLoop(mlir::Value low, mlir::Value high, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  /// The same with loop-carried values; returns the final ones.
  llvm::SmallVector<mlir::Value>
  forLoop(mlir::Value low, mlir::Value high, int64_t step, mlir::ValueRange init,
          llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> body);
  /// condition ? thenBody() : elseBody(), by branch.
  mlir::Value ifElse(mlir::Value condition, mlir::Type type, llvm::function_ref<mlir::Value()> thenBody,
                     llvm::function_ref<mlir::Value()> elseBody);
  /// All tiles of this call: for (t = tileBegin; t < tileEnd; ++t) body(t).
  void forTiles(llvm::function_ref<void(mlir::Value)> body) { forLoop(tileBegin, tileEnd, 1, body); }
  /// Runs `body` with the builder at the end of the entry block's set-up code (loop-invariant values).
  mlir::Value hoisted(llvm::function_ref<mlir::Value()> body);
  /// Memory on the stack of the function, 64-byte aligned; at most a few KiB in all.
  mlir::Value stack(int64_t bytes);

  //===--- Values and vectors ------------------------------------------------===//

  /// vector<lanes x element>; the element itself for one lane.
  mlir::Type vec(mlir::Type element, unsigned lanes) const;
  static unsigned lanesOf(mlir::Type type);
  mlir::Value splat(mlir::Value scalar, unsigned lanes);
  mlir::Value constantFloat(float value, unsigned lanes = 1);
  /// An integer constant of an integer type or vector of it.
  mlir::Value constantInt(mlir::Type type, int64_t value);
  mlir::Value gep(mlir::Value pointer, mlir::Value bytes);
  mlir::Value gep(mlir::Value pointer, int64_t bytes) { return gep(pointer, i64(bytes)); }
  /// Contiguous elements (alignment: the element's). With `mask` (vector of i1) lanes that are off are 0 and never
  /// touched.
  mlir::Value load(mlir::Type element, unsigned lanes, mlir::Value pointer, mlir::Value mask = {},
                   bool readOnly = false);
  void store(mlir::Value value, mlir::Value pointer, mlir::Value mask = {});
  /// Lanes first .. first + lanes - 1 are below `limit`: vector of i1.
  mlir::Value laneMask(mlir::Value first, mlir::Value limit, unsigned lanes);
  /// <first, first + step, ...> as a vector of i64.
  mlir::Value laneIndices(mlir::Value first, int64_t step, unsigned lanes);
  /// Call of an LLVM intrinsic by name.
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type result, mlir::ValueRange arguments);
  mlir::Type f32() { return b.getF32Type(); }
  mlir::Type intType(unsigned bits) { return b.getIntegerType(bits); }
  mlir::Type pointerType() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }

  /// An earlier value for `key` that dominates the insertion point, or null; `remember` adds one.
  using Key = std::vector<uintptr_t>;
  mlir::Value recall(const std::map<Key, llvm::SmallVector<mlir::Value, 1>> &table, const Key &key) const;

private:
  mlir::Value binary(unsigned opcode, mlir::Value x, mlir::Value y);

  mlir::LLVM::LLVMFuncOp function;
  mlir::Operation *entryEnd = nullptr; ///< set-up code goes before this marker
  mlir::Value buffers, dims;
  SymbolicShapes shapes;
  llvm::SmallVector<int64_t> bufferOfArgument; ///< buffer number, or -1 for a constant
  llvm::DenseMap<mlir::Value, TensorMemory> memories;
  llvm::DenseMap<mlir::Value, ConstantTensor> constantTensors;
  mutable llvm::DenseMap<mlir::Value, std::optional<WeightData>> dequantized;
  llvm::SmallVector<std::optional<TensorMemory>> results;
  llvm::SmallVector<std::pair<mlir::Operation *, unsigned>>
      resultSlots; ///< constants to patch with the result's buffer number
  std::map<std::vector<uint8_t>, mlir::Value> constantPointers;
  std::map<Key, llvm::SmallVector<mlir::Value, 1>> values;
  std::map<std::string, mlir::Value> dimValues;
  mlir::Value bufferPointer(mlir::Value slot);
};

/// Templates. Each emits the whole body of the function and sets info.tiles (and scratchBytes).
mlir::LogicalResult emitLoops(KernelBuilder &k);     // loops, reduce
mlir::LogicalResult emitRows(KernelBuilder &k);      // softmax and norms
mlir::LogicalResult emitGemm(KernelBuilder &k);      // Gemm*.cpp
mlir::LogicalResult emitDepthwise(KernelBuilder &k); // Depthwise*.cpp

} // namespace bitwright::x86

#endif
