//===- Depthwise.cpp - one filter a channel --------------------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// Template `depthwise`: groups = input channels = output channels, channels-last. A tile is a stretch of output lines
// (up to 40 positions along the innermost dimension, up to 6 lines of a 2-D filter) times up to 64 channels. For 16
// channels at a time:
//   1. strips: the input lines under the windows are copied to scratch, padding filled with the zero point's code, two
//   lines at
//      a time interleaved to pairs of s16 (float: one line at a time), so that step 2 needs no border checks and no
//      shuffles; output lines share the strips;
//   2. sums: per output position one vpdpwssd (vpmaddwd + vpaddd; fma) for each tap pair (tap), all operands from L1 or
//   registers;
//   3. epilogue of the region on the sums of a line.
// Integer weights are s16 for every product, so weights wider than 8 bits cost nothing.
//===----------------------------------------------------------------------===//
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Target/X86/Gemm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <numeric>

using namespace mlir;

namespace bitwright::x86 {

namespace {

/// Output positions of a tile.
constexpr int64_t kStretch = 40;
/// Output lines of a tile where neighbours share strips.
constexpr int64_t kTileRows = 6;
/// Output positions summed together: hides the latency of the multiply-add.
constexpr int64_t kTogether = 4;

class DepthwiseEmitter {
public:
  DepthwiseEmitter(KernelBuilder &k, ConvAnchor anchor)
      : k(k), a(std::move(anchor)), out(k, a.result), emitter(out.emitter) {}
  LogicalResult run();

private:
  void packWeights();
  void tile(Value t);
  void channelBlock(Value block, bool partial);
  void fillStrips(Value firstChannel, Value mask);
  void sums(Value block, Value row);
  void epilogue(Value firstChannel, int64_t lanes, Value row);

  /// A line of the input under an outer tap: its first element and the distance of neighbours in bytes; outside the
  /// input a constant with distance 0.
  struct Line {
    Value pointer, step;
  };
  Line line(int64_t outerTap);
  /// With one outer dimension: the line at an input row; `check`: it may lie outside.
  Line lineAt(Value position, bool check);
  Line lineFrom(Value linear, Value valid);
  void fillStrip(Value to, const Line &low, const Line *high, Value firstChannel, Value mask);
  /// 16 elements of a line as the strip holds them, widened to 32 bits (integers) or as they are (float).
  Value element(const Line &line, Value column, Value firstChannel, Value mask);
  Value multiplyAdd(Value x, Value w, Value sum);
  Type stepType() { return a.isFloat ? k.vec(k.f32(), 16) : k.vec(k.intType(16), 32); }
  Type sumType() { return a.isFloat ? k.vec(k.f32(), 16) : k.vec(k.intType(32), 16); }

  KernelBuilder &k;
  ConvAnchor a;
  ProductEpilogue out;
  ElementEmitter &emitter;
  DepthwisePanel layout;
  const TensorMemory *input = nullptr;
  Value weights, bias, padding;
  Value accumulators;
  int64_t stretch = kStretch, columns = 0; ///< columns of the longest strip
  // Rows of a tile share strips (2-D filters): strip j begins at input row j * stripStep of the tile, the one of outer
  // step q and output row r is (r * stride + q * stepRows) / stripStep. Otherwise one row a tile and a strip an outer
  // step.
  bool shared = false;
  int64_t tileRows = 1, stripStep = 1, stepRows = 1, strips = 1;
  int64_t channelBlocks = 1;                   ///< of a tile
  int64_t tileParts = 1;                       ///< tiles along the channels
  SmallVector<Value, 4> outputDims, inputDims; ///< spatial
  bool failed = false;

