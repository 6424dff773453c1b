//===- KernelGemm.cpp - the slow, obvious meaning of GPU kernels -----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Reference/KernelGemm.h"
#include "lib/Numerics/Half.h"
#include "lib/Numerics/Integer.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

float reference::toFloat(Type type, uint64_t bits) {
  if (type.isF16())
    return numerics::floatFromHalf(uint16_t(bits));
  if (type.isBF16())
    return numerics::floatFromBfloat16(uint16_t(bits));
  return numerics::floatFromBits(uint32_t(bits));
}
uint64_t reference::fromFloat(Type type, float value) {
  if (type.isF16())
    return numerics::halfFromFloat(value);
  if (type.isBF16())
    return numerics::bfloat16FromFloat(value);
  return numerics::floatBits(value);
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

namespace {

unsigned widthOf(Type type) { return type.getIntOrFloatBitWidth(); }
uint64_t mask(Type type) { return widthOf(type) == 64 ? ~uint64_t(0) : (uint64_t(1) << widthOf(type)) - 1; }
int64_t asSigned(Type type, uint64_t bits) {
  unsigned shift = 64 - widthOf(type);
  return int64_t(bits << shift) >> shift;
}

/// Evaluates a region for many elements at once: `arguments[i][e]` is block argument i of element e.
class ElementRegion {
public:
  ElementRegion(Block &block, size_t count) : block(block), count(count) {}
  DenseMap<Value, std::vector<uint64_t>> values;
  DenseMap<Value, const std::vector<uint64_t> *> tables;

  LogicalResult run() {
    for (Operation &op : block.without_terminator())
      if (failed(evaluate(&op)))
        return op.emitOpError("is not known to the interpreter of kernel regions");
    return success();
  }

private:
  template <typename F> LogicalResult each(Operation *op, F f) {
    Value result = op->getResult(0);
    std::vector<uint64_t> out(count);
    const std::vector<uint64_t> *in[3] = {nullptr, nullptr, nullptr};
    for (unsigned k = 0; k < op->getNumOperands() && k < 3; ++k)
      in[k] = &values[op->getOperand(k)];
    uint64_t keep = mask(result.getType());
    for (size_t e = 0; e < count; ++e)
      out[e] = f(in[0] ? (*in[0])[e] : 0, in[1] ? (*in[1])[e] : 0, in[2] ? (*in[2])[e] : 0) & keep;
    values[result] = std::move(out);
    return success();
  }
  template <typename F> LogicalResult floats(Operation *op, F f) {
    Type type = op->getOperand(0).getType();
    if (type.isF32())
      return each(op, [&](uint64_t a, uint64_t b, uint64_t c) -> uint64_t {
        using namespace numerics;
        return floatBits(f(floatFromBits(uint32_t(a)), floatFromBits(uint32_t(b)), floatFromBits(uint32_t(c))));
      });
    return each(op, [&](uint64_t a, uint64_t b, uint64_t c) {
      return fromFloat(type, f(toFloat(type, a), toFloat(type, b), toFloat(type, c)));
    });
  }
  template <typename F> LogicalResult integers(Operation *op, F f) {
    unsigned shift = 64 - widthOf(op->getOperand(0).getType());
    return each(op, [&](uint64_t a, uint64_t b, uint64_t) {
      return uint64_t(f(int64_t(a << shift) >> shift, int64_t(b << shift) >> shift));
    });
  }
  template <typename F> LogicalResult naturals(Operation *op, F f) {
    return each(op, [&](uint64_t a, uint64_t b, uint64_t) { return f(a, b); });
  }

  LogicalResult evaluate(Operation *op) {
    using namespace arith;
    StringRef name = op->getName().getStringRef();
    Type from = op->getNumOperands() ? op->getOperand(0).getType() : Type(), to = op->getResult(0).getType();
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      uint64_t bits;
      if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
        bits = integer.getValue().getZExtValue();
      else if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
        bits = real.getValue().bitcastToAPInt().getZExtValue();
      else
        return failure();
      return each(op, [&](uint64_t, uint64_t, uint64_t) { return bits; });
    }
    if (auto lookup = dyn_cast<kernel::LookupOp>(op)) {
      const std::vector<uint64_t> &table = *tables[lookup.getTable()];
      const std::vector<uint64_t> &index = values[lookup.getIndex()];
      std::vector<uint64_t> out(count);
      for (size_t e = 0; e < count; ++e) {
        if (index[e] > 255)
          return op->emitOpError() << "expected an index 0..255, found " << int64_t(int32_t(index[e]));
        out[e] = table[index[e]];
      }
      values[lookup.getOutput()] = std::move(out);
      return success();
    }
    if (name == "arith.addi") return naturals(op, [](uint64_t a, uint64_t b) { return a + b; });
    if (name == "arith.subi") return naturals(op, [](uint64_t a, uint64_t b) { return a - b; });
    if (name == "arith.muli") return naturals(op, [](uint64_t a, uint64_t b) { return a * b; });
    if (name == "arith.andi") return naturals(op, [](uint64_t a, uint64_t b) { return a & b; });
    if (name == "arith.ori") return naturals(op, [](uint64_t a, uint64_t b) { return a | b; });
    if (name == "arith.xori") return naturals(op, [](uint64_t a, uint64_t b) { return a ^ b; });
    if (name == "arith.shli") return naturals(op, [](uint64_t a, uint64_t b) { return b > 63 ? 0 : a << b; });
    if (name == "arith.shrui") return naturals(op, [](uint64_t a, uint64_t b) { return b > 63 ? 0 : a >> b; });
    if (name == "arith.divui") return naturals(op, [](uint64_t a, uint64_t b) { return b ? a / b : 0; });
    if (name == "arith.remui") return naturals(op, [](uint64_t a, uint64_t b) { return b ? a % b : 0; });
    if (name == "arith.minui") return naturals(op, [](uint64_t a, uint64_t b) { return std::min(a, b); });
    if (name == "arith.maxui") return naturals(op, [](uint64_t a, uint64_t b) { return std::max(a, b); });
    if (name == "arith.shrsi") return integers(op, [](int64_t a, int64_t b) { return a >> std::min<int64_t>(b, 63); });
    if (name == "arith.minsi") return integers(op, [](int64_t a, int64_t b) { return std::min(a, b); });
    if (name == "arith.maxsi") return integers(op, [](int64_t a, int64_t b) { return std::max(a, b); });
    if (name == "arith.divsi") return integers(op, [](int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? int64_t(0 - uint64_t(a)) : a / b; });
    if (name == "arith.remsi") return integers(op, [](int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; });
    if (name == "arith.extsi") return integers(op, [](int64_t a, int64_t) { return a; });
    if (isa<ExtUIOp, TruncIOp, BitcastOp>(op)) return naturals(op, [](uint64_t a, uint64_t) { return a; });
    if (name == "arith.select")
      return each(op, [](uint64_t a, uint64_t b, uint64_t c) { return a & 1 ? b : c; });
    if (name == "arith.sitofp") return each(op, [&](uint64_t a, uint64_t, uint64_t) { return fromFloat(to, float(asSigned(from, a))); });
    if (name == "arith.uitofp") return each(op, [&](uint64_t a, uint64_t, uint64_t) { return fromFloat(to, float(a)); });
    if (isa<FPToSIOp, FPToUIOp>(op))
      return each(op, [&](uint64_t a, uint64_t, uint64_t) {
        double v = std::trunc(double(toFloat(from, a)));
        double limit = std::ldexp(1.0, int(widthOf(to)) - (isa<FPToSIOp>(op) ? 1 : 0));
        v = std::isnan(v) ? 0 : std::clamp(v, isa<FPToSIOp>(op) ? -limit : 0.0, limit - 1);
        return uint64_t(int64_t(v));
      });
    if (isa<ExtFOp, TruncFOp>(op)) return each(op, [&](uint64_t a, uint64_t, uint64_t) { return fromFloat(to, toFloat(from, a)); });
    if (name == "arith.addf") return floats(op, [](float a, float b, float) { return a + b; });
    if (name == "arith.subf") return floats(op, [](float a, float b, float) { return a - b; });
    if (name == "arith.mulf") return floats(op, [](float a, float b, float) { return a * b; });
    if (name == "arith.divf") return floats(op, [](float a, float b, float) { return a / b; });
    if (name == "arith.negf") return floats(op, [](float a, float, float) { return -a; });
    if (name == "arith.maximumf") return floats(op, [](float a, float b, float) { return a != a || b != b ? NAN : std::signbit(a) != std::signbit(b) ? (std::signbit(a) ? b : a) : std::max(a, b); });
    if (name == "arith.minimumf") return floats(op, [](float a, float b, float) { return a != a || b != b ? NAN : std::signbit(a) != std::signbit(b) ? (std::signbit(a) ? a : b) : std::min(a, b); });
    // Of two zeros PTX takes +0 as the larger; C leaves it open.
    if (name == "arith.maxnumf") return floats(op, [](float a, float b, float) { return a == 0 && b == 0 ? (std::signbit(a) ? b : a) : std::fmax(a, b); });
    if (name == "arith.minnumf") return floats(op, [](float a, float b, float) { return a == 0 && b == 0 ? (std::signbit(a) ? a : b) : std::fmin(a, b); });
    if (isa<math::FmaOp>(op)) return floats(op, [](float a, float b, float c) { return std::fma(a, b, c); });
    if (isa<math::RoundEvenOp>(op)) return floats(op, [](float a, float, float) { return std::nearbyint(a); });
    if (isa<math::FloorOp>(op)) return floats(op, [](float a, float, float) { return std::floor(a); });
    if (isa<math::SqrtOp>(op)) return floats(op, [](float a, float, float) { return std::sqrt(a); });
    if (isa<math::AbsFOp>(op)) return floats(op, [](float a, float, float) { return std::fabs(a); });
    if (isa<math::CopySignOp>(op)) return floats(op, [](float a, float b, float) { return std::copysign(a, b); });
    if (auto compare = dyn_cast<CmpIOp>(op))
      return each(op, [&](uint64_t a, uint64_t b, uint64_t) -> uint64_t {
        return applyCmpPredicate(compare.getPredicate(), APInt(64, uint64_t(asSigned(from, a))), APInt(64, uint64_t(asSigned(from, b))));
      });
    if (auto compare = dyn_cast<CmpFOp>(op))
      return each(op, [&](uint64_t a, uint64_t b, uint64_t) -> uint64_t {
        return applyCmpPredicate(compare.getPredicate(), APFloat(toFloat(from, a)), APFloat(toFloat(from, b)));
      });
    return failure();
  }

  Block &block;
  size_t count;
};

/// The operands of one row of the result as block arguments.
LogicalResult bindOperands(Operation *op, ElementRegion &region, Block &block, unsigned leading, ArrayAttr attrs,
                           const KernelInputs &inputs, int64_t row, int64_t n) {
  using kernel::OperandKind;
  for (auto [i, attr] : llvm::enumerate(attrs.getAsRange<kernel::OperandAttr>())) {
    const std::vector<uint64_t> &bits = inputs.operands[i].bits;
    Value argument = block.getArgument(leading + i);
    size_t expected = attr.getKind() == OperandKind::Row      ? inputs.m
                      : attr.getKind() == OperandKind::Column ? n
                      : attr.getKind() == OperandKind::Element ? inputs.m * n
                      : attr.getKind() == OperandKind::Table   ? 256
                                                               : 1;
    if (bits.size() != expected)
      return op->emitOpError() << "expected " << expected << " elements of operand " << i << ", found " << bits.size();
    if (attr.getKind() == OperandKind::Table) {
      region.tables[argument] = &bits;
      continue;
    }
    std::vector<uint64_t> &values = region.values[argument];
    values.resize(size_t(n));
    for (int64_t c = 0; c < n; ++c)
      values[c] = bits[attr.getKind() == OperandKind::Row       ? row
                       : attr.getKind() == OperandKind::Column  ? c
                       : attr.getKind() == OperandKind::Element ? row * n + c
                                                                : 0];
  }
  return success();
}

/// One row of float accumulators: the value and the half width of the interval.
void accumulateFloats(kernel::GemmOp op, const KernelInputs &inputs, int64_t row, std::vector<double> &sums,
                      std::vector<double> &bounds) {
  int64_t n = int64_t(op.getN()), total = op.getK(), start = 0;
  std::vector<double> magnitude(n), rounded(n);
  double terms = 1;
  sums.assign(n, 0);
  const double u = 0x1p-24;
  for (auto [s, attr] : llvm::enumerate(op.getSegments().getAsRange<kernel::SegmentAttr>())) {
    const KernelSegment &segment = inputs.segments[s];
    int64_t k = attr.getK(), group = attr.getGroup() ? attr.getGroup() : k, groups = k / group;
    const float *x = inputs.lhs.data() + row * total + start;
    bool partial = attr.getPlace() == kernel::Place::PartialSums && attr.getLhs().isInteger();
    double v = attr.getLhs().isF16() ? 0x1p-11 : attr.getLhs().isBF16() ? 0x1p-8 : 0;
    if (attr.getGrouping() == kernel::Grouping::None || attr.getPlace() == kernel::Place::PartialSums)
      v = 0; // codes are exact
    // A kernel may scale the integer sum of every 128 products of a larger group.
    const int64_t piece = std::min<int64_t>(group, 128), pieces = (group + piece - 1) / piece;
    terms += partial ? 3.0 * double(groups * pieces) : double(k) + 3.0 * double(groups);
    for (int64_t c = 0; c < n; ++c) {
      const float *w = segment.codes.data() + c * k;
      for (int64_t g = 0; g < groups; ++g) {
        double scale = segment.scales.empty() ? 1.0 : segment.scales[c * groups + g];
        double zero = segment.zeroPoints.empty() ? 0.0 : segment.zeroPoints[c * groups + g];
        double sum = 0, size = 0, xs = 0, xAbs = 0;
        double pieceSum = 0, pieceXs = 0, pieceSums = 0, piecesXs = 0; // of the pieces: |sum| added up
        for (int64_t j = g * group; j < (g + 1) * group; ++j) {
          sum += double(x[j]) * w[j];
          size += std::fabs(double(x[j]) * w[j]);
          xs += x[j];
          xAbs += std::fabs(x[j]);
          pieceSum += double(x[j]) * w[j];
          pieceXs += x[j];
          if ((j - g * group) % piece == piece - 1 || j + 1 == (g + 1) * group) {
            pieceSums += std::fabs(pieceSum), piecesXs += std::fabs(pieceXs);
            pieceSum = pieceXs = 0;
          }
          rounded[c] += v * std::fabs(double(x[j]) * (w[j] - zero) * scale);
        }
        if (attr.getGrouping() == kernel::Grouping::TwoLevel) {
          sums[c] += sum * scale + zero * xs;
          magnitude[c] += size * std::fabs(scale) + xAbs * std::fabs(zero);
          continue;
        }
        sums[c] += (sum - zero * xs) * scale;
        // Codes may be summed with a bias of at most 16 that the zero point takes back.
        magnitude[c] += (partial ? pieceSums + (std::fabs(zero) + 16) * piecesXs : size + (std::fabs(zero) + (attr.getRhs().isInteger() ? 16 : 0)) * xAbs) * std::fabs(scale);
      }
    }
    start += k;
  }
  bounds.resize(n);
  for (int64_t c = 0; c < n; ++c)
    bounds[c] = terms * u * magnitude[c] + rounded[c] + u * std::fabs(sums[c]);
}

void accumulateIntegers(kernel::GemmOp op, const KernelInputs &inputs, int64_t row, std::vector<uint64_t> &sums) {
  int64_t n = int64_t(op.getN()), total = op.getK(), start = 0;
  sums.assign(n, 0);
  for (auto [s, attr] : llvm::enumerate(op.getSegments().getAsRange<kernel::SegmentAttr>())) {
    const KernelSegment &segment = inputs.segments[s];
    int64_t k = attr.getK(), group = attr.getGroup() ? attr.getGroup() : k, groups = k / group;
    const float *x = inputs.lhs.data() + row * total + start;
    std::vector<int32_t> xs(x, x + k);
    for (int64_t c = 0; c < n; ++c) {
      const float *w = segment.codes.data() + c * k;
      int64_t sum = 0;
      if (attr.getGrouping() != kernel::Grouping::TwoLevel) {
        uint32_t wrapped = 0; // modulo 2^32, as the sum is in the end
        for (int64_t j = 0; j < k; ++j)
          wrapped += uint32_t(xs[j]) * uint32_t(int32_t(w[j]));
        sum = wrapped;
      } else {
        for (int64_t j = 0; j < k; ++j)
          sum += int64_t(xs[j]) * (int64_t(w[j]) * int64_t(segment.scales[c * groups + j / group]) + segment.zeroPoints[c * groups + j / group]);
      }
      sums[c] = uint32_t(sums[c] + uint64_t(sum));
    }
    start += k;
  }
}

/// The next float of `type` below or above.
uint64_t neighbour(Type type, uint64_t bits, bool up) {
  if (!isa<FloatType>(type))
    return bits;
  float value = toFloat(type, bits);
  if (!std::isfinite(value))
    return bits;
  uint64_t sign = uint64_t(1) << (widthOf(type) - 1);
  if ((bits & ~sign) == 0)
    return up ? 1 : sign | 1;
  return up == !(bits & sign) ? bits + 1 : bits - 1;
}

} // namespace

