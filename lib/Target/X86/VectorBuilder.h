//===- VectorBuilder.h - the float functions' builder over IR --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// The builder B of lib/Numerics/FloatFunctions.h over MLIR values: f32 vectors of a fixed number of lanes (or scalars).
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_X86_VECTORBUILDER_H
#define BITWRIGHT_LIB_TARGET_X86_VECTORBUILDER_H

#include "lib/Numerics/FloatFunctions.h"
#include "lib/Target/X86/KernelBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace bitwright::x86 {

struct VectorBuilder {
  using F = mlir::Value;
  using I = mlir::Value;
  using M = mlir::Value;

  VectorBuilder(KernelBuilder &k, unsigned lanes)
      : k(k), floats(k.vec(k.f32(), lanes)), ints(k.vec(k.intType(32), lanes)), lanes(lanes) {}

  F constant(float v) { return k.constantFloat(v, lanes); }
  I constant(int32_t v) { return k.constantInt(ints, v); }

  F add(F a, F b) { return make<mlir::arith::AddFOp>(a, b); }
  F sub(F a, F b) { return make<mlir::arith::SubFOp>(a, b); }
  F mul(F a, F b) { return make<mlir::arith::MulFOp>(a, b); }
  F div(F a, F b) { return make<mlir::arith::DivFOp>(a, b); }
  F fma(F a, F b, F c) { return mlir::LLVM::FMAOp::create(k.b, k.loc, floats, a, b, c); }
  F sqrt(F a) { return mlir::LLVM::SqrtOp::create(k.b, k.loc, floats, a); }
  F abs(F a) { return mlir::LLVM::FAbsOp::create(k.b, k.loc, floats, a); }
  F neg(F a) { return make<mlir::arith::NegFOp>(a); }
  F copysign(F magnitude, F sign) { return mlir::LLVM::CopySignOp::create(k.b, k.loc, floats, magnitude, sign); }
  F floor(F a) { return mlir::LLVM::FFloorOp::create(k.b, k.loc, floats, a); }
  F roundEven(F a) { return mlir::LLVM::RoundEvenOp::create(k.b, k.loc, floats, a); }
  F min(F a, F b) { return select(lt(a, b), a, b); }
  F max(F a, F b) { return select(gt(a, b), a, b); }

  I toInt(F a) { return mlir::arith::FPToSIOp::create(k.b, k.loc, ints, a); }
  F toFloat(I a) { return mlir::arith::SIToFPOp::create(k.b, k.loc, floats, a); }
  I bitcastToInt(F a) { return mlir::arith::BitcastOp::create(k.b, k.loc, ints, a); }
  F bitcastToFloat(I a) { return mlir::arith::BitcastOp::create(k.b, k.loc, floats, a); }
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
  M lti(I a, I b) { return mlir::arith::CmpIOp::create(k.b, k.loc, mlir::arith::CmpIPredicate::slt, a, b); }
  M eqi(I a, I b) { return mlir::arith::CmpIOp::create(k.b, k.loc, mlir::arith::CmpIPredicate::eq, a, b); }

  F select(M m, F a, F b) { return mlir::arith::SelectOp::create(k.b, k.loc, m, a, b); }

private:
  template <typename Op, typename... Args> mlir::Value make(Args... args) { return Op::create(k.b, k.loc, args...); }
  M compare(mlir::arith::CmpFPredicate predicate, F a, F b) {
    return mlir::arith::CmpFOp::create(k.b, k.loc, predicate, a, b);
  }

  KernelBuilder &k;
  mlir::Type floats, ints;
  unsigned lanes;
};

} // namespace bitwright::x86

#endif
