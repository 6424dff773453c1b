//===- ReferenceTest.cpp - the interpreter against loops and against itself -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dyadic/Dyadic.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Reference/Interpreter.h"
#include "lib/Reference/Products.h"

#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

namespace {

Tensor randomFloats(ArrayRef<int64_t> shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  Tensor tensor(Element::F32, shape);
  for (int64_t i = 0; i < tensor.getNumElements(); ++i)
    tensor.mutableData<float>()[i] = normal(random);
  return tensor;
}

Tensor randomIntegers(ArrayRef<int64_t> shape, unsigned seed, int lo, int hi) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> uniform(lo, hi);
  Tensor tensor(Element::S32, shape);
  for (int64_t i = 0; i < tensor.getNumElements(); ++i)
    tensor.mutableData<int32_t>()[i] = uniform(random);
  return tensor;
}

/// One term of a chain: a single rounding for floats (F4), wrapping for integers.
float continueChain(float x, float w, float acc) { return std::fma(x, w, acc); }
int32_t continueChain(int32_t x, int32_t w, int32_t acc) { return acc + x * w; }

struct ConvCase {
  int64_t n, c, h, w, o, kh, kw, stride, padTop, padLeft, padBottom, padRight, dilation, groups;
};
const ConvCase kConvCases[] = {
    {1, 3, 9, 11, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1},  {2, 4, 7, 5, 6, 3, 2, 2, 0, 1, 2, 0, 1, 2},
    {1, 17, 6, 6, 33, 1, 1, 1, 0, 0, 0, 0, 1, 1}, {1, 8, 10, 3, 8, 5, 3, 1, 2, 1, 2, 1, 1, 8},
    {3, 6, 8, 8, 12, 3, 3, 1, 2, 2, 2, 2, 2, 3},  {1, 5, 4, 4, 5, 3, 3, 3, 1, 0, 0, 1, 1, 5},
    {2, 20, 1, 13, 40, 1, 5, 2, 0, 2, 0, 2, 1, 1}};

/// The definition of qnn.conv, one output at a time: taps outer, channels inner, padding as zeros.
template <typename T>
std::vector<T> convByDefinition(const ConvCase &k, const T *x, const T *w, int64_t oh, int64_t ow) {
  std::vector<T> y;
  int64_t gc = k.c / k.groups, go = k.o / k.groups;
  for (int64_t n = 0; n < k.n; ++n)
    for (int64_t o = 0; o < k.o; ++o)
      for (int64_t i = 0; i < oh; ++i)
        for (int64_t j = 0; j < ow; ++j) {
          T acc = 0;
          for (int64_t a = 0; a < k.kh; ++a)
            for (int64_t b = 0; b < k.kw; ++b)
              for (int64_t c = 0; c < gc; ++c) {
                int64_t yy = i * k.stride + a * k.dilation - k.padTop, xx = j * k.stride + b * k.dilation - k.padLeft;
                bool inside = yy >= 0 && yy < k.h && xx >= 0 && xx < k.w;
                T v = inside ? x[((n * k.c + o / go * gc + c) * k.h + yy) * k.w + xx] : T(0);
                acc = continueChain(v, w[((o * gc + c) * k.kh + a) * k.kw + b], acc);
              }
          y.push_back(acc);
        }
  return y;
}

TEST(Reference, F4_ConvEqualsItsDefinition) {
  unsigned seed = 1;
  for (const ConvCase &k : kConvCases) {
    int64_t oh = (k.h + k.padTop + k.padBottom - k.dilation * (k.kh - 1) - 1) / k.stride + 1;
    int64_t ow = (k.w + k.padLeft + k.padRight - k.dilation * (k.kw - 1) - 1) / k.stride + 1;
    int64_t strides[] = {k.stride, k.stride}, pads[] = {k.padTop, k.padLeft, k.padBottom, k.padRight},
            dilations[] = {k.dilation, k.dilation};
    ConvGeometry geometry{strides, pads, dilations, k.groups, false};
    Tensor x = randomFloats({k.n, k.c, k.h, k.w}, seed++), w = randomFloats({k.o, k.c / k.groups, k.kh, k.kw}, seed++);
    std::vector<float> expected = convByDefinition(k, x.data<float>(), w.data<float>(), oh, ow);
    for (unsigned threads : {1u, 3u}) {
      Tensor y = convolve<float>(x, w, geometry, {k.n, k.o, oh, ow}, Element::F32, threads);
      ASSERT_TRUE(y.equals(Tensor::ofFloats({k.n, k.o, oh, ow}, expected)))
          << "case " << &k - kConvCases << ", " << threads << " threads";
    }
    Tensor xi = randomIntegers({k.n, k.c, k.h, k.w}, seed++, -255, 255),
           wi = randomIntegers({k.o, k.c / k.groups, k.kh, k.kw}, seed++, -128, 127);
    std::vector<int32_t> exact = convByDefinition(k, xi.data<int32_t>(), wi.data<int32_t>(), oh, ow);
    Tensor yi = convolve<int32_t>(xi, wi, geometry, {k.n, k.o, oh, ow}, Element::S32, 1);
    ASSERT_TRUE(yi.equals(Tensor::of<int32_t>(Element::S32, {k.n, k.o, oh, ow}, exact)));
    Tensor wide = convolve<int64_t>(toInt64(xi), toInt64(wi), geometry, {k.n, k.o, oh, ow}, Element::S64, 1);
    ASSERT_TRUE(narrowTo(wide, Element::S32).equals(yi));
  }
}

