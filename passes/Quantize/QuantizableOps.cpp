//===- QuantizableOps.cpp - what can run on codes, and how -----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/QuantizableOps.h"
#include "lib/Numerics/RealFunctions.h"
#include "lib/Weights/WeightStore.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace bitwright::qnn;
namespace real = bitwright::numerics::real;

namespace bitwright {

static bool isConstant(Value value) { return value && isa_and_nonnull<ConstantOp, WeightOp>(value.getDefiningOp()); }

/// A constant, or the dequantized form of one.
static bool isConstantWeight(Value value) {
  if (auto dequantize = value.getDefiningOp<DequantizeOp>())
    return isConstant(dequantize.getInput());
  return isConstant(value);
}

static bool isFloat32(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getElementType().isF32();
}

/// The scalar operand of a binary operation whose other operand has the shape of the result.
static std::optional<std::pair<float, unsigned>> scalarOperand(Operation *op) {
  if (op->getNumOperands() != 2)
    return std::nullopt;
  for (unsigned i : {1u, 0u}) {
    Value value = op->getOperand(i), other = op->getOperand(1 - i);
    if (!isConstant(value) || isConstant(other) || !isFloat32(value))
      continue;
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getNumElements() != 1 || type.getRank() > cast<RankedTensorType>(other.getType()).getRank())
      continue;
    if (auto splat = getSplat(value))
      return std::make_pair(*splat, i);
  }
  return std::nullopt;
}

OpClass classify(Operation *op) {
  if (op->getNumResults() != 1 || !isFloat32(op->getResult(0)))
    return OpClass::Other;
  if (isa<ConvOp, ConvTransposeOp, LinearOp>(op))
    return isConstantWeight(op->getOperand(1)) && !isConstant(op->getOperand(0)) ? OpClass::Product : OpClass::Other;
  if (auto matmul = dyn_cast<MatmulOp>(op))
    return isConstant(matmul.getLhs()) || isConstant(matmul.getRhs()) ? OpClass::Other : OpClass::Matmul;
  if (isa<AddOp, SubOp, MulOp, DivOp, MinOp, MaxOp, PowOp>(op)) {
    if (scalarOperand(op))
      return OpClass::Unary;
    if (isa<AddOp, SubOp, MulOp>(op) && !(isConstant(op->getOperand(0)) && isConstant(op->getOperand(1))))
      return OpClass::Binary;
    return OpClass::Other;
  }
  if (auto prelu = dyn_cast<PreluOp>(op)) {
    auto type = cast<RankedTensorType>(prelu.getSlope().getType());
    return type.hasStaticShape() && getSplat(prelu.getSlope()) && type.getRank() <= prelu.getInput().getType().getRank()
               ? OpClass::Unary
               : OpClass::Other;
  }
  if (isa<AbsOp, NegOp, ReciprocalOp, SqrtOp, ExpOp, LogOp, ErfOp, TanhOp, SigmoidOp, SoftplusOp, SiluOp, HardSwishOp,
          ReluOp, FloorOp, LeakyReluOp, EluOp, HardSigmoidOp, GeluOp, ClipOp>(op))
    return OpClass::Unary;
  if (isa<ReduceMeanOp, ReduceSumOp, AvgPoolOp>(op))
    return OpClass::Average;
  if (isa<MaxPoolOp, ReshapeOp, TransposeOp, SliceOp, GatherOp, ConcatOp, TileOp, BroadcastOp, DepthToSpaceOp,
          SpaceToDepthOp, ReduceMaxOp, ReduceMinOp, PadOp>(op))
    return OpClass::Movement;
  if (auto resize = dyn_cast<ResizeOp>(op))
    return resize.getMode() == ResizeMode::Nearest ? OpClass::Movement : OpClass::Other;
  return OpClass::Other;
}

bool computesOnActivation(Operation *op, StringRef storage) {
  if (storage == "s8")
    return true;
  if (storage != "s16")
    return false;
  switch (classify(op)) {
  case OpClass::Product:
  case OpClass::Binary:
  case OpClass::Average:
  case OpClass::Movement:
    return true;
  case OpClass::Unary: // other functions would be tables of 65,536 entries
    return isClamp(op);
  case OpClass::Matmul:
  case OpClass::Other:
    return false;
  }
  return false;
}

bool isDepthwise(Operation *product) {
  auto conv = dyn_cast<ConvOp>(product);
  if (!conv)
    return false;
  auto weight = cast<RankedTensorType>(getWeightOf(product).getType());
  return conv.getGroups() > 1 && int64_t(conv.getGroups()) == weight.getDimSize(0) && weight.getDimSize(1) == 1;
}

