//===- OperatorsProducts.cpp - convolutions, matrix products, pools -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/ImportOnnx/Operators.h"
#include "onnx.pb.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

const Refusal onnximport::kAutoPad = {
    "auto_pad SAME_UPPER or SAME_LOWER with a stride over 1 on a dimension that is not fixed",
    "the padding would depend on the size; fix the dimension with --dim or export explicit pads"};
static const Refusal kIndices = {"the second output (Indices)", "qnn.max_pool has one result"};
static const Refusal kGroupWeights = {"a weight whose shape is computed from a dimension",
                                      "kernel sizes are constants of the operation"};
static const Refusal kNegativePads = {"negative pads",
                                      "a window outside of the input has no meaning here; slice the input instead"};
static const Refusal kCeilMode = {
    "ceil_mode on a dimension that is not fixed, where the last window may start in the padding",
    "whether that window counts depends on the size; fix the dimension with --dim"};

void onnximport::requireFinite(NodeImporter &node, unsigned input) {
  const Tensor &tensor = node.get(input);
  if (!tensor.constant || !isa<FloatType>(tensor.elementType))
    return;
  for (auto [index, value] : llvm::enumerate(toFloats(*tensor.constant)))
    if (!std::isfinite(value))
      return node.error("expected finite numbers in the weight '" + tensor.name + "', found " +
                        (std::isnan(value) ? "NaN" : "infinity") + " at element " + Twine(index));
}

bool onnximport::readWindow(NodeImporter &node, ArrayRef<AffineExpr> spatial, ArrayRef<int64_t> kernel,
                            Window &window) {
  size_t rank = spatial.size();
  window.kernel.assign(kernel.begin(), kernel.end());
  window.strides = node.getInts("strides").value_or(SmallVector<int64_t>(rank, 1));
  window.dilations = node.getInts("dilations").value_or(SmallVector<int64_t>(rank, 1));
  window.pads = node.getInts("pads").value_or(SmallVector<int64_t>(2 * rank, 0));
  auto given = node.getInts("kernel_shape");
  if (node.failed())
    return false;
  if (window.strides.size() != rank || window.dilations.size() != rank || window.pads.size() != 2 * rank ||
      window.kernel.size() != rank)
    return node.error("expected " + Twine(rank) + " kernel sizes, strides and dilations and " + Twine(2 * rank) +
                      " pads, found " + Twine(window.kernel.size()) + ", " + Twine(window.strides.size()) + ", " +
                      Twine(window.dilations.size()) + " and " + Twine(window.pads.size())),
           false;
  if (given && ArrayRef(*given) != kernel)
    return node.error("expected kernel_shape to be the weight's"), false;
  for (size_t i = 0; i < rank; ++i)
    if (window.strides[i] < 1 || window.dilations[i] < 1 || window.kernel[i] < 1)
      return node.error("expected positive kernel sizes, strides and dilations"), false;
  std::string mode = node.getString("auto_pad", "NOTSET");
  if (mode == "VALID") {
    window.pads.assign(2 * rank, 0);
  } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    for (size_t i = 0; i < rank; ++i) {
      int64_t reach = window.dilations[i] * (window.kernel[i] - 1) + 1, total;
      if (window.strides[i] == 1)
        total = reach - 1;
      else if (auto size = constantOf(spatial[i]))
        total =
            std::max<int64_t>(0, (llvm::divideCeil(*size, window.strides[i]) - 1) * window.strides[i] + reach - *size);
      else
        return node.refuse(kAutoPad, "spatial dimension " + Twine(i) + " = " + toText(spatial[i], node.getSymbols())),
               false;
      int64_t less = total / 2, more = total - less;
      window.pads[i] = mode == "SAME_UPPER" ? less : more;
      window.pads[rank + i] = mode == "SAME_UPPER" ? more : less;
    }
  } else if (mode != "NOTSET") {
    return node.error("expected auto_pad out of NOTSET, VALID, SAME_UPPER, SAME_LOWER; found '" + mode + "'"), false;
  }
  for (int64_t pad : window.pads)
    if (pad < 0)
      return node.refuse(kNegativePads), false;
  return true;
}

