//===- Importer.cpp - state of one import, and one node's view of it -*- C++ -*-===//
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
const Refusal onnximport::kUndecided = {"a shape that is not one affine expression over the whole range of the dimensions",
                                        "kernels and buffers take affine sizes; narrow or fix the dimension with --dim"};

//===----------------------------------------------------------------------===//
// NodeImporter
//===----------------------------------------------------------------------===//

NodeImporter::NodeImporter(Importer &importer, onnx::NodeProto &proto, const Operator &op, std::string name)
    : importer(importer), proto(proto), op(op), name(std::move(name)) {
  for (const std::string &input : proto.input())
    inputs.push_back(input.empty() ? nullptr : importer.tensors.lookup(input));
  for (int i = 0; i < proto.output_size(); ++i)
    outputs.push_back(nullptr);
}

StringRef NodeImporter::getType() const { return proto.op_type(); }
unsigned NodeImporter::getNumOutputs() const { return proto.output_size(); }
bool NodeImporter::wantsOutput(unsigned output) const { return int(output) < proto.output_size() && !proto.output(output).empty(); }
Location NodeImporter::getLocation() const { return NameLoc::get(StringAttr::get(importer.context, name)); }

void NodeImporter::error(const Twine &text) {
  if (!hasFailed)
    importer.error("node '" + name + "' (" + proto.op_type() + "): " + text);
  hasFailed = true;
}

void NodeImporter::refuse(const Refusal &refusal, const Twine &detail) {
  bool listed = llvm::is_contained(op.refusals, &refusal) || llvm::is_contained(getGeneralRefusals(), &refusal);
  std::string text = detail.str();
  error(Twine(refusal.what) + " is refused: " + refusal.why + (text.empty() ? "" : " (" + text + ")") + (listed ? "" : " [not in docs/Operators.md]"));
}

Value NodeImporter::getPlaceholder() {
  if (!importer.placeholder) {
    OpBuilder::InsertionGuard guard(importer.builder);
    importer.builder.setInsertionPointToStart(&importer.function.front());
    auto type = RankedTensorType::get({}, importer.builder.getF32Type());
    importer.placeholder = qnn::ConstantOp::create(importer.builder, getLocation(), type, DenseElementsAttr::get(type, 0.0f));
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
  if (tensor.constant && !isFloat(input) && tensor.constant->getNumElements() <= (1 << 20))
    {
    std::vector<int64_t> values = toIntegers(*tensor.constant);
    return SmallVector<int64_t>(values.begin(), values.end());
  }
  refuse(kNotConstant, what + " is the tensor '" + tensor.name + "'" +
                           (tensor.known && tensor.known->expressions() ? " = " + toText(*tensor.known->expressions(), getSymbols()) : std::string()));
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
const onnx::AttributeProto *NodeImporter::findAttribute(StringRef attribute) const { return const_cast<NodeImporter *>(this)->findAttribute(attribute); }

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
      return error("expected numbers between -2^31 and 2^31 in attribute " + attribute + ", found " + Twine(value)), std::nullopt;
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
      if (rest[0] == 's' && (i == 0 || !isalnum(text[i - 1])) && !digits.empty() && !digits.getAsInteger(10, index) && index < getSymbols().size()) {
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
      int64_t smallest = std::min(evaluate(dim, low), evaluate(dim, high)), largest = std::max(evaluate(dim, low), range->second);
      if (smallest < 0) {
        problem = "expected dimensions >= 0, found " + toText(dim, getSymbols()) + " = " + std::to_string(smallest);
        break;
      }
      elements *= std::max<int64_t>(largest, 1);
      if (elements > kMaxElements) {
        problem = "expected at most 2^40 elements, found a result of shape " + toText(results[0], getSymbols()).substr(0, 200);
        break;
      }
    }
    if (results[0].size() > size_t(kMaxRank))
      problem = "expected a rank of at most " + std::to_string(kMaxRank) + ", found " + std::to_string(results[0].size());
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
    return constant(WeightData::copyOf<uint8_t>(type, {reinterpret_cast<const uint8_t *>(&bits), floatType.getWidth() / 8}));
  }
  int64_t integer = int64_t(number);
  return constant(WeightData::copyOf<uint8_t>(type, {reinterpret_cast<const uint8_t *>(&integer), size_t(getStorageBytes(type))}));
}

