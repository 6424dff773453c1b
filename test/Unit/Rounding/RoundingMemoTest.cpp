//===- RoundingMemoTest.cpp - weights are rounded once ---------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Quantize/RoundingMemo.h"
#include "lib/Statistics/Statistics.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace bitwright;

namespace {

class Memo : public ::testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<mlir::func::FuncDialect, qnn::QnnDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(R"(
      func.func @main(%x: tensor<1x3xf32> {qnn.name = "x"}) -> tensor<1x1xf32> {
        %w = qnn.constant {name = "w", value = dense<[[7.0, 1.4, 1.4]]> : tensor<1x3xf32>} : tensor<1x3xf32>
        %0 = qnn.linear %x, %w {name = "first", qnn.weight_only, qnn.weight_rounding = "gptq",
                                qnn.weight_scheme = #qnn.scheme<s4, axis 0>}
            : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x1xf32>
        return %0 : tensor<1x1xf32>
      })",
                                                     &context);
    ASSERT_TRUE(bool(module));
    module->walk([&](qnn::LinearOp op) { linear = op; });
    setMoments({1, 0, 0, 0, 1, 1, 0, 1, 1});
  }
  void setMoments(std::vector<double> matrix) {
    auto statistics = std::make_shared<Statistics>();
    SecondMoments &moments = statistics->moments["first"];
    moments.columns = 3;
    moments.rows = 4;
    moments.matrix = std::move(matrix);
    context.getOrLoadDialect<qnn::QnnDialect>()->getStatistics() = statistics;
  }
  std::vector<int32_t> codes() {
    auto result = quantizeWeightOf(linear, 0);
    EXPECT_TRUE(succeeded(result));
    return succeeded(result) ? result->codes : std::vector<int32_t>();
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::Operation *linear = nullptr;
};

TEST_F(Memo, RoundsOnceUntilSomethingChanges) {
  // As in gptq.mlir: the last two inputs are equal, and feedback makes up for one in the other.
  const std::vector<int32_t> correlated = {7, 1, 2}, nearest = {7, 1, 1};
  EXPECT_EQ(RoundingMemo::find(&context), nullptr);
  EXPECT_EQ(codes(), correlated); // works without
  RoundingMemo::install(&context);
  RoundingMemo::install(&context);
  RoundingMemo *memo = RoundingMemo::find(&context);
  ASSERT_NE(memo, nullptr);
  EXPECT_EQ(codes(), correlated);
  EXPECT_EQ(codes(), correlated);
  EXPECT_EQ(memo->misses(), 1u);
  EXPECT_EQ(memo->hits(), 1u);

  // Other moments, no GPTQ, another format, another clip: each is rounded anew, and the first is still known.
  setMoments({1, 0, 0, 0, 1, 0, 0, 0, 1});
  EXPECT_EQ(codes(), nearest);
  setMoments({1, 0, 0, 0, 1, 1, 0, 1, 1});
  linear->setAttr(weightSchemeAttr, qnn::SchemeAttr::get(&context, "s8", 0));
  EXPECT_EQ(codes()[0], 127);
  linear->setAttr(weightSchemeAttr, qnn::SchemeAttr::get(&context, "s4", 0));
  linear->setAttr(weightClipAttr, mlir::StringAttr::get(&context, "mse"));
  codes();
  linear->removeAttr(weightClipAttr);
  linear->removeAttr(weightRoundingAttr);
  EXPECT_EQ(codes(), nearest);
  linear->setAttr(weightRoundingAttr, mlir::StringAttr::get(&context, "gptq"));
  EXPECT_EQ(memo->misses(), 5u);
  EXPECT_EQ(codes(), correlated);
  EXPECT_EQ(memo->hits(), 2u);

  // Other weights under the same name.
  mlir::OpBuilder builder(linear);
  const std::vector<float> others = {7, 2, 2};
  linear->setOperand(1, createConstant(builder, linear->getLoc(), "w", {1, 3}, others));
  EXPECT_EQ(codes(), (std::vector<int32_t>{7, 2, 2}));
  EXPECT_EQ(memo->misses(), 6u);
  memo->clear();
  codes();
  EXPECT_EQ(memo->misses(), 7u);
}

TEST_F(Memo, OldestAreForgotten) {
  RoundingMemo::install(&context);
  RoundingMemo *memo = RoundingMemo::find(&context);
  RoundedWeight half, found;
  half.codes.resize(RoundingMemo::maxBytes / 8);
  memo->insert("a", half);
  memo->insert("b", half);
  EXPECT_TRUE(memo->lookup("a", found));
  RoundedWeight one;
  one.codes = {5};
  memo->insert("c", one);
  EXPECT_FALSE(memo->lookup("a", found));
  EXPECT_TRUE(memo->lookup("c", found));
  EXPECT_EQ(found.codes, one.codes);
  // One that does not fit at all leaves the others alone.
  half.codes.resize(RoundingMemo::maxBytes / 4 + 1);
  memo->insert("d", half);
  EXPECT_FALSE(memo->lookup("d", found));
  EXPECT_TRUE(memo->lookup("c", found));
}

} // namespace