TEST(Reference, ConvTransposeIsTheGradientOfConv) {
  // <conv(x), y> = <x, convTranspose(y)> for every x, y: exact in integers.
  unsigned seed = 100;
  for (const ConvCase &k : kConvCases) {
    int64_t oh = (k.h + k.padTop + k.padBottom - k.dilation * (k.kh - 1) - 1) / k.stride + 1;
    int64_t ow = (k.w + k.padLeft + k.padRight - k.dilation * (k.kw - 1) - 1) / k.stride + 1;
    int64_t strides[] = {k.stride, k.stride}, pads[] = {k.padTop, k.padLeft, k.padBottom, k.padRight},
            dilations[] = {k.dilation, k.dilation};
    ConvGeometry forward{strides, pads, dilations, k.groups, false}, backward{strides, pads, dilations, k.groups, true};
    Tensor x = randomIntegers({k.n, k.c, k.h, k.w}, seed++, -9, 9),
           w = randomIntegers({k.o, k.c / k.groups, k.kh, k.kw}, seed++, -9, 9);
    Tensor y = randomIntegers({k.n, k.o, oh, ow}, seed++, -9, 9);
    Tensor fx = convolve<int32_t>(x, w, forward, y.getShape(), Element::S32, 1);
    Tensor by = convolve<int32_t>(y, w, backward, x.getShape(), Element::S32, 2);
    int64_t left = 0, right = 0;
    for (int64_t i = 0; i < y.getNumElements(); ++i)
      left += int64_t(fx.data<int32_t>()[i]) * y.data<int32_t>()[i];
    for (int64_t i = 0; i < x.getNumElements(); ++i)
      right += int64_t(by.data<int32_t>()[i]) * x.data<int32_t>()[i];
    ASSERT_EQ(left, right) << "case " << &k - kConvCases;
  }
}

TEST(Reference, F4_MatmulEqualsItsDefinition) {
  unsigned seed = 200;
  for (int64_t m : {1, 3, 4, 5, 9})
    for (int64_t n : {1, 15, 16, 17, 40})
      for (int64_t k : {1, 2, 33}) {
        Tensor a = randomFloats({2, m, k}, seed++), b = randomFloats({k, n}, seed++);
        std::vector<float> expected, transposed(size_t(k * n));
        for (int64_t i = 0; i < 2 * m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            float acc = 0;
            for (int64_t t = 0; t < k; ++t)
              acc = std::fma(a.data<float>()[i * k + t], b.data<float>()[t * n + j], acc);
            expected.push_back(acc);
          }
        for (int64_t t = 0; t < k; ++t)
          for (int64_t j = 0; j < n; ++j)
            transposed[size_t(j * k + t)] = b.data<float>()[t * n + j];
        Tensor exact = Tensor::ofFloats({2, m, n}, expected);
        ASSERT_TRUE(multiply<float>(a, b, false, {2, m, n}, Element::F32, 1).equals(exact))
            << m << " " << n << " " << k;
        ASSERT_TRUE(
            multiply<float>(a, Tensor::ofFloats({n, k}, transposed), true, {2, m, n}, Element::F32, 2).equals(exact));
      }
}

class ReferenceIR : public ::testing::Test {
protected:
  ReferenceIR() { context.loadDialect<func::FuncDialect, qnn::QnnDialect, dyadic::DyadicDialect>(); }
  func::FuncOp parse(StringRef text) {
    module = parseSourceString<ModuleOp>(text, &context);
    return module ? *module->getOps<func::FuncOp>().begin() : func::FuncOp();
  }
  /// The first error of a run that must fail.
  std::string errorOf(func::FuncOp func, ArrayRef<Tensor> inputs) {
    std::string text;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      if (text.empty())
        text = diagnostic.str();
      return success();
    });
    EXPECT_TRUE(failed(interpret(func, inputs)));
    return text;
  }
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

