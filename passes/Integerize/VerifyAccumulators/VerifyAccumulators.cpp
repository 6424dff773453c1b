//===- VerifyAccumulators.cpp - no accumulator leaves 32 bits --------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Integerize/VerifyAccumulators/VerifyAccumulators.h"
#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Kernel/Kernel.h"
#include "dialects/Qnn/CodeRange.h"
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

/// Operations whose results hold elements of their first operand (of all, for a concat), and the border of a pad.
bool movesCodes(Operation *op) {
  return isa<qnn::MaxPoolOp, qnn::ReshapeOp, qnn::TransposeOp, qnn::SliceOp, qnn::GatherOp, qnn::ConcatOp, qnn::TileOp,
             qnn::BroadcastOp, qnn::DepthToSpaceOp, qnn::SpaceToDepthOp, qnn::ReduceMaxOp, qnn::ReduceMinOp,
             qnn::PadOp>(op) ||
         (isa<qnn::ResizeOp>(op) && cast<qnn::ResizeOp>(op).getMode() == qnn::ResizeMode::Nearest);
}

/// Lowest and highest code that a value can hold for any input: what clamps, quantizers and constants leave of its
/// type, through what moves codes and the borders of regions.
std::pair<int64_t, int64_t> codeRangeOf(Value value) {
  unsigned bits = cast<RankedTensorType>(value.getType()).getElementTypeBitWidth();
  std::pair<int64_t, int64_t> whole = {-(int64_t(1) << (bits - 1)), (int64_t(1) << (bits - 1)) - 1};
  if (bits <= 8)
    return whole; // no grid of 8 bits is narrower than its type
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto region = dyn_cast<kernel::FusedOp>(argument.getOwner()->getParentOp());
    return region ? codeRangeOf(region.getInputs()[argument.getArgNumber()]) : whole;
  }
  Operation *op = value.getDefiningOp();
  if (auto region = dyn_cast<kernel::FusedOp>(op))
    return codeRangeOf(region.getYield().getValues()[cast<OpResult>(value).getResultNumber()]);
  if (auto quantize = dyn_cast<qnn::QuantizeOp>(op))
    return qnn::codeRange(quantize.getScheme(), quantize.getOutput().getType().getElementType());
  if (isa<dyadic::RescaleOp, dyadic::AddOp, dyadic::MulOp, dyadic::RescaleMeanOp, dyadic::AvgPoolOp>(op)) {
    ArrayRef<int32_t> clamp = op->getAttrOfType<DenseI32ArrayAttr>("clamp");
    return {clamp[0], clamp[1]};
  }
  if (auto data = getConstant(value)) {
    std::pair<int64_t, int64_t> range = {0, 0};
    for (int64_t v : toIntegers(*data))
      range = {std::min(range.first, v), std::max(range.second, v)};
    return range;
  }
  if (movesCodes(op)) {
    // A window wholly in the padding has no element.
    if (auto pool = dyn_cast<qnn::MaxPoolOp>(op)) {
      bool full = !pool.getCeilMode();
      for (auto [i, pad] : llvm::enumerate(pool.getPads())) {
        size_t d = i % pool.getKernel().size();
        full &= pad <= (pool.getKernel()[d] - 1) * pool.getDilations()[d];
      }
      if (!full)
        return whole;
    }
    std::pair<int64_t, int64_t> range = codeRangeOf(op->getOperand(0));
    if (auto concat = dyn_cast<qnn::ConcatOp>(op))
      for (Value input : concat.getInputs()) {
        auto other = codeRangeOf(input);
        range = {std::min(range.first, other.first), std::max(range.second, other.second)};
      }
    if (auto pad = dyn_cast<qnn::PadOp>(op)) {
      int64_t border = int64_t(pad.getValue().convertToDouble());
      range = {std::min(range.first, border), std::max(range.second, border)};
    }
    return range;
  }
  return whole;
}

