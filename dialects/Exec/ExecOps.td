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

class Exec_Enum<string name, string text, list<I32EnumAttrCase> cases> : I32EnumAttr<name, text, cases> {
  let cppNamespace = "::bitwright::exec";
  let genSpecializedAttr = 0;
}
def Exec_PackingOrder : Exec_Enum<"PackingOrder", "how the tiles of a packed matrix follow each other", [
    I32EnumAttrCase<"Blocked", 0, "blocked">, I32EnumAttrCase<"Pitched", 1, "pitched">]>;
def Exec_GpuArgumentKind : Exec_Enum<"GpuArgumentKind", "what a parameter of a GPU kernel is", [
    I32EnumAttrCase<"Buffer", 0, "buffer">, I32EnumAttrCase<"Weight", 1, "weight">, I32EnumAttrCase<"BufferMap", 2, "buffer_map">,
    I32EnumAttrCase<"WeightMap", 3, "weight_map">, I32EnumAttrCase<"Int32", 4, "int32">]>;
def Exec_CanonicalOrder : Exec_Enum<"CanonicalOrder", "how a weight's bytes are read as a matrix", [
    I32EnumAttrCase<"RowMajor", 0, "row_major">, I32EnumAttrCase<"PanelBytes", 1, "panel_bytes">,
    I32EnumAttrCase<"PanelNibbles", 2, "panel_nibbles">]>;

