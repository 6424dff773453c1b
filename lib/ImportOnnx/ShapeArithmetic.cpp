//===- ShapeArithmetic.cpp - evaluates nodes on known tensors ---*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/Importer.h"
#include "lib/ImportOnnx/SliceBounds.h"
#include "onnx.pb.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

namespace {

int64_t countOf(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t dim : shape) {
    if (dim < 0 || dim > kMaxKnownElements || count * std::max<int64_t>(dim, 1) > kMaxKnownElements)
      return kMaxKnownElements + 1;
    count *= dim;
  }
  return count;
}

class Evaluator {
public:
  Evaluator(NodeImporter &node, std::string &why) : node(node), why(why), symbols(node.getSymbols()) {}
  bool run();

private:
  bool no(const Twine &reason) {
    why = reason.str();
    return false;
  }
  const KnownTensor &in(unsigned i) { return *node.known(i); }
  KnownElement integer(AffineExpr expr) { return {expr, 1}; }
  KnownElement integer(int64_t value) { return {node.expr(value), 1}; }
  KnownElement number(Type type, double value) {
    // A float operation in double, rounded once more to float, equals the float operation for + - * / and sqrt.
    return isa<FloatType>(type) ? KnownElement{node.expr(1), double(float(value))} : integer(int64_t(value));
  }
  std::optional<std::pair<int64_t, int64_t>> bounds(AffineExpr expr) { return boundsOf(expr, symbols); }
  bool done(Type type, ArrayRef<int64_t> shape, SmallVector<KnownElement, 4> elements) {
    node.setOutput(0, KnownTensor{type, SmallVector<int64_t, 2>(shape), std::move(elements)});
    return true;
  }

  bool shapeOf();
  bool cast();
  bool binary();
  bool unary();
  bool compare();
  bool where();
  bool range();
  bool constantOfShape();
  bool concat();
  bool gather();
  bool slice();
  bool split();
  bool reshape();
  bool expand();
  bool reduce();
  bool variadic();
  std::optional<KnownElement> apply(StringRef op, Type type, KnownElement a, KnownElement b);
  /// -1 less, 0 equal, 1 greater for every value of the symbols; none if it depends.
  std::optional<int> order(const KnownElement &a, const KnownElement &b);
  bool broadcast(ArrayRef<unsigned> inputs, SmallVector<int64_t> &shape);
  const KnownElement &at(unsigned input, ArrayRef<int64_t> shape, int64_t position);

  NodeImporter &node;
  std::string &why;
  ArrayRef<DimSymbol> symbols;
};

} // namespace

bool Evaluator::broadcast(ArrayRef<unsigned> inputs, SmallVector<int64_t> &shape) {
  for (unsigned input : inputs) {
    ArrayRef<int64_t> other = in(input).shape;
    if (other.size() > shape.size())
      shape.insert(shape.begin(), other.size() - shape.size(), 1);
    for (size_t i = 0; i < other.size(); ++i) {
      int64_t &dim = shape[shape.size() - other.size() + i];
      if (dim == 1)
        dim = other[i];
      else if (other[i] != 1 && other[i] != dim)
        return no("operands do not broadcast");
    }
  }
  return countOf(shape) <= kMaxKnownElements || no("too many elements");
}

const KnownElement &Evaluator::at(unsigned input, ArrayRef<int64_t> shape, int64_t position) {
  ArrayRef<int64_t> own = in(input).shape;
  int64_t index = 0, stride = 1;
  for (size_t i = 0; i < own.size(); ++i) {
    int64_t size = shape[shape.size() - 1 - i], coordinate = position % size, ownSize = own[own.size() - 1 - i];
    position /= size;
    index += (ownSize == 1 ? 0 : coordinate) * stride;
    stride *= ownSize;
  }
  return in(input).elements[index];
}

