//===- Loops.cpp - the loops and reduce templates --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Every element of the results by itself, in their physical order: rows x columns x run, the run (the innermost
// dimension, or several that are contiguous in every operand) in vectors. A tile is a stretch of rows, columns, or of
// one run.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/LoopNest.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::x86;

/// Calls `visit` for every op of the region that `values` depend on, once.
static void forEachProducer(ArrayRef<Value> values, llvm::function_ref<void(Operation *)> visit) {
  SmallVector<Value> work(values);
  llvm::DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || !seen.insert(op).second)
      continue;
    visit(op);
    work.append(op->operand_begin(), op->operand_end());
  }
}

namespace {
/// Decides which dimensions of the result are one run of elements.
struct RunFinder {
  KernelBuilder &k;
  const SymbolicShape &shape;
  SmallVector<int64_t> layout;
  bool elementwise = true;
  SmallVector<int64_t> axes;           ///< dimensions that some op indexes by itself
  SmallVector<SmallVector<char>> full; ///< one a leaf: whether it has the result's dimension
  SmallVector<SmallVector<int64_t>> layouts;

  RunFinder(KernelBuilder &k, const SymbolicShape &shape, ArrayRef<int64_t> layout)
      : k(k), shape(shape), layout(layout) {}

  void addLeaf(Value leaf) {
    const SymbolicShape &own = k.shape(leaf);
    size_t lead = shape.size() - own.size();
    SmallVector<char> has(shape.size(), false);
    for (size_t d = 0; d < own.size(); ++d)
      has[lead + d] = bitwright::constantOf(own[d]) != 1 || bitwright::constantOf(shape[lead + d]) == 1;
    bool any = llvm::is_contained(has, true);
    SmallVector<int64_t> order;
    if (k.constant(leaf)) {
      if (k.constantTensor(leaf).isSplat || !any)
        return;
      order.assign(layout.begin(), layout.end());
      if (own.size() != shape.size()) {
        order.clear();
        for (size_t d = 0; d < own.size(); ++d)
          order.push_back(lead + d);
      }
    } else {
      for (int64_t d : k.op.getOperandLayout(cast<BlockArgument>(leaf).getArgNumber()))
        order.push_back(lead + d);
    }
    full.push_back(has);
    layouts.push_back(order);
  }

  void visit(ArrayRef<Value> results) {
    for (Value value : results)
      if (isa<BlockArgument>(value))
        addLeaf(value);
    forEachProducer(results, [&](Operation *op) {
      if (op->getNumOperands() == 0)
        return;
      auto addAxis = [&](int64_t axis) { axes.push_back(axis); };
      SmallVector<Value> operands(op->getOperands());
      if (auto quantize = dyn_cast<qnn::QuantizeOp>(op)) {
        operands.resize(1);
        if (quantize.getScheme().getGranularity() == qnn::Granularity::Axis)
          addAxis(quantize.getScheme().getAxis());
      } else if (auto dequantize = dyn_cast<qnn::DequantizeOp>(op)) {
        operands.resize(1);
        if (dequantize.getScheme().getGranularity() == qnn::Granularity::Axis)
          addAxis(dequantize.getScheme().getAxis());
        else if (dequantize.getScheme().getGranularity() != qnn::Granularity::Tensor)
          elementwise = false;
      } else if (isa<qnn::BatchNormOp>(op)) {
        operands.resize(1);
        addAxis(1);
      } else if (auto rescale = dyn_cast<dyadic::RescaleOp>(op)) {
        if (rescale.getAxis())
          addAxis(*rescale.getAxis());
      } else if (!op->hasTrait<qnn::Elementwise>()) {
        elementwise = false;
        return;
      }
      if (k.shape(op->getResult(0)).size() != shape.size())
        elementwise = elementwise && axes.empty();
      for (Value operand : operands)
        if (isa<BlockArgument>(operand) || k.constant(operand))
          addLeaf(operand);
    });
  }

  /// Length of the run in trailing dimensions of `order` (the result's layout without dimensions of size 1).
  size_t runLength(ArrayRef<int64_t> order) {
    if (!elementwise || order.size() < 2)
      return std::min<size_t>(1, order.size());
    size_t length = 1;
    int64_t inner = order.back();
    while (length < order.size()) {
      int64_t next = order[order.size() - length - 1];
      auto run = order.take_back(length + 1);
      bool legal = llvm::none_of(axes, [&](int64_t axis) { return llvm::is_contained(run, axis); });
      for (auto [has, leafLayout] : llvm::zip(full, layouts)) {
        legal &= has[next] == has[inner];
        if (!has[inner])
          continue;
        // The leaf's memory must have the same run at its end.
        SmallVector<int64_t> own;
        for (int64_t d : leafLayout)
          if (llvm::is_contained(order, d) && has[d])
            own.push_back(d);
        legal &= own.size() >= run.size() && ArrayRef<int64_t>(own).take_back(run.size()) == run;
      }
      if (!legal)
        break;
      ++length;
    }
    return length;
  }
};
} // namespace

