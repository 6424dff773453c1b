//===- NodeImporter.cpp - one node's view of an import ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/Importer.h"
#include "mlir/IR/Verifier.h"
#include "onnx.pb.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

const Refusal onnximport::kDependsOnDimensions = {
    "a tensor of data computed from a dimension that is not fixed",
    "shape arithmetic is evaluated at import and may only decide shapes; fix the dimension with --dim"};
const Refusal onnximport::kNotConstant = {"a shape, axis, size or count that is computed from input data",
                                          "shapes must be affine expressions of the named dimensions"};
const Refusal onnximport::kUndecided = {
    "a shape that is not one affine expression over the whole range of the dimensions",
    "kernels and buffers take affine sizes; narrow or fix the dimension with --dim"};

NodeImporter::NodeImporter(Importer &importer, onnx::NodeProto &proto, const Operator &op, std::string name)
    : importer(importer), proto(proto), op(op), name(std::move(name)) {
  for (const std::string &input : proto.input())
    inputs.push_back(input.empty() ? nullptr : importer.tensors.lookup(input));
  for (int i = 0; i < proto.output_size(); ++i)
    outputs.push_back(nullptr);
}

StringRef NodeImporter::getType() const { return proto.op_type(); }
unsigned NodeImporter::getNumOutputs() const { return proto.output_size(); }
bool NodeImporter::wantsOutput(unsigned output) const {
  return int(output) < proto.output_size() && !proto.output(output).empty();
}
Location NodeImporter::getLocation() const { return NameLoc::get(StringAttr::get(importer.context, name)); }

void NodeImporter::error(const Twine &text) {
  if (!hasFailed)
    importer.error("node '" + name + "' (" + proto.op_type() + "): " + text);
  hasFailed = true;
}

void NodeImporter::refuse(const Refusal &refusal, const Twine &detail) {
  bool listed = llvm::is_contained(op.refusals, &refusal) || llvm::is_contained(getGeneralRefusals(), &refusal);
  std::string text = detail.str();
  error(Twine(refusal.what) + " is refused: " + refusal.why + (text.empty() ? "" : " (" + text + ")") +
        (listed ? "" : " [not in docs/Operators.md]"));
}

Value NodeImporter::getPlaceholder() {
  if (!importer.placeholder) {
    OpBuilder::InsertionGuard guard(importer.builder);
    importer.builder.setInsertionPointToStart(&importer.function.front());
    auto type = RankedTensorType::get({}, importer.builder.getF32Type());
    importer.placeholder =
        qnn::ConstantOp::create(importer.builder, getLocation(), type, DenseElementsAttr::get(type, 0.0f));
    importer.shapes.set(importer.placeholder, {});
  }
  return importer.placeholder;
}

Value NodeImporter::value(unsigned input) {
  if (hasFailed)
    return getPlaceholder();
  std::string why;
  Value result = importer.materialize(*inputs[input], why);
  if (result)
    return result;
  refuse(kDependsOnDimensions, why);
  return getPlaceholder();
}

SmallVector<int64_t> NodeImporter::constantInts(unsigned input, StringRef what) {
  const Tensor &tensor = get(input);
  if (tensor.known)
    if (auto values = tensor.known->constantIntegers())
      return *values;
  if (tensor.constant && !isFloat(input) && tensor.constant->getNumElements() <= (1 << 20)) {
    std::vector<int64_t> values = toIntegers(*tensor.constant);
    return SmallVector<int64_t>(values.begin(), values.end());
  }
  refuse(kNotConstant,
         what + " is the tensor '" + tensor.name + "'" +
             (tensor.known && tensor.known->expressions() ? " = " + toText(*tensor.known->expressions(), getSymbols())
                                                          : std::string()));
  return {};
}

