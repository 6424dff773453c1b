//===- KernelWriter.cpp - short words for GPU code --------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelWriter.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

KernelWriter::Arguments KernelWriter::byRole(const EmittedKernel &kernel, ValueRange arguments, unsigned segments) {
  Arguments result;
  result.rhs.resize(segments);
  result.groupScales.resize(segments);
  result.groupZeroPoints.resize(segments);
  for (auto [argument, parameter] : llvm::zip(arguments, kernel.parameters)) {
    switch (parameter.role) {
    case Role::Lhs:
      result.lhs = argument;
      break;
    case Role::Rhs:
      result.rhs[parameter.index] = argument;
      break;
    case Role::GroupScale:
      result.groupScales[parameter.index] = argument;
      break;
    case Role::GroupZeroPoint:
      result.groupZeroPoints[parameter.index] = argument;
      break;
    case Role::Operand:
      result.operands.push_back(argument);
      break;
    case Role::Result:
      result.results.push_back(argument);
      break;
    case Role::M:
      result.m = argument;
      break;
    }
  }
  return result;
}

Values KernelWriter::begin(const EmittedKernel &kernel) {
  MLIRContext *context = builder.getContext();
  context->loadDialect<LLVM::LLVMDialect, NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect,
                       arith::ArithDialect, math::MathDialect>();
  builder.setInsertionPointToEnd(module.getBody());
  SmallVector<Type> types;
  for (const Parameter &parameter : kernel.parameters)
    types.push_back(parameter.form == Form::Pointer     ? pointer(Global)
                    : parameter.form == Form::TensorMap ? pointer(Generic)
                                                        : i32());
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), types);
  function = LLVM::LLVMFuncOp::create(builder, loc, kernel.symbol, type);
  function->setAttr("nvvm.kernel", builder.getUnitAttr());
  function->setAttr("nvvm.reqntid", builder.getDenseI32ArrayAttr({int32_t(kernel.threads), 1, 1}));
  function->setAttr("nvvm.minctasm", builder.getI32IntegerAttr(1));
  if (kernel.cluster > 1)
    function->setAttr("nvvm.cluster_dim", builder.getDenseI32ArrayAttr({int32_t(kernel.cluster), 1, 1}));
  auto bytes = LLVM::LLVMArrayType::get(i8(), 128);
  for (auto [i, parameter] : llvm::enumerate(kernel.parameters)) {
    if (parameter.form == Form::TensorMap) {
      function.setArgAttr(i, "llvm.byval", TypeAttr::get(bytes));
      function.setArgAttr(i, "nvvm.grid_constant", builder.getUnitAttr());
      function.setArgAttr(i, "llvm.align", builder.getI64IntegerAttr(64));
    } else if (parameter.form == Form::Pointer) {
      // Constants only: what a predecessor writes must not be read through the non-coherent cache while it may still run
      // (programmatic dependent launch).
      if (parameter.role == Role::Rhs || parameter.role == Role::GroupScale || parameter.role == Role::GroupZeroPoint)
        function.setArgAttr(i, "llvm.noalias", builder.getUnitAttr());
      function.setArgAttr(i, "llvm.align", builder.getI64IntegerAttr(16));
    }
  }
  Block *entry = function.addEntryBlock(builder);
  builder.setInsertionPointToStart(entry);
  return llvm::to_vector_of<Value>(entry->getArguments());
}
void KernelWriter::end() { LLVM::ReturnOp::create(builder, loc, ValueRange()); }

Type KernelWriter::structOf(unsigned n, Type element) {
  return LLVM::LLVMStructType::getLiteral(builder.getContext(), SmallVector<Type>(n, element));
}
Value KernelWriter::constant(int64_t value, Type type) {
  if (!type)
    type = i32();
  unsigned width = cast<IntegerType>(type).getWidth();
  return arith::ConstantOp::create(builder, loc, IntegerAttr::get(type, APInt(64, uint64_t(value)).trunc(width)));
}
Value KernelWriter::constantF32(float value) {
  return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
}

