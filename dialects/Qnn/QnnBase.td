//===- QnnBase.td - the qnn dialect, its attributes and op classes ---------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_QNN_QNNBASE_TD
#define BITWRIGHT_DIALECTS_QNN_QNNBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Qnn/SymbolicShapes.td"

def Qnn_Dialect : Dialect {
  let name = "qnn";
  let cppNamespace = "::bitwright::qnn";
  let summary = "The network as its user knows it: float and quantized operations on ranked tensors";
  let description = [{
    Operations carry a stable discardable attribute `name` (ONNX node or module path). Dynamic dimensions are affine
    expressions of the function's named symbols: the function attribute `qnn.symbols` lists them (name, range, divisor),
    the argument attribute `qnn.dims` gives the shape of each argument, and `SymbolicShapes` derives every other shape.
    A quantized tensor is an integer tensor; its scale and zero point are operands of `qnn.quantize` and
    `qnn.dequantize`, its `#qnn.scheme` an attribute of them. Logical layout is channels-first (N, C, spatial...);
    physical layouts are decided by `assign-layouts` and never change what an operation means.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::func::FuncDialect"];
  let extraClassDeclaration = [{
    /// The store that `qnn.weight` names refer to. Thread-safe; one per context.
    ::bitwright::WeightStore &getWeights() { return *weights; }
    /// What the calibration of this context's network found; null before `calibrate`.
    std::shared_ptr<const ::bitwright::Statistics> &getStatistics() { return statistics; }
  private:
    std::shared_ptr<::bitwright::WeightStore> weights;
    std::shared_ptr<const ::bitwright::Statistics> statistics;
  public:
  }];
}

def Qnn_FloatElement : AnyTypeOf<[F32, F16, BF16]>;
def Qnn_Element : AnyTypeOf<[F32, F16, BF16, I1, I<4>, I8, I16, I32, I64, UI8, UI16]>;
def Qnn_Tensor : RankedTensorOf<[F32, F16, BF16, I1, I<4>, I8, I16, I32, I64, UI8, UI16]>;
def Qnn_FloatTensor : RankedTensorOf<[F32, F16, BF16]>;
def Qnn_BoolTensor : RankedTensorOf<[I1]>;
def Qnn_IndexTensor : RankedTensorOf<[I32, I64]>;
def Qnn_CodeTensor : RankedTensorOf<[I<4>, I8, UI8, I16, UI16, I32]>;

class Qnn_Attr<string name, string attrMnemonic> : AttrDef<Qnn_Dialect, name> { let mnemonic = attrMnemonic; }

def Qnn_SymbolAttr : Qnn_Attr<"Symbol", "symbol"> {
  let summary = "A named dimension with its inclusive range and a divisor";
  let parameters = (ins StringRefParameter<>:$name, "int64_t":$min, "int64_t":$max, "int64_t":$divisor);
  let assemblyFormat = "`<` $name `,` $min `,` $max `,` $divisor `>`";
  let description = [{ `#qnn.symbol<"W", 32, 1280, 1>`: 32 <= W <= 1280, W mod 1 = 0. }];
}

def Qnn_Granularity : I32EnumAttr<"Granularity", "how scales are shared",
    [I32EnumAttrCase<"Tensor", 0, "tensor">, I32EnumAttrCase<"Axis", 1, "axis">, I32EnumAttrCase<"Group", 2, "group">,
     I32EnumAttrCase<"TwoLevel", 3, "two_level">, I32EnumAttrCase<"PerToken", 4, "per_token">,
     I32EnumAttrCase<"RowColumn", 5, "row_column">]> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::bitwright::qnn";
}

def Qnn_SchemeAttr : Qnn_Attr<"Scheme", "scheme"> {
  let summary = "Storage format and granularity of a quantized tensor";
  let description = [{
    `<s8, tensor>`, `<s8, axis 0>`, `<s4, group 128 along 1>`, `<s4, two_level 128 along 1>`, `<s8, per_token>`,
    `<s32, row_column>`. Storage is a format name (s4, u4, s8, u8, s16, s32; s9 to s15: as many bits of an
    i16). The float value of a code q is (q - zero_point) * scale with the scale of its tensor, slice along the axis, or
    group.
  }];
  let parameters = (ins StringRefParameter<"format name">:$storage, "Granularity":$granularity, "int64_t":$axis, "int64_t":$group);
  let hasCustomAssemblyFormat = 1;
  let builders = [AttrBuilder<(ins "::llvm::StringRef":$storage), [{
      return $_get($_ctxt, storage, Granularity::Tensor, -1, 0); }]>,
    AttrBuilder<(ins "::llvm::StringRef":$storage, "int64_t":$axis), [{
      return $_get($_ctxt, storage, Granularity::Axis, axis, 0); }]>];
}

/// Every qnn op: pure, with symbolic result shapes.
class Qnn_Op<string mnemonic, list<Trait> traits = []> : Op<Qnn_Dialect, mnemonic, !listconcat([Pure], traits)> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
class Qnn_ShapedOp<string mnemonic, list<Trait> traits = []>
  : Qnn_Op<mnemonic, !listconcat([DeclareOpInterfaceMethods<SymbolicShapeOpInterface, ["inferSymbolicShapes"]>], traits)>;
/// Elementwise: operands broadcast by the NumPy rule (the default of the interface).
class Qnn_ElementwiseOp<string mnemonic, list<Trait> traits = []>
  : Qnn_Op<mnemonic, !listconcat([DeclareOpInterfaceMethods<SymbolicShapeOpInterface>, Qnn_Elementwise], traits)>;

class Qnn_Unary<string mnemonic, string formula, Type type = Qnn_Tensor> : Qnn_ElementwiseOp<mnemonic, [SameOperandsAndResultElementType]> {
  let summary = formula;
  let description = "`y = " # formula # "` for every element; same shape and element type.";
  let arguments = (ins type:$input);
  let results = (outs type:$output);
}
class Qnn_Binary<string mnemonic, string formula, Type type = Qnn_Tensor, Type resultType = type, Trait elements = SameOperandsAndResultElementType>
    : Qnn_ElementwiseOp<mnemonic, [elements]> {
  let summary = formula;
  let description = "`y = " # formula # "` for every element; operands of one element type broadcast by the NumPy rule.";
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs resultType:$output);
}

#endif
