//===- SignedCodes.h - unsigned 8-bit codes become signed ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_INTEGERIZE_SIGNEDCODES_H
#define BITWRIGHT_PASSES_INTEGERIZE_SIGNEDCODES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace bitwright {

/// INTEGER R12a: every `qnn.quantize` to u8 and `qnn.dequantize` of u8 uses s8 codes, code and zero point shifted by
/// 128 together (exact). Where u8 codes cross the border of the function (an argument, a result), they are converted
/// there.
void makeCodesSigned(mlir::func::FuncOp func);

} // namespace bitwright

#endif
