//===- FuseRegions.cpp - producers and epilogues grouped into kernels ------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Fuse/FuseRegions/FuseRegions.h"
#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Kernel/Kernel.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"

namespace bitwright {
#define GEN_PASS_DEF_FUSEREGIONS
#include "passes/Fuse/FuseRegions/FuseRegions.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;
using kernel::Template;

namespace {

/// An operation list that becomes one kernel.fused, in program order; all leave through `root`'s results.
struct Group {
  llvm::SetVector<Operation *> ops;
  Operation *root = nullptr;
  Template kind = Template::Loops;
};

bool isConstant(Operation *op) { return isa<qnn::ConstantOp, qnn::WeightOp>(op); }

bool isElementwise(Operation *op) {
  return op->hasTrait<qnn::Elementwise>() || isa<qnn::QuantizeOp, qnn::DequantizeOp, qnn::DequantizeAccumulatorOp>(op);
}

/// A dequantize of constant codes: the product that reads it unpacks its weights.
bool isWeightDequantize(Operation *op) {
  auto dequantize = dyn_cast_or_null<qnn::DequantizeOp>(op);
  return dequantize && isa_and_nonnull<qnn::ConstantOp, qnn::WeightOp>(dequantize.getInput().getDefiningOp());
}

/// A value that is stored in 16 bits becomes a float32 in the kernel that reads it (store-floats).
bool isLoad(Operation *op) {
  auto load = dyn_cast_or_null<qnn::CastOp>(op);
  if (!load)
    return false;
  Type from = cast<RankedTensorType>(load.getInput().getType()).getElementType();
  return (from.isF16() || from.isBF16()) && cast<RankedTensorType>(load.getOutput().getType()).getElementType().isF32();
}

bool hasFloats(Operation *op) {
  auto isFloat = [](Type type) { return isa<FloatType>(cast<ShapedType>(type).getElementType()); };
  return llvm::any_of(op->getOperandTypes(), isFloat) || llvm::any_of(op->getResultTypes(), isFloat);
}

/// Worth recomputing in each of the two or three sweeps that a norm makes over its row.
bool isCheap(Operation *op) {
  return isa<qnn::DequantizeOp, qnn::AddOp, qnn::MulOp, qnn::SubOp, qnn::CastOp, dyadic::RescaleOp>(op);
}

/// An operation whose result must be stored, because somebody wants to see it (calibration).
bool isObserved(Operation *op) { return op->hasAttr("qnn.observe"); }

/// A filter of its own for each channel: groups = channels = outputs.
template <typename ConvOp> bool isDepthwise(ConvOp op) {
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  auto input = cast<RankedTensorType>(op.getInput().getType());
  return int64_t(op.getGroups()) == input.getDimSize(1) && op.getGroups() > 1 &&
         weight.getDimSize(0) == input.getDimSize(1) && weight.getDimSize(1) == 1;
}

/// The template that an operation asks for as the anchor of a region; none for elementwise and data movement.
std::optional<Template> anchorKind(Operation *op) {
  if (auto conv = dyn_cast<qnn::ConvOp>(op))
    return isDepthwise(conv) ? Template::Depthwise : Template::Gemm;
  if (auto conv = dyn_cast<dyadic::ConvOp>(op))
    return isDepthwise(conv) ? Template::Depthwise : Template::Gemm;
  if (isa<qnn::LinearOp, qnn::MatmulOp, dyadic::LinearOp, dyadic::MatmulOp, dyadic::LinearTwoLevelOp,
          dyadic::LinearGroupsOp>(op))
    return Template::Gemm;
  if (isa<qnn::QuantizeDynamicOp, qnn::SoftmaxOp, qnn::LogSoftmaxOp, qnn::LayerNormOp, qnn::GroupNormOp>(op))
    return Template::Rows;
  if (isa<qnn::ReduceMeanOp, qnn::ReduceSumOp, qnn::ReduceMaxOp, qnn::ReduceMinOp, qnn::ReduceL2Op, qnn::ArgmaxOp,
          dyadic::ReduceSumOp>(op))
    return Template::Reduce;
  if (isa<qnn::MaxPoolOp, qnn::AvgPoolOp, dyadic::AvgPoolOp, qnn::ConvTransposeOp, dyadic::ConvTransposeOp>(op))
    return Template::Loops;
  if (auto resize = dyn_cast<qnn::ResizeOp>(op); resize && resize.getMode() != qnn::ResizeMode::Nearest)
    return Template::Loops;
  return std::nullopt;
}

/// A reshape that only adds or drops dimensions of size 1.
bool isUnitReshape(Operation *op, const SymbolicShapes &shapes) {
  if (!isa<qnn::ReshapeOp>(op))
    return false;
  auto withoutUnits = [](const SymbolicShape &shape) {
    SmallVector<AffineExpr> result;
    for (AffineExpr dim : shape)
      if (constantOf(dim) != 1)
        result.push_back(dim);
    return result;
  };
  return withoutUnits(shapes.get(op->getOperand(0))) == withoutUnits(shapes.get(op->getResult(0)));
}

/// May be pulled into a loops region element by element.
bool isPullable(Operation *op, const SymbolicShapes &shapes) {
  return isElementwise(op) || isa<qnn::SliceOp, qnn::BroadcastOp, qnn::TileOp, qnn::GatherOp>(op) ||
         isUnitReshape(op, shapes);
}

class Fuser {
public:
  Fuser(func::FuncOp func, const SymbolicShapes &shapes) : func(func), shapes(shapes) {}

