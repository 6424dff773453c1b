//===- ExecToArtifact.h - exec IR and the content of a .bwm file -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_PACKAGE_EXECTOARTIFACT_H
#define BITWRIGHT_PASSES_PACKAGE_EXECTOARTIFACT_H

#include "dialects/Exec/Exec.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Artifact/Model.h"

namespace bitwright {

/// The artifact of a program. Bytes are shared with the weight store, not copied. Diagnoses references that do not
/// resolve.
mlir::FailureOr<artifact::Model> toArtifact(exec::ProgramOp program);

/// The program of an artifact, its bytes added to the context's weight store under "bwm/...". The inverse of
/// `toArtifact` but for launch bodies, which a file does not hold. Diagnoses expressions with max or min, which the
/// compiler never writes, and returns null.
mlir::OwningOpRef<mlir::ModuleOp> fromArtifact(const artifact::Model &model, mlir::MLIRContext *context);

artifact::DimExpr toDimExpr(mlir::AffineExpr expr);
mlir::AffineExpr fromDimExpr(const artifact::DimExpr &expr, mlir::MLIRContext *context);
artifact::ElementType toElementType(mlir::Type type);
mlir::Type fromElementType(artifact::ElementType type, mlir::MLIRContext *context);

} // namespace bitwright

#endif
