//===- KnownTensor.cpp - tensors whose values are known at import -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/KnownTensor.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

std::optional<double> KnownElement::constant() const {
  if (auto value = constantOf(expr))
    return double(*value) * factor;
  return std::nullopt;
}

std::optional<AffineExpr> KnownElement::integer() const {
  if (factor == 1)
    return expr;
  return std::nullopt;
}

std::optional<int64_t> KnownElement::constantInteger() const {
  if (factor == 1)
    return constantOf(expr);
  return std::nullopt;
}

bool KnownTensor::isConstant() const {
  return llvm::all_of(elements, [](const KnownElement &element) { return constantOf(element.expr).has_value(); });
}

std::optional<SmallVector<int64_t>> KnownTensor::constantIntegers() const {
  SmallVector<int64_t> result;
  for (const KnownElement &element : elements) {
    auto value = element.constantInteger();
    if (!value)
      return std::nullopt;
    result.push_back(*value);
  }
  return result;
}

std::optional<SmallVector<double>> KnownTensor::constants() const {
  SmallVector<double> result;
  for (const KnownElement &element : elements) {
    auto value = element.constant();
    if (!value)
      return std::nullopt;
    result.push_back(*value);
  }
  return result;
}

std::optional<SymbolicShape> KnownTensor::expressions() const {
  SymbolicShape result;
  for (const KnownElement &element : elements) {
    auto value = element.integer();
    if (!value)
      return std::nullopt;
    result.push_back(*value);
  }
  return result;
}

std::optional<KnownTensor> onnximport::knownFrom(const WeightData &data) {
  // Shapes and indices are 32- or 64-bit integers; of other types only a few numbers take part in shape arithmetic.
  bool isIndex = data.type.getElementType().isInteger(32) || data.type.getElementType().isInteger(64);
  if (data.getNumElements() > (isIndex ? kMaxKnownElements : kMaxKnownElements / 16))
    return std::nullopt;
  MLIRContext *context = data.type.getContext();
  KnownTensor result{data.type.getElementType(), SmallVector<int64_t, 2>(data.type.getShape()), {}};
  if (result.isFloat()) {
    for (float value : toFloats(data))
      result.elements.push_back({getAffineConstantExpr(1, context), value});
  } else {
    for (int64_t value : toIntegers(data))
      result.elements.push_back({getAffineConstantExpr(value, context), 1});
  }
  return result;
}

std::optional<WeightData> onnximport::toWeight(const KnownTensor &tensor) {
  auto type = RankedTensorType::get(tensor.shape, tensor.elementType);
  if (tensor.isFloat()) {
    auto values = tensor.constants();
    if (!values || !tensor.elementType.isF32())
      return std::nullopt;
    SmallVector<float> floats(values->begin(), values->end());
    return WeightData::copyOf<float>(type, floats);
  }
  auto values = tensor.constantIntegers();
  if (!values)
    return std::nullopt;
  auto narrow = [&](auto zero) {
    using T = decltype(zero);
    SmallVector<T> narrowed;
    for (int64_t value : *values)
      narrowed.push_back(T(value));
    return WeightData::copyOf<T>(type, narrowed);
  };
  switch (tensor.elementType.getIntOrFloatBitWidth()) {
  case 4: {
    std::vector<uint8_t> packed(getStorageBytes(type));
    for (auto [i, value] : llvm::enumerate(*values))
      packed[i / 2] |= uint8_t((value & 15) << (i % 2 * 4));
    return WeightData::copyOf<uint8_t>(type, packed);
  }
  case 1:
  case 8:
    return narrow(uint8_t(0));
  case 16:
    return narrow(uint16_t(0));
  case 32:
    return narrow(uint32_t(0));
  default:
    return narrow(int64_t(0));
  }
}

namespace {
constexpr __int128 kLimit = __int128(1) << 62;
struct Bounds {
  __int128 low, high;
  bool bad = false;
};
} // namespace

