//===- KernelBuilder.cpp - where the code of one kernel grows --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/X86/KernelBuilder.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Numerics/Integer.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

namespace {
enum Opcode : unsigned { Add, Sub, Mul, Div, Rem, Min, Max, Less, Equal, And };
}

static uintptr_t idOf(Value value) { return reinterpret_cast<uintptr_t>(value.getAsOpaquePointer()); }

KernelBuilder::KernelBuilder(kernel::FusedOp op, ArrayRef<SymbolicShape> operandShapes, ArrayRef<DimSymbol> symbols,
                             Isa isa, ModuleOp into, StringRef symbol)
    : op(op), isa(isa), b(op.getContext()), loc(UnknownLoc::get(op.getContext())), symbols(symbols),
      shapes(unsigned(symbols.size())) {
  MLIRContext *context = op.getContext();
  Type pointer = pointerType(), i64Type = b.getI64Type();
  b.setInsertionPointToEnd(into.getBody());
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), {pointer, pointer, i64Type, i64Type, pointer});
  function = LLVM::LLVMFuncOp::create(b, loc, symbol, type);
  Block *entry = function.addEntryBlock(b);
  b.setInsertionPointToEnd(entry);
  // A harmless operation that set-up code is put before; erased at the end.
  entryEnd = LLVM::ConstantOp::create(b, loc, i64Type, b.getI64IntegerAttr(0));
  buffers = entry->getArgument(0);
  dims = entry->getArgument(1);
  tileBegin = entry->getArgument(2);
  tileEnd = entry->getArgument(3);
  scratch = entry->getArgument(4);
  info.tiles = getAffineConstantExpr(1, context);
  info.scratchBytes = getAffineConstantExpr(0, context);

  for (auto [argument, shape] : llvm::zip(op.getBlock().getArguments(), operandShapes))
    shapes.set(argument, shape);
  for (Operation &inner : op.getBlock().without_terminator())
    if (failed(shapes.visit(&inner)))
      for (auto result : inner.getResults())
        shapes.set(result, SymbolicShape(cast<RankedTensorType>(result.getType()).getRank(),
                                         getAffineConstantExpr(1, context)));
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    if (getConstant(input)) {
      bufferOfArgument.push_back(-1);
      continue;
    }
    bufferOfArgument.push_back(info.runtimeOperands.size());
    info.runtimeOperands.push_back(i);
  }
  results.resize(op.getNumResults());
}

