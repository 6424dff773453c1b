//===- VerifyQuantized.cpp - checks what quantize hands on -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/VerifyQuantized/VerifyQuantized.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/QuantizableOps.h"

namespace bitwright {
#define GEN_PASS_DEF_VERIFYQUANTIZED
#include "passes/Quantize/VerifyQuantized/VerifyQuantized.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct VerifyQuantized : bitwright::impl::VerifyQuantizedBase<VerifyQuantized> {
  void runOnOperation() override {
    bool good = true;
    for (Operation &op : getOperation().getBody().front()) {
      if (auto quantize = dyn_cast<qnn::QuantizeOp>(op))
        good &= succeeded(checkScales(quantize, quantize.getScale()));
      if (auto dequantize = dyn_cast<qnn::DequantizeOp>(op))
        good &= succeeded(checkScales(dequantize, dequantize.getScale())) && succeeded(checkWeight(dequantize));
      if (classify(&op) == OpClass::Movement)
        good &= succeeded(checkTie(&op));
    }
    if (!good)
      signalPassFailure();
  }

  static LogicalResult checkScales(Operation *op, Value scale) {
    auto data = getConstant(scale);
    if (!data)
      return success(); // dynamic scales are computed from the data
    for (auto [i, s] : llvm::enumerate(toFloats(*data)))
      if (!(s >= 0x1p-126f) || std::isinf(s))
        return op->emitOpError() << "'" << bitwright::getName(op)
                                 << "': Q2: expected finite scales of at least 2^-126, found " << std::to_string(s)
                                 << " at index " << i;
    return success();
  }

  /// Codes of products are symmetric: [-(2^(b-1) - 1), 2^(b-1) - 1], zero point 0.
  static LogicalResult checkWeight(qnn::DequantizeOp dequantize) {
    auto codes = getConstant(dequantize.getInput());
    bool isWeight = llvm::any_of(dequantize->getUses(), [](OpOperand &use) {
      return use.getOperandNumber() == 1 && use.getOwner()->hasAttr(weightSchemeAttr) &&
             classify(use.getOwner()) == OpClass::Product;
    });
    // Groups may have zero points, and use all codes then.
    if (!codes || !isWeight || dequantize.getScheme().getGranularity() == qnn::Granularity::Group)
      return success();
    int64_t limit = (int64_t(1) << (dequantize.getInput().getType().getElementTypeBitWidth() - 1)) - 1;
    for (auto [i, q] : llvm::enumerate(toIntegers(*codes)))
      if (q < -limit || q > limit)
        return dequantize.emitOpError() << "'" << bitwright::getName(dequantize) << "': expected symmetric codes in ["
                                        << -limit << ", " << limit << "], found " << q << " at element " << i;
    if (auto zeroPoint = dequantize.getZeroPoint())
      if (auto data = getConstant(zeroPoint))
        for (int64_t z : toIntegers(*data))
          if (z != 0)
            return dequantize.emitOpError()
                   << "'" << bitwright::getName(dequantize) << "': expected weights with zero point 0, found " << z;
    return success();
  }

  /// E5: the same grid before and behind an operation that moves codes.
  static LogicalResult checkTie(Operation *op) {
    if (isa<qnn::ConcatOp>(op) || !op->getResult(0).hasOneUse())
      return success();
    auto before = op->getOperand(0).getDefiningOp<qnn::DequantizeOp>();
    auto behind = dyn_cast<qnn::QuantizeOp>(*op->getResult(0).getUsers().begin());
    auto first = before ? gridOf(before) : std::nullopt, second = behind ? gridOf(behind) : std::nullopt;
    // Imported graphs may rescale here; what place-quantizers made must not.
    if (!op->hasAttr(activationSchemeAttr) || !first || !second || *first == *second)
      return success();
    InFlightDiagnostic error =
        op->emitOpError() << "'" << bitwright::getName(op) << "': E5: expected one grid before and behind, found scale "
                          << first->scale << " and zero point " << first->zeroPoint << " before, scale "
                          << second->scale << " and zero point " << second->zeroPoint << " behind";
    error.attachNote(behind.getLoc()) << "the quantizer behind";
    return error;
  }
};
} // namespace
