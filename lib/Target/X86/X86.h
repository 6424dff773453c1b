//===- X86.h - fused regions to x86-64 code --------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// One `kernel.fused` region becomes one function behind the kernel ABI
//
//   void k(void **buffers, const int64_t *dims, int64_t tile_begin, int64_t tile_end, void *scratch)
//
// and all functions of one instruction set become one position-independent blob that calls nothing outside
// (KERNELS 6.5). What a kernel expects of its buffers (`KernelInfo`) is the same for every instruction set.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_X86_X86_H
#define BITWRIGHT_LIB_TARGET_X86_X86_H

#include "dialects/Kernel/Kernel.h"
#include "lib/Target/X86/PanelLayout.h"
#include "mlir/IR/BuiltinOps.h"
#include <cstdint>
#include <string>
#include <vector>

namespace bitwright::x86 {

/// Levels of code, each a superset of the one before. (AMX will be the next: the packed weights are already in the
/// order that its tile loads read.)
enum class Isa {
  Avx2,       ///< AVX2, FMA, F16C
  Avx512Vnni, ///< and AVX512 F, BW, VL, DQ, VNNI, VBMI
};
llvm::StringRef nameOf(Isa isa);

/// Constant bytes that a kernel reads: packed weights, biases, multipliers, tables. 64-byte aligned at run time.
struct ConstantBuffer {
  std::string description; ///< for people: layout and sizes
  std::vector<uint8_t> bytes;
  /// Packed codes or weights: the operand of the fused op that they are, and how they lie (a GPU's packer reads them
  /// from here). Bytes: s8 [N/16][K/4][16][4]; Nibbles: [N/16][K/8][16][8], signed codes plus 8 (PanelLayout).
  enum class Order { Other, PanelBytes, PanelNibbles };
  int operand = -1;
  Order order = Order::Other;
  bool plusEight = false; ///< nibbles hold signed codes plus 8 (else codes that are unsigned themselves)
  /// Of codes in nibbles, an operand as they are or not: the sides of the panels, places beyond which are 0. The file
  /// may hold such panels in fewer bits.
  std::optional<PanelLayout> nibbles;
};

/// What a launch of the kernel needs.
struct KernelInfo {
  /// Operand numbers of the fused op that are run-time tensors. The buffers of a launch are these operands, then
  /// `constants`, then the results, in this order. Result buffers overlap no other buffer.
  llvm::SmallVector<unsigned> runtimeOperands;
  std::vector<ConstantBuffer> constants;
  /// Expressions of the function's symbols in the order of the `dims` array (may multiply symbols).
  llvm::SmallVector<mlir::AffineExpr> dims;
  mlir::AffineExpr tiles;        ///< number of independent tiles
  mlir::AffineExpr scratchBytes; ///< per thread
};

/// Emits `op` as function `symbol` (LLVM, arith, scf and vector dialects) at the end of `into`. `operandShapes` are the
/// symbolic shapes of the operands, `symbols` the symbols of the function that holds `op`. Two ops whose emitted
/// functions are the same text but for the symbol share code. Diagnoses what no template covers.
mlir::FailureOr<KernelInfo> emitKernel(kernel::FusedOp op, llvm::ArrayRef<SymbolicShape> operandShapes,
                                       llvm::ArrayRef<DimSymbol> symbols, Isa isa, mlir::ModuleOp into,
                                       llvm::StringRef symbol);

/// Machine code of one instruction set.
struct CodeBlob {
  std::vector<uint8_t> bytes;
  std::vector<std::pair<std::string, uint64_t>> entries; ///< symbol and offset, in the module's order
};

/// Compiles every function of `module` (which is consumed: lowered in place). Refuses, by name, undefined symbols and
/// writable data.
mlir::FailureOr<CodeBlob> compileModule(mlir::ModuleOp module, Isa isa);

} // namespace bitwright::x86

#endif
