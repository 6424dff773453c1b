//===- Interpreted.cpp - what the interpreter makes of a case ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "tools/gpu-check/Interpreted.h"
#include "lib/Reference/KernelGemm.h"
#include "tools/gpu-check/CaseData.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::gpucheck;

static std::string textOf(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

/// Elements of `type` from bytes as they lie in memory.
static reference::KernelArray arrayOf(Type type, ArrayRef<uint8_t> bytes) {
  reference::KernelArray array{type, {}};
  unsigned size = type.getIntOrFloatBitWidth() / 8;
  for (size_t i = 0; i < bytes.size(); i += size) {
    uint64_t bits = 0;
    for (unsigned b = 0; b < size; ++b)
      bits |= uint64_t(bytes[i + b]) << (8 * b);
    array.bits.push_back(bits);
  }
  return array;
}

static float valueOf(Type type, int32_t pattern) {
  return type.isInteger() ? float(pattern) : reference::toFloat(type, uint32_t(pattern));
}

std::vector<uint64_t> bitwright::gpucheck::interpretedChecksums(Operation *op, int64_t m, uint64_t seed,
                                                                int64_t limit) {
  auto gemm = dyn_cast<kernel::GemmOp>(op);
  auto rows = dyn_cast<kernel::RowsOp>(op);
  int64_t n = gemm ? gemm.getN() : rows.getN();
  if (m * n * (gemm ? gemm.getK() : 1) > limit)
    return {};
  reference::KernelInputs inputs;
  inputs.m = m;
  if (gemm) {
    std::vector<Segment> segments;
    for (auto attr : gemm.getSegments().getAsRange<kernel::SegmentAttr>())
      segments.push_back({textOf(attr.getLhs()), textOf(attr.getRhs()), attr.getK(), attr.getGroup(),
                          kernel::stringifyGrouping(attr.getGrouping()).str(),
                          attr.getScale() ? textOf(attr.getScale()) : "-"});
    std::vector<uint8_t> lhs = makeLhs(segments, m, seed);
    size_t at = 0;
    for (int64_t row = 0; row < m; ++row)
      for (auto attr : gemm.getSegments().getAsRange<kernel::SegmentAttr>()) {
        Type type = attr.getLhs();
        for (int64_t k = 0; k < attr.getK(); ++k) {
          if (type.isInteger(4)) {
            int8_t code = int8_t(k % 2 ? lhs[at] & 0xf0 : lhs[at] << 4) >> 4;
            at += k % 2;
            inputs.lhs.push_back(code);
          } else if (type.isInteger(8)) {
            inputs.lhs.push_back(int8_t(lhs[at++]));
          } else {
            inputs.lhs.push_back(reference::toFloat(type, uint64_t(lhs[at] | lhs[at + 1] << 8)));
            at += 2;
          }
        }
      }
    for (auto [i, attr] : llvm::enumerate(gemm.getSegments().getAsRange<kernel::SegmentAttr>())) {
      SegmentData data = makeSegment(segments[i], n, seed + 101 * (i + 1));
      reference::KernelSegment segment;
      for (int32_t code : data.codes.values)
        segment.codes.push_back(valueOf(attr.getRhs(), code));
      for (int32_t scale : data.scales.values)
        segment.scales.push_back(attr.getScale() ? valueOf(attr.getScale(), scale) : float(scale));
      segment.zeroPoints = data.zeroPoints.values;
      inputs.segments.push_back(std::move(segment));
    }
  }
  ArrayAttr operands = gemm ? gemm.getOperandsAttr() : rows.getOperandsAttr();
  auto ranges = op->getAttrOfType<ArrayAttr>("ranges");
  for (auto [i, operand] : llvm::enumerate(operands.getAsRange<kernel::OperandAttr>())) {
    using kernel::OperandKind;
    int64_t count = operand.getKind() == OperandKind::Row       ? m
                    : operand.getKind() == OperandKind::Column  ? n
                    : operand.getKind() == OperandKind::Element ? m * n
                    : operand.getKind() == OperandKind::Table   ? 256
                                                                : 1;
    auto range = cast<DenseF64ArrayAttr>(ranges[i]).asArrayRef();
    auto bytes = makeOperand(textOf(operand.getType()), count, range[0], range[1], seed + 1009 * (i + 1));
    inputs.operands.push_back(arrayOf(operand.getType(), bytes));
  }
  auto outputs = gemm ? reference::runKernelGemm(gemm, inputs) : reference::runKernelRows(rows, inputs);
  std::vector<uint64_t> sums;
  if (failed(outputs))
    return sums;
  for (const reference::KernelArray &result : outputs->results) {
    std::vector<uint8_t> bytes;
    for (uint64_t bits : result.bits)
      for (unsigned b = 0; b < result.type.getIntOrFloatBitWidth() / 8; ++b)
        bytes.push_back(uint8_t(bits >> (8 * b)));
    sums.push_back(checksum(bytes.data(), bytes.size()));
  }
  return sums;
}