SymbolicShape NodeImporter::expressions(unsigned input, StringRef what) {
  const Tensor &tensor = get(input);
  if (tensor.known)
    if (auto values = tensor.known->expressions())
      return *values;
  refuse(kNotConstant, what + " is the tensor '" + tensor.name + "'");
  return {};
}

std::optional<double> NodeImporter::constantNumber(unsigned input) const {
  const Tensor &tensor = get(input);
  if (tensor.known && tensor.known->elements.size() == 1)
    return tensor.known->elements[0].constant();
  return std::nullopt;
}

onnx::AttributeProto *NodeImporter::findAttribute(StringRef attribute) {
  for (onnx::AttributeProto &entry : *proto.mutable_attribute())
    if (entry.name() == attribute)
      return &entry;
  return nullptr;
}
const onnx::AttributeProto *NodeImporter::findAttribute(StringRef attribute) const {
  return const_cast<NodeImporter *>(this)->findAttribute(attribute);
}

int64_t NodeImporter::getInt(StringRef attribute, int64_t otherwise) {
  const onnx::AttributeProto *entry = findAttribute(attribute);
  if (!entry)
    return otherwise;
  if (!entry->has_i())
    return error("expected an integer as attribute " + attribute), otherwise;
  return entry->i();
}

float NodeImporter::getFloat(StringRef attribute, float otherwise) {
  const onnx::AttributeProto *entry = findAttribute(attribute);
  if (!entry)
    return otherwise;
  if (!entry->has_f() || std::isnan(entry->f()))
    return error("expected a float as attribute " + attribute), otherwise;
  return entry->f();
}

std::string NodeImporter::getString(StringRef attribute, StringRef otherwise) {
  const onnx::AttributeProto *entry = findAttribute(attribute);
  if (!entry)
    return otherwise.str();
  if (!entry->has_s())
    return error("expected a string as attribute " + attribute), otherwise.str();
  return entry->s();
}

std::optional<SmallVector<int64_t>> NodeImporter::getInts(StringRef attribute, bool unlimited) {
  const onnx::AttributeProto *entry = findAttribute(attribute);
  if (!entry)
    return std::nullopt;
  constexpr int64_t limit = int64_t(1) << 31;
  for (int64_t value : entry->ints())
    if (!unlimited && (value > limit || value < -limit))
      return error("expected numbers between -2^31 and 2^31 in attribute " + attribute + ", found " + Twine(value)),
             std::nullopt;
  if (entry->has_i() || entry->has_f() || entry->has_s() || entry->floats_size())
    return error("expected a list of integers as attribute " + attribute), std::nullopt;
  return SmallVector<int64_t>(entry->ints().begin(), entry->ints().end());
}

int64_t NodeImporter::normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    error("expected an axis from " + Twine(-rank) + " to " + Twine(rank - 1) + ", found " + Twine(axis));
    return 0;
  }
  return axis < 0 ? axis + rank : axis;
}

SmallVector<int64_t> NodeImporter::normalizeAxes(ArrayRef<int64_t> axes, int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t axis : axes)
    result.push_back(normalizeAxis(axis, rank));
  SmallVector<int64_t> sorted(result);
  llvm::sort(sorted);
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    error("expected distinct axes");
  return result;
}

