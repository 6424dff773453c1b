//===- Integer.cpp - elementwise dyadic ops --------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Numerics/Integer.h"
#include "lib/Target/X86/ElementEmitter.h"
#include "lib/Target/X86/Requantize.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

static unsigned bitsOf(Value tensor) {
  unsigned bits = cast<RankedTensorType>(tensor.getType()).getElementTypeBitWidth();
  return bits == 4 ? 8 : bits;
}

/// Codes as i32 lanes minus a zero point.
static Value centred(KernelBuilder &k, Value codes, int64_t zeroPoint) {
  if (!codes)
    return {};
  unsigned lanes = KernelBuilder::lanesOf(codes.getType());
  Type type = k.vec(k.intType(32), lanes);
  if (codes.getType() != type)
    codes = arith::ExtSIOp::create(k.b, k.loc, type, codes);
  if (zeroPoint)
    codes = arith::SubIOp::create(k.b, k.loc, codes, k.constantInt(type, zeroPoint));
  return codes;
}

template <typename T>
static Value arrayAt(ElementEmitter &e, StringRef what, ArrayRef<T> values, const DimIndex &dim, const Index &index) {
  KernelBuilder &k = e.k;
  Type type = k.vec(k.intType(32), index.lanes);
  if (llvm::all_equal(values))
    return k.constantInt(type, values[0]);
  TensorMemory memory{k.constantBuffer(what, values), {k.i64(1)}, k.intType(sizeof(T) * 8), true};
  Index one = index;
  one.dims = {dim};
  Value value = e.load(memory, memory.element, one);
  return sizeof(T) == 4 ? value : Value(arith::ExtSIOp::create(k.b, k.loc, type, value));
}
Value x86::numberAt(ElementEmitter &e, StringRef what, ArrayRef<int32_t> values, const DimIndex &dim,
                    const Index &index) {
  return arrayAt(e, what, values, dim, index);
}
Value x86::numberAt(ElementEmitter &e, StringRef what, ArrayRef<int8_t> values, const DimIndex &dim,
                    const Index &index) {
  return arrayAt(e, what, values, dim, index);
}

static void setShiftRange(Requantization &r, ArrayRef<int8_t> shifts) {
  r.leastShift = *llvm::min_element(shifts);
  r.mostShift = *llvm::max_element(shifts);
}

/// T[x + 128] for 8-bit codes.
static Value emitLookup(KernelBuilder &k, Value x, ArrayRef<int8_t> table) {
  unsigned lanes = KernelBuilder::lanesOf(x.getType());
  Value pointer = k.constantBuffer("256-entry table, codes -128 to 127", table);
  Type byte = k.intType(8);
  if (lanes == 1 || k.isa == Isa::Avx2) {
    auto one = [&](Value code) {
      Value wide = arith::ExtSIOp::create(k.b, k.loc, k.intType(64), code);
      return k.load(byte, 1, k.gep(pointer, k.add(wide, 128)), {}, /*readOnly=*/true);
    };
    if (lanes == 1)
      return one(x);
    Value result = LLVM::UndefOp::create(k.b, k.loc, x.getType());
    for (unsigned l = 0; l < lanes; ++l)
      result = vector::InsertOp::create(k.b, k.loc, one(vector::ExtractOp::create(k.b, k.loc, x, int64_t(l))), result,
                                        int64_t(l));
    return result;
  }
  // Two permutes of 128 bytes each; the sign of the code chooses.
  Type wide = VectorType::get(64, byte);
  SmallVector<int64_t> widen(64, -1), narrow;
  for (unsigned l = 0; l < lanes; ++l) {
    widen[l] = l;
    narrow.push_back(l);
  }
  Value codes = lanes == 64 ? x : Value(vector::ShuffleOp::create(k.b, k.loc, x, x, widen));
  Value quarters[4];
  for (int i = 0; i < 4; ++i)
    quarters[i] = k.load(byte, 64, k.gep(pointer, int64_t(i) * 64), {}, /*readOnly=*/true);
  StringRef permute = "llvm.x86.avx512.vpermi2var.qi.512";
  Value negative = k.intrinsic(permute, wide, {quarters[0], codes, quarters[1]}),
        positive = k.intrinsic(permute, wide, {quarters[2], codes, quarters[3]});
  Value isNegative = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::slt, codes, k.constantInt(wide, 0));
  Value result = k.select(isNegative, negative, positive);
  return lanes == 64 ? result : Value(vector::ShuffleOp::create(k.b, k.loc, result, result, narrow));
}