std::optional<int> Evaluator::order(const KnownElement &a, const KnownElement &b) {
  auto x = a.constant(), y = b.constant();
  if (x && y) {
    auto m = a.constantInteger(), n = b.constantInteger();
    if (m && n)
      return *m < *n ? -1 : *m > *n;
    if (std::isnan(*x) || std::isnan(*y))
      return std::nullopt;
    return *x < *y ? -1 : *x > *y;
  }
  if (a.factor != 1 || b.factor != 1)
    return std::nullopt;
  auto difference = bounds(a.expr - b.expr);
  if (!difference)
    return std::nullopt;
  if (areEqual(a.expr, b.expr))
    return 0;
  difference = bounds(simplifyAffineExpr(a.expr - b.expr, 0, symbols.size()));
  if (difference && difference->second < 0)
    return -1;
  if (difference && difference->first > 0)
    return 1;
  return std::nullopt;
}

std::optional<KnownElement> Evaluator::apply(StringRef op, Type type, KnownElement a, KnownElement b) {
  auto x = a.constant(), y = b.constant();
  bool isFloat = isa<FloatType>(type);
  if (op == "Min" || op == "Max") {
    auto sign = order(a, b);
    if (!sign)
      return std::nullopt;
    return (*sign <= 0) == (op == "Min") ? a : b;
  }
  if (isFloat && x && y) {
    double result = op == "Add"   ? *x + *y
                    : op == "Sub" ? *x - *y
                    : op == "Mul" ? *x * *y
                    : op == "Div" ? *x / *y
                                  : std::nan("");
    return std::isnan(result) ? std::nullopt : std::optional(number(type, result));
  }
  if (isFloat) {
    // An affine expression times a constant stays one.
    if (op == "Mul" && (x || y)) {
      KnownElement result = x ? b : a;
      result.factor *= x ? *x : *y;
      return result;
    }
    if (op == "Div" && y && *y != 0) {
      a.factor /= *y;
      return a;
    }
    if (op == "Div" && a.expr == b.expr && b.factor != 0)
      return number(type, a.factor / b.factor);
    if (!a.integer() || !b.integer() || (op != "Add" && op != "Sub"))
      return std::nullopt;
  }
  auto m = a.constantInteger(), n = b.constantInteger();
  if (m && n) {
    __int128 result;
    if (op == "Add")
      result = __int128(*m) + *n;
    else if (op == "Sub")
      result = __int128(*m) - *n;
    else if (op == "Mul")
      result = __int128(*m) * *n;
    else if (*n == 0)
      return std::nullopt;
    else if (op == "Div")
      result = __int128(*m) / *n;
    else if (op == "Mod" && node.getInt("fmod", 0))
      result = __int128(*m) % *n;
    else if (op == "Mod")
      result = __int128(*m) % *n == 0 || (*m < 0) == (*n < 0) ? __int128(*m) % *n : __int128(*m) % *n + *n;
    else
      return std::nullopt;
    __int128 limit = __int128(1) << (std::min(type.getIntOrFloatBitWidth(), 63u) - 1);
    if (result < -limit || result >= limit)
      return std::nullopt;
    return integer(int64_t(result));
  }
  if (!bounds(a.expr) || !bounds(b.expr))
    return std::nullopt;
  AffineExpr result;
  if (op == "Add")
    result = a.expr + b.expr;
  else if (op == "Sub")
    result = a.expr - b.expr;
  else if (op == "Mul")
    result = a.expr * b.expr;
  else if (op == "Div" && areEqual(a.expr, b.expr) && bounds(b.expr)->first > 0)
    result = node.expr(1);
  else if ((op == "Div" || op == "Mod") && n && *n > 0 && bounds(a.expr)->first >= 0)
    result = op == "Div" ? a.expr.floorDiv(*n) : a.expr % *n;
  else
    return std::nullopt;
  auto checked = checkedExpr(result, symbols);
  if (!checked)
    return std::nullopt;
  return integer(*checked);
}