KernelInfo KernelBuilder::finish() {
  LLVM::ReturnOp::create(b, loc, ValueRange{});
  for (auto [slot, result] : resultSlots)
    slot->setAttr("value",
                  b.getI64IntegerAttr((info.runtimeOperands.size() + info.constants.size() + result) * sizeof(void *)));
  entryEnd->erase();
  return std::move(info);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Q2 on constants; none when an operand is none, or the result is not f32.
static std::optional<WeightData> dequantizeConstant(const KernelBuilder &k, qnn::DequantizeOp op) {
  auto codes = k.constant(op.getInput()), scales = k.constant(op.getScale());
  auto zeroPoints = op.getZeroPoint() ? k.constant(op.getZeroPoint()) : std::nullopt;
  if (!codes || !scales || (op.getZeroPoint() && !zeroPoints) || !op.getOutput().getType().getElementType().isF32())
    return std::nullopt;
  std::vector<int64_t> q = toIntegers(*codes), z = zeroPoints ? toIntegers(*zeroPoints) : std::vector<int64_t>{0};
  std::vector<float> s = toFloats(*scales), values(q.size());
  qnn::SchemeAttr scheme = op.getScheme();
  ArrayRef<int64_t> shape = codes->type.getShape();
  int64_t inner = 1, along = 1, group = 1;
  switch (scheme.getGranularity()) {
  case qnn::Granularity::Tensor:
    break;
  case qnn::Granularity::Axis:
  case qnn::Granularity::Group:
    along = shape[size_t(scheme.getAxis())];
    for (int64_t d : shape.drop_front(size_t(scheme.getAxis()) + 1))
      inner *= d;
    group = scheme.getGranularity() == qnn::Granularity::Group ? scheme.getGroup() : 1;
    break;
  default:
    return std::nullopt;
  }
  for (int64_t i = 0; i < int64_t(q.size()); ++i) {
    int64_t p = 0;
    if (scheme.getGranularity() == qnn::Granularity::Axis)
      p = i / inner % along;
    else if (scheme.getGranularity() == qnn::Granularity::Group)
      p = (i / (inner * along) * (along / group) + i / inner % along / group) * inner + i % inner;
    values[size_t(i)] =
        numerics::dequantize(int32_t(q[size_t(i)]), s[size_t(p)], int32_t(z.size() == 1 ? z[0] : z[size_t(p)]));
  }
  return WeightData::copyOf<float>(op.getOutput().getType(), values);
}

std::optional<WeightData> KernelBuilder::constant(Value tensor) const {
  if (auto argument = dyn_cast<BlockArgument>(tensor))
    return getConstant(const_cast<KernelBuilder *>(this)->op.getInputs()[argument.getArgNumber()]);
  if (auto dequantize = tensor.getDefiningOp<qnn::DequantizeOp>()) {
    auto known = dequantized.find(tensor);
    if (known == dequantized.end())
      known = dequantized.try_emplace(tensor, dequantizeConstant(*this, dequantize)).first;
    return known->second;
  }
  return getConstant(tensor);
}

Value KernelBuilder::bufferPointer(Value slot) {
  // Not through gep(): the slot of a result is a constant whose value changes at the end.
  Value address = LLVM::GEPOp::create(b, loc, pointerType(), b.getI8Type(), buffers, ValueRange{slot});
  return LLVM::LoadOp::create(b, loc, pointerType(), address, 8, false, false, /*isInvariant=*/true);
}

SmallVector<Value, 6> KernelBuilder::strides(ArrayRef<AffineExpr> shape, ArrayRef<int64_t> layout) {
  SmallVector<Value, 6> result(shape.size());
  Value stride = i64(1);
  for (int64_t d : llvm::reverse(layout)) {
    result[d] = stride;
    stride = mul(stride, dim(shape[d]));
  }
  return result;
}

const TensorMemory &KernelBuilder::memory(Value blockArgument) {
  auto [it, isNew] = memories.try_emplace(blockArgument);
  if (!isNew)
    return it->second;
  unsigned number = cast<BlockArgument>(blockArgument).getArgNumber();
  assert(bufferOfArgument[number] >= 0 && "a constant operand has no run-time memory");
  TensorMemory memory;
  memory.element = cast<RankedTensorType>(blockArgument.getType()).getElementType();
  hoisted([&] {
    memory.strides = strides(shape(blockArgument), op.getOperandLayout(number));
    return memory.pointer = bufferPointer(i64(bufferOfArgument[number] * sizeof(void *)));
  });
  return memories[blockArgument] = memory;
}

const ConstantTensor &KernelBuilder::constantTensor(Value tensor) {
  auto [it, isNew] = constantTensors.try_emplace(tensor);
  if (!isNew)
    return it->second;
  ConstantTensor result;
  WeightData data = *constant(tensor);
  RankedTensorType type = data.type;
  Type element = type.getElementType();
  unsigned bits = element.getIntOrFloatBitWidth();
  std::vector<uint8_t> bytes(data.bytes.begin(), data.bytes.end());
  if (bits == 4) {
    std::vector<int64_t> numbers = toIntegers(data);
    bytes.assign(numbers.begin(), numbers.end());
    element = intType(8);
  }
  size_t count = type.getNumElements(), size = count ? bytes.size() / count : 0;
  bool splat = count > 0;
  for (size_t i = 1; i < count && splat; ++i)
    splat = std::memcmp(&bytes[i * size], &bytes[0], size) == 0;
  if (splat) {
    WeightData first{RankedTensorType::get({}, type.getElementType()),
                     ArrayRef<uint8_t>(data.bytes).take_front(std::max<size_t>(1, size)), data.owner};
    result.isSplat = true;
    if (llvm::isa<FloatType>(element))
      result.real = toFloats(first)[0];
    else
      result.integer = toIntegers(first)[0];
    return constantTensors[tensor] = result;
  }
  // The order of the kernel's result makes the innermost dimension of both the same.
  int64_t rank = type.getRank();
  SmallVector<int64_t> layout = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (op.getNumResults() && cast<RankedTensorType>(op.getOutputs()[0].getType()).getRank() == rank)
    layout = op.getResultLayout(0);
  if (!llvm::is_sorted(layout)) {
    SmallVector<int64_t> source(rank, 1), steps(rank), position(rank, 0);
    for (int64_t d = rank - 1; d > 0; --d)
      source[d - 1] = source[d] * type.getDimSize(d);
    std::vector<uint8_t> moved(bytes.size());
    for (size_t i = 0; i < count; ++i) {
      size_t from = 0;
      for (int64_t d = 0; d < rank; ++d)
        from += position[d] * source[d];
      std::memcpy(&moved[i * size], &bytes[from * size], size);
      for (int64_t d : llvm::reverse(layout)) {
        if (++position[d] < type.getDimSize(d))
          break;
        position[d] = 0;
      }
    }
    bytes = std::move(moved);
  }
  std::string description;
  llvm::raw_string_ostream(description) << type << " order [";
  for (int64_t d : layout)
    description += std::to_string(d) + " ";
  description.back() = ']';
  result.memory.pointer = constantBuffer(description, bytes);
  result.memory.element = element;
  hoisted([&] {
    result.memory.strides = strides(staticShape(type), layout);
    return Value();
  });
  return constantTensors[tensor] = result;
}

const TensorMemory &KernelBuilder::resultMemory(unsigned i) {
  if (results[i])
    return *results[i];
  TensorMemory memory;
  Value yielded = op.getYield().getValues()[i];
  memory.element = cast<RankedTensorType>(yielded.getType()).getElementType();
  memory.readOnly = false;
  hoisted([&] {
    memory.strides = strides(shape(yielded), op.getResultLayout(i));
    // The number of constants before the results is known at the end.
    auto slot = LLVM::ConstantOp::create(b, loc, b.getI64Type(), b.getI64IntegerAttr(0));
    resultSlots.push_back({slot, i});
    return memory.pointer = bufferPointer(slot);
  });
  results[i] = memory;
  return *results[i];
}

Value KernelBuilder::constantBuffer(StringRef description, ArrayRef<uint8_t> bytes) {
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  auto it = constantPointers.find(copy);
  if (it != constantPointers.end())
    return it->second;
  unsigned number = info.runtimeOperands.size() + info.constants.size();
  info.constants.push_back({description.str(), copy});
  Value pointer = hoisted([&] { return bufferPointer(i64(number * sizeof(void *))); });
  constantPointers[std::move(copy)] = pointer;
  return pointer;
}

void KernelBuilder::markPacked(ArrayRef<uint8_t> bytes, Value tensor, ConstantBuffer::Order order, bool plusEight) {
  auto argument = dyn_cast<BlockArgument>(tensor);
  if (!argument)
    return;
  for (ConstantBuffer &buffer : info.constants)
    if (ArrayRef<uint8_t>(buffer.bytes) == bytes) {
      buffer.operand = int(argument.getArgNumber());
      buffer.order = order;
      buffer.plusEight = plusEight;
    }
}

void KernelBuilder::markNibbles(ArrayRef<uint8_t> bytes, const PanelLayout &layout) {
  for (ConstantBuffer &buffer : info.constants)
    if (ArrayRef<uint8_t>(buffer.bytes) == bytes)
      buffer.nibbles = layout;
}

//===----------------------------------------------------------------------===//
// Index arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::recall(const std::map<Key, SmallVector<Value, 1>> &table, const Key &key) const {
  auto it = table.find(key);
  if (it == table.end())
    return {};
  for (Value value : it->second) {
    Block *home = value.getParentBlock();
    Operation *def = value.getDefiningOp();
    bool hoisting = b.getInsertionBlock() == entryEnd->getBlock() && b.getInsertionPoint() == entryEnd->getIterator();
    if (hoisting) {
      if (home == entryEnd->getBlock() && (!def || def->isBeforeInBlock(entryEnd)))
        return value;
      continue;
    }
    for (Block *block = b.getInsertionBlock(); block;
         block = block->getParentOp() && !llvm::isa<LLVM::LLVMFuncOp>(block->getParentOp())
                     ? block->getParentOp()->getBlock()
                     : nullptr)
      if (block == home)
        return value;
  }
  return {};
}