/// A constant that a value is known to be.
static std::optional<int64_t> known(Value value) {
  if (auto op = value.getDefiningOp<arith::ConstantOp>())
    if (auto attr = dyn_cast<IntegerAttr>(op.getValue()))
      return attr.getValue().getSExtValue();
  return std::nullopt;
}
static std::optional<int64_t> known(const KernelWriter::Operand &x) { return x.value ? known(x.value) : x.number; }
static bool isPowerOfTwo(int64_t x) { return x > 0 && !(x & (x - 1)); }

Value KernelWriter::add(Value a, Operand b) {
  if (known(b) == 0)
    return a;
  return arith::AddIOp::create(builder, loc, a, get(b, a.getType()));
}
Value KernelWriter::sub(Value a, Operand b) {
  if (known(b) == 0)
    return a;
  return arith::SubIOp::create(builder, loc, a, get(b, a.getType()));
}
Value KernelWriter::mul(Value a, Operand b) {
  if (known(b) == 1)
    return a;
  return arith::MulIOp::create(builder, loc, a, get(b, a.getType()));
}
Value KernelWriter::divu(Value a, Operand b) {
  if (auto n = known(b); n && isPowerOfTwo(*n))
    return shru(a, llvm::Log2_64(*n));
  return arith::DivUIOp::create(builder, loc, a, get(b, a.getType()));
}
Value KernelWriter::remu(Value a, Operand b) {
  if (auto n = known(b); n && isPowerOfTwo(*n))
    return andi(a, *n - 1);
  return arith::RemUIOp::create(builder, loc, a, get(b, a.getType()));
}
Value KernelWriter::andi(Value a, Operand b) { return arith::AndIOp::create(builder, loc, a, get(b, a.getType())); }
Value KernelWriter::ori(Value a, Operand b) { return arith::OrIOp::create(builder, loc, a, get(b, a.getType())); }
Value KernelWriter::xori(Value a, Operand b) { return arith::XOrIOp::create(builder, loc, a, get(b, a.getType())); }
Value KernelWriter::shl(Value a, Operand b) {
  if (known(b) == 0)
    return a;
  return arith::ShLIOp::create(builder, loc, a, get(b, a.getType()));
}
Value KernelWriter::shru(Value a, Operand b) {
  if (known(b) == 0)
    return a;
  return arith::ShRUIOp::create(builder, loc, a, get(b, a.getType()));
}
Value KernelWriter::shrs(Value a, Operand b) {
  if (known(b) == 0)
    return a;
  return arith::ShRSIOp::create(builder, loc, a, get(b, a.getType()));
}
Value KernelWriter::minu(Value a, Operand b) { return arith::MinUIOp::create(builder, loc, a, get(b, a.getType())); }
Value KernelWriter::cmp(arith::CmpIPredicate predicate, Value a, Operand b) {
  return arith::CmpIOp::create(builder, loc, predicate, a, get(b, a.getType()));
}
Value KernelWriter::select(Value condition, Operand a, Operand b) {
  Type type = a.value ? a.value.getType() : b.value ? b.value.getType() : i32();
  return arith::SelectOp::create(builder, loc, condition, get(a, type), get(b, type));
}
Value KernelWriter::zext(Value a, Type type) { return arith::ExtUIOp::create(builder, loc, type, a); }
Value KernelWriter::sext(Value a, Type type) { return arith::ExtSIOp::create(builder, loc, type, a); }
Value KernelWriter::trunc(Value a, Type type) { return arith::TruncIOp::create(builder, loc, type, a); }
Value KernelWriter::bitcast(Value a, Type type) {
  return a.getType() == type ? a : Value(LLVM::BitcastOp::create(builder, loc, type, a));
}
Value KernelWriter::nibble(Value a) {
  auto truncation = a.getDefiningOp<arith::TruncIOp>();
  if (!truncation || !truncation.getIn().getType().isInteger(32))
    return zext(a, i32());
  Value wide = truncation.getIn();
  if (truncation->use_empty())
    truncation->erase();
  return andi(wide, 15);
}

