//===- ScalarCode.cpp - a region's element as scalar arithmetic --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Lower/SelectKernels/ScalarCode.h"
#include "dialects/Qnn/CodeRange.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using kernel::OperandKind;

static Type elementOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getElementType(); }
static bool isUnsigned(Type element) { return element.isUnsignedInteger() || element.isInteger(1); }
static std::string toText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}
static std::string nameOf(Operation *op) { return "'" + op->getName().getStringRef().str() + "'"; }

ScalarCode::ScalarCode(kernel::FusedOp fused, const SymbolicShapes &shapes, const SymbolicShape &result, Block *block,
                       StringRef name)
    : f(builder, fused.getLoc()), fused(fused), shapes(shapes), result(result), block(block), name(name),
      builder(fused.getContext()) {
  builder.setInsertionPointToEnd(block);
}

Value ScalarCode::at(Value tensor) {
  if (!reason.empty())
    return {};
  if (Value value = known.lookup(tensor))
    return value;
  Value value = emit(tensor);
  if (value)
    known[tensor] = value;
  return value;
}

Value ScalarCode::emit(Value tensor) {
  if (isa<BlockArgument>(tensor) || constant(tensor))
    return leaf(tensor);
  Operation *op = tensor.getDefiningOp();
  for (auto family :
       {&ScalarCode::emitFloat, &ScalarCode::emitBinary, &ScalarCode::emitInteger, &ScalarCode::emitQuantization})
    if (Value value = (this->*family)(op); value || !reason.empty())
      return value;
  if (auto castOp = dyn_cast<qnn::CastOp>(op))
    return emitCast(castOp);
  if (isa<qnn::BroadcastOp>(op))
    return at(op->getOperand(0));
  if (isa<qnn::ReshapeOp>(op)) {
    // Only units in front come or go: the places of the others stay.
    auto withoutLeadingUnits = [&](Value value) {
      ArrayRef<AffineExpr> shape = shapes.get(value);
      return shape.drop_while([](AffineExpr dim) { return constantOf(dim) == 1; });
    };
    if (withoutLeadingUnits(op->getOperand(0)) == withoutLeadingUnits(op->getResult(0)))
      return at(op->getOperand(0));
  }
  return fail(nameOf(op) + " has no GPU code inside a region: expected elementwise operations");
}

//===----------------------------------------------------------------------===//
// Operands and constants
//===----------------------------------------------------------------------===//

std::optional<WeightData> ScalarCode::constant(Value tensor) const {
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    Value input = const_cast<kernel::FusedOp &>(fused).getInputs()[argument.getArgNumber()];
    return input.getDefiningOp() ? getConstant(input) : std::nullopt;
  }
  return isa<qnn::ConstantOp, qnn::WeightOp>(tensor.getDefiningOp()) ? getConstant(tensor) : std::nullopt;
}

Attribute ScalarCode::bind(Value tensor) {
  if (auto argument = dyn_cast<BlockArgument>(tensor))
    return builder.getI64IntegerAttr(argument.getArgNumber());
  if (auto weight = tensor.getDefiningOp<qnn::WeightOp>())
    return weight.getSourceAttr();
  return bind("constant", *constant(tensor));
}

Attribute ScalarCode::bind(StringRef what, WeightData data) {
  WeightStore &store = getWeightStore(fused.getContext());
  std::string source = store.uniqueName(("gpu/" + name + "/" + what).str());
  store.set(source, std::move(data));
  return builder.getStringAttr(source);
}

Value ScalarCode::addOperand(OperandKind kind, Type element, Attribute binding) {
  Type type = element.isInteger() ? builder.getIntegerType(element.getIntOrFloatBitWidth()) : element;
  operands.push_back(kernel::OperandAttr::get(builder.getContext(), kind, type));
  bindings.push_back(binding);
  return block->addArgument(kind == OperandKind::Table ? VectorType::get({256}, type) : type, fused.getLoc());
}

Value ScalarCode::column(StringRef what, ArrayRef<int32_t> values) {
  auto type = RankedTensorType::get({int64_t(values.size())}, builder.getI32Type());
  return addOperand(OperandKind::Column, builder.getI32Type(), bind(what, WeightData::copyOf(type, values)));
}

