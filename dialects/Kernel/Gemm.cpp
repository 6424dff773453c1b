//===- Gemm.cpp - kernels of a GPU, described ------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Kernel/Gemm.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::kernel;

#define GET_OP_CLASSES
#include "dialects/Kernel/KernelGemm.cpp.inc"

void KernelDialect::addGemmOperations() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Kernel/KernelGemm.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// #kernel.segment
//===----------------------------------------------------------------------===//

LogicalResult SegmentAttr::verify(function_ref<InFlightDiagnostic()> emitError, Type lhs, Type rhs, int64_t k,
                                  int64_t group, Grouping grouping, Type scale, Place place) {
  if (k <= 0)
    return emitError() << "expected a positive k, found " << k;
  if (grouping == Grouping::None ? group != 0 : group <= 0 || group % 32 || k % group)
    return emitError() << "C1: expected a group that is a multiple of 32 and divides k = " << k
                       << " (0 without grouping), found " << group;
  bool scaled = grouping == Grouping::Scale || grouping == Grouping::ScaleZeroPoint;
  if (scaled != bool(scale))
    return emitError() << "expected a type of scales exactly where groups have scales";
  if (place == Place::None && lhs != rhs)
    return emitError() << "C2: expected place before_mma, partial_sums or epilogue for operands of different types "
                       << lhs << " and " << rhs;
  if (place == Place::PartialSums && !scaled)
    return emitError() << "C2: expected groups with scales for place partial_sums";
  if (grouping == Grouping::TwoLevel && !lhs.isInteger())
    return emitError() << "expected an integer left operand for two_level groups, found " << lhs;
  return success();
}

//===----------------------------------------------------------------------===//
// kernel.gemm, kernel.rows
//===----------------------------------------------------------------------===//

int64_t GemmOp::getK() {
  int64_t k = 0;
  for (auto segment : getSegments().getAsRange<SegmentAttr>())
    k += segment.getK();
  return k;
}
bool GemmOp::hasIntegerAccumulator() {
  return llvm::all_of(getSegments().getAsRange<SegmentAttr>(), [](SegmentAttr segment) {
    return segment.getLhs().isInteger() && segment.getRhs().isInteger() &&
           (segment.getGrouping() == Grouping::None || segment.getGrouping() == Grouping::TwoLevel);
  });
}
SegmentAttr GemmOp::getSegment(unsigned i) { return cast<SegmentAttr>(getSegments()[i]); }
OperandAttr GemmOp::getOperandAttr(unsigned i) { return cast<OperandAttr>(getOperandsAttr()[i]); }
Type GemmOp::getResultElement(unsigned i) { return cast<TypeAttr>(getResultsAttr()[i]).getValue(); }
EmitOp GemmOp::getEmit() { return cast<EmitOp>(getEpilogue().front().getTerminator()); }
OperandAttr RowsOp::getOperandAttr(unsigned i) { return cast<OperandAttr>(getOperandsAttr()[i]); }
Type RowsOp::getResultElement(unsigned i) { return cast<TypeAttr>(getResultsAttr()[i]).getValue(); }
EmitOp RowsOp::getEmit() { return cast<EmitOp>(getBody().front().getTerminator()); }

static LogicalResult verifyRegion(Operation *op, Block &block, unsigned leading, ArrayAttr operands) {
  if (block.getNumArguments() != leading + operands.size())
    return op->emitOpError() << "C2: expected " << leading + operands.size() << " block arguments ("
                             << (leading ? "the accumulator and " : "") << "one for each operand), found "
                             << block.getNumArguments();
  for (auto [i, attr] : llvm::enumerate(operands.getAsRange<OperandAttr>())) {
    Type expected = attr.getType();
    if (attr.getKind() == OperandKind::Table)
      expected = VectorType::get({256}, expected);
    if (Type found = block.getArgument(leading + i).getType(); found != expected)
      return op->emitOpError() << "C2: expected a block argument of type " << expected << " for operand " << i
                               << ", found " << found;
  }
  if (block.empty() || !isa<EmitOp>(block.back()))
    return op->emitOpError() << "expected a region that ends in kernel.emit";
  for (Operation &inner : block.without_terminator()) {
    StringRef dialect = inner.getName().getDialectNamespace();
    if (dialect != "arith" && !isa<LookupOp, math::FmaOp, math::RoundEvenOp, math::SqrtOp, math::AbsFOp,
                                   math::CopySignOp, math::FloorOp>(inner))
      return op->emitOpError() << "expected a region of arith, math.fma, math.roundeven, math.sqrt, math.absf, "
                                  "math.floor, math.copysign and kernel.lookup, found '"
                               << inner.getName() << "'";
  }
  return success();
}

static LogicalResult verifySchedules(Operation *op, std::optional<ArrayAttr> schedules) {
  if (!schedules)
    return success();
  for (auto [i, a] : llvm::enumerate(schedules->getAsRange<ScheduleAttr>())) {
    if (a.getMLo() < 1 || (a.getMHi() && a.getMHi() < a.getMLo()))
      return op->emitOpError() << "C4: expected 1 <= m_lo <= m_hi (or m_hi = 0), found " << a.getMLo() << ".."
                               << a.getMHi();
    for (auto [j, b] : llvm::enumerate(schedules->getAsRange<ScheduleAttr>()))
      if (i < j && a.getArch() == b.getArch() && (!a.getMHi() || b.getMLo() <= a.getMHi()) &&
          (!b.getMHi() || a.getMLo() <= b.getMHi()))
        return op->emitOpError() << "C4: expected schedules of one architecture for separate ranges of M, found " << a
                                 << " and " << b;
  }
  return success();
}

static LogicalResult verifyEmitted(Operation *op, EmitOp emit, ArrayAttr types) {
  if (!llvm::equal(emit.getValues().getTypes(), types.getAsValueRange<TypeAttr>()))
    return op->emitOpError() << "C3: expected kernel.emit of the types of `results` " << types << ", found "
                             << emit.getValues().getTypes();
  return success();
}

LogicalResult GemmOp::verify() {
  if (getSegments().empty() || getN() <= 0)
    return emitOpError() << "expected at least one segment and a positive n";
  Block &block = getEpilogue().front();
  if (failed(verifyRegion(*this, block, 1, getOperandsAttr())))
    return failure();
  Type accumulator = hasIntegerAccumulator() ? Type(IntegerType::get(getContext(), 32)) : Float32Type::get(getContext());
  if (block.getArgument(0).getType() != accumulator)
    return emitOpError() << "C1: expected an accumulator of type " << accumulator << ", found "
                         << block.getArgument(0).getType();
  if (failed(verifyEmitted(*this, getEmit(), getResultsAttr())))
    return failure();
  return verifySchedules(*this, getSchedules());
}

LogicalResult RowsOp::verify() {
  if (getN() <= 0)
    return emitOpError() << "expected a positive n, found " << getN();
  if (failed(verifyRegion(*this, getBody().front(), 0, getOperandsAttr())))
    return failure();
  if (getQuantize()) {
    auto types = getEmit().getValues().getTypes();
    if (types.size() != 1 || !types[0].isF32() || getResultsAttr().size() != 1)
      return emitOpError() << "C3: expected kernel.emit of one f32 and one result type (the codes') with quantize";
  } else if (failed(verifyEmitted(*this, getEmit(), getResultsAttr()))) {
    return failure();
  }
  return verifySchedules(*this, getSchedules());
}