bool Evaluator::shapeOf() {
  const SymbolicShape &shape = node.shape(0);
  int64_t rank = shape.size();
  Type type = IntegerType::get(node.getContext(), 64);
  if (node.getType() == "Size") {
    KnownElement total = integer(1);
    for (AffineExpr dim : shape) {
      auto product = apply("Mul", type, total, integer(dim));
      if (!product) {
        why = "the size of " + toText(shape, symbols) + " is not affine";
        node.refuse(kUndecided, why);
        return false;
      }
      total = *product;
    }
    return done(type, {}, {total});
  }
  auto clampAxis = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  int64_t start = clampAxis(std::clamp<int64_t>(node.getInt("start", 0), -rank, rank)),
          end = clampAxis(std::clamp<int64_t>(node.getInt("end", rank), -rank - 1, rank));
  SmallVector<KnownElement, 4> elements;
  for (int64_t i = start; i < end; ++i)
    elements.push_back(integer(shape[i]));
  return done(type, {int64_t(elements.size())}, elements);
}

bool Evaluator::cast() {
  Type type = elementTypeOf(node.getInt("to", 0), node.getContext());
  const KnownTensor &input = in(0);
  if (!type || type.isF16() || type.isBF16())
    return no("");
  KnownTensor result = input;
  result.elementType = type;
  for (KnownElement &element : result.elements) {
    if (isa<FloatType>(type)) {
      if (auto value = element.constant())
        element = number(type, *value);
      continue;
    }
    if (auto value = element.constantInteger()) {
      unsigned width = type.getIntOrFloatBitWidth();
      bool isUnsigned = type.isUnsignedInteger();
      int64_t wrapped = width == 1    ? *value != 0
                        : width == 64 ? *value
                        : isUnsigned  ? *value & ((int64_t(1) << width) - 1)
                                      : llvm::SignExtend64(*value, width);
      element = integer(wrapped);
      continue;
    }
    if (auto value = element.constant()) {
      if (type.isInteger(1))
        element = integer(int64_t(*value != 0));
      else if (std::abs(*value) < double(int64_t(1) << 30) && (!type.isUnsignedInteger() || *value > -1) &&
               type.getIntOrFloatBitWidth() >= 32)
        element = integer(int64_t(*value));
      else
        return no("a float outside the integer's range");
      continue;
    }
    if (type.getIntOrFloatBitWidth() < 32)
      return no("a dimension as " + Twine(type.getIntOrFloatBitWidth()) + "-bit integer");
    if (element.factor == 1)
      continue;
    // Truncation toward zero of expr * factor.
    auto range = bounds(element.expr);
    double inverse = 1 / element.factor;
    AffineExpr expr;
    if (range && range->first >= 0 && element.factor == std::floor(element.factor) && std::abs(element.factor) < 1e9)
      expr = element.expr * int64_t(element.factor);
    else if (range && range->first >= 0 && inverse == std::floor(inverse) && inverse >= 1 && inverse < 1e9)
      expr = element.expr.floorDiv(int64_t(inverse));
    else
      return no("a dimension times " + std::to_string(element.factor));
    auto checked = checkedExpr(expr, symbols);
    if (!checked)
      return no("a dimension that is too large");
    element = integer(*checked);
  }
  return done(type, result.shape, result.elements);
}

bool Evaluator::binary() {
  if (in(0).elementType != in(1).elementType)
    return no("operands of two types");
  SmallVector<int64_t> shape;
  if (!broadcast({0, 1}, shape))
    return false;
  SmallVector<KnownElement, 4> elements;
  for (int64_t i = 0, count = countOf(shape); i < count; ++i) {
    auto result = apply(node.getType(), in(0).elementType, at(0, shape, i), at(1, shape, i));
    if (!result)
      return no(toText(at(0, shape, i).expr, symbols) + " " + node.getType() + " " +
                toText(at(1, shape, i).expr, symbols) + " is not an affine expression");
    elements.push_back(*result);
  }
  return done(in(0).elementType, shape, elements);
}