Value ScalarCode::leaf(Value tensor) {
  auto data = constant(tensor);
  Type element = elementOf(tensor);
  if (data && data->getNumElements() == 1) {
    if (isa<FloatType>(element))
      return f.constant(toFloats(*data)[0]);
    int64_t number = toIntegers(*data)[0];
    if (element.isInteger(1))
      return f.constantOf(builder.getI1Type(), number);
    if (number == int32_t(number))
      return f.constant(int32_t(number));
  }
  bool isFloat = element.isF32() || element.isF16() || element.isBF16();
  bool isInt = element.isInteger() && llvm::is_contained({8u, 16u, 32u}, element.getIntOrFloatBitWidth());
  if (!isFloat && !isInt)
    return fail("an operand of element type " + toText(element) +
                " has no GPU code: expected f32, f16, bf16 or integers of 8, 16 or 32 bits");
  ArrayRef<AffineExpr> shape = shapes.get(tensor), whole = result;
  auto isOne = [](AffineExpr dim) { return constantOf(dim) == 1; };
  ArrayRef<AffineExpr> lead = shape.empty() ? shape : shape.drop_back();
  bool leadOnes = llvm::all_of(lead, isOne);
  bool leadWhole = whole.size() == shape.size() && (shape.empty() || lead == whole.drop_back());
  bool lastOne = shape.empty() || isOne(shape.back());
  bool lastWhole = !shape.empty() && !whole.empty() && shape.back() == whole.back();
  OperandKind kind;
  if (leadOnes && lastOne)
    kind = OperandKind::Scalar;
  else if (leadOnes && lastWhole)
    kind = OperandKind::Column;
  else if (leadWhole && lastOne)
    kind = OperandKind::Row;
  else if (leadWhole && lastWhole)
    kind = OperandKind::Element;
  else
    return fail("an operand broadcasts along some of the leading dimensions only: expected one value for the tensor, a "
                "row, a column or an element");
  if (data && (kind == OperandKind::Element || kind == OperandKind::Row))
    return fail("a constant operand has as many elements as the result: expected one value or one a column");
  // With one row a row operand and a column operand are the same thing: the order of bytes is what counts.
  Value value = addOperand(kind, element, bind(tensor));
  if (element.isF16() || element.isBF16())
    return f.make<arith::ExtFOp>(builder.getF32Type(), value);
  if (isInt && element.getIntOrFloatBitWidth() < 32)
    return isUnsigned(element) ? f.make<arith::ExtUIOp>(builder.getI32Type(), value)
                               : f.make<arith::ExtSIOp>(builder.getI32Type(), value);
  return value;
}

Value ScalarCode::toMemory(Value scalar, Type element) {
  if (element.isF16() || element.isBF16())
    return f.make<arith::TruncFOp>(element, scalar);
  if (element.isF32() || scalar.getType() == element)
    return scalar;
  unsigned bits = element.isInteger() ? element.getIntOrFloatBitWidth() : 0;
  if (bits == 32)
    return scalar;
  if ((bits == 8 || bits == 16) && scalar.getType().isInteger(32))
    return f.make<arith::TruncIOp>(builder.getIntegerType(bits), scalar);
  return fail("a result of element type " + toText(element) +
              " has no GPU code: expected f32, f16, bf16 or integers of 8, 16 or 32 bits");
}

/// Float results take their element type's precision (INTEGER F5).
Value ScalarCode::rounded(Type element, Value value) {
  if (!value || !(element.isF16() || element.isBF16()))
    return value;
  return f.make<arith::ExtFOp>(builder.getF32Type(), f.make<arith::TruncFOp>(element, value));
}

/// Wrapping arithmetic of narrow integers.
Value ScalarCode::wrap(Type element, Value value) {
  unsigned bits = element.getIntOrFloatBitWidth();
  if (!value || bits >= 32 || bits == 1)
    return value;
  Value narrow = f.make<arith::TruncIOp>(builder.getIntegerType(bits), value);
  return isUnsigned(element) ? f.make<arith::ExtUIOp>(builder.getI32Type(), narrow)
                             : f.make<arith::ExtSIOp>(builder.getI32Type(), narrow);
}

