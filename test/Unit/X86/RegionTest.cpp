//===- RegionTest.cpp - regions against the interpreter --------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Unit/X86/RegionTest.h"
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Reference/Interpreter.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <limits>
#include <random>

using namespace mlir;

namespace bitwright::x86::testing {

std::string functionText(const Region &r) {
  std::string arguments, operands = r.type.substr(r.type.find('(') + 1);
  operands = operands.substr(0, operands.find(") ->"));
  std::string list = r.functionArguments.empty() ? operands : r.functionArguments,
              result = r.type.substr(r.type.find("->") + 2);
  // Commas outside brackets separate the arguments.
  int depth = 0, number = 0;
  std::string current;
  for (char c : list + ",") {
    depth += c == '<' || c == '{' || c == '[' || c == '(';
    depth -= (c == '>' && (current.empty() || current.back() != '-')) || c == '}' || c == ']' || c == ')';
    if (c == ',' && depth == 0) {
      if (current.find_first_not_of(' ') != std::string::npos) {
        arguments += (number ? ", %" : "%") + std::to_string(number) + " : " + current;
        ++number;
      }
      current.clear();
      continue;
    }
    current += c;
  }
  std::string names;
  bool several = result.find('(') != std::string::npos;
  int results = 1;
  if (several) {
    depth = 0;
    for (char c : result) {
      depth += c == '<';
      depth -= c == '>';
      results += c == ',' && depth == 0;
    }
  }
  for (int i = 0; i < results; ++i)
    names += (i ? ", %r#" : "%r#") + std::to_string(i);
  std::string plain = result;
  if (several)
    plain = result.substr(result.find('(') + 1, result.rfind(')') - result.find('(') - 1);
  return "func.func @main(" + arguments + ") -> " + result +
         (r.symbols.empty() ? "" : " attributes {" + r.symbols + "}") + " {\n  %r:" + std::to_string(results) +
         " = kernel.fused (" + r.arguments + ") " + r.attributes + " : " + r.type + " {\n" + r.body +
         "\n  }\n  return " + names + " : " + plain + "\n}\n";
}

static void fillRandom(reference::Tensor &tensor, std::mt19937 &random, int64_t range) {
  using reference::Element;
  int64_t n = tensor.getNumElements();
  std::normal_distribution<float> normal(0, 3);
  if (reference::isFloat(tensor.getElement())) {
    reference::Tensor wide(Element::F32, tensor.getShape());
    for (int64_t i = 0; i < n; ++i)
      wide.mutableData<float>()[i] = normal(random);
    // A few values that rules are about.
    const float special[] = {0.0f, -0.0f, 1e-40f, -1e30f, 1e30f, 0.5f, -1.5f, 2.5f, 127.5f};
    for (size_t i = 0; i < std::size(special) && n > 40; ++i)
      wide.mutableData<float>()[(i * 7919 + 3) % n] = special[i];
    tensor = reference::storeAs(wide, tensor.getElement());
    return;
  }
  auto [low, high] = reference::rangeOf(tensor.getElement());
  if (reference::sizeOf(tensor.getElement()) > 1) {
    low = std::max(low, -range);
    high = std::min(high, range);
  }
  std::uniform_int_distribution<int64_t> uniform(low, high);
  reference::Tensor wide(Element::S64, tensor.getShape());
  for (int64_t i = 0; i < n; ++i)
    wide.mutableData<int64_t>()[i] = uniform(random);
  tensor = reference::narrowTo(wide, tensor.getElement());
}

static std::string firstDifference(const reference::Tensor &a, const reference::Tensor &b) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << a.describe() << " and " << b.describe();
  if (a.getNumElements() != b.getNumElements())
    return text;
  int64_t size = reference::sizeOf(a.getElement()), shown = 0;
  for (int64_t i = 0; i < a.getNumElements() && shown < 4; ++i)
    if (std::memcmp(static_cast<const char *>(a.bytes()) + i * size, static_cast<const char *>(b.bytes()) + i * size,
                    size)) {
      os << "; element " << i << ": expected " << a.asDouble(i) << ", found " << b.asDouble(i);
      ++shown;
    }
  return text;
}