  // The tile.
  Value batch;
  SmallVector<Value, 4> outer;   ///< output coordinates but the innermost (of the tile's first row)
  Value rowCount;                ///< rows of the tile
  Value first, count;            ///< innermost output coordinate: first, first + count
  Value start;                   ///< input coordinate of column 0
  Value stripWidth, left, right; ///< columns; [left, right) lie inside the input
};

void DepthwiseEmitter::packWeights() {
  auto weight = k.constant(a.weight);
  std::optional<WeightData> given;
  if (a.bias)
    given = k.constant(a.bias);
  layout = DepthwisePanel{a.isFloat, a.outputChannels, a.outerTaps(), a.innerTaps()};
  if (a.isFloat) {
    weights = k.constantBuffer("depthwise weights [C/16][tap][16] f32",
                               ArrayRef<uint8_t>(packDepthwise(layout, toFloats(*weight))));
    bias = k.constantBuffer(
        "bias f32", ArrayRef<float>(padBias(1, a.outputChannels, given ? toFloats(*given) : std::vector<float>())));
    padding = k.constantBuffer("padding", ArrayRef<uint8_t>(std::vector<uint8_t>(64)));
    return;
  }
  std::vector<int64_t> values = toIntegers(*weight);
  weights = k.constantBuffer("depthwise weights [C/16][tap pair][16][2] s16",
                             ArrayRef<uint8_t>(packDepthwise(layout, values)));
  std::vector<int32_t> folded = foldBias(1, a.outputChannels, a.taps, values,
                                         given ? toIntegers(*given) : std::vector<int64_t>(), a.zeroPoint, 0);
  bias = k.constantBuffer("bias with zero point folded in, s32", ArrayRef<int32_t>(folded));
  std::vector<uint8_t> code(64);
  int64_t bytes = input->element.getIntOrFloatBitWidth() / 8;
  for (int64_t i = 0; i < 64; ++i)
    code[i] = uint8_t(uint64_t(a.zeroPoint) >> (i % bytes * 8));
  padding = k.constantBuffer("code of the input's zero point", ArrayRef<uint8_t>(code));
}

DepthwiseEmitter::Line DepthwiseEmitter::line(int64_t outerTap) {
  int64_t last = a.spatial() - 1;
  SmallVector<int64_t> taps(last);
  for (int64_t d = last - 1, rest = outerTap; d >= 0; --d) {
    taps[d] = rest % a.kernel[d];
    rest /= a.kernel[d];
  }
  Value linear = batch, valid;
  for (int64_t d = 0; d < last; ++d) {
    Value position = k.add(k.mul(outer[d], a.strides[d]), taps[d] * a.dilations[d] - a.padBegin[d]);
    if (a.padBegin[d] || a.padEnd[d])
      valid = k.both(valid, k.both(k.less(k.i64(-1), position), k.less(position, inputDims[d])));
    linear = k.add(k.mul(linear, inputDims[d]), position);
  }
  return lineFrom(linear, valid);
}

DepthwiseEmitter::Line DepthwiseEmitter::lineAt(Value position, bool check) {
  Value valid;
  if (check)
    valid = k.both(k.less(k.i64(-1), position), k.less(position, inputDims[0]));
  return lineFrom(k.add(k.mul(batch, inputDims[0]), position), valid);
}

DepthwiseEmitter::Line DepthwiseEmitter::lineFrom(Value linear, Value valid) {
  int64_t bytes = input->element.getIntOrFloatBitWidth() / 8;
  Value element = k.mul(k.add(k.mul(linear, inputDims.back()), start), a.inputChannels);
  Value pointer = k.gep(input->pointer, k.mul(element, bytes)), step = k.i64(a.inputChannels * bytes);
  if (!valid)
    return {pointer, step};
  return {k.select(valid, pointer, padding), k.select(valid, step, k.i64(0))};
}

Value DepthwiseEmitter::element(const Line &line, Value column, Value firstChannel, Value mask) {
  // The padding constant holds 16 codes: no channel offset there (its step is 0).
  int64_t bytes = input->element.getIntOrFloatBitWidth() / 8;
  Value channelOffset = k.mul(firstChannel, bytes);
  if (KernelBuilder::constantOf(line.step) == 0)
    channelOffset = k.i64(0);
  else if (!KernelBuilder::constantOf(line.step))
    channelOffset = k.select(k.equal(line.step, k.i64(0)), k.i64(0), channelOffset);
  Value loaded =
      k.load(input->element, kLanes, k.gep(k.gep(line.pointer, channelOffset), k.mul(column, line.step)), mask);
  if (a.isFloat)
    return loaded;
  return arith::ExtSIOp::create(k.b, k.loc, k.vec(k.intType(32), kLanes), loaded);
}

void DepthwiseEmitter::fillStrip(Value to, const Line &low, const Line *high, Value firstChannel, Value mask) {
  Type i32x16 = k.vec(k.intType(32), kLanes);
  auto pair = [&](Value x, Value y) -> Value {
    Value masked = arith::AndIOp::create(k.b, k.loc, x, k.constantInt(i32x16, 0xffff));
    if (!y)
      return masked;
    Value upper = arith::ShLIOp::create(k.b, k.loc, y, k.constantInt(i32x16, 16));
    return arith::OrIOp::create(k.b, k.loc, masked, upper);
  };
  auto put = [&](Value column, Value value) { k.store(value, k.gep(to, k.mul(column, kStepBytes))); };
  if (a.padBegin.back() || a.padEnd.back()) {
    Value outside;
    if (a.isFloat) {
      outside = k.constantFloat(0, kLanes);
    } else {
      Value code = arith::ExtSIOp::create(k.b, k.loc, i32x16, k.load(input->element, kLanes, padding, {}, true));
      outside = pair(code, code);
    }
    k.forLoop(k.i64(0), left, 1, [&](Value c) { put(c, outside); });
    k.forLoop(right, stripWidth, 1, [&](Value c) { put(c, outside); });
  }
  auto column = [&](Value c) {
    Value x = element(low, c, firstChannel, mask);
    if (!a.isFloat)
      x = pair(x, high ? element(*high, c, firstChannel, mask) : Value());
    put(c, x);
  };
  // Four at a time: the loop's own arithmetic costs as much as a column.
  Value whole = k.add(left, k.mul(k.div(k.sub(right, left), k.i64(4)), 4));
  k.forLoop(left, whole, 4, [&](Value c) {
    for (int64_t i = 0; i < 4; ++i)
      column(k.add(c, i));
  });
  k.forLoop(whole, right, 1, column);
}

void DepthwiseEmitter::fillStrips(Value firstChannel, Value mask) {
  int64_t stripBytes = columns * kStepBytes;
  bool pairs = !a.isFloat && layout.outer > 1;
  if (!shared) {
    for (int64_t s = 0; s < layout.outerSteps(); ++s) {
      int64_t tap = a.isFloat ? s : 2 * s;
      Line low = line(tap), high;
      bool two = pairs && tap + 1 < layout.outer;
      if (two)
        high = line(tap + 1);
      fillStrip(k.gep(k.scratch, s * stripBytes), low, two ? &high : nullptr, firstChannel, mask);
    }
    return;
  }
  Value firstInput = k.add(k.mul(outer[0], a.strides[0]), -a.padBegin[0]);
  Value needed = k.add(
      k.div(k.add(k.mul(k.add(rowCount, -1), a.strides[0]), (layout.outerSteps() - 1) * stepRows), k.i64(stripStep)),
      1);
  k.forLoop(k.i64(0), needed, 1, [&](Value j) {
    Value position = k.add(firstInput, k.mul(j, stripStep));
    Line low = lineAt(position, a.padBegin[0] || a.padEnd[0]), high;
    // The second line of an odd filter's last pair meets weights of 0, but may lie below the input.
    if (pairs)
      high = lineAt(k.add(position, a.dilations[0]), true);
    fillStrip(k.gep(k.scratch, k.mul(j, stripBytes)), low, pairs ? &high : nullptr, firstChannel, mask);
  });
}

Value DepthwiseEmitter::multiplyAdd(Value x, Value w, Value sum) {
  if (a.isFloat)
    return LLVM::FMAOp::create(k.b, k.loc, sum.getType(), x, w, sum);
  if (k.isa != Isa::Avx2)
    return k.intrinsic("llvm.x86.avx512.vpdpwssd.512", sum.getType(), {sum, x, w});
  SmallVector<Value, 2> halves;
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < 16; ++i)
      order.push_back(half * 16 + i);
    Value xh = vector::ShuffleOp::create(k.b, k.loc, x, x, order),
          wh = vector::ShuffleOp::create(k.b, k.loc, w, w, order);
    halves.push_back(k.intrinsic("llvm.x86.avx2.pmadd.wd", k.vec(k.intType(32), 8), {xh, wh}));
  }
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < 16; ++i)
    order.push_back(i);
  Value product = vector::ShuffleOp::create(k.b, k.loc, halves[0], halves[1], order);
  return arith::AddIOp::create(k.b, k.loc, sum, product);
}

