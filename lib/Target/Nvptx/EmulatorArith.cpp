//===- EmulatorArith.cpp - arithmetic of 32 lanes ----------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// arith, math, the arithmetic of llvm, and the pure device operations. Values narrower than 32 bits stand zero-extended
// in their rows. Poison of any input is poison of the result, but a select takes that of the chosen value.
//
//===----------------------------------------------------------------------===//

#include "dialects/Kernel/Device.h"
#include "lib/Numerics/Half.h"
#include "lib/Target/Nvptx/EmulatorMachine.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <cmath>

using namespace mlir;
using namespace bitwright::nvptx;
using namespace bitwright::nvptx::emulator;
using namespace bitwright::numerics;
namespace kernel = bitwright::kernel;

namespace {

//===--- How a row holds a type ------------------------------------------------===//

struct I1 {
  using Cell = uint32_t;
  using Value = uint8_t;
  static Value get(Cell x) { return x & 1; }
  static Cell put(uint64_t x) { return Cell(x & 1); }
};
/// Only truncated to and extended from.
struct I4 {
  using Cell = uint32_t;
  using Value = uint8_t;
  static Value get(Cell x) { return x & 15; }
  static Cell put(uint64_t x) { return Cell(x & 15); }
};
struct I8 {
  using Cell = uint32_t;
  using Value = uint8_t;
  static Value get(Cell x) { return Value(x); }
  static Cell put(uint64_t x) { return Cell(x & 0xff); }
};
struct I16 {
  using Cell = uint32_t;
  using Value = uint16_t;
  static Value get(Cell x) { return Value(x); }
  static Cell put(uint64_t x) { return Cell(x & 0xffff); }
};
struct I32 {
  using Cell = uint32_t;
  using Value = uint32_t;
  static Value get(Cell x) { return x; }
  static Cell put(uint64_t x) { return Cell(x); }
};
struct I64 {
  using Cell = uint64_t;
  using Value = uint64_t;
  static Value get(Cell x) { return x; }
  static Cell put(uint64_t x) { return x; }
};
struct F32 {
  using Cell = uint32_t;
  using Value = float;
  static float get(Cell x) { return floatFromBits(x); }
  static Cell put(float x) { return floatBits(x); }
};
struct F16 {
  using Cell = uint32_t;
  using Value = float;
  static float get(Cell x) { return floatFromHalf(uint16_t(x)); }
  static Cell put(float x) { return halfFromFloat(x); }
};
struct BF16 {
  using Cell = uint32_t;
  using Value = float;
  static float get(Cell x) { return floatFromBfloat16(uint16_t(x)); }
  static Cell put(float x) { return bfloat16FromFloat(x); }
};

template <typename T> const typename T::Cell *cells(Warp &warp, uint32_t row) {
  return reinterpret_cast<const typename T::Cell *>(warp.row(row));
}
template <typename T> typename T::Cell *target(Warp &warp, uint32_t row) {
  return reinterpret_cast<typename T::Cell *>(warp.row(row));
}

/// The poison of a result; a value that a wgmma in flight will write must not be read.
uint64_t combined(Warp &warp, const Instruction &i, uint64_t states) {
  if (LLVM_UNLIKELY(states >> 32))
    warp.fail(i, "reads a register that a wgmma in flight writes: expected a wait_group before it");
  return uint32_t(states);
}

template <typename D, typename A, typename F> void unary(Warp &warp, const Instruction &i) {
  const auto *a = cells<A>(warp, i.a);
  auto *d = target<D>(warp, i.dst);
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = D::put(F::apply(A::get(a[l])));
  warp.states[i.dst] = combined(warp, i, warp.states[i.a]);
}
template <typename D, typename A, typename F> void binary(Warp &warp, const Instruction &i) {
  const auto *a = cells<A>(warp, i.a), *b = cells<A>(warp, i.b);
  auto *d = target<D>(warp, i.dst);
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = D::put(F::apply(A::get(a[l]), A::get(b[l])));
  warp.states[i.dst] = combined(warp, i, warp.states[i.a] | warp.states[i.b]);
}
template <typename T, typename F> void ternary(Warp &warp, const Instruction &i) {
  const auto *a = cells<T>(warp, i.a), *b = cells<T>(warp, i.b), *c = cells<T>(warp, i.c);
  auto *d = target<T>(warp, i.dst);
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = T::put(F::apply(T::get(a[l]), T::get(b[l]), T::get(c[l])));
  warp.states[i.dst] = combined(warp, i, warp.states[i.a] | warp.states[i.b] | warp.states[i.c]);
}
template <typename Cell> void select(Warp &warp, const Instruction &i) {
  const uint32_t *c = warp.row(i.a);
  const Cell *a = reinterpret_cast<const Cell *>(warp.row(i.b)), *b = reinterpret_cast<const Cell *>(warp.row(i.c));
  Cell *d = reinterpret_cast<Cell *>(warp.row(i.dst));
  uint32_t yes = 0;
  for (unsigned l = 0; l < lanes; ++l) {
    yes |= (c[l] & 1) << l;
    d[l] = c[l] & 1 ? a[l] : b[l];
  }
  combined(warp, i, warp.states[i.a] | warp.states[i.b] | warp.states[i.c]);
  warp.states[i.dst] = warp.poison(i.a) | (warp.poison(i.b) & yes) | (warp.poison(i.c) & ~yes);
}

//===--- Functions -----------------------------------------------------------------===//

template <typename T> auto asSigned(T x) { return std::make_signed_t<T>(x); }
template <typename T> constexpr unsigned widthOf = sizeof(T) * 8;

struct Add { template <typename T> static T apply(T a, T b) { return T(a + b); } };
struct Sub { template <typename T> static T apply(T a, T b) { return T(a - b); } };
struct Mul {
  template <typename T> static T apply(T a, T b) {
    if constexpr (std::is_same_v<T, uint16_t>)
      return T(uint32_t(a) * b); // not through int
    else
      return T(a * b);
  }
};
struct Div { static float apply(float a, float b) { return a / b; } };
struct DivU { template <typename T> static T apply(T a, T b) { return b ? T(a / b) : T(~T(0)); } };
struct RemU { template <typename T> static T apply(T a, T b) { return b ? T(a % b) : a; } };
struct DivS {
  template <typename T> static T apply(T a, T b) {
    if (!b || (asSigned(b) == -1 && a == T(T(1) << (widthOf<T> - 1))))
      return a;
    return T(asSigned(a) / asSigned(b));
  }
};
struct RemS {
  template <typename T> static T apply(T a, T b) { return !b || asSigned(b) == -1 ? T(0) : T(asSigned(a) % asSigned(b)); }
};
struct And { template <typename T> static T apply(T a, T b) { return a & b; } };
struct Or { template <typename T> static T apply(T a, T b) { return a | b; } };
struct Xor { template <typename T> static T apply(T a, T b) { return a ^ b; } };
struct Shl { template <typename T> static T apply(T a, T b) { return b < widthOf<T> ? T(a << b) : T(0); } };
struct ShrU { template <typename T> static T apply(T a, T b) { return b < widthOf<T> ? T(a >> b) : T(0); } };
struct ShrS {
  template <typename T> static T apply(T a, T b) { return T(asSigned(a) >> (b < widthOf<T> ? b : T(widthOf<T> - 1))); }
};
struct MinU { template <typename T> static T apply(T a, T b) { return a < b ? a : b; } };
struct MaxU { template <typename T> static T apply(T a, T b) { return a > b ? a : b; } };
struct MinS { template <typename T> static T apply(T a, T b) { return asSigned(a) < asSigned(b) ? a : b; } };
struct MaxS { template <typename T> static T apply(T a, T b) { return asSigned(a) > asSigned(b) ? a : b; } };
struct MulHighS {
  template <typename T> static T apply(T a, T b) { return T((__int128(asSigned(a)) * asSigned(b)) >> widthOf<T>); }
};
struct MulHighU {
  template <typename T> static T apply(T a, T b) { return T((unsigned __int128)(a)*b >> widthOf<T>); }
};

#define COMPARE(name, expression)                                                                                      \
  struct name { template <typename T> static bool apply(T a, T b) { return expression; } }
COMPARE(Eq, a == b);
COMPARE(Ne, a != b);
COMPARE(LtU, a < b);
COMPARE(LeU, a <= b);
COMPARE(GtU, a > b);
COMPARE(GeU, a >= b);
COMPARE(LtS, asSigned(a) < asSigned(b));
COMPARE(LeS, asSigned(a) <= asSigned(b));
COMPARE(GtS, asSigned(a) > asSigned(b));
COMPARE(GeS, asSigned(a) >= asSigned(b));
COMPARE(OLt, a < b);
COMPARE(OLe, a <= b);
COMPARE(OGt, a > b);
COMPARE(OGe, a >= b);
COMPARE(OEq, a == b);
COMPARE(ONe, a < b || a > b);
COMPARE(Ordered, a == a && b == b);
COMPARE(ULt, !(a >= b));
COMPARE(ULe, !(a > b));
COMPARE(UGt, !(a <= b));
COMPARE(UGe, !(a < b));
COMPARE(UEq, !(a < b || a > b));
COMPARE(UNe, !(a == b));
COMPARE(Unordered, a != a || b != b);
#undef COMPARE

/// NaN of either is NaN, -0 < +0 (arith.minimumf); the `Num` forms take the number.
struct Minimum {
  static float apply(float a, float b) {
    return a != a ? a : b != b ? b : a == b ? (std::signbit(a) ? a : b) : a < b ? a : b;
  }
};
struct Maximum {
  static float apply(float a, float b) {
    return a != a ? a : b != b ? b : a == b ? (std::signbit(a) ? b : a) : a > b ? a : b;
  }
};
struct MinNum { static float apply(float a, float b) { return a != a ? b : b != b ? a : Minimum::apply(a, b); } };
struct MaxNum { static float apply(float a, float b) { return a != a ? b : b != b ? a : Maximum::apply(a, b); } };
struct CopySign { static float apply(float a, float b) { return std::copysign(a, b); } };
struct Neg { static float apply(float a) { return -a; } };
struct Abs { static float apply(float a) { return std::fabs(a); } };
struct Sqrt { static float apply(float a) { return std::sqrt(a); } };
struct Floor { static float apply(float a) { return std::floor(a); } };
struct RoundEven { static float apply(float a) { return std::nearbyint(a); } };
struct Fma { static float apply(float a, float b, float c) { return std::fma(a, b, c); } };

struct Same { template <typename T> static T apply(T a) { return a; } };
struct SignExtend { template <typename T> static uint64_t apply(T a) { return uint64_t(int64_t(asSigned(a))); } };
struct SignExtendBit { static uint64_t apply(uint8_t a) { return a ? ~uint64_t(0) : 0; } };
struct FromSigned { template <typename T> static float apply(T a) { return float(asSigned(a)); } };
struct FromUnsigned { template <typename T> static float apply(T a) { return float(a); } };
/// Out of range is poison in MLIR; the hardware saturates, and NaN gives 0.
template <typename T> T saturate(float a) {
  if (a != a)
    return 0;
  double low = double(std::numeric_limits<T>::min()), high = double(std::numeric_limits<T>::max());
  return double(a) <= low ? std::numeric_limits<T>::min() : double(a) >= high ? std::numeric_limits<T>::max() : T(a);
}
template <typename T> struct ToSigned {
  static uint64_t apply(float a) { return uint64_t(int64_t(saturate<std::make_signed_t<T>>(a))); }
};
template <typename T> struct ToUnsigned { static uint64_t apply(float a) { return saturate<T>(a); } };

//===--- Tables ------------------------------------------------------------------------===//

template <template <typename> class Wrap> Run byInteger(Type type) {
  unsigned width = isa<LLVM::LLVMPointerType>(type) ? rowsOf(type) * 32
                   : isa<IntegerType>(type)         ? cast<IntegerType>(type).getWidth()
                                                    : 0;
  switch (width) {
  case 1: return Wrap<I1>::run;
  case 8: return Wrap<I8>::run;
  case 16: return Wrap<I16>::run;
  case 32: return Wrap<I32>::run;
  case 64: return Wrap<I64>::run;
  }
  return nullptr;
}
template <template <typename> class Wrap> Run byFloat(Type type) {
  return type.isF32() ? Wrap<F32>::run : type.isF16() ? Wrap<F16>::run : type.isBF16() ? Wrap<BF16>::run : nullptr;
}

template <typename F> struct IntegerBinary {
  template <typename T> struct At { static constexpr Run run = binary<T, T, F>; };
  static Run of(Type type) { return byInteger<At>(type); }
};
template <typename F> struct IntegerCompare {
  template <typename T> struct At { static constexpr Run run = binary<I1, T, F>; };
  static Run of(Type type) { return byInteger<At>(type); }
};
template <typename F> struct FloatUnary {
  template <typename T> struct At { static constexpr Run run = unary<T, T, F>; };
  static Run of(Type type) { return byFloat<At>(type); }
};
template <typename F> struct FloatBinary {
  template <typename T> struct At { static constexpr Run run = binary<T, T, F>; };
  static Run of(Type type) { return byFloat<At>(type); }
};
template <typename F> struct FloatCompare {
  template <typename T> struct At { static constexpr Run run = binary<I1, T, F>; };
  static Run of(Type type) { return byFloat<At>(type); }
};
template <typename F> struct FloatTernary {
  template <typename T> struct At { static constexpr Run run = ternary<T, F>; };
  static Run of(Type type) { return byFloat<At>(type); }
};

using Finder = Run (*)(Type);
const llvm::StringMap<Finder> &binaries() {
  static const llvm::StringMap<Finder> table = {
      {"addi", IntegerBinary<Add>::of},    {"add", IntegerBinary<Add>::of},     {"subi", IntegerBinary<Sub>::of},
      {"sub", IntegerBinary<Sub>::of},     {"muli", IntegerBinary<Mul>::of},    {"mul", IntegerBinary<Mul>::of},
      {"divui", IntegerBinary<DivU>::of},  {"udiv", IntegerBinary<DivU>::of},   {"remui", IntegerBinary<RemU>::of},
      {"urem", IntegerBinary<RemU>::of},   {"divsi", IntegerBinary<DivS>::of},  {"sdiv", IntegerBinary<DivS>::of},
      {"remsi", IntegerBinary<RemS>::of},  {"srem", IntegerBinary<RemS>::of},   {"andi", IntegerBinary<And>::of},
      {"and", IntegerBinary<And>::of},     {"ori", IntegerBinary<Or>::of},      {"or", IntegerBinary<Or>::of},
      {"xori", IntegerBinary<Xor>::of},    {"xor", IntegerBinary<Xor>::of},     {"shli", IntegerBinary<Shl>::of},
      {"shl", IntegerBinary<Shl>::of},     {"shrui", IntegerBinary<ShrU>::of},  {"lshr", IntegerBinary<ShrU>::of},
      {"shrsi", IntegerBinary<ShrS>::of},  {"ashr", IntegerBinary<ShrS>::of},   {"minui", IntegerBinary<MinU>::of},
      {"maxui", IntegerBinary<MaxU>::of},  {"minsi", IntegerBinary<MinS>::of},  {"maxsi", IntegerBinary<MaxS>::of},
      {"addf", FloatBinary<Add>::of},      {"fadd", FloatBinary<Add>::of},      {"subf", FloatBinary<Sub>::of},
      {"fsub", FloatBinary<Sub>::of},      {"mulf", FloatBinary<Mul>::of},      {"fmul", FloatBinary<Mul>::of},
      {"divf", FloatBinary<Div>::of},      {"fdiv", FloatBinary<Div>::of},      {"minimumf", FloatBinary<Minimum>::of},
      {"maximumf", FloatBinary<Maximum>::of}, {"minnumf", FloatBinary<MinNum>::of}, {"maxnumf", FloatBinary<MaxNum>::of},
      {"copysign", FloatBinary<CopySign>::of}, {"intr.smin", IntegerBinary<MinS>::of}, {"intr.smax", IntegerBinary<MaxS>::of},
      {"intr.umin", IntegerBinary<MinU>::of}, {"intr.umax", IntegerBinary<MaxU>::of},
      {"intr.minnum", FloatBinary<MinNum>::of}, {"intr.maxnum", FloatBinary<MaxNum>::of},
      {"intr.minimum", FloatBinary<Minimum>::of}, {"intr.maximum", FloatBinary<Maximum>::of}};
  return table;
}
const llvm::StringMap<Finder> &unaries() {
  static const llvm::StringMap<Finder> table = {
      {"negf", FloatUnary<Neg>::of},         {"fneg", FloatUnary<Neg>::of},        {"absf", FloatUnary<Abs>::of},
      {"sqrt", FloatUnary<Sqrt>::of},        {"floor", FloatUnary<Floor>::of},     {"roundeven", FloatUnary<RoundEven>::of},
      {"intr.fabs", FloatUnary<Abs>::of},    {"intr.sqrt", FloatUnary<Sqrt>::of},  {"intr.floor", FloatUnary<Floor>::of},
      {"intr.roundeven", FloatUnary<RoundEven>::of}};
  return table;
}

Run integerCompare(unsigned predicate, Type type) { // numbered alike in arith and llvm
  static const Finder table[] = {IntegerCompare<Eq>::of,  IntegerCompare<Ne>::of,  IntegerCompare<LtS>::of,
                                 IntegerCompare<LeS>::of, IntegerCompare<GtS>::of, IntegerCompare<GeS>::of,
                                 IntegerCompare<LtU>::of, IntegerCompare<LeU>::of, IntegerCompare<GtU>::of,
                                 IntegerCompare<GeU>::of};
  return predicate < 10 ? table[predicate](type) : nullptr;
}
Run floatCompare(arith::CmpFPredicate predicate, Type type) {
  using P = arith::CmpFPredicate;
  switch (predicate) {
  case P::OEQ: return FloatCompare<OEq>::of(type);
  case P::OGT: return FloatCompare<OGt>::of(type);
  case P::OGE: return FloatCompare<OGe>::of(type);
  case P::OLT: return FloatCompare<OLt>::of(type);
  case P::OLE: return FloatCompare<OLe>::of(type);
  case P::ONE: return FloatCompare<ONe>::of(type);
  case P::ORD: return FloatCompare<Ordered>::of(type);
  case P::UEQ: return FloatCompare<UEq>::of(type);
  case P::UGT: return FloatCompare<UGt>::of(type);
  case P::UGE: return FloatCompare<UGe>::of(type);
  case P::ULT: return FloatCompare<ULt>::of(type);
  case P::ULE: return FloatCompare<ULe>::of(type);
  case P::UNE: return FloatCompare<UNe>::of(type);
  case P::UNO: return FloatCompare<Unordered>::of(type);
  default: return nullptr;
  }
}

struct ZeroExtend { template <typename T> static uint64_t apply(T a) { return a; } };
struct SignExtendNibble { static uint64_t apply(uint8_t a) { return uint64_t(int64_t(a ^ 8) - 8); } };
template <typename D, typename A> struct ExtendBy { using Function = SignExtend; };
template <typename D> struct ExtendBy<D, I1> { using Function = SignExtendBit; };
template <typename D> struct ExtendBy<D, I4> { using Function = SignExtendNibble; };
template <typename D> struct Widen { template <typename T> struct At { static constexpr Run run = unary<D, T, ZeroExtend>; }; };
template <typename D> struct WidenSigned {
  template <typename T> struct At { static constexpr Run run = unary<D, T, typename ExtendBy<D, T>::Function>; };
};
template <template <typename> class By> Run resize(Type from, Type to) {
  if (to.isInteger(4))
    return byInteger<By<I4>::template At>(from);
  if (from.isInteger(4))
    return to.isInteger(8) ? By<I8>::template At<I4>::run : to.isInteger(16) ? By<I16>::template At<I4>::run
           : to.isInteger(32) ? By<I32>::template At<I4>::run : to.isInteger(64) ? By<I64>::template At<I4>::run : nullptr;
  unsigned width = isa<LLVM::LLVMPointerType>(to) ? rowsOf(to) * 32 : cast<IntegerType>(to).getWidth();
  switch (width) {
  case 1: return byInteger<By<I1>::template At>(from);
  case 8: return byInteger<By<I8>::template At>(from);
  case 16: return byInteger<By<I16>::template At>(from);
  case 32: return byInteger<By<I32>::template At>(from);
  case 64: return byInteger<By<I64>::template At>(from);
  }
  return nullptr;
}

template <typename D> struct FromInteger {
  template <typename T> struct Signed { static constexpr Run run = unary<D, T, FromSigned>; };
  template <typename T> struct Unsigned { static constexpr Run run = unary<D, T, FromUnsigned>; };
};
template <typename A> struct ToInteger {
  template <typename T> struct Signed { static constexpr Run run = unary<T, A, ToSigned<typename T::Value>>; };
  template <typename T> struct Unsigned { static constexpr Run run = unary<T, A, ToUnsigned<typename T::Value>>; };
};
Run fromInteger(Type from, Type to, bool isSigned) {
  if (to.isF32())
    return isSigned ? byInteger<FromInteger<F32>::Signed>(from) : byInteger<FromInteger<F32>::Unsigned>(from);
  return nullptr; // to f16 through f32 would round twice
}
Run toInteger(Type from, Type to, bool isSigned) {
  if (from.isF32())
    return isSigned ? byInteger<ToInteger<F32>::Signed>(to) : byInteger<ToInteger<F32>::Unsigned>(to);
  if (from.isF16())
    return isSigned ? byInteger<ToInteger<F16>::Signed>(to) : byInteger<ToInteger<F16>::Unsigned>(to);
  if (from.isBF16())
    return isSigned ? byInteger<ToInteger<BF16>::Signed>(to) : byInteger<ToInteger<BF16>::Unsigned>(to);
  return nullptr;
}
Run changeFloat(Type from, Type to) {
  if (from.isF16() && to.isF32())
    return unary<F32, F16, Same>;
  if (from.isBF16() && to.isF32())
    return unary<F32, BF16, Same>;
  if (from.isF32() && to.isF16())
    return unary<F16, F32, Same>;
  if (from.isF32() && to.isBF16())
    return unary<BF16, F32, Same>;
  return nullptr;
}

//===--- Device operations ----------------------------------------------------------===//

void lop3(Warp &warp, const Instruction &i) {
  const uint32_t *a = warp.row(i.a), *b = warp.row(i.b), *c = warp.row(i.c);
  uint32_t *d = warp.row(i.dst);
  uint32_t table[8];
  for (unsigned k = 0; k < 8; ++k)
    table[k] = i.number >> k & 1 ? all : 0;
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = (a[l] & ((b[l] & ((c[l] & table[7]) | (~c[l] & table[6]))) | (~b[l] & ((c[l] & table[5]) | (~c[l] & table[4]))))) |
           (~a[l] & ((b[l] & ((c[l] & table[3]) | (~c[l] & table[2]))) | (~b[l] & ((c[l] & table[1]) | (~c[l] & table[0])))));
  warp.states[i.dst] = combined(warp, i, warp.states[i.a] | warp.states[i.b] | warp.states[i.c]);
}
void permute(Warp &warp, const Instruction &i) { // prmt, default mode
  const uint32_t *a = warp.row(i.a), *b = warp.row(i.b), *c = warp.row(i.c);
  uint32_t *d = warp.row(i.dst);
  for (unsigned l = 0; l < lanes; ++l) {
    uint64_t bytes = uint64_t(b[l]) << 32 | a[l];
    uint32_t result = 0;
    for (unsigned k = 0; k < 4; ++k) {
      uint32_t selector = c[l] >> (4 * k);
      uint32_t byte = uint8_t(bytes >> (8 * (selector & 7)));
      result |= (selector & 8 ? (byte & 0x80 ? 0xffu : 0u) : byte) << (8 * k);
    }
    d[l] = result;
  }
  warp.states[i.dst] = combined(warp, i, warp.states[i.a] | warp.states[i.b] | warp.states[i.c]);
}
void packS8(Warp &warp, const Instruction &i) {
  const uint32_t *high = warp.row(i.a), *low = warp.row(i.b), *rest = warp.row(i.c);
  uint32_t *d = warp.row(i.dst);
  auto sat = [](uint32_t x) {
    int32_t v = int32_t(x);
    return uint32_t(uint8_t(v < -128 ? -128 : v > 127 ? 127 : v));
  };
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = sat(low[l]) | sat(high[l]) << 8 | rest[l] << 16;
  warp.states[i.dst] = combined(warp, i, warp.states[i.a] | warp.states[i.b] | warp.states[i.c]);
}
template <typename H> void packHalf(Warp &warp, const Instruction &i) {
  const uint32_t *high = warp.row(i.a), *low = warp.row(i.b);
  uint32_t *d = warp.row(i.dst);
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = H::put(floatFromBits(low[l])) | H::put(floatFromBits(high[l])) << 16;
  warp.states[i.dst] = combined(warp, i, warp.states[i.a] | warp.states[i.b]);
}
void roundToInt(Warp &warp, const Instruction &i) {
  const uint32_t *a = warp.row(i.a);
  uint32_t *d = warp.row(i.dst);
  for (unsigned l = 0; l < lanes; ++l)
    d[l] = uint32_t(saturate<int32_t>(std::nearbyint(floatFromBits(a[l]))));
  warp.states[i.dst] = combined(warp, i, warp.states[i.a]);
}

/// a * b + c of 16-bit floats rounded once. The product is exact in float64; the sum is rounded to odd there and in
/// float32, so that the last rounding is the only one that counts (Boldo and Melquiond, 2008).
float fusedOdd(float a, float b, float c) {
  double p = double(a) * double(b), s = p + double(c);
  if (!std::isfinite(s))
    return float(s);
  double z = s - p, error = (p - (s - z)) + (double(c) - z);
  auto toOdd = [](double value, double rest) {
    uint64_t bits;
    std::memcpy(&bits, &value, 8);
    if (rest != 0 && !(bits & 1)) {
      bits += (rest > 0) == (value > 0) ? 1 : -1;
      std::memcpy(&value, &bits, 8);
    }
    return value;
  };
  s = toOdd(s, error);
  float f = float(s);
  double rest = s - double(f);
  uint32_t bits = floatBits(f);
  if (rest != 0 && std::isfinite(f) && f != 0 && !(bits & 1))
    f = floatFromBits(bits + ((rest > 0) == (f > 0) ? 1 : -1));
  return f;
}
template <typename H, unsigned function> void packedMath(Warp &warp, const Instruction &i) {
  const uint32_t *a = warp.row(i.a), *b = warp.row(i.b), *c = warp.row(i.c);
  uint32_t *d = warp.row(i.dst);
  for (unsigned l = 0; l < lanes; ++l) {
    uint32_t result = 0;
    for (unsigned half = 0; half < 32; half += 16) {
      float x = H::get(a[l] >> half & 0xffff), y = H::get(b[l] >> half & 0xffff), z = H::get(c[l] >> half & 0xffff);
      float value = function == 0 ? x + y : function == 1 ? x * y : function == 2 ? fusedOdd(x, y, z) : x - y;
      result |= H::put(value) << half;
    }
    d[l] = result;
  }
  warp.states[i.dst] = combined(warp, i, warp.states[i.a] | warp.states[i.b] | warp.states[i.c]);
}
template <typename H> Run packedMathOf(kernel::HalfMath function) {
  switch (function) {
  case kernel::HalfMath::Add: return packedMath<H, 0>;
  case kernel::HalfMath::Mul: return packedMath<H, 1>;
  case kernel::HalfMath::Fma: return packedMath<H, 2>;
  case kernel::HalfMath::Sub: return packedMath<H, 3>;
  }
  return nullptr;
}

/// Bits of elements of one width as elements of another: the elements' bytes, lowest first.
void regroup(Warp &warp, const Instruction &i) { // count: elements in; number: widths in | out << 8 (bytes), elements out << 16
  unsigned from = i.number & 0xff, to = i.number >> 8 & 0xff, out = unsigned(i.number >> 16);
  uint32_t poison = 0;
  uint64_t tags = 0;
  for (unsigned e = 0; e < i.count; ++e)
    poison |= warp.poison(i.a + e * (from == 8 ? 2 : 1)), tags |= warp.states[i.a + e * (from == 8 ? 2 : 1)];
  combined(warp, i, tags);
  for (unsigned l = 0; l < lanes; ++l) {
    uint8_t bytes[256];
    for (unsigned e = 0; e < i.count; ++e) {
      if (from == 8)
        std::memcpy(bytes + e * 8, warp.wide(i.a + e * 2) + l, 8);
      else
        std::memcpy(bytes + e * from, warp.row(i.a + e) + l, from);
    }
    for (unsigned e = 0; e < out; ++e) {
      if (to == 8) {
        std::memcpy(warp.wide(i.dst + e * 2) + l, bytes + e * 8, 8);
      } else {
        uint32_t value = 0;
        std::memcpy(&value, bytes + e * to, to);
        warp.row(i.dst + e)[l] = value;
      }
    }
  }
  for (unsigned e = 0; e < out; ++e)
    warp.states[i.dst + e * (to == 8 ? 2 : 1)] = poison;
}
void undefine(Warp &warp, const Instruction &i) {
  for (unsigned e = 0; e < i.count; ++e) {
    std::memset(warp.row(i.dst + e), 0x5a, lanes * 4);
    warp.states[i.dst + e] = all;
  }
}
unsigned bytesOf(Type type) {
  if (isa<LLVM::LLVMPointerType>(type))
    return rowsOf(type) * 4;
  return type.isIntOrFloat() ? (type.getIntOrFloatBitWidth() + 7) / 8 : 0;
}

} // namespace

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// One instruction an element. Operands of vectors advance; `stride`s follow the types.
static bool elementwise(Decoder &decoder, Operation *op, llvm::function_ref<Run(Type from, Type to)> find) {
  auto types = elementsOf(op->getResult(0).getType());
  Type from = elementsOf(op->getOperand(op->getNumOperands() == 3 ? 1 : 0).getType())[0];
  Run run = find(from, types[0]);
  if (!run)
    return false;
  SmallVector<uint32_t> at, step;
  for (Value operand : op->getOperands()) {
    at.push_back(decoder.use(operand));
    bool many = isa<VectorType>(operand.getType());
    step.push_back(many ? rowsOf(elementsOf(operand.getType())[0]) : 0);
  }
  uint32_t dst = decoder.define(op->getResult(0));
  for (unsigned e = 0; e < types.size(); ++e) {
    Instruction &i = decoder.emit(run, op);
    i.dst = dst;
    i.a = at[0];
    i.b = at.size() > 1 ? at[1] : at[0];
    i.c = at.size() > 2 ? at[2] : at[0];
    dst += rowsOf(types[e]);
    for (unsigned k = 0; k < at.size(); ++k)
      at[k] += step[k];
  }
  return true;
}

