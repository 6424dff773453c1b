//===- Gemm.cpp - tiles, gathering, epilogue -------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "lib/Target/X86/Gemm.h"
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/GemmCodes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace bitwright::x86 {

namespace {

/// Rows of a tile: a multiple of every micro-kernel's rows.
constexpr int64_t kTileRows = 48;
/// Panels of a tile's column block when there are many: a multiple of 1, 2, 3 and 4.
constexpr int64_t kBlockPanels = 36;

int64_t roundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

class GemmEmitter {
public:
  GemmEmitter(KernelBuilder &k, ConvAnchor anchor)
      : k(k), a(std::move(anchor)), out(k, a.result), emitter(out.emitter) {}

  LogicalResult run();

private:
  void plan();
  void packWeights();
  void setRowSpace();
  void tile(Value t);

  // Gathering of A.
  void gatherPointwise(Value firstRow, Value count, Value group);
  void gatherWindows(Value firstRow, Value count, Value group);
  void gatherThroughEmitter(Value to, ValueRange coords, ArrayRef<Value> pixel, Value group);
  void eachRow(Value firstRow, Value count, llvm::function_ref<void(Value, ValueRange)> body);

  void panelGroup(Value group, Value panel, unsigned panels, bool lastIsPartial, Value firstRow, Value count);
  void epilogue(Value group, Value panel, unsigned panels, bool lastIsPartial, Value firstRow, Value blockRow,
                Value rowsHere);

  KernelBuilder &k;
  ConvAnchor a;
  ProductEpilogue out;
  ElementEmitter &emitter;

  PanelKind kind = PanelKind::Bytes;
  PanelLayout layout;
  Type sourceType;
  const TensorMemory *input = nullptr;
  std::optional<CodedProduct> coded; ///< weights that stay codes in memory
  Value rowSums;
  std::optional<RunCopier> copier;
  unsigned maxPanels(Isa isa) const { return coded ? coded->maxPanels(isa) : MicroKernel::maxPanels(isa, kind); }
  unsigned rowsFor(Isa isa, unsigned nr) const {
    return coded ? coded->rowsFor(isa) : MicroKernel::rowsFor(isa, kind, nr);
  }
  /// Bytes of a row of A before padding.
  int64_t bytesOfRow(Isa isa) const {
    return coded && !coded->integers ? a.depth() * 4 : layout.steps() * MicroKernel::stepBytesOfA(isa, kind);
  }

  int64_t rowBytes = 0, scratchA = 0; ///< bytes of a row of A, and of all of A
  Value weights, start;               ///< packed panels; start of the accumulators (i32) or bias (f32)
  Value fillVector;
  SmallVector<Value, 4> rowDims;   ///< sizes of the row space: batch and output pixels, or the leading dimensions
  SmallVector<Value, 4> inputDims; ///< spatial sizes of the input
  Value rows, accumulators;
  int64_t blocks = 1;
  unsigned mainPanels = 1;
  bool flatRows = false; ///< every tensor of the region covers the row space row-major: one coordinate is enough
  int64_t flatDim = -1;
  bool failed = false;
};

void GemmEmitter::packWeights() {
  if (CodedProduct::covers(k, a)) {
    coded.emplace(k, a);
    coded->pack();
    kind = coded->inputKind();
    layout = coded->layout;
    if (a.isFloat)
      start = k.constantBuffer(
          "bias f32",
          ArrayRef<float>(padBias(a.groups, layout.n, a.bias ? toFloats(*k.constant(a.bias)) : std::vector<float>())));
    return;
  }
  auto weight = k.constant(a.weight);
  std::optional<WeightData> bias;
  if (a.bias)
    bias = k.constant(a.bias);
  int64_t n = a.outputsPerGroup(), depth = a.depth();
  if (a.isFloat) {
    kind = PanelKind::Floats;
    layout = PanelLayout{kind, a.groups, n, depth};
    weights = k.constantBuffer("weights [group][N/16][K][16] f32",
                               ArrayRef<uint8_t>(packFloatPanels(layout, toFloats(*weight), a.taps)));
    start = k.constantBuffer("bias f32",
                             ArrayRef<float>(padBias(a.groups, n, bias ? toFloats(*bias) : std::vector<float>())));
    return;
  }
  std::vector<int64_t> values = a.integerWeights(k);
  int64_t low = 0, high = 0;
  for (int64_t v : values)
    low = std::min(low, v), high = std::max(high, v);
  kind = low < -128 || high > 127                                                       ? PanelKind::Words
         : cast<RankedTensorType>(a.input.getType()).getElementType().isInteger(16) ? PanelKind::WideBytes
                                                                                    : PanelKind::Bytes;
  layout = PanelLayout{kind, a.groups, n, depth};
  std::vector<uint8_t> packed = packIntegerPanels(layout, values, a.taps);
  weights = k.constantBuffer(kind == PanelKind::Bytes       ? "weights [group][N/16][K/4][16][4] s8"
                             : kind == PanelKind::WideBytes ? "weights [group][N/16][K/2][16][2] s8"
                                                            : "weights [group][N/16][K/2][16][2] s16",
                             ArrayRef<uint8_t>(packed));
  if (kind == PanelKind::Bytes && a.groups == 1 && a.taps == 1 && !a.groupScale)
    k.markPacked(packed, a.weight, ConstantBuffer::Order::PanelBytes);
  std::vector<int32_t> folded = foldBias(a.groups, n, depth, values, bias ? toIntegers(*bias) : std::vector<int64_t>(),
                                         a.zeroPoint, kind == PanelKind::Bytes ? 128 : 0);
  start = k.constantBuffer("bias with zero point folded in, s32", ArrayRef<int32_t>(folded));
}

void GemmEmitter::plan() {
  sourceType = input       ? input->element
               : a.isFloat ? k.f32()
                           : cast<RankedTensorType>(a.input.getType()).getElementType();
  copier.emplace(k, sourceType, kind);
  if (a.hasPadding() && !a.isFloat) {
    Value bytes = k.constantBuffer("code of the input's zero point", ArrayRef<uint8_t>(copier->fillBytes(a.zeroPoint)));
    fillVector = k.hoisted([&]() -> Value {
      if (kind == PanelKind::Bytes && k.isa == Isa::Avx2)
        return arith::ExtUIOp::create(k.b, k.loc, k.vec(k.intType(16), 32), k.load(k.intType(8), 32, bytes, {}, true));
      return k.load(copier->targetType(), KernelBuilder::lanesOf(copier->fillType()), bytes, {}, true);
    });
  } else if (a.hasPadding()) {
    fillVector = k.constantFloat(0, 16);
  }
  int64_t depth = a.depth(), element = copier->elementBytes();
  rowBytes = bytesOfRow(k.isa);
  // Rows a multiple of 1 KiB apart would fall into the same cache sets.
  bool dense = rowBytes == depth * element && rowBytes % 1024 != 0;
  if (!dense)
    rowBytes = roundUp(rowBytes, 4) + (roundUp(rowBytes, 4) % 1024 == 0 ? 64 : 0);
  scratchA = roundUp(rowBytes * kTileRows + 64, 64);

  int64_t panels = layout.panels();
  unsigned most = maxPanels(k.isa);
  mainPanels = std::min<int64_t>(most, panels);
  if (most == 4 && panels > 4 && panels % 4 != 0 && (panels % 3 == 0 || panels == 5))
    mainPanels = 3;
  blocks = panels <= 48 ? 1 : (panels + kBlockPanels - 1) / kBlockPanels;
}

void GemmEmitter::setRowSpace() {
  const SymbolicShape &result = k.shape(a.result);
  SmallVector<AffineExpr> dims;
  if (a.isConv) {
    dims.push_back(result[0]);
    for (size_t d = 2; d < result.size(); ++d)
      dims.push_back(result[d]);
    const SymbolicShape &shape = k.shape(a.input);
    for (size_t d = 2; d < shape.size(); ++d)
      inputDims.push_back(k.dim(shape[d]));
  } else {
    dims.append(result.begin(), result.end() - 1);
  }
  AffineExpr total = getAffineConstantExpr(1, k.b.getContext());
  for (AffineExpr dim : dims) {
    rowDims.push_back(k.dim(dim));
    total = total * dim;
  }
  rows = k.dim(total);
  k.info.tiles = total.ceilDiv(kTileRows) * (a.groups * blocks);

  // One coordinate serves when no tensor of the epilogue is broadcast along a part of the row space, and all lie alike.
  flatRows = true;
  auto check = [&](Value value, std::optional<SmallVector<int64_t>> memoryOrder) {
    const SymbolicShape &shape = k.shape(value);
    if (shape == result) {
      if (!memoryOrder)
        return;
      int64_t rank = int64_t(result.size());
      for (int64_t i = 0; i < rank; ++i)
        if ((*memoryOrder)[i] != (!a.isConv ? i : i == 0 ? 0 : i == rank - 1 ? 1 : i + 1))
          flatRows = false;
      return;
    }
    int64_t channelAxis = int64_t(shape.size()) - (a.isConv ? int64_t(result.size()) - 1 : 1);
    for (int64_t d = 0; d < int64_t(shape.size()); ++d)
      if (d != channelAxis && constantOf(shape[d]) != 1)
        flatRows = false;
  };
  for (BlockArgument argument : k.op.getBlock().getArguments())
    if (llvm::any_of(argument.getUsers(), [&](Operation *user) { return user != a.op; }))
      check(argument, k.op.getOperandLayout(argument.getArgNumber()));
  for (Operation &op : k.op.getBlock().without_terminator())
    if (&op != a.op)
      for (Value value : op.getResults())
        check(value, std::nullopt);
  for (unsigned i = 0; i < k.op.getNumResults(); ++i)
    check(k.op.getYield().getValues()[i], k.op.getResultLayout(i));
  // That coordinate runs along the last dimension that is not 1 (an index along a dimension of 1 may be dropped as
  // broadcast).
  for (size_t d = 0; d < dims.size(); ++d)
    if (constantOf(dims[d]) != 1)
      flatDim = int64_t(d);
  if (flatDim < 0)
    flatRows = false;
}

//===----------------------------------------------------------------------===//
// Gathering
//===----------------------------------------------------------------------===//

void GemmEmitter::eachRow(Value firstRow, Value count, llvm::function_ref<void(Value, ValueRange)> body) {
  SmallVector<Value> coords;
  if (!rowDims.empty())
    llvm::append_range(coords, k.delinearize(firstRow, rowDims));
  k.forLoop(k.i64(0), count, 1, coords, [&](Value r, ValueRange carried) {
    SmallVector<Value> now(carried.begin(), carried.end()), next = now;
    body(r, now);
    // The next row: count up with carry.
    Value carry;
    for (int64_t d = int64_t(rowDims.size()) - 1; d >= 0; --d) {
      Value up = k.add(now[d], 1);
      if (carry)
        up = k.select(carry, up, now[d]);
      Value wrap = d ? k.equal(up, rowDims[d]) : Value();
      next[d] = d ? k.select(wrap, k.i64(0), up) : up;
      carry = wrap;
    }
    return next;
  });
}

void GemmEmitter::gatherPointwise(Value firstRow, Value count, Value group) {
  int64_t depth = a.depth();
  Value from = k.gep(input->pointer, k.mul(firstRow, a.inputChannels * copier->sourceBytes()));
  if (a.groups == 1 && rowBytes == depth * copier->elementBytes()) {
    copier->copy(from, k.scratch, k.mul(count, depth)); // the rows lie end to end on both sides
    return;
  }
  from = k.gep(from, k.mul(group, depth * copier->sourceBytes()));
  k.forLoop(k.i64(0), count, 1, [&](Value r) {
    copier->copy(k.gep(from, k.mul(r, a.inputChannels * copier->sourceBytes())), k.gep(k.scratch, k.mul(r, rowBytes)),
                 k.i64(depth));
  });
}

void GemmEmitter::gatherThroughEmitter(Value to, ValueRange coords, ArrayRef<Value> pixel, Value group) {
  // 16 channels at a time (8 KiB of code at most: a loop).
  int64_t channels = a.channelsPerGroup(), whole = channels / kLanes * kLanes;
  auto part = [&](Value c, int64_t count) {
    Index index;
    index.lanes = kLanes;
    if (count != kLanes)
      index.mask = k.laneMask(k.i64(0), k.i64(count), kLanes);
    DimIndex channel(k.add(k.mul(group, channels), c), 1);
    if (a.isConv) {
      index.dims.push_back(emitter.uniform(coords[0]));
      index.dims.push_back(channel);
      for (Value p : pixel)
        index.dims.push_back(emitter.uniform(p));
    } else {
      for (Value c : coords)
        index.dims.push_back(emitter.uniform(c));
      index.dims.push_back(channel);
    }
    Value value = emitter.at(a.input, index);
    if (!value) {
      failed = true;
      return;
    }
    k.store(copier->convert(value), k.gep(to, k.mul(c, copier->elementBytes())));
  };
  k.forLoop(k.i64(0), k.i64(whole), kLanes, [&](Value c) { part(c, kLanes); });
  if (channels != whole)
    part(k.i64(whole), channels - whole);
}

void GemmEmitter::gatherWindows(Value firstRow, Value count, Value group) {
  int64_t spatial = a.spatial(), channels = a.channelsPerGroup(), inner = a.innerTaps(), outer = a.outerTaps();
  int64_t last = spatial - 1;
  eachRow(firstRow, count, [&](Value r, ValueRange coords) {
    Value row = k.gep(k.scratch, k.mul(r, rowBytes));
    if (!a.isConv) { // linear through the emitter
      gatherThroughEmitter(row, coords, {}, group);
      return;
    }
    if (!spatial) { // N x C: pointwise, not contiguous
      gatherThroughEmitter(row, coords, {}, group);
      return;
    }
    auto elements = [&](int64_t n) { return n * copier->elementBytes(); };
    // First input position of this row's window along dimension d.
    auto windowStart = [&](int64_t d) { return k.add(k.mul(coords[1 + d], a.strides[d]), -a.padBegin[d]); };
    auto inside = [&](Value position, int64_t d) {
      return k.both(k.less(k.i64(-1), position), k.less(position, inputDims[d]));
    };
    Value innerStart = windowStart(last);

    auto outerTap = [&](Value p) {
      SmallVector<Value, 6> taps;
      if (last > 0) {
        SmallVector<Value> sizes;
        for (int64_t d = 0; d < last; ++d)
          sizes.push_back(k.i64(a.kernel[d]));
        taps = k.delinearize(p, sizes);
      }
      Value to = k.gep(row, k.mul(p, elements(inner * channels)));
      Value linear = coords[0], valid;
      SmallVector<Value> pixel;
      for (int64_t d = 0; d < last; ++d) {
        Value position = k.add(windowStart(d), k.mul(taps[d], a.dilations[d]));
        if (a.padBegin[d] || a.padEnd[d])
          valid = k.both(valid, inside(position, d));
        pixel.push_back(position);
        linear = k.add(k.mul(linear, inputDims[d]), position);
      }
      linear = k.mul(linear, inputDims[last]);
      bool checkInner = a.padBegin[last] || a.padEnd[last];
      auto from = [&](Value position) {
        Value element = k.add(k.mul(k.add(linear, position), a.inputChannels), k.mul(group, channels));
        return k.gep(input->pointer, k.mul(element, copier->sourceBytes()));
      };
      auto tapByTap = [&] {
        auto tap = [&](Value t) {
          Value position = k.add(innerStart, k.mul(t, a.dilations[last]));
          Value target = k.gep(to, k.mul(t, elements(channels)));
          auto copyTap = [&] {
            if (input) {
              copier->copy(from(position), target, k.i64(channels));
              return;
            }
            SmallVector<Value> all(pixel);
            all.push_back(position);
            gatherThroughEmitter(target, coords, all, group);
          };
          if (!checkInner) {
            copyTap();
            return;
          }
          auto branch = scf::IfOp::create(k.b, k.loc, inside(position, last), /*withElseRegion=*/true);
          OpBuilder::InsertionGuard guard(k.b);
          k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
          copyTap();
          k.b.setInsertionPoint(branch.elseBlock()->getTerminator());
          copier->fill(fillVector, target, k.i64(channels));
        };
        k.forLoop(k.i64(0), k.i64(inner), 1, tap);
      };
      auto gather = [&] {
        // Neighbouring taps lie side by side: one run, unless the window leaves the input.
        bool oneRun = input && (inner == 1 || (a.dilations[last] == 1 && a.groups == 1));
        if (!oneRun)
          return tapByTap();
        auto copyRun = [&] { copier->copy(from(innerStart), to, k.i64(inner * channels)); };
        if (!checkInner)
          return copyRun();
        Value whole = k.both(k.less(k.i64(-1), innerStart),
                             k.less(k.add(innerStart, (inner - 1) * a.dilations[last]), inputDims[last]));
        auto branch = scf::IfOp::create(k.b, k.loc, whole, /*withElseRegion=*/true);
        OpBuilder::InsertionGuard guard(k.b);
        k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
        copyRun();
        k.b.setInsertionPoint(branch.elseBlock()->getTerminator());
        tapByTap();
      };
      if (!valid)
        return gather();
      auto branch = scf::IfOp::create(k.b, k.loc, valid, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(k.b);
      k.b.setInsertionPoint(branch.thenBlock()->getTerminator());
      gather();
      k.b.setInsertionPoint(branch.elseBlock()->getTerminator());
      copier->fill(fillVector, to, k.i64(inner * channels));
    };
    if (outer <= 3) {
      for (int64_t p = 0; p < outer; ++p)
        outerTap(k.i64(p));
    } else {
      k.forLoop(k.i64(0), k.i64(outer), 1, outerTap);
    }
  });
}

//===----------------------------------------------------------------------===//
// Products and epilogue
//===----------------------------------------------------------------------===//

void GemmEmitter::epilogue(Value group, Value panel, unsigned panels, bool lastIsPartial, Value firstRow,
                           Value blockRow, Value rowsHere) {
  auto rowBody = [&](Value r, ValueRange coords) {
    for (unsigned j = 0; j < panels; ++j) {
      Index index;
      Value column = k.mul(k.add(panel, j), kLanes);
      restrictLanes(k, index, lastIsPartial && j + 1 == panels ? layout.n % kLanes : kLanes);
      DimIndex channel(k.add(k.mul(group, layout.n), column), 1, /*aligned=*/a.groups == 1 || layout.n % kLanes == 0);
      if (a.isConv) {
        index.dims.push_back(emitter.uniform(coords[0]));
        index.dims.push_back(channel);
        for (Value c : coords.drop_front())
          index.dims.push_back(emitter.uniform(c));
      } else {
        for (Value c : coords)
          index.dims.push_back(emitter.uniform(c));
        index.dims.push_back(channel);
      }
      int64_t width = int64_t(panels) * kStepBytes;
      Value sum = k.load(a.isFloat || a.floatSums ? k.f32() : k.intType(32), index.lanes,
                         k.gep(accumulators, k.add(k.mul(r, width), j * kStepBytes)));
      if (a.isFloat && a.bias) {
        Value bias = k.gep(start, k.mul(k.add(k.mul(group, layout.panels()), k.add(panel, j)), kStepBytes));
        sum = arith::AddFOp::create(k.b, k.loc, sum, k.load(k.f32(), index.lanes, bias, {}, true));
      }
      if (!out.emit(index, sum)) {
        failed = true;
        return;
      }
    }
  };
  Value row0 = k.add(firstRow, blockRow);
  if (flatRows) {
    k.forLoop(k.i64(0), rowsHere, 1, [&](Value r) {
      SmallVector<Value> coords(rowDims.size(), k.i64(0));
      coords[flatDim] = k.add(row0, r);
      rowBody(r, coords);
    });
    return;
  }
  eachRow(row0, rowsHere, rowBody);
}

void GemmEmitter::panelGroup(Value group, Value panel, unsigned panels, bool lastIsPartial, Value firstRow,
                             Value count) {
  unsigned mr = rowsFor(k.isa, panels);
  Value panelIndex = k.add(k.mul(group, layout.panels()), panel);
  if (coded)
    return coded->products(k.scratch, rowBytes, rowSums, panelIndex, panels, count, accumulators,
                           [&](Value blockRow, Value rowsHere) {
                             epilogue(group, panel, panels, lastIsPartial, firstRow, blockRow, rowsHere);
                           });
  MicroKernel micro{k, kind, mr, panels};
  Value b = k.gep(weights, k.mul(panelIndex, layout.panelBytes()));
  SmallVector<Value> begin;
  if (!a.isFloat)
    for (unsigned j = 0; j < panels; ++j)
      begin.push_back(k.load(k.intType(32), kLanes, k.gep(start, k.mul(k.add(panelIndex, j), kStepBytes)), {}, true));
  // While the rows go by, the next group's weights come nearer: each block of rows asks for its share of the lines.
  int64_t lines = int64_t(panels) * layout.panelBytes() / kStepBytes;
  bool ahead = layout.panels() > int64_t(panels) && lines >= 16;
  // With few rows there is no time for that, and the core's own prefetcher does better.
  Value share; // in units of 4 lines
  if (ahead) {
    share = k.ceilDiv(k.div(k.add(k.i64(lines * mr - 1), count), count), 4);
    share = k.select(k.less(k.i64(2 * mr), count), share, k.i64(0));
  }
  k.forLoop(k.i64(0), count, mr, [&](Value blockRow) {
    if (ahead) {
      Value from = k.gep(b, k.add(k.mul(k.mul(k.div(blockRow, k.i64(mr)), share), 4 * kStepBytes),
                                  int64_t(panels) * layout.panelBytes()));
      k.forLoop(k.i64(0), share, 1, [&](Value i) {
        Value line = k.gep(from, k.mul(i, 4 * kStepBytes));
        for (int64_t l = 0; l < 4; ++l)
          LLVM::Prefetch::create(k.b, k.loc, k.gep(line, l * kStepBytes), k.b.getI32IntegerAttr(0),
                                 k.b.getI32IntegerAttr(3), k.b.getI32IntegerAttr(1));
      });
    }
    SmallVector<Value> sums = micro.emit(k.gep(k.scratch, k.mul(blockRow, rowBytes)), rowBytes, b,
                                         k.i64(layout.panelBytes()), k.i64(layout.steps()), begin);
    for (unsigned m = 0; m < mr; ++m)
      for (unsigned j = 0; j < panels; ++j)
        k.store(sums[m * panels + j], k.gep(accumulators, int64_t(m * panels + j) * kStepBytes));
    epilogue(group, panel, panels, lastIsPartial, firstRow, blockRow, k.min(k.i64(mr), k.sub(count, blockRow)));
  });
}

void GemmEmitter::tile(Value t) {
  // Blocks of columns outermost: consecutive tiles share the weights.
  Value chunks = k.ceilDiv(rows, kTileRows);
  Value column = k.div(t, chunks), chunk = k.rem(t, chunks);
  Value group = k.div(column, k.i64(blocks)), block = k.rem(column, k.i64(blocks));
  if (a.groups == 1)
    group = k.i64(0), block = column;
  if (blocks == 1)
    block = k.i64(0), group = a.groups == 1 ? k.i64(0) : column;
  Value firstRow = k.mul(chunk, kTileRows), count = k.min(k.i64(kTileRows), k.sub(rows, firstRow));

  if (a.isPointwise() && input)
    gatherPointwise(firstRow, count, group);
  else
    gatherWindows(firstRow, count, group);
  if (rowSums)
    coded->sumRows(k.scratch, rowBytes, count, rowSums);

  // Whole groups of panels without a partial one, then the rest.
  int64_t panels = layout.panels();
  bool partial = layout.n % kLanes != 0;
  int64_t whole = (panels - partial) / mainPanels * mainPanels;
  unsigned rest = unsigned(panels - whole);
  Value from = k.mul(block, kBlockPanels),
        to = blocks == 1 ? k.i64(whole) : k.min(k.add(from, kBlockPanels), k.i64(whole));
  k.forLoop(from, to, mainPanels, [&](Value panel) { panelGroup(group, panel, mainPanels, false, firstRow, count); });
  if (rest)
    k.ifThen(k.equal(block, k.i64(blocks - 1)),
             [&] { panelGroup(group, k.i64(whole), rest, partial, firstRow, count); });
}

LogicalResult GemmEmitter::run() {
  packWeights();
  input = contiguousInput(k, a);
  plan();
  setRowSpace();
  // The same for every instruction set: the largest of all.
  int64_t bytesOfA = 0, bytesOfC = 0;
  for (Isa isa : {Isa::Avx2, Isa::Avx512Vnni}) {
    bytesOfA = std::max(bytesOfA, roundUp((roundUp(bytesOfRow(isa), 4) + 64) * kTileRows + 64, 64));
    for (unsigned nr = 1; nr <= maxPanels(isa); ++nr)
      bytesOfC = std::max<int64_t>(bytesOfC, int64_t(rowsFor(isa, nr)) * nr * kStepBytes);
  }
  if (coded)
    bytesOfC = std::max(bytesOfC, coded->bytesOfSums(kTileRows));
  int64_t bytesOfRowSums = coded ? roundUp(coded->bytesOfRowSums(kTileRows), 64) : 0;
  k.info.scratchBytes = getAffineConstantExpr(
      bytesOfA + bytesOfC + bytesOfRowSums + (coded ? coded->bytesOfUnpacked() : 0), k.b.getContext());
  accumulators = k.hoisted([&] { return k.gep(k.scratch, scratchA); });
  if (bytesOfRowSums)
    rowSums = k.hoisted([&] { return k.gep(k.scratch, scratchA + bytesOfC); });
  if (coded && coded->bytesOfUnpacked())
    coded->unpacked = k.hoisted([&] { return k.gep(k.scratch, scratchA + bytesOfC + bytesOfRowSums); });
  k.forTiles([&](Value t) { tile(t); });
  return success(!failed);
}

} // namespace

LogicalResult emitGemm(KernelBuilder &k) {
  for (Operation &op : k.op.getBlock().without_terminator()) {
    if (isa<qnn::MatmulOp, dyadic::MatmulOp>(op))
      return emitMatmul(k, &op);
    if (isa<qnn::ConvOp, qnn::LinearOp, dyadic::ConvOp, dyadic::LinearOp, dyadic::LinearTwoLevelOp,
            dyadic::LinearGroupsOp>(op) &&
        !hasConstantWeights(k, &op))
      return emitLoops(k);
  }
  FailureOr<ConvAnchor> anchor = findConvAnchor(k);
  if (failed(anchor))
    return failure();
  if (anchor->floatSums && !CodedProduct::covers(k, *anchor))
    return anchor->op->emitOpError("has no x86 code: expected s8 codes times constant 4-bit codes in groups of a "
                                   "multiple of 8"),
           failure();
  return GemmEmitter(k, *anchor).run();
}

} // namespace bitwright::x86
