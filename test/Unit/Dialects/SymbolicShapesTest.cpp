//===- SymbolicShapesTest.cpp - shapes as expressions of named dims --------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Qnn/Qnn.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <random>

using namespace mlir;
using namespace bitwright;

namespace {

struct SymbolicShapesTest : testing::Test {
  MLIRContext context;
  AffineExpr n, w;
  SymbolicShapesTest() : n(getAffineSymbolExpr(0, &context)), w(getAffineSymbolExpr(1, &context)) {
    context.loadDialect<qnn::QnnDialect, func::FuncDialect>();
    // Tests look at texts that functions return; diagnostics would only clutter the log.
    context.getDiagEngine().registerHandler([](Diagnostic &) { return success(); });
  }
  AffineExpr number(int64_t value) { return getAffineConstantExpr(value, &context); }
};

TEST_F(SymbolicShapesTest, ConstantsAreRecognised) {
  EXPECT_EQ(constantOf(number(7)), 7);
  EXPECT_EQ(constantOf(w), std::nullopt);
  EXPECT_EQ(constantOf(w + 1), std::nullopt);
}

TEST_F(SymbolicShapesTest, BroadcastTakesTheOtherSideOfOne) {
  SymbolicShape result;
  EXPECT_EQ(broadcastShapes({{n, number(1), w}, {number(4), number(1)}}, result), "");
  EXPECT_EQ(result, (SymbolicShape{n, number(4), w}));
  EXPECT_EQ(broadcastShapes({{}, {w}, {}}, result), "");
  EXPECT_EQ(result, SymbolicShape{w});
  EXPECT_EQ(broadcastShapes({{}, {}}, result), "");
  EXPECT_TRUE(result.empty());
}

TEST_F(SymbolicShapesTest, BroadcastProvesEquality) {
  SymbolicShape result;
  // (2w + 2) floordiv 2 = w + 1
  EXPECT_EQ(broadcastShapes({{(w * 2 + 2).floorDiv(2)}, {w + 1}}, result), "");
  EXPECT_EQ(broadcastShapes({{number(3)}, {number(4)}}, result), "operands do not broadcast: dimension 0 is 3 and 4");
  EXPECT_EQ(broadcastShapes({{n}, {w}}, result), "operands do not broadcast: dimension 0 is s0 and s1, which are not "
                                                 "provably equal: fix one of the symbols with --dim");
  // A symbol may be 4 or not: never assumed.
  EXPECT_NE(broadcastShapes({{w}, {number(4)}}, result), "");
}

TEST_F(SymbolicShapesTest, ProductsOfDimensions) {
  EXPECT_EQ(constantOf(productOf({}, &context)), 1);
  EXPECT_EQ(constantOf(productOf({number(3), number(5)}, &context)), 15);
  EXPECT_EQ(evaluate(productOf({n, number(3), w}, &context), {4, 7}), 84);
}

TEST_F(SymbolicShapesTest, TypesAndAttributes) {
  Type f32 = Float32Type::get(&context);
  EXPECT_EQ(bitwright::typeOf({n, number(3), w + 1}, f32),
            RankedTensorType::get({ShapedType::kDynamic, 3, ShapedType::kDynamic}, f32));
  EXPECT_EQ(staticShape(RankedTensorType::get({2, 3}, f32)), (SymbolicShape{number(2), number(3)}));
  AffineMap map = shapeAttr({n, w}, 2, &context).getValue();
  EXPECT_EQ(map.getNumDims(), 0u);
  EXPECT_EQ(map.getNumSymbols(), 2u);
  EXPECT_EQ(map.getResult(1), w);
}

TEST_F(SymbolicShapesTest, EvaluateFollowsTheOperators) {
  // floordiv rounds down, ceildiv up, mod is never negative.
  EXPECT_EQ(evaluate(((w - 10).floorDiv(4)) + n * 3, {5, 7}), -1 + 15);
  EXPECT_EQ(evaluate((w - 10).ceilDiv(4), {0, 7}), 0);
  EXPECT_EQ(evaluate((w - 10) % 4, {0, 7}), 1);
}

TEST_F(SymbolicShapesTest, RangesContainEveryValue) {
  // Sound for random expressions over small ranges, by trying every pair of values.
  std::mt19937 random(1);
  SmallVector<DimSymbol> symbols = {{"N", 1, 4, 1}, {"W", 3, 9, 1}};
  for (int trial = 0; trial < 300; ++trial) {
    SmallVector<AffineExpr> pool = {n, w, number(int64_t(random() % 9) - 4)};
    for (int step = 0; step < 4; ++step) {
      AffineExpr a = pool[random() % pool.size()], b = pool[random() % pool.size()];
      int64_t constant = int64_t(random() % 5) + 1;
      switch (random() % 5) {
      case 0:
        pool.push_back(a + b);
        break;
      case 1:
        pool.push_back(a * (constant - 3));
        break;
      case 2:
        pool.push_back(a.floorDiv(constant));
        break;
      case 3:
        pool.push_back(a.ceilDiv(constant));
        break;
      default:
        pool.push_back(a % constant);
      }
    }
    auto [low, high] = rangeOf(pool.back(), symbols);
    for (int64_t i = 1; i <= 4; ++i)
      for (int64_t j = 3; j <= 9; ++j) {
        int64_t value = evaluate(pool.back(), {i, j});
        ASSERT_LE(low, value) << "trial " << trial;
        ASSERT_GE(high, value) << "trial " << trial;
      }
  }
  // And tight where it should be: the output width of a convolution.
  EXPECT_EQ(rangeOf((w - 1).floorDiv(2) + 1, {{"N", 1, 4, 1}, {"W", 32, 1280, 1}}),
            std::make_pair(int64_t(16), int64_t(640)));
}

TEST_F(SymbolicShapesTest, SymbolsRoundTrip) {
  OpBuilder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
  EXPECT_TRUE(getSymbols(*module).empty());
  setSymbols(*module, {{"N", 1, 8, 1}, {"W", 32, 1280, 8}});
  auto symbols = getSymbols(*module);
  ASSERT_EQ(symbols.size(), 2u);
  EXPECT_EQ(symbols[1].name, "W");
  EXPECT_EQ(symbols[1].min, 32);
  EXPECT_EQ(symbols[1].max, 1280);
  EXPECT_EQ(symbols[1].divisor, 8);
}

TEST_F(SymbolicShapesTest, VisitRefinesTypes) {
  auto module = parseSourceString<ModuleOp>(R"(
    func.func @main(%x: tensor<?x4x?xf32> {qnn.dims = affine_map<()[s0, s1] -> (s0, 4, s1)>}) -> tensor<?x?x?xf32>
        attributes {qnn.symbols = [#qnn.symbol<"N", 1, 8, 1>, #qnn.symbol<"W", 1, 9, 1>]} {
      %0 = qnn.transpose %x {perm = array<i64: 2, 1, 0>} : (tensor<?x4x?xf32>) -> tensor<?x?x?xf32>
      return %0 : tensor<?x?x?xf32>
    })",
                                            &context);
  ASSERT_TRUE(module);
  auto func = *module->getOps<func::FuncOp>().begin();
  auto shapes = SymbolicShapes::compute(func);
  ASSERT_TRUE(succeeded(shapes));
  Operation &transpose = func.getBody().front().front();
  EXPECT_EQ(shapes->get(transpose.getResult(0)), (SymbolicShape{w, number(4), n}));
  // compute() leaves types alone; visit() with refineTypes makes the constant static.
  EXPECT_TRUE(cast<RankedTensorType>(transpose.getResult(0).getType()).isDynamicDim(1));
  ASSERT_TRUE(succeeded(shapes->visit(&transpose, /*refineTypes=*/true)));
  EXPECT_EQ(cast<RankedTensorType>(transpose.getResult(0).getType()).getDimSize(1), 4);
  EXPECT_EQ(getValueName(func.getArgument(0)), "argument0");
}

} // namespace
