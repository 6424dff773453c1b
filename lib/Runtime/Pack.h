//===- Pack.h - weights in the order that a GPU reads -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "lib/Artifact/Gpu.h"

namespace bitwright::runtime {

/// The bytes of `layout::pack` for a matrix that lies at `source` in `order` (at least `canonicalBytes` of it). Uses
/// several threads where the matrix is large: this runs once a model and device, at upload.
///   RowMajor      elements of packing.bits bits, low nibble first
///   PanelBytes    s8 [rows/16][columns/4][16][4]
///   PanelNibbles  [rows/16][columns/8][16][4 bytes]: byte j of a row's four has k = j in its low and k = 4 + j in its
///                 high nibble
/// `signExtend` says whether 4- and 8-bit elements are read as signed before the packing's bias is added.
std::vector<uint8_t> packWeight(const layout::Packing &packing, artifact::CanonicalOrder order, bool signExtend,
                                const uint8_t *source);

/// Element (row, column) of such a matrix.
int64_t canonicalElement(const layout::Packing &packing, artifact::CanonicalOrder order, bool signExtend,
                         const uint8_t *source, int64_t row, int64_t column);

} // namespace bitwright::runtime
