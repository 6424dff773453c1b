//===- OperatorsQuantization.cpp - quantized operators ----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// QLinear operators become dequantize, float operation, quantize: the form that `integerize` reads. ConvInteger and
// MatMulInteger have exact i32 results, so they become dyadic operations on codes with the zero points subtracted.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dyadic/Dyadic.h"
#include "lib/ImportOnnx/Operators.h"
#include "onnx.pb.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::onnximport;

static const Refusal kBlocked = {"blocked quantization (block_size, or a scale of rank 2 or more)",
                                 "ONNX's blocks are not imported; quantize with a recipe instead"};
static const Refusal kOutputType = {
    "an output_dtype or storage type other than INT4, INT8, UINT8, INT16, UINT16 (and INT32 to dequantize)",
    "qnn has no such codes"};
static const Refusal kRowScales = {"a scale or zero point for each row or column",
                                   "activations have one scale a tensor"};

/// Scale or zero point in the form of the scheme: rank 0 for one value, rank 1 along an axis.
static Value parameter(NodeImporter &node, unsigned input, bool perTensor) {
  Value value = node.value(input);
  return perTensor ? node.reshape(value, ArrayRef<int64_t>()) : value;
}

static bool isSingle(NodeImporter &node, unsigned input) {
  return llvm::all_of(node.shape(input), [](AffineExpr dim) { return constantOf(dim) == 1; });
}

static StringRef storageName(Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return "";
  switch (integer.getWidth()) {
  case 4:
    return integer.isUnsigned() ? "" : "s4";
  case 8:
    return integer.isUnsigned() ? "u8" : "s8";
  case 16:
    return integer.isUnsigned() ? "u16" : "s16";
  case 32:
    return "s32";
  default:
    return "";
  }
}

static qnn::SchemeAttr scheme(NodeImporter &node, Type storage, bool perTensor, int64_t axis) {
  return perTensor ? qnn::SchemeAttr::get(node.getContext(), storageName(storage))
                   : qnn::SchemeAttr::get(node.getContext(), storageName(storage), axis);
}

static Value dequantize(NodeImporter &node, Value codes, Value scale, Value zeroPoint, Type result, bool perTensor,
                        int64_t axis) {
  if (node.failed())
    return codes;
  Type storage = cast<RankedTensorType>(codes.getType()).getElementType();
  return node.create<qnn::DequantizeOp>(result, codes, scale, zeroPoint, scheme(node, storage, perTensor, axis));
}

static void importQuantizeLinear(NodeImporter &node) {
  Type storage = IntegerType::get(node.getContext(), 8, IntegerType::Unsigned);
  if (node.has(2))
    storage = node.elementType(2);
  else if (int64_t type = node.getInt("output_dtype", 0))
    storage = elementTypeOf(type, node.getContext());
  if (!storage || storageName(storage).empty() || storage.isInteger(32))
    return node.refuse(kOutputType);
  if (node.getInt("block_size", 0) || node.rank(1) > 1)
    return node.refuse(kBlocked);
  bool perTensor = isSingle(node, 1);
  int64_t axis = perTensor ? 0 : node.normalizeAxis(node.getInt("axis", 1), node.rank(0));
  if (!node.isFloat(0)) {
    // ONNX admits INT32 input: as float32 it is quantized alike up to 2^24.
    if (!node.elementType(0).isInteger(32))
      return node.error("expected a float input");
  }
  Value input = node.cast(node.value(0), node.isFloat(0) ? node.elementType(0) : node.elementType(1));
  Value scale = parameter(node, 1, perTensor), zeroPoint = node.has(2) ? parameter(node, 2, perTensor) : Value();
  if (node.failed())
    return;
  Value result = node.create<qnn::QuantizeOp>(storage, input, scale, zeroPoint, scheme(node, storage, perTensor, axis));
  if (!node.failed())
    node.setOutput(0, result);
}

static void importDequantizeLinear(NodeImporter &node) {
  Type storage = node.elementType(0);
  if (storageName(storage).empty())
    return node.refuse(kOutputType);
  if (node.getInt("block_size", 0) || node.rank(1) > 1)
    return node.refuse(kBlocked);
  Type type = node.elementType(1);
  if (int64_t given = node.getInt("output_dtype", 0))
    type = elementTypeOf(given, node.getContext());
  if (!type || !isa<FloatType>(type))
    return node.refuse(kOutputType);
  bool perTensor = isSingle(node, 1);
  int64_t axis = perTensor ? 0 : node.normalizeAxis(node.getInt("axis", 1), node.rank(0));
  Value input = node.value(0), scale = parameter(node, 1, perTensor),
        zeroPoint = node.has(2) ? parameter(node, 2, perTensor) : Value();
  Value result = dequantize(node, input, scale, zeroPoint, type, perTensor, axis);
  if (!node.failed())
    node.setOutput(0, result);
}