bool Evaluator::variadic() {
  // Min, Max and Sum: a chain of the binary form.
  StringRef op = node.getType() == "Sum" ? "Add" : node.getType();
  SmallVector<int64_t> shape;
  SmallVector<unsigned> all;
  for (unsigned i = 0; i < node.getNumInputs(); ++i) {
    if (!node.has(i) || in(i).elementType != in(0).elementType)
      return no("operands of two types");
    all.push_back(i);
  }
  if (!broadcast(all, shape))
    return false;
  SmallVector<KnownElement, 4> elements;
  for (int64_t i = 0, count = countOf(shape); i < count; ++i) {
    KnownElement result = at(0, shape, i);
    for (unsigned j = 1; j < node.getNumInputs(); ++j) {
      auto next = apply(op, in(0).elementType, result, at(j, shape, i));
      if (!next)
        return no("the order of " + toText(result.expr, symbols) + " and " + toText(at(j, shape, i).expr, symbols) +
                  " is not the same over their ranges");
      result = *next;
    }
    elements.push_back(result);
  }
  return done(in(0).elementType, shape, elements);
}

bool Evaluator::unary() {
  StringRef op = node.getType();
  KnownTensor result = in(0);
  for (KnownElement &element : result.elements) {
    auto value = element.constant();
    if (op == "Neg" && !result.elementType.isUnsignedInteger()) {
      auto negated = apply("Mul", result.elementType, element,
                           result.isFloat() ? number(result.elementType, -1) : integer(int64_t(-1)));
      if (!negated)
        return no("");
      element = *negated;
    } else if (op == "Not" && value) {
      element = integer(int64_t(*value == 0));
    } else if (op == "Abs") {
      auto range = bounds(element.expr);
      if (result.isFloat() && value)
        element = number(result.elementType, std::abs(*value));
      else if (element.factor != 1 || !range || range->first < 0)
        return no("");
    } else if ((op == "Floor" || op == "Ceil" || op == "Round") && value) {
      element = number(result.elementType, op == "Floor"  ? std::floor(*value)
                                           : op == "Ceil" ? std::ceil(*value)
                                                          : std::nearbyint(*value));
    } else if (op == "Floor" || op == "Ceil") {
      // floor(expr / n) and ceil(expr / n), or an integer already.
      double inverse = 1 / element.factor;
      if (element.factor == std::floor(element.factor))
        continue;
      if (inverse != std::floor(inverse) || inverse < 1 || inverse > 1e9)
        return no("a dimension times " + std::to_string(element.factor));
      element =
          integer(op == "Floor" ? element.expr.floorDiv(int64_t(inverse)) : element.expr.ceilDiv(int64_t(inverse)));
      if (!bounds(element.expr))
        return no("");
    } else if (op == "Sqrt" && value && *value >= 0) {
      element = number(result.elementType, std::sqrt(*value));
    } else if (op == "Reciprocal" && value) {
      element = number(result.elementType, 1 / *value);
    } else {
      return no("");
    }
  }
  return done(result.elementType, result.shape, result.elements);
}

bool Evaluator::compare() {
  StringRef op = node.getType();
  SmallVector<int64_t> shape;
  if (!broadcast({0, 1}, shape))
    return false;
  Type type = IntegerType::get(node.getContext(), 1);
  SmallVector<KnownElement, 4> elements;
  for (int64_t i = 0, count = countOf(shape); i < count; ++i) {
    const KnownElement &a = at(0, shape, i), &b = at(1, shape, i);
    if (op == "And" || op == "Or") {
      auto x = a.constantInteger(), y = b.constantInteger();
      if (!x || !y)
        return no("");
      elements.push_back(integer(int64_t(op == "And" ? *x && *y : *x || *y)));
      continue;
    }
    auto sign = order(a, b);
    // A dimension may also be equal for some values of the symbols only: that is not decided.
    if (!sign)
      return no("the comparison of " + toText(a.expr, symbols) + " and " + toText(b.expr, symbols) +
                " depends on the dimensions");
    bool result = op == "Equal"            ? *sign == 0
                  : op == "Greater"        ? *sign > 0
                  : op == "Less"           ? *sign < 0
                  : op == "GreaterOrEqual" ? *sign >= 0
                                           : *sign <= 0;
    elements.push_back(integer(int64_t(result)));
  }
  return done(type, shape, elements);
}

