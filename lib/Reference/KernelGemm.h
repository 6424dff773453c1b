//===- KernelGemm.h - the slow, obvious meaning of GPU kernels -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// `kernel.gemm` and `kernel.rows` on plain arrays. Integer accumulators wrap in int32 as the hardware's do. A float
// accumulator is the float64 sum of the exact products, rounded to float32; as no hardware sums in that order, the result
// comes with the interval of values that a kernel may give.
//
// The interval: let u = 2^-24, T = sum of |term| over all terms that a kernel may add apart, n their number. Sums in any
// order differ from the exact one by at most (n - 1) u T + O(u^2) (Higham, Accuracy and Stability, 4.2); products that
// are rounded once add u T. Terms: x * w for floats; the integer sum of a group times its scale for partial_sums. For
// before_mma a weight (w - z) * scale is rounded once to the left operand's type (unit v = 2^-11 for f16, 2^-8 for bf16),
// which adds v times the sum of |x (w - z) scale|. The epilogue is evaluated at the exact accumulator and at both ends of
// the interval; results between the smallest and the largest of the three are right (for a monotone epilogue), one unit in
// the last place of a float result included.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_REFERENCE_KERNELGEMM_H
#define BITWRIGHT_LIB_REFERENCE_KERNELGEMM_H

#include "dialects/Kernel/Gemm.h"
#include <cstdint>
#include <vector>

namespace bitwright::reference {

/// Elements as bit patterns of their type, zero-extended: f32, f16, bf16, i1, i8, i16, i32, i64.
struct KernelArray {
  mlir::Type type;
  std::vector<uint64_t> bits;
};
float toFloat(mlir::Type type, uint64_t bits);
uint64_t fromFloat(mlir::Type type, float value);

struct KernelSegment {
  std::vector<float> codes;       ///< N x k values as stored (before scale and zero point); exact
  std::vector<float> scales;      ///< N x k / group (two_level: S_g)
  std::vector<int32_t> zeroPoints; ///< N x k / group (two_level: m_g)
};
struct KernelInputs {
  int64_t m = 0;
  std::vector<float> lhs; ///< m x K values; exact
  std::vector<KernelSegment> segments;
  std::vector<KernelArray> operands; ///< of the epilogue: M, N, M x N, 1 or 256 elements
};
struct KernelOutputs {
  std::vector<KernelArray> results;   ///< m x n each; rows with quantize: codes, then m scales
  std::vector<KernelArray> low, high; ///< empty for integer accumulators: the result is exact
};

mlir::FailureOr<KernelOutputs> runKernelGemm(kernel::GemmOp op, const KernelInputs &inputs);
mlir::FailureOr<KernelOutputs> runKernelRows(kernel::RowsOp op, const KernelInputs &inputs);

} // namespace bitwright::reference

#endif