bool hasKernel(Operation *product, StringRef weight, StringRef activation) {
  if (activation == "s8")
    return true;
  // Codes of 16 bits meet bytes; filters of one channel are 16 bits wide in any case.
  return activation == "s16" && (weight == "s8" || (weight == "s16" && isDepthwise(product)));
}

std::string reasonForFloat(Operation *op) {
  if (op->getNumResults() != 1 || !isFloat32(op->getResult(0)))
    return "the result is not a float32 tensor";
  if (isa<ConvOp, ConvTransposeOp, LinearOp>(op))
    return "the weight is not a constant";
  if (isa<MatmulOp>(op))
    return "a matmul operand is a constant: expected a linear operation";
  if (auto resize = dyn_cast<ResizeOp>(op))
    return (stringifyResizeMode(resize.getMode()) + " interpolation has no integer form").str();
  return (op->getName().stripDialect() + " has no integer form").str();
}

SmallVector<OpOperand *> dataOperands(Operation *op) {
  SmallVector<OpOperand *> result;
  switch (classify(op)) {
  case OpClass::Matmul:
  case OpClass::Binary:
    result = {&op->getOpOperand(0), &op->getOpOperand(1)};
    break;
  case OpClass::Unary: {
    auto scalar = scalarOperand(op);
    result = {&op->getOpOperand(scalar && scalar->second == 0 ? 1 : 0)};
    break;
  }
  case OpClass::Movement:
    if (isa<ConcatOp>(op)) {
      for (OpOperand &operand : op->getOpOperands())
        result.push_back(&operand);
      break;
    }
    [[fallthrough]];
  case OpClass::Product:
  case OpClass::Average:
    result = {&op->getOpOperand(0)};
    break;
  case OpClass::Other:
    break;
  }
  return result;
}

bool isClamp(Operation *op) { return isa<ReluOp, ClipOp>(op) || (isa<MinOp, MaxOp>(op) && scalarOperand(op)); }

Range clampLimits(Operation *op) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (isa<ReluOp>(op))
    return {0, infinity};
  if (auto clip = dyn_cast<ClipOp>(op))
    return {clip.getMin().convertToFloat(), clip.getMax().convertToFloat()};
  double limit = scalarOperand(op)->first;
  return isa<MinOp>(op) ? Range{-infinity, limit} : Range{limit, infinity};
}

std::function<double(double)> unaryFunction(Operation *op) {
  using F = std::function<double(double)>;
  if (isClamp(op)) {
    Range limits = clampLimits(op);
    return [limits](double x) { return real::clip(x, limits.low, limits.high); };
  }
  if (auto scalar = scalarOperand(op)) {
    double c = scalar->first;
    bool left = scalar->second == 0;
    return TypeSwitch<Operation *, F>(op)
        .Case([&](AddOp) { return [c](double x) { return x + c; }; })
        .Case([&](SubOp) { return [c, left](double x) { return left ? c - x : x - c; }; })
        .Case([&](MulOp) { return [c](double x) { return x * c; }; })
        .Case([&](DivOp) { return [c, left](double x) { return left ? c / x : x / c; }; })
        .Case([&](PowOp) { return [c, left](double x) { return left ? std::pow(c, x) : std::pow(x, c); }; })
        .Default([](Operation *) { return F(); });
  }
  return TypeSwitch<Operation *, F>(op)
      .Case([](AbsOp) { return [](double x) { return std::fabs(x); }; })
      .Case([](NegOp) { return [](double x) { return -x; }; })
      .Case([](ReciprocalOp) { return [](double x) { return 1 / x; }; })
      .Case([](SqrtOp) { return [](double x) { return std::sqrt(x); }; })
      .Case([](ExpOp) { return [](double x) { return std::exp(x); }; })
      .Case([](LogOp) { return [](double x) { return std::log(x); }; })
      .Case([](ErfOp) { return [](double x) { return std::erf(x); }; })
      .Case([](TanhOp) { return [](double x) { return std::tanh(x); }; })
      .Case([](SigmoidOp) { return [](double x) { return real::sigmoid(x); }; })
      .Case([](SoftplusOp) { return [](double x) { return real::softplus(x); }; })
      .Case([](SiluOp) { return [](double x) { return real::silu(x); }; })
      .Case([](HardSwishOp) { return [](double x) { return real::hardSwish(x); }; })
      .Case([](FloorOp) { return [](double x) { return std::floor(x); }; })
      .Case([](LeakyReluOp op) {
        double alpha = op.getAlpha().convertToFloat();
        return [alpha](double x) { return real::leakyRelu(x, alpha); };
      })
      .Case([](PreluOp op) {
        double alpha = *getSplat(op.getSlope());
        return [alpha](double x) { return real::leakyRelu(x, alpha); };
      })
      .Case([](EluOp op) {
        double alpha = op.getAlpha().convertToFloat();
        return [alpha](double x) { return real::elu(x, alpha); };
      })
      .Case([](HardSigmoidOp op) {
        double alpha = op.getAlpha().convertToFloat(), beta = op.getBeta().convertToFloat();
        return [alpha, beta](double x) { return real::hardSigmoid(x, alpha, beta); };
      })
      .Case([](GeluOp op) {
        bool approximate = op.getApproximate();
        return [approximate](double x) { return approximate ? real::geluTanh(x) : real::geluErf(x); };
      })
      .Default([](Operation *) { return F(); });
}

