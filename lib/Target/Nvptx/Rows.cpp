//===- Rows.cpp - elementwise and per-token kernels -------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Elementwise: every thread takes one vector of at most 16 bytes of its widest operand or result (8 elements where n
// allows; without row and column operands the M x n elements are one stretch, whatever n is).
// Per token: one CTA a row. Every thread computes the region for its vectors, the CTA finds the largest |x|, then the
// codes are made of the values that stayed in registers. Rows too long for the registers run the region twice; the
// second read comes from the L2 cache.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/PackResults.h"
#include "lib/Target/Nvptx/Schedules.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::OperandKind;

namespace {

constexpr unsigned elementwiseThreads = 256;
/// Values of a row that one thread of a per-token kernel keeps in registers.
constexpr unsigned keptValues = 64;

/// Reads operands and runs the region for vectors of neighbouring elements of one row.
struct RowElements {
  KernelWriter &w;
  kernel::RowsOp op;
  ValueRange arguments; ///< of the kernel
  unsigned width;       ///< elements of a vector
  Values same;          ///< operands that all elements share: scalars, and the row's once `enterRow` ran

  RowElements(KernelWriter &w, kernel::RowsOp op, ValueRange arguments, unsigned width)
      : w(w), op(op), arguments(arguments), width(width), same(op.getOperandsAttr().size()) {
    for (unsigned i = 0; i < same.size(); ++i) {
      OperandKind kind = op.getOperandAttr(i).getKind();
      if (kind == OperandKind::Scalar)
        same[i] = loadAt(i, w.constant(0), 1)[0];
      else if (kind == OperandKind::Table)
        same[i] = arguments[i];
    }
  }
  Values loadAt(unsigned i, Value index, unsigned count) {
    Type type = op.getOperandAttr(i).getType();
    return loadElements(w, w.offset(arguments[i], index, type), type, count);
  }
  void enterRow(Value row) {
    for (unsigned i = 0; i < same.size(); ++i)
      if (op.getOperandAttr(i).getKind() == OperandKind::Row)
        same[i] = loadAt(i, row, 1)[0];
  }
  /// [result][element] of `count` elements at `column` of a row; `index` counts elements from the first row on.
  SmallVector<Values> run(Value column, Value index, unsigned count) {
    SmallVector<Values> loaded(same.size());
    for (unsigned i = 0; i < same.size(); ++i) {
      OperandKind kind = op.getOperandAttr(i).getKind();
      if (kind == OperandKind::Element || kind == OperandKind::Column)
        loaded[i] = loadAt(i, kind == OperandKind::Element ? index : column, count);
    }
    SmallVector<Values> results(op.getQuantize() ? 1 : op.getResultsAttr().size());
    for (unsigned e = 0; e < count; ++e) {
      Values scalars;
      for (unsigned i = 0; i < same.size(); ++i)
        scalars.push_back(loaded[i].empty() ? same[i] : loaded[i][e]);
      for (auto [result, value] : llvm::zip(results, inlineEpilogue(w, op.getBody().front(), scalars)))
        result.push_back(value);
    }
    return results;
  }
};

bool hasKind(kernel::RowsOp op, OperandKind kind) {
  return llvm::any_of(op.getOperandsAttr().getAsRange<kernel::OperandAttr>(),
                      [&](kernel::OperandAttr operand) { return operand.getKind() == kind; });
}

/// The widest vector (a power of two) of which every row holds whole ones.
unsigned vectorWidth(int64_t n) {
  unsigned width = 8;
  while (n % width)
    width /= 2;
  return width;
}

void emitElementwise(KernelWriter &w, kernel::RowsOp op, ValueRange arguments, unsigned width, bool flat) {
  int64_t n = op.getN();
  unsigned operands = op.getOperandsAttr().size();
  Value thread = w.add(w.mul(w.blockX(), elementwiseThreads), w.threadId(elementwiseThreads));
  Value index = w.mul(thread, width), total = w.mul(arguments.back(), n);
  RowElements elements(w, op, arguments, width);
  auto write = [&](Value column, Value at, unsigned count) {
    for (auto [i, values] : llvm::enumerate(elements.run(column, at, count)))
      storeResults(w, values, w.offset(arguments[operands + i], at, values[0].getType()));
  };
  if (flat) { // the last vector may be short
    w.ifThenElse(
        w.cmp(arith::CmpIPredicate::ule, w.add(index, width), total), [&] { write({}, index, width); },
        [&] {
          if (width > 1)
            w.loop(index, total, 1, {}, [&](Value at, ValueRange) {
              write({}, at, 1);
              return Values();
            });
        });
    return;
  }
  w.ifThen(w.ult(index, total), [&] {
    Value row, column;
    if (hasKind(op, OperandKind::Row) || hasKind(op, OperandKind::Column)) {
      row = w.divu(index, n);
      column = w.sub(index, w.mul(row, n));
      elements.enterRow(row);
    }
    write(column, index, width);
  });
}

/// Codes of INTEGER Q3. The quotient x / scale must be the correctly rounded one, ties depend on it. For scales of
/// usual size two steps of Markstein's correction give it in five instructions (the first makes the quotient good to
/// one unit in the last place, the second rounds it correctly; `inverse` is the rounded 1 / scale and the remainders
/// are exact because |x| >= scale / 2 is far from the subnormal range wherever the code is not 0); other rows divide.
Values quantized(KernelWriter &w, ValueRange values, Value scale, Value inverse) {
  Values codes;
  Value negated = inverse ? Value(arith::NegFOp::create(w.builder, w.loc, scale)) : Value();
  for (Value x : values) {
    Value quotient;
    if (inverse) {
      quotient = w.mulf(x, inverse);
      for (unsigned step = 0; step < 2; ++step)
        quotient = w.fma(w.fma(negated, quotient, x), inverse, quotient);
    } else {
      quotient = arith::DivFOp::create(w.builder, w.loc, x, scale);
    }
    codes.push_back(w.roundToInt(quotient)); // NaN gives 0; |quotient| <= 127 (1 + 2^-23) needs no clamp
  }
  return codes;
}

/// Stores i32 codes in [-128, 127] as bytes.
void storeCodes(KernelWriter &w, ValueRange codes, Value pointer) {
  if (codes.size() < 4) {
    Values bytes;
    for (Value code : codes)
      bytes.push_back(w.trunc(code, w.i8()));
    return storeResults(w, bytes, pointer);
  }
  Values words;
  for (unsigned i = 0; i < codes.size(); i += 4)
    words.push_back(w.packS8(codes[i + 1], codes[i], w.packS8(codes[i + 3], codes[i + 2], w.constant(0))));
  w.storeWords(words, pointer);
}

void emitQuantize(KernelWriter &w, kernel::RowsOp op, ValueRange arguments, unsigned width, unsigned threads) {
  int64_t n = op.getN(), vectors = n / width;
  unsigned operands = op.getOperandsAttr().size();
  unsigned rounds = unsigned((vectors + threads - 1) / threads);
  bool keep = rounds * width <= keptValues;
  Value thread = w.threadId(threads), row = w.blockX();
  Value first = w.mul(row, n); // element of the row's start
  RowElements elements(w, op, arguments, width);
  elements.enterRow(row);
  auto largest = [&](Value most, ValueRange values) {
    for (Value x : values) // maxnum: a NaN does not enter
      most = arith::MaxNumFOp::create(w.builder, w.loc, most, math::AbsFOp::create(w.builder, w.loc, x));
    return most;
  };
  auto columnOf = [&](Value vector) { return w.mul(vector, width); };
  Value most = w.constantF32(0);
  SmallVector<Values> kept;
  if (keep) {
    for (unsigned round = 0; round < rounds; ++round) {
      Value vector = w.add(thread, round * threads);
      auto compute = [&] { return elements.run(columnOf(vector), w.add(first, columnOf(vector)), width)[0]; };
      if (int64_t(round + 1) * threads <= vectors) {
        kept.push_back(compute());
      } else { // the last round is not full
        auto branch = scf::IfOp::create(w.builder, w.loc, SmallVector<Type>(width, w.f32()), w.ult(vector, vectors),
                                        /*withElseRegion=*/true);
        OpBuilder::InsertionGuard guard(w.builder);
        w.builder.setInsertionPointToStart(branch.thenBlock());
        scf::YieldOp::create(w.builder, w.loc, compute());
        w.builder.setInsertionPointToStart(branch.elseBlock());
        scf::YieldOp::create(w.builder, w.loc, Values(width, w.constantF32(0)));
        kept.push_back(llvm::to_vector_of<Value>(branch.getResults()));
      }
    }
    for (Values &values : kept)
      most = largest(most, values);
  } else {
    most = w.loop(thread, vectors, threads, {most}, [&](Value vector, ValueRange carried) {
      Value column = columnOf(vector);
      return Values{largest(carried[0], elements.run(column, w.add(first, column), width)[0])};
    })[0];
  }
  // The largest of the warp, then of the CTA: floats of one sign are ordered as integers.
  Value bits = w.bitcast(most, w.i32());
  auto across = [&](Value value, unsigned lanes) {
    for (unsigned mask = lanes / 2; mask; mask /= 2)
      value = arith::MaxUIOp::create(w.builder, w.loc, value, w.shuffleXor(value, mask));
    return value;
  };
  bits = across(bits, 32);
  unsigned warps = threads / 32;
  if (warps > 1) {
    Value shared = w.sharedMemory(), lane = w.andi(thread, 31);
    w.ifThen(w.eq(lane, 0), [&] { w.store(bits, w.offset(shared, w.mul(w.shru(thread, 5), 4)), 4); });
    w.barrier();
    // warps is a power of two: lane l reads l modulo warps, so that all lanes end with the maximum.
    bits = across(w.load(w.offset(shared, w.mul(w.andi(lane, warps - 1), 4)), w.i32(), 4), warps);
  }
  most = arith::MaxNumFOp::create(w.builder, w.loc, w.bitcast(bits, w.f32()), w.constantF32(0x1p-100f));
  Value scale = arith::DivFOp::create(w.builder, w.loc, most, w.constantF32(127));
  w.ifThen(w.eq(thread, 0), [&] { w.store(scale, w.offset(arguments[operands + 1], row, w.f32()), 4); });
  auto codes = [&](Value inverse) {
    auto write = [&](Value vector, ValueRange values) {
      Value at = w.add(first, columnOf(vector));
      storeCodes(w, quantized(w, values, scale, inverse), w.offset(arguments[operands], at));
    };
    if (!keep) {
      w.loop(thread, vectors, threads, {}, [&](Value vector, ValueRange) {
        Value column = columnOf(vector);
        write(vector, elements.run(column, w.add(first, column), width)[0]);
        return Values();
      });
      return;
    }
    for (unsigned round = 0; round < kept.size(); ++round) {
      ArrayRef<Value> values = kept[round];
      Value vector = w.add(thread, round * threads);
      if (int64_t(round + 1) * threads <= vectors)
        write(vector, values);
      else
        w.ifThen(w.ult(vector, vectors), [&] { write(vector, values); });
    }
  };
  auto within = [&](float low, float high) {
    auto compare = [&](arith::CmpFPredicate predicate, float bound) -> Value {
      return arith::CmpFOp::create(w.builder, w.loc, predicate, scale, w.constantF32(bound));
    };
    return w.andi(compare(arith::CmpFPredicate::OGE, low), compare(arith::CmpFPredicate::OLE, high));
  };
  w.ifThenElse(
      within(0x1p-60f, 0x1p60f), [&] { codes(arith::DivFOp::create(w.builder, w.loc, w.constantF32(1), scale)); },
      [&] { codes({}); });
}

/// Threads of a per-token kernel: a power of two of warps, one vector each where the row is short.
unsigned threadsOf(int64_t vectors) {
  unsigned threads = 32;
  while (threads < 512 && threads < vectors)
    threads *= 2;
  return threads;
}

} // namespace