Value KernelBuilder::hoisted(llvm::function_ref<Value()> body) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(entryEnd);
  return body();
}

Value KernelBuilder::constantInt(Type type, int64_t value) {
  unsigned bits = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  APInt number(bits, uint64_t(value), /*isSigned=*/true, /*implicitTrunc=*/true);
  TypedAttr attr = IntegerAttr::get(getElementTypeOrSelf(type), number);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, number);
  Key key = {~uintptr_t(0), reinterpret_cast<uintptr_t>(Attribute(attr).getAsOpaquePointer())};
  auto &slot = values[key];
  if (slot.empty()) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entryEnd->getBlock());
    slot.push_back(arith::ConstantOp::create(b, loc, attr));
  }
  return slot[0];
}

Value KernelBuilder::i64(int64_t value) { return constantInt(b.getI64Type(), value); }

Value KernelBuilder::constantFloat(float value, unsigned lanes) {
  TypedAttr attr = b.getF32FloatAttr(value);
  if (lanes > 1)
    attr = DenseElementsAttr::get(VectorType::get(lanes, f32()), value);
  Key key = {~uintptr_t(0), reinterpret_cast<uintptr_t>(Attribute(attr).getAsOpaquePointer())};
  auto &slot = values[key];
  if (slot.empty()) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entryEnd->getBlock());
    slot.push_back(arith::ConstantOp::create(b, loc, attr));
  }
  return slot[0];
}

