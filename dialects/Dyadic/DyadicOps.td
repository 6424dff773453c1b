//===- DyadicOps.td - integer-only operations with exact meaning -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_DYADIC_DYADICOPS_TD
#define BITWRIGHT_DIALECTS_DYADIC_DYADICOPS_TD

include "dialects/Qnn/SymbolicShapes.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Dyadic_Dialect : Dialect {
  let name = "dyadic";
  let cppNamespace = "::bitwright::dyadic";
  let useDefaultAttributePrinterParser = 1;
  let summary = "Integer-only arithmetic with exact meaning (INTEGER.md)";
  let description = [{
    Every operation is defined bit for bit; interpreter, x86 code and GPU code agree. Accumulators are i32 and never leave
    their range (`verify-accumulators` proves it from the weights). Labels such as R4 or E1 are those of the arithmetic
    specification in docs/Spec.md.
  }];
}

def Dyadic_RoundingEnum : I32EnumAttr<"Rounding", "rounding of a requantization (R7)", [I32EnumAttrCase<"HalfUp", 0, "half_up">,
    I32EnumAttrCase<"HalfAway", 1, "half_away">, I32EnumAttrCase<"HalfEven", 2, "half_even">, I32EnumAttrCase<"Floor", 3, "floor">,
    I32EnumAttrCase<"Trunc", 4, "trunc">, I32EnumAttrCase<"TfliteDouble", 5, "tflite_double">, I32EnumAttrCase<"TosaDouble", 6, "tosa_double">]> {
  let cppNamespace = "::bitwright::dyadic";
  let genSpecializedAttr = 0;
}
def Dyadic_Rounding : EnumAttr<Dyadic_Dialect, Dyadic_RoundingEnum, "rounding"> { let assemblyFormat = "`<` $value `>`"; }

def Dyadic_Codes : RankedTensorOf<[I<4>, I8, I16]>;
def Dyadic_Wide : RankedTensorOf<[I8, I16, I32]>;
def Dyadic_Accumulator : RankedTensorOf<[I32]>;

class Dyadic_Op<string mnemonic, list<Trait> traits = []> : Op<Dyadic_Dialect, mnemonic,
    !listconcat([Pure, DeclareOpInterfaceMethods<SymbolicShapeOpInterface, ["inferSymbolicShapes"]>], traits)> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