AffineMap NodeImporter::shapeMap(ArrayRef<AffineExpr> dims) const { return AffineMap::get(0, getSymbols().size(), dims, importer.context); }

Value NodeImporter::reshape(Value input, ArrayRef<AffineExpr> dims) {
  if (hasFailed)
    return getPlaceholder();
  const SymbolicShape &old = shape(input);
  if (old.size() == dims.size() && llvm::all_of(llvm::zip(old, dims), [](auto pair) { return areEqual(std::get<0>(pair), std::get<1>(pair)); }))
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
    error("expected constants that the nodes compute to take at most 256 MiB and 8 times the model's bytes: fold them before export");
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

//===----------------------------------------------------------------------===//
// Importer
//===----------------------------------------------------------------------===//

Importer::Importer(OnnxModel &model, MLIRContext *context, StringRef path, const ImportOptions &options)
    : model(model), context(context), path(path), options(options), builder(context), shapes(0) {}

void Importer::error(const Twine &text) {
  ++numErrors;
  // A file of thousands of bad nodes says nothing new after the first hundred lines.
  if (numErrors <= 100)
    emitError(FileLineColLoc::get(context, path, 0, 0)) << text;
  else if (numErrors == 101)
    emitError(FileLineColLoc::get(context, path, 0, 0)) << "further errors are not shown";
}

std::string Importer::uniqueName(StringRef base) {
  std::string name = base.str();
  for (unsigned i = 1; !names.insert(name).second; ++i)
    name = base.str() + "." + std::to_string(i);
  return name;
}

Tensor *Importer::define(StringRef name, std::string &why) {
  if (tensors.count(name)) {
    why = "the tensor '" + name.str() + "' is defined twice: by " + producers.lookup(name) + " before";
    return nullptr;
  }
  storage.emplace_back();
  storage.back().name = name.str();
  return tensors[name] = &storage.back();
}

bool Importer::checkFinite(const WeightData &data, std::string &why) {
  if (!isa<FloatType>(data.type.getElementType()))
    return true;
  auto report = [&](size_t index) {
    why = "element " + std::to_string(index) + " is NaN";
    return false;
  };
  if (data.type.getElementType().isF32()) {
    for (auto [index, value] : llvm::enumerate(data.as<float>()))
      if (std::isnan(value))
        return report(index);
    return true;
  }
  uint16_t infinity = data.type.getElementType().isF16() ? 0x7c00 : 0x7f80;
  for (auto [index, bits] : llvm::enumerate(data.as<uint16_t>()))
    if ((bits & 0x7fff) > infinity)
      return report(index);
  return true;
}

Value Importer::materialize(Tensor &tensor, std::string &why) {
  if (tensor.value)
    return tensor.value;
  if (!tensor.constant && tensor.known)
    tensor.constant = toWeight(*tensor.known);
  if (!tensor.constant) {
    std::string text;
    if (tensor.known)
      if (auto exprs = tensor.known->expressions())
        text = " = " + toText(*exprs, symbols);
    why = "tensor '" + tensor.name + "'" + text;
    return {};
  }
  const WeightData &data = *tensor.constant;
  std::string name = uniqueName(tensor.name);
  auto location = NameLoc::get(StringAttr::get(context, name));
  Operation *op;
  if (data.getNumElements() <= 64) {
    DenseElementsAttr literal;
    if (data.type.getElementType().isInteger(1)) {
      SmallVector<bool> bits;
      for (uint8_t byte : data.bytes)
        bits.push_back(byte != 0);
      literal = DenseElementsAttr::get(data.type, bits);
    } else if (data.type.getElementType().isInteger(4)) {
      SmallVector<APInt> nibbles;
      for (int64_t value : toIntegers(data))
        nibbles.push_back(APInt(4, uint64_t(value), /*isSigned=*/true, /*implicitTrunc=*/true));
      literal = DenseElementsAttr::get(data.type, nibbles);
    } else if (data.getNumElements() == 0) {
      literal = DenseElementsAttr::get(data.type, ArrayRef<Attribute>());
    } else {
      literal = DenseElementsAttr::getFromRawBuffer(data.type, {reinterpret_cast<const char *>(data.bytes.data()), data.bytes.size()});
    }
    op = qnn::ConstantOp::create(builder, location, data.type, literal);
  } else {
    WeightStore &store = getWeightStore(context);
    std::string source = store.uniqueName(name);
    store.set(source, data);
    op = qnn::WeightOp::create(builder, location, data.type, source);
  }
  setName(op, name);
  tensor.value = op->getResult(0);
  shapes.set(tensor.value, staticShape(data.type));
  return tensor.value;
}

bool Importer::checkOperators(const onnx::GraphProto &graph) {
  unsigned before = numErrors;
  for (const onnx::NodeProto &node : graph.node()) {
    std::string name = "node '" + (node.name().empty() && node.output_size() ? node.output(0) : node.name()) + "': ";
    bool standard = node.domain().empty() || node.domain() == "ai.onnx", known = false;
    const Operator *op = standard ? findOperator(node.op_type(), model.getOpset(), known) : nullptr;
    if (!standard)
      error(name + "unsupported operator " + node.domain() + "." + node.op_type() + ": expected an operator of the domain ai.onnx (docs/Operators.md lists them)");
    else if (!op && known)
      error(name + "unsupported operator " + node.op_type() + " in opset " + Twine(model.getOpset()) + " (docs/Operators.md lists the opsets)");
    else if (!op)
      error(name + "unsupported operator " + node.op_type() + ": expected one of those in docs/Operators.md");
  }
  return numErrors == before;
}

bool Importer::readInitializers(onnx::GraphProto &graph) {
  unsigned before = numErrors;
  for (onnx::TensorProto &tensor : *graph.mutable_initializer()) {
    auto data = model.readTensor(tensor, context);
    if (!data) {
      error("initializer '" + tensor.name() + "': " + llvm::toString(data.takeError()));
      continue;
    }
    std::string why;
    if (!checkFinite(*data, why)) {
      error("initializer '" + tensor.name() + "': expected numbers, but " + why);
      continue;
    }
    Tensor *defined = define(tensor.name(), why);
    if (!defined) {
      error("initializer '" + tensor.name() + "': " + why);
      continue;
    }
    producers[tensor.name()] = "an initializer";
    defined->elementType = data->type.getElementType();
    defined->shape = staticShape(data->type);
    defined->known = knownFrom(*data);
    defined->constant = std::move(*data);
  }
  if (graph.sparse_initializer_size())
    error("sparse initializers are not supported: save the weights as dense tensors");
  return numErrors == before;
}

bool Importer::readInputs(onnx::GraphProto &graph) {
  unsigned before = numErrors;
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (auto it = tensors.find(input.name()); it != tensors.end() && it->second->constant)
      continue; // IR 3 lists the initializers among the inputs
    std::string where = "input '" + input.name() + "': ";
    if (input.name().empty() || !input.has_type() || !input.type().has_tensor_type()) {
      error(where + "expected a named tensor");
      continue;
    }
    const auto &type = input.type().tensor_type();
    Type element = elementTypeOf(type.elem_type(), context);
    if (!element) {
      error(where + unsupportedElementType(type.elem_type()));
      continue;
    }
    if (!type.has_shape() || type.shape().dim_size() > kMaxRank) {
      error(where + (type.has_shape() ? "expected a rank of at most " + Twine(kMaxRank) + ", found " + Twine(type.shape().dim_size())
                                      : Twine("expected a shape of known rank, found none")));
      continue;
    }
    std::string why;
    Tensor *tensor = define(input.name(), why);
    if (!tensor) {
      error(where + why);
      continue;
    }
    producers[input.name()] = "an input";
    tensor->elementType = element;
    Input entry{tensor, {}};
    for (auto [axis, dim] : llvm::enumerate(type.shape().dim())) {
      if (dim.has_dim_value() && dim.dim_value() >= 0)
        entry.dims.push_back(std::to_string(dim.dim_value()));
      else if (dim.has_dim_param() && !dim.dim_param().empty() && dim.dim_param() != "?" && dim.dim_param() != "-1" && !isdigit(dim.dim_param()[0]))
        entry.dims.push_back(dim.dim_param());
      else
        entry.dims.push_back(input.name() + ":" + std::to_string(axis));
    }
    inputs.push_back(std::move(entry));
  }
  return numErrors == before;
}

