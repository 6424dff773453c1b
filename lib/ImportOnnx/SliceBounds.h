//===- SliceBounds.h - shapes that operators read from operands -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_IMPORTONNX_SLICEBOUNDS_H
#define BITWRIGHT_LIB_IMPORTONNX_SLICEBOUNDS_H

#include "lib/ImportOnnx/Importer.h"

namespace bitwright::onnximport {

/// A Slice in normal form: for each dimension y[i] = x[start + i * step], i < size.
struct SliceBounds {
  SymbolicShape starts, shape;
  llvm::SmallVector<int64_t> steps;
};

/// Reads the bounds of a Slice node (attributes before opset 10, operands since). On failure the node carries the
/// error.
bool readSlice(NodeImporter &node, SliceBounds &result);

/// Result shape of a Reshape, Flatten, Squeeze or Unsqueeze node. On failure the node carries the error.
bool readReshape(NodeImporter &node, SymbolicShape &result);

} // namespace bitwright::onnximport

#endif
