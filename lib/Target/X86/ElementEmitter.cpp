//===- ElementEmitter.cpp - code for single elements of a region -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/ElementEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

Value ElementEmitter::fail(Operation *op, const Twine &message) {
  if (!failed)
    op->emitOpError() << message;
  failed = true;
  return {};
}

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

Value ElementEmitter::at(Value tensor, const Index &index) {
  if (failed)
    return {};
  if (auto it = overrides.find(tensor); it != overrides.end())
    return it->second(index);
  auto id = [](Value v) { return v ? reinterpret_cast<uintptr_t>(v.getAsOpaquePointer()) : 0; };
  KernelBuilder::Key key = {id(tensor), index.lanes, id(index.mask), id(index.active)};
  for (const DimIndex &d : index.dims)
    key.insert(key.end(), {d.lanes ? 0 : id(d.base), uintptr_t(d.step), id(d.lanes)});
  if (Value known = k.recall(memo, key))
    return known;
  Value value = emit(tensor, index);
  if (value)
    memo[key].push_back(value);
  return value;
}

Value ElementEmitter::emit(Value tensor, const Index &index) {
  assert(index.dims.size() == size_t(cast<RankedTensorType>(tensor.getType()).getRank()) && "one index a dimension");
  if (k.constant(tensor))
    return constantAt(tensor, index);
  if (isa<BlockArgument>(tensor))
    return load(k.memory(tensor), cast<RankedTensorType>(tensor.getType()).getElementType(), index);
  Operation *op = tensor.getDefiningOp();
  for (auto family : {&ElementEmitter::emitElementwise, &ElementEmitter::emitInteger, &ElementEmitter::emitMovement,
                      &ElementEmitter::emitWindow, &ElementEmitter::emitReduction}) {
    Value value = (this->*family)(op, index);
    if (value || failed)
      return value;
  }
  return fail(op, "has no x86 code as part of a fused region: expected elementwise, data movement, window or reduction "
                  "operations, or the anchor of "
                  "the region's template");
}

Value ElementEmitter::constantAt(Value tensor, const Index &index) {
  const ConstantTensor &constant = k.constantTensor(tensor);
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  if (!constant.isSplat)
    return load(constant.memory, element, index);
  if (isa<FloatType>(element))
    return k.constantFloat(constant.real, index.lanes);
  Type type = valueType(element, index.lanes);
  return k.constantInt(type, element.isInteger(1) ? constant.integer != 0 : constant.integer);
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

Type ElementEmitter::valueType(Type element, unsigned lanes) {
  if (isa<FloatType>(element))
    return k.vec(k.f32(), lanes);
  unsigned bits = element.getIntOrFloatBitWidth();
  return k.vec(k.intType(bits == 4 ? 8 : bits), lanes);
}

/// The integer or float type that an element has in memory.
static Type memoryType(KernelBuilder &k, Type element) {
  if (element.isF32() || element.isF16())
    return element;
  unsigned bits = element.getIntOrFloatBitWidth();
  return k.intType(bits < 8 ? 8 : bits);
}

static Value fromMemory(KernelBuilder &k, Value raw, Type element, Type valueType) {
  unsigned lanes = KernelBuilder::lanesOf(raw.getType());
  if (element.isF16())
    return arith::ExtFOp::create(k.b, k.loc, valueType, raw);
  if (element.isBF16()) {
    Type ints = k.vec(k.intType(32), lanes);
    Value wide = arith::ExtUIOp::create(k.b, k.loc, ints, raw);
    wide = arith::ShLIOp::create(k.b, k.loc, wide, k.constantInt(ints, 16));
    return arith::BitcastOp::create(k.b, k.loc, valueType, wide);
  }
  if (element.isInteger(1))
    return arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne, raw, k.constantInt(raw.getType(), 0));
  return raw;
}

/// bfloat16 bits of an f32 value, in 32-bit lanes (lib/Numerics/Half.h).
static Value bfloat16Bits(KernelBuilder &k, Value value) {
  unsigned lanes = KernelBuilder::lanesOf(value.getType());
  Type ints = k.vec(k.intType(32), lanes);
  auto constant = [&](int64_t v) { return k.constantInt(ints, v); };
  Value u = arith::BitcastOp::create(k.b, k.loc, ints, value);
  Value sixteen = constant(16);
  Value upper = arith::ShRUIOp::create(k.b, k.loc, u, sixteen);
  Value odd = arith::AndIOp::create(k.b, k.loc, upper, constant(1));
  Value sum = arith::AddIOp::create(k.b, k.loc, u, arith::AddIOp::create(k.b, k.loc, odd, constant(0x7fff)));
  Value rounded = arith::ShRUIOp::create(k.b, k.loc, sum, sixteen);
  Value quiet = arith::OrIOp::create(k.b, k.loc, upper, constant(0x40));
  Value isNaN = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::UNO, value, value);
  return arith::SelectOp::create(k.b, k.loc, isNaN, quiet, rounded);
}