bool Importer::bindDimensions() {
  unsigned before = numErrors;
  // A place INPUT:AXIS stands for the name that the dimension has.
  llvm::StringMap<DimBinding> bindings;
  for (const DimBinding &binding : options.dims) {
    std::string key = binding.key;
    bool found = false;
    for (const Input &input : inputs)
      for (auto [axis, dim] : llvm::enumerate(input.dims)) {
        if (dim != binding.key && input.tensor->name + ":" + std::to_string(axis) != binding.key)
          continue;
        found = true;
        key = dim;
      }
    int64_t size;
    if (!found) {
      std::string places;
      for (const Input &input : inputs)
        for (auto [axis, dim] : llvm::enumerate(input.dims))
          if (StringRef(dim).getAsInteger(10, size))
            places += (places.empty() ? "" : ", ") + dim;
      error("--dim " + binding.key + ": the model has no such dimension; it has " + (places.empty() ? "only fixed ones" : places));
    } else if (!StringRef(key).getAsInteger(10, size)) {
      if (binding.min != size || binding.max != size)
        error("--dim " + binding.key + ": the model fixes this dimension to " + Twine(size));
    } else if (!bindings.try_emplace(key, binding).second) {
      error("--dim " + binding.key + ": the dimension '" + key + "' is given twice");
    }
  }
  llvm::StringMap<AffineExpr> exprs;
  std::string unbound;
  for (Input &input : inputs)
    for (const std::string &dim : input.dims) {
      int64_t size;
      if (!StringRef(dim).getAsInteger(10, size)) {
        input.tensor->shape.push_back(getAffineConstantExpr(size, context));
        continue;
      }
      auto [it, isNew] = exprs.try_emplace(dim);
      if (isNew) {
        auto binding = bindings.find(dim);
        if (binding == bindings.end()) {
          unbound += (unbound.empty() ? "" : ", ") + dim;
          it->second = getAffineConstantExpr(1, context);
        } else if (binding->second.min == binding->second.max) {
          it->second = getAffineConstantExpr(binding->second.min, context);
        } else {
          it->second = getAffineSymbolExpr(symbols.size(), context);
          symbols.push_back({dim, binding->second.min, binding->second.max, binding->second.divisor});
        }
      }
      input.tensor->shape.push_back(it->second);
    }
  if (!unbound.empty())
    error("expected a size or range for each symbolic dimension, found none for " + unbound + ": add --dim NAME=VALUE or --dim NAME=LOW..HIGH for each");
  for (Input &input : inputs) {
    __int128 elements = 1;
    for (AffineExpr dim : input.tensor->shape) {
      auto range = boundsOf(dim, symbols);
      elements *= std::max<int64_t>(range ? range->second : kMaxElements + 1, 1);
      if (elements > kMaxElements) {
        error("input '" + input.tensor->name + "': expected at most 2^40 elements, found the shape " + toText(input.tensor->shape, symbols));
        break;
      }
    }
  }
  return numErrors == before;
}

