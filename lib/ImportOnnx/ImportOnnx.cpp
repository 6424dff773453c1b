//===- ImportOnnx.cpp - ONNX models into qnn --------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/ImportOnnx.h"
#include "dialects/Dyadic/Dyadic.h"
#include "lib/ImportOnnx/Importer.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

llvm::Expected<DimBinding> bitwright::parseDimBinding(StringRef text) {
  auto fail = [&](const Twine &reason) {
    return llvm::createStringError(("--dim " + text + ": " + reason +
                                    "; expected NAME=VALUE, NAME=LOW..HIGH or NAME=LOW..HIGH/DIVISOR, " +
                                    "where NAME is a dimension's name or INPUT:AXIS")
                                       .str());
  };
  auto [key, range] = text.rsplit('=');
  if (key.empty() || key.size() == text.size())
    return fail("found no '='");
  DimBinding binding;
  binding.key = key.str();
  auto [bounds, divisor] = range.split('/');
  auto [low, high] = bounds.split("..");
  bool isRange = bounds.contains("..");
  if (low.getAsInteger(10, binding.min) || (isRange && high.getAsInteger(10, binding.max)))
    return fail("found no number in '" + bounds + "'");
  if (!isRange)
    binding.max = binding.min;
  if (range.contains('/') && divisor.getAsInteger(10, binding.divisor))
    return fail("found no number in '" + divisor + "'");
  constexpr int64_t limit = int64_t(1) << 31;
  if (binding.min < 1 || binding.max < binding.min || binding.max > limit)
    return fail("a size is at least 1 and at most 2^31, and LOW at most HIGH");
  if (binding.divisor < 1 || binding.min % binding.divisor || binding.max % binding.divisor)
    return fail("LOW and HIGH must be multiples of DIVISOR");
  return binding;
}

static FailureOr<OwningOpRef<ModuleOp>> import(llvm::Expected<OnnxModel> model, StringRef name, MLIRContext *context,
                                               const ImportOptions &options) {
  if (!model) {
    emitError(FileLineColLoc::get(context, name, 0, 0)) << llvm::toString(model.takeError());
    return failure();
  }
  context->loadDialect<func::FuncDialect, qnn::QnnDialect, dyadic::DyadicDialect>();
  return Importer(*model, context, name, options).run();
}

FailureOr<OwningOpRef<ModuleOp>> bitwright::importOnnx(StringRef path, MLIRContext *context,
                                                       const ImportOptions &options) {
  return import(OnnxModel::fromFile(path), path, context, options);
}

FailureOr<OwningOpRef<ModuleOp>> bitwright::importOnnx(ArrayRef<uint8_t> bytes, StringRef name, MLIRContext *context,
                                                       const ImportOptions &options) {
  return import(OnnxModel::fromBytes(bytes), name, context, options);
}