bool Evaluator::where() {
  if (in(1).elementType != in(2).elementType)
    return no("operands of two types");
  SmallVector<int64_t> shape;
  if (!broadcast({0, 1, 2}, shape))
    return false;
  SmallVector<KnownElement, 4> elements;
  for (int64_t i = 0, count = countOf(shape); i < count; ++i) {
    auto condition = at(0, shape, i).constantInteger();
    if (!condition)
      return no("");
    elements.push_back(at(*condition ? 1 : 2, shape, i));
  }
  return done(in(1).elementType, shape, elements);
}

bool Evaluator::range() {
  for (unsigned i = 0; i < 3; ++i)
    if (in(i).elements.size() != 1 || in(i).elementType != in(0).elementType)
      return no("expected three scalars of one type");
  Type type = in(0).elementType;
  auto start = in(0).elements[0].constant(), limit = in(1).elements[0].constant(), delta = in(2).elements[0].constant();
  if (!start || !limit || !delta)
    return no("the limits " + toText(in(0).elements[0].expr, symbols) + ", " + toText(in(1).elements[0].expr, symbols) +
              " depend on the dimensions");
  if (*delta == 0)
    return node.error("expected a delta that is not 0"), false;
  double count = std::max(0.0, std::ceil((*limit - *start) / *delta));
  if (!(count <= 1 << 20))
    return no("more than 2^20 elements");
  SmallVector<int64_t> integers;
  SmallVector<float> floats;
  for (int64_t i = 0; i < int64_t(count); ++i) {
    integers.push_back(int64_t(*start) + i * int64_t(*delta));
    floats.push_back(float(*start + double(i) * *delta));
  }
  auto resultType = RankedTensorType::get({int64_t(count)}, type);
  node.charge(int64_t(count) * 8);
  if (type.isF32())
    node.setOutput(0, WeightData::copyOf<float>(resultType, floats));
  else if (type.isInteger(64))
    node.setOutput(0, WeightData::copyOf<int64_t>(resultType, integers));
  else if (type.isInteger(32))
    node.setOutput(0, WeightData::copyOf<int32_t>(resultType, SmallVector<int32_t>(integers.begin(), integers.end())));
  else
    return no("");
  return true;
}

bool Evaluator::constantOfShape() {
  auto dims = in(0).constantIntegers();
  if (!dims || in(0).shape.size() != 1 || countOf(*dims) > kMaxKnownElements)
    return no("");
  KnownElement element = number(Float32Type::get(node.getContext()), 0);
  Type type = Float32Type::get(node.getContext());
  if (auto *attribute = node.findAttribute("value")) {
    onnx::TensorProto copy = attribute->t();
    auto data = node.importer.readTensor(copy);
    if (!data || data->getNumElements() != 1)
      return llvm::consumeError(data.takeError()), no("");
    type = data->type.getElementType();
    auto value = knownFrom(*data);
    if (!value)
      return no("");
    element = value->elements[0];
  }
  return done(type, *dims, SmallVector<KnownElement, 4>(countOf(*dims), element));
}

bool Evaluator::concat() {
  int64_t rank = in(0).shape.size(), axis = node.getInt("axis", 0);
  if (axis < -rank || axis >= rank)
    return no("");
  axis = axis < 0 ? axis + rank : axis;
  SmallVector<int64_t> shape(ArrayRef<int64_t>(in(0).shape));
  shape[axis] = 0;
  for (unsigned i = 0; i < node.getNumInputs(); ++i) {
    if (!node.has(i) || int64_t(in(i).shape.size()) != rank || in(i).elementType != in(0).elementType)
      return no("");
    for (int64_t j = 0; j < rank; ++j)
      if (j != axis && in(i).shape[j] != shape[j])
        return no("");
    shape[axis] += in(i).shape[axis];
  }
  if (countOf(shape) > kMaxKnownElements)
    return no("");
  int64_t outer = 1;
  for (int64_t j = 0; j < axis; ++j)
    outer *= shape[j];
  SmallVector<KnownElement, 4> elements;
  for (int64_t o = 0; o < outer; ++o)
    for (unsigned i = 0; i < node.getNumInputs(); ++i) {
      int64_t chunk = in(i).elements.size() / std::max<int64_t>(outer, 1);
      for (int64_t k = 0; k < chunk; ++k)
        elements.push_back(in(i).elements[o * chunk + k]);
    }
  return done(in(0).elementType, shape, elements);
}