def Exec_GpuMapAttr : AttrDef<Exec_Dialect, "GpuMap"> {
  let mnemonic = "gpu_map";
  let summary = "a tensor map over a buffer or a packed weight";
  let description = [{
    Dimensions innermost first, as maps of the program's symbols with one result each: `dims` (elements), `strides` (bytes, of dimensions 1 and up), `box` (elements).
    `bits` of an element: 8 (any bytes), 16 or 32.
  }];
  let parameters = (ins "int64_t":$bits, "::mlir::AffineMap":$dims, "::mlir::AffineMap":$strides, "::mlir::AffineMap":$box,
                        DefaultValuedParameter<"bool", "true">:$swizzle);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Exec_GpuArgumentAttr : AttrDef<Exec_Dialect, "GpuArgument"> {
  let mnemonic = "gpu_argument";
  let summary = "a parameter of a GPU kernel";
  let description = [{
    buffer, buffer_map: `index` is the number of the buffer in the launch. weight, weight_map: `index` is the number of an `exec.weight`, whose bytes in `order` are packed by the
    `exec.packing` number `packing` (-1: as they are); `is_signed`: codes of the source are sign-extended before the packing's bias. The maps have `map`.
    int32: `value`, a map of the program's symbols with one result.
  }];
  let parameters = (ins EnumParameter<Exec_GpuArgumentKind>:$kind, DefaultValuedParameter<"int64_t", "0">:$index,
    DefaultValuedParameter<"int64_t", "-1">:$packing, DefaultValuedParameter<"CanonicalOrder", "CanonicalOrder::RowMajor">:$order,
    DefaultValuedParameter<"bool", "true">:$is_signed, OptionalParameter<"::bitwright::exec::GpuMapAttr">:$map,
    OptionalParameter<"::mlir::AffineMap">:$value);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Exec_GpuVariantAttr : AttrDef<Exec_Dialect, "GpuVariant"> {
  let mnemonic = "gpu_variant";
  let summary = "a row of a launch's GPU table";
  let description = [{
    The `exec.gpu_kernel` named `kernel` of `arch` serves `m_lo` <= M <= `m_hi` (0: no upper bound). `grid`: two results, CTAs along x and y. `persistent`: the grid
    along x is an upper bound of the CTAs launched. `arguments`: #exec.gpu_argument in the order of the kernel's parameters.
  }];
  let parameters = (ins StringRefParameter<>:$kernel, StringRefParameter<>:$arch, DefaultValuedParameter<"int64_t", "1">:$m_lo,
    DefaultValuedParameter<"int64_t", "0">:$m_hi, "::mlir::AffineMap":$grid, DefaultValuedParameter<"bool", "false">:$persistent,
    "::mlir::ArrayAttr":$arguments);
  let assemblyFormat = "`<` struct(params) `>`";
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
  let description = [{
    `nibble_panels`: the bytes are panels of 4-bit codes, groups x rows x columns, in the order of `panel_nibbles`, zero beyond
    the matrix. The file holds them in 2 or 3 bits where the codes span no more (docs/FileFormat.md).
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$layout, StrAttr:$source, OptionalAttr<DenseI64ArrayAttr>:$nibble_panels);
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
def Exec_PackingOp : Op<Exec_Dialect, "packing", [HasParent<"ProgramOp">]> {
  let summary = "how a constant matrix lies in the memory of a GPU (lib/Layout/LinearLayout.h); number = position among the packings";
  let arguments = (ins I64Attr:$rows, I64Attr:$columns, I64Attr:$bits, I64Attr:$bias, I64Attr:$fill, StrAttr:$order, I64Attr:$pitch,
                       DenseI64ArrayAttr:$row_basis, DenseI64ArrayAttr:$column_basis);
  let assemblyFormat = [{ $rows `x` $columns `bits` $bits `bias` $bias `fill` $fill `order` $order `pitch` $pitch `row_basis` $row_basis `column_basis`
    $column_basis attr-dict }];
}
def Exec_GpuCodeOp : Op<Exec_Dialect, "gpu_code", [HasParent<"ProgramOp">]> {
  let summary = "all kernels of one GPU architecture: arch sm_80 or sm_90a, kind cubin or ptx";
  let arguments = (ins StrAttr:$arch, StrAttr:$kind, StrAttr:$source);
  let assemblyFormat = "$arch $kind `source` $source attr-dict";
}
def Exec_GpuKernelOp : Op<Exec_Dialect, "gpu_kernel", [HasParent<"ProgramOp">]> {
  let summary = "a function in the code of its architecture, with what a launch needs to know";
  let description = [{ (symbol, arch) is unique. `shared`: dynamic bytes; `cluster`: CTAs along x; `pdl`: calls griddepcontrol, so it may start while its predecessor ends. }];
  let arguments = (ins StrAttr:$symbol, StrAttr:$arch, I64Attr:$threads, I64Attr:$shared, I64Attr:$cluster, UnitAttr:$pdl);
  let assemblyFormat = "$symbol $arch `threads` $threads `shared` $shared `cluster` $cluster (`pdl` $pdl^)? attr-dict";
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
    `gpu`: array of #exec.gpu_variant, of which a GPU takes the first whose architecture it runs and whose range holds the value of `gpu_m` (a map with one result);
    empty or absent: no GPU code, and `gpu_reason` says why (the first predicate that failed).
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$kernel, ArrayAttr:$buffers, DenseI64ArrayAttr:$stores, AffineMapAttr:$dims, AffineMapAttr:$tiles, AffineMapAttr:$scratch,
                       OptionalAttr<StrAttr>:$note, OptionalAttr<AffineMapAttr>:$gpu_m, OptionalAttr<ArrayAttr>:$gpu, OptionalAttr<StrAttr>:$gpu_reason);
  let regions = (region AnyRegion:$body);
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::llvm::StringRef":$kernel, "::mlir::ArrayAttr":$buffers, "::llvm::ArrayRef<int64_t>":$stores,
      "::mlir::AffineMap":$dims, "::mlir::AffineMap":$tiles, "::mlir::AffineMap":$scratch, "::mlir::StringAttr":$note), [{
    build($_builder, $_state, name, kernel, buffers, stores, dims, tiles, scratch, note, {}, {}, {});
  }]>];
  let assemblyFormat = "$name `kernel` $kernel $buffers `stores` $stores `dims` $dims `tiles` $tiles `scratch` $scratch attr-dict `body` $body";
}

#endif
