//===- GemmAnchor.cpp - what a gemm or depthwise region computes -----------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/Gemm.h"

using namespace mlir;

namespace bitwright::x86 {

bool ConvAnchor::hasPadding() const {
  auto nonZero = [](int64_t v) { return v != 0; };
  return llvm::any_of(padBegin, nonZero) || llvm::any_of(padEnd, nonZero);
}

bool ConvAnchor::isPointwise() const {
  return taps == 1 && !hasPadding() && llvm::all_of(strides, [](int64_t s) { return s == 1; });
}

namespace {
template <typename ConvOp> void readConv(ConvOp op, ConvAnchor &anchor) {
  anchor.isConv = true;
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  int64_t spatial = weight.getRank() - 2;
  llvm::append_range(anchor.strides, op.getStrides());
  llvm::append_range(anchor.dilations, op.getDilations());
  for (int64_t d = 0; d < spatial; ++d) {
    anchor.kernel.push_back(weight.getDimSize(2 + d));
    anchor.padBegin.push_back(op.getPads()[d]);
    anchor.padEnd.push_back(op.getPads()[spatial + d]);
    anchor.taps *= anchor.kernel.back();
  }
  anchor.groups = op.getGroups();
  anchor.outputChannels = weight.getDimSize(0);
  anchor.inputChannels = weight.getDimSize(1) * anchor.groups;
}
template <typename LinearOp> void readLinear(LinearOp op, ConvAnchor &anchor) {
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  anchor.outputChannels = weight.getDimSize(0);
  anchor.inputChannels = weight.getDimSize(1);
}
template <typename Op> void readOperands(Op op, ConvAnchor &anchor) {
  anchor.op = op;
  anchor.input = op.getInput();
  anchor.weight = anchor.codes = op.getWeight();
  if constexpr (!std::is_same_v<Op, dyadic::LinearGroupsOp>)
    anchor.bias = op.getBias();
  anchor.result = op.getOutput();
}

/// A weight that a product in float reads as codes, if they have one scale an output channel or a group of inputs.
void readDequantize(ConvAnchor &anchor) {
  anchor.codes = {};
  auto dequantize = anchor.weight.getDefiningOp<qnn::DequantizeOp>();
  if (!dequantize || !dequantize.getOutput().getType().getElementType().isF32())
    return;
  qnn::SchemeAttr scheme = dequantize.getScheme();
  bool axis = scheme.getGranularity() == qnn::Granularity::Axis && scheme.getAxis() == 0;
  bool group = scheme.getGranularity() == qnn::Granularity::Group && scheme.getAxis() == 1;
  if (!axis && !group)
    return;
  anchor.codes = dequantize.getInput();
  anchor.scales = dequantize.getScale();
  anchor.zeroPoints = dequantize.getZeroPoint();
  anchor.columnGroup = group ? scheme.getGroup() : 0;
}
} // namespace

std::vector<int64_t> ConvAnchor::integerWeights(KernelBuilder &k) const {
  std::vector<int64_t> values = toIntegers(*k.constant(weight));
  if (auto twoLevel = dyn_cast<dyadic::LinearTwoLevelOp>(op)) {
    std::vector<int64_t> scales = toIntegers(*k.constant(twoLevel.getGroupScale())),
                         offsets = toIntegers(*k.constant(twoLevel.getGroupOffset()));
    size_t group = size_t(twoLevel.getGroup());
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = (values[i] & 15) * scales[i / group] + offsets[i / group];
  }
  return values;
}

bool hasConstantWeights(KernelBuilder &k, Operation *product) {
  if (auto twoLevel = dyn_cast<dyadic::LinearTwoLevelOp>(product))
    return k.constant(twoLevel.getWeight()) && k.constant(twoLevel.getGroupScale()) &&
           k.constant(twoLevel.getGroupOffset()) && (!twoLevel.getBias() || k.constant(twoLevel.getBias()));
  if (auto groups = dyn_cast<dyadic::LinearGroupsOp>(product))
    return k.constant(groups.getWeight()) && (!groups.getZeroPoint() || k.constant(groups.getZeroPoint()));
  return k.constant(product->getOperand(1)) && (product->getNumOperands() < 3 || k.constant(product->getOperand(2)));
}

FailureOr<ConvAnchor> findConvAnchor(KernelBuilder &k) {
  ConvAnchor anchor;
  for (Operation &op : k.op.getBlock().without_terminator()) {
    if (!isa<qnn::ConvOp, qnn::LinearOp, dyadic::ConvOp, dyadic::LinearOp, dyadic::LinearTwoLevelOp,
             dyadic::LinearGroupsOp>(op))
      continue;
    if (anchor.op)
      return op.emitOpError(
                 "is the second product of a gemm region: expected one convolution or linear layer; split the region"),
             failure();
    if (auto conv = dyn_cast<qnn::ConvOp>(op))
      readOperands(conv, anchor), readConv(conv, anchor), anchor.isFloat = true, anchor.codes = {};
    else if (auto linear = dyn_cast<qnn::LinearOp>(op))
      readOperands(linear, anchor), readLinear(linear, anchor), anchor.isFloat = true, readDequantize(anchor);
    else if (auto conv = dyn_cast<dyadic::ConvOp>(op))
      readOperands(conv, anchor), readConv(conv, anchor), anchor.zeroPoint = conv.getInputZeroPoint();
    else if (auto linear = dyn_cast<dyadic::LinearOp>(op))
      readOperands(linear, anchor), readLinear(linear, anchor), anchor.zeroPoint = linear.getInputZeroPoint();
    else if (auto linear = dyn_cast<dyadic::LinearTwoLevelOp>(op)) {
      readOperands(linear, anchor), readLinear(linear, anchor), anchor.zeroPoint = linear.getInputZeroPoint();
      anchor.columnGroup = int64_t(linear.getGroup());
      anchor.groupScale = linear.getGroupScale();
      anchor.groupOffset = linear.getGroupOffset();
    } else if (auto linear = dyn_cast<dyadic::LinearGroupsOp>(op)) {
      readOperands(linear, anchor), readLinear(linear, anchor), anchor.zeroPoint = linear.getInputZeroPoint();
      anchor.columnGroup = int64_t(linear.getGroup());
      anchor.zeroPoints = linear.getZeroPoint();
      auto combine = linear.getOutput().hasOneUse() ? dyn_cast<qnn::CombineGroupsOp>(*linear.getOutput().user_begin())
                                                    : qnn::CombineGroupsOp();
      if (!combine || combine.getInput() != linear.getOutput())
        return linear.emitOpError(
                   "expected the sum over groups (qnn.combine_groups) in the region of its partial sums"),
               failure();
      anchor.floatSums = true;
      anchor.scales = combine.getScale();
      anchor.result = combine.getOutput();
    }
  }
  if (!anchor.op)
    return k.op.emitOpError("asks for the gemm template, but holds no convolution, linear layer or matmul"), failure();
  // What follows must be elementwise: it is computed on the accumulators of a few rows.
  const SymbolicShape &shape = k.shape(anchor.result);
  for (Value value : k.op.getYield().getValues())
    if (k.shape(value) != shape)
      return k.op.emitOpError("yields a tensor of another shape than its product has: end the gemm region before the "
                              "operation that changes it"),
             failure();
  return anchor;
}

const TensorMemory *contiguousInput(KernelBuilder &k, const ConvAnchor &anchor) {
  auto argument = dyn_cast<BlockArgument>(anchor.input);
  if (!argument || k.constant(anchor.input))
    return nullptr;
  SmallVector<int64_t> layout = k.op.getOperandLayout(argument.getArgNumber());
  int64_t rank = int64_t(layout.size());
  for (int64_t i = 0; i < rank; ++i) {
    int64_t expected = !anchor.isConv ? i : i == 0 ? 0 : i == rank - 1 ? 1 : i + 1;
    if (layout[i] != expected)
      return nullptr;
  }
  const TensorMemory &memory = k.memory(argument);
  bool supported =
      anchor.isFloat ? memory.element.isF32() : memory.element.isInteger(8) || memory.element.isInteger(16);
  return supported ? &memory : nullptr;
}

void restrictLanes(KernelBuilder &k, Index &index, int64_t count) {
  index.lanes = count == 1 ? 1 : kLanes;
  if (count != 1 && count != kLanes)
    index.mask = k.laneMask(k.i64(0), k.i64(count), kLanes);
}

ProductEpilogue::ProductEpilogue(KernelBuilder &k, Value product) : emitter(k), k(k) {
  emitter.overrideWith(product, [this, product](const Index &index) -> Value {
    const SymbolicShape &shape = this->k.shape(product);
    bool same = currentIndex && index.dims.size() == currentIndex->dims.size();
    for (size_t d = 0; same && d < index.dims.size(); ++d)
      same = constantOf(shape[d]) == 1 ||
             (index.dims[d].base == currentIndex->dims[d].base && index.dims[d].step == currentIndex->dims[d].step);
    if (!same) {
      this->k.op.emitOpError(
          "reads its product at another place than it writes: end the region before the operation that moves data");
      return {};
    }
    return current;
  });
  shortenResidualAdds();
}

bool ProductEpilogue::emit(const Index &index, Value sum) {
  current = sum;
  currentIndex = &index;
  for (unsigned i = 0; i < k.op.getNumResults(); ++i) {
    Value yielded = k.op.getYield().getValues()[i];
    Value value = emitter.at(yielded, index);
    if (!value)
      return false;
    emitter.store(value, k.resultMemory(i), cast<RankedTensorType>(yielded.getType()).getElementType(), index);
  }
  return true;
}

} // namespace bitwright::x86
