//===- ArithBuilder.h - the float functions' builder over scalar arith -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The builder B of lib/Numerics/FloatFunctions.h over scalar f32 and i32 values of the arith and math dialects: what
// the regions of kernel.gemm and kernel.rows are made of. The same definitions as interpreter and x86 code, so the same
// bits.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_LOWER_SELECTKERNELS_ARITHBUILDER_H
#define BITWRIGHT_PASSES_LOWER_SELECTKERNELS_ARITHBUILDER_H

#include "lib/Numerics/FloatFunctions.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace bitwright {

struct ArithBuilder {
  using F = mlir::Value;
  using I = mlir::Value;
  using M = mlir::Value;

  ArithBuilder(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

  F constant(float v) { return make<mlir::arith::ConstantOp>(b.getF32FloatAttr(v)); }
  I constant(int32_t v) { return make<mlir::arith::ConstantOp>(b.getI32IntegerAttr(v)); }

  F add(F a, F b) { return make<mlir::arith::AddFOp>(a, b); }
  F sub(F a, F b) { return make<mlir::arith::SubFOp>(a, b); }
  F mul(F a, F b) { return make<mlir::arith::MulFOp>(a, b); }
  F div(F a, F b) { return make<mlir::arith::DivFOp>(a, b); }
  F fma(F a, F b, F c) { return make<mlir::math::FmaOp>(a, b, c); }
  F sqrt(F a) { return make<mlir::math::SqrtOp>(a); }
  F abs(F a) { return make<mlir::math::AbsFOp>(a); }
  F neg(F a) { return make<mlir::arith::NegFOp>(a); }
  F copysign(F magnitude, F sign) { return make<mlir::math::CopySignOp>(magnitude, sign); }
  F floor(F a) { return make<mlir::math::FloorOp>(a); }
  F roundEven(F a) { return make<mlir::math::RoundEvenOp>(a); }
  F min(F a, F b) { return select(lt(a, b), a, b); }
  F max(F a, F b) { return select(gt(a, b), a, b); }

  I toInt(F a) { return make<mlir::arith::FPToSIOp>(b.getI32Type(), a); }
  F toFloat(I a) { return make<mlir::arith::SIToFPOp>(b.getF32Type(), a); }
  I bitcastToInt(F a) { return make<mlir::arith::BitcastOp>(b.getI32Type(), a); }
  F bitcastToFloat(I a) { return make<mlir::arith::BitcastOp>(b.getF32Type(), a); }
  I addi(I a, I b) { return make<mlir::arith::AddIOp>(a, b); }
  I subi(I a, I b) { return make<mlir::arith::SubIOp>(a, b); }
  I andi(I a, I b) { return make<mlir::arith::AndIOp>(a, b); }
  I ori(I a, I b) { return make<mlir::arith::OrIOp>(a, b); }
  I xori(I a, I b) { return make<mlir::arith::XOrIOp>(a, b); }
  I shl(I a, int amount) { return make<mlir::arith::ShLIOp>(a, constant(int32_t(amount))); }
  I lshr(I a, int amount) { return make<mlir::arith::ShRUIOp>(a, constant(int32_t(amount))); }
  I ashr(I a, int amount) { return make<mlir::arith::ShRSIOp>(a, constant(int32_t(amount))); }

  M lt(F a, F b) { return compare(mlir::arith::CmpFPredicate::OLT, a, b); }
  M le(F a, F b) { return compare(mlir::arith::CmpFPredicate::OLE, a, b); }
  M gt(F a, F b) { return compare(mlir::arith::CmpFPredicate::OGT, a, b); }
  M ge(F a, F b) { return compare(mlir::arith::CmpFPredicate::OGE, a, b); }
  M eq(F a, F b) { return compare(mlir::arith::CmpFPredicate::OEQ, a, b); }
  M ne(F a, F b) { return compare(mlir::arith::CmpFPredicate::UNE, a, b); }
  M isNaN(F a) { return compare(mlir::arith::CmpFPredicate::UNO, a, a); }
  M lti(I a, I b) { return compare(mlir::arith::CmpIPredicate::slt, a, b); }
  M eqi(I a, I b) { return compare(mlir::arith::CmpIPredicate::eq, a, b); }

  F select(M m, F a, F b) { return make<mlir::arith::SelectOp>(m, a, b); }

  M compare(mlir::arith::CmpFPredicate predicate, F x, F y) { return make<mlir::arith::CmpFOp>(predicate, x, y); }
  M compare(mlir::arith::CmpIPredicate predicate, I x, I y) { return make<mlir::arith::CmpIOp>(predicate, x, y); }
  /// A constant of an integer type.
  I constantOf(mlir::Type type, int64_t v) { return make<mlir::arith::ConstantOp>(b.getIntegerAttr(type, v)); }
  template <typename Op, typename... Args> mlir::Value make(Args... args) { return b.createOrFold<Op>(loc, args...); }

  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace bitwright

#endif