/// Rough work for one element, in elementwise operations.
static int64_t workOf(KernelBuilder &k, ArrayRef<Value> results) {
  int64_t work = 1;
  SmallVector<int64_t> largest;
  for (const DimSymbol &symbol : k.symbols)
    largest.push_back(symbol.max);
  auto sizeOf = [&](AffineExpr expr) { return std::max<int64_t>(1, evaluate(expr, largest)); };
  forEachProducer(results, [&](Operation *op) {
    int64_t own = 1;
    if (isa<qnn::ConvOp, qnn::ConvTransposeOp, dyadic::ConvOp, dyadic::ConvTransposeOp, qnn::LinearOp,
            dyadic::LinearOp>(op)) {
      const SymbolicShape &w = k.shape(op->getOperand(1));
      for (AffineExpr dim : ArrayRef<AffineExpr>(w).drop_front())
        own *= sizeOf(dim);
    } else if (isa<qnn::MatmulOp, dyadic::MatmulOp>(op)) {
      own = sizeOf(k.shape(op->getOperand(0)).back());
    } else if (auto kernel = op->getAttrOfType<DenseI64ArrayAttr>("kernel")) {
      for (int64_t size : kernel.asArrayRef())
        own *= size;
    } else if (auto axes = op->getAttrOfType<DenseI64ArrayAttr>("axes")) {
      for (int64_t axis : axes.asArrayRef())
        own *= sizeOf(k.shape(op->getOperand(0))[axis]);
    }
    work += own;
  });
  return work;
}

/// True if some reduction runs along the innermost dimension in memory of what it reduces: it is vectorised inside.
static bool reducesInnermost(KernelBuilder &k, ArrayRef<Value> results) {
  bool found = false;
  forEachProducer(results, [&](Operation *op) {
    SmallVector<int64_t> axes;
    if (auto attr = op->getAttrOfType<DenseI64ArrayAttr>("axes"))
      axes.assign(attr.asArrayRef().begin(), attr.asArrayRef().end());
    else if (auto argmax = dyn_cast<qnn::ArgmaxOp>(op))
      axes.push_back(argmax.getAxis());
    else
      return;
    size_t rank = k.shape(op->getOperand(0)).size();
    SmallVector<int64_t> layout = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    auto use = [&](Value leaf) {
      auto argument = dyn_cast<BlockArgument>(leaf);
      if (argument && !k.constant(leaf) && k.shape(leaf).size() == rank)
        layout = k.op.getOperandLayout(argument.getArgNumber());
    };
    use(op->getOperand(0));
    forEachProducer({op->getOperand(0)}, [&](Operation *inner) { llvm::for_each(inner->getOperands(), use); });
    for (int64_t d : llvm::reverse(layout))
      if (bitwright::constantOf(k.shape(op->getOperand(0))[d]) != 1) {
        found |= llvm::is_contained(axes, d);
        break;
      }
  });
  return found;
}

/// 64 lanes when every value is a byte and every op moves or looks up bytes.
static unsigned lanesFor(KernelBuilder &k, ArrayRef<Value> results) {
  auto isByte = [](Value value) { return cast<RankedTensorType>(value.getType()).getElementTypeBitWidth() == 8; };
  bool bytes = llvm::all_of(results, isByte);
  forEachProducer(results, [&](Operation *op) {
    if (op->getNumOperands() == 0)
      return;
    bytes &=
        isByte(op->getResult(0)) &&
        isa<dyadic::LookupOp, qnn::ConcatOp, qnn::SliceOp, qnn::TransposeOp, qnn::ReshapeOp, qnn::BroadcastOp,
            qnn::TileOp, qnn::PadOp, qnn::MaxPoolOp, qnn::DepthToSpaceOp, qnn::SpaceToDepthOp, qnn::MaxOp, qnn::MinOp>(
            op);
  });
  return bytes ? 64 : 16;
}

LogicalResult x86::emitLoops(KernelBuilder &k) {
  // Results of one shape are computed together.
  SmallVector<SmallVector<unsigned>> groups;
  auto yielded = k.op.getYield().getValues();
  for (unsigned i = 0; i < yielded.size(); ++i) {
    auto same = [&](ArrayRef<unsigned> group) {
      return k.shape(yielded[group[0]]) == k.shape(yielded[i]) &&
             k.op.getResultLayout(group[0]) == k.op.getResultLayout(i);
    };
    auto it = llvm::find_if(groups, same);
    if (it == groups.end())
      groups.push_back({i});
    else
      it->push_back(i);
  }
  AffineExpr tiles = getAffineConstantExpr(0, k.op.getContext());
  bool ok = true;
  for (ArrayRef<unsigned> group : groups) {
    SmallVector<Value> values;
    for (unsigned i : group)
      values.push_back(yielded[i]);
    const SymbolicShape &shape = k.shape(values[0]);
    SmallVector<int64_t> layout = k.op.getResultLayout(group[0]);
    RunFinder finder(k, shape, layout);
    finder.visit(values);
    SmallVector<int64_t> order;
    for (int64_t d : layout)
      if (bitwright::constantOf(shape[d]) != 1)
        order.push_back(d);
    LoopNest nest(k, shape, order, finder.runLength(order));
    nest.lanes = reducesInnermost(k, values) ? 1 : lanesFor(k, values);
    nest.tileElements = std::max<int64_t>(64, 16384 / workOf(k, values) / 64 * 64);
    ElementEmitter e(k);
    AffineExpr count = nest.emit(tiles, [&](const Index &index) {
      for (unsigned i : group) {
        Value value = e.at(yielded[i], index);
        ok &= bool(value);
        e.store(value, k.resultMemory(i), cast<RankedTensorType>(yielded[i].getType()).getElementType(), index);
      }
    });
    tiles = tiles + count;
  }
  k.info.tiles = simplifyAffineExpr(tiles, 0, k.symbols.size());
  return success(ok);
}
