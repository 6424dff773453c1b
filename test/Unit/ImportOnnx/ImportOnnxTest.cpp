//===- ImportOnnxTest.cpp - the importer on models from memory --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/ImportOnnx.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/ImportOnnx/KnownTensor.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/IR/Verifier.h"
#include "onnx.pb.h"
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace bitwright;

namespace {

struct Imported {
  bool succeeded = false;
  std::string errors;
  std::string text;
};

Imported import(ArrayRef<uint8_t> bytes, MLIRContext &context, std::vector<DimBinding> dims = {}) {
  Imported result;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    result.errors += diagnostic.str() + "\n";
    return success();
  });
  ImportOptions options;
  options.dims = std::move(dims);
  auto module = importOnnx(bytes, "test.onnx", &context, options);
  result.succeeded = succeeded(module);
  if (result.succeeded) {
    EXPECT_TRUE(succeeded(verify(**module)));
    llvm::raw_string_ostream(result.text) << **module;
  }
  // Success says nothing, failure says why.
  EXPECT_EQ(result.succeeded, result.errors.empty()) << result.errors;
  return result;
}

void addFloats(onnx::GraphProto &graph, const char *name, std::initializer_list<int64_t> dims, float value) {
  auto *tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  int64_t count = 1;
  for (int64_t dim : dims) {
    tensor->add_dims(dim);
    count *= dim;
  }
  std::vector<float> values(count, value);
  tensor->set_raw_data(values.data(), values.size() * sizeof(float));
}

void addInts(onnx::GraphProto &graph, const char *name, std::initializer_list<int64_t> values) {
  auto *tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::INT64);
  tensor->add_dims(values.size());
  for (int64_t value : values)
    tensor->add_int64_data(value);
}

onnx::NodeProto *addNode(onnx::GraphProto &graph, const char *type, std::initializer_list<const char *> inputs,
                         const char *output) {
  auto *node = graph.add_node();
  node->set_op_type(type);
  for (const char *input : inputs)
    node->add_input(input);
  node->add_output(output);
  return node;
}

void setInts(onnx::NodeProto *node, const char *name, std::initializer_list<int64_t> values) {
  auto *attribute = node->add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::INTS);
  for (int64_t value : values)
    attribute->add_ints(value);
}

/// x [N, 3, 8, W] -> conv 3x3, relu, shape arithmetic, reshape to [N, 4, -1], slice, matmul with a 1-D vector, softmax.
onnx::ModelProto makeModel() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  auto *opset = model.add_opset_import();
  opset->set_domain("");
  opset->set_version(13);
  onnx::GraphProto &graph = *model.mutable_graph();
  auto *x = graph.add_input();
  x->set_name("x");
  auto *type = x->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  type->mutable_shape()->add_dim()->set_dim_param("N");
  type->mutable_shape()->add_dim()->set_dim_value(3);
  type->mutable_shape()->add_dim()->set_dim_value(8);
  type->mutable_shape()->add_dim()->set_dim_param("W");
  addFloats(graph, "weight", {4, 3, 3, 3}, 0.25f);
  addFloats(graph, "bias", {4}, 1);
  setInts(addNode(graph, "Conv", {"x", "weight", "bias"}, "conv"), "pads", {1, 1, 1, 1});
  addNode(graph, "Relu", {"conv"}, "relu");
  addNode(graph, "Shape", {"relu"}, "shape");
  addInts(graph, "zero", {0});
  addInts(graph, "one", {1});
  addInts(graph, "minus_one", {-1});
  addInts(graph, "huge", {INT64_MAX});
  addInts(graph, "three", {3});
  addNode(graph, "Slice", {"shape", "zero", "one", "zero"}, "batch");
  addInts(graph, "channels", {4});
  auto *concat = addNode(graph, "Concat", {"batch", "channels", "minus_one"}, "target");
  auto *axis = concat->add_attribute();
  axis->set_name("axis");
  axis->set_type(onnx::AttributeProto::INT);
  axis->set_i(0);
  addNode(graph, "Reshape", {"relu", "target"}, "flat");
  addNode(graph, "Slice", {"flat", "three", "huge", "minus_one"}, "tail");
  setInts(addNode(graph, "Transpose", {"tail"}, "swapped"), "perm", {0, 2, 1});
  addFloats(graph, "vector", {4}, 0.5f);
  addNode(graph, "MatMul", {"swapped", "vector"}, "product");
  addNode(graph, "Softmax", {"product"}, "y");
  graph.add_output()->set_name("y");
  return model;
}