Value KernelWriter::addf(Value a, Value b) { return arith::AddFOp::create(builder, loc, a, b); }
Value KernelWriter::subf(Value a, Value b) { return arith::SubFOp::create(builder, loc, a, b); }
Value KernelWriter::mulf(Value a, Value b) { return arith::MulFOp::create(builder, loc, a, b); }
Value KernelWriter::fma(Value a, Value b, Value c) { return LLVM::FMAOp::create(builder, loc, a.getType(), a, b, c); }
Value KernelWriter::toFloat(Value integer) { return arith::SIToFPOp::create(builder, loc, f32(), integer); }
Value KernelWriter::extend(Value half) { return arith::ExtFOp::create(builder, loc, f32(), half); }
Value KernelWriter::truncate(Value value, Type type) { return arith::TruncFOp::create(builder, loc, type, value); }

Value KernelWriter::offset(Value pointer, Operand offset, Type element) {
  if (known(offset) == 0)
    return pointer;
  if (!element)
    element = i8();
  if (!offset.value)
    return LLVM::GEPOp::create(builder, loc, pointer.getType(), element, pointer,
                               ArrayRef<LLVM::GEPArg>{int32_t(offset.number)});
  return LLVM::GEPOp::create(builder, loc, pointer.getType(), element, pointer, ArrayRef<LLVM::GEPArg>{offset.value});
}
Value KernelWriter::load(Value pointer, Type type, unsigned alignment) {
  return LLVM::LoadOp::create(builder, loc, type, pointer, alignment);
}
void KernelWriter::store(Value value, Value pointer, unsigned alignment) {
  LLVM::StoreOp::create(builder, loc, value, pointer, alignment);
}
Values KernelWriter::loadWords(Value pointer, unsigned n) {
  if (n == 1)
    return {load(pointer, i32(), 4)};
  Value loaded = load(pointer, vector(n, i32()), 4 * n);
  Values words;
  for (unsigned i = 0; i < n; ++i)
    words.push_back(extractElement(loaded, i));
  return words;
}
void KernelWriter::storeWords(Values words, Value pointer) {
  if (words.size() == 1)
    return store(words[0], pointer, 4);
  Value packed = vector::FromElementsOp::create(builder, loc, cast<VectorType>(vector(words.size(), words[0].getType())),
                                                ValueRange(words));
  store(packed, pointer, 4 * words.size());
}
Values KernelWriter::loadStream(Value pointer, int64_t offset) {
  auto op = kernel::LoadStreamOp::create(builder, loc, i32(), i32(), i32(), i32(), pointer, uint64_t(offset));
  return llvm::to_vector_of<Value>(op->getResults());
}
void KernelWriter::storeIf(Value condition, Value pointer, ValueRange words, int64_t offset) {
  kernel::StoreIfOp::create(builder, loc, condition, pointer, words, uint64_t(offset));
}
Value KernelWriter::sharedMemory() {
  auto global = module.lookupSymbol<LLVM::GlobalOp>("smem");
  if (!global) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    // An external zero-sized array is what LLVM prints as `.extern .shared smem[]`; gpu.dynamic_shared_memory becomes an
    // internal global that is folded away (KERNELS 3.5.1).
    global = LLVM::GlobalOp::create(builder, loc, LLVM::LLVMArrayType::get(i8(), 0), /*isConstant=*/false,
                                    LLVM::Linkage::External, "smem", Attribute(), /*alignment=*/1024, Shared);
  }
  return LLVM::AddressOfOp::create(builder, loc, global);
}
Value KernelWriter::pointerToInt(Value pointer) { return LLVM::PtrToIntOp::create(builder, loc, i32(), pointer); }
Value KernelWriter::castSpace(Value p, unsigned space) {
  return LLVM::AddrSpaceCastOp::create(builder, loc, pointer(space), p);
}
Value KernelWriter::extract(Value structure, unsigned i) {
  return LLVM::ExtractValueOp::create(builder, loc, structure, ArrayRef<int64_t>{int64_t(i)});
}
Value KernelWriter::extractElement(Value vector, unsigned i) {
  return vector::ExtractOp::create(builder, loc, vector, int64_t(i));
}

