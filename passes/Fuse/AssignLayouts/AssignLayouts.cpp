//===- AssignLayouts.cpp - memory order of every value ---------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Fuse/AssignLayouts/AssignLayouts.h"
#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Kernel/Kernel.h"

namespace bitwright {
#define GEN_PASS_DEF_ASSIGNLAYOUTS
#include "passes/Fuse/AssignLayouts/AssignLayouts.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using kernel::FusedOp;
using kernel::Template;

namespace {

/// Logical dimensions in memory order, outermost first.
using Layout = SmallVector<int64_t>;

Layout rowMajor(int64_t rank) { return llvm::to_vector(llvm::seq<int64_t>(0, rank)); }

Layout channelsLast(int64_t rank) {
  Layout layout = {0};
  for (int64_t i = 2; i < rank; ++i)
    layout.push_back(i);
  if (rank > 1)
    layout.push_back(1);
  return layout;
}

int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

/// The operation that decides what a region needs of its memory; none for elementwise regions.
Operation *anchorOf(FusedOp fused) {
  for (Operation &op : fused.getBlock().without_terminator())
    if (isa<qnn::ConvOp, dyadic::ConvOp, qnn::LinearOp, dyadic::LinearOp, qnn::MatmulOp, dyadic::MatmulOp,
            qnn::SoftmaxOp, qnn::LogSoftmaxOp, qnn::LayerNormOp, qnn::GroupNormOp, qnn::MaxPoolOp, qnn::AvgPoolOp,
            dyadic::AvgPoolOp, qnn::ConvTransposeOp, dyadic::ConvTransposeOp, qnn::ResizeOp>(op))
      return &op;
  return nullptr;
}

/// The order that the anchor's data operands and its result must have; none if any will do.
std::optional<Layout> requiredBy(Operation *anchor) {
  if (!anchor)
    return std::nullopt;
  int64_t rank = rankOf(anchor->getResult(0));
  auto innermost = [&](int64_t axis) {
    Layout layout = rowMajor(rank);
    layout.erase(llvm::find(layout, axis));
    layout.push_back(axis);
    return layout;
  };
  if (auto softmax = dyn_cast<qnn::SoftmaxOp>(anchor))
    return innermost(softmax.getAxis());
  if (auto softmax = dyn_cast<qnn::LogSoftmaxOp>(anchor))
    return innermost(softmax.getAxis());
  if (isa<qnn::LinearOp, dyadic::LinearOp, qnn::MatmulOp, dyadic::MatmulOp, qnn::LayerNormOp, qnn::GroupNormOp>(anchor))
    return rowMajor(rank);
  return channelsLast(rank);
}

class LayoutAssigner {
public:
  LayoutAssigner(func::FuncOp func, SymbolicShapes &shapes) : func(func), shapes(shapes) {}

  LogicalResult run() {
    Block &block = func.getBody().front();
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (auto fused = dyn_cast<FusedOp>(op))
        assign(fused);
      else if (op.hasTrait<OpTrait::IsTerminator>())
        finish(&op);
      else if (!isa<qnn::ConstantOp, qnn::WeightOp>(op))
        return op.emitError() << "expected every operation inside kernel.fused: run fuse-regions first";
    }
    return success();
  }

private:
  const Layout &layoutOf(Value value) {
    auto [it, inserted] = layouts.try_emplace(value);
    if (inserted)
      it->second = rowMajor(rankOf(value));
    return it->second;
  }

  /// Same bytes: equal once dimensions of size 1 are left out.
  bool sameMemory(Value value, const Layout &a, const Layout &b) {
    const SymbolicShape &shape = shapes.get(value);
    auto strip = [&](const Layout &layout) {
      return llvm::to_vector(llvm::make_filter_range(layout, [&](int64_t dim) { return constantOf(shape[dim]) != 1; }));
    };
    return strip(a) == strip(b);
  }

  /// `value` in memory order `wanted`: itself, or a copy made before `before` (one copy serves all users).
  Value inLayout(Value value, const Layout &wanted, Operation *before) {
    if (sameMemory(value, layoutOf(value), wanted))
      return value;
    for (auto &[layout, copy] : copies[value])
      if (layout == wanted)
        return copy;
    OpBuilder builder(before);
    if (Operation *producer = value.getDefiningOp())
      builder.setInsertionPointAfter(producer);
    else
      builder.setInsertionPointToStart(value.getParentBlock());
    FusedOp copy = makeCopy(builder, value, wanted);
    copies[value].push_back({wanted, copy.getResult(0)});
    return copy.getResult(0);
  }

