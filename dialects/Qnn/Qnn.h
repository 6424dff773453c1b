//===- Qnn.h - the qnn dialect ---------------------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_QNN_QNN_H
#define BITWRIGHT_DIALECTS_QNN_QNN_H

#include "dialects/Qnn/SymbolicShapes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <memory>

namespace bitwright {
class WeightStore;
struct Statistics;
namespace qnn {
template <typename ConcreteType>
class Elementwise : public mlir::OpTrait::TraitBase<ConcreteType, Elementwise> {};
} // namespace qnn
} // namespace bitwright

#include "dialects/Qnn/SymbolicShapeOpInterface.h.inc"

#include "dialects/Qnn/QnnEnums.h.inc"

#include "dialects/Qnn/QnnDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Qnn/QnnAttributes.h.inc"

#define GET_OP_CLASSES
#include "dialects/Qnn/QnnOps.h.inc"

namespace bitwright {
/// The stable name of an operation (attribute `name`; empty if it has none) and of one of its results: "NAME" or "NAME:i".
llvm::StringRef getName(mlir::Operation *op);
void setName(mlir::Operation *op, llvm::StringRef name);
std::string getValueName(mlir::Value value);

/// The weight store of a context (loads the qnn dialect).
WeightStore &getWeightStore(mlir::MLIRContext *context);
} // namespace bitwright

#endif
