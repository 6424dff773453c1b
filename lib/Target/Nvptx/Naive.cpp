//===- Naive.cpp - what a kernel.gemm means, one thread an element ----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The expectation on a device, where the interpreter would be too slow: plain loads, no shared memory, no tensor core,
// one loop along K in ascending order. It shares nothing with the templates but the epilogue's region.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelWriter.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::Grouping;
using kernel::OperandKind;
using kernel::Place;

namespace {
constexpr unsigned naiveThreads = 256;

class NaiveGenerator {
public:
  NaiveGenerator(KernelWriter &w, kernel::GemmOp op) : w(w), op(op), integer(op.hasIntegerAccumulator()) {}
  void run(ValueRange arguments, const EmittedKernel &kernel);

private:
  Value lhsAt(kernel::SegmentAttr s, Value k);
  Value rhsAt(kernel::SegmentAttr s, Value k);
  Value asFloat(Value value);
  Value sum(unsigned index, Value accumulator);
  Value product(Value x, Value y, Value accumulator);

  KernelWriter &w;
  kernel::GemmOp op;
  bool integer;
  SmallVector<Value> rhs, scale, zero; ///< pointers to the row of this thread's column, by segment
  Value lhs;                           ///< pointer to this thread's row of the segment
};
} // namespace

/// Element k of this thread's row, as i32 or f32.
Value NaiveGenerator::lhsAt(kernel::SegmentAttr s, Value k) {
  Type type = s.getLhs();
  if (type.isInteger(4)) {
    Value byte = w.zext(w.load(w.offset(lhs, w.shru(k, 1)), w.i8(), 1), w.i32());
    Value up = w.sub(w.constant(28), w.shl(w.andi(k, 1), 2)); // the nibble to the top, then down with its sign
    return w.shrs(w.shl(byte, up), 28);
  }
  Value value = w.load(w.offset(lhs, k, type), type, type.getIntOrFloatBitWidth() / 8);
  return type.isInteger() ? w.sext(value, w.i32()) : w.extend(value);
}

/// Weight k of this thread's column; codes of all widths below 16 lie in bytes.
Value NaiveGenerator::rhsAt(kernel::SegmentAttr s, Value k) {
  Type type = s.getRhs().isInteger() ? w.i8() : s.getRhs();
  Value value = w.load(w.offset(rhs.back(), k, type), type, type.getIntOrFloatBitWidth() / 8);
  return type.isInteger() ? w.sext(value, w.i32()) : w.extend(value);
}

Value NaiveGenerator::asFloat(Value value) { return value.getType().isF32() ? value : w.toFloat(value); }

Value NaiveGenerator::product(Value x, Value y, Value accumulator) {
  if (accumulator.getType().isF32())
    return w.fma(asFloat(x), asFloat(y), accumulator);
  return w.add(accumulator, w.mul(x, y));
}

/// accumulator + the segment's sum, group by group.
Value NaiveGenerator::sum(unsigned index, Value accumulator) {
  kernel::SegmentAttr s = op.getSegment(index);
  int64_t group = s.getGroup() ? s.getGroup() : s.getK();
  bool scaled = s.getGrouping() == Grouping::Scale || s.getGrouping() == Grouping::ScaleZeroPoint;
  bool partial = s.getPlace() == Place::PartialSums;
  bool exact = s.getLhs().isInteger() && s.getRhs().isInteger();
  Values result = w.loop(0, s.getK() / group, 1, ValueRange{accumulator}, [&](Value g, ValueRange carried) -> Values {
    Value factor, offset;
    if (scaled) {
      Type type = s.getScale();
      factor = w.load(w.offset(scale[index], g, type), type, type.getIntOrFloatBitWidth() / 8);
      factor = type.isF32() ? factor : w.extend(factor);
      if (s.getGrouping() == Grouping::ScaleZeroPoint)
        offset = w.sub(w.constant(0), w.sext(w.load(w.offset(zero[index], g), w.i8(), 1), w.i32()));
    } else if (s.getGrouping() == Grouping::TwoLevel) {
      factor = w.sext(w.load(w.offset(scale[index], g), w.i8(), 1), w.i32());
      offset = w.sext(w.load(w.offset(zero[index], g, w.i16()), w.i16(), 2), w.i32());
    }
    // Integer sums under an f32 accumulator are exact before they are rounded once.
    bool apart = partial || (exact && !integer);
    Value start = !apart ? carried[0] : exact ? w.constant(0) : w.constantF32(0);
    Value first = w.mul(g, group);
    Value total = w.loop(0, group, 1, ValueRange{start}, [&](Value i, ValueRange inner) -> Values {
      Value k = w.add(first, i), x = lhsAt(s, k), y = rhsAt(s, k);
      if (s.getGrouping() == Grouping::TwoLevel)
        y = w.add(w.mul(y, factor), offset);
      else if (offset)
        y = w.add(y, offset);
      if (scaled && !partial)
        y = w.mulf(asFloat(y), factor);
      return {product(x, y, inner[0])};
    })[0];
    if (!apart)
      return {total};
    return {partial ? w.fma(asFloat(total), factor, carried[0]) : w.addf(carried[0], asFloat(total))};
  });
  return result[0];
}

