//===- QnnShapes.cpp - result shapes of qnn operations ---------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "dialects/Qnn/ShapeRules.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::qnn;

using Operands = ArrayRef<SymbolicShape>;
using Results = SmallVectorImpl<SymbolicShape> &;

static std::string text(AffineExpr expr) {
  std::string result;
  llvm::raw_string_ostream(result) << expr;
  return result;
}

/// "" if the two dimensions can be equal, else "expected WHAT to be A, found B".
static std::string expectEqual(AffineExpr expected, AffineExpr found, const Twine &what) {
  auto a = constantOf(expected), b = constantOf(found);
  if (a && b && *a != *b)
    return ("expected " + what + " to be " + Twine(*a) + ", found " + Twine(*b)).str();
  return "";
}

AffineExpr bitwright::windowOutput(AffineExpr input, int64_t kernel, int64_t stride, int64_t padLow, int64_t padHigh,
                                   int64_t dilation, bool ceilMode) {
  AffineExpr free = input + (padLow + padHigh - dilation * (kernel - 1) - 1);
  if (!ceilMode)
    return free.floorDiv(stride) + 1;
  AffineExpr count = free.ceilDiv(stride) + 1;
  // ONNX and others drop a last window that would start in the end padding: (count - 1) * stride >= input + padLow.
  if (auto size = constantOf(input)) {
    int64_t n = *constantOf(simplifyAffineExpr(count, 0, 0));
    if ((n - 1) * stride >= *size + padLow)
      --n;
    return getAffineConstantExpr(n, input.getContext());
  }
  return count;
}

std::string bitwright::windowShape(const SymbolicShape &input, ArrayRef<int64_t> kernel, ArrayRef<int64_t> strides,
                                   ArrayRef<int64_t> pads, ArrayRef<int64_t> dilations, bool ceilMode,
                                   SymbolicShape &result) {
  size_t spatial = kernel.size();
  if (input.size() != spatial + 2)
    return "expected an input of rank " + std::to_string(spatial + 2) + " (N, C, spatial), found rank " +
           std::to_string(input.size());
  if (strides.size() != spatial || dilations.size() != spatial || pads.size() != 2 * spatial)
    return "C3: expected " + std::to_string(spatial) + " strides and dilations and " + std::to_string(2 * spatial) +
           " pads, found " + std::to_string(strides.size()) + ", " + std::to_string(dilations.size()) + " and " +
           std::to_string(pads.size());
  for (size_t i = 0; i < spatial; ++i) {
    if (kernel[i] < 1 || strides[i] < 1 || dilations[i] < 1)
      return "C3: expected positive kernel, strides and dilations";
    AffineExpr size =
        windowOutput(input[i + 2], kernel[i], strides[i], pads[i], pads[spatial + i], dilations[i], ceilMode);
    size = simplifyAffineExpr(size, 0, 4096);
    if (auto constant = constantOf(size); constant && *constant < 0)
      return "window of spatial dimension " + std::to_string(i) + " does not fit: output size " +
             std::to_string(*constant);
    result.push_back(size);
  }
  return "";
}

std::string bitwright::convShape(Operands operands, ArrayRef<int64_t> strides, ArrayRef<int64_t> pads,
                                 ArrayRef<int64_t> dilations, int64_t groups, Results results) {
  const SymbolicShape &x = operands[0], &w = operands[1];
  if (w.size() < 3)
    return "expected a weight of rank 3 or more (O, C/groups, kernel), found rank " + std::to_string(w.size());
  if (x.size() != w.size())
    return "expected an input of the weight's rank " + std::to_string(w.size()) + ", found rank " +
           std::to_string(x.size());
  if (groups < 1)
    return "C2: expected groups >= 1, found " + std::to_string(groups);
  if (auto error = expectEqual(w[1] * groups, x[1], "input channels"); !error.empty())
    return "C1: " + error;
  if (auto outputs = constantOf(w[0]); outputs && *outputs % groups)
    return "C2: expected output channels divisible by groups = " + std::to_string(groups) + ", found " +
           std::to_string(*outputs);
  SmallVector<int64_t> kernel;
  for (AffineExpr dim : ArrayRef<AffineExpr>(w).drop_front(2)) {
    if (!constantOf(dim))
      return "expected a weight with static kernel dimensions";
    kernel.push_back(*constantOf(dim));
  }
  if (operands.size() > 2)
    if (operands[2].size() != 1 || !expectEqual(w[0], operands[2][0], "bias").empty())
      return "expected a bias of shape [" + text(w[0]) + "]";
  SymbolicShape shape = {x[0], w[0]};
  if (auto error = windowShape(x, kernel, strides, pads, dilations, false, shape); !error.empty())
    return error;
  results.push_back(shape);
  return "";
}

