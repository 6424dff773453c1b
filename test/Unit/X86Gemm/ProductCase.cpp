//===- ProductCase.cpp - random convolutions and linear layers -------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "test/Unit/X86Gemm/ProductCase.h"
#include "dialects/Kernel/Kernel.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace mlir;

namespace bitwright::x86::testing {

using reference::Element;
using reference::Tensor;

ProductCase conv(std::vector<int64_t> in, int64_t channels, int64_t outputs, std::vector<int64_t> kernel,
                 int64_t stride, int64_t pad, int64_t groups) {
  ProductCase c;
  c.in = std::move(in);
  c.channels = channels;
  c.outputs = outputs;
  c.groups = groups;
  c.kernel = kernel;
  c.strides.assign(kernel.size(), stride);
  c.pads.assign(2 * kernel.size(), pad);
  c.dilations.assign(kernel.size(), 1);
  return c;
}
ProductCase linear(std::vector<int64_t> leading, int64_t depth, int64_t outputs) {
  ProductCase c;
  c.isLinear = true;
  c.in = std::move(leading);
  c.channels = depth;
  c.outputs = outputs;
  return c;
}

static std::string join(ArrayRef<int64_t> values, StringRef separator = ", ") {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleave(values, os, separator);
  return text;
}

std::string ProductCase::describe() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << (isFloat ? "f32" : "s" + std::to_string(inputBits) + "s" + std::to_string(weightBits))
     << (isLinear ? " linear " : " conv ") << join(in, "x") << " " << channels << "->" << outputs;
  if (!isLinear)
    os << " k" << join(kernel, "x") << " s" << join(strides, "x") << " p" << join(pads, ".") << " d"
       << join(dilations, "x") << " g" << groups;
  os << " zp" << zeroPoint << (bias ? "" : " nobias") << (channelsLast ? "" : " nchw") << (dynamic ? " dynamic" : "")
     << " e" << int(epilogue);
  return text;
}

std::vector<int64_t> ProductCase::out() const {
  std::vector<int64_t> sizes = in;
  size_t spatial = kernel.size();
  for (size_t d = 0; d < spatial; ++d)
    sizes[1 + d] = (in[1 + d] + pads[d] + pads[spatial + d] - dilations[d] * (kernel[d] - 1) - 1) / strides[d] + 1;
  return sizes;
}
int64_t ProductCase::macs() const {
  int64_t macs = outputs * (channels / groups);
  for (int64_t v : out())
    macs *= v;
  for (int64_t v : kernel)
    macs *= v;
  return macs;
}

