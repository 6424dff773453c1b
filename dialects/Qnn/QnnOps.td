//===- QnnOps.td - operations of the qnn dialect ---------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_QNN_QNNOPS_TD
#define BITWRIGHT_DIALECTS_QNN_QNNOPS_TD

include "dialects/Qnn/QnnBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

def Qnn_ConstantOp : Qnn_ShapedOp<"constant", [ConstantLike]> {
  let summary = "a small literal tensor";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Qnn_Tensor:$output);
  let hasFolder = 1;
  let hasVerifier = 1;
  let assemblyFormat = "attr-dict `:` type($output)";
}

def Qnn_WeightOp : Qnn_ShapedOp<"weight"> {
  let summary = "a tensor of the weight store, by name";
  let description = [{ `qnn.weight "encoder.0.query" : tensor<384x384xf32>`. The store (see `WeightStore`) holds or maps the bytes. }];
  let arguments = (ins StrAttr:$source);
  let results = (outs Qnn_Tensor:$output);
  let assemblyFormat = "$source attr-dict `:` type($output)";
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

def Qnn_ConvOp : Qnn_ShapedOp<"conv", [SameOperandsAndResultElementType]> {
  let summary = "convolution over any number of spatial dimensions";
  let description = [{
    `y[n,o,p] = bias[o] + sum_{t,c} x[n, g*Cg + c, p*stride + t*dilation - pad] * w[o,c,t]`, g = o / (O/groups).
    x: N x C x spatial, w: O x C/groups x kernel, bias: O, y: N x O x spatial. `pads` = begins then ends.
    C1: C = groups * w.dim(1); C2: O divisible by groups; C3: strides, dilations: one a spatial dimension; pads: two.
    Order of accumulation (INTEGER F4): taps outer, channels inner, one fma chain from 0, then + bias.
  }];
  let arguments = (ins Qnn_Tensor:$input, Qnn_Tensor:$weight, Optional<Qnn_Tensor>:$bias, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups);
  let results = (outs Qnn_Tensor:$output);
}

def Qnn_ConvTransposeOp : Qnn_ShapedOp<"conv_transpose", [SameOperandsAndResultElementType]> {
  let summary = "transposed convolution";
  let description = [{
    The gradient of `qnn.conv` with respect to its input. w: C x O/groups x kernel. Output size of a spatial dimension:
    `stride*(in-1) + output_padding + (k-1)*dilation + 1 - pad_begin - pad_end`. C1: C = w.dim(0), divisible by groups.
  }];
  let arguments = (ins Qnn_Tensor:$input, Qnn_Tensor:$weight, Optional<Qnn_Tensor>:$bias, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$output_padding, I64Attr:$groups);
  let results = (outs Qnn_Tensor:$output);
}

def Qnn_LinearOp : Qnn_ShapedOp<"linear", [SameOperandsAndResultElementType]> {
  let summary = "y = x W^T + b";
  let description = [{ x: ... x K, W: N x K (one row an output channel), b: N, y: ... x N. One fma chain in the order of k, then + b. }];
  let arguments = (ins Qnn_Tensor:$input, Qnn_Tensor:$weight, Optional<Qnn_Tensor>:$bias);
  let results = (outs Qnn_Tensor:$output);
}

def Qnn_MatmulOp : Qnn_ShapedOp<"matmul", [SameOperandsAndResultElementType]> {
  let summary = "batched matrix product with broadcast batch dimensions (ranks >= 2)";
  let description = [{ `y[...,m,n] = sum_k a[...,m,k] * b[...,k,n]`, one fma chain in the order of k from 0. }];
  let arguments = (ins Qnn_Tensor:$lhs, Qnn_Tensor:$rhs);
  let results = (outs Qnn_Tensor:$output);
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

def Qnn_AddOp : Qnn_Binary<"add", "a + b">;
def Qnn_SubOp : Qnn_Binary<"sub", "a - b">;
def Qnn_MulOp : Qnn_Binary<"mul", "a * b">;
def Qnn_DivOp : Qnn_Binary<"div", "a / b (integers truncate)">;
def Qnn_PowOp : Qnn_ElementwiseOp<"pow", [AllElementTypesMatch<["lhs", "output"]>]> {
  let summary = "a ^ b";
  let description = "Result has the element type of a; the exponent may have another one.";
  let arguments = (ins Qnn_Tensor:$lhs, Qnn_Tensor:$rhs);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_MinOp : Qnn_Binary<"min", "min(a, b); NaN if either is NaN">;
def Qnn_MaxOp : Qnn_Binary<"max", "max(a, b); NaN if either is NaN">;
def Qnn_AndOp : Qnn_Binary<"and", "a and b", Qnn_BoolTensor>;
def Qnn_OrOp : Qnn_Binary<"or", "a or b", Qnn_BoolTensor>;
def Qnn_EqualOp : Qnn_Binary<"equal", "a == b", Qnn_Tensor, Qnn_BoolTensor, SameOperandsElementType>;
def Qnn_GreaterOp : Qnn_Binary<"greater", "a > b", Qnn_Tensor, Qnn_BoolTensor, SameOperandsElementType>;
def Qnn_LessOp : Qnn_Binary<"less", "a < b", Qnn_Tensor, Qnn_BoolTensor, SameOperandsElementType>;
def Qnn_NotOp : Qnn_Unary<"not", "not a", Qnn_BoolTensor>;
def Qnn_WhereOp : Qnn_ElementwiseOp<"where", [AllElementTypesMatch<["lhs", "rhs", "output"]>]> {
  let summary = "condition ? a : b";
  let arguments = (ins Qnn_BoolTensor:$condition, Qnn_Tensor:$lhs, Qnn_Tensor:$rhs);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_PreluOp : Qnn_ElementwiseOp<"prelu", [SameOperandsAndResultElementType]> {
  let summary = "x < 0 ? slope * x : x";
  let arguments = (ins Qnn_Tensor:$input, Qnn_Tensor:$slope);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_CastOp : Qnn_ElementwiseOp<"cast"> {
  let summary = "conversion of the element type";
  let description = "Float to integer truncates toward zero and saturates, NaN gives 0; integer narrowing wraps; to bool: x != 0.";
  let arguments = (ins Qnn_Tensor:$input);
  let results = (outs Qnn_Tensor:$output);
}

def Qnn_AbsOp : Qnn_Unary<"abs", "|x|">;
def Qnn_NegOp : Qnn_Unary<"neg", "-x">;
def Qnn_ReciprocalOp : Qnn_Unary<"reciprocal", "1 / x", Qnn_FloatTensor>;
def Qnn_SqrtOp : Qnn_Unary<"sqrt", "sqrt(x)", Qnn_FloatTensor>;
def Qnn_ExpOp : Qnn_Unary<"exp", "e^x", Qnn_FloatTensor>;
def Qnn_LogOp : Qnn_Unary<"log", "ln(x)", Qnn_FloatTensor>;
def Qnn_ErfOp : Qnn_Unary<"erf", "erf(x)", Qnn_FloatTensor>;
def Qnn_TanhOp : Qnn_Unary<"tanh", "tanh(x)", Qnn_FloatTensor>;
def Qnn_SigmoidOp : Qnn_Unary<"sigmoid", "1 / (1 + e^-x)", Qnn_FloatTensor>;
def Qnn_SoftplusOp : Qnn_Unary<"softplus", "ln(1 + e^x)", Qnn_FloatTensor>;
def Qnn_SiluOp : Qnn_Unary<"silu", "x * sigmoid(x)", Qnn_FloatTensor>;
def Qnn_HardSwishOp : Qnn_Unary<"hard_swish", "x * min(max(x/6 + 1/2, 0), 1)", Qnn_FloatTensor>;
def Qnn_ReluOp : Qnn_Unary<"relu", "max(x, 0)">;
def Qnn_FloorOp : Qnn_Unary<"floor", "floor(x)", Qnn_FloatTensor>;

class Qnn_ParametricUnary<string mnemonic, string formula, dag parameters> : Qnn_ElementwiseOp<mnemonic, [SameOperandsAndResultElementType]> {
  let summary = formula;
  let description = "`y = " # formula # "` for every element.";
  let arguments = !con((ins Qnn_Tensor:$input), parameters);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_LeakyReluOp : Qnn_ParametricUnary<"leaky_relu", "x < 0 ? alpha * x : x", (ins F32Attr:$alpha)>;
def Qnn_EluOp : Qnn_ParametricUnary<"elu", "x < 0 ? alpha * (e^x - 1) : x", (ins F32Attr:$alpha)>;
def Qnn_HardSigmoidOp : Qnn_ParametricUnary<"hard_sigmoid", "min(max(alpha * x + beta, 0), 1)", (ins F32Attr:$alpha, F32Attr:$beta)>;
def Qnn_GeluOp : Qnn_ParametricUnary<"gelu", "x * Phi(x); tanh form if `approximate`", (ins DefaultValuedAttr<BoolAttr, "false">:$approximate)>;
def Qnn_ClipOp : Qnn_ParametricUnary<"clip", "min(max(x, min), max)", (ins F32Attr:$min, F32Attr:$max)>;

//===----------------------------------------------------------------------===//
// Reductions, norms, pooling
//===----------------------------------------------------------------------===//

class Qnn_Reduce<string mnemonic, string formula> : Qnn_ShapedOp<mnemonic, [SameOperandsAndResultElementType]> {
  let summary = formula # " over `axes`";
  let description = "Axes are non-negative, sorted, unique. `keepdims` keeps them with size 1. Float sums follow INTEGER F3 over the reduced elements in row-major order.";
  let arguments = (ins Qnn_Tensor:$input, DenseI64ArrayAttr:$axes, BoolAttr:$keepdims);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_ReduceMeanOp : Qnn_Reduce<"reduce_mean", "mean">;
def Qnn_ReduceSumOp : Qnn_Reduce<"reduce_sum", "sum">;
def Qnn_ReduceMaxOp : Qnn_Reduce<"reduce_max", "maximum">;
def Qnn_ReduceMinOp : Qnn_Reduce<"reduce_min", "minimum">;
def Qnn_ReduceL2Op : Qnn_Reduce<"reduce_l2", "sqrt(sum of squares)">;
def Qnn_ArgmaxOp : Qnn_ShapedOp<"argmax"> {
  let summary = "index of the largest element along `axis`; the first one unless `select_last`";
  let arguments = (ins Qnn_Tensor:$input, I64Attr:$axis, BoolAttr:$keepdims, DefaultValuedAttr<BoolAttr, "false">:$select_last);
  let results = (outs Qnn_IndexTensor:$output);
}
def Qnn_SoftmaxOp : Qnn_ShapedOp<"softmax", [SameOperandsAndResultElementType]> {
  let summary = "e^(x - max) / sum along `axis`";
  let description = "Computed as m = max, e = exp(x - m), s = F3 sum of e, y = e / s.";
  let arguments = (ins Qnn_FloatTensor:$input, I64Attr:$axis);
  let results = (outs Qnn_FloatTensor:$output);
}
def Qnn_LogSoftmaxOp : Qnn_ShapedOp<"log_softmax", [SameOperandsAndResultElementType]> {
  let summary = "x - max - ln(sum e^(x - max)) along `axis`";
  let arguments = (ins Qnn_FloatTensor:$input, I64Attr:$axis);
  let results = (outs Qnn_FloatTensor:$output);
}
def Qnn_LayerNormOp : Qnn_ShapedOp<"layer_norm", [AttrSizedOperandSegments]> {
  let summary = "(x - mean) / sqrt(var + epsilon) * scale + bias over the dimensions from `axis` on";
  let description = [{ mean = F3 sum / n; d = x - mean; var = F3 sum of d*d / n; y = fma(d * (1 / sqrt(var + epsilon)), scale, bias)
    (without bias: a product). scale, bias: shape of the normalised dimensions. }];
  let arguments = (ins Qnn_FloatTensor:$input, Optional<Qnn_FloatTensor>:$scale, Optional<Qnn_FloatTensor>:$bias, I64Attr:$axis, F32Attr:$epsilon);
  let results = (outs Qnn_FloatTensor:$output);
  let assemblyFormat = "$input (`scale` $scale^ `:` type($scale))? (`bias` $bias^ `:` type($bias))? attr-dict `:` functional-type($input, $output)";
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$input, "::mlir::Value":$scale, "::mlir::Value":$bias, "int64_t":$axis, "float":$epsilon), [{
    build($_builder, $_state, type, input, scale, bias, $_builder.getI64IntegerAttr(axis), $_builder.getF32FloatAttr(epsilon)); }]>];
}
def Qnn_BatchNormOp : Qnn_ShapedOp<"batch_norm"> {
  let summary = "(x - mean) / sqrt(var + epsilon) * scale + bias, one value a channel (dimension 1)";
  let arguments = (ins Qnn_FloatTensor:$input, Qnn_FloatTensor:$scale, Qnn_FloatTensor:$bias, Qnn_FloatTensor:$mean, Qnn_FloatTensor:$variance, F32Attr:$epsilon);
  let results = (outs Qnn_FloatTensor:$output);
}
def Qnn_GroupNormOp : Qnn_ShapedOp<"group_norm"> {
  let summary = "normalises each of `groups` groups of channels over channels and space; scale and bias a channel";
  let description = "InstanceNormalization is groups = C. Statistics as in `qnn.layer_norm` over the group's elements in row-major order.";
  let arguments = (ins Qnn_FloatTensor:$input, Qnn_FloatTensor:$scale, Qnn_FloatTensor:$bias, I64Attr:$groups, F32Attr:$epsilon);
  let results = (outs Qnn_FloatTensor:$output);
}
class Qnn_Pool<string mnemonic, string formula, dag extra> : Qnn_ShapedOp<mnemonic, [SameOperandsAndResultElementType]> {
  let summary = formula # " over windows";
  let description = [{ x: N x C x spatial. `pads` = begins then ends; output size floor or (`ceil_mode`) ceil of
    (in + pads - dilation*(k-1) - 1) / stride, + 1; a window that would start in the end padding is dropped (ceil_mode). }];
  let arguments = !con((ins Qnn_Tensor:$input, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                            DenseI64ArrayAttr:$dilations, DefaultValuedAttr<BoolAttr, "false">:$ceil_mode), extra);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_MaxPoolOp : Qnn_Pool<"max_pool", "maximum of the elements inside the input", (ins)>;
def Qnn_AvgPoolOp : Qnn_Pool<"avg_pool", "mean", (ins DefaultValuedAttr<BoolAttr, "false">:$count_include_pad)>;

//===----------------------------------------------------------------------===//
// Shape and data movement: act on any element type, codes included (INTEGER E5)
//===----------------------------------------------------------------------===//

def Qnn_ConcatOp : Qnn_ShapedOp<"concat", [SameOperandsAndResultElementType]> {
  let summary = "concatenation along `axis`";
  let arguments = (ins Variadic<Qnn_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_SliceOp : Qnn_ShapedOp<"slice", [SameOperandsAndResultElementType]> {
  let summary = "elements start, start + step, ... of each dimension";
  let description = [{
    `starts`, `shape`: affine maps of the symbols, one result a dimension; `steps` constants (negative allowed).
    y[i] = x[starts + i * steps], i < shape.
  }];
  let arguments = (ins Qnn_Tensor:$input, AffineMapAttr:$starts, AffineMapAttr:$shape, DenseI64ArrayAttr:$steps);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_GatherOp : Qnn_ShapedOp<"gather", [AllElementTypesMatch<["input", "output"]>]> {
  let summary = "y = x indexed by `indices` along `axis`; negative indices count from the end";
  let arguments = (ins Qnn_Tensor:$input, Qnn_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_TransposeOp : Qnn_ShapedOp<"transpose", [SameOperandsAndResultElementType]> {
  let summary = "y.dim(i) = x.dim(perm[i])";
  let arguments = (ins Qnn_Tensor:$input, DenseI64ArrayAttr:$perm);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_ReshapeOp : Qnn_ShapedOp<"reshape", [SameOperandsAndResultElementType]> {
  let summary = "the same elements in row-major order under another shape";
  let description = "`shape`: affine map of the symbols. C1: the numbers of elements are equal (checked where provable).";
  let arguments = (ins Qnn_Tensor:$input, AffineMapAttr:$shape);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_BroadcastOp : Qnn_ShapedOp<"broadcast", [SameOperandsAndResultElementType]> {
  let summary = "NumPy broadcast of the input with `shape` (ONNX Expand)";
  let arguments = (ins Qnn_Tensor:$input, AffineMapAttr:$shape);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_TileOp : Qnn_ShapedOp<"tile", [SameOperandsAndResultElementType]> {
  let summary = "repeats the input along each dimension";
  let arguments = (ins Qnn_Tensor:$input, DenseI64ArrayAttr:$repeats);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_PadModeEnum : I32EnumAttr<"PadMode", "what the border holds", [I32EnumAttrCase<"Constant", 0, "constant">, I32EnumAttrCase<"Reflect", 1, "reflect">,
    I32EnumAttrCase<"Edge", 2, "edge">, I32EnumAttrCase<"Wrap", 3, "wrap">]> {
  let cppNamespace = "::bitwright::qnn";
  let genSpecializedAttr = 0;
}
def Qnn_PadMode : EnumAttr<Qnn_Dialect, Qnn_PadModeEnum, "pad_mode"> { let assemblyFormat = "`<` $value `>`"; }
def Qnn_PadOp : Qnn_ShapedOp<"pad", [SameOperandsAndResultElementType]> {
  let summary = "adds (or, negative, removes) elements at both ends of each dimension";
  let arguments = (ins Qnn_Tensor:$input, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high, Qnn_PadMode:$mode, DefaultValuedAttr<F64Attr, "0.0">:$value);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_ResizeModeEnum : I32EnumAttr<"ResizeMode", "interpolation", [I32EnumAttrCase<"Nearest", 0, "nearest">, I32EnumAttrCase<"Linear", 1, "linear">,
    I32EnumAttrCase<"Cubic", 2, "cubic">]> {
  let cppNamespace = "::bitwright::qnn";
  let genSpecializedAttr = 0;
}
def Qnn_ResizeMode : EnumAttr<Qnn_Dialect, Qnn_ResizeModeEnum, "resize_mode"> { let assemblyFormat = "`<` $value `>`"; }
def Qnn_ResizeCoordinatesEnum : I32EnumAttr<"ResizeCoordinates", "map from output to input coordinates", [I32EnumAttrCase<"HalfPixel", 0, "half_pixel">,
    I32EnumAttrCase<"PytorchHalfPixel", 1, "pytorch_half_pixel">, I32EnumAttrCase<"AlignCorners", 2, "align_corners">,
    I32EnumAttrCase<"Asymmetric", 3, "asymmetric">, I32EnumAttrCase<"HalfPixelSymmetric", 4, "half_pixel_symmetric">]> {
  let cppNamespace = "::bitwright::qnn";
  let genSpecializedAttr = 0;
}
def Qnn_ResizeCoordinates : EnumAttr<Qnn_Dialect, Qnn_ResizeCoordinatesEnum, "resize_coordinates"> { let assemblyFormat = "`<` $value `>`"; }
def Qnn_NearestModeEnum : I32EnumAttr<"NearestMode", "rounding of nearest coordinates", [I32EnumAttrCase<"RoundPreferFloor", 0, "round_prefer_floor">,
    I32EnumAttrCase<"RoundPreferCeil", 1, "round_prefer_ceil">, I32EnumAttrCase<"Floor", 2, "floor">, I32EnumAttrCase<"Ceil", 3, "ceil">]> {
  let cppNamespace = "::bitwright::qnn";
  let genSpecializedAttr = 0;
}
def Qnn_NearestMode : EnumAttr<Qnn_Dialect, Qnn_NearestModeEnum, "nearest_mode"> { let assemblyFormat = "`<` $value `>`"; }
def Qnn_ResizeOp : Qnn_ShapedOp<"resize", [SameOperandsAndResultElementType]> {
  let summary = "interpolates to another size";
  let description = [{
    `shape`: output shape (affine map of the symbols). `scales`: the factor of each dimension (output / input when the model gives sizes). ONNX
    Resize semantics (half-pixel family, nearest/linear/cubic with coefficient a). Dimensions with scale 1 are copied.
  }];
  let arguments = (ins Qnn_Tensor:$input, AffineMapAttr:$shape, DenseF32ArrayAttr:$scales, Qnn_ResizeMode:$mode, Qnn_ResizeCoordinates:$coordinates,
                       Qnn_NearestMode:$nearest, DefaultValuedAttr<F32Attr, "-0.75f">:$cubic_coefficient, DefaultValuedAttr<BoolAttr, "false">:$exclude_outside);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_DepthToSpaceOp : Qnn_ShapedOp<"depth_to_space", [SameOperandsAndResultElementType]> {
  let summary = "moves blocks of channels into space; `column_row` (CRD) or depth-column-row (DCR) order";
  let arguments = (ins Qnn_Tensor:$input, I64Attr:$block, DefaultValuedAttr<BoolAttr, "false">:$column_row);
  let results = (outs Qnn_Tensor:$output);
}
def Qnn_SpaceToDepthOp : Qnn_ShapedOp<"space_to_depth", [SameOperandsAndResultElementType]> {
  let summary = "moves blocks of space into channels";
  let arguments = (ins Qnn_Tensor:$input, I64Attr:$block);
  let results = (outs Qnn_Tensor:$output);
}

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

def Qnn_QuantizeOp : Qnn_ShapedOp<"quantize"> {
  let summary = "codes of a float tensor (INTEGER Q1)";
  let description = [{ `q = clamp(RNE(x / scale) + zero_point, lo, hi)`; NaN gives the zero point. scale, zero_point: rank 0 (scheme
    tensor) or one value a slice along the scheme's axis; no zero_point means 0.
    C1: the storage type of the result is the scheme's; C2: number of scales matches the granularity. }];
  let arguments = (ins Qnn_FloatTensor:$input, Qnn_FloatTensor:$scale, Optional<Qnn_CodeTensor>:$zero_point, Qnn_SchemeAttr:$scheme);
  let results = (outs Qnn_CodeTensor:$output);
  let hasVerifier = 1;
}
def Qnn_QuantizeDynamicOp : Qnn_ShapedOp<"quantize_dynamic"> {
  let summary = "codes of a float tensor with one scale a token, found at run time (INTEGER Q3)";
  let description = [{ A token is a slice along the last dimension. `scale = max(max |x|, 2^-100) / 127`, `q = clamp(RNE(x / scale), -127, 127)` in float32; a NaN
    element is code 0 and does not enter the maximum. 4-bit codes: 7 in place of 127.
    C1: the scheme is per_token and its storage (s8 or s4) the type of the codes; C2: rank >= 1.
    Example: a token [1.0, -2.54, 0.0] has scale 0.02 and codes [50, -127, 0]. }];
  let arguments = (ins Qnn_FloatTensor:$input, Qnn_SchemeAttr:$scheme);
  let results = (outs RankedTensorOf<[I<4>, I8]>:$output, RankedTensorOf<[F32]>:$scale);
  let hasVerifier = 1;
}
def Qnn_DequantizeAccumulatorOp : Qnn_ShapedOp<"dequantize_accumulator"> {
  let summary = "float values of an i32 accumulator with a scale a row and a scale a column";
  let description = [{ `y = (float32(acc) * row_scale) * column_scale`, then rounded to the result's type. acc: ... x N, row_scale: ... x 1 (or rank 0 for a static
    scale), column_scale: N. }];
  let arguments = (ins RankedTensorOf<[I32]>:$input, RankedTensorOf<[F32]>:$row_scale, RankedTensorOf<[F32]>:$column_scale);
  let results = (outs Qnn_FloatTensor:$output);
  let hasVerifier = 1;
}
def Qnn_CombineGroupsOp : Qnn_ShapedOp<"combine_groups"> {
  let summary = "weighted sum of the partial sums of `dyadic.linear_groups`";
  let description = [{ `y[..., n] = fma chain over g = 0, 1, ... of float32(partial[..., n, g]) * scale[n, g]`, from 0, in float32. partial: ... x N x G, scale: N x G. }];
  let arguments = (ins RankedTensorOf<[I32]>:$input, RankedTensorOf<[F16, F32]>:$scale);
  let results = (outs RankedTensorOf<[F32]>:$output);
}
def Qnn_DequantizeOp : Qnn_ShapedOp<"dequantize"> {
  let summary = "float values of codes (INTEGER Q2)";
  let description = "`x = float32(q - zero_point) * scale`. Constraints as for `qnn.quantize`.";
  let arguments = (ins Qnn_CodeTensor:$input, Qnn_FloatTensor:$scale, Optional<Qnn_CodeTensor>:$zero_point, Qnn_SchemeAttr:$scheme);
  let results = (outs Qnn_FloatTensor:$output);
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Idioms
//===----------------------------------------------------------------------===//

def Qnn_SqueezeExciteOp : Qnn_ShapedOp<"squeeze_excite", [SameOperandsAndResultElementType]> {
  let summary = "x * gate(W2 relu(W1 mean(x) + b1) + b2), one gate a channel";
  let description = [{ x: N x C x spatial; w1: R x C, b1: R, w2: C x R, b2: C. `gate` is "sigmoid" or "hard_sigmoid" (with alpha, beta). }];
  let arguments = (ins Qnn_FloatTensor:$input, Qnn_FloatTensor:$reduce_weight, Qnn_FloatTensor:$reduce_bias, Qnn_FloatTensor:$expand_weight,
                       Qnn_FloatTensor:$expand_bias, StrAttr:$gate, DefaultValuedAttr<F32Attr, "0.2f">:$alpha, DefaultValuedAttr<F32Attr, "0.5f">:$beta);
  let results = (outs Qnn_FloatTensor:$output);
}

#endif
