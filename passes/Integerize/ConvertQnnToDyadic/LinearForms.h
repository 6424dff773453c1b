//===- LinearForms.h - linear layers on codes, by the form of their weight -===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_INTEGERIZE_CONVERTQNNTODYADIC_LINEARFORMS_H
#define BITWRIGHT_PASSES_INTEGERIZE_CONVERTQNNTODYADIC_LINEARFORMS_H

#include "dialects/Qnn/Qnn.h"
#include "mlir/IR/Builders.h"

namespace bitwright {

/// Float group scales: the sum over groups is a float, so that no integer accumulator exists.
bool hasFloatGroups(qnn::DequantizeOp weight);

/// The i32 accumulator of `input` (codes) and the codes behind `weight`: dyadic.linear, or dyadic.linear_two_level for
/// a weight with groups of integers (R16). Null with `why` on failure.
mlir::Value createAccumulator(mlir::OpBuilder &builder, qnn::LinearOp op, mlir::Value input, int32_t inputZeroPoint,
                              qnn::DequantizeOp weight, mlir::Value bias, std::string &why);

/// Lane 2: a linear layer whose input is codes with a scale a token (or one static scale, for float groups), float out.
/// Replaces the uses of `op`. False with `why` when the layer stays in float.
bool convertToFloatResult(qnn::LinearOp op, std::string &why);

} // namespace bitwright

#endif