/// x, x_scale, x_zero_point as a float tensor.
static Value dequantizeInput(NodeImporter &node, unsigned first, bool perTensor, int64_t axis) {
  Value codes = node.value(first), scale = parameter(node, first + 1, perTensor),
        zeroPoint = parameter(node, first + 2, perTensor);
  return dequantize(node, codes, scale, zeroPoint, node.elementType(first + 1), perTensor, axis);
}

static void quantizeOutput(NodeImporter &node, Value result, unsigned scaleInput) {
  Type storage = node.elementType(scaleInput + 1);
  Value scale = parameter(node, scaleInput, true), zeroPoint = parameter(node, scaleInput + 1, true);
  if (node.failed())
    return;
  Value codes = node.create<qnn::QuantizeOp>(storage, result, scale, zeroPoint, scheme(node, storage, true, 0));
  if (!node.failed())
    node.setOutput(0, codes);
}

/// Checks that codes and zero points are 8-bit and that the scales are floats: inputs (codes, scale, zero point).
static bool checkCodes(NodeImporter &node, unsigned first, bool perTensor) {
  for (unsigned i : {first, first + 2})
    if (storageName(node.elementType(i)).empty() || !node.elementType(i).isIntOrFloat() ||
        node.elementType(i).getIntOrFloatBitWidth() != 8)
      return node.refuse(kOutputType), false;
  if (!node.isFloat(first + 1))
    return node.error("expected a float scale as input " + Twine(first + 1)), false;
  if (perTensor && (!isSingle(node, first + 1) || !isSingle(node, first + 2)))
    return node.refuse(kRowScales), false;
  return true;
}

/// Kernel sizes of the weight at `input`.
static bool kernelOf(NodeImporter &node, unsigned input, SmallVectorImpl<int64_t> &kernel) {
  if (node.rank(input) < 3 || node.rank(0) != node.rank(input))
    return node.error("expected input and weight of one rank >= 3"), false;
  for (AffineExpr dim : ArrayRef(node.shape(input)).drop_front(2)) {
    auto size = constantOf(dim);
    if (!size || *size < 1 || *size > (int64_t(1) << 31))
      return node.error("expected a weight of fixed kernel sizes"), false;
    kernel.push_back(*size);
  }
  return true;
}

static void importQLinearConv(NodeImporter &node) {
  SmallVector<int64_t> kernel;
  Window window;
  if (!checkCodes(node, 0, true) || !checkCodes(node, 3, false) || !kernelOf(node, 3, kernel) ||
      !readWindow(node, ArrayRef(node.shape(0)).drop_front(2), kernel, window))
    return;
  if (!isSingle(node, 6) || !isSingle(node, 7) || storageName(node.elementType(7)).empty())
    return node.refuse(kRowScales);
  bool weightPerTensor = isSingle(node, 4);
  if (!weightPerTensor && !isSingle(node, 5) && node.shape(4) != node.shape(5))
    return node.refuse(kRowScales);
  int64_t groups = node.getInt("group", 1);
  Value input = dequantizeInput(node, 0, true, 0);
  Value weightScale = parameter(node, 4, weightPerTensor), weightZero = parameter(node, 5, weightPerTensor);
  if (!weightPerTensor && isSingle(node, 5) && !node.failed())
    weightZero = node.create<qnn::BroadcastOp>(node.elementType(5), weightZero, node.shapeMap(node.shape(4)));
  Value weight = dequantize(node, node.value(3), weightScale, weightZero, node.elementType(4), weightPerTensor, 0);
  Value bias;
  if (node.has(8)) {
    if (!node.elementType(8).isInteger(32))
      return node.error("expected a bias of type INT32");
    // The bias has the scale of the products.
    Value scale = node.create<qnn::MulOp>(node.elementType(4), parameter(node, 1, true), weightScale);
    bias = dequantize(node, node.value(8), scale, {}, node.elementType(4), weightPerTensor, 0);
  }
  Value result = node.create<qnn::ConvOp>(node.elementType(1), input, weight, bias, window.strides, window.pads,
                                          window.dilations, groups);
  quantizeOutput(node, result, 6);
}

static void importQLinearMatMul(NodeImporter &node) {
  if (!checkCodes(node, 0, true) || !checkCodes(node, 3, true))
    return;
  if (!isSingle(node, 6) || !isSingle(node, 7) || storageName(node.elementType(7)).empty())
    return node.refuse(kRowScales);
  if (node.rank(0) < 2 || node.rank(3) < 2)
    return node.error("expected operands of rank >= 2");
  Value lhs = dequantizeInput(node, 0, true, 0), rhs = dequantizeInput(node, 3, true, 0);
  quantizeOutput(node, node.create<qnn::MatmulOp>(node.elementType(1), lhs, rhs), 6);
}