namespace {
/// Writes the IR of a case.
class Writer {
public:
  Writer(MLIRContext &context, const ProductCase &c, uint64_t seed) : context(context), c(c), random(seed) {}
  BuiltCase build();

private:
  int64_t uniform(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }
  float normal() { return std::normal_distribution<float>()(random); }
  SmallVector<int64_t> logical(ArrayRef<int64_t> places, int64_t channels) const {
    SmallVector<int64_t> shape(places.begin(), places.end());
    shape.insert(c.isLinear ? shape.end() : shape.begin() + 1, channels);
    return shape;
  }
  /// The dimensions that are symbols: the first (s0), and the last place (s1) if it is another one.
  std::string type(ArrayRef<int64_t> shape, StringRef element, bool symbolic = true) const {
    std::string text = "tensor<";
    for (size_t d = 0; d < shape.size(); ++d)
      text += (c.dynamic && symbolic && isSymbolic(d, shape.size()) ? "?" : std::to_string(shape[d])) + "x";
    return text + element.str() + ">";
  }
  bool isSymbolic(size_t d, size_t rank) const {
    size_t lastPlace = c.isLinear ? rank - 2 : rank - 1;
    return d == 0 || (d == lastPlace && lastPlace != 0 && !(lastPlace == 1 && !c.isLinear));
  }
  std::string symbolList() const { return c.in.size() > 1 ? "()[s0, s1]" : "()[s0]"; }
  std::string dims(ArrayRef<int64_t> shape, const std::string &lastPlace) const {
    if (!c.dynamic)
      return "";
    std::string text = ", qnn.dims = affine_map<" + symbolList() + " -> (";
    for (size_t d = 0; d < shape.size(); ++d)
      text += (d ? ", " : "") + (d == 0                        ? std::string("s0")
                                 : isSymbolic(d, shape.size()) ? lastPlace
                                                               : std::to_string(shape[d]));
    return text + ")>";
  }
  std::string layoutOf(size_t rank) const {
    SmallVector<int64_t> order;
    for (size_t d = 0; d < rank; ++d)
      order.push_back(d);
    if (!c.isLinear && c.channelsLast && rank > 1) {
      order.erase(order.begin() + 1);
      order.push_back(1);
    }
    return "array<i64: " + join(order) + ">";
  }
  Tensor randomTensor(ArrayRef<int64_t> shape, Element element) {
    Tensor tensor(element, shape);
    auto [low, high] = element == Element::F32 ? std::pair<int64_t, int64_t>() : reference::rangeOf(element);
    for (int64_t i = 0; i < tensor.getNumElements(); ++i)
      switch (element) {
      case Element::F32:
        tensor.mutableData<float>()[i] = normal();
        break;
      case Element::S8:
        tensor.mutableData<int8_t>()[i] = int8_t(uniform(low, high));
        break;
      case Element::S16:
        // Short sums of 8-bit weights have room for all codes.
        tensor.mutableData<int16_t>()[i] = c.weightBits == 8 && c.channels * c.outputs < 4096
                                               ? int16_t(uniform(low, high))
                                               : int16_t(uniform(low / 16, high / 16));
        break;
      default:
        llvm_unreachable("not an input type");
      }
    return tensor;
  }
  template <typename T>
  std::string weight(StringRef name, ArrayRef<int64_t> shape, StringRef element, llvm::function_ref<T()> value) {
    int64_t count = reference::elementCount(shape);
    std::vector<T> values(count);
    for (T &v : values)
      v = value();
    auto mlirType = cast<RankedTensorType>(parseType(type(shape, element, false), &context));
    getWeightStore(&context).set(name, WeightData::copyOf<T>(mlirType, values));
    return "qnn.weight \"" + name.str() + "\" : " + type(shape, element, false);
  }

