//===- OperatorsElementwise.cpp - elementwise operators ---------*- C++ -*-===//
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

static const Refusal kCastInt4 = {
    "Cast of a float to INT4", "numbers out of range wrap in ONNX's reference and saturate in qnn; use QuantizeLinear"};
static const Refusal kClipLimits = {"limits that are not one number each", "a limit is a scalar"};

bool onnximport::sameTypes(NodeImporter &node, ArrayRef<unsigned> inputs) {
  for (unsigned input : inputs)
    if (node.elementType(input) != node.elementType(inputs[0])) {
      std::string text;
      llvm::raw_string_ostream(text) << node.elementType(inputs[0]) << " and " << node.elementType(input);
      node.error("expected operands of one element type, found " + text);
      return false;
    }
  return !node.failed();
}

template <typename OpTy> static void importUnary(NodeImporter &node) {
  Value result = node.create<OpTy>(node.elementType(0), node.value(0));
  if (!node.failed())
    node.setOutput(0, result);
}

template <typename OpTy> static void importBinary(NodeImporter &node) {
  if (!sameTypes(node, {0, 1}))
    return;
  Value lhs = node.value(0), rhs = node.value(1);
  Value result = node.create<OpTy>(node.elementType(0), lhs, rhs);
  if (!node.failed())
    node.setOutput(0, result);
}

template <typename OpTy> static void importComparison(NodeImporter &node) {
  if (!sameTypes(node, {0, 1}))
    return;
  Value lhs = node.value(0), rhs = node.value(1);
  Value result = node.create<OpTy>(IntegerType::get(node.getContext(), 1), lhs, rhs);
  if (!node.failed())
    node.setOutput(0, result);
}

/// Min, Max, Sum: the first operand combined with the second, the result with the third, ...
template <typename OpTy> static void importVariadic(NodeImporter &node) {
  SmallVector<unsigned> all;
  for (unsigned i = 0; i < node.getNumInputs(); ++i) {
    if (!node.has(i))
      return node.error("expected input " + Twine(i) + ", found an empty name");
    all.push_back(i);
  }
  if (!sameTypes(node, all))
    return;
  if (all.size() == 1)
    return node.forward(0, 0);
  Value result = node.value(0);
  for (unsigned i = 1; i < all.size(); ++i) {
    Value next = node.value(i);
    result = node.create<OpTy>(node.elementType(0), result, next);
  }
  if (!node.failed())
    node.setOutput(0, result);
}

