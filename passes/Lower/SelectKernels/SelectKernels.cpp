//===- SelectKernels.cpp - which regions a GPU runs, and as what -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Lower/SelectKernels/SelectKernels.h"
#include "lib/Target/Nvptx/Nvptx.h"
#include "passes/Lower/SelectKernels/ScalarCode.h"
#include "passes/Quantize/Remark.h"
#include "llvm/Support/FormatVariadic.h"

namespace bitwright {
#define GEN_PASS_DEF_SELECTKERNELS
#include "passes/Lower/SelectKernels/SelectKernels.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using kernel::FusedOp;
using kernel::Grouping;
using kernel::Place;

namespace {

std::string toText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}
RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// What stands beside each row of a product's weights.
struct Product {
  Operation *op = nullptr; ///< the product
  Value input, weight, result;
  Value bias; ///< i32 or float, or null
  int64_t inputZeroPoint = 0;
  Value groupScale, groupZeroPoint; ///< of groups
  int64_t group = 0;
  Grouping grouping = Grouping::None;
  Value columnScale; ///< of dequantized weights: one value, or one a row of the weights
};

class Selection {
public:
  Selection(FusedOp fused, const SymbolicShapes &shapes, ModuleOp module, llvm::StringMap<std::string> &kernels,
            unsigned numSymbols)
      : fused(fused), shapes(shapes), module(module), kernels(kernels), numSymbols(numSymbols),
        builder(fused.getContext()) {}

  /// Makes or finds the kernel and marks the region; false with `reason` set.
  bool run() {
    if (!checkLayouts())
      return false;
    result = shapes.get(fused.getYield().getValues()[0]);
    if (!result.empty() && !constantOf(result.back()))
      return refuse("expected a static last dimension");
    Operation *product = nullptr, *dynamic = nullptr;
    for (Operation &op : fused.getBlock().without_terminator()) {
      if (isa<qnn::QuantizeDynamicOp>(op)) {
        dynamic = &op;
      } else if (isa<dyadic::LinearOp, dyadic::LinearTwoLevelOp, dyadic::LinearGroupsOp, qnn::LinearOp>(op)) {
        if (product)
          return refuse("expected one product in a region, found two");
        product = &op;
      } else if (isa<qnn::ConvOp, qnn::ConvTransposeOp, qnn::MatmulOp, dyadic::ConvOp, dyadic::ConvTransposeOp,
                     dyadic::MatmulOp>(op)) {
        return refuse(Twine("'") + op.getName().getStringRef() +
                      "' has no GPU kernel: expected a linear layer or elementwise operations");
      }
    }
    if (product && dynamic)
      return refuse("a product and 'qnn.quantize_dynamic' in one region have no GPU kernel");
    for (Value value : fused.getYield().getValues().drop_front(dynamic ? 1 : 0))
      if (!dynamic && shapes.get(value) != result)
        return refuse("expected results of one shape");
    return product ? selectGemm(product) : selectRows(cast_or_null<qnn::QuantizeDynamicOp>(dynamic));
  }
  std::string reason, symbol;

private:
  bool refuse(const Twine &why) {
    reason = why.str();
    return false;
  }

  bool checkLayouts() {
    for (unsigned i = 0; i < fused.getInputs().size(); ++i)
      if (!llvm::is_sorted(fused.getOperandLayout(i)))
        return refuse("operand " + Twine(i) + " is not row-major");
    for (unsigned i = 0; i < fused.getOutputs().size(); ++i)
      if (!llvm::is_sorted(fused.getResultLayout(i)))
        return refuse("result " + Twine(i) + " is not row-major");
    return true;
  }

  //===--- Products ----------------------------------------------------------===//