static Value toMemory(KernelBuilder &k, Value value, Type element) {
  unsigned lanes = KernelBuilder::lanesOf(value.getType());
  if (element.isF16())
    return arith::TruncFOp::create(k.b, k.loc, k.vec(element, lanes), value);
  if (element.isBF16())
    return arith::TruncIOp::create(k.b, k.loc, k.vec(k.intType(16), lanes), bfloat16Bits(k, value));
  if (element.isInteger(1))
    return arith::ExtUIOp::create(k.b, k.loc, k.vec(k.intType(8), lanes), value);
  return value;
}

Value ElementEmitter::roundTo(Type element, Value value) {
  if (!isa<FloatType>(element) || element.isF32())
    return value;
  if (element.isF16())
    return fromMemory(k, toMemory(k, value, element), element, value.getType());
  Type ints = k.vec(k.intType(32), KernelBuilder::lanesOf(value.getType()));
  Value bits = arith::ShLIOp::create(k.b, k.loc, bfloat16Bits(k, value), k.constantInt(ints, 16));
  return arith::BitcastOp::create(k.b, k.loc, value.getType(), bits);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

namespace {
/// Where the lanes of an index lie: base + l * step (+ scattered[l]), in elements.
struct LaneOffsets {
  Value base;
  Value step;      ///< null: 0
  Value scattered; ///< null: none
};
} // namespace

static LaneOffsets offsetsOf(KernelBuilder &k, const TensorMemory &memory, const Index &index) {
  LaneOffsets result{k.i64(0), {}, {}};
  for (auto [dim, stride] : llvm::zip(index.dims, memory.strides)) {
    if (dim.lanes) {
      Value part = k.mul(dim.lanes, k.splat(stride, index.lanes));
      result.scattered = result.scattered ? k.add(result.scattered, part) : part;
      continue;
    }
    result.base = k.add(result.base, k.mul(dim.base, stride));
    if (dim.step && index.lanes > 1) {
      Value part = k.mul(stride, dim.step);
      result.step = result.step ? k.add(result.step, part) : part;
    }
  }
  if (result.step && KernelBuilder::constantOf(result.step) == 0)
    result.step = {};
  return result;
}

static int64_t bytesOf(Type element) { return std::max(1u, element.getIntOrFloatBitWidth() / 8); }

/// Element offset of lane l, as a scalar.
static Value laneOffset(KernelBuilder &k, const LaneOffsets &at, unsigned lane) {
  Value offset = at.base;
  if (at.step)
    offset = k.add(offset, k.mul(at.step, int64_t(lane)));
  if (at.scattered)
    offset = k.add(offset, vector::ExtractOp::create(k.b, k.loc, at.scattered, int64_t(lane)));
  return offset;
}

Value ElementEmitter::load(const TensorMemory &memory, Type element, const Index &index) {
  Type raw = memoryType(k, memory.element), result = valueType(element, index.lanes);
  int64_t size = bytesOf(raw);
  LaneOffsets at = offsetsOf(k, memory, index);
  if (!at.step && !at.scattered) {
    // One element for all lanes. An index that is switched off may be out of range: element 0 instead.
    Value offset = index.active ? k.select(index.active, at.base, k.i64(0)) : at.base;
    Value value = k.load(raw, 1, k.gep(memory.pointer, k.mul(offset, size)), {}, memory.readOnly);
    return k.splat(fromMemory(k, value, memory.element, valueType(element, 1)), index.lanes);
  }
  if (!at.scattered && KernelBuilder::constantOf(at.step) == 1) {
    Value pointer = k.gep(memory.pointer, k.mul(at.base, size));
    Value loaded;
    if (index.active && k.isa == Isa::Avx2) {
      // AVX2 masks only 32- and 64-bit elements: branch.
      Type type = k.vec(raw, index.lanes);
      loaded = k.ifElse(
          index.active, type, [&] { return k.load(raw, index.lanes, pointer, index.mask, memory.readOnly); },
          [&]() -> Value { return LLVM::ZeroOp::create(k.b, k.loc, type); });
    } else {
      Value mask = k.both(index.mask, index.active ? k.splat(index.active, index.lanes) : Value());
      loaded = k.load(raw, index.lanes, pointer, mask, memory.readOnly);
    }
    return fromMemory(k, loaded, memory.element, result);
  }
  Value mask = k.both(index.mask, index.active ? k.splat(index.active, index.lanes) : Value());
  if (mask) {
    // Lanes that are off read element 0.
    Value offsets = k.splat(at.base, index.lanes);
    if (at.step)
      offsets = k.add(offsets, k.mul(k.splat(at.step, index.lanes), k.laneIndices(k.i64(0), 1, index.lanes)));
    if (at.scattered)
      offsets = k.add(offsets, at.scattered);
    at = {k.i64(0), {}, arith::SelectOp::create(k.b, k.loc, mask, offsets, k.constantInt(offsets.getType(), 0))};
  }
  Value gathered = LLVM::UndefOp::create(k.b, k.loc, k.vec(raw, index.lanes));
  for (unsigned lane = 0; lane < index.lanes; ++lane) {
    Value value = k.load(raw, 1, k.gep(memory.pointer, k.mul(laneOffset(k, at, lane), size)), {}, memory.readOnly);
    gathered = vector::InsertOp::create(k.b, k.loc, value, gathered, int64_t(lane));
  }
  return fromMemory(k, gathered, memory.element, result);
}

void ElementEmitter::store(Value value, const TensorMemory &memory, Type element, const Index &index) {
  if (!value)
    return;
  int64_t size = bytesOf(memoryType(k, memory.element));
  LaneOffsets at = offsetsOf(k, memory, index);
  value = toMemory(k, value, memory.element);
  auto emitStore = [&] {
    if (index.lanes == 1 || (!at.scattered && at.step && KernelBuilder::constantOf(at.step) == 1)) {
      k.store(value, k.gep(memory.pointer, k.mul(at.base, size)), index.mask);
      return;
    }
    for (unsigned lane = 0; lane < index.lanes; ++lane) {
      auto one = [&] {
        k.store(vector::ExtractOp::create(k.b, k.loc, value, int64_t(lane)),
                k.gep(memory.pointer, k.mul(laneOffset(k, at, lane), size)));
      };
      if (index.mask)
        k.ifThen(vector::ExtractOp::create(k.b, k.loc, index.mask, int64_t(lane)), one);
      else
        one();
    }
  };
  if (index.active)
    k.ifThen(index.active, emitStore);
  else
    emitStore();
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

Value ElementEmitter::lanesOf(const DimIndex &index, unsigned lanes) {
  if (index.lanes)
    return index.lanes;
  return index.step ? k.laneIndices(index.base, index.step, lanes) : k.splat(index.base, lanes);
}

DimIndex ElementEmitter::affine(const DimIndex &index, int64_t factor, Value offset, unsigned lanes) {
  DimIndex result;
  if (index.lanes) {
    result.lanes = k.add(k.mul(index.lanes, k.constantInt(index.lanes.getType(), factor)), k.splat(offset, lanes));
    return result;
  }
  result.base = k.add(k.mul(index.base, factor), offset);
  result.step = index.step * factor;
  auto constant = KernelBuilder::constantOf(offset);
  result.aligned = index.aligned && factor == 1 && constant && *constant % int64_t(lanes) == 0;
  return result;
}

Value ElementEmitter::restrict(Index &index, const DimIndex &dim, Value low, Value high) {
  auto lowConstant = KernelBuilder::constantOf(low), highConstant = KernelBuilder::constantOf(high);
  auto whole = [&](std::optional<int64_t> bound) { return bound && *bound % int64_t(index.lanes) == 0; };
  bool inStep = dim.aligned && (whole(lowConstant) && (whole(highConstant)));
  if (dim.isUniform() || inStep || index.lanes == 1) {
    Value inside = k.both(k.less(k.sub(low, k.i64(1)), dim.base), k.less(dim.base, high));
    index.active = k.both(index.active, inside);
    return inside;
  }
  Value lanes = lanesOf(dim, index.lanes);
  Value inside =
      k.both(k.less(k.splat(k.sub(low, k.i64(1)), index.lanes), lanes), k.less(lanes, k.splat(high, index.lanes)));
  index.mask = k.both(index.mask, inside);
  return inside;
}

Value ElementEmitter::choose(Value condition, Value x, Value y) {
  if (!condition || !x || !y)
    return x;
  return k.select(condition, x, y);
}

Value ElementEmitter::broadcastAt(Value operand, Value result, const Index &index) {
  const SymbolicShape &from = k.shape(operand), &to = k.shape(result);
  Index inner = index;
  inner.dims.clear();
  for (size_t d = 0; d < from.size(); ++d)
    inner.dims.push_back(bitwright::constantOf(from[d]) == 1 ? DimIndex(k.i64(0))
                                                             : index.dims[to.size() - from.size() + d]);
  return at(operand, inner);
}