std::optional<int64_t> KernelBuilder::constantOf(Value value) {
  APInt number;
  if (value && matchPattern(value, m_ConstantInt(&number)))
    return number.getSExtValue();
  return std::nullopt;
}

Value KernelBuilder::dim(AffineExpr expr) {
  expr = simplifyAffineExpr(expr, 0, symbols.size());
  if (auto value = bitwright::constantOf(expr))
    return i64(*value);
  // Symbols alone are loaded; expressions of them as well: the launch evaluates them.
  std::string text;
  llvm::raw_string_ostream(text) << expr;
  Value &value = dimValues[text];
  if (!value) {
    value = hoisted([&]() -> Value {
      return LLVM::LoadOp::create(b, loc, b.getI64Type(), gep(dims, int64_t(info.dims.size() * 8)), 8, false, false,
                                  /*isInvariant=*/true);
    });
    info.dims.push_back(expr);
  }
  return value;
}

Value KernelBuilder::binary(unsigned opcode, Value x, Value y) {
  if ((opcode == Add || opcode == Mul || opcode == And || opcode == Min || opcode == Max) && constantOf(x) &&
      !constantOf(y))
    std::swap(x, y);
  Type type = x.getType();
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy) {
    auto constant = [&](int64_t v) { return constantInt(type, v); };
    auto truth = [&](bool v) { return constantInt(vec(intType(1), lanesOf(type)), v); };
    switch (opcode) {
    case Add:
      return constant(*cx + *cy);
    case Sub:
      return constant(*cx - *cy);
    case Mul:
      return constant(*cx * *cy);
    case Div:
      return constant(*cx / *cy);
    case Rem:
      return constant(*cx % *cy);
    case Min:
      return constant(std::min(*cx, *cy));
    case Max:
      return constant(std::max(*cx, *cy));
    case Less:
      return truth(*cx < *cy);
    case Equal:
      return truth(*cx == *cy);
    case And:
      return constant(*cx & *cy);
    }
  }
  if (cy) {
    if (((opcode == Add || opcode == Sub) && *cy == 0) || ((opcode == Mul || opcode == Div) && *cy == 1))
      return x;
    if ((opcode == Mul && *cy == 0) || (opcode == Rem && *cy == 1))
      return constantInt(type, 0);
    // (x + a) + b = x + (a + b)
    if (opcode == Add)
      if (auto inner = x.getDefiningOp<arith::AddIOp>())
        if (auto a = constantOf(inner.getRhs()))
          return binary(Add, inner.getLhs(), constantInt(type, *a + *cy));
    if (opcode == And)
      return *cy ? x : y;
  }
  if (x == y && (opcode == Min || opcode == Max || opcode == And))
    return x;
  if (x == y && opcode == Sub)
    return constantInt(type, 0);
  Key key = {opcode, idOf(x), idOf(y)};
  if (Value known = recall(values, key))
    return known;
  Value result;
  switch (opcode) {
  case Add:
    result = arith::AddIOp::create(b, loc, x, y);
    break;
  case Sub:
    result = arith::SubIOp::create(b, loc, x, y);
    break;
  case Mul:
    result = arith::MulIOp::create(b, loc, x, y);
    break;
  case Div:
    result = arith::DivUIOp::create(b, loc, x, y);
    break;
  case Rem:
    result = arith::RemUIOp::create(b, loc, x, y);
    break;
  case Min:
    result = arith::MinSIOp::create(b, loc, x, y);
    break;
  case Max:
    result = arith::MaxSIOp::create(b, loc, x, y);
    break;
  case Less:
    result = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
    break;
  case Equal:
    result = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
    break;
  case And:
    result = arith::AndIOp::create(b, loc, x, y);
    break;
  }
  values[key].push_back(result);
  return result;
}

