//===- EmulatorTrial.cpp - a generated kernel against its meaning ------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/EmulatorTrial.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FormatVariadic.h"
#include <deque>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::Grouping;
using kernel::OperandKind;

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

static uint64_t randomElement(OperandKind kind, Type type, Random &random) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    unsigned width = integer.getWidth();
    int64_t limit = width <= 16 ? int64_t(1) << (width - 1) : width == 32 ? 100000 : int64_t(1) << 40;
    return uint64_t(random.between(-limit, limit - 1)) & (width == 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1);
  }
  double value = kind == OperandKind::Scalar                            ? random.real(0.5, 1.5)
                 : kind == OperandKind::Row || kind == OperandKind::Column ? random.real(0.5, 1.5) / 64
                                                                        : random.real(-4, 4);
  return reference::fromFloat(type, float(value));
}

reference::KernelInputs bitwright::nvptx::makeInputs(Operation *op, const TrialOptions &options) {
  Random random(options.seed);
  reference::KernelInputs inputs;
  inputs.m = options.m;
  int64_t n;
  ArrayAttr operands;
  if (auto gemm = dyn_cast<kernel::GemmOp>(op)) {
    n = int64_t(gemm.getN());
    operands = gemm.getOperandsAttr();
    // Floats of few bits: products and short sums are exact, long ones round now and then.
    auto real = [&](Type type, double range) { return reference::toFloat(type, reference::fromFloat(type, float(random.real(-range, range)))); };
    for (int64_t row = 0; row < options.m; ++row)
      for (auto segment : gemm.getSegments().getAsRange<kernel::SegmentAttr>())
        for (int64_t k = 0; k < segment.getK(); ++k) {
          Type type = segment.getLhs();
          int64_t limit = type.isInteger(4) ? 8 : 128;
          inputs.lhs.push_back(type.isInteger() ? float(random.between(-limit, limit - 1)) : real(type, 2));
        }
    for (auto segment : gemm.getSegments().getAsRange<kernel::SegmentAttr>()) {
      reference::KernelSegment data;
      Type type = segment.getRhs();
      bool twoLevel = segment.getGrouping() == Grouping::TwoLevel;
      int64_t low = twoLevel ? 0 : type.isInteger(4) ? -8 : -128, high = twoLevel ? 15 : type.isInteger(4) ? 7 : 127;
      for (int64_t i = 0; i < n * segment.getK(); ++i)
        data.codes.push_back(type.isInteger() ? float(random.between(low, high)) : real(type, 2));
      for (int64_t i = 0; segment.getGroup() && i < n * (segment.getK() / segment.getGroup()); ++i) {
        if (twoLevel) {
          // INTEGER R16: every code gives a value of 8 bits.
          int64_t scale = random.between(1, 16);
          data.scales.push_back(float(scale));
          data.zeroPoints.push_back(int32_t(random.between(-128, 127 - 15 * scale)));
          continue;
        }
        Type scaleType = segment.getScale();
        data.scales.push_back(reference::toFloat(scaleType, reference::fromFloat(scaleType, float(random.real(0.5, 2) / 16))));
        if (segment.getGrouping() == Grouping::ScaleZeroPoint)
          data.zeroPoints.push_back(int32_t(random.between(low, high)));
      }
      inputs.segments.push_back(std::move(data));
    }
  } else {
    auto rows = cast<kernel::RowsOp>(op);
    n = int64_t(rows.getN());
    operands = rows.getOperandsAttr();
  }
  for (auto [i, attr] : llvm::enumerate(operands.getAsRange<kernel::OperandAttr>())) {
    reference::KernelArray array{attr.getType(), {}};
    int64_t count = attr.getKind() == OperandKind::Row      ? options.m
                    : attr.getKind() == OperandKind::Column ? n
                    : attr.getKind() == OperandKind::Element ? options.m * n
                    : attr.getKind() == OperandKind::Table   ? 256
                                                             : 1;
    for (int64_t e = 0; e < count; ++e)
      array.bits.push_back(options.operand ? options.operand(unsigned(i), random)
                                           : randomElement(attr.getKind(), attr.getType(), random));
    inputs.operands.push_back(std::move(array));
  }
  return inputs;
}