static void importPow(NodeImporter &node) {
  Value lhs = node.value(0), rhs = node.value(1);
  Value result = node.create<qnn::PowOp>(node.elementType(0), lhs, rhs);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importCast(NodeImporter &node) {
  Type type = elementTypeOf(node.getInt("to", 0), node.getContext());
  if (!type)
    return node.error(unsupportedElementType(int32_t(std::clamp<int64_t>(node.getInt("to", 0), 0, 1000))));
  if (type == node.elementType(0))
    return node.forward(0, 0);
  if (node.isFloat(0) && type.isInteger(4))
    return node.refuse(kCastInt4);
  // A constant float becomes another float format by rounding once.
  Value result = node.cast(node.value(0), type);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importWhere(NodeImporter &node) {
  if (!node.elementType(0).isInteger(1))
    return node.error("expected a condition of type BOOL");
  if (!sameTypes(node, {1, 2}))
    return;
  Value condition = node.value(0), lhs = node.value(1), rhs = node.value(2);
  Value result = node.create<qnn::WhereOp>(node.elementType(1), condition, lhs, rhs);
  if (!node.failed())
    node.setOutput(0, result);
}

static APFloat single(float value) { return APFloat(value); }

static void importLeakyRelu(NodeImporter &node) {
  float alpha = node.getFloat("alpha", 0.01f);
  Value result = node.create<qnn::LeakyReluOp>(node.elementType(0), node.value(0), single(alpha));
  if (!node.failed())
    node.setOutput(0, result);
}

static void importElu(NodeImporter &node) {
  float alpha = node.getFloat("alpha", 1);
  Value result = node.create<qnn::EluOp>(node.elementType(0), node.value(0), single(alpha));
  if (!node.failed())
    node.setOutput(0, result);
}

static void importHardSigmoid(NodeImporter &node) {
  float alpha = node.getFloat("alpha", 0.2f), beta = node.getFloat("beta", 0.5f);
  Value result = node.create<qnn::HardSigmoidOp>(node.elementType(0), node.value(0), single(alpha), single(beta));
  if (!node.failed())
    node.setOutput(0, result);
}

static void importGelu(NodeImporter &node) {
  std::string approximate = node.getString("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return node.error("expected approximate to be none or tanh, found '" + approximate + "'");
  Value result = node.create<qnn::GeluOp>(node.elementType(0), node.value(0), approximate == "tanh");
  if (!node.failed())
    node.setOutput(0, result);
}

static void importPrelu(NodeImporter &node) {
  if (!sameTypes(node, {0, 1}))
    return;
  Value input = node.value(0), slope = node.value(1);
  Value result = node.create<qnn::PreluOp>(node.elementType(0), input, slope);
  if (!node.failed() && node.shape(result).size() != node.shape(0).size())
    return node.error("expected a slope that broadcasts to the input's shape " +
                      toText(node.shape(0), node.getSymbols()) + ", found " + toText(node.shape(1), node.getSymbols()));
  if (!node.failed())
    node.setOutput(0, result);
}

static void importClip(NodeImporter &node) {
  Type type = node.elementType(0);
  bool isFloat = node.isFloat(0);
  if (node.getOpset() < 11) {
    if (!isFloat)
      return node.error("expected a float input");
    float low = node.getFloat("min", -INFINITY), high = node.getFloat("max", INFINITY);
    Value result = node.create<qnn::ClipOp>(type, node.value(0), single(low), single(high));
    if (!node.failed())
      node.setOutput(0, result);
    return;
  }
  for (unsigned i : {1, 2})
    if (node.has(i) && (node.elementType(i) != type ||
                        !llvm::all_of(node.shape(i), [](AffineExpr dim) { return constantOf(dim) == 1; })))
      return node.refuse(kClipLimits, "limits " + toText(node.shape(i), node.getSymbols()));
  std::optional<double> low = node.has(1) ? node.constantNumber(1) : -INFINITY,
                        high = node.has(2) ? node.constantNumber(2) : INFINITY;
  if (!node.has(1) && !node.has(2))
    return node.forward(0, 0);
  Value result = node.value(0);
  if (isFloat && low && high && !std::isnan(*low) && !std::isnan(*high)) {
    result = node.create<qnn::ClipOp>(type, result, single(float(*low)), single(float(*high)));
  } else {
    if (node.has(1)) {
      Value limit = node.reshape(node.value(1), ArrayRef<int64_t>());
      result = node.create<qnn::MaxOp>(type, result, limit);
    }
    if (node.has(2)) {
      Value limit = node.reshape(node.value(2), ArrayRef<int64_t>());
      result = node.create<qnn::MinOp>(type, result, limit);
    }
  }
  if (!node.failed())
    node.setOutput(0, result);
}

void onnximport::addElementwiseOperators(std::vector<Operator> &table) {
  table.insert(table.end(), {
                                {"Add", 7, 28, 2, 2, 1, importBinary<qnn::AddOp>, {}},
                                {"Sub", 7, 28, 2, 2, 1, importBinary<qnn::SubOp>, {}},
                                {"Mul", 7, 28, 2, 2, 1, importBinary<qnn::MulOp>, {}},
                                {"Div", 7, 28, 2, 2, 1, importBinary<qnn::DivOp>, {}},
                                {"Pow", 7, 28, 2, 2, 1, importPow, {}},
                                {"Min", 7, 28, 1, kAny, 1, importVariadic<qnn::MinOp>, {}},
                                {"Max", 7, 28, 1, kAny, 1, importVariadic<qnn::MaxOp>, {}},
                                {"Sum", 7, 28, 1, kAny, 1, importVariadic<qnn::AddOp>, {}},
                                {"And", 7, 28, 2, 2, 1, importComparison<qnn::AndOp>, {}},
                                {"Or", 7, 28, 2, 2, 1, importComparison<qnn::OrOp>, {}},
                                {"Equal", 7, 28, 2, 2, 1, importComparison<qnn::EqualOp>, {}},
                                {"Greater", 7, 28, 2, 2, 1, importComparison<qnn::GreaterOp>, {}},
                                {"Less", 7, 28, 2, 2, 1, importComparison<qnn::LessOp>, {}},
                                {"Not", 7, 28, 1, 1, 1, importUnary<qnn::NotOp>, {}},
                                {"Where", 9, 28, 3, 3, 1, importWhere, {}},
                                {"Cast", 7, 28, 1, 1, 1, importCast, {&kCastInt4}},
                                {"Clip", 7, 28, 1, 3, 1, importClip, {&kClipLimits}},
                                {"Abs", 7, 28, 1, 1, 1, importUnary<qnn::AbsOp>, {}},
                                {"Neg", 7, 28, 1, 1, 1, importUnary<qnn::NegOp>, {}},
                                {"Floor", 7, 28, 1, 1, 1, importUnary<qnn::FloorOp>, {}},
                                {"Reciprocal", 7, 28, 1, 1, 1, importUnary<qnn::ReciprocalOp>, {}},
                                {"Sqrt", 7, 28, 1, 1, 1, importUnary<qnn::SqrtOp>, {}},
                                {"Exp", 7, 28, 1, 1, 1, importUnary<qnn::ExpOp>, {}},
                                {"Log", 7, 28, 1, 1, 1, importUnary<qnn::LogOp>, {}},
                                {"Erf", 9, 28, 1, 1, 1, importUnary<qnn::ErfOp>, {}},
                                {"Tanh", 7, 28, 1, 1, 1, importUnary<qnn::TanhOp>, {}},
                                {"Sigmoid", 7, 28, 1, 1, 1, importUnary<qnn::SigmoidOp>, {}},
                                {"Softplus", 7, 28, 1, 1, 1, importUnary<qnn::SoftplusOp>, {}},
                                {"HardSwish", 14, 28, 1, 1, 1, importUnary<qnn::HardSwishOp>, {}},
                                {"Relu", 7, 28, 1, 1, 1, importUnary<qnn::ReluOp>, {}},
                                {"LeakyRelu", 7, 28, 1, 1, 1, importLeakyRelu, {}},
                                {"Elu", 7, 28, 1, 1, 1, importElu, {}},
                                {"HardSigmoid", 7, 28, 1, 1, 1, importHardSigmoid, {}},
                                {"Gelu", 20, 28, 1, 1, 1, importGelu, {}},
                                {"PRelu", 7, 28, 2, 2, 1, importPrelu, {}},
                            });
}
