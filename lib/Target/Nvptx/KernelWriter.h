//===- KernelWriter.h - short words for GPU code ----------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// What the generators are written in: one method an instruction, i32 index arithmetic with C++ constants folded, loops
// and branches as lambdas. Everything it makes is nvvm, llvm, arith, scf, vector or a device operation of the kernel
// dialect, each of which the emulator knows.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_TARGET_NVPTX_KERNELWRITER_H
#define BITWRIGHT_LIB_TARGET_NVPTX_KERNELWRITER_H

#include "dialects/Kernel/Device.h"
#include "lib/Target/Nvptx/Nvptx.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace bitwright::nvptx {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;

/// Address spaces.
enum Space : unsigned { Generic = 0, Global = 1, Shared = 3, SharedCluster = 7 };

class KernelWriter {
public:
  KernelWriter(mlir::Location loc, mlir::ModuleOp module) : builder(loc.getContext()), loc(loc), module(module) {}

  /// The arguments of a kernel by role; segments' by their number, none where the kernel has no such parameter.
  struct Arguments {
    mlir::Value lhs, m;
    llvm::SmallVector<mlir::Value> rhs, groupScales, groupZeroPoints, operands, results;
  };
  static Arguments byRole(const EmittedKernel &kernel, mlir::ValueRange arguments, unsigned segments);

  /// Starts the function `kernel.symbol` with the facts of `kernel` (threads, cluster, parameters); returns its arguments.
  Values begin(const EmittedKernel &kernel);
  /// Ends it: llvm.return.
  void end();

  //===--- Types and constants ---------------------------------------------===//
  Type i1() { return builder.getI1Type(); }
  Type i8() { return builder.getI8Type(); }
  Type i16() { return builder.getI16Type(); }
  Type i32() { return builder.getI32Type(); }
  Type i64() { return builder.getI64Type(); }
  Type f16() { return builder.getF16Type(); }
  Type bf16() { return builder.getBF16Type(); }
  Type f32() { return builder.getF32Type(); }
  Type pointer(unsigned space) { return mlir::LLVM::LLVMPointerType::get(builder.getContext(), space); }
  Type vector(int64_t n, Type element) { return mlir::VectorType::get({n}, element); }
  /// !llvm.struct of n equal elements: what mma instructions return.
  Type structOf(unsigned n, Type element);
  Value constant(int64_t value, Type type = {}); ///< i32 by default; any width (as a bit pattern)
  Value constantF32(float value);

  //===--- i32 arithmetic (constants as int64_t) ----------------------------===//
  struct Operand { ///< a value or a constant
    Operand(Value value) : value(value) {}
    Operand(int64_t number) : number(number) {}
    Operand(int number) : number(number) {}
    Operand(unsigned number) : number(number) {}
    Operand(size_t number) : number(int64_t(number)) {}
    Value value;
    int64_t number = 0;
  };
  Value get(Operand x, Type type = {}) { return x.value ? x.value : constant(x.number, type); }
  Value add(Value a, Operand b);
  Value sub(Value a, Operand b);
  Value mul(Value a, Operand b);
  Value divu(Value a, Operand b);
  Value remu(Value a, Operand b);
  Value andi(Value a, Operand b);
  Value ori(Value a, Operand b);
  Value xori(Value a, Operand b);
  Value shl(Value a, Operand b);
  Value shru(Value a, Operand b);
  Value shrs(Value a, Operand b);
  Value minu(Value a, Operand b);
  Value cmp(mlir::arith::CmpIPredicate predicate, Value a, Operand b);
  Value eq(Value a, Operand b) { return cmp(mlir::arith::CmpIPredicate::eq, a, b); }
  Value ne(Value a, Operand b) { return cmp(mlir::arith::CmpIPredicate::ne, a, b); }
  Value ult(Value a, Operand b) { return cmp(mlir::arith::CmpIPredicate::ult, a, b); }
  Value uge(Value a, Operand b) { return cmp(mlir::arith::CmpIPredicate::uge, a, b); }
  Value select(Value condition, Operand a, Operand b);
  Value zext(Value a, Type type);
  Value sext(Value a, Type type);
  Value trunc(Value a, Type type);
  Value bitcast(Value a, Type type);
  /// An i4 in the low bits of an i32, the others zero. A truncation that made it is undone: i4 has no registers.
  Value nibble(Value a);