Value ScalarCode::widen(Value value) { return f.make<arith::ExtSIOp>(builder.getI64Type(), value); }
Value ScalarCode::clamp(Value value, int64_t low, int64_t high) {
  value = f.make<arith::MaxSIOp>(value, f.constantOf(value.getType(), low));
  return f.make<arith::MinSIOp>(value, f.constantOf(value.getType(), high));
}

//===----------------------------------------------------------------------===//
// Floats (lib/Reference/Elementwise.cpp)
//===----------------------------------------------------------------------===//

Value ScalarCode::emitFloat(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumOperands() != 1 || !isa<FloatType>(elementOf(op->getOperand(0))) ||
      !isa<FloatType>(elementOf(op->getResult(0))))
    return {};
  using B = ArithBuilder;
  using Unary = llvm::function_ref<Value(Value)>;
  auto apply = [&](Unary unary) -> Value {
    Value x = at(op->getOperand(0));
    return x ? rounded(elementOf(op->getResult(0)), unary(x)) : x;
  };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](qnn::ReciprocalOp) { return apply([&](Value x) { return numerics::reciprocal<B>(f, x); }); })
      .Case([&](qnn::SqrtOp) { return apply([&](Value x) { return f.sqrt(x); }); })
      .Case([&](qnn::ExpOp) { return apply([&](Value x) { return numerics::exp<B>(f, x); }); })
      .Case([&](qnn::LogOp) { return apply([&](Value x) { return numerics::log<B>(f, x); }); })
      .Case([&](qnn::ErfOp) { return apply([&](Value x) { return numerics::erf<B>(f, x); }); })
      .Case([&](qnn::TanhOp) { return apply([&](Value x) { return numerics::tanh<B>(f, x); }); })
      .Case([&](qnn::SigmoidOp) { return apply([&](Value x) { return numerics::sigmoid<B>(f, x); }); })
      .Case([&](qnn::SoftplusOp) { return apply([&](Value x) { return numerics::softplus<B>(f, x); }); })
      .Case([&](qnn::SiluOp) { return apply([&](Value x) { return numerics::silu<B>(f, x); }); })
      .Case([&](qnn::HardSwishOp) { return apply([&](Value x) { return numerics::hardSwish<B>(f, x); }); })
      .Case([&](qnn::FloorOp) { return apply([&](Value x) { return f.floor(x); }); })
      .Case([&](qnn::AbsOp) { return apply([&](Value x) { return f.abs(x); }); })
      .Case([&](qnn::NegOp) { return apply([&](Value x) { return f.neg(x); }); })
      .Case([&](qnn::ReluOp) { return apply([&](Value x) { return numerics::relu<B>(f, x); }); })
      .Case([&](qnn::GeluOp gelu) {
        return apply(
            [&](Value x) { return gelu.getApproximate() ? numerics::geluTanh<B>(f, x) : numerics::geluErf<B>(f, x); });
      })
      .Case([&](qnn::LeakyReluOp leaky) {
        return apply(
            [&](Value x) { return numerics::leakyRelu<B>(f, x, f.constant(leaky.getAlpha().convertToFloat())); });
      })
      .Case([&](qnn::EluOp elu) {
        return apply([&](Value x) { return numerics::elu<B>(f, x, f.constant(elu.getAlpha().convertToFloat())); });
      })
      .Case([&](qnn::HardSigmoidOp hard) {
        return apply([&](Value x) {
          return numerics::hardSigmoid<B>(f, x, hard.getAlpha().convertToFloat(), hard.getBeta().convertToFloat());
        });
      })
      .Case([&](qnn::ClipOp clip) {
        return apply([&](Value x) {
          return numerics::clip<B>(f, x, f.constant(clip.getMin().convertToFloat()),
                                   f.constant(clip.getMax().convertToFloat()));
        });
      })
      .Default([](Operation *) { return Value(); });
}

