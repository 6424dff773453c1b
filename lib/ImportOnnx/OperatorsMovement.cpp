//===- OperatorsMovement.cpp - operators that move elements -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/Operators.h"
#include "lib/ImportOnnx/SliceBounds.h"
#include "onnx.pb.h"
#include <numeric>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

static const Refusal kReshapeInexact = {"a dimension -1 whose size is not one affine expression",
                                        "the other dimensions must divide the number of elements for every value of "
                                        "the symbols; give a range with a divisor "
                                        "(--dim W=32..1280/8) or fix a dimension"};
static const Refusal kSymbolicPads = {"padding or repeats that depend on a dimension",
                                      "the amounts are constants of the operation; fix the dimension with --dim"};
static const Refusal kConstantForm = {"a Constant of strings or a sparse tensor",
                                      "there is no such tensor type in qnn"};
static const Refusal kRangeAtRunTime = {"limits that are not constants",
                                        "the number of elements must be known at import"};
static const Refusal kPadFill = {"a fill value that is computed from input data",
                                 "the value is a constant of the operation"};
static const Refusal kTooLarge = {"indices into a dimension whose bounds may be violated",
                                  "constant indices are checked at import"};

//===----------------------------------------------------------------------===//
// Shapes from operands
//===----------------------------------------------------------------------===//

/// A slice bound brought into 0 .. size (or -1 .. size-1 going down), as an expression; none if that depends on the
/// symbols.
static std::optional<AffineExpr> clampBound(NodeImporter &node, AffineExpr bound, AffineExpr size, int64_t step,
                                            bool isStart) {
  ArrayRef<DimSymbol> symbols = node.getSymbols();
  auto sizeRange = boundsOf(size, symbols);
  if (!sizeRange)
    return std::nullopt;
  // Exporters write "to the end" as INT64_MAX or INT32_MAX, "from before the start" as their negatives.
  constexpr int64_t huge = (int64_t(1) << 31) - 1;
  AffineExpr lowest = node.expr(step > 0 || isStart ? 0 : -1), highest = step > 0 ? size : size - 1;
  if (auto value = constantOf(bound)) {
    if (*value >= huge)
      return highest;
    if (*value <= -huge)
      return lowest;
    if (*value < 0)
      bound = size + *value;
  } else if (auto range = boundsOf(bound, symbols); !range || range->first < 0) {
    return std::nullopt;
  }
  auto rangeOfDifference = [&](AffineExpr a, AffineExpr b) {
    return boundsOf(simplifyAffineExpr(a - b, 0, symbols.size()), symbols);
  };
  auto below = rangeOfDifference(bound, lowest);
  if (!below)
    return std::nullopt;
  if (below->second <= 0)
    return lowest;
  if (below->first < 0)
    return std::nullopt;
  auto above = rangeOfDifference(bound, highest);
  if (!above)
    return std::nullopt;
  if (above->first >= 0)
    return highest;
  if (above->second > 0)
    return std::nullopt;
  return bound;
}

