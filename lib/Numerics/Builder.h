//===- Builder.h - the operations that float functions are written in ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// FloatFunctions.h and Reduce.h are templates over a builder B, so that one definition serves the interpreter (one
// float at a time) and the code generator (IR values that hold a vector of lanes). A builder offers
//
//   types   F (float32), I (int32, wrapping), M (a truth value per lane); F and I may be the same C++ type
//   F constant(float)            I constant(int32_t)
//   F add sub mul div (F,F)      F fma(a,b,c) = a*b+c with one rounding      F sqrt abs neg floor roundEven (F)
//   F copysign(magnitude, sign)
//   F min(a,b) = a < b ? a : b   F max(a,b) = a > b ? a : b: the second operand when either is NaN or both are zero
//   I toInt(F): truncation; the caller keeps NaN and out-of-range values away      F toFloat(I): round to nearest even
//   I bitcastToInt(F)            F bitcastToFloat(I)
//   I addi subi andi ori xori (I,I)                  I shl lshr ashr (I, int amount)
//   M lt le gt ge eq ne (F,F): false on NaN, but ne  M isNaN(F)              M lti eqi (I,I), signed
//   select(M, F, F), select(M, I, I)
//
// Every one is correctly rounded (INTEGER F1); nothing is contracted or reordered.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_LIB_NUMERICS_BUILDER_H
#define BITWRIGHT_LIB_NUMERICS_BUILDER_H

#include "lib/Numerics/Integer.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace bitwright {
namespace numerics {

/// The builder of the interpreter: computes at once, on one float.
struct ScalarBuilder {
  using F = float;
  using I = int32_t;
  using M = bool;

  F constant(float v) { return v; }
  I constant(int32_t v) { return v; }

  F add(F a, F b) { return a + b; }
  F sub(F a, F b) { return a - b; }
  F mul(F a, F b) { return a * b; }
  F div(F a, F b) { return a / b; }
  F fma(F a, F b, F c) { return std::fma(a, b, c); }
  F sqrt(F a) { return std::sqrt(a); }
  F abs(F a) { return std::fabs(a); }
  F neg(F a) { return -a; }
  F copysign(F magnitude, F sign) { return std::copysign(magnitude, sign); }
  F floor(F a) { return std::floor(a); }
  F roundEven(F a) { return numerics::roundEven(a); }
  F min(F a, F b) { return a < b ? a : b; }
  F max(F a, F b) { return a > b ? a : b; }

  I toInt(F a) { return int32_t(a); }
  F toFloat(I a) { return float(a); }
  I bitcastToInt(F a) {
    int32_t i;
    std::memcpy(&i, &a, 4);
    return i;
  }
  F bitcastToFloat(I a) {
    float f;
    std::memcpy(&f, &a, 4);
    return f;
  }
  I addi(I a, I b) { return int32_t(uint32_t(a) + uint32_t(b)); }
  I subi(I a, I b) { return int32_t(uint32_t(a) - uint32_t(b)); }
  I andi(I a, I b) { return a & b; }
  I ori(I a, I b) { return a | b; }
  I xori(I a, I b) { return a ^ b; }
  I shl(I a, int amount) { return int32_t(uint32_t(a) << amount); }
  I lshr(I a, int amount) { return int32_t(uint32_t(a) >> amount); }
  I ashr(I a, int amount) { return a >> amount; }

  M lt(F a, F b) { return a < b; }
  M le(F a, F b) { return a <= b; }
  M gt(F a, F b) { return a > b; }
  M ge(F a, F b) { return a >= b; }
  M eq(F a, F b) { return a == b; }
  M ne(F a, F b) { return a != b; }
  M isNaN(F a) { return a != a; }
  M lti(I a, I b) { return a < b; }
  M eqi(I a, I b) { return a == b; }

  F select(M m, F a, F b) { return m ? a : b; }
  I select(M m, I a, I b) { return m ? a : b; }
};

} // namespace numerics
} // namespace bitwright

#endif // BITWRIGHT_LIB_NUMERICS_BUILDER_H
