//===- ElementEmitter.h - code for single elements of a region -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Pull-based code generation: `at(tensor, index)` emits the code that computes the elements of a tensor of the region
// at a logical index, inlining its producers down to loads of block arguments, constants, and tensors that the caller
// has overridden (a GEMM's accumulators). One vector of `lanes` elements is computed at a time; each dimension of the
// index is uniform, or advances by a constant from lane to lane, or is a vector.
//
// Values are vectors of `lanes` elements (scalars for one lane): f32 for all float element types (f16 and bf16 results
// are rounded after each operation, INTEGER F5), i1 for bool, iN for integers (unsigned types too: the tensor's type
// says so).
//
// Lanes that the index's mask (or `active`) switches off touch no memory; their values are unspecified.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_X86_ELEMENTEMITTER_H
#define BITWRIGHT_LIB_TARGET_X86_ELEMENTEMITTER_H

#include "lib/Target/X86/KernelBuilder.h"

namespace bitwright::x86 {

/// Index along one dimension: lane l is at base + l * step, or at lanes[l].
struct DimIndex {
  mlir::Value base;     ///< i64
  int64_t step = 0;     ///< 0: the same for all lanes
  mlir::Value lanes;    ///< vector of i64: overrides base and step
  bool aligned = false; ///< step is 1 and base a multiple of the number of lanes
  DimIndex() = default;
  DimIndex(mlir::Value base, int64_t step = 0, bool aligned = false) : base(base), step(step), aligned(aligned) {}
  bool isUniform() const { return !lanes && step == 0; }
};

struct Index {
  llvm::SmallVector<DimIndex, 6> dims;
  unsigned lanes = 1;
  mlir::Value mask;   ///< vector of i1 (null: all lanes); with one lane always null
  mlir::Value active; ///< i1 (null: true): the whole vector
};

class ElementEmitter {
public:
  explicit ElementEmitter(KernelBuilder &k) : k(k) {}

  /// The elements of `tensor` at `index`; null after a diagnostic.
  mlir::Value at(mlir::Value tensor, const Index &index);
  /// From now on `at` asks `leaf` for this tensor. Not memoised.
  void overrideWith(mlir::Value tensor, std::function<mlir::Value(const Index &)> leaf) {
    overrides[tensor] = std::move(leaf);
  }
  /// Forgets all values (a new pass over the same index values with other memory contents).
  void forget() { memo.clear(); }

  /// Loads from, and stores to, memory at a logical index (with conversion between value and memory type).
  mlir::Value load(const TensorMemory &memory, mlir::Type tensorElement, const Index &index);
  void store(mlir::Value value, const TensorMemory &memory, mlir::Type tensorElement, const Index &index);

  KernelBuilder &k;

  //===--- For the families of operations -------------------------------------===//

  /// Operand of an elementwise op at the index of its result (NumPy broadcasting).
  mlir::Value broadcastAt(mlir::Value operand, mlir::Value result, const Index &index);
  /// vector of i64 of a dimension's index.
  mlir::Value lanesOf(const DimIndex &index, unsigned lanes);
  /// base + offset, scaled: index * factor + offset, keeping uniform and strided forms.
  DimIndex affine(const DimIndex &index, int64_t factor, mlir::Value offset, unsigned lanes);
  DimIndex uniform(mlir::Value base) { return DimIndex(base); }
  /// Restricts `index` to lanes where low <= dim < high holds; returns the condition (i1 or vector; null: always).
  mlir::Value restrict(Index &index, const DimIndex &dim, mlir::Value low, mlir::Value high);
  /// condition ? x : y where the condition is i1, a vector, or null (true).
  mlir::Value choose(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value fail(mlir::Operation *op, const llvm::Twine &message);
  /// f32 value rounded to the float type of `tensorElement` (F5).
  mlir::Value roundTo(mlir::Type tensorElement, mlir::Value value);
  /// The value type of a tensor's elements: f32, i1 or iN, as a vector of `lanes`.
  mlir::Type valueType(mlir::Type tensorElement, unsigned lanes);

private:
  mlir::Value emit(mlir::Value tensor, const Index &index);
  mlir::Value constantAt(mlir::Value tensor, const Index &index);
  // One family a file: Elementwise.cpp, Integer.cpp, Movement.cpp, Windows.cpp. Null and no diagnostic: not of the
  // family.
  mlir::Value emitElementwise(mlir::Operation *op, const Index &index);
  mlir::Value emitInteger(mlir::Operation *op, const Index &index);
  mlir::Value emitMovement(mlir::Operation *op, const Index &index);
  mlir::Value emitWindow(mlir::Operation *op, const Index &index);
  mlir::Value emitReduction(mlir::Operation *op, const Index &index);

  std::map<KernelBuilder::Key, llvm::SmallVector<mlir::Value, 1>> memo;
  llvm::DenseMap<mlir::Value, std::function<mlir::Value(const Index &)>> overrides;
  bool failed = false;
};

} // namespace bitwright::x86

#endif