void NaiveGenerator::run(ValueRange arguments, const EmittedKernel &kernel) {
  int64_t n = op.getN();
  unsigned segments = op.getSegments().size();
  auto given = KernelWriter::byRole(kernel, arguments, segments);
  Value lhsPointer = given.lhs, m = given.m;
  SmallVector<Value> rhsPointers = std::move(given.rhs), operands = std::move(given.operands),
                     results = std::move(given.results);
  scale = std::move(given.groupScales);
  zero = std::move(given.groupZeroPoints);
  // Two columns a thread where results are nibbles: a byte has one writer.
  bool nibbles = llvm::any_of(op.getResultsAttr().getAsValueRange<TypeAttr>(),
                              [](Type type) { return type.getIntOrFloatBitWidth() == 4; });
  unsigned each = nibbles ? 2 : 1;
  Value item = w.add(w.mul(w.blockX(), naiveThreads), w.threadId(naiveThreads));
  Value row = w.divu(item, n / each), column0 = w.mul(w.remu(item, n / each), each);
  w.ifThen(w.ult(row, m), [&] {
    SmallVector<Values> emitted(results.size());
    int64_t pitch = 0;
    for (kernel::SegmentAttr s : op.getSegments().getAsRange<kernel::SegmentAttr>())
      pitch += s.getK() * s.getLhs().getIntOrFloatBitWidth() / 8;
    auto rowOf = [&](Value pointer, Value r, int64_t bytes) {
      return w.offset(pointer, r, LLVM::LLVMArrayType::get(w.i8(), unsigned(bytes)));
    };
    for (unsigned c = 0; c < each; ++c) {
      Value column = w.add(column0, c);
      Value accumulator = integer ? w.constant(0) : w.constantF32(0);
      SmallVector<Value> scales = scale, zeros = zero;
      int64_t at = 0;
      for (unsigned i = 0; i < segments; ++i) {
        kernel::SegmentAttr s = op.getSegment(i);
        unsigned rhsBytes = std::max(1u, s.getRhs().getIntOrFloatBitWidth() / 8);
        lhs = w.offset(rowOf(lhsPointer, row, pitch), at);
        at += s.getK() * s.getLhs().getIntOrFloatBitWidth() / 8;
        rhs.assign(1, rowOf(rhsPointers[i], column, s.getK() * rhsBytes));
        int64_t groups = s.getGroup() ? s.getK() / s.getGroup() : 0;
        bool twoLevel = s.getGrouping() == Grouping::TwoLevel;
        if (scales[i])
          scale[i] = rowOf(scales[i], column, groups * (twoLevel ? 1 : s.getScale().getIntOrFloatBitWidth() / 8));
        if (zeros[i])
          zero[i] = rowOf(zeros[i], column, groups * (twoLevel ? 2 : 1));
        accumulator = sum(i, accumulator);
      }
      scale = scales, zero = zeros;
      Values values{accumulator};
      for (auto [o, pointer] : llvm::enumerate(operands)) {
        auto operand = op.getOperandAttr(unsigned(o));
        Type type = operand.getType();
        if (operand.getKind() == OperandKind::Table) {
          values.push_back(pointer);
          continue;
        }
        Value index = operand.getKind() == OperandKind::Row      ? row
                      : operand.getKind() == OperandKind::Column ? column
                      : operand.getKind() == OperandKind::Scalar ? w.constant(0)
                                                                 : w.add(w.mul(row, n), column);
        values.push_back(w.load(w.offset(pointer, index, type), type, type.getIntOrFloatBitWidth() / 8));
      }
      for (auto [list, value] : llvm::zip(emitted, inlineEpilogue(w, op.getEpilogue().front(), values)))
        list.push_back(value);
    }
    Value index = w.add(w.mul(row, n), column0);
    for (auto [i, pointer] : llvm::enumerate(results)) {
      Type type = op.getResultElement(unsigned(i));
      unsigned bits = type.getIntOrFloatBitWidth();
      if (bits == 4) {
        Value byte = w.ori(w.nibble(emitted[i][0]), w.shl(w.nibble(emitted[i][1]), 4));
        w.store(w.trunc(byte, w.i8()), w.offset(pointer, w.shru(index, 1)), 1);
        continue;
      }
      for (unsigned c = 0; c < each; ++c)
        w.store(emitted[i][c], w.offset(pointer, w.add(index, c), type), bits / 8);
    }
  });
}