class Dyadic_ElementwiseOp<string mnemonic, list<Trait> traits = []> : Op<Dyadic_Dialect, mnemonic,
    !listconcat([Pure, DeclareOpInterfaceMethods<SymbolicShapeOpInterface>, Qnn_Elementwise], traits)> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Dyadic_ConvOp : Dyadic_Op<"conv"> {
  let summary = "convolution of codes to i32: bias + sum (x - input_zero_point) * w";
  let description = [{
    Shapes and attributes as `qnn.conv`; padding contributes x = input_zero_point, that is 0 (R13). Weights have zero point 0.
    The sum is exact in i32: C4: |acc| < 2^31 for every input (R14; `verify-accumulators`).
  }];
  let arguments = (ins Dyadic_Codes:$input, Dyadic_Codes:$weight, Optional<Dyadic_Accumulator>:$bias, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups, I32Attr:$input_zero_point);
  let results = (outs Dyadic_Accumulator:$output);
}
def Dyadic_ConvTransposeOp : Dyadic_Op<"conv_transpose"> {
  let summary = "transposed convolution of codes to i32";
  let description = "Shapes and attributes as `qnn.conv_transpose`; terms (x - input_zero_point) * w.";
  let arguments = (ins Dyadic_Codes:$input, Dyadic_Codes:$weight, Optional<Dyadic_Accumulator>:$bias, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$output_padding, I64Attr:$groups, I32Attr:$input_zero_point);
  let results = (outs Dyadic_Accumulator:$output);
}
def Dyadic_LinearOp : Dyadic_Op<"linear"> {
  let summary = "y = (x - input_zero_point) W^T + b in i32";
  let description = "x: ... x K, W: N x K, b: N.";
  let arguments = (ins Dyadic_Codes:$input, Dyadic_Codes:$weight, Optional<Dyadic_Accumulator>:$bias, I32Attr:$input_zero_point);
  let results = (outs Dyadic_Accumulator:$output);
}
def Dyadic_LinearTwoLevelOp : Dyadic_Op<"linear_two_level"> {
  let summary = "y = (x - input_zero_point) W^T + b in i32, W = code * group_scale + group_offset (R16)";
  let description = [{
    x: ... x K, codes: N x K, group_scale and group_offset: N x K/group, b: N. The s8 weight of row n and column k is
    `code[n, k] * group_scale[n, k / group] + group_offset[n, k / group]`.
    C1: group divides K; C2: 1 <= group_scale <= 17 (checked where the values are known); R16: -128 < W <= 127 for every code that occurs.
    Codes are unsigned (0..15 in an i4, 0..3 and 0..7 for fewer bits).
  }];
  let arguments = (ins Dyadic_Codes:$input, RankedTensorOf<[I<4>]>:$weight, RankedTensorOf<[I8]>:$group_scale, RankedTensorOf<[I16]>:$group_offset,
                       Optional<Dyadic_Accumulator>:$bias, I64Attr:$group, I32Attr:$input_zero_point);
  let results = (outs Dyadic_Accumulator:$output);
  let hasVerifier = 1;
}
def Dyadic_LinearGroupsOp : Dyadic_Op<"linear_groups"> {
  let summary = "partial sums of x W^T in i32, one a group of K";
  let description = [{
    `y[..., n, g] = sum over k in group g of (x[..., k] - input_zero_point) * (w[n, k] - zero_point[n, g])`. x: ... x K, w: N x K, zero_point: N x K/group (absent: 0);
    y: ... x N x K/group. `qnn.combine_groups` scales and adds them. C1: group divides K.
  }];
  let arguments = (ins Dyadic_Codes:$input, Dyadic_Codes:$weight, Optional<RankedTensorOf<[I8]>>:$zero_point, I64Attr:$group, I32Attr:$input_zero_point);
  let results = (outs Dyadic_Accumulator:$output);
  let hasVerifier = 1;
}
def Dyadic_MatmulOp : Dyadic_Op<"matmul"> {
  let summary = "batched product of two code tensors: sum_k (a - lhs_zero_point) * (b - rhs_zero_point)";
  let arguments = (ins Dyadic_Codes:$lhs, Dyadic_Codes:$rhs, I32Attr:$lhs_zero_point, I32Attr:$rhs_zero_point);
  let results = (outs Dyadic_Accumulator:$output);
}