bool onnximport::readSlice(NodeImporter &node, SliceBounds &result) {
  int64_t rank = node.rank(0);
  SymbolicShape starts, ends;
  SmallVector<int64_t> axes, steps;
  if (node.getOpset() < 10) {
    auto attributeStarts = node.getInts("starts", true), attributeEnds = node.getInts("ends", true),
         attributeAxes = node.getInts("axes");
    if (node.failed() || !attributeStarts || !attributeEnds)
      return node.error("expected the attributes starts and ends"), false;
    for (int64_t value : *attributeStarts)
      starts.push_back(node.expr(value));
    for (int64_t value : *attributeEnds)
      ends.push_back(node.expr(value));
    if (attributeAxes)
      axes = *attributeAxes;
  } else {
    if (!node.has(1) || !node.has(2))
      return node.error("expected the inputs starts and ends"), false;
    starts = node.expressions(1, "starts");
    ends = node.expressions(2, "ends");
    if (node.has(3))
      axes = node.constantInts(3, "axes");
    if (node.has(4))
      steps = node.constantInts(4, "steps");
  }
  if (node.failed())
    return false;
  bool hasAxes = node.getOpset() < 10 ? node.hasAttribute("axes") : node.has(3);
  if (!hasAxes)
    for (size_t i = 0; i < starts.size(); ++i)
      axes.push_back(i);
  if (node.getOpset() < 10 || !node.has(4))
    steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return node.error("expected as many ends, axes and steps as starts (" + Twine(starts.size()) + "), found " +
                      Twine(ends.size()) + ", " + Twine(axes.size()) + " and " + Twine(steps.size())),
           false;
  axes = node.normalizeAxes(axes, rank);
  if (node.failed())
    return false;
  result.steps.assign(rank, 1);
  result.starts.assign(rank, node.expr(0));
  result.shape = node.shape(0);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    int64_t step = steps[i];
    AffineExpr size = node.shape(0)[axis];
    if (step == 0 || step == INT64_MIN)
      return node.error("expected steps that are not 0"), false;
    auto start = clampBound(node, starts[i], size, step, true), end = clampBound(node, ends[i], size, step, false);
    if (!start || !end)
      return node.refuse(kUndecided, "the bounds " + toText(starts[i], node.getSymbols()) + " and " +
                                         toText(ends[i], node.getSymbols()) + " in a dimension of size " +
                                         toText(size, node.getSymbols())),
             false;
    AffineExpr length = simplifyAffineExpr(step > 0 ? *end - *start : *start - *end, 0, node.getSymbols().size());
    auto range = boundsOf(length, node.getSymbols());
    if (!range || (range->first < 0 && range->second > 0))
      return node.refuse(kUndecided, "the length " + toText(length, node.getSymbols())), false;
    result.starts[axis] = *start;
    // A step beyond the dimension takes the first element only; its size no longer matters.
    result.steps[axis] = std::clamp<int64_t>(step, -(int64_t(1) << 40), int64_t(1) << 40);
    result.shape[axis] = range->second <= 0 ? node.expr(0)
                                            : simplifyAffineExpr(length.ceilDiv(std::abs(result.steps[axis])), 0,
                                                                 node.getSymbols().size());
    // A slice of no elements starts anywhere; 0 is always valid.
    if (range->second <= 0)
      result.starts[axis] = node.expr(0);
  }
  return true;
}

/// The dimension that -1 stands for: elements of `input` divided by the product of `known`.
static std::optional<AffineExpr> solveDimension(NodeImporter &node, const SymbolicShape &input,
                                                SmallVector<AffineExpr> known) {
  ArrayRef<DimSymbol> symbols = node.getSymbols();
  // Equal factors cancel; what remains are constants and symbolic factors.
  int64_t numerator = 1, denominator = 1;
  SmallVector<AffineExpr> factors, divisors;
  auto multiply = [](int64_t &product, int64_t factor) {
    return !__builtin_mul_overflow(product, factor, &product) && std::abs(product) <= kMaxElements;
  };
  for (AffineExpr dim : input) {
    if (auto size = constantOf(dim)) {
      if (!multiply(numerator, *size))
        return std::nullopt;
      continue;
    }
    auto same = llvm::find_if(known, [&](AffineExpr other) { return areEqual(dim, other); });
    if (same != known.end())
      known.erase(same);
    else
      factors.push_back(dim);
  }
  for (AffineExpr dim : known) {
    if (auto size = constantOf(dim)) {
      if (!multiply(denominator, *size))
        return std::nullopt;
    } else {
      divisors.push_back(dim);
    }
  }
  if (denominator == 0)
    return std::nullopt;
  // A symbolic divisor must be a constant multiple of one factor, or of their product.
  for (AffineExpr divisor : divisors) {
    SmallVector<AffineExpr> candidates(factors);
    AffineExpr product = productOf(factors, node.getContext());
    bool found = false;
    auto isMultipleOf = [&](AffineExpr expr, int64_t &q) {
      for (q = 1; q <= 64; ++q)
        if (areEqual(divisor, expr * q))
          return true;
      return false;
    };
    int64_t q;
    for (size_t i = 0; i < factors.size() && !found; ++i)
      if (isMultipleOf(factors[i], q) && multiply(denominator, q)) {
        factors.erase(factors.begin() + i);
        found = true;
      } else if (int64_t k =
                     [&] {
                       for (int64_t k = 2; k <= 64; ++k)
                         if (areEqual(factors[i], divisor * k))
                           return k;
                       return int64_t(0);
                     }();
                 k && multiply(numerator, k)) {
        factors.erase(factors.begin() + i);
        found = true;
      }
    if (!found && factors.size() > 1 && isMultipleOf(product, q) && multiply(denominator, q)) {
      factors.clear();
      found = true;
    }
    if (!found)
      return std::nullopt;
  }
  // Constants divide constants first, then one of the factors.
  int64_t common = std::gcd(numerator, denominator);
  numerator /= std::max<int64_t>(common, 1);
  denominator /= std::max<int64_t>(common, 1);
  for (AffineExpr &factor : factors)
    if (denominator > 1 && isMultiple(factor * numerator, denominator, symbols)) {
      factor = simplifyAffineExpr((factor * numerator).floorDiv(denominator), 0, symbols.size());
      numerator = denominator = 1;
    }
  if (denominator != 1)
    return std::nullopt;
  return checkedExpr(productOf(factors, node.getContext()) * numerator, symbols);
}