std::string bitwright::nvptx::supportsRows(Operation *operation, kernel::ScheduleAttr schedule) {
  auto op = cast<kernel::RowsOp>(operation);
  auto text = [](Type type) {
    std::string result;
    llvm::raw_string_ostream(result) << type;
    return result;
  };
  auto isStored = [](Type type) {
    return type.isF32() || type.isF16() || type.isBF16() || type.isInteger(8) || type.isInteger(16) ||
           type.isInteger(32);
  };
  for (auto operand : op.getOperandsAttr().getAsRange<kernel::OperandAttr>())
    if (!isStored(operand.getType()))
      return "expected operands of i8, i16, i32, f16, bf16 or f32, found " + text(operand.getType());
  for (Type type : op.getResultsAttr().getAsValueRange<TypeAttr>())
    if (!isStored(type))
      return "expected results of i8, i16, i32, f16, bf16 or f32, found " + text(type);
  if (op.getQuantize() && !op.getResultElement(0).isInteger(8))
    return "expected codes of i8, found " + text(op.getResultElement(0));
  if (schedule.getPdl() && schedule.getArch() == "sm_80")
    return "expected sm_90a for programmatic dependent launch, found sm_80";
  return "";
}

EmittedKernel bitwright::nvptx::emitRows(Operation *operation, kernel::ScheduleAttr schedule, ModuleOp into,
                                         StringRef symbol) {
  auto op = cast<kernel::RowsOp>(operation);
  int64_t n = op.getN();
  bool quantize = op.getQuantize();
  // Without operands that depend on the row or the column the elements are one stretch of M * n.
  bool flat = !quantize && n % 8 && !hasKind(op, OperandKind::Row) && !hasKind(op, OperandKind::Column);
  unsigned width = flat ? 8 : vectorWidth(n);
  EmittedKernel kernel;
  kernel.symbol = symbol.str();
  kernel.arch = *parseArch(schedule.getArch());
  kernel.pdl = schedule.getPdl();
  kernel.threads = quantize ? threadsOf(n / width) : elementwiseThreads;
  kernel.sharedBytes = quantize && kernel.threads > 32 ? kernel.threads / 32 * 4 : 0;
  for (unsigned i = 0; i < op.getOperandsAttr().size(); ++i)
    kernel.parameters.push_back({Role::Operand, i, Form::Pointer, {}, {}});
  for (unsigned i = 0; i < (quantize ? 2 : op.getResultsAttr().size()); ++i)
    kernel.parameters.push_back({Role::Result, i, Form::Pointer, {}, {}});
  kernel.parameters.push_back({Role::M, 0, Form::Int32, {}, {}});
  AffineExpr m = getAffineDimExpr(0, op->getContext());
  kernel.gridX = quantize ? m : (m * n).ceilDiv(elementwiseThreads * width);
  kernel.gridY = getAffineConstantExpr(1, op->getContext());
  KernelWriter w(op->getLoc(), into);
  Values arguments = w.begin(kernel);
  if (kernel.pdl) {
    w.launchDependents();
    w.waitPredecessor();
  }
  if (quantize)
    emitQuantize(w, op, arguments, width, kernel.threads);
  else
    emitElementwise(w, op, arguments, width, flat);
  w.end();
  return kernel;
}

Schedules bitwright::nvptx::proposeRows(Operation *op, Arch arch, bool) {
  if (!isa<kernel::RowsOp>(op))
    return {};
  ScheduleFields fields;
  fields.kind = kernel::GpuTemplate::Rows;
  fields.pdl = arch == Arch::Sm90a;
  return {fields.get(op->getContext(), arch)};
}
