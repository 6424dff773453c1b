//===- GemmPack.cpp - runs of input elements to scratch --------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/Gemm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace bitwright::x86 {

RunCopier::RunCopier(KernelBuilder &k, Type source, PanelKind kind)
    : k(k), source(source), kind(kind), targetBytes(MicroKernel::elementBytesOfA(k.isa, kind)) {
  target = kind == PanelKind::Floats ? k.f32() : k.intType(targetBytes * 8);
}

int64_t RunCopier::sourceBytes() const { return source.getIntOrFloatBitWidth() / 8; }
Type RunCopier::fillType() const { return k.vec(target, 64 / targetBytes); }

Value RunCopier::convert(Value vector) {
  if (kind == PanelKind::Floats || kind == PanelKind::Nibbles)
    return vector;
  unsigned lanes = KernelBuilder::lanesOf(vector.getType());
  if (kind == PanelKind::Words || kind == PanelKind::WideBytes)
    return vector.getType() == k.vec(target, lanes)
               ? vector
               : Value(arith::ExtSIOp::create(k.b, k.loc, k.vec(target, lanes), vector));
  // code + 128 as an unsigned byte: flip the sign bit.
  Value shifted = arith::XOrIOp::create(k.b, k.loc, vector, k.constantInt(vector.getType(), -128));
  return targetBytes == 1 ? shifted : Value(arith::ExtUIOp::create(k.b, k.loc, k.vec(target, lanes), shifted));
}

std::vector<uint8_t> RunCopier::fillBytes(int64_t zeroPoint) const {
  // The same 64 bytes for every instruction set: the unsigned code as bytes, or the code as words; AVX2 widens the
  // former.
  std::vector<uint8_t> bytes(64);
  for (int64_t i = 0; i < 64; ++i)
    bytes[i] = kind == PanelKind::Bytes                                   ? uint8_t(zeroPoint + 128)
               : kind == PanelKind::Nibbles                               ? uint8_t(zeroPoint)
               : kind == PanelKind::Words || kind == PanelKind::WideBytes ? uint8_t(uint64_t(zeroPoint) >> (i % 2 * 8))
                                                                          : 0;
  return bytes;
}

Value RunCopier::maskOf(Value count, unsigned lanes) {
  // All ones shifted right by lanes - count, for 1 <= count <= lanes.
  Type bits = k.intType(lanes);
  Value amount = k.sub(k.i64(lanes), count);
  if (lanes != 64)
    amount = arith::TruncIOp::create(k.b, k.loc, bits, amount);
  Value mask = arith::ShRUIOp::create(k.b, k.loc, k.constantInt(bits, -1), amount);
  return LLVM::BitcastOp::create(k.b, k.loc, k.vec(k.intType(1), lanes), mask);
}

void RunCopier::chunk(Value from, Value to, unsigned lanes, Value mask) {
  Value value = convert(k.load(source, lanes, from, mask));
  k.store(value, to);
}

void RunCopier::copy(Value from, Value to, Value count) {
  unsigned lanes = 64 / targetBytes;
  bool wide = k.isa != Isa::Avx2;
  auto fixed = KernelBuilder::constantOf(count);
  auto at = [&](Value pointer, Value i, int64_t bytes) { return k.gep(pointer, k.mul(i, bytes)); };
  if (wide) {
    if (fixed) {
      int64_t full = *fixed / lanes * lanes, rest = *fixed - full;
      if (full / lanes > 8)
        k.forLoop(k.i64(0), k.i64(full), lanes,
                  [&](Value i) { chunk(at(from, i, sourceBytes()), at(to, i, targetBytes), lanes, {}); });
      else
        for (int64_t i = 0; i < full; i += lanes)
          chunk(k.gep(from, i * sourceBytes()), k.gep(to, i * targetBytes), lanes, {});
      if (rest)
        chunk(k.gep(from, full * sourceBytes()), k.gep(to, full * targetBytes), lanes, maskOf(k.i64(rest), lanes));
      return;
    }
    Value full = k.mul(k.div(count, k.i64(lanes)), lanes);
    k.forLoop(k.i64(0), full, lanes,
              [&](Value i) { chunk(at(from, i, sourceBytes()), at(to, i, targetBytes), lanes, {}); });
    k.ifThen(k.less(full, count), [&] {
      chunk(at(from, full, sourceBytes()), at(to, full, targetBytes), lanes, maskOf(k.sub(count, full), lanes));
    });
    return;
  }
  // AVX2 has no masked bytes: 16 at a time, then ever smaller powers of two (or single elements).
  lanes = 16;
  if (fixed) {
    int64_t done = *fixed / lanes * lanes;
    if (done / lanes > 8)
      k.forLoop(k.i64(0), k.i64(done), lanes,
                [&](Value i) { chunk(at(from, i, sourceBytes()), at(to, i, targetBytes), lanes, {}); });
    else
      for (int64_t i = 0; i < done; i += lanes)
        chunk(k.gep(from, i * sourceBytes()), k.gep(to, i * targetBytes), lanes, {});
    for (unsigned part = 8; part; part /= 2)
      if (*fixed & part) {
        chunk(k.gep(from, done * sourceBytes()), k.gep(to, done * targetBytes), part, {});
        done += part;
      }
    return;
  }
  Value full = k.mul(k.div(count, k.i64(lanes)), lanes);
  k.forLoop(k.i64(0), full, lanes,
            [&](Value i) { chunk(at(from, i, sourceBytes()), at(to, i, targetBytes), lanes, {}); });
  k.forLoop(full, count, 1, [&](Value i) { chunk(at(from, i, sourceBytes()), at(to, i, targetBytes), 1, {}); });
}

void RunCopier::fill(Value vector, Value to, Value count) {
  int64_t lanes = 64 / targetBytes;
  auto fixed = KernelBuilder::constantOf(count);
  if (fixed && *fixed <= 8 * lanes) {
    for (int64_t i = 0; i < *fixed; i += lanes)
      k.store(vector, k.gep(to, i * targetBytes));
    return;
  }
  k.forLoop(k.i64(0), count, lanes, [&](Value i) { k.store(vector, k.gep(to, k.mul(i, targetBytes))); });
}

} // namespace bitwright::x86