static bool decodeConstant(Decoder &decoder, Value result, Attribute attribute) {
  auto bits = [](Attribute value) -> std::optional<uint64_t> {
    if (auto integer = dyn_cast<IntegerAttr>(value))
      return integer.getValue().getZExtValue();
    if (auto real = dyn_cast<FloatAttr>(value))
      return real.getValue().bitcastToAPInt().getZExtValue();
    return std::nullopt;
  };
  if (auto value = bits(attribute)) {
    decoder.alias(result, decoder.constant(*value, rowsOf(result.getType()) == 2));
    return true;
  }
  auto elements = dyn_cast<DenseElementsAttr>(attribute);
  if (!elements)
    return false;
  SmallVector<std::array<uint32_t, 3>> list;
  uint32_t dst = decoder.define(result);
  for (Attribute element : elements.getValues<Attribute>()) {
    unsigned rows = rowsOf(elements.getElementType());
    list.push_back({decoder.constant(*bits(element), rows == 2), dst, rows == 2});
    dst += rows;
  }
  decoder.copy(list, result.getDefiningOp());
  return true;
}

static void copyElements(Decoder &decoder, uint32_t from, uint32_t to, Type type, Operation *op) {
  SmallVector<std::array<uint32_t, 3>> list;
  for (Type element : elementsOf(type)) {
    list.push_back({from, to, rowsOf(element) == 2});
    from += rowsOf(element), to += rowsOf(element);
  }
  decoder.copy(list, op);
}