Value ScalarCode::emitBinary(Operation *op) {
  using B = ArithBuilder;
  using P = arith::CmpIPredicate;
  if (isa<qnn::WhereOp>(op)) {
    Value condition = at(op->getOperand(0)), a = at(op->getOperand(1)), b = at(op->getOperand(2));
    return condition && a && b ? f.select(condition, a, b) : Value();
  }
  if (isa<qnn::NotOp>(op)) {
    Value x = at(op->getOperand(0));
    return x ? f.xori(x, f.constantOf(x.getType(), 1)) : x;
  }
  if (!isa<qnn::AddOp, qnn::SubOp, qnn::MulOp, qnn::DivOp, qnn::MinOp, qnn::MaxOp, qnn::PreluOp, qnn::PowOp, qnn::AndOp,
           qnn::OrOp, qnn::EqualOp, qnn::GreaterOp, qnn::LessOp>(op))
    return {};
  Type element = elementOf(op->getResult(0)), from = elementOf(op->getOperand(0));
  bool isFloat = isa<FloatType>(from), unsignedInts = isUnsigned(from);
  Value a = at(op->getOperand(0)), b = at(op->getOperand(1));
  if (!a || !b)
    return {};
  if (a.getType().isInteger(64) || b.getType().isInteger(64) || a.getType() != b.getType())
    return fail(nameOf(op) + " on " + toText(from) + " has no GPU code");
  auto both = [&](auto floats, auto ints) -> Value {
    return isFloat ? rounded(element, floats()) : wrap(element, ints());
  };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](qnn::AddOp) { return both([&] { return f.add(a, b); }, [&] { return f.addi(a, b); }); })
      .Case([&](qnn::SubOp) { return both([&] { return f.sub(a, b); }, [&] { return f.subi(a, b); }); })
      .Case([&](qnn::MulOp) { return both([&] { return f.mul(a, b); }, [&] { return f.make<arith::MulIOp>(a, b); }); })
      .Case([&](qnn::DivOp) {
        return isFloat ? rounded(element, f.div(a, b)) : fail("'qnn.div' of integers has no GPU code");
      })
      .Case([&](qnn::MinOp) {
        return both([&] { return numerics::minimum<B>(f, a, b); },
                    [&] { return f.select(f.compare(unsignedInts ? P::ult : P::slt, a, b), a, b); });
      })
      .Case([&](qnn::MaxOp) {
        return both([&] { return numerics::maximum<B>(f, a, b); },
                    [&] { return f.select(f.compare(unsignedInts ? P::ugt : P::sgt, a, b), a, b); });
      })
      .Case([&](qnn::PreluOp) {
        return isFloat ? rounded(element, numerics::leakyRelu<B>(f, a, b))
                       : fail("'qnn.prelu' of integers has no GPU code");
      })
      .Case([&](qnn::PowOp) {
        return isFloat ? rounded(element, power(a, b)) : fail("'qnn.pow' of integers has no GPU code");
      })
      .Case([&](qnn::AndOp) { return f.andi(a, b); })
      .Case([&](qnn::OrOp) { return f.ori(a, b); })
      .Case([&](qnn::EqualOp) { return isFloat ? f.eq(a, b) : f.eqi(a, b); })
      .Case([&](qnn::GreaterOp) { return isFloat ? f.gt(a, b) : f.compare(unsignedInts ? P::ugt : P::sgt, a, b); })
      .Default([&](Operation *) { return isFloat ? f.lt(a, b) : f.compare(unsignedInts ? P::ult : P::slt, a, b); });
}

/// a^b; a constant exponent of the exact chains needs no exp and log (as the reference).
Value ScalarCode::power(Value a, Value b) {
  FloatAttr exponent;
  double e = matchPattern(b, m_Constant(&exponent)) ? exponent.getValueAsDouble() : NAN;
  if (e == 2)
    return f.mul(a, a);
  if (e == 3)
    return f.mul(f.mul(a, a), a);
  if (e == 1)
    return a;
  if (e == 0.5)
    return f.sqrt(a);
  if (e == -1)
    return f.div(f.constant(1.0f), a);
  return numerics::pow<ArithBuilder>(f, a, b);
}