/// Largest |x - zeroPoint| over the codes that the value can hold.
int64_t largestDistance(Value codes, int32_t zeroPoint) {
  auto [low, high] = codeRangeOf(codes);
  return std::max<int64_t>({zeroPoint - low, high - zeroPoint, 0});
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
      else if (auto linear = dyn_cast<dyadic::LinearTwoLevelOp>(op))
        checkTwoLevel(linear);
      else if (auto linear = dyn_cast<dyadic::LinearGroupsOp>(op))
        checkGroups(linear);
      else if (auto matmul = dyn_cast<dyadic::MatmulOp>(op))
        checkGeneric(op, upper(shapes->get(matmul.getLhs()).back()),
                     largestDistance(matmul.getLhs(), matmul.getLhsZeroPoint()),
                     largestDistance(matmul.getRhs(), matmul.getRhsZeroPoint()));
      else if (auto pool = dyn_cast<dyadic::AvgPoolOp>(op))
        checkGeneric(op, int64_t(pool.getMultiplier().size()),
                     largestDistance(pool.getInput(), pool.getInputZeroPoint()), 1);
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

  /// R16 on the stored codes, and the bound of the sum with the 8-bit weights that they make.
  void checkTwoLevel(dyadic::LinearTwoLevelOp op) {
    auto codes = constantThrough(op.getWeight()), scales = constantThrough(op.getGroupScale()),
         offsets = constantThrough(op.getGroupOffset());
    if (!codes || !scales || !offsets) {
      good = false;
      op->emitOpError() << "R16: '" << bitwright::getName(op)
                        << "': expected constant codes, group scales and group offsets, found some that are computed";
      return;
    }
    ArrayRef<int64_t> shape = codes->type.getShape();
    std::vector<int64_t> c = toIntegers(*codes), s = toIntegers(*scales), m = toIntegers(*offsets);
    int64_t group = int64_t(op.getGroup()), groups = shape[1] / group;
    for (size_t i = 0; i < c.size(); ++i) {
      int64_t row = int64_t(i) / shape[1], g = int64_t(i) % shape[1] / group;
      size_t p = size_t(row * groups + g);
      if (s[p] < 1 || s[p] > 17) {
        good = false;
        op->emitOpError() << "R16: '" << bitwright::getName(op) << "', row " << row << ", group " << g
                          << ": expected a group scale in [1, 17], found " << s[p];
        return;
      }
      int64_t w = (c[i] & 15) * s[p] + m[p];
      if (w <= -128 || w > 127) {
        good = false;
        op->emitOpError() << "R16: '" << bitwright::getName(op) << "', row " << row << ", group " << g << ": code "
                          << (c[i] & 15) << " makes the weight " << w << ": expected one in [-127, 127]";
        return;
      }
      c[i] = w;
    }
    checkMatrix(op, op.getInput(), c, shape, op.getBias(), op.getInputZeroPoint());
  }

  /// Each partial sum by itself.
  void checkGroups(dyadic::LinearGroupsOp op) {
    auto type = op.getWeight().getType();
    int64_t group = int64_t(op.getGroup()), distance = largestDistance(op.getInput(), op.getInputZeroPoint());
    auto codes = constantThrough(op.getWeight());
    auto zeroPoints = op.getZeroPoint() ? constantThrough(op.getZeroPoint()) : std::nullopt;
    if (!codes || (op.getZeroPoint() && !zeroPoints))
      return checkGeneric(op, group, distance,
                          (int64_t(1) << (type.getElementTypeBitWidth() - 1)) + (op.getZeroPoint() ? 128 : 0));
    std::vector<int64_t> c = toIntegers(*codes), z = zeroPoints ? toIntegers(*zeroPoints) : std::vector<int64_t>();
    int64_t groups = type.getDimSize(1) / group;
    __int128 largest = 0;
    for (size_t p = 0; p < size_t(type.getDimSize(0) * groups); ++p) {
      __int128 bound = 0;
      for (int64_t k = 0; k < group; ++k)
        bound += std::abs(c[p * size_t(group) + size_t(k)] - (z.empty() ? 0 : z[p])) * distance;
      if (bound >= (__int128(1) << 31))
        return report(
            op, ", channel " + std::to_string(int64_t(p) / groups) + ", group " + std::to_string(int64_t(p) % groups),
            bound, group);
      largest = std::max(largest, bound);
    }
    remarkOn(op, true, "verify", "accumulator",
             "the partial sums stay within " + std::to_string(int64_t(largest)) + ", K = " + std::to_string(group));
  }

  /// Weights N x K known as integers.
  void checkMatrix(Operation *op, Value input, ArrayRef<int64_t> weights, ArrayRef<int64_t> shape, Value bias,
                   int32_t zeroPoint) {
    int64_t distance = largestDistance(input, zeroPoint);
    auto biases = bias ? constantThrough(bias) : std::nullopt;
    if (bias && !biases) {
      good = false;
      op->emitOpError() << "V3: '" << bitwright::getName(op)
                        << "': expected a constant bias, found one that is computed: no bound on the accumulator";
      return;
    }
    std::vector<int64_t> b = biases ? toIntegers(*biases) : std::vector<int64_t>(size_t(shape[0]), 0);
    __int128 largest = 0;
    for (int64_t row = 0; row < shape[0]; ++row) {
      __int128 bound = std::abs(b[size_t(row)]);
      for (int64_t w : weights.slice(size_t(row * shape[1]), size_t(shape[1])))
        bound += std::abs(w) * distance;
      if (bound >= (__int128(1) << 31))
        return report(op, ", channel " + std::to_string(row), bound, shape[1]);
      largest = std::max(largest, bound);
    }
    remarkOn(op, true, "verify", "accumulator",
             "the accumulator stays within " + std::to_string(int64_t(largest)) + ", K = " + std::to_string(shape[1]));
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
