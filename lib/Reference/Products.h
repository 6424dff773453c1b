//===- Products.h - sums of products, one chain an output ------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_REFERENCE_PRODUCTS_H
#define BITWRIGHT_LIB_REFERENCE_PRODUCTS_H

#include "lib/Reference/Interpreter.h"

namespace bitwright::reference {

/// What `qnn.conv`, `dyadic.conv` and their transposed forms have in common. `pads`: begins then ends.
struct ConvGeometry {
  llvm::ArrayRef<int64_t> strides, pads, dilations;
  int64_t groups = 1;
  bool transposed = false;
};

/// T is float (F4: one fma chain an output, taps outer, channels inner, from 0), int32_t (exact as long as every
/// partial sum fits; the caller has proven that) or int64_t (exact). Inputs hold T. The bias is not added. conv: x N x
/// C x spatial, w O x C/groups x kernel (transposed: C x O/groups x kernel); y of shape `outShape`. Padding elements
/// (transposed: also the positions between input elements) enter as x = 0.
template <typename T>
Tensor convolve(const Tensor &x, const Tensor &w, const ConvGeometry &geometry, llvm::ArrayRef<int64_t> outShape,
                Element element, unsigned threads);

/// a: batch x M x K, b: batch x K x N (bTransposed: N x K) with batch dimensions broadcast to those of outShape
/// (... x M x N). Rank >= 2 each.
template <typename T>
Tensor multiply(const Tensor &a, const Tensor &b, bool bTransposed, llvm::ArrayRef<int64_t> outShape, Element element,
                unsigned threads);

/// y[..., channel, ...] += bias[channel] along dimension `axis`, in place.
template <typename T> void addBias(Tensor &y, const Tensor &bias, int64_t axis);

} // namespace bitwright::reference

#endif