void DepthwiseEmitter::sums(Value block, Value row) {
  int64_t last = a.spatial() - 1, inner = layout.inner, steps = layout.outerSteps();
  Value panel = k.gep(weights, k.mul(block, layout.panelBytes()));
  auto weightAt = [&](Value base, int64_t i) {
    return a.isFloat ? k.load(k.f32(), 16, k.gep(base, i * kStepBytes), {}, true)
                     : k.load(k.intType(16), 32, k.gep(base, i * kStepBytes), {}, true);
  };
  Value begin = a.isFloat ? k.constantFloat(0, kLanes)
                          : k.load(k.intType(32), kLanes, k.gep(bias, k.mul(block, kStepBytes)), {}, true);
  // Few taps: all weights in registers. Else a loop over the outer taps inside the loop over positions.
  bool unrolled = steps * inner <= 28;
  bool inRegisters = steps * inner <= (k.isa == Isa::Avx2 ? 0 : 20);
  SmallVector<Value> held;
  if (inRegisters)
    for (int64_t i = 0; i < steps * inner; ++i)
      held.push_back(weightAt(panel, i));
  int64_t together = k.isa == Isa::Avx2 && !a.isFloat ? 3 : kTogether;
  // Positions beyond `count` are summed too (the strip's memory reaches that far) and never stored to the result.
  k.forLoop(k.i64(0), count, together, [&](Value position) {
    Value columnBytes = k.mul(k.mul(position, a.strides[last]), kStepBytes);
    auto step = [&](Value strip, Value base, int64_t s, SmallVector<Value> sum) {
      for (int64_t t = 0; t < inner; ++t) {
        Value w = held.empty() ? weightAt(base, t) : held[s * inner + t];
        for (int64_t p = 0; p < together; ++p) {
          Value from = k.gep(strip, (p * a.strides[last] + t * a.dilations[last]) * kStepBytes);
          Value x = a.isFloat ? k.load(k.f32(), 16, from) : k.load(k.intType(16), 32, from);
          sum[p] = multiplyAdd(x, w, sum[p]);
        }
      }
      return sum;
    };
    SmallVector<Value> sum(together, begin);
    // From one outer step to the next, and from one row to the next.
    int64_t stepBytes = (shared ? stepRows / stripStep : 1) * columns * kStepBytes;
    int64_t rowBytes = shared ? a.strides[0] / stripStep * columns * kStepBytes : 0;
    Value strip = k.gep(k.gep(k.scratch, k.mul(row, rowBytes)), columnBytes);
    if (unrolled)
      for (int64_t s = 0; s < steps; ++s)
        sum = step(k.gep(strip, s * stepBytes), k.gep(panel, s * inner * kStepBytes), s, sum);
    else
      sum = k.forLoop(k.i64(0), k.i64(steps), 1, sum, [&](Value s, ValueRange carried) {
        return step(k.gep(strip, k.mul(s, stepBytes)), k.gep(panel, k.mul(s, inner * kStepBytes)), 0,
                    SmallVector<Value>(carried));
      });
    for (int64_t p = 0; p < together; ++p)
      k.store(sum[p], k.gep(accumulators, k.mul(k.add(position, p), kStepBytes)));
  });
}

