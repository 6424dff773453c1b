//===- ShapeRules.h - shape rules that dialects share ----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_QNN_SHAPERULES_H
#define BITWRIGHT_DIALECTS_QNN_SHAPERULES_H

#include "dialects/Qnn/SymbolicShapes.h"

namespace bitwright {

/// Output size of a sliding window over one dimension.
mlir::AffineExpr windowOutput(mlir::AffineExpr input, int64_t kernel, int64_t stride, int64_t padLow, int64_t padHigh, int64_t dilation, bool ceilMode);
/// Appends the spatial output sizes of a window over an N x C x spatial input; each returns an error text or "".
std::string windowShape(const SymbolicShape &input, llvm::ArrayRef<int64_t> kernel, llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> pads,
                        llvm::ArrayRef<int64_t> dilations, bool ceilMode, SymbolicShape &result);
/// x (N x C x spatial), w (O x C/groups x kernel), optional bias (O).
std::string convShape(llvm::ArrayRef<SymbolicShape> operands, llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> pads,
                      llvm::ArrayRef<int64_t> dilations, int64_t groups, llvm::SmallVectorImpl<SymbolicShape> &results);
/// x (N x C x spatial), w (C x O/groups x kernel), optional bias.
std::string convTransposeShape(llvm::ArrayRef<SymbolicShape> operands, llvm::ArrayRef<int64_t> strides,
                               llvm::ArrayRef<int64_t> pads, llvm::ArrayRef<int64_t> dilations,
                               llvm::ArrayRef<int64_t> outputPadding, int64_t groups,
                               llvm::SmallVectorImpl<SymbolicShape> &results);
/// x (... x K), w (N x K), optional bias (N).
std::string linearShape(llvm::ArrayRef<SymbolicShape> operands, llvm::SmallVectorImpl<SymbolicShape> &results);
/// a (... x M x K), b (... x K x N).
std::string matmulShape(llvm::ArrayRef<SymbolicShape> operands, llvm::SmallVectorImpl<SymbolicShape> &results);
std::string reduceShape(const SymbolicShape &input, llvm::ArrayRef<int64_t> axes, bool keepdims, llvm::SmallVectorImpl<SymbolicShape> &results);

} // namespace bitwright

#endif
