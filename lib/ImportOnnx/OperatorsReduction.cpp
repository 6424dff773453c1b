//===- OperatorsReduction.cpp - reductions, softmax, normalisations -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/Operators.h"
#include "onnx.pb.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

static const Refusal kTraining = {"training_mode = 1, or outputs for training", "only inference is compiled"};
static const Refusal kSpatial = {"spatial = 0 (opsets 7 and 8)",
                                 "statistics for each activation are no longer part of ONNX"};
static const Refusal kStash = {"the outputs Mean and InvStdDev with stash_type other than 1 (FLOAT)",
                               "statistics are computed in float32"};
static const Refusal kChannels = {"channels that are not a fixed number", "parameters are one value a channel"};

/// Axes of a reduction: operand (since opset 18, ReduceSum since 13) or attribute. `empty`: none were given.
static bool readAxes(NodeImporter &node, SmallVectorImpl<int64_t> &axes, bool &empty) {
  int64_t rank = node.rank(0);
  std::optional<SmallVector<int64_t>> given;
  if (node.has(1))
    given = node.constantInts(1, "axes");
  else
    given = node.getInts("axes");
  if (node.failed())
    return false;
  empty = !given || given->empty();
  if (empty) {
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
  } else {
    SmallVector<int64_t> normal = node.normalizeAxes(*given, rank);
    llvm::sort(normal);
    axes.append(normal.begin(), normal.end());
  }
  return !node.failed();
}

