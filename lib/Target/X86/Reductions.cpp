//===- Reductions.cpp - sums, extrema and argmax ---------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Float reductions in the order of INTEGER F3: element i of the reduced elements (row-major) goes to partial i mod 16,
// then a fixed tree. With lanes across results the 16 partials are vectors in memory; with one result at a time they
// are the lanes of one vector when the elements lie along one dimension.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/Reductions.h"
#include "dialects/Dyadic/Dyadic.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

static Type elementOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType(); }

//===----------------------------------------------------------------------===//
// F3
//===----------------------------------------------------------------------===//

Value F3Reduction::identity(unsigned lanes) const {
  switch (kind) {
  case Sum:
  case SumOfSquares:
    return k.constantFloat(0, lanes);
  case Max:
    return k.constantFloat(-numerics::detail::kInfinity, lanes);
  case Min:
    return k.constantFloat(numerics::detail::kInfinity, lanes);
  }
  return {};
}

Value F3Reduction::step(Value partial, Value x) const {
  VectorBuilder f(k, KernelBuilder::lanesOf(partial.getType()));
  if (kind == SumOfSquares)
    return f.fma(x, x, partial);
  return combine(partial, x);
}

Value F3Reduction::combine(Value a, Value b) const {
  VectorBuilder f(k, KernelBuilder::lanesOf(a.getType()));
  return kind == Max ? numerics::maximum(f, a, b) : kind == Min ? numerics::minimum(f, a, b) : f.add(a, b);
}

Value F3Reduction::acrossLanes(Value partials) const {
  // Halves: lane i with lane i + width.
  for (int64_t width = 8; width >= 1; width /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < width; ++i) {
      low.push_back(i);
      high.push_back(i + width);
    }
    Value a = vector::ShuffleOp::create(k.b, k.loc, partials, partials, low),
          b = vector::ShuffleOp::create(k.b, k.loc, partials, partials, high);
    partials = combine(a, b);
  }
  return vector::ExtractOp::create(k.b, k.loc, partials, int64_t(0));
}

Value F3Reduction::alongVector(Value low, Value high, Value start,
                               llvm::function_ref<Value(Value, Value)> element) const {
  // low is a multiple of 16 elements from the first one.
  Value whole = k.add(low, k.mul(k.div(k.sub(high, low), k.i64(16)), 16));
  Value partials = k.forLoop(low, whole, 16, {start}, [&](Value i, ValueRange p) -> SmallVector<Value> {
    Value x = element(i, {});
    return {x ? step(p[0], x) : p[0]};
  })[0];
  if (auto c = KernelBuilder::constantOf(k.sub(high, low)); c && *c % 16 == 0)
    return partials;
  return k.ifElse(
      k.less(whole, high), partials.getType(),
      [&]() -> Value {
        Value mask = k.laneMask(whole, high, 16), x = element(whole, mask);
        return x ? k.select(mask, step(partials, x), partials) : partials;
      },
      [&] { return partials; });
}