Value ScalarCode::emitCast(qnn::CastOp op) {
  Type from = elementOf(op.getInput()), to = elementOf(op.getOutput());
  Value x = at(op.getInput());
  if (!x || from == to)
    return x;
  if (x.getType().isInteger(64) || to.isInteger(64))
    return fail("'qnn.cast' from " + toText(from) + " to " + toText(to) + " has no GPU code");
  if (isa<FloatType>(from)) {
    if (isa<FloatType>(to))
      return rounded(to, x);
    if (to.isInteger(1))
      return f.ne(x, f.constant(0.0f));
    // Toward zero, saturating, NaN gives 0. 2^31 - 128 is the largest float below 2^31.
    unsigned bits = to.getIntOrFloatBitWidth();
    double low = to.isUnsignedInteger() ? 0 : -std::ldexp(1.0, bits - 1);
    double high = std::ldexp(1.0, to.isUnsignedInteger() ? bits : bits - 1);
    if (bits > 16 && to.isUnsignedInteger())
      return fail("'qnn.cast' to " + toText(to) + " has no GPU code");
    Value inside = f.select(f.isNaN(x), f.constant(0.0f), f.max(f.constant(float(low)), x));
    if (bits < 32)
      return f.toInt(f.min(f.constant(float(high - 1)), inside));
    Value number = f.toInt(f.min(f.constant(2147483520.0f), inside));
    return f.select(f.ge(inside, f.constant(float(high))), f.constant(INT32_MAX), number);
  }
  if (from.isInteger(1))
    x = f.make<arith::ExtUIOp>(builder.getI32Type(), x);
  if (isa<FloatType>(to))
    return rounded(to, f.toFloat(x));
  if (to.isInteger(1))
    return f.compare(arith::CmpIPredicate::ne, x, f.constant(int32_t(0)));
  return wrap(to, x);
}

//===----------------------------------------------------------------------===//
// Integers (INTEGER R4, E1, E3, E6)
//===----------------------------------------------------------------------===//

/// ROUND(n, c) on i64 (lib/Numerics/Integer.h, roundShift).
Value ScalarCode::roundShift(Value n, Value c, dyadic::Rounding rounding) {
  using P = arith::CmpIPredicate;
  auto number = [&](int64_t v) { return f.constantOf(builder.getI64Type(), v); };
  auto ashr = [&](Value x) { return f.make<arith::ShRSIOp>(x, c); };
  auto half = [&] { return f.make<arith::ShLIOp>(number(1), f.subi(c, number(1))); };
  auto negate = [&](Value x) { return f.subi(number(0), x); };
  auto halfUp = [&](Value x) { return ashr(f.addi(x, half())); };
  Value isNegative = f.compare(P::slt, n, number(0));
  switch (rounding) {
  case dyadic::Rounding::HalfUp:
    return halfUp(n);
  case dyadic::Rounding::Floor:
    return ashr(n);
  case dyadic::Rounding::Trunc:
    return f.select(isNegative, negate(ashr(negate(n))), ashr(n));
  case dyadic::Rounding::HalfAway:
    return f.select(isNegative, negate(halfUp(negate(n))), halfUp(n));
  case dyadic::Rounding::HalfEven: {
    Value q = ashr(n), rest = f.subi(n, f.make<arith::ShLIOp>(q, c)), middle = half();
    Value odd = f.compare(P::ne, f.andi(q, number(1)), number(0));
    Value up = f.ori(f.compare(P::sgt, rest, middle), f.andi(f.compare(P::eq, rest, middle), odd));
    return f.select(up, f.addi(q, number(1)), q);
  }
  case dyadic::Rounding::TosaDouble: {
    Value nudge = f.select(isNegative, number(-(int64_t(1) << 30)), number(int64_t(1) << 30));
    nudge = f.select(f.compare(P::sgt, c, number(31)), nudge, number(0));
    return ashr(f.addi(n, f.addi(half(), nudge)));
  }
  case dyadic::Rounding::TfliteDouble:
    break;
  }
  return fail("rounding tflite_double has no GPU code: expected half_up, half_away, half_even, floor, trunc or "
              "tosa_double");
}