Value KernelWriter::threadId(unsigned threads) {
  auto range = LLVM::ConstantRangeAttr::get(builder.getContext(), APInt(32, 0), APInt(32, threads));
  return NVVM::ThreadIdXOp::create(builder, loc, i32(), range);
}
Value KernelWriter::blockX() { return NVVM::BlockIdXOp::create(builder, loc, i32()); }
Value KernelWriter::blockY() { return NVVM::BlockIdYOp::create(builder, loc, i32()); }
Value KernelWriter::gridX() { return NVVM::GridDimXOp::create(builder, loc, i32()); }
Value KernelWriter::clusterRank() { return NVVM::ClusterId::create(builder, loc, i32()); }
Value KernelWriter::uniform(Value value) {
  return NVVM::ShflOp::create(builder, loc, i32(), constant(-1), value, constant(0), constant(31), NVVM::ShflKind::idx,
                              UnitAttr());
}
Value KernelWriter::shuffleXor(Value value, Operand mask) {
  return NVVM::ShflOp::create(builder, loc, value.getType(), constant(-1), value, get(mask), constant(31),
                              NVVM::ShflKind::bfly, UnitAttr());
}
void KernelWriter::barrier() { NVVM::BarrierOp::create(builder, loc); }
void KernelWriter::barrier(Operand id, unsigned threads) {
  NVVM::BarrierOp::create(builder, loc, Type(), get(id), constant(threads), NVVM::BarrierReductionAttr(), Value());
}
void KernelWriter::warpSync() { NVVM::SyncWarpOp::create(builder, loc, constant(-1)); }
void KernelWriter::clusterArriveRelaxed() {
  NVVM::ClusterArriveRelaxedOp::create(builder, loc, builder.getUnitAttr());
}
void KernelWriter::clusterArrive() { NVVM::ClusterArriveOp::create(builder, loc, builder.getUnitAttr()); }
void KernelWriter::clusterWait() { NVVM::ClusterWaitOp::create(builder, loc, builder.getUnitAttr()); }
void KernelWriter::setMaxRegisters(unsigned count, bool increase) {
  NVVM::SetMaxRegisterOp::create(builder, loc, count,
                                 increase ? NVVM::SetMaxRegisterAction::increase
                                          : NVVM::SetMaxRegisterAction::decrease);
}
void KernelWriter::launchDependents() {
  NVVM::GriddepcontrolOp::create(builder, loc, NVVM::GridDepActionKind::launch_dependents);
}
void KernelWriter::waitPredecessor() { NVVM::GriddepcontrolOp::create(builder, loc, NVVM::GridDepActionKind::wait); }

void KernelWriter::barrierInit(Value barrier, Operand count) {
  NVVM::MBarrierInitOp::create(builder, loc, barrier, get(count), Value());
}
void KernelWriter::fenceBarrierInit() { NVVM::FenceMbarrierInitOp::create(builder, loc); }
void KernelWriter::expectBytes(Value barrier, Operand bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(builder, loc, Type(), barrier, get(bytes), NVVM::MemScopeKind::CTA, false,
                                         Value());
}
void KernelWriter::arrive(Value barrier) {
  NVVM::MBarrierArriveOp::create(builder, loc, i64(), barrier, Value(), NVVM::MemScopeKind::CTA, false);
}
void KernelWriter::waitParity(Value barrier, Value parity) {
  // The operation holds the retry loop; the hint only bounds one sleep.
  NVVM::MBarrierTryWaitParityOp::create(builder, loc, barrier, parity, constant(10000000));
}
void KernelWriter::copyTensor(Value destination, Value map, ValueRange coordinates, Value barrier) {
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      builder, loc, castSpace(destination, SharedCluster), map, coordinates, barrier, ValueRange(), Value(), Value(),
      NVVM::TMALoadMode::TILE, false, NVVM::CTAGroupKindAttr(), Value());
}
void KernelWriter::copyBulk(Value destination, Value source, Operand bytes, Value barrier) {
  NVVM::CpAsyncBulkGlobalToSharedClusterOp::create(builder, loc, castSpace(destination, SharedCluster), source, barrier,
                                                   get(bytes), Value(), Value());
}
void KernelWriter::prefetchTensorMap(Value map) {
  NVVM::PrefetchOp::create(builder, loc, NVVM::PrefetchCacheLevelAttr(), NVVM::CacheEvictionPriorityAttr(), map, Value(),
                           /*tensormap=*/true);
}
void KernelWriter::copyAsync(Value destination, Value source, Value sourceBytes) {
  NVVM::CpAsyncOp::create(builder, loc, destination, source, 16, NVVM::LoadCacheModifierKind::CG, sourceBytes);
}
void KernelWriter::commitCopies() { NVVM::CpAsyncCommitGroupOp::create(builder, loc); }
void KernelWriter::waitCopies(unsigned pending) { NVVM::CpAsyncWaitGroupOp::create(builder, loc, pending); }

