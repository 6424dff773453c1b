//===- Windows.h - sliding windows of the pooling ops ----------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_REFERENCE_WINDOWS_H
#define BITWRIGHT_LIB_REFERENCE_WINDOWS_H

#include "lib/Reference/Loops.h"

namespace bitwright::reference {

/// The windows of a pooling over N x C x spatial.
class Windows {
public:
  Windows(llvm::ArrayRef<int64_t> input, llvm::ArrayRef<int64_t> output, llvm::ArrayRef<int64_t> kernel,
          llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> pads, llvm::ArrayRef<int64_t> dilations)
      : input(input.drop_front(2).begin(), input.end()), output(output.drop_front(2).begin(), output.end()),
        kernel(kernel), strides(strides), pads(pads), dilations(dilations), planes(output[0] * output[1]) {}

  /// Calls body(out, elements, padded): the output element; the input elements of its window that lie inside the input,
  /// in row-major order; and how many positions of the window lie inside the input with its padding.
  template <typename Body> void forEach(Body &&body) const {
    int64_t inPlane = elementCount(input), out = 0;
    llvm::SmallVector<int64_t> elements;
    for (int64_t plane = 0; plane < planes; ++plane)
      for (IndexCounter position(output); !position.isDone(); position.next(), ++out) {
        elements.clear();
        int64_t padded = 0;
        for (IndexCounter tap(kernel); !tap.isDone(); tap.next()) {
          int64_t at = 0;
          bool insidePadding = true;
          for (size_t d = 0; d < input.size(); ++d) {
            int64_t i = position[d] * strides[d] + tap[d] * dilations[d] - pads[d];
            insidePadding &= i < input[d] + pads[input.size() + d];
            at = at < 0 || i < 0 || i >= input[d] ? -1 : at * input[d] + i;
          }
          padded += insidePadding;
          if (at >= 0)
            elements.push_back(plane * inPlane + at);
        }
        body(out, llvm::ArrayRef<int64_t>(elements), padded);
      }
  }

private:
  Shape input, output;
  llvm::ArrayRef<int64_t> kernel, strides, pads, dilations;
  int64_t planes;
};

} // namespace bitwright::reference

#endif