  /// Reads the product and what makes its weights.
  bool readProduct(Operation *op, const ScalarCode &code, Product &p) {
    p.op = op;
    p.input = op->getOperand(0);
    p.weight = op->getOperand(1);
    p.result = op->getResult(0);
    if (auto linear = dyn_cast<dyadic::LinearOp>(op)) {
      p.bias = linear.getBias();
      p.inputZeroPoint = int32_t(linear.getInputZeroPoint());
    } else if (auto linear = dyn_cast<dyadic::LinearTwoLevelOp>(op)) {
      p.bias = linear.getBias();
      p.inputZeroPoint = int32_t(linear.getInputZeroPoint());
      p.grouping = Grouping::TwoLevel;
      p.group = linear.getGroup();
      p.groupScale = linear.getGroupScale();
      p.groupZeroPoint = linear.getGroupOffset();
    } else if (auto linear = dyn_cast<dyadic::LinearGroupsOp>(op)) {
      auto combine = linear->hasOneUse() ? dyn_cast<qnn::CombineGroupsOp>(*linear->user_begin()) : nullptr;
      if (!combine)
        return refuse("the partial sums of 'dyadic.linear_groups' are not combined in the region");
      if (linear.getInputZeroPoint() != 0)
        return refuse("expected 'dyadic.linear_groups' with input zero point 0, found " +
                      Twine(int32_t(linear.getInputZeroPoint())));
      p.result = combine.getOutput();
      p.group = linear.getGroup();
      p.groupScale = combine.getScale();
      p.groupZeroPoint = linear.getZeroPoint();
      p.grouping = p.groupZeroPoint ? Grouping::ScaleZeroPoint : Grouping::Scale;
    } else {
      auto linearOp = cast<qnn::LinearOp>(op);
      p.bias = linearOp.getBias();
      if (auto dequantize = p.weight.getDefiningOp<qnn::DequantizeOp>())
        if (!readDequantize(dequantize, code, p))
          return false;
    }
    // Halves in memory are multiplied as they are: the product is exact, the sum f32, as if they were widened first.
    if (auto castOp = p.input.getDefiningOp<qnn::CastOp>())
      if (Type from = typeOf(castOp.getInput()).getElementType();
          typeOf(castOp.getOutput()).getElementType().isF32() && (from.isF16() || from.isBF16()))
        p.input = castOp.getInput();
    if (!isa<BlockArgument>(p.input) || code.constant(p.input))
      return refuse("expected a left operand that comes into the region");
    for (Value constant : {p.weight, p.bias, p.groupScale, p.groupZeroPoint})
      if (constant && !code.constant(constant))
        return refuse("expected constant weights, biases and scales");
    return true;
  }

  bool readDequantize(qnn::DequantizeOp dequantize, const ScalarCode &code, Product &p) {
    p.weight = dequantize.getInput();
    qnn::SchemeAttr scheme = dequantize.getScheme();
    if (scheme.getGranularity() == qnn::Granularity::Group) {
      if (scheme.getAxis() != 1)
        return refuse("expected weight groups along axis 1, found axis " + Twine(scheme.getAxis()));
      p.group = scheme.getGroup();
      p.groupScale = dequantize.getScale();
      p.groupZeroPoint = dequantize.getZeroPoint();
      p.grouping = p.groupZeroPoint ? Grouping::ScaleZeroPoint : Grouping::Scale;
      return true;
    }
    bool one = typeOf(dequantize.getScale()).getNumElements() == 1;
    if (!one && (scheme.getGranularity() != qnn::Granularity::Axis || scheme.getAxis() != 0))
      return refuse("expected weight scales for the tensor, for each output or for groups of inputs");
    if (dequantize.getZeroPoint()) {
      auto zeros = code.constant(dequantize.getZeroPoint());
      if (!zeros || !llvm::all_of(toIntegers(*zeros), [](int64_t z) { return z == 0; }))
        return refuse("expected symmetric weights where scales are not grouped: zero points need groups");
    }
    p.columnScale = dequantize.getScale();
    return true;
  }

  /// The segment of a product: types, groups, place of dequantization.
  bool segmentOf(const Product &p, kernel::SegmentAttr &segment) {
    Type lhs = typeOf(p.input).getElementType(), rhs = typeOf(p.weight).getElementType();
    int64_t k = typeOf(p.weight).getDimSize(1);
    bool integers = lhs.isInteger(8) || lhs.isInteger(4), halves = lhs.isF16() || lhs.isBF16();
    if (!(integers && !lhs.isUnsignedInteger()) && !halves)
      return refuse("expected a left operand of i8, i4, f16 or bf16, found " + toText(lhs) +
                    (lhs.isF32() ? " (recipe key float: f16 or bf16)" : ""));
    bool narrow = rhs.isInteger(8) || rhs.isInteger(4);
    if (rhs.isUnsignedInteger() || (!narrow && rhs != lhs))
      return refuse("expected weights of i8 or i4, or of the left operand's type " + toText(lhs) + ", found " +
                    toText(rhs));
    if (p.group && (p.group % 32 || k % p.group))
      return refuse("expected groups of a multiple of 32 that divides K = " + Twine(k) + ", found " + Twine(p.group));
    Place place = Place::None;
    Type scale;
    if (p.grouping == Grouping::Scale || p.grouping == Grouping::ScaleZeroPoint) {
      place = integers ? Place::PartialSums : Place::BeforeMma;
      // Weights that are scaled before the product have the left operand's precision, and so have their scales.
      scale = integers ? typeOf(p.groupScale).getElementType() : lhs;
    } else if (p.grouping == Grouping::TwoLevel) {
      place = Place::BeforeMma;
    } else if (lhs != rhs) {
      place = Place::Epilogue;
    }
    if (failed(kernel::SegmentAttr::verify([&] { return InFlightDiagnostic(); }, lhs, rhs, k, p.group, p.grouping,
                                           scale, place)))
      return refuse("the weights' format is no segment of a GPU kernel");
    segment = kernel::SegmentAttr::get(builder.getContext(), lhs, rhs, k, p.group, p.grouping, scale, place);
    return true;
  }

