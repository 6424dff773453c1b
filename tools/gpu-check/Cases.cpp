//===- Cases.cpp - kernels with awkward sizes -------------------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "tools/gpu-check/Cases.h"

using namespace bitwright;
using kernel::GpuTemplate;

namespace {

/// Builds the text of one operation.
class Writer {
public:
  Writer(std::mt19937 &random) : random(random) {}

  template <typename T> T pick(std::initializer_list<T> values) {
    return *(values.begin() + random() % values.size());
  }
  bool chance(unsigned percent) { return random() % 100 < percent; }

  /// Declares an operand of the epilogue; returns the name of its block argument.
  std::string operand(const std::string &kind, const std::string &type, double low, double high) {
    std::string name = "%p" + std::to_string(count++);
    operands += (operands.empty() ? "" : ", ") + ("#kernel.operand<" + kind + ", " + type + ">");
    ranges += (ranges.empty() ? "" : ", ") + ("array<f64: " + number(low) + ", " + number(high) + ">");
    arguments += (arguments.empty() ? "" : ", ") + name + ": " + (kind == "table" ? "vector<256x" + type + ">" : type);
    return name;
  }
  std::string op(const std::string &text) {
    std::string name = "%v" + std::to_string(count++);
    body += "  " + name + " = " + text + "\n";
    return name;
  }
  std::string constant(const std::string &value, const std::string &type) {
    return op("arith.constant " + value + " : " + type);
  }
  static std::string number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.9e", value);
    return text;
  }
  std::string emit(const std::string &value, const std::string &type) {
    body += "  kernel.emit " + value + " : " + type + "\n";
    return type;
  }

  /// R4 with a multiplier and a shift a column, then perhaps a table; emits i8.
  std::string dyadic(const std::string &acc) {
    std::string multiplier = operand("column", "i32", 1 << 30, 2147483647), shift = operand("column", "i32", 36, 47);
    std::string wide = op("arith.extsi " + acc + " : i32 to i64"), m = op("arith.extsi " + multiplier + " : i32 to i64");
    std::string s = op("arith.extsi " + shift + " : i32 to i64"), one = constant("1", "i64");
    std::string product = op("arith.muli " + wide + ", " + m + " : i64");
    std::string half = op("arith.shli " + one + ", " + op("arith.subi " + s + ", " + one + " : i64") + " : i64");
    std::string rounded =
        op("arith.shrsi " + op("arith.addi " + product + ", " + half + " : i64") + ", " + s + " : i64");
    std::string shifted = op("arith.addi " + rounded + ", " + constant("3", "i64") + " : i64");
    std::string low = op("arith.maxsi " + shifted + ", " + constant("-128", "i64") + " : i64");
    std::string code = op("arith.minsi " + low + ", " + constant("127", "i64") + " : i64");
    if (chance(40)) {
      std::string table = operand("table", "i8", -128, 127);
      std::string index = op("arith.trunci " + op("arith.addi " + code + ", " + constant("128", "i64") + " : i64") +
                             " : i64 to i32");
      return emit(op("kernel.lookup " + table + "[" + index + "] : vector<256xi8> -> i8"), "i8");
    }
    return emit(op("arith.trunci " + code + " : i64 to i8"), "i8");
  }

  /// Float work on y, then a store as some type.
  std::string finish(std::string y) {
    if (chance(25)) { // residual
      std::string type = pick<std::string>({"f32", "f16"});
      std::string x = operand("element", type, -4, 4);
      if (type != "f32")
        x = op("arith.extf " + x + " : f16 to f32");
      y = op("arith.addf " + y + ", " + x + " : f32");
    }
    if (chance(20)) { // gate
      std::string gate = operand("element", "f32", -2, 2), scalar = operand("scalar", "f32", 0.5, 2);
      y = op("arith.mulf " + y + ", " + op("arith.mulf " + gate + ", " + scalar + " : f32") + " : f32");
    }
    if (chance(20)) // rectified
      y = op("arith.maxnumf " + y + ", " + constant("0.0", "f32") + " : f32");
    std::string type = pick<std::string>({"f16", "f16", "bf16", "f32", "i8"});
    if (type == "f32")
      return emit(y, type);
    if (type != "i8")
      return emit(op("arith.truncf " + y + " : f32 to " + type), type);
    std::string rounded = op("math.roundeven " + y + " : f32");
    std::string low = op("arith.maxnumf " + rounded + ", " + constant("-128.0", "f32") + " : f32");
    std::string code = op("arith.minnumf " + low + ", " + constant("127.0", "f32") + " : f32");
    return emit(op("arith.fptosi " + code + " : f32 to i8"), "i8");
  }