void Importer::importNode(onnx::NodeProto &node) {
  std::string name = uniqueName(node.name().empty() ? node.output_size() ? node.output(0) : node.op_type() : node.name());
  // The name is given to the operation that makes the result.
  names.erase(name);
  bool known;
  NodeImporter importer(*this, node, *findOperator(node.op_type(), model.getOpset(), known), name);
  auto run = [&] {
    bool allKnown = true;
    for (int i = 0; i < node.input_size(); ++i) {
      if (node.input(i).empty())
        continue;
      Tensor *tensor = importer.inputs[i];
      if (!tensor) {
        auto it = producers.find(node.input(i));
        return importer.error("the input '" + node.input(i) + "' is not defined" +
                              (it == producers.end() ? "" : " yet: " + it->second + " makes it, later (the graph has a cycle or is not sorted)"));
      }
      if (tensor->poisoned) {
        importer.hasFailed = true; // reported where it began
        return;
      }
      allKnown &= tensor->known.has_value();
    }
    unsigned count = node.input_size();
    while (count > 0 && node.input(count - 1).empty())
      --count;
    if (count < importer.op.minInputs || count > importer.op.maxInputs)
      return importer.error("expected " + Twine(importer.op.minInputs) +
                            (importer.op.maxInputs == importer.op.minInputs ? "" : importer.op.maxInputs == ~0u ? " or more" : " to " + std::to_string(importer.op.maxInputs)) +
                            " inputs, found " + Twine(count));
    for (unsigned i = 0; i < importer.op.minInputs; ++i)
      if (!importer.has(i))
        return importer.error("expected input " + Twine(i) + ", found an empty name");
    unsigned wanted = node.output_size();
    while (wanted > 0 && node.output(wanted - 1).empty())
      --wanted;
    if (wanted > importer.op.maxOutputs)
      return importer.error("expected at most " + Twine(importer.op.maxOutputs) + " outputs, found " + Twine(wanted));
    std::string why;
    if ((allKnown || node.op_type() == "Shape" || node.op_type() == "Size") && evaluateKnown(importer, why))
      return;
    if (importer.failed())
      return;
    if (importer.op.shapeOnly)
      return importer.refuse(kNotConstant, why);
    importer.op.import(importer);
  };
  run();
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty() || tensors.count(node.output(i)))
      continue;
    std::string why;
    if (!importer.failed())
      importer.error("the output '" + node.output(i) + "' is not made by this operator");
    Tensor *tensor = define(node.output(i), why);
    tensor->poisoned = true;
  }
}