void DepthwiseEmitter::epilogue(Value firstChannel, int64_t lanes, Value row) {
  k.forLoop(k.i64(0), count, 1, [&](Value position) {
    Index index;
    restrictLanes(k, index, lanes);
    index.dims.push_back(emitter.uniform(batch));
    index.dims.push_back(DimIndex(firstChannel, 1, /*aligned=*/true));
    for (size_t d = 0; d < outer.size(); ++d)
      index.dims.push_back(emitter.uniform(d + 1 == outer.size() ? k.add(outer[d], row) : outer[d]));
    index.dims.push_back(emitter.uniform(k.add(first, position)));
    Value sum =
        k.load(a.isFloat ? k.f32() : k.intType(32), index.lanes, k.gep(accumulators, k.mul(position, kStepBytes)));
    if (a.isFloat && a.bias)
      sum = arith::AddFOp::create(k.b, k.loc, sum,
                                  k.load(k.f32(), index.lanes, k.gep(bias, k.mul(firstChannel, 4)), {}, true));
    if (!out.emit(index, sum))
      failed = true;
  });
}

void DepthwiseEmitter::channelBlock(Value block, bool partial) {
  Value mask = partial ? k.laneMask(k.i64(0), k.i64(a.outputChannels % kLanes), kLanes) : Value();
  Value firstChannel = k.mul(block, kLanes);
  fillStrips(firstChannel, mask);
  k.forLoop(k.i64(0), rowCount, 1, [&](Value row) {
    sums(block, row);
    epilogue(firstChannel, partial ? a.outputChannels % kLanes : kLanes, row);
  });
}