std::string bitwright::convTransposeShape(Operands operands, ArrayRef<int64_t> strides, ArrayRef<int64_t> pads,
                                          ArrayRef<int64_t> dilations, ArrayRef<int64_t> outputPadding, int64_t groups,
                                          Results results) {
  const SymbolicShape &x = operands[0], &w = operands[1];
  size_t spatial = w.size() < 3 ? 0 : w.size() - 2;
  if (!spatial || x.size() != w.size())
    return "expected input and weight of one rank >= 3, found " + std::to_string(x.size()) + " and " +
           std::to_string(w.size());
  if (strides.size() != spatial || dilations.size() != spatial || pads.size() != 2 * spatial ||
      outputPadding.size() != spatial)
    return "C3: expected one stride, dilation and output_padding a spatial dimension and two pads";
  if (auto error = expectEqual(w[0], x[1], "input channels"); !error.empty())
    return "C1: " + error;
  if (auto channels = constantOf(w[0]); channels && (groups < 1 || *channels % groups))
    return "C1: expected input channels divisible by groups = " + std::to_string(groups) + ", found " +
           std::to_string(*channels);
  SymbolicShape shape = {x[0], w[1] * groups};
  for (size_t i = 0; i < spatial; ++i) {
    auto kernel = constantOf(w[i + 2]);
    if (!kernel)
      return "expected a weight with static kernel dimensions";
    shape.push_back((x[i + 2] - 1) * strides[i] + (outputPadding[i] + (*kernel - 1) * dilations[i] + 1 -
                                                        pads[i] - pads[spatial + i]));
  }
  results.push_back(shape);
  return "";
}

std::string bitwright::linearShape(Operands operands, Results results) {
  const SymbolicShape &x = operands[0], &w = operands[1];
  if (x.empty() || w.size() != 2)
    return "expected an input of rank >= 1 and a weight of rank 2 (N, K), found ranks " + std::to_string(x.size()) +
           " and " + std::to_string(w.size());
  if (auto error = expectEqual(w[1], x.back(), "the last input dimension (K)"); !error.empty())
    return error;
  if (operands.size() > 2 && (operands[2].size() != 1 || !expectEqual(w[0], operands[2][0], "bias").empty()))
    return "expected a bias of shape [" + text(w[0]) + "]";
  SymbolicShape shape(x);
  shape.back() = w[0];
  results.push_back(shape);
  return "";
}

std::string bitwright::matmulShape(Operands operands, Results results) {
  const SymbolicShape &a = operands[0], &b = operands[1];
  if (a.size() < 2 || b.size() < 2)
    return "expected operands of rank >= 2, found ranks " + std::to_string(a.size()) + " and " +
           std::to_string(b.size());
  if (auto error = expectEqual(a.back(), b[b.size() - 2], "rows of the right operand (K)"); !error.empty())
    return error;
  SymbolicShape batchA(a.begin(), a.end() - 2), batchB(b.begin(), b.end() - 2), shape;
  if (auto error = broadcastShapes({batchA, batchB}, shape); !error.empty())
    return error;
  shape.push_back(a[a.size() - 2]);
  shape.push_back(b.back());
  results.push_back(shape);
  return "";
}