const char *const kTwoSymbols = R"(
  func.func @f(%a: tensor<?x?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s0, s1)>}, %b: tensor<?x?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s1, s0 * 2)>})
      -> tensor<?x?xf32> attributes {qnn.symbols = [#qnn.symbol<"M", 1, 8, 1>, #qnn.symbol<"K", 2, 8, 2>]} {
    %y = qnn.matmul %a, %b : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    return %y : tensor<?x?xf32>
  })";

TEST_F(ReferenceIR, BindsSymbolsAndChecksInputs) {
  func::FuncOp func = parse(kTwoSymbols);
  ASSERT_TRUE(func);
  auto results = interpret(func, {randomFloats({3, 4}, 1), randomFloats({4, 6}, 2)});
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ((*results)[0].describe(), "f32[3,6]");
  EXPECT_EQ(errorOf(func, {randomFloats({3, 4}, 1), randomFloats({4, 5}, 2)}),
            "input 1: expected dimension 1 to be 6, found 5");
  EXPECT_EQ(errorOf(func, {randomFloats({9, 4}, 1), randomFloats({4, 18}, 2)}),
            "dimension M: expected 1..8 in steps of 1, found 9");
  EXPECT_EQ(errorOf(func, {randomFloats({3, 5}, 1), randomFloats({5, 6}, 2)}),
            "dimension K: expected 2..8 in steps of 2, found 5");
  EXPECT_EQ(errorOf(func, {randomFloats({3, 4}, 1)}), "expected 2 inputs, found 1");
  EXPECT_EQ(errorOf(func, {randomFloats({3}, 1), randomFloats({4, 6}, 2)}), "input 0: expected rank 2, found 1");
  EXPECT_EQ(errorOf(func, {randomIntegers({3, 4}, 1, 0, 1), randomFloats({4, 6}, 2)}),
            "input 0: expected elements of type 'f32', found s32");
}

TEST_F(ReferenceIR, ObserverSeesEachResultInOrder) {
  func::FuncOp func = parse(R"(
    func.func @f(%a: tensor<2xf32>) -> tensor<2xf32> {
      %0 = qnn.relu %a {name = "one"} : (tensor<2xf32>) -> tensor<2xf32>
      %1 = qnn.add %0, %0 {name = "two"} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
      return %1 : tensor<2xf32>
    })");
  ASSERT_TRUE(func);
  std::string seen;
  InterpretOptions options;
  options.observer = [&](Operation *op, unsigned i, const Tensor &tensor) {
    seen += getName(op).str() + ":" + std::to_string(i) + "=" + std::to_string(int(tensor.data<float>()[1])) + " ";
  };
  ASSERT_TRUE(succeeded(interpret(func, {Tensor::ofFloats({2}, {-1.0f, 3.0f})}, options)));
  EXPECT_EQ(seen, "one:0=3 two:0=6 ");
}

TEST_F(ReferenceIR, EveryOperationOfQnnAndDyadicHasAFunction) {
  unsigned count = 0;
  for (RegisteredOperationName name : context.getRegisteredOperations())
    if (name.getDialectNamespace() == "qnn" || name.getDialectNamespace() == "dyadic") {
      EXPECT_TRUE(OpTable::get().find(name.getStringRef())) << name.getStringRef().str();
      ++count;
    }
  EXPECT_GE(count, 70u);
}

TEST(ReferenceTensor, NibblesRoundTripThroughTheStore) {
  MLIRContext context;
  Tensor codes(Element::S4, {3, 3});
  for (int i = 0; i < 9; ++i)
    codes.mutableData<int8_t>()[i] = int8_t(i - 8);
  WeightData packed = toWeight(codes, &context);
  EXPECT_EQ(packed.bytes.size(), 5u);
  EXPECT_EQ(packed.bytes[0], 0x98); // -8 in the low nibble, -7 in the high one
  EXPECT_TRUE(fromWeight(packed).equals(codes));
}

TEST(ReferenceTensor, EqualityTreatsNaNsAsOneAndZerosAsTwo) {
  float nan = std::nanf(""), otherNan = -std::nanf("7");
  EXPECT_TRUE(Tensor::ofFloats({1}, {nan}).equals(Tensor::ofFloats({1}, {otherNan})));
  EXPECT_FALSE(Tensor::ofFloats({1}, {0.0f}).equals(Tensor::ofFloats({1}, {-0.0f})));
  EXPECT_FALSE(Tensor::ofFloats({1}, {0.0f}).equals(Tensor::ofFloats({1, 1}, {0.0f})));
}

} // namespace
