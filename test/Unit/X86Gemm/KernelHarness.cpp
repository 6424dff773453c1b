//===- KernelHarness.cpp - one fused region: emit, compile, run ------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "test/Unit/X86Gemm/KernelHarness.h"
#include "dialects/Dyadic/Dyadic.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cpuid.h>
#include <cstring>
#include <sys/mman.h>

using namespace mlir;

namespace bitwright::x86::testing {

constexpr size_t kPage = 4096;

GuardedBuffer::GuardedBuffer(size_t size, bool aligned, uint8_t pattern) : bytes(size) {
  size_t reach = aligned ? (size + 63) / 64 * 64 : size;
  size_t pages = (reach + kPage - 1) / kPage * kPage;
  mapped = pages + kPage;
  map = static_cast<uint8_t *>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::memset(map, pattern, pages);
  mprotect(map + pages, kPage, PROT_NONE);
  start = map + pages - reach;
}
GuardedBuffer::~GuardedBuffer() { munmap(map, mapped); }

std::unique_ptr<MLIRContext> makeContext() {
  auto context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  context->loadDialect<qnn::QnnDialect, dyadic::DyadicDialect, kernel::KernelDialect, func::FuncDialect,
                       arith::ArithDialect, scf::SCFDialect, vector::VectorDialect, LLVM::LLVMDialect>();
  return context;
}

bool hostHas(Isa isa) {
  __builtin_cpu_init();
  if (isa == Isa::Avx2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
}

std::unique_ptr<CompiledRegion> CompiledRegion::compile(func::FuncOp func, Isa isa) {
  auto region = std::make_unique<CompiledRegion>();
  FailureOr<SymbolicShapes> shapes = SymbolicShapes::compute(func);
  if (failed(shapes))
    return nullptr;
  func.walk([&](kernel::FusedOp op) { region->op = op; });
  for (Value operand : region->op.getInputs())
    region->operandShapes.push_back(shapes->get(operand));
  for (Value result : region->op.getOutputs())
    region->resultShapes.push_back(shapes->get(result));
  SmallVector<DimSymbol> symbols = getSymbols(func);
  OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
  FailureOr<KernelInfo> info = emitKernel(region->op, region->operandShapes, symbols, isa, *module, "k");
  if (failed(info))
    return nullptr;
  region->info = std::move(*info);
  llvm::raw_string_ostream(region->text) << *module;
  FailureOr<CodeBlob> blob = compileModule(*module, isa);
  if (failed(blob) || blob->entries.size() != 1)
    return nullptr;
  region->codeBytes = blob->bytes.size();
  size_t mapped = (blob->bytes.size() + kPage - 1) / kPage * kPage;
  region->code = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memcpy(region->code, blob->bytes.data(), blob->bytes.size());
  mprotect(region->code, mapped, PROT_READ | PROT_EXEC);
  region->entry = reinterpret_cast<Entry>(static_cast<uint8_t *>(region->code) + blob->entries[0].second);
  for (const ConstantBuffer &constant : region->info.constants) {
    region->constants.push_back(std::make_unique<GuardedBuffer>(constant.bytes.size(), /*aligned=*/true));
    std::memcpy(region->constants.back()->data(), constant.bytes.data(), constant.bytes.size());
  }
  return region;
}

CompiledRegion::~CompiledRegion() {
  if (code)
    munmap(code, (codeBytes + kPage - 1) / kPage * kPage);
}

/// Calls f(logical element number, element number in memory) for each element of a shape in a memory order.
template <typename F> static void forEachElement(ArrayRef<int64_t> shape, ArrayRef<int64_t> layout, F f) {
  int64_t rank = int64_t(shape.size()), total = reference::elementCount(shape);
  SmallVector<int64_t> strides(rank, 1), position(rank, 0);
  for (int64_t i = rank - 2; i >= 0; --i)
    strides[layout[i]] = strides[layout[i + 1]] * shape[layout[i + 1]];
  for (int64_t e = 0; e < total; ++e) {
    int64_t offset = 0;
    for (int64_t d = 0; d < rank; ++d)
      offset += position[d] * strides[d];
    f(e, offset);
    for (int64_t d = rank - 1; d >= 0 && ++position[d] == shape[d]; --d)
      position[d] = 0;
  }
}

static reference::Shape evaluateShape(const SymbolicShape &shape, ArrayRef<int64_t> symbols) {
  reference::Shape result;
  for (AffineExpr dim : shape)
    result.push_back(evaluate(dim, symbols));
  return result;
}

void CompiledRegion::bind(ArrayRef<reference::Tensor> operands, ArrayRef<int64_t> symbols) {
  symbolValues.assign(symbols.begin(), symbols.end());
  inputs.clear();
  outputs.clear();
  pointers.clear();
  dims.clear();
  for (unsigned i : info.runtimeOperands) {
    const reference::Tensor &tensor = operands[i];
    int64_t size = reference::sizeOf(tensor.getElement());
    // The very end of the buffer is the end of the memory; one byte off any alignment is the caller's right.
    inputs.push_back(std::make_unique<GuardedBuffer>(tensor.getNumBytes()));
    uint8_t *to = inputs.back()->data();
    const uint8_t *from = static_cast<const uint8_t *>(tensor.bytes());
    forEachElement(tensor.getShape(), op.getOperandLayout(i),
                   [&](int64_t e, int64_t at) { std::memcpy(to + at * size, from + e * size, size); });
    pointers.push_back(to);
  }
  for (auto &constant : constants)
    pointers.push_back(constant->data());
  for (auto [i, shape] : llvm::enumerate(resultShapes)) {
    auto element = *reference::elementOf(cast<RankedTensorType>(op.getOutputs()[i].getType()).getElementType());
    outputs.push_back(std::make_unique<GuardedBuffer>(reference::elementCount(evaluateShape(shape, symbols)) *
                                                      reference::sizeOf(element)));
    pointers.push_back(outputs.back()->data());
  }
  for (AffineExpr dim : info.dims)
    dims.push_back(evaluate(dim, symbols));
  tileCount = evaluate(info.tiles, symbols);
  scratch = std::make_unique<GuardedBuffer>(evaluate(info.scratchBytes, symbols), /*aligned=*/true);
}

void CompiledRegion::run(int64_t begin, int64_t end) {
  entry(pointers.data(), dims.data(), begin, end, scratch->data());
}

std::vector<reference::Tensor> CompiledRegion::results() const {
  std::vector<reference::Tensor> tensors;
  for (auto [i, shape] : llvm::enumerate(resultShapes)) {
    reference::Tensor tensor(
        *reference::elementOf(cast<RankedTensorType>(op.getOutputs()[i].getType()).getElementType()),
        evaluateShape(shape, symbolValues));
    int64_t size = reference::sizeOf(tensor.getElement());
    uint8_t *to = tensor.mutableData<uint8_t>();
    const uint8_t *from = outputs[i]->data();
    forEachElement(tensor.getShape(), op.getResultLayout(i),
                   [&](int64_t e, int64_t at) { std::memcpy(to + e * size, from + at * size, size); });
    tensors.push_back(tensor);
  }
  return tensors;
}

void CompiledRegion::clearResults() {
  for (auto &output : outputs)
    std::memset(output->data(), 0x5a, output->size());
}

} // namespace bitwright::x86::testing
