//===- OnnxImporter.cpp - fuzzes the ONNX importer --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Imports whatever it is given, with every dimension that the seeds name bound to a range. Whatever imports must
// verify. Protobuf is a forgiving format, so the mutator also works on the message: it parses the input, changes one
// field of one node or tensor, and serialises again.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/ImportOnnx.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "onnx.pb.h"
#include <random>

using namespace mlir;
using namespace bitwright;

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  // Parse errors are expected; the library would print each of them.
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  size_t length = 0;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    length += diagnostic.str().size();
    return success();
  });
  // Binding a dimension that the model lacks is an error too: try what fits.
  const std::vector<DimBinding> choices[] = {
      {{"N", 1, 8, 1}, {"W", 32, 640, 8}}, {{"N", 1, 8, 1}}, {{"W", 32, 640, 8}}, {}};
  for (const std::vector<DimBinding> &dims : choices) {
    ImportOptions options;
    options.dims = dims;
    auto module = importOnnx({data, size}, "fuzz.onnx", &context, options);
    if (succeeded(module)) {
      if (failed(verify(**module)))
        __builtin_trap();
      break;
    }
  }
  return length == size_t(-1);
}

static std::string mutateText(const std::string &text) {
  std::string changed = text;
  changed.resize(text.size() + 8);
  changed.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(changed.data()), text.size(), changed.size()));
  return changed;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 random(seed);
  onnx::ModelProto model;
  if (random() % 4 == 0 || !model.ParseFromArray(data, int(size)) || !model.graph().node_size())
    return LLVMFuzzerMutate(data, size, maxSize);
  onnx::GraphProto &graph = *model.mutable_graph();
  onnx::NodeProto &node = *graph.mutable_node(random() % graph.node_size());
  static const char *types[] = {"Reshape",
                                "Slice",
                                "Concat",
                                "Gather",
                                "Resize",
                                "Conv",
                                "ConvTranspose",
                                "MaxPool",
                                "Pad",
                                "Tile",
                                "Split",
                                "Expand",
                                "ReduceSum",
                                "Squeeze",
                                "Unsqueeze",
                                "Softmax",
                                "QLinearConv",
                                "ConvInteger",
                                "Gemm",
                                "MatMul",
                                "Range",
                                "ConstantOfShape",
                                "Cast",
                                "Div",
                                "Mul",
                                "Where",
                                "GroupNormalization",
                                "LayerNormalization",
                                "Flatten",
                                "DepthToSpace",
                                "SpaceToDepth",
                                "Shape",
                                "Size",
                                "ArgMax",
                                "Clip",
                                "Mod",
                                "ReduceProd"};
  static const int64_t numbers[] = {0,  1,   -1,      2,         3,         7,         16,
                                    -2, 127, 1 << 20, INT32_MAX, INT64_MAX, INT64_MIN, -(int64_t(1) << 31)};
  auto number = [&] { return numbers[random() % std::size(numbers)]; };
  switch (random() % 8) {
  case 0:
    node.set_op_type(types[random() % std::size(types)]);
    break;
  case 1: // another operand
    if (node.input_size()) {
      const onnx::NodeProto &other = graph.node(random() % graph.node_size());
      if (other.output_size())
        node.set_input(random() % node.input_size(), other.output(0));
    }
    break;
  case 2:
    if (graph.initializer_size())
      node.add_input(graph.initializer(random() % graph.initializer_size()).name());
    break;
  case 3: // a number of an attribute
    if (node.attribute_size()) {
      onnx::AttributeProto &attribute = *node.mutable_attribute(random() % node.attribute_size());
      if (attribute.ints_size())
        attribute.set_ints(random() % attribute.ints_size(), number());
      else if (attribute.has_i())
        attribute.set_i(number());
      else if (attribute.has_s())
        attribute.set_s(mutateText(attribute.s()));
    }
    break;
  case 4: // a value or dimension of an integer tensor
    if (graph.initializer_size()) {
      onnx::TensorProto &tensor = *graph.mutable_initializer(random() % graph.initializer_size());
      if (tensor.int64_data_size())
        tensor.set_int64_data(random() % tensor.int64_data_size(), number());
      else if (tensor.dims_size())
        tensor.set_dims(random() % tensor.dims_size(), number());
    }
    break;
  case 5:
    if (model.opset_import_size())
      model.mutable_opset_import(0)->set_version(7 + random() % 22);
    break;
  case 6: { // one more operation at the end
    onnx::NodeProto added = node;
    if (added.output_size())
      added.set_output(0, "added" + std::to_string(random() % 4));
    *graph.add_node() = added;
    if (added.output_size())
      graph.add_output()->set_name(added.output(0));
    break;
  }
  default:
    if (graph.input_size() && graph.input(0).has_type()) {
      auto *shape = graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
      if (shape->dim_size())
        shape->mutable_dim(random() % shape->dim_size())->set_dim_value(number());
    }
    break;
  }
  std::string text = model.SerializeAsString();
  if (text.size() > maxSize)
    return LLVMFuzzerMutate(data, size, maxSize);
  memcpy(data, text.data(), text.size());
  return text.size();
}