/// Codes minus zero point as i16, exact for 8-bit codes; the codes themselves if they are i8 and no zero point is
/// given.
static Value centered(NodeImporter &node, unsigned codes, unsigned zeroPoint, ArrayRef<int64_t> zeroShape) {
  Type i16 = IntegerType::get(node.getContext(), 16);
  Value value = node.value(codes);
  bool isSigned = node.elementType(codes).isSignlessInteger(8);
  auto known = node.has(zeroPoint) ? node.known(zeroPoint) : nullptr;
  bool zero = !node.has(zeroPoint) || (known && known->constantIntegers() &&
                                       llvm::all_of(*known->constantIntegers(), [](int64_t v) { return v == 0; }));
  if (zero)
    return isSigned ? value : node.cast(value, i16);
  Value subtrahend = node.cast(node.value(zeroPoint), i16);
  subtrahend = node.reshape(subtrahend, zeroShape);
  return node.create<qnn::SubOp>(i16, node.cast(value, i16), subtrahend);
}

static bool isByte(NodeImporter &node, unsigned input) {
  auto type = dyn_cast<IntegerType>(node.elementType(input));
  return type && type.getWidth() == 8;
}

static void importConvInteger(NodeImporter &node) {
  SmallVector<int64_t> kernel;
  Window window;
  for (unsigned i = 0; i < node.getNumInputs(); ++i)
    if (node.has(i) && !isByte(node, i))
      return node.refuse(kOutputType);
  if (!kernelOf(node, 1, kernel) || !readWindow(node, ArrayRef(node.shape(0)).drop_front(2), kernel, window))
    return;
  if (node.has(2) && !isSingle(node, 2))
    return node.refuse(kRowScales);
  SmallVector<int64_t> weightZero;
  if (node.has(3) && !isSingle(node, 3)) {
    auto channels = constantOf(node.shape(1)[0]);
    if (!channels || node.rank(3) != 1 || constantOf(node.shape(3)[0]) != channels)
      return node.error("expected one zero point, or one for each output channel");
    weightZero.assign(node.rank(1), 1);
    weightZero[0] = *channels;
  }
  int64_t groups = node.getInt("group", 1);
  Value input = centered(node, 0, 2, {}), weight = centered(node, 1, 3, weightZero);
  Value result = node.create<dyadic::ConvOp>(IntegerType::get(node.getContext(), 32), input, weight, Value(),
                                             window.strides, window.pads, window.dilations, groups, 0);
  if (!node.failed())
    node.setOutput(0, result);
}

static void importMatMulInteger(NodeImporter &node) {
  for (unsigned i = 0; i < node.getNumInputs(); ++i)
    if (node.has(i) && !isByte(node, i))
      return node.refuse(kOutputType);
  if (node.rank(0) < 2 || node.rank(1) < 2)
    return node.error("expected operands of rank >= 2");
  SmallVector<int64_t> lhsZero, rhsZero;
  if (node.has(2) && !isSingle(node, 2)) {
    // One zero point a row of the left operand.
    auto rows = constantOf(node.shape(0)[node.rank(0) - 2]);
    if (node.rank(2) != 1 || !rows || constantOf(node.shape(2)[0]) != rows)
      return node.refuse(kRowScales);
    lhsZero = {*rows, 1};
  }
  if (node.has(3) && !isSingle(node, 3)) {
    auto columns = constantOf(node.shape(1).back());
    if (node.rank(3) != 1 || !columns || constantOf(node.shape(3)[0]) != columns)
      return node.refuse(kRowScales);
    rhsZero = {*columns};
  }
  Value lhs = centered(node, 0, 2, lhsZero), rhs = centered(node, 1, 3, rhsZero);
  Value result = node.create<dyadic::MatmulOp>(IntegerType::get(node.getContext(), 32), lhs, rhs, 0, 0);
  if (!node.failed())
    node.setOutput(0, result);
}

void onnximport::addQuantizationOperators(std::vector<Operator> &table) {
  table.insert(table.end(),
               {
                   {"QuantizeLinear", 10, 28, 2, 3, 1, importQuantizeLinear, {&kBlocked, &kOutputType}},
                   {"DequantizeLinear", 10, 28, 2, 3, 1, importDequantizeLinear, {&kBlocked, &kOutputType}},
                   {"QLinearConv", 10, 28, 8, 9, 1, importQLinearConv, {&kAutoPad, &kRowScales, &kOutputType}},
                   {"QLinearMatMul", 10, 28, 8, 8, 1, importQLinearMatMul, {&kRowScales, &kOutputType}},
                   {"ConvInteger", 10, 28, 2, 4, 1, importConvInteger, {&kAutoPad, &kRowScales, &kOutputType}},
                   {"MatMulInteger", 10, 28, 2, 4, 1, importMatMulInteger, {&kRowScales, &kOutputType}},
               });
}