def Dyadic_RescaleOp : Dyadic_ElementwiseOp<"rescale"> {
  let summary = "requantization (R4)";
  let description = [{
    `y = clamp(zero_point + ROUND((x - input_zero_point) * multiplier, shift), clamp[0], clamp[1])`: the product and the rounded value in i64,
    one multiplier and shift for the tensor or one a slice along `axis`.
    C1: multiplier in [2^(multiplier_bits-1), 2^multiplier_bits), or 0 for a dead channel, or less when shift = 62; C2: 2 <= shift <= 62;
    C3: clamp[0] <= clamp[1], both inside the result type; C4: one multiplier, or as many as the dimension `axis`; C5: multiplier_bits is 15, 23 or 31.
    Example: acc = 1000, multiplier = 1431655765, shift = 38: 1000 * 1431655765 / 2^38 = 5.208 -> 5, + zero_point 3 = 8.
  }];
  let arguments = (ins Dyadic_Wide:$input, DenseI32ArrayAttr:$multiplier, DenseI8ArrayAttr:$shift, I64Attr:$multiplier_bits, Dyadic_Rounding:$rounding,
                       DefaultValuedAttr<I32Attr, "0">:$input_zero_point, I32Attr:$zero_point, DenseI32ArrayAttr:$clamp, OptionalAttr<I64Attr>:$axis);
  let results = (outs Dyadic_Wide:$output);
  let hasVerifier = 1;
}
def Dyadic_AddOp : Dyadic_ElementwiseOp<"add"> {
  let summary = "sum of two code tensors with their own multipliers and one rounding (E1)";
  let description = [{
    `y = clamp(zero_point + ROUND((a - lhs_zero_point) * lhs_multiplier + (b - rhs_zero_point) * rhs_multiplier, shift), clamp)`, sum in i64.
    Operands broadcast. C1: 1 <= shift <= 62; C3: clamp inside the result type.
  }];
  let arguments = (ins Dyadic_Wide:$lhs, Dyadic_Wide:$rhs, I32Attr:$lhs_zero_point, I32Attr:$rhs_zero_point, I32Attr:$lhs_multiplier, I32Attr:$rhs_multiplier,
                       I8Attr:$shift, Dyadic_Rounding:$rounding, I32Attr:$zero_point, DenseI32ArrayAttr:$clamp);
  let results = (outs Dyadic_Wide:$output);
  let hasVerifier = 1;
}
def Dyadic_MulOp : Dyadic_ElementwiseOp<"mul"> {
  let summary = "product of two code tensors (E3)";
  let description = "`y = clamp(zero_point + ROUND((a - lhs_zero_point) * (b - rhs_zero_point) * multiplier, shift), clamp)`. Operands broadcast. C1: 2 <= shift <= 62; C3: clamp inside the result type.";
  let arguments = (ins Dyadic_Codes:$lhs, Dyadic_Codes:$rhs, I32Attr:$lhs_zero_point, I32Attr:$rhs_zero_point, I32Attr:$multiplier, I8Attr:$shift,
                       I64Attr:$multiplier_bits, Dyadic_Rounding:$rounding, I32Attr:$zero_point, DenseI32ArrayAttr:$clamp);
  let results = (outs Dyadic_Wide:$output);
  let hasVerifier = 1;
}
def Dyadic_LookupOp : Dyadic_ElementwiseOp<"lookup"> {
  let summary = "y = table[x + 128] (E6)";
  let description = "256 entries for i8 codes, in the order of the codes -128 .. 127.";
  let arguments = (ins RankedTensorOf<[I8]>:$input, DenseI8ArrayAttr:$table);
  let results = (outs RankedTensorOf<[I8]>:$output);
  let hasVerifier = 1;
}
def Dyadic_ReduceSumOp : Dyadic_Op<"reduce_sum"> {
  let summary = "sum of (x - input_zero_point) over `axes` in i32 (E4)";
  let arguments = (ins Dyadic_Codes:$input, DenseI64ArrayAttr:$axes, BoolAttr:$keepdims, I32Attr:$input_zero_point);
  let results = (outs Dyadic_Accumulator:$output);
}
def Dyadic_RescaleMeanOp : Dyadic_ElementwiseOp<"rescale_mean"> {
  let summary = "requantization of a sum by 1/count where the count is a run-time dimension (E4)";
  let description = [{
    `y = clamp(zero_point + ROUND(x * multiplier(count), shift(count)), clamp)` where count is the value of the affine map `count` of the function's
    symbols and (multiplier, shift) = encode(scale / count) (R2, p = 31, in float64). Static counts use `dyadic.rescale`.
    C1: scale positive and finite; C2: count has one result; C3: clamp inside the result type.
  }];
  let arguments = (ins Dyadic_Accumulator:$input, AffineMapAttr:$count, F64Attr:$scale, Dyadic_Rounding:$rounding, I32Attr:$zero_point, DenseI32ArrayAttr:$clamp);
  let results = (outs Dyadic_Wide:$output);
  let hasVerifier = 1;
}
def Dyadic_AvgPoolOp : Dyadic_Op<"avg_pool"> {
  let summary = "average over windows with one rounding (E4)";
  let description = [{
    Window attributes as `qnn.avg_pool`. `y = clamp(zero_point + ROUND(sum (x - input_zero_point) * multiplier[n], shift[n]), clamp)`, n = number of averaged
    elements (the whole window if count_include_pad), 1 <= n <= window size; index n - 1. C1: one multiplier and shift for each n up to the window size.
  }];
  let arguments = (ins Dyadic_Codes:$input, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations,
                       DefaultValuedAttr<BoolAttr, "false">:$ceil_mode, DefaultValuedAttr<BoolAttr, "false">:$count_include_pad, I32Attr:$input_zero_point,
                       DenseI32ArrayAttr:$multiplier, DenseI8ArrayAttr:$shift, Dyadic_Rounding:$rounding, I32Attr:$zero_point, DenseI32ArrayAttr:$clamp);
  let results = (outs Dyadic_Codes:$output);
  let hasVerifier = 1;
}

#endif