std::vector<uint8_t> serialize(const onnx::ModelProto &model) {
  std::string text = model.SerializeAsString();
  return {text.begin(), text.end()};
}

const std::vector<DimBinding> kDims = {{"N", 1, 8, 1}, {"W", 32, 640, 1}};

TEST(ImportOnnx, SymbolicModel) {
  MLIRContext context;
  Imported result = import(serialize(makeModel()), context, kDims);
  ASSERT_TRUE(result.succeeded) << result.errors;
  // 8 rows of W + 2 - 2 columns: W * 8 elements a channel, less the three that the slice drops.
  EXPECT_NE(result.text.find("affine_map<()[s0, s1] -> (s0, 4, s1 * 8)>"), std::string::npos) << result.text;
  EXPECT_NE(result.text.find("affine_map<()[s0, s1] -> (s0, 4, s1 * 8 - 3)>"), std::string::npos) << result.text;
  EXPECT_NE(result.text.find(R"(#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"W", 32, 640, 1>)"), std::string::npos)
      << result.text;
  // The weight went to the store, named as in the model; the shape tensors did not.
  EXPECT_EQ(getWeightStore(&context).names(), std::vector<std::string>{"weight"});
}

TEST(ImportOnnx, StaticModel) {
  MLIRContext context;
  Imported result = import(serialize(makeModel()), context, {{"N", 2, 2, 1}, {"x:3", 32, 32, 1}});
  ASSERT_TRUE(result.succeeded) << result.errors;
  EXPECT_NE(result.text.find("tensor<2x253xf32>"), std::string::npos) << result.text;
}

TEST(ImportOnnx, EveryTruncationIsAnError) {
  std::vector<uint8_t> bytes = serialize(makeModel());
  MLIRContext context;
  for (size_t size = 0; size < bytes.size(); ++size) {
    Imported result = import(ArrayRef(bytes).take_front(size), context, kDims);
    EXPECT_FALSE(result.succeeded) << "cut after " << size << " of " << bytes.size() << " bytes";
  }
}

TEST(ImportOnnx, MutationsDoNotCrash) {
  const std::vector<uint8_t> bytes = serialize(makeModel());
  std::mt19937 random(20260101);
  MLIRContext context;
  unsigned failures = 0;
  for (unsigned round = 0; round < 4000; ++round) {
    std::vector<uint8_t> mutated = bytes;
    for (unsigned i = 0, count = 1 + random() % 4; i < count; ++i)
      mutated[random() % mutated.size()] = uint8_t(random());
    failures += !import(mutated, context, kDims).succeeded;
  }
  // Some mutations only change a weight or a name; most break something.
  EXPECT_GT(failures, 1000u);
  EXPECT_LT(failures, 4000u);
}

TEST(ImportOnnx, DeepAndWideGraphs) {
  // A chain whose shapes would nest without bound, and one whose sizes would overflow: both end in an error, not in a
  // crash.
  onnx::ModelProto model = makeModel();
  onnx::GraphProto &graph = *model.mutable_graph();
  std::string last = "conv";
  for (unsigned i = 0; i < 400; ++i) {
    std::string next = "pool" + std::to_string(i);
    auto *node = addNode(graph, "AveragePool", {last.c_str()}, next.c_str());
    setInts(node, "kernel_shape", {2, 3});
    setInts(node, "pads", {1, 2, 0, 1});
    setInts(node, "strides", {1, i % 2 ? 2 : 1});
    last = next;
  }
  graph.add_output()->set_name(last);
  MLIRContext context;
  Imported deep = import(serialize(model), context, kDims);

  model = makeModel();
  onnx::GraphProto &wide = *model.mutable_graph();
  addInts(wide, "many", {1 << 20, 1 << 20, 1 << 20, 1 << 20});
  addNode(wide, "Tile", {"conv", "many"}, "tiled");
  wide.add_output()->set_name("tiled");
  Imported result = import(serialize(model), context, kDims);
  EXPECT_FALSE(result.succeeded);
  EXPECT_NE(result.errors.find("2^40"), std::string::npos) << result.errors;
}