Value KernelBuilder::add(Value x, Value y) { return binary(Add, x, y); }
Value KernelBuilder::sub(Value x, Value y) {
  if (auto c = constantOf(y))
    return binary(Add, x, constantInt(x.getType(), -*c));
  return binary(Sub, x, y);
}
Value KernelBuilder::mul(Value x, Value y) { return binary(Mul, x, y); }
Value KernelBuilder::div(Value x, Value y) { return binary(Div, x, y); }
Value KernelBuilder::rem(Value x, Value y) { return binary(Rem, x, y); }
Value KernelBuilder::min(Value x, Value y) { return binary(Min, x, y); }
Value KernelBuilder::max(Value x, Value y) { return binary(Max, x, y); }
Value KernelBuilder::less(Value x, Value y) { return binary(Less, x, y); }
Value KernelBuilder::equal(Value x, Value y) { return binary(Equal, x, y); }
Value KernelBuilder::both(Value x, Value y) {
  if (!x || !y)
    return x ? x : y;
  unsigned lanes = std::max(lanesOf(x.getType()), lanesOf(y.getType()));
  return binary(And, splat(x, lanes), splat(y, lanes));
}
Value KernelBuilder::select(Value condition, Value x, Value y) {
  if (auto c = constantOf(condition))
    return *c ? x : y;
  if (x == y)
    return x;
  return arith::SelectOp::create(b, loc, condition, x, y);
}

SmallVector<Value, 6> KernelBuilder::delinearize(Value linear, ArrayRef<Value> shape) {
  SmallVector<Value, 6> result(shape.size());
  for (size_t d = shape.size(); d-- > 1;) {
    if (constantOf(shape[d]) == 1) {
      result[d] = i64(0);
      continue;
    }
    result[d] = rem(linear, shape[d]);
    linear = div(linear, shape[d]);
  }
  if (!shape.empty())
    result[0] = linear;
  return result;
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

SmallVector<Value> KernelBuilder::forLoop(Value low, Value high, int64_t step, ValueRange init,
                                          llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto from = constantOf(low), to = constantOf(high);
  if (from && to && *to - *from <= step)
    return *to > *from ? body(low, init) : SmallVector<Value>(init);
  auto loop = scf::ForOp::create(b, loc, low, high, i64(step), init);
  OpBuilder::InsertionGuard guard(b);
  if (init.empty()) {
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar(), {});
    return {};
  }
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults());
}