Value NodeImporter::finishOp(Operation *operation) {
  std::string problem;
  // Shape rules name symbol i "si"; the model has better names.
  auto withNames = [&](const std::string &text) {
    std::string named;
    for (size_t i = 0; i < text.size();) {
      unsigned index;
      StringRef rest = StringRef(text).drop_front(i);
      StringRef digits = rest.drop_front().take_while([](char c) { return isdigit(c); });
      if (rest[0] == 's' && (i == 0 || !isalnum(text[i - 1])) && !digits.empty() && !digits.getAsInteger(10, index) &&
          index < getSymbols().size()) {
        named += getSymbols()[index].name;
        i += 1 + digits.size();
      } else {
        named += text[i++];
      }
    }
    return named;
  };
  SmallVector<SymbolicShape> operands, results;
  for (Value operand : operation->getOperands())
    operands.push_back(importer.shapes.get(operand));
  problem = mlir::cast<SymbolicShapeOpInterface>(operation).inferSymbolicShapes(operands, results);
  bool undecided = problem.find("not provably equal") != std::string::npos;
  if (problem.empty()) {
    // Bound every dimension, and the number of elements, over the whole range of the symbols.
    __int128 elements = 1;
    SmallVector<int64_t> low, high;
    for (const DimSymbol &symbol : getSymbols()) {
      low.push_back(symbol.min);
      high.push_back(symbol.max);
    }
    for (AffineExpr &dim : results[0]) {
      auto range = boundsOf(dim, getSymbols());
      if (!range) {
        problem = "the dimension " + toText(dim, getSymbols()).substr(0, 200) + " is too large or too complicated";
        break;
      }
      dim = simplifyAffineExpr(dim, 0, getSymbols().size());
      int64_t smallest = std::min(evaluate(dim, low), evaluate(dim, high)),
              largest = std::max(evaluate(dim, low), range->second);
      if (smallest < 0) {
        problem = "expected dimensions >= 0, found " + toText(dim, getSymbols()) + " = " + std::to_string(smallest);
        break;
      }
      elements *= std::max<int64_t>(largest, 1);
      if (elements > kMaxElements) {
        problem = "expected at most 2^40 elements, found a result of shape " +
                  toText(results[0], getSymbols()).substr(0, 200);
        break;
      }
    }
    if (results[0].size() > size_t(kMaxRank))
      problem =
          "expected a rank of at most " + std::to_string(kMaxRank) + ", found " + std::to_string(results[0].size());
  }
  if (problem.empty()) {
    Value result = operation->getResult(0);
    result.setType(typeOf(results[0], mlir::cast<RankedTensorType>(result.getType()).getElementType()));
    importer.shapes.set(result, results[0]);
    setName(operation, importer.uniqueName(name + "/" + operation->getName().stripDialect().str()));
    ScopedDiagnosticHandler handler(importer.context, [&](Diagnostic &diagnostic) {
      problem = StringRef(diagnostic.str()).split("op ").second.str();
      return success();
    });
    if (succeeded(mlir::verify(operation, /*verifyRecursively=*/false)))
      return result;
    if (problem.empty())
      problem = "the operation is not valid";
    importer.names.erase(getName(operation));
  }
  operation->erase();
  if (undecided)
    refuse(kUndecided, withNames(problem));
  else
    error(withNames(problem));
  return getPlaceholder();
}

Value NodeImporter::constant(WeightData data) {
  if (hasFailed)
    return getPlaceholder();
  Tensor tensor;
  tensor.name = name + "/constant";
  tensor.elementType = data.type.getElementType();
  tensor.shape = staticShape(data.type);
  tensor.constant = std::move(data);
  std::string why;
  return importer.materialize(tensor, why);
}

Value NodeImporter::constantFloat(Type elementType, double number) {
  auto type = RankedTensorType::get({}, elementType);
  if (auto floatType = dyn_cast<FloatType>(elementType)) {
    APFloat value(number);
    bool lost;
    value.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
    uint64_t bits = value.bitcastToAPInt().getZExtValue();
    return constant(
        WeightData::copyOf<uint8_t>(type, {reinterpret_cast<const uint8_t *>(&bits), floatType.getWidth() / 8}));
  }
  int64_t integer = int64_t(number);
  return constant(
      WeightData::copyOf<uint8_t>(type, {reinterpret_cast<const uint8_t *>(&integer), size_t(getStorageBytes(type))}));
}

AffineMap NodeImporter::shapeMap(ArrayRef<AffineExpr> dims) const {
  return AffineMap::get(0, getSymbols().size(), dims, importer.context);
}