TEST(ImportOnnx, ExternalDataNeedsAFolder) {
  onnx::ModelProto model = makeModel();
  auto *tensor = model.mutable_graph()->mutable_initializer(0);
  tensor->clear_raw_data();
  tensor->set_data_location(onnx::TensorProto::EXTERNAL);
  auto *entry = tensor->add_external_data();
  entry->set_key("location");
  entry->set_value("weights.bin");
  MLIRContext context;
  Imported result = import(serialize(model), context, kDims);
  EXPECT_NE(
      result.errors.find("initializer 'weight': external data 'weights.bin' cannot be read: the model is not a file"),
      std::string::npos)
      << result.errors;
}

TEST(DimBinding, Forms) {
  auto parse = [](const char *text) {
    auto binding = parseDimBinding(text);
    if (!binding)
      return "error: " + llvm::toString(binding.takeError());
    return binding->key + " " + std::to_string(binding->min) + " " + std::to_string(binding->max) + " " +
           std::to_string(binding->divisor);
  };
  EXPECT_EQ(parse("W=320"), "W 320 320 1");
  EXPECT_EQ(parse("W=32..1280"), "W 32 1280 1");
  EXPECT_EQ(parse("x:3=32..1280/8"), "x:3 32 1280 8");
  EXPECT_EQ(parse("a=b=4"), "a=b 4 4 1");
  for (const char *bad : {"", "W", "=3", "W=", "W=x", "W=3..", "W=..3", "W=0", "W=-1", "W=5..4", "W=1..4294967296",
                          "W=1..8/3", "W=8..16/0", "W=8..16/", "W=1.5"})
    EXPECT_EQ(parse(bad).substr(0, 7), "error: ") << bad;
  EXPECT_NE(parse("W=5..4").find("--dim W=5..4: a size is at least 1"), std::string::npos) << parse("W=5..4");
}

TEST(KnownTensor, Bounds) {
  MLIRContext context;
  DimSymbol symbols[] = {{"N", 1, 8, 1}, {"W", 32, 1280, 8}};
  AffineExpr n = getAffineSymbolExpr(0, &context), w = getAffineSymbolExpr(1, &context);
  using Pair = std::pair<int64_t, int64_t>;
  EXPECT_EQ(onnximport::boundsOf(n * 3 - w, symbols), Pair(3 - 1280, 24 - 32));
  EXPECT_EQ(onnximport::boundsOf((w - 33).floorDiv(4), symbols), Pair(-1, 311)); // floor(-1 / 4), floor(1247 / 4)
  EXPECT_EQ(onnximport::boundsOf((w - 33).ceilDiv(4), symbols), Pair(0, 312));   // ceil(-1 / 4), ceil(1247 / 4)
  // W / 2 - W = -W / 2 over the reals: between -640 - 1/2 and -16; intervals alone would say -1264 .. 608.
  EXPECT_EQ(onnximport::boundsOf(w.floorDiv(2) - w, symbols), Pair(-640, -16));
  EXPECT_EQ(onnximport::boundsOf(w.ceilDiv(2) * 2 - w, symbols), Pair(0, 1));
  EXPECT_EQ(onnximport::boundsOf(w % 16, symbols), Pair(0, 15));
  EXPECT_EQ(onnximport::boundsOf(n * w, symbols), Pair(32, 10240));
  EXPECT_EQ(onnximport::boundsOf(w * (int64_t(1) << 40) * (int64_t(1) << 20), symbols), std::nullopt);
  EXPECT_EQ(onnximport::boundsOf(getAffineSymbolExpr(2, &context), symbols), std::nullopt);
  EXPECT_TRUE(onnximport::isMultiple(w * 2, 16, symbols));
  EXPECT_FALSE(onnximport::isMultiple(w, 16, symbols));
  EXPECT_EQ(onnximport::toText({n + 1, (w - 1).floorDiv(2)}, symbols), "[N + 1, (W + -1) floordiv 2]");
}

} // namespace