static bool readReshapeOperand(NodeImporter &node, SymbolicShape &result) {
  const SymbolicShape &input = node.shape(0);
  const Tensor &target = node.get(1);
  if (target.shape.size() != 1)
    return node.error("expected a shape of rank 1, found rank " + Twine(target.shape.size())), false;
  SymbolicShape dims = node.expressions(1, "the shape");
  if (node.failed())
    return false;
  bool allowZero = node.getInt("allowzero", 0);
  int64_t unknown = -1;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    auto size = constantOf(dim);
    if (size == 0 && !allowZero) {
      if (i >= input.size())
        return node.error("expected 0 in the shape only for a dimension that the input has, found it at " + Twine(i)),
               false;
      dim = input[i];
    } else if (size == -1) {
      if (unknown >= 0)
        return node.error("expected at most one -1 in the shape, found " + toText(dims, node.getSymbols())), false;
      unknown = i;
    } else if (size && *size < 0) {
      return node.error("expected dimensions >= -1, found " + Twine(*size)), false;
    }
  }
  if (unknown >= 0) {
    SmallVector<AffineExpr> known;
    for (auto [i, dim] : llvm::enumerate(dims))
      if (int64_t(i) != unknown)
        known.push_back(dim);
    auto solved = solveDimension(node, input, known);
    std::string shapes = "input " + toText(input, node.getSymbols()) + ", shape " + toText(dims, node.getSymbols());
    bool allConstant = llvm::all_of(input, [](AffineExpr dim) { return constantOf(dim).has_value(); });
    if (!solved && allConstant)
      return node.error("expected a number of elements that the shape divides: " + shapes), false;
    if (!solved)
      return node.refuse(kReshapeInexact, shapes), false;
    dims[unknown] = *solved;
  } else if (!solveDimension(node, input, SmallVector<AffineExpr>(dims.begin(), dims.end()))) {
    // All given: the quotient of the element counts must at least exist; the operation's verifier compares constants.
    AffineExpr a = productOf(input, node.getContext()), b = productOf(dims, node.getContext());
    if (constantOf(a) && constantOf(b) && a != b)
      return node.error("expected " + toText(a, node.getSymbols()) + " elements, found the shape " +
                        toText(dims, node.getSymbols())),
             false;
  }
  result = dims;
  return true;
}

/// Axes of Squeeze and Unsqueeze: an attribute before opset 13, an operand since; none if absent.
static std::optional<SmallVector<int64_t>> readAxes(NodeImporter &node) {
  if (node.getOpset() < 13)
    return node.getInts("axes");
  if (!node.has(1))
    return std::nullopt;
  return node.constantInts(1, "axes");
}

