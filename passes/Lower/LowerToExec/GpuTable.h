//===- GpuTable.h - launches on a GPU ----------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// From `gpu_kernel`, `gpu_bindings` and `gpu_launches` to what the file holds (lib/Artifact/Gpu.h): packings, kernels
// and one variant for each schedule of a launch.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_PASSES_LOWER_LOWERTOEXEC_GPUTABLE_H
#define BITWRIGHT_PASSES_LOWER_LOWERTOEXEC_GPUTABLE_H

#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Exec/Exec.h"
#include "dialects/Kernel/Gemm.h"
#include "lib/Target/X86/X86.h"
#include "lib/Weights/WeightStore.h"
#include "passes/Lower/LowerKernelsToNvvm/LaunchFacts.h"

namespace bitwright {

/// The GPU part of an exec.launch; null where there is none.
struct GpuRows {
  mlir::AffineMapAttr m;
  mlir::ArrayAttr variants; ///< of #exec.gpu_variant
  mlir::StringAttr reason;
};

class GpuTable {
public:
  /// Adds bytes to the program's weights (equal bytes once); returns the number.
  using AddWeight =
      llvm::function_ref<unsigned(llvm::ArrayRef<uint8_t>, llvm::StringRef description, llvm::StringRef name,
                                  std::optional<x86::PanelLayout> nibbles)>;

  GpuTable(mlir::ModuleOp module, unsigned numSymbols) : module(module), numSymbols(numSymbols) {}

  /// `info` and `weights`: the CPU's kernel of the same region, whose buffers the launch has: its run-time operands,
  /// then `weights`, then the results.
  mlir::FailureOr<GpuRows> addLaunch(kernel::FusedOp op, const x86::KernelInfo &info, llvm::ArrayRef<unsigned> weights,
                                     AddWeight addWeight);
  /// exec.packing, exec.gpu_code and exec.gpu_kernel for what the launches use.
  void build(mlir::OpBuilder &builder, mlir::Location loc);

private:
  struct Source;
  mlir::FailureOr<exec::GpuVariantAttr> variant(const LaunchFacts &facts);
  mlir::FailureOr<exec::GpuArgumentAttr> argument(const nvptx::Parameter &parameter);
  exec::GpuMapAttr mapOver(const nvptx::TensorMap &map, mlir::AffineExpr rows, int64_t columns);
  mlir::FailureOr<Source> constantOf(const nvptx::Parameter &parameter);
  int64_t addPacking(const layout::Packing &packing);
  mlir::Attribute bindingOf(const nvptx::Parameter &parameter);
  std::optional<WeightData> dataOf(mlir::Attribute binding);
  mlir::AffineMap mapOf(llvm::ArrayRef<mlir::AffineExpr> exprs);
  mlir::InFlightDiagnostic error();

  mlir::ModuleOp module;
  unsigned numSymbols;
  std::vector<layout::Packing> packings;
  llvm::MapVector<std::pair<mlir::StringAttr, mlir::StringAttr>, LaunchFacts> kernels; ///< by (symbol, arch)

  // The launch at hand.
  kernel::FusedOp op;
  const x86::KernelInfo *info = nullptr;
  llvm::ArrayRef<unsigned> weights;
  std::optional<AddWeight> addWeight;
  mlir::AffineExpr m;
  int64_t k = 0, n = 0;
  unsigned lhsBits = 8;
};

} // namespace bitwright

#endif