static unsigned bitsOf(Type type) { return type.getIntOrFloatBitWidth(); }
/// Element i of an array of `bits` wide elements, 4-bit ones low nibble first.
static void putElement(std::vector<uint8_t> &bytes, size_t i, unsigned bits, uint64_t value) {
  if (bits == 4) {
    uint8_t &byte = bytes[i / 2];
    byte = i % 2 ? uint8_t((byte & 15) | (value & 15) << 4) : uint8_t((byte & 0xf0) | (value & 15));
    return;
  }
  std::memcpy(bytes.data() + i * (bits / 8), &value, bits / 8);
}
static uint64_t getElement(const std::vector<uint8_t> &bytes, size_t i, unsigned bits) {
  if (bits == 4)
    return bytes[i / 2] >> (i % 2 * 4) & 15;
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + i * (bits / 8), bits / 8);
  return value;
}
static std::vector<uint8_t> bytesOf(const std::vector<uint64_t> &elements, Type type) {
  std::vector<uint8_t> bytes((elements.size() * bitsOf(type) + 7) / 8);
  for (size_t i = 0; i < elements.size(); ++i)
    putElement(bytes, i, bitsOf(type), elements[i]);
  return bytes;
}

//===----------------------------------------------------------------------===//
// Trials
//===----------------------------------------------------------------------===//

namespace {

struct Trial {
  Operation *op;
  const TrialOptions &options;
  const EmittedKernel &kernel;
  const reference::KernelInputs &inputs;
  std::deque<EmulatedBuffer> buffers;
  EmulatedLaunch launch;
  SmallVector<EmulatedBuffer *> results;
  std::string error;

  int64_t n() const { return isa<kernel::GemmOp>(op) ? int64_t(cast<kernel::GemmOp>(op).getN()) : int64_t(cast<kernel::RowsOp>(op).getN()); }

  std::vector<uint8_t> lhsBytes() {
    auto gemm = cast<kernel::GemmOp>(op);
    std::vector<uint8_t> bytes;
    size_t at = 0;
    for (int64_t row = 0; row < inputs.m; ++row)
      for (auto segment : gemm.getSegments().getAsRange<kernel::SegmentAttr>()) {
        std::vector<uint64_t> bits;
        for (int64_t k = 0; k < segment.getK(); ++k, ++at)
          bits.push_back(segment.getLhs().isInteger() ? uint64_t(int64_t(inputs.lhs[at]))
                                                      : reference::fromFloat(segment.getLhs(), inputs.lhs[at]));
        std::vector<uint8_t> part = bytesOf(bits, segment.getLhs());
        bytes.insert(bytes.end(), part.begin(), part.end());
      }
    return bytes;
  }

  std::vector<uint8_t> constantBytes(const Parameter &parameter) {
    kernel::SegmentAttr attr = cast<kernel::GemmOp>(op).getSegment(parameter.index);
    const reference::KernelSegment &segment = inputs.segments[parameter.index];
    int64_t columns = parameter.role == Role::Rhs ? attr.getK() : attr.getK() / attr.getGroup();
    if (!parameter.packing) {
      error = "a constant parameter has no packing";
      return {};
    }
    if (parameter.packing->rows != n() || parameter.packing->columns != columns) {
      error = llvm::formatv("expected a packing of {0} x {1}, found {2} x {3}", n(), columns, parameter.packing->rows,
                            parameter.packing->columns);
      return {};
    }
    return layout::pack(*parameter.packing, [&](int64_t r, int64_t c) -> int64_t {
      size_t i = size_t(r * columns + c);
      if (parameter.role == Role::GroupZeroPoint)
        return segment.zeroPoints[i];
      if (parameter.role == Role::GroupScale)
        return attr.getGrouping() == Grouping::TwoLevel ? int64_t(segment.scales[i])
                                                        : int64_t(reference::fromFloat(attr.getScale(), segment.scales[i]));
      return attr.getRhs().isInteger() ? int64_t(segment.codes[i]) : int64_t(reference::fromFloat(attr.getRhs(), segment.codes[i]));
    });
  }