template <typename OpTy> static void importReduce(NodeImporter &node) {
  SmallVector<int64_t> axes;
  bool empty;
  if (!readAxes(node, axes, empty))
    return;
  bool keepdims = node.getInt("keepdims", 1) != 0;
  Type type = node.elementType(0);
  if (empty && node.getInt("noop_with_empty_axes", 0)) {
    // No dimension is reduced; the function of one element remains (for L2 its absolute value).
    if (std::is_same_v<OpTy, qnn::ReduceL2Op>)
      return node.setOutput(0, node.create<qnn::AbsOp>(type, node.value(0)));
    return node.forward(0, 0);
  }
  if (node.rank(0) == 0 && !std::is_same_v<OpTy, qnn::ReduceL2Op>)
    return node.forward(0, 0);
  Value result = node.create<OpTy>(type, node.value(0), axes, keepdims);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importArgMax(NodeImporter &node) {
  int64_t axis = node.normalizeAxis(node.getInt("axis", 0), node.rank(0));
  bool keepdims = node.getInt("keepdims", 1) != 0, last = node.getInt("select_last_index", 0) != 0;
  if (node.failed())
    return;
  auto size = boundsOf(node.shape(0)[axis], node.getSymbols());
  if (!size || size->first < 1)
    return node.error("expected at least one element along axis " + Twine(axis));
  Value result =
      node.create<qnn::ArgmaxOp>(IntegerType::get(node.getContext(), 64), node.value(0), axis, keepdims, last);
  if (!node.failed())
    node.setOutput(0, result);
}

template <typename OpTy> static void importSoftmax(NodeImporter &node) {
  int64_t rank = node.rank(0);
  bool flattens = node.getOpset() < 13;
  int64_t axis = node.normalizeAxis(node.getInt("axis", flattens ? 1 : -1), rank);
  Value input = node.value(0);
  if (node.failed())
    return;
  SymbolicShape shape = node.shape(0);
  if (flattens && axis != rank - 1) {
    // Before opset 13 all dimensions from `axis` on are one.
    AffineExpr product = productOf(ArrayRef(shape).drop_front(axis), node.getContext());
    SymbolicShape flat(shape.begin(), shape.begin() + axis);
    flat.push_back(product);
    input = node.reshape(input, flat);
  }
  Value result = node.create<OpTy>(node.elementType(0), input, axis);
  result = node.reshape(result, shape);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importBatchNormalization(NodeImporter &node) {
  bool training = node.getInt("training_mode", 0) != 0;
  for (unsigned i = 1; i < node.getNumOutputs(); ++i)
    training |= node.wantsOutput(i);
  if (training)
    return node.refuse(kTraining);
  if (!node.getInt("spatial", 1))
    return node.refuse(kSpatial);
  float epsilon = node.getFloat("epsilon", 1e-5f);
  SmallVector<Value> values;
  for (unsigned i = 0; i < 5; ++i) {
    if (i)
      requireFinite(node, i);
    values.push_back(node.value(i));
    // Parameters may be wider than the input (opset 14); the arithmetic is f32 in any case.
    if (i && node.elementType(i) != node.elementType(0))
      values.back() = node.cast(values.back(), node.elementType(0));
  }
  Value result = node.create<qnn::BatchNormOp>(node.elementType(0), values[0], values[1], values[2], values[3],
                                               values[4], APFloat(epsilon));
  if (!node.failed())
    node.setOutput(0, result);
}

static void importLayerNormalization(NodeImporter &node) {
  bool wantsMoments = node.wantsOutput(1) || node.wantsOutput(2);
  if (wantsMoments && node.getInt("stash_type", 1) != 1)
    return node.refuse(kStash);
  int64_t rank = node.rank(0), axis = node.normalizeAxis(node.getInt("axis", -1), rank);
  float epsilon = node.getFloat("epsilon", 1e-5f);
  if (!sameTypes(node, node.has(2) ? ArrayRef<unsigned>{0, 1, 2} : ArrayRef<unsigned>{0, 1}))
    return;
  requireFinite(node, 1);
  Type type = node.elementType(0);
  SymbolicShape normalised(node.shape(0).begin() + axis, node.shape(0).end());
  auto fits = [&](unsigned i) {
    return node.shape(i).size() == normalised.size() &&
           llvm::all_of(llvm::zip(node.shape(i), normalised),
                        [](auto pair) { return areEqual(std::get<0>(pair), std::get<1>(pair)); });
  };
  Value input = node.value(0), scale = node.value(1),
        bias = node.has(2) ? (requireFinite(node, 2), node.value(2)) : Value(), result;
  auto layerNorm = [&](Value withScale, Value withBias) {
    return node.create<qnn::LayerNormOp>(type, input, withScale, withBias, axis, epsilon);
  };
  if (fits(1) && (!bias || fits(2))) {
    result = layerNorm(scale, bias);
  } else {
    // Parameters of another, broadcast shape.
    result = node.create<qnn::MulOp>(type, layerNorm({}, {}), scale);
    if (bias)
      result = node.create<qnn::AddOp>(type, result, bias);
  }
  if (node.failed())
    return;
  node.setOutput(0, result);
  if (!wantsMoments)
    return;
  Type f32 = Float32Type::get(node.getContext());
  SmallVector<int64_t> axes;
  for (int64_t i = axis; i < rank; ++i)
    axes.push_back(i);
  Value wide = node.cast(input, f32), mean = node.create<qnn::ReduceMeanOp>(f32, wide, axes, true);
  Value centred = node.create<qnn::SubOp>(f32, wide, mean), square = node.create<qnn::MulOp>(f32, centred, centred);
  Value variance = node.create<qnn::AddOp>(f32, node.create<qnn::ReduceMeanOp>(f32, square, axes, true),
                                           node.constantFloat(f32, epsilon));
  Value inverse = node.create<qnn::ReciprocalOp>(f32, node.create<qnn::SqrtOp>(f32, variance));
  if (node.failed())
    return;
  node.setOutput(1, mean);
  node.setOutput(2, inverse);
}

static void importInstanceNormalization(NodeImporter &node) {
  if (node.rank(0) < 3)
    return node.error("expected an input of rank >= 3, found " + toText(node.shape(0), node.getSymbols()));
  auto channels = constantOf(node.shape(0)[1]);
  if (!channels)
    return node.refuse(kChannels, toText(node.shape(0), node.getSymbols()));
  float epsilon = node.getFloat("epsilon", 1e-5f);
  if (*channels < 1 || !sameTypes(node, {0, 1, 2}))
    return node.error("expected at least one channel");
  requireFinite(node, 1);
  requireFinite(node, 2);
  Value input = node.value(0), scale = node.value(1), bias = node.value(2);
  Value result = node.create<qnn::GroupNormOp>(node.elementType(0), input, scale, bias, *channels, APFloat(epsilon));
  if (!node.failed())
    node.setOutput(0, result);
}

static void importGroupNormalization(NodeImporter &node) {
  if (node.rank(0) < 3)
    return node.error("expected an input of rank >= 3, found " + toText(node.shape(0), node.getSymbols()));
  auto channels = constantOf(node.shape(0)[1]);
  if (!channels)
    return node.refuse(kChannels, toText(node.shape(0), node.getSymbols()));
  int64_t groups = node.getInt("num_groups", 0);
  float epsilon = node.getFloat("epsilon", 1e-5f);
  if (groups < 1 || *channels % groups)
    return node.error("expected num_groups that divides the channels, " + Twine(*channels) + "; found " +
                      Twine(groups));
  if (!sameTypes(node, {0, 1, 2}))
    return;
  requireFinite(node, 1);
  requireFinite(node, 2);
  Type type = node.elementType(0);
  Value input = node.value(0), parameters[] = {node.value(1), node.value(2)};
  // Opset 18 gave one scale and bias a group; each channel of the group takes it.
  if (node.getOpset() < 21)
    for (unsigned i : {0, 1}) {
      if (node.failed())
        return;
      if (node.shape(i + 1).size() != 1 || constantOf(node.shape(i + 1)[0]) != groups)
        return node.error("expected " + Twine(groups) + " scales and biases, found " +
                          toText(node.shape(i + 1), node.getSymbols()));
      Value column = node.reshape(parameters[i], {groups, 1});
      Value wide = node.create<qnn::BroadcastOp>(type, column,
                                                 node.shapeMap({node.expr(groups), node.expr(*channels / groups)}));
      parameters[i] = node.reshape(wide, ArrayRef<int64_t>{*channels});
    }
  Value result = node.create<qnn::GroupNormOp>(type, input, parameters[0], parameters[1], groups, APFloat(epsilon));
  if (!node.failed())
    node.setOutput(0, result);
}

void onnximport::addReductionOperators(std::vector<Operator> &table) {
  table.insert(table.end(),
               {
                   {"ReduceMean", 7, 28, 1, 2, 1, importReduce<qnn::ReduceMeanOp>, {}},
                   {"ReduceSum", 7, 28, 1, 2, 1, importReduce<qnn::ReduceSumOp>, {}},
                   {"ReduceMax", 7, 28, 1, 2, 1, importReduce<qnn::ReduceMaxOp>, {}},
                   {"ReduceMin", 7, 28, 1, 2, 1, importReduce<qnn::ReduceMinOp>, {}},
                   {"ReduceL2", 7, 28, 1, 2, 1, importReduce<qnn::ReduceL2Op>, {}},
                   {"ArgMax", 7, 28, 1, 1, 1, importArgMax, {}},
                   {"Softmax", 7, 28, 1, 1, 1, importSoftmax<qnn::SoftmaxOp>, {}},
                   {"LogSoftmax", 7, 28, 1, 1, 1, importSoftmax<qnn::LogSoftmaxOp>, {}},
                   {"BatchNormalization", 7, 28, 5, 5, 5, importBatchNormalization, {&kTraining, &kSpatial}},
                   {"LayerNormalization", 17, 28, 2, 3, 3, importLayerNormalization, {&kStash}},
                   {"InstanceNormalization", 7, 28, 3, 3, 1, importInstanceNormalization, {&kChannels}},
                   {"GroupNormalization", 18, 28, 3, 3, 1, importGroupNormalization, {&kChannels}},
               });
}
