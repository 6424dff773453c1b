//===- ProgramTest.cpp - exec programs run through their memory plan -------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "dialects/Exec/Exec.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Reference/Interpreter.h"

#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::reference;

namespace {

// h = x + 10 lies at byte 64 with the dimensions in the order 0, 2, 1. The second launch reads the same bytes as a flat
// row (an alias) and takes the 10 away.
const char *const kPlan = R"(
exec.program @plan symbols [#qnn.symbol<"W", 1, 8, 1>] arena 256 contents {
  exec.tensor "x" f32 dims affine_map<()[s0] -> (1, 2, s0)> order [0, 1, 2]
  exec.tensor "h" f32 dims affine_map<()[s0] -> (1, 2, s0)> order [0, 2, 1]
  exec.tensor "flat" f32 dims affine_map<()[s0] -> (s0 * 2)> order [0]
  exec.tensor "y" f32 dims affine_map<()[s0] -> (s0 * 2)> order [0]
  exec.kernel "k0" {}
  exec.interface ["x"] -> ["y"]
  exec.launch "first" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<arena 64 "h">] stores [1] dims affine_map<()[s0] -> (s0)> tiles affine_map<()[s0] -> (1)> scratch affine_map<()[s0] -> (0)> body {
  ^bb0(%x: tensor<1x2x?xf32>):
    %c = qnn.constant {value = dense<10.0> : tensor<f32>} : tensor<f32>
    %0 = qnn.add %x, %c : (tensor<1x2x?xf32>, tensor<f32>) -> tensor<1x2x?xf32>
    func.return %0 : tensor<1x2x?xf32>
  }
  exec.launch "second" kernel "k0" [#exec.buffer<arena 64 "flat">, #exec.buffer<output 0 "y">] stores [1] dims affine_map<()[s0] -> (s0)> tiles affine_map<()[s0] -> (1)> scratch affine_map<()[s0] -> (0)> body {
  ^bb0(%x: tensor<?xf32>):
    %c = qnn.constant {value = dense<10.0> : tensor<f32>} : tensor<f32>
    %0 = qnn.sub %x, %c : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
    func.return %0 : tensor<?xf32>
  }
}
)";

// The last tensor ends at byte 264 of an arena of 256.
const char *const kOutside = R"(
exec.program @overlap symbols [] arena 256 contents {
  exec.tensor "x" f32 dims affine_map<() -> (1, 2, 3)> order [0, 1, 2]
  exec.tensor "h" f32 dims affine_map<() -> (1, 2, 3)> order [0, 1, 2]
  exec.interface ["x"] -> ["x"]
  exec.launch "first" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<arena 240 "h">] stores [1] dims affine_map<() -> ()> tiles affine_map<() -> (1)> scratch affine_map<() -> (0)> body {
  ^bb0(%x: tensor<1x2x3xf32>):
    %0 = qnn.neg %x : (tensor<1x2x3xf32>) -> tensor<1x2x3xf32>
    func.return %0 : tensor<1x2x3xf32>
  }
}
)";

class ReferenceProgram : public ::testing::Test {
protected:
  ReferenceProgram() { context.loadDialect<func::FuncDialect, qnn::QnnDialect, exec::ExecDialect>(); }
  exec::ProgramOp parse(StringRef text) {
    // The bodies end in func.return, whose verifier wants a function around it.
    module = parseSourceString<ModuleOp>(text, ParserConfig(&context, /*verifyAfterParse=*/false));
    return module ? *module->getOps<exec::ProgramOp>().begin() : exec::ProgramOp();
  }
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(ReferenceProgram, ValuesTravelThroughTheArenaInMemoryOrder) {
  exec::ProgramOp program = parse(kPlan);
  ASSERT_TRUE(program);
  Tensor x = Tensor::ofFloats({1, 2, 3}, {0, 1, 2, 3, 4, 5});
  FailureOr<SmallVector<Tensor>> results = interpretProgram(program, {x});
  ASSERT_TRUE(succeeded(results));
  EXPECT_TRUE((*results)[0].equals(Tensor::ofFloats({6}, {0, 3, 1, 4, 2, 5})));
  // another width of the same program
  results = interpretProgram(program, {Tensor::ofFloats({1, 2, 1}, {7, 8})});
  ASSERT_TRUE(succeeded(results));
  EXPECT_TRUE((*results)[0].equals(Tensor::ofFloats({2}, {7, 8})));
}

TEST_F(ReferenceProgram, ATensorOutsideItsPlaceIsAnError) {
  exec::ProgramOp program = parse(kOutside);
  ASSERT_TRUE(program);
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { text = diagnostic.str(); });
  EXPECT_TRUE(failed(interpretProgram(program, {Tensor::ofFloats({1, 2, 3}, {0, 1, 2, 3, 4, 5})})));
  EXPECT_EQ(text, "'exec.launch' op tensor 'h' of 24 bytes does not fit its place #exec.buffer<arena 240 \"h\">");
}

} // namespace
