//===- ConvertQnnToDyadic.cpp - dequantize, operation, quantize to integers -===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Integerize/ConvertQnnToDyadic/ConvertQnnToDyadic.h"
#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Qnn/CodeRange.h"
#include "lib/Numerics/Integer.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Integerize/ConvertQnnToDyadic/LinearForms.h"
#include "passes/Integerize/ConvertQnnToDyadic/SignedCodes.h"
#include "passes/Quantize/QuantizableOps.h"
#include "passes/Quantize/Remark.h"
#include "llvm/ADT/MapVector.h"

namespace bitwright {
#define GEN_PASS_DEF_CONVERTQNNTODYADIC
#include "passes/Integerize/ConvertQnnToDyadic/ConvertQnnToDyadic.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {

constexpr auto halfUp = dyadic::Rounding::HalfUp;

/// A tensor of signed codes of 8 to 16 bits on one grid.
struct Codes {
  Value value;
  Grid grid;
  unsigned bits = 8;
};

/// Where a result goes: the output grid, the codes that it has and those that a fused clamp allows.
struct Target {
  Grid grid;
  unsigned bits = 8;
  std::string name;
  int32_t low = lowest(), high = highest();

  int32_t lowest() const { return -(int32_t(1) << (bits - 1)); }
  int32_t highest() const { return (int32_t(1) << (bits - 1)) - 1; }
  /// No clamp but that of the codes.
  bool isWhole() const { return low == lowest() && high == highest(); }
  Type elementType(Builder &builder) const { return builder.getIntegerType(bits > 8 ? 16 : 8); }
};

/// The integer side of a product: accumulator, and the real value of one step of each output channel.
struct Accumulator {
  Value value;
  SmallVector<double> scales; ///< one, or one an output channel
  std::optional<int64_t> axis;
};

struct ConvertQnnToDyadic : bitwright::impl::ConvertQnnToDyadicBase<ConvertQnnToDyadic> {
  using ConvertQnnToDyadicBase::ConvertQnnToDyadicBase;

  unsigned bits = 31;
  std::optional<SymbolicShapes> shapes;
  /// First reason why an operation stays in float.
  llvm::MapVector<Operation *, std::string> reasons;
  /// Why the attempt in progress failed.
  std::string why;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    reasons.clear();
    bits = multiplierBits;
    if (!bits)
      if (auto recipe = func->getAttrOfType<DictionaryAttr>(recipeAttr))
        if (auto attr = recipe.getAs<IntegerAttr>("multiplier_bits"))
          bits = unsigned(attr.getInt());
    if (!bits)
      bits = 31;
    if (bits != 15 && bits != 23 && bits != 31) {
      func.emitError() << "expected multiplier-bits of 15, 23 or 31, found " << bits;
      return signalPassFailure();
    }
    makeCodesSigned(func);
    auto computed = SymbolicShapes::compute(func);
    if (failed(computed))
      return signalPassFailure();
    shapes = std::move(*computed);

    Block &block = func.getBody().front();
    for (auto quantize : llvm::make_early_inc_range(block.getOps<qnn::QuantizeOp>()))
      convertToCodes(quantize);
    for (Operation &op : llvm::make_early_inc_range(block))
      if (classify(&op) == OpClass::Product || classify(&op) == OpClass::Matmul)
        convertToFloat(&op);
    removeDead(block);
    report(block);
    for (Operation &op : block)
      for (StringRef name :
           {weightSchemeAttr, weightClipAttr, weightPercentileAttr, weightZeroPointAttr, weightRoundingAttr,
            weightOnlyAttr, activationSchemeAttr, rangeAttr, wideRangeAttr, keepFloatAttr})
        op.removeAttr(name);
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      for (StringRef name : {rangeAttr, wideRangeAttr, activationSchemeAttr})
        func.removeArgAttr(i, name);
  }

  //===--------------------------------------------------------------------===//
  // Reading the quantized form
  //===--------------------------------------------------------------------===//

  static bool isCodes(Value value) {
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    return element.isSignlessInteger(8) || element.isSignlessInteger(16);
  }