/// Kernel sizes of the weight (input 1): its dimensions from 2 on.
static bool readKernel(NodeImporter &node, SmallVectorImpl<int64_t> &kernel) {
  if (node.rank(1) < 3 || node.rank(0) != node.rank(1))
    return node.error("expected input and weight of one rank >= 3, found " + toText(node.shape(0), node.getSymbols()) +
                      " and " + toText(node.shape(1), node.getSymbols())),
           false;
  for (AffineExpr dim : ArrayRef(node.shape(1)).drop_front(2)) {
    auto size = constantOf(dim);
    if (!size)
      return node.refuse(kGroupWeights), false;
    if (*size > (int64_t(1) << 31))
      return node.error("expected kernel sizes of at most 2^31, found " + Twine(*size)), false;
    kernel.push_back(*size);
  }
  return true;
}

static int64_t readGroups(NodeImporter &node) {
  int64_t groups = node.getInt("group", 1);
  if (groups < 1 || groups > (int64_t(1) << 31))
    node.error("expected group from 1 to 2^31, found " + Twine(groups));
  return groups;
}

static void importConv(NodeImporter &node) {
  SmallVector<int64_t> kernel;
  Window window;
  int64_t groups = readGroups(node);
  if (!sameTypes(node, node.has(2) ? ArrayRef<unsigned>{0, 1, 2} : ArrayRef<unsigned>{0, 1}) ||
      !readKernel(node, kernel))
    return;
  if (!node.isFloat(0))
    return node.error("expected float operands");
  if (!readWindow(node, ArrayRef(node.shape(0)).drop_front(2), kernel, window))
    return;
  requireFinite(node, 1);
  Value bias = node.has(2) ? (requireFinite(node, 2), node.value(2)) : Value();
  Value input = node.value(0), weight = node.value(1);
  Value result = node.create<qnn::ConvOp>(node.elementType(0), input, weight, bias, window.strides, window.pads,
                                          window.dilations, groups);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importConvTranspose(NodeImporter &node) {
  SmallVector<int64_t> kernel;
  int64_t groups = readGroups(node);
  if (!sameTypes(node, node.has(2) ? ArrayRef<unsigned>{0, 1, 2} : ArrayRef<unsigned>{0, 1}) ||
      !readKernel(node, kernel))
    return;
  if (!node.isFloat(0))
    return node.error("expected float operands");
  size_t rank = kernel.size();
  SmallVector<int64_t> strides = node.getInts("strides").value_or(SmallVector<int64_t>(rank, 1)),
                       dilations = node.getInts("dilations").value_or(SmallVector<int64_t>(rank, 1)),
                       pads = node.getInts("pads").value_or(SmallVector<int64_t>(2 * rank, 0)),
                       outputPadding = node.getInts("output_padding").value_or(SmallVector<int64_t>(rank, 0));
  auto outputShape = node.getInts("output_shape");
  auto given = node.getInts("kernel_shape");
  std::string mode = node.getString("auto_pad", "NOTSET");
  if (node.failed())
    return;
  if (given && *given != kernel)
    return node.error("expected kernel_shape to be the weight's");
  if (strides.size() != rank || dilations.size() != rank || pads.size() != 2 * rank || outputPadding.size() != rank ||
      (outputShape && outputShape->size() < rank))
    return node.error("expected " + Twine(rank) + " strides, dilations and output paddings, and " + Twine(2 * rank) +
                      " pads");
  if (mode != "NOTSET" && mode != "VALID" && mode != "SAME_UPPER" && mode != "SAME_LOWER")
    return node.error("expected auto_pad out of NOTSET, VALID, SAME_UPPER, SAME_LOWER; found '" + mode + "'");
  if (mode == "VALID")
    pads.assign(2 * rank, 0);
  // The padding that gives the wanted output size: total = stride * (in - 1) + output_padding + reach - out.
  if (outputShape || mode == "SAME_UPPER" || mode == "SAME_LOWER")
    for (size_t i = 0; i < rank; ++i) {
      AffineExpr size = node.shape(0)[i + 2];
      AffineExpr out = outputShape ? node.expr((*outputShape)[outputShape->size() - rank + i]) : size * strides[i];
      AffineExpr total = (size - 1) * strides[i] + (outputPadding[i] + (kernel[i] - 1) * dilations[i] + 1) - out;
      auto checked = checkedExpr(total, node.getSymbols());
      auto constant = checked ? constantOf(*checked) : std::nullopt;
      if (!constant)
        return node.refuse(kAutoPad, "output size " + toText(out, node.getSymbols()));
      if (*constant < 0) {
        // A larger output than the windows cover: zeros at the end.
        outputPadding[i] -= *constant;
        constant = 0;
      }
      int64_t half = *constant / 2;
      pads[i] = mode == "SAME_UPPER" ? half : *constant - half;
      pads[rank + i] = *constant - pads[i];
    }
  for (size_t i = 0; i < rank; ++i)
    if (strides[i] < 1 || dilations[i] < 1 || kernel[i] < 1 || outputPadding[i] < 0)
      return node.error("expected positive kernel sizes, strides and dilations, and output padding >= 0");
  for (int64_t pad : pads)
    if (pad < 0)
      return node.refuse(kNegativePads);
  requireFinite(node, 1);
  Value bias = node.has(2) ? (requireFinite(node, 2), node.value(2)) : Value();
  Value input = node.value(0), weight = node.value(1);
  Value result = node.create<qnn::ConvTransposeOp>(node.elementType(0), input, weight, bias, strides, pads, dilations,
                                                   outputPadding, groups);
  if (!node.failed())
    node.setOutput(0, result);
}

static bool readPool(NodeImporter &node, Window &window, bool &ceilMode) {
  if (node.rank(0) < 3)
    return node.error("expected an input of rank >= 3, found " + toText(node.shape(0), node.getSymbols())), false;
  auto kernel = node.getInts("kernel_shape");
  if (!kernel)
    return node.error("expected the attribute kernel_shape"), false;
  ArrayRef<AffineExpr> spatial = ArrayRef(node.shape(0)).drop_front(2);
  if (!readWindow(node, spatial, *kernel, window))
    return false;
  ceilMode = node.getInt("ceil_mode", 0) != 0;
  if (ceilMode)
    for (size_t i = 0; i < spatial.size(); ++i)
      if (!constantOf(spatial[i]) &&
          window.pads[spatial.size() + i] + window.strides[i] > window.dilations[i] * (window.kernel[i] - 1) + 1)
        return node.refuse(kCeilMode), false;
  return !node.failed();
}

static void importMaxPool(NodeImporter &node) {
  Window window;
  bool ceilMode = false;
  if (node.wantsOutput(1))
    return node.refuse(kIndices);
  if (!readPool(node, window, ceilMode))
    return;
  Value result = node.create<qnn::MaxPoolOp>(node.elementType(0), node.value(0), window.kernel, window.strides,
                                             window.pads, window.dilations, ceilMode);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importAveragePool(NodeImporter &node) {
  Window window;
  bool ceilMode = false;
  if (!readPool(node, window, ceilMode))
    return;
  bool countPads = node.getInt("count_include_pad", 0) != 0;
  Value result = node.create<qnn::AvgPoolOp>(node.elementType(0), node.value(0), window.kernel, window.strides,
                                             window.pads, window.dilations, ceilMode, countPads);
  if (!node.failed())
    node.setOutput(0, result);
}

template <typename OpTy> static void importGlobalPool(NodeImporter &node) {
  if (node.rank(0) < 3)
    return node.error("expected an input of rank >= 3, found " + toText(node.shape(0), node.getSymbols()));
  SmallVector<int64_t> axes;
  for (int64_t i = 2; i < node.rank(0); ++i)
    axes.push_back(i);
  Value result = node.create<OpTy>(node.elementType(0), node.value(0), axes, true);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importMatMul(NodeImporter &node) {
  if (!sameTypes(node, {0, 1}))
    return;
  if (node.rank(0) < 1 || node.rank(1) < 1)
    return node.error("expected operands of rank >= 1");
  requireFinite(node, 0);
  requireFinite(node, 1);
  Value lhs = node.value(0), rhs = node.value(1);
  // A vector is a matrix of one row (left) or one column (right); that dimension is removed from the result.
  bool leftVector = node.rank(0) == 1, rightVector = node.rank(1) == 1;
  if (leftVector)
    lhs = node.reshape(lhs, {node.expr(1), node.shape(0)[0]});
  if (rightVector)
    rhs = node.reshape(rhs, {node.shape(1)[0], node.expr(1)});
  Value result = node.create<qnn::MatmulOp>(node.elementType(0), lhs, rhs);
  if (node.failed())
    return;
  if (leftVector || rightVector) {
    SymbolicShape shape = node.shape(result);
    if (rightVector)
      shape.pop_back();
    if (leftVector)
      shape.erase(shape.end() - (rightVector ? 1 : 2));
    result = node.reshape(result, shape);
  }
  if (!node.failed())
    node.setOutput(0, result);
}

/// The transpose of a constant matrix, as bytes.
static WeightData transposed(const WeightData &data) {
  int64_t rows = data.type.getDimSize(0), columns = data.type.getDimSize(1),
          width = data.type.getElementTypeBitWidth() / 8;
  auto buffer = std::make_shared<std::vector<uint8_t>>(data.bytes.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      memcpy(buffer->data() + (c * rows + r) * width, data.bytes.data() + (r * columns + c) * width, width);
  return {RankedTensorType::get({columns, rows}, data.type.getElementType()), {buffer->data(), buffer->size()}, buffer};
}

static void importGemm(NodeImporter &node) {
  if (!sameTypes(node, node.has(2) ? ArrayRef<unsigned>{0, 1, 2} : ArrayRef<unsigned>{0, 1}))
    return;
  if (node.rank(0) != 2 || node.rank(1) != 2)
    return node.error("expected matrices, found ranks " + Twine(node.rank(0)) + " and " + Twine(node.rank(1)));
  float alpha = node.getFloat("alpha", 1), beta = node.getFloat("beta", 1);
  bool transA = node.getInt("transA", 0), transB = node.getInt("transB", 0);
  requireFinite(node, 0);
  requireFinite(node, 1);
  Type type = node.elementType(0);
  Value lhs = node.value(0);
  if (transA)
    lhs = node.transpose(lhs, {1, 0});
  Value result;
  bool hasBias = node.has(2);
  if (node.get(1).constant && node.isFloat(1)) {
    // W of qnn.linear is N x K.
    if (!transB)
      node.charge(node.get(1).constant->bytes.size());
    Value weight = transB || node.failed() ? node.value(1) : node.constant(transposed(*node.get(1).constant));
    Value bias;
    if (hasBias && alpha == 1 && beta == 1 && node.rank(2) == 1 &&
        areEqual(node.shape(2)[0], node.shape(1)[transB ? 0 : 1])) {
      requireFinite(node, 2);
      bias = node.value(2);
      hasBias = false;
    }
    result = node.create<qnn::LinearOp>(type, lhs, weight, bias);
  } else {
    Value rhs = node.value(1);
    if (transB)
      rhs = node.transpose(rhs, {1, 0});
    result = node.create<qnn::MatmulOp>(type, lhs, rhs);
  }
  if (alpha != 1)
    result = node.create<qnn::MulOp>(type, result, node.constantFloat(type, alpha));
  if (hasBias) {
    Value addend = node.value(2);
    if (beta != 1)
      addend = node.create<qnn::MulOp>(type, addend, node.constantFloat(type, beta));
    result = node.create<qnn::AddOp>(type, result, addend);
  }
  if (node.failed())
    return;
  if (node.shape(result).size() != 2)
    return node.error("expected C to broadcast to the product's shape, found " +
                      toText(node.shape(2), node.getSymbols()));
  node.setOutput(0, result);
}

void onnximport::addProductOperators(std::vector<Operator> &table) {
  table.insert(table.end(),
               {
                   {"Conv", 7, 28, 2, 3, 1, importConv, {&kAutoPad, &kGroupWeights, &kNegativePads}},
                   {"ConvTranspose", 7, 28, 2, 3, 1, importConvTranspose, {&kAutoPad, &kGroupWeights, &kNegativePads}},
                   {"MaxPool", 7, 28, 1, 1, 2, importMaxPool, {&kIndices, &kAutoPad, &kNegativePads, &kCeilMode}},
                   {"AveragePool", 7, 28, 1, 1, 1, importAveragePool, {&kAutoPad, &kNegativePads, &kCeilMode}},
                   {"GlobalAveragePool", 7, 28, 1, 1, 1, importGlobalPool<qnn::ReduceMeanOp>, {}},
                   {"GlobalMaxPool", 7, 28, 1, 1, 1, importGlobalPool<qnn::ReduceMaxOp>, {}},
                   {"MatMul", 7, 28, 2, 2, 1, importMatMul, {}},
                   {"Gemm", 7, 28, 2, 3, 1, importGemm, {}},
               });
}
