//===- KernelDevice.td - GPU instructions that nvvm lacks ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Generated kernels are nvvm, llvm, arith, scf and vector operations plus these. Each has a meaning that the emulator
// (lib/Target/Nvptx/Emulator*) runs lane by lane, and one line of PTX that `lowerDeviceOps` writes.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_KERNEL_KERNELDEVICE_TD
#define BITWRIGHT_DIALECTS_KERNEL_KERNELDEVICE_TD

include "dialects/Kernel/KernelAttributes.td"

def Kernel_Pointer : Type<CPred<"::llvm::isa<::mlir::LLVM::LLVMPointerType>($_self)">, "LLVM pointer">;

class Kernel_DeviceOp<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Kernel_Lop3Op : Kernel_DeviceOp<"lop3", [Pure]> {
  let summary = "any bitwise function of three words: bit (4a + 2b + c) of `table`";
  let arguments = (ins I32:$a, I32:$b, I32:$c, I32Attr:$table);
  let results = (outs I32:$output);
}
def Kernel_PackS8Op : Kernel_DeviceOp<"pack_s8", [Pure]> {
  let summary = "cvt.pack.sat.s8.s32.b32: bytes [sat8(low), sat8(high), rest & 0xffff] from the lowest";
  let description = "`(sat8(low) & 255) | (sat8(high) & 255) << 8 | rest << 16`.";
  let arguments = (ins I32:$high, I32:$low, I32:$rest);
  let results = (outs I32:$output);
}
def Kernel_PackHalfOp : Kernel_DeviceOp<"pack_half", [Pure]> {
  let summary = "two floats to one word of f16 or bf16 (round to nearest even), `low` in the low half";
  let arguments = (ins F32:$high, F32:$low, TypeAttr:$type);
  let results = (outs I32:$output);
}
def Kernel_RoundToIntOp : Kernel_DeviceOp<"round_to_int", [Pure]> {
  let summary = "cvt.rni.s32.f32: nearest even, saturating, NaN gives 0";
  let arguments = (ins F32:$input);
  let results = (outs I32:$output);
}
def Kernel_PackedMathOp : Kernel_DeviceOp<"packed_math", [Pure]> {
  let summary = "add, sub, mul or fma of two f16 or bf16 values in a word, each rounded once";
  let arguments = (ins Variadic<I32>:$inputs, Kernel_HalfMath:$function, TypeAttr:$type);
  let results = (outs I32:$output);
}
def Kernel_PinOp : Kernel_DeviceOp<"pin"> {
  let summary = "the inputs, not before this point and not moved across it";
  let description = "An empty side-effect asm with tied registers: keeps values of asynchronous instructions where ptxas wants them (KERNELS 3.5.5).";
  let arguments = (ins Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
}
def Kernel_WgmmaRsOp : Kernel_DeviceOp<"wgmma_rs"> {
  let summary = "wgmma.mma_async with A (four words a lane) in registers and B through a shared-memory descriptor";
  let description = "m64, N = `n`, k32 for `type` i8 (i32 accumulators), k16 for f16 and bf16 (f32 accumulators); n / 2 accumulators a lane. With `zero` the accumulators' old values are not read.";
  let arguments = (ins I32:$a0, I32:$a1, I32:$a2, I32:$a3, I64:$descriptor, Variadic<AnyType>:$accumulators, I64Attr:$n, TypeAttr:$type, UnitAttr:$zero);
  let results = (outs Variadic<AnyType>:$outputs);
}
def Kernel_LoadStreamOp : Kernel_DeviceOp<"load_stream"> {
  let summary = "16 bytes of read-once global memory: ld.global.nc.L1::no_allocate.L2::256B.v4";
  let arguments = (ins Kernel_Pointer:$pointer, I64Attr:$offset);
  let results = (outs I32:$w0, I32:$w1, I32:$w2, I32:$w3);
}
def Kernel_StoreIfOp : Kernel_DeviceOp<"store_if"> {
  let summary = "st.global of 1, 2 or 4 words at pointer + offset when `condition` holds";
  let arguments = (ins I1:$condition, Kernel_Pointer:$pointer, Variadic<I32>:$words, I64Attr:$offset);
}
def Kernel_StoreAsyncOp : Kernel_DeviceOp<"store_async"> {
  let summary = "st.async of four words into the shared memory of a cluster's CTA, counted on its mbarrier";
  let description = "`address` and `barrier` are shared::cluster addresses from `kernel.map_shared`; 16 transaction bytes complete on the barrier.";
  let arguments = (ins I32:$address, I32:$w0, I32:$w1, I32:$w2, I32:$w3, I32:$barrier);
}
def Kernel_MapSharedOp : Kernel_DeviceOp<"map_shared", [Pure]> {
  let summary = "mapa.shared::cluster.u32: the address of a shared-memory location in another CTA of the cluster";
  let arguments = (ins I32:$address, I32:$rank);
  let results = (outs I32:$output);
}
def Kernel_ArriveRemoteOp : Kernel_DeviceOp<"arrive_remote"> {
  let summary = "mbarrier.arrive on another CTA's barrier, without a scope that would cost a memory barrier (KERNELS 4.3)";
  let arguments = (ins I32:$barrier, I32:$rank);
}
def Kernel_PrefetchL2Op : Kernel_DeviceOp<"prefetch_l2"> {
  let summary = "cp.async.bulk.prefetch.L2.global of `bytes` bytes";
  let arguments = (ins Kernel_Pointer:$pointer, I32:$bytes);
}

#endif