  static std::optional<Codes> codesOf(Value value) {
    auto dequantize = value.getDefiningOp<qnn::DequantizeOp>();
    if (!dequantize || !isCodes(dequantize.getInput()))
      return std::nullopt;
    auto grid = gridOf(dequantize);
    if (!grid)
      return std::nullopt;
    return Codes{dequantize.getInput(), *grid,
                 qnn::codeBits(dequantize.getScheme(), dequantize.getInput().getType().getElementType())};
  }

  bool refuse(const Twine &reason) {
    why = reason.str();
    return false;
  }
  std::string nameOf(Operation *op) { return "'" + bitwright::getName(op).str() + "'"; }

  std::optional<Codes> operandCodes(Operation *op, unsigned i) {
    auto codes = codesOf(op->getOperand(i));
    if (!codes)
      refuse("operand '" + getValueName(op->getOperand(i)) +
             "' is not read as signed 8-bit or 16-bit codes with one grid");
    return codes;
  }

  static RankedTensorType typeLike(Value value, Type element) {
    return RankedTensorType::get(cast<RankedTensorType>(value.getType()).getShape(), element);
  }

  //===--------------------------------------------------------------------===//
  // Requantization
  //===--------------------------------------------------------------------===//

  bool encode(double real, numerics::Multiplier &out, const Twine &what) {
    switch (numerics::encodeMultiplier(real, int(bits), out)) {
    case numerics::EncodeStatus::Ok:
      return true;
    case numerics::EncodeStatus::TooLarge:
      return refuse(what + ": the multiplier " + Twine(std::to_string(real)) + " is 2^" + Twine(bits - 2) +
                    " or more (R3): a scale is wrong");
    case numerics::EncodeStatus::NotUsable:
      break;
    }
    return refuse(what + ": the multiplier is not a finite number (R2)");
  }

  /// dyadic.rescale to `target`, one multiplier or one a slice along `axis`; null with a reason on failure.
  Value rescale(OpBuilder &builder, Location loc, Value input, int32_t inputZeroPoint, ArrayRef<double> multipliers,
                std::optional<int64_t> axis, const Target &target) {
    SmallVector<int32_t> values;
    SmallVector<int8_t> shifts;
    for (auto [channel, real] : llvm::enumerate(multipliers)) {
      numerics::Multiplier encoded;
      if (!encode(real, encoded, "channel " + Twine(channel)))
        return {};
      values.push_back(encoded.value);
      shifts.push_back(int8_t(encoded.shift));
    }
    auto op = dyadic::RescaleOp::create(builder, loc, typeLike(input, target.elementType(builder)), input, values,
                                        shifts, bits, halfUp, inputZeroPoint, target.grid.zeroPoint,
                                        ArrayRef<int32_t>{target.low, target.high},
                                        axis ? builder.getI64IntegerAttr(*axis) : IntegerAttr());
    setName(op, target.name);
    return op;
  }

  /// Codes on another grid, or within a clamp; the codes themselves where nothing changes.
  Value regrid(OpBuilder &builder, Location loc, Codes codes, const Target &target) {
    if (codes.grid == target.grid && codes.bits == target.bits && target.isWhole())
      return codes.value;
    return rescale(builder, loc, codes.value, codes.grid.zeroPoint, {double(codes.grid.scale) / target.grid.scale},
                   std::nullopt, target);
  }

  //===--------------------------------------------------------------------===//
  // One quantize
  //===--------------------------------------------------------------------===//