int64_t weightAxis(Operation *product) { return isa<ConvTransposeOp>(product) ? 1 : 0; }
int64_t outputAxis(Operation *product) {
  return isa<LinearOp>(product) ? cast<RankedTensorType>(product->getResult(0).getType()).getRank() - 1 : 1;
}
Value getWeightOf(Operation *product) { return product->getOperand(1); }
Value getBiasOf(Operation *product) { return product->getNumOperands() > 2 ? product->getOperand(2) : Value(); }
void setBiasOf(Operation *product, Value bias) {
  if (product->getNumOperands() > 2)
    product->setOperand(2, bias);
  else
    product->insertOperands(2, bias);
}

template <typename Op> static std::optional<Grid> gridOfParameters(Op op) {
  if (op.getScheme().getGranularity() != Granularity::Tensor)
    return std::nullopt;
  auto scale = getConstant(op.getScale());
  if (!scale)
    return std::nullopt;
  Grid grid{toFloats(*scale)[0], 0};
  if (Value zeroPoint = op.getZeroPoint()) {
    auto data = getConstant(zeroPoint);
    if (!data)
      return std::nullopt;
    grid.zeroPoint = int32_t(toIntegers(*data)[0]);
  }
  return grid;
}
std::optional<Grid> gridOf(QuantizeOp op) { return gridOfParameters(op); }
std::optional<Grid> gridOf(DequantizeOp op) { return gridOfParameters(op); }

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static constexpr size_t largestLiteral = 64;

template <typename T>
static Value createTyped(OpBuilder &builder, Location loc, StringRef name, RankedTensorType type, ArrayRef<T> values) {
  Operation *op;
  if (values.size() <= largestLiteral) {
    auto attr = DenseElementsAttr::get(type, values);
    op = ConstantOp::create(builder, loc, type, attr);
  } else {
    WeightStore &store = getWeightStore(builder.getContext());
    std::string unique = store.uniqueName(name);
    store.set(unique, WeightData::copyOf<T>(type, values));
    op = WeightOp::create(builder, loc, type, builder.getStringAttr(unique));
  }
  setName(op, name);
  return op->getResult(0);
}

Value createConstant(OpBuilder &builder, Location loc, StringRef name, ArrayRef<int64_t> shape,
                     ArrayRef<float> values) {
  return createTyped<float>(builder, loc, name, RankedTensorType::get(shape, builder.getF32Type()), values);
}

Value createConstant(OpBuilder &builder, Location loc, StringRef name, ArrayRef<int64_t> shape, unsigned bits,
                     ArrayRef<int32_t> values) {
  auto type = RankedTensorType::get(shape, builder.getIntegerType(bits));
  if (bits == 4) {
    // The store packs two codes a byte, the first one low; a literal holds one an element.
    if (values.size() <= largestLiteral) {
      SmallVector<APInt> codes;
      for (int32_t v : values)
        codes.push_back(APInt(4, uint64_t(v) & 15));
      auto op = ConstantOp::create(builder, loc, type, DenseElementsAttr::get(type, codes));
      setName(op, name);
      return op;
    }
    std::vector<uint8_t> packed((values.size() + 1) / 2);
    for (size_t i = 0; i < values.size(); ++i)
      packed[i / 2] |= uint8_t((values[i] & 15) << (4 * (i % 2)));
    WeightStore &store = getWeightStore(builder.getContext());
    std::string unique = store.uniqueName(name);
    store.set(unique, WeightData::copyOf<uint8_t>(type, packed));
    auto op = WeightOp::create(builder, loc, type, builder.getStringAttr(unique));
    setName(op, name);
    return op;
  }
  if (bits == 8)
    return createTyped<int8_t>(builder, loc, name, type, SmallVector<int8_t>(values.begin(), values.end()));
  if (bits == 16)
    return createTyped<int16_t>(builder, loc, name, type, SmallVector<int16_t>(values.begin(), values.end()));
  return createTyped<int32_t>(builder, loc, name, type, values);
}

void eraseIfUnused(Operation *constant) {
  if (constant && constant->use_empty() && isa<ConstantOp, WeightOp>(constant))
    constant->erase();
}

} // namespace bitwright
