//===- ExecOps.td - the content of a .bwm file as IR -----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_EXEC_EXECOPS_TD
#define BITWRIGHT_DIALECTS_EXEC_EXECOPS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"

def Exec_Dialect : Dialect {
  let name = "exec";
  let cppNamespace = "::bitwright::exec";
  let summary = "Buffers with offsets, constants and kernel launches: one to one with the file";
  let useDefaultAttributePrinterParser = 1;
  let description = [{
    One `exec.program` is one `.bwm` file; each operation is one table of it (see docs/FileFormat.md). Expressions are affine maps of the program's symbols.
    Bytes of weights and code are tensors of the weight store, referred to by `source`.
  }];
}

def Exec_Place : I32EnumAttr<"Place", "where a buffer lives", [I32EnumAttrCase<"Arena", 0, "arena">, I32EnumAttrCase<"Weight", 1, "weight">,
    I32EnumAttrCase<"Input", 2, "input">, I32EnumAttrCase<"Output", 3, "output">]> {
  let cppNamespace = "::bitwright::exec";
  let genSpecializedAttr = 0;
}

def Exec_BufferAttr : AttrDef<Exec_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "a buffer of a launch";
  let description = [{ `#exec.buffer<arena 4096 "conv1">`: the arena's byte 4096 holds the tensor "conv1"; weight, input and output give a number. An empty tensor name is a nameless temporary. }];
  let parameters = (ins EnumParameter<Exec_Place>:$place, "int64_t":$index, StringRefParameter<>:$tensor);
  let assemblyFormat = "`<` $place $index $tensor `>`";
}

def Exec_ProgramOp : Op<Exec_Dialect, "program", [IsolatedFromAbove, SingleBlock, NoTerminator, Symbol]> {
  let summary = "an executable model";
  let arguments = (ins SymbolNameAttr:$sym_name, ArrayAttr:$symbols, I64Attr:$arena);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `symbols` $symbols `arena` $arena attr-dict-with-keyword `contents` $body";
}

def Exec_TensorOp : Op<Exec_Dialect, "tensor", [HasParent<"ProgramOp">]> {
  let summary = "a named value: element type, dimensions, memory order, quantization";
  let arguments = (ins StrAttr:$name, TypeAttr:$type, AffineMapAttr:$dims, DenseI64ArrayAttr:$order, OptionalAttr<DenseF32ArrayAttr>:$scales,
                       OptionalAttr<DenseI32ArrayAttr>:$zero_points, DefaultValuedAttr<I64Attr, "-1">:$axis);
  let assemblyFormat = "$name $type `dims` $dims `order` $order attr-dict";
}
def Exec_WeightOp : Op<Exec_Dialect, "weight", [HasParent<"ProgramOp">]> {
  let summary = "constant bytes in the order that kernels read; number = position among the weights";
  let arguments = (ins StrAttr:$name, StrAttr:$layout, StrAttr:$source);
  let assemblyFormat = "$name `layout` $layout `source` $source attr-dict";
}
def Exec_CodeOp : Op<Exec_Dialect, "code", [HasParent<"ProgramOp">]> {
  let summary = "position-independent code of all kernels for one instruction set level";
  let arguments = (ins StrAttr:$isa, StrAttr:$source);
  let assemblyFormat = "$isa `source` $source attr-dict";
}
def Exec_KernelOp : Op<Exec_Dialect, "kernel", [HasParent<"ProgramOp">]> {
  let summary = "a kernel: entry offset in each code segment";
  let arguments = (ins StrAttr:$name, DictionaryAttr:$entries);
  let assemblyFormat = "$name $entries attr-dict";
}
def Exec_InterfaceOp : Op<Exec_Dialect, "interface", [HasParent<"ProgramOp">]> {
  let summary = "names of the tensors that are the entry point's inputs and outputs";
  let arguments = (ins StrArrayAttr:$inputs, StrArrayAttr:$outputs);
  let assemblyFormat = "$inputs `->` $outputs attr-dict";
}
def Exec_LaunchOp : Op<Exec_Dialect, "launch", [HasParent<"ProgramOp">, IsolatedFromAbove]> {
  let summary = "one call of a kernel over all its tiles";
  let description = [{
    `stores`: numbers of the buffers that the kernel writes. The optional body is the region that the kernel was made from: its arguments are the tensors of the
    buffers that are neither weights nor stores, in order; the interpreter runs it. Packaging drops it.
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$kernel, ArrayAttr:$buffers, DenseI64ArrayAttr:$stores, AffineMapAttr:$dims, AffineMapAttr:$tiles, AffineMapAttr:$scratch,
                       OptionalAttr<StrAttr>:$note);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = "$name `kernel` $kernel $buffers `stores` $stores `dims` $dims `tiles` $tiles `scratch` $scratch attr-dict `body` $body";
}

#endif
