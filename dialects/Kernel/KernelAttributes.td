//===- KernelAttributes.td - attributes of the kernel dialect --------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_KERNEL_KERNELATTRIBUTES_TD
#define BITWRIGHT_DIALECTS_KERNEL_KERNELATTRIBUTES_TD

include "dialects/Kernel/KernelBase.td"

def Kernel_TemplateEnum : I32EnumAttr<"Template", "the code pattern that a region is lowered to", [
    I32EnumAttrCase<"Loops", 0, "loops">,
    I32EnumAttrCase<"Gemm", 1, "gemm">,
    I32EnumAttrCase<"Depthwise", 2, "depthwise">,
    I32EnumAttrCase<"Rows", 3, "rows">,
    I32EnumAttrCase<"Reduce", 4, "reduce">,
    I32EnumAttrCase<"Alias", 5, "alias">]> {
  let cppNamespace = "::bitwright::kernel";
  let genSpecializedAttr = 0;
  let description = [{
    loops: every element of the results from the elements it depends on (elementwise, data movement, windows); gemm: a product of a packed constant weight
    (convolution as implicit GEMM, linear) or of two tensors, prologue packing and epilogue on register tiles; depthwise: one filter a channel; rows: softmax
    and norms over the innermost dimension; reduce: reductions to few elements; alias: no code, the result is the operand's memory.
  }];
}
def Kernel_Template : EnumAttr<Kernel_Dialect, Kernel_TemplateEnum, "template"> { let assemblyFormat = "`<` $value `>`"; }


class Kernel_Enum<string name, string text, list<I32EnumAttrCase> cases> : I32EnumAttr<name, text, cases> {
  let cppNamespace = "::bitwright::kernel";
  let genSpecializedAttr = 0;
}

def Kernel_PlaceEnum : Kernel_Enum<"Place", "where codes become values", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"BeforeMma", 1, "before_mma">, I32EnumAttrCase<"PartialSums", 2, "partial_sums">,
    I32EnumAttrCase<"Epilogue", 3, "epilogue">]>;

def Kernel_GroupingEnum : Kernel_Enum<"Grouping", "what stands beside each group of codes", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Scale", 1, "scale">, I32EnumAttrCase<"ScaleZeroPoint", 2, "scale_zero_point">,
    I32EnumAttrCase<"TwoLevel", 3, "two_level">]>;

