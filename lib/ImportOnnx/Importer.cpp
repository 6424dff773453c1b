//===- Importer.cpp - one import from file to function ------------*- C++ -*-===//
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
      literal = DenseElementsAttr::getFromRawBuffer(
          data.type, {reinterpret_cast<const char *>(data.bytes.data()), data.bytes.size()});
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
      error(name + "unsupported operator " + node.domain() + "." + node.op_type() +
            ": expected an operator of the domain ai.onnx (docs/Operators.md lists them)");
    else if (!op && known)
      error(name + "unsupported operator " + node.op_type() + " in opset " + Twine(model.getOpset()) +
            " (docs/Operators.md lists the opsets)");
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
      error(where + (type.has_shape()
                         ? "expected a rank of at most " + Twine(kMaxRank) + ", found " + Twine(type.shape().dim_size())
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
      else if (dim.has_dim_param() && !dim.dim_param().empty() && dim.dim_param() != "?" && dim.dim_param() != "-1" &&
               !isdigit(dim.dim_param()[0]))
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
      error("--dim " + binding.key + ": the model has no such dimension; it has " +
            (places.empty() ? "only fixed ones" : places));
    } else if (!StringRef(key).getAsInteger(10, size)) {
      if (binding.min != size || binding.max != size)
        error("--dim " + binding.key + ": the model fixes this dimension: expected " + Twine(size) + ", found " + Twine(binding.min) +
              (binding.min == binding.max ? "" : ".." + std::to_string(binding.max)));
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
    error("expected a size or range for each symbolic dimension, found none for " + unbound +
          ": add --dim NAME=VALUE or --dim NAME=LOW..HIGH for each");
  for (Input &input : inputs) {
    __int128 elements = 1;
    for (AffineExpr dim : input.tensor->shape) {
      auto range = boundsOf(dim, symbols);
      elements *= std::max<int64_t>(range ? range->second : kMaxElements + 1, 1);
      if (elements > kMaxElements) {
        error("input '" + input.tensor->name + "': expected at most 2^40 elements, found the shape " +
              toText(input.tensor->shape, symbols));
        break;
      }
    }
  }
  return numErrors == before;
}

void Importer::importNode(onnx::NodeProto &node) {
  std::string name =
      uniqueName(node.name().empty() ? node.output_size() ? node.output(0) : node.op_type() : node.name());
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
        return importer.error(
            "the input '" + node.input(i) + "' is not defined" +
            (it == producers.end()
                 ? ""
                 : " yet: " + it->second + " makes it, later (the graph has a cycle or is not sorted)"));
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
                            (importer.op.maxInputs == importer.op.minInputs ? ""
                             : importer.op.maxInputs == ~0u ? " or more"
                                                            : " to " + std::to_string(importer.op.maxInputs)) +
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
      error("graph output '" + output.name() + "': " + kDependsOnDimensions.what +
            " is refused: " + kDependsOnDimensions.why + " (" + why + ")");
      continue;
    }
    results.push_back(value);
    resultAttributes.push_back(
        builder.getDictionaryAttr(builder.getNamedAttr("qnn.name", builder.getStringAttr(output.name()))));
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
    attributes.push_back(
        builder.getDictionaryAttr({builder.getNamedAttr("qnn.dims", shapeAttr(tensor.shape, symbols.size(), context)),
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