/// (multiplier, shift) = encode(scale / count) (R2, R3) as i32 scalars, in the function's set-up code.
static std::pair<Value, Value> encodeAtRunTime(KernelBuilder &k, Value count, double scale) {
  Value multiplier, shift;
  k.hoisted([&] {
    Type f64 = k.b.getF64Type(), i64 = k.intType(64), i32 = k.intType(32);
    auto constant = [&](int64_t v) { return k.i64(v); };
    Value numerator = arith::ConstantOp::create(k.b, k.loc, k.b.getF64FloatAttr(scale));
    Value real = arith::DivFOp::create(k.b, k.loc, numerator, arith::SIToFPOp::create(k.b, k.loc, f64, count));
    Value bits = arith::BitcastOp::create(k.b, k.loc, i64, real);
    Value exponent = k.sub(arith::ShRUIOp::create(k.b, k.loc, bits, constant(52)), constant(1022));
    Value fraction = arith::AndIOp::create(k.b, k.loc, bits, constant((int64_t(1) << 52) - 1));
    Value mantissa = arith::OrIOp::create(k.b, k.loc, fraction, constant(int64_t(1) << 52)); // 53 bits, [0.5, 1) in Q53
    Value value = arith::ShRUIOp::create(k.b, k.loc, k.add(mantissa, int64_t(1) << 21), constant(22));
    Value carry = k.equal(value, constant(int64_t(1) << 31));
    value = k.select(carry, constant(int64_t(1) << 30), value);
    exponent = k.select(carry, k.add(exponent, 1), exponent);
    Value amount = k.sub(constant(31), exponent);
    // R3: a shift beyond 62 shortens the multiplier.
    Value excess = k.min(k.max(k.sub(amount, constant(62)), constant(0)), constant(40));
    Value half =
        k.select(k.equal(excess, constant(0)), constant(0),
                 arith::ShLIOp::create(k.b, k.loc, constant(1), k.max(k.sub(excess, constant(1)), constant(0))));
    value = arith::ShRSIOp::create(k.b, k.loc, k.add(value, half), excess);
    amount = k.min(k.max(amount, constant(2)), constant(62));
    multiplier = arith::TruncIOp::create(k.b, k.loc, i32, value);
    shift = arith::TruncIOp::create(k.b, k.loc, i32, amount);
    return Value();
  });
  return {multiplier, shift};
}