  FusedOp makeCopy(OpBuilder &builder, Value value, const Layout &wanted) {
    OperationState state(value.getLoc(), FusedOp::getOperationName());
    state.addOperands(value);
    state.addTypes(value.getType());
    state.addAttribute("kind", kernel::TemplateAttr::get(func.getContext(), Template::Loops));
    state.addAttribute("name", builder.getStringAttr(getValueName(value) + "/layout" + std::to_string(copyCount++)));
    state.addRegion();
    auto copy = cast<FusedOp>(builder.create(state));
    Block *block = new Block();
    copy.getBody().push_back(block);
    block->addArgument(value.getType(), value.getLoc());
    OpBuilder inner = OpBuilder::atBlockEnd(block);
    kernel::YieldOp::create(inner, value.getLoc(), block->getArguments());
    shapes.set(copy.getResult(0), shapes.get(value));
    layouts[copy.getResult(0)] = wanted;
    setLayouts(copy);
    return copy;
  }

  void setLayouts(FusedOp fused) {
    OpBuilder builder(fused);
    SmallVector<Attribute> operands, results;
    for (Value operand : fused.getInputs())
      operands.push_back(builder.getDenseI64ArrayAttr(layoutOf(operand)));
    for (Value result : fused.getOutputs())
      results.push_back(builder.getDenseI64ArrayAttr(layoutOf(result)));
    fused.setOperandLayoutsAttr(builder.getArrayAttr(operands));
    fused.setResultLayoutsAttr(builder.getArrayAttr(results));
  }

  /// What a user of `value` insists on; none if it does not care.
  std::optional<Layout> wantedByUsers(Value value) {
    for (OpOperand &use : value.getUses()) {
      if (use.getOwner()->hasTrait<OpTrait::IsTerminator>())
        return rowMajor(rankOf(value));
      auto user = cast<FusedOp>(use.getOwner());
      if (Operation *anchor = anchorOf(user))
        if (anchor->getOperand(0) == user.getBlock().getArgument(use.getOperandNumber()))
          return requiredForOperand(anchor, value);
    }
    return std::nullopt;
  }

  std::optional<Layout> requiredForOperand(Operation *anchor, Value value) {
    auto required = requiredBy(anchor);
    if (required && int64_t(required->size()) == rankOf(value))
      return required;
    return rowMajor(rankOf(value));
  }

  void assign(FusedOp fused) {
    Block &body = fused.getBlock();
    Operation *anchor = anchorOf(fused);
    if (anchor) {
      Layout required = *requiredBy(anchor);
      for (OpOperand &operand : fused->getOpOperands()) {
        Value value = operand.get();
        if (isConstant(value))
          continue;
        // The anchor's inputs must have the order; other operands of the result's shape (residuals) should.
        BlockArgument argument = body.getArgument(operand.getOperandNumber());
        bool ofAnchor = llvm::is_contained(anchor->getOperands(), argument);
        bool residual = shapes.get(value) == shapes.get(fused.getResult(0));
        if (ofAnchor || residual) {
          Layout wanted = int64_t(required.size()) == rankOf(value) ? required : rowMajor(rankOf(value));
          operand.set(inLayout(value, wanted, fused));
        }
      }
      for (Value result : fused.getOutputs())
        layouts[result] = int64_t(required.size()) == rankOf(result) ? required : rowMajor(rankOf(result));
      return setLayouts(fused);
    }
    Operation *only = llvm::hasSingleElement(body.without_terminator()) ? &body.front() : nullptr;
    if (auto transpose = dyn_cast_or_null<qnn::TransposeOp>(only); transpose && !isConstant(fused.getInputs()[0]))
      return aliasTranspose(fused, transpose);
    if (isa_and_nonnull<qnn::ReshapeOp>(only) && !isConstant(fused.getInputs()[0]))
      return aliasReshape(fused);
    if (isReduction(only ? only : &body.front()) || hasReduction(fused))
      return assignReduction(fused);
    // Elementwise and data movement: the consumer's order, else that of an operand of the result's shape, else of its
    // rank.
    Value result = fused.getResult(0);
    std::optional<Layout> layout = wantedByUsers(result);
    for (bool sameShape : {true, false})
      for (Value operand : fused.getInputs())
        if (!layout && !isConstant(operand) && rankOf(operand) == rankOf(result) &&
            (!sameShape || shapes.get(operand) == shapes.get(result)))
          layout = layoutOf(operand);
    for (Value output : fused.getOutputs())
      layouts[output] = layout && int64_t(layout->size()) == rankOf(output) ? *layout : rowMajor(rankOf(output));
    setLayouts(fused);
  }

  static bool isConstant(Value value) { return isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(value.getDefiningOp()); }

  static bool isReduction(Operation *op) {
    return isa<qnn::ReduceMeanOp, qnn::ReduceSumOp, qnn::ReduceMaxOp, qnn::ReduceMinOp, qnn::ReduceL2Op, qnn::ArgmaxOp,
               dyadic::ReduceSumOp>(op);
  }
  static bool hasReduction(FusedOp fused) {
    return llvm::any_of(fused.getBlock(), [](Operation &op) { return isReduction(&op); });
  }

