//===- InMemoryModel.h - compile a function and load it, without a file ----===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_INMEMORYMODEL_H
#define BITWRIGHT_LIB_EVALUATE_INMEMORYMODEL_H

#include "bitwright-c/runtime.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace bitwright {

/// A model of the runtime, compiled in this process.
class InMemoryModel {
public:
  /// Fuses, lowers and packages `module`, which is consumed and holds one function of qnn and dyadic operations.
  /// `inspect` (optional) sees the function once it is fused and has its layouts. `isa` as for lower-to-exec; empty:
  /// all.
  static llvm::Expected<std::unique_ptr<InMemoryModel>>
  compile(mlir::OwningOpRef<mlir::ModuleOp> module, llvm::StringRef isa = "",
          llvm::function_ref<void(mlir::func::FuncOp)> inspect = nullptr);
  ~InMemoryModel() { bw_model_destroy(model); }
  InMemoryModel(const InMemoryModel &) = delete;
  bw_model *get() const { return model; }

private:
  explicit InMemoryModel(bw_model *model) : model(model) {}
  bw_model *model;
};

/// The runtime's last error as an llvm::Error.
llvm::Error runtimeError();

} // namespace bitwright

#endif