FailureOr<KernelOutputs> reference::runKernelGemm(kernel::GemmOp op, const KernelInputs &inputs) {
  int64_t n = int64_t(op.getN());
  Block &block = op.getEpilogue().front();
  bool exact = op.hasIntegerAccumulator();
  KernelOutputs out;
  for (auto type : op.getResultsAttr().getAsValueRange<TypeAttr>())
    for (auto *list : {&out.results, &out.low, &out.high})
      list->push_back({type, {}});
  for (int64_t row = 0; row < inputs.m; ++row) {
    std::vector<uint64_t> integers;
    std::vector<double> sums, bounds;
    if (exact)
      accumulateIntegers(op, inputs, row, integers);
    else
      accumulateFloats(op, inputs, row, sums, bounds);
    // The accumulator itself, then the ends of its interval.
    for (int version = 0; version < (exact ? 1 : 3); ++version) {
      ElementRegion region(block, size_t(n));
      std::vector<uint64_t> &acc = region.values[block.getArgument(0)];
      acc.resize(size_t(n));
      for (int64_t c = 0; c < n; ++c)
        acc[c] = exact ? integers[c]
                       : numerics::floatBits(float(sums[c] + (version == 1 ? -bounds[c] : version == 2 ? bounds[c] : 0)));
      if (failed(bindOperands(op, region, block, 1, op.getOperandsAttr(), inputs, row, n)) || failed(region.run()))
        return failure();
      for (auto [i, value] : llvm::enumerate(op.getEmit().getValues())) {
        const std::vector<uint64_t> &bits = region.values[value];
        Type type = value.getType();
        auto less = [&](uint64_t a, uint64_t b) {
          return isa<FloatType>(type) ? toFloat(type, a) < toFloat(type, b) : asSigned(type, a) < asSigned(type, b);
        };
        if (version == 0) {
          for (auto *list : {&out.results, &out.low, &out.high})
            (*list)[i].bits.insert((*list)[i].bits.end(), bits.begin(), bits.end());
          continue;
        }
        for (int64_t c = 0; c < n; ++c) {
          uint64_t &low = out.low[i].bits[row * n + c], &high = out.high[i].bits[row * n + c];
          if (less(bits[c], low))
            low = bits[c];
          if (less(high, bits[c]))
            high = bits[c];
        }
      }
    }
  }
  if (exact) {
    out.low.clear();
    out.high.clear();
    return out;
  }
  for (size_t i = 0; i < out.results.size(); ++i)
    for (size_t e = 0; e < out.results[i].bits.size(); ++e) {
      out.low[i].bits[e] = neighbour(out.low[i].type, out.low[i].bits[e], false);
      out.high[i].bits[e] = neighbour(out.high[i].type, out.high[i].bits[e], true);
    }
  return out;
}