  /// The kept dimensions in the order of the reduced operand.
  void assignReduction(FusedOp fused) {
    Operation *reduction = nullptr;
    for (Operation &op : fused.getBlock())
      if (isReduction(&op))
        reduction = &op;
    int64_t inputRank = rankOf(reduction->getOperand(0)), resultRank = rankOf(fused.getResult(0));
    Layout input = rowMajor(inputRank), result;
    for (Value operand : fused.getInputs())
      if (!isConstant(operand) && rankOf(operand) == inputRank) {
        input = layoutOf(operand);
        break;
      }
    if (resultRank == inputRank) {
      result = input;
    } else {
      llvm::SmallDenseSet<int64_t> axes;
      if (auto attr = reduction->getAttrOfType<DenseI64ArrayAttr>("axes"))
        axes.insert(attr.asArrayRef().begin(), attr.asArrayRef().end());
      else
        axes.insert(reduction->getAttrOfType<IntegerAttr>("axis").getInt());
      SmallVector<int64_t> renumbered(inputRank, -1);
      int64_t next = 0;
      for (int64_t i = 0; i < inputRank; ++i)
        if (!axes.contains(i))
          renumbered[i] = next++;
      for (int64_t dim : input)
        if (renumbered[dim] >= 0)
          result.push_back(renumbered[dim]);
      if (int64_t(result.size()) != resultRank)
        result = rowMajor(resultRank);
    }
    for (Value output : fused.getOutputs())
      layouts[output] = result;
    setLayouts(fused);
  }

  void setAlias(FusedOp fused) { fused.setKindAttr(kernel::TemplateAttr::get(func.getContext(), Template::Alias)); }

  /// result.dim(i) = input.dim(perm[i]): the same bytes under renumbered dimensions.
  void aliasTranspose(FusedOp fused, qnn::TransposeOp transpose) {
    Layout input = layoutOf(fused.getInputs()[0]), result;
    for (int64_t dim : input)
      result.push_back(llvm::find(transpose.getPerm(), dim) - transpose.getPerm().begin());
    layouts[fused.getResult(0)] = result;
    setAlias(fused);
    setLayouts(fused);
  }

  void aliasReshape(FusedOp fused) {
    Value input = fused.getInputs()[0], output = fused.getResult(0);
    const SymbolicShape &from = shapes.get(input), &to = shapes.get(output);
    SmallVector<int64_t> keptFrom, keptTo;
    for (int64_t i = 0; i < int64_t(from.size()); ++i)
      if (constantOf(from[i]) != 1)
        keptFrom.push_back(i);
    for (int64_t i = 0; i < int64_t(to.size()); ++i)
      if (constantOf(to[i]) != 1)
        keptTo.push_back(i);
    bool unit = keptFrom.size() == keptTo.size();
    for (size_t i = 0; unit && i < keptFrom.size(); ++i)
      unit = from[keptFrom[i]] == to[keptTo[i]];
    if (!unit) {
      fused->setOperand(0, inLayout(input, rowMajor(rankOf(input)), fused));
      layouts[output] = rowMajor(rankOf(output));
    } else {
      // Unit dimensions first, the others in the order of the operand.
      Layout result;
      for (int64_t i = 0; i < int64_t(to.size()); ++i)
        if (!llvm::is_contained(keptTo, i))
          result.push_back(i);
      for (int64_t dim : layoutOf(input))
        if (auto it = llvm::find(keptFrom, dim); it != keptFrom.end())
          result.push_back(keptTo[it - keptFrom.begin()]);
      layouts[output] = result;
    }
    setAlias(fused);
    setLayouts(fused);
  }

  /// The value whose memory an alias shares.
  static Value storageOf(Value value) {
    for (;;) {
      auto fused = value.getDefiningOp<FusedOp>();
      if (!fused || fused.getKind() != Template::Alias)
        return value;
      value = fused.getInputs()[0];
    }
  }

  /// Results are row-major and each has memory of its own that a kernel writes.
  void finish(Operation *terminator) {
    llvm::SmallPtrSet<Value, 8> taken;
    for (OpOperand &operand : terminator->getOpOperands()) {
      Value value = inLayout(operand.get(), rowMajor(rankOf(operand.get())), terminator);
      Value storage = storageOf(value);
      if (isa<BlockArgument>(storage) || isConstant(storage) || !taken.insert(storage).second) {
        OpBuilder builder(terminator);
        value = makeCopy(builder, value, rowMajor(rankOf(value))).getResult(0);
        taken.insert(value);
      }
      operand.set(value);
    }
  }

  func::FuncOp func;
  SymbolicShapes &shapes;
  llvm::DenseMap<Value, Layout> layouts;
  llvm::DenseMap<Value, SmallVector<std::pair<Layout, Value>>> copies;
  unsigned copyCount = 0;
};

struct AssignLayouts : bitwright::impl::AssignLayoutsBase<AssignLayouts> {
  void runOnOperation() override {
    auto shapes = SymbolicShapes::compute(getOperation());
    if (failed(shapes) || failed(LayoutAssigner(getOperation(), *shapes).run()))
      return signalPassFailure();
  }
};

} // namespace
