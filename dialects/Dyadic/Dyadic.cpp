//===- Dyadic.cpp - integer-only operations with exact meaning -------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Qnn/ShapeRules.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::dyadic;

using Operands = ArrayRef<SymbolicShape>;
using Results = SmallVectorImpl<SymbolicShape> &;

#include "dialects/Dyadic/DyadicDialect.cpp.inc"
#include "dialects/Dyadic/DyadicEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Dyadic/DyadicAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Dyadic/DyadicOps.cpp.inc"

void DyadicDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Dyadic/DyadicAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Dyadic/DyadicOps.cpp.inc"
      >();
}

std::string ConvOp::inferSymbolicShapes(Operands operands, Results results) {
  return convShape(operands, getStrides(), getPads(), getDilations(), getGroups(), results);
}
std::string ConvTransposeOp::inferSymbolicShapes(Operands operands, Results results) {
  return convTransposeShape(operands, getStrides(), getPads(), getDilations(), getOutputPadding(), getGroups(), results);
}
std::string LinearOp::inferSymbolicShapes(Operands operands, Results results) { return linearShape(operands, results); }
std::string LinearTwoLevelOp::inferSymbolicShapes(Operands operands, Results results) {
  SmallVector<SymbolicShape> product = {operands[0], operands[1]};
  return linearShape(product, results);
}
std::string LinearGroupsOp::inferSymbolicShapes(Operands operands, Results results) {
  SmallVector<SymbolicShape> product = {operands[0], operands[1]};
  if (auto error = linearShape(product, results); !error.empty())
    return error;
  results.back().push_back(operands[1][1].floorDiv(getGroup()));
  return "";
}
std::string MatmulOp::inferSymbolicShapes(Operands operands, Results results) { return matmulShape(operands, results); }
std::string ReduceSumOp::inferSymbolicShapes(Operands operands, Results results) {
  return reduceShape(operands[0], getAxes(), getKeepdims(), results);
}
std::string AvgPoolOp::inferSymbolicShapes(Operands operands, Results results) {
  if (operands[0].size() < 3)
    return "expected an input of rank >= 3 (N, C, spatial), found rank " + std::to_string(operands[0].size());
  SymbolicShape shape = {operands[0][0], operands[0][1]};
  if (auto error = windowShape(operands[0], getKernel(), getStrides(), getPads(), getDilations(), getCeilMode(), shape);
      !error.empty())
    return error;
  results.push_back(shape);
  return "";
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

static LogicalResult verifyClamp(Operation *op, ArrayRef<int32_t> clamp, Type type) {
  unsigned bits = cast<RankedTensorType>(type).getElementTypeBitWidth();
  int64_t lo = -(int64_t(1) << (bits - 1)), hi = (int64_t(1) << (bits - 1)) - 1;
  if (clamp.size() != 2 || clamp[0] > clamp[1] || clamp[0] < lo || clamp[1] > hi)
    return op->emitOpError() << "C3: expected clamp bounds low <= high inside [" << lo << ", " << hi << "]";
  return success();
}

static LogicalResult verifyMultiplier(Operation *op, int64_t multiplier, int64_t shift, int64_t bits) {
  if (shift < 2 || shift > 62)
    return op->emitOpError() << "C2: expected a shift in [2, 62], found " << shift;
  int64_t low = int64_t(1) << (bits - 1), high = int64_t(1) << bits;
  // A multiplier below its range is legal for a dead channel and where R3 had to cut the shift at 62.
  if (multiplier < 0 || multiplier >= high || (multiplier != 0 && multiplier < low && shift != 62))
    return op->emitOpError() << "C1: expected a multiplier of " << bits << " bits in [" << low << ", " << high
                             << "), found " << multiplier;
  return success();
}

static LogicalResult verifyBits(Operation *op, int64_t bits) {
  if (bits != 15 && bits != 23 && bits != 31)
    return op->emitOpError() << "C5: expected multiplier_bits of 15, 23 or 31, found " << bits;
  return success();
}

LogicalResult RescaleOp::verify() {
  if (failed(verifyBits(*this, getMultiplierBits())) || failed(verifyClamp(*this, getClamp(), getOutput().getType())))
    return failure();
  int64_t expected = 1;
  if (auto axis = getAxis()) {
    auto type = getInput().getType();
    if (int64_t(*axis) < 0 || int64_t(*axis) >= type.getRank())
      return emitOpError() << "C4: axis " << *axis << " is outside the rank " << type.getRank();
    expected = type.getDimSize(*axis);
    if (ShapedType::isDynamic(expected))
      return emitOpError() << "C4: expected a static dimension along axis " << *axis;
  }
  if (int64_t(getMultiplier().size()) != expected || int64_t(getShift().size()) != expected)
    return emitOpError() << "C4: expected " << expected << " multipliers and shifts, found " << getMultiplier().size()
                         << " and " << getShift().size();
  for (auto [multiplier, shift] : llvm::zip(getMultiplier(), getShift()))
    if (failed(verifyMultiplier(*this, multiplier, shift, getMultiplierBits())))
      return failure();
  return success();
}
/// C1 of the grouped products, and the shapes of what stands beside the codes.
static LogicalResult verifyGroups(Operation *op, RankedTensorType weight, int64_t group, ValueRange perGroup) {
  int64_t k = weight.getRank() == 2 ? weight.getDimSize(1) : ShapedType::kDynamic;
  if (ShapedType::isDynamic(k) || group <= 0 || k % group)
    return op->emitOpError() << "C1: expected weights N x K with a K that groups of " << group << " divide, found "
                             << weight;
  for (Value value : perGroup)
    if (auto type = cast<RankedTensorType>(value.getType());
        type.getShape() != ArrayRef<int64_t>({weight.getDimSize(0), k / group}))
      return op->emitOpError() << "expected one value a row and group (" << weight.getDimSize(0) << "x" << k / group
                               << "), found " << type;
  return success();
}
LogicalResult LinearTwoLevelOp::verify() {
  return verifyGroups(*this, getWeight().getType(), getGroup(), {getGroupScale(), getGroupOffset()});
}
LogicalResult LinearGroupsOp::verify() {
  return verifyGroups(*this, getWeight().getType(), getGroup(),
                      getZeroPoint() ? ValueRange(getZeroPoint()) : ValueRange());
}

LogicalResult AddOp::verify() {
  if (getShift() < 1 || getShift() > 62)
    return emitOpError() << "C1: expected a shift in [1, 62], found " << int(getShift());
  return verifyClamp(*this, getClamp(), getOutput().getType());
}
LogicalResult MulOp::verify() {
  if (failed(verifyBits(*this, getMultiplierBits())) ||
      failed(verifyMultiplier(*this, getMultiplier(), getShift(), getMultiplierBits())))
    return failure();
  return verifyClamp(*this, getClamp(), getOutput().getType());
}
LogicalResult LookupOp::verify() {
  if (getTable().size() != 256)
    return emitOpError() << "expected a table of 256 entries, found " << getTable().size();
  return success();
}
LogicalResult RescaleMeanOp::verify() {
  if (!(getScale().convertToDouble() > 0) || !getScale().isFinite())
    return emitOpError() << "C1: expected a positive, finite scale, found " << getScale().convertToDouble();
  if (getCount().getNumResults() != 1)
    return emitOpError() << "C2: expected a count of one result, found " << getCount().getNumResults();
  return verifyClamp(*this, getClamp(), getOutput().getType());
}
LogicalResult AvgPoolOp::verify() {
  int64_t window = 1;
  for (int64_t k : getKernel())
    window *= k;
  if (int64_t(getMultiplier().size()) != window || int64_t(getShift().size()) != window)
    return emitOpError() << "C1: expected " << window << " multipliers and shifts, found " << getMultiplier().size()
                         << " and " << getShift().size();
  return verifyClamp(*this, getClamp(), getOutput().getType());
}