  LogicalResult run() {
    splitShared();
    SmallVector<Operation *> ops;
    for (Operation &op : func.getBody().front().without_terminator()) {
      if (isConstant(&op) || isa<kernel::FusedOp>(op))
        continue;
      if (!isa<qnn::QnnDialect, dyadic::DyadicDialect>(op.getDialect()))
        return op.emitError() << "expected only qnn and dyadic operations before fusion, found '" << op.getName()
                              << "'";
      ops.push_back(&op);
    }
    for (Operation *op : ops)
      if (auto kind = anchorKind(op))
        buildAnchored(op, *kind);
    for (Operation *op : llvm::reverse(ops))
      if (!owner.count(op))
        buildLoops(op);
    // Program order of the roots keeps every operand before its user.
    llvm::sort(groups, [](const auto &a, const auto &b) { return a->root->isBeforeInBlock(b->root); });
    for (auto &group : groups)
      emit(*group);
    return success();
  }

private:
  Group &start(Operation *op, Template kind) {
    groups.push_back(std::make_unique<Group>());
    groups.back()->kind = kind;
    add(*groups.back(), op);
    return *groups.back();
  }
  void add(Group &group, Operation *op) {
    group.ops.insert(op);
    owner[op] = &group;
  }

  /// One copy for each reader of what belongs to the reader's kernel: dequantized weights, loads of narrow floats.
  void splitShared() {
    for (Operation &op : llvm::make_early_inc_range(func.getBody().front())) {
      if (!isWeightDequantize(&op) && !isLoad(&op))
        continue;
      while (!op.use_empty() && !op.hasOneUse()) {
        OpOperand &use = *op.use_begin();
        OpBuilder builder(&op);
        use.set(builder.clone(op)->getResult(0));
      }
    }
  }
  /// Takes the loads of narrow floats that `op` reads into its group.
  void addLoads(Group &group, Operation *op) {
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp(); isLoad(producer) && !owner.count(producer))
        add(group, producer);
  }

  void buildAnchored(Operation *anchor, Template kind) {
    Group &group = start(anchor, kind);
    group.root = anchor;
    if (kind == Template::Gemm || kind == Template::Depthwise)
      for (Value operand : anchor->getOperands())
        if (Operation *producer = operand.getDefiningOp(); isWeightDequantize(producer) && !owner.count(producer))
          add(group, producer);
    addLoads(group, anchor);
    // The sum over groups takes the partial sums as they are made.
    if (isa<dyadic::LinearGroupsOp>(anchor) && anchor->getResult(0).hasOneUse() && !isObserved(anchor))
      if (auto combine = dyn_cast<qnn::CombineGroupsOp>(*anchor->getResult(0).user_begin());
          combine && combine.getInput() == anchor->getResult(0)) {
        add(group, combine);
        group.root = anchor = combine;
      }
    if (kind == Template::Rows || kind == Template::Reduce)
      absorbProducers(group, anchor->getOperand(0), kind == Template::Rows);
    // Down the chain of single users while the shape stays.
    for (;;) {
      if (group.root->getNumResults() != 1 || !group.root->getResult(0).hasOneUse() || isObserved(group.root))
        return;
      Operation *user = *group.root->getResult(0).user_begin();
      if (owner.count(user) || !isElementwise(user) || isLoad(user) || user->getNumResults() != 1 ||
          user->getBlock() != anchor->getBlock())
        return;
      if (shapes.get(user->getResult(0)) != shapes.get(anchor->getResult(0)))
        return;
      // A constant-only operand chain is fine; an operand that is itself waiting to be fused is defined before `user`.
      add(group, user);
      addLoads(group, user);
      group.root = user;
    }
  }