  //===--- f32 ----------------------------------------------------------------===//
  Value addf(Value a, Value b);
  Value subf(Value a, Value b);
  Value mulf(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value toFloat(Value integer);         ///< sitofp to f32
  Value extend(Value half);             ///< f16 or bf16 to f32
  Value truncate(Value value, Type type); ///< f32 to f16 or bf16, nearest even

  //===--- Memory ---------------------------------------------------------------===//
  /// pointer + offset elements of `element` (bytes by default).
  Value offset(Value pointer, Operand offset, Type element = {});
  Value load(Value pointer, Type type, unsigned alignment);
  void store(Value value, Value pointer, unsigned alignment);
  /// n words as a vector load of 4 n bytes, alignment 4 n.
  Values loadWords(Value pointer, unsigned n);
  void storeWords(Values words, Value pointer);
  Values loadStream(Value pointer, int64_t offset);
  void storeIf(Value condition, Value pointer, ValueRange words, int64_t offset = 0);
  /// Start of the dynamic shared memory (!llvm.ptr<3>).
  Value sharedMemory();
  Value pointerToInt(Value pointer); ///< i32 (shared)
  Value castSpace(Value pointer, unsigned space);
  Value extract(Value structure, unsigned i);
  Value extractElement(Value vector, unsigned i);

  //===--- Threads ------------------------------------------------------------===//
  Value threadId(unsigned threads); ///< tid.x in [0, threads)
  Value blockX();
  Value blockY();
  Value gridX();
  Value clusterRank();
  /// A value that is the same in all lanes, told to the compiler (shfl idx from lane 0).
  Value uniform(Value value);
  Value shuffleXor(Value value, Operand mask);
  void barrier();                               ///< of the CTA
  void barrier(Operand id, unsigned threads);   ///< named
  void warpSync();
  void clusterArriveRelaxed();
  void clusterArrive();
  void clusterWait();
  void setMaxRegisters(unsigned count, bool increase);
  void launchDependents(); ///< griddepcontrol.launch_dependents
  void waitPredecessor();  ///< griddepcontrol.wait

  //===--- mbarrier, bulk and tensor copies ---------------------------------===//
  void barrierInit(Value barrier, Operand count);
  void fenceBarrierInit();
  void expectBytes(Value barrier, Operand bytes); ///< arrive.expect_tx
  void arrive(Value barrier);
  void waitParity(Value barrier, Value parity);
  /// 2-D or 3-D box at `coordinates` (innermost first) to shared memory; bytes complete on `barrier`.
  void copyTensor(Value destination, Value map, ValueRange coordinates, Value barrier);
  void copyBulk(Value destination, Value source, Operand bytes, Value barrier);
  void prefetchTensorMap(Value map);
  /// cp.async of 16 bytes; `sourceBytes` (i32) fewer are read, the rest zero-filled.
  void copyAsync(Value destination, Value source, Value sourceBytes = {});
  void commitCopies();
  void waitCopies(unsigned pending);

  //===--- Tensor cores ----------------------------------------------------------===//
  Values ldmatrix4(Value pointer);
  /// mma.sync m16n8: s8 (k32), s4 (k64): i32 words and accumulators, wrapping; f16, bf16 (k16): i32 words, f32.
  enum class Mma { S8, S4, F16, BF16 };
  Values mmaSync(Mma kind, ValueRange a, ValueRange b, ValueRange c);
  /// wgmma with both operands in shared memory; `accumulators` is a struct value of n / 2.
  enum class Wgmma { S8, F16, BF16 };
  Value wgmmaShared(Wgmma kind, unsigned n, Value a, Value b, Value accumulators, bool fromZero);
  Values wgmmaRegisters(Wgmma kind, unsigned n, ValueRange a, Value b, ValueRange accumulators, bool fromZero = false);
  void wgmmaFence();
  void wgmmaCommit();
  void wgmmaWait(unsigned pending);
  /// Descriptor of a K-major tile with 128-byte swizzle at `address` (i32 shared address, 1024-byte aligned).
  Value descriptor(Value address);

  //===--- Device operations --------------------------------------------------===//
  Value lop3(Value a, Operand b, Operand c, uint8_t table);
  Value permuteBytes(Value low, Value high, Operand selector); ///< prmt
  Value packS8(Value high, Value low, Value rest);
  Value packHalf(Value high, Value low, Type type);
  Value roundToInt(Value f);
  Value packedMath(kernel::HalfMath function, ValueRange inputs, Type type);
  Values pin(ValueRange values);

  //===--- Control flow ----------------------------------------------------------===//
  /// for (i = lower; i < upper; i += step) with carried values; the body returns their next values.
  Values loop(Operand lower, Operand upper, Operand step, ValueRange init,
              llvm::function_ref<Values(Value i, ValueRange carried)> body);
  void ifThen(Value condition, llvm::function_ref<void()> body);
  void ifThenElse(Value condition, llvm::function_ref<void()> thenBody, llvm::function_ref<void()> elseBody);

  mlir::OpBuilder builder;
  mlir::Location loc;
  mlir::ModuleOp module;
  mlir::LLVM::LLVMFuncOp function;
};

/// The accumulator and operands of one element go in, the emitted scalars come out. `arguments[i]` belongs to block
/// argument i; for a table it is a !llvm.ptr<1> to its elements.
Values inlineEpilogue(KernelWriter &w, mlir::Block &epilogue, ValueRange arguments);

/// Rewrites the device operations of `module` to inline PTX (the last step before the LLVM dialect).
void lowerDeviceOps(mlir::ModuleOp module);

// The templates. `supports` gives the first predicate that failed, or ""; `emit` is called only after it gave "".
#define BITWRIGHT_NVPTX_TEMPLATE(name)                                                                                 \
  std::string supports##name(mlir::Operation *op, kernel::ScheduleAttr schedule);                                      \
  EmittedKernel emit##name(mlir::Operation *op, kernel::ScheduleAttr schedule, mlir::ModuleOp into,                    \
                           llvm::StringRef symbol)
BITWRIGHT_NVPTX_TEMPLATE(Multistage);
BITWRIGHT_NVPTX_TEMPLATE(WgmmaSs);
BITWRIGHT_NVPTX_TEMPLATE(WgmmaRs);
BITWRIGHT_NVPTX_TEMPLATE(Decode);
BITWRIGHT_NVPTX_TEMPLATE(Rows);
#undef BITWRIGHT_NVPTX_TEMPLATE

} // namespace bitwright::nvptx

#endif
