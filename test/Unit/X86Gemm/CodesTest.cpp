//===- CodesTest.cpp - linear layers on codes in groups, against the interpreter ===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// The forms of passes/Fuse/README.md: two-level groups, float groups, weight-only; bit for bit on every instruction set,
// for shapes that no tile, panel or vector divides.
//===----------------------------------------------------------------------===//
#include "lib/Reference/Interpreter.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "test/Unit/X86Gemm/KernelHarness.h"

#include "gtest/gtest.h"
#include <random>

using namespace mlir;

namespace bitwright::x86::testing {
namespace {

using reference::Element;
using reference::Tensor;

enum class Form { PerToken, TwoLevel, Groups, WeightOnly4, WeightOnly8 };

struct Case {
  Form form;
  int64_t rows, outputs, columns, group; ///< group 0: one scale an output channel
  bool zeroPoints = false;
  int64_t inputZeroPoint = 0;
  bool bias = true;
};

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

void check(const Case &c, uint64_t seed) {
  SCOPED_TRACE("form " + std::to_string(int(c.form)) + ", " + std::to_string(c.rows) + " rows, " +
               std::to_string(c.columns) + " -> " + std::to_string(c.outputs) + ", groups of " +
               std::to_string(c.group) + (c.zeroPoints ? " with zero points" : "") + ", input zero point " +
               std::to_string(c.inputZeroPoint));
  auto context = makeContext();
  Builder b(*context, seed);
  bool isFloat = c.form == Form::WeightOnly4 || c.form == Form::WeightOnly8;
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
  case Form::PerToken: {
    std::string w = b.constant("w", Element::S4, weightShape, [&](int64_t) { return b.uniform(-8, 7); });
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
    body = "    %p = dyadic.linear_two_level %x, %w, %s, %m" + std::string(c.bias ? ", %k" : "") + " {group = " + group +
           " : i64" + zp + " : (" + x + ", " + w + ", " + s + ", " + m + (c.bias ? ", " + bias : "") + ") -> " + acc +
           "\n";
    break;
  }
  case Form::Groups: {
    std::string w = b.constant("w", Element::S4, weightShape, [&](int64_t) { return b.uniform(-8, 7); });
    std::string z = c.zeroPoints
                        ? b.constant("z", Element::S8, groupShape, [&](int64_t) { return b.uniform(-128, 127); })
                        : "";
    std::string s = b.constant("s", Element::F32, groupShape, scaleOf);
    std::string partial = list({c.outputs, groups}, "i32");
    body = "    %q = dyadic.linear_groups %x, %w" + std::string(c.zeroPoints ? ", %z" : "") + " {group = " + group +
           " : i64" + zp + " : (" + x + ", " + w + (c.zeroPoints ? ", " + z : "") + ") -> " + partial + "\n";
    body += "    %c = qnn.combine_groups %q, %s : (" + partial + ", " + s + ") -> " + y + "\n";
    body += "    %f = qnn.mul %c, %r : (" + y + ", " + rowScale + ") -> " + y + "\n";
    break;
  }
  case Form::WeightOnly4:
  case Form::WeightOnly8: {
    bool four = c.form == Form::WeightOnly4;
    std::string w = b.constant("w", four ? Element::S4 : Element::S8, weightShape,
                               [&](int64_t) { return four ? b.uniform(-8, 7) : b.uniform(-128, 127); });
    std::string s = b.constant("s", Element::F32, groupShape, scaleOf);
    std::string z = c.zeroPoints
                        ? b.constant("z", Element::S8, groupShape, [&](int64_t) { return b.uniform(-128, 127); })
                        : "";
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
  if (c.form == Form::PerToken || c.form == Form::TwoLevel) {
    std::string t = b.constant("t", Element::F32, {c.outputs}, scaleOf);
    body += "    %f = qnn.dequantize_accumulator %p, %r, %t : (" + acc + ", " + rowScale + ", " + t + ") -> " + y + "\n";
  }
  // A residual behind it, as the second layer of a feed-forward block has.
  body += "    %g = qnn.gelu %f : (" + y + ") -> " + y + "\n    %o = qnn.add %e, %g : (" + y + ", " + y + ") -> " + y +
          "\n    kernel.yield %o : " + y + "\n";
  auto argument = [](const std::string &name, const std::string &type, int64_t width) {
    return "%" + name + ": " + type + " {qnn.name = \"" + name + "\", qnn.dims = affine_map<()[s0] -> (s0, " +
           std::to_string(width) + ")>}";
  };
  std::string text = "func.func @main(" + argument("x0", x, c.columns) + ", " + argument("r0", rowScale, 1) + ", " +
                     argument("e0", y, c.outputs) + ") -> (" + y +
                     " {qnn.name = \"y\"}) attributes {qnn.symbols = [#qnn.symbol<\"M\", 1, 128, 1>]} {\n" + b.constants +
                     "  %y = kernel.fused (%x = %x0, %r = %r0, %e = %e0" + b.operands +
                     ") {kind = #kernel.template<gemm>} : (" + x + ", " + rowScale + ", " + y + b.types + ") -> " + y +
                     " {\n" + body + "  }\n  return %y : " + y + "\n}";
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(context.get()));
  ASSERT_TRUE(module) << text;
  auto func = *module->getOps<func::FuncOp>().begin();

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
  auto expected = reference::interpret(func, {input, scales, residual});
  ASSERT_TRUE(succeeded(expected));

  std::optional<KernelInfo> previous;
  for (Isa isa : {Isa::Avx2, Isa::Avx512Vnni}) {
    if (!hostHas(isa))
      continue;
    SCOPED_TRACE(nameOf(isa).str());
    auto region = CompiledRegion::compile(func, isa);
    ASSERT_TRUE(region);
    std::vector<Tensor> operands(region->getInfo().runtimeOperands.size());
    std::vector<Tensor> all = {input, scales, residual};
    all.resize(3 + size_t(llvm::count(b.operands, '=')));
    region->bind(all, {c.rows});
    region->clearResults();
    region->runAll();
    ASSERT_TRUE(region->results()[0].equals((*expected)[0]));
    region->clearResults();
    for (int64_t tile = region->tiles() - 1; tile >= 0; --tile)
      region->run(tile, tile + 1);
    ASSERT_TRUE(region->results()[0].equals((*expected)[0])) << "tile by tile";
    // Codes lie in the file once, as 4 bits (8 of an 8-bit weight).
    int64_t panels = (c.outputs + 15) / 16 * 16;
    auto packed = llvm::find_if(region->getInfo().constants, [](auto &constant) { return constant.operand >= 0; });
    ASSERT_NE(packed, region->getInfo().constants.end());
    EXPECT_EQ(packed->order, c.form == Form::WeightOnly8 ? ConstantBuffer::Order::PanelBytes
                                                         : ConstantBuffer::Order::PanelNibbles);
    EXPECT_EQ(packed->plusEight, c.form != Form::TwoLevel && c.form != Form::WeightOnly8);
    int64_t perStep = c.form == Form::WeightOnly8 ? 4 : 8;
    EXPECT_EQ(int64_t(packed->bytes.size()), panels * ((c.columns + perStep - 1) / perStep) * 4);
    if (previous) {
      EXPECT_EQ(previous->scratchBytes, region->getInfo().scratchBytes);
      ASSERT_EQ(previous->constants.size(), region->getInfo().constants.size());
      for (size_t i = 0; i < previous->constants.size(); ++i)
        EXPECT_EQ(previous->constants[i].bytes, region->getInfo().constants[i].bytes);
    }
    previous = region->getInfo();
  }
}

void sweep(Form form, bool zeroPoints = false) {
  const int64_t rows[] = {1, 2, 3, 5, 12, 13, 17, 48, 50}, outputs[] = {1, 16, 17, 33, 80}, groups[] = {8, 32, 128};
  uint64_t seed = 1000 * uint64_t(form);
  for (int i = 0; i < 24; ++i, ++seed) {
    int64_t group = groups[i % 3];
    Case c{form, rows[i % 9], outputs[i % 5], group * (1 + i % 4), group, zeroPoints};
    c.bias = i % 2;
    check(c, seed);
  }
}

TEST(Codes, TwoLevel) {
  sweep(Form::TwoLevel);
  check({Form::TwoLevel, 13, 33, 96, 32, false, -128}, 1);
}
TEST(Codes, Groups) {
  sweep(Form::Groups);
  check({Form::Groups, 13, 33, 96, 32, false, 100}, 2);
}
TEST(Codes, GroupsWithZeroPoints) {
  sweep(Form::Groups, true);
  check({Form::Groups, 7, 20, 64, 32, true, -128}, 3);
}
TEST(Codes, WeightOnly) {
  sweep(Form::WeightOnly4);
  sweep(Form::WeightOnly4, true);
  sweep(Form::WeightOnly8);
  sweep(Form::WeightOnly8, true);
}
TEST(Codes, OneScaleAChannel) {
  const int64_t depths[] = {8, 24, 64, 100, 200};
  for (int i = 0; i < 15; ++i) {
    int64_t rows[] = {1, 2, 4, 12, 29}, outputs[] = {5, 16, 50};
    check({Form::PerToken, rows[i % 5], outputs[i % 3], depths[i % 5], 0}, 50 + uint64_t(i));
    check({i % 2 ? Form::WeightOnly4 : Form::WeightOnly8, rows[i % 5], outputs[i % 3], depths[i % 5] / 8 * 8, 0},
          80 + uint64_t(i));
  }
  check({Form::PerToken, 3, 17, 3, 0}, 99);
}

} // namespace
} // namespace bitwright::x86::testing
