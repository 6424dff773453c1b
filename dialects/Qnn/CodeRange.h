//===- CodeRange.h - the codes that a scheme allows -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_QNN_CODERANGE_H
#define BITWRIGHT_DIALECTS_QNN_CODERANGE_H

#include "dialects/Qnn/Qnn.h"
#include <algorithm>

namespace bitwright::qnn {

/// Bits of the codes of a signed scheme whose elements are `element`: those of the type, or fewer where the storage
/// format says so (s9 to s15 in an i16: a grid whose products would leave 32 bits with all 16, INTEGER R14).
inline unsigned codeBits(SchemeAttr scheme, mlir::Type element) {
  unsigned width = element.getIntOrFloatBitWidth(), bits = 0;
  llvm::StringRef text = scheme.getStorage();
  if (element.isUnsignedInteger() || !text.consume_front("s") || text.getAsInteger(10, bits) || bits == 0)
    return width;
  return std::min(width, bits);
}

/// Lowest and highest code.
inline std::pair<int64_t, int64_t> codeRange(SchemeAttr scheme, mlir::Type element) {
  unsigned bits = codeBits(scheme, element);
  if (element.isUnsignedInteger())
    return {0, (int64_t(1) << bits) - 1};
  return {-(int64_t(1) << (bits - 1)), (int64_t(1) << (bits - 1)) - 1};
}

} // namespace bitwright::qnn

#endif
