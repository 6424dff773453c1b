//===- ImportOnnx.h - ONNX models into qnn ---------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Reads an ONNX model (IR version 3 or newer, opsets 7 to 28) into one function @main of the qnn dialect. Shape
// arithmetic is evaluated while importing: what remains are tensors that depend on the input data.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_IMPORTONNX_IMPORTONNX_H
#define BITWRIGHT_LIB_IMPORTONNX_IMPORTONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace bitwright {

/// What `--dim KEY=VALUE` says: KEY is the name of a symbolic dimension, or INPUT:AXIS. min == max binds it to a
/// constant.
struct DimBinding {
  std::string key;
  int64_t min = 1, max = 1, divisor = 1;
};

/// Parses `W=320`, `W=32..1280`, `W=32..1280/8` (multiples of 8 only) or the same with `input:axis` for the name.
llvm::Expected<DimBinding> parseDimBinding(llvm::StringRef text);

struct ImportOptions {
  std::vector<DimBinding> dims;
};

/// Limits that hold before anything is allocated for a model.
constexpr int64_t kMaxElements = int64_t(1) << 40;
constexpr int64_t kMaxRank = 32;

/// Imports the model at `path`. Weights go to the context's WeightStore: embedded ones are taken over from the parsed
/// file, external ones mapped. Every operator and attribute combination that is not supported is reported before the
/// function fails; diagnostics are located at the file. Loads the dialects it needs.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importOnnx(llvm::StringRef path, mlir::MLIRContext *context,
                                                              const ImportOptions &options = {});

/// The same from memory (fuzzers, tests). External data is refused: there is no folder that it could lie in.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importOnnx(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef name,
                                                              mlir::MLIRContext *context,
                                                              const ImportOptions &options = {});

/// docs/Operators.md: every operator, its opsets, and each attribute combination that is refused with its reason.
std::string describeOnnxOperators();

} // namespace bitwright

#endif