/// clamp(zeroPoint + ROUND(sum, shift)) of an i64 sum with |sum| <= 2^62, shift i32.
Value ScalarCode::requantize(Value sum, Value shift, int64_t leastShift, dyadic::Rounding rounding, int64_t zeroPoint,
                             ArrayRef<int32_t> limits) {
  if (rounding == dyadic::Rounding::HalfUp && leastShift >= 33) {
    // The half is a multiple of 2^32: the upper words alone decide, and one 32-bit shift is left. What comes out is
    // below 2^30, so the zero point cannot overflow.
    Value upper = f.make<arith::TruncIOp>(builder.getI32Type(),
                                          f.make<arith::ShRSIOp>(sum, f.constantOf(builder.getI64Type(), 32)));
    Value half = f.make<arith::ShLIOp>(f.constant(int32_t(1)), f.subi(shift, f.constant(int32_t(33))));
    Value value = f.make<arith::ShRSIOp>(f.addi(upper, half), f.subi(shift, f.constant(int32_t(32))));
    return clamp(f.addi(value, f.constant(int32_t(zeroPoint))), limits[0], limits[1]);
  }
  Value value = roundShift(sum, widen(shift), rounding);
  if (!value)
    return {};
  value = clamp(f.addi(value, f.constantOf(builder.getI64Type(), zeroPoint)), limits[0], limits[1]);
  return f.make<arith::TruncIOp>(builder.getI32Type(), value);
}