FailureOr<KernelOutputs> reference::runKernelRows(kernel::RowsOp op, const KernelInputs &inputs) {
  int64_t n = int64_t(op.getN());
  Block &block = op.getBody().front();
  KernelOutputs out;
  for (auto type : op.getResultsAttr().getAsValueRange<TypeAttr>())
    out.results.push_back({type, {}});
  if (op.getQuantize())
    out.results.push_back({Float32Type::get(op.getContext()), {}});
  for (int64_t row = 0; row < inputs.m; ++row) {
    ElementRegion region(block, size_t(n));
    if (failed(bindOperands(op, region, block, 0, op.getOperandsAttr(), inputs, row, n)) || failed(region.run()))
      return failure();
    if (!op.getQuantize()) {
      for (auto [i, value] : llvm::enumerate(op.getEmit().getValues()))
        out.results[i].bits.insert(out.results[i].bits.end(), region.values[value].begin(), region.values[value].end());
      continue;
    }
    // INTEGER Q3.
    const std::vector<uint64_t> &x = region.values[op.getEmit().getValues()[0]];
    float largest = 0;
    for (uint64_t bits : x)
      largest = std::max(largest, std::fabs(numerics::floatFromBits(uint32_t(bits)))); // false for a NaN
    int limit = op.getResultElement(0).isInteger(4) ? 7 : 127;
    float scale = numerics::dynamicScale(largest, float(limit));
    for (uint64_t bits : x) {
      float v = numerics::floatFromBits(uint32_t(bits)) / scale;
      int32_t code = std::isnan(v) ? 0 : int32_t(numerics::quantizeFloat(v, 1.0f, 0, -limit, limit));
      out.results[0].bits.push_back(uint64_t(code) & mask(op.getResultElement(0)));
    }
    out.results[1].bits.push_back(numerics::floatBits(scale));
  }
  return out;
}