std::string bitwright::reduceShape(const SymbolicShape &input, ArrayRef<int64_t> axes, bool keepdims, Results results) {
  if (!llvm::is_sorted(axes) || std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    return "expected sorted, unique axes";
  SymbolicShape shape;
  for (int64_t axis : axes)
    if (axis < 0 || axis >= int64_t(input.size()))
      return "axis " + std::to_string(axis) + " is outside the rank " + std::to_string(input.size());
  for (size_t i = 0; i < input.size(); ++i) {
    if (!llvm::is_contained(axes, int64_t(i)))
      shape.push_back(input[i]);
    else if (keepdims)
      shape.push_back(getAffineConstantExpr(1, input[i].getContext()));
  }
  results.push_back(shape);
  return "";
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

std::string ConvOp::inferSymbolicShapes(Operands operands, Results results) {
  return convShape(operands, getStrides(), getPads(), getDilations(), getGroups(), results);
}

std::string ConvTransposeOp::inferSymbolicShapes(Operands operands, Results results) {
  return convTransposeShape(operands, getStrides(), getPads(), getDilations(), getOutputPadding(), getGroups(), results);
}

std::string LinearOp::inferSymbolicShapes(Operands operands, Results results) { return linearShape(operands, results); }
std::string MatmulOp::inferSymbolicShapes(Operands operands, Results results) { return matmulShape(operands, results); }

//===----------------------------------------------------------------------===//
// Same shape, reductions, pooling
//===----------------------------------------------------------------------===//

static std::string same(Operands operands, Results results) {
  results.push_back(operands[0]);
  return "";
}
static std::string sameWithAxis(Operands operands, int64_t axis, Results results) {
  if (axis < 0 || axis >= int64_t(operands[0].size()))
    return "axis " + std::to_string(axis) + " is outside the rank " + std::to_string(operands[0].size());
  return same(operands, results);
}
std::string ConstantOp::inferSymbolicShapes(Operands, Results results) {
  results.push_back(staticShape(getType()));
  return "";
}
std::string WeightOp::inferSymbolicShapes(Operands, Results results) {
  results.push_back(staticShape(getType()));
  return getType().hasStaticShape() ? "" : "expected a static shape";
}
std::string QuantizeOp::inferSymbolicShapes(Operands operands, Results results) { return same(operands, results); }
std::string QuantizeDynamicOp::inferSymbolicShapes(Operands operands, Results results) {
  if (operands[0].empty())
    return "C2: expected an input of rank >= 1, found rank 0";
  results.push_back(operands[0]);
  results.push_back(operands[0]);
  results.back().back() = getAffineConstantExpr(1, getContext());
  return "";
}
std::string DequantizeAccumulatorOp::inferSymbolicShapes(Operands operands, Results results) {
  return same(operands, results);
}
std::string CombineGroupsOp::inferSymbolicShapes(Operands operands, Results results) {
  size_t rank = operands[0].size();
  if (rank < 2 || operands[1].size() != 2)
    return "expected partial sums ... x N x G and scales N x G, found ranks " + std::to_string(rank) + " and " +
           std::to_string(operands[1].size());
  if (operands[0][rank - 2] != operands[1][0] || operands[0][rank - 1] != operands[1][1])
    return "expected scales of the last two dimensions of the partial sums";
  results.push_back(SymbolicShape(operands[0].begin(), operands[0].end() - 1));
  return "";
}
std::string DequantizeOp::inferSymbolicShapes(Operands operands, Results results) { return same(operands, results); }
std::string SoftmaxOp::inferSymbolicShapes(Operands operands, Results results) {
  return sameWithAxis(operands, getAxis(), results);
}
std::string LogSoftmaxOp::inferSymbolicShapes(Operands operands, Results results) {
  return sameWithAxis(operands, getAxis(), results);
}
std::string LayerNormOp::inferSymbolicShapes(Operands operands, Results results) {
  if (auto error = sameWithAxis(operands, getAxis(), results); !error.empty())
    return error;
  for (const SymbolicShape &parameter : operands.drop_front()) {
    SymbolicShape normalised(operands[0].begin() + getAxis(), operands[0].end());
    if (parameter.size() != normalised.size())
      return "expected scale and bias of rank " + std::to_string(normalised.size()) + ", found rank " +
             std::to_string(parameter.size());
    for (auto [a, b] : llvm::zip(normalised, parameter))
      if (auto error = expectEqual(a, b, "a dimension of scale or bias"); !error.empty())
        return error;
  }
  return "";
}
static std::string channelParameters(Operands operands, Results results) {
  if (operands[0].size() < 2)
    return "expected an input of rank >= 2 (N, C, ...), found rank " + std::to_string(operands[0].size());
  for (const SymbolicShape &parameter : operands.drop_front())
    if (parameter.size() != 1 || !expectEqual(operands[0][1], parameter[0], "").empty())
      return "expected parameters of shape [" + text(operands[0][1]) + "]";
  return same(operands, results);
}
std::string BatchNormOp::inferSymbolicShapes(Operands operands, Results results) {
  return channelParameters(operands, results);
}
std::string GroupNormOp::inferSymbolicShapes(Operands operands, Results results) {
  if (operands[0].size() >= 2)
    if (auto channels = constantOf(operands[0][1]); channels && (getGroups() == 0 || *channels % int64_t(getGroups())))
      return "expected channels divisible by groups = " + std::to_string(getGroups()) + ", found " +
             std::to_string(*channels);
  return channelParameters(operands, results);
}
std::string SqueezeExciteOp::inferSymbolicShapes(Operands operands, Results results) {
  const SymbolicShape &x = operands[0], &w1 = operands[1], &w2 = operands[3];
  if (x.size() < 3 || w1.size() != 2 || w2.size() != 2)
    return "expected x of rank >= 3 and two weights of rank 2";
  for (std::string error :
       {expectEqual(x[1], w1[1], "columns of the reduce weight"), expectEqual(x[1], w2[0], "rows of the expand weight"),
        expectEqual(w1[0], w2[1], "columns of the expand weight")})
    if (!error.empty())
      return error;
  const SymbolicShape &b1 = operands[2], &b2 = operands[4];
  if (b1.size() != 1 || b2.size() != 1 || !expectEqual(w1[0], b1[0], "").empty() ||
      !expectEqual(w2[0], b2[0], "").empty())
    return "expected biases of shapes [" + text(w1[0]) + "] and [" + text(w2[0]) + "]";
  if (getGate() != "sigmoid" && getGate() != "hard_sigmoid")
    return "expected the gate sigmoid or hard_sigmoid, found '" + getGate().str() + "'";
  return same(operands, results);
}

std::string ReduceMeanOp::inferSymbolicShapes(Operands o, Results r) {
  return reduceShape(o[0], getAxes(), getKeepdims(), r);
}
std::string ReduceSumOp::inferSymbolicShapes(Operands o, Results r) {
  return reduceShape(o[0], getAxes(), getKeepdims(), r);
}
std::string ReduceMaxOp::inferSymbolicShapes(Operands o, Results r) {
  return reduceShape(o[0], getAxes(), getKeepdims(), r);
}
std::string ReduceMinOp::inferSymbolicShapes(Operands o, Results r) {
  return reduceShape(o[0], getAxes(), getKeepdims(), r);
}
std::string ReduceL2Op::inferSymbolicShapes(Operands o, Results r) {
  return reduceShape(o[0], getAxes(), getKeepdims(), r);
}
std::string ArgmaxOp::inferSymbolicShapes(Operands o, Results r) {
  int64_t axis = getAxis();
  return reduceShape(o[0], axis, getKeepdims(), r);
}

template <typename PoolOp> static std::string poolShape(PoolOp op, Operands operands, Results results) {
  if (operands[0].size() < 3)
    return "expected an input of rank >= 3 (N, C, spatial), found rank " + std::to_string(operands[0].size());
  SymbolicShape shape = {operands[0][0], operands[0][1]};
  if (auto error = windowShape(operands[0], op.getKernel(), op.getStrides(), op.getPads(), op.getDilations(),
                               op.getCeilMode(), shape);
      !error.empty())
    return error;
  results.push_back(shape);
  return "";
}
std::string MaxPoolOp::inferSymbolicShapes(Operands operands, Results results) {
  return poolShape(*this, operands, results);
}
std::string AvgPoolOp::inferSymbolicShapes(Operands operands, Results results) {
  return poolShape(*this, operands, results);
}

//===----------------------------------------------------------------------===//
// Data movement
//===----------------------------------------------------------------------===//

std::string ConcatOp::inferSymbolicShapes(Operands operands, Results results) {
  if (operands.empty())
    return "expected at least one operand";
  int64_t axis = getAxis(), rank = operands[0].size();
  if (axis < 0 || axis >= rank)
    return "axis " + std::to_string(axis) + " is outside the rank " + std::to_string(rank);
  SymbolicShape shape(operands[0]);
  for (const SymbolicShape &operand : operands.drop_front()) {
    if (int64_t(operand.size()) != rank)
      return "expected operands of one rank, found " + std::to_string(rank) + " and " + std::to_string(operand.size());
    for (int64_t i = 0; i < rank; ++i)
      if (i == axis)
        shape[i] = shape[i] + operand[i];
      else if (auto error = expectEqual(shape[i], operand[i], "dimension " + Twine(i) + " of each operand");
               !error.empty())
        return error;
  }
  results.push_back(shape);
  return "";
}

std::string SliceOp::inferSymbolicShapes(Operands operands, Results results) {
  size_t rank = operands[0].size();
  if (getStarts().getNumResults() != rank || getShape().getNumResults() != rank || getSteps().size() != rank)
    return "expected " + std::to_string(rank) + " starts, shape dimensions and steps";
  for (size_t i = 0; i < rank; ++i) {
    auto size = constantOf(operands[0][i]), start = constantOf(getStarts().getResult(i)),
         count = constantOf(getShape().getResult(i));
    if (getSteps()[i] == 0)
      return "expected steps that are not 0";
    if (size && start && count && *count > 0) {
      int64_t last = *start + (*count - 1) * getSteps()[i];
      if (*start < 0 || *start >= *size || last < 0 || last >= *size)
        return "slice of dimension " + std::to_string(i) + " reaches from " + std::to_string(*start) + " to " +
               std::to_string(last) + ", outside its size " + std::to_string(*size);
    }
  }
  results.push_back(SymbolicShape(getShape().getResults()));
  return "";
}

std::string GatherOp::inferSymbolicShapes(Operands operands, Results results) {
  const SymbolicShape &x = operands[0];
  int64_t axis = getAxis();
  if (axis < 0 || axis >= int64_t(x.size()))
    return "axis " + std::to_string(axis) + " is outside the rank " + std::to_string(x.size());
  SymbolicShape shape(x.begin(), x.begin() + axis);
  shape.append(operands[1].begin(), operands[1].end());
  shape.append(x.begin() + axis + 1, x.end());
  results.push_back(shape);
  return "";
}

std::string TransposeOp::inferSymbolicShapes(Operands operands, Results results) {
  SmallVector<int64_t> sorted(getPerm());
  llvm::sort(sorted);
  SymbolicShape shape;
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != int64_t(i))
      return "expected perm to be a permutation of 0 .. " + std::to_string(sorted.size() - 1);
  if (sorted.size() != operands[0].size())
    return "expected perm of length " + std::to_string(operands[0].size()) + ", found " + std::to_string(sorted.size());
  for (int64_t i : getPerm())
    shape.push_back(operands[0][i]);
  results.push_back(shape);
  return "";
}

std::string ReshapeOp::inferSymbolicShapes(Operands operands, Results results) {
  SymbolicShape shape(getShape().getResults());
  auto a = productOf(operands[0], getContext()), b = productOf(shape, getContext());
  if (constantOf(a) && constantOf(b) && a != b)
    return "C1: expected " + text(a) + " elements, found " + text(b);
  results.push_back(shape);
  return "";
}

std::string BroadcastOp::inferSymbolicShapes(Operands operands, Results results) {
  SymbolicShape shape;
  if (auto error = broadcastShapes({operands[0], SymbolicShape(getShape().getResults())}, shape); !error.empty())
    return error;
  results.push_back(shape);
  return "";
}

std::string TileOp::inferSymbolicShapes(Operands operands, Results results) {
  if (getRepeats().size() != operands[0].size())
    return "expected " + std::to_string(operands[0].size()) + " repeats, found " + std::to_string(getRepeats().size());
  SymbolicShape shape(operands[0]);
  for (auto [dim, repeat] : llvm::zip(shape, getRepeats()))
    dim = dim * repeat;
  results.push_back(shape);
  return "";
}

std::string PadOp::inferSymbolicShapes(Operands operands, Results results) {
  if (getLow().size() != operands[0].size() || getHigh().size() != operands[0].size())
    return "expected " + std::to_string(operands[0].size()) + " low and high pads";
  SymbolicShape shape(operands[0]);
  for (size_t i = 0; i < shape.size(); ++i) {
    shape[i] = shape[i] + (getLow()[i] + getHigh()[i]);
    if (auto size = constantOf(simplifyAffineExpr(shape[i], 0, 4096)); size && *size < 0)
      return "dimension " + std::to_string(i) + " would have size " + std::to_string(*size);
  }
  results.push_back(shape);
  return "";
}

std::string ResizeOp::inferSymbolicShapes(Operands operands, Results results) {
  if (getShape().getNumResults() != operands[0].size() || getScales().size() != operands[0].size())
    return "expected a shape and scales of rank " + std::to_string(operands[0].size());
  results.push_back(SymbolicShape(getShape().getResults()));
  return "";
}

std::string DepthToSpaceOp::inferSymbolicShapes(Operands operands, Results results) {
  if (operands[0].size() != 4)
    return "expected an input of rank 4, found rank " + std::to_string(operands[0].size());
  const SymbolicShape &x = operands[0];
  int64_t block = getBlock();
  if (auto channels = constantOf(x[1]); block < 1 || (channels && *channels % (block * block)))
    return "expected channels divisible by block^2 = " + std::to_string(block * block);
  results.push_back({x[0], x[1].floorDiv(block * block), x[2] * block, x[3] * block});
  return "";
}

std::string SpaceToDepthOp::inferSymbolicShapes(Operands operands, Results results) {
  if (operands[0].size() != 4)
    return "expected an input of rank 4, found rank " + std::to_string(operands[0].size());
  const SymbolicShape &x = operands[0];
  int64_t block = getBlock();
  for (AffineExpr dim : {x[2], x[3]})
    if (auto size = constantOf(dim); block < 1 || (size && *size % block))
      return "expected height and width divisible by block = " + std::to_string(block);
  results.push_back({x[0], x[1] * (block * block), x[2].floorDiv(block), x[3].floorDiv(block)});
  return "";
}