Value F3Reduction::inMemory(unsigned lanes, ArrayRef<Value> sizes,
                            llvm::function_ref<Value(ArrayRef<Value>)> element) const {
  int64_t bytes = lanes * 4;
  Value memory = k.stack(16 * bytes);
  for (int i = 0; i < 16; ++i)
    k.store(identity(lanes), k.gep(memory, i * bytes));
  SmallVector<Value> position(sizes.size());
  // Nested loops in row-major order carry the number of the element.
  std::function<Value(size_t, Value)> loop = [&](size_t d, Value number) -> Value {
    if (d == sizes.size()) {
      Value x = element(position);
      if (x) {
        Value slot = arith::AndIOp::create(k.b, k.loc, number, k.i64(15));
        Value place = k.gep(memory, arith::MulIOp::create(k.b, k.loc, slot, k.i64(bytes)));
        k.store(step(k.load(k.f32(), lanes, place), x), place);
      }
      return k.add(number, 1);
    }
    return k.forLoop(k.i64(0), sizes[d], 1, {number}, [&](Value i, ValueRange n) -> SmallVector<Value> {
      position[d] = i;
      return {loop(d + 1, n[0])};
    })[0];
  };
  loop(0, k.i64(0));
  Value partials[16];
  for (int i = 0; i < 16; ++i)
    partials[i] = k.load(k.f32(), lanes, k.gep(memory, i * bytes));
  return numerics::reduceTree(partials, [&](Value a, Value b) { return combine(a, b); });
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

namespace {
/// Index of a reduction's input from the index of its result.
struct ReducedIndex {
  Index index; ///< of the input; reduced dimensions have no base yet
  SmallVector<int64_t> axes;
  SmallVector<Value> sizes;

  ReducedIndex(KernelBuilder &k, Value input, ArrayRef<int64_t> axes, bool keepdims, const Index &result)
      : index(result), axes(axes) {
    const SymbolicShape &shape = k.shape(input);
    index.dims.clear();
    size_t next = 0;
    for (size_t d = 0; d < shape.size(); ++d) {
      bool reduced = llvm::is_contained(axes, int64_t(d));
      index.dims.push_back(reduced ? DimIndex(k.i64(0)) : result.dims[next]);
      next += !reduced || keepdims;
    }
    for (int64_t axis : axes)
      sizes.push_back(k.dim(shape[axis]));
  }
  Index at(ArrayRef<Value> position) const {
    Index inner = index;
    for (auto [axis, value] : llvm::zip(axes, position))
      inner.dims[axis] = DimIndex(value);
    return inner;
  }
};
} // namespace

static Value emitFloatReduction(ElementEmitter &e, Value input, const ReducedIndex &r, F3Reduction::Kind kind) {
  KernelBuilder &k = e.k;
  F3Reduction f3{k, kind};
  // Along one dimension, one result at a time: vectors along it. Further reduced dimensions of a multiple of 16
  // elements keep i mod 16 in step with the innermost.
  auto inner = r.sizes.empty() ? std::nullopt : KernelBuilder::constantOf(r.sizes.back());
  bool others = llvm::any_of(ArrayRef<Value>(r.sizes).drop_back(r.sizes.empty() ? 0 : 1),
                             [](Value s) { return KernelBuilder::constantOf(s) != 1; });
  if (r.index.lanes == 1 && !r.sizes.empty() && (!others || (inner && *inner % 16 == 0))) {
    SmallVector<Value> position(r.sizes.size(), k.i64(0));
    std::function<Value(size_t, Value)> loop = [&](size_t d, Value partials) -> Value {
      if (d + 1 == r.sizes.size())
        return f3.alongVector(k.i64(0), r.sizes[d], partials, [&](Value i, Value mask) {
          position[d] = i;
          Index index = r.at(position);
          index.lanes = 16;
          index.mask = mask;
          index.dims[r.axes[d]] = DimIndex(i, 1, true);
          return e.at(input, index);
        });
      return k.forLoop(k.i64(0), r.sizes[d], 1, {partials}, [&](Value i, ValueRange p) -> SmallVector<Value> {
        position[d] = i;
        return {loop(d + 1, p[0])};
      })[0];
    };
    return f3.acrossLanes(loop(0, f3.identity(16)));
  }
  return f3.inMemory(r.index.lanes, r.sizes, [&](ArrayRef<Value> position) { return e.at(input, r.at(position)); });
}

/// Integer folds: order does not matter; lanes of the accumulator are the index's.
static Value emitIntegerReduction(ElementEmitter &e, Value input, const ReducedIndex &r, Value identity,
                                  llvm::function_ref<Value(Value, Value)> step) {
  KernelBuilder &k = e.k;
  SmallVector<Value> position(r.sizes.size());
  std::function<Value(size_t, Value)> loop = [&](size_t d, Value acc) -> Value {
    if (d == r.sizes.size()) {
      Value x = e.at(input, r.at(position));
      return x ? step(acc, x) : acc;
    }
    return k.forLoop(k.i64(0), r.sizes[d], 1, {acc}, [&](Value i, ValueRange a) -> SmallVector<Value> {
      position[d] = i;
      return {loop(d + 1, a[0])};
    })[0];
  };
  return loop(0, identity);
}

static Value widenInteger(KernelBuilder &k, Value x, Type element, unsigned bits) {
  Type type = k.vec(k.intType(bits), KernelBuilder::lanesOf(x.getType()));
  if (x.getType() == type)
    return x;
  if (element.isUnsignedInteger() || element.isInteger(1))
    return arith::ExtUIOp::create(k.b, k.loc, type, x);
  return arith::ExtSIOp::create(k.b, k.loc, type, x);
}

static Value emitArgmax(ElementEmitter &e, qnn::ArgmaxOp op, const Index &index) {
  KernelBuilder &k = e.k;
  Value input = op.getInput();
  Type element = elementOf(input);
  unsigned lanes = index.lanes;
  ReducedIndex r(k, input, {int64_t(op.getAxis())}, op.getKeepdims(), index);
  bool isFloat = isa<FloatType>(element), isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
  Value first = e.at(input, r.at({k.i64(0)}));
  if (!first)
    return {};
  Type indices = k.vec(k.intType(64), lanes);
  auto best = k.forLoop(k.i64(1), r.sizes[0], 1, {first, k.constantInt(indices, 0)},
                        [&](Value i, ValueRange current) -> SmallVector<Value> {
                          Value x = e.at(input, r.at({i})), better;
                          if (!x)
                            return {current[0], current[1]};
                          if (isFloat) {
                            VectorBuilder f(k, lanes);
                            better = op.getSelectLast() ? f.ge(x, current[0]) : f.gt(x, current[0]);
                          } else {
                            using P = arith::CmpIPredicate;
                            P predicate =
                                op.getSelectLast() ? (isUnsigned ? P::uge : P::sge) : (isUnsigned ? P::ugt : P::sgt);
                            better = arith::CmpIOp::create(k.b, k.loc, predicate, x, current[0]);
                          }
                          return {k.select(better, x, current[0]), k.select(better, k.splat(i, lanes), current[1])};
                        });
  unsigned bits = elementOf(op.getOutput()).getIntOrFloatBitWidth();
  return bits == 64 ? best[1] : Value(arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(bits), lanes), best[1]));
}

