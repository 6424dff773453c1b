//===- MatmulTest.cpp - products of two run-time tensors -------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
// Against the interpreter: integers equal, float32 bit-equal; guarded buffers; both instruction sets; any cut into
// tiles.
//===----------------------------------------------------------------------===//
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Reference/Interpreter.h"
#include "mlir/Parser/Parser.h"
#include "test/Unit/X86Gemm/KernelHarness.h"

#include "gtest/gtest.h"

#include <random>

using namespace mlir;

namespace bitwright::x86::testing {
namespace {

using reference::Element;
using reference::Tensor;

/// Operand shapes in logical order. With `dynamic`, rows and depth of the left side are the symbols M and K.
struct MatmulCase {
  std::vector<int64_t> lhs, rhs, out;
  bool isFloat = false, dynamic = false, rescale = true, transposedRight = false;
  int64_t lhsZero = 0, rhsZero = 0;
};

std::string typeOf(const std::vector<int64_t> &shape, const std::string &element, std::vector<size_t> symbolic = {}) {
  std::string text = "tensor<";
  for (size_t d = 0; d < shape.size(); ++d)
    text += (llvm::is_contained(symbolic, d) ? std::string("?") : std::to_string(shape[d])) + "x";
  return text + element + ">";
}

std::string dimsOf(const std::vector<int64_t> &shape, size_t at0, const char *name0, size_t at1, const char *name1) {
  std::string text = ", qnn.dims = affine_map<()[s0, s1] -> (";
  for (size_t d = 0; d < shape.size(); ++d)
    text += (d ? ", " : "") + (d == at0   ? std::string(name0)
                               : d == at1 ? std::string(name1)
                                          : std::to_string(shape[d]));
  return text + ")>";
}

std::string order(size_t rank, bool swapLast) {
  std::string text = "array<i64: ";
  for (size_t d = 0; d < rank; ++d) {
    size_t dim = swapLast && d + 2 >= rank ? (d + 1 == rank ? rank - 2 : rank - 1) : d;
    text += (d ? ", " : "") + std::to_string(dim);
  }
  return text + ">";
}

void check(const MatmulCase &c, uint64_t seed) {
  std::mt19937_64 random(seed);
  size_t lr = c.lhs.size(), rr = c.rhs.size(), outRank = c.out.size();
  std::string e = c.isFloat ? "f32" : "i8";
  std::vector<size_t> ls, rs, os;
  if (c.dynamic)
    ls = {lr - 2, lr - 1}, rs = {rr - 2}, os = {outRank - 2};
  std::string lt = typeOf(c.lhs, e, ls), rt = typeOf(c.rhs, e, rs), acc = typeOf(c.out, c.isFloat ? "f32" : "i32", os),
              ot = acc;
  std::string body = "    %p = " + std::string(c.isFloat ? "qnn" : "dyadic") + ".matmul %a, %b";
  if (!c.isFloat)
    body += " {lhs_zero_point = " + std::to_string(c.lhsZero) +
            " : i32, rhs_zero_point = " + std::to_string(c.rhsZero) + " : i32}";
  body += " : (" + lt + ", " + rt + ") -> " + acc + "\n";
  std::string value = "%p";
  if (c.rescale && !c.isFloat) {
    ot = typeOf(c.out, "i8", os);
    body += "    %q = dyadic.rescale %p {multiplier = array<i32: 1431655765>, shift = array<i8: 41>, multiplier_bits = "
            "31 : i64, rounding = "
            "#dyadic.rounding<half_up>, zero_point = 3 : i32, clamp = array<i32: -128, 127>} : (" +
            acc + ") -> " + ot + "\n";
    value = "%q";
  }
  std::string text =
      "func.func @main(%a0: " + lt + " {qnn.name = \"a\"" +
      (c.dynamic ? dimsOf(c.lhs, lr - 2, "s0", lr - 1, "s1") : "") + "}, %b0: " + rt + " {qnn.name = \"b\"" +
      (c.dynamic ? dimsOf(c.rhs, rr - 2, "s1", 99, "") : "") + "}) -> (" + ot + " {qnn.name = \"y\"})" +
      (c.dynamic ? " attributes {qnn.symbols = [#qnn.symbol<\"M\", 1, 300, 1>, #qnn.symbol<\"K\", 1, 150, 1>]}" : "") +
      " {\n  %y = kernel.fused (%a = %a0, %b = %b0) {kind = #kernel.template<gemm>, operand_layouts = [" +
      order(lr, false) + ", " + order(rr, c.transposedRight) + "], result_layouts = [" + order(outRank, false) +
      "]} : (" + lt + ", " + rt + ") -> " + ot + " {\n" + body + "    kernel.yield " + value + " : " + ot +
      "\n  }\n  return %y : " + ot + "\n}\n";
  SCOPED_TRACE(text);
  auto context = makeContext();
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(context.get()));
  ASSERT_TRUE(module);
  func::FuncOp func = *module->getOps<func::FuncOp>().begin();
  auto make = [&](const std::vector<int64_t> &shape) {
    Tensor tensor(c.isFloat ? Element::F32 : Element::S8, shape);
    for (int64_t i = 0; i < tensor.getNumElements(); ++i)
      if (c.isFloat)
        tensor.mutableData<float>()[i] = std::normal_distribution<float>()(random);
      else
        tensor.mutableData<int8_t>()[i] = int8_t(random());
    return tensor;
  };
  std::vector<Tensor> operands{make(c.lhs), make(c.rhs)};
  std::vector<int64_t> symbols;
  if (c.dynamic)
    symbols = {c.lhs[lr - 2], c.lhs[lr - 1]};
  auto expected = reference::interpret(func, operands);
  ASSERT_TRUE(succeeded(expected));
  for (Isa isa : {Isa::Avx2, Isa::Avx512Vnni}) {
    if (!hostHas(isa))
      continue;
    SCOPED_TRACE(nameOf(isa).str());
    auto region = CompiledRegion::compile(func, isa);
    ASSERT_TRUE(region);
    region->bind(operands, symbols);
    region->clearResults();
    for (int64_t t = region->tiles() - 1; t >= 0; --t)
      region->run(t, t + 1);
    ASSERT_TRUE(region->results()[0].equals((*expected)[0]));
    region->clearResults();
    region->runAll();
    ASSERT_TRUE(region->results()[0].equals((*expected)[0]));
  }
}

TEST(Matmul, Codes) {
  check({{8, 40, 15}, {8, 15, 40}, {8, 40, 40}}, 1);
  check({{2, 3, 40, 40}, {2, 3, 40, 15}, {2, 3, 40, 15}}, 2);
  MatmulCase c{{5, 33}, {33, 70}, {5, 70}};
  c.lhsZero = -128, c.rhsZero = 127;
  check(c, 3);
  c.rescale = false;
  check(c, 4);
  c = {{50, 1}, {1, 129}, {50, 129}};
  c.lhsZero = 7;
  check(c, 5);
  check({{7, 64}, {64, 1}, {7, 1}}, 6);
}
TEST(Matmul, BroadcastBatch) {
  check({{3, 1, 6, 20}, {4, 20, 17}, {3, 4, 6, 17}}, 7);
  check({{6, 20}, {4, 20, 33}, {4, 6, 33}}, 8);
}
TEST(Matmul, Floats) {
  MatmulCase c{{2, 49, 31}, {2, 31, 65}, {2, 49, 65}};
  c.isFloat = true;
  check(c, 9);
  check({{3, 1, 6, 20}, {4, 20, 17}, {3, 4, 6, 17}, true}, 10);
}
TEST(Matmul, RightSideWithDepthInnermost) {
  MatmulCase c{{2, 9, 31}, {2, 31, 37}, {2, 9, 37}};
  c.transposedRight = true;
  c.rhsZero = 5;
  check(c, 11);
  c.isFloat = true;
  check(c, 12);
}
TEST(Matmul, DynamicSizes) {
  for (int64_t m : {1, 48, 131})
    for (int64_t k : {1, 16, 37, 150}) {
      MatmulCase c{{2, m, k}, {2, k, 40}, {2, m, 40}};
      c.dynamic = true;
      c.rhsZero = -9;
      check(c, 100 + m + k);
      c.isFloat = true;
      check(c, 200 + m + k);
    }
}

} // namespace
} // namespace bitwright::x86::testing