static bool decodeAggregate(Decoder &decoder, Operation *op) {
  auto rowsBefore = [](Type type, int64_t index) {
    unsigned rows = 0;
    auto elements = elementsOf(type);
    for (int64_t i = 0; i < index; ++i)
      rows += rowsOf(elements[size_t(i)]);
    return rows;
  };
  if (auto extract = dyn_cast<LLVM::ExtractValueOp>(op)) {
    if (extract.getPosition().size() != 1)
      return false;
    decoder.alias(extract.getResult(), decoder.use(extract.getContainer()) +
                                           rowsBefore(extract.getContainer().getType(), extract.getPosition()[0]));
    return true;
  }
  if (auto extract = dyn_cast<vector::ExtractOp>(op)) {
    if (extract.getStaticPosition().size() != 1 || extract.hasDynamicPosition())
      return false;
    decoder.alias(extract.getResult(), decoder.use(extract.getSource()) +
                                           rowsBefore(extract.getSource().getType(), extract.getStaticPosition()[0]));
    return true;
  }
  if (auto insert = dyn_cast<LLVM::InsertValueOp>(op)) {
    if (insert.getPosition().size() != 1)
      return false;
    uint32_t container = decoder.use(insert.getContainer()), value = decoder.use(insert.getValue());
    uint32_t dst = decoder.define(insert.getResult());
    copyElements(decoder, container, dst, insert.getResult().getType(), op);
    copyElements(decoder, value, dst + rowsBefore(insert.getResult().getType(), insert.getPosition()[0]),
                 insert.getValue().getType(), op);
    return true;
  }
  if (auto insert = dyn_cast<vector::InsertOp>(op)) {
    if (insert.getStaticPosition().size() != 1 || insert.hasDynamicPosition())
      return false;
    uint32_t container = decoder.use(insert.getDest()), value = decoder.use(insert.getValueToStore());
    uint32_t dst = decoder.define(insert.getResult());
    copyElements(decoder, container, dst, insert.getResult().getType(), op);
    copyElements(decoder, value, dst + rowsBefore(insert.getResult().getType(), insert.getStaticPosition()[0]),
                 insert.getValueToStore().getType(), op);
    return true;
  }
  if (auto build = dyn_cast<vector::FromElementsOp>(op)) {
    uint32_t dst = decoder.define(build.getResult());
    for (Value element : build.getElements()) {
      copyElements(decoder, decoder.use(element), dst, element.getType(), op);
      dst += rowsOf(element.getType());
    }
    return true;
  }
  if (auto broadcast = dyn_cast<vector::BroadcastOp>(op)) {
    Type source = broadcast.getSource().getType();
    if (isa<VectorType>(source))
      return false;
    uint32_t dst = decoder.define(broadcast.getResult());
    for (int64_t e = 0; e < broadcast.getResultVectorType().getNumElements(); ++e, dst += rowsOf(source))
      copyElements(decoder, decoder.use(broadcast.getSource()), dst, source, op);
    return true;
  }
  if (auto pin = dyn_cast<kernel::PinOp>(op)) {
    for (auto [input, output] : llvm::zip(pin.getInputs(), pin.getOutputs()))
      decoder.alias(output, decoder.use(input));
    return true;
  }
  if (isa<LLVM::UndefOp, LLVM::PoisonOp, ub::PoisonOp>(op)) {
    uint32_t dst = decoder.define(op->getResult(0));
    Instruction &i = decoder.emit(undefine, op);
    i.count = rowsOf(op->getResult(0).getType());
    i.dst = dst;
    return true;
  }
  if (isa<LLVM::ZeroOp>(op)) {
    uint32_t dst = decoder.define(op->getResult(0));
    SmallVector<std::array<uint32_t, 3>> list;
    for (Type type : elementsOf(op->getResult(0).getType())) {
      bool wide = rowsOf(type) == 2;
      list.push_back({decoder.constant(0, wide), dst, wide});
      dst += rowsOf(type);
    }
    decoder.copy(list, op);
    return true;
  }
  return false;
}