  bool addArguments() {
    for (const Parameter &parameter : kernel.parameters) {
      EmulatedArgument argument;
      if (parameter.form == Form::Int32) {
        argument.number = int32_t(inputs.m);
        launch.arguments.push_back(argument);
        continue;
      }
      buffers.emplace_back();
      EmulatedBuffer &buffer = buffers.back();
      argument.buffer = &buffer;
      int64_t rows = inputs.m, rowBytes = 0;
      switch (parameter.role) {
      case Role::Lhs:
        buffer.bytes = lhsBytes();
        rowBytes = int64_t(buffer.bytes.size()) / inputs.m;
        break;
      case Role::Rhs:
      case Role::GroupScale:
      case Role::GroupZeroPoint:
        buffer.bytes = constantBytes(parameter);
        if (!error.empty())
          return false;
        rows = parameter.packing->tileRows() * parameter.packing->tile.rows();
        rowBytes = int64_t(buffer.bytes.size()) / rows;
        break;
      case Role::Operand: {
        const reference::KernelArray &array = inputs.operands[parameter.index];
        buffer.bytes = bytesOf(array.bits, array.type);
        break;
      }
      case Role::Result: {
        auto rowsOp = dyn_cast<kernel::RowsOp>(op);
        bool scales = rowsOp && rowsOp.getQuantize() && parameter.index == 1;
        int64_t count = scales ? inputs.m : inputs.m * n();
        unsigned bits = scales  ? 32
                        : rowsOp ? bitsOf(rowsOp.getResultElement(parameter.index))
                                 : bitsOf(cast<kernel::GemmOp>(op).getResultElement(parameter.index));
        buffer.bytes.assign(size_t((count * bits + 7) / 8), 0xa5);
        buffer.written.assign(buffer.bytes.size(), false);
        buffer.writers.assign(buffer.bytes.size(), 0);
        if (results.size() <= parameter.index)
          results.resize(parameter.index + 1);
        results[parameter.index] = &buffer;
        break;
      }
      case Role::M:
        break;
      }
      if (parameter.form == Form::TensorMap) {
        const TensorMap &map = parameter.map;
        int64_t size = map.elementBits / 8;
        argument.map = map;
        if (map.rank == 2) {
          argument.dims = {rowBytes / size, rows};
          argument.strideBytes = {rowBytes};
        } else {
          argument.dims = {int64_t(map.boxColumns), rows, int64_t(llvm::divideCeil(rowBytes / size, int64_t(map.boxColumns)))};
          argument.strideBytes = {rowBytes, int64_t(map.boxColumns) * size};
        }
        if (map.boxColumns > 256 || map.boxRows > 256 || map.boxBlocks > 256 || rowBytes % 16) {
          error = llvm::formatv("a tensor map that cannot be encoded: box {0} x {1} x {2}, rows of {3} bytes", map.boxColumns,
                                map.boxRows, map.boxBlocks, rowBytes);
          return false;
        }
      }
      launch.arguments.push_back(std::move(argument));
    }
    return true;
  }

  std::string describe(Type type, uint64_t bits) {
    if (isa<FloatType>(type))
      return llvm::formatv("{0:g9} ({1:x})", reference::toFloat(type, bits), bits);
    unsigned shift = 64 - bitsOf(type);
    return std::to_string(int64_t(bits << shift) >> shift);
  }