bool Evaluator::gather() {
  int64_t rank = in(0).shape.size(), axis = node.getInt("axis", 0);
  if (axis < -rank || axis >= rank)
    return no("");
  axis = axis < 0 ? axis + rank : axis;
  auto indices = in(1).constantIntegers();
  if (!indices)
    return no("the indices depend on the dimensions");
  int64_t size = in(0).shape[axis], outer = 1, inner = 1;
  for (int64_t i = 0; i < axis; ++i)
    outer *= in(0).shape[i];
  for (int64_t i = axis + 1; i < rank; ++i)
    inner *= in(0).shape[i];
  SmallVector<int64_t> shape(in(0).shape.begin(), in(0).shape.begin() + axis);
  shape.append(in(1).shape.begin(), in(1).shape.end());
  shape.append(in(0).shape.begin() + axis + 1, in(0).shape.end());
  if (countOf(shape) > kMaxKnownElements)
    return no("");
  SmallVector<KnownElement, 4> elements;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t index : *indices) {
      if (index < -size || index >= size)
        return node.error("expected indices from " + Twine(-size) + " to " + Twine(size - 1) + ", found " +
                          Twine(index)),
               false;
      for (int64_t k = 0; k < inner; ++k)
        elements.push_back(in(0).elements[(o * size + (index < 0 ? index + size : index)) * inner + k]);
    }
  return done(in(0).elementType, shape, elements);
}

bool Evaluator::slice() {
  SliceBounds slices;
  if (!readSlice(node, slices))
    return false;
  SmallVector<int64_t> starts, shape;
  for (auto [start, size] : llvm::zip(slices.starts, slices.shape)) {
    if (!constantOf(start) || !constantOf(size))
      return no("");
    starts.push_back(*constantOf(start));
    shape.push_back(*constantOf(size));
  }
  int64_t count = countOf(shape);
  if (count > kMaxKnownElements)
    return no("");
  SmallVector<KnownElement, 4> elements;
  for (int64_t position = 0; position < count; ++position) {
    int64_t rest = position, index = 0, stride = 1;
    for (int64_t i = int64_t(shape.size()) - 1; i >= 0; --i) {
      index += (starts[i] + rest % shape[i] * slices.steps[i]) * stride;
      rest /= shape[i];
      stride *= in(0).shape[i];
    }
    elements.push_back(in(0).elements[index]);
  }
  return done(in(0).elementType, shape, elements);
}

bool Evaluator::split() {
  // Only the common form: a list of known sizes, along the only axis.
  if (in(0).shape.size() != 1)
    return no("");
  SmallVector<int64_t> sizes;
  int64_t total = in(0).shape[0], parts = node.getNumOutputs();
  if (node.has(1)) {
    auto given = in(1).constantIntegers();
    if (!given)
      return no("");
    sizes = *given;
  } else if (auto given = node.getInts("split")) {
    sizes = *given;
  } else if (parts > 0) {
    int64_t chunk = llvm::divideCeil(total, parts);
    for (int64_t i = 0; i < parts; ++i)
      sizes.push_back(std::max<int64_t>(0, std::min(chunk, total - i * chunk)));
  }
  int64_t sum = 0;
  for (int64_t size : sizes) {
    if (size < 0 || size > total - sum)
      return no("");
    sum += size;
  }
  if (sum != total || int64_t(sizes.size()) != parts)
    return no("");
  sum = 0;
  for (int64_t i = 0; i < parts; ++i) {
    KnownTensor part{in(0).elementType, {sizes[i]}, {}};
    for (int64_t j = 0; j < sizes[i]; ++j)
      part.elements.push_back(in(0).elements[sum + j]);
    sum += sizes[i];
    node.setOutput(i, part);
  }
  return true;
}