Value ScalarCode::emitInteger(Operation *op) {
  auto centred = [&](Value tensor, int64_t zeroPoint) -> Value {
    Value x = at(tensor);
    return x ? f.subi(x, f.constant(int32_t(zeroPoint))) : x;
  };
  auto product = [&](Value x, Value y) { return f.make<arith::MulIOp>(widen(x), widen(y)); };

  if (auto rescale = dyn_cast<dyadic::RescaleOp>(op)) {
    Value x = centred(rescale.getInput(), int32_t(rescale.getInputZeroPoint()));
    if (!x)
      return {};
    ArrayRef<int32_t> multipliers = rescale.getMultiplier();
    SmallVector<int32_t> shifts(rescale.getShift().begin(), rescale.getShift().end());
    // A dead channel gives 0 with every shift: one that does not widen the range.
    int32_t most = *llvm::max_element(shifts);
    for (auto [shift, multiplier] : llvm::zip(shifts, multipliers))
      if (multiplier == 0)
        shift = most;
    Value multiplier, shift;
    if (multipliers.size() == 1) {
      multiplier = f.constant(multipliers[0]);
      shift = f.constant(shifts[0]);
    } else if (int64_t(*rescale.getAxis()) + 1 == cast<RankedTensorType>(rescale.getInput().getType()).getRank()) {
      multiplier = column("multiplier", multipliers);
      shift = llvm::all_equal(shifts) ? f.constant(shifts[0]) : column("shift", shifts);
    } else {
      return fail("'dyadic.rescale' has multipliers along axis " + Twine(*rescale.getAxis()) +
                  ": expected the last one");
    }
    return requantize(product(x, multiplier), shift, *llvm::min_element(shifts), rescale.getRounding(),
                      int32_t(rescale.getZeroPoint()), rescale.getClamp());
  }
  if (auto add = dyn_cast<dyadic::AddOp>(op)) {
    Value a = centred(add.getLhs(), int32_t(add.getLhsZeroPoint())),
          b = centred(add.getRhs(), int32_t(add.getRhsZeroPoint()));
    if (!a || !b)
      return {};
    Value sum = f.addi(product(a, f.constant(int32_t(add.getLhsMultiplier()))),
                       product(b, f.constant(int32_t(add.getRhsMultiplier()))));
    return requantize(sum, f.constant(int32_t(add.getShift())), int8_t(add.getShift()), add.getRounding(),
                      int32_t(add.getZeroPoint()), add.getClamp());
  }
  if (auto mul = dyn_cast<dyadic::MulOp>(op)) {
    Value a = centred(mul.getLhs(), int32_t(mul.getLhsZeroPoint())),
          b = centred(mul.getRhs(), int32_t(mul.getRhsZeroPoint()));
    if (!a || !b)
      return {};
    Value sum = product(f.make<arith::MulIOp>(a, b), f.constant(int32_t(mul.getMultiplier())));
    return requantize(sum, f.constant(int32_t(mul.getShift())), int8_t(mul.getShift()), mul.getRounding(),
                      int32_t(mul.getZeroPoint()), mul.getClamp());
  }
  if (auto lookup = dyn_cast<dyadic::LookupOp>(op)) {
    Value x = at(lookup.getInput());
    if (!x)
      return {};
    auto type = RankedTensorType::get({256}, builder.getI8Type());
    Value table = addOperand(OperandKind::Table, builder.getI8Type(),
                             bind("table", WeightData::copyOf<int8_t>(type, lookup.getTable())));
    Value code =
        kernel::LookupOp::create(builder, f.loc, builder.getI8Type(), table, f.addi(x, f.constant(int32_t(128))));
    return f.make<arith::ExtSIOp>(builder.getI32Type(), code);
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Borders (INTEGER Q1, Q2)
//===----------------------------------------------------------------------===//

Value ScalarCode::emitQuantization(Operation *op) {
  if (auto dequantize = dyn_cast<qnn::DequantizeAccumulatorOp>(op)) {
    Value acc = at(dequantize.getInput()), row = at(dequantize.getRowScale()), column = at(dequantize.getColumnScale());
    if (!acc || !row || !column)
      return {};
    return rounded(elementOf(dequantize.getOutput()), f.mul(f.mul(f.toFloat(acc), row), column));
  }
  auto quantize = dyn_cast<qnn::QuantizeOp>(op);
  auto dequantize = dyn_cast<qnn::DequantizeOp>(op);
  if (!quantize && !dequantize)
    return {};
  qnn::SchemeAttr scheme = quantize ? quantize.getScheme() : dequantize.getScheme();
  Value input = quantize ? quantize.getInput() : dequantize.getInput();
  Value scaleTensor = quantize ? quantize.getScale() : dequantize.getScale();
  Value zeroTensor = quantize ? quantize.getZeroPoint() : dequantize.getZeroPoint();
  int64_t rank = cast<RankedTensorType>(input.getType()).getRank();
  bool one = cast<RankedTensorType>(scaleTensor.getType()).getNumElements() == 1;
  if (!one && (scheme.getGranularity() != qnn::Granularity::Axis || scheme.getAxis() != rank - 1))
    return fail(nameOf(op) + " has no GPU code for its granularity: expected a scale a tensor or along the last axis");
  Value x = at(input), scale = at(scaleTensor);
  Value zero = !x || !scale ? Value() : zeroTensor ? at(zeroTensor) : f.constant(int32_t(0));
  if (!zero)
    return {};
  if (dequantize) {
    // A difference of 32-bit numbers may leave i32.
    if (elementOf(input).getIntOrFloatBitWidth() == 32 && zeroTensor && !matchPattern(zero, m_Zero()))
      return rounded(elementOf(dequantize.getOutput()),
                     f.mul(f.make<arith::SIToFPOp>(builder.getF32Type(), f.subi(widen(x), widen(zero))), scale));
    return rounded(elementOf(dequantize.getOutput()), f.mul(f.toFloat(f.subi(x, zero)), scale));
  }
  Type element = elementOf(quantize.getOutput());
  unsigned bits = element.getIntOrFloatBitWidth();
  if (bits != 8 && bits != 16)
    return fail("'qnn.quantize' to " + toText(element) + " has no GPU code: expected codes of 8 or 16 bits");
  auto [low, high] = qnn::codeRange(scheme, element);
  // Clamped in float, exactly, before the conversion; NaN is the zero point.
  Value v = f.roundEven(f.div(x, scale));
  v = f.select(f.isNaN(v), f.constant(0.0f), v);
  Value lowest = f.toFloat(f.subi(f.constant(int32_t(low)), zero)),
        highest = f.toFloat(f.subi(f.constant(int32_t(high)), zero));
  return f.addi(f.toInt(f.min(highest, f.max(lowest, v))), zero);
}