  /// bias - zero point * sum of each row's weights, modulo 2^32 (INTEGER R12); empty where nothing is to be added.
  std::vector<int32_t> foldedBias(const Product &p, const ScalarCode &code) {
    int64_t n = typeOf(p.weight).getDimSize(0), k = typeOf(p.weight).getDimSize(1);
    std::vector<int64_t> bias;
    if (p.bias)
      bias = toIntegers(*code.constant(p.bias));
    if (p.inputZeroPoint == 0 && bias.empty())
      return {};
    std::vector<int32_t> folded(n);
    if (!p.inputZeroPoint)
      return std::vector<int32_t>(bias.begin(), bias.end());
    WeightData weight = *code.constant(p.weight);
    ArrayRef<int8_t> bytes;
    std::vector<int64_t> codes, scales, offsets;
    if (weight.type.getElementType().isInteger(8))
      bytes = weight.as<int8_t>(); // large models: no wider copy
    else
      codes = toIntegers(weight);
    if (p.grouping == Grouping::TwoLevel) {
      scales = toIntegers(*code.constant(p.groupScale));
      offsets = toIntegers(*code.constant(p.groupZeroPoint));
    }
    for (int64_t row = 0; row < n; ++row) {
      int64_t sum = 0;
      for (int64_t i = row * k; i < (row + 1) * k; ++i)
        sum += !bytes.empty() ? bytes[i]
               : p.group      ? (codes[i] & 15) * scales[i / p.group] + offsets[i / p.group]
                              : codes[i];
      folded[row] = int32_t(uint32_t((bias.empty() ? 0 : bias[row]) - p.inputZeroPoint * sum));
    }
    return folded;
  }