void checkRegion(const Region &region) {
  auto context = makeContext();
  std::string text = functionText(region);
  SCOPED_TRACE(text);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
  ASSERT_TRUE(module);
  auto func = module->lookupSymbol<func::FuncOp>("main");
  kernel::FusedOp fused;
  func.walk([&](kernel::FusedOp op) { fused = op; });
  FailureOr<SymbolicShapes> shapes = SymbolicShapes::compute(func);
  ASSERT_TRUE(succeeded(shapes));

  std::unique_ptr<CompiledRegion> first;
  for (Isa isa : {Isa::Avx2, Isa::Avx512Vnni}) {
    if (!hostHas(isa))
      continue;
    SCOPED_TRACE(nameOf(isa).str());
    auto compiled = CompiledRegion::compile(func, isa);
    ASSERT_TRUE(compiled);
    if (first) {
      // One file serves all instruction sets.
      const KernelInfo &a = first->getInfo(), &b = compiled->getInfo();
      EXPECT_EQ(a.runtimeOperands, b.runtimeOperands);
      EXPECT_EQ(a.dims, b.dims);
      EXPECT_EQ(a.tiles, b.tiles);
      EXPECT_EQ(a.scratchBytes, b.scratchBytes);
      ASSERT_EQ(a.constants.size(), b.constants.size());
      for (size_t i = 0; i < a.constants.size(); ++i)
        EXPECT_EQ(a.constants[i].bytes, b.constants[i].bytes);
    }
    for (auto &values : region.symbolValues) {
      std::mt19937 random(7);
      SmallVector<reference::Tensor> inputs, operands(fused.getInputs().size());
      for (auto [i, argument] : llvm::enumerate(func.getArguments())) {
        reference::Shape shape;
        for (AffineExpr dim : shapes->get(argument))
          shape.push_back(evaluate(dim, values));
        reference::Tensor tensor(*reference::elementOf(cast<RankedTensorType>(argument.getType()).getElementType()),
                                 shape);
        fillRandom(tensor, random, region.integerRange);
        if (region.fill)
          region.fill(i, tensor);
        inputs.push_back(tensor);
      }
      for (auto [i, operand] : llvm::enumerate(fused.getInputs()))
        if (auto argument = dyn_cast<BlockArgument>(operand))
          operands[i] = inputs[argument.getArgNumber()];
      auto expected = reference::interpret(func, inputs);
      ASSERT_TRUE(succeeded(expected));
      compiled->bind(operands, values);
      int64_t tiles = compiled->tiles();
      for (int way = 0; way < 3; ++way) {
        compiled->clearResults();
        if (way == 0)
          compiled->runAll();
        else if (way == 1)
          for (int64_t t = tiles; t-- > 0;)
            compiled->run(t, t + 1);
        else {
          compiled->run(tiles / 3, tiles);
          compiled->run(0, tiles / 3);
        }
        auto found = compiled->results();
        ASSERT_EQ(found.size(), expected->size());
        for (size_t i = 0; i < found.size(); ++i)
          ASSERT_TRUE((*expected)[i].equals(found[i]))
              << "result " << i << " at symbols " << ::testing::PrintToString(values) << ": "
              << firstDifference((*expected)[i], found[i]);
      }
    }
    if (!first)
      first = std::move(compiled);
  }
}

void expectRefusal(const Region &region, const std::string &expected) {
  auto context = makeContext();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(functionText(region), context.get());
  ASSERT_TRUE(module);
  std::string messages;
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) {
    messages += diagnostic.str() + "\n";
    return success();
  });
  auto compiled = CompiledRegion::compile(module->lookupSymbol<func::FuncOp>("main"), Isa::Avx2);
  EXPECT_FALSE(compiled);
  EXPECT_NE(messages.find(expected), std::string::npos) << messages;
}

} // namespace bitwright::x86::testing