bool onnximport::readReshape(NodeImporter &node, SymbolicShape &result) {
  const SymbolicShape &input = node.shape(0);
  int64_t rank = input.size();
  StringRef type = node.getType();
  if (type == "Reshape")
    return readReshapeOperand(node, result);
  if (type == "Flatten") {
    int64_t axis = node.getInt("axis", 1);
    if (axis < -rank || axis > rank)
      return node.error("expected an axis from " + Twine(-rank) + " to " + Twine(rank) + ", found " + Twine(axis)),
             false;
    axis = axis < 0 ? axis + rank : axis;
    AffineExpr left = productOf(ArrayRef(input).take_front(axis), node.getContext()),
               right = productOf(ArrayRef(input).drop_front(axis), node.getContext());
    if (!boundsOf(left, node.getSymbols()) || !boundsOf(right, node.getSymbols()))
      return node.refuse(kReshapeInexact, "Flatten of " + toText(input, node.getSymbols())), false;
    result = {left, right};
    return true;
  }
  auto given = readAxes(node);
  if (node.failed())
    return false;
  if (type == "Squeeze") {
    SmallVector<int64_t> axes;
    if (given) {
      axes = node.normalizeAxes(*given, rank);
    } else {
      for (auto [i, dim] : llvm::enumerate(input))
        if (constantOf(dim) == 1)
          axes.push_back(i);
    }
    if (node.failed())
      return false;
    for (auto [i, dim] : llvm::enumerate(input)) {
      if (!llvm::is_contained(axes, int64_t(i)))
        result.push_back(dim);
      else if (constantOf(dim) != 1)
        return node.error("expected dimension " + Twine(i) + " to be 1, found " + toText(dim, node.getSymbols())),
               false;
    }
    return true;
  }
  if (!given)
    return node.error("expected axes, found none"), false;
  int64_t newRank = rank + given->size();
  if (newRank > kMaxRank)
    return node.error("expected a rank of at most " + Twine(kMaxRank) + ", found " + Twine(newRank)), false;
  SmallVector<int64_t> axes = node.normalizeAxes(*given, newRank);
  if (node.failed())
    return false;
  for (int64_t i = 0, next = 0; i < newRank; ++i)
    result.push_back(llvm::is_contained(axes, i) ? node.expr(1) : input[next++]);
  return true;
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

static void importIdentity(NodeImporter &node) { node.forward(0, 0); }

static void importDropout(NodeImporter &node) {
  static const Refusal *training = node.op.refusals[0];
  if (node.has(2) && node.constantNumber(2) != 0)
    return node.refuse(*training);
  node.forward(0, 0);
  if (node.wantsOutput(1) && !node.failed()) {
    Type type = IntegerType::get(node.getContext(), 1);
    node.setOutput(1, node.create<qnn::BroadcastOp>(type, node.constantFloat(type, 1), node.shapeMap(node.shape(0))));
  }
}

static void importConstant(NodeImporter &node) {
  MLIRContext *context = node.getContext();
  Type f32 = Float32Type::get(context), i64 = IntegerType::get(context, 64);
  if (auto *attribute = node.findAttribute("value"); attribute && attribute->has_t()) {
    auto data = node.importer.readTensor(*attribute->mutable_t());
    if (!data)
      return node.error(llvm::toString(data.takeError()));
    std::string why;
    if (!Importer::checkFinite(*data, why))
      return node.error("expected numbers, but " + why);
    return node.setOutput(0, *data);
  }
  if (auto *attribute = node.findAttribute("value_float"); attribute && attribute->has_f())
    return node.setOutput(0, WeightData::copyOf<float>(RankedTensorType::get({}, f32), attribute->f()));
  if (auto *attribute = node.findAttribute("value_int"); attribute && attribute->has_i())
    return node.setOutput(0, WeightData::copyOf<int64_t>(RankedTensorType::get({}, i64), int64_t(attribute->i())));
  if (auto *attribute = node.findAttribute("value_floats"))
    return node.setOutput(
        0, WeightData::copyOf<float>(RankedTensorType::get({attribute->floats_size()}, f32),
                                     SmallVector<float>(attribute->floats().begin(), attribute->floats().end())));
  if (auto *attribute = node.findAttribute("value_ints"))
    return node.setOutput(
        0, WeightData::copyOf<int64_t>(RankedTensorType::get({attribute->ints_size()}, i64),
                                       SmallVector<int64_t>(attribute->ints().begin(), attribute->ints().end())));
  node.refuse(kConstantForm);
}

static void importConstantOfShape(NodeImporter &node) {
  if (node.rank(0) != 1)
    return node.error("expected a shape of rank 1, found rank " + Twine(node.rank(0)));
  SymbolicShape dims = node.expressions(0, "the shape");
  Type type = Float32Type::get(node.getContext());
  Value scalar;
  if (auto *attribute = node.findAttribute("value"); attribute && attribute->has_t()) {
    auto data = node.importer.readTensor(*attribute->mutable_t());
    if (!data)
      return node.error("value: " + llvm::toString(data.takeError()));
    if (data->getNumElements() != 1)
      return node.error("expected a value of one element, found " + Twine(data->getNumElements()));
    type = data->type.getElementType();
    data->type = RankedTensorType::get({}, type);
    scalar = node.constant(*data);
  } else {
    scalar = node.constantFloat(type, 0);
  }
  for (AffineExpr dim : dims)
    if (constantOf(dim).value_or(1) < 0)
      return node.error("expected dimensions >= 0, found " + toText(dims, node.getSymbols()));
  if (!node.failed())
    node.setOutput(0, node.create<qnn::BroadcastOp>(type, scalar, node.shapeMap(dims)));
}

static void importReshape(NodeImporter &node) {
  SymbolicShape dims;
  if (!readReshape(node, dims))
    return;
  // A constant stays a constant: the same bytes under another type.
  const Tensor &input = node.get(0);
  if (input.constant && llvm::all_of(dims, [](AffineExpr dim) { return constantOf(dim).has_value(); })) {
    SmallVector<int64_t> sizes;
    for (AffineExpr dim : dims)
      sizes.push_back(*constantOf(dim));
    WeightData data = *input.constant;
    data.type = RankedTensorType::get(sizes, data.type.getElementType());
    if (getStorageBytes(data.type) == int64_t(data.bytes.size()))
      return node.setOutput(0, data);
  }
  Value result = node.reshape(node.value(0), dims);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importTranspose(NodeImporter &node) {
  int64_t rank = node.rank(0);
  SmallVector<int64_t> perm;
  if (auto given = node.getInts("perm"))
    perm = node.normalizeAxes(*given, rank);
  else
    for (int64_t i = rank - 1; i >= 0; --i)
      perm.push_back(i);
  Value result = node.transpose(node.value(0), perm);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importExpand(NodeImporter &node) {
  if (node.rank(1) != 1)
    return node.error("expected a shape of rank 1, found rank " + Twine(node.rank(1)));
  SymbolicShape dims = node.expressions(1, "the shape");
  for (AffineExpr dim : dims)
    if (constantOf(dim).value_or(1) < 0)
      return node.error("expected dimensions >= 0, found " + toText(dims, node.getSymbols()));
  Value input = node.value(0);
  if (!node.failed())
    node.setOutput(0, node.create<qnn::BroadcastOp>(node.elementType(0), input, node.shapeMap(dims)));
}

static void importTile(NodeImporter &node) {
  if (node.known(1) && !node.known(1)->isConstant())
    return node.refuse(kSymbolicPads);
  SmallVector<int64_t> repeats = node.constantInts(1, "repeats");
  if (node.failed())
    return;
  for (int64_t repeat : repeats)
    if (repeat < 0 || repeat > kMaxElements)
      return node.error("expected repeats from 0 to 2^40, found " + Twine(repeat));
  node.setOutput(0, node.create<qnn::TileOp>(node.elementType(0), node.value(0), repeats));
}

static void importConcat(NodeImporter &node) {
  if (!node.hasAttribute("axis"))
    return node.error("expected the attribute axis");
  int64_t axis = node.normalizeAxis(node.getInt("axis", 0), node.rank(0));
  SmallVector<Value> values;
  for (unsigned i = 0; i < node.getNumInputs(); ++i) {
    if (!node.has(i))
      return node.error("expected input " + Twine(i) + ", found an empty name");
    if (node.elementType(i) != node.elementType(0))
      return node.error("expected inputs of one element type");
    values.push_back(node.value(i));
  }
  if (node.failed())
    return;
  // Dimensions other than the axis must agree for every value of the symbols, not only may.
  for (unsigned i = 1; i < values.size(); ++i)
    for (int64_t d = 0; d < std::min(node.rank(0), node.rank(i)); ++d)
      if (d != axis && !areEqual(node.shape(0)[d], node.shape(i)[d]) &&
          !(constantOf(node.shape(0)[d]) && constantOf(node.shape(i)[d])))
        return node.refuse(kUndecided, "dimension " + Twine(d) + " is " + toText(node.shape(0)[d], node.getSymbols()) +
                                           " and " + toText(node.shape(i)[d], node.getSymbols()));
  node.setOutput(0, node.create<qnn::ConcatOp>(node.elementType(0), ValueRange(values), axis));
}

static void importSplit(NodeImporter &node) {
  int64_t axis = node.normalizeAxis(node.getInt("axis", 0), node.rank(0)), parts = node.getNumOutputs();
  if (node.failed())
    return;
  AffineExpr size = node.shape(0)[axis];
  SymbolicShape sizes;
  if (node.getOpset() >= 13 && node.has(1)) {
    sizes = node.expressions(1, "split");
  } else if (auto given = node.getOpset() < 13 ? node.getInts("split") : std::nullopt) {
    for (int64_t part : *given)
      sizes.push_back(node.expr(part));
  } else {
    if (parts == 0 || node.getInt("num_outputs", parts) != parts)
      return node.error("expected num_outputs to be the number of outputs, " + Twine(parts));
    // Equal chunks; the last one may be smaller (opset 18).
    AffineExpr chunk = size.ceilDiv(parts), sum = node.expr(0);
    for (int64_t i = 0; i + 1 < parts; ++i) {
      sizes.push_back(chunk);
      sum = sum + chunk;
    }
    sizes.push_back(simplifyAffineExpr(size - sum, 0, node.getSymbols().size()));
  }
  if (node.failed())
    return;
  if (int64_t(sizes.size()) != parts)
    return node.error("expected " + Twine(parts) + " sizes in split, found " + Twine(sizes.size()));
  AffineExpr sum = node.expr(0);
  for (AffineExpr part : sizes) {
    auto range = boundsOf(part, node.getSymbols());
    if (!range || (constantOf(part) && range->first < 0))
      return node.error("expected sizes >= 0 in split, found " + toText(sizes, node.getSymbols()));
    sum = sum + part;
  }
  if (!areEqual(sum, size))
    return constantOf(sum) && constantOf(size)
               ? node.error("expected sizes in split that add up to " + toText(size, node.getSymbols()) + ", found " +
                            toText(sizes, node.getSymbols()))
               : node.refuse(kUndecided, "split sizes " + toText(sizes, node.getSymbols()));
  SmallVector<int64_t> steps(node.rank(0), 1);
  SymbolicShape starts(node.rank(0), node.expr(0)), shape = node.shape(0);
  Value input = node.value(0);
  for (auto [i, part] : llvm::enumerate(sizes)) {
    shape[axis] = part;
    if (node.wantsOutput(i))
      node.setOutput(
          i, node.create<qnn::SliceOp>(node.elementType(0), input, node.shapeMap(starts), node.shapeMap(shape), steps));
    if (node.failed())
      return;
    starts[axis] = simplifyAffineExpr(starts[axis] + part, 0, node.getSymbols().size());
  }
}

static void importSlice(NodeImporter &node) {
  SliceBounds bounds;
  if (!readSlice(node, bounds))
    return;
  Value input = node.value(0);
  if (!node.failed())
    node.setOutput(0, node.create<qnn::SliceOp>(node.elementType(0), input, node.shapeMap(bounds.starts),
                                                node.shapeMap(bounds.shape), bounds.steps));
}

static void importGather(NodeImporter &node) {
  int64_t axis = node.normalizeAxis(node.getInt("axis", 0), node.rank(0));
  if (node.failed())
    return;
  if (isa<FloatType>(node.elementType(1)))
    return node.error("expected integer indices");
  // Constant indices are checked against the smallest size.
  auto range = boundsOf(node.shape(0)[axis], node.getSymbols());
  if (node.get(1).constant && range)
    for (int64_t index : toIntegers(*node.get(1).constant))
      if (index < -range->first || index >= range->first)
        return constantOf(node.shape(0)[axis])
                   ? node.error("expected indices from " + Twine(-range->first) + " to " + Twine(range->first - 1) +
                                ", found " + Twine(index))
                   : node.refuse(kTooLarge,
                                 "index " + Twine(index) + ", size " + toText(node.shape(0)[axis], node.getSymbols()));
  Value input = node.value(0), indices = node.value(1);
  if (!node.failed())
    node.setOutput(0, node.create<qnn::GatherOp>(node.elementType(0), input, indices, axis));
}

static void importPad(NodeImporter &node) {
  int64_t rank = node.rank(0);
  SmallVector<int64_t> pads;
  double fill = 0;
  if (node.getOpset() < 11) {
    auto given = node.getInts("pads");
    if (!given)
      return node.error("expected the attribute pads");
    pads = *given;
    fill = node.getFloat("value", 0);
  } else {
    if (!node.has(1))
      return node.error("expected the input pads");
    if (node.known(1) && !node.known(1)->isConstant())
      return node.refuse(kSymbolicPads);
    pads = node.constantInts(1, "pads");
    if (node.has(2)) {
      auto number = node.constantNumber(2);
      if (!number)
        return node.refuse(kPadFill);
      fill = *number;
    }
  }
  SmallVector<int64_t> axes;
  if (node.has(3)) {
    axes = node.normalizeAxes(node.constantInts(3, "axes"), rank);
  } else {
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
  }
  if (node.failed())
    return;
  if (pads.size() != 2 * axes.size())
    return node.error("expected " + Twine(2 * axes.size()) + " pads, found " + Twine(pads.size()));
  std::string mode = node.getString("mode", "constant");
  auto padMode = qnn::symbolizePadMode(mode);
  if (!padMode)
    return node.error("expected a mode out of constant, reflect, edge, wrap; found '" + mode + "'");
  SmallVector<int64_t> low(rank, 0), high(rank, 0);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (std::abs(pads[i]) > kMaxElements || std::abs(pads[axes.size() + i]) > kMaxElements)
      return node.error("expected pads of at most 2^40");
    low[axis] = pads[i];
    high[axis] = pads[axes.size() + i];
    // Reflection reaches at most to the other end of the input.
    auto range = boundsOf(node.shape(0)[axis], node.getSymbols());
    int64_t most = range ? range->first - (*padMode == qnn::PadMode::Reflect) : 0;
    if (*padMode == qnn::PadMode::Reflect && (low[axis] > most || high[axis] > most))
      return node.error("expected pads smaller than dimension " + Twine(axis) + " = " +
                        toText(node.shape(0)[axis], node.getSymbols()) + " for the mode reflect");
    if ((*padMode == qnn::PadMode::Edge || *padMode == qnn::PadMode::Wrap) && most < 1 &&
        (low[axis] > 0 || high[axis] > 0))
      return node.error("expected elements to pad with, found an empty dimension " + Twine(axis));
  }
  Value input = node.value(0);
  if (!node.failed())
    node.setOutput(0, node.create<qnn::PadOp>(node.elementType(0), input, low, high, *padMode, APFloat(fill)));
}

static void importDepthToSpace(NodeImporter &node) {
  std::string mode = node.getString("mode", "DCR");
  int64_t block = node.getInt("blocksize", 0);
  if (mode != "DCR" && mode != "CRD")
    return node.error("expected the mode DCR or CRD, found '" + mode + "'");
  if (block < 1 || block > 65536)
    return node.error("expected a blocksize from 1 to 65536, found " + Twine(block));
  node.setOutput(0, node.create<qnn::DepthToSpaceOp>(node.elementType(0), node.value(0), block, mode == "CRD"));
}

static void importSpaceToDepth(NodeImporter &node) {
  int64_t block = node.getInt("blocksize", 0);
  if (block < 1 || block > 65536)
    return node.error("expected a blocksize from 1 to 65536, found " + Twine(block));
  if (node.rank(0) == 4)
    for (AffineExpr dim : ArrayRef(node.shape(0)).drop_front(2))
      if (!constantOf(dim) && !isMultiple(dim, block, node.getSymbols()))
        return node.refuse(kUndecided, "height or width " + toText(dim, node.getSymbols()) +
                                           " is not always a multiple of " + Twine(block));
  std::string mode = node.getString("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    return node.error("expected the mode DCR or CRD, found '" + mode + "'");
  Value input = node.value(0), result = node.create<qnn::SpaceToDepthOp>(node.elementType(0), input, block);
  if (node.failed())
    return;
  if (mode == "CRD") {
    // The channels of the other order, block * block x C, become C x block * block.
    SymbolicShape shape = node.shape(result),
                  split = {shape[0], node.expr(block * block), node.shape(0)[1], shape[2], shape[3]};
    result = node.reshape(node.transpose(node.reshape(result, split), {0, 2, 1, 3, 4}), shape);
  }
  if (!node.failed())
    node.setOutput(0, result);
}

/// Operators whose results are always known at import, or refused.
static void importShapeOnly(NodeImporter &node) { node.refuse(kNotConstant); }
static void importRange(NodeImporter &node) { node.refuse(kRangeAtRunTime); }

void onnximport::addMovementOperators(std::vector<Operator> &table) {
  static const Refusal training = {"training mode that is not the constant false", "only inference is compiled"};
  table.insert(table.end(), {
                                {"Identity", 7, 28, 1, 1, 1, importIdentity, {}},
                                {"Dropout", 7, 28, 1, 3, 2, importDropout, {&training}},
                                {"Constant", 7, 28, 0, 0, 1, importConstant, {&kConstantForm}},
                                {"ConstantOfShape", 9, 28, 1, 1, 1, importConstantOfShape, {}},
                                {"Shape", 7, 28, 1, 1, 1, importShapeOnly, {}},
                                {"Size", 7, 28, 1, 1, 1, importShapeOnly, {}},
                                {"Range", 11, 28, 3, 3, 1, importRange, {&kRangeAtRunTime}},
                                {"Reshape", 7, 28, 2, 2, 1, importReshape, {&kReshapeInexact}},
                                {"Flatten", 7, 28, 1, 1, 1, importReshape, {&kReshapeInexact}},
                                {"Squeeze", 7, 28, 1, 2, 1, importReshape, {}},
                                {"Unsqueeze", 7, 28, 1, 2, 1, importReshape, {}},
                                {"Transpose", 7, 28, 1, 1, 1, importTranspose, {}},
                                {"Expand", 8, 28, 2, 2, 1, importExpand, {}},
                                {"Tile", 7, 28, 2, 2, 1, importTile, {&kSymbolicPads}},
                                {"Concat", 7, 28, 1, kAny, 1, importConcat, {}},
                                {"Split", 7, 28, 1, 2, kAny, importSplit, {}},
                                {"Slice", 7, 28, 1, 5, 1, importSlice, {}},
                                {"Gather", 7, 28, 2, 2, 1, importGather, {&kTooLarge}},
                                {"Pad", 7, 28, 1, 4, 1, importPad, {&kSymbolicPads, &kPadFill}},
                                {"DepthToSpace", 7, 28, 1, 1, 1, importDepthToSpace, {}},
                                {"SpaceToDepth", 7, 28, 1, 1, 1, importSpaceToDepth, {}},
                                {"Mod", 10, 28, 2, 2, 1, importShapeOnly, {}, true},
                                {"Ceil", 7, 28, 1, 1, 1, importShapeOnly, {}, true},
                                {"ReduceProd", 7, 28, 1, 2, 1, importShapeOnly, {}, true},
                            });
}