  MLIRContext &context;
  const ProductCase &c;
  std::mt19937_64 random;
};

BuiltCase Writer::build() {
  BuiltCase built;
  std::string x = c.isFloat ? "f32" : "i" + std::to_string(c.inputBits),
              w = c.isFloat ? "f32" : "i" + std::to_string(c.weightBits);
  SmallVector<int64_t> inShape = logical(c.in, c.channels), outShape = logical(c.out(), c.outputs),
                       weightShape{c.outputs, c.channels / c.groups};
  weightShape.append(c.kernel.begin(), c.kernel.end());
  std::string body, constants;
  int64_t reach = (int64_t(1) << (c.weightBits - 1)) - 1;
  if (c.isFloat)
    constants += "  %w = " + weight<float>("w", weightShape, w, [&] { return normal(); }) + "\n";
  else if (c.weightBits == 4) {
    Tensor codes(Element::S4, weightShape);
    for (int64_t i = 0; i < codes.getNumElements(); ++i)
      codes.mutableData<int8_t>()[i] = int8_t(uniform(-8, 7));
    getWeightStore(&context).set("w", reference::toWeight(codes, &context));
    constants += "  %w = qnn.weight \"w\" : " + type(weightShape, "i4", false) + "\n";
  } else if (c.weightBits == 16)
    constants +=
        "  %w = " + weight<int16_t>("w", weightShape, w, [&] { return int16_t(uniform(-reach / 8, reach / 8)); }) +
        "\n";
  else
    constants +=
        "  %w = " + weight<int8_t>("w", weightShape, w, [&] { return int8_t(uniform(-reach - 1, reach)); }) + "\n";
  if (c.bias && c.isFloat)
    constants += "  %b = " + weight<float>("b", {c.outputs}, "f32", [&] { return normal(); }) + "\n";
  else if (c.bias)
    constants +=
        "  %b = " + weight<int32_t>("b", {c.outputs}, "i32", [&] { return int32_t(uniform(-5000, 5000)); }) + "\n";

  std::string inType = type(inShape, x), accType = type(outShape, c.isFloat ? "f32" : "i32"), outType = accType;
  std::string weightType = type(weightShape, w, false), biasType = type({c.outputs}, c.isFloat ? "f32" : "i32", false);
  std::string dialect = c.isFloat ? "qnn" : "dyadic", attrs;
  if (!c.isLinear)
    attrs = "strides = array<i64: " + join(c.strides) + ">, pads = array<i64: " + join(c.pads) +
            ">, dilations = array<i64: " + join(c.dilations) + ">, groups = " + std::to_string(c.groups) + " : i64";
  if (!c.isFloat)
    attrs += std::string(attrs.empty() ? "" : ", ") + "input_zero_point = " + std::to_string(c.zeroPoint) + " : i32";
  body += "    %p = " + dialect + (c.isLinear ? ".linear" : ".conv") + " %x, %w" + (c.bias ? ", %b" : "") + " {" +
          attrs + "} : (" + inType + ", " + weightType + (c.bias ? ", " + biasType : "") + ") -> " + accType + "\n";

  // Function arguments: the input, and a second tensor where the epilogue has one.
  std::string lastPlace = "s1", secondType, second;
  SmallVector<int64_t> secondShape;
  std::string value = "%p";
  double scale = 1.0 / (std::sqrt(double(c.macs()) / std::max<int64_t>(1, reference::elementCount(outShape))) * 60);
  auto append = [&](const std::string &name, const std::string &line) {
    body += "    " + name + " = " + line + "\n";
    value = name;
  };
  int64_t channelAxis = c.isLinear ? int64_t(outShape.size()) - 1 : 1;
  bool hasScale = !c.isFloat && c.epilogue == Epilogue::Dequantize;
  if (hasScale) {
    constants += "  %t = " +
                 weight<float>("t", {c.outputs}, "f32", [&] { return std::ldexp(1.0f + std::fabs(normal()), -12); }) +
                 "\n";
    outType = type(outShape, "f32");
    append("%q", "qnn.dequantize %p, %t {scheme = #qnn.scheme<s32, axis " + std::to_string(channelAxis) + ">} : (" +
                     accType + ", " + type({c.outputs}, "f32", false) + ") -> " + outType);
  } else if (!c.isFloat && c.epilogue != Epilogue::None) {
    SmallVector<int64_t> multipliers, shifts;
    for (int64_t o = 0; o < c.outputs; ++o) {
      multipliers.push_back(uniform(int64_t(1) << 30, (int64_t(1) << 31) - 1));
      shifts.push_back(std::clamp<int64_t>(int64_t(31 - std::log2(scale)) + uniform(-2, 3), 2, 62));
    }
    std::string codes = type(outShape, "i8");
    append("%q", "dyadic.rescale %p {multiplier = array<i32: " + join(multipliers) +
                     ">, shift = array<i8: " + join(shifts) +
                     ">, multiplier_bits = 31 : i64, rounding = #dyadic.rounding<half_up>, zero_point = -7 : i32, "
                     "clamp = array<i32: -128, 127>, axis = " +
                     std::to_string(channelAxis) + " : i64} : (" + accType + ") -> " + codes);
    outType = codes;
    if (c.epilogue == Epilogue::RescaleResidual) {
      secondShape = outShape;
      secondType = codes;
      // Shifts on both sides of what the 32-bit form takes, multipliers up to the largest.
      int64_t shift = std::vector<int64_t>{16, 17, 20, 28, 30, 31, 31, 33, 40, 41}[uniform(0, 9)];
      auto multiplier = [&] {
        double unit = std::ldexp(1.0, int(shift)), value = unit * double(uniform(300, 1200)) / 1000;
        return uniform(0, 7) == 0 ? (int64_t(1) << 31) - 1 : std::min(int64_t(value), (int64_t(1) << 31) - 1);
      };
      int64_t low = uniform(0, 1) ? -128 : 5;
      append("%s",
             "dyadic.add %q, %r {lhs_zero_point = -7 : i32, rhs_zero_point = " + std::to_string(uniform(-128, 127)) +
                 " : i32, lhs_multiplier = " + std::to_string(multiplier()) + " : i32, rhs_multiplier = " +
                 std::to_string(multiplier()) + " : i32, shift = " + std::to_string(shift) +
                 " : i8, rounding = #dyadic.rounding<half_up>, zero_point = " + std::to_string(uniform(-128, 127)) +
                 " : i32, clamp = array<i32: " + std::to_string(low) + ", 127>} : (" + codes + ", " + codes + ") -> " +
                 codes);
    } else if (c.epilogue == Epilogue::RescaleLookup) {
      SmallVector<int64_t> table;
      for (int i = 0; i < 256; ++i)
        table.push_back(uniform(-128, 127));
      append("%s", "dyadic.lookup %q {table = array<i8: " + join(table) + ">} : (" + codes + ") -> " + codes);
    } else if (c.epilogue == Epilogue::Gate) {
      secondShape = outShape;
      for (size_t d = 2; d < secondShape.size(); ++d)
        secondShape[d] = 1;
      secondType = "tensor<" + (c.dynamic ? "?" : std::to_string(outShape[0])) + "x" + std::to_string(c.outputs);
      for (size_t d = 2; d < secondShape.size(); ++d)
        secondType += "x1";
      secondType += "xi8>";
      append("%s", "dyadic.mul %q, %r {lhs_zero_point = -7 : i32, rhs_zero_point = 11 : i32, multiplier = 1342177280 : "
                   "i32, shift = 37 : i8, multiplier_bits = 31 : i64, "
                   "rounding = #dyadic.rounding<half_up>, zero_point = 5 : i32, clamp = array<i32: -128, 127>} : (" +
                       codes + ", " + secondType + ") -> " + codes);
    }
  } else if (c.epilogue == Epilogue::Rescale) {
    append("%q", "qnn.relu %p : (" + accType + ") -> " + accType);
  } else if (c.epilogue == Epilogue::RescaleResidual) {
    secondShape = outShape;
    secondType = accType;
    append("%q", "qnn.add %p, %r : (" + accType + ", " + accType + ") -> " + accType);
    append("%s", "qnn.relu %q : (" + accType + ") -> " + accType);
  } else if (c.epilogue == Epilogue::RescaleLookup) {
    append("%q", "qnn.sigmoid %p : (" + accType + ") -> " + accType);
  } else if (c.epilogue == Epilogue::Gate) {
    secondShape = outShape;
    for (size_t d = 2; d < secondShape.size(); ++d)
      secondShape[d] = 1;
    secondType = "tensor<" + (c.dynamic ? "?" : std::to_string(outShape[0])) + "x" + std::to_string(c.outputs);
    for (size_t d = 2; d < secondShape.size(); ++d)
      secondType += "x1";
    secondType += "xf32>";
    append("%q", "qnn.mul %p, %r : (" + accType + ", " + secondType + ") -> " + accType);
  }

  std::string text = "func.func @main(%x0: " + inType + " {qnn.name = \"x\"" + dims(inShape, "s1") + "}";
  std::string operandTypes = inType + ", " + weightType, operandNames = "%x = %x0, %w = %w0",
              layouts = layoutOf(inShape.size());
  auto identity = [](size_t rank) {
    SmallVector<int64_t> order;
    for (size_t d = 0; d < rank; ++d)
      order.push_back(d);
    return "array<i64: " + join(order) + ">";
  };
  layouts += ", " + identity(weightShape.size());
  if (c.bias) {
    operandTypes += ", " + biasType;
    operandNames += ", %b = %b0";
    layouts += ", " + identity(1);
  }
  if (hasScale) {
    operandTypes += ", " + type({c.outputs}, "f32", false);
    operandNames += ", %t = %t0";
    layouts += ", " + identity(1);
  }
  if (!secondType.empty()) {
    // The residual has the output's last place as an expression of s1.
    std::string expression = "s1";
    if (!c.isLinear && c.kernel.size()) {
      size_t d = c.kernel.size() - 1;
      int64_t extra = c.pads[d] + c.pads[c.kernel.size() + d] - c.dilations[d] * (c.kernel[d] - 1) - 1;
      expression = c.strides[d] == 1
                       ? "s1 + " + std::to_string(extra + 1)
                       : "(s1 + " + std::to_string(extra) + ") floordiv " + std::to_string(c.strides[d]) + " + 1";
    }
    std::string dimsText;
    if (c.dynamic && c.epilogue == Epilogue::Gate) {
      dimsText = ", qnn.dims = affine_map<" + symbolList() + " -> (s0, " + std::to_string(c.outputs);
      for (size_t d = 2; d < secondShape.size(); ++d)
        dimsText += ", 1";
      dimsText += ")>";
    } else {
      dimsText = dims(secondShape, expression);
    }
    text += ", %r0: " + secondType + " {qnn.name = \"r\"" + dimsText + "}";
    operandTypes += ", " + secondType;
    operandNames += ", %r = %r0";
    layouts += ", " + layoutOf(secondShape.size());
  }
  text += ") -> (" + outType + " {qnn.name = \"y\"})";
  if (c.dynamic)
    text += std::string(" attributes {qnn.symbols = [#qnn.symbol<\"N\", 1, 64, 1>") +
            (c.in.size() > 1 ? ", #qnn.symbol<\"W\", 1, 512, 1>" : "") + "]}";
  std::string outer = constants;
  for (size_t at; (at = outer.find("%w =")) != std::string::npos;)
    outer.replace(at, 4, "%w0 =");
  for (size_t at; (at = outer.find("%b =")) != std::string::npos;)
    outer.replace(at, 4, "%b0 =");
  for (size_t at; (at = outer.find("%t =")) != std::string::npos;)
    outer.replace(at, 4, "%t0 =");
  text += " {\n" + outer + "  %y = kernel.fused (" + operandNames +
          ") {kind = #kernel.template<gemm>, operand_layouts = [" + layouts + "], result_layouts = [" +
          layoutOf(outShape.size()) + "]} : (" + operandTypes + ") -> " + outType + " {\n" + body +
          "    kernel.yield " + value + " : " + outType + "\n  }\n  return %y : " + outType + "\n}\n";
  built.module = parseSourceString<ModuleOp>(text, ParserConfig(&context));
  if (!built.module) {
    llvm::errs() << text;
    return built;
  }
  built.func = *built.module->getOps<func::FuncOp>().begin();
  built.func.walk([&](kernel::FusedOp op) {
    if (c.groups == c.channels && c.groups == c.outputs && c.groups > 1)
      op.setKind(kernel::Template::Depthwise);
  });
  Element inElement = c.isFloat ? Element::F32 : c.inputBits == 8 ? Element::S8 : Element::S16;
  Tensor input = randomTensor(inShape, inElement);
  built.operands = {input, Tensor()};
  built.arguments = {input};
  if (c.bias)
    built.operands.push_back(Tensor());
  if (hasScale)
    built.operands.push_back(Tensor());
  if (!secondType.empty()) {
    Tensor other = randomTensor(secondShape, c.isFloat ? Element::F32 : Element::S8);
    built.operands.push_back(other);
    built.arguments.push_back(other);
  }
  if (c.dynamic) {
    built.symbols = {c.in.front()};
    if (c.in.size() > 1)
      built.symbols.push_back(c.in.back());
  }
  return built;
}
} // namespace

BuiltCase build(MLIRContext &context, const ProductCase &c, uint64_t seed) { return Writer(context, c, seed).build(); }

} // namespace bitwright::x86::testing
