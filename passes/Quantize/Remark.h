//===- Remark.h - one remark an operation ----------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_QUANTIZE_REMARK_H
#define BITWRIGHT_PASSES_QUANTIZE_REMARK_H

#include "dialects/Qnn/Qnn.h"
#include "mlir/IR/Remarks.h"

namespace bitwright {

/// "NAME (kind): text" as a passed (`good`) or missed remark of a category; `--remarks-filter=CATEGORY` shows them.
inline void remarkOn(mlir::Operation *op, bool good, llvm::StringRef category, llvm::StringRef remark,
                     const std::string &text) {
  auto options = mlir::remark::RemarkOpts::name(remark).category(category);
  std::string name = getName(op).str(), kind = op->getName().stripDialect().str();
  if (good)
    mlir::remark::passed(op->getLoc(), options)
        << mlir::remark::metric("Op", name) << mlir::remark::metric("Kind", kind) << mlir::remark::add("{0}", text);
  else
    mlir::remark::missed(op->getLoc(), options)
        << mlir::remark::metric("Op", name) << mlir::remark::metric("Kind", kind) << mlir::remark::add("{0}", text);
}

} // namespace bitwright

#endif