Value NodeImporter::reshape(Value input, ArrayRef<AffineExpr> dims) {
  if (hasFailed)
    return getPlaceholder();
  const SymbolicShape &old = shape(input);
  if (old.size() == dims.size() &&
      llvm::all_of(llvm::zip(old, dims), [](auto pair) { return areEqual(std::get<0>(pair), std::get<1>(pair)); }))
    return input;
  return create<qnn::ReshapeOp>(mlir::cast<RankedTensorType>(input.getType()).getElementType(), input, shapeMap(dims));
}

Value NodeImporter::reshape(Value input, ArrayRef<int64_t> dims) {
  SymbolicShape exprs;
  for (int64_t dim : dims)
    exprs.push_back(expr(dim));
  return reshape(input, exprs);
}

Value NodeImporter::transpose(Value input, ArrayRef<int64_t> perm) {
  if (hasFailed)
    return getPlaceholder();
  return create<qnn::TransposeOp>(mlir::cast<RankedTensorType>(input.getType()).getElementType(), input, perm);
}

Value NodeImporter::cast(Value input, Type elementType) {
  if (hasFailed)
    return getPlaceholder();
  if (mlir::cast<RankedTensorType>(input.getType()).getElementType() == elementType)
    return input;
  return create<qnn::CastOp>(elementType, input);
}

void NodeImporter::charge(int64_t bytes) {
  constexpr int64_t free = int64_t(256) << 20;
  int64_t limit = free + 8 * importer.model.getFileBytes();
  if (importer.computedBytes > limit) {
    hasFailed = true; // said once is enough
    return;
  }
  importer.computedBytes += bytes;
  if (importer.computedBytes > limit)
    error("expected constants that the nodes compute to take at most 256 MiB and 8 times the model's bytes: fold them "
          "before export");
}

Tensor *NodeImporter::outputTensor(unsigned output) {
  if (hasFailed || !wantsOutput(output))
    return nullptr;
  std::string why;
  Tensor *tensor = importer.define(proto.output(output), why);
  if (!tensor)
    return error(why), nullptr;
  importer.producers[proto.output(output)] = "node '" + name + "'";
  outputs[output] = tensor;
  return tensor;
}

void NodeImporter::setOutput(unsigned output, Value result) {
  Tensor *tensor = outputTensor(output);
  if (!tensor)
    return;
  tensor->value = result;
  tensor->elementType = mlir::cast<RankedTensorType>(result.getType()).getElementType();
  tensor->shape = shape(result);
  // The operation that makes the node's result carries the node's name, unless it was made for another node.
  Operation *operation = result.getDefiningOp();
  if (operation && getName(operation).starts_with(name + "/") && operation->getLoc() == getLocation()) {
    importer.names.erase(getName(operation));
    setName(operation, importer.uniqueName(output ? name + "." + std::to_string(output) : name));
  }
}

void NodeImporter::setOutput(unsigned output, KnownTensor known) {
  charge(known.elements.size() * sizeof(KnownElement));
  Tensor *tensor = outputTensor(output);
  if (!tensor)
    return;
  tensor->elementType = known.elementType;
  for (int64_t dim : known.shape)
    tensor->shape.push_back(expr(dim));
  tensor->known = std::move(known);
}

void NodeImporter::setOutput(unsigned output, WeightData data) {
  Tensor *tensor = outputTensor(output);
  if (!tensor)
    return;
  tensor->elementType = data.type.getElementType();
  tensor->shape = staticShape(data.type);
  tensor->known = knownFrom(data);
  tensor->constant = std::move(data);
}

void NodeImporter::forward(unsigned output, unsigned input) {
  if (const KnownTensor *tensor = known(input))
    charge(tensor->elements.size() * sizeof(KnownElement));
  Tensor *tensor = outputTensor(output);
  if (!tensor)
    return;
  std::string outputName = tensor->name;
  *tensor = get(input);
  tensor->name = outputName;
}