static Bounds bounds(AffineExpr expr, ArrayRef<DimSymbol> symbols, int &budget) {
  const Bounds bad{0, 0, true};
  if (--budget < 0)
    return bad;
  if (auto value = constantOf(expr))
    return *value > kLimit || *value < -kLimit ? bad : Bounds{*value, *value};
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbol.getPosition() < symbols.size()
               ? Bounds{symbols[symbol.getPosition()].min, symbols[symbol.getPosition()].max}
               : bad;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return bad;
  Bounds a = bounds(binary.getLHS(), symbols, budget), b = a.bad ? bad : bounds(binary.getRHS(), symbols, budget),
         result = bad;
  if (a.bad || b.bad)
    return bad;
  auto floorOf = [](__int128 x, __int128 y) { return x >= 0 ? x / y : -((-x + y - 1) / y); };
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    result = {a.low + b.low, a.high + b.high};
    break;
  case AffineExprKind::Mul: {
    // |a|, |b| <= 2^62, so a product fits into 126 bits.
    __int128 products[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    result = {*std::min_element(products, products + 4), *std::max_element(products, products + 4)};
    break;
  }
  case AffineExprKind::FloorDiv:
  case AffineExprKind::CeilDiv: {
    if (b.low <= 0)
      return bad;
    bool ceil = expr.getKind() == AffineExprKind::CeilDiv;
    __int128 quotients[] = {ceil ? -floorOf(-a.low, b.low) : floorOf(a.low, b.low),
                            ceil ? -floorOf(-a.low, b.high) : floorOf(a.low, b.high),
                            ceil ? -floorOf(-a.high, b.low) : floorOf(a.high, b.low),
                            ceil ? -floorOf(-a.high, b.high) : floorOf(a.high, b.high)};
    result = {*std::min_element(quotients, quotients + 4), *std::max_element(quotients, quotients + 4)};
    break;
  }
  case AffineExprKind::Mod:
    if (b.low <= 0)
      return bad;
    result = {0, b.high - 1};
    break;
  default:
    return bad;
  }
  return result.low < -kLimit || result.high > kLimit ? bad : result;
}

namespace {
/// sum of coefficient * symbol, plus something between low and high.
struct LinearBound {
  SmallVector<long double, 4> coefficients;
  long double low = 0, high = 0;
};
} // namespace

