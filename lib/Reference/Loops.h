//===- Loops.h - index loops that the interpreter's functions share --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_REFERENCE_LOOPS_H
#define BITWRIGHT_LIB_REFERENCE_LOOPS_H

#include "lib/Reference/Tensor.h"

#include <array>

namespace bitwright::reference {

/// Counts through all indices of a shape in row-major order.
class IndexCounter {
public:
  explicit IndexCounter(llvm::ArrayRef<int64_t> shape) : shape(shape.begin(), shape.end()), index(shape.size(), 0) {
    done = elementCount(shape) == 0;
  }
  bool isDone() const { return done; }
  llvm::ArrayRef<int64_t> get() const { return index; }
  int64_t operator[](size_t i) const { return index[i]; }
  void next() {
    for (int64_t d = int64_t(index.size()) - 1; d >= 0; --d) {
      if (++index[d] < shape[d])
        return;
      index[d] = 0;
    }
    done = true;
  }

private:
  Shape shape, index;
  bool done;
};

/// Strides of a tensor seen under a broadcast shape: 0 where its dimension is 1 or missing.
inline Shape broadcastStrides(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> target) {
  Shape own = rowMajorStrides(shape), strides(target.size(), 0);
  size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    strides[lead + i] = shape[i] == 1 ? 0 : own[i];
  return strides;
}

/// Calls body(out, offsets) for every output element in row-major order; offsets[j] is the element of operand j under
/// its strides (one stride a dimension of `shape`).
template <size_t N, typename Body>
void forEachStrided(llvm::ArrayRef<int64_t> shape, const std::array<Shape, N> &strides, Body &&body) {
  int64_t total = elementCount(shape);
  if (total == 0)
    return;
  int64_t rank = int64_t(shape.size());
  int64_t inner = rank ? shape[rank - 1] : 1;
  std::array<int64_t, N> base{}, step{};
  for (size_t j = 0; j < N; ++j)
    step[j] = rank ? strides[j][rank - 1] : 0;
  Shape index(rank, 0);
  for (int64_t out = 0; out < total; out += inner) {
    std::array<int64_t, N> offsets = base;
    for (int64_t i = 0; i < inner; ++i) {
      body(out + i, offsets);
      for (size_t j = 0; j < N; ++j)
        offsets[j] += step[j];
    }
    for (int64_t d = rank - 2; d >= 0; --d) {
      for (size_t j = 0; j < N; ++j)
        base[j] += strides[j][d];
      if (++index[d] < shape[d])
        break;
      for (size_t j = 0; j < N; ++j)
        base[j] -= strides[j][d] * shape[d];
      index[d] = 0;
    }
  }
}

/// Calls body(out, offsets) with the operands broadcast to `shape`.
template <size_t N, typename Body>
void forEachBroadcast(llvm::ArrayRef<int64_t> shape, const std::array<llvm::ArrayRef<int64_t>, N> &operands,
                      Body &&body) {
  std::array<Shape, N> strides;
  for (size_t j = 0; j < N; ++j)
    strides[j] = broadcastStrides(operands[j], shape);
  forEachStrided<N>(shape, strides, body);
}

/// Calls body(T{}) with the storage type of an element type (F16 and BF16 as uint16_t).
template <typename Body> auto withStorage(Element element, Body &&body) {
  switch (sizeOf(element)) {
  case 1:
    return body(uint8_t{});
  case 2:
    return body(uint16_t{});
  case 4:
    return body(uint32_t{});
  default:
    return body(uint64_t{});
  }
}

/// The tensor with its dimensions permuted: out.dim(i) = in.dim(perm[i]). A copy.
Tensor permuted(const Tensor &tensor, llvm::ArrayRef<int64_t> perm);

} // namespace bitwright::reference

#endif