  void absorbProducers(Group &group, Value value, bool onlyCheap) {
    Operation *producer = value.getDefiningOp();
    if (!producer || owner.count(producer) || !isElementwise(producer) || isConstant(producer) || !value.hasOneUse() ||
        isObserved(producer))
      return;
    if (onlyCheap && !isCheap(producer))
      return;
    add(group, producer);
    for (Value operand : producer->getOperands())
      if (shapes.get(operand) == shapes.get(value))
        absorbProducers(group, operand, onlyCheap);
  }

  void buildLoops(Operation *root) {
    Group &group = start(root, Template::Loops);
    group.root = root;
    // Transposes and general reshapes stand alone (assign-layouts may turn them into aliases); concat reads its
    // operands where they lie.
    if (!isPullable(root, shapes))
      return;
    auto elements = [&](Value value) {
      SymbolicShape shape = shapes.get(value);
      llvm::erase_if(shape, [](AffineExpr dim) { return constantOf(dim) == 1; });
      return shape;
    };
    constexpr size_t maxOps = 32; // keeps one kernel's registers and compile time in bounds
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < group.ops.size() && group.ops.size() < maxOps; ++i)
        for (Value operand : group.ops[i]->getOperands()) {
          Operation *producer = operand.getDefiningOp();
          if (!producer || owner.count(producer) || isConstant(producer) || !isPullable(producer, shapes) ||
              isObserved(producer))
            continue;
          if (!llvm::all_of(producer->getUsers(), [&](Operation *user) { return group.ops.contains(user); }))
            continue;
          if (elements(producer->getResult(0)) != elements(group.ops[i]->getResult(0)))
            continue;
          add(group, producer);
          changed = true;
        }
    }
  }

  void emit(Group &group) {
    SmallVector<Operation *> ops = group.ops.takeVector();
    llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    llvm::SetVector<Value> inputs;
    llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());
    // The anchor's operands first, so that templates find input, weight and bias in front (the weight's codes, scales
    // and zero points where it is dequantized inside).
    auto collect = [&](Operation *op) {
      for (Value operand : op->getOperands())
        if (!operand.getDefiningOp() || !inside.contains(operand.getDefiningOp()))
          inputs.insert(operand);
        else if (anchorKind(op) && (isWeightDequantize(operand.getDefiningOp()) || isLoad(operand.getDefiningOp())))
          inputs.insert(operand.getDefiningOp()->operand_begin(), operand.getDefiningOp()->operand_end());
    };
    for (Operation *op : ops)
      if (anchorKind(op))
        collect(op);
    for (Operation *op : ops)
      collect(op);

    OpBuilder builder(group.root);
    SmallVector<Location> locations;
    for (Operation *op : ops)
      locations.push_back(op->getLoc());
    OperationState state(builder.getFusedLoc(locations), kernel::FusedOp::getOperationName());
    state.addOperands(inputs.getArrayRef());
    state.addTypes(group.root->getResultTypes());
    state.addAttribute("kind", kernel::TemplateAttr::get(func.getContext(), group.kind));
    if (auto name = group.root->getAttr("name"))
      state.addAttribute("name", name);
    state.addRegion();
    auto fused = cast<kernel::FusedOp>(builder.create(state));
    Block *block = new Block();
    fused.getBody().push_back(block);
    if (llvm::none_of(ops, hasFloats))
      fused->setAttr("integer_only", builder.getUnitAttr()); // checked by verify-integer-only
    IRMapping mapping;
    for (Value input : inputs)
      mapping.map(input, block->addArgument(input.getType(), input.getLoc()));
    builder.setInsertionPointToStart(block);
    for (Operation *op : ops)
      builder.clone(*op, mapping);
    SmallVector<Value> results;
    for (Value result : group.root->getResults())
      results.push_back(mapping.lookup(result));
    kernel::YieldOp::create(builder, group.root->getLoc(), results);
    group.root->replaceAllUsesWith(fused.getResults());
    for (Operation *op : llvm::reverse(ops))
      op->erase();
    std::string names;
    for (Operation &op : block->without_terminator())
      names += (names.empty() ? "" : ", ") + op.getName().getStringRef().str();
    remark::passed(fused.getLoc(), remark::RemarkOpts::name("fuse").category("fuse-regions").function(getName(fused)))
        << "template " << kernel::stringifyTemplate(group.kind) << ": " << names;
  }

  func::FuncOp func;
  const SymbolicShapes &shapes;
  std::vector<std::unique_ptr<Group>> groups;
  llvm::DenseMap<Operation *, Group *> owner;
};

struct FuseRegions : bitwright::impl::FuseRegionsBase<FuseRegions> {
  void runOnOperation() override {
    auto shapes = SymbolicShapes::compute(getOperation());
    if (failed(shapes) || failed(Fuser(getOperation(), *shapes).run()))
      return signalPassFailure();
  }
};

} // namespace