void KernelBuilder::forLoop(Value low, Value high, int64_t step, llvm::function_ref<void(Value)> body) {
  forLoop(low, high, step, ValueRange{}, [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  if (auto c = constantOf(condition))
    return *c ? body() : void();
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body();
}

Value KernelBuilder::ifElse(Value condition, Type type, llvm::function_ref<Value()> thenBody,
                            llvm::function_ref<Value()> elseBody) {
  if (auto c = constantOf(condition))
    return *c ? thenBody() : elseBody();
  auto branch = scf::IfOp::create(b, loc, TypeRange{type}, condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (auto [block, code] : {std::pair(branch.thenBlock(), thenBody), std::pair(branch.elseBlock(), elseBody)}) {
    b.setInsertionPointToEnd(block);
    Value value = code();
    if (!value) // a diagnostic was given; keep the IR well formed
      value = LLVM::UndefOp::create(b, loc, type);
    scf::YieldOp::create(b, loc, value);
  }
  return branch.getResult(0);
}

Value KernelBuilder::stack(int64_t bytes) {
  return hoisted(
      [&]() -> Value { return LLVM::AllocaOp::create(b, loc, pointerType(), b.getI8Type(), i64(bytes), 64); });
}

//===----------------------------------------------------------------------===//
// Values and vectors
//===----------------------------------------------------------------------===//

Type KernelBuilder::vec(Type element, unsigned lanes) const {
  return lanes == 1 ? element : VectorType::get(lanes, element);
}
unsigned KernelBuilder::lanesOf(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? vector.getNumElements() : 1;
}

Value KernelBuilder::splat(Value scalar, unsigned lanes) {
  if (lanesOf(scalar.getType()) == lanes)
    return scalar;
  if (auto c = constantOf(scalar))
    return constantInt(vec(scalar.getType(), lanes), *c);
  Key key = {100 + lanes, idOf(scalar)};
  if (Value known = recall(values, key))
    return known;
  Value result = vector::BroadcastOp::create(b, loc, vec(scalar.getType(), lanes), scalar);
  values[key].push_back(result);
  return result;
}

Value KernelBuilder::gep(Value pointer, Value bytes) {
  if (constantOf(bytes) == 0)
    return pointer;
  // Not `inbounds`: lanes and vectors that are switched off may have addresses outside, which are never accessed.
  return LLVM::GEPOp::create(b, loc, pointerType(), b.getI8Type(), pointer, ValueRange{bytes});
}

static unsigned bytesOf(Type element) { return std::max(1u, element.getIntOrFloatBitWidth() / 8); }

Value KernelBuilder::load(Type element, unsigned lanes, Value pointer, Value mask, bool readOnly) {
  Type type = vec(element, lanes);
  if (mask && constantOf(mask) != 1)
    return LLVM::MaskedLoadOp::create(b, loc, type, pointer, mask, LLVM::ZeroOp::create(b, loc, type).getResult(),
                                      uint32_t(bytesOf(element)));
  return LLVM::LoadOp::create(b, loc, type, pointer, bytesOf(element), false, false, readOnly);
}

void KernelBuilder::store(Value value, Value pointer, Value mask) {
  unsigned alignment = bytesOf(getElementTypeOrSelf(value.getType()));
  if (mask && constantOf(mask) != 1)
    LLVM::MaskedStoreOp::create(b, loc, value, pointer, mask, uint32_t(alignment));
  else
    LLVM::StoreOp::create(b, loc, value, pointer, alignment);
}

Value KernelBuilder::laneMask(Value first, Value limit, unsigned lanes) {
  Value count = arith::TruncIOp::create(b, loc, intType(32), min(sub(limit, first), i64(lanes)));
  // LLVM 22 turns a truncating masked store whose mask is the constant <1, 0, 0, ...> into a scalar store of the wide
  // type, which writes beyond the element. An empty assembly statement keeps masks from being constants.
  count = LLVM::InlineAsmOp::create(b, loc, count.getType(), ValueRange{count}, "", "=r,0", /*has_side_effects=*/false,
                                    /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
                                    LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr())
              .getResult(0);
  SmallVector<int32_t> numbers = llvm::to_vector(llvm::seq<int32_t>(0, lanes));
  Value iota = arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(VectorType::get(lanes, intType(32)), ArrayRef<int32_t>(numbers)));
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, iota, splat(count, lanes));
}

Value KernelBuilder::laneIndices(Value first, int64_t step, unsigned lanes) {
  if (lanes == 1)
    return first;
  Key key = {1000 + lanes, idOf(first), uintptr_t(step)};
  if (Value known = recall(values, key))
    return known;
  SmallVector<int64_t> numbers;
  for (unsigned l = 0; l < lanes; ++l)
    numbers.push_back(l * step);
  Value iota = arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(VectorType::get(lanes, b.getI64Type()), ArrayRef<int64_t>(numbers)));
  Value result = arith::AddIOp::create(b, loc, splat(first, lanes), iota);
  values[key].push_back(result);
  return result;
}

Value KernelBuilder::intrinsic(StringRef name, Type result, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name), arguments).getResult(0);
}
