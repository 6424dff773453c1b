//===- KernelHarness.h - one fused region: emit, compile, run --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// For tests and micro benchmarks of the x86 templates: a function with one kernel.fused region is compiled for one
// instruction set, its code mapped into this process, and run on tensors in logical order. Buffers end at an
// inaccessible page.
//===----------------------------------------------------------------------===//
#ifndef BITWRIGHT_TEST_UNIT_X86GEMM_KERNELHARNESS_H
#define BITWRIGHT_TEST_UNIT_X86GEMM_KERNELHARNESS_H

#include "lib/Reference/Tensor.h"
#include "lib/Target/X86/X86.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>
#include <vector>

namespace bitwright::x86::testing {

/// Anonymous memory whose last byte lies before a page that may not be touched.
class GuardedBuffer {
public:
  /// `bytes` of memory, filled with `pattern`; `alignEnd` rounds the size up so that the start is 64-byte aligned.
  explicit GuardedBuffer(size_t bytes, bool aligned = false, uint8_t pattern = 0xa5);
  ~GuardedBuffer();
  GuardedBuffer(const GuardedBuffer &) = delete;
  uint8_t *data() const { return start; }
  size_t size() const { return bytes; }

private:
  uint8_t *map = nullptr, *start = nullptr;
  size_t mapped = 0, bytes = 0;
};

/// A context with every dialect that the templates need.
std::unique_ptr<mlir::MLIRContext> makeContext();
/// Whether this machine runs the code of an instruction set.
bool hostHas(Isa isa);

/// A region with its constants, ready to run.
class CompiledRegion {
public:
  /// The only kernel.fused of `func`; null after a diagnostic.
  static std::unique_ptr<CompiledRegion> compile(mlir::func::FuncOp func, Isa isa);
  ~CompiledRegion();

  /// Lays the operands out in memory (logical order in) for these values of the symbols.
  void bind(llvm::ArrayRef<reference::Tensor> operands, llvm::ArrayRef<int64_t> symbols);
  int64_t tiles() const { return tileCount; }
  /// Runs tiles [begin, end).
  void run(int64_t begin, int64_t end);
  void runAll() { run(0, tileCount); }
  /// The results in logical order.
  std::vector<reference::Tensor> results() const;
  /// Overwrites the results' memory.
  void clearResults();

  const KernelInfo &getInfo() const { return info; }
  const std::string &getText() const { return text; }
  size_t getCodeBytes() const { return codeBytes; }
  const void *getCode() const { return code; }

private:
  using Entry = void (*)(void **, const int64_t *, int64_t, int64_t, void *);
  mutable kernel::FusedOp op; // a handle; its accessors are not const
  llvm::SmallVector<SymbolicShape> operandShapes, resultShapes;
  KernelInfo info;
  std::string text;
  void *code = nullptr;
  size_t codeBytes = 0;
  Entry entry = nullptr;
  std::vector<std::unique_ptr<GuardedBuffer>> inputs, constants, outputs;
  std::unique_ptr<GuardedBuffer> scratch;
  std::vector<void *> pointers;
  std::vector<int64_t> dims, symbolValues;
  int64_t tileCount = 0;
};

} // namespace bitwright::x86::testing

#endif // BITWRIGHT_TEST_UNIT_X86GEMM_KERNELHARNESS_H