static bool decodeCast(Decoder &decoder, Operation *op) {
  if (!isa<LLVM::BitcastOp, arith::BitcastOp, LLVM::PtrToIntOp, LLVM::IntToPtrOp, LLVM::AddrSpaceCastOp, LLVM::FreezeOp>(op))
    return false;
  if (isWordOfHalves(op->getResult(0)))
    return true; // mma takes the word as it is
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  auto in = elementsOf(from), out = elementsOf(to);
  if (in.size() == out.size() && rowsOf(from) == rowsOf(to)) {
    decoder.alias(op->getResult(0), decoder.use(op->getOperand(0)));
    return true;
  }
  if (isa<LLVM::AddrSpaceCastOp>(op))
    return false;
  if (isa<LLVM::PtrToIntOp, LLVM::IntToPtrOp>(op))
    return elementwise(decoder, op, [](Type from, Type to) { return resize<Widen>(from, to); });
  uint32_t a = decoder.use(op->getOperand(0)), dst = decoder.define(op->getResult(0));
  Instruction &i = decoder.emit(regroup, op);
  i.a = a, i.dst = dst;
  i.count = unsigned(in.size());
  i.number = bytesOf(in[0]) | bytesOf(out[0]) << 8 | unsigned(out.size()) << 16;
  return in.size() * bytesOf(in[0]) <= 256;
}