  void convertToCodes(qnn::QuantizeOp quantize) {
    auto grid = gridOf(quantize);
    if (!grid || !isCodes(quantize.getOutput()))
      return;
    markGrid(quantize, *grid);
    // From the quantize up: functions of one element, then the operation that feeds them.
    SmallVector<Operation *> chain;
    Value root = quantize.getInput();
    while (Operation *op = root.getDefiningOp()) {
      if (classify(op) != OpClass::Unary || !root.hasOneUse())
        break;
      chain.push_back(op);
      root = dataOperands(op)[0]->get();
    }
    std::reverse(chain.begin(), chain.end());
    Operation *op = root.getDefiningOp();
    if (!op || isa<qnn::ConstantOp, qnn::WeightOp>(op))
      return; // the border of the graph
    OpBuilder builder(quantize);
    Target target{*grid, qnn::codeBits(quantize.getScheme(), quantize.getOutput().getType().getElementType()),
                  bitwright::getName(quantize).str()};
    why.clear();
    Value result;
    if (auto codes = codesOf(root)) {
      bool wide = codes->bits > 8 || target.bits > 8;
      if (!chain.empty() && !wide)
        result = lookup(builder, quantize.getLoc(), *codes, chain, target);
      else if (foldClamps(chain, target))
        result = regrid(builder, quantize.getLoc(), *codes, target);
      else
        refuse("a function of 16-bit codes would be a table of 65,536 entries");
      op = chain.empty() ? quantize : chain.back();
    } else if (!root.hasOneUse()) {
      refuse("its result is read in float as well");
    } else if (foldClamps(chain, target)) {
      result = convertOperation(builder, op, target);
    }
    if (!result) {
      // Group members stay together: the reason is the operation's.
      if (!why.empty())
        reasons.insert({op, why});
      return;
    }
    for (Operation *member : chain)
      remarkOn(member, true, "integerize", "integerized",
               member != op                               ? "part of " + nameOf(op)
               : result.getDefiningOp<dyadic::LookupOp>() ? "a table of 256 entries"
                                                          : "a clamp of codes");
    if (!llvm::is_contained(chain, op) && op != quantize)
      remarkOn(op, true, "integerize", "integerized", "codes in, codes out");
    if (result.getDefiningOp())
      markGrid(result.getDefiningOp(), *grid);
    quantize.getOutput().replaceAllUsesWith(result);
    quantize.erase();
  }

  /// The grid of the codes that an operation makes, for the file's quantization table.
  static void markGrid(Operation *op, const Grid &grid) {
    Builder builder(op->getContext());
    op->setAttr(gridAttr, builder.getDictionaryAttr(
                              {builder.getNamedAttr("scale", builder.getF32FloatAttr(grid.scale)),
                               builder.getNamedAttr("zero_point", builder.getI32IntegerAttr(grid.zeroPoint))}));
  }

