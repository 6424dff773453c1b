//===- CodesCase.cpp - linear layers on codes as test cases -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "test/Unit/X86Gemm/CodesCase.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Parser/Parser.h"
#include <random>

using namespace mlir;

namespace bitwright::x86::testing {

using reference::Element;
using reference::Tensor;

std::string CodesCase::describe() const {
  return "form " + std::to_string(int(form)) + ", " + std::to_string(rows) + " rows, " + std::to_string(columns) +
         " -> " + std::to_string(outputs) + ", groups of " + std::to_string(group) +
         (zeroPoints ? " with zero points" : "") + ", input zero point " + std::to_string(inputZeroPoint);
}

namespace {
class Builder {
public:
  Builder(MLIRContext &context, uint64_t seed) : context(context), random(seed) {}
  int64_t uniform(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }

  std::string constant(const std::string &name, Element element, ArrayRef<int64_t> shape,
                       llvm::function_ref<double(int64_t)> value) {
    Tensor tensor(element, shape);
    for (int64_t i = 0; i < tensor.getNumElements(); ++i) {
      double v = value(i);
      switch (element) {
      case Element::F32:
        tensor.mutableData<float>()[i] = float(v);
        break;
      case Element::S16:
        tensor.mutableData<int16_t>()[i] = int16_t(v);
        break;
      case Element::S32:
        tensor.mutableData<int32_t>()[i] = int32_t(v);
        break;
      default: // one signed byte each
        tensor.mutableData<int8_t>()[i] = int8_t(v);
      }
    }
    WeightData data = reference::toWeight(tensor, &context);
    getWeightStore(&context).set(name, data);
    std::string type;
    llvm::raw_string_ostream(type) << data.type;
    operands += ", %" + name + " = %" + name + "0";
    types += ", " + type;
    constants += "  %" + name + "0 = qnn.weight \"" + name + "\" : " + type + "\n";
    return type;
  }
  double real() { return std::normal_distribution<double>()(random); }