/// Bounds that know that `W floordiv 2` is about W / 2, so that W floordiv 2 - W is negative. Only for expressions
/// whose interval is known to be small: then the mantissa of long double holds every coefficient with room to spare.
static LinearBound linearBound(AffineExpr expr, ArrayRef<DimSymbol> symbols) {
  LinearBound result;
  result.coefficients.assign(symbols.size(), 0);
  if (auto value = constantOf(expr)) {
    result.low = result.high = *value;
    return result;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    result.coefficients[symbol.getPosition()] = 1;
    return result;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto constant = constantOf(binary.getRHS());
  LinearBound a = linearBound(binary.getLHS(), symbols);
  auto scale = [&](long double factor) {
    for (long double &coefficient : a.coefficients)
      coefficient *= factor;
    a.low *= factor;
    a.high *= factor;
    if (factor < 0)
      std::swap(a.low, a.high);
    return a;
  };
  switch (expr.getKind()) {
  case AffineExprKind::Add: {
    LinearBound b = linearBound(binary.getRHS(), symbols);
    for (auto [x, y] : llvm::zip(a.coefficients, b.coefficients))
      x += y;
    a.low += b.low;
    a.high += b.high;
    return a;
  }
  case AffineExprKind::Mul:
    if (constant)
      return scale(*constant);
    break;
  case AffineExprKind::FloorDiv:
  case AffineExprKind::CeilDiv:
    if (constant) {
      scale(1.0L / *constant);
      long double rest = 1 - 1.0L / *constant;
      (expr.getKind() == AffineExprKind::FloorDiv ? a.low : a.high) +=
          expr.getKind() == AffineExprKind::FloorDiv ? -rest : rest;
      return a;
    }
    break;
  default:
    break;
  }
  int budget = 256;
  Bounds interval = bounds(expr, symbols, budget);
  result.low = static_cast<long double>(interval.low);
  result.high = static_cast<long double>(interval.high);
  return result;
}

std::optional<std::pair<int64_t, int64_t>> onnximport::boundsOf(AffineExpr expr, ArrayRef<DimSymbol> symbols) {
  int budget = 256;
  Bounds result = bounds(expr, symbols, budget);
  if (result.bad)
    return std::nullopt;
  int64_t low = int64_t(result.low), high = int64_t(result.high);
  constexpr int64_t small = int64_t(1) << 40;
  if (low != high && low > -small && high < small) {
    LinearBound linear = linearBound(expr, symbols);
    for (auto [coefficient, symbol] : llvm::zip(linear.coefficients, symbols)) {
      linear.low += coefficient * (coefficient > 0 ? symbol.min : symbol.max);
      linear.high += coefficient * (coefficient > 0 ? symbol.max : symbol.min);
    }
    constexpr long double slack = 1e-4L;
    low = std::max(low, int64_t(std::ceil(linear.low - slack)));
    high = std::min(high, int64_t(std::floor(linear.high + slack)));
  }
  return std::pair(low, high);
}

std::optional<AffineExpr> onnximport::checkedExpr(AffineExpr expr, ArrayRef<DimSymbol> symbols) {
  if (!boundsOf(expr, symbols))
    return std::nullopt;
  return simplifyAffineExpr(expr, 0, symbols.size());
}

bool onnximport::isMultiple(AffineExpr expr, int64_t divisor, ArrayRef<DimSymbol> symbols) {
  if (divisor == 1)
    return true;
  if (auto value = constantOf(expr))
    return *value % divisor == 0;
  // A symbol with a divisor d is d times another integer.
  SmallVector<AffineExpr> scaled;
  for (size_t i = 0; i < symbols.size(); ++i)
    scaled.push_back(getAffineSymbolExpr(i, expr.getContext()) * symbols[i].divisor);
  return simplifyAffineExpr(expr.replaceSymbols(scaled), 0, symbols.size()).isMultipleOf(divisor);
}

bool onnximport::areEqual(AffineExpr a, AffineExpr b) {
  return a == b || constantOf(simplifyAffineExpr(a - b, 0, 4096)) == 0;
}

std::string onnximport::toText(AffineExpr expr, ArrayRef<DimSymbol> symbols) {
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr); symbol && symbol.getPosition() < symbols.size())
    return symbols[symbol.getPosition()].name;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) {
    auto value = constantOf(expr);
    return value ? std::to_string(*value) : "?";
  }
  const char *op = " + ";
  switch (expr.getKind()) {
  case AffineExprKind::Mul:
    op = " * ";
    break;
  case AffineExprKind::FloorDiv:
    op = " floordiv ";
    break;
  case AffineExprKind::CeilDiv:
    op = " ceildiv ";
    break;
  case AffineExprKind::Mod:
    op = " mod ";
    break;
  default:
    break;
  }
  auto part = [&](AffineExpr operand) {
    std::string text = toText(operand, symbols);
    return operand.getKind() == AffineExprKind::Add && expr.getKind() != AffineExprKind::Add ? "(" + text + ")" : text;
  };
  return part(binary.getLHS()) + op + part(binary.getRHS());
}

std::string onnximport::toText(ArrayRef<AffineExpr> shape, ArrayRef<DimSymbol> symbols) {
  std::string text = "[";
  for (auto [index, dim] : llvm::enumerate(shape))
    text += (index ? ", " : "") + toText(dim, symbols);
  return text + "]";
}