def Kernel_SegmentAttr : AttrDef<Kernel_Dialect, "Segment"> {
  let mnemonic = "segment";
  let summary = "a stretch of K with one storage format";
  let description = [{
    `lhs` and `rhs` are the element types in memory (i8, i4, f16, bf16), `k` the length of the stretch. `grouping` says what lies beside each `group` weights of a row:
      none              nothing; the segment contributes `sum_k x w` (i32 for integers, f32 for floats; an integer rhs under a float lhs is converted exactly)
      scale             a scale (`scale` = f16, bf16 or f32): `sum_k x (w scale_g)`
      scale_zero_point  and an i8 zero point: `sum_k x ((w - z_g) scale_g)`
      two_level         S_g (i8) and m_g (i16), codes unsigned: `sum_k x (w S_g + m_g)` in i32 (INTEGER R16)
    `place`: none (operands feed the mma as stored), before_mma (unpacked or scaled in registers), partial_sums (the group's i32 or f32 sum is scaled and added in
    f32), epilogue (unpacked; scales are the epilogue's).
    C1: group divides k and is a multiple of 32, or is 0 with grouping none; C2: place none needs equal element types; partial_sums needs a grouping of scales.
  }];
  let parameters = (ins "::mlir::Type":$lhs, "::mlir::Type":$rhs, "int64_t":$k, DefaultValuedParameter<"int64_t", "0">:$group,
    EnumParameter<Kernel_GroupingEnum>:$grouping, OptionalParameter<"::mlir::Type">:$scale, EnumParameter<Kernel_PlaceEnum>:$place);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Kernel_OperandKindEnum : Kernel_Enum<"OperandKind", "how an operand of an epilogue is indexed", [
    I32EnumAttrCase<"Row", 0, "row">, I32EnumAttrCase<"Column", 1, "column">, I32EnumAttrCase<"Element", 2, "element">,
    I32EnumAttrCase<"Scalar", 3, "scalar">, I32EnumAttrCase<"Table", 4, "table">]>;

def Kernel_OperandAttr : AttrDef<Kernel_Dialect, "Operand"> {
  let mnemonic = "operand";
  let summary = "an operand of an epilogue: M values (row), N values (column), M x N (element), one (scalar), or 256 (table)";
  let parameters = (ins EnumParameter<Kernel_OperandKindEnum>:$kind, "::mlir::Type":$type);
  let assemblyFormat = "`<` $kind `,` $type `>`";
}

def Kernel_GpuTemplateEnum : Kernel_Enum<"GpuTemplate", "the code pattern of a GPU kernel", [
    I32EnumAttrCase<"Multistage", 0, "multistage">, I32EnumAttrCase<"WgmmaSs", 1, "wgmma_ss">, I32EnumAttrCase<"WgmmaRs", 2, "wgmma_rs">,
    I32EnumAttrCase<"Decode", 3, "decode">, I32EnumAttrCase<"Rows", 4, "rows">]>;

def Kernel_ScheduleAttr : AttrDef<Kernel_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "how a template is instantiated for one architecture and range of M";
  let description = [{
    `arch` is "sm_80" or "sm_90a"; the kernel serves m_lo <= M <= m_hi (0: no upper bound). Tile sizes are those of the result (M x N) and the step along K in elements.
    `warps_*`: warps (multistage, decode) or consumer warpgroups (wgmma) along each direction; `cluster` CTAs of a cluster; `split_k` CTAs that share one tile's K;
    `in_flight` groups of loads ahead of use (decode); `chunk` elements of K of an activation chunk (decode; 0: all); `raster` tile rows of a raster group;
    `token_rows` rows of the token operand that are loaded (0: the tile's); `pdl` programmatic dependent launch.
  }];
  let parameters = (ins StringRefParameter<>:$arch, EnumParameter<Kernel_GpuTemplateEnum>:$kind, DefaultValuedParameter<"int64_t", "1">:$m_lo,
    DefaultValuedParameter<"int64_t", "0">:$m_hi, DefaultValuedParameter<"int64_t", "0">:$tile_m, DefaultValuedParameter<"int64_t", "0">:$tile_n,
    DefaultValuedParameter<"int64_t", "0">:$tile_k, DefaultValuedParameter<"int64_t", "0">:$stages, DefaultValuedParameter<"int64_t", "0">:$warps_m,
    DefaultValuedParameter<"int64_t", "0">:$warps_n, DefaultValuedParameter<"int64_t", "0">:$warps_k, DefaultValuedParameter<"int64_t", "1">:$cluster,
    DefaultValuedParameter<"int64_t", "1">:$split_k, DefaultValuedParameter<"int64_t", "0">:$in_flight, DefaultValuedParameter<"int64_t", "0">:$chunk,
    DefaultValuedParameter<"int64_t", "0">:$raster, DefaultValuedParameter<"int64_t", "0">:$token_rows, DefaultValuedParameter<"bool", "false">:$pdl);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kernel_HalfMathEnum : I32EnumAttr<"HalfMath", "operation on two packed halves", [I32EnumAttrCase<"Add", 0, "add">, I32EnumAttrCase<"Mul", 1, "mul">,
    I32EnumAttrCase<"Fma", 2, "fma">, I32EnumAttrCase<"Sub", 3, "sub">]> {
  let cppNamespace = "::bitwright::kernel";
  let genSpecializedAttr = 0;
}
def Kernel_HalfMath : EnumAttr<Kernel_Dialect, Kernel_HalfMathEnum, "half_math"> { let assemblyFormat = "`<` $value `>`"; }

#endif