  MLIRContext &context;
  std::mt19937_64 random;
  std::string operands, types, constants;
};
} // namespace

BuiltCase build(MLIRContext &context, const CodesCase &c, uint64_t seed) {
  Builder b(context, seed);
  bool isFloat = c.form == Form::WeightOnly4 || c.form == Form::WeightOnly8 || c.form == Form::Float;
  int64_t groups = c.group ? c.columns / c.group : 1;
  auto list = [](ArrayRef<int64_t> shape, const char *element) {
    std::string text = "tensor<?x";
    for (int64_t d : shape)
      text += std::to_string(d) + "x";
    return text + element + ">";
  };
  std::string x = list({c.columns}, isFloat ? "f32" : "i8"), y = list({c.outputs}, "f32"),
              acc = list({c.outputs}, "i32"), rowScale = "tensor<?x1xf32>", body;
  std::string zp = ", input_zero_point = " + std::to_string(c.inputZeroPoint) + " : i32}";
  SmallVector<int64_t> weightShape = {c.outputs, c.columns}, groupShape = {c.outputs, groups};
  if (isFloat && !c.group)
    groupShape.pop_back();
  auto scaleOf = [&](int64_t) { return std::ldexp(1 + std::fabs(b.real()), -9); };
  std::string group = std::to_string(c.group), value;
  switch (c.form) {
  case Form::PerToken4:
  case Form::PerToken8: {
    bool four = c.form == Form::PerToken4;
    std::string w = b.constant("w", four ? Element::S4 : Element::S8, weightShape,
                               [&](int64_t) { return four ? b.uniform(-8, 7) : b.uniform(-127, 127); });
    body = "    %p = dyadic.linear %x, %w {" + zp.substr(2) + " : (" + x + ", " + w + ") -> " + acc + "\n";
    break;
  }
  case Form::TwoLevel: {
    std::vector<int64_t> scales, offsets;
    for (int64_t i = 0; i < c.outputs * groups; ++i) {
      // Offsets below -128 as well: legal as long as the codes that occur make bytes.
      scales.push_back(b.uniform(1, 17));
      offsets.push_back(b.uniform(-127, 127 - 4 * scales.back()));
    }
    std::string w = b.constant("w", Element::S4, weightShape, [&](int64_t i) {
      int64_t g = i / c.columns * groups + i % c.columns / c.group;
      int64_t code = b.uniform(0, std::min<int64_t>(15, (127 - offsets[size_t(g)]) / scales[size_t(g)]));
      return code > 7 ? code - 16 : code; // the bits of an unsigned code
    });
    std::string s = b.constant("s", Element::S8, groupShape, [&](int64_t i) { return scales[size_t(i)]; });
    std::string m = b.constant("m", Element::S16, groupShape, [&](int64_t i) { return offsets[size_t(i)]; });
    std::string bias = b.constant("k", Element::S32, {c.outputs}, [&](int64_t) { return b.uniform(-5000, 5000); });
    body = "    %p = dyadic.linear_two_level %x, %w, %s, %m" + std::string(c.bias ? ", %k" : "") +
           " {group = " + group + " : i64" + zp + " : (" + x + ", " + w + ", " + s + ", " + m +
           (c.bias ? ", " + bias : "") + ") -> " + acc + "\n";
    break;
  }
  case Form::Groups: {
    std::string w = b.constant("w", Element::S4, weightShape, [&](int64_t) { return b.uniform(-8, 7); });
    std::string z =
        c.zeroPoints ? b.constant("z", Element::S8, groupShape, [&](int64_t) { return b.uniform(-128, 127); }) : "";
    std::string s = b.constant("s", Element::F32, groupShape, scaleOf);
    std::string partial = list({c.outputs, groups}, "i32");
    body = "    %q = dyadic.linear_groups %x, %w" + std::string(c.zeroPoints ? ", %z" : "") + " {group = " + group +
           " : i64" + zp + " : (" + x + ", " + w + (c.zeroPoints ? ", " + z : "") + ") -> " + partial + "\n";
    body += "    %c = qnn.combine_groups %q, %s : (" + partial + ", " + s + ") -> " + y + "\n";
    body += "    %f = qnn.mul %c, %r : (" + y + ", " + rowScale + ") -> " + y + "\n";
    break;
  }
  case Form::Float: {
    std::string w = b.constant("w", Element::F32, weightShape, [&](int64_t) { return double(b.uniform(-127, 127)); });
    std::string bias = b.constant("k", Element::F32, {c.outputs}, [&](int64_t) { return b.real(); });
    body = "    %f = qnn.linear %x, %w, %k : (" + x + ", " + w + ", " + bias + ") -> " + y + "\n";
    break;
  }
  case Form::WeightOnly4:
  case Form::WeightOnly8: {
    bool four = c.form == Form::WeightOnly4;
    std::string w = b.constant("w", four ? Element::S4 : Element::S8, weightShape,
                               [&](int64_t) { return four ? b.uniform(-8, 7) : b.uniform(-128, 127); });
    std::string s = b.constant("s", Element::F32, groupShape, scaleOf);
    std::string z =
        c.zeroPoints ? b.constant("z", Element::S8, groupShape, [&](int64_t) { return b.uniform(-128, 127); }) : "";
    std::string bias = b.constant("k", Element::F32, {c.outputs}, [&](int64_t) { return b.real(); });
    std::string d = "tensor<" + std::to_string(c.outputs) + "x" + std::to_string(c.columns) + "xf32>";
    body = "    %d = qnn.dequantize %w, %s" + std::string(c.zeroPoints ? ", %z" : "") + " {scheme = #qnn.scheme<" +
           (four ? "s4, " : "s8, ") + (c.group ? "group " + group + " along 1" : "axis 0") + ">} : (" + w + ", " + s +
           (c.zeroPoints ? ", " + z : "") + ") -> " + d + "\n";
    body += "    %f = qnn.linear %x, %d" + std::string(c.bias ? ", %k" : "") + " : (" + x + ", " + d +
            (c.bias ? ", " + bias : "") + ") -> " + y + "\n";
    break;
  }
  }
  if (c.form == Form::PerToken8 || c.form == Form::PerToken4 || c.form == Form::TwoLevel) {
    std::string t = b.constant("t", Element::F32, {c.outputs}, scaleOf);
    body +=
        "    %f = qnn.dequantize_accumulator %p, %r, %t : (" + acc + ", " + rowScale + ", " + t + ") -> " + y + "\n";
  }
  // A residual behind it, as the second layer of a feed-forward block has.
  if (c.gelu)
    body += "    %g = qnn.gelu %f : (" + y + ") -> " + y + "\n";
  body += "    %o = qnn.add %e, " + std::string(c.gelu ? "%g" : "%f") + " : (" + y + ", " + y + ") -> " + y +
          "\n    kernel.yield %o : " + y + "\n";
  auto argument = [](const std::string &name, const std::string &type, int64_t width) {
    return "%" + name + ": " + type + " {qnn.name = \"" + name + "\", qnn.dims = affine_map<()[s0] -> (s0, " +
           std::to_string(width) + ")>}";
  };
  std::string text = "func.func @main(" + argument("x0", x, c.columns) + ", " + argument("r0", rowScale, 1) + ", " +
                     argument("e0", y, c.outputs) + ") -> (" + y +
                     " {qnn.name = \"y\"}) attributes {qnn.symbols = [#qnn.symbol<\"M\", 1, " + std::to_string(c.maxRows) +
                     ", 1>]} {\n" +
                     b.constants + "  %y = kernel.fused (%x = %x0, %r = %r0, %e = %e0" + b.operands +
                     ") {kind = #kernel.template<gemm>} : (" + x + ", " + rowScale + ", " + y + b.types + ") -> " + y +
                     " {\n" + body + "  }\n  return %y : " + y + "\n}";
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(&context));
  BuiltCase built;
  if (!module)
    return built;
  built.func = *module->getOps<func::FuncOp>().begin();
  built.module = std::move(module);

  Tensor input(isFloat ? Element::F32 : Element::S8, {c.rows, c.columns}), scales(Element::F32, {c.rows, 1}),
      residual(Element::F32, {c.rows, c.outputs});
  for (int64_t i = 0; i < input.getNumElements(); ++i)
    if (isFloat)
      input.mutableData<float>()[i] = float(b.real());
    else
      input.mutableData<int8_t>()[i] = int8_t(b.uniform(-128, 127));
  for (int64_t i = 0; i < c.rows; ++i)
    scales.mutableData<float>()[i] = std::ldexp(1 + float(std::fabs(b.real())), -8);
  for (int64_t i = 0; i < residual.getNumElements(); ++i)
    residual.mutableData<float>()[i] = float(b.real());
  built.arguments = {input, scales, residual};
  built.operands = built.arguments;
  built.operands.resize(3 + size_t(llvm::count(b.operands, '=')));
  built.symbols = {c.rows};
  return built;
}

} // namespace bitwright::x86::testing
