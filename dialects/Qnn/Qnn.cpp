//===- Qnn.cpp - the qnn dialect -------------------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/CodeRange.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::qnn;

#include "dialects/Qnn/QnnDialect.cpp.inc"
#include "dialects/Qnn/QnnEnums.cpp.inc"
#include "dialects/Qnn/SymbolicShapeOpInterface.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Qnn/QnnAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Qnn/QnnOps.cpp.inc"

void QnnDialect::initialize() {
  weights = std::make_shared<WeightStore>();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Qnn/QnnAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Qnn/QnnOps.cpp.inc"
      >();
}

WeightStore &bitwright::getWeightStore(MLIRContext *context) {
  return context->getOrLoadDialect<QnnDialect>()->getWeights();
}

StringRef bitwright::getName(Operation *op) {
  auto name = op->getAttrOfType<StringAttr>("name");
  return name ? name.getValue() : StringRef();
}

void bitwright::setName(Operation *op, StringRef name) { op->setAttr("name", StringAttr::get(op->getContext(), name)); }

std::string bitwright::getValueName(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (auto func = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp()))
      if (auto name = func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "qnn.name"))
        return name.str();
    return "argument" + std::to_string(argument.getArgNumber());
  }
  auto result = cast<OpResult>(value);
  std::string name = getName(result.getOwner()).str();
  return result.getResultNumber() ? name + ":" + std::to_string(result.getResultNumber()) : name;
}

//===----------------------------------------------------------------------===//
// #qnn.scheme
//===----------------------------------------------------------------------===//

Attribute SchemeAttr::parse(AsmParser &parser, Type) {
  StringRef storage, word;
  int64_t axis = -1, group = 0;
  if (parser.parseLess() || parser.parseKeyword(&storage) || parser.parseComma() || parser.parseKeyword(&word))
    return {};
  auto granularity = symbolizeGranularity(word);
  if (!granularity) {
    parser.emitError(parser.getCurrentLocation())
        << "expected a granularity (tensor, axis, group, two_level, per_token, row_column), found '" << word << "'";
    return {};
  }
  if (*granularity == Granularity::Axis && parser.parseInteger(axis))
    return {};
  if ((*granularity == Granularity::Group || *granularity == Granularity::TwoLevel) &&
      (parser.parseInteger(group) || parser.parseKeyword("along") || parser.parseInteger(axis)))
    return {};
  if (parser.parseGreater())
    return {};
  return SchemeAttr::get(parser.getContext(), storage, *granularity, axis, group);
}

void SchemeAttr::print(AsmPrinter &printer) const {
  printer << "<" << getStorage() << ", " << stringifyGranularity(getGranularity());
  if (getGranularity() == Granularity::Axis)
    printer << " " << getAxis();
  if (getGranularity() == Granularity::Group || getGranularity() == Granularity::TwoLevel)
    printer << " " << getGroup() << " along " << getAxis();
  printer << ">";
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

LogicalResult ConstantOp::verify() {
  if (getValue().getShapedType() != getOutput().getType())
    return emitOpError() << "expected the result type to be the literal's type " << getValue().getShapedType()
                         << ", found " << getOutput().getType();
  return success();
}

static std::string storageOf(Type element) {
  auto integer = cast<IntegerType>(element);
  return (integer.isUnsigned() ? "u" : "s") + std::to_string(integer.getWidth());
}

/// C1 and C2 of qnn.quantize and qnn.dequantize.
static LogicalResult verifyScheme(Operation *op, RankedTensorType codes, RankedTensorType scale, Value zeroPoint,
                                  SchemeAttr scheme) {
  std::string storage = storageOf(codes.getElementType());
  // s9 to s15 are codes that use as many bits of an i16.
  if (storage != scheme.getStorage() &&
      !(storage == "s16" && scheme.getStorage().size() == 3 && codeBits(scheme, codes.getElementType()) > 8 &&
        codeBits(scheme, codes.getElementType()) < 16))
    return op->emitOpError() << "C1: expected codes of the scheme's storage " << scheme.getStorage() << ", found "
                             << storage;
  if (scheme.getGranularity() == Granularity::Tensor && scale.getRank() != 0)
    return op->emitOpError() << "C2: expected a scale of rank 0 for granularity tensor, found " << scale;
  if (scheme.getGranularity() == Granularity::Axis) {
    if (scheme.getAxis() < 0 || scheme.getAxis() >= codes.getRank())
      return op->emitOpError() << "C2: axis " << scheme.getAxis() << " is outside the rank " << codes.getRank()
                               << " of the codes";
    int64_t size = codes.getDimSize(scheme.getAxis());
    if (scale.getRank() != 1 || (!ShapedType::isDynamic(size) && scale.getDimSize(0) != size))
      return op->emitOpError() << "C2: expected " << size << " scales along axis " << scheme.getAxis() << ", found "
                               << scale;
  }
  if (scheme.getGranularity() == Granularity::Group) {
    int64_t axis = scheme.getAxis(), group = scheme.getGroup();
    if (axis < 0 || axis >= codes.getRank() || group <= 0)
      return op->emitOpError() << "C2: expected an axis below the rank " << codes.getRank()
                               << " of the codes and a positive group, found group " << group << " along " << axis;
    if (ShapedType::isDynamic(codes.getDimSize(axis)) || codes.getDimSize(axis) % group)
      return op->emitOpError() << "C2: expected a dimension along axis " << axis << " that groups of " << group
                               << " divide, found " << codes;
    SmallVector<int64_t> expected(codes.getShape());
    expected[axis] /= group;
    if (scale.getShape() != ArrayRef<int64_t>(expected))
      return op->emitOpError() << "C2: expected one scale a group, in all the codes' shape with " << expected[axis]
                               << " along axis " << axis << ", found " << scale;
  }
  if (zeroPoint) {
    auto type = cast<RankedTensorType>(zeroPoint.getType());
    if (type.getShape() != scale.getShape())
      return op->emitOpError() << "C2: expected zero points of the scales' shape " << scale << ", found " << type;
    if (type.getElementType() != codes.getElementType() && !type.getElementType().isInteger(32) &&
        !type.getElementType().isInteger(8))
      return op->emitOpError() << "C1: expected zero points of the storage type, i8 or i32, found " << type;
  }
  return success();
}

LogicalResult QuantizeOp::verify() {
  return verifyScheme(*this, getOutput().getType(), getScale().getType(), getZeroPoint(), getScheme());
}
LogicalResult DequantizeOp::verify() {
  return verifyScheme(*this, getInput().getType(), getScale().getType(), getZeroPoint(), getScheme());
}

LogicalResult QuantizeDynamicOp::verify() {
  std::string storage = storageOf(getOutput().getType().getElementType());
  if (getScheme().getGranularity() != Granularity::PerToken || getScheme().getStorage() != storage)
    return emitOpError() << "C1: expected the scheme <" << storage << ", per_token>, found " << getScheme();
  return success();
}
LogicalResult DequantizeAccumulatorOp::verify() {
  auto input = getInput().getType();
  auto row = getRowScale().getType(), column = getColumnScale().getType();
  if (input.getRank() < 1 || column.getRank() != 1 || column.getDimSize(0) != input.getShape().back())
    return emitOpError() << "expected one column scale for each element of the accumulator's last dimension, found "
                         << column << " for " << input;
  if (row.getRank() != 0 && (row.getRank() != input.getRank() || row.getShape().back() != 1))
    return emitOpError() << "expected row scales of rank 0 or of the accumulator's shape with a last dimension of 1, "
                            "found "
                         << row << " for " << input;
  return success();
}