Value ElementEmitter::emitInteger(Operation *op, const Index &index) {
  Type words = k.vec(k.intType(32), index.lanes);
  auto number = [&](int64_t v) { return k.constantInt(words, v); };

  if (auto rescale = dyn_cast<dyadic::RescaleOp>(op)) {
    Value x = centred(k, at(rescale.getInput(), index), int32_t(rescale.getInputZeroPoint()));
    if (!x)
      return {};
    DimIndex axis = rescale.getAxis() ? index.dims[*rescale.getAxis()] : DimIndex(k.i64(0));
    Requantization r;
    r.terms = {{x, numberAt(*this, "multipliers", rescale.getMultiplier(), axis, index)}};
    // A dead channel gives 0 with every shift: one that does not widen the range.
    SmallVector<int8_t> shifts(rescale.getShift());
    int8_t most = *llvm::max_element(shifts);
    for (auto [shift, multiplier] : llvm::zip(shifts, rescale.getMultiplier()))
      if (multiplier == 0)
        shift = most;
    r.shift = numberAt(*this, "shifts", ArrayRef<int8_t>(shifts), axis, index);
    setShiftRange(r, shifts);
    r.rounding = rescale.getRounding();
    r.zeroPoint = int32_t(rescale.getZeroPoint());
    r.low = rescale.getClamp()[0];
    r.high = rescale.getClamp()[1];
    r.resultBits = bitsOf(rescale.getOutput());
    return emitRequantization(k, r);
  }
  if (auto add = dyn_cast<dyadic::AddOp>(op)) {
    Value a = centred(k, broadcastAt(add.getLhs(), add.getOutput(), index), int32_t(add.getLhsZeroPoint()));
    Value b = centred(k, broadcastAt(add.getRhs(), add.getOutput(), index), int32_t(add.getRhsZeroPoint()));
    if (!a || !b)
      return {};
    if (add.getRounding() == dyadic::Rounding::TfliteDouble)
      return fail(op, "has no x86 code: tflite_double is not defined for a sum (E1)");
    Requantization r;
    r.terms = {{a, number(int32_t(add.getLhsMultiplier()))}, {b, number(int32_t(add.getRhsMultiplier()))}};
    r.shift = number(int8_t(add.getShift()));
    r.leastShift = r.mostShift = int8_t(add.getShift());
    r.rounding = add.getRounding();
    r.zeroPoint = int32_t(add.getZeroPoint());
    r.low = add.getClamp()[0];
    r.high = add.getClamp()[1];
    r.resultBits = bitsOf(add.getOutput());
    return emitRequantization(k, r);
  }
  if (auto mul = dyn_cast<dyadic::MulOp>(op)) {
    Value a = centred(k, broadcastAt(mul.getLhs(), mul.getOutput(), index), int32_t(mul.getLhsZeroPoint()));
    Value b = centred(k, broadcastAt(mul.getRhs(), mul.getOutput(), index), int32_t(mul.getRhsZeroPoint()));
    if (!a || !b)
      return {};
    Requantization r;
    r.terms = {{arith::MulIOp::create(k.b, k.loc, a, b), number(int32_t(mul.getMultiplier()))}};
    r.shift = number(int8_t(mul.getShift()));
    r.leastShift = r.mostShift = int8_t(mul.getShift());
    r.rounding = mul.getRounding();
    r.zeroPoint = int32_t(mul.getZeroPoint());
    r.low = mul.getClamp()[0];
    r.high = mul.getClamp()[1];
    r.resultBits = bitsOf(mul.getOutput());
    return emitRequantization(k, r);
  }
  if (auto lookup = dyn_cast<dyadic::LookupOp>(op)) {
    Value x = at(lookup.getInput(), index);
    return x ? emitLookup(k, x, lookup.getTable()) : x;
  }
  if (auto mean = dyn_cast<dyadic::RescaleMeanOp>(op)) {
    Value x = at(mean.getInput(), index);
    if (!x)
      return {};
    AffineExpr count = mean.getCount().getResult(0);
    double scale = mean.getScale().convertToDouble();
    auto [fewest, most] = rangeOf(count, k.symbols);
    numerics::Multiplier atFewest, atMost;
    if (fewest < 1 || numerics::encodeMultiplier(scale / double(fewest), 31, atFewest) != numerics::EncodeStatus::Ok ||
        numerics::encodeMultiplier(scale / double(most), 31, atMost) != numerics::EncodeStatus::Ok)
      return fail(op, "R3: scale " + Twine(std::to_string(scale)) + " over " + Twine(fewest) + " to " + Twine(most) +
                          " elements has no multiplier: expected 0 <= scale / count < 2^29");
    Requantization r;
    r.leastShift = scale == 0 ? 31 : atFewest.shift;
    r.mostShift = scale == 0 ? 31 : atMost.shift;
    r.rounding = mean.getRounding();
    if (bitwright::constantOf(count) || scale == 0) {
      r.terms = {{x, number(atFewest.value)}};
      r.shift = number(atFewest.shift);
    } else {
      auto [multiplier, shift] = encodeAtRunTime(k, k.dim(count), scale);
      r.terms = {{x, k.splat(multiplier, index.lanes)}};
      r.shift = k.splat(shift, index.lanes);
    }
    r.zeroPoint = int32_t(mean.getZeroPoint());
    r.low = mean.getClamp()[0];
    r.high = mean.getClamp()[1];
    r.resultBits = bitsOf(mean.getOutput());
    return emitRequantization(k, r);
  }
  return {};
}