Value ElementEmitter::emitReduction(Operation *op, const Index &index) {
  unsigned lanes = index.lanes;
  if (auto argmax = dyn_cast<qnn::ArgmaxOp>(op)) {
    Value value = emitArgmax(*this, argmax, index);
    return failed ? Value() : value;
  }
  if (auto sum = dyn_cast<dyadic::ReduceSumOp>(op)) {
    ReducedIndex r(k, sum.getInput(), sum.getAxes(), sum.getKeepdims(), index);
    Type words = k.vec(k.intType(32), lanes);
    int64_t zero = int32_t(sum.getInputZeroPoint());
    auto inner = KernelBuilder::constantOf(r.sizes.empty() ? k.i64(1) : r.sizes.back());
    Value total;
    if (lanes == 1 && inner && *inner % 16 == 0) {
      // One result at a time: 16 sums along the innermost reduced dimension.
      ReducedIndex outer = r;
      outer.index.lanes = 16;
      Value size = outer.sizes.pop_back_val();
      int64_t axis = outer.axes.pop_back_val();
      Type vector16 = VectorType::get(16, k.intType(32));
      SmallVector<Value> position(outer.sizes.size());
      std::function<Value(size_t, Value)> loop = [&](size_t d, Value acc) -> Value {
        bool last = d == outer.sizes.size();
        return k.forLoop(k.i64(0), last ? size : outer.sizes[d], last ? 16 : 1, {acc},
                         [&](Value i, ValueRange a) -> SmallVector<Value> {
                           if (!last) {
                             position[d] = i;
                             return {loop(d + 1, a[0])};
                           }
                           Index at16 = outer.at(position);
                           at16.dims[axis] = DimIndex(i, 1, true);
                           Value x = at(sum.getInput(), at16);
                           return {x ? Value(arith::AddIOp::create(k.b, k.loc, a[0],
                                                                   widenInteger(k, x, elementOf(sum.getInput()), 32)))
                                     : a[0]};
                         })[0];
      };
      total = vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, loop(0, k.constantInt(vector16, 0)));
    } else {
      total = emitIntegerReduction(*this, sum.getInput(), r, k.constantInt(words, 0), [&](Value acc, Value x) -> Value {
        return arith::AddIOp::create(k.b, k.loc, acc, widenInteger(k, x, elementOf(sum.getInput()), 32));
      });
    }
    if (failed)
      return {};
    if (zero == 0)
      return total;
    Value count = k.i64(1);
    for (Value size : r.sizes)
      count = k.mul(count, size);
    Value correction = arith::TruncIOp::create(k.b, k.loc, k.intType(32), k.mul(count, zero));
    return arith::SubIOp::create(k.b, k.loc, total, k.splat(correction, lanes));
  }

  auto kind = llvm::TypeSwitch<Operation *, std::optional<F3Reduction::Kind>>(op)
                  .Case<qnn::ReduceMeanOp, qnn::ReduceSumOp>([](auto) { return F3Reduction::Sum; })
                  .Case([](qnn::ReduceMaxOp) { return F3Reduction::Max; })
                  .Case([](qnn::ReduceMinOp) { return F3Reduction::Min; })
                  .Case([](qnn::ReduceL2Op) { return F3Reduction::SumOfSquares; })
                  .Default([](Operation *) { return std::nullopt; });
  if (!kind)
    return {};
  Value input = op->getOperand(0);
  Type element = elementOf(input);
  ArrayRef<int64_t> axes = op->getAttrOfType<DenseI64ArrayAttr>("axes").asArrayRef();
  bool keepdims = op->getAttrOfType<BoolAttr>("keepdims").getValue();
  ReducedIndex r(k, input, axes, keepdims, index);
  Value count = k.i64(1);
  for (Value size : r.sizes)
    count = k.mul(count, size);
  if (isa<FloatType>(element)) {
    Value value = emitFloatReduction(*this, input, r, *kind);
    if (failed)
      return {};
    VectorBuilder f(k, lanes);
    if (isa<qnn::ReduceMeanOp>(op)) {
      auto constant = KernelBuilder::constantOf(count);
      Value n =
          constant ? f.constant(float(*constant)) : k.splat(arith::SIToFPOp::create(k.b, k.loc, k.f32(), count), lanes);
      value = f.div(value, n);
    }
    if (isa<qnn::ReduceL2Op>(op))
      value = f.sqrt(value);
    return roundTo(element, value);
  }
  if (*kind == F3Reduction::SumOfSquares)
    return fail(op, "expected a float operand");
  unsigned bits = element.getIntOrFloatBitWidth();
  bool isUnsigned = element.isUnsignedInteger() || bits == 1;
  if (*kind == F3Reduction::Sum) {
    Type wide = k.vec(k.intType(64), lanes);
    Value sum = emitIntegerReduction(*this, input, r, k.constantInt(wide, 0), [&](Value acc, Value x) -> Value {
      return arith::AddIOp::create(k.b, k.loc, acc, widenInteger(k, x, element, 64));
    });
    if (failed)
      return {};
    if (isa<qnn::ReduceMeanOp>(op))
      sum = arith::DivSIOp::create(k.b, k.loc, sum, k.splat(k.max(count, k.i64(1)), lanes));
    return bits == 64 ? sum : Value(arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(bits), lanes), sum));
  }
  bool isMax = *kind == F3Reduction::Max;
  int64_t least = isUnsigned   ? 0
                  : bits == 64 ? INT64_MIN
                               : -(int64_t(1) << (bits - 1)),
          most = isUnsigned   ? -1
                 : bits == 64 ? INT64_MAX
                              : (int64_t(1) << (bits - 1)) - 1;
  Value extreme = emitIntegerReduction(*this, input, r, k.constantInt(valueType(element, lanes), isMax ? least : most),
                                       [&](Value acc, Value x) -> Value {
                                         if (isMax)
                                           return isUnsigned ? Value(arith::MaxUIOp::create(k.b, k.loc, acc, x))
                                                             : Value(arith::MaxSIOp::create(k.b, k.loc, acc, x));
                                         return isUnsigned ? Value(arith::MinUIOp::create(k.b, k.loc, acc, x))
                                                           : Value(arith::MinSIOp::create(k.b, k.loc, acc, x));
                                       });
  return failed ? Value() : extreme;
}
