//===- Operators.h - the operator table's parts -----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Adding an operator: an import function and a row in the file where its kin stands (its refusals in the row).
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_IMPORTONNX_OPERATORS_H
#define BITWRIGHT_LIB_IMPORTONNX_OPERATORS_H

#include "lib/ImportOnnx/Importer.h"

namespace bitwright::onnximport {

constexpr unsigned kAny = ~0u;

void addElementwiseOperators(std::vector<Operator> &table);
void addProductOperators(std::vector<Operator> &table);
void addReductionOperators(std::vector<Operator> &table);
void addMovementOperators(std::vector<Operator> &table);
void addResizeOperators(std::vector<Operator> &table);
void addQuantizationOperators(std::vector<Operator> &table);

/// Attributes that convolutions and pools share, with auto_pad resolved. On failure the node carries the error.
struct Window {
  llvm::SmallVector<int64_t> kernel, strides, pads, dilations;
};
bool readWindow(NodeImporter &node, llvm::ArrayRef<mlir::AffineExpr> spatial, llvm::ArrayRef<int64_t> kernel,
                Window &window);
extern const Refusal kAutoPad;

/// Errors unless the float constant behind the input (if it is one) has only finite elements: `weights` says what it
/// is.
void requireFinite(NodeImporter &node, unsigned input);

/// a op b chains, both materialized; errors on two element types.
bool sameTypes(NodeImporter &node, llvm::ArrayRef<unsigned> inputs);

} // namespace bitwright::onnximport

#endif