  bool selectGemm(Operation *op) {
    auto block = std::make_unique<Block>();
    ScalarCode code(fused, shapes, result, block.get(), getName(fused));
    Product p;
    kernel::SegmentAttr segment;
    if (!readProduct(op, code, p) || !segmentOf(p, segment))
      return false;
    if (shapes.get(p.result) != result)
      return refuse("expected a region whose results have the shape of its product");
    bool integers = segment.getLhs().isInteger() && (p.grouping == Grouping::None || p.grouping == Grouping::TwoLevel);
    Value sum = block->addArgument(integers ? Type(builder.getI32Type()) : Type(builder.getF32Type()), fused.getLoc());
    if (integers) {
      if (std::vector<int32_t> folded = foldedBias(p, code); !folded.empty())
        sum = code.f.addi(sum, code.column("bias", folded));
    } else {
      if (p.columnScale)
        sum = mulOrNull(code, sum, code.at(p.columnScale));
      if (p.bias)
        sum = addOrNull(code, sum, code.at(p.bias));
      Type element = typeOf(p.result).getElementType();
      if (sum && !element.isF32())
        sum = code.f.make<arith::ExtFOp>(builder.getF32Type(), code.f.make<arith::TruncFOp>(element, sum));
    }
    if (sum)
      code.define(p.result, sum);
    SmallVector<Attribute> types;
    if (!emitResults(code, types))
      return false;

    OpBuilder atEnd = OpBuilder::atBlockEnd(module.getBody());
    int64_t n = typeOf(p.weight).getDimSize(0);
    auto gemm = kernel::GemmOp::create(atEnd, fused.getLoc(), "pending", n, builder.getArrayAttr({segment}),
                                       builder.getArrayAttr(code.operands), builder.getArrayAttr(types), ArrayAttr());
    gemm.getEpilogue().push_back(block.release());
    std::string base;
    llvm::raw_string_ostream(base) << "gemm_" << segment.getLhs() << "_" << segment.getRhs() << "_" << n << "x"
                                   << segment.getK();
    SmallVector<NamedAttribute> bindings = {builder.getNamedAttr("lhs", code.bind(p.input)),
                                            builder.getNamedAttr("rhs", builder.getArrayAttr(code.bind(p.weight)))};
    if (p.groupScale) {
      Attribute scales = code.bind(p.groupScale);
      if (segment.getScale() && segment.getScale() != typeOf(p.groupScale).getElementType())
        scales = narrowScales(code, *code.constant(p.groupScale), segment.getScale());
      if (!scales)
        return false;
      bindings.push_back(builder.getNamedAttr("group_scale", builder.getArrayAttr(scales)));
    }
    if (p.groupZeroPoint && segment.getLhs().isBF16())
      // Codes become bf16 by a bias of 136; its 8 bits hold sums up to 256.
      for (int64_t zeroPoint : toIntegers(*code.constant(p.groupZeroPoint)))
        if (zeroPoint > 120)
          return refuse("a zero point of " + Twine(zeroPoint) +
                        " is not exact beside bf16 activations: expected at most 120");
    if (p.groupZeroPoint)
      bindings.push_back(builder.getNamedAttr("group_zero_point", builder.getArrayAttr(code.bind(p.groupZeroPoint))));
    bindings.push_back(builder.getNamedAttr("operands", builder.getArrayAttr(code.bindings)));
    mark(gemm, base, bindings);
    return true;
  }

  /// Scales of groups rounded to `type` (f16 or bf16): each weight changes by at most half a step of that type, as much
  /// as the rounding of its product with the scale. Null where one would leave the type's normal range.
  Attribute narrowScales(ScalarCode &code, const WeightData &data, Type type) {
    const llvm::fltSemantics &semantics = cast<FloatType>(type).getFloatSemantics();
    std::vector<uint16_t> narrow;
    for (float scale : toFloats(data)) {
      llvm::APFloat value(scale);
      bool lossy;
      value.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &lossy);
      if (scale != 0 && !value.isNormal()) {
        refuse("a group scale of " + Twine(llvm::formatv("{0:e}", scale).str()) + " is out of the normal range of " +
               toText(type));
        return {};
      }
      narrow.push_back(uint16_t(value.bitcastToAPInt().getZExtValue()));
    }
    return code.bind("group_scale",
                     WeightData::copyOf<uint16_t>(RankedTensorType::get(data.type.getShape(), type), narrow));
  }

  static Value mulOrNull(ScalarCode &code, Value a, Value b) { return a && b ? code.f.mul(a, b) : Value(); }
  static Value addOrNull(ScalarCode &code, Value a, Value b) { return a && b ? code.f.add(a, b) : Value(); }

  //===--- Rows ----------------------------------------------------------------===//

  bool selectRows(qnn::QuantizeDynamicOp dynamic) {
    auto block = std::make_unique<Block>();
    ScalarCode code(fused, shapes, result, block.get(), getName(fused));
    SmallVector<Attribute> types;
    if (dynamic) {
      if (!typeOf(dynamic.getOutput()).getElementType().isInteger(8))
        return refuse("'qnn.quantize_dynamic' to " + toText(typeOf(dynamic.getOutput()).getElementType()) +
                      " has no GPU kernel: expected i8");
      if (!llvm::equal(fused.getYield().getValues(), dynamic->getResults()))
        return refuse("expected a region that ends in 'qnn.quantize_dynamic'");
      Value x = code.at(dynamic.getInput());
      if (!x)
        return refuse(code.reason);
      kernel::EmitOp::create(code.f.b, fused.getLoc(), x);
      types.push_back(TypeAttr::get(builder.getI8Type()));
    } else if (!emitResults(code, types)) {
      return false;
    }
    OpBuilder atEnd = OpBuilder::atBlockEnd(module.getBody());
    int64_t n = result.empty() ? 1 : *constantOf(result.back());
    auto rows = kernel::RowsOp::create(atEnd, fused.getLoc(), "pending", n, builder.getArrayAttr(code.operands),
                                       builder.getArrayAttr(types), /*quantize=*/dynamic != nullptr, ArrayAttr());
    rows.getBody().push_back(block.release());
    mark(rows, (dynamic ? "quantize_rows_" : "rows_") + std::to_string(n),
         {builder.getNamedAttr("operands", builder.getArrayAttr(code.bindings))});
    return true;
  }