  /// All of the chain must be limits that the requantization of the operation before it can take (R11).
  bool foldClamps(ArrayRef<Operation *> chain, Target &target) {
    Range limits = {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    for (Operation *op : chain) {
      if (!isClamp(op))
        return refuse("no quantizer stands between it and " + nameOf(op));
      Range next = clampLimits(op);
      limits = {std::min(std::max(limits.low, next.low), next.high),
                std::min(std::max(limits.high, next.low), next.high)};
    }
    target.low =
        numerics::clampCode(limits.low, target.grid.scale, target.grid.zeroPoint, target.lowest(), target.highest());
    target.high =
        numerics::clampCode(limits.high, target.grid.scale, target.grid.zeroPoint, target.lowest(), target.highest());
    return true;
  }

  /// E6: the chain of functions as one table.
  Value lookup(OpBuilder &builder, Location loc, Codes codes, ArrayRef<Operation *> chain, const Target &target) {
    SmallVector<std::function<double(double)>> functions;
    for (Operation *op : chain)
      functions.push_back(unaryFunction(op));
    auto composed = [&](double x) {
      for (auto &function : functions)
        x = function(x);
      return x;
    };
    auto table = numerics::buildTable(composed, codes.grid.scale, codes.grid.zeroPoint, -128, 127, target.grid.scale,
                                      target.grid.zeroPoint, -128, 127);
    auto op = dyadic::LookupOp::create(builder, loc, codes.value.getType(), codes.value,
                                       SmallVector<int8_t>(table.begin(), table.end()));
    setName(op, target.name);
    return op;
  }

  Value convertOperation(OpBuilder &builder, Operation *op, const Target &target) {
    switch (classify(op)) {
    case OpClass::Product:
    case OpClass::Matmul: {
      auto accumulator = accumulate(builder, op);
      if (!accumulator)
        return {};
      for (double &scale : accumulator->scales)
        scale /= target.grid.scale;
      return rescale(builder, op->getLoc(), accumulator->value, 0, accumulator->scales, accumulator->axis, target);
    }
    case OpClass::Binary:
      return binary(builder, op, target);
    case OpClass::Average:
      return average(builder, op, target);
    case OpClass::Movement:
      return move(builder, op, target);
    case OpClass::Unary:
      refuse("its operand is float");
      return {};
    case OpClass::Other:
      break;
    }
    refuse(reasonForFloat(op));
    return {};
  }

  //===--------------------------------------------------------------------===//
  // Products
  //===--------------------------------------------------------------------===//

  std::optional<Accumulator> accumulate(OpBuilder &builder, Operation *op) {
    auto x = operandCodes(op, 0);
    if (!x)
      return std::nullopt;
    auto type = typeLike(op->getResult(0), builder.getI32Type());
    if (auto matmul = dyn_cast<qnn::MatmulOp>(op)) {
      auto y = operandCodes(op, 1);
      if (!y)
        return std::nullopt;
      if (x->bits > 8 || y->bits > 8) {
        refuse("a product of two activations has no 16-bit form; choose activations.format: s8 for its operands");
        return std::nullopt;
      }
      auto result = dyadic::MatmulOp::create(builder, op->getLoc(), type, x->value, y->value, x->grid.zeroPoint,
                                             y->grid.zeroPoint);
      setName(result, (bitwright::getName(op) + "/accumulate").str());
      return Accumulator{result, {double(x->grid.scale) * y->grid.scale}, std::nullopt};
    }

    auto dequantize = getWeightOf(op).getDefiningOp<qnn::DequantizeOp>();
    if (!dequantize) {
      refuse("its weight is float");
      return std::nullopt;
    }
    auto scales = getConstant(dequantize.getScale());
    auto codes = getConstant(dequantize.getInput());
    if (!scales || !codes) {
      refuse("its weight is not a constant");
      return std::nullopt;
    }
    if (Value zeroPoint = dequantize.getZeroPoint()) {
      auto data = getConstant(zeroPoint);
      if (!data || llvm::any_of(toIntegers(*data), [](int64_t z) { return z != 0; })) {
        refuse("its weight has a zero point: expected symmetric codes");
        return std::nullopt;
      }
    }
    auto scheme = dequantize.getScheme();
    if (hasFloatGroups(dequantize)) {
      refuse(
          "its weight has float scales a group: the sum over the groups is a float (two-level groups stay integers)");
      return std::nullopt;
    }
    bool perAxis = scheme.getGranularity() == qnn::Granularity::Axis;
    if ((!perAxis && scheme.getGranularity() != qnn::Granularity::Tensor) ||
        (perAxis && scheme.getAxis() != weightAxis(op))) {
      refuse("its weight is quantized along another axis than its output channels");
      return std::nullopt;
    }

    int64_t axis = outputAxis(op), channels = cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(axis);
    if (ShapedType::isDynamic(channels)) {
      refuse("the number of its output channels is not static");
      return std::nullopt;
    }
    std::vector<float> weightScales = toFloats(*scales);
    SmallVector<double> steps;
    for (int64_t c = 0; c < channels; ++c)
      // A grouped transposed convolution has one scale for the channels of equal index in their groups.
      steps.push_back(double(x->grid.scale) * weightScales[size_t(c) % weightScales.size()]);
    if (x->bits > 8 &&
        !fitsAccumulator(op, *codes, largestDistance(op->getOperand(0).getDefiningOp<qnn::DequantizeOp>())))
      return std::nullopt;
    Value bias;
    if (Value old = getBiasOf(op)) {
      bias = integerBias(builder, op, old, steps);
      if (!bias)
        return std::nullopt;
    }
    Value input = x->value, weight = dequantize.getInput();
    int32_t zero = x->grid.zeroPoint;
    Operation *result;
    if (auto conv = dyn_cast<qnn::ConvOp>(op))
      result = dyadic::ConvOp::create(builder, op->getLoc(), type, input, weight, bias, conv.getStrides(),
                                      conv.getPads(), conv.getDilations(), conv.getGroups(), zero);
    else if (auto conv = dyn_cast<qnn::ConvTransposeOp>(op))
      result = dyadic::ConvTransposeOp::create(builder, op->getLoc(), type, input, weight, bias, conv.getStrides(),
                                               conv.getPads(), conv.getDilations(), conv.getOutputPadding(),
                                               conv.getGroups(), zero);
    else {
      Value sum = createAccumulator(builder, cast<qnn::LinearOp>(op), input, zero, dequantize, bias, why);
      if (!sum)
        return std::nullopt;
      result = sum.getDefiningOp();
    }
    setName(result, (bitwright::getName(op) + "/accumulate").str());
    if (!perAxis)
      return Accumulator{result->getResult(0), {steps[0]}, std::nullopt};
    return Accumulator{result->getResult(0), std::move(steps), axis};
  }

  /// R14 for 16-bit activations: an imported graph may have weights that only 64-bit sums hold.
  bool fitsAccumulator(Operation *op, const WeightData &codes, int64_t distance) {
    WeightSlices slices(op);
    std::vector<double> sums(size_t(slices.channels), 0.0);
    for (auto [i, q] : llvm::enumerate(toIntegers(codes)))
      sums[size_t(slices.channelOf(int64_t(i)))] += double(std::abs(q)) * double(distance);
    double largest = *llvm::max_element(sums);
    return largest < 0x1p31 || refuse("R14: its accumulators may reach " + Twine(int64_t(std::min(largest, 0x1p62))) +
                                      ", 2^31 or more, with 16-bit activations; choose 8-bit ones for its input");
  }

  /// R15: the bias in units of the accumulator, rounded half up from float64.
  Value integerBias(OpBuilder &builder, Operation *op, Value bias, ArrayRef<double> steps) {
    std::vector<double> values;
    if (auto dequantize = bias.getDefiningOp<qnn::DequantizeOp>()) {
      // An imported integer bias: its real value in float64, so that codes on the accumulator's own grid come back
      // exactly.
      auto codes = getConstant(dequantize.getInput()), scales = getConstant(dequantize.getScale());
      auto zeroPoints = dequantize.getZeroPoint() ? getConstant(dequantize.getZeroPoint()) : std::nullopt;
      if (!codes || !scales || (dequantize.getZeroPoint() && !zeroPoints)) {
        refuse("its bias is not a constant");
        return {};
      }
      std::vector<float> s = toFloats(*scales);
      std::vector<int64_t> z = zeroPoints ? toIntegers(*zeroPoints) : std::vector<int64_t>{0};
      for (auto [i, q] : llvm::enumerate(toIntegers(*codes)))
        values.push_back(double(q - z[i % z.size()]) * s[i % s.size()]);
    } else if (auto data = getConstant(bias)) {
      for (float v : toFloats(*data))
        values.push_back(v);
    } else {
      refuse("its bias is not a constant");
      return {};
    }
    SmallVector<int32_t> codes;
    for (auto [channel, value] : llvm::enumerate(values)) {
      int32_t code;
      if (!numerics::quantizeBias(value, steps[channel], code)) {
        refuse("the bias " + Twine(std::to_string(value)) + " of channel " + Twine(channel) +
               " does not fit 32 bits at the scale " + Twine(std::to_string(steps[channel])) +
               " of the accumulator (R15)");
        return {};
      }
      codes.push_back(code);
    }
    return createConstant(builder, op->getLoc(), (bitwright::getName(op) + "/bias").str(), {int64_t(codes.size())}, 32,
                          codes);
  }

  /// A product that float operations read: the exact accumulator, then one scaled conversion.
  void convertToFloat(Operation *op) {
    if (op->use_empty())
      return;
    OpBuilder builder(op);
    why.clear();
    if (auto linear = dyn_cast<qnn::LinearOp>(op);
        linear && (isPerToken(op) || hasFloatGroups(linear.getWeight().getDefiningOp<qnn::DequantizeOp>())) &&
        !isWeightOnly(op)) {
      if (!convertToFloatResult(linear, why)) {
        reasons.insert({op, why});
        return;
      }
      remarkOn(op, true, "integerize", "integerized", "codes in, float out");
      reasons.erase(op);
      op->erase();
      return;
    }
    auto accumulator = accumulate(builder, op);
    if (!accumulator) {
      reasons.insert({op, why});
      return;
    }
    SmallVector<float> scales;
    for (double scale : accumulator->scales)
      scales.push_back(float(scale));
    SmallVector<int64_t, 1> shape;
    auto scheme = qnn::SchemeAttr::get(op->getContext(), "s32");
    if (accumulator->axis) {
      shape.push_back(int64_t(scales.size()));
      scheme = qnn::SchemeAttr::get(op->getContext(), "s32", *accumulator->axis);
    }
    std::string name = bitwright::getName(op).str();
    Value scale = createConstant(builder, op->getLoc(), name + "/accumulator_scale", shape, scales);
    auto dequantize = qnn::DequantizeOp::create(builder, op->getLoc(), op->getResult(0).getType(), accumulator->value,
                                                scale, Value(), scheme);
    setName(dequantize, name);
    remarkOn(op, true, "integerize", "integerized", "codes in, float out");
    reasons.erase(op);
    op->getResult(0).replaceAllUsesWith(dequantize.getOutput());
    op->erase();
  }

  //===--------------------------------------------------------------------===//
  // Everything else
  //===--------------------------------------------------------------------===//

  Value binary(OpBuilder &builder, Operation *op, const Target &target) {
    auto a = operandCodes(op, 0), b = a ? operandCodes(op, 1) : std::nullopt;
    if (!a || !b)
      return {};
    auto type = typeLike(op->getResult(0), target.elementType(builder));
    const int32_t clamp[] = {target.low, target.high};
    Operation *result;
    if (isa<qnn::MulOp>(op)) {
      if ((a->bits > 8 && a->grid.zeroPoint) || (b->bits > 8 && b->grid.zeroPoint)) {
        refuse("E3: a factor of 16-bit codes has a zero point: expected 0");
        return {};
      }
      numerics::Multiplier m;
      if (!encode(double(a->grid.scale) * b->grid.scale / target.grid.scale, m, "product"))
        return {};
      result =
          dyadic::MulOp::create(builder, op->getLoc(), type, a->value, b->value, a->grid.zeroPoint, b->grid.zeroPoint,
                                m.value, int8_t(m.shift), bits, halfUp, target.grid.zeroPoint, clamp);
    } else {
      numerics::Multiplier ma, mb;
      if (!encode(double(a->grid.scale) / target.grid.scale, ma, "left operand") ||
          !encode(double(b->grid.scale) / target.grid.scale, mb, "right operand"))
        return {};
      numerics::AlignedPair pair = numerics::alignMultipliers(ma, mb);
      result = dyadic::AddOp::create(builder, op->getLoc(), type, a->value, b->value, a->grid.zeroPoint,
                                     b->grid.zeroPoint, pair.lhs, isa<qnn::SubOp>(op) ? -pair.rhs : pair.rhs,
                                     int8_t(pair.shift), halfUp, target.grid.zeroPoint, clamp);
    }
    setName(result, target.name);
    return result->getResult(0);
  }

  Value average(OpBuilder &builder, Operation *op, const Target &target) {
    auto x = operandCodes(op, 0);
    if (!x)
      return {};
    double ratio = double(x->grid.scale) / target.grid.scale;
    const int32_t clamp[] = {target.low, target.high};
    if (auto pool = dyn_cast<qnn::AvgPoolOp>(op)) {
      int64_t window = 1;
      for (int64_t k : pool.getKernel())
        window *= k;
      SmallVector<int32_t> values;
      SmallVector<int8_t> shifts;
      for (int64_t n = 1; n <= window; ++n) {
        numerics::Multiplier m;
        if (!encode(ratio / double(n), m, "average of " + Twine(n)))
          return {};
        values.push_back(m.value);
        shifts.push_back(int8_t(m.shift));
      }
      auto result = dyadic::AvgPoolOp::create(
          builder, op->getLoc(), typeLike(op->getResult(0), target.elementType(builder)), x->value, pool.getKernel(),
          pool.getStrides(), pool.getPads(), pool.getDilations(), pool.getCeilMode(), pool.getCountIncludePad(),
          x->grid.zeroPoint, values, shifts, halfUp, target.grid.zeroPoint, clamp);
      setName(result, target.name);
      return result;
    }
    auto mean = dyn_cast<qnn::ReduceMeanOp>(op);
    ArrayRef<int64_t> axes = mean ? mean.getAxes() : cast<qnn::ReduceSumOp>(op).getAxes();
    bool keepdims = mean ? mean.getKeepdims() : cast<qnn::ReduceSumOp>(op).getKeepdims();
    SmallVector<AffineExpr> reduced;
    for (int64_t axis : axes)
      reduced.push_back(shapes->get(op->getOperand(0))[size_t(axis)]);
    AffineExpr count = productOf(reduced, op->getContext());
    auto constant = count ? constantOf(count) : std::nullopt;
    if (mean && !count) {
      refuse("the number of averaged elements is a product of two dynamic dimensions");
      return {};
    }
    auto sum = dyadic::ReduceSumOp::create(builder, op->getLoc(), typeLike(op->getResult(0), builder.getI32Type()),
                                           x->value, axes, keepdims, x->grid.zeroPoint);
    setName(sum, (bitwright::getName(op) + "/accumulate").str());
    if (!mean || constant)
      return rescale(builder, op->getLoc(), sum, 0, {mean ? ratio / double(*constant) : ratio}, std::nullopt, target);
    auto result = dyadic::RescaleMeanOp::create(
        builder, op->getLoc(), typeLike(op->getResult(0), target.elementType(builder)), sum,
        AffineMap::get(0, shapes->getNumSymbols(), count), llvm::APFloat(ratio), halfUp, target.grid.zeroPoint, clamp);
    setName(result, target.name);
    return result;
  }

  Value move(OpBuilder &builder, Operation *op, const Target &target) {
    SmallVector<Codes> inputs;
    for (OpOperand *operand : dataOperands(op)) {
      auto codes = operandCodes(op, operand->getOperandNumber());
      if (!codes)
        return {};
      inputs.push_back(*codes);
    }
    // Concat brings each branch to the output grid (E2); all else moves the codes on their own grid and rescales once
    // behind.
    bool concat = isa<qnn::ConcatOp>(op);
    Grid grid = concat ? target.grid : inputs[0].grid;
    unsigned codeBits = concat ? target.bits : inputs[0].bits;
    IRMapping mapping;
    for (auto [i, operand] : llvm::enumerate(dataOperands(op))) {
      Target branch{grid, codeBits, bitwright::getName(op).str() + "/branch" + std::to_string(i)};
      Value value = regrid(builder, op->getLoc(), inputs[i], branch);
      if (!value)
        return {};
      mapping.map(operand->get(), value);
    }
    Operation *clone = builder.clone(*op, mapping);
    // Two operands that are one value with one mapping are fine: equal values have equal grids.
    Target moved{grid, codeBits, ""};
    clone->getResult(0).setType(typeLike(op->getResult(0), moved.elementType(builder)));
    for (StringRef name : {activationSchemeAttr, rangeAttr, wideRangeAttr, keepFloatAttr})
      clone->removeAttr(name);
    if (auto pad = dyn_cast<qnn::PadOp>(clone))
      pad.setValue(llvm::APFloat(double(
          numerics::clampCode(pad.getValue().convertToDouble(), grid.scale, grid.zeroPoint, moved.low, moved.high))));
    bool plain = grid == target.grid && codeBits == target.bits && target.isWhole();
    setName(clone, plain ? target.name : bitwright::getName(op).str() + "/codes");
    return plain ? clone->getResult(0) : regrid(builder, op->getLoc(), {clone->getResult(0), grid, codeBits}, target);
  }

  //===--------------------------------------------------------------------===//
  // The end
  //===--------------------------------------------------------------------===//

  void removeDead(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (op.use_empty() && op.getNumResults() && isMemoryEffectFree(&op)) {
        reasons.erase(&op);
        op.erase();
      }
  }

  void report(Block &block) {
    for (Operation &op : block) {
      if (!op.getNumResults() || isa<qnn::ConstantOp, qnn::WeightOp, qnn::QuantizeOp, qnn::DequantizeOp>(op) ||
          op.getDialect()->getNamespace() != "qnn" ||
          !isa<FloatType>(cast<RankedTensorType>(op.getResult(0).getType()).getElementType()))
        continue;
      std::string reason = "its operands are float";
      if (isWeightOnly(&op))
        reason = "only its weight is quantized";
      else if (auto found = reasons.find(&op); found != reasons.end())
        reason = found->second;
      else if (auto keep = op.getAttrOfType<StringAttr>(keepFloatAttr))
        reason = keep.str();
      else if (classify(&op) == OpClass::Other)
        reason = reasonForFloat(&op);
      remarkOn(&op, false, "integerize", "float", "stays float: " + reason);
    }
  }
};
} // namespace