void DepthwiseEmitter::tile(Value t) {
  int64_t last = a.spatial() - 1;
  Value stretches = k.ceilDiv(outputDims[last], stretch);
  SmallVector<Value> sizes{k.dim(k.shape(a.result)[0])};
  for (int64_t d = 0; d < last; ++d)
    sizes.push_back(shared ? k.ceilDiv(outputDims[d], tileRows) : outputDims[d]);
  sizes.push_back(stretches);
  sizes.push_back(k.i64(tileParts));
  SmallVector<Value, 6> coords = k.delinearize(t, sizes);
  Value part = coords.pop_back_val();
  batch = coords[0];
  outer.assign(coords.begin() + 1, coords.end() - 1);
  rowCount = k.i64(1);
  if (shared) {
    outer[0] = k.mul(outer[0], tileRows);
    rowCount = k.min(k.i64(tileRows), k.sub(outputDims[0], outer[0]));
  }
  first = k.mul(coords.back(), stretch);
  count = k.min(k.i64(stretch), k.sub(outputDims[last], first));
  start = k.add(k.mul(first, a.strides[last]), -a.padBegin[last]);
  stripWidth = k.add(k.mul(k.add(count, -1), a.strides[last]), (a.kernel[last] - 1) * a.dilations[last] + 1);
  left = k.i64(0);
  right = stripWidth;
  if (a.padBegin[last] || a.padEnd[last]) {
    left = k.min(k.max(k.sub(k.i64(0), start), k.i64(0)), stripWidth);
    right = k.max(k.min(k.sub(inputDims[last], start), stripWidth), left);
  }
  int64_t whole = a.outputChannels / kLanes;
  Value from = k.mul(part, channelBlocks), to = k.min(k.add(from, channelBlocks), k.i64(whole));
  k.forLoop(from, to, 1, [&](Value block) { channelBlock(block, false); });
  if (a.outputChannels % kLanes)
    k.ifThen(k.equal(part, k.i64(tileParts - 1)), [&] { channelBlock(k.i64(whole), true); });
}

LogicalResult DepthwiseEmitter::run() {
  if (!a.isConv || a.spatial() == 0 || a.groups != a.inputChannels || a.inputChannels != a.outputChannels)
    return a.op->emitOpError(
               "expected one filter a channel in a depthwise region: groups = input channels = output channels"),
           failure();
  input = contiguousInput(k, a);
  if (!input) // not channels-last: slow, but any order of memory works
    return emitLoops(k);
  packWeights();
  int64_t last = a.spatial() - 1;
  const SymbolicShape &result = k.shape(a.result), &shape = k.shape(a.input);
  for (int64_t d = 0; d <= last; ++d) {
    outputDims.push_back(k.dim(result[2 + d]));
    inputDims.push_back(k.dim(shape[2 + d]));
  }
  if (auto width = constantOf(result[2 + last])) // equal stretches
    stretch = (*width + (*width + kStretch - 1) / kStretch - 1) / ((*width + kStretch - 1) / kStretch);
  stepRows = last == 1 ? (a.isFloat ? 1 : 2) * a.dilations[0] : 1;
  strips = layout.outerSteps();
  if (last == 1) {
    int64_t rows = kTileRows;
    if (auto height = constantOf(result[2])) // equal parts
      rows = (*height + (*height + kTileRows - 1) / kTileRows - 1) / ((*height + kTileRows - 1) / kTileRows);
    int64_t step = std::gcd(a.strides[0], stepRows);
    int64_t count = ((rows - 1) * a.strides[0] + (layout.outerSteps() - 1) * stepRows) / step + 1;
    // Worth it when clearly fewer lines are read: a pair reads two.
    int64_t linesRead = count * (a.isFloat ? 1 : 2);
    if (rows > 1 && 5 * linesRead < 4 * rows * layout.outer) {
      shared = true;
      tileRows = rows;
      stripStep = step;
      strips = count;
    }
  }
  // Four blocks of channels share the cache lines of the input.
  int64_t allBlocks = (a.outputChannels + kLanes - 1) / kLanes;
  channelBlocks = std::min<int64_t>(4, allBlocks);
  tileParts = (allBlocks + channelBlocks - 1) / channelBlocks;
  AffineExpr tiles = result[0];
  for (int64_t d = 0; d < last; ++d)
    tiles = tiles * (shared ? result[2 + d].ceilDiv(tileRows) : result[2 + d]);
  k.info.tiles = tiles * result[2 + last].ceilDiv(stretch) * tileParts;

  // Sums run a few positions past the end.
  int64_t padded = (stretch + 11) / 12 * 12;
  columns = (padded - 1) * a.strides[last] + (a.kernel[last] - 1) * a.dilations[last] + 1;
  int64_t stripBytes = strips * columns * kStepBytes;
  k.info.scratchBytes = getAffineConstantExpr(stripBytes + padded * kStepBytes, k.b.getContext());
  accumulators = k.hoisted([&] { return k.gep(k.scratch, stripBytes); });
  k.forTiles([&](Value t) { tile(t); });
  return success(!failed);
}

} // namespace

LogicalResult emitDepthwise(KernelBuilder &k) {
  for (Operation &op : k.op.getBlock().without_terminator())
    if (isa<qnn::ConvOp, dyadic::ConvOp>(op) && !hasConstantWeights(k, &op))
      return emitLoops(k);
  FailureOr<ConvAnchor> anchor = findConvAnchor(k);
  if (failed(anchor))
    return failure();
  return DepthwiseEmitter(k, *anchor).run();
}

} // namespace bitwright::x86