  /// The first wrong element, and how many there are.
  std::string compare(const reference::KernelOutputs &expected) {
    for (size_t i = 0; i < expected.results.size(); ++i) {
      const reference::KernelArray &array = expected.results[i];
      if (i >= results.size() || !results[i])
        return llvm::formatv("no parameter for result {0}", i);
      const EmulatedBuffer &buffer = *results[i];
      unsigned bits = bitsOf(array.type);
      int64_t columns = int64_t(array.bits.size()) == inputs.m ? 1 : n();
      size_t wrong = 0, first = 0;
      int64_t lastRow = -1, lastColumn = -1, firstColumn = columns;
      bool isFloat = isa<FloatType>(array.type);
      auto within = [&](uint64_t low, uint64_t found, uint64_t high) {
        if (isFloat) {
          float a = reference::toFloat(array.type, low), b = reference::toFloat(array.type, found), c = reference::toFloat(array.type, high);
          return (a <= b && b <= c) || (a != a && b != b);
        }
        unsigned shift = 64 - bits;
        return int64_t(low << shift) <= int64_t(found << shift) && int64_t(found << shift) <= int64_t(high << shift);
      };
      for (size_t e = 0; e < array.bits.size(); ++e) {
        uint64_t found = getElement(buffer.bytes, e, bits);
        bool written = true;
        for (unsigned b = 0; b < std::max(1u, bits / 8); ++b)
          written &= buffer.written[e * bits / 8 + b];
        // Integers and NaN aside, floats of integer accumulators are the same sequence of operations: equal too.
        bool good = written && (found == array.bits[e] ||
                                (expected.low.empty() ? isFloat && std::isnan(reference::toFloat(array.type, found)) &&
                                                            std::isnan(reference::toFloat(array.type, array.bits[e]))
                                                      : within(expected.low[i].bits[e], found, expected.high[i].bits[e])));
        if (good)
          continue;
        if (!wrong++)
          first = e;
        lastRow = std::max(lastRow, int64_t(e) / columns);
        lastColumn = std::max(lastColumn, int64_t(e) % columns);
        firstColumn = std::min(firstColumn, int64_t(e) % columns);
      }
      if (!wrong)
        continue;
      size_t byte = first * bits / 8;
      uint64_t found = getElement(buffer.bytes, first, bits);
      std::string text = llvm::formatv("result {0} [m {1}, n {2}]: expected {3}, found ", i, int64_t(first) / columns,
                                       int64_t(first) % columns, describe(array.type, array.bits[first]));
      text += buffer.written[byte] ? describe(array.type, found) : "nothing written";
      if (!expected.low.empty())
        text += llvm::formatv(" (allowed {0} .. {1})", describe(array.type, expected.low[i].bits[first]),
                              describe(array.type, expected.high[i].bits[first]));
      // Where else does the expected value stand? A swapped row or column shows itself.
      if (uint32_t writer = buffer.writers[byte]) {
        uint32_t cta = (writer - 1) / 1024, thread = (writer - 1) % 1024;
        text += llvm::formatv(", written by CTA ({0}, {1}) warp {2} lane {3}", cta % launch.gridX, cta / launch.gridX, thread / 32, thread % 32);
      }
      for (size_t e = 0, shown = 0; e < array.bits.size() && shown < 3 && bits > 8; ++e)
        if (e != first && array.bits[e] == found && buffer.written[byte])
          text += llvm::formatv("; the found value is expected at [m {0}, n {1}]", int64_t(e) / columns, int64_t(e) % columns), ++shown;
      text += llvm::formatv("; {0} of {1} elements are wrong, rows {2}..{3}, columns {4}..{5}", wrong, array.bits.size(),
                            int64_t(first) / columns, lastRow, firstColumn, lastColumn);
      return text;
    }
    return "";
  }
};

int64_t gridOf(AffineExpr expression, int64_t m) {
  auto map = AffineMap::get(1, 0, expression);
  return map.compose(ArrayRef<int64_t>{m})[0];
}

} // namespace

std::string bitwright::nvptx::tryKernel(Operation *op, kernel::ScheduleAttr schedule, const TrialOptions &options) {
  std::string text;
  ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diagnostic) {
    text += (text.empty() ? "" : "\n") + diagnostic.str();
    return success();
  });
  OwningOpRef<ModuleOp> module = ModuleOp::create(op->getLoc());
  auto emitted = schedule ? emitKernel(op, schedule, *module, "kernel_under_trial")
                          : emitNaive(cast<kernel::GemmOp>(op), Arch::Sm80, *module, "kernel_under_trial");
  if (failed(emitted) || failed(mlir::verify(*module)))
    return text.empty() ? "the kernel could not be emitted" : text;

  reference::KernelInputs inputs = makeInputs(op, options);
  Trial trial{op, options, *emitted, inputs, {}, {}, {}, {}};
  EmulatedLaunch &launch = trial.launch;
  int64_t gridX = gridOf(emitted->gridX, options.m), gridY = gridOf(emitted->gridY, options.m);
  if (emitted->persistent)
    gridX = std::min<int64_t>(gridX, std::max(1u, options.residentCtas / emitted->cluster) * emitted->cluster);
  if (gridX < 1 || gridY < 1)
    return llvm::formatv("expected a grid of at least one CTA for M = {0}, found {1} x {2}", options.m, gridX, gridY);
  launch.gridX = unsigned(gridX), launch.gridY = unsigned(gridY);
  launch.threads = emitted->threads, launch.cluster = emitted->cluster, launch.sharedBytes = emitted->sharedBytes;
  launch.seed = options.seed, launch.hostThreads = options.hostThreads;
  if (!trial.addArguments())
    return trial.error;
  if (options.change)
    options.change(module->lookupSymbol<LLVM::LLVMFuncOp>("kernel_under_trial"));
  if (failed(emulate(module->lookupSymbol<LLVM::LLVMFuncOp>("kernel_under_trial"), launch)))
    return text;
  auto expected = isa<kernel::GemmOp>(op) ? reference::runKernelGemm(cast<kernel::GemmOp>(op), inputs)
                                          : reference::runKernelRows(cast<kernel::RowsOp>(op), inputs);
  if (failed(expected))
    return text;
  return trial.compare(*expected);
}