Values KernelWriter::ldmatrix4(Value pointer) {
  auto shape = NVVM::LdStMatrixShapeAttr::get(builder.getContext(), 8, 8);
  Value loaded = NVVM::LdMatrixOp::create(builder, loc, structOf(4, i32()), pointer, 4, NVVM::MMALayout::row, shape,
                                          NVVM::LdStMatrixEltType::B16);
  Values words;
  for (unsigned i = 0; i < 4; ++i)
    words.push_back(extract(loaded, i));
  return words;
}
Values KernelWriter::mmaSync(Mma kind, ValueRange a, ValueRange b, ValueRange c) {
  bool integer = kind == Mma::S8 || kind == Mma::S4;
  Values as(a), bs(b);
  if (kind == Mma::F16) // the operation takes pairs of halves; bf16 words go as they are
    for (Values *words : {&as, &bs})
      for (Value &word : *words)
        word = bitcast(word, vector(2, f16()));
  auto type = kind == Mma::S8     ? NVVM::MMATypes::s8
              : kind == Mma::S4   ? NVVM::MMATypes::s4
              : kind == Mma::BF16 ? NVVM::MMATypes::bf16
                                  : NVVM::MMATypes::f16;
  int64_t k = kind == Mma::S8 ? 32 : kind == Mma::S4 ? 64 : 16;
  std::optional<NVVM::MMAIntOverflow> overflow;
  if (integer)
    overflow = NVVM::MMAIntOverflow::wrapped; // what the reference computes
  Value result = NVVM::MmaOp::create(builder, loc, structOf(4, integer ? i32() : f32()), as, bs, c,
                                     ArrayRef<int64_t>{16, 8, k}, std::nullopt, overflow,
                                     std::array<NVVM::MMATypes, 2>{type, type},
                                     std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Values accumulators;
  for (unsigned i = 0; i < 4; ++i)
    accumulators.push_back(extract(result, i));
  return accumulators;
}
Value KernelWriter::wgmmaShared(Wgmma kind, unsigned n, Value a, Value b, Value accumulators, bool fromZero) {
  bool integer = kind == Wgmma::S8;
  auto type = integer               ? NVVM::WGMMATypes::s8
              : kind == Wgmma::F16 ? NVVM::WGMMATypes::f16
                                   : NVVM::WGMMATypes::bf16;
  auto shape = NVVM::MMAShapeAttr::get(builder.getContext(), 64, n, integer ? 32 : 16);
  return NVVM::WgmmaMmaAsyncOp::create(builder, loc, accumulators.getType(), accumulators, a, b, shape, type, type,
                                       integer ? NVVM::WGMMATypes::s32 : NVVM::WGMMATypes::f32,
                                       fromZero ? NVVM::WGMMAScaleOut::zero : NVVM::WGMMAScaleOut::one,
                                       NVVM::WGMMAScaleIn::one, NVVM::WGMMAScaleIn::one, NVVM::MMALayout::row,
                                       NVVM::MMALayout::col, NVVM::MMAIntOverflowAttr());
}
Values KernelWriter::wgmmaRegisters(Wgmma kind, unsigned n, ValueRange a, Value b, ValueRange accumulators,
                                    bool fromZero) {
  Type type = kind == Wgmma::S8 ? i8() : kind == Wgmma::F16 ? f16() : bf16();
  auto op = kernel::WgmmaRsOp::create(builder, loc, accumulators.getTypes(), a[0], a[1], a[2], a[3], b, accumulators,
                                      uint64_t(n), type, fromZero);
  return llvm::to_vector_of<Value>(op.getOutputs());
}
void KernelWriter::wgmmaFence() { NVVM::WgmmaFenceAlignedOp::create(builder, loc); }
void KernelWriter::wgmmaCommit() { NVVM::WgmmaGroupSyncAlignedOp::create(builder, loc); }
void KernelWriter::wgmmaWait(unsigned pending) { NVVM::WgmmaWaitGroupSyncOp::create(builder, loc, uint64_t(pending)); }
Value KernelWriter::descriptor(Value address) {
  // Stride of 1024 bytes between groups of 8 rows (bit 32), swizzle mode 1 = 128 bytes (bits 62-63), address / 16.
  return ori(zext(shru(address, 4), i64()), int64_t(uint64_t(1) << 62 | uint64_t(64) << 32 | uint64_t(1) << 16));
}

Value KernelWriter::lop3(Value a, Operand b, Operand c, uint8_t table) {
  return kernel::Lop3Op::create(builder, loc, i32(), a, get(b), get(c), uint32_t(table));
}
Value KernelWriter::permuteBytes(Value low, Value high, Operand selector) {
  return NVVM::PermuteOp::create(builder, loc, i32(), low, high, get(selector), NVVM::PermuteMode::DEFAULT);
}
Value KernelWriter::packS8(Value high, Value low, Value rest) {
  return kernel::PackS8Op::create(builder, loc, i32(), high, low, rest);
}
Value KernelWriter::packHalf(Value high, Value low, Type type) {
  return kernel::PackHalfOp::create(builder, loc, i32(), high, low, type);
}
Value KernelWriter::roundToInt(Value f) { return kernel::RoundToIntOp::create(builder, loc, i32(), f); }
Value KernelWriter::packedMath(kernel::HalfMath function, ValueRange inputs, Type type) {
  return kernel::PackedMathOp::create(builder, loc, i32(), inputs, function, type);
}
Values KernelWriter::pin(ValueRange values) {
  auto op = kernel::PinOp::create(builder, loc, values.getTypes(), values);
  return llvm::to_vector_of<Value>(op.getOutputs());
}

Values KernelWriter::loop(Operand lower, Operand upper, Operand step, ValueRange init,
                          llvm::function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(builder, loc, get(lower), get(upper), get(step), init);
  // Unrolled by LLVM, a main loop would need more registers than the schedule counted on (KERNELS 3.5.9).
  auto unroll = LLVM::LoopUnrollAttr::get(builder.getContext(), builder.getBoolAttr(true), {}, {}, {}, {}, {}, {});
  loop->setAttr("llvm.loop_annotation", LLVM::LoopAnnotationAttr::get(builder.getContext(), {}, {}, {}, unroll, {}, {},
                                                                        {}, {}, {}, {}, {}, {}, {}, {}, {}));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(loop.getBody());
  if (!init.empty() || loop.getBody()->empty()) {
    Values next = body(loop.getInductionVar(), loop.getRegionIterArgs());
    scf::YieldOp::create(builder, loc, next);
  } else { // without carried values the builder has already made the terminator
    builder.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar(), {});
  }
  return llvm::to_vector_of<Value>(loop.getResults());
}
void KernelWriter::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto op = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op.thenBlock()->getTerminator());
  body();
}
void KernelWriter::ifThenElse(Value condition, llvm::function_ref<void()> thenBody,
                              llvm::function_ref<void()> elseBody) {
  auto op = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(op.thenBlock()->getTerminator());
  thenBody();
  builder.setInsertionPoint(op.elseBlock()->getTerminator());
  elseBody();
}

Values bitwright::nvptx::inlineEpilogue(KernelWriter &w, Block &epilogue, ValueRange arguments) {
  IRMapping mapping;
  for (auto [argument, value] : llvm::zip(epilogue.getArguments(), arguments))
    mapping.map(argument, value);
  for (Operation &op : epilogue.without_terminator()) {
    if (auto lookup = dyn_cast<kernel::LookupOp>(op)) {
      Type type = lookup.getOutput().getType();
      Value pointer = w.offset(mapping.lookup(lookup.getTable()), mapping.lookup(lookup.getIndex()), type);
      mapping.map(lookup.getOutput(), w.load(pointer, type, type.getIntOrFloatBitWidth() / 8));
      continue;
    }
    w.builder.clone(op, mapping);
  }
  Values emitted;
  for (Value value : epilogue.getTerminator()->getOperands())
    emitted.push_back(mapping.lookupOrDefault(value));
  return emitted;
}