  std::string integerEpilogue() {
    arguments = "%acc: i32";
    if (chance(15))
      return emit("%acc", "i32");
    if (chance(35))
      return dyadic("%acc");
    std::string y = op("arith.sitofp %acc : i32 to f32");
    if (chance(70))
      y = op("arith.mulf " + y + ", " + operand("row", "f32", 1e-4, 1e-3) + " : f32");
    std::string scale = operand("column", "f32", 1e-2, 1e-1), bias = operand("column", "f32", -1, 1);
    return finish(op("math.fma " + y + ", " + scale + ", " + bias + " : f32"));
  }
  std::string floatEpilogue() {
    arguments = "%acc: f32";
    std::string y = "%acc";
    if (chance(50))
      y = op("arith.mulf " + y + ", " + operand("row", "f32", 1e-3, 1e-2) + " : f32");
    if (chance(50))
      y = op("arith.addf " + y + ", " + operand("column", "f32", -1, 1) + " : f32");
    return finish(y);
  }

  std::string gemm(GpuTemplate kind, const std::string &symbol) {
    bool fourBit = kind == GpuTemplate::Decode || kind == GpuTemplate::WgmmaRs || (kind != GpuTemplate::WgmmaSs && chance(60));
    int64_t k = 128 * int64_t(1 + random() % 6), n = 8 * int64_t(4 + random() % 60);
    if (kind != GpuTemplate::Decode && kind != GpuTemplate::WgmmaRs && !fourBit && chance(40))
      k += 16 * int64_t(random() % 8); // a tail
    if (kind == GpuTemplate::Decode)
      k = 256 * int64_t(1 + random() % 6);
    if (chance(20))
      n += 1 + int64_t(random() % 7); // stores that are not vectors
    std::string lhs, rhs, grouping = "none", place = "none", extra;
    bool integer = true;
    if (!fourBit) {
      lhs = rhs = pick<std::string>({"i8", "i8", "i8", "f16", "bf16"});
      integer = lhs == "i8";
      if (kind == GpuTemplate::Multistage && !integer && chance(40))
        rhs = "i8", place = "before_mma";
    } else {
      rhs = "i4";
      lhs = pick<std::string>({"i8", "i8", "f16", "bf16"});
      integer = lhs == "i8";
      place = "before_mma";
      if (kind == GpuTemplate::Multistage && chance(15)) {
        lhs = "i4", place = "none", integer = true;
      } else if (integer) {
        grouping = pick<std::string>({"none", "two_level", "scale", "scale_zero_point"});
        if (kind == GpuTemplate::WgmmaRs && grouping[0] == 's')
          grouping = "two_level";
      } else {
        grouping = pick<std::string>({"none", "scale", "scale", "scale_zero_point"});
      }
      if (grouping != "none")
        extra = ", group = " + std::to_string(chance(70) || kind == GpuTemplate::WgmmaRs ? 128 : 64);
      if (grouping[0] == 's') {
        std::string type = integer ? "f16" : lhs;
        extra += ", scale = " + type;
        integer = false;
        if (kind != GpuTemplate::WgmmaRs)
          place = "partial_sums";
      }
    }
    std::string result = integer ? integerEpilogue() : floatEpilogue();
    return "kernel.gemm @" + symbol + " n " + std::to_string(n) + " segments [#kernel.segment<lhs = " + lhs +
           ", rhs = " + rhs + ", k = " + std::to_string(k) + extraOf(extra) + ", grouping = " + grouping + scaleOf(extra) +
           ", place = " + place + ">] operands [" + operands + "] results [" + result + "] attributes {tag = \"" +
           std::string(kernel::stringifyGpuTemplate(kind)) + "\", ranges = [" + ranges + "]} {\n^bb0(" + arguments +
           "):\n" + body + "}\n";
  }
  // The attribute prints its parameters in one order: group, grouping, scale.
  static std::string extraOf(const std::string &extra) { return extra.substr(0, extra.find(", scale")); }
  static std::string scaleOf(const std::string &extra) {
    size_t at = extra.find(", scale");
    return at == std::string::npos ? "" : extra.substr(at);
  }

  std::string rows(const std::string &symbol) {
    int64_t n = pick<int64_t>({1, 7, 16, 96, 100, 384, 1000, 1024, 4096, 5001});
    std::string type = pick<std::string>({"f32", "f16", "bf16"}), x = operand("element", type, -4, 4), y = x;
    if (type != "f32")
      y = op("arith.extf " + x + " : " + type + " to f32");
    if (chance(40))
      y = op("math.fma " + y + ", " + operand("column", "f32", 0.5, 2) + ", " + operand("column", "f32", -1, 1) + " : f32");
    bool quantize = chance(60);
    std::string result = "i8";
    if (quantize)
      emit(y, "f32");
    else
      result = finish(y);
    return "kernel.rows @" + symbol + " n " + std::to_string(n) + " operands [" + operands + "] results [" + result + "] " +
           (quantize ? "quantize " : "") + "attributes {tag = \"rows\", ranges = [" + ranges + "]} {\n^bb0(" + arguments +
           "):\n" + body + "}\n";
  }

private:
  std::mt19937 &random;
  unsigned count = 0;
  std::string operands, ranges, arguments, body;
};

} // namespace

std::string bitwright::gpucheck::randomKernel(GpuTemplate kind, const std::string &symbol, std::mt19937 &random) {
  Writer writer(random);
  return kind == GpuTemplate::Rows ? writer.rows(symbol) : writer.gemm(kind, symbol);
}