bool Evaluator::reshape() {
  // Reshape, Squeeze, Unsqueeze, Flatten: the operators' own code finds the shape; here only whether it is static.
  SymbolicShape target;
  if (!readReshape(node, target))
    return false;
  SmallVector<int64_t> shape;
  for (AffineExpr dim : target) {
    if (!constantOf(dim))
      return no("");
    shape.push_back(*constantOf(dim));
  }
  if (countOf(shape) != int64_t(in(0).elements.size()))
    return no("");
  return done(in(0).elementType, shape, in(0).elements);
}

bool Evaluator::expand() {
  auto dims = in(1).constantIntegers();
  if (!dims)
    return no("");
  SmallVector<int64_t> shape(ArrayRef<int64_t>(in(0).shape));
  if (dims->size() > shape.size())
    shape.insert(shape.begin(), dims->size() - shape.size(), 1);
  for (size_t i = 0; i < dims->size(); ++i) {
    int64_t &dim = shape[shape.size() - dims->size() + i];
    if (dim == 1)
      dim = (*dims)[i];
    else if ((*dims)[i] != 1 && (*dims)[i] != dim)
      return no("");
  }
  int64_t count = countOf(shape);
  if (count > kMaxKnownElements)
    return no("");
  SmallVector<KnownElement, 4> elements;
  for (int64_t i = 0; i < count; ++i)
    elements.push_back(at(0, shape, i));
  return done(in(0).elementType, shape, elements);
}

bool Evaluator::reduce() {
  // ReduceProd, ReduceSum, ReduceMin, ReduceMax of a vector: the size of some dimensions.
  if (in(0).shape.size() != 1 || in(0).elements.empty() ||
      (in(0).isFloat() && node.getType() != "ReduceMax" && node.getType() != "ReduceMin"))
    return no("");
  if (node.has(1) && in(1).constantIntegers() != SmallVector<int64_t>{0} &&
      in(1).constantIntegers() != SmallVector<int64_t>{-1})
    return no("");
  StringRef op = llvm::StringSwitch<StringRef>(node.getType())
                     .Case("ReduceProd", "Mul")
                     .Case("ReduceSum", "Add")
                     .Case("ReduceMin", "Min")
                     .Default("Max");
  KnownElement result = in(0).elements[0];
  for (const KnownElement &element : ArrayRef(in(0).elements).drop_front()) {
    auto next = apply(op, in(0).elementType, result, element);
    if (!next)
      return no("not an affine expression of the dimensions");
    result = *next;
  }
  if (node.getInt("keepdims", 1))
    return done(in(0).elementType, {1}, {result});
  return done(in(0).elementType, {}, {result});
}

bool Evaluator::run() {
  StringRef op = node.getType();
  if (op == "Shape" || op == "Size")
    return shapeOf();
  if (node.getNumInputs() == 0 || !node.has(0) || (node.isFloat(0) && !node.elementType(0).isF32()))
    return false;
  using Method = bool (Evaluator::*)();
  auto method =
      llvm::StringSwitch<Method>(op)
          .Case("Cast", &Evaluator::cast)
          .Cases({"Add", "Sub", "Mul", "Div", "Mod"}, &Evaluator::binary)
          .Cases({"Min", "Max", "Sum"}, &Evaluator::variadic)
          .Cases({"Neg", "Abs", "Not", "Floor", "Ceil", "Round", "Sqrt", "Reciprocal"}, &Evaluator::unary)
          .Cases({"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or"}, &Evaluator::compare)
          .Case("Where", &Evaluator::where)
          .Case("Range", &Evaluator::range)
          .Case("ConstantOfShape", &Evaluator::constantOfShape)
          .Case("Concat", &Evaluator::concat)
          .Case("Gather", &Evaluator::gather)
          .Case("Slice", &Evaluator::slice)
          .Case("Split", &Evaluator::split)
          .Cases({"Reshape", "Squeeze", "Unsqueeze", "Flatten"}, &Evaluator::reshape)
          .Case("Expand", &Evaluator::expand)
          .Cases({"ReduceProd", "ReduceSum", "ReduceMin", "ReduceMax"}, &Evaluator::reduce)
          .Default(nullptr);
  return method && (this->*method)();
}

bool onnximport::evaluateKnown(NodeImporter &node, std::string &why) { return Evaluator(node, why).run(); }