FailureOr<EmittedKernel> bitwright::nvptx::emitNaive(kernel::GemmOp op, Arch arch, ModuleOp into, StringRef symbol) {
  for (kernel::SegmentAttr s : op.getSegments().getAsRange<kernel::SegmentAttr>())
    if (s.getK() * s.getLhs().getIntOrFloatBitWidth() % 8)
      return op.emitOpError() << "expected segments of whole bytes of the left operand, found k = " << s.getK()
                              << " of " << s.getLhs(),
             failure();
  for (Type type : op.getResultsAttr().getAsValueRange<TypeAttr>())
    if (type.getIntOrFloatBitWidth() == 4 && op.getN() % 2)
      return op.emitOpError() << "expected an even n for results of 4 bits, found " << op.getN(), failure();
  EmittedKernel kernel;
  kernel.symbol = symbol.str();
  kernel.arch = arch;
  kernel.threads = naiveThreads;
  bool nibbles = llvm::any_of(op.getResultsAttr().getAsValueRange<TypeAttr>(),
                              [](Type type) { return type.getIntOrFloatBitWidth() == 4; });
  AffineExpr m = getAffineDimExpr(0, op.getContext());
  kernel.gridX = (m * (op.getN() / (nibbles ? 2 : 1))).ceilDiv(naiveThreads);
  kernel.gridY = getAffineConstantExpr(1, op.getContext());
  auto rowMajor = [&](int64_t columns, unsigned bits) {
    layout::Packing packing;
    packing.rows = op.getN();
    packing.columns = packing.pitch = columns;
    packing.bits = bits;
    packing.order = layout::Packing::Order::Pitched;
    return packing;
  };
  kernel.parameters.push_back({Role::Lhs, 0, Form::Pointer, {}, {}});
  for (unsigned i = 0; i < op.getSegments().size(); ++i) {
    kernel::SegmentAttr s = op.getSegment(i);
    unsigned bits = std::max(8u, s.getRhs().getIntOrFloatBitWidth());
    kernel.parameters.push_back({Role::Rhs, i, Form::Pointer, {}, rowMajor(s.getK(), bits)});
    bool twoLevel = s.getGrouping() == Grouping::TwoLevel;
    if (s.getGroup()) {
      unsigned scaleBits = twoLevel ? 8 : s.getScale().getIntOrFloatBitWidth();
      kernel.parameters.push_back(
          {Role::GroupScale, i, Form::Pointer, {}, rowMajor(s.getK() / s.getGroup(), scaleBits)});
    }
    if (twoLevel || s.getGrouping() == Grouping::ScaleZeroPoint)
      kernel.parameters.push_back(
          {Role::GroupZeroPoint, i, Form::Pointer, {}, rowMajor(s.getK() / s.getGroup(), twoLevel ? 16 : 8)});
  }
  for (unsigned i = 0; i < op.getOperandsAttr().size(); ++i)
    kernel.parameters.push_back({Role::Operand, i, Form::Pointer, {}, {}});
  for (unsigned i = 0; i < op.getResultsAttr().size(); ++i)
    kernel.parameters.push_back({Role::Result, i, Form::Pointer, {}, {}});
  kernel.parameters.push_back({Role::M, 0, Form::Int32, {}, {}});
  KernelWriter w(op.getLoc(), into);
  Values arguments = w.begin(kernel);
  NaiveGenerator(w, op).run(arguments, kernel);
  w.end();
  return kernel;
}
