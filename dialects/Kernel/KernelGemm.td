//===- KernelGemm.td - kernels of a GPU, described -------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_KERNEL_KERNELGEMM_TD
#define BITWRIGHT_DIALECTS_KERNEL_KERNELGEMM_TD

include "dialects/Kernel/KernelAttributes.td"
include "mlir/IR/SymbolInterfaces.td"

def Kernel_GemmOp : Op<Kernel_Dialect, "gemm", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "a matrix product with its epilogue as one GPU kernel, for any M";
  let description = [{
    `acc[m, n] = sum over segments of their products` (each segment takes the next `k` columns of the row-major M x K left operand and of the N x K weights), then the
    region for every element. Its block arguments are the accumulator (i32 when every segment is exact in integers, else f32) and one scalar for each of
    `operands` in order: the value at (m), (n) or (m, n), the scalar itself, or for a table `vector<256 x type>`, which only `kernel.lookup` reads. The region holds `arith`,
    `math.fma`, `math.roundeven`, `math.sqrt`, `math.absf`, `math.copysign` and `kernel.lookup`, and ends in `kernel.emit` with one value for each of `results`
    (element types of M x N results).
    `schedules`: one kernel each; at most one per architecture covers an M.
    C1: the first block argument is i32 or f32 as above; C2: one block argument of the element type for each operand; C3: the emitted types are `results`;
    C4: ranges of M of schedules of one architecture do not overlap.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$n, TypedArrayAttrBase<Kernel_SegmentAttr, "segments">:$segments,
    TypedArrayAttrBase<Kernel_OperandAttr, "operands">:$operands, TypeArrayAttr:$results, OptionalAttr<TypedArrayAttrBase<Kernel_ScheduleAttr, "schedules">>:$schedules);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = "$sym_name `n` $n `segments` $segments `operands` $operands `results` $results (`schedules` $schedules^)? attr-dict-with-keyword $epilogue";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getK();
    bool hasIntegerAccumulator();
    SegmentAttr getSegment(unsigned i);
    OperandAttr getOperandAttr(unsigned i);
    ::mlir::Type getResultElement(unsigned i);
    ::bitwright::kernel::EmitOp getEmit();
  }];
}

def Kernel_RowsOp : Op<Kernel_Dialect, "rows", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "elementwise work or per-token quantization over M rows of n elements as one GPU kernel";
  let description = [{
    The region gives values for every element from `operands` (as in `kernel.gemm`, without an accumulator). Without `quantize` it emits the elements of `results`.
    With `quantize` it emits one f32 x, and the results are the codes M x n of `qnn.quantize_dynamic` and the f32 scales M; results[0] is the type of the codes (i8).
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$n, TypedArrayAttrBase<Kernel_OperandAttr, "operands">:$operands, TypeArrayAttr:$results, UnitAttr:$quantize,
    OptionalAttr<TypedArrayAttrBase<Kernel_ScheduleAttr, "schedules">>:$schedules);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `n` $n `operands` $operands `results` $results (`quantize` $quantize^)? (`schedules` $schedules^)? attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    OperandAttr getOperandAttr(unsigned i);
    ::mlir::Type getResultElement(unsigned i);
    ::bitwright::kernel::EmitOp getEmit();
  }];
}

def Kernel_EmitOp : Op<Kernel_Dialect, "emit", [Terminator, Pure]> {
  let summary = "the values that an epilogue stores for one element";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}

def Kernel_LookupOp : Op<Kernel_Dialect, "lookup", [Pure]> {
  let summary = "element `index` (0..255) of a table operand";
  let arguments = (ins AnyVectorOfNonZeroRank:$table, I32:$index);
  let results = (outs AnyType:$output);
  let assemblyFormat = "$table `[` $index `]` attr-dict `:` type($table) `->` type($output)";
}

#endif
