//===- Nvptx.h - GPU kernels as NVVM code -----------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A `kernel.gemm` or `kernel.rows` and one of its schedules become one function of nvvm, llvm, arith, scf, vector and
// device operations (dialects/Kernel/KernelDevice.td), ready for three readers: the emulator, which runs it lane by
// lane without a GPU; `compileToPtx`; and people. `EmittedKernel` says what a launch needs; the same facts go into the
// file.
//
// Rules for emitted functions (all generators):
//   * `llvm.func @symbol` with nvvm.kernel, nvvm.reqntid, nvvm.minctasm, nvvm.cluster_dim where cluster > 1.
//   * Parameters in the order of `EmittedKernel::parameters`: pointers `!llvm.ptr<1>`, tensor maps
//     `!llvm.ptr {llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant, llvm.align = 64}`, i32 values.
//   * Dynamic shared memory is the module's `llvm.mlir.global external @smem` (`getSharedMemory`), the only global.
//   * Every load and store carries its alignment. Index arithmetic is i32 (M * N < 2^31 is checked at launch).
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_NVPTX_H
#define BITWRIGHT_LIB_TARGET_NVPTX_NVPTX_H

#include "dialects/Kernel/Gemm.h"
#include "lib/Layout/LinearLayout.h"
#include "mlir/IR/BuiltinOps.h"
#include <optional>
#include <string>
#include <vector>

namespace bitwright::nvptx {

enum class Arch { Sm80, Sm90a };
llvm::StringRef nameOf(Arch arch);                        // "sm_80", "sm_90a"
std::optional<Arch> parseArch(llvm::StringRef name);
llvm::StringRef ptxFeatureOf(Arch arch);                  // "+ptx74", "+ptx81"

/// What a parameter of a kernel is.
enum class Role : uint8_t {
  Lhs = 0,            ///< the M x K left operand of a gemm, row-major
  Rhs = 1,            ///< the N x K weights of segment `index`
  GroupScale = 2,     ///< N x K/group scales of segment `index`; for two_level the i8 S_g
  GroupZeroPoint = 3, ///< N x K/group i8 zero points; for two_level the i16 m_g
  Operand = 4,        ///< operand `index` of the epilogue
  Result = 5,         ///< result `index`, M x N row-major (rows with quantize: 0 the codes, 1 the f32 scales)
  M = 6,              ///< the number of rows, i32
};
enum class Form : uint8_t { Pointer = 0, TensorMap = 1, Int32 = 2 };

/// A TMA descriptor over a matrix of which the row-major order is known: the left operand (rows = M at run time) or
/// packed weights (rows and pitch of the packing). Rank 2: (columns, rows), box = boxColumns x boxRows elements.
/// Rank 3: (blockColumns, rows, columns / blockColumns), box = blockColumns x boxRows x boxBlocks.
struct TensorMap {
  unsigned elementBits = 8;   ///< 8 (any bytes) or 16
  unsigned rank = 2;
  unsigned boxColumns = 0, boxRows = 0, boxBlocks = 0;
  bool swizzle128 = true;
};

struct Parameter {
  Role role = Role::M;
  unsigned index = 0;
  Form form = Form::Pointer;
  TensorMap map;                          ///< form TensorMap
  std::optional<layout::Packing> packing; ///< constants (Rhs, GroupScale, GroupZeroPoint): the order this kernel reads
};

struct EmittedKernel {
  std::string symbol;
  Arch arch = Arch::Sm80;
  unsigned threads = 0;
  unsigned sharedBytes = 0; ///< dynamic
  unsigned cluster = 1;     ///< CTAs of a cluster along x
  bool pdl = false;
  /// Grid along x and y as a function of M (d0), in CTAs; z is 1.
  mlir::AffineExpr gridX, gridY;
  /// The grid along x is only an upper bound: launch min(gridX, resident clusters * cluster) CTAs.
  bool persistent = false;
  std::vector<Parameter> parameters;
};

/// Emits the kernel as function `symbol` at the end of `into`. Diagnoses at `op`, by name and with the predicate that
/// failed, what the template does not cover; `supports` says the same without emitting.
mlir::FailureOr<EmittedKernel> emitKernel(mlir::Operation *op, kernel::ScheduleAttr schedule, mlir::ModuleOp into,
                                          llvm::StringRef symbol);
/// "" when the template of `schedule` covers `op` (kernel.gemm or kernel.rows), otherwise the first predicate that
/// failed: "expected K to be a multiple of 128, found 96".
std::string supports(mlir::Operation *op, kernel::ScheduleAttr schedule);

/// What `op` means, without a schedule: one thread an element, for comparison on a device. Weights are row-major and
/// unpacked (4-bit codes in bytes: signed ones with their sign, those of two_level as 0..15; scales, zero points and the
/// i16 m_g row-major as well); results and left operand as for `emitKernel`. Integers are exact; floats are summed by f32
/// fma in ascending k, group sums as `place` says.
mlir::FailureOr<EmittedKernel> emitNaive(kernel::GemmOp op, Arch arch, mlir::ModuleOp into, llvm::StringRef symbol);

/// PTX of every function of `module` (which is consumed: lowered in place).
mlir::FailureOr<std::string> compileToPtx(mlir::ModuleOp module, Arch arch);

/// What ptxas said of one kernel.
struct KernelResources {
  std::string symbol;
  unsigned registers = 0, spillBytes = 0, stackBytes = 0;
};
struct Assembled {
  std::vector<uint8_t> cubin;
  std::vector<KernelResources> kernels;
  std::vector<std::string> warnings; ///< C75xx and others
};
/// Assembles PTX with ptxas ($BITWRIGHT_PTXAS, PATH, the CUDA toolkit, the package nvidia-cuda-nvcc).
mlir::FailureOr<Assembled> assemble(llvm::StringRef ptx, Arch arch, mlir::Location loc);
/// The path of ptxas, or nothing.
std::optional<std::string> findPtxas();

} // namespace bitwright::nvptx

#endif