  //===--- Both ----------------------------------------------------------------===//

  /// The values that the region stores, and their types in memory.
  bool emitResults(ScalarCode &code, SmallVector<Attribute> &types) {
    SmallVector<Value> values;
    for (Value yielded : fused.getYield().getValues()) {
      Type element = typeOf(yielded).getElementType();
      Value value = code.at(yielded);
      value = value ? code.toMemory(value, element) : value;
      if (!value)
        return refuse(code.reason);
      values.push_back(value);
      types.push_back(TypeAttr::get(value.getType()));
    }
    kernel::EmitOp::create(code.f.b, fused.getLoc(), values);
    return true;
  }

  /// Names the new kernel, or takes an equal one that is there, and marks the region.
  void mark(Operation *kernelOp, StringRef base, ArrayRef<NamedAttribute> bindings) {
    SmallVector<Operation *> inside;
    for (Operation &inner : kernelOp->getRegion(0).front().without_terminator())
      inside.push_back(&inner);
    for (Operation *inner : llvm::reverse(inside))
      if (inner->use_empty())
        inner->erase(); // what folding left
    std::string text;
    llvm::raw_string_ostream stream(text);
    kernelOp->print(stream, OpPrintingFlags().useLocalScope());
    auto [it, inserted] = kernels.try_emplace(text);
    if (inserted) {
      std::string unique = base.str();
      for (unsigned i = 1; SymbolTable::lookupSymbolIn(module, unique); ++i)
        unique = (base + "_" + Twine(i)).str();
      SymbolTable::setSymbolName(kernelOp, unique);
      it->second = unique;
    } else {
      kernelOp->erase();
    }
    symbol = it->second;
    fused->setAttr(gpuKernelAttr, FlatSymbolRefAttr::get(builder.getContext(), symbol));
    fused->setAttr(gpuBindingsAttr, builder.getDictionaryAttr(bindings));
    ArrayRef<AffineExpr> leading = result;
    AffineExpr m = productOf(leading.empty() ? leading : leading.drop_back(), builder.getContext());
    fused->setAttr(gpuMapAttr, AffineMapAttr::get(AffineMap::get(0, numSymbols, m)));
  }

  FusedOp fused;
  const SymbolicShapes &shapes;
  ModuleOp module;
  llvm::StringMap<std::string> &kernels;
  unsigned numSymbols;
  OpBuilder builder;
  SymbolicShape result;
};

struct SelectKernels : bitwright::impl::SelectKernelsBase<SelectKernels> {
  using SelectKernelsBase::SelectKernelsBase;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (const std::string &target : targets)
      if (!nvptx::parseArch(target)) {
        module.emitError() << "option targets: expected sm_80 or sm_90a, found '" << target << "'";
        return signalPassFailure();
      }
    if (targets.empty())
      return;
    llvm::StringMap<std::string> kernels;
    for (auto func : module.getOps<func::FuncOp>()) {
      auto shapes = SymbolicShapes::compute(func);
      if (failed(shapes))
        return signalPassFailure();
      for (auto fused : func.getOps<FusedOp>()) {
        if (fused.getKind() == kernel::Template::Alias)
          continue;
        SymbolicShapes body(shapes->getNumSymbols());
        for (auto [argument, input] : llvm::zip(fused.getBlock().getArguments(), fused.getInputs()))
          body.set(argument, shapes->get(input));
        for (Operation &op : fused.getBlock().without_terminator())
          if (failed(body.visit(&op)))
            return signalPassFailure();
        for (StringRef attr : {gpuKernelAttr, gpuBindingsAttr, gpuMapAttr, gpuReasonAttr})
          fused->removeAttr(attr);
        Selection selection(fused, body, module, kernels, shapes->getNumSymbols());
        if (selection.run()) {
          remarkOn(fused, true, "gpu", "kernel", "GPU kernel @" + selection.symbol);
        } else {
          fused->setAttr(gpuReasonAttr, StringAttr::get(&getContext(), selection.reason));
          remarkOn(fused, false, "gpu", "no-kernel", "no GPU kernel: " + selection.reason);
        }
      }
    }
  }
};

} // namespace
