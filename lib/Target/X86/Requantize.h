//===- Requantize.h - rounding products of i32 lanes -----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_X86_REQUANTIZE_H
#define BITWRIGHT_LIB_TARGET_X86_REQUANTIZE_H

#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/ElementEmitter.h"

namespace bitwright::x86 {

/// clamp(zeroPoint + ROUND(sum x_i * b_i, c), low, high) (INTEGER R4, E1, E3), lanes of i32 in, lanes of `resultBits`
/// out. |sum| <= 2^62.
struct Requantization {
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>, 2> terms; ///< x and b: i32 lanes
  mlir::Value shift;                                               ///< c: i32 lanes
  int64_t leastShift = 0, mostShift = 62;                          ///< known bounds of c
  dyadic::Rounding rounding = dyadic::Rounding::HalfUp;
  int64_t zeroPoint = 0, low = 0, high = 0;
  unsigned resultBits = 8;
};
mlir::Value emitRequantization(KernelBuilder &k, const Requantization &r);

/// An element of an array of numbers by a dimension's index, as i32 lanes; an immediate where all are equal.
mlir::Value numberAt(ElementEmitter &e, llvm::StringRef what, llvm::ArrayRef<int32_t> values, const DimIndex &dim,
                     const Index &index);
mlir::Value numberAt(ElementEmitter &e, llvm::StringRef what, llvm::ArrayRef<int8_t> values, const DimIndex &dim,
                     const Index &index);

} // namespace bitwright::x86

#endif