bool Importer::finish(onnx::GraphProto &graph) {
  SmallVector<Value> results;
  SmallVector<Attribute> resultAttributes;
  if (!graph.output_size())
    error("expected at least one graph output, found none");
  for (const onnx::ValueInfoProto &output : graph.output()) {
    Tensor *tensor = tensors.lookup(output.name());
    if (!tensor) {
      error("graph output '" + output.name() + "' is not defined");
      continue;
    }
    if (tensor->poisoned)
      continue;
    std::string why;
    Value value = materialize(*tensor, why);
    if (!value) {
      error("graph output '" + output.name() + "': " + kDependsOnDimensions.what + " is refused: " + kDependsOnDimensions.why + " (" + why + ")");
      continue;
    }
    results.push_back(value);
    resultAttributes.push_back(builder.getDictionaryAttr(builder.getNamedAttr("qnn.name", builder.getStringAttr(output.name()))));
  }
  if (numErrors)
    return false;
  func::ReturnOp::create(builder, function.getLoc(), results);
  // What only decided shapes, and what nobody uses.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (isOpTriviallyDead(&op)) {
      if (auto weight = dyn_cast<qnn::WeightOp>(op))
        getWeightStore(context).erase(weight.getSource());
      op.erase();
    }
  SmallVector<Type> types;
  for (Value value : results)
    types.push_back(value.getType());
  function.setFunctionType(builder.getFunctionType(function.getArgumentTypes(), types));
  function.setAllResultAttrs(resultAttributes);
  return true;
}

FailureOr<OwningOpRef<ModuleOp>> Importer::run() {
  onnx::GraphProto &graph = *model.getProto().mutable_graph();
  bool good = checkOperators(graph);
  good &= readInitializers(graph);
  good &= readInputs(graph);
  if (!good || !bindDimensions())
    return failure();
  auto location = FileLineColLoc::get(context, path, 0, 0);
  module = ModuleOp::create(location);
  builder.setInsertionPointToEnd(module->getBody());
  function = func::FuncOp::create(builder, location, "main", builder.getFunctionType({}, {}));
  Block *block = function.addEntryBlock();
  SmallVector<Type> types;
  SmallVector<Attribute> attributes;
  shapes = SymbolicShapes(symbols.size());
  for (Input &input : inputs) {
    Tensor &tensor = *input.tensor;
    types.push_back(typeOf(tensor.shape, tensor.elementType));
    tensor.value = block->addArgument(types.back(), location);
    shapes.set(tensor.value, tensor.shape);
    names.insert(tensor.name);
    attributes.push_back(builder.getDictionaryAttr({builder.getNamedAttr("qnn.dims", shapeAttr(tensor.shape, symbols.size(), context)),
                                                    builder.getNamedAttr("qnn.name", builder.getStringAttr(tensor.name))}));
  }
  function.setFunctionType(builder.getFunctionType(types, {}));
  function.setAllArgAttrs(attributes);
  setSymbols(function, symbols);
  builder.setInsertionPointToStart(block);
  // Producers of all tensors, so that a use before the definition can say where that is.
  for (const onnx::NodeProto &node : graph.node())
    for (const std::string &output : node.output())
      if (!output.empty())
        producers.try_emplace(output, "node '" + (node.name().empty() ? output : node.name()) + "'");
  for (onnx::NodeProto &node : *graph.mutable_node())
    importNode(node);
  if (!finish(graph) || failed(mlir::verify(*module)))
    return failure();
  return std::move(module);
}
