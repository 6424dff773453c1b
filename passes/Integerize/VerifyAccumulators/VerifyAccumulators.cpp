//===- VerifyAccumulators.cpp - no accumulator leaves 32 bits --------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Integerize/VerifyAccumulators/VerifyAccumulators.h"
#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Kernel/Kernel.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Quantize/Remark.h"

namespace bitwright {
#define GEN_PASS_DEF_VERIFYACCUMULATORS
#include "passes/Integerize/VerifyAccumulators/VerifyAccumulators.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {

/// The constant behind a value, through the operands of the regions around it.
std::optional<WeightData> constantThrough(Value value) {
  while (auto argument = dyn_cast<BlockArgument>(value)) {
    auto region = dyn_cast<kernel::FusedOp>(argument.getOwner()->getParentOp());
    if (!region)
      return std::nullopt;
    value = region.getInputs()[argument.getArgNumber()];
  }
  return getConstant(value);
}

/// Largest |x - zeroPoint| over the codes of the value's type.
int64_t largestDistance(Value codes, int32_t zeroPoint) {
  unsigned bits = cast<RankedTensorType>(codes.getType()).getElementTypeBitWidth();
  int64_t low = -(int64_t(1) << (bits - 1)), high = -low - 1;
  return std::max(zeroPoint - low, high - zeroPoint);
}

struct VerifyAccumulators : bitwright::impl::VerifyAccumulatorsBase<VerifyAccumulators> {
  std::optional<SymbolicShapes> shapes;
  SmallVector<DimSymbol> symbols;
  bool good = true;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    auto computed = SymbolicShapes::compute(func);
    if (failed(computed))
      return signalPassFailure();
    shapes = std::move(*computed);
    symbols = getSymbols(func);
    good = true;
    func.walk([&](Operation *op) {
      if (auto conv = dyn_cast<dyadic::ConvOp>(op))
        checkProduct(op, conv.getInput(), conv.getWeight(), conv.getBias(), conv.getInputZeroPoint(), conv.getGroups(),
                     false);
      else if (auto conv = dyn_cast<dyadic::ConvTransposeOp>(op))
        checkProduct(op, conv.getInput(), conv.getWeight(), conv.getBias(), conv.getInputZeroPoint(), conv.getGroups(),
                     true);
      else if (auto linear = dyn_cast<dyadic::LinearOp>(op))
        checkProduct(op, linear.getInput(), linear.getWeight(), linear.getBias(), linear.getInputZeroPoint(), 1, false);
      else if (auto matmul = dyn_cast<dyadic::MatmulOp>(op))
        checkGeneric(op, upper(shapes->get(matmul.getLhs()).back()),
                     largestDistance(matmul.getLhs(), matmul.getLhsZeroPoint()),
                     largestDistance(matmul.getRhs(), matmul.getRhsZeroPoint()));
      else if (auto sum = dyn_cast<dyadic::ReduceSumOp>(op)) {
        int64_t count = 1;
        for (int64_t axis : sum.getAxes())
          if (llvm::MulOverflow(count, upper(shapes->get(sum.getInput())[size_t(axis)]), count))
            count = INT64_MAX / 65536;
        checkGeneric(op, count, largestDistance(sum.getInput(), sum.getInputZeroPoint()), 1);
      }
    });
    if (!good)
      signalPassFailure();
  }

  int64_t upper(AffineExpr expr) { return rangeOf(expr, symbols).second; }

  void report(Operation *op, const std::string &channel, __int128 bound, int64_t k) {
    good = false;
    // A bound past int64 is printed as its limit.
    int64_t shown = bound > INT64_MAX ? INT64_MAX : int64_t(bound);
    op->emitOpError() << "V3: '" << bitwright::getName(op) << "'" << channel << ": the accumulator may reach " << shown
                      << " with K = " << k
                      << ": expected less than 2^31 = 2147483648 (R14); use fewer bits or split the sum";
  }

  void checkGeneric(Operation *op, int64_t k, int64_t a, int64_t b) {
    __int128 bound = __int128(k) * a * b;
    if (bound >= (__int128(1) << 31))
      report(op, "", bound, k);
  }

  /// R14: sum_k |w| * max |x - zx| + |bias| for each output channel.
  void checkProduct(Operation *op, Value input, Value weight, Value bias, int32_t zeroPoint, int64_t groups,
                    bool transposed) {
    int64_t distance = largestDistance(input, zeroPoint);
    auto data = constantThrough(weight);
    auto type = cast<RankedTensorType>(weight.getType());
    if (!data) {
      int64_t k = 1;
      for (int64_t i = 0; i < type.getRank(); ++i)
        k *= i == (transposed ? 1 : 0) ? 1 : type.getDimSize(i);
      return checkGeneric(op, k, distance, int64_t(1) << (type.getElementTypeBitWidth() - 1));
    }
    ArrayRef<int64_t> shape = type.getShape();
    int64_t taps = 1;
    for (int64_t t : shape.drop_front(2))
      taps *= t;
    int64_t outputs = transposed ? shape[1] * groups : shape[0];
    int64_t k = (transposed ? shape[0] / groups : shape[1]) * taps;
    std::vector<__int128> bounds(size_t(outputs), 0);
    for (auto [i, w] : llvm::enumerate(toIntegers(*data))) {
      int64_t a = int64_t(i) / taps / shape[1], b = int64_t(i) / taps % shape[1];
      bounds[size_t(transposed ? a / (shape[0] / groups) * shape[1] + b : a)] += std::abs(w) * distance;
    }
    if (bias) {
      auto biases = constantThrough(bias);
      if (!biases) {
        good = false;
        op->emitOpError() << "V3: '" << bitwright::getName(op)
                          << "': expected a constant bias, found one that is computed: no bound on the accumulator";
        return;
      }
      for (auto [c, value] : llvm::enumerate(toIntegers(*biases)))
        bounds[c] += std::abs(value);
    }
    __int128 largest = 0;
    for (auto [c, bound] : llvm::enumerate(bounds)) {
      if (bound >= (__int128(1) << 31))
        return report(op, ", channel " + std::to_string(c), bound, k);
      largest = std::max(largest, bound);
    }
    remarkOn(op, true, "verify", "accumulator",
             "the accumulator stays within " + std::to_string(int64_t(largest)) + ", K = " + std::to_string(k));
  }
};
} // namespace