bool emulator::decodeArithmetic(Decoder &decoder, Operation *op) {
  StringRef dialect = op->getName().getDialectNamespace(), name = op->getName().stripDialect();
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return decodeConstant(decoder, constant.getResult(), constant.getValue());
  if (auto constant = dyn_cast<LLVM::ConstantOp>(op))
    return decodeConstant(decoder, constant.getResult(), constant.getValue());
  if (decodeAggregate(decoder, op) || decodeCast(decoder, op))
    return true;
  auto three = [&](Run run, int64_t number = 0) {
    uint32_t at[3];
    for (unsigned k = 0; k < 3; ++k)
      at[k] = decoder.use(op->getOperand(std::min(k, op->getNumOperands() - 1)));
    uint32_t dst = decoder.define(op->getResult(0));
    Instruction &i = decoder.emit(run, op);
    i.dst = dst, i.a = at[0], i.b = at[1], i.c = at[2], i.number = number;
    return run != nullptr;
  };
  if (auto lop = dyn_cast<kernel::Lop3Op>(op))
    return three(lop3, lop.getTable());
  if (isa<kernel::PackS8Op>(op))
    return three(packS8);
  if (auto pack = dyn_cast<kernel::PackHalfOp>(op))
    return three(pack.getType().isF16() ? packHalf<F16> : packHalf<BF16>);
  if (isa<kernel::RoundToIntOp>(op))
    return three(roundToInt);
  if (auto math = dyn_cast<kernel::PackedMathOp>(op))
    return three(math.getType().isF16() ? packedMathOf<F16>(math.getFunction()) : packedMathOf<BF16>(math.getFunction()));
  if (auto prmt = dyn_cast<NVVM::PermuteOp>(op)) {
    if (prmt.getMode() != NVVM::PermuteMode::DEFAULT || !prmt.getHi())
      return false;
    return three(permute);
  }
  if (dialect != "arith" && dialect != "math" && dialect != "llvm")
    return false;
  if (isa<arith::SelectOp, LLVM::SelectOp>(op))
    return elementwise(decoder, op, [](Type from, Type) -> Run {
      return rowsOf(from) == 2 ? select<uint64_t> : select<uint32_t>;
    });
  if (isa<math::FmaOp, LLVM::FMAOp>(op))
    return elementwise(decoder, op, [](Type from, Type) -> Run {
      return from.isF32() ? ternary<F32, Fma> : nullptr;
    });
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    return elementwise(decoder, op, [&](Type from, Type) { return integerCompare(unsigned(compare.getPredicate()), from); });
  if (auto compare = dyn_cast<LLVM::ICmpOp>(op))
    return elementwise(decoder, op, [&](Type from, Type) { return integerCompare(unsigned(compare.getPredicate()), from); });
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return elementwise(decoder, op, [&](Type from, Type) { return floatCompare(compare.getPredicate(), from); });
  if (isa<arith::ExtUIOp, arith::TruncIOp, LLVM::ZExtOp, LLVM::TruncOp>(op))
    return elementwise(decoder, op, [](Type from, Type to) { return resize<Widen>(from, to); });
  if (isa<arith::ExtSIOp, LLVM::SExtOp>(op))
    return elementwise(decoder, op, [](Type from, Type to) { return resize<WidenSigned>(from, to); });
  if (isa<arith::SIToFPOp, LLVM::SIToFPOp>(op))
    return elementwise(decoder, op, [](Type from, Type to) { return fromInteger(from, to, true); });
  if (isa<arith::UIToFPOp, LLVM::UIToFPOp>(op))
    return elementwise(decoder, op, [](Type from, Type to) { return fromInteger(from, to, false); });
  if (isa<arith::FPToSIOp, LLVM::FPToSIOp>(op))
    return elementwise(decoder, op, [](Type from, Type to) { return toInteger(from, to, true); });
  if (isa<arith::FPToUIOp, LLVM::FPToUIOp>(op))
    return elementwise(decoder, op, [](Type from, Type to) { return toInteger(from, to, false); });
  if (isa<arith::ExtFOp, arith::TruncFOp, LLVM::FPExtOp, LLVM::FPTruncOp>(op))
    return elementwise(decoder, op, changeFloat);
  if (op->getNumResults() == 1 && op->getNumOperands() == 2)
    if (auto found = binaries().find(name); found != binaries().end())
      return elementwise(decoder, op, [&](Type from, Type) { return found->second(from); });
  if (op->getNumResults() == 1 && op->getNumOperands() == 1)
    if (auto found = unaries().find(name); found != unaries().end())
      return elementwise(decoder, op, [&](Type from, Type) { return found->second(from); });
  return false;
}
