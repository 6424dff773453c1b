//===- CompiledRunner.h - running a float graph through its own code -------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Data runs through a graph before it is quantized by compiling the float graph in memory and running it through the
// public C API of the runtime: what is observed is what the float kernels compute.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_EVALUATE_COMPILEDRUNNER_H
#define BITWRIGHT_LIB_EVALUATE_COMPILEDRUNNER_H

#include "lib/Evaluate/InMemoryModel.h"
#include "lib/Statistics/Collect.h"
#include "llvm/ADT/StringMap.h"

namespace bitwright {

/// Compiles a clone of `func` at the first sample, with every wanted value stored. The set of wanted values must stay
/// the same.
class CompiledRunner : public Runner {
public:
  explicit CompiledRunner(mlir::func::FuncOp func, unsigned threads = 1) : func(func), threads(threads) {}
  ~CompiledRunner() override;
  llvm::Error run(const Sample &sample, const llvm::StringSet<> &wanted, ObserveFn observe) override;

private:
  llvm::Error compile(const llvm::StringSet<> &wanted);
  /// Fills `observedAs` from the fused function.
  void noteAliases(mlir::func::FuncOp clone, const llvm::StringSet<> &wanted);

  mlir::func::FuncOp func;
  unsigned threads;
  std::unique_ptr<InMemoryModel> model;
  bw_session *session = nullptr;
  /// For each stored value the names it is observed under: its own and those of its aliases (reshapes, transposes).
  llvm::StringMap<llvm::SmallVector<std::string>> observedAs;
};

} // namespace bitwright

#endif
